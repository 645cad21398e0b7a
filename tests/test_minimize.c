/* Minimisation, on functions whose derivatives are known in closed form: what theory says of each method happens;
 * where numbers stop being finite a line search steps back and a plain step ends; and whichever allocation fails, the
 * answer is an error value. */
#include "expect.h"

#include "allocations.h"
#include "optim/descent.h"

#include <cauchy.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

/* ---- functions ---- */

typedef void (*formula)(const double *x, double *f, double *g, double *h); /* h: row-major; any may be NULL */

typedef struct function {
  formula formula;
  int n;
  cy_status fail_with; /* when it has been asked that often */
  int fail_after, asked;
} function;

enum { LARGEST = 8 };

static cy_status value(void *self, const double *x, double *f) {
  function *of = self;
  if (++of->asked == of->fail_after) return of->fail_with;
  of->formula(x, f, NULL, NULL);
  return CY_OK;
}
static cy_status gradient(void *self, const double *x, double *f, double *g) {
  function *of = self;
  if (++of->asked == of->fail_after) return of->fail_with;
  of->formula(x, f, g, NULL);
  return CY_OK;
}
static cy_status product(void *self, cy_curvature matrix, const double *x, const double *v, double *out) {
  function *of = self;
  double h[LARGEST * LARGEST];
  if (matrix != CY_HESSIAN) return CY_UNSUPPORTED;
  if (++of->asked == of->fail_after) return of->fail_with;
  of->formula(x, NULL, NULL, h);
  for (int i = 0; i < of->n; i++) out[i] = cy_dot_product(of->n, h + i * of->n, v);
  return CY_OK;
}

static cy_objective *objective_of(function *f) {
  cy_objective *o;
  cy_objective_methods methods = {.value = value, .gradient = gradient, .product = product};
  OK(cy_objective_of(methods, f, f->n, &o));
  return o;
}

/* x^2 + 0.8 x - 0.5: minimum -0.66 at -0.4, curvature 2. */
static void parabola(const double *x, double *f, double *g, double *h) {
  if (f) *f = x[0] * x[0] + 0.8 * x[0] - 0.5;
  if (g) *g = 2 * x[0] + 0.8;
  if (h) *h = 2;
}

/* sum of i x_i^2 / 2 with i = 1..5 and products of neighbours: positive definite, minimum 0 at (1, ..., 1). */
static void bowl(const double *x, double *f, double *g, double *h) {
  double a[25] = {0}, r[5];
  for (int i = 0; i < 5; i++) {
    a[i * 5 + i] = i + 2;
    if (i > 0) a[i * 5 + i - 1] = a[(i - 1) * 5 + i] = 0.7;
  }
  for (int i = 0; i < 5; i++) {
    r[i] = 0;
    for (int j = 0; j < 5; j++) r[i] += a[i * 5 + j] * (x ? x[j] - 1 : 0);
  }
  if (f) {
    *f = 0;
    for (int i = 0; i < 5; i++) *f += 0.5 * r[i] * (x[i] - 1);
  }
  if (g) memcpy(g, r, sizeof r);
  if (h) memcpy(h, a, sizeof a);
}

/* x^2 / 2 + 10 y^2 / 2: largest curvature 10. */
static void valley(const double *x, double *f, double *g, double *h) {
  if (f) *f = 0.5 * x[0] * x[0] + 5 * x[1] * x[1];
  if (g) g[0] = x[0], g[1] = 10 * x[1];
  if (h) h[0] = 1, h[1] = h[2] = 0, h[3] = 10;
}

/* H. H. Rosenbrock 1960: minimum 0 at (1, 1). */
static void rosenbrock(const double *x, double *f, double *g, double *h) {
  double a = x[0], b = x[1], t = b - a * a;
  if (f) *f = 100 * t * t + (1 - a) * (1 - a);
  if (g) g[0] = -400 * a * t - 2 * (1 - a), g[1] = 200 * t;
  if (h) h[0] = 1200 * a * a - 400 * b + 2, h[1] = h[2] = -400 * a, h[3] = 200;
}

