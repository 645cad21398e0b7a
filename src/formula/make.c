/* Making nodes: here the dimensions of every value follow from its operands', and what does not fit is refused with
 * both sides and the operator's place. */
#include "formula/parser.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- nodes ---- */

static cy_status add_node(cy_formula *f, cy_expression node, cy_place place, cy_expression **out) {
  node.at = place.at;
  node.start = place.start;
  node.end = place.end;
  for (int i = 0; i < node.n; i++)
    if (node.operand[i]->depth >= node.depth) node.depth = node.operand[i]->depth + 1;
  if (node.depth > CY_FORMULA_MAX_DEPTH)
    return cy_source_fail(&f->source, place.at, "the expression is nested more than %d deep", CY_FORMULA_MAX_DEPTH);
  node.order = (int)f->nodes;
  if (f->nodes++ >= CY_FORMULA_MAX_NODES)
    return cy_source_fail(&f->source, place.at, "the formula, written out, has more than %d parts",
                          CY_FORMULA_MAX_NODES);
  cy_expression *e = cy_arena_copy(f->arena, &node, sizeof node);
  if (!e) return cy_no_memory();
  *out = e;
  return CY_OK;
}

cy_status cy_make_leaf(cy_formula *f, cy_expression_kind kind, cy_dims dims, int id, double number, cy_place place,
                       cy_expression **out) {
  return add_node(f, (cy_expression){.kind = kind, .dims = dims, .id = id, .number = number}, place, out);
}

static cy_status refuse_index(const cy_formula *f, const cy_expression *e, size_t at) {
  char text[CY_EXPRESSION_TEXT];
  if (!e->dims.index) return CY_OK;
  return cy_source_fail(&f->source, at, "%s is an index, not a number: it picks elements, as in a[%s]",
                        cy_expression_text(f, e, text), text);
}

cy_status cy_make_negate(cy_formula *f, const cy_expression *a, cy_place place, cy_expression **out) {
  CY_TRY(refuse_index(f, a, place.at));
  return add_node(f, (cy_expression){.kind = CY_EXPRESSION_NEGATE, .dims = a->dims, .operand = {a}, .n = 1}, place,
                  out);
}

cy_status cy_make_transpose(cy_formula *f, const cy_expression *a, cy_place place, cy_expression **out) {
  cy_dims dims = a->dims;
  CY_TRY(refuse_index(f, a, place.at));
  if (dims.rank == 1) dims.row = !dims.row;
  if (dims.rank == 2) {
    dims.dim[0] = a->dims.dim[1];
    dims.dim[1] = a->dims.dim[0];
  }
  return add_node(f, (cy_expression){.kind = CY_EXPRESSION_TRANSPOSE, .dims = dims, .operand = {a}, .n = 1}, place,
                  out);
}

/* ---- what does not fit ---- */

/* "W1 * x: W1 is (h, d) and x is (m): <reason>" */
static cy_status misfit(const cy_formula *f, const char *operation, const cy_expression *a, const cy_expression *b,
                        size_t at, const char *reason) {
  char ta[CY_EXPRESSION_TEXT], tb[CY_EXPRESSION_TEXT], da[CY_DIMS_TEXT], db[CY_DIMS_TEXT];
  cy_expression_text(f, a, ta);
  cy_expression_text(f, b, tb);
  return cy_source_fail(&f->source, at, "%s %s %s: %s is %s and %s is %s: %s", ta, operation, tb, ta,
                        cy_dims_text(f, a->dims, da), tb, cy_dims_text(f, b->dims, db), reason);
}

enum { REASON = 480 };
static const char *differ(const cy_formula *f, const char *which, cy_dim a, cy_dim b, char reason[REASON]) {
  char ta[CY_DIMS_TEXT], tb[CY_DIMS_TEXT];
  snprintf(reason, REASON, "the %sdimensions %s and %s differ", which, cy_dim_text(f, a, ta), cy_dim_text(f, b, tb));
  return reason;
}

/* ---- element by element ---- */

static bool is_one(cy_dim dim) { return dim.name < 0 && dim.number == 1; }

