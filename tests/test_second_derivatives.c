/* Second derivatives are exact: for every layer of the language, as at inference and as in training, products with
 * the Hessian by both orders of differentiation are those of the full Hessian of nested derivatives, the products of
 * an objective too, and the Hessian is symmetric and agrees with differences of gradients. Batch normalisation in
 * training mode is also compared with its derivatives by hand. And what products cost, on networks of a usual size. */
#include "nn/model.h"

#include "network_lab.h"

#include <cauchy/objective.h>

/* ---- every layer ---- */

typedef struct example {
  const char *text;
  cy_shape shape; /* of x, with the batch */
} example;

static const example examples[] = {
    {"dense(3)", {2, {3, 4}}},
    {"dense(2, axis=1, l2=0.3)", {3, {2, 3, 4}}},
    {"dense(3, bias=false) -> relu -> dense(2)", {2, {3, 4}}},
    {"dense(3) -> leaky_relu(0.2) -> dense(2)", {2, {3, 4}}},
    {"prelu", {3, {2, 3, 4}}},
    {"prelu(shared=true)", {2, {3, 4}}},
    {"swish", {2, {3, 4}}},
    {"swish(0.7, true)", {2, {3, 4}}},
    {"sigmoid", {2, {3, 4}}},
    {"dense(3) -> tanh -> dense(2)", {2, {3, 4}}},
    {"softplus", {2, {3, 4}}},
    {"elu(1.5)", {2, {3, 4}}},
    {"gelu", {2, {3, 4}}},
    {"gelu(tanh)", {2, {3, 4}}},
    {"dense(4) -> softmax", {2, {3, 4}}},
    {"dense(4) -> log_softmax", {2, {3, 4}}},
    {"dead_zone(1, 0.3, 0.5, -0.2)", {2, {3, 4}}},
    {"dense(6) -> dropout(0.5) -> tanh -> dense(2)", {2, {3, 4}}},
    {"dense(3) -> mixture(init=normal(0, 1))", {2, {3, 4}}},
    {"mixture(logit)", {2, {3, 4}}},
    {"layer_norm", {2, {3, 4}}},
    {"layer_norm", {4, {2, 2, 3, 2}}},
    {"batch_norm", {2, {5, 4}}},
    {"dense(4) -> batch_norm(1e-3, false) -> tanh -> dense(2)", {2, {5, 3}}},
    {"batch_norm", {4, {3, 2, 3, 2}}},
    {"conv(2, 3, pad=same) -> batch_norm -> relu -> conv(2, 2)", {4, {3, 1, 4, 4}}},
    {"flatten -> dense(2)", {4, {2, 2, 2, 2}}},
    {"reshape(2, 3) -> dense(2, axis=1)", {2, {2, 6}}},
    {"conv(2, 3)", {3, {2, 2, 6}}},
    {"conv(2, (3, 2), stride=2, pad=same) -> tanh", {4, {2, 2, 5, 4}}},
    {"conv(4, 3, groups=2, dilation=2, pad=2, mode=reflect)", {4, {1, 2, 5, 5}}},
    {"conv(2, 2, l1=0.1, l2=0.2)", {5, {1, 1, 3, 3, 3}}},
    {"depthwise(3, 2)", {4, {2, 2, 4, 4}}},
    {"conv_transpose(2, 3, stride=2)", {4, {2, 2, 2, 3}}},
    {"max_pool(2)", {4, {2, 2, 4, 4}}},
    {"conv(2, 2) -> max_pool(3, stride=2, pad=1)", {4, {2, 1, 5, 5}}},
    {"avg_pool(3, stride=2, pad=1)", {4, {2, 2, 4, 4}}},
    {"global_max_pool", {4, {2, 3, 3, 3}}},
    {"global_avg_pool -> dense(2)", {4, {2, 3, 3, 3}}},
    {"adaptive_max_pool(2)", {4, {2, 2, 5, 5}}},
    {"adaptive_avg_pool(3)", {4, {2, 2, 5, 5}}},
    {"resize(5)", {4, {2, 1, 3, 3}}},
    {"resize(5, mode=cubic)", {4, {1, 2, 3, 3}}},
    {"pad(1, mode=reflect)", {4, {2, 1, 3, 3}}},
    {"crop(1) -> dense(2)", {4, {2, 1, 4, 4}}},
    {"pixel_shuffle(2) -> conv(2, 2)", {4, {2, 4, 2, 2}}},
    {"pixel_unshuffle(2) -> conv(2, 2)", {4, {2, 1, 4, 4}}},
    {"layer_norm(axis=1)", {3, {2, 3, 4}}},
    {"conv(2, 2, pad=causal, dilation=2) -> tanh", {3, {2, 2, 5}}},
    {"rnn(2)", {3, {2, 2, 4}}},
    {"rnn(2, sigmoid, layers=2, dropout=0.3) -> last", {3, {2, 2, 3}}},
    {"lstm(2)", {3, {2, 2, 3}}},
    {"lstm(2, last, recompute=2)", {3, {1, 2, 5}}},
    {"gru(2, bidirectional)", {3, {2, 2, 3}}},
    {"embedding(5, 3) -> conv(2, 2) -> tanh", {2, {3, 4}}},
    {"attention", {3, {2, 3, 3}}},
    {"attention(2, causal, dropout=0.3)", {3, {1, 4, 3}}},
    {"positions(learned) -> dense(2)", {3, {2, 2, 3}}},
    {"identity", {2, {3, 4}}},
    {"residual(dense(4) -> tanh)", {2, {3, 4}}},
    {"parallel(dense(2) -> tanh | dense(3) -> sigmoid) -> dense(2)", {2, {3, 4}}},
};
enum { EXAMPLES = sizeof examples / sizeof *examples, MAX_VARIABLES = 12, MAX_NUMBERS = 160 };

