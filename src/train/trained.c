/* A trained model in use: loaded from a checkpoint, it predicts from raw samples (scaled as in training) and is
 * measured on data sets. Programs are compiled when a batch size is first met. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct cy_trained {
  cy_checkpoint checkpoint; /* stays open: its metadata are the names */
  char *backend;
  cy_problem problem;
  cy_state *state;
  bool exposed;    /* the caller can change the state: programs that keep its variables packed look again each time */
  cy_shape output; /* of one sample */
  cy_runners predict, evaluate;
};

/* ---- loading ---- */

static cy_status make_state(cy_trained *t) {
  cy_runner_graph built;
  CY_TRY(cy_state_create(&t->state));
  CY_TRY(cy_runner_build(&t->problem, CY_RUN_PREDICT, 1, t->state, &built));
  cy_shape shape = cy_value_shape(built.outputs[CY_OUT_ANSWER]);
  cy_runner_graph_clear(&built);
  t->output = (cy_shape){.rank = shape.rank - 1};
  for (int i = 1; i < shape.rank; i++) t->output.dim[i - 1] = shape.dim[i];
  CY_TRY(cy_scaling_declare(t->state, cy_tensor_count(t->checkpoint.offset)));
  CY_TRY(cy_target_declare(&t->problem, t->state));
  CY_TRY(cy_state_allocate(t->state));
  return cy_state_load_from(t->checkpoint.file, t->state, CY_MODEL_ROLES, CY_LOAD_ALLOW_EXTRA);
}

static cy_status load(cy_trained *t, const char *path, int threads, const char *backend) {
  CY_TRY(cy_checkpoint_open(path, &t->checkpoint));
  const cy_checkpoint *c = &t->checkpoint;
  if (backend && !(t->backend = cy_strdup(backend))) return cy_no_memory();
  t->problem = (cy_problem){
    .model = c->model, .loss = cy_loss_find(c->options.loss, c->classes), .dtype = c->options.dtype,
    .sample = cy_sample_at(c->sample, c->options.sizes, 0), .target = c->target,
    .classes = c->classes, .ragged = c->ragged, .each_step = c->each_step, .l1 = c->options.l1, .l2 = c->options.l2,
    .optimizer = c->options.optimizer, .program = {.backend = t->backend, .threads = threads}};
  t->problem.standardised = cy_safetensors_find(c->file, CY_TARGET_OFFSET) >= 0;
  cy_status status = make_state(t);
  return status == CY_OK ? CY_OK : cy_fail_in(status, "%s", path);
}

cy_status cy_trained_load(const char *path, int threads, const char *backend, cy_trained **trained) {
  *trained = cy_calloc(1, sizeof **trained);
  if (!*trained) return cy_no_memory();
  cy_status status = load(*trained, path, threads, backend);
  if (status == CY_OK) return CY_OK;
  cy_trained_free(*trained);
  *trained = NULL;
  return status;
}

void cy_trained_free(cy_trained *t) {
  if (!t) return;
  cy_runners_clear(&t->predict);
  cy_runners_clear(&t->evaluate);
  cy_state_free(t->state);
  cy_checkpoint_close(&t->checkpoint);
  cy_free(t->backend);
  cy_free(t);
}

/* ---- looking ---- */

