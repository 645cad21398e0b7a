/* Reverse mode is the transpose of the linear part: cotangents flow from outputs to placeholders against the order of
 * the nodes, each by its row's transpose rule. There is no second set of derivative rules. */
#include "autodiff/autodiff.h"
#include "ops/ops.h"

#include <string.h>

/* A pull in progress. Nodes that depend on a placeholder form the linear part; all of them were made after the first
 * placeholder, so the arrays start there. */
typedef struct pull {
  cy_graph *graph;
  bool *linear;       /* depends on a placeholder */
  int32_t *cotangent; /* value id, -1 for zero */
} pull;

static void accumulate(pull *p, int32_t id, cy_value ct) {
  if (!cy_is_value(ct)) return;
  p->cotangent[id] = cy_tangent_sum(cy_value_at(p->graph, p->cotangent[id]), ct).id;
}

enum { FEW = 16 };

/* A composite in the linear part: its body is linear too. */
static void pull_composite(pull *p, const cy_rule *rule, cy_value ct) {
  cy_value body = rule->node->op->expand(rule), few[2 * FEW], *in = few;
  int n = 0;
  if (!cy_is_value(body)) return;
  if (rule->node->n_inputs > FEW && !(in = cy_calloc(2 * (size_t)rule->node->n_inputs, sizeof *in))) {
    cy_graph_fail(p->graph, CY_NO_MEMORY, "out of memory");
    return;
  }
  cy_value *out = in + rule->node->n_inputs;
  for (int k = 0; k < rule->node->n_inputs; k++)
    if (p->linear[rule->in[k].id]) in[n++] = rule->in[k];
  cy_pull_cotangents(p->graph, &body, &ct, 1, in, n, out);
  for (int k = 0; k < n && !cy_graph_failed(p->graph); k++) accumulate(p, in[k].id, out[k]);
  if (in != few) cy_free(in);
}

/* All linear operands at once. */
static void pull_together(pull *p, const cy_rule *rule, cy_value ct) {
  int n = rule->node->n_inputs;
  bool *wanted = cy_calloc((size_t)n, sizeof *wanted);
  cy_value *out = cy_calloc((size_t)n, sizeof *out);
  if (!wanted || !out) cy_graph_fail(p->graph, CY_NO_MEMORY, "out of memory");
  for (int k = 0; wanted && out && k < n; k++) {
    wanted[k] = p->linear[rule->in[k].id];
    out[k] = cy_none;
  }
  if (!cy_graph_failed(p->graph)) rule->node->op->pull(rule, ct, wanted, out);
  for (int k = 0; k < n && !cy_graph_failed(p->graph); k++)
    if (wanted[k]) accumulate(p, rule->in[k].id, out[k]);
  cy_free(wanted);
  cy_free(out);
}

static void pull_node(pull *p, int32_t id) {
  const cy_node *node = cy_node_at(p->graph, id);
  cy_value ct = cy_value_at(p->graph, p->cotangent[id]), few[FEW], *in = few;
  if (node->n_inputs > FEW && !(in = cy_calloc((size_t)node->n_inputs, sizeof *in))) {
    cy_graph_fail(p->graph, CY_NO_MEMORY, "out of memory");
    return;
  }
  int moving = 0;
  for (int k = 0; k < node->n_inputs; k++) {
    in[k] = cy_value_at(p->graph, node->inputs[k]);
    moving += p->linear[node->inputs[k]];
  }
  cy_rule rule = {.graph = p->graph, .node = node, .in = in, .out = cy_value_at(p->graph, id),
                  .calculus = &cy_both_halves};
  const char *outer = cy_scope_set(p->graph, node->scope);
  if (node->op->pull && moving) {
    pull_together(p, &rule, ct);
    moving = 0;
  }
  if (!node->op->transpose && node->op->expand && moving) {
    pull_composite(p, &rule, ct);
    moving = 0;
  }
  for (int k = 0; k < node->n_inputs && moving && !cy_graph_failed(p->graph); k++) {
    if (!p->linear[node->inputs[k]]) continue;
    if (!node->op->transpose || !cy_op_is_linear_in(node->op, k))
      cy_graph_fail(p->graph, CY_INVALID, "%s is not linear in operand %d: a tangent rule emitted it", node->op->name, k + 1);
    else
      accumulate(p, node->inputs[k], node->op->transpose(&rule, k, ct));
  }
  cy_scope_set(p->graph, outer);
  if (in != few) cy_free(in);
}

const cy_calculus cy_both_halves = {cy_push_tangents, cy_pull_cotangents};

/* A scratch array over the graph's nodes; NULL records the graph's error. */
static void *node_array(cy_graph *graph, size_t item_size) {
  void *array = cy_calloc((size_t)cy_graph_size(graph) + 1, item_size);
  if (!array) cy_graph_fail(graph, CY_NO_MEMORY, "out of memory");
  return array;
}

void cy_pull_cotangents(cy_graph *graph, const cy_value *outputs, const cy_value *cotangents, int n_outputs,
                        const cy_value *placeholders, int n_placeholders, cy_value *out_cotangents) {
  int32_t size = cy_graph_size(graph), first = size;
  pull p = {graph, node_array(graph, sizeof *p.linear), node_array(graph, sizeof *p.cotangent)};
  for (int i = 0; i < n_placeholders; i++) out_cotangents[i] = cy_none;
  if (!cy_graph_failed(graph)) {
    memset(p.cotangent, 0xff, (size_t)size * sizeof *p.cotangent);
    bool *is_placeholder = node_array(graph, 1);
    for (int i = 0; is_placeholder && i < n_placeholders; i++) {
      is_placeholder[placeholders[i].id] = p.linear[placeholders[i].id] = true;
      if (placeholders[i].id < first) first = placeholders[i].id;
    }
    for (int32_t id = first; id < size; id++)
      for (int k = 0; k < cy_node_at(graph, id)->n_inputs; k++)
        if (p.linear[cy_node_at(graph, id)->inputs[k]]) p.linear[id] = true;
    for (int i = 0; i < n_outputs && !cy_graph_failed(graph); i++)
      if (cy_is_value(outputs[i]) && p.linear[outputs[i].id]) accumulate(&p, outputs[i].id, cotangents[i]);
    for (int32_t id = size - 1; id >= first && !cy_graph_failed(graph); id--)
      if (p.linear[id] && p.cotangent[id] >= 0 && !is_placeholder[id]) pull_node(&p, id);
    if (!cy_graph_failed(graph))
      for (int i = 0; i < n_placeholders; i++)
        out_cotangents[i] = cy_value_at(graph, p.cotangent[placeholders[i].id]);
    cy_free(is_placeholder);
  }
  cy_free(p.linear);
  cy_free(p.cotangent);
}
