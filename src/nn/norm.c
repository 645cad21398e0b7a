/* Normalisations: subtract a mean, divide by a standard deviation, then a trained scale and shift. They differ in
 * the axes, and batch normalisation keeps running statistics for inference. */
#include "nn/ragged.h"
#include "nn/sequence.h"

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

/* Statistics of a batch, and x normalised by them. */
typedef struct statistics {
  cy_value mean, variance, unbiased; /* unbiased: the variance with one less in its denominator */
  cy_value y;
} statistics;

static statistics of_all(cy_value x, const int *axes, int n, int64_t m, double epsilon) {
  statistics s = {.y = cy_normalize(x, axes, n, epsilon)};
  /* The same nodes as in the body of normalize: computed once. */
  s.mean = cy_mean(x, axes, n, true);
  s.variance = cy_mean(cy_square(cy_sub(x, s.mean)), axes, n, true);
  s.unbiased = cy_mul_scalar(s.variance, (double)m / (double)(m - 1));
  return s;
}

/* Of sequences of different lengths x [N, C, T]: of the steps before the ends. */
static statistics of_steps(cy_value x, cy_value lengths, double epsilon) {
  statistics s;
  const int axes[2] = {0, 2};
  cy_value count = cy_sum(cy_convert(lengths, cy_value_dtype(x)), NULL, 0, false);
  cy_value one = cy_add_scalar(cy_zeros_like(count), 1);
  count = cy_max(count, one);
  s.mean = cy_div(cy_sum(cy_sequence_cut(x, lengths), axes, 2, true), count);
  cy_value centred = cy_sequence_cut(cy_sub(x, s.mean), lengths);
  cy_value squares = cy_sum(cy_square(centred), axes, 2, true);
  s.variance = cy_div(squares, count);
  s.unbiased = cy_div(squares, cy_max(cy_add_scalar(count, -1), one));
  s.y = cy_mul(centred, cy_rsqrt(cy_add_scalar(s.variance, epsilon)));
  return s;
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
    bool ragged = shape.rank == 3 && cy_is_ragged(net, x);
    statistics s = ragged ? of_steps(x, cy_network_ends(net).lengths, epsilon) : of_all(x, axes, n, m, epsilon);
    track(net, running_mean, s.mean, momentum);
    track(net, running_var, s.unbiased, momentum);
    y = s.y;
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