const cy_model *cy_trained_model(const cy_trained *t) { return t->checkpoint.model; }
cy_state *cy_trained_state(cy_trained *t) {
  t->exposed = true;
  return t->state;
}
const cy_problem *cy_trained_problem(const cy_trained *t) { return &t->problem; }
const cy_state *cy_trained_values(const cy_trained *t) { return t->state; }
cy_shape cy_trained_sample_shape(const cy_trained *t) { return t->checkpoint.sample; }
cy_shape cy_trained_output_shape(const cy_trained *t) { return t->output; }
int64_t cy_trained_classes(const cy_trained *t) { return t->checkpoint.classes; }
cy_scaling cy_trained_scaling(const cy_trained *t) { return cy_scaling_of(t->state); }
const char *cy_trained_metadata(const cy_trained *t, const char *key) {
  return cy_safetensors_metadata(t->checkpoint.file, key);
}
static const char *text_of(const cy_trained *t, const char *key) {
  const char *text = cy_trained_metadata(t, key);
  return text ? text : "";
}
const char *cy_trained_dataset_name(const cy_trained *t) { return text_of(t, "dataset"); }
const char *cy_trained_dataset_origin(const cy_trained *t) { return text_of(t, "dataset.origin"); }
const char *cy_trained_text(const cy_trained *t) { return text_of(t, "model"); }
const char *cy_trained_class_name(const cy_trained *t, int64_t c) {
  char key[64];
  if (c < 0 || c >= t->checkpoint.classes) return NULL;
  snprintf(key, sizeof key, "class.%lld", (long long)c);
  return text_of(t, key);
}
int cy_trained_history_count(const cy_trained *t) { return (int)t->checkpoint.at.epoch; }
cy_epoch_record cy_trained_history(const cy_trained *t, int i) {
  return i >= 0 && i < t->checkpoint.at.epoch ? t->checkpoint.history[i] : (cy_epoch_record){0};
}
cy_split_options cy_trained_split_options(const cy_trained *t) {
  const cy_trainer_options *o = &t->checkpoint.options;
  return (cy_split_options){.validation = o->validation, .test = o->test, .seed = o->seed};
}
cy_trainer_options cy_trained_options(const cy_trained *t) { return t->checkpoint.options; }

/* ---- predicting ---- */

enum { LARGEST_BATCH = 256 };

/* Few programs serve every number of samples: sizes are powers of two, and the rows left over are not looked at. */
static int64_t batch_for(int64_t n) {
  int64_t size = 1;
  while (size < n && size < LARGEST_BATCH) size *= 2;
  return size;
}

/* Samples first..first+n-1 of raw inputs, scaled, to the rows of x; zeros below. */
static void fill_rows(const cy_tensor *inputs, cy_scaling scaling, int64_t first, int64_t n, cy_tensor *x) {
  int64_t size = cy_tensor_count(x) / cy_tensor_shape(x).dim[0], inner = size / scaling.channels;
  float *to = cy_tensor_f32(x);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < size; j++) {
      float raw = (float)cy_tensor_at(inputs, (first + i) * size + j);
      to[i * size + j] = (raw - scaling.offset[j / inner]) * scaling.factor[j / inner];
    }
  memset(to + n * size, 0, cy_tensor_bytes(x) - (size_t)(n * size) * sizeof *to);
}

static void copy_rows(const cy_tensor *from, int64_t first, int64_t n, cy_tensor *to) {
  int64_t rows = cy_tensor_shape(from).dim[0];
  size_t row = rows ? cy_tensor_bytes(from) / (size_t)rows : 0;
  memcpy((char *)cy_tensor_data(to) + (size_t)first * row, cy_tensor_data(from), (size_t)n * row);
}

/* Samples of another size than those of the training: that is said too. */
static cy_status explain(const cy_trained *t, cy_status status, cy_shape one) {
  char sentence[CY_MESSAGE_SIZE], shape[CY_SHAPE_TEXT];
  if (status != CY_INVALID || cy_shape_equal(one, t->problem.sample)) return status;
  snprintf(sentence, sizeof sentence, "%s", cy_error_message());
  return cy_fail(status, "%s; the model was trained on samples of %s", sentence,
                 cy_shape_text(t->problem.sample, shape));
}

/* inputs: n samples of problem's shape. The outputs' shape is known when the first program is: it may depend on the
 * size of the images. */
static cy_status predict_into(cy_trained *t, const cy_problem *problem, const cy_tensor *inputs, int64_t n,
                              cy_tensor **outputs, cy_tensor **labels) {
  for (int64_t first = 0; first < n || first == 0; first += LARGEST_BATCH) {
    int64_t rows = n - first < LARGEST_BATCH ? n - first : LARGEST_BATCH;
    cy_runner *runner;
    CY_TRY(cy_runners_get(&t->predict, problem, CY_RUN_PREDICT, batch_for(rows), t->state, &runner));
    if (first == 0) {
      cy_shape shape = cy_tensor_shape(cy_session_output(runner->session, CY_OUT_ANSWER));
      shape.dim[0] = n;
      CY_TRY(cy_tensor_create(t->problem.dtype, shape, outputs));
      shape = labels ? cy_tensor_shape(cy_session_output(runner->session, CY_OUT_LABEL)) : shape;
      shape.dim[0] = n;
      if (labels) CY_TRY(cy_tensor_create(CY_I64, shape, labels));
    }
    if (t->exposed) CY_TRY(cy_session_bind_state(runner->session, t->state));
    fill_rows(inputs, cy_scaling_of(t->state), first, rows, runner->x);
    CY_TRY(cy_session_run(runner->session));
    copy_rows(cy_session_output(runner->session, CY_OUT_ANSWER), first, rows, *outputs);
    if (labels) copy_rows(cy_session_output(runner->session, CY_OUT_LABEL), first, rows, *labels);
  }
  return CY_OK;
}

