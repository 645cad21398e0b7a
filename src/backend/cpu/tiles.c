/* Running a planned group: loops over tiles, and in each over instructions. Everything was decided by tile_plan.c;
 * here pointers are moved and kernels called. No allocation, no locks: workers meet only at the end of a pass. */
#include "backend/cpu/tile_plan.h"

#include <math.h>
#include <string.h>

/* What one worker needs while it runs. */
typedef struct run {
  const cy_tiles *tiles;
  void *const *inputs, *const *outputs;
  char *shared, *mine; /* scratch */
  void **slot;         /* the table of pointers, at the start of mine */
  int64_t *pitch;      /* per slot: bytes from row to row */
  cy_tile_number *sum;
  bool *direct;                           /* per bound output: written in place in this run */
  int64_t row, n_rows, column, n_columns; /* the tile */
  size_t elements[4];                     /* of it, by level */
} run;

/* ---- walking memory ---- */

/* Runs of elements along the last of some axes, for the flat positions start .. start + n - 1. */
typedef struct runs {
  const int64_t *dim, *stride;
  int axes;
  int64_t index[CY_MAX_RANK];
  int64_t offset, left;
} runs;

static runs runs_start(const int64_t *dim, const int64_t *stride, int axes, int64_t start, int64_t n) {
  runs w = {.dim = dim, .stride = stride, .axes = axes, .left = n};
  for (int i = axes - 1; i >= 0; i--) {
    w.index[i] = dim[i] ? start % dim[i] : 0;
    start = dim[i] ? start / dim[i] : 0;
    w.offset += w.index[i] * stride[i];
  }
  return w;
}

/* The next run's offset and length; false when there is none. Its stride is that of the last axis. */
static bool runs_next(runs *w, int64_t *offset, int64_t *length) {
  if (w->left <= 0) return false;
  *offset = w->offset;
  if (w->axes == 0) {
    *length = w->left;
    w->left = 0;
    return true;
  }
  int last = w->axes - 1;
  int64_t n = w->dim[last] - w->index[last];
  if (n > w->left) n = w->left;
  *length = n;
  w->left -= n;
  w->index[last] += n;
  w->offset += n * w->stride[last];
  for (int i = last; i > 0 && w->index[i] == w->dim[i]; i--) {
    w->offset += w->stride[i - 1] - w->dim[i] * w->stride[i];
    w->index[i] = 0;
    w->index[i - 1]++;
  }
  return true;
}

#define STRIDED(T, out_step, in_step)                                                                                  \
  {                                                                                                                    \
    T *o = (T *)out;                                                                                                   \
    const T *x = (const T *)in;                                                                                        \
    for (int64_t i = 0; i < n; i++) o[i * (out_step)] = x[i * (in_step)];                                              \
  }
#define BY_SIZE(size, out_step, in_step)                                                                               \
  switch (size) {                                                                                                      \
    case 1: STRIDED(uint8_t, out_step, in_step) break;                                                                 \
    case 4: STRIDED(uint32_t, out_step, in_step) break;                                                                \
    default: STRIDED(uint64_t, out_step, in_step) break;                                                               \
  }

static void gather(void *out, const void *in, int64_t stride, int64_t n, size_t size) {
  if (stride == 1) memcpy(out, in, (size_t)n * size);
  else if (stride == 0) BY_SIZE(size, 1, 0)
  else BY_SIZE(size, 1, stride)
}

static void scatter(void *out, const void *in, int64_t stride, int64_t n, size_t size) {
  if (stride == 1) memcpy(out, in, (size_t)n * size);
  else BY_SIZE(size, stride, 1)
}

static void count_up(void *out, cy_dtype dtype, int64_t from, int64_t stride, int64_t n) {
  switch (dtype) {
    case CY_F32:
      for (int64_t i = 0; i < n; i++) ((float *)out)[i] = (float)(from + i * stride);
      break;
    case CY_F64:
      for (int64_t i = 0; i < n; i++) ((double *)out)[i] = (double)(from + i * stride);
      break;
    case CY_I32:
      for (int64_t i = 0; i < n; i++) ((int32_t *)out)[i] = (int32_t)(from + i * stride);
      break;
    case CY_I64:
      for (int64_t i = 0; i < n; i++) ((int64_t *)out)[i] = from + i * stride;
      break;
    case CY_U8:
      for (int64_t i = 0; i < n; i++) ((uint8_t *)out)[i] = (uint8_t)(from + i * stride);
      break;
    case CY_BOOL:
      for (int64_t i = 0; i < n; i++) ((uint8_t *)out)[i] = from + i * stride != 0;
      break;
  }
}

