/* Training on images as a user does: augmentation and sizes in recipes, evaluation and prediction at other sizes, the
 * two-corner task, and the sentences that wrong keys and too small images get. */
#include "command.h"
#include "expect.h"

#include <cauchy.h>
#include <math.h>

/* Of the last run, whatever it was. */
static void says(const char *part) {
  if (!strstr(last.out, part) && !strstr(last.err, part)) fail_msg("\"%s\" is not in: %s%s", part, last.out, last.err);
}

/* The number behind "key": from the place on. */
static double number(const char *at, const char *key) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  at = strstr(at, quoted);
  if (!at) fail_msg("no %s in %s", quoted, last.out);
  return strtod(at + strlen(quoted), NULL);
}

/* In a folder of its own, where the data are too. */
static int set_up(void **state) { return enter_folder(state) == 0 ? setenv("CAUCHY_DATA", folder, 1) : -1; }

/* ---- augmentation and sizes in recipes ---- */

static const char recipe[] = "data: digits\n"
                             "sizes: [8, 10x9]\n"
                             "augment: {flip: true, crop: 1, shift: 1, fill: edge}\n"
                             "model: conv(8, 3) -> relu -> conv(8, 3) -> relu -> global_avg_pool -> dense(10)\n"
                             "scale: standardise\n"
                             "learning_rate: 0.01\n"
                             "threads: 1\n"
                             "epochs: 2\n";

static void recipes_say_sizes_and_augmentation(void **unused) {
  (void)unused;
  write_file("r.yaml", recipe);
  succeed("train r.yaml --out a");
  says("all images in one size");
  says("10x9");
  static char used[COMMAND_OUTPUT], first[COMMAND_OUTPUT];
  read_back("a/recipe.yaml", used);
  assert_non_null(strstr(used, "sizes: [8, 10x9]\n"));
  assert_non_null(strstr(used, "augment:\n  flip: true\n  crop: 1\n  shift: 1\n  fill: edge\n"));
  /* The recipe as used, and the same as words, give the same model. */
  succeed("train a/recipe.yaml --out b --quiet");
  succeed("train data=digits sizes=8,10x9 augment.flip=true augment.crop=1 augment.shift=1 augment.fill=edge "
          "'model=conv(8, 3) -> relu -> conv(8, 3) -> relu -> global_avg_pool -> dense(10)' scale=standardise "
          "learning_rate=0.01 epochs=2 threads=1 --out c --quiet");
  strcpy(first, succeed("eval a --json"));
  assert_string_equal(first, succeed("eval b --json"));
  assert_string_equal(first, succeed("eval c --json"));
  /* Another augmentation gives another; so does none. */
  succeed("train r.yaml augment.crop=2 --out d --quiet");
  assert_string_not_equal(first, succeed("eval d --json"));
}

static void a_longer_training_is_the_same_whether_resumed_or_not(void **unused) {
  (void)unused;
  write_file("r.yaml", recipe);
  succeed("train r.yaml epochs=3 --out whole --quiet");
  succeed("train r.yaml epochs=1 --out part --quiet");
  succeed("train --resume part epochs=3 --out rest --quiet");
  static char text[COMMAND_OUTPUT], whole[COMMAND_OUTPUT];
  read_back("rest/recipe.yaml", text);
  assert_holds(text, "sizes: [8, 10x9]\n");
  strcpy(whole, succeed("eval whole --json"));
  assert_string_equal(whole, succeed("eval rest --json"));
}

/* ---- other sizes ---- */

