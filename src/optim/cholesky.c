/* Cholesky's factorisation of a dense symmetric matrix, row by row: every inner loop is a product of two contiguous
 * rows. It is also how Newton's method learns whether a Hessian is positive definite. */
#include "optim/descent.h"

#include <float.h>

bool cy_cholesky(int64_t n, double *a) {
  for (int64_t i = 0; i < n; i++) {
    double *row = a + i * n, diagonal = row[i];
    for (int64_t j = 0; j < i; j++) row[j] = (row[j] - cy_dot_product(j, row, a + j * n)) / a[j * n + j];
    double pivot = diagonal - cy_dot_product(i, row, row);
    /* What is left of the diagonal after this subtraction must be more than its rounding. */
    if (!(pivot > (double)(n + 4) * DBL_EPSILON * fabs(diagonal)) || isinf(pivot)) return false;
    row[i] = sqrt(pivot);
  }
  return true;
}

void cy_cholesky_solve(int64_t n, const double *l, double *b) {
  for (int64_t i = 0; i < n; i++) b[i] = (b[i] - cy_dot_product(i, l + i * n, b)) / l[i * n + i];
  for (int64_t i = n - 1; i >= 0; i--) {
    b[i] /= l[i * n + i];
    cy_add_scaled(i, -b[i], l + i * n, b);
  }
}
