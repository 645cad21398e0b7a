/* safetensors: a 64-bit little-endian header length, a JSON object {name: {dtype, shape, data_offsets}, ...,
 * "__metadata__": {key: string}}, then the elements, little-endian and row-major, without gaps or overlaps
 * (github.com/huggingface/safetensors). Invariant: after open every tensor's dtype, shape and offsets agree with each
 * other and with the file's size. */
#include "base/memory.h"
#include "io/atomic.h"
#include "io/npy.h"
#include "tensor/tensor.h"

#include <cauchy/io.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t header_limit = 100000000; /* as in the reference implementation */
static const char metadata_key[] = "__metadata__";
static const char *const dtype_codes[CY_DTYPE_COUNT] = {"F32", "F64", "I32", "I64", "U8", "BOOL"};

typedef struct entry {
  const char *name; /* in header */
  cy_dtype dtype;
  cy_shape shape;
  uint64_t begin, bytes; /* in the data part */
} entry;

struct cy_safetensors {
  char *path;
  int fd;
  json_t *header; /* owns every name, key and value */
  entry *entries;
  int count;
  cy_metadata *metadata;
  int metadata_count;
  uint64_t data_start, data_bytes;
};

/* ---- reading ---- */

static cy_status read_at(const cy_safetensors *f, void *buffer, uint64_t bytes, uint64_t offset) {
  char *to = buffer;
  while (bytes) {
    ssize_t n = pread(f->fd, to, bytes < 1u << 30 ? (size_t)bytes : (size_t)1 << 30, (off_t)offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cy_fail(CY_IO, "%s: cannot read: %s", f->path, strerror(errno));
    if (n == 0) return cy_fail(CY_INVALID, "%s: ends after %llu bytes", f->path, (unsigned long long)offset);
    to += n;
    bytes -= (uint64_t)n;
    offset += (uint64_t)n;
  }
  return CY_OK;
}

static cy_status bad_entry(const cy_safetensors *f, const char *name, const char *what) {
  return cy_fail(CY_INVALID, "%s: tensor \"%.100s\": %s", f->path, name, what);
}

static cy_status read_dtype(const cy_safetensors *f, const char *name, const json_t *object, cy_dtype *dtype) {
  const char *code = json_string_value(json_object_get(object, "dtype"));
  if (!code) return bad_entry(f, name, "has no dtype");
  for (int d = 0; d < CY_DTYPE_COUNT; d++)
    if (strcmp(code, dtype_codes[d]) == 0) {
      *dtype = (cy_dtype)d;
      return CY_OK;
    }
  return cy_fail(CY_INVALID, "%s: tensor \"%.100s\" has dtype %.20s; Cauchy reads F32, F64, I32, I64, U8 and BOOL",
                 f->path, name, code);
}

static cy_status read_entry(const cy_safetensors *f, const char *name, const json_t *object, entry *e) {
  const json_t *shape = json_object_get(object, "shape"), *offsets = json_object_get(object, "data_offsets");
  int64_t count;
  e->name = name;
  CY_TRY(read_dtype(f, name, object, &e->dtype));
  if (!json_is_array(shape) || json_array_size(shape) > CY_MAX_RANK)
    return bad_entry(f, name, "shape is not a list of at most 8 extents");
  e->shape.rank = (int)json_array_size(shape);
  for (int i = 0; i < e->shape.rank; i++) {
    const json_t *extent = json_array_get(shape, (size_t)i);
    if (!json_is_integer(extent) || json_integer_value(extent) < 0)
      return bad_entry(f, name, "an extent is not a whole number >= 0");
    e->shape.dim[i] = json_integer_value(extent);
  }
  if (cy_shape_count(e->shape, &count) != CY_OK) return cy_fail_in(CY_INVALID, "%s: tensor \"%.100s\"", f->path, name);
  const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
      json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin) ||
      (uint64_t)json_integer_value(end) > f->data_bytes)
    return bad_entry(f, name, "data_offsets are not two places in the file");
  e->begin = (uint64_t)json_integer_value(begin);
  e->bytes = (uint64_t)json_integer_value(end) - e->begin;
  char text[CY_SHAPE_TEXT];
  if (e->bytes != (uint64_t)count * cy_dtype_size(e->dtype))
    return cy_fail(CY_INVALID, "%s: tensor \"%.100s\": %s of shape %s needs %llu bytes but has %llu", f->path, name,
                   cy_dtype_name(e->dtype), cy_shape_text(e->shape, text),
                   (unsigned long long)((uint64_t)count * cy_dtype_size(e->dtype)), (unsigned long long)e->bytes);
  return CY_OK;
}

