/* A scan in a graph: one node that runs the loop, and a node for each sequence or end value that is read off it. The
 * loop's node has no elements of its own; whatever a body computes at each step can be read as a sequence, which is how
 * derivatives get at intermediate values without a second loop: the compiler stores what is read and nothing else.
 *
 *   loop = scan{body, length, reverse}(constants.., carry.., inputs..)
 *   y    = scan_sequence{value}(loop)   [T, ...]    value number `value` of the body at each step
 *   h    = scan_carries{k}(loop)        [T+1, ...]  carry k: h[t] before step t and h[t+1] after it; reverse: after, before
 *   e    = scan_last{k}(loop)           [...]       carry k after the last step
 *
 * A body is immutable and shared between the graphs that hold a scan of it. */
#ifndef CY_OPS_SCAN_H
#define CY_OPS_SCAN_H

#include "ops/ops.h"

#include <cauchy/scan.h>

/* A step as a graph of its own. Its leaves are inputs named "constant0".., "carry0".., "input0".., and constants. */
typedef struct cy_body {
  cy_graph *graph;
  int n_constants, n_carry, n_inputs;
  int32_t *constants, *carry, *inputs; /* ids of the leaves; -1 where a leaf is not used */
  int32_t *next;                       /* n_carry: ids of the carry after the step */
} cy_body;

typedef struct cy_scan_attrs {
  int64_t body;      /* the cy_body, a pointer */
  int64_t length;
  int64_t reverse;
  int64_t recompute; /* derivatives compute the body's values again, from carries and inputs alone, rather than read them */
} cy_scan_attrs;

typedef struct cy_scan_part_attrs {
  int64_t index; /* id of a value of the body, or number of a carry */
} cy_scan_part_attrs;

extern const cy_op cy_op_scan, cy_op_scan_sequence, cy_op_scan_carries, cy_op_scan_last;

static inline const cy_body *cy_body_of(const cy_node *scan) {
  return (const cy_body *)(uintptr_t)((const cy_scan_attrs *)scan->attrs)->body;
}

#endif
