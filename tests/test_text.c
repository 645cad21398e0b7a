/* Texts as data: windows and their labels are what the text holds, parts are cut by position, streams continue, the loss
 * per character is what the probabilities say; a generator gives the same whether it goes by steps or by windows. */
#include "expect.h"
#include "folder.h"

#include "data/dataset.h"

#include <cauchy/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cy_dataset *open_text(const char *text, int64_t length) {
  cy_dataset *d;
  OK(cy_file_write(text, strlen(text), file("t.txt")));
  OK(cy_dataset_open(file("t.txt"), (cy_dataset_options){.length = length}, &d));
  return d;
}

static void refuse_text(const char *text, size_t n, cy_dataset_options options, const char *part) {
  cy_dataset *d;
  OK(cy_file_write(text, n, file("bad.txt")));
  FAILS(cy_dataset_open(file("bad.txt"), options, &d), CY_INVALID, part);
  assert_null(d);
}

/* ---- data ---- */

static void windows_follow_one_another(void **state) {
  (void)state;
  cy_dataset *d = open_text("caba\nacbaé", 3);
  cy_tensor *x, *y;
  const int64_t both[] = {1, 0};
  static const int inputs[] = {1, 0, 1, 3, 1, 2}, labels[] = {0, 1, 3, 1, 2, 1};
  assert_string_equal(cy_dataset_vocabulary(d), "\nabcé");
  assert_int_equal(cy_dataset_classes(d), 5);
  assert_string_equal(cy_dataset_class_name(d, 0), "newline");
  assert_string_equal(cy_dataset_class_name(d, 4), "é");
  assert_int_equal(cy_dataset_count(d), 3); /* of ten characters the tenth is only a label */
  assert_int_equal(cy_dataset_length(d), 3);
  assert_true(cy_shape_equal(cy_dataset_target_shape(d), CY_SHAPE(3)));
  assert_int_equal(cy_dataset_label(d, 0), -1);
  OK(cy_tensor_create(CY_F32, CY_SHAPE(2, 3), &x));
  OK(cy_tensor_create(CY_I64, CY_SHAPE(2, 3), &y));
  OK(cy_dataset_batch(d, both, 2, x, y));
  for (int i = 0; i < 6; i++) {
    assert_float_equal(cy_tensor_f32(x)[i], inputs[i], 0);
    assert_int_equal(cy_tensor_i64(y)[i], labels[i]);
  }
  FAILS(cy_dataset_scale(d, CY_SCALE_STANDARDISE, both, 2), CY_INVALID, "characters are not numbers");
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_dataset_free(d);
}

static void what_is_no_text_is_named(void **state) {
  (void)state;
  cy_dataset_options three = {.length = 3};
  refuse_text("ab\ncd\xFF", 6, three, "line 2 is not UTF-8 (byte FF)");
  refuse_text("ab\xC0\x80", 4, three, "line 1 is not UTF-8 (byte C0)"); /* zero in two bytes */
  refuse_text("ab\xED\xA0\x80", 5, three, "line 1 is not UTF-8 (byte ED)"); /* half a pair of UTF-16 */
  refuse_text("ab\0cdefg", 8, three, "line 1 holds a zero byte");
  refuse_text("abc", 3, three, "has 3 characters, but a window of length 3 needs 4");
  refuse_text("", 0, three, "has 0 characters");
  refuse_text("abcabc\nabd", 10, (cy_dataset_options){.length = 3, .vocabulary = "\nabc"},
              "line 2 has the character \"d\", which is not among the 4 that the model knows");
  refuse_text("abcabc", 6, (cy_dataset_options){.length = -1}, "length is 1 to");
}

static void parts_are_cut_by_position(void **state) {
  (void)state;
  cy_dataset *d = open_text("the quick brown fox jumps over the lazy dog", 2);
  cy_split split;
  OK(cy_dataset_split(d, (cy_split_options){.validation = 0.1, .test = 0.2, .seed = 5}, &split));
  assert_int_equal(split.n_train + split.n_validation + split.n_test, 21);
  assert_int_equal(split.n_test, 4);
  assert_int_equal(split.n_validation, 2);
  for (int64_t i = 0; i < split.n_train; i++) assert_int_equal(split.train[i], i);
  for (int64_t i = 0; i < split.n_validation; i++) assert_int_equal(split.validation[i], split.n_train + i);
  cy_split_clear(&split);
  cy_dataset_free(d);
}

