/* The parser of formulas: text to checked trees.
 *
 *   text      = [ statement { (";" | newline) statement } ]
 *   statement = [ target "=" ] sum [ "for" range ]        target = name [ "[" step "]" ]
 *   sum       = term { ("+" | "-") term }                 term = unary { ("*" | "@" | "/" | ".*" | "./") unary }
 *   unary     = "-" unary | power                         power = postfix [ ("^" | ".^") unary ]     ^T transposes
 *   postfix   = primary { "'" | "[" subscript [ "," subscript ] "]" }
 *   primary   = number | name | name "[" step "]" | name "(" arguments ")" | "(" sum ")" | "|" sum "|" [ "_1" ]
 *   range     = name "=" step ".." step                   step = [ "-" ] whole { ("+" | "-") whole }
 *
 * Names refer to what was defined before. Steps of a recurrence are written out while parsing: "for" closes the
 * statements before it that have its variable on their left, and their tokens are read once for each step, in turn;
 * sum(t=1..3, ...) reads its body the same way. Nesting and the number of parts are limited, so hostile text ends
 * soon. */
#include "formula/parser.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NESTING = 200, MAX_STEPS = 4096, MAX_BODIES = 64, NAME_TEXT = 160, MAX_NAME = 100, HINT_TEXT = 160 };

/* A variable of "for" or of a sum, while its body is read. */
typedef struct loop {
  const cy_token *name;
  int64_t value;
  const struct loop *outer;
} loop;

typedef struct parser {
  cy_formula *f;
  cy_source source;
  size_t at;
  cy_declarations declared;
  const loop *loop;
  size_t *targets; /* tokens that begin the left side of a statement, here or later */
  size_t n_targets, target_capacity;
  int depth;
} parser;

static cy_status parse_sum(parser *p, cy_expression **out);

/* ---- reading tokens ---- */

static const cy_token *token_at(const parser *p, size_t i) {
  return &p->source.tokens[i < p->source.count ? i : p->source.count - 1];
}
static const cy_token *peek(const parser *p) { return token_at(p, p->at); }
static bool is_sign(const parser *p, size_t i, const char *sign) {
  return cy_sign_is(&p->source, token_at(p, i), sign);
}
static bool is_name(const parser *p, size_t i) { return token_at(p, i)->kind == CY_TOKEN_NAME; }
static bool is_word(const parser *p, size_t i, const char *word) {
  return is_name(p, i) && cy_token_is(&p->source, token_at(p, i), word);
}
static bool at_sign(const parser *p, const char *sign) { return is_sign(p, p->at, sign); }
static bool is_separator(const parser *p, size_t i) { return is_sign(p, i, ";") || is_sign(p, i, "\n"); }
static bool is_end(const parser *p, size_t i) { return token_at(p, i)->kind == CY_TOKEN_END; }

static bool accept(parser *p, const char *sign) {
  if (!at_sign(p, sign)) return false;
  p->at++;
  return true;
}

static cy_status expected(const parser *p, const char *what) {
  char found[CY_TOKEN_TEXT];
  return cy_source_fail(&p->source, peek(p)->start, "expected %s, found %s", what,
                        cy_formula_token_text(&p->source, peek(p), found));
}
static cy_status expect(parser *p, const char *sign, const char *what) {
  return accept(p, sign) ? CY_OK : expected(p, what);
}

/* A place that begins at start and ends with the token read last. */
static cy_place place_to_here(const parser *p, size_t start, size_t at) {
  const cy_token *last = token_at(p, p->at - 1);
  return (cy_place){at, start, last->start + last->length};
}

static cy_status name_of(const parser *p, const cy_token *token, char name[NAME_TEXT]) {
  if (token->length > MAX_NAME)
    return cy_source_fail(&p->source, token->start, "the name is longer than %d characters", MAX_NAME);
  memcpy(name, p->source.text + token->start, token->length);
  name[token->length] = 0;
  return CY_OK;
}

static cy_status deeper(parser *p) {
  if (++p->depth > MAX_NESTING)
    return cy_source_fail(&p->source, peek(p)->start, "nested more than %d deep", MAX_NESTING);
  return CY_OK;
}