static void a_model_is_measured_at_other_sizes(void **unused) {
  (void)unused;
  write_file("r.yaml", recipe);
  succeed("train r.yaml epochs=8 sizes=8,10,12 augment.flip=false --out m --quiet");
  succeed("eval m --size 8,9,12x11");
  says("8x8");
  says("9x9");
  says("12x11");
  succeed("eval m --size 8,9,12x11 --json");
  const char *at = strstr(last.out, "\"sizes\"");
  assert_non_null(at);
  for (int i = 0; i < 3; i++) {
    at = strstr(at, "\"height\"");
    assert_non_null(at);
    assert_true(number(at, "height") == (i == 0 ? 8 : i == 1 ? 9 : 12));
    assert_true(number(at, "width") == (i == 0 ? 8 : i == 1 ? 9 : 11));
    assert_true(number(at, "accuracy") > 0.4);
    at++;
  }
  refuse("eval m --size 4", "conv \"conv2\"");
  says("at least 5x5");
  refuse("eval m --size 4,x", "--size is a list of sizes");
  refuse("eval m --size 0", "--size is a list of sizes");

  /* The same images, resized before: predictions agree with the table. */
  cy_dataset *digits;
  cy_tensor *large, *labels;
  OK(cy_dataset_open("digits", (cy_dataset_options){0}, &digits));
  OK(cy_images_resize(cy_dataset_inputs(digits), 11, 9, &large));
  OK(cy_npy_save(large, "large.npy"));
  succeed("predict m large.npy --out p.jsonl");
  succeed("predict m large.npy --out p.npy");
  OK(cy_npy_load("p.npy", &labels));
  assert_int_equal(cy_tensor_shape(labels).dim[0], cy_dataset_count(digits));
  int64_t right = 0, n = cy_dataset_count(digits);
  for (int64_t i = 0; i < n; i++) {
    int64_t best = 0;
    for (int64_t c = 1; c < 10; c++)
      if (cy_tensor_at(labels, i * 10 + c) > cy_tensor_at(labels, i * 10 + best)) best = c;
    right += best == cy_dataset_label(digits, i);
  }
  double accuracy = number(succeed("eval m --size 11x9 --part all --json"), "accuracy");
  assert_true(fabs(accuracy - (double)right / (double)n) < 0.003);
  cy_tensor_free(labels);
  cy_tensor_free(large);
  OK(cy_images_resize(cy_dataset_inputs(digits), 4, 4, &large));
  OK(cy_npy_save(large, "small.npy"));
  refuse("predict m small.npy", "at least 5x5");
  cy_tensor_free(large);
  cy_dataset_free(digits);
}

/* Coursework A4.2: two convolutions of 5x5 need 9x9. */
static void below_nine_the_layer_and_the_minimum_are_named(void **unused) {
  (void)unused;
#define A42 "'model=conv(8, 5) -> relu -> conv(8, 5) -> relu -> global_avg_pool -> dense(16) -> relu -> dense(10)'"
  refuse("train digits " A42 " epochs=1", "conv \"conv2\"");
  says("at least 9x9");
  refuse("train digits " A42 " sizes=12,8x20 epochs=1", "at least 9x9");
  succeed("train digits " A42 " sizes=9 epochs=1 --out m --quiet");
  refuse("eval m --size 8", "at least 9x9");
    succeed("eval m"); /* 8x8 as stored; the model has them resized to 9x9 */
  refuse("train digits 'model=conv(4, 3) -> relu -> flatten -> dense(10)' sizes=8,9 epochs=1", "one size only");
}

/* S3 and S7: a network of CustomModel's kind learns, with and without batch normalisation. */
static void convolutional_networks_learn(void **unused) {
  static const char *const norms[] = {"", "batch_norm -> "};
  (void)unused;
  for (int i = 0; i < 2; i++) {
    char line[1024];
    snprintf(line, sizeof line,
             "train digits 'model=conv(8, 3, pad=half) -> %srelu -> max_pool(2) -> conv(16, 3, pad=half) -> %srelu -> "
             "max_pool(2) -> flatten -> dense(32) -> relu -> dropout(0.5) -> dense(10)' epochs=12 learning_rate=0.005 "
             "threads=1 seed=1 --out m%d --quiet", norms[i], norms[i], i);
    succeed(line);
    snprintf(line, sizeof line, "eval m%d --json", i);
    assert_true(number(succeed(line), "accuracy") > 0.94);
  }
}

/* ---- the two-corner task (coursework A5.4) ---- */

