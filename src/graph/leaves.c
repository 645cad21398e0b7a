/* The nodes without operands: inputs and variables, found by name; constants; numbers that fill a tensor; placeholders
 * for tangents. */
#include "graph/store.h"

#include <string.h>

static cy_status infer_full(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)in, (void)n;
  const cy_full_attrs *a = attrs;
  *out = (cy_type){(cy_dtype)a->dtype, cy_shape_of(&a->shape)};
  return CY_OK;
}

static void kernel_full(const cy_call *call) {
  const cy_full_attrs *a = call->attrs;
  for (cy_walk w = cy_walk_start(call->out->shape); w.more; cy_walk_next(&w))
    cy_store(call->out->data, call->out->dtype, cy_walk_offset(&w, call->out->stride), a->value);
}

static const cy_field full_fields[] = {{"value", CY_FIELD_REAL, offsetof(cy_full_attrs, value)}, {NULL, 0, 0}};
static const cy_field no_fields[] = {{NULL, 0, 0}};

typedef struct tangent_attrs {
  int64_t serial;
} tangent_attrs;
static const cy_field tangent_fields[] = {{"serial", CY_FIELD_INT, offsetof(tangent_attrs, serial)}, {NULL, 0, 0}};

#define LEAF .op_class = CY_CLASS_LEAF, .scalar = -1
const cy_op cy_op_input = {.name = "input", LEAF, .fields = no_fields};
const cy_op cy_op_variable = {.name = "variable", LEAF, .fields = no_fields};
const cy_op cy_op_constant = {.name = "constant", LEAF, .fields = no_fields};
const cy_op cy_op_tangent = {
    .name = "tangent", LEAF, .attr_size = sizeof(tangent_attrs), .fields = tangent_fields};
const cy_op cy_op_full = {.name = "full", LEAF, .attr_size = sizeof(cy_full_attrs), .fields = full_fields,
                          .infer = infer_full, .kernel = kernel_full};

static bool leaf_is_valid(cy_graph *graph, const char *what, cy_type type) {
  int64_t count;
  if (!graph || cy_graph_failed(graph)) return false;
  if ((unsigned)type.dtype >= CY_DTYPE_COUNT)
    cy_graph_fail(graph, CY_INVALID, "%s: %d is not a dtype", what, (int)type.dtype);
  else if (cy_shape_count(type.shape, &count) != CY_OK)
    cy_graph_fail(graph, CY_INVALID, "%s: %s", what, cy_error_message());
  return !cy_graph_failed(graph);
}

/* A hash over name and type would miss a second use of the name with another type, so names are searched. */
static cy_value named_leaf(cy_graph *g, const cy_op *op, const char *name, cy_type type) {
  char old_text[CY_SHAPE_TEXT], new_text[CY_SHAPE_TEXT];
  if (!leaf_is_valid(g, name && name[0] ? name : op->name, type)) return cy_failed(g);
  if (!name || !name[0]) {
    cy_graph_fail(g, CY_INVALID, "an %s needs a name", op->name);
    return cy_failed(g);
  }
  cy_node draft = {.op = op, .attrs = "", .inputs = NULL, .dtype = type.dtype, .shape = type.shape, .name = name,
                   .scope = g->scope, .next = -1};
  draft.hash = cy_hash_node(&draft, 0);
  const cy_op *other = op == &cy_op_input ? &cy_op_variable : &cy_op_input;
  for (int pass = 0; pass < 2; pass++) {
    draft.op = pass ? other : op;
    draft.hash = cy_hash_node(&draft, 0);
    for (int32_t id = g->buckets[draft.hash % g->bucket_count]; id >= 0; id = g->nodes[id]->next) {
      const cy_node *old = g->nodes[id];
      if (old->op != draft.op || strcmp(old->name, name) != 0) continue;
      if (old->op == op && old->dtype == type.dtype && cy_shape_equal(old->shape, type.shape)) return (cy_value){g, id};
      cy_graph_fail(g, CY_INVALID, "\"%s\" is an %s of type %s %s and is asked for again as an %s of type %s %s", name,
                    old->op->name, cy_dtype_name(old->dtype), cy_shape_text(old->shape, old_text), op->name,
                    cy_dtype_name(type.dtype), cy_shape_text(type.shape, new_text));
      return cy_failed(g);
    }
  }
  draft.op = op;
  return cy_intern(g, &draft, 0);
}