/* ---- what names mean ---- */

static int find_name(const cy_formula_names *names, const char *name) {
  for (size_t i = names->n; i-- > 0;)
    if (strcmp(names->items[i].name, name) == 0) return (int)i;
  return -1;
}

/* True if token i begins the left side of a statement, "a =" or "a[...] ="; *family: the second. */
static bool is_target(const parser *p, size_t i, bool *family) {
  if (!is_name(p, i)) return false;
  *family = is_sign(p, i + 1, "[");
  if (!*family) return is_sign(p, i + 1, "=");
  for (i += 2; !is_end(p, i) && !is_separator(p, i) && !is_sign(p, i, "]"); i++) continue;
  return is_sign(p, i, "]") && is_sign(p, i + 1, "=");
}

static cy_status find_targets(parser *p) {
  bool family;
  for (size_t i = 0; i < p->source.count; i++) {
    if ((i > 0 && !is_separator(p, i - 1)) || !is_target(p, i, &family)) continue;
    if (!cy_grow(&p->targets, p->n_targets, &p->target_capacity, sizeof *p->targets)) return cy_no_memory();
    p->targets[p->n_targets++] = i;
  }
  return CY_OK;
}

/* Whether any statement, here or later, defines the name (or steps of it). */
static bool is_defined_anywhere(const parser *p, const char *name, bool family) {
  for (size_t i = 0; i < p->n_targets; i++)
    if (is_sign(p, p->targets[i] + 1, "[") == family && cy_token_is(&p->source, token_at(p, p->targets[i]), name))
      return true;
  return false;
}

/* Whether single steps of the name are declared, h[0]. */
static bool has_declared_steps(const parser *p, const char *name) {
  size_t n = strlen(name);
  for (size_t i = 0; i < p->declared.n; i++)
    if (strncmp(p->declared.items[i].name, name, n) == 0 && p->declared.items[i].name[n] == '[') return true;
  return false;
}

/* name[...] is a step of a family, not an element of a vector. */
static bool is_family(const parser *p, const char *name) {
  if (cy_declaration_find(&p->declared, name, false) || find_name(&p->f->statements, name) >= 0) return false;
  return !p->declared.any || cy_declaration_find(&p->declared, name, true) || has_declared_steps(p, name) ||
         is_defined_anywhere(p, name, true);
}

static const char *nearest(const parser *p, const char *wrong, bool functions, char hint[HINT_TEXT]) {
  const char *names[512], *name;
  size_t n = 0;
  for (int i = 0; functions && n < 512 && (name = cy_formula_function(i, NULL)) != NULL; i++) names[n++] = name;
  for (size_t i = 0; !functions && i < p->declared.n && n < 512; i++) names[n++] = p->declared.items[i].name;
  for (size_t i = 0; !functions && i < p->f->statements.n && n < 512; i++) names[n++] = p->f->statements.items[i].name;
  const char *near = cy_nearest_name(wrong, names, n);
  hint[0] = 0;
  if (near) snprintf(hint, HINT_TEXT, "; did you mean \"%s\"?", near);
  return hint;
}

static cy_status unknown_symbol(const parser *p, const char *name, size_t at) {
  char hint[HINT_TEXT];
  if (is_defined_anywhere(p, name, false))
    return cy_source_fail(&p->source, at, "%s is used before it is defined", name);
  nearest(p, name, false, hint);
  return cy_source_fail(&p->source, at, "unknown symbol \"%s\"%s", name,
                        hint[0] ? hint : ": it is neither declared nor defined before");
}

static cy_status add_name(parser *p, cy_formula_names *names, cy_formula_name entry, size_t at) {
  if (names->n == CY_FORMULA_MAX_NAMES)
    return cy_source_fail(&p->source, at, "the formula, written out, has more than %d %s", CY_FORMULA_MAX_NAMES,
                          names == &p->f->symbols ? "symbols" : "statements");
  entry.name = cy_arena_strdup(p->f->arena, entry.name);
  if (entry.family) entry.family = cy_arena_strdup(p->f->arena, entry.family);
  if (!entry.name || !cy_grow(&names->items, names->n, &names->capacity, sizeof entry)) return cy_no_memory();
  names->items[names->n++] = entry;
  return CY_OK;
}

