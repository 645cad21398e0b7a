/* The full Jacobian, one basis vector at a time, by the mode that needs fewer passes. */
#include "autodiff/autodiff.h"
#include "ops/ops.h"

enum { MOST_PASSES = 4096 };

cy_status cy_jacobian(cy_value output, cy_value input, cy_value *jacobian) {
  cy_value both[2] = {output, input};
  cy_graph *graph = cy_common_graph(both, 2);
  *jacobian = cy_none;
  if (!graph) return cy_fail(CY_INVALID, "jacobian: there is nothing to differentiate");
  CY_TRY(cy_graph_status(graph));
  CY_TRY(cy_check_tangents(graph, "jacobian", both, NULL, 2));
  cy_type out = cy_type_of(output), in = cy_type_of(input);
  int64_t rows = cy_count(out.shape), columns = cy_count(in.shape);
  bool forward = columns < rows;
  int64_t passes = forward ? columns : rows;
  cy_shape shape = out.shape;
  if (passes > MOST_PASSES)
    return cy_fail(CY_INVALID, "jacobian: %lld by %lld needs %lld passes; the limit is %d: use products with vectors",
                   (long long)rows, (long long)columns, (long long)passes, MOST_PASSES);
  if (out.shape.rank + in.shape.rank > CY_MAX_RANK)
    return cy_fail(CY_INVALID, "jacobian: %d + %d axes are more than %d", out.shape.rank, in.shape.rank, CY_MAX_RANK);
  if (!cy_dtype_is_float(out.dtype) || out.dtype != in.dtype)
    return cy_fail(CY_INVALID, "jacobian: output is %s, input is %s; both must be the same of f32 and f64",
                   cy_dtype_name(out.dtype), cy_dtype_name(in.dtype));
  for (int i = 0; i < in.shape.rank; i++) shape.dim[shape.rank++] = in.shape.dim[i];
  if (passes == 0) {
    *jacobian = cy_full(graph, out.dtype, shape, 0);
    return cy_graph_status(graph);
  }
  cy_value *lines = cy_calloc((size_t)passes, sizeof *lines);
  if (!lines) return cy_no_memory();
  cy_status status = CY_OK;
  for (int64_t k = 0; k < passes && status == CY_OK; k++) {
    cy_value direction = cy_basis(graph, forward ? in : out, k);
    status = forward ? cy_jvp(&output, 1, &input, &direction, 1, &lines[k])
                     : cy_vjp(&output, &direction, 1, &input, 1, &lines[k]);
    lines[k] = cy_reshape(lines[k], forward ? CY_SHAPE(rows, 1) : CY_SHAPE(1, columns));
  }
  if (status == CY_OK) *jacobian = cy_reshape(cy_concat(lines, (int)passes, forward ? 1 : 0), shape);
  cy_free(lines);
  return status == CY_OK ? cy_graph_status(graph) : status;
}
