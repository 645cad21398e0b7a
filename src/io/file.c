/* Whole small files (recipes, texts, JSON) and folders: the plain ends of io. */
#include "base/memory.h"
#include "io/atomic.h"
#include "io/source.h"

#include <cauchy/io.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

cy_status cy_file_read(const char *path, size_t limit, char **bytes, size_t *length) {
  cy_source source;
  *bytes = NULL;
  *length = 0;
  CY_TRY(cy_source_open(path, &source));
  cy_status status = cy_source_all(&source, limit, bytes, length);
  cy_source_close(&source);
  return status;
}

cy_status cy_file_write(const void *bytes, size_t length, const char *path) {
  cy_writer writer;
  cy_status status = cy_writer_open(&writer, path);
  if (status == CY_OK) status = cy_writer_write(&writer, bytes, length);
  if (status == CY_OK) status = cy_writer_commit(&writer);
  cy_writer_close(&writer);
  return status;
}

static cy_status make_folder(const char *path) {
  struct stat info;
  if (mkdir(path, 0777) == 0 || (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))) return CY_OK;
  return cy_fail(CY_IO, "%s: cannot create the folder: %s", path, strerror(errno));
}

cy_status cy_make_folders(const char *path) {
  char *copy = cy_strdup(path);
  if (!copy) return cy_no_memory();
  cy_status status = CY_OK;
  for (char *slash = strchr(copy + (copy[0] == '/'), '/'); slash && status == CY_OK; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    status = make_folder(copy);
    *slash = '/';
  }
  if (status == CY_OK) status = make_folder(copy);
  cy_free(copy);
  return status;
}
