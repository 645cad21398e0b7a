/* Convolutions as products of matrices, for f64 and wherever no other method has something to offer: any strides,
 * anything empty. The windows of all images, in the order image, space, are the rows of a matrix; a row holds its
 * window's elements, tap by tap, channels innermost. With W as [filter, tap, channel] the three roles are, for each
 * group,
 *   Y = rows W',   rows = Y W (and every row is added back to where its window lies),   W = Y' rows,
 * done for a bounded number of rows at a time. Every element of a result is summed in one order, whatever the threads.
 */
#include "backend/cpu/convolution.h"

#include "backend/cpu/gemm.h"
#include "backend/cpu/workspace.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum { ROWS_BYTES = 1 << 20, LEAST_ROWS = 64, SMALL = 1 << 14 };
enum { WHOLE, REST, PIECES };

typedef struct columns {
  cy_convolution_problem p;
  int threads;
  int64_t channels, filters;          /* of a group */
  int64_t n_taps, width;              /* of a row: taps x channels */
  int64_t windows, rows;              /* all; at a time */
  int64_t (*tap)[CY_MAX_SPACE];       /* where each lies in its window, in elements of x */
  bool packs_y;                       /* y's windows have no common stride */
  int64_t y_step, y_channel;          /* of the matrix Y */
  cy_gemm *gemm[PIECES];
  size_t w_offset, y_offset, gemm_offset, scratch; /* in the workspace: rows, W, Y, the product's own */
} columns;

typedef struct place {
  int64_t n, at[CY_MAX_SPACE];
} place;

/* ---- planning ---- */

/* One stride for images and space together, if there is one. */
static bool join(const cy_convolution_problem *p, int64_t *step) {
  int64_t count = 1;
  *step = 0;
  for (int i = p->space; i >= 0; i--) {
    const int64_t extent = i ? p->extent[i - 1] : p->batch, stride = p->y_stride[i ? i + 1 : 0];
    if (extent == 1) continue;
    if (count == 1) *step = stride;
    else if (stride != *step * count) return false;
    count *= extent;
  }
  return true;
}

static cy_gemm_problem product(const columns *c, int64_t rows) {
  const int64_t width = c->width, filters = c->filters;
  switch (c->p.role) {
    case CY_CONVOLUTION_Y:
      return (cy_gemm_problem){.dtype = c->p.dtype, .batch = 1, .m = rows, .n = filters, .k = width,
                               .a_stride = {0, width, 1}, .b_stride = {0, 1, width},
                               .c_stride = {0, c->y_step, c->y_channel}};
    case CY_CONVOLUTION_X:
      return (cy_gemm_problem){.dtype = c->p.dtype, .batch = 1, .m = rows, .n = width, .k = filters,
                               .a_stride = {0, c->y_step, c->y_channel}, .b_stride = {0, width, 1},
                               .c_stride = {0, width, 1}};
    case CY_CONVOLUTION_W: break;
  }
  return (cy_gemm_problem){.dtype = c->p.dtype, .batch = 1, .m = filters, .n = width, .k = rows,
                           .a_stride = {0, c->y_channel, c->y_step}, .b_stride = {0, width, 1},
                           .c_stride = {0, width, 1}};
}

static cy_status make_taps(columns *c) {
  const cy_convolution_problem *p = &c->p;
  c->tap = cy_calloc((size_t)c->n_taps, sizeof *c->tap);
  if (!c->tap) return cy_no_memory();
  for (int64_t t = 0; t < c->n_taps; t++)
    for (int64_t i = p->space - 1, rest = t; i >= 0; rest /= p->kernel[i--])
      c->tap[t][i] = rest % p->kernel[i] * p->dilation[i];
  return CY_OK;
}

