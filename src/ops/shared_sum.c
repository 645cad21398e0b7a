/* Sums that differ in a factor alone: sum(c v) is c sum(v) where c is the same for all terms. The rewrite is made
 * only if sum(v) is in the graph already, so that nothing is computed that was not before. It is what lets the
 * backward pass of a normalisation with scale and shift sum twice instead of four times (coursework C.I). */
#include "ops/ops.h"

enum { MOST_FACTORS = 8 };

/* Factors of a product ((a b) c) d, with one sign for all: cotangents grow at the right, one factor per layer. */
typedef struct factors {
  cy_value at[MOST_FACTORS];
  bool common[MOST_FACTORS]; /* the same along the summed axes */
  int n;
  bool negative;
} factors;

static bool is_op(const cy_node *node, cy_scalar_op op) { return node->op == &cy_op_elementwise[op]; }

/* Number or broadcast, without an axis of mask that matters. */
static bool is_common(cy_value v, uint32_t mask) {
  const cy_node *node = cy_node_of(v);
  double number, cell = 0;
  if (cy_is_full(v, &number)) return true;
  if (node->op != &cy_op_broadcast) return false;
  cy_view source = cy_view_row_major(&cell, node->dtype, cy_node_at(v.graph, node->inputs[0])->shape);
  cy_view spread = {.dtype = node->dtype, .shape = node->shape};
  if (!node->op->view(node->attrs, &source, &spread)) return false;
  for (int i = 0; i < node->shape.rank; i++)
    if ((mask >> i & 1) && node->shape.dim[i] != 1 && spread.stride[i] != 0) return false;
  return true;
}

/* False if there are too many. A square stays whole: what leaves it could overflow. */
static bool collect(cy_value v, uint32_t mask, factors *f) {
  const cy_node *node = cy_node_of(v);
  bool product = is_op(node, CY_SCALAR_mul) && node->inputs[0] != node->inputs[1];
  if (is_op(node, CY_SCALAR_neg)) f->negative = !f->negative;
  if (is_op(node, CY_SCALAR_neg) || product)
    if (!collect(cy_value_at(v.graph, node->inputs[0]), mask, f)) return false;
  if (is_op(node, CY_SCALAR_neg)) return true;
  if (f->n == MOST_FACTORS) return false;
  f->at[f->n] = product ? cy_value_at(v.graph, node->inputs[1]) : v;
  f->common[f->n] = is_common(f->at[f->n], mask);
  f->n++;
  return true;
}

/* A common factor as one of the sum. */
static cy_value outside(const cy_rule *r, cy_value v, uint32_t mask) {
  int64_t start[CY_MAX_RANK] = {0}, limit[CY_MAX_RANK];
  cy_shape shape = cy_value_shape(v);
  double number;
  if (cy_is_full(v, &number)) return cy_full(r->graph, r->node->dtype, r->node->shape, number);
  for (int i = 0; i < shape.rank; i++) limit[i] = mask >> i & 1 ? 1 : shape.dim[i];
  return cy_reshape(cy_slice(v, start, limit, NULL), r->node->shape);
}

cy_value cy_find_shared_sum(const cy_rule *r, uint32_t mask) {
  factors f = {0};
  cy_value inside = cy_none;
  int axes[CY_MAX_RANK], n = 0, moved = 0;
  if (!cy_dtype_is_float(r->node->dtype) || !cy_count(cy_value_shape(r->in[0])) || !collect(r->in[0], mask, &f))
    return cy_none;
  for (int i = 0; i < f.n; i++) moved += f.common[i];
  if (moved == f.n || (!moved && !f.negative)) return cy_none;
  for (int i = 0; i < CY_MAX_RANK; i++)
    if (mask >> i & 1) axes[n++] = i;
  int before = cy_graph_size(r->graph);
  for (int i = 0; i < f.n; i++)
    if (!f.common[i]) inside = cy_is_value(inside) ? cy_mul(inside, f.at[i]) : f.at[i];
  cy_value total = cy_sum(inside, axes, n, false);
  if (cy_graph_size(r->graph) != before) return cy_none;
  for (int i = 0; i < f.n; i++)
    if (f.common[i]) total = cy_mul(total, outside(r, f.at[i], mask));
  return f.negative ? cy_neg(total) : total;
}
