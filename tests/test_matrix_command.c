/* `cauchy matrix` as students meet it: the values of coursework A4.3, A4.4, B.II, B.IV, B.V, E2.4 and E2.5 come out of the
 * command, and what cannot be done is refused in one line. */
#include "command.h"
#include "expect.h"

#include <cauchy.h>
#include <math.h>

/* ---- A4.3, A4.4 ---- */

static void strided_convolution_of_the_course(void **state) {
  (void)state;
  assert_string_equal(succeed("matrix 'conv(1, 3, stride=2, pad=1)' --input 1x3x3"),
                      "conv(1, 3, stride=2, pad=1): 1x3x3 to 1x2x2\n"
                      "4 rows (outputs) x 9 columns (inputs), both in row-major order; 16 of 36 entries are not zero\n"
                      "left aside, as it only adds f(0): conv1.bias\n"
                      "wuv is conv1.weight[0,0,u,v]\n"
                      "\n"
                      "     x00 x01 x02 x10 x11 x12 x20 x21 x22\n"
                      "y00  w11 w12   0 w21 w22   0   0   0   0\n"
                      "y01    0 w10 w11   0 w20 w21   0   0   0\n"
                      "y10    0   0   0 w01 w02   0 w11 w12   0\n"
                      "y11    0   0   0   0 w00 w01   0 w10 w11\n");
  assert_string_equal(succeed("matrix 'conv(1, 3, stride=2, pad=1)' --input 1x3x3 --latex"),
                      "\\left(\\begin{array}{*{9}{c}}\n"
                      "  w_{1,1} & w_{1,2} & 0 & w_{2,1} & w_{2,2} & 0 & 0 & 0 & 0 \\\\\n"
                      "  0 & w_{1,0} & w_{1,1} & 0 & w_{2,0} & w_{2,1} & 0 & 0 & 0 \\\\\n"
                      "  0 & 0 & 0 & w_{0,1} & w_{0,2} & 0 & w_{1,1} & w_{1,2} & 0 \\\\\n"
                      "  0 & 0 & 0 & 0 & w_{0,0} & w_{0,1} & 0 & w_{1,0} & w_{1,1}\n"
                      "\\end{array}\\right)\n");
}

static void transposed_convolution_of_the_course(void **state) {
  (void)state;
  const char *out = succeed("matrix 'conv_transpose(1, 2, stride=2)' --input 1x2x2");
  assert_holds(out, "1x2x2 to 1x4x4\n16 rows (outputs) x 4 columns (inputs)");
  assert_holds(out, "\n     x00 x01 x10 x11\n"
                    "y00  w00   0   0   0\n"
                    "y01  w01   0   0   0\n"
                    "y02    0 w00   0   0\n"
                    "y03    0 w01   0   0\n"
                    "y10  w10   0   0   0\n"
                    "y11  w11   0   0   0\n"
                    "y12    0 w10   0   0\n"
                    "y13    0 w11   0   0\n"
                    "y20    0   0 w00   0\n"
                    "y21    0   0 w01   0\n"
                    "y22    0   0   0 w00\n"
                    "y23    0   0   0 w01\n"
                    "y30    0   0 w10   0\n"
                    "y31    0   0 w11   0\n"
                    "y32    0   0   0 w10\n"
                    "y33    0   0   0 w11\n");
}

/* S14: average pooling, dilation and the flipped kernel in symbols. */
static void other_operators_of_the_course(void **state) {
  (void)state;
  assert_holds(succeed("matrix 'avg_pool(2)' --input 1x4x4"),
               "y00  1/4 1/4   0   0 1/4 1/4   0   0   0   0   0   0   0   0   0   0\n"
               "y01    0   0 1/4 1/4   0   0 1/4 1/4   0   0   0   0   0   0   0   0\n"
               "y10    0   0   0   0   0   0   0   0 1/4 1/4   0   0 1/4 1/4   0   0\n"
               "y11    0   0   0   0   0   0   0   0   0   0 1/4 1/4   0   0 1/4 1/4\n");
  assert_holds(succeed("matrix 'conv(1, 3, dilation=2)' --input 1x6"), "y0  w0  0 w1  0 w2  0\n"
                                                                       "y1   0 w0  0 w1  0 w2\n");
  assert_holds(succeed("matrix 'conv(1, 3, flipped=true)' --input 1x4"), "y0  w2 w1 w0  0\n"
                                                                         "y1   0 w2 w1 w0\n");
}

