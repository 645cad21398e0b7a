/* Spectra of matrices whose spectra are known: eigenvalues with honest bounds, densities, traces, diagonals, whole
 * matrices, finite differences; and how they end when numbers are bad or the caller wants no more. */
#include "expect.h"

#include "base/random.h"

#include <cauchy/curvature.h>
#include <cauchy/ops.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_near(double got, double want, double tolerance) {
  if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want)))) fail_msg("%.17g instead of %.17g", got, want);
}

/* ---- x' Q D Q x / 2, Q = 1 - 2 u u' ---- */

enum { MOST = 400 };

typedef struct quadratic {
  int n;
  double eigenvalues[MOST], u[MOST]; /* |u| = 1 or 0 */
  double noise;                      /* products are off by so much, each time otherwise */
  cy_rng rng;
  int products, bad_after;           /* bad_after > 0: from this product on NaN */
} quadratic;

static void reflect(const quadratic *q, double *x) {
  double along = 0;
  for (int i = 0; i < q->n; i++) along += q->u[i] * x[i];
  for (int i = 0; i < q->n; i++) x[i] -= 2 * along * q->u[i];
}

static cy_status gradient(void *self, const double *x, double *value, double *g) {
  quadratic *q = self;
  memcpy(g, x, (size_t)q->n * sizeof *g);
  reflect(q, g);
  for (int i = 0; i < q->n; i++) g[i] *= q->eigenvalues[i];
  reflect(q, g);
  *value = 0;
  for (int i = 0; i < q->n; i++) *value += x[i] * g[i] / 2;
  return CY_OK;
}
static cy_status value(void *self, const double *x, double *out) {
  double g[MOST];
  return gradient(self, x, out, g);
}
static cy_status product(void *self, cy_curvature matrix, const double *x, const double *v, double *out) {
  quadratic *q = self;
  double unused;
  (void)x, (void)matrix;
  cy_status status = gradient(self, v, &unused, out);
  for (int i = 0; i < q->n; i++) out[i] += q->noise * cy_rng_normal(&q->rng);
  if (++q->products == q->bad_after) out[0] = NAN;
  return status;
}

static cy_objective *objective_of(quadratic *q, bool turned) {
  cy_objective *f;
  double length = 0;
  q->rng = cy_rng_make(5, 0);
  for (int i = 0; i < q->n; i++) length += pow(sin(1 + i), 2);
  for (int i = 0; i < q->n; i++) q->u[i] = turned ? sin(1 + i) / sqrt(length) : 0;
  OK(cy_objective_of((cy_objective_methods){.value = value, .gradient = gradient, .product = product}, q, q->n, &f));
  return f;
}

/* -3, then 0.01..1 evenly, then 7 and 10. */
static quadratic spread_out(int n) {
  quadratic q = {.n = n};
  q.eigenvalues[0] = -3;
  for (int i = 1; i < n - 2; i++) q.eigenvalues[i] = 0.01 + 0.99 * (i - 1) / (n - 4);
  q.eigenvalues[n - 2] = 7;
  q.eigenvalues[n - 1] = 10;
  return q;
}

static const double origin[MOST];

/* ---- tridiagonal matrices ---- */

