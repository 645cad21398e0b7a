/* Convolutions of sequences, role y, as products without columns: with channels innermost, what a window sees is
 * contiguous, and the next window begins a fixed step further, so that the windows of a sequence are the rows of a
 * matrix as they lie. Sequences that lie otherwise, or have ends to be padded, are copied one at a time, into the
 * cache. Bias and relu are done while the rows are still there. f32, one group, no dilation. The same bits whatever
 * the threads. */
#include "backend/cpu/convolution.h"

#include "backend/cpu/gemm_kernel.h"
#include "backend/cpu/workspace.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

/* Measured on an AMD EPYC (Zen 5, AVX-512), batch 32, windows of 5, stride 2: the coursework's classifier of
 * sequences (10 -> 32 -> 32 channels, 168 places) trains as fast as with oneDNN's convolutions on one thread, and 13
 * % faster on two: there is one parallel region, and no operand is converted before it. Longer windows are left to
 * oneDNN. */
enum { LONGEST_WINDOW = 512, PAIR = 1 /* log2 of the vectors in a tile's row */ };

typedef struct sequence {
  cy_convolution_problem p;
  int threads;
  const cy_gemm_kernels *kernels;
  int64_t window, step;        /* what a place of y sees of x, elements; from place to place */
  int64_t low, inside, padded; /* places: in front of x; of x that are seen; in all */
  bool copies;                 /* x */
  int64_t panel, panels;       /* filters in a tile's row; how many such */
  size_t packed_bytes, copy_bytes;
} sequence;

static bool applies(const cy_convolution_problem *p) {
  return p->role == CY_CONVOLUTION_Y && p->dtype == CY_F32 && p->groups == 1 && p->space == 1 && p->dilation[0] == 1 &&
         (p->filters == 1 || p->y_stride[1] == 1) && p->batch > 0 && p->filters > 0 && p->channels > 0 &&
         p->extent[0] > 0 && p->size[0] > 0 && p->kernel[0] > 0 && p->low[0] >= 0 && p->low[0] < p->kernel[0] &&
         p->kernel[0] * p->channels <= LONGEST_WINDOW;
}

static cy_status create(const cy_convolution_problem *problem, int threads, void **plan) {
  *plan = NULL;
  if (!applies(problem)) return CY_OK;
  sequence *s = cy_calloc(1, sizeof *s);
  if (!s) return cy_no_memory();
  const int64_t channels = problem->channels;
  s->p = *problem;
  s->threads = threads < 1 ? 1 : threads;
  s->kernels = cy_gemm_kernels_of(CY_F32);
  s->window = problem->kernel[0] * channels;
  s->step = problem->stride[0] * channels;
  s->low = problem->low[0];
  s->padded = (problem->extent[0] - 1) * problem->stride[0] + problem->kernel[0];
  s->inside = s->padded - s->low < problem->size[0] ? s->padded - s->low : problem->size[0];
  s->copies = s->low > 0 || s->low + s->inside < s->padded || (channels > 1 && problem->x_stride[1] != 1) ||
              problem->x_stride[2] != channels;
  s->panel = (int64_t)s->kernels->lanes << PAIR;
  s->panels = (problem->filters - 1) / s->panel + 1;
  s->packed_bytes = cy_aligned((size_t)(s->panels * s->panel * s->window) * sizeof(float));
  s->copy_bytes = s->copies ? cy_aligned((size_t)(s->padded * channels) * sizeof(float)) : 0;
  *plan = s;
  return CY_OK;
}

static void destroy(void *plan) { cy_free(plan); }

static const char *name(const void *plan) {
  (void)plan;
  return "sequence";
}

static size_t packed_bytes(const void *plan) { return ((const sequence *)plan)->packed_bytes; }

/* The weights, then a copy of a sequence for each thread. */
static size_t scratch_bytes(const void *plan) {
  const sequence *s = plan;
  return s->packed_bytes + (size_t)s->threads * s->copy_bytes;
}

void cy_convolution_turn(const float *x, int64_t places, int64_t channels, const int64_t stride[3], float *turned) {
  for (int64_t c = 0; c < channels; c++)
    for (int64_t i = 0; i < places; i++) turned[i * channels + c] = x[c * stride[1] + i * stride[2]];
}

