/* The table of notation (style.c) as the printer reads it. */
#ifndef CY_DERIVE_STYLE_H
#define CY_DERIVE_STYLE_H

#include "derive/print.h"

enum { CY_BINDS_NOTHING, CY_BINDS_SUM, CY_BINDS_PRODUCT, CY_BINDS_MATRIX, CY_BINDS_POWER, CY_BINDS_ATOM };

typedef struct cy_expr_style {
  int binds, inner;
  const char *written[CY_LANGUAGES];
} cy_expr_style;
extern const cy_expr_style cy_expr_styles[CY_EXPR_KINDS];

typedef struct cy_marks {
  const char *open, *close, *plus, *minus, *negative;
  const char *times, *matrix_times, *hadamard, *hadamard_over; /* between factors */
  const char *over;     /* a / b; NULL: fractions are written */
  const char *fraction; /* what opens one */
  const char *root, *root_end;
} cy_marks;
extern const cy_marks cy_language_marks[CY_LANGUAGES];

#endif
