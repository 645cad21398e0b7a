/* `cauchy analyze` as people meet it: the tables of coursework A, B and E come out of the command, as text and as JSON, and
 * what cannot be analyzed is refused in one line. */
#include "command.h"

#include "cauchy_config.h"

#include <jansson.h>
#include <math.h>

#define CUSTOM_MODEL                                                                                                   \
  "conv(32, 3, stride=2, pad=half) -> relu -> conv(64, 5, pad=half) -> relu -> max_pool(2) -> conv(128, 3, pad=half) " \
  "-> "                                                                                                                \
  "relu -> max_pool(2) -> conv(256, 3, pad=half) -> relu -> flatten -> dense(256) -> relu -> dropout(0.5) -> "         \
  "dense(10)"

/* ---- JSON ---- */

static json_t *analyze_json(const char *net, const char *options) {
  char line[4096];
  json_error_t error;
  snprintf(line, sizeof line, "analyze '%s' %s --json", net, options);
  succeed(line);
  json_t *object = json_load_file("stdout.txt", 0, &error);
  if (!object) fail_msg("%s: %s", line, error.text);
  return object;
}

static json_t *layer_of(json_t *object, const char *name) {
  size_t i;
  json_t *layer;
  json_array_foreach(json_object_get(object, "layers"), i, layer)
    if (strcmp(json_string_value(json_object_get(layer, "name")), name) == 0) return layer;
  fail_msg("no layer %s", name);
  return NULL;
}

static int64_t whole(json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);
  assert_true(json_is_integer(value));
  return json_integer_value(value);
}

/* "32x14x14" */
static void expect_shape(json_t *object, const char *key, const char *expected) {
  char text[128] = "";
  size_t i, at = 0;
  json_t *extent;
  json_array_foreach(json_object_get(object, key), i, extent)
    at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", i ? "x" : "", (long long)json_integer_value(extent));
  assert_string_equal(text, expected);
}

/* Along every spatial axis. */
static void expect_field(json_t *layer, int64_t size, double stride) {
  size_t i;
  json_t *axis, *fields = json_object_get(layer, "receptive_field");
  assert_true(json_array_size(fields) > 0);
  json_array_foreach(fields, i, axis) {
    assert_string_equal(json_string_value(json_object_get(axis, "sees")), "window");
    assert_int_equal(whole(axis, "size"), size);
    assert_float_equal(json_real_value(json_object_get(axis, "stride")), stride, 1e-12);
  }
}

static void expect_all(json_t *layer) {
  size_t i;
  json_t *axis;
  json_array_foreach(json_object_get(layer, "receptive_field"), i, axis)
    assert_string_equal(json_string_value(json_object_get(axis, "sees")), "all");
}

/* ---- the coursework ---- */

/* B.III, with both inputs. */
static void custom_model(void **state) {
  static const struct { const char *layer; int64_t field; double stride; const char *small, *large; } rows[] = {
      {"conv1", 3, 2, "32x14x14", "32x32x32"}, {"conv2", 11, 2, "64x14x14", "64x32x32"},
      {"max_pool1", 13, 4, "64x7x7", "64x16x16"}, {"conv3", 21, 4, "128x7x7", "128x16x16"},
      {"max_pool2", 25, 8, "128x3x3", "128x8x8"}, {"conv4", 41, 8, "256x3x3", "256x8x8"}};
  (void)state;
  json_t *small = analyze_json(CUSTOM_MODEL, "--input 1x28x28"), *large = analyze_json(CUSTOM_MODEL, "--input 3x64x64");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    expect_field(layer_of(small, rows[i].layer), rows[i].field, rows[i].stride);
    expect_field(layer_of(large, rows[i].layer), rows[i].field, rows[i].stride);
    expect_shape(layer_of(small, rows[i].layer), "output", rows[i].small);
    expect_shape(layer_of(large, rows[i].layer), "output", rows[i].large);
  }
  expect_shape(layer_of(small, "flatten1"), "output", "2304");
  expect_shape(layer_of(large, "flatten1"), "output", "16384");
  expect_all(layer_of(small, "dense1"));
  assert_int_equal(whole(json_object_get(small, "totals"), "parameters"), 1013258);
  assert_int_equal(whole(json_object_get(large, "totals"), "parameters"), 4618314);
  assert_int_equal(whole(layer_of(small, "dense1"), "parameters"), 590080);
  assert_int_equal(whole(layer_of(large, "dense1"), "parameters"), 4194560);
  assert_int_equal(whole(layer_of(small, "conv2"), "multiply_adds"), 12544 * 800);
  json_t *training = json_object_get(small, "training"), *inference = json_object_get(small, "inference");
  assert_int_equal(whole(training, "parameter_bytes"), 4 * 1013258);
  assert_int_equal(whole(training, "batch"), 32);
  assert_true(whole(training, "total_bytes") > whole(inference, "total_bytes"));
  json_decref(small);
  json_decref(large);
}

