/* Indices where they stand: letters, given as they are met, and none that is a name; places below a name, x_ij or
 * x[i, j+1]; axes of NumPy's open grid. */
#include "derive/printer.h"

#include <string.h>

static const char letters[] = "ijkpqrstuvwlabcefghmnoxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

char cy_letter_of(const cy_style *st, int index) {
  cy_sheet *sheet = (cy_sheet *)(uintptr_t)st->sheet; /* letters are the sheet's memory of what was written */
  cy_index_info *info = &sheet->indices[index];
  for (size_t at = 0; !info->letter && letters[at]; at++) {
    bool taken = cy_sheet_find(sheet, (char[]){letters[at], 0}) >= 0;
    for (int i = 0; i < sheet->n_indices; i++) taken = taken || sheet->indices[i].letter == letters[at];
    if (!taken) info->letter = letters[at];
  }
  if (!info->letter) sheet->large = true;
  return info->letter ? info->letter : '?';
}

static bool is_tagged(const cy_style *st) { return st->language == CY_LANGUAGE_MATHML; }

void cy_print_place(cy_text *text, const cy_style *st, const cy_place *p) {
  bool tag = is_tagged(st), some = false;
  if (p->label) {
    bool single = p->label->kind == CY_ATOM_OPAQUE;
    for (int i = 0; i < p->label->n_places; i++) single = single && cy_place_is_number(&p->label->place[i]);
    cy_print_label(text, st, p->label);
    if (!single) cy_print_places(text, st, p->label);
    return;
  }
  for (int k = 0; k < p->n; k++) {
    int64_t f = p->factor[k];
    if (some || f < 0) cy_text_add(text, tag ? "<mo>%c</mo>" : "%c", f < 0 ? '-' : '+');
    f = f < 0 ? -f : f;
    if (f != 1)
      cy_text_add(text, tag ? "<mn>%lld</mn>" : st->language == CY_LANGUAGE_NUMPY ? "%lld*" : "%lld", (long long)f);
    cy_text_add(text, tag ? "<mi>%c</mi>" : "%c", cy_letter_of(st, p->index[k]));
    some = true;
  }
  if (!some || p->offset)
    cy_text_add(text, tag ? "<mn>%s%lld</mn>" : "%s%lld", some && p->offset > 0 ? "+" : "", (long long)p->offset);
}

static bool is_short(const cy_place *p) { return cy_place_is_index(p) || (cy_place_is_number(p) && p->offset < 10); }

/* Axes of one element are not worth an index, save to NumPy. */
static bool is_shown(const cy_style *st, const cy_atom *atom, int i) {
  const cy_place *p = &atom->place[i];
  if (st->language == CY_LANGUAGE_NUMPY || atom->kind != CY_ATOM_NAME) return true;
  if (cy_place_is_index(p)) return st->sheet->indices[p->index[0]].extent != 1;
  if (!cy_place_is_number(p)) return true;
  const cy_name *name = &st->sheet->names[atom->name];
  return i >= name->shape.rank || name->shape.dim[i] != 1;
}

void cy_print_places(cy_text *text, const cy_style *st, const cy_atom *atom) {
  static const char *const open[] = {"_", "_{", "[", ""}, *const close[] = {"", "}", "]", ""};
  bool all_short = true;
  int shown = 0;
  for (int i = 0; i < atom->n_places; i++) {
    if (!is_shown(st, atom, i)) continue;
    all_short = all_short && is_short(&atom->place[i]);
    shown++;
  }
  if (shown == 0) return;
  bool brackets = st->language == CY_LANGUAGE_TEXT && !all_short &&
                  !(shown == 1 && atom->place[0].label && !atom->place[0].label->n_places);
  cy_text_add(text, "%s", brackets ? "[" : open[st->language]);
  if (is_tagged(st)) cy_text_add(text, "<mrow>");
  for (int i = 0, k = 0; i < atom->n_places; i++) {
    if (!is_shown(st, atom, i)) continue;
    bool comma = st->language == CY_LANGUAGE_NUMPY || !all_short;
    if (k++ && comma) cy_text_add(text, is_tagged(st) ? "<mo>,</mo>" : ", ");
    cy_print_place(text, st, &atom->place[i]);
  }
  if (is_tagged(st)) cy_text_add(text, "</mrow>");
  cy_text_add(text, "%s", brackets ? "]" : close[st->language]);
}

void cy_print_placed(cy_text *text, const cy_style *st, int name, const cy_atom *atom) {
  const cy_name *n = &st->sheet->names[name];
  if (cy_is_drawn_derivative(st, name)) {
    cy_print_derivative(text, st, n->kind, true);
    cy_print_placed(text, st, n->of, atom);
    cy_print_derivative(text, st, n->kind, false);
    return;
  }
  bool below = strpbrk(n->text, "0123456789[") && atom->n_places && st->language == CY_LANGUAGE_LATEX; /* (W_1)_ij */
  if (is_tagged(st) && atom->n_places) cy_text_add(text, "<msub>");
  cy_text_add(text, below ? "(" : "");
  cy_print_name(text, st, name);
  cy_text_add(text, below ? ")" : "");
  cy_print_places(text, st, atom);
  if (is_tagged(st) && atom->n_places) cy_text_add(text, "</msub>");
}

void cy_print_element(cy_text *text, const cy_style *st, int name, const int *indices, int n) {
  cy_atom atom = {.kind = CY_ATOM_NAME, .name = name, .n_places = n};
  for (int i = 0; i < n; i++) atom.place[i] = cy_place_of(indices[i]);
  cy_print_placed(text, st, name, &atom);
}

int cy_grid_axis(const cy_style *st, int index) {
  int axis = 0;
  for (int i = 0; i < index; i++) axis += st->sheet->indices[i].letter != 0;
  return axis;
}
