/* The architecture language: what it accepts, how it prints, the exact messages for mistakes, and that mutilated text
 * never does harm. */
#include "base/random.h"
#include "base/text.h"
#include "nn/model.h"

#include <cauchy/nn.h>

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The canonical text, or the message if it can't be parsed. The caller frees. */
static char *parse_and_print(const char *text) {
  cy_model *model;
  char *out = NULL;
  if (cy_model_parse(text, "net.txt", &model) != CY_OK) {
    assert_null(model);
    return strdup(cy_error_message());
  }
  if (cy_model_text(model, &out) != CY_OK) fail_msg("%s", cy_error_message());
  cy_model_free(model);
  char *copy = strdup(out);
  cy_string_free(out);
  return copy;
}

static void check(const char *text, const char *want) {
  char *got = parse_and_print(text);
  assert_string_equal(got, want);
  free(got);
}

/* ---- what it accepts ---- */

static void texts_print_canonically(void **state) {
  (void)state;
  check("dense(128)->relu->dropout(0.2)->dense(10)", "dense(128) -> relu -> dropout(0.2) -> dense(10)");
  check("# two layers\n\n  dense ( units = 7 ,bias=false ) # wide\n ->\r\n\trelu()", "dense(7, bias=false) -> relu");
  check("dense(3, true, orthogonal(1.5), name=fc1)", "dense(3, init=orthogonal(1.5), name=fc1)");
  check("dense(3, init=orthogonal(1), name=\"a-1\")", "dense(3, init=orthogonal, name=\"a-1\")");
  check("dense(3, init=uniform(-1, 1e-3), bias_init=constant(0.1), l2=1e-4)",
        "dense(3, init=uniform(-1, 0.001), bias_init=constant(0.1), l2=0.0001)");
  check("dropout(0.5) -> batch_norm(momentum=.25) -> leaky_relu(0.01)",
        "dropout -> batch_norm(momentum=0.25) -> leaky_relu");
  check("residual(dense(64) -> relu, shortcut=dense(64))", "residual(dense(64) -> relu, shortcut=dense(64))");
  check("parallel(dense(2) | (tanh -> dense(3)) | identity, mode=concat)",
        "parallel(dense(2) | tanh -> dense(3) | identity)");
  check("parallel(relu | tanh, mode=add, axis=2)", "parallel(relu | tanh, mode=add, axis=2)");
  check("reshape(1, 28, 28, name=image) -> reshape((4, -1)) -> reshape(shape=7)",
        "reshape((1, 28, 28), name=image) -> reshape((4, -1)) -> reshape(7)");
  check("gelu(tanh) -> gelu(erf) -> gelu(form=tanh)", "gelu(tanh) -> gelu -> gelu(tanh)");
}

static void windows_print_canonically(void **state) {
  (void)state;
  check("conv(32, 3)", "conv(32, 3)");
  check("conv(filters=32, kernel=(3, 5), stride=2, pad=same, mode=zeros)", "conv(32, (3, 5), stride=2, pad=same)");
  check("conv(32, (3), 2, half, 1, 4)", "conv(32, 3, stride=2, pad=half, groups=4)");
  check("conv(8, 3, pad=0) -> conv(8, 3, pad=valid)", "conv(8, 3) -> conv(8, 3)");
  check("conv(8, 3, pad=1:1) -> conv(8, 3, pad=0:2)", "conv(8, 3, pad=1) -> conv(8, 3, pad=0:2)");
  check("conv(8, 3, pad=(1, 2:3, 0)) -> conv(8, 3, pad=(0))", "conv(8, 3, pad=(1, 2:3, 0)) -> conv(8, 3, pad=(0))");
  check("max_pool(2, 2) -> max_pool(kernel=3) -> avg_pool((2, 1), pad=1, count_padding=true)",
        "max_pool(2, stride=2) -> max_pool(3) -> avg_pool((2, 1), pad=1)");
  check("conv_transpose(3, 4, 2, 1, output_pad=(0, 1)) -> depthwise(3, multiplier=2, flipped=true)",
        "conv_transpose(3, 4, stride=2, pad=1, output_pad=(0, 1)) -> depthwise(3, multiplier=2, flipped=true)");
  check("resize((3, 4), mode=cubic) -> resize(scale=0.5) -> crop(2, (0, 1)) -> pad(1:2, edge) -> pixel_shuffle(2)",
        "resize((3, 4), mode=cubic) -> resize(scale=0.5) -> crop(2, at=(0, 1)) -> pad(1:2, mode=edge) -> pixel_shuffle(2)");
  check("unit(n, k, p) = conv(n, k, pad=p)\nunit(2, (3, 1), same) -> unit(4, 3, (0:1, 2)) -> unit(1, 1, 3)",
        "conv(2, (3, 1), pad=same) -> conv(4, 3, pad=(0:1, 2)) -> conv(1, 1, pad=3)");
  check("conv(8, 3, pad=causal, flipped) -> depthwise(3, bias=false, flipped)",
        "conv(8, 3, pad=causal, flipped=true) -> depthwise(3, bias=false, flipped=true)");
  check("unit(a, b) = conv(a, (a, b), pad=(a:b, b), stride=b) -> pad(a:a)\nunit(2, 3)",
        "conv(2, (2, 3), stride=3, pad=(2:3, 3)) -> pad(2)");
}

