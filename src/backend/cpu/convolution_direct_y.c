/* Direct convolutions, role y: of sequences, and strided ones of images with few channels or that look at single
 * places. Weights are packed in panels of filters, and a row of y is computed panel by panel; bias and relu are done
 * while it is in the cache. The same bits whatever the threads. */
#include "backend/cpu/convolution_direct.h"

#include "backend/cpu/workspace.h"
#include "base/memory.h"

#include <string.h>

/* Measured on an AMD EPYC (Zen 5, AVX-512). The coursework's classifier of sequences (10 -> 32 -> 32 channels, 168 places,
 * windows of 5, stride 2, batch 32) trains as fast as with oneDNN's convolutions on one thread, and 13 % faster on two:
 * there is one parallel region, and no operand is converted before it. Longer windows are left to oneDNN. Images, one
 * thread, batch 64, GFLOP/s of oneDNN 2.6.3 in blocked formats, with channels innermost, and of this:
 *   3 ->  32, 3x3 stride 2, 64x64   174   130   164
 *   64 -> 128, 1x1 stride 2, 32x32  147   100   153
 *   3 ->  64, 3x3, 32x32            208   190   180   so only strided ones */
enum { LONGEST_WINDOW = 512, FEW_CHANNELS = 4, LEAST_WINDOW = 16, LEAST_COLUMNS = 8, LINE = 16 /* floats */ };
enum { CACHED = 1 << 18 /* floats: what the second-level cache holds of x and y */ };

typedef struct direct_y {
  cy_direct d;
  int64_t window, segment; /* what a place of y sees of x, and of a row of x, elements */
  int64_t panels;          /* of filters */
  bool fetches;            /* x and y come from farther than the second-level cache */
  size_t packed_bytes;
} direct_y;

static bool applies(const cy_convolution_problem *p) {
  const int c = p->space - 1;
  if (!cy_direct_applies(p) || p->role != CY_CONVOLUTION_Y || (p->filters > 1 && p->y_stride[1] != 1)) return false;
  if (p->low[c] < 0 || p->low[c] >= p->kernel[c]) return false;
  if (p->space == 1) return p->dilation[0] == 1 && p->kernel[0] * p->channels <= LONGEST_WINDOW;
  if (p->extent[c] < LEAST_COLUMNS) return false;
  if (cy_convolution_is_strided(p) && cy_direct_is_pointwise(p)) return p->channels == 1 || p->x_stride[1] == 1;
  return p->stride[c] > 1 && p->dilation[c] == 1 && p->channels <= FEW_CHANNELS &&
         p->kernel[0] * p->kernel[1] * p->channels >= LEAST_WINDOW;
}

static cy_status create(const cy_convolution_problem *problem, int threads, void **plan) {
  *plan = NULL;
  if (!applies(problem)) return CY_OK;
  direct_y *s = cy_calloc(1, sizeof *s);
  if (!s) return cy_no_memory();
  cy_direct_plan(&s->d, problem, threads);
  cy_direct_join(&s->d);
  s->segment = s->d.kernel_columns * problem->channels;
  s->window = s->d.kernel_rows * s->segment;
  s->fetches =
      problem->batch * (s->d.height * s->d.width * problem->channels + s->d.rows * s->d.columns * problem->filters) >
      CACHED;
  s->panels = cy_direct_panels(&s->d, problem->filters);
  s->packed_bytes = cy_aligned((size_t)(s->panels * s->d.panel * s->window) * sizeof(float));
  *plan = s;
  return CY_OK;
}

static size_t packed_bytes(const void *plan) { return ((const direct_y *)plan)->packed_bytes; }

/* The weights, then a copy of an image for each thread. */
static size_t scratch_bytes(const void *plan) {
  const direct_y *s = plan;
  return s->packed_bytes + (size_t)s->d.threads * s->d.copy_bytes;
}

/* Panel after panel of filters: (place in the window, filter). */
static cy_status pack(const void *plan, void *instance, const void *w, void *packed, void *scratch) {
  const direct_y *s = plan;
  const cy_direct *d = &s->d;
  (void)instance, (void)scratch;
  for (int64_t f = 0; f < d->p.filters; f++) {
    float *to = (float *)packed + f / d->panel * d->panel * s->window + f % d->panel;
    const float *from = (const float *)w + f * d->p.w_stride[0];
    for (int64_t i = 0; i < d->kernel_rows; i++)
      for (int64_t j = 0; j < d->kernel_columns; j++)
        for (int64_t c = 0; c < d->p.channels; c++, to += d->panel)
          *to = from[i * d->w_row + j * d->w_column + c * d->p.w_stride[1]];
  }
  return CY_OK;
}

static void begin_row(const cy_direct *d, const float *bias, int64_t used, float *y) {
  for (int64_t i = 0; i < d->columns; i++) memcpy(y + i * d->y_column, bias, (size_t)used * sizeof *y);
}

