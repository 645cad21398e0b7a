/* Checkpoints: the state's tensors, and as metadata the words and numbers that say what they mean: model, options,
 * position, history, data set. One file serves to resume and to predict. It is untrusted: every entry is checked. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "cauchy training 1"

/* ---- writing ---- */

enum { LINE = 256 };

static cy_status add_shape(cy_notes *notes, const char *key, cy_shape shape) {
  char text[LINE] = "";
  size_t used = 0;
  for (int i = 0; i < shape.rank; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRId64, i ? " " : "", shape.dim[i]);
  return cy_notes_add(notes, key, text);
}

static cy_status add_number(cy_notes *notes, const char *key, int64_t number) {
  char text[32];
  snprintf(text, sizeof text, "%" PRId64, number);
  return cy_notes_add(notes, key, text);
}

static void checksum_text(uint64_t checksum, char text[32]) { snprintf(text, 32, "%016" PRIx64, checksum); }

/* "class.0" = "setosa", ... until name() gives NULL. */
static cy_status add_names(cy_notes *notes, const char *kind, const cy_dataset *dataset,
                           const char *(*name)(const cy_dataset *, int64_t)) {
  char key[64];
  const char *text;
  for (int64_t i = 0; (text = name(dataset, i)) != NULL; i++) {
    snprintf(key, sizeof key, "%s.%" PRId64, kind, i);
    CY_TRY(cy_notes_add(notes, key, text));
  }
  return CY_OK;
}

/* How images were read, if not as they are: what predicts from pictures reads them alike. */
static cy_status add_image_options(cy_notes *notes, const cy_dataset *d) {
  char *text;
  CY_TRY(cy_image_options_text(cy_dataset_image_options(d), &text));
  cy_status status = text[0] ? cy_notes_add(notes, "dataset.images", text) : CY_OK;
  cy_string_free(text);
  return status;
}

/* How tables were cut into windows, if they were. */
static cy_status add_window_options(cy_notes *notes, const cy_dataset *d) {
  char *text;
  if (cy_dataset_windows(d).length == 0) return CY_OK;
  CY_TRY(cy_window_options_text(cy_dataset_windows(d), &text));
  cy_status status = cy_notes_add(notes, "dataset.windows", text);
  cy_string_free(text);
  return status;
}

/* Of sequences of different lengths: how they were told apart, and their channels. */
static cy_status describe_sequences(cy_notes *notes, const cy_dataset *d) {
  int64_t buckets[CY_MAX_BUCKETS];
  const char *column = cy_dataset_sequence_column(d);
  if (!cy_dataset_is_ragged(d)) return CY_OK;
  CY_TRY(add_number(notes, "dataset.buckets", cy_dataset_buckets(d, buckets)));
  if (column) CY_TRY(cy_notes_add(notes, "dataset.sequence", column));
  if (cy_dataset_each_step(d)) CY_TRY(cy_notes_add(notes, "dataset.each_step", "true"));
  return add_names(notes, "channel", d, cy_dataset_channel_name);
}

static cy_status describe_data(const cy_trainer *t, cy_notes *notes) {
  const cy_dataset *d = t->dataset;
  char checksum[32];
  checksum_text(t->checksum, checksum);
  CY_TRY(cy_notes_add(notes, "dataset", cy_dataset_name(d)));
  CY_TRY(cy_notes_add(notes, "dataset.origin", cy_dataset_origin(d)));
  CY_TRY(cy_notes_add(notes, "dataset.checksum", checksum));
  CY_TRY(add_number(notes, "dataset.count", cy_dataset_count(d)));
  CY_TRY(add_image_options(notes, d));
  CY_TRY(add_window_options(notes, d));
  CY_TRY(describe_sequences(notes, d));
  if (cy_dataset_length(d)) CY_TRY(add_number(notes, "dataset.length", cy_dataset_length(d)));
  if (cy_dataset_vocabulary(d)) CY_TRY(cy_notes_add(notes, "dataset.vocabulary", cy_dataset_vocabulary(d)));
  CY_TRY(add_shape(notes, "sample_shape", cy_dataset_sample_shape(d)));
  CY_TRY(add_shape(notes, "target_shape", t->problem.target));
  CY_TRY(add_number(notes, "classes", t->problem.classes));
  CY_TRY(cy_notes_add(notes, "target", cy_dataset_target_name(d)));
  CY_TRY(add_names(notes, "class", d, cy_dataset_class_name));
  return add_names(notes, "feature", d, cy_dataset_feature_name);
}