/* Seeds and steps may be of any dtype. */
static uint64_t key_at(const run *r, int slot) {
  const cy_tile_slot *s = &r->tiles->slots[slot];
  const void *p = r->slot[slot];
  return s->dtype == CY_I64 ? (uint64_t) * (const int64_t *)p : (uint64_t)(int64_t)cy_load(p, s->dtype, 0);
}

static void load_run(const run *r, const cy_instruction *in, char *out, int64_t offset, int64_t stride, int64_t n) {
  const cy_tile_access *access = &r->tiles->accesses[in->access];
  int64_t size = (int64_t)cy_dtype_size(access->dtype);
  switch (access->source) {
    case CY_SOURCE_MEMORY:
      gather(out, (const char *)r->inputs[access->tensor] + offset * size, stride, n, (size_t)size);
      break;
    case CY_SOURCE_IOTA: count_up(out, access->dtype, offset, stride, n); break;
    case CY_SOURCE_RANDOM: {
      const cy_random_key key = {key_at(r, in->a), key_at(r, in->b), access->stream};
      const bool together = stride == 1 || n == 1;
      r->tiles->kernels->random[access->dtype == CY_F64](out, &key, (uint64_t)offset, stride, together ? (size_t)n : 1,
                                                         together ? 1 : (size_t)n);
      break;
    }
  }
}

static void store_run(const run *r, const cy_tile_access *access, const char *in, int64_t offset, int64_t stride,
                      int64_t n) {
  int64_t size = (int64_t)cy_dtype_size(access->dtype);
  scatter((char *)r->outputs[access->tensor] + offset * size, in, stride, n, (size_t)size);
}

/* Calls move(offset, stride, n, position in the register) for every run of a value's part of the tile. */
#define FOR_RUNS(r, access, level, move)                                                                               \
  do {                                                                                                                 \
    const cy_tiles *t_ = (r)->tiles;                                                                                   \
    int64_t offset, n, at = 0, stride, base;                                                                           \
    int column_axes = t_->n_axes - t_->row_axes;                                                                       \
    bool by_columns = column_axes && (level) != CY_LEVEL_ROW && (level) != CY_LEVEL_UNIFORM;                           \
    int64_t n_rows = (level) == CY_LEVEL_UNIFORM || (level) == CY_LEVEL_COLUMN ? 1 : (r)->n_rows;                      \
    runs rows_ = runs_start(t_->dim, (access)->stride, (level) == CY_LEVEL_UNIFORM ? 0 : t_->row_axes,                 \
                            (level) == CY_LEVEL_COLUMN ? 0 : (r)->row, n_rows);                                        \
    while (runs_next(&rows_, &base, &n)) {                                                                             \
      stride = rows_.axes ? (access)->stride[rows_.axes - 1] : 0;                                                      \
      if (!by_columns) {                                                                                               \
        offset = base;                                                                                                 \
        move;                                                                                                          \
        at += n;                                                                                                       \
        continue;                                                                                                      \
      }                                                                                                                \
      int64_t row_stride = stride, in_run = n;                                                                         \
      for (int64_t k = 0; k < in_run; k++, base += row_stride) {                                                       \
        if (column_axes == 1) {                                                                                        \
          stride = (access)->stride[t_->n_axes - 1];                                                                   \
          offset = base + (r)->column * stride;                                                                        \
          n = (r)->n_columns;                                                                                          \
          move;                                                                                                        \
          at += n;                                                                                                     \
          continue;                                                                                                    \
        }                                                                                                              \
        runs columns_ = runs_start(t_->dim + t_->row_axes, (access)->stride + t_->row_axes, column_axes, (r)->column,  \
                                   (r)->n_columns);                                                                    \
        stride = (access)->stride[t_->n_axes - 1];                                                                     \
        while (runs_next(&columns_, &offset, &n)) {                                                                    \
          offset += base;                                                                                              \
          move;                                                                                                        \
          at += n;                                                                                                     \
        }                                                                                                              \
      }                                                                                                                \
    }                                                                                                                  \
  } while (0)

