/* The operations. Shapes and dtypes are checked as the graph is built; a mistake is the graph's sticky error.
 * Binary operations broadcast as NumPy does (shapes aligned at the right, extents equal or 1); dtypes must
 * agree. Axes may be negative: -1 is the last. Conventions at kinks: relu'(0) = 0, |x|'(0) = 0, max and min
 * send the derivative to the first of equal operands, sign' = floor' = 0. */
#ifndef CAUCHY_OPS_H
#define CAUCHY_OPS_H

#include <cauchy/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- elementwise ---- */
CY_API cy_value cy_neg(cy_value a);
CY_API cy_value cy_exp(cy_value a);
CY_API cy_value cy_log(cy_value a);
CY_API cy_value cy_expm1(cy_value a);
CY_API cy_value cy_log1p(cy_value a);
CY_API cy_value cy_sin(cy_value a);
CY_API cy_value cy_cos(cy_value a);
CY_API cy_value cy_tanh(cy_value a);
CY_API cy_value cy_logistic(cy_value a); /* 1 / (1 + exp(-a)) */
CY_API cy_value cy_erf(cy_value a);
CY_API cy_value cy_sqrt(cy_value a);
CY_API cy_value cy_rsqrt(cy_value a); /* 1 / sqrt(a) */
CY_API cy_value cy_abs(cy_value a);
CY_API cy_value cy_sign(cy_value a);
CY_API cy_value cy_floor(cy_value a);
CY_API cy_value cy_stop_gradient(cy_value a); /* the value, with derivative zero */
CY_API cy_value cy_add(cy_value a, cy_value b);
CY_API cy_value cy_sub(cy_value a, cy_value b);
CY_API cy_value cy_mul(cy_value a, cy_value b);
CY_API cy_value cy_div(cy_value a, cy_value b); /* integers: towards zero; by zero gives zero */
CY_API cy_value cy_pow(cy_value a, cy_value b);
CY_API cy_value cy_max(cy_value a, cy_value b);
CY_API cy_value cy_min(cy_value a, cy_value b);
CY_API cy_value cy_eq(cy_value a, cy_value b); /* comparisons give bool */
CY_API cy_value cy_ne(cy_value a, cy_value b);
CY_API cy_value cy_lt(cy_value a, cy_value b);
CY_API cy_value cy_le(cy_value a, cy_value b);
CY_API cy_value cy_gt(cy_value a, cy_value b);
CY_API cy_value cy_ge(cy_value a, cy_value b);
CY_API cy_value cy_select(cy_value condition, cy_value a, cy_value b); /* condition (bool) ? a : b */
CY_API cy_value cy_convert(cy_value a, cy_dtype dtype);
/* With a number, in a's dtype: a + s, a - s is a + (-s), a * s, and so on. */
CY_API cy_value cy_add_scalar(cy_value a, double s);
CY_API cy_value cy_mul_scalar(cy_value a, double s);
CY_API cy_value cy_pow_scalar(cy_value a, double s);
CY_API cy_value cy_max_scalar(cy_value a, double s);
CY_API cy_value cy_rsub_scalar(double s, cy_value a); /* s - a */
CY_API cy_value cy_rdiv_scalar(double s, cy_value a); /* s / a */
CY_API cy_value cy_zeros_like(cy_value a);
CY_API cy_value cy_ones_like(cy_value a);

/* ---- shape ---- */
CY_API cy_value cy_reshape(cy_value a, cy_shape shape); /* one extent may be -1: computed */
CY_API cy_value cy_permute(cy_value a, const int *axes); /* out axis i is a's axis axes[i] */
CY_API cy_value cy_transpose(cy_value a);                /* swaps the last two axes */
CY_API cy_value cy_broadcast(cy_value a, cy_shape shape); /* as NumPy broadcast_to */
/* Axis i of a becomes axis axes[i] of the result; the result's other axes repeat a. */
CY_API cy_value cy_broadcast_axes(cy_value a, cy_shape shape, const int *axes);
/* a[start:limit:stride] along every axis; strides may be NULL (ones). */
CY_API cy_value cy_slice(cy_value a, const int64_t *start, const int64_t *limit, const int64_t *strides);
CY_API cy_value cy_slice_axis(cy_value a, int axis, int64_t start, int64_t limit);
/* Zeros around (low, high) and between (interior, may be NULL) the elements along each axis; >= 0. */
CY_API cy_value cy_pad(cy_value a, const int64_t *low, const int64_t *high, const int64_t *interior);
CY_API cy_value cy_concat(const cy_value *parts, int n, int axis);
CY_API cy_value cy_flip(cy_value a, int axis);
/* Takes along one axis: with batch leading axes shared by a and index (batch <= axis),
 * out = a.shape[:axis] + index.shape[batch:] + a.shape[axis+1:]. index is i32 or i64; an index outside
 * 0..extent-1 reads zero. Embedding: batch 0, axis 0. */
