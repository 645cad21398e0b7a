/* Formulas: values against arithmetic in C, gradients against differences, random formulas against their own
 * evaluation, recurrences against loops; every mistake with its sentence and place; hostile text; allocations that
 * fail. */
#include "expect.h"

#include "allocations.h"
#include "base/error.h"
#include "base/random.h"

#include <cauchy.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- computing a formula ---- */

/* Numbers of the symbols, by name; indices are given as numbers too. */
typedef struct given {
  const char *name;
  double numbers[8];
} given;

enum { MOST = 64 };

typedef struct computed {
  int64_t n;
  double numbers[MOST];
  cy_shape shape;
} computed;

static const given *find_given(const given *list, const char *name) {
  while (list->name && strcmp(list->name, name) != 0) list++;
  if (!list->name) fail_msg("no numbers for %s", name);
  return list;
}

static cy_tensor *tensor_of(cy_value symbol, const given *list) {
  const given *g = find_given(list, cy_value_name(symbol));
  cy_tensor *tensor;
  OK(cy_tensor_create(cy_value_dtype(symbol), cy_value_shape(symbol), &tensor));
  assert_true(cy_tensor_count(tensor) <= 8);
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++)
    if (cy_value_dtype(symbol) == CY_F64) cy_tensor_f64(tensor)[i] = g->numbers[i];
    else cy_tensor_i64(tensor)[i] = (int64_t)g->numbers[i];
  return tensor;
}

/* The value of the last statement. */
static computed compute(const cy_formula *f, const given *list) {
  cy_graph *graph;
  cy_program *program;
  cy_session *session;
  cy_value symbols[32], statements[64];
  cy_tensor *tensors[32];
  computed out = {0};
  int n = cy_formula_symbol_count(f), n_statements = cy_formula_statement_count(f);
  assert_true(n <= 32 && n_statements <= 64);
  OK(cy_graph_create(&graph));
  OK(cy_formula_build(f, graph, symbols, statements));
  OK(cy_graph_verify(graph));
  OK(
      cy_compile(&statements[n_statements - 1], 1, NULL, 0, (cy_program_options){.backend = "reference"}, &program));
  OK(cy_session_create(program, &session));
  for (int i = 0; i < n; i++) {
    tensors[i] = tensor_of(symbols[i], list);
    OK(cy_session_bind(session, cy_formula_symbol(f, i), tensors[i]));
  }
  OK(cy_session_run(session));
  const cy_tensor *value = cy_session_output(session, 0);
  out.n = cy_tensor_count(value);
  out.shape = cy_tensor_shape(value);
  assert_true(out.n <= MOST);
  for (int64_t i = 0; i < out.n; i++) out.numbers[i] = cy_tensor_at(value, i);
  cy_session_free(session);
  cy_program_free(program);
  for (int i = 0; i < n; i++) cy_tensor_free(tensors[i]);
  cy_graph_free(graph);
  return out;
}

static cy_formula *parse(const char *text, const char *dimensions) {
  cy_formula *f;
  if (cy_formula_parse(text, "formula", dimensions, &f) != CY_OK) fail_msg("%s: %s", text, cy_error_message());
  return f;
}

/* d = 3, h = 2 wherever they occur. */
static cy_formula *parse_sized(const char *text, const char *dimensions) {
  cy_formula *f = parse(text, dimensions);
  for (int i = 0; i < cy_formula_dimension_count(f); i++) {
    const char *name = cy_formula_dimension(f, i);
    OK(cy_formula_set_dimension(f, name, strcmp(name, "h") == 0 ? 2 : 3));
  }
  return f;
}

static computed value_of(const char *text, const char *dimensions, const given *list) {
  cy_formula *f = parse_sized(text, dimensions);
  computed value = compute(f, list);
  cy_formula_free(f);
  return value;
}

static void assert_close(const char *text, double value, double expected) {
  if (value == expected || fabs(value - expected) <= 1e-13 * fmax(1, fabs(expected))) return;
  fail_msg("%s: %.17g, expected %.17g", text, value, expected);
}

/* ---- values ---- */

static const given numbers[] = {
    {"x", {1, -2, 0.5}}, {"y", {0.3, 0.2, -1}}, {"u", {2, -3}},  {"z", {1.7}}, {"a", {-0.6}},
    {"W", {1, 2, 3, -1, 0.5, 4}}, {"X", {1, 2, 3, -1, 0.5, 4}}, {"k", {2}}, {"l", {2, 0}}, {"b", {1, -1}},
    {0},
};
static const char dimensions[] = "x:d, y:d, u:h, z, a:number, W:(h,d), X:(h,d), k:index, l:index(h), b:h";

typedef struct known {
  const char *text;
  int64_t n;
  double expected[8];
} known;

