/* Reading a network: builds it for one sample and gathers, per layer, what its nodes say. A node belongs to the
 * innermost layer that was open when it was made, which its scope tells. */
#include "analyze/analysis.h"

#include "base/error.h"
#include "base/text.h"
#include "ops/scan.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cy_shape cy_batch_shape(int64_t batch, cy_shape sample) {
  cy_shape shape = {.rank = sample.rank + 1, .dim = {batch}};
  for (int i = 0; i < sample.rank; i++) shape.dim[i + 1] = sample.dim[i];
  return shape;
}

cy_shape cy_example_shape(cy_shape batch) {
  cy_shape shape = {.rank = batch.rank > 0 ? batch.rank - 1 : 0};
  for (int i = 0; i < shape.rank; i++) shape.dim[i] = batch.dim[i + 1];
  return shape;
}

cy_status cy_build_for_analysis(const cy_model *model, cy_shape batch, cy_network_options options, cy_graph **graph,
                                cy_network **network, cy_value *input, cy_value *output) {
  *network = NULL;
  *output = cy_none;
  CY_TRY(cy_graph_create(graph));
  CY_TRY(cy_network_create(*graph, options, network));
  *input = cy_input(*graph, "x", options.dtype, batch);
  *output = cy_model_apply(model, *network, *input);
  return cy_graph_status(*graph);
}

/* ---- which layer made a node ---- */

typedef struct scope_row {
  const char *scope;
  int layer;
} scope_row;

static int compare_scopes(const void *a, const void *b) {
  const scope_row *x = a, *y = b;
  int order = strcmp(x->scope, y->scope);
  return order ? order : (x->layer > y->layer) - (x->layer < y->layer);
}

static char *format_in(cy_arena *arena, const char *outer, const char *format, const char *kind, const char *name) {
  size_t size = strlen(outer) + strlen(kind) + strlen(name) + 8;
  char *text = cy_arena_alloc(arena, size);
  int n = text ? snprintf(text, size, "%s%s", outer, outer[0] ? "/" : "") : 0;
  if (text && !format) snprintf(text + n, size - (size_t)n, "%s", name);
  else if (text) snprintf(text + n, size - (size_t)n, "%s \"%s\"", kind, name);
  return text;
}

/* Scopes as the network opened them, sorted. */
static cy_status list_scopes(cy_analysis *a, scope_row *rows) {
  const char **scope = cy_calloc((size_t)a->n_layers + 1, sizeof *scope);
  cy_status status = scope ? CY_OK : cy_no_memory();
  for (int i = 0; status == CY_OK && i < a->n_layers; i++) {
    const cy_layer_facts *l = &a->layers[i];
    scope[i] = format_in(a->arena, l->parent >= 0 ? scope[l->parent] : "", "scope", l->kind, l->name);
    if (!scope[i]) status = cy_no_memory();
    rows[i] = (scope_row){scope[i], i};
  }
  cy_free(scope);
  if (status == CY_OK) qsort(rows, (size_t)a->n_layers, sizeof *rows, compare_scopes);
  return status;
}

/* Layers that share a name have one scope: then the first that was still open after the node was made. */
static int owner_of(const cy_analysis *a, const scope_row *rows, const char *scope, int32_t id) {
  int low = 0, high = a->n_layers;
  while (low < high) {
    int middle = (low + high) / 2;
    if (strcmp(rows[middle].scope, scope) < 0) low = middle + 1;
    else high = middle;
  }
  int found = -1;
  for (; low < a->n_layers && strcmp(rows[low].scope, scope) == 0; low++) {
    found = rows[low].layer;
    if (a->layer_out[found].id >= id) break;
  }
  return found;
}

static cy_status find_owners(cy_analysis *a, const bool *needed) {
  scope_row *rows = cy_calloc((size_t)a->n_layers + 1, sizeof *rows);
  cy_status status = rows ? list_scopes(a, rows) : cy_no_memory();
  const char *scope = NULL;
  int owner = -1;
  for (int32_t id = 0; status == CY_OK && id < cy_graph_size(a->graph); id++) {
    const cy_node *node = cy_node_at(a->graph, id);
    if (node->scope != scope || (owner >= 0 && a->layer_out[owner].id < id)) {
      owner = owner_of(a, rows, node->scope, id);
      scope = node->scope;
    }
    a->owner[id] = needed[id] ? owner : -1;
  }
  cy_free(rows);
  return status;
}

/* ---- facts ---- */

/* where: a layer or a variable, at which the sum over all before it no longer fits. */
static cy_status add(int64_t *sum, int64_t more, const char *where, const char *what) {
  int64_t before = *sum;
  if (cy_add_i64(before, more, sum)) return CY_OK;
  return cy_fail(CY_INVALID, "%s: %lld + %lld %s do not fit in 63 bits", where, (long long)before, (long long)more, what);
}

static cy_status multiply_adds(const cy_graph *graph, const cy_node *node, int64_t *count);

