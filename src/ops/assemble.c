/* Operations that put elements in new places: pad, concat, iota. */
#include "ops/ops.h"

#include <string.h>

/* ---- pad ---- */

typedef struct pad_attrs {
  cy_list low, high, interior;
} pad_attrs;
static const cy_field pad_fields[] = {CY_LIST_FIELD(pad_attrs, low), CY_LIST_FIELD(pad_attrs, high),
                                      CY_LIST_FIELD(pad_attrs, interior), CY_END_FIELDS};

static cy_status infer_pad(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const pad_attrs *a = attrs;
  (void)n;
  *out = in[0];
  for (int i = 0; i < in[0].shape.rank; i++) {
    int64_t low = a->low.at[i], high = a->high.at[i], interior = a->interior.at[i], dim = in[0].shape.dim[i], gaps = 0;
    if (low < 0 || high < 0 || interior < 0)
      return cy_fail(CY_INVALID, "axis %d: padding %lld, %lld, %lld must not be negative", i, (long long)low,
                     (long long)high, (long long)interior);
    if ((dim > 1 && !cy_mul_i64(dim - 1, interior, &gaps)) || !cy_add_i64(dim, gaps, &dim) ||
        !cy_add_i64(dim, low, &dim) || !cy_add_i64(dim, high, &dim))
      return cy_fail(CY_INVALID, "axis %d: the padded extent does not fit in 63 bits", i);
    out->shape.dim[i] = dim;
  }
  return CY_OK;
}

static cy_value transpose_pad(const cy_rule *r, int i, cy_value ct) {
  const pad_attrs *a = CY_ATTRS(pad_attrs, r);
  cy_shape from = cy_value_shape(r->in[i]), to = r->node->shape;
  int64_t start[CY_MAX_RANK], limit[CY_MAX_RANK], stride[CY_MAX_RANK];
  for (int k = 0; k < from.rank; k++) {
    start[k] = a->low.at[k];
    limit[k] = from.dim[k] ? to.dim[k] - a->high.at[k] : start[k];
    stride[k] = a->interior.at[k] + 1;
  }
  return cy_slice(ct, start, limit, stride);
}

static cy_value simplify_pad(const cy_rule *r) {
  double number;
  if (cy_shape_equal(cy_value_shape(r->in[0]), r->node->shape)) return r->in[0];
  if (!cy_count(cy_value_shape(r->in[0])) || (cy_is_full(r->in[0], &number) && number == 0))
    return cy_full(r->graph, r->node->dtype, r->node->shape, 0);
  return cy_none;
}

static void kernel_pad(const cy_call *call) {
  const pad_attrs *a = call->attrs;
  cy_view window = *call->out;
  int64_t offset = 0;
  cy_view_clear(call->out);
  window.shape = call->in[0].shape;
  for (int i = 0; i < window.shape.rank; i++) {
    offset += a->low.at[i] * call->out->stride[i];
    window.stride[i] = call->out->stride[i] * (a->interior.at[i] + 1);
  }
  if (!cy_count(window.shape)) return;
  window.data = (char *)window.data + offset * (int64_t)cy_dtype_size(window.dtype);
  cy_view_copy(&call->in[0], &window);
}

static void reach_pad(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  const pad_attrs *a = attrs;
  (void)in, (void)n, (void)out, (void)operand;
  for (int i = 0; i < a->low.n; i++)
    reach[i] = (cy_reach){i, 1, -a->low.at[i], -a->low.at[i], a->interior.at[i] + 1, 1, false};
}

static cy_value batch_pad(const cy_rule *r, const bool *batched, int64_t extent) {
  const pad_attrs *a = CY_ATTRS(pad_attrs, r);
  int64_t low[CY_MAX_RANK] = {0}, high[CY_MAX_RANK] = {0}, interior[CY_MAX_RANK] = {0};
  (void)batched, (void)extent;
  for (int i = 0; i < a->low.n; i++) {
    low[i + 1] = a->low.at[i];
    high[i + 1] = a->high.at[i];
    interior[i + 1] = a->interior.at[i];
  }
  return cy_pad(r->in[0], low, high, interior);
}

