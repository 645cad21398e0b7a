/* Reading a graph: what a value's element at given places is, in terms of named values. One row per operation;
 * transposes, broadcasts, reductions and contractions only move indices. Composites without notation of their own are
 * read through their bodies; what has no index form (poolings, random numbers) is read as a function of whole values,
 * which then need names. */
#include "derive/reading.h"

#include <stdio.h>
#include <string.h>

enum { MOST_READS = 20000 };

cy_poly *cy_operand(const cy_reading *r, int i, const cy_place *at) {
  return cy_read_value(r->sheet, r->node->inputs[i], at, false);
}
const cy_node *cy_operand_node(const cy_reading *r, int i) { return cy_node_at(r->sheet->graph, r->node->inputs[i]); }
cy_shape cy_operand_shape(const cy_reading *r, int i) { return cy_operand_node(r, i)->shape; }

static const void *attribute(const cy_node *node, const char *name) {
  for (const cy_field *f = node->op->fields; f && f->name; f++)
    if (strcmp(f->name, name) == 0) return (const char *)node->attrs + f->offset;
  return NULL;
}
const cy_list *cy_reading_list(const cy_reading *r, const char *name) { return attribute(r->node, name); }
int64_t cy_reading_int(const cy_reading *r, const char *name) { return *(const int64_t *)attribute(r->node, name); }

cy_place cy_run_over(cy_sheet *s, int64_t extent) {
  return extent == 1 ? cy_place_number(0) : cy_place_of(cy_sheet_index(s, extent, true));
}
cy_poly *cy_sum_over(cy_sheet *s, cy_poly *poly, const cy_place *place) {
  return place->n ? cy_poly_sum_over(s, poly, place->index[0]) : poly;
}

cy_poly *cy_poly_delta(cy_sheet *s, cy_place a, cy_place b) {
  cy_atom *atom = cy_atom_new(s, CY_ATOM_DELTA);
  atom->n_places = 2;
  atom->place[0] = a;
  atom->place[1] = b;
  return cy_poly_atom(s, atom, 1);
}

const cy_atom *cy_only_atom(const cy_poly *p, cy_atom_kind kind) {
  bool only = p->n == 1 && p->term[0].n == 1 && p->term[0].n_bound == 0 && p->term[0].number == 1 &&
              p->term[0].factor[0].power == 1;
  return only && p->term[0].factor[0].atom->kind == kind ? p->term[0].factor[0].atom : NULL;
}

/* ---- functions of whole values ---- */

/* The operand, or what it is but for axes of one element. */
static int32_t whole_operand(const cy_reading *r, int i) {
  int32_t id = r->node->inputs[i];
  for (;;) {
    const cy_node *node = cy_node_at(r->sheet->graph, id);
    bool permutes = strcmp(node->op->name, "permute") == 0;
    if (cy_sheet_name_of(r->sheet, id) >= 0 || (!permutes && strcmp(node->op->name, "reshape") != 0)) return id;
    const cy_list *axes = permutes ? attribute(node, "axes") : NULL;
    for (int k = 0; axes && k < axes->n; k++)
      if (axes->at[k] != k) return id;
    cy_shape from = cy_node_at(r->sheet->graph, node->inputs[0])->shape, to = node->shape;
    int a = 0, b = 0;
    for (;; a++, b++) {
      while (a < from.rank && from.dim[a] == 1) a++;
      while (b < to.rank && to.dim[b] == 1) b++;
      if (a == from.rank || b == to.rank || from.dim[a] != to.dim[b]) break;
    }
    if (a != from.rank || b != to.rank) return id;
    id = node->inputs[0];
  }
}

