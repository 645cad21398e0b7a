/* From one example to a mini-batch. The examples' mean of a function has the mean of their derivatives: every batched
 * name gets the examples' index, and what is not batched itself sums over it. */
#include "derive/derivation.h"

#include <string.h>

/* Batched: the symbols of the list, and everything computed from them. */
static cy_status mark_symbols(cy_derivation *d, const char *list) {
  for (const char *at = list; *at;) {
    size_t n = strcspn(at, ", ");
    char word[CY_NAME_SIZE] = {0};
    if (n >= sizeof word) return cy_fail(CY_INVALID, "batch: \"%.40s\" is too long for a name", at);
    memcpy(word, at, n);
    int name = n ? cy_sheet_find(&d->sheet, word) : -1;
    if (n && (name < 0 || d->sheet.names[name].kind > CY_NAME_CLASS))
      return cy_fail(CY_INVALID, "batch: \"%s\" is not a symbol of the formula", word);
    if (name >= 0) d->sheet.names[name].batched = true;
    at += n;
    at += strspn(at, ", ");
  }
  return CY_OK;
}

static cy_status mark_values(cy_derivation *d) {
  int *direct = cy_calloc((size_t)d->sheet.n_names, sizeof *direct);
  if (!direct) return cy_no_memory();
  for (bool changed = true; changed;) {
    changed = false;
    for (int i = 0; i < d->sheet.n_names; i++) {
      cy_name *name = &d->sheet.names[i];
      if (name->kind != CY_NAME_VALUE || name->batched) continue;
      int n = cy_direct_names(d, name->value, true, direct);
      for (int k = 0; k < n; k++) name->batched = name->batched || d->sheet.names[direct[k]].batched;
      changed = changed || name->batched;
    }
  }
  cy_free(direct);
  return CY_OK;
}

/* x of all examples is X, if that is free. */
static void capitalize(cy_derivation *d) {
  for (int i = 0; i < d->sheet.n_names; i++) {
    cy_name *name = &d->sheet.names[i];
    char capital[CY_NAME_SIZE];
    memcpy(capital, name->text, sizeof capital);
    if (!name->batched || name->kind == CY_NAME_CLASS || name->shape.rank == 0 || capital[0] < 'a' || capital[0] > 'z')
      continue;
    capital[0] = (char)(capital[0] - 'a' + 'A');
    bool single = !capital[1] || (capital[1] >= '0' && capital[1] <= '9');
    if (single && cy_sheet_find(&d->sheet, capital) < 0) memcpy(name->text, capital, sizeof capital);
  }
}

cy_status cy_batch_begin(cy_derivation *d, const char *dimension, const char *batched) {
  int64_t extent = 999983;
  if (!batched || !batched[strspn(batched, ", ")])
    return cy_fail(CY_INVALID, "batch: which symbols differ between the examples? As in n:x,y");
  bool number = dimension[0] >= '0' && dimension[0] <= '9';
  if (number) extent = 0;
  for (const char *c = dimension; number && *c; c++) {
    if (*c < '0' || *c > '9' || extent > 100000000)
      return cy_fail(CY_INVALID, "batch: \"%.40s\" is no dimension", dimension);
    extent = 10 * extent + (*c - '0');
  }
  for (int i = 0; i < d->sheet.n_dimensions; i++)
    if (strcmp(d->sheet.dimensions[i].text, dimension) == 0)
      return cy_fail(CY_INVALID, "batch: %s is a dimension of the formula already; the examples' needs its own name",
                     dimension);
  if (cy_sheet_find(&d->sheet, dimension) >= 0)
    return cy_fail(CY_INVALID,
                   "batch: %s is a name of the derivation already; the examples' dimension needs its own name",
                   dimension);
  if (!number && !cy_sheet_dimension(&d->sheet, dimension, extent))
    return cy_fail(CY_INVALID, "batch: too many dimensions, or too long a name");
  d->batch = number ? CY_MAX_DIMENSIONS : d->sheet.n_dimensions - 1;
  d->batch_extent = extent;
  CY_TRY(mark_symbols(d, batched));
  CY_TRY(mark_values(d));
  capitalize(d);
  return CY_OK;
}