static void sample_pad(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_shape shape = cy_sample_shape(rng, 0, 3, true);
  pad_attrs attrs = {.low.n = shape.rank, .high.n = shape.rank, .interior.n = shape.rank};
  for (int i = 0; i < shape.rank; i++) {
    attrs.low.at[i] = cy_rng_below(rng, 3);
    attrs.high.at[i] = cy_rng_below(rng, 3);
    attrs.interior.at[i] = cy_rng_below(rng, 3);
  }
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_pad = {
    .name = "pad", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(pad_attrs), .fields = pad_fields,
    .linear = 1, .scalar = -1, .infer = infer_pad, .jvp = cy_jvp_linear, .transpose = transpose_pad,
    .simplify = simplify_pad, .kernel = kernel_pad, .cost = cy_cost_zero, .reach = reach_pad, .batch = batch_pad,
    .sample = sample_pad};

bool cy_pad_place(cy_value v, int *axis, int64_t *low) {
  const cy_node *node = cy_node_of(v);
  const pad_attrs *a = node->attrs;
  cy_shape shape = node->shape;
  *axis = -1;
  if (node->op != &cy_op_pad) return false;
  for (int i = 0; i < shape.rank; i++) {
    if (a->interior.at[i]) return false;
    if (!a->low.at[i] && !a->high.at[i]) continue;
    if (*axis >= 0) return false;
    *axis = i;
    *low = a->low.at[i];
  }
  return *axis >= 0;
}

cy_value cy_pad(cy_value a, const int64_t *low, const int64_t *high, const int64_t *interior) {
  if (!cy_is_value(a) || cy_graph_failed(a.graph)) return cy_failed(a.graph);
  pad_attrs attrs = {0};
  bool nothing = true;
  attrs.low.n = attrs.high.n = attrs.interior.n = cy_value_shape(a).rank;
  for (int i = 0; i < attrs.low.n; i++) {
    attrs.low.at[i] = low[i];
    attrs.high.at[i] = high[i];
    attrs.interior.at[i] = interior ? interior[i] : 0;
    nothing = nothing && !low[i] && !high[i] && !attrs.interior.at[i];
  }
  return nothing ? a : cy_make(a.graph, &cy_op_pad, &a, 1, &attrs);
}

/* ---- concat ---- */

static cy_status infer_concat(const void *attrs, const cy_type *in, int n, cy_type *out) {
  int64_t axis = ((const cy_axis_attrs *)attrs)->axis;
  *out = in[0];
  CY_TRY(cy_check_axis(axis, in[0].shape.rank));
  for (int i = 1; i < n; i++) {
    cy_shape expected = in[0].shape;
    if (in[i].dtype != in[0].dtype)
      return cy_fail(CY_INVALID, "parts have types %s and %s", cy_dtype_name(in[0].dtype), cy_dtype_name(in[i].dtype));
    if (in[i].shape.rank == expected.rank) expected.dim[axis] = in[i].shape.dim[axis];
    if (!cy_shape_equal(in[i].shape, expected))
      return cy_fail_shapes("parts of shapes %s and %s do not fit together", in[0].shape, in[i].shape);
    if (!cy_add_i64(out->shape.dim[axis], in[i].shape.dim[axis], &out->shape.dim[axis]))
      return cy_fail(CY_INVALID, "the joined extent does not fit in 63 bits");
  }
  return CY_OK;
}

static int64_t part_start(const cy_rule *r, int part, int64_t axis) {
  int64_t start = 0;
  for (int i = 0; i < part; i++) start += cy_value_shape(r->in[i]).dim[axis];
  return start;
}

/* Linear in all parts together: absent tangents become zeros. */
static cy_value jvp_concat(const cy_rule *r) {
  cy_value few[8], *parts = r->node->n_inputs <= 8 ? few : cy_calloc((size_t)r->node->n_inputs, sizeof *parts);
  if (!parts) {
    cy_graph_fail(r->graph, CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  for (int i = 0; i < r->node->n_inputs; i++)
    parts[i] = cy_is_value(r->tangent[i]) ? r->tangent[i] : cy_zeros_like(r->in[i]);
  cy_value joined = cy_make(r->graph, r->node->op, parts, r->node->n_inputs, r->node->attrs);
  if (parts != few) cy_free(parts);
  return joined;
}

static cy_value transpose_concat(const cy_rule *r, int i, cy_value ct) {
  int64_t axis = CY_ATTRS(cy_axis_attrs, r)->axis, start = part_start(r, i, axis);
  return cy_slice_axis(ct, (int)axis, start, start + cy_value_shape(r->in[i]).dim[axis]);
}

static int joined_axis(const void *attrs) { return (int)((const cy_axis_attrs *)attrs)->axis; }

static cy_value simplify_concat(const cy_rule *r) { return r->node->n_inputs == 1 ? r->in[0] : cy_none; }

static void kernel_concat(const cy_call *call) {
  int64_t axis = ((const cy_axis_attrs *)call->attrs)->axis, start = 0;
  for (int i = 0; i < call->n_inputs; i++) {
    cy_view window = *call->out;
    window.shape = call->in[i].shape;
    if (!cy_count(window.shape)) continue;
    window.data = (char *)window.data + start * window.stride[axis] * (int64_t)cy_dtype_size(window.dtype);
    cy_view_copy(&call->in[i], &window);
    start += call->in[i].shape.dim[axis];
  }
}

static void reach_concat(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  int64_t axis = ((const cy_axis_attrs *)attrs)->axis, start = 0;
  for (int i = 0; i < operand; i++) start += in[i].shape.dim[axis];
  cy_reach_pointwise(attrs, in, n, out, operand, reach);
  reach[axis] = (cy_reach){(int)axis, 1, -start, -start, 1, 1, false};
}

static void sample_concat(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_shape shape = cy_sample_shape(rng, 1, 3, true);
  cy_axis_attrs attrs = {cy_rng_below(rng, shape.rank)};
  int parts = 1 + (int)cy_rng_below(rng, 3);
  for (int i = 0; i < parts; i++) {
    shape.dim[attrs.axis] = cy_rng_below(rng, 4);
    cy_sample_operand(s, i, CY_F64, shape, -2, 2);
  }
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_concat = {
    .name = "concat", .op_class = CY_CLASS_LINEAR, .arity = -1, .attr_size = sizeof(cy_axis_attrs), .fields = cy_axis_fields,
    .linear = ~0u, .scalar = -1, .infer = infer_concat, .jvp = jvp_concat, .transpose = transpose_concat,
    .simplify = simplify_concat, .joined_axis = joined_axis, .kernel = kernel_concat, .cost = cy_cost_zero, .reach = reach_concat,
    .batch = cy_batch_along, .sample = sample_concat};

cy_value cy_concat(const cy_value *parts, int n, int axis) {
  cy_graph *graph = cy_common_graph(parts, n);
  if (!graph || cy_graph_failed(graph)) return cy_failed(graph);
  cy_axis_attrs attrs = {cy_axis(parts[0], "concat", axis)};
  return attrs.axis < 0 ? cy_failed(graph) : cy_make(graph, &cy_op_concat, parts, n, &attrs);
}

/* ---- iota ---- */

typedef struct iota_attrs {
  int64_t dtype, axis;
  cy_list shape;
} iota_attrs;
static const cy_field iota_fields[] = {CY_INT_FIELD(iota_attrs, axis), CY_END_FIELDS};

/* How many numbers 0, 1, 2, ... an integer dtype holds. */
static int64_t most_counted(cy_dtype dtype) {
  return dtype == CY_BOOL ? 2 : dtype == CY_U8 ? 256 : dtype == CY_I32 ? 1LL << 31 : INT64_MAX;
}

static cy_status infer_iota(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const iota_attrs *a = attrs;
  (void)in, (void)n;
  *out = (cy_type){(cy_dtype)a->dtype, cy_shape_of(&a->shape)};
  CY_TRY(cy_check_axis(a->axis, out->shape.rank));
  int64_t most = most_counted(out->dtype);
  if (out->shape.dim[a->axis] > most)
    return cy_fail(CY_INVALID, "%s counts to %lld only, axis %lld has extent %lld", cy_dtype_name(out->dtype),
                   (long long)most - 1, (long long)a->axis, (long long)out->shape.dim[a->axis]);
  return CY_OK;
}

static void kernel_iota(const cy_call *call) {
  int64_t axis = ((const iota_attrs *)call->attrs)->axis;
  for (cy_walk w = cy_walk_start(call->out->shape); w.more; cy_walk_next(&w))
    cy_store(call->out->data, call->out->dtype, cy_walk_offset(&w, call->out->stride), (double)w.index[axis]);
}

static int iota_axis(const void *attrs) { return (int)((const iota_attrs *)attrs)->axis; }

static void sample_iota(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_shape shape = cy_sample_shape(rng, 1, 3, true);
  iota_attrs attrs = {.dtype = cy_rng_below(rng, 2) ? CY_F64 : CY_I64, .axis = cy_rng_below(rng, shape.rank),
                      .shape = cy_list_of(shape)};
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_iota = {
    .name = "iota", .op_class = CY_CLASS_LEAF, .arity = 0, .attr_size = sizeof(iota_attrs), .fields = iota_fields,
    .scalar = -1, .infer = infer_iota, .iota_axis = iota_axis, .kernel = kernel_iota, .cost = cy_cost_zero, .sample = sample_iota};

cy_value cy_iota(cy_graph *graph, cy_dtype dtype, cy_shape shape, int axis) {
  if (!graph || cy_graph_failed(graph)) return cy_failed(graph);
  int64_t count;
  if ((unsigned)dtype >= CY_DTYPE_COUNT || cy_shape_count(shape, &count) != CY_OK) {
    cy_graph_fail(graph, CY_INVALID, "iota: the dtype or the shape is not valid");
    return cy_failed(graph);
  }
  iota_attrs attrs = {.dtype = dtype, .axis = axis < 0 ? axis + shape.rank : axis, .shape = cy_list_of(shape)};
  return cy_make(graph, &cy_op_iota, NULL, 0, &attrs);
}

cy_value cy_one_hot(cy_value labels, int64_t classes, cy_dtype dtype) {
  if (!cy_is_value(labels) || cy_graph_failed(labels.graph)) return cy_failed(labels.graph);
  cy_shape shape = cy_value_shape(labels), column = shape;
  if (shape.rank >= CY_MAX_RANK || classes < 0) {
    cy_graph_fail(labels.graph, CY_INVALID, "one_hot: %lld classes of labels with %d axes", (long long)classes, shape.rank);
    return cy_failed(labels.graph);
  }
  if (classes > most_counted(cy_value_dtype(labels))) labels = cy_convert(labels, CY_I64);
  shape.dim[shape.rank++] = classes;
  column.dim[column.rank++] = 1;
  cy_value numbers = cy_iota(labels.graph, cy_value_dtype(labels), shape, -1);
  return cy_convert(cy_eq(numbers, cy_reshape(labels, column)), dtype);
}
