/* Writes index form: dW_ij = sum_k do_ki h_kj. In NumPy an index is an open grid, and the line computes all elements at
 * once. */
#include "derive/printer.h"

#include <math.h>
#include <string.h>

enum { NUMPY_MAX_AXES = 32 };

static bool is_tagged(const cy_style *st) { return st->language == CY_LANGUAGE_MATHML; }

static void show_poly(cy_text *text, const cy_style *st, const cy_poly *p, bool closed);

/* Outside of the array there are zeros. */
static bool may_leave(const cy_atom *a) {
  for (int i = 0; i < a->n_places; i++)
    if (!a->place[i].label && a->place[i].n && !cy_place_is_index(&a->place[i])) return true;
  return false;
}

static void show_name(cy_text *text, const cy_style *st, const cy_atom *a) {
  bool guard = st->language == CY_LANGUAGE_NUMPY && may_leave(a);
  if (guard) {
    cy_text_add(text, "at(");
    cy_print_name(text, st, a->name);
    for (int i = 0; i < a->n_places; i++) {
      cy_text_add(text, ", ");
      cy_print_place(text, st, &a->place[i]);
    }
    cy_text_add(text, ")");
    return;
  }
  cy_print_placed(text, st, a->name, a);
}

static void show_arguments(cy_text *text, const cy_style *st, const cy_atom *a) {
  bool tag = is_tagged(st);
  cy_text_add(text, "%s", tag ? "<mo>(</mo>" : "(");
  for (int i = 0; i < a->n_args; i++) {
    if (i) cy_text_add(text, "%s", tag ? "<mo>,</mo>" : ", ");
    show_poly(text, st, a->arg[i], false);
  }
  cy_text_add(text, "%s", tag ? "<mo>)</mo>" : ")");
}

static void show_relation(cy_text *text, const cy_style *st, const cy_atom *a) {
  bool tag = is_tagged(st), numpy = st->language == CY_LANGUAGE_NUMPY;
  cy_text_add(text, "%s", tag ? "<mo>[</mo>" : numpy ? "(1.0 * (" : "[");
  if (a->kind == CY_ATOM_DELTA) {
    cy_print_place(text, st, &a->place[0]);
    cy_text_add(text, "%s", tag ? "<mo>=</mo>" : numpy ? " == " : " = ");
    cy_print_place(text, st, &a->place[1]);
  } else {
    show_poly(text, st, a->arg[0], false);
    cy_text_add(text, tag ? "<mo>%s</mo>" : " %s ", a->function->written[st->language]);
    show_poly(text, st, a->arg[1], false);
  }
  cy_text_add(text, "%s", tag ? "<mo>]</mo>" : numpy ? "))" : "]");
}

static void show_closed(cy_text *text, const cy_style *st, const cy_poly *p) {
  bool name = p->n == 1 && p->term[0].n == 1 && p->term[0].n_bound == 0 && p->term[0].number == 1 &&
              p->term[0].factor[0].power == 1 && p->term[0].factor[0].atom->kind == CY_ATOM_NAME;
  show_poly(text, st, p, !name);
}

/* (x_i)^p; false: it is none. */
static bool show_power_of_values(cy_text *text, const cy_style *st, const cy_atom *a) {
  if (a->kind != CY_ATOM_CALL || strcmp(a->function->op, "pow") != 0 || st->language == CY_LANGUAGE_NUMPY) return false;
  bool latex = st->language == CY_LANGUAGE_LATEX, tag = is_tagged(st);
  cy_text_add(text, tag ? "<msup><mrow>" : "");
  show_closed(text, st, a->arg[0]);
  cy_text_add(text, tag ? "</mrow><mrow>" : latex ? "^{" : "^");
  if (latex || tag) show_poly(text, st, a->arg[1], false);
  else show_closed(text, st, a->arg[1]);
  cy_text_add(text, tag ? "</mrow></msup>" : latex ? "}" : "");
  return true;
}

