/* Convolutions without columns. With channels innermost, what a window sees of one row of x is contiguous, and the next
 * window begins a fixed step further: the windows of a row of y are rows of a matrix as they lie, one matrix for each row
 * of the kernel, and the tiles of gemm_kernel.c multiply them, run after run. This is what the three roles
 * (convolution_direct_y.c, _x.c, _w.c) share: the axes, images copied where windows hang over their ends, and panels of
 * columns cut into tiles. f32, one group, one or two spatial axes; a sequence is an image of one row. */
#ifndef CY_BACKEND_CPU_CONVOLUTION_DIRECT_H
#define CY_BACKEND_CPU_CONVOLUTION_DIRECT_H

#include "backend/cpu/convolution.h"
#include "backend/cpu/gemm_kernel.h"

/* Images are [row, column, channel]. Steps in memory are in elements. */
typedef struct cy_direct {
  cy_convolution_problem p;
  int threads;
  const cy_gemm_kernels *kernels;
  int64_t height, width, rows, columns; /* of x; of y */
  int64_t kernel_rows, kernel_columns, row_stride, column_stride, row_dilation, column_dilation, top, left;
  int64_t x_row, x_column, y_row, y_column, w_row, w_column;
  int64_t panel;     /* columns of a tile: filters or channels */
  bool copies;       /* an image is copied before its windows are read, */
  int64_t strip;     /* to rows of so many elements */
  size_t copy_bytes; /* of an image */
} cy_direct;

/* Places of y from which a place of the kernel sees x rather than what lies around it. */
typedef struct cy_direct_span {
  int64_t first, end;
} cy_direct_span;

typedef struct cy_direct_image {
  const float *at;
  int64_t row, column;
} cy_direct_image;

/* What any role asks of a problem: f32, one group, nothing empty. */
bool cy_direct_applies(const cy_convolution_problem *problem);
/* Windows are single places, none of them beside the image. */
bool cy_direct_is_pointwise(const cy_convolution_problem *problem);
/* Of every role's plan. */
void cy_direct_free(void *plan);
const char *cy_direct_name(const void *plan);
void cy_direct_plan(cy_direct *d, const cy_convolution_problem *problem, int threads);
/* Decides that windows are read whole, a row of the kernel at a time, from copies if they must be: column_dilation 1. */
void cy_direct_join(cy_direct *d);
/* The image at x, or its copy. */
cy_direct_image cy_direct_image_of(const cy_direct *d, const float *x, float *copy);

/* Rows of y for which row i of the kernel lies inside, and columns for which its column j does. */
cy_direct_span cy_direct_rows(const cy_direct *d, int64_t i);
cy_direct_span cy_direct_columns(const cy_direct *d, int64_t j);

/* Panels that hold n columns, and how many of them the panel holds whose first is `first`. */
int64_t cy_direct_panels(const cy_direct *d, int64_t n);
int64_t cy_direct_used(const cy_direct *d, int64_t n, int64_t first);
/* n rows of c and `used` columns, in tiles as equal as can be. */
void cy_direct_tiles(const cy_direct *d, cy_tile tile, int64_t n, int64_t used);

#endif