static cy_tensor *numbers_of(const char *line) {
  char command[512];
  cy_tensor *matrix;
  snprintf(command, sizeof command, "matrix %s --npy matrix.npy", line);
  succeed(command);
  OK(cy_npy_load("matrix.npy", &matrix));
  assert_int_equal(cy_tensor_dtype(matrix), CY_F64);
  return matrix;
}

static void assert_transposes(const char *a_line, const char *b_line) {
  cy_tensor *a = numbers_of(a_line), *b = numbers_of(b_line);
  int64_t rows = cy_tensor_shape(a).dim[0], columns = cy_tensor_shape(a).dim[1];
  assert_true(cy_shape_equal(cy_tensor_shape(b), CY_SHAPE(columns, rows)));
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      assert_true(cy_tensor_at(a, i * columns + j) == cy_tensor_at(b, j * rows + i));
  cy_tensor_free(a);
  cy_tensor_free(b);
}

static void the_transposed_convolution_is_the_transpose(void **state) {
  (void)state;
  assert_transposes("'conv(1, 2, stride=2)' --input 1x4x4 --weights '1 2; 3 4'",
                    "'conv_transpose(1, 2, stride=2)' --input 1x2x2 --weights '1 2; 3 4'");
  assert_transposes("'conv(1, 3, stride=2, pad=1)' --input 1x7x7 --weights '1 2 3; 4 5 6; 7 8 9'",
                    "'conv_transpose(1, 3, stride=2, pad=1)' --input 1x4x4 --weights '1 2 3; 4 5 6; 7 8 9'");
}

/* ---- numbers ---- */

static void numbers_come_from_weights_seeds_and_files(void **state) {
  (void)state;
  static const double wanted[] = {5, -6, 0, 0, 5, -6};
  assert_holds(succeed("matrix 'conv(1, 2)' --input 1x3 --weights '5 -6' --dense"), "    x0 x1 x2\ny0   5 -6  0\ny1   0  5 -6\n");
  write_file("kernel.csv", "5,-6\n");
  cy_tensor *matrix = numbers_of("'conv(1, 2)' --input 1x3 --weights kernel.csv");
  assert_true(cy_shape_equal(cy_tensor_shape(matrix), CY_SHAPE(2, 3)));
  for (int i = 0; i < 6; i++) assert_true(cy_tensor_at(matrix, i) == wanted[i]);
  cy_tensor_free(matrix);
  char *first = strdup(succeed("matrix 'conv(1, 2)' --input 1x3 --dense --seed 4"));
  assert_non_null(first);
  assert_string_equal(first, succeed("matrix 'conv(1, 2)' --input 1x3 --dense --seed 4"));
  assert_string_not_equal(first, succeed("matrix 'conv(1, 2)' --input 1x3 --dense --seed 5"));
  free(first);
  assert_string_equal(succeed("matrix 'conv(1, 2)' --input 1x2 --weights '5 -6' --dense --latex"),
                      "\\left(\\begin{array}{*{2}{c}}\n  5 & -6\n\\end{array}\\right)\n");
}

static void multiplying_equals_running(void **state) {
  (void)state;
  static const char *const networks[] = {"'conv(2, 3, stride=2, pad=same, dilation=2)'", "'conv(4, 3, groups=2, flipped=true)'",
                                         "'conv_transpose(3, 3, stride=2)'", "'avg_pool(3, stride=1, pad=1)'",
                                         "'conv(2, 3) -> avg_pool(2) -> flatten -> dense(5)'", "'resize(7, mode=cubic)'"};
  for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
    char line[256];
    snprintf(line, sizeof line, "matrix %s --input 2x8x9 --check", networks[i]);
    assert_holds(succeed(line), "multiplying by the matrix equals running the layer");
  }
}

