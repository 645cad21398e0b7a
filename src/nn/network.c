/* The network being built: what its layers declare, in order, and the names they give. Variables live in the graph;
 * here is the list of them, with roles and initialisers. Failures become the graph's sticky error, so that layers
 * read as mathematics. */
#include "nn/ragged.h"
#include "nn/taps.h"

#include "base/memory.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_OPEN = 64, PATH_TEXT = 512 };

/* How many layers of one kind were numbered under one path. */
typedef struct counter {
  const char *key; /* "generator.dense" */
  int last;
} counter;

/* One level of open layers. */
typedef struct open_layer {
  int layer;         /* its record; -1 if it could not be made */
  size_t path_length; /* of the path before it was opened */
  int64_t elements;  /* numbers to train before it */
} open_layer;

struct cy_network {
  cy_graph *graph;
  cy_network_options options;
  cy_arena *arena; /* names */
  cy_network_variable *variables;
  cy_value *parameters;
  cy_update *updates;
  cy_value *penalties;
  cy_network_layer *layers;
  char **layer_paths; /* full name of layers[i] */
  counter *counters;
  size_t n_variables, n_parameters, n_updates, n_penalties, n_layers, n_paths, n_counters;
  size_t variable_capacity, parameter_capacity, update_capacity, penalty_capacity, layer_capacity, path_capacity,
      counter_capacity;
  int64_t elements; /* numbers to train */
  int64_t streams;  /* random streams given out */
  open_layer open[MAX_OPEN];
  int depth;
  bool too_small; /* a window did not fit into an input */
  cy_value lengths; /* of sequences of so many steps; empty: all are whole */
  int64_t lengths_steps;
  bool watched; /* recurrent layers add taps */
  cy_tap *taps;
  size_t n_taps, tap_capacity;
  char path[PATH_TEXT]; /* names of the open layers: "generator.dense1"; "" outside */
};

cy_status cy_network_create(cy_graph *graph, cy_network_options options, cy_network **network) {
  *network = NULL;
  if (options.dtype != CY_F32 && options.dtype != CY_F64)
    return cy_fail(CY_INVALID, "a network computes in f32 or f64, not %s",
                   (unsigned)options.dtype < CY_DTYPE_COUNT ? cy_dtype_name(options.dtype) : "an unknown dtype");
  cy_network *net = cy_calloc(1, sizeof *net);
  if (!net) return cy_no_memory();
  net->graph = graph;
  net->options = options;
  net->lengths = cy_none;
  net->arena = cy_arena_create();
  if (!net->arena) {
    cy_network_free(net);
    return cy_no_memory();
  }
  *network = net;
  return CY_OK;
}

void cy_network_free(cy_network *network) {
  if (!network) return;
  cy_arena_free(network->arena);
  cy_free(network->variables);
  cy_free(network->parameters);
  cy_free(network->updates);
  cy_free(network->penalties);
  cy_free(network->layers);
  cy_free(network->layer_paths);
  cy_free(network->counters);
  cy_free(network->taps);
  cy_free(network);
}

cy_graph *cy_network_graph(const cy_network *network) { return network->graph; }
bool cy_network_training(const cy_network *network) { return network->options.training; }
cy_dtype cy_network_dtype(const cy_network *network) { return network->options.dtype; }
int cy_network_variable_count(const cy_network *network) { return (int)network->n_variables; }
int64_t cy_network_parameter_elements(const cy_network *network) { return network->elements; }
int cy_network_layer_count(const cy_network *network) { return (int)network->n_layers; }

const cy_network_variable *cy_network_variable_at(const cy_network *network, int i) {
  return i >= 0 && (size_t)i < network->n_variables ? &network->variables[i] : NULL;
}
const cy_network_layer *cy_network_layer_at(const cy_network *network, int i) {
  return i >= 0 && (size_t)i < network->n_layers ? &network->layers[i] : NULL;
}
const cy_value *cy_network_parameters(const cy_network *network, int *n) {
  *n = (int)network->n_parameters;
  return network->parameters;
}
const cy_update *cy_network_updates(const cy_network *network, int *n) {
  *n = (int)network->n_updates;
  return network->updates;
}

static cy_value out_of_memory(cy_network *net) {
  cy_graph_fail(net->graph, CY_NO_MEMORY, "out of memory");
  return cy_none;
}

/* ---- names and open layers ---- */

bool cy_layer_name_is_valid(const char *name) {
  size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
  return n > 0 && n <= CY_LAYER_NAME && !name[n];
}

