/* What the operations share that only rename elements: each is linear and can be a window onto its operand's memory. */
#ifndef CY_OPS_VIEWS_H
#define CY_OPS_VIEWS_H

#include "ops/ops.h"

void cy_view_kernel(const cy_call *call); /* copies operand 0, seen through the row's view, to the result */
void *cy_view_advance(const cy_view *view, int64_t elements);
/* A number spread over a tensor stays one whatever its shape. */
cy_value cy_view_simplify(const cy_rule *r);
const cy_node *cy_view_producer(const cy_rule *r, const cy_op *op); /* of the operand; NULL: another one */
/* permute(broadcast(x)): the axes of x go elsewhere, if they stay in order; else the empty value. */
cy_value cy_broadcast_permuted(cy_value v, const cy_list *order);

#endif
