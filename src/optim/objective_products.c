/* The passes of a function as values of its graph: gradient, and products of three matrices with a direction. Each
 * is a few derivatives composed; the second variable-by-variable machinery that hand-written R-operators need does
 * not exist here. */
#include "optim/objective.h"

#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"

#include <cauchy/autodiff.h>
#include <cauchy/ops.h>

/* The tangent of the gradient, or the gradient of the tangent <gradient, v>: the same numbers. */
static cy_status hessian(const cy_function_values *f, bool reverse_over_forward, cy_value *products) {
  cy_value slope;
  if (!reverse_over_forward) return cy_hvp(f->loss, f->variables, f->directions, f->n, products);
  CY_TRY(cy_jvp(&f->loss, 1, f->variables, f->directions, f->n, &slope));
  return cy_grad(slope, f->variables, f->n, products);
}

/* With loss = F(output, w), output = N(w): [J; 1]' F'' [J; 1] v. F'' is taken with output held as if it were free,
 * so that the curvature of N is left out, and that of penalties on w is not. */
static cy_status gauss_newton(const cy_function_values *f, cy_value *products) {
  size_t n = (size_t)f->n;
  cy_value *free_values = cy_calloc(4 * n + 3, sizeof *free_values), back;
  if (!free_values) return cy_no_memory();
  cy_value *along = free_values + n + 1, *curved = along + n + 1, *pulled = curved + n + 1;
  for (size_t i = 0; i < n; i++) {
    free_values[i] = f->variables[i];
    along[i] = f->directions[i];
  }
  free_values[n] = f->output;
  cy_status status = cy_jvp(&f->output, 1, f->variables, f->directions, f->n, &along[n]);
  if (status == CY_OK) status = cy_hvp(f->loss, free_values, along, f->n + 1, curved);
  back = curved[n];
  if (status == CY_OK) status = cy_vjp(&f->output, &back, 1, f->variables, f->n, pulled);
  for (size_t i = 0; i < n && status == CY_OK; i++) products[i] = cy_add(pulled[i], curved[i]);
  cy_free(free_values);
  return status;
}

/* 1/N J' (J v), J of the examples' losses: the sum of g <g, v>. */
static cy_status empirical_fisher(const cy_function_values *f, cy_value *products) {
  int64_t examples;
  cy_value slopes;
  CY_TRY(cy_shape_count(cy_value_shape(f->losses), &examples));
  CY_TRY(cy_jvp(&f->losses, 1, f->variables, f->directions, f->n, &slopes));
  if (examples > 0) slopes = cy_mul_scalar(slopes, 1 / (double)examples);
  return cy_vjp(&f->losses, &slopes, 1, f->variables, f->n, products);
}

cy_status cy_pass_values(const cy_function_values *f, cy_objective_pass pass, bool reverse_over_forward,
                         cy_value *outputs, int *n) {
  *n = pass == CY_PASS_VALUE ? 1 : pass == CY_PASS_GRADIENT ? f->n + 1 : f->n;
  if (pass == CY_PASS_VALUE || pass == CY_PASS_GRADIENT) outputs[0] = f->loss;
  switch (pass) {
    case CY_PASS_VALUE: break;
    case CY_PASS_GRADIENT: CY_TRY(cy_grad(f->loss, f->variables, f->n, outputs + 1)); break;
    case CY_PASS_HESSIAN: CY_TRY(hessian(f, reverse_over_forward, outputs)); break;
    case CY_PASS_GAUSS_NEWTON: CY_TRY(gauss_newton(f, outputs)); break;
    case CY_PASS_EMPIRICAL_FISHER: CY_TRY(empirical_fisher(f, outputs)); break;
    case CY_PASS_SQUARES: CY_TRY(cy_vjp(&f->losses, &f->signs, 1, f->variables, f->n, outputs)); break;
    default: return cy_fail(CY_INVALID, "there is no pass number %d", (int)pass);
  }
  return cy_graph_status(f->graph);
}
