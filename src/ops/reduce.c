/* Reductions and scans along axes: sum, max, argmax, cumsum, product. */
#include "ops/ops.h"

#include <math.h>
#include <string.h>

typedef struct axes_attrs {
  cy_list axes; /* increasing */
} axes_attrs;
static const cy_field axes_fields[] = {CY_LIST_FIELD(axes_attrs, axes), CY_END_FIELDS};

static uint32_t mask_of(const void *attrs) {
  const axes_attrs *a = attrs;
  uint32_t mask = 0;
  for (int i = 0; i < a->axes.n; i++) mask |= 1u << a->axes.at[i];
  return mask;
}

static cy_shape without(cy_shape shape, uint32_t mask) {
  cy_shape out = {0};
  for (int i = 0; i < shape.rank; i++)
    if (!(mask >> i & 1)) out.dim[out.rank++] = shape.dim[i];
  return out;
}

static cy_shape with_ones(cy_shape shape, uint32_t mask) {
  for (int i = 0; i < shape.rank; i++)
    if (mask >> i & 1) shape.dim[i] = 1;
  return shape;
}

static cy_status infer_reduce(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const axes_attrs *a = attrs;
  (void)n;
  for (int i = 0; i < a->axes.n; i++)
    if (a->axes.at[i] < 0 || a->axes.at[i] >= in[0].shape.rank || (i && a->axes.at[i] <= a->axes.at[i - 1]))
      return cy_fail(CY_INVALID, "axes must be increasing axes of the operand");
  *out = (cy_type){in[0].dtype, without(in[0].shape, mask_of(attrs))};
  return in[0].dtype == CY_BOOL ? cy_fail(CY_INVALID, "bool cannot be reduced; convert it first") : CY_OK;
}

/* The operand's axes that remain, as the result's axes in the operand's order. */
static int kept_axes(cy_shape shape, uint32_t mask, int kept[CY_MAX_RANK]) {
  int n = 0;
  for (int i = 0; i < shape.rank; i++)
    if (!(mask >> i & 1)) kept[n++] = i;
  return n;
}

/* The result spread over the operand's shape again. */
static cy_value spread(cy_value v, cy_shape shape, uint32_t mask) {
  int kept[CY_MAX_RANK];
  kept_axes(shape, mask, kept);
  return cy_broadcast_axes(v, shape, kept);
}

/* Runs through each group of elements that reduce to one: the walk over the result, then over the reduced axes. */
typedef struct group_walk {
  cy_walk outer, inner;
  int64_t outer_stride[CY_MAX_RANK], inner_stride[CY_MAX_RANK];
} group_walk;

static group_walk groups(const cy_view *in, uint32_t mask) {
  group_walk g;
  cy_shape outer = {0}, inner = {0};
  for (int i = 0; i < in->shape.rank; i++) {
    if (mask >> i & 1)
      g.inner_stride[inner.rank] = in->stride[i], inner.dim[inner.rank++] = in->shape.dim[i];
    else
      g.outer_stride[outer.rank] = in->stride[i], outer.dim[outer.rank++] = in->shape.dim[i];
  }
  g.outer = cy_walk_start(outer);
  g.inner = cy_walk_start(inner);
  return g;
}

#define EACH_NUMBER(dtype, LOOP)                 \
  switch (dtype) {                               \
    case CY_F32: LOOP(float, double); break;     \
    case CY_F64: LOOP(double, double); break;    \
    case CY_I32: LOOP(int32_t, int64_t); break;  \
    case CY_I64: LOOP(int64_t, int64_t); break;  \
    case CY_U8: case CY_BOOL: LOOP(uint8_t, int64_t); break; \
  }

/* Kept axes: the same place. */
static void reach_reduce(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  uint32_t mask = mask_of(attrs);
  (void)n, (void)out, (void)operand;
  for (int i = 0, k = 0; i < in[0].shape.rank; i++) reach[i] = mask >> i & 1 ? cy_reach_all() : cy_reach_same(k++);
}

static cy_value batch_reduce(const cy_rule *r, const bool *batched, int64_t extent) {
  axes_attrs attrs = *CY_ATTRS(axes_attrs, r);
  (void)batched, (void)extent;
  for (int i = 0; i < attrs.axes.n; i++) attrs.axes.at[i]++;
  return cy_make(r->graph, r->node->op, r->in, 1, &attrs);
}

