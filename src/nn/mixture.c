/* The last layer of a mixture of logistic regressions (coursework A2): p(y = 1 | x) = sum_k pi_k sigmoid(z_k). The
 * shares pi are the softmax of a trained parameter, so that they stay on the simplex; both classes are computed as
 * logarithms, so that neither probability is ever rounded to zero. */
#include "nn/network.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>

static bool mixture_is_valid(cy_network *net, cy_value z) {
  char received[CY_RECEIVED_TEXT];
  cy_graph *graph = cy_network_graph(net);
  cy_shape shape = cy_value_shape(z), declared = cy_network_declared_shape(net, "mixing");
  if (shape.rank != 2 || shape.dim[1] < 1)
    cy_graph_fail(graph, CY_INVALID, "expects one number per component but receives %s",
                  cy_network_received(net, z, received));
  else if (declared.rank == 1 && declared.dim[0] != shape.dim[1])
    cy_graph_fail(graph, CY_INVALID, "expects %lld components but receives %s", (long long)declared.dim[0],
                  cy_network_received(net, z, received));
  return !cy_graph_failed(graph);
}

/* log sum_k pi_k sigmoid(z_k), where -log sigmoid(z) = softplus(-z): [N, 1]. */
static cy_value log_probability(cy_value log_shares, cy_value minus_z) {
  return cy_logsumexp(cy_sub(log_shares, cy_softplus(minus_z)), 1, true);
}

static cy_value mixture(cy_network *net, cy_value z, cy_mixture_options o) {
  if (!cy_network_takes(net, z, 1) || !mixture_is_valid(net, z)) return cy_none;
  int64_t components = cy_value_shape(z).dim[1];
  cy_initializer equal = {.kind = CY_INIT_CONSTANT};
  cy_initializer start = cy_initializer_or(o.mixing, equal, components, components);
  cy_value mixing = cy_network_parameter(net, "mixing", CY_SHAPE(components), start, false);
  cy_value log_shares = cy_log_softmax(mixing, 0);
  cy_value classes[2];
  classes[0] = log_probability(log_shares, z);
  classes[1] = log_probability(log_shares, cy_neg(z));
  return o.logit ? cy_sub(classes[1], classes[0]) : cy_concat(classes, 2, 1);
}

cy_value cy_mixture(cy_network *network, cy_value z, cy_mixture_options options) {
  cy_network_open(network, "mixture", options.name, z);
  return cy_network_close(network, mixture(network, z, options));
}
