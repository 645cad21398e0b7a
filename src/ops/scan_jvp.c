/* The tangent of a loop is a loop: same length, same direction, linear in the tangents. Its body is what the tangents'
 * rules make of the loop's own body, less everything that is not linear: those values are residuals (scan_residuals.c),
 * read off the loop itself. Its carry are the tangents of the carry, as far as they are not zero at every step. */
#include "ops/scan_residuals.h"

typedef struct linearizing {
  const cy_rule *rule;
  const cy_body *body;
  cy_scan_draft *draft;
  int32_t *map;                         /* the body's values in the draft's */
  cy_value *constants, *carry, *inputs; /* placeholders for the tangents of the body's leaves; empty: zero */
  cy_value *next, *sequence; /* tangents of the carry after the step, and of each value that is read as a sequence */
} linearizing;

/* ---- which parts are asked for ---- */

static bool is_wanted(const cy_rule *r, int32_t id) {
  const cy_node *node = cy_node_at(r->graph, id);
  return node->op->part && node->inputs[0] == r->out.id && cy_is_needed(r, id);
}

static int64_t index_of(const cy_rule *r, int32_t id) {
  return ((const cy_scan_part_attrs *)cy_node_at(r->graph, id)->attrs)->index;
}

/* ---- the body's tangents ---- */

static cy_value placeholder(linearizing *l, cy_value tangent, int32_t leaf) {
  return cy_is_value(tangent) && leaf >= 0 ? cy_tangent_placeholder(l->draft->body, cy_body_type(l->body, leaf))
                                           : cy_none;
}

static cy_value inside(const linearizing *l, int32_t id) {
  return cy_value_at(l->draft->body, id < 0 ? -1 : l->map[id]);
}

static int gather_leaves(const linearizing *l, const int32_t *ids, const cy_value *tangents, int n, cy_value *leaves,
                         cy_value *given, int count) {
  for (int k = 0; k < n; k++)
    if (cy_is_value(tangents[k])) {
      leaves[count] = inside(l, ids[k]);
      given[count++] = tangents[k];
    }
  return count;
}

/* Tangents of outputs, ids in the body, given those of the leaves. */
static void push(linearizing *l, const int32_t *ids, int n, cy_value *tangents) {
  const cy_body *b = l->body;
  size_t leaves = (size_t)(b->n_constants + b->n_carry + b->n_inputs);
  cy_value *from = cy_scan_draft_array(l->draft, leaves, sizeof *from),
           *given = cy_scan_draft_array(l->draft, leaves, sizeof *given);
  cy_value *of = cy_scan_draft_array(l->draft, (size_t)n, sizeof *of);
  if (!from || !given || !of || cy_graph_failed(l->draft->body)) return;
  int count = gather_leaves(l, b->constants, l->constants, b->n_constants, from, given, 0);
  count = gather_leaves(l, b->carry, l->carry, b->n_carry, from, given, count);
  count = gather_leaves(l, b->inputs, l->inputs, b->n_inputs, from, given, count);
  for (int i = 0; i < n; i++) of[i] = inside(l, ids[i]);
  l->rule->calculus->push(l->draft->body, of, n, from, given, count, tangents);
}

/* A carry has a tangent if it had one before the first step, or gets one from others that have. moving: those that do.
 * */
static void push_carries(linearizing *l, bool *moving) {
  const cy_body *b = l->body;
  for (bool more = true; more && !cy_graph_failed(l->draft->body) && !cy_graph_failed(l->draft->graph);) {
    more = false;
    push(l, b->next, b->n_carry, l->next);
    for (int k = 0; k < b->n_carry; k++) {
      if (moving[k] || !cy_is_value(l->next[k])) continue;
      moving[k] = more = true;
      l->carry[k] = placeholder(l, l->next[k], b->carry[k]);
    }
  }
}

/* ---- the loop ---- */