/* As a table, to the character. */
static void table_of_custom_model(void **state) {
  (void)state;
  const char *out = succeed("analyze '" CUSTOM_MODEL "' --input 1x28x28");
  assert_holds(out, "layer      output    parameters  multiply-adds  activations  field  stride  offset\n"
                    "input      1x28x28            -              -      3.1 KiB      1       1       0\n"
                    "conv1      32x14x14         320         56 448     24.5 KiB      3       2       0\n");
  assert_holds(out, "max_pool2  128x3x3            -              -      4.5 KiB     25       8       3\n"
                    "conv4      256x3x3      295 168      2 654 208      9.0 KiB     41       8       3\n");
  assert_holds(out, "dense1     256          590 080        589 824      1.0 KiB    all       -       -\n");
  assert_holds(out, "all                   1 013 258     16 950 912    244.9 KiB\n"); /* no blanks at the end */
  assert_holds(out, "inference memory, batch 1: ");
  assert_holds(out, "training  memory, batch 32: ");
  out = succeed("analyze '" CUSTOM_MODEL "' --input 1x28x28 --markdown");
  assert_holds(out, "| layer | output | parameters |");
  assert_holds(out, "|---|---|---:|");
  assert_holds(out, "| conv2 | 64x14x14 | 51 264 | 10 035 200 | 49.0 KiB | 11 | 2 | 0 |");
}

/* A3.2, A4.1. */
static void sizes_of_homework(void **state) {
  (void)state;
  json_t *mlp = analyze_json("dense(512) -> relu -> dense(512) -> relu -> dense(10)", "--input 32");
  assert_int_equal(whole(json_object_get(mlp, "totals"), "parameters"), 284682);
  json_decref(mlp);
  json_t *net = analyze_json("conv(4, 3) -> conv(4, 3) -> max_pool(2) -> conv(4, 3)", "--input 3x32x32");
  expect_shape(layer_of(net, "conv1"), "output", "4x30x30");
  expect_shape(layer_of(net, "conv2"), "output", "4x28x28");
  expect_shape(layer_of(net, "max_pool1"), "output", "4x14x14");
  expect_shape(layer_of(net, "conv3"), "output", "4x12x12");
  json_decref(net);
}

/* A4.2: global pooling takes variable sizes from 9x9 on, an MLP does not. */
static void variable_sizes(void **state) {
  (void)state;
  const char *out = succeed("analyze 'conv(32, 5) -> relu -> conv(64, 5) -> relu -> global_avg_pool -> dense(10)' "
                            "--input 3x32x32 --vary");
  assert_holds(out, "conv2             64        h - 8   w - 8\n");
  assert_holds(out, "smallest input: 3x9x9\n");
  assert_holds(out, "height h: every size from 9");
  assert_holds(out, "8 fails: conv \"conv2\"");
  assert_holds(out, "the same weights fit every size");
  out = succeed("analyze 'flatten -> dense(16) -> relu -> dense(2)' --input 3x8x8 --vary");
  assert_holds(out, "flatten1  3 * h * w");
  assert_holds(out, "dense1 has parameters for each place of its input");
  json_t *net = analyze_json(CUSTOM_MODEL, "--input 1x28x28 --vary"), *vary = json_object_get(net, "vary");
  expect_shape(vary, "smallest_input", "1x7x7");
  assert_string_equal(json_string_value(json_object_get(vary, "size_bound_layer")), "dense1");
  json_t *output = json_object_get(json_array_get(json_object_get(vary, "layers"), 4), "output");
  assert_string_equal(json_string_value(json_array_get(output, 1)), "floor((h - 3)/4) + 1");
  json_decref(net);
}

