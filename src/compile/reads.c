/* What a program reads, by name. */
#include "compile/plan.h"

#include <string.h>

bool cy_program_reads(const cy_program *program, const char *name) {
  for (int i = 0; i < program->n_bindings; i++)
    if (strcmp(program->bindings[i].name, name) == 0) return true;
  return false;
}
