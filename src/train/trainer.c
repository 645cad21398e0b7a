/* The training loop. Between two steps, state + position + history say everything; the loop only moves from one to the
 * next, so stopping anywhere and going on gives the same bits as never having stopped. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- small things ---- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cy_trainer_log(const cy_trainer *t, const char *format, ...) {
  char line[CY_MESSAGE_SIZE];
  if (!t->options.on_log) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  t->options.on_log(line, t->options.user);
}

static bool has_validation(const cy_trainer *t) { return t->split.n_validation > 0; }
static bool keeps_best(const cy_trainer *t) { return has_validation(t) && !t->options.keep_last; }
static int64_t steps_done(const cy_trainer *t) { return *cy_tensor_i64(cy_state_find(t->state, "step")); }
static bool out_of_patience(const cy_trainer *t) {
  return t->options.patience > 0 && t->at.waited >= t->options.patience;
}
static bool nothing_left(const cy_trainer *t) {
  bool converged = t->at.converged && t->at.batch == 0; /* and that epoch is closed */
  return t->at.epoch >= t->options.epochs || out_of_patience(t) || converged;
}

cy_status cy_trainer_add_record(cy_trainer *t, cy_epoch_record record) {
  if (!cy_grow(&t->history, t->n_history, &t->history_capacity, sizeof *t->history)) return cy_no_memory();
  t->history[t->n_history++] = record;
  return CY_OK;
}

/* ---- the best parameters ---- */

static void keep_current(cy_trainer *t) {
  for (int i = 0; i < t->n_held; i++)
    memcpy(cy_tensor_data(t->held[i]), cy_tensor_data(t->in_use[i]), cy_tensor_bytes(t->in_use[i]));
}

/* Exchanges the best and the last parameters: both are kept, so that a finished training can still be prolonged. */
static void exchange_best(cy_trainer *t) {
  for (int i = 0; i < t->n_held; i++) {
    char *a = cy_tensor_data(t->held[i]), *b = cy_tensor_data(t->in_use[i]), block[512];
    size_t bytes = cy_tensor_bytes(t->in_use[i]);
    for (size_t done = 0; done < bytes; done += sizeof block) {
      size_t size = bytes - done < sizeof block ? bytes - done : sizeof block;
      memcpy(block, a + done, size);
      memcpy(a + done, b + done, size);
      memcpy(b + done, block, size);
    }
  }
  t->at.best_in_place = !t->at.best_in_place;
}

/* ---- progress ---- */

static void start_clock(cy_trainer *t) {
  t->run_started = t->rate_marked = now();
  t->samples_per_second = 0;
  t->steps_this_run = t->samples_since_mark = 0;
}

/* A sliding rate: at first the mean since the start; then renewed every half second, the past fading each time. */
static void measure_rate(cy_trainer *t, double time) {
  double elapsed = time - t->rate_marked, rate = (double)t->samples_since_mark / elapsed;
  bool first = t->rate_marked == t->run_started;
  if (elapsed <= 0 || (elapsed < 0.5 && !first)) return;
  t->samples_per_second = first ? rate : 0.5 * t->samples_per_second + 0.5 * rate;
  if (elapsed < 0.5) return;
  t->rate_marked = time;
  t->samples_since_mark = 0;
}

static cy_progress progress_now(cy_trainer *t, cy_phase phase) {
  double time = now();
  int64_t per_epoch = cy_batches_count(t->batches), total = t->options.epochs * per_epoch;
  int64_t done = t->at.epoch * per_epoch + t->at.batch, step = steps_done(t);
  const cy_epoch_record *last = t->n_history ? &t->history[t->n_history - 1] : NULL;
  if (phase == CY_PHASE_TRAIN) measure_rate(t, time);
  double rate = cy_schedule_rate(t->options.schedule, t->options.learning_rate, step > 0 ? step - 1 : 0);
  cy_progress p = {.phase = phase, .epoch = t->at.epoch + 1, .epochs = t->options.epochs, .step = t->at.batch,
                   .steps_per_epoch = per_epoch, .total_steps = step,
                   .learning_rate = rate, .samples_per_second = t->samples_per_second,
                   .seconds = time - t->run_started};
  p.seconds_left = t->steps_this_run ? p.seconds / (double)t->steps_this_run * (double)(total - done) : (double)NAN;
  p.validation_loss = last ? last->validation_loss : (double)NAN;
  p.validation_accuracy = last ? last->validation_accuracy : (double)NAN;
  return p;
}

