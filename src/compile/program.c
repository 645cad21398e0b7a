/* Compiling: the passes in order, then a kernel of the backend for every instruction. */
#include "base/text.h"
#include "compile/loop.h"
#include "compile/lower.h"
#include "compile/share.h"
#include "ops/ops.h"

#include <string.h>

/* ---- the reference kernel as a backend's kernel ---- */

typedef struct reference_plan {
  cy_instruction instruction;
} reference_plan;

static cy_status reference_create(const cy_instruction *instruction, int threads, void **plan) {
  (void)threads;
  if (instruction->fused)
    return cy_fail(CY_UNSUPPORTED, "the reference kernels run operations one by one, not fused groups");
  reference_plan *p = cy_calloc(1, sizeof *p);
  if (!p) return cy_no_memory();
  *plan = p;
  p->instruction = *instruction;
  return CY_OK;
}

static size_t reference_scratch(const void *plan) {
  return (size_t)((const reference_plan *)plan)->instruction.n_in * sizeof(cy_view);
}

static cy_status reference_run(const void *plan, void *instance, void *const *in, void *const *out, void *scratch) {
  const cy_instruction *i = &((const reference_plan *)plan)->instruction;
  cy_view *views = scratch, result = i->out[0].layout;
  (void)instance;
  for (int k = 0; k < i->n_in; k++) {
    views[k] = i->in[k].layout;
    views[k].data = in[k];
  }
  result.data = out[0];
  i->op->kernel(&(cy_call){i->op, i->attrs, i->n_in, views, &result});
  return CY_OK;
}

const cy_kernel cy_reference_kernel = {.create = reference_create, .destroy = cy_free, .scratch = reference_scratch,
                                       .run = reference_run};

/* ---- compiling ---- */

static const cy_kernel *find_kernel(const cy_program *p, const cy_instruction *instruction) {
  if (instruction->loop) return &cy_loop_kernel;
  return instruction->fused ? p->backend->fused : p->backend->find(instruction);
}

/* A body's arithmetic is counted by its own program. */
static double count_flops(const cy_instruction *instruction) {
  const cy_program *body;
  int64_t times = 0;
  double flops = 0;
  if (!instruction->kernel->body) return instruction->flops;
  for (int i = 0; (body = instruction->kernel->body(instruction->plan, i, &times)) != NULL; i++)
    flops += (double)times * body->flops;
  return flops;
}

static cy_status create_kernels(cy_program *p) {
  for (int i = 0; i < p->n_instructions; i++) {
    cy_instruction *instruction = &p->instructions[i];
    if (instruction->kernel) continue;
    const cy_kernel *kernel = find_kernel(p, instruction);
    instruction->kernel = kernel ? kernel : &cy_reference_kernel;
    cy_status status = instruction->kernel->create(instruction, p->threads, &instruction->plan);
    if (status != CY_OK) {
      instruction->kernel = NULL; /* nothing to destroy */
      return status;
    }
    if (instruction->kernel->scratch) instruction->scratch = instruction->kernel->scratch(instruction->plan);
    if (instruction->kernel->kept) p->kept_bytes += instruction->kernel->kept(instruction->plan);
    p->flops += instruction->flops = count_flops(instruction);
  }
  return CY_OK;
}

static cy_status check_updates(const cy_update *updates, int n) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  for (int i = 0; i < n; i++) {
    if (!cy_is_value(updates[i].variable) || !cy_is_value(updates[i].value))
      return cy_fail(CY_INVALID, "update %d has no variable or no value", i + 1);
    cy_type variable = cy_type_of(updates[i].variable), value = cy_type_of(updates[i].value);
    const char *name = cy_value_name(updates[i].variable);
    if (cy_node_of(updates[i].variable)->op != &cy_op_variable)
      return cy_fail(CY_INVALID, "update %d: only variables can be updated", i + 1);
    if (variable.dtype != value.dtype || !cy_shape_equal(variable.shape, value.shape))
      return cy_fail(CY_INVALID, "variable \"%s\" is %s %s, its update is %s %s", name, cy_dtype_name(variable.dtype),
                     cy_shape_text(variable.shape, a), cy_dtype_name(value.dtype), cy_shape_text(value.shape, b));
    for (int k = 0; k < i; k++)
      if (updates[k].variable.id == updates[i].variable.id)
        return cy_fail(CY_INVALID, "variable \"%s\" is updated twice", name);
  }
  return CY_OK;
}