/* Those of the body at each step. */
static cy_status loop_multiply_adds(const cy_node *loop, int64_t *count) {
  const cy_scan_attrs *attrs = loop->attrs;
  const cy_graph *body = cy_body_of(loop)->graph;
  for (int32_t id = 0; id < cy_graph_size(body); id++) {
    int64_t one;
    CY_TRY(multiply_adds(body, cy_node_at(body, id), &one));
    if (!cy_mul_i64(one, attrs->length, &one) || !cy_add_i64(*count, one, count))
      return cy_fail(CY_INVALID, "%s: the multiply-adds of %lld steps do not fit in 63 bits", loop->scope,
                     (long long)attrs->length);
  }
  return CY_OK;
}

/* Multiply-adds of a node: half the arithmetic of what is linear in each of several operands. */
static cy_status multiply_adds(const cy_graph *graph, const cy_node *node, int64_t *count) {
  enum { MOST_FACTORS = 4 };
  cy_type in[MOST_FACTORS], out = {node->dtype, node->shape};
  *count = 0;
  if (node->op->loop) return loop_multiply_adds(node, count);
  if (node->op->op_class != CY_CLASS_MULTILINEAR || !node->op->cost || node->n_inputs > MOST_FACTORS) return CY_OK;
  for (int i = 0; i < node->n_inputs; i++) {
    const cy_node *from = cy_node_at(graph, node->inputs[i]);
    in[i] = (cy_type){from->dtype, from->shape};
  }
  double terms = node->op->cost(node->attrs, in, node->n_inputs, &out) / 2;
  if (!(terms < 0x1p63)) return cy_fail(CY_INVALID, "%s: %.3g multiply-adds do not fit in 63 bits", node->scope, terms);
  *count = (int64_t)terms;
  return CY_OK;
}

static cy_status count_arithmetic(cy_analysis *a, const bool *needed) {
  for (int32_t id = 0; id < cy_graph_size(a->graph); id++) {
    int64_t count;
    if (!needed[id]) continue;
    CY_TRY(multiply_adds(a->graph, cy_node_at(a->graph, id), &count));
    CY_TRY(add(&a->totals.multiply_adds, count, cy_node_at(a->graph, id)->scope, "multiply-adds"));
    if (a->owner[id] >= 0) a->layers[a->owner[id]].multiply_adds += count; /* not more than the total */
  }
  for (int i = a->n_layers - 1; i >= 0; i--)
    if (a->layers[i].parent >= 0) a->layers[a->layers[i].parent].multiply_adds += a->layers[i].multiply_adds;
  return CY_OK;
}

/* Parameters and buffers, by the layer that the name of a variable begins with. */
static cy_status count_variables(cy_analysis *a) {
  for (int i = 0; i < cy_network_variable_count(a->network); i++) {
    const cy_network_variable *v = cy_network_variable_at(a->network, i);
    int64_t count = cy_count(v->shape);
    if (v->role == CY_PARAMETER) CY_TRY(add(&a->totals.parameters, count, v->name, "parameters"));
    if (v->role == CY_BUFFER) CY_TRY(add(&a->totals.buffers, count, v->name, "running statistics"));
    int owner = a->owner[v->value.id];
    for (; v->role == CY_BUFFER && owner >= 0; owner = a->layers[owner].parent) a->layers[owner].buffers += count;
  }
  return CY_OK;
}

static cy_status copy_layers(cy_analysis *a) {
  int open[64];
  for (int i = 0; i < a->n_layers; i++) {
    const cy_network_layer *from = cy_network_layer_at(a->network, i);
    cy_layer_facts *l = &a->layers[i];
    *l = (cy_layer_facts){.kind = from->kind, .name = from->name, .depth = from->depth, .parent = -1,
                          .input = cy_example_shape(cy_value_shape(from->input)),
                          .output = cy_example_shape(cy_value_shape(from->output)), .parameters = from->parameters};
    a->layer_in[i] = from->input;
    a->layer_out[i] = from->output;
    if (from->depth > 0) {
      l->parent = open[from->depth - 1];
      a->layers[l->parent].group = true;
    }
    open[from->depth] = i;
    l->path = format_in(a->arena, l->parent >= 0 ? a->layers[l->parent].path : "", NULL, "", l->name);
    if (!l->path) return cy_no_memory();
    int64_t bytes;
    if (!cy_mul_i64(cy_count(cy_value_shape(from->output)), (int64_t)cy_dtype_size(CY_F32), &bytes))
      return cy_fail(CY_INVALID, "%s \"%s\": the size of its output does not fit in 63 bits", l->kind, l->name);
    l->activation_bytes = bytes;
  }
  return CY_OK;
}

static cy_status count_activations(cy_analysis *a, bool *seen) {
  int64_t bytes;
  if (!cy_mul_i64(cy_count(a->sample), (int64_t)cy_dtype_size(CY_F32), &bytes))
    return cy_fail(CY_INVALID, "the size of the input does not fit in 63 bits");
  a->totals.activation_bytes = bytes;
  memset(seen, 0, (size_t)cy_graph_size(a->graph) * sizeof *seen);
  seen[a->input.id] = true;
  for (int i = 0; i < a->n_layers; i++) {
    int32_t id = a->layer_out[i].id;
    if (!seen[id]) CY_TRY(add(&a->totals.activation_bytes, a->layers[i].activation_bytes, a->layers[i].name,
                           "bytes of activations"));
    seen[id] = true;
  }
  return CY_OK;
}

