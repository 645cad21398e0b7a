/* Writes expressions in matrix form, in any language of the table: by the kind of expression, with parentheses where
 * what stands around binds more. Sums, functions and what the table has a template for are written here. */
#include "derive/printer.h"

#include <math.h>
#include <string.h>

/* ---- sums ---- */

static int ones_side(const cy_expr *e) { /* which part of an outer product is 1, counted from 1 */
  return e->kind != CY_EXPR_OUTER ? 0 : e->part[0]->kind == CY_EXPR_ONES ? 1 : e->part[1]->kind == CY_EXPR_ONES ? 2 : 0;
}

/* NumPy repeats b along the rows by itself. */
static void show_addend(cy_text *text, const cy_style *st, const cy_expr *e, bool repeats, int least) {
  int side = repeats ? ones_side(e) : 0;
  if (!side) {
    cy_show(text, st, e, least);
    return;
  }
  cy_show(text, st, e->part[2 - side], CY_BINDS_ATOM);
  if (side == 2) cy_text_add(text, "[:, None]");
}

static void show_sum(cy_text *text, const cy_style *st, const cy_expr *e) {
  const cy_marks *m = cy_marks_of(st);
  bool repeats = false;
  for (int i = 0; i < e->n; i++)
    repeats = repeats || (st->language == CY_LANGUAGE_NUMPY && e->part[i]->rank == 2 && !ones_side(e->part[i]));
  for (int i = 0; i < e->n; i++) {
    bool minus = e->power[i] < 0;
    cy_text_add(text, "%s", i ? minus ? m->minus : m->plus : minus ? m->negative : "");
    show_addend(text, st, e->part[i], repeats, minus ? CY_BINDS_PRODUCT : CY_BINDS_SUM);
  }
}

/* ---- functions ---- */

void cy_show_function(cy_text *text, const cy_style *st, const cy_expr *e) {
  bool tag = st->language == CY_LANGUAGE_MATHML && !(e->function && e->function->relation);
  if (tag) cy_text_add(text, "<mi>");
  if (e->function) cy_text_add(text, "%s", e->function->written[st->language]);
  else if (st->language == CY_LANGUAGE_LATEX) cy_text_add(text, "\\operatorname{%s}", e->op);
  else cy_text_add(text, "%s", e->op);
  if (tag) cy_text_add(text, "</mi>");
}

/* x^p, where both are values. */
static bool is_power_of_values(const cy_style *st, const cy_expr *e) {
  return e->kind == CY_EXPR_CALL && e->function && strcmp(e->function->op, "pow") == 0 &&
         st->language != CY_LANGUAGE_NUMPY;
}

static void show_power_of_values(cy_text *text, const cy_style *st, const cy_expr *e) {
  bool latex = st->language == CY_LANGUAGE_LATEX, tag = st->language == CY_LANGUAGE_MATHML;
  cy_text_add(text, tag ? "<msup>" : "");
  cy_show(text, st, e->part[0], CY_BINDS_ATOM);
  cy_text_add(text, tag ? "" : latex ? "^{" : e->rank ? ".^" : "^");
  cy_show(text, st, e->part[1], latex || tag ? CY_BINDS_NOTHING : CY_BINDS_ATOM);
  cy_text_add(text, tag ? "</msup>" : latex ? "}" : "");
}

static void show_call(cy_text *text, const cy_style *st, const cy_expr *e) {
  const cy_marks *m = cy_marks_of(st);
  if (is_power_of_values(st, e)) {
    show_power_of_values(text, st, e);
    return;
  }
  if (st->language == CY_LANGUAGE_LATEX && e->function && strcmp(e->function->op, "abs") == 0) {
    cy_text_add(text, "\\left|");
    cy_show(text, st, e->part[0], CY_BINDS_NOTHING);
    cy_text_add(text, "\\right|");
    return;
  }
  bool reshapes = st->language == CY_LANGUAGE_NUMPY && !e->function && strcmp(e->op, "reshape") == 0;
  if (reshapes) cy_text_add(text, "np.reshape");
  else cy_show_function(text, st, e);
  cy_text_add(text, "%s", m->open);
  for (int i = 0; i < e->n; i++) {
    if (i) cy_text_add(text, st->language == CY_LANGUAGE_MATHML ? "<mo>,</mo>" : ", ");
    cy_show(text, st, e->part[i], CY_BINDS_NOTHING);
  }
  if (reshapes) {
    char extent[2 * CY_NAME_SIZE];
    cy_shape shape = cy_node_at(st->sheet->graph, e->atom->node)->shape;
    cy_text_add(text, ", (");
    for (int i = 0; i < shape.rank; i++) cy_text_add(text, "%s,", cy_numpy_extent(st->sheet, shape.dim[i], extent));
    cy_text_add(text, ")");
  }
  cy_text_add(text, "%s", m->close);
}

