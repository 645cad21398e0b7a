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
static cy_status open_named(const char *name, const char *origin, cy_dataset_options options, cy_dataset **dataset) {
  const cy_data_set *set = cy_data_find(name);
  char *folder = NULL;
  bool by_name = set && strcmp(origin, "embedded") == 0;
  if (set && !by_name && cy_data_locate(set, NULL, &folder) == CY_OK && folder) by_name = strcmp(folder, origin) == 0;
  cy_string_free(folder);
  if (by_name) return cy_dataset_open(name, options, dataset);
  if (strcmp(origin, "memory") == 0)
    return cy_fail(CY_INVALID, "the model was trained on data in memory; name a data set");
  return cy_dataset_open(origin, options, dataset);
}

cy_status cli_saved_data_options(const char *what, const char *(*get)(const void *, const char *), const void *owner,
                                 cli_saved_data *saved) {
  const char *classes = get(owner, "classes"), *images = get(owner, "dataset.images");
  const char *windows = get(owner, "dataset.windows");
  bool classify = classes && strtoll(classes, NULL, 10) > 0;
  *saved = (cli_saved_data){.options = {.target = get(owner, "target"), .task = classify ? CY_TASK_CLASSIFY
                                                                                       : CY_TASK_REGRESS}};
  const char *length = get(owner, "dataset.length");
  saved->options.length = length ? strtoll(length, NULL, 10) : 0;
  saved->options.vocabulary = get(owner, "dataset.vocabulary");
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
    if (status == CY_OK) status = open_named(name, origin, saved.options, dataset);
  }
  cy_string_free(saved.memory);
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