/* ---- sum ---- */

/* f32 is summed in f64: the oracle should not be the less exact side. */
#define SUM_LOOP(T, Wide)                                                                     \
  for (; g.outer.more; cy_walk_next(&g.outer)) {                                              \
    Wide total = 0;                                                                           \
    int64_t base = cy_walk_offset(&g.outer, g.outer_stride);                                  \
    for (cy_walk w = g.inner; w.more; cy_walk_next(&w))                                       \
      total += ((const T *)call->in[0].data)[base + cy_walk_offset(&w, g.inner_stride)];      \
    ((T *)call->out->data)[cy_walk_offset(&g.outer, call->out->stride)] = (T)total;           \
  }

static void kernel_sum(const cy_call *call) {
  group_walk g = groups(&call->in[0], mask_of(call->attrs));
  EACH_NUMBER(call->out->dtype, SUM_LOOP)
}

static cy_value transpose_sum(const cy_rule *r, int i, cy_value ct) {
  return spread(ct, cy_value_shape(r->in[i]), mask_of(r->node->attrs));
}

static const cy_node *operand_of(const cy_node *node, int i, cy_graph *graph, const cy_op *op) {
  const cy_node *in = cy_node_at(graph, node->inputs[i]);
  return in->op == op ? in : NULL;
}

/* sum over k of (k == y ? c : 0) is c where 0 <= y < n, and 0 elsewhere: what makes the gradient of the usual
 * cross-entropy come out as softmax minus one-hot. */
static cy_value simplify_one_hot_sum(const cy_rule *r, uint32_t mask) {
  const cy_node *choice = cy_node_of(r->in[0]);
  double c, zero;
  if (choice->op != &cy_op_elementwise[CY_SCALAR_select] || (mask & (mask - 1)) || !mask) return cy_none;
  if (!cy_is_full(cy_value_at(r->graph, choice->inputs[1]), &c) ||
      !cy_is_full(cy_value_at(r->graph, choice->inputs[2]), &zero) || zero != 0)
    return cy_none;
  const cy_node *equal = operand_of(choice, 0, r->graph, &cy_op_elementwise[CY_SCALAR_eq]);
  if (!equal) return cy_none;
  int axis = __builtin_ctz(mask);
  const cy_node *places = operand_of(equal, 0, r->graph, &cy_op_iota);
  const cy_node *labels = operand_of(equal, 1, r->graph, &cy_op_broadcast);
  if (!places || !labels || places->op->iota_axis(places->attrs) != axis) return cy_none;
  if (labels->dtype == CY_U8 || labels->dtype == CY_BOOL) return cy_none; /* may not hold the number of classes */
  cy_view source = cy_view_row_major(&c, labels->dtype, cy_node_at(r->graph, labels->inputs[0])->shape);
  cy_view spread_out = {.dtype = labels->dtype, .shape = labels->shape};
  if (!labels->op->view(labels->attrs, &source, &spread_out) || spread_out.stride[axis] != 0) return cy_none;
  cy_shape from = labels->shape;
  int64_t start[CY_MAX_RANK] = {0}, limit[CY_MAX_RANK], n = from.dim[axis];
  if (!cy_count(from)) return cy_none;
  for (int i = 0; i < from.rank; i++) limit[i] = i == axis ? 1 : from.dim[i];
  cy_value y = cy_reshape(cy_slice(cy_value_at(r->graph, equal->inputs[1]), start, limit, NULL), r->node->shape);
  cy_value inside = cy_full(r->graph, r->node->dtype, r->node->shape, c), outside = cy_zeros_like(inside);
  cy_value below = cy_lt(y, cy_full(r->graph, labels->dtype, r->node->shape, (double)n));
  cy_value not_negative = cy_ge(y, cy_zeros_like(y));
  return cy_select(not_negative, cy_select(below, inside, outside), outside);
}

