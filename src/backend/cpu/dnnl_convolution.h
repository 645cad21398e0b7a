/* oneDNN's convolutions: the choice of its implementation, and of the formats between it and our operands. */
#ifndef CY_BACKEND_CPU_DNNL_CONVOLUTION_H
#define CY_BACKEND_CPU_DNNL_CONVOLUTION_H

#include "backend/cpu/convolution.h"

typedef struct cy_dnnl_convolution cy_dnnl_convolution;
typedef struct cy_dnnl_convolution_instance cy_dnnl_convolution_instance;

/* *convolution is NULL, and the status CY_OK, if the library is absent or has no fast kernel for the problem: f32,
 * nothing empty, operands whose strides are positive and whose elements do not overlap. */
CY_MUST_CHECK cy_status cy_dnnl_convolution_create(const cy_convolution_problem *problem, int threads,
                                                   cy_dnnl_convolution **convolution);
void cy_dnnl_convolution_free(cy_dnnl_convolution *convolution);
/* Bytes of workspace of a run or of packing, 64-byte aligned. */
size_t cy_dnnl_convolution_scratch(const cy_dnnl_convolution *convolution);
/* The library's name of its implementation, and what is converted on the way: "brgconv:avx512_core, packs w". */
const char *cy_dnnl_convolution_name(const cy_dnnl_convolution *convolution);

CY_MUST_CHECK cy_status cy_dnnl_convolution_instance_create(const cy_dnnl_convolution *convolution,
                                                            cy_dnnl_convolution_instance **instance);
void cy_dnnl_convolution_instance_free(cy_dnnl_convolution_instance *instance);
CY_MUST_CHECK cy_status cy_dnnl_convolution_run(const cy_dnnl_convolution *convolution,
                                                cy_dnnl_convolution_instance *instance,
                                                cy_convolution_operands operands, void *scratch);

/* Weights in the implementation's own format, so that runs with operands.packed need not convert them: bytes (64-byte
 * aligned memory; 0 if they are used as they are, or are the result), and the conversion. The format belongs to this
 * plan. */
size_t cy_dnnl_convolution_packed_bytes(const cy_dnnl_convolution *convolution);
CY_MUST_CHECK cy_status cy_dnnl_convolution_pack(const cy_dnnl_convolution *convolution,
                                                 cy_dnnl_convolution_instance *instance, const void *w, void *packed,
                                                 void *scratch);

#endif
