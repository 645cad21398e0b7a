/* From a word on the command line to measured cases: the network, the sequences that run through it (its own data, other,
 * or made up), and each spectral radius that was asked for. */
#include "cli/flow.h"

#include "cli/model_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { USUAL_OF_DATA = 32, USUAL_MADE_UP = 8 };

/* ---- data ---- */

static cy_status open_data(const cli_flow *f, const char *word, cli_network *network, cy_dataset **dataset) {
  const char *data = cli_option_value(f->arguments, "--data");
  cli_saved_data saved = {0};
  cy_status status = CY_OK;
  *dataset = NULL;
  bool own = !data && !cli_option_value(f->arguments, "--input") && !cli_option_value(f->arguments, "--steps");
  if (own && network->trained) {
    char *path;
    CY_TRY(cli_model_path(word, CLI_MODEL_NAME, CLI_CHECKPOINT_NAME, &path));
    if (cli_open_training_data(path, dataset) != CY_OK) *dataset = NULL; /* then inputs are made up */
    cy_string_free(path);
    return CY_OK;
  }
  if (own) data = network->recipe.data;
  if (!data) return CY_OK;
  if (network->trained) status = cli_trained_data_options(network->trained, word, &saved);
  else if (network->recipe.data) status = cli_recipe_data_options(&network->recipe, &saved.options);
  if (status == CY_OK)
    status = network->trained ? cli_open_alike(data, &saved, dataset) : cy_dataset_open(data, saved.options, dataset);
  cli_saved_data_clear(&saved);
  return status;
}

/* As the model was trained, or as it would be. */
static cy_status scale_data(cli_network *network, cy_dataset *dataset) {
  cy_split split;
  if (network->trained) return cy_dataset_set_scaling(dataset, cy_trained_scaling(network->trained));
  CY_TRY(cy_dataset_split(dataset, (cy_split_options){0}, &split));
  cy_status status = cy_dataset_scale(dataset, network->options.scale, split.train, split.n_train);
  cy_split_clear(&split);
  return status;
}

static cy_shape batch_of(int64_t n, cy_shape one) {
  cy_shape shape = {.rank = one.rank + 1, .dim = {n}};
  for (int i = 0; i < one.rank && i + 1 < CY_MAX_RANK; i++) shape.dim[i + 1] = one.dim[i];
  return shape;
}

/* The n longest, and in *steps how many steps the shortest of them has. */
static void choose_longest(const cy_dataset *dataset, int64_t n, int64_t *indices, int64_t *steps) {
  for (int64_t i = 0, kept = 0; i < cy_dataset_count(dataset); i++) {
    int64_t k = kept < n ? kept++ : n;
    for (; k > 0 && cy_dataset_steps(dataset, indices[k - 1]) < cy_dataset_steps(dataset, i); k--)
      if (k < n) indices[k] = indices[k - 1];
    if (k < n) indices[k] = i;
  }
  *steps = cy_dataset_steps(dataset, indices[n - 1]);
}

/* Of sequences of different lengths: the longest, and so many of their last steps as all have. */
static cy_status take_ends(const cy_dataset *dataset, int64_t n, cy_tensor **inputs, cy_tensor **labels) {
  cy_shape sample = cy_dataset_sample_shape(dataset);
  cy_tensor *whole = NULL;
  int64_t steps = 0, *indices = cy_calloc((size_t)n, sizeof *indices);
  if (!indices) return cy_no_memory();
  choose_longest(dataset, n, indices, &steps);
  cy_status status = cy_tensor_create(CY_F32, batch_of(n, sample), &whole);
  if (status == CY_OK) status = cy_tensor_create(CY_F32, CY_SHAPE(n, sample.dim[0], steps), inputs);
  bool labelled = cy_dataset_classes(dataset) > 0 && !cy_dataset_each_step(dataset);
  if (status == CY_OK && labelled) status = cy_tensor_create(CY_I64, CY_SHAPE(n), labels);
  if (status == CY_OK) status = cy_dataset_batch(dataset, indices, n, whole, *labels);
  for (int64_t row = 0; status == CY_OK && row < n * sample.dim[0]; row++) {
    int64_t length = cy_dataset_steps(dataset, indices[row / sample.dim[0]]);
    memcpy(cy_tensor_f32(*inputs) + row * steps, cy_tensor_f32(whole) + row * sample.dim[1] + length - steps,
           (size_t)steps * sizeof(float));
  }
  cy_tensor_free(whole);
  cy_free(indices);
  return status;
}

/* So many sequences, spread evenly over the data. */
static cy_status take_sequences(const cy_dataset *dataset, int64_t n, cy_tensor **inputs, cy_tensor **labels) {
  int64_t count = cy_dataset_count(dataset), *indices = NULL;
  if (n > count) n = count;
  if (n < 1) return cy_fail(CY_INVALID, "\"%s\" has no samples", cy_dataset_name(dataset));
  if (cy_dataset_is_ragged(dataset)) return take_ends(dataset, n, inputs, labels);
  indices = cy_calloc((size_t)n, sizeof *indices);
  if (!indices) return cy_no_memory();
  for (int64_t i = 0; i < n; i++) indices[i] = (int64_t)((double)i * (double)count / (double)n);
  cy_status status = cy_tensor_create(CY_F32, batch_of(n, cy_dataset_sample_shape(dataset)), inputs);
  if (status == CY_OK && cy_dataset_classes(dataset) > 0)
    status = cy_tensor_create(CY_I64, batch_of(n, cy_dataset_target_shape(dataset)), labels);
  if (status == CY_OK) status = cy_dataset_batch(dataset, indices, n, *inputs, *labels);
  cy_free(indices);
  return status;
}

