/* Pooling: every element of the result is computed from the places that it sees, which are found once per element of
 * space and serve all channels. The transposes are computed from the other side too (which windows see this element of
 * x?), so threads never meet and every sum has one order. Where an index may point anywhere, or windows are large,
 * elements are read and added one by one instead, whole channels to a thread. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/pool_kernel.h"
#include "backend/cpu/processor.h"
#include "backend/cpu/workspace.h"
#include "ops/window.h"

#include <string.h>

enum { MOST_CHOICES = 16 };      /* places that are compared with an index; more: it is followed */
enum { SMALL = 1 << 13 };        /* elements that one thread does alone */
enum { FOLLOWED_CHANNELS = 16 }; /* of a task that follows an index */
enum { PLACE_BYTES = 2 * sizeof(int64_t) + sizeof(int32_t) }; /* in a thread's lists */

typedef enum pooling { SUM, SPREAD, ARGMAX, MAX, GATHER, SCATTER } pooling;

/* The places along one axis: first, first + step, ... */
typedef struct sequence {
  int64_t first, step, count;
} sequence;

/* Strides of [N, C, space], with space padded to three axes by leading ones of extent 1. */
typedef struct strides {
  int64_t image, channel, space[CY_MAX_SPACE];
} strides;

typedef struct plan {
  pooling kind;
  int threads;
  bool follows; /* the index, instead of looking for it among the places */
  cy_dtype dtype;
  int64_t batch, channels;
  int64_t extent[CY_MAX_SPACE]; /* of the side that the loops run over: the result; follows: the index */
  int64_t size[CY_MAX_SPACE];   /* of x */
  sequence *along[CY_MAX_SPACE];                    /* by coordinate: places on the other side */
  int64_t most;                                     /* places of one element */
  strides from, to, index;
  void (*line)(const cy_pool_line *line);
  const char *name;
} plan;

/* ---- planning ---- */

static const cy_pool_kernels *choose_kernels(void) {
  static const cy_pool_kernels *const kernels[] = {
      [CY_VECTORS_BASELINE] = &cy_pool_kernels_baseline,
#if defined(__x86_64__)
      [CY_VECTORS_AVX2] = &cy_pool_kernels_avx2, [CY_VECTORS_AVX512] = &cy_pool_kernels_avx512,
#endif
  };
  return kernels[cy_processor_vectors()];
}

static strides strides_of(const cy_view *v) {
  strides s = {.image = v->stride[0], .channel = v->stride[1]};
  const int space = v->shape.rank - 2;
  for (int i = 0; i < space; i++) s.space[CY_MAX_SPACE - space + i] = v->stride[2 + i];
  return s;
}

static void extents_of(cy_shape shape, int64_t extent[CY_MAX_SPACE]) {
  const int space = shape.rank - 2;
  for (int i = 0; i < CY_MAX_SPACE; i++)
    extent[i] = i < CY_MAX_SPACE - space ? 1 : shape.dim[i + 2 - (CY_MAX_SPACE - space)];
}

static int64_t divide_up(int64_t a, int64_t b) { return a > 0 ? (a - 1) / b + 1 : 0; } /* not below 0 */
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t common_divisor(int64_t a, int64_t b) { return b ? common_divisor(b, a % b) : a; }

/* Elements of x that the window at y sees; windows that see the element at x. Both are sequences: they advance by one
 * step with every tap, or every few. However large the kernel, only taps that can lie inside are looked at. */
static sequence seen(const cy_window_attrs *w, int i, int64_t y) {
  const int64_t dilation = w->dilation.at[i], start = cy_window_at(w, i, y, 0), end = w->size.at[i] - 1;
  const int64_t first = divide_up(-start, dilation);
  const int64_t last = end < start ? -1 : least((end - start) / dilation, w->kernel.at[i] - 1);
  if (last < first) return (sequence){0, dilation, 0};
  return (sequence){start + first * dilation, dilation, last - first + 1};
}