/* ---- any expression ---- */

static void show_template(cy_text *text, const cy_style *st, const cy_expr *e) {
  const cy_expr_style *row = &cy_expr_styles[e->kind];
  char extent[2 * CY_NAME_SIZE];
  for (const char *at = row->written[st->language]; at && *at; at++) {
    bool special = (*at == '$' || *at == '#' || *at == '%') && at[1];
    if (!special) cy_text_add(text, "%c", *at);
    else if (at[1] == 'f') at++, cy_show_function(text, st, e);
    else if (at[1] == 'e') at++, cy_text_add(text, "%s", cy_numpy_extent(st->sheet, e->extent, extent));
    else if (at[1] >= '1' && at[1] <= '9' && at[1] - '1' < e->n) {
      int least = *at == '$' ? row->inner : *at == '#' ? CY_BINDS_MATRIX : CY_BINDS_NOTHING;
      cy_show(text, st, e->part[at[1] - '1'], least);
      at++;
    } else cy_text_add(text, "%c", *at);
  }
}

static int binding(const cy_style *st, const cy_expr *e) {
  bool line_drawn = cy_marks_of(st)->fraction != NULL;
  if (e->kind == CY_EXPR_POWER && e->number == 0.5) return CY_BINDS_ATOM;
  if (is_power_of_values(st, e)) return CY_BINDS_POWER;
  if (e->kind == CY_EXPR_POWER && e->number < 0) return line_drawn ? CY_BINDS_MATRIX : CY_BINDS_PRODUCT;
  if (e->kind == CY_EXPR_TIMES && e->number < 0) return CY_BINDS_SUM;
  if (e->kind == CY_EXPR_TIMES && e->n == 0 && !e->body) {
    for (int i = 0; i < CY_MAX_DIMENSIONS; i++)
      if (e->dimension[i]) return CY_BINDS_PRODUCT;
    return e->number == nearbyint(e->number) ? CY_BINDS_ATOM : CY_BINDS_PRODUCT;
  }
  if (st->language == CY_LANGUAGE_NUMPY && e->kind == CY_EXPR_OUTER) return CY_BINDS_ATOM;
  if (e->kind == CY_EXPR_NAME && line_drawn && st->sheet->names[e->name].kind == CY_NAME_GRADIENT)
    return CY_BINDS_POWER;
  return cy_expr_styles[e->kind].binds;
}

void cy_show(cy_text *text, const cy_style *st, const cy_expr *e, int least) {
  const cy_marks *m = cy_marks_of(st);
  bool tag = st->language == CY_LANGUAGE_MATHML;
  bool closed = binding(st, e) < least;
  cy_text_add(text, "%s", closed ? m->open : tag ? "<mrow>" : "");
  switch (e->kind) {
    case CY_EXPR_NAME: cy_print_name(text, st, e->name); break;
    case CY_EXPR_ADD: show_sum(text, st, e); break;
    case CY_EXPR_TIMES: cy_show_times(text, st, e); break;
    case CY_EXPR_HADAMARD: cy_show_hadamard(text, st, e); break;
    case CY_EXPR_MATMUL: cy_show_matmul(text, st, e); break;
    case CY_EXPR_CALL: show_call(text, st, e); break;
    case CY_EXPR_ONEHOT: cy_show_onehot(text, st, e); break;
    case CY_EXPR_AT: cy_show_at(text, st, e); break;
    case CY_EXPR_POWER: cy_show_power(text, st, e); break;
    case CY_EXPR_INDEXED: cy_print_poly(text, st, e->poly); break;
    default: show_template(text, st, e); break;
  }
  cy_text_add(text, "%s", closed ? m->close : tag ? "</mrow>" : "");
}

void cy_print_expr(cy_text *text, const cy_style *st, const cy_expr *e) { cy_show(text, st, e, CY_BINDS_NOTHING); }
