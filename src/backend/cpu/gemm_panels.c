#include "backend/cpu/gemm_panels.h"
#include "backend/cpu/workspace.h"

#include <string.h>

/* What the blocking aims at, bytes: A's rows that stay in the second-level cache while all panels pass by; a B that stays
 * there while blocks of a large C's rows are written, and one that does not; and the sums of one panel. */
enum { CACHE_ROWS = 256 * 1024, SMALL_B = 128 * 1024, LARGE_B = 512 * 1024, CACHE_C = 64 * 1024 };
enum { LARGE_A = 1536 * 1024, LARGE_C = LARGE_A, LONG_K = 1024, BLOCK_K = 384, TURNED_K = 512 };

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* The widest panel whose tiles still take all the rows, so that sums are many enough to hide the latency of an
 * addition; else two vectors, where a tile's ratio of arithmetic to loads is best. */
static int choose_width(const cy_gemm_kernels *kernels, int64_t rows, int64_t columns) {
  int width = CY_TILE_WIDTHS - 1;
  while (width > 1 && kernels->rows[width] < rows) --width;
  while (width > 0 && ((int64_t)kernels->lanes << (width - 1)) >= columns) --width;
  return width;
}

static double sums_cost(const cy_panels *p) {
  const double vectors = (double)ceil_div(p->columns, p->kernels->lanes);
  const double tiles = (double)ceil_div(p->rows, p->kernels->rows[p->width]) * vectors / (1 << p->width);
  const double row_work = (double)p->rows > 8.0 / (1 << p->width) ? (double)p->rows : 8.0 / (1 << p->width);
  return (double)p->k * vectors * row_work / 2 + 30 * tiles;
}

static double panel_cost(const cy_panels *p) {
  double cost = sums_cost(p);
  const double b_elements = (double)p->k * (double)p->columns, c_elements = (double)p->rows * (double)p->columns;
  if (p->pack && !p->keeps) cost += b_elements * (p->b[2] == 1 ? 0.1 : p->b[1] == 1 ? 0.4 : 2.0);
  if (p->c[2] != 1 && p->columns > 1) cost += c_elements * (p->c[1] == 1 ? 0.5 : 2.0);
  return cost;
}

static double dot_cost(const cy_panels *p) {
  const double results = (double)p->rows * (double)p->columns;
  return results * ((double)ceil_div(p->k, p->kernels->lanes) * 1.0 + 12);
}

/* One of the four ways: as given or transposed, along the columns or along the sum. */
static void candidate(const cy_gemm_problem *problem, const cy_gemm_kernels *kernels, bool transposed, bool dot,
                      cy_panels *p) {
  *p = (cy_panels){.kernels = kernels, .batch = problem->batch, .k = problem->k, .transposed = transposed, .dot = dot};
  const int64_t *a = problem->a_stride, *b = problem->b_stride, *c = problem->c_stride;
  p->inner = max64(problem->inner, 1);
  for (int i = 0; i < 3; ++i) p->within[i] = problem->inner_stride[transposed && i < 2 ? 1 - i : i];
  if (transposed) {
    p->rows = problem->n, p->columns = problem->m;
    p->a[0] = b[0], p->a[1] = b[2], p->a[2] = b[1];
    p->b[0] = a[0], p->b[1] = a[2], p->b[2] = a[1];
    p->c[0] = c[0], p->c[1] = c[2], p->c[2] = c[1];
  } else {
    p->rows = problem->m, p->columns = problem->n;
    memcpy(p->a, a, sizeof p->a);
    memcpy(p->b, b, sizeof p->b);
    memcpy(p->c, c, sizeof p->c);
  }
  p->width = choose_width(kernels, p->rows, p->columns);
  p->keeps = !dot && p->batch == 1 && p->rows > 1 && p->columns > 1 && p->k > 1 &&
             (transposed ? problem->a_still : problem->b_still);
  p->pack = !dot && p->columns > 1 && (p->keeps || p->b[2] != 1);
  p->sweep = !dot && !p->pack && p->rows == 1 && p->k > 0 && p->c[2] == 1 && p->columns > (int64_t)kernels->lanes * 8;
  p->outer = !dot && !p->pack && p->k == 1 && p->c[2] == 1;
  p->cost = dot ? dot_cost(p) : panel_cost(p);
  const double bytes = kernels->size * ((double)p->rows * (double)p->k + (double)p->k * (double)p->columns +
                                        (double)p->rows * (double)p->columns);
  if (p->cost < bytes / 32) p->cost = bytes / 32; /* what the second-level cache delivers in a cycle */
}

