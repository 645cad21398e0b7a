/* Convolution (cross-correlation, as networks compute it): the trilinear form
 *   T(x, w, y) = sum x[n, c, i stride - low + t dilation] w[o, c, t] y[n, o, i],  c and o of the same group.
 * The argument that is left out as `role` is the result, so each role is the others' transpose: one row serves all
 * three. Operands come in the order x, w, y; the three roles of one form differ in nothing but `role`. */
#include "ops/window.h"

#include <string.h>

/* The arguments in the order of operands. */
static const cy_convolution_role arguments[3] = {CY_CONVOLUTION_X, CY_CONVOLUTION_W, CY_CONVOLUTION_Y};

/* Which argument operand k is. */
static cy_convolution_role argument_of(cy_convolution_role result, int k) {
  for (int i = 0; i < 3; i++)
    if (arguments[i] != result && k-- == 0) return arguments[i];
  return result;
}

/* ---- shape rule ---- */

static cy_status check_divides(int64_t channels, const char *what, int64_t groups) {
  if (channels % groups == 0) return CY_OK;
  return cy_fail(CY_INVALID, "the %lld channels of %s cannot be divided into %lld groups", (long long)channels, what,
                 (long long)groups);
}

static cy_status check_weight(const cy_window_attrs *a, cy_type w) {
  char text[CY_SHAPE_TEXT];
  if (w.shape.rank != 2 + a->size.n)
    return cy_fail(CY_INVALID, "w has shape %s; it must be [O, C / groups, kernel...] with %lld spatial axes",
                   cy_shape_text(w.shape, text), (long long)a->size.n);
  return cy_window_check_size("w", w.shape, &a->kernel);
}

static cy_status infer_output(const cy_window_attrs *a, cy_type x, cy_type w, cy_type *y) {
  char p[CY_SHAPE_TEXT], q[CY_SHAPE_TEXT];
  CY_TRY(cy_window_check_size("x", x.shape, &a->size));
  CY_TRY(check_weight(a, w));
  CY_TRY(check_divides(x.shape.dim[1], "x", a->groups));
  CY_TRY(check_divides(w.shape.dim[0], "the result", a->groups));
  if (w.shape.dim[1] != x.shape.dim[1] / a->groups)
    return cy_fail(CY_INVALID, "w of shape %s takes %lld channels per group, but x of shape %s has %lld / %lld = %lld",
                   cy_shape_text(w.shape, p), (long long)w.shape.dim[1], cy_shape_text(x.shape, q),
                   (long long)x.shape.dim[1], (long long)a->groups, (long long)(x.shape.dim[1] / a->groups));
  *y = (cy_type){x.dtype, cy_window_result(x.shape, a)};
  y->shape.dim[1] = w.shape.dim[0];
  return CY_OK;
}

static cy_status infer_input(const cy_window_attrs *a, cy_type w, cy_type y, cy_type *x) {
  char p[CY_SHAPE_TEXT], q[CY_SHAPE_TEXT];
  CY_TRY(cy_window_check_windows("y", y.shape, a));
  CY_TRY(check_weight(a, w));
  CY_TRY(check_divides(y.shape.dim[1], "y", a->groups));
  if (w.shape.dim[0] != y.shape.dim[1])
    return cy_fail(CY_INVALID, "w of shape %s gives %lld channels, but y of shape %s has %lld",
                   cy_shape_text(w.shape, p), (long long)w.shape.dim[0], cy_shape_text(y.shape, q),
                   (long long)y.shape.dim[1]);
  *x = (cy_type){y.dtype, cy_window_image(y.shape, &a->size)};
  if (!cy_mul_i64(w.shape.dim[1], a->groups, &x->shape.dim[1]))
    return cy_fail(CY_INVALID, "%lld groups of %lld channels do not fit in 63 bits", (long long)a->groups,
                   (long long)w.shape.dim[1]);
  return CY_OK;
}

