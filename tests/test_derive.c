/* Derivations against the library: the NumPy program that a derivation prints is run, and its gradients, tangents and
 * products with the Hessian are those of cy_grad and cy_hvp to 1e-12. Skipped by name where there is no python3 with
 * NumPy. */
#include "folder.h"

#include <cauchy.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 32, EXAMPLES = 6 };

static void check(cy_status status) {
  if (status != CY_OK) fail_msg("%s", cy_error_message());
}

static const char *python(void) {
  static const char *const candidates[] = {"python3", "/usr/bin/python3"};
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
    char line[256];
    snprintf(line, sizeof line, "%s -c 'import numpy' 2>/dev/null", candidates[i]);
    if (system(line) == 0) return candidates[i];
  }
  return NULL;
}

/* ---- numbers ---- */

static uint64_t seed;
static double random_number(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 11) / 9007199254740992.0 * 2 - 1;
}

static cy_tensor *random_tensor(cy_shape shape) {
  cy_tensor *t;
  check(cy_tensor_create(CY_F64, shape, &t));
  for (int64_t i = 0; i < cy_tensor_count(t); i++) cy_tensor_set(t, i, random_number());
  return t;
}

static double largest_difference(const cy_tensor *a, const cy_tensor *b, const char *name) {
  double most = 0, size = 1;
  if (cy_tensor_count(a) != cy_tensor_count(b))
    fail_msg("%s: %lld elements against %lld", name, (long long)cy_tensor_count(a), (long long)cy_tensor_count(b));
  for (int64_t i = 0; i < cy_tensor_count(a); i++) {
    double x = cy_tensor_at(a, i), y = cy_tensor_at(b, i);
    if (!(fabs(x - y) <= most)) most = fabs(x - y);
    if (fabs(y) > size) size = fabs(y);
  }
  return most / size;
}

/* ---- a problem: a formula with data for its symbols ---- */

typedef struct problem {
  const char *formula, *dimensions, *batched, *tangents;
  const char *sums_to_one;
  int classes;
  bool positive; /* data above 0 */
} problem;

typedef struct data {
  cy_formula *formula;
  int n;
  const char *names[MOST];
  bool is_class[MOST], is_batched[MOST];
  cy_shape shapes[MOST];
  cy_tensor *values[MOST];     /* of all examples */
  cy_tensor *directions[MOST]; /* v<name> */
} data;

static bool in_list(const char *list, const char *name) {
  size_t n = strlen(name);
  for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
    if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == 0)) return true;
  return false;
}

static cy_shape with_examples(cy_shape shape) {
  cy_shape all = {.rank = shape.rank + 1, .dim = {EXAMPLES}};
  for (int i = 0; i < shape.rank; i++) all.dim[i + 1] = shape.dim[i];
  return all;
}

static void make_sizes(cy_formula *f) {
  static const int64_t sizes[] = {4, 5, 3, 6, 2};
  for (int i = 0; i < cy_formula_dimension_count(f); i++)
    check(cy_formula_set_dimension(f, cy_formula_dimension(f, i), sizes[i % 5]));
}