/* A statement defined before, else a symbol, which exists from its first use. family: NULL, or the name before
 * [step]. */
static cy_status make_reference(parser *p, const char *name, const char *family, int64_t step, cy_place place,
                                cy_expression **out) {
  cy_formula *f = p->f;
  int id = find_name(&f->statements, name);
  if (id >= 0) return cy_make_leaf(f, CY_EXPRESSION_STATEMENT, f->statements.items[id].dims, id, 0, place, out);
  id = find_name(&f->symbols, name);
  if (id < 0) {
    const cy_declaration *d = cy_declaration_find(&p->declared, name, false);
    if (!d && family) d = cy_declaration_find(&p->declared, family, true);
    if (!d && p->declared.any) return unknown_symbol(p, name, place.start);
    id = (int)f->symbols.n;
    CY_TRY(
        add_name(p, &f->symbols, (cy_formula_name){name, family, step, d ? d->dims : (cy_dims){0}, NULL}, place.start));
  }
  return cy_make_leaf(f, CY_EXPRESSION_SYMBOL, f->symbols.items[id].dims, id, 0, place, out);
}

/* ---- steps ---- */

static const loop *find_loop(const parser *p, const cy_token *token) {
  for (const loop *l = p->loop; l; l = l->outer)
    if (l->name->length == token->length &&
        memcmp(p->source.text + l->name->start, p->source.text + token->start, token->length) == 0)
      return l;
  return NULL;
}

static cy_status parse_whole(parser *p, int64_t *value) {
  const cy_token *token = peek(p);
  if (token->kind == CY_TOKEN_NUMBER) {
    if (!cy_read_integer(p->source.text + token->start, token->length, value))
      return cy_source_fail(&p->source, token->start, "expected a whole number");
  } else if (token->kind == CY_TOKEN_NAME) {
    const loop *l = find_loop(p, token);
    char name[NAME_TEXT];
    CY_TRY(name_of(p, token, name));
    if (!l)
      return cy_source_fail(&p->source, token->start,
                            "%s has no number here: add \"for %s = 1..3\" at the statement's end", name, name);
    *value = l->value;
  } else {
    return expected(p, "a whole number");
  }
  p->at++;
  return CY_OK;
}

static cy_status parse_step(parser *p, int64_t *value) {
  size_t start = peek(p)->start;
  bool minus = accept(p, "-");
  int64_t next;
  CY_TRY(parse_whole(p, value));
  if (minus) *value = -*value;
  while (at_sign(p, "+") || at_sign(p, "-")) {
    minus = accept(p, "-");
    if (!minus) p->at++;
    CY_TRY(parse_whole(p, &next));
    if (!cy_add_i64(*value, minus ? -next : next, value))
      return cy_source_fail(&p->source, start, "the number is too large");
  }
  return CY_OK;
}

typedef struct range {
  const cy_token *name;
  int64_t first, last;
} range;

/* t = 1..3; limited, so that a loop over it ends. */
static cy_status parse_range(parser *p, range *r) {
  int64_t difference;
  r->name = peek(p);
  if (r->name->kind != CY_TOKEN_NAME) return expected(p, "the name of the step, as in t = 1..3");
  p->at++;
  CY_TRY(expect(p, "=", "'=' and the steps, as in t = 1..3"));
  CY_TRY(parse_step(p, &r->first));
  CY_TRY(expect(p, "..", "'..' between the first and the last step"));
  CY_TRY(parse_step(p, &r->last));
  if (r->first == INT64_MIN || !cy_add_i64(r->last, -r->first, &difference) || difference >= MAX_STEPS ||
      difference <= -MAX_STEPS)
    return cy_source_fail(&p->source, r->name->start, "more than %d steps", MAX_STEPS);
  return CY_OK;
}

/* ---- names ---- */

