/* `cauchy train`: from a recipe, or the checkpoint of an earlier run, to a run folder with model, metrics and charts.
 * Nothing is written before the recipe, the data and the network have proved sound. */
#include "cli/model_file.h"
#include "cli/progress.h"
#include "cli/recipe.h"
#include "cli/results.h"
#include "cli/run_folder.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct training {
  cli_recipe recipe;
  cli_recipe kept; /* resuming: that of the run's folder, if there is one */
  cy_dataset *dataset;
  cy_model *model;
  cy_trainer *trainer;
  char *folder;
  int lock;        /* on the folder */
  cli_progress progress;
  cli_results results;
  cy_image_size sizes[CY_MAX_SIZES]; /* that images are resized to, */
  cy_metrics by_size[CY_MAX_SIZES];  /* and what the test part gives in each, if there are several */
  int n_sizes;
  double saved_at; /* seconds of this run when the checkpoint was last written */
  bool warned;     /* that the checkpoint could not be written */
} training;

/* ---- preparing ---- */

/* With threads from the option, which wins over the recipe. */
static cy_status read_overrides(const cli_arguments *a, int first, cli_recipe *recipe) {
  for (int i = first; i < a->n_words; i++) {
    cy_status status = cli_recipe_override(recipe, a->words[i]);
    if (status != CY_OK) return strchr(a->words[i], '=') ? cy_fail_in(status, "%.60s", a->words[i]) : status;
  }
  return cli_option_number(a, "--threads", 1, 4096, &recipe->options.threads);
}

static cy_status read_recipe(const cli_arguments *a, cli_recipe *recipe) {
  if (a->n_words == 0)
    return cy_fail(CY_INVALID, "train what? A recipe file or a data set, such as: cauchy train digits");
  bool all_overrides = strchr(a->words[0], '=') != NULL && !cli_exists(a->words[0]);
  if (!all_overrides) CY_TRY(cli_recipe_open(recipe, a->words[0]));
  CY_TRY(read_overrides(a, all_overrides ? 0 : 1, recipe));
  return recipe->data ? CY_OK : cy_fail(CY_INVALID, "%s: no data set is given; add data: digits, or a path",
                                        all_overrides ? "recipe" : a->words[0]);
}

/* Where a pattern such as "air/2016-*.csv" begins, which no file is called. */
static char *in_current_folder(const char *pattern) {
  char *folder = pattern[0] != '/' && strpbrk(pattern, "*?[{") ? realpath(".", NULL) : NULL;
  char *path = folder ? cli_join(folder, pattern) : NULL;
  free(folder);
  return path;
}

/* A path is kept as an absolute one, so that the run can be resumed and evaluated from anywhere. */
static cy_status make_absolute(char **path) {
  if (!*path || (!strchr(*path, '/') && cy_data_find(*path))) return CY_OK;
  char *absolute = realpath(*path, NULL), *pattern = absolute ? NULL : in_current_folder(*path);
  if (!absolute && !pattern) return CY_OK; /* opening it will say what is wrong */
  char *copy = absolute ? cy_strdup(absolute) : pattern;
  free(absolute);
  if (!copy) return cy_no_memory();
  cy_free(*path);
  *path = copy;
  return CY_OK;
}

/* A threshold that no label reaches, or every one. */
static cy_status check_threshold(const cy_dataset *d) {
  int64_t high = 0, count = cy_dataset_count(d);
  const char *above = cy_dataset_windows(d).above;
  for (int64_t i = 0; i < count; i++) high += cy_dataset_label(d, i) == 1;
  if (!above || cy_dataset_classes(d) != 2 || (high > 0 && high < count)) return CY_OK;
  return cy_fail(CY_INVALID, "%s: the label of %s window is above %s: there is nothing to tell apart",
                 cy_dataset_name(d), high ? "every" : "no", above);
}

static cy_status open_data(training *t) {
  CY_TRY(make_absolute(&t->recipe.data));
  cy_dataset_options options;
  CY_TRY(cli_recipe_data_options(&t->recipe, &options));
  options.progress = cli_progress_pictures;
  options.user = &t->progress;
  cy_status status = cy_dataset_open(t->recipe.data, options, &t->dataset);
  cli_progress_clear(&t->progress);
  t->progress.drawn_at = -1; /* training has a clock of its own */
  CY_TRY(status);
  if (cy_dataset_classes(t->dataset) == 1)
    return cy_fail(CY_INVALID, "%s: every %s is %s: there is nothing to tell apart", t->recipe.data,
                   cy_dataset_target_name(t->dataset), cy_dataset_class_name(t->dataset, 0));
  return check_threshold(t->dataset);
}

