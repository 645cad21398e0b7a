/* Convolutions of stride 1 by Winograd's methods F(4x4, 3x3) and F(2x2, 5x5): a quarter and about a third of the
 * multiplications, for a rounding error several times that of the direct sum. What is not finite spreads further than
 * in the direct sum: to the tiles that it is seen from, as NaN. Roles y and x are one algorithm (x is y's with the
 * kernel turned round and its sides exchanged): the weights are transformed, then every thread takes blocks of tiles
 * that fit its second-level cache: patches to points, 36 products of matrices, points to pixels. Role w is their
 * transpose: 36 products that sum over all tiles. */
#include "backend/cpu/convolution.h"

#include "backend/cpu/gemm_kernel.h"
#include "backend/cpu/processor.h"
#include "backend/cpu/winograd_kernel.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum { POINTS = CY_WINOGRAD_POINTS, PATCH = CY_WINOGRAD_PATCH };
enum { BLOCK_BYTES = 640 * 1024, LARGE_BLOCK_BYTES = 2048 * 1024 };

/* One side of the convolution: an image's extents, strides (batch, channel, rows, columns) and channels. */
typedef struct side {
  int64_t extent[2], stride[4], channels;
} side;

typedef struct winograd {
  const cy_winograd_kernels *kernels;
  const cy_gemm_kernels *products;
  cy_winograd_method method;
  int64_t kernel, tile; /* extents */
  cy_convolution_role role;
  bool relu;
  int threads;
  side from, to;     /* patches are read from `from`; tiles of `to` are written, or, role w, read */
  int64_t before[2]; /* padding before the first patch: low, or, role x, kernel - 1 - low */
  int64_t batch, tiles[2], all_tiles;
  int64_t lane, sum, row, column, first; /* strides of the weights along `to`'s and `from`'s channels and the kernel */
  int64_t block;                         /* tiles that go together */
} winograd;

/* ---- whether and how ---- */

static bool choose_kernels(winograd *w) {
#if defined(__x86_64__)
  const cy_vectors vectors = cy_processor_vectors();
  w->kernels = vectors == CY_VECTORS_AVX512 ? &cy_winograd_kernels_avx512 : &cy_winograd_kernels_avx2;
  w->products = vectors == CY_VECTORS_AVX512 ? &cy_gemm_kernels_f32_avx512 : &cy_gemm_kernels_f32_avx2;
  return vectors != CY_VECTORS_BASELINE;
#else
  (void)w;
  return false;
#endif
}

static bool applies(const cy_convolution_problem *p) {
  if (p->dtype != CY_F32 || p->space != 2 || p->groups != 1 || p->batch < 1) return false;
  for (int i = 0; i < 2; i++)
    if (p->kernel[i] != p->kernel[0] || p->stride[i] != 1 || p->dilation[i] != 1 || p->size[i] < 1 || p->extent[i] < 1)
      return false;
  return (p->kernel[0] == 3 || p->kernel[0] == 5) && p->x_stride[1] == 1 && p->y_stride[1] == 1 &&
         !(p->role == CY_CONVOLUTION_W && p->bias);
}

/* Does the method pay? Not where tiles overlap the image's border too much (less so in role x, where oneDNN skips the
 * padding: 64 images of 3x3, 128 -> 256 channels, took it 0.6 of our time), nor where the weights' transform, or
 * reading four times as many transformed weights, would cost more than it saves. */
static bool pays(const winograd *w, bool still) {
  const double useful =
      (double)(w->to.extent[0] * w->to.extent[1]) / (double)(w->tile * w->tile * w->tiles[0] * w->tiles[1]);
  return w->from.channels >= 32 && w->to.channels >= 32 && useful >= (w->role == CY_CONVOLUTION_X ? 0.6 : 0.5) &&
         w->all_tiles >= (still ? 4 : 16);
}

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

static side side_of(const int64_t *extent, const int64_t *stride, int64_t channels) {
  side s = {.extent = {extent[0], extent[1]}, .channels = channels};
  memcpy(s.stride, stride, sizeof s.stride);
  return s;
}