/* Whether the word is in the text, not as a part of another. */
static bool names(const char *text, const char *layer) {
  size_t length = strlen(layer);
  for (const char *at = strstr(text, layer); at; at = strstr(at + 1, layer)) {
    char before = at == text ? ' ' : at[-1], after = at[length];
    bool begins = before == ' ' || before == '(', ends = after == 0 || after == ' ' || after == '(' || after == ')';
    if (begins && ends) return true;
  }
  return false;
}

static void every_layer_has_an_example(void **state) {
  (void)state;
  for (int r = 0; r < cy_layer_row_count; r++) {
    bool found = false;
    for (int i = 0; i < EXAMPLES; i++) found = found || names(examples[i].text, cy_layer_rows[r].name);
    if (!found) fail_msg("layer \"%s\" has no example here", cy_layer_rows[r].name);
  }
}

/* The function, its variables (parameters, then x) and everything derived from it in one graph. */
typedef struct second {
  lab l;
  cy_value loss, variables[MAX_VARIABLES], directions[MAX_VARIABLES];
  cy_tensor *at[MAX_VARIABLES], *v[MAX_VARIABLES]; /* at: borrowed */
  int64_t offset[MAX_VARIABLES + 1];
  int64_t tokens; /* how many whole numbers there are, if these are what the network takes */
  int n;
  cy_value outputs[(MAX_VARIABLES + 3) * MAX_VARIABLES]; /* gradients, products twice, Jacobians row by row */
  int n_outputs;
} second;

static const char *direction_name(int i) {
  static const char *const list[MAX_VARIABLES] = {"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11"};
  return list[i];
}

static second open_second(const example *e, bool training) {
  second s = {.l = lab_open(training, CY_F64, e->shape)};
  cy_value y = apply_text(s.l.net, s.l.x, e->text);
  assert_ok(cy_graph_status(s.l.graph));
  cy_model *model;
  assert_ok(cy_model_parse(e->text, "test", &model));
  s.tokens = cy_model_vocabulary(model);
  cy_model_free(model);
  s.loss = cy_add(mix(cy_add(cy_sin(y), cy_mul_scalar(cy_square(y), 0.5))), cy_network_penalty(s.l.net));
  const cy_value *parameters = cy_network_parameters(s.l.net, &s.n);
  assert_true(s.n + 1 <= MAX_VARIABLES);
  for (int i = 0; i < s.n; i++) s.variables[i] = parameters[i];
  s.variables[s.n++] = s.l.x;
  for (int i = 0; i < s.n; i++) {
    int64_t count;
    assert_ok(cy_shape_count(cy_value_shape(s.variables[i]), &count));
    s.offset[i + 1] = s.offset[i] + count;
    s.directions[i] = cy_input(s.l.graph, direction_name(i), CY_F64, cy_value_shape(s.variables[i]));
  }
  assert_true(s.offset[s.n] <= MAX_NUMBERS);
  return s;
}

