/* Lowering in progress: what the passes between the simplified graph and the list of instructions share. Per node: its
 * layout and the node whose memory it is a window of; the unit (fused group or single kernel) that computes it. */
#ifndef CY_COMPILE_LOWER_H
#define CY_COMPILE_LOWER_H

#include "compile/plan.h"

/* How a value exists inside its fused unit. */
typedef enum cy_lane {
  CY_LANE_FULL,        /* one element per point of the domain */
  CY_LANE_ROW,         /* one per row */
  CY_LANE_ACCUMULATED, /* combined over the rows: complete only when the unit has ended */
} cy_lane;

typedef struct cy_unit {
  bool fused, dead; /* dead: merged into another */
  bool inside;      /* a product that is taken in the loop that reads it */
  bool moves;       /* frozen programs: depends on an input, so that it does not belong to the prologue */
  bool packs;       /* copies its node's operand into row-major order: a view that strides could not express */
  int32_t *nodes;   /* increasing */
  size_t n_nodes, capacity;
  cy_shape domain;
  int order[CY_MAX_RANK]; /* domain axes as they lie in memory, the fastest last */
  bool ordered;     /* holds random numbers, which depend on the order of the domain's axes: it is the logical one */
  bool awaited;     /* some unit depends on it */
  bool split;       /* columns are decided */
  uint32_t columns; /* mask of domain axes */
} cy_unit;

typedef struct cy_lowering {
  cy_graph *graph;
  int32_t size;
  bool fuses;
  const cy_leaf *leaves; /* whose memory is not row-major: how it lies */
  int n_leaves;
  bool *moves;         /* frozen programs, per node: depends on an input; else NULL */
  cy_view *layout;     /* per node; data: byte offset from CY_ORIGIN into the base's memory */
  int32_t *base;       /* per node: whose memory it is (itself unless it is a window) */
  int32_t *unit;       /* per node: -1 for leaves and windows */
  unsigned char *lane; /* per node, a cy_lane */
  bool *stored;        /* per node: needs memory of its own */
  cy_unit *units;
  size_t n_units, unit_capacity;
  uint64_t *depends;   /* bit matrix: unit i needs the results of unit j, directly or not */
  size_t words;        /* per row of it */
} cy_lowering;

/* Address that stands for a base's first element while layouts are computed. */
#define CY_ORIGIN ((char *)((uintptr_t)1 << 46))

cy_status cy_lowering_begin(cy_graph *graph, bool fuses, bool frozen, cy_lowering *lowering);
void cy_lowering_end(cy_lowering *lowering);

/* Pass: windows and layouts. */
cy_status cy_assign_layouts(cy_lowering *lowering);
/* Part of it: which values have their channels innermost. Windows are known as they are where nothing has. */
cy_status cy_assign_images(cy_lowering *lowering);
/* Pass: units. */
cy_status cy_assign_units(cy_lowering *lowering);
/* The node of the unit that operand v is inside it: v itself, or, seen through windows, a row value spread over the
 * columns. -1: v comes from outside, or is not available inside. */
int32_t cy_resolve(const cy_lowering *lowering, int32_t unit, int32_t v);
/* Axes of the domain in the order of execution: rows, then columns, each as they lie in memory. Returns the number of rows. */
int cy_domain_order(const cy_unit *unit, int order[CY_MAX_RANK]);
/* Strides of a row value's window over the row axes of the domain (0 along columns); false if it does not fit. */
bool cy_row_strides(const cy_unit *unit, const cy_view *layout, int64_t stride[CY_MAX_RANK]);

/* Pass: products in front of a loop that are better taken in it. */
cy_status cy_feed_loops(cy_lowering *lowering);
/* Pass: instructions in order, with operands over buffers; arena offsets are still open. */
cy_status cy_emit(cy_lowering *lowering, const cy_value *outputs, int n_outputs, const cy_update *updates, int n_updates,
                  cy_program *program);
/* Pass: parts of a concatenation are computed where they are joined. */
cy_status cy_join_in_place(cy_program *program);
/* Pass, frozen programs: what depends on variables and constants only comes first and is marked still. */
cy_status cy_find_prologue(cy_program *program);
/* Pass: what only writes into bound tensors moves up. */
cy_status cy_release_early(cy_program *program);
/* Pass: predicates of values that are kept anyway are computed where they are read. */
cy_status cy_move_predicates(cy_program *program);
/* Pass: values that cost little are computed again rather than kept: always, or where it is worth it. Kernels exist but for
 * the new instructions. */
cy_status cy_recompute_values(cy_program *program, bool always);
/* Bytes of the arena alive at once, workspaces included, and the instruction where they are most. Leaves every buffer's
 * first and last use. */
cy_status cy_measure_peak(cy_program *program, size_t *peak, int *at);
/* Pass: shares arena memory between buffers and workspaces whose lives do not overlap. Kernels exist. */
cy_status cy_plan_memory(cy_program *program);

#endif
