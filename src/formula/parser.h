/* What the parser's files share: tokens, declarations, and the making of checked nodes. */
#ifndef CY_FORMULA_PARSER_H
#define CY_FORMULA_PARSER_H

#include "formula/formula.h"

/* ---- scan.c ---- */

/* Tokens of a formula: names, numbers, signs of one or two characters. Ends of lines are tokens where they end a
 * statement: not within brackets or after an operator. */
CY_MUST_CHECK cy_status cy_formula_scan(cy_source *source, const char *text, const char *name);
bool cy_sign_is(const cy_source *source, const cy_token *token, const char *sign);
/* The token for a message. */
const char *cy_formula_token_text(const cy_source *source, const cy_token *token, char buffer[CY_TOKEN_TEXT]);

/* ---- declare.c ---- */

/* A declared symbol: x:d; h[0]:d, one step of a family; x[t]:d, all steps. */
typedef struct cy_declaration {
  const char *name;
  bool family;
  cy_dims dims;
} cy_declaration;

typedef struct cy_declarations {
  cy_declaration *items;
  size_t n, capacity;
  bool any; /* false: every symbol is a number */
} cy_declarations;

CY_MUST_CHECK cy_status cy_formula_declare(cy_formula *formula, const char *text, cy_declarations *declarations);
/* Declared by the whole name "x" or "h[0]", or the family "x"; NULL: not. */
const cy_declaration *cy_declaration_find(const cy_declarations *declarations, const char *name, bool family);
/* The index of a dimension's name, or -1. */
int cy_dimension_find(const cy_formula *formula, const char *name);

/* ---- make.c: nodes, their dimensions checked; at is the operator's place, for the caret ---- */

typedef struct cy_place {
  size_t at, start, end;
} cy_place;

CY_MUST_CHECK cy_status cy_make_leaf(cy_formula *f, cy_expression_kind kind, cy_dims dims, int id, double number,
                                     cy_place place, cy_expression **out);
CY_MUST_CHECK cy_status cy_make_negate(cy_formula *f, const cy_expression *a, cy_place place, cy_expression **out);
CY_MUST_CHECK cy_status cy_make_transpose(cy_formula *f, const cy_expression *a, cy_place place,
                                          cy_expression **out);
/* operation: one of + - * @ / ^ .* ./ .^ */
CY_MUST_CHECK cy_status cy_make_binary(cy_formula *f, const char *operation, const cy_expression *a,
                                       const cy_expression *b, cy_place place, cy_expression **out);
CY_MUST_CHECK cy_status cy_make_element(cy_formula *f, const cy_expression *a, const cy_expression *const *subscripts,
                                        int n, cy_place place, cy_expression **out);
/* classes: of onehot. axis: of reductions, -1 for none. */
CY_MUST_CHECK cy_status cy_make_call(cy_formula *f, const cy_function *function, const cy_expression *const *operands,
                                     int n, int axis, cy_dim classes, cy_place place, cy_expression **out);

#endif
