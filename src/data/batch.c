/* Scaling, and the conversion of samples into a training step's tensors: one pass, no allocation. */
#include "base/memory.h"
#include "data/ragged.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- scaling ---- */

static cy_status set_channels(cy_dataset *d, int64_t channels) {
  float *offset = cy_calloc((size_t)channels, sizeof *offset), *factor = cy_calloc((size_t)channels, sizeof *factor);
  if (!offset || !factor) {
    cy_free(offset);
    cy_free(factor);
    return cy_no_memory();
  }
  for (int64_t c = 0; c < channels; c++) factor[c] = 1;
  cy_free(d->offset);
  cy_free(d->factor);
  d->offset = offset;
  d->factor = factor;
  d->channels = channels;
  d->inner = d->sample_size / channels;
  return CY_OK;
}

static bool is_table(const cy_dataset *d) { return d->inputs->view.shape.rank == 2; }

/* A table is standardised per feature, anything with more axes per channel, its first. */
static int64_t statistics_channels(const cy_dataset *d) { return d->inputs->view.shape.dim[1]; }

static double raw(const cy_dataset *d, int64_t i) {
  return d->inputs->view.dtype == CY_U8 ? (double)((const uint8_t *)d->inputs->view.data)[i]
                                        : (double)((const float *)d->inputs->view.data)[i];
}

/* Bytes are counted: one look at each, and exact sums. */
static void byte_statistics(const cy_dataset *d, const int64_t *indices, int64_t n, int64_t c, double *mean,
                            double *deviation) {
  const uint8_t *bytes = d->inputs->view.data;
  int64_t counts[256] = {0};
  double sum = 0, squares = 0, total = (double)n * (double)d->inner;
  for (int64_t k = 0; k < n; k++) {
    const uint8_t *at = bytes + indices[k] * d->sample_size + c * d->inner;
    for (int64_t i = 0; i < d->inner; i++) counts[at[i]]++;
  }
  for (int v = 0; v < 256; v++) sum += (double)counts[v] * v;
  *mean = sum / total;
  for (int v = 0; v < 256; v++) squares += (double)counts[v] * (v - *mean) * (v - *mean);
  *deviation = sqrt(squares / total);
}

/* Mean, then the sum of squared deviations: two passes, so that a large mean costs no digits. */
static void channel_statistics(const cy_dataset *d, const int64_t *indices, int64_t n, int64_t c, double *mean,
                               double *deviation) {
  int64_t inner = d->inner, count = 0;
  double sum = 0, squares = 0;
  for (int64_t k = 0; k < n; k++) {
    int64_t valid = d->ragged ? d->ragged->lengths[indices[k]] : inner; /* what is behind an end does not count */
    for (int64_t i = 0; i < valid; i++) sum += raw(d, indices[k] * d->sample_size + c * inner + i);
    count += valid;
  }
  *mean = sum / (double)count;
  for (int64_t k = 0; k < n; k++)
    for (int64_t i = 0, valid = d->ragged ? d->ragged->lengths[indices[k]] : inner; i < valid; i++) {
      double v = raw(d, indices[k] * d->sample_size + c * inner + i) - *mean;
      squares += v * v;
    }
  *deviation = sqrt(squares / (double)count);
}

static cy_status check_indices(const cy_dataset *d, const int64_t *indices, int64_t n) {
  for (int64_t k = 0; k < n; k++)
    if (indices[k] < 0 || indices[k] >= d->count)
      return cy_fail(CY_INVALID, "%s: sample %lld does not exist; there are %lld", d->name, (long long)indices[k],
                     (long long)d->count);
  return CY_OK;
}

static cy_status standardise(cy_dataset *d, const int64_t *indices, int64_t n) {
  if (n < 1 || !indices) return cy_fail(CY_INVALID, "%s: standardising needs the training part's samples", d->name);
  CY_TRY(check_indices(d, indices, n));
  CY_TRY(set_channels(d, statistics_channels(d)));
  for (int64_t c = 0; c < d->channels; c++) {
    double mean, deviation;
    if (d->inputs->view.dtype == CY_U8) byte_statistics(d, indices, n, c, &mean, &deviation);
    else channel_statistics(d, indices, n, c, &mean, &deviation);
    d->offset[c] = (float)mean;
    /* What rounding leaves of a constant must not be blown up. */
    d->factor[c] = deviation > 1e-6 * fabs(mean) && deviation > 1e-30 ? (float)(1 / deviation) : 1;
  }
  return CY_OK;
}