static void streams_continue(void **state) {
  (void)state;
  const int64_t list[] = {10, 11, 12, 13, 14, 15, 16, 17};
  static const int64_t expected[2][3] = {{10, 12, 14}, {11, 13, 15}};
  const int64_t *indices;
  cy_batches *b;
  OK(cy_batches_create_streams(list, 8, 3, &b));
  assert_int_equal(cy_batches_count(b), 2);
  for (int epoch = 0; epoch < 2; epoch++) {
    cy_batches_start(b, epoch, 0);
    for (int s = 0; s < 2; s++) {
      assert_int_equal(cy_batches_next(b, &indices), 3);
      assert_memory_equal(indices, expected[s], sizeof expected[s]);
    }
    assert_int_equal(cy_batches_next(b, &indices), 0);
  }
  cy_batches_free(b);
  FAILS(cy_batches_create_streams(list, 8, 9, &b), CY_INVALID, "9 streams side by side need as many windows");
}

/* In an epoch all windows are moved alike, and none leaves the training part. */
static void windows_move_from_epoch_to_epoch(void **state) {
  (void)state;
  char text[90];
  for (int i = 0; i < 89; i++) text[i] = (char)('!' + i); /* each character tells its place */
  text[89] = 0;
  cy_dataset *d = open_text(text, 8);
  cy_loader *loader;
  cy_tensor *x, *y;
  const int64_t indices[] = {0, 3, 8};
  int moved = 0;
  OK(cy_loader_create(d, (cy_loader_options){.seed = 1, .windows = 9}, &loader));
  OK(cy_tensor_create(CY_F32, CY_SHAPE(3, 8), &x));
  OK(cy_tensor_create(CY_I64, CY_SHAPE(3, 8), &y));
  for (int64_t epoch = -1; epoch < 20; epoch++) {
    OK(cy_loader_batch(loader, epoch, indices, 3, x, y));
    const float *at = cy_tensor_f32(x);
    int shift = (int)at[0];
    assert_in_range(shift, 0, 7);
    if (epoch < 0) assert_int_equal(shift, 0);
    moved += shift > 0;
    assert_int_equal((int)at[8], 24 + shift);
    assert_int_equal((int)at[16], 64); /* the last window of the part stays */
    for (int i = 0; i < 24; i++) assert_int_equal(cy_tensor_i64(y)[i], (int)at[i] + 1);
  }
  assert_true(moved > 10);
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_loader_free(loader);
  cy_dataset_free(d);
}

static void a_folder_is_one_text(void **state) {
  (void)state;
  cy_dataset *d;
  OK(cy_make_folders(file("texts")));
  OK(cy_file_write("second\n", 7, file("texts/b.txt")));
  OK(cy_file_write("\xEF\xBB\xBF" "first\n", 9, file("texts/a.txt")));
  OK(cy_file_write("not this", 8, file("texts/.hidden")));
  OK(cy_dataset_open(file("texts"), (cy_dataset_options){.length = 4}, &d));
  assert_string_equal(cy_dataset_vocabulary(d), "\ncdefinorst");
  assert_int_equal(cy_dataset_count(d), 3);
  cy_dataset_free(d);
  OK(cy_file_write("a picture?", 10, file("texts/c.png")));
  FAILS(cy_dataset_open(file("texts"), (cy_dataset_options){.length = 4}, &d), CY_INVALID, "texts");
}

static void sums_are_of_the_marked_numbers(void **state) {
  (void)state;
  enum { LENGTH = 20 };
  cy_dataset *d;
  OK(cy_dataset_open("adding", (cy_dataset_options){.length = LENGTH}, &d));
  int64_t n = cy_dataset_count(d);
  const float *x = cy_tensor_data(cy_dataset_inputs(d)), *y = cy_tensor_data(cy_dataset_targets(d));
  double mean = 0, square = 0;
  for (int64_t i = 0; i < n; i++, x += 2 * LENGTH) {
    float sum = 0;
    int halves[2] = {0, 0};
    for (int t = 0; t < LENGTH; t++) {
      sum += x[t] * x[LENGTH + t];
      if (x[LENGTH + t] != 0) halves[t >= LENGTH / 2]++;
    }
    assert_int_equal(halves[0], 1);
    assert_int_equal(halves[1], 1);
    assert_float_equal(sum, y[i], 1e-6);
    mean += y[i] / (double)n;
    square += (y[i] - 1) * (y[i] - 1) / (double)n;
  }
  assert_float_equal(mean, 1, 0.01);
  assert_float_equal(square, 1.0 / 6, 0.005); /* what answering 1 costs */
  cy_dataset_free(d);
  FAILS(cy_dataset_open("adding", (cy_dataset_options){.length = 1}, &d), CY_INVALID, "length is 2 to");
}

