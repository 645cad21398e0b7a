/* Permute, and transpose, which exchanges the last two axes. A permutation goes into an operand that takes it at no
 * cost, such as a product. */
#include "ops/dot.h"
#include "ops/views.h"

#include <string.h>

typedef struct axes_attrs {
  cy_list axes;
} axes_attrs;
static const cy_field axes_fields[] = {CY_LIST_FIELD(axes_attrs, axes), CY_END_FIELDS};

static cy_status infer_permute(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const axes_attrs *a = attrs;
  uint32_t seen = 0;
  (void)n;
  *out = in[0];
  for (int i = 0; i < in[0].shape.rank; i++) {
    int64_t axis = a->axes.at[i];
    if (a->axes.n != in[0].shape.rank || axis < 0 || axis >= a->axes.n || seen >> axis & 1)
      return cy_fail(CY_INVALID, "axes must be a permutation of 0..%d", in[0].shape.rank - 1);
    seen |= 1u << axis;
    out->shape.dim[i] = in[0].shape.dim[axis];
  }
  return CY_OK;
}

static cy_value permute_by(cy_value a, const cy_list *axes, bool inverse) {
  int order[CY_MAX_RANK];
  for (int i = 0; i < axes->n; i++)
    if (inverse)
      order[axes->at[i]] = i;
    else
      order[i] = (int)axes->at[i];
  return cy_permute(a, order);
}

static cy_value transpose_permute(const cy_rule *r, int i, cy_value ct) {
  (void)i;
  return permute_by(ct, &CY_ATTRS(axes_attrs, r)->axes, true);
}

static cy_value absorb_permute(const cy_rule *r, cy_value v, const cy_list *order);

/* dot(a, b) or c + scale dot(a, b), permuted by exchanging a and b. */
static cy_value swapped_product(const cy_rule *r, cy_value v, const cy_list *order) {
  const cy_node *node = cy_node_of(v);
  bool added = node->op == &cy_op_dot_add;
  cy_value a = cy_value_at(r->graph, node->inputs[added]), b = cy_value_at(r->graph, node->inputs[added + 1]);
  cy_value in[2] = {b, a};
  cy_dot_attrs swapped;
  if (!cy_dot_swap(node->attrs, a, b, order, &swapped)) return cy_none;
  if (!added) return cy_make(r->graph, &cy_op_dot, in, 2, &swapped);
  cy_value c = absorb_permute(r, cy_value_at(r->graph, node->inputs[0]), order);
  return cy_is_value(c) ? cy_dot_add(c, b, a, cy_value_at(r->graph, node->inputs[3]), &swapped) : cy_none;
}

/* The operand permuted at no cost, or the empty value. */
static cy_value absorb_permute(const cy_rule *r, cy_value v, const cy_list *order) {
  const cy_node *node = cy_node_of(v);
  double number;
  if (node->op == &cy_op_broadcast) return cy_broadcast_permuted(v, order);
  if (node->op == &cy_op_dot || node->op == &cy_op_dot_add)
    return cy_used_once(r, v) ? swapped_product(r, v, order) : cy_none;
  return node->op == &cy_op_permute || cy_is_full(v, &number) ? permute_by(v, order, false) : cy_none;
}

/* An elementwise operation is permuted by permuting its operands, if each takes it at no cost: outer products and sums
 * of matrix products come out in the layout that is asked for. */
static cy_value permute_of_elementwise(const cy_rule *r, const cy_node *inner, const cy_list *order) {
  cy_value in[3];
  if (inner->op->scalar < 0 || inner->n_inputs > 3 || !cy_used_once(r, r->in[0])) return cy_none;
  for (int i = 0; i < inner->n_inputs; i++) {
    in[i] = absorb_permute(r, cy_value_at(r->graph, inner->inputs[i]), order);
    if (!cy_is_value(in[i])) return cy_none;
  }
  return cy_make(r->graph, inner->op, in, inner->n_inputs, inner->attrs);
}

