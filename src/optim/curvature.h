/* Spectra, the inside: products that are checked and counted, and Lanczos's recurrence, which extreme eigenvalues and
 * quadrature share. */
#ifndef CY_OPTIM_CURVATURE_H
#define CY_OPTIM_CURVATURE_H

#include "base/random.h"

#include <cauchy/curvature.h>

/* ---- krylov.c ---- */

/* A matrix at a point, that gives products. Borrows all. */
typedef struct cy_matrix_at {
  cy_objective *objective;
  const double *x;
  const cy_curvature_options *options;
  int64_t n;
  int64_t done, total; /* products, for on_product */
} cy_matrix_at;
/* out = A v; CY_NOT_FINITE if an element is not. */
CY_MUST_CHECK cy_status cy_matrix_times(cy_matrix_at *a, const double *v, double *out);

/* A V = V T + beta v' e' + E, V orthonormal, T tridiagonal of diagonal alpha and off-diagonal beta. */
typedef struct cy_krylov {
  int64_t n, steps, most;  /* steps done; room */
  double **v;              /* steps + 1 vectors, allocated as they are needed */
  double *alpha, *beta;    /* beta[j] couples step j and j + 1 */
  double *rounding;        /* norm of column j of E: what is left where exact arithmetic has zeros */
  bool ended;              /* the last beta is 0: the vectors span all that the start reaches */
} cy_krylov;
/* start: any vector but zero. most: at most so many steps, at least 1. */
CY_MUST_CHECK cy_status cy_krylov_open(cy_krylov *k, int64_t n, int64_t most, const double *start);
/* One more step. After an end, fresh != NULL goes on with the part of a random vector that is orthogonal to all. */
CY_MUST_CHECK cy_status cy_krylov_step(cy_krylov *k, cy_matrix_at *a, cy_rng *fresh);
void cy_krylov_close(cy_krylov *k);
/* Eigenvalues of T, ascending, [steps]; vectors as in cy_tridiagonal_eigenvalues. */
CY_MUST_CHECK cy_status cy_krylov_eigenvalues(const cy_krylov *k, double *values, double *vectors);

/* So many vectors of n doubles fit, between 2 and the wanted number, and at most n. */
int64_t cy_krylov_room(const cy_curvature_options *options, int64_t n, int64_t usual);

#endif