/* ---- polys ---- */

/* A gradient, or R of one, of what all examples share. */
static bool is_total(const cy_sheet *s, int name) {
  const cy_name *n = &s->names[name];
  bool derivative = n->kind == CY_NAME_GRADIENT ||
                    (n->kind == CY_NAME_TANGENT && n->of >= 0 && s->names[n->of].kind == CY_NAME_GRADIENT);
  return derivative && !n->batched;
}

static const cy_poly *with_example(cy_derivation *d, const cy_poly *poly, cy_place example);

static bool args_are_batched(const cy_derivation *d, const cy_atom *atom) {
  bool batched = false;
  for (int i = 0; i < atom->n_args; i++) batched = batched || cy_batch_is_batched(d, atom->arg[i]);
  return batched;
}

static const cy_atom *atom_with_example(cy_derivation *d, const cy_atom *atom, cy_place example) {
  cy_atom *copy = cy_atom_new(&d->sheet, atom->kind);
  *copy = *atom;
  for (int i = 0; i < copy->n_args; i++) copy->arg[i] = with_example(d, copy->arg[i], example);
  for (int i = 0; i < copy->n_places; i++)
    if (copy->place[i].label) copy->place[i].label = atom_with_example(d, copy->place[i].label, example);
  bool has_example = copy->kind == CY_ATOM_NAME     ? d->sheet.names[copy->name].batched
                     : copy->kind == CY_ATOM_OPAQUE ? args_are_batched(d, copy) /* argmax(Z) of each */
                                                    : false;
  if (!has_example || copy->n_places == CY_MAX_RANK) return copy;
  for (int i = copy->n_places; i > 0; i--) copy->place[i] = copy->place[i - 1];
  copy->place[0] = example;
  copy->n_places++;
  return copy;
}

static const cy_poly *with_example(cy_derivation *d, const cy_poly *poly, cy_place example) {
  cy_poly *copy = cy_poly_number(&d->sheet, 0);
  for (int i = 0; i < poly->n; i++) {
    cy_term t = cy_term_copy(&d->sheet, &poly->term[i]);
    for (int k = 0; k < t.n; k++) t.factor[k].atom = atom_with_example(d, t.factor[k].atom, example);
    cy_poly_add_term(&d->sheet, copy, &t);
  }
  return copy;
}

const cy_poly *cy_batch_poly(cy_derivation *d, const cy_poly *poly, int example) {
  return with_example(d, poly, cy_place_of(example));
}

/* Sums what the examples send to something that they share. What comes through a shared value's gradient is the sum
 * already; what depends on no example, each sends alike. */
const cy_poly *cy_batch_sum(cy_derivation *d, const cy_poly *poly) {
  cy_sheet *s = &d->sheet;
  const cy_poly *sum = cy_poly_number(s, 0);
  bool total = false;
  for (int i = 0; i < s->n_names; i++) total = total || (is_total(s, i) && cy_poly_has_name(poly, i));
  if (total) { /* so that each term is of one kind */
    s->expands = true;
    poly = cy_poly_simplify(s, poly);
    s->expands = false;
  }
  for (int i = 0; i < poly->n; i++) {
    const cy_poly *term = cy_poly_of_term(s, &poly->term[i]);
    bool summed = false;
    for (int k = 0; k < s->n_names; k++) summed = summed || (is_total(s, k) && cy_poly_has_name(term, k));
    if (!summed) {
      int example = cy_sheet_index(s, d->batch_extent, true);
      term = cy_poly_sum_over(s, cy_batch_poly(d, term, example), example);
    }
    sum = cy_poly_add(s, sum, term, 1);
  }
  return sum;
}

bool cy_batch_is_batched(const cy_derivation *d, const cy_poly *poly) {
  for (int i = 0; i < d->sheet.n_names; i++)
    if (d->sheet.names[i].batched && cy_poly_has_name(poly, i)) return true;
  return false;
}
