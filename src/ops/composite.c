/* Composites: named operations with a body of primitives, which is the truth. Derivatives are taken of the body, save
 * where the row states a derivative of its own that is exact at points where the body has a kink. */
#include "ops/ops.h"

#include <math.h>
#include <string.h>

static const cy_field no_fields[] = {CY_END_FIELDS};

static cy_status infer_float(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)attrs, (void)n;
  *out = in[0];
  return cy_dtype_is_float(in[0].dtype)
             ? CY_OK
             : cy_fail(CY_INVALID, "the operand is %s; it takes f32 and f64", cy_dtype_name(in[0].dtype));
}

static void sample_elements(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_sample_operand(s, 0, CY_F64, cy_sample_shape(rng, 0, 3, true), -2, 2);
}

/* ---- relu: max(0, a); of equal operands max takes the first, and lets NaN pass. Its derivative asks the result, not the
 * operand: where that is 0, so is relu', also at 0 itself; backward, nothing but the result needs to be kept ---- */

static cy_value expand_relu(const cy_rule *r) { return cy_max(cy_zeros_like(r->in[0]), r->in[0]); }

static cy_value jvp_relu(const cy_rule *r) {
  cy_value zero = cy_zeros_like(r->out);
  return cy_is_value(r->tangent[0]) ? cy_select(cy_le(r->out, zero), zero, r->tangent[0]) : cy_none;
}

const cy_op cy_op_relu = {.name = "relu", .op_class = CY_CLASS_COMPOSITE, .arity = 1, .fields = no_fields,
                          .scalar = -1, .infer = infer_float, .expand = expand_relu, .jvp = jvp_relu,
                          .reach = cy_reach_pointwise, .batch = cy_batch_same, .sample = sample_elements};

cy_value cy_relu(cy_value a) { return cy_make(a.graph, &cy_op_relu, &a, 1, NULL); }
cy_value cy_square(cy_value a) { return cy_mul(a, a); }

/* ---- softplus: log(1 + e^a) = max(a, 0) + log1p(e^-|a|); its derivative is the logistic function everywhere, while
 * the body's max and |a| meet in a kink at 0 ---- */

static cy_value expand_softplus(const cy_rule *r) {
  cy_value a = r->in[0];
  cy_value above = cy_max(a, cy_zeros_like(a));
  return cy_add(above, cy_log1p(cy_exp(cy_neg(cy_abs(a)))));
}

static cy_value jvp_softplus(const cy_rule *r) {
  return cy_is_value(r->tangent[0]) ? cy_mul(r->tangent[0], cy_logistic(r->in[0])) : cy_none;
}

const cy_op cy_op_softplus = {.name = "softplus", .op_class = CY_CLASS_COMPOSITE, .arity = 1, .fields = no_fields,
                              .scalar = -1, .infer = infer_float, .expand = expand_softplus, .jvp = jvp_softplus,
                              .reach = cy_reach_pointwise, .batch = cy_batch_same, .sample = sample_elements};

cy_value cy_softplus(cy_value a) { return cy_make(a.graph, &cy_op_softplus, &a, 1, NULL); }

/* ---- softmax family: shifted by the largest entry, which changes nothing (A1.3) and keeps exp in range (A1.4) ---- */

static cy_status infer_along(const void *attrs, const cy_type *in, int n, cy_type *out) {
  int64_t axis = ((const cy_axis_attrs *)attrs)->axis;
  CY_TRY(infer_float(attrs, in, n, out));
  return cy_check_axis(axis, in[0].shape.rank);
}

static cy_status infer_logsumexp(const void *attrs, const cy_type *in, int n, cy_type *out) {
  CY_TRY(infer_along(attrs, in, n, out));
  out->shape.dim[((const cy_axis_attrs *)attrs)->axis] = 1;
  return CY_OK;
}

/* The largest entry along the axis (kept), constant for derivatives; 0 where all entries are -inf, so that -inf minus
 * itself is never taken. */
static cy_value shift(cy_value a, int axis) {
  cy_value largest = cy_stop_gradient(cy_reduce_max(a, &axis, 1, true));
  cy_value none = cy_eq(largest, cy_full(a.graph, cy_value_dtype(a), cy_value_shape(largest), -INFINITY));
  return cy_select(none, cy_zeros_like(largest), largest);
}

