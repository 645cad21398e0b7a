/* What simplification of sums and of terms share. */
#ifndef CY_DERIVE_ALGEBRA_H
#define CY_DERIVE_ALGEBRA_H

#include "derive/sheet.h"

/* depth: how often a product may still be multiplied out, one within another. */
const cy_poly *cy_simplify_sum(cy_sheet *sheet, const cy_poly *poly, int depth);
cy_term cy_simplify_term(cy_sheet *sheet, const cy_term *term, int depth);
void cy_term_remove_factor(cy_term *term, int at);

#endif
