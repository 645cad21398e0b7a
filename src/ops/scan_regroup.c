/* Sums in a linear loop, put in another order: of terms that depend on the carry and terms that do not, the latter are
 * added first, so that their sum can be computed in front of the loop (dz = U dh + (dU h + db), however the step writes
 * it). Only where one of them will be read from there anyway: then nothing more is stored. This takes the tangents of
 * biases out. Equal up to rounding. */
#include "ops/scan_draft.h"

enum { FEW = 16 };

/* Per node: its uses; what it has become; of a sum: the parts with and without the carry, how many terms are without,
 * and whether one of them is read from in front of the loop. */
typedef struct regrouping {
  cy_scan_plan *plan;
  const bool *should;
  int *uses, *terms;
  bool *known;
  cy_value *now, *with, *without;
} regrouping;

static bool is_sum(const cy_node *node) {
  return node->op == &cy_op_elementwise[CY_SCALAR_add] || node->op == &cy_op_elementwise[CY_SCALAR_sub];
}

static bool has_carry(const regrouping *g, int32_t id) { return g->plan->depends[id] & CY_DEPENDS_CARRY; }

/* Read from in front of the loop: computed there, or an input. */
static bool is_read(const regrouping *g, int32_t id) {
  return g->plan->depends[id] & CY_DEPENDS_INPUT && (g->should[id] || g->plan->leaf[id] >= 0);
}

static cy_value rebuilt(const regrouping *g, int32_t id) {
  cy_graph *body = g->plan->draft->body;
  const cy_node *node = cy_node_at(body, id);
  cy_value in[FEW];
  bool same = true;
  for (int k = 0; k < node->n_inputs && same; k++) same = g->now[node->inputs[k]].id == node->inputs[k];
  if (same || node->n_inputs > FEW) return cy_value_at(body, id);
  for (int k = 0; k < node->n_inputs; k++) in[k] = g->now[node->inputs[k]];
  return cy_remake(body, node, in);
}

/* Splits a sum into its parts; those of an operand that is a sum used nowhere else are joined to them. */
static void split(regrouping *g, int32_t id) {
  const cy_node *node = cy_node_at(g->plan->draft->body, id);
  cy_value (*join)(cy_value, cy_value) =
      node->op == &cy_op_elementwise[CY_SCALAR_add] ? cy_tangent_sum : cy_tangent_difference;
  cy_value with[2], without[2];
  for (int k = 0; k < 2; k++) {
    int32_t in = node->inputs[k];
    bool inner =
        has_carry(g, in) && g->plan->leaf[in] < 0 && is_sum(cy_node_at(g->plan->draft->body, in)) && g->uses[in] == 1;
    with[k] = inner ? g->with[in] : has_carry(g, in) ? g->now[in] : cy_none;
    without[k] = inner ? g->without[in] : has_carry(g, in) ? cy_none : g->now[in];
    g->terms[id] += inner ? g->terms[in] : !has_carry(g, in);
    g->known[id] = g->known[id] || (inner ? g->known[in] : !has_carry(g, in) && is_read(g, in));
  }
  g->with[id] = join(with[0], with[1]);
  g->without[id] = join(without[0], without[1]);
}

static void regroup(regrouping *g, int32_t id) {
  const cy_scan_plan *p = g->plan;
  const cy_node *node = cy_node_at(p->draft->body, id);
  if (p->leaf[id] < 0 && has_carry(g, id) && is_sum(node) && cy_dtype_is_float(node->dtype)) {
    split(g, id);
    if (g->terms[id] > 1 && g->known[id]) {
      g->now[id] = cy_add(g->with[id], g->without[id]);
      return;
    }
  }
  g->now[id] = p->leaf[id] < 0 ? rebuilt(g, id) : cy_value_at(p->draft->body, id);
}

static void count_uses(const regrouping *g) {
  const cy_scan_draft *d = g->plan->draft;
  for (int32_t id = 0; id < g->plan->size; id++)
    for (int k = 0; g->plan->needed[id] && k < cy_node_at(d->body, id)->n_inputs; k++)
      g->uses[cy_node_at(d->body, id)->inputs[k]]++;
  for (int k = 0; k < d->n_carry; k++) g->uses[d->next[k].id]++;
  for (int i = 0; i < d->n_outputs; i++) g->uses[d->outputs[i].id]++;
}

void cy_scan_regroup(cy_scan_plan *p, const bool *should) {
  cy_scan_draft *d = p->draft;
  size_t n = (size_t)p->size;
  regrouping g = {.plan = p, .should = should};
  g.uses = cy_scan_draft_array(d, n, sizeof *g.uses);
  g.terms = cy_scan_draft_array(d, n, sizeof *g.terms);
  g.known = cy_scan_draft_array(d, n, sizeof *g.known);
  g.now = cy_scan_draft_array(d, n, sizeof *g.now);
  g.with = cy_scan_draft_array(d, n, sizeof *g.with);
  g.without = cy_scan_draft_array(d, n, sizeof *g.without);
  if (cy_graph_failed(d->graph)) return;
  count_uses(&g);
  const char *scope = cy_scope(d->body);
  for (int32_t id = 0; id < p->size && !cy_graph_failed(d->body); id++) {
    cy_scope_set(d->body, cy_node_at(d->body, id)->scope);
    regroup(&g, id);
  }
  cy_scope_set(d->body, scope);
  cy_graph_take_error(d->graph, d->body);
  if (cy_graph_failed(d->graph)) return;
  for (int k = 0; k < d->n_carry; k++) d->next[k] = g.now[d->next[k].id];
  for (int i = 0; i < d->n_outputs; i++) d->outputs[i] = g.now[d->outputs[i].id];
}