/* ---- turned tiles: neighbours in memory are rows ---- */

typedef uint32_t four __attribute__((vector_size(16), aligned(4), may_alias));
#if defined(__clang__)
#define CHOOSE(p, q, ...) __builtin_shufflevector(p, q, __VA_ARGS__)
#else
typedef int32_t choice __attribute__((vector_size(16)));
#define CHOOSE(p, q, ...) __builtin_shuffle(p, q, (choice){__VA_ARGS__})
#endif

/* Four columns of four rows. */
static inline void turn_four(const uint32_t *x, int64_t column, uint32_t *out, int64_t row) {
  const four a = *(const four *)x, b = *(const four *)(x + column);
  const four c = *(const four *)(x + 2 * column), d = *(const four *)(x + 3 * column);
  const four ab = CHOOSE(a, b, 0, 4, 1, 5), cd = CHOOSE(c, d, 0, 4, 1, 5);
  const four ef = CHOOSE(a, b, 2, 6, 3, 7), gh = CHOOSE(c, d, 2, 6, 3, 7);
  *(four *)out = CHOOSE(ab, cd, 0, 1, 4, 5);
  *(four *)(out + row) = CHOOSE(ab, cd, 2, 3, 6, 7);
  *(four *)(out + 2 * row) = CHOOSE(ef, gh, 0, 1, 4, 5);
  *(four *)(out + 3 * row) = CHOOSE(ef, gh, 2, 3, 6, 7);
}

/* out[i * row + j] = x[i + j * stride]. */
static void turn(const uint32_t *x, int64_t stride, int64_t rows, int64_t columns, uint32_t *out, int64_t row) {
  for (int64_t i = 0; i < rows; i += 4)
    for (int64_t j = 0; j < columns; j += 4) {
      if (i + 4 <= rows && j + 4 <= columns) {
        turn_four(x + i + j * stride, stride, out + i * row + j, row);
        continue;
      }
      for (int64_t k = i; k < rows && k < i + 4; k++)
        for (int64_t l = j; l < columns && l < j + 4; l++) out[k * row + l] = x[k + l * stride];
    }
}

static bool is_turned(const cy_tiles *t, const cy_tile_access *access, cy_tile_level level) {
  return level == CY_LEVEL_FULL && access->source != CY_SOURCE_IOTA && cy_dtype_size(access->dtype) == 4 &&
         t->row_axes > 0 && t->n_axes == t->row_axes + 1 && access->stride[t->row_axes - 1] == 1 &&
         access->stride[t->row_axes] > 1;
}

enum { TURNED_ROWS = 64, TURNED_COLUMNS = 64 }; /* random numbers made at a time */

/* Random numbers of positions that are neighbours along the rows: made as they are counted, then turned. */
static void random_turned(const run *r, const cy_instruction *in, int64_t offset, int64_t rows, uint32_t *out) {
  const cy_tile_access *access = &r->tiles->accesses[in->access];
  const cy_random_key key = {key_at(r, in->a), key_at(r, in->b), access->stream};
  const int64_t stride = access->stride[r->tiles->row_axes], columns = r->n_columns;
  uint32_t made[TURNED_ROWS * TURNED_COLUMNS];
  for (int64_t i = 0; i < rows; i += TURNED_ROWS)
    for (int64_t j = 0; j < columns; j += TURNED_COLUMNS) {
      const int64_t m = rows - i < TURNED_ROWS ? rows - i : TURNED_ROWS;
      const int64_t n = columns - j < TURNED_COLUMNS ? columns - j : TURNED_COLUMNS;
      r->tiles->kernels->random[0](made, &key, (uint64_t)(offset + i + j * stride), stride, (size_t)m, (size_t)n);
      turn(made, m, m, n, out + i * columns + j, columns);
    }
}

