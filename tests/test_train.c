/* Training: real data are learnt; stopping and resuming anywhere gives the same bits as not stopping; what goes wrong
 * is named; the best parameters come back; a saved model predicts what the trainer measured. */
#include "expect.h"
#include "folder.h"

#include <cauchy/io.h>
#include <cauchy/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cy_dataset *data(const char *name) {
  cy_dataset *dataset;
  OK(cy_dataset_open(name, (cy_dataset_options){0}, &dataset));
  return dataset;
}

static cy_trainer *trainer_of(const char *text, cy_dataset *dataset, cy_trainer_options options) {
  cy_model *model;
  cy_trainer *trainer;
  OK(cy_model_parse(text, "test", &model));
  OK(cy_trainer_create(model, dataset, options, &trainer));
  cy_model_free(model);
  return trainer;
}

/* A callback that asks to stop at the given event, counted from the run's beginning; 0: never. */
typedef struct watcher {
  int64_t stop_at, events;
  int64_t epochs, lines;
  cy_progress last;
} watcher;

static bool watch(const cy_progress *progress, void *user) {
  watcher *w = user;
  w->last = *progress;
  w->epochs += progress->phase == CY_PHASE_EPOCH;
  return ++w->events != w->stop_at;
}
static void count_line(const char *line, void *user) {
  assert_true(line[0] && !strchr(line, '\n'));
  ((watcher *)user)->lines++;
}

static double accuracy_on(cy_trainer *trainer, cy_part part) {
  cy_metrics metrics;
  OK(cy_trainer_evaluate(trainer, part, &metrics));
  double accuracy = metrics.accuracy;
  cy_metrics_clear(&metrics);
  return accuracy;
}

/* ---- learning ---- */

static void iris_is_learnt(void **unused) {
  (void)unused;
  cy_dataset *iris = data("iris");
  cy_trainer *t = trainer_of("dense(16) -> tanh -> dense(3)", iris,
                             (cy_trainer_options){.epochs = 60, .learning_rate = 0.02, .seed = 3});
  OK(cy_trainer_run(t));
  assert_true(cy_trainer_finished(t));
  assert_int_equal(cy_trainer_history_count(t), 60);
  assert_true(accuracy_on(t, CY_PART_TEST) >= 0.93);
  assert_true(cy_trainer_history(t, 59).loss < 0.3 * cy_trainer_history(t, 0).loss);
  cy_trainer_free(t);
  cy_dataset_free(iris);
}

static void digits_are_learnt_and_counted(void **unused) {
  (void)unused;
  cy_dataset *digits = data("digits");
  watcher w = {0};
  cy_trainer *t = trainer_of("dense(64) -> relu -> dense(10)", digits,
                             (cy_trainer_options){.epochs = 25, .learning_rate = 0.003, .seed = 1, .on_progress = watch,
                                                  .on_log = count_line, .user = &w});
  OK(cy_trainer_run(t));
  cy_metrics m;
  OK(cy_trainer_evaluate(t, CY_PART_TEST, &m));
  assert_true(m.accuracy >= 0.95);
  assert_int_equal(m.classes, 10);
  assert_int_equal(m.samples, cy_trainer_split(t)->n_test);
  int64_t all = 0, right = 0;
  for (int64_t i = 0; i < 100; i++) {
    all += m.confusion[i];
    right += i % 11 == 0 ? m.confusion[i] : 0;
  }
  assert_int_equal(all, m.samples);
  assert_true(fabs((double)right / (double)all - m.accuracy) < 1e-12);
  cy_metrics_clear(&m);
  assert_int_equal(w.epochs, 25);
  assert_int_equal(w.last.phase, CY_PHASE_EPOCH);
  assert_int_equal(w.last.total_steps, 25 * cy_trainer_steps_per_epoch(t));
  assert_true(w.last.samples_per_second > 0 && w.last.seconds_left == 0 && w.lines > 0);
  assert_int_equal(cy_trainer_parameter_count(t), 64 * 64 + 64 + 64 * 10 + 10);
  assert_true(cy_trainer_arena_bytes(t) > 0 && cy_trainer_flops(t) > 2.0 * 32 * 64 * 74 * 2);
  cy_trainer_free(t);
  cy_dataset_free(digits);
}

