/* Our own contraction: cuts a problem into tiles for gemm_kernel.c, packs operands whose strides the tiles cannot
 * read, and shares the tiles between threads. Each element of the result is one sum in ascending k, cut at the same
 * places whatever the thread count: the bits do not depend on it. */
#ifndef CY_BACKEND_CPU_GEMM_PANELS_H
#define CY_BACKEND_CPU_GEMM_PANELS_H

#include "backend/cpu/gemm.h"
#include "backend/cpu/gemm_kernel.h"
#include "base/range.h"

/* A plan; plain data, filled by cy_panels_plan. Rows and columns are those of the problem or, if that is cheaper,
 * of its transpose (C' = B' A'). Strides in elements: batch, row, sum; batch, sum, column; batch, row, column. */
typedef struct cy_panels {
  const cy_gemm_kernels *kernels;
  int64_t batch, rows, columns, k;
  int64_t a[3], b[3], c[3];
  int64_t inner, within[3];  /* batches in a group (at least 1), and the strides of a, b, c from one to the next in it */
  bool transposed;           /* a and b of the plan are B and A of the problem */
  bool dot;                  /* vectors run along k instead of along the columns */
  bool sweep;                /* one row: the matrix b is read row by row */
  bool outer;                /* k = 1: c is written row by row */
  bool pack;                 /* b is copied, panel by panel, to scratch */
  bool keeps;                /* b is copied once for many runs, all panels of it: runs are given that copy for b */
  bool pack_rows;            /* a is copied, a block of rows and sums at a time, to scratch */
  int width;                 /* log2 of the vectors in a panel's row */
  int64_t k_block, row_block;
  int batch_parts, row_parts, column_parts; /* threads = their product */
  size_t part_scratch;       /* bytes */
  double cost;               /* cycles on one core, roughly */
} cy_panels;

void cy_panels_plan(const cy_gemm_problem *problem, const cy_gemm_kernels *kernels, int threads, cy_panels *plan);
const char *cy_panels_way(const cy_panels *plan); /* "panels", "dots", "outer product", "row sweep" */
size_t cy_panels_scratch(const cy_panels *plan);
/* c = scale a b, or with add c + scale a b. */
size_t cy_panels_kept(const cy_panels *plan); /* bytes of the copy; 0: none is kept */
void cy_panels_keep(const cy_panels *plan, const void *b, void *copy);
/* next: fetched meanwhile, if one thread computes; NULL: nothing. */
void cy_panels_run(const cy_panels *plan, const void *a, const void *b, bool add, double scale, void *c, void *scratch,
                   const cy_ranges *next);

#endif
