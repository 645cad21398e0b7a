/* The body of a loop as a program: a copy of its graph whose constants are variables that hold still, and whose results are
 * written into variables of their own, which the loop's kernel moves from step to step. Only carries that some part
 * needs, directly or through other steps, are computed. */
#include "compile/loop.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* The copy in progress. */
typedef struct copy {
  const cy_instruction *instruction;
  const cy_loop *loop;
  const cy_body *body;
  cy_graph *graph;
  bool *needed;
  int32_t *map;         /* the body's node to the copy's */
  cy_value *wanted;     /* of the body's graph: what results and carries are */
  int n_wanted;
  cy_stream *targets;   /* per wanted value: where it goes */
  cy_update *updates;
  cy_leaf *leaves;
  int n_leaves;
} copy;

/* ---- what is needed ---- */

static void want(copy *c, int32_t value, cy_stream_kind kind, int index) {
  c->targets[c->n_wanted] = (cy_stream){kind, index};
  c->wanted[c->n_wanted++] = cy_value_at(c->body->graph, value);
}

/* Sequences, and carries until no further one is needed by what is. */
static void find_wanted(copy *c, bool *carried) {
  const cy_loop *loop = c->loop;
  for (int o = 0; o < c->instruction->n_out; o++) {
    if (loop->parts[o].kind == CY_RESULT_SEQUENCE) want(c, loop->parts[o].index, CY_STREAM_RESULT, o);
    else carried[loop->parts[o].index] = true;
  }
  for (int k = 0; k < c->body->n_carry; k++)
    if (carried[k]) want(c, c->body->next[k], CY_STREAM_NEXT, k);
  for (bool more = true; more;) {
    more = false;
    cy_mark_needed(c->body->graph, 0, c->wanted, c->n_wanted, c->needed);
    for (int k = 0; k < c->body->n_carry; k++) {
      if (carried[k] || c->body->carry[k] < 0 || !c->needed[c->body->carry[k]]) continue;
      carried[k] = more = true;
      want(c, c->body->next[k], CY_STREAM_NEXT, k);
    }
  }
}

/* ---- the copy ---- */

/* One name per stream, read back from the program's bindings. */
enum { NAME = 24 };
static const char stream_letters[] = "cihnr"; /* in the order of cy_stream_kind */

static void name_stream(cy_stream stream, char name[NAME]) {
  snprintf(name, NAME, "%c%d", stream_letters[stream.kind], stream.index);
}

static cy_stream stream_named(const char *name) {
  cy_stream stream = {.kind = (cy_stream_kind)(strchr(stream_letters, name[0]) - stream_letters)};
  sscanf(name + 1, "%d", &stream.index);
  return stream;
}

/* The leaf that reads an operand: a known number, or memory that lies as the operand's, less its axis of time. */
static cy_value read_operand(copy *c, const cy_node *leaf, cy_stream_kind kind, int operand) {
  char name[NAME];
  const cy_loop_number *number = &c->loop->numbers[operand];
  const cy_view *layout = &c->instruction->in[operand].layout;
  if (number->known) return cy_full(c->graph, leaf->dtype, leaf->shape, number->number);
  name_stream((cy_stream){kind, operand}, name);
  cy_value v = kind == CY_STREAM_CONSTANT ? cy_variable(c->graph, name, leaf->dtype, leaf->shape)
                                          : cy_input(c->graph, name, leaf->dtype, leaf->shape);
  if (!cy_is_value(v)) return v;
  cy_leaf *placed = &c->leaves[c->n_leaves++];
  placed->name = cy_value_name(v);
  memcpy(placed->stride, layout->stride + (kind == CY_STREAM_INPUT), (size_t)leaf->shape.rank * sizeof *placed->stride);
  return v;
}

static cy_value read_carry(copy *c, const cy_node *leaf, int k) {
  char name[NAME];
  name_stream((cy_stream){CY_STREAM_CARRY, k}, name);
  return cy_input(c->graph, name, leaf->dtype, leaf->shape);
}

static void copy_leaf(copy *c, int32_t id, cy_value value) { c->map[id] = value.id; }

static void copy_leaves(copy *c) {
  const cy_body *b = c->body;
  for (int i = 0; i < b->n_constants; i++)
    if (b->constants[i] >= 0 && c->needed[b->constants[i]])
      copy_leaf(c, b->constants[i], read_operand(c, cy_node_at(b->graph, b->constants[i]), CY_STREAM_CONSTANT, i));
  for (int k = 0; k < b->n_carry; k++)
    if (b->carry[k] >= 0 && c->needed[b->carry[k]])
      copy_leaf(c, b->carry[k], read_carry(c, cy_node_at(b->graph, b->carry[k]), k));
  for (int i = 0; i < b->n_inputs; i++)
    if (b->inputs[i] >= 0 && c->needed[b->inputs[i]])
      copy_leaf(c, b->inputs[i], read_operand(c, cy_node_at(b->graph, b->inputs[i]), CY_STREAM_INPUT, cy_loop_input(c->loop, i)));
}

