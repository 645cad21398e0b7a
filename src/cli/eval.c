/* `cauchy eval`: how well a saved model does, on the test part of its own data or on other data. */
#include "cli/model_file.h"
#include "cli/recipe.h"
#include "cli/regions.h"
#include "cli/results.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct evaluation {
  cy_trained *trained;
  cy_dataset *dataset;
  cy_split split;
  const char *part; /* "test", "all", ... */
  cy_image_size sizes[CY_MAX_SIZES]; /* asked for; none: the usual ones */
  int n_sizes;
  cy_metrics metrics, by_size[CY_MAX_SIZES]; /* metrics: of the first size if there are some */
} evaluation;

/* Another data set counts as the model's own if name and size agree: then the split is that of the training. */
static bool is_own_data(const evaluation *e) {
  const char *count = cy_trained_metadata(e->trained, "dataset.count");
  return count && strtoll(count, NULL, 10) == cy_dataset_count(e->dataset) &&
         strcmp(cy_trained_dataset_name(e->trained), cy_dataset_name(e->dataset)) == 0;
}

static cy_status open_data(evaluation *e, const char *model, const char *data) {
  if (!data) return cli_open_training_data(model, &e->dataset);
  cli_saved_data saved;
  cy_status status = cli_trained_data_options(e->trained, model, &saved);
  if (status == CY_OK) status = cli_open_alike(data, &saved, &e->dataset);
  if (status != CY_OK && saved.options.target && saved.options.windows.length == 0) {
    saved.options.target = NULL; /* its target column has another name */
    if (cli_open_alike(data, &saved, &e->dataset) == CY_OK) status = CY_OK;
  }
  cli_saved_data_clear(&saved);
  return status;
}

enum { PARTS = 4 };
static const char *const part_names[PARTS] = {"train", "validation", "test", "all"};

/* The sample numbers of the wanted part. Data that the model was not trained on has no part that it was trained on. */
static cy_status choose_part(evaluation *e, const char *wanted, const int64_t **indices, int64_t *n) {
  char hint[CLI_HINT_SIZE];
  int part = -1;
  bool own = is_own_data(e);
  for (int i = 0; wanted && i < PARTS; i++)
    if (strcmp(part_names[i], wanted) == 0) part = i;
  if (wanted && part < 0)
    return cy_fail(CY_INVALID, "--part is one of train, validation, test, all, not \"%.40s\"%s", wanted,
                   cli_hint(wanted, part_names, PARTS, hint));
  if (!own && part >= 0 && part < 2)
    return cy_fail(CY_INVALID, "the model was not trained on \"%s\": --part is test or all",
                   cy_dataset_name(e->dataset));
  cy_split_options options = cy_trained_split_options(e->trained);
  if (!own) options = (cy_split_options){.test = -1}; /* the fixed test part only */
  CY_TRY(cy_dataset_split(e->dataset, options, &e->split));
  bool validated = own && cy_dataset_vocabulary(e->dataset) && e->split.n_validation > 0; /* texts seldom have a test part */
  if (part < 0) part = e->split.n_test > 0 ? 2 : validated ? 1 : 3;
  const int64_t *lists[PARTS] = {e->split.train, e->split.validation, e->split.test, NULL};
  int64_t counts[PARTS] = {e->split.n_train, e->split.n_validation, e->split.n_test, cy_dataset_count(e->dataset)};
  e->part = part_names[part];
  *indices = lists[part];
  *n = counts[part];
  return *n > 0 ? CY_OK : cy_fail(CY_INVALID, "\"%s\" has no %s part", cy_dataset_name(e->dataset), e->part);
}

static const char *class_name(const void *owner, int64_t c) { return cy_trained_class_name(owner, c); }

static bool is_text_loss(const evaluation *e) {
  return cy_dataset_vocabulary(e->dataset) && strcmp(cy_trained_options(e->trained).loss, "cross_entropy") == 0;
}