static void derive(second *s) {
  cy_value *gradients = s->outputs, *forward = gradients + s->n, *reverse = forward + s->n, slope;
  assert_ok(cy_grad(s->loss, s->variables, s->n, gradients));
  assert_ok(cy_hvp(s->loss, s->variables, s->directions, s->n, forward));
  assert_ok(cy_jvp(&s->loss, 1, s->variables, s->directions, s->n, &slope));
  assert_ok(cy_grad(slope, s->variables, s->n, reverse));
  s->n_outputs = 3 * s->n;
  for (int i = 0; i < s->n; i++) {
    cy_value flat = cy_reshape(gradients[i], CY_SHAPE(-1));
    for (int k = 0; k < s->n; k++) assert_ok(cy_jacobian(flat, s->variables[k], &s->outputs[s->n_outputs++]));
  }
}

/* Whole numbers of the vocabulary, each in the middle of what is taken for it. */
static void fill_tokens(cy_tensor *x, int64_t vocabulary) {
  for (int64_t i = 0; i < cy_tensor_count(x); i++) cy_tensor_set(x, i, (double)(7 * i % vocabulary) + 0.5);
}

static void compile_second(second *s) {
  for (int i = 0; i < s->n; i++) {
    assert_ok(cy_tensor_create(CY_F64, cy_value_shape(s->variables[i]), &s->v[i]));
    fill_random(s->v[i], 50 + (uint64_t)i, 1);
  }
  fill_random(s->l.input, 1, 1);
  if (s->tokens) fill_tokens(s->l.input, s->tokens);
  lab_compile(&s->l, s->outputs, s->n_outputs, false);
  for (int i = 0; i < s->n; i++) {
    bool is_x = i == s->n - 1;
    s->at[i] = is_x ? s->l.input : cy_state_find(s->l.state, cy_value_name(s->variables[i]));
    if (!is_x) fill_random(s->at[i], 100 + (uint64_t)i, 0.7);
    cy_status status = cy_session_bind(s->l.session, direction_name(i), s->v[i]);
    if (!is_x || !s->tokens) assert_ok(status); /* nothing is derived by whole numbers */
  }
  assert_ok(cy_session_run(s->l.session));
}

static void close_second(second *s) {
  for (int i = 0; i < s->n; i++) cy_tensor_free(s->v[i]);
  lab_close(&s->l);
}

static void gather(const second *s, int first, double *to) {
  for (int i = 0; i < s->n; i++)
    for (int64_t k = 0; k < s->offset[i + 1] - s->offset[i]; k++)
      to[s->offset[i] + k] = cy_tensor_at(cy_session_output(s->l.session, first + i), k);
}

static void gather_full(const second *s, double *h) {
  int64_t n = s->offset[s->n];
  for (int i = 0; i < s->n; i++)
    for (int k = 0; k < s->n; k++) {
      const cy_tensor *block = cy_session_output(s->l.session, 3 * s->n + i * s->n + k);
      int64_t rows = s->offset[i + 1] - s->offset[i], columns = s->offset[k + 1] - s->offset[k];
      for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
          h[(s->offset[i] + r) * n + s->offset[k] + c] = cy_tensor_at(block, r * columns + c);
    }
}

static double norm(const double *a, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * a[i];
  return sqrt(sum);
}

static void assert_close(const example *e, bool training, const char *what, const double *got, const double *want, int64_t n,
                         double tolerance) {
  double apart = 0, size = norm(want, n);
  for (int64_t i = 0; i < n; i++) apart += (got[i] - want[i]) * (got[i] - want[i]);
  if (!(sqrt(apart) <= tolerance * fmax(size, 1e-3)))
    fail_msg("%s%s: %s: relative error %.3g", e->text, training ? ", in training" : "", what, sqrt(apart) / size);
}

static void numbers(cy_tensor *const *tensors, int n, double *to) {
  for (int i = 0; i < n; i++)
    for (int64_t k = 0; k < cy_tensor_count(tensors[i]); k++) *to++ = cy_tensor_at(tensors[i], k);
}

