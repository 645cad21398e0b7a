/* From the word on the command line to a function of the weights: the network, its data (its own, other, or made
 * up), and the objective with the point where it stands. */
#include "cli/hessian.h"

#include "cli/model_file.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { USUAL_SAMPLES = 1000, MADE_UP_SAMPLES = 256, USUAL_BATCH = 32 };
static const double USUAL_VALIDATION = 0.1; /* of a training */

/* ---- data that are made up: normal numbers and random labels ---- */

/* Random numbers of the library, through a program: the command sees public headers only. */
static cy_status random_tensor(cy_graph *graph, cy_shape shape, uint64_t seed, int64_t classes, cy_tensor **tensor) {
  cy_program *program = NULL;
  cy_session *session = NULL;
  cy_value key = cy_full(graph, CY_I64, CY_SCALAR, (double)seed), step = cy_full(graph, CY_I64, CY_SCALAR, 0), y;
  if (classes > 0) {
    y = cy_mul_scalar(cy_random_uniform(key, step, 2, CY_F64, shape), (double)classes);
    y = cy_convert(y, CY_I64);
  } else {
    y = cy_random_normal(key, step, 1, CY_F32, shape);
  }
  cy_status status = cy_compile(&y, 1, NULL, 0, (cy_program_options){0}, &program);
  if (status == CY_OK) status = cy_session_create(program, &session);
  if (status == CY_OK) status = cy_session_run(session);
  if (status == CY_OK) status = cy_tensor_create(classes > 0 ? CY_I64 : CY_F32, shape, tensor);
  if (status == CY_OK) status = cy_tensor_copy(cy_session_output(session, 0), *tensor);
  cy_session_free(session);
  cy_program_free(program);
  return status;
}

static cy_shape batch_of(int64_t n, cy_shape one) {
  cy_shape shape = {.rank = one.rank + 1, .dim = {n}};
  for (int i = 0; i < one.rank && i + 1 < CY_MAX_RANK; i++) shape.dim[i + 1] = one.dim[i];
  return shape;
}

/* What the model makes of one sample. */
static cy_status output_shape(const cli_hessian *h, cy_shape *output) {
  cy_graph *graph;
  cy_network *network = NULL;
  *output = (cy_shape){0};
  CY_TRY(cy_graph_create(&graph));
  cy_status status = cy_network_create(graph, (cy_network_options){0}, &network);
  if (status == CY_OK) {
    cy_value x = cy_input(graph, "x", CY_F32, batch_of(1, h->network.sample));
    cy_shape shape = cy_value_shape(cy_model_apply(h->network.model, network, x));
    status = cy_graph_status(graph);
    if (status == CY_OK && shape.rank < 1) status = cy_fail(CY_INVALID, "the network's output has no batch axis");
    output->rank = status == CY_OK ? shape.rank - 1 : 0;
    for (int i = 0; i < output->rank; i++) output->dim[i] = shape.dim[i + 1];
  }
  cy_network_free(network);
  cy_graph_free(graph);
  return status;
}

/* Outputs along one axis are classes, unless the loss is one of numbers. */
static int64_t made_up_classes(const cli_hessian *h, cy_shape output) {
  const char *loss = h->options.loss;
  bool numbers = loss && strcmp(loss, "cross_entropy") != 0 && strcmp(loss, "hinge") != 0;
  if (h->network.classes > 0) return h->network.classes;
  return !numbers && output.rank == 1 && output.dim[0] > 1 ? output.dim[0] : 0;
}

static cy_status make_up_data(cli_hessian *h, int64_t n) {
  cy_graph *graph;
  cy_tensor *inputs = NULL, *targets = NULL;
  cy_shape output;
  CY_TRY(output_shape(h, &output));
  int64_t classes = made_up_classes(h, output);
  CY_TRY(cy_graph_create(&graph));
  cy_status status = random_tensor(graph, batch_of(n, h->network.sample), h->options.seed, 0, &inputs);
  if (status == CY_OK && classes > 0) status = random_tensor(graph, CY_SHAPE(n), h->options.seed, classes, &targets);
  else if (status == CY_OK) status = random_tensor(graph, batch_of(n, output), h->options.seed + 1, 0, &targets);
  if (status == CY_OK) status = cy_dataset_from_tensors("random", inputs, targets, classes, 0, &h->dataset);
  if (status == CY_OK) status = cy_dataset_scale(h->dataset, CY_SCALE_NONE, NULL, 0);
  cy_tensor_free(inputs);
  cy_tensor_free(targets);
  cy_graph_free(graph);
  h->random_data = true;
  return status;
}

/* ---- data from files ---- */

static cy_status open_other_data(cli_hessian *h, const char *data) {
  cli_saved_data saved = {0};
  cy_status status = CY_OK;
  if (h->network.trained) status = cli_trained_data_options(h->network.trained, h->arguments->words[0], &saved);
  else if (h->network.recipe.data) status = cli_recipe_data_options(&h->network.recipe, &saved.options);
  if (status == CY_OK)
    status = h->network.trained ? cli_open_alike(data, &saved, &h->dataset)
                                : cy_dataset_open(data, saved.options, &h->dataset);
  cli_saved_data_clear(&saved);
  return status;
}