enum { MAX_MODEL_BYTES = 1 << 20 };

/* The text of the network goes into the recipe, so that the run folder says all. */
static cy_status read_model(training *t) {
  cli_recipe *r = &t->recipe;
  const char *source = r->model_file ? r->model_file : "model";
  size_t length;
  if (r->model_file) {
    char *text;
    CY_TRY(cy_file_read(r->model_file, MAX_MODEL_BYTES, &text, &length));
    r->model = cy_strdup(text);
    cy_string_free(text);
  } else if (!r->model) {
    CY_TRY(cli_usual_model(t->dataset, &r->model));
  }
  if (!r->model) return cy_no_memory();
  CY_TRY(cy_model_parse(r->model, source, &t->model));
  cy_free(r->model_file);
  r->model_file = NULL;
  return CY_OK;
}

enum { USUAL_STEPS = 3000, FEWEST_EPOCHS = 10, MOST_EPOCHS = 300, USUAL_ITERATIONS = 50 };

static bool is_second_order(const char *optimizer) {
  for (int i = 0; optimizer && i < cy_optimizer_count(); i++)
    if (strcmp(cy_optimizer_name(i), optimizer) == 0) return cy_optimizer_second_order(i);
  return false;
}

/* Without a word about epochs: as many as make a fair number of steps, so that small tables are learnt too. */
static void choose_epochs(training *t) {
  cy_trainer_options *o = &t->recipe.options;
  if (o->epochs == 0 && is_second_order(o->optimizer.name)) o->epochs = USUAL_ITERATIONS;
  if (o->epochs != 0) return;
  int64_t batch = o->batch_size ? o->batch_size : 32, steps = cy_dataset_count(t->dataset) / batch + 1;
  int64_t epochs = (USUAL_STEPS + steps - 1) / steps;
  o->epochs = epochs < FEWEST_EPOCHS ? FEWEST_EPOCHS : epochs > MOST_EPOCHS ? MOST_EPOCHS : epochs;
}

/* ---- while it runs ---- */

enum { SAVE_SECONDS = 10 };

/* Long trainings are saved now and then. A disk that is full for the moment is no reason to lose the work. */
static void save_on_the_way(training *t, const cy_progress *now) {
  if (now->phase != CY_PHASE_EPOCH || now->seconds - t->saved_at < SAVE_SECONDS) return;
  t->saved_at = now->seconds;
  cy_status status = cli_save_checkpoint(t->trainer, t->folder);
  if (status == CY_OK) status = cli_save_metrics(t->trainer, NULL, t->folder);
  if (status == CY_OK || t->warned) return;
  t->warned = true;
  cli_progress_clear(&t->progress);
  fprintf(stderr, "cauchy: warning: %s; going on\n", cy_error_message());
}

static bool on_progress(const cy_progress *now, void *user) {
  training *t = user;
  bool go_on = cli_progress_show(&t->progress, now);
  save_on_the_way(t, now);
  return go_on;
}

/* Shown while it lasts, on a terminal. */
static bool on_baseline(const cy_progress *now, void *user) {
  training *t = user;
  return t->progress.terminal.live && !t->progress.quiet ? cli_progress_show(&t->progress, now) : !cli_stop_wanted();
}

static void on_log(const char *line, void *user) { cli_progress_log(&((training *)user)->progress, line); }

/* cross_entropy takes scores of any size: probabilities learn slowly, and to nothing sharp. A text's labels are its own
 * characters. */
static void print_doubts(const cy_trainer *trainer, const char *loss, const char *model) {
  static const char softmax[] = "softmax";
  size_t n = strlen(model), end = sizeof softmax - 1;
  bool last = n >= end && strcmp(model + n - end, softmax) == 0 && (n == end || model[n - end - 1] == ' ');
  if (last && strcmp(loss, "cross_entropy") == 0)
    printf("note: cross_entropy applies softmax itself, to scores; with the model's own softmax it is applied twice\n");
  bool ahead;
  if (cy_trainer_looks_ahead(trainer, &ahead) == CY_OK && ahead)
    printf("note: the model sees the characters that it is to predict, so its loss means little: recurrent layers that are\n"
           "bidirectional or reverse look ahead, convolutions without pad=causal and attention without causal\n");
}

