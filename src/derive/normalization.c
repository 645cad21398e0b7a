/* The normalisation that a formula writes in steps, (x - mean) / sqrt(variance + epsilon), found by what it computes,
 * whatever the steps, and its gradient in closed form (C.I). Epsilon is a number above 0 or a symbol. */
#include "derive/derivation.h"

#include <cauchy/ops.h>

#include <string.h>

enum { SEARCH_DEPTH = 8, MOST_EPSILONS = 8 };

static bool is_op(const cy_node *node, const char *op) { return strcmp(node->op->name, op) == 0; }

/* The value's poly down to symbols and the name `only`, at these indices. */
static const cy_poly *read_through(cy_derivation *d, cy_value v, const int *indices, int only) {
  cy_place at[CY_MAX_RANK];
  cy_shape shape = cy_value_shape(v);
  for (int i = 0; i < shape.rank; i++) at[i] = cy_place_of(indices[i]);
  d->sheet.only = only + 1;
  const cy_poly *p = cy_poly_simplify(&d->sheet, cy_read(&d->sheet, v, at, true));
  d->sheet.only = 0;
  return p;
}

/* What may be epsilon: numbers above 0 and symbols that are added to something. Returns how many there are now. */
static int find_epsilons(const cy_derivation *d, int32_t id, int depth, cy_value *list, int n) {
  const cy_node *node = cy_node_at(d->graph, id);
  for (int i = 0; i < node->n_inputs && is_op(node, "add") && n < MOST_EPSILONS; i++) {
    double number;
    cy_value v = cy_value_at(d->graph, node->inputs[i]);
    bool full = cy_is_full(v, &number), known = false;
    bool symbol = !full && cy_value_shape(v).rank == 0 && cy_node_of(v)->n_inputs == 0;
    for (int k = 0; k < n; k++) known = known || list[k].id == v.id;
    if (!known && (symbol || (full && number > 0))) list[n++] = full ? cy_scalar(d->graph, CY_F64, number) : v;
  }
  for (int i = 0; i < node->n_inputs && depth > 0; i++) n = find_epsilons(d, node->inputs[i], depth - 1, list, n);
  return n;
}

static cy_value mean_over_rows(cy_value v) { return cy_mean(v, (const int[]){0}, 1, true); }

static cy_value centred(cy_value x) { return cy_sub(x, mean_over_rows(x)); }

/* 1 / sqrt(variance + epsilon) */
static cy_value reciprocal_deviation(cy_value x, cy_value epsilon) {
  return cy_rsqrt(cy_add(mean_over_rows(cy_square(centred(x))), epsilon));
}

/* 1 / deviation if the named value is the operand normalised; else empty. */
static cy_value find_deviation(cy_derivation *d, int name, int operand) {
  cy_value v = d->sheet.names[name].value, x = d->sheet.names[operand].value, epsilons[MOST_EPSILONS];
  const cy_node *node = cy_node_of(v);
  cy_shape shape = cy_value_shape(v);
  int indices[CY_MAX_RANK];
  if (!(is_op(node, "div") || is_op(node, "mul")) || shape.rank < 1 || shape.rank > 2) return cy_none;
  if (!cy_shape_equal(shape, cy_value_shape(x))) return cy_none;
  int n = find_epsilons(d, v.id, SEARCH_DEPTH, epsilons, 0);
  if (n == 0) return cy_none;
  for (int i = 0; i < shape.rank; i++) indices[i] = cy_sheet_index(&d->sheet, shape.dim[i], false);
  const cy_poly *own = read_through(d, v, indices, operand);
  for (int i = 0; i < n; i++) {
    cy_value scale = reciprocal_deviation(x, epsilons[i]), normalized = cy_mul(centred(x), scale);
    if (!cy_is_value(normalized)) return cy_none;
    if (cy_poly_compare(&d->sheet, own, read_through(d, normalized, indices, operand)) == 0) return scale;
  }
  return cy_none;
}

/* With y = (x - mean) / deviation: dx = (dy - mean(dy) - y mean(dy y)) / deviation, whatever epsilon is, because the
 * derivative of 1 / deviation is -mean(y dx) / deviation^2. */
cy_value cy_normalization_gradient(cy_derivation *d, int name, int operand, cy_value gradient) {
  cy_value y = d->sheet.names[name].value, scale = find_deviation(d, name, operand);
  if (!cy_is_value(scale)) return cy_none;
  cy_value along = cy_mul(mean_over_rows(cy_mul(gradient, y)), y);
  return cy_mul(scale, cy_sub(cy_sub(gradient, mean_over_rows(gradient)), along));
}