static cy_status parse_family_step(parser *p, const char *family, size_t start, cy_expression **out) {
  char name[NAME_TEXT];
  int64_t step;
  p->at++; /* [ */
  CY_TRY(parse_step(p, &step));
  CY_TRY(expect(p, "]", "']'"));
  snprintf(name, sizeof name, "%.100s[%" PRId64 "]", family, step);
  return make_reference(p, name, family, step, place_to_here(p, start, start), out);
}

static cy_status parse_name(parser *p, cy_expression **out) {
  const cy_token *token = peek(p);
  const loop *l = find_loop(p, token);
  char name[NAME_TEXT];
  int dimension;
  CY_TRY(name_of(p, token, name));
  if (strcmp(name, "for") == 0) return expected(p, "a value");
  p->at++;
  cy_place place = place_to_here(p, token->start, token->start);
  if (l) return cy_make_leaf(p->f, CY_EXPRESSION_NUMBER, (cy_dims){0}, 0, (double)l->value, place, out);
  if (at_sign(p, "[") && is_family(p, name)) return parse_family_step(p, name, token->start, out);
  bool known = find_name(&p->f->statements, name) >= 0 || cy_declaration_find(&p->declared, name, false);
  dimension = known || is_defined_anywhere(p, name, false) ? -1 : cy_dimension_find(p->f, name);
  if (dimension >= 0) return cy_make_leaf(p->f, CY_EXPRESSION_DIMENSION, (cy_dims){0}, dimension, 0, place, out);
  if (!known && strcmp(name, "pi") == 0)
    return cy_make_leaf(p->f, CY_EXPRESSION_NUMBER, (cy_dims){0}, 0, M_PI, place, out);
  if (!known && cy_function_find(name, token->length))
    return cy_source_fail(&p->source, token->start, "%s is a function: %s(...)", name, name);
  return make_reference(p, name, NULL, 0, place, out);
}

/* ---- calls ---- */

/* sum(t=1..3, body): the body is read once for each t. */
static cy_status parse_sum_of_steps(parser *p, size_t start, cy_expression **out) {
  range r;
  cy_expression *next;
  CY_TRY(parse_range(p, &r));
  if (r.last < r.first) return cy_source_fail(&p->source, r.name->start, "the sum has no terms");
  CY_TRY(expect(p, ",", "',' and what is summed"));
  size_t body = p->at;
  loop l = {.name = r.name, .value = r.first, .outer = p->loop};
  p->loop = &l;
  CY_TRY(parse_sum(p, out));
  for (l.value++; l.value <= r.last; l.value++) {
    p->at = body;
    CY_TRY(parse_sum(p, &next));
    CY_TRY(cy_make_binary(p->f, "+", *out, next, place_to_here(p, start, start), out));
  }
  p->loop = l.outer;
  return expect(p, ")", "')'");
}

static cy_status parse_classes(parser *p, cy_dim *classes) {
  const cy_token *token = peek(p);
  char name[NAME_TEXT];
  *classes = cy_dim_number(0);
  if (token->kind == CY_TOKEN_NAME) {
    CY_TRY(name_of(p, token, name));
    classes->name = cy_dimension_find(p->f, name);
    if (classes->name < 0) return cy_source_fail(&p->source, token->start, "there is no dimension \"%s\"", name);
  } else if (token->kind != CY_TOKEN_NUMBER ||
             !cy_read_integer(p->source.text + token->start, token->length, &classes->number) || classes->number < 1 ||
             classes->number > cy_formula_max_extent) {
    return expected(p, "how many classes (a dimension)");
  }
  p->at++;
  return CY_OK;
}

static cy_status parse_axis(parser *p, const cy_function *function, int *axis) {
  size_t start = peek(p)->start;
  int64_t value;
  CY_TRY(parse_step(p, &value));
  if (value != 0 && value != 1)
    return cy_source_fail(&p->source, start, "%s: over the rows is 0, over the columns 1", function->name);
  *axis = (int)value;
  return CY_OK;
}

