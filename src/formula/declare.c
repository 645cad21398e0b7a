/* Declarations of symbols: "x:d, W1:(h,d), y:index". A dimension's name exists from its first use here. */
#include "formula/parser.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct reader {
  cy_formula *formula;
  cy_source source;
  size_t at;
  cy_declarations *out;
} reader;

static const cy_token *peek(const reader *r) { return &r->source.tokens[r->at]; }
static bool at_sign(const reader *r, const char *sign) { return cy_sign_is(&r->source, peek(r), sign); }
static bool at_word(const reader *r, const char *word) {
  return peek(r)->kind == CY_TOKEN_NAME && cy_token_is(&r->source, peek(r), word);
}
static bool accept(reader *r, const char *sign) {
  if (!at_sign(r, sign)) return false;
  r->at++;
  return true;
}
static bool accept_word(reader *r, const char *word) {
  if (!at_word(r, word)) return false;
  r->at++;
  return true;
}

static cy_status expected(const reader *r, const char *what) {
  char found[CY_TOKEN_TEXT];
  return cy_source_fail(&r->source, peek(r)->start, "expected %s, found %s", what,
                        cy_formula_token_text(&r->source, peek(r), found));
}

int cy_dimension_find(const cy_formula *f, const char *name) {
  for (size_t i = 0; i < f->n_dimensions; i++)
    if (strcmp(f->dimensions[i].name, name) == 0) return (int)i;
  return -1;
}

const cy_declaration *cy_declaration_find(const cy_declarations *d, const char *name, bool family) {
  for (size_t i = 0; i < d->n; i++)
    if (d->items[i].family == family && strcmp(d->items[i].name, name) == 0) return &d->items[i];
  return NULL;
}

static cy_status copy_token(const reader *r, const cy_token *token, const char **name) {
  char *copy = cy_arena_copy(r->formula->arena, r->source.text + token->start, token->length + 1);
  if (!copy) return cy_no_memory();
  copy[token->length] = 0;
  *name = copy;
  return CY_OK;
}

static cy_status add_dimension(const reader *r, const char *name, int *id) {
  cy_formula *f = r->formula;
  if (f->n_dimensions == CY_FORMULA_MAX_DIMENSIONS)
    return cy_source_fail(&r->source, peek(r)->start, "more than %d dimensions", CY_FORMULA_MAX_DIMENSIONS);
  if (!cy_grow(&f->dimensions, f->n_dimensions, &f->dimension_capacity, sizeof *f->dimensions)) return cy_no_memory();
  *id = (int)f->n_dimensions;
  f->dimensions[f->n_dimensions++] = (cy_formula_extent){.name = name};
  return CY_OK;
}

static cy_status read_dim(reader *r, cy_dim *dim) {
  const cy_token *token = peek(r);
  const char *name = NULL;
  *dim = cy_dim_number(0);
  if (token->kind == CY_TOKEN_NUMBER) {
    if (!cy_read_integer(r->source.text + token->start, token->length, &dim->number) || dim->number < 1 ||
        dim->number > cy_formula_max_extent)
      return cy_source_fail(&r->source, token->start, "a dimension is a whole number from 1 or a name");
  } else if (token->kind == CY_TOKEN_NAME && !at_word(r, "index") && !at_word(r, "number")) {
    CY_TRY(copy_token(r, token, &name));
    dim->name = cy_dimension_find(r->formula, name);
    if (dim->name < 0) CY_TRY(add_dimension(r, name, &dim->name));
  } else {
    return expected(r, "a dimension (a name or a number)");
  }
  r->at++;
  return CY_OK;
}

