/* Slice: a range of each axis, with strides. */
#include "ops/views.h"

#include <string.h>

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
  return cy_is_value(sum) ? sum : cy_view_simplify(r);
}

static bool view_slice(const void *attrs, const cy_view *in, cy_view *out) {
  const slice_attrs *a = attrs;
  int64_t offset = 0;
  for (int i = 0; i < out->shape.rank; i++) {
    offset += a->start.at[i] * in->stride[i];
    out->stride[i] = in->stride[i] * a->stride.at[i];
  }
  out->data = cy_count(out->shape) ? cy_view_advance(in, offset) : in->data;
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
    .transpose = transpose_slice, .simplify = simplify_slice, .view = view_slice, .kernel = cy_view_kernel,
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
