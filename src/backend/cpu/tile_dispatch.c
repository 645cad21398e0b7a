/* Which instruction set's kernels this machine runs; asked once per planned group. */
#include "backend/cpu/processor.h"
#include "backend/cpu/tile_kernels.h"

#include <stdlib.h>
#include <string.h>

const cy_tile_kernels *cy_tile_kernels_best(void) {
  static const cy_tile_kernels *const kernels[] = {
      [CY_VECTORS_BASELINE] = &cy_tile_kernels_baseline,
#if defined(__x86_64__)
      [CY_VECTORS_AVX2] = &cy_tile_kernels_avx2, [CY_VECTORS_AVX512] = &cy_tile_kernels_avx512,
#endif
  };
  const char *wish = getenv("CAUCHY_TILES");
  cy_vectors best = cy_processor_vectors();
  if (wish && !strcmp(wish, "avx2") && best > CY_VECTORS_AVX2) best = CY_VECTORS_AVX2;
  if (wish && !strcmp(wish, "baseline")) best = CY_VECTORS_BASELINE;
  return kernels[best];
}
