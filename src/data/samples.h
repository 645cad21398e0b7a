/* Images of one shape with their labels, growing while files are read; then handed over as tensors without a copy, so
 * that reading a large set takes its own size in memory and not twice that. */
#ifndef CY_DATA_SAMPLES_H
#define CY_DATA_SAMPLES_H

#include "data/dataset.h"

typedef struct cy_samples {
  uint8_t *pixels; /* [count, size] */
  int32_t *labels; /* [count] */
  int64_t count, capacity;
  int64_t size; /* of one sample; set before the first call */
} cy_samples;

/* Room for this many more. what: the data set, for the message when it does not fit into this machine's memory. */
cy_status cy_samples_reserve(cy_samples *samples, const char *what, int64_t more);
/* The rows as inputs u8 [count, sample...] and targets i32 [count] of parts; samples is empty afterwards. */
cy_status cy_samples_hand_over(cy_samples *samples, cy_shape sample, cy_dataset_parts *parts);
void cy_samples_clear(cy_samples *samples);

#endif
