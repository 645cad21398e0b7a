/* Functions with their arguments, of which some are no values: an axis, how many classes; and |x|. */
#include "formula/parser.h"

#include <string.h>

static cy_status parse_classes(cy_parser *p, cy_dim *classes) {
  const cy_token *token = cy_peek(p);
  char name[CY_PARSER_NAME];
  *classes = cy_dim_number(0);
  if (token->kind == CY_TOKEN_NAME) {
    CY_TRY(cy_token_name(p, token, name));
    classes->name = cy_dimension_find(p->f, name);
    if (classes->name < 0) return cy_source_fail(&p->source, token->start, "there is no dimension \"%s\"", name);
  } else if (token->kind != CY_TOKEN_NUMBER ||
             !cy_read_integer(p->source.text + token->start, token->length, &classes->number) || classes->number < 1 ||
             classes->number > cy_formula_max_extent) {
    return cy_expected(p, "how many classes (a dimension)");
  }
  p->at++;
  return CY_OK;
}

static cy_status parse_axis(cy_parser *p, const cy_function *function, int *axis) {
  size_t start = cy_peek(p)->start;
  int64_t value;
  CY_TRY(cy_parse_step(p, &value));
  if (value != 0 && value != 1)
    return cy_source_fail(&p->source, start, "%s: over the rows is 0, over the columns 1", function->name);
  *axis = (int)value;
  return CY_OK;
}

/* The arguments after the first; some functions take what is no value. */
static cy_status parse_further(cy_parser *p, const cy_function *function, cy_expression **operands, int *n, int *axis,
                               cy_dim *classes) {
  if (function->id == CY_FUNCTION_ONEHOT) {
    CY_TRY(cy_expect(p, ",", "',' and how many classes"));
    return parse_classes(p, classes);
  }
  if (function->reduce && function->max_operands == 1) return cy_accept(p, ",") ? parse_axis(p, function, axis) : CY_OK;
  while (*n < function->max_operands && cy_accept(p, ",")) CY_TRY(cy_parse_sum(p, &operands[(*n)++]));
  if (*n < function->min_operands) return cy_expected(p, "',' and another argument");
  return CY_OK;
}

cy_status cy_parse_call(cy_parser *p, cy_expression **out) {
  const cy_token *token = cy_peek(p);
  const cy_function *function = cy_function_find(p->source.text + token->start, token->length);
  cy_expression *operands[CY_MAX_OPERANDS];
  char name[CY_PARSER_NAME], hint[CY_PARSER_HINT];
  int n = 1, axis = -1;
  cy_dim classes = cy_dim_number(0);
  CY_TRY(cy_token_name(p, token, name));
  if (!function && (cy_find_name(&p->f->statements, name) >= 0 || cy_declaration_find(&p->declared, name, false)))
    return cy_source_fail(&p->source, token->start, "%s is not a function; a product is written %s * (...)", name,
                          name);
  if (!function)
    return cy_source_fail(&p->source, token->start, "unknown function \"%s\"%s", name,
                          cy_nearest_hint(p, name, true, hint));
  p->at += 2;
  if (function->id == CY_FUNCTION_SUM && cy_is_name(p, p->at) && cy_is_sign(p, p->at + 1, "="))
    return cy_parse_sum_of_steps(p, token->start, out);
  CY_TRY(cy_parse_sum(p, &operands[0]));
  CY_TRY(parse_further(p, function, operands, &n, &axis, &classes));
  CY_TRY(cy_expect(p, ")", n < function->max_operands ? "',' or ')'" : "')'"));
  return cy_make_call(p->f, function, (const cy_expression *const *)operands, n, axis, classes,
                      cy_place_to_here(p, token->start, token->start), out);
}

/* |x|: absolute value of a number, length of a vector; |x|_1: sum of absolute values. Twice is once: ||x||. */
cy_status cy_parse_bars(cy_parser *p, cy_expression **out) {
  size_t start = cy_peek(p)->start;
  const char *name;
  p->at++;
  CY_TRY(cy_parse_sum(p, out));
  CY_TRY(cy_expect(p, "|", "'|'"));
  bool one = cy_is_word(p, p->at, "_1");
  if (one) p->at++;
  const cy_expression *inner = *out;
  name = one ? "norm1" : inner->dims.rank ? "norm" : "abs";
  if (!one && inner->kind == CY_EXPRESSION_CALL && inner->dims.rank == 0 &&
      (inner->function->id == CY_FUNCTION_ABS || inner->function->id == CY_FUNCTION_NORM))
    return CY_OK;
  return cy_make_call(p->f, cy_function_find(name, strlen(name)), &inner, 1, -1, cy_dim_number(0),
                      cy_place_to_here(p, start, start), out);
}