static void tridiagonal_matrices(void **state) {
  (void)state;
  enum { N = 50 };
  double d[N], e[N], vectors[N * N];
  for (int i = 0; i < N; i++) d[i] = 2, e[i] = -1;
  OK(cy_tridiagonal_eigenvalues(N, d, e, vectors));
  for (int k = 0; k < N; k++) {
    assert_near(d[k], 2 - 2 * cos((k + 1) * M_PI / (N + 1)), 1e-14);
    double length = 0, apart = 0;
    const double *y = vectors + k * N;
    for (int i = 0; i < N; i++) {
      double row = 2 * y[i] - (i > 0 ? y[i - 1] : 0) - (i + 1 < N ? y[i + 1] : 0);
      apart = fmax(apart, fabs(row - d[k] * y[i]));
      length += y[i] * y[i];
    }
    assert_near(length, 1, 1e-13);
    assert_true(apart < 1e-13);
  }
  double one[] = {4}, none[1], two[] = {1, 1}, off[] = {1e-3, 9};
  OK(cy_tridiagonal_eigenvalues(1, one, none, NULL));
  assert_true(one[0] == 4);
  OK(cy_tridiagonal_eigenvalues(2, two, off, NULL));
  assert_near(two[0], 1 - 1e-3, 1e-15);
  assert_near(two[1], 1 + 1e-3, 1e-15);
  double split[] = {3, -1, 2, 2}, zeros[4] = {0};
  OK(cy_tridiagonal_eigenvalues(4, split, zeros, NULL));
  assert_true(split[0] == -1 && split[1] == 2 && split[2] == 2 && split[3] == 3);
  double graded[] = {1e200, 1, 1e-200}, small[] = {1, 1e-100, 0};
  OK(cy_tridiagonal_eigenvalues(3, graded, small, NULL));
  assert_near(graded[2] / 1e200, 1, 1e-15);
  double bad[] = {1, NAN}, fine[] = {1, 1};
  FAILS(cy_tridiagonal_eigenvalues(2, bad, fine, NULL), CY_NOT_FINITE, "not finite");
  OK(cy_tridiagonal_eigenvalues(0, NULL, NULL, NULL));
}

/* ---- extreme eigenvalues ---- */

static void extreme_eigenvalues_with_bounds(void **state) {
  (void)state;
  quadratic q = spread_out(300);
  cy_objective *f = objective_of(&q, true);
  cy_eigenvalues found;
  OK(cy_extreme_eigenvalues(f, origin, (cy_curvature_options){.count = 2, .tolerance = 1e-9}, &found));
  assert_true(found.converged && found.n_largest == 2 && found.n_smallest == 2);
  assert_true(found.steps < 300 && found.steps == q.products);
  const double want[] = {10, 7}, low[] = {-3, 0.01};
  for (int i = 0; i < 2; i++) {
    assert_true(fabs(found.largest[i].value - want[i]) <= found.largest[i].residual + 1e-12);
    assert_true(fabs(found.smallest[i].value - low[i]) <= found.smallest[i].residual + 1e-12);
    assert_true(found.largest[i].residual < 1e-7 && found.smallest[i].residual < 1e-7);
  }
  cy_eigenvalues_clear(&found);
  /* Too few steps: the bounds say so. */
  OK(cy_extreme_eigenvalues(f, origin, (cy_curvature_options){.steps = 5}, &found));
  assert_false(found.converged);
  assert_true(fabs(found.largest[0].value - 10) <= found.largest[0].residual + 1e-12 && found.largest[0].residual > 1e-6);
  cy_eigenvalues_clear(&found);
  cy_objective_free(f);
}

/* What products of single precision do: bounds must hold, and the tolerance is still met. */
static void rounding_is_part_of_the_bound(void **state) {
  (void)state;
  quadratic q = spread_out(200);
  q.noise = 1e-6;
  cy_objective *f = objective_of(&q, true);
  cy_eigenvalues found;
  OK(cy_extreme_eigenvalues(f, origin, (cy_curvature_options){0}, &found));
  assert_true(found.converged);
  assert_true(found.rounding > 1e-7 && found.rounding < 1e-4);
  assert_true(fabs(found.largest[0].value - 10) <= found.largest[0].residual);
  assert_true(fabs(found.smallest[0].value + 3) <= found.smallest[0].residual);
  cy_eigenvalues_clear(&found);
  cy_objective_free(f);
}

