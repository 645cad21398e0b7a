#include "compile/group.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

static void *take(cy_program *p, size_t count, size_t size) {
  size_t bytes;
  return cy_mul_size(count ? count : 1, size, &bytes) ? cy_arena_alloc(p->memory, bytes) : NULL;
}

cy_status cy_group_begin(cy_program *p, size_t steps, size_t inputs, size_t outputs, cy_group *g) {
  *g = (cy_group){.fused = take(p, 1, sizeof *g->fused),
                  .steps = take(p, steps, sizeof *g->steps),
                  .inputs = take(p, inputs, sizeof *g->inputs),
                  .outputs = take(p, outputs, sizeof *g->outputs),
                  .in = take(p, inputs, sizeof *g->in),
                  .out = take(p, outputs, sizeof *g->out)};
  if (!g->fused || !g->steps || !g->inputs || !g->outputs || !g->in || !g->out) return cy_no_memory();
  *g->fused = (cy_fused){.steps = g->steps, .inputs = g->inputs, .outputs = g->outputs};
  return CY_OK;
}

void cy_group_set_domain(cy_group *g, int n_axes, int row_axes, const int64_t *dim) {
  g->fused->n_axes = n_axes;
  g->fused->row_axes = row_axes;
  memcpy(g->fused->dim, dim, (size_t)n_axes * sizeof *dim);
}

int cy_group_step(cy_group *g, cy_step step) {
  g->steps[g->fused->n_steps] = step;
  return g->fused->n_steps++;
}

int cy_group_constant(cy_group *g, cy_dtype dtype, double number) {
  for (int i = 0; i < g->fused->n_steps; i++)
    if (g->steps[i].kind == CY_STEP_CONSTANT && g->steps[i].dtype == dtype &&
        memcmp(&g->steps[i].number, &number, sizeof number) == 0)
      return i;
  return cy_group_step(g, (cy_step){.kind = CY_STEP_CONSTANT, .level = CY_ROW, .dtype = dtype, .number = number});
}

static bool is_input(const cy_group *g, int64_t i, const cy_fused_input *input, const cy_operand *operand) {
  return g->inputs[i].dtype == input->dtype && g->in[i].buffer == operand->buffer &&
         g->in[i].offset == operand->offset &&
         memcmp(g->inputs[i].stride, input->stride, (size_t)g->fused->n_axes * sizeof *input->stride) == 0;
}

int cy_group_input(cy_group *g, const cy_fused_input *input, const cy_operand *operand, cy_level level) {
  for (int i = 0; i < g->fused->n_steps; i++) {
    const cy_step *s = &g->steps[i];
    if (s->kind == CY_STEP_INPUT && s->level == level && is_input(g, s->index, input, operand)) return i;
  }
  const int n = g->fused->n_inputs++;
  g->inputs[n] = *input;
  g->in[n] = *operand;
  return cy_group_step(g, (cy_step){.kind = CY_STEP_INPUT, .level = level, .dtype = input->dtype, .index = n});
}

void cy_group_output(cy_group *g, const cy_fused_output *output, const cy_operand *operand) {
  const int n = g->fused->n_outputs++;
  g->outputs[n] = *output;
  g->out[n] = *operand;
}

void cy_group_end(const cy_group *g, cy_instruction *instruction) {
  instruction->fused = g->fused;
  instruction->n_in = g->fused->n_inputs;
  instruction->in = g->in;
  instruction->n_out = g->fused->n_outputs;
  instruction->out = g->out;
}