static void arrange(winograd *w, const cy_convolution_problem *p) {
  const side x = side_of(p->size, p->x_stride, p->channels), y = side_of(p->extent, p->y_stride, p->filters);
  const bool back = p->role == CY_CONVOLUTION_X;
  w->role = p->role;
  w->method = p->kernel[0] == 3 ? CY_WINOGRAD_4_3 : CY_WINOGRAD_2_5;
  w->kernel = p->kernel[0];
  w->tile = PATCH + 1 - w->kernel;
  w->relu = p->relu;
  w->batch = p->batch;
  w->from = back ? y : x;
  w->to = back ? x : y;
  for (int i = 0; i < 2; i++) {
    w->before[i] = back ? w->kernel - 1 - p->low[i] : p->low[i];
    w->tiles[i] = ceil_div(w->to.extent[i], w->tile);
  }
  w->all_tiles = p->batch * w->tiles[0] * w->tiles[1];
  w->lane = p->w_stride[back ? 1 : 0];
  w->sum = p->w_stride[back ? 0 : 1];
  w->row = back ? -p->w_stride[2] : p->w_stride[2];
  w->column = back ? -p->w_stride[3] : p->w_stride[3];
  w->first = back ? (w->kernel - 1) * (p->w_stride[2] + p->w_stride[3]) : 0; /* turned round */
}

/* Blocks of whole rows of product tiles that fit the cache, as many for each thread; larger ones where the weights come
 * from farther away, since every block reads them all. */
static void choose_block(winograd *w) {
  const int64_t bytes = POINTS * (w->from.channels + w->to.channels) * (int64_t)sizeof(float);
  const int64_t rows = w->products->rows[1];
  const int64_t weights = POINTS * w->from.channels * w->to.channels * (int64_t)sizeof(float);
  if (w->role == CY_CONVOLUTION_W) {
    w->block = min64(w->all_tiles, max64((weights > 1 << 20 ? LARGE_BLOCK_BYTES : BLOCK_BYTES) / bytes, 32));
    return;
  }
  const int64_t least = weights > 12 << 20 ? 5 : weights > 3 << 20 ? 2 : 1;
  const int64_t fitting = max64(BLOCK_BYTES / bytes / rows, least) * rows;
  const int64_t blocks = ceil_div(ceil_div(w->all_tiles, fitting), w->threads) * w->threads;
  w->block = ceil_div(w->all_tiles, blocks);
}

/* Takes f32 images with channels innermost, as many as fill vectors. */
static cy_status create(const cy_convolution_problem *problem, int threads, void **plan) {
  *plan = NULL;
  if (!applies(problem)) return CY_OK;
  winograd w = {.threads = threads};
  arrange(&w, problem);
  const bool vectors =
      choose_kernels(&w) && w.from.channels % w.kernels->lanes == 0 && w.to.channels % w.kernels->lanes == 0;
  if (!vectors || !pays(&w, problem->still)) return CY_OK;
  choose_block(&w);
  winograd *kept = *plan = cy_calloc(1, sizeof *kept);
  if (!kept) return cy_no_memory();
  *kept = w;
  return CY_OK;
}

static const char *name(const void *plan) { return ((const winograd *)plan)->kernels->name; }

/* Between the matrices of two points of the weights: not a power of two, so that the points of one weight do not all
 * fall into one set of the caches. */
static int64_t weights_step(const winograd *w) {
  return w->from.channels * w->to.channels + 64 / (int64_t)sizeof(float);
}

static size_t weights_bytes(const winograd *w) { return (size_t)weights_step(w) * POINTS * sizeof(float); }

static size_t block_bytes(const winograd *w) {
  return (size_t)w->block * (size_t)(w->from.channels + w->to.channels) * POINTS * sizeof(float);
}

static size_t packed_bytes(const void *plan) {
  const winograd *w = plan;
  return w->role == CY_CONVOLUTION_W ? 0 : weights_bytes(w);
}

static size_t scratch_bytes(const void *plan) {
  const winograd *w = plan;
  return weights_bytes(w) + block_bytes(w) * (size_t)(w->role == CY_CONVOLUTION_W ? 1 : w->threads);
}

/* ---- panels: columns of a matrix, a few vectors wide, that lie together ---- */

static int64_t panel_width(const winograd *w, int64_t first, int64_t columns) {
  return min64(2 * w->kernels->lanes, columns - first);
}

/* The product of one point: c[i, j] (+)= sum over p of a[i a_row + p a_step] b[p, j], b in panels of its own. */
typedef struct product {
  int64_t rows, columns, k;
  const float *a;
  int64_t a_row, a_step;
  const float *b;
  float *c;
  bool add;
} product;

