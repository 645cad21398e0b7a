/* Values of fused groups computed a second time: which steps that takes, and groups put together of steps of other groups.
 * Called by the passes that decide what is worth it (recompute.c). */
#include "compile/again.h"

#include "base/error.h"
#include "base/memory.h"
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
      if (p->instructions[i].out[k].buffer == buffer && (i > maker || p->buffers[buffer].place != CY_PLACE_ARENA)) return false;
  return true;
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
  if (f->outputs[output].accumulate || !reads_whole(f, f->outputs[output].stride)) return false;
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

typedef struct assembly {
  cy_fused *fused;
  cy_step *steps;
  cy_fused_input *inputs;
  cy_operand *in;
} assembly;

static void *take(cy_program *p, size_t count, size_t size) {
  size_t bytes;
  return cy_mul_size(count ? count : 1, size, &bytes) ? cy_arena_alloc(p->memory, bytes) : NULL;
}

/* An empty group over a's domain with room for the steps and inputs of both. */
static cy_status assembly_begin(cy_program *p, const cy_fused *a, const cy_fused *b, assembly *made) {
  size_t steps = (size_t)a->n_steps + (b ? (size_t)b->n_steps : 0);
  size_t inputs = steps + (size_t)a->n_inputs + (b ? (size_t)b->n_inputs : 0);
  made->fused = take(p, 1, sizeof *made->fused);
  made->steps = take(p, steps, sizeof *made->steps);
  made->inputs = take(p, inputs, sizeof *made->inputs);
  made->in = take(p, inputs, sizeof *made->in);
  if (!made->fused || !made->steps || !made->inputs || !made->in) return cy_no_memory();
  *made->fused = *a;
  made->fused->n_steps = made->fused->n_inputs = 0;
  made->fused->steps = made->steps;
  made->fused->inputs = made->inputs;
  return CY_OK;
}

static int add_step(assembly *m, cy_step step) {
  m->steps[m->fused->n_steps] = step;
  return m->fused->n_steps++;
}

static bool same_input(const cy_fused *f, const cy_fused_input *a, const cy_operand *x, const cy_fused_input *b,
                       const cy_operand *y) {
  return a->dtype == b->dtype && x->buffer == y->buffer && x->offset == y->offset &&
         memcmp(a->stride, b->stride, (size_t)f->n_axes * sizeof *a->stride) == 0;
}

static int add_input(assembly *m, const cy_fused_input *input, const cy_operand *operand, cy_level level) {
  int n = m->fused->n_inputs;
  for (int i = 0; i < m->fused->n_steps; i++) {
    const cy_step *s = &m->steps[i];
    if (s->kind == CY_STEP_INPUT && s->level == level &&
        same_input(m->fused, &m->inputs[s->index], &m->in[s->index], input, operand))
      return i;
  }
  m->inputs[n] = *input;
  m->in[n] = *operand;
  m->fused->n_inputs++;
  return add_step(m, (cy_step){.kind = CY_STEP_INPUT, .level = level, .dtype = input->dtype, .index = n});
}

static int add_copy(assembly *m, const cy_instruction *from, const cy_step *step, bool all_full, const int *map) {
  cy_step s = *step;
  if (all_full && s.kind != CY_STEP_CONSTANT) s.level = CY_FULL;
  if (s.kind == CY_STEP_INPUT) return add_input(m, &from->fused->inputs[s.index], &from->in[s.index], s.level);
  for (int k = 0; k < count_args(&s); k++) s.arg[k] = map[s.arg[k]];
  for (int i = 0; s.kind == CY_STEP_CONSTANT && i < m->fused->n_steps; i++)
    if (m->steps[i].kind == CY_STEP_CONSTANT && m->steps[i].dtype == s.dtype &&
        memcmp(&m->steps[i].number, &s.number, sizeof s.number) == 0)
      return i;
  return add_step(m, s);
}

/* The steps of the value, all per element: rows and columns may be others here. Returns its step. */
static int add_again(assembly *m, const cy_program *p, const cy_again *a, int *map) {
  const cy_instruction *maker = &p->instructions[a->maker];
  const cy_fused *f = maker->fused;
  int target = f->outputs[a->output].step;
  for (int i = 0; i <= target; i++) {
    if (!a->step[i]) continue;
    if (a->stored[i] >= 0) {
      cy_fused_input input = {.dtype = f->outputs[a->stored[i]].dtype};
      memcpy(input.stride, f->outputs[a->stored[i]].stride, sizeof input.stride);
      map[i] = add_input(m, &input, &maker->out[a->stored[i]], CY_FULL);
    } else {
      map[i] = add_copy(m, maker, &f->steps[i], true, map);
    }
  }
  return map[target];
}

