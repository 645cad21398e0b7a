#include "cli/run_folder.h"

#include "cli/model_file.h"
#include "cli/regions.h"
#include "cli/terminal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the folder ---- */

enum { MAX_RUNS = 1000000 };

static bool is_empty(const char *folder) {
  DIR *dir = opendir(folder);
  bool empty = true;
  if (!dir) return false;
  for (const struct dirent *e; empty && (e = readdir(dir)) != NULL;)
    empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
  closedir(dir);
  return empty;
}

static cy_status create_given(const char *out, char **folder) {
  if (cli_is_folder(out) && !is_empty(out))
    return cy_fail(CY_INVALID, "%s is not empty; --out takes a new folder (to go on with a run: --resume %s)", out,
                   out);
  CY_TRY(cy_make_folders(out));
  *folder = cy_strdup(out);
  return *folder ? CY_OK : cy_no_memory();
}

static cy_status create_numbered(const char *name, char **folder) {
  CY_TRY(cy_make_folders("runs"));
  for (int number = 1; number < MAX_RUNS; number++) {
    cy_text text = {0};
    cy_text_add(&text, "runs/%s-%d", name, number);
    char *path = cy_text_take(&text);
    if (!path) return cy_no_memory();
    if (mkdir(path, 0777) == 0) {
      *folder = path;
      return CY_OK;
    }
    int error = errno;
    cy_status status = error == EEXIST ? CY_OK : cy_fail(CY_IO, "%s: cannot be made: %s", path, strerror(error));
    cy_free(path);
    CY_TRY(status);
  }
  return cy_fail(CY_IO, "runs/ holds too many runs named %s", name);
}

cy_status cli_run_folder_create(const char *name, const char *out, char **folder) {
  *folder = NULL;
  if (out) return create_given(out, folder);
  if (strchr(name, '/'))
    return cy_fail(CY_INVALID, "the name of a run has no slash: \"%s\" (--out takes a folder)", name);
  return create_numbered(name, folder);
}

