/* The convolution that a kernel is asked for: one trilinear form, three roles, operands of any strides; and the methods
 * that compute it. Filled in by convolution.c from an instruction, which also chooses among the methods. */
#ifndef CY_BACKEND_CPU_CONVOLUTION_H
#define CY_BACKEND_CPU_CONVOLUTION_H

#include "base/error.h"
#include "ops/window.h"

/* The operands, in the order of an instruction's arguments once the result is left out. */
enum { CY_X, CY_W, CY_Y, CY_CONVOLUTION_OPERANDS };

static inline int cy_convolution_result(cy_convolution_role role) {
  return role == CY_CONVOLUTION_Y ? CY_Y : role == CY_CONVOLUTION_X ? CY_X : CY_W;
}

typedef struct cy_convolution_problem {
  cy_dtype dtype;                                   /* CY_F32 or CY_F64 */
  cy_convolution_role role;                         /* which operand is the result */
  int space;                                        /* 1 to 3 spatial axes */
  int64_t batch, groups, channels, filters;         /* channels of x and of y, of all groups together */
  int64_t size[CY_MAX_SPACE], extent[CY_MAX_SPACE]; /* of x and of y */
  int64_t kernel[CY_MAX_SPACE], stride[CY_MAX_SPACE], dilation[CY_MAX_SPACE], low[CY_MAX_SPACE], high[CY_MAX_SPACE];
  int64_t x_stride[2 + CY_MAX_SPACE], y_stride[2 + CY_MAX_SPACE]; /* elements: batch, channel, space */
  int64_t w_stride[2 + CY_MAX_SPACE];                             /* filter, channel of the group, space */
  bool still; /* w holds still: what is made of it once serves all runs */
  bool bias;  /* role y: + bias[filter]; role w: its gradient is computed too. Contiguous */
  bool relu;  /* role y: max(., 0) at last; NaN stays. Methods that do not leave it to convolution.c */
} cy_convolution_problem;

/* The addresses for one run; only the role's own and the bias gradient are written. */
typedef struct cy_convolution_operands {
  void *x, *w, *y, *bias;
  bool packed; /* w comes from a plan's packing, not as the problem says */
} cy_convolution_operands;

/* A way to compute it. A plan is made once and not changed by runs; `instance` belongs to one session. */
typedef struct cy_convolution_method {
  /* *plan is NULL, and the status CY_OK, where the method does not apply or does not pay. */
  cy_status (*create)(const cy_convolution_problem *problem, int threads, void **plan);
  void (*free)(void *plan);
  const char *(*name)(const void *plan); /* for listings */
  size_t (*scratch)(const void *plan);   /* bytes of workspace of a run or of packing, 64-byte aligned */
  cy_status (*instance)(const void *plan, void **instance); /* NULL: none */
  void (*free_instance)(void *instance);
  cy_status (*run)(const void *plan, void *instance, cy_convolution_operands operands, void *scratch);
  /* Weights in the method's own form, for runs with operands.packed: bytes of 64-byte aligned memory, 0 if this plan
   * uses them as they are or computes them, and the conversion. NULL: it has no such form. */
  size_t (*packed_bytes)(const void *plan);
  cy_status (*pack)(const void *plan, void *instance, const void *w, void *packed, void *scratch);
  const char *packs; /* what a listing says behind the name when they are kept so */
  bool relu;         /* does the problem's relu itself */
} cy_convolution_method;

static inline bool cy_convolution_is_strided(const cy_convolution_problem *p) {
  for (int i = 0; i < p->space; i++)
    if (p->stride[i] > 1) return true;
  return false;
}

/* Windows are single places. */
static inline bool cy_convolution_is_pointwise(const cy_convolution_problem *p) {
  for (int i = 0; i < p->space; i++)
    if (p->kernel[i] != 1) return false;
  return true;
}

extern const cy_convolution_method cy_convolution_winograd, cy_convolution_direct_y, cy_convolution_direct_x,
    cy_convolution_direct_w, cy_convolution_onednn, cy_convolution_columns;

#endif
