/* Writing in a language: expressions in matrix form, things in index form, and what both are made of. Text that memory
 * runs out for is marked as failed. */
#ifndef CY_DERIVE_PRINT_H
#define CY_DERIVE_PRINT_H

#include "derive/expression.h"

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
