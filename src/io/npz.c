/* NPZ: a zip archive whose members are NPY files, through libzip. A member's sizes come from the archive's directory
 * and are checked against the file's size before anything is believed; libzip checks the CRC as the last byte is
 * read. */
#include "base/memory.h"
#include "cauchy_config.h"
#include "io/atomic.h"
#include "io/npy.h"
#include "tensor/tensor.h"

#include <cauchy/io.h>

#if CY_HAVE_ZIP

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

static const char suffix[] = ".npy";
enum { SUFFIX = sizeof suffix - 1 };

typedef struct member {
  char *name; /* without .npy */
  zip_uint64_t index;
} member;

struct cy_npz {
  char *path;
  zip_t *zip;
  uint64_t file_bytes;
  member *members;
  size_t count, capacity;
};

/* ---- one member as a source ---- */

typedef struct zip_context {
  const cy_npz *npz;
  const char *name;
  zip_uint64_t index;
  zip_file_t *file;
} zip_context;

static cy_status zip_rewind(void *context) {
  zip_context *z = context;
  if (z->file) zip_fclose(z->file);
  z->file = zip_fopen_index(z->npz->zip, z->index, 0);
  if (z->file) return CY_OK;
  return cy_fail(CY_INVALID, "%s: cannot read: %s", z->name, zip_strerror(z->npz->zip));
}

static cy_status zip_read(void *context, void *buffer, size_t n, size_t *got) {
  zip_context *z = context;
  for (*got = 0; *got < n;) {
    zip_int64_t r = zip_fread(z->file, (char *)buffer + *got, n - *got);
    if (r < 0) return cy_fail(CY_INVALID, "%s: cannot read: %s", z->name, zip_file_strerror(z->file));
    if (r == 0) break;
    *got += (size_t)r;
  }
  return CY_OK;
}

static const cy_source_kind zip_kind = {zip_read, zip_rewind};

/* How many bytes the member can hold at most, given how many the file holds. */
static cy_status member_limit(const zip_context *z, uint64_t *limit) {
  zip_stat_t info;
  const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if (zip_stat_index(z->npz->zip, z->index, 0, &info) != 0 || (info.valid & needed) != needed)
    return cy_fail(CY_INVALID, "%s: has no valid entry in the archive's directory", z->name);
  bool stored = info.comp_method == ZIP_CM_STORE;
  if (info.comp_size > z->npz->file_bytes || (stored && info.size != info.comp_size) ||
      (!stored && info.size / CY_DEFLATE_RATIO > info.comp_size))
    return cy_fail(CY_INVALID, "%s: claims %llu bytes in %llu compressed, in a file of %llu", z->name,
                   (unsigned long long)info.size, (unsigned long long)info.comp_size,
                   (unsigned long long)z->npz->file_bytes);
  *limit = info.size;
  return CY_OK;
}

/* ---- reading ---- */

static bool is_npy(const char *name) {
  size_t n = strlen(name);
  return n > SUFFIX && strcmp(name + n - SUFFIX, suffix) == 0;
}

static cy_status list_members(cy_npz *npz) {
  zip_int64_t entries = zip_get_num_entries(npz->zip, 0);
  for (zip_int64_t i = 0; i < entries; i++) {
    const char *name = zip_get_name(npz->zip, (zip_uint64_t)i, 0);
    if (!name || !is_npy(name)) continue;
    if (!cy_grow(&npz->members, npz->count, &npz->capacity, sizeof(member))) return cy_no_memory();
    char *copy = cy_strndup(name, strlen(name) - SUFFIX);
    if (!copy) return cy_no_memory();
    npz->members[npz->count++] = (member){copy, (zip_uint64_t)i};
  }
  return CY_OK;
}

static cy_status open_archive(cy_npz *npz) {
  struct stat info = {0};
  int code;
  if (stat(npz->path, &info) == 0 && !S_ISREG(info.st_mode))
    return cy_fail(CY_IO, "%s: is not a regular file", npz->path);
  npz->zip = zip_open(npz->path, ZIP_RDONLY, &code);
  if (!npz->zip) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    bool content = code == ZIP_ER_NOZIP || code == ZIP_ER_INCONS || code == ZIP_ER_EOF || code == ZIP_ER_MULTIDISK;
    cy_status status = cy_fail(content ? CY_INVALID : CY_IO, "%s: cannot open as NPZ: %s", npz->path,
                               zip_error_strerror(&error));
    zip_error_fini(&error);
    return status;
  }
  npz->file_bytes = (uint64_t)info.st_size;
  return list_members(npz);
}

cy_status cy_npz_open(const char *path, cy_npz **npz) {
  cy_npz *n = cy_calloc(1, sizeof *n);
  *npz = NULL;
  if (!n) return cy_no_memory();
  n->path = cy_strdup(path);
  cy_status status = n->path ? open_archive(n) : cy_no_memory();
  if (status != CY_OK) {
    cy_npz_close(n);
    return status;
  }
  *npz = n;
  return CY_OK;
}

void cy_npz_close(cy_npz *npz) {
  if (!npz) return;
  for (size_t i = 0; i < npz->count; i++) cy_free(npz->members[i].name);
  cy_free(npz->members);
  if (npz->zip) zip_discard(npz->zip);
  cy_free(npz->path);
  cy_free(npz);
}

int cy_npz_count(const cy_npz *npz) { return (int)npz->count; }
const char *cy_npz_name(const cy_npz *npz, int i) {
  return i >= 0 && (size_t)i < npz->count ? npz->members[i].name : NULL;
}

