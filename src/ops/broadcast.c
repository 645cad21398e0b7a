/* Broadcast: elements repeated along new axes and along axes of one element. */
#include "ops/views.h"

#include <string.h>

typedef struct broadcast_attrs {
  cy_list shape, axes; /* axes[i]: where the operand's axis i goes; increasing */
} broadcast_attrs;
static const cy_field broadcast_fields[] = {CY_LIST_FIELD(broadcast_attrs, shape),
                                            CY_LIST_FIELD(broadcast_attrs, axes), CY_END_FIELDS};

cy_value cy_broadcast_permuted(cy_value v, const cy_list *order) {
  const cy_node *node = cy_node_of(v);
  const broadcast_attrs *a = node->attrs;
  cy_shape shape = node->shape;
  int axes[CY_MAX_RANK], place[CY_MAX_RANK];
  for (int i = 0; i < order->n; i++) {
    place[order->at[i]] = i;
    shape.dim[i] = node->shape.dim[order->at[i]];
  }
  for (int i = 0; i < a->axes.n; i++) {
    axes[i] = place[a->axes.at[i]];
    if (i && axes[i] < axes[i - 1]) return cy_none;
  }
  return cy_broadcast_axes(cy_value_at(v.graph, node->inputs[0]), shape, axes);
}

static cy_status infer_broadcast(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const broadcast_attrs *a = attrs;
  (void)n;
  *out = (cy_type){in[0].dtype, cy_shape_of(&a->shape)};
  if (a->axes.n != in[0].shape.rank || a->shape.n < a->axes.n)
    return cy_fail_shapes("shape %s does not broadcast to %s", in[0].shape, out->shape);
  for (int i = 0; i < a->axes.n; i++) {
    int64_t axis = a->axes.at[i];
    if (axis < 0 || axis >= a->shape.n || (i && axis <= a->axes.at[i - 1]))
      return cy_fail(CY_INVALID, "the axes of the operand must be increasing axes of the result");
    if (in[0].shape.dim[i] != 1 && in[0].shape.dim[i] != a->shape.at[axis])
      return cy_fail_shapes("shape %s does not broadcast to %s", in[0].shape, out->shape);
  }
  return CY_OK;
}

/* Sum over everything that was repeated. */
static cy_value transpose_broadcast(const cy_rule *r, int i, cy_value ct) {
  const broadcast_attrs *a = CY_ATTRS(broadcast_attrs, r);
  cy_shape from = cy_value_shape(r->in[i]);
  bool kept[CY_MAX_RANK] = {false};
  int summed[CY_MAX_RANK], n = 0;
  for (int k = 0; k < a->axes.n; k++) kept[a->axes.at[k]] = from.dim[k] == a->shape.at[a->axes.at[k]];
  for (int k = 0; k < a->shape.n; k++)
    if (!kept[k]) summed[n++] = k;
  return cy_reshape(n ? cy_sum(ct, summed, n, false) : ct, from);
}

static cy_value simplify_broadcast(const cy_rule *r) {
  const broadcast_attrs *a = CY_ATTRS(broadcast_attrs, r);
  if (cy_shape_equal(cy_value_shape(r->in[0]), r->node->shape)) return r->in[0];
  const cy_node *inner = cy_view_producer(r, &cy_op_broadcast);
  if (inner) { /* compose */
    const broadcast_attrs *first = inner->attrs;
    int axes[CY_MAX_RANK];
    for (int i = 0; i < first->axes.n; i++) axes[i] = (int)a->axes.at[first->axes.at[i]];
    return cy_broadcast_axes(cy_value_at(r->graph, inner->inputs[0]), r->node->shape, axes);
  }
  return cy_view_simplify(r);
}

static bool view_broadcast(const void *attrs, const cy_view *in, cy_view *out) {
  const broadcast_attrs *a = attrs;
  out->data = in->data;
  memset(out->stride, 0, sizeof out->stride);
  for (int i = 0; i < a->axes.n; i++)
    if (in->shape.dim[i] != 1) out->stride[a->axes.at[i]] = in->stride[i];
  return true;
}

static void reach_broadcast(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                            cy_reach *reach) {
  const broadcast_attrs *a = attrs;
  (void)n, (void)out, (void)operand;
  for (int i = 0; i < a->axes.n; i++)
    reach[i] = in[0].shape.dim[i] == a->shape.at[a->axes.at[i]] ? cy_reach_same((int)a->axes.at[i]) : cy_reach_all();
}

static cy_value batch_broadcast(const cy_rule *r, const bool *batched, int64_t extent) {
  const broadcast_attrs *a = CY_ATTRS(broadcast_attrs, r);
  int axes[CY_MAX_RANK] = {0};
  (void)batched;
  for (int i = 0; i < a->axes.n; i++) axes[i + 1] = (int)a->axes.at[i] + 1;
  return cy_broadcast_axes(r->in[0], cy_shape_in_front(extent, r->node->shape), axes);
}

static void sample_broadcast(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_shape shape = cy_sample_shape(rng, 0, 4, true), from = {0};
  broadcast_attrs attrs = {.shape = cy_list_of(shape)};
  for (int i = 0; i < shape.rank; i++)
    if (cy_rng_below(rng, 2)) {
      from.dim[from.rank++] = cy_rng_below(rng, 3) ? shape.dim[i] : 1;
      attrs.axes.at[attrs.axes.n++] = i;
    }
  cy_sample_operand(s, 0, CY_F64, from, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_broadcast = {
    .name = "broadcast", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(broadcast_attrs),
    .fields = broadcast_fields, .linear = 1, .scalar = -1, .infer = infer_broadcast, .jvp = cy_jvp_linear,
    .transpose = transpose_broadcast, .simplify = simplify_broadcast, .view = view_broadcast, .kernel = cy_view_kernel,
    .cost = cy_cost_zero, .reach = reach_broadcast, .batch = batch_broadcast, .sample = sample_broadcast};

cy_value cy_broadcast_axes(cy_value a, cy_shape shape, const int *axes) {
  if (!cy_is_value(a) || cy_graph_failed(a.graph)) return cy_failed(a.graph);
  if (cy_shape_equal(shape, cy_value_shape(a))) return a;
  broadcast_attrs attrs = {.shape = cy_list_of(shape), .axes = {.n = cy_value_shape(a).rank}};
  for (int i = 0; i < attrs.axes.n; i++) attrs.axes.at[i] = axes[i];
  return cy_make(a.graph, &cy_op_broadcast, &a, 1, &attrs);
}

cy_value cy_broadcast(cy_value a, cy_shape shape) {
  if (!cy_is_value(a) || cy_graph_failed(a.graph)) return cy_failed(a.graph);
  int axes[CY_MAX_RANK], rank = cy_value_shape(a).rank;
  if (rank > shape.rank) {
    cy_graph_fail(a.graph, CY_INVALID, "broadcast: a value of %d axes does not fit in %d", rank, shape.rank);
    return cy_failed(a.graph);
  }
  for (int i = 0; i < rank; i++) axes[i] = shape.rank - rank + i;
  return cy_broadcast_axes(a, shape, axes);
}