/* Chains of every kind of window, with one formula each; sizes that only some inputs have. */
static void rules_of_sizes(void **state) {
  (void)state;
  const char *out = succeed(
      "analyze 'conv(1, 3, stride=2) -> conv(1, 3, stride=3, pad=1) -> conv_transpose(1, 6, stride=6) "
      "-> conv(1, 3, stride=2, pad=same)' --input 1x50 --vary");
  assert_holds(out, "conv1            1         floor((n - 1)/2)\n");
  assert_holds(out, "conv2            1         floor((n - 3)/6) + 1\n");
  assert_holds(out, "conv_transpose1  1         6 floor((n - 3)/6) + 6\n");
  assert_holds(out, "conv3            1         3 floor((n - 3)/6) + 3\n");
  out = succeed("analyze 'residual(conv(2, 4, stride=4) -> conv_transpose(1, 4, stride=4))' --input 1x16x16 --vary");
  assert_holds(out, "height h: 4, 8, 12, ...: every 4");
  assert_holds(out, "smallest input: 1x4x4");
  out = succeed("analyze 'conv(1, 3, stride=2) -> resize(scale=1.5)' --input 1x50 --vary");
  assert_holds(out, "resize1  1         floor(3i/2)\n");
  assert_holds(out, "i: the layer's own input along that axis\n");
}

/* A5.1 and A5.3. */
static void size_preserving_network(void **state) {
  (void)state;
  json_t *net = analyze_json("4 * (conv(8, 3, pad=1) -> relu)", "--input 1x32x32");
  for (int i = 1; i <= 4; i++) {
    char name[16];
    snprintf(name, sizeof name, "conv%d", i);
    expect_shape(layer_of(net, name), "output", "8x32x32");
    expect_field(layer_of(net, name), 2 * i + 1, 1);
  }
  json_decref(net);
}

/* B.II. */
static void arithmetic_of_a_layer(void **state) {
  (void)state;
  const char *out = succeed("analyze 'conv(1, 3, pad=half)' --input 1x5x5 --layer conv1");
  assert_holds(out, "o = floor((i + 2p - k) / s) + 1 = floor((5 + 2*1 - 3) / 1) + 1 = floor(4 / 1) + 1 = 4 + 1 = 5\n");
  out = succeed("analyze '" CUSTOM_MODEL "' --input 1x28x28 --layer conv2");
  assert_holds(out, "conv2: conv on 32x14x14\n");
  assert_holds(out, "filters * (channels / groups) * kernel = 64 * 32 * 5 * 5 = 51200\n");
  assert_holds(out, "together 51264\n");
  assert_holds(out, "outputs (64x14x14 = 12544) * the weights each meets (800) = 10035200\n");
  assert_holds(out, "r' = r + (k - 1) j = 3 + (5 - 1) * 2 = 11\n");
  assert_holds(out, "j' = j s = 2 * 1 = 2\n");
  out = succeed("analyze '" CUSTOM_MODEL "' --input 1x28x28 --layer max_pool2");
  assert_holds(out, "= floor(5 / 2) + 1 = 2 + 1 = 3\n");
  out = succeed("analyze '" CUSTOM_MODEL "' --input 1x28x28 --layer dense1");
  assert_holds(out, "inputs * units = 2304 * 256 = 589824\n");
  assert_holds(out, "together 590080\n");
  out = succeed("analyze 'conv(4, 3, dilation=2, pad=1:2, stride=2)' --input 2x20 --layer conv1");
  assert_holds(out, "k = 1 + dilation (kernel - 1) = 1 + 2 * (3 - 1) = 5\n");
  assert_holds(
      out, "o = floor((i + p + q - k) / s) + 1 = floor((20 + 1 + 2 - 5) / 2) + 1 = floor(18 / 2) + 1 = 9 + 1 = 10\n");
  out = succeed("analyze 'conv_transpose(3, 4, stride=2, pad=1)' --input 2x8x8 --layer conv_transpose1");
  assert_holds(out, "o = (i - 1) s - 2p + k = (8 - 1) * 2 - 2*1 + 4 = 16\n");
  assert_holds(out, "j' = j / s = 1 / 2 = 1/2\n");
}