static cy_value simplify_sum(const cy_rule *r) {
  uint32_t mask = mask_of(r->node->attrs);
  cy_shape from = cy_value_shape(r->in[0]);
  int64_t summed = 1;
  double number;
  for (int i = 0; i < from.rank; i++)
    if (mask >> i & 1) summed *= from.dim[i];
  if (cy_count(from) && summed == 1) return cy_reshape(r->in[0], r->node->shape);
  int64_t most = r->node->dtype == CY_U8 ? 255 : 1 << 24; /* u8 wraps around, numbers saturate */
  if (cy_is_full(r->in[0], &number) && (number == 0 || number == 1) && summed <= most)
    return cy_full(r->graph, r->node->dtype, r->node->shape, number * (double)summed);
  const cy_node *inner = cy_node_of(r->in[0]);
  if (inner->op == &cy_op_sum) { /* a sum of sums: map the outer axes back to the inner operand's */
    cy_value x = cy_value_at(r->graph, inner->inputs[0]);
    int kept[CY_MAX_RANK], axes[CY_MAX_RANK], n = 0;
    uint32_t first = mask_of(inner->attrs), both = first;
    kept_axes(cy_value_shape(x), first, kept);
    for (int i = 0; i < from.rank; i++)
      if (mask >> i & 1) both |= 1u << kept[i];
    for (int i = 0; i < CY_MAX_RANK; i++)
      if (both >> i & 1) axes[n++] = i;
    return cy_sum(x, axes, n, false);
  }
  cy_value shared = cy_find_shared_sum(r, mask);
  return cy_is_value(shared) ? shared : simplify_one_hot_sum(r, mask);
}