/* The text of the recipe, where it is. */
static void tinyshakespeare_is_cut_nine_to_one(void **state) {
  (void)state;
  cy_dataset *d;
  cy_split split;
  OK(cy_dataset_open(shared("text/tinyshakespeare.txt"), (cy_dataset_options){.length = 64}, &d));
  assert_int_equal(cy_dataset_classes(d), 65);
  assert_int_equal(cy_dataset_count(d), 1115393 / 64);
  OK(cy_dataset_split(d, (cy_split_options){.validation = 0.1, .test = -1}, &split));
  assert_int_equal(split.n_train, 15685);
  assert_int_equal(split.n_validation, 1743);
  assert_int_equal(split.n_test, 0);
  cy_split_clear(&split);
  cy_dataset_free(d);
}

/* ---- training ---- */

static cy_trained *train(const char *description, cy_dataset *d, cy_trainer_options options, cy_metrics *metrics) {
  cy_model *model;
  cy_trainer *trainer;
  cy_trained *trained;
  OK(cy_model_parse(description, "test", &model));
  OK(cy_trainer_create(model, d, options, &trainer));
  OK(cy_trainer_run(trainer));
  OK(cy_trainer_evaluate(trainer, CY_PART_VALIDATION, metrics));
  OK(cy_trainer_save(trainer, file("m.safetensors")));
  OK(cy_trained_load(file("m.safetensors"), 0, NULL, &trained));
  cy_trainer_free(trainer);
  cy_model_free(model);
  return trained;
}

/* Mean of -log p of the labels of the windows, and the share of labels that are the most probable. */
static double loss_by_hand(cy_trained *trained, const cy_dataset *d, const int64_t *indices, int64_t n,
                           double *accuracy) {
  cy_tensor *x, *y, *p, *labels;
  int64_t length = cy_dataset_length(d), classes = cy_dataset_classes(d);
  double sum = 0, right = 0, count = (double)(n * length);
  OK(cy_tensor_create(CY_F32, CY_SHAPE(n, length), &x));
  OK(cy_tensor_create(CY_I64, CY_SHAPE(n, length), &y));
  OK(cy_dataset_batch(d, indices, n, x, y));
  OK(cy_trained_predict(trained, x, &p, &labels));
  assert_true(cy_shape_equal(cy_tensor_shape(p), CY_SHAPE(n, classes, length)));
  assert_true(cy_shape_equal(cy_tensor_shape(labels), CY_SHAPE(n, length)));
  for (int64_t i = 0; i < n; i++)
    for (int64_t t = 0; t < length; t++) {
      int64_t label = cy_tensor_i64(y)[i * length + t];
      sum -= log(cy_tensor_at(p, (i * classes + label) * length + t)) / count;
      right += (label == cy_tensor_i64(labels)[i * length + t]) / count;
    }
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_tensor_free(p);
  cy_tensor_free(labels);
  *accuracy = right;
  return sum;
}

static void the_loss_is_per_character(void **state) {
  (void)state;
  cy_dataset *d;
  cy_split split;
  cy_metrics measured, again;
  double accuracy;
  OK(cy_dataset_open("sonnets", (cy_dataset_options){.length = 24}, &d));
  cy_trained *trained =
      train("embedding(57, 57)", d, (cy_trainer_options){.epochs = 5, .learning_rate = 0.1, .threads = 1}, &measured);
  OK(cy_dataset_split(d, cy_trained_split_options(trained), &split));
  assert_int_equal(split.n_test, 0); /* texts are cut in two parts if nothing is said */
  double loss = loss_by_hand(trained, d, split.validation, split.n_validation, &accuracy);
  assert_float_equal(measured.loss, loss, 1e-5);
  assert_float_equal(measured.accuracy, accuracy, 1e-9);
  assert_true(loss < 2.9 && loss > 2.2); /* a table of pairs of characters learns something, but not much */
  int64_t counted = 0;
  for (int64_t i = 0; i < 57 * 57; i++) counted += measured.confusion[i];
  assert_int_equal(counted, split.n_validation * 24);
  OK(cy_trained_evaluate(trained, d, split.validation, split.n_validation, &again));
  assert_float_equal(again.loss, measured.loss, 1e-12);
  assert_string_equal(cy_trained_metadata(trained, "dataset.vocabulary"), cy_dataset_vocabulary(d));
  cy_metrics_clear(&measured);
  cy_metrics_clear(&again);
  cy_split_clear(&split);
  cy_trained_free(trained);
  cy_dataset_free(d);
}