/* x^4 / 4 - x^2 / 2 + y^2 / 2: minima -1/4 at (+-1, 0); at (0, 0) a saddle with eigenvalues -1 and 1. */
static void saddle(const double *x, double *f, double *g, double *h) {
  double a = x[0], b = x[1];
  if (f) *f = a * a * a * a / 4 - a * a / 2 + b * b / 2;
  if (g) g[0] = a * a * a - a, g[1] = b;
  if (h) h[0] = 3 * a * a - 1, h[1] = h[2] = 0, h[3] = 1;
}

/* x - log x: minimum 1 at 1, NaN left of 0. */
static void barrier(const double *x, double *f, double *g, double *h) {
  if (f) *f = x[0] - log(x[0]);
  if (g) *g = x[0] > 0 ? 1 - 1 / x[0] : NAN;
  if (h) *h = x[0] > 0 ? 1 / (x[0] * x[0]) : NAN;
}

/* -x: no minimum. */
static void slope(const double *x, double *f, double *g, double *h) {
  if (f) *f = -x[0];
  if (g) *g = -1;
  if (h) *h = 0;
}

/* (x + y)^2 / 2 - (x + y): a line of minima, singular Hessian. */
static void trough(const double *x, double *f, double *g, double *h) {
  double s = x[0] + x[1];
  if (f) *f = s * s / 2 - s;
  if (g) g[0] = g[1] = s - 1;
  if (h) h[0] = h[1] = h[2] = h[3] = 1;
}

/* ---- running ---- */

enum { MOST_ITERATES = 4000 };
typedef struct path {
  int count, stop_at;
  cy_iterate at[MOST_ITERATES];
  double x[MOST_ITERATES][LARGEST];
  char notes[4096];
} path;

static bool record(const cy_iterate *it, void *user) {
  path *p = user;
  assert_true(p->count < MOST_ITERATES);
  assert_int_equal(it->iteration, p->count);
  assert_non_null(it->note);
  if (it->note[0] && strlen(p->notes) + strlen(it->note) + 2 < sizeof p->notes) {
    strcat(p->notes, it->note);
    strcat(p->notes, "\n");
  }
  memcpy(p->x[p->count], it->x, (size_t)it->n * sizeof(double));
  p->at[p->count++] = *it;
  return p->stop_at == 0 || p->count <= p->stop_at;
}

static path *trace; /* of the last run */

static cy_minimize_report run(formula formula, int n, double *x, cy_minimize_options options) {
  function f = {.formula = formula, .n = n};
  cy_objective *o = objective_of(&f);
  cy_minimize_report report;
  int stop_at = trace->stop_at;
  memset(trace, 0, sizeof *trace);
  trace->stop_at = stop_at;
  options.on_iterate = record;
  options.user = trace;
  OK(cy_minimize(o, x, options, &report));
  cy_objective_free(o);
  if (report.end != CY_MINIMIZE_STOPPED) assert_int_equal(trace->count, report.iterations + 1);
  return report;
}

static int set_up(void **state) {
  (void)state;
  trace = calloc(1, sizeof *trace);
  return trace ? 0 : -1;
}
static int tear_down(void **state) {
  (void)state;
  free(trace);
  return 0;
}

static double distance_to(const double *x, const double *y, int n) {
  double worst = 0;
  for (int i = 0; i < n; i++) worst = fmax(worst, fabs(x[i] - y[i]));
  return worst;
}

/* ---- plain methods ---- */

static void gradient_descent_is_the_recurrence(void **state) {
  (void)state;
  double x[1] = {4}, expected = 4;
  run(parabola, 1, x, (cy_minimize_options){.method = "gd", .rate = 0.1, .iterations = 20});
  assert_int_equal(trace->count, 21);
  for (int k = 0; k <= 20; k++) {
    assert_true(fabs(trace->x[k][0] - expected) < 1e-14 * 4);
    if (k > 0) assert_true(fabs(trace->at[k].step - fabs(trace->x[k][0] - trace->x[k - 1][0])) < 1e-15);
    expected -= 0.1 * (2 * expected + 0.8);
  }
  /* At 1 / curvature one step is enough. */
  x[0] = 4;
  assert_int_equal(run(parabola, 1, x, (cy_minimize_options){.method = "gd", .rate = 0.5}).iterations, 1);
  assert_true(fabs(x[0] + 0.4) < 1e-15);
}

