/* A fused group in the making. Its steps, inputs and outputs are added one by one to arrays of the program's arena, and
 * equal constants and equal inputs become one step. Made by emit_fused.c from nodes of a graph, and by again.c from
 * steps of other groups. */
#ifndef CY_COMPILE_GROUP_H
#define CY_COMPILE_GROUP_H

#include "compile/plan.h"

typedef struct cy_group {
  cy_fused *fused; /* what is below, and how much of it there is so far */
  cy_step *steps;
  cy_fused_input *inputs;
  cy_fused_output *outputs;
  cy_operand *in, *out;
} cy_group;

/* An empty group with room for so many; its domain must be set before inputs are added. */
cy_status cy_group_begin(cy_program *program, size_t steps, size_t inputs, size_t outputs, cy_group *group);
void cy_group_set_domain(cy_group *group, int n_axes, int row_axes, const int64_t *dim);
/* The numbers of steps: a new one, and those of a number and of an operand, new or not. */
int cy_group_step(cy_group *group, cy_step step);
int cy_group_constant(cy_group *group, cy_dtype dtype, double number);
int cy_group_input(cy_group *group, const cy_fused_input *input, const cy_operand *operand, cy_level level);
void cy_group_output(cy_group *group, const cy_fused_output *output, const cy_operand *operand);
/* The instruction runs the group: nothing may be added any more. */
void cy_group_end(const cy_group *group, cy_instruction *instruction);

#endif