static void load_turned(const run *r, const cy_instruction *in, uint32_t *out) {
  const cy_tiles *t = r->tiles;
  const cy_tile_access *access = &t->accesses[in->access];
  const int64_t stride = access->stride[t->row_axes], first = r->column * stride, columns = r->n_columns;
  int64_t offset, n;
  runs rows = runs_start(t->dim, access->stride, t->row_axes, r->row, r->n_rows);
  for (; runs_next(&rows, &offset, &n); out += n * columns) {
    if (access->source == CY_SOURCE_RANDOM) random_turned(r, in, first + offset, n, out);
    else turn((const uint32_t *)r->inputs[access->tensor] + first + offset, stride, n, columns, out, columns);
  }
}

/* Do the tile's elements follow one another in the domain? */
static bool is_dense(const run *r) { return r->n_rows == 1 || r->n_columns == r->tiles->columns; }

static void load(const run *r, const cy_instruction *in) {
  const cy_tile_access *access = &r->tiles->accesses[in->access];
  int64_t size = (int64_t)cy_dtype_size(access->dtype);
  char *out = r->slot[in->dst];
  if (is_turned(r->tiles, access, in->level)) {
    load_turned(r, in, (uint32_t *)(void *)out);
    return;
  }
  if (access->source == CY_SOURCE_RANDOM && access->flat && in->level == CY_LEVEL_FULL && is_dense(r)) {
    load_run(r, in, out, r->row * r->tiles->columns + r->column, 1, r->n_rows * r->n_columns);
    return;
  }
  FOR_RUNS(r, access, in->level, load_run(r, in, out + at * size, offset, stride, n));
  if (in->level != CY_LEVEL_COLUMN) return;
  size_t row = (size_t)(r->n_columns * size), all = row * (size_t)r->tiles->tile_rows;
  for (size_t have = row; have && have < all; have *= 2) /* every row is like the first */
    memcpy(out + have, out, have < all - have ? have : all - have);
}

static void store(const run *r, const cy_instruction *in) {
  const cy_tile_access *access = &r->tiles->accesses[in->access];
  int64_t size = (int64_t)cy_dtype_size(access->dtype);
  const char *from = r->slot[in->a];
  if (in->direct >= 0 && r->direct[in->direct]) return;
  FOR_RUNS(r, access, in->level, store_run(r, access, from + at * size, offset, stride, n));
}

/* ---- running sums ---- */

static cy_tile_number sum_identity(const cy_tile_sum *s) {
  cy_tile_number zero = {0};
  if (s->combine == CY_COMBINE_SUM) return zero;
  switch (s->dtype) {
    case CY_F32:
    case CY_F64: zero.real = -INFINITY; break;
    case CY_I32: zero.integer = INT32_MIN; break;
    case CY_I64: zero.integer = INT64_MIN; break;
    case CY_U8:
    case CY_BOOL: break;
  }
  return zero;
}

static cy_tile_number number_at(const void *p, cy_dtype dtype) {
  if (cy_dtype_is_float(dtype)) return (cy_tile_number){.real = cy_load(p, dtype, 0)};
  switch (dtype) {
    case CY_I64: return (cy_tile_number){.integer = *(const int64_t *)p};
    case CY_I32: return (cy_tile_number){.integer = *(const int32_t *)p};
    default: return (cy_tile_number){.integer = *(const uint8_t *)p};
  }
}

/* Integers wrap at the width of their dtype. */
static void put_number(void *p, cy_dtype dtype, cy_tile_number v) {
  switch (dtype) {
    case CY_F32: *(float *)p = (float)v.real; break;
    case CY_F64: *(double *)p = v.real; break;
    case CY_I32: *(int32_t *)p = (int32_t)v.integer; break;
    case CY_I64: *(int64_t *)p = v.integer; break;
    case CY_U8:
    case CY_BOOL: *(uint8_t *)p = (uint8_t)v.integer; break;
  }
}

static cy_tile_number combined(const cy_tile_sum *s, cy_tile_number a, cy_tile_number b) {
  if (cy_dtype_is_float(s->dtype)) a.real = s->combine == CY_COMBINE_SUM ? a.real + b.real : CY_MAX(a.real, b.real);
  else a.integer = s->combine == CY_COMBINE_SUM ? a.integer + b.integer : CY_MAX(a.integer, b.integer);
  return a;
}

static void add_to_sum(const run *r, const cy_instruction *in, size_t n) {
  const cy_tile_sum *s = &r->tiles->sums[in->sum];
  _Alignas(8) char part[8];
  r->tiles->kernels->reduce[s->combine][s->dtype](part, r->slot[in->a], 1, n);
  r->sum[in->sum] = combined(s, r->sum[in->sum], number_at(part, s->dtype));
}

