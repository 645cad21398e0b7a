/* Pooling: sums of windows and their transpose; where the largest element of each window is, reading there, and its
 * transpose. Max and mean pooling are made of these. Every value here is an image: kernels like its channels
 * innermost. */
#include "ops/window.h"

#include <string.h>

static cy_status infer_windows(const void *attrs, const cy_type *in, cy_type *out) {
  const cy_window_attrs *w = attrs;
  CY_TRY(cy_window_check_image("x", in[0], w->size.n));
  CY_TRY(cy_window_check(w));
  CY_TRY(cy_window_check_size("x", in[0].shape, &w->size));
  *out = (cy_type){in[0].dtype, cy_window_result(in[0].shape, w)};
  return CY_OK;
}

/* Elements of all windows. */
static double cost_windows(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  const cy_window_attrs *w = attrs;
  double each = (double)in[0].shape.dim[0] * (double)in[0].shape.dim[1];
  (void)n, (void)out;
  for (int i = 0; i < w->size.n; i++) each *= (double)cy_window_extent(w, i) * (double)w->kernel.at[i];
  return each;
}

static void reach_windows(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                          cy_reach *reach) {
  (void)in, (void)n, (void)out, (void)operand;
  reach[0] = cy_reach_same(0);
  reach[1] = cy_reach_same(1);
  cy_window_reach(attrs, reach + 2);
}

static void reach_windows_back(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                               cy_reach *reach) {
  (void)in, (void)n, (void)out, (void)operand;
  reach[0] = cy_reach_same(0);
  reach[1] = cy_reach_same(1);
  cy_window_reach_back(attrs, reach + 2);
}

static int64_t plane_offset(const cy_walk *w, const cy_view *v) {
  return w->index[0] * v->stride[0] + w->index[1] * v->stride[1];
}

/* ---- sum of windows ---- */

static cy_status infer_sum(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)n;
  return infer_windows(attrs, in, out);
}

static void kernel_sum(const cy_call *call) {
  const cy_window_attrs *w = call->attrs;
  const cy_view *x = &call->in[0], *y = call->out;
  for (cy_walk o = cy_walk_start(y->shape); o.more; cy_walk_next(&o)) {
    double total = 0;
    for (cy_walk k = cy_walk_start(cy_window_kernel(w)); k.more; cy_walk_next(&k)) {
      int64_t at = plane_offset(&o, x);
      bool inside = true;
      for (int i = 0; i < w->size.n; i++) {
        int64_t place = cy_window_at(w, i, o.index[i + 2], k.index[i]);
        inside = inside && place >= 0 && place < w->size.at[i];
        at += place * x->stride[i + 2];
      }
      if (inside) total += cy_load(x->data, x->dtype, at);
    }
    cy_store(y->data, y->dtype, cy_walk_offset(&o, y->stride), total);
  }
}

/* Windows of one element, all of x. */
static cy_value simplify_single(const cy_rule *r) {
  const cy_window_attrs *w = CY_ATTRS(cy_window_attrs, r);
  for (int i = 0; i < w->size.n; i++)
    if (w->kernel.at[i] != 1 || w->stride.at[i] != 1 || w->low.at[i] || w->high.at[i]) return cy_none;
  return r->in[0];
}

static cy_value transpose_sum(const cy_rule *r, int i, cy_value ct) {
  (void)i;
  return cy_make(r->graph, &cy_op_window_spread, &ct, 1, r->node->attrs);
}

static void sample_sum(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_window_attrs w;
  cy_shape x = cy_sample_windows(rng, &w);
  (void)op;
  cy_sample_operand(s, 0, CY_F64, x, -2, 2);
  memcpy(s->attrs, &w, sizeof w);
}

const cy_op cy_op_window_sum = {
    .name = "window_sum", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(cy_window_attrs),
    .fields = cy_window_fields, .linear = 1, .scalar = -1, .infer = infer_sum, .jvp = cy_jvp_linear,
    .transpose = transpose_sum, .simplify = simplify_single, .kernel = kernel_sum, .cost = cost_windows,
    .reach = reach_windows, .images = cy_images_all, .batch = cy_batch_images, .sample = sample_sum};