cy_status cy_npz_load(cy_npz *npz, const char *name, cy_tensor **tensor) {
  char full[512];
  zip_context z = {.npz = npz, .name = full};
  cy_source source = {.name = full, .kind = &zip_kind, .context = &z};
  const member *found = NULL;
  *tensor = NULL;
  for (size_t i = 0; i < npz->count && !found; i++)
    if (strcmp(npz->members[i].name, name) == 0) found = &npz->members[i];
  if (!found) return cy_fail(CY_INVALID, "%s: holds no array \"%s\"", npz->path, name);
  snprintf(full, sizeof full, "%s: array \"%s\"", npz->path, name);
  z.index = found->index;
  CY_TRY(member_limit(&z, &source.limit));
  CY_TRY(zip_rewind(&z));
  cy_status status = cy_npy_decode(&source, tensor);
  zip_fclose(z.file);
  return status;
}

/* ---- writing ---- */

typedef struct content { /* one member on its way into the archive: header, then the elements in place */
  char header[CY_NPY_HEADER_MAX];
  size_t length;
  cy_tensor *owned;
} content;

static cy_status zip_refused(const char *path, zip_t *zip) {
  return cy_fail(CY_IO, "%s: cannot write: %s", path, zip_strerror(zip));
}

static cy_status add_member(zip_t *zip, const char *path, const char *name, const cy_tensor *tensor, bool compress,
                            content *c) {
  char file[256];
  const cy_tensor *plain;
  if (snprintf(file, sizeof file, "%s%s", name, suffix) >= (int)sizeof file || !name[0])
    return cy_fail(CY_INVALID, "%s: array name \"%.40s\" is empty or too long", path, name);
  CY_TRY(cy_npy_header(tensor->view.dtype, tensor->view.shape, c->header, &c->length));
  CY_TRY(cy_row_major_of(tensor, &plain, &c->owned));
  zip_buffer_fragment_t parts[2] = {{(zip_uint8_t *)c->header, c->length},
                                    {cy_tensor_data(plain), cy_tensor_bytes(plain)}};
  zip_source_t *source = zip_source_buffer_fragment(zip, parts, parts[1].length ? 2 : 1, 0);
  if (!source) return zip_refused(path, zip);
  zip_int64_t index = zip_file_add(zip, file, source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    cy_status status = zip_get_error(zip)->zip_err == ZIP_ER_EXISTS
                           ? cy_fail(CY_INVALID, "%s: two arrays are named \"%s\"", path, name)
                           : zip_refused(path, zip);
    zip_source_free(source);
    return status;
  }
  /* A fixed date (1980-01-01): equal tensors give equal files. */
  if (zip_file_set_dostime(zip, (zip_uint64_t)index, 0, 0x21, 0) != 0 ||
      zip_set_file_compression(zip, (zip_uint64_t)index, compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) != 0)
    return zip_refused(path, zip);
  return CY_OK;
}

static cy_status write_archive(const char *temporary, const char *path, const char *const *names,
                               const cy_tensor *const *tensors, int n, bool compress, content *contents) {
  int code;
  zip_t *zip = zip_open(temporary, ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (!zip) return cy_fail(CY_IO, "%s: cannot create the archive (libzip error %d)", path, code);
  cy_status status = CY_OK;
  for (int i = 0; i < n && status == CY_OK; i++)
    status = add_member(zip, path, names[i], tensors[i], compress, &contents[i]);
  if (status == CY_OK && zip_close(zip) == 0) return CY_OK;
  if (status == CY_OK) status = zip_refused(path, zip);
  zip_discard(zip);
  return status;
}

cy_status cy_npz_save(const char *const *names, const cy_tensor *const *tensors, int n, bool compress,
                      const char *path) {
  if (n < 1) return cy_fail(CY_INVALID, "%s: an NPZ file needs at least one array", path);
  content *contents = cy_calloc((size_t)n, sizeof *contents);
  if (!contents) return cy_no_memory();
  cy_writer writer;
  cy_status status = cy_writer_open(&writer, path);
  if (status == CY_OK)
    status = write_archive(cy_writer_hand_over(&writer), path, names, tensors, n, compress, contents);
  if (status == CY_OK) status = cy_writer_commit(&writer);
  cy_writer_close(&writer);
  for (int i = 0; i < n; i++) cy_tensor_free(contents[i].owned);
  cy_free(contents);
  return status;
}

#else

static cy_status missing(const char *path) {
  return cy_fail(CY_UNSUPPORTED, "%s: this build reads and writes no NPZ files: it was made without libzip", path);
}
cy_status cy_npz_open(const char *path, cy_npz **npz) {
  *npz = NULL;
  return missing(path);
}
void cy_npz_close(cy_npz *npz) { (void)npz; }
int cy_npz_count(const cy_npz *npz) { return (void)npz, 0; }
const char *cy_npz_name(const cy_npz *npz, int i) { return (void)npz, (void)i, NULL; }
cy_status cy_npz_load(cy_npz *npz, const char *name, cy_tensor **tensor) {
  (void)npz;
  *tensor = NULL;
  return missing(name);
}
cy_status cy_npz_save(const char *const *names, const cy_tensor *const *tensors, int n, bool compress,
                      const char *path) {
  (void)names, (void)tensors, (void)n, (void)compress;
  return missing(path);
}

#endif
