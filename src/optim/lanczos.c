/* Extreme eigenvalues: those of Lanczos's tridiagonal matrix, with bounds of their residuals; steps are added until the
 * bounds are within the tolerance. */
#include "optim/curvature.h"

#include "base/error.h"
#include "base/memory.h"

#include <float.h>
#include <math.h>

enum { USUAL_STEPS = 300, FIRST_LOOK = 8 };
static const double USUAL_TOLERANCE = 1e-6;

/* The eigenvalues of T with their vectors' last elements and the bound that rounding adds. */
typedef struct ritz {
  double *values, *vectors;
} ritz;

static void clear(ritz *r) {
  cy_free(r->values);
  cy_free(r->vectors);
  *r = (ritz){0};
}

static cy_status solve(const cy_krylov *k, ritz *r) {
  size_t steps = (size_t)k->steps, cells;
  clear(r);
  if (!cy_mul_size(steps, steps, &cells)) return cy_no_memory();
  r->values = cy_calloc(steps, sizeof *r->values);
  r->vectors = cy_calloc(cells, sizeof *r->vectors);
  if (!r->values || !r->vectors) return cy_no_memory();
  return cy_krylov_eigenvalues(k, r->values, r->vectors);
}

/* |A y - value y| in exact arithmetic. */
static double residual(const cy_krylov *k, const ritz *r, int64_t i) {
  return fabs(k->beta[k->steps - 1] * r->vectors[i * k->steps + k->steps - 1]);
}

/* |E s| <= sum of |s_j| |e_j| */
static double rounding(const cy_krylov *k, const ritz *r, int64_t i) {
  double sum = 0;
  for (int64_t j = 0; j < k->steps; j++) sum += fabs(r->vectors[i * k->steps + j]) * k->rounding[j];
  return sum;
}

static bool good(const cy_krylov *k, const ritz *r, int64_t count, double tolerance) {
  double size = fmax(fabs(r->values[0]), fabs(r->values[k->steps - 1]));
  if (k->steps < 2 * count && k->steps < k->n) return false;
  if (count > k->steps) count = k->steps;
  for (int64_t i = 0; i < count; i++)
    if (residual(k, r, i) > tolerance * size || residual(k, r, k->steps - 1 - i) > tolerance * size) return false;
  return true;
}

/* Looking costs steps^3: at 8, 12, 18, ... steps, at an end, and at the last. */
static cy_status iterate(cy_krylov *k, cy_matrix_at *a, int64_t count, double tolerance, cy_rng *rng, ritz *r,
                         bool *converged) {
  int64_t look = FIRST_LOOK;
  for (;;) {
    CY_TRY(cy_krylov_step(k, a, rng));
    if (k->steps < look && !k->ended && k->steps < k->most) continue;
    CY_TRY(solve(k, r));
    *converged = good(k, r, count, tolerance);
    if (*converged || k->steps == k->most) return CY_OK;
    if (k->steps >= look) look += look / 2;
  }
}

static cy_status report(const cy_krylov *k, const ritz *r, int64_t count, cy_eigenvalues *found) {
  if (count > k->steps) count = k->steps;
  found->largest = cy_calloc((size_t)count, sizeof *found->largest);
  found->smallest = cy_calloc((size_t)count, sizeof *found->smallest);
  if (!found->largest || !found->smallest) return cy_no_memory();
  /* The eigenvalues of T are themselves known to a few units in the last place of the largest. */
  double last_place = 4 * DBL_EPSILON * fmax(fabs(r->values[0]), fabs(r->values[k->steps - 1]));
  for (int64_t i = 0; i < count; i++) {
    int64_t last = k->steps - 1 - i;
    found->smallest[i] = (cy_eigenvalue){r->values[i], residual(k, r, i) + rounding(k, r, i) + last_place};
    found->largest[i] = (cy_eigenvalue){r->values[last], residual(k, r, last) + rounding(k, r, last) + last_place};
  }
  found->n_largest = found->n_smallest = (int)count;
  found->steps = k->steps;
  for (int64_t j = 0; j < k->steps; j++) found->rounding = fmax(found->rounding, k->rounding[j]);
  return CY_OK;
}

static cy_status start_vector(cy_rng *rng, int64_t n, double **start) {
  *start = cy_calloc((size_t)n, sizeof **start);
  if (!*start) return cy_no_memory();
  for (int64_t i = 0; i < n; i++) (*start)[i] = cy_rng_normal(rng);
  return CY_OK;
}

cy_status cy_extreme_eigenvalues(cy_objective *objective, const double *x, cy_curvature_options options,
                                 cy_eigenvalues *found) {
  int64_t n = cy_objective_size(objective), count = options.count > 0 ? options.count : 1;
  double tolerance = options.tolerance > 0 ? options.tolerance : USUAL_TOLERANCE, *start;
  int64_t most = cy_krylov_room(&options, n, USUAL_STEPS);
  cy_matrix_at a = {.objective = objective, .x = x, .options = &options, .n = n, .total = most};
  cy_rng rng = cy_rng_make(options.seed, 1);
  cy_krylov k = {0};
  ritz r = {0};
  *found = (cy_eigenvalues){0};
  if (count > n) count = n;
  CY_TRY(start_vector(&rng, n, &start));
  cy_status status = cy_krylov_open(&k, n, most, start);
  cy_free(start);
  if (status == CY_OK) status = iterate(&k, &a, count, tolerance, &rng, &r, &found->converged);
  if (status == CY_OK) status = report(&k, &r, count, found);
  cy_krylov_close(&k);
  clear(&r);
  if (status != CY_OK) cy_eigenvalues_clear(found);
  return status;
}

void cy_eigenvalues_clear(cy_eigenvalues *found) {
  cy_free(found->largest);
  cy_free(found->smallest);
  *found = (cy_eigenvalues){0};
}

cy_step_bounds cy_step_bounds_of(double largest) {
  if (!(largest > 0)) return (cy_step_bounds){INFINITY, INFINITY};
  return (cy_step_bounds){1 / largest, 2 / largest};
}