/* The arguments after the first; some functions take what is no value. */
static cy_status parse_further(parser *p, const cy_function *function, cy_expression **operands, int *n, int *axis,
                               cy_dim *classes) {
  if (function->id == CY_FUNCTION_ONEHOT) {
    CY_TRY(expect(p, ",", "',' and how many classes"));
    return parse_classes(p, classes);
  }
  if (function->reduce && function->max_operands == 1) return accept(p, ",") ? parse_axis(p, function, axis) : CY_OK;
  while (*n < function->max_operands && accept(p, ",")) CY_TRY(parse_sum(p, &operands[(*n)++]));
  if (*n < function->min_operands) return expected(p, "',' and another argument");
  return CY_OK;
}

static cy_status parse_call(parser *p, cy_expression **out) {
  const cy_token *token = peek(p);
  const cy_function *function = cy_function_find(p->source.text + token->start, token->length);
  cy_expression *operands[CY_MAX_OPERANDS];
  char name[NAME_TEXT], hint[HINT_TEXT];
  int n = 1, axis = -1;
  cy_dim classes = cy_dim_number(0);
  CY_TRY(name_of(p, token, name));
  if (!function && (find_name(&p->f->statements, name) >= 0 || cy_declaration_find(&p->declared, name, false)))
    return cy_source_fail(&p->source, token->start, "%s is not a function; a product is written %s * (...)", name,
                          name);
  if (!function)
    return cy_source_fail(&p->source, token->start, "unknown function \"%s\"%s", name, nearest(p, name, true, hint));
  p->at += 2;
  if (function->id == CY_FUNCTION_SUM && is_name(p, p->at) && is_sign(p, p->at + 1, "="))
    return parse_sum_of_steps(p, token->start, out);
  CY_TRY(parse_sum(p, &operands[0]));
  CY_TRY(parse_further(p, function, operands, &n, &axis, &classes));
  CY_TRY(expect(p, ")", n < function->max_operands ? "',' or ')'" : "')'"));
  return cy_make_call(p->f, function, (const cy_expression *const *)operands, n, axis, classes,
                      place_to_here(p, token->start, token->start), out);
}

/* |x|: absolute value of a number, length of a vector; |x|_1: sum of absolute values. Twice is once: ||x||. */
static cy_status parse_bars(parser *p, cy_expression **out) {
  size_t start = peek(p)->start;
  const char *name;
  p->at++;
  CY_TRY(parse_sum(p, out));
  CY_TRY(expect(p, "|", "'|'"));
  bool one = is_word(p, p->at, "_1");
  if (one) p->at++;
  const cy_expression *inner = *out;
  name = one ? "norm1" : inner->dims.rank ? "norm" : "abs";
  if (!one && inner->kind == CY_EXPRESSION_CALL && inner->dims.rank == 0 &&
      (inner->function->id == CY_FUNCTION_ABS || inner->function->id == CY_FUNCTION_NORM))
    return CY_OK;
  return cy_make_call(p->f, cy_function_find(name, strlen(name)), &inner, 1, -1, cy_dim_number(0),
                      place_to_here(p, start, start), out);
}

/* ---- expressions ---- */

static cy_status parse_number(parser *p, cy_expression **out) {
  const cy_token *token = peek(p);
  double value;
  if (!cy_read_real(p->source.text + token->start, token->length, &value))
    return cy_source_fail(&p->source, token->start, "the number does not fit in double precision");
  p->at++;
  if (is_name(p, p->at) && !is_word(p, p->at, "for"))
    return cy_source_fail(&p->source, peek(p)->start, "expected an operator: products are written with *");
  return cy_make_leaf(p->f, CY_EXPRESSION_NUMBER, (cy_dims){0}, 0, value, place_to_here(p, token->start, token->start),
                      out);
}

