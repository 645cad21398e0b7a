/* Pooling in vectors of channels, for one instruction set: the build compiles this file with CY_KERNEL_SET (the table's
 * suffix). Channels that lie side by side go 64 bytes at a time, the others one by one; both compute the same. */
#include "backend/cpu/pool_kernel.h"

enum { BYTES = 64 };

#define ALIAS aligned(4), may_alias
typedef float vec_f32 __attribute__((vector_size(BYTES), ALIAS));
typedef double vec_f64 __attribute__((vector_size(BYTES), ALIAS));
typedef int32_t mask_f32 __attribute__((vector_size(BYTES), ALIAS)); /* also the lanes' whole numbers */
typedef int64_t mask_f64 __attribute__((vector_size(BYTES), ALIAS));
typedef int32_t index_f32 __attribute__((vector_size(BYTES), ALIAS)); /* as many as a vector has lanes */
typedef int32_t index_f64 __attribute__((vector_size(BYTES / 2), ALIAS));

/* T: f32 or f64; scalar: float or double. Every function takes whole vectors, then what is left. */
#define POOL_FUNCTIONS(T, scalar)                                                                                     \
  enum { LANES_##T = BYTES / sizeof(scalar) };                                                                        \
                                                                                                                      \
  static int64_t vectors_##T(const cy_pool_line *l) {                                                                 \
    const int together = l->from_step == 1 && l->to_step == 1 && l->index_step == 1;                                  \
    return together ? l->channels / LANES_##T * LANES_##T : 0;                                                        \
  }                                                                                                                   \
                                                                                                                      \
  static void sum_##T(const cy_pool_line *l) {                                                                        \
    const scalar *from = l->from;                                                                                     \
    scalar *to = l->to;                                                                                               \
    const int64_t vectors = vectors_##T(l);                                                                           \
    for (int64_t c = 0; c < vectors; c += LANES_##T) {                                                                \
      vec_##T sum = {0};                                                                                              \
      for (int64_t i = 0; i < l->n; i++) sum += *(const vec_##T *)(from + l->offset[i] + c);                          \
      *(vec_##T *)(to + c) = sum;                                                                                     \
    }                                                                                                                 \
    for (int64_t c = vectors; c < l->channels; c++) {                                                                 \
      scalar sum = 0;                                                                                                 \
      for (int64_t i = 0; i < l->n; i++) sum += from[l->offset[i] + c * l->from_step];                                \
      to[c * l->to_step] = sum;                                                                                       \
    }                                                                                                                 \
  }                                                                                                                   \
                                                                                                                      \
  static void argmax_##T(const cy_pool_line *l) {                                                                     \
    const scalar *from = l->from;                                                                                     \
    int32_t *to = l->to;                                                                                              \
    const int64_t vectors = l->n ? vectors_##T(l) : 0;                                                                \
    for (int64_t c = 0; c < vectors; c += LANES_##T) {                                                                \
      vec_##T best = *(const vec_##T *)(from + l->offset[0] + c);                                                     \
      mask_##T at = (mask_##T){0} + l->position[0];                                                                   \
      for (int64_t i = 1; i < l->n; i++) {                                                                            \
        const vec_##T v = *(const vec_##T *)(from + l->offset[i] + c);                                                \
        const mask_##T better = ~(v <= best) & (best == best);                                                        \
        best = (vec_##T)((better & (mask_##T)v) | (~better & (mask_##T)best));                                        \
        at = (better & l->position[i]) | (~better & at);                                                              \
      }                                                                                                               \
      *(index_##T *)(to + c) = __builtin_convertvector(at, index_##T);                                                \
    }                                                                                                                 \
    for (int64_t c = vectors; c < l->channels; c++) {                                                                 \
      scalar best = 0;                                                                                                \
      int32_t at = -1;                                                                                                \
      for (int64_t i = 0; i < l->n; i++) {                                                                            \
        const scalar v = from[l->offset[i] + c * l->from_step];                                                       \
        if (i > 0 && (best != best || v <= best)) continue;                                                           \
        best = v;                                                                                                     \
        at = l->position[i];                                                                                          \
      }                                                                                                               \
      to[c * l->to_step] = at;                                                                                        \
    }                                                                                                                 \
  }                                                                                                                   \
                                                                                                                      \
  static void max_##T(const cy_pool_line *l) {                                                                        \
    const scalar *from = l->from;                                                                                     \
    scalar *to = l->to;                                                                                               \
    const int64_t vectors = l->n ? vectors_##T(l) : 0;                                                                \
    for (int64_t c = 0; c < vectors; c += LANES_##T) {                                                                \
      vec_##T best = *(const vec_##T *)(from + l->offset[0] + c);                                                     \
      for (int64_t i = 1; i < l->n; i++) {                                                                            \
        const vec_##T v = *(const vec_##T *)(from + l->offset[i] + c);                                                \
        const mask_##T better = ~(v <= best) & (best == best);                                                        \
        best = (vec_##T)((better & (mask_##T)v) | (~better & (mask_##T)best));                                        \
      }                                                                                                               \
      *(vec_##T *)(to + c) = best;                                                                                    \
    }                                                                                                                 \
    for (int64_t c = vectors; c < l->channels; c++) {                                                                 \
      scalar best = l->n ? from[l->offset[0] + c * l->from_step] : 0;                                                 \
      for (int64_t i = 1; i < l->n; i++) {                                                                            \
        const scalar v = from[l->offset[i] + c * l->from_step];                                                       \
        if (best == best && !(v <= best)) best = v;                                                                   \
      }                                                                                                               \
      to[c * l->to_step] = best;                                                                                      \
    }                                                                                                                 \
  }                                                                                                                   \
                                                                                                                      \
  static void choose_##T(const cy_pool_line *l) {                                                                     \
    const scalar *from = l->from;                                                                                     \
    scalar *to = l->to;                                                                                               \
    const int64_t vectors = vectors_##T(l);                                                                           \
    for (int64_t c = 0; c < vectors; c += LANES_##T) {                                                                \
      const mask_##T at = __builtin_convertvector(*(const index_##T *)(l->index + c), mask_##T);                      \
      mask_##T chosen = {0};                                                                                          \
      for (int64_t i = 0; i < l->n; i++)                                                                              \
        chosen |= (at == l->position[i]) & *(const mask_##T *)(from + l->offset[i] + c);                              \
      *(mask_##T *)(to + c) = chosen;                                                                                 \
    }                                                                                                                 \
    for (int64_t c = vectors; c < l->channels; c++) {                                                                 \
      const int32_t at = l->index[c * l->index_step];                                                                 \
      scalar chosen = 0;                                                                                              \
      for (int64_t i = 0; i < l->n; i++)                                                                              \
        if (l->position[i] == at) chosen = from[l->offset[i] + c * l->from_step];                                     \
      to[c * l->to_step] = chosen;                                                                                    \
    }                                                                                                                 \
  }                                                                                                                   \
                                                                                                                      \
  static void add_##T(const cy_pool_line *l) {                                                                        \
    const scalar *from = l->from;                                                                                     \
    scalar *to = l->to;                                                                                               \
    const int32_t here = *l->position;                                                                                \
    const int64_t vectors = vectors_##T(l);                                                                           \
    for (int64_t c = 0; c < vectors; c += LANES_##T) {                                                                \
      vec_##T sum = {0};                                                                                              \
      for (int64_t i = 0; i < l->n; i++) {                                                                            \
        const index_##T at = *(const index_##T *)(l->index + l->offset_index[i] + c);                                 \
        sum += (vec_##T)((__builtin_convertvector(at, mask_##T) == here) &                                            \
                         *(const mask_##T *)(from + l->offset[i] + c));                                               \
      }                                                                                                               \
      *(vec_##T *)(to + c) = sum;                                                                                     \
    }                                                                                                                 \
    for (int64_t c = vectors; c < l->channels; c++) {                                                                 \
      scalar sum = 0;                                                                                                 \
      for (int64_t i = 0; i < l->n; i++)                                                                              \
        if (l->index[l->offset_index[i] + c * l->index_step] == here) sum += from[l->offset[i] + c * l->from_step];   \
      to[c * l->to_step] = sum;                                                                                       \
    }                                                                                                                 \
  }

POOL_FUNCTIONS(f32, float)
POOL_FUNCTIONS(f64, double)

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

const cy_pool_kernels JOIN(cy_pool_kernels_, CY_KERNEL_SET) = {
    .name = TEXT(CY_KERNEL_SET),
    .f32 = {sum_f32, argmax_f32, max_f32, choose_f32, add_f32},
    .f64 = {sum_f64, argmax_f64, max_f64, choose_f64, add_f64}};
