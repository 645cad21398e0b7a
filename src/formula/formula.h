/* Formulas as trees: statements whose expressions know their dimensions and their place in the text. The parser makes
 * them, checked; build.c reads them into graphs, and derivations read them as mathematics. A tree is never
 * changed. */
#ifndef CY_FORMULA_FORMULA_H
#define CY_FORMULA_FORMULA_H

#include "base/memory.h"
#include "nn/source.h"

#include <cauchy/formula.h>

/* A dimension: a name of the formula, or a number. */
typedef struct cy_dim {
  int name;       /* index among the formula's dimensions; -1: a number */
  int64_t number;
} cy_dim;

/* Of a value: a number (rank 0), a vector or a matrix. A row is a transposed vector, (1, d): only products tell it
 * from the vector, and a graph keeps both as [d]. */
typedef struct cy_dims {
  int rank;   /* 0, 1, 2 */
  bool row;   /* rank 1 */
  bool index; /* classes, not numbers; rank 0 or 1 */
  cy_dim dim[2];
} cy_dims;

typedef enum cy_function_id {
  CY_FUNCTION_EXP, CY_FUNCTION_LOG, CY_FUNCTION_SQRT, CY_FUNCTION_SIN, CY_FUNCTION_COS, CY_FUNCTION_TANH,
  CY_FUNCTION_SIGMOID, CY_FUNCTION_RELU, CY_FUNCTION_SOFTPLUS, CY_FUNCTION_ABS, CY_FUNCTION_SIGN, CY_FUNCTION_STEP,
  CY_FUNCTION_ERF, CY_FUNCTION_EXPM1, CY_FUNCTION_LOG1P, CY_FUNCTION_MAX, CY_FUNCTION_MIN, CY_FUNCTION_PRELU,
  CY_FUNCTION_SUM, CY_FUNCTION_MEAN, CY_FUNCTION_NORM, CY_FUNCTION_NORM1, CY_FUNCTION_DOT, CY_FUNCTION_SOFTMAX,
  CY_FUNCTION_LOG_SOFTMAX, CY_FUNCTION_LOGSUMEXP, CY_FUNCTION_ONEHOT, CY_FUNCTION_COLUMN,
} cy_function_id;

/* How the dimensions of a function's value follow from its operands'. */
typedef enum cy_function_shape {
  CY_SHAPE_ELEMENTWISE, /* those of the operands, broadcast */
  CY_SHAPE_REDUCED,     /* a number: over all elements; with an axis (0: over the rows, 1: over the columns) a vector */
  CY_SHAPE_LAST,        /* unchanged: works along the last axis */
  CY_SHAPE_LAST_REDUCED, /* without the last axis */
  CY_SHAPE_DOT,         /* a number, from two operands that are alike */
  CY_SHAPE_ONEHOT,      /* one more axis */
  CY_SHAPE_COLUMN,      /* (n) to (n, 1) */
} cy_function_shape;

/* A name of the language; several names may mean one function. */
typedef struct cy_function {
  const char *name;
  cy_function_id id;
  cy_function_shape shape;
  int min_operands, max_operands;
  cy_value (*unary)(cy_value a);
  cy_value (*binary)(cy_value a, cy_value b);
  cy_value (*reduce)(cy_value a, const int *axes, int n, bool keep);
  const char *summary;
} cy_function;
const cy_function *cy_function_find(const char *name, size_t length);

typedef enum cy_expression_kind {
  CY_EXPRESSION_NUMBER,    /* 0.5 */
  CY_EXPRESSION_SYMBOL,    /* x: id */
  CY_EXPRESSION_STATEMENT, /* a value defined before: id */
  CY_EXPRESSION_DIMENSION, /* the dimension's extent as a number: id */
  CY_EXPRESSION_NEGATE,
  CY_EXPRESSION_ADD,       /* these five element by element, broadcast as in NumPy */
  CY_EXPRESSION_SUBTRACT,
  CY_EXPRESSION_MULTIPLY,
  CY_EXPRESSION_DIVIDE,
  CY_EXPRESSION_POWER,
  CY_EXPRESSION_PRODUCT,   /* of matrices, vectors and rows: both operands have rank 1 or 2 */
  CY_EXPRESSION_TRANSPOSE,
  CY_EXPRESSION_ELEMENT,   /* operand[0] at the subscripts operand[1], operand[2] (or NULL), counted from 0. A
                            * subscript is a NUMBER or an index SYMBOL. Of a vector: a number. Of a matrix with one
                            * subscript: that row, or with indices (n) one element of each row; with two: a number */
  CY_EXPRESSION_CALL,      /* function of the operands */
} cy_expression_kind;