CY_API cy_value cy_gather(cy_value a, cy_value index, int axis, int batch);
/* The transpose of gather: adds updates into zeros whose axis has the given size; indices outside are ignored. */
CY_API cy_value cy_scatter_add(cy_value updates, cy_value index, int axis, int batch, int64_t size);
CY_API cy_value cy_iota(cy_graph *graph, cy_dtype dtype, cy_shape shape, int axis); /* 0, 1, 2, ... along axis */
CY_API cy_value cy_one_hot(cy_value labels, int64_t classes, cy_dtype dtype);       /* adds a last axis */

/* ---- reduce and contract ---- */
/* axes may be NULL with n = 0: all axes. keep: leave the reduced axes as extent 1. */
CY_API cy_value cy_sum(cy_value a, const int *axes, int n, bool keep);
CY_API cy_value cy_mean(cy_value a, const int *axes, int n, bool keep);
CY_API cy_value cy_reduce_max(cy_value a, const int *axes, int n, bool keep); /* of nothing: -inf */
CY_API cy_value cy_reduce_min(cy_value a, const int *axes, int n, bool keep);
CY_API cy_value cy_prod(cy_value a, const int *axes, int n, bool keep);
CY_API cy_value cy_argmax(cy_value a, int axis, bool keep); /* i64; the first of equal values; NaN counts as largest */
CY_API cy_value cy_cumsum(cy_value a, int axis, bool reverse);
/* Product of matrices in the last two axes; leading axes broadcast. */
CY_API cy_value cy_matmul(cy_value a, cy_value b);
/* The general contraction. Pairs of axes that are carried along (batch) and summed over (contract).
 * Result axes: batch, a's others, b's others, each in order. */
typedef struct cy_dot_axes {
  int n_batch, n_contract;
  int a_batch[CY_MAX_RANK], b_batch[CY_MAX_RANK];
  int a_contract[CY_MAX_RANK], b_contract[CY_MAX_RANK];
} cy_dot_axes;
CY_API cy_value cy_dot(cy_value a, cy_value b, cy_dot_axes axes);

/* ---- windows: x is [N, C, space...] with 1 to 3 spatial axes ----
 * Extent of the result along a spatial axis: floor((in + low + high - (dilation (kernel - 1) + 1)) / stride) + 1; it must be
 * positive. Only the first spatial-axes-many entries are read; 0 is the usual default (strides, dilations and groups 1,
 * padding 0). */
enum { CY_MAX_SPACE = 3 };
typedef struct cy_windows {
  int64_t kernel[CY_MAX_SPACE]; /* pooling; convolutions take it from their weight */
  int64_t stride[CY_MAX_SPACE], dilation[CY_MAX_SPACE];
  int64_t low[CY_MAX_SPACE], high[CY_MAX_SPACE]; /* padding before and after, >= 0: zeros; nothing for maxima */
  int64_t groups;                                /* convolutions */
} cy_windows;

/* The convolution (cross-correlation, as networks compute it) is one trilinear form
 *   T(x, w, y) = sum x[n, c, i stride - low + t dilation] w[o, c, t] y[n, o, i],  c and o of the same group,
 * with the argument that is left out as the result: output y [N, O, ...] from x [N, C, ...] and w [O, C / groups, k...]; input x
 * from w and y (the transposed convolution: the gradient of x); weight w from x and y. Each is the others' derivative. size: the
 * spatial extents of x, or of the kernel, which y alone does not tell. */
CY_API cy_value cy_convolution(cy_value x, cy_value w, cy_windows windows);
CY_API cy_value cy_convolution_input(cy_value w, cy_value y, cy_windows windows, const int64_t *size);
CY_API cy_value cy_convolution_weight(cy_value x, cy_value y, cy_windows windows, const int64_t *size);
/* i32 [N, C, out...]: where the largest element of each window is, as position in x's flattened spatial axes; the first of
 * equal ones, NaN counts as largest; -1 for a window that holds nothing but padding. */