static void rates_beyond_two_over_the_curvature_diverge(void **state) {
  (void)state;
  double x[2] = {1, 1};
  cy_minimize_report r = run(valley, 2, x, (cy_minimize_options){.method = "gd", .rate = 0.199, .iterations = 3000});
  assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
  assert_true(r.gradient_norm <= 1e-8);
  x[0] = x[1] = 1;
  r = run(valley, 2, x, (cy_minimize_options){.method = "gd", .rate = 0.201, .iterations = 3000});
  assert_int_equal(r.end, CY_MINIMIZE_DIVERGED);
  /* The best iterate is given back, with its value. */
  double f, best = INFINITY;
  valley(x, &f, NULL, NULL);
  for (int k = 0; k < trace->count; k++) best = fmin(best, trace->at[k].value);
  assert_true(f == r.value && f == best);
}

static void momenta_follow_their_formulas(void **state) {
  (void)state;
  double x[2] = {3, -1}, v[2] = {0, 0}, y[2] = {3, -1}, g[2];
  cy_minimize_options o = {.rate = 0.02, .momentum = 0.8, .iterations = 30};
  o.method = "momentum";
  run(valley, 2, x, o);
  for (int k = 1; k <= 30; k++) {
    valley(y, NULL, g, NULL);
    for (int i = 0; i < 2; i++) v[i] = 0.8 * v[i] + g[i], y[i] -= 0.02 * v[i];
    assert_true(distance_to(trace->x[k], y, 2) < 1e-14);
  }
  o.method = "nesterov";
  x[0] = y[0] = 3, x[1] = y[1] = -1, v[0] = v[1] = 0;
  run(valley, 2, x, o);
  for (int k = 1; k <= 30; k++) {
    valley(y, NULL, g, NULL);
    for (int i = 0; i < 2; i++) v[i] = 0.8 * v[i] + g[i], y[i] -= 0.02 * (g[i] + 0.8 * v[i]);
    assert_true(distance_to(trace->x[k], y, 2) < 1e-14);
  }
  /* Adam's first step is the rate in every coordinate, whatever the gradient. */
  x[0] = 3, x[1] = -1;
  run(valley, 2, x, (cy_minimize_options){.method = "adam", .rate = 0.25, .iterations = 1});
  assert_true(fabs(trace->x[1][0] - 2.75) < 1e-7 && fabs(trace->x[1][1] + 0.75) < 1e-7);
}

static void the_best_iterate_is_given_back(void **state) {
  (void)state;
  double x[1] = {4}, best = INFINITY, at = 0;
  /* The heavy ball rolls past the minimum and up the other side. */
  cy_minimize_options options = {.method = "momentum", .rate = 0.05, .iterations = 8};
  cy_minimize_report r = run(parabola, 1, x, options);
  for (int k = 0; k < trace->count; k++)
    if (trace->at[k].value < best) best = trace->at[k].value, at = trace->x[k][0];
  assert_true(best < trace->at[trace->count - 1].value);
  assert_true(r.value == best && x[0] == at);
}

/* ---- methods that know curvature ---- */

static void newton_needs_one_step_of_quadratics(void **state) {
  (void)state;
  double x[5] = {5, -3, 2, 8, -7}, ones[5] = {1, 1, 1, 1, 1};
  cy_minimize_report r = run(bowl, 5, x, (cy_minimize_options){.method = "newton"});
  assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
  assert_int_equal(r.iterations, 1);
  assert_int_equal(r.products, 5);
  assert_true(distance_to(x, ones, 5) < 1e-13);
  assert_true(trace->at[1].rate == 1);
}

static cy_status bowl_product(void *self, const double *v, double *out) {
  double h[25];
  (void)self;
  bowl(NULL, NULL, NULL, h);
  for (int i = 0; i < 5; i++) out[i] = cy_dot_product(5, h + i * 5, v);
  return CY_OK;
}