/* B.VI. */
static void sequences(void **state) {
  (void)state;
  json_t *net = analyze_json(
      "conv(32, 5, stride=2) -> relu -> conv(32, 5, stride=2) -> relu -> flatten -> dense(64) -> relu "
      "-> dense(2)",
      "--input 10x168");
  expect_shape(layer_of(net, "conv1"), "output", "32x82");
  expect_shape(layer_of(net, "conv2"), "output", "32x39");
  assert_int_equal(whole(layer_of(net, "conv1"), "parameters"), 1632);
  assert_int_equal(whole(layer_of(net, "conv2"), "parameters"), 5152);
  expect_shape(layer_of(net, "flatten1"), "output", "1248");
  assert_int_equal(whole(layer_of(net, "dense1"), "parameters"), 79936);
  assert_int_equal(whole(layer_of(net, "dense2"), "parameters"), 130);
  json_decref(net);
}

/* Loops count what their steps do; a state has seen what was read before it. */
static void recurrent_layers(void **state) {
  (void)state;
  json_t *net = analyze_json("lstm(32, layers=2) -> gru(16, bidirectional, last) -> dense(2)", "--input 10x168");
  expect_shape(layer_of(net, "lstm1"), "output", "32x168");
  expect_shape(layer_of(net, "gru1"), "output", "32");
  assert_int_equal(whole(layer_of(net, "lstm1"), "parameters"), 4 * 32 * (10 + 32 + 1) + 4 * 32 * (32 + 32 + 1));
  assert_int_equal(whole(layer_of(net, "lstm1"), "multiply_adds"), 168 * (4 * 32 * (10 + 32) + 4 * 32 * (32 + 32)));
  assert_int_equal(whole(layer_of(net, "gru1"), "parameters"), 2 * (3 * 16 * (32 + 16 + 1) + 16));
  json_decref(net);
  const char *out = succeed("analyze 'rnn(6) -> conv(2, 3)' --input 2x12 --layer rnn1");
  assert_holds(out, "steps * the weights each meets = 12 * 48 = 576\n");
  out = succeed("analyze 'attention(2) -> last' --input 4x12 --layer attention1");
  assert_holds(out, "steps * the weights each meets = 12 * 64 = 768\n"
                    "  steps * steps * (scores + sums of values) = 12 * 12 * (4 + 4) = 1152\n  together 1920\n");
  out = succeed("analyze 'rnn(6) -> conv(2, 3)' --input 2x12 --field conv1@3 --measure");
  assert_holds(out, "length: sees 0..5 of 0..11\nmeasured by derivative: the same\n");
  out = succeed("analyze 'conv(3, 2, pad=causal) -> gru(4, reverse)' --input 2x12 --field gru1@5 --measure");
  assert_holds(out, "length: sees 4..11 of 0..11");
  assert_holds(out, "measured by derivative: the same\n");
  out = succeed("analyze 'lstm(4, bidirectional)' --input 2x12 --field lstm1@5 --measure");
  assert_holds(out, "length: sees 0..11 of 0..11");
  assert_holds(out, "measured by derivative: the same\n");
}

/* E3: the sizes of the siamese network's half. */
static void siamese_network(void **state) {
  (void)state;
  json_t *net = analyze_json(
      "conv(32, 3, pad=same) -> relu -> max_pool(2) -> conv(64, 3, pad=same) -> relu -> max_pool(2) -> "
      "conv(64, 3, pad=same) -> relu -> conv(156, 3, pad=same) -> relu -> max_pool(2) -> "
      "conv(228, 3, pad=same) -> relu",
      "--input 3x32x32");
  expect_shape(layer_of(net, "max_pool1"), "output", "32x16x16");
  expect_shape(layer_of(net, "conv2"), "output", "64x16x16");
  expect_shape(layer_of(net, "max_pool2"), "output", "64x8x8");
  expect_shape(layer_of(net, "max_pool3"), "output", "156x4x4");
  expect_shape(layer_of(net, "conv5"), "output", "228x4x4");
  assert_int_equal(whole(layer_of(net, "conv5"), "parameters"), 228 * 156 * 9 + 228);
  json_decref(net);
}

/* ---- fields of single units ---- */