static void sample_reduce_of(cy_rng *rng, cy_sample *s, bool empty) {
  cy_shape shape = cy_sample_shape(rng, 0, 4, empty);
  axes_attrs attrs = {0};
  for (int i = 0; i < shape.rank; i++)
    if (cy_rng_below(rng, 2)) attrs.axes.at[attrs.axes.n++] = i;
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

static void sample_sum(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  sample_reduce_of(rng, s, true);
}

const cy_op cy_op_sum = {
    .name = "sum", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(axes_attrs), .fields = axes_fields,
    .linear = 1, .scalar = -1, .combine = 1, .reduced = mask_of, .infer = infer_reduce, .jvp = cy_jvp_linear,
    .transpose = transpose_sum, .simplify = simplify_sum, .kernel = kernel_sum, .cost = cy_cost_operands,
    .reach = reach_reduce, .batch = batch_reduce, .sample = sample_sum};

/* ---- max ---- */

/* NaN wins. Of nothing: minus infinity, or the lowest integer. */
#define MAX_LOOP(T, Wide)                                                                     \
  for (; g.outer.more; cy_walk_next(&g.outer)) {                                              \
    T best = 0;                                                                               \
    bool first = true;                                                                        \
    int64_t base = cy_walk_offset(&g.outer, g.outer_stride);                                  \
    for (cy_walk w = g.inner; w.more; cy_walk_next(&w), first = false) {                      \
      T x = ((const T *)call->in[0].data)[base + cy_walk_offset(&w, g.inner_stride)];         \
      if (first || x > best || x != x) best = x;                                              \
      if (best != best) break;                                                                \
    }                                                                                         \
    int64_t to = cy_walk_offset(&g.outer, call->out->stride);                                 \
    if (first && best == best)                                                                \
      store_lowest(call->out->data, call->out->dtype, to);                                    \
    else                                                                                      \
      ((T *)call->out->data)[to] = best;                                                      \
  }

static void store_lowest(void *data, cy_dtype dtype, int64_t i) { cy_store(data, dtype, i, -INFINITY); }

static void kernel_max(const cy_call *call) {
  group_walk g = groups(&call->in[0], mask_of(call->attrs));
  EACH_NUMBER(call->out->dtype, MAX_LOOP)
}

/* The operand with its reduced axes, of which there is at least one, moved last and joined. */
static cy_value joined_last(cy_value a, uint32_t mask) {
  cy_shape from = cy_value_shape(a), to;
  int order[CY_MAX_RANK], n = kept_axes(from, mask, order);
  int64_t joined = 1;
  for (int i = 0; i < from.rank; i++)
    if (mask >> i & 1) {
      order[n++] = i;
      joined *= from.dim[i];
    }
  to = without(from, mask);
  to.dim[to.rank++] = joined;
  return cy_reshape(cy_permute(a, order), to);
}

/* The tangent of the first largest element. */
static cy_value jvp_max(const cy_rule *r) {
  uint32_t mask = mask_of(r->node->attrs);
  if (!mask) return r->tangent[0];
  cy_shape from = cy_value_shape(r->in[0]);
  for (int i = 0; i < from.rank; i++)
    if (mask >> i & 1 && from.dim[i] == 0) return cy_none; /* of nothing: constant */
  cy_value where = cy_argmax(joined_last(r->in[0], mask), -1, false);
  int batch = r->node->shape.rank;
  return cy_gather(joined_last(r->tangent[0], mask), where, batch, batch);
}

static cy_value simplify_max(const cy_rule *r) {
  cy_shape from = cy_value_shape(r->in[0]);
  return cy_count(from) && cy_count(from) == cy_count(r->node->shape) ? cy_reshape(r->in[0], r->node->shape) : cy_none;
}

static void sample_max(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  sample_reduce_of(rng, s, false);
  s->distinct = true;
}

const cy_op cy_op_reduce_max = {
    .name = "reduce_max", .op_class = CY_CLASS_GENERAL, .arity = 1, .attr_size = sizeof(axes_attrs),
    .fields = axes_fields, .scalar = -1, .combine = 2, .reduced = mask_of, .infer = infer_reduce, .jvp = jvp_max,
    .simplify = simplify_max, .kernel = kernel_max, .cost = cy_cost_operands, .reach = reach_reduce, .batch = batch_reduce,
    .sample = sample_max};

/* ---- argmax ---- */

typedef struct scan_attrs {
  int64_t axis, reverse;
} scan_attrs;
static const cy_field argmax_fields[] = {CY_INT_FIELD(scan_attrs, axis), CY_END_FIELDS};
static const cy_field cumsum_fields[] = {CY_INT_FIELD(scan_attrs, axis), CY_INT_FIELD(scan_attrs, reverse),
                                         CY_END_FIELDS};

static cy_status check_axis(const void *attrs, cy_shape shape) {
  int64_t axis = ((const scan_attrs *)attrs)->axis;
  return cy_check_axis(axis, shape.rank);
}

static cy_status infer_argmax(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)n;
  CY_TRY(check_axis(attrs, in[0].shape));
  int64_t axis = ((const scan_attrs *)attrs)->axis;
  char text[CY_SHAPE_TEXT];
  *out = (cy_type){CY_I64, without(in[0].shape, 1u << axis)};
  if (in[0].shape.dim[axis] == 0 && cy_count(out->shape))
    return cy_fail(CY_INVALID, "axis %lld of shape %s is empty: it has no largest element", (long long)axis,
                   cy_shape_text(in[0].shape, text));
  return CY_OK;
}

#define ARGMAX_LOOP(T, Wide)                                                                  \
  for (; g.outer.more; cy_walk_next(&g.outer)) {                                              \
    int64_t base = cy_walk_offset(&g.outer, g.outer_stride), best = 0;                        \
    const T *x = (const T *)call->in[0].data + base;                                          \
    T top = n ? x[0] : 0;                                                                     \
    for (int64_t i = 1; i < n && top == top; i++)                                             \
      if (!(x[i * step] <= top)) best = i, top = x[i * step]; /* larger, or NaN */            \
    ((int64_t *)call->out->data)[cy_walk_offset(&g.outer, call->out->stride)] = best;         \
  }

static void kernel_argmax(const cy_call *call) {
  int64_t axis = ((const scan_attrs *)call->attrs)->axis, n = call->in[0].shape.dim[axis], step = call->in[0].stride[axis];
  group_walk g = groups(&call->in[0], 1u << axis);
  EACH_NUMBER(call->in[0].dtype, ARGMAX_LOOP)
}

static void reach_argmax(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  axes_attrs axes = {.axes = {1, {((const scan_attrs *)attrs)->axis}}};
  reach_reduce(&axes, in, n, out, operand, reach);
}

