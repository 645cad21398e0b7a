/* Simplification: the graph is rebuilt node by node, each row's own rewrite applied to its operands as rebuilt, until
 * a round changes nothing. Rebuilding drops dead nodes and, by hash-consing, merges equal ones. Composites are replaced
 * by their bodies first; operations on known numbers are computed. */
#include "compile/plan.h"

#include <string.h>

enum { ROUNDS = 8, FEW = 16, FOLD_ELEMENTS = 1 << 14 };

typedef cy_value rewrite(const cy_rule *rule);

static cy_value expand(const cy_rule *rule) {
  return rule->node->op->expand ? rule->node->op->expand(rule) : cy_none;
}

/* The result of an operation whose operands are all single numbers is one too. */
static cy_value fold(const cy_rule *rule) {
  const cy_node *node = rule->node;
  double numbers[4];
  cy_view in[4], out;
  int64_t cells[5] = {0};
  if (node->op->scalar < 0 || node->n_inputs > 3) return cy_none;
  for (int i = 0; i < node->n_inputs; i++) {
    if (!cy_is_full(rule->in[i], &numbers[i])) return cy_none;
    in[i] = cy_view_row_major(&cells[i], cy_value_dtype(rule->in[i]), CY_SCALAR);
    cy_store(&cells[i], in[i].dtype, 0, numbers[i]);
  }
  out = cy_view_row_major(&cells[4], node->dtype, CY_SCALAR);
  node->op->kernel(&(cy_call){node->op, node->attrs, node->n_inputs, in, &out});
  /* A 64-bit integer beyond 2^53 would not survive the number. */
  if (node->dtype == CY_I64 && (cells[4] > 1LL << 53 || cells[4] < -(1LL << 53))) return cy_none;
  return cy_full(rule->graph, node->dtype, node->shape, cy_load(&cells[4], node->dtype, 0));
}

static cy_value simplify(const cy_rule *rule) {
  cy_value v = fold(rule);
  if (!cy_is_value(v) && rule->node->op->simplify) v = rule->node->op->simplify(rule);
  return v;
}

static cy_value rebuild_node(cy_graph *to, const cy_node *node, const int32_t *map, rewrite *rule) {
  cy_value few[FEW], *in = few, v = cy_none;
  if (node->n_inputs > FEW && !(in = cy_calloc((size_t)node->n_inputs, sizeof *in))) {
    cy_graph_fail(to, CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  for (int k = 0; k < node->n_inputs; k++) in[k] = cy_value_at(to, map[node->inputs[k]]);
  cy_scope_set(to, node->scope);
  if (node->n_inputs) v = rule(&(cy_rule){to, node, in, cy_none, NULL});
  if (!cy_is_value(v)) v = cy_remake(to, node, in);
  if (in != few) cy_free(in);
  return v;
}

/* One round: values of one graph become values of a new one. */
static cy_status rebuild(cy_value *values, int n, rewrite *rule, cy_graph **to) {
  cy_graph *from = values[0].graph;
  int32_t size = cy_graph_size(from);
  CY_TRY(cy_graph_create(to));
  bool *needed = cy_calloc((size_t)size + 1, sizeof *needed);
  int32_t *map = cy_calloc((size_t)size + 1, sizeof *map);
  cy_status status = needed && map ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    cy_mark_needed(from, values, n, needed);
    for (int32_t id = 0; id < size && !cy_graph_failed(*to); id++)
      if (needed[id]) map[id] = rebuild_node(*to, cy_node_at(from, id), map, rule).id;
    status = cy_graph_status(*to);
  }
  for (int i = 0; i < n && status == CY_OK; i++) values[i] = cy_value_at(*to, map[values[i].id]);
  cy_free(needed);
  cy_free(map);
  if (status != CY_OK) {
    cy_graph_free(*to);
    *to = NULL;
  }
  return status;
}

/* Rebuilds in place of *graph, which is freed. */
static cy_status round_of(cy_value *values, int n, rewrite *rule, cy_graph **graph) {
  cy_graph *next;
  CY_TRY(rebuild(values, n, rule, &next));
  cy_graph_free(*graph);
  *graph = next;
  return CY_OK;
}

static bool has_composite(const cy_graph *graph) {
  for (int32_t id = 0; id < cy_graph_size(graph); id++)
    if (cy_node_at(graph, id)->op->expand) return true;
  return false;
}

/* Number of nodes that values need, and a hash of them: unchanged means a fixed point. */
static uint64_t fingerprint(const cy_graph *graph) {
  uint64_t hash = (uint64_t)cy_graph_size(graph);
  for (int32_t id = 0; id < cy_graph_size(graph); id++)
    hash = (hash ^ cy_node_at(graph, id)->hash) * 0x9E3779B97F4A7C15u;
  return hash;
}

cy_status cy_simplify(cy_value *values, int n, cy_graph **simplified) {
  cy_graph *graph;
  CY_TRY(rebuild(values, n, expand, &graph));
  cy_status status = CY_OK;
  for (int i = 0; i < ROUNDS && status == CY_OK && has_composite(graph); i++)
    status = round_of(values, n, expand, &graph); /* bodies may hold composites; dead nodes go too */
  uint64_t before = 0, now = fingerprint(graph);
  for (int i = 0; i < ROUNDS && status == CY_OK && now != before; i++) {
    before = now;
    status = round_of(values, n, simplify, &graph);
    if (status == CY_OK) now = fingerprint(graph);
  }
  if (status == CY_OK) status = round_of(values, n, expand, &graph); /* only to drop what became dead */
  if (status != CY_OK) {
    cy_graph_free(graph);
    graph = NULL;
  }
  *simplified = graph;
  return status;
}
