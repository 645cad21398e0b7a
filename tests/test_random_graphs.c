/* Random graphs of every kind of operation, dtype and shape (empty and unit extents, one wide axis), with outputs,
 * first and second derivatives and updates of variables over several steps: the CPU backend, fused and not, on one and
 * two threads, frozen, against plain evaluation by the reference kernels, which update nothing themselves.
 * CAUCHY_SEEDS=first:count runs others than the usual ones. Values stay near 1 and are never compared where rounding
 * could decide, so that the backends must agree closely. */
#include "harness.h"

enum { INPUTS = 9, VARIABLES = 3, STEPS = 22, POOL = INPUTS + VARIABLES + STEPS, OUTPUTS = 6, RUNS = 3 };

typedef struct world {
  cy_rng rng;
  cy_graph *graph;
  cy_dtype real; /* the floating-point type of this graph */
  cy_value pool[POOL];
  int n;

} world;

static int below(world *w, int n) { return (int)cy_rng_below(&w->rng, n); }
static bool is_real(cy_value v) { return cy_dtype_is_float(cy_value_dtype(v)); }
static int rank(cy_value v) { return cy_value_shape(v).rank; }
static int64_t size(cy_value v) { return cy_count(cy_value_shape(v)); }

/* ---- values of a wanted kind ---- */

/* A value of the pool that holds real numbers (or not). */
static cy_value pick(world *w, bool real) {
  for (int i = 0; i < 8; i++) {
    cy_value v = w->pool[below(w, w->n)];
    if (is_real(v) == real) return v;
  }
  for (int i = below(w, w->n), k = 0; k < w->n; k++, i = (i + 1) % w->n)
    if (is_real(w->pool[i]) == real) return w->pool[i];
  return w->pool[0];
}

static bool same_type(cy_value a, cy_value b) {
  return cy_value_dtype(a) == cy_value_dtype(b) && cy_shape_equal(cy_value_shape(a), cy_value_shape(b));
}

/* Another value of a's type: from the pool if it has one, else made of a. */
static cy_value partner(world *w, cy_value a) {
  for (int i = below(w, w->n), k = 0; k < w->n; k++, i = (i + 1) % w->n)
    if (same_type(w->pool[i], a) && w->pool[i].id != a.id) return w->pool[i];
  if (rank(a)) return cy_flip(a, below(w, rank(a)));
  return cy_value_dtype(a) == CY_BOOL ? a : cy_neg(a);
}

/* One that broadcasts against a: a's type, or a reduced to extents of 1 along an axis. */
static cy_value broadcasting_partner(world *w, cy_value a) {
  cy_value b = partner(w, a);
  if (!rank(a) || cy_value_dtype(a) == CY_BOOL || below(w, 3)) return b;
  int axis = below(w, rank(a));
  return cy_reduce_max(b, &axis, 1, true);
}

static cy_value scaled(cy_value a, double s) { return cy_mul_scalar(a, s); }
static cy_value average(cy_value a, cy_value b) { return scaled(cy_add(a, b), 0.5); }

static cy_value condition(world *w, cy_value like) { /* bool of like's shape that no rounding can change */
  cy_shape shape = cy_value_shape(like);
  for (int i = 0; i < w->n; i++)
    if (cy_value_dtype(w->pool[i]) == CY_BOOL && cy_shape_equal(cy_value_shape(w->pool[i]), shape) && below(w, 2))
      return w->pool[i];
  if (!shape.rank) return cy_full(w->graph, CY_BOOL, shape, below(w, 2));
  cy_value place = cy_iota(w->graph, below(w, 2) ? CY_I32 : CY_I64, shape, below(w, shape.rank));
  cy_value limit = cy_full(w->graph, cy_value_dtype(place), shape, below(w, 4));
  switch (below(w, 4)) {
    case 0: return cy_lt(place, limit);
    case 1: return cy_eq(place, limit);
    case 2: return cy_ge(limit, place);
    default: return cy_ne(place, limit);
  }
}

/* ---- kinds of steps ---- */

