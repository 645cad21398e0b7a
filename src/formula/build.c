/* Trees to graphs. What would lose digits as it is written is built as the function that does not: log(softmax(o)),
 * log(sigmoid(a)), log(sum(exp(a))); and |x|^2 without a root, so that it has a derivative at 0. */
#include "formula/build.h"

#include <cauchy/ops.h>
#include <string.h>

typedef struct builder {
  const cy_formula *f;
  cy_graph *graph;
  const cy_value *symbols;
  const cy_value *statements;
  cy_value *values; /* of the nodes, by order */
} builder;

static cy_value build(const builder *b, const cy_expression *e);

static cy_value number(const builder *b, double value) { return cy_scalar(b->graph, CY_F64, value); }

/* ---- what is built as one ---- */

static const cy_expression *behind(const builder *b, const cy_expression *e) { return cy_expression_behind(b->f, e); }
static bool calls(const builder *b, const cy_expression *e, cy_function_id id) {
  return cy_expression_calls(b->f, e, id);
}
static const cy_expression *argument(const builder *b, const cy_expression *e) { return behind(b, e)->operand[0]; }

static bool is_number(const builder *b, const cy_expression *e, double value) {
  e = behind(b, e);
  return e->kind == CY_EXPRESSION_NUMBER && e->number == value;
}

static cy_value element(const builder *b, cy_value a, const cy_expression *e);

/* log(a) where a is a sum or difference: 1 + exp(x), 1 - sigmoid(x). Empty: nothing special. */
static cy_value log_of_terms(const builder *b, const cy_expression *a) {
  const cy_expression *first = a->operand[0], *second = a->operand[1];
  bool sum = a->kind == CY_EXPRESSION_ADD;
  if (sum && is_number(b, first, 1) && calls(b, second, CY_FUNCTION_EXP))
    return cy_softplus(build(b, argument(b, second)));
  if (sum && is_number(b, second, 1) && calls(b, first, CY_FUNCTION_EXP))
    return cy_softplus(build(b, argument(b, first)));
  if (!sum && is_number(b, first, 1) && calls(b, second, CY_FUNCTION_SIGMOID))
    return cy_neg(cy_softplus(build(b, argument(b, second))));
  return (cy_value){0};
}

/* The logarithm of an expression that it knows better than the number; empty: nothing special. */
static cy_value special_log(const builder *b, const cy_expression *operand) {
  const cy_expression *a = behind(b, operand);
  if (calls(b, a, CY_FUNCTION_SOFTMAX)) return cy_log_softmax(build(b, a->operand[0]), -1);
  if (calls(b, a, CY_FUNCTION_SIGMOID)) return cy_neg(cy_softplus(cy_neg(build(b, a->operand[0]))));
  if (calls(b, a, CY_FUNCTION_EXP)) return build(b, a->operand[0]);
  if (calls(b, a, CY_FUNCTION_SUM) && a->axis < 0 && calls(b, a->operand[0], CY_FUNCTION_EXP) &&
      a->operand[0]->dims.rank == 1)
    return cy_logsumexp(build(b, argument(b, a->operand[0])), -1, false);
  if (a->kind == CY_EXPRESSION_ELEMENT && calls(b, a->operand[0], CY_FUNCTION_SOFTMAX))
    return element(b, cy_log_softmax(build(b, argument(b, a->operand[0])), -1), a);
  if (a->kind == CY_EXPRESSION_ADD || a->kind == CY_EXPRESSION_SUBTRACT) return log_of_terms(b, a);
  return (cy_value){0};
}

/* |x|^2, norm(x)^2. */
static bool is_squared_length(const builder *b, const cy_expression *e) {
  return is_number(b, e->operand[1], 2) &&
         (calls(b, e->operand[0], CY_FUNCTION_NORM) || calls(b, e->operand[0], CY_FUNCTION_ABS));
}

static cy_value power(const builder *b, const cy_expression *e) {
  const cy_expression *exponent = behind(b, e->operand[1]);
  if (is_squared_length(b, e)) {
    cy_value squares = cy_square(build(b, argument(b, e->operand[0])));
    return calls(b, e->operand[0], CY_FUNCTION_NORM) ? cy_sum(squares, NULL, 0, false) : squares;
  }
  cy_value base = build(b, e->operand[0]);
  bool minus = exponent->kind == CY_EXPRESSION_NEGATE && exponent->operand[0]->kind == CY_EXPRESSION_NUMBER;
  if (minus) return cy_pow_scalar(base, -exponent->operand[0]->number);
  if (exponent->kind != CY_EXPRESSION_NUMBER) return cy_pow(base, build(b, e->operand[1]));
  return exponent->number == 2 ? cy_square(base) : cy_pow_scalar(base, exponent->number);
}

