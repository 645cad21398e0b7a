/* Formulas: mathematics as one writes it, read into graphs.
 *
 *   a = W1*x + b1; h = relu(a); o = W2*h + b2; L = -log(softmax(o))[y]
 *                                                        x:d, W1:(h,d), b1:h, W2:(m,h), b2:m, y:index
 *   x^2 + 0.8*x - 0.5
 *
 * Statements are separated by ; or newlines and name intermediate values; the last one is the formula's value.
 * Operators by rising precedence: + -, * / @ .* ./, unary minus, ^ .^, postfix ' or ^T (transpose) and [i] (element,
 * counted from 0, or class). * of two vectors or matrices is their product; every other operator and .* go element by
 * element, a vector combining with every row of a matrix. A vector is a column: w'*x is a number, x*w' a matrix. |x|
 * is a vector's length or a number's absolute value, |x|_1 the sum of absolute values. Functions: exp log sqrt sin
 * cos tanh sigmoid relu softplus abs sign max min sum mean norm softmax log_softmax onehot and others
 * (cy_formula_function); softmax and the like go row by row. pi is known.
 *
 * A dimension is a number or a name ("d", "h"); names that are used alike are equal, and an operation whose
 * dimensions do not fit is an error with both sides' dimensions and a caret under the operator. Symbols are declared
 * as numbers (z), vectors (x:d), matrices (W:(h,d)), classes (y:index) and one class per row (y:index(n)), which
 * picks one element of each row: log(softmax(O))[y].
 *
 * Recurrences are written out, step by step, as statements h[1], h[2], ...:
 *
 *   h[t] = tanh(W*h[t-1] + U*x[t] + b); L[t] = 0.5*|h[t] - y[t]|^2 for t = 1..3; L = sum(t=1..3, L[t])
 *                                                        h[0]:h, x[t]:d, y[t]:h, W:(h,h), U:(h,d), b:h */
#ifndef CAUCHY_FORMULA_H
#define CAUCHY_FORMULA_H

#include <cauchy/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cy_formula cy_formula;

/* where: names the source in messages ("formula", a file). dimensions: "x:d, W1:(h,d), b1:h" (may be NULL: all
 * symbols are numbers). An undeclared symbol is an error if dimensions are given. */
CY_API CY_MUST_CHECK cy_status cy_formula_parse(const char *text, const char *where, const char *dimensions,
                                                cy_formula **formula);
CY_API void cy_formula_free(cy_formula *formula);

/* Free symbols (inputs, parameters, labels), in order of their first use. */
CY_API int cy_formula_symbol_count(const cy_formula *formula);
CY_API const char *cy_formula_symbol(const cy_formula *formula, int i);
CY_API bool cy_formula_symbol_is_index(const cy_formula *formula, int i); /* a class, not a number: no gradient */
/* Its dimensions: 0 a number, 1 a vector (or one index per row), 2 a matrix; along each axis the dimension's name, or
 * NULL and a number. */
CY_API int cy_formula_symbol_rank(const cy_formula *formula, int i);
CY_API const char *cy_formula_symbol_dimension(const cy_formula *formula, int i, int axis, int64_t *extent);
/* Statements: intermediate values by name; the last may be nameless (""). */
CY_API int cy_formula_statement_count(const cy_formula *formula);
CY_API const char *cy_formula_statement(const cy_formula *formula, int i);

/* Names of dimensions that are not numbers, and what they are taken for when a graph is built: distinct numbers, so
 * that a reader of the graph can tell them apart, unless set (by name, > 0). */
CY_API int cy_formula_dimension_count(const cy_formula *formula);
CY_API const char *cy_formula_dimension(const cy_formula *formula, int i);
CY_API int64_t cy_formula_dimension_extent(const cy_formula *formula, int i);
CY_API CY_MUST_CHECK cy_status cy_formula_set_dimension(cy_formula *formula, const char *name, int64_t extent);

/* Builds the formula: symbols become variables of the graph (f64; an index is an i64 input), by their names. symbols
 * and statements have room for as many values as counted above; either may be NULL. */
CY_API CY_MUST_CHECK cy_status cy_formula_build(const cy_formula *formula, cy_graph *graph, cy_value *symbols,
                                                cy_value *statements);

/* Whether the formula is defined where its symbols take these numbers (tensors of the shapes of a built formula, as
 * many as symbols: f64, i64 for an index). If a part of it is no finite number: CY_INVALID, and the message names the
 * innermost such part and why: "log(x - 3) is undefined at x = 2: the logarithm of -1". */
CY_API CY_MUST_CHECK cy_status cy_formula_examine(const cy_formula *formula, cy_tensor *const *symbols);

/* Functions of the language, for help: NULL beyond the last. */
CY_API const char *cy_formula_function(int i, const char **summary);

#ifdef __cplusplus
}
#endif
#endif
