/* The public compile call: finds the backend by name and decides how many threads it may use. */
#include "backend/backends.h"
#include "base/error.h"

#include <omp.h>
#include <string.h>

static const cy_backend *const backends[] = {&cy_cpu_backend, &cy_reference_backend};

cy_status cy_compile(const cy_value *outputs, int n_outputs, const cy_update *updates, int n_updates,
                     cy_program_options options, cy_program **program) {
  const char *name = options.backend ? options.backend : backends[0]->name;
  *program = NULL;
  if (options.threads < 0 || options.threads > 4096)
    return cy_fail(CY_INVALID, "%d threads: 0 means all, more than 4096 is not supported", options.threads);
  if (options.frozen && n_updates > 0)
    return cy_fail(CY_INVALID, "a frozen program updates no variable, but %d are given", n_updates);
  if (options.threads == 0) options.threads = omp_get_max_threads();
  for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
    if (strcmp(backends[i]->name, name) == 0)
      return cy_compile_for(&(cy_compilation){.backend = backends[i], .outputs = outputs, .n_outputs = n_outputs,
                                              .updates = updates, .n_updates = n_updates, .options = options}, program);
  return cy_fail(CY_UNSUPPORTED, "there is no backend \"%s\"; this build has cpu and reference", name);
}
