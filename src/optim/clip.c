/* Clipping of gradients, as graphs: by their common norm, which keeps their direction, and element by element. */
#include <cauchy/ops.h>
#include <cauchy/optim.h>

cy_value cy_global_norm(const cy_value *values, int n) {
  cy_value total = {.id = -1};
  for (int i = 0; i < n; i++) {
    cy_value square = cy_sum(cy_square(values[i]), NULL, 0, false);
    total = i ? cy_add(total, square) : square;
  }
  return n ? cy_sqrt(total) : total;
}

void cy_clip_by_norm(const cy_value *values, int n, double limit, cy_value *clipped) {
  if (n <= 0) return;
  cy_value norm = cy_global_norm(values, n);
  cy_value factor = cy_rdiv_scalar(limit, cy_add_scalar(norm, 1e-6));
  factor = cy_min(factor, cy_ones_like(factor));
  for (int i = 0; i < n; i++) clipped[i] = cy_mul(values[i], factor);
}

cy_value cy_clip_by_value(cy_value value, double limit) {
  cy_value bound = cy_scalar(value.graph, cy_value_dtype(value), limit);
  cy_value least = cy_neg(bound);
  return cy_max(least, cy_min(value, bound));
}
