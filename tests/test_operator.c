/* Layers as matrices. Symbols, which come from derivatives, against what the course writes by hand and against an index
 * formula; numbers against the symbols; the matrix times a vector against the layer, on random chains of linear layers. */
#include "expect.h"

#include "allocations.h"
#include "base/random.h"

#include <cauchy.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a chain of layers in f64 with its state ---- */

typedef struct chain {
  cy_graph *graph;
  cy_network *network;
  cy_state *state;
  cy_value x, y;
  cy_operator *op;
} chain;

static chain chain_build(const char *text, cy_shape input, cy_dtype dtype, uint64_t seed) {
  chain c = {0};
  cy_model *model;
  cy_shape shape = {.rank = input.rank + 1, .dim = {1}};
  for (int i = 0; i < input.rank; i++) shape.dim[i + 1] = input.dim[i];
  OK(cy_model_parse(text, "test", &model));
  OK(cy_graph_create(&c.graph));
  OK(cy_network_create(c.graph, (cy_network_options){.dtype = dtype}, &c.network));
  c.x = cy_input(c.graph, "x", dtype, shape);
  c.y = cy_model_apply(model, c.network, c.x);
  cy_model_free(model);
  if (cy_graph_status(c.graph) != CY_OK) fail_msg("%s: %s", text, cy_error_message());
  OK(cy_state_create(&c.state));
  OK(cy_network_declare(c.network, c.state));
  OK(cy_state_allocate(c.state));
  OK(cy_network_initialize(c.network, c.state, seed));
  return c;
}

static chain chain_open(const char *text, cy_shape input) {
  chain c = chain_build(text, input, CY_F64, 1);
  OK(cy_operator_create(c.x, c.y, &c.op));
  return c;
}

static void chain_close(chain *c) {
  cy_operator_free(c->op);
  cy_state_free(c->state);
  cy_network_free(c->network);
  cy_graph_free(c->graph);
}

static void assert_symbols(const char *text, cy_shape input, const char *wanted) {
  chain c = chain_open(text, input);
  cy_operator_terms *terms;
  char *got;
  OK(cy_operator_terms_create(c.op, c.state, &terms));
  OK(cy_operator_text(terms, &got));
  assert_string_equal(got, wanted);
  cy_string_free(got);
  cy_operator_terms_free(terms);
  chain_close(&c);
}

/* ---- symbols ---- */

static void strided_convolution_is_the_matrix_of_the_course(void **state) {
  (void)state;
  assert_symbols("conv(1, 3, stride=2, pad=1)", CY_SHAPE(1, 3, 3), /* coursework A4.3, transposed there: z = x A */
                 "     x00 x01 x02 x10 x11 x12 x20 x21 x22\n"
                 "y00  w11 w12   0 w21 w22   0   0   0   0\n"
                 "y01    0 w10 w11   0 w20 w21   0   0   0\n"
                 "y10    0   0   0 w01 w02   0 w11 w12   0\n"
                 "y11    0   0   0   0 w00 w01   0 w10 w11\n");
}

