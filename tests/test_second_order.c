/* Second-order training: fewer passes than first-order for a lower loss; stopping and resuming anywhere gives the same
 * bits as not stopping; what has no curvature to look at is refused by name. */
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

static cy_status create(const char *text, cy_dataset *dataset, cy_trainer_options options, cy_trainer **trainer) {
  cy_model *model;
  OK(cy_model_parse(text, "test", &model));
  cy_status status = cy_trainer_create(model, dataset, options, trainer);
  cy_model_free(model);
  return status;
}

static cy_trainer *trainer_of(const char *text, cy_dataset *dataset, cy_trainer_options options) {
  cy_trainer *trainer;
  OK(create(text, dataset, options, &trainer));
  return trainer;
}

typedef struct watcher {
  int64_t stop_at, events, within; /* within: events of an iteration that is not complete */
  char log[4096];
} watcher;

static bool watch(const cy_progress *progress, void *user) {
  watcher *w = user;
  w->within += progress->phase == CY_PHASE_TRAIN && progress->step == 0;
  return ++w->events != w->stop_at;
}
static void note(const char *line, void *user) {
  watcher *w = user;
  assert_true(line[0] && !strchr(line, '\n'));
  if (strlen(w->log) + strlen(line) + 2 < sizeof w->log) strcat(strcat(w->log, line), "\n");
}

static const char *const names[] = {"newton", "newton-cg", "lbfgs"};
enum { METHODS = 3 };

/* Training loss after so many epochs. */
static double loss_after(const char *optimizer, double rate, int64_t epochs, const char *model, const char *name) {
  cy_dataset *dataset = data(name);
  cy_trainer_options options = {.optimizer = {.name = optimizer}, .learning_rate = rate, .epochs = epochs, .seed = 2,
                                .validation = CY_EXACT_ZERO};
  cy_trainer *t = trainer_of(model, dataset, options);
  OK(cy_trainer_run(t));
  double loss = cy_trainer_history(t, cy_trainer_history_count(t) - 1).loss;
  for (int i = 1; strcmp(optimizer, "adam") != 0 && i < cy_trainer_history_count(t); i++)
    assert_true(cy_trainer_history(t, i).loss <= cy_trainer_history(t, i - 1).loss * (1 + 1e-5));
  cy_trainer_free(t);
  cy_dataset_free(dataset);
  return loss;
}

/* ---- learning ---- */

static void it_needs_fewer_epochs_than_adam(void **unused) {
  (void)unused;
  static const double rates[] = {0.003, 0.01, 0.03};
  double adam = INFINITY;
  const char *iris = "dense(8) -> tanh -> dense(3)", *digits = "dense(24) -> tanh -> dense(10)";
  for (int i = 0; i < 3; i++) adam = fmin(adam, loss_after("adam", rates[i], 25, iris, "iris"));
  for (int i = 0; i < METHODS; i++) {
    double loss = loss_after(names[i], 0, 25, iris, "iris");
    if (!(loss < adam)) fail_msg("iris: %s %g, adam %g", names[i], loss, adam);
  }
  adam = INFINITY;
  for (int i = 0; i < 3; i++) adam = fmin(adam, loss_after("adam", rates[i], 20, digits, "digits"));
  double hessian_free = loss_after("newton-cg", 0, 20, digits, "digits");
  if (!(hessian_free < adam)) fail_msg("digits: newton-cg %g, adam %g", hessian_free, adam);
}

/* A linear model with squared loss is a quadratic: one step of Newton, whatever the data. */
static void newton_fits_linear_models_in_one_step(void **unused) {
  (void)unused;
  cy_tensor *x, *y;
  cy_dataset *dataset;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(60, 3), &x));
  OK(cy_tensor_create(CY_F32, CY_SHAPE(60, 1), &y));
  for (int64_t i = 0; i < 60; i++) {
    double a = sin(0.7 * (double)i), b = cos(1.3 * (double)i), c = sin(2.1 * (double)i + 1);
    const double row[3] = {a, b, c};
    for (int j = 0; j < 3; j++) cy_tensor_set(x, 3 * i + j, row[j]);
    cy_tensor_set(y, i, a - 2 * b + 0.3 * c + 0.5);
  }
  OK(cy_dataset_from_tensors("linear", x, y, 0, 0, &dataset));
  for (int i = 0; i < METHODS; i++) {
    watcher w = {0};
    cy_trainer_options options = {.optimizer = {.name = names[i]}, .epochs = 40, .dtype = CY_F64, .on_log = note,
                                  .on_progress = watch, .user = &w};
    cy_trainer *t = trainer_of("dense(1)", dataset, options);
    OK(cy_trainer_run(t));
    if (i == 0) assert_true(cy_trainer_history(t, 0).loss < 1e-12);
    assert_true(cy_trainer_history(t, cy_trainer_history_count(t) - 1).loss < 1e-12);
    /* And the end is seen. */
    assert_true(cy_trainer_epoch(t) < 40 && cy_trainer_finished(t));
    assert_non_null(strstr(w.log, "converged"));
    assert_true(w.within > 0);
    cy_trainer_free(t);
  }
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_dataset_free(dataset);
}

