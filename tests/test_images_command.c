/* Training on images as a user does: augmentation and sizes in recipes, evaluation and prediction at other sizes, the
 * two-corner task, and the sentences that wrong keys and too small images get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cauchy.h>
#include <cmocka.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK(call) assert_string_equal((call) == CY_OK ? "" : cy_error_message(), "")

/* ---- starting the command, by the shell ---- */

enum { OUTPUT_SIZE = 1 << 16 };

static char output[OUTPUT_SIZE]; /* of the last run: standard output and errors */
static int exit_code;

static const char *run(const char *line) {
  char command[4096];
  const char *path = getenv("CAUCHY_COMMAND");
  assert_non_null(path);
  snprintf(command, sizeof command, "'%s' %s 2>&1", path, line);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  size_t n = fread(output, 1, sizeof output - 1, pipe);
  output[n] = 0;
  int status = pclose(pipe);
  exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

static const char *succeed(const char *line) {
  run(line);
  if (exit_code != 0) fail_msg("cauchy %s: exit %d: %s", line, exit_code, output);
  return output;
}

static void refused(const char *line, const char *part) {
  run(line);
  if (exit_code != 2 || !strstr(output, part) || strncmp(output, "cauchy: ", 8) != 0)
    fail_msg("cauchy %s: exit %d, without \"%s\": %s", line, exit_code, part, output);
}

static void says(const char *part) {
  if (!strstr(output, part)) fail_msg("\"%s\" is not in: %s", part, output);
}

/* The number behind "key": from the place on. */
static double number(const char *at, const char *key) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  at = strstr(at, quoted);
  if (!at) fail_msg("no %s in %s", quoted, output);
  return strtod(at + strlen(quoted), NULL);
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static char *read_text(const char *path) {
  char *text;
  size_t length;
  OK(cy_file_read(path, OUTPUT_SIZE, &text, &length));
  return text;
}

/* ---- a folder for each test ---- */

static char start_folder[PATH_MAX];

static int set_up(void **state) {
  static char folder[64];
  if (!getcwd(start_folder, sizeof start_folder)) return -1;
  strcpy(folder, "/tmp/cauchy-images-XXXXXX");
  if (!mkdtemp(folder) || chdir(folder) != 0) return -1;
  setenv("CAUCHY_DATA", folder, 1);
  *state = folder;
  return 0;
}

static int tear_down(void **state) {
  char line[128];
  snprintf(line, sizeof line, "rm -rf '%s'", (const char *)*state);
  return chdir(start_folder) == 0 ? system(line) : -1;
}

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
  write_text("r.yaml", recipe);
  succeed("train r.yaml --out a");
  says("all images in one size");
  says("10x9");
  char *used = read_text("a/recipe.yaml");
  assert_non_null(strstr(used, "sizes: [8, 10x9]\n"));
  assert_non_null(strstr(used, "augment:\n  flip: true\n  crop: 1\n  shift: 1\n  fill: edge\n"));
  cy_string_free(used);
  /* The recipe as used, and the same as words, give the same model. */
  succeed("train a/recipe.yaml --out b --quiet");
  succeed("train data=digits sizes=8,10x9 augment.flip=true augment.crop=1 augment.shift=1 augment.fill=edge "
          "'model=conv(8, 3) -> relu -> conv(8, 3) -> relu -> global_avg_pool -> dense(10)' scale=standardise "
          "learning_rate=0.01 epochs=2 threads=1 --out c --quiet");
  char first[OUTPUT_SIZE];
  strcpy(first, succeed("eval a --json"));
  assert_string_equal(first, succeed("eval b --json"));
  assert_string_equal(first, succeed("eval c --json"));
  /* Another augmentation gives another; so does none. */
  succeed("train r.yaml augment.crop=2 --out d --quiet");
  assert_string_not_equal(first, succeed("eval d --json"));
}

static void a_longer_training_is_the_same_whether_resumed_or_not(void **unused) {
  (void)unused;
  write_text("r.yaml", recipe);
  succeed("train r.yaml epochs=3 --out whole --quiet");
  succeed("train r.yaml epochs=1 --out part --quiet");
  succeed("train --resume part epochs=3 --out rest --quiet");
  char *a = read_text("rest/recipe.yaml");
  assert_non_null(strstr(a, "sizes: [8, 10x9]\n"));
  cy_string_free(a);
  char whole[OUTPUT_SIZE];
  strcpy(whole, succeed("eval whole --json"));
  assert_string_equal(whole, succeed("eval rest --json"));
}

/* ---- other sizes ---- */

