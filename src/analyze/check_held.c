/* A function with its kinks held: a copy of its graph in which every choice that moves with the point (which side of zero a
 * relu is on, where a maximum lies) is an input, and keeps the side that it has at the base. There the copy is the function
 * itself; around it the copy has no kinks, so that a difference is a derivative also where a step crosses some, as it does
 * among millions of relus. What a network declares constant (stop_gradient) is no choice, and is not held. */
#include "analyze/check.h"

#include "autodiff/autodiff.h"
#include "ops/ops.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

/* ---- which nodes choose ---- */

typedef enum motion {
  FIXED,      /* does not depend on what is varied */
  CHOICE,     /* depends on it in steps */
  MOVING,
  LINEAR,     /* of an operation's tangent: linear in placeholders, with fixed and chosen factors */
  NOT_LINEAR, /* ... and with moving ones */
} motion;

typedef struct stand_in {
  int32_t placeholder, operand;
} stand_in;

typedef struct holding {
  const cy_function *f;
  cy_held *held;
  int32_t size;      /* nodes before tangents were made */
  bool *needed;      /* [size] */
  int32_t *tangent;  /* [size]: of the node, by placeholders for its operands; -1 */
  stand_in *stand_ins;
  size_t n_stand_ins, stand_in_capacity;
  int32_t *stands_for; /* of all nodes, from here on */
  uint8_t *motion;
  bool *chosen;      /* reads a choice */
  int32_t *copies;   /* -1: none yet */
  int32_t *choices;  /* nodes that became inputs */
  size_t capacity;
} holding;

static bool is_leaf(const cy_function *f, int32_t id) {
  for (int k = 0; k < f->n; k++)
    if (f->leaves[k].id == id) return true;
  return false;
}

/* Whole numbers and truth values, and the two operations that make floating ones in steps. */
static bool goes_in_steps(const cy_node *node) {
  return !cy_dtype_is_float(node->dtype) || node->op == &cy_op_elementwise[CY_SCALAR_sign] ||
         node->op == &cy_op_elementwise[CY_SCALAR_floor];
}

static motion motion_of(const holding *h, int32_t id, bool *chosen) {
  const cy_node *node = cy_node_at(h->f->graph, id);
  bool moves = false, linear = false;
  motion most = FIXED;
  *chosen = false;
  if (node->op == &cy_op_tangent) return LINEAR;
  if (is_leaf(h->f, id)) return MOVING;
  for (int k = 0; k < node->n_inputs; k++) {
    motion of = h->motion[node->inputs[k]];
    *chosen = *chosen || h->chosen[node->inputs[k]];
    moves = moves || of == MOVING || of == NOT_LINEAR;
    linear = linear || of >= LINEAR;
    if (of == CHOICE && most == FIXED) most = CHOICE;
  }
  if (linear) return moves ? NOT_LINEAR : LINEAR;
  if (moves) most = goes_in_steps(node) ? CHOICE : MOVING;
  *chosen = most == CHOICE;
  return most;
}

/* Its tangent, for placeholders in place of all its floating operands. */
static cy_status take_tangent(holding *h, int32_t id) {
  const cy_node *node = cy_node_at(h->f->graph, id);
  cy_value self = cy_value_at(h->f->graph, id), tangent = cy_none;
  cy_value *operands = cy_calloc(2 * (size_t)node->n_inputs + 1, sizeof *operands);
  if (!operands) return cy_no_memory();
  cy_value *tangents = operands + node->n_inputs;
  int n = 0;
  bool room = true;
  for (int k = 0; k < node->n_inputs && room; k++) {
    cy_value operand = cy_value_at(h->f->graph, node->inputs[k]);
    bool seen = !cy_dtype_is_float(cy_value_dtype(operand));
    for (int i = 0; i < n && !seen; i++) seen = operands[i].id == operand.id;
    if (seen || !(room = cy_grow(&h->stand_ins, h->n_stand_ins, &h->stand_in_capacity, sizeof *h->stand_ins))) continue;
    operands[n] = operand;
    tangents[n] = cy_tangent_placeholder(h->f->graph, cy_type_of(operand));
    h->stand_ins[h->n_stand_ins++] = (stand_in){tangents[n++].id, operand.id};
  }
  if (room && n > 0 && !cy_graph_failed(h->f->graph))
    cy_push_tangents(h->f->graph, &self, 1, operands, tangents, n, &tangent);
  cy_free(operands);
  h->tangent[id] = cy_is_value(tangent) ? tangent.id : -1;
  return room ? cy_graph_status(h->f->graph) : cy_no_memory();
}