static int find_path(const cy_network *net, const char *path) {
  for (size_t i = 0; i < net->n_paths; i++)
    if (strcmp(net->layer_paths[i], path) == 0) return (int)i;
  return -1;
}

/* The counter of key, made if new; NULL if memory is out. */
static counter *counter_of(cy_network *net, const char *key) {
  for (size_t i = 0; i < net->n_counters; i++)
    if (strcmp(net->counters[i].key, key) == 0) return &net->counters[i];
  if (!cy_grow(&net->counters, net->n_counters, &net->counter_capacity, sizeof(counter))) return NULL;
  const char *copy = cy_arena_strdup(net->arena, key);
  if (!copy) return NULL;
  net->counters[net->n_counters] = (counter){copy, 0};
  return &net->counters[net->n_counters++];
}

/* Writes path + "." + name; false if it does not fit. */
static bool join(const cy_network *net, const char *name, char out[PATH_TEXT]) {
  int n = snprintf(out, PATH_TEXT, "%s%s%s", net->path, net->path[0] ? "." : "", name);
  return n >= 0 && n < PATH_TEXT;
}

/* The first of dense1, dense2, ... that no layer has. */
static bool number_name(cy_network *net, const char *kind, char name[CY_LAYER_NAME + 1], char path[PATH_TEXT]) {
  counter *c = join(net, kind, path) ? counter_of(net, path) : NULL;
  if (!c) return false;
  do {
    if (snprintf(name, CY_LAYER_NAME + 1, "%s%d", kind, ++c->last) > CY_LAYER_NAME || !join(net, name, path))
      return false;
  } while (find_path(net, path) >= 0);
  return true;
}

static bool add_layer(cy_network *net, const char *kind, const char *name, const char *path, cy_value input) {
  if (!cy_grow(&net->layers, net->n_layers, &net->layer_capacity, sizeof *net->layers) ||
      !cy_grow(&net->layer_paths, net->n_paths, &net->path_capacity, sizeof *net->layer_paths))
    return false;
  cy_network_layer layer = {.kind = cy_arena_strdup(net->arena, kind), .name = cy_arena_strdup(net->arena, name),
                            .depth = net->depth - 1, .input = input, .output = cy_none};
  char *full = cy_arena_strdup(net->arena, path);
  if (!layer.kind || !layer.name || !full) return false;
  net->layers[net->n_layers++] = layer;
  net->layer_paths[net->n_paths++] = full;
  return true;
}

static void open_layer_of(cy_network *net, const char *kind, const char *name, cy_value input, bool group) {
  int level = net->depth++;
  if (level < MAX_OPEN)
    net->open[level] = (open_layer){-1, strlen(net->path), net->elements};
  else
    cy_graph_fail(net->graph, CY_INVALID, "layers nest deeper than %d", MAX_OPEN);
  if (cy_graph_failed(net->graph)) return;

  char path[PATH_TEXT], numbered[CY_LAYER_NAME + 1], scope[PATH_TEXT];
  if (!name || !name[0]) {
    if (!number_name(net, kind, numbered, path)) {
      out_of_memory(net);
      return;
    }
    name = numbered;
  } else if (!cy_layer_name_is_valid(name) || !join(net, name, path)) {
    cy_graph_fail(net->graph, CY_INVALID, "%s: \"%.80s\" is not a name for a layer: up to %d letters, digits, _ or -",
                  kind, name, CY_LAYER_NAME);
    return;
  }
  int same = find_path(net, path);
  if (same >= 0 && strcmp(net->layers[same].kind, kind) != 0) {
    cy_graph_fail(net->graph, CY_INVALID, "%s \"%s\": the name is already that of a layer of kind %s", kind, path,
                  net->layers[same].kind);
    return;
  }
  if (!add_layer(net, kind, name, path, input)) {
    out_of_memory(net);
    return;
  }
  net->open[level].layer = (int)net->n_layers - 1;
  snprintf(scope, sizeof scope, "%s \"%s\"", kind, name);
  cy_scope_push(net->graph, scope);
  if (!group) memcpy(net->path, path, strlen(path) + 1);
}

void cy_network_open(cy_network *network, const char *kind, const char *name, cy_value input) {
  open_layer_of(network, kind, name, input, false);
}

void cy_network_open_group(cy_network *network, const char *kind, const char *name, cy_value input) {
  open_layer_of(network, kind, name, input, true);
}

