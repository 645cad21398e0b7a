/* What moves in front of a loop. A value that does not depend on the carry can be computed for all steps at once, if
 * the operations up to it have batching rules. It is, where that pays:
 *   - contractions and gathers (rows marked big): one large product instead of T small ones; in a linear loop this is
 *     what takes the products with weight tangents out, so that weight gradients are single contractions;
 *   - what follows from such a value and is no larger than it, if it would be a kernel of its own in the loop (sums, a
 *     normalisation). Elementwise operations on it, the bias added to a projection, cost nothing inside; in a linear
 *     loop they follow all the same, since they lead from weight tangents too;
 *   - what depends on constants alone, unless it is a mere view of one. Tangents of constants are spread outside,
 *     though: their cotangents are then added up as they come, row by row, and summed over the rows once;
 *   - outputs that do not depend on the carry. */
#include "ops/scan_draft.h"

#include <string.h>

enum { FEW = 16 };

/* Per node: whether its rule had no answer; whether it could be computed outside; should be; is made of one that should
 * be, without a kernel of its own; whether it is needed there; whether it is an output. */
typedef struct hoisting {
  cy_scan_plan *plan;
  bool *refused, *can, *should, *near, *far, *output;
} hoisting;

static bool has_time(const cy_scan_plan *p, int32_t id) { return p->depends[id] & CY_DEPENDS_INPUT; }

static bool can_compute(const hoisting *h, int32_t id) {
  const cy_scan_plan *p = h->plan;
  const cy_node *node = cy_node_at(p->draft->body, id);
  if (p->leaf[id] >= 0) return true;
  if (h->refused[id] || node->op == &cy_op_input || node->op == &cy_op_variable || node->op == &cy_op_tangent)
    return false;
  for (int k = 0; k < node->n_inputs; k++)
    if (!h->can[node->inputs[k]]) return false;
  return !has_time(p, id) || (node->op->batch && node->shape.rank < CY_MAX_RANK);
}

/* Costs nothing inside. (Views of what is outside are taken inside, where their cotangents are put together too.) */
static bool is_light(const cy_scan_plan *p, const cy_node *node) {
  return node->op->view || (node->op->op_class == CY_CLASS_ELEMENTWISE && !p->draft->linear);
}

/* No larger than an operand that is computed outside anyway. */
static bool follows(const hoisting *h, const cy_node *node) {
  const cy_scan_plan *p = h->plan;
  for (int k = 0; k < node->n_inputs; k++) {
    const cy_node *from = cy_node_at(p->draft->body, node->inputs[k]);
    if (h->near[node->inputs[k]] && cy_count(node->shape) <= cy_count(from->shape)) return true;
  }
  return false;
}

/* Larger than what it is made of, all of which is different at each step: sums of outer products must not be stored. */
static bool swells(const hoisting *h, const cy_node *node) {
  const cy_scan_plan *p = h->plan;
  for (int k = 0; k < node->n_inputs; k++)
    if (!has_time(p, node->inputs[k]) ||
        cy_count(cy_node_at(p->draft->body, node->inputs[k])->shape) >= cy_count(node->shape))
      return false;
  return true;
}

static bool should_compute(const hoisting *h, int32_t id) {
  const cy_scan_plan *p = h->plan;
  const cy_node *node = cy_node_at(p->draft->body, id);
  if (!h->can[id] || p->leaf[id] >= 0 || node->n_inputs == 0) return false;
  if (!p->depends[id]) return node->op->op_class != CY_CLASS_ELEMENTWISE && !node->op->view;
  if (!has_time(p, id)) return !node->op->view || (p->draft->linear && p->depends[id] & CY_DEPENDS_TANGENT);
  return !p->draft->recompute && ((node->op->big && !swells(h, node)) || (!is_light(p, node) && follows(h, node)));
}

static void decide(hoisting *h) {
  cy_scan_plan *p = h->plan;
  for (int32_t id = 0; id < p->size; id++) {
    h->can[id] = !(p->depends[id] & CY_DEPENDS_CARRY) && (p->leaf[id] >= 0 || can_compute(h, id));
    h->should[id] = should_compute(h, id);
    const cy_node *node = cy_node_at(p->draft->body, id);
    bool given = p->leaf[id] >= 0 && node->op == &cy_op_tangent; /* a projection's tangent, from in front of the loop */
    h->near[id] = has_time(p, id) && (h->should[id] || given);
    for (int k = 0; h->can[id] && p->leaf[id] < 0 && is_light(p, node) && k < node->n_inputs; k++)
      h->near[id] = h->near[id] || h->near[node->inputs[k]];
  }
}