static cy_status lower(cy_graph *graph, const cy_value *values, const cy_compilation *c, cy_program *p) {
  const int n_outputs = c->n_outputs, n_updates = c->n_updates;
  cy_lowering l;
  cy_update *updates = cy_calloc((size_t)n_updates, sizeof *updates);
  if (!updates) return cy_no_memory();
  for (int i = 0; i < n_updates; i++) updates[i] = (cy_update){values[n_outputs + 2 * i], values[n_outputs + 2 * i + 1]};
  cy_status status = cy_lowering_begin(graph, p->backend->fused && !p->unfused, p->frozen, &l);
  if (status == CY_OK) {
    l.leaves = c->leaves;
    l.n_leaves = c->n_leaves;
    status = cy_assign_layouts(&l);
    if (status == CY_OK) status = cy_assign_units(&l);
    if (status == CY_OK) status = cy_emit(&l, values, n_outputs, updates, n_updates, p);
    if (status == CY_OK && l.fuses) status = cy_join_in_place(p);
    if (status == CY_OK && p->frozen) status = cy_find_prologue(p);
    if (status == CY_OK && c->share) status = cy_take_share(p, c->share, c->leaves, c->n_leaves, &p->shared);
    if (status == CY_OK && !p->frozen && !p->unfused) status = cy_move_predicates(p);
    if (status == CY_OK && !p->frozen && !p->unfused) status = cy_release_early(p);
    cy_lowering_end(&l);
  }
  cy_free(updates);
  return status;
}

cy_status cy_compile_for(const cy_compilation *c, cy_program **program) {
  const int n_outputs = c->n_outputs, n_updates = c->n_updates, n = n_outputs + 2 * n_updates;
  const cy_value *outputs = c->outputs;
  const cy_update *updates = c->updates;
  const cy_program_options options = c->options;
  cy_graph *simplified = NULL;
  *program = NULL;
  if (n_outputs < 0 || n_updates < 0 || n == 0) return cy_fail(CY_INVALID, "there is nothing to compile");
  cy_value *values = cy_calloc((size_t)n, sizeof *values);
  cy_program *p = cy_calloc(1, sizeof *p);
  cy_status status = values && p ? CY_OK : cy_no_memory();
  if (status == CY_OK && !(p->memory = cy_arena_create())) status = cy_no_memory();
  if (status == CY_OK) {
    p->backend = c->backend;
    p->threads = options.threads;
    p->unfused = options.unfused;
    p->frozen = options.frozen;
    for (int i = 0; i < n_outputs; i++) values[i] = outputs[i];
    for (int i = 0; i < n_updates; i++) {
      values[n_outputs + 2 * i] = updates[i].variable;
      values[n_outputs + 2 * i + 1] = updates[i].value;
    }
    cy_graph *graph = cy_common_graph(values, n);
    status = graph ? cy_graph_status(graph)
                   : cy_fail(CY_INVALID, "there is nothing to compile: the values are missing or of different graphs");
    for (int i = 0; i < n_outputs && status == CY_OK; i++)
      if (!cy_is_value(outputs[i])) status = cy_fail(CY_INVALID, "output %d is missing", i + 1);
    if (status == CY_OK) status = check_updates(updates, n_updates);
  }
  if (status == CY_OK) status = cy_simplify(values, n, &simplified);
  if (status == CY_OK) status = lower(simplified, values, c, p);
  if (status == CY_OK) status = create_kernels(p);
  if (status == CY_OK && options.recompute != CY_RECOMPUTE_NEVER && !p->frozen && !p->unfused) {
    status = cy_recompute_values(p, options.recompute == CY_RECOMPUTE_ALWAYS);
    if (status == CY_OK) status = create_kernels(p); /* of the new instructions */
  }
  if (status == CY_OK) status = cy_plan_memory(p);
  cy_graph_free(simplified);
  cy_free(values);
  if (status != CY_OK) {
    cy_program_free(p);
    p = NULL;
  }
  *program = p;
  return status;
}

void cy_program_free(cy_program *p) {
  if (!p) return;
  for (int i = 0; i < p->n_instructions; i++)
    if (p->instructions[i].kernel && p->instructions[i].kernel->destroy)
      p->instructions[i].kernel->destroy(p->instructions[i].plan);
  cy_free(p->instructions);
  cy_free(p->buffers);
  cy_arena_free(p->memory);
  cy_free(p);
}