/* targets = inputs W + b, with numbers as targets. */
static cy_dataset *linear_data(int64_t n, double scale) {
  cy_tensor *x, *y;
  cy_dataset *dataset;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(n, 3), &x));
  OK(cy_tensor_create(CY_F32, CY_SHAPE(n, 2), &y));
  for (int64_t i = 0; i < n; i++) {
    double a = sin(0.7 * (double)i), b = cos(1.3 * (double)i), c = sin(2.1 * (double)i + 1);
    const double row[3] = {a, b, c}, target[2] = {scale * (a - 2 * b + 0.5), scale * (c + 0.5 * a)};
    for (int j = 0; j < 3; j++) cy_tensor_set(x, 3 * i + j, row[j]);
    for (int j = 0; j < 2; j++) cy_tensor_set(y, 2 * i + j, target[j]);
  }
  OK(cy_dataset_from_tensors("linear", x, y, 0, 0, &dataset));
  cy_tensor_free(x);
  cy_tensor_free(y);
  return dataset;
}

static void numbers_are_learnt_in_single_and_double_precision(void **unused) {
  (void)unused;
  cy_dataset *linear = linear_data(200, 1);
  for (int k = 0; k < 2; k++) {
    cy_trainer *t = trainer_of("dense(2)", linear, (cy_trainer_options){.epochs = 60, .dtype = k ? CY_F64 : CY_F32,
                                                                        .learning_rate = 0.05, .scale = CY_SCALE_NONE});
    OK(cy_trainer_run(t));
    cy_metrics m;
    OK(cy_trainer_evaluate(t, CY_PART_TEST, &m));
    assert_true(m.loss < 1e-4 && isnan(m.accuracy) && m.classes == 0 && !m.confusion);
    OK(cy_trainer_save(t, file("linear.safetensors")));
    cy_trained *trained;
    OK(cy_trained_load(file("linear.safetensors"), 0, NULL, &trained));
    cy_tensor *x, *y;
    OK(cy_tensor_create(CY_F64, CY_SHAPE(3), &x));
    cy_tensor_set(x, 0, 0.5);
    OK(cy_trained_predict(trained, x, &y, NULL));
    assert_true(cy_shape_equal(cy_tensor_shape(y), CY_SHAPE(1, 2)));
    assert_true(fabs(cy_tensor_at(y, 0) - 1) < 0.05 && fabs(cy_tensor_at(y, 1) - 0.25) < 0.05);
    cy_tensor_free(x);
    cy_tensor_free(y);
    cy_trained_free(trained);
    cy_trainer_free(t);
  }
  cy_dataset_free(linear);
}

/* Prices in hundreds of thousands: only standardised are they within reach. Predictions are in their unit again, also
 * from a training that was saved and resumed. */
static void numbers_in_any_unit_are_learnt(void **unused) {
  (void)unused;
  cy_dataset *prices = linear_data(200, 3e5);
  cy_trainer *t = trainer_of("dense(2)", prices, (cy_trainer_options){.epochs = 30, .learning_rate = 0.05}), *resumed;
  cy_metrics m;
  cy_tensor *x, *y;
  cy_trained *trained;
  OK(cy_trainer_run(t));
  OK(cy_trainer_save(t, file("prices.safetensors")));
  OK(cy_trainer_resume(file("prices.safetensors"), prices, (cy_trainer_options){.epochs = 60}, &resumed));
  OK(cy_trainer_run(resumed));
  OK(cy_trainer_evaluate(resumed, CY_PART_TEST, &m));
  assert_true(m.loss < 1e-4);
  OK(cy_trainer_save(resumed, file("prices.safetensors")));
  OK(cy_trained_load(file("prices.safetensors"), 0, NULL, &trained));
  OK(cy_tensor_create(CY_F64, CY_SHAPE(3), &x));
  cy_tensor_set(x, 0, 0.5);
  OK(cy_trained_predict(trained, x, &y, NULL));
  assert_true(fabs(cy_tensor_at(y, 0) - 3e5) < 5e3 && fabs(cy_tensor_at(y, 1) - 0.75e5) < 5e3);
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_trained_free(trained);
  cy_trainer_free(t);
  cy_trainer_free(resumed);
  cy_dataset_free(prices);
}

