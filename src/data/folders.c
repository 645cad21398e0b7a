/* Listing folders. */
#include "data/folders.h"

#include "base/memory.h"
#include "data/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_kind(const char *path, bool folder) {
  struct stat info;
  return stat(path, &info) == 0 && (folder ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode));
}

bool cy_is_folder(const char *path) { return is_kind(path, true); }

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

cy_status cy_list_folder(const char *path, bool (*wanted)(const char *name), cy_words *names) {
  DIR *stream = opendir(path);
  cy_status status = CY_OK;
  if (!stream) return cy_fail(CY_IO, "%s: cannot read the folder: %s", path, strerror(errno));
  for (const struct dirent *entry; status == CY_OK && (entry = readdir(stream)) != NULL;) {
    if (entry->d_name[0] == '.' || (wanted && !wanted(entry->d_name))) continue;
    char *full = cy_join_path(path, entry->d_name);
    if (!full) status = cy_no_memory();
    else if (is_kind(full, !wanted)) status = cy_words_add(names, entry->d_name, strlen(entry->d_name));
    cy_free(full);
  }
  closedir(stream);
  if (status == CY_OK && names->count > 1) qsort(names->items, names->count, sizeof *names->items, by_bytes);
  return status;
}
