/* What kernels of the contraction need to know of its attributes. */
#ifndef CY_OPS_DOT_H
#define CY_OPS_DOT_H

#include "ops/ops.h"

/* Pairs of axes: carried along (batch) and summed over (contract). The result's axes are batch, a's others, b's others,
 * each in order. */
typedef struct cy_dot_attrs {
  cy_list a_batch, b_batch, a_contract, b_contract;
} cy_dot_attrs;

/* Axes that are neither batch nor contracted, in order; returns how many. */
int cy_dot_free_axes(int rank, const cy_list *batch, const cy_list *contract, int axes[CY_MAX_RANK]);

/* permute(dot(a, b)) by an order that keeps the batch axes first and exchanges the blocks of free axes, as dot(b, a);
 * the empty value for other orders. */
cy_value cy_dot_swapped(const cy_node *dot, cy_graph *graph, const cy_list *order);

#endif
