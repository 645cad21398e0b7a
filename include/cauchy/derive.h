/* Derivations: the gradients of a formula as mathematics, written as a textbook does.
 *
 *   cy_formula *f;
 *   CY_TRY(cy_formula_parse("L = -log(softmax(W2*relu(W1*x + b1) + b2))[y]", "formula",
 *                           "x:d, W1:(h,d), b1:h, W2:(m,h), b2:m, y:index", &f));
 *   CY_TRY(cy_derive(f, (cy_derive_options){0}, &derivation));
 *   CY_TRY(cy_derivation_write(derivation, CY_DERIVE_TEXT, false, &text));
 *
 *     do  = s - onehot(y)      (m)
 *     dW2 = do h'              (m x h)
 *     ...
 *
 * Nothing is differentiated here: every line is a reading of a graph that cy_vjp or cy_jvp made. d<name> is the gradient
 * of the result by that value; where the result is not a scalar, its own gradient is given. R<name> is the derivative of
 * a value in a direction (Pearlmutter's R-operator). */
#ifndef CAUCHY_DERIVE_H
#define CAUCHY_DERIVE_H

#include <cauchy/formula.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cy_derivation cy_derivation;

typedef struct cy_derive_options {
  bool only_names;         /* name nothing that the formula leaves nameless */
  /* A mini-batch: the examples' dimension ("n") and the symbols that differ between them ("x, y"). The result becomes
   * the mean over the examples. NULL: a single example. */
  const char *batch, *batched;
  /* The R-operator: which symbols move and in which directions, "x=v, W1=V"; "all": every symbol, directions v<name>.
   * NULL: none. */
  const char *tangents;
  bool hessian;            /* with tangents: also R of the gradients, the product with the Hessian */
  const char *sums_to_one; /* symbols that are distributions: "t" */
} cy_derive_options;

/* Fails on names that are not there, and on expressions too large to be written. The formula may be freed afterwards.
 * */
CY_API CY_MUST_CHECK cy_status cy_derive(const cy_formula *formula, cy_derive_options options,
                                         cy_derivation **derivation);
CY_API void cy_derivation_free(cy_derivation *derivation);

/* The same of any graph: the result as a function of variables and inputs, whose names it takes. values: more names, of
 * intermediate values, in any order (may be NULL). dimensions: names of extents. The graph must outlive the derivation
 * and receives the derivatives. */
typedef struct cy_named_value {
  const char *name;
  cy_value value;
} cy_named_value;
typedef struct cy_named_extent {
  const char *name;
  int64_t extent;
} cy_named_extent;
CY_API CY_MUST_CHECK cy_status cy_derive_graph(cy_named_value result, const cy_named_value *symbols, int n_symbols,
                                               const cy_named_value *values, int n_values,
                                               const cy_named_extent *dimensions, int n_dimensions,
                                               cy_derive_options options, cy_derivation **derivation);

typedef enum cy_derive_format {
  CY_DERIVE_TEXT,
  CY_DERIVE_LATEX, /* the document's body: align environments */
  CY_DERIVE_LATEX_DOCUMENT,
  CY_DERIVE_NUMPY, /* a program: python3 program.py [inputs.npz [results.npz]] */
  CY_DERIVE_HTML,  /* MathML, self-contained */
} cy_derive_format;
/* elements: index form, dW_ij = do_i h_j. Free with cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_derivation_write(const cy_derivation *derivation, cy_derive_format format,
                                                   bool elements, char **text);

#ifdef __cplusplus
}
#endif
#endif
