/* Names put back where their definitions stand: the mean in x - (1/n) sum x, when it has been called mu. Derivatives
 * that are read from composites spell out what the values above have named. */
#include "derive/derivation.h"

#include <string.h>

typedef struct definition {
  int name, n, indices[2];
  const cy_poly *poly;
} definition;

/* Short names with one-term definitions that sum over something: means, variances, lengths. */
static int definitions(const cy_derivation *d, definition *list, int most) {
  int n = 0;
  for (int i = 0; i < d->n_lines && n < most; i++) {
    const cy_line *line = &d->lines[i];
    if (line->section != CY_SECTION_VALUES || !line->form || line->n > 1 || line->form->n != 1 ||
        line->form->term[0].n_bound == 0)
      continue;
    if (line->name == d->risk || line->name == d->result) continue;
    list[n++] = (definition){line->name, line->n, {line->n ? line->indices[0] : -1, -1}, line->form};
  }
  return n;
}

static const cy_poly *fold(cy_sheet *s, const cy_poly *poly, const definition *list, int n);

static const cy_atom *fold_atom(cy_sheet *s, const cy_atom *atom, const definition *list, int n) {
  cy_atom *copy = NULL;
  for (int i = 0; i < atom->n_args; i++) {
    const cy_poly *arg = fold(s, atom->arg[i], list, n);
    if (arg == atom->arg[i]) continue;
    if (!copy) *(copy = cy_atom_new(s, atom->kind)) = *atom;
    copy->arg[i] = arg;
  }
  return copy ? copy : atom;
}

/* term = ratio * definition with the place for its index? */
static bool is_definition(cy_sheet *s, const cy_term *t, const definition *def, cy_place place, double *ratio) {
  const cy_poly *d = def->n ? cy_poly_substitute(s, def->poly, def->indices[0], place) : def->poly;
  if (d->n != 1 || t->n != d->term[0].n || t->n_bound != d->term[0].n_bound) return false;
  if (memcmp(t->dimension, d->term[0].dimension, sizeof t->dimension)) return false;
  cy_term x = cy_term_copy(s, t), y = cy_term_copy(s, &d->term[0]);
  *ratio = t->number / y.number;
  x.number = y.number = 1;
  return cy_poly_compare(s, cy_poly_of_term(s, &x), cy_poly_of_term(s, &y)) == 0;
}

static bool fold_term(cy_sheet *s, cy_term *t, const definition *list, int n) {
  double ratio;
  for (int i = 0; i < n; i++) {
    bool scalar = list[i].n == 0;
    for (int k = 0; k < (scalar ? 1 : s->n_indices); k++) {
      cy_place place = cy_place_of(k);
      bool bound = false;
      for (int b = 0; b < t->n_bound; b++) bound = bound || t->bound[b] == k;
      if (!scalar && (bound || s->indices[k].extent != s->indices[list[i].indices[0]].extent)) continue;
      if (!is_definition(s, t, &list[i], place, &ratio)) continue;
      const cy_poly *name = cy_poly_name(s, list[i].name, &place, list[i].n);
      cy_term folded = cy_term_copy(s, &name->term[0]);
      folded.number = ratio;
      *t = folded;
      return true;
    }
  }
  return false;
}

static const cy_poly *fold(cy_sheet *s, const cy_poly *poly, const definition *list, int n) {
  cy_poly *sum = cy_poly_number(s, 0);
  bool changed = false;
  for (int i = 0; i < poly->n; i++) {
    cy_term t = cy_term_copy(s, &poly->term[i]);
    for (int k = 0; k < t.n; k++) {
      const cy_atom *atom = fold_atom(s, t.factor[k].atom, list, n);
      changed = changed || atom != t.factor[k].atom;
      t.factor[k].atom = atom;
    }
    changed = (t.n_bound && fold_term(s, &t, list, n)) || changed;
    cy_poly_add_term(s, sum, &t);
  }
  return changed ? sum : poly;
}

enum { MOST_DEFINITIONS = 32 };

const cy_poly *cy_fold_names(cy_derivation *d, const cy_poly *poly) {
  definition list[MOST_DEFINITIONS];
  int n = definitions(d, list, MOST_DEFINITIONS);
  if (n == 0 || d->batch >= 0) return poly;
  const cy_poly *folded = fold(&d->sheet, poly, list, n);
  return folded == poly ? poly : cy_poly_simplify(&d->sheet, fold(&d->sheet, folded, list, n));
}