static bool report(const cy_trainer *t, const cy_progress *progress) {
  return !t->options.on_progress || t->options.on_progress(progress, t->options.user);
}

static cy_tally epoch_tally(const cy_trainer *t) {
  return (cy_tally){t->at.loss_sum, t->at.correct, t->at.samples, t->at.labels};
}

static bool report_step(cy_trainer *t, double batch_loss) {
  if (!t->options.on_progress) return true;
  cy_progress progress = progress_now(t, CY_PHASE_TRAIN);
  progress.loss = cy_tally_loss(epoch_tally(t));
  progress.accuracy = cy_tally_accuracy(epoch_tally(t), &t->problem);
  progress.batch_loss = batch_loss;
  return report(t, &progress);
}

/* Nothing is complete before the iteration is: step stays 0. */
bool cy_trainer_report_pass(cy_trainer *t, int64_t n) {
  t->samples_since_mark += n;
  if (!t->options.on_progress) return true;
  cy_progress progress = progress_now(t, CY_PHASE_TRAIN);
  const cy_epoch_record *last = t->n_history ? &t->history[t->n_history - 1] : NULL;
  progress.loss = progress.batch_loss = cy_second_order_loss(t->second_order);
  progress.accuracy = last ? last->accuracy : (double)NAN;
  return report(t, &progress);
}

static bool report_validation(void *owner, cy_tally tally, int64_t batch, int64_t batches) {
  cy_trainer *t = owner;
  if (!t->options.on_progress) return true;
  cy_progress progress = progress_now(t, CY_PHASE_VALIDATE);
  progress.step = batch;
  progress.steps_per_epoch = batches;
  progress.loss = progress.batch_loss = cy_tally_loss(tally);
  progress.accuracy = cy_tally_accuracy(tally, &t->problem);
  return report(t, &progress);
}

/* After the record was added and the position moved to the next epoch. */
static bool report_epoch(cy_trainer *t) {
  if (!t->options.on_progress) return true;
  const cy_epoch_record *record = &t->history[t->n_history - 1];
  cy_progress progress = progress_now(t, CY_PHASE_EPOCH);
  progress.epoch = record->epoch;
  progress.step = progress.steps_per_epoch;
  progress.loss = progress.batch_loss = record->loss;
  progress.accuracy = record->accuracy;
  progress.learning_rate = record->learning_rate;
  progress.best = record->best;
  return report(t, &progress);
}

/* ---- the loop ---- */

static cy_status stopped(const cy_trainer *t) {
  return cy_fail(CY_CANCELLED, "stopped on request in epoch %lld of %lld, after step %lld of %lld",
                 (long long)t->at.epoch + 1, (long long)t->options.epochs, (long long)t->at.batch,
                 (long long)cy_batches_count(t->batches));
}

/* Since the beginning, counted from 0. */
static int64_t step_number(const cy_trainer *t) { return t->at.epoch * cy_batches_count(t->batches) + t->at.batch; }

static cy_status run_step(cy_trainer *t, const int64_t *indices, int64_t n, double *loss) {
  cy_runner *runner;
  double started = now();
  cy_problem problem =
      cy_problem_at(&t->problem, cy_sample_of_batch(t->dataset, t->options.sizes, step_number(t), indices, n));
  CY_TRY(cy_runners_get(&t->train, &problem, CY_RUN_TRAIN, n, t->state, &runner));
  CY_TRY(cy_loader_batch(t->loader, t->at.epoch, indices, n, runner->x, runner->y));
  cy_lengths_of_batch(t->dataset, indices, runner->lengths);
  if (runner->rate)
    cy_tensor_set(runner->rate, 0, cy_schedule_rate(t->options.schedule, t->options.learning_rate, steps_done(t)));
  CY_TRY(cy_session_run(runner->session));
  *loss = cy_runner_loss(runner);
  if (!isfinite(*loss)) return cy_trainer_diagnose(t, runner, *loss);
  t->at.batch++;
  t->at.loss_sum += *loss * (double)n;
  t->at.correct += cy_runner_correct(runner);
  t->at.samples += n;
  t->at.labels += cy_labels_of_batch(t->dataset, indices, n);
  t->at.seconds += now() - started;
  t->steps_this_run++;
  t->samples_since_mark += n;
  return CY_OK;
}

