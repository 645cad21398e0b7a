/* The functions of the language: a row per name. Their values as graph operations stand here; that log(softmax(o))
 * and the like are built as one is build.c's. */
#include "formula/formula.h"

#include <cauchy/ops.h>
#include <string.h>

static cy_value softmax_last(cy_value a) { return cy_softmax(a, -1); }
static cy_value log_softmax_last(cy_value a) { return cy_log_softmax(a, -1); }
static cy_value logsumexp_last(cy_value a) { return cy_logsumexp(a, -1, false); }

/* 1 where a > 0, else 0. */
static cy_value step(cy_value a) { return cy_convert(cy_gt(a, cy_zeros_like(a)), cy_value_dtype(a)); }

/* a where a > 0, else slope a. */
static cy_value prelu(cy_value a, cy_value slope) {
  cy_value above = cy_relu(a);
  return cy_add(above, cy_mul(slope, cy_sub(a, above)));
}

static cy_value sum_of_squares(cy_value a) { return cy_sum(cy_square(a), NULL, 0, false); }
static cy_value norm(cy_value a) { return cy_sqrt(sum_of_squares(a)); }
static cy_value norm1(cy_value a) { return cy_sum(cy_abs(a), NULL, 0, false); }
static cy_value dot(cy_value a, cy_value b) { return cy_sum(cy_mul(a, b), NULL, 0, false); }

#define EACH(text, ID, builder, help) \
  {.name = text, .id = CY_FUNCTION_##ID, .min_operands = 1, .max_operands = 1, .unary = builder, .summary = help}
static const cy_function functions[] = {
    EACH("exp", EXP, cy_exp, "exp(x), e to the power of each element"),
    EACH("log", LOG, cy_log, "log(x), natural logarithm"),
    EACH("ln", LOG, cy_log, "log(x)"),
    EACH("sqrt", SQRT, cy_sqrt, "sqrt(x), square root"),
    EACH("sin", SIN, cy_sin, "sin(x)"),
    EACH("cos", COS, cy_cos, "cos(x)"),
    EACH("tanh", TANH, cy_tanh, "tanh(x)"),
    EACH("sigmoid", SIGMOID, cy_logistic, "sigmoid(x) = 1 / (1 + exp(-x))"),
    EACH("logistic", SIGMOID, cy_logistic, "sigmoid(x)"),
    EACH("relu", RELU, cy_relu, "relu(x) = max(x, 0); its derivative at 0 is 0"),
    EACH("softplus", SOFTPLUS, cy_softplus, "softplus(x) = log(1 + exp(x)), finite for all x"),
    EACH("abs", ABS, cy_abs, "abs(x), absolute value; |x| of a number"),
    EACH("sign", SIGN, cy_sign, "sign(x): -1, 0 or 1"),
    EACH("step", STEP, step, "step(x): 1 where x > 0, else 0"),
    EACH("erf", ERF, cy_erf, "erf(x), error function"),
    EACH("expm1", EXPM1, cy_expm1, "expm1(x) = exp(x) - 1, exact near 0"),
    EACH("log1p", LOG1P, cy_log1p, "log1p(x) = log(1 + x), exact near 0"),
    {"prelu", CY_FUNCTION_PRELU, CY_SHAPE_ELEMENTWISE, 2, 2, NULL, prelu, NULL, "prelu(x, a): x where x > 0, else a x"},
    {"max", CY_FUNCTION_MAX, CY_SHAPE_REDUCED, 1, 2, NULL, cy_max, cy_reduce_max,
     "max(x), the largest element; max(x, y), element by element"},
    {"min", CY_FUNCTION_MIN, CY_SHAPE_REDUCED, 1, 2, NULL, cy_min, cy_reduce_min,
     "min(x), the smallest element; min(x, y), element by element"},
    {"sum", CY_FUNCTION_SUM, CY_SHAPE_REDUCED, 1, 1, NULL, NULL, cy_sum,
     "sum(x) of all elements; sum(X, 0) over the rows, sum(X, 1) over the columns; sum(t=1..3, L[t])"},
    {"mean", CY_FUNCTION_MEAN, CY_SHAPE_REDUCED, 1, 1, NULL, NULL, cy_mean,
     "mean(x) of all elements; mean(X, 0) over the rows, mean(X, 1) over the columns"},
    {"norm", CY_FUNCTION_NORM, CY_SHAPE_REDUCED, 1, 1, norm, NULL, NULL,
     "norm(x) = |x|, Euclidean length; of a matrix Frobenius'"},
    {"norm1", CY_FUNCTION_NORM1, CY_SHAPE_REDUCED, 1, 1, norm1, NULL, NULL,
     "norm1(x) = |x|_1, the sum of absolute values"},
    {"dot", CY_FUNCTION_DOT, CY_SHAPE_DOT, 2, 2, NULL, dot, NULL, "dot(x, y), inner product"},
    {"softmax", CY_FUNCTION_SOFTMAX, CY_SHAPE_LAST, 1, 1, softmax_last, NULL, NULL,
     "softmax(x) = exp(x) / sum(exp(x)); of a matrix row by row"},
    {"log_softmax", CY_FUNCTION_LOG_SOFTMAX, CY_SHAPE_LAST, 1, 1, log_softmax_last, NULL, NULL,
     "log_softmax(x) = log(softmax(x)), finite for all x"},
    {"logsumexp", CY_FUNCTION_LOGSUMEXP, CY_SHAPE_LAST_REDUCED, 1, 1, logsumexp_last, NULL, NULL,
     "logsumexp(x) = log(sum(exp(x))); of a matrix row by row"},
    {"onehot", CY_FUNCTION_ONEHOT, CY_SHAPE_ONEHOT, 1, 1, NULL, NULL, NULL,
     "onehot(y, m): 1 at the class y, else 0; m classes"},
    {"column", CY_FUNCTION_COLUMN, CY_SHAPE_COLUMN, 1, 1, NULL, NULL, NULL,
     "column(x): a vector (n) as a matrix (n, 1), which combines with every column of another"},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

const cy_function *cy_function_find(const char *name, size_t length) {
  for (int i = 0; i < FUNCTIONS; i++)
    if (strlen(functions[i].name) == length && memcmp(functions[i].name, name, length) == 0) return &functions[i];
  return NULL;
}

const char *cy_formula_function(int i, const char **summary) {
  if (i < 0 || i >= FUNCTIONS) return NULL;
  if (summary) *summary = functions[i].summary;
  return functions[i].name;
}
