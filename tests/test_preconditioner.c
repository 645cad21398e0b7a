/* The diagonal preconditioner of Newton-CG: squares of the examples' gradients against the Fisher matrix's diagonal, exact for
 * batches of one example and in expectation else; conjugate gradients in the metric of a diagonal; what has no examples. */
#include "expect.h"

#include "optim/descent.h"

#include <cauchy/curvature.h>
#include <cauchy/train.h>
#include <stdlib.h>
#include <string.h>

/* ---- squares ---- */

enum { SAMPLES = 12, NUMBERS = 4 * 3 + 3 + 3 * 3 + 3 };

static cy_objective *network(cy_dataset **iris, int64_t batch) {
  static const int64_t indices[SAMPLES] = {0, 10, 20, 30, 60, 70, 80, 90, 110, 120, 130, 140};
  cy_model *model;
  cy_objective *f;
  OK(cy_dataset_open("iris", (cy_dataset_options){0}, iris));
  OK(cy_model_parse("dense(3) -> tanh -> dense(3)", "test", &model));
  OK(cy_model_objective_create(model, NULL, *iris,
                               (cy_model_objective_options){.dtype = CY_F64, .indices = indices, .n = SAMPLES, .seed = 3,
                                                            .batch_size = batch}, &f));
  cy_model_free(model);
  assert_int_equal(cy_objective_size(f), NUMBERS);
  return f;
}

static void squares_are_the_diagonal_of_the_fisher_matrix(void **state) {
  (void)state;
  static double x[NUMBERS], full[NUMBERS * NUMBERS], squares[NUMBERS], mean[NUMBERS], square[NUMBERS];
  enum { SEEDS = 800 };
  cy_dataset *iris;
  cy_objective *one = network(&iris, 1);
  OK(cy_objective_start(one, x));
  OK(cy_full_curvature(one, x, (cy_curvature_options){.matrix = CY_EMPIRICAL_FISHER}, full, NULL));
  OK(cy_objective_squares(one, x, 7, squares));
  for (int i = 0; i < NUMBERS; i++) {
    double exact = full[i * NUMBERS + i];
    assert_true(exact > 0 && fabs(squares[i] - exact) <= 1e-12 * exact);
  }
  cy_objective_free(one);
  cy_dataset_free(iris);
  cy_objective *some = network(&iris, 5); /* batches of 5, 5 and 2 */
  for (int seed = 0; seed < SEEDS; seed++) {
    OK(cy_objective_squares(some, x, (uint64_t)seed, squares));
    for (int i = 0; i < NUMBERS; i++) {
      assert_true(squares[i] >= 0);
      mean[i] += squares[i] / SEEDS;
      square[i] += squares[i] * squares[i] / SEEDS;
    }
  }
  for (int i = 0; i < NUMBERS; i++) {
    double error = sqrt((square[i] - mean[i] * mean[i]) / SEEDS);
    assert_true(fabs(mean[i] - full[i * NUMBERS + i]) < 5 * error + 1e-15);
  }
  double again[NUMBERS];
  OK(cy_objective_squares(some, x, SEEDS - 1, again)); /* equal seeds give equal bits */
  assert_memory_equal(again, squares, sizeof again);
  cy_objective_free(some);
  cy_dataset_free(iris);
}

/* ---- conjugate gradients ---- */

enum { N = 40 };

/* diag(1 .. 1e6) + coupling * 1 1' */
typedef struct stretched {
  double diagonal[N], coupling;
} stretched;

static cy_status times(void *self, const double *v, double *out) {
  const stretched *a = self;
  double sum = 0;
  for (int i = 0; i < N; i++) sum += v[i];
  for (int i = 0; i < N; i++) out[i] = a->diagonal[i] * v[i] + a->coupling * sum;
  return CY_OK;
}

/* Iterations, and the residual that is left as a share of the gradient. */
static int64_t solve(stretched *a, bool precondition, double *left) {
  enum { LIMIT = 400 };
  static double g[N], p[N], scratch[3 * N], models[LIMIT + 1], scale[N], image[N];
  double sum = 0, all = 0;
  for (int i = 0; i < N; i++) {
    g[i] = a->diagonal[i] * sin(i + 1);
    scale[i] = 1 / (a->diagonal[i] + a->coupling);
    p[i] = 0;
  }
  cy_cg cg = {.n = N, .limit = LIMIT, .product = times, .self = a, .gradient = g, .p = p, .residual = scratch,
              .direction = scratch + N, .image = scratch + 2 * N, .models = models, .scale = precondition ? scale : NULL};
  OK(cy_conjugate_gradients(&cg));
  OK(times(a, p, image));
  for (int i = 0; i < N; i++) {
    sum += (image[i] + g[i]) * (image[i] + g[i]) * scale[i];
    all += g[i] * g[i] * scale[i];
  }
  for (int i = 1; i <= cg.iterations; i++) assert_true(models[i] <= models[i - 1] + 1e-12 * fabs(models[i]));
  *left = sqrt(sum / all);
  return cg.iterations;
}

static void a_diagonal_is_taken_away(void **state) {
  (void)state;
  double plain, scaled;
  stretched a = {.coupling = 0};
  for (int i = 0; i < N; i++) a.diagonal[i] = pow(10, 6.0 * i / (N - 1));
  assert_true(solve(&a, true, &scaled) <= 2 && scaled < 1e-12); /* the second only sees that nothing is left */
  a.coupling = 1;
  int64_t with = solve(&a, true, &scaled), without = solve(&a, false, &plain);
  if (!(with < without && scaled < 1e-6 * plain)) /* the rule of relative progress ends both */
    fail_msg("%lld iterations leave %g, %lld without leave %g", (long long)with, scaled, (long long)without, plain);
}

/* ---- what has no examples ---- */

static cy_status value(void *self, const double *x, double *out) {
  (void)self;
  *out = x[0] * x[0];
  return CY_OK;
}
static cy_status gradient(void *self, const double *x, double *out, double *g) {
  g[0] = 2 * x[0];
  return value(self, x, out);
}
static cy_status product(void *self, cy_curvature matrix, const double *x, const double *v, double *out) {
  (void)self, (void)matrix, (void)x;
  out[0] = 2 * v[0];
  return CY_OK;
}

static void functions_without_examples_are_refused(void **state) {
  (void)state;
  cy_objective *f;
  cy_minimize_report report;
  double x = 1, out;
  OK(cy_objective_of((cy_objective_methods){.value = value, .gradient = gradient, .product = product}, NULL, 1, &f));
  assert_int_equal(cy_objective_squares(f, &x, 0, &out), CY_UNSUPPORTED);
  cy_minimize_options options = {.method = "newton-cg", .preconditioner = 0.75};
  assert_int_equal(cy_minimize(f, &x, options, &report), CY_UNSUPPORTED);
  assert_non_null(strstr(cy_error_message(), "examples"));
  options.preconditioner = 1.5;
  assert_int_equal(cy_minimize(f, &x, options, &report), CY_INVALID);
  options.preconditioner = 0;
  OK(cy_minimize(f, &x, options, &report));
  cy_objective_free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(squares_are_the_diagonal_of_the_fisher_matrix),
      cmocka_unit_test(a_diagonal_is_taken_away),
      cmocka_unit_test(functions_without_examples_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