enum { CY_MAX_OPERANDS = 3 };

typedef struct cy_expression cy_expression;
struct cy_expression {
  cy_expression_kind kind;
  cy_dims dims;
  double number;               /* NUMBER */
  int id;                      /* SYMBOL, STATEMENT, DIMENSION */
  const cy_function *function; /* CALL */
  int axis;                    /* CALL of a REDUCED function: 0, 1; -1: all elements */
  bool dotted;                 /* MULTIPLY, DIVIDE, POWER: written .*, ./, .^ */
  const cy_expression *operand[CY_MAX_OPERANDS];
  int n;                       /* operands */
  int order;                   /* counts the nodes of a formula from 0: operands come before */
  int depth;                   /* of the tree: at most CY_FORMULA_MAX_DEPTH */
  size_t at, start, end;       /* bytes of the text: the operator; the whole expression */
};

typedef struct cy_formula_name {
  const char *name;     /* "x", "h[1]" */
  const char *family;   /* "h" of h[1]; NULL: no step of a family */
  int64_t step;
  cy_dims dims;
  const cy_expression *expression; /* of a statement; NULL: a symbol */
} cy_formula_name;

typedef struct cy_formula_extent {
  const char *name;
  int64_t extent; /* what it is taken for */
  int64_t least;  /* a subscript says that there are as many */
  bool given;     /* by the caller */
} cy_formula_extent;

/* One more name; the list grows. */
typedef struct cy_formula_names {
  cy_formula_name *items;
  size_t n, capacity;
} cy_formula_names;

struct cy_formula {
  cy_arena *arena;
  cy_source source; /* text and name; no tokens */
  cy_formula_names symbols, statements;
  cy_formula_extent *dimensions;
  size_t n_dimensions, dimension_capacity;
  size_t nodes;
  bool as_written; /* built without looking behind names: log(s) of a named softmax stays one (derivations) */
};

enum {
  CY_FORMULA_MAX_DEPTH = 2000,
  CY_FORMULA_MAX_NODES = 1 << 18,
  CY_FORMULA_MAX_NAMES = 4096, /* of statements, of symbols */
  CY_FORMULA_MAX_DIMENSIONS = 64,
};
extern const int64_t cy_formula_max_extent; /* of a dimension */

/* What an expression stands for: a reference to a statement is followed to its expression. */
const cy_expression *cy_expression_behind(const cy_formula *formula, const cy_expression *expression);
/* A call of this function, behind references. */
bool cy_expression_calls(const cy_formula *formula, const cy_expression *expression, cy_function_id id);

/* ---- dimensions.c ---- */

bool cy_dim_equal(cy_dim a, cy_dim b);
static inline cy_dim cy_dim_number(int64_t number) { return (cy_dim){-1, number}; }
bool cy_dims_equal(cy_dims a, cy_dims b);
int64_t cy_dim_extent(const cy_formula *formula, cy_dim dim);
cy_shape cy_dims_shape(const cy_formula *formula, cy_dims dims); /* as a graph keeps it */
/* "a number", "(d)", "(1, d)", "(h, d)", "an index". Returns buffer. */
enum { CY_DIMS_TEXT = 160 };
const char *cy_dims_text(const cy_formula *formula, cy_dims dims, char buffer[CY_DIMS_TEXT]);
const char *cy_dim_text(const cy_formula *formula, cy_dim dim, char buffer[CY_DIMS_TEXT]);

/* The expression's text, cut where long. Returns buffer. */
enum { CY_EXPRESSION_TEXT = 64 };
const char *cy_expression_text(const cy_formula *formula, const cy_expression *expression,
                               char buffer[CY_EXPRESSION_TEXT]);

#endif
