/* Frozen programs: the instructions that depend on nothing but variables and constants come first, as a prologue that runs
 * once per binding. Their results stay in the arena, so nothing else may use that memory. */
#include "compile/lower.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

/* Does the instruction read what holds still alone, and write memory that nothing else writes? */
static bool is_still(const cy_program *p, cy_instruction *instruction, const int *writers) {
  bool all = true;
  for (int k = 0; k < instruction->n_out; k++) {
    int buffer = instruction->out[k].buffer;
    all = all && p->buffers[buffer].place != CY_PLACE_BOUND && writers[buffer] == 1;
  }
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
  int *writers = cy_calloc((size_t)p->n_buffers, sizeof *writers);
  if (!order || !later || !writers) {
    cy_free(order);
    cy_free(later);
    cy_free(writers);
    return cy_no_memory();
  }
  for (int i = 0; i < p->n_buffers; i++) {
    cy_buffer *b = &p->buffers[i];
    b->still = b->place == CY_PLACE_CONSTANT || (b->place == CY_PLACE_BOUND && p->bindings[b->binding].variable);
  }
  for (int i = 0; i < p->n_instructions; i++) /* a loop's body writes variables, at another place in each step */
    for (int k = 0; k < p->instructions[i].n_out; k++) {
      p->buffers[p->instructions[i].out[k].buffer].still = false;
      writers[p->instructions[i].out[k].buffer]++;
    }
  for (int i = 0; i < p->n_instructions; i++) {
    cy_instruction *instruction = &p->instructions[i];
    if (!is_still(p, instruction, writers)) {
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
  cy_free(writers);
  return CY_OK;
}
