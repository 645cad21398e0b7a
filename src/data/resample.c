#include "data/resample.h"

#include "base/memory.h"

#include <math.h>

/* The triangle of half-width `width` pixels around the centre of element i, cut at the ends of the axis. */
static void fill_element(cy_resampler *r, int64_t i, double scale, double width) {
  double centre = ((double)i + 0.5) * scale, sum = 0;
  int64_t start = (int64_t)ceil(centre - 0.5 - width), last = r->in - r->taps;
  float *weights = r->weights + i * r->taps;
  start = start < 0 ? 0 : start > last ? last : start;
  r->start[i] = start;
  for (int64_t pass = 0; pass < 2; pass++) /* the sum, then what is divided by it */
    for (int64_t k = 0; k < r->taps; k++) {
      double distance = fabs((double)(start + k) + 0.5 - centre) / width;
      double weight = distance < 1 ? 1 - distance : 0;
      if (pass == 0) sum += weight;
      else weights[k] = (float)(weight / sum);
    }
}

cy_status cy_resampler_make(int64_t in, int64_t out, cy_resampler *r) {
  double scale = (double)in / (double)out, width = scale > 1 ? scale : 1;
  size_t count;
  *r = (cy_resampler){.in = in, .out = out};
  if (in < 1 || out < 1) return cy_fail(CY_INVALID, "%lld pixels resized to %lld", (long long)in, (long long)out);
  /* An open interval of length 2 width holds at most so many centres. */
  r->taps = 2 * width < (double)in ? (int64_t)ceil(2 * width) : in;
  if (!cy_mul_size((size_t)out, (size_t)r->taps, &count)) return cy_no_memory();
  r->start = cy_calloc((size_t)out, sizeof *r->start);
  r->weights = cy_calloc(count, sizeof *r->weights);
  if (!r->start || !r->weights) {
    cy_resampler_clear(r);
    return cy_no_memory();
  }
  for (int64_t i = 0; i < out; i++) fill_element(r, i, scale, width);
  return CY_OK;
}

void cy_resampler_clear(cy_resampler *r) {
  cy_free(r->start);
  cy_free(r->weights);
  *r = (cy_resampler){0};
}

static void resample_row(const cy_resampler *c, const float *restrict from, float *restrict to) {
  const int64_t *start = c->start;
  const float *weights = c->weights;
  if (c->taps == 2) { /* enlarging: the usual case */
    for (int64_t x = 0; x < c->out; x++)
      to[x] = weights[2 * x] * from[start[x]] + weights[2 * x + 1] * from[start[x] + 1];
    return;
  }
  for (int64_t x = 0; x < c->out; x++) {
    float sum = 0;
    for (int64_t k = 0; k < c->taps; k++) sum += weights[x * c->taps + k] * from[start[x] + k];
    to[x] = sum;
  }
}

static void add_row(const float *restrict from, float weight, float *restrict to, int64_t n) {
  for (int64_t x = 0; x < n; x++) to[x] += weight * from[x];
}

void cy_resample(const cy_resampler *rows, const cy_resampler *columns, const float *from, float *scratch, float *to) {
  int64_t width = columns->out;
  for (int64_t y = 0; y < rows->in; y++) resample_row(columns, from + y * columns->in, scratch + y * width);
  for (int64_t y = 0; y < rows->out; y++) {
    float *row = to + y * width;
    const float *weights = rows->weights + y * rows->taps, *first = scratch + rows->start[y] * width;
    for (int64_t x = 0; x < width; x++) row[x] = weights[0] * first[x];
    for (int64_t k = 1; k < rows->taps; k++) add_row(first + k * width, weights[k], row, width);
  }
}