static char *worker_scratch(const cy_tiles *t, char *shared, int worker) {
  return shared + t->shared_bytes + (size_t)worker * t->worker_bytes;
}

/* All workers' parts, in their order. */
static cy_tile_number total(const cy_tiles *t, char *shared, int sum) {
  cy_tile_number result = sum_identity(&t->sums[sum]);
  for (int w = 0; w < t->workers; w++) {
    const cy_tile_number *part = (const void *)(worker_scratch(t, shared, w) + t->sums_offset);
    result = combined(&t->sums[sum], result, part[sum]);
  }
  return result;
}

/* ---- instructions ---- */

static void splat(void *out, const void *in, int64_t n, cy_dtype dtype) { gather(out, in, 0, n, cy_dtype_size(dtype)); }

static void expand(const run *r, const cy_instruction *in) {
  r->tiles->kernels->expand[cy_element_size_index(in->dtype)](r->slot[in->dst], r->slot[in->a], (size_t)r->n_rows,
                                                              (size_t)r->n_columns);
}

/* Where no rows lie apart, all of them are one. */
static void fused(const run *r, const cy_instruction *in, size_t n) {
  const void *x[CY_FUSED_OPERANDS];
  int64_t pitch[CY_FUSED_OPERANDS + 1];
  const size_t columns = in->apart ? (size_t)r->n_columns : n;
  for (int k = 0; k < CY_FUSED_OPERANDS; k++) {
    x[k] = r->slot[in->operand[k]];
    pitch[k] = r->pitch[in->operand[k]];
  }
  pitch[CY_FUSED_OPERANDS] = r->pitch[in->dst];
  in->fused(r->slot[in->dst], x, in->step, pitch, in->apart ? n / columns : 1, columns);
}

static void kernel_by_rows(const run *r, const cy_instruction *in, size_t n) {
  char *dst = r->slot[in->dst];
  const char *a = r->slot[in->a], *b = r->slot[in->b], *c = r->slot[in->c];
  const size_t columns = (size_t)r->n_columns;
  for (size_t rows = n / columns; rows > 0; rows--) {
    in->kernel(dst, a, b, c, columns);
    dst += r->pitch[in->dst], a += r->pitch[in->a], b += r->pitch[in->b], c += r->pitch[in->c];
  }
}

static void accumulate_columns(const run *r, const cy_instruction *in) {
  const cy_tile_columns *s = &r->tiles->column_sums[in->sum];
  char *sums = r->mine + s->offset + (size_t)r->column * cy_dtype_size(s->dtype);
  r->tiles->kernels->accumulate[s->combine][s->dtype](sums, r->slot[in->a], (size_t)r->n_rows, (size_t)r->n_columns);
}

/* Row values leave the tile with the first block of columns. */
static bool once_per_row(const run *r, const cy_instruction *in) { return in->level != CY_LEVEL_ROW || r->column == 0; }

static void execute(const run *r, const cy_instruction_list *list) {
  const cy_instruction *end = list->item + list->count;
  void **slot = r->slot;
  for (const cy_instruction *in = list->item; in < end; in++) {
    size_t n = r->elements[in->level];
    switch (in->kind) {
      case CY_DO_KERNEL:
        if (in->apart) kernel_by_rows(r, in, n);
        else in->kernel(slot[in->dst], slot[in->a], slot[in->b], slot[in->c], n);
        break;
      case CY_DO_FUSED: fused(r, in, n); break;
      case CY_DO_CONSTANT: cy_store(slot[in->dst], in->dtype, 0, in->number); break;
      case CY_DO_LOAD: load(r, in); break;
      case CY_DO_SPLAT: splat(slot[in->dst], slot[in->a], (int64_t)n, in->dtype); break;
      case CY_DO_EXPAND: expand(r, in); break;
      case CY_DO_ALIAS: slot[in->dst] = *(const uint8_t *)slot[in->a] ? slot[in->b] : slot[in->c]; break;
      case CY_DO_SAME: slot[in->dst] = slot[in->a]; break;
      case CY_DO_REDUCE:
        r->tiles->kernels->reduce[in->combine][in->dtype](slot[in->dst], slot[in->a], (size_t)r->n_rows,
                                                          (size_t)r->n_columns);
        break;
      case CY_DO_REDUCE_PART: add_to_sum(r, in, n); break;
      case CY_DO_ACCUMULATE_NUMBER:
        if (once_per_row(r, in)) add_to_sum(r, in, n);
        break;
      case CY_DO_TAKE_SUM:
        put_number(slot[in->dst], in->dtype,
                   r->tiles->split_columns ? total(r->tiles, r->shared, in->sum) : r->sum[in->sum]);
        break;
      case CY_DO_ACCUMULATE_COLUMNS: accumulate_columns(r, in); break;
      case CY_DO_STORE:
        if (once_per_row(r, in)) store(r, in);
        break;
    }
  }
}

