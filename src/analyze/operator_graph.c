/* From two values of a graph to an operator: a copy of what lies between them, the proof that it is linear, and its
 * tangent. A function is affine where the tangent rule of each of its operations needs no value that depends on the input:
 * so no operation is known by name here. */
#include "analyze/operator.h"

#include "autodiff/autodiff.h"
#include "tensor/tensor.h"

#include <string.h>

bool cy_depends(cy_value value, const cy_value *on, int n, bool *needs) {
  bool *needed = cy_calloc((size_t)cy_graph_size(value.graph) + 1, 1);
  if (!needed) {
    cy_graph_fail(value.graph, CY_NO_MEMORY, "out of memory");
    return false;
  }
  cy_mark_needed(value.graph, 0, &value, 1, needed);
  for (int i = 0; i < n; i++) needs[i] = on[i].id >= 0 && needed[on[i].id];
  cy_free(needed);
  return true;
}

/* ---- the copy ---- */

/* As cy_mark_needed, but nothing behind input. */
static void mark_between(const cy_graph *graph, cy_value input, cy_value output, bool *needed) {
  needed[output.id] = true;
  for (int32_t id = output.id; id >= 0; id--) {
    const cy_node *node = cy_node_at(graph, id);
    for (int k = 0; needed[id] && id != input.id && k < node->n_inputs; k++) needed[node->inputs[k]] = true;
  }
}

