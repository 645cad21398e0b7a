/* Direct convolutions, role w: of images with few channels, what networks begin with, and of strided ones. What a place
 * of the kernel sees of an image, times y, is a product whose sum runs over the places of y, row after row; images are
 * taken in blocks that fit the cache. With few channels a row of the kernel is one such product, else each place of it.
 * The sums are cut at the same images whatever the threads. */
#include "backend/cpu/convolution_direct.h"

#include "backend/cpu/workspace.h"
#include "base/memory.h"

#include <string.h>

/* Measured on an AMD EPYC (Zen 5, AVX-512), one thread, batch 64, GFLOP/s of oneDNN 2.6.3 in blocked formats, with
 * channels innermost, and of this:
 *   3 ->  32, 3x3 stride 2, 64x64   120    72   134
 *   3 ->  64, 3x3, 32x32            104    70   142
 *  64 -> 128, 3x3 stride 2, 32x32   194   121   191
 *  64 -> 128, 1x1 stride 2, 32x32   147   116   146
 * 256 -> 512, 3x3 stride 2, 8x8     137   130   130   with few columns, sums are read and written too often */
enum { FEW_CHANNELS = 4, FEW_IN_SEQUENCES = 16, LEAST_SEGMENT = 8, LEAST_COLUMNS = 16 };
enum { PARTS = 16, PARTS_BYTES = 1 << 20 /* of all parts of the sums */, BLOCK_BYTES = 1 << 19 };

typedef struct direct_w {
  cy_direct d;
  bool joined;                     /* rows of the kernel are whole */
  int64_t groups;                  /* products of a row of the kernel: one, or one for each place */
  int64_t segment;                 /* what such a product's rows are, elements of x side by side */
  int64_t panels;                  /* of filters */
  int64_t block;                   /* images at a time */
  int parts;                       /* of the sum over images */
  size_t sums_bytes, copies_bytes; /* of a part; of a thread */
} direct_w;

/* Few channels: reading windows whole pays, and copying does not cost. */
static bool joins(const cy_convolution_problem *p) {
  const int c = p->space - 1;
  return p->channels <= (p->space == 1 ? FEW_IN_SEQUENCES : FEW_CHANNELS) && p->dilation[c] == 1 && p->low[c] >= 0 &&
         p->low[c] < p->kernel[c] && p->extent[c] >= LEAST_COLUMNS && p->kernel[c] * p->channels >= LEAST_SEGMENT;
}

static bool applies(const cy_convolution_problem *p) {
  if (!cy_direct_applies(p) || p->role != CY_CONVOLUTION_W || p->bias || p->y_stride[1] != 1) return false;
  if (joins(p)) return true;
  return cy_convolution_is_strided(p) && p->space == 2 && p->extent[1] >= LEAST_COLUMNS / 2 && p->x_stride[1] == 1 &&
         p->channels >= FEW_IN_SEQUENCES;
}

static cy_status create(const cy_convolution_problem *problem, int threads, void **plan) {
  *plan = NULL;
  if (!applies(problem)) return CY_OK;
  direct_w *s = cy_calloc(1, sizeof *s);
  if (!s) return cy_no_memory();
  cy_direct *d = &s->d;
  cy_direct_plan(d, problem, threads);
  s->joined = joins(problem);
  if (s->joined) cy_direct_join(d);
  s->groups = s->joined ? 1 : d->kernel_columns;
  s->segment = (s->joined ? d->kernel_columns : 1) * problem->channels;
  s->panels = cy_direct_panels(d, problem->filters);
  s->sums_bytes = cy_aligned((size_t)(d->kernel_rows * s->groups * s->segment * s->panels * d->panel) * sizeof(float));
  s->parts = s->sums_bytes > PARTS_BYTES / PARTS ? 1 : (int)(problem->batch < PARTS ? problem->batch : PARTS);
  const int64_t image = (d->height * d->width * problem->channels + d->rows * d->columns * problem->filters) * 4;
  const int64_t most = (problem->batch - 1) / s->parts + 1;
  s->block = BLOCK_BYTES / image < 1 ? 1 : BLOCK_BYTES / image > most ? most : BLOCK_BYTES / image;
  s->copies_bytes = (size_t)s->block * d->copy_bytes;
  *plan = s;
  return CY_OK;
}

/* The parts' sums, then copies of a block of images for each thread. */
static size_t scratch_bytes(const void *plan) {
  const direct_w *s = plan;
  return s->sums_bytes * (size_t)s->parts + (size_t)s->d.threads * s->copies_bytes;
}

/* Products in their order: (panel, kernel row, group); the sums of one are (place in the segment, filter). */
static int64_t products(const direct_w *s) { return s->panels * s->d.kernel_rows * s->groups; }

