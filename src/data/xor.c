/* Exclusive or as a table of points in the plane, generated: four round clouds at (+-1, +-1); the class says whether
 * the cloud's two signs are equal. No line has more than three of the clouds on their right sides, so a logistic
 * regression can't learn it, and the clouds overlap a little, so nothing is right everywhere. Independent of every
 * seed. */
#include "base/random.h"
#include "data/dataset.h"

enum { TRAIN = 1024, TEST = 512, COUNT = TRAIN + TEST };
static const uint64_t xor_seed = 0x0E0C1A55;
static const double deviation = 0.4;

cy_status cy_open_xor(cy_dataset **dataset) {
  static const char *const classes[] = {"different", "same"};
  static const char *const features[] = {"x1", "x2"};
  cy_dataset_parts parts = {.name = "xor", .origin = "embedded", .classes = 2, .class_names = classes,
                            .feature_names = features, .target_name = "signs", .test_count = TEST};
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(COUNT, 2), &parts.inputs));
  cy_status status = cy_tensor_create(CY_I32, CY_SHAPE(COUNT), &parts.targets);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    return status;
  }
  cy_rng rng = cy_rng_make(xor_seed, 0);
  float *point = cy_tensor_f32(parts.inputs);
  for (int64_t i = 0; i < COUNT; i++) { /* the four clouds in turn: both parts hold each equally often */
    int right = (int)(i & 1), above = (int)(i >> 1 & 1);
    *point++ = (float)((right ? 1 : -1) + deviation * cy_rng_normal(&rng));
    *point++ = (float)((above ? 1 : -1) + deviation * cy_rng_normal(&rng));
    cy_tensor_i32(parts.targets)[i] = right == above;
  }
  return cy_dataset_build(parts, dataset);
}