static void flags_are_true_by_their_name(void **state) {
  (void)state;
  check("lstm(64, last) -> rnn(3, tanh, 2, reverse, last)", "lstm(64, last=true) -> rnn(3, layers=2, last=true, reverse=true)");
  check("attention(heads=4, causal) -> gru(8, bidirectional, layers=2)",
        "attention(4, causal=true) -> gru(8, layers=2, bidirectional=true)");
  check("attention(causal)", "attention(causal=true)");
  check("unit(last) = lstm(last)\nunit(5)", "lstm(5)"); /* a block's parameter comes first */
  check("lstm(3, last, last)", "net.txt:1:15: lstm: last is given twice\nlstm(3, last, last)\n              ^");
  check("lstm(3, last=true, last)", "net.txt:1:20: lstm: last is given twice\nlstm(3, last=true, last)\n                   ^");
  check("lstm(3, last, 2)",
        "net.txt:1:15: lstm: arguments without a name come before those with one\nlstm(3, last, 2)\n              ^");
  check("lstm(3, lasst)", "net.txt:1:9: layers must be a whole number, not \"lasst\"\nlstm(3, lasst)\n        ^");
  check("rnn(3, tahn)", "net.txt:1:8: activation must be tanh, sigmoid or relu, not \"tahn\"\nrnn(3, tahn)\n       ^");
}

static void repetitions_and_blocks_are_written_out(void **state) {
  (void)state;
  check("3 * relu -> 2 * (dense(4) -> tanh)", "relu -> relu -> relu -> dense(4) -> tanh -> dense(4) -> tanh");
  check("2 * 2 * relu", "relu -> relu -> relu -> relu");
  check("unit(n) = dense(n) -> relu\nunit(8) -> unit(n=4)", "dense(8) -> relu -> dense(4) -> relu");
  check("unit(n, p) =\n  dense(n) ->\n  dropout(p)\nstack(m) = m * unit(m, 0.25)\n\nstack(2) -> dense(1)",
        "dense(2) -> dropout(0.25) -> dense(2) -> dropout(0.25) -> dense(1)");
  check("skip(body) = residual(body -> dense(4))\nskip(dense(9) -> skip(tanh))",
        "residual(dense(9) -> residual(tanh -> dense(4)) -> dense(4))");
  check("layer(n, how) = dense(n, init=how)\nlayer(2, normal(0, 0.1)) -> layer(3, zeros)",
        "dense(2, init=normal(0, 0.1)) -> dense(3, init=zeros)");
  check("image(h) = reshape(1, h, h)\nimage(5)", "reshape((1, 5, 5))");
  check("named(n) = dense(3, name=n)\nnamed(left) -> named(right)", "dense(3, name=left) -> dense(3, name=right)");
  check("plain = tanh\nplain -> plain()", "tanh -> tanh");
}

static void canonical_text_is_a_fixed_point(void **state) {
  (void)state;
  static const char *const texts[] = {
      "residual(parallel(dense(3, init=glorot_uniform) | dense(5, l1=0.5)) -> dense(4), shortcut=swish(2, true))",
      "2 * (batch_norm(1e-3, false) -> prelu(shared=true, init=constant(0.1)) -> elu(2))",
      "dead_zone(2, 0.5, 3, -1) -> softmax(axis=-1) -> log_softmax(2) -> layer_norm(epsilon=0.1)",
      "dense(1, init=normal(0.1234567890123456, 1e300))"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char *once = parse_and_print(texts[i]);
    assert_null(strchr(once, '^'));
    check(once, once);
    free(once);
  }
}

