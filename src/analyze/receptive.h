/* Receptive fields, the inside: what every unit of a value sees of one axis of the input, as intervals that repeat. The
 * forward walk (receptive.c) makes them by composing the reach of the operations; combine.c holds the arithmetic of
 * intervals; seen.c asks backwards from one unit, exactly. */
#ifndef CY_ANALYZE_RECEPTIVE_H
#define CY_ANALYZE_RECEPTIVE_H

#include "base/memory.h"
#include "graph/graph.h"

#include <cauchy/analyze.h>

/* A unit that sees nothing: low > high. */
typedef struct cy_interval {
  int64_t low, high;
} cy_interval;
static const cy_interval cy_sees_none = {INT64_MAX, INT64_MIN};
static inline int64_t cy_interval_size(cy_interval seen) { return seen.low > seen.high ? 0 : seen.high - seen.low + 1; }

/* Unit i = period q + r along axis of the value sees at[r], moved by advance q. A table has one entry per unit
 * instead: units beyond its ends see nothing. Fixed views (axis -1) have one entry, which every unit sees. */
typedef struct cy_view_field {
  cy_sight sight;
  int axis;
  bool table;
  int64_t period, advance;
  int64_t rate,
      per; /* the field moves rate elements every per units, in lowest terms; per 0: it does not move evenly */
  cy_interval *at;   /* period of them, in the walk's arena */
} cy_view_field;

/* ---- combine.c ---- */

int64_t cy_common_divisor(int64_t a, int64_t b); /* the greatest, positive unless both are 0 */
cy_interval cy_interval_join(cy_interval a, cy_interval b);
/* What unit i sees. False if a coordinate leaves 63 bits. */
bool cy_field_at(const cy_view_field *field, int64_t i, cy_interval *seen);
/* What n >= 1 units first, first + step, ... see together. */
bool cy_field_over(const cy_view_field *field, int64_t first, int64_t step, int64_t n, cy_interval *seen);
/* The elements of an operand that unit i reaches: the first, their distance, how many. False on overflow. */
bool cy_reach_elements(const cy_reach *reach, int64_t i, int64_t *first, int64_t *step, int64_t *n);
/* The field of a result whose operand (of this extent along the axis that matters) has the field. extent: of the
 * result's axis. clip: units of the operand beyond its ends see nothing (they are no padding, but another operand's
 * place). */
cy_status cy_field_compose(cy_arena *arena, const cy_view_field *operand, int64_t operand_extent, const cy_reach *reach,
                           const cy_shape *result, bool clip, cy_view_field *field);
/* The union of two fields of one value. */
cy_status cy_field_join(cy_arena *arena, const cy_view_field *a, const cy_view_field *b, const cy_shape *shape,
                        cy_view_field *field);

/* ---- receptive.c ---- */

/* The reach of an operand's axes, whatever the row states. */
cy_status cy_reach_of(const cy_graph *graph, const cy_node *node, int operand, cy_reach reach[CY_MAX_RANK]);

#endif