static void multiply(const winograd *w, const product *m) {
  for (int64_t j = 0; j < m->columns; j += panel_width(w, j, m->columns)) {
    const int64_t width = panel_width(w, j, m->columns);
    const int wide = width > w->kernels->lanes;
    const int64_t tiles = ceil_div(m->rows, w->products->rows[wide]);
    for (int64_t t = 0, i = 0; t < tiles; t++) {
      const int64_t end = m->rows * (t + 1) / tiles;
      const cy_tile tile = {.k = m->k,
                            .a = m->a + i * m->a_row,
                            .a_row = m->a_row,
                            .a_step = m->a_step,
                            .b = m->b + j * m->k,
                            .b_step = width,
                            .c = m->c + i * m->columns + j,
                            .c_row = m->columns,
                            .last = w->kernels->lanes,
                            .add = m->add,
                            .scale = 1};
      w->products->tile[wide][end - i - 1](&tile);
      i = end;
    }
  }
}

/* ---- patches ---- */

/* The pixels of extent `reach` from `start` on that an image axis of this extent has. */
static void clip(int64_t start, int64_t extent, int64_t reach, int *first, int *end) {
  *first = (int)min64(max64(-start, 0), reach);
  *end = (int)max64(min64(extent - start, reach), *first);
}

static cy_winograd_patch patch_at(const winograd *w, const side *s, const float *image, int64_t tile, bool of_to) {
  const int64_t n = tile / (w->tiles[0] * w->tiles[1]), in_image = tile % (w->tiles[0] * w->tiles[1]);
  const int64_t y = in_image / w->tiles[1] * w->tile - (of_to ? 0 : w->before[0]);
  const int64_t x = in_image % w->tiles[1] * w->tile - (of_to ? 0 : w->before[1]);
  cy_winograd_patch p = {.row = s->stride[2], .column = s->stride[3], .channels = s->channels};
  p.image = (float *)(uintptr_t)image + n * s->stride[0] + y * s->stride[2] + x * s->stride[3];
  clip(y, s->extent[0], of_to ? w->tile : PATCH, &p.first_row, &p.end_row);
  clip(x, s->extent[1], of_to ? w->tile : PATCH, &p.first_column, &p.end_column);
  return p;
}

/* ---- roles y and x ---- */

static void transform_weights(const winograd *w, const void *weights, void *packed) {
  const int64_t lanes = w->kernels->lanes, step = weights_step(w);
#pragma omp parallel for num_threads(w->threads) schedule(static)
  for (int64_t vector = 0; vector < w->to.channels / lanes; vector++) {
    const int64_t n = vector * lanes, panel = n / (2 * lanes) * (2 * lanes),
                  width = panel_width(w, panel, w->to.channels);
    for (int64_t k = 0; k < w->from.channels; k++)
      w->kernels->weights[w->method](
          &(cy_winograd_weights){.plain = (float *)(uintptr_t)weights + w->first + n * w->lane + k * w->sum,
                                 .lane = w->lane,
                                 .row = w->row,
                                 .column = w->column,
                                 .transformed = (float *)packed + panel * w->from.channels + k * width + (n - panel),
                                 .step = step});
  }
}

static void run_block(const winograd *w, int64_t first, int64_t end, const cy_convolution_operands *o,
                      const float *weights, float *points) {
  const bool back = w->role == CY_CONVOLUTION_X;
  const float *from = back ? o->y : o->x;
  float *to = back ? o->x : o->y;
  const int64_t rows = end - first;
  float *results = points + POINTS * rows * w->from.channels;
  for (int64_t t = first; t < end; t++) {
    cy_winograd_patch p = patch_at(w, &w->from, from, t, false);
    p.transformed = points + (t - first) * w->from.channels;
    p.step = rows * w->from.channels;
    w->kernels->input(&p);
  }
  for (int64_t i = 0; i < POINTS; i++)
    multiply(w, &(product){.rows = rows,
                           .columns = w->to.channels,
                           .k = w->from.channels,
                           .a = points + i * rows * w->from.channels,
                           .a_row = w->from.channels,
                           .a_step = 1,
                           .b = weights + i * weights_step(w),
                           .c = results + i * rows * w->to.channels});
  for (int64_t t = first; t < end; t++) {
    cy_winograd_patch p = patch_at(w, &w->to, to, t, true);
    p.transformed = results + (t - first) * w->to.channels;
    p.step = rows * w->to.channels;
    p.bias = o->bias;
    p.relu = w->relu;
    w->kernels->scatter[w->method](&p);
  }
}

