/* oneDNN's matrix product behind the interface of gemm.h, for the shapes that gemm.c gives to it. */
#ifndef CY_BACKEND_CPU_DNNL_MATMUL_H
#define CY_BACKEND_CPU_DNNL_MATMUL_H

#include "backend/cpu/gemm.h"

typedef struct cy_dnnl_matmul cy_dnnl_matmul;
typedef struct cy_dnnl_instance cy_dnnl_instance;

/* *matmul is NULL, and the status CY_OK, if the library is absent or has no fast kernel for the problem: f32 whose A
 * and B have unit stride along one of their axes and whose rows do not overlap. */
CY_MUST_CHECK cy_status cy_dnnl_matmul_create(const cy_gemm_problem *problem, int threads, cy_dnnl_matmul **matmul);
void cy_dnnl_matmul_free(cy_dnnl_matmul *matmul);
size_t cy_dnnl_matmul_scratch(const cy_dnnl_matmul *matmul); /* bytes */
CY_MUST_CHECK cy_status cy_dnnl_instance_create(const cy_dnnl_matmul *matmul, cy_dnnl_instance **instance);
void cy_dnnl_instance_free(cy_dnnl_instance *instance);
CY_MUST_CHECK cy_status cy_dnnl_matmul_run(const cy_dnnl_matmul *matmul, cy_dnnl_instance *instance, const void *a,
                                           const void *b, void *c, void *scratch);

#endif