cy_status cy_dataset_scale(cy_dataset *d, cy_scale scale, const int64_t *indices, int64_t n) {
  bool bytes = d->inputs->view.dtype == CY_U8;
  if (scale == CY_SCALE_DEFAULT && d->tokens) scale = CY_SCALE_NONE;
  if (scale == CY_SCALE_DEFAULT)
    scale = bytes ? CY_SCALE_UNIT : is_table(d) || d->windows || d->ragged ? CY_SCALE_STANDARDISE : CY_SCALE_NONE;
  if (scale == CY_SCALE_STANDARDISE && d->tokens)
    return cy_fail(CY_INVALID, "%s: characters are not numbers that could be standardised", d->name);
  if (scale == CY_SCALE_STANDARDISE) return standardise(d, indices, n);
  if (scale != CY_SCALE_NONE && scale != CY_SCALE_UNIT)
    return cy_fail(CY_INVALID, "%s: %d is not a scaling", d->name, (int)scale);
  CY_TRY(set_channels(d, 1));
  if (scale == CY_SCALE_UNIT && bytes) d->factor[0] = 1 / d->largest;
  return CY_OK;
}

cy_scaling cy_dataset_scaling(const cy_dataset *d) { return (cy_scaling){d->channels, d->offset, d->factor}; }

cy_status cy_dataset_set_scaling(cy_dataset *d, cy_scaling s) {
  if (s.channels < 1 || (s.channels != 1 && s.channels != statistics_channels(d)))
    return cy_fail(CY_INVALID, "%s: scaling has %lld channels but samples have %lld", d->name, (long long)s.channels,
                   (long long)statistics_channels(d));
  for (int64_t c = 0; c < s.channels; c++)
    if (!isfinite(s.offset[c]) || !isfinite(s.factor[c]))
      return cy_fail(CY_NOT_FINITE, "%s: scaling of channel %lld is (raw - %g) * %g", d->name, (long long)c,
                     (double)s.offset[c], (double)s.factor[c]);
  CY_TRY(set_channels(d, s.channels));
  memcpy(d->offset, s.offset, (size_t)s.channels * sizeof *s.offset);
  memcpy(d->factor, s.factor, (size_t)s.channels * sizeof *s.factor);
  return CY_OK;
}

/* ---- batches ---- */

static cy_status check_destination(const cy_dataset *d, const cy_tensor *t, int64_t n, int64_t size, const char *what) {
  char text[CY_SHAPE_TEXT];
  cy_shape s = t->view.shape;
  if (s.rank < 1 || s.dim[0] != n || t->count != n * size || !cy_tensor_is_contiguous(t))
    return cy_fail(CY_INVALID, "%s: a batch of %lld samples needs %s of shape [%lld, ...] with %lld elements per "
                   "sample, row-major, not %s", d->name, (long long)n, what, (long long)n, (long long)size,
                   cy_shape_text(s, text));
  return CY_OK;
}

void cy_scale_u8(const uint8_t *restrict from, float *restrict to, int64_t n, float offset, float factor) {
  for (int64_t i = 0; i < n; i++) to[i] = ((float)from[i] - offset) * factor;
}

void cy_scale_f32(const float *restrict from, float *restrict to, int64_t n, float offset, float factor) {
  for (int64_t i = 0; i < n; i++) to[i] = (from[i] - offset) * factor;
}

static void scale_features(const float *restrict from, float *restrict to, int64_t n, const float *restrict offset,
                           const float *restrict factor) {
  for (int64_t i = 0; i < n; i++) to[i] = (from[i] - offset[i]) * factor[i];
}

static void write_sample(const cy_dataset *d, int64_t index, float *to) {
  int64_t start = index * d->sample_size;
  const uint8_t *bytes = d->inputs->view.dtype == CY_U8 ? (const uint8_t *)d->inputs->view.data + start : NULL;
  const float *floats = bytes ? NULL : (const float *)d->inputs->view.data + start;
  if (floats && d->inner == 1) {
    scale_features(floats, to, d->sample_size, d->offset, d->factor);
    return;
  }
  for (int64_t c = 0; c < d->channels; c++) {
    int64_t at = c * d->inner;
    if (bytes) cy_scale_u8(bytes + at, to + at, d->inner, d->offset[c], d->factor[c]);
    else cy_scale_f32(floats + at, to + at, d->inner, d->offset[c], d->factor[c]);
  }
}

/* Each channel up to the sequence's end, then zeros. */
static void write_sequence(const cy_dataset *d, int64_t index, int64_t steps, float *to) {
  const int64_t *dim = d->inputs->view.shape.dim;
  const float *from = (const float *)d->inputs->view.data + index * d->sample_size;
  int64_t length = d->ragged->lengths[index];
  for (int64_t c = 0; c < dim[1]; c++, from += dim[2], to += steps) {
    int64_t k = d->channels == 1 ? 0 : c;
    cy_scale_f32(from, to, length, d->offset[k], d->factor[k]);
    memset(to + length, 0, (size_t)(steps - length) * sizeof *to);
  }
}