static void conjugate_gradients_need_n_steps(void **state) {
  (void)state;
  double x[5] = {5, -3, 2, 8, -7}, ones[5] = {1, 1, 1, 1, 1}, g[5], p[5] = {0}, scratch[15], models[21], kept[10 * 5];
  bowl(x, NULL, g, NULL);
  cy_cg cg = {.n = 5, .limit = 20, .product = bowl_product, .gradient = g, .p = p, .residual = scratch,
              .direction = scratch + 5, .image = scratch + 10, .models = models, .kept = kept, .kept_limit = 10};
  OK(cy_conjugate_gradients(&cg));
  for (int i = 0; i < 5; i++) p[i] += x[i];
  assert_true(distance_to(p, ones, 5) < 1e-12);
  assert_true(cg.iterations <= 7 && models[4] > models[5] - 1e-9);
  for (int i = 1; i <= cg.iterations; i++) assert_true(models[i] <= models[i - 1] + 1e-12);
  assert_true(cg.kept_model[cg.n_kept - 1] == cg.model);
  /* Undamped, Newton-CG is one step too. */
  cy_minimize_report r = run(bowl, 5, x, (cy_minimize_options){.method = "newton-cg", .damping = CY_EXACT_ZERO});
  assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
  assert_true(r.iterations <= 2);
}

static void conjugate_gradients_stop_by_relative_progress(void **state) {
  (void)state;
  enum { N = 5 };
  /* A start at the solution: nothing to do. */
  double x[N] = {5, -3, 2, 8, -7}, g[N], p[N], scratch[3 * N], models[21];
  bowl(x, NULL, g, NULL);
  for (int i = 0; i < N; i++) p[i] = 1 - x[i];
  cy_cg cg = {.n = N, .limit = 20, .product = bowl_product, .gradient = g, .p = p, .residual = scratch,
              .direction = scratch + N, .image = scratch + 2 * N, .models = models};
  OK(cy_conjugate_gradients(&cg));
  assert_true(cg.iterations <= 2);
  assert_int_equal(cg.end, CY_CG_PROGRESS);
}

static void the_valley_of_rosenbrock(void **state) {
  (void)state;
  static const struct {
    const char *method;
    int most;
  } cases[] = {{"lbfgs", 60}, {"newton", 30}, {"newton-cg", 120}};
  double ones[2] = {1, 1};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    double x[2] = {-1.2, 1};
    cy_minimize_report r = run(rosenbrock, 2, x, (cy_minimize_options){.method = cases[i].method});
    assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
    if (r.iterations > cases[i].most) fail_msg("%s: %d iterations", cases[i].method, (int)r.iterations);
    assert_true(distance_to(x, ones, 2) < 1e-6);
    for (int k = 1; k < trace->count; k++) assert_true(trace->at[k].value <= trace->at[k - 1].value);
  }
}

static void lbfgs_takes_strong_wolfe_steps(void **state) {
  (void)state;
  double x[2] = {-1.2, 1};
  run(rosenbrock, 2, x, (cy_minimize_options){.method = "lbfgs"});
  for (int k = 1; k < trace->count; k++) {
    double before[2], after[2], direction[2], s0 = 0, s1 = 0, rate = trace->at[k].rate;
    rosenbrock(trace->x[k - 1], NULL, before, NULL);
    rosenbrock(trace->x[k], NULL, after, NULL);
    for (int i = 0; i < 2; i++) {
      direction[i] = (trace->x[k][i] - trace->x[k - 1][i]) / rate;
      s0 += before[i] * direction[i];
      s1 += after[i] * direction[i];
    }
    assert_true(trace->at[k].value <= trace->at[k - 1].value + 1e-4 * rate * s0 * (1 - 1e-9));
    assert_true(fabs(s1) <= 0.9 * fabs(s0) * (1 + 1e-9));
  }
  /* On a quadratic it needs little more than n steps. */
  double y[5] = {5, -3, 2, 8, -7};
  assert_true(run(bowl, 5, y, (cy_minimize_options){.method = "lbfgs"}).iterations <= 15);
  double z[5] = {5, -3, 2, 8, -7};
  assert_int_equal(run(bowl, 5, z, (cy_minimize_options){.method = "lbfgs", .memory = 1}).end, CY_MINIMIZE_CONVERGED);
}

