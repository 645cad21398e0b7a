/* A scan in a graph: one node that runs the loop, and a node for each sequence or end value that is read off it. The
 * loop's node has no elements of its own; whatever a body computes at each step can be read as a sequence, which is how
 * derivatives get at intermediate values without a second loop: the compiler stores what is read and nothing else.
 *
 *   loop = scan{body, length, reverse}(constants.., carry.., inputs..)
 *   y    = scan_sequence{value}(loop)   [T, ...]    value number `value` of the body at each step
 *   h    = scan_carries{k}(loop)        [T+1, ...]  carry k: h[t] before step t and h[t+1] after it; reverse: after,
 *   before
 *   e    = scan_last{k}(loop)           [...]       carry k after the last step
 *
 * A body is immutable and shared between the graphs that hold a scan of it. */
#ifndef CY_OPS_SCAN_H
#define CY_OPS_SCAN_H

#include "graph/body.h"
#include "ops/ops.h"

#include <cauchy/scan.h>

typedef struct cy_scan_attrs {
  int64_t body;   /* the cy_body, a pointer */
  int64_t length; /* at least 1 */
  int64_t reverse;
  int64_t
      recompute; /* derivatives compute the body's values again, from carries and inputs alone, rather than read them */
} cy_scan_attrs;

typedef struct cy_scan_part_attrs {
  int64_t index; /* id of a value of the body, or number of a carry */
  int64_t dtype; /* the part's type */
  cy_list shape;
} cy_scan_part_attrs;

/* scan_bundle{part, index}(v): v as the tangent or the cotangent of one part, as a value without elements, which is
 * what a loop's value is. Those of several parts are added: a tree of sums whose leaves are bundles. */
typedef struct cy_scan_bundle_attrs {
  int64_t part, index; /* a cy_result_kind */
  int64_t dtype;       /* the loop's */
} cy_scan_bundle_attrs;

extern const cy_op cy_op_scan, cy_op_scan_sequence, cy_op_scan_carries, cy_op_scan_last, cy_op_scan_bundle;

/* What is read of a loop, one of its body's values or carries. */
cy_value cy_scan_sequence(cy_value scan, int32_t id);
cy_value cy_scan_carries(cy_value scan, int k);
cy_value cy_scan_last(cy_value scan, int k);
/* scan_carries{k} before and after each step, [T, ...]. */
cy_value cy_scan_before(cy_value scan, int k);
cy_value cy_scan_after(cy_value scan, int k);
/* A value of the body at each step, from where it lies: an operand, a carry, or a sequence of its own. */
cy_value cy_scan_read(cy_value scan, int32_t id);

/* Derivatives: rules of the row. */
cy_value cy_scan_jvp(const cy_rule *rule);
void cy_scan_pull(const cy_rule *rule, cy_value cotangent, const bool *wanted, cy_value *cotangents);

#endif
