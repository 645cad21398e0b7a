/* c + scale dot(a, b) as one operation: what a step of gradient descent does to a weight, and how two products are
 * summed, without the product in memory. Found by rewriting; its body is the plain expression. */
#include "ops/dot.h"

#include <string.h>

enum { C, A, B, SCALE };

static cy_status infer_dot_add(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)n;
  CY_TRY(cy_op_dot.infer(attrs, in + A, 2, out));
  if (!cy_dtype_is_float(out->dtype) || in[C].dtype != out->dtype || in[SCALE].dtype != out->dtype)
    return cy_fail(CY_INVALID, "all operands must be of one type, f32 or f64");
  if (!cy_shape_equal(in[C].shape, out->shape))
    return cy_fail_shapes("the product has shape %s, what it is added to %s", out->shape, in[C].shape);
  return in[SCALE].shape.rank == 0 ? CY_OK : cy_fail(CY_INVALID, "the scale must be a scalar");
}

static cy_value expand_dot_add(const cy_rule *r) {
  cy_value product = cy_make(r->graph, &cy_op_dot, r->in + A, 2, r->node->attrs), scale = r->in[SCALE];
  cy_value nothing = cy_eq(scale, cy_zeros_like(scale));
  return cy_select(nothing, r->in[C], cy_add(r->in[C], cy_mul(scale, product)));
}

static void kernel_dot_add(const cy_call *call) {
  double scale = cy_load(call->in[SCALE].data, call->in[SCALE].dtype, 0);
  if (scale == 0) {
    cy_view_copy(&call->in[C], call->out);
    return;
  }
  /* One element of the product at a time, so that c may be where the result goes. */
  cy_dot_element element = cy_dot_element_begin(call->attrs, &call->in[A], &call->in[B]);
  for (cy_walk w = cy_walk_start(call->out->shape); w.more; cy_walk_next(&w)) {
    double c = cy_load(call->in[C].data, call->in[C].dtype, cy_walk_offset(&w, call->in[C].stride));
    cy_store(call->out->data, call->out->dtype, cy_walk_offset(&w, call->out->stride),
             c + scale * cy_dot_element_at(&element, &w));
  }
}

static double cost_dot_add(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  (void)n;
  return cy_op_dot.cost(attrs, in + A, 2, out) + 2 * (double)cy_count(out->shape);
}

static void reach_dot_add(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  if (operand == A || operand == B)
    cy_op_dot.reach(attrs, in + A, 2, out, operand - A, reach);
  else
    cy_reach_pointwise(attrs, in, n, out, operand, reach);
}

static bool joins_around(const void *attrs, cy_shape shape, int operand) {
  return (operand == A || operand == B) && cy_dot_joins_around(attrs, shape, operand - A);
}

static void sample_dot_add(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_type product;
  (void)op;
  cy_op_dot.sample(&cy_op_dot, rng, s);
  cy_type a = s->type[0], b = s->type[1], in[2] = {a, b};
  if (cy_op_dot.infer(s->attrs, in, 2, &product) != CY_OK) product = a; /* cannot happen: the sample fits */
  cy_sample_operand(s, C, CY_F64, product.shape, -2, 2);
  cy_sample_operand(s, A, CY_F64, a.shape, -2, 2);
  cy_sample_operand(s, B, CY_F64, b.shape, -2, 2);
  cy_sample_operand(s, SCALE, CY_F64, CY_SCALAR, 0.5, 2);
}

const cy_op cy_op_dot_add = {
    .name = "dot_add", .op_class = CY_CLASS_COMPOSITE, .arity = 4, .attr_size = sizeof(cy_dot_attrs),
    .fields = cy_dot_fields, .scalar = -1, .overwrites = true, .infer = infer_dot_add, .expand = expand_dot_add,
    .kernel = kernel_dot_add, .cost = cost_dot_add, .reach = reach_dot_add, .joins_around = joins_around,
    .sample = sample_dot_add};

cy_value cy_dot_add(cy_value c, cy_value a, cy_value b, cy_value scale, const cy_dot_attrs *attrs) {
  cy_value in[4] = {c, a, b, scale};
  return cy_make(c.graph, &cy_op_dot_add, in, 4, attrs);
}

/* ---- finding it ---- */

static cy_value operand(cy_value v, int i) { return cy_value_at(v.graph, cy_node_of(v)->inputs[i]); }
static bool is(cy_value v, const cy_op *op) { return cy_node_of(v)->op == op; }

/* The scalar that v repeats everywhere, or the empty value. */
static cy_value repeated_scalar(cy_value v) {
  double number;
  if (cy_is_full(v, &number)) return cy_scalar(v.graph, cy_value_dtype(v), number);
  return is(v, &cy_op_broadcast) && cy_value_shape(operand(v, 0)).rank == 0 ? operand(v, 0) : cy_none;
}

/* Is v a product used once, or such a product times a scalar? */
static bool scaled_dot(const cy_rule *r, cy_value v, cy_value *dot, cy_value *scale) {
  if (!cy_used_once(r, v) || !cy_dtype_is_float(cy_value_dtype(v))) return false;
  if (is(v, &cy_op_dot)) {
    *dot = v;
    *scale = cy_scalar(r->graph, cy_value_dtype(v), 1);
    return true;
  }
  if (!is(v, &cy_op_elementwise[CY_SCALAR_mul])) return false;
  for (int i = 0; i < 2; i++) {
    *dot = operand(v, i);
    *scale = repeated_scalar(operand(v, 1 - i));
    if (is(*dot, &cy_op_dot) && cy_used_once(r, *dot) && cy_is_value(*scale)) return true;
  }
  return false;
}

cy_value cy_find_dot_add(const cy_rule *r, cy_value c, cy_value v, bool subtract) {
  cy_value dot, scale;
  /* Worth it where c is in memory anyway: state, or another product. */
  if (!is(c, &cy_op_variable) && !(is(c, &cy_op_dot) && cy_used_once(r, c))) return cy_none;
  if (!scaled_dot(r, v, &dot, &scale)) return cy_none;
  return cy_dot_add(c, operand(dot, 0), operand(dot, 1), subtract ? cy_neg(scale) : scale, cy_node_of(dot)->attrs);
}

cy_value cy_guard_dot_add(const cy_rule *r) {
  cy_value sum = r->in[1], condition = repeated_scalar(r->in[0]);
  if (!is(sum, &cy_op_dot_add) || !cy_used_once(r, sum) || operand(sum, C).id != r->in[2].id || !cy_is_value(condition))
    return cy_none;
  cy_value scale = operand(sum, SCALE);
  return cy_dot_add(r->in[2], operand(sum, A), operand(sum, B), cy_select(condition, scale, cy_zeros_like(scale)),
                    cy_node_of(sum)->attrs);
}
