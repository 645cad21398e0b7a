/* Convolutions of stride 1 by Winograd's methods F(4x4, 3x3) and F(2x2, 5x5): a quarter and about a third of the
 * multiplications, for a rounding error several times that of the direct sum. What is not finite spreads further than in the
 * direct sum: to the tiles that it is seen from, as NaN. */
#ifndef CY_BACKEND_CPU_WINOGRAD_H
#define CY_BACKEND_CPU_WINOGRAD_H

#include "backend/cpu/convolution.h"

typedef struct cy_winograd cy_winograd;

/* *winograd is NULL, and the status CY_OK, where the method does not apply or does not pay: it takes f32 images with channels
 * innermost, as many as fill vectors. */
CY_MUST_CHECK cy_status cy_winograd_create(const cy_convolution_problem *problem, int threads, cy_winograd **winograd);
void cy_winograd_free(cy_winograd *winograd);
/* Bytes of workspace of a run, 64-byte aligned. */
size_t cy_winograd_scratch(const cy_winograd *winograd);
const char *cy_winograd_name(const cy_winograd *winograd);
/* Allocates nothing. The same bits for every number of threads. */
void cy_winograd_run(const cy_winograd *winograd, cy_convolution_operands operands, void *scratch);
/* Roles y and x: weights transformed beforehand, for runs with operands.packed. */
size_t cy_winograd_packed_bytes(const cy_winograd *winograd);
void cy_winograd_pack(const cy_winograd *winograd, const void *w, void *packed);

#endif
