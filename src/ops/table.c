/* The table of operations: every row, once. Tests walk it; adding a row here is what makes an operation exist. */
#include "ops/convolution_bias.h"
#include "ops/scan.h"

#include <string.h>

const cy_op *const cy_op_table[] = {
    &cy_op_full, &cy_op_iota,
#define CY_UNARY(name, ...) &cy_op_elementwise[CY_SCALAR_##name],
#define CY_BINARY(name, ...) &cy_op_elementwise[CY_SCALAR_##name],
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY
    &cy_op_elementwise[CY_SCALAR_select], &cy_op_elementwise[CY_SCALAR_convert],
    &cy_op_reshape, &cy_op_permute, &cy_op_broadcast, &cy_op_slice, &cy_op_flip,
    &cy_op_pad, &cy_op_concat, &cy_op_gather, &cy_op_scatter_add,
    &cy_op_sum, &cy_op_reduce_max, &cy_op_argmax, &cy_op_cumsum, &cy_op_prod,
    &cy_op_dot, &cy_op_dot_add, &cy_op_convolution, &cy_op_convolution_bias,
    &cy_op_window_argmax, &cy_op_window_gather, &cy_op_window_scatter, &cy_op_window_max, &cy_op_window_sum,
    &cy_op_window_spread,
    &cy_op_resize, &cy_op_resize_transpose,
    &cy_op_scan, &cy_op_scan_sequence, &cy_op_scan_carries, &cy_op_scan_last, &cy_op_scan_bundle,
    &cy_op_random_uniform, &cy_op_all_reduce,
    &cy_op_normalize, &cy_op_relu, &cy_op_softplus, &cy_op_logsumexp, &cy_op_softmax, &cy_op_log_softmax,
    NULL,
};

const cy_op *cy_op_find(const char *name) {
  for (const cy_op *const *op = cy_op_table; *op; op++)
    if (strcmp((*op)->name, name) == 0) return *op;
  return NULL;
}
