/* Indices and names in what the sheet holds: whether they occur, and everything again with a place for an index. */
#include "derive/sheet.h"

bool cy_place_has(const cy_place *place, int index) {
  if (place->label) return cy_atom_has(place->label, index);
  for (int k = 0; k < place->n; k++)
    if (place->index[k] == index) return true;
  return false;
}

bool cy_atom_has(const cy_atom *atom, int index) {
  for (int i = 0; i < atom->n_places; i++)
    if (cy_place_has(&atom->place[i], index)) return true;
  for (int i = 0; i < atom->n_args; i++)
    if (cy_poly_has(atom->arg[i], index)) return true;
  return false;
}

bool cy_poly_has(const cy_poly *poly, int index) {
  for (int i = 0; i < poly->n; i++)
    for (int k = 0; k < poly->term[i].n; k++)
      if (cy_atom_has(poly->term[i].factor[k].atom, index)) return true;
  return false;
}

bool cy_atom_has_name(const cy_atom *atom, int name) {
  if (atom->kind == CY_ATOM_NAME && atom->name == name) return true;
  for (int i = 0; i < atom->n_places; i++)
    if (atom->place[i].label && cy_atom_has_name(atom->place[i].label, name)) return true;
  for (int i = 0; i < atom->n_args; i++)
    if (cy_poly_has_name(atom->arg[i], name)) return true;
  return false;
}

bool cy_poly_has_name(const cy_poly *poly, int name) {
  for (int i = 0; i < poly->n; i++)
    for (int k = 0; k < poly->term[i].n; k++)
      if (cy_atom_has_name(poly->term[i].factor[k].atom, name)) return true;
  return false;
}

static cy_place substitute_place(cy_sheet *sheet, cy_place at, int index, cy_place place) {
  if (!cy_place_has(&at, index)) return at;
  if (at.label) {
    at.label = cy_atom_substitute(sheet, at.label, index, place);
    return at;
  }
  int64_t factor = 0;
  cy_place rest = {.offset = at.offset};
  for (int k = 0; k < at.n; k++)
    if (at.index[k] == index) factor = at.factor[k];
    else rest.index[rest.n] = at.index[k], rest.factor[rest.n++] = at.factor[k];
  if (place.label) return rest.n == 0 && rest.offset == 0 && factor == 1 ? place : at;
  return cy_place_sum(rest, place, factor);
}

const cy_atom *cy_atom_substitute(cy_sheet *sheet, const cy_atom *atom, int index, cy_place place) {
  if (!cy_atom_has(atom, index)) return atom;
  cy_atom *copy = cy_atom_new(sheet, atom->kind);
  *copy = *atom;
  for (int i = 0; i < copy->n_places; i++) copy->place[i] = substitute_place(sheet, copy->place[i], index, place);
  for (int i = 0; i < copy->n_args; i++) copy->arg[i] = cy_poly_substitute(sheet, copy->arg[i], index, place);
  return copy;
}

const cy_poly *cy_poly_substitute(cy_sheet *sheet, const cy_poly *poly, int index, cy_place place) {
  if (!cy_poly_has(poly, index)) return poly;
  cy_poly *copy = cy_poly_number(sheet, 0);
  for (int i = 0; i < poly->n; i++) {
    cy_term term = cy_term_copy(sheet, &poly->term[i]);
    for (int k = 0; k < term.n; k++) term.factor[k].atom = cy_atom_substitute(sheet, term.factor[k].atom, index, place);
    cy_poly_add_term(sheet, copy, &term);
  }
  return copy;
}