/* ---- tiles ---- */

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t offset_at(const cy_tiles *t, const cy_tile_access *access, int64_t row, int64_t column,
                         cy_tile_level level) {
  if (access->flat && level == CY_LEVEL_FULL) return row * t->columns + column;
  int64_t offset = 0;
  if (level != CY_LEVEL_COLUMN && row) offset = runs_start(t->dim, access->stride, t->row_axes, row, 0).offset;
  if (level != CY_LEVEL_ROW && column)
    offset += runs_start(t->dim + t->row_axes, access->stride + t->row_axes, t->n_axes - t->row_axes, column, 0).offset;
  return offset;
}

static void bind_inputs(const run *r, bool columns_only) {
  const cy_tiles *t = r->tiles;
  for (int i = 0; i < t->n_inputs_bound; i++) {
    const cy_tile_binding *b = &t->inputs_bound[i];
    const cy_tile_access *access = &t->accesses[b->access];
    if (t->slots[b->slot].owned || (b->level == CY_LEVEL_COLUMN) != columns_only) continue; /* owned: it is copied */
    r->slot[b->slot] = (char *)r->inputs[access->tensor] +
                       offset_at(t, access, r->row, r->column, b->level) * (int64_t)cy_dtype_size(access->dtype);
  }
}

static void bind_outputs(const run *r, bool final) {
  const cy_tiles *t = r->tiles;
  for (int i = 0; i < t->n_outputs_bound; i++) {
    const cy_tile_binding *b = &t->outputs_bound[i];
    const cy_tile_access *access = &t->accesses[b->access];
    r->slot[b->slot] = final && r->direct[i]
                           ? (char *)r->outputs[access->tensor] + offset_at(t, access, r->row, r->column, b->level) *
                                                                      (int64_t)cy_dtype_size(access->dtype)
                           : r->mine + t->slots[b->slot].offset;
  }
}

static void count_elements(run *r) {
  r->elements[CY_LEVEL_UNIFORM] = 1;
  r->elements[CY_LEVEL_COLUMN] = (size_t)(r->tiles->tile_rows * r->n_columns);
  r->elements[CY_LEVEL_ROW] = (size_t)r->n_rows;
  r->elements[CY_LEVEL_FULL] = (size_t)(r->n_rows * r->n_columns);
}

static void enter_rows(run *r, int64_t block) {
  r->row = block * r->tiles->tile_rows;
  r->n_rows = smaller(r->tiles->tile_rows, r->tiles->rows - r->row);
  count_elements(r);
}

static void enter_columns(run *r, int64_t block) {
  r->column = block * r->tiles->tile_columns;
  r->n_columns = smaller(r->tiles->tile_columns, r->tiles->columns - r->column);
  count_elements(r);
}

static void hoist(run *r) {
  bind_inputs(r, true);
  execute(r, &r->tiles->hoisted);
}

static void one_tile(const run *r) {
  bind_inputs(r, false);
  bind_outputs(r, true);
  execute(r, &r->tiles->body[0]);
}

static void worker_start(run *r, const cy_tiles *t, void *const *inputs, void *const *outputs, char *shared,
                         int worker) {
  *r = (run){.tiles = t, .inputs = inputs, .outputs = outputs, .shared = shared};
  r->mine = worker_scratch(t, shared, worker);
  r->slot = (void **)(void *)r->mine;
  r->pitch = (int64_t *)(void *)(r->mine + t->pitch_offset);
  r->sum = (cy_tile_number *)(void *)(r->mine + t->sums_offset);
  r->direct = (bool *)(r->mine + t->direct_offset);
}