static void whole_spectra_of_small_matrices(void **state) {
  (void)state;
  quadratic q = {.n = 12}, same = {.n = 7}, zero = {.n = 3}, one = {.n = 1, .eigenvalues = {-2}};
  for (int i = 0; i < 12; i++) q.eigenvalues[i] = i * i - 20;
  for (int i = 0; i < 7; i++) same.eigenvalues[i] = i == 3 ? 5 : 1.5; /* six times the same */
  cy_eigenvalues found;
  cy_objective *f = objective_of(&q, true);
  OK(cy_extreme_eigenvalues(f, origin, (cy_curvature_options){.count = 100}, &found));
  assert_true(found.n_smallest == 12 && found.converged && found.steps == 12);
  for (int i = 0; i < 12; i++) {
    assert_near(found.smallest[i].value, i * i - 20, 1e-12);
    assert_near(found.largest[11 - i].value, i * i - 20, 1e-12);
  }
  cy_eigenvalues_clear(&found);
  cy_objective_free(f);
  f = objective_of(&same, true);
  OK(cy_extreme_eigenvalues(f, origin, (cy_curvature_options){.count = 7}, &found));
  assert_int_equal(found.n_smallest, 7);
  for (int i = 0; i < 6; i++) assert_near(found.smallest[i].value, 1.5, 1e-12);
  assert_near(found.smallest[6].value, 5, 1e-12);
  cy_eigenvalues_clear(&found);
  cy_objective_free(f);
  f = objective_of(&zero, false);
  OK(cy_extreme_eigenvalues(f, origin, (cy_curvature_options){0}, &found));
  assert_true(found.largest[0].value == 0 && found.smallest[0].value == 0 && found.converged);
  cy_eigenvalues_clear(&found);
  cy_objective_free(f);
  f = objective_of(&one, false);
  OK(cy_extreme_eigenvalues(f, origin, (cy_curvature_options){0}, &found));
  assert_near(found.largest[0].value, -2, 1e-15);
  cy_eigenvalues_clear(&found);
  cy_objective_free(f);
}

static void little_memory_means_few_steps(void **state) {
  (void)state;
  quadratic q = spread_out(200);
  cy_objective *f = objective_of(&q, true);
  cy_eigenvalues found;
  OK(cy_extreme_eigenvalues(f, origin, (cy_curvature_options){.memory = 10 * 200 * sizeof(double)}, &found));
  assert_int_equal(found.steps, 9);
  assert_true(fabs(found.largest[0].value - 10) <= found.largest[0].residual + 1e-12);
  cy_eigenvalues_clear(&found);
  cy_objective_free(f);
}

static void step_bounds(void **state) {
  (void)state;
  assert_true(cy_step_bounds_of(4).best == 0.25 && cy_step_bounds_of(4).most == 0.5);
  assert_true(isinf(cy_step_bounds_of(0).most) && isinf(cy_step_bounds_of(-1).best));
}

/* ---- density ---- */

static void densities(void **state) {
  (void)state;
  quadratic q = {.n = 400}, few = {.n = 300};
  for (int i = 0; i < 400; i++) q.eigenvalues[i] = i < 300 ? 0.001 * i : 5 + 0.01 * i; /* three quarters below 0.3 */
  cy_objective *f = objective_of(&q, true);
  cy_density density;
  OK(cy_spectral_density(f, origin, (cy_curvature_options){.probes = 20, .steps = 30}, &density));
  assert_int_equal(density.products, 600);
  double sum = 0, mean = 0, integral = 0, share = cy_density_share(&density, -0.01, 0.31), trace = 0;
  for (int64_t i = 0; i < density.n; i++) {
    sum += density.weights[i];
    mean += density.weights[i] * density.nodes[i];
    assert_true(density.weights[i] >= 0 && (i == 0 || density.nodes[i - 1] <= density.nodes[i]));
  }
  for (int i = 0; i < 400; i++) trace += q.eigenvalues[i] / 400;
  for (double t = -2; t < 12; t += 0.01) integral += 0.01 * cy_density_at(&density, t, 0.1);
  assert_near(sum, 1, 1e-12);
  assert_near(share, 0.75, 0.05);
  assert_near(mean, trace, 0.05);
  assert_near(integral, 1, 1e-6);
  assert_near(density.high, 8.99, 1e-2);
  assert_near(cy_density_at(&density, 0.15, 0.02) / 300 * 400 * 0.3, 1, 0.25); /* 300 in an interval of 0.3 */
  cy_density_clear(&density);
  cy_objective_free(f);
  /* Three different eigenvalues: three nodes per probe, exactly there. */
  for (int i = 0; i < 300; i++) few.eigenvalues[i] = i % 3;
  f = objective_of(&few, true);
  OK(cy_spectral_density(f, origin, (cy_curvature_options){.probes = 8}, &density));
  assert_true(density.n == 24 && density.products < 8 * 5);
  for (int64_t i = 0; i < density.n; i++) assert_near(density.nodes[i], round(density.nodes[i]), 1e-10);
  assert_near(cy_density_share(&density, 0.5, 1.5), 1.0 / 3, 0.08);
  cy_density_clear(&density);
  cy_objective_free(f);
}