static cy_status read_fields(cy_analysis *a) {
  cy_receptive_axis (*fields)[CY_MAX_RANK] = cy_calloc((size_t)a->n_layers + 1, sizeof *fields);
  if (!fields) return cy_no_memory();
  cy_status status = cy_receptive_fields(a->input, a->layer_out, a->n_layers, fields);
  for (int i = 0; status == CY_OK && i < a->n_layers; i++) memcpy(a->layers[i].field, fields[i], sizeof fields[i]);
  cy_free(fields);
  return status;
}

static cy_status fill(cy_analysis *a, const cy_model *model) {
  CY_TRY(cy_build_for_analysis(model, cy_batch_shape(1, a->sample), (cy_network_options){0}, &a->graph, &a->network,
                               &a->input, &a->output));
  size_t nodes = (size_t)cy_graph_size(a->graph);
  a->n_layers = cy_network_layer_count(a->network);
  a->layers = cy_arena_alloc(a->arena, ((size_t)a->n_layers + 1) * sizeof *a->layers);
  a->layer_in = cy_arena_alloc(a->arena, ((size_t)a->n_layers + 1) * sizeof *a->layer_in);
  a->layer_out = cy_arena_alloc(a->arena, ((size_t)a->n_layers + 1) * sizeof *a->layer_out);
  a->owner = cy_arena_alloc(a->arena, nodes * sizeof *a->owner);
  bool *needed = cy_arena_alloc(a->arena, nodes * sizeof *needed);
  if (!a->layers || !a->layer_in || !a->layer_out || !a->owner || !needed) return cy_no_memory();
  cy_mark_needed(a->graph, 0, &a->output, 1, needed);
  CY_TRY(copy_layers(a));
  CY_TRY(find_owners(a, needed));
  CY_TRY(count_arithmetic(a, needed));
  CY_TRY(count_variables(a));
  CY_TRY(count_activations(a, needed));
  return read_fields(a);
}

cy_status cy_analyze(const cy_model *model, cy_shape sample, cy_analysis **analysis) {
  int64_t count;
  *analysis = NULL;
  if (sample.rank < 0 || sample.rank >= CY_MAX_RANK)
    return cy_fail(CY_INVALID, "an input has from 0 to %d axes, not %d", CY_MAX_RANK - 1, sample.rank);
  CY_TRY(cy_shape_count(sample, &count));
  cy_analysis *a = cy_calloc(1, sizeof *a);
  if (!a) return cy_no_memory();
  a->sample = sample;
  a->arena = cy_arena_create();
  cy_status status = a->arena ? fill(a, model) : cy_no_memory();
  if (status == CY_OK)
    *analysis = a;
  else
    cy_analysis_free(a);
  return status;
}

void cy_analysis_free(cy_analysis *a) {
  if (!a) return;
  cy_network_free(a->network);
  cy_graph_free(a->graph);
  cy_arena_free(a->arena);
  cy_free(a);
}

/* ---- reading ---- */

cy_shape cy_analysis_input(const cy_analysis *a) { return a->sample; }
int cy_analysis_layer_count(const cy_analysis *a) { return a->n_layers; }
const cy_layer_facts *cy_analysis_layer(const cy_analysis *a, int i) {
  return i >= 0 && i < a->n_layers ? &a->layers[i] : NULL;
}
cy_analysis_totals cy_analysis_total(const cy_analysis *a) { return a->totals; }
cy_value cy_analysis_value(const cy_analysis *a, int layer) {
  return layer >= 0 && layer < a->n_layers ? a->layer_out[layer] : a->input;
}

static cy_status unknown_layer(const cy_analysis *a, const char *name) {
  const char **names = cy_calloc((size_t)a->n_layers + 1, sizeof *names);
  if (!names) return cy_no_memory();
  for (int i = 0; i < a->n_layers; i++) names[i] = a->layers[i].name;
  const char *near = cy_nearest_name(name, names, (size_t)a->n_layers);
  cy_status status = near ? cy_fail(CY_INVALID, "the network has no layer \"%.80s\"; did you mean \"%s\"?", name, near)
                          : cy_fail(CY_INVALID, "the network has no layer \"%.80s\"", name);
  cy_free(names);
  return status;
}

cy_status cy_analysis_find(const cy_analysis *a, const char *name, int *layer) {
  int by_name = -1, n = 0;
  *layer = -1;
  for (int i = 0; i < a->n_layers; i++) {
    if (strcmp(a->layers[i].path, name) == 0) {
      *layer = i;
      return CY_OK;
    }
    if (strcmp(a->layers[i].name, name) != 0) continue;
    if (n++ == 0) by_name = i;
  }
  if (n > 1)
    return cy_fail(CY_INVALID, "%d layers are called \"%.80s\"; write one with the layers around it: \"%s\"", n, name,
                   a->layers[by_name].path);
  if (n == 0) return unknown_layer(a, name);
  *layer = by_name;
  return CY_OK;
}
