/* Networks for `cauchy derive`: built for a batch of n rows, their parameters named as in textbooks, with a loss
 * written in operations that a reader knows. Its values are those of the library's losses. */
#include "cli/derive.h"
#include "cli/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 999983, MOST_VARIABLES = 256, NAME_SIZE = 48 }; /* examples: an extent that no layer has */

/* ---- losses ---- */

static cy_value mean(cy_value a) { return cy_mean(a, NULL, 0, false); }

static cy_value cross_entropy(cy_value output, cy_value target) {
  return cy_neg(mean(cy_gather(cy_log_softmax(output, 1), target, 1, 1)));
}
static cy_value squared(cy_value output, cy_value target) { return mean(cy_square(cy_sub(output, target))); }
static cy_value absolute(cy_value output, cy_value target) { return mean(cy_abs(cy_sub(output, target))); }
static cy_value binary(cy_value output, cy_value target) {
  cy_value all = cy_softplus(output);
  return mean(cy_sub(all, cy_mul(target, output)));
}

typedef struct loss_row {
  const char *name;
  bool classes;
  cy_value (*build)(cy_value output, cy_value target);
} loss_row;

static const loss_row losses[] = {
    {"cross_entropy", true, cross_entropy},
    {"mse", false, squared},
    {"mae", false, absolute},
    {"binary_cross_entropy", false, binary},
};
enum { LOSSES = sizeof losses / sizeof *losses };

static cy_status find_loss(const char *name, const loss_row **row) {
  const char *names[LOSSES];
  char hint[CLI_HINT_SIZE];
  *row = NULL;
  if (!name) return CY_OK;
  for (int i = 0; i < LOSSES; i++) {
    names[i] = losses[i].name;
    if (strcmp(names[i], name) == 0) *row = &losses[i];
  }
  if (*row) return CY_OK;
  return cy_fail(CY_INVALID, "--loss is cross_entropy, mse, mae or binary_cross_entropy, not \"%.40s\"%s", name,
                 cli_hint(name, names, LOSSES, hint));
}

/* ---- names of parameters ---- */

typedef struct naming {
  char text[MOST_VARIABLES][NAME_SIZE];
  cy_named_value symbols[MOST_VARIABLES + 2];
  int n;
} naming;

/* The textbook's letter for the last part of a variable's name. */
static const char *letter_of(const char *variable) {
  static const char *const letters[][2] = {{"weight", "W"},   {"bias", "b"},    {"scale", "gamma"}, {"gamma", "gamma"},
                                           {"shift", "beta"}, {"beta", "beta"}, {"slope", "alpha"}};
  const char *last = strrchr(variable, '.');
  for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
    if (strcmp(last ? last + 1 : variable, letters[i][0]) == 0) return letters[i][1];
  return "p";
}

/* W1, W2, ... in order of the layers that have one; W alone if there is one. */
static cy_status name_parameters(const cy_network *net, naming *names, cy_text *legend) {
  int count = cy_network_variable_count(net);
  for (int i = 0; i < count; i++) {
    const cy_network_variable *v = cy_network_variable_at(net, i);
    const char *letter = letter_of(v->name);
    int before = 0, all = 0;
    if (v->role != CY_PARAMETER) continue;
    if (names->n == MOST_VARIABLES)
      return cy_fail(CY_INVALID, "derive: more than %d parameter tensors", MOST_VARIABLES);
    for (int k = 0; k < count; k++) {
      const cy_network_variable *other = cy_network_variable_at(net, k);
      bool same = other->role == CY_PARAMETER && strcmp(letter_of(other->name), letter) == 0;
      all += same;
      before += same && k < i;
    }
    char *text = names->text[names->n];
    if (all > 1) snprintf(text, NAME_SIZE, "%s%d", letter, before + 1);
    else snprintf(text, NAME_SIZE, "%s", letter);
    cy_text_add(legend, "%s%s is %s", legend->length ? ", " : "", text, v->name);
    names->symbols[names->n++] = (cy_named_value){text, v->value};
  }
  return CY_OK;
}

