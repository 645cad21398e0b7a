/* Operations that only rename elements: reshape, permute, broadcast, slice, flip. Each is linear and can be a window
 * onto its operand's memory; their reference kernel copies through that window. */
#include "ops/dot.h"

#include <string.h>

static const cy_field no_fields[] = {CY_END_FIELDS};

typedef struct shape_attrs {
  cy_list shape;
} shape_attrs;
static const cy_field shape_fields[] = {CY_LIST_FIELD(shape_attrs, shape), CY_END_FIELDS};

typedef struct axes_attrs {
  cy_list axes;
} axes_attrs;
static const cy_field axes_fields[] = {CY_LIST_FIELD(axes_attrs, axes), CY_END_FIELDS};

/* Copies operand 0, seen through the row's view, to the result. */
static void copy_view(const cy_call *call) {
  cy_view window = {.data = call->in[0].data, .dtype = call->out->dtype, .shape = call->out->shape};
  if (cy_count(call->out->shape) && call->op->view(call->attrs, &call->in[0], &window)) cy_view_copy(&window, call->out);
}

static void *advance(const cy_view *view, int64_t elements) {
  return (char *)view->data + elements * (int64_t)cy_dtype_size(view->dtype);
}

/* A number spread over a tensor stays one whatever its shape. */
static cy_value simplify_full(const cy_rule *r) {
  double number;
  return cy_is_full(r->in[0], &number) ? cy_full(r->graph, r->node->dtype, r->node->shape, number) : cy_none;
}

static const cy_node *producer(const cy_rule *r, const cy_op *op) {
  const cy_node *node = cy_node_of(r->in[0]);
  return node->op == op ? node : NULL;
}

/* ---- reshape ---- */

static cy_status infer_reshape(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const shape_attrs *a = attrs;
  char from[CY_SHAPE_TEXT], to[CY_SHAPE_TEXT];
  int64_t count;
  (void)n;
  *out = (cy_type){in[0].dtype, cy_shape_of(&a->shape)};
  CY_TRY(cy_shape_count(out->shape, &count));
  if (count != cy_count(in[0].shape))
    return cy_fail(CY_INVALID, "shape %s has %lld elements, shape %s has %lld", cy_shape_text(in[0].shape, from),
                   (long long)cy_count(in[0].shape), cy_shape_text(out->shape, to), (long long)count);
  return CY_OK;
}

static cy_value transpose_reshape(const cy_rule *r, int i, cy_value ct) {
  return cy_reshape(ct, cy_value_shape(r->in[i]));
}

static cy_value simplify_reshape(const cy_rule *r) {
  if (cy_shape_equal(cy_value_shape(r->in[0]), r->node->shape)) return r->in[0];
  const cy_node *inner = producer(r, &cy_op_reshape);
  if (inner) return cy_reshape(cy_value_at(r->graph, inner->inputs[0]), r->node->shape);
  return simplify_full(r);
}

/* Strides of the new shape over the old layout, if each run of new axes covers a run of old axes that lie one inside
 * the other. (x, y: extents of the runs so far.) */
static bool view_reshape(const void *attrs, const cy_view *in, cy_view *out) {
  (void)attrs;
  out->data = in->data;
  cy_row_major(out->shape, out->stride);
  if (cy_count(out->shape) <= 1 || cy_view_is_contiguous(in)) return true;
  int64_t dim[CY_MAX_RANK], stride[CY_MAX_RANK];
  int rank = 0; /* old axes without extents of 1 */
  for (int i = 0; i < in->shape.rank; i++)
    if (in->shape.dim[i] != 1) dim[rank] = in->shape.dim[i], stride[rank++] = in->stride[i];
  int i = 0, j = 0;
  while (i < rank) {
    int first_old = i, first_new = j;
    int64_t x = dim[i++], y = out->shape.dim[j++];
    while (x != y)
      if (x < y)
        x *= dim[i++];
      else
        y *= out->shape.dim[j++];
    for (int k = first_old; k + 1 < i; k++)
      if (stride[k] != stride[k + 1] * dim[k + 1]) return false;
    int64_t step = stride[i - 1];
    for (int k = j - 1; k >= first_new; k--) {
      out->stride[k] = step;
      step *= out->shape.dim[k];
    }
  }
  return true;
}

