/* Making expressions in matrix form. An absent part makes the whole absent, so that makers need no checks. */
#include "derive/matrix.h"

cy_expr *cy_expr_new(cy_sheet *s, cy_expr_kind kind, int rank) {
  cy_expr *e = cy_arena_alloc(s->arena, sizeof *e);
  if (!e) return s->failed = true, NULL;
  e->kind = kind;
  e->rank = rank;
  e->number = 1;
  e->name = -1;
  return e;
}

cy_expr *cy_expr_with(cy_sheet *s, cy_expr *e, const cy_expr *part, double power) {
  if (!e || !part) return NULL;
  const cy_expr **parts = cy_arena_alloc(s->arena, (size_t)(e->n + 1) * sizeof(*parts));
  double *powers = cy_arena_alloc(s->arena, (size_t)(e->n + 1) * sizeof(*powers));
  if (!parts || !powers) return s->failed = true, NULL;
  for (int i = 0; i < e->n; i++) parts[i] = e->part[i], powers[i] = e->power[i];
  parts[e->n] = part;
  powers[e->n++] = power;
  e->part = parts;
  e->power = powers;
  return e;
}

cy_expr *cy_expr_unary(cy_sheet *s, cy_expr_kind kind, int rank, const cy_expr *part) {
  return part ? cy_expr_with(s, cy_expr_new(s, kind, rank), part, 1) : NULL;
}

cy_expr *cy_expr_ones(cy_sheet *s, int index) {
  cy_expr *e = cy_expr_new(s, CY_EXPR_ONES, 1);
  if (e) e->extent = s->indices[index].extent;
  return e;
}

const cy_expr *cy_expr_transposed(cy_sheet *s, const cy_expr *e) {
  if (e && e->kind == CY_EXPR_TRANSPOSE) return e->part[0];
  return cy_expr_unary(s, CY_EXPR_TRANSPOSE, 2, e);
}

const cy_expr *cy_expr_product(cy_sheet *s, const cy_expr *a, const cy_expr *b) {
  if (!a || !b) return NULL;
  cy_expr *chain = cy_expr_new(s, CY_EXPR_MATMUL, b->rank);
  const cy_expr *side[2] = {a, b};
  for (int k = 0; k < 2; k++)
    if (side[k]->kind == CY_EXPR_MATMUL)
      for (int i = 0; i < side[k]->n; i++) chain = cy_expr_with(s, chain, side[k]->part[i], 1);
    else chain = cy_expr_with(s, chain, side[k], 1);
  return chain;
}

/* (x' x)^(1/2) is a length. */
static const cy_expr *length_of(cy_sheet *s, const cy_expr *e) {
  bool square = e->kind == CY_EXPR_INNER && e->part[0] == e->part[1];
  if (!square && !(e->kind == CY_EXPR_SUM && e->part[0]->kind == CY_EXPR_POWER && e->part[0]->number == 2)) return NULL;
  cy_expr *norm = cy_expr_unary(s, CY_EXPR_CALL, 0, square ? e->part[0] : e->part[0]->part[0]);
  if (norm) norm->function = cy_notation_find("norm");
  return norm;
}

const cy_expr *cy_expr_raised(cy_sheet *s, const cy_expr *e, double power) {
  if (!e || power == 1) return e;
  const cy_expr *length = power == 0.5 || power == -0.5 ? length_of(s, e) : NULL;
  if (length) return cy_expr_raised(s, length, 2 * power);
  cy_expr *p = cy_expr_unary(s, CY_EXPR_POWER, e->rank, e);
  if (p) p->number = power;
  return p;
}
