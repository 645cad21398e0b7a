/* Sources over zlib, which passes plain files through, and the checks shared by all readers. Invariant: memory is
 * taken in proportion to bytes that have arrived or that provably are in the file. */
#include "io/source.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Compressed data that claims more than this is read through once before memory is taken for it. */
static const uint64_t trust_bytes = 64u << 20;

typedef struct gz_context {
  gzFile file;
  const char *path;
} gz_context;

static cy_status gz_read(void *context, void *buffer, size_t n, size_t *got) {
  gz_context *gz = context;
  *got = 0;
  while (*got < n) {
    size_t left = n - *got;
    int r = gzread(gz->file, (char *)buffer + *got, left > INT_MAX ? INT_MAX : (unsigned)left);
    if (r > 0) {
      *got += (size_t)r;
      continue;
    }
    int code;
    const char *text = gzerror(gz->file, &code);
    if (r == 0 && code == Z_OK) return CY_OK;
    if (code == Z_MEM_ERROR) return cy_no_memory();
    const char *why = code == Z_BUF_ERROR ? "the compressed data end early" : code == Z_ERRNO ? strerror(errno) : text;
    return cy_fail(code == Z_ERRNO ? CY_IO : CY_INVALID, "%s: cannot read: %s", gz->path, why);
  }
  return CY_OK;
}

static cy_status gz_rewind(void *context) {
  gz_context *gz = context;
  return gzrewind(gz->file) == 0 ? CY_OK : cy_fail(CY_IO, "%s: cannot rewind", gz->path);
}

static const cy_source_kind gz_kind = {gz_read, gz_rewind};

static cy_status open_regular(const char *path, int *fd, uint64_t *size) {
  struct stat info;
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait */
  if (*fd < 0) return cy_fail(CY_IO, "%s: cannot open: %s", path, strerror(errno));
  if (fstat(*fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(*fd);
    return cy_fail(CY_IO, "%s: is not a regular file", path);
  }
  *size = (uint64_t)info.st_size;
  return CY_OK;
}

cy_status cy_source_open(const char *path, cy_source *source) {
  int fd;
  uint64_t size = 0;
  *source = (cy_source){.name = path, .kind = &gz_kind};
  CY_TRY(open_regular(path, &fd, &size));
  gz_context *gz = cy_calloc(1, sizeof *gz);
  if (gz) gz->file = gzdopen(fd, "rb");
  if (!gz || !gz->file) {
    close(fd);
    cy_free(gz);
    return cy_no_memory();
  }
  gzbuffer(gz->file, 1 << 16);
  gz->path = path;
  source->context = gz;
  source->exact = gzdirect(gz->file) != 0;
  source->limit = source->exact ? size : size > UINT64_MAX / CY_DEFLATE_RATIO ? UINT64_MAX : size * CY_DEFLATE_RATIO;
  return CY_OK;
}

void cy_source_close(cy_source *source) {
  gz_context *gz = source->context;
  if (!gz) return;
  gzclose_r(gz->file);
  cy_free(gz);
  source->context = NULL;
}

static cy_status read_some(cy_source *s, void *buffer, size_t n, size_t *got) {
  CY_TRY(s->kind->read(s->context, buffer, n, got));
  s->position += *got;
  return CY_OK;
}

cy_status cy_source_read(cy_source *s, void *buffer, size_t n, const char *what) {
  size_t got;
  CY_TRY(read_some(s, buffer, n, &got));
  if (got == n) return CY_OK;
  return cy_fail(CY_INVALID, "%s: ends after %llu bytes, within the %s", s->name, (unsigned long long)s->position,
                 what);
}

/* Reads to the end and returns to where we were. */
static cy_status measure(cy_source *s, uint64_t wanted, uint64_t *found) {
  char scratch[1 << 14];
  uint64_t start = s->position;
  size_t got;
  *found = 0;
  do {
    CY_TRY(read_some(s, scratch, sizeof scratch, &got));
    *found += got;
  } while (got && *found < wanted);
  CY_TRY(s->kind->rewind(s->context));
  for (s->position = 0; s->position < start;) {
    uint64_t left = start - s->position;
    CY_TRY(cy_source_read(s, scratch, left < sizeof scratch ? (size_t)left : sizeof scratch, "header"));
  }
  return CY_OK;
}

cy_status cy_source_claim(cy_source *s, uint64_t n, const char *what) {
  uint64_t left = s->limit > s->position ? s->limit - s->position : 0;
  if (n > left)
    return cy_fail(CY_INVALID, "%s: %s need %llu bytes, but %s %llu bytes follow", s->name, what,
                   (unsigned long long)n, s->exact ? "only" : "at most", (unsigned long long)left);
  if (s->exact || n <= trust_bytes) return CY_OK;
  CY_TRY(measure(s, n, &left));
  if (n > left)
    return cy_fail(CY_INVALID, "%s: %s need %llu bytes, but only %llu bytes follow", s->name, what,
                   (unsigned long long)n, (unsigned long long)left);
  return CY_OK;
}

cy_status cy_source_end(cy_source *s) {
  char extra;
  size_t got;
  CY_TRY(read_some(s, &extra, 1, &got));
  if (got == 0) return CY_OK;
  return cy_fail(CY_INVALID, "%s: holds more bytes than its header says (%llu)", s->name,
                 (unsigned long long)s->position - 1);
}

cy_status cy_source_all(cy_source *s, size_t limit, char **bytes, size_t *length) {
  size_t capacity = s->exact && s->limit < limit ? (size_t)s->limit + 1 : (size_t)1 << 16, got;
  char *data = cy_calloc(capacity + 1, 1);
  cy_status status = data ? CY_OK : cy_no_memory();
  *bytes = NULL;
  for (*length = 0; status == CY_OK;) {
    status = read_some(s, data + *length, capacity - *length, &got);
    if (status != CY_OK || got == 0) break;
    *length += got;
    if (*length > limit) {
      status = cy_fail(CY_INVALID, "%s: is larger than %zu bytes", s->name, limit);
    } else if (*length == capacity) {
      char *grown = capacity < SIZE_MAX / 4 ? cy_realloc(data, 2 * capacity + 1, 1) : NULL;
      if (grown) data = grown, capacity *= 2;
      else status = cy_no_memory();
    }
  }
  if (status != CY_OK) {
    cy_free(data);
    return status;
  }
  data[*length] = 0;
  *bytes = data;
  return CY_OK;
}
