/* Normalisations: subtract a mean, divide by a standard deviation, then a trained scale and shift. They differ in
 * the axes, and batch normalisation keeps running statistics for inference. */
#include "nn/network.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>

static const cy_initializer ZEROS = {.kind = CY_INIT_CONSTANT, .a = 0}, ONES = {.kind = CY_INIT_CONSTANT, .a = 1};

static double epsilon_of(cy_network *net, cy_norm_options options) {
  if (!(options.epsilon >= 0))
    cy_graph_fail(cy_network_graph(net), CY_INVALID, "epsilon must not be negative, not %g", options.epsilon);
  return options.epsilon > 0 ? options.epsilon : 1e-5;
}

/* x scale + shift; the variables have the shape own and are laid out as along in x's rank. */
static cy_value affine(cy_network *net, cy_value x, cy_shape own, cy_shape along) {
  cy_value scale = cy_network_parameter(net, "scale", own, ONES, false);
  cy_value shift = cy_network_parameter(net, "shift", own, ZEROS, false);
  x = cy_mul(x, cy_reshape(scale, along));
  return cy_add(x, cy_reshape(shift, along));
}

static cy_value layer_norm(cy_network *net, cy_value x, cy_norm_options options) {
  if (!cy_network_takes(net, x, 2)) return cy_none;
  cy_shape shape = cy_value_shape(x), example = {.rank = shape.rank - 1};
  int axes[CY_MAX_RANK], only = options.axis < 0 ? shape.rank + options.axis : options.axis;
  if (options.axis != 0 && (only < 1 || only >= shape.rank)) {
    cy_graph_fail(cy_network_graph(net), CY_INVALID, "axis %d is not among axes 1 to %d of its input", options.axis,
                  shape.rank - 1);
    return cy_none;
  }
  for (int i = 0; i < example.rank; i++) {
    axes[i] = i + 1;
    example.dim[i] = options.axis == 0 || i + 1 == only ? shape.dim[i + 1] : 1;
  }
  double epsilon = epsilon_of(net, options);
  cy_value y = options.axis ? cy_normalize(x, &only, 1, epsilon) : cy_normalize(x, axes, example.rank, epsilon);
  if (options.no_affine) return y;
  return affine(net, y, options.axis ? CY_SHAPE(shape.dim[only]) : example, example);
}

cy_value cy_layer_norm(cy_network *network, cy_value x, cy_norm_options options) {
  cy_network_open(network, "layer_norm", options.name, x);
  return cy_network_close(network, layer_norm(network, x, options));
}

/* ---- batch norm ---- */

/* running = (1 - momentum) running + momentum batch. */
static void track(cy_network *net, cy_value running, cy_value batch, double momentum) {
  cy_value old = cy_network_current(net, running);
  cy_value taken = cy_mul_scalar(cy_reshape(batch, cy_value_shape(old)), momentum);
  cy_network_update(net, running, cy_add(cy_mul_scalar(old, 1 - momentum), taken));
}

static cy_value batch_norm(cy_network *net, cy_value x, cy_norm_options options) {
  if (!cy_network_takes(net, x, 2)) return cy_none;
  cy_shape shape = cy_value_shape(x), along = {.rank = shape.rank}, own = CY_SHAPE(shape.dim[1]);
  double epsilon = epsilon_of(net, options), momentum = options.momentum == 0 ? 0.1 : options.momentum;
  int axes[CY_MAX_RANK], n = 0;
  int64_t m = 1; /* values per channel */
  for (int i = 0; i < shape.rank; i++) {
    along.dim[i] = i == 1 ? shape.dim[1] : 1;
    if (i == 1) continue;
    axes[n++] = i;
    m *= shape.dim[i];
  }
  if (!(momentum > 0 && momentum <= 1)) {
    cy_graph_fail(cy_network_graph(net), CY_INVALID, "momentum must be above 0 and at most 1, not %g", momentum);
    return cy_none;
  }
  cy_value running_mean = cy_network_buffer(net, "running_mean", own, ZEROS);
  cy_value running_var = cy_network_buffer(net, "running_var", own, ONES);
  cy_value y;
  if (cy_network_training(net)) {
    char text[CY_SHAPE_TEXT];
    if (m < 2) {
      cy_graph_fail(cy_network_graph(net), CY_INVALID,
                    "needs more than one value per channel to train, but %s has %lld", cy_shape_text(shape, text),
                    (long long)m);
      return cy_none;
    }
    y = cy_normalize(x, axes, n, epsilon);
    /* The same nodes as in the body of normalize: computed once. */
    cy_value mean = cy_mean(x, axes, n, true);
    cy_value variance = cy_mean(cy_square(cy_sub(x, mean)), axes, n, true);
    track(net, running_mean, mean, momentum);
    track(net, running_var, cy_mul_scalar(variance, (double)m / (double)(m - 1)), momentum);
  } else {
    cy_value deviation = cy_rsqrt(cy_add_scalar(cy_reshape(running_var, along), epsilon));
    y = cy_mul(cy_sub(x, cy_reshape(running_mean, along)), deviation);
  }
  return options.no_affine ? y : affine(net, y, own, along);
}

cy_value cy_batch_norm(cy_network *network, cy_value x, cy_norm_options options) {
  cy_network_open(network, "batch_norm", options.name, x);
  return cy_network_close(network, batch_norm(network, x, options));
}
