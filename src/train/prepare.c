/* Making a trainer ready for its first step: split, scaling, state, programs. What resuming has in common with starting
 * anew is here too. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

cy_status cy_copy_model(const cy_model *model, cy_model **copy) {
  char *text = NULL;
  CY_TRY(cy_model_text(model, &text));
  cy_status status = cy_model_parse(text, "model", copy);
  cy_string_free(text);
  return status;
}

/* ---- the data: scaling, identity ---- */

cy_status cy_scaling_declare(cy_state *state, int64_t channels) {
  CY_TRY(cy_state_declare(state, CY_SCALING_OFFSET, CY_BUFFER, CY_F32, CY_SHAPE(channels)));
  return cy_state_declare(state, CY_SCALING_FACTOR, CY_BUFFER, CY_F32, CY_SHAPE(channels));
}

cy_scaling cy_scaling_of(const cy_state *state) {
  const cy_tensor *offset = cy_state_find(state, CY_SCALING_OFFSET), *factor = cy_state_find(state, CY_SCALING_FACTOR);
  return (cy_scaling){cy_tensor_count(offset), cy_tensor_f32(offset), cy_tensor_f32(factor)};
}

static void store_scaling(cy_scaling scaling, cy_state *state) {
  size_t bytes = (size_t)scaling.channels * sizeof(float);
  memcpy(cy_tensor_data(cy_state_find(state, CY_SCALING_OFFSET)), scaling.offset, bytes);
  memcpy(cy_tensor_data(cy_state_find(state, CY_SCALING_FACTOR)), scaling.factor, bytes);
}

bool cy_target_standardises(const cy_problem *o, const cy_dataset *dataset) {
  if (cy_dataset_reconstructs(dataset)) return false; /* they are scaled as inputs */
  return o->classes == 0 && o->loss->measures && o->target.rank <= 1;
}

/* Numbers to predict come in any unit: without this a price of 200000 is out of reach of small steps. */
static bool standardises(const cy_trainer *t) {
  bool usual = t->options.scale == CY_SCALE_DEFAULT || t->options.scale == CY_SCALE_STANDARDISE;
  return usual && cy_target_standardises(&t->problem, t->dataset);
}

cy_status cy_target_declare(const cy_problem *o, cy_state *state) {
  if (!o->standardised) return CY_OK;
  CY_TRY(cy_state_declare(state, CY_TARGET_OFFSET, CY_BUFFER, CY_F32, o->target));
  return cy_state_declare(state, CY_TARGET_FACTOR, CY_BUFFER, CY_F32, o->target);
}

void cy_target_store(const cy_dataset *dataset, const int64_t *indices, int64_t count, cy_state *state) {
  const cy_tensor *targets = cy_dataset_targets(dataset);
  cy_tensor *offset = cy_state_find(state, CY_TARGET_OFFSET), *factor = cy_state_find(state, CY_TARGET_FACTOR);
  for (int64_t k = 0, size = cy_tensor_count(offset); k < size; k++) {
    double mean = 0, square = 0, n = (double)count;
    for (int64_t i = 0; i < count; i++) mean += cy_tensor_at(targets, indices[i] * size + k) / n;
    for (int64_t i = 0; i < count; i++) {
      double from_mean = cy_tensor_at(targets, indices[i] * size + k) - mean;
      square += from_mean * from_mean / n;
    }
    double deviation = sqrt(square);
    cy_tensor_set(offset, k, mean);
    cy_tensor_set(factor, k, deviation > 1e-6 * fabs(mean) && deviation > 1e-30 ? 1 / deviation : 1);
  }
}

/* 64-bit FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo) by words of eight bytes, folded so that high bits come down again. */
static uint64_t mix(uint64_t hash, const cy_tensor *tensor) {
  const unsigned char *bytes = cy_tensor_data(tensor);
  size_t left = cy_tensor_bytes(tensor);
  while (left > 0) {
    uint64_t word = 0;
    size_t size = left < sizeof word ? left : sizeof word;
    memcpy(&word, bytes, size);
    hash = (hash ^ word) * 0x100000001B3u;
    hash ^= hash >> 29;
    bytes += size;
    left -= size;
  }
  return hash;
}

