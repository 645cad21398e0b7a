/* Finishing a loop: what is needed, what it reads, the sealed body, the nodes. */
#include "ops/scan_draft.h"

#include <stdio.h>
#include <string.h>

enum { FEW = 16 };

bool cy_scan_draft_begin(cy_scan_draft *d, cy_graph *graph, cy_graph *body, int constants, int carry, int inputs,
                         int outputs) {
  *d = (cy_scan_draft){.graph = graph, .body = body, .borrowed = body};
  if (cy_graph_failed(graph)) return false;
  d->arena = cy_arena_create();
  if (!d->arena || (!body && cy_graph_create(&d->body) != CY_OK)) {
    cy_graph_fail(graph, CY_NO_MEMORY, "out of memory");
    return false;
  }
  d->constants = cy_scan_draft_array(d, (size_t)constants, sizeof *d->constants);
  d->carry = cy_scan_draft_array(d, (size_t)carry, sizeof *d->carry);
  d->inputs = cy_scan_draft_array(d, (size_t)inputs, sizeof *d->inputs);
  d->next = cy_scan_draft_array(d, (size_t)carry, sizeof *d->next);
  d->last = cy_scan_draft_array(d, (size_t)carry, sizeof *d->last);
  d->carries = cy_scan_draft_array(d, (size_t)carry, sizeof *d->carries);
  d->wants_last = cy_scan_draft_array(d, (size_t)carry, sizeof *d->wants_last);
  d->wants_carries = cy_scan_draft_array(d, (size_t)carry, sizeof *d->wants_carries);
  d->outputs = cy_scan_draft_array(d, (size_t)outputs, sizeof *d->outputs);
  d->sequences = cy_scan_draft_array(d, (size_t)outputs, sizeof *d->sequences);
  return !cy_graph_failed(graph);
}

void cy_scan_draft_end(cy_scan_draft *d) {
  if (!d->borrowed) cy_graph_free(d->body);
  cy_arena_free(d->arena);
}

void *cy_scan_draft_array(cy_scan_draft *d, size_t count, size_t size) {
  size_t bytes = 0;
  void *array = cy_mul_size(count, size, &bytes) ? cy_arena_alloc(d->arena, bytes) : NULL;
  if (!array) cy_graph_fail(d->graph, CY_NO_MEMORY, "out of memory");
  return array;
}

void cy_scan_draft_constant(cy_scan_draft *d, cy_value inside, cy_value outside) {
  d->constants[d->n_constants++] = (cy_scan_leaf){inside, outside};
}

void cy_scan_draft_input(cy_scan_draft *d, cy_value inside, cy_value outside) {
  d->inputs[d->n_inputs++] = (cy_scan_leaf){inside, outside};
}

void cy_scan_draft_carry(cy_scan_draft *d, cy_value inside, cy_value outside) {
  d->carry[d->n_carry++] = (cy_scan_leaf){inside, outside};
}

