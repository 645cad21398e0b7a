/* Values in matrix form: what a textbook writes instead of indices. A tree of scalars, column vectors and matrices;
 * what has no such form (convolutions, three axes) stays in index form. */
#ifndef CY_DERIVE_EXPRESSION_H
#define CY_DERIVE_EXPRESSION_H

#include "derive/sheet.h"

typedef enum cy_expr_kind {
  CY_EXPR_NAME,      /* a named value */
  CY_EXPR_AT,        /* part[0] at the atom's places: s[y] */
  CY_EXPR_ADD,       /* part[0] + part[1] + ...; minus[i]: subtracted */
  CY_EXPR_TIMES,     /* number, dimensions and scalars (part[0..n)) to powers, times body */
  CY_EXPR_HADAMARD,  /* element by element, to powers */
  CY_EXPR_MATMUL,    /* a chain of matrices, the last may be a vector */
  CY_EXPR_OUTER,     /* part[0] part[1]' */
  CY_EXPR_INNER,     /* part[0]' part[1] */
  CY_EXPR_TRANSPOSE,
  CY_EXPR_POWER,     /* part[0]^number, element by element */
  CY_EXPR_CALL,      /* function of parts, or the graph's operation of that name */
  CY_EXPR_COMPARE,
  CY_EXPR_CHOICE,
  CY_EXPR_SUM,       /* of all elements */
  CY_EXPR_MEAN,
  CY_EXPR_DIAGONAL,
  CY_EXPR_ONES,
  CY_EXPR_IDENTITY,
  CY_EXPR_ONEHOT,    /* of the label, or of number */
  CY_EXPR_INDEXED,   /* poly, at the line's indices */
  CY_EXPR_KINDS
} cy_expr_kind;

typedef struct cy_expr cy_expr;
struct cy_expr {
  cy_expr_kind kind;
  int rank; /* 0, 1, 2 */
  int name;
  const cy_notation *function;
  const char *op;  /* CALL without a row */
  double number;
  int8_t dimension[CY_MAX_DIMENSIONS];
  int64_t extent;  /* ONES, IDENTITY, ONEHOT: elements; SUM, MEAN: what it runs over */
  const cy_atom *atom;  /* AT, ONEHOT */
  const cy_poly *poly;
  const cy_expr *body;
  int n;
  const cy_expr **part;
  double *power;  /* TIMES, HADAMARD; ADD: -1 where subtracted */
};

/* The poly as a scalar (row = column = -1), vector over row, or matrix. NULL: it has no such form. */
const cy_expr *cy_expr_of(cy_sheet *sheet, const cy_poly *poly, int row, int column);
/* Of any number of indices: index form if there is no other. */
const cy_expr *cy_expr_of_all(cy_sheet *sheet, const cy_poly *poly, const int *indices, int n);

#endif