/* ---- going on with a text ---- */

/* After each character of the first window the scores are those of the whole window. */
static void check_generator(const char *description, bool steps) {
  enum { LENGTH = 16 };
  cy_dataset *d;
  cy_metrics metrics;
  cy_generator *g;
  cy_tensor *x, *p;
  const int64_t first = 0;
  OK(cy_dataset_open("sonnets", (cy_dataset_options){.length = LENGTH}, &d));
  cy_trained *trained = train(description, d, (cy_trainer_options){.epochs = 1, .threads = 1}, &metrics);
  OK(cy_tensor_create(CY_F32, CY_SHAPE(1, LENGTH), &x));
  OK(cy_dataset_batch(d, &first, 1, x, NULL));
  OK(cy_trained_predict(trained, x, &p, NULL));
  OK(cy_generator_create(trained, &g));
  assert_int_equal(cy_generator_steps(g), steps);
  for (int64_t t = 0; t < LENGTH; t++) {
    OK(cy_generator_feed(g, (int64_t)cy_tensor_f32(x)[t]));
    for (int64_t k = 0; k < 57; k++)
      assert_float_equal(exp(cy_generator_scores(g)[k]), cy_tensor_at(p, k * LENGTH + t), 1e-4);
  }
  for (int i = 0; i < LENGTH; i++) OK(cy_generator_feed(g, i)); /* past the window */
  FAILS(cy_generator_feed(g, 57), CY_INVALID, "the model knows 0 to 56");
  cy_generator_free(g);
  cy_tensor_free(x);
  cy_tensor_free(p);
  cy_metrics_clear(&metrics);
  cy_trained_free(trained);
  cy_dataset_free(d);
}

static void generators_agree_with_windows(void **state) {
  (void)state;
  check_generator("embedding(57, 8) -> conv(16, 1) -> tanh -> conv(57, 1)", true);
  check_generator("embedding(57, 8) -> lstm(12) -> gru(10) -> conv(57, 1)", true);
  check_generator("embedding(57, 8) -> conv(16, 3, pad=causal) -> relu -> conv(57, 1)", false);
}

static void other_models_write_nothing(void **state) {
  (void)state;
  cy_dataset *d;
  cy_metrics metrics;
  cy_generator *g;
  OK(cy_dataset_open("iris", (cy_dataset_options){0}, &d));
  cy_trained *trained = train("dense(3)", d, (cy_trainer_options){.epochs = 1}, &metrics);
  FAILS(cy_generator_create(trained, &g), CY_INVALID, "was not trained on a text");
  assert_null(g);
  cy_metrics_clear(&metrics);
  cy_trained_free(trained);
  cy_dataset_free(d);
}

/* ---- streams ---- */

static void same_values(cy_trainer *a, cy_trainer *b) {
  cy_state *x = cy_trainer_state(a), *y = cy_trainer_state(b);
  assert_int_equal(cy_state_count(x), cy_state_count(y));
  for (int i = 0; i < cy_state_count(x); i++) {
    cy_tensor *p = cy_state_tensor(x, i), *q = cy_state_find(y, cy_state_name(x, i));
    if (cy_tensor_bytes(p) > 0 && memcmp(cy_tensor_data(p), cy_tensor_data(q), cy_tensor_bytes(p)) != 0)
      fail_msg("%s differs", cy_state_name(x, i));
  }
}

static bool stop_at(const cy_progress *progress, void *user) {
  return progress->total_steps < *(const int64_t *)user;
}

