/* `cauchy analyze`: sizes, parameters, arithmetic, memory and receptive fields of a network at an input shape. */
#include "cli/analyze.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void clear(cli_analysis *a) {
  cy_analysis_free(a->analysis);
  cli_network_clear(&a->network);
}

enum { LARGE_NETWORK = 500 }; /* layers; beyond that the training step is compiled on request only */

static bool has_parameters(const cy_analysis *analysis) {
  for (int i = 0; i < cy_analysis_layer_count(analysis); i++)
    if (cy_analysis_layer(analysis, i)->parameters > 0) return true;
  return false;
}

/* Beyond this a failure to add up memory is one of size, which says nothing against the layers: a petabyte. */
static const double HUGE_BYTES = 1e15;

/* What failed only because so many values cannot be counted is a remark, and the table is shown. */
static cy_status remark_if_huge(cy_status status, const cli_analysis *a, const char *what, int64_t batch, char *note,
                                size_t size, bool *done) {
  cy_analysis_totals totals = cy_analysis_total(a->analysis);
  double bytes = (double)totals.activation_bytes * (double)batch + 4.0 * (double)totals.parameters;
  *done = status == CY_OK;
  if (status == CY_OK || status == CY_NO_MEMORY || bytes < HUGE_BYTES) return status;
  snprintf(note, size, "%-9s memory, batch %lld: not computed: %s", what, (long long)batch, cy_error_message());
  return CY_OK;
}

static cy_status measure_training(const cli_arguments *arguments, cli_analysis *a, int batch) {
  const cli_network *n = &a->network;
  cy_trainer_options options = n->options;
  bool asked = cli_option_value(arguments, "--training") != NULL;
  if (!asked && cy_analysis_layer_count(a->analysis) > LARGE_NETWORK) {
    snprintf(a->training_note, sizeof a->training_note,
             "training memory: not computed for so many layers; --training does");
    return CY_OK;
  }
  if (!asked && !has_parameters(a->analysis)) return CY_OK; /* nothing to train */
  if (batch) options.batch_size = batch;
  cy_status status = cy_analyze_training(n->model, n->sample, n->classes, options, &a->training);
  return remark_if_huge(status, a, "training", a->training.batch, a->training_note, sizeof a->training_note,
                        &a->has_training);
}

static cy_status measure_memory(const cli_arguments *arguments, cli_analysis *a) {
  int batch = 0;
  CY_TRY(cli_option_number(arguments, "--batch", 1, INT_MAX, &batch));
  cy_status status = cy_analyze_inference(a->network.model, a->network.sample, batch ? batch : 1, &a->inference);
  CY_TRY(remark_if_huge(status, a, "inference", batch ? batch : 1, a->inference_note, sizeof a->inference_note,
                        &a->has_inference));
  return measure_training(arguments, a, batch);
}

static cy_status print_layer(const cli_analysis *a, const char *name) {
  int layer;
  char *text;
  CY_TRY(cy_analysis_find(a->analysis, name, &layer));
  CY_TRY(cy_analysis_layer_text(a->analysis, layer, &text));
  fputs(text, stdout);
  cy_string_free(text);
  return CY_OK;
}

static cy_status print_json(const cli_arguments *arguments, const cli_analysis *a, const cli_field *field) {
  json_t *object = cli_analysis_json(a);
  cy_status status = object && cli_option_value(arguments, "--vary") ? cli_analysis_vary_json(a, object) : CY_OK;
  if (status == CY_OK && object && field->given) status = cli_field_json(a, field, object);
  char *text = object ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
  json_decref(object);
  if (status == CY_OK && !text) status = cy_no_memory();
  if (status == CY_OK) puts(text);
  free(text);
  return status;
}

/* Everything that JSON holds; as text one thing at a time. */
static cy_status show(cli_arguments *arguments, cli_analysis *a, const cli_field *field) {
  const char *layer = cli_option_value(arguments, "--layer"), *picture = cli_option_value(arguments, "--picture");
  bool markdown = cli_option_value(arguments, "--markdown"), json = cli_option_value(arguments, "--json");
  if (field->has_measured && !field->agrees) arguments->exit_code = CLI_EXIT_CHECK_FAILED;
  if (picture) CY_TRY(cli_analysis_draw(a, field, picture));
  if (json) {
    CY_TRY(measure_memory(arguments, a));
    return print_json(arguments, a, field);
  }
  if (layer) return print_layer(a, layer);
  if (field->given) return cli_field_print(a, field);
  if (cli_option_value(arguments, "--vary")) return cli_analysis_print_vary(a, markdown);
  CY_TRY(measure_memory(arguments, a));
  return cli_analysis_print(a, markdown);
}

/* A file's name without its folder and end, or the expression itself. */
static void set_title(const char *word, char *title, size_t size) {
  const char *slash = strpbrk(word, "(>") ? NULL : strrchr(word, '/');
  snprintf(title, size, "%s", slash && slash[1] ? slash + 1 : word);
  char *dot = strpbrk(title, "(> ") ? NULL : strrchr(title, '.');
  if (dot && dot != title) *dot = 0;
}

static cy_status run(cli_arguments *arguments, cli_analysis *a) {
  cli_field field;
  char title[160];
  set_title(arguments->words[0], title, sizeof title);
  a->title = title;
  CY_TRY(cli_network_open(arguments->words[0], cli_option_value(arguments, "--input"), &a->network));
  CY_TRY(cy_analyze(a->network.model, a->network.sample, &a->analysis));
  cy_status status = cli_field_open(arguments, a, &field);
  if (status == CY_OK) status = show(arguments, a, &field);
  cli_field_close(&field);
  return status;
}

cy_status cli_analyze(cli_arguments *arguments) {
  cli_analysis a = {0};
  cy_status status = run(arguments, &a);
  clear(&a);
  return status;
}
