/* Tensors: dtype, shape, strides, data. A tensor owns its memory (create) or borrows it (wrap).
 * Extents and strides are counted in elements, row-major unless strides say otherwise. */
#ifndef CAUCHY_TENSOR_H
#define CAUCHY_TENSOR_H

#include <cauchy/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cy_dtype { CY_F32, CY_F64, CY_I32, CY_I64, CY_U8, CY_BOOL } cy_dtype;
enum { CY_DTYPE_COUNT = 6, CY_MAX_RANK = 8 };

/* "f32", "f64", "i32", "i64", "u8", "bool". */
CY_API const char *cy_dtype_name(cy_dtype dtype);
CY_API size_t cy_dtype_size(cy_dtype dtype); /* bytes per element */

/* A shape by value. Rank 0 is a scalar: one element. */
typedef struct cy_shape {
  int rank;
  int64_t dim[CY_MAX_RANK];
} cy_shape;

/* CY_SHAPE(32, 784) in C and in C++; CY_SCALAR for rank 0. */
#define CY_COUNT_ARGS_(a1, a2, a3, a4, a5, a6, a7, a8, n, ...) n
#define CY_COUNT_ARGS(...) CY_COUNT_ARGS_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#ifdef __cplusplus
#define CY_SHAPE(...) (cy_shape{CY_COUNT_ARGS(__VA_ARGS__), {__VA_ARGS__}})
#define CY_SCALAR (cy_shape{0, {0}})
#else
#define CY_SHAPE(...) ((cy_shape){CY_COUNT_ARGS(__VA_ARGS__), {__VA_ARGS__}})
#define CY_SCALAR ((cy_shape){0, {0}})
#endif

CY_API bool cy_shape_equal(cy_shape a, cy_shape b);
/* Number of elements. Fails if it, or its bytes at 8 per element, exceeds 2^63 - 1, or an extent is negative. */
CY_API CY_MUST_CHECK cy_status cy_shape_count(cy_shape shape, int64_t *count);

typedef struct cy_tensor cy_tensor;

/* New zero-filled row-major tensor, 64-byte aligned. Free with cy_tensor_free. */
CY_API CY_MUST_CHECK cy_status cy_tensor_create(cy_dtype dtype, cy_shape shape, cy_tensor **tensor);
/* Borrows data, which must outlive the tensor. strides (elements, may be NULL for row-major). */
CY_API CY_MUST_CHECK cy_status cy_tensor_wrap(cy_dtype dtype, cy_shape shape, const int64_t *strides, void *data,
                                              cy_tensor **tensor);
CY_API void cy_tensor_free(cy_tensor *tensor); /* NULL is allowed */

CY_API cy_dtype cy_tensor_dtype(const cy_tensor *tensor);
CY_API cy_shape cy_tensor_shape(const cy_tensor *tensor);
CY_API int64_t cy_tensor_count(const cy_tensor *tensor); /* elements */
CY_API size_t cy_tensor_bytes(const cy_tensor *tensor);  /* bytes of its elements */
CY_API int64_t cy_tensor_stride(const cy_tensor *tensor, int axis);
CY_API bool cy_tensor_is_contiguous(const cy_tensor *tensor);
CY_API bool cy_tensor_owns_data(const cy_tensor *tensor);

/* The first element. NULL only for a tensor without elements. The typed forms return NULL on another dtype. */
CY_API void *cy_tensor_data(const cy_tensor *tensor);
CY_API float *cy_tensor_f32(const cy_tensor *tensor);
CY_API double *cy_tensor_f64(const cy_tensor *tensor);
CY_API int32_t *cy_tensor_i32(const cy_tensor *tensor);
CY_API int64_t *cy_tensor_i64(const cy_tensor *tensor);
CY_API uint8_t *cy_tensor_u8(const cy_tensor *tensor); /* u8 and bool */

/* dst = src, element by element, converting dtype, whatever the strides. Shapes must be equal. */
CY_API CY_MUST_CHECK cy_status cy_tensor_copy(const cy_tensor *src, cy_tensor *dst);
/* Element number i in row-major order, converted to double. */
CY_API double cy_tensor_at(const cy_tensor *tensor, int64_t i);
CY_API void cy_tensor_set(cy_tensor *tensor, int64_t i, double value);

/* ---- state: the named tensors that outlive a run --------------------------------------------------------
 * Parameters, optimiser slots, running statistics, step counter, random key. Tensors of one role and dtype
 * lie next to each other in one buffer, in the order they were declared. */
typedef struct cy_state cy_state;

typedef enum cy_role {
  CY_PARAMETER,  /* trained */
  CY_BUFFER,     /* part of the model, not trained: running statistics */
  CY_OPTIMIZER,  /* needed to resume, not to predict: moments, counters */
} cy_role;

CY_API CY_MUST_CHECK cy_status cy_state_create(cy_state **state);
CY_API void cy_state_free(cy_state *state);
/* Declares a zero tensor. A name declared before must have the same dtype, shape and role: then nothing happens.
 * Declaring after cy_state_allocate fails. */
CY_API CY_MUST_CHECK cy_status cy_state_declare(cy_state *state, const char *name, cy_role role, cy_dtype dtype,
                                                cy_shape shape);
/* Lays out everything declared so far in flat zeroed buffers (one per role and dtype). Call once. */
CY_API CY_MUST_CHECK cy_status cy_state_allocate(cy_state *state);
/* Bytes of the tensors of a role, allocated or not; SIZE_MAX if that does not fit. */
CY_API size_t cy_state_bytes(const cy_state *state, cy_role role);
CY_API int cy_state_count(const cy_state *state);
CY_API const char *cy_state_name(const cy_state *state, int i);
CY_API cy_role cy_state_role(const cy_state *state, int i);
CY_API cy_tensor *cy_state_tensor(const cy_state *state, int i); /* borrowed; NULL before allocate */
CY_API cy_tensor *cy_state_find(const cy_state *state, const char *name); /* NULL if unknown */

#ifdef __cplusplus
}
#endif
#endif