static cy_status parse_primary(parser *p, cy_expression **out) {
  size_t start = peek(p)->start;
  if (peek(p)->kind == CY_TOKEN_NUMBER) return parse_number(p, out);
  if (at_sign(p, "|")) return parse_bars(p, out);
  if (is_name(p, p->at)) return is_sign(p, p->at + 1, "(") ? parse_call(p, out) : parse_name(p, out);
  if (!accept(p, "(")) return expected(p, "a value");
  CY_TRY(parse_sum(p, out));
  CY_TRY(expect(p, ")", "')'"));
  (*out)->start = start; /* messages show it with its brackets */
  (*out)->end = place_to_here(p, start, start).end;
  return CY_OK;
}

/* An index, or a whole number that is known now. */
static cy_status parse_subscript(parser *p, cy_expression **out) {
  const cy_token *token = peek(p);
  int64_t value;
  if (is_name(p, p->at) && !find_loop(p, token)) {
    CY_TRY(parse_name(p, out));
    if ((*out)->dims.index) return CY_OK;
    return cy_source_fail(&p->source, token->start, "a subscript is a whole number or a symbol declared as index");
  }
  CY_TRY(parse_step(p, &value));
  return cy_make_leaf(p->f, CY_EXPRESSION_NUMBER, (cy_dims){0}, 0, (double)value,
                      place_to_here(p, token->start, token->start), out);
}

static cy_status parse_element(parser *p, size_t start, cy_expression **e) {
  cy_expression *subscripts[2];
  char text[CY_EXPRESSION_TEXT];
  size_t at = peek(p)->start;
  int n = 0;
  p->at++;
  if ((*e)->dims.rank == 0)
    return cy_source_fail(&p->source, at, "%s is a number: it has no elements", cy_expression_text(p->f, *e, text));
  CY_TRY(parse_subscript(p, &subscripts[n++]));
  if (accept(p, ",")) CY_TRY(parse_subscript(p, &subscripts[n++]));
  CY_TRY(expect(p, "]", n == 1 ? "',' or ']'" : "']'"));
  return cy_make_element(p->f, *e, (const cy_expression *const *)subscripts, n, place_to_here(p, start, at), e);
}

static cy_status parse_postfix(parser *p, cy_expression **out) {
  size_t start = peek(p)->start;
  CY_TRY(parse_primary(p, out));
  for (;;) {
    size_t at = peek(p)->start;
    if (at_sign(p, "[")) CY_TRY(parse_element(p, start, out));
    else if (accept(p, "'")) CY_TRY(cy_make_transpose(p->f, *out, place_to_here(p, start, at), out));
    else return CY_OK;
  }
}

/* ^T: where T is nothing else. */
static bool at_transposition(const parser *p) {
  return at_sign(p, "^") && is_word(p, p->at + 1, "T") && !cy_declaration_find(&p->declared, "T", false) &&
         find_name(&p->f->statements, "T") < 0 && !is_sign(p, p->at + 2, "(");
}

static cy_status parse_unary(parser *p, cy_expression **out);

static cy_status parse_power(parser *p, cy_expression **out) {
  size_t start = peek(p)->start, at;
  cy_expression *exponent;
  CY_TRY(parse_postfix(p, out));
  while (at_transposition(p)) {
    at = peek(p)->start;
    p->at += 2;
    CY_TRY(cy_make_transpose(p->f, *out, place_to_here(p, start, at), out));
  }
  at = peek(p)->start;
  bool dotted = at_sign(p, ".^");
  if (!accept(p, "^") && !accept(p, ".^")) return CY_OK;
  CY_TRY(parse_unary(p, &exponent));
  return cy_make_binary(p->f, dotted ? ".^" : "^", *out, exponent, place_to_here(p, start, at), out);
}

static cy_status parse_unary(parser *p, cy_expression **out) {
  size_t start = peek(p)->start;
  CY_TRY(deeper(p));
  if (accept(p, "-")) {
    CY_TRY(parse_unary(p, out));
    CY_TRY(cy_make_negate(p->f, *out, place_to_here(p, start, start), out));
  } else {
    CY_TRY(parse_power(p, out));
  }
  p->depth--;
  return CY_OK;
}

