/* Values of fused groups computed a second time: which steps that takes, and groups put together of steps of other
 * groups. Called by the passes that decide what is worth it (recompute.c). */
#include "compile/again.h"

#include "base/error.h"
#include "base/memory.h"
#include "compile/group.h"
#include "ops/ops.h"

#include <string.h>

static int count_args(const cy_step *s) {
  switch (s->kind) {
    case CY_STEP_SCALAR: return cy_op_elementwise[s->op].arity;
    case CY_STEP_REDUCE: return 1;
    case CY_STEP_RANDOM: return 2;
    default: return 0;
  }
}

/* ---- what it takes ---- */

/* Does the buffer hold at `at` what it held when `maker` ran? Arena buffers are written once. */
static bool holds(const cy_program *p, int buffer, int maker, int at) {
  if (p->buffers[buffer].place == CY_PLACE_CONSTANT) return true;
  for (int i = maker; i < at; i++)
    for (int k = 0; k < p->instructions[i].n_out; k++)
      if (p->instructions[i].out[k].buffer == buffer && (i > maker || p->buffers[buffer].place != CY_PLACE_ARENA))
        return false;
  return true;
}

static bool is_written_once(const cy_program *p, int buffer) {
  int writers = 0;
  for (int i = 0; i < p->n_instructions; i++)
    for (int k = 0; k < p->instructions[i].n_out; k++) writers += p->instructions[i].out[k].buffer == buffer;
  return writers == 1;
}

/* The output that stores this step, if it can be read in its place; -1 otherwise. */
static int stored_as(const cy_program *p, const cy_again *a, int step, bool far) {
  const cy_instruction *maker = &p->instructions[a->maker];
  for (int o = 0; o < maker->n_out; o++) {
    const cy_buffer *b = &p->buffers[maker->out[o].buffer];
    if (o != a->output && maker->fused->outputs[o].step == step && !maker->fused->outputs[o].accumulate &&
        b->place == CY_PLACE_ARENA && (far || b->last >= a->at))
      return o;
  }
  return -1;
}

static bool reads_whole(const cy_fused *f, const int64_t *stride) {
  for (int i = 0; i < f->n_axes; i++)
    if (f->dim[i] > 1 && stride[i] == 0) return false;
  return true;
}

cy_status cy_again_begin(const cy_program *p, cy_again *a) {
  size_t most = 1;
  for (int i = 0; i < p->n_instructions; i++)
    if (p->instructions[i].fused && (size_t)p->instructions[i].fused->n_steps > most)
      most = (size_t)p->instructions[i].fused->n_steps;
  *a = (cy_again){0};
  a->step = cy_calloc(most, sizeof *a->step);
  a->stored = cy_calloc(most, sizeof *a->stored);
  if (a->step && a->stored) return CY_OK;
  cy_again_end(a);
  return cy_no_memory();
}

void cy_again_end(cy_again *a) {
  cy_free(a->step);
  cy_free(a->stored);
  *a = (cy_again){0};
}

bool cy_again_find(const cy_program *p, int maker, int output, int at, bool far, cy_again *a) {
  const cy_instruction *m = &p->instructions[maker];
  const cy_fused *f = m->fused;
  a->maker = maker;
  a->output = output;
  a->at = at;
  a->n_scalars = a->n_reads = 0;
  if (f->outputs[output].accumulate || !is_written_once(p, m->out[output].buffer) || !reads_whole(f, f->outputs[output].stride)) return false;
  int target = f->outputs[output].step;
  memset(a->step, 0, (size_t)f->n_steps * sizeof *a->step);
  a->step[target] = true;
  for (int i = target; i >= 0; i--) {
    const cy_step *s = &f->steps[i];
    if (!a->step[i]) continue;
    a->stored[i] = stored_as(p, a, i, far);
    if (a->stored[i] >= 0) {
      a->n_reads += reads_whole(f, f->outputs[a->stored[i]].stride);
      continue;
    }
    if (s->kind == CY_STEP_REDUCE || s->kind == CY_STEP_RANDOM) return false;
    if (s->kind == CY_STEP_INPUT) {
      if (!holds(p, m->in[s->index].buffer, maker, at)) return false;
      a->n_reads += reads_whole(f, f->inputs[s->index].stride);
    }
    a->n_scalars += s->kind == CY_STEP_SCALAR;
    for (int k = 0; k < count_args(s); k++) a->step[s->arg[k]] = true;
  }
  return a->n_scalars > 0;
}

/* ---- groups put together ---- */

static int add_copy(cy_group *g, const cy_instruction *from, const cy_step *step, bool all_full, const int *map) {
  cy_step s = *step;
  if (s.kind == CY_STEP_CONSTANT) return cy_group_constant(g, s.dtype, s.number);
  if (all_full) s.level = CY_FULL;
  if (s.kind == CY_STEP_INPUT) return cy_group_input(g, &from->fused->inputs[s.index], &from->in[s.index], s.level);
  for (int k = 0; k < count_args(&s); k++) s.arg[k] = map[s.arg[k]];
  return cy_group_step(g, s);
}

/* The steps of the value, all per element: rows and columns may be others here. Returns its step. */
static int add_again(cy_group *g, const cy_program *p, const cy_again *a, int *map) {
  const cy_instruction *maker = &p->instructions[a->maker];
  const cy_fused *f = maker->fused;
  int target = f->outputs[a->output].step;
  for (int i = 0; i <= target; i++) {
    if (!a->step[i]) continue;
    if (a->stored[i] >= 0) {
      cy_fused_input input = {.dtype = f->outputs[a->stored[i]].dtype};
      memcpy(input.stride, f->outputs[a->stored[i]].stride, sizeof input.stride);
      map[i] = cy_group_input(g, &input, &maker->out[a->stored[i]], CY_FULL);
    } else {
      map[i] = add_copy(g, maker, &f->steps[i], true, map);
    }
  }
  return map[target];
}

