/* Sizes of images: which one a batch has. (When a model needs larger ones, cy_model_apply says so.) */
#include "train/train.h"

#include "base/error.h"
#include "tensor/tensor.h"

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

cy_problem cy_problem_at(const cy_problem *problem, cy_shape sample) {
  cy_problem o = *problem;
  o.sample = sample;
  return o;
}
