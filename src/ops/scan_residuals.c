/* Residuals. What the linear loop needs of the loop's values is either read, which costs memory for all steps, or
 * computed again at each step, from others that are read. In the order of the nodes, each value gets the bytes per step
 * that having it costs beyond what is there anyway:
 *   - nothing: leaves, carries (the loop keeps them where anybody reads them), sequences that are read anyway, values
 *     of constants alone;
 *   - its own size, if it is read: floating-point values of the loop that are not cheap to compute (contractions,
 *     reductions, transcendental functions), and cheap ones whose operands would cost more;
 *   - the sum of its operands': cheap values (arithmetic, comparisons, views), all that only the tangent has, and
 *     integers and conditions, which cannot be read.
 * So a step tanh(z) is linearized from its result, which is the next carry; an LSTM keeps its four gates and one tanh.
 * A loop over chunks that recomputes reads nothing but carries. */
#include "ops/scan_residuals.h"

typedef struct choosing {
  cy_scan_draft *draft;
  const cy_rule *loop;
  const cy_body *body;
  int32_t size;
  int32_t *origin; /* the loop's value that this is a copy of, or -1 */
  bool *linear, *read, *free;
  double *cost;
} choosing;

static bool is_cheap(const cy_node *node) {
  switch (node->op->scalar) {
    case CY_SCALAR_exp: case CY_SCALAR_log: case CY_SCALAR_expm1: case CY_SCALAR_log1p: case CY_SCALAR_sin:
    case CY_SCALAR_cos: case CY_SCALAR_tanh: case CY_SCALAR_logistic: case CY_SCALAR_erf: case CY_SCALAR_pow:
      return false;
    default: return node->op->scalar >= 0 || node->op->view || node->op == &cy_op_relu;
  }
}

static bool is_among(const int32_t *ids, int n, int32_t id) {
  for (int k = 0; k < n; k++)
    if (ids[k] == id) return true;
  return false;
}

/* Read anyway, by what is being differentiated. */
static bool is_sequence_of(const choosing *c, int32_t id) {
  const cy_rule *r = c->loop;
  for (int32_t part = r->out.id + 1; part < r->needed_end; part++) {
    const cy_node *node = cy_node_at(r->graph, part);
    if (node->op == &cy_op_scan_sequence && node->inputs[0] == r->out.id && cy_is_needed(r, part) &&
        ((const cy_scan_part_attrs *)node->attrs)->index == id)
      return true;
  }
  return false;
}

/* Values that are leaves already, or made of constants alone. */
static bool is_free(const choosing *c, int32_t id) {
  const cy_node *node = cy_node_at(c->draft->body, id);
  int32_t origin = c->origin[id];
  if (origin >= 0 && is_among(c->body->carry, c->body->n_carry, origin)) return false;
  if (origin >= 0 && is_among(c->body->inputs, c->body->n_inputs, origin)) return false;
  for (int k = 0; k < node->n_inputs; k++)
    if (!c->free[node->inputs[k]]) return false;
  return true;
}

static void price(choosing *c, int32_t id) {
  const cy_node *node = cy_node_at(c->draft->body, id);
  const cy_scan_attrs *a = c->loop->node->attrs;
  int32_t origin = c->origin[id];
  double again = 0, own = (double)cy_count(node->shape) * (double)cy_dtype_size(node->dtype);
  c->free[id] = is_free(c, id);
  if (c->free[id]) return;
  if (origin >= 0 && is_among(c->body->inputs, c->body->n_inputs, origin)) return;
  c->read[id] = origin >= 0 && is_among(c->body->carry, c->body->n_carry, origin);
  if (c->read[id]) return;
  for (int k = 0; k < node->n_inputs; k++) again += c->cost[node->inputs[k]];
  bool readable = origin >= 0 && cy_dtype_is_float(node->dtype) && !node->op->loop && !a->recompute;
  if (readable && (is_among(c->body->next, c->body->n_carry, origin) || is_sequence_of(c, origin))) {
    c->read[id] = true;
    return;
  }
  bool copied = false; /* to read a view is to copy it; what is made of it is stored as it is computed */
  for (int k = 0; k < node->n_inputs; k++)
    copied = copied || (c->read[node->inputs[k]] && cy_node_at(c->draft->body, node->inputs[k])->op->view);
  c->read[id] = readable && (!is_cheap(node) || own < again || (own == again && copied));
  c->cost[id] = c->read[id] ? own : again;
}

/* From the tangents back to what is read. */
static void add_reads(choosing *c) {
  cy_scan_draft *d = c->draft;
  bool *used = cy_scan_draft_array(d, (size_t)c->size, sizeof *used);
  if (!used) return;
  for (int k = 0; k < d->n_carry; k++)
    if (cy_is_value(d->next[k])) used[d->next[k].id] = true;
  for (int i = 0; i < d->n_outputs; i++) used[d->outputs[i].id] = true;
  for (int32_t id = c->size - 1; id >= 0; id--) {
    const cy_node *node = cy_node_at(d->body, id);
    if (!used[id]) continue;
    if (c->read[id]) cy_scan_draft_input(d, cy_value_at(d->body, id), cy_scan_read(c->loop->out, c->origin[id]));
    else
      for (int k = 0; k < node->n_inputs; k++) used[node->inputs[k]] = true;
  }
}

void cy_scan_residuals(cy_scan_draft *d, const cy_rule *loop, const int32_t *map) {
  choosing c = {.draft = d, .loop = loop, .body = cy_body_of(loop->node), .size = cy_graph_size(d->body)};
  size_t n = (size_t)c.size;
  c.origin = cy_scan_draft_array(d, n, sizeof *c.origin);
  c.linear = cy_scan_draft_array(d, n, sizeof *c.linear);
  c.read = cy_scan_draft_array(d, n, sizeof *c.read);
  c.free = cy_scan_draft_array(d, n, sizeof *c.free);
  c.cost = cy_scan_draft_array(d, n, sizeof *c.cost);
  if (cy_graph_failed(d->graph)) return;
  for (size_t i = 0; i < n; i++) c.origin[i] = -1;
  for (int32_t id = 0; id < cy_graph_size(c.body->graph); id++) c.origin[map[id]] = id;
  for (int32_t id = 0; id < c.size; id++) {
    const cy_node *node = cy_node_at(d->body, id);
    c.linear[id] = node->op == &cy_op_tangent;
    for (int k = 0; k < node->n_inputs; k++) c.linear[id] = c.linear[id] || c.linear[node->inputs[k]];
    if (!c.linear[id]) price(&c, id);
  }
  add_reads(&c);
}
