/* Random tensors for tile_kernels.c: the numbers of base/random.h, many counters of Philox4x32 at a time on the
 * instruction set that is being compiled. A counter's four words lie in the low halves of 64-bit lanes, which is where
 * products of 32 by 32 bits are taken and left; what their high halves hold never matters. */
#ifndef CY_BACKEND_CPU_VECTOR_RANDOM_H
#define CY_BACKEND_CPU_VECTOR_RANDOM_H

#include "backend/cpu/tile_kernels.h"
#include "backend/cpu/unroll.h"
#include "base/random.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define CY_LANES_BYTES 64
#define CY_LOW_PRODUCTS(a, b) (cy_lanes) _mm512_mul_epu32((__m512i)(a), (__m512i)(b))
#elif defined(__AVX2__)
#define CY_LANES_BYTES 32
#define CY_LOW_PRODUCTS(a, b) (cy_lanes) _mm256_mul_epu32((__m256i)(a), (__m256i)(b))
#elif defined(__x86_64__)
#define CY_LANES_BYTES 16
#define CY_LOW_PRODUCTS(a, b) (cy_lanes) _mm_mul_epu32((__m128i)(a), (__m128i)(b))
#else
#define CY_LANES_BYTES 16
#define CY_LOW_PRODUCTS(a, b) (((a) & 0xffffffffu) * ((b) & 0xffffffffu))
#endif

typedef uint64_t cy_lanes __attribute__((vector_size(CY_LANES_BYTES), aligned(8), may_alias));

/* Rounds of several vectors run beside each other, as each waits for its products. */
enum { CY_LANES = CY_LANES_BYTES / 8, CY_CHAINS = 4, CY_BLOCKS_AT_ONCE = CY_CHAINS * CY_LANES, CY_MOST_BLOCKS = 64 };
_Static_assert(CY_MOST_BLOCKS % CY_BLOCKS_AT_ONCE == 0, "the last ones are made in full");

typedef uint32_t cy_word __attribute__((may_alias));