static void transposed_convolution_is_the_matrix_of_the_course(void **state) {
  (void)state;
  assert_symbols("conv_transpose(1, 2, stride=2)", CY_SHAPE(1, 2, 2), /* coursework A4.4 */
                 "     x00 x01 x10 x11\n"
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

static void entries_of_many_kinds(void **state) {
  (void)state;
  assert_symbols("conv(1, 3)", CY_SHAPE(1, 5),
                 "    x0 x1 x2 x3 x4\n"
                 "y0  w0 w1 w2  0  0\n"
                 "y1   0 w0 w1 w2  0\n"
                 "y2   0  0 w0 w1 w2\n");
  assert_symbols("conv(1, 2, dilation=2)", CY_SHAPE(1, 4),
                 "    x0 x1 x2 x3\n"
                 "y0  w0  0 w1  0\n"
                 "y1   0 w0  0 w1\n");
  assert_symbols("conv(2, 2, groups=2)", CY_SHAPE(2, 2),
                 "       x[0]0 x[0]1 x[1]0 x[1]1\n"
                 "y[0]0  w[0]0 w[0]1     0     0\n"
                 "y[1]0      0     0 w[1]0 w[1]1\n");
  assert_symbols("conv(2, 1)", CY_SHAPE(2, 1),
                 "         x[0]0   x[1]0\n"
                 "y[0]0  w[0,0]0 w[0,1]0\n"
                 "y[1]0  w[1,0]0 w[1,1]0\n");
  assert_symbols("conv(1, 2, flipped=true)", CY_SHAPE(1, 3),
                 "    x0 x1 x2\n"
                 "y0  w1 w0  0\n"
                 "y1   0 w1 w0\n");
  assert_symbols("avg_pool(2)", CY_SHAPE(1, 4),
                 "     x0  x1  x2  x3\n"
                 "y0  1/2 1/2   0   0\n"
                 "y1    0   0 1/2 1/2\n");
  assert_symbols("conv(1, 2) -> avg_pool(2)", CY_SHAPE(1, 3),
                 "        x0        x1     x2\n"
                 "y0  1/2*w0 (w0+w1)/2 1/2*w1\n");
  assert_symbols("conv(1, 2) -> conv(1, 2)", CY_SHAPE(1, 3),
                 "       x0          x1    x2\n"
                 "y0  a0*b0 a0*b1+a1*b0 a1*b1\n");
  assert_symbols("residual(conv(1, 3, pad=1))", CY_SHAPE(1, 3),
                 "      x0   x1   x2\n"
                 "y0  1+w1   w2    0\n"
                 "y1    w0 1+w1   w2\n"
                 "y2     0   w0 1+w1\n");
  assert_symbols("parallel(identity | identity, mode=add)", CY_SHAPE(2), "    x0 x1\ny0   2  0\ny1   0  2\n");
  assert_symbols("dense(2)", CY_SHAPE(2), "     x0  x1\ny0  w00 w10\ny1  w01 w11\n");
}

static void latex_of_symbols_and_numbers(void **state) {
  (void)state;
  chain c = chain_open("conv(2, 2) -> avg_pool(2)", CY_SHAPE(1, 3));
  cy_operator_terms *terms;
  cy_tensor *matrix;
  char *text;
  OK(cy_operator_terms_create(c.op, c.state, &terms));
  OK(cy_operator_latex(terms, &text));
  assert_string_equal(text, "\\left(\\begin{array}{*{3}{c}}\n"
                            "  \\frac{1}{2} w_{0,0} & \\frac{1}{2} (w_{0,0}+w_{0,1}) & \\frac{1}{2} w_{0,1} \\\\\n"
                            "  \\frac{1}{2} w_{1,0} & \\frac{1}{2} (w_{1,0}+w_{1,1}) & \\frac{1}{2} w_{1,1}\n"
                            "\\end{array}\\right)\n");
  cy_string_free(text);
  assert_int_equal(terms->n_symbols, 1);
  OK(cy_operator_symbol_text(&terms->symbols[0], &text));
  assert_string_equal(text, "w[o]i is conv1.weight[o,0,i]");
  cy_string_free(text);
  cy_tensor *weight = cy_state_find(c.state, "conv1.weight");
  for (int k = 0; k < 4; k++) cy_tensor_set(weight, k, k);
  OK(cy_operator_matrix(c.op, c.state, &matrix));
  OK(cy_operator_numbers_latex(c.op, matrix, &text));
  assert_string_equal(text, "\\left(\\begin{array}{*{3}{c}}\n  0 & 0.5 & 0.5 \\\\\n  1 & 2.5 & 1.5\n\\end{array}\\right)\n");
  cy_string_free(text);
  cy_tensor_free(matrix);
  cy_operator_terms_free(terms);
  assert_string_equal(cy_operator_left_aside(c.op, 0), "conv1.bias");
  assert_null(cy_operator_left_aside(c.op, 1));
  chain_close(&c);
}

/* Entry (o, i; c, j) of a convolution is w[o, c, t] where j = i stride - low + t dilation: for every term, and as many terms as
 * that formula gives. */
static void terms_follow_the_index_formula(void **state) {
  (void)state;
  enum { C = 2, O = 3, H = 7, K = 3, STRIDE = 2, LOW = 1, DILATION = 2, OUT = 3 }; /* (7 + 2 - 5) / 2 + 1 */
  chain c = chain_open("conv(3, 3, stride=2, pad=1, dilation=2)", CY_SHAPE(C, H, H));
  cy_operator_terms *terms;
  int64_t expected = 0;
  OK(cy_operator_terms_create(c.op, c.state, &terms));
  assert_true(cy_shape_equal(terms->output, CY_SHAPE(O, OUT, OUT)));
  for (int i = 0; i < OUT; i++)
    for (int t = 0; t < K; t++) expected += i * STRIDE - LOW + t * DILATION >= 0 && i * STRIDE - LOW + t * DILATION < H;
  assert_int_equal(terms->count, expected * expected * C * O);
  for (int64_t n = 0; n < terms->count; n++) {
    const cy_operator_term *t = &terms->terms[n];
    int64_t o = t->row / (OUT * OUT), oi = t->row / OUT % OUT, oj = t->row % OUT;
    int64_t ch = t->column / (H * H), ii = t->column / H % H, ij = t->column % H;
    assert_int_equal(t->n_factors, 1);
    assert_true(t->coefficient == 1);
    int64_t w = t->index[0], wj = w % K, wi = w / K % K, wc = w / (K * K) % C, wo = w / (K * K * C);
    assert_true(wo == o && wc == ch && ii == oi * STRIDE - LOW + wi * DILATION && ij == oj * STRIDE - LOW + wj * DILATION);
  }
  cy_operator_terms_free(terms);
  chain_close(&c);
}

/* ---- numbers ---- */

/* The symbols' polynomials at the state's weights. */
static void evaluate_terms(const cy_operator_terms *terms, const cy_state *state, double *matrix) {
  for (int64_t i = 0; i < terms->count; i++) {
    const cy_operator_term *t = &terms->terms[i];
    double value = t->coefficient;
    for (int k = 0; k < t->n_factors; k++)
      value *= cy_tensor_at(cy_state_find(state, terms->symbols[t->symbol[k]].name), t->index[k]);
    matrix[t->row * terms->columns + t->column] += value;
  }
}

static void check_chain(const char *text, cy_shape input, bool symbols) {
  chain c = chain_open(text, input);
  cy_operator_difference d;
  cy_tensor *matrix;
  for (int i = 0; i < cy_state_count(c.state); i++) { /* biases too */
    cy_rng rng = cy_rng_make(3, (uint64_t)i);
    cy_tensor *tensor = cy_state_tensor(c.state, i);
    for (int64_t k = 0; k < cy_tensor_count(tensor) && cy_tensor_dtype(tensor) == CY_F64; k++)
      cy_tensor_set(tensor, k, 0.25 + cy_rng_uniform(&rng));
  }
  OK(cy_operator_matrix(c.op, c.state, &matrix));
  assert_true(cy_shape_equal(cy_tensor_shape(matrix), CY_SHAPE(cy_operator_rows(c.op), cy_operator_columns(c.op))));
  OK(cy_operator_compare(c.op, c.state, matrix, 4, 5, &d));
  if (!(d.largest <= 1e-11 * (1 + d.magnitude)) || !(d.magnitude > 0))
    fail_msg("%s: matrix and layer differ by %g where values are up to %g", text, d.largest, d.magnitude);
  if (symbols) {
    cy_operator_terms *terms;
    double *evaluated = calloc((size_t)cy_tensor_count(matrix), sizeof *evaluated), largest = 0;
    assert_non_null(evaluated);
    OK(cy_operator_terms_create(c.op, c.state, &terms));
    evaluate_terms(terms, c.state, evaluated);
    for (int64_t i = 0; i < cy_tensor_count(matrix); i++)
      largest = fmax(largest, fabs(evaluated[i] - cy_tensor_at(matrix, i)));
    if (largest > 1e-11) fail_msg("%s: symbols and numbers differ by %g", text, largest);
    cy_operator_terms_free(terms);
    free(evaluated);
  }
  cy_tensor_free(matrix);
  chain_close(&c);
}

static void every_linear_layer_is_its_matrix(void **state) {
  (void)state;
  static const char *const plane[] = {
      "conv(3, 3)", "conv(2, (2, 3), stride=(2, 1), pad=(1, 0:2))", "conv(4, 3, groups=2, pad=same, stride=2)",
      "conv(2, 3, dilation=2, pad=half)", "conv(2, 3, flipped=true, pad=1, mode=reflect)", "conv(2, 3, pad=1, mode=edge)",
      "depthwise(3, multiplier=2)", "conv_transpose(2, 3, stride=2, pad=1, output_pad=1)", "conv_transpose(4, 2, groups=2)",
      "avg_pool(2)", "avg_pool(3, stride=1, pad=1)", "avg_pool(3, stride=2, pad=1, count_padding=false)", "global_avg_pool",
      "adaptive_avg_pool(4)", "resize(9)", "resize(7, mode=linear)", "resize(11, mode=cubic)", "pad(2, mode=reflect)",
      "crop(3)", "pixel_unshuffle(2) -> pixel_shuffle(2)", "batch_norm", "flatten -> dense(3)", "dropout(0.5)",
      "reshape(36, 2)", "parallel(conv(1, 3) | crop(4))"};
  for (size_t i = 0; i < sizeof plane / sizeof *plane; i++) check_chain(plane[i], CY_SHAPE(2, 6, 6), true);
  check_chain("conv(2, 5, stride=2)", CY_SHAPE(3, 20), true);
  check_chain("conv(2, 2, pad=1)", CY_SHAPE(1, 3, 3, 3), true);
  check_chain("conv_transpose(1, 2, stride=2)", CY_SHAPE(2, 2, 2, 2), true);
}

static void random_chains_are_their_matrices(void **state) {
  (void)state;
  static const char *const layers[] = {"conv(%d, 3, pad=1)", "conv(%d, 2, stride=2)", "conv(%d, 3, dilation=2, pad=2)",
                                       "conv_transpose(%d, 2, stride=2)", "avg_pool(2, stride=1)", "batch_norm", "resize(5)",
                                       "residual(conv(%d, 3, pad=half))", "conv(%d, 1)"};
  enum { LAYERS = sizeof layers / sizeof *layers };
  cy_rng rng = cy_rng_make(2022, 0);
  for (int trial = 0; trial < 25; trial++) {
    char text[512] = "";
    int channels = 1 + (int)cy_rng_below(&rng, 2), depth = 1 + (int)cy_rng_below(&rng, 4);
    cy_shape input = CY_SHAPE(channels, 6, 7);
    for (int i = 0; i < depth; i++) {
      int pick = (int)cy_rng_below(&rng, LAYERS);
      char one[96];
      bool keeps = strncmp(layers[pick], "residual", 8) == 0;
      if (!keeps && strstr(layers[pick], "%d")) channels = 1 + (int)cy_rng_below(&rng, 3);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      snprintf(one, sizeof one, layers[pick], channels);
#pragma GCC diagnostic pop
      snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " -> " : "", one);
    }
    check_chain(text, input, false);
  }
}

/* Coursework A4.4: with the same kernel, stride and padding, the matrices are transposes. */
static void transposed_layer_has_the_transposed_matrix(void **state) {
  (void)state;
  static const struct {
    const char *conv, *transposed;
    int64_t large, small;
  } pairs[] = {{"conv(1, 2, stride=2)", "conv_transpose(1, 2, stride=2)", 4, 2},
               {"conv(1, 3, stride=2, pad=1)", "conv_transpose(1, 3, stride=2, pad=1)", 5, 3},
               {"conv(1, 3, stride=2, pad=1)", "conv_transpose(1, 3, stride=2, pad=1, output_pad=1)", 6, 3},
               {"conv(1, 3, dilation=2)", "conv_transpose(1, 3, dilation=2)", 7, 3}};
  for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
    int64_t n = pairs[p].large, m = pairs[p].small;
    chain a = chain_open(pairs[p].conv, CY_SHAPE(1, n, n)), b = chain_open(pairs[p].transposed, CY_SHAPE(1, m, m));
    cy_tensor *wa = cy_state_find(a.state, "conv1.weight"), *wb = cy_state_find(b.state, "conv_transpose1.weight");
    cy_tensor *matrix_a, *matrix_b;
    OK(cy_tensor_copy(wa, wb));
    OK(cy_operator_matrix(a.op, a.state, &matrix_a));
    OK(cy_operator_matrix(b.op, b.state, &matrix_b));
    assert_true(cy_shape_equal(cy_tensor_shape(matrix_a), CY_SHAPE(m * m, n * n)));
    assert_true(cy_shape_equal(cy_tensor_shape(matrix_b), CY_SHAPE(n * n, m * m)));
    for (int64_t i = 0; i < m * m; i++)
      for (int64_t j = 0; j < n * n; j++)
        assert_true(cy_tensor_at(matrix_a, i * n * n + j) == cy_tensor_at(matrix_b, j * m * m + i));
    cy_tensor_free(matrix_a);
    cy_tensor_free(matrix_b);
    chain_close(&a);
    chain_close(&b);
  }
}