/* The mean of one channel is the channel: nothing is left of it. */
static void a_measured_field_that_differs(void **state) {
  (void)state;
  const outcome *o = run("analyze 'conv(1, 2) -> layer_norm(axis=1)' --input 1x5 --field layer_norm1@1 --measure");
  assert_int_equal(o->exit_code, 1);
  assert_holds(o->out, "measured by derivative: differs\n  length: no input changes the unit\n");
}

static void unit_of_a_layer(void **state) {
  (void)state;
  const char *out = succeed("analyze '" CUSTOM_MODEL "' --input 1x28x28 --field max_pool2@0,1 --measure");
  assert_holds(out, "unit (0, 1) of max_pool2\n"
                    "height: sees 0..15 of 0..27; the field is 25\n"
                    "width: sees 0..23 of 0..27; the field is 25\n"
                    "measured by derivative: the same\n");
  out = succeed("analyze 'conv(1, 3, dilation=2) -> conv(1, 3, dilation=3)' --input 1x16x14 --field conv2@2,3");
  assert_holds(out, "height: sees 2..12 of 0..15 with holes: 9 places; the field is 11\n");
  /* A5.4: an output corner of 7x7 does not see the opposite one through four layers, but does through six. */
  assert_holds(succeed("analyze '4 * conv(1, 3, pad=1)' --input 1x7x7 --field conv4@0,0"), "height: sees 0..4 of 0..6");
  assert_holds(succeed("analyze '6 * conv(1, 3, pad=1)' --input 1x7x7 --field conv6@0,0"), "height: sees 0..6 of 0..6");
  /* S5: the field of four layers is 9x9, measured as well. */
  assert_holds(succeed("analyze '4 * (conv(4, 3, pad=1) -> relu)' --input 1x21x21 --field relu4@10,10 --measure"),
               "height: sees 6..14 of 0..20; the field is 9\nwidth: sees 6..14 of 0..20; the field is 9\n"
               "measured by derivative: the same\n");
  json_t *net =
      analyze_json("3 * (conv(4, 3, pad=1) -> relu)", "--input 2x13x13 --field conv3@6,6 --effective --measure");
  json_t *field = json_object_get(net, "field"), *effective = json_object_get(field, "effective");
  assert_true(json_is_true(json_object_get(field, "measured_agrees")));
  json_t *map = json_object_get(effective, "mean_squared_derivative");
  assert_int_equal(json_array_size(map), 13);
  double middle = json_real_value(json_array_get(json_array_get(map, 6), 6));
  double corner = json_real_value(json_array_get(json_array_get(map, 3), 3));
  assert_true(middle > 10 * corner && corner > 0);
  assert_float_equal(json_real_value(json_array_get(json_array_get(map, 2), 6)), 0, 0);
  json_t *axis = json_array_get(json_object_get(effective, "axes"), 0);
  assert_true(fabs(json_real_value(json_object_get(axis, "middle")) - 6) < 0.5);
  assert_true(whole(axis, "width_95") <= 7);
  json_decref(net);
}

static void branches(void **state) {
  (void)state;
  json_t *net = analyze_json(
      "parallel(conv(2, 1) | conv(2, 3, pad=1) -> conv(2, 5, pad=2) | conv(2, 3, pad=2, dilation=2)) -> "
      "conv_transpose(1, 2, stride=2) -> global_avg_pool",
      "--input 3x16x16");
  expect_field(layer_of(net, "conv1"), 1, 1);
  expect_field(layer_of(net, "conv3"), 7, 1);
  expect_field(layer_of(net, "conv4"), 5, 1);
  expect_field(layer_of(net, "parallel1"), 7, 1);
  expect_field(layer_of(net, "conv_transpose1"), 7, 0.5);
  expect_all(layer_of(net, "global_avg_pool1"));
  assert_string_equal(json_string_value(json_object_get(layer_of(net, "conv3"), "path")), "parallel1/conv3");
  json_decref(net);
}

/* ---- files ---- */

static bool starts_with(const char *path, const char *head, size_t n) {
  char text[16] = "";
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  size_t got = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  return got >= n && memcmp(text, head, n) == 0;
}

