/* Lanczos's recurrence with full reorthogonalisation. In floating-point numbers the three-term recurrence alone
 * loses orthogonality as soon as an eigenvalue has converged, and then finds it again and again (C. C. Paige 1971);
 * made orthogonal to all vectors twice, every step is as good as the first. What the first pass takes away beyond
 * the three terms is what the products deviate from a symmetric matrix by, and is kept for the bounds. */
#include "optim/curvature.h"

#include "base/error.h"
#include "base/memory.h"
#include "optim/vector.h"

#include <float.h>
#include <math.h>
#include <string.h>

cy_status cy_matrix_times(cy_matrix_at *a, const double *v, double *out) {
  CY_TRY(cy_objective_product(a->objective, a->options->matrix, a->x, v, out));
  double sum = 0;
  for (int64_t i = 0; i < a->n; i++) sum += out[i] * 0; /* NaN if any is not finite */
  if (sum != 0)
    return cy_fail(CY_NOT_FINITE, "a product with the %s matrix is not finite: there is no curvature at this point",
                   cy_curvature_name(a->options->matrix));
  a->done++;
  if (a->options->on_product && !a->options->on_product(a->done, a->total, a->options->user))
    return cy_fail(CY_CANCELLED, "stopped on request after %lld products", (long long)a->done);
  return CY_OK;
}

static const size_t USUAL_MEMORY = (size_t)1 << 30;

int64_t cy_krylov_room(const cy_curvature_options *options, int64_t n, int64_t usual) {
  int64_t steps = options->steps > 0 ? options->steps : usual;
  size_t memory = options->memory ? options->memory : USUAL_MEMORY;
  int64_t fit = (int64_t)(memory / sizeof(double) / (size_t)n) - 1; /* and one beyond the last step */
  if (fit < 2) fit = 2;
  if (steps > fit) steps = fit;
  return steps < n ? steps : n;
}

/* w = its part orthogonal to the first `count` vectors; the squares of what went are added up. */
static double make_orthogonal(const cy_krylov *k, int64_t count, double *w, double *own) {
  double gone = 0;
  for (int64_t i = 0; i < count; i++) {
    double c = cy_dot_product(k->n, k->v[i], w);
    cy_add_scaled(k->n, -c, k->v[i], w);
    if (own && i == count - 1) *own += c; /* of the last vector: belongs to alpha */
    else gone += c * c;
  }
  return gone;
}

static cy_status add_vector(cy_krylov *k, int64_t at) {
  if (!k->v[at]) k->v[at] = cy_alloc_aligned((size_t)k->n * sizeof **k->v);
  return k->v[at] ? CY_OK : cy_no_memory();
}

cy_status cy_krylov_open(cy_krylov *k, int64_t n, int64_t most, const double *start) {
  *k = (cy_krylov){.n = n, .most = most};
  k->v = cy_calloc((size_t)most + 1, sizeof *k->v);
  k->alpha = cy_calloc((size_t)most, sizeof *k->alpha);
  k->beta = cy_calloc((size_t)most, sizeof *k->beta);
  k->rounding = cy_calloc((size_t)most, sizeof *k->rounding);
  if (!k->v || !k->alpha || !k->beta || !k->rounding) return cy_no_memory();
  CY_TRY(add_vector(k, 0));
  cy_scale_into(n, 1 / cy_length(n, start), start, k->v[0]);
  return CY_OK;
}

void cy_krylov_close(cy_krylov *k) {
  for (int64_t i = 0; k->v && i <= k->most; i++) cy_free(k->v[i]);
  cy_free(k->v);
  cy_free(k->alpha);
  cy_free(k->beta);
  cy_free(k->rounding);
  *k = (cy_krylov){0};
}

/* How large T is so far, to tell an end from a small step. */
static double size_of(const cy_krylov *k, int64_t steps) {
  double size = 0;
  for (int64_t i = 0; i < steps; i++) size = fmax(size, fabs(k->alpha[i]) + (i + 1 < steps ? fabs(k->beta[i]) : 0));
  return size;
}

/* A random direction that no vector so far has a part in. */
static cy_status restart(cy_krylov *k, cy_rng *fresh) {
  double *w = k->v[k->steps];
  for (int64_t i = 0; i < k->n; i++) w[i] = cy_rng_normal(fresh);
  for (int pass = 0; pass < 3; pass++) make_orthogonal(k, k->steps, w, NULL);
  double norm = cy_length(k->n, w);
  if (!(norm > 0)) return cy_fail(CY_NOT_FINITE, "no direction is left to go on in");
  cy_scale_into(k->n, 1 / norm, w, w);
  k->ended = false;
  return CY_OK;
}

cy_status cy_krylov_step(cy_krylov *k, cy_matrix_at *a, cy_rng *fresh) {
  int64_t j = k->steps;
  if (k->ended) CY_TRY(restart(k, fresh));
  CY_TRY(add_vector(k, j + 1));
  double *w = k->v[j + 1], before = j > 0 ? k->beta[j - 1] : 0;
  CY_TRY(cy_matrix_times(a, k->v[j], w));
  double length = cy_length(k->n, w);
  if (before != 0) cy_add_scaled(k->n, -before, k->v[j - 1], w);
  k->alpha[j] = cy_dot_product(k->n, w, k->v[j]);
  cy_add_scaled(k->n, -k->alpha[j], k->v[j], w);
  k->rounding[j] = sqrt(make_orthogonal(k, j + 1, w, &k->alpha[j]));
  make_orthogonal(k, j + 1, w, NULL);
  double beta = cy_length(k->n, w);
  /* What is left is rounding of the product, or all n directions are used up. */
  double negligible = 10 * DBL_EPSILON * sqrt((double)k->n) * fmax(length, size_of(k, j + 1));
  k->ended = beta <= negligible || j + 1 == k->n;
  k->beta[j] = k->ended ? 0 : beta;
  if (!k->ended) cy_scale_into(k->n, 1 / beta, w, w);
  k->steps = j + 1;
  return CY_OK;
}

cy_status cy_krylov_eigenvalues(const cy_krylov *k, double *values, double *vectors) {
  double *off = cy_calloc((size_t)k->steps, sizeof *off);
  if (!off) return cy_no_memory();
  memcpy(values, k->alpha, (size_t)k->steps * sizeof *values);
  memcpy(off, k->beta, (size_t)k->steps * sizeof *off);
  cy_status status = cy_tridiagonal_eigenvalues(k->steps, values, off, vectors);
  cy_free(off);
  return status;
}
