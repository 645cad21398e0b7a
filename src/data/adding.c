/* The adding problem (S. Hochreiter, J. Schmidhuber 1997), generated: a row of numbers drawn from 0..1, and a row that
 * marks one number in the first half and one in the second; the target is their sum. What is to be remembered is a few
 * hundred steps back, and nothing in between tells it. The mean as answer costs 2/12 as squared error. Independent of
 * every seed. */
#include "base/random.h"
#include "data/dataset.h"

#include <string.h>

enum { TRAIN = 20000, TEST = 2000, COUNT = TRAIN + TEST, USUAL = 100, SHORTEST = 2, LONGEST = 10000 };
static const uint64_t adding_seed = 0xADD1117;

static void draw(cy_rng *rng, int64_t length, float *numbers, float *target) {
  float *marks = numbers + length;
  int64_t half = length / 2, first = cy_rng_below(rng, half), second = half + cy_rng_below(rng, length - half);
  for (int64_t i = 0; i < length; i++) numbers[i] = cy_unit_f32(cy_rng_u32(rng));
  memset(marks, 0, (size_t)length * sizeof *marks);
  marks[first] = marks[second] = 1;
  *target = numbers[first] + numbers[second];
}

cy_status cy_open_adding(cy_dataset_options options, cy_dataset **dataset) {
  int64_t length = options.length ? options.length : USUAL;
  if (length < SHORTEST || length > LONGEST)
    return cy_fail(CY_INVALID, "adding: sequences of %lld steps; length is %d to %d", (long long)length, SHORTEST,
                   LONGEST);
  cy_dataset_parts parts = {.name = "adding", .origin = "embedded", .test_count = TEST, .target_name = "sum",
                            .length = length};
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(COUNT, 2, length), &parts.inputs));
  cy_status status = cy_tensor_create(CY_F32, CY_SHAPE(COUNT, 1), &parts.targets);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    return status;
  }
  cy_rng rng = cy_rng_make(adding_seed, (uint64_t)length);
  for (int64_t i = 0; i < COUNT; i++)
    draw(&rng, length, cy_tensor_f32(parts.inputs) + i * 2 * length, cy_tensor_f32(parts.targets) + i);
  return cy_dataset_build(parts, dataset);
}
