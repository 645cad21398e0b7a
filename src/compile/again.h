/* Values of fused groups computed a second time: the steps that lead to one are taken out of the group that stores it
 * and put into a group of their own, or into the group that reads it. The same steps give the same bits. */
#ifndef CY_COMPILE_AGAIN_H
#define CY_COMPILE_AGAIN_H

#include "compile/lower.h"

/* An output of an instruction, as it would be computed again just before instruction `at`. */
typedef struct cy_again {
  int maker, output, at;
  int n_scalars; /* steps that compute */
  int n_reads;   /* full operands that are read */
  bool *step;    /* per step of the maker: is taken */
  int *stored;   /* per step: the maker's output to read instead of computing it, or -1 */
} cy_again;

/* Can it be? Every leaf must still hold then what the maker read: results of the maker that live until `at` (with far:
 * that have memory at all) are read rather than computed. Lives are those of the last plan. */
bool cy_again_find(const cy_program *p, int maker, int output, int at, bool far, cy_again *again);
cy_status cy_again_begin(const cy_program *p, cy_again *again);
void cy_again_end(cy_again *again);
/* A group that computes it into a new buffer. Its operands and steps are the program's, the kernel is open. */
cy_status cy_again_alone(cy_program *p, const cy_again *again, cy_instruction *made);
/* The reader with those steps in place of its input; false if it walks the value differently. */
cy_status cy_again_inside(cy_program *p, const cy_again *again, cy_instruction *reader, bool *done);
/* The maker without this output, nor the steps that only it needed. */
cy_status cy_again_drop(cy_program *p, cy_instruction *maker, int output);

#endif
