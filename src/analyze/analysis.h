/* An analysis, the inside: the network built for inference on one sample, and what was read off it. */
#ifndef CY_ANALYZE_ANALYSIS_H
#define CY_ANALYZE_ANALYSIS_H

#include "base/memory.h"
#include "graph/graph.h"

#include <cauchy/analyze.h>

struct cy_analysis {
  cy_arena *arena; /* names and facts */
  cy_graph *graph;
  cy_network *network;
  cy_shape sample;
  cy_value input, output;
  int n_layers;
  cy_layer_facts *layers;
  cy_value *layer_in, *layer_out;
  int32_t *owner; /* per node of the graph: the innermost layer that made it; -1: none, or not needed */
  cy_analysis_totals totals;
};

/* [1, sample...] and back. */
cy_shape cy_batch_shape(int64_t batch, cy_shape sample);
cy_shape cy_example_shape(cy_shape batch);
/* Builds the model on an input "x" in a new graph; *output is empty after an error. */
cy_status cy_build_for_analysis(const cy_model *model, cy_shape batch, cy_network_options options, cy_graph **graph,
                                cy_network **network, cy_value *input, cy_value *output);
/* The node that does a layer's work: its convolution, pooling or product; NULL if there is none, or other layers do it. */
const cy_node *cy_layer_work(const cy_analysis *analysis, int layer);

#endif