CY_API cy_value cy_window_argmax(cy_value x, cy_windows windows);
CY_API cy_value cy_max_pool(cy_value x, cy_windows windows); /* gathers at cy_window_argmax; a window of padding gives 0 */
/* What x [N, C, space...] holds at the positions in index (i32 [N, C, out...]), and the transpose, which adds y into zeros of
 * the spatial extents size. Positions are in x's flattened spatial axes; outside of them (-1) gather reads 0, scatter does
 * nothing. */
CY_API cy_value cy_window_gather(cy_value x, cy_value index);
CY_API cy_value cy_window_scatter(cy_value y, cy_value index, const int64_t *size);
/* Sums of windows of every channel, and the transpose: spreads y over the windows; size: x's spatial extents. */
CY_API cy_value cy_window_sum(cy_value x, cy_windows windows);
CY_API cy_value cy_window_spread(cy_value y, cy_windows windows, const int64_t *size);
/* Means of windows. count_padding: divide by the window's size; otherwise by its elements inside x. */
CY_API cy_value cy_avg_pool(cy_value x, cy_windows windows, bool count_padding);
/* Bins of (nearly) equal size, from floor(i in / out) to ceil((i + 1) in / out), as PyTorch's adaptive pooling. */
CY_API cy_value cy_adaptive_avg_pool(cy_value x, const int64_t *size);
CY_API cy_value cy_adaptive_max_pool(cy_value x, const int64_t *size);
typedef enum cy_resize_mode { CY_RESIZE_NEAREST, CY_RESIZE_LINEAR, CY_RESIZE_CUBIC } cy_resize_mode; /* cubic: a = -0.5 (Keys 1981) */
/* Spatial axes to the given extents. Element i lies at (i + 1/2) in / out - 1/2 (half-pixel centres), or at
 * i (in - 1) / (out - 1) with corners aligned; edges repeat. Nearest takes floor(i in / out), with corners aligned the
 * position rounded, halves down. Nearest and linear are as in PyTorch; PyTorch's cubic has a = -0.75. Plain
 * interpolation: no low-pass filter when shrinking. */
CY_API cy_value cy_resize(cy_value x, const int64_t *size, cy_resize_mode mode, bool align_corners);
typedef enum cy_pad_mode { CY_PAD_ZERO, CY_PAD_REFLECT, CY_PAD_EDGE } cy_pad_mode; /* reflect: without the edge; pad < extent */
CY_API cy_value cy_pad_space(cy_value x, const int64_t *low, const int64_t *high, cy_pad_mode mode);
/* [N, C r^d, s...] -> [N, C, r s...] (Shi et al. 2016), and back. */
CY_API cy_value cy_pixel_shuffle(cy_value x, int64_t factor);
CY_API cy_value cy_pixel_unshuffle(cy_value x, int64_t factor);

/* ---- random ---- */
/* Uniform in [0, 1). Element p is Philox4x32-10 of (seed, step, stream, p), whatever the threads. seed and
 * step are i64 scalars; stream separates the uses in one graph. */
CY_API cy_value cy_random_uniform(cy_value seed, cy_value step, int64_t stream, cy_dtype dtype, cy_shape shape);
CY_API cy_value cy_random_normal(cy_value seed, cy_value step, int64_t stream, cy_dtype dtype, cy_shape shape);

/* ---- collective ---- */
/* Sum over the processes that run this program together; its transpose is itself. */
CY_API cy_value cy_all_reduce(cy_value a);

/* ---- composites: named, with a body of primitives ---- */
/* (a - mean) / sqrt(variance + epsilon), mean and biased variance over the axes (NULL with n = 0: all), which stay. */
CY_API cy_value cy_normalize(cy_value a, const int *axes, int n, double epsilon);
CY_API cy_value cy_relu(cy_value a);
CY_API cy_value cy_square(cy_value a);
CY_API cy_value cy_softplus(cy_value a);              /* log(1 + exp(a)), finite for all a */
CY_API cy_value cy_logsumexp(cy_value a, int axis, bool keep);
CY_API cy_value cy_softmax(cy_value a, int axis);
CY_API cy_value cy_log_softmax(cy_value a, int axis); /* finite for +-1e4; -inf entries stay -inf */

#ifdef __cplusplus
}
#endif
#endif
