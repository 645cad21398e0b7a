/* Elements of values in matrix form: s[y], one-hot vectors, and the classes that stand in the places. */
#include "derive/printer.h"

void cy_print_label(cy_text *text, const cy_style *st, const cy_atom *label) {
  static const char *const open[] = {"%s(", "\\operatorname{%s}(", "np.%s(", "<mi>%s</mi><mo>(</mo>"};
  static const char *const close[] = {")", ")", ", axis=-1)", "<mo>)</mo>"};
  if (label->kind != CY_ATOM_OPAQUE) {
    cy_print_name(text, st, label->name);
    return;
  }
  cy_text_add(text, open[st->language], cy_node_at(st->sheet->graph, label->node)->op->name);
  for (int i = 0; i < label->n_args; i++)
    if (label->arg[i]->n && label->arg[i]->term[0].n)
      cy_print_name(text, st, label->arg[i]->term[0].factor[0].atom->name);
  cy_text_add(text, "%s", close[st->language]);
}

static void add_label(cy_text *text, const cy_style *st, const cy_atom *label, int64_t number) {
  if (label) cy_print_label(text, st, label);
  else cy_text_add(text, st->language == CY_LANGUAGE_MATHML ? "<mn>%lld</mn>" : "%lld", (long long)number);
}

void cy_show_onehot(cy_text *text, const cy_style *st, const cy_expr *e) {
  static const char *const open[] = {"onehot(", "\\operatorname{onehot}(", NULL, "<mi>onehot</mi><mo>(</mo>"};
  static const char *const close[] = {")", ")", "]", "<mo>)</mo>"};
  char extent[2 * CY_NAME_SIZE];
  if (st->language == CY_LANGUAGE_NUMPY)
    cy_text_add(text, "np.eye(%s)[", cy_numpy_extent(st->sheet, e->extent, extent));
  else cy_text_add(text, "%s", open[st->language]);
  add_label(text, st, e->atom, (int64_t)e->number);
  cy_text_add(text, "%s", close[st->language]);
}

static bool is_index_of_label(const cy_atom *a, int index) {
  for (int i = 0; i < a->n_places; i++)
    if (a->place[i].label && cy_place_has(&a->place[i], index)) return true;
  return false;
}

/* Places in brackets, or below: the free ones as a colon. Axes of one element are not mentioned, save to NumPy. */
void cy_show_at(cy_text *text, const cy_style *st, const cy_expr *e) {
  static const char *const open[] = {"[", "_{", "[", "<mrow>"}, *const close[] = {"]", "}", "]", "</mrow>"};
  const cy_atom *a = e->atom;
  cy_listing places = {0};
  bool numpy = st->language == CY_LANGUAGE_NUMPY, rows = false;
  const cy_name *name = a->kind == CY_ATOM_NAME ? &st->sheet->names[a->name] : NULL;
  for (int i = 0; i < a->n_places; i++) {
    const cy_place *p = &a->place[i];
    if (p->label && p->label->n_places) rows = true;
  }
  if (!name && rows) { /* softmax(O)[n, y_n] */
    cy_listing_next(&places, "");
    cy_text_add(&places.text, numpy ? "np.arange(len(" : "");
    if (numpy) {
      cy_print_label(&places.text, st, a->place[0].label);
      cy_text_add(&places.text, ")), ");
    }
  } else if (!name && numpy && e->rank > 0) cy_text_add(&places.text, "..., ");
  for (int i = 0; i < a->n_places; i++) {
    const cy_place *p = &a->place[i];
    if (!numpy && name && i < name->shape.rank && name->shape.dim[i] == 1 && cy_place_is_number(p)) continue;
    bool example = cy_place_is_index(p) && is_index_of_label(a, p->index[0]); /* s[y]: of each its own */
    if (!numpy && example) continue;
    if (name || i > 0) cy_listing_next(&places, st->language == CY_LANGUAGE_MATHML ? "<mo>,</mo>" : ", ");
    else places.n++;
    if (!cy_place_is_index(p)) add_label(&places.text, st, p->label, p->offset);
    else if (numpy && example) {
      for (int k = 0; k < a->n_places; k++)
        if (a->place[k].label) {
          cy_text_add(&places.text, "np.arange(len(");
          cy_print_label(&places.text, st, a->place[k].label);
          cy_text_add(&places.text, "))");
          break;
        }
    } else cy_text_add(&places.text, st->language == CY_LANGUAGE_MATHML ? "<mo>:</mo>" : ":");
  }
  bool tag = st->language == CY_LANGUAGE_MATHML && places.text.length;
  if (tag) cy_text_add(text, "<msub>");
  cy_show(text, st, e->part[0], CY_BINDS_ATOM);
  if (places.text.length) cy_text_add(text, "%s%s%s", open[st->language], places.text.data, close[st->language]);
  if (tag) cy_text_add(text, "</msub>");
  cy_text_drop(text, &places.text);
}