static double corner_accuracy(const char *size, const char *model) {
  char line[1024];
  snprintf(line, sizeof line,
           "train corners-%s 'model=%s -> conv(2, 3, pad=1) -> crop(1) -> flatten' scale=standardise epochs=15 "
           "learning_rate=0.003 seed=1 threads=1 --quiet --out corner", size, model);
  succeed(line);
  double accuracy = number(succeed("eval corner --json"), "accuracy");
  assert_int_equal(system("rm -r corner"), 0);
  return accuracy;
}

static void corners_are_told_exactly_where_the_field_covers_both(void **unused) {
  (void)unused;
#define LAYER "conv(16, 3, pad=1) -> relu"
#define WIDE "conv(16, 3, pad=2, dilation=2) -> relu"
  /* Four layers see 4 pixels far: enough for 5x5, not for 7x7, with or without a residual connection. */
  assert_true(corner_accuracy("5", "3 * (" LAYER ")") == 1);
  assert_true(corner_accuracy("7", "3 * (" LAYER ")") < 0.6);
  assert_true(corner_accuracy("7", LAYER " -> residual(" LAYER " -> conv(16, 3, pad=1)) -> relu") < 0.6);
  assert_true(corner_accuracy("7", "5 * (" LAYER ")") == 1);
  assert_true(corner_accuracy("7", LAYER " -> " WIDE " -> " WIDE) == 1);
  refuse("train corners-1 epochs=1", "2 to 128");
  succeed("data info corners-7x9");
}

/* ---- mistakes ---- */

static void wrong_keys_are_named(void **unused) {
  (void)unused;
  refuse("train digits augment.flip=maybe", "augment.flip is one of false, true");
  refuse("train digits augment.crop=-1", "augment.crop is -1");
  refuse("train digits augment.crop=1.5", "augment.crop is a whole number");
  refuse("train digits augment.fill=mirror", "augment.fill is one of zero, reflect, edge");
  refuse("train digits augment.crop=8", "crop 8");
  refuse("train digits augment.rotate=8", "unknown key \"augment.rotate\"");
  refuse("train digits augment=true", "augment is a group of keys");
  refuse("train iris augment.flip=true", "needs images");
  refuse("train iris sizes=8", "samples are 4");
  refuse("train digits sizes=8,", "sizes is a list");
  refuse("train digits sizes=8x", "sizes is a list");
  refuse("train digits sizes=1,2,3,4,5,6,7,8,9", "more than 8");
  refuse("train digits sizes=99999999", "1 to");
  write_file("bad.yaml", "data: digits\nsizes: [8, [9]]\n");
  refuse("train bad.yaml", "bad.yaml:2: sizes is a list");
  write_file("bad.yaml", "data: digits\nsizes: 8\nsizes: [9]\n");
  refuse("train bad.yaml", "bad.yaml:3: sizes was given before");
  write_file("bad.yaml", "data: digits\naugment: [flip]\n");
  refuse("train bad.yaml", "bad.yaml:2: ");
}

/* ---- real photographs ---- */

static void real_photographs_are_learnt_from(void **unused) {
  (void)unused;
  char line[PATH_MAX + 512];
  snprintf(line, sizeof line,
           "train '%s' 'model=conv(16, 5, stride=2) -> relu -> conv(32, 3, stride=2) -> relu -> global_avg_pool -> "
           "dense(10)' scale=standardise augment.flip=true augment.crop=4 augment.fill=reflect epochs=1 batch=64 "
           "learning_rate=0.005 --quiet --out m", shared("cifar10"));
  succeed(line);
  assert_true(number(succeed("eval m --json"), "accuracy") > 0.3);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, leave_folder)
  const struct CMUnitTest tests[] = {
      TEST(recipes_say_sizes_and_augmentation),
      TEST(a_longer_training_is_the_same_whether_resumed_or_not),
      TEST(a_model_is_measured_at_other_sizes),
      TEST(below_nine_the_layer_and_the_minimum_are_named),
      TEST(convolutional_networks_learn),
      TEST(corners_are_told_exactly_where_the_field_covers_both),
      TEST(wrong_keys_are_named),
      TEST(real_photographs_are_learnt_from),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
