/* Statements in turn, and the formula as a whole: declared, cut into tokens, parsed, and its dimensions taken for
 * numbers. */
#include "formula/parser.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The left side, up to "=": the name is new. */
static cy_status parse_target(cy_parser *p, bool family, cy_formula_name *entry, char name[CY_PARSER_NAME],
                              char base[CY_PARSER_NAME]) {
  const cy_token *token = cy_peek(p);
  CY_TRY(cy_token_name(p, token, base));
  if (cy_function_find(base, token->length))
    return cy_source_fail(&p->source, token->start, "\"%s\" is a function", base);
  if (strcmp(base, "for") == 0) return cy_source_fail(&p->source, token->start, "\"for\" can't be a name");
  p->at++;
  strcpy(name, base);
  if (family) {
    p->at++;
    CY_TRY(cy_parse_step(p, &entry->step));
    CY_TRY(cy_expect(p, "]", "']'"));
    snprintf(name, CY_PARSER_NAME, "%.100s[%" PRId64 "]", base, entry->step);
    entry->family = base;
  }
  entry->name = name;
  if (cy_find_name(&p->f->statements, name) >= 0)
    return cy_source_fail(&p->source, token->start, "%s is defined twice", name);
  if (cy_declaration_find(&p->declared, name, false) || (family && cy_declaration_find(&p->declared, base, true)))
    return cy_source_fail(&p->source, token->start, "%s is declared as a symbol: it can't be defined too", name);
  if (cy_find_name(&p->f->symbols, name) >= 0)
    return cy_source_fail(&p->source, token->start, "%s is used before it is defined", name);
  return cy_expect(p, "=", "'='");
}

cy_status cy_parse_statement(cy_parser *p) {
  cy_formula_name entry = {.name = ""};
  char name[CY_PARSER_NAME], base[CY_PARSER_NAME];
  cy_expression *e;
  bool family;
  size_t start = cy_peek(p)->start;
  bool named = cy_is_target(p, p->at, &family);
  if (named) CY_TRY(parse_target(p, family, &entry, name, base));
  CY_TRY(cy_parse_sum(p, &e));
  if (e->dims.index) return cy_source_fail(&p->source, e->start, "an index is no value of a statement");
  entry.expression = e;
  entry.dims = e->dims;
  if (!named && cy_is_separator(p, p->at)) {
    size_t next = p->at;
    while (cy_is_separator(p, next)) next++;
    if (!cy_is_end(p, next))
      return cy_source_fail(&p->source, start, "only the last statement may be without a name: write a = ...");
  }
  return cy_add_name(p, &p->f->statements, entry, start);
}

static cy_status parse_text(cy_parser *p) {
  while (cy_is_separator(p, p->at)) p->at++;
  if (cy_is_end(p, p->at)) return cy_source_fail(&p->source, cy_peek(p)->start, "there is no formula");
  while (!cy_is_end(p, p->at)) {
    CY_TRY(cy_at_recurrence(p) ? cy_parse_recurrence(p) : cy_parse_statement(p));
    if (!cy_is_end(p, p->at) && !cy_is_separator(p, p->at)) return cy_expected(p, "an operator or the end");
    while (cy_is_separator(p, p->at)) p->at++;
  }
  return CY_OK;
}

/* ---- what dimensions are taken for ---- */

static bool is_prime(int64_t n) {
  for (int64_t i = 2; i * i <= n; i++)
    if (n % i == 0) return false;
  return n > 1;
}

static bool is_taken(const cy_parser *p, int64_t extent) {
  for (size_t i = 0; i < p->f->n_dimensions; i++)
    if (p->f->dimensions[i].extent == extent) return true;
  for (size_t i = 0; i < p->declared.n; i++)
    for (int j = 0; j < p->declared.items[i].dims.rank; j++)
      if (p->declared.items[i].dims.dim[j].name < 0 && p->declared.items[i].dims.dim[j].number == extent) return true;
  return false;
}

/* Small primes, no two alike. */
static void choose_extents(cy_parser *p) {
  for (size_t i = 0; i < p->f->n_dimensions; i++) {
    cy_formula_extent *d = &p->f->dimensions[i];
    int64_t extent = d->least > 3 ? d->least : 3;
    while (!is_prime(extent) || is_taken(p, extent)) extent++;
    d->extent = extent;
  }
}

cy_status cy_formula_parse(const char *text, const char *where, const char *dimensions, cy_formula **formula) {
  cy_parser p = {0};
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
  CY_TRY_GOTO(status, cy_find_targets(&p), done);
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