static void every_loss_goes_down(void **unused) {
  (void)unused;
  cy_dataset *iris = data("iris");
  for (int i = 0; cy_trainer_loss_name(i); i++) {
    cy_trainer *t = trainer_of("dense(16) -> relu -> dense(3)", iris,
                               (cy_trainer_options){.loss = cy_trainer_loss_name(i), .epochs = 15, .l1 = 1e-5,
                                                    .l2 = 1e-4, .learning_rate = 0.01, .optimizer.clip_norm = 5});
    OK(cy_trainer_run(t));
    assert_true(cy_trainer_history(t, 14).loss < cy_trainer_history(t, 0).loss);
    assert_true(accuracy_on(t, CY_PART_TRAIN) > 0.6);
    cy_trainer_free(t);
  }
  cy_dataset_free(iris);
}

/* ---- the same bits ---- */

static const char *const noisy_model = "dense(24) -> batch_norm -> relu -> dropout(0.2) -> dense(10)";
static cy_trainer_options noisy_options(watcher *w) {
  return (cy_trainer_options){.optimizer = {.name = "adam", .clip_norm = 1}, .learning_rate = 0.004, .batch_size = 100,
                              .schedule = {CY_SCHEDULE_COSINE, .warmup = 5, .floor = 0.05}, .epochs = 6, .seed = 11,
                              .patience = 4, .min_delta = 0.01, .l2 = 1e-4, .on_progress = watch, .user = w};
}

static void assert_same_number(double a, double b) {
  if (memcmp(&a, &b, sizeof a) != 0 && !(isnan(a) && isnan(b))) fail_msg("%.17g is not %.17g", a, b);
}

static void assert_same(cy_trainer *a, cy_trainer *b) {
  cy_state *sa = cy_trainer_state(a), *sb = cy_trainer_state(b);
  assert_int_equal(cy_state_count(sa), cy_state_count(sb));
  for (int i = 0; i < cy_state_count(sa); i++) {
    const cy_tensor *x = cy_state_tensor(sa, i), *y = cy_state_find(sb, cy_state_name(sa, i));
    assert_non_null(y);
    if (memcmp(cy_tensor_data(x), cy_tensor_data(y), cy_tensor_bytes(x)) != 0)
      fail_msg("\"%s\" differs", cy_state_name(sa, i));
  }
  assert_int_equal(cy_trainer_history_count(a), cy_trainer_history_count(b));
  for (int i = 0; i < cy_trainer_history_count(a); i++) {
    cy_epoch_record x = cy_trainer_history(a, i), y = cy_trainer_history(b, i);
    assert_true(x.epoch == y.epoch && x.steps == y.steps && x.best == y.best);
    assert_same_number(x.loss, y.loss);
    assert_same_number(x.accuracy, y.accuracy);
    assert_same_number(x.validation_loss, y.validation_loss);
    assert_same_number(x.validation_accuracy, y.validation_accuracy);
    assert_same_number(x.learning_rate, y.learning_rate);
  }
  assert_int_equal(cy_trainer_best_epoch(a), cy_trainer_best_epoch(b));
}

static void interrupted_and_resumed_is_not_interrupted(void **unused) {
  (void)unused;
  cy_dataset *digits = data("digits"), *again = data("digits");
  watcher quiet = {0};
  cy_trainer *straight = trainer_of(noisy_model, digits, noisy_options(&quiet));
  OK(cy_trainer_run(straight));
  int64_t events = quiet.events;
  /* The first step; the middle of epoch 3; every 7 events; an end of an epoch; within validation. */
  const int64_t stops[] = {1, 37, 7, events / 6, events / 6 - 1};
  for (size_t k = 0; k < sizeof stops / sizeof stops[0]; k++) {
    watcher w = {.stop_at = stops[k]};
    cy_trainer *t = trainer_of(noisy_model, digits, noisy_options(&w));
    cy_status status = cy_trainer_run(t);
    bool often = stops[k] == 7;
    int interruptions = 0;
    while (status == CY_CANCELLED) {
      assert_false(cy_trainer_finished(t));
      OK(cy_trainer_save(t, file("stopped.safetensors")));
      cy_trainer_free(t);
      w = (watcher){.stop_at = often ? 7 : 0};
      OK(cy_trainer_resume(file("stopped.safetensors"), again,
                           (cy_trainer_options){.on_progress = watch, .user = &w}, &t));
      status = cy_trainer_run(t);
      interruptions++;
    }
    OK(status);
    assert_true(interruptions >= (often ? 5 : 1));
    assert_same(straight, t);
    cy_trainer_free(t);
  }
  cy_trainer_free(straight);
  cy_dataset_free(digits);
  cy_dataset_free(again);
}

