/* One instruction set's table of vector kernels. Compiled several times: the build sets CY_TILE_SET (baseline, avx2,
 * avx512) and the machine flags. Expressions come from elementwise.def; contraction into fused multiply-adds is off, so
 * every set gives the same bits except in vector_math.h. */
#include "backend/cpu/tile_kernels.h"

#include "backend/cpu/vector_choose.h"
#include "backend/cpu/vector_math.h"
#include "backend/cpu/vector_random.h"

#include <math.h>
#include <string.h>
#include <tgmath.h>

#pragma GCC diagnostic ignored "-Wtype-limits" /* |a| of an unsigned a */

#define CY_JOIN_(a, b) a##_##b
#define CY_JOIN(a, b) CY_JOIN_(a, b)
#define CY_TEXT_(a) #a
#define CY_TEXT(a) CY_TEXT_(a)
#define CY_SIMD _Pragma("omp simd")

#define T float
#define T_BYTES 4
#define T_INTEGER int32_t
#define SUFFIX f32
#define IS_FLOAT 1
#define LOWEST (-INFINITY)
#include "backend/cpu/tile_kernels_type.h"
#define T double
#define T_BYTES 8
#define T_INTEGER int64_t
#define SUFFIX f64
#define IS_FLOAT 1
#define LOWEST (-INFINITY)
#include "backend/cpu/tile_kernels_type.h"
#define T int32_t
#define SUFFIX i32
#define IS_FLOAT 0
#define LOWEST INT32_MIN
#include "backend/cpu/tile_kernels_type.h"
#define T int64_t
#define SUFFIX i64
#define IS_FLOAT 0
#define LOWEST INT64_MIN
#include "backend/cpu/tile_kernels_type.h"
#define T uint8_t
#define SUFFIX u8
#define IS_FLOAT 0
#define LOWEST 0
#include "backend/cpu/tile_kernels_type.h"

/* ---- select: moves bits, so only the size counts ---- */

#define SELECT(name, T, at_b, at_c)                                                       \
  static void name(void *out, const void *pa, const void *pb, const void *pc, size_t n) { \
    T *o = out;                                                                           \
    const uint8_t *p = pa;                                                                \
    const T *b = pb, *c = pc;                                                             \
    if (n == 0) return;                                                                   \
    const T b0 = *b, c0 = *c;                                                             \
    (void)b0, (void)c0;                                                                   \
    CY_SIMD for (size_t i = 0; i < n; i++) {                                              \
      const T yes = at_b, no = at_c;                                                      \
      o[i] = p[i] ? yes : no;                                                             \
    }                                                                                     \
  }