/* Defaults in the table are written as they print, or they would never be left out. */
static void defaults_print_as_written(void **state) {
  (void)state;
  for (int r = 0; r < cy_layer_row_count; r++) {
    const cy_layer_row *row = &cy_layer_rows[r];
    char text[200];
    bool complete = true;
    for (int i = 0; row->arguments[i].name; i++) complete = complete && row->arguments[i].fallback;
    snprintf(text, sizeof text, "%s", row->name);
    if (complete) check(text, text);
    assert_ptr_equal(cy_layer_find(row->name, strlen(row->name)), row);
  }
  check("dense(5)", "dense(5)");
}

static void numbers_ignore_the_locale(void **state) {
  (void)state;
  static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
  bool found = false;
  for (size_t i = 0; !found && i < sizeof commas / sizeof *commas; i++) found = setlocale(LC_ALL, commas[i]) != NULL;
  check("dropout(0.25) -> elu(1.5)", "dropout(0.25) -> elu(1.5)");
  setlocale(LC_ALL, "C");
  if (!found) skip(); /* no such locale here: checked in the C locale only */
}

static void help_describes_every_layer(void **state) {
  (void)state;
  char *text;
  assert_int_equal(cy_layer_help(NULL, &text), CY_OK);
  for (int r = 0; r < cy_layer_row_count; r++) {
    assert_non_null(strstr(text, cy_layer_rows[r].name));
    assert_non_null(strstr(text, cy_layer_rows[r].about));
  }
  cy_string_free(text);
  assert_int_equal(cy_layer_help("dropout", &text), CY_OK);
  assert_string_equal(text, "dropout(rate=0.5)\n"
                            "    sets values to zero at random in training and scales the others up\n"
                            "    rate       share of the values set to zero in training (number, from 0 to below 1)\n");
  cy_string_free(text);
  assert_int_equal(cy_layer_help("dropuot", &text), CY_INVALID);
  assert_string_equal(cy_error_message(), "unknown layer \"dropuot\"; did you mean \"dropout\"?");
}

/* ---- what it refuses ---- */

static void layers_and_arguments_must_exist(void **state) {
  (void)state;
  check("dense(3) ->\n  dens(64) -> relu",
        "net.txt:2:3: unknown layer \"dens\"; did you mean \"dense\"?\n  dens(64) -> relu\n  ^");
  check("wqxyzzy", "net.txt:1:1: unknown layer \"wqxyzzy\"\nwqxyzzy\n^");
  check("dense(64, bais=false)",
        "net.txt:1:11: dense has no argument \"bais\"; did you mean \"bias\"?\ndense(64, bais=false)\n          ^");
  check("relu(1)", "net.txt:1:6: relu takes no arguments but a name\nrelu(1)\n     ^");
  check("dropout(0.1, 2)",
        "net.txt:1:14: dropout takes at most 1 argument and a name\ndropout(0.1, 2)\n             ^");
  check("dense(1, units=2)", "net.txt:1:10: dense: units is given twice\ndense(1, units=2)\n         ^");
  check("dense(name=a, name=b)", "net.txt:1:15: dense: name is given twice\ndense(name=a, name=b)\n              ^");
  check("dense(bias=false, 3)",
        "net.txt:1:19: dense: arguments without a name come before those with one\ndense(bias=false, 3)\n"
        "                  ^");
  check("relu -> dense", "net.txt:1:9: dense needs units: outputs\nrelu -> dense\n        ^");
}

