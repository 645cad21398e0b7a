/* Self-attention: every step of a sequence looks at the others (Vaswani et al. 2017), from primitives: one product for
 * queries, keys and values of all heads, one for the scores, one for what is looked up, one back. */
#include "nn/sequence.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <math.h>

/* Scores of pairs that may not look at each other: their exponential is 0 beside any other, and where nothing may be
 * looked at, all are equal and finite. */
static const double NEVER = -1e30;

typedef struct heads {
  int64_t n, batch, steps, channels, count, size;
} heads;

static bool heads_fit(cy_network *net, cy_value x, cy_attention_options o, heads *h) {
  cy_shape shape = cy_value_shape(x);
  *h = (heads){.batch = shape.dim[0],
               .channels = shape.dim[1],
               .steps = shape.dim[2],
               .count = o.heads ? o.heads : 1,
               .size = o.size};
  cy_graph *graph = cy_network_graph(net);
  int64_t all;
  if (h->count < 1 || h->size < 0)
    cy_graph_fail(graph, CY_INVALID, "heads must be at least 1 and their size not negative: %lld and %lld",
                  (long long)h->count, (long long)h->size);
  else if (h->size == 0 && h->channels % h->count != 0)
    cy_graph_fail(graph, CY_INVALID, "%lld heads do not divide %lld channels; give the size of a head",
                  (long long)h->count, (long long)h->channels);
  if (cy_graph_failed(graph)) return false;
  if (h->size == 0) h->size = h->channels / h->count;
  if (!cy_mul_i64(h->count, h->size, &all) || !cy_mul_i64(3, all, &all) || !cy_mul_i64(all, h->channels, &all)) {
    cy_graph_fail(graph, CY_INVALID, "%lld heads of %lld for %lld channels are too many", (long long)h->count,
                  (long long)h->size, (long long)h->channels);
    return false;
  }
  return true;
}

/* x [.., inputs] by a weight and a bias of the layer. */
static cy_value project(cy_network *net, cy_value x, const char *weight, const char *bias, int64_t units,
                        const cy_attention_options *o) {
  int64_t inputs = cy_value_shape(x).dim[2];
  cy_initializer start = cy_initializer_or(o->weight, (cy_initializer){.kind = CY_INIT_GLOROT_UNIFORM}, inputs, units);
  cy_value w = cy_network_parameter(net, weight, CY_SHAPE(inputs, units), start, true);
  cy_value y = cy_dot(x, w, (cy_dot_axes){.n_contract = 1, .a_contract = {2}, .b_contract = {0}});
  if (o->no_bias) return y;
  cy_initializer zero = {.kind = CY_INIT_CONSTANT};
  return cy_add(y, cy_network_parameter(net, bias, CY_SHAPE(units), zero, false));
}

/* Queries, keys or values of all heads: [N, T, heads, size]. */
static cy_value part_of(cy_value projected, const heads *h, int part) {
  int64_t width = h->count * h->size;
  cy_value columns = cy_slice_axis(projected, 2, part * width, (part + 1) * width);
  return cy_reshape(columns, CY_SHAPE(h->batch, h->steps, h->count, h->size));
}

/* scores [N, heads, query, key] where the query may look at the key, else NEVER. */
static cy_value masked(cy_value scores, cy_value lengths, bool causal) {
  cy_shape shape = cy_value_shape(scores);
  cy_value never = cy_full(scores.graph, cy_value_dtype(scores), shape, NEVER);
  if (causal) {
    cy_value query = cy_iota(scores.graph, CY_I32, shape, 2), key = cy_iota(scores.graph, CY_I32, shape, 3);
    cy_value seen = cy_le(key, query);
    scores = cy_select(seen, scores, never);
  }
  if (!cy_is_value(lengths)) return scores;
  cy_value valid = cy_sequence_valid(lengths, shape, 0, 3);
  return cy_select(valid, scores, never);
}

static cy_value dropped(cy_network *net, cy_value weights, double rate) {
  return rate > 0 ? cy_dropped(net, weights, rate) : weights;
}

static cy_value attention(cy_network *net, cy_value x, cy_attention_options o) {
  heads h;
  cy_value lengths;
  if (!cy_sequence_takes(net, x) || !cy_sequence_channels(net, "weight", x) || !heads_fit(net, x, o, &h) ||
      !cy_sequence_lengths(net, x, o.lengths, &lengths))
    return cy_none;
  cy_value steps = cy_permute(x, (int[]){0, 2, 1});
  cy_value projected = project(net, steps, "weight", "bias", 3 * h.count * h.size, &o);
  cy_value query = part_of(projected, &h, 0), key = part_of(projected, &h, 1), value = part_of(projected, &h, 2);
  query = cy_mul_scalar(query, 1 / sqrt((double)h.size));
  cy_dot_axes pairs = {
      .n_batch = 2, .a_batch = {0, 2}, .b_batch = {0, 2}, .n_contract = 1, .a_contract = {3}, .b_contract = {3}};
  cy_value weights = cy_softmax(masked(cy_dot(query, key, pairs), lengths, o.causal), 3);
  weights = dropped(net, weights, o.dropout);
  cy_dot_axes looked_up = {
      .n_batch = 2, .a_batch = {0, 1}, .b_batch = {0, 2}, .n_contract = 1, .a_contract = {3}, .b_contract = {1}};
  cy_value y = cy_dot(weights, value, looked_up); /* [N, heads, T, size] */
  y = cy_reshape(cy_permute(y, (int[]){0, 2, 1, 3}), CY_SHAPE(h.batch, h.steps, h.count * h.size));
  y = project(net, y, "output", "output_bias", h.channels, &o);
  return cy_sequence_cut(cy_permute(y, (int[]){0, 2, 1}), lengths);
}

cy_value cy_attention(cy_network *network, cy_value x, cy_attention_options options) {
  cy_network_open(network, "attention", options.name, x);
  return cy_network_close(network, attention(network, x, options));
}