static void print_table(const evaluation *e) {
  char size[CLI_NUMBER_SIZE];
  cli_terminal terminal = cli_terminal_of(STDOUT_FILENO);
  char left_out[CLI_NUMBER_SIZE];
  int64_t lost = cy_dataset_windows_left_out(e->dataset);
  printf("%s, %s\n", cy_dataset_name(e->dataset), strcmp(e->part, "all") == 0 ? "all samples" : e->part);
  if (lost) printf("%s of its windows are left out: gaps, no label, or across a boundary\n", cli_count_text(lost, left_out));
  printf("\n");
  cli_print_parts_head(&terminal, e->metrics.classes > 0);
  if (e->n_sizes == 0) cli_print_part(&terminal, e->part, &e->metrics, true);
  for (int i = 0; i < e->n_sizes; i++)
    cli_print_part(&terminal, cli_size_text(e->sizes[i], size), &e->by_size[i], true);
  if (is_text_loss(e)) cli_print_text_loss(e->part, &e->metrics);
  if (e->metrics.classes == 0 || e->n_sizes > 1) return;
  printf("\n");
  cli_print_classes(&terminal, &e->metrics, class_name, e->trained);
}

static void put_number(json_t *object, const char *key, double value) {
  json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

/* One object per size. */
static json_t *sizes_array(const evaluation *e) {
  json_t *sizes = json_array();
  for (int i = 0; i < e->n_sizes; i++) {
    json_t *row = json_object();
    json_object_set_new(row, "height", json_integer(e->sizes[i].height));
    json_object_set_new(row, "width", json_integer(e->sizes[i].width));
    put_number(row, "loss", e->by_size[i].loss);
    if (e->by_size[i].classes > 0) put_number(row, "accuracy", e->by_size[i].accuracy);
    json_array_append_new(sizes, row);
  }
  return sizes;
}

static cy_status print_json(const evaluation *e) {
  json_t *object = json_object(), *classes = json_array();
  const cy_metrics *m = &e->metrics;
  json_object_set_new(object, "data", json_string(cy_dataset_name(e->dataset)));
  json_object_set_new(object, "part", json_string(e->part));
  json_object_set_new(object, "samples", json_integer(m->samples));
  if (cy_dataset_windows_left_out(e->dataset))
    json_object_set_new(object, "windows_left_out", json_integer(cy_dataset_windows_left_out(e->dataset)));
  put_number(object, "loss", m->loss);
  if (m->classes > 0) {
    put_number(object, "accuracy", m->accuracy);
    put_number(object, "balanced_accuracy", m->balanced_accuracy);
    put_number(object, "roc_auc", m->auc);
  } else {
    put_number(object, "mae", m->regression.mae);
    put_number(object, "rmse", m->regression.rmse);
    put_number(object, "r2", m->regression.r2);
  }
  if (is_text_loss(e)) {
    put_number(object, "bits_per_character", m->loss / CLI_NATS_PER_BIT);
    put_number(object, "perplexity", exp(m->loss));
  }
  if (e->n_sizes > 0) json_object_set_new(object, "sizes", sizes_array(e));
  for (int64_t c = 0; c < m->classes; c++) {
    cli_class_score s = cli_score_of(m, c);
    json_t *row = json_object(), *counts = json_array();
    json_object_set_new(row, "class", json_string(class_name(e->trained, c)));
    json_object_set_new(row, "samples", json_integer(s.samples));
    put_number(row, "precision", s.precision);
    put_number(row, "recall", s.recall);
    put_number(row, "f1", s.f1);
    for (int64_t k = 0; k < m->classes; k++)
      json_array_append_new(counts, json_integer(m->confusion[c * m->classes + k]));
    json_object_set_new(row, "predicted", counts);
    json_array_append_new(classes, row);
  }
  if (m->classes > 0) json_object_set(object, "classes", classes);
  json_decref(classes);
  char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
  json_decref(object);
  if (!text) return cy_no_memory();
  printf("%s\n", text);
  free(text);
  return CY_OK;
}

static cy_status read_threshold(const cli_arguments *a, const evaluation *e, double *threshold) {
  const char *text = cli_option_value(a, "--at-least");
  char *end;
  *threshold = -1;
  if (!text) return CY_OK;
  if (cy_trained_classes(e->trained) == 0)
    return cy_fail(CY_INVALID, "--at-least: the model predicts numbers, not classes");
  *threshold = strtod(text, &end);
  if (end == text || *end || !(*threshold >= 0 && *threshold <= 1))
    return cy_fail(CY_INVALID, "--at-least takes an accuracy from 0 to 1, not \"%.40s\"", text);
  return CY_OK;
}

/* --regions FILE.png or FILE.svg; both NULL without it. */
static cy_status read_picture(const cli_arguments *a, const evaluation *e, const char **png, const char **svg) {
  const char *path = cli_option_value(a, "--regions"), *dot = path ? strrchr(path, '.') : NULL;
  *png = dot && strcmp(dot, ".png") == 0 ? path : NULL;
  *svg = dot && strcmp(dot, ".svg") == 0 ? path : NULL;
  if (path && !*png && !*svg) return cy_fail(CY_INVALID, "--regions %s: the file's name must end in .png or .svg", path);
  if (path && !cli_has_regions(e->trained))
    return cy_fail(CY_INVALID, "--regions: decision regions are drawn of models with two features and 2 to 10 classes");
  return CY_OK;
}

static cy_status draw_regions(const evaluation *e, const int64_t *indices, int64_t n, const char *png, const char *svg) {
  char part[32];
  snprintf(part, sizeof part, strcmp(e->part, "all") == 0 ? "all samples" : "%s part", e->part);
  return png || svg ? cli_draw_regions(e->trained, e->dataset, indices, n, part, png, svg) : CY_OK;
}

/* At each size that is asked for, or once. The first is what the rest looks at. */
static cy_status measure(evaluation *e, const int64_t *indices, int64_t n) {
  if (e->n_sizes == 0) return cy_trained_evaluate(e->trained, e->dataset, indices, n, &e->metrics);
  for (int i = 0; i < e->n_sizes; i++)
    CY_TRY(cy_trained_evaluate_at(e->trained, e->dataset, indices, n, e->sizes[i], &e->by_size[i]));
  e->metrics = e->by_size[0]; /* which owns */
  return CY_OK;
}

static cy_status run(cli_arguments *a, evaluation *e, const char *path) {
  int threads = 0;
  const int64_t *indices = NULL;
  int64_t n = 0;
  double threshold;
  const char *sizes = cli_option_value(a, "--size"), *png, *svg;
  char got[CLI_NUMBER_SIZE], wanted[CLI_NUMBER_SIZE];
  CY_TRY(cli_option_number(a, "--threads", 1, 4096, &threads));
  CY_TRY(cy_trained_load(path, threads, NULL, &e->trained));
  CY_TRY(read_threshold(a, e, &threshold));
  CY_TRY(read_picture(a, e, &png, &svg));
  if (sizes) CY_TRY(cli_read_sizes("--size", sizes, e->sizes));
  e->n_sizes = cli_sizes_count(e->sizes);
  CY_TRY(open_data(e, path, a->n_words > 1 ? a->words[1] : NULL));
  CY_TRY(choose_part(e, cli_option_value(a, "--part"), &indices, &n));
  CY_TRY(measure(e, indices, n));
  CY_TRY(draw_regions(e, indices, n, png, svg));
  if (cli_option_value(a, "--json")) CY_TRY(print_json(e));
  else print_table(e);
  if (threshold < 0 || e->metrics.accuracy >= threshold) return CY_OK;
  fflush(stdout);
  fprintf(stderr, "cauchy: the accuracy is %s, less than %s\n", cli_percent_text(e->metrics.accuracy, got),
          cli_percent_text(threshold, wanted));
  a->exit_code = CLI_EXIT_CHECK_FAILED;
  return CY_OK;
}

cy_status cli_eval(cli_arguments *a) {
  evaluation e = {0};
  char *path;
  CY_TRY(cli_model_path(a->words[0], CLI_MODEL_NAME, CLI_CHECKPOINT_NAME, &path));
  cy_status status = run(a, &e, path);
  if (e.n_sizes == 0) cy_metrics_clear(&e.metrics);
  for (int i = 0; i < e.n_sizes; i++) cy_metrics_clear(&e.by_size[i]);
  cy_split_clear(&e.split);
  cy_dataset_free(e.dataset);
  cy_trained_free(e.trained);
  cy_string_free(path);
  return status;
}
