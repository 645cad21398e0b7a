/* The transpose of a loop that is linear in some operands, given the cotangents of its parts: a loop the other way. Its
 * carry are the cotangents of the carry; it reads what the loop reads, and the cotangents of sequences; at each step
 * the body's cotangents are pulled. Cotangents of inputs are its outputs, those of constants are added up in carries of
 * their own (which are rare: products with a constant's tangent are not in the loop, scan_hoist.c). */
#include "ops/scan_draft.h"

typedef struct transposing {
  const cy_rule *rule;
  const cy_body *body;
  cy_scan_draft *draft;
  int32_t *map;
  bool *linear;                        /* per value of the body */
  cy_value *last, *carries, *sequence; /* cotangents of parts: per carry, per carry, per value of the body */
  cy_value *after, *along,
      *of_sequence; /* inside: cotangents of the carry from later steps, from scan_carries; of values */
  cy_value *to_constants, *to_carry, *to_inputs; /* pulled: cotangents of the leaves */
  int *slot;                                     /* of a carry's cotangent among the new carries, or -1 */
} transposing;

/* ---- cotangents of the parts ---- */

static void sort_bundles(transposing *t, cy_value bundles) {
  while (cy_is_value(bundles)) {
    const cy_node *node = cy_node_of(bundles);
    bool sum = node->op != &cy_op_scan_bundle;
    const cy_node *leaf = sum ? cy_node_at(bundles.graph, node->inputs[1]) : node;
    const cy_scan_bundle_attrs *a = leaf->attrs;
    cy_value *of = a->part == CY_RESULT_SEQUENCE ? t->sequence : a->part == CY_RESULT_CARRIES ? t->carries : t->last;
    of[a->index] = cy_tangent_sum(of[a->index], cy_value_at(bundles.graph, leaf->inputs[0]));
    bundles = sum ? cy_value_at(bundles.graph, node->inputs[0]) : cy_none;
  }
}

/* Whether ct is inner with rows of zeros around, so many of them in front. */
static bool is_padded(cy_value ct, cy_value inner, int64_t front) {
  int64_t low[CY_MAX_RANK] = {front}, high[CY_MAX_RANK] = {0}, none[CY_MAX_RANK] = {0};
  high[0] = cy_value_shape(ct).dim[0] - cy_value_shape(inner).dim[0] - front;
  return high[0] >= 0 && cy_pad(inner, low, high, none).id == ct.id; /* equal nodes are one */
}

/* ct[start:limit] along the first axis. The carries before and after each step are slices of all carries, whose
 * cotangents are padded: of these the part inside is taken, and zeros are empty. */
static cy_value window(cy_value ct, int64_t start, int64_t limit) {
  const cy_node *node = cy_is_value(ct) ? cy_node_of(ct) : NULL;
  if (!node) return cy_none;
  if (node->op == &cy_op_elementwise[CY_SCALAR_add]) {
    cy_value a = window(cy_value_at(ct.graph, node->inputs[0]), start, limit);
    return cy_tangent_sum(a, window(cy_value_at(ct.graph, node->inputs[1]), start, limit));
  }
  cy_value inner = node->op == &cy_op_pad ? cy_value_at(ct.graph, node->inputs[0]) : cy_none;
  for (int64_t front = 0; cy_is_value(inner) && front < 2; front++) {
    int64_t end = front + cy_value_shape(inner).dim[0];
    if (!is_padded(ct, inner, front)) continue;
    if (limit <= front || start >= end) return cy_none;
    if (start == front && limit == end) return inner;
    if (start >= front && limit <= end) return cy_slice_axis(inner, 0, start - front, limit - front);
  }
  return cy_slice_axis(ct, 0, start, limit);
}

/* ---- what is linear ---- */

static void mark_linear(transposing *t, const bool *wanted) {
  const cy_body *b = t->body;
  const int32_t *leaves[3] = {b->constants, b->carry, b->inputs};
  const int counts[3] = {b->n_constants, b->n_carry, b->n_inputs};
  for (int kind = 0, at = 0; kind < 3; kind++)
    for (int k = 0; k < counts[kind]; k++, at++)
      if (leaves[kind][k] >= 0) t->linear[leaves[kind][k]] = wanted[at];
  for (bool more = true; more;) {
    more = false;
    for (int32_t id = 0; id < cy_graph_size(b->graph); id++)
      for (int k = 0; k < cy_node_at(b->graph, id)->n_inputs; k++)
        t->linear[id] = t->linear[id] || t->linear[cy_node_at(b->graph, id)->inputs[k]];
    for (int k = 0; k < b->n_carry; k++) {
      if (b->carry[k] < 0 || t->linear[b->carry[k]] || !t->linear[b->next[k]]) continue;
      t->linear[b->carry[k]] = more = true;
    }
  }
}

/* ---- inside ---- */

static cy_value inside(const transposing *t, int32_t id) { return cy_value_at(t->draft->body, t->map[id]); }

static cy_value leaf_like(transposing *t, int32_t id) {
  return cy_tangent_placeholder(t->draft->body, cy_body_type(t->body, id));
}

