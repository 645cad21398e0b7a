/* Bilinear resizing of images on the host: tables of weights, made once for a pair of extents, and their application to
 * one channel. Sampling places are the pixels' centres; when an image shrinks, the triangle is widened by the same
 * factor, so that every pixel counts and thin lines do not flicker. */
#ifndef CY_DATA_RESAMPLE_H
#define CY_DATA_RESAMPLE_H

#include "base/error.h"

#include <stdint.h>

/* Along one axis: element i of the result is sum_k weights[i * taps + k] * x[start[i] + k]. Weights of an element sum
 * to 1, and start[i] + taps <= in. */
typedef struct cy_resampler {
  int64_t in, out, taps;
  int64_t *start; /* [out] */
  float *weights; /* [out * taps] */
} cy_resampler;

CY_MUST_CHECK cy_status cy_resampler_make(int64_t in, int64_t out, cy_resampler *resampler);
void cy_resampler_clear(cy_resampler *resampler);

/* One channel [rows->in, columns->in] to [rows->out, columns->out]. scratch: rows->in * columns->out floats. */
void cy_resample(const cy_resampler *rows, const cy_resampler *columns, const float *from, float *scratch, float *to);

#endif