static cy_status add_history(const cy_trainer *t, cy_notes *notes) {
  for (size_t i = 0; i < t->n_history; i++) {
    char key[64], *line;
    snprintf(key, sizeof key, "history.%zu", i + 1);
    CY_TRY(cy_fields_line(cy_record_fields, cy_record_field_count, &t->history[i], &line));
    cy_status status = cy_notes_add(notes, key, line);
    cy_string_free(line);
    CY_TRY(status);
  }
  return CY_OK;
}

static cy_status describe(const cy_trainer *t, cy_notes *notes) {
  char *text = NULL;
  CY_TRY(cy_notes_add(notes, "format", FORMAT));
  CY_TRY(cy_model_text(t->model, &text));
  cy_status status = cy_notes_add(notes, "model", text);
  cy_string_free(text);
  CY_TRY(status);
  CY_TRY(cy_notes_add(notes, "loss", t->options.loss));
  CY_TRY(cy_notes_add(notes, "optimizer", t->options.optimizer.name));
  if (t->options.optimizer.curvature) CY_TRY(cy_notes_add(notes, "curvature", t->options.optimizer.curvature));
  if (t->backend) CY_TRY(cy_notes_add(notes, "backend", t->backend));
  CY_TRY(cy_fields_write(cy_option_fields, cy_option_field_count, &t->options, "options.", notes));
  CY_TRY(cy_fields_write(cy_position_fields, cy_position_field_count, &t->at, "position.", notes));
  CY_TRY(describe_data(t, notes));
  return add_history(t, notes);
}

cy_status cy_trainer_save(const cy_trainer *t, const char *path) {
  cy_notes notes = {0};
  cy_status status = describe(t, &notes);
  if (status == CY_OK) status = cy_state_save(t->state, CY_ALL_ROLES, notes.items, (int)notes.count, path);
  cy_notes_clear(&notes);
  return status;
}

/* ---- reading ---- */

static cy_status need(const cy_safetensors *file, const char *key, const char **value) {
  *value = cy_safetensors_metadata(file, key);
  return *value ? CY_OK : cy_fail(CY_INVALID, "no \"%s\" in the file's metadata", key);
}

static cy_status read_number(const cy_safetensors *file, const char *key, int64_t *number) {
  const char *text;
  char *end;
  CY_TRY(need(file, key, &text));
  *number = strtoll(text, &end, 10);
  if (end != text && *end == 0) return CY_OK;
  return cy_fail(CY_INVALID, "\"%s\" in the file's metadata is \"%.40s\", not a number", key, text);
}

/* Leaves room for the batch axis. */
static cy_status read_shape(const cy_safetensors *file, const char *key, cy_shape *shape) {
  const char *text;
  int64_t count;
  CY_TRY(need(file, key, &text));
  *shape = (cy_shape){0};
  for (const char *at = text; *at;) {
    char *end;
    int64_t extent = strtoll(at, &end, 10);
    if (end == at || extent < 1 || shape->rank >= CY_MAX_RANK - 1)
      return cy_fail(CY_INVALID, "\"%s\" in the file's metadata is \"%.60s\", not a shape", key, text);
    shape->dim[shape->rank++] = extent;
    for (at = end; *at == ' ';) at++;
  }
  return cy_shape_count(*shape, &count);
}