/* Complete, and names what it shows. */
static void assert_svg(const char *path, const char *const *words, int n) {
  static char text[COMMAND_OUTPUT * 4];
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  assert_true(length > 100 && length < sizeof text - 1);
  assert_string_equal(text + length - 7, "</svg>\n");
  for (int i = 0; i < n; i++) {
    char line[64];
    snprintf(line, sizeof line, "\n%s", words[i]);
    if (!strstr(text, line)) fail_msg("%s does not name %s", path, words[i]);
  }
}

static void pictures(void **state) {
  (void)state;
  if (!CY_HAVE_CAIRO) skip();
  succeed("analyze '" CUSTOM_MODEL "' --input 1x28x28 --picture net.svg");
  succeed("analyze '" CUSTOM_MODEL "' --input 1x28x28 --picture net.png");
  succeed("analyze '" CUSTOM_MODEL "' --input 1x28x28 --field conv4@1,1 --picture field.png");
  succeed("analyze 'conv(2, 5, dilation=2) -> conv(2, 3)' --input 3x60 --field conv2 --effective --picture field.svg");
  assert_true(starts_with("net.svg", "<?xml", 5) && starts_with("field.svg", "<?xml", 5));
  static const char *const of_net[] = {"conv1", "conv2", "conv3", "conv4", "relu4", "max_pool1", "max_pool2"};
  static const char *const of_field[] = {"conv2"};
  assert_svg("net.svg", of_net, sizeof of_net / sizeof *of_net);
  assert_svg("field.svg", of_field, 1);
  assert_true(starts_with("net.png", "\x89PNG", 4) && starts_with("field.png", "\x89PNG", 4));
  refuse("analyze 'conv(1, 3)' --input 1x9x9 --picture net.gif", ".svg or .png");
  /* Volumes are looked through. */
  succeed("analyze 'conv(2, 3, dilation=2)' --input 1x6x7x9 --field conv1@1,2,3 --picture cube.svg");
  static const char *const of_cube[] = {"conv1"};
  assert_svg("cube.svg", of_cube, 1);
  succeed("analyze 'conv(2, 3) -> flatten' --input 1x6x7x9 --field flatten1 --effective --picture cube.png");
  refuse("analyze 'dense(3)' --input 9 --field dense1 --picture none.svg",
         "9 has 0; without a picture the field is given axis by axis");
}

static void networks_from_files(void **state) {
  (void)state;
  if (!CY_HAVE_YAML) skip();
  write_file("small.net", "conv(4, 3, pad=1) -> relu\n-> flatten -> dense(10)\n");
  assert_holds(succeed("analyze small.net --input 1x8x8"), "conv1     4x8x8");
  assert_holds(succeed("analyze digits"), "dense1    128          8 320");
  write_file("recipe.yaml", "data: digits\nmodel: {file: small.net}\nbatch: 50\n");
  assert_holds(succeed("analyze recipe.yaml"), "training  memory, batch 50: ");
  succeed("train recipe.yaml epochs=1 --quiet --out run");
  json_t *run = analyze_json("run", "");
  expect_shape(run, "input", "1x8x8");
  expect_shape(layer_of(run, "conv1"), "output", "4x8x8");
  assert_int_equal(whole(json_object_get(run, "training"), "batch"), 50);
  json_decref(run);
  assert_holds(succeed("analyze run/model.safetensors --field conv1@3,4 --effective"), "the trained weights");
  assert_holds(succeed("analyze run --input 1x12x12"), "4x12x12");
}

static void a_thousand_layers(void **state) {
  FILE *file = fopen("deep.net", "wb");
  (void)state;
  assert_non_null(file);
  for (int i = 0; i < 500; i++) fprintf(file, "%sconv(16, 3, pad=1) -> relu\n", i ? "-> " : "");
  fclose(file);
  json_t *net = analyze_json("deep.net", "--input 3x32x32");
  expect_field(layer_of(net, "conv500"), 1001, 1);
  assert_int_equal(json_array_size(json_object_get(net, "layers")), 1000);
  assert_null(json_object_get(net, "training"));
  json_decref(net);
  const char *table = succeed("analyze deep.net --input 3x32x32");
  assert_holds(table, "--training does");
  for (int i = 1; i <= 500; i++) { /* every layer has its row */
    char row[2][32];
    snprintf(row[0], sizeof row[0], "\nconv%d ", i);
    snprintf(row[1], sizeof row[1], "\nrelu%d ", i);
    assert_holds(table, row[0]);
    assert_holds(table, row[1]);
  }
}

