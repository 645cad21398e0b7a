/* Objectives: a scalar function of n numbers with its exact first and second derivatives, as methods of optimisation
 * and of spectral analysis see it. The numbers are one flat vector of doubles, whatever the graph behind them holds.
 *
 *   cy_objective *f;
 *   CY_TRY(cy_objective_create((cy_objective_graph){.loss = loss, .variables = &x, .n = 1}, &f));
 *   CY_TRY(cy_objective_gradient(f, at, &value, gradient));
 *   CY_TRY(cy_objective_product(f, CY_HESSIAN, at, v, hv));
 *
 * Numbers that are not finite (the logarithm of a negative number) are results like others, CY_OK: a line search
 * steps back from them. An objective is used by one thread at a time. */
#ifndef CAUCHY_OBJECTIVE_H
#define CAUCHY_OBJECTIVE_H

#include <cauchy/program.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cy_objective cy_objective;

/* The matrix of a product. */
typedef enum cy_curvature {
  CY_HESSIAN,          /* by the R-operator: forward over reverse, or reverse over forward (B. A. Pearlmutter 1994;
                        * coursework A3.5-6) */
  CY_GAUSS_NEWTON,     /* J' H_L J, H_L of the loss in the network's output: positive semi-definite where the loss is
                        * convex in it (N. N. Schraudolph 2002). For softmax cross-entropy, logistic and squared losses
                        * also the Fisher information. What the loss has of the variables directly (penalties) counts
                        * with its own Hessian */
  CY_EMPIRICAL_FISHER, /* mean over the examples of g g', g the gradient of one example's loss */
} cy_curvature;
enum { CY_CURVATURES = CY_EMPIRICAL_FISHER + 1 };
/* "hessian", "gauss-newton", "fisher"; NULL beyond the last. */
CY_API const char *cy_curvature_name(cy_curvature matrix);

/* What one evaluation costs. */
typedef enum cy_objective_pass {
  CY_PASS_VALUE,
  CY_PASS_GRADIENT, /* with the value */
  CY_PASS_HESSIAN,  /* products with the matrix of this name */
  CY_PASS_GAUSS_NEWTON,
  CY_PASS_EMPIRICAL_FISHER,
  CY_PASS_SQUARES, /* cy_objective_squares */
} cy_objective_pass;
typedef struct cy_objective_cost {
  double flops;              /* arithmetic operations, at an x that is new */
  size_t arena_bytes;        /* for values, besides x and the result */
  bool reverse_over_forward; /* CY_PASS_HESSIAN: the gradient of the tangent, which was cheaper */
} cy_objective_cost;

/* What an objective that somebody else computes must answer. x, v, out: n doubles. product may be NULL, or fail with
 * CY_UNSUPPORTED for a curvature that it does not have. */
typedef struct cy_objective_methods {
  cy_status (*value)(void *self, const double *x, double *value);
  cy_status (*gradient)(void *self, const double *x, double *value, double *gradient);
  cy_status (*product)(void *self, cy_curvature matrix, const double *x, const double *v, double *out);
  void (*free)(void *self); /* may be NULL; not called if cy_objective_of fails */
  /* Any of these may be NULL. */
  bool (*has)(const void *self, cy_curvature matrix); /* NULL: what product has is known by calling it */
  cy_status (*start)(void *self, double *x);          /* where it stands */
  cy_status (*cost)(void *self, cy_objective_pass pass, cy_objective_cost *cost);
  cy_status (*squares)(void *self, const double *x, uint64_t seed, double *out);
} cy_objective_methods;
CY_API CY_MUST_CHECK cy_status cy_objective_of(cy_objective_methods methods, void *self, int64_t n,
                                               cy_objective **objective);

/* From values of one graph, of which the part that they need is copied: the graph may be freed. Compiled when first
 * needed. */
typedef struct cy_objective_graph {
  cy_value loss;               /* floating-point scalar */
  const cy_value *variables;   /* what x holds, in this order, each row-major; variables or inputs, f32 or f64 */
  int n;
  cy_value output;             /* for Gauss-Newton: the network's output, from which loss is computed; empty: none */
  cy_value losses;             /* for the empirical Fisher: one per example, whose mean is the loss; empty: none */
  bool still;                  /* bound tensors keep their content between binds: products at one x compute only what
                                * depends on the direction, after the first: three quarters of the work, for up to
                                * 2.5 gradients' memory */
  cy_program_options options;  /* frozen is not looked at */
} cy_objective_graph;
/* Errors: CY_INVALID for a loss that is no scalar, a variable that is none or is there twice. */
CY_API CY_MUST_CHECK cy_status cy_objective_create(cy_objective_graph graph, cy_objective **objective);
/* Binds an input (or a variable that is not among x) to a tensor, borrowed until the next bind or the end. Only of
 * objectives of graphs. */
CY_API CY_MUST_CHECK cy_status cy_objective_bind(cy_objective *objective, const char *name, cy_tensor *tensor);
CY_API void cy_objective_free(cy_objective *objective); /* NULL is allowed */

CY_API int64_t cy_objective_size(const cy_objective *objective); /* n */
/* Whether it has products with the matrix, as far as is known without trying. */
CY_API bool cy_objective_has(const cy_objective *objective, cy_curvature matrix);
/* n doubles each. gradient and out must not overlap x or v. */
CY_API CY_MUST_CHECK cy_status cy_objective_value(cy_objective *objective, const double *x, double *value);
CY_API CY_MUST_CHECK cy_status cy_objective_gradient(cy_objective *objective, const double *x, double *value,
                                                     double *gradient);
/* CY_UNSUPPORTED for a matrix that it does not have. */
CY_API CY_MUST_CHECK cy_status cy_objective_product(cy_objective *objective, cy_curvature matrix, const double *x,
                                                    const double *v, double *out);
/* An estimate of the mean over the examples of g^2, number by number: the diagonal of the empirical Fisher matrix. It is
 * (J's)^2 / N for each batch of N examples with random signs s, by the seed, so that its expectation is exact and no number is
 * negative (as O. Chapelle, D. Erhan 2011 do for the Gauss-Newton matrix). Costs a gradient. CY_UNSUPPORTED without the
 * examples' losses. */
CY_API CY_MUST_CHECK cy_status cy_objective_squares(cy_objective *objective, const double *x, uint64_t seed,
                                                    double *out);
/* The numbers where it stands: the weights of a model. CY_UNSUPPORTED if it stands nowhere. */
CY_API CY_MUST_CHECK cy_status cy_objective_start(cy_objective *objective, double *x);
/* Of one evaluation (of all batches, and their largest arena). Compiles. CY_UNSUPPORTED if it is not known. */
CY_API CY_MUST_CHECK cy_status cy_objective_cost_of(cy_objective *objective, cy_objective_pass pass,
                                                    cy_objective_cost *cost);

#ifdef __cplusplus
}
#endif
#endif
