/* Newton's method with the whole Hessian: n products with unit vectors, Cholesky, line search. Where the Hessian is not
 * positive definite it is shifted by a multiple of the identity (K. Levenberg 1944), found by trying the factorisation,
 * which also tells the smallest eigenvalue. For small problems; its time grows with n^3. */
#include "optim/descent.h"

#include "base/error.h"

#include <float.h>

enum { DAMPING };
enum { MOST_NUMBERS = 4096 };

static cy_status check(const cy_descent *d) {
  if (d->n > MOST_NUMBERS)
    return cy_fail(CY_INVALID, "newton stores the Hessian, and %lld x %lld numbers are too many (at most %d "
                   "variables); newton-cg needs only products with it", (long long)d->n, (long long)d->n, MOST_NUMBERS);
  if (!cy_objective_has(d->objective, CY_HESSIAN))
    return cy_fail(CY_UNSUPPORTED, "newton needs products with the Hessian, which this objective does not have");
  return CY_OK;
}

/* Row-major, symmetric to the bit. */
static cy_status make_hessian(cy_descent *d, double *hessian, bool *finite) {
  int64_t n = d->n;
  double *unit = d->next_x;
  *finite = true;
  for (int64_t j = 0; j < n; j++) {
    memset(unit, 0, (size_t)n * sizeof *unit);
    unit[j] = 1;
    CY_TRY(cy_descent_product(d, CY_HESSIAN, unit, hessian + j * n));
  }
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= i; j++) {
      double mean = 0.5 * (hessian[i * n + j] + hessian[j * n + i]);
      hessian[i * n + j] = hessian[j * n + i] = mean;
      *finite = *finite && isfinite(mean);
    }
  return CY_OK;
}

static bool factorise(int64_t n, const double *hessian, double shift, double *factor) {
  cy_copy_vector(n * n, hessian, factor);
  for (int64_t i = 0; i < n; i++) factor[i * n + i] += shift;
  return cy_cholesky(n, factor);
}

/* The smallest shift that makes it positive definite, to a few per cent: that is minus the smallest eigenvalue. First
 * four times as much each time, then bisection. */
static double needed_shift(int64_t n, const double *hessian, double *factor) {
  double scale = 0, smallest = INFINITY, low, high;
  for (int64_t i = 0; i < n; i++) {
    double element = hessian[i * n + i];
    if (element < smallest) smallest = element;
    for (int64_t j = 0; j <= i; j++)
      if (fabs(hessian[i * n + j]) > scale) scale = fabs(hessian[i * n + j]);
  }
  if (scale == 0) scale = 1;
  low = smallest < 0 ? -smallest : 0; /* no eigenvalue is larger than a diagonal element: less fails */
  high = low > 1e-10 * scale ? low * (1 + 1e-12) : 1e-10 * scale;
  while (!factorise(n, hessian, high, factor)) {
    low = high;
    high *= 4;
    if (!isfinite(high)) return high;
  }
  for (int i = 0; i < (n <= 256 ? 12 : 4) && low > 0; i++) {
    double middle = 0.5 * (low + high);
    if (factorise(n, hessian, middle, factor)) high = middle;
    else low = middle;
  }
  return high;
}

static double initial_or_adapted(const cy_descent *d) {
  const double *slot = d->slots[DAMPING];
  return slot[1] == 0 ? d->options.damping : slot[0];
}

/* Factorises what can be: the Hessian, damped, shifted if need be. The damping; infinite if numbers overflow. */
static double damp_and_factorise(cy_descent *d, const double *hessian, double *factor) {
  double lambda = initial_or_adapted(d), scale = 0;
  if (factorise(d->n, hessian, lambda, factor)) return lambda;
  double needed = needed_shift(d->n, hessian, factor);
  for (int64_t i = 0; i < d->n; i++) scale = fmax(scale, fabs(hessian[i * d->n + i]));
  /* Twice as much: then the step along the worst direction is as if its curvature were positive. */
  double shift = fmax(2 * needed, lambda);
  if (needed > 1e-8 * scale) {
    cy_descent_note(d, "Hessian indefinite: smallest eigenvalue about %.3g; damped by %.3g", -needed, shift);
  } else {
    shift = fmax(shift, 1e-8 * (scale > 0 ? scale : 1));
    cy_descent_note(d, "Hessian singular to rounding; damped by %.3g", shift);
  }
  while (isfinite(shift) && !factorise(d->n, hessian, shift, factor)) shift *= 4;
  return shift;
}

/* D. W. Marquardt 1963, with the factors of Martens 2010: more where the quadratic model promised too much. */
static void adapt(cy_descent *d, double before, double predicted) {
  double lambda = initial_or_adapted(d), ratio = (d->value - before) / predicted;
  if (predicted < 0) lambda *= ratio > 0.75 ? 2.0 / 3 : ratio < 0.25 ? 1.5 : 1;
  d->slots[DAMPING][0] = lambda;
  d->slots[DAMPING][1] = 1;
}

static cy_status newton(cy_descent *d, cy_step_end *end) {
  int64_t n = d->n;
  double *direction = d->scratch, *product = direction + n, *hessian = product + n, *factor = hessian + n * n;
  double before = d->value, rate;
  bool finite, found;
  *end = CY_STEP_DIVERGED;
  CY_TRY(make_hessian(d, hessian, &finite));
  if (!finite) {
    cy_descent_note(d, "the Hessian is not finite");
    return CY_OK;
  }
  d->damping = damp_and_factorise(d, hessian, factor);
  if (!isfinite(d->damping)) return CY_OK;
  cy_scale_into(n, -1, d->gradient, direction);
  cy_cholesky_solve(n, factor, direction);
  for (int64_t i = 0; i < n; i++) product[i] = cy_dot_product(n, hessian + i * n, direction);
  double slope = cy_dot_product(n, d->gradient, direction);
  /* What was shifted does not know its length: its step may have to be longer. */
  if (d->damping > initial_or_adapted(d)) CY_TRY(cy_search_wolfe(d, direction, d->options.rate, &rate, &found));
  else CY_TRY(cy_search_backwards(d, direction, d->options.rate, &rate, &found));
  *end = found ? CY_STEP_TAKEN : CY_STEP_STALLED;
  if (!found) return CY_OK;
  cy_descent_accept(d, rate);
  adapt(d, before, rate * slope + 0.5 * rate * rate * cy_dot_product(n, direction, product));
  return CY_OK;
}

const cy_descent_method cy_descent_newton = {
  .name = "newton", .summary = "whole Hessian, Cholesky, damped where it is indefinite (Newton; Levenberg 1944)",
  .rate = 1,
  .n_slots = 1, .slots = {{"damping", 2, false}}, .vectors = 2, .matrices = 2, .check = check, .step = newton};