static void make_data(const problem *p, data *d) {
  cy_graph *graph;
  cy_value symbols[MOST], statements[MOST];
  make_sizes(d->formula);
  check(cy_graph_create(&graph));
  check(cy_formula_build(d->formula, graph, symbols, statements));
  d->n = cy_formula_symbol_count(d->formula);
  seed = 7;
  for (int i = 0; i < d->n; i++) {
    d->names[i] = cy_formula_symbol(d->formula, i);
    d->is_class[i] = cy_formula_symbol_is_index(d->formula, i);
    d->is_batched[i] = in_list(p->batched, d->names[i]);
    d->shapes[i] = cy_value_shape(symbols[i]);
    cy_shape shape = d->is_batched[i] ? with_examples(d->shapes[i]) : d->shapes[i];
    d->values[i] = random_tensor(shape);
    d->directions[i] = random_tensor(shape);
    if (d->is_class[i]) {
      cy_tensor_free(d->values[i]);
      check(cy_tensor_create(CY_I64, shape, &d->values[i]));
    }
    double sum = 0;
    for (int64_t k = 0; k < cy_tensor_count(d->values[i]); k++) {
      if (d->is_class[i]) cy_tensor_set(d->values[i], k, (double)(k % p->classes));
      if (p->positive || in_list(p->sums_to_one, d->names[i]))
        cy_tensor_set(d->values[i], k, fabs(cy_tensor_at(d->values[i], k)) + 0.1);
      sum += cy_tensor_at(d->values[i], k);
    }
    for (int64_t k = 0; in_list(p->sums_to_one, d->names[i]) && k < cy_tensor_count(d->values[i]); k++)
      cy_tensor_set(d->values[i], k, cy_tensor_at(d->values[i], k) / sum);
  }
  cy_graph_free(graph);
}

static void clear_data(data *d) {
  for (int i = 0; i < d->n; i++) {
    cy_tensor_free(d->values[i]);
    cy_tensor_free(d->directions[i]);
  }
  cy_formula_free(d->formula);
}

/* ---- what the library computes ---- */

/* Example e of a batched tensor, as view. */
static cy_tensor *example_of(const data *d, cy_tensor *const *tensors, int i, int e) {
  cy_tensor *t;
  int64_t count;
  check(cy_shape_count(d->shapes[i], &count));
  size_t offset = d->is_batched[i] ? (size_t)(e * count) * 8 : 0;
  check(
      cy_tensor_wrap(cy_tensor_dtype(tensors[i]), d->shapes[i], NULL, (char *)cy_tensor_data(tensors[i]) + offset, &t));
  return t;
}

/* out[i]: gradient by symbol i (of the mean over the examples), products[i]: of the Hessian with the directions. */
static void compute(const problem *p, data *d, cy_tensor **out, cy_tensor **products) {
  cy_graph *graph;
  cy_value symbols[MOST], statements[MOST], inputs[MOST], values[3 * MOST], vectors[MOST];
  int which[MOST], n = 0, last = cy_formula_statement_count(d->formula) - 1, examples = p->batched ? EXAMPLES : 1;
  check(cy_graph_create(&graph));
  check(cy_formula_build(d->formula, graph, symbols, statements));
  for (int i = 0; i < d->n; i++) {
    if (d->is_class[i]) continue;
    char name[64];
    snprintf(name, sizeof name, "v%s", d->names[i]);
    vectors[n] = cy_input(graph, name, CY_F64, d->shapes[i]);
    inputs[n] = symbols[i];
    which[n++] = i;
  }
  check(cy_grad(statements[last], inputs, n, values));
  check(cy_hvp(statements[last], inputs, vectors, n, values + n));
  cy_program *program;
  cy_session *session;
  check(cy_compile(values, 2 * n, NULL, 0, (cy_program_options){.backend = "reference", .threads = 1}, &program));
  check(cy_session_create(program, &session));
  for (int k = 0; k < n; k++) {
    cy_shape shape = cy_tensor_shape(d->values[which[k]]);
    check(cy_tensor_create(CY_F64, shape, &out[which[k]]));
    check(cy_tensor_create(CY_F64, shape, &products[which[k]]));
  }
  for (int e = 0; e < examples; e++) {
    cy_tensor *bound[2 * MOST];
    int b = 0;
    for (int i = 0; i < d->n; i++) {
      bound[b] = example_of(d, d->values, i, e);
      if (cy_session_bind(session, d->names[i], bound[b++]) != CY_OK) {} /* what nothing depends on is not there */
      char name[64];
      snprintf(name, sizeof name, "v%s", d->names[i]);
      if (d->is_class[i]) continue;
      bound[b] = example_of(d, d->directions, i, e);
      if (cy_session_bind(session, name, bound[b++]) != CY_OK) {}
    }
    check(cy_session_run(session));
    for (int k = 0; k < 2 * n; k++) {
      cy_tensor *to = k < n ? out[which[k]] : products[which[k - n]];
      const cy_tensor *from = cy_session_output(session, k);
      int64_t first = d->is_batched[which[k % n]] ? e * cy_tensor_count(from) : 0;
      for (int64_t q = 0; q < cy_tensor_count(from); q++)
        cy_tensor_set(to, first + q, cy_tensor_at(to, first + q) + cy_tensor_at(from, q) / examples);
    }
    while (b) cy_tensor_free(bound[--b]);
  }
  cy_session_free(session);
  cy_program_free(program);
  cy_graph_free(graph);
}

