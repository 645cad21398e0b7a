/* Direct convolutions, role x, of strided ones that look at single places: a row of x is zeros but where a place of y
 * saw it, and there a product of weights as they lie with a row of y. The same bits whatever the threads. */
#include "backend/cpu/convolution_direct.h"

#include "base/memory.h"

#include <string.h>

static bool applies(const cy_convolution_problem *p) {
  return cy_direct_applies(p) && p->role == CY_CONVOLUTION_X && cy_direct_is_pointwise(p) &&
         cy_convolution_is_strided(p) && p->y_stride[1] == 1 && p->w_stride[1] == 1 && p->x_stride[1] == 1 &&
         p->x_stride[1 + p->space] == p->channels;
}

static cy_status create(const cy_convolution_problem *problem, int threads, void **plan) {
  *plan = NULL;
  if (!applies(problem)) return CY_OK;
  cy_direct *d = cy_calloc(1, sizeof *d);
  if (!d) return cy_no_memory();
  cy_direct_plan(d, problem, threads);
  *plan = d;
  return CY_OK;
}

static size_t scratch_bytes(const void *plan) {
  (void)plan;
  return 0;
}

/* The row that row r of y saw, and the rows behind it that none did. */
static void run_row(const cy_direct *d, int64_t r, const float *w, const float *y, float *x) {
  const int64_t first = r * d->row_stride, end = r + 1 < d->rows ? first + d->row_stride : d->height;
  for (int64_t i = first; i < end; i++) memset(x + i * d->x_row, 0, (size_t)(d->width * d->p.channels) * sizeof *x);
  for (int64_t c = 0; c < d->p.channels; c += d->panel) {
    const cy_tile tile = {.k = d->p.filters,
                          .a = y,
                          .a_row = d->y_column,
                          .a_step = 1,
                          .b = w + c,
                          .b_step = d->p.w_stride[0],
                          .c = x + first * d->x_row + c,
                          .c_row = d->column_stride * d->x_column,
                          .scale = 1};
    cy_direct_tiles(d, tile, d->columns, cy_direct_used(d, d->p.channels, c));
  }
}

static cy_status run(const void *plan, void *instance, cy_convolution_operands o, void *scratch) {
  const cy_direct *d = plan;
  const int64_t rows = d->p.batch * d->rows;
  (void)instance, (void)scratch;
#pragma omp parallel for num_threads(d->threads) schedule(static) if (d->threads > 1)
  for (int64_t at = 0; at < rows; at++) {
    const int64_t n = at / d->rows, r = at % d->rows;
    run_row(d, r, o.w, (const float *)o.y + n * d->p.y_stride[0] + r * d->y_row, (float *)o.x + n * d->p.x_stride[0]);
  }
  return CY_OK;
}

const cy_convolution_method cy_convolution_direct_x = {
    .create = create, .free = cy_direct_free, .name = cy_direct_name, .scratch = scratch_bytes, .run = run};