cy_value cy_input(cy_graph *graph, const char *name, cy_dtype dtype, cy_shape shape) {
  return named_leaf(graph, &cy_op_input, name, (cy_type){dtype, shape});
}

cy_value cy_variable(cy_graph *graph, const char *name, cy_dtype dtype, cy_shape shape) {
  return named_leaf(graph, &cy_op_variable, name, (cy_type){dtype, shape});
}

static cy_value constant_of(cy_graph *graph, cy_type type, const void *data) {
  static const unsigned char nothing[1] = {0};
  size_t bytes = (size_t)cy_count(type.shape) * cy_dtype_size(type.dtype);
  cy_node draft = {.op = &cy_op_constant, .attrs = "", .dtype = type.dtype, .shape = type.shape, .name = "",
                   .scope = graph->scope, .data = bytes ? data : nothing, .next = -1};
  return cy_intern(graph, &draft, bytes);
}

cy_value cy_constant(cy_graph *graph, const cy_tensor *tensor) {
  if (!graph || cy_graph_failed(graph)) return cy_failed(graph);
  if (cy_tensor_is_contiguous(tensor))
    return constant_of(graph, (cy_type){tensor->view.dtype, tensor->view.shape}, tensor->view.data);
  cy_tensor *packed;
  if (cy_tensor_create(tensor->view.dtype, tensor->view.shape, &packed) != CY_OK) return cy_graph_out_of_memory(graph);
  cy_view_copy(&tensor->view, &packed->view);
  cy_value value = constant_of(graph, (cy_type){packed->view.dtype, packed->view.shape}, packed->view.data);
  cy_tensor_free(packed);
  return value;
}

cy_value cy_full(cy_graph *graph, cy_dtype dtype, cy_shape shape, double value) {
  if (!leaf_is_valid(graph, "full", (cy_type){dtype, shape})) return cy_failed(graph);
  /* The number as the dtype holds it, so that equal tensors are equal nodes. */
  int64_t cell = 0;
  cy_store(&cell, dtype, 0, value);
  cy_full_attrs attrs = {.dtype = dtype, .shape = cy_list_of(shape), .value = cy_load(&cell, dtype, 0)};
  return cy_make(graph, &cy_op_full, NULL, 0, &attrs);
}

cy_value cy_scalar(cy_graph *graph, cy_dtype dtype, double value) { return cy_full(graph, dtype, CY_SCALAR, value); }

bool cy_is_full(cy_value value, double *number) {
  if (!cy_is_value(value)) return false;
  const cy_node *node = cy_node_of(value);
  if (node->op == &cy_op_full) {
    *number = ((const cy_full_attrs *)node->attrs)->value;
    return true;
  }
  if (node->op == &cy_op_constant && cy_count(node->shape) == 1) {
    int64_t integer = node->dtype == CY_I64 ? *(const int64_t *)node->data : 0;
    *number = cy_load(node->data, node->dtype, 0);
    return integer <= 1LL << 53 && integer >= -(1LL << 53); /* beyond, a double is not the number */
  }
  return false;
}

cy_value cy_tangent_placeholder(cy_graph *graph, cy_type type) {
  if (!leaf_is_valid(graph, "tangent", type)) return cy_failed(graph);
  tangent_attrs attrs = {graph->tangents++};
  cy_node draft = {.op = &cy_op_tangent, .attrs = &attrs, .dtype = type.dtype, .shape = type.shape, .name = "",
                   .scope = graph->scope, .next = -1};
  return cy_intern(graph, &draft, 0);
}

cy_value cy_remake(cy_graph *graph, const cy_node *node, const cy_value *inputs) {
  cy_type type = {node->dtype, node->shape};
  if (cy_graph_failed(graph)) return cy_failed(graph);
  if (node->op == &cy_op_input || node->op == &cy_op_variable) return named_leaf(graph, node->op, node->name, type);
  if (node->op == &cy_op_constant) return constant_of(graph, type, node->data);
  if (node->op == &cy_op_tangent) {
    cy_graph_fail(graph, CY_INVALID, "a tangent placeholder outlived the derivative it was made for");
    return cy_failed(graph);
  }
  return cy_make(graph, node->op, inputs, node->n_inputs, node->attrs);
}
