/* Single factors in matrix form: names with their places, deltas, functions of elements, of an axis, of all. */
#include "derive/matrix.h"

/* AT: the base value at the atom's places. */
static const cy_expr *at_places(cy_sheet *s, const cy_expr *base, const cy_atom *atom, int rank) {
  cy_expr *e = cy_expr_unary(s, CY_EXPR_AT, rank, base);
  if (e) e->atom = atom;
  return e;
}

static const cy_expr *name_expr(cy_sheet *s, const cy_atom *a, int row, int column) {
  int seen[2] = {-1, -1}, n = 0;
  bool picks = false;
  for (int i = 0; i < a->n_places; i++) {
    const cy_place *p = &a->place[i];
    if (cy_place_is_index(p)) {
      if (n == 2 || (n == 1 && seen[0] == p->index[0])) return NULL;
      seen[n++] = p->index[0];
    } else if (p->label || cy_place_is_number(p)) picks = true;
    else return NULL;
    if (p->label && column >= 0 && cy_atom_has(p->label, column)) return NULL;
  }
  cy_expr *e = cy_expr_new(s, CY_EXPR_NAME, a->n_places > 2 ? 2 : a->n_places);
  if (!e) return NULL;
  e->name = a->name;
  if (picks)
    return n == 2 && seen[0] != row ? cy_expr_transposed(s, at_places(s, e, a, 2))
                                    : at_places(s, e, a, (row >= 0) + (column >= 0));
  e->rank = n;
  return n == 2 && seen[0] != row ? cy_expr_transposed(s, e) : e;
}

static const cy_expr *delta_expr(cy_sheet *s, const cy_atom *a, int row, int column) {
  cy_place p = a->place[0], q = a->place[1];
  if (!cy_place_is_index(&p)) p = a->place[1], q = a->place[0];
  if (!cy_place_is_index(&p)) return NULL;
  int index = p.index[0];
  if (cy_place_is_index(&q)) {
    cy_expr *e = column >= 0 ? cy_expr_new(s, CY_EXPR_IDENTITY, 2) : NULL;
    if (e) e->extent = s->indices[index].extent;
    return e;
  }
  if (!q.label && !cy_place_is_number(&q)) return NULL;
  cy_expr *e = cy_expr_new(s, CY_EXPR_ONEHOT, column >= 0 ? 2 : 1);
  if (!e) return NULL;
  e->extent = s->indices[index].extent;
  e->atom = q.label;
  e->number = (double)q.offset;
  return column >= 0 && index == row ? cy_expr_transposed(s, e) : e;
}

static cy_expr *call_expr(cy_sheet *s, const cy_atom *a, int rank) {
  cy_expr *e = cy_expr_new(s, CY_EXPR_CALL, rank);
  if (e) e->function = a->function;
  return e;
}

/* A number as a vector over the index. */
static const cy_expr *repeated(cy_sheet *s, const cy_expr *number, int index) {
  cy_expr *e = cy_expr_with(s, cy_expr_new(s, CY_EXPR_TIMES, 1), number, 1);
  if (e) e->body = cy_expr_ones(s, index);
  return e;
}

static const cy_expr *along_expr(cy_sheet *s, const cy_atom *a, int row, int column) {
  const cy_place *p = &a->place[0];
  int other = row, rank = (row >= 0) + (column >= 0);
  bool turn = false;
  if (a->n_places && cy_place_is_index(p)) {
    other = p->index[0] == row ? column : row;
    turn = p->index[0] == row && column >= 0;
  } else if (column >= 0) return NULL;
  const cy_expr *arg = other >= 0 && cy_poly_has(a->arg[0], other) ? cy_expr_of(s, a->arg[0], other, a->dummy)
                                                                    : cy_expr_of(s, a->arg[0], a->dummy, -1);
  if (arg && arg->rank == 0) arg = repeated(s, arg, a->dummy);
  cy_expr *e = cy_expr_with(s, call_expr(s, a, a->n_places ? (arg ? arg->rank : 1) : rank), arg, 1);
  if (!e) return NULL;
  if (a->n_places && !cy_place_is_index(p)) return at_places(s, e, a, rank);
  return turn ? cy_expr_transposed(s, e) : e;
}

const cy_expr *cy_expr_of_whole(cy_sheet *s, const cy_atom *a, const int *indices, int n) {
  if (a->n_places != n) return NULL;
  for (int i = 0; i < n; i++)
    if (!cy_place_is_index(&a->place[i]) || a->place[i].index[0] != indices[i]) return NULL;
  cy_expr *e = call_expr(s, a, n);
  if (e) e->op = cy_node_at(s->graph, a->node)->op->name, e->atom = a;
  for (int i = 0; i < a->n_args; i++) {
    cy_expr *whole = cy_expr_new(s, CY_EXPR_NAME, 2);
    if (whole) whole->name = a->arg[i]->n && a->arg[i]->term[0].n ? a->arg[i]->term[0].factor[0].atom->name : 0;
    e = cy_expr_with(s, e, whole, 1);
  }
  return e;
}

static const cy_expr *elementwise_expr(cy_sheet *s, cy_expr_kind kind, const cy_atom *a, int row, int column) {
  cy_expr *e = call_expr(s, a, (row >= 0) + (column >= 0));
  if (e) e->kind = kind;
  for (int i = 0; i < a->n_args; i++) e = cy_expr_with(s, e, cy_expr_of(s, a->arg[i], row, column), 1);
  return e;
}

const cy_expr *cy_expr_of_atom(cy_sheet *s, const cy_atom *a, int row, int column) {
  switch (a->kind) {
    case CY_ATOM_NAME: return name_expr(s, a, row, column);
    case CY_ATOM_DELTA: return delta_expr(s, a, row, column);
    case CY_ATOM_GROUP: return cy_expr_of(s, a->arg[0], row, column);
    case CY_ATOM_CALL: return elementwise_expr(s, CY_EXPR_CALL, a, row, column);
    case CY_ATOM_COMPARE: return elementwise_expr(s, CY_EXPR_COMPARE, a, row, column);
    case CY_ATOM_CHOICE: return elementwise_expr(s, CY_EXPR_CHOICE, a, row, column);
    case CY_ATOM_ALONG: return along_expr(s, a, row, column);
    case CY_ATOM_OPAQUE: return cy_expr_of_whole(s, a, (int[]){row, column}, (row >= 0) + (column >= 0));
    case CY_ATOM_PLACE: return NULL;
  }
  return NULL;
}