static cy_status plan(columns *c) {
  const cy_convolution_problem *p = &c->p;
  const size_t size = cy_dtype_size(p->dtype);
  c->channels = p->channels / p->groups;
  c->filters = p->filters / p->groups;
  c->n_taps = 1, c->windows = p->batch;
  for (int i = 0; i < p->space; i++) c->n_taps *= p->kernel[i], c->windows *= p->extent[i];
  c->width = c->n_taps * c->channels;
  c->rows = c->width ? ROWS_BYTES / (c->width * (int64_t)size) : ROWS_BYTES;
  if (c->rows < LEAST_ROWS) c->rows = LEAST_ROWS;
  if (c->rows > c->windows) c->rows = c->windows;
  c->packs_y = !join(p, &c->y_step);
  c->y_channel = p->y_stride[1];
  if (c->packs_y) c->y_step = c->filters, c->y_channel = 1;
  CY_TRY(make_taps(c));
  c->w_offset = cy_aligned((size_t)(c->rows * c->width) * size);
  c->y_offset = c->w_offset + cy_aligned((size_t)(p->groups * c->filters * c->width) * size);
  c->gemm_offset = c->y_offset + (c->packs_y ? cy_aligned((size_t)(c->rows * c->filters) * size) : 0);
  c->scratch = c->gemm_offset;
  for (int i = 0; i < PIECES; i++) {
    const int64_t rows = i == WHOLE ? c->rows : c->rows ? c->windows % c->rows : 0;
    if (rows == 0) continue;
    const cy_gemm_problem problem = product(c, rows);
    CY_TRY(cy_gemm_create(&problem, c->threads, &c->gemm[i]));
    const size_t end = c->gemm_offset + cy_gemm_scratch(c->gemm[i]);
    if (end > c->scratch) c->scratch = end;
  }
  return CY_OK;
}

static void destroy(void *plan_) {
  columns *c = plan_;
  if (!c) return;
  for (int i = 0; i < PIECES; i++) cy_gemm_free(c->gemm[i]);
  cy_free(c->tap);
  cy_free(c);
}

static cy_status create(const cy_convolution_problem *problem, int threads, void **out) {
  *out = NULL;
  columns *c = cy_calloc(1, sizeof *c);
  if (!c) return cy_no_memory();
  c->p = *problem;
  c->threads = threads < 1 ? 1 : threads;
  const cy_status status = plan(c);
  if (status == CY_OK) *out = c;
  else destroy(c);
  return status;
}

static const char *name(const void *plan_) {
  (void)plan_;
  return "columns";
}

static size_t scratch_bytes(const void *plan_) { return ((const columns *)plan_)->scratch; }

typedef struct instance {
  void *gemm[PIECES];
} instance;

static void free_instance(void *instance_) {
  instance *n = instance_;
  if (!n) return;
  for (int i = 0; i < PIECES; i++)
    if (n->gemm[i]) cy_gemm_instance_free(n->gemm[i]);
  cy_free(n);
}

static cy_status create_instance(const void *plan_, void **out) {
  const columns *c = plan_;
  *out = NULL;
  instance *n = cy_calloc(1, sizeof *n);
  if (!n) return cy_no_memory();
  for (int i = 0; i < PIECES; i++) {
    const cy_status status = c->gemm[i] ? cy_gemm_instance_create(c->gemm[i], &n->gemm[i]) : CY_OK;
    if (status == CY_OK) continue;
    free_instance(n);
    return status;
  }
  *out = n;
  return CY_OK;
}

/* ---- moving elements ---- */

static void copy(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n, size_t size) {
  if (to_step == 1 && from_step == 1) {
    memcpy(to, from, (size_t)n * size);
  } else if (size == sizeof(float)) {
    for (int64_t i = 0; i < n; i++) ((float *)to)[i * to_step] = ((const float *)from)[i * from_step];
  } else {
    for (int64_t i = 0; i < n; i++) ((double *)to)[i * to_step] = ((const double *)from)[i * from_step];
  }
}

static void add(char *to, int64_t to_step, const char *from, int64_t n, size_t size) {
  if (size == sizeof(float)) {
    for (int64_t i = 0; i < n; i++) ((float *)to)[i * to_step] += ((const float *)from)[i];
  } else {
    for (int64_t i = 0; i < n; i++) ((double *)to)[i * to_step] += ((const double *)from)[i];
  }
}

static place place_of(int64_t position, const int64_t *extent, int space) {
  place p = {0};
  for (int i = space - 1; i >= 0; i--) {
    p.at[i] = position % extent[i];
    position /= extent[i];
  }
  p.n = position;
  return p;
}

static int64_t offset_of(const place *p, const int64_t *stride, int space) {
  int64_t offset = p->n * stride[0];
  for (int i = 0; i < space; i++) offset += p->at[i] * stride[i + 2];
  return offset;
}

/* W to or from its rows by tap and channel. */
static void move_weights(const columns *c, char *w, char *rows, bool back) {
  const size_t size = cy_dtype_size(c->p.dtype);
  const int64_t *stride = c->p.w_stride;
  for (int64_t o = 0; o < c->p.filters; o++)
    for (int64_t t = 0; t < c->n_taps; t++) {
      place p = place_of(t, c->p.kernel, c->p.space);
      p.n = o;
      char *at = w + offset_of(&p, stride, c->p.space) * (int64_t)size;
      char *row = rows + (size_t)(o * c->width + t * c->channels) * size;
      if (back) copy(at, stride[1], row, 1, c->channels, size);
      else copy(row, 1, at, stride[1], c->channels, size);
    }
}

