/* The command `cauchy`: finds the verb, reads its options, runs it, and turns its status into one line on stderr and an
 * exit code. It knows no verb by name. */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int exit_code_of(cy_status status) {
  switch (status) {
    case CY_OK: return CLI_EXIT_OK;
    case CY_CANCELLED: return CLI_EXIT_INTERRUPTED;
    case CY_NOT_FINITE: return CLI_EXIT_CHECK_FAILED;
    default: return CLI_EXIT_BAD_INPUT;
  }
}

/* Output that never arrived (a full disk, say) is a failure even if everything else went well. */
static cy_status flush_output(void) {
  bool failed = ferror(stdout) != 0;
  if (fflush(stdout) != 0) failed = true;
  return failed ? cy_fail(CY_IO, "standard output could not be written: %s", strerror(errno)) : CY_OK;
}

static cy_status run(const cli_verb *verb, int argc, const char *const *argv, int *exit_code) {
  cli_arguments arguments;
  for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      cli_print_help(verb);
      return CY_OK;
    }
  cy_status status = cli_arguments_parse(verb, argc, argv, &arguments);
  if (status == CY_OK) status = verb->run(&arguments);
  *exit_code = arguments.exit_code;
  cli_arguments_clear(&arguments);
  return status;
}

/* Threads that wait for each other spin for a while. GNU's OpenMP spins for milliseconds, which costs a factor of ten
 * where other programs want the cores too, and little is gained beyond microseconds. Its runtime reads the setting
 * when it is loaded, so the command starts itself once more with it, unless the user has a will of his own. */
static void limit_spinning(char **argv) {
  char self[PATH_MAX];
  if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
  ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  if (n <= 0 || n >= (ssize_t)sizeof self || setenv("GOMP_SPINCOUNT", "1000", 1) != 0) return;
  self[n] = 0;
  execv(self, argv); /* on failure all goes on as it is */
}

int main(int argc, char **argv) {
  int exit_code = 0;
  limit_spinning(argv);
  const char *word = argc > 1 ? argv[1] : "--help";
  signal(SIGPIPE, SIG_DFL); /* `cauchy ... | head` ends quietly */
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) word = "help";
  if (strcmp(word, "--version") == 0) word = "version";
  const cli_verb *verb = cli_verb_find(word);
  cy_status status = verb ? run(verb, argc > 2 ? argc - 2 : 0, (const char *const *)argv + 2, &exit_code) : CY_INVALID;
  if (status == CY_OK) status = flush_output();
  else fflush(stdout);
  if (status == CY_OK) return exit_code;
  const char *message = cy_error_message(); /* its first line says all; those below point at the place in a network */
  int length = isatty(STDERR_FILENO) ? (int)strlen(message) : (int)strcspn(message, "\n");
  fprintf(stderr, "cauchy: %.*s\n", length, message);
  return exit_code_of(status);
}