static void finish(const assembly *m, cy_instruction *instruction) {
  instruction->fused = m->fused;
  instruction->n_in = m->fused->n_inputs;
  instruction->in = m->in;
}

cy_status cy_again_alone(cy_program *p, const cy_again *a, cy_instruction *made) {
  const cy_instruction *maker = &p->instructions[a->maker];
  const cy_fused *f = maker->fused;
  assembly m;
  CY_TRY(assembly_begin(p, f, NULL, &m));
  cy_fused_output *output = take(p, 1, sizeof *output);
  cy_operand *out = take(p, 1, sizeof *out);
  int *map = cy_calloc((size_t)f->n_steps, sizeof *map);
  cy_buffer *buffers = map && output && out ? cy_realloc(p->buffers, (size_t)p->n_buffers + 1, sizeof *buffers) : NULL;
  if (!buffers) {
    cy_free(map);
    return cy_no_memory();
  }
  p->buffers = buffers;
  p->buffers[p->n_buffers] = p->buffers[maker->out[a->output].buffer];
  *output = f->outputs[a->output];
  *out = maker->out[a->output];
  out->buffer = p->n_buffers++;
  output->step = add_again(&m, p, a, map);
  m.fused->outputs = output;
  m.fused->n_outputs = 1;
  *made = (cy_instruction){.label = maker->label, .n_out = 1, .out = out};
  made->flops = (double)a->n_scalars * (double)cy_count(out->layout.shape);
  finish(&m, made);
  cy_free(map);
  return CY_OK;
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
  assembly m;
  *done = g != NULL;
  for (int k = 0; k < reader->n_in && *done; k++) *done = reader->in[k].buffer != value || walks_alike(p, a, reader, k);
  if (!*done) return CY_OK;
  CY_TRY(assembly_begin(p, g, f, &m));
  cy_fused_output *outputs = take(p, (size_t)g->n_outputs, sizeof *outputs);
  int *map = cy_calloc((size_t)f->n_steps, sizeof *map), *own = cy_calloc((size_t)g->n_steps, sizeof *own);
  if (!outputs || !map || !own) {
    cy_free(map);
    cy_free(own);
    return cy_no_memory();
  }
  int result = add_again(&m, p, a, map);
  for (int i = 0; i < g->n_steps; i++) {
    bool is_value = g->steps[i].kind == CY_STEP_INPUT && reader->in[g->steps[i].index].buffer == value;
    own[i] = is_value ? result : add_copy(&m, reader, &g->steps[i], false, own);
  }
  for (int o = 0; o < g->n_outputs; o++) {
    outputs[o] = g->outputs[o];
    outputs[o].step = own[outputs[o].step];
  }
  m.fused->outputs = outputs;
  finish(&m, reader);
  cy_free(map);
  cy_free(own);
  return CY_OK;
}

cy_status cy_again_drop(cy_program *p, cy_instruction *maker, int output) {
  const cy_fused *f = maker->fused;
  assembly m;
  CY_TRY(assembly_begin(p, f, NULL, &m));
  cy_fused_output *outputs = take(p, (size_t)f->n_outputs, sizeof *outputs);
  cy_operand *out = take(p, (size_t)f->n_outputs, sizeof *out);
  int *map = cy_calloc((size_t)f->n_steps, sizeof *map), n = 0;
  bool *needed = cy_calloc((size_t)f->n_steps, sizeof *needed);
  cy_status status = outputs && out && map && needed ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    for (int o = 0; o < f->n_outputs; o++)
      if (o != output) needed[f->outputs[o].step] = true;
    for (int i = f->n_steps - 1; i >= 0; i--)
      for (int k = 0; needed[i] && k < count_args(&f->steps[i]); k++) needed[f->steps[i].arg[k]] = true;
    for (int i = 0; i < f->n_steps; i++)
      if (needed[i]) map[i] = add_copy(&m, maker, &f->steps[i], false, map);
    for (int o = 0; o < f->n_outputs; o++) {
      if (o == output) continue;
      outputs[n] = f->outputs[o];
      outputs[n].step = map[outputs[n].step];
      out[n++] = maker->out[o];
    }
    m.fused->outputs = outputs;
    maker->n_out = m.fused->n_outputs = n;
    maker->out = out;
    finish(&m, maker);
  }
  cy_free(map);
  cy_free(needed);
  return status;
}