/* Operations that are linear by their class have no kinks. */
static bool may_have_kink(const holding *h, int32_t id) {
  cy_op_class kind = cy_node_at(h->f->graph, id)->op->op_class;
  return h->needed[id] && h->motion[id] == MOVING && !is_leaf(h->f, id) && kind != CY_CLASS_LINEAR &&
         kind != CY_CLASS_MULTILINEAR;
}

static cy_status sort_nodes(holding *h, const cy_value *outputs, int n) {
  h->size = cy_graph_size(h->f->graph);
  size_t size = (size_t)h->size;
  h->needed = cy_calloc(size, sizeof *h->needed);
  h->tangent = cy_calloc(size, sizeof *h->tangent);
  h->motion = cy_calloc(size, sizeof *h->motion);
  h->chosen = cy_calloc(size, sizeof *h->chosen);
  if (!h->needed || !h->tangent || !h->motion || !h->chosen) return cy_no_memory();
  cy_mark_needed(h->f->graph, 0, outputs, n, h->needed);
  for (int32_t id = 0; id < h->size; id++) h->motion[id] = motion_of(h, id, &h->chosen[id]);
  for (int32_t id = 0; id < h->size; id++) {
    h->tangent[id] = -1;
    if (may_have_kink(h, id)) CY_TRY(take_tangent(h, id));
  }
  return CY_OK;
}

/* The same of the nodes that tangents are made of. */
static cy_status sort_tangents(holding *h) {
  int32_t all = cy_graph_size(h->f->graph);
  size_t size = (size_t)all;
  uint8_t *motions = cy_realloc(h->motion, size, sizeof *motions);
  if (motions) h->motion = motions;
  bool *chosen = cy_realloc(h->chosen, size, sizeof *chosen);
  if (chosen) h->chosen = chosen;
  h->copies = cy_calloc(size, sizeof *h->copies);
  h->stands_for = cy_calloc(size, sizeof *h->stands_for);
  if (!motions || !chosen || !h->copies || !h->stands_for) return cy_no_memory();
  for (int32_t id = h->size; id < all; id++) h->motion[id] = motion_of(h, id, &h->chosen[id]);
  for (int32_t id = 0; id < all; id++) h->copies[id] = -1;
  for (size_t i = 0; i < h->n_stand_ins; i++) h->stands_for[h->stand_ins[i].placeholder] = h->stand_ins[i].operand;
  return CY_OK;
}

/* ---- the copy ---- */

static cy_status copy(holding *h, int32_t id);

static cy_status copy_choice(holding *h, int32_t id) {
  char name[48];
  const cy_node *node = cy_node_at(h->f->graph, id);
  if (!cy_grow(&h->choices, (size_t)h->held->n, &h->capacity, sizeof *h->choices)) return cy_no_memory();
  snprintf(name, sizeof name, "check choice %d", h->held->n);
  h->choices[h->held->n++] = id;
  h->copies[id] = cy_input(h->held->graph, name, node->dtype, node->shape).id;
  return cy_graph_status(h->held->graph);
}

static cy_status copy_with_operands(holding *h, int32_t id) {
  const cy_node *node = cy_node_at(h->f->graph, id);
  cy_status status = CY_OK;
  for (int k = 0; k < node->n_inputs && status == CY_OK; k++) status = copy(h, node->inputs[k]);
  cy_value *in = status == CY_OK ? cy_calloc((size_t)node->n_inputs + 1, sizeof *in) : NULL;
  if (!in) return status == CY_OK ? cy_no_memory() : status;
  for (int k = 0; k < node->n_inputs; k++) in[k] = cy_value_at(h->held->graph, h->copies[node->inputs[k]]);
  h->copies[id] = cy_remake(h->held->graph, node, in).id;
  cy_free(in);
  return cy_graph_status(h->held->graph);
}

static bool is_choice(const holding *h, int32_t id) {
  const cy_node *node = cy_node_at(h->f->graph, id);
  bool moves = false;
  for (int k = 0; k < node->n_inputs; k++) moves = moves || h->motion[node->inputs[k]] == MOVING;
  return h->motion[id] == CHOICE && moves;
}

/* Linear in its operands once its choices are held, it is its own tangent at its operands: max(a, b) becomes
 * select(a >= b, a, b). (Were a constant added to it, the copy would differ from the function, and not be used.) */
static bool is_kinked(const holding *h, int32_t id) {
  int32_t tangent = id < h->size ? h->tangent[id] : -1;
  return tangent >= 0 && h->motion[tangent] == LINEAR && h->chosen[tangent];
}

static cy_status copy(holding *h, int32_t id) {
  if (h->copies[id] >= 0) return CY_OK;
  int32_t instead = is_kinked(h, id) ? h->tangent[id] : id;
  if (cy_node_at(h->f->graph, id)->op == &cy_op_tangent) instead = h->stands_for[id];
  if (instead != id) {
    CY_TRY(copy(h, instead));
    h->copies[id] = h->copies[instead];
    return CY_OK;
  }
  return is_choice(h, id) ? copy_choice(h, id) : copy_with_operands(h, id);
}

