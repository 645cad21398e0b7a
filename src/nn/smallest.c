/* The smallest input that a model can take, found by building the model for other inputs in graphs of their own: for
 * the error of a window that did not fit, which otherwise would only name the layer. */
#include "graph/graph.h"
#include "nn/model.h"
#include "tensor/tensor.h"

enum { MOST_EXTENT = 1 << 20, MOST_LAYERS = 2000 }; /* some sixty models are built: not worth it for huge ones */

/* True unless a window does not fit into an input of this shape, or the model can't be built at all. */
static bool windows_fit(const cy_model *model, cy_network_options options, cy_shape shape) {
  cy_graph *graph;
  cy_network *network = NULL;
  if (cy_graph_create(&graph) != CY_OK) return false;
  bool fits = false;
  if (cy_network_create(graph, options, &network) == CY_OK) {
    cy_chain_apply(model->chain, network, cy_input(graph, "x", options.dtype, shape));
    fits = !cy_graph_failed(graph) || !cy_network_was_too_small(network);
  }
  cy_network_free(network);
  cy_graph_free(graph);
  return fits;
}

/* Shrinks one spatial axis as far as the others allow. */
static void shrink(const cy_model *model, cy_network_options options, cy_shape *shape, int axis) {
  cy_shape trial = *shape;
  int64_t low = 0, high = shape->dim[axis]; /* low does not fit, high does */
  while (high - low > 1) {
    trial.dim[axis] = low + (high - low) / 2;
    if (windows_fit(model, options, trial)) high = trial.dim[axis];
    else low = trial.dim[axis];
  }
  shape->dim[axis] = high;
}

void cy_model_explain_too_small(const cy_model *model, const cy_network *network, cy_value x) {
  cy_network_options options = {.training = cy_network_training(network), .dtype = cy_network_dtype(network)};
  cy_shape shape = cy_value_shape(x), space = {0};
  char text[CY_SHAPE_TEXT];
  int64_t extent = 1;
  if (cy_network_layer_count(network) > MOST_LAYERS) return;
  for (bool fits = false; !fits; extent *= 2) {
    if (extent > MOST_EXTENT) return;
    for (int i = 2; i < shape.rank; i++) shape.dim[i] = extent;
    fits = windows_fit(model, options, shape);
  }
  for (int i = 2; i < shape.rank; i++) shrink(model, options, &shape, i);
  for (int i = 2; i < shape.rank; i++) space.dim[space.rank++] = shape.dim[i];
  cy_graph_explain(cy_network_graph(network), "; the network needs an input of at least %s",
                   cy_shape_text(space, text));
}
