/* Arithmetic on vectors of doubles, for methods of optimisation. Sums run in one fixed order (four interleaved partial
 * sums), so that equal numbers give equal bits on every machine and with any number of threads. */
#ifndef CY_OPTIM_VECTOR_H
#define CY_OPTIM_VECTOR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline double cy_dot_product(int64_t n, const double *a, const double *b) {
  double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int64_t block = 0; block < n / 4; block++, a += 4, b += 4) {
    s0 += a[0] * b[0];
    s1 += a[1] * b[1];
    s2 += a[2] * b[2];
    s3 += a[3] * b[3];
  }
  for (int64_t i = 0; i < n % 4; i++) s0 += a[i] * b[i];
  return (s0 + s1) + (s2 + s3);
}

/* Euclidean length. Squares that overflow or vanish are taken again, relative to the largest element. */
static inline double cy_length(int64_t n, const double *a) {
  double sum = cy_dot_product(n, a, a), largest = 0;
  if (isnan(sum) || (sum > 1e-290 && sum < 1e290)) return sqrt(sum);
  for (int64_t i = 0; i < n; i++)
    if (fabs(a[i]) > largest) largest = fabs(a[i]);
  if (largest == 0 || isinf(largest)) return largest;
  sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (a[i] / largest) * (a[i] / largest);
  return largest * sqrt(sum);
}

/* y += a x */
static inline void cy_add_scaled(int64_t n, double a, const double *x, double *y) {
  for (int64_t i = 0; i < n; i++) y[i] += a * x[i];
}

/* y = a x; the same vector is allowed. */
static inline void cy_scale_into(int64_t n, double a, const double *x, double *y) {
  for (int64_t i = 0; i < n; i++) y[i] = a * x[i];
}

static inline void cy_copy_vector(int64_t n, const double *from, double *to) {
  memcpy(to, from, (size_t)n * sizeof *to);
}

#endif