static void two_equal_runs_give_equal_bits(void **unused) {
  (void)unused;
  cy_dataset *digits = data("digits");
  watcher w = {0};
  cy_trainer_options options = noisy_options(&w);
  options.epochs = 2;
  cy_trainer *a = trainer_of(noisy_model, digits, options), *b = trainer_of(noisy_model, digits, options);
  OK(cy_trainer_run(a));
  OK(cy_trainer_run(b));
  assert_same(a, b);
  options.seed = 12;
  cy_trainer *c = trainer_of(noisy_model, digits, options);
  OK(cy_trainer_run(c));
  assert_true(cy_trainer_history(c, 1).loss != cy_trainer_history(a, 1).loss);
  cy_trainer_free(a);
  cy_trainer_free(b);
  cy_trainer_free(c);
  cy_dataset_free(digits);
}

static void stopping_leaves_a_trainer_that_goes_on(void **unused) {
  (void)unused;
  cy_dataset *digits = data("digits");
  watcher quiet = {0}, w = {.stop_at = 20};
  cy_trainer *straight = trainer_of(noisy_model, digits, noisy_options(&quiet));
  OK(cy_trainer_run(straight));
  cy_trainer *t = trainer_of(noisy_model, digits, noisy_options(&w));
  FAILS(cy_trainer_run(t), CY_CANCELLED, "epoch 2 of 6, after step");
  int64_t steps = cy_trainer_steps(t);
  assert_true(steps > 0 && steps <= 20);
  OK(cy_trainer_run(t));
  assert_same(straight, t);
  cy_trainer_free(t);
  cy_trainer_free(straight);
  cy_dataset_free(digits);
}

/* ---- parts and batches ---- */

static void the_parts_are_disjoint_and_complete(void **unused) {
  (void)unused;
  cy_dataset *digits = data("digits");
  cy_trainer *t = trainer_of("dense(10)", digits, (cy_trainer_options){.validation = 0.15, .test = 0.25});
  const cy_split *s = cy_trainer_split(t);
  const int64_t *parts[] = {s->train, s->validation, s->test};
  const int64_t counts[] = {s->n_train, s->n_validation, s->n_test};
  int64_t n = cy_dataset_count(digits), sum = 0;
  unsigned char *seen = calloc((size_t)n, 1);
  for (int p = 0; p < 3; p++)
    for (int64_t i = 0; i < counts[p]; i++, sum++) {
      assert_in_range(parts[p][i], 0, n - 1);
      assert_int_equal(seen[parts[p][i]]++, 0);
    }
  assert_int_equal(sum, n);
  assert_true(s->n_validation > 0 && s->n_test > 0);
  free(seen);
  cy_trainer_free(t);
  cy_dataset_free(digits);
}

/* With a rate too small to change a parameter, the mean over the epoch's batches, the last one smaller, is the mean
 * over the samples. */
static void the_last_smaller_batch_counts_by_its_samples(void **unused) {
  (void)unused;
  cy_dataset *iris = data("iris");
  for (int64_t batch = 1; batch <= 200; batch = batch * 3 + 4) {
    cy_trainer *t = trainer_of("dense(3)", iris, (cy_trainer_options){.epochs = 1, .batch_size = batch, .dtype = CY_F64,
                                                                      .optimizer.name = "sgd", .learning_rate = 1e-30});
    int64_t n = cy_trainer_split(t)->n_train;
    assert_int_equal(cy_trainer_steps_per_epoch(t), (n + batch - 1) / batch);
    OK(cy_trainer_run(t));
    cy_metrics m;
    OK(cy_trainer_evaluate(t, CY_PART_TRAIN, &m));
    assert_int_equal(m.samples, n);
    assert_true(fabs(cy_trainer_history(t, 0).loss - m.loss) < 1e-12);
    assert_true(fabs(cy_trainer_history(t, 0).accuracy - m.accuracy) < 1e-12);
    cy_metrics_clear(&m);
    cy_trainer_free(t);
  }
  cy_dataset_free(iris);
}

/* ---- what goes wrong ---- */

static void an_infinite_loss_is_named_and_changes_nothing(void **unused) {
  (void)unused;
  cy_dataset *huge = linear_data(64, 1e25); /* its squared error overflows f32 */
  cy_trainer_options options = {.optimizer.name = "momentum", .scale = CY_SCALE_NONE, .validation = CY_EXACT_ZERO};
  const char *text = "dense(4) -> batch_norm -> tanh -> dropout(0.1) -> dense(2)";
  cy_trainer *untouched = trainer_of(text, huge, options), *t = trainer_of(text, huge, options);
  FAILS(cy_trainer_run(t), CY_NOT_FINITE, "epoch 1, step 1 of 2: the loss is infinite: first bad value: ");
  assert_same(untouched, t);
  assert_int_equal(cy_trainer_steps(t), 0);
  cy_trainer_free(t);
  cy_trainer_free(untouched);
  cy_dataset_free(huge);
}

