/* A layer, or a chain of layers, as the matrix of a linear map: y = A x + f(0), with x and y flattened row-major in the
 * order [C, H, W], one row per output and one column per input (coursework A4.3, A4.4). A layer is linear if no tangent
 * rule in its graph reads where the derivative is taken: that is known from the operations' rows, nothing is sampled.
 *
 *   cy_operator *op;
 *   cy_tensor *matrix;
 *   CY_TRY(cy_operator_create(x, y, &op));                   values of one graph, x [1, ...], y [1, ...]
 *   cy_status status = cy_operator_matrix(op, state, &matrix); f64 [rows, columns]
 *
 * An operator keeps a copy of the part of the graph that it needs. It is used by one thread at a time. */
#ifndef CAUCHY_OPERATOR_H
#define CAUCHY_OPERATOR_H

#include <cauchy/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cy_operator cy_operator;

/* The map from input to output, which may be any values of one graph: a layer's input and output, say. Both are f32 or f64
 * and hold one example: [1, ...]. Fails with a sentence that names the first layer that is not linear, or what else than
 * input the output is computed from (save variables). */
CY_API CY_MUST_CHECK cy_status cy_operator_create(cy_value input, cy_value output, cy_operator **op);
CY_API void cy_operator_free(cy_operator *op);
CY_API int64_t cy_operator_rows(const cy_operator *op);            /* outputs */
CY_API int64_t cy_operator_columns(const cy_operator *op);         /* inputs */
CY_API cy_shape cy_operator_input_shape(const cy_operator *op);    /* without the batch axis */
CY_API cy_shape cy_operator_output_shape(const cy_operator *op);

/* Variables that only f(0) is computed from: the biases, which the matrix leaves aside. NULL beyond the last. */
CY_API const char *cy_operator_left_aside(const cy_operator *op, int i);

/* ---- numbers: variables are read from the state ---- */

enum { CY_OPERATOR_MOST_ELEMENTS = 1 << 27 }; /* 1 GiB of f64 */
/* A: a new f64 tensor [rows, columns]; the derivative along each input, or transposed along each output, whichever are fewer.
 * Fails beyond CY_OPERATOR_MOST_ELEMENTS. */
CY_API CY_MUST_CHECK cy_status cy_operator_matrix(const cy_operator *op, const cy_state *state, cy_tensor **matrix);
/* f(x), running the layers themselves: x has columns elements, *y is a new f64 tensor of the output's shape. */
CY_API CY_MUST_CHECK cy_status cy_operator_apply(const cy_operator *op, const cy_state *state, const cy_tensor *x,
                                                 cy_tensor **y);
/* Compares A x + f(0) with f(x) for random x, normal numbers by seed. */
typedef struct cy_operator_difference {
  double largest;   /* |A x + f(0) - f(x)| */
  double magnitude; /* largest |f(x)| */
} cy_operator_difference;
CY_API CY_MUST_CHECK cy_status cy_operator_compare(const cy_operator *op, const cy_state *state, const cy_tensor *matrix,
                                                   int samples, uint64_t seed, cy_operator_difference *difference);

/* ---- symbols: each entry as a sum of products of weights ---- */

enum { CY_TERM_FACTORS = 4 };
/* One of the parameters that the matrix depends on. */
typedef struct cy_operator_symbol {
  const char *name;   /* "conv1.weight" */
  const char *letter; /* what it is called in entries: "w", or "a", "b", ... if there are several */
  cy_shape shape;
} cy_operator_symbol;
/* coefficient * product of factors: element index (row-major) of a symbol each. */
typedef struct cy_operator_term {
  int64_t row, column;
  double coefficient;
  int n_factors;
  int symbol[CY_TERM_FACTORS];
  int64_t index[CY_TERM_FACTORS];
} cy_operator_term;
typedef struct cy_operator_terms {
  int64_t rows, columns, count;
  cy_shape input, output;
  int n_symbols;
  const cy_operator_symbol *symbols;
  const cy_operator_term *terms; /* ordered by row, column, factors; entries that are zero have none */
} cy_operator_terms;

