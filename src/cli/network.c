#include "cli/network.h"

#include "cli/model_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cy_status cli_shape_parse(const char *name, const char *text, cy_shape *shape) {
  const char *at = text;
  int64_t count;
  *shape = (cy_shape){0};
  for (;;) {
    char *end;
    errno = 0;
    long long extent = strtoll(at, &end, 10);
    if (*at < '0' || *at > '9' || extent < 1 || (*end && *end != 'x'))
      return cy_fail(CY_INVALID, "%s takes extents such as 3x64x64 (channels, height, width), not \"%.60s\"", name,
                     text);
    if (errno) return cy_fail(CY_INVALID, "%s %.60s: an extent does not fit in 63 bits", name, text);
    if (shape->rank == CY_MAX_RANK - 1)
      return cy_fail(CY_INVALID, "%s %.60s: more than %d axes", name, text, CY_MAX_RANK - 1);
    shape->dim[shape->rank++] = extent;
    if (!*end) break;
    at = end + 1;
  }
  cy_status status = cy_shape_count(*shape, &count);
  return status == CY_OK ? CY_OK : cy_fail_in(status, "%s %.60s", name, text);
}

/* ---- kinds of networks ---- */

static bool ends_with(const char *word, const char *end) {
  size_t n = strlen(word), m = strlen(end);
  return n >= m && strcmp(word + n - m, end) == 0;
}

static cy_status open_saved(const char *word, cli_network *n) {
  char *path;
  CY_TRY(cli_model_path(word, CLI_MODEL_NAME, CLI_CHECKPOINT_NAME, &path));
  cy_status status = cy_trained_load(path, 0, NULL, &n->trained);
  cy_string_free(path);
  CY_TRY(status);
  n->classes = cy_trained_classes(n->trained);
  n->options = cy_trained_options(n->trained);
  n->sample = cy_trained_sample_shape(n->trained);
  return CY_OK;
}

/* What training would make of the data: its shape, and the usual model if the recipe names none. */
static cy_status read_data(cli_network *n) {
  cli_recipe *r = &n->recipe;
  cy_dataset *dataset;
  cy_dataset_options options;
  if (!r->data) return cy_fail(CY_INVALID, "the recipe names no data; say what comes in, as in --input 3x64x64");
  CY_TRY(cli_recipe_data_options(r, &options));
  cy_status status = cy_dataset_open(r->data, options, &dataset);
  if (status != CY_OK)
    return cy_fail_in(status, "what comes into the network is not known without its data (or --input 3x64x64)");
  n->sample = cy_dataset_sample_shape(dataset);
  n->classes = cy_dataset_classes(dataset);
  if (r->options.sizes[0].height > 0 && n->sample.rank == 3) {
    n->sample.dim[1] = r->options.sizes[0].height;
    n->sample.dim[2] = r->options.sizes[0].width;
  }
  if (!r->model && !r->model_file) {
    status = cli_usual_model(dataset, &r->model);
  }
  cy_dataset_free(dataset);
  return status;
}

static cy_status open_recipe(const char *word, const char *input, cli_network *n) {
  cli_recipe *r = &n->recipe;
  CY_TRY(cli_recipe_open(r, word));
  n->options = r->options;
  if (!input || (!r->model && !r->model_file)) CY_TRY(read_data(n));
  return r->model_file ? cy_model_load(r->model_file, &n->model) : cy_model_parse(r->model, "model", &n->model);
}

/* An expression has parentheses or arrows, or is the name of a layer; else it was meant as a file. */
static cy_status open_expression(const char *word, cli_network *n) {
  bool file_like = !strpbrk(word, "(> ") && strpbrk(word, "./");
  if (file_like) return cy_fail(CY_IO, "%s: there is no such file or run folder", word);
  return cy_model_parse(word, "network", &n->model);
}

static cy_status open_by_kind(const char *word, const char *input, cli_network *n) {
  if (ends_with(word, ".safetensors") || cli_is_folder(word)) return open_saved(word, n);
  if (ends_with(word, ".yaml") || ends_with(word, ".yml") || cli_recipe_is_builtin(word))
    return open_recipe(word, input, n);
  return cli_exists(word) ? cy_model_load(word, &n->model) : open_expression(word, n);
}

cy_status cli_network_open(const char *word, const char *input, cli_network *network) {
  *network = (cli_network){.sample = {.rank = -1}};
  CY_TRY(open_by_kind(word, input, network));
  if (input) CY_TRY(cli_shape_parse("--input", input, &network->sample));
  if (!network->model) CY_TRY(cy_model_parse(cy_trained_text(network->trained), "model", &network->model));
  return network->sample.rank >= 0
             ? CY_OK
             : cy_fail(CY_INVALID,
                       "what comes into the network? Say it, as in --input 3x64x64 (channels, height, width)");
}

void cli_network_clear(cli_network *network) {
  cy_model_free(network->model);
  cy_trained_free(network->trained);
  cli_recipe_clear(&network->recipe);
  *network = (cli_network){0};
}
