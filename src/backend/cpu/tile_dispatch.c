/* Which instruction set's kernels this machine runs; asked once per planned group. */
#include "backend/cpu/tile_kernels.h"

#include <stdlib.h>
#include <string.h>

const cy_tile_kernels *cy_tile_kernels_best(void) {
#if defined(__x86_64__)
  const char *wish = getenv("CAUCHY_TILES");
  if (wish && !strcmp(wish, "baseline")) return &cy_tile_kernels_baseline;
  bool only_avx2 = wish && !strcmp(wish, "avx2");
  if (!only_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return &cy_tile_kernels_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &cy_tile_kernels_avx2;
#endif
  return &cy_tile_kernels_baseline;
}
