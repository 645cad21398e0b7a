/* Trace and diagonal by random signs, the whole matrix by unit vectors, and the product by differences of gradients:
 * what is read off products one by one. */
#include "optim/curvature.h"

#include "base/error.h"
#include "base/memory.h"
#include "optim/vector.h"

#include <math.h>
#include <string.h>

enum { USUAL_PROBES = 30 };

/* Mean and sum of squared deviations, number by number (B. P. Welford 1962). */
static void welford(int64_t count, double value, double *mean, double *squares) {
  double from_mean = value - *mean;
  *mean += from_mean / (double)count;
  *squares += from_mean * (value - *mean);
}

static double standard_error(int64_t count, double squares) {
  return count > 1 ? sqrt(squares / (double)(count - 1) / (double)count) : (double)NAN;
}

typedef struct sums {
  double *v, *product, *diagonal, *squares; /* the last two may be NULL */
  double mean, square;
} sums;

static cy_status probe(cy_matrix_at *a, cy_rng *rng, int64_t number, sums *s) {
  double quadratic = 0;
  for (int64_t i = 0; i < a->n; i++) s->v[i] = cy_rng_u32(rng) & 1 ? 1 : -1;
  CY_TRY(cy_matrix_times(a, s->v, s->product));
  for (int64_t i = 0; i < a->n; i++) {
    double term = s->v[i] * s->product[i], unused = 0;
    quadratic += term;
    if (s->diagonal) welford(number, term, &s->diagonal[i], s->squares ? &s->squares[i] : &unused);
  }
  welford(number, quadratic, &s->mean, &s->square);
  return CY_OK;
}

cy_status cy_trace(cy_objective *objective, const double *x, cy_curvature_options options, cy_estimate *trace,
                   double *diagonal, double *diagonal_error) {
  int64_t n = cy_objective_size(objective), probes = options.probes > 0 ? options.probes : USUAL_PROBES;
  cy_matrix_at a = {.objective = objective, .x = x, .options = &options, .n = n, .total = probes};
  cy_rng rng = cy_rng_make(options.seed, 3);
  sums s = {.v = cy_calloc((size_t)n, sizeof(double)), .product = cy_calloc((size_t)n, sizeof(double)),
            .diagonal = diagonal, .squares = diagonal ? diagonal_error : NULL};
  *trace = (cy_estimate){.probes = probes};
  if (diagonal) memset(diagonal, 0, (size_t)n * sizeof *diagonal);
  if (diagonal_error) memset(diagonal_error, 0, (size_t)n * sizeof *diagonal_error);
  cy_status status = s.v && s.product ? CY_OK : cy_no_memory();
  for (int64_t i = 1; i <= probes && status == CY_OK; i++) status = probe(&a, &rng, i, &s);
  trace->value = s.mean;
  trace->error = standard_error(probes, s.square);
  for (int64_t i = 0; s.squares && i < n; i++) s.squares[i] = standard_error(probes, s.squares[i]);
  cy_free(s.v);
  cy_free(s.product);
  return status;
}

/* ---- the whole matrix ---- */

static double make_symmetric(double *matrix, int64_t n) {
  double apart = 0, largest = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= i; j++) {
      double *a = &matrix[i * n + j], *b = &matrix[j * n + i];
      apart = fmax(apart, fabs(*a - *b));
      largest = fmax(largest, fmax(fabs(*a), fabs(*b)));
      *a = *b = *a / 2 + *b / 2;
    }
  return largest > 0 ? apart / largest : 0;
}

cy_status cy_full_curvature(cy_objective *objective, const double *x, cy_curvature_options options, double *matrix,
                            double *asymmetry) {
  int64_t n = cy_objective_size(objective);
  cy_matrix_at a = {.objective = objective, .x = x, .options = &options, .n = n, .total = n};
  double *unit = cy_calloc((size_t)n, sizeof *unit);
  cy_status status = unit ? CY_OK : cy_no_memory();
  for (int64_t i = 0; i < n && status == CY_OK; i++) {
    unit[i] = 1;
    status = cy_matrix_times(&a, unit, matrix + i * n);
    unit[i] = 0;
  }
  cy_free(unit);
  CY_TRY(status);
  double apart = make_symmetric(matrix, n);
  if (asymmetry) *asymmetry = apart;
  return CY_OK;
}