/* An empty group over the domain of f, with room for so many steps and outputs; any step may be an input. */
static cy_status begin_like(cy_program *p, const cy_fused *f, int steps, int inputs, int outputs, cy_group *g) {
  CY_TRY(cy_group_begin(p, (size_t)steps, (size_t)(steps + inputs), (size_t)outputs, g));
  cy_group_set_domain(g, f->n_axes, f->row_axes, f->dim);
  return CY_OK;
}

cy_status cy_again_alone(cy_program *p, const cy_again *a, cy_instruction *made) {
  const cy_instruction *maker = &p->instructions[a->maker];
  const cy_fused *f = maker->fused;
  cy_group g;
  CY_TRY(begin_like(p, f, f->n_steps, f->n_inputs, 1, &g));
  int *map = cy_calloc((size_t)f->n_steps, sizeof *map);
  cy_buffer *buffers = map ? cy_realloc(p->buffers, (size_t)p->n_buffers + 1, sizeof *buffers) : NULL;
  if (!buffers) {
    cy_free(map);
    return cy_no_memory();
  }
  p->buffers = buffers;
  p->buffers[p->n_buffers] = p->buffers[maker->out[a->output].buffer];
  cy_fused_output output = f->outputs[a->output];
  cy_operand out = maker->out[a->output];
  out.buffer = p->n_buffers++;
  output.step = add_again(&g, p, a, map);
  cy_group_output(&g, &output, &out);
  *made = (cy_instruction){.label = maker->label};
  made->flops = (double)a->n_scalars * (double)cy_count(out.layout.shape);
  cy_group_end(&g, made);
  cy_free(map);
  return CY_OK;
}

/* One of the instruction's outputs, of the step that its own has become. */
static void add_output(cy_group *g, const cy_instruction *from, int o, const int *map) {
  cy_fused_output output = from->fused->outputs[o];
  output.step = map[output.step];
  cy_group_output(g, &output, &from->out[o]);
}

/* Is the input walked as the maker walks what it stores? */
static bool walks_alike(const cy_program *p, const cy_again *a, const cy_instruction *reader, int input) {
  const cy_instruction *maker = &p->instructions[a->maker];
  const cy_fused *f = maker->fused, *g = reader->fused;
  if (f->n_axes != g->n_axes || memcmp(f->dim, g->dim, (size_t)f->n_axes * sizeof *f->dim) != 0 ||
      reader->in[input].offset != maker->out[a->output].offset)
    return false;
  for (int i = 0; i < f->n_axes; i++)
    if (f->dim[i] > 1 && f->outputs[a->output].stride[i] != g->inputs[input].stride[i]) return false;
  return true;
}

cy_status cy_again_inside(cy_program *p, const cy_again *a, cy_instruction *reader, bool *done) {
  const cy_instruction *maker = &p->instructions[a->maker];
  const cy_fused *f = maker->fused, *g = reader->fused;
  int value = maker->out[a->output].buffer;
  cy_group made;
  *done = g != NULL;
  for (int k = 0; k < reader->n_in && *done; k++) *done = reader->in[k].buffer != value || walks_alike(p, a, reader, k);
  if (!*done) return CY_OK;
  CY_TRY(begin_like(p, g, g->n_steps + f->n_steps, g->n_inputs + f->n_inputs, g->n_outputs, &made));
  int *map = cy_calloc((size_t)f->n_steps, sizeof *map), *own = cy_calloc((size_t)g->n_steps, sizeof *own);
  if (!map || !own) {
    cy_free(map);
    cy_free(own);
    return cy_no_memory();
  }
  int result = add_again(&made, p, a, map);
  for (int i = 0; i < g->n_steps; i++) {
    bool is_value = g->steps[i].kind == CY_STEP_INPUT && reader->in[g->steps[i].index].buffer == value;
    own[i] = is_value ? result : add_copy(&made, reader, &g->steps[i], false, own);
  }
  for (int o = 0; o < g->n_outputs; o++) add_output(&made, reader, o, own);
  cy_group_end(&made, reader);
  cy_free(map);
  cy_free(own);
  return CY_OK;
}

cy_status cy_again_drop(cy_program *p, cy_instruction *maker, int output) {
  const cy_fused *f = maker->fused;
  cy_group g;
  CY_TRY(begin_like(p, f, f->n_steps, f->n_inputs, f->n_outputs, &g));
  int *map = cy_calloc((size_t)f->n_steps, sizeof *map);
  bool *needed = cy_calloc((size_t)f->n_steps, sizeof *needed);
  cy_status status = map && needed ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    for (int o = 0; o < f->n_outputs; o++)
      if (o != output) needed[f->outputs[o].step] = true;
    for (int i = f->n_steps - 1; i >= 0; i--)
      for (int k = 0; needed[i] && k < count_args(&f->steps[i]); k++) needed[f->steps[i].arg[k]] = true;
    for (int i = 0; i < f->n_steps; i++)
      if (needed[i]) map[i] = add_copy(&g, maker, &f->steps[i], false, map);
    for (int o = 0; o < f->n_outputs; o++)
      if (o != output) add_output(&g, maker, o, map);
    cy_group_end(&g, maker);
  }
  cy_free(map);
  cy_free(needed);
  return status;
}