cy_status cli_run_folder_lock(const char *folder, int *lock) {
  *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*lock < 0 || flock(*lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return CY_OK;
  close(*lock);
  *lock = -1;
  return cy_fail(CY_INVALID, "%s: another training is writing there", folder);
}

void cli_results_clear(cli_results *results) {
  cy_metrics_clear(&results->train);
  cy_metrics_clear(&results->validation);
  cy_metrics_clear(&results->test);
  cy_metrics_clear(&results->baseline);
}

/* ---- files ---- */

cy_status cli_save_text(const char *folder, const char *name, const char *text) {
  char *path = cli_join(folder, name);
  if (!path) return cy_no_memory();
  cy_status status = cy_file_write(text, strlen(text), path);
  cy_free(path);
  return status;
}

cy_status cli_save_checkpoint(const cy_trainer *trainer, const char *folder) {
  char *path = cli_join(folder, CLI_CHECKPOINT_NAME);
  if (!path) return cy_no_memory();
  cy_status status = cy_trainer_save(trainer, path);
  cy_free(path);
  return status;
}

static cy_status save_with_metadata(cy_trainer *trainer, const cy_safetensors *checkpoint, const char *path) {
  int n = cy_safetensors_metadata_count(checkpoint);
  cy_metadata *metadata = cy_calloc((size_t)n + 1, sizeof *metadata);
  if (!metadata) return cy_no_memory();
  for (int i = 0; i < n; i++) metadata[i] = cy_safetensors_metadata_at(checkpoint, i);
  cy_status status = cy_state_save(cy_trainer_state(trainer), CY_MODEL_ROLES, metadata, n, path);
  cy_free(metadata);
  return status;
}

cy_status cli_save_model(cy_trainer *trainer, const char *folder) {
  cy_safetensors *checkpoint = NULL;
  char *from = cli_join(folder, CLI_CHECKPOINT_NAME), *to = cli_join(folder, CLI_MODEL_NAME);
  cy_status status = from && to ? cy_safetensors_open(from, &checkpoint) : cy_no_memory();
  if (status == CY_OK) status = save_with_metadata(trainer, checkpoint, to);
  cy_safetensors_close(checkpoint);
  cy_free(from);
  cy_free(to);
  return status;
}

/* ---- metrics as lines of JSON; what is not a number is left out ---- */

static void put_number(json_t *object, const char *key, double value) {
  if (isfinite(value)) json_object_set_new(object, key, json_real(value));
}
static void put_count(json_t *object, const char *key, int64_t value) {
  json_object_set_new(object, key, json_integer(value));
}

static json_t *epoch_object(cy_epoch_record e) {
  json_t *object = json_object();
  put_count(object, "epoch", e.epoch);
  put_count(object, "steps", e.steps);
  put_number(object, "loss", e.loss);
  put_number(object, "accuracy", e.accuracy);
  put_number(object, "validation_loss", e.validation_loss);
  put_number(object, "validation_accuracy", e.validation_accuracy);
  put_number(object, "learning_rate", e.learning_rate);
  put_number(object, "seconds", e.seconds);
  json_object_set_new(object, "best", json_boolean(e.best));
  return object;
}

static void put_part(json_t *object, const char *key, const cy_metrics *metrics) {
  if (metrics->samples == 0) return;
  json_t *part = json_object();
  put_count(part, "samples", metrics->samples);
  put_number(part, "loss", metrics->loss);
  put_number(part, "accuracy", metrics->accuracy);
  put_number(part, "balanced_accuracy", metrics->balanced_accuracy);
  put_number(part, "roc_auc", metrics->auc);
  put_number(part, "mae", metrics->regression.mae);
  put_number(part, "rmse", metrics->regression.rmse);
  put_number(part, "r2", metrics->regression.r2);
  json_object_set_new(object, key, part);
}

static json_t *final_object(const cy_trainer *trainer, const cli_results *results) {
  json_t *object = json_object();
  json_object_set_new(object, "final", json_true());
  put_count(object, "epochs", cy_trainer_epoch(trainer));
  put_count(object, "steps", cy_trainer_steps(trainer));
  put_count(object, "best_epoch", cy_trainer_best_epoch(trainer));
  put_count(object, "parameters", cy_trainer_parameter_count(trainer));
  put_count(object, "state_bytes", (int64_t)cy_trainer_state_bytes(trainer));
  put_count(object, "arena_bytes", (int64_t)cy_trainer_arena_bytes(trainer));
  put_number(object, "seconds", results->seconds);
  put_part(object, "train", &results->train);
  put_part(object, "validation", &results->validation);
  put_part(object, "test", &results->test);
  put_part(object, "baseline", &results->baseline);
  return object;
}

static void add_line(cy_text *text, json_t *object) {
  char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
  if (line) cy_text_add(text, "%s\n", line);
  else text->failed = true;
  free(line);
  json_decref(object);
}

cy_status cli_save_metrics(const cy_trainer *trainer, const cli_results *results, const char *folder) {
  cy_text text = {0};
  for (int i = 0; i < cy_trainer_history_count(trainer); i++)
    add_line(&text, epoch_object(cy_trainer_history(trainer, i)));
  if (results) add_line(&text, final_object(trainer, results));
  char *lines = cy_text_take(&text);
  if (!lines) return cy_no_memory();
  cy_status status = cli_save_text(folder, "metrics.jsonl", lines);
  cy_free(lines);
  return status;
}

/* ---- charts ---- */

typedef struct curves {
  double *loss, *accuracy, *validation_loss, *validation_accuracy; /* by epoch; one block */
  int64_t n;
} curves;

static cy_status read_curves(const cy_trainer *trainer, curves *c) {
  size_t n = (size_t)cy_trainer_history_count(trainer);
  double *block = cy_calloc(4 * n + 1, sizeof *block);
  if (!block) return cy_no_memory();
  *c = (curves){block, block + n, block + 2 * n, block + 3 * n, (int64_t)n};
  for (size_t i = 0; i < n; i++) {
    cy_epoch_record e = cy_trainer_history(trainer, (int)i);
    c->loss[i] = e.loss;
    c->accuracy[i] = e.accuracy;
    c->validation_loss[i] = e.validation_loss;
    c->validation_accuracy[i] = e.validation_accuracy;
  }
  return CY_OK;
}

static const cy_metrics *shown_part(const cli_results *results) {
  return results->test.samples ? &results->test : results->validation.samples ? &results->validation : &results->train;
}
static const char *shown_name(const cli_results *results) {
  return results->test.samples ? "test" : results->validation.samples ? "validation" : "training";
}

static cy_status draw_curves(const cy_trainer *trainer, const cy_dataset *dataset, const cli_results *results,
                             const char *png, const char *svg) {
  curves c = {0};
  CY_TRY(read_curves(trainer, &c));
  bool classes = cy_dataset_classes(dataset) > 0, validated = cy_trainer_split(trainer)->n_validation > 0;
  cy_plot_series loss[] = {{.name = "training", .y = c.loss, .n = c.n, .color = 1},
                           {.name = "validation", .y = c.validation_loss, .n = c.n, .color = 2}};
  cy_plot_series accuracy[] = {{.name = "training", .y = c.accuracy, .n = c.n, .color = 1},
                               {.name = "validation", .y = c.validation_accuracy, .n = c.n, .color = 2}};
  cy_plot_panel panels[] = {
      {.y_label = "loss", .series = loss, .n_series = validated ? 2 : 1},
      {.y_label = "accuracy", .series = accuracy, .n_series = validated ? 2 : 1, .percent = true}};
  char subtitle[160], a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE];
  const cy_metrics *shown = shown_part(results);
  if (classes) snprintf(subtitle, sizeof subtitle, "%s accuracy %s, loss %s", shown_name(results),
                        cli_percent_text(shown->accuracy, a), cli_loss_text(shown->loss, b));
  else snprintf(subtitle, sizeof subtitle, "%s loss %s", shown_name(results), cli_loss_text(shown->loss, a));
  cy_status status = cy_plot_lines(
      panels, classes ? 2 : 1,
      (cy_plot_options){.title = cy_dataset_name(dataset), .subtitle = subtitle, .x_label = "epoch"}, png, svg);
  cy_free(c.loss);
  return status;
}

