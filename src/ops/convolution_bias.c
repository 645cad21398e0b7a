/* y = convolution(x, w) + bias per channel, and relu of it, as one operation: what a layer does in one pass over its result.
 * Found by rewriting; its body is the plain expression. A scale per channel goes into the weight, so that a normalisation by
 * known statistics costs nothing at inference. */
#include "ops/convolution_bias.h"

#include <string.h>

enum { X, W, BIAS };

#define WINDOWS_LIST(field) {#field, CY_FIELD_LIST, offsetof(cy_convolution_bias_attrs, windows.field)}
static const cy_field fields[] = {
    {"groups", CY_FIELD_INT, offsetof(cy_convolution_bias_attrs, windows.groups)},
    {"role", CY_FIELD_INT, offsetof(cy_convolution_bias_attrs, windows.role)},
    WINDOWS_LIST(size), WINDOWS_LIST(kernel), WINDOWS_LIST(stride), WINDOWS_LIST(dilation), WINDOWS_LIST(low), WINDOWS_LIST(high),
    CY_INT_FIELD(cy_convolution_bias_attrs, relu), CY_END_FIELDS};

static cy_status infer(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)n;
  CY_TRY(cy_op_convolution.infer(attrs, in, 2, out)); /* the windows come first */
  if (in[BIAS].dtype == out->dtype && in[BIAS].shape.rank == 1 && in[BIAS].shape.dim[0] == out->shape.dim[1]) return CY_OK;
  return cy_fail_shapes("the bias has shape %s, but the result %s: one number per channel is needed", in[BIAS].shape,
                        out->shape);
}

static cy_value per_channel(cy_value numbers, cy_shape shape) { return cy_broadcast_axes(numbers, shape, (int[]){1}); }

static cy_value expand(const cy_rule *r) {
  const cy_convolution_bias_attrs *a = CY_ATTRS(cy_convolution_bias_attrs, r);
  cy_value y = cy_make(r->graph, &cy_op_convolution, r->in, 2, &a->windows);
  y = cy_add(y, per_channel(r->in[BIAS], r->node->shape));
  return a->relu ? cy_max(cy_zeros_like(y), y) : y;
}

static void kernel(const cy_call *call) {
  const cy_convolution_bias_attrs *a = call->attrs;
  const cy_view *y = call->out, *bias = &call->in[BIAS];
  cy_op_convolution.kernel(&(cy_call){&cy_op_convolution, &a->windows, 2, call->in, y});
  for (cy_walk w = cy_walk_start(y->shape); w.more; cy_walk_next(&w)) {
    int64_t at = cy_walk_offset(&w, y->stride);
    double v = cy_load(y->data, y->dtype, at) + cy_load(bias->data, bias->dtype, w.index[1] * bias->stride[0]);
    cy_store(y->data, y->dtype, at, a->relu && v <= 0 ? 0 : v);
  }
}

static double cost(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  const cy_convolution_bias_attrs *a = attrs;
  (void)n;
  return cy_op_convolution.cost(attrs, in, 2, out) + (double)(1 + a->relu) * (double)cy_count(out->shape);
}

static uint32_t images(const void *attrs) { return cy_op_convolution.images(attrs); }

static void reach(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *to) {
  (void)n;
  if (operand == BIAS)
    to[0] = (cy_reach){.axis = 1, .stride = 1, .divisor = 1};
  else
    cy_op_convolution.reach(attrs, in, 2, out, operand, to);
}

static void sample(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_convolution_bias_attrs a = {.relu = cy_rng_below(rng, 2)};
  cy_type y;
  (void)op;
  do cy_op_convolution.sample(&cy_op_convolution, rng, s);
  while (((const cy_window_attrs *)(const void *)s->attrs)->role != CY_CONVOLUTION_Y);
  memcpy(&a.windows, s->attrs, sizeof a.windows);
  if (cy_op_convolution.infer(&a.windows, s->type, 2, &y) != CY_OK) y = s->type[0]; /* cannot happen: the sample fits */
  cy_sample_operand(s, BIAS, CY_F64, CY_SHAPE(y.shape.dim[1]), -2, 2);
  memcpy(s->attrs, &a, sizeof a);
}