/* Coursework B.V: away from the border the matrix commutes with a translation, as convolution does. */
static void the_matrix_commutes_with_translation(void **state) {
  (void)state;
  enum { N = 9 };
  cy_tensor *a = numbers_of("'conv(1, 3, pad=half)' --input 1x9x9 --seed 3");
  for (int64_t i = 2; i < N - 2; i++)
    for (int64_t j = 2; j < N - 2; j++)
      for (int64_t p = 0; p + 1 < N; p++)
        for (int64_t q = 0; q + 1 < N; q++) /* the row of a unit's neighbour is its row, moved */
          assert_true(cy_tensor_at(a, (i * N + j) * N * N + p * N + q) ==
                      cy_tensor_at(a, ((i + 1) * N + j + 1) * N * N + (p + 1) * N + q + 1));
  cy_tensor_free(a);
}

static void layers_of_files_and_saved_models(void **state) {
  (void)state;
  write_file("net.txt", "conv(2, 3, name=first) -> relu\n-> conv(1, 2, name=second)\n");
  const char *out = succeed("matrix net.txt --input 1x5x5 --layer second");
  assert_holds(out, "second of net.txt: 2x3x3 to 1x2x2\n");
  assert_holds(out, "w[c]uv is second.weight[0,c,u,v]\n");
  refuse("matrix net.txt --input 1x5x5", "relu \"relu1\" is not linear");
  refuse("matrix net.txt --input 1x5x5 --layer secondo", "did you mean \"second\"");
  succeed("train digits epochs=1 'model=conv(3, 3, name=edges) -> relu -> flatten -> dense(10)' --out run --quiet");
  assert_holds(succeed("matrix run --layer edges --npy saved.npy --check"), "108 rows (outputs) x 64 columns (inputs)");
  cy_tensor *matrix;
  cy_safetensors *file;
  cy_tensor *weight = NULL;
  OK(cy_npy_load("saved.npy", &matrix));
  OK(cy_safetensors_open("run/model.safetensors", &file));
  OK(cy_safetensors_load(file, "edges.weight", &weight));
  for (int t = 0; t < 3; t++) assert_true(cy_tensor_at(matrix, t) == cy_tensor_at(weight, t)); /* f32 numbers in f64 */
  cy_safetensors_close(file);
  cy_tensor_free(weight);
  cy_tensor_free(matrix);
}

/* ---- pictures ---- */

static void assert_starts(const char *path, const char *start) {
  char head[16] = "";
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_true(fread(head, 1, sizeof head - 1, file) > 8);
  fclose(file);
  assert_memory_equal(head, start, strlen(start));
}

/* Complete, and with these words. */
static void assert_svg(const char *path, const char *words) {
  static char text[COMMAND_OUTPUT * 4];
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  assert_true(length > 100 && length < sizeof text - 1);
  assert_memory_equal(text, "<?xml", 5);
  assert_string_equal(text + length - 7, "</svg>\n");
  if (!strstr(text, words)) fail_msg("%s does not hold \"%s\"", path, words);
}

