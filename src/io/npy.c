/* NPY: "\x93NUMPY", version, header length, a Python dictionary {'descr': '<f4', 'fortran_order': False, 'shape':
 * (3, 4), }, then the elements (numpy/lib/format.py). The dictionary is parsed strictly; sizes are checked against the
 * source before the tensor is made. */
#include "io/npy.h"

#include "base/memory.h"
#include "io/atomic.h"
#include "tensor/tensor.h"

#include <cauchy/io.h>

#include <stdio.h>
#include <string.h>

enum { MAGIC_BYTES = 6, HEADER_LIMIT = 1 << 16 };
static const char magic[] = "\x93NUMPY";

/* NumPy's letter and size for each dtype. */
static const struct {
  char kind, size;
} codes[CY_DTYPE_COUNT] = {[CY_F32] = {'f', '4'}, [CY_F64] = {'f', '8'}, [CY_I32] = {'i', '4'},
                           [CY_I64] = {'i', '8'}, [CY_U8] = {'u', '1'},  [CY_BOOL] = {'b', '1'}};

static const char native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';

typedef struct layout {
  cy_dtype dtype;
  bool swapped, fortran;
  cy_shape shape;
} layout;

/* ---- the dictionary ---- */

typedef struct cursor {
  const char *at, *end;
} cursor;

