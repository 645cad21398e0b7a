#include "tensor/tensor.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *cy_dtype_name(cy_dtype dtype) {
  static const char *const names[CY_DTYPE_COUNT] = {"f32", "f64", "i32", "i64", "u8", "bool"};
  return (unsigned)dtype < CY_DTYPE_COUNT ? names[dtype] : "unknown";
}

size_t cy_dtype_size(cy_dtype dtype) {
  static const size_t sizes[CY_DTYPE_COUNT] = {4, 8, 4, 8, 1, 1};
  return (unsigned)dtype < CY_DTYPE_COUNT ? sizes[dtype] : 0;
}

bool cy_dtype_is_float(cy_dtype dtype) { return dtype == CY_F32 || dtype == CY_F64; }

bool cy_shape_equal(cy_shape a, cy_shape b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank && i < CY_MAX_RANK; i++)
    if (a.dim[i] != b.dim[i]) return false;
  return true;
}

char *cy_shape_text(cy_shape shape, char buffer[CY_SHAPE_TEXT]) {
  if (shape.rank == 0) return strcpy(buffer, "scalar");
  size_t n = 0;
  for (int i = 0; i < shape.rank && i < CY_MAX_RANK; i++)
    n += (size_t)snprintf(buffer + n, CY_SHAPE_TEXT - n, i ? "x%lld" : "%lld", (long long)shape.dim[i]);
  return buffer;
}

cy_status cy_shape_count(cy_shape shape, int64_t *count) {
  char text[CY_SHAPE_TEXT];
  if (shape.rank < 0 || shape.rank > CY_MAX_RANK)
    return cy_fail(CY_INVALID, "a shape has 0 to %d axes, not %d", CY_MAX_RANK, shape.rank);
  int64_t n = 1, most = 1; /* most ignores empty axes: strides multiply them too */
  for (int i = 0; i < shape.rank; i++) {
    int64_t d = shape.dim[i];
    if (d < 0)
      return cy_fail(CY_INVALID, "shape %s: extent %lld is negative", cy_shape_text(shape, text), (long long)d);
    if (!cy_mul_i64(most, d ? d : 1, &most) || most > INT64_MAX / 8)
      return cy_fail(CY_INVALID, "shape %s has more elements than memory can address", cy_shape_text(shape, text));
    n *= d;
  }
  *count = n;
  return CY_OK;
}

int64_t cy_count(cy_shape shape) {
  int64_t n = 1;
  for (int i = 0; i < shape.rank; i++) n *= shape.dim[i];
  return n;
}

void cy_row_major(cy_shape shape, int64_t stride[CY_MAX_RANK]) {
  int64_t step = 1;
  for (int i = shape.rank - 1; i >= 0; i--) {
    stride[i] = step;
    step *= shape.dim[i] ? shape.dim[i] : 1;
  }
}

void cy_channels_innermost(cy_shape shape, int64_t stride[CY_MAX_RANK]) {
  int64_t step = shape.dim[1];
  stride[1] = 1;
  for (int i = shape.rank - 1; i >= 0; i--) {
    if (i == 1) continue;
    stride[i] = step;
    step *= shape.dim[i];
  }
}

bool cy_view_is_contiguous(const cy_view *view) {
  int64_t step = 1;
  if (cy_count(view->shape) <= 1) return true;
  for (int i = view->shape.rank - 1; i >= 0; i--) {
    if (view->shape.dim[i] != 1 && view->stride[i] != step) return false;
    step *= view->shape.dim[i];
  }
  return true;
}

cy_view cy_view_row_major(void *data, cy_dtype dtype, cy_shape shape) {
  cy_view view = {.data = data, .dtype = dtype, .shape = shape};
  cy_row_major(shape, view.stride);
  return view;
}

/* ---- elements ---- */

double cy_load(const void *data, cy_dtype dtype, int64_t i) {
  switch (dtype) {
    case CY_F32: return ((const float *)data)[i];
    case CY_F64: return ((const double *)data)[i];
    case CY_I32: return ((const int32_t *)data)[i];
    case CY_I64: return (double)((const int64_t *)data)[i];
    case CY_U8: case CY_BOOL: return ((const uint8_t *)data)[i];
  }
  return 0;
}