/* Taps t with t dilation = padded modulo the stride come at equal distances; the bounds keep y inside. */
static sequence seeing(const cy_window_attrs *w, int i, int64_t x) {
  const int64_t stride = w->stride.at[i], dilation = w->dilation.at[i], padded = x + w->low.at[i];
  const int64_t first = divide_up(padded - (cy_window_extent(w, i) * stride - 1), dilation);
  const int64_t last = least(padded / dilation, w->kernel.at[i] - 1), common = common_divisor(stride, dilation);
  const int64_t period = stride / common;
  if (last < first) return (sequence){0, 0, 0};
  int64_t t = dilation == 1 ? first + (padded - first) % stride : first;
  while (t <= last && t - first < period && (padded - t * dilation) % stride != 0) t++;
  if (t > last || t - first == period) return (sequence){0, 0, 0};
  return (sequence){(padded - t * dilation) / stride, -(dilation / common), (last - t) / period + 1};
}

static cy_status find_places(plan *p, const cy_window_attrs *w) {
  const int space = (int)w->size.n;
  p->most = 1;
  for (int a = 0; a < CY_MAX_SPACE; a++) {
    const int i = a - (CY_MAX_SPACE - space);
    int64_t most = i < 0;
    p->along[a] = cy_calloc((size_t)p->extent[a], sizeof *p->along[a]);
    if (!p->along[a]) return cy_no_memory();
    for (int64_t at = 0; at < p->extent[a]; at++) {
      p->along[a][at] = i < 0                                           ? (sequence){0, 0, 1}
                        : p->kind == SPREAD || p->kind == SCATTER ? seeing(w, i, at)
                                                                        : seen(w, i, at);
      if (p->along[a][at].count > most) most = p->along[a][at].count;
    }
    p->most *= most;
  }
  /* An image can be larger than memory where elements repeat; lists of its places cannot. */
  if (p->most > PTRDIFF_MAX / 2 / PLACE_BYTES / p->threads)
    return cy_fail(CY_NO_MEMORY, "windows of %lld elements are too large to list", (long long)p->most);
  return CY_OK;
}

static bool follows_index(pooling kind, const cy_window_attrs *w) {
  if (kind != GATHER && kind != SCATTER) return false;
  double places = w->kernel.n ? 1 : MOST_CHOICES + 1;
  for (int i = 0; i < w->kernel.n; i++) places *= (double)w->kernel.at[i];
  return places > MOST_CHOICES;
}

static pooling kind_of(const cy_op *op) {
  return op == &cy_op_window_sum      ? SUM
         : op == &cy_op_window_spread ? SPREAD
         : op == &cy_op_window_argmax ? ARGMAX
         : op == &cy_op_window_max    ? MAX
         : op == &cy_op_window_gather ? GATHER
                                      : SCATTER;
}

static void destroy(void *plan_) {
  plan *p = plan_;
  if (!p) return;
  for (int i = 0; i < CY_MAX_SPACE; i++) cy_free(p->along[i]);
  cy_free(p);
}

static cy_status create(const cy_instruction *instruction, int threads, void **out) {
  const cy_window_attrs *w = instruction->attrs;
  const cy_view *in = &instruction->in[0].layout, *result = &instruction->out[0].layout;
  *out = NULL;
  plan *p = cy_calloc(1, sizeof *p);
  if (!p) return cy_no_memory();
  p->kind = kind_of(instruction->op);
  p->threads = threads < 1 ? 1 : threads;
  p->dtype = in->dtype;
  p->batch = result->shape.dim[0];
  p->channels = result->shape.dim[1];
  p->from = strides_of(in);
  p->to = strides_of(result);
  if (instruction->n_in == 2) p->index = strides_of(&instruction->in[1].layout);
  p->follows = follows_index(p->kind, w);
  extents_of(p->follows ? instruction->in[1].layout.shape : result->shape, p->extent);
  extents_of(p->kind == SPREAD || p->kind == SCATTER ? result->shape : in->shape, p->size);
  const cy_pool_kernels *kernels = choose_kernels();
  const cy_pool_functions *f = p->dtype == CY_F32 ? &kernels->f32 : &kernels->f64;
  p->line = p->kind == ARGMAX    ? f->argmax
            : p->kind == MAX     ? f->max
            : p->kind == GATHER  ? f->choose
            : p->kind == SCATTER ? f->add
                                 : f->sum;
  p->name = p->follows ? "one by one" : kernels->name;
  const cy_status status = p->follows ? CY_OK : find_places(p, w);
  if (status != CY_OK) destroy(p);
  else *out = p;
  return status;
}