#define SELECT_FORMS(size, T)               \
  SELECT(select_##size, T, b[i], c[i])      \
  SELECT(select_sv_##size, T, b0, c[i])     \
  SELECT(select_vs_##size, T, b[i], c0)     \
  SELECT(select_ss_##size, T, b0, c0)
SELECT_FORMS(1, uint8_t)
SELECT_FORMS(4, uint32_t)
SELECT_FORMS(8, uint64_t)

/* ---- rows of a short length from one number each ---- */

#define EXPAND(name, T)                                                              \
  static void name(void *out, const void *px, size_t rows, size_t columns) {         \
    enum { W = 64 / sizeof(T) };                                                     \
    T *o = out;                                                                      \
    const T *x = px;                                                                 \
    size_t r = 0;                                                                    \
    for (; columns <= W && (r + 1) * columns + W <= rows * columns; r++)             \
      for (size_t c = 0; c < W; c++) o[r * columns + c] = x[r]; /* later rows follow */ \
    for (; r < rows; r++) {                                                          \
      const T v = x[r];                                                              \
      CY_SIMD for (size_t c = 0; c < columns; c++) o[r * columns + c] = v;           \
    }                                                                                \
  }
EXPAND(expand_1, uint8_t)
EXPAND(expand_4, uint32_t)
EXPAND(expand_8, uint64_t)

/* ---- expressions in one pass, f32: what passes through the first-level cache is what costs ---- */

/* Operands p, of which s says how far to go for W elements. */
#define FUSED_ROW(name, expression)                                                             \
  static inline void name##_row(float *o, const float *const *p, const size_t *s, size_t n) {   \
    enum { W = FUSED_WIDTH };                                                                   \
    const float *pa = p[0], *pb = p[1], *pc = p[2], *pd = p[3], *pe = p[4];                     \
    size_t i = 0;                                                                               \
    for (; i + W <= n; i += W, pa += s[0], pb += s[1], pc += s[2], pd += s[3], pe += s[4])      \
      CY_SIMD for (int l = 0; l < W; l++) {                                                     \
        const float a = pa[l], b = pb[l], c = pc[l], d = pd[l], e = pe[l];                      \
        (void)a, (void)b, (void)c, (void)d, (void)e;                                            \
        o[i + (size_t)l] = expression;                                                          \
      }                                                                                         \
    for (size_t l = 0; i + l < n; l++) {                                                        \
      const float a = pa[l], b = pb[l], c = pc[l], d = pd[l], e = pe[l];                        \
      (void)a, (void)b, (void)c, (void)d, (void)e;                                              \
      o[i + l] = expression;                                                                    \
    }                                                                                           \
  }
enum { FUSED_WIDTH = 32 };
#define FUSED(name, count, expression)                                                          \
  FUSED_ROW(name, expression)                                                                   \
  static void name(void *out, const void *const *x, const size_t *step, const int64_t *pitch,   \
                   size_t rows, size_t n) {                                                     \
    _Alignas(64) float same[count][FUSED_WIDTH]; /* operands that are one number, repeated */   \
    const float *p[CY_FUSED_OPERANDS];                                                          \
    size_t s[CY_FUSED_OPERANDS];                                                                \
    if (n == 0) return;                                                                         \
    for (int k = 0; k < CY_FUSED_OPERANDS; k++) {                                               \
      const int from = k < count ? k : 0;                                                       \
      p[k] = step[from] ? x[from] : same[from];                                                 \
      s[k] = step[from] * FUSED_WIDTH;                                                          \
      if (k >= count || step[k]) continue;                                                      \
      const float v = *(const float *)x[k];                                                     \
      for (int l = 0; l < FUSED_WIDTH; l++) same[k][l] = v;                                     \
    }                                                                                           \
    name##_row(out, p, s, n);                                                                   \
    for (size_t r = 1; r < rows; r++) {                                                         \
      for (int k = 0; k < CY_FUSED_OPERANDS; k++)                                               \
        if (s[k]) p[k] = (const float *)((const char *)p[k] + pitch[k < count ? k : 0]);        \
      out = (char *)out + pitch[CY_FUSED_OPERANDS];                                             \
      name##_row(out, p, s, n);                                                                 \
    }                                                                                           \
  }
#define A CY_OPERAND(0)
#define B CY_OPERAND(1)
#define C CY_OPERAND(2)
#define D CY_OPERAND(3)
#define E CY_OPERAND(4)
#define S(name) CY_SCALAR_##name

/* Moving averages and what adaptive optimisers subtract (Adagrad, RMSprop, Adam); a rectified sum. */
FUSED(adaptive_step, 5, a - b * (c / (sqrtf(d) + e)))
FUSED(average_of_squares, 4, a * b + c * (d * d))
FUSED(sum_of_products, 4, a * b + c * d)
FUSED(difference_of_products, 4, a * b - c * d)
FUSED(rectified_sum, 4, a + b > c ? a + b : d)

/* Pairs: X(inner, outer) is outer(inner(a, b), c); R(inner, outer) is outer(c, inner(a, b)). */
#define OF_add(a, b) ((a) + (b))
#define OF_sub(a, b) ((a) - (b))
#define OF_mul(a, b) ((a) * (b))
#define OF_div(a, b) ((a) / (b))
#define OUTERS(X, R, inner) X(inner, add) X(inner, sub) R(inner, sub) X(inner, mul) X(inner, div) R(inner, div)
#define PAIRS(X, R) OUTERS(X, R, add) OUTERS(X, R, sub) OUTERS(X, R, mul) OUTERS(X, R, div)
#define PAIR(inner, outer) FUSED(inner##_##outer, 3, OF_##outer(OF_##inner(a, b), c))
#define REVERSE(inner, outer) FUSED(inner##_##outer##_reverse, 3, OF_##outer(c, OF_##inner(a, b)))
PAIRS(PAIR, REVERSE)
FUSED(sqrt_add, 2, sqrtf(a) + b)
FUSED(add_max, 3, CY_MAX(a + b, c))

#define CHOICES(X) X(gt, >) X(ge, >=) X(lt, <) X(le, <=) X(eq, ==) X(ne, !=)
#define CHOICE(name, sign) FUSED(choose_##name, 4, a sign b ? c : d)
CHOICES(CHOICE)

#define PAIR_ROW(inner, outer) {{S(outer), S(inner), A, B, C}, 3, inner##_##outer},
#define REVERSE_ROW(inner, outer) {{S(outer), C, S(inner), A, B}, 3, inner##_##outer##_reverse},
#define CHOICE_ROW(name, sign) {{S(select), S(name), A, B, C, D}, 4, choose_##name},
static const cy_tile_template templates[] = {
  {{S(sub), A, S(mul), B, S(div), C, S(add), S(sqrt), D, E}, 5, adaptive_step},
  {{S(add), S(mul), A, B, S(mul), C, S(mul), D, D}, 4, average_of_squares},
  {{S(select), S(gt), S(add), A, B, C, S(add), A, B, D}, 4, rectified_sum},
  {{S(add), S(mul), A, B, S(mul), C, D}, 4, sum_of_products},
  {{S(sub), S(mul), A, B, S(mul), C, D}, 4, difference_of_products},
  CHOICES(CHOICE_ROW) PAIRS(PAIR_ROW, REVERSE_ROW)
  {{S(add), S(sqrt), A, B}, 2, sqrt_add},
  {{S(max), S(add), A, B, C}, 3, add_max},
};
#undef A
#undef B
#undef C
#undef D
#undef E
#undef S

/* ---- conversions, as cy_view_copy does them: out of range saturates, NaN gives 0, only i64 to i32 wraps ---- */

#define CONVERT(from, F, to, R, expression)                                                           \
  static void convert_##from##_##to(void *out, const void *pa, const void *pb, const void *pc, size_t n) { \
    R *o = out;                                                                                       \
    const F *va = pa;                                                                                 \
    (void)pb, (void)pc;                                                                               \
    CY_SIMD for (size_t i = 0; i < n; i++) {                                                          \
      const F a = va[i];                                                                              \
      o[i] = (R)(expression);                                                                         \
    }                                                                                                 \
  }
/* Comparisons with NaN are false: it ends in 0. high is exact in F or the next number above the largest. */
#define CLAMP(a, F, R, low, high, most) \
  ((a) <= (F)(low) ? (low) : (a) < (F)(high) ? (R)(a) : (a) >= (F)(high) ? (most) : 0)
#define FROM_FLOAT(from, F)                                                                       \
  CONVERT(from, F, i32, int32_t, CLAMP((double)a, double, int32_t, INT32_MIN, 2147483648.0, INT32_MAX)) \
  CONVERT(from, F, i64, int64_t, CLAMP(a, F, int64_t, INT64_MIN, 0x1p63, INT64_MAX))                \
  CONVERT(from, F, u8, uint8_t, CLAMP(a, F, int32_t, 0, 255, 255))
CONVERT(f32, float, f64, double, a)
CONVERT(f64, double, f32, float, a)
FROM_FLOAT(f32, float)
FROM_FLOAT(f64, double)
CONVERT(i32, int32_t, f32, float, a)
CONVERT(i32, int32_t, f64, double, a)
CONVERT(i32, int32_t, i64, int64_t, a)
CONVERT(i32, int32_t, u8, uint8_t, a < 0 ? 0 : a > 255 ? 255 : a)
CONVERT(i64, int64_t, f32, float, (double)a)
CONVERT(i64, int64_t, f64, double, a)
CONVERT(i64, int64_t, i32, int32_t, a)
CONVERT(i64, int64_t, u8, uint8_t, a < 0 ? 0 : a > 255 ? 255 : a)
CONVERT(u8, uint8_t, f32, float, a)
CONVERT(u8, uint8_t, f64, double, a)
CONVERT(u8, uint8_t, i32, int32_t, a)
CONVERT(u8, uint8_t, i64, int64_t, a)
CONVERT(f32, float, bool, uint8_t, a != 0)
CONVERT(f64, double, bool, uint8_t, a != 0)
CONVERT(i32, int32_t, bool, uint8_t, a != 0)
CONVERT(i64, int64_t, bool, uint8_t, a != 0)
CONVERT(u8, uint8_t, bool, uint8_t, a != 0)

/* ---- the table ---- */

#define UNARY_FORMS(k) {k}
#define BINARY_FORMS(k, sv, vs) {[CY_VECTORS] = k, [CY_UNIFORM_A] = sv, [CY_UNIFORM_B] = vs}
#define UNARY_FLOATS(k) [CY_F32] = UNARY_FORMS(k##_f32), [CY_F64] = UNARY_FORMS(k##_f64)
#define UNARY_NUMBERS(k) \
  UNARY_FLOATS(k), [CY_I32] = UNARY_FORMS(k##_i32), [CY_I64] = UNARY_FORMS(k##_i64), [CY_U8] = UNARY_FORMS(k##_u8)
#define UNARY_ANY(k) UNARY_NUMBERS(k), [CY_BOOL] = UNARY_FORMS(k##_u8)
#define OF_TYPE(k, type) BINARY_FORMS(k##_##type, k##_sv_##type, k##_vs_##type)
#define BINARY_FLOATS(k) [CY_F32] = OF_TYPE(k, f32), [CY_F64] = OF_TYPE(k, f64)
#define BINARY_NUMBERS(k) \
  BINARY_FLOATS(k), [CY_I32] = OF_TYPE(k, i32), [CY_I64] = OF_TYPE(k, i64), [CY_U8] = OF_TYPE(k, u8)
#define BINARY_ANY(k) BINARY_NUMBERS(k), [CY_BOOL] = OF_TYPE(k, u8)
#define ALL_TYPES(k) {k##_f32, k##_f64, k##_i32, k##_i64, k##_u8, k##_u8}
#define SELECT_ROW(size)                                                                               \
  {[CY_VECTORS] = select_##size, [CY_UNIFORM_B] = select_sv_##size, [CY_UNIFORM_C] = select_vs_##size, \
   [CY_UNIFORM_B | CY_UNIFORM_C] = select_ss_##size}

const cy_tile_kernels CY_JOIN(cy_tile_kernels, CY_TILE_SET) = {
  .name = CY_TEXT(CY_TILE_SET),
  .scalar = {
#define CY_UNARY(name, kinds, ...) [CY_SCALAR_##name] = {UNARY_##kinds(name)},
#define CY_BINARY(name, kinds, ...) [CY_SCALAR_##name] = {BINARY_##kinds(name)},
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY
  },
  .math = {CY_VECTOR_MATH},
  .select = {SELECT_ROW(1), SELECT_ROW(4), SELECT_ROW(8)},
  .convert = {
    [CY_F32] = {stop_gradient_f32, convert_f32_f64, convert_f32_i32, convert_f32_i64, convert_f32_u8, convert_f32_bool},
    [CY_F64] = {convert_f64_f32, stop_gradient_f64, convert_f64_i32, convert_f64_i64, convert_f64_u8, convert_f64_bool},
    [CY_I32] = {convert_i32_f32, convert_i32_f64, stop_gradient_i32, convert_i32_i64, convert_i32_u8, convert_i32_bool},
    [CY_I64] = {convert_i64_f32, convert_i64_f64, convert_i64_i32, stop_gradient_i64, convert_i64_u8, convert_i64_bool},
    [CY_U8] = {convert_u8_f32, convert_u8_f64, convert_u8_i32, convert_u8_i64, stop_gradient_u8, convert_u8_bool},
    [CY_BOOL] = {convert_u8_f32, convert_u8_f64, convert_u8_i32, convert_u8_i64, stop_gradient_u8, stop_gradient_u8},
  },
  .templates = templates,
  .n_templates = sizeof templates / sizeof *templates,
  .expand = {expand_1, expand_4, expand_8},
  .reduce = {ALL_TYPES(reduce_sum), ALL_TYPES(reduce_max)},
  .accumulate = {ALL_TYPES(accumulate_sum), ALL_TYPES(accumulate_max)},
  .random = {random_f32, random_f64},
};