const cy_op cy_op_convolution_bias = {
    .name = "convolution_bias", .op_class = CY_CLASS_COMPOSITE, .arity = 3, .attr_size = sizeof(cy_convolution_bias_attrs),
    .fields = fields, .scalar = -1, .infer = infer, .expand = expand, .kernel = kernel, .cost = cost, .images = images,
    .reach = reach, .sample = sample};

/* ---- finding it ---- */

static cy_value operand(cy_value v, int i) { return cy_value_at(v.graph, cy_node_of(v)->inputs[i]); }

/* The numbers [C] that v repeats over everything but the channels, or the empty value. */
static cy_value channel_numbers(cy_value v) {
  const cy_node *node = cy_node_of(v);
  cy_shape shape = cy_value_shape(v);
  double number;
  if (shape.rank < 3) return cy_none;
  cy_shape channels = CY_SHAPE(shape.dim[1]);
  if (cy_is_full(v, &number)) return cy_full(v.graph, node->dtype, channels, number);
  if (node->op != &cy_op_broadcast) return cy_none;
  cy_value source = operand(v, 0);
  cy_view from = cy_view_row_major(&number, node->dtype, cy_value_shape(source)), to = {.dtype = node->dtype, .shape = shape};
  if (cy_count(from.shape) == 1) return cy_broadcast(cy_reshape(source, CY_SHAPE(1)), channels);
  if (cy_count(from.shape) != shape.dim[1] || !node->op->view(node->attrs, &from, &to)) return cy_none;
  for (int i = 0; i < shape.rank; i++)
    if (i != 1 && shape.dim[i] != 1 && to.stride[i] != 0) return cy_none;
  return to.stride[1] ? cy_reshape(source, channels) : cy_none;
}

/* Is v a convolution with result y that nothing else uses? Its operands (a bias of zeros if it has none) and attributes. */
static bool is_convolution(const cy_rule *r, cy_value v, cy_value in[3], cy_convolution_bias_attrs *attrs) {
  const cy_node *node = cy_node_of(v);
  if (!r->late || !cy_used_once(r, v)) return false;
  *attrs = (cy_convolution_bias_attrs){0};
  if (node->op == &cy_op_convolution) {
    memcpy(&attrs->windows, node->attrs, sizeof attrs->windows);
    if (attrs->windows.role != CY_CONVOLUTION_Y) return false;
    in[BIAS] = cy_full(v.graph, node->dtype, CY_SHAPE(node->shape.dim[1]), 0);
  } else if (node->op == &cy_op_convolution_bias) {
    memcpy(attrs, node->attrs, sizeof *attrs);
    if (attrs->relu) return false;
    in[BIAS] = operand(v, BIAS);
  } else {
    return false;
  }
  in[X] = operand(v, X);
  in[W] = operand(v, W);
  return true;
}

cy_value cy_find_convolution_bias(const cy_rule *r, cy_value v, cy_value u, int sign) {
  cy_convolution_bias_attrs attrs;
  cy_value in[3], numbers;
  if (!is_convolution(r, v, in, &attrs) || !cy_is_value(numbers = channel_numbers(u))) return cy_none;
  in[BIAS] = sign > 0 ? cy_add(in[BIAS], numbers) : cy_sub(in[BIAS], numbers);
  return cy_make(r->graph, &cy_op_convolution_bias, in, 3, &attrs);
}

cy_value cy_find_convolution_scale(const cy_rule *r, cy_value v, cy_value u) {
  cy_convolution_bias_attrs attrs;
  cy_value in[3], numbers;
  if (!is_convolution(r, v, in, &attrs) || !cy_is_value(numbers = channel_numbers(u))) return cy_none;
  in[W] = cy_mul(in[W], cy_broadcast_axes(numbers, cy_value_shape(in[W]), (int[]){0}));
  if (cy_node_of(v)->op == &cy_op_convolution) return cy_make(r->graph, &cy_op_convolution, in, 2, &attrs.windows);
  in[BIAS] = cy_mul(in[BIAS], numbers);
  return cy_make(r->graph, &cy_op_convolution_bias, in, 3, &attrs);
}

cy_value cy_find_convolution_relu(const cy_rule *r, cy_value zero, cy_value v) {
  cy_convolution_bias_attrs attrs;
  cy_value in[3];
  double number;
  if (!cy_is_full(zero, &number) || number != 0 || !is_convolution(r, v, in, &attrs)) return cy_none;
  attrs.relu = 1;
  return cy_make(r->graph, &cy_op_convolution_bias, in, 3, &attrs);
}
