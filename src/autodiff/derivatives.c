/* The public derivatives, composed of pushing tangents and pulling cotangents. */
#include "autodiff/autodiff.h"

#include <cauchy/ops.h>

#include <string.h>

cy_status cy_check_tangents(cy_graph *graph, const char *what, const cy_value *values, const cy_value *tangents, int n) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  for (int i = 0; i < n; i++) {
    if (values[i].graph != graph || values[i].id < 0 || values[i].id >= cy_graph_size(graph))
      return cy_fail(CY_INVALID, "%s: value %d is missing or belongs to another graph", what, i + 1);
    if (!tangents || !cy_is_value(tangents[i])) continue;
    cy_type v = cy_type_of(values[i]), t = cy_type_of(tangents[i]);
    if (tangents[i].graph != graph || v.dtype != t.dtype || !cy_shape_equal(v.shape, t.shape))
      return cy_fail(CY_INVALID, "%s: value %d is %s %s, what goes with it is %s %s", what, i + 1, cy_dtype_name(v.dtype),
                     cy_shape_text(v.shape, a), cy_dtype_name(t.dtype), cy_shape_text(t.shape, b));
  }
  return CY_OK;
}

static cy_status begin(const char *what, const cy_value *values, int n, cy_graph **graph) {
  *graph = cy_common_graph(values, n);
  if (!*graph) return cy_fail(CY_INVALID, "%s: there is nothing to differentiate", what);
  return cy_graph_status(*graph);
}

static void fill_zeros(const cy_value *like, int n, cy_value *values) {
  for (int i = 0; i < n; i++)
    if (!cy_is_value(values[i])) values[i] = cy_zeros_like(like[i]);
}

cy_status cy_jvp(const cy_value *outputs, int n_outputs, const cy_value *inputs, const cy_value *tangents, int n_inputs,
                 cy_value *out_tangents) {
  cy_graph *graph;
  CY_TRY(begin("jvp", outputs, n_outputs, &graph));
  CY_TRY(cy_check_tangents(graph, "jvp: outputs", outputs, NULL, n_outputs));
  CY_TRY(cy_check_tangents(graph, "jvp", inputs, tangents, n_inputs));
  /* Aside first: out_tangents may be the array of outputs or of tangents. */
  cy_value *pushed = cy_calloc((size_t)n_outputs, sizeof *pushed);
  if (!pushed) return cy_no_memory();
  cy_push_tangents(graph, outputs, n_outputs, inputs, tangents, n_inputs, pushed);
  fill_zeros(outputs, n_outputs, pushed);
  memcpy(out_tangents, pushed, (size_t)n_outputs * sizeof *pushed);
  cy_free(pushed);
  return cy_graph_status(graph);
}

cy_status cy_vjp(const cy_value *outputs, const cy_value *cotangents, int n_outputs, const cy_value *inputs,
                 int n_inputs, cy_value *cotangents_in) {
  cy_graph *graph;
  CY_TRY(begin("vjp", outputs, n_outputs, &graph));
  CY_TRY(cy_check_tangents(graph, "vjp", outputs, cotangents, n_outputs));
  CY_TRY(cy_check_tangents(graph, "vjp: inputs", inputs, NULL, n_inputs));
  cy_value *placeholders = cy_calloc(3 * (size_t)n_inputs + (size_t)n_outputs, sizeof *placeholders);
  if (!placeholders) return cy_no_memory();
  cy_value *tangents = placeholders + n_inputs, *moving = tangents + n_outputs, *result = moving + n_inputs;
  /* An integer input has no tangent; an input named twice has one. */
  int n = 0;
  for (int i = 0; i < n_inputs; i++) {
    placeholders[i] = cy_dtype_is_float(cy_value_dtype(inputs[i])) ? cy_tangent_placeholder(graph, cy_type_of(inputs[i]))
                                                                    : cy_none;
    for (int k = 0; k < i; k++)
      if (inputs[k].id == inputs[i].id) placeholders[i] = placeholders[k];
    if (cy_is_value(placeholders[i])) moving[n++] = placeholders[i];
    result[i] = cy_none;
  }
  if (!cy_graph_failed(graph)) cy_push_tangents(graph, outputs, n_outputs, inputs, placeholders, n_inputs, tangents);
  if (!cy_graph_failed(graph)) {
    cy_value *pulled = cy_calloc((size_t)n, sizeof *pulled);
    if (pulled) cy_pull_cotangents(graph, tangents, cotangents, n_outputs, moving, n, pulled);
    else cy_graph_fail(graph, CY_NO_MEMORY, "out of memory");
    for (int i = 0, k = 0; pulled && i < n_inputs; i++)
      if (cy_is_value(placeholders[i])) result[i] = pulled[k++];
    cy_free(pulled);
  }
  fill_zeros(inputs, n_inputs, result);
  memcpy(cotangents_in, result, (size_t)n_inputs * sizeof *result);
  cy_free(placeholders);
  return cy_graph_status(graph);
}

cy_status cy_grad(cy_value loss, const cy_value *inputs, int n_inputs, cy_value *gradients) {
  char text[CY_SHAPE_TEXT];
  cy_graph *graph;
  CY_TRY(begin("grad", &loss, 1, &graph));
  if (!cy_is_value(loss) || !cy_dtype_is_float(cy_value_dtype(loss)) || cy_value_shape(loss).rank != 0)
    return cy_fail(CY_INVALID, "grad: the loss must be an f32 or f64 scalar, not %s %s", cy_dtype_name(cy_value_dtype(loss)),
                   cy_shape_text(cy_value_shape(loss), text));
  cy_value one = cy_ones_like(loss);
  return cy_vjp(&loss, &one, 1, inputs, n_inputs, gradients);
}

cy_status cy_hvp(cy_value loss, const cy_value *inputs, const cy_value *vectors, int n_inputs, cy_value *products) {
  cy_graph *graph;
  CY_TRY(begin("hvp", &loss, 1, &graph));
  CY_TRY(cy_check_tangents(graph, "hvp", inputs, vectors, n_inputs));
  cy_value *gradients = cy_calloc((size_t)n_inputs, sizeof *gradients);
  if (!gradients) return cy_no_memory();
  cy_status status = cy_grad(loss, inputs, n_inputs, gradients);
  if (status == CY_OK) status = cy_jvp(gradients, n_inputs, inputs, vectors, n_inputs, products);
  cy_free(gradients);
  return status;
}