static void kernel_reshape(const cy_call *call) {
  /* Both sides in row-major order of their own shape. */
  size_t size = cy_dtype_size(call->out->dtype);
  cy_view row_major = cy_view_row_major(call->in[0].data, call->out->dtype, call->out->shape);
  if (cy_view_is_contiguous(&call->in[0])) {
    cy_view_copy(&row_major, call->out);
    return;
  }
  if (cy_view_is_contiguous(call->out)) {
    row_major = cy_view_row_major(call->out->data, call->out->dtype, call->in[0].shape);
    cy_view_copy(&call->in[0], &row_major);
    return;
  }
  cy_walk from = cy_walk_start(call->in[0].shape);
  for (cy_walk to = cy_walk_start(call->out->shape); to.more; cy_walk_next(&to), cy_walk_next(&from))
    memcpy((char *)call->out->data + cy_walk_offset(&to, call->out->stride) * (int64_t)size,
           (const char *)call->in[0].data + cy_walk_offset(&from, call->in[0].stride) * (int64_t)size, size);
}

/* Along runs of axes of equal size on both sides: the first axis of the old run follows that of the new one. The others
 * do too, but in saws. */
static void reach_reshape(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  cy_shape from = in[0].shape, to = out->shape;
  int i = 0, j = 0;
  (void)attrs, (void)n, (void)operand;
  for (int k = 0; k < from.rank; k++) reach[k] = cy_reach_all();
  while (cy_count(from) && i < from.rank && j < to.rank) {
    int old = i, new = j;
    if (from.dim[i] == 1) {
      i++;
      continue;
    }
    if (to.dim[j] == 1) {
      j++;
      continue;
    }
    int64_t x = from.dim[i++], y = to.dim[j++];
    while (x != y)
      if (x < y)
        x *= from.dim[i++];
      else
        y *= to.dim[j++];
    int64_t inside_old = x / from.dim[old], inside_new = x / to.dim[new]; /* elements per step of the first axis */
    reach[old] = (cy_reach){new, inside_new, 1 - inside_old, inside_new - 1, inside_old, 1, false};
  }
}

static cy_value batch_reshape(const cy_rule *r, const bool *batched, int64_t extent) {
  (void)batched;
  return cy_reshape(r->in[0], cy_shape_in_front(extent, r->node->shape));
}

static void sample_reshape(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_shape shape = cy_sample_shape(rng, 1, 3, true), flat = CY_SHAPE(cy_count(shape));
  shape_attrs attrs = {cy_list_of(cy_rng_below(rng, 2) ? flat : (cy_shape){3, {shape.dim[0], 1, cy_count(shape) ? cy_count(shape) / shape.dim[0] : 0}})};
  if (!cy_count(shape)) attrs.shape = cy_list_of(CY_SHAPE(2, 0));
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_reshape = {
    .name = "reshape", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(shape_attrs),
    .fields = shape_fields, .linear = 1, .scalar = -1, .infer = infer_reshape, .jvp = cy_jvp_linear,
    .transpose = transpose_reshape, .simplify = simplify_reshape, .view = view_reshape, .kernel = kernel_reshape,
    .cost = cy_cost_zero, .reach = reach_reshape, .batch = batch_reshape, .sample = sample_reshape};

cy_value cy_reshape(cy_value a, cy_shape shape) {
  if (!cy_is_value(a) || cy_graph_failed(a.graph)) return cy_failed(a.graph);
  int unknown = -1;
  int64_t known = 1, count = cy_count(cy_value_shape(a));
  for (int i = 0; i < shape.rank && i < CY_MAX_RANK; i++) {
    if (shape.dim[i] != -1) {
      if (!cy_mul_i64(known, shape.dim[i], &known)) known = 0;
    } else if (unknown < 0) {
      unknown = i;
    } else {
      cy_graph_fail(a.graph, CY_INVALID, "reshape: only one extent may be -1");
      return cy_failed(a.graph);
    }
  }
  if (unknown >= 0) shape.dim[unknown] = known > 0 ? count / known : 0;
  if (cy_shape_equal(shape, cy_value_shape(a))) return a;
  shape_attrs attrs = {cy_list_of(shape)};
  return cy_make(a.graph, &cy_op_reshape, &a, 1, &attrs);
}

/* ---- permute ---- */

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

/* permute(broadcast(x)): the axes of x go elsewhere, if they stay in order. */
static cy_value permute_of_broadcast(cy_value v, const cy_list *order);

static bool is_broadcast(cy_value v) { return cy_node_of(v)->op == &cy_op_broadcast; }

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
  if (is_broadcast(v)) return permute_of_broadcast(v, order);
  if (node->op == &cy_op_dot || node->op == &cy_op_dot_add) return cy_used_once(r, v) ? swapped_product(r, v, order) : cy_none;
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
  const cy_node *inner = producer(r, &cy_op_permute);
  if (inner) { /* compose */
    const cy_list *first = &((const axes_attrs *)inner->attrs)->axes;
    cy_list both = *axes;
    for (int i = 0; i < axes->n; i++) both.at[i] = first->at[axes->at[i]];
    return permute_by(cy_value_at(r->graph, inner->inputs[0]), &both, false);
  }
  cy_value moved = absorb_permute(r, r->in[0], axes);
  if (!cy_is_value(moved)) moved = permute_of_elementwise(r, cy_node_of(r->in[0]), axes);
  return cy_is_value(moved) ? moved : simplify_full(r);
}

