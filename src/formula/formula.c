/* What a caller may ask of a formula: its symbols, statements and dimensions. */
#include "formula/formula.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

void cy_formula_free(cy_formula *f) {
  if (!f) return;
  cy_arena_free(f->arena);
  cy_free(f->symbols.items);
  cy_free(f->statements.items);
  cy_free(f->dimensions);
  cy_free(f);
}

int cy_formula_symbol_count(const cy_formula *f) { return (int)f->symbols.n; }
int cy_formula_statement_count(const cy_formula *f) { return (int)f->statements.n; }
int cy_formula_dimension_count(const cy_formula *f) { return (int)f->n_dimensions; }

static const cy_formula_name *name_at(const cy_formula_names *names, int i) {
  return i >= 0 && (size_t)i < names->n ? &names->items[i] : NULL;
}

const char *cy_formula_symbol(const cy_formula *f, int i) {
  const cy_formula_name *symbol = name_at(&f->symbols, i);
  return symbol ? symbol->name : NULL;
}

bool cy_formula_symbol_is_index(const cy_formula *f, int i) {
  const cy_formula_name *symbol = name_at(&f->symbols, i);
  return symbol && symbol->dims.index;
}

int cy_formula_symbol_rank(const cy_formula *f, int i) {
  const cy_formula_name *symbol = name_at(&f->symbols, i);
  return symbol ? symbol->dims.rank : 0;
}

const char *cy_formula_symbol_dimension(const cy_formula *f, int i, int axis, int64_t *extent) {
  const cy_formula_name *symbol = name_at(&f->symbols, i);
  bool there = symbol && axis >= 0 && axis < symbol->dims.rank;
  cy_dim dim = there ? symbol->dims.dim[axis] : cy_dim_number(0);
  if (extent) *extent = cy_dim_extent(f, dim);
  return dim.name >= 0 ? f->dimensions[dim.name].name : NULL;
}

const char *cy_formula_statement(const cy_formula *f, int i) {
  const cy_formula_name *statement = name_at(&f->statements, i);
  return statement ? statement->name : NULL;
}

const char *cy_formula_dimension(const cy_formula *f, int i) {
  return i >= 0 && (size_t)i < f->n_dimensions ? f->dimensions[i].name : NULL;
}

int64_t cy_formula_dimension_extent(const cy_formula *f, int i) {
  return i >= 0 && (size_t)i < f->n_dimensions ? f->dimensions[i].extent : 0;
}

static cy_status unknown_dimension(const cy_formula *f, const char *name) {
  const char *names[CY_FORMULA_MAX_DIMENSIONS];
  for (size_t i = 0; i < f->n_dimensions; i++) names[i] = f->dimensions[i].name;
  const char *near = cy_nearest_name(name, names, f->n_dimensions);
  return cy_fail(CY_INVALID, "%.200s: there is no dimension \"%.100s\"%s%s%s", f->source.name, name,
                 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

cy_status cy_formula_set_dimension(cy_formula *f, const char *name, int64_t extent) {
  for (size_t i = 0; i < f->n_dimensions; i++) {
    cy_formula_extent *d = &f->dimensions[i];
    if (strcmp(d->name, name) != 0) continue;
    if (extent < 1 || extent > cy_formula_max_extent)
      return cy_fail(CY_INVALID, "%.200s: the dimension %.100s can't be %" PRId64, f->source.name, name, extent);
    if (extent < d->least)
      return cy_fail(CY_INVALID, "%.200s: the dimension %.100s can't be %" PRId64 ": element %" PRId64 " is used",
                     f->source.name, name, extent, d->least - 1);
    d->extent = extent;
    d->given = true;
    return CY_OK;
  }
  return unknown_dimension(f, name);
}

const cy_expression *cy_expression_behind(const cy_formula *f, const cy_expression *e) {
  while (e->kind == CY_EXPRESSION_STATEMENT && !f->as_written) e = f->statements.items[e->id].expression;
  return e;
}

bool cy_expression_calls(const cy_formula *f, const cy_expression *e, cy_function_id id) {
  e = cy_expression_behind(f, e);
  return e->kind == CY_EXPRESSION_CALL && e->function->id == id;
}
