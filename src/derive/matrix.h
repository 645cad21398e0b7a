/* What the files that bring index form to matrix form share: making expressions, whose absent parts make the whole
 * absent, and the form of an atom. */
#ifndef CY_DERIVE_MATRIX_H
#define CY_DERIVE_MATRIX_H

#include "derive/expression.h"

/* ---- expression.c ---- */
cy_expr *cy_expr_new(cy_sheet *s, cy_expr_kind kind, int rank);
cy_expr *cy_expr_with(cy_sheet *s, cy_expr *e, const cy_expr *part, double power); /* appends the part to e */
cy_expr *cy_expr_unary(cy_sheet *s, cy_expr_kind kind, int rank, const cy_expr *part);
cy_expr *cy_expr_ones(cy_sheet *s, int index);
const cy_expr *cy_expr_transposed(cy_sheet *s, const cy_expr *e);
const cy_expr *cy_expr_product(cy_sheet *s, const cy_expr *a, const cy_expr *b); /* a b with chains made flat */
const cy_expr *cy_expr_raised(cy_sheet *s, const cy_expr *e, double power);

/* ---- matrix_atom.c ---- */
/* Like cy_expr_of. */
const cy_expr *cy_expr_of_atom(cy_sheet *s, const cy_atom *a, int row, int column);
/* An operation on whole values, whatever their axes, if its places are these indices. */
const cy_expr *cy_expr_of_whole(cy_sheet *s, const cy_atom *a, const int *indices, int n);

#endif
