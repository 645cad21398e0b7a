/* Instructions: units in an order that respects their dependencies, then the updates of variables: in place where every
 * reader of the old value comes first, by a copy at the end otherwise. */
#include "compile/emit.h"

#include "ops/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *cy_emit_alloc(cy_emitter *e, size_t count, size_t size) {
  size_t bytes;
  void *p = cy_mul_size(count, size, &bytes) ? cy_arena_alloc(e->program->memory, bytes) : NULL;
  if (!p) e->failed = true;
  return p;
}

/* ---- buffers ---- */

static int new_buffer(cy_emitter *e, cy_buffer buffer) {
  cy_program *p = e->program;
  if (!cy_grow(&p->buffers, (size_t)p->n_buffers, &e->buffer_capacity, sizeof *p->buffers)) {
    e->failed = true;
    return 0;
  }
  p->buffers[p->n_buffers] = buffer;
  return p->n_buffers++;
}

/* Names are unique in a graph, so each leaf comes here once. */
static int bind_leaf(cy_emitter *e, const cy_node *node) {
  cy_program *p = e->program;
  p->bindings[p->n_bindings] = (cy_binding){.name = cy_arena_strdup(p->memory, node->name),
                                            .variable = node->op == &cy_op_variable,
                                            .dtype = node->dtype, .shape = node->shape};
  if (!p->bindings[p->n_bindings].name) e->failed = true;
  return p->n_bindings++;
}

/* Numbers and iotas that a kernel reads from memory: computed now. A number takes one element, read with strides 0. */
static void *constant_data(cy_emitter *e, const cy_node *node, size_t bytes) {
  if (node->data) {
    void *copy = cy_emit_alloc(e, bytes, 1);
    if (copy) memcpy(copy, node->data, bytes);
    return copy;
  }
  void *data = cy_emit_alloc(e, bytes, 1);
  if (!data) return NULL;
  cy_view out = cy_view_row_major(data, node->dtype, node->op == &cy_op_full ? CY_SCALAR : node->shape);
  node->op->kernel(&(cy_call){node->op, node->attrs, 0, NULL, &out});
  return data;
}

static int buffer_for(cy_emitter *e, int32_t id) {
  if (e->buffer_of[id] >= 0) return e->buffer_of[id];
  const cy_node *node = cy_node_at(e->lowering->graph, id);
  size_t elements = node->op == &cy_op_full ? 1 : (size_t)cy_count(node->shape);
  cy_buffer b = {.place = CY_PLACE_ARENA, .bytes = elements * cy_dtype_size(node->dtype), .binding = -1, .first = -1,
                 .last = -1};
  if (node->name[0]) {
    b.place = CY_PLACE_BOUND;
    b.binding = bind_leaf(e, node);
  } else if (node->op->op_class == CY_CLASS_LEAF) {
    b.place = CY_PLACE_CONSTANT;
    b.data = constant_data(e, node, b.bytes);
  }
  return e->buffer_of[id] = new_buffer(e, b);
}

cy_operand cy_emit_operand(cy_emitter *e, int32_t v) {
  const cy_lowering *l = e->lowering;
  cy_operand operand = {.layout = l->layout[v]};
  operand.buffer = buffer_for(e, l->base[v]);
  operand.offset = (char *)l->layout[v].data - CY_ORIGIN;
  operand.layout.data = NULL;
  return operand;
}

/* ---- instructions ---- */

cy_instruction *cy_emit_instruction(cy_emitter *e, const char *label) {
  cy_program *p = e->program;
  if (e->failed || !cy_grow(&p->instructions, (size_t)p->n_instructions, &e->instruction_capacity, sizeof *p->instructions)) {
    e->failed = true;
    return NULL;
  }
  cy_instruction *i = &p->instructions[p->n_instructions++];
  *i = (cy_instruction){.label = cy_arena_strdup(p->memory, label)};
  if (!i->label) e->failed = true;
  return i;
}

static void kernel_copy(const cy_call *call) { cy_view_copy(&call->in[0], call->out); }
static const cy_op copy_op = {.name = "copy", .arity = 1, .scalar = -1, .kernel = kernel_copy, .reach = cy_reach_pointwise};

