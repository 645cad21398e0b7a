/* Colours of weights in pictures: the same element of a kernel has the same colour everywhere. */
#ifndef CY_ANALYZE_WEIGHT_COLORS_H
#define CY_ANALYZE_WEIGHT_COLORS_H

#include <cauchy/tensor.h>

/* A colour that can be mixed: lightness and two colour axes of OKLab (Ottosson 2020). */
typedef struct cy_lab {
  double l, a, b;
} cy_lab;

/* Of element index of a weight: hue by the last axis, lightness by the axis before it. turn: another set of hues. */
cy_lab cy_weight_color(cy_shape shape, int64_t index, int turn);
/* Of a number by its size and sign, magnitude being the largest: from white to blue, and to orange if negative. */
cy_lab cy_value_color(double value, double magnitude);
cy_lab cy_mixed_color(cy_lab a, cy_lab b, double share_of_b);
int cy_lab_rgb(cy_lab lab); /* 0xRRGGBB */
int cy_ink_on(cy_lab lab);  /* text that can be read on it */

#endif