static cy_status open_own_data(cli_hessian *h) {
  char *path;
  CY_TRY(cli_model_path(h->arguments->words[0], CLI_MODEL_NAME, CLI_CHECKPOINT_NAME, &path));
  cy_status status = cli_open_training_data(path, &h->dataset);
  cy_string_free(path);
  h->own_data = true;
  return status == CY_OK ? CY_OK : cy_fail_in(status, "the model's data are not here (--data DATA names others)");
}

static cy_status open_data(cli_hessian *h) {
  const char *data = cli_option_value(h->arguments, "--data");
  int n = MADE_UP_SAMPLES;
  CY_TRY(cli_option_number(h->arguments, "--samples", 1, INT_MAX, &n));
  if (data) return open_other_data(h, data);
  if (h->network.trained) return open_own_data(h);
  if (h->network.recipe.data && !cli_option_value(h->arguments, "--input")) {
    h->own_data = true;
    return open_other_data(h, h->network.recipe.data);
  }
  return make_up_data(h, n);
}

/* What --input says must be what the data hold; trained models check for themselves. */
static cy_status check_input(const cli_hessian *h) {
  char a[CLI_SHAPE_SIZE], b[CLI_SHAPE_SIZE];
  cy_shape sample = cy_dataset_sample_shape(h->dataset);
  if (!cli_option_value(h->arguments, "--input") || cy_shape_equal(sample, h->network.sample)) return CY_OK;
  return cy_fail(CY_INVALID, "--input is %s, but samples of \"%s\" are %s", cli_shape_text(h->network.sample, a),
                 cy_dataset_name(h->dataset), cli_shape_text(sample, b));
}

/* ---- which samples ---- */

/* As the training split them; of other data all but a fixed test part. */
static cy_split_options split_options(const cli_hessian *h) {
  if (!h->own_data) return (cy_split_options){.test = -1};
  if (h->network.trained) return cy_trained_split_options(h->network.trained);
  const cy_trainer_options *o = &h->network.options;
  double validation = o->validation == 0 && !signbit(o->validation) ? USUAL_VALIDATION : o->validation;
  return (cy_split_options){.validation = validation, .test = o->test, .seed = o->seed};
}

/* Spread evenly over the training part. */
static cy_status choose_samples(cli_hessian *h, const cy_split *split, int64_t **indices) {
  int wanted = USUAL_SAMPLES;
  CY_TRY(cli_option_number(h->arguments, "--samples", 1, INT_MAX, &wanted));
  h->of_samples = split->n_train;
  if (h->of_samples < 1) return cy_fail(CY_INVALID, "\"%s\" has no samples", cy_dataset_name(h->dataset));
  h->samples = wanted < h->of_samples && !h->random_data ? wanted : h->of_samples;
  *indices = cy_calloc((size_t)h->samples, sizeof **indices);
  if (!*indices) return cy_no_memory();
  for (int64_t i = 0; i < h->samples; i++) {
    int64_t at = (int64_t)((double)i * (double)h->of_samples / (double)h->samples);
    (*indices)[i] = split->train[at];
  }
  return CY_OK;
}

/* ---- the function ---- */

static bool on_batch(int64_t done, int64_t batches, void *user) {
  (void)done, (void)batches, (void)user;
  return !cli_stop_wanted();
}

static cy_status create_objective(cli_hessian *h, const int64_t *indices) {
  h->options.indices = indices;
  h->options.n = h->samples;
  h->options.on_batch = on_batch;
  if (h->network.trained)
    return cy_trained_objective(h->network.trained, h->dataset, h->options, &h->objective);
  return cy_model_objective_create(h->network.model, NULL, h->dataset, h->options, &h->objective);
}

static const char *loss_name(const cli_hessian *h) {
  if (h->options.loss) return h->options.loss;
  if (h->network.trained) return h->network.options.loss;
  return cy_dataset_classes(h->dataset) > 0 ? "cross_entropy" : "mse";
}

static cy_status stand(cli_hessian *h) {
  h->n = cy_objective_size(h->objective);
  h->x = cy_calloc((size_t)h->n, sizeof *h->x);
  double *gradient = cy_calloc((size_t)h->n, sizeof *gradient), sum = 0;
  cy_status status = h->x && gradient ? cy_objective_start(h->objective, h->x) : cy_no_memory();
  if (status == CY_OK) status = cy_objective_gradient(h->objective, h->x, &h->value, gradient);
  for (int64_t i = 0; i < h->n && status == CY_OK; i++) sum += gradient[i] * gradient[i];
  h->gradient_norm = sqrt(sum);
  cy_free(gradient);
  CY_TRY(status);
  if (!isfinite(h->value) || !isfinite(sum))
    return cy_fail(CY_INVALID,
                   "the loss at these weights is %g, its gradient's norm %g: there is no curvature to speak of",
                   h->value, h->gradient_norm);
  return CY_OK;
}

