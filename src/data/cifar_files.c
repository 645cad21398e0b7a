/* Which files of CIFAR there are: in a folder, plain or .gz, in the published archive, which is read without unpacking,
 * or one file by itself. Bytes are bounded before memory is taken for them. A folder's files are read later, one at a
 * time. */
#include "data/cifar.h"

#include "base/memory.h"
#include "base/text.h"
#include "data/dataset.h"
#include "io/tar.h"

#include <cauchy/io.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_NAMES_BYTES = 1 << 16 };
static const uint64_t max_bytes = (uint64_t)1 << 31; /* of a file, and of an archive's files together */

void cy_cifar_files_clear(cy_cifar_files *found) {
  for (size_t i = 0; i < found->count; i++) {
    cy_free(found->files[i].path);
    cy_free(found->files[i].bytes);
  }
  cy_free(found->files);
  cy_string_free(found->names_text);
  cy_free(found->names_path);
}

cy_status cy_cifar_file_load(cy_cifar_file *file) {
  return file->bytes ? CY_OK : cy_file_read(file->path, max_bytes, &file->bytes, &file->length);
}

/* ---- names ---- */

/* The place of a file in the set: its number, CY_CIFAR_TEST, or 0 if it holds no records. */
static int order_of(const cy_cifar_format *format, const char *path) {
  const char *base = cy_base_name(path);
  size_t n = strlen(base), stem = strlen(format->train);
  if (n > 3 && strcmp(base + n - 3, ".gz") == 0) n -= 3;
  if (n <= 4 || strncmp(base + n - 4, ".bin", 4) != 0) return 0;
  n -= 4;
  if (n == strlen(format->test) && strncmp(base, format->test, n) == 0) return CY_CIFAR_TEST;
  if (n < stem || strncmp(base, format->train, stem) != 0) return 0;
  if (n == stem) return format->train[stem - 1] == '_' ? 0 : 1;
  char *end;
  long number = base[stem] >= '1' && base[stem] <= '9' ? strtol(base + stem, &end, 10) : 0;
  return number > 0 && number < CY_CIFAR_TEST && end == base + n && format->train[stem - 1] == '_' ? (int)number : 0;
}

bool cy_cifar_is_named(const cy_cifar_format *format, const char *path) { return order_of(format, path) != 0; }

static bool is_names(const cy_cifar_files *found, const char *path) {
  return strcmp(cy_base_name(path), found->names_file) == 0;
}

/* ---- folders ---- */

/* Keeps files by order; of a file that is there twice, plain and compressed, the plain one. Takes over path. */
static cy_status add_file(cy_cifar_files *found, int order, char *path, char *bytes, size_t length) {
  cy_cifar_file file = {order, path, bytes, length};
  size_t at = found->count;
  if (!path || !cy_grow(&found->files, found->count, &found->capacity, sizeof *found->files)) {
    cy_free(path);
    cy_free(bytes);
    return cy_no_memory();
  }
  while (at > 0 && found->files[at - 1].order > order) at--;
  if (at > 0 && found->files[at - 1].order == order) {
    cy_cifar_file *twin = &found->files[at - 1];
    bool shorter = strlen(path) < strlen(twin->path);
    cy_cifar_file loser = shorter ? *twin : file;
    if (shorter) *twin = file;
    cy_free(loser.path);
    cy_free(loser.bytes);
    return CY_OK;
  }
  memmove(found->files + at + 1, found->files + at, (found->count - at) * sizeof *found->files);
  found->files[at] = file;
  found->count++;
  return CY_OK;
}

static cy_status collect_entry(cy_cifar_files *found, const char *folder, const char *name) {
  int order = order_of(found->format, name);
  if (order) return add_file(found, order, cy_join_path(folder, name), NULL, 0);
  if (!is_names(found, name)) return CY_OK;
  size_t length;
  cy_free(found->names_path);
  cy_string_free(found->names_text);
  found->names_text = NULL;
  found->names_path = cy_join_path(folder, name);
  if (!found->names_path) return cy_no_memory();
  return cy_file_read(found->names_path, MAX_NAMES_BYTES, &found->names_text, &length);
}

cy_status cy_cifar_collect_folder(cy_cifar_files *found, const char *folder) {
  DIR *stream = opendir(folder);
  cy_status status = CY_OK;
  if (!stream) return cy_fail(CY_IO, "%s: cannot read the folder: %s", folder, strerror(errno));
  for (struct dirent *entry; status == CY_OK && (entry = readdir(stream)) != NULL;)
    status = collect_entry(found, folder, entry->d_name);
  closedir(stream);
  return status;
}