static cy_status infer_weight(const cy_window_attrs *a, cy_type x, cy_type y, cy_type *w) {
  char p[CY_SHAPE_TEXT], q[CY_SHAPE_TEXT];
  CY_TRY(cy_window_check_size("x", x.shape, &a->size));
  CY_TRY(cy_window_check_windows("y", y.shape, a));
  CY_TRY(check_divides(x.shape.dim[1], "x", a->groups));
  CY_TRY(check_divides(y.shape.dim[1], "y", a->groups));
  if (x.shape.dim[0] != y.shape.dim[0])
    return cy_fail(CY_INVALID, "x of shape %s and y of shape %s differ in the number of images",
                   cy_shape_text(x.shape, p), cy_shape_text(y.shape, q));
  *w = (cy_type){x.dtype, cy_window_image(x.shape, &a->kernel)};
  w->shape.dim[0] = y.shape.dim[1];
  w->shape.dim[1] = x.shape.dim[1] / a->groups;
  return CY_OK;
}

static const char *argument_name(cy_convolution_role argument) {
  return argument == CY_CONVOLUTION_X ? "x" : argument == CY_CONVOLUTION_W ? "w" : "y";
}

static cy_status infer_convolution(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const cy_window_attrs *a = attrs;
  cy_convolution_role role = (cy_convolution_role)a->role;
  (void)n;
  for (int k = 0; k < 2; k++) {
    cy_convolution_role argument = argument_of(role, k);
    if (argument != CY_CONVOLUTION_W) CY_TRY(cy_window_check_image(argument_name(argument), in[k], a->size.n));
  }
  if (in[0].dtype != in[1].dtype)
    return cy_fail(CY_INVALID, "%s is %s and %s is %s; they must have one type", argument_name(argument_of(role, 0)),
                   cy_dtype_name(in[0].dtype), argument_name(argument_of(role, 1)), cy_dtype_name(in[1].dtype));
  if (a->groups < 1)
    return cy_fail(CY_INVALID, "the number of groups is %lld; it must be positive", (long long)a->groups);
  CY_TRY(cy_window_check(a));
  return role == CY_CONVOLUTION_Y   ? infer_output(a, in[0], in[1], out)
         : role == CY_CONVOLUTION_X ? infer_input(a, in[0], in[1], out)
                                    : infer_weight(a, in[0], in[1], out);
}

/* ---- transpose: the same form with operand k left out ---- */

static cy_value transpose_convolution(const cy_rule *r, int k, cy_value ct) {
  cy_window_attrs a = *CY_ATTRS(cy_window_attrs, r);
  cy_convolution_role result = (cy_convolution_role)a.role, wanted = argument_of(result, k);
  cy_value in[2];
  a.role = wanted;
  for (int i = 0; i < 2; i++) in[i] = argument_of(wanted, i) == result ? ct : r->in[1 - k];
  return cy_make(r->graph, r->node->op, in, 2, &a);
}

/* ---- kernel: the oracle. For each element of the result, all terms that it is the sum of ---- */

typedef struct form {
  const cy_window_attrs *a;
  const cy_view *x, *w, *y;
  int64_t in, out; /* channels of x and y in a group */
  int space;
} form;

/* A term of the form: image, group, channels within the group, and per spatial axis the place in x, w and y. */
typedef struct term {
  int64_t n, g, c, o, x[CY_MAX_SPACE], w[CY_MAX_SPACE], y[CY_MAX_SPACE];
} term;

static form form_of(const cy_call *call) {
  form f = {.a = call->attrs};
  const cy_view **slots[3] = {[CY_CONVOLUTION_X] = &f.x, [CY_CONVOLUTION_W] = &f.w, [CY_CONVOLUTION_Y] = &f.y};
  cy_convolution_role role = (cy_convolution_role)f.a->role;
  *slots[role] = call->out;
  for (int k = 0; k < 2; k++) *slots[argument_of(role, k)] = &call->in[k];
  f.space = (int)f.a->size.n;
  f.in = f.w->shape.dim[1];
  f.out = f.w->shape.dim[0] / f.a->groups;
  return f;
}