static void values_equal_arithmetic(void **state) {
  (void)state;
  const double z = 1.7, a = -0.6, pi = acos(-1), e1 = exp(1), e2 = exp(-2), e3 = exp(0.5), s = e1 + e2 + e3;
  const known rows[] = {
      {"z", 1, {z}},
      {"1 - 2 - 3", 1, {-4}},
      {"8/4/2", 1, {1}},
      {"2^3^2", 1, {512}},
      {"-z^2", 1, {-z * z}},
      {"2^-2", 1, {0.25}},
      {"-z*a", 1, {-z * a}},
      {"z*-a", 1, {-z * a}},
      {"--z", 1, {z}},
      {"1 + 2*z^2/a", 1, {1 + 2 * z * z / a}},
      {"(1 + 2)*z", 1, {3 * z}},
      {".5 + 1e-3 + 2.", 1, {2.501}},
      {"pi*z", 1, {pi * z}},
      {"z^2.5", 1, {pow(z, 2.5)}},
      {"z^a", 1, {pow(z, a)}},
      {"exp(a) + ln(z) + log(z)", 1, {exp(a) + 2 * log(z)}},
      {"sqrt(z)*sin(a)*cos(a)*tanh(a)", 1, {sqrt(z) * sin(a) * cos(a) * tanh(a)}},
      {"sigmoid(a) + logistic(a)", 1, {2 / (1 + exp(-a))}},
      {"relu(a) + relu(z)", 1, {z}},
      {"softplus(a)", 1, {log(1 + exp(a))}},
      {"abs(a) + |a| + ||a||", 1, {3 * 0.6}},
      {"sign(a) + step(a) + step(z)", 1, {0}},
      {"erf(a) + expm1(a) + log1p(a)", 1, {erf(a) + expm1(a) + log1p(a)}},
      {"max(a, z) + min(a, z)", 1, {z + a}},
      {"prelu(a, 0.25) + prelu(z, 0.25)", 1, {0.25 * a + z}},
      {"x + y", 3, {1.3, -1.8, -0.5}},
      {"x .* y", 3, {0.3, -0.4, -0.5}},
      {"z*x/2", 3, {z / 2, -z, z / 4}},
      {"x^2", 3, {1, 4, 0.25}},
      {"x.^2 ./ y", 3, {1 / 0.3, 4 / 0.2, -0.25}},
      {"W*x", 2, {1 - 4 + 1.5, -1 - 1 + 2}},
      {"W @ x", 2, {-1.5, 0}},
      {"W'*u", 3, {2 + 3, 4 - 1.5, 6 - 12}},
      {"W^T*u", 3, {5, 2.5, -6}},
      {"u'*W", 3, {5, 2.5, -6}},
      {"(u'*W)'", 3, {5, 2.5, -6}},
      {"x'*y", 1, {0.3 - 0.4 - 0.5}},
      {"x^T*y + dot(x, y)", 1, {-1.2}},
      {"u'*W*x", 1, {-3}},
      {"u*x'", 6, {2, -4, 1, -3, 6, -1.5}},
      {"W*W'", 4, {14, 12, 12, 17.25}},
      {"W .* X", 6, {1, 4, 9, 1, 0.25, 16}},
      {"X*W' + b", 4, {15, 11, 13, 16.25}},
      {"X + x", 6, {2, 0, 3.5, 0, -1.5, 4.5}},
      {"X - column(u)", 6, {-1, 0, 1, 2, 3.5, 7}},
      {"X .^ 2", 6, {1, 4, 9, 1, 0.25, 16}},
      {"|x|^2", 1, {5.25}},
      {"norm(x)^2 + |x|", 1, {5.25 + sqrt(5.25)}},
      {"|x|_1 + norm1(x)", 1, {7}},
      {"|W|^2", 1, {1 + 4 + 9 + 1 + 0.25 + 16}},
      {"sum(x) + mean(x)", 1, {-0.5 - 0.5 / 3}},
      {"max(x) + min(x)", 1, {-1}},
      {"sum(X, 0)", 3, {0, 2.5, 7}},
      {"mean(X, 1)", 2, {2, 3.5 / 3}},
      {"sum(X)", 1, {9.5}},
      {"softmax(x)", 3, {e1 / s, e2 / s, e3 / s}},
      {"log_softmax(x)", 3, {1 - log(s), -2 - log(s), 0.5 - log(s)}},
      {"log(softmax(x))", 3, {1 - log(s), -2 - log(s), 0.5 - log(s)}},
      {"logsumexp(x) + log(sum(exp(x)))", 1, {2 * log(s)}},
      {"-log(softmax(x))[k]", 1, {log(s) - 0.5}},
      {"-log(softmax(x)[k])", 1, {log(s) - 0.5}},
      {"s = softmax(x); p = s[k]; L = -log(p)", 1, {log(s) - 0.5}},
      {"x[k] + x[0] + x[1]", 1, {-0.5}},
      {"W[1]", 3, {-1, 0.5, 4}},
      {"W[1,2] + W[0,k]", 1, {7}},
      {"X[l]", 2, {3, -1}},
      {"onehot(k, d)", 3, {0, 0, 1}},
      {"softmax(x) - onehot(k, d)", 3, {e1 / s, e2 / s, e3 / s - 1}},
      {"onehot(l, 4)", 8, {0, 0, 1, 0, 1, 0, 0, 0}},
      {"1/d*sum(x) + h", 1, {-0.5 / 3 + 2}},
      {"log(1 + exp(a)) + log(exp(z) + 1)", 1, {log(1 + exp(a)) + log(1 + exp(z))}},
      {"log(sigmoid(a)) + log(1 - sigmoid(a))", 1, {-log(1 + exp(-a)) - log(1 + exp(a))}},
      {"log(exp(a))", 1, {a}},
      {"log(1 - z^2 + 4)", 1, {log(5 - z * z)}},
      {"sum(t=1..4, t*z^t)", 1, {z + 2 * z * z + 3 * z * z * z + 4 * z * z * z * z}},
      {"sum(i=0..1, sum(j=0..2, W[i,j]*u[i]*x[j]))", 1, {-3}},
      {"p = z + 1 # a comment\nq = p*\n  p\n\nq - 1;;", 1, {(z + 1) * (z + 1) - 1}},
      {"tanh(sum(\n  x\n))", 1, {tanh(-0.5)}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    computed value = value_of(rows[i].text, dimensions, numbers);
    if (value.n != rows[i].n) fail_msg("%s: %d numbers", rows[i].text, (int)value.n);
    for (int64_t k = 0; k < value.n; k++) assert_close(rows[i].text, value.numbers[k], rows[i].expected[k]);
  }
}

static void without_dimensions_all_symbols_are_numbers(void **state) {
  (void)state;
  const given list[] = {{"x", {2}}, {"w[1]", {3}}, {"T", {1}}, {0}};
  assert_close("w[1]", value_of("x*w[1]", NULL, list).numbers[0], 6);
  assert_close("x^2", value_of("x^2 + 0.8*x - 0.5", NULL, list).numbers[0], 5.1);
}

static void logarithms_are_stable(void **state) {
  (void)state;
  const given list[] = {{"o", {1e4, -1e4, 0}}, {"t", {-1000}}, {"k", {1}}, {0}};
  assert_close("softmax", value_of("-log(softmax(o)[k])", "o:3, k:index", list).numbers[0], 2e4);
  assert_close("softmax", value_of("s = softmax(o); -log(s)[k]", "o:3, k:index", list).numbers[0], 2e4);
  assert_close("sigmoid", value_of("-log(sigmoid(t))", NULL, list).numbers[0], 1000);
  assert_close("sigmoid", value_of("p = sigmoid(-t); -log(1 - p)", NULL, list).numbers[0], 1000);
  assert_close("sigmoid", value_of("u = exp(-t); log(1/(1 + u))", NULL, list).numbers[0], -1000);
  assert_close("softplus", value_of("log(1 + exp(-t))", NULL, list).numbers[0], 1000);
  assert_close("tanh", value_of("(exp(t) - exp(-t))/(exp(t) + exp(-t))", NULL, list).numbers[0], -1);
  assert_close("logsumexp", value_of("log(sum(exp(o)))", "o:3", list).numbers[0], 1e4);
}

/* ---- networks and recurrences ---- */

static const char mlp[] = "a = W1*x + b1; h = relu(a); o = W2*h + b2; L = -log(softmax(o))[y]";
static const char mlp_dimensions[] = "x:d, W1:(h,d), b1:h, W2:(m,h), b2:m, y:index";

static void a_formula_is_described(void **state) {
  (void)state;
  static const char *const symbols[] = {"W1", "x", "b1", "W2", "b2", "y"}, *const statements[] = {"a", "h", "o", "L"};
  int64_t extent;
  cy_formula *f = parse(mlp, mlp_dimensions);
  assert_int_equal(cy_formula_symbol_count(f), 6);
  assert_int_equal(cy_formula_statement_count(f), 4);
  for (int i = 0; i < 6; i++) assert_string_equal(cy_formula_symbol(f, i), symbols[i]);
  for (int i = 0; i < 6; i++) assert_int_equal(cy_formula_symbol_is_index(f, i), i == 5);
  for (int i = 0; i < 4; i++) assert_string_equal(cy_formula_statement(f, i), statements[i]);
  assert_int_equal(cy_formula_symbol_rank(f, 0), 2);
  assert_int_equal(cy_formula_symbol_rank(f, 5), 0);
  assert_string_equal(cy_formula_symbol_dimension(f, 0, 1, &extent), "d");
  assert_null(cy_formula_symbol(f, 6));
  assert_null(cy_formula_statement(f, -1));
  assert_null(cy_formula_symbol_dimension(f, 0, 2, NULL));
  assert_int_equal(cy_formula_dimension_count(f), 3);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < i; j++) assert_true(cy_formula_dimension_extent(f, i) != cy_formula_dimension_extent(f, j));
  OK(cy_formula_set_dimension(f, "h", 7));
  assert_int_equal(cy_formula_dimension_extent(f, 1), 7);
  assert_int_equal(cy_formula_set_dimension(f, "hh", 7), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "there is no dimension \"hh\"; did you mean \"h\"?"));
  assert_int_equal(cy_formula_set_dimension(f, "h", 0), CY_INVALID);
  cy_formula_free(f);
  f = parse("x[4]^2", "x:d");
  assert_true(cy_formula_dimension_extent(f, 0) >= 5);
  assert_int_equal(cy_formula_set_dimension(f, "d", 4), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "the dimension d can't be 4: element 4 is used"));
  cy_formula_free(f);
  cy_formula_free(NULL);
}