/* ---- the shape of what comes in ---- */

static bool is_saved(const char *word) {
  size_t n = strlen(word);
  return cli_is_folder(word) || (n > 12 && strcmp(word + n - 12, ".safetensors") == 0);
}

/* --input as it is; --steps T: one channel, or whole numbers, so many times; --data: those of its samples. */
static cy_status input_of(const cli_flow *f, const char *word, char text[CLI_SHAPE_SIZE], const char **input) {
  const char *given = cli_option_value(f->arguments, "--input"), *data = cli_option_value(f->arguments, "--data");
  *input = given;
  if (given && f->steps > 0) return cy_fail(CY_INVALID, "--steps %d or --input %.60s, not both", f->steps, given);
  if (f->steps > 0) {
    snprintf(text, CLI_SHAPE_SIZE, "1x%d", f->steps);
    *input = text;
  } else if (!given && data && !is_saved(word)) {
    cy_dataset *dataset;
    CY_TRY(cy_dataset_open(data, (cy_dataset_options){0}, &dataset));
    cli_shape_text(cy_dataset_sample_shape(dataset), text);
    cy_dataset_free(dataset);
    *input = text;
  }
  return CY_OK;
}

/* --steps changes the length of what the network is made for. */
static void set_steps(const cli_flow *f, const char *word, cli_network *network) {
  if (f->steps == 0) return;
  cy_shape trained = network->trained ? cy_trained_sample_shape(network->trained) : (cy_shape){.rank = -1};
  if (is_saved(word) && trained.rank > 0) network->sample = trained;
  if (cy_model_vocabulary(network->model) > 0) network->sample = CY_SHAPE(f->steps);
  else if (network->sample.rank > 0) network->sample.dim[network->sample.rank - 1] = f->steps;
}

/* ---- cases ---- */

static void label_case(const cli_flow *f, cli_flow_case *c) {
  if (f->n_radii == 0) snprintf(c->label, sizeof c->label, "%.120s", c->word);
  else if (f->arguments->n_words > 1) snprintf(c->label, sizeof c->label, "%.120s, radius %g", c->word, c->radius);
  else snprintf(c->label, sizeof c->label, "radius %g", c->radius);
}

static cy_status add_case(cli_flow *f, const cli_network *network, const char *word, cy_flow_options options) {
  if (f->n == CLI_FLOW_CASES) return cy_fail(CY_INVALID, "at most %d networks and radii side by side", CLI_FLOW_CASES);
  cli_flow_case *c = &f->cases[f->n];
  *c = (cli_flow_case){
      .word = word,
      .radius = options.radius,
      .random_data = !options.inputs,
      .at_rest = !options.inputs && options.amplitude < 0,
      .loss = options.labels ? "cross-entropy of the last step" : "output of the last step, random direction"};
  label_case(f, c);
  cy_status status = cy_flow_measure(network->model, options, &c->flow);
  if (status != CY_OK) return cy_fail_in(status, "%.80s", word);
  f->n++;
  return CY_OK;
}

static cy_status measure(cli_flow *f, const char *word, cli_network *network, const cy_dataset *dataset) {
  cy_tensor *inputs = NULL, *labels = NULL;
  cy_flow_options o = {.sample = network->sample,
                       .samples = f->samples ? f->samples : USUAL_MADE_UP,
                       .seed = (uint64_t)f->seed,
                       .threads = f->threads,
                       .clip = f->clip,
                       .amplitude = f->amplitude};
  cy_status status = CY_OK;
  if (o.clip == 0 && !cli_option_value(f->arguments, "--clip")) o.clip = network->options.optimizer.clip_norm;
  if (o.amplitude == 0 && f->n_radii > 0) o.amplitude = -1;
  if (network->trained) o.weights = cy_trained_state(network->trained);
  if (dataset) {
    o.sample = cy_dataset_sample_shape(dataset);
    status = take_sequences(dataset, f->samples ? f->samples : USUAL_OF_DATA, &inputs, &labels);
    if (inputs && cy_dataset_is_ragged(dataset)) o.sample.dim[1] = cy_tensor_shape(inputs).dim[2];
    o.inputs = inputs;
    o.labels = labels;
  }
  for (int i = 0; status == CY_OK && (i == 0 || i < f->n_radii); i++) {
    o.radius = f->n_radii > 0 ? f->radii[i] : 0;
    status = add_case(f, network, word, o);
    if (status == CY_OK && inputs && cy_dataset_is_ragged(dataset)) f->cases[f->n - 1].last_steps = o.sample.dim[1];
  }
  cy_tensor_free(inputs);
  cy_tensor_free(labels);
  return status;
}

cy_status cli_flow_measure(cli_flow *f, const char *word) {
  char text[CLI_SHAPE_SIZE];
  const char *input;
  cli_network network = {0};
  cy_dataset *dataset = NULL;
  CY_TRY(input_of(f, word, text, &input));
  cy_status status = cli_network_open(word, is_saved(word) && f->steps > 0 ? NULL : input, &network);
  if (status == CY_OK) set_steps(f, word, &network);
  if (status == CY_OK) status = open_data(f, word, &network, &dataset);
  if (status == CY_OK && dataset) status = scale_data(&network, dataset);
  if (status == CY_OK) status = measure(f, word, &network, dataset);
  cy_dataset_free(dataset);
  cli_network_clear(&network);
  return status;
}
