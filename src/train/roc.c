/* The receiver operating characteristic: what share of each kind of samples scores above a threshold, for every
 * threshold. Equal scores are one threshold, so that ties count half in the area. */
#include "base/error.h"
#include "base/memory.h"

#include <cauchy/train.h>

#include <math.h>
#include <stdlib.h>

typedef struct scored {
  double score;
  bool positive;
} scored;

static int falling(const void *a, const void *b) {
  double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
  return (x < y) - (x > y);
}

/* Sorted by falling score; both kinds occur. A point behind each group of equal scores. */
static void walk(const scored *samples, int64_t n, double positives, double negatives, cy_roc *roc) {
  double area = 0, above = 0, wrong = 0; /* positives and negatives above the threshold */
  roc->count = 1;
  roc->false_positive[0] = roc->true_positive[0] = 0;
  for (int64_t i = 0; i < n;) {
    double before = above, wrong_before = wrong;
    int64_t end = i;
    for (; end < n && samples[end].score == samples[i].score; end++) {
      if (samples[end].positive) above++;
      else wrong++;
    }
    area += (wrong - wrong_before) * (before + above) / 2;
    roc->false_positive[roc->count] = wrong / negatives;
    roc->true_positive[roc->count++] = above / positives;
    i = end;
  }
  roc->auc = area / (positives * negatives);
}

cy_status cy_roc_of(const double *scores, const bool *positive, int64_t n, cy_roc *roc) {
  int64_t positives = 0, bad = 0;
  *roc = (cy_roc){.auc = (double)NAN};
  for (int64_t i = 0; i < n; i++) {
    positives += positive[i];
    bad += isnan(scores[i]);
  }
  if (positives == 0 || positives == n || bad) return CY_OK;
  scored *samples = cy_calloc((size_t)n, sizeof *samples);
  roc->false_positive = cy_calloc((size_t)n + 1, sizeof *roc->false_positive);
  roc->true_positive = cy_calloc((size_t)n + 1, sizeof *roc->true_positive);
  if (!samples || !roc->false_positive || !roc->true_positive) {
    cy_free(samples);
    cy_roc_clear(roc);
    return cy_no_memory();
  }
  for (int64_t i = 0; i < n; i++) samples[i] = (scored){scores[i], positive[i]};
  qsort(samples, (size_t)n, sizeof *samples, falling);
  walk(samples, n, (double)positives, (double)(n - positives), roc);
  cy_free(samples);
  return CY_OK;
}

void cy_roc_clear(cy_roc *roc) {
  cy_free(roc->false_positive);
  cy_free(roc->true_positive);
  *roc = (cy_roc){.auc = (double)NAN};
}