/* Coursework D: the network by hand. */
static void the_mlp_equals_loops(void **state) {
  (void)state;
  const given list[] = {{"x", {1, -2, 0.5}}, {"W1", {0.5, -1, 2, 1, 1, 0.25}}, {"b1", {0.1, 2}},
                        {"W2", {1, -1, 0.5, 2, -0.3, 0.7}}, {"b2", {0, 0.5, -0.5}}, {"y", {1}}, {0}};
  cy_formula *f = parse(mlp, mlp_dimensions);
  OK(cy_formula_set_dimension(f, "d", 3));
  OK(cy_formula_set_dimension(f, "h", 2));
  OK(cy_formula_set_dimension(f, "m", 3));
  double h[2], o[3], total = 0;
  for (int i = 0; i < 2; i++) {
    h[i] = list[2].numbers[i];
    for (int j = 0; j < 3; j++) h[i] += list[1].numbers[3 * i + j] * list[0].numbers[j];
    h[i] = fmax(h[i], 0);
  }
  for (int i = 0; i < 3; i++) {
    o[i] = list[4].numbers[i];
    for (int j = 0; j < 2; j++) o[i] += list[3].numbers[2 * i + j] * h[j];
    total += exp(o[i]);
  }
  assert_close("L", compute(f, list).numbers[0], log(total) - o[1]);
  cy_formula_free(f);
}

/* A mini-batch is the mean over its rows. */
static void a_batch_is_the_mean_of_its_rows(void **state) {
  (void)state;
  const given batch[] = {{"X", {1, -2, 0.5, 0.3, 1, 2}}, {"W", {0.5, -1, 2, 1, 1, 0.25}}, {"b", {0.1, 2}},
                         {"y", {1, 0}}, {0}};
  double mean = 0;
  for (int i = 0; i < 2; i++) {
    given one[] = {{"x", {0}}, batch[1], batch[2], {"y", {batch[3].numbers[i]}}, {0}};
    memcpy(one[0].numbers, batch[0].numbers + 3 * i, 3 * sizeof(double));
    mean += value_of("-log(softmax(tanh(W*x + b)))[y]", "x:d, W:(h,d), b:h, y:index", one).numbers[0] / 2;
  }
  cy_formula *f = parse("O = tanh(X*W' + b); L = mean(-log(softmax(O))[y])", "X:(n,d), W:(h,d), b:h, y:index(n)");
  OK(cy_formula_set_dimension(f, "n", 2));
  OK(cy_formula_set_dimension(f, "d", 3));
  OK(cy_formula_set_dimension(f, "h", 2));
  assert_close("batch", compute(f, batch).numbers[0], mean);
  cy_formula_free(f);
}

