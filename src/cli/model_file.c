#include "cli/model_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool cli_is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}
bool cli_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0;
}

char *cli_join(const char *folder, const char *name) {
  cy_text text = {0};
  size_t n = strlen(folder);
  while (n > 1 && folder[n - 1] == '/') n--;
  cy_text_add(&text, "%.*s%s%s", (int)n, folder, n == 1 && folder[0] == '/' ? "" : "/", name);
  return cy_text_take(&text);
}

cy_status cli_model_path(const char *word, const char *first, const char *second, char **path) {
  *path = NULL;
  if (!cli_is_folder(word)) {
    if (!cli_exists(word)) return cy_fail(CY_IO, "%s: there is no such file or run folder", word);
    *path = cy_strdup(word);
    return *path ? CY_OK : cy_no_memory();
  }
  const char *names[] = {first, second};
  for (size_t i = 0; i < 2 && names[i]; i++) {
    *path = cli_join(word, names[i]);
    if (!*path) return cy_no_memory();
    if (cli_exists(*path)) return CY_OK;
    cy_free(*path);
    *path = NULL;
  }
  return cy_fail(CY_IO, "%s is a folder without %s%s%s", word, first, second ? " or " : "", second ? second : "");
}

/* By name if that is where the data came from, so that classes keep their names; else from the path. */
static cy_status open_named(const char *name, const char *origin, cli_saved_data *saved, cy_dataset **dataset) {
  const cy_data_set *set = cy_data_find(name);
  char *folder = NULL;
  bool by_name = set && strcmp(origin, "embedded") == 0;
  if (set && !by_name && cy_data_locate(set, NULL, &folder) == CY_OK && folder) by_name = strcmp(folder, origin) == 0;
  cy_string_free(folder);
  if (by_name) return cli_open_alike(name, saved, dataset);
  if (strcmp(origin, "memory") == 0)
    return cy_fail(CY_INVALID, "the model was trained on data in memory; name a data set");
  return cli_open_alike(origin, saved, dataset);
}

/* ---- the columns of tables ---- */

static bool unnamed(const char *name) { return strncmp(name, "column ", 7) == 0; }

void cli_add_word(cy_text *text, const char *word) {
  size_t n = strlen(word);
  if (!strpbrk(word, ",\"") && n > 0 && word[0] != ' ' && word[n - 1] != ' ') {
    cy_text_add(text, "%s", word);
    return;
  }
  cy_text_add(text, "\"");
  for (; *word; word++) cy_text_add(text, *word == '"' ? "\"%c" : "%c", *word);
  cy_text_add(text, "\"");
}

cy_status cli_columns_text(const char *(*name)(const void *, int64_t), const void *owner, char **text) {
  cy_text list = {0};
  const char *next;
  for (int64_t i = 0; (next = name(owner, i)) != NULL; i++) {
    if (i > 0) cy_text_add(&list, ", ");
    cli_add_word(&list, next);
  }
  *text = cy_text_take(&list);
  return *text ? CY_OK : cy_no_memory();
}

typedef struct metadata {
  const char *(*get)(const void *, const char *);
  const void *owner;
  const char *kind; /* "feature", "channel" */
} metadata;

static const char *feature(const void *owner, int64_t i) {
  const metadata *m = owner;
  char key[48];
  snprintf(key, sizeof key, "%s.%" PRId64, m->kind, i);
  return m->get(m->owner, key);
}

void cli_saved_data_clear(cli_saved_data *saved) {
  cy_string_free(saved->memory);
  cy_string_free(saved->columns);
  *saved = (cli_saved_data){0};
}

cy_status cli_open_alike(const char *data, cli_saved_data *saved, cy_dataset **dataset) {
  saved->options.columns = cy_dataset_is_csv(data) || saved->ragged ? saved->columns : NULL;
  cy_status status = cy_dataset_open(data, saved->options, dataset);
  if (status == CY_OK || !saved->options.columns || !unnamed(saved->columns)) return status;
  saved->options.columns = NULL; /* the model's columns have no names, but these may have */
  return cy_dataset_open(data, saved->options, dataset) == CY_OK ? CY_OK : status;
}

