/* Fused groups as kernels: the tile interpreter behind the backend's interface. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/tiles.h"

static cy_status create(const cy_instruction *instruction, int threads, void **plan) {
  cy_tiles *tiles = NULL;
  cy_status status = cy_tiles_create(instruction->fused, threads, &tiles);
  *plan = tiles;
  return status;
}

static void destroy(void *plan) { cy_tiles_free(plan); }
static size_t scratch(const void *plan) { return cy_tiles_scratch(plan); }

static cy_status run(const void *plan, void *instance, void *const *in, void *const *out, void *scratch_memory) {
  (void)instance;
  cy_tiles_run(plan, in, out, scratch_memory);
  return CY_OK;
}

const cy_kernel cy_cpu_fused = {.create = create, .destroy = destroy, .scratch = scratch, .run = run};