static bool dot_possible(const cy_gemm_problem *problem) {
  return problem->k > 1 && problem->a_stride[2] == 1 && problem->b_stride[1] == 1;
}

/* One block while A fits in the cache; else blocks of k and of rows so that it does, and copies: of A because rows a
 * multiple of 1 KiB apart evict each other (a cache has few places for such addresses), of B because its panels are
 * read again for each block of rows. */
static void choose_blocks(cy_panels *p) {
  const int64_t size = p->kernels->size;
  const int64_t panel_columns = (int64_t)p->kernels->lanes << p->width;
  const int64_t a_bytes = p->rows * p->k * size;
  /* Few rows whose elements lie side by side, as in the gradient of a weight that many examples share: A needs no copy. */
  const bool turned = a_bytes > LARGE_A && p->a[1] == 1 && p->rows * TURNED_K * size <= CACHE_ROWS;
  const bool large = !turned && a_bytes > LARGE_A && p->rows > 4 * p->kernels->rows[p->width] && p->columns >= 4 * panel_columns;
  const int64_t longest = large ? BLOCK_K : p->a[1] == 1 && p->rows > p->kernels->rows[p->width] ? TURNED_K : LONG_K;
  const int64_t blocks = max64(ceil_div(p->k, longest), 1);
  p->k_block = max64(ceil_div(p->k, blocks), 1);
  const int64_t tile = p->kernels->rows[p->width];
  int64_t fitting = CACHE_ROWS / (p->k_block * size);
  if (p->k * p->columns * size <= SMALL_B && p->rows * p->columns * size >= LARGE_C) fitting = min64(fitting, CACHE_C / max64(p->columns * size, 1));
  const int64_t row_blocks = max64(ceil_div(p->rows, max64(fitting, 4 * tile)), 1);
  p->row_block = max64(ceil_div(p->rows, row_blocks), 1);
  p->pack_rows = large;
  p->pack |= large;
  if (p->pack && !p->keeps) p->part_scratch = (size_t)(p->k_block * panel_columns * size);
  if (p->pack_rows) p->part_scratch += (size_t)(p->row_block * p->k_block * size);
  p->part_scratch = cy_aligned(p->part_scratch);
}

/* A fork costs 1 to 2 microseconds, so each thread should have several times that to do. Whole batches first, then
 * panels, then rows. */
static void choose_parts(cy_panels *p, int threads) {
  const double least = 8000; /* cycles per thread */
  const double total = p->cost * (double)p->batch;
  int64_t parts = max64(1, min64(threads, (int64_t)(total / least)));
  p->batch_parts = (int)min64(parts, p->batch);
  if (p->batch >= 4 * parts) parts = p->batch_parts; /* even enough */
  else p->batch_parts = 1;
  const int64_t panels = ceil_div(p->columns, (int64_t)p->kernels->lanes << p->width);
  parts /= p->batch_parts;
  p->column_parts = p->outer ? 1 : (int)max64(1, min64(parts, panels));
  while (parts % p->column_parts) --p->column_parts;
  p->row_parts = (int)max64(1, min64(parts / p->column_parts, p->rows));
}

void cy_panels_plan(const cy_gemm_problem *problem, const cy_gemm_kernels *kernels, int threads, cy_panels *plan) {
  candidate(problem, kernels, false, false, plan);
  for (int way = 1; way < 4; ++way) {
    cy_panels other;
    if ((way & 2) && !dot_possible(problem)) continue;
    candidate(problem, kernels, way & 1, way & 2, &other);
    if (other.cost < plan->cost) *plan = other;
  }
  choose_blocks(plan);
  choose_parts(plan, threads);
}

const char *cy_panels_way(const cy_panels *p) {
  return p->dot ? "dots" : p->outer ? "outer product" : p->sweep ? "row sweep" : "panels";
}

size_t cy_panels_scratch(const cy_panels *plan) {
  return plan->part_scratch * (size_t)plan->batch_parts * (size_t)plan->row_parts * (size_t)plan->column_parts;
}

/* ---- running ------------------------------------------------------------------------------------------- */

/* How far fetching what comes after this product has got. */
typedef struct fetching {
  cy_ranges left;
  int64_t done; /* bytes of the first one */
} fetching;

/* c = (c +) scale * a b. */
typedef struct summing {
  bool add;
  double scale;
  fetching *next; /* or NULL */
} summing;

