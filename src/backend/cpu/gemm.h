/* Contractions on the CPU: batched matrix products of any row and column strides, planned once and run often.
 * C[b,i,j] = sum_k A[b,i,k] B[b,k,j]. Our own kernels, or oneDNN (2.6 or 3.x): whichever measured faster for the
 * shape. */
#ifndef CY_BACKEND_CPU_GEMM_H
#define CY_BACKEND_CPU_GEMM_H

#include "base/range.h"
#include "tensor/tensor.h"

typedef struct cy_gemm_problem {
  cy_dtype dtype;            /* CY_F32 or CY_F64 */
  int64_t batch, m, n, k;    /* all >= 0; k = 0 gives zeros */
  int64_t a_stride[3];       /* elements: batch, i, k. 0 where A repeats */
  int64_t b_stride[3];       /* batch, k, j */
  int64_t c_stride[3];       /* batch, i, j; c's elements do not overlap */
  int64_t inner;             /* 0 or 1: none. Batches come in groups of so many, as heads of attention do: strides above are */
  int64_t inner_stride[3];   /* from group to group, these of A, B, C within one */
  bool a_still, b_still;     /* the same in many runs: an instance may keep it packed, once it was prepared */
} cy_gemm_problem;

typedef struct cy_gemm cy_gemm;

CY_MUST_CHECK cy_status cy_gemm_create(const cy_gemm_problem *problem, int threads, cy_gemm **gemm);
void cy_gemm_free(cy_gemm *gemm);
/* Bytes of workspace one run needs, 64-byte aligned, contents irrelevant. */
size_t cy_gemm_scratch(const cy_gemm *gemm);
/* What one thread's session keeps between runs (library handles bound to pointers, operands that hold still); may
 * stay NULL if nothing. */
CY_MUST_CHECK cy_status cy_gemm_instance_create(const cy_gemm *gemm, void **instance);
void cy_gemm_instance_free(void *instance);
size_t cy_gemm_kept(const cy_gemm *gemm); /* bytes of operands that an instance keeps */
/* Where an operand holds still: before the first run, and after each change of that operand. */
void cy_gemm_prepare(const cy_gemm *gemm, void *instance, const void *a, const void *b);
/* What will be used after runs to come: they fetch it meanwhile, where an operand holds still and one thread computes. */
void cy_gemm_fetch(void *instance, cy_ranges next);
/* Allocates nothing. Different instances may run at the same time. */
CY_MUST_CHECK cy_status cy_gemm_run(const cy_gemm *gemm, void *instance, const void *a, const void *b, void *c,
                                    void *scratch);
/* c += scale A B: what a step of gradient descent does to a weight, without the gradient in between. */
CY_MUST_CHECK cy_status cy_gemm_run_add(const cy_gemm *gemm, void *instance, const void *a, const void *b, double scale,
                                        void *c, void *scratch);
/* For program listings: "onednn matmul", "panels f32_avx512", "row sweep f32_avx2". */
const char *cy_gemm_kernel(const cy_gemm *gemm);

#endif
