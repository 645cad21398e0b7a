/* Products in front of loops that are better taken in them. The projection of a sequence is one large product, which the
 * derivatives want in front of the loop; but where it is larger than the processor's own cache it goes to memory and comes
 * back step by step. With enough rows a step's product is as fast, and its result never leaves the cache. So a product that
 * a loop alone reads, step by step, becomes part of the body; loop_program.c puts it there. */
#include "compile/lower.h"

#include "compile/loop.h"
#include "ops/dot.h"

/* Bytes that no processor's own cache holds; rows and terms of a sum that make a product efficient. */
enum { LEAST_BYTES = 1 << 20, LEAST_ROWS = 16, LEAST_SUM = 16 };

static bool holds(const cy_list *axes, int axis) {
  for (int i = 0; i < axes->n; i++)
    if (axes->at[i] == axis) return true;
  return false;
}

/* Is it a matrix of rows for each time, times a matrix, read where they lie? */
static bool is_projection(const cy_lowering *l, const cy_node *node) {
  const cy_dot_attrs *d = node->attrs;
  if (node->op != &cy_op_dot || d->a_batch.n || d->a_contract.n != 1 || holds(&d->a_contract, 0)) return false;
  const cy_view *a = &l->layout[node->inputs[0]];
  const int axis = (int)d->a_contract.at[0];
  int64_t rows = 1;
  for (int i = 1; i < a->shape.rank; i++)
    if (i != axis) rows *= a->shape.dim[i];
  return a->stride[axis] == 1 && a->shape.dim[axis] >= LEAST_SUM && rows >= LEAST_ROWS &&
         cy_count(node->shape) * (int64_t)cy_dtype_size(node->dtype) >= LEAST_BYTES;
}

/* A unit of its own, in memory for nobody else. */
static bool is_alone(const cy_lowering *l, const int32_t *uses, int32_t v) {
  return l->unit[v] >= 0 && !l->units[l->unit[v]].fused && !l->stored[v] && uses[v] == 1 && l->base[v] == v &&
         !(l->moves && !l->moves[v]);
}

cy_status cy_feed_loops(cy_lowering *l) {
  int32_t *uses = cy_calloc((size_t)l->size, sizeof *uses);
  if (!uses) return cy_no_memory();
  for (int32_t id = 0; id < l->size; id++)
    for (int k = 0; k < cy_node_at(l->graph, id)->n_inputs; k++) uses[l->base[cy_node_at(l->graph, id)->inputs[k]]]++;
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    if (!node->op->loop || l->unit[id] < 0) continue;
    const cy_body *body = cy_body_of(node);
    for (int k = body->n_constants + body->n_carry; k < node->n_inputs; k++) {
      const int32_t v = node->inputs[k];
      if (is_alone(l, uses, v) && is_projection(l, cy_node_at(l->graph, v))) l->units[l->unit[v]].inside = true;
    }
  }
  cy_free(uses);
  return CY_OK;
}