/* ---- running it ---- */

static cy_status bind_choices(holding *h, const cy_value *outputs, int n) {
  cy_held *held = h->held;
  const cy_point *point = &h->f->point;
  cy_named *inputs = cy_calloc((size_t)(point->n + held->n) + 1, sizeof *inputs);
  char(*names)[48] = cy_calloc((size_t)held->n + 1, sizeof *names);
  cy_status status = inputs && names ? CY_OK : cy_no_memory();
  for (int i = 0; i < point->n && status == CY_OK; i++) inputs[i] = point->inputs[i];
  for (int i = 0; i < held->n && status == CY_OK; i++) {
    snprintf(names[i], sizeof names[i], "check choice %d", i);
    inputs[point->n + i] = (cy_named){names[i], held->at_base[i]};
  }
  cy_point there = {point->state, inputs, point->n + held->n};
  if (status == CY_OK) status = cy_probe_open(&held->function, outputs, n, &there, h->f->threads);
  cy_free(inputs);
  cy_free(names);
  return status;
}

static cy_status take_choices(holding *h) {
  cy_held *held = h->held;
  cy_value *choices = cy_calloc((size_t)held->n, sizeof *choices);
  held->at_base = cy_calloc((size_t)held->n, sizeof *held->at_base);
  if (!choices || !held->at_base) {
    cy_free(choices);
    return cy_no_memory();
  }
  for (int i = 0; i < held->n; i++) choices[i] = cy_value_at(h->f->graph, h->choices[i]);
  cy_status status = cy_probe_open(&held->choices, choices, held->n, &h->f->point, h->f->threads);
  cy_free(choices);
  CY_TRY(status);
  CY_TRY(cy_session_run(held->choices.session));
  for (int i = 0; i < held->n; i++) {
    const cy_tensor *now = cy_session_output(held->choices.session, i);
    CY_TRY(cy_tensor_create(cy_tensor_dtype(now), cy_tensor_shape(now), &held->at_base[i]));
    CY_TRY(cy_tensor_copy(now, held->at_base[i]));
  }
  return CY_OK;
}

static cy_status build(holding *h, const cy_value *outputs, int n) {
  CY_TRY(sort_nodes(h, outputs, n));
  CY_TRY(sort_tangents(h));
  CY_TRY(cy_graph_create(&h->held->graph));
  for (int32_t id = 0; id < h->size; id++)
    if (h->needed[id]) CY_TRY(copy(h, id));
  if (h->held->n == 0) return CY_OK; /* smooth: nothing to hold */
  cy_value *copies = cy_calloc((size_t)n, sizeof *copies);
  if (!copies) return cy_no_memory();
  for (int i = 0; i < n; i++) copies[i] = cy_value_at(h->held->graph, h->copies[outputs[i].id]);
  cy_status status = take_choices(h);
  if (status == CY_OK) status = bind_choices(h, copies, n);
  cy_free(copies);
  return status;
}

cy_status cy_held_open(const cy_function *function, const cy_value *outputs, int n, cy_held **held) {
  holding h = {.f = function, .held = cy_calloc(1, sizeof **held)};
  *held = h.held;
  if (!h.held) return cy_no_memory();
  cy_status status = build(&h, outputs, n);
  void *const arrays[] = {h.needed, h.tangent, h.stand_ins, h.stands_for, h.motion, h.chosen, h.copies, h.choices};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) cy_free(arrays[i]);
  if (status == CY_OK) return CY_OK;
  cy_held_close(h.held);
  *held = NULL;
  return status;
}

void cy_held_close(cy_held *held) {
  if (!held) return;
  cy_probe_close(&held->choices);
  cy_probe_close(&held->function);
  for (int i = 0; held->at_base && i < held->n; i++) cy_tensor_free(held->at_base[i]);
  cy_free(held->at_base);
  cy_graph_free(held->graph);
  cy_free(held);
}

cy_status cy_held_count_changes(cy_held *held, int64_t *changes) {
  CY_TRY(cy_session_run(held->choices.session));
  for (int i = 0; i < held->n; i++) {
    const cy_tensor *now = cy_session_output(held->choices.session, i), *then = held->at_base[i];
    size_t size = cy_dtype_size(cy_tensor_dtype(then));
    const char *a = cy_tensor_data(now), *b = cy_tensor_data(then);
    for (int64_t k = 0; k < cy_tensor_count(then); k++, a += size, b += size) *changes += memcmp(a, b, size) != 0;
  }
  return CY_OK;
}
