#include "cli/results.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void cli_print_parts_head(const cli_terminal *t, bool classes) {
  printf("%s%-12s %10s %10s%s%s\n", cli_style_on(t, CLI_DIM), "", "samples", "loss",
         classes ? "   accuracy   balanced    ROC AUC" : "         MAE       RMSE         R2", cli_style_off(t));
}

static const char *error_text(double error, char buffer[CLI_NUMBER_SIZE]) {
  snprintf(buffer, CLI_NUMBER_SIZE, isfinite(error) ? "%.4g" : "-", error);
  return buffer;
}

static const char *share_text(double share, char buffer[CLI_NUMBER_SIZE]) {
  snprintf(buffer, CLI_NUMBER_SIZE, isnan(share) ? "-" : "%.4f", share);
  return buffer;
}

void cli_print_part(const cli_terminal *t, const char *name, const cy_metrics *m, bool emphasis) {
  char a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE], c[CLI_NUMBER_SIZE], d[CLI_NUMBER_SIZE], e[CLI_NUMBER_SIZE];
  if (m->samples == 0) return;
  printf("%-12s %10s %10s", name, cli_count_text(m->samples, a), cli_loss_text(m->loss, b));
  if (m->classes > 0)
    printf("  %s%9s%s  %9s  %9s", emphasis ? cli_style_on(t, CLI_GOOD) : "", cli_percent_text(m->accuracy, c),
           emphasis ? cli_style_off(t) : "", cli_percent_text(m->balanced_accuracy, d), share_text(m->auc, e));
  else
    printf("  %10s %10s %s%10s%s", error_text(m->regression.mae, c), error_text(m->regression.rmse, d),
           emphasis ? cli_style_on(t, CLI_GOOD) : "", share_text(m->regression.r2, e), emphasis ? cli_style_off(t) : "");
  printf("\n");
}

void cli_print_text_loss(const char *part, const cy_metrics *m) {
  if (m->samples > 0)
    printf("%s: %.4f nats per character = %.4f bits, perplexity %.3f\n", part, m->loss, m->loss / CLI_NATS_PER_BIT,
           exp(m->loss));
}

int cli_sizes_count(const cy_image_size *sizes) {
  int n = 0;
  while (n < CY_MAX_SIZES && sizes[n].height > 0) n++;
  return n;
}

const char *cli_size_text(cy_image_size size, char buffer[CLI_NUMBER_SIZE]) {
  snprintf(buffer, CLI_NUMBER_SIZE, "%" PRId64 "x%" PRId64, size.height, size.width);
  return buffer;
}

cli_class_score cli_score_of(const cy_metrics *m, int64_t c) {
  int64_t actual = 0, predicted = 0, right = m->confusion[c * m->classes + c];
  for (int64_t k = 0; k < m->classes; k++) {
    actual += m->confusion[c * m->classes + k];
    predicted += m->confusion[k * m->classes + c];
  }
  return (cli_class_score){.samples = actual,
                           .precision = predicted ? (double)right / (double)predicted : (double)NAN,
                           .recall = actual ? (double)right / (double)actual : (double)NAN,
                           .f1 = actual + predicted ? 2 * (double)right / (double)(actual + predicted) : (double)NAN};
}

void cli_print_classes(const cli_terminal *t, const cy_metrics *m, const char *(*name)(const void *, int64_t),
                       const void *owner) {
  char a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE], c[CLI_NUMBER_SIZE], d[CLI_NUMBER_SIZE];
  int width = 12;
  for (int64_t k = 0; k < m->classes; k++) {
    int length = (int)strlen(name(owner, k));
    if (length > width) width = length > 40 ? 40 : length;
  }
  printf("%s%-*s %10s  %9s  %9s  %9s%s\n", cli_style_on(t, CLI_DIM), width, "class", "samples", "precision", "recall",
         "F1", cli_style_off(t));
  for (int64_t k = 0; k < m->classes; k++) {
    cli_class_score s = cli_score_of(m, k);
    printf("%-*.40s %10s  %9s  %9s  %9s\n", width, name(owner, k), cli_count_text(s.samples, a),
           cli_percent_text(s.precision, b), cli_percent_text(s.recall, c), cli_percent_text(s.f1, d));
  }
}