static void indefinite_hessians_are_damped(void **state) {
  (void)state;
  static const char *const methods[] = {"newton", "newton-cg", "lbfgs"};
  for (int i = 0; i < 3; i++) {
    double x[2] = {0.01, 1}, minimum[2] = {1, 0};
    cy_minimize_report r = run(saddle, 2, x, (cy_minimize_options){.method = methods[i]});
    assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
    assert_true(distance_to(x, minimum, 2) < 1e-7);
    if (i == 0) {
      assert_non_null(strstr(trace->notes, "Hessian indefinite: smallest eigenvalue about -1"));
      assert_true(trace->at[1].damping > 1 && trace->at[1].damping < 4);
      assert_true(trace->at[trace->count - 1].damping == 0);
    }
  }
  /* Concave everywhere it looks: CG meets negative curvature at once. */
  double x[2] = {0.3, 0};
  cy_minimize_report r =
      run(saddle, 2, x, (cy_minimize_options){.method = "newton-cg", .damping = 0.01});
  assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
  assert_non_null(strstr(trace->notes, "lambda raised"));
}

static void singular_hessians_are_damped(void **state) {
  (void)state;
  static const char *const methods[] = {"newton", "newton-cg", "lbfgs"};
  for (int i = 0; i < 3; i++) {
    double x[2] = {3, 5};
    cy_minimize_report r = run(trough, 2, x, (cy_minimize_options){.method = methods[i]});
    assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
    assert_true(fabs(x[0] + x[1] - 1) < 1e-7);
    if (i == 0) assert_non_null(strstr(trace->notes, "singular"));
  }
}

static void damping_of_newton_fades(void **state) {
  (void)state;
  double x[5] = {5, -3, 2, 8, -7};
  cy_minimize_report r = run(bowl, 5, x, (cy_minimize_options){.method = "newton", .damping = 3});
  assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
  assert_true(trace->at[1].damping == 3 && trace->at[2].damping == 2);
}

/* ---- where numbers end ---- */

static void line_searches_step_back_from_nan(void **state) {
  (void)state;
  static const char *const methods[] = {"newton", "newton-cg", "lbfgs"};
  for (int i = 0; i < 3; i++) {
    double x[1] = {5}; /* Newton's full step leads to -15 */
    cy_minimize_report r = run(barrier, 1, x, (cy_minimize_options){.method = methods[i], .damping = CY_EXACT_ZERO});
    assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
    assert_true(fabs(x[0] - 1) < 1e-7);
  }
}

static void plain_steps_end_at_nan(void **state) {
  (void)state;
  double x[1] = {2};
  cy_minimize_report r = run(barrier, 1, x, (cy_minimize_options){.method = "gd", .rate = 5});
  assert_int_equal(r.end, CY_MINIMIZE_DIVERGED);
  double f;
  barrier(x, &f, NULL, NULL);
  assert_true(isfinite(f) && f == r.value);
  for (int i = 0; cy_minimize_method(i, NULL); i++) {
    double y[1] = {-3};
    r = run(barrier, 1, y, (cy_minimize_options){.method = cy_minimize_method(i, NULL)});
    assert_int_equal(r.end, CY_MINIMIZE_DIVERGED);
    assert_int_equal(r.iterations, 0);
    assert_true(y[0] == -3);
  }
}

static void what_has_no_minimum_is_said(void **state) {
  (void)state;
  double x[1] = {0};
  cy_minimize_report r = run(slope, 1, x, (cy_minimize_options){.method = "lbfgs", .iterations = 20});
  assert_true(r.end == CY_MINIMIZE_ITERATIONS || r.end == CY_MINIMIZE_DIVERGED);
  assert_non_null(strstr(trace->notes, "may have no minimum"));
  for (int i = 0; cy_minimize_method(i, NULL); i++) {
    double y[1] = {0};
    r = run(slope, 1, y, (cy_minimize_options){.method = cy_minimize_method(i, NULL), .iterations = 20});
    assert_true(r.end != CY_MINIMIZE_CONVERGED);
    assert_true(isfinite(y[0]) && y[0] > 0);
  }
}

/* ---- options, errors ---- */