/* Lists of places, for every thread. */
static size_t list_bytes(const plan *p) { return cy_aligned((size_t)p->most * PLACE_BYTES); }

static size_t scratch(const void *plan_) {
  const plan *p = plan_;
  return p->follows ? 0 : (size_t)p->threads * list_bytes(p);
}

static const char *describe(const void *plan_) { return ((const plan *)plan_)->name; }

/* ---- by places ---- */

typedef struct lists {
  int64_t *offset, *offset_index;
  int32_t *position;
} lists;

/* The places that the element at these coordinates sees, in the order of taps. */
static int64_t fill_lists(const plan *p, const int64_t at[CY_MAX_SPACE], lists l) {
  const sequence a = p->along[0][at[0]], b = p->along[1][at[1]], c = p->along[2][at[2]];
  int64_t n = 0;
  for (int64_t i = 0; i < a.count; i++)
    for (int64_t j = 0; j < b.count; j++) {
      const int64_t place[2] = {a.first + i * a.step, b.first + j * b.step};
      const int64_t row = place[0] * p->from.space[0] + place[1] * p->from.space[1];
      const int64_t index_row = place[0] * p->index.space[0] + place[1] * p->index.space[1];
      const int64_t position = (place[0] * p->size[1] + place[1]) * p->size[2];
      for (int64_t k = 0, last = c.first; k < c.count; k++, last += c.step, n++) {
        l.offset[n] = row + last * p->from.space[2];
        l.offset_index[n] = index_row + last * p->index.space[2];
        l.position[n] = (int32_t)(position + last);
      }
    }
  return n;
}

/* One row of the result: its innermost axis. */
static void run_row(const plan *p, int64_t row, void *const *in, void *out, lists l) {
  const int64_t size = (int64_t)cy_dtype_size(p->dtype),
                result_size = p->kind == ARGMAX ? (int64_t)sizeof(int32_t) : size;
  int64_t at[CY_MAX_SPACE] = {row / p->extent[1] % p->extent[0], row % p->extent[1]};
  const int64_t image = row / p->extent[1] / p->extent[0];
  cy_pool_line line = {.channels = p->channels,
                       .offset = l.offset,
                       .offset_index = l.offset_index,
                       .position = l.position,
                       .from = (char *)in[0] + image * p->from.image * size,
                       .from_step = p->from.channel,
                       .to_step = p->to.channel,
                       .index_step = 1};
  char *to = (char *)out + (image * p->to.image + at[0] * p->to.space[0] + at[1] * p->to.space[1]) * result_size;
  const bool has_index = p->kind == GATHER || p->kind == SCATTER;
  const int32_t *index = has_index ? (int32_t *)in[1] + image * p->index.image : NULL;
  int32_t here;
  if (p->kind == GATHER) index += at[0] * p->index.space[0] + at[1] * p->index.space[1];
  if (p->kind == SCATTER) line.position = &here;
  if (has_index) line.index_step = p->index.channel;
  for (at[2] = 0; at[2] < p->extent[2]; at[2]++) {
    line.n = fill_lists(p, at, l);
    line.to = to + at[2] * p->to.space[2] * result_size;
    line.index = p->kind == GATHER ? index + at[2] * p->index.space[2] : index;
    here = (int32_t)((at[0] * p->size[1] + at[1]) * p->size[2] + at[2]);
    p->line(&line);
  }
}

static void run_places(const plan *p, void *const *in, void *out, char *workspace) {
  const int64_t rows = p->batch * p->extent[0] * p->extent[1], each = p->channels * p->extent[2];
  const size_t bytes = list_bytes(p);
#pragma omp parallel for num_threads(p->threads) schedule(static, 1) if (p->threads > 1 && rows * each > SMALL)
  for (int part = 0; part < p->threads; part++) {
    char *memory = workspace + (size_t)part * bytes;
    const lists l = {.offset = (int64_t *)(void *)memory, .offset_index = (int64_t *)(void *)memory + p->most,
                     .position = (int32_t *)(void *)((int64_t *)(void *)memory + 2 * p->most)};
    for (int64_t row = rows * part / p->threads; row < rows * (part + 1) / p->threads; row++)
      run_row(p, row, in, out, l);
  }
}

