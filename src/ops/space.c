/* Operations on the spatial axes of images [N, C, space...] that are made of others: padding by mirroring or repeating,
 * moving channels into space and back, pooling into a given number of bins. Their derivatives are those of their
 * parts. */
#include "ops/window.h"

/* 1 to 3 spatial axes; otherwise the graph's error. */
static bool is_image(cy_value x, const char *op) {
  char text[CY_SHAPE_TEXT];
  if (!cy_is_value(x) || cy_graph_failed(x.graph)) return false;
  cy_shape shape = cy_value_shape(x);
  if (shape.rank >= 3 && shape.rank <= 2 + CY_MAX_SPACE) return true;
  cy_graph_fail(x.graph, CY_INVALID, "%s: x has shape %s; it must be [N, C, space...] with 1 to %d spatial axes", op,
                cy_shape_text(shape, text), CY_MAX_SPACE);
  return false;
}

/* ---- padding ---- */

/* The n elements that continue x before (or after) its end along axis. */
static cy_value continued(cy_value x, int axis, int64_t n, bool before, cy_pad_mode mode) {
  cy_shape shape = cy_value_shape(x);
  int64_t extent = shape.dim[axis];
  if (mode == CY_PAD_REFLECT)
    return cy_flip(before ? cy_slice_axis(x, axis, 1, n + 1) : cy_slice_axis(x, axis, extent - 1 - n, extent - 1),
                   axis);
  shape.dim[axis] = n;
  return cy_broadcast(before ? cy_slice_axis(x, axis, 0, 1) : cy_slice_axis(x, axis, extent - 1, extent), shape);
}

static bool check_padding(cy_value x, int axis, int64_t low, int64_t high, cy_pad_mode mode) {
  int64_t extent = cy_value_shape(x).dim[axis], most = low > high ? low : high;
  int64_t least = mode == CY_PAD_REFLECT ? most : 0;
  if (low < 0 || high < 0)
    cy_graph_fail(x.graph, CY_INVALID, "pad_space: padding %lld, %lld along axis %d must not be negative",
                  (long long)low, (long long)high, axis);
  else if (most && extent <= least)
    cy_graph_fail(x.graph, CY_INVALID,
                  "pad_space: %s %lld elements along axis %d takes an extent above %lld, but x has %lld",
                  mode == CY_PAD_REFLECT ? "reflecting" : "repeating the edge over", (long long)most, axis,
                  (long long)least, (long long)extent);
  return !cy_graph_failed(x.graph);
}

cy_value cy_pad_space(cy_value x, const int64_t *low, const int64_t *high, cy_pad_mode mode) {
  if (!is_image(x, "pad_space")) return cy_failed(x.graph);
  int64_t before[CY_MAX_RANK] = {0}, after[CY_MAX_RANK] = {0};
  int rank = cy_value_shape(x).rank;
  for (int i = 2; i < rank; i++) {
    before[i] = low[i - 2];
    after[i] = high[i - 2];
  }
  if (mode == CY_PAD_ZERO) return cy_pad(x, before, after, NULL);
  for (int i = 2; i < rank; i++) {
    cy_value parts[3];
    int n = 0;
    if (!check_padding(x, i, before[i], after[i], mode)) return cy_failed(x.graph);
    if (before[i]) parts[n++] = continued(x, i, before[i], true, mode);
    parts[n++] = x;
    if (after[i]) parts[n++] = continued(x, i, after[i], false, mode);
    if (n > 1) x = cy_concat(parts, n, i);
  }
  return x;
}

/* ---- channels into space: "pixel shuffle", Shi et al. (2016) ---- */

static int64_t power(int64_t base, int n, bool *fits) {
  int64_t result = 1;
  *fits = true;
  for (int i = 0; i < n; i++) *fits = *fits && cy_mul_i64(result, base, &result);
  return result;
}

static bool check_factor(cy_value x, const char *op, int64_t factor) {
  if (factor < 1) cy_graph_fail(x.graph, CY_INVALID, "%s: the factor %lld must be positive", op, (long long)factor);
  return !cy_graph_failed(x.graph);
}