/* Of matrices an extent that is written 1 combines with any; a vector combines with every row of a matrix. */
static cy_status broadcast(const cy_formula *f, const char *operation, const cy_expression *a, const cy_expression *b,
                           size_t at, cy_dims *dims) {
  char reason[REASON];
  const cy_dims *larger = a->dims.rank >= b->dims.rank ? &a->dims : &b->dims;
  const cy_dims *smaller = larger == &a->dims ? &b->dims : &a->dims;
  CY_TRY(refuse_index(f, a, at));
  CY_TRY(refuse_index(f, b, at));
  *dims = *larger;
  if (larger->rank == 1 && smaller->rank == 1 && larger->row != smaller->row)
    return misfit(f, operation, a, b, at, "one is a row, the other a column");
  for (int i = 1; i <= smaller->rank; i++) {
    cy_dim *l = &dims->dim[larger->rank - i], s = smaller->dim[smaller->rank - i];
    if (cy_dim_equal(*l, s) || (smaller->rank == 2 && is_one(s))) continue;
    if (smaller->rank == 2 && is_one(*l)) *l = s;
    else
      return misfit(f, operation, a, b, at,
                    differ(f, larger->rank > smaller->rank ? "last " : "", a->dims.dim[a->dims.rank - i],
                           b->dims.dim[b->dims.rank - i], reason));
  }
  return CY_OK;
}

/* ---- products ---- */

/* As matrices: a vector has one column, a row one row. */
static cy_dim rows_of(cy_dims d) { return d.rank == 1 && d.row ? cy_dim_number(1) : d.dim[0]; }
static cy_dim columns_of(cy_dims d) { return d.rank == 1 ? (d.row ? d.dim[0] : cy_dim_number(1)) : d.dim[1]; }

static bool is_column(cy_dims d) { return d.rank == 1 && !d.row; }
static bool is_row(cy_dims d) { return d.rank == 1 && d.row; }

static cy_dims product_dims(cy_dims a, cy_dims b) {
  if (is_row(a) && is_column(b)) return (cy_dims){0};
  if (is_column(b)) return (cy_dims){.rank = 1, .dim = {rows_of(a)}};
  if (is_row(a)) return (cy_dims){.rank = 1, .row = true, .dim = {columns_of(b)}};
  return (cy_dims){.rank = 2, .dim = {rows_of(a), columns_of(b)}};
}

static cy_status misfit_product(const cy_formula *f, const char *operation, const cy_expression *a,
                                const cy_expression *b, size_t at) {
  char reason[REASON], ta[CY_EXPRESSION_TEXT], tb[CY_EXPRESSION_TEXT];
  cy_expression_text(f, a, ta);
  cy_expression_text(f, b, tb);
  if (is_column(a->dims) && is_column(b->dims)) {
    if (cy_dim_equal(a->dims.dim[0], b->dims.dim[0]))
      snprintf(reason, REASON, "two columns; dot(%s, %s) is a number, %s .* %s a vector, %s * %s' a matrix", ta, tb, ta,
               tb, ta, tb);
    else snprintf(reason, REASON, "two columns; %s * %s' is a matrix", ta, tb);
  } else if (is_column(a->dims) && cy_dim_equal(a->dims.dim[0], rows_of(b->dims))) {
    snprintf(reason, REASON, "a column times a matrix; the row is %s' * %s", ta, tb);
  } else if (is_column(a->dims) && b->dims.rank == 2 && cy_dim_equal(a->dims.dim[0], b->dims.dim[1])) {
    snprintf(reason, REASON, "a column times a matrix; element by element it is %s .* %s", ta, tb);
  } else {
    differ(f, "inner ", columns_of(a->dims), rows_of(b->dims), reason);
  }
  return misfit(f, operation, a, b, at, reason);
}

static cy_status product(const cy_formula *f, const char *operation, const cy_expression *a, const cy_expression *b,
                         size_t at, cy_dims *dims) {
  CY_TRY(refuse_index(f, a, at));
  CY_TRY(refuse_index(f, b, at));
  if (!cy_dim_equal(columns_of(a->dims), rows_of(b->dims))) return misfit_product(f, operation, a, b, at);
  *dims = product_dims(a->dims, b->dims);
  return CY_OK;
}

/* ---- operators ---- */

static const struct {
  const char *sign;
  cy_expression_kind kind;
} operators[] = {
    {"+", CY_EXPRESSION_ADD},      {"-", CY_EXPRESSION_SUBTRACT}, {"*", CY_EXPRESSION_MULTIPLY},
    {"@", CY_EXPRESSION_MULTIPLY}, {"/", CY_EXPRESSION_DIVIDE},   {"^", CY_EXPRESSION_POWER},
    {".*", CY_EXPRESSION_MULTIPLY}, {"./", CY_EXPRESSION_DIVIDE}, {".^", CY_EXPRESSION_POWER},
};