/* One file of records; the class names may lie beside it. */
cy_status cy_cifar_collect_one(cy_cifar_files *found, const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? cy_strndup(path, (size_t)(slash - path) + (slash == path)) : cy_strdup(".");
  char *names = folder ? cy_join_path(folder, found->names_file) : NULL;
  struct stat info;
  cy_status status = names ? CY_OK : cy_no_memory();
  if (status == CY_OK && stat(names, &info) == 0) status = collect_entry(found, folder, cy_base_name(names));
  if (status == CY_OK) status = add_file(found, 1, cy_strdup(path), NULL, 0);
  cy_free(folder);
  cy_free(names);
  return status;
}

/* ---- archives ---- */

static cy_status check_size(const cy_cifar_files *found, const char *archive, const cy_tar_entry *entry,
                            bool records) {
  const uint64_t most = records ? max_bytes : MAX_NAMES_BYTES;
  if (entry->size > most)
    return cy_fail(CY_INVALID, "%s: %s is larger than such a file can be (%llu bytes)", archive, entry->name,
                   (unsigned long long)entry->size);
  if (found->archived + entry->size <= max_bytes) return CY_OK;
  return cy_fail(CY_INVALID, "%s: its files have %llu + %llu (%s) bytes, more than the %llu that are read of an archive",
                 archive, (unsigned long long)found->archived, (unsigned long long)entry->size, entry->name,
                 (unsigned long long)max_bytes);
}

static cy_status take_entry(cy_cifar_files *found, cy_source *source, const cy_tar_entry *entry) {
  int order = order_of(found->format, entry->name);
  char what[CY_TAR_NAME + 32], *bytes;
  if (!order && !is_names(found, entry->name)) return CY_OK;
  CY_TRY(check_size(found, source->name, entry, order != 0));
  found->archived += entry->size;
  snprintf(what, sizeof what, "the contents of %s", entry->name);
  CY_TRY(cy_source_claim(source, entry->size, what));
  if (!(bytes = cy_calloc((size_t)entry->size + 1, 1))) return cy_no_memory();
  cy_status status = cy_source_read(source, bytes, (size_t)entry->size, what);
  if (status == CY_OK && order)
    return add_file(found, order, cy_join_path(source->name, entry->name), bytes, (size_t)entry->size);
  if (status == CY_OK && !found->names_text) {
    found->names_path = cy_join_path(source->name, entry->name);
    found->names_text = bytes;
    return found->names_path ? CY_OK : cy_no_memory();
  }
  cy_free(bytes);
  return status;
}

cy_status cy_cifar_collect_archive(cy_cifar_files *found, const char *path) {
  cy_source source;
  cy_tar_entry entry = {0};
  uint64_t content = 0;
  CY_TRY(cy_source_open(path, &source));
  cy_status status = CY_OK;
  do {
    status = cy_tar_next(&source, &entry, &content);
    if (status == CY_OK && entry.name[0]) status = take_entry(found, &source, &entry);
  } while (status == CY_OK && entry.name[0]);
  cy_source_close(&source);
  return status;
}

/* ---- where ---- */

static bool holds_records(const cy_cifar_format *format, const char *folder) {
  DIR *stream = opendir(folder);
  bool found = false;
  if (!stream) return false;
  for (struct dirent *entry; !found && (entry = readdir(stream)) != NULL;) {
    int order = order_of(format, entry->d_name);
    found = order > 0 && (format->label_bytes == 1 || order != CY_CIFAR_TEST); /* test.bin alone could be anything */
  }
  closedir(stream);
  return found;
}

cy_status cy_cifar_find(const cy_cifar_format *format, const char *folder, cy_cifar_collector *collect, char **path) {
  struct stat info;
  *collect = NULL;
  *path = cy_strdup(folder);
  if (*path && holds_records(format, *path)) *collect = cy_cifar_collect_folder;
  if (!*path || *collect) return *path ? CY_OK : cy_no_memory();
  cy_free(*path);
  *path = cy_join_path(folder, format->folder);
  if (*path && holds_records(format, *path)) *collect = cy_cifar_collect_folder;
  if (!*path || *collect) return *path ? CY_OK : cy_no_memory();
  cy_free(*path);
  *path = cy_join_path(folder, format->archive);
  if (!*path) return cy_no_memory();
  if (stat(*path, &info) == 0 && S_ISREG(info.st_mode)) *collect = cy_cifar_collect_archive;
  return CY_OK;
}

