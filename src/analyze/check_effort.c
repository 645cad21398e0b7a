/* How much is compared in a network of some size, and whether this machine can: checks cost hundreds of evaluations in f64.
 * Depends on the network alone, never on the clock, so that the same checks are made every time. Called by check.c. */
#include "analyze/check.h"

#include "tensor/tensor.h"

#include <math.h>
#include <unistd.h>

static const double LARGE = 2e11; /* operations of all checks at full effort: some ten seconds */
static const double MOST = 1e13;  /* at the least effort: a quarter of an hour */
static const double ELEMENT = 200; /* operations that go by while an element is fetched, drawn and compared */
enum { FEW_SAMPLES = 2 };

/* Operations of all checks, whose evaluations are of layers alone and again of the loss; in training mode once more. Second
 * derivatives cost some 60 evaluations, however many tensors there are. */
static double operations(double evaluation, int tensors, int directions, int coordinates) {
  return 2 * evaluation * (4.0 * tensors * (directions + coordinates) + 60);
}

static double count_of(cy_shape shape) { return (double)cy_count(shape); }

static double activations(const cy_checked *checked, const cy_checked_mode *mode) {
  double count = count_of(cy_checked_batch(checked));
  for (int i = 0; i < cy_network_layer_count(mode->network); i++)
    count += count_of(cy_value_shape(cy_network_layer_at(mode->network, i)->output));
  return count;
}

/* Bytes: a product with the Hessian holds some six passes of activations, and every tensor comes with its directions,
 * gradients and products. */
static double memory(const cy_checked *checked, const cy_checked_mode *mode) {
  double tensors = count_of(cy_checked_batch(checked));
  for (int i = 0; i < cy_network_variable_count(mode->network); i++)
    tensors += count_of(cy_network_variable_at(mode->network, i)->shape);
  return (double)sizeof(double) * (7 * activations(checked, mode) + 8 * tensors);
}

static double memory_of_machine(void) {
  double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  return bytes > 0 ? bytes : INFINITY;
}

static cy_status refuse_what_is_too_large(const cy_check_effort *e, int tensors) {
  if (e->memory > memory_of_machine())
    return cy_fail(CY_NO_MEMORY, "check: %lld samples in f64 with second derivatives need about %.3g GB of memory, but this "
                   "machine has %.3g GB; a smaller input or batch needs less", (long long)e->batch, e->memory / 1e9,
                   memory_of_machine() / 1e9);
  if (e->reduced && e->operations > MOST)
    return cy_fail(CY_UNSUPPORTED, "check: with only one direction for each of %d tensors it takes about %.2g operations in "
                   "f64, more than %.0g; a smaller input or batch takes less, and directions asked for are taken at their word",
                   tensors, e->operations, MOST);
  return CY_OK;
}

cy_status cy_check_choose_effort(const cy_checked *checked, const cy_checked_mode *mode, bool own_batch,
                                 cy_check_options *options, cy_check_effort *effort) {
  cy_program *program;
  int tensors;
  (void)cy_network_parameters(mode->network, &tensors);
  tensors++; /* the input */
  CY_TRY(cy_compile(&mode->output, 1, NULL, 0, (cy_program_options){.threads = 1}, &program));
  double evaluation = cy_program_flops(program) + ELEMENT * activations(checked, mode);
  cy_program_free(program);
  *effort = (cy_check_effort){.batch = cy_checked_batch(checked).dim[0], .memory = memory(checked, mode)};
  effort->reduced = options->directions + options->coordinates == 0 &&
                    (operations(evaluation, tensors, 2, 3) > LARGE || effort->memory > memory_of_machine());
  if (effort->reduced && own_batch && options->batch > FEW_SAMPLES) {
    options->batch = FEW_SAMPLES; /* the caller builds the network again */
    return CY_OK;
  }
  effort->directions = options->directions ? options->directions : effort->reduced ? 1 : 2;
  effort->coordinates = options->coordinates ? options->coordinates : effort->reduced ? 0 : 3;
  effort->operations = operations(evaluation, tensors, effort->directions, effort->coordinates);
  CY_TRY(refuse_what_is_too_large(effort, tensors));
  options->directions = effort->directions;
  options->coordinates = effort->coordinates;
  return CY_OK;
}