/* ---- its transpose: y added to every element of its window ---- */

static cy_status infer_spread(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const cy_window_attrs *w = attrs;
  (void)n;
  CY_TRY(cy_window_check_image("y", in[0], w->size.n));
  CY_TRY(cy_window_check(w));
  CY_TRY(cy_window_check_windows("y", in[0].shape, w));
  *out = (cy_type){in[0].dtype, cy_window_image(in[0].shape, &w->size)};
  return CY_OK;
}

static void kernel_spread(const cy_call *call) {
  const cy_window_attrs *w = call->attrs;
  const cy_view *y = &call->in[0], *x = call->out;
  for (cy_walk o = cy_walk_start(x->shape); o.more; cy_walk_next(&o)) {
    double total = 0;
    for (cy_walk k = cy_walk_start(cy_window_kernel(w)); k.more; cy_walk_next(&k)) {
      int64_t at = plane_offset(&o, y), window;
      bool exists = true;
      for (int i = 0; i < w->size.n && exists; i++) {
        exists = cy_window_from(w, i, o.index[i + 2], k.index[i], y->shape.dim[i + 2], &window);
        at += window * y->stride[i + 2];
      }
      if (exists) total += cy_load(y->data, y->dtype, at);
    }
    cy_store(x->data, x->dtype, cy_walk_offset(&o, x->stride), total);
  }
}

static cy_value transpose_spread(const cy_rule *r, int i, cy_value ct) {
  (void)i;
  return cy_make(r->graph, &cy_op_window_sum, &ct, 1, r->node->attrs);
}

static void sample_spread(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_window_attrs w;
  cy_shape x = cy_sample_windows(rng, &w);
  (void)op;
  cy_sample_operand(s, 0, CY_F64, cy_window_result(x, &w), -2, 2);
  memcpy(s->attrs, &w, sizeof w);
}

const cy_op cy_op_window_spread = {
    .name = "window_spread", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(cy_window_attrs),
    .fields = cy_window_fields, .linear = 1, .scalar = -1, .infer = infer_spread, .jvp = cy_jvp_linear,
    .transpose = transpose_spread, .simplify = simplify_single, .kernel = kernel_spread, .cost = cost_windows,
    .reach = reach_windows_back, .images = cy_images_all, .batch = cy_batch_images, .sample = sample_spread};

/* ---- the largest element of each window ---- */

static cy_status check_positions(const cy_list *size) {
  int64_t count = 1;
  for (int i = 0; i < size->n; i++)
    if (!cy_mul_i64(count, size->at[i], &count) || count > INT32_MAX)
      return cy_fail(CY_INVALID,
                     "x has more than 2^31 - 1 elements in its spatial axes, which i32 positions do not reach");
  return CY_OK;
}

static cy_status infer_argmax(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)n;
  CY_TRY(infer_windows(attrs, in, out));
  out->dtype = CY_I32;
  return check_positions(&((const cy_window_attrs *)attrs)->size);
}

static void kernel_argmax(const cy_call *call) {
  const cy_window_attrs *w = call->attrs;
  const cy_view *x = &call->in[0];
  for (cy_walk o = cy_walk_start(call->out->shape); o.more; cy_walk_next(&o)) {
    int64_t best = -1;
    double top = 0;
    for (cy_walk k = cy_walk_start(cy_window_kernel(w)); k.more; cy_walk_next(&k)) {
      int64_t at = plane_offset(&o, x), position = 0;
      bool inside = true;
      for (int i = 0; i < w->size.n; i++) {
        int64_t place = cy_window_at(w, i, o.index[i + 2], k.index[i]);
        inside = inside && place >= 0 && place < w->size.at[i];
        at += place * x->stride[i + 2];
        position = position * w->size.at[i] + place;
      }
      if (!inside) continue;
      double value = cy_load(x->data, x->dtype, at);
      if (best >= 0 && (top != top || value <= top)) continue; /* the first of equal ones; NaN stays */
      best = position;
      top = value;
    }
    ((int32_t *)call->out->data)[cy_walk_offset(&o, call->out->stride)] = (int32_t)best;
  }
}