static cy_value batch_along(const cy_rule *r, const bool *batched, int64_t extent) {
  scan_attrs attrs = *CY_ATTRS(scan_attrs, r);
  (void)batched, (void)extent;
  attrs.axis++;
  return cy_make(r->graph, r->node->op, r->in, 1, &attrs);
}

static void sample_argmax(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_shape shape = cy_sample_shape(rng, 1, 3, false);
  (void)op;
  scan_attrs attrs = {cy_rng_below(rng, shape.rank), 0};
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  s->distinct = true;
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_argmax = {
    .name = "argmax", .op_class = CY_CLASS_INDEX, .arity = 1, .attr_size = sizeof(scan_attrs),
    .fields = argmax_fields, .scalar = -1, .infer = infer_argmax, .kernel = kernel_argmax, .cost = cy_cost_operands,
    .reach = reach_argmax, .batch = batch_along, .sample = sample_argmax};

/* ---- cumsum ---- */

static cy_status infer_cumsum(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)n;
  *out = in[0];
  CY_TRY(check_axis(attrs, in[0].shape));
  return in[0].dtype == CY_BOOL ? cy_fail(CY_INVALID, "bool cannot be summed; convert it first") : CY_OK;
}

#define CUMSUM_LOOP(T, Wide)                                                                  \
  for (; g.outer.more; cy_walk_next(&g.outer)) {                                              \
    const T *x = (const T *)call->in[0].data + cy_walk_offset(&g.outer, g.outer_stride);      \
    T *y = (T *)call->out->data;                                                              \
    for (int i = 0, k = 0; i < call->out->shape.rank; i++)                                    \
      if (i != axis) y += g.outer.index[k++] * call->out->stride[i];                          \
    Wide total = 0;                                                                           \
    for (int64_t i = 0; i < n; i++) {                                                         \
      int64_t at = reverse ? n - 1 - i : i;                                                   \
      total += x[at * call->in[0].stride[axis]];                                              \
      y[at * call->out->stride[axis]] = (T)total;                                             \
    }                                                                                         \
  }

static void kernel_cumsum(const cy_call *call) {
  const scan_attrs *a = call->attrs;
  int64_t axis = a->axis, n = call->out->shape.dim[axis];
  bool reverse = a->reverse;
  group_walk g = groups(&call->in[0], 1u << axis);
  EACH_NUMBER(call->out->dtype, CUMSUM_LOOP)
}

static cy_value transpose_cumsum(const cy_rule *r, int i, cy_value ct) {
  const scan_attrs *a = CY_ATTRS(scan_attrs, r);
  (void)i;
  return cy_cumsum(ct, (int)a->axis, !a->reverse);
}

/* All that comes before, as far as it is inside. */
static void reach_cumsum(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  const scan_attrs *a = attrs;
  int64_t last = in[0].shape.dim[a->axis] - 1;
  cy_reach_pointwise(attrs, in, n, out, operand, reach);
  reach[a->axis] = (cy_reach){(int)a->axis, 1, a->reverse ? 0 : -last, a->reverse ? last : 0, 1, 1, false};
}

