/* Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 * Key and counter give the number, so results do not depend on the order or the number of threads. */
#ifndef CY_BASE_RANDOM_H
#define CY_BASE_RANDOM_H

#include <stdint.h>

/* Four 32-bit numbers for a 128-bit counter and a 64-bit key. */
static inline void cy_philox(uint64_t key, const uint32_t counter[4], uint32_t out[4]) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/* [0, 1) from the top 24 (float) or 53 (double) bits. */
static inline float cy_unit_f32(uint32_t bits) { return (float)(bits >> 8) * 0x1p-24f; }
static inline double cy_unit_f64(uint32_t high, uint32_t low) {
  return (double)(((uint64_t)high << 21) ^ (low >> 11)) * 0x1p-53;
}

/* Element p of a random tensor: the same number whatever the threads or the order of evaluation. */
static inline float cy_random_f32(uint64_t seed, uint64_t step, uint32_t stream, uint64_t p) {
  uint32_t counter[4] = {(uint32_t)(p / 4), (uint32_t)(p / 4 >> 32), stream, (uint32_t)step}, out[4];
  cy_philox(seed, counter, out);
  return cy_unit_f32(out[p % 4]);
}
static inline double cy_random_f64(uint64_t seed, uint64_t step, uint32_t stream, uint64_t p) {
  uint32_t counter[4] = {(uint32_t)(p / 2), (uint32_t)(p / 2 >> 32), stream, (uint32_t)step}, out[4];
  cy_philox(seed, counter, out);
  return cy_unit_f64(out[p % 2 * 2], out[p % 2 * 2 + 1]);
}

/* A stream of numbers on the host: shuffling, initialising, sampling tests. Copying it copies its position. */
typedef struct cy_rng {
  uint64_t key;     /* the seed */
  uint64_t stream;  /* separates uses of one seed */
  uint64_t position; /* numbers drawn so far */
} cy_rng;

static inline cy_rng cy_rng_make(uint64_t seed, uint64_t stream) { return (cy_rng){seed, stream, 0}; }
uint32_t cy_rng_u32(cy_rng *rng);
double cy_rng_uniform(cy_rng *rng);                /* [0, 1) */
double cy_rng_normal(cy_rng *rng);                 /* mean 0, variance 1 */
int64_t cy_rng_below(cy_rng *rng, int64_t n);      /* 0..n-1, unbiased; n >= 1 */
void cy_rng_shuffle(cy_rng *rng, int64_t *items, int64_t n); /* Fisher-Yates */

#endif
