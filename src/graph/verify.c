/* Checks every invariant of a graph from scratch: what the builders promise, tests can ask. */
#include "graph/store.h"

#include <string.h>

enum { FEW = 16 };

static cy_status verify_node(const cy_graph *g, int32_t id) {
  const cy_node *node = g->nodes[id];
  cy_type types[FEW], *in = node->n_inputs > FEW ? cy_calloc((size_t)node->n_inputs, sizeof *in) : types;
  cy_status status = CY_OK;
  if (!in) return cy_no_memory();
  for (int k = 0; k < node->n_inputs && status == CY_OK; k++) {
    if (node->inputs[k] < 0 || node->inputs[k] >= id)
      status = cy_fail(CY_INVALID, "node %d (%s): operand %d is node %d, which does not precede it", id, node->op->name,
                       k + 1, node->inputs[k]);
    else
      in[k] = (cy_type){g->nodes[node->inputs[k]]->dtype, g->nodes[node->inputs[k]]->shape};
  }
  if (status == CY_OK && node->op->infer) {
    cy_type out = {CY_F32, CY_SCALAR};
    status = cy_infer(node->op, node->attrs, in, node->n_inputs, &out);
    if (status == CY_OK && (out.dtype != node->dtype || !cy_shape_equal(out.shape, node->shape)))
      status = cy_fail(CY_INVALID, "node %d (%s): its type does not follow from its operands", id, node->op->name);
  }
  if (in != types) cy_free(in);
  if (status == CY_OK && node->op->loop) status = cy_body_verify(cy_body_of(node));
  const cy_node *loop = status == CY_OK && node->op->part ? g->nodes[node->inputs[0]] : NULL;
  if (loop)
    status = loop->op->loop ? cy_body_verify_part(cy_body_of(loop), node)
                            : cy_fail(CY_INVALID, "node %d (%s): operand 1 is no loop", id, node->op->name);
  return status;
}

cy_status cy_graph_verify(const cy_graph *graph) {
  CY_TRY(cy_graph_status(graph));
  for (size_t i = 0; i < graph->count; i++) CY_TRY(verify_node(graph, (int32_t)i));
  for (size_t i = 0; i < graph->count; i++) /* duplicates share a bucket */
    for (int32_t id = graph->nodes[i]->next; id >= 0; id = graph->nodes[id]->next)
      if (graph->nodes[i]->name[0] && strcmp(graph->nodes[i]->name, graph->nodes[id]->name) == 0)
        return cy_fail(CY_INVALID, "the name \"%s\" is used twice", graph->nodes[i]->name);
  return CY_OK;
}
