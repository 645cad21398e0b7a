/* Pages by an installed LaTeX: pdflatex (or lualatex, xelatex) in a folder of its own, pdftoppm for pictures. */
#include "cli/derive.h"
#include "cli/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static cy_status copy_file(const char *from, const char *to) {
  char buffer[1 << 14];
  size_t n;
  FILE *in = fopen(from, "rb");
  if (!in) return cy_fail(CY_IO, "%s: %s", from, strerror(errno));
  FILE *out = fopen(to, "wb");
  if (!out) {
    fclose(in);
    return cy_fail(CY_IO, "%s: %s", to, strerror(errno));
  }
  bool good = true;
  while (good && (n = fread(buffer, 1, sizeof buffer, in)) > 0) good = fwrite(buffer, 1, n, out) == n;
  good = !ferror(in) && good;
  fclose(in);
  return fclose(out) == 0 && good ? CY_OK : cy_fail(CY_IO, "%s: %s", to, strerror(errno));
}

static cy_status typeset_in(const char *folder, const char *latex, const char *path, const char *engine, bool png) {
  static const char *const files[] = {"page.tex", "page.pdf", "page.png", "page.log", "page.aux"};
  enum { TEX, PDF, PNG, FILES = sizeof files / sizeof *files };
  char *paths[FILES] = {0};
  cy_status status = CY_OK;
  for (int i = 0; i < FILES; i++)
    if (!(paths[i] = cli_join(folder, files[i]))) status = cy_no_memory();
  if (status == CY_OK) status = cy_file_write(latex, strlen(latex), paths[TEX]);
  if (status == CY_OK &&
      !run(folder, (const char *const[]){engine, "-interaction=batchmode", "-halt-on-error", "page.tex", NULL}))
    status = cy_fail(CY_IO, "%s could not typeset the derivation; --latex prints what it was given", engine);
  if (status == CY_OK && png &&
      !run(folder,
           (const char *const[]){"pdftoppm", "-png", "-r", "150", "-f", "1", "-singlefile", "page.pdf", "page", NULL}))
    status = cy_fail(CY_IO, "pdftoppm could not draw the page");
  if (status == CY_OK) status = copy_file(paths[png ? PNG : PDF], path);
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