static void single_precision_and_layers_inside(void **state) {
  (void)state;
  chain c = chain_build("conv(2, 3) -> relu -> conv(3, 2) -> tanh", CY_SHAPE(1, 6, 6), CY_F32, 1);
  cy_operator_difference d;
  cy_tensor *matrix, *y;
  const cy_network_layer *layer = NULL;
  for (int i = 0; i < cy_network_layer_count(c.network); i++)
    if (strcmp(cy_network_layer_at(c.network, i)->name, "conv2") == 0) layer = cy_network_layer_at(c.network, i);
  assert_non_null(layer);
  OK(cy_operator_create(layer->input, layer->output, &c.op));
  assert_true(cy_shape_equal(cy_operator_input_shape(c.op), CY_SHAPE(2, 4, 4)));
  OK(cy_operator_matrix(c.op, c.state, &matrix));
  assert_int_equal(cy_tensor_dtype(matrix), CY_F64);
  OK(cy_operator_compare(c.op, c.state, matrix, 3, 1, &d));
  assert_true(d.largest < 1e-5 * d.magnitude);
  cy_tensor *x;
  OK(cy_tensor_create(CY_F64, CY_SHAPE(32), &x));
  cy_tensor_set(x, 5, 1); /* f(0) = 0: column 5 */
  OK(cy_operator_apply(c.op, c.state, x, &y));
  for (int64_t i = 0; i < cy_tensor_count(y); i++)
    assert_true(fabs(cy_tensor_at(y, i) - cy_tensor_at(matrix, i * 32 + 5)) < 1e-7);
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_tensor_free(matrix);
  chain_close(&c);
}