static cy_value copy_node(cy_graph *graph, const cy_node *node, const int32_t *copies) {
  cy_value *in = cy_calloc((size_t)node->n_inputs + 1, sizeof *in);
  if (!in) {
    cy_graph_fail(graph, CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  for (int k = 0; k < node->n_inputs; k++) in[k] = cy_value_at(graph, copies[node->inputs[k]]);
  const char *outer = cy_scope_set(graph, node->scope);
  cy_value copy = cy_remake(graph, node, in);
  cy_scope_set(graph, outer);
  cy_free(in);
  return copy;
}

static cy_status copy_between(cy_value input, cy_value output, const bool *needed, int32_t *copies, cy_graph *graph) {
  for (int32_t id = 0; id <= output.id; id++) {
    const cy_node *node = cy_node_at(input.graph, id);
    cy_value copy;
    if (!needed[id]) continue;
    if (id == input.id) copy = cy_input(graph, CY_OPERATOR_INPUT, node->dtype, node->shape);
    else if (node->op == &cy_op_input)
      return cy_fail(CY_INVALID, "the output is computed from \"%s\" too, not from the layer's input alone", node->name);
    else copy = copy_node(graph, node, copies);
    CY_TRY(cy_graph_status(graph));
    copies[id] = copy.id;
  }
  return CY_OK;
}

cy_status cy_cut_graph(cy_value input, cy_value output, cy_graph **graph, cy_value *x, cy_value *y) {
  cy_value ends[2] = {input, output};
  cy_graph *from = cy_common_graph(ends, 2);
  *graph = NULL;
  if (!from) return cy_fail(CY_INVALID, "operator: there is no graph");
  CY_TRY(cy_graph_status(from));
  if (!cy_is_value(input) || !cy_is_value(output)) return cy_fail(CY_INVALID, "operator: input or output is missing");
  size_t n = (size_t)cy_graph_size(from);
  bool *needed = cy_calloc(n, sizeof *needed);
  int32_t *copies = cy_calloc(n, sizeof *copies);
  cy_status status = needed && copies ? cy_graph_create(graph) : cy_no_memory();
  if (status == CY_OK) {
    mark_between(from, input, output, needed);
    needed[input.id] = true;
    int32_t last = output.id > input.id ? output.id : input.id;
    status = copy_between(input, cy_value_at(from, last), needed, copies, *graph);
    *x = cy_value_at(*graph, copies[input.id]);
    *y = cy_value_at(*graph, copies[output.id]);
  }
  cy_free(needed);
  cy_free(copies);
  if (status == CY_OK) return CY_OK;
  cy_graph_free(*graph);
  *graph = NULL;
  return status;
}

/* ---- linearity ---- */

static cy_status not_linear(const cy_node *node) {
  return node->scope[0] ? cy_fail(CY_INVALID, "%s is not linear, so it has no matrix", node->scope)
                        : cy_fail(CY_INVALID, "%s is not linear, so it has no matrix", node->op->name);
}

/* The tangent of one node for tangents of all its moving operands; whether it reads a moving value. */
static cy_status node_is_affine(cy_graph *graph, int32_t id, const bool *moving, int32_t size, bool *affine) {
  const cy_node *node = cy_node_at(graph, id);
  cy_value tangent = cy_none, self = cy_value_at(graph, id);
  cy_value *operands = cy_calloc(2 * (size_t)node->n_inputs, sizeof *operands);
  if (!operands) return cy_no_memory();
  cy_value *tangents = operands + node->n_inputs;
  int n = 0;
  for (int k = 0; k < node->n_inputs; k++) {
    cy_value operand = cy_value_at(graph, node->inputs[k]);
    bool seen = !moving[operand.id] || !cy_dtype_is_float(cy_value_dtype(operand));
    for (int i = 0; i < n && !seen; i++) seen = operands[i].id == operand.id;
    if (seen) continue;
    operands[n] = operand;
    tangents[n++] = cy_tangent_placeholder(graph, cy_type_of(operand));
  }
  if (n > 0 && !cy_graph_failed(graph)) cy_push_tangents(graph, &self, 1, operands, tangents, n, &tangent);
  cy_free(operands);
  CY_TRY(cy_graph_status(graph));
  *affine = cy_is_value(tangent);
  if (!*affine) return CY_OK; /* floor, maxima's positions, comparisons */
  bool *needed = cy_calloc((size_t)cy_graph_size(graph), 1);
  if (!needed) return cy_no_memory();
  cy_mark_needed(graph, 0, &tangent, 1, needed);
  for (int32_t i = 0; i < size; i++) *affine = *affine && !(needed[i] && moving[i]);
  cy_free(needed);
  return CY_OK;
}

static cy_status check_linear(cy_graph *graph, cy_value x, cy_value y) {
  int32_t size = cy_graph_size(graph);
  bool *moving = cy_calloc((size_t)size, 1), *needed = cy_calloc((size_t)size, 1), affine = true;
  cy_status status = moving && needed ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    cy_mark_needed(graph, 0, &y, 1, needed);
    moving[x.id] = true;
  }
  for (int32_t id = 0; id < size && status == CY_OK; id++) {
    const cy_node *node = cy_node_at(graph, id);
    for (int k = 0; k < node->n_inputs; k++) moving[id] = moving[id] || moving[node->inputs[k]];
    if (!moving[id] || !needed[id] || id == x.id) continue;
    status = node_is_affine(graph, id, moving, size, &affine);
    if (status == CY_OK && !affine) status = not_linear(cy_node_at(graph, id));
  }
  cy_free(moving);
  cy_free(needed);
  return status;
}

/* ---- the operator ---- */

static cy_status check_end(const char *what, cy_value value) {
  char shape[CY_SHAPE_TEXT];
  cy_type type = cy_type_of(value);
  if (!cy_dtype_is_float(type.dtype))
    return cy_fail(CY_INVALID, "operator: the %s is %s; a matrix needs f32 or f64", what, cy_dtype_name(type.dtype));
  if (type.shape.rank < 1 || type.shape.dim[0] != 1)
    return cy_fail(CY_INVALID, "operator: the %s is %s; it must hold one example, [1, ...]", what,
                   cy_shape_text(type.shape, shape));
  return CY_OK;
}

static cy_status find_aside(cy_operator *op) {
  int32_t size = cy_graph_size(op->graph);
  bool *whole = cy_calloc(2 * (size_t)size, sizeof *whole), *linear = whole ? whole + size : NULL;
  op->aside = cy_calloc((size_t)size, sizeof *op->aside);
  if (whole && op->aside) {
    cy_mark_needed(op->graph, 0, &op->y, 1, whole);
    cy_mark_needed(op->graph, 0, &op->dy, 1, linear);
    for (int32_t id = 0; id < size; id++)
      if (whole[id] && !linear[id] && cy_node_at(op->graph, id)->op == &cy_op_variable) op->aside[op->n_aside++] = id;
  }
  cy_free(whole);
  return whole && op->aside ? CY_OK : cy_no_memory();
}

static cy_status create(cy_operator *op, cy_value input, cy_value output) {
  CY_TRY(cy_cut_graph(input, output, &op->graph, &op->x, &op->y));
  CY_TRY(check_end("input", op->x));
  CY_TRY(check_end("output", op->y));
  CY_TRY(check_linear(op->graph, op->x, op->y));
  op->dx = cy_input(op->graph, "operator direction", cy_value_dtype(op->x), cy_value_shape(op->x));
  CY_TRY(cy_graph_status(op->graph));
  cy_push_tangents(op->graph, &op->y, 1, &op->x, &op->dx, 1, &op->dy);
  CY_TRY(cy_graph_status(op->graph));
  return find_aside(op);
}

cy_status cy_operator_create(cy_value input, cy_value output, cy_operator **op) {
  cy_operator *o = *op = cy_calloc(1, sizeof *o);
  if (!o) return cy_no_memory();
  cy_status status = create(o, input, output);
  if (status == CY_OK) return CY_OK;
  cy_operator_free(o);
  *op = NULL;
  return status;
}

void cy_operator_free(cy_operator *op) {
  if (!op) return;
  cy_graph_free(op->graph);
  cy_free(op->aside);
  cy_free(op);
}

const char *cy_operator_left_aside(const cy_operator *op, int i) {
  return i >= 0 && i < op->n_aside ? cy_node_at(op->graph, op->aside[i])->name : NULL;
}

static cy_shape without_batch(cy_shape shape) {
  for (int i = 1; i < shape.rank; i++) shape.dim[i - 1] = shape.dim[i];
  shape.rank--;
  return shape;
}

cy_shape cy_operator_input_shape(const cy_operator *op) { return without_batch(cy_value_shape(op->x)); }
cy_shape cy_operator_output_shape(const cy_operator *op) { return without_batch(cy_value_shape(op->y)); }
int64_t cy_operator_rows(const cy_operator *op) { return cy_count(cy_value_shape(op->y)); }
int64_t cy_operator_columns(const cy_operator *op) { return cy_count(cy_value_shape(op->x)); }
