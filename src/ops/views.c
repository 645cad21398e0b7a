/* What operations that only rename elements share: their reference kernel copies through the row's view. And the small
 * ones among them: flip, all_reduce. */
#include "ops/views.h"

#include <string.h>

void cy_view_kernel(const cy_call *call) {
  cy_view window = {.data = call->in[0].data, .dtype = call->out->dtype, .shape = call->out->shape};
  if (cy_count(call->out->shape) && call->op->view(call->attrs, &call->in[0], &window))
    cy_view_copy(&window, call->out);
}

void *cy_view_advance(const cy_view *view, int64_t elements) {
  return (char *)view->data + elements * (int64_t)cy_dtype_size(view->dtype);
}

cy_value cy_view_simplify(const cy_rule *r) {
  double number;
  return cy_is_full(r->in[0], &number) ? cy_full(r->graph, r->node->dtype, r->node->shape, number) : cy_none;
}

const cy_node *cy_view_producer(const cy_rule *r, const cy_op *op) {
  const cy_node *node = cy_node_of(r->in[0]);
  return node->op == op ? node : NULL;
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
  out->data = cy_count(out->shape) ? cy_view_advance(in, (in->shape.dim[axis] - 1) * in->stride[axis]) : in->data;
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
    .transpose = transpose_flip, .simplify = cy_view_simplify, .view = view_flip, .kernel = cy_view_kernel,
    .cost = cy_cost_zero, .reach = reach_flip, .batch = cy_batch_along, .sample = sample_flip};

cy_value cy_flip(cy_value a, int axis) {
  cy_axis_attrs attrs = {cy_axis(a, "flip", axis)};
  return attrs.axis < 0 ? cy_failed(a.graph) : cy_make(a.graph, &cy_op_flip, &a, 1, &attrs);
}

/* ---- all_reduce ---- */

static const cy_field no_fields[] = {CY_END_FIELDS};

static cy_status infer_all_reduce(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)attrs, (void)n;
  *out = in[0];
  return cy_dtype_is_float(in[0].dtype) ? CY_OK
                                        : cy_fail(CY_INVALID, "the operand is %s; it takes f32 and f64",
                                                  cy_dtype_name(in[0].dtype));
}

static cy_value transpose_all_reduce(const cy_rule *r, int i, cy_value ct) {
  (void)r, (void)i;
  return cy_all_reduce(ct);
}

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
    .kernel = cy_view_kernel, .reach = cy_reach_pointwise, .batch = cy_batch_same, .sample = sample_all_reduce};

cy_value cy_all_reduce(cy_value a) { return cy_make(a.graph, &cy_op_all_reduce, &a, 1, NULL); }