/* ---- refusals ---- */

static void assert_refused(const char *text, cy_shape input, const char *message) {
  chain c = chain_build(text, input, CY_F64, 1);
  assert_int_equal(cy_operator_create(c.x, c.y, &c.op), CY_INVALID);
  assert_null(c.op);
  if (!strstr(cy_error_message(), message)) fail_msg("%s: %s", text, cy_error_message());
  chain_close(&c);
}

static void what_is_not_linear_is_named(void **state) {
  (void)state;
  assert_refused("conv(1, 2) -> relu", CY_SHAPE(1, 3, 3), "relu \"relu1\" is not linear");
  assert_refused("conv(1, 2) -> max_pool(2) -> relu", CY_SHAPE(1, 3, 3), "max_pool \"max_pool1\" is not linear");
  assert_refused("dense(3) -> softmax", CY_SHAPE(4), "softmax \"softmax1\" is not linear");
  assert_refused("layer_norm", CY_SHAPE(4), "layer_norm \"layer_norm1\" is not linear");
  assert_refused("parallel(identity | identity, mode=multiply)", CY_SHAPE(4), "is not linear");
  assert_refused("dense(3) -> prelu", CY_SHAPE(4), "prelu \"prelu1\" is not linear");
  assert_refused("dense(2) -> sigmoid -> dense(2, name=last)", CY_SHAPE(4), "sigmoid \"sigmoid1\" is not linear");
}