/* ---- what NumPy computes ---- */

static void write_program(const cy_derivation *derivation, bool elements) {
  char *text;
  check(cy_derivation_write(derivation, CY_DERIVE_NUMPY, elements, &text));
  FILE *file = fopen("program.py", "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
  fclose(file);
  cy_string_free(text);
}

static bool write_inputs(const data *d) {
  static char text[4 * MOST][64];
  const char *names[4 * MOST];
  const cy_tensor *tensors[4 * MOST];
  int n = 0;
  for (int i = 0; i < d->n; i++)
    for (int direction = 0; direction < 2; direction++) {
      char capital[64];
      snprintf(capital, sizeof capital, "%s", d->names[i]);
      if (capital[0] >= 'a' && capital[0] <= 'z') capital[0] = (char)(capital[0] - 32);
      snprintf(text[n], 64, "%s%s", direction ? "v" : "", d->names[i]);
      tensors[n] = direction ? d->directions[i] : d->values[i];
      names[n] = text[n], n++;
      if (!d->is_batched[i] || strcmp(capital, d->names[i]) == 0) continue;
      snprintf(text[n], 64, "%s%s", direction ? "v" : "", capital);
      tensors[n] = tensors[n - 1];
      names[n] = text[n], n++;
    }
  return cy_npz_save(names, tensors, n, false, "inputs.npz") == CY_OK;
}

static void compare_with(cy_npz *results, const data *d, int i, const char *prefix, const cy_tensor *expected) {
  char name[64];
  cy_tensor *t = NULL;
  snprintf(name, sizeof name, "%s%s", prefix, d->names[i]);
  bool found = false;
  for (int k = 0; k < cy_npz_count(results); k++) found = found || strcmp(cy_npz_name(results, k), name) == 0;
  if (!found && d->is_batched[i]) name[strlen(prefix)] = (char)(name[strlen(prefix)] - 32);
  bool zero = true;
  for (int64_t k = 0; k < cy_tensor_count(expected); k++) zero = zero && cy_tensor_at(expected, k) == 0;
  for (int k = 0; k < cy_npz_count(results); k++) found = found || strcmp(cy_npz_name(results, k), name) == 0;
  if (!found && zero) return; /* lines that are zero are not written */
  check(cy_npz_load(results, name, &t));
  double difference = largest_difference(t, expected, name);
  if (!(difference <= 1e-12)) fail_msg("%s differs by %g", name, difference);
  cy_tensor_free(t);
}

static void compare_program(const problem *p, const data *d, cy_tensor *const *gradients, cy_tensor *const *products) {
  char line[256];
  cy_npz *results;
  snprintf(line, sizeof line, "%s program.py inputs.npz results.npz", python());
  if (system(line) != 0) fail_msg("%s: the program does not run", p->formula);
  check(cy_npz_open("results.npz", &results));
  for (int i = 0; i < d->n; i++) {
    if (d->is_class[i]) continue;
    compare_with(results, d, i, "d", gradients[i]);
    if (p->tangents) compare_with(results, d, i, "Rd", products[i]);
  }
  cy_npz_close(results);
}

static void agrees(const problem *p) {
  data d = {0};
  cy_derivation *derivation;
  cy_tensor *gradients[MOST] = {0}, *products[MOST] = {0};
  check(cy_formula_parse(p->formula, "formula", p->dimensions, &d.formula));
  check(cy_derive(d.formula,
                  (cy_derive_options){.batch = p->batched ? "n" : NULL,
                                      .batched = p->batched,
                                      .tangents = p->tangents,
                                      .hessian = p->tangents != NULL,
                                      .sums_to_one = p->sums_to_one},
                  &derivation));
  make_data(p, &d);
  if (!write_inputs(&d)) skip(); /* a build without libzip */
  compute(p, &d, gradients, products);
  for (int elements = 0; elements < 2; elements++) {
    write_program(derivation, elements != 0);
    compare_program(p, &d, gradients, products);
  }
  for (int i = 0; i < d.n; i++) {
    cy_tensor_free(gradients[i]);
    cy_tensor_free(products[i]);
  }
  cy_derivation_free(derivation);
  clear_data(&d);
}

#define MLP "a = W1*x + b1; h = relu(a); o = W2*h + b2; s = softmax(o); L = -log(s)[y]"
#define MLP_WHERE "x:d, W1:(h,d), b1:h, W2:(m,h), b2:m, y:index"
#define RNN "h[t] = tanh(W*h[t-1] + U*x[t] + b) for t = 1..3; L = sum(t=1..3, |h[t] - y[t]|^2)"
#define NEURONS "o1 = w1*x1 + w2*x2 + b1; s1 = prelu(o1, a1); o2 = w3*x1 + w4*x2 + b2; s2 = prelu(o2, a2);" \
                "o3 = v1*s1 + v2*s2 + b3; s3 = prelu(o3, a3); o4 = u1*s3 + b4; s4 = tanh(o4); E = (s4 - y)^2"

static const problem problems[] = {
    {MLP, MLP_WHERE, .classes = 3},
    {"-log(softmax(W2*relu(W1*x + b1) + b2))[y]", MLP_WHERE, .classes = 3, .tangents = "all"},
    {MLP, MLP_WHERE, .classes = 3, .batched = "x,y"},
    {MLP, MLP_WHERE, .classes = 3, .batched = "x,y", .tangents = "all"},
    {"s = sigmoid(a); C = (s - y)^2", NULL, .tangents = "all"},
    {"s = softmax(a); C = -sum(t .* log(s))", "a:m, t:m", .sums_to_one = "t"},
    {"mu = mean(x); v = mean((x - mu)^2); xh = (x - mu) / sqrt(v + 1e-5); y = gamma*xh + beta; l = sum(y .* w)",
     "x:m, gamma, beta, w:m", .tangents = NULL},
    {"mu = mean(x); v = mean((x - mu)^2); y = (x - mu) / sqrt(v + eps); l = sum(y .* w)", "x:m, eps, w:m",
     .positive = true},
    {"s = 1/(1 + exp(-a)); u = (exp(a) - exp(-a))/(exp(a) + exp(-a)); C = (s - y)^2 * u + log(1 + exp(a))", NULL,
     .tangents = "all"},
    {RNN, "W:(h,h), U:(h,d), b:h, h[0]:h, x[t]:d, y[t]:h", .tangents = NULL},
    {NEURONS, NULL, .tangents = "all"},
    {"x' * A * x", "x:d, A:(d,d)", .tangents = "all"},
    {"norm(x) + sum(abs(x)) + sum(softplus(W*x))", "x:d, W:(h,d)", .tangents = "all"},
    {"log(sum(exp(W*x))) + 0.1*sum(W.*W)", "x:d, W:(h,d)", .batched = "x", .tangents = "all"},
    {"mean(tanh(X*W) .* log(P))", "X:(n,d), W:(d,m), P:(n,m)", .positive = true, .tangents = "all"},
};

static void test_programs_agree_with_the_library(void **state) {
  (void)state;
  if (!python()) {
    print_message("python3 has no NumPy: the programs of derivations are not run\n");
    skip();
  }
  for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) agrees(&problems[i]);
}