/* Stopped in the middle of an epoch, when the carried state is not zero. */
static void streams_resume_bit_for_bit(void **state) {
  (void)state;
  cy_dataset *d;
  cy_model *model;
  cy_trainer *whole, *begun, *resumed;
  int64_t steps = 8;
  OK(cy_dataset_open("sonnets", (cy_dataset_options){.length = 32}, &d));
  OK(cy_model_parse("embedding(57, 8) -> lstm(12) -> conv(57, 1)", "test", &model));
  cy_trainer_options options = {.epochs = 2, .batch_size = 30, .streams = true, .threads = 1};
  OK(cy_trainer_create(model, d, options, &whole));
  assert_int_equal(cy_trainer_steps_per_epoch(whole), 6);
  OK(cy_trainer_run(whole));
  options.on_progress = stop_at;
  options.user = &steps;
  OK(cy_trainer_create(model, d, options, &begun));
  assert_int_equal(cy_trainer_run(begun), CY_CANCELLED);
  OK(cy_trainer_save(begun, file("s.safetensors")));
  OK(cy_trainer_resume(file("s.safetensors"), d, (cy_trainer_options){0}, &resumed));
  OK(cy_trainer_run(resumed));
  same_values(whole, resumed);
  cy_trainer_free(whole);
  cy_trainer_free(begun);
  cy_trainer_free(resumed);
  cy_model_free(model);
  cy_dataset_free(d);
}

/* One stream of windows of 8 is one window of any length: state that is carried costs nothing. */
static void streams_are_long_windows(void **state) {
  (void)state;
  cy_dataset *shorter, *longer;
  cy_metrics trained_metrics, a, b;
  cy_model *model;
  cy_trainer *trainer;
  cy_trained *trained;
  int64_t last[12], whole = 0;
  OK(cy_dataset_open("sonnets", (cy_dataset_options){.length = 8}, &shorter));
  OK(cy_dataset_open("sonnets", (cy_dataset_options){.length = 96}, &longer));
  for (int i = 0; i < 12; i++) last[i] = i;
  OK(cy_model_parse("embedding(57, 8) -> gru(12) -> conv(57, 1)", "test", &model));
  cy_trainer_options options = {.epochs = 1, .batch_size = 1, .streams = true, .threads = 1};
  OK(cy_trainer_create(model, shorter, options, &trainer));
  OK(cy_trainer_run(trainer));
  OK(cy_trainer_evaluate(trainer, CY_PART_VALIDATION, &trained_metrics));
  OK(cy_trainer_save(trainer, file("l.safetensors")));
  OK(cy_trained_load(file("l.safetensors"), 0, NULL, &trained));
  OK(cy_trained_evaluate(trained, shorter, last, 12, &a));
  cy_tensor *x, *y;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(1, 96), &x));
  OK(cy_tensor_create(CY_I64, CY_SHAPE(1, 96), &y));
  OK(cy_dataset_batch(longer, &whole, 1, x, y));
  cy_generator *g;
  double loss = 0;
  OK(cy_generator_create(trained, &g));
  for (int t = 0; t < 96; t++) {
    OK(cy_generator_feed(g, (int64_t)cy_tensor_f32(x)[t]));
    loss -= cy_generator_scores(g)[cy_tensor_i64(y)[t]] / 96;
  }
  assert_float_equal(a.loss, loss, 1e-5);
  OK(cy_trained_evaluate(trained, shorter, last, 12, &b)); /* which begins at zero again */
  assert_float_equal(a.loss, b.loss, 0);
  cy_generator_free(g);
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_metrics_clear(&trained_metrics);
  cy_metrics_clear(&a);
  cy_metrics_clear(&b);
  cy_trained_free(trained);
  cy_trainer_free(trainer);
  cy_model_free(model);
  cy_dataset_free(shorter);
  cy_dataset_free(longer);
}

static void streams_need_a_text(void **state) {
  (void)state;
  cy_dataset *d;
  cy_model *model;
  cy_trainer *trainer;
  OK(cy_dataset_open("iris", (cy_dataset_options){0}, &d));
  OK(cy_model_parse("dense(3)", "test", &model));
  FAILS(cy_trainer_create(model, d, (cy_trainer_options){.streams = true}, &trainer), CY_INVALID,
        "streams need samples that continue one another");
  cy_model_free(model);
  cy_dataset_free(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(windows_follow_one_another),
    cmocka_unit_test(what_is_no_text_is_named),
    cmocka_unit_test(parts_are_cut_by_position),
    cmocka_unit_test(streams_continue),
    cmocka_unit_test(windows_move_from_epoch_to_epoch),
    cmocka_unit_test(a_folder_is_one_text),
    cmocka_unit_test(sums_are_of_the_marked_numbers),
    cmocka_unit_test(tinyshakespeare_is_cut_nine_to_one),
    cmocka_unit_test(the_loss_is_per_character),
    cmocka_unit_test(generators_agree_with_windows),
    cmocka_unit_test(other_models_write_nothing),
    cmocka_unit_test(streams_resume_bit_for_bit),
    cmocka_unit_test(streams_are_long_windows),
    cmocka_unit_test(streams_need_a_text),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
