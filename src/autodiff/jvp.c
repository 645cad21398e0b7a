/* Forward mode: tangents flow from inputs to outputs in the order of the nodes, each by its row's jvp rule (Wengert
 * 1964; the R-operator of Pearlmutter 1994). Zero tangents stay absent and are never computed. */
#include "autodiff/autodiff.h"

#include <string.h>

/* A push in progress: arrays over the nodes that existed when it began, from the first input on: no node before it can
 * depend on an input. (A composite's body is pushed on its own; that must not cost a pass over the graph.) */
typedef struct push {
  cy_graph *graph;
  int32_t first, size;
  bool *needed;     /* the outputs depend on it */
  bool *cut;        /* it is an input: its tangent is given */
  int32_t *tangent; /* value id of its tangent, -1 for zero */
} push;

static int32_t tangent_of(const push *p, int32_t id) { return id < p->first ? -1 : p->tangent[id - p->first]; }

enum { FEW = 16 };

static cy_value push_through(const cy_rule *rule) {
  const cy_op *op = rule->node->op;
  if (op->jvp) return op->jvp(rule);
  if (!op->expand) return cy_none; /* constant, integer or flat */
  cy_value body = op->expand(rule), result = cy_none;
  if (!cy_is_value(body)) return cy_none;
  cy_push_tangents(rule->graph, &body, 1, rule->in, rule->tangent, rule->node->n_inputs, &result);
  return result;
}

static void push_node(push *p, int32_t id) {
  const cy_node *node = cy_node_at(p->graph, id);
  cy_value few[2 * FEW], *in = few;
  bool moving = false;
  for (int k = 0; k < node->n_inputs; k++) moving = moving || tangent_of(p, node->inputs[k]) >= 0;
  if (!moving || !cy_dtype_is_float(node->dtype)) return;
  if (node->n_inputs > FEW && !(in = cy_calloc(2 * (size_t)node->n_inputs, sizeof *in))) {
    cy_graph_fail(p->graph, CY_NO_MEMORY, "out of memory");
    return;
  }
  cy_value *tangent = in + node->n_inputs;
  for (int k = 0; k < node->n_inputs; k++) {
    in[k] = cy_value_at(p->graph, node->inputs[k]);
    tangent[k] = cy_value_at(p->graph, tangent_of(p, node->inputs[k]));
  }
  /* The derivative belongs to the layer of the value: errors and listings name it. */
  const char *outer = cy_scope_set(p->graph, node->scope);
  cy_value t = push_through(&(cy_rule){
      .graph = p->graph, .node = node, .in = in, .out = cy_value_at(p->graph, id), .tangent = tangent,
      .needed = p->needed, .needed_first = p->first, .needed_end = p->size, .calculus = &cy_both_halves});
  cy_scope_set(p->graph, outer);
  p->tangent[id - p->first] = cy_is_value(t) ? t.id : -1;
  if (in != few) cy_free(in);
}

void cy_push_tangents(cy_graph *graph, const cy_value *outputs, int n_outputs, const cy_value *inputs,
                      const cy_value *tangents, int n_inputs, cy_value *out_tangents) {
  push p = {.graph = graph, .size = cy_graph_size(graph)};
  p.first = p.size;
  for (int i = 0; i < n_inputs; i++)
    if (inputs[i].id < p.first) p.first = inputs[i].id;
  size_t n = (size_t)(p.size - p.first);
  p.needed = cy_calloc(n, sizeof *p.needed);
  p.cut = cy_calloc(n, sizeof *p.cut);
  p.tangent = cy_calloc(n, sizeof *p.tangent);
  for (int i = 0; i < n_outputs; i++) out_tangents[i] = cy_none;
  if (!p.needed || !p.cut || !p.tangent) {
    cy_graph_fail(graph, CY_NO_MEMORY, "out of memory");
  } else {
    memset(p.tangent, 0xff, n * sizeof *p.tangent);
    cy_mark_needed(graph, p.first, outputs, n_outputs, p.needed);
    for (int i = 0; i < n_inputs; i++) {
      p.cut[inputs[i].id - p.first] = true;
      p.tangent[inputs[i].id - p.first] = cy_is_value(tangents[i]) ? tangents[i].id : -1;
    }
    for (int32_t id = p.first; id < p.size && !cy_graph_failed(graph); id++)
      if (p.needed[id - p.first] && !p.cut[id - p.first]) push_node(&p, id);
    for (int i = 0; i < n_outputs; i++) out_tangents[i] = cy_value_at(graph, tangent_of(&p, outputs[i].id));
  }
  cy_free(p.needed);
  cy_free(p.cut);
  cy_free(p.tangent);
}