static cy_value elementwise_real(world *w, cy_value a) {
  cy_value b = broadcasting_partner(w, a), one = cy_ones_like(a);
  switch (below(w, 26)) {
    case 0: return average(a, b);
    case 1: return scaled(cy_sub(a, b), 0.5);
    case 2: return cy_mul(cy_tanh(a), b);
    case 3: return cy_div(a, cy_add_scalar(cy_sin(b), 2));
    case 4: return cy_pow(cy_add_scalar(cy_tanh(a), 2), cy_sin(b));
    case 5: return cy_max(a, b);
    case 6: return cy_min(a, b);
    case 7: return cy_exp(cy_neg(cy_abs(a)));
    case 8: return cy_log1p(cy_mul(a, a));
    case 9: return cy_log(cy_add(one, cy_mul(b, b)));
    case 10: return cy_sin(a);
    case 11: return cy_cos(a);
    case 12: return cy_logistic(a);
    case 13: return cy_erf(a);
    case 14: return cy_sqrt(cy_add(one, cy_mul(a, a)));
    case 15: return cy_rsqrt(cy_add(one, cy_mul(a, a)));
    case 16: return cy_expm1(cy_tanh(a));
    case 17: return cy_softplus(a);
    case 18: return cy_relu(a);
    case 19: return cy_select(condition(w, a), a, partner(w, a));
    case 20: return cy_stop_gradient(a);
    case 21: return cy_neg(a);
    case 22: return cy_pow_scalar(a, below(w, 4));
    case 23: return cy_rdiv_scalar(2, cy_add_scalar(cy_tanh(a), 3));
    case 24: return cy_all_reduce(a);
    default: return cy_square(cy_tanh(a));
  }
}

static cy_value elementwise_exact(world *w, cy_value a) {
  cy_value b = broadcasting_partner(w, a);
  bool logical = cy_value_dtype(a) == CY_BOOL;
  switch (below(w, 18)) {
    case 0: return cy_max(a, b);
    case 1: return cy_min(a, b);
    case 2: return cy_eq(a, b);
    case 3: return cy_ne(a, b);
    case 4: return cy_lt(a, b);
    case 5: return cy_le(a, b);
    case 6: return cy_gt(a, b);
    case 7: return cy_ge(a, b);
    case 8: return cy_select(condition(w, a), a, partner(w, a));
    case 9: return scaled(cy_convert(cy_min(cy_max(a, cy_full(w->graph, cy_value_dtype(a), CY_SCALAR, -6)),
                                            cy_full(w->graph, cy_value_dtype(a), CY_SCALAR, 6)), w->real), 0.25);
    case 10: return cy_convert(a, (cy_dtype)(CY_I32 + below(w, 4)));
    case 11: return logical ? a : cy_add(a, b);
    case 12: return logical ? a : cy_sub(a, b);
    case 13: return logical ? a : cy_mul(a, b);
    case 14: return logical ? a : cy_div(a, b);
    case 15: return logical ? a : cy_neg(a);
    case 16: return logical ? a : cy_abs(a);
    default: return logical ? a : cy_sign(a);
  }
}