cy_value cy_network_close(cy_network *network, cy_value output) {
  if (network->depth == 0) {
    cy_graph_fail(network->graph, CY_INVALID, "a layer is closed that was not opened");
    return cy_none;
  }
  int level = --network->depth;
  if (level >= MAX_OPEN) return cy_none;
  open_layer *open = &network->open[level];
  network->path[open->path_length] = 0;
  if (open->layer >= 0) {
    network->layers[open->layer].output = output;
    network->layers[open->layer].parameters = network->elements - open->elements;
    cy_scope_pop(network->graph);
  }
  return cy_graph_failed(network->graph) ? cy_none : output;
}

bool cy_network_takes(cy_network *network, cy_value x, int min_rank) {
  char shape[CY_SHAPE_TEXT];
  if (cy_graph_failed(network->graph)) return false;
  if (!cy_is_value(x) || x.graph != network->graph)
    cy_graph_fail(network->graph, CY_INVALID, "its input is %s",
                  cy_is_value(x) ? "a value of another graph" : "missing");
  else if (cy_value_dtype(x) != network->options.dtype)
    cy_graph_fail(network->graph, CY_INVALID, "expects %s but receives %s", cy_dtype_name(network->options.dtype),
                  cy_dtype_name(cy_value_dtype(x)));
  else if (cy_value_shape(x).rank < min_rank)
    cy_graph_fail(network->graph, CY_INVALID, "expects a batch of at least %d axes but receives %s (shape %s)",
                  min_rank, cy_value_shape(x).rank ? "fewer" : "a scalar", cy_shape_text(cy_value_shape(x), shape));
  return !cy_graph_failed(network->graph);
}

/* The last layer that gave x, or NULL. */
static const cy_network_layer *layer_of(const cy_network *network, cy_value x) {
  for (size_t i = network->n_layers; i-- > 0;) {
    const cy_network_layer *layer = &network->layers[i];
    if (cy_is_value(x) && layer->output.graph == x.graph && layer->output.id == x.id) return layer;
  }
  return NULL;
}

const char *cy_network_origin(const cy_network *network, cy_value x, char buffer[CY_ORIGIN_TEXT]) {
  const cy_network_layer *layer = layer_of(network, x);
  buffer[0] = 0;
  if (layer) snprintf(buffer, CY_ORIGIN_TEXT, " (from %s \"%s\")", layer->kind, layer->name);
  return buffer;
}

cy_value cy_network_unflattened(const cy_network *network, cy_value x) {
  const cy_network_layer *layer = layer_of(network, x);
  return layer && strcmp(layer->kind, "flatten") == 0 && cy_is_value(layer->input) ? layer->input : x;
}

const char *cy_network_received(const cy_network *network, cy_value x, char buffer[CY_RECEIVED_TEXT]) {
  char example[CY_SHAPE_TEXT], origin[CY_ORIGIN_TEXT];
  cy_shape shape = cy_value_shape(x), each = {.rank = shape.rank > 0 ? shape.rank - 1 : 0};
  for (int i = 0; i < each.rank; i++) each.dim[i] = shape.dim[i + 1];
  snprintf(buffer, CY_RECEIVED_TEXT, "%s%s", cy_shape_text(each, example), cy_network_origin(network, x, origin));
  return buffer;
}

void cy_network_too_small(cy_network *network) {
  if (!cy_graph_failed(network->graph)) network->too_small = true;
}
bool cy_network_was_too_small(const cy_network *network) { return network->too_small; }

/* ---- variables ---- */

static cy_network_variable *find_variable(const cy_network *net, const char *name) {
  for (size_t i = 0; i < net->n_variables; i++)
    if (strcmp(net->variables[i].name, name) == 0) return &net->variables[i];
  return NULL;
}

static cy_value declare(cy_network *net, const char *name, cy_role role, cy_dtype dtype, cy_shape shape,
                        cy_initializer initializer, bool decays) {
  char was[CY_SHAPE_TEXT], is[CY_SHAPE_TEXT];
  if (cy_graph_failed(net->graph)) return cy_none;
  cy_network_variable *old = find_variable(net, name);
  if (old) {
    if (old->role == role && old->dtype == dtype && cy_shape_equal(old->shape, shape)) return old->value;
    cy_graph_fail(net->graph, CY_INVALID, "\"%s\" is %s already and can't be %s too", name,
                  cy_shape_text(old->shape, was), cy_shape_text(shape, is));
    return cy_none;
  }
  cy_value value = cy_variable(net->graph, name, dtype, shape);
  if (!cy_is_value(value)) return cy_none;
  const char *copy = cy_arena_strdup(net->arena, name);
  if (!copy || !cy_grow(&net->variables, net->n_variables, &net->variable_capacity, sizeof *net->variables) ||
      !cy_grow(&net->parameters, net->n_parameters, &net->parameter_capacity, sizeof *net->parameters))
    return out_of_memory(net);
  net->variables[net->n_variables++] = (cy_network_variable){
      .name = copy, .role = role, .dtype = dtype, .shape = shape, .initializer = initializer, .decays = decays,
      .value = value};
  if (role == CY_PARAMETER) {
    net->parameters[net->n_parameters++] = value;
    net->elements += cy_count(shape);
  }
  return value;
}

