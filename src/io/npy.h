/* The NPY encoding of one tensor, over any source or writer: npy.c uses it for files, npz.c for members of archives. */
#ifndef CY_IO_NPY_H
#define CY_IO_NPY_H

#include "io/source.h"

#include <cauchy/tensor.h>

/* Reads header and data and checks that the source ends there. */
cy_status cy_npy_decode(cy_source *source, cy_tensor **tensor);
/* The header of a row-major tensor, a multiple of 64 bytes. */
enum { CY_NPY_HEADER_MAX = 320 };
cy_status cy_npy_header(cy_dtype dtype, cy_shape shape, char header[CY_NPY_HEADER_MAX], size_t *length);
/* The tensor itself if it is row-major, else a row-major copy: *owned is what to free afterwards. */
cy_status cy_row_major_of(const cy_tensor *tensor, const cy_tensor **plain, cy_tensor **owned);
/* Reverses the bytes of every element, when they come from a machine of the other order. */
void cy_swap_bytes(void *data, size_t size, int64_t count);

#endif