static void emit_copy(cy_emitter *e, const char *label, cy_operand from, cy_operand to) {
  cy_operand *both = cy_emit_alloc(e, 2, sizeof *both);
  cy_instruction *i = both ? cy_emit_instruction(e, label) : NULL;
  if (!i) return;
  both[0] = from;
  both[1] = to;
  i->op = &copy_op;
  i->n_in = i->n_out = 1;
  i->in = both;
  i->out = both + 1;
}

static void emit_single(cy_emitter *e, int32_t id) {
  cy_lowering *l = e->lowering;
  const cy_node *node = cy_node_at(l->graph, id);
  cy_operand *operands = cy_emit_alloc(e, (size_t)node->n_inputs + 1, sizeof *operands);
  cy_type *types = cy_emit_alloc(e, (size_t)node->n_inputs + 1, sizeof *types), out = {node->dtype, node->shape};
  void *attrs = cy_emit_alloc(e, node->op->attr_size, 1);
  cy_instruction *i = operands && types && attrs ? cy_emit_instruction(e, node->scope) : NULL;
  if (!i) return;
  int index = e->program->n_instructions - 1;
  memcpy(attrs, node->attrs, node->op->attr_size);
  for (int k = 0; k < node->n_inputs; k++) {
    operands[k] = cy_emit_operand(e, node->inputs[k]);
    types[k] = (cy_type){operands[k].layout.dtype, operands[k].layout.shape};
  }
  operands[node->n_inputs] = cy_emit_operand(e, id);
  i = &e->program->instructions[index];
  i->op = node->op;
  i->attrs = attrs;
  i->n_in = node->n_inputs;
  i->in = operands;
  i->n_out = 1;
  i->out = operands + node->n_inputs;
  i->flops = node->op->cost ? node->op->cost(attrs, types, node->n_inputs, &out) : (double)cy_count(node->shape);
}

/* ---- order ---- */

static bool is_ready(const cy_lowering *l, size_t unit, const uint64_t *done) {
  for (size_t w = 0; w < (l->n_units + 63) / 64; w++)
    if (l->depends[unit * l->words + w] & ~done[w]) return false;
  return true;
}

typedef struct ranked {
  int32_t last; /* the unit's last node: updates come after what reads the old value */
  int32_t unit;
} ranked;

static int by_last(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  return (x->last > y->last) - (x->last < y->last);
}

static cy_status emit_units(cy_emitter *e) {
  cy_lowering *l = e->lowering;
  ranked *list = cy_calloc(l->n_units, sizeof *list);
  uint64_t *done = cy_calloc(l->words + 1, sizeof *done);
  size_t n = 0, first = 0;
  if (!list || !done) {
    cy_free(list);
    cy_free(done);
    return cy_no_memory();
  }
  for (size_t u = 0; u < l->n_units; u++)
    if (!l->units[u].dead) list[n++] = (ranked){l->units[u].nodes[l->units[u].n_nodes - 1], (int32_t)u};
  qsort(list, n, sizeof *list, by_last);
  while (first < n && !e->failed) {
    size_t k = first;
    while (k < n && (list[k].unit < 0 || !is_ready(l, (size_t)list[k].unit, done))) k++;
    if (k == n) break; /* a cycle: cannot happen, fusion keeps the matrix acyclic */
    int32_t unit = list[k].unit;
    if (l->units[unit].inside)
      ; /* comes with its loop */
    else if (l->units[unit].fused)
      cy_emit_fused(e, unit);
    else if (cy_node_at(l->graph, l->units[unit].nodes[0])->op->loop)
      cy_emit_loop(e, unit);
    else
      emit_single(e, l->units[unit].nodes[0]);
    done[unit / 64] |= (uint64_t)1 << (unit % 64);
    list[k].unit = -1;
    while (first < n && list[first].unit < 0) first++;
  }
  cy_free(list);
  cy_free(done);
  if (e->failed) return cy_no_memory();
  return first == n ? CY_OK : cy_fail(CY_INVALID, "the fused program has a cycle");
}

/* ---- what needs memory ---- */

static void mark_stored(cy_lowering *l) {
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    if (l->unit[id] < 0) continue;
    const cy_unit *u = &l->units[l->unit[id]];
    if (!u->fused) l->stored[id] = true;
    for (int k = 0; k < node->n_inputs; k++)
      if (!u->fused || cy_resolve(l, l->unit[id], node->inputs[k]) < 0) l->stored[l->base[node->inputs[k]]] = true;
  }
}