cy_status cli_saved_data_options(const char *what, const char *(*get)(const void *, const char *), const void *owner,
                                 cli_saved_data *saved) {
  const char *classes = get(owner, "classes"), *images = get(owner, "dataset.images");
  const char *windows = get(owner, "dataset.windows");
  bool classify = classes && strtoll(classes, NULL, 10) > 0;
  *saved = (cli_saved_data){.options = {.target = get(owner, "target"), .task = classify ? CY_TASK_CLASSIFY
                                                                                       : CY_TASK_REGRESS}};
  const char *length = get(owner, "dataset.length"), *buckets = get(owner, "dataset.buckets");
  saved->options.sequence = get(owner, "dataset.sequence");
  saved->options.buckets = buckets ? strtoll(buckets, NULL, 10) : 0;
  saved->options.each_step = get(owner, "dataset.each_step") != NULL;
  saved->ragged = buckets != NULL;
  saved->options.length = length ? strtoll(length, NULL, 10) : 0;
  saved->options.vocabulary = get(owner, "dataset.vocabulary");
  if (!windows && get(owner, "feature.0"))
    CY_TRY(cli_columns_text(feature, &(metadata){get, owner, "feature"}, &saved->columns));
  if (get(owner, "channel.0")) CY_TRY(cli_columns_text(feature, &(metadata){get, owner, "channel"}, &saved->columns));
  CY_TRY(cy_image_options_parse(what, images ? images : "", &saved->options.images));
  return windows ? cy_window_options_parse(what, windows, &saved->options.windows, &saved->memory) : CY_OK;
}

static const char *of_file(const void *file, const char *key) { return cy_safetensors_metadata(file, key); }
static const char *of_trained(const void *trained, const char *key) { return cy_trained_metadata(trained, key); }

cy_status cli_trained_data_options(const cy_trained *trained, const char *what, cli_saved_data *saved) {
  return cli_saved_data_options(what, of_trained, trained, saved);
}

cy_status cli_open_training_data(const char *path, cy_dataset **dataset) {
  cy_safetensors *file;
  *dataset = NULL;
  CY_TRY(cy_safetensors_open(path, &file));
  const char *name = cy_safetensors_metadata(file, "dataset"),
             *origin = cy_safetensors_metadata(file, "dataset.origin");
  cli_saved_data saved = {0};
  cy_status status;
  if (!name || !origin)
    status = cy_fail(CY_INVALID, "%s: not a model trained with cauchy (its metadata name no data)", path);
  else {
    status = cli_saved_data_options(path, of_file, file, &saved);
    if (status == CY_OK) status = open_named(name, origin, &saved, dataset);
  }
  cli_saved_data_clear(&saved);
  cy_safetensors_close(file);
  return status;
}

const char *cli_shape_text(cy_shape shape, char buffer[CLI_SHAPE_SIZE]) {
  size_t at = 0;
  snprintf(buffer, CLI_SHAPE_SIZE, "scalar");
  for (int i = 0; i < shape.rank; i++)
    at += (size_t)snprintf(buffer + at, CLI_SHAPE_SIZE - at, "%s%" PRId64, i ? "x" : "", shape.dim[i]);
  return buffer;
}

const char *cli_samples_text(const cy_dataset *d, char buffer[CLI_SAMPLES_SIZE]) {
  char shape[CLI_SHAPE_SIZE];
  int64_t shortest = INT64_MAX, longest = 0;
  snprintf(buffer, CLI_SAMPLES_SIZE, "samples of %s", cli_shape_text(cy_dataset_sample_shape(d), shape));
  if (!cy_dataset_is_ragged(d)) return buffer;
  for (int64_t i = 0; i < cy_dataset_count(d); i++) {
    int64_t steps = cy_dataset_steps(d, i);
    if (steps < shortest) shortest = steps;
    if (steps > longest) longest = steps;
  }
  snprintf(buffer, CLI_SAMPLES_SIZE, "sequences of %" PRId64 " channel%s and %" PRId64 " to %" PRId64 " steps",
           cy_dataset_sample_shape(d).dim[0], cy_dataset_sample_shape(d).dim[0] == 1 ? "" : "s", shortest, longest);
  return buffer;
}