static cy_status draw_confusion(const cy_dataset *dataset, const cli_results *results, const char *png,
                                const char *svg) {
  const cy_metrics *shown = shown_part(results);
  char title[160], subtitle[160], a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE];
  const char **names = cy_calloc((size_t)shown->classes, sizeof *names);
  if (!names) return cy_no_memory();
  for (int64_t k = 0; k < shown->classes; k++) names[k] = cy_dataset_class_name(dataset, k);
  snprintf(title, sizeof title, "%s: %s part", cy_dataset_name(dataset), shown_name(results));
  snprintf(subtitle, sizeof subtitle, "%s samples, accuracy %s", cli_count_text(shown->samples, a),
           cli_percent_text(shown->accuracy, b));
  cy_status status = cy_plot_confusion(shown->confusion, (int)shown->classes, names,
                                       (cy_plot_options){.title = title, .subtitle = subtitle}, png, svg);
  cy_free(names);
  return status;
}

/* The curve of the second class, and of the baseline. */
static cy_status draw_roc(const cy_dataset *dataset, const cli_results *results, const char *png, const char *svg) {
  static const double ends[2] = {0, 1};
  const cy_metrics *shown = shown_part(results);
  const cy_roc *roc = &shown->roc, *other = &results->baseline.roc;
  char title[160], subtitle[200], name[40], beside[40];
  snprintf(title, sizeof title, "%s: %s part", cy_dataset_name(dataset), shown_name(results));
  snprintf(subtitle, sizeof subtitle, "%.80s: share recognised against share of false alarms",
           cy_dataset_class_name(dataset, 1));
  snprintf(name, sizeof name, "area %.4f", roc->auc);
  snprintf(beside, sizeof beside, "baseline %.4f", other->auc);
  cy_plot_series series[] = {
      {.name = name, .x = roc->false_positive, .y = roc->true_positive, .n = roc->count, .color = 1},
      {.name = "chance", .x = ends, .y = ends, .n = 2, .color = 3, .dashed = true},
      {.name = beside, .x = other->false_positive, .y = other->true_positive, .n = other->count, .color = 2}};
  cy_plot_panel panel = {.y_label = "true positives", .series = series, .n_series = other->count ? 3 : 2, .percent = true,
                         .y_high = 1};
  return cy_plot_lines(&panel, 1,
                       (cy_plot_options){.title = title, .subtitle = subtitle, .x_label = "false positives", .width = 640,
                                         .height = 600, .no_ends = true},
                       png, svg);
}