static void skip_space(cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

static bool take(cursor *c, const char *word) {
  size_t n = strlen(word);
  skip_space(c);
  if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
  c->at += n;
  return true;
}

/* A quoted word; quotes inside cannot occur in what we understand. */
static bool take_quoted(cursor *c, char *word, size_t size) {
  skip_space(c);
  if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
  const char *start = c->at + 1, *stop = memchr(start, *c->at, (size_t)(c->end - start));
  if (!stop || (size_t)(stop - start) >= size) return false;
  memcpy(word, start, (size_t)(stop - start));
  word[stop - start] = 0;
  c->at = stop + 1;
  return true;
}

static bool take_extent(cursor *c, int64_t *extent) {
  skip_space(c);
  const char *start = c->at;
  for (*extent = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
    if (!cy_mul_i64(*extent, 10, extent) || !cy_add_i64(*extent, *c->at - '0', extent)) return false;
  take(c, "L"); /* Python 2 wrote long integers so */
  return c->at > start;
}

/* "()", "(3,)", "(3, 4)". */
static bool take_shape(cursor *c, cy_shape *shape) {
  *shape = CY_SCALAR;
  if (!take(c, "(")) return false;
  while (!take(c, ")")) {
    if (shape->rank == CY_MAX_RANK || !take_extent(c, &shape->dim[shape->rank])) return false;
    shape->rank++;
    if (take(c, ",")) continue;
    return shape->rank > 1 && take(c, ")");
  }
  return true;
}

static cy_status decode_descr(const char *name, const char *descr, layout *out) {
  bool order = strlen(descr) == 3 && strchr("<>|=", descr[0]);
  for (int d = 0; order && d < CY_DTYPE_COUNT; d++)
    if (descr[1] == codes[d].kind && descr[2] == codes[d].size) {
      out->dtype = (cy_dtype)d;
      out->swapped = cy_dtype_size(out->dtype) > 1 && (descr[0] == '<' || descr[0] == '>') && descr[0] != native;
      return CY_OK;
    }
  return cy_fail(CY_INVALID, "%s: elements are of type '%s'; Cauchy reads f4, f8, i4, i8, u1 and b1", name, descr);
}

static cy_status parse_dictionary(const char *name, const char *text, size_t length, layout *out) {
  cursor c = {text, text + length};
  char key[16], descr[16];
  unsigned seen = 0; /* bits: descr, fortran_order, shape */
  bool good = take(&c, "{");
  while (good && !take(&c, "}")) {
    good = take_quoted(&c, key, sizeof key) && take(&c, ":");
    unsigned bit = 0;
    if (good && strcmp(key, "descr") == 0) {
      bit = 1;
      good = take_quoted(&c, descr, sizeof descr);
    } else if (good && strcmp(key, "fortran_order") == 0) {
      bit = 2;
      out->fortran = take(&c, "True");
      good = out->fortran || take(&c, "False");
    } else if (good && strcmp(key, "shape") == 0) {
      bit = 4;
      good = take_shape(&c, &out->shape);
    }
    good = good && bit && !(seen & bit);
    seen |= bit;
    if (good && !take(&c, ",")) {
      good = take(&c, "}");
      break;
    }
  }
  skip_space(&c);
  if (!good || seen != 7 || c.at != c.end)
    return cy_fail(CY_INVALID, "%s: NPY header is not understood near character %lld (elements of simple type, shape "
                   "of at most %d axes)", name, (long long)(c.at - text), CY_MAX_RANK);
  return decode_descr(name, descr, out);
}

static cy_status read_layout(cy_source *source, layout *out) {
  unsigned char start[MAGIC_BYTES + 2], size[4] = {0};
  char *text;
  CY_TRY(cy_source_read(source, start, sizeof start, "NPY header"));
  if (memcmp(start, magic, MAGIC_BYTES) != 0)
    return cy_fail(CY_INVALID, "%s: is not an NPY file (it does not start with \\x93NUMPY)", source->name);
  int version = start[MAGIC_BYTES];
  if (version < 1 || version > 3 || start[MAGIC_BYTES + 1] != 0)
    return cy_fail(CY_INVALID, "%s: NPY version %d.%d is unknown", source->name, version, start[MAGIC_BYTES + 1]);
  CY_TRY(cy_source_read(source, size, version == 1 ? 2 : 4, "NPY header"));
  uint32_t length = (uint32_t)size[0] | (uint32_t)size[1] << 8 | (uint32_t)size[2] << 16 | (uint32_t)size[3] << 24;
  if (length > HEADER_LIMIT)
    return cy_fail(CY_INVALID, "%s: NPY header of %u bytes is longer than %d", source->name, length, HEADER_LIMIT);
  if (!(text = cy_calloc(length, 1))) return cy_no_memory();
  cy_status status = cy_source_read(source, text, length, "NPY header");
  if (status == CY_OK) status = parse_dictionary(source->name, text, length, out);
  cy_free(text);
  return status;
}

/* ---- the elements ---- */

static void swap(unsigned char *bytes, size_t size) {
  for (size_t i = 0; i < size / 2; i++) {
    unsigned char t = bytes[i];
    bytes[i] = bytes[size - 1 - i];
    bytes[size - 1 - i] = t;
  }
}

void cy_swap_bytes(void *data, size_t size, int64_t count) {
  for (int64_t i = 0; i < count; i++) swap((unsigned char *)data + (size_t)i * size, size);
}

/* Column-major elements with these extents are row-major ones with the extents reversed. */
static cy_status from_fortran(const cy_tensor *reversed, cy_shape shape, cy_tensor **tensor) {
  cy_view view = reversed->view;
  view.shape = shape;
  for (int i = 0; i < shape.rank; i++) view.stride[i] = reversed->view.stride[shape.rank - 1 - i];
  CY_TRY(cy_tensor_create(view.dtype, shape, tensor));
  cy_view_copy(&view, &(*tensor)->view);
  return CY_OK;
}

cy_status cy_npy_decode(cy_source *source, cy_tensor **tensor) {
  layout got;
  char what[CY_SHAPE_TEXT + 32], shape_text[CY_SHAPE_TEXT];
  cy_tensor *read = NULL;
  int64_t count;
  *tensor = NULL;
  CY_TRY(read_layout(source, &got));
  if (cy_shape_count(got.shape, &count) != CY_OK) return cy_fail_in(CY_INVALID, "%s", source->name);
  snprintf(what, sizeof what, "%s elements of shape %s", cy_dtype_name(got.dtype),
           cy_shape_text(got.shape, shape_text));
  size_t size = cy_dtype_size(got.dtype);
  CY_TRY(cy_source_claim(source, (uint64_t)count * size, what));
  cy_shape stored = got.shape;
  for (int i = 0; got.fortran && i < stored.rank; i++) stored.dim[i] = got.shape.dim[stored.rank - 1 - i];
  CY_TRY(cy_tensor_create(got.dtype, stored, &read));
  uint8_t *data = cy_tensor_data(read);
  cy_status status = cy_source_read(source, data, (size_t)count * size, what);
  if (status == CY_OK) status = cy_source_end(source);
  if (status != CY_OK) goto done;
  if (got.swapped) cy_swap_bytes(data, size, count);
  for (int64_t i = 0; got.dtype == CY_BOOL && i < count; i++) data[i] = data[i] != 0;
  if (got.fortran && stored.rank > 1) {
    status = from_fortran(read, got.shape, tensor);
  } else {
    *tensor = read;
    read = NULL;
  }
done:
  cy_tensor_free(read);
  return status;
}

cy_status cy_npy_load(const char *path, cy_tensor **tensor) {
  cy_source source;
  *tensor = NULL;
  CY_TRY(cy_source_open(path, &source));
  cy_status status = cy_npy_decode(&source, tensor);
  cy_source_close(&source);
  return status;
}

/* ---- writing ---- */

cy_status cy_npy_header(cy_dtype dtype, cy_shape shape, char header[CY_NPY_HEADER_MAX], size_t *length) {
  char extents[CY_SHAPE_TEXT] = "";
  size_t n = 0, start = MAGIC_BYTES + 4;
  for (int i = 0; i < shape.rank; i++)
    n += (size_t)snprintf(extents + n, sizeof extents - n, i + 1 < shape.rank || shape.rank == 1 ? "%lld, " : "%lld",
                          (long long)shape.dim[i]);
  if (shape.rank == 1) extents[n - 1] = 0; /* "3," */
  n = (size_t)snprintf(header + start, CY_NPY_HEADER_MAX - start,
                       "{'descr': '%c%c%c', 'fortran_order': False, 'shape': (%s), }",
                       cy_dtype_size(dtype) == 1 ? '|' : native, codes[dtype].kind, codes[dtype].size, extents);
  size_t total = (start + n + 1 + 63) / 64 * 64;
  if (total > CY_NPY_HEADER_MAX) return cy_fail(CY_INVALID, "NPY header of shape (%s) does not fit", extents);
  memset(header + start + n, ' ', total - start - n - 1);
  header[total - 1] = '\n';
  memcpy(header, magic, MAGIC_BYTES);
  header[MAGIC_BYTES] = 1;
  header[MAGIC_BYTES + 1] = 0;
  header[MAGIC_BYTES + 2] = (char)((total - start) & 0xff);
  header[MAGIC_BYTES + 3] = (char)((total - start) >> 8);
  *length = total;
  return CY_OK;
}

cy_status cy_row_major_of(const cy_tensor *tensor, const cy_tensor **plain, cy_tensor **owned) {
  *owned = NULL;
  *plain = tensor;
  if (cy_tensor_is_contiguous(tensor)) return CY_OK;
  CY_TRY(cy_tensor_create(tensor->view.dtype, tensor->view.shape, owned));
  *plain = *owned;
  cy_view_copy(&tensor->view, &(*owned)->view);
  return CY_OK;
}

cy_status cy_npy_save(const cy_tensor *tensor, const char *path) {
  char header[CY_NPY_HEADER_MAX];
  size_t length;
  const cy_tensor *plain;
  cy_tensor *owned;
  cy_writer writer;
  CY_TRY(cy_npy_header(tensor->view.dtype, tensor->view.shape, header, &length));
  CY_TRY(cy_row_major_of(tensor, &plain, &owned));
  cy_status status = cy_writer_open(&writer, path);
  if (status == CY_OK) status = cy_writer_write(&writer, header, length);
  if (status == CY_OK) status = cy_writer_write(&writer, cy_tensor_data(plain), cy_tensor_bytes(plain));
  if (status == CY_OK) status = cy_writer_commit(&writer);
  cy_writer_close(&writer);
  cy_tensor_free(owned);
  return status;
}