static cy_value reduction(world *w, cy_value a) {
  cy_shape shape = cy_value_shape(a);
  int axes[CY_MAX_RANK], n = 0;
  for (int i = 0; i < shape.rank; i++)
    if (below(w, 2)) axes[n++] = i;
  if (!n && shape.rank) axes[n++] = below(w, shape.rank);
  bool keep = below(w, 2), empty = !cy_count(shape);
  int axis = shape.rank ? axes[0] : 0;
  if (cy_value_dtype(a) == CY_BOOL) a = cy_convert(a, below(w, 2) ? CY_I32 : CY_I64);
  if (!is_real(a)) {
    int kind = below(w, 6);
    if (kind == 0 && shape.rank && shape.dim[axis]) return cy_argmax(a, axis, keep);
    if (kind == 1 && shape.rank) return cy_cumsum(a, axis, keep);
    if (kind == 2) return cy_prod(a, axes, n, keep);
    if (kind == 3) return cy_reduce_max(a, axes, n, keep);
    if (kind == 4) return cy_reduce_min(a, axes, n, keep);
    return cy_sum(a, axes, n, keep);
  }
  double count = 1;
  for (int i = 0; i < n; i++) count *= shape.dim[axes[i]] ? (double)shape.dim[axes[i]] : 1;
  switch (below(w, 12)) {
    case 0: return empty ? cy_sum(a, axes, n, keep) : cy_mean(a, axes, n, keep);
    case 1: return empty ? a : cy_reduce_max(a, axes, n, keep);
    case 2: return empty ? a : cy_reduce_min(a, axes, n, keep);
    case 3: return count < 40 ? cy_prod(cy_tanh(a), axes, n, keep) : cy_cos(a);
    case 4: return shape.rank ? cy_softmax(a, axis) : cy_tanh(a);
    case 5: return shape.rank && !empty ? scaled(cy_log_softmax(a, axis), 0.25) : cy_tanh(a);
    case 6: return shape.rank && !empty ? scaled(cy_logsumexp(a, axis, keep), 0.25) : cy_tanh(a);
    case 7: return shape.rank ? scaled(cy_cumsum(a, axis, keep), 1 / count) : cy_tanh(a);
    case 8: return cy_broadcast(scaled(cy_sum(a, axes, n, true), 1 / count), shape);
    case 9: return empty ? a : scaled(cy_sub(a, cy_reduce_max(a, axes, n, true)), 0.5);
    default: return scaled(cy_sum(a, axes, n, keep), 1 / count);
  }
}

static cy_value reshaped(world *w, cy_value a) {
  cy_shape shape = cy_value_shape(a), to = {0};
  switch (below(w, 4)) {
    case 0: return cy_reshape(a, CY_SHAPE(size(a)));
    case 1: /* without extents of 1 */
      for (int i = 0; i < shape.rank; i++)
        if (shape.dim[i] != 1) to.dim[to.rank++] = shape.dim[i];
      return cy_reshape(a, to);
    case 2: /* one more of them */
      if (shape.rank >= 4) return a;
      for (int i = 0, at = below(w, shape.rank + 1); i <= shape.rank; i++) {
        if (i == at) to.dim[to.rank++] = 1;
        if (i < shape.rank) to.dim[to.rank++] = shape.dim[i];
      }
      return cy_reshape(a, to);
    default: /* two axes joined, or one split */
      if (shape.rank < 2) return size(a) && size(a) % 2 == 0 ? cy_reshape(a, CY_SHAPE(2, size(a) / 2)) : a;
      for (int i = 0, at = below(w, shape.rank - 1); i < shape.rank; i++) {
        to.dim[to.rank++] = i == at ? shape.dim[i] * shape.dim[i + 1] : shape.dim[i];
        if (i == at) i++;
      }
      return cy_reshape(a, to);
  }
}