/* Whether shape is [channels, height, width] with the channels that the model knows. */
static bool is_image(const cy_trained *t, cy_shape shape) {
  cy_shape sample = t->checkpoint.sample;
  return shape.rank == 3 && sample.rank == 3 && shape.dim[0] == sample.dim[0] && shape.dim[1] > 0 && shape.dim[2] > 0;
}

/* [channels, steps] of any length, for a model that takes those. */
static bool is_sequence(const cy_trained *t, cy_shape shape) {
  return t->problem.ragged && shape.rank == 2 && shape.dim[0] == t->checkpoint.sample.dim[0] && shape.dim[1] > 0;
}

/* Number and shape of the samples in inputs: [n, sample], or one sample. */
static cy_status look_at_samples(const cy_trained *t, const cy_tensor *inputs, int64_t *n, cy_shape *one) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  cy_shape shape = cy_tensor_shape(inputs), sample = t->checkpoint.sample, rest = {.rank = shape.rank - 1};
  *n = 1;
  *one = shape;
  if (cy_shape_equal(shape, sample) || is_image(t, shape) || is_sequence(t, shape)) return CY_OK;
  for (int i = 1; i < shape.rank; i++) rest.dim[i - 1] = shape.dim[i];
  *n = shape.dim[0];
  *one = rest;
  if (shape.rank >= 1 && (cy_shape_equal(rest, sample) || is_image(t, rest) || is_sequence(t, rest))) return CY_OK;
  return cy_fail(CY_INVALID, "the input is %s, but the model takes samples of %s (or several, along a first axis)",
                 cy_shape_text(shape, a), cy_shape_text(sample, b));
}

static cy_status predict(cy_trained *t, const cy_tensor *inputs, cy_tensor **outputs, cy_tensor **labels) {
  int64_t n;
  cy_shape one;
  cy_tensor *resized = NULL;
  const cy_image_size *size = t->checkpoint.options.sizes;
  CY_TRY(look_at_samples(t, inputs, &n, &one));
  if (labels && t->checkpoint.classes == 0) return cy_fail(CY_INVALID, "the model predicts numbers, not classes");
  if (cy_sizes_count(size) == 1 && n > 0 && (one.dim[1] != size->height || one.dim[2] != size->width)) {
    CY_TRY(cy_images_resize(inputs, size->height, size->width, &resized));
    one = cy_sample_at(one, size, 0);
  }
  cy_problem problem = cy_problem_at(&t->problem, one);
  problem.ragged = false; /* all are as long as the tensor */
  cy_status status = predict_into(t, &problem, resized ? resized : inputs, n, outputs, labels);
  cy_tensor_free(resized);
  return explain(t, status, one);
}

/* Row i of a run, up to the sequence's end, to row `to` of what may have more steps. */
static void copy_steps(const cy_runner *runner, int64_t i, int64_t length, int64_t to, cy_tensor *outputs,
                       cy_tensor **labels) {
  const cy_tensor *answer = cy_session_output(runner->session, CY_OUT_ANSWER);
  int64_t classes = cy_tensor_shape(answer).dim[1], steps = cy_tensor_shape(answer).dim[2],
          room = cy_tensor_shape(outputs).dim[2];
  size_t size = cy_tensor_bytes(answer) / (size_t)cy_tensor_count(answer);
  for (int64_t k = 0; k < classes; k++)
    memcpy((char *)cy_tensor_data(outputs) + (size_t)((to * classes + k) * room) * size,
           (char *)cy_tensor_data(answer) + (size_t)((i * classes + k) * steps) * size, (size_t)length * size);
  for (int64_t t = 0; labels && t < length; t++)
    cy_tensor_i64(*labels)[to * room + t] = cy_tensor_i64(cy_session_output(runner->session, CY_OUT_LABEL))[i * steps + t];
}

