/* Build functions and arguments of the image layers, for the layer table. */
#ifndef CY_NN_IMAGE_LAYERS_H
#define CY_NN_IMAGE_LAYERS_H

#include "nn/model.h"

#define CY_IMAGE_LAYER(name, scope, about)                                                 \
  cy_value cy_build_##name(cy_network *network, cy_value x, const cy_stage *stage);       \
  extern const cy_argument_row cy_##name##_arguments[];
#include "nn/image_layers.def"
#undef CY_IMAGE_LAYER

/* Numbers per spatial axis as option structs hold them; none: zeros. */
void cy_argument_space(const cy_argument *argument, int64_t out[CY_MAX_SPACE]);
extern const char *const cy_pad_modes[]; /* in the order of cy_pad_mode */
#define CY_PAD_MODE_ARGUMENT                                                                              \
  {.name = "mode", .type = CY_ARGUMENT_CHOICE, .fallback = "zeros", .choices = cy_pad_modes,              \
   .about = "what the padding holds"}

#endif