static cy_status refuse_matrix_power(const cy_formula *f, const cy_expression *a, const cy_expression *b, size_t at) {
  char ta[CY_EXPRESSION_TEXT], tb[CY_EXPRESSION_TEXT], da[CY_DIMS_TEXT];
  if (a->dims.rank != 2) return CY_OK;
  cy_expression_text(f, a, ta);
  cy_expression_text(f, b, tb);
  return cy_source_fail(&f->source, at, "%s ^ %s: %s is a matrix %s; the power of each element is %s .^ %s", ta, tb, ta,
                        cy_dims_text(f, a->dims, da), ta, tb);
}

cy_status cy_make_binary(cy_formula *f, const char *operation, const cy_expression *a, const cy_expression *b,
                         cy_place place, cy_expression **out) {
  cy_expression node = {.operand = {a, b}, .n = 2, .dotted = operation[0] == '.'};
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
    if (strcmp(operators[i].sign, operation) == 0) node.kind = operators[i].kind;
  bool matrices = a->dims.rank > 0 && b->dims.rank > 0 && !node.dotted;
  if (node.kind == CY_EXPRESSION_MULTIPLY && matrices) {
    node.kind = CY_EXPRESSION_PRODUCT;
    CY_TRY(product(f, operation, a, b, place.at, &node.dims));
    return add_node(f, node, place, out);
  }
  if (node.kind == CY_EXPRESSION_POWER && !node.dotted) CY_TRY(refuse_matrix_power(f, a, b, place.at));
  CY_TRY(broadcast(f, operation, a, b, place.at, &node.dims));
  return add_node(f, node, place, out);
}

/* ---- elements ---- */

/* A constant subscript must lie inside; where the dimension is a name, the name will stand for at least as many. */
static cy_status check_subscript(cy_formula *f, const cy_expression *a, const cy_expression *subscript, cy_dim dim,
                                 size_t at) {
  char text[CY_EXPRESSION_TEXT];
  if (subscript->kind != CY_EXPRESSION_NUMBER) return CY_OK;
  int64_t i = (int64_t)subscript->number, extent = dim.name < 0 ? dim.number : cy_formula_max_extent;
  if (i < 0 || i >= extent)
    return cy_source_fail(&f->source, at, "%s: there is no element %" PRId64 ": they count from 0 to %" PRId64,
                          cy_expression_text(f, a, text), i, extent - 1);
  if (dim.name >= 0 && f->dimensions[dim.name].least <= i) f->dimensions[dim.name].least = i + 1;
  return CY_OK;
}

static cy_status element_dims(const cy_formula *f, const cy_expression *a, const cy_expression *const *subscripts,
                              int n, size_t at, cy_dims *dims) {
  char ta[CY_EXPRESSION_TEXT], ts[CY_EXPRESSION_TEXT], da[CY_DIMS_TEXT], ds[CY_DIMS_TEXT], reason[REASON];
  bool each_row = subscripts[0]->dims.rank == 1;
  *dims = (cy_dims){0};
  CY_TRY(refuse_index(f, a, at));
  cy_expression_text(f, a, ta);
  if (a->dims.rank == 0) return cy_source_fail(&f->source, at, "%s is a number: it has no elements", ta);
  if (n > a->dims.rank)
    return cy_source_fail(&f->source, at, "%s is %s: it takes one subscript, not two", ta,
                          cy_dims_text(f, a->dims, da));
  if (!each_row) {
    if (a->dims.rank > n) *dims = (cy_dims){.rank = 1, .dim = {a->dims.dim[1]}};
    return CY_OK;
  }
  cy_expression_text(f, subscripts[0], ts);
  cy_dims_text(f, subscripts[0]->dims, ds);
  if (a->dims.rank != 2 || n != 1)
    return cy_source_fail(&f->source, at, "%s[%s]: %s is %s and %s is %s: one index per row picks from a matrix", ta,
                          ts, ta, cy_dims_text(f, a->dims, da), ts, ds);
  if (!cy_dim_equal(a->dims.dim[0], subscripts[0]->dims.dim[0]))
    return cy_source_fail(&f->source, at, "%s[%s]: %s is %s and %s is %s: %s", ta, ts, ta, cy_dims_text(f, a->dims, da),
                          ts, ds, differ(f, "", a->dims.dim[0], subscripts[0]->dims.dim[0], reason));
  *dims = (cy_dims){.rank = 1, .dim = {a->dims.dim[0]}};
  return CY_OK;
}