static bool make_arrays(linearizing *l, int n_sequences) {
  const cy_body *b = l->body;
  size_t size = (size_t)cy_graph_size(b->graph);
  l->map = cy_scan_draft_array(l->draft, size, sizeof *l->map);
  l->constants = cy_scan_draft_array(l->draft, (size_t)b->n_constants, sizeof *l->constants);
  l->carry = cy_scan_draft_array(l->draft, (size_t)b->n_carry, sizeof *l->carry);
  l->inputs = cy_scan_draft_array(l->draft, (size_t)b->n_inputs, sizeof *l->inputs);
  l->next = cy_scan_draft_array(l->draft, (size_t)b->n_carry, sizeof *l->next);
  l->sequence = cy_scan_draft_array(l->draft, (size_t)n_sequences, sizeof *l->sequence);
  bool *all = cy_scan_draft_array(l->draft, size, sizeof *all);
  if (cy_graph_failed(l->draft->graph)) return false;
  for (size_t i = 0; i < size; i++) {
    l->map[i] = -1;
    all[i] = true;
  }
  cy_scan_draft_copy(l->draft, b->graph, all, l->map);
  return !cy_graph_failed(l->draft->graph);
}

/* Constants and inputs: both the loop's own and their tangents are what the new loop reads. */
static void add_leaves(linearizing *l) {
  const cy_body *b = l->body;
  const cy_rule *r = l->rule;
  int first = b->n_constants + b->n_carry;
  for (int k = 0; k < b->n_constants; k++) {
    l->constants[k] = placeholder(l, r->tangent[k], b->constants[k]);
    cy_scan_draft_constant(l->draft, inside(l, b->constants[k]), r->in[k]);
    if (cy_is_value(l->constants[k])) cy_scan_draft_constant(l->draft, l->constants[k], r->tangent[k]);
  }
  for (int k = 0; k < b->n_inputs; k++) {
    l->inputs[k] = placeholder(l, r->tangent[first + k], b->inputs[k]);
    cy_scan_draft_input(l->draft, inside(l, b->inputs[k]), r->in[first + k]);
    if (cy_is_value(l->inputs[k])) cy_scan_draft_input(l->draft, l->inputs[k], r->tangent[first + k]);
  }
}

/* slot[k]: the number of carry k's tangent among the new loop's carries; -1: zero. */
static bool add_carries(linearizing *l, int *slot) {
  const cy_body *b = l->body;
  const cy_value *in = l->rule->in + b->n_constants, *tangent = l->rule->tangent + b->n_constants;
  bool *moving = cy_scan_draft_array(l->draft, (size_t)b->n_carry, sizeof *moving);
  if (!moving) return false;
  for (int k = 0; k < b->n_carry; k++) {
    moving[k] = cy_is_value(tangent[k]);
    l->carry[k] = placeholder(l, tangent[k], b->carry[k]);
  }
  push_carries(l, moving);
  for (int k = 0; k < b->n_carry; k++) {
    slot[k] = moving[k] ? l->draft->n_carry : -1;
    if (!moving[k]) continue;
    l->draft->next[slot[k]] = l->next[k];
    cy_scan_draft_carry(l->draft, l->carry[k], cy_is_value(tangent[k]) ? tangent[k] : cy_zeros_like(in[k]));
  }
  cy_graph_take_error(l->draft->graph, l->draft->body);
  return !cy_graph_failed(l->draft->graph);
}

/* One output per sequence whose tangent is not zero; output[i]: its number, -1. */
static bool add_sequences(linearizing *l, const int32_t *ids, int n, int *output) {
  push(l, ids, n, l->sequence);
  for (int i = 0; i < n; i++) {
    output[i] = cy_is_value(l->sequence[i]) ? l->draft->n_outputs : -1;
    if (output[i] >= 0) l->draft->outputs[l->draft->n_outputs++] = l->sequence[i];
  }
  cy_graph_take_error(l->draft->graph, l->draft->body);
  return !cy_graph_failed(l->draft->graph);
}

