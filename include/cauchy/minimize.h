/* Minimisation of an objective: first and second order, every iterate shown to the caller.
 *
 *   CY_TRY(cy_minimize(f, x, (cy_minimize_options){.method = "newton", .on_iterate = show}, &report));
 */
#ifndef CAUCHY_MINIMIZE_H
#define CAUCHY_MINIMIZE_H

#include <cauchy/objective.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One iterate, after iteration `iteration` (0: the start). */
typedef struct cy_iterate {
  int64_t iteration;
  const double *x, *gradient; /* n numbers, borrowed during the call */
  int64_t n;
  double value, gradient_norm;
  double step;                /* length of the step that led here; 0 at the start */
  double rate;                /* step size or learning rate used; of Newton's and L-BFGS: accepted by the line search */
  double damping;             /* Newton's methods: lambda; else 0 */
  int64_t products;           /* curvature products so far */
  const char *note;           /* "" or a sentence: "Hessian indefinite: smallest eigenvalue -1.3; damped by 1.4" */
} cy_iterate;

/* A field of 0 takes the value in brackets. */
typedef struct cy_minimize_options {
  const char *method;      /* gd, momentum, nesterov, adam, newton, newton-cg, lbfgs [lbfgs]; cy_minimize_method */
  double rate;             /* gd, momentum, nesterov [0.1], adam [0.1]; others: first step of the line search [1] */
  double momentum;         /* [0.9] */
  int64_t iterations;      /* at most [1000] */
  double tolerance;        /* stop when the gradient's norm is at most this [1e-8] */
  double damping;          /* newton, newton-cg: initial lambda, added to the curvature [newton 0, newton-cg 1] */
  cy_curvature curvature;  /* newton-cg [CY_HESSIAN] */
  int64_t memory;          /* lbfgs: pairs kept [10] */
  int64_t cg_iterations;   /* newton-cg: at most [250] */
  double preconditioner;   /* newton-cg: exponent a of the preconditioner (squares + lambda)^a, squares those of the examples'
                            * gradients (cy_objective_squares); Martens 2010 takes 0.75 [0: none] */
  bool (*on_iterate)(const cy_iterate *iterate, void *user); /* false: stop here */
  void *user;
} cy_minimize_options;

typedef enum cy_minimize_end {
  CY_MINIMIZE_CONVERGED,   /* gradient norm at most tolerance */
  CY_MINIMIZE_STALLED,     /* no step lowers the value in floating-point numbers */
  CY_MINIMIZE_ITERATIONS,  /* as many as allowed */
  CY_MINIMIZE_DIVERGED,    /* value or gradient no longer finite, or grown beyond all bounds */
  CY_MINIMIZE_STOPPED,     /* by the caller */
} cy_minimize_end;

typedef struct cy_minimize_report {
  cy_minimize_end end;
  int64_t iterations, evaluations, products;
  double value, gradient_norm;
} cy_minimize_report;

/* x: n numbers, the start; at the end the best iterate, also if an error ends it. gd, momentum, nesterov and adam take
 * plain steps of the stated rate; the others search along their direction, and step back from points where the objective
 * is not finite. Equal calls give equal bits. Memory: some vectors of n; lbfgs 2 * memory more, newton-cg some
 * 4 log(cg_iterations), two more with a preconditioner, newton two n x n matrices (n at most 4096), for n products
 * each iteration.
 * CY_INVALID: bad options; CY_UNSUPPORTED: the objective lacks the method's curvature; what it returns is passed on. */
CY_API CY_MUST_CHECK cy_status cy_minimize(cy_objective *objective, double *x, cy_minimize_options options,
                                           cy_minimize_report *report);
/* Names of methods with a sentence each; NULL beyond the last. */
CY_API const char *cy_minimize_method(int i, const char **summary);

#ifdef __cplusplus
}
#endif
#endif
