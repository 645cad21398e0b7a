/* The scalar operations that fused groups and elementwise kernels are made of: one number per row of
 * elementwise.def, and the few expressions that C lacks. Expressions follow <tgmath.h>: the operand's type decides. */
#ifndef CY_OPS_SCALAR_H
#define CY_OPS_SCALAR_H

typedef enum cy_scalar_op {
#define CY_UNARY(name, ...) CY_SCALAR_##name,
#define CY_BINARY(name, ...) CY_SCALAR_##name,
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY
  CY_SCALAR_select,  /* operands: bool, T, T */
  CY_SCALAR_convert, /* one operand; the step's dtype says to what */
  CY_SCALAR_COUNT,
  CY_SCALAR_NONE = -1,
} cy_scalar_op;

/* NaN passes through max and min, whichever side it is on. sign(NaN) is NaN, sign(+-0) is 0. Both branches of the
 * logistic keep exp's argument negative, so nothing overflows. Integers divided by zero give zero. */
#define CY_LOGISTIC(a) ((a) >= 0 ? 1 / (1 + exp(-(a))) : exp(a) / (1 + exp(a)))
#define CY_ABS(a) ((a) < 0 ? -(a) : (a) + 0)
#define CY_SIGN(a) ((a) > 0 ? 1 : (a) < 0 ? -1 : (a))
#define CY_MAX(a, b) ((a) >= (b) || (a) != (a) ? (a) : (b))
#define CY_MIN(a, b) ((a) <= (b) || (a) != (a) ? (a) : (b))

#endif