static cy_evaluation evaluation_of(cy_trainer *t, const int64_t *indices, int64_t n) {
  int64_t batch = cy_evaluation_batch(t->problem.sample, t->options.batch_size);
  if (t->options.streams) batch = cy_evaluation_streams(t->options.batch_size, n);
  return (cy_evaluation){.problem = &t->problem, .runners = &t->evaluate, .state = t->state, .dataset = t->dataset,
                         .loader = t->loader, .sizes = t->options.sizes, .indices = indices, .n = n,
                         .batch_size = batch, .owner = t};
}

/* What tells the best epoch: the smaller the better. */
static double watched_number(const cy_trainer *t, cy_tally tally) {
  return t->options.watch_accuracy ? 1 - cy_tally_accuracy(tally, &t->problem) : cy_tally_loss(tally);
}

/* Notes whether the epoch was the best, and moves to the next one. */
static cy_status close_epoch(cy_trainer *t, cy_tally validation) {
  cy_tally trained = epoch_tally(t);
  double watched = watched_number(t, has_validation(t) ? validation : trained);
  bool best = watched < t->at.best_value - t->options.min_delta;
  cy_epoch_record record = {
    .epoch = t->at.epoch + 1, .steps = steps_done(t), .loss = cy_tally_loss(trained),
    .accuracy = cy_tally_accuracy(trained, &t->problem), .validation_loss = cy_tally_loss(validation),
    .validation_accuracy = cy_tally_accuracy(validation, &t->problem),
    .learning_rate = cy_schedule_rate(t->options.schedule, t->options.learning_rate, steps_done(t) - 1),
    .seconds = t->at.seconds, .best = best};
  CY_TRY(cy_trainer_add_record(t, record));
  if (best) {
    t->at.best_value = watched;
    t->at.best_epoch = record.epoch;
    keep_current(t);
  }
  t->at.waited = best ? 0 : t->at.waited + 1;
  t->at.epoch++;
  t->at.batch = t->at.correct = t->at.samples = t->at.labels = 0;
  t->at.loss_sum = t->at.seconds = 0;
  return CY_OK;
}

/* The parameters move before the epoch's batches, which then measure them. */
static cy_status run_iteration(cy_trainer *t) {
  double started = now();
  cy_status status = cy_second_order_step(t->second_order, &t->at.converged);
  if (status == CY_CANCELLED) return stopped(t);
  t->at.seconds += now() - started;
  if (t->at.converged) cy_trainer_log(t, "converged: no step lowers the loss of the training part any more");
  return status;
}

static void forget_carried(const cy_trainer *t) {
  for (int i = 0; i < t->n_carried; i++) memset(cy_tensor_data(t->carried[i]), 0, cy_tensor_bytes(t->carried[i]));
}

static cy_status run_epoch(cy_trainer *t) {
  const int64_t *indices;
  int64_t n;
  double loss;
  cy_tally validation = {0};
  if (t->second_order && t->at.batch == 0) CY_TRY(run_iteration(t));
  if (t->at.batch == 0) forget_carried(t);
  if (t->at.batch < cy_batches_count(t->batches)) {
    cy_batches_start(t->batches, t->at.epoch, t->at.batch);
    while ((n = cy_batches_next(t->batches, &indices)) > 0) {
      CY_TRY(run_step(t, indices, n, &loss));
      if (!report_step(t, loss)) return stopped(t);
    }
  }
  if (has_validation(t)) {
    cy_evaluation evaluation = evaluation_of(t, t->split.validation, t->split.n_validation);
    evaluation.after_batch = report_validation;
    double started = now();
    CY_TRY(cy_evaluation_run(&evaluation, &validation));
    t->at.seconds += now() - started;
  }
  CY_TRY(close_epoch(t, validation));
  /* A wish to stop that comes with the last epoch finds nothing left to stop. */
  return report_epoch(t) || nothing_left(t) ? CY_OK : stopped(t);
}