static void end_row(const cy_direct *d, int64_t used, float *y) {
  for (int64_t i = 0; i < d->columns; i++)
    for (float *v = y + i * d->y_column, *end = v + used; v < end; v++) *v = 0 > *v ? 0 : *v;
}

static void fetch(const float *at, int64_t n) {
  for (const float *end = at + n; at < end; at += LINE) __builtin_prefetch(at);
}

/* Asks for a share of what is read next: the next image if images are copied, else what the next row sees. What comes
 * from memory would otherwise take a third of the time. */
static void fetch_x(const direct_y *s, const float *x, int64_t r, int64_t panel) {
  const cy_direct *d = &s->d;
  if (d->copies) {
    const int64_t size = d->height * d->width * d->p.channels, share = r * s->panels + panel,
                  shares = d->rows * s->panels, first = size * share / shares;
    if (d->p.x_stride[0] == size) fetch(x + size + first, size * (share + 1) / shares - first);
  } else if (r + 1 < d->rows) {
    const float *row = x + ((r + 1) * d->row_stride - d->top) * d->x_row;
    for (int64_t i = d->columns * panel / s->panels; i < d->columns * (panel + 1) / s->panels; i++)
      fetch(row + i * d->column_stride * d->x_column, s->segment);
  }
}

/* And for what is written next. */
static void fetch_y(const direct_y *s, float *y, int64_t f) {
  const cy_direct *d = &s->d;
  float *next = f + d->panel < d->p.filters ? y + f + d->panel : y + d->y_row;
  for (int64_t i = 0; i < d->columns; i++)
    for (int64_t k = 0; k < d->panel; k += LINE) __builtin_prefetch(next + i * d->y_column + k, 1);
}

static void run_row(const direct_y *s, const float *x_there, const cy_direct_image *x, int64_t r, const float *packed,
                    const float *bias, float *y) {
  const cy_direct *d = &s->d;
  const int64_t top = r * d->row_stride - d->top;
  int64_t first = 0, end = d->kernel_rows; /* of its rows that lie inside */
  while (first < end && top + first * d->row_dilation < 0) first++;
  while (end > first && top + (end - 1) * d->row_dilation >= d->height) end--;
  const bool none = first == end;
  for (int64_t f = 0; f < d->p.filters; f += d->panel) {
    const int64_t used = cy_direct_used(d, d->p.filters, f);
    const cy_tile tile = {.k = none ? 0 : s->segment,
                          .more = none ? 0 : end - first - 1,
                          .a = none ? x->at : x->at + (top + first * d->row_dilation) * x->row,
                          .a_row = d->column_stride * x->column,
                          .a_step = 1,
                          .a_jump = d->row_dilation * x->row - s->segment,
                          .b = packed + f * s->window + first * s->segment * d->panel,
                          .b_step = d->panel,
                          .c = y + f,
                          .c_row = d->y_column,
                          .add = bias != NULL,
                          .scale = 1};
    if (s->fetches) fetch_x(s, x_there, r, f / d->panel), fetch_y(s, y, f);
    if (bias) begin_row(d, bias + f, used, y + f);
    cy_direct_tiles(d, tile, d->columns, used);
    if (d->p.relu) end_row(d, used, y + f);
  }
}

/* Rows [first, end) of all images. */
static void run_rows(const direct_y *s, cy_convolution_operands o, const float *packed, int64_t first, int64_t end,
                     float *copy) {
  const cy_direct *d = &s->d;
  cy_direct_image x = {0};
  for (int64_t at = first; at < end; at++) {
    const int64_t n = at / d->rows, r = at % d->rows;
    const float *there = (const float *)o.x + n * d->p.x_stride[0];
    if (at == first || r == 0) x = cy_direct_image_of(d, there, copy);
    run_row(s, there, &x, r, packed, o.bias, (float *)o.y + n * d->p.y_stride[0] + r * d->y_row);
  }
}

static cy_status run(const void *plan, void *instance, cy_convolution_operands o, void *scratch) {
  const direct_y *s = plan;
  const cy_direct *d = &s->d;
  const int64_t rows = d->p.batch * d->rows;
  const float *packed = o.w;
  if (!o.packed) {
    CY_TRY(pack(plan, instance, o.w, scratch, NULL));
    packed = scratch;
  }
#pragma omp parallel for num_threads(d->threads) schedule(static, 1) if (d->threads > 1)
  for (int thread = 0; thread < d->threads; thread++)
    run_rows(s, o, packed, rows * thread / d->threads, rows * (thread + 1) / d->threads,
             (float *)((char *)scratch + s->packed_bytes + (size_t)thread * d->copy_bytes));
  return CY_OK;
}

const cy_convolution_method cy_convolution_direct_y = {.create = create,
                                                       .free = cy_direct_free,
                                                       .name = cy_direct_name,
                                                       .scratch = scratch_bytes,
                                                       .run = run,
                                                       .packed_bytes = packed_bytes,
                                                       .pack = pack,
                                                       .packs = ", w kept",
                                                       .relu = true};
