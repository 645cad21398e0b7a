/* Elementwise operations: rows, kernels and builders made from elementwise.def; linear operands and their transposes;
 * local simplifications. Operands have the result's shape: builders broadcast, rows do not. */
#include "ops/convolution_bias.h"
#include "ops/dot.h"

#include <math.h>
#include <string.h>
#include <tgmath.h>

#define ROW(op) (&cy_op_elementwise[CY_SCALAR_##op])

enum {
  FLOATS = 1 << CY_F32 | 1 << CY_F64,
  NUMBERS = FLOATS | 1 << CY_I32 | 1 << CY_I64 | 1 << CY_U8,
  ANY = NUMBERS | 1 << CY_BOOL,
};

/* ---- tangents ---- */

#define ZERO cy_none
#define MINUS(t) (cy_is_value(t) ? cy_neg(t) : cy_none)
#define SCALE(t, v) (cy_is_value(t) ? cy_mul(t, v) : cy_none)
#define RATIO(t, v) (cy_is_value(t) ? cy_div(t, v) : cy_none)
#define SUM(s, t) (first = (s), cy_tangent_sum(first, t)) /* s is made before t, whatever the compiler */
#define DIFFERENCE(s, t) (first = (s), cy_tangent_difference(first, t))
#define CHOOSE(p, s, t) cy_tangent_choose(p, s, t)

/* erf' = 2/sqrt(pi) exp(-a^2) */
#define GAUSS(a) cy_mul_scalar(cy_exp(cy_neg(cy_mul(a, a))), 1.12837916709551257390)

static cy_value one_where_zero(cy_value a) {
  cy_value zero = cy_eq(a, cy_zeros_like(a));
  return cy_select(zero, cy_ones_like(a), a);
}

/* d a^b / da = b a^(b-1), where b = 0 taken as 0 a^0: 0 also where a = 0, and so are its derivatives; d a^b / db =
 * a^b log a, taken as 0 where a = 0 (its limit for b > 0) */
#define POW_BASE(a, b) cy_mul(b, cy_pow(a, cy_add_scalar(one_where_zero(b), -1)))
#define POW_EXPONENT(a, y) cy_mul(y, cy_log(one_where_zero(a)))

#define CY_UNARY(name, kinds, result, expression, derivative, ...)        \
  static cy_value jvp_##name(const cy_rule *rule) {                      \
    cy_value a = rule->in[0], y = rule->out, ta = rule->tangent[0];      \
    (void)a, (void)y, (void)ta;                                          \
    return derivative;                                                    \
  }
#define CY_BINARY(name, kinds, result, expression, derivative, ...)       \
  static cy_value jvp_##name(const cy_rule *rule) {                      \
    cy_value a = rule->in[0], b = rule->in[1], y = rule->out;            \
    cy_value ta = rule->tangent[0], tb = rule->tangent[1], first = ta;   \
    (void)a, (void)b, (void)y, (void)ta, (void)tb, (void)first;          \
    return derivative;                                                    \
  }
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY

static cy_value jvp_select(const cy_rule *rule) {
  return cy_tangent_choose(rule->in[0], rule->tangent[1], rule->tangent[2]);
}

static cy_value jvp_convert(const cy_rule *rule) {
  return cy_is_value(rule->tangent[0]) && cy_dtype_is_float(rule->node->dtype)
             ? cy_convert(rule->tangent[0], rule->node->dtype)
             : cy_none;
}

/* ---- transposes of the linear ones ---- */