static cy_value moved(world *w, cy_value a) {
  cy_shape shape = cy_value_shape(a), to = shape;
  int64_t low[CY_MAX_RANK] = {0}, high[CY_MAX_RANK] = {0}, step[CY_MAX_RANK] = {0}, order[CY_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  int axes[CY_MAX_RANK];
  int axis = shape.rank ? below(w, shape.rank) : 0;
  switch (below(w, 8)) {
    case 0: return reshaped(w, a);
    case 1:
      cy_rng_shuffle(&w->rng, order, shape.rank);
      for (int i = 0; i < shape.rank; i++) axes[i] = (int)order[i];
      return cy_permute(a, axes);
    case 2: return shape.rank ? cy_flip(a, axis) : a;
    case 3:
      for (int i = 0; i < shape.rank; i++) {
        low[i] = cy_rng_below(&w->rng, shape.dim[i] + 1);
        if (below(w, 2)) low[i] = 0;
        high[i] = low[i] + cy_rng_below(&w->rng, shape.dim[i] - low[i] + 1);
        if (below(w, 2)) high[i] = shape.dim[i];
        step[i] = 1 + below(w, 2);
      }
      return cy_slice(a, low, high, step);
    case 4:
      for (int i = 0; i < shape.rank; i++) low[i] = below(w, 2), high[i] = below(w, 3) == 0, step[i] = below(w, 3) == 0;
      return size(a) < 3000 ? cy_pad(a, low, high, step) : a;
    case 5: {
      cy_value parts[3] = {a, partner(w, a), a};
      return shape.rank && size(a) < 3000 ? cy_concat(parts, 1 + below(w, 3), axis) : a;
    }
    case 6: /* repeated along a new axis, or along one of extent 1 */
      if (shape.rank >= 4 || size(a) > 2000) return a;
      to = (cy_shape){0};
      for (int i = 0, at = below(w, shape.rank + 1); i <= shape.rank; i++) {
        if (i == at) to.dim[to.rank++] = 1 + below(w, 3);
        if (i == shape.rank) break;
        axes[i] = to.rank;
        to.dim[to.rank++] = shape.dim[i] == 1 && below(w, 2) ? 3 : shape.dim[i];
      }
      return cy_broadcast_axes(a, to, axes);
    default: return shape.rank >= 2 ? cy_transpose(a) : a;
  }
}

/* Integers to be used as places: some outside. */
static cy_value places(world *w, cy_shape shape) {
  cy_dtype dtype = below(w, 2) ? CY_I32 : CY_I64;
  for (int i = 0; i < w->n; i++)
    if ((cy_value_dtype(w->pool[i]) == CY_I32 || cy_value_dtype(w->pool[i]) == CY_I64) && cy_shape_equal(cy_value_shape(w->pool[i]), shape) && below(w, 2))
      return w->pool[i];
  if (!shape.rank) return cy_full(w->graph, dtype, shape, below(w, 5) - 1);
  cy_value step = cy_iota(w->graph, dtype, shape, below(w, shape.rank));
  return cy_sub(cy_full(w->graph, dtype, shape, below(w, 5)), below(w, 2) ? step : cy_mul(step, step));
}

static cy_value indexed(world *w, cy_value a) {
  cy_shape shape = cy_value_shape(a), index = {0};
  if (!shape.rank) return a;
  int axis = below(w, shape.rank), batch = below(w, axis + 1), kind = below(w, 4);
  for (int i = 0; i < batch; i++) index.dim[index.rank++] = shape.dim[i];
  if (kind == 0 && cy_count(shape)) { /* the largest, wherever it is */
    cy_value last = a;
    if (!is_real(a)) return cy_argmax(a, axis, true);
    index.rank = 0;
    for (int i = 0; i + 1 < shape.rank; i++) index.dim[index.rank++] = shape.dim[i];
    return cy_gather(last, cy_argmax(last, -1, false), -1, index.rank);
  }
  if (kind == 1) { /* scatter */
    int inner = 1 + below(w, shape.rank - axis > 1 ? 2 : 1);
    for (int i = 0; i < inner; i++) index.dim[index.rank++] = shape.dim[axis + i];
    if (cy_value_dtype(a) == CY_BOOL) a = cy_convert(a, CY_U8);
    if (is_real(a)) a = scaled(a, 0.5);
    return cy_scatter_add(a, places(w, index), axis, batch, below(w, 5));
  }
  int inner = below(w, shape.rank < 4 ? 3 : 2);
  for (int i = 0; i < inner; i++) index.dim[index.rank++] = 1 + below(w, 3);
  return cy_count(shape) < 3000 ? cy_gather(a, places(w, index), axis, batch) : a;
}

static cy_value contraction(world *w, cy_value a) {
  if (cy_value_dtype(a) == CY_BOOL || cy_value_dtype(a) == CY_U8) a = cy_convert(a, CY_I32);
  cy_value b = a;
  for (int i = 0; i < 12; i++) {
    cy_value v = w->pool[below(w, w->n)];
    if (cy_value_dtype(v) == cy_value_dtype(a)) b = v;
  }
  cy_shape x = cy_value_shape(a), y = cy_value_shape(b);
  cy_dot_axes axes = {0};
  bool used[CY_MAX_RANK] = {false};
  double k = 1, count = (double)size(a) * (double)size(b);
  for (int i = 0; i < x.rank; i++)
    for (int j = 0; j < y.rank; j++) {
      if (used[j] || x.dim[i] != y.dim[j] || below(w, 3) == 0) continue;
      used[j] = true;
      bool batch = below(w, 3) == 0;
      count /= x.dim[i] ? (double)x.dim[i] : 1;
      if (batch) {
        axes.a_batch[axes.n_batch] = i;
        axes.b_batch[axes.n_batch++] = j;
      } else {
        axes.a_contract[axes.n_contract] = i;
        axes.b_contract[axes.n_contract++] = j;
        k *= x.dim[i] ? (double)x.dim[i] : 1;
      }
      break;
    }
  if (count > 20000 || x.rank + y.rank - axes.n_batch - 2 * axes.n_contract > 5) return cy_value_dtype(a) == w->real ? cy_sin(a) : a;
  cy_value product = cy_dot(a, b, axes);
  return is_real(a) ? scaled(product, 1 / k) : product;
}

/* ---- images: [N, C, space...] ---- */

/* The value with extents of 1 in front, so that there are spatial axes. */
static cy_value as_image(cy_value a) {
  cy_shape from = cy_value_shape(a), to = {.rank = from.rank < 3 ? 3 : from.rank, .dim = {1, 1, 1}};
  for (int i = 0; i < from.rank; i++) to.dim[to.rank - from.rank + i] = from.dim[i];
  return cy_reshape(a, to);
}

/* Windows that fit onto extents, or onto the extents that they give (transposed). */
static cy_windows random_windows(world *w, cy_shape image) {
  cy_windows windows = {0};
  for (int i = 0; i + 2 < image.rank; i++) {
    windows.stride[i] = 1 + below(w, 3);
    windows.dilation[i] = 1 + below(w, 2);
    windows.low[i] = below(w, 2);
    windows.high[i] = below(w, 2) + (image.dim[i + 2] == 0);
    int64_t room = image.dim[i + 2] + windows.low[i] + windows.high[i];
    windows.kernel[i] = 1 + below(w, 3);
    while ((windows.kernel[i] - 1) * windows.dilation[i] >= room) windows.kernel[i]--;
  }
  return windows;
}

/* [first, second, kernel...] filled with a value's elements, zeros once there are no more. */
static cy_value weights(world *w, int64_t first, int64_t second, cy_windows windows, int space) {
  cy_value from = pick(w, true);
  cy_shape shape = {.rank = 2 + space, .dim = {first, second}};
  for (int i = 0; i < space; i++) shape.dim[i + 2] = windows.kernel[i];
  cy_value index = cy_iota(w->graph, CY_I32, CY_SHAPE(cy_count(shape)), 0);
  return cy_reshape(cy_gather(cy_reshape(from, CY_SHAPE(size(from))), index, 0, 0), shape);
}

static cy_value convolved(world *w, cy_value x, bool transposed) {
  cy_shape shape = cy_value_shape(x);
  int space = shape.rank - 2;
  int64_t extents[CY_MAX_SPACE], channels = shape.dim[1];
  cy_windows windows = random_windows(w, shape);
  windows.groups = channels && below(w, 2) ? (channels % 2 ? channels : 2) : 1;
  double terms = (double)(channels / windows.groups);
  for (int i = 0; i < space; i++) {
    terms *= (double)windows.kernel[i];
    extents[i] = (shape.dim[i + 2] - 1) * windows.stride[i] + (windows.kernel[i] - 1) * windows.dilation[i] + 1 - windows.low[i] -
                 windows.high[i];
    if (transposed && (!shape.dim[i + 2] || extents[i] < 0)) return x;
  }
  cy_value y = transposed
                   ? cy_convolution_input(weights(w, channels, 1 + below(w, 2), windows, space), x, windows, extents)
                   : cy_convolution(x, weights(w, windows.groups * (1 + below(w, 3)), channels / windows.groups, windows, space), windows);
  return scaled(y, 1 / (1 + terms));
}

static cy_value windowed(world *w, cy_value a) {
  if (!is_real(a) || size(a) > 2000) return a;
  cy_value x = as_image(a);
  cy_shape shape = cy_value_shape(x);
  int64_t to[CY_MAX_SPACE], low[CY_MAX_SPACE], high[CY_MAX_SPACE];
  bool empty = false;
  for (int i = 0; i + 2 < shape.rank; i++) {
    to[i] = 1 + below(w, 5);
    low[i] = shape.dim[i + 2] > 1 ? below(w, 2) : 0;
    high[i] = shape.dim[i + 2] > 1 ? below(w, 2) : 0;
    empty = empty || !shape.dim[i + 2];
  }
  switch (below(w, 11)) {
    case 0: case 1: case 2: return convolved(w, x, false);
    case 3: return convolved(w, x, true);
    case 4: case 5: return cy_max_pool(x, random_windows(w, shape));
    case 6: return cy_avg_pool(x, random_windows(w, shape), below(w, 2));
    case 7: return empty ? x : cy_resize(x, to, (cy_resize_mode)below(w, 3), below(w, 2));
    case 8: return empty ? x : cy_adaptive_avg_pool(x, to);
    case 9: return cy_pad_space(x, low, high, below(w, 2) ? CY_PAD_REFLECT : CY_PAD_EDGE);
    default: return shape.dim[1] % (1 << (shape.rank - 2)) ? cy_tanh(x) : cy_pixel_shuffle(x, 2);
  }
}

static cy_value made(world *w) {
  cy_shape shape = cy_value_shape(w->pool[below(w, w->n)]);
  cy_value seed = w->pool[INPUTS - 2], step = w->pool[INPUTS - 1];
  switch (below(w, 5)) {
    case 0: return cy_random_uniform(seed, step, below(w, 3), w->real, shape);
    case 1: return cy_scalar(w->graph, w->real, 0.5);
    case 2: {
      int axis = shape.rank ? below(w, shape.rank) : 0;
      if (!shape.rank) return seed;
      return cy_iota(w->graph, below(w, 2) || shape.dim[axis] > 256 ? CY_I64 : CY_U8, shape, axis);
    }
    case 3: return cy_full(w->graph, below(w, 2) ? w->real : CY_I32, shape, 1 - below(w, 3));
    default: return shape.rank < 4 && cy_count(shape) < 2000
                        ? cy_one_hot(cy_convert(cy_full(w->graph, CY_I64, shape, 1), CY_I32), 3, below(w, 2) ? w->real : CY_BOOL)
                        : step;
  }
}

static cy_value one_hot_of(world *w, cy_value a) {
  if (rank(a) >= 4 || size(a) > 2000) return a;
  if (is_real(a)) return average(a, partner(w, a));
  return cy_one_hot(a, below(w, 4), below(w, 2) ? w->real : CY_I32);
}

static void take_step(world *w) {
  bool real = below(w, 3) != 0;
  cy_value a = pick(w, real), v;
  switch (below(w, 12)) {
    case 0: case 1: case 2: v = is_real(a) ? elementwise_real(w, a) : elementwise_exact(w, a); break;
    case 3: case 4: v = reduction(w, a); break;
    case 5: case 6: v = moved(w, a); break;
    case 7: v = indexed(w, a); break;
    case 8: v = contraction(w, a); break;
    case 9: case 10: v = windowed(w, a); break;
    default: v = below(w, 3) ? made(w) : one_hot_of(w, a); break;
  }
  if (cy_graph_failed(w->graph)) fail_msg("building: %s", cy_graph_error(w->graph));
  w->pool[w->n++] = rank(v) > 5 || size(v) > 40000 ? a : v;
}

/* ---- inputs ---- */

static cy_shape random_shape(world *w, bool wide) {
  cy_shape shape = {.rank = below(w, 4)};
  if (wide && !shape.rank) shape.rank = 1;
  for (int i = 0; i < shape.rank; i++) shape.dim[i] = below(w, 12) ? 1 + below(w, 4) : below(w, 2);
  if (wide) shape.dim[below(w, shape.rank)] = 60 + cy_rng_below(&w->rng, below(w, 3) ? 300 : 1500);
  return shape;
}

static void add_leaves(world *w, cy_tensor **tensors) {
  static const cy_dtype integers[] = {CY_I32, CY_I64, CY_U8, CY_BOOL};
  bool wide = below(w, 4) == 0;
  char name[16];
  for (; w->n < INPUTS + VARIABLES; w->n++) {
    int i = w->n;
    bool real = i < 4 || (i >= INPUTS && below(w, 4)), scalar = i == INPUTS - 1 || i == INPUTS - 2;
    cy_dtype dtype = scalar ? CY_I64 : real ? w->real : integers[below(w, 4)];
    cy_shape shape = scalar ? CY_SCALAR : random_shape(w, wide && below(w, 2));
    if (!scalar && i && below(w, 2)) shape = cy_value_shape(w->pool[below(w, i)]);
    snprintf(name, sizeof name, "%s%d", i < INPUTS ? "x" : "v", i);
    w->pool[i] = i < INPUTS ? cy_input(w->graph, name, dtype, shape) : cy_variable(w->graph, name, dtype, shape);
    assert_ok(cy_tensor_create(dtype, shape, &tensors[i]));
    double low = dtype == CY_U8 || dtype == CY_BOOL ? 0 : real ? -1 : -4, high = real ? 1 : dtype == CY_BOOL ? 2 : 6;
    fill_uniform(tensors[i], &w->rng, low, high);
  }
}

/* ---- running ---- */

typedef struct machine {
  cy_program *program;
  cy_session *session;
  cy_tensor *state[VARIABLES];
} machine;

static void machine_bind(machine *m, cy_tensor *const *tensors) {
  char name[16];
  for (int i = 0; i < INPUTS + VARIABLES; i++) {
    snprintf(name, sizeof name, "%s%d", i < INPUTS ? "x" : "v", i);
    cy_status bound = cy_session_bind(m->session, name, i < INPUTS ? tensors[i] : m->state[i - INPUTS]);
    assert_true(bound == CY_OK || bound == CY_INVALID); /* what nothing needs is not in the program */
  }
}

static machine machine_begin(const cy_value *outputs, int n, const cy_update *updates, int n_updates,
                             cy_program_options options, cy_tensor *const *tensors) {
  machine m = {0};
  assert_ok(cy_compile(outputs, n, updates, n_updates, options, &m.program));
  assert_ok(cy_session_create(m.program, &m.session));
  for (int i = INPUTS; i < INPUTS + VARIABLES; i++) {
    cy_tensor **t = &m.state[i - INPUTS];
    assert_ok(cy_tensor_create(cy_tensor_dtype(tensors[i]), cy_tensor_shape(tensors[i]), t));
    assert_ok(cy_tensor_copy(tensors[i], *t));
  }
  machine_bind(&m, tensors);
  return m;
}

static void machine_end(machine *m) {
  for (int i = 0; i < VARIABLES; i++) cy_tensor_free(m->state[i]);
  cy_session_free(m->session);
  cy_program_free(m->program);
}

static void compare(const world *w, const char *what, int number, cy_value value, uint64_t seed, size_t way, int run,
                    const cy_tensor *actual, const cy_tensor *expected) {
  double limit = !cy_dtype_is_float(cy_tensor_dtype(expected)) ? 0 : w->real == CY_F64 ? 1e-9 : 2e-3;
  double error = distance(actual, expected);
  if (error <= limit) return;
  char text[CY_SHAPE_TEXT], *graph;
  assert_ok(cy_graph_text(&value, 1, &graph));
  print_message("%s", graph);
  cy_string_free(graph);
  fail_msg("seed %llu, way %zu, run %d, %s %d (%s %s): differs by %g", (unsigned long long)seed, way, run, what, number,
           cy_dtype_name(cy_tensor_dtype(expected)), cy_shape_text(cy_tensor_shape(expected), text), error);
}

/* Steps with updates done by the program against steps whose new values are outputs, put in place by hand. */
static void run_both(world *w, uint64_t seed, const cy_value *outputs, int n, const cy_update *updates, int n_updates,
                     cy_tensor *const *tensors) {
  static const cy_program_options ways[] = {{.threads = 1}, {.threads = 2}, {.unfused = true, .threads = 1},
                                            {.threads = 1, .frozen = true}, {.backend = "reference"},
                                            {.threads = 1, .recompute = CY_RECOMPUTE_ALWAYS}};
  cy_value all[OUTPUTS + VARIABLES];
  memcpy(all, outputs, (size_t)n * sizeof *all);
  for (int i = 0; i < n_updates; i++) all[n + i] = updates[i].value;
  for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
    machine oracle = machine_begin(all, n + n_updates, NULL, 0, (cy_program_options){.backend = "reference"}, tensors);
    const bool frozen = ways[way].frozen; /* new values are outputs there too */
    machine m = machine_begin(all, n + (frozen ? n_updates : 0), updates, frozen ? 0 : n_updates, ways[way], tensors);
    for (int run = 0; run < RUNS; run++) {
      assert_ok(cy_session_run(oracle.session));
      assert_ok(cy_session_run(m.session));
      if (frozen) assert_ok(cy_session_run(m.session)); /* once more, without the prologue */
      for (int i = 0; i < n; i++)
        compare(w, "output", i, outputs[i], seed, way, run, cy_session_output(m.session, i), cy_session_output(oracle.session, i));
      for (int i = 0; i < n_updates; i++)
        for (int k = 0; k < VARIABLES; k++)
          if (w->pool[INPUTS + k].id == updates[i].variable.id) {
            assert_ok(cy_tensor_copy(cy_session_output(oracle.session, n + i), oracle.state[k]));
            compare(w, "variable", k, updates[i].value, seed, way, run,
                    frozen ? cy_session_output(m.session, n + i) : m.state[k], oracle.state[k]);
            assert_ok(cy_tensor_copy(oracle.state[k], m.state[k])); /* differences must not grow */
          }
      if (frozen) machine_bind(&m, tensors);
    }
    machine_end(&m);
    machine_end(&oracle);
  }
}

