/* Values of a loop that its tangent needs: which are read off the loop, and which are computed again. */
#ifndef CY_OPS_SCAN_RESIDUALS_H
#define CY_OPS_SCAN_RESIDUALS_H

#include "ops/scan_draft.h"

/* The draft's body holds a copy of the loop's (map: where each value is) and tangents that are made of its values. Adds
 * to the draft, as inputs, the values that are to be read off the loop, which is the rule's node. */
void cy_scan_residuals(cy_scan_draft *draft, const cy_rule *loop, const int32_t *map);

#endif
