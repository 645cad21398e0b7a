/* Weight gradients of convolutions of images with few channels: what networks begin with. With channels innermost, what a
 * window sees of one row of x is contiguous, and the next window begins a fixed step further. So the windows of a row of y
 * are the rows of a matrix without being copied, one matrix for each row of the kernel, and W += windows' y[row] is a product
 * for the tiles of gemm_kernel.c. Only where windows hang over the ends of a row is x copied, an image at a time, with zeros
 * there. f32, one group, one or two spatial axes. The sums are cut at the same images whatever the threads. */
#include "backend/cpu/convolution.h"

#include "backend/cpu/gemm_kernel.h"
#include "backend/cpu/workspace.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

/* Measured on an AMD EPYC (Zen 5, AVX-512), one thread, batch 64, GFLOP/s: 3 -> 32, 3x3 stride 2, 64x64: 106, oneDNN 2.6.3 in
 * its own formats 120, with channels innermost 72. 3 -> 64, 3x3, 32x32: 142, 100, 70. */
enum { FEW_CHANNELS = 4, FEW_IN_SEQUENCES = 16, LEAST_SEGMENT = 8, LEAST_COLUMNS = 16, PARTS = 16 /* of the sum */ };
enum { PAIR = 1 /* log2 of the vectors in a tile's row */ };

/* x and y as [image, row, column, channel]: a sequence is an image of one row. */
typedef struct strips {
  cy_convolution_problem p;
  int threads, parts;
  const cy_gemm_kernels *kernels;
  int64_t height, width, rows, columns;   /* of x; of y */
  int64_t kernel_rows, kernel_columns, row_stride, column_stride, row_dilation, top, left;
  int64_t x_row, x_column, y_row, y_column, w_row, w_column; /* steps in memory, elements */
  int64_t segment, step;                  /* what a window sees of a row, elements; from window to window */
  int64_t strip;                          /* elements of a row of x with its ends */
  bool copies;                            /* x, for its ends, */
  bool turns;                             /* or because channels are not innermost: sequences only */
  int64_t panel, panels;                  /* filters in a tile's row; how many such */
  size_t sums_bytes, copy_bytes;          /* of a part; of a thread */
} strips;

/* ---- planning ---- */

static void take_axes(strips *s) {
  const cy_convolution_problem *p = &s->p;
  const int c = p->space - 1;
  s->width = p->size[c], s->columns = p->extent[c], s->kernel_columns = p->kernel[c];
  s->column_stride = p->stride[c], s->left = p->low[c];
  s->x_column = p->x_stride[2 + c], s->y_column = p->y_stride[2 + c], s->w_column = p->w_stride[2 + c];
  s->height = s->rows = s->kernel_rows = s->row_stride = s->row_dilation = 1;
  if (p->space == 1) return;
  s->height = p->size[0], s->rows = p->extent[0], s->kernel_rows = p->kernel[0];
  s->row_stride = p->stride[0], s->row_dilation = p->dilation[0], s->top = p->low[0];
  s->x_row = p->x_stride[2], s->y_row = p->y_stride[2], s->w_row = p->w_stride[2];
}

static bool applies(const cy_convolution_problem *p) {
  if (p->role != CY_CONVOLUTION_W || p->dtype != CY_F32 || p->groups != 1 || p->space > 2 || p->bias)
    return false;
  const bool innermost = (p->channels == 1 || p->x_stride[1] == 1) && p->x_stride[1 + p->space] == p->channels;
  if (p->dilation[p->space - 1] != 1 || p->y_stride[1] != 1 || p->batch == 0 || p->filters == 0) return false;
  if (!innermost && p->space > 1) return false;
  if (p->low[p->space - 1] < 0 || p->low[p->space - 1] >= p->kernel[p->space - 1]) return false;
  for (int i = 0; i < p->space; i++)
    if (p->extent[i] == 0 || p->kernel[i] == 0 || p->size[i] == 0) return false;
  return p->channels > 0 && p->channels <= (p->space == 1 ? FEW_IN_SEQUENCES : FEW_CHANNELS) &&
         p->extent[p->space - 1] >= LEAST_COLUMNS &&
         p->kernel[p->space - 1] * p->channels >= LEAST_SEGMENT;
}

static cy_status create(const cy_convolution_problem *problem, int threads, void **plan) {
  *plan = NULL;
  if (!applies(problem)) return CY_OK;
  strips *s = cy_calloc(1, sizeof *s);
  if (!s) return cy_no_memory();
  s->p = *problem;
  s->threads = threads < 1 ? 1 : threads;
  s->parts = (int)(problem->batch < PARTS ? problem->batch : PARTS);
  s->kernels = cy_gemm_kernels_of(CY_F32);
  take_axes(s);
  s->step = s->column_stride * problem->channels;
  s->segment = s->kernel_columns * problem->channels;
  const int64_t reach = (s->columns - 1) * s->column_stride + s->kernel_columns;
  s->strip = reach * problem->channels;
  s->turns = (problem->channels > 1 && problem->x_stride[1] != 1) || s->x_column != problem->channels;
  s->copies = s->left > 0 || reach > s->width || s->turns;
  s->copy_bytes = s->copies ? cy_aligned((size_t)(s->height * s->strip) * sizeof(float)) : 0;
  s->panel = (int64_t)s->kernels->lanes << PAIR;
  s->panels = (problem->filters - 1) / s->panel + 1;
  s->sums_bytes = cy_aligned((size_t)(s->kernel_rows * s->segment * s->panels * s->panel) * sizeof(float));
  *plan = s;
  return CY_OK;
}

