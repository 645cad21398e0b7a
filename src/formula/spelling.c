/* What is built as one though a formula spells it out: what would lose digits as it is written, log(softmax(o)),
 * log(sigmoid(a)), log(sum(exp(a))); |x|^2 without a root, so that it has a derivative at 0; and the logistic function,
 * tanh and softplus in exponentials, which then do not overflow, and whose derivatives are theirs. */
#include "formula/builder.h"
#include "graph/graph.h"

#include <cauchy/ops.h>

static const cy_expression *behind(const cy_builder *b, const cy_expression *e) {
  return cy_expression_behind(b->f, e);
}
static bool calls(const cy_builder *b, const cy_expression *e, cy_function_id id) {
  return cy_expression_calls(b->f, e, id);
}
static const cy_expression *argument(const cy_builder *b, const cy_expression *e) { return behind(b, e)->operand[0]; }

static bool is_number(const cy_builder *b, const cy_expression *e, double value) {
  e = behind(b, e);
  return e->kind == CY_EXPRESSION_NUMBER && e->number == value;
}

/* ---- the logistic function and tanh, as one writes them ---- */

/* The exponential in 1 + exp(x); NULL: it is something else. */
static const cy_expression *one_plus_exp(const cy_builder *b, const cy_expression *e) {
  e = behind(b, e);
  for (int i = 0; e->kind == CY_EXPRESSION_ADD && i < 2; i++)
    if (is_number(b, e->operand[i], 1) && calls(b, e->operand[1 - i], CY_FUNCTION_EXP))
      return behind(b, e->operand[1 - i]);
  return NULL;
}

static bool begins_with_minus(const cy_expression *e) {
  while (e->kind == CY_EXPRESSION_MULTIPLY || e->kind == CY_EXPRESSION_DIVIDE) e = e->operand[0];
  return e->kind == CY_EXPRESSION_NEGATE;
}

/* -e, with the minus taken away where there is one. */
static cy_value opposite(const cy_builder *b, const cy_expression *e) {
  e = behind(b, e);
  if (!begins_with_minus(e)) return cy_neg(cy_build(b, e));
  if (e->kind == CY_EXPRESSION_NEGATE) return cy_build(b, e->operand[0]);
  cy_value left = opposite(b, e->operand[0]), right = cy_build(b, e->operand[1]);
  return e->kind == CY_EXPRESSION_MULTIPLY ? cy_mul(left, right) : cy_div(left, right);
}

/* Equal values of a graph are one node. */
static bool same(cy_value x, cy_value y) { return cy_is_value(x) && cy_is_value(y) && x.id == y.id; }

/* The x of sigmoid(x), 1 / (1 + exp(-x)) or exp(x) / (1 + exp(x)); empty: it is none of these. */
static cy_value logistic_argument(const cy_builder *b, const cy_expression *e) {
  e = behind(b, e);
  if (calls(b, e, CY_FUNCTION_SIGMOID)) return cy_build(b, e->operand[0]);
  const cy_expression *exp = e->kind == CY_EXPRESSION_DIVIDE ? one_plus_exp(b, e->operand[1]) : NULL;
  if (exp && is_number(b, e->operand[0], 1)) return opposite(b, exp->operand[0]);
  if (!exp || !calls(b, e->operand[0], CY_FUNCTION_EXP)) return cy_none;
  cy_value above = cy_build(b, argument(b, e->operand[0])), below = cy_build(b, exp->operand[0]);
  return same(above, below) ? above : cy_none;
}

/* The x of 2 x, or with sign -1 of -2 x; NULL: it is not written so. */
static const cy_expression *half(const cy_builder *b, const cy_expression *e, int sign) {
  e = behind(b, e);
  if (e->kind == CY_EXPRESSION_NEGATE && sign < 0) return half(b, e->operand[0], 1);
  if (e->kind != CY_EXPRESSION_MULTIPLY) return NULL;
  const cy_expression *two = behind(b, e->operand[0]);
  if (sign < 0 && two->kind != CY_EXPRESSION_NEGATE) return NULL;
  return is_number(b, sign < 0 ? two->operand[0] : two, 2) ? e->operand[1] : NULL;
}

/* The x of tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)), of which a factor exp(x) or exp(-x) may be taken out:
 * (exp(2 x) - 1) / (exp(2 x) + 1), (1 - exp(-2 x)) / (1 + exp(-2 x)). Empty: it is something else. */
