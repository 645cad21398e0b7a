/* Measuring a model on samples: loss, accuracy, confusion matrix. Used while training (validation), by the trainer's
 * caller and for loaded models. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <math.h>

double cy_tally_loss(cy_tally tally) { return tally.samples ? tally.loss_sum / (double)tally.samples : (double)NAN; }
double cy_tally_accuracy(cy_tally tally, const cy_problem *problem) {
  double labels = (double)tally.samples * (double)cy_count(problem->target);
  if (problem->each_step) labels = (double)tally.labels;
  return tally.samples && problem->classes > 0 ? (double)tally.correct / labels : (double)NAN;
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
  int64_t classes = e->problem->classes, steps = cy_tensor_count(runner->y) / runner->n;
  bool ends = e->problem->each_step && runner->lengths;
  for (int64_t i = 0, labels = cy_tensor_count(runner->y); i < labels; i++)
    if ((!ends || i % steps < cy_tensor_i64(runner->lengths)[i / steps]) && actual[i] >= 0 && actual[i] < classes &&
        predicted[i] >= 0 && predicted[i] < classes)
      e->confusion[actual[i] * classes + predicted[i]]++;
}

/* log(p / (1 - p)) of class c by the softmax of z, without forming p, which rounds to 1. */
static double log_odds(const double *z, int64_t classes, int64_t c) {
  double largest = -INFINITY, sum = 0;
  for (int64_t k = 0; k < classes; k++)
    if (k != c && z[k] > largest) largest = z[k];
  if (!isfinite(largest)) return z[c] - largest;
  for (int64_t k = 0; k < classes; k++)
    if (k != c) sum += exp(z[k] - largest);
  return z[c] - largest - log(sum);
}

/* What an output says for each class: a single one log-odds, of two classes their difference. */
static void score(const cy_problem *o, const double *z, int64_t outputs, double *scores, int64_t stride) {
  bool softmax = o->classes == 2 || (o->loss->classes_only && o->loss->answer);
  for (int64_t c = 0; c < o->classes; c++) {
    if (outputs == 1) scores[c * stride] = c == 1 ? z[0] : -z[0];
    else scores[c * stride] = softmax ? log_odds(z, outputs, c) : z[c];
  }
}

enum { MOST_SCORED = 100 };

/* For samples first..first+n-1 of the evaluation. */
static void take_scores(const cy_evaluation *e, const cy_runner *runner, int64_t first) {
  const cy_tensor *output = cy_session_output(runner->session, CY_OUT_SCORES);
  int64_t outputs = cy_tensor_shape(output).dim[1];
  double z[MOST_SCORED];
  for (int64_t i = 0; i < runner->n; i++) {
    for (int64_t k = 0; k < outputs; k++) z[k] = cy_tensor_at(output, i * outputs + k);
    score(e->problem, z, outputs, e->scores + first + i, e->n);
    e->actual[first + i] = cy_tensor_i64(runner->y)[i];
  }
}

/* Batch number b of so many; first: recurrent layers that carry begin at zero. */
static cy_status run_batch(const cy_evaluation *e, bool carry, bool first, const int64_t *indices, int64_t n, int64_t b,
                           int64_t batches, cy_tally *tally) {
  cy_runner *runner;
  cy_problem problem = cy_problem_at(e->problem, cy_sample_of_batch(e->dataset, e->sizes, b, indices, n));
  problem.carry = carry;
  CY_TRY(cy_runners_get(e->runners, &problem, CY_RUN_EVALUATE, n, e->state, &runner));
  if (first) cy_runner_restart(runner);
  CY_TRY(cy_loader_batch(e->loader, -1, indices, n, runner->x, runner->y));
  cy_lengths_of_batch(e->dataset, indices, runner->lengths);
  CY_TRY(cy_session_run(runner->session));
  tally->loss_sum += cy_runner_loss(runner) * (double)n;
  tally->correct += cy_runner_correct(runner);
  tally->samples += n;
  tally->labels += cy_labels_of_batch(e->dataset, indices, n);
  if (e->confusion) count_confusion(e, runner);
  if (e->scores) take_scores(e, runner, tally->samples - n);
  if (e->sums) cy_regression_add(e->sums, runner->y, cy_session_output(runner->session, CY_OUT_NUMBERS));
  if (e->after_batch && !e->after_batch(e->owner, *tally, b + 1, batches))
    return cy_fail(CY_CANCELLED, "stopped on request while evaluating, after batch %lld of %lld", (long long)(b + 1),
                   (long long)batches);
  return CY_OK;
}

int64_t cy_evaluation_streams(int64_t batch_size, int64_t n) { return batch_size < n ? batch_size : n > 0 ? n : 1; }

static cy_status run_streams(const cy_evaluation *e, cy_tally *tally) {
  const int64_t *indices;
  cy_batches *streams;
  int64_t n, b = 0;
  CY_TRY(cy_batches_create_streams(e->indices, e->n, e->batch_size, &streams));
  int64_t steps = cy_batches_count(streams), rest = e->n - steps * e->batch_size, batches = steps + (rest > 0);
  cy_status status = CY_OK;
  for (; status == CY_OK && (n = cy_batches_next(streams, &indices)) > 0; b++)
    status = run_batch(e, true, b == 0, indices, n, b, batches, tally);
  if (status == CY_OK && rest > 0)
    status = run_batch(e, false, false, e->indices + steps * e->batch_size, rest, b, batches, tally);
  cy_batches_free(streams);
  return status;
}

