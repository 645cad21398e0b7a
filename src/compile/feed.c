/* Products in front of loops that are better taken in them. The projection of a sequence is one large product, which the
 * derivatives want in front of the loop; but where it is larger than the processor's own cache it goes to memory and comes
 * back step by step. With enough rows a step's product is as fast, and its result never leaves the cache. So a product that
 * a loop alone reads, step by step, becomes part of the body; loop_program.c puts it there. */
#include "compile/lower.h"

#include "compile/loop.h"

/* Bytes that no processor's own cache holds; rows, and operations per element, that make a product efficient. */
enum { LEAST_BYTES = 1 << 20, LEAST_ROWS = 16, LEAST_OPERATIONS = 32 };

/* A product of each time with the same factor, that may as well be taken step by step? */
static bool goes_by_steps(const cy_lowering *l, const cy_node *node, void *attrs) {
  const int64_t count = cy_count(node->shape);
  if (!node->op->big || !node->op->unbatch || !node->op->cost || node->n_inputs != 2) return false;
  const cy_view *a = &l->layout[node->inputs[0]], *b = &l->layout[node->inputs[1]];
  const cy_type in[] = {{a->dtype, a->shape}, {b->dtype, b->shape}}, out = {node->dtype, node->shape};
  return node->op->unbatch(node->attrs, in, attrs) && cy_loop_dense_step(a) > 0 && node->shape.rank > 1 &&
         node->shape.dim[1] >= LEAST_ROWS && count * (int64_t)cy_dtype_size(node->dtype) >= LEAST_BYTES &&
         node->op->cost(node->attrs, in, 2, &out) >= LEAST_OPERATIONS * (double)count;
}

/* A unit of its own, in memory for nobody else. */
static bool is_alone(const cy_lowering *l, const int32_t *uses, int32_t v) {
  return l->unit[v] >= 0 && !l->units[l->unit[v]].fused && !l->stored[v] && uses[v] == 1 && l->base[v] == v &&
         !(l->moves && !l->moves[v]);
}

cy_status cy_feed_loops(cy_lowering *l) {
  int32_t *uses = cy_calloc((size_t)l->size, sizeof *uses);
  size_t largest = 0;
  for (int32_t id = 0; id < l->size; id++)
    if (cy_node_at(l->graph, id)->op->attr_size > largest) largest = cy_node_at(l->graph, id)->op->attr_size;
  void *attrs = cy_calloc(largest, 1);
  for (int32_t id = 0; uses && id < l->size; id++)
    for (int k = 0; k < cy_node_at(l->graph, id)->n_inputs; k++) uses[l->base[cy_node_at(l->graph, id)->inputs[k]]]++;
  for (int32_t id = 0; uses && attrs && id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    if (!node->op->loop || l->unit[id] < 0) continue;
    const cy_body *body = cy_body_of(node);
    for (int k = body->n_constants + body->n_carry; k < node->n_inputs; k++) {
      const int32_t v = node->inputs[k];
      if (is_alone(l, uses, v) && goes_by_steps(l, cy_node_at(l->graph, v), attrs)) l->units[l->unit[v]].inside = true;
    }
  }
  const bool enough = uses && attrs;
  cy_free(uses);
  cy_free(attrs);
  return enough ? CY_OK : cy_no_memory();
}
