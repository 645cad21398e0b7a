/* The inner kernels of our own contraction, compiled from gemm_kernel.c once per instruction set and type, and the
 * table through which gemm_panels.c reaches them. A kernel never blocks, packs or allocates: it computes one tile. */
#ifndef CY_BACKEND_CPU_GEMM_KERNEL_H
#define CY_BACKEND_CPU_GEMM_KERNEL_H

#include "tensor/tensor.h"

/* Rows and vectors that a tile has at most, whatever the instruction set. */
enum { CY_TILE_ROWS = 14, CY_TILE_WIDTHS = 4, CY_TILE_ELEMENTS = 512 };

/* What a tile reads and writes: c[i,j] = (c[i,j] +) scale * sum_p a[i,p] b[p,j]. Strides in elements; b and c have unit
 * stride along j. The sum may go on in further runs of k steps, each beginning a jump behind the end of the one before. */
typedef struct cy_tile {
  int64_t k;
  int64_t more, a_jump, b_jump; /* further runs; elements */
  const void *a;
  int64_t a_row, a_step;
  const void *b;
  int64_t b_step;
  const void *ahead; /* rows that are needed next: one is fetched with every row of b. NULL: those of b */
  int64_t ahead_step;
  void *c;
  int64_t c_row;
  int last;        /* lanes used of the last vector, 1... lanes */
  bool add;        /* to what c holds */
  double scale;
} cy_tile;

typedef void cy_tile_function(const cy_tile *tile);

/* c[j] = (c[j] +) scale * sum_p a[p * a_step] b[p * b_row + j]: one row times a matrix, which is read in long runs. */
typedef struct cy_sweep {
  int64_t k, columns;
  const void *a;
  int64_t a_step;
  const void *b;
  int64_t b_row;
  void *c;
  bool add;
  double scale;
} cy_sweep;

/* c[i * c_row + j] = (c[i * c_row + j] +) scale * a[i * a_row] b[j]: written row by row. */
typedef struct cy_outer {
  int64_t rows, columns;
  const void *a;
  int64_t a_row;
  const void *b;
  void *c;
  int64_t c_row;
  bool add;
  double scale;
} cy_outer;

/* c[i * c_row + j * c_column] = (itself +) scale * sum_p a[i * a_row + p] b[j * b_row + p]: vectors along the sum. */
typedef struct cy_dots {
  int64_t rows, columns, k;
  const void *a;
  int64_t a_row;
  const void *b;
  int64_t b_row;
  void *c;
  int64_t c_row, c_column;
  bool add;
  double scale;
} cy_dots;

typedef struct cy_gemm_kernels {
  const char *name;
  int size;                    /* bytes of an element: 4 or 8 */
  int lanes;                   /* elements in a vector */
  int rows[CY_TILE_WIDTHS];    /* most rows of a tile that is 1, 2, 4, 8 vectors wide */
  /* [log2(vectors)][rows - 1] */
  cy_tile_function *tile[CY_TILE_WIDTHS][CY_TILE_ROWS];
  void (*sweep)(const cy_sweep *sweep);
  void (*outer)(const cy_outer *outer);
  void (*dot)(const cy_dots *dot);
  /* to[j * to_row + i] (+)= from[i * from_row + j] for i < rows, j < columns. */
  void (*transpose)(int64_t rows, int64_t columns, const void *from, int64_t from_row, void *to, int64_t to_row,
                    bool add);
} cy_gemm_kernels;

extern const cy_gemm_kernels cy_gemm_kernels_f32_baseline, cy_gemm_kernels_f64_baseline;
#if defined(__x86_64__)
extern const cy_gemm_kernels cy_gemm_kernels_f32_avx2, cy_gemm_kernels_f64_avx2;
extern const cy_gemm_kernels cy_gemm_kernels_f32_avx512, cy_gemm_kernels_f64_avx512;
#endif

/* The best kernels that this processor runs. */
const cy_gemm_kernels *cy_gemm_kernels_of(cy_dtype dtype);

#endif