static cy_value bundle(cy_value sum, cy_value loop, cy_result_kind part, int64_t index, cy_value tangent) {
  if (!cy_is_value(tangent)) return sum;
  cy_scan_bundle_attrs a = {part, index, cy_value_dtype(loop)};
  return cy_tangent_sum(sum, cy_make(loop.graph, &cy_op_scan_bundle, &tangent, 1, &a));
}

/* The parts that are wanted, once the loop is there. */
static cy_value bundle_parts(const linearizing *l, const int *slot, const int *output) {
  const cy_rule *r = l->rule;
  cy_value sum = cy_none;
  int sequences = 0;
  for (int32_t id = r->out.id + 1; id < r->needed_end; id++) {
    if (!is_wanted(r, id)) continue;
    int part = cy_node_at(r->graph, id)->op->part, k = (int)index_of(r, id),
        at = part == CY_RESULT_SEQUENCE ? output[sequences++] : slot[k];
    if (at < 0) continue;
    const cy_value *results = part == CY_RESULT_SEQUENCE  ? l->draft->sequences
                              : part == CY_RESULT_CARRIES ? l->draft->carries
                                                          : l->draft->last;
    sum = bundle(sum, r->out, part, k, results[at]);
  }
  return sum;
}

static cy_value linearize(linearizing *l, int n_sequences) {
  const cy_rule *r = l->rule;
  cy_scan_draft *d = l->draft;
  int32_t *ids = cy_scan_draft_array(d, (size_t)n_sequences, sizeof *ids);
  int *slot = cy_scan_draft_array(d, (size_t)l->body->n_carry, sizeof *slot);
  int *output = cy_scan_draft_array(d, (size_t)n_sequences, sizeof *output), n = 0;
  if (!ids || !slot || !output || !make_arrays(l, n_sequences)) return cy_none;
  add_leaves(l);
  if (!add_carries(l, slot)) return cy_none;
  for (int32_t id = r->out.id + 1; id < r->needed_end; id++) {
    if (!is_wanted(r, id)) continue;
    int part = cy_node_at(r->graph, id)->op->part;
    if (part == CY_RESULT_SEQUENCE) ids[n++] = (int32_t)index_of(r, id);
    else if (slot[index_of(r, id)] >= 0)
      (part == CY_RESULT_LAST ? d->wants_last : d->wants_carries)[slot[index_of(r, id)]] = true;
  }
  if (!add_sequences(l, ids, n, output)) return cy_none;
  cy_scan_residuals(d, r, l->map);
  if (cy_graph_failed(d->graph)) return cy_none;
  cy_scan_draft_finish(d);
  return cy_graph_failed(d->graph) ? cy_none : bundle_parts(l, slot, output);
}

cy_value cy_scan_jvp(const cy_rule *r) {
  const cy_scan_attrs *a = CY_ATTRS(cy_scan_attrs, r);
  const cy_body *b = cy_body_of(r->node);
  cy_scan_draft draft;
  cy_value tangent = cy_none;
  int n_sequences = 0, size = cy_graph_size(b->graph);
  for (int32_t id = r->out.id + 1; id < r->needed_end; id++)
    n_sequences += is_wanted(r, id) && cy_node_at(r->graph, id)->op->part == CY_RESULT_SEQUENCE;
  if (cy_scan_draft_begin(&draft, r->graph, NULL, 2 * b->n_constants, b->n_carry, 2 * b->n_inputs + size,
                          n_sequences)) {
    linearizing l = {.rule = r, .body = b, .draft = &draft};
    draft.length = a->length;
    draft.reverse = a->reverse;
    draft.linear = true;
    draft.recompute = a->recompute;
    tangent = linearize(&l, n_sequences);
  }
  cy_scan_draft_end(&draft);
  return tangent;
}
