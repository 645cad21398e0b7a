/* Sequences: checks, changes between the layout of interfaces and that of loops, ends of sequences of different
 * lengths; and the layers that only pick or add something at each step. */
#include "nn/sequence.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <math.h>

bool cy_sequence_takes(cy_network *network, cy_value x) {
  char received[CY_RECEIVED_TEXT];
  if (!cy_network_takes(network, x, 1)) return false;
  cy_shape shape = cy_value_shape(x);
  if (shape.rank != 3)
    cy_graph_fail(cy_network_graph(network), CY_INVALID,
                  "expects sequences of channels x steps, such as 10x168, but receives %s",
                  cy_network_received(network, x, received));
  else if (shape.dim[1] < 1 || shape.dim[2] < 1)
    cy_graph_fail(cy_network_graph(network), CY_INVALID, "expects at least one channel and one step but receives %s",
                  cy_network_received(network, x, received));
  return !cy_graph_failed(cy_network_graph(network));
}

bool cy_sequence_channels(cy_network *network, const char *weight, cy_value x) {
  cy_shape declared = cy_network_declared_shape(network, weight);
  char received[CY_RECEIVED_TEXT];
  if (declared.rank < 1 || declared.dim[0] == cy_value_shape(x).dim[1]) return true;
  cy_graph_fail(cy_network_graph(network), CY_INVALID, "expects %lld channels but receives %s",
                (long long)declared.dim[0], cy_network_received(network, x, received));
  return false;
}

cy_value cy_sequence_to_steps(cy_value x) { return cy_permute(x, (int[]){2, 0, 1}); }
cy_value cy_sequence_from_steps(cy_value x) { return cy_permute(x, (int[]){1, 2, 0}); }

/* ---- ends ---- */

bool cy_sequence_lengths(cy_network *network, cy_value x, cy_value given, cy_value *lengths) {
  cy_graph *graph = cy_network_graph(network);
  cy_shape shape = cy_value_shape(x);
  int64_t steps = shape.dim[shape.rank - 1], counted = steps;
  char text[CY_SHAPE_TEXT];
  *lengths = cy_is_value(given) ? given : cy_network_lengths(network, &counted);
  if (!cy_is_value(*lengths)) return true;
  cy_shape own = cy_value_shape(*lengths);
  cy_dtype dtype = cy_value_dtype(*lengths);
  if (counted != steps)
    cy_graph_fail(graph, CY_INVALID, "the lengths are of sequences of %lld steps, but here are %lld",
                  (long long)counted, (long long)steps);
  else if (lengths->graph != x.graph || own.rank != 1 || own.dim[0] != shape.dim[0] ||
           (dtype != CY_I32 && dtype != CY_I64))
    cy_graph_fail(graph, CY_INVALID, "lengths must be a whole number for each of %lld sequences, not %s %s",
                  (long long)shape.dim[0], cy_dtype_name(dtype), cy_shape_text(own, text));
  return !cy_graph_failed(graph);
}

cy_value cy_sequence_valid(cy_value lengths, cy_shape shape, int batch, int time) {
  cy_value step = cy_iota(lengths.graph, cy_value_dtype(lengths), shape, time);
  return cy_lt(step, cy_broadcast_axes(lengths, shape, &batch));
}

cy_value cy_sequence_cut(cy_value x, cy_value lengths) {
  if (!cy_is_value(lengths)) return x;
  cy_value valid = cy_sequence_valid(lengths, cy_value_shape(x), 0, 2);
  return cy_select(valid, x, cy_zeros_like(x));
}

/* ---- the last step ---- */

static cy_value last_step(cy_network *net, cy_value x, cy_value given) {
  cy_value lengths;
  if (!cy_sequence_takes(net, x) || !cy_sequence_lengths(net, x, given, &lengths)) return cy_none;
  cy_shape shape = cy_value_shape(x), one = CY_SHAPE(shape.dim[0], shape.dim[1]);
  if (!cy_is_value(lengths)) return cy_reshape(cy_slice_axis(x, 2, shape.dim[2] - 1, shape.dim[2]), one);
  cy_value index = cy_add_scalar(lengths, -1);
  cy_value steps = cy_permute(x, (int[]){0, 2, 1});
  return cy_reshape(cy_gather(steps, cy_reshape(index, CY_SHAPE(shape.dim[0], 1)), 1, 1), one);
}

cy_value cy_last_step(cy_network *network, cy_value x, cy_last_options options) {
  cy_network_open(network, "last", options.name, x);
  return cy_network_close(network, last_step(network, x, options.lengths));
}

/* ---- positions ---- */

/* Row 2i: sin(t / 10000^(2i / C)), row 2i + 1: the cosine. */
static cy_value sinusoids(cy_network *net, int64_t channels, int64_t steps) {
  cy_tensor *table;
  if (cy_tensor_create(cy_network_dtype(net), CY_SHAPE(channels, steps), &table) != CY_OK) {
    cy_graph_fail(cy_network_graph(net), CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  for (int64_t c = 0; c < channels; c++) {
    double rate = pow(10000, -(double)(c / 2 * 2) / (double)channels);
    for (int64_t t = 0; t < steps; t++)
      cy_tensor_set(table, c * steps + t, c % 2 ? cos(rate * (double)t) : sin(rate * (double)t));
  }
  cy_value constant = cy_constant(cy_network_graph(net), table);
  cy_tensor_free(table);
  return constant;
}

static cy_value positions(cy_network *net, cy_value x, cy_positions_options o) {
  if (!cy_sequence_takes(net, x)) return cy_none;
  int64_t channels = cy_value_shape(x).dim[1], steps = cy_value_shape(x).dim[2], most = o.length ? o.length : steps;
  if (o.length < 0 || steps > most) {
    cy_graph_fail(cy_network_graph(net), CY_INVALID, "knows positions for %lld steps but receives %lld",
                  (long long)most, (long long)steps);
    return cy_none;
  }
  if (!o.learned) return cy_add(x, sinusoids(net, channels, steps));
  cy_initializer start =
      cy_initializer_or(o.init, (cy_initializer){.kind = CY_INIT_NORMAL, .b = 0.02}, channels, channels);
  cy_value table = cy_network_parameter(net, "positions", CY_SHAPE(channels, most), start, false);
  return cy_add(x, steps < most ? cy_slice_axis(table, 1, 0, steps) : table);
}

cy_value cy_positions(cy_network *network, cy_value x, cy_positions_options options) {
  cy_network_open(network, "positions", options.name, x);
  return cy_network_close(network, positions(network, x, options));
}
