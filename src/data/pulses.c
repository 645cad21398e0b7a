/* Sequences in which only the order tells the class, generated: two of three sensors show a pulse each, somewhere; was
 * the first sensor's earlier? What each sensor shows on average is the same for both classes, so that a model of the
 * means guesses, and one of shapes and places does not. Independent of every seed. */
#include "base/random.h"
#include "data/dataset.h"

#include <math.h>

enum { TRAIN = 1024, TEST = 512, COUNT = TRAIN + TEST, SENSORS = 3, STEPS = 64, MARGIN = 6, APART = 4 };
static const uint64_t pulses_seed = 0x5E4503;
static const double noise = 0.1, half_width = 2;

static void draw_pulse(float *x, int64_t at) {
  for (int64_t t = 0; t < STEPS; t++) {
    double away = (double)(t - at) / half_width;
    x[t] += (float)exp(-0.5 * away * away);
  }
}

cy_status cy_open_pulses(cy_dataset **dataset) {
  static const char *const classes[] = {"second", "first"};
  cy_dataset_parts parts = {.name = "pulses",
                            .origin = "embedded",
                            .classes = 2,
                            .class_names = classes,
                            .target_name = "earlier",
                            .test_count = TEST};
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(COUNT, SENSORS, STEPS), &parts.inputs));
  cy_status status = cy_tensor_create(CY_I32, CY_SHAPE(COUNT), &parts.targets);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    return status;
  }
  cy_rng rng = cy_rng_make(pulses_seed, 0);
  float *x = cy_tensor_f32(parts.inputs);
  for (int64_t i = 0; i < COUNT; i++, x += SENSORS * STEPS) { /* the classes in turn: both equally often */
    int64_t early = MARGIN + cy_rng_below(&rng, STEPS - 2 * MARGIN - APART);
    int64_t late = early + APART + cy_rng_below(&rng, STEPS - MARGIN - APART - early);
    for (int64_t k = 0; k < SENSORS * STEPS; k++) x[k] = (float)(noise * cy_rng_normal(&rng));
    draw_pulse(x, i & 1 ? early : late);
    draw_pulse(x + STEPS, i & 1 ? late : early);
    cy_tensor_i32(parts.targets)[i] = (int32_t)(i & 1);
  }
  return cy_dataset_build(parts, dataset);
}