static void functions_without_slope_are_not_linear(void **state) {
  (void)state;
  cy_graph *graph;
  cy_operator *op;
  OK(cy_graph_create(&graph));
  cy_value x = cy_input(graph, "x", CY_F64, CY_SHAPE(1, 3)), u = cy_input(graph, "u", CY_F64, CY_SHAPE(1, 3));
  cy_value batch = cy_input(graph, "batch", CY_F64, CY_SHAPE(2, 3)), whole = cy_input(graph, "i", CY_I32, CY_SHAPE(1, 3));
  assert_int_equal(cy_operator_create(x, cy_floor(x), &op), CY_INVALID); /* its tangent is zero */
  assert_non_null(strstr(cy_error_message(), "floor is not linear"));
  assert_int_equal(cy_operator_create(x, cy_convert(cy_argmax(x, 1, true), CY_F64), &op), CY_INVALID);
  assert_int_equal(cy_operator_create(x, cy_mul(x, u), &op), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "\"u\""));
  assert_int_equal(cy_operator_create(batch, batch, &op), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "one example"));
  assert_int_equal(cy_operator_create(whole, whole, &op), CY_INVALID);
  assert_int_equal(cy_operator_create(x, (cy_value){NULL, -1}, &op), CY_INVALID);
  OK(cy_operator_create(x, cy_mul_scalar(cy_sub(x, cy_full(graph, CY_F64, CY_SHAPE(1, 3), 2)), 3), &op));
  assert_int_equal(cy_operator_rows(op), 3);
  cy_operator_free(op);
  cy_graph_free(graph);
}

