/* Starting the built command in a folder of its own, for tests of verbs: what it prints and how it exits. */
#ifndef CY_TESTS_COMMAND_H
#define CY_TESTS_COMMAND_H

#include "folder.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/wait.h>

enum { COMMAND_OUTPUT = 1 << 18, COMMAND_ARGUMENTS = 32 };

typedef struct outcome {
  int exit_code; /* -1: ended by a signal */
  char out[COMMAND_OUTPUT], err[COMMAND_OUTPUT];
} outcome;

static inline void read_back(const char *path, char text[COMMAND_OUTPUT]) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  size_t n = fread(text, 1, COMMAND_OUTPUT - 1, file);
  text[n] = 0;
  fclose(file);
}

static inline void redirect(const char *path, int flags, int to) {
  int fd = open(path, flags, 0600);
  if (fd < 0 || dup2(fd, to) < 0) _exit(126);
  if (fd != to) close(fd);
}

/* The child: words separated by blanks; a word in '...' may hold blanks. */
static inline void become_command(const char *line) {
  char copy[8192], *command = getenv("CAUCHY_COMMAND"), *arguments[COMMAND_ARGUMENTS + 2] = {command};
  int n = 1;
  snprintf(copy, sizeof copy, "%s", line);
  for (char *at = copy; *at && n < COMMAND_ARGUMENTS;) {
    bool quoted = *at == '\'';
    if (quoted) at++;
    arguments[n++] = at;
    at += strcspn(at, quoted ? "'" : " ");
    if (*at) *at++ = 0;
    while (*at == ' ') at++;
  }
  execv(command, arguments);
  _exit(127);
}

static outcome last; /* of the last run: too large for the stack */

static inline int exit_code_of(pid_t child) {
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Runs to the end, standard input from a file. The outcome is valid until the next run. */
static inline const outcome *run_with_input(const char *line, const char *input) {
  assert_non_null(getenv("CAUCHY_COMMAND"));
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    redirect(input, O_RDONLY, STDIN_FILENO);
    redirect("stdout.txt", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect("stderr.txt", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    become_command(line);
  }
  last.exit_code = exit_code_of(child);
  read_back("stdout.txt", last.out);
  read_back("stderr.txt", last.err);
  return &last;
}
static inline const outcome *run(const char *line) { return run_with_input(line, "/dev/null"); }

/* Runs and expects success; returns what it printed. */
static inline const char *succeed(const char *line) {
  const outcome *o = run(line);
  if (o->exit_code != 0) fail_msg("cauchy %s: exit %d: %s", line, o->exit_code, o->err);
  assert_string_equal(o->err, "");
  return o->out;
}

/* Bad input: exit 2, nothing but one line with these words on stderr. */
static inline void refuse(const char *line, const char *words) {
  const outcome *o = run(line);
  const char *end = strchr(o->err, '\n');
  if (o->exit_code != 2 || strncmp(o->err, "cauchy: ", 8) != 0 || !strstr(o->err, words) || !end || end[1])
    fail_msg("cauchy %s: exit %d: %s", line, o->exit_code, o->err);
}

static inline bool exists(const char *path) { return access(path, F_OK) == 0; }

static inline void assert_holds(const char *text, const char *part) {
  if (!text || !strstr(text, part)) fail_msg("no \"%s\" in:\n%s", part, text ? text : "nothing");
}

#endif