/* ---- trace, diagonal, the whole ---- */

static double entry(const quadratic *q, int i, int j) {
  double sum = 0;
  for (int k = 0; k < q->n; k++)
    sum += ((i == k) - 2 * q->u[i] * q->u[k]) * q->eigenvalues[k] * ((j == k) - 2 * q->u[j] * q->u[k]);
  return sum;
}

static void traces_and_diagonals(void **state) {
  (void)state;
  enum { N = 60 };
  double diagonal[N], error[N], trace = 0;
  quadratic q = spread_out(N);
  cy_estimate estimate;
  for (int i = 0; i < N; i++) trace += q.eigenvalues[i];
  cy_objective *f = objective_of(&q, false); /* a diagonal matrix: no chance in it */
  OK(cy_trace(f, origin, (cy_curvature_options){.probes = 3}, &estimate, diagonal, error));
  assert_near(estimate.value, trace, 1e-13);
  assert_true(estimate.error < 1e-13 && estimate.probes == 3);
  for (int i = 0; i < N; i++) assert_true(fabs(diagonal[i] - q.eigenvalues[i]) < 1e-14 && error[i] < 1e-14);
  OK(cy_trace(f, origin, (cy_curvature_options){.probes = 1}, &estimate, NULL, NULL));
  assert_true(isnan(estimate.error));
  cy_objective_free(f);
  f = objective_of(&q, true);
  OK(cy_trace(f, origin, (cy_curvature_options){.probes = 400}, &estimate, diagonal, error));
  assert_true(estimate.error > 0 && fabs(estimate.value - trace) < 4 * estimate.error);
  int outside = 0;
  for (int i = 0; i < N; i++) outside += fabs(diagonal[i] - entry(&q, i, i)) > 2 * error[i];
  assert_true(outside < N / 5); /* one in twenty is expected */
  cy_objective_free(f);
}

static void whole_matrices(void **state) {
  (void)state;
  enum { N = 15 };
  double matrix[N * N], asymmetry;
  quadratic q = spread_out(N);
  cy_objective *f = objective_of(&q, true);
  OK(cy_full_curvature(f, origin, (cy_curvature_options){0}, matrix, &asymmetry));
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      assert_near(matrix[i * N + j], entry(&q, i, j), 1e-13);
      assert_true(matrix[i * N + j] == matrix[j * N + i]);
    }
  assert_true(asymmetry < 1e-14);
  q.noise = 1e-3;
  OK(cy_full_curvature(f, origin, (cy_curvature_options){0}, matrix, &asymmetry));
  assert_true(asymmetry > 1e-5 && asymmetry < 1e-2);
  cy_objective_free(f);
}

/* ---- differences ---- */

