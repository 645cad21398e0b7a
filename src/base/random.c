#include "base/random.h"

#include <math.h>

uint32_t cy_rng_u32(cy_rng *rng) {
  uint64_t block = rng->position / 4;
  uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)rng->stream,
                         (uint32_t)(rng->stream >> 32)};
  uint32_t out[4];
  cy_philox(rng->key, counter, out);
  return out[rng->position++ % 4];
}

double cy_rng_uniform(cy_rng *rng) {
  uint32_t high = cy_rng_u32(rng), low = cy_rng_u32(rng);
  return cy_unit_f64(high, low);
}

double cy_rng_normal(cy_rng *rng) {
  /* Box-Muller; 1 - u lies in (0, 1], so the logarithm is finite. */
  double u = 1.0 - cy_rng_uniform(rng), v = cy_rng_uniform(rng);
  return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

int64_t cy_rng_below(cy_rng *rng, int64_t n) {
  uint64_t range = (uint64_t)n, limit = UINT64_MAX - UINT64_MAX % range, bits;
  do bits = (uint64_t)cy_rng_u32(rng) << 32 | cy_rng_u32(rng);
  while (bits >= limit);
  return (int64_t)(bits % range);
}

void cy_rng_shuffle(cy_rng *rng, int64_t *items, int64_t n) {
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = cy_rng_below(rng, i + 1), t = items[i];
    items[i] = items[j];
    items[j] = t;
  }
}