/* Linear leaves of a kind, with where their cotangents go. */
static int gather_leaves(const transposing *t, const int32_t *ids, int n, cy_value *to, cy_value *leaves,
                         cy_value **slots, int count) {
  for (int k = 0; k < n; k++) {
    to[k] = cy_none;
    if (ids[k] < 0 || !t->linear[ids[k]]) continue;
    leaves[count] = inside(t, ids[k]);
    slots[count++] = &to[k];
  }
  return count;
}

/* One step backwards: cotangents of all linear leaves. */
static void pull_step(transposing *t) {
  const cy_body *b = t->body;
  cy_scan_draft *d = t->draft;
  int32_t size = cy_graph_size(b->graph);
  size_t n = (size_t)(b->n_constants + b->n_carry + b->n_inputs);
  cy_value *leaves = cy_scan_draft_array(d, n, sizeof *leaves), *pulled = cy_scan_draft_array(d, n, sizeof *pulled);
  cy_value **slots = cy_scan_draft_array(d, n, sizeof *slots);
  cy_value *of = cy_scan_draft_array(d, (size_t)(b->n_carry + size), sizeof *of);
  cy_value *given = cy_scan_draft_array(d, (size_t)(b->n_carry + size), sizeof *given);
  if (cy_graph_failed(d->graph) || cy_graph_failed(d->body)) return;
  int count = gather_leaves(t, b->constants, b->n_constants, t->to_constants, leaves, slots, 0), outputs = 0;
  count = gather_leaves(t, b->carry, b->n_carry, t->to_carry, leaves, slots, count);
  count = gather_leaves(t, b->inputs, b->n_inputs, t->to_inputs, leaves, slots, count);
  for (int k = 0; k < b->n_carry; k++) {
    cy_value ct = cy_tangent_sum(t->after[k], t->along[k]);
    if (!cy_is_value(ct)) continue;
    of[outputs] = inside(t, b->next[k]);
    given[outputs++] = ct;
  }
  for (int32_t id = 0; id < size; id++) {
    if (!cy_is_value(t->of_sequence[id])) continue;
    of[outputs] = inside(t, id);
    given[outputs++] = t->of_sequence[id];
  }
  t->rule->calculus->pull(d->body, of, given, outputs, leaves, count, pulled);
  for (int i = 0; i < count; i++) *slots[i] = pulled[i];
}

/* ---- the loop ---- */

static bool make_arrays(transposing *t) {
  const cy_body *b = t->body;
  cy_scan_draft *d = t->draft;
  size_t size = (size_t)cy_graph_size(b->graph), carries = (size_t)b->n_carry;
  t->map = cy_scan_draft_array(d, size, sizeof *t->map);
  t->linear = cy_scan_draft_array(d, size, sizeof *t->linear);
  t->sequence = cy_scan_draft_array(d, size, sizeof *t->sequence);
  t->of_sequence = cy_scan_draft_array(d, size, sizeof *t->of_sequence);
  t->last = cy_scan_draft_array(d, carries, sizeof *t->last);
  t->carries = cy_scan_draft_array(d, carries, sizeof *t->carries);
  t->after = cy_scan_draft_array(d, carries, sizeof *t->after);
  t->along = cy_scan_draft_array(d, carries, sizeof *t->along);
  t->to_carry = cy_scan_draft_array(d, carries, sizeof *t->to_carry);
  t->to_constants = cy_scan_draft_array(d, (size_t)b->n_constants, sizeof *t->to_constants);
  t->to_inputs = cy_scan_draft_array(d, (size_t)b->n_inputs, sizeof *t->to_inputs);
  t->slot = cy_scan_draft_array(d, carries + (size_t)b->n_constants, sizeof *t->slot);
  bool *all = cy_scan_draft_array(d, size, sizeof *all);
  if (cy_graph_failed(d->graph)) return false;
  for (size_t i = 0; i < size; i++) {
    t->map[i] = -1;
    all[i] = true;
  }
  cy_scan_draft_copy(d, b->graph, all, t->map);
  return !cy_graph_failed(d->graph);
}

/* What the loop reads and is not linear in, and the cotangents that come from outside. */
static void add_leaves(transposing *t) {
  const cy_body *b = t->body;
  const cy_rule *r = t->rule;
  cy_scan_draft *d = t->draft;
  bool later = d->reverse; /* the loop itself runs forward: after step t lies carry t + 1 */
  for (int k = 0; k < b->n_constants; k++)
    if (!t->linear[b->constants[k]]) cy_scan_draft_constant(d, inside(t, b->constants[k]), r->in[k]);
  for (int k = 0; k < b->n_inputs; k++)
    if (!t->linear[b->inputs[k]])
      cy_scan_draft_input(d, inside(t, b->inputs[k]), r->in[b->n_constants + b->n_carry + k]);
  for (int k = 0; k < b->n_carry; k++) {
    if (b->carry[k] >= 0 && !t->linear[b->carry[k]])
      cy_scan_draft_input(d, inside(t, b->carry[k]), cy_scan_before(r->out, k));
    if (cy_is_value(t->last[k])) t->after[k] = leaf_like(t, b->next[k]);
    cy_value along = window(t->carries[k], later, later + d->length);
    if (!cy_is_value(along)) continue;
    t->along[k] = leaf_like(t, b->next[k]);
    cy_scan_draft_input(d, t->along[k], along);
  }
  for (int32_t id = 0; id < cy_graph_size(b->graph); id++) {
    if (!cy_is_value(t->sequence[id])) continue;
    t->of_sequence[id] = leaf_like(t, id);
    cy_scan_draft_input(d, t->of_sequence[id], t->sequence[id]);
  }
}