/* NumPy: of an axis of the grid. False: it is none of these. */
static bool reduce_grid(cy_text *text, const cy_style *st, const cy_atom *a) {
  static const char *const functions[][2] = {{"reduce_max", "max"}, {"reduce_min", "min"}, {"prod", "prod"}};
  for (int i = 0; i < 3; i++)
    if (strcmp(a->function->op, functions[i][0]) == 0) {
      cy_text_add(text, "np.%s(", functions[i][1]);
      show_poly(text, st, a->arg[0], false);
      cy_text_add(text, ", axis=%d, keepdims=True)", cy_grid_axis(st, a->dummy));
      return true;
    }
  return false;
}

static void show_atom(cy_text *text, const cy_style *st, const cy_atom *a) {
  bool tag = is_tagged(st);
  if (a->kind == CY_ATOM_ALONG && st->language == CY_LANGUAGE_NUMPY && reduce_grid(text, st, a)) return;
  switch (a->kind) {
    case CY_ATOM_NAME: show_name(text, st, a); return;
    case CY_ATOM_GROUP: show_poly(text, st, a->arg[0], true); return;
    case CY_ATOM_DELTA: case CY_ATOM_COMPARE: show_relation(text, st, a); return;
    case CY_ATOM_PLACE: cy_print_place(text, st, &a->place[0]); return;
    case CY_ATOM_CHOICE:
      cy_text_add(text, tag ? "<mi>where</mi>" : st->language == CY_LANGUAGE_NUMPY ? "np.where"
                        : st->language == CY_LANGUAGE_LATEX ? "\\operatorname{where}" : "where");
      break;
    case CY_ATOM_CALL: case CY_ATOM_ALONG: {
      if (show_power_of_values(text, st, a)) return;
      cy_text_add(text, tag ? "<mi>%s</mi>" : "%s", a->function->written[st->language]);
      if (a->kind == CY_ATOM_ALONG && st->language != CY_LANGUAGE_NUMPY)
        cy_text_add(text, tag ? "<mi>%c</mi>" : "_%c ", cy_letter_of(st, a->dummy));
      break;
    }
    case CY_ATOM_OPAQUE: {
      const char *op = cy_node_at(st->sheet->graph, a->node)->op->name;
      cy_text_add(text, tag ? "<mi>%s</mi>" : st->language == CY_LANGUAGE_LATEX ? "\\operatorname{%s}" : "%s", op);
      break;
    }
  }
  show_arguments(text, st, a);
  if (a->kind == CY_ATOM_OPAQUE || (a->kind == CY_ATOM_ALONG && a->n_places)) cy_print_places(text, st, a);
}

/* What the power of an atom is written as: roots and whole powers. */
static void show_factor(cy_text *text, const cy_style *st, const cy_atom *a, double power) {
  const cy_marks *m = &cy_language_marks[st->language];
  if (power == 0.5) {
    cy_text_add(text, "%s", m->root);
    if (a->kind == CY_ATOM_GROUP) show_poly(text, st, a->arg[0], false);
    else show_atom(text, st, a);
    cy_text_add(text, "%s", m->root_end);
    return;
  }
  if (power != 1 && is_tagged(st)) cy_text_add(text, "<msup><mrow>");
  bool tower = power != 1 && a->kind == CY_ATOM_CALL && strcmp(a->function->op, "pow") == 0 &&
               st->language != CY_LANGUAGE_NUMPY;
  cy_text_add(text, "%s", tower ? m->open : "");
  show_atom(text, st, a);
  cy_text_add(text, "%s", tower ? m->close : "");
  if (power == 1) return;
  cy_text_add(text, "%s", is_tagged(st) ? "</mrow>" : "");
  cy_print_power(text, power, st->language);
  cy_text_add(text, "%s", is_tagged(st) ? "</msup>" : "");
}

static void add_dimensions(cy_listing *list, const cy_style *st, const cy_term *t, int sign) {
  static const char *const written[] = {"%s", "%s", "n_%s", "<mi>%s</mi>"};
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++)
    for (int k = 0; k < sign * t->dimension[i]; k++) {
      cy_listing_next(list, cy_marks_of(st)->times);
      cy_text_add(&list->text, written[st->language], st->sheet->dimensions[i].text);
    }
}