static void recurrences_are_written_out(void **state) {
  (void)state;
  const given list[] = {{"W", {0.5, -1, 0.25, 1}},
                        {"U", {1, -0.5}},
                        {"b", {0.1, 0.2}},
                        {"h[0]", {0.3, -0.2}},
                        {"x[1]", {1}},
                        {"x[2]", {-0.5}},
                        {"x[3]", {2}},
                        {"y[1]", {0}},
                        {"y[2]", {1}},
                        {"y[3]", {0.5}},
                        {0}};
  cy_formula *f =
      parse("h[t] = tanh(W*h[t-1] + U*x[t] + b); L[t] = 0.5*|h[t] - y[t]*b|^2 for t = 1..3\nL = sum(t=1..3, L[t])",
            "W:(2,2), U:(2,1), b:2, h[0]:2, x[t]:1, y[t]");
  static const char *const statements[] = {"h[1]", "L[1]", "h[2]", "L[2]", "h[3]", "L[3]", "L"};
  double h[2] = {0.3, -0.2}, loss = 0;
  for (int t = 1; t <= 3; t++) {
    double before[2] = {h[0], h[1]};
    for (int i = 0; i < 2; i++) {
      double a = list[0].numbers[2 * i] * before[0] + list[0].numbers[2 * i + 1] * before[1] +
                 list[1].numbers[i] * list[3 + t].numbers[0] + list[2].numbers[i];
      h[i] = tanh(a);
      loss += 0.5 * pow(h[i] - list[6 + t].numbers[0] * list[2].numbers[i], 2);
    }
  }
  assert_int_equal(cy_formula_statement_count(f), 7);
  for (int i = 0; i < 7; i++) assert_string_equal(cy_formula_statement(f, i), statements[i]);
  assert_close("L", compute(f, list).numbers[0], loss);
  cy_formula_free(f);
}

static void recurrences_may_run_backwards_and_read_rows(void **state) {
  (void)state;
  const given list[] = {{"X", {1, 2, 3, 4, 5, 6}}, {"d[4]", {1}}, {"u", {2, -3}}, {"s[0]", {0, 0}}, {0}};
  assert_close("backwards", value_of("d[t] = d[t+1]*2 + t for t = 3..1; d[1]", "d[4]", list).numbers[0],
               ((1 * 2 + 3) * 2 + 2) * 2 + 1);
  assert_close("rows",
               value_of("s[t] = s[t-1] + t*X[t-1] for t = 1..3; u'*s[3]", "X:(3,2), s[0]:2, u:2", list).numbers[0],
               2 * (1 + 6 + 15) - 3 * (2 + 8 + 18));
}

/* ---- gradients ---- */

static void gradient_equals_differences(const char *text, const char *dims, const given *list) {
  cy_formula *f = parse_sized(text, dims);
  cy_graph *graph;
  cy_objective *objective;
  cy_value symbols[16], statements[16], variables[16];
  cy_tensor *held[16];
  double x[64], gradient[64], value;
  int n = cy_formula_symbol_count(f), n_variables = 0, n_held = 0;
  int64_t size = 0;
  OK(cy_graph_create(&graph));
  OK(cy_formula_build(f, graph, symbols, statements));
  for (int i = 0; i < n; i++) {
    if (cy_formula_symbol_is_index(f, i)) continue;
    const given *g = find_given(list, cy_formula_symbol(f, i));
    cy_tensor *t = tensor_of(symbols[i], list);
    variables[n_variables++] = symbols[i];
    for (int64_t k = 0; k < cy_tensor_count(t); k++) x[size++] = g->numbers[k];
    cy_tensor_free(t);
  }
  OK(cy_objective_create((cy_objective_graph){.loss = statements[cy_formula_statement_count(f) - 1],
                                                     .variables = variables, .n = n_variables}, &objective));
  for (int i = 0; i < n; i++) {
    if (!cy_formula_symbol_is_index(f, i)) continue;
    held[n_held] = tensor_of(symbols[i], list);
    OK(cy_objective_bind(objective, cy_formula_symbol(f, i), held[n_held++]));
  }
  cy_graph_free(graph);
  OK(cy_objective_gradient(objective, x, &value, gradient));
  for (int64_t i = 0; i < size; i++) {
    double at = x[i], step = 1e-5, right, left;
    x[i] = at + step;
    OK(cy_objective_value(objective, x, &right));
    x[i] = at - step;
    OK(cy_objective_value(objective, x, &left));
    x[i] = at;
    double difference = (right - left) / (2 * step);
    if (!(fabs(gradient[i] - difference) <= 1e-7 * fmax(1, fabs(difference))))
      fail_msg("%s: derivative %d is %.9g, by differences %.9g", text, (int)i, gradient[i], difference);
  }
  cy_objective_free(objective);
  for (int i = 0; i < n_held; i++) cy_tensor_free(held[i]);
  cy_formula_free(f);
}

static void gradients_equal_differences(void **state) {
  (void)state;
  static const char *const texts[] = {
      "z^2 + 0.8*z - 0.5",
      "z^a",
      "exp(a)*log(z)/sqrt(z)",
      "sin(z)*cos(a)*tanh(z*a)",
      "sigmoid(a)*softplus(z)",
      "erf(a)/z",
      "prelu(a, z) + prelu(z, a)",
      "max(a, z)*min(a, z)",
      "relu(z)*|a|",
      "|x|^2*|y|",
      "|x|_1 + norm(W)^3",
      "u'*W*x",
      "sum(W*W')",
      "sum((X*W' + b).^2)",
      "dot(X - x, W)",
      "mean(tanh(X - column(u)))",
      "sum(mean(X, 0).^2)",
      "|sum(X, 1) - u|^2",
      "-log(softmax(W*x .* u))[k] + z*a",
      "-log(softmax(x)[k])",
      "-mean(log(softmax(X))[l])",
      "-log(sigmoid(a)) - log(1 - sigmoid(z))",
      "logsumexp(x) - log(sum(exp(y)))",
      "max(x)*min(y)",
      "dot(softmax(x), y)",
      "|softmax(X) - onehot(l, d)|^2",
      "x[k]*x[0]*y[1]",
      "dot(W[1], W[0])*W[1,2]",
      "sum(u*x' .* W)",
      "m = mean(x); v = mean((x - m)^2); s = (x - m)/sqrt(v + 0.001); dot(s*z + a, y)",
      "p[t] = tanh(p[t-1] + z) for t = 1..4; p[4]*p[2]",
  };
  const char *dims = "x:d, y:d, u:h, z, a, W:(h,d), X:(h,d), k:index, l:index(h), b:h, p[0]";
  given list[20];
  int n = 0;
  for (; numbers[n].name; n++) list[n] = numbers[n];
  list[n++] = (given){"p[0]", {0.4}};
  list[n] = (given){0};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    bool mixed = strstr(texts[i], "W*x .* u") != NULL; /* (h) labels are too few for k = 2: counted in W*x */
    list[7].numbers[0] = mixed ? 1 : 2;
    gradient_equals_differences(texts[i], dims, list);
  }
}

