/* Sums of padded values that do not overlap, found and written as concatenations: what the slices of one value send
 * back to it. A concatenation costs a copy at most, and none where its parts can be computed in place. */
#include "ops/ops.h"

enum { MOST = 16 };

/* Values along an axis; between them there is nothing but zeros. */
typedef struct pieces {
  int axis, n;
  cy_value value[MOST];
  int64_t low[MOST];
} pieces;

static int64_t extent(cy_value v, int axis) { return cy_value_shape(v).dim[axis]; }

/* By place; false if it overlaps another one, or there are too many. */
static bool insert(pieces *p, cy_value v, int64_t low) {
  int i = p->n;
  if (p->n == MOST) return false;
  while (i > 0 && p->low[i - 1] > low) i--;
  if (i > 0 && p->low[i - 1] + extent(p->value[i - 1], p->axis) > low) return false;
  if (i < p->n && low + extent(v, p->axis) > p->low[i]) return false;
  for (int k = p->n; k > i; k--) p->value[k] = p->value[k - 1], p->low[k] = p->low[k - 1];
  p->value[i] = v;
  p->low[i] = low;
  p->n++;
  return true;
}

static bool is_zero(cy_value v) {
  double number;
  return cy_is_full(v, &number) && number == 0;
}

/* A concatenation that holds zeros somewhere, which is what a smaller sum has become. */
static bool insert_parts(pieces *p, cy_value v) {
  const cy_node *node = cy_node_of(v);
  int64_t low = 0;
  bool zeros = false;
  if (node->op != &cy_op_concat || ((const cy_axis_attrs *)node->attrs)->axis != p->axis) return false;
  for (int k = 0; k < node->n_inputs; k++) {
    cy_value part = cy_value_at(v.graph, node->inputs[k]);
    zeros = zeros || is_zero(part);
    if (!is_zero(part) && !insert(p, part, low)) return false;
    low += extent(part, p->axis);
  }
  return zeros;
}

static bool insert_operand(pieces *p, cy_value v) {
  int axis;
  int64_t low;
  if (!cy_pad_place(v, &axis, &low)) return insert_parts(p, v);
  return axis == p->axis && insert(p, cy_value_at(v.graph, cy_node_of(v)->inputs[0]), low);
}

/* The pieces, and zeros where there are none. */
static cy_value joined(const cy_rule *r, const pieces *p) {
  cy_value parts[2 * MOST + 1];
  cy_shape shape = r->node->shape, gap = shape;
  int64_t at = 0;
  int n = 0;
  for (int i = 0; i <= p->n; i++) {
    gap.dim[p->axis] = (i < p->n ? p->low[i] : shape.dim[p->axis]) - at;
    if (gap.dim[p->axis] > 0) parts[n++] = cy_full(r->graph, r->node->dtype, gap, 0);
    if (i == p->n) break;
    parts[n++] = p->value[i];
    at = p->low[i] + extent(p->value[i], p->axis);
  }
  return cy_concat(parts, n, p->axis);
}

cy_value cy_find_side_by_side(const cy_rule *r) {
  pieces p = {.axis = -1};
  int64_t low;
  for (int i = 0; i < 2 && p.axis < 0; i++)
    if (!cy_pad_place(r->in[i], &p.axis, &low)) p.axis = -1;
  if (p.axis < 0 || !insert_operand(&p, r->in[0]) || !insert_operand(&p, r->in[1])) return cy_none;
  return joined(r, &p);
}