/* Out of range saturates and NaN gives zero: C leaves both undefined. */
static int64_t to_integer(double v, int64_t low, int64_t high) {
  if (isnan(v)) return 0;
  return v <= (double)low ? low : v >= (double)high ? high : (int64_t)v;
}

void cy_store(void *data, cy_dtype dtype, int64_t i, double v) {
  switch (dtype) {
    case CY_F32: ((float *)data)[i] = (float)v; break;
    case CY_F64: ((double *)data)[i] = v; break;
    case CY_I32: ((int32_t *)data)[i] = (int32_t)to_integer(v, INT32_MIN, INT32_MAX); break;
    case CY_I64: ((int64_t *)data)[i] = to_integer(v, INT64_MIN, INT64_MAX); break;
    case CY_U8: ((uint8_t *)data)[i] = (uint8_t)to_integer(v, 0, 255); break;
    case CY_BOOL: ((uint8_t *)data)[i] = v != 0; break;
  }
}

/* ---- walking and copying ---- */

cy_walk cy_walk_start(cy_shape shape) { return (cy_walk){.shape = shape, .more = cy_count(shape) > 0}; }

void cy_walk_next(cy_walk *walk) {
  for (int i = walk->shape.rank - 1; i >= 0; i--) {
    if (++walk->index[i] < walk->shape.dim[i]) return;
    walk->index[i] = 0;
  }
  walk->more = false;
}

int64_t cy_walk_offset(const cy_walk *walk, const int64_t stride[CY_MAX_RANK]) {
  int64_t offset = 0;
  for (int i = 0; i < walk->shape.rank; i++) offset += walk->index[i] * stride[i];
  return offset;
}

/* Two views of one shape with as few axes as their strides allow: in the order of the second's memory, outermost first;
 * extents of 1 are left out, neighbours that lie one inside the other in both views are joined. */
typedef struct pair {
  int rank;
  int64_t dim[CY_MAX_RANK], from[CY_MAX_RANK], to[CY_MAX_RANK];
} pair;

static int64_t distance(int64_t stride) { return stride < 0 ? -stride : stride; }

/* Axes of extent other than 1, by falling strides of dst; equal ones keep their order. */
static int sorted_axes(const cy_view *dst, int axes[CY_MAX_RANK]) {
  int n = 0;
  for (int i = 0; i < dst->shape.rank; i++) {
    if (dst->shape.dim[i] == 1) continue;
    int k = n++;
    for (; k > 0 && distance(dst->stride[axes[k - 1]]) < distance(dst->stride[i]); k--) axes[k] = axes[k - 1];
    axes[k] = i;
  }
  return n;
}

static pair joined(const cy_view *src, const cy_view *dst) {
  pair p = {0};
  int axes[CY_MAX_RANK], n = sorted_axes(dst, axes);
  for (int i = 0; i < n; i++) {
    int64_t dim = src->shape.dim[axes[i]], from = src->stride[axes[i]], to = dst->stride[axes[i]];
    int last = p.rank - 1;
    if (last >= 0 && p.from[last] == from * dim && p.to[last] == to * dim) {
      p.dim[last] *= dim;
      p.from[last] = from;
      p.to[last] = to;
    } else {
      p.dim[p.rank] = dim;
      p.from[p.rank] = from;
      p.to[p.rank++] = to;
    }
  }
  if (p.rank == 0) p = (pair){.rank = 1, .dim = {1}, .from = {1}, .to = {1}};
  return p;
}

/* If each side has its neighbours along another axis: makes src's the last but one, dst's being the last. */
static bool is_transposition(pair *p) {
  int last = p->rank - 1, k = 0;
  while (k < last && p->from[k] != 1) k++;
  if (k == last || p->to[last] != 1) return false;
  int64_t *const fields[] = {p->dim, p->from, p->to};
  for (int i = 0; i < 3; i++) {
    int64_t kept = fields[i][k];
    for (int j = k; j < last - 1; j++) fields[i][j] = fields[i][j + 1];
    fields[i][last - 1] = kept;
  }
  return true;
}

#define STRIDED_COPY(T) \
  for (int64_t i = 0; i < n; i++) ((T *)to)[i * to_step] = ((const T *)from)[i * from_step]

