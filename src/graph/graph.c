/* Building graphs: hash-consed nodes, the sticky error, scopes. */
#include "graph/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

cy_status cy_graph_create(cy_graph **graph) {
  cy_graph *g = *graph = cy_calloc(1, sizeof *g);
  if (!g) return cy_no_memory();
  g->bucket_count = 256;
  g->arena = cy_arena_create();
  g->buckets = cy_calloc(g->bucket_count, sizeof *g->buckets);
  g->scope = "";
  if (!g->arena || !g->buckets) {
    cy_graph_free(g);
    *graph = NULL;
    return cy_no_memory();
  }
  memset(g->buckets, 0xff, g->bucket_count * sizeof *g->buckets);
  return CY_OK;
}

void cy_graph_free(cy_graph *graph) {
  if (!graph) return;
  for (size_t i = 0; i < graph->n_bodies; i++) cy_body_release(graph->bodies[i]);
  cy_free(graph->bodies);
  cy_arena_free(graph->arena);
  cy_free(graph->nodes);
  cy_free(graph->buckets);
  cy_free(graph);
}

/* ---- errors ---- */

bool cy_graph_failed(const cy_graph *graph) { return graph->status != CY_OK; }
const char *cy_graph_error(const cy_graph *graph) { return graph->error; }

cy_status cy_graph_status(const cy_graph *graph) {
  return graph->status == CY_OK ? CY_OK : cy_fail(graph->status, "%s", graph->error);
}

void cy_keep_error(cy_graph *graph, cy_status status) {
  if (graph->status != CY_OK) return;
  graph->status = status;
  snprintf(graph->error, sizeof graph->error, "%s", cy_error_message());
}

void cy_graph_take_error(cy_graph *graph, const cy_graph *other) {
  if (other->status != CY_OK) cy_keep_error(graph, cy_fail(other->status, "%s", other->error));
}

