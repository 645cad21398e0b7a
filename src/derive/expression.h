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

/* ---- printing: print.c by the table in style.c ---- */
typedef struct cy_style {
  cy_language language;
  const cy_sheet *sheet;
  const char *upstream; /* name of the value whose gradient is asked: "L" */
  const int *indices;   /* INDEXED: what the line's axes are called */
  int n_indices;
} cy_style;
void cy_print_name(cy_text *text, const cy_style *style, int name);
/* LaTeX and MathML: whether the name is written as a derivative of another one; what stands before and after that. */
bool cy_is_drawn_derivative(const cy_style *style, int name);
void cy_print_derivative(cy_text *text, const cy_style *style, cy_name_kind kind, bool open);
/* A class: its name, or what it is computed by. */
void cy_print_label(cy_text *text, const cy_style *style, const cy_atom *label);
void cy_print_expr(cy_text *text, const cy_style *style, const cy_expr *expr);
/* Index form: elements. */
void cy_print_element(cy_text *text, const cy_style *style, int name, const int *indices, int n);
void cy_print_poly(cy_text *text, const cy_style *style, const cy_poly *poly);
/* Done with a part of the text: if memory ran out for it, it did for the whole. */
static inline void cy_text_drop(cy_text *whole, cy_text *part) {
  whole->failed = whole->failed || part->failed;
  cy_text_clear(part);
}
/* NumPy: "n_h", "n_h * n_m", "28". Returns buffer. */
const char *cy_numpy_extent(const cy_sheet *sheet, int64_t extent, char buffer[2 * CY_NAME_SIZE]);
/* number = over / under with a small denominator, unless it is a short decimal such as 0.8; half of something is it
 * over 2. */
void cy_as_fraction(double number, bool of_something, double *over, int *under);
void cy_print_number(cy_text *text, double number, cy_language language);
void cy_print_power(cy_text *text, double power, cy_language language); /* ^2, ^(1/3) */

#endif
