/* Which values are only windows onto other values' memory, and how memory is laid out. A stored value is row-major, or has
 * its channels innermost (images.c). A window has whatever strides its row's view rule gives; where the rule cannot express
 * the window, the value is packed into memory of its own. */
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

/* ---- the pass ---- */

/* Leaves lie as their user says. */
static void place_leaf(const cy_lowering *l, const cy_node *node, cy_view *layout) {
  for (int i = 0; i < l->n_leaves; i++)
    if (strcmp(l->leaves[i].name, node->name) == 0) memcpy(layout->stride, l->leaves[i].stride, sizeof layout->stride);
}

static void place_windows(cy_lowering *l) {
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    if (!node->op->view) continue;
    int32_t source = node->inputs[0];
    cy_view window = cy_view_row_major(CY_ORIGIN, node->dtype, node->shape);
    const bool fits = node->op->view(node->attrs, &l->layout[source], &window);
    l->base[id] = fits ? l->base[source] : id;
    l->layout[id] = fits ? window : cy_view_row_major(CY_ORIGIN, node->dtype, node->shape);
  }
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
  place_windows(l); /* from which images are found */
  CY_TRY(cy_assign_images(l));
  place_windows(l);
  return CY_OK;
}