static cy_status write_sequences(const cy_dataset *d, const int64_t *indices, int64_t n, cy_tensor *x) {
  char text[CY_SHAPE_TEXT];
  cy_shape s = x->view.shape;
  int64_t channels = d->inputs->view.shape.dim[1];
  if (s.rank != 3 || s.dim[0] != n || s.dim[1] != channels || !cy_tensor_is_contiguous(x))
    return cy_fail(CY_INVALID, "%s: a batch of %lld sequences needs inputs of shape [%lld, %lld, steps], row-major, not %s",
                   d->name, (long long)n, (long long)n, (long long)channels, cy_shape_text(s, text));
  for (int64_t k = 0; k < n; k++)
    if (d->ragged->lengths[indices[k]] > s.dim[2])
      return cy_fail(CY_INVALID, "%s: sequence %lld has %lld steps, but the batch has room for %lld", d->name,
                     (long long)indices[k], (long long)d->ragged->lengths[indices[k]], (long long)s.dim[2]);
  for (int64_t k = 0; k < n; k++)
    write_sequence(d, indices[k], s.dim[2], (float *)x->view.data + k * channels * s.dim[2]);
  return CY_OK;
}

static void write_labels(const cy_dataset *d, const int64_t *indices, int64_t n, cy_tensor *y) {
  const int32_t *labels = d->targets->view.data;
  void *to = y->view.data;
  for (int64_t k = 0; k < n; k++) {
    int32_t label = labels[indices[k]];
    if (y->view.dtype == CY_I32) ((int32_t *)to)[k] = label;
    else if (y->view.dtype == CY_I64) ((int64_t *)to)[k] = label;
    else ((float *)to)[k] = (float)label;
  }
}

/* A label for each step, 0 behind the ends. */
static cy_status write_step_labels(const cy_dataset *d, const int64_t *indices, int64_t n, cy_tensor *y) {
  char text[CY_SHAPE_TEXT];
  cy_shape s = y->view.shape;
  const int32_t *labels = d->targets->view.data;
  if (s.rank != 2 || s.dim[0] != n || !cy_tensor_is_contiguous(y))
    return cy_fail(CY_INVALID, "%s: labels of each step of %lld sequences are [%lld, steps], row-major, not %s", d->name,
                   (long long)n, (long long)n, cy_shape_text(s, text));
  for (int64_t k = 0; k < n; k++) {
    int64_t length = d->ragged->lengths[indices[k]];
    if (length > s.dim[1])
      return cy_fail(CY_INVALID, "%s: sequence %lld has %lld steps, but the batch has room for %lld", d->name,
                     (long long)indices[k], (long long)length, (long long)s.dim[1]);
    for (int64_t t = 0; t < s.dim[1]; t++)
      cy_tensor_set(y, k * s.dim[1] + t, t < length ? labels[indices[k] * d->target_size + t] : 0);
  }
  return CY_OK;
}

static cy_status write_targets(const cy_dataset *d, const int64_t *indices, int64_t n, cy_tensor *y) {
  if (!d->each_step) CY_TRY(check_destination(d, y, n, d->target_size, "targets"));
  cy_dtype dtype = y->view.dtype;
  if (dtype != CY_F32 && !(d->classes && (dtype == CY_I32 || dtype == CY_I64)))
    return cy_fail(CY_INVALID, "%s: targets are written as f32%s, not %s", d->name, d->classes ? ", i32 or i64" : "",
                   cy_dtype_name(dtype));
  if (d->tokens) {
    cy_text_batch(d, 0, d->count, indices, n, NULL, y);
    return CY_OK;
  }
  if (d->each_step) return write_step_labels(d, indices, n, y);
  if (d->classes) {
    write_labels(d, indices, n, y);
    return CY_OK;
  }
  float *to = y->view.data;
  for (int64_t k = 0; k < n && !d->targets; k++) write_sample(d, indices[k], to + k * d->target_size);
  if (!d->targets) return CY_OK;
  const float *from = d->targets->view.data;
  for (int64_t k = 0; k < n; k++)
    memcpy(to + k * d->target_size, from + indices[k] * d->target_size, (size_t)d->target_size * sizeof *to);
  return CY_OK;
}

cy_status cy_dataset_batch(const cy_dataset *d, const int64_t *indices, int64_t n, cy_tensor *x, cy_tensor *y) {
  CY_TRY(check_indices(d, indices, n));
  if (x) {
    if (!d->ragged) CY_TRY(check_destination(d, x, n, d->sample_size, "inputs"));
    if (x->view.dtype != CY_F32)
      return cy_fail(CY_INVALID, "%s: inputs are written as f32, not %s", d->name, cy_dtype_name(x->view.dtype));
    if (d->tokens) cy_text_batch(d, 0, d->count, indices, n, x, NULL);
    if (d->ragged) CY_TRY(write_sequences(d, indices, n, x));
    for (int64_t k = 0; k < n && !d->tokens && !d->ragged; k++)
      write_sample(d, indices[k], (float *)x->view.data + k * d->sample_size);
  }
  return y ? write_targets(d, indices, n, y) : CY_OK;
}