void cy_graph_fail(cy_graph *graph, cy_status status, const char *format, ...) {
  if (!graph || graph->status != CY_OK) return;
  char text[CY_MESSAGE_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  cy_keep_error(graph, graph->scope[0] ? cy_fail(status, "%s: %s", graph->scope, text) : cy_fail(status, "%s", text));
}

void cy_graph_explain(cy_graph *graph, const char *format, ...) {
  if (graph->status == CY_OK) return;
  size_t length = strlen(graph->error);
  va_list args;
  va_start(args, format);
  vsnprintf(graph->error + length, sizeof graph->error - length, format, args);
  va_end(args);
}

cy_value cy_graph_out_of_memory(cy_graph *graph) {
  cy_keep_error(graph, cy_no_memory());
  return cy_failed(graph);
}

/* ---- scopes ---- */

void cy_scope_push(cy_graph *graph, const char *name) {
  if (!graph || cy_graph_failed(graph)) return;
  size_t outer = strlen(graph->scope), inner = strlen(name);
  char *scope = cy_arena_alloc(graph->arena, outer + inner + 2);
  if (!scope) {
    cy_graph_out_of_memory(graph);
    return;
  }
  memcpy(scope, graph->scope, outer);
  if (outer) scope[outer++] = '/';
  memcpy(scope + outer, name, inner + 1);
  graph->scope = scope;
}

void cy_scope_pop(cy_graph *graph) {
  if (!graph || cy_graph_failed(graph)) return;
  const char *slash = strrchr(graph->scope, '/');
  char *scope = cy_arena_copy(graph->arena, graph->scope, slash ? (size_t)(slash - graph->scope) + 1 : 1);
  if (!scope) {
    cy_graph_out_of_memory(graph);
    return;
  }
  scope[slash ? slash - graph->scope : 0] = 0;
  graph->scope = scope;
}

const char *cy_scope(const cy_graph *graph) { return graph->scope; }

const char *cy_scope_set(cy_graph *graph, const char *scope) {
  const char *old = graph->scope;
  if (strcmp(old, scope) == 0) return old;
  const char *copy = cy_arena_strdup(graph->arena, scope);
  if (copy)
    graph->scope = copy;
  else
    cy_graph_out_of_memory(graph);
  return old;
}

/* ---- reading ---- */

int cy_graph_size(const cy_graph *graph) { return (int)graph->count; }
const cy_node *cy_node_at(const cy_graph *graph, int32_t id) { return graph->nodes[id]; }
const cy_node *cy_node_of(cy_value value) { return value.graph->nodes[value.id]; }
cy_value cy_value_at(cy_graph *graph, int32_t id) { return id < 0 ? cy_none : (cy_value){graph, id}; }
bool cy_is_value(cy_value v) { return v.graph && v.id >= 0; }
cy_dtype cy_value_dtype(cy_value v) { return cy_is_value(v) ? cy_node_of(v)->dtype : CY_F32; }
cy_shape cy_value_shape(cy_value v) { return cy_is_value(v) ? cy_node_of(v)->shape : CY_SCALAR; }
const char *cy_value_name(cy_value v) { return cy_is_value(v) ? cy_node_of(v)->name : ""; }
cy_type cy_type_of(cy_value value) { return (cy_type){cy_node_of(value)->dtype, cy_node_of(value)->shape}; }

cy_list cy_list_of(cy_shape shape) {
  cy_list list = {.n = shape.rank};
  for (int i = 0; i < shape.rank && i < CY_MAX_RANK; i++) list.at[i] = shape.dim[i]; /* a wrong rank is found later */
  return list;
}

cy_shape cy_shape_of(const cy_list *list) {
  cy_shape shape = {.rank = (int)list->n};
  for (int i = 0; i < shape.rank && i < CY_MAX_RANK; i++) shape.dim[i] = list->at[i];
  return shape;
}

void cy_mark_needed(const cy_graph *graph, int32_t first, const cy_value *values, int n, bool *needed) {
  int32_t last = -1;
  memset(needed, 0, graph->count - (size_t)first);
  for (int i = 0; i < n; i++) {
    if (values[i].id >= first) needed[values[i].id - first] = true;
    if (values[i].id > last) last = values[i].id;
  }
  for (int32_t id = last; id >= first; id--) {
    const cy_node *node = graph->nodes[id];
    for (int k = 0; needed[id - first] && k < node->n_inputs; k++)
      if (node->inputs[k] >= first) needed[node->inputs[k] - first] = true;
  }
}

bool cy_is_needed(const cy_rule *rule, int32_t id) {
  return id >= rule->needed_first && id < rule->needed_end && rule->needed[id - rule->needed_first];
}

bool cy_used_once(const cy_rule *rule, cy_value v) {
  return v.id >= 0 && v.id < rule->n_uses && rule->uses[v.id] == 1;
}

cy_graph *cy_common_graph(const cy_value *values, int n) {
  cy_graph *graph = NULL;
  for (int i = 0; i < n; i++) {
    if (!values[i].graph) continue;
    if (graph && graph != values[i].graph) {
      cy_graph_fail(graph, CY_INVALID, "operands belong to different graphs");
      cy_graph_fail(values[i].graph, CY_INVALID, "operands belong to different graphs");
      return NULL;
    }
    graph = values[i].graph;
  }
  return graph;
}

/* ---- making nodes ---- */

static uint64_t mix(uint64_t hash, const void *data, size_t bytes) {
  const unsigned char *p = data;
  for (; bytes >= 8; bytes -= 8, p += 8) { /* FNV-1a, by words where there are many */
    uint64_t word;
    memcpy(&word, p, 8);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
  }
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
  return hash;
}

uint64_t cy_hash_node(const cy_node *node, size_t data_bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  hash = mix(hash, &node->op, sizeof node->op);
  hash = mix(hash, node->inputs, (size_t)node->n_inputs * sizeof *node->inputs);
  hash = mix(hash, node->attrs, node->op->attr_size);
  hash = mix(hash, node->name, strlen(node->name));
  hash = mix(hash, node->data, data_bytes);
  return hash ^ hash >> 29;
}

static bool same_node(const cy_node *a, const cy_node *b, size_t data_bytes) {
  return a->hash == b->hash && a->op == b->op && a->n_inputs == b->n_inputs && a->dtype == b->dtype &&
         cy_shape_equal(a->shape, b->shape) && strcmp(a->name, b->name) == 0 &&
         (!a->n_inputs || memcmp(a->inputs, b->inputs, (size_t)a->n_inputs * sizeof *a->inputs) == 0) &&
         (!a->op->attr_size || memcmp(a->attrs, b->attrs, a->op->attr_size) == 0) &&
         (!data_bytes || memcmp(a->data, b->data, data_bytes) == 0);
}

static bool rehash(cy_graph *g) {
  size_t wanted = g->bucket_count * 2;
  int32_t *buckets = cy_calloc(wanted, sizeof *buckets);
  if (!buckets) return false;
  memset(buckets, 0xff, wanted * sizeof *buckets);
  for (size_t i = 0; i < g->count; i++) {
    int32_t *head = &buckets[g->nodes[i]->hash % wanted];
    g->nodes[i]->next = *head;
    *head = (int32_t)i;
  }
  cy_free(g->buckets);
  g->buckets = buckets;
  g->bucket_count = wanted;
  return true;
}

cy_value cy_intern(cy_graph *g, cy_node *draft, size_t data_bytes) {
  draft->hash = cy_hash_node(draft, data_bytes);
  for (int32_t id = g->buckets[draft->hash % g->bucket_count]; id >= 0; id = g->nodes[id]->next)
    if (same_node(g->nodes[id], draft, data_bytes)) return (cy_value){g, id};

  if (g->count >= INT32_MAX - 1) {
    cy_graph_fail(g, CY_INVALID, "the graph has more than 2^31 nodes");
    return cy_failed(g);
  }
  if (!cy_grow(&g->nodes, g->count, &g->capacity, sizeof *g->nodes)) return cy_graph_out_of_memory(g);
  if (g->count >= g->bucket_count && !rehash(g)) return cy_graph_out_of_memory(g);
  cy_node *node = cy_arena_copy(g->arena, draft, sizeof *draft);
  if (!node) return cy_graph_out_of_memory(g);
  node->inputs = cy_arena_copy(g->arena, draft->inputs, (size_t)draft->n_inputs * sizeof *draft->inputs);
  node->attrs = cy_arena_copy(g->arena, draft->attrs, draft->op->attr_size);
  node->name = draft->name[0] ? cy_arena_strdup(g->arena, draft->name) : "";
  node->data = draft->data ? cy_arena_copy(g->arena, draft->data, data_bytes) : NULL;
  node->scope = g->scope;
  if (!node->inputs || !node->attrs || !node->name || (draft->data && !node->data)) return cy_graph_out_of_memory(g);
  int32_t *head = &g->buckets[node->hash % g->bucket_count];
  node->next = *head;
  *head = (int32_t)g->count;
  g->nodes[g->count] = node;
  return (cy_value){g, (int32_t)g->count++};
}

cy_status cy_infer(const cy_op *op, const void *attrs, const cy_type *in, int n, cy_type *out) {
  int64_t count;
  CY_TRY(op->infer(attrs, in, n, out));
  return cy_shape_count(out->shape, &count);
}

enum { FEW = 16, MOST_LOOP_ATTRS = 8 };

/* Attributes of a loop that name the graph's own body, in copy; NULL: out of memory. */
static const void *with_own_body(cy_graph *graph, const cy_op *op, const void *attrs, int64_t copy[MOST_LOOP_ATTRS]) {
  memcpy(copy, attrs, op->attr_size);
  const cy_body *body = cy_graph_keep_body(graph, (const cy_body *)(uintptr_t)copy[0]);
  copy[0] = (int64_t)(uintptr_t)body;
  return body ? copy : NULL;
}

cy_value cy_make(cy_graph *graph, const cy_op *op, const cy_value *inputs, int n, const void *attrs) {
  if (!graph || cy_graph_failed(graph)) return cy_failed(graph);
  if (n < 0 || (op->arity >= 0 ? n != op->arity : n == 0)) {
    cy_graph_fail(graph, CY_INVALID, "%s takes %d operands, not %d", op->name, op->arity < 0 ? 1 : op->arity, n);
    return cy_failed(graph);
  }
  int32_t few_ids[FEW], *ids = few_ids;
  cy_type few_types[FEW], *types = few_types;
  if (n > FEW) {
    ids = cy_calloc((size_t)n, sizeof *ids);
    types = cy_calloc((size_t)n, sizeof *types);
  }
  cy_value result = cy_failed(graph);
  if (!ids || !types) {
    cy_graph_out_of_memory(graph);
    goto done;
  }
  for (int i = 0; i < n; i++) {
    if (inputs[i].graph != graph || inputs[i].id < 0 || (size_t)inputs[i].id >= graph->count) {
      cy_graph_fail(graph, CY_INVALID, "%s: operand %d is %s", op->name, i + 1,
                    inputs[i].graph && inputs[i].graph != graph ? "a value of another graph" : "missing");
      goto done;
    }
    ids[i] = inputs[i].id;
    types[i] = cy_type_of(inputs[i]);
  }
  cy_type out = {CY_F32, CY_SCALAR};
  cy_status status = cy_infer(op, attrs, types, n, &out);
  if (status != CY_OK) {
    cy_graph_fail(graph, status, "%s: %s", op->name, cy_error_message());
    goto done;
  }
  int64_t copy[MOST_LOOP_ATTRS];
  if (op->loop && !(attrs = with_own_body(graph, op, attrs, copy))) goto done;
  cy_node draft = {.op = op, .attrs = attrs, .inputs = ids, .n_inputs = n, .dtype = out.dtype, .shape = out.shape,
                   .name = "", .scope = graph->scope, .next = -1};
  result = cy_intern(graph, &draft, 0);
done:
  if (n > FEW) {
    cy_free(ids);
    cy_free(types);
  }
  return result;
}
