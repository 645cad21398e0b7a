/* The only place that creates files in the user's folders. Invariant: the final name changes only by rename, after
 * the content has reached the disk. */
#include "io/atomic.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16, NAME_ATTEMPTS = 100 };

static cy_status write_all(const cy_writer *w, const char *bytes, size_t length) {
  while (length) {
    ssize_t n = write(w->fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cy_fail(CY_IO, "%s: cannot write: %s", w->path, strerror(errno));
    bytes += n;
    length -= (size_t)n;
  }
  return CY_OK;
}

/* What rename should replace: a link's target rather than the link. */
static cy_status final_path(const char *path, char **out) {
  struct stat info;
  *out = NULL;
  if (lstat(path, &info) == 0) {
    if (S_ISLNK(info.st_mode)) {
      char *real = realpath(path, NULL);
      if (real) {
        *out = cy_strdup(real);
        free(real);
        if (!*out) return cy_no_memory();
        if (stat(path, &info) != 0) info.st_mode = S_IFREG;
      } else {
        info.st_mode = S_IFREG; /* points nowhere: replaced */
      }
    }
    if (!S_ISREG(info.st_mode)) {
      cy_free(*out);
      *out = NULL;
      return cy_fail(CY_IO, "%s: is %s, not a file that can be replaced", path,
                     S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
    }
  }
  if (!*out) *out = cy_strdup(path);
  return *out ? CY_OK : cy_no_memory();
}

/* A new file beside path, with the permissions the caller's umask gives. */
static cy_status create_temporary(cy_writer *w) {
  size_t size = strlen(w->path) + 64;
  w->temporary = cy_calloc(size, 1);
  if (!w->temporary) return cy_no_memory();
  for (int attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(w->temporary, size, "%s.%ld-%09ld-%d.tmp", w->path, (long)getpid(), now.tv_nsec, attempt);
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd >= 0) return CY_OK;
    if (errno != EEXIST) break;
  }
  cy_status status = cy_fail(CY_IO, "%s: cannot create: %s", w->path, strerror(errno));
  cy_free(w->temporary);
  w->temporary = NULL; /* nothing of ours to remove */
  return status;
}

cy_status cy_writer_open(cy_writer *w, const char *path) {
  cy_status status;
  *w = (cy_writer){.fd = -1};
  CY_TRY_GOTO(status, final_path(path, &w->path), failed);
  w->buffer = cy_calloc(BUFFER_BYTES, 1);
  if (!w->buffer) {
    status = cy_no_memory();
    goto failed;
  }
  CY_TRY_GOTO(status, create_temporary(w), failed);
  return CY_OK;
failed:
  cy_writer_close(w);
  return status;
}

static cy_status flush(cy_writer *w) {
  size_t used = w->used;
  w->used = 0;
  return write_all(w, w->buffer, used);
}

cy_status cy_writer_write(cy_writer *w, const void *bytes, size_t length) {
  if (length > BUFFER_BYTES - w->used) {
    CY_TRY(flush(w));
    if (length > BUFFER_BYTES) return write_all(w, bytes, length);
  }
  if (length) memcpy(w->buffer + w->used, bytes, length);
  w->used += length;
  return CY_OK;
}

const char *cy_writer_hand_over(cy_writer *w) {
  if (w->fd >= 0) close(w->fd);
  w->fd = -1;
  return w->temporary;
}

static cy_status sync_path(const char *path, const char *what, int flags) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
  if (fd < 0) return cy_fail(CY_IO, "%s: cannot open %s: %s", path, what, strerror(errno));
  int failed = fsync(fd), error = errno;
  close(fd);
  if (failed && error != EINVAL && error != ENOTSUP) /* some file systems cannot sync folders */
    return cy_fail(CY_IO, "%s: cannot flush %s to the disk: %s", path, what, strerror(error));
  return CY_OK;
}

static cy_status sync_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == path ? cy_strdup("/") : slash ? cy_strndup(path, (size_t)(slash - path)) : cy_strdup(".");
  if (!folder) return cy_no_memory();
  cy_status status = sync_path(folder, "the folder", O_DIRECTORY);
  cy_free(folder);
  return status;
}

cy_status cy_commit_file(const char *temporary, const char *path) {
  CY_TRY(sync_path(temporary, "the new file", 0));
  if (rename(temporary, path) != 0) return cy_fail(CY_IO, "%s: cannot rename to it: %s", path, strerror(errno));
  return sync_folder_of(path);
}

cy_status cy_writer_commit(cy_writer *w) {
  if (w->fd >= 0) {
    CY_TRY(flush(w));
    int failed = close(w->fd);
    w->fd = -1;
    if (failed) return cy_fail(CY_IO, "%s: cannot write: %s", w->path, strerror(errno));
  }
  CY_TRY(cy_commit_file(w->temporary, w->path));
  cy_free(w->temporary);
  w->temporary = NULL;
  return CY_OK;
}

void cy_writer_close(cy_writer *w) {
  if (w->fd >= 0) close(w->fd);
  if (w->temporary) unlink(w->temporary);
  cy_free(w->temporary);
  cy_free(w->path);
  cy_free(w->buffer);
  *w = (cy_writer){.fd = -1};
}
