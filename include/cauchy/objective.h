/* Objectives: a scalar function of n numbers with its exact first and second derivatives, as methods of optimisation and
 * of spectral analysis see it. The numbers are one flat vector of doubles, whatever the graph behind them holds.
 *
 *   cy_objective *f;
 *   CY_TRY(cy_objective_create((cy_objective_graph){.loss = loss, .variables = &x, .n = 1}, &f));
 *   CY_TRY(cy_objective_gradient(f, at, &value, gradient));
 *   CY_TRY(cy_objective_product(f, CY_HESSIAN, at, v, hv));
 */
#ifndef CAUCHY_OBJECTIVE_H
#define CAUCHY_OBJECTIVE_H

#include <cauchy/program.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cy_objective cy_objective;

/* The matrix of a product. */
typedef enum cy_curvature {
  CY_HESSIAN,          /* by the R-operator: forward over reverse (B. A. Pearlmutter 1994; coursework A3.5-6) */
  CY_GAUSS_NEWTON,     /* J' H_L J, H_L of the loss in the network's output: positive semi-definite where the loss is convex in
                        * it (N. N. Schraudolph 2002). For softmax cross-entropy, logistic and squared losses also the Fisher
                        * information */
  CY_EMPIRICAL_FISHER, /* mean over the examples of g g', g the gradient of one example's loss */
} cy_curvature;

/* What an objective that somebody else computes must answer. x, v, out: n doubles. product may be NULL, or fail with
 * CY_UNSUPPORTED for a curvature that it does not have. */
typedef struct cy_objective_methods {
  cy_status (*value)(void *self, const double *x, double *value);
  cy_status (*gradient)(void *self, const double *x, double *value, double *gradient);
  cy_status (*product)(void *self, cy_curvature matrix, const double *x, const double *v, double *out);
  void (*free)(void *self); /* may be NULL */
} cy_objective_methods;
CY_API CY_MUST_CHECK cy_status cy_objective_of(cy_objective_methods methods, void *self, int64_t n,
                                               cy_objective **objective);

/* From values of one graph, compiled when first needed. */
typedef struct cy_objective_graph {
  cy_value loss;               /* floating-point scalar */
  const cy_value *variables;   /* what x holds, in this order, each row-major; variables or inputs of the graph */
  int n;
  cy_value output;             /* for Gauss-Newton: loss depends on the variables through it alone; empty: none */
  cy_value losses;             /* for the empirical Fisher: one number per example, whose mean is the loss; empty: none */
  cy_program_options options;
} cy_objective_graph;
CY_API CY_MUST_CHECK cy_status cy_objective_create(cy_objective_graph graph, cy_objective **objective);
/* Binds an input (or a variable that is not among x) to a tensor, borrowed until the next bind or the end. */
CY_API CY_MUST_CHECK cy_status cy_objective_bind(cy_objective *objective, const char *name, cy_tensor *tensor);
CY_API void cy_objective_free(cy_objective *objective);

CY_API int64_t cy_objective_size(const cy_objective *objective); /* n */
CY_API bool cy_objective_has(const cy_objective *objective, cy_curvature matrix);
CY_API CY_MUST_CHECK cy_status cy_objective_value(cy_objective *objective, const double *x, double *value);
CY_API CY_MUST_CHECK cy_status cy_objective_gradient(cy_objective *objective, const double *x, double *value,
                                                     double *gradient);
CY_API CY_MUST_CHECK cy_status cy_objective_product(cy_objective *objective, cy_curvature matrix, const double *x,
                                                    const double *v, double *out);

#ifdef __cplusplus
}
#endif
#endif