/* What no machine holds has sizes all the same; what cannot be counted is said where it would stand, or names its layer. */
static void huge_networks(void **state) {
  (void)state;
  const char *table = succeed("analyze 'conv(1, 3)' --input 1x1000000000x1000000000");
  assert_holds(table, "1x999999998x999999998");
  assert_holds(table, "8 999 999 964 000 000 000");
  assert_holds(table, "inference memory, batch 1: 72759");
  assert_holds(table, "training  memory, batch 32: not computed: x: shape 32x1x1000000000x1000000000 has more elements");
  table = succeed("analyze 'dense(1000000000) -> dense(1000000000) -> dense(1000000000)' --input 1000000000");
  assert_holds(table, "3 000 000 003 000 000 000");
  assert_holds(table, "inference memory, batch 1: not computed: ");
  json_t *net = analyze_json("conv(1, 3)", "--input 1x1000000000x1000000000");
  assert_null(json_object_get(net, "training"));
  assert_holds(json_string_value(json_object_get(net, "training_note")), "batch 32");
  json_decref(net);
  refuse("analyze 'conv(1, 1) -> relu' --input 1x1000000000x1000000000",
         "relu1: 8000000000000000000 + 4000000000000000000 bytes of activations do not fit in 63 bits");
  refuse("analyze 'conv(3, 3)' --input 1x1000000000x1000000000", "conv \"conv1\": convolution: shape 1x3x999999998x999999998");
  refuse("analyze '2 * conv(30, 3)' --input 1x100000000x100000000", "conv2\": 8.1e+19 multiply-adds do not fit in 63 bits");
}

/* ---- what is refused ---- */

static void bad_input(void **state) {
  (void)state;
  refuse("analyze 'conv(1, 9)' --input 1x5x5", "conv \"conv1\"");
  refuse("analyze 'conv(1, 3, stride=0)' --input 1x5x5", "network:1:19: conv: stride must be at least 1, not 0");
  refuse("analyze 'parallel(conv(2, 1) | conv(2, 1, stride=2))' --input 1x8x8", "parallel");
  refuse("analyze 'conv(2, 3) -> residual(conv(3, 3, pad=1))' --input 1x8x8", "residual");
  refuse("analyze 'conv(4, 3, groups=2)' --input 3x8x8", "groups");
  refuse("analyze 'conv(1, 3)'", "--input");
  refuse("analyze 'conv(1, 3)' --input 3xx4", "3x64x64");
  refuse("analyze 'conv(1, 3)' --input 0x8x8", "3x64x64");
  refuse("analyze 'conv(1, 3)' --input 1x99999999999999999999x3", "63 bits");
  refuse("analyze 'conv(1, 3)' --input 9000000000000000000x9000000000000000000x3", "--input");
  refuse("analyze '70 * conv(1, 3, stride=2, pad=1)' --input 1x8", "a receptive field does not fit in 63 bits");
  const char *deep = succeed("analyze '61 * conv(1, 3, stride=2, pad=1)' --input 1x8");
  assert_holds(deep, " 4611686018427387903  2305843009213693952");
  refuse("analyze missing.net --input 1x5x5", "there is no such file");
  refuse("analyze 'dens(3)' --input 4", "did you mean \"dense\"");
  refuse("analyze 'conv(1, 3)' --input 1x9x9 --layer conv7", "did you mean \"conv1\"");
  refuse("analyze 'conv(1, 3)' --input 1x9x9 --field conv1@9,9", "as in @3,4");
  refuse("analyze 'conv(1, 3)' --input 1x9x9 --effective", "--field");
  refuse("analyze 'dense(3)' --input 4 --vary", "spatial");
  refuse("analyze 'conv(1, 3)' --input 1x9x9 --batch 0", "--batch");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(custom_model, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(table_of_custom_model, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(sizes_of_homework, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(variable_sizes, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(rules_of_sizes, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(size_preserving_network, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(arithmetic_of_a_layer, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(sequences, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(recurrent_layers, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(siamese_network, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(unit_of_a_layer, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(a_measured_field_that_differs, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(branches, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(pictures, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(networks_from_files, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(a_thousand_layers, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(huge_networks, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(bad_input, enter_folder, leave_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
