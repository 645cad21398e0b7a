/* What the roles of direct convolutions share. */
#include "backend/cpu/convolution_direct.h"

#include "backend/cpu/workspace.h"
#include "base/memory.h"

#include <string.h>

enum { PAIR = 1 /* log2 of the vectors in a tile's row */ };

bool cy_direct_applies(const cy_convolution_problem *p) {
  if (p->dtype != CY_F32 || p->groups != 1 || p->space > 2) return false;
  for (int i = 0; i < p->space; i++)
    if (p->extent[i] == 0 || p->kernel[i] == 0 || p->size[i] == 0) return false;
  return p->batch > 0 && p->filters > 0 && p->channels > 0;
}

bool cy_direct_is_pointwise(const cy_convolution_problem *p) {
  for (int i = 0; i < p->space; i++)
    if (p->low[i] != 0 || p->high[i] > 0) return false;
  return cy_convolution_is_pointwise(p);
}

void cy_direct_free(void *plan) { cy_free(plan); }

const char *cy_direct_name(const void *plan) {
  (void)plan;
  return "direct";
}

void cy_direct_plan(cy_direct *d, const cy_convolution_problem *p, int threads) {
  const int c = p->space - 1;
  *d = (cy_direct){.p = *p,
                   .threads = threads < 1 ? 1 : threads,
                   .kernels = cy_gemm_kernels_of(CY_F32),
                   .height = 1,
                   .rows = 1,
                   .kernel_rows = 1,
                   .row_stride = 1,
                   .row_dilation = 1};
  d->panel = (int64_t)d->kernels->lanes << PAIR;
  d->width = p->size[c], d->columns = p->extent[c], d->kernel_columns = p->kernel[c];
  d->column_stride = p->stride[c], d->column_dilation = p->dilation[c], d->left = p->low[c];
  d->x_column = p->x_stride[2 + c], d->y_column = p->y_stride[2 + c], d->w_column = p->w_stride[2 + c];
  if (p->space == 1) return;
  d->height = p->size[0], d->rows = p->extent[0], d->kernel_rows = p->kernel[0];
  d->row_stride = p->stride[0], d->row_dilation = p->dilation[0], d->top = p->low[0];
  d->x_row = p->x_stride[2], d->y_row = p->y_stride[2], d->w_row = p->w_stride[2];
}

void cy_direct_join(cy_direct *d) {
  const int64_t reach = (d->columns - 1) * d->column_stride + d->kernel_columns, channels = d->p.channels;
  d->strip = reach * channels;
  d->copies = d->left > 0 || reach > d->width || (channels > 1 && d->p.x_stride[1] != 1) ||
              (d->kernel_columns > 1 && d->x_column != channels);
  d->copy_bytes = d->copies ? cy_aligned((size_t)(d->height * d->strip) * sizeof(float)) : 0;
}

static void copy_row(const cy_direct *d, const float *x, int64_t columns, float *to) {
  const int64_t channels = d->p.channels, step = d->p.x_stride[1];
  if (d->x_column == channels && (channels == 1 || step == 1)) {
    memcpy(to, x, (size_t)(columns * channels) * sizeof *to);
    return;
  }
  for (int64_t c = 0; c < channels; c++)
    for (int64_t i = 0; i < columns; i++) to[i * channels + c] = x[c * step + i * d->x_column];
}

cy_direct_image cy_direct_image_of(const cy_direct *d, const float *x, float *copy) {
  if (!d->copies) return (cy_direct_image){x, d->x_row, d->x_column};
  const int64_t channels = d->p.channels, left = d->left * channels;
  const int64_t inside = d->strip - left < d->width * channels ? d->strip - left : d->width * channels;
  for (int64_t i = 0; i < d->height; i++) {
    float *to = copy + i * d->strip;
    memset(to, 0, (size_t)left * sizeof *to);
    copy_row(d, x + i * d->x_row, inside / channels, to + left);
    memset(to + left + inside, 0, (size_t)(d->strip - left - inside) * sizeof *to);
  }
  return (cy_direct_image){copy, d->strip, channels};
}

/* 0 <= place * stride + offset < size. */
static cy_direct_span span(int64_t offset, int64_t stride, int64_t size, int64_t places) {
  cy_direct_span s = {offset < 0 ? (-offset - 1) / stride + 1 : 0,
                      offset < size ? (size - 1 - offset) / stride + 1 : 0};
  if (s.end > places) s.end = places;
  if (s.first > s.end) s.first = s.end;
  return s;
}

cy_direct_span cy_direct_rows(const cy_direct *d, int64_t i) {
  return span(i * d->row_dilation - d->top, d->row_stride, d->height, d->rows);
}

cy_direct_span cy_direct_columns(const cy_direct *d, int64_t j) {
  return span(j * d->column_dilation - d->left, d->column_stride, d->width, d->columns);
}

int64_t cy_direct_panels(const cy_direct *d, int64_t n) { return (n - 1) / d->panel + 1; }

int64_t cy_direct_used(const cy_direct *d, int64_t n, int64_t first) {
  return n - first < d->panel ? n - first : d->panel;
}

void cy_direct_tiles(const cy_direct *d, cy_tile tile, int64_t n, int64_t used) {
  const int64_t lanes = d->kernels->lanes;
  const int width = used > lanes ? PAIR : 0;
  const int64_t most = d->kernels->rows[width], tiles = (n + most - 1) / most;
  const float *a = tile.a;
  float *c = tile.c;
  tile.last = (int)(used - (width ? lanes : 0));
  for (int64_t i = 0, first = 0; i < tiles; i++) {
    const int64_t end = n * (i + 1) / tiles;
    tile.a = a + first * tile.a_row;
    tile.c = c + first * tile.c_row;
    d->kernels->tile[width][end - first - 1](&tile);
    first = end;
  }
}