static void run_image(const winograd *w, const cy_convolution_operands *o, char *scratch) {
  const size_t packed = weights_bytes(w), part = block_bytes(w);
  const int64_t blocks = ceil_div(w->all_tiles, w->block);
  const float *weights = o->w;
  if (!o->packed) {
    transform_weights(w, o->w, scratch);
    weights = (const float *)(const void *)scratch;
  }
#pragma omp parallel for num_threads(w->threads) schedule(static)
  for (int thread = 0; thread < w->threads; thread++)
    for (int64_t b = blocks * thread / w->threads; b < blocks * (thread + 1) / w->threads; b++)
      run_block(w, b * w->block, min64((b + 1) * w->block, w->all_tiles), o, weights,
                (float *)(void *)(scratch + packed + (size_t)thread * part));
}

/* ---- role w ---- */

/* The points of a tile of `to`, in panels of `rows` tiles. */
static void transform_cotangent(const winograd *w, const float *to, int64_t tile, int64_t place, int64_t rows,
                                float *points) {
  cy_winograd_patch p = patch_at(w, &w->to, to, tile, true);
  p.step = rows * w->to.channels;
  for (int64_t j = 0; j < w->to.channels; j += p.channels, p.image += p.channels) {
    p.channels = panel_width(w, j, w->to.channels);
    p.transformed = points + j * rows + place * p.channels;
    w->kernels->cotangent[w->method](&p);
  }
}

/* Points of a block of tiles, then their products added up point by point. */
static void run_gradient_block(const winograd *w, int64_t first, int64_t end, const cy_convolution_operands *o,
                               float *sums, float *points) {
  const int64_t rows = end - first;
  float *cotangents = points + POINTS * rows * w->from.channels;
#pragma omp parallel num_threads(w->threads)
  {
#pragma omp for schedule(static)
    for (int64_t t = first; t < end; t++) {
      cy_winograd_patch p = patch_at(w, &w->from, o->x, t, false);
      p.transformed = points + (t - first) * w->from.channels;
      p.step = rows * w->from.channels;
      w->kernels->input(&p);
      transform_cotangent(w, o->y, t, t - first, rows, cotangents);
    }
#pragma omp for schedule(static)
    for (int64_t i = 0; i < POINTS; i++)
      multiply(w, &(product){.rows = w->from.channels,
                             .columns = w->to.channels,
                             .k = rows,
                             .a = points + i * rows * w->from.channels,
                             .a_row = 1,
                             .a_step = w->from.channels,
                             .b = cotangents + i * rows * w->to.channels,
                             .c = sums + i * weights_step(w),
                             .add = first > 0});
  }
}

static void run_gradient(const winograd *w, const cy_convolution_operands *o, char *scratch) {
  const int64_t lanes = w->kernels->lanes, step = weights_step(w);
  float *sums = (float *)(void *)scratch, *points = sums + POINTS * step;
  for (int64_t t = 0; t < w->all_tiles; t += w->block)
    run_gradient_block(w, t, min64(t + w->block, w->all_tiles), o, sums, points);
#pragma omp parallel for num_threads(w->threads) schedule(static)
  for (int64_t c = 0; c < w->from.channels; c++)
    for (int64_t n = 0; n < w->to.channels; n += lanes)
      w->kernels->gradient[w->method](&(cy_winograd_weights){.plain = (float *)o->w + n * w->lane + c * w->sum,
                                                             .lane = w->lane,
                                                             .row = w->row,
                                                             .column = w->column,
                                                             .transformed = sums + c * w->to.channels + n,
                                                             .step = step});
}

/* ---- the method ---- */

static cy_status pack(const void *plan, void *instance, const void *w, void *packed, void *scratch) {
  (void)instance, (void)scratch;
  transform_weights(plan, w, packed);
  return CY_OK;
}

/* Allocates nothing. The same bits for every number of threads. */
static cy_status run(const void *plan, void *instance, cy_convolution_operands o, void *scratch) {
  const winograd *w = plan;
  (void)instance;
  if (w->role == CY_CONVOLUTION_W) run_gradient(w, &o, scratch);
  else run_image(w, &o, scratch);
  return CY_OK;
}

const cy_convolution_method cy_convolution_winograd = {.create = create,
                                                       .free = cy_free,
                                                       .name = name,
                                                       .scratch = scratch_bytes,
                                                       .run = run,
                                                       .packed_bytes = packed_bytes,
                                                       .pack = pack,
                                                       .packs = ", packs w once",
                                                       .relu = true};
