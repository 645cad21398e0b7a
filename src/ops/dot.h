/* What kernels of the contraction need to know of its attributes. */
#ifndef CY_OPS_DOT_H
#define CY_OPS_DOT_H

#include "ops/ops.h"

/* Pairs of axes: carried along (batch) and summed over (contract). The result's axes are batch, a's others, b's others,
 * each in order. */
typedef struct cy_dot_attrs {
  cy_list a_batch, b_batch, a_contract, b_contract;
} cy_dot_attrs;
extern const cy_field cy_dot_fields[];

/* Axes that are neither batch nor contracted, in order; returns how many. */
int cy_dot_free_axes(int rank, const cy_list *batch, const cy_list *contract, int axes[CY_MAX_RANK]);

/* Its row's joins_around. */
bool cy_dot_joins_around(const void *attrs, cy_shape shape, int operand);

/* permute(dot(a, b)) by an order that keeps the batch axes first and exchanges the blocks of free axes is dot(b, a) with
 * the attributes given back; false for other orders. */
bool cy_dot_swap(const cy_dot_attrs *attrs, cy_value a, cy_value b, const cy_list *order, cy_dot_attrs *swapped);

/* The product element by element, for reference kernels: where each element's factors lie. */
typedef struct cy_dot_element {
  const cy_view *a, *b;
  int64_t a_outer[CY_MAX_RANK], b_outer[CY_MAX_RANK]; /* strides over the result's axes */
  int64_t a_inner[CY_MAX_RANK], b_inner[CY_MAX_RANK]; /* over the contracted axes */
  cy_shape inner;
} cy_dot_element;
cy_dot_element cy_dot_element_begin(const cy_dot_attrs *attrs, const cy_view *a, const cy_view *b);
/* The element of a floating-point product at the walk's place, summed in f64. */
double cy_dot_element_at(const cy_dot_element *element, const cy_walk *place);

/* c + scale dot(a, b), or c itself where scale is 0, whatever a and b hold (as in BLAS). scale is a scalar. */
cy_value cy_dot_add(cy_value c, cy_value a, cy_value b, cy_value scale, const cy_dot_attrs *attrs);
/* Rewrites that find it: c + v and c - v with v a scaled product used once; p ? (c + scale dot) : c with one p for all.
 * The empty value where the pattern does not hold. */
cy_value cy_find_dot_add(const cy_rule *rule, cy_value c, cy_value v, bool subtract);
cy_value cy_guard_dot_add(const cy_rule *rule);

#endif
