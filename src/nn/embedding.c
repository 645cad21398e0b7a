/* Embedding: whole numbers (characters, words) to trained vectors, and the check of their range, which costs of indices
 * outside of it cannot be missed. */
#include "nn/sequence.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <math.h>

cy_value cy_index_check(cy_value indices, int64_t count, cy_dtype dtype) {
  if (!cy_is_value(indices)) return cy_none;
  cy_shape shape = cy_value_shape(indices);
  cy_value zero = cy_full(indices.graph, dtype, shape, 0), bad = cy_full(indices.graph, dtype, shape, (double)NAN);
  cy_value end = cy_full(indices.graph, cy_value_dtype(indices), shape, (double)count);
  cy_value below = cy_lt(indices, end), start = cy_zeros_like(indices);
  below = cy_select(below, zero, bad);
  cy_value above = cy_ge(indices, start);
  return cy_select(above, below, bad);
}

/* Whole numbers as they are; numbers of the network's dtype lose what is behind the point. */
static bool takes_indices(cy_network *net, cy_value x) {
  cy_graph *graph = cy_network_graph(net);
  char received[CY_RECEIVED_TEXT];
  if (cy_graph_failed(graph)) return false;
  if (!cy_is_value(x) || x.graph != graph) {
    cy_graph_fail(graph, CY_INVALID, "its input is %s", cy_is_value(x) ? "a value of another graph" : "missing");
    return false;
  }
  cy_dtype dtype = cy_value_dtype(x);
  if (dtype != CY_I32 && dtype != CY_I64 && dtype != cy_network_dtype(net))
    cy_graph_fail(graph, CY_INVALID, "expects whole numbers (i32 or i64) but receives %s", cy_dtype_name(dtype));
  else if (cy_value_shape(x).rank != 2 && cy_value_shape(x).rank != 1)
    cy_graph_fail(graph, CY_INVALID, "expects one whole number per step, such as an example of 100, but receives %s",
                  cy_network_received(net, x, received));
  return !cy_graph_failed(graph);
}

static cy_value embedding(cy_network *net, cy_value x, cy_embedding_options o) {
  if (!takes_indices(net, x)) return cy_none;
  if (o.vocabulary < 1 || o.size < 1) {
    cy_graph_fail(cy_network_graph(net), CY_INVALID, "%s must be at least 1, not %lld",
                  o.vocabulary < 1 ? "vocabulary" : "size", (long long)(o.vocabulary < 1 ? o.vocabulary : o.size));
    return cy_none;
  }
  cy_initializer start =
      cy_initializer_or(o.weight, (cy_initializer){.kind = CY_INIT_NORMAL, .b = 1}, o.vocabulary, o.size);
  cy_value weight = cy_network_parameter(net, "weight", CY_SHAPE(o.vocabulary, o.size), start, true);
  cy_dtype dtype = cy_value_dtype(x);
  if (dtype != CY_I32 && dtype != CY_I64) x = cy_convert(cy_floor(x), CY_I64);
  cy_value found = cy_gather(weight, x, 0, 0), check = cy_index_check(x, o.vocabulary, cy_network_dtype(net));
  if (!cy_is_value(found)) return cy_none;
  cy_shape shape = cy_value_shape(found), along = shape;
  along.dim[shape.rank - 1] = 1;
  found = cy_add(found, cy_reshape(check, along));
  return shape.rank == 3 ? cy_permute(found, (int[]){0, 2, 1}) : found;
}

cy_value cy_embedding(cy_network *network, cy_value x, cy_embedding_options options) {
  cy_network_open(network, "embedding", options.name, x);
  return cy_network_close(network, embedding(network, x, options));
}