/* A squared length has a derivative at 0, as the length itself has not. */
static void squared_lengths_have_a_derivative_at_zero(void **state) {
  (void)state;
  const given list[] = {{"x", {0, 0, 0}}, {"z", {0}}, {0}};
  gradient_equals_differences("|x|^2 + norm(x)^2 + |z|^2", "x:d, z", list);
}

/* ---- random formulas, against the evaluation of their own trees ---- */

typedef struct writer {
  cy_rng rng;
  char text[4096];
  size_t length;
} writer;

static void put(writer *w, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(w->text + w->length, sizeof w->text - w->length, format, args);
  va_end(args);
  w->length += (size_t)n;
  assert_true(w->length < sizeof w->text);
}

static void put_blank(writer *w) {
  if (cy_rng_below(&w->rng, 4) == 0) put(w, " ");
}

/* Writes an expression of at least this precedence (0 sum, 1 product, 2 minus, 3 power, 4 atom) and returns its value:
 * brackets stand only where they must, and now and then where they need not. */
static double write_random(writer *w, int precedence, int depth) {
  static const double symbol[] = {1.7, -0.6, 0.25};
  int kind = depth <= 0 ? 0 : (int)cy_rng_below(&w->rng, 9), needs[] = {4, 4, 0, 0, 1, 1, 2, 3, 4};
  bool bracket = needs[kind] < precedence || cy_rng_below(&w->rng, 8) == 0;
  double a, b, value = 0;
  if (bracket) put(w, "(");
  if (kind <= 1) {
    int i = (int)cy_rng_below(&w->rng, 5);
    value = i < 3 ? symbol[i] : i == 3 ? 0.5 : 3;
    if (i < 3) put(w, "%c", "zab"[i]);
    else put(w, i == 3 ? "0.5" : "3");
  } else if (kind <= 5) {
    int level = kind / 2 - 1;
    a = write_random(w, level, depth - 1);
    put_blank(w);
    put(w, "%c", "+-*/"[kind - 2]);
    put_blank(w);
    b = write_random(w, level + 1, depth - 1);
    value = kind == 2 ? a + b : kind == 3 ? a - b : kind == 4 ? a * b : a / b;
  } else if (kind == 6) {
    put(w, "-");
    value = -write_random(w, 2, depth - 1);
  } else if (kind == 7) {
    a = write_random(w, 4, depth - 1);
    put(w, "^2");
    value = a * a;
  } else {
    put(w, "tanh(");
    value = tanh(write_random(w, 0, depth - 1));
    put(w, ")");
  }
  if (bracket) put(w, ")");
  return value;
}

static void random_formulas_mean_what_they_say(void **state) {
  (void)state;
  const given list[] = {{"z", {1.7}}, {"a", {-0.6}}, {"b", {0.25}}, {0}};
  static writer w;
  w.rng = cy_rng_make(11, 0);
  for (int i = 0; i < 300; i++) {
    w.length = 0;
    double expected = write_random(&w, 0, 5);
    if (!isfinite(expected) || fabs(expected) > 1e6) continue;
    double value = value_of(w.text, NULL, list).numbers[0];
    if (!(fabs(value - expected) <= 1e-9 * fmax(1, fabs(expected))))
      fail_msg("%s = %.17g, not %.17g", w.text, value, expected);
  }
}

/* ---- mistakes ---- */

typedef struct mistake {
  const char *text, *dimensions, *message;
} mistake;