/* Marks what has to be computed outside: outputs; what the loop needs and should not compute; what these need. */
static void mark_far(hoisting *h) {
  cy_scan_plan *p = h->plan;
  const cy_scan_draft *d = p->draft;
  const cy_value some = {d->graph, 0}; /* a value, which one is not known yet */
  for (int i = 0; i < d->n_outputs; i++) h->output[d->outputs[i].id] = true;
  for (int32_t id = 0; id < p->size; id++) {
    h->far[id] = h->output[id] && h->can[id] && !(d->recompute && has_time(p, id));
    p->outside[id] = h->should[id] || h->far[id] ? some : cy_none;
  }
  cy_scan_plan_needs(p);
  for (int32_t id = p->size - 1; id >= 0; id--) {
    const cy_node *node = cy_node_at(d->body, id);
    h->far[id] = h->far[id] || (p->needed[id] && h->should[id]);
    for (int k = 0; k < node->n_inputs && h->far[id] && p->leaf[id] < 0; k++) h->far[node->inputs[k]] = true;
  }
}

static const cy_scan_leaf *leaf_of(const cy_scan_draft *d, int number) {
  if (number < d->n_constants) return &d->constants[number];
  number -= d->n_constants;
  return number < d->n_carry ? &d->carry[number] : &d->inputs[number - d->n_carry];
}

cy_value cy_scan_plan_compute(const cy_scan_plan *p, int32_t id) {
  const cy_scan_draft *d = p->draft;
  const cy_node *node = cy_node_at(d->body, id);
  cy_value few[FEW], *in = few, v;
  bool few_batched[FEW], *batched = few_batched;
  if (p->leaf[id] >= 0) return leaf_of(d, p->leaf[id])->outside;
  if (node->n_inputs > FEW) {
    in = cy_scan_draft_array(p->draft, (size_t)node->n_inputs, sizeof *in);
    batched = cy_scan_draft_array(p->draft, (size_t)node->n_inputs, sizeof *batched);
    if (!in || !batched) return cy_none;
  }
  for (int k = 0; k < node->n_inputs; k++) {
    in[k] = p->outside[node->inputs[k]];
    batched[k] = has_time(p, node->inputs[k]);
  }
  const char *scope = cy_scope_set(d->graph, node->scope);
  v = has_time(p, id) ? node->op->batch(&(cy_rule){.graph = d->graph, .node = node, .in = in}, batched, d->length)
                      : cy_remake(d->graph, node, in);
  cy_scope_set(d->graph, scope);
  return v;
}

/* False if a rule had no answer: that node can't be computed outside after all. */
static bool compute_all(hoisting *h) {
  cy_scan_plan *p = h->plan;
  for (int32_t id = 0; id < p->size && !cy_graph_failed(p->draft->graph); id++) {
    p->outside[id] = h->far[id] ? cy_scan_plan_compute(p, id) : cy_none;
    if (!h->far[id] || cy_is_value(p->outside[id])) continue;
    h->refused[id] = true;
    return false;
  }
  return true;
}

/* What the loop reads of what is computed outside is a leaf from now on. */
static void add_leaves(hoisting *h) {
  cy_scan_plan *p = h->plan;
  cy_scan_draft *d = p->draft;
  for (int32_t id = 0; id < p->size; id++)
    if (!h->should[id] && !h->output[id]) p->outside[id] = cy_none; /* the loop has its own */
  cy_scan_plan_needs(p);
  for (int32_t id = 0; id < p->size; id++)
    if (p->needed[id] && p->leaf[id] < 0 && cy_is_value(p->outside[id]))
      (has_time(p, id) ? cy_scan_draft_input : cy_scan_draft_constant)(d, cy_value_at(d->body, id), p->outside[id]);
}

/* The arrays of leaves, with room for all that may come. */
static bool make_room(cy_scan_draft *d, int32_t size) {
  cy_scan_leaf *constants = cy_scan_draft_array(d, (size_t)(d->n_constants + size), sizeof *constants);
  cy_scan_leaf *inputs = cy_scan_draft_array(d, (size_t)(d->n_inputs + size), sizeof *inputs);
  if (cy_graph_failed(d->graph)) return false;
  memcpy(constants, d->constants, (size_t)d->n_constants * sizeof *constants);
  memcpy(inputs, d->inputs, (size_t)d->n_inputs * sizeof *inputs);
  d->constants = constants;
  d->inputs = inputs;
  return true;
}

static hoisting make_hoisting(cy_scan_plan *p) {
  size_t n = (size_t)p->size;
  bool *arrays = cy_scan_draft_array(p->draft, 6 * n, sizeof *arrays);
  return arrays ? (hoisting){p, arrays, arrays + n, arrays + 2 * n, arrays + 3 * n, arrays + 4 * n, arrays + 5 * n}
                : (hoisting){0};
}

void cy_scan_plan_hoist(cy_scan_plan *p, bool *should) {
  hoisting h = make_hoisting(p);
  if (!h.plan) return;
  decide(&h);
  memcpy(should, h.should, (size_t)p->size);
}

void cy_scan_hoist(cy_scan_plan *p) {
  cy_scan_draft *d = p->draft;
  hoisting h = make_hoisting(p);
  if (!h.plan || !make_room(d, p->size)) return;
  do {
    decide(&h);
    mark_far(&h);
  } while (!compute_all(&h) && !cy_graph_failed(d->graph));
  if (cy_graph_failed(d->graph)) return;
  add_leaves(&h);
  cy_scan_plan_leaves(p);
  cy_scan_plan_needs(p);
}
