/* Dense, dropout and the layers that only move values about. Each checks its input, declares its variables and
 * returns values of ops.h. */
#include "nn/network.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- dense ---- */

/* " = 576" after a shape that a product explains: 64x3x3 = 576. */
static void example_text(cy_shape shape, int64_t inputs, char text[CY_SHAPE_TEXT + 32]) {
  cy_shape example = {.rank = shape.rank - 1};
  char dims[CY_SHAPE_TEXT];
  for (int i = 0; i < example.rank; i++) example.dim[i] = shape.dim[i + 1];
  snprintf(text, CY_SHAPE_TEXT + 32, "%s%s%.0lld", cy_shape_text(example, dims), example.rank > 1 ? " = " : "",
           example.rank > 1 ? (long long)inputs : 0LL);
}

/* The axis to contract: 0 for all after the batch; -1 after an error. */
static int dense_axis(cy_network *net, cy_shape shape, int axis) {
  if (axis == 0) return shape.rank == 2 ? 1 : 0;
  int positive = axis < 0 ? shape.rank + axis : axis;
  if (positive >= 1 && positive < shape.rank) return positive;
  cy_graph_fail(cy_network_graph(net), CY_INVALID, "axis %d is not among axes 1 to %d of its input", axis,
                shape.rank - 1);
  return -1;
}

static int64_t dense_inputs(cy_shape shape, int axis) {
  int64_t inputs = 1;
  if (axis > 0) return shape.dim[axis];
  for (int i = 1; i < shape.rank; i++) inputs *= shape.dim[i]; /* a value's count is known to fit */
  return inputs;
}

/* x with the contracted axis last: flattened, or moved there. */
static cy_value dense_multiply(cy_value x, cy_value weight, int axis) {
  cy_shape shape = cy_value_shape(x);
  if (axis == 0) return cy_matmul(cy_flatten(x), weight);
  if (shape.rank == 2) return cy_matmul(x, weight);
  cy_value y = cy_dot(x, weight, (cy_dot_axes){.n_contract = 1, .a_contract = {axis}, .b_contract = {0}});
  int back[CY_MAX_RANK];
  for (int i = 0; i < shape.rank; i++) back[i] = i < axis ? i : i == axis ? shape.rank - 1 : i - 1;
  return axis == shape.rank - 1 ? y : cy_permute(y, back);
}

static bool dense_is_valid(cy_network *net, cy_value x, cy_dense_options o, int axis, int64_t inputs) {
  cy_graph *graph = cy_network_graph(net);
  char example[CY_SHAPE_TEXT + 32], origin[CY_ORIGIN_TEXT];
  cy_shape declared = cy_network_declared_shape(net, "weight");
  if (axis <= 1) x = cy_network_unflattened(net, x);
  cy_network_origin(net, x, origin);
  if (axis > 0 && dense_inputs(cy_value_shape(x), 0) != inputs)
    snprintf(example, sizeof example, "%lld on axis %d", (long long)inputs, axis);
  else
    example_text(cy_value_shape(x), inputs, example);
  if (o.units < 1)
    cy_graph_fail(graph, CY_INVALID, "units must be at least 1, not %lld", (long long)o.units);
  else if (inputs < 1)
    cy_graph_fail(graph, CY_INVALID, "expects inputs but receives %s%s", example, origin);
  else if (declared.rank == 2 && declared.dim[0] != inputs)
    cy_graph_fail(graph, CY_INVALID, "expects %lld inputs but receives %s%s", (long long)declared.dim[0], example,
                  origin);
  else if (declared.rank == 2 && declared.dim[1] != o.units)
    cy_graph_fail(graph, CY_INVALID, "has %lld units already and can't have %lld", (long long)declared.dim[1],
                  (long long)o.units);
  return !cy_graph_failed(graph);
}

static cy_value dense(cy_network *net, cy_value x, cy_dense_options o) {
  if (!cy_network_takes(net, x, 2)) return cy_none;
  cy_shape shape = cy_value_shape(x);
  int axis = dense_axis(net, shape, o.axis);
  if (axis < 0) return cy_none;
  int64_t inputs = dense_inputs(shape, axis);
  if (!dense_is_valid(net, x, o, axis, inputs)) return cy_none;

  bool shared = cy_network_declared_shape(net, "weight").rank >= 0;
  cy_initializer start = cy_initializer_or(o.weight, (cy_initializer){.kind = CY_INIT_HE_NORMAL}, inputs, o.units);
  cy_value weight = cy_network_parameter(net, "weight", CY_SHAPE(inputs, o.units), start, true);
  if (!shared) cy_network_penalize(net, weight, o.l1, o.l2);
  cy_value y = dense_multiply(x, weight, axis);
  if (o.no_bias) return y;
  cy_initializer zero = cy_initializer_or(o.bias, (cy_initializer){.kind = CY_INIT_CONSTANT}, inputs, o.units);
  cy_value bias = cy_network_parameter(net, "bias", CY_SHAPE(o.units), zero, false);
  cy_shape along = {.rank = 1, .dim = {o.units}}; /* aligned at the right: ones after the units' axis */
  for (int i = axis + 1; axis > 0 && i < shape.rank; i++) along.dim[along.rank++] = 1;
  return cy_add(y, along.rank > 1 ? cy_reshape(bias, along) : bias);
}

