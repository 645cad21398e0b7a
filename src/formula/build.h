/* Building with a look at every part, for those who ask which part of a formula a value is. */
#ifndef CY_FORMULA_BUILD_H
#define CY_FORMULA_BUILD_H

#include "formula/formula.h"

/* values: room for formula->nodes, by the expressions' order: what each is in the graph; empty where it was built as
 * part of another (the softmax of log(softmax(o))). */
CY_MUST_CHECK cy_status cy_formula_build_parts(const cy_formula *formula, cy_graph *graph, cy_value *symbols,
                                               cy_value *statements, cy_value *values);

#endif
