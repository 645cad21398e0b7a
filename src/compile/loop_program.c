/* The body of a loop as a program: a copy of its graph whose constants are variables that hold still, and whose
 * results are written into variables of their own, which the loop's kernel moves from step to step. Only carries
 * that some part needs, directly or through other steps, are computed. */
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
  int64_t rows;         /* that may be shared out */
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

static void place(copy *c, cy_value v, const int64_t *stride) {
  cy_leaf *leaf = &c->leaves[c->n_leaves++];
  leaf->name = cy_value_name(v);
  memcpy(leaf->stride, stride, (size_t)cy_value_shape(v).rank * sizeof *stride);
}

/* A leaf that lies row after row, each of which belongs to a part. */
static void place_rows(copy *c, cy_value v) {
  int64_t stride[CY_MAX_RANK];
  if (!cy_is_value(v)) return;
  cy_row_major(cy_value_shape(v), stride);
  place(c, v, stride);
  c->leaves[c->n_leaves - 1].rows = true;
}

/* A leaf that reads an operand's memory, which lies as the operand does, less its axis of time. */
static cy_value operand_leaf(copy *c, cy_stream_kind kind, int operand) {
  char name[NAME];
  const cy_view *layout = &c->instruction->in[operand].layout;
  const int time = kind == CY_STREAM_INPUT;
  cy_shape shape = layout->shape;
  if (time) memmove(shape.dim, shape.dim + 1, (size_t)--shape.rank * sizeof *shape.dim);
  name_stream((cy_stream){kind, operand}, name);
  cy_value v = time ? cy_input(c->graph, name, layout->dtype, shape) : cy_variable(c->graph, name, layout->dtype, shape);
  if (!cy_is_value(v)) return v;
  place(c, v, layout->stride + time);
  /* An input with as many rows is taken to have a row for each. */
  c->leaves[c->n_leaves - 1].rows = time && shape.rank > 0 && shape.dim[0] == c->rows;
  return v;
}

/* The operand at one time multiplied with the other. */
static cy_value read_product(copy *c, const cy_loop_product *product, int operand) {
  const cy_value one = operand_leaf(c, CY_STREAM_INPUT, operand);
  const cy_value other = operand_leaf(c, CY_STREAM_CONSTANT, product->factor);
  cy_value in[] = {one, other};
  cy_scope_set(c->graph, c->instruction->label);
  return cy_make(c->graph, product->op, in, 2, product->attrs);
}

/* What a leaf of the body reads: a known number, memory, or a product. */
static cy_value read_operand(copy *c, const cy_node *leaf, cy_stream_kind kind, int operand) {
  const cy_loop_number *number = &c->loop->numbers[operand];
  const cy_loop_product *product = &c->loop->products[operand];
  if (number->known) return cy_full(c->graph, leaf->dtype, leaf->shape, number->number);
  return product->op ? read_product(c, product, operand) : operand_leaf(c, kind, operand);
}

static cy_value read_carry(copy *c, const cy_node *leaf, int k) {
  char name[NAME];
  name_stream((cy_stream){CY_STREAM_CARRY, k}, name);
  cy_value v = cy_input(c->graph, name, leaf->dtype, leaf->shape);
  place_rows(c, v);
  return v;
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
      copy_leaf(c, b->inputs[i],
                read_operand(c, cy_node_at(b->graph, b->inputs[i]), CY_STREAM_INPUT, cy_loop_input(c->loop, i)));
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
    place_rows(c, c->updates[i].variable);
  }
  return cy_graph_status(c->graph);
}

/* ---- the program ---- */

static cy_status compile_part(const copy *c, int threads, const cy_share *share, cy_loop_program *made) {
  cy_compilation compilation = {
      .backend = c->loop->backend, .updates = c->updates, .n_updates = c->n_wanted, .leaves = c->leaves,
      .n_leaves = c->n_leaves, .share = share,
      .options = {.threads = threads, .unfused = c->loop->unfused, .frozen = true}};
  CY_TRY(cy_compile_for(&compilation, &made->part[made->n_parts]));
  made->n_parts++;
  return CY_OK;
}

static void forget_parts(cy_loop_program *made) {
  while (made->n_parts > 0) cy_program_free(made->part[--made->n_parts]);
}

/* Fewer rows than this are a waste of a product's vectors; less arithmetic in all is done before threads have
 * started. */
enum { LEAST_ROWS = 4, LEAST_WORK = 400000 };

/* A program for the rows of each thread; none if rows depend on one another or it is not worth it. */
static cy_status compile_shares(const copy *c, int threads, cy_loop_program *made) {
  int parts = threads < CY_LOOP_THREADS ? threads : CY_LOOP_THREADS;
  if (c->rows / LEAST_ROWS < parts) parts = (int)(c->rows / LEAST_ROWS);
  for (int i = 0; i < parts && parts > 1; i++) {
    const cy_share share = {c->rows, c->rows * i / parts, c->rows * (i + 1) / parts - c->rows * i / parts};
    CY_TRY(compile_part(c, 1, &share, made));
    if (made->part[i]->shared && made->part[i]->flops * (double)c->loop->length * parts >= LEAST_WORK) continue;
    forget_parts(made);
    break;
  }
  return CY_OK;
}

static cy_status compile(copy *c, int threads, cy_loop_program *made) {
  CY_TRY(copy_nodes(c));
  CY_TRY(make_updates(c));
  if (c->loop->backend->fused && !c->loop->unfused) CY_TRY(compile_shares(c, threads, made));
  if (made->n_parts == 0) CY_TRY(compile_part(c, threads, NULL, made));
  const cy_program *first = made->part[0];
  made->streams = cy_calloc((size_t)first->n_bindings, sizeof *made->streams);
  if (!made->streams) return cy_no_memory();
  for (int i = 0; i < first->n_bindings; i++) made->streams[i] = stream_named(first->bindings[i].name);
  return CY_OK;
}

/* The rows that may be shared out: those of the first carry. */
static int64_t find_rows(const copy *c) {
  if (c->loop->n_carry == 0) return 0;
  cy_shape shape = c->instruction->in[cy_loop_carry(c->loop, 0)].layout.shape;
  return shape.rank ? shape.dim[0] : 0;
}

static cy_status copy_begin(copy *c) {
  size_t size = (size_t)cy_graph_size(c->body->graph), most = (size_t)c->instruction->n_out + (size_t)c->body->n_carry;
  c->needed = cy_calloc(size, sizeof *c->needed);
  c->map = cy_calloc(size, sizeof *c->map);
  c->wanted = cy_calloc(most, sizeof *c->wanted);
  c->targets = cy_calloc(most, sizeof *c->targets);
  c->updates = cy_calloc(most, sizeof *c->updates);
  c->leaves = cy_calloc((size_t)c->instruction->n_in + most, sizeof *c->leaves);
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
  c.rows = find_rows(&c);
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
  forget_parts(made);
  cy_free(made->streams);
  cy_free(made->carried);
  *made = (cy_loop_program){0};
}