static void sizes_have_limits(void **state) {
  (void)state;
  chain c = chain_open("conv(4, 3)", CY_SHAPE(1, 256, 256));
  cy_operator_terms *terms;
  cy_tensor *matrix;
  assert_int_equal(cy_operator_matrix(c.op, c.state, &matrix), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "258064 x 65536"));
  assert_int_equal(cy_operator_terms_create(c.op, c.state, &terms), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "too large for symbols"));
  chain_close(&c);
}

static void shared_weights_have_numbers_only(void **state) {
  (void)state;
  cy_conv_options options = {.name = "a", .filters = 1, .kernel = {2}};
  chain c = chain_build("identity", CY_SHAPE(1, 3), CY_F64, 1);
  cy_operator_terms *terms;
  cy_tensor *matrix;
  c.y = cy_conv(c.network, cy_conv(c.network, c.x, options), options);
  OK(cy_graph_status(c.graph));
  cy_state_free(c.state);
  OK(cy_state_create(&c.state));
  OK(cy_network_declare(c.network, c.state));
  OK(cy_state_allocate(c.state));
  OK(cy_network_initialize(c.network, c.state, 1));
  OK(cy_operator_create(c.x, c.y, &c.op));
  assert_int_equal(cy_operator_terms_create(c.op, c.state, &terms), CY_INVALID); /* squares of weights */
  assert_non_null(strstr(cy_error_message(), "not linear in \"a.weight\""));
  OK(cy_operator_matrix(c.op, c.state, &matrix));
  double w = cy_tensor_at(cy_state_find(c.state, "a.weight"), 0);
  assert_true(fabs(cy_tensor_at(matrix, 0) - w * w) < 1e-12);
  cy_tensor_free(matrix);
  chain_close(&c);
}

/* ---- steps ---- */

static void assert_image(const cy_tensor *image, int64_t n, const double *wanted) {
  assert_int_equal(cy_tensor_count(image), n);
  for (int64_t i = 0; i < n; i++)
    if (fabs(cy_tensor_at(image, i) - wanted[i]) > 1e-12)
      fail_msg("element %d is %g instead of %g", (int)i, cy_tensor_at(image, i), wanted[i]);
}

