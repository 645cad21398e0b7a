/* Which values are only windows onto other values' memory, and how memory is laid out. A stored value is row-major, or, if
 * it is an image [N, C, space...] that kernels on images read or write, has its channels innermost: values that elementwise
 * operations connect share one layout, so that it is carried from layer to layer, forward and backward. A window has
 * whatever strides its row's view rule gives; where the rule cannot express the window, the value is packed into memory of
 * its own. */
#include "compile/lower.h"

#include <string.h>

/* What changes from run to run while variables hold still. */
static void find_moving(cy_lowering *l) {
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    l->moves[id] = node->op == &cy_op_input;
    for (int k = 0; k < node->n_inputs; k++) l->moves[id] = l->moves[id] || l->moves[node->inputs[k]];
  }
}

cy_status cy_lowering_begin(cy_graph *graph, bool fuses, bool frozen, cy_lowering *l) {
  size_t n = (size_t)cy_graph_size(graph);
  *l = (cy_lowering){.graph = graph, .size = (int32_t)n, .fuses = fuses, .words = (n + 63) / 64};
  l->layout = cy_calloc(n, sizeof *l->layout);
  l->base = cy_calloc(n, sizeof *l->base);
  l->unit = cy_calloc(n, sizeof *l->unit);
  l->lane = cy_calloc(n, sizeof *l->lane);
  l->stored = cy_calloc(n, sizeof *l->stored);
  if (frozen) l->moves = cy_calloc(n, sizeof *l->moves);
  if (!l->layout || !l->base || !l->unit || !l->lane || !l->stored || (frozen && !l->moves)) {
    cy_lowering_end(l);
    return cy_no_memory();
  }
  if (frozen) find_moving(l);
  memset(l->unit, 0xff, n * sizeof *l->unit);
  return CY_OK;
}

void cy_lowering_end(cy_lowering *l) {
  for (size_t i = 0; i < l->n_units; i++) cy_free(l->units[i].nodes);
  cy_free(l->units);
  cy_free(l->depends);
  cy_free(l->layout);
  cy_free(l->base);
  cy_free(l->unit);
  cy_free(l->lane);
  cy_free(l->stored);
  cy_free(l->moves);
  *l = (cy_lowering){0};
}

static bool is_number(const cy_node *node) {
  return node->op == &cy_op_full;
}

/* ---- images ---- */

/* May this value's memory have another order than rows? Leaves have the caller's order, windows their base's, and kernels
 * that know nothing of images write rows. */
static bool is_free(const cy_node *node) {
  const cy_op *op = node->op;
  if (node->shape.rank < 3 || op->op_class == CY_CLASS_LEAF || op->view) return false;
  return op->scalar >= 0 || (op->images && op->images(node->attrs) >> 31);
}

static int32_t leader(int32_t *parent, int32_t v) {
  while (parent[v] != v) v = parent[v] = parent[parent[v]];
  return v;
}

/* wish[leader]: a kernel on images touches one of the values that lie alike. */
static void find_images(const cy_lowering *l, int32_t *parent, bool *wish) {
  for (int32_t id = 0; id < l->size; id++) parent[id] = id;
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    for (int k = 0; node->op->scalar >= 0 && is_free(node) && k < node->n_inputs; k++) {
      const cy_node *operand = cy_node_at(l->graph, node->inputs[k]);
      if (is_free(operand) && cy_shape_equal(operand->shape, node->shape))
        parent[leader(parent, node->inputs[k])] = leader(parent, id);
    }
  }
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    uint32_t images = node->op->images ? node->op->images(node->attrs) : 0;
    for (int k = 0; k < node->n_inputs && k < 31; k++) /* bit 31 is the result */
      if (images >> k & 1) wish[leader(parent, node->inputs[k])] = true;
    if (images >> 31) wish[leader(parent, id)] = true;
  }
}

static void put_channels_innermost(cy_view *layout) {
  int64_t step = layout->shape.dim[1];
  layout->stride[1] = 1;
  for (int i = layout->shape.rank - 1; i >= 0; i--) {
    if (i == 1) continue;
    layout->stride[i] = step;
    step *= layout->shape.dim[i];
  }
}

static cy_status assign_images(cy_lowering *l) {
  int32_t *parent = cy_calloc((size_t)l->size, sizeof *parent);
  bool *wish = cy_calloc((size_t)l->size, sizeof *wish);
  cy_status status = parent && wish ? CY_OK : cy_no_memory();
  if (status == CY_OK) find_images(l, parent, wish);
  for (int32_t id = 0; status == CY_OK && id < l->size; id++)
    if (is_free(cy_node_at(l->graph, id)) && wish[leader(parent, id)]) put_channels_innermost(&l->layout[id]);
  cy_free(parent);
  cy_free(wish);
  return status;
}

/* ---- the pass ---- */

/* Leaves lie as their user says. */
static void place_leaf(const cy_lowering *l, const cy_node *node, cy_view *layout) {
  for (int i = 0; i < l->n_leaves; i++)
    if (strcmp(l->leaves[i].name, node->name) == 0) memcpy(layout->stride, l->leaves[i].stride, sizeof layout->stride);
}

cy_status cy_assign_layouts(cy_lowering *l) {
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    cy_view *layout = &l->layout[id];
    l->base[id] = id;
    *layout = cy_view_row_major(CY_ORIGIN, node->dtype, node->shape);
    if (node->name[0]) place_leaf(l, node, layout);
    if (is_number(node)) memset(layout->stride, 0, sizeof layout->stride); /* one element serves all */
  }
  if (!l->fuses) return CY_OK;
  CY_TRY(assign_images(l));
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    if (!node->op->view) continue;
    int32_t source = node->inputs[0];
    cy_view window = l->layout[id];
    if (node->op->view(node->attrs, &l->layout[source], &window)) {
      l->layout[id] = window;
      l->base[id] = l->base[source];
    }
  }
  return CY_OK;
}
