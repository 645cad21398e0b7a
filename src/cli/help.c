/* `cauchy help`, `cauchy layers`, `cauchy version`: everything printed here is read from the tables of verbs, keys and
 * layers. */
#include "cli/cli.h"
#include "cli/recipe.h"

#include "cauchy_config.h"

#include <stdio.h>
#include <string.h>

void cli_print_overview(void) {
  const cli_verb *verb;
  printf("cauchy trains neural networks, and uses what it trained.\n\n");
  for (int i = 0; (verb = cli_verb_at(i)) != NULL; i++)
    printf("  %-8s %-30s %s\n", verb->name, verb->usage, verb->summary);
  printf("\nFirst steps:\n\n"
         "  cauchy train digits          # handwritten digits, built in: seconds\n"
         "  cauchy eval runs/digits-1    # the run folder is named in the last line of train\n"
         "  cauchy help train\n");
}

static void print_indented(const char *text) {
  while (*text) {
    size_t n = strcspn(text, "\n");
    printf("  %.*s\n", (int)n, text);
    text += n + (text[n] == '\n');
  }
}

void cli_print_help(const cli_verb *verb) {
  printf("cauchy %s%s%s: %s\n", verb->name, verb->usage[0] ? " " : "", verb->usage, verb->summary);
  if (verb->help) printf("\n%s\n", verb->help);
  printf("\nOptions:\n");
  for (const cli_option *o = verb->options; o && o->name; o++) {
    char spelling[64];
    snprintf(spelling, sizeof spelling, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    printf("  %-20s %s\n", spelling, o->help);
  }
  printf("  %-20s %s\n", "--help", "print this");
  if (!verb->examples) return;
  printf("\nExamples:\n");
  print_indented(verb->examples);
}

/* "cpu, reference" */
static void print_choices(const cli_key *key) {
  const char *name;
  for (int i = 0; key->choice && (name = key->choice(i)) != NULL; i++) printf("%s%s", i ? ", " : "    one of ", name);
  if (key->choice) printf("\n");
}

static void print_recipe_help(void) {
  const cli_key *key;
  const char *name;
  printf(
      "A recipe is a YAML file of keys; each can also be given as key=value after the recipe. In a file, keys with a\n"
      "dot are groups:\n\n"
      "  data: digits\n"
      "  model: dense(64) -> relu -> dense(10)\n"
      "  epochs: 40\n"
      "  optimizer:\n"
      "    name: adamw\n"
      "    weight_decay: 0.05\n\n"
      "Built-in recipes:");
  for (int i = 0; (name = cli_recipe_builtin_name(i)) != NULL; i++) printf("%s %s", i ? "," : "", name);
  printf(". Keys (usual value):\n\n");
  for (int i = 0; (key = cli_recipe_key(i)) != NULL; i++) {
    printf("%s%s%s%s\n    %s\n", key->path, key->usual[0] ? " (" : "", key->usual, key->usual[0] ? ")" : "", key->help);
    if (!(key->flags & CLI_KEY_ALIAS)) print_choices(key);
  }
}

cy_status cli_help(cli_arguments *a) {
  if (a->n_words == 0) {
    cli_print_overview();
    return CY_OK;
  }
  if (strcmp(a->words[0], "recipe") == 0) {
    print_recipe_help();
    return CY_OK;
  }
  const cli_verb *verb = cli_verb_find(a->words[0]);
  if (!verb) return CY_INVALID;
  if (strcmp(verb->name, "layers") == 0) return cli_layers(&(cli_arguments){.verb = verb});
  cli_print_help(verb);
  return CY_OK;
}

cy_status cli_layers(cli_arguments *a) {
  char *text;
  CY_TRY(cy_layer_help(a->n_words ? a->words[0] : NULL, &text));
  printf("%s", text);
  size_t n = strlen(text);
  if (n && text[n - 1] != '\n') printf("\n");
  cy_string_free(text);
  return CY_OK;
}

cy_status cli_version(cli_arguments *a) {
  (void)a;
  static const struct {
    const char *name;
    int have;
  } parts[] = {{"oneDNN", CY_HAVE_ONEDNN}, {"SLEEF", CY_HAVE_SLEEF},
               {"libyaml", CY_HAVE_YAML},  {"cairo", CY_HAVE_CAIRO},       {"libcurl", CY_HAVE_CURL},
               {"nettle", CY_HAVE_NETTLE}, {"libzip", CY_HAVE_ZIP},
               {"libpng", CY_HAVE_PNG},    {"libjpeg", CY_HAVE_JPEG}};
  printf("cauchy %s\n", CY_VERSION);
  for (int have = 1; have >= 0; have--) {
    int n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
      if (!!parts[i].have == have) printf("%s%s", n++ ? ", " : have ? "with " : "without ", parts[i].name);
    if (n) printf("\n");
  }
  return CY_OK;
}