static void show_sums(cy_text *text, const cy_style *st, const cy_term *t) {
  if (t->n_bound == 0) return;
  if (st->language == CY_LANGUAGE_NUMPY) {
    cy_text_add(text, "(");
    return;
  }
  cy_text_add(text, st->language == CY_LANGUAGE_LATEX ? "\\sum_{"
                    : is_tagged(st)                   ? "<munder><mo>&#x2211;</mo><mrow>"
                                                      : "sum_");
  for (int i = 0; i < t->n_bound; i++)
    cy_text_add(text, is_tagged(st) ? "<mi>%c</mi>" : "%c", cy_letter_of(st, t->bound[i]));
  cy_text_add(text, st->language == CY_LANGUAGE_LATEX ? "} " : is_tagged(st) ? "</mrow></munder>" : " ");
}

static void end_sums(cy_text *text, const cy_style *st, const cy_term *t) {
  if (t->n_bound == 0 || st->language != CY_LANGUAGE_NUMPY) return;
  cy_text_add(text, ").sum(axis=(");
  for (int i = 0; i < t->n_bound; i++) cy_text_add(text, "%d,", cy_grid_axis(st, t->bound[i]));
  cy_text_add(text, "), keepdims=True)");
}

/* The next sum may have the letters again; NumPy's grids have an axis for each index. */
static void release_letters(const cy_style *st, const cy_term *t) {
  for (int i = 0; i < t->n_bound && st->language != CY_LANGUAGE_NUMPY; i++)
    ((cy_sheet *)(uintptr_t)st->sheet)->indices[t->bound[i]].letter = 0;
}

static bool runs(const cy_term *t, int factor) {
  for (int k = 0; k < t->n_bound; k++)
    if (cy_atom_has(t->factor[factor].atom, t->bound[k])) return true;
  return false;
}

/* What a sum does not run over stands in front of it, if anything is left: 2 v sum_i (x_i - y_i). */
static bool has_front(const cy_style *st, const cy_term *t) {
  for (int i = 0; i < t->n && st->language != CY_LANGUAGE_NUMPY; i++)
    if (t->factor[i].power > 0 && runs(t, i)) return true;
  return false;
}

/* How many things stand above the line, and below it, the number aside. */
static void count_sides(const cy_term *t, int *above, int *below) {
  *above = *below = 0;
  for (int i = 0; i < t->n; i++) ++*(t->factor[i].power > 0 ? above : below);
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++)
    if (t->dimension[i] > 0) ++*above;
    else *below -= t->dimension[i];
}

static void end_fraction(cy_text *text, const cy_style *st, cy_listing *over, cy_listing *under) {
  const cy_marks *m = cy_marks_of(st);
  const char *o = over->text.data ? over->text.data : "", *u = under->text.data ? under->text.data : "";
  if (under->n == 0) cy_text_add(text, "%s", o);
  else if (m->fraction)
    cy_text_add(text, is_tagged(st) ? "%s<mrow>%s</mrow><mrow>%s</mrow></mfrac>" : "%s%s}{%s}", m->fraction, o, u);
  else cy_text_add(text, under->n > 1 ? "%s / (%s)" : "%s / %s", o, u);
  cy_text_drop(text, &over->text);
  cy_text_drop(text, &under->text);
}

