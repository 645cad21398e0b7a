/* What the parser's files share: tokens, declarations, the making of checked nodes, and the parser itself, one function
 * per rule of the grammar in parse.c. */
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

/* ---- the parser ---- */

/* A variable of "for" or of a sum, while its body is read. */
typedef struct cy_loop {
  const cy_token *name;
  int64_t value;
  const struct cy_loop *outer;
} cy_loop;

typedef struct cy_parser {
  cy_formula *f;
  cy_source source;
  size_t at; /* the next token */
  cy_declarations declared;
  const cy_loop *loop;
  size_t *targets; /* tokens that begin the left side of a statement, here or later */
  size_t n_targets, target_capacity;
  int depth;
} cy_parser;

enum { CY_PARSER_NAME = 160, CY_PARSER_HINT = 160 }; /* bytes of buffers */

/* ---- cursor.c ---- */

const cy_token *cy_token_at(const cy_parser *p, size_t i);
bool cy_is_sign(const cy_parser *p, size_t i, const char *sign);
bool cy_is_name(const cy_parser *p, size_t i);
bool cy_is_word(const cy_parser *p, size_t i, const char *word);
bool cy_is_separator(const cy_parser *p, size_t i);
bool cy_is_end(const cy_parser *p, size_t i);
const cy_token *cy_peek(const cy_parser *p);
bool cy_at_sign(const cy_parser *p, const char *sign);
bool cy_accept(cy_parser *p, const char *sign);
CY_MUST_CHECK cy_status cy_expect(cy_parser *p, const char *sign, const char *what);
CY_MUST_CHECK cy_status cy_expected(const cy_parser *p, const char *what); /* fails: something else is here */
/* A place that begins at start and ends with the token read last. */
cy_place cy_place_to_here(const cy_parser *p, size_t start, size_t at);
CY_MUST_CHECK cy_status cy_token_name(const cy_parser *p, const cy_token *token, char name[CY_PARSER_NAME]);
CY_MUST_CHECK cy_status cy_deeper(cy_parser *p); /* counts p->depth */

/* ---- meaning.c ---- */

int cy_find_name(const cy_formula_names *names, const char *name); /* -1: none */
/* True if token i begins the left side of a statement, "a =" or "a[...] ="; *family: the second. */
bool cy_is_target(const cy_parser *p, size_t i, bool *family);
CY_MUST_CHECK cy_status cy_find_targets(cy_parser *p);
/* Whether any statement, here or later, defines the name (or steps of it). */
bool cy_is_defined_anywhere(const cy_parser *p, const char *name, bool family);
/* name[...] is a step of a family, not an element of a vector. */
bool cy_is_family(const cy_parser *p, const char *name);
/* "; did you mean ...?", or nothing. Returns hint. */
const char *cy_nearest_hint(const cy_parser *p, const char *wrong, bool functions, char hint[CY_PARSER_HINT]);
CY_MUST_CHECK cy_status cy_add_name(cy_parser *p, cy_formula_names *names, cy_formula_name entry, size_t at);
/* A statement defined before, else a symbol, which exists from its first use. family: NULL, or the name before
 * [step]. */
CY_MUST_CHECK cy_status cy_make_reference(cy_parser *p, const char *name, const char *family, int64_t step,
                                          cy_place place, cy_expression **out);

/* ---- steps.c ---- */

typedef struct cy_range {
  const cy_token *name;
  int64_t first, last;
} cy_range;

const cy_loop *cy_find_loop(const cy_parser *p, const cy_token *token); /* NULL: no variable */
CY_MUST_CHECK cy_status cy_parse_step(cy_parser *p, int64_t *value);
/* t = 1..3; limited, so that a loop over it ends. */
CY_MUST_CHECK cy_status cy_parse_range(cy_parser *p, cy_range *r);
/* sum(t=1..3, body), from the t: the body is read once for each. start: where sum stands. */
CY_MUST_CHECK cy_status cy_parse_sum_of_steps(cy_parser *p, size_t start, cy_expression **out);
bool cy_at_recurrence(const cy_parser *p); /* at "h[t] =": a step that is not a number */
CY_MUST_CHECK cy_status cy_parse_recurrence(cy_parser *p);

/* ---- statement.c, parse.c, call.c ---- */

CY_MUST_CHECK cy_status cy_parse_statement(cy_parser *p);
CY_MUST_CHECK cy_status cy_parse_sum(cy_parser *p, cy_expression **out);
CY_MUST_CHECK cy_status cy_parse_call(cy_parser *p, cy_expression **out);
CY_MUST_CHECK cy_status cy_parse_bars(cy_parser *p, cy_expression **out);

#endif
