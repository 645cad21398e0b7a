/* The convolution that a kernel is asked for: one trilinear form, three roles, operands of any strides. Filled in by
 * convolution.c from an instruction; read by the library's adapter and by our own kernel. */
#ifndef CY_BACKEND_CPU_CONVOLUTION_H
#define CY_BACKEND_CPU_CONVOLUTION_H

#include "ops/window.h"

typedef struct cy_convolution_problem {
  cy_dtype dtype; /* CY_F32 or CY_F64 */
  cy_convolution_role role; /* which operand is the result */
  int space;                /* 1 to 3 spatial axes */
  int64_t batch, groups, channels, filters; /* channels of x and of y, of all groups together */
  int64_t size[CY_MAX_SPACE], extent[CY_MAX_SPACE]; /* of x and of y */
  int64_t kernel[CY_MAX_SPACE], stride[CY_MAX_SPACE], dilation[CY_MAX_SPACE], low[CY_MAX_SPACE], high[CY_MAX_SPACE];
  int64_t x_stride[2 + CY_MAX_SPACE], y_stride[2 + CY_MAX_SPACE]; /* elements: batch, channel, space */
  int64_t w_stride[2 + CY_MAX_SPACE];                             /* filter, channel of the group, space */
  bool still; /* w holds still: what is made of it once serves all runs */
  bool bias; /* role y: + bias[filter]; role w: its gradient is computed too. Contiguous */
  bool relu; /* role y: max(., 0) at last; NaN stays. The library and columns leave it to convolution.c */
} cy_convolution_problem;

/* The addresses for one run; only the role's own and the bias gradient are written. */
typedef struct cy_convolution_operands {
  void *x, *w, *y, *bias;
  bool packed; /* w comes from a plan's packing, not as the problem says */
} cy_convolution_operands;

#endif