/* Channel c r^d + (k1, ..., kd) at s becomes channel c at s r + k. */
cy_value cy_pixel_shuffle(cy_value x, int64_t factor) {
  if (!is_image(x, "pixel_shuffle") || !check_factor(x, "pixel_shuffle", factor)) return cy_failed(x.graph);
  cy_shape from = cy_value_shape(x), split = {.rank = 2, .dim = {from.dim[0]}}, to = from;
  int space = from.rank - 2, order[CY_MAX_RANK] = {0, 1};
  bool fits;
  int64_t each = power(factor, space, &fits);
  if (!fits || from.dim[1] % each) {
    cy_graph_fail(x.graph, CY_INVALID, "pixel_shuffle: %lld channels cannot be divided by %lld^%d%s",
                  (long long)from.dim[1], (long long)factor, space, fits ? "" : ", which is past 2^63");
    return cy_failed(x.graph);
  }
  split.dim[1] = to.dim[1] = from.dim[1] / each;
  for (int i = 0; i < space; i++) split.dim[split.rank++] = factor;
  for (int i = 0; i < space; i++) {
    order[2 + 2 * i] = 2 + space + i;
    order[3 + 2 * i] = 2 + i;
    split.dim[split.rank++] = from.dim[2 + i];
    if (!cy_mul_i64(from.dim[2 + i], factor, &to.dim[2 + i]))
      to.dim[2 + i] = INT64_MAX; /* reshape says what is wrong */
  }
  return cy_reshape(cy_permute(cy_reshape(x, split), order), to);
}

cy_value cy_pixel_unshuffle(cy_value x, int64_t factor) {
  if (!is_image(x, "pixel_unshuffle") || !check_factor(x, "pixel_unshuffle", factor)) return cy_failed(x.graph);
  cy_shape from = cy_value_shape(x), split = {.rank = 2, .dim = {from.dim[0], from.dim[1]}}, to = from;
  int space = from.rank - 2, order[CY_MAX_RANK] = {0, 1};
  for (int i = 0; i < space; i++) {
    if (from.dim[2 + i] % factor) {
      cy_graph_fail(x.graph, CY_INVALID, "pixel_unshuffle: the extent %lld along axis %d cannot be divided by %lld",
                    (long long)from.dim[2 + i], 2 + i, (long long)factor);
      return cy_failed(x.graph);
    }
    to.dim[2 + i] = from.dim[2 + i] / factor;
    if (!cy_mul_i64(to.dim[1], factor, &to.dim[1])) to.dim[1] = INT64_MAX; /* only without elements; reshape refuses */
    split.dim[split.rank++] = to.dim[2 + i];
    split.dim[split.rank++] = factor;
    order[2 + i] = 3 + 2 * i;
    order[2 + space + i] = 2 + 2 * i;
  }
  return cy_reshape(cy_permute(cy_reshape(x, split), order), to);
}

/* ---- adaptive pooling: means and maxima of bins, by a product with a constant and a gather at one ---- */

/* Checks sizes; even: every bin of an axis has the same size, and they do not overlap: then these are their windows. */
static bool check_bins(cy_value x, const char *op, const int64_t *size, bool *even, cy_windows *windows) {
  if (!is_image(x, op)) return false;
  cy_shape shape = cy_value_shape(x);
  *even = true;
  *windows = (cy_windows){0};
  if (!cy_dtype_is_float(cy_value_dtype(x)))
    cy_graph_fail(x.graph, CY_INVALID, "%s: x is %s; it must be f32 or f64", op, cy_dtype_name(cy_value_dtype(x)));
  for (int i = 0; i < shape.rank - 2; i++) {
    int64_t in = shape.dim[i + 2], out = size[i];
    if (in < 1 || out < 1 || in > INT32_MAX || out > INT32_MAX) {
      cy_graph_fail(x.graph, CY_INVALID,
                    "%s: axis %d goes from extent %lld to %lld; both must be positive and below 2^31", op, i + 2,
                    (long long)in, (long long)out);
      return false;
    }
    *even = *even && in % out == 0;
    windows->kernel[i] = windows->stride[i] = in / out;
  }
  return !cy_graph_failed(x.graph);
}

