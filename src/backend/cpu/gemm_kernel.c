/* One tile of a contraction in vector registers, for one instruction set: the build compiles this file with
 * CY_KERNEL_NAME (the table's suffix) and CY_LANES (floats per vector) and the compiler flags that belong to them.
 * Every function here is pure arithmetic on the caller's memory; gemm_panels.c decides tiles, packing and threads. */
#include "backend/cpu/gemm_kernel.h"

#include "backend/cpu/unroll.h"

#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(CY_KERNEL_F64)
typedef double real;
#define REAL_SIZE 8
#else
typedef float real;
#define REAL_SIZE 4
#endif
#define VECTOR_BYTES (CY_LANES * REAL_SIZE)

/* Unaligned, and an alias of the array it lies in. */
typedef real vec __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_SIZE), may_alias));

INLINE vec load(const real *p) { return *(const vec *)p; }
INLINE void store(real *p, vec v) { *(vec *)p = v; }

/* The first `count` lanes, the others zero; nothing beyond them is touched. */
#if VECTOR_BYTES == 64 && defined(__AVX512F__) && REAL_SIZE == 4
typedef __mmask16 part;
INLINE part part_of(int count) { return (part)((1u << count) - 1); }
INLINE vec load_part(const real *p, part m) { return (vec)_mm512_maskz_loadu_ps(m, p); }
INLINE void store_part(real *p, vec v, part m) { _mm512_mask_storeu_ps(p, m, (__m512)v); }
#elif VECTOR_BYTES == 64 && defined(__AVX512F__)
typedef __mmask8 part;
INLINE part part_of(int count) { return (part)((1u << count) - 1); }
INLINE vec load_part(const real *p, part m) { return (vec)_mm512_maskz_loadu_pd(m, p); }
INLINE void store_part(real *p, vec v, part m) { _mm512_mask_storeu_pd(p, m, (__m512d)v); }
#elif VECTOR_BYTES == 32 && defined(__AVX2__) && REAL_SIZE == 4
typedef __m256i part;
INLINE part part_of(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vec load_part(const real *p, part m) { return (vec)_mm256_maskload_ps(p, m); }
INLINE void store_part(real *p, vec v, part m) { _mm256_maskstore_ps(p, m, (__m256)v); }
#elif VECTOR_BYTES == 32 && defined(__AVX2__)
typedef __m256i part;
INLINE part part_of(int count) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
INLINE vec load_part(const real *p, part m) { return (vec)_mm256_maskload_pd(p, m); }
INLINE void store_part(real *p, vec v, part m) { _mm256_maskstore_pd(p, m, (__m256d)v); }
#else
typedef int part;
INLINE part part_of(int count) { return count; }
INLINE vec load_part(const real *p, part m) {
  vec v = {0};
  for (int i = 0; i < m; ++i) v[i] = p[i];
  return v;
}
INLINE void store_part(real *p, vec v, part m) {
  for (int i = 0; i < m; ++i) p[i] = v[i];
}
#endif

/* Rows of b that are fetched before they are needed, where nothing is known of what comes after the tile. Panels that come
 * from the third-level cache are otherwise waited for at every page: a quarter of the time of small batches' convolutions. */
enum { AHEAD = 16 };

/* Rows and vectors are constants in every caller, so that the accumulators live in registers. Row addresses go
 * through one pointer per three rows: with base + stride and base + 2 * stride as addressing modes, no other
 * register is needed. */
INLINE void tile_body(const cy_tile *t, const int rows, const int vectors) {
  vec sum[CY_TILE_ROWS][8];
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int v = 0; v < vectors; ++v) sum[i][v] = (vec){0};
  const part last = part_of(t->last);
  const int64_t a_row = t->a_row, a_step = t->a_step, b_step = t->b_step;
  const real *b = t->b, *ahead = t->ahead ? t->ahead : b + AHEAD * b_step;
  const int64_t ahead_step = t->ahead ? t->ahead_step : b_step;
  const real *base[(CY_TILE_ROWS + 2) / 3];
  UNROLL for (int i = 0; i < (rows + 2) / 3; ++i) base[i] = (const real *)t->a + 3 * i * a_row;
  if (t->k >= 64) /* c arrives while the sums run */
    UNROLL for (int i = 0; i < rows; ++i)
      UNROLL for (int v = 0; v < vectors; v += 64 / VECTOR_BYTES)
        __builtin_prefetch((const real *)t->c + i * t->c_row + v * CY_LANES, 1);
  for (int64_t run = t->more;; --run) {
    for (int64_t p = t->k; p > 0; --p) {
      vec right[8];
      UNROLL for (int v = 0; v + 1 < vectors; ++v) right[v] = load(b + v * CY_LANES);
      right[vectors - 1] = load_part(b + (vectors - 1) * CY_LANES, last);
      UNROLL for (int i = 0; i < rows; ++i) {
        const real left = base[i / 3][(i % 3) * a_row];
        UNROLL for (int v = 0; v < vectors; ++v) sum[i][v] += left * right[v];
      }
      UNROLL for (int i = 0; i < (rows + 2) / 3; ++i) base[i] += a_step;
      UNROLL for (int v = 0; v < vectors; v += 64 / VECTOR_BYTES) /* into the second-level cache */
        __builtin_prefetch(ahead + v * CY_LANES, 0, 2);
      b += b_step, ahead += ahead_step;
    }
    if (run <= 0) break;
    UNROLL for (int i = 0; i < (rows + 2) / 3; ++i) base[i] += t->a_jump;
    b += t->b_jump;
    if (!t->ahead) ahead += t->b_jump;
  }
  real *const c = t->c;
  const int64_t c_row = t->c_row;
  const real scale = (real)t->scale;
  if (t->add) {
    UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int v = 0; v < vectors; ++v) {
      const real *from = c + i * c_row + v * CY_LANES;
      sum[i][v] = (v + 1 < vectors ? load(from) : load_part(from, last)) + scale * sum[i][v];
    }
  } else if (scale != 1) {
    UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int v = 0; v < vectors; ++v) sum[i][v] *= scale;
  }
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int v = 0; v < vectors; ++v) {
    real *to = c + i * c_row + v * CY_LANES;
    if (v + 1 < vectors) store(to, sum[i][v]);
    else store_part(to, sum[i][v], last);
  }
}

