/* One method's course: it is run, every iterate is kept, and the curvature where it ends, or where it begins to
 * diverge, is looked at. */
#include "cli/minimize.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Numbers kept in all: iterates beyond have no x. */
enum { KEPT_NUMBERS = 4000000 };

/* ---- the objective, watched ---- */

/* Passes on, and keeps the last point whose value or gradient was not finite: there the formula may be undefined. */
typedef struct watch {
  cy_objective *objective;
  double *bad; /* n numbers */
  bool any_bad;
} watch;

static void keep_bad(watch *w, const double *x, bool finite) {
  if (finite) return;
  memcpy(w->bad, x, (size_t)cy_objective_size(w->objective) * sizeof *x);
  w->any_bad = true;
}

static bool all_finite(const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(x[i])) return false;
  return true;
}

static cy_status watch_value(void *self, const double *x, double *value) {
  watch *w = self;
  CY_TRY(cy_objective_value(w->objective, x, value));
  keep_bad(w, x, isfinite(*value));
  return CY_OK;
}

static cy_status watch_gradient(void *self, const double *x, double *value, double *gradient) {
  watch *w = self;
  CY_TRY(cy_objective_gradient(w->objective, x, value, gradient));
  keep_bad(w, x, isfinite(*value) && all_finite(gradient, cy_objective_size(w->objective)));
  return CY_OK;
}

static cy_status watch_product(void *self, cy_curvature matrix, const double *x, const double *v, double *out) {
  return cy_objective_product(((watch *)self)->objective, matrix, x, v, out);
}

static bool watch_has(const void *self, cy_curvature matrix) {
  return cy_objective_has(((const watch *)self)->objective, matrix);
}

/* ---- keeping iterates ---- */

typedef struct recorder {
  cli_course *course;
  bool failed; /* memory ran out */
} recorder;

static bool keep_iterate(cli_course *c, const cy_iterate *it) {
  if (!cy_grow(&c->iterates, c->n, &c->capacity, sizeof *c->iterates)) return false;
  cli_iterate *kept = &c->iterates[c->n];
  *kept = (cli_iterate){.value = it->value, .gradient_norm = it->gradient_norm, .step = it->step, .rate = it->rate,
                        .damping = it->damping, .products = it->products};
  c->n++;
  if (it->note[0] && !(kept->note = cy_strdup(it->note))) return false;
  if ((int64_t)c->n > KEPT_NUMBERS / it->n) return true;
  kept->x = cy_calloc((size_t)it->n, sizeof *kept->x);
  if (!kept->x) return false;
  memcpy(kept->x, it->x, (size_t)it->n * sizeof *kept->x);
  return true;
}

static bool record(const cy_iterate *it, void *user) {
  recorder *r = user;
  r->failed = !keep_iterate(r->course, it);
  return !r->failed && r->course->options.iterations > 0;
}

/* ---- curvature ---- */

/* Largest and smallest eigenvalue of the Hessian at x; NaN where it is not finite. */
static cy_status find_eigenvalues(const cli_function *f, const double *x, double *low, double *high, bool *converged) {
  cy_eigenvalues found;
  *low = *high = NAN;
  *converged = false;
  cy_status status =
      cy_extreme_eigenvalues(f->objective, x, (cy_curvature_options){.seed = 1, .tolerance = 1e-9}, &found);
  if (status == CY_NOT_FINITE) return CY_OK;
  CY_TRY(status);
  *low = found.smallest[0].value;
  *high = found.largest[0].value;
  *converged = found.converged;
  cy_eigenvalues_clear(&found);
  return CY_OK;
}

/* Methods of a fixed rate are stable on a quadratic of curvature lambda for rates below factor / lambda: 2 of
 * gradient descent, 2 (1 + m) of heavy-ball momentum, 2 (1 + m) / (1 + 2 m) of Nesterov's (as cy_minimize writes
 * them). 0: no such bound. */
static double stability_factor(const cli_course *c, const char **text) {
  double m = c->options.momentum ? c->options.momentum : 0.9;
  *text = "";
  if (strcmp(c->method, "gd") == 0) return *text = "2/lambda_max", 2;
  if (strcmp(c->method, "momentum") == 0) return *text = "2(1+m)/lambda_max", 2 * (1 + m);
  if (strcmp(c->method, "nesterov") == 0) return *text = "2(1+m)/((1+2m) lambda_max)", 2 * (1 + m) / (1 + 2 * m);
  return 0;
}

/* The iterate from which on every value is larger than the one before. */
static size_t first_of_growth(const cli_course *c) {
  size_t k = c->n - 1;
  while (k > 0 && c->iterates[k].value > c->iterates[k - 1].value) k--;
  return k;
}

/* Mean curvature along the step from iterate k: d'(g(x + d) - g(x)) / d'd. */
static cy_status curvature_along(const cli_function *f, const cli_course *c, size_t k, double *curvature) {
  double value, along = 0, length = 0;
  double *from = cy_calloc((size_t)f->n, sizeof *from), *to = cy_calloc((size_t)f->n, sizeof *to);
  cy_status status = from && to ? CY_OK : cy_no_memory();
  const double *a = c->iterates[k].x, *b = c->iterates[k + 1].x;
  if (status == CY_OK) status = cy_objective_gradient(f->objective, a, &value, from);
  if (status == CY_OK) status = cy_objective_gradient(f->objective, b, &value, to);
  for (int64_t i = 0; status == CY_OK && i < f->n; i++) {
    along += (b[i] - a[i]) * (to[i] - from[i]);
    length += (b[i] - a[i]) * (b[i] - a[i]);
  }
  *curvature = along / length;
  cy_free(from);
  cy_free(to);
  return status;
}

