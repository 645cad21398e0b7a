#include "backend/cpu/gemm.h"

#include "backend/cpu/dnnl_matmul.h"
#include "backend/cpu/gemm_panels.h"
#include "backend/cpu/processor.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

struct cy_gemm {
  cy_gemm_problem problem;
  cy_panels panels;
  cy_dnnl_matmul *library; /* NULL: panels */
  char name[48];
};

const cy_gemm_kernels *cy_gemm_kernels_of(cy_dtype dtype) {
  static const cy_gemm_kernels *const kernels[][2] = {
      [CY_VECTORS_BASELINE] = {&cy_gemm_kernels_f32_baseline, &cy_gemm_kernels_f64_baseline},
#if defined(__x86_64__)
      [CY_VECTORS_AVX2] = {&cy_gemm_kernels_f32_avx2, &cy_gemm_kernels_f64_avx2},
      [CY_VECTORS_AVX512] = {&cy_gemm_kernels_f32_avx512, &cy_gemm_kernels_f64_avx512},
#endif
  };
  return kernels[cy_processor_vectors()][dtype != CY_F32];
}

/* A stride along an extent of one is never used: call it 1, which every kernel likes. */
static void tidy_strides(cy_gemm_problem *p) {
  if (p->inner < 2) p->inner = 1;
  if (p->batch == 1) p->a_stride[0] = p->b_stride[0] = p->c_stride[0] = 0;
  if (p->m == 1) p->a_stride[1] = p->c_stride[1] = 1;
  if (p->n == 1) p->b_stride[2] = p->c_stride[2] = 1;
  if (p->k <= 1) p->a_stride[2] = p->b_stride[1] = 1;
}

/* Which kernel, from measurements (bench/bench_gemm.c on an AMD EPYC, Zen 5, AVX-512; one core of two, other work on
 * the machine; GFLOP/s, medians, of several runs, which differ by 5 % and more; oneDNN 2.6.3 dnnl_sgemm, OpenBLAS
 * 0.3.21; the best library rate of a run was 235 to 247):
 *
 *      m    n    k                        ours     oneDNN  OpenBLAS
 *      1  128  784                          82         60        11   rows of W added (panels; row sweep if n > 128)
 *      1  512  512                          57         69         9   row sweep: 1 MiB of W comes from beyond the cache
 *      1  512  512  W transposed            51         53         8   dots
 *    784  128    1  X transposed            71         55        28   outer product
 *    512  512    1  X transposed            60         21        25   outer product
 *     32  128  784                         243        242       102   panels
 *    784  128   32  X transposed           225        235       110   panels
 *     32   10  128                         118         90        55   panels, 10 of 16 lanes used
 *    128   10   32  X transposed           142         90        65   panels
 *     32  512   10  W transposed           121        152        77   panels; W must be packed
 *     64  512  512                         227        240       107   panels
 *     64  512  512  W transposed           221        188       105   panels, C' = W Y'
 *    256   10  512                         124        115        68   panels
 *    512   10  256  X transposed           219        105        58   panels
 *   1024 1024 1024                         192        214       114   oneDNN ("ours" is what panels would reach)
 *   1024  128  512                         190        226             oneDNN, in this row and the next ones
 *   4096  128  512                         163        224
 *   4096  384  128                         167        214
 *    128  512 4096  X transposed           170        213
 *   1024  384  128                         231        238             panels, as in all with fewer products
 *   f64  64  512  512                   109       none        44   panels; so f64 never goes to a library
 *
 * oneDNN's matmul primitive reached 0.7 to 1.2 times its sgemm from batch 32 on, 0.3 times for one row and 512 x 512
 * weights. So it gets large f32 products only, and, where our kernels have four lanes (no AVX2; not measured), middling
 * ones too. The choice depends on nothing but shape, strides and processor: the same call gives the same bits. */
static bool prefer_library(const cy_gemm_problem *p, const cy_gemm_kernels *kernels) {
  const double products = (double)p->m * (double)p->n * (double)p->k;
  const int64_t shortest = p->m < p->n ? (p->m < p->k ? p->m : p->k) : (p->n < p->k ? p->n : p->k);
  if (p->dtype != CY_F32 || p->inner > 1) return false;
  return kernels->lanes >= 8 ? shortest >= 128 && products >= 0x1p26 : shortest >= 16 && products > 0x1p18;
}