static void bad_options_are_named(void **state) {
  (void)state;
  function f = {.formula = parabola, .n = 1};
  cy_objective *o = objective_of(&f);
  static const struct {
    cy_minimize_options options;
    const char *says;
  } cases[] = {
    {{.method = "newten"}, "did you mean \"newton\"?"},   {{.method = "gd", .rate = -1}, "rate is -1"},
    {{.method = "gd", .rate = NAN}, "rate is"},           {{.method = "momentum", .momentum = 1}, "momentum is 1"},
    {{.iterations = -1}, "iterations is -1"},             {{.tolerance = -1}, "tolerance is -1"},
    {{.damping = INFINITY}, "damping is inf"},            {{.memory = -3}, "memory is -3"},
    {{.cg_iterations = -3}, "cg_iterations is -3"},       {{.curvature = (cy_curvature)7}, "curvature is 7"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    double x[1] = {4};
    cy_minimize_report r;
    assert_int_equal(cy_minimize(o, x, cases[i].options, &r), CY_INVALID);
    if (!strstr(cy_error_message(), cases[i].says)) fail_msg("\"%s\" lacks \"%s\"", cy_error_message(), cases[i].says);
    assert_true(x[0] == 4);
  }
  cy_objective_free(o);
  const char *summary;
  for (int i = 0; cy_minimize_method(i, &summary); i++) assert_true(strlen(summary) > 10);
}

static cy_status zero_value(void *self, const double *x, double *f) {
  (void)self, (void)x;
  *f = 0;
  return CY_OK;
}
static cy_status zero_gradient(void *self, const double *x, double *f, double *g) {
  (void)x;
  memset(g, 0, (size_t) * (int64_t *)self * sizeof *g);
  *f = 0;
  return CY_OK;
}

static void newton_says_what_it_cannot_do(void **state) {
  (void)state;
  int64_t n = 5000;
  cy_objective *o;
  cy_minimize_report r;
  double *x = calloc((size_t)n, sizeof *x);
  OK(cy_objective_of((cy_objective_methods){.value = zero_value, .gradient = zero_gradient}, &n, n, &o));
  assert_int_equal(cy_minimize(o, x, (cy_minimize_options){.method = "newton"}, &r), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "newton-cg"));
  assert_int_equal(cy_minimize(o, x, (cy_minimize_options){.method = "newton-cg"}, &r), CY_UNSUPPORTED);
  OK(cy_minimize(o, x, (cy_minimize_options){.method = "lbfgs"}, &r));
  assert_int_equal(r.end, CY_MINIMIZE_CONVERGED);
  cy_objective_free(o);
  free(x);
}

static void errors_of_the_objective_are_passed_on(void **state) {
  (void)state;
  for (int i = 0; cy_minimize_method(i, NULL); i++)
    for (int after = 1; after < 12; after++) {
      double x[2] = {-1.2, 1}, f;
      function broken = {.formula = rosenbrock, .n = 2, .fail_with = CY_IO, .fail_after = after};
      cy_objective *o = objective_of(&broken);
      cy_minimize_report r;
      cy_minimize_options options = {.method = cy_minimize_method(i, NULL), .rate = i < 4 ? 1e-4 : 0};
      assert_int_equal(cy_minimize(o, x, options, &r), CY_IO);
      rosenbrock(x, &f, NULL, NULL);
      assert_true(f <= 24.2 + 1e-9);
      cy_objective_free(o);
    }
}

static void the_caller_can_stop(void **state) {
  (void)state;
  for (int i = 0; cy_minimize_method(i, NULL); i++) {
    double x[2] = {-1.2, 1};
    trace->stop_at = 2;
    cy_minimize_options options = {.method = cy_minimize_method(i, NULL), .rate = i < 4 ? 1e-4 : 0};
    cy_minimize_report r = run(rosenbrock, 2, x, options);
    assert_int_equal(r.end, CY_MINIMIZE_STOPPED);
    assert_int_equal(r.iterations, 2);
  }
  trace->stop_at = 0;
}

static void equal_runs_give_equal_bits(void **state) {
  (void)state;
  for (int i = 0; cy_minimize_method(i, NULL); i++) {
    double x[2] = {-1.2, 1}, y[2] = {-1.2, 1};
    cy_minimize_options options = {.method = cy_minimize_method(i, NULL), .rate = i < 4 ? 1e-4 : 0, .iterations = 30};
    cy_minimize_report a = run(rosenbrock, 2, x, options), b = run(rosenbrock, 2, y, options);
    assert_memory_equal(x, y, sizeof x);
    assert_true(a.iterations == b.iterations && a.evaluations == b.evaluations && a.value == b.value);
  }
}

