/* How kernels divide the workspace that they are given: in parts that begin where a cache line does. */
#ifndef CY_BACKEND_CPU_WORKSPACE_H
#define CY_BACKEND_CPU_WORKSPACE_H

#include <stddef.h>

/* The bytes of a part so that the next one may follow it. */
static inline size_t cy_aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

#endif
