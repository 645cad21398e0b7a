/* Measuring a model on samples: loss, accuracy, confusion matrix. Used while training (validation), by the trainer's
 * caller and for loaded models. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <math.h>

double cy_tally_loss(cy_tally tally) { return tally.samples ? tally.loss_sum / (double)tally.samples : (double)NAN; }
double cy_tally_accuracy(cy_tally tally, int64_t classes) {
  return tally.samples && classes > 0 ? (double)tally.correct / (double)tally.samples : (double)NAN;
}

enum { MOST_SAMPLES = 256, MOST_NUMBERS = 1 << 18 };

int64_t cy_evaluation_batch(cy_shape sample, int64_t batch_size) {
  int64_t most = MOST_NUMBERS / cy_count(sample);
  most = most > MOST_SAMPLES ? MOST_SAMPLES : most < 1 ? 1 : most;
  return batch_size > most ? batch_size : most;
}

static void count_confusion(const cy_evaluation *e, const cy_runner *runner) {
  const int64_t *predicted = cy_tensor_i64(cy_session_output(runner->session, CY_OUT_CLASS));
  const int64_t *actual = cy_tensor_i64(runner->y);
  int64_t classes = e->problem->classes;
  for (int64_t i = 0; i < runner->n; i++)
    if (actual[i] >= 0 && actual[i] < classes && predicted[i] >= 0 && predicted[i] < classes)
      e->confusion[actual[i] * classes + predicted[i]]++;
}

cy_status cy_evaluation_run(const cy_evaluation *e, cy_tally *tally) {
  int64_t batches = (e->n + e->batch_size - 1) / e->batch_size;
  *tally = (cy_tally){0};
  for (int64_t b = 0; b < batches; b++) {
    int64_t start = b * e->batch_size, n = e->n - start < e->batch_size ? e->n - start : e->batch_size;
    cy_runner *runner;
    cy_problem problem =
        cy_problem_at(e->problem, cy_sample_at(cy_dataset_sample_shape(e->dataset), e->sizes, b));
    CY_TRY(cy_runners_get(e->runners, &problem, CY_RUN_EVALUATE, n, e->state, &runner));
    CY_TRY(cy_loader_batch(e->loader, -1, e->indices + start, n, runner->x, runner->y));
    CY_TRY(cy_session_run(runner->session));
    tally->loss_sum += cy_runner_loss(runner) * (double)n;
    tally->correct += cy_runner_correct(runner);
    tally->samples += n;
    if (e->confusion) count_confusion(e, runner);
    if (e->after_batch && !e->after_batch(e->owner, *tally, b + 1, batches))
      return cy_fail(CY_CANCELLED, "stopped on request while evaluating, after batch %lld of %lld", (long long)(b + 1),
                     (long long)batches);
  }
  return CY_OK;
}

cy_status cy_evaluation_metrics(cy_evaluation evaluation, cy_metrics *metrics) {
  size_t classes = (size_t)evaluation.problem->classes, cells;
  cy_tally tally;
  *metrics = (cy_metrics){0};
  if (!cy_mul_size(classes, classes, &cells)) return cy_no_memory();
  if (classes > 0 && !(evaluation.confusion = cy_calloc(cells, sizeof(int64_t)))) return cy_no_memory();
  cy_status status = cy_evaluation_run(&evaluation, &tally);
  if (status != CY_OK) {
    cy_free(evaluation.confusion);
    return status;
  }
  *metrics = (cy_metrics){tally.samples, cy_tally_loss(tally), cy_tally_accuracy(tally, (int64_t)classes),
                          (int64_t)classes, evaluation.confusion};
  return CY_OK;
}

void cy_metrics_clear(cy_metrics *metrics) {
  cy_free(metrics->confusion);
  *metrics = (cy_metrics){0};
}