static void set_all(cy_tensor *tensor, const double *values) {
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++) cy_tensor_set(tensor, i, values[i]);
}

static void steps_know_what_flows_through(void **state) {
  (void)state;
  static const double m[25] = {1, 4, 2, 3, 2, 1, 2, 4, 1, 6, 2, 2, 4, 0, 1, 2, 5, 1, 3, 4, 3, 5, 4, 1, 0};
  static const double k[9] = {2, 0, 2, 3, 5, 1, 0, 1, 4};
  static const double cross[25] = {18, 43, 33, 48, 25, 25, 41, 45, 35, 40, 38, 39, 45, 52, 11,
                                   42, 65, 35, 33, 29, 30, 44, 52, 27, 9}; /* coursework B.II */
  static const double flipped[25] = {21, 37, 29, 43, 15, 16, 43, 47, 48, 45, 27, 36, 50, 34, 21,
                                     37, 54, 43, 52, 26, 32, 53, 49, 16, 17};
  static const char *const texts[] = {"conv(1, 3, pad=half) -> relu -> max_pool(5)",
                                      "conv(1, 3, pad=half, flipped=true) -> relu -> max_pool(5)"};
  cy_tensor *x;
  OK(cy_tensor_create(CY_F64, CY_SHAPE(1, 5, 5), &x));
  set_all(x, m);
  for (int i = 0; i < 2; i++) {
    chain c = chain_build(texts[i], CY_SHAPE(1, 5, 5), CY_F64, 1);
    cy_steps *steps;
    char *text;
    double largest = i ? 54 : 65;
    set_all(cy_state_find(c.state, "conv1.weight"), k);
    OK(cy_steps_create(c.x, c.y, c.state, x, &steps));
    assert_int_equal(cy_steps_count(steps), 2);
    assert_image(cy_steps_result(steps, 0), 25, i ? flipped : cross);
    assert_image(cy_steps_result(steps, 1), 1, &largest);
    assert_image(cy_steps_result(steps, 2), 1, &largest);
    assert_null(cy_steps_result(steps, 3));
    OK(cy_steps_text(steps, (cy_steps_options){.unit = (int64_t[]){0, 0}, .n_unit = 2}, &text));
    assert_non_null(strstr(text, i ? "sum: 5 + 12 + 0 + 4 = 21" : "sum: 5 + 4 + 1 + 8 = 18"));
    assert_true((strstr(text, "runs backwards") != NULL) == (i == 1));
    assert_null(strstr(text, "y01"));
    cy_string_free(text);
    assert_int_equal(cy_steps_text(steps, (cy_steps_options){.unit = (int64_t[]){0, 5}, .n_unit = 2}, &text), CY_INVALID);
    assert_int_equal(cy_steps_text(steps, (cy_steps_options){.unit = (int64_t[]){0}, .n_unit = 1}, &text), CY_INVALID);
    cy_steps_free(steps);
    chain_close(&c);
  }
  chain c = chain_build("dense(2)", CY_SHAPE(25), CY_F64, 1);
  cy_steps *steps;
  assert_int_equal(cy_steps_create(c.x, c.y, c.state, x, &steps), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "no operation on windows"));
  chain_close(&c);
  cy_tensor_free(x);
}

/* ---- pictures ---- */

static long file_size(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return -1;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  fclose(file);
  return size;
}

static void pictures_are_written(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t side;
    bool numbers;
  } cases[] = {{"conv(1, 3, stride=2, pad=1)", 3, false}, {"avg_pool(2)", 4, false}, {"conv(2, 9) -> conv(1, 2)", 12, false},
               {"conv(1, 3)", 40, true}, {"residual(conv(1, 3, pad=1))", 5, false}};
  char png[64], svg[64];
  snprintf(png, sizeof png, "/tmp/cauchy-operator-%d.png", (int)getpid());
  snprintf(svg, sizeof svg, "/tmp/cauchy-operator-%d.svg", (int)getpid());
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    chain c = chain_open(cases[i].text, CY_SHAPE(1, cases[i].side, cases[i].side));
    cy_operator_terms *terms = NULL;
    cy_tensor *matrix = NULL;
    if (cases[i].numbers) OK(cy_operator_matrix(c.op, c.state, &matrix));
    else OK(cy_operator_terms_create(c.op, c.state, &terms));
    cy_status status = cy_operator_plot(c.op, terms, matrix, cases[i].text, png, svg);
    if (status != CY_UNSUPPORTED) { /* a build without cairo */
      OK(status);
      assert_true(file_size(png) > 1000 && file_size(svg) > 1000);
    }
    remove(png);
    remove(svg);
    assert_int_not_equal(cy_operator_plot(c.op, NULL, NULL, "", png, NULL), CY_OK);
    cy_operator_terms_free(terms);
    cy_tensor_free(matrix);
    chain_close(&c);
  }
}