/* The extents that a data set gives the network, where nothing else tells them. */
static cy_status input_of_data(const char *data, char text[CLI_SHAPE_SIZE]) {
  cy_dataset *dataset;
  CY_TRY(cy_dataset_open(data, (cy_dataset_options){0}, &dataset));
  cli_shape_text(cy_dataset_sample_shape(dataset), text);
  cy_dataset_free(dataset);
  return CY_OK;
}

static bool is_saved(const char *word) {
  size_t n = strlen(word);
  return cli_is_folder(word) || (n > 12 && strcmp(word + n - 12, ".safetensors") == 0);
}

static cy_status open_network(cli_hessian *h) {
  const char *word = h->arguments->words[0], *input = cli_option_value(h->arguments, "--input"),
             *data = cli_option_value(h->arguments, "--data");
  char shape[CLI_SHAPE_SIZE];
  if (!input && data && !is_saved(word)) {
    CY_TRY(input_of_data(data, shape));
    input = shape;
  }
  CY_TRY(cli_network_open(word, input, &h->network));
  if (!h->options.loss && !h->network.trained) h->options.loss = h->network.options.loss;
  /* Where batches are part of the function, they are those of the training. */
  if (h->options.training && h->options.batch_size == 0)
    h->options.batch_size = h->network.options.batch_size > 0 ? h->network.options.batch_size : USUAL_BATCH;
  if (!h->network.trained) {
    h->options.l1 = h->network.options.l1;
    h->options.l2 = h->network.options.l2;
    memcpy(h->options.sizes, h->network.options.sizes, sizeof h->options.sizes);
  }
  return CY_OK;
}

/* Scaled as a training would, unless the model says how. */
static cy_status scale_data(cli_hessian *h, const cy_split *split) {
  cy_scale scale = h->network.options.scale;
  if (h->random_data || h->network.trained) return CY_OK;
  h->options.standardise = scale == CY_SCALE_DEFAULT || scale == CY_SCALE_STANDARDISE;
  return cy_dataset_scale(h->dataset, h->network.options.scale, split->train, split->n_train);
}

static cy_status open_function(cli_hessian *h) {
  cy_split split;
  int64_t *indices = NULL;
  CY_TRY(cy_dataset_split(h->dataset, split_options(h), &split));
  cy_status status = scale_data(h, &split);
  if (status == CY_OK) status = choose_samples(h, &split, &indices);
  if (status == CY_OK) status = create_objective(h, indices);
  cy_split_clear(&split);
  cy_free(indices);
  h->options.indices = NULL;
  return status;
}

cy_status cli_hessian_open(cli_hessian *h) {
  CY_TRY(open_network(h));
  CY_TRY(open_data(h));
  CY_TRY(check_input(h));
  CY_TRY(open_function(h));
  h->loss = loss_name(h);
  return stand(h);
}

cy_status cli_hessian_wide(const cli_hessian *h, cy_objective **objective) {
  cli_hessian copy = *h;
  copy.objective = NULL;
  copy.options.dtype = CY_F64;
  cy_status status = open_function(&copy);
  *objective = copy.objective;
  return status;
}

void cli_hessian_close(cli_hessian *h) {
  cy_objective_free(h->objective);
  cy_dataset_free(h->dataset);
  cli_network_clear(&h->network);
  cy_eigenvalues_clear(&h->eigenvalues);
  cy_density_clear(&h->density);
  cy_free(h->diagonal);
  cy_free(h->x);
}

cy_status cli_hessian_blocks(const cli_hessian *h, cli_hessian_block **blocks, int *n) {
  cy_graph *graph;
  cy_network *network = NULL;
  *blocks = NULL;
  *n = 0;
  CY_TRY(cy_graph_create(&graph));
  cy_status status = cy_network_create(graph, (cy_network_options){0}, &network);
  if (status == CY_OK) {
    cy_model_apply(h->network.model, network, cy_input(graph, "x", CY_F32, batch_of(2, h->network.sample)));
    status = cy_graph_status(graph);
  }
  if (status == CY_OK && !(*blocks = cy_calloc((size_t)cy_network_variable_count(network) + 1, sizeof **blocks)))
    status = cy_no_memory();
  int64_t at = 0;
  for (int i = 0; status == CY_OK && i < cy_network_variable_count(network); i++) {
    const cy_network_variable *v = cy_network_variable_at(network, i);
    cli_hessian_block *b = &(*blocks)[*n];
    if (v->role != CY_PARAMETER) continue;
    b->first = at;
    status = cy_shape_count(v->shape, &b->count);
    snprintf(b->name, sizeof b->name, "%s", v->name);
    at += b->count;
    ++*n;
  }
  cy_network_free(network);
  cy_graph_free(graph);
  if (status == CY_OK) return CY_OK;
  cy_free(*blocks);
  *blocks = NULL;
  return status;
}
