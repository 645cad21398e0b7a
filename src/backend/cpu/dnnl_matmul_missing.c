/* Stands in for oneDNN's contractions in builds without the library: nothing is ever created. */
#include "backend/cpu/dnnl_matmul.h"

#include "base/error.h"

cy_status cy_dnnl_matmul_create(const cy_gemm_problem *problem, int threads, cy_dnnl_matmul **matmul) {
  (void)problem, (void)threads;
  *matmul = NULL;
  return CY_OK;
}

void cy_dnnl_matmul_free(cy_dnnl_matmul *matmul) { (void)matmul; }

size_t cy_dnnl_matmul_scratch(const cy_dnnl_matmul *matmul) {
  (void)matmul;
  return 0;
}

cy_status cy_dnnl_instance_create(const cy_dnnl_matmul *matmul, cy_dnnl_instance **instance) {
  (void)matmul;
  *instance = NULL;
  return CY_OK;
}

void cy_dnnl_instance_free(cy_dnnl_instance *instance) { (void)instance; }

cy_status cy_dnnl_matmul_run(const cy_dnnl_matmul *matmul, cy_dnnl_instance *instance, const void *a, const void *b,
                             void *c, void *scratch) {
  (void)matmul, (void)instance, (void)a, (void)b, (void)c, (void)scratch;
  return cy_fail(CY_UNSUPPORTED, "contraction: built without oneDNN");
}
