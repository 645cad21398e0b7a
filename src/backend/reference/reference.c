/* The reference backend: every operation by its row's own kernel. Slow and obvious; what all others are tested against. */
#include "backend/backends.h"

static const cy_kernel *find(const cy_instruction *instruction) {
  (void)instruction;
  return NULL;
}

const cy_backend cy_reference_backend = {.name = "reference", .find = find};
