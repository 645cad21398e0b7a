/* Resizing the spatial axes of images by interpolation, and the transpose. Separable: along each axis an element of the
 * result is a weighted sum of at most four elements near its position, which is an exact fraction of integers:
 *   half-pixel centres: (i + 1/2) in / out - 1/2;  corners aligned: i (in - 1) / (out - 1).
 * Beyond the ends the edge element repeats. */
#include "ops/window.h"

#include <string.h>

typedef struct resize_attrs {
  int64_t mode, align_corners;
  cy_list from, to; /* spatial extents of x and y */
} resize_attrs;
static const cy_field resize_fields[] = {CY_INT_FIELD(resize_attrs, mode), CY_INT_FIELD(resize_attrs, align_corners),
                                         CY_LIST_FIELD(resize_attrs, from), CY_LIST_FIELD(resize_attrs, to),
                                         CY_END_FIELDS};

/* ---- shape rules ---- */

static cy_status check_resize(const resize_attrs *a) {
  if (a->mode < CY_RESIZE_NEAREST || a->mode > CY_RESIZE_CUBIC)
    return cy_fail(CY_INVALID, "%lld is not a mode of interpolation", (long long)a->mode);
  for (int i = 0; i < a->from.n; i++) {
    int64_t from = a->from.at[i], to = a->to.at[i];
    if (from < 1 || to < 1 || from > INT32_MAX || to > INT32_MAX) /* so that products of two fit */
      return cy_fail(CY_INVALID, "axis %d goes from extent %lld to %lld; both must be positive and below 2^31", i + 2,
                     (long long)from, (long long)to);
  }
  return CY_OK;
}

static cy_status infer_resize(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const resize_attrs *a = attrs;
  (void)n;
  CY_TRY(cy_window_check_image("x", in[0], a->from.n));
  CY_TRY(cy_window_check_size("x", in[0].shape, &a->from));
  CY_TRY(check_resize(a));
  *out = (cy_type){in[0].dtype, cy_window_image(in[0].shape, &a->to)};
  return CY_OK;
}

static cy_status infer_resize_transpose(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const resize_attrs *a = attrs;
  (void)n;
  CY_TRY(cy_window_check_image("y", in[0], a->to.n));
  CY_TRY(cy_window_check_size("y", in[0].shape, &a->to));
  CY_TRY(check_resize(a));
  *out = (cy_type){in[0].dtype, cy_window_image(in[0].shape, &a->from)};
  return CY_OK;
}

/* ---- positions and weights ---- */

/* Where element i of y lies in x: (i stride + offset) / divisor. */
typedef struct position {
  int64_t stride, offset, divisor;
} position;

/* Nearest takes the floor too: of i in / out; with corners aligned, of the position plus almost a half. */
static position position_of(const resize_attrs *a, int axis) {
  int64_t in = a->from.at[axis], out = a->to.at[axis];
  if (a->align_corners) {
    position p = out > 1 ? (position){in - 1, 0, out - 1} : (position){0, 0, 1};
    return a->mode == CY_RESIZE_NEAREST ? (position){2 * p.stride, p.divisor - 1, 2 * p.divisor} : p;
  }
  return a->mode == CY_RESIZE_NEAREST ? (position){in, 0, out} : (position){2 * in, in - out, 2 * out};
}

/* The elements from floor(position) + first to floor(position) + last count. */
static const struct {
  int first, last;
} taps_of[] = {[CY_RESIZE_NEAREST] = {0, 0}, [CY_RESIZE_LINEAR] = {0, 1}, [CY_RESIZE_CUBIC] = {-1, 2}};
enum { MOST_TAPS = 4, MOST_TAPS_SPACE = MOST_TAPS * MOST_TAPS * MOST_TAPS };