cy_value cy_dense(cy_network *network, cy_value x, cy_dense_options options) {
  cy_network_open(network, "dense", options.name, x);
  return cy_network_close(network, dense(network, x, options));
}

/* ---- dropout ---- */

cy_value cy_dropped(cy_network *net, cy_value x, double rate) {
  if (!cy_network_training(net) || rate == 0) return x;
  cy_value u = cy_network_uniform(net, cy_value_shape(x));
  cy_value keep = cy_ge(u, cy_mul_scalar(cy_ones_like(u), rate));
  cy_value kept = cy_mul_scalar(x, 1 / (1 - rate));
  return cy_select(keep, kept, cy_zeros_like(x));
}

static cy_value dropout(cy_network *net, cy_value x, double rate) {
  if (!cy_network_takes(net, x, 0)) return cy_none;
  if (rate >= 0 && rate < 1) return cy_dropped(net, x, rate);
  cy_graph_fail(cy_network_graph(net), CY_INVALID, "rate must be at least 0 and below 1, not %g", rate);
  return cy_none;
}

cy_value cy_dropout(cy_network *network, cy_value x, cy_dropout_options options) {
  cy_network_open(network, "dropout", options.name, x);
  return cy_network_close(network, dropout(network, x, options.rate));
}

/* ---- shapes and branches ---- */

cy_value cy_flatten(cy_value x) {
  return cy_reshape_example(x, (cy_shape){.rank = 1, .dim = {-1}});
}

cy_value cy_reshape_example(cy_value x, cy_shape shape) {
  char from[CY_SHAPE_TEXT], to[CY_SHAPE_TEXT];
  if (!cy_is_value(x)) return cy_none;
  cy_shape old = cy_value_shape(x), full = {.rank = shape.rank + 1};
  int64_t have = 1, want = 1;
  int open = -1;
  if (old.rank < 1 || shape.rank < 1 || shape.rank >= CY_MAX_RANK) {
    cy_graph_fail(x.graph, CY_INVALID, "reshape: needs a batch of examples and 1 to %d new axes", CY_MAX_RANK - 1);
    return cy_none;
  }
  bool fits = true;
  for (int i = 1; i < old.rank; i++) have *= old.dim[i]; /* a value's count is known to fit */
  for (int i = 0; i < shape.rank; i++) {
    if (shape.dim[i] == -1 && open < 0)
      open = i;
    else
      fits = fits && shape.dim[i] >= 0 && cy_mul_i64(want, shape.dim[i], &want);
  }
  if (open >= 0 && fits && want > 0 && have % want == 0) {
    shape.dim[open] = have / want;
    want = have;
  }
  if (!fits || want != have || (open >= 0 && shape.dim[open] < 0)) {
    cy_shape example = {.rank = old.rank - 1};
    memcpy(example.dim, old.dim + 1, (size_t)example.rank * sizeof *example.dim);
    cy_graph_fail(x.graph, CY_INVALID, "reshape: an example of %s = %lld elements does not fill %s",
                  cy_shape_text(example, from), (long long)have, cy_shape_text(shape, to));
    return cy_none;
  }
  full.dim[0] = old.dim[0];
  memcpy(full.dim + 1, shape.dim, (size_t)shape.rank * sizeof *shape.dim);
  return cy_shape_equal(full, old) ? x : cy_reshape(x, full);
}

cy_value cy_residual(cy_value shortcut, cy_value branch) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  if (!cy_is_value(shortcut) || !cy_is_value(branch)) return cy_none;
  if (!cy_shape_equal(cy_value_shape(shortcut), cy_value_shape(branch))) {
    cy_graph_fail(branch.graph, CY_INVALID, "the branch gives %s but the shortcut %s: they can't be added",
                  cy_shape_text(cy_value_shape(branch), b), cy_shape_text(cy_value_shape(shortcut), a));
    return cy_none;
  }
  return cy_add(shortcut, branch);
}
