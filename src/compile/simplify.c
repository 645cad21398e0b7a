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

static cy_value keep(const cy_rule *rule) { return (void)rule, cy_none; }

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

/* A round in progress. Uses are counted in the old graph and carried over to what a node becomes; values that a rule
 * makes on the way have none on record. */
typedef struct rebuilding {
  cy_graph *to;
  bool *needed;
  int32_t *map;      /* old node to new */
  int32_t *old_uses;
  int32_t *uses;     /* of new nodes, as far as the array goes */
  int32_t n_uses;
  bool late;
} rebuilding;

static cy_value rebuild_node(const rebuilding *r, const cy_node *node, rewrite *rule) {
  cy_graph *to = r->to;
  cy_value few[FEW], *in = few, v = cy_none;
  if (node->n_inputs > FEW && !(in = cy_calloc((size_t)node->n_inputs, sizeof *in))) {
    cy_graph_fail(to, CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  for (int k = 0; k < node->n_inputs; k++) in[k] = cy_value_at(to, r->map[node->inputs[k]]);
  cy_scope_set(to, node->scope);
  if (node->n_inputs) v = rule(&(cy_rule){.graph = to, .node = node, .in = in, .out = cy_none, .uses = r->uses, .n_uses = r->n_uses,
                        .late = r->late});
  if (!cy_is_value(v)) v = cy_remake(to, node, in);
  if (in != few) cy_free(in);
  return v;
}

static void count_uses(rebuilding *r, const cy_graph *from, const cy_value *values, int n) {
  for (int i = 0; i < n; i++) r->old_uses[values[i].id]++;
  for (int32_t id = 0; id < cy_graph_size(from); id++)
    for (int k = 0; r->needed[id] && k < cy_node_at(from, id)->n_inputs; k++)
      r->old_uses[cy_node_at(from, id)->inputs[k]]++;
}

static cy_status rebuild_all(rebuilding *r, cy_graph *from, cy_value *values, int n, rewrite *rule) {
  int32_t size = cy_graph_size(from);
  cy_mark_needed(from, 0, values, n, r->needed);
  count_uses(r, from, values, n);
  for (int32_t id = 0; id < size && !cy_graph_failed(r->to); id++) {
    if (!r->needed[id]) continue;
    int32_t made = r->map[id] = rebuild_node(r, cy_node_at(from, id), rule).id;
    if (made >= 0 && made < r->n_uses) r->uses[made] += r->old_uses[id];
  }
  CY_TRY(cy_graph_status(r->to));
  for (int i = 0; i < n; i++) values[i] = cy_value_at(r->to, r->map[values[i].id]);
  return CY_OK;
}

/* One round: values of one graph become values of a new one. */
static cy_status rebuild(cy_value *values, int n, rewrite *rule, bool late, cy_graph **to) {
  size_t size = (size_t)cy_graph_size(values[0].graph) + 1;
  CY_TRY(cy_graph_create(to));
  rebuilding r = {.to = *to, .late = late, .n_uses = (int32_t)(size < INT32_MAX / 4 ? 4 * size : size)};
  r.needed = cy_calloc(size, sizeof *r.needed);
  r.map = cy_calloc(size, sizeof *r.map);
  r.old_uses = cy_calloc(size, sizeof *r.old_uses);
  r.uses = cy_calloc((size_t)r.n_uses, sizeof *r.uses);
  cy_status status = r.needed && r.map && r.old_uses && r.uses ? rebuild_all(&r, values[0].graph, values, n, rule)
                                                               : cy_no_memory();
  cy_free(r.needed);
  cy_free(r.map);
  cy_free(r.old_uses);
  cy_free(r.uses);
  if (status != CY_OK) {
    cy_graph_free(*to);
    *to = NULL;
  }
  return status;
}

/* Rebuilds in place of *graph, which is freed. */
static cy_status round_of(cy_value *values, int n, rewrite *rule, bool late, cy_graph **graph) {
  cy_graph *next;
  CY_TRY(rebuild(values, n, rule, late, &next));
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

/* Rounds of simplification until nothing changes. */
static cy_status settle(cy_value *values, int n, bool late, cy_graph **graph) {
  uint64_t before = 0, now = fingerprint(*graph);
  for (int i = 0; i < ROUNDS && now != before; i++) {
    before = now;
    CY_TRY(round_of(values, n, simplify, late, graph));
    now = fingerprint(*graph);
  }
  return CY_OK;
}

cy_status cy_simplify(cy_value *values, int n, cy_graph **simplified) {
  cy_graph *graph;
  CY_TRY(rebuild(values, n, expand, false, &graph));
  cy_status status = CY_OK;
  for (int i = 0; i < ROUNDS && status == CY_OK && has_composite(graph); i++)
    status = round_of(values, n, expand, false, &graph); /* bodies may hold composites; dead nodes go too */
  if (status == CY_OK) status = settle(values, n, false, &graph);
  if (status == CY_OK) status = settle(values, n, true, &graph);
  if (status == CY_OK) status = round_of(values, n, keep, true, &graph); /* drops what became dead */
  if (status != CY_OK) {
    cy_graph_free(graph);
    graph = NULL;
  }
  *simplified = graph;
  return status;
}