/* Operands of one precedence, from left to right. */
static cy_status parse_chain(parser *p, const char *const *signs, cy_status (*operand)(parser *, cy_expression **),
                             cy_expression **out) {
  size_t start = peek(p)->start;
  cy_expression *right;
  CY_TRY(operand(p, out));
  for (;;) {
    size_t at = peek(p)->start;
    const char *const *sign = signs;
    while (*sign && !at_sign(p, *sign)) sign++;
    if (!*sign) return CY_OK;
    p->at++;
    CY_TRY(operand(p, &right));
    CY_TRY(cy_make_binary(p->f, *sign, *out, right, place_to_here(p, start, at), out));
  }
}

static cy_status parse_term(parser *p, cy_expression **out) {
  static const char *const signs[] = {"*", "/", "@", ".*", "./", NULL};
  return parse_chain(p, signs, parse_unary, out);
}

static cy_status parse_sum(parser *p, cy_expression **out) {
  static const char *const signs[] = {"+", "-", NULL};
  CY_TRY(deeper(p));
  CY_TRY(parse_chain(p, signs, parse_term, out));
  p->depth--;
  return CY_OK;
}

/* ---- statements ---- */

/* The left side, up to "=": the name is new. */
static cy_status parse_target(parser *p, bool family, cy_formula_name *entry, char name[NAME_TEXT],
                              char base[NAME_TEXT]) {
  const cy_token *token = peek(p);
  CY_TRY(name_of(p, token, base));
  if (cy_function_find(base, token->length))
    return cy_source_fail(&p->source, token->start, "\"%s\" is a function", base);
  if (strcmp(base, "for") == 0) return cy_source_fail(&p->source, token->start, "\"for\" can't be a name");
  p->at++;
  strcpy(name, base);
  if (family) {
    p->at++;
    CY_TRY(parse_step(p, &entry->step));
    CY_TRY(expect(p, "]", "']'"));
    snprintf(name, NAME_TEXT, "%.100s[%" PRId64 "]", base, entry->step);
    entry->family = base;
  }
  entry->name = name;
  if (find_name(&p->f->statements, name) >= 0)
    return cy_source_fail(&p->source, token->start, "%s is defined twice", name);
  if (cy_declaration_find(&p->declared, name, false) || (family && cy_declaration_find(&p->declared, base, true)))
    return cy_source_fail(&p->source, token->start, "%s is declared as a symbol: it can't be defined too", name);
  if (find_name(&p->f->symbols, name) >= 0)
    return cy_source_fail(&p->source, token->start, "%s is used before it is defined", name);
  return expect(p, "=", "'='");
}

static cy_status parse_statement(parser *p) {
  cy_formula_name entry = {.name = ""};
  char name[NAME_TEXT], base[NAME_TEXT];
  cy_expression *e;
  bool family;
  size_t start = peek(p)->start;
  bool named = is_target(p, p->at, &family);
  if (named) CY_TRY(parse_target(p, family, &entry, name, base));
  CY_TRY(parse_sum(p, &e));
  if (e->dims.index) return cy_source_fail(&p->source, e->start, "an index is no value of a statement");
  entry.expression = e;
  entry.dims = e->dims;
  if (!named && is_separator(p, p->at)) {
    size_t next = p->at;
    while (is_separator(p, next)) next++;
    if (!is_end(p, next))
      return cy_source_fail(&p->source, start, "only the last statement may be without a name: write a = ...");
  }
  return add_name(p, &p->f->statements, entry, start);
}

/* True at "h[t] =": a step that is not a number. */
static bool at_recurrence(const parser *p) {
  bool family;
  if (!is_target(p, p->at, &family) || !family) return false;
  for (size_t i = p->at + 2; !is_sign(p, i, "]"); i++)
    if (is_name(p, i)) return true;
  return false;
}

typedef struct body {
  size_t start, end; /* tokens */
} body;