#define TILE(rows, vectors) \
  static void tile_##rows##x##vectors(const cy_tile *t) { tile_body(t, rows, vectors); }
#define TILES_3(vectors) TILE(1, vectors) TILE(2, vectors) TILE(3, vectors)
#define TILES_6(vectors) TILES_3(vectors) TILE(4, vectors) TILE(5, vectors) TILE(6, vectors)
#define TILES_14(vectors)                                                                            \
  TILES_6(vectors) TILE(7, vectors) TILE(8, vectors) TILE(9, vectors) TILE(10, vectors) TILE(11, vectors) \
  TILE(12, vectors) TILE(13, vectors) TILE(14, vectors)
#define NAMES_3(vectors) tile_1x##vectors, tile_2x##vectors, tile_3x##vectors
#define NAMES_6(vectors) NAMES_3(vectors), tile_4x##vectors, tile_5x##vectors, tile_6x##vectors
#define NAMES_14(vectors)                                                                                    \
  NAMES_6(vectors), tile_7x##vectors, tile_8x##vectors, tile_9x##vectors, tile_10x##vectors, tile_11x##vectors, \
  tile_12x##vectors, tile_13x##vectors, tile_14x##vectors

/* 32 registers hold 28 sums, 16 hold 12. */
#if VECTOR_BYTES == 64
#define ROWS 14, 14, 6, 3
#define NAMES {NAMES_14(1)}, {NAMES_14(2)}, {NAMES_6(4)}, {NAMES_3(8)}
TILES_14(1)
TILES_14(2)
TILES_6(4)
TILES_3(8)
#else
#define ROWS 6, 6, 3, 1
#define NAMES {NAMES_6(1)}, {NAMES_6(2)}, {NAMES_3(4)}, {tile_1x8}
TILES_6(1)
TILES_6(2)
TILES_3(4)
TILE(1, 8)
#endif

/* `rows` rows of b times their factors, added to c; first: c is not read. */
INLINE void sweep_body(const cy_sweep *s, int64_t p, const int rows, const bool first) {
  real factor[8];
  const real scale = (real)s->scale;
  const real *b = (const real *)s->b + p * s->b_row;
  UNROLL for (int i = 0; i < rows; ++i) factor[i] = scale * ((const real *)s->a)[(p + i) * s->a_step];
  real *c = s->c;
  const int64_t b_row = s->b_row;
  int64_t j = 0;
  for (; j + CY_LANES <= s->columns; j += CY_LANES) {
    vec sum = first ? (vec){0} : load(c + j);
    UNROLL for (int i = 0; i < rows; ++i) sum += factor[i] * load(b + i * b_row + j);
    store(c + j, sum);
  }
  if (j < s->columns) {
    const part rest = part_of((int)(s->columns - j));
    vec sum = first ? (vec){0} : load_part(c + j, rest);
    UNROLL for (int i = 0; i < rows; ++i) sum += factor[i] * load_part(b + i * b_row + j, rest);
    store_part(c + j, sum, rest);
  }
}

