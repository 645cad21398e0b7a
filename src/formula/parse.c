/* The parser of formulas: text to checked trees.
 *
 *   text      = [ statement { (";" | newline) statement } ]                                           statement.c
 *   statement = [ target "=" ] sum [ "for" range ]        target = name [ "[" step "]" ]
 *   sum       = term { ("+" | "-") term }                 term = unary { ("*" | "@" | "/" | ".*" | "./") unary }
 *   unary     = "-" unary | power                         power = postfix [ ("^" | ".^") unary ]     ^T transposes
 *   postfix   = primary { "'" | "[" subscript [ "," subscript ] "]" }
 *   primary   = number | name | name "[" step "]" | name "(" arguments ")" | "(" sum ")" | "|" sum "|" [ "_1" ]
 *   range     = name "=" step ".." step                   step = [ "-" ] whole { ("+" | "-") whole }    steps.c
 *
 * Names refer to what was defined before (meaning.c). Nesting and the number of parts are limited, so hostile text ends
 * soon. Expressions are here. */
#include "formula/parser.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

static cy_status parse_family_step(cy_parser *p, const char *family, size_t start, cy_expression **out) {
  char name[CY_PARSER_NAME];
  int64_t step;
  p->at++; /* [ */
  CY_TRY(cy_parse_step(p, &step));
  CY_TRY(cy_expect(p, "]", "']'"));
  snprintf(name, sizeof name, "%.100s[%" PRId64 "]", family, step);
  return cy_make_reference(p, name, family, step, cy_place_to_here(p, start, start), out);
}

static cy_status parse_name(cy_parser *p, cy_expression **out) {
  const cy_token *token = cy_peek(p);
  const cy_loop *l = cy_find_loop(p, token);
  char name[CY_PARSER_NAME];
  int dimension;
  CY_TRY(cy_token_name(p, token, name));
  if (strcmp(name, "for") == 0) return cy_expected(p, "a value");
  p->at++;
  cy_place place = cy_place_to_here(p, token->start, token->start);
  if (l) return cy_make_leaf(p->f, CY_EXPRESSION_NUMBER, (cy_dims){0}, 0, (double)l->value, place, out);
  if (cy_at_sign(p, "[") && cy_is_family(p, name)) return parse_family_step(p, name, token->start, out);
  bool known = cy_find_name(&p->f->statements, name) >= 0 || cy_declaration_find(&p->declared, name, false);
  dimension = known || cy_is_defined_anywhere(p, name, false) ? -1 : cy_dimension_find(p->f, name);
  if (dimension >= 0) return cy_make_leaf(p->f, CY_EXPRESSION_DIMENSION, (cy_dims){0}, dimension, 0, place, out);
  if (!known && strcmp(name, "pi") == 0)
    return cy_make_leaf(p->f, CY_EXPRESSION_NUMBER, (cy_dims){0}, 0, M_PI, place, out);
  if (!known && cy_function_find(name, token->length))
    return cy_source_fail(&p->source, token->start, "%s is a function: %s(...)", name, name);
  return cy_make_reference(p, name, NULL, 0, place, out);
}

/* ---- expressions ---- */

static cy_status parse_number(cy_parser *p, cy_expression **out) {
  const cy_token *token = cy_peek(p);
  double value;
  if (!cy_read_real(p->source.text + token->start, token->length, &value))
    return cy_source_fail(&p->source, token->start, "the number does not fit in double precision");
  p->at++;
  if (cy_is_name(p, p->at) && !cy_is_word(p, p->at, "for"))
    return cy_source_fail(&p->source, cy_peek(p)->start, "expected an operator: products are written with *");
  return cy_make_leaf(p->f, CY_EXPRESSION_NUMBER, (cy_dims){0}, 0, value,
                      cy_place_to_here(p, token->start, token->start), out);
}

static cy_status parse_primary(cy_parser *p, cy_expression **out) {
  size_t start = cy_peek(p)->start;
  if (cy_peek(p)->kind == CY_TOKEN_NUMBER) return parse_number(p, out);
  if (cy_at_sign(p, "|")) return cy_parse_bars(p, out);
  if (cy_is_name(p, p->at)) return cy_is_sign(p, p->at + 1, "(") ? cy_parse_call(p, out) : parse_name(p, out);
  if (!cy_accept(p, "(")) return cy_expected(p, "a value");
  CY_TRY(cy_parse_sum(p, out));
  CY_TRY(cy_expect(p, ")", "')'"));
  (*out)->start = start; /* messages show it with its brackets */
  (*out)->end = cy_place_to_here(p, start, start).end;
  return CY_OK;
}

