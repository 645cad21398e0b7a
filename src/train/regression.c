/* How well numbers are predicted: errors in the targets' units, and the share of their variance that the answers explain.
 * Sums are taken batch by batch; means and squares per output by Welford's method, so that large offsets cost nothing. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <math.h>

cy_status cy_regression_begin(cy_regression_sums *sums, int64_t outputs, int64_t samples) {
  *sums = (cy_regression_sums){.outputs = outputs};
  sums->means = cy_calloc((size_t)outputs, sizeof *sums->means);
  sums->squares = cy_calloc((size_t)outputs, sizeof *sums->squares);
  if (!sums->means || !sums->squares) return cy_no_memory();
  if (outputs != 1) return CY_OK;
  sums->targets = cy_calloc((size_t)samples + 1, sizeof *sums->targets);
  sums->answers = cy_calloc((size_t)samples + 1, sizeof *sums->answers);
  return sums->targets && sums->answers ? CY_OK : cy_no_memory();
}

static void add_number(cy_regression_sums *s, int64_t output, double target, double answer) {
  double before = target - s->means[output], error = answer - target;
  s->means[output] += before / (double)s->samples;
  s->squares[output] += before * (target - s->means[output]);
  s->absolute += fabs(error);
  s->squared += error * error;
  if (s->outputs > 1) return;
  s->targets[s->samples - 1] = target;
  s->answers[s->samples - 1] = answer;
}

void cy_regression_add(cy_regression_sums *s, const cy_tensor *targets, const cy_tensor *answers) {
  for (int64_t i = 0, n = cy_tensor_count(targets); i < n; i++) {
    if (i % s->outputs == 0) s->samples++;
    add_number(s, i % s->outputs, cy_tensor_at(targets, i), cy_tensor_at(answers, i));
  }
}

void cy_regression_end(cy_regression_sums *s, cy_regression *r) {
  double numbers = (double)s->samples * (double)s->outputs, variance = 0;
  for (int64_t k = 0; k < s->outputs; k++) variance += s->squares[k];
  *r = (cy_regression){.mae = s->absolute / numbers, .rmse = sqrt(s->squared / numbers),
                       .r2 = variance > 0 ? 1 - s->squared / variance : (double)NAN,
                       .targets = s->targets, .answers = s->answers, .count = s->targets ? s->samples : 0};
  s->targets = s->answers = NULL;
}

void cy_regression_clear(cy_regression_sums *s) {
  cy_free(s->means);
  cy_free(s->squares);
  cy_free(s->targets);
  cy_free(s->answers);
  *s = (cy_regression_sums){0};
}
