/* For kernels whose vectors are arrays of registers: functions that vanish in their callers, loops that are unrolled in
 * full so that indices are known. */
#ifndef CY_BACKEND_CPU_UNROLL_H
#define CY_BACKEND_CPU_UNROLL_H

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
