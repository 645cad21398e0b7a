/* Sizes of images: which one a batch has, and what to say when a model needs larger ones. */
#include "train/train.h"

#include "base/error.h"
#include "tensor/tensor.h"

#include <stdio.h>

int cy_sizes_count(const cy_image_size *sizes) {
  int n = 0;
  while (n < CY_MAX_SIZES && (sizes[n].height != 0 || sizes[n].width != 0)) n++;
  return n;
}

/* [channels, height, width] */
static bool is_image(cy_shape sample) { return sample.rank == 3; }

cy_status cy_sizes_check(const cy_image_size *sizes, cy_shape sample) {
  char text[CY_SHAPE_TEXT];
  int n = cy_sizes_count(sizes);
  for (int i = 0; i < n; i++)
    if (sizes[i].height < 1 || sizes[i].width < 1)
      return cy_fail(CY_INVALID, "sizes: images of %lldx%lld pixels", (long long)sizes[i].height,
                     (long long)sizes[i].width);
  if (n > 0 && !is_image(sample))
    return cy_fail(CY_INVALID, "sizes are of images, channels x height x width, but samples are %s",
                   cy_shape_text(sample, text));
  return CY_OK;
}

cy_shape cy_sample_at(cy_shape sample, const cy_image_size *sizes, int64_t number) {
  int n = cy_sizes_count(sizes);
  if (n == 0) return sample;
  sample.dim[1] = sizes[number % n].height;
  sample.dim[2] = sizes[number % n].width;
  return sample;
}

cy_objective cy_objective_at(const cy_objective *objective, cy_shape sample) {
  cy_objective o = *objective;
  o.sample = sample;
  return o;
}

/* ---- images that are too small ---- */

enum { LARGEST_SIDE = 1 << 12 };

/* At least so many pixels each way. */
static cy_objective with_side(const cy_objective *objective, int64_t side) {
  cy_objective o = *objective;
  for (int i = 1; i < 3; i++)
    if (o.sample.dim[i] < side) o.sample.dim[i] = side;
  return o;
}

static bool works_with_side(const cy_objective *objective, int64_t side, bool (*works)(const cy_objective *)) {
  cy_objective o = with_side(objective, side);
  return works(&o);
}

/* Doubled until it works, then halved: a layer that takes an extent takes all larger ones. */
static int64_t smallest_side(const cy_objective *o, bool (*works)(const cy_objective *)) {
  int64_t fails = o->sample.dim[1] < o->sample.dim[2] ? o->sample.dim[1] : o->sample.dim[2], side = fails;
  do side = side < 1 ? 1 : 2 * side;
  while (side <= LARGEST_SIDE && !works_with_side(o, side, works));
  if (side > LARGEST_SIDE) return 0;
  while (side - fails > 1) {
    int64_t middle = fails + (side - fails) / 2;
    if (works_with_side(o, middle, works)) side = middle;
    else fails = middle;
  }
  return side;
}

cy_status cy_explain_size(cy_status status, const cy_objective *objective, bool (*works)(const cy_objective *)) {
  char sentence[CY_MESSAGE_SIZE];
  if (status != CY_INVALID || !is_image(objective->sample)) return status;
  snprintf(sentence, sizeof sentence, "%s", cy_error_message());
  int64_t side = smallest_side(objective, works);
  if (side == 0) return cy_fail(status, "%s", sentence);
  cy_shape enough = with_side(objective, side).sample;
  return cy_fail(status, "%s; the smallest images that are large enough are %lldx%lld", sentence,
                 (long long)enough.dim[1], (long long)enough.dim[2]);
}