/* An output is written in place unless an input that is still to be read lies there. */
static bool may_write_direct(const run *r, const cy_tile_binding *output) {
  const cy_tiles *t = r->tiles;
  const void *target = r->outputs[t->accesses[output->access].tensor];
  for (int a = 0; a < t->n_inputs_bound; a++) {
    const cy_tile_binding *input = &t->inputs_bound[a];
    if (input->last_read > output->written && r->inputs[t->accesses[input->access].tensor] == target) return false;
  }
  return true;
}

static void worker_prepare(run *r) {
  const cy_tiles *t = r->tiles;
  r->n_rows = t->tile_rows;
  r->n_columns = t->tile_columns;
  count_elements(r);
  for (int i = 0; i < t->n_slots; i++)
    r->slot[i] = t->slots[i].owned ? (t->slots[i].shared ? r->shared : r->mine) + t->slots[i].offset : NULL;
  for (int i = 0; i < t->n_slots; i++)
    r->pitch[i] = t->slots[i].level == CY_LEVEL_UNIFORM ? 0
                  : t->slots[i].apart                   ? t->slots[i].pitch
                                                        : t->tile_columns * (int64_t)cy_dtype_size(t->slots[i].dtype);
  for (int i = 0; i < t->n_sums; i++) r->sum[i] = sum_identity(&t->sums[i]);
  for (int i = 0; i < t->n_column_sums; i++) {
    const cy_tile_columns *s = &t->column_sums[i];
    _Alignas(8) char identity[8];
    put_number(identity, s->dtype, sum_identity(&(cy_tile_sum){.combine = s->combine, .dtype = s->dtype}));
    splat(r->mine + s->offset, identity, t->columns, s->dtype);
  }
  for (int i = 0; i < t->n_outputs_bound; i++) {
    const int slot = t->outputs_bound[i].slot;
    r->direct[i] = may_write_direct(r, &t->outputs_bound[i]);
    if (!r->direct[i]) r->pitch[slot] = t->tile_columns * (int64_t)cy_dtype_size(t->slots[slot].dtype);
  }
  execute(r, &t->prologue);
}

/* The worker's share of n blocks: consecutive ones, in the order of the workers. */
static void share(int64_t n, int workers, int worker, int64_t *from, int64_t *to) {
  *from = n * worker / workers;
  *to = n * (worker + 1) / workers;
}

static void run_tiles(run *r, int worker) {
  const cy_tiles *t = r->tiles;
  int64_t row_from = 0, row_to = t->row_blocks, column_from = 0, column_to = t->column_blocks;
  if (t->split_columns) share(t->column_blocks, t->workers, worker, &column_from, &column_to);
  else share(t->row_blocks, t->workers, worker, &row_from, &row_to);
  if (t->columns_outside) {
    if (row_from == row_to) return;
    for (int64_t c = column_from; c < column_to; c++) {
      enter_columns(r, c);
      hoist(r);
      for (int64_t b = row_from; b < row_to; b++) {
        enter_rows(r, b);
        one_tile(r);
      }
    }
  } else {
    for (int64_t b = row_from; b < row_to; b++) {
      enter_rows(r, b);
      for (int64_t c = column_from; c < column_to; c++) {
        enter_columns(r, c);
        one_tile(r);
      }
    }
  }
}

/* ---- rows in pieces ---- */

/* The sums that pass p's pieces go into start anew with every row. */
static void run_pass(run *r, int pass, int64_t column_from, int64_t column_to) {
  const cy_tiles *t = r->tiles;
  if (pass == 0) bind_inputs(r, false);
  execute(r, &t->row[pass]);
  for (size_t i = 0; i < t->body[pass].count; i++)
    if (t->body[pass].item[i].kind == CY_DO_REDUCE_PART)
      r->sum[t->body[pass].item[i].sum] = sum_identity(&t->sums[t->body[pass].item[i].sum]);
  for (int64_t c = column_from; c < column_to; c++) {
    enter_columns(r, c);
    bind_inputs(r, false);
    bind_outputs(r, pass == t->passes - 1);
    execute(r, &t->body[pass]);
  }
}