/* The statements up to "for", unread. */
static cy_status collect_bodies(parser *p, body bodies[MAX_BODIES], int *n) {
  size_t first = peek(p)->start;
  for (*n = 0; *n < MAX_BODIES;) {
    body *b = &bodies[(*n)++];
    b->start = p->at;
    while (!is_end(p, p->at) && !is_separator(p, p->at) && !is_word(p, p->at, "for")) p->at++;
    b->end = p->at;
    if (is_word(p, p->at, "for")) return CY_OK;
    while (is_separator(p, p->at)) p->at++;
    if (!at_recurrence(p))
      return cy_source_fail(&p->source, first,
                            "which steps? add \"for t = 1..3\" at the end of the last statement that has them");
  }
  return cy_source_fail(&p->source, first, "more than %d statements of one \"for\"", MAX_BODIES);
}

static cy_status parse_recurrence(parser *p) {
  body bodies[MAX_BODIES];
  range r;
  int n;
  CY_TRY(collect_bodies(p, bodies, &n));
  p->at++; /* for */
  CY_TRY(parse_range(p, &r));
  size_t after = p->at;
  int64_t step = r.first <= r.last ? 1 : -1;
  loop l = {.name = r.name, .outer = p->loop};
  p->loop = &l;
  for (l.value = r.first; l.value != r.last + step; l.value += step)
    for (int i = 0; i < n; i++) {
      p->at = bodies[i].start;
      CY_TRY(parse_statement(p));
      if (p->at != bodies[i].end) return expected(p, "an operator or \"for\"");
    }
  p->loop = l.outer;
  p->at = after;
  return CY_OK;
}

static cy_status parse_text(parser *p) {
  while (is_separator(p, p->at)) p->at++;
  if (is_end(p, p->at)) return cy_source_fail(&p->source, peek(p)->start, "there is no formula");
  while (!is_end(p, p->at)) {
    CY_TRY(at_recurrence(p) ? parse_recurrence(p) : parse_statement(p));
    if (!is_end(p, p->at) && !is_separator(p, p->at)) return expected(p, "an operator or the end");
    while (is_separator(p, p->at)) p->at++;
  }
  return CY_OK;
}

/* ---- what dimensions are taken for ---- */

static bool is_prime(int64_t n) {
  for (int64_t i = 2; i * i <= n; i++)
    if (n % i == 0) return false;
  return n > 1;
}

static bool is_taken(const parser *p, int64_t extent) {
  for (size_t i = 0; i < p->f->n_dimensions; i++)
    if (p->f->dimensions[i].extent == extent) return true;
  for (size_t i = 0; i < p->declared.n; i++)
    for (int j = 0; j < p->declared.items[i].dims.rank; j++)
      if (p->declared.items[i].dims.dim[j].name < 0 && p->declared.items[i].dims.dim[j].number == extent) return true;
  return false;
}

/* Small primes, no two alike. */
static void choose_extents(parser *p) {
  for (size_t i = 0; i < p->f->n_dimensions; i++) {
    cy_formula_extent *d = &p->f->dimensions[i];
    int64_t extent = d->least > 3 ? d->least : 3;
    while (!is_prime(extent) || is_taken(p, extent)) extent++;
    d->extent = extent;
  }
}

cy_status cy_formula_parse(const char *text, const char *where, const char *dimensions, cy_formula **formula) {
  parser p = {0};
  cy_formula *f = cy_calloc(1, sizeof *f);
  *formula = NULL;
  if (!f) return cy_no_memory();
  p.f = f;
  cy_status status = CY_NO_MEMORY;
  f->arena = cy_arena_create();
  if (f->arena) f->source.text = cy_arena_strdup(f->arena, text);
  if (f->arena) f->source.name = cy_arena_strdup(f->arena, where ? where : "formula");
  if (!f->source.text || !f->source.name) {
    status = cy_no_memory();
    goto done;
  }
  CY_TRY_GOTO(status, cy_formula_declare(f, dimensions, &p.declared), done);
  CY_TRY_GOTO(status, cy_formula_scan(&p.source, f->source.text, f->source.name), done);
  CY_TRY_GOTO(status, find_targets(&p), done);
  CY_TRY_GOTO(status, parse_text(&p), done);
  choose_extents(&p);
done:
  cy_source_clear(&p.source);
  cy_free(p.declared.items);
  cy_free(p.targets);
  if (status == CY_OK) *formula = f;
  else cy_formula_free(f);
  return status;
}
