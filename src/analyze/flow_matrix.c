/* Two numbers of square matrices that tell how products of them grow: the spectral radius and the singular values. Plain
 * loops: the matrices are those of recurrent layers. */
#include "base/error.h"
#include "base/memory.h"

#include <cauchy/flow.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static cy_status copy_matrix(const double *a, int64_t row, int64_t n, double **copy) {
  *copy = cy_calloc((size_t)(n * n > 0 ? n * n : 1), sizeof **copy);
  if (!*copy) return cy_no_memory();
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      (*copy)[i * n + j] = a[i * row + j];
      if (isfinite(a[i * row + j])) continue;
      cy_free(*copy);
      *copy = NULL;
      return cy_fail(CY_NOT_FINITE, "the matrix has a number that is not finite in row %lld, column %lld", (long long)i,
                     (long long)j);
    }
  return CY_OK;
}

/* ---- spectral radius ---- */

static double frobenius(const double *a, int64_t n) {
  double largest = 0, sum = 0;
  for (int64_t i = 0; i < n * n; i++) largest = fmax(largest, fabs(a[i]));
  for (int64_t i = 0; i < n * n && largest > 0; i++) sum += a[i] / largest * (a[i] / largest);
  return largest * sqrt(sum);
}

static void square(const double *restrict a, int64_t n, double *restrict out) {
  memset(out, 0, (size_t)(n * n) * sizeof *out);
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < n; k++)
      for (int64_t j = 0; j < n; j++) out[i * n + j] += a[i * n + k] * a[k * n + j];
}

/* log |A^(2m)| / |A^m| is m log radius, but for what dies out; between squarings the power is divided by its norm. */
enum { MOST_SQUARINGS = 46 };

cy_status cy_spectral_radius(const double *a, int64_t row, int64_t n, double *radius) {
  double *power, *next = cy_calloc((size_t)(n * n > 0 ? n * n : 1), sizeof *next), m = 1, before = -1;
  *radius = 0;
  if (!next) return cy_no_memory();
  cy_status status = copy_matrix(a, row, n, &power);
  double norm = status == CY_OK ? frobenius(power, n) : 0, log_norm = norm > 0 ? log(norm) : 0; /* of A^m */
  for (int i = 0; i < MOST_SQUARINGS && norm > 0; i++) {
    for (int64_t k = 0; k < n * n; k++) power[k] /= norm;
    square(power, n, next);
    norm = frobenius(next, n);
    if (norm < 1e-200) { /* nilpotent, to rounding */
      *radius = 0;
      break;
    }
    double doubled = 2 * log_norm + log(norm);
    *radius = exp((doubled - log_norm) / m);
    if (i > 8 && fabs(*radius - before) <= 1e-14 * *radius) break;
    before = *radius;
    log_norm = doubled;
    m *= 2;
    double *swap = power;
    power = next;
    next = swap;
  }
  cy_free(power);
  cy_free(next);
  return status;
}

/* ---- singular values ---- */

/* Makes two rows orthogonal; returns how far they were from it, as a cosine. */
static double rotate(double *restrict p, double *restrict q, int64_t n) {
  double pp = 0, qq = 0, pq = 0;
  for (int64_t i = 0; i < n; i++) pp += p[i] * p[i], qq += q[i] * q[i], pq += p[i] * q[i];
  double size = sqrt(pp) * sqrt(qq);
  if (!(size > 0) || fabs(pq) <= 1e-16 * size) return 0;
  double zeta = (qq - pp) / (2 * pq), t = copysign(1, zeta) / (fabs(zeta) + hypot(1, zeta));
  double c = 1 / hypot(1, t), s = c * t;
  for (int64_t i = 0; i < n; i++) {
    double old = p[i];
    p[i] = c * old - s * q[i];
    q[i] = s * old + c * q[i];
  }
  return fabs(pq) / size;
}

static int descending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

enum { MOST_SWEEPS = 40 };

/* The rows are turned among each other until they are orthogonal: their lengths are the singular values. */
cy_status cy_singular_values(const double *a, int64_t row, int64_t n, double *values) {
  double *rows;
  CY_TRY(copy_matrix(a, row, n, &rows));
  for (int sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    double apart = 0;
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = i + 1; j < n; j++) apart = fmax(apart, rotate(rows + i * n, rows + j * n, n));
    if (apart < 1e-13) break;
  }
  for (int64_t i = 0; i < n; i++) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += rows[i * n + j] * rows[i * n + j];
    values[i] = sqrt(sum);
  }
  qsort(values, (size_t)n, sizeof *values, descending);
  cy_free(rows);
  return CY_OK;
}