static void a_rate_too_large_is_named(void **unused) {
  (void)unused;
  cy_dataset *digits = data("digits");
  cy_trainer *t = trainer_of("dense(16) -> relu -> dense(16, name=wide) -> relu -> dense(10)", digits,
                             (cy_trainer_options){.optimizer.name = "sgd", .learning_rate = 1e30});
  FAILS(cy_trainer_run(t), CY_NOT_FINITE, "learning rate 1e+30");
  assert_non_null(strstr(cy_error_message(), "not finite"));
  assert_true(strstr(cy_error_message(), "dense") || strstr(cy_error_message(), "wide"));
  OK(cy_trainer_save(t, file("bad.safetensors")));
  cy_trainer_free(t);
  cy_dataset_free(digits);
}

static void wrong_options_and_models_are_refused(void **unused) {
  (void)unused;
  cy_dataset *digits = data("digits"), *linear = linear_data(40, 1);
  cy_model *ten, *eleven, *none;
  cy_trainer *t;
  OK(cy_model_parse("dense(10)", "test", &ten));
  OK(cy_model_parse("dense(11)", "test", &eleven));
  OK(cy_model_parse("flatten", "test", &none));
  FAILS(cy_trainer_create(eleven, digits, (cy_trainer_options){0}, &t), CY_INVALID, "10 classes");
  FAILS(cy_trainer_create(ten, linear, (cy_trainer_options){0}, &t), CY_INVALID, "x10, but the targets are");
  FAILS(cy_trainer_create(ten, linear, (cy_trainer_options){.loss = "cross_entropy"}, &t), CY_INVALID, "needs classes");
  FAILS(cy_trainer_create(ten, digits, (cy_trainer_options){.loss = "cros_entropy"}, &t), CY_INVALID, "did you mean");
  FAILS(cy_trainer_create(ten, digits, (cy_trainer_options){.batch_size = -1}, &t), CY_INVALID, "batch_size is -1");
  FAILS(cy_trainer_create(ten, digits, (cy_trainer_options){.validation = 1}, &t), CY_INVALID, "validation is 1");
  FAILS(cy_trainer_create(ten, digits, (cy_trainer_options){.learning_rate = NAN}, &t), CY_INVALID, "learning_rate");
  FAILS(cy_trainer_create(ten, digits, (cy_trainer_options){.schedule = {.kind = CY_SCHEDULE_STEP}}, &t), CY_INVALID,
        "every is 0");
  FAILS(cy_trainer_create(none, linear, (cy_trainer_options){0}, &t), CY_INVALID, "");
  assert_null(t);
  cy_model_free(ten);
  cy_model_free(eleven);
  cy_model_free(none);
  cy_dataset_free(digits);
  cy_dataset_free(linear);
}

static void foreign_files_and_other_data_are_refused(void **unused) {
  (void)unused;
  cy_dataset *iris = data("iris"), *digits = data("digits");
  cy_trainer *t = trainer_of("dense(3)", iris, (cy_trainer_options){.epochs = 1}), *u;
  cy_trained *trained;
  cy_metrics m;
  OK(cy_trainer_run(t));
  OK(cy_trainer_save(t, file("iris.safetensors")));
  FAILS(cy_trainer_resume(file("iris.safetensors"), digits, (cy_trainer_options){0}, &u), CY_INVALID, "10 classes");
  OK(cy_trained_load(file("iris.safetensors"), 0, NULL, &trained));
  FAILS(cy_trained_evaluate(trained, digits, NULL, 0, &m), CY_INVALID, "10 classes");
  cy_trained_free(trained);
  OK(cy_state_save(cy_trainer_state(t), CY_MODEL_ROLES, NULL, 0, file("bare.safetensors")));
  FAILS(cy_trained_load(file("bare.safetensors"), 0, NULL, &trained), CY_INVALID, "not a model trained with cauchy");
  FAILS(cy_trained_load(file("missing.safetensors"), 0, NULL, &trained), CY_IO, "missing.safetensors");
  /* The same shapes, other numbers. */
  float *raw = cy_tensor_f32(cy_dataset_inputs(iris));
  assert_non_null(raw);
  raw[5] += 1;
  FAILS(cy_trainer_resume(file("iris.safetensors"), iris, (cy_trainer_options){0}, &u), CY_INVALID, "other values");
  cy_trainer_free(t);
  cy_dataset_free(iris);
  cy_dataset_free(digits);
}