/* A carry has a cotangent if its last value has, or if it gets one from later steps. */
static void add_carries(transposing *t) {
  const cy_body *b = t->body;
  cy_scan_draft *d = t->draft;
  for (bool more = true; more && !cy_graph_failed(d->body) && !cy_graph_failed(d->graph);) {
    more = false;
    pull_step(t);
    for (int k = 0; k < b->n_carry; k++) {
      if (cy_is_value(t->after[k]) || !cy_is_value(t->to_carry[k])) continue;
      t->after[k] = leaf_like(t, b->next[k]);
      more = true;
    }
  }
  for (int k = 0; k < b->n_carry; k++) {
    t->slot[k] = cy_is_value(t->after[k]) ? d->n_carry : -1;
    if (t->slot[k] < 0) continue;
    d->next[d->n_carry] = t->to_carry[k];
    cy_scan_draft_carry(d, t->after[k],
                        cy_is_value(t->last[k]) ? t->last[k] : cy_zeros_like(t->rule->in[b->n_constants + k]));
  }
}

/* Results that somebody wants: sums over the steps for constants, sequences for inputs. */
static void add_results(transposing *t, const bool *wanted) {
  const cy_body *b = t->body;
  cy_scan_draft *d = t->draft;
  for (int k = 0; k < b->n_carry; k++)
    if (t->slot[k] >= 0) d->wants_last[t->slot[k]] = wanted[b->n_constants + k];
  for (int k = 0; k < b->n_constants; k++) {
    int *slot = &t->slot[b->n_carry + k];
    *slot = wanted[k] && cy_is_value(t->to_constants[k]) ? d->n_carry : -1;
    if (*slot < 0) continue;
    cy_value sum = leaf_like(t, b->constants[k]);
    d->next[*slot] = cy_add(sum, t->to_constants[k]);
    d->wants_last[*slot] = true;
    cy_scan_draft_carry(d, sum, cy_zeros_like(t->rule->in[k]));
  }
  for (int k = 0; k < b->n_inputs; k++)
    if (wanted[b->n_constants + b->n_carry + k] && cy_is_value(t->to_inputs[k]))
      d->outputs[d->n_outputs++] = t->to_inputs[k];
}

static void take_results(const transposing *t, const bool *wanted, cy_value *cotangents) {
  const cy_body *b = t->body;
  const cy_scan_draft *d = t->draft;
  int64_t start = d->reverse ? 0 : d->length, first = b->n_constants + b->n_carry;
  for (int k = 0; k < b->n_constants; k++)
    if (t->slot[b->n_carry + k] >= 0) cotangents[k] = d->last[t->slot[b->n_carry + k]];
  for (int k = 0; k < b->n_carry; k++) {
    if (!wanted[b->n_constants + k]) continue;
    cy_value before = window(t->carries[k], start, start + 1), out = t->slot[k] >= 0 ? d->last[t->slot[k]] : cy_none;
    if (cy_is_value(before)) before = cy_reshape(before, cy_value_shape(t->rule->in[b->n_constants + k]));
    cotangents[b->n_constants + k] = cy_tangent_sum(out, before);
  }
  for (int k = 0, at = 0; k < b->n_inputs; k++)
    if (wanted[first + k] && cy_is_value(t->to_inputs[k])) cotangents[first + k] = d->sequences[at++];
}

void cy_scan_pull(const cy_rule *r, cy_value cotangent, const bool *wanted, cy_value *cotangents) {
  const cy_scan_attrs *a = CY_ATTRS(cy_scan_attrs, r);
  const cy_body *b = cy_body_of(r->node);
  int size = cy_graph_size(b->graph);
  cy_scan_draft draft;
  transposing t = {.rule = r, .body = b, .draft = &draft};
  if (cy_scan_draft_begin(&draft, r->graph, NULL, b->n_constants, b->n_carry + b->n_constants,
                          b->n_inputs + 2 * b->n_carry + size, b->n_inputs) &&
      make_arrays(&t)) {
    draft.length = a->length;
    draft.reverse = !a->reverse;
    draft.recompute = a->recompute;
    sort_bundles(&t, cotangent);
    mark_linear(&t, wanted);
    add_leaves(&t);
    add_carries(&t);
    if (!cy_graph_failed(draft.graph)) add_results(&t, wanted);
    if (!cy_graph_failed(draft.graph)) cy_scan_draft_finish(&draft);
    if (!cy_graph_failed(draft.graph)) take_results(&t, wanted, cotangents);
  }
  cy_scan_draft_end(&draft);
}