static void mistakes_are_named_with_their_place(void **state) {
  (void)state;
  static const mistake rows[] = {
      /* dimensions */
      {"W1 * x", "x:m, W1:(h,d)",
       "formula:1:4: W1 * x: W1 is (h, d) and x is (m): the inner dimensions d and m differ\nW1 * x\n   ^"},
      {"a = W*x\nb = a + c", "x:d, W:(h,d), c:m",
       "formula:2:7: a + c: a is (h) and c is (m): the dimensions h and m differ\nb = a + c\n      ^"},
      {"x + (y - z)", "x:3, y:3, z:4", "formula:1:8: y - z: y is (3) and z is (4): the dimensions 3 and 4 differ"},
      {"(x + y) * X", "x:d, y:d, X:(n,m)",
       "formula:1:9: (x + y) * X: (x + y) is (d) and X is (n, m): the inner dimensions 1 and n differ"},
      {"x * y", "x:d, y:d",
       "formula:1:3: x * y: x is (d) and y is (d): two columns; dot(x, y) is a number, x .* y a vector, "
       "x * y' a matrix"},
      {"x * y", "x:d, y:e", "two columns; x * y' is a matrix"},
      {"g * X", "g:d, X:(n,d)", "a column times a matrix; element by element it is g .* X"},
      {"x * W", "x:d, W:(d,n)", "a column times a matrix; the row is x' * W"},
      {"x' * y'", "x:d, y:d", "x' is (1, d) and y' is (1, d): the inner dimensions d and 1 differ"},
      {"x + y'", "x:d, y:d", "one is a row, the other a column"},
      {"X + u", "X:(n,d), u:n", "X is (n, d) and u is (n): the last dimensions d and n differ"},
      {"X .* Y", "X:(n,d), Y:(n,e)", "the dimensions d and e differ"},
      {"X ^ 2", "X:(n,d)", "formula:1:3: X ^ 2: X is a matrix (n, d); the power of each element is X .^ 2"},
      {"dot(x, y)", "x:d, y:e", "formula:1:1: x and y: x is (d) and y is (e): the dimensions d and e differ"},
      {"dot(x, X)", "x:d, X:(n,d)", "dot needs two that are alike"},
      {"max(x, y)", "x:d, y:e", "x and y: x is (d) and y is (e)"},
      /* elements */
      {"a[y]", "a, y:index", "formula:1:2: a is a number: it has no elements"},
      {"x[3]", "x:3", "formula:1:2: x: there is no element 3: they count from 0 to 2"},
      {"x[-1]", "x:3", "there is no element -1"},
      {"x[0,1]", "x:3", "x is (3): it takes one subscript, not two"},
      {"x[a]", "x:3, a", "a subscript is a whole number or a symbol declared as index"},
      {"x[1.5]", "x:3", "expected a whole number"},
      {"log(softmax(x))[y]", "x:m, y:index(n)",
       "x)) is (m) and y is indices (n): one index per row picks from a matrix"},
      {"log(O)[y]", "O:(m,k), y:index(n)", "log(O) is (m, k) and y is indices (n): the dimensions m and n differ"},
      {"y + 1", "y:index", "y is an index, not a number: it picks elements, as in a[y]"},
      {"exp(y)", "y:index", "y is an index"},
      {"a = y; 1", "y:index", "an index is no value of a statement"},
      /* functions */
      {"softmax(z)", "z", "formula:1:1: softmax needs a vector or a matrix: z is a number"},
      {"onehot(z, 3)", "z", "onehot needs an index: z is a number"},
      {"onehot(y)", "y:index", "expected ',' and how many classes, found ')'"},
      {"onehot(y, k)", "y:index", "there is no dimension \"k\""},
      {"sum(x, 0)", "x:3", "sum needs a matrix for its rows (0) or columns (1): x is (3)"},
      {"sum(X, 2)", "X:(2,3)", "over the rows is 0, over the columns 1"},
      {"column(X)", "X:(2,3)", "column needs a vector: X is (2, 3)"},
      {"sofmax(x)", "x:3", "formula:1:1: unknown function \"sofmax\"; did you mean \"softmax\"?"},
      {"x(3)", "x:3", "x is not a function; a product is written x * (...)"},
      {"exp + 1", NULL, "exp is a function: exp(...)"},
      {"exp()", NULL, "formula:1:5: expected a value, found ')'"},
      {"exp(1, 2)", NULL, "expected ')', found ','"},
      {"max(1, 2, 3)", NULL, "expected ')', found ','"},
      {"prelu(1)", NULL, "expected ',' and another argument, found ')'"},
      /* names */
      {"weight + wieght", "weight", "formula:1:10: unknown symbol \"wieght\"; did you mean \"weight\"?"},
      {"a + 1", "", "unknown symbol \"a\": it is neither declared nor defined before"},
      {"b = a; a = 1; b", "c", "a is used before it is defined"},
      {"b = a; a = 1; b", NULL, "formula:1:8: a is used before it is defined"},
      {"a = 1; a = 2", NULL, "formula:1:8: a is defined twice"},
      {"x = 1; x", "x", "x is declared as a symbol: it can't be defined too"},
      {"exp = 1", NULL, "\"exp\" is a function"},
      {"for = 1", NULL, "\"for\" can't be a name"},
      {"1; 2", NULL, "formula:1:1: only the last statement may be without a name"},
      /* grammar */
      {"", NULL, "formula:1:1: there is no formula"},
      {" # nothing\n;", NULL, "there is no formula"},
      {"1 +", NULL, "formula:1:4: expected a value, found the end\n1 +\n   ^"},
      {"a = ", NULL, "expected a value, found the end"},
      {"(1", NULL, "expected ')', found the end"},
      {"1)", NULL, "expected an operator or the end, found ')'"},
      {"|x", NULL, "expected '|', found the end"},
      {"2x", NULL, "formula:1:2: expected an operator: products are written with *"},
      {"x y", NULL, "expected an operator or the end, found \"y\""},
      {"x % 2", NULL, "formula:1:3: '%' has no meaning here"},
      {"x \x01", NULL, "byte 0x01 has no meaning here"},
      {"\xc3\xa9", NULL, "byte 0xc3 has no meaning here"},
      {"1e999", NULL, "the number does not fit in double precision"},
      {"a = (1\n)\nb = a +\n 2\nc = b[", NULL, "formula:5:6: b is a number: it has no elements"},
      /* steps */
      {"h[t] = h[t-1]", "h[0]", "formula:1:1: which steps? add \"for t = 1..3\""},
      {"h[t] = h[t-1] for s = 1..3", "h[0]", "formula:1:3: t has no number here"},
      {"h[t] = h[t-1] for t = 1..", "h[0]", "expected a whole number, found the end"},
      {"h[t] = h[t-1] for t = 1", "h[0]", "expected '..' between the first and the last step, found the end"},
      {"h[t] = h[t-1] for t = 2..3", "h[0]", "unknown symbol \"h[1]\""},
      {"h[t] = h[t-1] for t = 1..100000", "h[0]", "more than 4096 steps"},
      {"h[t] = h[t-1] for t = 1..9223372036854775807", "h[0]", "more than 4096 steps"},
      {"h[t] = h[t-1] for t = 1..9223372036854775808", "h[0]", "expected a whole number"},
      {"h[t] = 1 2 for t = 1..3", NULL, "expected an operator or \"for\", found \"2\""},
      {"sum(t=3..1, t)", NULL, "formula:1:5: the sum has no terms"},
      {"sum(t=1..3)", NULL, "expected ',' and what is summed, found ')'"},
      {"sum(t=1..3, x[t])", "x:3", "there is no element 3"},
      /* declarations */
      {"x", "x:", "dimensions:1:3: expected a dimension (a name or a number), found the end"},
      {"x", "x:d y", "dimensions:1:5: expected ',' or the end, found \"y\""},
      {"x", "x:0", "a dimension is a whole number from 1 or a name"},
      {"x", "x:(2,3,4)", "a symbol has at most two dimensions"},
      {"x", "x:(2,3", "expected ',' or ')', found the end"},
      {"x", "x:index(2,3)", "indices are one number or one per row"},
      {"x", "x, x:3", "dimensions:1:4: x is declared twice"},
      {"x", "exp:3", "\"exp\" is a function"},
      {"x", "3:d", "expected the name of a symbol, found \"3\""},
      {"x", "x[1:3", "expected ']', found ':'"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cy_formula *f;
    cy_status status = cy_formula_parse(rows[i].text, "formula", rows[i].dimensions, &f);
    if (status != CY_INVALID) fail_msg("%s: status %d", rows[i].text, status);
    assert_null(f);
    if (!strstr(cy_error_message(), rows[i].message))
      fail_msg("%s: \"%s\", expected \"%s\"", rows[i].text, cy_error_message(), rows[i].message);
  }
}

static void assert_refused(const char *text, const char *dims, const char *message) {
  cy_formula *f;
  assert_int_equal(cy_formula_parse(text, NULL, dims, &f), CY_INVALID);
  if (!strstr(cy_error_message(), message)) fail_msg("%s, expected \"%s\"", cy_error_message(), message);
}

static char *repeated(const char *first, const char *middle, int n, const char *last) {
  size_t length = strlen(first) + strlen(middle) * (size_t)n + strlen(last) + 1;
  char *text = malloc(length), *at = text;
  assert_non_null(text);
  at = stpcpy(at, first);
  for (int i = 0; i < n; i++) at = stpcpy(at, middle);
  stpcpy(at, last);
  return text;
}

static void oversized_formulas_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *first, *middle;
    int n;
    const char *last, *message;
  } rows[] = {
      {"", "(", 100000, "x", "nested more than 200 deep"},
      {"", "-", 100000, "x", "nested more than 200 deep"},
      {"x", "^x", 100000, "", "nested more than 200 deep"},
      {"", "|", 100000, "x", "nested more than 200 deep"},
      {"", "exp(", 100000, "x", "nested more than 200 deep"},
      {"x", "'", 100000, "", "nested more than 2000 deep"},
      {"x", "+x", 100000, "", "nested more than 2000 deep"},
      {"", "x", 300, "", "the name is longer than 100 characters"},
      {"", "a[1]=1;", 2, "", "a[1] is defined twice"},
      {"sum(i=1..1000, sum(j=1..1000, ", "x*x*x*", 100, "x))", "has more than 262144 parts"},
      {"sum(i=1..1000, sum(j=1..1000, sum(k=1..1000,", "x*", 1, "x)))", "has more than 262144 parts"},
      {"h[0]=1;", "h[t]=h[t-1];", 70, "h[t]=1 for t=1..2", "more than 64 statements of one \"for\""},
      {"a[t] = 1;", "b[t] = a[t];", 1, " c[t] = b[t] for t=1..4000", "more than 4096 statements"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char *text = repeated(rows[i].first, rows[i].middle, rows[i].n, rows[i].last);
    assert_refused(text, NULL, rows[i].message);
    free(text);
  }
}

