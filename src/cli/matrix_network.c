/* From what the user names to a network for one example in f64, with its state: initialised, as saved, or with the numbers
 * that are given. */
#include "cli/matrix.h"
#include "cli/model_file.h"

#include <inttypes.h>
#include <string.h>

/* ---- the network ---- */

static cy_status build(cli_linear *l) {
  cy_shape example = l->source.sample, shape = {.rank = example.rank + 1, .dim = {1}};
  if (example.rank >= CY_MAX_RANK) return cy_fail(CY_INVALID, "--input: at most %d extents", CY_MAX_RANK - 1);
  for (int i = 0; i < example.rank; i++) shape.dim[i + 1] = example.dim[i];
  CY_TRY(cy_graph_create(&l->graph));
  CY_TRY(cy_network_create(l->graph, (cy_network_options){.dtype = CY_F64}, &l->network));
  l->input = cy_input(l->graph, "x", CY_F64, shape);
  l->output = cy_model_apply(l->source.model, l->network, l->input);
  return cy_graph_status(l->graph);
}

static cy_status pick_layer(const char *name, cli_linear *l) {
  const char *names[256];
  char hint[CLI_HINT_SIZE];
  size_t n = 0;
  for (int i = 0; i < cy_network_layer_count(l->network); i++) {
    const cy_network_layer *layer = cy_network_layer_at(l->network, i);
    if (n < 256) names[n++] = layer->name;
    if (strcmp(layer->name, name) != 0) continue;
    l->input = layer->input;
    l->output = layer->output;
    return CY_OK;
  }
  return cy_fail(CY_INVALID, "there is no layer \"%.60s\"%s", name, cli_hint(name, names, n, hint));
}

/* ---- its numbers ---- */

static cy_status copy_saved(const cli_linear *l) {
  for (int i = 0; i < cy_network_variable_count(l->network); i++) {
    const cy_network_variable *v = cy_network_variable_at(l->network, i);
    const cy_tensor *saved = cy_state_find(cy_trained_state(l->source.trained), v->name);
    cy_tensor *to = cy_state_find(l->state, v->name);
    if (!saved || !to || v->role == CY_OPTIMIZER) continue;
    if (!cy_shape_equal(cy_tensor_shape(saved), cy_tensor_shape(to)))
      return cy_fail(CY_INVALID, "%s of the saved model has another shape for this input: leave --input out", v->name);
    CY_TRY(cy_tensor_copy(saved, to));
  }
  return CY_OK;
}

/* Of the layer, if one was asked for. */
static bool is_weight(const cy_network_variable *v, const char *layer) {
  const char *name = layer ? strstr(v->name, layer) : NULL;
  bool inside = !layer || (name && name[strlen(layer)] == '.' && (name == v->name || name[-1] == '.'));
  return v->role == CY_PARAMETER && v->decays && inside;
}

/* Weights in the order of the layers; biases, scales and shifts stay as they are. */
static cy_status set_weights(const cli_linear *l, const char *layer, const cli_numbers *numbers) {
  int given = 0, wanted = 0;
  for (int i = 0; i < cy_network_variable_count(l->network); i++) {
    const cy_network_variable *v = cy_network_variable_at(l->network, i);
    char shape[CLI_SHAPE_SIZE];
    if (!is_weight(v, layer) || wanted++ >= numbers->n) continue;
    const cy_tensor *from = numbers->group[given++];
    cy_tensor *to = cy_state_find(l->state, v->name);
    if (cy_tensor_count(from) != cy_tensor_count(to))
      return cy_fail(CY_INVALID, "--weights: %s is %s, %" PRId64 " numbers, but %" PRId64 " are given", v->name,
                     cli_shape_text(v->shape, shape), cy_tensor_count(to), cy_tensor_count(from));
    for (int64_t k = 0; k < cy_tensor_count(to); k++) cy_tensor_set(to, k, cy_tensor_at(from, k));
  }
  if (wanted == numbers->n) return CY_OK;
  return cy_fail(CY_INVALID, "--weights: %d groups of numbers for %d weights%s", numbers->n, wanted,
                 wanted ? "; | separates the groups of several layers" : "");
}

static cy_status fill(const cli_linear_options *o, cli_linear *l) {
  CY_TRY(cy_state_create(&l->state));
  CY_TRY(cy_network_declare(l->network, l->state));
  CY_TRY(cy_state_allocate(l->state));
  CY_TRY(cy_network_initialize(l->network, l->state, o->seed));
  if (l->source.trained) CY_TRY(copy_saved(l));
  return o->weights ? set_weights(l, o->layer, o->weights) : CY_OK;
}

static cy_status name_it(const cli_linear_options *o, cli_linear *l) {
  cy_text title = {0};
  char *text = NULL;
  if (l->source.trained || cli_exists(o->word)) cy_text_add(&title, "%s", o->word);
  else {
    CY_TRY(cy_model_text(l->source.model, &text));
    cy_text_add(&title, "%s", text);
    cy_string_free(text);
  }
  if (o->layer) {
    cy_text layer = {0};
    cy_text_add(&layer, "%s of %s", o->layer, title.data ? title.data : "");
    cy_text_clear(&title);
    title = layer;
  }
  l->title = cy_text_take(&title);
  return l->title ? CY_OK : cy_no_memory();
}

cy_status cli_linear_open(const cli_linear_options *options, cli_linear *linear) {
  *linear = (cli_linear){0};
  cy_status status = cli_network_open(options->word, options->input, &linear->source);
  if (status == CY_OK) status = build(linear);
  if (status == CY_OK && options->layer) status = pick_layer(options->layer, linear);
  if (status == CY_OK) status = fill(options, linear);
  if (status == CY_OK) status = name_it(options, linear);
  if (status != CY_OK) cli_linear_close(linear);
  return status;
}

void cli_linear_close(cli_linear *l) {
  cy_string_free(l->title);
  cy_state_free(l->state);
  cy_network_free(l->network);
  cy_graph_free(l->graph);
  cli_network_clear(&l->source);
  *l = (cli_linear){0};
}