static cy_value transpose_neg(const cy_rule *r, int i, cy_value ct) { return (void)r, (void)i, cy_neg(ct); }
static cy_value transpose_add(const cy_rule *r, int i, cy_value ct) { return (void)r, (void)i, ct; }
static cy_value transpose_sub(const cy_rule *r, int i, cy_value ct) { return (void)r, i ? cy_neg(ct) : ct; }
static cy_value transpose_mul(const cy_rule *r, int i, cy_value ct) { return cy_mul(ct, r->in[1 - i]); }
static cy_value transpose_div(const cy_rule *r, int i, cy_value ct) { return (void)i, cy_div(ct, r->in[1]); }
static cy_value transpose_select(const cy_rule *r, int i, cy_value ct) {
  cy_value zero = cy_zeros_like(ct);
  return i == 1 ? cy_select(r->in[0], ct, zero) : cy_select(r->in[0], zero, ct);
}
static cy_value transpose_convert(const cy_rule *r, int i, cy_value ct) {
  return cy_convert(ct, cy_value_dtype(r->in[i]));
}

/* ---- kernels ---- */

#pragma GCC diagnostic ignored "-Wtype-limits" /* |a| of an unsigned a */

static float div_f32(float a, float b) { return a / b; }
static double div_f64(double a, double b) { return a / b; }
static int32_t div_i32(int32_t a, int32_t b) { return b == 0 ? 0 : b == -1 ? -a : a / b; }
static int64_t div_i64(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? -a : a / b; }
static uint8_t div_u8(uint8_t a, uint8_t b) { return b == 0 ? 0 : a / b; }
#define CY_DIV(a, b) \
  _Generic((a), float: div_f32, double: div_f64, int32_t: div_i32, int64_t: div_i64, uint8_t: div_u8)(a, b)

#define EACH_TYPE(LOOP, expression, result)                       \
  switch (call->in[0].dtype) {                                    \
    case CY_F32: LOOP(float, expression, result); break;          \
    case CY_F64: LOOP(double, expression, result); break;         \
    case CY_I32: LOOP(int32_t, expression, result); break;        \
    case CY_I64: LOOP(int64_t, expression, result); break;        \
    case CY_U8: case CY_BOOL: LOOP(uint8_t, expression, result); break; \
  }
#define SAME(T) T
#define LOGICAL(T) uint8_t
#define AT(T, view) ((T *)(view).data)[cy_walk_offset(&w, (view).stride)]
#define LOOP_UNARY(T, expression, result)                               \
  for (cy_walk w = cy_walk_start(call->out->shape); w.more; cy_walk_next(&w)) { \
    const T a = AT(const T, call->in[0]);                               \
    AT(result(T), *call->out) = (result(T))(expression);                \
  }
#define LOOP_BINARY(T, expression, result)                              \
  for (cy_walk w = cy_walk_start(call->out->shape); w.more; cy_walk_next(&w)) { \
    const T a = AT(const T, call->in[0]), b = AT(const T, call->in[1]); \
    AT(result(T), *call->out) = (result(T))(expression);                \
  }

#define CY_UNARY(name, kinds, result, expression, ...) \
  static void kernel_##name(const cy_call *call) { EACH_TYPE(LOOP_UNARY, expression, result) }
#define CY_BINARY(name, kinds, result, expression, ...) \
  static void kernel_##name(const cy_call *call) { EACH_TYPE(LOOP_BINARY, expression, result) }
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY

static void kernel_select(const cy_call *call) {
  size_t size = cy_dtype_size(call->out->dtype);
  for (cy_walk w = cy_walk_start(call->out->shape); w.more; cy_walk_next(&w)) {
    const cy_view *from = &call->in[AT(const uint8_t, call->in[0]) ? 1 : 2];
    memcpy((char *)call->out->data + cy_walk_offset(&w, call->out->stride) * (int64_t)size,
           (const char *)from->data + cy_walk_offset(&w, from->stride) * (int64_t)size, size);
  }
}

static void kernel_convert(const cy_call *call) { cy_view_copy(&call->in[0], call->out); }

/* ---- shape rules ---- */

static const cy_op *row_of(const void *row) { return row; }

static cy_status check_kind(const cy_op *op, cy_dtype dtype) {
  if (op->kinds >> dtype & 1) return CY_OK;
  return cy_fail(CY_INVALID, "operands of type %s are not supported; it takes %s", cy_dtype_name(dtype),
                 op->kinds == FLOATS ? "f32 and f64" : "f32, f64, i32, i64 and u8");
}

