/* A loop in the making. Its body is a graph that may hold more than the loop will need; what it reads from outside are
 * leaves, any values of that graph whose elements are known outside. Finishing drops what nobody needs, moves in front
 * of the loop what does not depend on the carry (scan_hoist.c), seals the rest as a body, and makes the nodes. The
 * builder and both derivatives make their loops this way. */
#ifndef CY_OPS_SCAN_DRAFT_H
#define CY_OPS_SCAN_DRAFT_H

#include "ops/scan.h"

/* A value of the body, and what it is outside: constants: the same; inputs: [T, ...]; carry: before the first step. */
typedef struct cy_scan_leaf {
  cy_value inside, outside;
} cy_scan_leaf;

typedef struct cy_scan_draft {
  cy_arena *arena; /* holds the arrays */
  cy_graph *graph, *body;
  bool borrowed; /* the body is another's */
  int64_t length;
  bool reverse, recompute;
  bool linear; /* in some leaves: what else is in it is there to be transposed, best outside */
  int n_constants, n_carry, n_inputs, n_outputs;
  cy_scan_leaf *constants, *carry, *inputs;
  cy_value *next, *outputs;             /* of the body; an empty next: zeros */
  bool *wants_last, *wants_carries;     /* per carry: which results are wanted */
  cy_value *last, *carries, *sequences; /* results: per carry, [...] and [T+1, ...]; per output [T, ...] */
} cy_scan_draft;

/* Room for so many; the counts are zero. body: NULL for a new one, which is freed in the end. False, and the graph's
 * error, if memory is out. End it either way. */
bool cy_scan_draft_begin(cy_scan_draft *draft, cy_graph *graph, cy_graph *body, int constants, int carry, int inputs,
                         int outputs);
void cy_scan_draft_finish(cy_scan_draft *draft);
void cy_scan_draft_end(cy_scan_draft *draft);
/* Arrays that live as long as the draft; NULL: the graph's error. */
void *cy_scan_draft_array(cy_scan_draft *draft, size_t count, size_t size);
/* Adds a leaf. */
void cy_scan_draft_constant(cy_scan_draft *draft, cy_value inside, cy_value outside);
void cy_scan_draft_input(cy_scan_draft *draft, cy_value inside, cy_value outside);
void cy_scan_draft_carry(cy_scan_draft *draft, cy_value inside, cy_value outside);
/* Copies what the marked nodes of a body are into the draft's body. map: per node of the body its copy's id; those that
 * are there already (>= 0) are left alone. */
void cy_scan_draft_copy(cy_scan_draft *draft, const cy_graph *from, const bool *needed, int32_t *map);

/* ---- between finishing's files ---- */

enum { CY_DEPENDS_CARRY = 1, CY_DEPENDS_INPUT = 2, CY_DEPENDS_CONSTANT = 4, CY_DEPENDS_TANGENT = 8 };

typedef struct cy_scan_plan {
  cy_scan_draft *draft;
  int32_t size;  /* nodes of the draft's body; arrays below are per node */
  int32_t *leaf; /* number among constants, carry and inputs, in this order; -1 */
  uint8_t *depends;
  bool *needed;      /* inside the loop */
  cy_value *outside; /* where it is known outside: with an axis for time in front if it depends on inputs */
  bool *carried;     /* per carry: somebody needs it */
} cy_scan_plan;

/* Leaves and what depends on them. */
void cy_scan_plan_leaves(cy_scan_plan *plan);
/* What carries, outputs and the loop need inside, given what is known outside. */
void cy_scan_plan_needs(cy_scan_plan *plan);
/* Computes in front of the loop what should be, and makes leaves of it. */
void cy_scan_hoist(cy_scan_plan *plan);
/* One value there, from those of its operands. */
cy_value cy_scan_plan_compute(const cy_scan_plan *plan, int32_t id);
/* Takes out of the loop what can be computed behind it; returns what that needs, for computing it once the loop is
 * there. NULL: nothing. */
bool *cy_scan_sink(cy_scan_plan *plan);
void cy_scan_sink_compute(cy_scan_plan *plan, const bool *far);
/* Marks what should be computed in front. */
void cy_scan_plan_hoist(cy_scan_plan *plan, bool *should);
/* Adds up first what does not depend on the carry. should: of cy_scan_plan_hoist. The body grows: plan again. */
void cy_scan_regroup(cy_scan_plan *plan, const bool *should);

#endif
