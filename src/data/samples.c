#include "data/samples.h"

#include "base/memory.h"

#include <unistd.h>

/* More than the machine has would be granted by many systems, and then the process killed. */
static cy_status check_fits(const cy_samples *s, const char *what, int64_t count, int64_t bytes) {
  int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE), memory;
  if (pages <= 0 || page <= 0 || !cy_mul_i64(pages, page, &memory) || bytes <= memory) return CY_OK;
  return cy_fail(CY_NO_MEMORY, "%s: %lld samples of %lld bytes need %.1f GB, but this machine has %.1f GB of memory",
                 what, (long long)count, (long long)s->size, (double)bytes / 1e9, (double)memory / 1e9);
}

cy_status cy_samples_reserve(cy_samples *s, const char *what, int64_t more) {
  int64_t count, bytes;
  if (!cy_add_i64(s->count, more, &count) || !cy_mul_i64(count, s->size, &bytes))
    return cy_fail(CY_INVALID, "%s: %lld samples of %lld bytes are more than memory can address", what,
                   (long long)more, (long long)s->size);
  if (count <= s->capacity) return CY_OK;
  CY_TRY(check_fits(s, what, count, bytes));
  uint8_t *pixels = cy_realloc(s->pixels, (size_t)count, (size_t)s->size);
  if (!pixels) return cy_no_memory();
  s->pixels = pixels;
  int32_t *labels = cy_realloc(s->labels, (size_t)count, sizeof *labels);
  if (!labels) return cy_no_memory();
  s->labels = labels;
  s->capacity = count;
  return CY_OK;
}

/* A tensor that owns the block. */
static cy_status own(cy_dtype dtype, cy_shape shape, void *block, cy_tensor **tensor) {
  CY_TRY(cy_tensor_wrap(dtype, shape, NULL, block, tensor));
  (*tensor)->owned = block;
  return CY_OK;
}

cy_status cy_samples_hand_over(cy_samples *s, cy_shape sample, cy_dataset_parts *parts) {
  cy_shape shape = {.rank = sample.rank + 1, .dim = {s->count}};
  for (int i = 0; i < sample.rank; i++) shape.dim[i + 1] = sample.dim[i];
  CY_TRY(own(CY_U8, shape, s->pixels, &parts->inputs));
  s->pixels = NULL;
  CY_TRY(own(CY_I32, CY_SHAPE(s->count), s->labels, &parts->targets));
  s->labels = NULL;
  s->count = s->capacity = 0;
  return CY_OK;
}

void cy_samples_clear(cy_samples *s) {
  cy_free(s->pixels);
  cy_free(s->labels);
  *s = (cy_samples){0};
}
