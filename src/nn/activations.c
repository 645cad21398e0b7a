/* Activations: functions of one value, and the two with a trained slope. Where one side of a select could overflow
 * its argument is clipped first, because a derivative of zero times infinity would be NaN. */
#include "nn/network.h"

#include "graph/graph.h"

#include <cauchy/ops.h>
#include <math.h>

static bool is_number(cy_value x, const char *what, double number) {
  if (!cy_is_value(x)) return false;
  if (!isfinite(number)) cy_graph_fail(x.graph, CY_INVALID, "%s must be a finite number, not %g", what, number);
  return isfinite(number);
}

static cy_value is_positive(cy_value x) { return cy_gt(x, cy_zeros_like(x)); }

cy_value cy_leaky_relu(cy_value x, double slope) {
  if (!is_number(x, "leaky_relu: slope", slope)) return cy_none;
  cy_value positive = is_positive(x);
  return cy_select(positive, x, cy_mul_scalar(x, slope));
}

cy_value cy_elu(cy_value x, double alpha) {
  if (!is_number(x, "elu: alpha", alpha)) return cy_none;
  cy_value below = cy_expm1(cy_min(x, cy_zeros_like(x))), positive = is_positive(x);
  return cy_select(positive, x, cy_mul_scalar(below, alpha));
}

cy_value cy_gelu(cy_value x, bool approximate) {
  if (!cy_is_value(x)) return cy_none;
  cy_value s;
  if (approximate) { /* tanh(sqrt(2/pi) (x + 0.044715 x^3)) */
    cy_value cube = cy_mul(cy_square(x), x);
    s = cy_tanh(cy_mul_scalar(cy_add(x, cy_mul_scalar(cube, 0.044715)), sqrt(2 / M_PI)));
  } else {
    s = cy_erf(cy_mul_scalar(x, M_SQRT1_2));
  }
  cy_value half = cy_mul_scalar(x, 0.5);
  return cy_mul(half, cy_add_scalar(s, 1));
}

cy_value cy_dead_zone(cy_value x, double a, double alpha, double b, double beta) {
  if (!is_number(x, "dead_zone: a", a) || !is_number(x, "dead_zone: alpha", alpha) ||
      !is_number(x, "dead_zone: b", b) || !is_number(x, "dead_zone: beta", beta))
    return cy_none;
  cy_value above = cy_relu(cy_mul_scalar(cy_add_scalar(x, -alpha), a));
  cy_value below = cy_relu(cy_mul_scalar(cy_rsub_scalar(beta, x), b));
  return cy_add(above, below);
}

/* One number per channel, laid along axis 1 of a value of this rank. */
static cy_shape channel_shape(cy_shape shape) {
  cy_shape result = {.rank = shape.rank};
  for (int i = 0; i < shape.rank; i++) result.dim[i] = i == 1 ? shape.dim[1] : 1;
  return result;
}

cy_value cy_prelu(cy_network *network, cy_value x, cy_prelu_options options) {
  cy_network_open(network, "prelu", options.name, x);
  cy_value y = cy_none;
  if (cy_network_takes(network, x, options.shared ? 0 : 2)) {
    cy_shape shape = cy_value_shape(x);
    cy_initializer quarter = {.kind = CY_INIT_CONSTANT, .a = 0.25};
    cy_shape own = CY_SHAPE(options.shared ? 1 : shape.dim[1]);
    cy_initializer start = cy_initializer_or(options.slope, quarter, 1, 1);
    cy_value slope = cy_network_parameter(network, "slope", own, start, false);
    slope = cy_reshape(slope, options.shared ? CY_SCALAR : channel_shape(shape));
    cy_value positive = is_positive(x);
    y = cy_select(positive, x, cy_mul(slope, x));
  }
  return cy_network_close(network, y);
}

cy_value cy_swish(cy_network *network, cy_value x, cy_swish_options options) {
  cy_network_open(network, "swish", options.name, x);
  cy_value y = cy_none;
  double beta = options.beta == 0 ? 1 : options.beta;
  if (cy_network_takes(network, x, 0) && is_number(x, "beta", beta)) {
    cy_value scaled = cy_mul_scalar(x, beta);
    if (options.trainable) {
      cy_initializer start = {.kind = CY_INIT_CONSTANT, .a = beta};
      scaled = cy_mul(cy_reshape(cy_network_parameter(network, "beta", CY_SHAPE(1), start, false), CY_SCALAR), x);
    }
    y = cy_mul(x, cy_logistic(scaled));
  }
  return cy_network_close(network, y);
}