static bool is_bound(const cy_emitter *e, const cy_operand *operand) {
  return e->program->buffers[operand->buffer].place == CY_PLACE_BOUND;
}

static bool is_whole(const cy_operand *operand) { return operand->offset == 0 && cy_view_is_contiguous(&operand->layout); }

/* A row-major copy of a window, in a new buffer. */
static cy_operand copied(cy_emitter *e, const char *label, cy_operand from) {
  cy_operand to = {.layout = cy_view_row_major(NULL, from.layout.dtype, from.layout.shape)};
  to.buffer = new_buffer(e, (cy_buffer){.place = CY_PLACE_ARENA, .binding = -1, .first = -1, .last = -1,
                                        .bytes = (size_t)cy_count(from.layout.shape) * cy_dtype_size(from.layout.dtype)});
  emit_copy(e, label, from, to);
  return to;
}

/* ---- updates ---- */

static void add_mention(cy_emitter *e, int buffer, int instruction) {
  if (!cy_grow(&e->mentions, e->n_mentions, &e->mention_capacity, sizeof *e->mentions)) {
    e->failed = true;
    return;
  }
  e->mentions[e->n_mentions] = (cy_mention){instruction, e->mentioned[buffer]};
  e->mentioned[buffer] = (int)e->n_mentions++;
}

static void mention_operands(cy_emitter *e, int instruction) {
  const cy_instruction *i = &e->program->instructions[instruction];
  for (int k = 0; k < i->n_in && !e->failed; k++) add_mention(e, i->in[k].buffer, instruction);
  for (int k = 0; k < i->n_out && !e->failed; k++) add_mention(e, i->out[k].buffer, instruction);
}

/* Does the instruction read what it needs of the variable's old content if the value is written straight into it? */
static bool spares(const cy_instruction *instruction, bool makes_value, int variable, int value) {
  for (int k = 0; k < instruction->n_in; k++) {
    if (instruction->in[k].buffer != variable) continue;
    if (!makes_value) return false; /* reads it later */
    if (!instruction->fused) {
      if (!instruction->op->overwrites || k != 0 || !is_whole(&instruction->in[k])) return false;
      continue;
    }
    for (int o = 0; o < instruction->n_out; o++) {
      if (instruction->out[o].buffer != value) continue;
      const cy_fused_output *out = &instruction->fused->outputs[o];
      if (out->accumulate || memcmp(out->stride, instruction->fused->inputs[k].stride, sizeof out->stride) != 0)
        return false;
    }
  }
  return true;
}

/* Can the value be written straight into the variable? */
static bool in_place(const cy_emitter *e, int variable, int value) {
  const cy_program *p = e->program;
  int w = -1;
  for (int m = e->mentioned[value]; m >= 0; m = e->mentions[m].next) {
    int i = e->mentions[m].instruction;
    for (int k = 0; k < p->instructions[i].n_out; k++)
      if (p->instructions[i].out[k].buffer == value && i > w) w = i;
  }
  if (w < 0) return false;
  for (int m = e->mentioned[variable]; m >= 0; m = e->mentions[m].next) {
    int i = e->mentions[m].instruction;
    const cy_instruction *instruction = &p->instructions[i];
    if (i >= w && !spares(instruction, i == w, variable, value)) return false;
    for (int k = 0; k < instruction->n_out; k++)
      if (instruction->out[k].buffer == variable) return false; /* another value is written there */
  }
  return true;
}

static void redirect(cy_emitter *e, int from, int to) {
  cy_program *p = e->program;
  int last = -1;
  for (int m = e->mentioned[from]; m >= 0; last = m, m = e->mentions[m].next) {
    cy_instruction *i = &p->instructions[e->mentions[m].instruction];
    for (int k = 0; k < i->n_in; k++)
      if (i->in[k].buffer == from) i->in[k].buffer = to;
    for (int k = 0; k < i->n_out; k++)
      if (i->out[k].buffer == from) i->out[k].buffer = to;
  }
  if (last >= 0) {
    e->mentions[last].next = e->mentioned[to];
    e->mentioned[to] = e->mentioned[from];
    e->mentioned[from] = -1;
  }
  for (int i = 0; i < p->n_outputs; i++)
    if (p->outputs[i].buffer == from) p->outputs[i].buffer = to;
}