/* Rows first ... first + n of the matrix of windows. */
static void gather_rows(const columns *c, const char *x, char *rows, int64_t first, int64_t n) {
  const cy_convolution_problem *p = &c->p;
  const size_t size = cy_dtype_size(p->dtype), bytes = (size_t)c->channels * size;
#pragma omp parallel for num_threads(c->threads) schedule(static) if (c->threads > 1 && n * c->width > SMALL)
  for (int64_t r = 0; r < n; r++) {
    const place window = place_of(first + r, p->extent, p->space);
    char *to = rows + (size_t)(r * c->width) * size;
    for (int64_t t = 0; t < c->n_taps; t++, to += bytes) {
      int64_t offset = window.n * p->x_stride[0];
      bool inside = true;
      for (int i = 0; i < p->space; i++) {
        const int64_t at = window.at[i] * p->stride[i] - p->low[i] + c->tap[t][i];
        inside = inside && at >= 0 && at < p->size[i];
        offset += at * p->x_stride[i + 2];
      }
      if (inside) copy(to, 1, x + offset * (int64_t)size, p->x_stride[1], c->channels, size);
      else memset(to, 0, bytes);
    }
  }
}

/* The row of the window whose tap t lies at x's element; -1 if there is none. */
static int64_t row_at(const columns *c, const place *element, int64_t t) {
  const cy_convolution_problem *p = &c->p;
  int64_t row = element->n;
  for (int i = 0; i < p->space; i++) {
    const int64_t start = element->at[i] + p->low[i] - c->tap[t][i];
    if (start < 0 || start % p->stride[i] != 0 || start / p->stride[i] >= p->extent[i]) return -1;
    row = row * p->extent[i] + start / p->stride[i];
  }
  return row;
}

/* Adds these rows to x: every element of x collects its own, so that threads never meet. */
static void add_rows(const columns *c, char *x, const char *rows, int64_t first, int64_t n) {
  const cy_convolution_problem *p = &c->p;
  const size_t size = cy_dtype_size(p->dtype);
  int64_t image = 1, per_image = 1;
  for (int i = 0; i < p->space; i++) image *= p->size[i], per_image *= p->extent[i];
  const int64_t from = first / per_image * image, to = ((first + n - 1) / per_image + 1) * image;
#pragma omp parallel for num_threads(c->threads) schedule(static) if (c->threads > 1 && n * c->width > SMALL)
  for (int64_t e = from; e < to; e++) {
    const place element = place_of(e, p->size, p->space);
    char *at = x + offset_of(&element, p->x_stride, p->space) * (int64_t)size;
    for (int64_t t = 0; t < c->n_taps; t++) {
      const int64_t row = row_at(c, &element, t) - first;
      if (row >= 0 && row < n)
        add(at, p->x_stride[1], rows + (size_t)(row * c->width + t * c->channels) * size, c->channels, size);
    }
  }
}

/* The group's part of y's rows, to or from a matrix. */
static void move_y(const columns *c, char *y, char *matrix, int64_t first, int64_t n, bool back) {
  const size_t size = cy_dtype_size(c->p.dtype);
  const int64_t *stride = c->p.y_stride;
#pragma omp parallel for num_threads(c->threads) schedule(static) if (c->threads > 1 && n * c->filters > SMALL)
  for (int64_t r = 0; r < n; r++) {
    const place window = place_of(first + r, c->p.extent, c->p.space);
    char *at = y + offset_of(&window, stride, c->p.space) * (int64_t)size;
    char *row = matrix + (size_t)(r * c->filters) * size;
    if (back) copy(at, stride[1], row, 1, c->filters, size);
    else copy(row, 1, at, stride[1], c->filters, size);
  }
}

/* ---- what may follow ---- */

static void clear_x(const columns *c, void *x) {
  cy_view view = {
      .data = x, .dtype = c->p.dtype, .shape = {.rank = 2 + c->p.space, .dim = {c->p.batch, c->p.channels}}};
  memcpy(view.shape.dim + 2, c->p.size, sizeof c->p.size);
  memcpy(view.stride, c->p.x_stride, sizeof c->p.x_stride);
  cy_view_clear(&view);
}