static void destroy(void *plan) { cy_free(plan); }

static const char *name(const void *plan) {
  (void)plan;
  return "strips";
}

/* The parts' sums, then a copy of an image for each thread. */
static size_t scratch_bytes(const void *plan) {
  const strips *s = plan;
  return s->sums_bytes * (size_t)s->parts + (size_t)s->threads * s->copy_bytes;
}

/* ---- operands ---- */

/* An image whose rows can be read beyond their ends. */
typedef struct image {
  const float *at;
  int64_t row;
} image;

static image image_of(const strips *s, const float *x, float *copy) {
  const int64_t channels = s->p.channels, left = s->left * channels;
  const int64_t inside = s->strip - left < s->width * channels ? s->strip - left : s->width * channels;
  if (!s->copies) return (image){x, s->x_row};
  for (int64_t i = 0; i < s->height; i++) {
    float *to = copy + i * s->strip;
    memset(to, 0, (size_t)left * sizeof *to);
    if (s->turns) cy_convolution_turn(x, inside / channels, channels, s->p.x_stride, to + left);
    else memcpy(to + left, x + i * s->x_row, (size_t)inside * sizeof *to);
    memset(to + left + inside, 0, (size_t)(s->strip - left - inside) * sizeof *to);
  }
  return (image){copy, s->strip};
}

/* Sums by panels of filters: (panel, kernel row, place in the segment, filter). */
static float *sums_at(const strips *s, float *sums, int64_t panel, int64_t i) {
  return sums + (panel * s->kernel_rows + i) * s->segment * s->panel;
}

static void store_weights(const strips *s, float *sums, float *w) {
  const int64_t *stride = s->p.w_stride, channels = s->p.channels;
  for (int64_t f = 0; f < s->p.filters; f++)
    for (int64_t i = 0; i < s->kernel_rows; i++)
      for (int64_t k = 0; k < s->segment; k++)
        w[f * stride[0] + k % channels * stride[1] + i * s->w_row + k / channels * s->w_column] =
            sums_at(s, sums, f / s->panel, i)[k * s->panel + f % s->panel];
}

/* ---- running ---- */

/* n rows of a panel's sums, in tiles as equal as can be; the panel may hold fewer filters than there is room for. */
static void run_tiles(const strips *s, cy_tile tile, int64_t panel, int64_t n) {
  const int64_t lanes = s->kernels->lanes, rest = s->p.filters - panel * s->panel;
  const int width = rest > lanes ? PAIR : 0;
  const int64_t used = rest < lanes << width ? rest : lanes << width, most = s->kernels->rows[width];
  const int64_t tiles = (n + most - 1) / most;
  const float *a = tile.a;
  float *c = tile.c;
  tile.last = (int)(used - (width ? lanes : 0));
  for (int64_t i = 0, first = 0; i < tiles; i++) {
    const int64_t end = n * (i + 1) / tiles;
    tile.a = a + first * tile.a_row;
    tile.c = c + first * tile.c_row;
    s->kernels->tile[width][end - first - 1](&tile);
    first = end;
  }
}

static void add_row(const strips *s, const image *x, int64_t r, const float *y, float *sums) {
  for (int64_t panel = 0; panel < s->panels; panel++) {
    cy_tile tile = {.k = s->columns, .a_row = 1, .a_step = s->step, .b = y + panel * s->panel, .b_step = s->y_column,
                    .c_row = s->panel, .add = true, .scale = 1};
    for (int64_t i = 0; i < s->kernel_rows; i++) {
      const int64_t row = r * s->row_stride - s->top + i * s->row_dilation;
      if (row < 0 || row >= s->height) continue;
      tile.a = x->at + row * x->row;
      tile.c = sums_at(s, sums, panel, i);
      run_tiles(s, tile, panel, s->segment);
    }
  }
}

static void run_part(const strips *s, cy_convolution_operands o, int part, float *sums, float *copy) {
  memset(sums, 0, s->sums_bytes);
  for (int64_t n = s->p.batch * part / s->parts; n < s->p.batch * (part + 1) / s->parts; n++) {
    const image x = image_of(s, (const float *)o.x + n * s->p.x_stride[0], copy);
    const float *y = (const float *)o.y + n * s->p.y_stride[0];
    for (int64_t r = 0; r < s->rows; r++) add_row(s, &x, r, y + r * s->y_row, sums);
  }
}

static cy_status run(const void *plan, void *instance, cy_convolution_operands o, void *scratch) {
  (void)instance;
  const strips *s = plan;
  char *copies = (char *)scratch + s->sums_bytes * (size_t)s->parts;
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
  for (int thread = 0; thread < s->threads; thread++)
    for (int part = thread; part < s->parts; part += s->threads)
      run_part(s, o, part, (float *)((char *)scratch + (size_t)part * s->sums_bytes),
               (float *)(copies + (size_t)thread * s->copy_bytes));
  float *total = scratch;
  for (int part = 1; part < s->parts; part++) {
    const float *sums = (const float *)((char *)scratch + (size_t)part * s->sums_bytes);
    for (size_t i = 0; i < s->sums_bytes / sizeof *sums; i++) total[i] += sums[i];
  }
  store_weights(s, total, o.w);
  return CY_OK;
}

const cy_convolution_method cy_convolution_strips = {
    .create = create, .free = destroy, .name = name, .scratch = scratch_bytes, .run = run};