/* What is summed over for each element of the result: the other argument's channels, and all windows or their
 * elements. */
static cy_shape summed(const form *f) {
  const cy_view *from = f->a->role == CY_CONVOLUTION_W ? f->y : f->w;
  cy_shape shape = from->shape;
  shape.dim[0] = f->a->role == CY_CONVOLUTION_W ? f->x->shape.dim[0] : 1;
  shape.dim[1] = f->a->role == CY_CONVOLUTION_Y ? f->in : f->a->role == CY_CONVOLUTION_X ? f->out : 1;
  return shape;
}

/* The term at these positions of the result and of the sum; false if it is padding or there is none. */
static bool term_y(const form *f, const int64_t *result, const int64_t *sum, term *t) {
  *t = (term){.n = result[0], .g = result[1] / f->out, .o = result[1] % f->out, .c = sum[1]};
  for (int i = 0; i < f->space; i++) {
    t->y[i] = result[i + 2];
    t->w[i] = sum[i + 2];
    t->x[i] = cy_window_at(f->a, i, t->y[i], t->w[i]);
    if (t->x[i] < 0 || t->x[i] >= f->a->size.at[i]) return false;
  }
  return true;
}

static bool term_x(const form *f, const int64_t *result, const int64_t *sum, term *t) {
  *t = (term){.n = result[0], .g = result[1] / f->in, .c = result[1] % f->in, .o = sum[1]};
  for (int i = 0; i < f->space; i++) {
    t->x[i] = result[i + 2];
    t->w[i] = sum[i + 2];
    if (!cy_window_from(f->a, i, t->x[i], t->w[i], f->y->shape.dim[i + 2], &t->y[i])) return false;
  }
  return true;
}

static bool term_w(const form *f, const int64_t *result, const int64_t *sum, term *t) {
  *t = (term){.n = sum[0], .g = result[0] / f->out, .o = result[0] % f->out, .c = result[1]};
  for (int i = 0; i < f->space; i++) {
    t->w[i] = result[i + 2];
    t->y[i] = sum[i + 2];
    t->x[i] = cy_window_at(f->a, i, t->y[i], t->w[i]);
    if (t->x[i] < 0 || t->x[i] >= f->a->size.at[i]) return false;
  }
  return true;
}

/* Where an argument's element of the term lies. */
static int64_t offset(const cy_view *v, int64_t first, int64_t second, const int64_t *place, int space) {
  int64_t at = first * v->stride[0] + second * v->stride[1];
  for (int i = 0; i < space; i++) at += place[i] * v->stride[i + 2];
  return at;
}

/* The product of the two operands there. */
static double product(const form *f, const term *t) {
  double factor[2];
  int k = 0;
  if (f->a->role != CY_CONVOLUTION_X)
    factor[k++] = cy_load(f->x->data, f->x->dtype, offset(f->x, t->n, t->g * f->in + t->c, t->x, f->space));
  if (f->a->role != CY_CONVOLUTION_W)
    factor[k++] = cy_load(f->w->data, f->w->dtype, offset(f->w, t->g * f->out + t->o, t->c, t->w, f->space));
  if (f->a->role != CY_CONVOLUTION_Y)
    factor[k++] = cy_load(f->y->data, f->y->dtype, offset(f->y, t->n, t->g * f->out + t->o, t->y, f->space));
  return factor[0] * factor[1];
}

static void kernel_convolution(const cy_call *call) {
  static bool (*const term_of[3])(const form *, const int64_t *, const int64_t *, term *) = {
      [CY_CONVOLUTION_Y] = term_y, [CY_CONVOLUTION_X] = term_x, [CY_CONVOLUTION_W] = term_w};
  form f = form_of(call);
  cy_shape sum = summed(&f);
  for (cy_walk result = cy_walk_start(call->out->shape); result.more; cy_walk_next(&result)) {
    double total = 0;
    term t;
    for (cy_walk k = cy_walk_start(sum); k.more; cy_walk_next(&k))
      if (term_of[f.a->role](&f, result.index, k.index, &t)) total += product(&f, &t);
    cy_store(call->out->data, call->out->dtype, cy_walk_offset(&result, call->out->stride), total);
  }
}

