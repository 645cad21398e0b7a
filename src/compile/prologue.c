/* Frozen programs: the instructions that depend on nothing but variables and constants come first, as a prologue that runs
 * once per binding. Their results stay in the arena, so nothing else may use that memory. */
#include "compile/lower.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

static bool reads_still(const cy_program *p, cy_instruction *instruction) {
  bool all = true;
  for (int k = 0; k < instruction->n_out; k++)
    all = all && p->buffers[instruction->out[k].buffer].place != CY_PLACE_BOUND;
  for (int k = 0; k < instruction->n_in; k++) {
    bool still = p->buffers[instruction->in[k].buffer].still;
    if (still && k < 32) instruction->still |= 1u << k;
    all = all && still;
  }
  return all;
}

cy_status cy_find_prologue(cy_program *p) {
  cy_instruction *order = cy_calloc((size_t)p->n_instructions, sizeof *order);
  int *later = cy_calloc((size_t)p->n_instructions, sizeof *later), n = 0;
  if (!order || !later) {
    cy_free(order);
    cy_free(later);
    return cy_no_memory();
  }
  for (int i = 0; i < p->n_buffers; i++) {
    cy_buffer *b = &p->buffers[i];
    b->still = b->place == CY_PLACE_CONSTANT || (b->place == CY_PLACE_BOUND && p->bindings[b->binding].variable);
  }
  for (int i = 0; i < p->n_instructions; i++) /* a loop's body writes variables, at another place in each step */
    for (int k = 0; k < p->instructions[i].n_out; k++) p->buffers[p->instructions[i].out[k].buffer].still = false;
  for (int i = 0; i < p->n_instructions; i++) {
    cy_instruction *instruction = &p->instructions[i];
    if (!reads_still(p, instruction)) {
      later[n++] = i;
      continue;
    }
    for (int k = 0; k < instruction->n_out; k++) p->buffers[instruction->out[k].buffer].still = true;
    instruction->still = 0; /* it runs once itself: its kernel need keep nothing */
    order[p->n_prologue++] = *instruction;
  }
  for (int i = 0; i < n; i++) order[p->n_prologue + i] = p->instructions[later[i]];
  if (p->n_instructions) memcpy(p->instructions, order, (size_t)p->n_instructions * sizeof *order);
  cy_free(order);
  cy_free(later);
  return CY_OK;
}