/* Central differences of the gradient along v. Kinks are further away than the step, at these random points. */
static void differences(second *s, const double *v, double *to) {
  const double h = 1e-6;
  int64_t n = s->offset[s->n];
  double up[MAX_NUMBERS];
  for (int side = 0; side < 2; side++) {
    for (int i = 0; i < s->n; i++)
      for (int64_t k = 0; k < cy_tensor_count(s->at[i]); k++)
        cy_tensor_set(s->at[i], k, cy_tensor_at(s->at[i], k) + (side ? -2 : 1) * h * v[s->offset[i] + k]);
    assert_ok(cy_session_run(s->l.session));
    gather(s, 0, side ? to : up);
  }
  for (int64_t i = 0; i < n; i++) to[i] = (up[i] - to[i]) / (2 * h);
}

static void compare_objective(const example *e, bool training, second *s, const double *v, const double *want) {
  cy_objective *f;
  double x[MAX_NUMBERS], got[MAX_NUMBERS];
  assert_ok(cy_objective_create((cy_objective_graph){.loss = s->loss, .variables = s->variables, .n = s->n}, &f));
  for (int i = 0; i < cy_state_count(s->l.state); i++) /* statistics, random numbers: where it reads them */
    if (cy_state_role(s->l.state, i) != CY_PARAMETER &&
        cy_objective_bind(f, cy_state_name(s->l.state, i), cy_state_tensor(s->l.state, i)) != CY_OK)
      continue;
  numbers(s->at, s->n, x);
  assert_ok(cy_objective_product(f, CY_HESSIAN, x, v, got));
  assert_close(e, training, "the objective's product", got, want, s->offset[s->n], 1e-12);
  cy_objective_free(f);
}

static void check_example(const example *e, bool training) {
  second s = open_second(e, training);
  int64_t n = s.offset[s.n];
  double v[MAX_NUMBERS], got[MAX_NUMBERS], want[MAX_NUMBERS], *h = calloc((size_t)(n * n), sizeof *h),
         *transposed = calloc((size_t)(n * n), sizeof *h);
  assert_true(h && transposed);
  derive(&s);
  compile_second(&s);
  numbers(s.v, s.n, v);
  gather_full(&s, h);
  for (int64_t i = 0; i < n; i++) {
    want[i] = 0;
    for (int64_t k = 0; k < n; k++) want[i] += h[i * n + k] * v[k], transposed[i * n + k] = h[k * n + i];
  }
  assert_true(norm(want, n) > 1e-3);
  assert_close(e, training, "the Hessian's transpose", transposed, h, n * n, 1e-12);
  gather(&s, s.n, got);
  assert_close(e, training, "forward over reverse", got, want, n, 1e-12);
  gather(&s, 2 * s.n, got);
  assert_close(e, training, "reverse over forward", got, want, n, 1e-12);
  compare_objective(e, training, &s, v, want);
  differences(&s, v, got);
  assert_close(e, training, "differences of gradients", got, want, n, 1e-6);
  free(h);
  free(transposed);
  close_second(&s);
}

static void products_are_those_of_the_full_hessian(void **state) {
  (void)state;
  for (int i = 0; i < EXAMPLES; i++) check_example(&examples[i], false);
}

static void in_training_too(void **state) {
  (void)state;
  for (int i = 0; i < EXAMPLES; i++) check_example(&examples[i], true);
}

/* ---- batch normalisation by hand ---- */

enum { BATCH = 6 };

/* Second derivative of sum c_i xhat_i(x + t v) at t = 0, for the xhat of x's own mean and variance: by the series of
 * the mean, of the variance and of its root in t. */
static double by_hand(const double *x, const double *v, const double *c, double epsilon) {
  double mean = 0, slope = 0, var = 0, var1 = 0, var2 = 0, sum = 0;
  for (int i = 0; i < BATCH; i++) mean += x[i] / BATCH, slope += v[i] / BATCH;
  for (int i = 0; i < BATCH; i++) {
    double d = x[i] - mean, u = v[i] - slope;
    var += d * d / BATCH, var1 += 2 * d * u / BATCH, var2 += 2 * u * u / BATCH;
  }
  double s = var + epsilon, f1 = -0.5 * pow(s, -1.5) * var1;
  double f2 = 0.75 * pow(s, -2.5) * var1 * var1 - 0.5 * pow(s, -1.5) * var2;
  for (int i = 0; i < BATCH; i++) sum += c[i] * (2 * (v[i] - slope) * f1 + (x[i] - mean) * f2);
  return sum;
}