/* What fits the limits builds, however long. */
static void long_formulas_build(void **state) {
  (void)state;
  const given list[] = {{"x", {1}}, {"h[0]", {1}}, {0}};
  char *text = repeated("x", "+x", 1900, "");
  assert_close("x+x+...", value_of(text, NULL, list).numbers[0], 1901);
  free(text);
  text = repeated("", "(", 80, "x");
  char *closed = repeated(text, ")", 80, "");
  assert_close("((x))", value_of(closed, NULL, list).numbers[0], 1);
  free(text);
  free(closed);
  cy_formula *f = parse("h[t] = softmax(log(softmax(log(h[t-1])))) for t = 1..2000", "h[0]:3");
  cy_graph *graph;
  OK(cy_graph_create(&graph));
  OK(cy_formula_build(f, graph, NULL, NULL));
  cy_graph_free(graph);
  cy_formula_free(f);
}

/* ---- hostile text ---- */

/* Parses; what parses must build, whatever it is. */
static void try_text(const char *text, const char *dims) {
  cy_formula *f;
  cy_graph *graph;
  if (cy_formula_parse(text, "hostile", dims, &f) != CY_OK) {
    assert_true(cy_error_message()[0] != 0);
    return;
  }
  OK(cy_graph_create(&graph));
  if (cy_formula_build(f, graph, NULL, NULL) != CY_OK) fail_msg("%s: %s", text, cy_error_message());
  cy_graph_free(graph);
  cy_formula_free(f);
}

static void every_prefix_and_every_change_ends(void **state) {
  (void)state;
  static const char text[] = "h[t] = tanh(W*h[t-1] + U*x[t]' .* b[0] - |b|_1) for t = 1..3; s = softmax(h[3])\n"
                             "L = sum(t=1..3, -log(s)[y]^2) + onehot(y, h)' * b / 2.5e-1";
  static const char dims[] = "x[t]:d, h[0]:h, W:(h,h), U:(h,d), b:h, y:index";
  static const char bytes[] = "()[]|+-*/^'.,;=:#x1y \n\x80";
  char copy[sizeof text];
  for (size_t n = 0; n < sizeof text; n++) {
    memcpy(copy, text, sizeof text);
    copy[n] = 0;
    try_text(copy, dims);
    for (size_t i = 0; n + 1 < sizeof text && i + 1 < sizeof bytes; i++) {
      memcpy(copy, text, sizeof text);
      copy[n] = bytes[i];
      try_text(copy, dims);
    }
  }
  for (size_t n = 0; n + 1 < sizeof dims; n++) {
    char cut[sizeof dims];
    memcpy(cut, dims, sizeof dims);
    cut[n] = 0;
    try_text(text, cut);
    cut[n] = '(';
    try_text(text, cut);
  }
}

static void random_words_end(void **state) {
  (void)state;
  static const char *const words[] = {
      "x",   "W",   "y",   "h",       "t",     "(",   ")",    "[",   "]",      "|",   "+",           "-",
      "*",   ".*",  "/",   "^",       "'",     "=",   ";",    "\n",  ",",      "..",  "1",           "0",
      "2.5", "sum", "for", "softmax", "exp",   "log", "norm", "max", "onehot", "[t]", "sum(t=1..3,", "for t = 1..3",
      "[0]", "_1",  "^T",  "h[t] =",  "h[t-1]"};
  static writer w;
  w.rng = cy_rng_make(5, 0);
  for (int i = 0; i < 20000; i++) {
    int n = 1 + (int)cy_rng_below(&w.rng, 14);
    w.length = 0;
    for (int k = 0; k < n; k++)
      put(&w, "%s ", words[cy_rng_below(&w.rng, (int64_t)(sizeof words / sizeof *words))]);
    try_text(w.text, i % 3 == 0 ? NULL : "x:d, W:(h,d), y:index, h[0]:h");
  }
}