static cy_status infer_same(const cy_op *op, const cy_type *in, int n, cy_type *out) {
  CY_TRY(check_kind(op, in[0].dtype));
  for (int i = 1; i < n; i++) {
    if (in[i].dtype != in[0].dtype)
      return cy_fail(CY_INVALID, "operands have types %s and %s; convert one", cy_dtype_name(in[0].dtype),
                     cy_dtype_name(in[i].dtype));
    if (!cy_shape_equal(in[i].shape, in[0].shape))
      return cy_fail_shapes("operands have shapes %s and %s", in[0].shape, in[i].shape);
  }
  *out = in[0];
  return CY_OK;
}

#define RESULT_SAME(out) (void)(out)
#define RESULT_LOGICAL(out) (out)->dtype = CY_BOOL
#define INFER(name, n, result)                                                                     \
  static cy_status infer_##name(const void *attrs, const cy_type *in, int count, cy_type *out) {   \
    (void)attrs, (void)count;                                                                      \
    CY_TRY(infer_same(row_of(ROW(name)), in, n, out));                                             \
    RESULT_##result(out);                                                                          \
    return CY_OK;                                                                                  \
  }
#define CY_UNARY(name, kinds, result, ...) INFER(name, 1, result)
#define CY_BINARY(name, kinds, result, ...) INFER(name, 2, result)
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY

static cy_status infer_select(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)attrs, (void)n;
  if (in[0].dtype != CY_BOOL)
    return cy_fail(CY_INVALID, "the condition is of type %s, not bool", cy_dtype_name(in[0].dtype));
  CY_TRY(infer_same(ROW(select), in + 1, 2, out));
  if (!cy_shape_equal(in[0].shape, in[1].shape))
    return cy_fail_shapes("the condition has shape %s, the branches %s", in[0].shape, in[1].shape);
  return CY_OK;
}

typedef struct convert_attrs {
  int64_t dtype;
} convert_attrs;
static const cy_field convert_fields[] = {CY_INT_FIELD(convert_attrs, dtype), CY_END_FIELDS};

static cy_status infer_convert(const void *attrs, const cy_type *in, int n, cy_type *out) {
  int64_t to = ((const convert_attrs *)attrs)->dtype;
  (void)n;
  if (to < 0 || to >= CY_DTYPE_COUNT) return cy_fail(CY_INVALID, "%lld is not a dtype", (long long)to);
  *out = (cy_type){(cy_dtype)to, in[0].shape};
  return CY_OK;
}

/* ---- simplifications: exact in floating point, NaN and signed zero aside where noted ---- */

static bool is_number(cy_value v, double number) {
  double n;
  /* Look through broadcasts: a scalar spread over a tensor is that number everywhere. */
  while (cy_is_value(v) && cy_node_of(v)->op == &cy_op_broadcast) v = cy_value_at(v.graph, cy_node_of(v)->inputs[0]);
  return cy_is_full(v, &n) && n == number;
}

static bool is_op(cy_value v, cy_scalar_op op) { return cy_node_of(v)->op == &cy_op_elementwise[op]; }
static cy_value operand(cy_value v, int i) { return cy_value_at(v.graph, cy_node_of(v)->inputs[i]); }

/* -(-a) = a; -(a - b) = b - a (up to the sign of zero); the sign goes into a choice of numbers */
static cy_value simplify_neg(const cy_rule *r) {
  double n;
  if (is_op(r->in[0], CY_SCALAR_select) && cy_is_full(operand(r->in[0], 1), &n) && cy_is_full(operand(r->in[0], 2), &n)) {
    cy_value yes = cy_neg(operand(r->in[0], 1));
    return cy_select(operand(r->in[0], 0), yes, cy_neg(operand(r->in[0], 2)));
  }
  if (is_op(r->in[0], CY_SCALAR_neg)) return operand(r->in[0], 0);
  if (is_op(r->in[0], CY_SCALAR_sub)) return cy_sub(operand(r->in[0], 1), operand(r->in[0], 0));
  return cy_none;
}

