/* What the operation families share: rows, attribute fields, axis arithmetic, tangents that may be absent, sampling.
 * The table itself: cy_op_table lists every row; nothing else does. */
#ifndef CY_OPS_OPS_H
#define CY_OPS_OPS_H

#include "graph/graph.h"
#include "ops/scalar.h"

#include <cauchy/ops.h>

/* Every row, ending with NULL. */
extern const cy_op *const cy_op_table[];
const cy_op *cy_op_find(const char *name);

/* ---- families: each file defines these rows ---- */
extern const cy_op cy_op_elementwise[CY_SCALAR_COUNT]; /* indexed by cy_scalar_op */
extern const cy_op cy_op_reshape, cy_op_permute, cy_op_broadcast, cy_op_slice, cy_op_flip;
extern const cy_op cy_op_pad, cy_op_concat, cy_op_gather, cy_op_scatter_add, cy_op_iota;
extern const cy_op cy_op_sum, cy_op_reduce_max, cy_op_argmax, cy_op_cumsum, cy_op_prod, cy_op_dot, cy_op_dot_add;
extern const cy_op cy_op_convolution, cy_op_window_argmax, cy_op_window_gather, cy_op_window_scatter;
extern const cy_op cy_op_window_max, cy_op_window_sum, cy_op_window_spread, cy_op_resize, cy_op_resize_transpose;
extern const cy_op cy_op_random_uniform, cy_op_all_reduce;
extern const cy_op cy_op_normalize, cy_op_relu, cy_op_softplus, cy_op_logsumexp, cy_op_softmax, cy_op_log_softmax;

/* ---- tangents: an absent one is a zero ---- */
cy_value cy_tangent_sum(cy_value s, cy_value t);
cy_value cy_tangent_difference(cy_value s, cy_value t);
cy_value cy_tangent_choose(cy_value condition, cy_value s, cy_value t);
/* jvp of an operation that is linear in its only operand: the operation applied to the tangent. */
cy_value cy_jvp_linear(const cy_rule *rule);
/* jvp by the product rule: sum over operands i of the operation with operand i replaced by its tangent. */
cy_value cy_jvp_multilinear(const cy_rule *rule);

/* ---- batching: operands that have another axis in front, see struct cy_op ---- */
cy_shape cy_shape_in_front(int64_t extent, cy_shape shape);
/* Operand i with the axis, repeated along it if it had none. */
cy_value cy_batched(const cy_rule *rule, const bool *batched, int i, int64_t extent);
/* Rules: the same operation on everything; along the next axis, if that is the only attribute; with the first two axes
 * of each operand joined, as images are independent of each other. */
cy_value cy_batch_same(const cy_rule *rule, const bool *batched, int64_t extent);
cy_value cy_batch_along(const cy_rule *rule, const bool *batched, int64_t extent);
cy_value cy_batch_images(const cy_rule *rule, const bool *batched, int64_t extent);
/* Axis from of v, which comes after to, in its place. */
cy_value cy_move_axis(cy_value v, int from, int to);

/* A sum over the axes of mask whose terms are those of another sum times something common; empty if there is none. */
cy_value cy_find_shared_sum(const cy_rule *rule, uint32_t mask);

/* Where a value padded with zeros along one axis alone lies on it. */
bool cy_pad_place(cy_value pad, int *axis, int64_t *low);
/* A sum of values that are padded to different places of one axis is those values side by side; empty if it is none. */
cy_value cy_find_side_by_side(const cy_rule *rule);
/* Rewrites of sums and differences of products that share factors; the empty value where they do not. */
cy_value cy_find_common_factor(const cy_rule *rule, bool subtract);

/* Element k (row-major) is one, the others zero. */
cy_value cy_basis(cy_graph *graph, cy_type type, int64_t k);

/* ---- axes ---- */
/* -rank..rank-1 to 0..rank-1; otherwise the graph's error, and -1. */
int cy_axis(cy_value a, const char *op, int axis);
/* Attributes of an operation along one axis, and the check of its shape rule. */
typedef struct cy_axis_attrs {
  int64_t axis;
} cy_axis_attrs;
extern const cy_field cy_axis_fields[];
cy_status cy_check_axis(int64_t axis, int rank);
/* Set of axes from a list of n (all if n = 0 and axes is NULL): fails on range and repetition. */
bool cy_axis_set(cy_value a, const char *op, const int *axes, int n, bool set[CY_MAX_RANK]);
cy_status cy_fail_shapes(const char *format, cy_shape a, cy_shape b); /* format with two %s */

#define CY_LIST_FIELD(type, field) {#field, CY_FIELD_LIST, offsetof(type, field)}
#define CY_INT_FIELD(type, field) {#field, CY_FIELD_INT, offsetof(type, field)}
#define CY_END_FIELDS {NULL, CY_FIELD_INT, 0}

double cy_cost_zero(const void *attrs, const cy_type *in, int n, const cy_type *out);
double cy_cost_operands(const void *attrs, const cy_type *in, int n, const cy_type *out); /* one per operand element */
/* reach where all axes correspond: the same place. */
void cy_reach_pointwise(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach);
/* Bins of (nearly) equal size: bin i of an axis goes from floor(i in / out) to ceil((i + 1) in / out) - 1. */
static inline int64_t cy_bin_start(int64_t i, int64_t in, int64_t out) { return i * in / out; }
static inline int64_t cy_bin_end(int64_t i, int64_t in, int64_t out) { return ((i + 1) * in + out - 1) / out; }
/* The reach of bins; i is along axis. */
static inline cy_reach cy_reach_bins(int axis, int64_t in, int64_t out) {
  return (cy_reach){axis, in, 1 - out, in - 1, out, 1, false};
}

/* ---- sampling ---- */
/* A small random shape of rank low..high; one in eight has an empty axis if empty is allowed. */
cy_shape cy_sample_shape(cy_rng *rng, int low, int high, bool empty);
void cy_sample_operand(cy_sample *sample, int i, cy_dtype dtype, cy_shape shape, double low, double high);

/* For rules: the attributes as their struct. */
#define CY_ATTRS(type, rule) ((const type *)(rule)->node->attrs)

#endif