static cy_status read_options(cy_checkpoint *c) {
  cy_trainer_options *o = &c->options;
  CY_TRY(need(c->file, "loss", &o->loss));
  CY_TRY(need(c->file, "optimizer", &o->optimizer.name));
  o->optimizer.curvature = cy_safetensors_metadata(c->file, "curvature");
  o->backend = cy_safetensors_metadata(c->file, "backend");
  CY_TRY(cy_fields_read(cy_option_fields, cy_option_field_count, o, "options.", c->file));
  c->ragged = cy_safetensors_metadata(c->file, "dataset.buckets") != NULL;
  c->each_step = c->ragged && cy_safetensors_metadata(c->file, "dataset.each_step") != NULL;
  if (c->each_step && (c->target.rank != 1 || c->classes < 1 || strcmp(o->loss, "cross_entropy") != 0))
    return cy_fail(CY_INVALID, "the file's labels of each step contradict its targets");
  if (c->ragged && c->sample.rank != 2)
    return cy_fail(CY_INVALID, "the file's samples have %d axes, but its sequences of different lengths 2", c->sample.rank);
  CY_TRY(cy_sizes_check(o->sizes, c->sample));
  return cy_trainer_options_resolve(*o, c->classes, o);
}

static cy_status read_history(cy_checkpoint *c) {
  size_t capacity = 0;
  for (int64_t i = 0; i < c->at.epoch; i++) {
    char key[64];
    const char *line;
    snprintf(key, sizeof key, "history.%" PRId64, i + 1);
    CY_TRY(need(c->file, key, &line));
    if (!cy_grow(&c->history, (size_t)i, &capacity, sizeof *c->history)) return cy_no_memory();
    CY_TRY(cy_fields_parse_line(cy_record_fields, cy_record_field_count, &c->history[i], line));
  }
  return CY_OK;
}

static bool correct_is_too_many(const cy_checkpoint *c) {
  int64_t labels;
  return !cy_mul_i64(c->at.samples, cy_count(c->target), &labels) || labels < c->at.correct;
}

static cy_status read_position(cy_checkpoint *c) {
  cy_position *at = &c->at;
  CY_TRY(cy_fields_read(cy_position_fields, cy_position_field_count, at, "position.", c->file));
  if (at->epoch < 0 || at->batch < 0 || at->correct < 0 || correct_is_too_many(c) || at->best_epoch < 0 ||
      at->best_epoch > at->epoch || at->waited < 0 || at->waited > at->epoch)
    return cy_fail(CY_INVALID, "the file's position in the training contradicts itself (epoch %lld, batch %lld)",
                   (long long)at->epoch, (long long)at->batch);
  return CY_OK;
}

static cy_status read_scaling(cy_checkpoint *c) {
  CY_TRY(cy_safetensors_load(c->file, CY_SCALING_OFFSET, &c->offset));
  CY_TRY(cy_safetensors_load(c->file, CY_SCALING_FACTOR, &c->factor));
  int64_t channels = cy_tensor_count(c->offset);
  if (cy_tensor_dtype(c->offset) != CY_F32 || cy_tensor_dtype(c->factor) != CY_F32 ||
      cy_tensor_shape(c->offset).rank != 1 || cy_tensor_shape(c->factor).rank != 1 || channels < 1 ||
      cy_tensor_count(c->factor) != channels || cy_count(c->sample) % channels != 0)
    return cy_fail(CY_INVALID, "the file's scaling does not fit its samples");
  return CY_OK;
}