static void print_head(const training *t) {
  char shape[CLI_SAMPLES_SIZE], a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE], c[CLI_NUMBER_SIZE], d[CLI_NUMBER_SIZE];
  cy_trainer_options o = cy_trainer_options_of(t->trainer);
  const cy_split *split = cy_trainer_split(t->trainer);
  const cli_terminal *terminal = &t->progress.terminal;
  char *text = NULL;
  printf("%s%s%s: %s", cli_style_on(terminal, CLI_BOLD), cy_dataset_name(t->dataset), cli_style_off(terminal),
         cli_samples_text(t->dataset, shape));
  if (cy_dataset_classes(t->dataset) > 0)
    printf(" in %lld classes%s", (long long)cy_dataset_classes(t->dataset),
           cy_dataset_each_step(t->dataset) ? ", one for each step" : "");
  if (cy_dataset_feature_name(t->dataset, 0) || cy_dataset_sequence_column(t->dataset)) printf(", target %s", cy_dataset_target_name(t->dataset));
  printf("; %s to train, %s to validate, %s to test\n", cli_count_text(split->n_train, a),
         cli_count_text(split->n_validation, b), cli_count_text(split->n_test, c));
  printf("%s", cy_dataset_notes(t->dataset));
  if (cy_model_text(cy_trainer_model(t->trainer), &text) == CY_OK)
    printf("%s%s%s\n", cli_style_on(terminal, CLI_BOLD), text, cli_style_off(terminal));
  printf("%s parameters; %s, %s, ", cli_count_text(cy_trainer_parameter_count(t->trainer), d), o.loss,
         o.optimizer.name);
  if (is_second_order(o.optimizer.name))
    printf("each step on all %s samples, %lld at once\n", cli_count_text(split->n_train, a), (long long)o.batch_size);
  else
    printf("learning rate %g, batches of %lld\n", o.learning_rate, (long long)o.batch_size);
  if (cy_state_find(cy_trainer_state(t->trainer), "target.offset"))
    printf("%s standardised for training: a loss of 1 is about as good as always answering the mean\n",
           cy_dataset_feature_name(t->dataset, 0) || cy_dataset_sequence_column(t->dataset)
               ? cy_dataset_target_name(t->dataset)
               : "targets");
  if (text) print_doubts(t->trainer, o.loss, text);
  cy_string_free(text);
  fflush(stdout);
}

/* ---- afterwards ---- */

static double total_seconds(const cy_trainer *trainer) {
  double seconds = 0;
  for (int i = 0; i < cy_trainer_history_count(trainer); i++) seconds += cy_trainer_history(trainer, i).seconds;
  return seconds;
}

static cy_status evaluate(training *t) {
  cli_results *r = &t->results;
  r->seconds = total_seconds(t->trainer);
  CY_TRY(cy_trainer_evaluate(t->trainer, CY_PART_TRAIN, &r->train));
  CY_TRY(cy_trainer_evaluate(t->trainer, CY_PART_VALIDATION, &r->validation));
  CY_TRY(cy_trainer_evaluate(t->trainer, CY_PART_TEST, &r->test));
  cy_trainer_options o = cy_trainer_options_of(t->trainer);
  memcpy(t->sizes, o.sizes, sizeof t->sizes);
  t->n_sizes = cli_sizes_count(t->sizes);
  for (int i = 0; t->n_sizes > 1 && r->test.samples > 0 && i < t->n_sizes; i++)
    CY_TRY(cy_trainer_evaluate_at(t->trainer, CY_PART_TEST, t->sizes[i], &t->by_size[i]));
  return CY_OK;
}

/* Another network under the same conditions, but seen by its results alone. A resumed run trains it from the beginning, as
 * nothing of it was kept. */