static cy_value simplify_add(const cy_rule *r) { /* a + 0 = a; a + (-b) = a - b; a product or convolution and what is added */
  for (int i = 0; i < 2; i++) {
    cy_value sum = cy_find_dot_add(r, r->in[1 - i], r->in[i], false);
    if (!cy_is_value(sum)) sum = cy_find_convolution_bias(r, r->in[1 - i], r->in[i], 1);
    if (cy_is_value(sum)) return sum;
    if (is_number(r->in[i], 0)) return r->in[1 - i];
    if (is_op(r->in[i], CY_SCALAR_neg)) return cy_sub(r->in[1 - i], operand(r->in[i], 0));
  }
  cy_value sum = cy_find_side_by_side(r);
  return cy_is_value(sum) ? sum : cy_find_common_factor(r, false);
}

static cy_value simplify_sub(const cy_rule *r) { /* a - 0 = a; 0 - a = -a; a - (-b) = a + b */
  if (is_number(r->in[1], 0)) return r->in[0];
  if (is_number(r->in[0], 0)) return cy_neg(r->in[1]);
  if (is_op(r->in[1], CY_SCALAR_neg)) return cy_add(r->in[0], operand(r->in[1], 0));
  cy_value sum = cy_find_convolution_bias(r, r->in[0], r->in[1], -1);
  if (!cy_is_value(sum)) sum = cy_find_dot_add(r, r->in[0], r->in[1], true);
  return cy_is_value(sum) ? sum : cy_find_common_factor(r, true);
}

static cy_value simplify_mul(const cy_rule *r) { /* a * 1 = a; a * -1 = -a; (-a) b = -(a b) */
  for (int i = 0; i < 2; i++) {
    if (is_number(r->in[i], 1)) return r->in[1 - i];
    if (is_number(r->in[i], -1)) return cy_neg(r->in[1 - i]);
    if (is_op(r->in[i], CY_SCALAR_neg)) return cy_neg(cy_mul(operand(r->in[i], 0), r->in[1 - i]));
  }
  for (int i = 0; i < 2; i++) {
    cy_value scaled = cy_find_convolution_scale(r, r->in[i], r->in[1 - i]);
    if (cy_is_value(scaled)) return scaled;
  }
  return cy_none;
}

static cy_value simplify_max(const cy_rule *r) { /* relu after a convolution */
  return cy_find_convolution_relu(r, r->in[0], r->in[1]);
}

static cy_value simplify_div(const cy_rule *r) { /* a / 1 = a; a / 2^k = a * 2^-k exactly */
  double n;
  if (is_number(r->in[1], 1)) return r->in[0];
  int exponent;
  if (cy_dtype_is_float(r->node->dtype) && cy_is_full(r->in[1], &n) && fabs((double)frexp(n, &exponent)) == 0.5 &&
      exponent > -120 && exponent < 120)
    return cy_mul(r->in[0], cy_full(r->graph, r->node->dtype, r->node->shape, 1 / n));
  return cy_none;
}

static cy_value simplify_pow(const cy_rule *r) { /* a^1, a^2, a^0.5, a^-1 */
  if (is_number(r->in[1], 1)) return r->in[0];
  if (is_number(r->in[1], 2)) return cy_mul(r->in[0], r->in[0]);
  if (is_number(r->in[1], -1)) return cy_div(cy_ones_like(r->in[0]), r->in[0]);
  return cy_none;
}

static cy_value simplify_select(const cy_rule *r) { /* p ? a : a = a; constant conditions */
  if (r->in[1].id == r->in[2].id) return r->in[1];
  if (is_number(r->in[0], 1)) return r->in[1];
  if (is_number(r->in[0], 0)) return r->in[2];
  return cy_guard_dot_add(r);
}

static cy_value simplify_stop_gradient(const cy_rule *r) { return r->in[0]; } /* when compiling, all is derived */

static cy_value simplify_convert(const cy_rule *r) { /* to the same type */
  return cy_value_dtype(r->in[0]) == r->node->dtype ? r->in[0] : cy_none;
}