static cy_value simplify_permute(const cy_rule *r) {
  const cy_list *axes = &CY_ATTRS(axes_attrs, r)->axes;
  bool identity = true;
  for (int i = 0; i < axes->n; i++) identity = identity && axes->at[i] == i;
  if (identity) return r->in[0];
  const cy_node *inner = cy_view_producer(r, &cy_op_permute);
  if (inner) { /* compose */
    const cy_list *first = &((const axes_attrs *)inner->attrs)->axes;
    cy_list both = *axes;
    for (int i = 0; i < axes->n; i++) both.at[i] = first->at[axes->at[i]];
    return permute_by(cy_value_at(r->graph, inner->inputs[0]), &both, false);
  }
  cy_value moved = absorb_permute(r, r->in[0], axes);
  if (!cy_is_value(moved)) moved = permute_of_elementwise(r, cy_node_of(r->in[0]), axes);
  return cy_is_value(moved) ? moved : cy_view_simplify(r);
}

static bool view_permute(const void *attrs, const cy_view *in, cy_view *out) {
  const axes_attrs *a = attrs;
  out->data = in->data;
  for (int i = 0; i < out->shape.rank; i++) out->stride[i] = in->stride[a->axes.at[i]];
  return true;
}

static void reach_permute(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                          cy_reach *reach) {
  const axes_attrs *a = attrs;
  (void)in, (void)n, (void)out, (void)operand;
  for (int i = 0; i < a->axes.n; i++) reach[a->axes.at[i]] = cy_reach_same(i);
}

static cy_value batch_permute(const cy_rule *r, const bool *batched, int64_t extent) {
  const axes_attrs *a = CY_ATTRS(axes_attrs, r);
  int order[CY_MAX_RANK] = {0};
  (void)batched, (void)extent;
  for (int i = 0; i < a->axes.n; i++) order[i + 1] = (int)a->axes.at[i] + 1;
  return cy_permute(r->in[0], order);
}

static void sample_permute(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_shape shape = cy_sample_shape(rng, 0, 4, true);
  int64_t order[CY_MAX_RANK] = {0, 1, 2, 3};
  cy_rng_shuffle(rng, order, shape.rank);
  axes_attrs attrs = {.axes = {.n = shape.rank}};
  memcpy(attrs.axes.at, order, (size_t)shape.rank * sizeof *order);
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_permute = {
    .name = "permute", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(axes_attrs),
    .fields = axes_fields, .linear = 1, .scalar = -1, .infer = infer_permute, .jvp = cy_jvp_linear,
    .transpose = transpose_permute, .simplify = simplify_permute, .view = view_permute, .kernel = cy_view_kernel,
    .cost = cy_cost_zero, .reach = reach_permute, .batch = batch_permute, .sample = sample_permute};

cy_value cy_permute(cy_value a, const int *axes) {
  if (!cy_is_value(a) || cy_graph_failed(a.graph)) return cy_failed(a.graph);
  axes_attrs attrs = {.axes = {.n = cy_value_shape(a).rank}};
  for (int i = 0; i < attrs.axes.n; i++) {
    attrs.axes.at[i] = cy_axis(a, "permute", axes[i]);
    if (attrs.axes.at[i] < 0) return cy_failed(a.graph);
  }
  return cy_make(a.graph, &cy_op_permute, &a, 1, &attrs);
}

cy_value cy_transpose(cy_value a) {
  if (!cy_is_value(a) || cy_graph_failed(a.graph)) return cy_failed(a.graph);
  int rank = cy_value_shape(a).rank, axes[CY_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  if (rank < 2) {
    cy_graph_fail(a.graph, CY_INVALID, "transpose: a matrix has two axes, this value has %d", rank);
    return cy_failed(a.graph);
  }
  axes[rank - 1] = rank - 2;
  axes[rank - 2] = rank - 1;
  return cy_permute(a, axes);
}