/* ---- what it costs, what it sees ---- */

/* Two operations per term of the form, padding included; the same for the three roles. */
static double cost_convolution(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  const cy_window_attrs *a = attrs;
  const cy_type *x = a->role == CY_CONVOLUTION_X ? out : &in[0];
  const cy_type *w = a->role == CY_CONVOLUTION_W ? out : &in[a->role == CY_CONVOLUTION_Y];
  double terms = 2 * (double)x->shape.dim[0] * (double)cy_count(w->shape);
  (void)n;
  for (int i = 0; i < a->size.n; i++) terms *= (double)cy_window_extent(a, i);
  return terms;
}

/* Channels of one side of a group that an element of the other side depends on: `from` per group where the result has
 * `to`. Not exact where both are more than one. */
static cy_reach reach_group(int64_t from, int64_t to, int64_t groups) {
  return groups == 1 ? cy_reach_all() : (cy_reach){1, from, -(to - 1) * from, (from - 1) * to, to, 1, false};
}

static void reach_convolution(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                              cy_reach *reach) {
  const cy_window_attrs *a = attrs;
  cy_convolution_role role = (cy_convolution_role)a->role, argument = argument_of(role, operand);
  const cy_type *w = role == CY_CONVOLUTION_W ? out : &in[role == CY_CONVOLUTION_Y];
  int64_t in_group = w->shape.dim[1], out_group = w->shape.dim[0] / a->groups;
  (void)n;
  for (int i = 0; i < in[operand].shape.rank; i++) reach[i] = cy_reach_all();
  if (role == CY_CONVOLUTION_Y && argument == CY_CONVOLUTION_X) {
    reach[0] = cy_reach_same(0);
    reach[1] = reach_group(in_group, out_group, a->groups);
    cy_window_reach(a, reach + 2);
  } else if (role == CY_CONVOLUTION_X && argument == CY_CONVOLUTION_Y) {
    reach[0] = cy_reach_same(0);
    reach[1] = reach_group(out_group, in_group, a->groups);
    cy_window_reach_back(a, reach + 2);
  } else if (role == CY_CONVOLUTION_Y) { /* w: the channel's own weights */
    reach[0] = cy_reach_same(1);
  } else if (role == CY_CONVOLUTION_X) { /* w: those to and from the group */
    reach[0] = reach_group(out_group, in_group, a->groups);
    if (a->groups == 1) reach[1] = cy_reach_same(1);
  } else if (argument == CY_CONVOLUTION_Y) {
    reach[1] = cy_reach_same(0);
  } else { /* x, for a weight: one place of every window */
    if (a->groups == 1) reach[1] = cy_reach_same(1);
    for (int i = 0; i < a->size.n; i++) {
      int64_t last = (cy_window_extent(a, i) - 1) * a->stride.at[i];
      reach[i + 2] =
          (cy_reach){i + 2, a->dilation.at[i], -a->low.at[i], last - a->low.at[i], 1, a->stride.at[i], false};
    }
  }
}

static uint32_t images_convolution(const void *attrs) {
  cy_convolution_role role = (cy_convolution_role)((const cy_window_attrs *)attrs)->role;
  uint32_t images = role == CY_CONVOLUTION_W ? 0 : CY_IMAGE_RESULT;
  for (int k = 0; k < 2; k++)
    if (argument_of(role, k) != CY_CONVOLUTION_W) images |= 1u << k;
  return images;
}