static void products_over_some_samples_serve(void **unused) {
  (void)unused;
  cy_dataset *digits = data("digits");
  cy_trainer_options options = {.optimizer = {.name = "newton-cg", .curvature_samples = 300, .cg_iterations = 60},
                                .epochs = 12, .batch_size = 200, .seed = 4};
  cy_trainer *t = trainer_of("dense(24) -> tanh -> dense(10)", digits, options);
  OK(cy_trainer_run(t));
  assert_true(cy_trainer_history(t, 11).loss < 0.1 * cy_trainer_history(t, 0).loss);
  assert_true(cy_trainer_arena_bytes(t) > 0);
  cy_trainer_free(t);
  cy_dataset_free(digits);
}

/* Images, convolutions, batch normalisation (by each batch's statistics), the Hessian itself; the running statistics
 * follow: validation and training agree. */
static void networks_of_images_are_trained(void **unused) {
  (void)unused;
  static const char *const curvatures[] = {"gauss-newton", "hessian", "fisher"};
  cy_dataset *digits = data("digits");
  for (int i = 0; i < 3; i++) {
    cy_trainer_options options = {.epochs = 6, .batch_size = 700, .keep_last = true,
                                  .optimizer = {.name = "newton-cg", .curvature = curvatures[i], .cg_iterations = 30}};
    cy_trainer *t =
        trainer_of("conv(4, 3) -> batch_norm -> tanh -> max_pool(2) -> flatten -> dense(10)", digits, options);
    OK(cy_trainer_run(t));
    cy_epoch_record last = cy_trainer_history(t, 5);
    assert_true(last.loss < 0.5 * cy_trainer_history(t, 0).loss || last.loss < 0.3);
    assert_true(last.validation_accuracy > 0.7);
    cy_trainer_free(t);
  }
  cy_dataset_free(digits);
}

/* The target can be the sample itself: batches hold it as it is scaled, and a narrow network learns to pass it on. */
static void autoencoders_learn_their_input(void **unused) {
  (void)unused;
  cy_dataset *digits;
  cy_tensor *x, *y;
  const int64_t indices[2] = {7, 300};
  OK(cy_dataset_open("digits", (cy_dataset_options){.target = "input"}, &digits));
  assert_true(cy_dataset_reconstructs(digits) && cy_dataset_classes(digits) == 0);
  assert_string_equal(cy_dataset_target_name(digits), "input");
  OK(cy_tensor_create(CY_F32, CY_SHAPE(2, 1, 8, 8), &x));
  OK(cy_tensor_create(CY_F32, CY_SHAPE(2, 1, 8, 8), &y));
  OK(cy_dataset_batch(digits, indices, 2, x, y));
  assert_memory_equal(cy_tensor_data(x), cy_tensor_data(y), cy_tensor_bytes(x));
  cy_tensor_free(x);
  cy_tensor_free(y);
  const char *text = "dense(16) -> tanh -> dense(64)";
  cy_trainer_options options = {.optimizer = {.name = "newton-cg", .damping = 0.01}, .epochs = 12,
                                .loss = "binary_cross_entropy"};
  cy_trainer *t = trainer_of(text, digits, options), *u;
  OK(cy_trainer_run(t));
  assert_true(cy_trainer_history(t, 11).loss < 0.6 * cy_trainer_history(t, 0).loss);
  assert_true(isnan(cy_trainer_history(t, 11).accuracy));
  cy_trainer_free(t);
  options.augment.flip = true;
  options.optimizer = (cy_optimizer_options){0};
  FAILS(create(text, digits, options, &u), CY_INVALID, "the target is the input");
  cy_dataset_free(digits);
}

