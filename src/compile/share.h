/* A part of a program that does the same for each of some rows: the first axis of everything that moves. Its
 * instructions are cut down to a range of rows, so that threads may run parts of their own without waiting for one
 * another. */
#ifndef CY_COMPILE_SHARE_H
#define CY_COMPILE_SHARE_H

#include "compile/plan.h"

/* Called before kernels exist. *done is false, and the program as it was, if rows depend on one another. */
cy_status cy_take_share(cy_program *program, const cy_share *share, const cy_leaf *leaves, int n_leaves, bool *done);

#endif
