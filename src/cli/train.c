/* `cauchy train`: from a recipe, or the checkpoint of an earlier run, to a run folder with model, metrics and charts.
 * Nothing is written before the recipe, the data and the network have proved sound. */
#include "cli/train.h"

#include "cli/model_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* With threads from the option, which wins over the recipe. */
cy_status cli_training_overrides(const cli_arguments *a, int first, cli_recipe *recipe) {
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
  CY_TRY(cli_training_overrides(a, all_overrides ? 0 : 1, recipe));
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

static cy_status open_data(cli_training *t) {
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
static cy_status read_model(cli_training *t) {
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

bool cli_is_second_order(const char *optimizer) {
  for (int i = 0; optimizer && i < cy_optimizer_count(); i++)
    if (strcmp(cy_optimizer_name(i), optimizer) == 0) return cy_optimizer_second_order(i);
  return false;
}

/* Without a word about epochs: as many as make a fair number of steps, so that small tables are learnt too. */
static void choose_epochs(cli_training *t) {
  cy_trainer_options *o = &t->recipe.options;
  if (o->epochs == 0 && cli_is_second_order(o->optimizer.name)) o->epochs = USUAL_ITERATIONS;
  if (o->epochs != 0) return;
  int64_t batch = o->batch_size ? o->batch_size : 32, steps = cy_dataset_count(t->dataset) / batch + 1;
  int64_t epochs = (USUAL_STEPS + steps - 1) / steps;
  o->epochs = epochs < FEWEST_EPOCHS ? FEWEST_EPOCHS : epochs > MOST_EPOCHS ? MOST_EPOCHS : epochs;
}

static cy_status start(cli_training *t, const cli_arguments *a) {
  CY_TRY(read_recipe(a, &t->recipe));
  CY_TRY(open_data(t));
  CY_TRY(read_model(t));
  choose_epochs(t);
  cli_training_connect(t);
  CY_TRY(cy_trainer_create(t->model, t->dataset, t->recipe.options, &t->trainer));
  const char *name = t->recipe.name ? t->recipe.name : cy_dataset_name(t->dataset);
  CY_TRY(cli_run_folder_create(name, cli_option_value(a, "--out"), &t->folder));
  CY_TRY(cli_run_folder_lock(t->folder, &t->lock));
  CY_TRY(cli_training_save_recipe(t));
  return cli_training_run(t);
}

cy_status cli_train(cli_arguments *a) {
  cli_training t = {.lock = -1};
  const char *checkpoint = cli_option_value(a, "--resume");
  cli_progress_begin(&t.progress, cli_option_value(a, "--quiet") != NULL);
  cy_status status = checkpoint ? cli_training_resume(&t, a, checkpoint) : start(&t, a);
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
