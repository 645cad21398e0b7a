/* Trees to graphs, node by node, but for what is better built as one (spelling.c). */
#include "formula/builder.h"

#include <cauchy/ops.h>
#include <string.h>

static cy_value number(const cy_builder *b, double value) { return cy_scalar(b->graph, CY_F64, value); }

static cy_value power(const cy_builder *b, const cy_expression *e) {
  cy_value special = cy_build_special_power(b, e);
  if (cy_is_value(special)) return special;
  const cy_expression *exponent = cy_expression_behind(b->f, e->operand[1]);
  cy_value base = cy_build(b, e->operand[0]);
  bool minus = exponent->kind == CY_EXPRESSION_NEGATE && exponent->operand[0]->kind == CY_EXPRESSION_NUMBER;
  if (minus) return cy_pow_scalar(base, -exponent->operand[0]->number);
  if (exponent->kind != CY_EXPRESSION_NUMBER) return cy_pow(base, cy_build(b, e->operand[1]));
  return exponent->number == 2 ? cy_square(base) : cy_pow_scalar(base, exponent->number);
}

/* ---- products ---- */

static cy_value as_matrix(cy_value a, cy_dims dims) {
  cy_shape shape = cy_value_shape(a);
  if (dims.rank == 2) return a;
  return cy_reshape(a, dims.row ? CY_SHAPE(1, shape.dim[0]) : CY_SHAPE(shape.dim[0], 1));
}

/* A graph keeps a row or a column as [d]. */
static cy_value product(const cy_builder *b, const cy_expression *e) {
  const cy_expression *left = e->operand[0], *right = e->operand[1];
  cy_value l = cy_build(b, left), r = cy_build(b, right);
  bool column_left = left->dims.rank == 1 && !left->dims.row, row_right = right->dims.rank == 1 && right->dims.row;
  if (left->dims.rank == 2 && right->dims.rank == 2) return cy_matmul(l, r);
  if (column_left && row_right) return cy_dot(l, r, (cy_dot_axes){0});
  if (column_left || row_right) {
    l = as_matrix(l, left->dims);
    return cy_reshape(cy_matmul(l, as_matrix(r, right->dims)), cy_dims_shape(b->f, e->dims));
  }
  return cy_dot(l, r, (cy_dot_axes){.n_contract = 1, .a_contract = {left->dims.rank - 1}, .b_contract = {0}});
}

/* ---- elements ---- */

/* One subscript along an axis, which goes. */
static cy_value at_subscript(const cy_builder *b, cy_value a, const cy_expression *subscript) {
  cy_shape shape = cy_value_shape(a);
  if (subscript->kind != CY_EXPRESSION_NUMBER) {
    bool each_row = subscript->dims.rank == 1;
    return cy_gather(a, cy_build(b, subscript), each_row, each_row);
  }
  int64_t i = (int64_t)subscript->number;
  cy_value part = cy_slice_axis(a, 0, i, i + 1);
  return cy_reshape(part, shape.rank == 2 ? CY_SHAPE(shape.dim[1]) : (cy_shape){0});
}

cy_value cy_build_element(const cy_builder *b, cy_value a, const cy_expression *e) {
  for (int i = 1; i < e->n; i++) a = at_subscript(b, a, e->operand[i]);
  return a;
}

/* ---- calls ---- */

static cy_value call(const cy_builder *b, const cy_expression *e) {
  const cy_function *function = e->function;
  cy_value special = cy_build_special_call(b, e);
  if (cy_is_value(special)) return special;
  cy_value a = cy_build(b, e->operand[0]);
  if (e->n == 2) return function->binary(a, cy_build(b, e->operand[1]));
  if (function->id == CY_FUNCTION_ONEHOT)
    return cy_one_hot(a, cy_dim_extent(b->f, e->dims.dim[e->dims.rank - 1]), CY_F64);
  if (function->id == CY_FUNCTION_COLUMN) return cy_reshape(a, cy_dims_shape(b->f, e->dims));
  if (function->unary) return function->unary(a);
  return function->reduce(a, e->axis < 0 ? NULL : &e->axis, e->axis < 0 ? 0 : 1, false);
}