static void sample_cumsum(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_shape shape = cy_sample_shape(rng, 1, 3, true);
  (void)op;
  scan_attrs attrs = {cy_rng_below(rng, shape.rank), cy_rng_below(rng, 2)};
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_cumsum = {
    .name = "cumsum", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(scan_attrs),
    .fields = cumsum_fields, .linear = 1, .scalar = -1, .infer = infer_cumsum, .jvp = cy_jvp_linear,
    .transpose = transpose_cumsum, .kernel = kernel_cumsum, .reach = reach_cumsum, .batch = batch_along,
    .sample = sample_cumsum};

/* ---- product: a composite, halved again and again, so that its derivatives hold with zeros among the factors ---- */

static cy_value expand_prod(const cy_rule *r) {
  if (!mask_of(r->node->attrs)) return r->in[0];
  cy_value x = joined_last(r->in[0], mask_of(r->node->attrs));
  for (;;) {
    cy_shape shape = cy_value_shape(x);
    if (!cy_is_value(x)) return x;
    int64_t n = shape.dim[shape.rank - 1];
    if (n == 0) return cy_full(r->graph, r->node->dtype, r->node->shape, 1);
    if (n == 1) return cy_reshape(x, r->node->shape);
    cy_value half = cy_slice_axis(x, -1, 0, n / 2);
    half = cy_mul(half, cy_slice_axis(x, -1, n / 2, n / 2 * 2));
    cy_value parts[2] = {half, n % 2 ? cy_slice_axis(x, -1, n - 1, n) : cy_none};
    x = n % 2 ? cy_concat(parts, 2, -1) : half;
  }
}

const cy_op cy_op_prod = {
    .name = "prod", .op_class = CY_CLASS_COMPOSITE, .arity = 1, .attr_size = sizeof(axes_attrs),
    .fields = axes_fields, .scalar = -1, .infer = infer_reduce, .expand = expand_prod, .cost = cy_cost_operands,
    .reach = reach_reduce, .batch = batch_reduce, .sample = sample_sum};

/* ---- builders ---- */

static cy_value reduce(const cy_op *op, cy_value a, const int *axes, int n, bool keep) {
  bool set[CY_MAX_RANK];
  if (!cy_is_value(a) || cy_graph_failed(a.graph) || !cy_axis_set(a, op->name, axes, n, set)) return cy_failed(a.graph);
  axes_attrs attrs = {0};
  for (int i = 0; i < CY_MAX_RANK; i++)
    if (set[i]) attrs.axes.at[attrs.axes.n++] = i;
  cy_value reduced = attrs.axes.n ? cy_make(a.graph, op, &a, 1, &attrs) : a;
  return keep ? cy_reshape(reduced, with_ones(cy_value_shape(a), mask_of(&attrs))) : reduced;
}

cy_value cy_sum(cy_value a, const int *axes, int n, bool keep) { return reduce(&cy_op_sum, a, axes, n, keep); }
cy_value cy_reduce_max(cy_value a, const int *axes, int n, bool keep) {
  return reduce(&cy_op_reduce_max, a, axes, n, keep);
}
/* -max(-a); of integers ~max(~a), as the lowest has no negative. */
cy_value cy_reduce_min(cy_value a, const int *axes, int n, bool keep) {
  if (!cy_is_value(a) || cy_dtype_is_float(cy_value_dtype(a)))
    return cy_neg(reduce(&cy_op_reduce_max, cy_neg(a), axes, n, keep));
  double ones = cy_value_dtype(a) == CY_U8 ? 255 : -1;
  return cy_rsub_scalar(ones, reduce(&cy_op_reduce_max, cy_rsub_scalar(ones, a), axes, n, keep));
}
cy_value cy_prod(cy_value a, const int *axes, int n, bool keep) { return reduce(&cy_op_prod, a, axes, n, keep); }

cy_value cy_mean(cy_value a, const int *axes, int n, bool keep) {
  if (cy_is_value(a) && !cy_dtype_is_float(cy_value_dtype(a)))
    cy_graph_fail(a.graph, CY_INVALID, "mean: the operand is %s; convert it to f32 or f64 first", cy_dtype_name(cy_value_dtype(a)));
  cy_value total = cy_sum(a, axes, n, keep);
  if (!cy_is_value(total)) return total;
  int64_t all = cy_count(cy_value_shape(a)), left = cy_count(cy_value_shape(total));
  /* Multiplying by the reciprocal, as the fused kernels would; an empty mean is NaN, as 0/0. */
  return all ? cy_mul_scalar(total, (double)left / (double)all) : cy_mul_scalar(total, NAN);
}

cy_value cy_argmax(cy_value a, int axis, bool keep) {
  scan_attrs attrs = {cy_axis(a, "argmax", axis), 0};
  if (attrs.axis < 0) return cy_failed(a.graph);
  cy_value where = cy_make(a.graph, &cy_op_argmax, &a, 1, &attrs);
  return keep ? cy_reshape(where, with_ones(cy_value_shape(a), 1u << attrs.axis)) : where;
}

cy_value cy_cumsum(cy_value a, int axis, bool reverse) {
  scan_attrs attrs = {cy_axis(a, "cumsum", axis), reverse};
  return attrs.axis < 0 ? cy_failed(a.graph) : cy_make(a.graph, &cy_op_cumsum, &a, 1, &attrs);
}