static cy_status copy_nodes(copy *c) {
  enum { FEW = 16 };
  int32_t size = cy_graph_size(c->body->graph);
  memset(c->map, 0xff, (size_t)size * sizeof *c->map);
  copy_leaves(c);
  for (int32_t id = 0; id < size && !cy_graph_failed(c->graph); id++) {
    const cy_node *node = cy_node_at(c->body->graph, id);
    if (!c->needed[id] || c->map[id] >= 0) continue;
    cy_value few[FEW], *in = node->n_inputs > FEW ? cy_calloc((size_t)node->n_inputs, sizeof *in) : few;
    if (!in) return cy_no_memory();
    for (int k = 0; k < node->n_inputs; k++) in[k] = cy_value_at(c->graph, c->map[node->inputs[k]]);
    cy_scope_set(c->graph, node->scope);
    c->map[id] = cy_remake(c->graph, node, in).id;
    if (in != few) cy_free(in);
  }
  return cy_graph_status(c->graph);
}

static cy_status make_updates(copy *c) {
  char name[NAME];
  for (int i = 0; i < c->n_wanted; i++) {
    cy_value value = cy_value_at(c->graph, c->map[c->wanted[i].id]);
    name_stream(c->targets[i], name);
    c->updates[i] = (cy_update){cy_variable(c->graph, name, cy_value_dtype(value), cy_value_shape(value)), value};
  }
  return cy_graph_status(c->graph);
}

/* ---- the program ---- */

static cy_status compile(copy *c, int threads, cy_loop_program *made) {
  CY_TRY(copy_nodes(c));
  CY_TRY(make_updates(c));
  cy_compilation compilation = {
      .backend = c->loop->backend, .updates = c->updates, .n_updates = c->n_wanted, .leaves = c->leaves, .n_leaves = c->n_leaves,
      .options = {.threads = threads, .unfused = c->loop->unfused, .frozen = true}};
  CY_TRY(cy_compile_for(&compilation, &made->program));
  made->streams = cy_calloc((size_t)made->program->n_bindings, sizeof *made->streams);
  if (!made->streams) return cy_no_memory();
  for (int i = 0; i < made->program->n_bindings; i++) made->streams[i] = stream_named(made->program->bindings[i].name);
  return CY_OK;
}

static cy_status copy_begin(copy *c) {
  size_t size = (size_t)cy_graph_size(c->body->graph), most = (size_t)c->instruction->n_out + (size_t)c->body->n_carry;
  c->needed = cy_calloc(size, sizeof *c->needed);
  c->map = cy_calloc(size, sizeof *c->map);
  c->wanted = cy_calloc(most, sizeof *c->wanted);
  c->targets = cy_calloc(most, sizeof *c->targets);
  c->updates = cy_calloc(most, sizeof *c->updates);
  c->leaves = cy_calloc((size_t)c->instruction->n_in, sizeof *c->leaves);
  if (!c->needed || !c->map || !c->wanted || !c->targets || !c->updates || !c->leaves) return cy_no_memory();
  return cy_graph_create(&c->graph);
}

static void copy_end(copy *c) {
  cy_graph_free(c->graph);
  cy_free(c->needed);
  cy_free(c->map);
  cy_free(c->wanted);
  cy_free(c->targets);
  cy_free(c->updates);
  cy_free(c->leaves);
}

cy_status cy_loop_program_make(const cy_instruction *instruction, int threads, cy_loop_program *made) {
  copy c = {.instruction = instruction, .loop = instruction->loop, .body = instruction->loop->body};
  *made = (cy_loop_program){.carried = cy_calloc((size_t)c.body->n_carry, sizeof *made->carried)};
  cy_status status = made->carried ? copy_begin(&c) : cy_no_memory();
  if (status == CY_OK) {
    find_wanted(&c, made->carried);
    if (c.n_wanted) status = compile(&c, threads, made);
  }
  copy_end(&c);
  if (status != CY_OK) cy_loop_program_free(made);
  return status;
}

void cy_loop_program_free(cy_loop_program *made) {
  cy_program_free(made->program);
  cy_free(made->streams);
  cy_free(made->carried);
  *made = (cy_loop_program){0};
}