uint64_t cy_dataset_checksum(const cy_dataset *dataset) {
  uint64_t hash = mix(0xCBF29CE484222325u, cy_dataset_inputs(dataset));
  hash = mix(hash, cy_dataset_targets(dataset));
  for (int64_t i = 0; cy_dataset_is_ragged(dataset) && i < cy_dataset_count(dataset); i++) {
    hash = (hash ^ (uint64_t)cy_dataset_steps(dataset, i)) * 0x100000001B3u;
    hash ^= hash >> 29;
  }
  return hash;
}

/* ---- state and programs ---- */

/* For every tensor of the model a place for its best value: "held/<name>". */
static cy_status declare_held(const cy_network *network, cy_state *state) {
  for (int i = 0; i < cy_network_variable_count(network); i++) {
    const cy_network_variable *v = cy_network_variable_at(network, i);
    if (v->role == CY_OPTIMIZER) continue;
    size_t size = strlen(v->name) + sizeof "held/";
    char *name = cy_calloc(size, 1);
    if (!name) return cy_no_memory();
    snprintf(name, size, "held/%s", v->name);
    cy_status status = cy_state_declare(state, name, CY_OPTIMIZER, v->dtype, v->shape);
    cy_free(name);
    CY_TRY(status);
  }
  return CY_OK;
}

static cy_status pair_held(cy_trainer *t) {
  int n = cy_state_count(t->state);
  t->in_use = cy_calloc((size_t)n, sizeof(cy_tensor *));
  t->held = cy_calloc((size_t)n, sizeof(cy_tensor *));
  if (!t->in_use || !t->held) return cy_no_memory();
  for (int i = 0; i < n; i++) {
    const char *name = cy_state_name(t->state, i);
    cy_tensor *in_use = strncmp(name, "held/", 5) == 0 ? cy_state_find(t->state, name + 5) : NULL;
    if (!in_use) continue;
    t->in_use[t->n_held] = in_use;
    t->held[t->n_held++] = cy_state_tensor(t->state, i);
  }
  return CY_OK;
}

static cy_status find_carried(cy_trainer *t, const cy_network *network) {
  int n = cy_network_variable_count(network);
  t->carried = cy_calloc((size_t)n + 1, sizeof *t->carried);
  if (!t->carried) return cy_no_memory();
  for (int i = 0; i < n; i++) {
    const cy_network_variable *v = cy_network_variable_at(network, i);
    if (v->carried) t->carried[t->n_carried++] = cy_state_find(t->state, v->name);
  }
  return CY_OK;
}

static cy_status make_state(cy_trainer *t, int64_t batch) {
  cy_runner_graph built;
  cy_scaling scaling = cy_dataset_scaling(t->dataset);
  CY_TRY(cy_state_create(&t->state));
  CY_TRY(cy_runner_build(&t->problem, CY_RUN_TRAIN, batch, t->state, &built));
  t->parameters = cy_network_parameter_elements(built.network);
  cy_status status = cy_scaling_declare(t->state, scaling.channels);
  if (status == CY_OK && cy_is_second_order(&t->options.optimizer)) {
    status = cy_second_order_check(&t->options, built.network);
    if (status == CY_OK) status = cy_second_order_declare(&t->options, t->parameters, t->state);
  }
  if (status == CY_OK) status = cy_target_declare(&t->problem, t->state);
  if (status == CY_OK && t->split.n_validation > 0 && !t->options.keep_last)
    status = declare_held(built.network, t->state);
  if (status == CY_OK) status = cy_state_allocate(t->state);
  if (status == CY_OK) status = cy_network_initialize(built.network, t->state, t->options.seed);
  if (status == CY_OK) status = find_carried(t, built.network);
  cy_runner_graph_clear(&built);
  CY_TRY(status);
  store_scaling(scaling, t->state);
  if (t->problem.standardised) cy_target_store(t->dataset, t->split.train, t->split.n_train, t->state);
  return pair_held(t);
}

