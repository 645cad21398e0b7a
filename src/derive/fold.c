/* Names put back where their definitions stand: the mean in x - (1/n) sum x, when it has been called mu. Derivatives
 * that are read from composites spell out what the values above have named. Also the normalisation that a formula
 * writes in steps: its gradient in closed form (C.I). */
#include "derive/derivation.h"
#include "ops/ops.h"

#include <cauchy/autodiff.h>
#include <string.h>

/* ---- folding ---- */

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

/* ---- normalisation in steps ---- */

static bool is_op(const cy_node *node, const char *op) { return strcmp(node->op->name, op) == 0; }

/* The value's poly down to symbols, at fresh indices. */
static const cy_poly *read_through(cy_derivation *d, cy_value v, const int *indices, int only) {
  cy_place at[CY_MAX_RANK];
  cy_shape shape = cy_value_shape(v);
  for (int i = 0; i < shape.rank; i++) at[i] = cy_place_of(indices[i]);
  d->sheet.only = only + 1;
  const cy_poly *p = cy_poly_simplify(&d->sheet, cy_read(&d->sheet, v, at, true));
  d->sheet.only = 0;
  return p;
}

/* The number under the root. */
static bool find_epsilon(const cy_derivation *d, int32_t id, int depth, double *epsilon) {
  const cy_node *node = cy_node_at(d->graph, id);
  for (int i = 0; i < node->n_inputs && is_op(node, "add"); i++)
    if (cy_is_full(cy_value_at(d->graph, node->inputs[i]), epsilon) && *epsilon > 0) return true;
  for (int i = 0; i < node->n_inputs && depth > 0; i++)
    if (find_epsilon(d, node->inputs[i], depth - 1, epsilon)) return true;
  return false;
}

cy_value cy_find_normalization(cy_derivation *d, int name, int operand) {
  cy_value v = d->sheet.names[name].value, x = d->sheet.names[operand].value;
  cy_shape shape = cy_value_shape(v);
  const cy_node *node = cy_node_of(v);
  double epsilon = 0;
  int indices[CY_MAX_RANK], axis = 0;
  if (!(is_op(node, "div") || is_op(node, "mul")) || shape.rank < 1 || shape.rank > 2) return cy_none;
  if (!cy_shape_equal(shape, cy_value_shape(x)) || !find_epsilon(d, v.id, 8, &epsilon)) return cy_none;
  cy_value normalized = cy_normalize(x, &axis, 1, epsilon);
  for (int i = 0; i < shape.rank; i++) indices[i] = cy_sheet_index(&d->sheet, shape.dim[i], false);
  if (!cy_is_value(normalized)) return cy_none;
  const cy_poly *p = read_through(d, v, indices, operand), *q = read_through(d, normalized, indices, operand);
  return cy_poly_compare(&d->sheet, p, q) == 0 ? normalized : cy_none;
}
