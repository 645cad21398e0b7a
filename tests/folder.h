/* A folder of the test's own, gone with all it holds at the end: make_folder and remove_folder, or, to be in it,
 * enter_folder and leave_folder, for one test or for a group. */
#ifndef CY_TESTS_FOLDER_H
#define CY_TESTS_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static inline int make_folder(void **state) {
  strcpy(folder, "/tmp/cauchy-test-XXXXXX");
  *state = folder;
  return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
  (void)info, (void)kind, (void)place;
  return remove(path);
}
static inline int remove_folder(void **state) {
  (void)state;
  return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int enter_folder(void **state) { return make_folder(state) == 0 ? chdir(folder) : -1; }
static inline int leave_folder(void **state) { return chdir("/") == 0 ? remove_folder(state) : -1; }

/* A path in the folder; several may be in use at a time. */
static inline const char *file(const char *name) {
  static char names[8][384];
  static int next;
  char *buffer = names[next++ % 8];
  snprintf(buffer, sizeof names[0], "%s/%s", folder, name);
  return buffer;
}

/* Without waiting for the disk, as cy_file_write does. */
static inline void write_bytes(const char *path, const void *bytes, size_t n) {
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(bytes, 1, n, out), n);
  assert_int_equal(fclose(out), 0);
}
static inline void write_file(const char *path, const char *text) { write_bytes(path, text, strlen(text)); }

/* Real data that may lie beside the sources, "cifar10"; the test skips by name without them. */
static inline const char *shared(const char *name) {
  static char path[512];
  const char *own = getenv("CAUCHY_SHARED");
  snprintf(path, sizeof path, "%s/data/%s", own ? own : CAUCHY_SOURCE "/../shared", name);
  if (access(path, R_OK) == 0) return path;
  print_message("skipped: %s is not there\n", path);
  skip();
  return NULL;
}

#endif