static void add_bias(const columns *c, void *y, const void *bias) {
  const cy_convolution_problem *p = &c->p;
#pragma omp parallel for num_threads(c->threads) schedule(static) if (c->threads > 1 && c->windows * p->filters > SMALL)
  for (int64_t r = 0; r < c->windows; r++) {
    const place window = place_of(r, p->extent, p->space);
    const int64_t at = offset_of(&window, p->y_stride, p->space);
    for (int64_t o = 0; o < p->filters; o++) {
      const int64_t element = at + o * p->y_stride[1];
      cy_store(y, p->dtype, element, cy_load(y, p->dtype, element) + cy_load(bias, p->dtype, o));
    }
  }
}

static void sum_bias(const columns *c, const void *y, void *bias) {
  const cy_convolution_problem *p = &c->p;
#pragma omp parallel for num_threads(c->threads) schedule(static) if (c->threads > 1 && c->windows * p->filters > SMALL)
  for (int64_t o = 0; o < p->filters; o++) {
    double sum = 0;
    for (int64_t r = 0; r < c->windows; r++) {
      const place window = place_of(r, p->extent, p->space);
      sum += cy_load(y, p->dtype, offset_of(&window, p->y_stride, p->space) + o * p->y_stride[1]);
    }
    cy_store(bias, p->dtype, o, sum);
  }
}

/* ---- running ---- */

/* Addresses of one group. */
typedef struct group {
  char *x, *y, *w; /* w: its rows */
} group;

static cy_status run_piece(const columns *c, const instance *with, group g, int64_t first, int64_t n,
                           char *scratch) {
  const int piece = n == c->rows ? WHOLE : REST;
  char *rows = scratch, *y = scratch + c->y_offset, *library = scratch + c->gemm_offset;
  if (!c->packs_y) y = g.y + first * c->y_step * (int64_t)cy_dtype_size(c->p.dtype);
  else if (c->p.role != CY_CONVOLUTION_Y) move_y(c, g.y, y, first, n, false);
  if (c->p.role != CY_CONVOLUTION_X) gather_rows(c, g.x, rows, first, n);
  switch (c->p.role) {
    case CY_CONVOLUTION_Y:
      CY_TRY(cy_gemm_run(c->gemm[piece], with->gemm[piece], rows, g.w, y, library));
      if (c->packs_y) move_y(c, g.y, y, first, n, true);
      break;
    case CY_CONVOLUTION_X:
      CY_TRY(cy_gemm_run(c->gemm[piece], with->gemm[piece], y, g.w, rows, library));
      add_rows(c, g.x, rows, first, n);
      break;
    case CY_CONVOLUTION_W:
      CY_TRY(cy_gemm_run_add(c->gemm[piece], with->gemm[piece], y, rows, 1, g.w, library));
      break;
  }
  return CY_OK;
}

static cy_status run(const void *plan_, void *with, cy_convolution_operands operands, void *scratch) {
  const columns *c = plan_;
  const cy_convolution_problem *p = &c->p;
  const int64_t size = (int64_t)cy_dtype_size(p->dtype);
  char *w = (char *)scratch + c->w_offset;
  if (p->role == CY_CONVOLUTION_X) clear_x(c, operands.x);
  if (p->role == CY_CONVOLUTION_W) memset(w, 0, (size_t)(p->filters * c->width * size));
  else move_weights(c, operands.w, w, false);
  for (int64_t g = 0; g < p->groups; g++) {
    const group at = {.x = (char *)operands.x + g * c->channels * p->x_stride[1] * size,
                      .y = (char *)operands.y + g * c->filters * p->y_stride[1] * size,
                      .w = w + g * c->filters * c->width * size};
    for (int64_t first = 0; first < c->windows; first += c->rows)
      CY_TRY(run_piece(c, with, at, first, first + c->rows <= c->windows ? c->rows : c->windows - first, scratch));
  }
  if (p->role == CY_CONVOLUTION_W) move_weights(c, operands.w, w, true);
  if (p->role == CY_CONVOLUTION_Y && p->bias) add_bias(c, operands.y, operands.bias);
  if (p->role == CY_CONVOLUTION_W && p->bias) sum_bias(c, operands.y, operands.bias);
  return CY_OK;
}

const cy_convolution_method cy_convolution_columns = {.create = create, .free = destroy, .name = name,
                                                      .scratch = scratch_bytes, .instance = create_instance,
                                                      .free_instance = free_instance, .run = run};