/* Keys (1981), "Cubic convolution interpolation for digital image processing", with a = -1/2: exact for quadratics. */
static double keys(double x) {
  const double a = -0.5;
  x = x < 0 ? -x : x;
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

static double weight_of(int64_t mode, double distance) {
  double apart = distance < 0 ? -distance : distance;
  return mode == CY_RESIZE_NEAREST ? 1 : mode == CY_RESIZE_LINEAR ? 1 - apart : keys(distance);
}

/* An element of x by its offset in memory, and its weight. */
typedef struct tap {
  int64_t at;
  double weight;
} tap;

/* All elements of x that an element of y is made of; those of weight 0 are left out, so that they pass on no NaN. */
static int taps_at(const resize_attrs *a, const int64_t *y, const cy_view *x, tap taps[MOST_TAPS_SPACE]) {
  int n = 1;
  taps[0] = (tap){0, 1};
  for (int i = 0; i < a->from.n; i++) {
    position p = position_of(a, i);
    tap before[MOST_TAPS_SPACE];
    int64_t place = y[i] * p.stride + p.offset, base = place / p.divisor, rest = place % p.divisor;
    int64_t most = a->from.at[i] - 1;
    int count = n;
    if (rest < 0) base--, rest += p.divisor;
    memcpy(before, taps, (size_t)n * sizeof *taps);
    n = 0;
    for (int k = taps_of[a->mode].first; k <= taps_of[a->mode].last; k++) {
      double weight = weight_of(a->mode, (double)rest / (double)p.divisor - k);
      int64_t at = base + k < 0 ? 0 : base + k > most ? most : base + k;
      for (int j = 0; j < count && weight != 0; j++)
        taps[n++] = (tap){before[j].at + at * x->stride[i + 2], before[j].weight * weight};
    }
  }
  return n;
}

/* ---- kernels: positions outside, so that weights are computed once for all images and channels ---- */

static cy_walk walk_space(cy_shape shape, bool nothing) {
  cy_shape space = {.rank = shape.rank - 2};
  for (int i = 0; i < space.rank; i++) space.dim[i] = shape.dim[i + 2];
  cy_walk walk = cy_walk_start(space);
  walk.more = walk.more && !nothing;
  return walk;
}

static int64_t space_offset(const cy_walk *o, const cy_view *v) {
  int64_t at = 0;
  for (int i = 0; i < o->shape.rank; i++) at += o->index[i] * v->stride[i + 2];
  return at;
}

#define EACH_PLANE(T, BODY)                                                                 \
  for (int64_t n = 0; n < x->shape.dim[0]; n++)                                             \
    for (int64_t c = 0; c < x->shape.dim[1]; c++) {                                         \
      T *px = (T *)x->data + n * x->stride[0] + c * x->stride[1];                           \
      T *py = (T *)y->data + at + n * y->stride[0] + c * y->stride[1];                      \
      BODY                                                                                  \
    }

#define SUM_TAPS                                                                            \
  double total = 0;                                                                         \
  for (int k = 0; k < count; k++) total += taps[k].weight * (double)px[taps[k].at];

#define ADD_TAPS(T) \
  for (int k = 0; k < count; k++) px[taps[k].at] += (T)(taps[k].weight * (double)*py);

static void kernel_resize(const cy_call *call) {
  const cy_view *x = &call->in[0], *y = call->out;
  tap taps[MOST_TAPS_SPACE];
  for (cy_walk o = walk_space(y->shape, cy_count(y->shape) == 0); o.more; cy_walk_next(&o)) {
    int count = taps_at(call->attrs, o.index, x, taps);
    int64_t at = space_offset(&o, y);
    if (x->dtype == CY_F32)
      EACH_PLANE(float, SUM_TAPS *py = (float)total;)
    else
      EACH_PLANE(double, SUM_TAPS *py = total;)
  }
}

static void kernel_resize_transpose(const cy_call *call) {
  const cy_view *y = &call->in[0], *x = call->out;
  tap taps[MOST_TAPS_SPACE];
  cy_view_clear(x);
  for (cy_walk o = walk_space(y->shape, cy_count(y->shape) == 0); o.more; cy_walk_next(&o)) {
    int count = taps_at(call->attrs, o.index, x, taps);
    int64_t at = space_offset(&o, y);
    if (x->dtype == CY_F32)
      EACH_PLANE(float, ADD_TAPS(float))
    else
      EACH_PLANE(double, ADD_TAPS(double))
  }
}

/* ---- what they cost, what they see ---- */

/* A multiplication and an addition per weight. */
static double cost_resize(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  const resize_attrs *a = attrs;
  double operations = 2 * (double)in[0].shape.dim[0] * (double)in[0].shape.dim[1];
  (void)n, (void)out;
  for (int i = 0; i < a->to.n; i++)
    operations *= (double)a->to.at[i] * (taps_of[a->mode].last - taps_of[a->mode].first + 1);
  return operations;
}

/* From floor(position) + first to floor(position) + last; floor(p / d) is the least whole number from (p - d + 1) / d.
 * At a whole position all other weights are zero: the bounds stop short of the whole number after the last one, and are
 * then symmetric about the position. */
static cy_reach reach_axis(const resize_attrs *a, int i) {
  position p = position_of(a, i);
  bool smooth = a->mode != CY_RESIZE_NEAREST;
  int64_t low = p.offset - (p.divisor - 1) + taps_of[a->mode].first * p.divisor;
  int64_t high = p.offset + taps_of[a->mode].last * p.divisor - smooth;
  return (cy_reach){i + 2, p.stride, low, high, p.divisor, 1, smooth};
}

static void reach_resize(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                         cy_reach *reach) {
  const resize_attrs *a = attrs;
  (void)in, (void)n, (void)out, (void)operand;
  reach[0] = cy_reach_same(0);
  reach[1] = cy_reach_same(1);
  for (int i = 0; i < a->from.n; i++) reach[i + 2] = reach_axis(a, i);
}

/* The same bounds, solved for the element of y: after cubic interpolation also those at whole positions nearby. */
static void reach_resize_transpose(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                                   cy_reach *reach) {
  const resize_attrs *a = attrs;
  (void)in, (void)n, (void)out, (void)operand;
  reach[0] = cy_reach_same(0);
  reach[1] = cy_reach_same(1);
  for (int i = 0; i < a->from.n; i++) {
    cy_reach r = reach_axis(a, i);
    reach[i + 2] = r.stride ? (cy_reach){i + 2, r.divisor, -r.high, -r.low, r.stride, 1, false} : cy_reach_all();
  }
}

/* ---- rows ---- */

static cy_value transpose_resize(const cy_rule *r, int i, cy_value ct) {
  (void)i;
  return cy_make(r->graph, &cy_op_resize_transpose, &ct, 1, r->node->attrs);
}

static cy_value transpose_resize_transpose(const cy_rule *r, int i, cy_value ct) {
  (void)i;
  return cy_make(r->graph, &cy_op_resize, &ct, 1, r->node->attrs);
}

/* Every mode keeps an image whose extents stay. */
static cy_value simplify_resize(const cy_rule *r) {
  return cy_shape_equal(cy_value_shape(r->in[0]), r->node->shape) ? r->in[0] : cy_none;
}

static void sample_resize(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_shape x = {.rank = 3 + (int)cy_rng_below(rng, CY_MAX_SPACE),
                .dim = {cy_rng_below(rng, 8) ? 2 : 0, 1 + cy_rng_below(rng, 2)}};
  resize_attrs a = {
      .mode = cy_rng_below(rng, 3), .align_corners = cy_rng_below(rng, 2), .from.n = x.rank - 2, .to.n = x.rank - 2};
  for (int i = 0; i < a.from.n; i++) {
    a.from.at[i] = 1 + cy_rng_below(rng, 5);
    a.to.at[i] = 1 + cy_rng_below(rng, 5);
  }
  cy_sample_operand(s, 0, CY_F64, cy_window_image(x, op == &cy_op_resize ? &a.from : &a.to), -2, 2);
  memcpy(s->attrs, &a, sizeof a);
}

const cy_op cy_op_resize = {
    .name = "resize", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(resize_attrs),
    .fields = resize_fields, .linear = 1, .scalar = -1, .infer = infer_resize, .jvp = cy_jvp_linear,
    .transpose = transpose_resize, .simplify = simplify_resize, .kernel = kernel_resize, .cost = cost_resize, .reach = reach_resize,
    .images = cy_images_all, .batch = cy_batch_images, .sample = sample_resize};

const cy_op cy_op_resize_transpose = {
    .name = "resize_transpose", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(resize_attrs),
    .fields = resize_fields, .linear = 1, .scalar = -1, .infer = infer_resize_transpose, .jvp = cy_jvp_linear,
    .transpose = transpose_resize_transpose, .simplify = simplify_resize, .kernel = kernel_resize_transpose,
    .cost = cost_resize, .reach = reach_resize_transpose, .images = cy_images_all, .batch = cy_batch_images, .sample = sample_resize};

cy_value cy_resize(cy_value x, const int64_t *size, cy_resize_mode mode, bool align_corners) {
  cy_shape shape = cy_value_shape(x);
  resize_attrs a = {
      .mode = mode, .align_corners = align_corners, .from = cy_window_list(shape.dim + 2, shape.rank - 2)};
  a.to = cy_window_list(size, shape.rank - 2);
  return cy_make(x.graph, &cy_op_resize, &x, 1, &a);
}