static cy_value tanh_argument(const cy_builder *b, const cy_expression *e) {
  const cy_expression *over = behind(b, e->operand[0]), *under = behind(b, e->operand[1]), *x = NULL;
  if (over->kind != CY_EXPRESSION_SUBTRACT || under->kind != CY_EXPRESSION_ADD) return cy_none;
  cy_value left = cy_build(b, over->operand[0]), right = cy_build(b, over->operand[1]);
  cy_value first = cy_build(b, under->operand[0]), second = cy_build(b, under->operand[1]);
  if (!(same(left, first) && same(right, second)) && !(same(left, second) && same(right, first))) return cy_none;
  bool plus = calls(b, over->operand[0], CY_FUNCTION_EXP), minus = calls(b, over->operand[1], CY_FUNCTION_EXP);
  if (plus && minus) {
    cy_value upper = cy_build(b, argument(b, over->operand[0]));
    cy_value lower = opposite(b, argument(b, over->operand[1]));
    return same(upper, lower) ? upper : cy_none;
  }
  if (plus && is_number(b, over->operand[1], 1)) x = half(b, argument(b, over->operand[0]), 1);
  if (minus && is_number(b, over->operand[0], 1)) x = half(b, argument(b, over->operand[1]), -1);
  return x ? cy_build(b, x) : cy_none;
}

cy_value cy_build_special_quotient(const cy_builder *b, const cy_expression *e) {
  cy_value x = logistic_argument(b, e);
  if (cy_is_value(x)) return cy_logistic(x);
  x = tanh_argument(b, e);
  return cy_is_value(x) ? cy_tanh(x) : cy_none;
}

/* ---- logarithms ---- */

/* log(a) where a is a sum or difference: 1 + exp(x), 1 - sigmoid(x). */
static cy_value log_of_terms(const cy_builder *b, const cy_expression *a) {
  const cy_expression *exp = one_plus_exp(b, a);
  if (exp) return cy_softplus(cy_build(b, exp->operand[0]));
  bool one_minus = a->kind == CY_EXPRESSION_SUBTRACT && is_number(b, a->operand[0], 1);
  cy_value x = one_minus ? logistic_argument(b, a->operand[1]) : cy_none;
  return cy_is_value(x) ? cy_neg(cy_softplus(x)) : cy_none;
}

/* The logarithm of an expression that it knows better than the number. */
static cy_value special_log(const cy_builder *b, const cy_expression *a) {
  if (calls(b, a, CY_FUNCTION_SOFTMAX)) return cy_log_softmax(cy_build(b, a->operand[0]), -1);
  cy_value x = logistic_argument(b, a);
  if (cy_is_value(x)) return cy_neg(cy_softplus(cy_neg(x)));
  if (calls(b, a, CY_FUNCTION_EXP)) return cy_build(b, a->operand[0]);
  if (calls(b, a, CY_FUNCTION_SUM) && a->axis < 0 && calls(b, a->operand[0], CY_FUNCTION_EXP) &&
      a->operand[0]->dims.rank == 1)
    return cy_logsumexp(cy_build(b, argument(b, a->operand[0])), -1, false);
  if (a->kind == CY_EXPRESSION_ELEMENT && calls(b, a->operand[0], CY_FUNCTION_SOFTMAX))
    return cy_build_element(b, cy_log_softmax(cy_build(b, argument(b, a->operand[0])), -1), a);
  if (a->kind == CY_EXPRESSION_ADD || a->kind == CY_EXPRESSION_SUBTRACT) return log_of_terms(b, a);
  return cy_none;
}

cy_value cy_build_special_call(const cy_builder *b, const cy_expression *e) {
  const cy_expression *a = behind(b, e->operand[0]);
  if (e->function->id == CY_FUNCTION_LOG) return special_log(b, a);
  bool softplus = e->function->id == CY_FUNCTION_LOG1P && calls(b, a, CY_FUNCTION_EXP);
  return softplus ? cy_softplus(cy_build(b, a->operand[0])) : cy_none;
}

/* ---- powers ---- */

/* |x|^2, norm(x)^2. */
cy_value cy_build_special_power(const cy_builder *b, const cy_expression *e) {
  bool norm = calls(b, e->operand[0], CY_FUNCTION_NORM), abs = calls(b, e->operand[0], CY_FUNCTION_ABS);
  if ((!norm && !abs) || !is_number(b, e->operand[1], 2)) return cy_none;
  cy_value squares = cy_square(cy_build(b, argument(b, e->operand[0])));
  return norm ? cy_sum(squares, NULL, 0, false) : squares;
}