static cy_status explain(cli_course *c, const char *format, ...) CY_PRINTF(2, 3);
static cy_status explain(cli_course *c, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  c->explanation = cy_strdup(text);
  return c->explanation ? CY_OK : cy_no_memory();
}

/* The step at which the values begin to grow, against the bound that the curvature there sets. */
static cy_status explain_growth(const cli_function *f, cli_course *c) {
  const char *bound;
  double factor = stability_factor(c, &bound), low, high, along;
  size_t k = first_of_growth(c);
  bool converged;
  if (factor == 0 || k + 1 >= c->n || !c->iterates[k].x || !c->iterates[k + 1].x) return CY_OK;
  double rate = c->iterates[k + 1].rate;
  CY_TRY(find_eigenvalues(f, c->iterates[k].x, &low, &high, &converged));
  if (rate > factor / high && high > 0)
    return explain(c, "step %zu diverges: the rate %.6g exceeds %s = %.6g (curvature %.6g)", k + 1, rate, bound,
                   factor / high, high);
  CY_TRY(curvature_along(f, c, k, &along));
  if (rate > factor / along && along > 0)
    return explain(
        c,
        "step %zu diverges: the rate %.6g is below %s = %.6g where the step begins, but the curvature grows on the "
        "way: its mean along the step is %.6g, which allows %.6g",
        k + 1, rate, bound, factor / high, along, factor / along);
  return high <= 0
             ? explain(c,
                       "from step %zu on every step leads further away: there is no positive curvature (lambda_max = "
                       "%.6g): the function may have no minimum",
                       k + 1, high)
             : CY_OK;
}

/* Values that fall and fall. */
static cy_status explain_fall(cli_course *c) {
  const cli_iterate *last = &c->iterates[c->n - 1];
  if (c->explanation || !(last->value < c->iterates[0].value)) return CY_OK;
  return explain(c, "f falls without bound: it was %.6g at step %zu, and the gradient does not vanish", last->value,
                 c->n - 1);
}

/* Values that neither grow nor fall at the largest curvature's bound: x jumps to and fro. */
static cy_status explain_cycle(const cli_function *f, cli_course *c) {
  const char *bound;
  double factor = stability_factor(c, &bound), rate = c->iterates[c->n - 1].rate;
  (void)f;
  if (factor == 0 || !(c->lambda_max > 0) || rate < factor / c->lambda_max * (1 - 1e-9)) return CY_OK;
  return explain(c, "the rate %.6g is not below %s = %.6g (curvature %.6g): the steps never settle", rate, bound,
                 factor / c->lambda_max, c->lambda_max);
}

static cy_status explain_undefined(const cli_function *f, cli_course *c, const double *bad) {
  if (cli_function_examine(f, bad) == CY_OK) return CY_OK;
  const char *why = cy_error_message(); /* its first line; those below show the place in the formula */
  return explain(c, "step %zu leaves where the function is defined: %.*s", c->n, (int)strcspn(why, "\n"), why);
}

/* ---- the run ---- */

static cy_status look_back(const cli_function *f, cli_course *c, const watch *w) {
  CY_TRY(find_eigenvalues(f, c->x, &c->lambda_min, &c->lambda_max, &c->every_eigenvalue));
  if (c->report.end == CY_MINIMIZE_DIVERGED) {
    CY_TRY(explain_growth(f, c));
    if (!c->explanation && w->any_bad) CY_TRY(explain_undefined(f, c, w->bad));
    return explain_fall(c);
  }
  return c->report.end == CY_MINIMIZE_ITERATIONS ? explain_cycle(f, c) : CY_OK;
}

static cy_status run(const cli_function *f, cli_course *c, watch *w) {
  cy_objective *watched;
  cy_objective_methods methods = {watch_value, watch_gradient, watch_product, NULL, watch_has, NULL, NULL, NULL};
  recorder r = {.course = c};
  c->options.on_iterate = record;
  c->options.user = &r;
  CY_TRY(cy_objective_of(methods, w, f->n, &watched));
  cy_status status = cy_minimize(watched, c->x, c->options, &c->report);
  cy_objective_free(watched);
  if (r.failed) return cy_no_memory();
  CY_TRY(status);
  return look_back(f, c, w);
}

cy_status cli_course_run(const cli_function *f, cy_minimize_options options, cli_course *c) {
  watch w = {.objective = f->objective};
  *c = (cli_course){.method = options.method, .options = options, .lambda_min = NAN, .lambda_max = NAN};
  c->x = cy_calloc((size_t)f->n, sizeof *c->x);
  w.bad = cy_calloc((size_t)f->n, sizeof *w.bad);
  cy_status status = c->x && w.bad ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    memcpy(c->x, f->start, (size_t)f->n * sizeof *c->x);
    status = run(f, c, &w);
  }
  cy_free(w.bad);
  if (status != CY_OK) cli_course_clear(c);
  return status;
}

void cli_course_clear(cli_course *c) {
  for (size_t i = 0; i < c->n; i++) {
    cy_free(c->iterates[i].x);
    cy_free(c->iterates[i].note);
  }
  cy_free(c->iterates);
  cy_free(c->x);
  cy_free(c->explanation);
  *c = (cli_course){0};
}