static void emit_update(cy_emitter *e, int target_buffer, int32_t variable, cy_operand *values, int n_values, int which) {
  cy_program *p = e->program;
  cy_operand value = values[which];
  bool whole = is_whole(&value) && p->buffers[value.buffer].place == CY_PLACE_ARENA &&
               p->buffers[value.buffer].bytes == p->buffers[target_buffer].bytes;
  if (whole && in_place(e, target_buffer, value.buffer)) {
    redirect(e, value.buffer, target_buffer);
    for (int i = 0; i < n_values; i++)
      if (values[i].buffer == value.buffer) values[i].buffer = target_buffer;
  } else {
    emit_copy(e, cy_node_at(e->lowering->graph, variable)->name, value, cy_emit_operand(e, variable));
    if (!e->failed) mention_operands(e, p->n_instructions - 1);
  }
}

static void emit_updates(cy_emitter *e, const cy_update *updates, cy_operand *values, int n) {
  cy_program *p = e->program;
  for (int i = 0; i < n && !e->failed; i++) cy_emit_operand(e, updates[i].variable.id); /* every buffer exists now */
  e->mentioned = e->failed ? NULL : cy_calloc((size_t)p->n_buffers, sizeof *e->mentioned);
  if (!e->mentioned) {
    e->failed = true;
    return;
  }
  memset(e->mentioned, 0xff, (size_t)p->n_buffers * sizeof *e->mentioned);
  for (int i = 0; i < p->n_instructions && !e->failed; i++) mention_operands(e, i);
  for (int i = 0; i < n && !e->failed; i++) {
    int target = e->buffer_of[updates[i].variable.id];
    emit_update(e, target, updates[i].variable.id, values, n, i);
  }
}

/* ---- the pass ---- */

static cy_status emit(cy_emitter *e, const cy_value *outputs, int n_outputs, const cy_update *updates, int n_updates) {
  cy_lowering *l = e->lowering;
  cy_program *p = e->program;
  cy_operand *values = cy_emit_alloc(e, (size_t)n_updates, sizeof *values);
  p->outputs = cy_emit_alloc(e, (size_t)n_outputs, sizeof *p->outputs);
  p->n_outputs = 0;
  if (e->failed) return cy_no_memory();
  for (int i = 0; i < n_outputs; i++) l->stored[l->base[outputs[i].id]] = true;
  for (int i = 0; i < n_updates; i++) l->stored[l->base[updates[i].value.id]] = true;
  if (l->fuses) CY_TRY(cy_feed_loops(l));
  mark_stored(l);

  /* What an output or update shows of a bound tensor is its content before the run. */
  for (int i = 0; i < n_outputs + n_updates; i++) {
    cy_operand *to = i < n_outputs ? &p->outputs[i] : &values[i - n_outputs];
    int32_t v = i < n_outputs ? outputs[i].id : updates[i - n_outputs].value.id;
    *to = cy_emit_operand(e, v);
    if (!e->failed && is_bound(e, to)) *to = copied(e, "", *to);
  }
  CY_TRY(emit_units(e));
  for (int i = 0; i < n_outputs && !e->failed; i++) {
    p->n_outputs = i + 1;
    if (!cy_view_is_contiguous(&p->outputs[i].layout)) p->outputs[i] = copied(e, "", p->outputs[i]);
  }
  if (n_updates && !e->failed) emit_updates(e, updates, values, n_updates);
  return e->failed ? cy_no_memory() : CY_OK;
}

cy_status cy_emit(cy_lowering *lowering, const cy_value *outputs, int n_outputs, const cy_update *updates, int n_updates,
                  cy_program *program) {
  cy_emitter e = {.lowering = lowering, .program = program};
  size_t leaves = 0;
  for (int32_t id = 0; id < lowering->size; id++) leaves += cy_node_at(lowering->graph, id)->name[0] != 0;
  e.buffer_of = cy_calloc((size_t)lowering->size, sizeof *e.buffer_of);
  program->bindings = cy_emit_alloc(&e, leaves + (size_t)n_updates, sizeof *program->bindings);
  cy_status status = e.buffer_of && program->bindings ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    memset(e.buffer_of, 0xff, (size_t)lowering->size * sizeof *e.buffer_of);
    status = emit(&e, outputs, n_outputs, updates, n_updates);
  }
  cy_free(e.buffer_of);
  cy_free(e.mentions);
  cy_free(e.mentioned);
  return status;
}