static void values_have_types_and_ranges(void **state) {
  (void)state;
  check("dense(0)", "net.txt:1:7: dense: units must be at least 1, not 0\ndense(0)\n      ^");
  check("dense(1.5)", "net.txt:1:7: units must be a whole number, not \"1.5\"\ndense(1.5)\n      ^");
  check("dense(99999999999999999999)",
        "net.txt:1:7: units must be a whole number, not \"99999999999999999999\"\n"
        "dense(99999999999999999999)\n      ^");
  check("dense(relu)", "net.txt:1:7: units must be a whole number, not \"relu\"\ndense(relu)\n      ^");
  check("dropout(1)", "net.txt:1:9: dropout: rate must be below 1, not 1\ndropout(1)\n        ^");
  check("dropout(1e999)", "net.txt:1:9: rate must be a number, not \"1e999\"\ndropout(1e999)\n        ^");
  check("swish(0)", "net.txt:1:7: swish: beta must be above 0, not 0\nswish(0)\n      ^");
  check("dense(3, bias=no)",
        "net.txt:1:15: bias must be true or false, not \"no\"\ndense(3, bias=no)\n              ^");
  check("parallel(relu | tanh, mode=sum)",
        "net.txt:1:28: mode must be concat, add or multiply, not \"sum\"\nparallel(relu | tanh, mode=sum)\n"
        "                           ^");
  check("dense(3, init=ortogonal)",
        "net.txt:1:15: init must be an initialiser such as he_normal or constant(0.1), not \"ortogonal\"; did you mean "
        "\"orthogonal\"?\ndense(3, init=ortogonal)\n              ^");
  check("dense(3, init=uniform(1))",
        "net.txt:1:15: uniform takes 2 numbers: uniform(0, 0.1)\ndense(3, init=uniform(1))\n              ^");
  check("dense(3, init=normal(0, -1))",
        "net.txt:1:15: normal(0, -1): the standard deviation is below 0\ndense(3, init=normal(0, -1))\n              ^");
  check("dense(3, init=uniform(1, 0))",
        "net.txt:1:15: uniform(1, 0): the upper end is below the lower one\ndense(3, init=uniform(1, 0))\n"
        "              ^");
  check("reshape(1, 2, 3, 4, 5, 6, 7, 8)",
        "net.txt:1:30: shape has at most 7 extents\nreshape(1, 2, 3, 4, 5, 6, 7, 8)\n                             ^");
  check("reshape(-2)", "net.txt:1:9: reshape: shape must be at least -1, not -2\nreshape(-2)\n        ^");
  check("0 * relu", "net.txt:1:1: a repetition must be at least 1, not 0\n0 * relu\n^");
  check("dense(1, name=\"a b\")",
        "net.txt:1:15: a layer's name has up to 63 letters, digits, _ or -\ndense(1, name=\"a b\")\n              ^");
  check("2 * dense(1, name=a)",
        "net.txt:1:19: the name \"a\" is used twice\n2 * dense(1, name=a)\n                  ^");
}

static void windows_are_checked(void **state) {
  (void)state;
  check("conv(3)", "net.txt:1:1: conv needs kernel: extent of the window\nconv(3)\n^");
  check("conv(3, 0)", "net.txt:1:9: conv: kernel must be at least 1, not 0\nconv(3, 0)\n        ^");
  check("conv(3, 3, stride=0)", "net.txt:1:19: conv: stride must be at least 1, not 0\nconv(3, 3, stride=0)\n                  ^");
  check("conv(3, (1, 2, 3, 4))",
        "net.txt:1:19: kernel has at most 3 numbers, one per spatial axis\nconv(3, (1, 2, 3, 4))\n                  ^");
  check("conv(3, 3, pad=sam)",
        "net.txt:1:16: pad must be valid, same, half, causal, numbers, or low:high, not \"sam\"\nconv(3, 3, pad=sam)\n"
        "               ^");
  check("conv(3, 3, pad=(1, same))",
        "net.txt:1:20: pad must be valid, same, half, causal, numbers, or low:high, not \"same\"\nconv(3, 3, pad=(1, same))\n"
        "                   ^");
  check("conv(3, 3, pad=-1)", "net.txt:1:16: conv: pad must be at least 0, not -1\nconv(3, 3, pad=-1)\n               ^");
  check("conv(3, 3, pad=1:)", "net.txt:1:18: pad must be a whole number, not ')'\nconv(3, 3, pad=1:)\n                 ^");
  check("conv(3, 3, pad=(1, 2)",
        "net.txt:1:22: expected ',' or ')', found the end of the text\nconv(3, 3, pad=(1, 2)\n                     ^");
  check("conv(3, 3, pad=(1, 2, 3, 4))",
        "net.txt:1:26: pad has at most 3 numbers, one per spatial axis\nconv(3, 3, pad=(1, 2, 3, 4))\n"
        "                         ^");
}