static cy_value declare_in_layer(cy_network *net, const char *name, cy_role role, cy_shape shape,
                                 cy_initializer initializer, bool decays) {
  char path[PATH_TEXT];
  if (!join(net, name, path)) {
    cy_graph_fail(net->graph, CY_INVALID, "the name of variable %.80s is too long", name);
    return cy_none;
  }
  return declare(net, path, role, net->options.dtype, shape, initializer, decays);
}

cy_value cy_network_parameter(cy_network *network, const char *name, cy_shape shape, cy_initializer initializer,
                              bool decays) {
  return declare_in_layer(network, name, CY_PARAMETER, shape, initializer, decays);
}

cy_value cy_network_buffer(cy_network *network, const char *name, cy_shape shape, cy_initializer initializer) {
  return declare_in_layer(network, name, CY_BUFFER, shape, initializer, false);
}

cy_shape cy_network_declared_shape(const cy_network *network, const char *name) {
  char path[PATH_TEXT];
  const cy_network_variable *variable = join(network, name, path) ? find_variable(network, path) : NULL;
  return variable ? variable->shape : (cy_shape){.rank = -1};
}

cy_value cy_network_carried(cy_network *network, const char *name, cy_shape shape) {
  if (!network->options.carry) return cy_full(network->graph, network->options.dtype, shape, 0);
  cy_initializer zero = {.kind = CY_INIT_CONSTANT};
  cy_value carried = declare_in_layer(network, name, CY_OPTIMIZER, shape, zero, false);
  for (size_t i = 0; i < network->n_variables; i++)
    if (network->variables[i].value.id == carried.id) network->variables[i].carried = true;
  return carried;
}

void cy_network_carry(cy_network *network, cy_value carried, cy_value last) {
  if (network->options.carry) cy_network_update(network, carried, last);
}

bool cy_network_carries(const cy_network *network) { return network->options.carry; }

void cy_network_set_lengths(cy_network *network, cy_value x, cy_value lengths) {
  cy_shape shape = cy_value_shape(x);
  network->lengths = lengths;
  network->lengths_steps = shape.rank ? shape.dim[shape.rank - 1] : 0;
}

cy_ends cy_network_ends(const cy_network *network) { return (cy_ends){network->lengths, network->lengths_steps}; }

void cy_network_set_ends(cy_network *network, cy_ends ends) {
  network->lengths = ends.lengths;
  network->lengths_steps = ends.steps;
}

cy_value cy_network_lengths(const cy_network *network, int64_t *steps) {
  if (cy_is_value(network->lengths)) *steps = network->lengths_steps;
  return network->lengths;
}

/* ---- taps ---- */

void cy_network_watch(cy_network *network) { network->watched = true; }
bool cy_network_watches(const cy_network *network) { return network->watched; }
int cy_network_tap_count(const cy_network *network) { return (int)network->n_taps; }
const cy_tap *cy_network_tap_at(const cy_network *network, int i) { return &network->taps[i]; }

cy_tap *cy_network_add_tap(cy_network *network, const char *prefix, int n_carry, cy_shape shape) {
  char name[PATH_TEXT], input[PATH_TEXT];
  if (cy_graph_failed(network->graph)) return NULL;
  bool fits = join(network, prefix, name) && strlen(name) + sizeof ".push0" <= sizeof input;
  if (!fits || !cy_grow(&network->taps, network->n_taps, &network->tap_capacity, sizeof *network->taps)) {
    cy_graph_fail(network->graph, CY_NO_MEMORY, "out of memory");
    return NULL;
  }
  for (size_t n = strlen(name); n > 0 && name[n - 1] == '.'; n--) name[n - 1] = 0;
  cy_tap *tap = &network->taps[network->n_taps++];
  *tap = (cy_tap){.name = cy_arena_strdup(network->arena, name)};
  if (!tap->name) cy_graph_fail(network->graph, CY_NO_MEMORY, "out of memory");
  for (int k = 0; k < n_carry; k++) {
    size_t length = strlen(name);
    memcpy(input, name, length);
    memcpy(input + length, ".push0", sizeof ".push0");
    input[length + sizeof ".push0" - 2] = (char)('0' + k);
    tap->push[k] = cy_input(network->graph, input, network->options.dtype, shape);
  }
  return tap;
}