static void sweep_rows(const cy_sweep *s) {
  int64_t p = s->k % 8;
  switch (p) {
    case 0: break;
    case 1: sweep_body(s, 0, 1, !s->add); break;
    case 2: sweep_body(s, 0, 2, !s->add); break;
    case 3: sweep_body(s, 0, 3, !s->add); break;
    case 4: sweep_body(s, 0, 4, !s->add); break;
    case 5: sweep_body(s, 0, 5, !s->add); break;
    case 6: sweep_body(s, 0, 6, !s->add); break;
    default: sweep_body(s, 0, 7, !s->add); break;
  }
  if (p == 0 && s->k > 0) sweep_body(s, 0, 8, !s->add), p = 8;
  for (; p < s->k; p += 8) sweep_body(s, p, 8, false);
}

enum { NARROW_ROWS = 8 };

/* Rows shorter than a vector: several are read before any is written, because reading a masked vector waits for a
 * masked write whose full width overlaps it. */
INLINE int64_t outer_narrow(const cy_outer *o, const part rest, const bool add) {
  const vec b = load_part(o->b, rest);
  const real scale = (real)o->scale;
  int64_t i = 0;
  for (; i + NARROW_ROWS <= o->rows; i += NARROW_ROWS) {
    const real *a = (const real *)o->a + i * o->a_row;
    real *c = (real *)o->c + i * o->c_row;
    vec row[NARROW_ROWS];
    UNROLL for (int r = 0; r < NARROW_ROWS; ++r) row[r] = add ? load_part(c + r * o->c_row, rest) : (vec){0};
    UNROLL for (int r = 0; r < NARROW_ROWS; ++r) row[r] += scale * a[r * o->a_row] * b;
    UNROLL for (int r = 0; r < NARROW_ROWS; ++r) store_part(c + r * o->c_row, row[r], rest);
  }
  return i;
}

INLINE void outer_body(const cy_outer *o, const bool add) {
  const int64_t whole = o->columns / CY_LANES * CY_LANES;
  const part rest = part_of((int)(o->columns - whole));
  const real *b = o->b, *a = o->a;
  const real scale = (real)o->scale;
  real *c = o->c;
  int64_t i = whole == 0 && o->columns ? outer_narrow(o, rest, add) : 0;
  a += i * o->a_row;
  c += i * o->c_row;
  for (; i < o->rows; ++i, a += o->a_row, c += o->c_row) {
    const real factor = scale * *a;
    for (int64_t j = 0; j < whole; j += CY_LANES)
      store(c + j, (add ? load(c + j) : (vec){0}) + factor * load(b + j));
    if (whole == o->columns) continue;
    vec tail = factor * load_part(b + whole, rest);
    if (add) tail += load_part(c + whole, rest);
    store_part(c + whole, tail, rest);
  }
}

static void outer_rows(const cy_outer *o) {
  if (o->add) outer_body(o, true);
  else outer_body(o, false);
}

INLINE real sum_lanes(vec v) {
  real half[CY_LANES];
  memcpy(half, &v, sizeof half);
  for (int width = CY_LANES / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) half[i] += half[i + width];
  return half[0];
}

/* rows x columns scalar products side by side; two sets of sums for few of them would hide latency, but reading the
 * matrix is what limits them. */
INLINE void dot_body(const cy_dots *d, int64_t row, int64_t column, const int rows, const int columns) {
  vec sum[4][8];
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int j = 0; j < columns; ++j) sum[i][j] = (vec){0};
  const real *a = (const real *)d->a + row * d->a_row, *b = (const real *)d->b + column * d->b_row;
  int64_t p = 0;
  for (; p + CY_LANES <= d->k; p += CY_LANES) {
    vec left[4];
    UNROLL for (int i = 0; i < rows; ++i) left[i] = load(a + i * d->a_row + p);
    UNROLL for (int j = 0; j < columns; ++j) {
      const vec right = load(b + j * d->b_row + p);
      UNROLL for (int i = 0; i < rows; ++i) sum[i][j] += left[i] * right;
    }
  }
  if (p < d->k) {
    const part rest = part_of((int)(d->k - p));
    vec left[4];
    UNROLL for (int i = 0; i < rows; ++i) left[i] = load_part(a + i * d->a_row + p, rest);
    UNROLL for (int j = 0; j < columns; ++j) {
      const vec right = load_part(b + j * d->b_row + p, rest);
      UNROLL for (int i = 0; i < rows; ++i) sum[i][j] += left[i] * right;
    }
  }
  real *c = (real *)d->c + row * d->c_row + column * d->c_column;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      real *to = c + i * d->c_row + j * d->c_column;
      const real product = (real)d->scale * sum_lanes(sum[i][j]);
      *to = d->add ? *to + product : product;
    }
}