static cy_status read_metadata(cy_safetensors *f, json_t *object) {
  const char *key;
  json_t *value;
  if (!json_is_object(object)) return cy_fail(CY_INVALID, "%s: %s is not an object", f->path, metadata_key);
  f->metadata = cy_calloc(json_object_size(object), sizeof *f->metadata);
  if (!f->metadata) return cy_no_memory();
  json_object_foreach(object, key, value) {
    if (!json_is_string(value)) return cy_fail(CY_INVALID, "%s: metadata \"%.100s\" is not a string", f->path, key);
    f->metadata[f->metadata_count++] = (cy_metadata){key, json_string_value(value)};
  }
  return CY_OK;
}

static int by_place(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty tensors first */
}

static cy_status check_places(const cy_safetensors *f) {
  uint64_t place = 0;
  for (int i = 0; i < f->count; i++) {
    if (f->entries[i].begin != place)
      return bad_entry(f, f->entries[i].name, f->entries[i].begin < place ? "overlaps another" : "follows a gap");
    place += f->entries[i].bytes;
  }
  if (place != f->data_bytes)
    return cy_fail(CY_INVALID, "%s: its tensors fill %llu bytes but %llu follow the header", f->path,
                   (unsigned long long)place, (unsigned long long)f->data_bytes);
  return CY_OK;
}

static cy_status read_entries(cy_safetensors *f) {
  const char *name;
  json_t *value;
  f->entries = cy_calloc(json_object_size(f->header), sizeof *f->entries);
  if (!f->entries) return cy_no_memory();
  json_object_foreach(f->header, name, value) {
    if (strcmp(name, metadata_key) == 0) CY_TRY(read_metadata(f, value));
    else CY_TRY(read_entry(f, name, value, &f->entries[f->count++]));
  }
  if (f->count) qsort(f->entries, (size_t)f->count, sizeof *f->entries, by_place);
  return check_places(f);
}

static cy_status parse_header(cy_safetensors *f, uint64_t length) {
  json_error_t error;
  char *text = cy_alloc_aligned((size_t)length);
  if (!text) return cy_no_memory();
  cy_status status = read_at(f, text, length, 8);
  if (status == CY_OK) {
    f->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(f->header))
      status = cy_fail(CY_INVALID, "%s: the header is not a JSON object: %s", f->path,
                       f->header ? "another value" : error.text);
  }
  cy_free(text);
  return status == CY_OK ? read_entries(f) : status;
}

static cy_status open_file(cy_safetensors *f) {
  struct stat info;
  unsigned char start[8];
  uint64_t length = 0;
  f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (f->fd < 0) return cy_fail(CY_IO, "%s: cannot open: %s", f->path, strerror(errno));
  if (fstat(f->fd, &info) != 0 || !S_ISREG(info.st_mode)) return cy_fail(CY_IO, "%s: is not a regular file", f->path);
  uint64_t size = (uint64_t)info.st_size;
  if (size < 10) return cy_fail(CY_INVALID, "%s: %llu bytes are too few for a safetensors file", f->path,
                                (unsigned long long)size);
  CY_TRY(read_at(f, start, 8, 0));
  for (int i = 7; i >= 0; i--) length = length << 8 | start[i];
  if (length > size - 8 || length > header_limit)
    return cy_fail(CY_INVALID, "%s: is not a safetensors file (header of %llu bytes, %llu bytes follow)", f->path,
                   (unsigned long long)length, (unsigned long long)size - 8);
  f->data_start = 8 + length;
  f->data_bytes = size - f->data_start;
  return parse_header(f, length);
}

cy_status cy_safetensors_open(const char *path, cy_safetensors **file) {
  cy_safetensors *f = cy_calloc(1, sizeof *f);
  *file = NULL;
  if (!f) return cy_no_memory();
  f->fd = -1;
  f->path = cy_strdup(path);
  cy_status status = f->path ? open_file(f) : cy_no_memory();
  if (status != CY_OK) {
    cy_safetensors_close(f);
    return status;
  }
  *file = f;
  return CY_OK;
}

