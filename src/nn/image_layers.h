/* Build functions and arguments of the image layers, for the layer table. */
#ifndef CY_NN_IMAGE_LAYERS_H
#define CY_NN_IMAGE_LAYERS_H

#include "nn/model.h"

#define CY_IMAGE_LAYER(name, scope, about)                                                 \
  cy_value cy_build_##name(cy_network *network, cy_value x, const cy_stage *stage);       \
  extern const cy_argument_row cy_##name##_arguments[];
#include "nn/image_layers.def"
#undef CY_IMAGE_LAYER

#endif