cy_status cy_gemm_create(const cy_gemm_problem *problem, int threads, cy_gemm **gemm) {
  *gemm = NULL;
  if (problem->dtype != CY_F32 && problem->dtype != CY_F64)
    return cy_fail(CY_UNSUPPORTED, "contraction: the CPU multiplies f32 and f64, not %s",
                   cy_dtype_name(problem->dtype));
  if (problem->inner > 1 && problem->batch % problem->inner != 0)
    return cy_fail(CY_INVALID, "contraction: groups of %lld do not divide %lld batches", (long long)problem->inner,
                   (long long)problem->batch);
  if (problem->batch < 0 || problem->m < 0 || problem->n < 0 || problem->k < 0)
    return cy_fail(CY_INVALID, "contraction: an extent is negative (batch %lld, m %lld, n %lld, k %lld)",
                   (long long)problem->batch, (long long)problem->m, (long long)problem->n, (long long)problem->k);
  cy_gemm *g = cy_calloc(1, sizeof *g);
  if (!g) return cy_no_memory();
  g->problem = *problem;
  tidy_strides(&g->problem);
  const bool library = prefer_library(&g->problem, cy_gemm_kernels_of(problem->dtype));
  if (library) g->problem.a_still = g->problem.b_still = false; /* it keeps nothing */
  if (threads < 1) threads = 1;
  const cy_gemm_kernels *kernels = cy_gemm_kernels_of(problem->dtype);
  cy_panels_plan(&g->problem, kernels, threads, &g->panels);
  if (library) {
    const cy_status status = cy_dnnl_matmul_create(&g->problem, threads, &g->library);
    if (status != CY_OK) {
      cy_gemm_free(g);
      return status;
    }
  }
  if (g->library) snprintf(g->name, sizeof g->name, "onednn matmul");
  else snprintf(g->name, sizeof g->name, "%s %s", cy_panels_way(&g->panels), kernels->name);
  *gemm = g;
  return CY_OK;
}

void cy_gemm_free(cy_gemm *gemm) {
  if (!gemm) return;
  cy_dnnl_matmul_free(gemm->library);
  cy_free(gemm);
}

size_t cy_gemm_scratch(const cy_gemm *gemm) {
  const size_t library = gemm->library ? cy_dnnl_matmul_scratch(gemm->library) : 0;
  const size_t panels = cy_panels_scratch(&gemm->panels);
  return library > panels ? library : panels;
}

typedef struct gemm_instance {
  cy_dnnl_instance *library;
  void *packed; /* the operand that holds still */
  cy_ranges next;
} gemm_instance;

size_t cy_gemm_kept(const cy_gemm *gemm) { return gemm->library ? 0 : cy_panels_kept(&gemm->panels); }

cy_status cy_gemm_instance_create(const cy_gemm *gemm, void **instance) {
  *instance = NULL;
  if (!gemm->library && !cy_gemm_kept(gemm)) return CY_OK;
  gemm_instance *made = cy_calloc(1, sizeof *made);
  if (!made) return cy_no_memory();
  cy_status status = CY_OK;
  if (gemm->library) status = cy_dnnl_instance_create(gemm->library, &made->library);
  else if (!(made->packed = cy_alloc_aligned(cy_gemm_kept(gemm)))) status = cy_no_memory();
  if (status != CY_OK) {
    cy_gemm_instance_free(made);
    return status;
  }
  *instance = made;
  return CY_OK;
}

void cy_gemm_instance_free(void *instance) {
  gemm_instance *made = instance;
  if (!made) return;
  cy_dnnl_instance_free(made->library);
  cy_free(made->packed);
  cy_free(made);
}

void cy_gemm_prepare(const cy_gemm *gemm, void *instance, const void *a, const void *b) {
  if (cy_gemm_kept(gemm))
    cy_panels_keep(&gemm->panels, gemm->panels.transposed ? a : b, ((gemm_instance *)instance)->packed);
}

void cy_gemm_fetch(void *instance, cy_ranges next) {
  if (instance) ((gemm_instance *)instance)->next = next;
}

/* By our own kernels. */
static void run_panels(const cy_gemm *gemm, const gemm_instance *instance, const void *a, const void *b, bool add,
                       double scale, void *c, void *scratch) {
  if (gemm->panels.keeps) *(gemm->panels.transposed ? &a : &b) = instance->packed;
  cy_panels_run(&gemm->panels, a, b, add, scale, c, scratch, instance ? &instance->next : NULL);
}

cy_status cy_gemm_run(const cy_gemm *gemm, void *instance, const void *a, const void *b, void *c, void *scratch) {
  const cy_gemm_problem *p = &gemm->problem;
  if (p->batch == 0 || p->m == 0 || p->n == 0) return CY_OK;
  if (gemm->library) return cy_dnnl_matmul_run(gemm->library, ((gemm_instance *)instance)->library, a, b, c, scratch);
  run_panels(gemm, instance, a, b, false, 1, c, scratch);
  return CY_OK;
}

cy_status cy_gemm_run_add(const cy_gemm *gemm, void *instance, const void *a, const void *b, double scale, void *c,
                          void *scratch) {
  /* Always our own kernels: with two-pass libraries nothing would be saved. */
  const cy_gemm_problem *p = &gemm->problem;
  if (p->batch == 0 || p->m == 0 || p->n == 0) return CY_OK;
  run_panels(gemm, instance, a, b, true, scale, c, scratch);
  return CY_OK;
}

const char *cy_gemm_kernel(const cy_gemm *gemm) { return gemm->name; }