/* ---- reading a program ---- */

size_t cy_program_arena_bytes(const cy_program *p) { return p->arena_bytes + p->kept_bytes; }
int cy_program_kernel_count(const cy_program *p) { return p->n_instructions; }
double cy_program_flops(const cy_program *p) { return p->flops; }

static void add_operand(cy_text *text, const cy_program *p, const cy_operand *operand) {
  char shape[CY_SHAPE_TEXT];
  const cy_buffer *b = &p->buffers[operand->buffer];
  cy_text_add(text, " %s[%s]", cy_dtype_name(operand->layout.dtype), cy_shape_text(operand->layout.shape, shape));
  if (b->place == CY_PLACE_BOUND)
    cy_text_add(text, "\"%s\"", p->bindings[b->binding].name);
  else if (b->place == CY_PLACE_CONSTANT)
    cy_text_add(text, "const");
  else
    cy_text_add(text, "@%zu", b->offset + (size_t)operand->offset);
}

static void add_steps(cy_text *text, const cy_fused *f) {
  cy_text_add(text, "  {");
  for (int i = 0; i < f->n_steps; i++) {
    const cy_step *s = &f->steps[i];
    cy_text_add(text, "%s%d=", i ? " " : "", i);
    switch (s->kind) {
      case CY_STEP_INPUT: cy_text_add(text, "in%lld", (long long)s->index); break;
      case CY_STEP_CONSTANT: cy_text_add(text, "%.6g", s->number); break;
      case CY_STEP_IOTA: cy_text_add(text, "iota%lld", (long long)s->index); break;
      case CY_STEP_RANDOM: cy_text_add(text, "random(%d,%d)", s->arg[0], s->arg[1]); break;
      case CY_STEP_REDUCE: cy_text_add(text, "%s(%d)", s->combine == CY_COMBINE_SUM ? "sum" : "max", s->arg[0]); break;
      case CY_STEP_SCALAR:
        cy_text_add(text, "%s(%d,%d,%d)", cy_op_elementwise[s->op].name, s->arg[0], s->arg[1], s->arg[2]);
        break;
    }
    if (s->level == CY_ROW) cy_text_add(text, "r");
  }
  cy_text_add(text, "}");
}

static void add_program(cy_text *text, const cy_program *p, int depth);

/* The kernels of a loop's body, indented: those of the first thread. */
static void add_body(cy_text *text, const cy_instruction *instruction, int depth) {
  int64_t times = 0;
  const cy_program *body = instruction->kernel->body ? instruction->kernel->body(instruction->plan, 0, &times) : NULL;
  if (!body) return;
  cy_text_add(text, "%*s%lld times, arena %zu bytes, %.4g operations:\n", 4 * depth, "", (long long)times, body->arena_bytes,
              body->flops);
  add_program(text, body, depth);
}

static void add_program(cy_text *text, const cy_program *p, int depth) {
  for (int i = 0; i < p->n_instructions; i++) {
    const cy_instruction *instruction = &p->instructions[i];
    const cy_kernel *kernel = instruction->kernel;
    cy_text_add(text, "%*s%3d %s", 4 * depth, "", i, instruction->fused ? "fused" : instruction->op->name);
    if (kernel->describe) cy_text_add(text, " (%s)", kernel->describe(instruction->plan));
    if (instruction->label[0]) cy_text_add(text, " %s", instruction->label);
    cy_text_add(text, ":");
    for (int k = 0; k < instruction->n_in; k++) add_operand(text, p, &instruction->in[k]);
    cy_text_add(text, " ->");
    for (int k = 0; k < instruction->n_out; k++) add_operand(text, p, &instruction->out[k]);
    if (instruction->fused) add_steps(text, instruction->fused);
    cy_text_add(text, "\n");
    add_body(text, instruction, depth + 1);
  }
}

cy_status cy_program_text(const cy_program *p, char **out) {
  cy_text text = {0};
  cy_text_add(&text, "%s backend, %d kernels, arena %zu bytes, %.4g operations\n", p->backend->name, p->n_instructions,
              p->arena_bytes, p->flops);
  add_program(&text, p, 0);
  *out = cy_text_take(&text);
  return *out ? CY_OK : cy_no_memory();
}