/* An index, or a whole number that is known now. */
static cy_status parse_subscript(cy_parser *p, cy_expression **out) {
  const cy_token *token = cy_peek(p);
  int64_t value;
  if (cy_is_name(p, p->at) && !cy_find_loop(p, token)) {
    CY_TRY(parse_name(p, out));
    if ((*out)->dims.index) return CY_OK;
    return cy_source_fail(&p->source, token->start, "a subscript is a whole number or a symbol declared as index");
  }
  CY_TRY(cy_parse_step(p, &value));
  return cy_make_leaf(p->f, CY_EXPRESSION_NUMBER, (cy_dims){0}, 0, (double)value,
                      cy_place_to_here(p, token->start, token->start), out);
}

static cy_status parse_element(cy_parser *p, size_t start, cy_expression **e) {
  cy_expression *subscripts[2];
  char text[CY_EXPRESSION_TEXT];
  size_t at = cy_peek(p)->start;
  int n = 0;
  p->at++;
  if ((*e)->dims.rank == 0)
    return cy_source_fail(&p->source, at, "%s is a number: it has no elements", cy_expression_text(p->f, *e, text));
  CY_TRY(parse_subscript(p, &subscripts[n++]));
  if (cy_accept(p, ",")) CY_TRY(parse_subscript(p, &subscripts[n++]));
  CY_TRY(cy_expect(p, "]", n == 1 ? "',' or ']'" : "']'"));
  return cy_make_element(p->f, *e, (const cy_expression *const *)subscripts, n, cy_place_to_here(p, start, at), e);
}

static cy_status parse_postfix(cy_parser *p, cy_expression **out) {
  size_t start = cy_peek(p)->start;
  CY_TRY(parse_primary(p, out));
  for (;;) {
    size_t at = cy_peek(p)->start;
    if (cy_at_sign(p, "[")) CY_TRY(parse_element(p, start, out));
    else if (cy_accept(p, "'")) CY_TRY(cy_make_transpose(p->f, *out, cy_place_to_here(p, start, at), out));
    else return CY_OK;
  }
}

/* ^T: where T is nothing else. */
static bool at_transposition(const cy_parser *p) {
  return cy_at_sign(p, "^") && cy_is_word(p, p->at + 1, "T") && !cy_declaration_find(&p->declared, "T", false) &&
         cy_find_name(&p->f->statements, "T") < 0 && !cy_is_sign(p, p->at + 2, "(");
}

static cy_status parse_unary(cy_parser *p, cy_expression **out);

static cy_status parse_power(cy_parser *p, cy_expression **out) {
  size_t start = cy_peek(p)->start, at;
  cy_expression *exponent;
  CY_TRY(parse_postfix(p, out));
  while (at_transposition(p)) {
    at = cy_peek(p)->start;
    p->at += 2;
    CY_TRY(cy_make_transpose(p->f, *out, cy_place_to_here(p, start, at), out));
  }
  at = cy_peek(p)->start;
  bool dotted = cy_at_sign(p, ".^");
  if (!cy_accept(p, "^") && !cy_accept(p, ".^")) return CY_OK;
  CY_TRY(parse_unary(p, &exponent));
  return cy_make_binary(p->f, dotted ? ".^" : "^", *out, exponent, cy_place_to_here(p, start, at), out);
}

static cy_status parse_unary(cy_parser *p, cy_expression **out) {
  size_t start = cy_peek(p)->start;
  CY_TRY(cy_deeper(p));
  if (cy_accept(p, "-")) {
    CY_TRY(parse_unary(p, out));
    CY_TRY(cy_make_negate(p->f, *out, cy_place_to_here(p, start, start), out));
  } else {
    CY_TRY(parse_power(p, out));
  }
  p->depth--;
  return CY_OK;
}

/* Operands of one precedence, from left to right. */
static cy_status parse_chain(cy_parser *p, const char *const *signs,
                             cy_status (*operand)(cy_parser *, cy_expression **), cy_expression **out) {
  size_t start = cy_peek(p)->start;
  cy_expression *right;
  CY_TRY(operand(p, out));
  for (;;) {
    size_t at = cy_peek(p)->start;
    const char *const *sign = signs;
    while (*sign && !cy_at_sign(p, *sign)) sign++;
    if (!*sign) return CY_OK;
    p->at++;
    CY_TRY(operand(p, &right));
    CY_TRY(cy_make_binary(p->f, *sign, *out, right, cy_place_to_here(p, start, at), out));
  }
}

static cy_status parse_term(cy_parser *p, cy_expression **out) {
  static const char *const signs[] = {"*", "/", "@", ".*", "./", NULL};
  return parse_chain(p, signs, parse_unary, out);
}

cy_status cy_parse_sum(cy_parser *p, cy_expression **out) {
  static const char *const signs[] = {"+", "-", NULL};
  CY_TRY(cy_deeper(p));
  CY_TRY(parse_chain(p, signs, parse_term, out));
  p->depth--;
  return CY_OK;
}