/* A constant from a tensor that is filled here and freed: [out, columns]. */
static cy_value bins_constant(cy_graph *graph, const char *op, cy_dtype dtype, int64_t in, int64_t out, int64_t columns,
                              void fill(cy_tensor *, int64_t in, int64_t out, int64_t columns)) {
  cy_tensor *t;
  cy_status status = cy_tensor_create(dtype, CY_SHAPE(out, columns), &t);
  if (status != CY_OK) {
    cy_graph_fail(graph, status, "%s: %s", op, cy_error_message());
    return cy_failed(graph);
  }
  fill(t, in, out, columns);
  cy_value constant = cy_constant(graph, t);
  cy_tensor_free(t);
  return constant;
}

/* Row i averages bin i. */
static void fill_means(cy_tensor *t, int64_t in, int64_t out, int64_t columns) {
  for (int64_t i = 0; i < out; i++) {
    int64_t start = cy_bin_start(i, in, out), end = cy_bin_end(i, in, out);
    for (int64_t k = start; k < end; k++) cy_tensor_set(t, i * columns + k, 1 / (double)(end - start));
  }
}

/* Row i holds the places of bin i; shorter bins end with their first place again, which changes no maximum. */
static void fill_places(cy_tensor *t, int64_t in, int64_t out, int64_t columns) {
  for (int64_t i = 0; i < out; i++) {
    int64_t start = cy_bin_start(i, in, out), end = cy_bin_end(i, in, out);
    for (int64_t k = 0; k < columns; k++)
      cy_tensor_set(t, i * columns + k, (double)(start + k < end ? start + k : start));
  }
}

/* x times the matrix of means, along one axis. */
static cy_value average_axis(cy_value x, int axis, int64_t out) {
  int64_t in = cy_value_shape(x).dim[axis];
  int rank = cy_value_shape(x).rank, order[CY_MAX_RANK];
  cy_value means = bins_constant(x.graph, "adaptive_avg_pool", cy_value_dtype(x), in, out, in, fill_means);
  for (int i = 0; i < rank; i++) order[i] = i < axis ? i : i == axis ? rank - 1 : i - 1;
  return cy_permute(cy_dot(x, means, (cy_dot_axes){.n_contract = 1, .a_contract = {axis}, .b_contract = {1}}), order);
}

cy_value cy_adaptive_avg_pool(cy_value x, const int64_t *size) {
  cy_windows windows;
  bool even;
  if (!check_bins(x, "adaptive_avg_pool", size, &even, &windows)) return cy_failed(x.graph);
  if (even) return cy_avg_pool(x, windows, false);
  for (int i = 2; i < cy_value_shape(x).rank; i++)
    if (cy_value_shape(x).dim[i] != size[i - 2]) x = average_axis(x, i, size[i - 2]);
  return x;
}

/* Maxima of bins along one axis. */
static cy_value largest_along(cy_value x, int axis, int64_t out) {
  int64_t in = cy_value_shape(x).dim[axis], longest = 0;
  for (int64_t i = 0; i < out; i++) {
    int64_t length = cy_bin_end(i, in, out) - cy_bin_start(i, in, out);
    if (length > longest) longest = length;
  }
  cy_value places = bins_constant(x.graph, "adaptive_max_pool", CY_I64, in, out, longest, fill_places);
  return cy_reduce_max(cy_gather(x, places, axis, 0), (int[]){axis + 1}, 1, false);
}

/* The last axis first, so that of equal elements the first in row-major order is found. */
cy_value cy_adaptive_max_pool(cy_value x, const int64_t *size) {
  cy_windows windows;
  bool even;
  if (!check_bins(x, "adaptive_max_pool", size, &even, &windows)) return cy_failed(x.graph);
  if (even) return cy_max_pool(x, windows);
  for (int i = cy_value_shape(x).rank - 1; i >= 2 && cy_is_value(x); i--)
    if (cy_value_shape(x).dim[i] != size[i - 2]) x = largest_along(x, i, size[i - 2]);
  return x;
}
