/* The inner loops of pooling: one element of the result's space, all channels. Compiled from pool_kernel.c once per
 * instruction set; pool.c finds the places and calls them. Two operations on opposite sides are one loop here: a sum of
 * windows and its transpose differ in the list of places alone. */
#ifndef CY_BACKEND_CPU_POOL_KERNEL_H
#define CY_BACKEND_CPU_POOL_KERNEL_H

#include <stdint.h>

/* Strides, offsets: elements. step: from channel to channel, per array. */
typedef struct cy_pool_line {
  int64_t channels, n;       /* n: places that exist; they may be none */
  const int64_t *offset;     /* of each place in `from` */
  const int64_t *offset_index;
  const int32_t *position;   /* of each place among the image's; add: only that of the result */
  const void *from;
  int64_t from_step;
  void *to;
  int64_t to_step;
  const int32_t *index;
  int64_t index_step;
} cy_pool_line;

typedef struct cy_pool_functions {
  void (*sum)(const cy_pool_line *line);    /* to = sum of from's places */
  void (*argmax)(const cy_pool_line *line); /* to (i32) = position of the first largest, NaN being largest; -1: none */
  void (*max)(const cy_pool_line *line);    /* to = that largest; 0: no places */
  void (*choose)(const cy_pool_line *line); /* to = from's place whose position the index names, or 0 */
  void (*add)(const cy_pool_line *line);    /* to = sum of from's places whose index names the position of the result */
} cy_pool_functions;

typedef struct cy_pool_kernels {
  const char *name;
  cy_pool_functions f32, f64;
} cy_pool_kernels;

extern const cy_pool_kernels cy_pool_kernels_baseline;
#if defined(__x86_64__)
extern const cy_pool_kernels cy_pool_kernels_avx2, cy_pool_kernels_avx512;
#endif

#endif