/* One batch of a data set of sequences; the outputs' rows are the samples' numbers. */
static cy_status predict_batch(cy_trained *t, const cy_dataset *d, const int64_t *indices, int64_t n, cy_tensor **outputs,
                               cy_tensor **labels) {
  cy_runner *runner;
  cy_problem problem = cy_problem_at(&t->problem, cy_sample_of_batch(d, NULL, 0, indices, n));
  CY_TRY(cy_runners_get(&t->predict, &problem, CY_RUN_PREDICT, n, t->state, &runner));
  const cy_tensor *answer = cy_session_output(runner->session, CY_OUT_ANSWER);
  if (!*outputs) {
    cy_shape shape = cy_tensor_shape(answer), each = CY_SHAPE(cy_dataset_count(d));
    shape.dim[0] = cy_dataset_count(d);
    if (t->problem.each_step) {
      shape.dim[2] = cy_dataset_sample_shape(d).dim[1];
      each = CY_SHAPE(shape.dim[0], shape.dim[2]);
    }
    CY_TRY(cy_tensor_create(t->problem.dtype, shape, outputs));
    memset(cy_tensor_data(*outputs), 0, cy_tensor_bytes(*outputs));
    if (labels) CY_TRY(cy_tensor_create(CY_I64, each, labels));
    if (labels) memset(cy_tensor_data(*labels), 0, cy_tensor_bytes(*labels));
  }
  if (t->exposed) CY_TRY(cy_session_bind_state(runner->session, t->state));
  CY_TRY(cy_dataset_batch(d, indices, n, runner->x, NULL));
  cy_lengths_of_batch(d, indices, runner->lengths);
  CY_TRY(cy_session_run(runner->session));
  if (t->problem.each_step) {
    for (int64_t i = 0; i < n; i++) copy_steps(runner, i, cy_dataset_steps(d, indices[i]), indices[i], *outputs, labels);
    return CY_OK;
  }
  size_t row = cy_tensor_bytes(answer) / (size_t)n;
  for (int64_t i = 0; i < n; i++) {
    memcpy((char *)cy_tensor_data(*outputs) + (size_t)indices[i] * row, (char *)cy_tensor_data(answer) + (size_t)i * row,
           row);
    if (labels) cy_tensor_i64(*labels)[indices[i]] = cy_tensor_i64(cy_session_output(runner->session, CY_OUT_LABEL))[i];
  }
  return CY_OK;
}

static cy_status predict_sequences(cy_trained *t, cy_dataset *d, cy_tensor **outputs, cy_tensor **labels) {
  int64_t n, count = cy_dataset_count(d), *all;
  const int64_t *indices;
  cy_batches *list;
  cy_shape sample = cy_dataset_sample_shape(d);
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  if (!t->problem.ragged || !cy_dataset_is_ragged(d) || sample.dim[0] != t->problem.sample.dim[0])
    return cy_fail(CY_INVALID, "\"%s\" holds samples of %s, but the model takes %s of %s", cy_dataset_name(d),
                   cy_shape_text(sample, a), t->problem.ragged ? "sequences" : "samples",
                   cy_shape_text(t->problem.sample, b));
  if (labels && t->checkpoint.classes == 0) return cy_fail(CY_INVALID, "the model predicts numbers, not classes");
  CY_TRY(cy_dataset_set_scaling(d, cy_scaling_of(t->state)));
  CY_TRY(cy_problem_check_shortest(&t->problem, d));
  if (!(all = cy_calloc((size_t)count, sizeof *all))) return cy_no_memory();
  for (int64_t i = 0; i < count; i++) all[i] = i;
  cy_status status = cy_batches_create_by_length(d, all, count, LARGEST_BATCH, false, 0, &list);
  cy_free(all);
  CY_TRY(status);
  while (status == CY_OK && (n = cy_batches_next(list, &indices)) > 0)
    status = predict_batch(t, d, indices, n, outputs, labels);
  cy_batches_free(list);
  return status;
}

