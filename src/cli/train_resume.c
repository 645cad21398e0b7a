/* Going on with an earlier run: what its checkpoint fixes, and a new folder's recipe told from it. */
#include "cli/train.h"

#include "cli/model_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Only what does not change the numbers so far. */
static cy_status check_resumable(const cli_arguments *a) {
  for (int i = 0; i < a->n_words; i++) {
    const char *equals = strchr(a->words[i], '=');
    char path[64];
    snprintf(path, sizeof path, "%.*s", equals ? (int)(equals - a->words[i]) : (int)strlen(a->words[i]), a->words[i]);
    if (!equals) return cy_fail(CY_INVALID, "\"%s\": with --resume the recipe is that of the checkpoint", a->words[i]);
    const cli_key *key = cli_recipe_find(path);
    if (!key) return CY_INVALID;
    if (!(key->flags & CLI_KEY_RESUMABLE))
      return cy_fail(CY_INVALID, "%s is fixed by the checkpoint; only epochs, patience, threads and backend may change",
                     path);
  }
  return CY_OK;
}

/* The run goes on in its folder, which nobody else may change from before its checkpoint is read. */
static cy_status own_folder(cli_training *t, const char *word) {
  const char *slash = strrchr(word, '/');
  t->folder = cli_is_folder(word) ? cy_strdup(word)
              : slash             ? cy_strndup(word, (size_t)(slash - word) + (slash == word))
                                  : cy_strdup(".");
  return t->folder ? cli_run_folder_lock(t->folder, &t->lock) : cy_no_memory();
}

/* A model is a checkpoint without what only resuming needs, such as the count of steps. */
static cy_status check_is_checkpoint(const char *path) {
  cy_safetensors *file;
  CY_TRY(cy_safetensors_open(path, &file));
  bool complete = cy_safetensors_find(file, "step") >= 0;
  cy_safetensors_close(file);
  return complete ? CY_OK : cy_fail(CY_INVALID, "%s is no checkpoint: to resume, name the run folder or its "
                                    CLI_CHECKPOINT_NAME, path);
}

static char *copy_text(const char *text, bool *failed) {
  char *copy = text ? cy_strdup(text) : NULL;
  *failed |= text && !copy;
  return copy;
}

/* As they were resolved: boundaries are times. */
static cy_status resume_windows(const cy_dataset *d, cli_recipe *r) {
  bool failed = false;
  cy_window_options w = cy_dataset_windows(d);
  if (w.length == 0) return CY_OK;
  w.columns = copy_text(w.columns, &failed);
  w.time = copy_text(w.time, &failed);
  w.missing = copy_text(w.missing, &failed);
  w.above = copy_text(w.above, &failed);
  w.validation_from = copy_text(w.validation_from, &failed);
  w.test_from = copy_text(w.test_from, &failed);
  r->windows = w;
  if (!r->target) r->target = copy_text(cy_dataset_target_name(d), &failed);
  return failed ? cy_no_memory() : CY_OK;
}

static const char *channel_name(const void *dataset, int64_t i) { return cy_dataset_channel_name(dataset, i); }

/* By the column that says which rows are one, or from files by class. */
static cy_status resume_sequences(const cy_dataset *d, cli_recipe *r) {
  int64_t buckets[CY_MAX_BUCKETS];
  const char *column = cy_dataset_sequence_column(d);
  if (!cy_dataset_is_ragged(d)) return CY_OK;
  r->buckets = cy_dataset_buckets(d, buckets);
  r->each_step = cy_dataset_each_step(d);
  bool table = strcmp(cy_dataset_origin(d), "embedded") != 0 && cy_dataset_channel_name(d, 0);
  if (table) CY_TRY(cli_columns_text(channel_name, d, &r->columns));
  if (!column) return CY_OK;
  r->sequence = cy_strdup(column);
  r->target = cy_strdup(cy_dataset_target_name(d));
  r->task = cy_dataset_classes(d) > 0 ? CY_TASK_CLASSIFY : CY_TASK_REGRESS;
  return r->sequence && r->target ? CY_OK : cy_no_memory();
}

static const char *feature_name(const void *dataset, int64_t i) { return cy_dataset_feature_name(dataset, i); }

