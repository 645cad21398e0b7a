/* `cauchy check`: are a network's derivatives those of its values, does shifting commute with its convolutions, does its
 * loss stay finite? Runs the library's checks on the model's own weights and samples where it has some. */
#include "cli/check.h"

#include "cli/model_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- real samples ---- */

enum { USUAL_SAMPLES = 4 };

/* A few samples, spread over the data, as the network saw them in training. */
static cy_status read_samples(cli_check *c, cy_dataset *dataset) {
  int64_t count = cy_dataset_count(dataset), n = c->options.batch ? c->options.batch : USUAL_SAMPLES;
  if (n > count) n = count;
  cy_shape shape = {.rank = c->network.sample.rank + 1, .dim = {n}};
  int64_t *indices = cy_calloc((size_t)n + 1, sizeof *indices);
  if (!indices) return cy_no_memory();
  for (int i = 0; i < c->network.sample.rank; i++) shape.dim[i + 1] = c->network.sample.dim[i];
  cy_shape target = cy_dataset_target_shape(dataset), labels = {.rank = target.rank + 1, .dim = {n}};
  for (int i = 0; i < target.rank; i++) labels.dim[i + 1] = target.dim[i];
  for (int64_t i = 0; i < n; i++) indices[i] = i * (count / n);
  cy_status status = cy_dataset_set_scaling(dataset, cy_trained_scaling(c->network.trained));
  if (status == CY_OK) status = cy_tensor_create(CY_F32, shape, &c->inputs);
  if (status == CY_OK && cy_dataset_classes(dataset) > 0)
    status = cy_tensor_create(CY_I64, labels, &c->labels);
  if (status == CY_OK) status = cy_dataset_batch(dataset, indices, n, c->inputs, c->labels);
  cy_free(indices);
  return status;
}

/* Of a saved model, if its data are here and have the shape of the input; else random numbers serve, as for sequences of
 * different lengths, whose padding would lie at kinks. */
static void find_samples(cli_check *c, const char *word) {
  char *path = NULL;
  cy_dataset *dataset = NULL;
  cy_status status = cli_model_path(word, CLI_MODEL_NAME, CLI_CHECKPOINT_NAME, &path);
  if (status == CY_OK) status = cli_open_training_data(path, &dataset);
  if (status == CY_OK && cy_shape_equal(cy_dataset_sample_shape(dataset), c->network.sample) &&
      !cy_dataset_is_ragged(dataset)) {
    status = read_samples(c, dataset);
    snprintf(c->samples, sizeof c->samples, "%s", cy_dataset_name(dataset));
  }
  if (status != CY_OK || !c->inputs) {
    cy_tensor_free(c->inputs);
    cy_tensor_free(c->labels);
    c->inputs = c->labels = NULL;
    snprintf(c->samples, sizeof c->samples, "random");
  }
  cy_dataset_free(dataset);
  cy_string_free(path);
}

/* ---- options ---- */

static cy_status read_options(const cli_arguments *a, cli_check *c) {
  int batch = 0, directions = 0, coordinates = 0, threads = 1, seed = 0;
  CY_TRY(cli_option_number(a, "--batch", 1, INT_MAX, &batch));
  CY_TRY(cli_option_number(a, "--directions", 1, INT_MAX, &directions));
  CY_TRY(cli_option_number(a, "--coordinates", 1, INT_MAX, &coordinates));
  CY_TRY(cli_option_number(a, "--threads", 1, 4096, &threads));
  CY_TRY(cli_option_number(a, "--seed", 0, INT_MAX, &seed));
  const char *loss = cli_option_value(a, "--loss");
  c->options = (cy_check_options){.sample = c->network.sample, .batch = batch, .directions = directions,
                                  .coordinates = coordinates, .threads = threads, .seed = (uint64_t)seed,
                                  .loss = loss ? loss : c->network.options.loss, .classes = c->network.classes};
  if (c->network.trained) c->options.weights = cy_trained_state(c->network.trained);
  return CY_OK;
}

/* Where it is, while it lasts. */
static bool on_row(const cy_check_row *row, void *context) {
  cli_check *c = context;
  char words[256];
  snprintf(words, sizeof words, "%d checks done: %s%s%s", ++c->done, cy_check_name(row->kind), row->layer[0] ? " of " : "",
           row->layer);
  cli_progress_words(&c->progress, words);
  return true;
}

static cy_status run_checks(const cli_arguments *a, cli_check *c) {
  CY_TRY(cli_network_open(a->words[0], cli_option_value(a, "--input"), &c->network));
  CY_TRY(read_options(a, c));
  snprintf(c->samples, sizeof c->samples, "random");
  if (c->network.trained && !cli_option_value(a, "--random")) find_samples(c, a->words[0]);
  c->options.inputs = c->inputs;
  c->options.labels = c->labels;
  c->options.on_row = on_row;
  c->options.context = c;
  cli_progress_begin(&c->progress, false);
  cy_status status = cy_check_model(c->network.model, c->options, &c->report);
  cli_progress_clear(&c->progress);
  return status;
}

/* ---- the verdict ---- */

static void say_failure(const cli_check *c) {
  const cy_check_row *row = NULL;
  for (int i = 0; !row && (row = cy_check_at(c->report, i)); i++)
    if (row->result != CY_CHECK_FAILED) row = NULL;
  const char *layer = cy_check_failing_layer(c->report);
  if (!row) return;
  fprintf(stderr, "cauchy: check failed: %s%s%s%s%s%s: error %.2g, tolerance %.0e (%d of %d checks failed)\n", layer,
          layer[0] ? ": " : "", cy_check_name(row->kind), row->subject[0] ? " by " : "", row->subject,
          row->training ? ", in training" : "", row->figure, row->tolerance, cy_check_failures(c->report),
          cy_check_count(c->report));
}

cy_status cli_check_verb(cli_arguments *a) {
  cli_check c = {0};
  cy_status status = run_checks(a, &c);
  if (status == CY_OK) status = cli_option_value(a, "--json") ? cli_check_print_json(&c) : cli_check_print(&c);
  if (status == CY_OK && cy_check_failures(c.report) > 0) {
    fflush(stdout);
    say_failure(&c);
    a->exit_code = CLI_EXIT_CHECK_FAILED;
  }
  cy_check_report_free(c.report);
  cy_tensor_free(c.inputs);
  cy_tensor_free(c.labels);
  cli_network_clear(&c.network);
  return status;
}
