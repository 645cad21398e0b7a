/* What a name in a formula means: a statement before it, a declared symbol, a step of a family, or a symbol that exists
 * from its first use; and the complaint if it can be none of these. */
#include "formula/parser.h"

#include <stdio.h>
#include <string.h>

int cy_find_name(const cy_formula_names *names, const char *name) {
  for (size_t i = names->n; i-- > 0;)
    if (strcmp(names->items[i].name, name) == 0) return (int)i;
  return -1;
}

bool cy_is_target(const cy_parser *p, size_t i, bool *family) {
  if (!cy_is_name(p, i)) return false;
  *family = cy_is_sign(p, i + 1, "[");
  if (!*family) return cy_is_sign(p, i + 1, "=");
  for (i += 2; !cy_is_end(p, i) && !cy_is_separator(p, i) && !cy_is_sign(p, i, "]"); i++) continue;
  return cy_is_sign(p, i, "]") && cy_is_sign(p, i + 1, "=");
}

cy_status cy_find_targets(cy_parser *p) {
  bool family;
  for (size_t i = 0; i < p->source.count; i++) {
    if ((i > 0 && !cy_is_separator(p, i - 1)) || !cy_is_target(p, i, &family)) continue;
    if (!cy_grow(&p->targets, p->n_targets, &p->target_capacity, sizeof *p->targets)) return cy_no_memory();
    p->targets[p->n_targets++] = i;
  }
  return CY_OK;
}

bool cy_is_defined_anywhere(const cy_parser *p, const char *name, bool family) {
  for (size_t i = 0; i < p->n_targets; i++)
    if (cy_is_sign(p, p->targets[i] + 1, "[") == family && cy_token_is(&p->source, cy_token_at(p, p->targets[i]), name))
      return true;
  return false;
}

/* Whether single steps of the name are declared, h[0]. */
static bool has_declared_steps(const cy_parser *p, const char *name) {
  size_t n = strlen(name);
  for (size_t i = 0; i < p->declared.n; i++)
    if (strncmp(p->declared.items[i].name, name, n) == 0 && p->declared.items[i].name[n] == '[') return true;
  return false;
}

bool cy_is_family(const cy_parser *p, const char *name) {
  if (cy_declaration_find(&p->declared, name, false) || cy_find_name(&p->f->statements, name) >= 0) return false;
  return !p->declared.any || cy_declaration_find(&p->declared, name, true) || has_declared_steps(p, name) ||
         cy_is_defined_anywhere(p, name, true);
}

const char *cy_nearest_hint(const cy_parser *p, const char *wrong, bool functions, char hint[CY_PARSER_HINT]) {
  const char *names[512], *name;
  size_t n = 0;
  for (int i = 0; functions && n < 512 && (name = cy_formula_function(i, NULL)) != NULL; i++) names[n++] = name;
  for (size_t i = 0; !functions && i < p->declared.n && n < 512; i++) names[n++] = p->declared.items[i].name;
  for (size_t i = 0; !functions && i < p->f->statements.n && n < 512; i++) names[n++] = p->f->statements.items[i].name;
  const char *near = cy_nearest_name(wrong, names, n);
  hint[0] = 0;
  if (near) snprintf(hint, CY_PARSER_HINT, "; did you mean \"%s\"?", near);
  return hint;
}

static cy_status unknown_symbol(const cy_parser *p, const char *name, size_t at) {
  char hint[CY_PARSER_HINT];
  if (cy_is_defined_anywhere(p, name, false))
    return cy_source_fail(&p->source, at, "%s is used before it is defined", name);
  cy_nearest_hint(p, name, false, hint);
  return cy_source_fail(&p->source, at, "unknown symbol \"%s\"%s", name,
                        hint[0] ? hint : ": it is neither declared nor defined before");
}

cy_status cy_add_name(cy_parser *p, cy_formula_names *names, cy_formula_name entry, size_t at) {
  if (names->n == CY_FORMULA_MAX_NAMES)
    return cy_source_fail(&p->source, at, "the formula, written out, has more than %d %s", CY_FORMULA_MAX_NAMES,
                          names == &p->f->symbols ? "symbols" : "statements");
  entry.name = cy_arena_strdup(p->f->arena, entry.name);
  if (entry.family) entry.family = cy_arena_strdup(p->f->arena, entry.family);
  if (!entry.name || !cy_grow(&names->items, names->n, &names->capacity, sizeof entry)) return cy_no_memory();
  names->items[names->n++] = entry;
  return CY_OK;
}

cy_status cy_make_reference(cy_parser *p, const char *name, const char *family, int64_t step, cy_place place,
                                cy_expression **out) {
  cy_formula *f = p->f;
  int id = cy_find_name(&f->statements, name);
  if (id >= 0) return cy_make_leaf(f, CY_EXPRESSION_STATEMENT, f->statements.items[id].dims, id, 0, place, out);
  id = cy_find_name(&f->symbols, name);
  if (id < 0) {
    const cy_declaration *d = cy_declaration_find(&p->declared, name, false);
    if (!d && family) d = cy_declaration_find(&p->declared, family, true);
    if (!d && p->declared.any) return unknown_symbol(p, name, place.start);
    id = (int)f->symbols.n;
    cy_formula_name symbol = {name, family, step, d ? d->dims : (cy_dims){0}, NULL};
    CY_TRY(cy_add_name(p, &f->symbols, symbol, place.start));
  }
  return cy_make_leaf(f, CY_EXPRESSION_SYMBOL, f->symbols.items[id].dims, id, 0, place, out);
}