static void failed_allocations_are_errors(void **state) {
  (void)state;
  for (int i = 0; cy_minimize_method(i, NULL); i++)
    for (int nth = 1;; nth++) {
      double x[2] = {-1.2, 1};
      function f = {.formula = rosenbrock, .n = 2};
      long before = live;
      cy_objective *o = NULL;
      cy_minimize_report r;
      calls = 0;
      failing = nth;
      cy_status status =
          cy_objective_of((cy_objective_methods){.value = value, .gradient = gradient, .product = product}, &f, 2, &o);
      cy_minimize_options options = {.method = cy_minimize_method(i, NULL), .rate = i < 4 ? 1e-4 : 0, .iterations = 5};
      if (status == CY_OK) status = cy_minimize(o, x, options, &r);
      failing = 0;
      cy_objective_free(o);
      assert_int_equal(live, before);
      if (status == CY_OK) break;
      assert_int_equal(status, CY_NO_MEMORY);
      assert_true(x[0] == -1.2 && x[1] == 1);
    }
}

static void cholesky_factors(void **state) {
  (void)state;
  enum { N = 40 };
  cy_rng rng = cy_rng_make(5, 0);
  static double a[N * N], l[N * N], b[N], x[N];
  static double root[N * N];
  for (int i = 0; i < N * N; i++) root[i] = cy_rng_uniform(&rng) - 0.5;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      a[i * N + j] = cy_dot_product(N, root + i * N, root + j * N) + (i == j ? 0.1 : 0);
  for (int i = 0; i < N; i++) x[i] = cy_rng_uniform(&rng);
  for (int i = 0; i < N; i++) b[i] = cy_dot_product(N, a + i * N, x);
  memcpy(l, a, sizeof l);
  assert_true(cy_cholesky(N, l));
  for (int i = 0; i < N; i++)
    for (int j = 0; j <= i; j++) assert_true(fabs(cy_dot_product(j + 1, l + i * N, l + j * N) - a[i * N + j]) < 1e-12);
  cy_cholesky_solve(N, l, b);
  assert_true(distance_to(b, x, N) < 1e-10);
  /* Indefinite, singular, NaN. */
  double indefinite[4] = {1, 0, 2, 1}, singular[4] = {1, 0, 1, 1}, bad[4] = {1, 0, NAN, 1};
  assert_false(cy_cholesky(2, indefinite));
  assert_false(cy_cholesky(2, singular));
  assert_false(cy_cholesky(2, bad));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(gradient_descent_is_the_recurrence),
    cmocka_unit_test(rates_beyond_two_over_the_curvature_diverge),
    cmocka_unit_test(momenta_follow_their_formulas),
    cmocka_unit_test(the_best_iterate_is_given_back),
    cmocka_unit_test(newton_needs_one_step_of_quadratics),
    cmocka_unit_test(conjugate_gradients_need_n_steps),
    cmocka_unit_test(conjugate_gradients_stop_by_relative_progress),
    cmocka_unit_test(the_valley_of_rosenbrock),
    cmocka_unit_test(lbfgs_takes_strong_wolfe_steps),
    cmocka_unit_test(indefinite_hessians_are_damped),
    cmocka_unit_test(singular_hessians_are_damped),
    cmocka_unit_test(damping_of_newton_fades),
    cmocka_unit_test(line_searches_step_back_from_nan),
    cmocka_unit_test(plain_steps_end_at_nan),
    cmocka_unit_test(what_has_no_minimum_is_said),
    cmocka_unit_test(bad_options_are_named),
    cmocka_unit_test(newton_says_what_it_cannot_do),
    cmocka_unit_test(errors_of_the_objective_are_passed_on),
    cmocka_unit_test(the_caller_can_stop),
    cmocka_unit_test(equal_runs_give_equal_bits),
    cmocka_unit_test(failed_allocations_are_errors),
    cmocka_unit_test(cholesky_factors),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