cy_status cy_trainer_run(cy_trainer *t) {
  if (!nothing_left(t) && t->at.best_in_place) exchange_best(t);
  start_clock(t);
  while (!nothing_left(t)) CY_TRY(run_epoch(t));
  if (cy_trainer_stopped_early(t) && t->steps_this_run)
    cy_trainer_log(t, "stopped early: no improvement in %lld epochs", (long long)t->at.waited);
  if (keeps_best(t) && t->at.best_epoch > 0 && !t->at.best_in_place) {
    exchange_best(t);
    cy_trainer_log(t, "kept the parameters of epoch %lld, validation %s %.6g", (long long)t->at.best_epoch,
                   t->options.watch_accuracy ? "error" : "loss", t->at.best_value);
  }
  return CY_OK;
}

static cy_evaluation evaluation_of_part(cy_trainer *t, cy_part part) {
  const cy_split *s = &t->split;
  if (part == CY_PART_TRAIN) return evaluation_of(t, s->train, s->n_train);
  return part == CY_PART_VALIDATION ? evaluation_of(t, s->validation, s->n_validation)
                                    : evaluation_of(t, s->test, s->n_test);
}

cy_status cy_trainer_evaluate(cy_trainer *t, cy_part part, cy_metrics *metrics) {
  return cy_evaluation_metrics(evaluation_of_part(t, part), metrics);
}

cy_status cy_trainer_evaluate_at(cy_trainer *t, cy_part part, cy_image_size size, cy_metrics *metrics) {
  const cy_image_size sizes[CY_MAX_SIZES] = {size};
  cy_evaluation evaluation = evaluation_of_part(t, part);
  *metrics = (cy_metrics){0};
  CY_TRY(cy_sizes_check(sizes, cy_dataset_sample_shape(t->dataset)));
  evaluation.sizes = sizes;
  return cy_evaluation_metrics(evaluation, metrics);
}

/* ---- looking ---- */

int cy_trainer_history_count(const cy_trainer *t) { return (int)t->n_history; }
cy_epoch_record cy_trainer_history(const cy_trainer *t, int i) {
  return i >= 0 && (size_t)i < t->n_history ? t->history[i] : (cy_epoch_record){0};
}
bool cy_trainer_finished(const cy_trainer *t) {
  return nothing_left(t) && (t->at.best_in_place || !keeps_best(t) || t->at.best_epoch == 0);
}
bool cy_trainer_stopped_early(const cy_trainer *t) { return out_of_patience(t) && t->at.epoch < t->options.epochs; }
int64_t cy_trainer_best_epoch(const cy_trainer *t) { return t->at.best_epoch; }
int64_t cy_trainer_epoch(const cy_trainer *t) { return t->at.epoch; }
int64_t cy_trainer_steps(const cy_trainer *t) { return steps_done(t); }
int64_t cy_trainer_steps_per_epoch(const cy_trainer *t) { return cy_batches_count(t->batches); }
int64_t cy_trainer_parameter_count(const cy_trainer *t) { return t->parameters; }
size_t cy_trainer_state_bytes(const cy_trainer *t) {
  size_t bytes = 0;
  for (int i = 0; i < cy_state_count(t->state); i++) bytes += cy_tensor_bytes(cy_state_tensor(t->state, i));
  return bytes;
}
size_t cy_trainer_arena_bytes(const cy_trainer *t) {
  return t->second_order ? cy_second_order_arena_bytes(t->second_order) : cy_program_arena_bytes(t->largest->program);
}
double cy_trainer_flops(const cy_trainer *t) { return cy_program_flops(t->largest->program); }
cy_state *cy_trainer_state(cy_trainer *t) { return t->state; }
const cy_model *cy_trainer_model(const cy_trainer *t) { return t->model; }
const cy_split *cy_trainer_split(const cy_trainer *t) { return &t->split; }
cy_trainer_options cy_trainer_options_of(const cy_trainer *t) { return t->options; }