static cy_status run_baseline(training *t) {
  cy_trainer_options o = t->kept.baseline ? t->kept.options : t->recipe.options;
  cli_results *r = &t->results;
  cy_model *model;
  cy_trainer *trainer = NULL;
  if (!t->recipe.baseline) return CY_OK;
  CY_TRY(cy_model_parse(t->recipe.baseline, "baseline", &model));
  o.threads = t->recipe.options.threads;
  o.backend = t->recipe.options.backend;
  o.on_log = NULL;
  o.on_progress = on_baseline;
  o.user = t;
  o.schedule.in_epochs = true;
  if (t->recipe.baseline_rate > 0) o.learning_rate = t->recipe.baseline_rate;
  if (t->recipe.baseline_epochs > 0) o.epochs = t->recipe.baseline_epochs;
  cy_status status = cy_trainer_create(model, t->dataset, o, &trainer);
  if (status == CY_OK) status = cy_trainer_run(trainer);
  cli_progress_clear(&t->progress);
  cy_part part = r->test.samples ? CY_PART_TEST : r->validation.samples ? CY_PART_VALIDATION : CY_PART_TRAIN;
  if (status == CY_OK) status = cy_trainer_evaluate(trainer, part, &r->baseline);
  cy_trainer_free(trainer);
  cy_model_free(model);
  return status == CY_OK ? CY_OK : cy_fail_in(status, "baseline");
}

static void print_results(const training *t) {
  const cli_terminal *terminal = &t->progress.terminal;
  const cli_results *r = &t->results;
  char a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE], c[CLI_NUMBER_SIZE], d[CLI_NUMBER_SIZE];
  int64_t epochs = cy_trainer_epoch(t->trainer);
  double seen = (double)epochs * (double)cy_trainer_split(t->trainer)->n_train;
  printf("\n");
  cli_print_parts_head(terminal, cy_dataset_classes(t->dataset) > 0);
  cli_print_part(terminal, "training", &r->train, false);
  cli_print_part(terminal, "validation", &r->validation, false);
  cli_print_part(terminal, "test", &r->test, true);
  cli_print_part(terminal, "baseline", &r->baseline, false);
  if (t->n_sizes > 1) {
    printf("\ntest part, all images in one size\n");
    cli_print_parts_head(terminal, cy_dataset_classes(t->dataset) > 0);
  }
  for (int i = 0; t->n_sizes > 1 && i < t->n_sizes; i++)
    cli_print_part(terminal, cli_size_text(t->sizes[i], a), &t->by_size[i], true);
  bool nats = strcmp(cy_trainer_options_of(t->trainer).loss, "cross_entropy") == 0;
  if (nats && cy_dataset_vocabulary(t->dataset))
    cli_print_text_loss(r->test.samples ? "test" : r->validation.samples ? "validation" : "training",
                        r->test.samples ? &r->test : r->validation.samples ? &r->validation : &r->train);
  printf("\n%lld epoch%s in %s (%s samples/s), %s parameters, %s of memory (state and one step)\n", (long long)epochs,
         epochs == 1 ? "" : "s", cli_seconds_text(r->seconds, a),
         cli_rate_text(r->seconds > 0 ? seen / r->seconds : 0, b),
         cli_count_text(cy_trainer_parameter_count(t->trainer), c),
         cli_bytes_text((double)(cy_trainer_state_bytes(t->trainer) + cy_trainer_arena_bytes(t->trainer)), d));
}

/* What was used, every usual value written out. The schedule stays in epochs, as it was given. */
static cy_status save_recipe(training *t) {
  cli_recipe resolved = t->recipe; /* borrows the strings */
  char *text;
  resolved.options = cy_trainer_options_of(t->trainer);
  resolved.options.schedule = t->recipe.options.schedule;
  resolved.options.threads = t->recipe.options.threads;
  resolved.options.backend = t->recipe.options.backend;
  CY_TRY(cli_recipe_text(&resolved, &text));
  cy_status status = cli_save_text(t->folder, "recipe.yaml", text);
  cy_string_free(text);
  return status;
}

static cy_status finish(training *t) {
  bool drawn;
  CY_TRY(cli_save_checkpoint(t->trainer, t->folder));
  CY_TRY(cli_save_model(t->trainer, t->folder));
  CY_TRY(evaluate(t));
  CY_TRY(run_baseline(t));
  CY_TRY(cli_save_metrics(t->trainer, &t->results, t->folder));
  CY_TRY(cli_save_charts(t->trainer, t->dataset, &t->results, t->folder, &drawn));
  if (t->progress.quiet) {
    printf("%s\n", t->folder);
    return CY_OK;
  }
  print_results(t);
  if (!drawn) printf("No charts: this build lacks cairo.\n");
  printf("Model, metrics%s are in %s\n", drawn ? " and charts" : "", t->folder);
  return CY_OK;
}