static void run_rows_in_pieces(run *r, int worker) {
  const cy_tiles *t = r->tiles;
  int64_t from, to;
  share(t->row_blocks, t->workers, worker, &from, &to);
  for (int64_t b = from; b < to; b++) {
    enter_rows(r, b);
    enter_columns(r, 0);
    for (int p = 0; p < t->passes; p++) run_pass(r, p, 0, t->column_blocks);
    enter_columns(r, 0);
    execute(r, &t->row[t->passes]);
  }
}

typedef struct job {
  const cy_tiles *tiles;
  void *const *inputs, *const *outputs;
  char *shared;
} job;

/* Few, very long rows: all workers on one row, and a meeting after every pass. */
static void run_one_row_together(const job *j, int64_t row) {
  const cy_tiles *t = j->tiles;
  for (int p = 0; p <= t->passes; p++) {
#pragma omp parallel for num_threads(t->workers) schedule(static, 1) if (t->workers > 1 && p < t->passes)
    for (int w = 0; w < t->workers; w++) {
      run r;
      int64_t from, to;
      worker_start(&r, t, j->inputs, j->outputs, j->shared, w);
      if (row == 0 && p == 0) worker_prepare(&r);
      enter_rows(&r, row);
      share(t->column_blocks, t->workers, w, &from, &to);
      enter_columns(&r, 0);
      if (p < t->passes) run_pass(&r, p, from, to);
      else if (w == 0) execute(&r, &t->row[p]);
    }
  }
}

static void run_worker(const job *j, int worker) {
  run r;
  worker_start(&r, j->tiles, j->inputs, j->outputs, j->shared, worker);
  worker_prepare(&r);
  if (j->tiles->in_pieces) run_rows_in_pieces(&r, worker);
  else run_tiles(&r, worker);
}

/* ---- a run ---- */

static void run_uniform(const job *j) {
  const cy_tiles *t = j->tiles;
  run r;
  worker_start(&r, t, j->inputs, j->outputs, j->shared, 0);
  for (int i = 0; i < t->n_slots; i++) r.slot[i] = t->slots[i].shared ? j->shared + t->slots[i].offset : NULL;
  r.elements[CY_LEVEL_UNIFORM] = 1;
  execute(&r, &t->uniform);
}

/* Accumulated outputs: the workers' partial results in their order. */
static void finish(const job *j) {
  const cy_tiles *t = j->tiles;
  for (int i = 0; i < t->n_sums; i++)
    if (t->sums[i].output >= 0) put_number(j->outputs[t->sums[i].output], t->sums[i].dtype, total(t, j->shared, i));
  for (int i = 0; i < t->n_column_sums; i++) {
    const cy_tile_columns *s = &t->column_sums[i];
    const cy_tile_access *access = &t->accesses[s->access];
    int64_t size = (int64_t)cy_dtype_size(s->dtype), offset, n, at = 0;
    char *first = worker_scratch(t, j->shared, 0) + s->offset;
    for (int w = 1; w < t->workers; w++)
      t->kernels->accumulate[s->combine][s->dtype](first, worker_scratch(t, j->shared, w) + s->offset, 1,
                                                   (size_t)t->columns);
    runs walk = runs_start(t->dim + t->row_axes, access->stride + t->row_axes, t->n_axes - t->row_axes, 0, t->columns);
    for (; runs_next(&walk, &offset, &n); at += n)
      scatter((char *)j->outputs[s->output] + offset * size, first + at * size,
              walk.axes ? access->stride[t->n_axes - 1] : 0, n, (size_t)size);
  }
}

void cy_tiles_run(const cy_tiles *t, void *const *inputs, void *const *outputs, void *scratch) {
  job j = {t, inputs, outputs, scratch};
  run_uniform(&j);
  if (t->in_pieces && t->split_columns) {
    for (int64_t row = 0; row < t->rows; row++) run_one_row_together(&j, row);
  } else if (t->workers == 1) {
    run_worker(&j, 0);
  } else {
#pragma omp parallel for num_threads(t->workers) schedule(static, 1)
    for (int w = 0; w < t->workers; w++) run_worker(&j, w);
  }
  finish(&j);
}

size_t cy_tiles_scratch(const cy_tiles *t) { return t->shared_bytes + (size_t)t->workers * t->worker_bytes; }