static void store_weights(const direct_w *s, const float *sums, float *w) {
  const cy_direct *d = &s->d;
  const int64_t *stride = d->p.w_stride, channels = d->p.channels, places = d->kernel_rows * d->kernel_columns;
  for (int64_t f = 0; f < d->p.filters; f++)
    for (int64_t k = 0; k < places * channels; k++)
      w[f * stride[0] + k % channels * stride[1] + k / channels / d->kernel_columns * d->w_row +
        k / channels % d->kernel_columns * d->w_column] =
          sums[(f / d->panel * places * channels + k) * d->panel + f % d->panel];
}

/* A product for one block of images. */
typedef struct block {
  const float *y;
  cy_direct_image x; /* the first */
  int64_t images, x_image;
} block;

static block block_of(const direct_w *s, cy_convolution_operands o, int64_t first, int64_t images, float *copies) {
  const cy_direct *d = &s->d;
  const float *x = (const float *)o.x + first * d->p.x_stride[0];
  const int64_t copy = (int64_t)(d->copy_bytes / sizeof(float));
  block b = {.y = (const float *)o.y + first * d->p.y_stride[0],
             .images = images,
             .x_image = d->copies ? copy : d->p.x_stride[0]};
  for (int64_t n = images - 1; n >= 0; n--) b.x = cy_direct_image_of(d, x + n * d->p.x_stride[0], copies + n * copy);
  return b;
}

static void add_product(const direct_w *s, const block *b, int64_t product, float *sums) {
  const cy_direct *d = &s->d;
  const int64_t panel = product / (d->kernel_rows * s->groups), i = product / s->groups % d->kernel_rows,
                j = product % s->groups, first = panel * d->panel;
  const cy_direct_span rows = cy_direct_rows(d, i),
                       columns = s->joined ? (cy_direct_span){0, d->columns} : cy_direct_columns(d, j);
  const int64_t k = columns.end - columns.first, step = d->column_stride * b->x.column;
  if (k == 0 || rows.first == rows.end) return;
  const int64_t at_row = rows.first * d->row_stride - d->top + i * d->row_dilation,
                at_column = s->joined ? 0 : columns.first * d->column_stride - d->left + j * d->column_dilation;
  cy_tile tile = {.k = k,
                  .more = rows.end - rows.first - 1,
                  .a = b->x.at + at_row * b->x.row + at_column * b->x.column,
                  .a_row = 1,
                  .a_step = step,
                  .a_jump = d->row_stride * b->x.row - k * step,
                  .b = b->y + rows.first * d->y_row + columns.first * d->y_column + first,
                  .b_step = d->y_column,
                  .b_jump = d->y_row - k * d->y_column,
                  .c = sums + product * s->segment * d->panel,
                  .c_row = d->panel,
                  .add = true,
                  .scale = 1};
  const int64_t used = cy_direct_used(d, d->p.filters, first);
  for (int64_t n = 0; n < b->images; n++) {
    cy_direct_tiles(d, tile, s->segment, used);
    tile.a = (const float *)tile.a + b->x_image;
    tile.b = (const float *)tile.b + d->p.y_stride[0];
  }
}

/* Products [first, end) for the images of a part. */
static void run_part(const direct_w *s, cy_convolution_operands o, int part, int64_t first, int64_t end, float *sums,
                     float *copies) {
  const int64_t size = s->segment * s->d.panel, last = s->d.p.batch * (part + 1) / s->parts;
  memset(sums + first * size, 0, (size_t)((end - first) * size) * sizeof *sums);
  for (int64_t n = s->d.p.batch * part / s->parts; n < last; n += s->block) {
    const block b = block_of(s, o, n, last - n < s->block ? last - n : s->block, copies);
    for (int64_t product = first; product < end; product++) add_product(s, &b, product, sums);
  }
}

/* Threads share the parts of the sum or, if it has only one, the products. */
static cy_status run(const void *plan, void *instance, cy_convolution_operands o, void *scratch) {
  (void)instance;
  const direct_w *s = plan;
  const int threads = s->d.threads;
  const int64_t n = products(s);
  float *total = scratch;
  const size_t part_floats = s->sums_bytes / sizeof *total;
  char *copies = (char *)scratch + s->sums_bytes * (size_t)s->parts;
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
  for (int thread = 0; thread < threads; thread++) {
    float *own = (float *)(copies + (size_t)thread * s->copies_bytes);
    if (s->parts == 1) run_part(s, o, 0, n * thread / threads, n * (thread + 1) / threads, total, own);
    else
      for (int part = thread; part < s->parts; part += threads)
        run_part(s, o, part, 0, n, total + (size_t)part * part_floats, own);
  }
  for (int part = 1; part < s->parts; part++)
    for (size_t i = 0; i < part_floats; i++) total[i] += total[(size_t)part * part_floats + i];
  store_weights(s, total, o.w);
  return CY_OK;
}

const cy_convolution_method cy_convolution_direct_w = {
    .create = create, .free = cy_direct_free, .name = cy_direct_name, .scratch = scratch_bytes, .run = run};