void cy_safetensors_close(cy_safetensors *f) {
  if (!f) return;
  if (f->fd >= 0) close(f->fd);
  json_decref(f->header);
  cy_free(f->entries);
  cy_free(f->metadata);
  cy_free(f->path);
  cy_free(f);
}

static const entry *at(const cy_safetensors *f, int i) { return i >= 0 && i < f->count ? &f->entries[i] : NULL; }

int cy_safetensors_count(const cy_safetensors *f) { return f->count; }
const char *cy_safetensors_name(const cy_safetensors *f, int i) { return at(f, i) ? at(f, i)->name : NULL; }
cy_dtype cy_safetensors_dtype(const cy_safetensors *f, int i) { return at(f, i) ? at(f, i)->dtype : CY_F32; }
cy_shape cy_safetensors_shape(const cy_safetensors *f, int i) { return at(f, i) ? at(f, i)->shape : CY_SCALAR; }
int cy_safetensors_find(const cy_safetensors *f, const char *name) {
  for (int i = 0; i < f->count; i++)
    if (strcmp(f->entries[i].name, name) == 0) return i;
  return -1;
}

int cy_safetensors_metadata_count(const cy_safetensors *f) { return f->metadata_count; }
cy_metadata cy_safetensors_metadata_at(const cy_safetensors *f, int i) {
  return i >= 0 && i < f->metadata_count ? f->metadata[i] : (cy_metadata){NULL, NULL};
}
const char *cy_safetensors_metadata(const cy_safetensors *f, const char *key) {
  for (int i = 0; i < f->metadata_count; i++)
    if (strcmp(f->metadata[i].key, key) == 0) return f->metadata[i].value;
  return NULL;
}

static cy_status read_elements(const cy_safetensors *f, const entry *e, cy_tensor *t) {
  uint8_t *data = cy_tensor_data(t);
  CY_TRY(read_at(f, data, e->bytes, f->data_start + e->begin));
  if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) cy_swap_bytes(data, cy_dtype_size(e->dtype), cy_tensor_count(t));
  for (uint64_t i = 0; e->dtype == CY_BOOL && i < e->bytes; i++) data[i] = data[i] != 0;
  return CY_OK;
}

static cy_status find_entry(const cy_safetensors *f, const char *name, const entry **e) {
  *e = at(f, cy_safetensors_find(f, name));
  return *e ? CY_OK : cy_fail(CY_INVALID, "%s: holds no tensor \"%s\"", f->path, name);
}

cy_status cy_safetensors_load(const cy_safetensors *f, const char *name, cy_tensor **tensor) {
  const entry *e;
  *tensor = NULL;
  CY_TRY(find_entry(f, name, &e));
  CY_TRY(cy_tensor_create(e->dtype, e->shape, tensor));
  cy_status status = read_elements(f, e, *tensor);
  if (status == CY_OK) return CY_OK;
  cy_tensor_free(*tensor);
  *tensor = NULL;
  return status;
}

cy_status cy_safetensors_read(const cy_safetensors *f, const char *name, cy_tensor *tensor) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  const entry *e;
  cy_tensor *copy;
  CY_TRY(find_entry(f, name, &e));
  if (e->dtype != tensor->view.dtype || !cy_shape_equal(e->shape, tensor->view.shape))
    return cy_fail(CY_INVALID, "%s: tensor \"%s\" is %s %s but %s %s is expected", f->path, name,
                   cy_dtype_name(e->dtype), cy_shape_text(e->shape, a), cy_dtype_name(tensor->view.dtype),
                   cy_shape_text(tensor->view.shape, b));
  if (cy_tensor_is_contiguous(tensor)) return read_elements(f, e, tensor);
  CY_TRY(cy_safetensors_load(f, name, &copy));
  cy_view_copy(&copy->view, &tensor->view);
  cy_tensor_free(copy);
  return CY_OK;
}

/* ---- writing ---- */

/* Wider elements first, so that every tensor is aligned in the file; otherwise the caller's order. */
static void order_by_width(const cy_tensor *const *tensors, int n, int *order) {
  int used = 0;
  for (size_t width = 8; width; width /= 2)
    for (int i = 0; i < n; i++)
      if (cy_dtype_size(tensors[i]->view.dtype) == width) order[used++] = i;
}