/* ---- products ---- */

static cy_value as_matrix(cy_value a, cy_dims dims) {
  cy_shape shape = cy_value_shape(a);
  if (dims.rank == 2) return a;
  return cy_reshape(a, dims.row ? CY_SHAPE(1, shape.dim[0]) : CY_SHAPE(shape.dim[0], 1));
}

/* A graph keeps a row or a column as [d]. */
static cy_value product(const builder *b, const cy_expression *e) {
  const cy_expression *left = e->operand[0], *right = e->operand[1];
  cy_value l = build(b, left), r = build(b, right);
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
static cy_value at_subscript(const builder *b, cy_value a, const cy_expression *subscript) {
  cy_shape shape = cy_value_shape(a);
  if (subscript->kind != CY_EXPRESSION_NUMBER) {
    bool each_row = subscript->dims.rank == 1;
    return cy_gather(a, build(b, subscript), each_row, each_row);
  }
  int64_t i = (int64_t)subscript->number;
  cy_value part = cy_slice_axis(a, 0, i, i + 1);
  return cy_reshape(part, shape.rank == 2 ? CY_SHAPE(shape.dim[1]) : (cy_shape){0});
}

static cy_value element(const builder *b, cy_value a, const cy_expression *e) {
  for (int i = 1; i < e->n; i++) a = at_subscript(b, a, e->operand[i]);
  return a;
}

/* ---- calls ---- */

static cy_value call(const builder *b, const cy_expression *e) {
  const cy_function *function = e->function;
  if (function->id == CY_FUNCTION_LOG) {
    cy_value value = special_log(b, e->operand[0]);
    if (value.graph) return value;
  }
  cy_value a = build(b, e->operand[0]);
  if (e->n == 2) return function->binary(a, build(b, e->operand[1]));
  if (function->id == CY_FUNCTION_ONEHOT)
    return cy_one_hot(a, cy_dim_extent(b->f, e->dims.dim[e->dims.rank - 1]), CY_F64);
  if (function->id == CY_FUNCTION_COLUMN) return cy_reshape(a, cy_dims_shape(b->f, e->dims));
  if (function->unary) return function->unary(a);
  return function->reduce(a, e->axis < 0 ? NULL : &e->axis, e->axis < 0 ? 0 : 1, false);
}

/* ---- every kind ---- */

/* The left operand first: calls as arguments of one call are made in whatever order the compiler likes. */
static cy_value of_two(const builder *b, const cy_expression *e, cy_value (*operation)(cy_value, cy_value)) {
  cy_value left = build(b, e->operand[0]);
  return operation(left, build(b, e->operand[1]));
}

static cy_value make(const builder *b, const cy_expression *e) {
  const cy_expression *const *o = e->operand;
  switch (e->kind) {
    case CY_EXPRESSION_NUMBER: return number(b, e->number);
    case CY_EXPRESSION_SYMBOL: return b->symbols[e->id];
    case CY_EXPRESSION_STATEMENT: return b->statements[e->id];
    case CY_EXPRESSION_DIMENSION: return number(b, (double)cy_dim_extent(b->f, (cy_dim){.name = e->id}));
    case CY_EXPRESSION_NEGATE:
      return o[0]->kind == CY_EXPRESSION_NUMBER ? number(b, -o[0]->number) : cy_neg(build(b, o[0]));
    case CY_EXPRESSION_ADD: return of_two(b, e, cy_add);
    case CY_EXPRESSION_SUBTRACT: return of_two(b, e, cy_sub);
    case CY_EXPRESSION_MULTIPLY: return of_two(b, e, cy_mul);
    case CY_EXPRESSION_DIVIDE: return of_two(b, e, cy_div);
    case CY_EXPRESSION_POWER: return power(b, e);
    case CY_EXPRESSION_PRODUCT: return product(b, e);
    case CY_EXPRESSION_TRANSPOSE: return e->dims.rank == 2 ? cy_transpose(build(b, o[0])) : build(b, o[0]);
    case CY_EXPRESSION_ELEMENT: return element(b, build(b, o[0]), e);
    case CY_EXPRESSION_CALL: return call(b, e);
  }
  return (cy_value){0};
}

/* Each node once, however many refer to it. */
static cy_value build(const builder *b, const cy_expression *e) {
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
  builder b = {f, graph, symbols, statements, values};
  build_symbols(f, graph, symbols);
  for (size_t i = 0; i < f->statements.n; i++) statements[i] = build(&b, f->statements.items[i].expression);
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