/* ---- every kind ---- */

/* The left operand first: calls as arguments of one call are made in whatever order the compiler likes. */
static cy_value of_two(const cy_builder *b, const cy_expression *e, cy_value (*operation)(cy_value, cy_value)) {
  cy_value left = cy_build(b, e->operand[0]);
  return operation(left, cy_build(b, e->operand[1]));
}

static cy_value quotient(const cy_builder *b, const cy_expression *e) {
  cy_value special = cy_build_special_quotient(b, e);
  return cy_is_value(special) ? special : of_two(b, e, cy_div);
}

static cy_value make(const cy_builder *b, const cy_expression *e) {
  const cy_expression *const *o = e->operand;
  switch (e->kind) {
    case CY_EXPRESSION_NUMBER: return number(b, e->number);
    case CY_EXPRESSION_SYMBOL: return b->symbols[e->id];
    case CY_EXPRESSION_STATEMENT: return b->statements[e->id];
    case CY_EXPRESSION_DIMENSION: return number(b, (double)cy_dim_extent(b->f, (cy_dim){.name = e->id}));
    case CY_EXPRESSION_NEGATE:
      return o[0]->kind == CY_EXPRESSION_NUMBER ? number(b, -o[0]->number) : cy_neg(cy_build(b, o[0]));
    case CY_EXPRESSION_ADD: return of_two(b, e, cy_add);
    case CY_EXPRESSION_SUBTRACT: return of_two(b, e, cy_sub);
    case CY_EXPRESSION_MULTIPLY: return of_two(b, e, cy_mul);
    case CY_EXPRESSION_DIVIDE: return quotient(b, e);
    case CY_EXPRESSION_POWER: return power(b, e);
    case CY_EXPRESSION_PRODUCT: return product(b, e);
    case CY_EXPRESSION_TRANSPOSE: return e->dims.rank == 2 ? cy_transpose(cy_build(b, o[0])) : cy_build(b, o[0]);
    case CY_EXPRESSION_ELEMENT: return cy_build_element(b, cy_build(b, o[0]), e);
    case CY_EXPRESSION_CALL: return call(b, e);
  }
  return (cy_value){0};
}

cy_value cy_build(const cy_builder *b, const cy_expression *e) {
  cy_value *value = &b->values[e->order];
  if (!value->graph) *value = make(b, e);
  return *value;
}

static void build_symbols(const cy_formula *f, cy_graph *graph, cy_value *symbols) {
  for (size_t i = 0; i < f->symbols.n; i++) {
    const cy_formula_name *s = &f->symbols.items[i];
    cy_shape shape = cy_dims_shape(f, s->dims);
    symbols[i] = s->dims.index ? cy_input(graph, s->name, CY_I64, shape) : cy_variable(graph, s->name, CY_F64, shape);
  }
}

cy_status cy_formula_build_parts(const cy_formula *f, cy_graph *graph, cy_value *symbols, cy_value *statements,
                                 cy_value *values) {
  cy_builder b = {f, graph, symbols, statements, values};
  build_symbols(f, graph, symbols);
  for (size_t i = 0; i < f->statements.n; i++) statements[i] = cy_build(&b, f->statements.items[i].expression);
  return cy_graph_status(graph);
}

cy_status cy_formula_build(const cy_formula *f, cy_graph *graph, cy_value *symbols, cy_value *statements) {
  size_t n = f->symbols.n + f->statements.n;
  cy_value *values = cy_calloc(n + f->nodes, sizeof *values);
  if (!values) return cy_no_memory();
  cy_status status = cy_formula_build_parts(f, graph, values, values + f->symbols.n, values + n);
  if (symbols) memcpy(symbols, values, f->symbols.n * sizeof *symbols);
  if (statements) memcpy(statements, values + f->symbols.n, f->statements.n * sizeof *statements);
  cy_free(values);
  return status;
}