cy_status cy_make_element(cy_formula *f, const cy_expression *a, const cy_expression *const *subscripts, int n,
                          cy_place place, cy_expression **out) {
  cy_expression node = {.kind = CY_EXPRESSION_ELEMENT, .operand = {a}, .n = n + 1};
  CY_TRY(element_dims(f, a, subscripts, n, place.at, &node.dims));
  for (int i = 0; i < n; i++) {
    node.operand[i + 1] = subscripts[i];
    CY_TRY(check_subscript(f, a, subscripts[i], a->dims.dim[i], place.at));
  }
  if (n == 2 && subscripts[1]->dims.rank > 0)
    return cy_source_fail(&f->source, place.at, "a second subscript is one index or a number");
  return add_node(f, node, place, out);
}

/* ---- calls ---- */

static cy_status needs(const cy_formula *f, const cy_function *function, const cy_expression *a, size_t at,
                       const char *what) {
  char text[CY_EXPRESSION_TEXT], dims[CY_DIMS_TEXT];
  return cy_source_fail(&f->source, at, "%s needs %s: %s is %s", function->name, what, cy_expression_text(f, a, text),
                        cy_dims_text(f, a->dims, dims));
}

static cy_status reduced_dims(const cy_formula *f, const cy_function *function, const cy_expression *a, int axis,
                              size_t at, cy_dims *dims) {
  *dims = (cy_dims){0};
  if (axis < 0) return CY_OK;
  if (a->dims.rank != 2) return needs(f, function, a, at, "a matrix for its rows (0) or columns (1)");
  *dims = (cy_dims){.rank = 1, .dim = {a->dims.dim[1 - axis]}};
  return CY_OK;
}

static cy_status call_dims(const cy_formula *f, const cy_expression *call, cy_dim classes, size_t at, cy_dims *dims) {
  const cy_function *function = call->function;
  const cy_expression *a = call->operand[0];
  char reason[REASON];
  *dims = a->dims;
  switch (function->shape) {
    case CY_SHAPE_ELEMENTWISE: return CY_OK;
    case CY_SHAPE_REDUCED: return reduced_dims(f, function, a, call->axis, at, dims);
    case CY_SHAPE_LAST: return a->dims.rank ? CY_OK : needs(f, function, a, at, "a vector or a matrix");
    case CY_SHAPE_LAST_REDUCED:
      if (!a->dims.rank) return needs(f, function, a, at, "a vector or a matrix");
      *dims = (cy_dims){.rank = a->dims.rank - 1, .dim = {a->dims.dim[0]}};
      return CY_OK;
    case CY_SHAPE_DOT:
      for (int i = 0; i < a->dims.rank && a->dims.rank == call->operand[1]->dims.rank; i++)
        if (!cy_dim_equal(a->dims.dim[i], call->operand[1]->dims.dim[i]))
          return misfit(f, "and", a, call->operand[1], at,
                        differ(f, "", a->dims.dim[i], call->operand[1]->dims.dim[i], reason));
      if (a->dims.rank != call->operand[1]->dims.rank)
        return misfit(f, "and", a, call->operand[1], at, "dot needs two that are alike");
      *dims = (cy_dims){0};
      return CY_OK;
    case CY_SHAPE_ONEHOT:
      if (!a->dims.index) return needs(f, function, a, at, "an index");
      dims->index = false;
      dims->dim[dims->rank++] = classes;
      return CY_OK;
    case CY_SHAPE_COLUMN:
      if (!is_column(a->dims)) return needs(f, function, a, at, "a vector");
      *dims = (cy_dims){.rank = 2, .dim = {a->dims.dim[0], cy_dim_number(1)}};
      return CY_OK;
  }
  return CY_OK;
}

cy_status cy_make_call(cy_formula *f, const cy_function *function, const cy_expression *const *operands, int n,
                       int axis, cy_dim classes, cy_place place, cy_expression **out) {
  cy_expression node = {.kind = CY_EXPRESSION_CALL, .function = function, .axis = axis, .n = n};
  if (function->shape != CY_SHAPE_ONEHOT)
    for (int i = 0; i < n; i++) CY_TRY(refuse_index(f, operands[i], place.at));
  memcpy(node.operand, operands, (size_t)n * sizeof *operands);
  if (n == 2 && function->shape != CY_SHAPE_DOT)
    CY_TRY(broadcast(f, "and", operands[0], operands[1], place.at, &node.dims));
  else CY_TRY(call_dims(f, &node, classes, place.at, &node.dims));
  return add_node(f, node, place, out);
}