/* ( d ) or ( h , d ), after the bracket; ( ) is a number. */
static cy_status read_list(reader *r, cy_dims *dims) {
  if (accept(r, ")")) return CY_OK;
  do {
    if (dims->rank == 2)
      return cy_source_fail(&r->source, peek(r)->start,
                            "a symbol has at most two dimensions: a matrix (rows, columns)");
    CY_TRY(read_dim(r, &dims->dim[dims->rank++]));
  } while (accept(r, ","));
  return accept(r, ")") ? CY_OK : expected(r, "',' or ')'");
}

/* number | index [list] | (dimension | list) [index] */
static cy_status read_type(reader *r, cy_dims *dims) {
  size_t start = peek(r)->start;
  *dims = (cy_dims){0};
  if (accept_word(r, "number")) return CY_OK;
  dims->index = accept_word(r, "index");
  if (accept(r, "(")) {
    CY_TRY(read_list(r, dims));
  } else if (!dims->index) {
    dims->rank = 1;
    CY_TRY(read_dim(r, &dims->dim[0]));
  }
  if (accept_word(r, "index")) dims->index = true;
  if (dims->index && dims->rank > 1)
    return cy_source_fail(&r->source, start, "indices are one number or one per row: index or index(n)");
  return CY_OK;
}

/* x, h[0] or x[t]: the name as it is found again. */
static cy_status read_name(reader *r, cy_declaration *d) {
  const cy_token *token = peek(r);
  char text[160];
  int64_t step;
  if (token->kind != CY_TOKEN_NAME) return expected(r, "the name of a symbol");
  if (token->length > 100) return cy_source_fail(&r->source, token->start, "the name is longer than 100 characters");
  CY_TRY(copy_token(r, token, &d->name));
  if (cy_function_find(d->name, token->length))
    return cy_source_fail(&r->source, token->start, "\"%s\" is a function", d->name);
  if (strcmp(d->name, "for") == 0) return cy_source_fail(&r->source, token->start, "\"for\" can't be a symbol's name");
  r->at++;
  if (!accept(r, "[")) return CY_OK;
  token = peek(r);
  d->family = token->kind == CY_TOKEN_NAME;
  if (token->kind == CY_TOKEN_NUMBER && cy_read_integer(r->source.text + token->start, token->length, &step)) {
    snprintf(text, sizeof text, "%s[%" PRId64 "]", d->name, step);
    d->name = cy_arena_strdup(r->formula->arena, text);
    if (!d->name) return cy_no_memory();
  } else if (!d->family) {
    return expected(r, "a step: a number, or a name for all of them");
  }
  r->at++;
  return accept(r, "]") ? CY_OK : expected(r, "']'");
}

static cy_status read_declaration(reader *r) {
  cy_declaration d = {0};
  size_t start = peek(r)->start;
  CY_TRY(read_name(r, &d));
  if (accept(r, ":")) CY_TRY(read_type(r, &d.dims));
  if (cy_declaration_find(r->out, d.name, d.family))
    return cy_source_fail(&r->source, start, "%.100s is declared twice", d.name);
  if (!cy_grow(&r->out->items, r->out->n, &r->out->capacity, sizeof d)) return cy_no_memory();
  r->out->items[r->out->n++] = d;
  return CY_OK;
}

static bool accept_separator(reader *r) { return accept(r, ",") || accept(r, ";") || accept(r, "\n"); }

static cy_status read_all(reader *r) {
  while (accept_separator(r)) continue;
  while (peek(r)->kind != CY_TOKEN_END) {
    CY_TRY(read_declaration(r));
    if (!accept_separator(r) && peek(r)->kind != CY_TOKEN_END) return expected(r, "',' or the end");
    while (accept_separator(r)) continue;
  }
  return CY_OK;
}

cy_status cy_formula_declare(cy_formula *formula, const char *text, cy_declarations *out) {
  reader r = {.formula = formula, .out = out};
  if (!text) return CY_OK;
  out->any = true;
  cy_status status = cy_formula_scan(&r.source, text, "dimensions");
  if (status == CY_OK) status = read_all(&r);
  cy_source_clear(&r.source);
  return status;
}
