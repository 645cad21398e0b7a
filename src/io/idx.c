/* IDX, the format of MNIST: two zero bytes, a type, the rank, big-endian 32-bit extents, then the elements
 * (yann.lecun.com/exdb/mnist). Extents are checked against the file before the tensor is made. */
#include "io/atomic.h"
#include "io/npy.h"
#include "tensor/tensor.h"

#include <cauchy/io.h>

#include <stdio.h>
#include <string.h>

/* Element types: their bytes in the file, and the dtype they become. i8 and i16 are widened. */
typedef struct idx_type {
  unsigned char code;
  unsigned char size;
  bool widened;
  cy_dtype dtype;
} idx_type;

static const idx_type types[] = {
    {0x08, 1, false, CY_U8},  {0x09, 1, true, CY_I32},  {0x0b, 2, true, CY_I32},
    {0x0c, 4, false, CY_I32}, {0x0d, 4, false, CY_F32}, {0x0e, 8, false, CY_F64},
};
enum { TYPES = sizeof types / sizeof *types };

static cy_status read_header(cy_source *source, const idx_type **type, cy_shape *shape) {
  unsigned char start[4], extent[4];
  CY_TRY(cy_source_read(source, start, 4, "IDX header"));
  *type = NULL;
  for (int i = 0; i < TYPES; i++)
    if (types[i].code == start[2]) *type = &types[i];
  if (start[0] || start[1] || !*type || start[3] == 0 || start[3] > CY_MAX_RANK)
    return cy_fail(CY_INVALID, "%s: is not an IDX file (it starts with %02x %02x %02x %02x; IDX: 00 00, a type, a "
                   "rank of 1 to %d)", source->name, start[0], start[1], start[2], start[3], CY_MAX_RANK);
  *shape = (cy_shape){.rank = start[3]};
  for (int i = 0; i < shape->rank; i++) {
    CY_TRY(cy_source_read(source, extent, 4, "IDX header"));
    shape->dim[i] = (int64_t)extent[0] << 24 | (int64_t)extent[1] << 16 | (int64_t)extent[2] << 8 | extent[3];
  }
  return CY_OK;
}

/* i8 and i16 to i32, a piece at a time. */
static cy_status read_widened(cy_source *source, int32_t *out, int64_t count, size_t size) {
  unsigned char piece[4096];
  for (int64_t done = 0; done < count;) {
    int64_t n = count - done < (int64_t)(sizeof piece / size) ? count - done : (int64_t)(sizeof piece / size);
    CY_TRY(cy_source_read(source, piece, (size_t)n * size, "IDX elements"));
    for (int64_t i = 0; i < n; i++)
      out[done + i] = size == 1 ? (int8_t)piece[i] : (int16_t)(piece[2 * i] << 8 | piece[2 * i + 1]);
    done += n;
  }
  return CY_OK;
}

static cy_status decode(cy_source *source, cy_tensor **tensor) {
  const idx_type *type;
  cy_shape shape;
  int64_t count;
  cy_tensor *t;
  char what[CY_SHAPE_TEXT + 32], text[CY_SHAPE_TEXT];
  CY_TRY(read_header(source, &type, &shape));
  if (cy_shape_count(shape, &count) != CY_OK) return cy_fail_in(CY_INVALID, "%s", source->name);
  snprintf(what, sizeof what, "%s elements of %d bytes", cy_shape_text(shape, text), type->size);
  CY_TRY(cy_source_claim(source, (uint64_t)count * type->size, what));
  CY_TRY(cy_tensor_create(type->dtype, shape, &t));
  cy_status status = type->widened ? read_widened(source, cy_tensor_data(t), count, type->size)
                                   : cy_source_read(source, cy_tensor_data(t), (size_t)count * type->size, what);
  if (status == CY_OK) status = cy_source_end(source);
  if (status != CY_OK) {
    cy_tensor_free(t);
    return status;
  }
  if (!type->widened && type->size > 1 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
    cy_swap_bytes(cy_tensor_data(t), type->size, count);
  *tensor = t;
  return CY_OK;
}

cy_status cy_idx_load(const char *path, cy_tensor **tensor) {
  cy_source source;
  *tensor = NULL;
  CY_TRY(cy_source_open(path, &source));
  cy_status status = decode(&source, tensor);
  cy_source_close(&source);
  return status;
}

static cy_status write_elements(cy_writer *writer, const cy_tensor *plain, const idx_type *type) {
  unsigned char piece[4096];
  const unsigned char *data = cy_tensor_data(plain);
  size_t left = cy_tensor_bytes(plain);
  while (left) {
    size_t n = left < sizeof piece ? left : sizeof piece;
    memcpy(piece, data, n);
    if (type->size > 1 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
      cy_swap_bytes(piece, type->size, (int64_t)(n / type->size));
    CY_TRY(cy_writer_write(writer, piece, n));
    data += n;
    left -= n;
  }
  return CY_OK;
}

cy_status cy_idx_save(const cy_tensor *tensor, const char *path) {
  const idx_type *type = NULL;
  cy_shape shape = tensor->view.shape;
  unsigned char header[4 + 4 * CY_MAX_RANK];
  const cy_tensor *plain;
  cy_tensor *owned;
  cy_writer writer;
  for (int i = 0; i < TYPES; i++)
    if (!types[i].widened && types[i].dtype == tensor->view.dtype) type = &types[i];
  if (!type || shape.rank == 0)
    return cy_fail(CY_INVALID, "%s: IDX holds u8, i32, f32 and f64 of 1 to %d axes, not %s of %d axes", path,
                   CY_MAX_RANK, cy_dtype_name(tensor->view.dtype), shape.rank);
  memcpy(header, (unsigned char[4]){0, 0, type->code, (unsigned char)shape.rank}, 4);
  for (int i = 0; i < shape.rank; i++) {
    if (shape.dim[i] > UINT32_MAX)
      return cy_fail(CY_INVALID, "%s: IDX extents end at 4294967295, axis %d has %lld", path, i,
                     (long long)shape.dim[i]);
    for (int b = 0; b < 4; b++) header[4 + 4 * i + b] = (unsigned char)(shape.dim[i] >> (24 - 8 * b));
  }
  CY_TRY(cy_row_major_of(tensor, &plain, &owned));
  cy_status status = cy_writer_open(&writer, path);
  if (status == CY_OK) status = cy_writer_write(&writer, header, 4 + 4 * (size_t)shape.rank);
  if (status == CY_OK) status = write_elements(&writer, plain, type);
  if (status == CY_OK) status = cy_writer_commit(&writer);
  cy_writer_close(&writer);
  cy_tensor_free(owned);
  return status;
}