static void syntax_errors_point_at_the_place(void **state) {
  (void)state;
  check("", "net.txt:1:1: expected a layer, found the end of the text\n\n^");
  check("relu ->\n# nothing\n", "net.txt:3:1: expected a layer, found the end of the text\n\n^");
  check("dense(3) relu",
        "net.txt:1:10: expected '->' or the end of the text, found \"relu\"\ndense(3) relu\n         ^");
  check("dense(3", "net.txt:1:8: expected ',' or ')', found the end of the text\ndense(3\n       ^");
  check("(relu", "net.txt:1:6: expected '->' or ')', found the end of the text\n(relu\n     ^");
  check("3 relu", "net.txt:1:3: expected '*' and a layer after the number, found \"relu\"\n3 relu\n  ^");
  check("relu - > relu", "net.txt:1:6: '-' must be part of '->' or of a number\nrelu - > relu\n     ^");
  check("relu; relu", "net.txt:1:5: ';' has no meaning here\nrelu; relu\n    ^");
  check("relu\t\x01", "net.txt:1:6: byte 0x01 has no meaning here\nrelu\t?\n    \t^");
  check("dense(3, name=\"a\n", "net.txt:1:15: the string does not end on its line\ndense(3, name=\"a\n              ^");
  check("dense(3, name=\"\xc3\xa9\xe2\x82\xac\") relu", /* columns count characters */
        "net.txt:1:15: a layer's name has up to 63 letters, digits, _ or -\n"
        "dense(3, name=\"\xc3\xa9\xe2\x82\xac\") relu\n"
        "              ^");
  check("relu # \xc3\xa9\n\"\xc3\xa9\" ?", "net.txt:2:5: '?' has no meaning here\n\"\xc3\xa9\" ?\n    ^");
}

static void blocks_are_checked(void **state) {
  (void)state;
  check("b = b -> relu\nb", "net.txt:1:5: block \"b\" uses itself\nb = b -> relu\n    ^");
  check("dense(n) = relu\ndense(3)", "net.txt:1:1: \"dense\" is already a layer\ndense(n) = relu\n^");
  check("b = relu\nb = tanh\nb", "net.txt:2:1: \"b\" is already a block\nb = tanh\n^");
  check("b(n) = dense(n)\nb", "net.txt:2:1: block b needs a value for n\nb\n^");
  check("b(n) = dense(n)\nb(1, 2)", "net.txt:2:6: the block takes 1 value\nb(1, 2)\n     ^");
  check("b(n) = dense(n)\nb(m=2)", "net.txt:2:3: the block has no parameter \"m\"\nb(m=2)\n  ^");
  check("b(n, n) = dense(n)\nb(2)", "net.txt:1:6: two parameters of one name\nb(n, n) = dense(n)\n     ^");
  check("b(n) = dense(n)\nb(2 3)",
        "net.txt:2:5: expected one value for the block's parameter, found \"3\"\nb(2 3)\n    ^");
  check("b = dense(3) relu\nb",
        "net.txt:1:14: expected '->' or the end of the line, where the block ends, found \"relu\"\nb = dense(3) relu\n"
        "             ^");
}

static void limits_stop_hostile_text(void **state) {
  (void)state;
  cy_model *model;
  check("10001 * relu", "net.txt:1:1: a repetition must be at most 10000, not 10001\n10001 * relu\n^");
  check("200 * (200 * relu)",
        "net.txt:1:14: more than 10000 layers, with repetitions written out\n200 * (200 * relu)\n             ^");
  char deep[400] = "";
  for (int i = 0; i < 100; i++) strcat(deep, "(");
  assert_int_equal(cy_model_parse(deep, "net.txt", &model), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "layers and blocks nest deeper than 48"));

  size_t huge = (1 << 22) + 1;
  char *text = malloc(huge + 1);
  assert_non_null(text);
  memset(text, ' ', huge);
  text[huge] = 0;
  assert_int_equal(cy_model_parse(text, "net.txt", &model), CY_INVALID);
  assert_string_equal(cy_error_message(), "net.txt: longer than 4194304 bytes");
  memset(text, 'r', huge); /* one name that fills the text: the message stays readable */
  text[huge - 1] = 0;
  assert_int_equal(cy_model_parse(text, "net.txt", &model), CY_INVALID);
  assert_true(strlen(cy_error_message()) < 300);
  free(text);
}