/* A tile fetches the next stretch, as long as it can: a row of its panel's width with every row of b. */
static void fetch_next(fetching *f, cy_tile *tile, int64_t step, int size) {
  while (f && f->left.count && f->done >= f->left.range->bytes) f->left.range++, f->left.count--, f->done = 0;
  if (!f || !f->left.count) return;
  tile->ahead = f->left.range->at + f->done;
  tile->ahead_step = step;
  f->done += tile->k * step * size;
}

typedef struct span {
  int64_t begin, end;
} span;

/* Part number `part` of `parts` near-equal ones of 0... count, cut at multiples of unit. */
static span share(int64_t count, int64_t unit, int part, int parts) {
  const int64_t units = ceil_div(count, unit);
  return (span){min64(count, units * part / parts * unit), min64(count, units * (part + 1) / parts * unit)};
}

static const char *at(const void *base, int size, int64_t elements) { return (const char *)base + elements * size; }

static void copy_element(int size, const char *from, char *to) {
  if (size == 4) memcpy(to, from, 4);
  else memcpy(to, from, 8);
}

/* A short row, by copies of fixed sizes, the last of which may overlap the one before: a call of memcpy would take longer
 * than the copy. */
static inline void copy_row(char *to, const char *from, size_t bytes) {
  if (bytes >= 64) {
    for (size_t i = 0; i + 64 < bytes; i += 64) memcpy(to + i, from + i, 64);
    memcpy(to + bytes - 64, from + bytes - 64, 64);
  } else if (bytes >= 32) {
    memcpy(to, from, 32);
    memcpy(to + bytes - 32, from + bytes - 32, 32);
  } else if (bytes >= 16) {
    memcpy(to, from, 16);
    memcpy(to + bytes - 16, from + bytes - 16, 16);
  } else {
    memcpy(to, from, bytes);
  }
}

/* to[i * to_row + j] = from[i * step + j * stride]: k rows of `count`. */
static void pack(const cy_gemm_kernels *kernels, const char *from, int64_t step, int64_t stride, int64_t k,
                 int64_t count, char *to, int64_t to_row) {
  const int size = kernels->size;
  if (stride == 1) {
    for (int64_t i = 0; i < k; ++i) copy_row(to + i * to_row * size, at(from, size, i * step), (size_t)(count * size));
  } else if (step == 1) {
    kernels->transpose(count, k, from, stride, to, to_row, false);
  } else {
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < count; ++j)
        copy_element(size, at(from, size, i * step + j * stride), to + (i * to_row + j) * size);
  }
}

/* The tiles of a block of rows are near-equal, so that none is thin: where tile number `tile` of `tiles` begins. */
static int64_t tile_begin(int64_t rows, int64_t tile, int64_t tiles) { return rows * tile / tiles; }

/* A's block as tile after tile, each k rows of the tile's rows. */
static void pack_row_block(const cy_panels *p, const char *a, int64_t rows, int64_t k, char *to) {
  const int size = p->kernels->size;
  const int64_t tiles = ceil_div(rows, p->kernels->rows[p->width]);
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t first = tile_begin(rows, t, tiles), count = tile_begin(rows, t + 1, tiles) - first;
    pack(p->kernels, at(a, size, first * p->a[1]), p->a[2], p->a[1], k, count, to + first * k * size, count);
  }
}

/* A tile's result, from a buffer with rows of `width` elements, to c, whose columns are not adjacent. */
static void spread_tile(const cy_panels *p, const char *tile, int64_t rows, int64_t columns, int64_t width, char *c,
                        bool add) {
  const int size = p->kernels->size;
  if (p->c[1] == 1) {
    p->kernels->transpose(rows, columns, tile, width, c, p->c[2], add);
    return;
  }
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const char *from = tile + (i * width + j) * size;
      char *to = c + (i * p->c[1] + j * p->c[2]) * size;
      if (!add) copy_element(size, from, to);
      else if (size == 4) *(float *)to += *(const float *)from;
      else *(double *)to += *(const double *)from;
    }
}

/* All row tiles of one panel and one block of k. `tile` describes row 0 of the block; rows are dealt evenly, so that
 * no tile is thin. */