static int choose_updates(world *w, cy_update *updates) {
  int n = 0;
  for (int k = 0; k < VARIABLES; k++) {
    cy_value v = w->pool[INPUTS + k], to = v;
    if (below(w, 6) == 0) continue;
    for (int i = below(w, w->n), t = 0; t < w->n; t++, i = (i + 7) % w->n)
      if (same_type(w->pool[i], v)) to = w->pool[i];
    if (is_real(v) && below(w, 2)) to = average(v, below(w, 2) ? cy_tanh(to) : cy_mean(cy_tanh(to), NULL, 0, false));
    if (size(v) == 0) to = v;
    updates[n++] = (cy_update){v, to};
  }
  return n;
}

static void one_graph(uint64_t seed) {
  world w = {.rng = cy_rng_make(seed, 6)};
  cy_tensor *tensors[INPUTS + VARIABLES];
  cy_value outputs[OUTPUTS], loss;
  cy_update updates[VARIABLES];
  int n = 0;
  assert_ok(cy_graph_create(&w.graph));
  w.real = below(&w, 3) ? CY_F64 : CY_F32;
  add_leaves(&w, tensors);
  while (w.n < POOL) take_step(&w);
  for (int i = 0; i < 3; i++) outputs[n++] = w.pool[below(&w, 4) ? INPUTS + VARIABLES + below(&w, STEPS) : below(&w, w.n)];
  int n_updates = choose_updates(&w, updates);
  cy_value last = pick(&w, true);
  for (int i = w.n - 1; i > w.n - 8; i--)
    if (is_real(w.pool[i]) && size(w.pool[i])) last = w.pool[i];
  if (size(last)) {
    loss = cy_mean(cy_sin(last), NULL, 0, false);
    assert_ok(cy_grad(loss, w.pool, 2, outputs + n));
    n += 2;
    assert_ok(cy_hvp(loss, w.pool, w.pool, 1, outputs + n));
    n++;
  }
  assert_ok(cy_graph_verify(w.graph));
  run_both(&w, seed, outputs, n, updates, n_updates, tensors);
  for (int i = 0; i < INPUTS + VARIABLES; i++) cy_tensor_free(tensors[i]);
  cy_graph_free(w.graph);
}

static void random_graphs_agree_with_the_reference(void **state) {
  (void)state;
  unsigned long long first = 0, count = 150;
  const char *seeds = getenv("CAUCHY_SEEDS");
  if (seeds && sscanf(seeds, "%llu:%llu", &first, &count) != 2) fail_msg("CAUCHY_SEEDS is first:count");
  for (unsigned long long seed = first; seed < first + count; seed++) one_graph(seed);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs_agree_with_the_reference)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
