/* The tile interpreter: runs a fused group over cache-sized tiles with vector arithmetic. */
#ifndef CY_BACKEND_CPU_TILES_H
#define CY_BACKEND_CPU_TILES_H

#include "compile/fused.h"

typedef struct cy_tiles cy_tiles;

/* Plans: collapses axes, chooses tile sizes and threads, resolves kernels. Copies what it needs of the group. */
CY_MUST_CHECK cy_status cy_tiles_create(const cy_fused *group, int threads, cy_tiles **tiles);
void cy_tiles_free(cy_tiles *tiles);
/* Bytes of workspace one run needs (all threads together), 64-byte aligned, contents irrelevant. */
size_t cy_tiles_scratch(const cy_tiles *tiles);
/* inputs[i], outputs[i]: the addresses of the first element. Allocates nothing. The result depends on the thread
 * count at most through the order of the accumulated sums, never on timing. */
void cy_tiles_run(const cy_tiles *tiles, void *const *inputs, void *const *outputs, void *scratch);

#endif