static bool view_permute(const void *attrs, const cy_view *in, cy_view *out) {
  const axes_attrs *a = attrs;
  out->data = in->data;
  for (int i = 0; i < out->shape.rank; i++) out->stride[i] = in->stride[a->axes.at[i]];
  return true;
}

static void reach_permute(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
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
    .transpose = transpose_permute, .simplify = simplify_permute, .view = view_permute, .kernel = copy_view,
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

/* ---- broadcast ---- */

typedef struct broadcast_attrs {
  cy_list shape, axes; /* axes[i]: where the operand's axis i goes; increasing */
} broadcast_attrs;
static const cy_field broadcast_fields[] = {CY_LIST_FIELD(broadcast_attrs, shape),
                                            CY_LIST_FIELD(broadcast_attrs, axes), CY_END_FIELDS};

static cy_value permute_of_broadcast(cy_value v, const cy_list *order) {
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
  const cy_node *inner = producer(r, &cy_op_broadcast);
  if (inner) { /* compose */
    const broadcast_attrs *first = inner->attrs;
    int axes[CY_MAX_RANK];
    for (int i = 0; i < first->axes.n; i++) axes[i] = (int)a->axes.at[first->axes.at[i]];
    return cy_broadcast_axes(cy_value_at(r->graph, inner->inputs[0]), r->node->shape, axes);
  }
  return simplify_full(r);
}

static bool view_broadcast(const void *attrs, const cy_view *in, cy_view *out) {
  const broadcast_attrs *a = attrs;
  out->data = in->data;
  memset(out->stride, 0, sizeof out->stride);
  for (int i = 0; i < a->axes.n; i++)
    if (in->shape.dim[i] != 1) out->stride[a->axes.at[i]] = in->stride[i];
  return true;
}

static void reach_broadcast(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
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
    .transpose = transpose_broadcast, .simplify = simplify_broadcast, .view = view_broadcast, .kernel = copy_view,
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

/* ---- slice ---- */

typedef struct slice_attrs {
  cy_list start, limit, stride;
} slice_attrs;
static const cy_field slice_fields[] = {CY_LIST_FIELD(slice_attrs, start), CY_LIST_FIELD(slice_attrs, limit),
                                        CY_LIST_FIELD(slice_attrs, stride), CY_END_FIELDS};

static cy_status infer_slice(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const slice_attrs *a = attrs;
  char text[CY_SHAPE_TEXT];
  (void)n;
  *out = in[0];
  for (int i = 0; i < in[0].shape.rank; i++) {
    int64_t start = a->start.at[i], limit = a->limit.at[i], stride = a->stride.at[i];
    if (start < 0 || limit < start || limit > in[0].shape.dim[i] || stride < 1)
      return cy_fail(CY_INVALID, "%lld:%lld:%lld is no range of axis %d of shape %s", (long long)start,
                     (long long)limit, (long long)stride, i, cy_shape_text(in[0].shape, text));
    out->shape.dim[i] = limit == start ? 0 : (limit - start - 1) / stride + 1;
  }
  return CY_OK;
}

/* Zeros where nothing was taken. */
static cy_value transpose_slice(const cy_rule *r, int i, cy_value ct) {
  const slice_attrs *a = CY_ATTRS(slice_attrs, r);
  cy_shape from = cy_value_shape(r->in[i]), taken = r->node->shape;
  int64_t low[CY_MAX_RANK], high[CY_MAX_RANK], interior[CY_MAX_RANK];
  for (int k = 0; k < from.rank; k++) {
    int64_t span = taken.dim[k] ? (taken.dim[k] - 1) * a->stride.at[k] + 1 : 0;
    low[k] = a->start.at[k];
    high[k] = from.dim[k] - low[k] - span;
    interior[k] = a->stride.at[k] - 1;
  }
  return cy_pad(ct, low, high, interior);
}

/* A product or an input, which lie in memory, or a sum of a few terms with one. */
static bool holds_product(const cy_graph *graph, int32_t id, int terms) {
  const cy_node *node = cy_node_at(graph, id);
  if (node->op->big || node->op == &cy_op_input) return true;
  return terms > 1 && node->op == &cy_op_elementwise[CY_SCALAR_add] &&
         (holds_product(graph, node->inputs[0], terms - 1) || holds_product(graph, node->inputs[1], terms - 1));
}

/* A slice of what is added to a product: the sum can then be computed where the slice is used, from slices of both. */
static cy_value slice_of_sum(const cy_rule *r) {
  const cy_node *sum = cy_node_of(r->in[0]);
  cy_value in[2];
  if (sum->op != &cy_op_elementwise[CY_SCALAR_add] || !holds_product(r->graph, r->in[0].id, 4)) return cy_none;
  for (int k = 0; k < 2; k++) {
    cy_value whole = cy_value_at(r->graph, sum->inputs[k]);
    in[k] = cy_make(r->graph, r->node->op, &whole, 1, r->node->attrs);
  }
  return cy_add(in[0], in[1]);
}

static cy_value simplify_slice(const cy_rule *r) {
  if (cy_shape_equal(cy_value_shape(r->in[0]), r->node->shape)) return r->in[0]; /* everything, or nothing of nothing */
  cy_value sum = r->late ? slice_of_sum(r) : cy_none;
  return cy_is_value(sum) ? sum : simplify_full(r);
}

static bool view_slice(const void *attrs, const cy_view *in, cy_view *out) {
  const slice_attrs *a = attrs;
  int64_t offset = 0;
  for (int i = 0; i < out->shape.rank; i++) {
    offset += a->start.at[i] * in->stride[i];
    out->stride[i] = in->stride[i] * a->stride.at[i];
  }
  out->data = cy_count(out->shape) ? advance(in, offset) : in->data;
  return true;
}

static void reach_slice(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  const slice_attrs *a = attrs;
  (void)in, (void)n, (void)out, (void)operand;
  for (int i = 0; i < a->start.n; i++)
    reach[i] = (cy_reach){i, a->stride.at[i], a->start.at[i], a->start.at[i], 1, 1, false};
}

static cy_value batch_slice(const cy_rule *r, const bool *batched, int64_t extent) {
  const slice_attrs *a = CY_ATTRS(slice_attrs, r);
  int64_t start[CY_MAX_RANK] = {0}, limit[CY_MAX_RANK] = {extent}, stride[CY_MAX_RANK] = {1};
  (void)batched;
  for (int i = 0; i < a->start.n; i++) {
    start[i + 1] = a->start.at[i];
    limit[i + 1] = a->limit.at[i];
    stride[i + 1] = a->stride.at[i];
  }
  return cy_slice(r->in[0], start, limit, stride);
}

static void sample_slice(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_shape shape = cy_sample_shape(rng, 0, 3, true);
  slice_attrs attrs = {.start.n = shape.rank, .limit.n = shape.rank, .stride.n = shape.rank};
  for (int i = 0; i < shape.rank; i++) {
    attrs.start.at[i] = cy_rng_below(rng, shape.dim[i] + 1);
    attrs.limit.at[i] = attrs.start.at[i] + cy_rng_below(rng, shape.dim[i] - attrs.start.at[i] + 1);
    attrs.stride.at[i] = 1 + cy_rng_below(rng, 3);
  }
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_slice = {
    .name = "slice", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(slice_attrs),
    .fields = slice_fields, .linear = 1, .scalar = -1, .infer = infer_slice, .jvp = cy_jvp_linear,
    .transpose = transpose_slice, .simplify = simplify_slice, .view = view_slice, .kernel = copy_view,
    .cost = cy_cost_zero, .reach = reach_slice, .batch = batch_slice, .sample = sample_slice};

cy_value cy_slice(cy_value a, const int64_t *start, const int64_t *limit, const int64_t *strides) {
  if (!cy_is_value(a) || cy_graph_failed(a.graph)) return cy_failed(a.graph);
  slice_attrs attrs = {0};
  attrs.start.n = attrs.limit.n = attrs.stride.n = cy_value_shape(a).rank;
  for (int i = 0; i < attrs.start.n; i++) {
    attrs.start.at[i] = start[i];
    attrs.limit.at[i] = limit[i];
    attrs.stride.at[i] = strides ? strides[i] : 1;
  }
  return cy_make(a.graph, &cy_op_slice, &a, 1, &attrs);
}

cy_value cy_slice_axis(cy_value a, int axis, int64_t start, int64_t limit) {
  axis = cy_axis(a, "slice", axis);
  if (axis < 0) return cy_failed(a.graph);
  int64_t from[CY_MAX_RANK] = {0}, to[CY_MAX_RANK];
  cy_shape shape = cy_value_shape(a);
  memcpy(to, shape.dim, sizeof to);
  from[axis] = start;
  to[axis] = limit;
  return cy_slice(a, from, to, NULL);
}

/* ---- flip ---- */

static cy_status infer_flip(const void *attrs, const cy_type *in, int n, cy_type *out) {
  int64_t axis = ((const cy_axis_attrs *)attrs)->axis;
  (void)n;
  *out = in[0];
  return cy_check_axis(axis, in[0].shape.rank);
}

static cy_value transpose_flip(const cy_rule *r, int i, cy_value ct) {
  (void)i;
  return cy_flip(ct, (int)CY_ATTRS(cy_axis_attrs, r)->axis);
}

static bool view_flip(const void *attrs, const cy_view *in, cy_view *out) {
  int64_t axis = ((const cy_axis_attrs *)attrs)->axis;
  memcpy(out->stride, in->stride, sizeof out->stride);
  out->stride[axis] = -in->stride[axis];
  out->data = cy_count(out->shape) ? advance(in, (in->shape.dim[axis] - 1) * in->stride[axis]) : in->data;
  return true;
}

static void reach_flip(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  int64_t axis = ((const cy_axis_attrs *)attrs)->axis, last = in[0].shape.dim[axis] - 1;
  cy_reach_pointwise(attrs, in, n, out, operand, reach);
  reach[axis] = (cy_reach){(int)axis, -1, last, last, 1, 1, false};
}

static void sample_flip(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_shape shape = cy_sample_shape(rng, 1, 3, true);
  cy_axis_attrs attrs = {cy_rng_below(rng, shape.rank)};
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_flip = {
    .name = "flip", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(cy_axis_attrs),
    .fields = cy_axis_fields, .linear = 1, .scalar = -1, .infer = infer_flip, .jvp = cy_jvp_linear,
    .transpose = transpose_flip, .simplify = simplify_full, .view = view_flip, .kernel = copy_view,
    .cost = cy_cost_zero, .reach = reach_flip, .batch = cy_batch_along, .sample = sample_flip};

cy_value cy_flip(cy_value a, int axis) {
  cy_axis_attrs attrs = {cy_axis(a, "flip", axis)};
  return attrs.axis < 0 ? cy_failed(a.graph) : cy_make(a.graph, &cy_op_flip, &a, 1, &attrs);
}

/* ---- all_reduce ---- */

static cy_status infer_all_reduce(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)attrs, (void)n;
  *out = in[0];
  return cy_dtype_is_float(in[0].dtype) ? CY_OK
                                        : cy_fail(CY_INVALID, "the operand is %s; it takes f32 and f64",
                                                  cy_dtype_name(in[0].dtype));
}

static cy_value transpose_all_reduce(const cy_rule *r, int i, cy_value ct) { return (void)r, (void)i, cy_all_reduce(ct); }

/* One process: the sum of one term. */
static bool view_all_reduce(const void *attrs, const cy_view *in, cy_view *out) {
  (void)attrs;
  *out = *in;
  return true;
}

static void sample_all_reduce(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_sample_operand(s, 0, CY_F64, cy_sample_shape(rng, 0, 3, true), -2, 2);
}

const cy_op cy_op_all_reduce = {
    .name = "all_reduce", .op_class = CY_CLASS_LINEAR, .arity = 1, .fields = no_fields, .linear = 1, .scalar = -1,
    .infer = infer_all_reduce, .jvp = cy_jvp_linear, .transpose = transpose_all_reduce, .view = view_all_reduce,
    .kernel = copy_view, .reach = cy_reach_pointwise, .batch = cy_batch_same, .sample = sample_all_reduce};

cy_value cy_all_reduce(cy_value a) { return cy_make(a.graph, &cy_op_all_reduce, &a, 1, NULL); }
