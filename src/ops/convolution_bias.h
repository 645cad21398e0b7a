/* Convolution, bias and relu as one operation, and the rewrites that find it. */
#ifndef CY_OPS_CONVOLUTION_BIAS_H
#define CY_OPS_CONVOLUTION_BIAS_H

#include "ops/window.h"

extern const cy_op cy_op_convolution_bias;

typedef struct cy_convolution_bias_attrs {
  cy_window_attrs windows; /* role y */
  int64_t relu;            /* 1: negative results become 0 */
} cy_convolution_bias_attrs;

/* Rewrites, for the late phase; the empty value where the pattern does not hold. v and u are the operands of an addition
 * (sign 1), a subtraction v - u (sign -1), a product, or a maximum; one is a convolution that nothing else uses, the other one
 * number per channel or, for the maximum, zero. */
cy_value cy_find_convolution_bias(const cy_rule *rule, cy_value v, cy_value u, int sign);
cy_value cy_find_convolution_scale(const cy_rule *rule, cy_value v, cy_value u);
cy_value cy_find_convolution_relu(const cy_rule *rule, cy_value zero, cy_value v);

#endif