/* Every metadata entry in turn taken away or spoilt: an error, never a crash. */
static void damaged_metadata_are_refused(void **unused) {
  (void)unused;
  cy_dataset *iris = data("iris");
  cy_trainer *t = trainer_of("dense(3)", iris, (cy_trainer_options){.epochs = 2}), *u;
  OK(cy_trainer_run(t));
  OK(cy_trainer_save(t, file("good.safetensors")));
  cy_safetensors *good;
  OK(cy_safetensors_open(file("good.safetensors"), &good));
  int n = cy_safetensors_metadata_count(good), refused = 0;
  for (int i = 0; i < 2 * n; i++) {
    cy_metadata *entries = calloc((size_t)n, sizeof *entries);
    int kept = 0;
    for (int k = 0; k < n; k++) {
      entries[kept] = cy_safetensors_metadata_at(good, k);
      if (k == i / 2 && i % 2) continue;
      if (k == i / 2) entries[kept].value = "x 9999999999999999999999 ->";
      kept++;
    }
    OK(cy_state_save(cy_trainer_state(t), CY_ALL_ROLES, entries, kept, file("spoilt.safetensors")));
    cy_status status = cy_trainer_resume(file("spoilt.safetensors"), iris, (cy_trainer_options){0}, &u);
    const char *key = cy_safetensors_metadata_at(good, i / 2).key;
    bool name = strncmp(key, "class.", 6) == 0 || strncmp(key, "feature.", 8) == 0 || strcmp(key, "target") == 0 ||
                strcmp(key, "dataset") == 0 || strcmp(key, "dataset.origin") == 0;
    if (!name && status == CY_OK) fail_msg("\"%s\" %s was accepted", key, i % 2 ? "missing" : "spoilt");
    refused += status != CY_OK;
    cy_trainer_free(u);
    free(entries);
  }
  assert_true(refused > 60);
  cy_safetensors_close(good);
  cy_trainer_free(t);
  cy_dataset_free(iris);
}

/* ---- the best epoch ---- */

/* Labels without relation to the inputs: the validation loss can only get worse once noise is being learnt. */
static cy_dataset *noise_data(void) {
  cy_tensor *x, *y;
  cy_dataset *dataset;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(120, 20), &x));
  OK(cy_tensor_create(CY_I64, CY_SHAPE(120), &y));
  srand(7);
  for (int64_t i = 0; i < 120 * 20; i++) cy_tensor_set(x, i, (double)rand() / RAND_MAX - 0.5);
  for (int64_t i = 0; i < 120; i++) cy_tensor_set(y, i, rand() % 3);
  OK(cy_dataset_from_tensors("noise", x, y, 3, 0, &dataset));
  cy_tensor_free(x);
  cy_tensor_free(y);
  return dataset;
}

static void early_stopping_brings_back_the_best_epoch(void **unused) {
  (void)unused;
  cy_dataset *noise = noise_data();
  cy_trainer_options options = {
    .epochs = 200, .patience = 5, .learning_rate = 0.02, .validation = 0.3, .dtype = CY_F64};
  cy_trainer *t = trainer_of("dense(32) -> relu -> dense(3)", noise, options);
  OK(cy_trainer_run(t));
  assert_true(cy_trainer_stopped_early(t) && cy_trainer_finished(t));
  int n = cy_trainer_history_count(t), best = 0;
  for (int i = 1; i < n; i++)
    if (cy_trainer_history(t, i).validation_loss < cy_trainer_history(t, best).validation_loss) best = i;
  assert_int_equal(cy_trainer_best_epoch(t), best + 1);
  assert_int_equal(n, best + 1 + 5);
  assert_true(cy_trainer_history(t, best).best);
  cy_metrics m;
  OK(cy_trainer_evaluate(t, CY_PART_VALIDATION, &m));
  assert_true(fabs(m.loss - cy_trainer_history(t, best).validation_loss) < 1e-12);
  cy_metrics_clear(&m);
  cy_trainer_free(t);

  options.watch_accuracy = true;
  t = trainer_of("dense(32) -> relu -> dense(3)", noise, options);
  OK(cy_trainer_run(t));
  for (int i = 0; i < cy_trainer_history_count(t); i++)
    assert_true(cy_trainer_history(t, i).validation_accuracy <=
                cy_trainer_history(t, (int)cy_trainer_best_epoch(t) - 1).validation_accuracy);
  assert_true(accuracy_on(t, CY_PART_VALIDATION) ==
              cy_trainer_history(t, (int)cy_trainer_best_epoch(t) - 1).validation_accuracy);
  cy_trainer_free(t);
  options.watch_accuracy = false;

  options.keep_last = true;
  t = trainer_of("dense(32) -> relu -> dense(3)", noise, options);
  OK(cy_trainer_run(t));
  OK(cy_trainer_evaluate(t, CY_PART_VALIDATION, &m));
  assert_true(fabs(m.loss - cy_trainer_history(t, n - 1).validation_loss) < 1e-12);
  cy_metrics_clear(&m);
  cy_trainer_free(t);
  cy_dataset_free(noise);
}