/* A new folder gets its recipe too: what the checkpoint says. Its schedule counts steps, a recipe epochs. */
static cy_status save_resumed_recipe(cli_training *t) {
  cli_recipe *r = &t->recipe;
  char *text;
  cy_schedule *s = &r->options.schedule;
  const cy_split *split = cy_trainer_split(t->trainer);
  cy_trainer_options o = cy_trainer_options_of(t->trainer);
  double steps = ceil((double)split->n_train / (double)o.batch_size);
  const char *origin = cy_dataset_origin(t->dataset), *name = cy_dataset_name(t->dataset);
  const char *data = strcmp(origin, "embedded") == 0 ? name : origin;
  *s = o.schedule;
  s->warmup /= steps;
  s->every /= steps;
  s->total /= steps;
  s->in_epochs = true;
  CY_TRY(cy_model_text(cy_trainer_model(t->trainer), &text));
  r->model = cy_strdup(text);
  cy_string_free(text);
  r->data = cy_strdup(data);
  if (!r->model || !r->data) return cy_no_memory();
  cy_image_options images = cy_dataset_image_options(t->dataset);
  r->resize = images.size;
  r->fit = (int)images.fit;
  r->channels = (int)images.mode;
  r->length = cy_dataset_length(t->dataset);
  if (cy_dataset_reconstructs(t->dataset) && !(r->target = cy_strdup("input"))) return cy_no_memory();
  CY_TRY(resume_windows(t->dataset, r));
  CY_TRY(resume_sequences(t->dataset, r));
  if (!r->target && cy_dataset_feature_name(t->dataset, 0) && strcmp(data, name) != 0) {
    r->target = cy_strdup(cy_dataset_target_name(t->dataset));
    if (!r->target) return cy_no_memory();
    if (cy_dataset_is_csv(data)) CY_TRY(cli_columns_text(feature_name, t->dataset, &r->columns));
    r->task = cy_dataset_classes(t->dataset) > 0 ? CY_TASK_CLASSIFY : CY_TASK_REGRESS;
  }
  return cli_training_save_recipe(t);
}

/* Or in another, made when all is well. */
static cy_status other_folder(cli_training *t, const char *out) {
  CY_TRY(cli_run_folder_create("", out, &t->folder));
  CY_TRY(cli_run_folder_lock(t->folder, &t->lock));
  return save_resumed_recipe(t);
}

/* A checkpoint knows nothing of a baseline: the recipe that its folder keeps does. One that cannot be read has none. */
static cy_status find_baseline(cli_training *t, const char *checkpoint) {
  const char *slash = strrchr(checkpoint, '/');
  char *folder = slash ? cy_strndup(checkpoint, (size_t)(slash - checkpoint) + (slash == checkpoint)) : cy_strdup(".");
  char *path = folder ? cli_join(folder, "recipe.yaml") : NULL;
  bool failed = !path;
  if (path && cli_exists(path) && cli_recipe_read(&t->kept, path) == CY_OK && t->kept.baseline) {
    t->recipe.baseline = copy_text(t->kept.baseline, &failed);
    t->recipe.baseline_rate = t->kept.baseline_rate;
    t->recipe.baseline_epochs = t->kept.baseline_epochs;
    if (t->recipe.options.epochs > 0) t->kept.options.epochs = t->recipe.options.epochs;
  }
  cy_string_free(path);
  cy_string_free(folder);
  return failed ? cy_no_memory() : CY_OK;
}

cy_status cli_training_resume(cli_training *t, const cli_arguments *a, const char *word) {
  const char *out = cli_option_value(a, "--out");
  char *path;
  CY_TRY(check_resumable(a));
  CY_TRY(cli_training_overrides(a, 0, &t->recipe));
  CY_TRY(cli_model_path(word, CLI_CHECKPOINT_NAME, NULL, &path));
  cli_training_connect(t);
  cy_status status = check_is_checkpoint(path);
  if (status == CY_OK && !out) status = own_folder(t, word);
  if (status == CY_OK) status = cli_open_training_data(path, &t->dataset);
  if (status == CY_OK) status = find_baseline(t, path);
  if (status == CY_OK) status = cy_trainer_resume(path, t->dataset, t->recipe.options, &t->trainer);
  cy_string_free(path);
  CY_TRY(status);
  if (cy_trainer_finished(t->trainer))
    return cy_fail(CY_INVALID, "%s: nothing is left to train: %lld epochs are done%s; add epochs=N to go on", word,
                   (long long)cy_trainer_epoch(t->trainer),
                   cy_trainer_stopped_early(t->trainer) ? " (stopped early)" : "");
  if (out) CY_TRY(other_folder(t, out));
  return cli_training_run(t);
}