static cy_status read_all(const char *path, cy_checkpoint *c) {
  const char *format, *model;
  CY_TRY(cy_safetensors_open(path, &c->file));
  format = cy_safetensors_metadata(c->file, "format");
  if (!format || strcmp(format, FORMAT) != 0)
    return cy_fail(CY_INVALID, "not a model trained with cauchy (its metadata lacks format = \"" FORMAT "\")");
  CY_TRY(read_number(c->file, "classes", &c->classes));
  if (c->classes < 0) return cy_fail(CY_INVALID, "%lld classes", (long long)c->classes);
  CY_TRY(read_shape(c->file, "sample_shape", &c->sample));
  CY_TRY(read_shape(c->file, "target_shape", &c->target));
  CY_TRY(need(c->file, "model", &model));
  CY_TRY(cy_model_parse(model, "model", &c->model));
  CY_TRY(read_options(c));
  CY_TRY(read_position(c));
  CY_TRY(read_history(c));
  return read_scaling(c);
}

cy_status cy_checkpoint_open(const char *path, cy_checkpoint *checkpoint) {
  *checkpoint = (cy_checkpoint){0};
  cy_status status = read_all(path, checkpoint);
  if (status == CY_OK) return CY_OK;
  bool opened = checkpoint->file != NULL; /* otherwise the message names the file already */
  cy_checkpoint_close(checkpoint);
  return opened ? cy_fail_in(status, "%s", path) : status;
}

void cy_checkpoint_close(cy_checkpoint *c) {
  cy_safetensors_close(c->file);
  cy_model_free(c->model);
  cy_free(c->history);
  cy_tensor_free(c->offset);
  cy_tensor_free(c->factor);
  *c = (cy_checkpoint){0};
}

/* Labels are numbers of classes: those of other names would be compared with the wrong ones. Names that are only numbers
 * may stand for anything. */
static cy_status check_class_names(const cy_checkpoint *c, const cy_dataset *dataset) {
  static const char digits[] = "0123456789";
  for (int64_t i = 0; i < c->classes; i++) {
    char key[32];
    snprintf(key, sizeof key, "class.%lld", (long long)i);
    const char *own = cy_safetensors_metadata(c->file, key), *name = cy_dataset_class_name(dataset, i);
    if (!own || !name || strcmp(own, name) == 0 || !own[strspn(own, digits)] || !name[strspn(name, digits)]) continue;
    return cy_fail(CY_INVALID, "class %lld of data set \"%s\" is \"%s\", but the model was trained with \"%s\"",
                   (long long)i, cy_dataset_name(dataset), name, own);
  }
  return CY_OK;
}

static bool differs_in_size_only(cy_shape a, cy_shape b) { return a.rank == 3 && b.rank == 3 && a.dim[0] == b.dim[0]; }

cy_status cy_checkpoint_fit(const cy_checkpoint *c, cy_dataset *dataset, bool any_size) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  cy_shape sample = cy_dataset_sample_shape(dataset), target = cy_dataset_target_shape(dataset);
  if (cy_dataset_classes(dataset) != c->classes)
    return cy_fail(CY_INVALID, "data set \"%s\" has %lld class%s, but the model was trained for %lld",
                   cy_dataset_name(dataset), (long long)cy_dataset_classes(dataset),
                   cy_dataset_classes(dataset) == 1 ? "" : "es", (long long)c->classes);
  if (cy_dataset_is_ragged(dataset) != c->ragged)
    return cy_fail(CY_INVALID, "data set \"%s\" has sequences of %s, but the model was trained on those of %s",
                   cy_dataset_name(dataset), c->ragged ? "one length" : "different lengths",
                   c->ragged ? "different lengths" : "one length");
  if (cy_dataset_each_step(dataset) != c->each_step)
    return cy_fail(CY_INVALID, "data set \"%s\" has %s, but the model was trained for %s", cy_dataset_name(dataset),
                   c->each_step ? "one label for each sequence" : "a label for each step",
                   c->each_step ? "one for each step" : "one for each sequence");
  if (c->ragged && any_size) sample.dim[1] = c->sample.dim[1];
  if (c->each_step && any_size) target.dim[0] = c->target.dim[0];
  if (!cy_shape_equal(sample, c->sample) && !(any_size && differs_in_size_only(sample, c->sample)))
    return cy_fail(CY_INVALID, "data set \"%s\" has samples of %s, but the model was trained on %s",
                   cy_dataset_name(dataset), cy_shape_text(sample, a), cy_shape_text(c->sample, b));
  if (!cy_shape_equal(target, c->target))
    return cy_fail(CY_INVALID, "data set \"%s\" has targets of %s, but the model was trained on %s",
                   cy_dataset_name(dataset), cy_shape_text(target, a), cy_shape_text(c->target, b));
  CY_TRY(check_class_names(c, dataset));
  return cy_dataset_set_scaling(dataset, (cy_scaling){cy_tensor_count(c->offset), cy_tensor_f32(c->offset),
                                                      cy_tensor_f32(c->factor)});
}

