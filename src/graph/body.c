/* Bodies of loops: made, counted, compared, and kept by the graphs that name them. What a body holds is compared node
 * by node, because the same loop is often described twice (once per derivative, say). */
#include "graph/body.h"

#include "graph/store.h"

#include <string.h>

cy_body *cy_body_create(int n_constants, int n_carry, int n_inputs) {
  cy_body *body = cy_calloc(1, sizeof *body);
  if (!body) return NULL;
  size_t n = (size_t)n_constants + 2 * (size_t)n_carry + (size_t)n_inputs;
  *body = (cy_body){.n_constants = n_constants, .n_carry = n_carry, .n_inputs = n_inputs, .references = 1};
  body->constants = cy_calloc(n, sizeof *body->constants);
  if (!body->constants || cy_graph_create(&body->graph) != CY_OK) {
    cy_body_release(body);
    return NULL;
  }
  memset(body->constants, 0xff, n * sizeof *body->constants);
  body->carry = body->constants + n_constants;
  body->inputs = body->carry + n_carry;
  body->next = body->inputs + n_inputs;
  return body;
}

void cy_body_release(const cy_body *body) {
  if (!body || __atomic_sub_fetch(&((cy_body *)(uintptr_t)body)->references, 1, __ATOMIC_ACQ_REL) > 0) return;
  cy_graph_free(body->graph);
  cy_free(body->constants);
  cy_free((void *)(uintptr_t)body);
}

cy_type cy_body_type(const cy_body *body, int32_t id) {
  const cy_node *node = cy_node_at(body->graph, id);
  return (cy_type){node->dtype, node->shape};
}

/* ---- equality ---- */

static int ids(const cy_body *body) { return body->n_constants + 2 * body->n_carry + body->n_inputs; }

/* Attributes behind the body's pointer, which is compared by what it points to. */
static size_t skipped(const cy_node *node) { return node->op->loop ? sizeof(int64_t) : 0; }

static uint64_t mix(uint64_t hash, const void *data, size_t bytes) {
  const unsigned char *p = data;
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
  return hash;
}

static size_t data_bytes(const cy_node *node) {
  return node->data ? (size_t)cy_count(node->shape) * cy_dtype_size(node->dtype) : 0;
}

void cy_body_seal(cy_body *body) {
  uint64_t hash = mix(0xcbf29ce484222325u, body->constants, (size_t)ids(body) * sizeof *body->constants);
  for (int32_t id = 0; id < cy_graph_size(body->graph); id++) {
    const cy_node *node = cy_node_at(body->graph, id);
    hash = mix(hash, node->op->name, strlen(node->op->name));
    hash = mix(hash, node->inputs, (size_t)node->n_inputs * sizeof *node->inputs);
    hash = mix(hash, (const char *)node->attrs + skipped(node), node->op->attr_size - skipped(node));
    if (node->op->loop) hash = mix(hash, &cy_body_of(node)->hash, sizeof hash);
  }
  body->hash = hash;
}

static bool same_body(const cy_body *a, const cy_body *b);

static bool same_node(const cy_node *a, const cy_node *b) {
  size_t skip = skipped(a);
  return a->op == b->op && a->n_inputs == b->n_inputs && a->dtype == b->dtype && cy_shape_equal(a->shape, b->shape) &&
         strcmp(a->name, b->name) == 0 && strcmp(a->scope, b->scope) == 0 &&
         (!a->n_inputs || memcmp(a->inputs, b->inputs, (size_t)a->n_inputs * sizeof *a->inputs) == 0) &&
         (a->op->attr_size == skip ||
          memcmp((const char *)a->attrs + skip, (const char *)b->attrs + skip, a->op->attr_size - skip) == 0) &&
         (!a->data || memcmp(a->data, b->data, data_bytes(a)) == 0) &&
         (!skip || same_body(cy_body_of(a), cy_body_of(b)));
}

