/* The command's inner interface: verbs, their options, and how they fail. A verb is one file and one row in verbs.c; it
 * returns a status whose sentence main prints as "cauchy: ...". Only public headers and base/ text are used here. */
#ifndef CY_CLI_CLI_H
#define CY_CLI_CLI_H

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#include <cauchy.h>

/* What the process ends with. */
enum { CLI_EXIT_OK = 0, CLI_EXIT_CHECK_FAILED = 1, CLI_EXIT_BAD_INPUT = 2, CLI_EXIT_INTERRUPTED = 130 };

typedef struct cli_option {
  const char *name;  /* "--out" */
  const char *value; /* what it takes: "DIR"; NULL: nothing */
  const char *help;
} cli_option;

enum { CLI_MAX_OPTIONS = 24 };

typedef struct cli_verb cli_verb;

typedef struct cli_arguments {
  const cli_verb *verb;
  const char **words; /* what is neither an option nor an option's value */
  int n_words;
  const char *values[CLI_MAX_OPTIONS]; /* by the verb's options; NULL: not given; "" if it takes nothing */
  int exit_code;                       /* a verb sets CLI_EXIT_CHECK_FAILED here when a check fails without an error */
} cli_arguments;

struct cli_verb {
  const char *name, *usage; /* usage: what follows the name, "MODEL [DATA]" */
  const char *summary;      /* one line */
  const char *help;         /* paragraphs */
  const char *examples;     /* lines "command   # what for" */
  const cli_option *options; /* ends with a NULL name; NULL: none */
  int min_words, max_words;  /* max_words < 0: any number */
  bool formula;              /* words are formulas: -x^2 is none of the options, which begin with -- */
  cy_status (*run)(cli_arguments *arguments);
};

/* verbs.c: the table; NULL if unknown, and cy_error_message suggests a name. */
const cli_verb *cli_verb_at(int i); /* NULL beyond the last */
const cli_verb *cli_verb_find(const char *name);

/* arguments.c. argv: after the verb's name. */
CY_MUST_CHECK cy_status cli_arguments_parse(const cli_verb *verb, int argc, const char *const *argv,
                                            cli_arguments *arguments);
void cli_arguments_clear(cli_arguments *arguments);
const char *cli_option_value(const cli_arguments *arguments, const char *name); /* NULL if not given */
/* A whole number low..high; *number is untouched if the option was not given. */
CY_MUST_CHECK cy_status cli_option_number(const cli_arguments *arguments, const char *name, int low, int high,
                                          int *number);
/* Words beginning with "--" or "-x" are options. */
bool cli_looks_like_option(const char *word);
/* "; did you mean "x"?" for a word that is near one of the names, else "". Returns buffer. */
enum { CLI_HINT_SIZE = 128 };
const char *cli_hint(const char *word, const char *const *names, size_t n, char buffer[CLI_HINT_SIZE]);

/* help.c */
void cli_print_overview(void);
void cli_print_help(const cli_verb *verb);

/* One function per verb, each in the file of its name. */
cy_status cli_train(cli_arguments *arguments);
cy_status cli_eval(cli_arguments *arguments);
cy_status cli_predict(cli_arguments *arguments);
cy_status cli_sample(cli_arguments *arguments);
cy_status cli_data(cli_arguments *arguments);
cy_status cli_info(cli_arguments *arguments);
cy_status cli_analyze(cli_arguments *arguments);
cy_status cli_matrix(cli_arguments *arguments);
cy_status cli_check_verb(cli_arguments *arguments);
cy_status cli_minimize(cli_arguments *arguments);
cy_status cli_derive(cli_arguments *arguments);
cy_status cli_hessian_verb(cli_arguments *arguments);
cy_status cli_flow_verb(cli_arguments *arguments);
cy_status cli_layers(cli_arguments *arguments);
cy_status cli_version(cli_arguments *arguments);
cy_status cli_help(cli_arguments *arguments);

#endif