static void batch_norm_in_training_by_hand(void **state) {
  (void)state;
  lab l = lab_open(true, CY_F64, CY_SHAPE(BATCH, 1));
  cy_value loss = mix(apply_text(l.net, l.x, "batch_norm(affine=false)"));
  cy_objective *f;
  double x[BATCH], v[BATCH], c[BATCH], hv[BATCH], got = 0;
  assert_ok(cy_objective_create((cy_objective_graph){.loss = loss, .variables = &l.x, .n = 1}, &f));
  for (int i = 0; i < BATCH; i++) x[i] = sin(2 + 3 * i), v[i] = cos(1 + 2 * i), c[i] = cos(1 + i);
  assert_ok(cy_objective_product(f, CY_HESSIAN, x, v, hv));
  for (int i = 0; i < BATCH; i++) got += v[i] * hv[i];
  double want = by_hand(x, v, c, 1e-5);
  assert_true(fabs(want) > 0.01);
  assert_near("v' H v", got, want, 1e-13);
  cy_objective_free(f);
  lab_close(&l);
}

/* ---- what they cost ---- */

/* In operations and bytes, of which the compiler knows; times are the benchmarks' business. In a chain of products
 * the forward pass has one per layer, the gradient two more, save for the first layer's input. */
static void assert_costs(const char *text, cy_shape shape) {
  lab l = lab_open(false, CY_F32, shape);
  cy_value y = cy_input(l.graph, "y", CY_I64, CY_SHAPE(shape.dim[0])), output = apply_text(l.net, l.x, text);
  cy_objective_graph graph = {.loss = cy_cross_entropy(output, y, (cy_cross_entropy_options){0}), .output = output};
  cy_objective *f;
  cy_objective_cost value, gradient, hessian, gauss_newton;
  assert_ok(cy_graph_status(l.graph));
  graph.variables = cy_network_parameters(l.net, &graph.n);
  assert_ok(cy_objective_create(graph, &f));
  assert_ok(cy_objective_cost_of(f, CY_PASS_VALUE, &value));
  assert_ok(cy_objective_cost_of(f, CY_PASS_GRADIENT, &gradient));
  assert_ok(cy_objective_cost_of(f, CY_PASS_HESSIAN, &hessian));
  assert_ok(cy_objective_cost_of(f, CY_PASS_GAUSS_NEWTON, &gauss_newton));
  assert_true(gradient.flops - value.flops <= 2.5 * value.flops);
  assert_true(gradient.flops <= 3 * value.flops);
  assert_true(hessian.flops <= 2.5 * gradient.flops);
  assert_true(hessian.arena_bytes <= 2.5 * (double)gradient.arena_bytes);
  assert_true(gauss_newton.flops < hessian.flops && gauss_newton.arena_bytes <= 2.5 * (double)gradient.arena_bytes);
  cy_objective_free(f);
  lab_close(&l);
}

static void products_cost_few_gradients(void **state) {
  (void)state;
  static const char *const convolutions =
      "conv(32, 3, stride=2, pad=half) -> relu -> conv(64, 5, pad=half) -> relu -> max_pool(2)"
      "-> conv(128, 3, pad=half) -> relu -> max_pool(2) -> conv(256, 3, pad=half) -> relu -> flatten"
      "-> dense(256) -> relu -> dense(10)";
  assert_costs("dense(128) -> relu -> dense(10)", CY_SHAPE(32, 784));
  assert_costs("2 * (dense(512) -> relu) -> dense(10)", CY_SHAPE(64, 32));
  assert_costs(convolutions, CY_SHAPE(64, 1, 28, 28));
  assert_costs(convolutions, CY_SHAPE(64, 3, 64, 64));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_layer_has_an_example),
      cmocka_unit_test(products_are_those_of_the_full_hessian),
      cmocka_unit_test(in_training_too),
      cmocka_unit_test(batch_norm_in_training_by_hand),
      cmocka_unit_test(products_cost_few_gradients),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