static void sample_argmax(const cy_op *op, cy_rng *rng, cy_sample *s) {
  sample_sum(op, rng, s);
  s->distinct = true;
}

const cy_op cy_op_window_argmax = {
    .name = "window_argmax", .op_class = CY_CLASS_INDEX, .arity = 1, .attr_size = sizeof(cy_window_attrs),
    .fields = cy_window_fields, .scalar = -1, .infer = infer_argmax, .kernel = kernel_argmax, .cost = cost_windows,
    .reach = reach_windows, .images = cy_images_all, .batch = cy_batch_images, .sample = sample_argmax};

/* ---- reading at positions, and adding there ----
 * If the windows are known (kernel.n), the index promises to stay within them. */

static cy_status check_index(const char *what, cy_type image, cy_type index, const cy_list *size) {
  CY_TRY(cy_window_check_image(what, image, size->n));
  if (index.dtype != CY_I32) return cy_fail(CY_INVALID, "the index is %s; it must be i32", cy_dtype_name(index.dtype));
  return check_positions(size);
}

static cy_status infer_gather(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const cy_window_attrs *w = attrs;
  cy_shape x = in[0].shape, index = in[1].shape;
  (void)n;
  CY_TRY(check_index("x", in[0], in[1], &w->size));
  CY_TRY(cy_window_check_size("x", x, &w->size));
  if (index.rank != x.rank || index.dim[0] != x.dim[0] || index.dim[1] != x.dim[1])
    return cy_fail_shapes(
        "x has shape %s and the index %s; they must have the same axes and differ in spatial extents only", x, index);
  *out = (cy_type){in[0].dtype, index};
  return CY_OK;
}

/* One addition per element of y. */
static double cost_scatter(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  (void)attrs, (void)n, (void)out;
  return (double)cy_count(in[0].shape);
}

static cy_status infer_scatter(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const cy_window_attrs *w = attrs;
  (void)n;
  CY_TRY(check_index("y", in[0], in[1], &w->size));
  if (!cy_shape_equal(in[0].shape, in[1].shape))
    return cy_fail_shapes("y has shape %s and the index %s; they must be the same", in[0].shape, in[1].shape);
  for (int i = 0; i < w->size.n; i++)
    if (w->size.at[i] < 0)
      return cy_fail(CY_INVALID, "extent %lld along axis %d must not be negative", (long long)w->size.at[i], i + 2);
  *out = (cy_type){in[0].dtype, cy_window_image(in[0].shape, &w->size)};
  return CY_OK;
}

/* Where the element at the walk's position lies in the image; false if outside. */
static bool position_offset(const cy_walk *walk, const cy_view *index, const cy_view *image, int64_t *at) {
  int64_t position = ((const int32_t *)index->data)[cy_walk_offset(walk, index->stride)];
  *at = plane_offset(walk, image);
  if (position < 0) return false;
  for (int i = image->shape.rank - 1; i >= 2; i--) {
    int64_t extent = image->shape.dim[i];
    if (!extent) return false;
    *at += position % extent * image->stride[i];
    position /= extent;
  }
  return position == 0;
}

static void kernel_gather(const cy_call *call) {
  const cy_view *x = &call->in[0], *y = call->out;
  for (cy_walk o = cy_walk_start(y->shape); o.more; cy_walk_next(&o)) {
    int64_t at;
    bool inside = position_offset(&o, &call->in[1], x, &at);
    cy_store(y->data, y->dtype, cy_walk_offset(&o, y->stride), inside ? cy_load(x->data, x->dtype, at) : 0);
  }
}

static void kernel_scatter(const cy_call *call) {
  const cy_view *y = &call->in[0], *x = call->out;
  cy_view_clear(x);
  for (cy_walk o = cy_walk_start(y->shape); o.more; cy_walk_next(&o)) {
    int64_t at;
    if (!position_offset(&o, &call->in[1], x, &at)) continue;
    cy_store(x->data, x->dtype, at,
             cy_load(x->data, x->dtype, at) + cy_load(y->data, y->dtype, cy_walk_offset(&o, y->stride)));
  }
}