static int rule_axis(const cy_rule *r) { return (int)CY_ATTRS(cy_axis_attrs, r)->axis; }

static cy_value expand_logsumexp(const cy_rule *r) {
  int axis = rule_axis(r);
  cy_value m = shift(r->in[0], axis);
  return cy_add(m, cy_log(cy_sum(cy_exp(cy_sub(r->in[0], m)), &axis, 1, true)));
}

static cy_value expand_softmax(const cy_rule *r) {
  int axis = rule_axis(r);
  cy_value e = cy_exp(cy_sub(r->in[0], shift(r->in[0], axis)));
  return cy_div(e, cy_sum(e, &axis, 1, true));
}

static cy_value expand_log_softmax(const cy_rule *r) {
  int axis = rule_axis(r);
  cy_value z = cy_sub(r->in[0], shift(r->in[0], axis));
  return cy_sub(z, cy_log(cy_sum(cy_exp(z), &axis, 1, true)));
}

/* The derivatives in terms of the composites' own values, so that they need no exponentials of their own (D2.7, B.I):
 * d logsumexp = sum(softmax t), d log_softmax = t - that, d softmax = softmax (t - that). */
static cy_value softmax_mean(cy_value softmax, cy_value tangent, int axis) {
  return cy_sum(cy_mul(softmax, tangent), &axis, 1, true);
}

static cy_value jvp_logsumexp(const cy_rule *r) {
  cy_value t = r->tangent[0];
  return cy_is_value(t) ? softmax_mean(cy_softmax(r->in[0], rule_axis(r)), t, rule_axis(r)) : cy_none;
}

static cy_value jvp_softmax(const cy_rule *r) {
  cy_value t = r->tangent[0];
  return cy_is_value(t) ? cy_mul(r->out, cy_sub(t, softmax_mean(r->out, t, rule_axis(r)))) : cy_none;
}

static cy_value jvp_log_softmax(const cy_rule *r) {
  cy_value t = r->tangent[0];
  return cy_is_value(t) ? cy_sub(t, softmax_mean(cy_softmax(r->in[0], rule_axis(r)), t, rule_axis(r))) : cy_none;
}

/* Everything along the axis. */
static void reach_along(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  cy_reach_pointwise(attrs, in, n, out, operand, reach);
  reach[((const cy_axis_attrs *)attrs)->axis] = cy_reach_all();
}

static void sample_along(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_shape shape = cy_sample_shape(rng, 1, 3, false);
  (void)op;
  cy_axis_attrs attrs = {cy_rng_below(rng, shape.rank)};
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

#define ALONG(op, rule)                                                                                            \
  {.name = #op, .op_class = CY_CLASS_COMPOSITE, .arity = 1, .attr_size = sizeof(cy_axis_attrs), .fields = cy_axis_fields, \
   .scalar = -1, .infer = rule, .expand = expand_##op, .jvp = jvp_##op, \
   .reach = reach_along, .batch = cy_batch_along, .sample = sample_along}

const cy_op cy_op_logsumexp = ALONG(logsumexp, infer_logsumexp);
const cy_op cy_op_softmax = ALONG(softmax, infer_along);
const cy_op cy_op_log_softmax = ALONG(log_softmax, infer_along);

static cy_value along(const cy_op *op, cy_value a, int axis) {
  cy_axis_attrs attrs = {cy_axis(a, op->name, axis)};
  return attrs.axis < 0 ? cy_failed(a.graph) : cy_make(a.graph, op, &a, 1, &attrs);
}

cy_value cy_softmax(cy_value a, int axis) { return along(&cy_op_softmax, a, axis); }
cy_value cy_log_softmax(cy_value a, int axis) { return along(&cy_op_log_softmax, a, axis); }

cy_value cy_logsumexp(cy_value a, int axis, bool keep) {
  cy_value v = along(&cy_op_logsumexp, a, axis);
  if (keep || !cy_is_value(v)) return v;
  cy_shape from = cy_value_shape(v), to = {0};
  int reduced = axis < 0 ? axis + from.rank : axis;
  for (int i = 0; i < from.rank; i++)
    if (i != reduced) to.dim[to.rank++] = from.dim[i];
  return cy_reshape(v, to);
}