/* For n samples of the shape that the batch of this number has. */
static cy_status make_runner(cy_trainer *t, cy_runner_kind kind, bool carry, int64_t n, int64_t number,
                             cy_runner **made) {
  cy_shape sample = cy_sample_at(cy_dataset_sample_shape(t->dataset), t->options.sizes, number);
  cy_problem problem = cy_problem_at(&t->problem, sample);
  problem.carry = carry;
  return cy_runners_get(kind == CY_RUN_TRAIN ? &t->train : &t->evaluate, &problem, kind, n, t->state, made);
}

/* Which of the sizes has the most pixels: its step needs the most memory, and lends it to the others. */
static int largest_size(const cy_image_size *sizes) {
  int largest = 0;
  for (int i = 1; i < cy_sizes_count(sizes); i++)
    if (sizes[i].height * sizes[i].width > sizes[largest].height * sizes[largest].width) largest = i;
  return largest;
}

static cy_status make_evaluation_runners(cy_trainer *t, int64_t n) {
  int64_t block = cy_evaluation_batch(t->problem.sample, t->options.batch_size);
  cy_runner *made;
  if (t->options.streams) block = cy_evaluation_streams(t->options.batch_size, n);
  for (int64_t b = 0; b * block < n; b++) {
    int64_t size = n - b * block < block ? n - b * block : block;
    CY_TRY(make_runner(t, CY_RUN_EVALUATE, t->options.streams && size == block, size, b, &made));
  }
  return CY_OK;
}

/* Batches have the same lengths in every epoch, whatever their order: those of the first tell all. */
static cy_status make_length_runners(cy_trainer *t) {
  const int64_t *indices;
  cy_runner *made;
  int64_t n, most = 0, count = cy_batches_count(t->batches), largest = 0;
  cy_batches_start(t->batches, 0, 0);
  for (int64_t b = 0; (n = cy_batches_next(t->batches, &indices)) > 0; b++) {
    int64_t steps = n * cy_dataset_padded_steps(t->dataset, indices, n);
    if (steps > most) most = steps, largest = b;
  }
  for (int64_t k = -1; k < count; k++) { /* the largest first */
    cy_batches_start(t->batches, 0, k < 0 ? largest : k);
    n = cy_batches_next(t->batches, &indices);
    cy_problem problem = cy_problem_at(&t->problem, cy_sample_of_batch(t->dataset, NULL, 0, indices, n));
    CY_TRY(cy_runners_get(&t->train, &problem, CY_RUN_TRAIN, n, t->state, &made));
    if (k >= 0) continue;
    t->largest = made;
    t->train.memory = t->evaluate.memory = made->session;
  }
  return CY_OK;
}

/* Those of the validation part. */
static cy_status make_length_evaluation_runners(cy_trainer *t) {
  const int64_t *indices;
  cy_batches *list;
  cy_runner *made;
  int64_t n, block = cy_evaluation_batch(t->problem.sample, t->options.batch_size);
  CY_TRY(cy_batches_create_by_length(t->dataset, t->split.validation, t->split.n_validation, block, false, 0, &list));
  cy_status status = CY_OK;
  while (status == CY_OK && (n = cy_batches_next(list, &indices)) > 0) {
    cy_problem problem = cy_problem_at(&t->problem, cy_sample_of_batch(t->dataset, NULL, 0, indices, n));
    status = cy_runners_get(&t->evaluate, &problem, CY_RUN_EVALUATE, n, t->state, &made);
  }
  cy_batches_free(list);
  return status;
}

/* Compiles all that training will run, so that mistakes show now and steps allocate nothing. */
static cy_status make_runners(cy_trainer *t) {
  int64_t batch = t->options.batch_size, n = t->split.n_train, validation = t->split.n_validation;
  int64_t full = n < batch ? n : batch, rest = t->options.streams ? 0 : n % full;
  int sizes = cy_sizes_count(t->options.sizes);
  bool carry = t->options.streams;
  cy_runner *made;
  if (t->problem.ragged) {
    CY_TRY(make_length_runners(t));
    return validation > 0 ? make_length_evaluation_runners(t) : CY_OK;
  }
  CY_TRY(make_runner(t, CY_RUN_TRAIN, carry, full, largest_size(t->options.sizes), &made));
  t->largest = made;
  t->train.memory = t->evaluate.memory = made->session;
  for (int i = 0; i == 0 || i < sizes; i++) {
    CY_TRY(make_runner(t, CY_RUN_TRAIN, carry, full, i, &made));
    if (rest) CY_TRY(make_runner(t, CY_RUN_TRAIN, carry, rest, i, &made));
  }
  return validation > 0 ? make_evaluation_runners(t, validation) : CY_OK;
}

