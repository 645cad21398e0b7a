/* What the operations on windows share: their attributes, and the arithmetic of extents. */
#ifndef CY_OPS_WINDOW_H
#define CY_OPS_WINDOW_H

#include "ops/ops.h"

typedef enum cy_convolution_role { CY_CONVOLUTION_Y, CY_CONVOLUTION_X, CY_CONVOLUTION_W } cy_convolution_role;

/* All fields are filled in for every operation and role: one entry per spatial axis, no zeros for defaults. */
typedef struct cy_window_attrs {
  int64_t role;   /* convolution: which of x, w, y is the result; 0 for the others */
  int64_t groups; /* 1 for the others */
  cy_list size;   /* spatial extents of x */
  cy_list kernel, stride, dilation, low, high;
} cy_window_attrs;
extern const cy_field cy_window_fields[];

/* Extent of y along spatial axis i: floor((size + low + high - dilation (kernel - 1) - 1) / stride) + 1; 0 or less if no window
 * fits. */
int64_t cy_window_extent(const cy_window_attrs *windows, int i);

#endif
