/* Objectives as their users see them: calls pass to the table of methods, whoever wrote it. What a table may leave
 * out is answered here. */
#include "optim/objective.h"

#include "base/error.h"
#include "base/memory.h"

static const char *const names[CY_CURVATURES] = {"hessian", "gauss-newton", "fisher"};

const char *cy_curvature_name(cy_curvature matrix) {
  return (int)matrix >= 0 && (int)matrix < CY_CURVATURES ? names[matrix] : NULL;
}

cy_status cy_objective_of(cy_objective_methods methods, void *self, int64_t n, cy_objective **objective) {
  *objective = NULL;
  if (!methods.value || !methods.gradient) return cy_fail(CY_INVALID, "an objective needs value and gradient");
  if (n < 1 || (uint64_t)n > PTRDIFF_MAX / sizeof(double))
    return cy_fail(CY_INVALID, "an objective of %lld numbers", (long long)n);
  *objective = cy_calloc(1, sizeof **objective);
  if (!*objective) return cy_no_memory();
  **objective = (cy_objective){.methods = methods, .self = self, .n = n};
  return CY_OK;
}

void cy_objective_free(cy_objective *objective) {
  if (!objective) return;
  if (objective->methods.free) objective->methods.free(objective->self);
  cy_free(objective);
}

int64_t cy_objective_size(const cy_objective *objective) { return objective->n; }

bool cy_objective_has(const cy_objective *objective, cy_curvature matrix) {
  if (!cy_curvature_name(matrix) || !objective->methods.product) return false;
  return !objective->methods.has || objective->methods.has(objective->self, matrix);
}

cy_status cy_objective_value(cy_objective *objective, const double *x, double *value) {
  return objective->methods.value(objective->self, x, value);
}

cy_status cy_objective_gradient(cy_objective *objective, const double *x, double *value, double *gradient) {
  return objective->methods.gradient(objective->self, x, value, gradient);
}

cy_status cy_objective_product(cy_objective *objective, cy_curvature matrix, const double *x, const double *v,
                               double *out) {
  const char *name = cy_curvature_name(matrix);
  if (!name) return cy_fail(CY_INVALID, "there is no matrix number %d", (int)matrix);
  if (!cy_objective_has(objective, matrix))
    return cy_fail(CY_UNSUPPORTED, "this objective has no products with its %s matrix", name);
  return objective->methods.product(objective->self, matrix, x, v, out);
}

cy_status cy_objective_squares(cy_objective *objective, const double *x, uint64_t seed, double *out) {
  if (!objective->methods.squares || !cy_objective_has(objective, CY_EMPIRICAL_FISHER))
    return cy_fail(CY_UNSUPPORTED, "this objective does not tell examples apart: it has no squares of their gradients");
  return objective->methods.squares(objective->self, x, seed, out);
}

cy_status cy_objective_start(cy_objective *objective, double *x) {
  if (!objective->methods.start) return cy_fail(CY_UNSUPPORTED, "this objective stands nowhere: give the point");
  return objective->methods.start(objective->self, x);
}

cy_status cy_objective_cost_of(cy_objective *objective, cy_objective_pass pass, cy_objective_cost *cost) {
  *cost = (cy_objective_cost){0};
  if (!objective->methods.cost) return cy_fail(CY_UNSUPPORTED, "this objective does not tell what it costs");
  return objective->methods.cost(objective->self, pass, cost);
}