/* n elements along one axis, of one dtype. */
static void copy_line(const void *from, int64_t from_step, void *to, int64_t to_step, int64_t n, size_t size) {
  if (from_step == 1 && to_step == 1)
    memmove(to, from, (size_t)n * size);
  else if (size == 4)
    STRIDED_COPY(uint32_t);
  else if (size == 8)
    STRIDED_COPY(uint64_t);
  else
    STRIDED_COPY(uint8_t);
}

/* to[j * to_step + i] = from[i * from_step + j] for i < rows, j < columns; few columns at a time, whose lines
 * stay in the cache even where they are a power of two apart. */
#define TRANSPOSED_COPY(T)                                                                                        \
  for (int64_t first = 0; first < columns; first += 8)                                                            \
    for (int64_t i = 0; i < rows; i++)                                                                            \
      for (int64_t j = first; j < columns && j < first + 8; j++)                                                  \
        ((T *)to)[j * to_step + i] = ((const T *)from)[i * from_step + j]

static void copy_transposed(const void *from, int64_t from_step, void *to, int64_t to_step, int64_t rows,
                            int64_t columns, size_t size) {
  if (size == 4)
    TRANSPOSED_COPY(uint32_t);
  else if (size == 8)
    TRANSPOSED_COPY(uint64_t);
  else
    TRANSPOSED_COPY(uint8_t);
}

static void convert_line(const void *from, cy_dtype from_type, int64_t from_step, void *to, cy_dtype to_type,
                         int64_t to_step, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (from_type == CY_I64 && to_type == CY_I32) /* the low bits, not through double */
      ((int32_t *)to)[i * to_step] = (int32_t)((const int64_t *)from)[i * from_step];
    else
      cy_store(to, to_type, i * to_step, cy_load(from, from_type, i * from_step));
}

void cy_view_copy(const cy_view *src, const cy_view *dst) {
  int64_t from_size = (int64_t)cy_dtype_size(src->dtype), to_size = (int64_t)cy_dtype_size(dst->dtype);
  if (cy_count(src->shape) == 0) return;
  pair p = joined(src, dst);
  bool transposed = src->dtype == dst->dtype && is_transposition(&p);
  int inner = p.rank - 1;
  cy_shape outer = {.rank = transposed ? inner - 1 : inner};
  for (int i = 0; i < outer.rank; i++) outer.dim[i] = p.dim[i];
  for (cy_walk w = cy_walk_start(outer); w.more; cy_walk_next(&w)) {
    const char *from = (const char *)src->data + cy_walk_offset(&w, p.from) * from_size;
    char *to = (char *)dst->data + cy_walk_offset(&w, p.to) * to_size;
    if (transposed)
      copy_transposed(from, p.from[inner], to, p.to[inner - 1], p.dim[inner], p.dim[inner - 1], (size_t)from_size);
    else if (src->dtype == dst->dtype)
      copy_line(from, p.from[inner], to, p.to[inner], p.dim[inner], (size_t)from_size);
    else
      convert_line(from, src->dtype, p.from[inner], to, dst->dtype, p.to[inner], p.dim[inner]);
  }
}

void cy_view_clear(const cy_view *view) {
  int64_t size = (int64_t)cy_dtype_size(view->dtype);
  if (cy_count(view->shape) == 0) return;
  pair p = joined(view, view);
  int inner = p.rank - 1;
  cy_shape outer = {.rank = inner};
  for (int i = 0; i < inner; i++) outer.dim[i] = p.dim[i];
  for (cy_walk w = cy_walk_start(outer); w.more; cy_walk_next(&w)) { /* zero is all bits zero in every dtype */
    char *line = (char *)view->data + cy_walk_offset(&w, p.to) * size;
    if (p.to[inner] == 1)
      memset(line, 0, (size_t)(p.dim[inner] * size));
    else
      for (int64_t i = 0; i < p.dim[inner]; i++) memset(line + i * p.to[inner] * size, 0, (size_t)size);
  }
}

/* ---- tensors ---- */

static cy_status make(cy_dtype dtype, cy_shape shape, cy_tensor **out) {
  int64_t count;
  *out = NULL;
  if ((unsigned)dtype >= CY_DTYPE_COUNT) return cy_fail(CY_INVALID, "%d is not a dtype", (int)dtype);
  CY_TRY(cy_shape_count(shape, &count));
  cy_tensor *t = cy_calloc(1, sizeof *t);
  if (!t) return cy_no_memory();
  t->view = cy_view_row_major(NULL, dtype, shape);
  t->count = count;
  *out = t;
  return CY_OK;
}