/* The best epoch is not the last one here, so going on must start from the last epoch's parameters again. */
static void a_finished_training_can_be_prolonged(void **unused) {
  (void)unused;
  cy_dataset *noise = noise_data();
  const char *text = "dense(32) -> relu -> dense(3)";
  cy_trainer_options options = {.epochs = 40, .learning_rate = 0.02, .validation = 0.3};
  cy_trainer *straight = trainer_of(text, noise, options), *t;
  OK(cy_trainer_run(straight));
  options.epochs = 25;
  t = trainer_of(text, noise, options);
  OK(cy_trainer_run(t));
  assert_true(cy_trainer_best_epoch(t) < 25);
  OK(cy_trainer_save(t, file("short.safetensors")));
  cy_trainer_free(t);
  OK(cy_trainer_resume(file("short.safetensors"), noise, (cy_trainer_options){0}, &t));
  assert_true(cy_trainer_finished(t));
  OK(cy_trainer_run(t)); /* nothing to do */
  assert_int_equal(cy_trainer_epoch(t), 25);
  cy_trainer_free(t);
  OK(cy_trainer_resume(file("short.safetensors"), noise, (cy_trainer_options){.epochs = 40}, &t));
  assert_false(cy_trainer_finished(t));
  OK(cy_trainer_run(t));
  assert_same(straight, t);
  cy_trainer_free(t);
  cy_trainer_free(straight);
  cy_dataset_free(noise);
}

/* ---- a trained model ---- */

static void a_saved_model_predicts_what_was_measured(void **unused) {
  (void)unused;
  cy_dataset *iris = data("iris"), *fresh = data("iris");
  cy_trainer *t = trainer_of("dense(16) -> batch_norm -> relu -> dropout(0.1) -> dense(3)", iris,
                             (cy_trainer_options){.epochs = 20, .learning_rate = 0.01});
  OK(cy_trainer_run(t));
  OK(cy_trainer_save(t, file("model.safetensors")));
  cy_trained *trained;
  OK(cy_trained_load(file("model.safetensors"), 0, NULL, &trained));
  assert_string_equal(cy_trained_class_name(trained, 1), cy_dataset_class_name(iris, 1));
  assert_null(cy_trained_class_name(trained, 3));
  assert_string_equal(cy_trained_dataset_name(trained), "iris");
  assert_int_equal(cy_trained_history_count(trained), 20);
  assert_true(cy_shape_equal(cy_trained_sample_shape(trained), CY_SHAPE(4)));

  const cy_split *s = cy_trainer_split(t);
  cy_split split;
  OK(cy_dataset_split(fresh, cy_trained_split_options(trained), &split));
  assert_int_equal(split.n_test, s->n_test);
  assert_memory_equal(split.test, s->test, (size_t)s->n_test * sizeof *s->test);
  cy_metrics a, b;
  OK(cy_trainer_evaluate(t, CY_PART_TEST, &a));
  OK(cy_trained_evaluate(trained, fresh, split.test, split.n_test, &b));
  assert_same_number(a.loss, b.loss);
  assert_memory_equal(a.confusion, b.confusion, 9 * sizeof *a.confusion);

  /* Raw rows give the same classes as the data set's own batches. */
  cy_tensor *outputs, *labels;
  OK(cy_trained_predict(trained, cy_dataset_inputs(fresh), &outputs, &labels));
  int64_t right = 0;
  for (int64_t k = 0; k < split.n_test; k++) {
    int64_t i = split.test[k];
    double sum = 0;
    for (int c = 0; c < 3; c++) sum += cy_tensor_at(outputs, 3 * i + c);
    assert_true(fabs(sum - 1) < 1e-5);
    right += cy_tensor_i64(labels)[i] == cy_dataset_label(fresh, i);
  }
  assert_true(fabs((double)right / (double)split.n_test - a.accuracy) < 1e-12);
  cy_tensor_free(outputs);
  cy_tensor_free(labels);
  cy_metrics_clear(&a);
  cy_metrics_clear(&b);
  cy_split_clear(&split);
  cy_trained_free(trained);
  cy_trainer_free(t);
  cy_dataset_free(iris);
  cy_dataset_free(fresh);
}