/* ---- resuming ---- */

static cy_status same_data(const cy_checkpoint *c, const cy_trainer *t) {
  int64_t count;
  const char *checksum;
  char now[32];
  CY_TRY(read_number(c->file, "dataset.count", &count));
  CY_TRY(need(c->file, "dataset.checksum", &checksum));
  checksum_text(t->checksum, now);
  if (count != cy_dataset_count(t->dataset))
    return cy_fail(CY_INVALID, "data set \"%s\" has %lld samples, but the training was begun with %lld",
                   cy_dataset_name(t->dataset), (long long)cy_dataset_count(t->dataset), (long long)count);
  if (strcmp(checksum, now) != 0)
    return cy_fail(CY_INVALID,
                   "data set \"%s\" holds other values than when the training was begun (checksum %s, was %s)",
                   cy_dataset_name(t->dataset), now, checksum);
  return CY_OK;
}

static cy_status restore(const cy_checkpoint *c, cy_trainer *t) {
  CY_TRY(same_data(c, t));
  if (c->at.batch > cy_batches_count(t->batches))
    return cy_fail(CY_INVALID, "the file stands at step %lld of an epoch of %lld", (long long)c->at.batch,
                   (long long)cy_batches_count(t->batches));
  CY_TRY(cy_state_load_from(c->file, t->state, CY_ALL_ROLES, CY_LOAD_EXACT));
  t->at = c->at;
  for (int64_t i = 0; i < c->at.epoch; i++) CY_TRY(cy_trainer_add_record(t, c->history[i]));
  cy_trainer_log(t, "resumed after epoch %lld, step %lld", (long long)t->at.epoch, (long long)t->at.batch);
  return CY_OK;
}

/* The file's options, but what does not change the numbers so far may be chosen anew. */
static cy_trainer_options merge(cy_trainer_options saved, cy_trainer_options given) {
  if (given.epochs) saved.epochs = given.epochs;
  if (given.patience) saved.patience = given.patience;
  if (given.threads) saved.threads = given.threads;
  if (given.backend) saved.backend = given.backend;
  saved.on_progress = given.on_progress;
  saved.on_log = given.on_log;
  saved.user = given.user;
  return saved;
}

cy_status cy_trainer_resume(const char *path, cy_dataset *dataset, cy_trainer_options options, cy_trainer **trainer) {
  cy_checkpoint c;
  *trainer = NULL;
  CY_TRY(cy_checkpoint_open(path, &c));
  cy_trainer_options merged;
  cy_status status = cy_trainer_options_resolve(merge(c.options, options), c.classes, &merged);
  if (status == CY_OK) status = cy_checkpoint_fit(&c, dataset, false);
  if (status == CY_OK) status = cy_trainer_prepare(c.model, dataset, merged, false, trainer);
  if (status == CY_OK) status = restore(&c, *trainer);
  if (status != CY_OK) {
    cy_trainer_free(*trainer);
    *trainer = NULL;
    status = cy_fail_in(status, "resuming %s", path);
  }
  cy_checkpoint_close(&c);
  return status;
}