/* Both are linear in operand 0; the index has no tangent. */
static cy_value jvp_first(const cy_rule *r) {
  cy_value in[2] = {r->tangent[0], r->in[1]};
  return cy_is_value(r->tangent[0]) ? cy_make(r->graph, r->node->op, in, 2, r->node->attrs) : cy_none;
}

static cy_value transpose_gather(const cy_rule *r, int i, cy_value ct) {
  cy_value in[2] = {ct, r->in[1]};
  (void)i;
  return cy_make(r->graph, &cy_op_window_scatter, in, 2, r->node->attrs);
}

static cy_value transpose_scatter(const cy_rule *r, int i, cy_value ct) {
  cy_value in[2] = {ct, r->in[1]};
  (void)i;
  return cy_make(r->graph, &cy_op_window_gather, in, 2, r->node->attrs);
}

static void reach_gather(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                         cy_reach *reach) {
  const cy_window_attrs *w = attrs;
  (void)n, (void)out;
  for (int i = 0; i < in[operand].shape.rank; i++) reach[i] = i < 2 || operand == 1 ? cy_reach_same(i) : cy_reach_all();
  if (operand == 0 && w->kernel.n) cy_window_reach(w, reach + 2);
}

static void reach_scatter(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                          cy_reach *reach) {
  const cy_window_attrs *w = attrs;
  (void)n, (void)out;
  for (int i = 0; i < in[operand].shape.rank; i++) reach[i] = i < 2 ? cy_reach_same(i) : cy_reach_all();
  if (w->kernel.n) cy_window_reach_back(w, reach + 2);
}

static void sample_positions(cy_rng *rng, cy_sample *s, bool scatter) {
  cy_window_attrs w;
  cy_shape x = cy_sample_windows(rng, &w), y = cy_window_result(x, &w);
  int64_t count = 1;
  for (int i = 0; i < w.size.n; i++) count *= w.size.at[i];
  w = (cy_window_attrs){.groups = 1, .size = w.size}; /* the index is not made of maxima: it points anywhere */
  cy_sample_operand(s, 0, CY_F64, scatter ? y : x, -2, 2);
  cy_sample_operand(s, 1, CY_I32, y, -1, (double)count + 1);
  memcpy(s->attrs, &w, sizeof w);
}

static void sample_gather(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  sample_positions(rng, s, false);
}

static void sample_scatter(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  sample_positions(rng, s, true);
}

const cy_op cy_op_window_gather = {
    .name = "window_gather", .op_class = CY_CLASS_LINEAR, .arity = 2, .attr_size = sizeof(cy_window_attrs),
    .fields = cy_window_fields, .linear = 1, .scalar = -1, .infer = infer_gather, .jvp = jvp_first,
    .transpose = transpose_gather, .simplify = cy_find_window_max, .kernel = kernel_gather,
    .cost = cy_cost_zero, .reach = reach_gather, .images = cy_images_all, .batch = cy_batch_images, .sample = sample_gather};

const cy_op cy_op_window_scatter = {
    .name = "window_scatter", .op_class = CY_CLASS_LINEAR, .arity = 2, .attr_size = sizeof(cy_window_attrs),
    .fields = cy_window_fields, .linear = 1, .scalar = -1, .infer = infer_scatter, .jvp = jvp_first,
    .transpose = transpose_scatter, .kernel = kernel_scatter, .cost = cost_scatter, .reach = reach_scatter,
    .images = cy_images_all, .batch = cy_batch_images, .sample = sample_scatter};

/* ---- builders ---- */

static cy_value of_image(const cy_op *op, cy_value x, cy_windows windows) {
  windows.groups = 1;
  cy_window_attrs w = cy_window_attrs_of(&windows, cy_value_shape(x));
  return cy_make(x.graph, op, &x, 1, &w);
}

cy_value cy_window_sum(cy_value x, cy_windows windows) { return of_image(&cy_op_window_sum, x, windows); }
cy_value cy_window_argmax(cy_value x, cy_windows windows) { return of_image(&cy_op_window_argmax, x, windows); }

/* The shape of y with x's spatial extents. */
static cy_shape sized(cy_shape shape, const int64_t *size) {
  for (int i = 2; i < shape.rank && i < 2 + CY_MAX_SPACE; i++) shape.dim[i] = size[i - 2];
  return shape;
}

