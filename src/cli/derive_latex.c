/* Pages by an installed LaTeX: pdflatex (or lualatex, xelatex) in a folder of its own, pdftoppm for pictures. */
#include "cli/derive.h"
#include "cli/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The first of the programs that $PATH has; NULL: none. */
static const char *find_program(const char *const *programs) {
  const char *path = getenv("PATH");
  for (; *programs; programs++)
    for (const char *at = path ? path : ""; *at;) {
      char full[4096];
      size_t n = strcspn(at, ":");
      int length = snprintf(full, sizeof full, "%.*s/%s", (int)n, at, *programs);
      if (length > 0 && (size_t)length < sizeof full && access(full, X_OK) == 0) return *programs;
      at += n + (at[n] == ':');
    }
  return NULL;
}

/* Runs quietly, in the folder; false unless it exits with 0. */
static bool run(const char *folder, const char *const *words) {
  posix_spawn_file_actions_t actions;
  pid_t child;
  int status = -1;
  if (posix_spawn_file_actions_init(&actions) != 0) return false;
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addchdir_np(&actions, folder);
  int error = posix_spawnp(&child, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return false;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- what is drawn on a page ---- */

enum { MARGIN = 15, MOST_BYTES = 1 << 28 }; /* pixels around; of a page */

typedef struct box {
  int left, top, width, height;
} box;

/* Around everything that is not white, in a picture of one byte per pixel (PGM). False: it is all white, or no such
 * picture. */
static bool find_ink(const char *pgm, size_t length, box *ink) {
  int width, height, start = 0;
  if (sscanf(pgm, "P5 %d %d 255%n", &width, &height, &start) != 2 || start == 0) return false;
  start++; /* one blank */
  if (width < 1 || height < 1) return false;
  if (length < (size_t)start || (length - (size_t)start) / (size_t)width < (size_t)height) return false;
  int left = width, right = -1, top = height, bottom = -1;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      if (pgm[(size_t)start + (size_t)y * (size_t)width + (size_t)x] == (char)255) continue;
      left = x < left ? x : left;
      right = x > right ? x : right;
      top = y < top ? y : top;
      bottom = y;
    }
  left = left > MARGIN ? left - MARGIN : 0;
  top = top > MARGIN ? top - MARGIN : 0;
  right = right + MARGIN < width ? right + MARGIN : width - 1;
  bottom = bottom + MARGIN < height ? bottom + MARGIN : height - 1;
  *ink = (box){left, top, right - left + 1, bottom - top + 1};
  return ink->width > 0 && ink->height > 0;
}

/* page.pdf to page.png, its first page without the empty paper around. */
static cy_status draw_page(const char *folder, const char *gray_path) {
  enum { ROOM = 16 };
  char left[ROOM], top[ROOM], width[ROOM], height[ROOM], *gray = NULL;
  size_t length;
  box ink;
  bool good = run(folder, (const char *const[]){"pdftoppm", "-gray", "-r", "150", "-f", "1", "-singlefile", "page.pdf",
                                                "page", NULL});
  if (good) CY_TRY(cy_file_read(gray_path, MOST_BYTES, &gray, &length));
  good = good && find_ink(gray, length, &ink);
  cy_string_free(gray);
  if (good) {
    snprintf(left, ROOM, "%d", ink.left);
    snprintf(top, ROOM, "%d", ink.top);
    snprintf(width, ROOM, "%d", ink.width);
    snprintf(height, ROOM, "%d", ink.height);
    good = run(folder, (const char *const[]){"pdftoppm", "-png", "-r", "150", "-f", "1", "-singlefile", "-x", left,
                                             "-y", top, "-W", width, "-H", height, "page.pdf", "page", NULL});
  }
  return good ? CY_OK : cy_fail(CY_IO, "pdftoppm could not draw the page");
}

/* ---- from text to file ---- */

cy_status cli_derive_save(const char *bytes, size_t length, const char *path) {
  struct stat info;
  bool stream = stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
  if (!stream && strncmp(path, "/dev/", 5) != 0) return cy_file_write(bytes, length, path);
  FILE *file = fopen(path, "wb");
  if (!file) return cy_fail(CY_IO, "%s: %s", path, strerror(errno));
  bool good = fwrite(bytes, 1, length, file) == length;
  return fclose(file) == 0 && good ? CY_OK : cy_fail(CY_IO, "%s: %s", path, strerror(errno));
}

static cy_status move_file(const char *from, const char *to) {
  char *bytes;
  size_t length;
  CY_TRY(cy_file_read(from, MOST_BYTES, &bytes, &length));
  cy_status status = cli_derive_save(bytes, length, to);
  cy_string_free(bytes);
  return status;
}

/* A picture has no page number. */
static cy_status typeset(const char *folder, const char *engine, bool png) {
  const char *page = png ? "\\AtBeginDocument{\\pagestyle{empty}}\\input{page.tex}" : "page.tex";
  if (run(folder,
          (const char *const[]){engine, "-interaction=batchmode", "-halt-on-error", "-jobname=page", page, NULL}))
    return CY_OK;
  return cy_fail(CY_IO, "%s could not typeset the derivation; --latex prints what it was given", engine);
}

static cy_status typeset_in(const char *folder, const char *latex, const char *path, const char *engine, bool png) {
  static const char *const files[] = {"page.tex", "page.pdf", "page.pgm", "page.png", "page.log", "page.aux"};
  enum { TEX, PDF, GRAY, PNG, FILES = sizeof files / sizeof *files };
  char *paths[FILES] = {0};
  cy_status status = CY_OK;
  for (int i = 0; i < FILES; i++)
    if (!(paths[i] = cli_join(folder, files[i]))) status = cy_no_memory();
  if (status == CY_OK) status = cy_file_write(latex, strlen(latex), paths[TEX]);
  if (status == CY_OK) status = typeset(folder, engine, png);
  if (status == CY_OK && png) status = draw_page(folder, paths[GRAY]);
  if (status == CY_OK) status = move_file(paths[png ? PNG : PDF], path);
  for (int i = 0; i < FILES; i++) {
    if (paths[i]) unlink(paths[i]);
    cy_string_free(paths[i]);
  }
  return status;
}

cy_status cli_derive_typeset(const char *latex, const char *path, bool png) {
  const char *engine = find_program((const char *const[]){"pdflatex", "lualatex", "xelatex", NULL});
  if (!engine)
    return cy_fail(CY_UNSUPPORTED,
                   "--%s needs a LaTeX installation (pdflatex, lualatex or xelatex), and there is none; "
                   "--html and --latex do not",
                   png ? "png" : "pdf");
  if (png && !find_program((const char *const[]){"pdftoppm", NULL}))
    return cy_fail(CY_UNSUPPORTED, "--png needs pdftoppm (of poppler-utils), which is not here; --pdf does not");
  const char *temporary = getenv("TMPDIR");
  char *folder = cli_join(temporary && *temporary ? temporary : "/tmp", "cauchy-derive-XXXXXX");
  if (!folder) return cy_no_memory();
  cy_status status = mkdtemp(folder) ? CY_OK : cy_fail(CY_IO, "%s: %s", folder, strerror(errno));
  if (status == CY_OK) {
    status = typeset_in(folder, latex, path, engine, png);
    rmdir(folder);
  }
  cy_string_free(folder);
  return status;
}