/* ---- the graph ---- */

/* --batch n (a name) or 32 (a number). */
static cy_status read_batch(const cli_arguments *a, cy_named_extent *examples) {
  const char *text = cli_option_value(a, "--batch");
  char *end;
  *examples = (cy_named_extent){text && *text ? text : "n", EXAMPLES};
  if (!text || *text < '0' || *text > '9') {
    if (text && strpbrk(text, ":, ="))
      return cy_fail(CY_INVALID, "--batch of a network is the examples' dimension, a name or a number, not \"%.40s\"",
                     text);
    return CY_OK;
  }
  long long number = strtoll(text, &end, 10);
  if (*end || number < 1 || number > 1000000)
    return cy_fail(CY_INVALID, "--batch: \"%.40s\" is not a number of examples", text);
  examples->extent = number;
  return CY_OK;
}

static cy_status build(const cli_network *network, const loss_row *loss, const cy_named_extent *examples,
                       cy_network *net, cy_derive_options options, cy_derivation **derivation, char **legend) {
  cy_graph *graph = cy_network_graph(net);
  cy_shape shape = {.rank = network->sample.rank + 1, .dim = {examples->extent}};
  for (int i = 0; i < network->sample.rank; i++) shape.dim[i + 1] = network->sample.dim[i];
  cy_value x = cy_input(graph, "x", CY_F64, shape), target = {NULL, -1};
  cy_named_value result = {"y", cy_model_apply(network->model, net, x)};
  CY_TRY(cy_graph_status(graph));
  if (loss && loss->classes) target = cy_input(graph, "y", CY_I64, CY_SHAPE(examples->extent));
  else if (loss) target = cy_input(graph, "t", CY_F64, cy_value_shape(result.value));
  if (loss && loss->classes && cy_value_shape(result.value).rank != 2)
    return cy_fail(CY_INVALID,
                   "--loss %s: the output has %d axes; it takes one score per class: end with flatten -> dense(10)",
                   loss->name, cy_value_shape(result.value).rank);
  if (loss) result = (cy_named_value){"L", loss->build(result.value, target)};
  CY_TRY(cy_graph_status(graph));
  naming *names = cy_calloc(1, sizeof *names);
  cy_text text = {0};
  if (!names) return cy_no_memory();
  cy_status status = name_parameters(net, names, &text);
  cy_named_value all[MOST_VARIABLES + 2] = {{"x", x}};
  int n = 1;
  for (int i = 0; i < names->n; i++) all[n++] = names->symbols[i];
  if (loss) all[n++] = (cy_named_value){loss->classes ? "y" : "t", target};
  bool symbolic = examples->name[0] < '0' || examples->name[0] > '9';
  if (status == CY_OK) status = cy_derive_graph(result, all, n, NULL, 0, examples, symbolic, options, derivation);
  if (status == CY_OK && !(*legend = cy_text_take(&text))) status = cy_no_memory();
  cy_text_clear(&text);
  cy_free(names);
  return status;
}

cy_status cli_derive_network(const cli_arguments *a, cy_derive_options options, cy_graph **graph,
                             cy_derivation **derivation, char **names) {
  const loss_row *loss;
  cy_named_extent examples;
  cli_network network;
  cy_network *net = NULL;
  *graph = NULL;
  *derivation = NULL;
  *names = NULL;
  CY_TRY(find_loss(cli_option_value(a, "--loss"), &loss));
  CY_TRY(read_batch(a, &examples));
  cy_status status = cli_network_open(a->words[0], cli_option_value(a, "--input"), &network);
  if (status == CY_OK) status = cy_graph_create(graph);
  if (status == CY_OK)
    status = cy_network_create(*graph, (cy_network_options){.training = true, .dtype = CY_F64}, &net);
  if (status == CY_OK) status = build(&network, loss, &examples, net, options, derivation, names);
  cy_network_free(net);
  cli_network_clear(&network);
  return status;
}