static void show_term(cy_text *text, const cy_style *st, const cy_term *t) {
  const cy_marks *m = cy_marks_of(st);
  cy_listing front = {0}, over = {0}, under = {0}, *first = has_front(st, t) ? &front : &over;
  double top;
  int bottom, above, below;
  cy_as_fraction(fabs(t->number), t->n > 0, &top, &bottom);
  count_sides(t, &above, &below);
  if (top != 1 || above == 0) cy_listing_next(first, m->times), cy_print_number(&first->text, top, st->language);
  if (bottom != 1) cy_listing_next(&under, m->times), cy_print_number(&under.text, bottom, st->language);
  add_dimensions(first, st, t, 1);
  add_dimensions(&under, st, t, -1);
  for (int i = 0; i < t->n; i++) {
    const cy_factor *f = &t->factor[i];
    cy_listing *to = f->power < 0 ? &under : first == &front && !runs(t, i) ? &front : &over;
    /* Alone below a line that is drawn, a sum needs no parentheses. */
    bool open = to == &under && m->fraction && below + (bottom != 1) == 1 && f->power == -1 &&
                f->atom->kind == CY_ATOM_GROUP;
    cy_listing_next(to, m->times);
    if (open) show_poly(&to->text, st, f->atom->arg[0], false);
    else show_factor(&to->text, st, f->atom, fabs(f->power));
  }
  if (front.n) cy_text_add(text, "%s%s", front.text.data ? front.text.data : "", m->times);
  cy_text_drop(text, &front.text);
  show_sums(text, st, t);
  end_fraction(text, st, &over, &under);
  end_sums(text, st, t);
  release_letters(st, t);
}

static void show_poly(cy_text *text, const cy_style *st, const cy_poly *p, bool closed) {
  const cy_marks *m = &cy_language_marks[st->language];
  cy_text_add(text, "%s", closed ? m->open : "");
  for (int i = 0; i < p->n; i++) {
    bool minus = p->term[i].number < 0;
    cy_text_add(text, "%s", i ? minus ? m->minus : m->plus : minus ? m->negative : "");
    show_term(text, st, &p->term[i]);
  }
  if (p->n == 0) cy_print_number(text, 0, st->language);
  cy_text_add(text, "%s", closed ? m->close : "");
}

static void letter_atom(const cy_style *st, const cy_atom *a);

/* NumPy: letters of all indices first, so that their grids are known. */
static void letter_poly(const cy_style *st, const cy_poly *p) {
  for (int i = 0; i < p->n; i++) {
    for (int k = 0; k < p->term[i].n_bound; k++) cy_letter_of(st, p->term[i].bound[k]);
    for (int k = 0; k < p->term[i].n; k++) letter_atom(st, p->term[i].factor[k].atom);
  }
}

static void letter_atom(const cy_style *st, const cy_atom *a) {
  if (a->kind == CY_ATOM_ALONG) cy_letter_of(st, a->dummy);
  for (int i = 0; i < a->n_args; i++) letter_poly(st, a->arg[i]);
  for (int i = 0; i < a->n_places; i++) {
    if (a->place[i].label) letter_atom(st, a->place[i].label);
    for (int k = 0; !a->place[i].label && k < a->place[i].n; k++) cy_letter_of(st, a->place[i].index[k]);
  }
}

/* grid(lambda i, j, u, v: ..., (extents), free axes) */
static void show_grid(cy_text *text, const cy_style *st, const cy_poly *poly) {
  cy_text names = {0}, extents = {0};
  cy_sheet *sheet = (cy_sheet *)(uintptr_t)st->sheet;
  int axes = 0;
  for (int i = 0; i < st->n_indices; i++) cy_letter_of(st, st->indices[i]);
  letter_poly(st, poly);
  for (int i = 0; i < sheet->n_indices; i++) {
    if (!sheet->indices[i].letter) continue;
    if (++axes > NUMPY_MAX_AXES) sheet->large = true;
    cy_text_add(&names, names.length ? ", %c" : "%c", sheet->indices[i].letter);
    char extent[2 * CY_NAME_SIZE];
    cy_text_add(&extents, "%s,", cy_numpy_extent(sheet, sheet->indices[i].extent, extent));
  }
  cy_text_add(text, "grid(lambda %s: ", names.data ? names.data : "");
  show_poly(text, st, poly, false);
  cy_text_add(text, ", (%s), (", extents.data ? extents.data : "");
  for (int i = 0; i < st->n_indices; i++) cy_text_add(text, "%d,", cy_grid_axis(st, st->indices[i]));
  cy_text_add(text, "))");
  cy_text_drop(text, &names);
  cy_text_drop(text, &extents);
}

void cy_print_poly(cy_text *text, const cy_style *st, const cy_poly *poly) {
  if (st->language == CY_LANGUAGE_NUMPY) show_grid(text, st, poly);
  else show_poly(text, st, poly, false);
}