/* ---- where a formula is undefined ---- */

static void examine(const char *text, const char *dims, const given *list, const char *message) {
  cy_formula *f = parse_sized(text, dims);
  cy_graph *graph;
  cy_value symbols[8];
  cy_tensor *tensors[8];
  OK(cy_graph_create(&graph));
  OK(cy_formula_build(f, graph, symbols, NULL));
  for (int i = 0; i < cy_formula_symbol_count(f); i++) tensors[i] = tensor_of(symbols[i], list);
  cy_status status = cy_formula_examine(f, tensors);
  if (!message) {
    OK(status);
  } else {
    assert_int_equal(status, CY_INVALID);
    if (!strstr(cy_error_message(), message)) fail_msg("%s, expected %s", cy_error_message(), message);
  }
  for (int i = 0; i < cy_formula_symbol_count(f); i++) cy_tensor_free(tensors[i]);
  cy_graph_free(graph);
  cy_formula_free(f);
}

static void undefined_parts_are_named(void **state) {
  (void)state;
  const given list[] = {{"x", {2}}, {"y", {0}}, {"w", {1, -4, 2}}, {"k", {1}}, {0}};
  examine("x^2 + log(x - 3)", NULL, list,
          "formula:1:7: log(x - 3) is undefined at x = 2: the logarithm of -1\nx^2 + log(x - 3)\n      ^");
  examine("sqrt(-x)", NULL, list, "sqrt(-x) is undefined at x = 2: the square root of -2");
  examine("1/y", NULL, list, "formula:1:2: 1/y is undefined at y = 0: 1 is divided by 0");
  examine("a = x/y; b = a + 1; b*0", NULL, list, "x/y is undefined");
  examine("(-x)^0.5", NULL, list, "-2 to the power 0.5");
  examine("exp(1000*x)", NULL, list, "exp(2000) is too large for a number");
  examine("sum(log(w))", "w:d", list, "log(w) is undefined at w = 1,-4,2: the logarithm of -4");
  examine("log(w)[k] + x", "w:d, k:index, x", list, "the logarithm of -4");
  examine("-log(softmax(w)[k]) + 1/x", "w:d, k:index, x", list, NULL);
  examine("log(y)", NULL, list, "the logarithm of 0");
  examine("log1p(-x)", NULL, list, "the logarithm of -1");
  examine("x", NULL, (given[]){{"x", {NAN}}, {0}}, "x is no finite number");
}

/* ---- memory ---- */

static cy_status parse_and_build(void) {
  static const char text[] = "h[t] = tanh(W*h[t-1] + b) for t = 1..2; s = softmax(h[2]); L = -log(s)[y] + |b|^2";
  cy_formula *f;
  cy_graph *graph;
  CY_TRY(cy_formula_parse(text, "formula", "h[0]:h, W:(h,h), b:h, y:index", &f));
  cy_status status = cy_graph_create(&graph);
  if (status == CY_OK) {
    status = cy_formula_build(f, graph, NULL, NULL);
    cy_graph_free(graph);
  }
  cy_formula_free(f);
  return status;
}

static cy_status examine_once(void) {
  cy_formula *f;
  cy_tensor *x;
  CY_TRY(cy_formula_parse("log(x)", "formula", NULL, &f));
  cy_status status = cy_tensor_create(CY_F64, (cy_shape){0}, &x);
  if (status == CY_OK) {
    cy_tensor_f64(x)[0] = 2;
    status = cy_formula_examine(f, &x);
    cy_tensor_free(x);
  }
  cy_formula_free(f);
  return status;
}

static void every_failed_allocation_is_an_error(void **state) {
  (void)state;
  cy_status (*const subjects[])(void) = {parse_and_build, examine_once};
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
    cy_status status = CY_NO_MEMORY;
    OK(subjects[i]()); /* what is allocated once and stays */
    for (long n = 1; status != CY_OK; n++) {
      long before = live;
      calls = 0;
      failing = n;
      status = subjects[i]();
      failing = 0;
      if (status != CY_OK && status != CY_NO_MEMORY) fail_msg("allocation %ld: %s", n, cy_error_message());
      assert_int_equal(live, before);
      assert_true(n < 20000);
    }
  }
}

static void functions_are_listed(void **state) {
  (void)state;
  const char *name, *summary;
  int n = 0;
  for (; (name = cy_formula_function(n, &summary)) != NULL; n++) assert_true(name[0] && summary[0]);
  assert_true(n > 25);
  assert_null(cy_formula_function(-1, NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_equal_arithmetic),
      cmocka_unit_test(without_dimensions_all_symbols_are_numbers),
      cmocka_unit_test(logarithms_are_stable),
      cmocka_unit_test(a_formula_is_described),
      cmocka_unit_test(the_mlp_equals_loops),
      cmocka_unit_test(a_batch_is_the_mean_of_its_rows),
      cmocka_unit_test(recurrences_are_written_out),
      cmocka_unit_test(recurrences_may_run_backwards_and_read_rows),
      cmocka_unit_test(gradients_equal_differences),
      cmocka_unit_test(squared_lengths_have_a_derivative_at_zero),
      cmocka_unit_test(random_formulas_mean_what_they_say),
      cmocka_unit_test(mistakes_are_named_with_their_place),
      cmocka_unit_test(oversized_formulas_are_refused),
      cmocka_unit_test(long_formulas_build),
      cmocka_unit_test(every_prefix_and_every_change_ends),
      cmocka_unit_test(random_words_end),
      cmocka_unit_test(undefined_parts_are_named),
      cmocka_unit_test(every_failed_allocation_is_an_error),
      cmocka_unit_test(functions_are_listed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