static void dot_rows(const cy_dots *d) {
  int64_t j = 0;
  for (; j + 4 <= d->columns; j += 4) {
    int64_t i = 0;
    for (; i + 2 <= d->rows; i += 2) dot_body(d, i, j, 2, 4);
    for (; i < d->rows; ++i) dot_body(d, i, j, 1, 4);
  }
  for (; j < d->columns; ++j)
    for (int64_t i = 0; i < d->rows; ++i) dot_body(d, i, j, 1, 1);
}

#if CY_LANES == 16
#define INTERLEAVE_LOW(x, y) __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define INTERLEAVE_HIGH(x, y) \
  __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif CY_LANES == 8
#define INTERLEAVE_LOW(x, y) __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11)
#define INTERLEAVE_HIGH(x, y) __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15)
#elif CY_LANES == 4
#define INTERLEAVE_LOW(x, y) __builtin_shufflevector(x, y, 0, 4, 1, 5)
#define INTERLEAVE_HIGH(x, y) __builtin_shufflevector(x, y, 2, 6, 3, 7)
#else
#define INTERLEAVE_LOW(x, y) __builtin_shufflevector(x, y, 0, 2)
#define INTERLEAVE_HIGH(x, y) __builtin_shufflevector(x, y, 1, 3)
#endif

/* A square block: log2(lanes) rounds of interleaving row i with row i + lanes / 2 transpose it. */
INLINE void transpose_block(const real *from, int64_t from_row, int rows, int columns, real *to, int64_t to_row,
                            bool add) {
  vec block[CY_LANES], next[CY_LANES];
  const part used = part_of(columns), filled = part_of(rows);
  UNROLL for (int i = 0; i < CY_LANES; ++i)
    block[i] = i < rows ? load_part(from + i * from_row, used) : (vec){0};
  UNROLL for (int width = 1; width < CY_LANES; width *= 2) {
    UNROLL for (int i = 0; i < CY_LANES / 2; ++i) {
      next[2 * i] = INTERLEAVE_LOW(block[i], block[i + CY_LANES / 2]);
      next[2 * i + 1] = INTERLEAVE_HIGH(block[i], block[i + CY_LANES / 2]);
    }
    UNROLL for (int i = 0; i < CY_LANES; ++i) block[i] = next[i];
  }
  UNROLL for (int j = 0; j < CY_LANES; ++j) {
    if (j >= columns) continue;
    real *out = to + j * to_row;
    if (add) block[j] += load_part(out, filled);
    store_part(out, block[j], filled);
  }
}

static void transpose(int64_t rows, int64_t columns, const void *from, int64_t from_row, void *to, int64_t to_row,
                      bool add) {
  for (int64_t i = 0; i < rows; i += CY_LANES)
    for (int64_t j = 0; j < columns; j += CY_LANES) {
      const real *source = (const real *)from + i * from_row + j;
      real *target = (real *)to + j * to_row + i;
      if (i + CY_LANES <= rows && j + CY_LANES <= columns)
        transpose_block(source, from_row, CY_LANES, CY_LANES, target, to_row, add);
      else
        transpose_block(source, from_row, rows - i < CY_LANES ? (int)(rows - i) : CY_LANES,
                        columns - j < CY_LANES ? (int)(columns - j) : CY_LANES, target, to_row, add);
    }
}

#define TABLE_(name) cy_gemm_kernels_##name
#define TABLE(name) TABLE_(name)
#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)

const cy_gemm_kernels TABLE(CY_KERNEL_NAME) = {
    .size = REAL_SIZE,
    .name = TEXT(CY_KERNEL_NAME),
    .lanes = CY_LANES,
    .rows = {ROWS},
    .tile = {NAMES},
    .sweep = sweep_rows,
    .outer = outer_rows,
    .dot = dot_rows,
    .transpose = transpose,
};