cy_status cy_trained_predict_sequences(cy_trained *t, cy_dataset *dataset, cy_tensor **outputs, cy_tensor **labels) {
  *outputs = NULL;
  if (labels) *labels = NULL;
  cy_status status = predict_sequences(t, dataset, outputs, labels);
  if (status == CY_OK) return CY_OK;
  cy_tensor_free(*outputs);
  *outputs = NULL;
  if (labels) {
    cy_tensor_free(*labels);
    *labels = NULL;
  }
  return status;
}

cy_status cy_trained_predict(cy_trained *t, const cy_tensor *inputs, cy_tensor **outputs, cy_tensor **labels) {
  *outputs = NULL;
  if (labels) *labels = NULL;
  cy_status status = predict(t, inputs, outputs, labels);
  if (status == CY_OK) return CY_OK;
  cy_tensor_free(*outputs);
  *outputs = NULL;
  if (labels) {
    cy_tensor_free(*labels);
    *labels = NULL;
  }
  return status;
}

/* ---- measuring ---- */

static cy_status measure(cy_trained *t, cy_dataset *dataset, const int64_t *indices, int64_t n,
                         const cy_image_size *sizes, cy_metrics *metrics) {
  int64_t *all = NULL;
  cy_loader *loader;
  *metrics = (cy_metrics){0};
  CY_TRY(cy_checkpoint_fit(&t->checkpoint, dataset, true));
  CY_TRY(cy_sizes_check(sizes, cy_dataset_sample_shape(dataset)));
  CY_TRY(cy_problem_check_shortest(&t->problem, dataset));
  if (!indices) {
    n = cy_dataset_count(dataset);
    if (n > 0 && !(all = cy_calloc((size_t)n, sizeof *all))) return cy_no_memory();
    for (int64_t i = 0; i < n; i++) all[i] = i;
    indices = all;
  }
  cy_status status = cy_loader_create(dataset, (cy_loader_options){.threads = t->problem.program.threads}, &loader);
  if (status == CY_OK) {
    const cy_trainer_options *o = &t->checkpoint.options;
    cy_problem problem = t->problem;
    problem.carry = o->streams;
    cy_evaluation evaluation = {.problem = &problem, .runners = &t->evaluate, .state = t->state,
                                .dataset = dataset, .loader = loader, .sizes = sizes, .indices = indices, .n = n,
                                .batch_size = o->streams ? cy_evaluation_streams(o->batch_size, n)
                                                         : cy_evaluation_batch(problem.sample, o->batch_size)};
    status = cy_evaluation_metrics(evaluation, metrics);
    status = explain(t, status, cy_sample_at(cy_dataset_sample_shape(dataset), sizes, 0));
  }
  cy_loader_free(loader);
  cy_free(all);
  return status;
}

cy_status cy_trained_evaluate(cy_trained *t, cy_dataset *dataset, const int64_t *indices, int64_t n,
                              cy_metrics *metrics) {
  return measure(t, dataset, indices, n, t->checkpoint.options.sizes, metrics);
}

cy_status cy_trained_evaluate_at(cy_trained *t, cy_dataset *dataset, const int64_t *indices, int64_t n,
                                 cy_image_size size, cy_metrics *metrics) {
  const cy_image_size sizes[CY_MAX_SIZES] = {size};
  return measure(t, dataset, indices, n, sizes, metrics);
}

/* ---- the loss as a function ---- */

cy_status cy_trained_objective(cy_trained *t, cy_dataset *dataset, cy_model_objective_options options,
                               cy_objective **objective) {
  const cy_trainer_options *trained = &t->checkpoint.options;
  cy_problem problem = t->problem;
  *objective = NULL;
  CY_TRY(cy_checkpoint_fit(&t->checkpoint, dataset, true));
  if (options.loss) {
    problem.loss = cy_loss_find(options.loss, problem.classes);
    if (!problem.loss) return CY_INVALID; /* the sentence is there */
    problem.standardised = problem.standardised && problem.loss->measures;
  }
  if (options.l1 == 0 && !signbit(options.l1)) options.l1 = trained->l1;
  if (options.l2 == 0 && !signbit(options.l2)) options.l2 = trained->l2;
  if (cy_sizes_count(options.sizes) == 0) memcpy(options.sizes, trained->sizes, sizeof options.sizes);
  if (options.threads == 0) options.threads = problem.program.threads;
  if (!options.backend) options.backend = problem.program.backend;
  return cy_problem_objective(&problem, t->state, dataset, options, objective);
}