/* A table keeps its features, without the column that would be its label; a column named input is a column. */
static void tables_can_be_their_own_target(void **unused) {
  (void)unused;
  static const struct {
    const char *text;
    int64_t features, target, reconstructs;
  } cases[] = {{"a,b,label\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n", 2, 2, 1},
               {"a,input,label\n1,2.5,1\n3,4.5,2\n5,6.5,1\n7,8.5,3\n", 2, 1, 0}};
  char path[128];
  snprintf(path, sizeof path, "%s/table.csv", folder);
  for (int i = 0; i < 2; i++) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(cases[i].text, f);
    fclose(f);
    cy_dataset *dataset;
    OK(cy_dataset_open(path, (cy_dataset_options){.target = "input"}, &dataset));
    assert_int_equal(cy_dataset_reconstructs(dataset), cases[i].reconstructs);
    assert_int_equal(cy_dataset_sample_shape(dataset).dim[0], cases[i].features);
    assert_int_equal(cy_dataset_target_shape(dataset).dim[0], cases[i].target);
    cy_dataset_free(dataset);
  }
}

/* ---- interrupting ---- */

static void assert_same_state(cy_trainer *a, cy_trainer *b) {
  cy_state *s = cy_trainer_state(a), *z = cy_trainer_state(b);
  assert_int_equal(cy_state_count(s), cy_state_count(z));
  for (int i = 0; i < cy_state_count(s); i++) {
    const cy_tensor *x = cy_state_tensor(s, i), *y = cy_state_find(z, cy_state_name(s, i));
    assert_int_equal(cy_tensor_bytes(x), cy_tensor_bytes(y));
    if (memcmp(cy_tensor_data(x), cy_tensor_data(y), cy_tensor_bytes(x)) != 0)
      fail_msg("%s differs", cy_state_name(s, i));
  }
  assert_int_equal(cy_trainer_history_count(a), cy_trainer_history_count(b));
  for (int i = 0; i < cy_trainer_history_count(a); i++) {
    cy_epoch_record p = cy_trainer_history(a, i), q = cy_trainer_history(b, i);
    assert_true(p.loss == q.loss && p.accuracy == q.accuracy && p.validation_loss == q.validation_loss);
  }
}

static void resuming_gives_the_same_bits(void **unused) {
  (void)unused;
  cy_dataset *iris = data("iris");
  char path[128];
  snprintf(path, sizeof path, "%s/stopped.safetensors", folder);
  for (int m = 0; m < METHODS; m++)
    for (int f64 = 0; f64 < 2; f64++) {
      const char *text = "dense(5) -> tanh -> dense(3)";
      watcher w = {0};
      cy_trainer_options options = {.optimizer = {.name = names[m]}, .epochs = 6, .batch_size = 40, .seed = 7,
                                    .dtype = f64 ? CY_F64 : CY_F32, .on_progress = watch, .user = &w};
      if (m == 1) options.optimizer.curvature_samples = 50;
      if (m == 1 && f64) options.optimizer.preconditioner = 0.75;
      if (m == 2) options.optimizer.memory = 3;
      cy_trainer *whole = trainer_of(text, iris, options);
      OK(cy_trainer_run(whole));
      int64_t events = w.events;
      assert_true(events > 30);
      for (int64_t at = 1; at < events; at += 1 + events / 23) {
        w = (watcher){.stop_at = at};
        cy_trainer *first = trainer_of(text, iris, options), *second;
        FAILS(cy_trainer_run(first), CY_CANCELLED, "stopped on request");
        OK(cy_trainer_save(first, path));
        cy_trainer_free(first);
        w = (watcher){0};
        OK(cy_trainer_resume(path, iris, (cy_trainer_options){.on_progress = watch, .user = &w}, &second));
        OK(cy_trainer_run(second));
        assert_same_state(whole, second);
        cy_trainer_free(second);
      }
      cy_trainer_free(whole);
    }
  cy_dataset_free(iris);
}