/* One weight for all instances: their images are images of one convolution. */
static cy_value batch_convolution(const cy_rule *r, const bool *batched, int64_t extent) {
  cy_convolution_role role = (cy_convolution_role)CY_ATTRS(cy_window_attrs, r)->role;
  int k = role == CY_CONVOLUTION_X;
  if (role == CY_CONVOLUTION_W || !batched[k] || batched[1 - k]) return cy_none;
  cy_shape shape = cy_value_shape(r->in[k]), joined = {.rank = shape.rank - 1};
  for (int i = 0; i < joined.rank; i++) joined.dim[i] = shape.dim[i + 1];
  joined.dim[0] *= extent;
  cy_value in[2] = {r->in[0], r->in[1]};
  in[k] = cy_reshape(in[k], joined);
  return cy_reshape(cy_make(r->graph, r->node->op, in, 2, r->node->attrs), cy_shape_in_front(extent, r->node->shape));
}

static void sample_convolution(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_window_attrs a;
  cy_shape x = cy_sample_windows(rng, &a);
  (void)op;
  a.role = cy_rng_below(rng, 3);
  a.groups = cy_rng_below(rng, 2) ? 1 : 1 + cy_rng_below(rng, 3);
  int64_t in = 1 + cy_rng_below(rng, a.groups == 1 ? 3 : 2), out = 1 + cy_rng_below(rng, a.groups == 1 ? 3 : 2);
  cy_shape w = cy_window_image(x, &a.kernel), y = cy_window_result(x, &a);
  x.dim[1] = a.groups * in;
  w.dim[1] = in;
  w.dim[0] = y.dim[1] = a.groups * out;
  const cy_shape *shapes[3] = {[CY_CONVOLUTION_X] = &x, [CY_CONVOLUTION_W] = &w, [CY_CONVOLUTION_Y] = &y};
  for (int k = 0; k < 2; k++)
    cy_sample_operand(s, k, CY_F64, *shapes[argument_of((cy_convolution_role)a.role, k)], -2, 2);
  memcpy(s->attrs, &a, sizeof a);
}

const cy_op cy_op_convolution = {
    .name = "convolution", .op_class = CY_CLASS_MULTILINEAR, .arity = 2, .attr_size = sizeof(cy_window_attrs),
    .fields = cy_window_fields, .linear = 3, .scalar = -1, .infer = infer_convolution, .jvp = cy_jvp_multilinear,
    .transpose = transpose_convolution, .kernel = kernel_convolution, .cost = cost_convolution,
    .reach = reach_convolution, .images = images_convolution, .big = true, .batch = batch_convolution,
    .sample = sample_convolution};

/* ---- builders ---- */

static cy_value convolution(cy_convolution_role role, cy_value first, cy_value second, cy_window_attrs a) {
  cy_value in[2] = {first, second};
  cy_graph *graph = cy_common_graph(in, 2);
  a.role = role;
  return cy_make(graph, &cy_op_convolution, in, 2, &a);
}

cy_value cy_convolution(cy_value x, cy_value w, cy_windows windows) {
  cy_shape weight = cy_value_shape(w);
  for (int i = 0; i < CY_MAX_SPACE; i++) windows.kernel[i] = i + 2 < weight.rank ? weight.dim[i + 2] : 1;
  return convolution(CY_CONVOLUTION_Y, x, w, cy_window_attrs_of(&windows, cy_value_shape(x)));
}

cy_value cy_convolution_input(cy_value w, cy_value y, cy_windows windows, const int64_t *size) {
  cy_shape weight = cy_value_shape(w), x = cy_value_shape(y);
  for (int i = 0; i < CY_MAX_SPACE; i++) windows.kernel[i] = i + 2 < weight.rank ? weight.dim[i + 2] : 1;
  for (int i = 2; i < x.rank && i < 2 + CY_MAX_SPACE; i++) x.dim[i] = size[i - 2];
  return convolution(CY_CONVOLUTION_X, w, y, cy_window_attrs_of(&windows, x));
}

cy_value cy_convolution_weight(cy_value x, cy_value y, cy_windows windows, const int64_t *size) {
  for (int i = 2; i < cy_value_shape(x).rank && i < 2 + CY_MAX_SPACE; i++) windows.kernel[i - 2] = size[i - 2];
  return convolution(CY_CONVOLUTION_W, x, y, cy_window_attrs_of(&windows, cy_value_shape(x)));
}