static void a_model_is_measured_at_other_sizes(void **unused) {
  (void)unused;
  write_text("r.yaml", recipe);
  succeed("train r.yaml epochs=8 sizes=8,10,12 augment.flip=false --out m --quiet");
  succeed("eval m --size 8,9,12x11");
  says("8x8");
  says("9x9");
  says("12x11");
  succeed("eval m --size 8,9,12x11 --json");
  const char *at = strstr(output, "\"sizes\"");
  assert_non_null(at);
  for (int i = 0; i < 3; i++) {
    at = strstr(at, "\"height\"");
    assert_non_null(at);
    assert_true(number(at, "height") == (i == 0 ? 8 : i == 1 ? 9 : 12));
    assert_true(number(at, "width") == (i == 0 ? 8 : i == 1 ? 9 : 11));
    assert_true(number(at, "accuracy") > 0.4);
    at++;
  }
  refused("eval m --size 4", "conv \"conv2\"");
  says("at least 5x5");
  refused("eval m --size 4,x", "--size is a list of sizes");
  refused("eval m --size 0", "--size is a list of sizes");

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
  refused("predict m small.npy", "at least 5x5");
  cy_tensor_free(large);
  cy_dataset_free(digits);
}

/* Coursework A4.2: two convolutions of 5x5 need 9x9. */
static void below_nine_the_layer_and_the_minimum_are_named(void **unused) {
  (void)unused;
#define A42 "'model=conv(8, 5) -> relu -> conv(8, 5) -> relu -> global_avg_pool -> dense(16) -> relu -> dense(10)'"
  refused("train digits " A42 " epochs=1", "conv \"conv2\"");
  says("at least 9x9");
  refused("train digits " A42 " sizes=12,8x20 epochs=1", "at least 9x9");
  succeed("train digits " A42 " sizes=9 epochs=1 --out m --quiet");
  refused("eval m --size 8", "at least 9x9");
  assert_int_equal(exit_code, 2);
  succeed("eval m"); /* 8x8 as stored; the model has them resized to 9x9 */
  refused("train digits 'model=conv(4, 3) -> relu -> flatten -> dense(10)' sizes=8,9 epochs=1", "one size only");
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
  refused("train corners-1 epochs=1", "2 to 128");
  succeed("data info corners-7x9");
}

/* ---- mistakes ---- */

static void wrong_keys_are_named(void **unused) {
  (void)unused;
  refused("train digits augment.flip=maybe", "augment.flip is one of false, true");
  refused("train digits augment.crop=-1", "augment.crop is -1");
  refused("train digits augment.crop=1.5", "augment.crop is a whole number");
  refused("train digits augment.fill=mirror", "augment.fill is one of zero, reflect, edge");
  refused("train digits augment.crop=8", "crop 8");
  refused("train digits augment.rotate=8", "unknown key \"augment.rotate\"");
  refused("train digits augment=true", "augment is a group of keys");
  refused("train iris augment.flip=true", "needs images");
  refused("train iris sizes=8", "samples are 4");
  refused("train digits sizes=8,", "sizes is a list");
  refused("train digits sizes=8x", "sizes is a list");
  refused("train digits sizes=1,2,3,4,5,6,7,8,9", "more than 8");
  refused("train digits sizes=99999999", "1 to");
  write_text("bad.yaml", "data: digits\nsizes: [8, [9]]\n");
  refused("train bad.yaml", "bad.yaml:2: sizes is a list");
  write_text("bad.yaml", "data: digits\nsizes: 8\nsizes: [9]\n");
  refused("train bad.yaml", "bad.yaml:3: sizes was given before");
  write_text("bad.yaml", "data: digits\naugment: [flip]\n");
  refused("train bad.yaml", "bad.yaml:2: ");
}

/* ---- real photographs ---- */

static void real_photographs_are_learnt_from(void **unused) {
  (void)unused;
  char folder[PATH_MAX + 64], line[PATH_MAX + 512];
  const char *shared = getenv("CAUCHY_SHARED"), *source = getenv("CAUCHY_SOURCE");
  struct stat info;
  if (shared) snprintf(folder, sizeof folder, "%s/data/cifar10", shared);
  else snprintf(folder, sizeof folder, "%s/../shared/data/cifar10", source ? source : start_folder);
  if (stat(folder, &info) != 0) {
    print_message("skipped: %s is not there\n", folder);
    skip();
  }
  snprintf(line, sizeof line,
           "train '%s' 'model=conv(16, 5, stride=2) -> relu -> conv(32, 3, stride=2) -> relu -> global_avg_pool -> "
           "dense(10)' scale=standardise augment.flip=true augment.crop=4 augment.fill=reflect epochs=1 batch=64 "
           "learning_rate=0.005 --quiet --out m", folder);
  succeed(line);
  assert_true(number(succeed("eval m --json"), "accuracy") > 0.3);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
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
