/* The CPU backend's table: which operation has a kernel here, and for which types. Everything else is served by the
 * row's reference kernel. */
#include "backend/cpu/cpu.h"

#include "backend/backends.h"

#include <string.h>

typedef struct row {
  const char *op;
  bool floats_only;
  const cy_kernel *kernel;
} row;

static const row table[] = {
    {"dot", true, &cy_cpu_dot},
    {"dot_add", true, &cy_cpu_dot_add},
    {"convolution", true, &cy_cpu_convolution},
    {"convolution_bias", true, &cy_cpu_convolution_bias},
    {"window_argmax", false, &cy_cpu_pool},
    {"window_gather", true, &cy_cpu_pool},
    {"window_scatter", true, &cy_cpu_pool},
    {"window_max", true, &cy_cpu_pool},
    {"window_sum", true, &cy_cpu_pool},
    {"window_spread", true, &cy_cpu_pool},
};

static const cy_kernel *find(const cy_instruction *instruction) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp(table[i].op, instruction->op->name) == 0 &&
        (!table[i].floats_only || cy_dtype_is_float(instruction->out[0].layout.dtype)))
      return table[i].kernel;
  return NULL;
}

const cy_backend cy_cpu_backend = {.name = "cpu", .find = find, .fused = &cy_cpu_fused};