/* Sequences of like length together. */
static cy_status run_by_length(const cy_evaluation *e, cy_tally *tally) {
  const int64_t *indices;
  cy_batches *list;
  CY_TRY(cy_batches_create_by_length(e->dataset, e->indices, e->n, e->batch_size, false, 0, &list));
  int64_t n, batches = cy_batches_count(list);
  cy_status status = CY_OK;
  for (int64_t b = 0; status == CY_OK && (n = cy_batches_next(list, &indices)) > 0; b++)
    status = run_batch(e, false, false, indices, n, b, batches, tally);
  cy_batches_free(list);
  return status;
}

cy_status cy_evaluation_run(const cy_evaluation *e, cy_tally *tally) {
  int64_t batches = (e->n + e->batch_size - 1) / e->batch_size;
  *tally = (cy_tally){0};
  if (e->problem->carry && e->n > 0) return run_streams(e, tally);
  if (e->problem->ragged) return run_by_length(e, tally);
  for (int64_t b = 0; b < batches; b++) {
    int64_t start = b * e->batch_size, n = e->n - start < e->batch_size ? e->n - start : e->batch_size;
    CY_TRY(run_batch(e, false, false, e->indices + start, n, b, batches, tally));
  }
  return CY_OK;
}

/* ---- into the public struct ---- */

static double balanced_accuracy(const int64_t *confusion, int64_t classes) {
  double sum = 0, occur = 0;
  for (int64_t c = 0; c < classes; c++) {
    int64_t actual = 0;
    for (int64_t k = 0; k < classes; k++) actual += confusion[c * classes + k];
    if (actual == 0) continue;
    sum += (double)confusion[c * classes + c] / (double)actual;
    occur++;
  }
  return occur > 0 ? sum / occur : (double)NAN;
}

/* One class against the rest. */
static cy_status roc_of_class(const cy_evaluation *e, bool *positive, int64_t c, cy_roc *roc) {
  for (int64_t i = 0; i < e->n; i++) positive[i] = e->actual[i] == c;
  return cy_roc_of(e->scores + c * e->n, positive, e->n, roc);
}

static cy_status measure_ranking(const cy_evaluation *e, cy_metrics *m) {
  bool *positive = cy_calloc((size_t)e->n + 1, sizeof *positive);
  cy_status status = positive ? CY_OK : cy_no_memory();
  double sum = 0;
  if (status == CY_OK && m->classes == 2) {
    status = roc_of_class(e, positive, 1, &m->roc);
    m->auc = m->roc.auc;
  }
  for (int64_t c = 0; status == CY_OK && m->classes > 2 && c < m->classes; c++) {
    cy_roc roc;
    status = roc_of_class(e, positive, c, &roc);
    sum += roc.auc;
    cy_roc_clear(&roc);
  }
  if (m->classes > 2) m->auc = sum / (double)m->classes;
  cy_free(positive);
  return status;
}

static cy_status allocate(cy_evaluation *e) {
  size_t classes = (size_t)e->problem->classes, cells, scores;
  if (classes == 0) return cy_regression_begin(e->sums, cy_count(e->problem->target), e->n);
  if (!cy_mul_size(classes, classes, &cells) || !cy_mul_size(classes, (size_t)e->n, &scores)) return cy_no_memory();
  e->confusion = cy_calloc(cells, sizeof *e->confusion);
  if (!e->confusion) return cy_no_memory();
  if (e->problem->target.rank > 0 || classes < 2 || classes > MOST_SCORED) return CY_OK;
  e->scores = cy_calloc(scores + 1, sizeof *e->scores);
  e->actual = cy_calloc((size_t)e->n + 1, sizeof *e->actual);
  return e->scores && e->actual ? CY_OK : cy_no_memory();
}

static cy_status measure(cy_evaluation *e, cy_metrics *m) {
  cy_tally tally;
  CY_TRY(allocate(e));
  CY_TRY(cy_evaluation_run(e, &tally));
  m->samples = tally.samples;
  m->loss = cy_tally_loss(tally);
  m->accuracy = cy_tally_accuracy(tally, e->problem);
  m->classes = e->problem->classes;
  if (e->confusion) m->balanced_accuracy = balanced_accuracy(e->confusion, m->classes);
  if (e->scores) CY_TRY(measure_ranking(e, m));
  if (m->classes == 0) cy_regression_end(e->sums, &m->regression);
  m->confusion = e->confusion;
  return CY_OK;
}

cy_status cy_evaluation_metrics(cy_evaluation evaluation, cy_metrics *metrics) {
  cy_regression_sums sums = {0};
  *metrics = (cy_metrics){.balanced_accuracy = (double)NAN, .auc = (double)NAN, .roc = {.auc = (double)NAN},
                          .regression = {.mae = (double)NAN, .rmse = (double)NAN, .r2 = (double)NAN}};
  if (evaluation.problem->classes == 0) evaluation.sums = &sums;
  cy_status status = measure(&evaluation, metrics);
  cy_regression_clear(&sums);
  cy_free(evaluation.scores);
  cy_free(evaluation.actual);
  if (status == CY_OK) return CY_OK;
  cy_free(evaluation.confusion);
  cy_roc_clear(&metrics->roc);
  *metrics = (cy_metrics){0};
  return status;
}

void cy_metrics_clear(cy_metrics *metrics) {
  cy_free(metrics->confusion);
  cy_free(metrics->regression.targets);
  cy_free(metrics->regression.answers);
  cy_roc_clear(&metrics->roc);
  *metrics = (cy_metrics){0};
}
