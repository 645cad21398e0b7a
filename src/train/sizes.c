/* Sizes of samples: which size the images of a batch have, which length its sequences. (When a model needs larger ones,
 * cy_model_apply says so.) */
#include "train/train.h"

#include "base/error.h"
#include "tensor/tensor.h"

#include <stdio.h>

int cy_sizes_count(const cy_image_size *sizes) {
  int n = 0;
  while (sizes && n < CY_MAX_SIZES && (sizes[n].height != 0 || sizes[n].width != 0)) n++;
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

cy_shape cy_sample_of_batch(const cy_dataset *dataset, const cy_image_size *sizes, int64_t number, const int64_t *indices,
                            int64_t n) {
  cy_shape sample = cy_sample_at(cy_dataset_sample_shape(dataset), sizes, number);
  if (cy_dataset_is_ragged(dataset)) sample.dim[1] = cy_dataset_padded_steps(dataset, indices, n);
  return sample;
}

void cy_lengths_of_batch(const cy_dataset *dataset, const int64_t *indices, cy_tensor *lengths) {
  for (int64_t i = 0, n = lengths ? cy_tensor_count(lengths) : 0; i < n; i++)
    cy_tensor_i64(lengths)[i] = cy_dataset_steps(dataset, indices[i]);
}

int64_t cy_labels_of_batch(const cy_dataset *dataset, const int64_t *indices, int64_t n) {
  int64_t labels = 0;
  if (!cy_dataset_each_step(dataset)) return n;
  for (int64_t i = 0; i < n; i++) labels += cy_dataset_steps(dataset, indices[i]);
  return labels;
}

cy_status cy_problem_check_shortest(const cy_problem *problem, const cy_dataset *dataset) {
  int64_t shortest = 0, count = cy_dataset_count(dataset);
  cy_problem_values values;
  if (!cy_dataset_is_ragged(dataset) || count < 1) return CY_OK;
  for (int64_t i = 1; i < count; i++)
    if (cy_dataset_steps(dataset, i) < cy_dataset_steps(dataset, shortest)) shortest = i;
  cy_problem alone = cy_problem_at(problem, CY_SHAPE(problem->sample.dim[0], cy_dataset_steps(dataset, shortest)));
  alone.ragged = false;
  const char *name = cy_dataset_sequence_name(dataset, shortest);
  cy_status status = cy_problem_build(&alone, false, 1, NULL, &values);
  cy_problem_values_clear(&values);
  if (status != CY_INVALID) return status;
  char number[32];
  snprintf(number, sizeof number, "%lld", (long long)shortest);
  return cy_fail_in(status, "%s: sequence %.80s has %lld steps", cy_dataset_name(dataset), name ? name : number,
                    (long long)cy_dataset_steps(dataset, shortest));
}

cy_problem cy_problem_at(const cy_problem *problem, cy_shape sample) {
  cy_problem o = *problem;
  o.sample = sample;
  if (o.each_step) o.target = CY_SHAPE(sample.dim[1]);
  return o;
}