/* Copies a node whose operands have been; to is the graph of the copy. */
static cy_value copy_node(cy_scan_draft *d, cy_graph *to, const cy_node *node, const int32_t *map) {
  cy_value few[FEW], *in = few, v;
  if (node->n_inputs > FEW && !(in = cy_calloc((size_t)node->n_inputs, sizeof *in))) {
    cy_graph_fail(d->graph, CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  for (int k = 0; k < node->n_inputs; k++) in[k] = cy_value_at(to, map[node->inputs[k]]);
  cy_scope_set(to, node->scope);
  v = cy_remake(to, node, in);
  if (in != few) cy_free(in);
  return v;
}

/* An error of a body's graph is one of the graph where the loop stands. */
static bool body_is_well(cy_scan_draft *d, const cy_graph *body) {
  cy_graph_take_error(d->graph, body);
  return !cy_graph_failed(d->graph);
}

void cy_scan_draft_copy(cy_scan_draft *d, const cy_graph *from, const bool *needed, int32_t *map) {
  for (int32_t id = 0; id < cy_graph_size(from) && !cy_graph_failed(d->body); id++)
    if (needed[id] && map[id] < 0) map[id] = copy_node(d, d->body, cy_node_at(from, id), map).id;
  body_is_well(d, d->body);
}

/* ---- what is needed ---- */

static void set_leaf(cy_scan_plan *p, const cy_scan_leaf *leaves, int n, int first, uint8_t depends) {
  for (int k = 0; k < n; k++)
    if (cy_is_value(leaves[k].inside)) {
      p->leaf[leaves[k].inside.id] = first + k;
      bool tangent = cy_node_of(leaves[k].inside)->op == &cy_op_tangent;
      p->depends[leaves[k].inside.id] = depends | (tangent ? CY_DEPENDS_TANGENT : 0);
      if (depends != CY_DEPENDS_CARRY) p->outside[leaves[k].inside.id] = leaves[k].outside;
    }
}

void cy_scan_plan_leaves(cy_scan_plan *p) {
  const cy_scan_draft *d = p->draft;
  memset(p->leaf, 0xff, (size_t)p->size * sizeof *p->leaf);
  set_leaf(p, d->constants, d->n_constants, 0, CY_DEPENDS_CONSTANT);
  set_leaf(p, d->carry, d->n_carry, d->n_constants, CY_DEPENDS_CARRY);
  set_leaf(p, d->inputs, d->n_inputs, d->n_constants + d->n_carry, CY_DEPENDS_INPUT);
  for (int32_t id = 0; id < p->size; id++) {
    const cy_node *node = cy_node_at(d->body, id);
    for (int k = 0; k < node->n_inputs && p->leaf[id] < 0; k++) p->depends[id] |= p->depends[node->inputs[k]];
  }
}

static bool known_outside(const cy_scan_plan *p, cy_value v) { return cy_is_value(p->outside[v.id]); }

/* One pass; true if it has found another carry that is needed. */
static bool needs_more(cy_scan_plan *p) {
  const cy_scan_draft *d = p->draft;
  bool more = false;
  memset(p->needed, 0, (size_t)p->size);
  for (int i = 0; i < d->n_outputs; i++)
    if (!known_outside(p, d->outputs[i])) p->needed[d->outputs[i].id] = true;
  for (int k = 0; k < d->n_carry; k++)
    if (p->carried[k]) p->needed[d->next[k].id] = true;
  for (int32_t id = p->size - 1; id >= 0; id--) {
    const cy_node *node = cy_node_at(d->body, id);
    if (!p->needed[id] || p->leaf[id] >= 0 || cy_is_value(p->outside[id])) continue;
    for (int k = 0; k < node->n_inputs; k++) p->needed[node->inputs[k]] = true;
  }
  for (int k = 0; k < d->n_carry; k++) {
    if (p->carried[k] || !cy_is_value(d->carry[k].inside) || !p->needed[d->carry[k].inside.id]) continue;
    p->carried[k] = more = true;
  }
  return more;
}

void cy_scan_plan_needs(cy_scan_plan *p) {
  const cy_scan_draft *d = p->draft;
  for (int k = 0; k < d->n_carry; k++) p->carried[k] = d->wants_last[k] || d->wants_carries[k];
  while (needs_more(p)) continue;
}

/* ---- the sealed body ---- */

/* The leaves that are needed, as a body numbers them. */
typedef struct sealing {
  cy_scan_plan *plan;
  cy_body *body;
  cy_value *operands;
  int n_operands;
  int32_t *map;
} sealing;

static void seal_leaves(sealing *s, const char *what, const cy_scan_leaf *leaves, int n, const bool *kept,
                        int32_t *ids) {
  char name[32];
  for (int k = 0, at = 0; k < n; k++) {
    cy_value v = leaves[k].inside;
    bool used = cy_is_value(v) && s->plan->needed[v.id];
    if (kept ? !kept[k] : !used) continue;
    snprintf(name, sizeof name, "%s%d", what, at);
    if (used) ids[at] = s->map[v.id] = cy_input(s->body->graph, name, cy_value_dtype(v), cy_value_shape(v)).id;
    s->operands[s->n_operands++] = leaves[k].outside;
    at++;
  }
}

static int count_leaves(const cy_scan_plan *p, const cy_scan_leaf *leaves, int n) {
  int count = 0;
  for (int k = 0; k < n; k++) count += cy_is_value(leaves[k].inside) && p->needed[leaves[k].inside.id];
  return count;
}

static bool is_foreign(const cy_node *node) {
  return node->op == &cy_op_input || node->op == &cy_op_variable || node->op == &cy_op_tangent;
}

static void seal_nodes(sealing *s) {
  cy_scan_plan *p = s->plan;
  cy_scan_draft *d = p->draft;
  for (int32_t id = 0; id < p->size && !cy_graph_failed(s->body->graph); id++) {
    const cy_node *node = cy_node_at(d->body, id);
    if (!p->needed[id] || p->leaf[id] >= 0) continue;
    if (is_foreign(node)) {
      cy_graph_fail(d->graph, CY_INVALID,
                    "scan: the step makes %s \"%s\" of its own; what it reads must be given to the scan",
                    node->op->name, node->name);
      return;
    }
    s->map[id] = copy_node(d, s->body->graph, node, s->map).id;
  }
}

static void seal(sealing *s) {
  cy_scan_plan *p = s->plan;
  cy_scan_draft *d = p->draft;
  int n_carry = 0;
  for (int k = 0; k < d->n_carry; k++) n_carry += p->carried[k];
  int n_constants = count_leaves(p, d->constants, d->n_constants), n_inputs = count_leaves(p, d->inputs, d->n_inputs);
  s->map = cy_scan_draft_array(d, (size_t)p->size, sizeof *s->map);
  s->operands = cy_scan_draft_array(d, (size_t)(n_constants + n_carry + n_inputs), sizeof *s->operands);
  if (cy_graph_failed(d->graph)) return;
  s->body = cy_body_create(n_constants, n_carry, n_inputs);
  if (!s->body) {
    cy_graph_fail(d->graph, CY_NO_MEMORY, "out of memory");
    return;
  }
  memset(s->map, 0xff, (size_t)p->size * sizeof *s->map);
  seal_leaves(s, "constant", d->constants, d->n_constants, NULL, s->body->constants);
  seal_leaves(s, "carry", d->carry, d->n_carry, p->carried, s->body->carry);
  seal_leaves(s, "input", d->inputs, d->n_inputs, NULL, s->body->inputs);
  seal_nodes(s);
  for (int k = 0, at = 0; k < d->n_carry; k++)
    if (p->carried[k]) s->body->next[at++] = s->map[d->next[k].id];
  if (body_is_well(d, s->body->graph)) cy_body_seal(s->body);
}

/* ---- the nodes ---- */

static void read_results(const sealing *s, cy_value scan) {
  const cy_scan_plan *p = s->plan;
  cy_scan_draft *d = p->draft;
  for (int k = 0, at = 0; k < d->n_carry; k++) {
    if (!p->carried[k]) continue;
    if (d->wants_last[k]) d->last[k] = cy_scan_last(scan, at);
    if (d->wants_carries[k]) d->carries[k] = cy_scan_carries(scan, at);
    at++;
  }
  for (int i = 0; i < d->n_outputs; i++)
    if (!known_outside(p, d->outputs[i])) d->sequences[i] = cy_scan_read(scan, s->map[d->outputs[i].id]);
}

/* What is known outside: sequences, or the same at each step. */
static void outside_results(const cy_scan_plan *p) {
  cy_scan_draft *d = p->draft;
  for (int i = 0; i < d->n_outputs; i++) {
    cy_value v = p->outside[d->outputs[i].id];
    if (!cy_is_value(v)) continue;
    bool sequence = p->depends[d->outputs[i].id] & CY_DEPENDS_INPUT;
    d->sequences[i] = sequence ? v : cy_broadcast(v, cy_shape_in_front(d->length, cy_value_shape(v)));
  }
}

static void make_loop(cy_scan_plan *p) {
  cy_scan_draft *d = p->draft;
  sealing s = {.plan = p};
  bool anything = false;
  for (int32_t id = 0; id < p->size; id++) anything = anything || p->needed[id];
  if (!anything) return;
  seal(&s);
  if (!cy_graph_failed(d->graph)) {
    cy_scan_attrs a = {(int64_t)(uintptr_t)s.body, d->length, d->reverse, d->recompute};
    read_results(&s, cy_make(d->graph, &cy_op_scan, s.operands, s.n_operands, &a));
  }
  cy_body_release(s.body);
}

/* A loop of no steps: the carry as it was, sequences of nothing. */
static void no_steps(cy_scan_draft *d) {
  for (int k = 0; k < d->n_carry; k++) {
    cy_value v = d->carry[k].outside;
    d->last[k] = v;
    d->carries[k] = d->wants_carries[k] ? cy_reshape(v, cy_shape_in_front(1, cy_value_shape(v))) : cy_none;
  }
  for (int i = 0; i < d->n_outputs; i++) {
    cy_shape shape = cy_shape_in_front(0, cy_value_shape(d->outputs[i]));
    d->sequences[i] = cy_full(d->graph, cy_value_dtype(d->outputs[i]), shape, 0);
  }
}

static bool make_plan(cy_scan_draft *d, cy_scan_plan *p) {
  *p = (cy_scan_plan){.draft = d, .size = cy_graph_size(d->body)};
  size_t n = (size_t)p->size;
  p->leaf = cy_scan_draft_array(d, n, sizeof *p->leaf);
  p->depends = cy_scan_draft_array(d, n, sizeof *p->depends);
  p->needed = cy_scan_draft_array(d, n, sizeof *p->needed);
  p->outside = cy_scan_draft_array(d, n, sizeof *p->outside);
  p->carried = cy_scan_draft_array(d, (size_t)d->n_carry, sizeof *p->carried);
  if (cy_graph_failed(d->graph)) return false;
  cy_scan_plan_leaves(p);
  return true;
}

void cy_scan_draft_finish(cy_scan_draft *d) {
  for (int k = 0; k < d->n_carry; k++)
    if (!cy_is_value(d->next[k]) && !cy_graph_failed(d->body)) {
      cy_value like = d->carry[k].outside;
      d->next[k] = cy_full(d->body, cy_value_dtype(like), cy_value_shape(like), 0);
    }
  if (!body_is_well(d, d->body)) return;
  if (d->length == 0) {
    no_steps(d);
    return;
  }
  cy_scan_plan p;
  if (d->linear && !d->recompute && make_plan(d, &p)) {
    bool *should = cy_scan_draft_array(d, (size_t)p.size, sizeof *should);
    cy_scan_plan_needs(&p);
    if (should) cy_scan_plan_hoist(&p, should);
    if (should) cy_scan_regroup(&p, should);
  }
  if (!make_plan(d, &p)) return;
  cy_scan_hoist(&p);
  bool *far = d->recompute || cy_graph_failed(d->graph) ? NULL : cy_scan_sink(&p);
  if (!cy_graph_failed(d->graph)) make_loop(&p);
  if (far && !cy_graph_failed(d->graph)) cy_scan_sink_compute(&p, far);
  if (!cy_graph_failed(d->graph)) outside_results(&p);
}