/* The named value that the operand is. */
static cy_atom *whole_atom(const cy_reading *r, int i) {
  cy_atom *whole = cy_atom_new(r->sheet, CY_ATOM_NAME);
  int32_t from = whole_operand(r, i);
  whole->name = cy_sheet_name_of(r->sheet, from);
  if (whole->name >= 0) return whole;
  /* Its own name, without a line: it is written in full. */
  char text[CY_NAME_SIZE];
  const char *own = cy_node_at(r->sheet->graph, from)->name;
  if (own[0]) snprintf(text, sizeof text, "%s", own);
  else snprintf(text, sizeof text, "t%d", from);
  whole->name = cy_sheet_name(r->sheet, text, CY_NAME_VALUE, cy_value_at(r->sheet->graph, from), -1);
  if (whole->name < 0) whole->name = 0;
  return whole;
}

cy_poly *cy_read_whole(const cy_reading *r) {
  cy_atom *atom = cy_atom_new(r->sheet, CY_ATOM_OPAQUE);
  atom->node = r->id;
  atom->n_places = r->node->shape.rank;
  for (int i = 0; i < atom->n_places; i++) atom->place[i] = r->at[i];
  for (int i = 0; i < r->node->n_inputs && i < CY_ATOM_ARGUMENTS; i++)
    atom->arg[atom->n_args++] = cy_poly_atom(r->sheet, whole_atom(r, i), 1);
  return cy_poly_atom(r->sheet, atom, 1);
}

/* ---- any operation ---- */

static cy_poly *read_body(const cy_reading *r) {
  cy_value in[CY_ATOM_ARGUMENTS + 1];
  if (r->node->n_inputs > CY_ATOM_ARGUMENTS) return cy_read_whole(r);
  for (int i = 0; i < r->node->n_inputs; i++) in[i] = cy_value_at(r->sheet->graph, r->node->inputs[i]);
  cy_rule expansion = {.graph = r->sheet->graph, .node = r->node, .in = in, .out = cy_value_at(r->sheet->graph, r->id)};
  cy_value body = r->node->op->expand(&expansion);
  return cy_is_value(body) ? cy_read_value(r->sheet, body.id, r->at, false) : cy_poly_number(r->sheet, 0);
}

static const cy_reading_rule *find_rule(const char *op) {
  static const cy_reading_rule *const families[] = {cy_elementwise_rules, cy_move_rules, cy_sum_rules,
                                                    cy_convolution_rules};
  for (size_t i = 0; i < sizeof families / sizeof *families; i++)
    for (const cy_reading_rule *rule = families[i]; rule->op; rule++)
      if (strcmp(rule->op, op) == 0) return rule;
  return NULL;
}

static cy_poly *read_node(const cy_reading *r) {
  double number;
  const char *op = r->node->op->name;
  if (cy_is_full(cy_value_at(r->sheet->graph, r->id), &number)) return cy_poly_number(r->sheet, number);
  const cy_reading_rule *rule = find_rule(op);
  if (rule) return rule->read(r);
  const cy_notation *f = cy_notation_find(op);
  if (f && f->relation) return cy_read_relation(r, f);
  if (f && !f->along) return cy_read_call(r, f);
  return r->node->op->expand ? read_body(r) : cy_read_whole(r);
}

cy_poly *cy_read_value(cy_sheet *sheet, int32_t id, const cy_place *at, bool define) {
  int name = cy_sheet_name_of(sheet, id);
  if (id < 0 || cy_graph_failed(sheet->graph) || sheet->failed) return cy_poly_number(sheet, 0);
  const cy_node *node = cy_node_at(sheet->graph, id);
  if (name >= 0 && sheet->only && name != sheet->only - 1 && node->n_inputs) name = -1;
  if (name >= 0 && (!define || node->n_inputs == 0)) return cy_poly_name(sheet, name, at, node->shape.rank);
  if (++sheet->reads > MOST_READS) {
    sheet->large = true;
    return cy_poly_number(sheet, 0);
  }
  return read_node(&(cy_reading){sheet, node, id, at});
}

cy_poly *cy_read(cy_sheet *sheet, cy_value value, const cy_place *places, bool define) {
  sheet->reads = 0;
  return cy_read_value(sheet, value.id, places, define);
}