cy_value cy_window_spread(cy_value y, cy_windows windows, const int64_t *size) {
  windows.groups = 1;
  cy_window_attrs w = cy_window_attrs_of(&windows, sized(cy_value_shape(y), size));
  return cy_make(y.graph, &cy_op_window_spread, &y, 1, &w);
}

static cy_value at_positions(const cy_op *op, cy_value a, cy_value index, const cy_window_attrs *w) {
  cy_value in[2] = {a, index};
  return cy_make(cy_common_graph(in, 2), op, in, 2, w);
}

/* Attributes of windows that nothing is known of, on an image of this shape. */
static cy_window_attrs anywhere(cy_shape x) {
  return (cy_window_attrs){.groups = 1, .size = cy_window_list(x.dim + 2, x.rank - 2)};
}

cy_value cy_window_gather(cy_value x, cy_value index) {
  cy_window_attrs w = anywhere(cy_value_shape(x));
  return at_positions(&cy_op_window_gather, x, index, &w);
}

cy_value cy_window_scatter(cy_value y, cy_value index, const int64_t *size) {
  cy_window_attrs w = anywhere(sized(cy_value_shape(y), size));
  return at_positions(&cy_op_window_scatter, y, index, &w);
}

cy_value cy_max_pool(cy_value x, cy_windows windows) {
  cy_value index = cy_window_argmax(x, windows);
  if (!cy_is_value(index)) return index;
  return at_positions(&cy_op_window_gather, x, index, cy_node_of(index)->attrs);
}

/* ---- means ---- */

/* How many of a window's elements lie inside x along spatial axis i. */
static int64_t count_inside(const cy_window_attrs *w, int i, int64_t window) {
  int64_t dilation = w->dilation.at[i], start = cy_window_at(w, i, window, 0), end = w->size.at[i] - 1;
  int64_t first = start < 0 ? (-start - 1) / dilation + 1 : 0;
  int64_t last = end < start ? -1 : (end - start) / dilation;
  if (last > w->kernel.at[i] - 1) last = w->kernel.at[i] - 1;
  return last < first ? 0 : last - first + 1;
}

enum { MOST_COUNTS = 1 << 26 };

/* One over the number of elements inside x for every window (0 where there are none), as [1, 1, out...]. */
static cy_value one_over_counts(cy_value sums, const cy_window_attrs *w) {
  cy_shape shape = cy_value_shape(sums);
  cy_tensor *counts;
  shape.dim[0] = shape.dim[1] = 1;
  if (cy_count(shape) > MOST_COUNTS) {
    cy_graph_fail(sums.graph, CY_INVALID, "avg_pool: %lld windows are too many to count the elements of each",
                  (long long)cy_count(shape));
    return cy_failed(sums.graph);
  }
  cy_status status = cy_tensor_create(cy_value_dtype(sums), shape, &counts);
  if (status != CY_OK) {
    cy_graph_fail(sums.graph, status, "avg_pool: %s", cy_error_message());
    return cy_failed(sums.graph);
  }
  cy_walk o = cy_walk_start(shape);
  for (int64_t at = 0; o.more; cy_walk_next(&o), at++) {
    double count = 1;
    for (int i = 0; i < w->size.n; i++) count *= (double)count_inside(w, i, o.index[i + 2]);
    cy_tensor_set(counts, at, count > 0 ? 1 / count : 0);
  }
  cy_value constant = cy_constant(sums.graph, counts);
  cy_tensor_free(counts);
  return constant;
}

cy_value cy_avg_pool(cy_value x, cy_windows windows, bool count_padding) {
  cy_value sums = cy_window_sum(x, windows);
  if (!cy_is_value(sums)) return sums;
  const cy_window_attrs *w = cy_node_of(sums)->attrs;
  double size = 1;
  bool padded = false;
  for (int i = 0; i < w->size.n; i++) {
    size *= (double)w->kernel.at[i];
    padded = padded || w->low.at[i] || w->high.at[i];
  }
  return padded && !count_padding ? cy_mul(sums, one_over_counts(sums, w)) : cy_mul_scalar(sums, 1 / size);
}
