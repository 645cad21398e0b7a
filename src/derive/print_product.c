/* Products of every kind and what divides them: of numbers and dimensions, element by element, of matrices; powers.
 * Factors to negative powers stand below a line, where the language draws one. */
#include "derive/printer.h"

#include <math.h>

static void add_factor(cy_listing *list, const cy_style *st, const cy_expr *e, double power, int least,
                       const char *mark) {
  const cy_marks *m = cy_marks_of(st);
  cy_listing_next(list, mark);
  if (power == 0.5) {
    cy_text_add(&list->text, "%s", m->root);
    cy_show(&list->text, st, e, CY_BINDS_NOTHING);
    cy_text_add(&list->text, "%s", m->root_end);
  } else if (power != 1) {
    const cy_expr *part[] = {e};
    cy_expr to_power = {.kind = CY_EXPR_POWER, .rank = e->rank, .number = power, .n = 1, .part = part};
    cy_show(&list->text, st, &to_power, least);
  } else cy_show(&list->text, st, e, least);
}

static void add_dimension(cy_listing *list, const cy_style *st, int i, int power) {
  for (int k = 0; k < power; k++) {
    cy_listing_next(list, cy_marks_of(st)->times);
    const char *name = st->sheet->dimensions[i].text;
    if (st->language == CY_LANGUAGE_NUMPY) cy_text_add(&list->text, "n_%s", name);
    else cy_print_word(&list->text, st->language, name);
  }
}

/* over / under */
static void write_fraction(cy_text *text, const cy_style *st, cy_listing *over, cy_listing *under, const char *sign) {
  const cy_marks *m = cy_marks_of(st);
  if (over->n == 0) cy_text_add(&over->text, "%s", st->language == CY_LANGUAGE_MATHML ? "<mn>1</mn>" : "1");
  if (under->n == 0) cy_text_add(text, "%s", over->text.data ? over->text.data : "");
  else if (m->fraction) {
    bool tag = st->language == CY_LANGUAGE_MATHML;
    cy_text_add(text, tag ? "%s<mrow>%s</mrow><mrow>%s</mrow></mfrac>" : "%s%s}{%s}", m->fraction,
                over->text.data ? over->text.data : "", under->text.data ? under->text.data : "");
  } else {
    bool several = under->n > 1;
    cy_text_add(text, several ? "%s%s(%s)" : "%s%s%s", over->text.data ? over->text.data : "", sign,
                under->text.data ? under->text.data : "");
  }
  cy_text_drop(text, &over->text);
  cy_text_drop(text, &under->text);
}

/* What binds less than this needs parentheses as the last factor: nothing, alone above a line that is drawn. */
static int least_of_body(const cy_style *st, const cy_expr *body, bool alone, bool divided) {
  if (alone && !divided) return CY_BINDS_PRODUCT;
  if (alone && cy_marks_of(st)->fraction) return CY_BINDS_NOTHING;
  return st->language == CY_LANGUAGE_NUMPY && body->kind != CY_EXPR_HADAMARD ? CY_BINDS_POWER : CY_BINDS_PRODUCT;
}

void cy_show_times(cy_text *text, const cy_style *st, const cy_expr *e) {
  const cy_marks *m = cy_marks_of(st);
  cy_listing over = {0}, under = {0};
  double top;
  int bottom;
  bool more = e->body != NULL;
  for (int i = 0; i < e->n; i++) more = more || e->power[i] > 0;
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++) more = more || e->dimension[i] > 0;
  cy_as_fraction(fabs(e->number), more || e->n > 0, &top, &bottom);
  if (e->number < 0) cy_text_add(text, "%s", m->negative);
  if (top != 1 || !more) {
    cy_listing_next(&over, m->times);
    cy_print_number(&over.text, top, st->language);
  }
  if (bottom != 1) {
    cy_listing_next(&under, m->times);
    cy_print_number(&under.text, bottom, st->language);
  }
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++) {
    add_dimension(&over, st, i, e->dimension[i]);
    add_dimension(&under, st, i, -e->dimension[i]);
  }
  for (int i = 0; i < e->n; i++)
    if (e->power[i] > 0) add_factor(&over, st, e->part[i], e->power[i], CY_BINDS_MATRIX, m->times);
    else add_factor(&under, st, e->part[i], -e->power[i], CY_BINDS_POWER, m->times);
  if (e->body) add_factor(&over, st, e->body, 1, least_of_body(st, e->body, over.n == 0, under.n > 0), m->times);
  write_fraction(text, st, &over, &under, m->over);
}