static void run_rows(const cy_panels *p, cy_tile tile, int width, int64_t rows, int64_t columns, fetching *next) {
  const cy_gemm_kernels *kernels = p->kernels;
  const int size = kernels->size;
  _Alignas(64) char buffer[CY_TILE_ELEMENTS * sizeof(double)];
  const int64_t buffer_row = (int64_t)kernels->lanes << width;
  const bool direct = p->c[2] == 1 || p->columns == 1;
  const int64_t tiles = ceil_div(rows, kernels->rows[p->width]);
  char *c = tile.c;
  const char *a = tile.a;
  const bool add = tile.add;
  if (p->pack_rows) tile.a_row = 1;
  if (!direct) tile.c = buffer, tile.c_row = buffer_row, tile.add = false;
  int64_t from = 0;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t end = tile_begin(rows, t + 1, tiles), count = end - from;
    char *target = c + from * p->c[1] * size;
    tile.a = at(a, size, from * (p->pack_rows ? tile.k : p->a[1]));
    if (t > 0) tile.ahead = NULL; /* it has been fetched */
    fetch_next(next, &tile, buffer_row, size);
    if (p->pack_rows) tile.a_step = count;
    if (direct) tile.c = target;
    kernels->tile[width][count - 1](&tile);
    if (!direct) spread_tile(p, buffer, count, columns, buffer_row, target, add);
    from = end;
  }
}

/* The panel that begins at a column: the last ones are narrower. */
static int width_at(const cy_panels *p, int64_t column, int64_t end) {
  int width = p->width;
  while (width > 0 && ((int64_t)p->kernels->lanes << width) > end - column + p->kernels->lanes - 1) --width;
  return width;
}

/* Kept panels lie one behind the other, for one block of k after the other. */
static int64_t kept_columns(const cy_panels *p) { return ceil_div(p->columns, p->kernels->lanes) * p->kernels->lanes; }

size_t cy_panels_kept(const cy_panels *p) {
  return p->keeps ? (size_t)(p->k * kept_columns(p)) * (size_t)p->kernels->size : 0;
}

void cy_panels_keep(const cy_panels *p, const void *b, void *copy) {
  const int size = p->kernels->size;
  for (int64_t k0 = 0; k0 < p->k; k0 += p->k_block) {
    const int64_t k = min64(p->k_block, p->k - k0);
    for (int64_t j = 0; j < p->columns;) {
      const int64_t panel = (int64_t)p->kernels->lanes << width_at(p, j, p->columns), used = min64(panel, p->columns - j);
      pack(p->kernels, at(b, size, k0 * p->b[1] + j * p->b[2]), p->b[1], p->b[2], k, used,
           (char *)copy + (k0 * kept_columns(p) + j * k) * size, panel);
      j += used;
    }
  }
}

/* The rows of B that come behind the panel that ends at column j: B may lie far from the processor, and a panel's rows far
 * from one another. */
static const void *next_panel(const cy_panels *p, const char *b, int64_t k0, int64_t j, span columns) {
  if (p->pack || p->k * p->columns * p->kernels->size < LARGE_B) return NULL;
  if (j < columns.end) return at(b, p->kernels->size, k0 * p->b[1] + j * p->b[2]);
  return at(b, p->kernels->size, min64(k0 + p->k_block, p->k - 1) * p->b[1] + columns.begin * p->b[2]);
}

/* The panels of columns first... end of one batch, for a span of rows. */
static void run_panels(const cy_panels *p, const char *a, const char *b, char *c, summing sum, span rows, span columns,
                       char *scratch) {
  const cy_gemm_kernels *kernels = p->kernels;
  const int size = kernels->size;
  const int64_t panel_bytes = p->keeps ? 0 : p->k_block * ((int64_t)kernels->lanes << p->width) * size;
  for (int64_t k0 = 0; k0 == 0 || k0 < p->k; k0 += p->k_block) {
    const int64_t k = min64(p->k_block, p->k - k0);
    for (int64_t i = rows.begin; i < rows.end; i += p->row_block) {
      const int64_t row_count = min64(p->row_block, rows.end - i);
      const char *left = at(a, size, i * p->a[1] + k0 * p->a[2]);
      if (p->pack_rows) {
        pack_row_block(p, left, row_count, k, scratch + panel_bytes);
        left = scratch + panel_bytes;
      }
      for (int64_t j = columns.begin; j < columns.end;) {
        const int width = width_at(p, j, columns.end);
        const int64_t panel = (int64_t)kernels->lanes << width, used = min64(panel, columns.end - j);
        const char *right = at(b, size, k0 * p->b[1] + j * p->b[2]);
        int64_t right_step = p->b[1];
        if (p->keeps) {
          right = at(b, size, k0 * kept_columns(p) + j * k), right_step = panel;
        } else if (p->pack) {
          pack(kernels, right, p->b[1], p->b[2], k, used, scratch, panel);
          right = scratch, right_step = panel;
        }
        const cy_tile tile = {.k = k,
                              .a = left,
                              .a_row = p->a[1],
                              .a_step = p->a[2],
                              .b = right,
                              .b_step = right_step,
                              .ahead = next_panel(p, b, k0, j + panel, columns),
                              .ahead_step = p->b[1],
                              .c = c + (i * p->c[1] + j * p->c[2]) * size,
                              .c_row = p->c[1],
                              .last = (int)(used - (panel - kernels->lanes)),
                              .add = sum.add || k0 > 0,
                              .scale = sum.scale};
        run_rows(p, tile, width, row_count, used, sum.next);
        j += used;
      }
    }
  }
}

