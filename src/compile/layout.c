/* Which values are only windows onto other values' memory, and how memory is laid out. Every stored value is row-major;
 * a window has whatever strides its row's view rule gives. Where the rule cannot express the window, the value is packed
 * into memory of its own. */
#include "compile/lower.h"

#include <string.h>

cy_status cy_lowering_begin(cy_graph *graph, bool fuses, cy_lowering *l) {
  size_t n = (size_t)cy_graph_size(graph);
  *l = (cy_lowering){.graph = graph, .size = (int32_t)n, .fuses = fuses, .words = (n + 63) / 64};
  l->layout = cy_calloc(n, sizeof *l->layout);
  l->base = cy_calloc(n, sizeof *l->base);
  l->unit = cy_calloc(n, sizeof *l->unit);
  l->lane = cy_calloc(n, sizeof *l->lane);
  l->stored = cy_calloc(n, sizeof *l->stored);
  if (!l->layout || !l->base || !l->unit || !l->lane || !l->stored) {
    cy_lowering_end(l);
    return cy_no_memory();
  }
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
  *l = (cy_lowering){0};
}

static bool is_number(const cy_node *node) {
  return node->op == &cy_op_full;
}

cy_status cy_assign_layouts(cy_lowering *l) {
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    cy_view *layout = &l->layout[id];
    l->base[id] = id;
    *layout = cy_view_row_major(CY_ORIGIN, node->dtype, node->shape);
    if (is_number(node)) memset(layout->stride, 0, sizeof layout->stride); /* one element serves all */
    if (!l->fuses || !node->op->view) continue;
    int32_t source = node->inputs[0];
    cy_view window = *layout;
    if (node->op->view(node->attrs, &l->layout[source], &window)) {
      *layout = window;
      l->base[id] = l->base[source];
    }
  }
  return CY_OK;
}