static bool same_body(const cy_body *a, const cy_body *b) {
  if (a == b) return true;
  if (a->hash != b->hash || a->n_constants != b->n_constants || a->n_carry != b->n_carry ||
      a->n_inputs != b->n_inputs || cy_graph_size(a->graph) != cy_graph_size(b->graph) ||
      memcmp(a->constants, b->constants, (size_t)ids(a) * sizeof *a->constants) != 0)
    return false;
  for (int32_t id = 0; id < cy_graph_size(a->graph); id++)
    if (!same_node(cy_node_at(a->graph, id), cy_node_at(b->graph, id))) return false;
  return true;
}

const cy_body *cy_graph_keep_body(cy_graph *graph, const cy_body *body) {
  for (size_t i = 0; i < graph->n_bodies; i++)
    if (same_body(graph->bodies[i], body)) return graph->bodies[i];
  if (!cy_grow(&graph->bodies, graph->n_bodies, &graph->body_capacity, sizeof *graph->bodies)) {
    cy_graph_out_of_memory(graph);
    return NULL;
  }
  __atomic_add_fetch(&((cy_body *)(uintptr_t)body)->references, 1, __ATOMIC_RELAXED);
  return graph->bodies[graph->n_bodies++] = body;
}

/* ---- reading ---- */

double cy_body_cost(const cy_body *body) {
  double total = 0;
  for (int32_t id = 0; id < cy_graph_size(body->graph); id++) {
    const cy_node *node = cy_node_at(body->graph, id);
    cy_type in[8], out = {node->dtype, node->shape};
    if (node->n_inputs == 0 || node->op->part) continue;
    for (int k = 0; k < node->n_inputs && k < 8; k++) in[k] = cy_body_type(body, node->inputs[k]);
    bool known = node->op->cost && (node->n_inputs <= 8 || node->op->loop);
    total += known ? node->op->cost(node->attrs, in, node->n_inputs, &out) : (double)cy_count(node->shape);
  }
  return total;
}

static cy_status verify_ids(const cy_body *body, const char *what, const int32_t *at, int n, bool leaf) {
  for (int k = 0; k < n; k++) {
    if (leaf && at[k] == -1) continue;
    if (at[k] < 0 || at[k] >= cy_graph_size(body->graph) ||
        (leaf && cy_node_at(body->graph, at[k])->op != &cy_op_input))
      return cy_fail(CY_INVALID, "body: %s %d is node %d, which is none", what, k, at[k]);
  }
  return CY_OK;
}

cy_status cy_body_verify(const cy_body *body) {
  CY_TRY(cy_graph_verify(body->graph));
  CY_TRY(verify_ids(body, "constant", body->constants, body->n_constants, true));
  CY_TRY(verify_ids(body, "carry", body->carry, body->n_carry, true));
  CY_TRY(verify_ids(body, "input", body->inputs, body->n_inputs, true));
  CY_TRY(verify_ids(body, "next carry", body->next, body->n_carry, false));
  for (int k = 0; k < body->n_carry; k++) {
    if (body->carry[k] < 0) continue;
    cy_type before = cy_body_type(body, body->carry[k]), after = cy_body_type(body, body->next[k]);
    if (before.dtype != after.dtype || !cy_shape_equal(before.shape, after.shape))
      return cy_fail(CY_INVALID, "body: carry %d changes its type", k);
  }
  return CY_OK;
}

cy_status cy_body_verify_part(const cy_body *body, const cy_node *part) {
  int64_t index = *(const int64_t *)part->attrs;
  bool sequence = part->op->part == CY_RESULT_SEQUENCE, in_time = part->op->part != CY_RESULT_LAST;
  if (index < 0 || index >= (sequence ? cy_graph_size(body->graph) : body->n_carry))
    return cy_fail(CY_INVALID, "%s: the body has no value %lld", part->op->name, (long long)index);
  cy_type type = cy_body_type(body, sequence ? (int32_t)index : body->next[index]);
  cy_shape each = {.rank = part->shape.rank - in_time};
  for (int i = 0; i < each.rank; i++) each.dim[i] = part->shape.dim[i + in_time];
  if (part->dtype != type.dtype || !cy_shape_equal(each, type.shape))
    return cy_fail(CY_INVALID, "%s: its type is not that of value %lld of the body", part->op->name, (long long)index);
  return CY_OK;
}