static void pictures_are_drawn(void **state) {
  (void)state;
  const outcome *o = run("matrix 'conv(1, 3, stride=2, pad=1)' --input 1x3x3 --picture a.png");
  if (o->exit_code == 2 && strstr(o->err, "cairo")) return; /* a build without it */
  assert_int_equal(o->exit_code, 0);
  assert_starts("a.png", "\x89PNG");
  succeed("matrix 'conv(1, 5, pad=half)' --input 1x28x28 --picture b.svg");
  assert_svg("b.svg", "\nconv(1, 5, pad=half)");
  succeed("matrix 'conv(16, 3)' --input 8x16x16 --picture c.png"); /* too many weights: by number */
  succeed("matrix 'conv(1, 3, dilation=2)' --input 1x8x8 --step --picture d.svg"); /* coursework E2.4 */
  assert_svg("d.svg", "conv(1, 3, dilation=2)");
  /* --dense speaks of a picture of what is too large to print; colours by weight are found in seconds, or not looked for. */
  assert_holds(succeed("matrix 'conv(4, 3)' --input 3x16x16 --dense --picture f.png"), "drawn in f.png");
  if (strstr(succeed("matrix 'conv(4, 3)' --input 3x32x32 --picture g.png"), "is conv1.weight")) fail_msg("by weight");
  succeed("matrix 'conv_transpose(1, 3, stride=2)' --input 1x3 --step --picture e.png");
  assert_starts("e.png", "\x89PNG");
  refuse("matrix 'conv(1, 3)' --input 1x3x3 --picture a.jpeg", ".png or .svg");
  refuse("matrix 'conv(1, 3)' --input 1x3x3 --picture nowhere/a.png", "nowhere");
  refuse("matrix 'conv(1, 3)' --input 1x200x200 --step --picture a.png", "too many to draw");
}

/* ---- B.II ---- */

#define M "'1 4 2 3 2; 1 2 4 1 6; 2 2 4 0 1; 2 5 1 3 4; 3 5 4 1 0'"
#define K "'2 0 2; 3 5 1; 0 1 4'"

static void half_padded_convolution_of_the_course(void **state) {
  (void)state;
  const char *out = succeed("matrix 'conv(1, 3, pad=half)' --step --values " M " --weights " K);
  assert_holds(out, "result of conv1, 1x5x5\n"
                    "  18 43 33 48 25\n"
                    "  25 41 45 35 40\n"
                    "  38 39 45 52 11\n"
                    "  42 65 35 33 29\n"
                    "  30 44 52 27  9\n");
  assert_holds(out, "y00: rows -1 to 1, columns -1 to 1\n"
                    "  . . .     2 0 2      .  .  .\n"
                    "  . 1 4  *  3 5 1  =   .  5  4\n"
                    "  . 1 2     0 1 4      .  1  8\n"
                    "  sum: 5 + 4 + 1 + 8 = 18\n");
  assert_holds(out, "y22: rows 1 to 3, columns 1 to 3\n");
  assert_holds(out, "y44: ");
  assert_null(strstr(out, "more windows"));
  out = succeed("matrix 'conv(1, 3, pad=half, flipped=true)' --step --limit 3 --values " M " --weights " K);
  assert_holds(out, "result of conv1, 1x5x5\n"
                    "  21 37 29 43 15\n"
                    "  16 43 47 48 45\n"
                    "  27 36 50 34 21\n"
                    "  37 54 43 52 26\n"
                    "  32 53 49 16 17\n");
  assert_holds(out, "... and 22 more windows.");
  assert_holds(out, "the kernel runs backwards");
}

/* B.IV: dY_ij / dW_uv = X_(i+u, j+v): the entries of row ij stand where w_uv meets x_(i+u)(j+v). */
static void weights_meet_the_inputs_of_their_window(void **state) {
  (void)state;
  assert_holds(succeed("matrix 'conv(1, 2)' --input 1x3x3"), "     x00 x01 x02 x10 x11 x12 x20 x21 x22\n"
                                                              "y00  w00 w01   0 w10 w11   0   0   0   0\n"
                                                              "y01    0 w00 w01   0 w10 w11   0   0   0\n"
                                                              "y10    0   0   0 w00 w01   0 w10 w11   0\n"
                                                              "y11    0   0   0   0 w00 w01   0 w10 w11\n");
}

/* ---- E2.4, E2.5 ---- */

#define IMAGE                                                                                                               \
  "0,1,1,0,0,1,2,0\n2,0,1,1,0,1,1,1\n1,0,2,1,0,1,1,0\n2,4,0,0,1,2,0,0\n0,1,0,1,0,0,1,0\n1,0,3,2,3,1,0,1\n0,1,0,0,0,0,0,0\n" \
  "0,1,1,0,2,3,1,4\n"