/* What was predicted against what is so: on the diagonal where they agree. */
static cy_status draw_predictions(const cy_dataset *dataset, const cli_results *results, const char *png,
                                  const char *svg) {
  const cy_metrics *shown = shown_part(results);
  const cy_regression *r = &shown->regression;
  double ends[2] = {INFINITY, -INFINITY};
  char title[160], subtitle[200], label[80], answer[80], a[CLI_NUMBER_SIZE];
  for (int64_t i = 0; i < r->count; i++) {
    ends[0] = fmin(ends[0], fmin(r->targets[i], r->answers[i]));
    ends[1] = fmax(ends[1], fmax(r->targets[i], r->answers[i]));
  }
  snprintf(title, sizeof title, "%s: %s part", cy_dataset_name(dataset), shown_name(results));
  snprintf(subtitle, sizeof subtitle, "%s samples, mean absolute error %.4g", cli_count_text(shown->samples, a), r->mae);
  if (isfinite(r->r2)) snprintf(subtitle + strlen(subtitle), sizeof subtitle - strlen(subtitle), ", R2 %.4f", r->r2);
  snprintf(label, sizeof label, "%.60s", cy_dataset_target_name(dataset));
  snprintf(answer, sizeof answer, "%.60s, predicted", cy_dataset_target_name(dataset));
  cy_plot_series series[] = {{.x = r->targets, .y = r->answers, .n = r->count, .color = 1, .points = true},
                             {.name = "equal", .x = ends, .y = ends, .n = 2, .color = 3, .dashed = true}};
  cy_plot_panel panel = {.y_label = answer, .series = series, .n_series = 2};
  return cy_plot_lines(&panel, 1,
                       (cy_plot_options){.title = title, .subtitle = subtitle, .x_label = label, .width = 640,
                                         .height = 600, .no_ends = true},
                       png, svg);
}

enum { FEW_POINTS = 100 };

/* Of a model of two features, as it lies in the folder; with all samples if the part has few. */
static cy_status draw_regions(const cy_trainer *trainer, const cy_dataset *dataset, const cli_results *results,
                              const char *folder) {
  const cy_split *split = cy_trainer_split(trainer);
  const int64_t *indices = results->test.samples ? split->test : results->validation.samples ? split->validation : split->train;
  cy_trained *trained = NULL;
  char *model = cli_join(folder, CLI_MODEL_NAME), *png = cli_join(folder, "regions.png"),
       *svg = cli_join(folder, "regions.svg"), part[32];
  bool few = shown_part(results)->samples < FEW_POINTS;
  snprintf(part, sizeof part, few ? "all samples" : "%s part", shown_name(results));
  cy_status status = model && png && svg ? cy_trained_load(model, 0, NULL, &trained) : cy_no_memory();
  if (status == CY_OK && cli_has_regions(trained))
    status = cli_draw_regions(trained, dataset, few ? NULL : indices, shown_part(results)->samples, part, png, svg);
  cy_trained_free(trained);
  cy_string_free(model);
  cy_string_free(png);
  cy_string_free(svg);
  return status;
}

enum { MOST_CLASSES_SHOWN = 1000 };

cy_status cli_save_charts(const cy_trainer *trainer, const cy_dataset *dataset, const cli_results *results,
                          const char *folder, bool *drawn) {
  static const char *const names[] = {"curves.png", "curves.svg", "confusion.png", "confusion.svg", "roc.png", "roc.svg",
                                      "predictions.png", "predictions.svg"};
  enum { PICTURES = sizeof names / sizeof *names };
  char *paths[PICTURES];
  cy_status status = CY_OK;
  for (size_t i = 0; i < PICTURES; i++)
    if (!(paths[i] = cli_join(folder, names[i]))) status = cy_no_memory();
  const cy_metrics *shown = shown_part(results);
  if (status == CY_OK) status = draw_curves(trainer, dataset, results, paths[0], paths[1]);
  *drawn = status == CY_OK;
  if (status == CY_OK && shown->samples && shown->classes > 0 && shown->classes <= MOST_CLASSES_SHOWN)
    status = draw_confusion(dataset, results, paths[2], paths[3]);
  if (status == CY_OK && shown->roc.count) status = draw_roc(dataset, results, paths[4], paths[5]);
  if (status == CY_OK && shown->regression.count) status = draw_predictions(dataset, results, paths[6], paths[7]);
  cy_shape sample = cy_dataset_sample_shape(dataset);
  if (status == CY_OK && sample.rank == 1 && sample.dim[0] == 2 && shown->samples && shown->classes > 1)
    status = draw_regions(trainer, dataset, results, folder);
  for (size_t i = 0; i < PICTURES; i++) cy_free(paths[i]);
  return status == CY_UNSUPPORTED ? CY_OK : status;
}
