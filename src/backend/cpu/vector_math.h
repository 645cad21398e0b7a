/* Vector mathematics for tile_kernels.c: exp, log, tanh and their like over arrays, for the instruction set that is being
 * compiled. SLEEF (its variants of at most 1 ulp) where the build has it; an empty list leaves the C library's loops. */
#ifndef CY_BACKEND_CPU_VECTOR_MATH_H
#define CY_BACKEND_CPU_VECTOR_MATH_H

#include "cauchy_config.h"
#include "ops/scalar.h"

#include <stddef.h>
#include <string.h>

#define CY_TEXT_(a) #a
#define CY_TEXT(a) CY_TEXT_(a)

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

#if CY_HAVE_SLEEF && defined(CY_SLEEF_F32)
#include <immintrin.h>
#include <sleef.h>

typedef float cy_f32s __attribute__((vector_size(CY_VECTOR_BYTES), aligned(4), may_alias));
typedef double cy_f64s __attribute__((vector_size(CY_VECTOR_BYTES), aligned(8), may_alias));

/* The last, partial vector goes through a full one: the same function gives the same bits. */
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

#define CY_SLEEF_UNARY(name)                                                     \
  CY_MATH_UNARY(sleef_##name##_f32, float, cy_f32s, CY_SLEEF_F32(name))          \
  CY_MATH_UNARY(sleef_##name##_f64, double, cy_f64s, CY_SLEEF_F64(name))
CY_SLEEF_UNARY(exp)
CY_SLEEF_UNARY(log)
CY_SLEEF_UNARY(expm1)
CY_SLEEF_UNARY(log1p)
CY_SLEEF_UNARY(sin)
CY_SLEEF_UNARY(cos)
CY_SLEEF_UNARY(tanh)
CY_SLEEF_UNARY(erf)
CY_MATH_BINARY(sleef_pow_f32, float, cy_f32s, CY_SLEEF_F32(pow))
CY_MATH_BINARY(sleef_pow_f64, double, cy_f64s, CY_SLEEF_F64(pow))

#define CY_SLEEF_ROW(name) [CY_SCALAR_##name] = {sleef_##name##_f32, sleef_##name##_f64},
#define CY_VECTOR_MATH                                                                                       \
  CY_SLEEF_ROW(exp) CY_SLEEF_ROW(log) CY_SLEEF_ROW(expm1) CY_SLEEF_ROW(log1p) CY_SLEEF_ROW(sin) CY_SLEEF_ROW(cos) \
  CY_SLEEF_ROW(tanh) CY_SLEEF_ROW(erf) CY_SLEEF_ROW(pow)
#else
#define CY_VECTOR_MATH [0] = {NULL, NULL}
#endif
#endif
