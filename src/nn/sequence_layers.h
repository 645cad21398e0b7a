/* Build functions and arguments of the sequence layers, for the layer table. */
#ifndef CY_NN_SEQUENCE_LAYERS_H
#define CY_NN_SEQUENCE_LAYERS_H

#include "nn/model.h"

#define CY_SEQUENCE_LAYER(name, about)                                                \
  cy_value cy_build_##name(cy_network *network, cy_value x, const cy_stage *stage);  \
  extern const cy_argument_row cy_##name##_arguments[];
#include "nn/sequence_layers.def"
#undef CY_SEQUENCE_LAYER

#endif
