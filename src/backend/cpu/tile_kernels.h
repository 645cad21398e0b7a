/* The vector kernels that the tile interpreter calls, as one table per instruction set: tile_kernels.c is compiled
 * once for each, and cy_tile_kernels_best() picks at run time. Kernels work on whole registers: n elements, no strides.
 * Invariant: element i of a result depends on element i of the operands only, not on n nor on where a tile ends. */
#ifndef CY_BACKEND_CPU_TILE_KERNELS_H
#define CY_BACKEND_CPU_TILE_KERNELS_H

#include "ops/scalar.h"
#include "tensor/tensor.h"

#include <stdint.h>

/* out may be exactly a, b or c if its elements have the same size. */
typedef void (*cy_tile_kernel)(void *out, const void *a, const void *b, const void *c, size_t n);
/* out[r] = combination of x[r][0..columns). */
typedef void (*cy_tile_reduction)(void *out, const void *x, size_t rows, size_t columns);
/* sums[c] = combination of itself and x[0..rows)[c]. */
typedef void (*cy_tile_accumulation)(void *sums, const void *x, size_t rows, size_t columns);
/* The numbers at position ... position + n - 1, behind them those at position + step and on, for so many runs. */
typedef struct cy_random_key {
  uint64_t seed, step;
  uint32_t stream;
} cy_random_key;
typedef void (*cy_tile_random)(void *out, const cy_random_key *key, uint64_t position, int64_t step, size_t n, size_t runs);

/* Several operations at once, on rows of n elements: operand k of element i is x[k][i * step[k]], step 0 (one number) or 1;
 * the next row lies pitch[k] bytes on, the result's pitch[CY_FUSED_OPERANDS]. */
enum { CY_FUSED_OPERANDS = 5 };
typedef void (*cy_tile_fused)(void *out, const void *const *x, const size_t *step, const int64_t *pitch, size_t rows,
                              size_t n);

/* An f32 expression that has a kernel of its own, written operation first: {sub, C, mul, A, B} is c - a * b. Operands
 * are negative, CY_OPERAND(0) and on; one that appears twice is the same value. The order of sums and products is
 * free. */
#define CY_OPERAND(k) (-2 - (k))
enum { CY_TEMPLATE_LENGTH = 12 };
typedef struct cy_tile_template {
  int code[CY_TEMPLATE_LENGTH];
  int n_operands;
  cy_tile_fused kernel;
} cy_tile_template;

/* Which operands are one number for the whole register: bits 0, 1, 2 for a, b, c. Binary kernels exist with at most
 * one, select with any of b and c. */
enum { CY_VECTORS = 0, CY_UNIFORM_A = 1, CY_UNIFORM_B = 2, CY_UNIFORM_C = 4, CY_FORMS = 8 };
enum { CY_ELEMENT_SIZES = 3 }; /* 1, 4, 8 bytes */
enum { CY_COMBINES = 2 };

typedef struct cy_tile_kernels {
  const char *name;
  cy_tile_kernel scalar[CY_SCALAR_COUNT][CY_DTYPE_COUNT][CY_FORMS]; /* dtype of the operands. NULL: none */
  cy_tile_kernel math[CY_SCALAR_COUNT][2];                          /* f32, f64: go before those in scalar */
  cy_tile_kernel select[CY_ELEMENT_SIZES][CY_FORMS];
  cy_tile_kernel convert[CY_DTYPE_COUNT][CY_DTYPE_COUNT]; /* from, to */
  const cy_tile_template *templates; /* longest first */
  int n_templates;
  cy_tile_reduction expand[CY_ELEMENT_SIZES]; /* out[r][0..columns) = x[r] */
  cy_tile_reduction reduce[CY_COMBINES][CY_DTYPE_COUNT];
  cy_tile_accumulation accumulate[CY_COMBINES][CY_DTYPE_COUNT];
  cy_tile_random random[2]; /* f32, f64 */
} cy_tile_kernels;

static inline int cy_element_size_index(cy_dtype dtype) {
  size_t size = cy_dtype_size(dtype);
  return size == 1 ? 0 : size == 4 ? 1 : 2;
}

extern const cy_tile_kernels cy_tile_kernels_baseline;
#if defined(__x86_64__)
extern const cy_tile_kernels cy_tile_kernels_avx2, cy_tile_kernels_avx512;
#endif
/* For this machine. CAUCHY_TILES=baseline|avx2|avx512 asks for less. */
const cy_tile_kernels *cy_tile_kernels_best(void);

#endif