static void dilated_convolution_of_the_course(void **state) {
  (void)state;
  write_file("image.csv", IMAGE);
  const char *out = succeed("matrix 'conv(1, 3, dilation=2)' --step --values image.csv --weights '1 2 3; 4 5 6; 7 8 9'");
  assert_holds(out, "conv1: kernel 3x3, dilation 2\n");
  assert_holds(out, "y00: rows 0 to 4 by 2, columns 0 to 4 by 2\n"
                    "  0 1 0     1 2 3      0  2  0\n"
                    "  1 2 0  *  4 5 6  =   4 10  0\n"
                    "  0 0 0     7 8 9      0  0  0\n"
                    "  sum: 0 + 2 + 0 + 4 + 10 + 0 + 0 + 0 + 0 = 16\n");
  assert_holds(out, "result of conv1, 1x4x4\n"
                    "  16 30 30 18\n"
                    "  76 58 54 47\n"
                    "   5 21 11  7\n"
                    "  68 60 61 83\n");
}

/* Two convolutions in turn; the documents' own kernels are lost with a figure, so these are ours: a cross and Laplace's. */
static void two_convolutions_in_turn(void **state) {
  (void)state;
  write_file("image.csv", IMAGE);
  const char *out = succeed("matrix 'conv(1, 3) -> conv(1, 3, stride=2)' --step --limit 1 --values image.csv "
                            "--weights '1 0 1; 0 1 0; 1 0 1 | 0 1 0; 1 -4 1; 0 1 0'");
  assert_holds(out, "  sum: 0 + 0 + 1 + 0 + 0 + 0 + 1 + 0 + 2 = 4\n");
  assert_holds(out, "... and 35 more windows.");
  assert_holds(out, "result of conv1, 1x6x6\n"
                    "  4 3 4 3 4 3\n"
                    "  5 7 3 4 3 5\n"
                    "  7 3 2 4 4 1\n"
                    "  7 6 8 5 4 5\n"
                    "  0 6 2 4 2 0\n"
                    "  6 3 9 6 6 9\n");
  assert_holds(out, "result of conv2, 1x2x2\n"
                    "  -14  -3\n"
                    "    0   0\n");
}

static void steps_of_other_windows(void **state) {
  (void)state;
  const char *out = succeed("matrix 'conv_transpose(1, 2, stride=2)' --step --values '1 2; 3 -4' --weights '1 2; 3 4'");
  assert_holds(out, "x11 = -4, times the kernel, is added at rows 2 to 3, columns 2 to 3\n   -4  -8\n  -12 -16\n");
  assert_holds(out, "1x4x4\n    1   2   2   4\n    3   4   6   8\n    3   6  -4  -8\n    9  12 -12 -16\n");
  out = succeed("matrix 'avg_pool(2)' --step --values '1 2; 3 4'");
  assert_holds(out, "sum: 1 + 2 + 3 + 4 = 10\n");
  assert_holds(out, "sums of avg_pool1, not yet divided, 1x1x1\n  10\n");
  assert_holds(out, "output, after all that follows (biases, divisions, activations), 1x1x1\n  2.5\n");
  assert_holds(succeed("matrix 'max_pool(2)' --step --values '1 2; 3 4'"), "largest: 4\n");
  assert_holds(succeed("matrix 'conv(1, 3, stride=2)' --step --values '1 2 3 4 5 6 7' --weights '1 0 -1'"),
               "y1: positions 2 to 4\n  3 4 5  *   1  0 -1  =   3  0 -5\n  sum: 3 + 0 - 5 = -2\n");
  out = succeed("matrix 'conv(2, 2, groups=2)' --step --values '1 2 0; 3 4 1; 0 0 1 | 5 6 1; 7 8 1; 1 1 1' "
                "--weights '1 1 1 1 2 2 2 2' --unit 0,1");
  assert_holds(out, "y[1]01: rows 0 to 1, columns 1 to 2\n  6 1  *  2 2  =  12  2\n  8 1     2 2     16  2\n");
  assert_null(strstr(out, "y[0]00"));
}

/* ---- refusals ---- */

