/* Vector mathematics for tile_kernels.c: which functions over arrays go before the C library's loops on the
 * instruction set that is being compiled. Our own in single precision (vector_f32.h); for the rest SLEEF's variants
 * of at most 1 ulp, where the build has it. Measured per 16 floats: exp 5.1 ns with SLEEF, 3.8 with glibc's libmvec
 * (up to 4 ulp off: too far). */
#ifndef CY_BACKEND_CPU_VECTOR_MATH_H
#define CY_BACKEND_CPU_VECTOR_MATH_H

#include "backend/cpu/vector_f32.h"
#include "cauchy_config.h"
#include "ops/scalar.h"

#include <stddef.h>
#include <string.h>

#if defined(__AVX512F__)
#define CY_VECTOR_BYTES 64
#define CY_SLEEF_F32(name) Sleef_##name##f16_u10avx512f
#define CY_SLEEF_F64(name) Sleef_##name##d8_u10avx512f
#elif defined(__AVX2__)
#define CY_VECTOR_BYTES 32
#define CY_SLEEF_F32(name) Sleef_##name##f8_u10avx2
#define CY_SLEEF_F64(name) Sleef_##name##d4_u10avx2
#else
#define CY_VECTOR_BYTES 16
#endif

typedef float cy_f32s __attribute__((vector_size(CY_VECTOR_BYTES), aligned(4), may_alias));
typedef double cy_f64s __attribute__((vector_size(CY_VECTOR_BYTES), aligned(8), may_alias));

/* The last, partial vector goes through a full one: the same operations give the same bits. */
#define CY_MATH_UNARY(kernel, T, V, function)                                                \
  static void kernel(void *out, const void *pa, const void *pb, const void *pc, size_t n) {  \
    enum { W = sizeof(V) / sizeof(T) };                                                      \
    const T *a = pa;                                                                         \
    T *o = out, rest[W] = {0};                                                               \
    size_t i = 0;                                                                            \
    (void)pb, (void)pc;                                                                      \
    for (; i + W <= n; i += W) *(V *)(o + i) = function(*(const V *)(a + i));                \
    if (i == n) return;                                                                      \
    memcpy(rest, a + i, (n - i) * sizeof(T));                                                \
    *(V *)rest = function(*(const V *)rest);                                                 \
    memcpy(o + i, rest, (n - i) * sizeof(T));                                                \
  }
#define CY_MATH_BINARY(kernel, T, V, function)                                               \
  static void kernel(void *out, const void *pa, const void *pb, const void *pc, size_t n) {  \
    enum { W = sizeof(V) / sizeof(T) };                                                      \
    const T *a = pa, *b = pb;                                                                \
    T *o = out, rest[W] = {0}, other[W] = {0};                                               \
    size_t i = 0;                                                                            \
    (void)pc;                                                                                \
    for (; i + W <= n; i += W) *(V *)(o + i) = function(*(const V *)(a + i), *(const V *)(b + i)); \
    if (i == n) return;                                                                      \
    memcpy(rest, a + i, (n - i) * sizeof(T));                                                \
    memcpy(other, b + i, (n - i) * sizeof(T));                                               \
    *(V *)rest = function(*(const V *)rest, *(const V *)other);                              \
    memcpy(o + i, rest, (n - i) * sizeof(T));                                                \
  }

#if CY_HAVE_VECTOR_F32
#define CY_OWN(X) X(exp) X(log) X(expm1) X(log1p) X(tanh) X(logistic) X(erf)
#define CY_OWN_KERNEL(name) CY_MATH_UNARY(own_##name##_f32, float, cy_f32s, vf_##name)
CY_OWN(CY_OWN_KERNEL)
#define CY_OWN_ROW(name) [CY_SCALAR_##name][0] = own_##name##_f32,
#define CY_OWN_MATH CY_OWN(CY_OWN_ROW)
#else
#define CY_OWN_MATH
#endif

#if CY_HAVE_SLEEF && defined(CY_SLEEF_F32)
#include <immintrin.h>
#include <sleef.h>

#define CY_SLEEF_DOUBLES(X) X(exp) X(log) X(expm1) X(sin) X(cos) X(tanh) X(erf)
#define CY_SLEEF_KERNEL(name) CY_MATH_UNARY(sleef_##name##_f64, double, cy_f64s, CY_SLEEF_F64(name))
#define CY_SLEEF_ROW(name) [CY_SCALAR_##name][1] = sleef_##name##_f64,
CY_SLEEF_DOUBLES(CY_SLEEF_KERNEL)
CY_MATH_UNARY(sleef_sin_f32, float, cy_f32s, CY_SLEEF_F32(sin))
CY_MATH_UNARY(sleef_cos_f32, float, cy_f32s, CY_SLEEF_F32(cos))
CY_MATH_BINARY(sleef_pow_f32, float, cy_f32s, CY_SLEEF_F32(pow))
CY_MATH_BINARY(sleef_pow_f64, double, cy_f64s, CY_SLEEF_F64(pow))

typedef __typeof__((cy_f64s){0} < (cy_f64s){0}) cy_f64_mask;
static inline cy_f64s cy_choose_f64(cy_f64_mask m, cy_f64s yes, cy_f64s no) {
  return (cy_f64s)((m & (cy_f64_mask)yes) | (~m & (cy_f64_mask)no));
}
/* SLEEF's ends at 1e307; there log a = log(1 + a) in any precision. */
static inline cy_f64s cy_log1p_f64(cy_f64s a) {
  return cy_choose_f64(a > 1e300, CY_SLEEF_F64(log)(a), CY_SLEEF_F64(log1p)(a));
}
static inline cy_f64s cy_logistic_f64(cy_f64s a) {
  cy_f64s e = CY_SLEEF_F64(exp)(cy_choose_f64(a < 0, a, -a));
  return cy_choose_f64(a < 0, e, e * 0 + 1) / (1 + e);
}
CY_MATH_UNARY(sleef_log1p_f64, double, cy_f64s, cy_log1p_f64)
CY_MATH_UNARY(sleef_logistic_f64, double, cy_f64s, cy_logistic_f64)
#define CY_SLEEF_MATH                                                                                     \
  CY_SLEEF_DOUBLES(CY_SLEEF_ROW) CY_SLEEF_ROW(log1p) CY_SLEEF_ROW(logistic)                               \
  [CY_SCALAR_sin][0] = sleef_sin_f32, [CY_SCALAR_cos][0] = sleef_cos_f32,                                 \
  [CY_SCALAR_pow][0] = sleef_pow_f32, [CY_SCALAR_pow][1] = sleef_pow_f64,
#else
#define CY_SLEEF_MATH
#endif

#define CY_VECTOR_MATH [CY_SCALAR_neg][0] = NULL, CY_OWN_MATH CY_SLEEF_MATH
#endif
