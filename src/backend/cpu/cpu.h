/* Kernels of the CPU backend. Each is one file; cpu.c is the table. */
#ifndef CY_BACKEND_CPU_CPU_H
#define CY_BACKEND_CPU_CPU_H

#include "compile/plan.h"

extern const cy_kernel cy_cpu_dot;   /* floating-point contractions, through gemm */
extern const cy_kernel cy_cpu_dot_add; /* c + scale A B, in place where the plan allows */
extern const cy_kernel cy_cpu_convolution, cy_cpu_convolution_bias; /* floating-point, the three roles */
extern const cy_kernel cy_cpu_pool; /* sums and maxima of windows, and their transposes */
extern const cy_kernel cy_cpu_fused; /* fused groups, through the tile interpreter */

#endif