/* A convolution, a normalisation and a dense layer: index form, zeros around images, batch statistics, reshapes. */
static void test_a_network_agrees_with_the_library(void **state) {
  enum { SYMBOLS = 4 };
  static const char *const names[SYMBOLS] = {"x", "K", "W", "y"};
  static const int space[] = {0, 2, 3};
  const cy_shape shapes[SYMBOLS] = {CY_SHAPE(2, 1, 5, 5), CY_SHAPE(2, 1, 3, 3), CY_SHAPE(50, 3), CY_SHAPE(2)};
  cy_tensor *tensors[SYMBOLS];
  cy_graph *graph;
  cy_derivation *derivation;
  cy_program *program;
  cy_session *session;
  cy_npz *results;
  char line[256];
  (void)state;
  if (!python()) {
    print_message("python3 has no NumPy: the programs of derivations are not run\n");
    skip();
  }
  check(cy_graph_create(&graph));
  cy_named_value symbols[SYMBOLS];
  cy_value v[SYMBOLS], gradients[3];
  for (int i = 0; i < SYMBOLS; i++) {
    v[i] = cy_input(graph, names[i], i == 3 ? CY_I64 : CY_F64, shapes[i]);
    symbols[i] = (cy_named_value){names[i], v[i]};
    tensors[i] = random_tensor(shapes[i]);
  }
  cy_tensor_free(tensors[3]);
  check(cy_tensor_create(CY_I64, shapes[3], &tensors[3]));
  cy_tensor_set(tensors[3], 1, 2);
  cy_windows windows = {.stride = {1, 1}, .dilation = {1, 1}, .low = {1, 1}, .high = {1, 1}, .groups = 1};
  cy_value h = cy_tanh(cy_normalize(cy_convolution(v[0], v[1], windows), space, 3, 1e-5));
  cy_value o = cy_matmul(cy_reshape(h, CY_SHAPE(2, 50)), v[2]);
  cy_value loss = cy_neg(cy_mean(cy_gather(cy_log_softmax(o, 1), v[3], 1, 1), NULL, 0, false));
  check(cy_grad(loss, v, 3, gradients));
  check(cy_compile(gradients, 3, NULL, 0, (cy_program_options){.backend = "reference", .threads = 1}, &program));
  check(cy_session_create(program, &session));
  for (int i = 0; i < SYMBOLS; i++) check(cy_session_bind(session, names[i], tensors[i]));
  check(cy_session_run(session));
  check(cy_derive_graph((cy_named_value){"L", loss}, symbols, SYMBOLS, NULL, 0, NULL, 0, (cy_derive_options){0},
                        &derivation));
  write_program(derivation, false);
  if (cy_npz_save(names, (const cy_tensor *const *)tensors, SYMBOLS, false, "inputs.npz") != CY_OK) skip();
  snprintf(line, sizeof line, "%s program.py inputs.npz results.npz", python());
  assert_int_equal(system(line), 0);
  check(cy_npz_open("results.npz", &results));
  for (int i = 0; i < 3; i++) {
    cy_tensor *t;
    snprintf(line, sizeof line, "d%s", names[i]);
    check(cy_npz_load(results, line, &t));
    double difference = largest_difference(t, cy_session_output(session, i), line);
    if (!(difference <= 1e-12)) fail_msg("%s differs by %g", line, difference);
    cy_tensor_free(t);
  }
  cy_npz_close(results);
  cy_session_free(session);
  cy_program_free(program);
  cy_derivation_free(derivation);
  cy_graph_free(graph);
  for (int i = 0; i < SYMBOLS; i++) cy_tensor_free(tensors[i]);
}