static cy_status add_new(json_t *object, const char *key, json_t *value, const char *what, const char *path) {
  if (value && !json_object_get(object, key) && json_object_set_new(object, key, value) == 0) return CY_OK;
  bool twice = json_object_get(object, key) != NULL;
  if (twice) json_decref(value);
  return cy_fail(CY_INVALID, "%s: %s \"%.100s\" %s", path, what, key,
                 twice ? "is given twice" : "cannot be written: not UTF-8, or out of memory");
}

static json_t *describe(const cy_tensor *t, uint64_t begin) {
  json_t *shape = json_array();
  for (int i = 0; i < t->view.shape.rank; i++) json_array_append_new(shape, json_integer(t->view.shape.dim[i]));
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_codes[t->view.dtype], "shape", shape, "data_offsets",
                   (json_int_t)begin, (json_int_t)(begin + cy_tensor_bytes(t)));
}

static cy_status build_header(const char *const *names, const cy_tensor *const *tensors, const int *order, int n,
                              const cy_metadata *metadata, int n_metadata, const char *path, json_t *header) {
  uint64_t place = 0;
  if (n_metadata) {
    json_t *map = json_object();
    CY_TRY(add_new(header, metadata_key, map, "object", path));
    for (int i = 0; i < n_metadata; i++)
      CY_TRY(add_new(map, metadata[i].key, json_string(metadata[i].value), "metadata", path));
  }
  for (int i = 0; i < n; i++) {
    const char *name = names[order[i]];
    if (strcmp(name, metadata_key) == 0) return cy_fail(CY_INVALID, "%s: no tensor can be named %s", path, name);
    CY_TRY(add_new(header, name, describe(tensors[order[i]], place), "tensor", path));
    place += cy_tensor_bytes(tensors[order[i]]);
  }
  return CY_OK;
}

/* Length and text, filled up with spaces so that the elements start at a multiple of 8. */
static cy_status write_header(cy_writer *writer, const json_t *header) {
  char *text = json_dumps(header, JSON_COMPACT);
  if (!text) return cy_no_memory();
  size_t used = strlen(text), length = (used + 7) / 8 * 8;
  unsigned char start[8];
  for (int i = 0; i < 8; i++) start[i] = (unsigned char)((uint64_t)length >> (8 * i));
  cy_status status = cy_writer_write(writer, start, 8);
  if (status == CY_OK) status = cy_writer_write(writer, text, used);
  if (status == CY_OK) status = cy_writer_write(writer, "       ", length - used);
  free(text);
  return status;
}

static cy_status write_tensor(cy_writer *writer, const cy_tensor *tensor) {
  const cy_tensor *plain;
  cy_tensor *owned;
  CY_TRY(cy_row_major_of(tensor, &plain, &owned));
  if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ && !owned) { /* swap a copy */
    CY_TRY(cy_tensor_create(tensor->view.dtype, tensor->view.shape, &owned));
    cy_view_copy(&tensor->view, &owned->view);
    plain = owned;
  }
  if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
    cy_swap_bytes(cy_tensor_data(owned), cy_dtype_size(owned->view.dtype), owned->count);
  cy_status status = cy_writer_write(writer, cy_tensor_data(plain), cy_tensor_bytes(plain));
  cy_tensor_free(owned);
  return status;
}

static cy_status write_file(const json_t *header, const cy_tensor *const *tensors, const int *order, int n,
                            const char *path) {
  cy_writer writer;
  cy_status status = cy_writer_open(&writer, path);
  if (status == CY_OK) status = write_header(&writer, header);
  for (int i = 0; i < n && status == CY_OK; i++) status = write_tensor(&writer, tensors[order[i]]);
  if (status == CY_OK) status = cy_writer_commit(&writer);
  cy_writer_close(&writer);
  return status;
}

cy_status cy_safetensors_save(const char *const *names, const cy_tensor *const *tensors, int n,
                              const cy_metadata *metadata, int n_metadata, const char *path) {
  json_t *header = json_object();
  int *order = cy_calloc((size_t)(n > 0 ? n : 0), sizeof *order);
  cy_status status = header && order ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    order_by_width(tensors, n, order);
    status = build_header(names, tensors, order, n, metadata, n_metadata, path, header);
  }
  if (status == CY_OK) status = write_file(header, tensors, order, n, path);
  cy_free(order);
  json_decref(header);
  return status;
}