cy_status cy_tensor_create(cy_dtype dtype, cy_shape shape, cy_tensor **tensor) {
  cy_tensor *t;
  char text[CY_SHAPE_TEXT];
  *tensor = NULL;
  CY_TRY(make(dtype, shape, &t));
  size_t bytes = cy_tensor_bytes(t);
  t->owned = t->view.data = cy_alloc_aligned(bytes);
  if (!t->owned) {
    cy_free(t);
    return cy_fail(CY_NO_MEMORY, "out of memory for a %s tensor of shape %s (%zu bytes)", cy_dtype_name(dtype),
                   cy_shape_text(shape, text), bytes);
  }
  memset(t->owned, 0, bytes);
  *tensor = t;
  return CY_OK;
}

cy_status cy_tensor_wrap(cy_dtype dtype, cy_shape shape, const int64_t *strides, void *data, cy_tensor **tensor) {
  cy_tensor *t;
  *tensor = NULL;
  CY_TRY(make(dtype, shape, &t));
  if (strides) memcpy(t->view.stride, strides, (size_t)shape.rank * sizeof *strides);
  t->view.data = data;
  *tensor = t;
  return CY_OK;
}

void cy_tensor_free(cy_tensor *tensor) {
  if (!tensor) return;
  cy_free(tensor->owned);
  cy_free(tensor);
}

cy_dtype cy_tensor_dtype(const cy_tensor *t) { return t->view.dtype; }
cy_shape cy_tensor_shape(const cy_tensor *t) { return t->view.shape; }
int64_t cy_tensor_count(const cy_tensor *t) { return t->count; }
size_t cy_tensor_bytes(const cy_tensor *t) { return (size_t)t->count * cy_dtype_size(t->view.dtype); }
int64_t cy_tensor_stride(const cy_tensor *t, int axis) {
  return axis >= 0 && axis < t->view.shape.rank ? t->view.stride[axis] : 0;
}
bool cy_tensor_is_contiguous(const cy_tensor *t) { return cy_view_is_contiguous(&t->view); }
bool cy_tensor_owns_data(const cy_tensor *t) { return t->owned != NULL; }
void *cy_tensor_data(const cy_tensor *t) { return t->view.data; }
static void *typed(const cy_tensor *t, cy_dtype dtype) { return t->view.dtype == dtype ? t->view.data : NULL; }
float *cy_tensor_f32(const cy_tensor *t) { return typed(t, CY_F32); }
double *cy_tensor_f64(const cy_tensor *t) { return typed(t, CY_F64); }
int32_t *cy_tensor_i32(const cy_tensor *t) { return typed(t, CY_I32); }
int64_t *cy_tensor_i64(const cy_tensor *t) { return typed(t, CY_I64); }
uint8_t *cy_tensor_u8(const cy_tensor *t) { return typed(t, t->view.dtype == CY_BOOL ? CY_BOOL : CY_U8); }

static int64_t offset_of(const cy_tensor *t, int64_t i) {
  int64_t offset = 0;
  for (int a = t->view.shape.rank - 1; a >= 0; a--) {
    offset += i % t->view.shape.dim[a] * t->view.stride[a];
    i /= t->view.shape.dim[a];
  }
  return offset;
}

double cy_tensor_at(const cy_tensor *t, int64_t i) {
  return i >= 0 && i < t->count ? cy_load(t->view.data, t->view.dtype, offset_of(t, i)) : NAN;
}

void cy_tensor_set(cy_tensor *t, int64_t i, double value) {
  if (i >= 0 && i < t->count) cy_store(t->view.data, t->view.dtype, offset_of(t, i), value);
}

cy_status cy_tensor_copy(const cy_tensor *src, cy_tensor *dst) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  if (!cy_shape_equal(src->view.shape, dst->view.shape))
    return cy_fail(CY_INVALID, "copy: source is %s, destination is %s", cy_shape_text(src->view.shape, a),
                   cy_shape_text(dst->view.shape, b));
  cy_view_copy(&src->view, &dst->view);
  return CY_OK;
}