static void run_sweep(const cy_panels *p, const char *a, const char *b, char *c, summing sum, span columns) {
  const int size = p->kernels->size;
  p->kernels->sweep(&(cy_sweep){.k = p->k,
                                .columns = columns.end - columns.begin,
                                .a = a,
                                .a_step = p->a[2],
                                .b = at(b, size, columns.begin),
                                .b_row = p->b[1],
                                .c = c + columns.begin * size,
                                .add = sum.add,
                                .scale = sum.scale});
}

static void run_outer(const cy_panels *p, const char *a, const char *b, char *c, summing sum, span rows, span columns) {
  const int size = p->kernels->size;
  p->kernels->outer(&(cy_outer){.rows = rows.end - rows.begin,
                                .columns = columns.end - columns.begin,
                                .a = at(a, size, rows.begin * p->a[1]),
                                .a_row = p->a[1],
                                .b = at(b, size, columns.begin),
                                .c = c + (rows.begin * p->c[1] + columns.begin) * size,
                                .c_row = p->c[1],
                                .add = sum.add,
                                .scale = sum.scale});
}

static void run_dots(const cy_panels *p, const char *a, const char *b, char *c, summing sum, span rows, span columns) {
  const int size = p->kernels->size;
  p->kernels->dot(&(cy_dots){.rows = rows.end - rows.begin,
                            .columns = columns.end - columns.begin,
                            .k = p->k,
                            .a = at(a, size, rows.begin * p->a[1]),
                            .a_row = p->a[1],
                            .b = at(b, size, columns.begin * p->b[2]),
                            .b_row = p->b[2],
                            .c = c + (rows.begin * p->c[1] + columns.begin * p->c[2]) * size,
                            .c_row = p->c[1],
                            .c_column = p->c[2],
                            .add = sum.add,
                            .scale = sum.scale});
}

static void run_part(const cy_panels *p, int part, const char *a, const char *b, char *c, summing sum, char *scratch) {
  const int size = p->kernels->size;
  const span columns =
      share(p->columns, (int64_t)p->kernels->lanes << p->width, part % p->column_parts, p->column_parts);
  const span rows = share(p->rows, 1, part / p->column_parts % p->row_parts, p->row_parts);
  const span batch = share(p->batch, 1, part / p->column_parts / p->row_parts, p->batch_parts);
  if (rows.begin >= rows.end || columns.begin >= columns.end) return;
  for (int64_t i = batch.begin; i < batch.end; ++i) {
    const int64_t group = i / p->inner, member = i % p->inner;
    const char *left = at(a, size, group * p->a[0] + member * p->within[0]);
    const char *right = at(b, size, group * p->b[0] + member * p->within[1]);
    char *out = c + (group * p->c[0] + member * p->within[2]) * size;
    if (p->dot) run_dots(p, left, right, out, sum, rows, columns);
    else if (p->outer) run_outer(p, left, right, out, sum, rows, columns);
    else if (p->sweep) run_sweep(p, left, right, out, sum, columns);
    else run_panels(p, left, right, out, sum, rows, columns, scratch + (size_t)part * p->part_scratch);
  }
}

void cy_panels_run(const cy_panels *p, const void *a, const void *b, bool add, double scale, void *c, void *scratch,
                   const cy_ranges *next) {
  const summing sum = {add, scale, NULL};
  if (p->transposed) {
    const void *left = b;
    b = a, a = left;
  }
  const int parts = p->batch_parts * p->row_parts * p->column_parts;
  if (parts == 1) {
    fetching fetch = {.left = next ? *next : (cy_ranges){0}};
    run_part(p, 0, a, b, c, (summing){add, scale, &fetch}, scratch);
    return;
  }
#pragma omp parallel for num_threads(parts) schedule(static)
  for (int part = 0; part < parts; ++part) run_part(p, part, a, b, c, sum, scratch);
}