/* ---- the text ---- */

static char *derive_text(const char *formula, const char *where, cy_derive_options options, bool elements) {
  cy_formula *f;
  cy_derivation *d;
  char *text;
  check(cy_formula_parse(formula, "formula", where, &f));
  check(cy_derive(f, options, &d));
  check(cy_derivation_write(d, CY_DERIVE_TEXT, elements, &text));
  cy_derivation_free(d);
  cy_formula_free(f);
  return text;
}

/* Some line is this, whatever the blanks. */
static void has_line(const char *text, const char *line) {
  for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at != NULL) {
    const char *a = at, *b = line;
    while (*b) {
      while (*a == ' ') a++;
      while (*b == ' ') b++;
      if (*a != *b) break;
      if (*b) a++, b++;
    }
    if (!*b) return;
  }
  fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void test_names_that_the_user_has_taken(void **state) {
  (void)state;
  /* a and s are symbols: the values get other names. */
  char *text =
      derive_text("a*norm(W2*relu(W1*x) - s)", "x:d, W1:(h,d), W2:(m,h), s:m, a", (cy_derive_options){0}, false);
  has_line(text, "a2 = W1 x");
  cy_string_free(text);
  text = derive_text("norm(relu(W*x))", "x:d, W:(h,d)", (cy_derive_options){.only_names = true}, false);
  has_line(text, "L = norm(relu(W x))");
  cy_string_free(text);
}