static cy_status make_schedule(cy_trainer *t) {
  cy_schedule *schedule = &t->options.schedule;
  *schedule = cy_schedule_in_steps(*schedule, cy_batches_count(t->batches), t->options.epochs);
  return cy_schedule_check(*schedule);
}

static cy_status make_batches(cy_trainer *t) {
  const cy_trainer_options *o = &t->options;
  if (!o->streams && cy_dataset_is_ragged(t->dataset))
    return cy_batches_create_by_length(t->dataset, t->split.train, t->split.n_train, o->batch_size, true, o->seed,
                                       &t->batches);
  if (!o->streams)
    return cy_batches_create(t->split.train, t->split.n_train, o->batch_size, true, o->seed, &t->batches);
  if (!cy_dataset_vocabulary(t->dataset))
    return cy_fail(CY_INVALID, "streams need samples that continue one another, as windows of a text do; those of \"%s\" "
                   "don't", cy_dataset_name(t->dataset));
  return cy_batches_create_streams(t->split.train, t->split.n_train, o->batch_size, &t->batches);
}

/* The characters of a text are the numbers that the model's embedding takes. */
static cy_status check_vocabulary(const cy_trainer *t) {
  int64_t takes = cy_model_vocabulary(t->model), has = cy_dataset_classes(t->dataset);
  if (!cy_dataset_vocabulary(t->dataset) || takes == 0 || takes >= has) return CY_OK;
  return cy_fail(CY_INVALID, "the model's embedding has a vocabulary of %lld, but the text \"%s\" has %lld characters",
                 (long long)takes, cy_dataset_name(t->dataset), (long long)has);
}

static cy_status check_tokens(const cy_dataset *d, int64_t vocabulary) {
  const cy_tensor *inputs = cy_dataset_inputs(d);
  int64_t n = cy_tensor_count(inputs), size = n / cy_dataset_count(d);
  for (int64_t i = 0; i < n; i++) {
    double v = cy_tensor_at(inputs, i);
    if (!(v >= 0 && v < (double)vocabulary && v == floor(v)))
      return cy_fail(CY_INVALID, "data set \"%s\": row %lld holds %g, but the model's embedding takes whole numbers from 0 to "
                     "%lld", cy_dataset_name(d), (long long)(i / size), v, (long long)vocabulary - 1);
  }
  return CY_OK;
}

/* Inputs are scaled; but not what an embedding takes, which stands for something else than a number. */
static cy_status scale_inputs(cy_trainer *t) {
  int64_t vocabulary = cy_dataset_vocabulary(t->dataset) ? 0 : cy_model_vocabulary(t->model); /* texts know it themselves */
  cy_scale scale = t->options.scale;
  if (vocabulary > 0 && scale != CY_SCALE_DEFAULT && scale != CY_SCALE_NONE)
    return cy_fail(CY_INVALID, "the model's embedding takes whole numbers as they are: scale must be none");
  bool plain = !cy_dataset_is_ragged(t->dataset) && cy_dataset_windows(t->dataset).length == 0;
  if (vocabulary > 0 && plain) CY_TRY(check_tokens(t->dataset, vocabulary));
  return cy_dataset_scale(t->dataset, vocabulary > 0 ? CY_SCALE_NONE : scale, t->split.train, t->split.n_train);
}

