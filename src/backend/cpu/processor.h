/* Which of the instruction sets that kernels are compiled for this processor runs: the flags of meson.build, asked at
 * run time. Each family of kernels indexes its table by the answer. */
#ifndef CY_BACKEND_CPU_PROCESSOR_H
#define CY_BACKEND_CPU_PROCESSOR_H

typedef enum cy_vectors { CY_VECTORS_BASELINE, CY_VECTORS_AVX2, CY_VECTORS_AVX512 } cy_vectors;

static inline cy_vectors cy_processor_vectors(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw"))
    return CY_VECTORS_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CY_VECTORS_AVX2;
#endif
  return CY_VECTORS_BASELINE;
}

#endif