static void what_cannot_be_done_is_said(void **state) {
  (void)state;
  refuse("matrix", "usage");
  refuse("matrix 'conv(1, 3)'", "--input");
  refuse("matrix 'conv(1, 3)' --input 1x0x3", "--input");
  refuse("matrix 'conv(1, 3)' --input 9999999999x9999999999x4", "--input");
  refuse("matrix 'conv(1, 5)' --input 1x3x3", "conv \"conv1\": kernel 5");
  refuse("matrix 'conv(1, 3, stride=0)' --input 1x3x3", "stride");
  refuse("matrix 'conv(1, 2) -> relu' --input 1x3x3", "relu \"relu1\" is not linear");
  refuse("matrix 'max_pool(2)' --input 1x4x4", "max_pool \"max_pool1\" is not linear");
  refuse("matrix 'dense(4) -> softmax' --input 4 --npy a.npy", "softmax \"softmax1\" is not linear");
  refuse("matrix 'conv(1, 3)' --input 1x28x28", "676 x 784, too large to print (256 x 64): --npy FILE writes");
  refuse("matrix 'conv(1, 3)' --input 1x28x28 --dense", "too large to print");
  refuse("matrix 'conv(8, 3)' --input 3x1000x1000 --npy a.npy", "7968032 x 3000000");
  refuse("matrix 'conv(1, 3)' --input 1x3x3 --weights '1 2 3'", "conv1.weight is 1x1x3x3, 9 numbers, but 3 are given");
  refuse("matrix 'conv(1, 3)' --input 1x3x3 --weights '1 2; 3'", "row 2 holds 1 numbers");
  refuse("matrix 'conv(1, 3)' --input 1x3x3 --weights kernel.npy", "nor is there such a file");
  refuse("matrix 'conv(1, 3)' --input 1x3x3 --weights '1e999'", "not a number");
  refuse("matrix 'avg_pool(2)' --input 1x4x4 --weights '1 2'", "1 groups of numbers for 0 weights");
  refuse("matrix 'conv(1, 3)' --input 1x3x3 --npy nowhere/a.npy", "nowhere");
  refuse("matrix 'conv(1, 3)' --step --input 1x3x3", "--values");
  refuse("matrix 'conv(1, 3)' --step --values '1 2; 3 4'", "conv \"conv1\": kernel 3");
  refuse("matrix 'conv(1, 2)' --step --values '1 2; 3 4' --input 1x3x3", "9 numbers, not 4");
  refuse("matrix 'conv(1, 2)' --step --values '1 2; 3 4' --unit 1,0", "no unit 1 along axis 0");
  refuse("matrix 'conv(1, 2)' --step --values '1 2; 3 4' --unit 0", "2 coordinates");
  refuse("matrix 'conv(1, 2)' --step --values '1 2; 3 4' --unit up", "--unit");
  refuse("matrix 'dense(2)' --step --values '1 2; 3 4'", "no operation on windows");
  refuse("matrix 'conv(1, 2)' --input 1x3x3 --unit 0,0", "--unit goes with --step");
  refuse("matrix 'conv(1, 2)' --input 1x3x3 --step --latex", "--latex");
  refuse("matrix 'conv(1, 2)' --input 1x3x3 --picture", "--picture");
}

#define in_a_folder(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_a_folder(strided_convolution_of_the_course),
      in_a_folder(transposed_convolution_of_the_course),
      in_a_folder(the_transposed_convolution_is_the_transpose),
      in_a_folder(other_operators_of_the_course),
      in_a_folder(numbers_come_from_weights_seeds_and_files),
      in_a_folder(multiplying_equals_running),
      in_a_folder(the_matrix_commutes_with_translation),
      in_a_folder(layers_of_files_and_saved_models),
      in_a_folder(pictures_are_drawn),
      in_a_folder(half_padded_convolution_of_the_course),
      in_a_folder(weights_meet_the_inputs_of_their_window),
      in_a_folder(dilated_convolution_of_the_course),
      in_a_folder(two_convolutions_in_turn),
      in_a_folder(steps_of_other_windows),
      in_a_folder(what_cannot_be_done_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