/* ---- sampling ---- */

static void sample_rows(const cy_op *op, cy_rng *rng, cy_sample *sample) {
  cy_shape shape = cy_sample_shape(rng, 0, 3, true);
  for (int i = 0; i < op->arity; i++) cy_sample_operand(sample, i, CY_F64, shape, op->low[i], op->high[i]);
  sample->distinct = op->arity == 2;
}

static void sample_select(const cy_op *op, cy_rng *rng, cy_sample *sample) {
  cy_shape shape = cy_sample_shape(rng, 0, 3, true);
  (void)op;
  cy_sample_operand(sample, 0, CY_BOOL, shape, 0, 2);
  cy_sample_operand(sample, 1, CY_F64, shape, -2, 2);
  cy_sample_operand(sample, 2, CY_F64, shape, -2, 2);
}

static void sample_convert(const cy_op *op, cy_rng *rng, cy_sample *sample) {
  (void)op;
  cy_sample_operand(sample, 0, CY_F64, cy_sample_shape(rng, 0, 3, true), -2, 2);
  *(convert_attrs *)(void *)sample->attrs = (convert_attrs){CY_F64};
}

/* ---- the rows ---- */

/* Linear operands as a mask, transpose, simplification: what elementwise.def leaves open. */
#define LINEAR_neg .linear = 1, .transpose = transpose_neg, .simplify = simplify_neg
#define LINEAR_add .linear = 3, .transpose = transpose_add, .simplify = simplify_add
#define LINEAR_sub .linear = 3, .transpose = transpose_sub, .simplify = simplify_sub
#define LINEAR_mul .linear = 3, .transpose = transpose_mul, .simplify = simplify_mul
#define LINEAR_div .linear = 1, .transpose = transpose_div, .simplify = simplify_div
#define LINEAR_pow .simplify = simplify_pow
#define LINEAR_stop_gradient .simplify = simplify_stop_gradient, .blocks = true
#define LINEAR_exp
#define LINEAR_log
#define LINEAR_expm1
#define LINEAR_log1p
#define LINEAR_sin
#define LINEAR_cos
#define LINEAR_tanh
#define LINEAR_logistic
#define LINEAR_erf
#define LINEAR_sqrt
#define LINEAR_rsqrt
#define LINEAR_abs
#define LINEAR_sign
#define LINEAR_floor
#define LINEAR_max .simplify = simplify_max
#define LINEAR_min
#define LINEAR_eq
#define LINEAR_ne
#define LINEAR_lt
#define LINEAR_le
#define LINEAR_gt
#define LINEAR_ge



#define COMMON(op_name, n, which)                                                                   \
  .name = #op_name, .op_class = CY_CLASS_ELEMENTWISE, .arity = n,\
  .scalar = CY_SCALAR_##op_name, .infer = infer_##op_name, .jvp = jvp_##op_name, .kernel = kernel_##op_name, \
  .batch = cy_batch_same, .kinds = which

