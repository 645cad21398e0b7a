/* Convolutions as products of matrices: every window of x is laid out as a row, in pieces that fit in the cache. For
 * f64, and wherever the library has nothing to offer: any strides, anything empty. */
#ifndef CY_BACKEND_CPU_CONVOLUTION_COLUMNS_H
#define CY_BACKEND_CPU_CONVOLUTION_COLUMNS_H

#include "backend/cpu/convolution.h"

typedef struct cy_columns cy_columns;

CY_MUST_CHECK cy_status cy_columns_create(const cy_convolution_problem *problem, int threads, cy_columns **columns);
void cy_columns_free(cy_columns *columns);
size_t cy_columns_scratch(const cy_columns *columns);
CY_MUST_CHECK cy_status cy_columns_instance_create(const cy_columns *columns, void **instance);
void cy_columns_instance_free(void *instance);
CY_MUST_CHECK cy_status cy_columns_run(const cy_columns *columns, void *instance, cy_convolution_operands operands,
                                       void *scratch);

#endif