static void test_graphs_of_their_own(void **state) {
  cy_graph *graph;
  cy_derivation *d;
  char *text;
  (void)state;
  check(cy_graph_create(&graph));
  cy_value x = cy_input(graph, "x", CY_F64, CY_SHAPE(7)), w = cy_variable(graph, "w", CY_F64, CY_SHAPE(7));
  cy_value y = cy_sum(cy_mul(x, w), NULL, 0, false);
  cy_named_value symbols[] = {{"x", x}, {"w", w}};
  check(cy_derive_graph((cy_named_value){"y", cy_tanh(y)}, symbols, 2, &(cy_named_value){"z", y}, 1,
                        &(cy_named_extent){"k", 7}, 1, (cy_derive_options){0}, &d));
  check(cy_derivation_write(d, CY_DERIVE_TEXT, false, &text));
  has_line(text, "z = x' w");
  has_line(text, "dz = 1 - y^2");
  has_line(text, "dw = dz x (k)");
  cy_string_free(text);
  cy_derivation_free(d);
  cy_graph_free(graph);
}

static void refuses(const char *formula, const char *where, cy_derive_options options, const char *words) {
  cy_formula *f;
  cy_derivation *d;
  check(cy_formula_parse(formula, "formula", where, &f));
  assert_int_not_equal(cy_derive(f, options, &d), CY_OK);
  if (!strstr(cy_error_message(), words)) fail_msg("no \"%s\" in: %s", words, cy_error_message());
  cy_formula_free(f);
}

static void test_what_is_not_there_is_refused(void **state) {
  (void)state;
  refuses("x^2", NULL, (cy_derive_options){.tangents = "z=v"}, "\"z\" is not a symbol");
  refuses("x^2", NULL, (cy_derive_options){.tangents = "x"}, "symbol=name");
  refuses("x^2", NULL, (cy_derive_options){.batch = "n", .batched = "w"}, "\"w\" is not a symbol");
  refuses("sum(x)", "x:n", (cy_derive_options){.batch = "n", .batched = "x"},
          "n is a dimension of the formula already");
  refuses("softmax(x)", "x:m", (cy_derive_options){.batch = "n", .batched = "x"}, "not a scalar");
  refuses("x^2", NULL, (cy_derive_options){.sums_to_one = "x"}, "not a vector");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_programs_agree_with_the_library, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(test_a_network_agrees_with_the_library, enter_folder, leave_folder),
      cmocka_unit_test(test_names_that_the_user_has_taken),
      cmocka_unit_test(test_graphs_of_their_own),
      cmocka_unit_test(test_what_is_not_there_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