/* sum x^4 / 12: H v = x^2 v, (g(x + r v) - g(x)) / r - H v = r x v^2 + r^2 v^3 / 3 */
static void differences_have_two_branches(void **state) {
  (void)state;
  enum { N = 5, COUNT = 29 };
  cy_graph *graph;
  cy_objective *f;
  cy_difference rows[COUNT];
  int best;
  const double x[N] = {1, 2, -1, 0.5, 3}, v[N] = {0.5, -0.5, 0.5, 0.5, 0.1};
  OK(cy_graph_create(&graph));
  cy_value a = cy_input(graph, "x", CY_F64, CY_SHAPE(N));
  cy_value loss = cy_mul_scalar(cy_sum(cy_square(cy_square(a)), NULL, 0, false), 1.0 / 12);
  OK(cy_objective_create((cy_objective_graph){.loss = loss, .variables = &a, .n = 1}, &f));
  OK(cy_difference_products(f, x, v, (cy_curvature_options){0}, 1e-14, 1, COUNT, rows, &best));
  assert_near(rows[0].r / 1e-14, 1, 1e-12);
  assert_near(rows[COUNT - 1].r, 1, 1e-12);
  for (int k = 0; k < COUNT; k++) {
    double apart = 0, size = 0, r = rows[k].r;
    for (int i = 0; i < N; i++) {
      apart += pow(r * x[i] * v[i] * v[i] + r * r * pow(v[i], 3) / 3, 2);
      size += pow(x[i] * x[i] * v[i], 2);
    }
    if (r > 1e-6) assert_near(rows[k].error / sqrt(apart / size), 1, 1e-2); /* the O(r) branch */
    if (r < 1e-11) assert_true(rows[k].error > 1e-6);                       /* the round-off branch */
    assert_true(rows[best].error <= rows[k].error);
  }
  assert_true(rows[best].r > 1e-10 && rows[best].r < 1e-6 && rows[best].error < 1e-7);
  OK(cy_difference_products(f, x, NULL, (cy_curvature_options){.seed = 2}, 1e-6, 1e-6, 1, rows, &best));
  assert_true(rows[0].error < 1e-5);
  FAILS(cy_difference_products(f, x, v, (cy_curvature_options){0}, 0, 1, 3, rows, &best), CY_INVALID, "positive");
  FAILS(cy_difference_products(f, x, v, (cy_curvature_options){.matrix = CY_GAUSS_NEWTON}, 1e-3, 1, 3, rows, &best),
               CY_INVALID, "gauss-newton");
  cy_objective_free(f);
  cy_graph_free(graph);
}

/* ---- ends ---- */

static bool three(int64_t done, int64_t total, void *user) {
  assert_true(done <= total);
  *(int64_t *)user = done;
  return done < 3;
}

static void bad_numbers_and_early_ends(void **state) {
  (void)state;
  quadratic q = spread_out(20);
  cy_objective *f = objective_of(&q, true);
  cy_eigenvalues found;
  cy_density density;
  cy_estimate trace;
  double matrix[400];
  int64_t done = 0;
  cy_curvature_options options = {.on_product = three, .user = &done};
  FAILS(cy_extreme_eigenvalues(f, origin, options, &found), CY_CANCELLED, "after 3 products");
  assert_true(done == 3 && !found.largest && !found.smallest);
  FAILS(cy_spectral_density(f, origin, options, &density), CY_CANCELLED, "3 products");
  assert_null(density.nodes);
  FAILS(cy_trace(f, origin, options, &trace, NULL, NULL), CY_CANCELLED, "3 products");
  FAILS(cy_full_curvature(f, origin, options, matrix, NULL), CY_CANCELLED, "3 products");
  options = (cy_curvature_options){0};
  q.bad_after = q.products + 2;
  FAILS(cy_extreme_eigenvalues(f, origin, options, &found), CY_NOT_FINITE, "hessian matrix is not finite");
  q.bad_after = q.products + 2;
  FAILS(cy_full_curvature(f, origin, options, matrix, NULL), CY_NOT_FINITE, "not finite");
  cy_objective_free(f);
}

static void seeds_decide(void **state) {
  (void)state;
  quadratic q = spread_out(100);
  cy_objective *f = objective_of(&q, true);
  cy_estimate a, b, c;
  OK(cy_trace(f, origin, (cy_curvature_options){.seed = 4}, &a, NULL, NULL));
  OK(cy_trace(f, origin, (cy_curvature_options){.seed = 4}, &b, NULL, NULL));
  OK(cy_trace(f, origin, (cy_curvature_options){.seed = 5}, &c, NULL, NULL));
  assert_true(a.value == b.value && a.value != c.value);
  cy_objective_free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tridiagonal_matrices),
      cmocka_unit_test(extreme_eigenvalues_with_bounds),
      cmocka_unit_test(rounding_is_part_of_the_bound),
      cmocka_unit_test(whole_spectra_of_small_matrices),
      cmocka_unit_test(little_memory_means_few_steps),
      cmocka_unit_test(step_bounds),
      cmocka_unit_test(densities),
      cmocka_unit_test(traces_and_diagonals),
      cmocka_unit_test(whole_matrices),
      cmocka_unit_test(differences_have_two_branches),
      cmocka_unit_test(bad_numbers_and_early_ends),
      cmocka_unit_test(seeds_decide),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
