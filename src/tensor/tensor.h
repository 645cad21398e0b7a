/* The inside of tensors: views (data, dtype, shape, strides), which everything that computes works on, and the
 * tensor that may own the data of one. */
#ifndef CY_TENSOR_TENSOR_H
#define CY_TENSOR_TENSOR_H

#include <cauchy/tensor.h>

/* A strided window onto memory. Strides in elements; 0 repeats, negative runs backwards. */
typedef struct cy_view {
  void *data;
  cy_dtype dtype;
  cy_shape shape;
  int64_t stride[CY_MAX_RANK];
} cy_view;

struct cy_tensor {
  cy_view view;
  int64_t count; /* elements */
  void *owned;   /* what to free; NULL if the memory is borrowed */
};

/* Elements of a shape known to be valid (checked when it was made). */
int64_t cy_count(cy_shape shape);
void cy_row_major(cy_shape shape, int64_t stride[CY_MAX_RANK]);
/* Of a dense image [N, C, ...] with its channels side by side. */
void cy_channels_innermost(cy_shape shape, int64_t stride[CY_MAX_RANK]);
bool cy_view_is_contiguous(const cy_view *view);
cy_view cy_view_row_major(void *data, cy_dtype dtype, cy_shape shape);
/* "2x3x4"; "scalar" for rank 0. Returns buffer. */
enum { CY_SHAPE_TEXT = 192 };
char *cy_shape_text(cy_shape shape, char buffer[CY_SHAPE_TEXT]);
bool cy_dtype_is_float(cy_dtype dtype);

double cy_load(const void *data, cy_dtype dtype, int64_t index);
void cy_store(void *data, cy_dtype dtype, int64_t index, double value);

/* dst = src, any strides, converting dtype. Same shapes. */
void cy_view_copy(const cy_view *src, const cy_view *dst);
/* Every element zero. */
void cy_view_clear(const cy_view *view);

/* Walks the row-major index space of a shape: for (cy_walk w = cy_walk_start(s); w.more; cy_walk_next(&w)).
 * offset() gives where a view's element lies. */
typedef struct cy_walk {
  cy_shape shape;
  int64_t index[CY_MAX_RANK];
  bool more;
} cy_walk;
cy_walk cy_walk_start(cy_shape shape);
void cy_walk_next(cy_walk *walk);
int64_t cy_walk_offset(const cy_walk *walk, const int64_t stride[CY_MAX_RANK]);

#endif