static cy_status prepare(cy_trainer *t, const cy_model *model, bool scale) {
  cy_trainer_options *o = &t->options;
  cy_split_options split = {.validation = o->validation, .test = o->test, .seed = o->seed};
  CY_TRY(cy_copy_model(model, &t->model));
  if (o->backend && !(t->backend = cy_strdup(o->backend))) return cy_no_memory();
  o->backend = t->backend;
  CY_TRY(check_vocabulary(t));
  CY_TRY(cy_dataset_split(t->dataset, split, &t->split));
  if (t->split.n_train == 0)
    return cy_fail(CY_INVALID, "data set \"%s\": none of its %lld samples are left to train on",
                   cy_dataset_name(t->dataset), (long long)cy_dataset_count(t->dataset));
  CY_TRY(cy_sizes_check(o->sizes, cy_dataset_sample_shape(t->dataset)));
  if (cy_dataset_reconstructs(t->dataset) && (cy_sizes_count(o->sizes) > 0 || cy_augments(&o->augment)))
    return cy_fail(CY_INVALID, "the target is the input, which is the sample as it is: without augmentation or sizes");
  if (cy_dataset_reconstructs(t->dataset) && cy_dataset_is_ragged(t->dataset))
    return cy_fail(CY_INVALID, "data set \"%s\": sequences of different lengths can't be their own targets; windows of one "
                   "length can", cy_dataset_name(t->dataset));
  if (scale) CY_TRY(scale_inputs(t));
  t->checksum = cy_dataset_checksum(t->dataset);
  CY_TRY(make_batches(t));
  cy_loader_options loader = {.augment = o->augment, .seed = o->seed, .threads = o->threads,
                              .windows = o->streams ? 0 : t->split.n_train};
  CY_TRY(cy_loader_create(t->dataset, loader, &t->loader));
  CY_TRY(make_schedule(t));
  t->problem = (cy_problem){
    .model = t->model, .loss = cy_loss_find(o->loss, cy_dataset_classes(t->dataset)), .dtype = o->dtype,
    .sample = cy_sample_at(cy_dataset_sample_shape(t->dataset), o->sizes, 0),
    .target = cy_dataset_target_shape(t->dataset),
    .classes = cy_dataset_classes(t->dataset), .ragged = cy_dataset_is_ragged(t->dataset),
    .each_step = cy_dataset_each_step(t->dataset), .carry = o->streams, .l1 = o->l1, .l2 = o->l2, .optimizer = o->optimizer,
    .program = {.backend = t->backend, .threads = o->threads}};
  if (t->problem.each_step && strcmp(t->problem.loss->name, "cross_entropy") != 0)
    return cy_fail(CY_INVALID, "labels of each step of sequences of different lengths need the loss cross_entropy, not %s",
                   t->problem.loss->name);
  t->problem.standardised = standardises(t);
  t->at.best_value = INFINITY;
  CY_TRY(make_state(t, t->split.n_train < o->batch_size ? t->split.n_train : o->batch_size));
  CY_TRY(cy_problem_check_shortest(&t->problem, t->dataset));
  CY_TRY(make_runners(t));
  return cy_is_second_order(&o->optimizer) ? cy_second_order_create(t, &t->second_order) : CY_OK;
}

cy_status cy_trainer_prepare(const cy_model *model, cy_dataset *dataset, cy_trainer_options options, bool scale,
                             cy_trainer **trainer) {
  *trainer = cy_calloc(1, sizeof **trainer);
  if (!*trainer) return cy_no_memory();
  (*trainer)->dataset = dataset;
  (*trainer)->options = options;
  cy_status status = prepare(*trainer, model, scale);
  if (status == CY_OK) return CY_OK;
  cy_trainer_free(*trainer);
  *trainer = NULL;
  return status;
}

cy_status cy_trainer_create(const cy_model *model, cy_dataset *dataset, cy_trainer_options options,
                            cy_trainer **trainer) {
  *trainer = NULL;
  if (options.test == 0 && cy_dataset_vocabulary(dataset)) options.test = -1; /* texts: 90 to 10 is usual */
  CY_TRY(cy_trainer_options_resolve(options, cy_dataset_classes(dataset), &options));
  return cy_trainer_prepare(model, dataset, options, true, trainer);
}

void cy_trainer_free(cy_trainer *t) {
  if (!t) return;
  cy_second_order_free(t->second_order);
  cy_runners_clear(&t->train);
  cy_runners_clear(&t->evaluate);
  cy_batches_free(t->batches);
  cy_loader_free(t->loader);
  cy_split_clear(&t->split);
  cy_state_free(t->state);
  cy_model_free(t->model);
  cy_free(t->in_use);
  cy_free(t->held);
  cy_free(t->carried);
  cy_free(t->history);
  cy_free(t->backend);
  cy_free(t);
}