const cy_op cy_op_elementwise[CY_SCALAR_COUNT] = {
#define CY_UNARY(op, kinds, result, expression, derivative, low_a, high_a) \
  [CY_SCALAR_##op] = {COMMON(op, 1, kinds), .sample = sample_rows, .low = {low_a}, .high = {high_a}, LINEAR_##op},
#define CY_BINARY(op, kinds, result, expression, derivative, low_a, high_a, low_b, high_b)                     \
  [CY_SCALAR_##op] = {COMMON(op, 2, kinds), .sample = sample_rows, .low = {low_a, low_b}, .high = {high_a, high_b}, \
                      LINEAR_##op},
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY
    [CY_SCALAR_select] = {COMMON(select, 3, ANY), .linear = 6, .transpose = transpose_select,
                          .simplify = simplify_select, .sample = sample_select},
    [CY_SCALAR_convert] = {COMMON(convert, 1, ANY), .attr_size = sizeof(convert_attrs), .fields = convert_fields,
                           .linear = 1, .transpose = transpose_convert, .simplify = simplify_convert,
                           .sample = sample_convert},
};

/* ---- builders ---- */

static cy_value unary(const cy_op *op, cy_value a) { return cy_make(a.graph, op, &a, 1, NULL); }

/* The common shape of operands aligned at the right, extents equal or 1. */
static bool common_shape(const cy_op *op, const cy_value *v, int n, cy_shape *out) {
  *out = cy_value_shape(v[0]);
  for (int i = 1; i < n; i++) {
    cy_shape a = *out, b = cy_value_shape(v[i]);
    out->rank = a.rank > b.rank ? a.rank : b.rank;
    for (int k = 0; k < out->rank; k++) { /* from the right */
      int64_t x = k < a.rank ? a.dim[a.rank - 1 - k] : 1, y = k < b.rank ? b.dim[b.rank - 1 - k] : 1;
      if (x != y && x != 1 && y != 1) {
        char p[CY_SHAPE_TEXT], q[CY_SHAPE_TEXT];
        cy_graph_fail(v[0].graph, CY_INVALID, "%s: shapes %s and %s do not broadcast: %lld against %lld, counted from the right axis %d",
                      op->name, cy_shape_text(a, p), cy_shape_text(b, q), (long long)x, (long long)y, k + 1);
        return false;
      }
      out->dim[out->rank - 1 - k] = x == 1 ? y : x;
    }
  }
  return true;
}

static cy_value broadcasting(const cy_op *op, cy_value *v, int n) {
  cy_shape shape;
  cy_graph *graph = cy_common_graph(v, n);
  if (!graph || cy_graph_failed(graph)) return cy_failed(graph);
  for (int i = 0; i < n; i++)
    if (!cy_is_value(v[i])) return cy_make(graph, op, v, n, NULL); /* reports the missing operand */
  if (!common_shape(op, v, n, &shape)) return cy_failed(graph);
  for (int i = 0; i < n; i++) v[i] = cy_broadcast(v[i], shape);
  return cy_make(graph, op, v, n, NULL);
}

static cy_value binary(const cy_op *op, cy_value a, cy_value b) {
  cy_value v[2] = {a, b};
  return broadcasting(op, v, 2);
}

#define CY_UNARY(name, ...) \
  cy_value cy_##name(cy_value a) { return unary(ROW(name), a); }
#define CY_BINARY(name, ...) \
  cy_value cy_##name(cy_value a, cy_value b) { return binary(ROW(name), a, b); }
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY

cy_value cy_select(cy_value condition, cy_value a, cy_value b) {
  cy_value v[3] = {condition, a, b};
  return broadcasting(ROW(select), v, 3);
}

cy_value cy_convert(cy_value a, cy_dtype dtype) {
  convert_attrs attrs = {dtype};
  if (cy_is_value(a) && !cy_graph_failed(a.graph) && cy_value_dtype(a) == dtype) return a;
  return cy_make(a.graph, ROW(convert), &a, 1, &attrs);
}

static cy_value like(cy_value a, double number) {
  return cy_is_value(a) ? cy_full(a.graph, cy_value_dtype(a), cy_value_shape(a), number) : cy_failed(a.graph);
}

cy_value cy_zeros_like(cy_value a) { return like(a, 0); }
cy_value cy_ones_like(cy_value a) { return like(a, 1); }
cy_value cy_add_scalar(cy_value a, double s) { return cy_add(a, like(a, s)); }
cy_value cy_mul_scalar(cy_value a, double s) { return cy_mul(a, like(a, s)); }
cy_value cy_pow_scalar(cy_value a, double s) { return cy_pow(a, like(a, s)); }
cy_value cy_max_scalar(cy_value a, double s) { return cy_max(a, like(a, s)); }
cy_value cy_rsub_scalar(double s, cy_value a) { return cy_sub(like(a, s), a); }
cy_value cy_rdiv_scalar(double s, cy_value a) { return cy_div(like(a, s), a); }
