#include "data/sequences.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool cy_sequences_bare(const cy_dataset_options *o) { return o->target && strcmp(o->target, "input") == 0; }

/* More than the machine has would be granted by many systems, and
 * then the process killed. */
cy_status cy_sequences_create(const char *place, int64_t count, int64_t channels, int64_t steps, cy_tensor **inputs) {
  double bytes = (double)count * (double)channels * (double)steps * sizeof(float);
  double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  if (memory > 0 && bytes > memory)
    return cy_fail(CY_NO_MEMORY, "%s: %lld sequences of up to %lld steps x %lld channels need %.1f GB, but this machine has "
                   "%.1f GB of memory: cut the longest ones", place, (long long)count, (long long)steps,
                   (long long)channels, bytes / 1e9, memory / 1e9);
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(count, channels, steps), inputs));
  memset(cy_tensor_data(*inputs), 0, cy_tensor_bytes(*inputs));
  return CY_OK;
}

cy_status cy_sequences_put(const char *path, const cy_csv *csv, int64_t row, int64_t i, int64_t t, cy_tensor *inputs) {
  cy_shape s = cy_tensor_shape(inputs);
  const double *values = cy_tensor_f64(csv->values) + row * csv->n_columns;
  for (int64_t c = 0; c < s.dim[1]; c++) {
    if (!isfinite((float)values[c]))
      return cy_fail(CY_INVALID, "%s: row %lld: \"%s\" is %g, which is too large for f32", path, (long long)row + 1,
                     csv->columns[c], values[c]);
    cy_tensor_f32(inputs)[(i * s.dim[1] + c) * s.dim[2] + t] = (float)values[c];
  }
  return CY_OK;
}

cy_status cy_hint_ignore(cy_status status) {
  static const char end[] = "is not a number";
  char sentence[CY_MESSAGE_SIZE];
  size_t n = strlen(cy_error_message());
  if (status != CY_INVALID || n < sizeof end || strcmp(cy_error_message() + n - strlen(end), end) != 0) return status;
  snprintf(sentence, sizeof sentence, "%s", cy_error_message());
  return cy_fail(status, "%s (ignore: COLUMN leaves a column out)", sentence);
}

cy_status cy_sequences_without_targets(int64_t count, cy_tensor **targets) {
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(count, 1), targets));
  memset(cy_tensor_data(*targets), 0, cy_tensor_bytes(*targets));
  return CY_OK;
}

cy_status cy_sequences_build(cy_dataset_parts parts, const int64_t *lengths, const cy_dataset_options *o,
                       const char *const *names, const char *const *channels, const char *column, cy_dataset **dataset) {
  CY_TRY(cy_dataset_build(parts, dataset));
  cy_status status = cy_dataset_set_lengths(*dataset, lengths, o->buckets);
  if (status == CY_OK) status = cy_dataset_name_sequences(*dataset, names, channels, column);
  if (status == CY_OK && cy_sequences_bare(o)) status = cy_dataset_reconstruct(*dataset);
  if (status == CY_OK) return CY_OK;
  cy_dataset_free(*dataset);
  *dataset = NULL;
  return status;
}