/* ---- programs in one memory ---- */

typedef struct shared_run {
  cy_program *program;
  cy_session *session;
  cy_tensor *x;
} shared_run;

/* tanh(x x') x for x [n, 6]: values between, and an output, that lie in the session's memory. */
static shared_run begin_run(int64_t n, const cy_session *memory) {
  shared_run r;
  cy_graph *g;
  OK(cy_graph_create(&g));
  cy_value x = cy_input(g, "x", CY_F64, CY_SHAPE(n, 6));
  cy_value y = cy_matmul(cy_tanh(cy_matmul(x, cy_transpose(x))), x);
  OK(cy_compile(&y, 1, NULL, 0, (cy_program_options){0}, &r.program));
  cy_graph_free(g);
  OK(cy_session_create_sharing(r.program, memory, &r.session));
  OK(cy_tensor_create(CY_F64, CY_SHAPE(n, 6), &r.x));
  OK(cy_session_bind(r.session, "x", r.x));
  for (int64_t i = 0; i < 6 * n; i++) cy_tensor_set(r.x, i, sin(0.7 * (double)i + (double)n));
  return r;
}

static void end_run(shared_run *r) {
  cy_session_free(r->session);
  cy_program_free(r->program);
  cy_tensor_free(r->x);
}

static void sessions_in_one_memory_take_turns(void **unused) {
  (void)unused;
  const int64_t sizes[] = {20, 5, 40}; /* the last does not fit into the memory of the first */
  shared_run own[3], shared[3];
  for (int i = 0; i < 3; i++) {
    own[i] = begin_run(sizes[i], NULL);
    shared[i] = begin_run(sizes[i], i ? shared[0].session : NULL);
    OK(cy_session_run(own[i].session));
  }
  for (int turn = 0; turn < 9; turn++) {
    int i = turn * 2 % 3;
    OK(cy_session_run(shared[i].session));
    const cy_tensor *a = cy_session_output(own[i].session, 0), *b = cy_session_output(shared[i].session, 0);
    assert_memory_equal(cy_tensor_data(a), cy_tensor_data(b), cy_tensor_bytes(a));
  }
  for (int i = 0; i < 3; i++) {
    end_run(&own[i]);
    end_run(&shared[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(iris_is_learnt),
    cmocka_unit_test(digits_are_learnt_and_counted),
    cmocka_unit_test(numbers_are_learnt_in_single_and_double_precision),
    cmocka_unit_test(numbers_in_any_unit_are_learnt),
    cmocka_unit_test(every_loss_goes_down),
    cmocka_unit_test(interrupted_and_resumed_is_not_interrupted),
    cmocka_unit_test(two_equal_runs_give_equal_bits),
    cmocka_unit_test(stopping_leaves_a_trainer_that_goes_on),
    cmocka_unit_test(the_parts_are_disjoint_and_complete),
    cmocka_unit_test(the_last_smaller_batch_counts_by_its_samples),
    cmocka_unit_test(an_infinite_loss_is_named_and_changes_nothing),
    cmocka_unit_test(a_rate_too_large_is_named),
    cmocka_unit_test(wrong_options_and_models_are_refused),
    cmocka_unit_test(foreign_files_and_other_data_are_refused),
    cmocka_unit_test(damaged_metadata_are_refused),
    cmocka_unit_test(early_stopping_brings_back_the_best_epoch),
    cmocka_unit_test(a_finished_training_can_be_prolonged),
    cmocka_unit_test(a_saved_model_predicts_what_was_measured),
    cmocka_unit_test(sessions_in_one_memory_take_turns),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