/* Parameters (by their role in the state) are symbols; running statistics and the like are numbers. The coefficients are
 * derivatives: d2y / dx dw, and with respect to several weights for chains. Runs the derivative once per weight and input (or
 * output); fails if that is more than 2^20 times or 2^28 numbers, if an entry is not of degree one in each parameter, or has
 * more than CY_TERM_FACTORS factors. */
CY_API CY_MUST_CHECK cy_status cy_operator_terms_create(const cy_operator *op, const cy_state *state,
                                                        cy_operator_terms **terms);
CY_API void cy_operator_terms_free(cy_operator_terms *terms);

/* "w12", "w[0,1]12", "b(3,11)": the name of element index of a tensor; its channel axes (of extent 1 left out) in brackets,
 * then its position. latex: "w_{1,2}", "w_{0,1,1,2}". Returns buffer. */
enum { CY_ELEMENT_NAME = 224 };
CY_API const char *cy_operator_element_name(const char *letter, cy_shape shape, int channel_axes, int64_t index, bool latex,
                                            char buffer[CY_ELEMENT_NAME]);
/* What a symbol's names mean: "wuv is conv1.weight[0,0,u,v]". Free with cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_operator_symbol_text(const cy_operator_symbol *symbol, char **text);
/* The matrix as aligned text with the names of inputs and outputs, or as LaTeX without packages. Free with cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_operator_text(const cy_operator_terms *terms, char **text);
CY_API CY_MUST_CHECK cy_status cy_operator_latex(const cy_operator_terms *terms, char **text);
/* Likewise with numbers, from the operator's matrix. */
CY_API CY_MUST_CHECK cy_status cy_operator_numbers_text(const cy_operator *op, const cy_tensor *matrix, char **text);
CY_API CY_MUST_CHECK cy_status cy_operator_numbers_latex(const cy_operator *op, const cy_tensor *matrix, char **text);

/* ---- pictures (CY_UNSUPPORTED in a build without cairo) ---- */

/* Where the matrix is not zero, and which weight stands there: the legend is the kernel itself. Without terms (NULL) the
 * colours show the numbers of matrix. Larger matrices are shown in blocks. png, svg: either may be NULL. */
CY_API CY_MUST_CHECK cy_status cy_operator_plot(const cy_operator *op, const cy_operator_terms *terms,
                                                const cy_tensor *matrix, const char *title, const char *png,
                                                const char *svg);

/* ---- windows, one by one (coursework B.II, E2.4, E2.5) ---- */

/* The convolutions and poolings between two values, with the numbers that flow through them. */
typedef struct cy_steps cy_steps;
/* x: as many elements as input; the layers between may be of any kind. Fails if there is no operation on windows. */
CY_API CY_MUST_CHECK cy_status cy_steps_create(cy_value input, cy_value output, const cy_state *state, const cy_tensor *x,
                                               cy_steps **steps);
CY_API void cy_steps_free(cy_steps *steps);
CY_API int cy_steps_count(const cy_steps *steps);           /* operations on windows */
CY_API const cy_tensor *cy_steps_result(const cy_steps *steps, int i); /* f64 [1, C, ...]; i = count: the output */

typedef struct cy_steps_options {
  int64_t limit;          /* windows shown of each operation; 0: 32 */
  const int64_t *unit;    /* only this window: its position, one number per spatial axis; NULL: all */
  int n_unit;
  bool no_values;         /* plot: positions and weights only */
} cy_steps_options;
/* For each window the patch, the kernel, the products and their sum; then the result. Free with cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_steps_text(const cy_steps *steps, cy_steps_options options, char **text);
/* The input grid with the taps of one window (unit; NULL: the middle one) of every operation, and the results. */
CY_API CY_MUST_CHECK cy_status cy_steps_plot(const cy_steps *steps, cy_steps_options options, const char *title,
                                             const char *png, const char *svg);

#ifdef __cplusplus
}
#endif
#endif
