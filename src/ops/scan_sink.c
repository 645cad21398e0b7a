/* What moves behind a loop: outputs that the carry does not need. A step that ends in a product with a weight (a
 * readout) runs without it; the product is taken once, of the sequence that it reads. This is hoisting in the other
 * direction, by the same batching rules; it stops at what the carry needs, and at what has no rule. */
#include "ops/scan_draft.h"

#include <string.h>

/* Per node: the carry needs it; it could be computed behind the loop; it has to stay in; it moves; it is needed there.
 * */
typedef struct sinking {
  cy_scan_plan *plan;
  bool *feeds, *can, *stays, *moves, *far;
} sinking;

static bool has_carry(const cy_scan_plan *p, int32_t id) { return p->depends[id] & CY_DEPENDS_CARRY; }

static bool is_inner(const cy_scan_plan *p, int32_t id) { return p->needed[id] && p->leaf[id] < 0; }

static void mark_feeding(sinking *s) {
  cy_scan_plan *p = s->plan;
  const cy_scan_draft *d = p->draft;
  for (int k = 0; k < d->n_carry; k++)
    if (p->carried[k]) s->feeds[d->next[k].id] = true;
  for (int32_t id = p->size - 1; id >= 0; id--)
    for (int k = 0; s->feeds[id] && p->leaf[id] < 0 && k < cy_node_at(d->body, id)->n_inputs; k++)
      s->feeds[cy_node_at(d->body, id)->inputs[k]] = true;
}

/* An operand that can be had outside: computed there, or read of the loop. */
static bool is_available(const sinking *s, int32_t id) {
  const cy_scan_plan *p = s->plan;
  return s->can[id] || (has_carry(p, id) && cy_dtype_is_float(cy_node_at(p->draft->body, id)->dtype));
}

static bool can_move(const sinking *s, int32_t id) {
  const cy_scan_plan *p = s->plan;
  const cy_node *node = cy_node_at(p->draft->body, id);
  if (p->leaf[id] >= 0) return !has_carry(p, id);
  for (int k = 0; k < node->n_inputs; k++)
    if (!is_available(s, node->inputs[k])) return false;
  if (!(p->depends[id] & (CY_DEPENDS_CARRY | CY_DEPENDS_INPUT))) return true;
  if (node->op == &cy_op_convolution) return false; /* whose rule does not always have an answer */
  return !(has_carry(p, id) && s->feeds[id]) && node->op->batch && node->shape.rank < CY_MAX_RANK;
}

/* A product with something that is the same at each step. */
static bool is_projection(const cy_scan_plan *p, int32_t id) {
  const cy_node *node = cy_node_at(p->draft->body, id);
  bool same = false;
  for (int k = 0; k < node->n_inputs; k++)
    same = same || !(p->depends[node->inputs[k]] & (CY_DEPENDS_CARRY | CY_DEPENDS_INPUT));
  return node->op->big && same;
}

/* What moves takes along all that is made of it; where that can't move, it stays. */
static bool decide(sinking *s) {
  cy_scan_plan *p = s->plan;
  cy_graph *body = p->draft->body;
  bool any = false;
  for (int32_t id = 0; id < p->size; id++) {
    s->can[id] = can_move(s, id);
    s->stays[id] = s->feeds[id] || !s->can[id];
  }
  for (int32_t id = p->size - 1; id >= 0; id--)
    for (int k = 0; is_inner(p, id) && s->stays[id] && k < cy_node_at(body, id)->n_inputs; k++)
      s->stays[cy_node_at(body, id)->inputs[k]] = true;
  for (int32_t id = 0; id < p->size; id++) {
    if (!is_inner(p, id) || !has_carry(p, id) || s->stays[id]) continue;
    s->moves[id] = is_projection(p, id);
    for (int k = 0; k < cy_node_at(body, id)->n_inputs; k++)
      s->moves[id] = s->moves[id] || s->moves[cy_node_at(body, id)->inputs[k]];
    any = any || s->moves[id];
  }
  return any;
}

/* The loop's outputs, now with the values that what moves reads. */
static bool add_reads(sinking *s) {
  cy_scan_plan *p = s->plan;
  cy_scan_draft *d = p->draft;
  size_t n = (size_t)d->n_outputs;
  cy_value *outputs = cy_scan_draft_array(d, n + (size_t)p->size, sizeof *outputs);
  cy_value *sequences = cy_scan_draft_array(d, n + (size_t)p->size, sizeof *sequences);
  if (!outputs || !sequences) return false;
  memcpy(outputs, d->outputs, n * sizeof *outputs);
  d->outputs = outputs;
  d->sequences = sequences;
  for (int32_t id = p->size - 1; id >= 0; id--) {
    if (s->moves[id]) p->outside[id] = (cy_value){d->graph, 0}; /* which value, is not known yet */
    s->far[id] = s->far[id] || s->moves[id];
    if (s->far[id] && !s->moves[id] && has_carry(p, id)) {
      s->far[id] = false;
      d->outputs[d->n_outputs++] = cy_value_at(d->body, id);
    }
    for (int k = 0; s->far[id] && p->leaf[id] < 0 && k < cy_node_at(d->body, id)->n_inputs; k++)
      s->far[cy_node_at(d->body, id)->inputs[k]] = true;
  }
  return true;
}

bool *cy_scan_sink(cy_scan_plan *p) {
  size_t n = (size_t)p->size;
  bool *arrays = cy_scan_draft_array(p->draft, 5 * n, sizeof *arrays);
  if (!arrays) return NULL;
  sinking s = {p, arrays, arrays + n, arrays + 2 * n, arrays + 3 * n, arrays + 4 * n};
  mark_feeding(&s);
  if (!decide(&s) || !add_reads(&s)) return NULL;
  cy_scan_plan_needs(p);
  return s.far;
}

void cy_scan_sink_compute(cy_scan_plan *p, const bool *far) {
  cy_scan_draft *d = p->draft;
  for (int i = 0; i < d->n_outputs; i++) {
    int32_t id = d->outputs[i].id;
    if (far[id] || !has_carry(p, id)) continue;
    p->outside[id] = d->sequences[i];
  }
  for (int32_t id = 0; id < p->size; id++)
    if (has_carry(p, id)) p->depends[id] |= CY_DEPENDS_INPUT; /* sequences, outside */
  for (int32_t id = 0; id < p->size && !cy_graph_failed(d->graph); id++)
    if (far[id]) p->outside[id] = cy_scan_plan_compute(p, id);
}