/* ---- differences ---- */

typedef struct comparison {
  int64_t n;
  double *direction, *exact, *moved, *base, *gradient;
  double size; /* |H v| */
} comparison;

/* Uses up the gradient. */
static double difference_error(const comparison *c, double r) {
  for (int64_t i = 0; i < c->n; i++) c->gradient[i] = (c->gradient[i] - c->base[i]) / r - c->exact[i];
  double apart = cy_length(c->n, c->gradient);
  return c->size > 0 ? apart / c->size : apart;
}

static cy_status compare(cy_matrix_at *a, comparison *c, double from, double to, int count, cy_difference *rows) {
  double value;
  bool any = false;
  CY_TRY(cy_matrix_times(a, c->direction, c->exact));
  c->size = cy_length(c->n, c->exact);
  CY_TRY(cy_objective_gradient(a->objective, a->x, &value, c->base));
  if (!isfinite(value)) return cy_fail(CY_NOT_FINITE, "the value at this point is %g", value);
  for (int k = 0; k < count; k++) {
    double r = count > 1 ? exp(log(from) + (log(to) - log(from)) * k / (count - 1)) : from;
    for (int64_t i = 0; i < c->n; i++) c->moved[i] = a->x[i] + r * c->direction[i];
    CY_TRY(cy_objective_gradient(a->objective, c->moved, &value, c->gradient));
    rows[k] = (cy_difference){r, difference_error(c, r)};
    any = any || isfinite(rows[k].error);
    a->done++;
    if (a->options->on_product && !a->options->on_product(a->done, a->total, a->options->user))
      return cy_fail(CY_CANCELLED, "stopped on request after %d of %d differences", k + 1, count);
  }
  if (any) return CY_OK;
  return cy_fail(CY_NOT_FINITE, "no gradient is finite at a distance of r |v|, r from %g to %g and |v| = %g", from, to,
                 cy_length(c->n, c->direction));
}

/* A random one has length 1, so that r is the distance moved. */
static void choose_direction(comparison *c, const double *v, uint64_t seed) {
  cy_rng rng = cy_rng_make(seed, 4);
  for (int64_t i = 0; i < c->n; i++) c->direction[i] = v ? v[i] : cy_rng_normal(&rng);
  if (v) return;
  cy_scale_into(c->n, 1 / cy_length(c->n, c->direction), c->direction, c->direction);
}

cy_status cy_difference_products(cy_objective *objective, const double *x, const double *v,
                                 cy_curvature_options options, double from, double to, int count, cy_difference *rows,
                                 int *best) {
  int64_t n = cy_objective_size(objective);
  comparison c = {.n = n};
  *best = 0;
  if (options.matrix != CY_HESSIAN)
    return cy_fail(CY_INVALID, "differences of gradients are products with the Hessian, not with the %s matrix",
                   cy_curvature_name(options.matrix) ? cy_curvature_name(options.matrix) : "unknown");
  if (!(from > 0 && to > 0 && isfinite(from) && isfinite(to)) || count < 1)
    return cy_fail(CY_INVALID, "differences: %d values of r from %g to %g; they must be positive", count, from, to);
  size_t cells;
  if (!cy_mul_size(5, (size_t)n, &cells)) return cy_no_memory();
  if (!(c.direction = cy_calloc(cells, sizeof *c.direction))) return cy_no_memory();
  c.exact = c.direction + n;
  c.moved = c.exact + n;
  c.base = c.moved + n;
  c.gradient = c.base + n;
  cy_matrix_at a = {.objective = objective, .x = x, .options = &options, .n = n, .total = count + 1};
  choose_direction(&c, v, options.seed);
  cy_status status = compare(&a, &c, from, to, count, rows);
  cy_free(c.direction);
  CY_TRY(status);
  for (int k = 1; k < count; k++)
    if (rows[k].error < rows[*best].error || isnan(rows[*best].error)) *best = k;
  return CY_OK;
}
