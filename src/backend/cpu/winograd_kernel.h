/* The transforms of Winograd's convolutions F(4x4, 3x3) and F(2x2, 5x5) (Lavin and Gray 2016), compiled from
 * winograd_kernel.c once per instruction set: small matrix products on patches of pixels whose channels lie side by
 * side. winograd.c decides which patches, and multiplies. */
#ifndef CY_BACKEND_CPU_WINOGRAD_KERNEL_H
#define CY_BACKEND_CPU_WINOGRAD_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* Tile + kernel - 1 = patch for both methods, so they share the six points per dimension and the input's transform. */
enum { CY_WINOGRAD_PATCH = 6, CY_WINOGRAD_POINTS = 36 };
typedef enum cy_winograd_method { CY_WINOGRAD_4_3, CY_WINOGRAD_2_5, CY_WINOGRAD_METHODS } cy_winograd_method;

/* A patch of an image. Pixels outside rows x columns are not touched: they read as zero. `image` is the address of
 * pixel (0, 0) and may itself be outside. The transformed patch lies apart: point p of channel c at transformed[p *
 * step + c]. */
typedef struct cy_winograd_patch {
  float *image;
  int64_t row, column;                              /* strides, elements */
  int first_row, end_row, first_column, end_column; /* pixels that exist */
  float *transformed;
  int64_t step;
  int64_t channels;  /* a multiple of the lanes */
  const float *bias; /* scatter: added per channel; may be NULL */
  bool relu;         /* scatter */
} cy_winograd_patch;

/* The weights of `lanes` neighbouring columns n of one row k, and their transform: at transformed[p * step + n]. */
typedef struct cy_winograd_weights {
  float *plain;
  int64_t lane, row, column; /* strides: between lanes, kernel rows, kernel columns (negative: flipped) */
  float *transformed;
  int64_t step;
} cy_winograd_weights;

typedef struct cy_winograd_kernels {
  const char *name;
  int lanes;
  void (*input)(const cy_winograd_patch *patch); /* 6x6 pixels -> 36 points: B' d B */
  /* By method: */
  void (*scatter[CY_WINOGRAD_METHODS])(const cy_winograd_patch *patch);      /* 36 points -> a tile's pixels: A' m A */
  void (*cotangent[CY_WINOGRAD_METHODS])(const cy_winograd_patch *patch);    /* a tile's pixels -> 36 points: A y A' */
  void (*weights[CY_WINOGRAD_METHODS])(const cy_winograd_weights *weights);  /* a kernel -> 36 points: G w G' */
  void (*gradient[CY_WINOGRAD_METHODS])(const cy_winograd_weights *weights); /* 36 points -> a kernel: G' u G */
} cy_winograd_kernels;

#if defined(__x86_64__)
extern const cy_winograd_kernels cy_winograd_kernels_avx2, cy_winograd_kernels_avx512;
#endif

#endif