/* ---- memory ---- */

static cy_status use_operator(const chain *c) {
  cy_operator *op = NULL;
  cy_operator_terms *terms = NULL;
  cy_operator_difference d;
  cy_tensor *matrix = NULL;
  cy_steps *steps = NULL;
  char *text = NULL;
  cy_status status = cy_operator_create(c->x, c->y, &op);
  if (status == CY_OK) status = cy_operator_matrix(op, c->state, &matrix);
  if (status == CY_OK) status = cy_operator_compare(op, c->state, matrix, 1, 1, &d);
  if (status == CY_OK) status = cy_operator_terms_create(op, c->state, &terms);
  if (status == CY_OK) status = cy_operator_text(terms, &text);
  cy_string_free(text);
  text = NULL;
  if (status == CY_OK) status = cy_operator_latex(terms, &text);
  cy_string_free(text);
  text = NULL;
  if (status == CY_OK) status = cy_operator_symbol_text(&terms->symbols[0], &text);
  cy_string_free(text);
  text = NULL;
  cy_tensor *x = NULL;
  if (status == CY_OK) status = cy_tensor_create(CY_F64, CY_SHAPE(cy_operator_columns(op)), &x);
  if (status == CY_OK) status = cy_steps_create(c->x, c->y, c->state, x, &steps);
  if (status == CY_OK) status = cy_steps_text(steps, (cy_steps_options){0}, &text);
  cy_string_free(text);
  cy_steps_free(steps);
  cy_tensor_free(x);
  cy_operator_terms_free(terms);
  cy_tensor_free(matrix);
  cy_operator_free(op);
  return status;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  chain c = chain_build("conv(1, 2) -> residual(conv(1, 1)) -> avg_pool(2)", CY_SHAPE(1, 4), CY_F64, 1);
  OK(use_operator(&c)); /* once, for what other libraries keep */
  cy_status status = CY_NO_MEMORY;
  for (long n = 1; status != CY_OK; n++) {
    long kept = live;
    calls = 0;
    failing = n;
    status = use_operator(&c);
    failing = 0;
    if (status != CY_OK && status != CY_NO_MEMORY) fail_msg("allocation %ld: %s", n, cy_error_message());
    if (live != kept) fail_msg("allocation %ld: %ld blocks are lost", n, live - kept);
    assert_true(n < 100000);
  }
  chain_close(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(strided_convolution_is_the_matrix_of_the_course),
      cmocka_unit_test(transposed_convolution_is_the_matrix_of_the_course),
      cmocka_unit_test(entries_of_many_kinds),
      cmocka_unit_test(latex_of_symbols_and_numbers),
      cmocka_unit_test(terms_follow_the_index_formula),
      cmocka_unit_test(every_linear_layer_is_its_matrix),
      cmocka_unit_test(random_chains_are_their_matrices),
      cmocka_unit_test(transposed_layer_has_the_transposed_matrix),
      cmocka_unit_test(single_precision_and_layers_inside),
      cmocka_unit_test(what_is_not_linear_is_named),
      cmocka_unit_test(functions_without_slope_are_not_linear),
      cmocka_unit_test(sizes_have_limits),
      cmocka_unit_test(shared_weights_have_numbers_only),
      cmocka_unit_test(steps_know_what_flows_through),
      cmocka_unit_test(pictures_are_written),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