static void files_are_read(void **state) {
  (void)state;
  char path[] = "/tmp/cauchy_architecture_XXXXXX", *text;
  int fd = mkstemp(path);
  cy_model *model;
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "dense(3)\n-> relu\n", 17), 17);
  assert_int_equal(cy_model_load(path, &model), CY_OK);
  assert_int_equal(cy_model_text(model, &text), CY_OK);
  assert_string_equal(text, "dense(3) -> relu");
  cy_string_free(text);
  cy_model_free(model);
  assert_int_equal(write(fd, "\0", 1), 1);
  assert_int_equal(cy_model_load(path, &model), CY_INVALID);
  close(fd);
  unlink(path);
  assert_int_equal(cy_model_load(path, &model), CY_IO);
  assert_null(model);
}

/* ---- mutilated text ---- */

/* Deletes, doubles, swaps or replaces pieces of a sound text; whatever comes out is a model that prints and reads back
 * the same, or a message with a caret. */
static void mutations_do_no_harm(void **state) {
  (void)state;
  static const char seed[] = "unit(n, p) = dense(n, init=orthogonal(1.4), name=fc) -> dropout(p) # comment\n"
                             "unit(8, 0.5) -> residual(dense(8) -> relu, shortcut=dense(8)) ->\n"
                             "parallel(a=relu | 2 * (tanh -> swish(2, trainable=true)), mode=add) -> reshape(2, -1)\n"
                             "-> conv(8, (3, 5), stride=2, pad=(1, 0:2), mode=edge) -> max_pool(2, pad=same)";
  static const char sound[] = "unit(n, p) = dense(n, init=orthogonal(1.4)) -> dropout(p) # comment\n"
                              "unit(8, 0.5) -> residual(dense(8) -> relu, shortcut=dense(8)) ->\n"
                              "parallel(relu | 2 * (tanh -> swish(2, trainable=true)), mode=add) -> reshape(2, -1)\n"
                              "-> conv(8, (3, 5), stride=2, pad=(1, 0:2), mode=edge) -> max_pool(2, pad=same)";
  static const char alphabet[] = "()|,=*:->#\"\n 0123456789.eabnp_\xc3\xa9\x01";
  cy_rng rng = cy_rng_make(5, 0);
  int parsed = 0;
  for (int round = 0; round < 20000; round++) {
    char text[1024];
    strcpy(text, round & 1 ? seed : sound);
    for (int64_t edits = 1 + cy_rng_below(&rng, 3); edits > 0; edits--) {
      size_t n = strlen(text), at = (size_t)cy_rng_below(&rng, (int64_t)n), most = n - at < 12 ? n - at : 12;
      size_t length = 1 + (size_t)cy_rng_below(&rng, (int64_t)most);
      switch (cy_rng_below(&rng, 4)) {
        case 0: memmove(text + at, text + at + length, n - at - length + 1); break;
        case 1:
          if (n + length < sizeof text) memmove(text + at + length, text + at, n - at + 1);
          break;
        case 2: text[at] = alphabet[cy_rng_below(&rng, sizeof alphabet - 1)]; break;
        default: text[at] = text[cy_rng_below(&rng, (int64_t)n)];
      }
      if (!text[0]) strcpy(text, "x");
    }
    char *once = parse_and_print(text);
    if (once[strlen(once) - 1] != '^') {
      check(once, once);
      parsed++;
    }
    free(once);
  }
  assert_true(parsed > 100);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(texts_print_canonically),
    cmocka_unit_test(windows_print_canonically),
    cmocka_unit_test(flags_are_true_by_their_name),
    cmocka_unit_test(repetitions_and_blocks_are_written_out),
    cmocka_unit_test(canonical_text_is_a_fixed_point),
    cmocka_unit_test(defaults_print_as_written),
    cmocka_unit_test(numbers_ignore_the_locale),
    cmocka_unit_test(help_describes_every_layer),
    cmocka_unit_test(layers_and_arguments_must_exist),
    cmocka_unit_test(values_have_types_and_ranges),
    cmocka_unit_test(windows_are_checked),
    cmocka_unit_test(syntax_errors_point_at_the_place),
    cmocka_unit_test(blocks_are_checked),
    cmocka_unit_test(limits_stop_hostile_text),
    cmocka_unit_test(files_are_read),
    cmocka_unit_test(mutations_do_no_harm),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
