/* Words and options of a command line, by the verb's own table. `--name VALUE` and `--name=VALUE` are the same; `--`
 * ends the options; `-` is a word (standard input). */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cli_hint(const char *word, const char *const *names, size_t n, char buffer[CLI_HINT_SIZE]) {
  const char *near = cy_nearest_name(word, names, n);
  buffer[0] = 0;
  if (near) snprintf(buffer, CLI_HINT_SIZE, "; did you mean \"%s\"?", near);
  return buffer;
}

static int option_index(const cli_verb *verb, const char *name, size_t length) {
  for (int i = 0; verb->options && verb->options[i].name; i++)
    if (strlen(verb->options[i].name) == length && strncmp(verb->options[i].name, name, length) == 0) return i;
  return -1;
}

static cy_status unknown_option(const cli_verb *verb, const char *word) {
  const char *names[CLI_MAX_OPTIONS + 1];
  char hint[CLI_HINT_SIZE];
  size_t n = 0;
  for (int i = 0; verb->options && verb->options[i].name; i++) names[n++] = verb->options[i].name;
  names[n++] = "--help";
  cli_hint(word, names, n, hint);
  return cy_fail(CY_INVALID, "%s has no option %s%s", verb->name, word, hint[0] ? hint : "; see cauchy help");
}

static cy_status read_option(const cli_verb *verb, int argc, const char *const *argv, int *i, cli_arguments *a) {
  const char *word = argv[*i], *equals = strchr(word, '=');
  int index = option_index(verb, word, equals ? (size_t)(equals - word) : strlen(word));
  if (index < 0) return unknown_option(verb, word);
  const cli_option *option = &verb->options[index];
  if (a->values[index]) return cy_fail(CY_INVALID, "option %s is given twice", option->name);
  if (!option->value) {
    if (equals) return cy_fail(CY_INVALID, "option %s takes no value", option->name);
    a->values[index] = "";
    return CY_OK;
  }
  if (!equals && *i + 1 >= argc) return cy_fail(CY_INVALID, "option %s needs a value: %s", option->name, option->value);
  a->values[index] = equals ? equals + 1 : argv[++*i];
  if (a->values[index][0] == 0) return cy_fail(CY_INVALID, "option %s needs a value: %s", option->name, option->value);
  return CY_OK;
}

bool cli_looks_like_option(const char *word) { return word[0] == '-' && word[1] != 0; }

static bool is_option(const cli_verb *verb, const char *word) {
  return cli_looks_like_option(word) && (!verb->formula || word[1] == '-');
}

cy_status cli_arguments_parse(const cli_verb *verb, int argc, const char *const *argv, cli_arguments *a) {
  *a = (cli_arguments){.verb = verb};
  a->words = cy_calloc((size_t)argc + 1, sizeof *a->words);
  if (!a->words) return cy_no_memory();
  bool options = true;
  for (int i = 0; i < argc; i++) {
    if (options && strcmp(argv[i], "--") == 0) options = false;
    else if (options && is_option(verb, argv[i])) CY_TRY(read_option(verb, argc, argv, &i, a));
    else a->words[a->n_words++] = argv[i];
  }
  if (a->n_words < verb->min_words)
    return cy_fail(CY_INVALID, "usage: cauchy %s %s (see cauchy help %s)", verb->name, verb->usage, verb->name);
  if (verb->max_words >= 0 && a->n_words > verb->max_words)
    return cy_fail(CY_INVALID, "\"%s\" is one word too many: cauchy %s %s", a->words[verb->max_words], verb->name,
                   verb->usage);
  return CY_OK;
}

void cli_arguments_clear(cli_arguments *a) {
  cy_free(a->words);
  a->words = NULL;
}

const char *cli_option_value(const cli_arguments *a, const char *name) {
  int index = option_index(a->verb, name, strlen(name));
  return index < 0 ? NULL : a->values[index];
}

cy_status cli_option_number(const cli_arguments *a, const char *name, int low, int high, int *number) {
  const char *text = cli_option_value(a, name);
  char *end;
  if (!text) return CY_OK;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno || end == text || *end || value < low || value > high)
    return cy_fail(CY_INVALID, "option %s takes a whole number from %d to %d, not \"%s\"", name, low, high, text);
  *number = (int)value;
  return CY_OK;
}