/* ---- by index ---- */

/* Where a position of x lies in memory; false if it is none. */
static bool find(const plan *p, const strides *image, int64_t position, int64_t *offset) {
  if (position < 0 || position >= p->size[0] * p->size[1] * p->size[2]) return false;
  const int64_t row = position / p->size[2];
  *offset =
      position % p->size[2] * image->space[2] + row % p->size[1] * image->space[1] + row / p->size[1] * image->space[0];
  return true;
}

/* Channels first ... end of an image. */
static void clear(const plan *p, char *image, int64_t first, int64_t end, size_t size) {
  for (int64_t i = 0; i < p->size[0]; i++)
    for (int64_t j = 0; j < p->size[1]; j++)
      for (int64_t k = 0; k < p->size[2]; k++) {
        char *at = image + (i * p->to.space[0] + j * p->to.space[1] + k * p->to.space[2]) * (int64_t)size;
        for (int64_t c = first; c < end; c++) memset(at + c * p->to.channel * (int64_t)size, 0, size);
      }
}

#define FOLLOW(NAME, T)                                                                                              \
  static void NAME(const plan *p, const T *from, const int32_t *index, T *to, int64_t first, int64_t end) {          \
    const strides *x = p->kind == GATHER ? &p->from : &p->to, *y = p->kind == GATHER ? &p->to : &p->from;            \
    for (int64_t i = 0; i < p->extent[0]; i++)                                                                       \
      for (int64_t j = 0; j < p->extent[1]; j++)                                                                     \
        for (int64_t k = 0; k < p->extent[2]; k++) {                                                                 \
          const int32_t *at = index + i * p->index.space[0] + j * p->index.space[1] + k * p->index.space[2];         \
          const int64_t here = i * y->space[0] + j * y->space[1] + k * y->space[2];                                  \
          for (int64_t c = first; c < end; c++) {                                                                    \
            int64_t there;                                                                                           \
            const bool exists = find(p, x, at[c * p->index.channel], &there);                                        \
            if (p->kind == GATHER) to[here + c * y->channel] = exists ? from[there + c * x->channel] : 0;            \
            else if (exists) to[there + c * x->channel] += from[here + c * y->channel];                              \
          }                                                                                                          \
        }                                                                                                            \
  }
FOLLOW(follow_f32, float)
FOLLOW(follow_f64, double)

static void run_index(const plan *p, void *const *in, void *out) {
  const size_t size = cy_dtype_size(p->dtype);
  const int64_t parts = (p->channels + FOLLOWED_CHANNELS - 1) / FOLLOWED_CHANNELS, tasks = p->batch * parts;
#pragma omp parallel for num_threads(p->threads) schedule(static) \
    if (p->threads > 1 && p->batch * p->channels * p->size[0] * p->size[1] * p->size[2] > SMALL)
  for (int64_t task = 0; task < tasks; task++) {
    const int64_t image = task / parts, first = task % parts * FOLLOWED_CHANNELS;
    const int64_t end = first + FOLLOWED_CHANNELS < p->channels ? first + FOLLOWED_CHANNELS : p->channels;
    const char *from = (const char *)in[0] + image * p->from.image * (int64_t)size;
    char *to = (char *)out + image * p->to.image * (int64_t)size;
    const int32_t *index = (const int32_t *)in[1] + image * p->index.image;
    if (p->kind == SCATTER) clear(p, to, first, end, size);
    if (p->dtype == CY_F32) follow_f32(p, (const void *)from, index, (void *)to, first, end);
    else follow_f64(p, (const void *)from, index, (void *)to, first, end);
  }
}

static cy_status run(const void *plan_, void *instance, void *const *in, void *const *out, void *workspace) {
  const plan *p = plan_;
  (void)instance;
  if (p->follows) run_index(p, in, out[0]);
  else run_places(p, in, out[0], workspace);
  return CY_OK;
}

const cy_kernel cy_cpu_pool = {
    .create = create, .destroy = destroy, .scratch = scratch, .run = run, .describe = describe};