static void show_condition(cy_text *text, const cy_style *st, const cy_expr *e) {
  cy_text_add(text, "(");
  cy_show(text, st, e->part[0], CY_BINDS_NOTHING);
  cy_text_add(text, " ");
  cy_show_function(text, st, e);
  cy_text_add(text, " ");
  cy_show(text, st, e->part[1], CY_BINDS_NOTHING);
  cy_text_add(text, ")");
}

void cy_show_hadamard(cy_text *text, const cy_style *st, const cy_expr *e) {
  cy_listing over = {0}, under = {0};
  const cy_marks *m = cy_marks_of(st);
  for (int i = 0; i < e->n; i++)
    if (i > 0 && e->part[i]->kind == CY_EXPR_COMPARE && st->language == CY_LANGUAGE_NUMPY) {
      cy_listing_next(&over, m->hadamard); /* a product makes numbers of conditions: dh * (a > 0) */
      show_condition(&over.text, st, e->part[i]);
    } else if (e->power[i] > 0) add_factor(&over, st, e->part[i], e->power[i], CY_BINDS_POWER, m->hadamard);
    else add_factor(&under, st, e->part[i], -e->power[i], CY_BINDS_POWER, m->hadamard);
  if (st->language == CY_LANGUAGE_LATEX && under.n) {
    cy_text_add(text, "%s%s%s%s%s", over.n ? over.text.data : "1", m->hadamard_over, under.n > 1 ? m->open : "",
                under.text.data ? under.text.data : "", under.n > 1 ? m->close : "");
    cy_text_drop(text, &over.text);
    cy_text_drop(text, &under.text);
    return;
  }
  write_fraction(text, st, &over, &under, m->hadamard_over);
}

/* NumPy: M 1 is a sum along an axis. */
static bool show_row_sums(cy_text *text, const cy_style *st, const cy_expr *e) {
  if (st->language != CY_LANGUAGE_NUMPY || e->n != 2 || e->part[1]->kind != CY_EXPR_ONES) return false;
  const cy_expr *m = e->part[0];
  int axis = m->kind != CY_EXPR_TRANSPOSE;
  cy_text_add(text, "np.sum(");
  cy_show(text, st, axis ? m : m->part[0], CY_BINDS_NOTHING);
  cy_text_add(text, ", axis=%d)", axis);
  return true;
}

void cy_show_matmul(cy_text *text, const cy_style *st, const cy_expr *e) {
  if (show_row_sums(text, st, e)) return;
  for (int i = 0; i < e->n; i++) {
    if (i) cy_text_add(text, "%s", cy_marks_of(st)->matrix_times);
    cy_show(text, st, e->part[i], CY_BINDS_POWER);
  }
}

void cy_show_power(cy_text *text, const cy_style *st, const cy_expr *e) {
  cy_listing over = {0}, under = {0};
  if (e->number == 0.5) {
    add_factor(&over, st, e->part[0], 0.5, CY_BINDS_NOTHING, "");
    write_fraction(text, st, &over, &under, "");
  } else if (e->number < 0) {
    add_factor(&under, st, e->part[0], -e->number, CY_BINDS_POWER, "");
    write_fraction(text, st, &over, &under, e->rank ? cy_marks_of(st)->hadamard_over : cy_marks_of(st)->over);
  } else {
    bool tag = st->language == CY_LANGUAGE_MATHML;
    cy_text_add(text, tag ? "<msup>" : "");
    cy_show(text, st, e->part[0], CY_BINDS_ATOM);
    if (e->rank && st->language == CY_LANGUAGE_TEXT) cy_text_add(text, ".");
    cy_print_power(text, e->number, st->language);
    cy_text_add(text, tag ? "</msup>" : "");
  }
}