/* Running again after a cancellation goes on, in the same trainer. */
static void a_cancelled_iteration_is_done_again(void **unused) {
  (void)unused;
  cy_dataset *iris = data("iris");
  for (int m = 0; m < METHODS; m++) {
    watcher w = {0};
    cy_trainer_options options = {.optimizer = {.name = names[m]}, .epochs = 5, .batch_size = 30, .seed = 1,
                                  .on_progress = watch, .user = &w};
    cy_trainer *whole = trainer_of("dense(4) -> tanh -> dense(3)", iris, options);
    OK(cy_trainer_run(whole));
    cy_trainer *broken = trainer_of("dense(4) -> tanh -> dense(3)", iris, options);
    w = (watcher){.stop_at = 7};
    int stops = 0;
    cy_status status;
    while ((status = cy_trainer_run(broken)) == CY_CANCELLED && stops < 1000) {
      w.stop_at = w.events + 17 + 9 * stops;
      stops++;
    }
    assert_int_equal(status, CY_OK);
    assert_true(stops > 2);
    assert_same_state(whole, broken);
    cy_trainer_free(whole);
    cy_trainer_free(broken);
  }
  cy_dataset_free(iris);
}

/* ---- what is refused ---- */

static void what_has_no_fixed_loss_is_refused(void **unused) {
  (void)unused;
  cy_dataset *digits = data("digits");
  cy_trainer *t;
  cy_trainer_options options = {.optimizer = {.name = "lbfgs"}};
  FAILS(create("dense(8) -> dropout(0.5) -> dense(10)", digits, options, &t), CY_INVALID, "dropout");
  options.augment.shift = 1;
  FAILS(create("dense(10)", digits, options, &t), CY_INVALID, "augmentation");
  options = (cy_trainer_options){.optimizer = {.name = "newton"}};
  FAILS(create("dense(64) -> tanh -> dense(10)", digits, options, &t), CY_INVALID, "newton-cg");
  options.optimizer.name = "newton-gc";
  FAILS(create("dense(10)", digits, options, &t), CY_INVALID, "did you mean \"newton-cg\"?");
  options = (cy_trainer_options){.optimizer = {.name = "newton-cg", .clip_norm = 1}};
  FAILS(create("dense(10)", digits, options, &t), CY_INVALID, "clip_norm");
  options = (cy_trainer_options){.optimizer = {.name = "newton-cg", .memory = 4}};
  FAILS(create("dense(10)", digits, options, &t), CY_INVALID, "memory");
  options = (cy_trainer_options){.optimizer = {.name = "newton-cg", .cg_iterations = 1.5}};
  FAILS(create("dense(10)", digits, options, &t), CY_INVALID, "whole number");
  cy_dataset_free(digits);
}

static void a_loss_that_is_no_number_is_said(void **unused) {
  (void)unused;
  cy_tensor *x, *y;
  cy_dataset *dataset;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(8, 1), &x));
  OK(cy_tensor_create(CY_F32, CY_SHAPE(8, 1), &y));
  for (int64_t i = 0; i < 8; i++) {
    cy_tensor_set(x, i, 1e30 * (double)(i + 1));
    cy_tensor_set(y, i, -1e30 * (double)i);
  }
  OK(cy_dataset_from_tensors("huge", x, y, 0, 0, &dataset));
  for (int m = 0; m < METHODS; m++) {
    cy_trainer_options options = {.optimizer = {.name = names[m]}, .scale = CY_SCALE_NONE, .epochs = 3, .test = -1,
                                  .validation = CY_EXACT_ZERO};
    cy_trainer *t = trainer_of("dense(1)", dataset, options);
    FAILS(cy_trainer_run(t), CY_NOT_FINITE, "epoch 1");
    cy_trainer_free(t);
  }
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_dataset_free(dataset);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_needs_fewer_epochs_than_adam),
    cmocka_unit_test(newton_fits_linear_models_in_one_step),
    cmocka_unit_test(products_over_some_samples_serve),
    cmocka_unit_test(networks_of_images_are_trained),
    cmocka_unit_test(autoencoders_learn_their_input),
    cmocka_unit_test(tables_can_be_their_own_target),
    cmocka_unit_test(resuming_gives_the_same_bits),
    cmocka_unit_test(a_cancelled_iteration_is_done_again),
    cmocka_unit_test(what_has_no_fixed_loss_is_refused),
    cmocka_unit_test(a_loss_that_is_no_number_is_said),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
