/* A fused group: a small single-assignment program over a rectangular domain, run as one pass over cache-sized
 * tiles. It has several readers (the CPU's tile interpreter; later C source and machine code), so it is plain data.
 *
 * The domain has n_axes axes; the first row_axes are "rows", the others "columns". A value is FULL (one element per
 * point of the domain) or ROW (one per row). Row reductions turn FULL into ROW inside the group, and ROW values take
 * part in later FULL steps: softmax and normalisation are single groups. Results summed or maximised over rows
 * leave the group as accumulated outputs (a bias gradient: FULL -> columns; a mean loss: ROW -> one scalar).
 *
 * Invariants: a step's operands have smaller numbers; a FULL step may use ROW operands, a ROW step only ROW ones;
 * without any reduction or accumulated output row_axes is 0... n_axes at the compiler's choice and means nothing. */
#ifndef CY_COMPILE_FUSED_H
#define CY_COMPILE_FUSED_H

#include "ops/scalar.h"
#include "tensor/tensor.h"

typedef enum cy_level { CY_FULL, CY_ROW } cy_level;

typedef enum cy_step_kind {
  CY_STEP_INPUT,    /* element of input `index` */
  CY_STEP_CONSTANT, /* `number` */
  CY_STEP_IOTA,     /* coordinate along domain axis `index` */
  CY_STEP_RANDOM,   /* uniform [0,1): cy_random_f32/f64(seed = arg[0], step = arg[1], stream = index, position of the
                       element in the row-major domain) */
  CY_STEP_SCALAR,   /* scalar operation `op` on arg[0..2] */
  CY_STEP_REDUCE,   /* over the columns: `combine` of arg[0] (FULL) -> ROW */
} cy_step_kind;

typedef enum cy_combine { CY_COMBINE_SUM, CY_COMBINE_MAX } cy_combine; /* of nothing: 0, -inf (integers: lowest) */

typedef struct cy_step {
  cy_step_kind kind;
  cy_level level;
  cy_dtype dtype; /* of the result; comparisons: CY_BOOL */
  cy_scalar_op op;
  cy_combine combine;
  int arg[3];
  int64_t index;
  double number;
} cy_step;

typedef struct cy_fused_input {
  cy_dtype dtype;
  int64_t stride[CY_MAX_RANK]; /* per domain axis, elements; 0 where it repeats. Column strides are 0 for ROW values */
} cy_fused_input;

typedef struct cy_fused_output {
  int step;
  bool accumulate;             /* combined over the rows: the result has the column axes only (FULL step) or is one
                                  element (ROW step) */
  cy_combine combine;
  cy_dtype dtype;              /* that of the step */
  int64_t stride[CY_MAX_RANK]; /* per domain axis, elements; 0 along axes the result lacks */
} cy_fused_output;

typedef struct cy_fused {
  int n_axes, row_axes;
  int64_t dim[CY_MAX_RANK];
  int n_steps, n_inputs, n_outputs;
  const cy_step *steps;
  const cy_fused_input *inputs;
  const cy_fused_output *outputs;
} cy_fused;

/* An output may share memory with an input of identical strides and dtype size: every tile is read before it is
 * written. Other overlaps are the compiler's to avoid. */

#endif
