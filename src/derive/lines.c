/* Lines of a derivation: a name's indices, what a value is at them, of one example or of all, and how it is written. */
#include "derive/derivation.h"

/* Indices of a line: the value's axes, after the example's if it is batched. */
static int line_indices(cy_derivation *d, int name, int *indices) {
  const cy_name *n = &d->sheet.names[name];
  cy_shape shape = n->shape;
  int k = 0;
  if (n->batched) indices[k++] = cy_sheet_index(&d->sheet, d->batch_extent, false);
  for (int i = 0; i < shape.rank && k < CY_MAX_RANK; i++) indices[k++] = cy_sheet_index(&d->sheet, shape.dim[i], false);
  return k;
}

/* A value at the line's indices (without the example's), as poly of one example. */
static const cy_poly *read_at(cy_derivation *d, cy_value value, const cy_line *line, bool define) {
  cy_place at[CY_MAX_RANK];
  int first = d->sheet.names[line->name].batched, rank = cy_value_shape(value).rank;
  for (int i = 0; i < rank; i++) {
    bool one = cy_value_shape(value).dim[i] == 1;
    at[i] = one ? cy_place_number(0) : cy_place_of(line->indices[first + i]);
  }
  return cy_read(&d->sheet, value, at, define);
}

/* All examples' poly: at the line's example, or summed over them. */
static const cy_poly *of_batch(cy_derivation *d, const cy_poly *p, const cy_line *line) {
  if (d->batch < 0) return p;
  if (d->sheet.names[line->name].batched) return cy_batch_is_batched(d, p) ? cy_batch_poly(d, p, line->indices[0]) : p;
  return line->section == CY_SECTION_GRADIENTS || line->section == CY_SECTION_PRODUCTS ? cy_batch_sum(d, p) : p;
}

cy_line *cy_begin_line(cy_derivation *d, cy_section section, int name) {
  if (name < 0 || !cy_grow(&d->lines, (size_t)d->n_lines, &d->lines_capacity, sizeof *d->lines)) {
    d->sheet.failed = true;
    return NULL;
  }
  cy_line *line = &d->lines[d->n_lines++];
  *line = (cy_line){.section = section, .name = name, .by = -1};
  line->n = line_indices(d, name, line->indices);
  return line;
}

const cy_poly *cy_line_simplified(cy_derivation *d, const cy_line *line, cy_value value, bool define) {
  const cy_poly *p = read_at(d, value, line, define);
  return d->sheet.large ? p : cy_poly_simplify(&d->sheet, of_batch(d, p, line));
}

const cy_poly *cy_line_read(cy_derivation *d, const cy_line *line, cy_value value, bool define) {
  return cy_fold_names(d, cy_line_simplified(d, line, value, define));
}

const cy_poly *cy_line_read_elements(cy_derivation *d, const cy_line *line, cy_value value, bool define) {
  d->sheet.elements = true;
  const cy_poly *p = cy_line_simplified(d, line, value, define);
  d->sheet.elements = false;
  return p;
}

static bool atom_runs_along(const cy_atom *a) {
  bool along = a->kind == CY_ATOM_ALONG;
  for (int i = 0; i < a->n_args; i++) along = along || cy_runs_along(a->arg[i]);
  return along;
}

bool cy_runs_along(const cy_poly *poly) {
  for (int i = 0; i < poly->n; i++)
    for (int k = 0; k < poly->term[i].n; k++)
      if (atom_runs_along(poly->term[i].factor[k].atom)) return true;
  return false;
}

const cy_poly *cy_line_elements(cy_derivation *d, const cy_line *line, cy_value value) {
  return cy_runs_along(line->form) ? cy_line_read_elements(d, line, value, false) : line->form;
}

const cy_expr *cy_line_writing(cy_derivation *d, const cy_line *line, const cy_poly *poly) {
  const cy_expr *e = cy_expr_of_all(&d->sheet, poly, line->indices, line->n);
  if (!e || e->kind != CY_EXPR_INDEXED || !line->elements || !cy_runs_along(poly)) return e;
  return cy_expr_of_all(&d->sheet, line->elements, line->indices, line->n);
}

/* Indices of axes of one element are left out of matrix form: (1 x n) is a row all the same. */
void cy_finish_line(cy_derivation *d, cy_line *line) {
  if (line->section != CY_SECTION_VALUES) { /* a value is as the formula has it */
    line->elements = cy_arranged(d, line->elements, true);
    line->form = cy_arranged(d, line->form, true);
    /* A chain has its factors from the outside inwards. */
    if (line->simpler) line->simpler = cy_arranged(d, line->simpler, false);
  }
  line->written = cy_line_writing(d, line, line->form);
  if (line->simpler) line->written_simpler = cy_line_writing(d, line, line->simpler);
}
