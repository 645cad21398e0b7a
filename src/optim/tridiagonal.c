/* Eigenvalues of symmetric tridiagonal matrices by the implicit QL method: rotations chase a bulge up the diagonal,
 * with Wilkinson's shift from the leading 2x2 block; an off-diagonal that is negligible beside its neighbours splits
 * the matrix. */
#include "optim/curvature.h"

#include "base/error.h"
#include "base/memory.h"

#include <float.h>
#include <math.h>

enum { MOST_SWEEPS = 60 }; /* per eigenvalue; three are usual */

/* The first m >= l after which the matrix falls apart. */
static int64_t block_end(int64_t n, const double *d, const double *e, int64_t l) {
  int64_t m = l;
  while (m < n - 1 && fabs(e[m]) > DBL_EPSILON * (fabs(d[m]) + fabs(d[m + 1])) && fabs(e[m]) > DBL_MIN) m++;
  return m;
}

static void rotate_rows(double *vectors, int64_t n, int64_t i, double c, double s) {
  double *a = vectors + i * n, *b = a + n;
  for (int64_t k = 0; k < n; k++) {
    double f = b[k];
    b[k] = s * a[k] + c * f;
    a[k] = c * a[k] - s * f;
  }
}

/* One sweep over the block l..m: similarity by rotations in the planes (m-1, m), ..., (l, l+1). */
static void sweep(double *d, double *e, double *vectors, int64_t n, int64_t l, int64_t m) {
  double g = (d[l + 1] - d[l]) / (2 * e[l]);
  double shifted = d[m] - d[l] + e[l] / (g + copysign(hypot(g, 1), g));
  double s = 1, c = 1, p = 0;
  for (int64_t i = m - 1; i >= l; i--) {
    double f = s * e[i], b = c * e[i], r = hypot(f, shifted);
    e[i + 1] = r;
    if (r == 0) { /* the bulge vanished: the matrix splits here */
      d[i + 1] -= p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = shifted / r;
    shifted = d[i + 1] - p;
    r = (d[i] - shifted) * s + 2 * c * b;
    p = s * r;
    d[i + 1] = shifted + p;
    shifted = c * r - b;
    if (vectors) rotate_rows(vectors, n, i, c, s);
  }
  d[l] -= p;
  e[l] = shifted;
  e[m] = 0;
}

static void sort(int64_t n, double *d, double *vectors) {
  for (int64_t i = 0; i < n - 1; i++) {
    int64_t least = i;
    for (int64_t k = i + 1; k < n; k++)
      if (d[k] < d[least]) least = k;
    if (least == i) continue;
    double t = d[i];
    d[i] = d[least];
    d[least] = t;
    for (int64_t k = 0; vectors && k < n; k++) {
      t = vectors[i * n + k];
      vectors[i * n + k] = vectors[least * n + k];
      vectors[least * n + k] = t;
    }
  }
}

cy_status cy_tridiagonal_eigenvalues(int64_t n, double *d, double *e, double *vectors) {
  if (n < 1) return CY_OK;
  e[n - 1] = 0;
  for (int64_t i = 0; vectors && i < n * n; i++) vectors[i] = i % (n + 1) == 0;
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(d[i]) || !isfinite(e[i]))
      return cy_fail(CY_NOT_FINITE, "a tridiagonal matrix has an entry that is not finite");
  for (int64_t l = 0; l < n; l++) {
    int64_t m;
    for (int sweeps = 0; (m = block_end(n, d, e, l)) != l; sweeps++) {
      if (sweeps == MOST_SWEEPS)
        return cy_fail(CY_NOT_FINITE, "the eigenvalues of a tridiagonal matrix do not converge (%lld rows)",
                       (long long)n);
      sweep(d, e, vectors, n, l, m);
    }
  }
  sort(n, d, vectors);
  return CY_OK;
}