/* ---- updates, penalties, random numbers ---- */

static cy_update *find_update(const cy_network *net, cy_value variable) {
  for (size_t i = 0; i < net->n_updates; i++)
    if (net->updates[i].variable.id == variable.id) return &net->updates[i];
  return NULL;
}

cy_value cy_network_current(const cy_network *network, cy_value variable) {
  const cy_update *update = find_update(network, variable);
  return update ? update->value : variable;
}

void cy_network_update(cy_network *network, cy_value variable, cy_value value) {
  if (cy_graph_failed(network->graph)) return;
  cy_update *old = find_update(network, variable);
  if (old) {
    old->value = value;
  } else if (!cy_grow(&network->updates, network->n_updates, &network->update_capacity, sizeof *network->updates)) {
    out_of_memory(network);
  } else {
    network->updates[network->n_updates++] = (cy_update){variable, value};
  }
}

void cy_network_add_penalty(cy_network *network, cy_value scalar) {
  if (cy_graph_failed(network->graph)) return;
  if (!cy_grow(&network->penalties, network->n_penalties, &network->penalty_capacity, sizeof *network->penalties))
    out_of_memory(network);
  else
    network->penalties[network->n_penalties++] = scalar;
}

void cy_network_penalize(cy_network *network, cy_value weight, double l1, double l2) {
  if (!(l1 >= 0 && l2 >= 0 && isfinite(l1) && isfinite(l2)))
    cy_graph_fail(network->graph, CY_INVALID, "l1 and l2 must not be negative: %g and %g", l1, l2);
  if (l1 > 0) cy_network_add_penalty(network, cy_mul_scalar(cy_sum(cy_abs(weight), NULL, 0, false), l1));
  if (l2 > 0) cy_network_add_penalty(network, cy_mul_scalar(cy_sum(cy_square(weight), NULL, 0, false), l2 / 2));
}

cy_value cy_network_penalty(cy_network *network) {
  cy_value sum = network->n_penalties ? network->penalties[0] : cy_scalar(network->graph, network->options.dtype, 0);
  for (size_t i = 1; i < network->n_penalties; i++) sum = cy_add(sum, network->penalties[i]);
  return sum;
}

/* Seed and step, and the advance of the step, declared at the first use. */
static void random_source(cy_network *net, cy_value *seed, cy_value *step) {
  cy_initializer zero = {.kind = CY_INIT_CONSTANT};
  *seed = declare(net, "random.seed", CY_OPTIMIZER, CY_I64, CY_SCALAR, zero, false);
  *step = declare(net, "random.step", CY_OPTIMIZER, CY_I64, CY_SCALAR, zero, false);
  if (cy_is_value(*step) && !find_update(net, *step)) cy_network_update(net, *step, cy_add_scalar(*step, 1));
}

cy_value cy_network_uniform(cy_network *network, cy_shape shape) {
  cy_value seed, step;
  random_source(network, &seed, &step);
  return cy_random_uniform(seed, step, network->streams++, network->options.dtype, shape);
}

cy_value cy_network_normal(cy_network *network, cy_shape shape) {
  cy_value seed, step;
  random_source(network, &seed, &step);
  return cy_random_normal(seed, step, network->streams++, network->options.dtype, shape);
}

/* ---- state ---- */

cy_status cy_network_declare(const cy_network *network, cy_state *state) {
  CY_TRY(cy_graph_status(network->graph));
  for (size_t i = 0; i < network->n_variables; i++) {
    const cy_network_variable *v = &network->variables[i];
    CY_TRY(cy_state_declare(state, v->name, v->role, v->dtype, v->shape));
  }
  return CY_OK;
}

cy_status cy_network_initialize(const cy_network *network, cy_state *state, uint64_t seed) {
  for (size_t i = 0; i < network->n_variables; i++) {
    const cy_network_variable *v = &network->variables[i];
    cy_tensor *tensor = cy_state_find(state, v->name);
    if (!tensor) return cy_fail(CY_INVALID, "the state has no tensor \"%s\": declare the network in it first", v->name);
    if (!cy_shape_equal(cy_tensor_shape(tensor), v->shape))
      return cy_fail(CY_INVALID, "the state's tensor \"%s\" has another shape than the network's", v->name);
    if (strcmp(v->name, "random.seed") == 0 && cy_tensor_i64(tensor))
      cy_tensor_i64(tensor)[0] = (int64_t)seed;
    else
      CY_TRY(cy_initialize_tensor(v->initializer, seed, v->name, tensor));
  }
  return CY_OK;
}