/* The four words of each of CY_BLOCKS_AT_ONCE counters, in their order: two words make a number of 64 bits. */
INLINE void cy_philox_lanes(const uint64_t *block, const cy_random_key *key, uint64_t *words) {
  const cy_lanes none = {0}, low = none + 0xffffffffu, m0 = none + 0xD2511F53u, m1 = none + 0xCD9E8D57u;
  cy_lanes c0[CY_CHAINS], c1[CY_CHAINS], c2[CY_CHAINS], c3[CY_CHAINS];
  uint32_t k0 = (uint32_t)key->seed, k1 = (uint32_t)(key->seed >> 32);
  UNROLL for (int j = 0; j < CY_CHAINS; j++) {
    c0[j] = *(const cy_lanes *)(block + j * CY_LANES);
    c1[j] = c0[j] >> 32;
    c2[j] = none + key->stream;
    c3[j] = none + (uint32_t)key->step;
  }
  UNROLL for (int round = 0; round < 10; round++) {
    UNROLL for (int j = 0; j < CY_CHAINS; j++) {
      const cy_lanes p0 = CY_LOW_PRODUCTS(c0[j], m0), p1 = CY_LOW_PRODUCTS(c2[j], m1);
      c0[j] = (p1 >> 32) ^ c1[j] ^ (none + k0);
      c1[j] = p1;
      c2[j] = (p0 >> 32) ^ c3[j] ^ (none + k1);
      c3[j] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  uint64_t first[CY_BLOCKS_AT_ONCE], second[CY_BLOCKS_AT_ONCE];
  UNROLL for (int j = 0; j < CY_CHAINS; j++) {
    *(cy_lanes *)(first + j * CY_LANES) = (c0[j] & low) | c1[j] << 32;
    *(cy_lanes *)(second + j * CY_LANES) = (c2[j] & low) | c3[j] << 32;
  }
  for (int i = 0; i < CY_BLOCKS_AT_ONCE; i++) {
    words[2 * i] = first[i];
    words[2 * i + 1] = second[i];
  }
}

static void cy_philox_many(const uint64_t *block, size_t n, const cy_random_key *key, uint64_t *words) {
  for (size_t i = 0; i < n; i += CY_BLOCKS_AT_ONCE) cy_philox_lanes(block + i, key, words + 2 * i);
}

/* As cy_unit_f32 and cy_unit_f64, of so many blocks. 24 bits are positive as int too, which every set converts. */
INLINE void cy_units_f32(const uint64_t *words, size_t blocks, float *out) {
  for (size_t i = 0; i < 4 * blocks; i++) out[i] = (float)(int32_t)(((const cy_word *)words)[i] >> 8) * 0x1p-24f;
}
INLINE void cy_units_f64(const uint64_t *words, size_t blocks, double *out) {
  for (size_t i = 0; i < 2 * blocks; i++) out[i] = cy_unit_f64((uint32_t)words[i], (uint32_t)(words[i] >> 32));
}

/* One run, in parts. */
#define CY_RANDOM_RUN(name, T, per_block, units)                                                        \
  static void name(T *out, const cy_random_key *key, uint64_t position, size_t n) {                    \
    enum { MOST = CY_MOST_BLOCKS * per_block };                                                        \
    uint64_t block[CY_MOST_BLOCKS], words[2 * CY_MOST_BLOCKS];                                         \
    T made[MOST];                                                                                      \
    while (n) {                                                                                        \
      const size_t skip = position % per_block, take = MOST - skip < n ? MOST - skip : n;              \
      const size_t blocks = (skip + take + per_block - 1) / per_block;                                 \
      for (size_t i = 0; i < CY_MOST_BLOCKS; i++) block[i] = position / per_block + i;                 \
      cy_philox_many(block, blocks, key, words);                                                       \
      units(words, blocks, made);                                                                      \
      memcpy(out, made + skip, take * sizeof(T));                                                      \
      out += take, position += take, n -= take;                                                        \
    }                                                                                                  \
  }
CY_RANDOM_RUN(random_run_f32, float, 4, cy_units_f32)
CY_RANDOM_RUN(random_run_f64, double, 2, cy_units_f64)

/* Runs that do not fill a part are made several at a time. */
#define CY_RANDOM(name, one, T, per_block, units)                                                                 \
  static void name(void *out, const cy_random_key *key, uint64_t position, int64_t step, size_t n, size_t runs) { \
    uint64_t block[CY_MOST_BLOCKS] = {0}, words[2 * CY_MOST_BLOCKS];                                              \
    T *o = out, made[CY_MOST_BLOCKS * per_block];                                                                 \
    const size_t blocks = (n + 2 * per_block - 2) / per_block; /* a run's, at most */                             \
    const size_t fit = n > 0 ? CY_MOST_BLOCKS / blocks : 0;                                                       \
    for (; runs > 0 && (fit <= 1 || runs == 1); runs--, o += n, position += (uint64_t)step)                       \
      one(o, key, position, n);                                                                                   \
    while (runs > 0) {                                                                                            \
      const size_t many = fit < runs ? fit : runs;                                                                \
      for (size_t r = 0; r < many; r++)                                                                           \
        for (size_t i = 0; i < blocks; i++)                                                                       \
          block[r * blocks + i] = (position + r * (uint64_t)step) / per_block + i;                                \
      cy_philox_many(block, many * blocks, key, words);                                                           \
      units(words, many * blocks, made);                                                                          \
      for (size_t r = 0; r < many; r++, o += n, position += (uint64_t)step)                                       \
        memcpy(o, made + r * blocks * per_block + position % per_block, n * sizeof(T));                           \
      runs -= many;                                                                                               \
    }                                                                                                             \
  }
CY_RANDOM(random_f32, random_run_f32, float, 4, cy_units_f32)
CY_RANDOM(random_f64, random_run_f64, double, 2, cy_units_f64)

#endif