/* After Ctrl-C, or a loss that is no number: the state before the failing step is kept. The sentence that ends the
 * command says how to go on. */
static cy_status save_and_explain(training *t, cy_status reason) {
  char sentence[512];
  snprintf(sentence, sizeof sentence, "%s", cy_error_message());
  CY_TRY(cli_save_checkpoint(t->trainer, t->folder));
  CY_TRY(cli_save_metrics(t->trainer, NULL, t->folder));
  if (reason == CY_CANCELLED)
    return cy_fail(reason, "%s; go on with: cauchy train --resume %s", sentence, t->folder);
  return cy_fail(reason, "%s; the state before that step is in %s/" CLI_CHECKPOINT_NAME, sentence, t->folder);
}

static cy_status run(training *t) {
  if (!t->progress.quiet) print_head(t);
  cli_catch_signals();
  cy_status status = cy_trainer_run(t->trainer);
  cli_progress_clear(&t->progress);
  if (status == CY_CANCELLED || status == CY_NOT_FINITE) return save_and_explain(t, status);
  CY_TRY(status);
  return finish(t);
}

/* ---- from a recipe, from a checkpoint ---- */

static void connect(training *t) {
  t->recipe.options.on_progress = on_progress;
  t->recipe.options.on_log = on_log;
  t->recipe.options.user = t;
  t->recipe.options.schedule.in_epochs = true;
}

static cy_status start(training *t, const cli_arguments *a) {
  CY_TRY(read_recipe(a, &t->recipe));
  CY_TRY(open_data(t));
  CY_TRY(read_model(t));
  choose_epochs(t);
  connect(t);
  CY_TRY(cy_trainer_create(t->model, t->dataset, t->recipe.options, &t->trainer));
  const char *name = t->recipe.name ? t->recipe.name : cy_dataset_name(t->dataset);
  CY_TRY(cli_run_folder_create(name, cli_option_value(a, "--out"), &t->folder));
  CY_TRY(cli_run_folder_lock(t->folder, &t->lock));
  CY_TRY(save_recipe(t));
  return run(t);
}

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
static cy_status own_folder(training *t, const char *word) {
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
static cy_status save_resumed_recipe(training *t) {
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
  return save_recipe(t);
}

/* Or in another, made when all is well. */
static cy_status other_folder(training *t, const char *out) {
  CY_TRY(cli_run_folder_create("", out, &t->folder));
  CY_TRY(cli_run_folder_lock(t->folder, &t->lock));
  return save_resumed_recipe(t);
}

/* A checkpoint knows nothing of a baseline: the recipe that its folder keeps does. One that cannot be read has none. */
static cy_status find_baseline(training *t, const char *checkpoint) {
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

static cy_status resume(training *t, const cli_arguments *a, const char *word) {
  const char *out = cli_option_value(a, "--out");
  char *path;
  CY_TRY(check_resumable(a));
  CY_TRY(read_overrides(a, 0, &t->recipe));
  CY_TRY(cli_model_path(word, CLI_CHECKPOINT_NAME, NULL, &path));
  connect(t);
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
  return run(t);
}

cy_status cli_train(cli_arguments *a) {
  training t = {.lock = -1};
  const char *checkpoint = cli_option_value(a, "--resume");
  cli_progress_begin(&t.progress, cli_option_value(a, "--quiet") != NULL);
  cy_status status = checkpoint ? resume(&t, a, checkpoint) : start(&t, a);
  cy_trainer_free(t.trainer);
  cy_model_free(t.model);
  cy_dataset_free(t.dataset);
  cli_results_clear(&t.results);
  for (int i = 0; i < CY_MAX_SIZES; i++) cy_metrics_clear(&t.by_size[i]);
  cli_recipe_clear(&t.recipe);
  cli_recipe_clear(&t.kept);
  cy_string_free(t.folder);
  if (t.lock >= 0) close(t.lock);
  return status;
}