/* Panel after panel of filters: (place in the window, filter). */
static cy_status pack(const void *plan, void *instance, const void *w, void *packed, void *scratch) {
  const sequence *s = plan;
  const int64_t *stride = s->p.w_stride, channels = s->p.channels;
  (void)instance, (void)scratch;
  for (int64_t f = 0; f < s->p.filters; f++) {
    float *to = (float *)packed + f / s->panel * s->panel * s->window + f % s->panel;
    for (int64_t k = 0; k < s->p.kernel[0]; k++)
      for (int64_t c = 0; c < channels; c++)
        to[(k * channels + c) * s->panel] = ((const float *)w)[f * stride[0] + c * stride[1] + k * stride[2]];
  }
  return CY_OK;
}

static const float *places_of(const sequence *s, const float *x, float *copy) {
  const int64_t channels = s->p.channels, *stride = s->p.x_stride;
  if (!s->copies) return x;
  memset(copy, 0, (size_t)(s->low * channels) * sizeof *copy);
  float *inside = copy + s->low * channels, *end = inside + s->inside * channels;
  cy_convolution_turn(x, s->inside, channels, stride, inside);
  memset(end, 0, (size_t)((s->padded - s->low - s->inside) * channels) * sizeof *copy);
  return copy;
}

static void begin_rows(const sequence *s, const float *bias, float *y, int64_t rows, int64_t used) {
  for (int64_t i = 0; i < rows; i++) memcpy(y + i * s->p.y_stride[2], bias, (size_t)used * sizeof *y);
}

static void end_rows(const sequence *s, float *y, int64_t rows, int64_t used) {
  for (int64_t i = 0; i < rows; i++)
    for (float *v = y + i * s->p.y_stride[2], *end = v + used; v < end; v++) *v = 0 > *v ? 0 : *v;
}

/* A panel of filters at all places, in tiles as equal as can be. */
static void run_panel(const sequence *s, const float *x, const float *packed, int64_t panel, const float *bias,
                      float *y) {
  const int64_t lanes = s->kernels->lanes, first = panel * s->panel, rest = s->p.filters - first, n = s->p.extent[0];
  const int width = rest > lanes ? PAIR : 0;
  const int64_t used = rest < lanes << width ? rest : lanes << width, most = s->kernels->rows[width];
  const int64_t tiles = (n + most - 1) / most;
  cy_tile tile = {.k = s->window, .a_row = s->step, .a_step = 1, .b = packed + first * s->window, .b_step = s->panel,
                  .c_row = s->p.y_stride[2], .last = (int)(used - (width ? lanes : 0)), .add = bias != NULL,
                  .scale = 1};
  for (int64_t t = 0, from = 0; t < tiles; t++) {
    const int64_t end = n * (t + 1) / tiles;
    float *rows = y + from * s->p.y_stride[2] + first;
    if (bias) begin_rows(s, bias + first, rows, end - from, used);
    tile.a = x + from * s->step;
    tile.c = rows;
    s->kernels->tile[width][end - from - 1](&tile);
    if (s->p.relu) end_rows(s, rows, end - from, used);
    from = end;
  }
}

static cy_status run(const void *plan, void *instance, cy_convolution_operands o, void *scratch) {
  const sequence *s = plan;
  const float *packed = o.w;
  if (!o.packed) {
    CY_TRY(pack(plan, instance, o.w, scratch, NULL));
    packed = scratch;
  }
#pragma omp parallel for num_threads(s->threads) schedule(static, 1) if (s->threads > 1)
  for (int thread = 0; thread < s->threads; thread++) {
    float *copy = (float *)((char *)scratch + s->packed_bytes + (size_t)thread * s->copy_bytes);
    for (int64_t n = s->p.batch * thread / s->threads; n < s->p.batch * (thread + 1) / s->threads; n++) {
      const float *x = places_of(s, (const float *)o.x + n * s->p.x_stride[0], copy);
      for (int64_t panel = 0; panel < s->panels; panel++)
        run_panel(s, x, packed, panel, o.bias, (float *)o.y + n * s->p.y_stride[0]);
    }
  }
  return CY_OK;
}

const cy_convolution_method cy_convolution_sequence = {
    .create = create, .free = destroy, .name = name, .scratch = scratch_bytes, .run = run, .packed_bytes = packed_bytes,
    .pack = pack, .packs = ", w kept", .relu = true};
