/* The inside of minimisation: where a descent stands, and the methods that move it by one step. A method keeps what
 * outlives a step in slots that its driver owns, so that cy_minimize can allocate them and a training can save them as
 * tensors; stopping between two steps and going on gives the same bits as never having stopped. */
#ifndef CY_OPTIM_DESCENT_H
#define CY_OPTIM_DESCENT_H

#include "optim/vector.h"

#include <cauchy/minimize.h>

/* What outlives a step: rows x columns doubles, columns 0 standing for n. */
enum { CY_MAX_DESCENT_SLOTS = 3 };
typedef struct cy_descent_slot {
  const char *name;
  int64_t columns;         /* 0: n */
  bool one_row_per_pair;   /* rows: options.memory, instead of 1 */
} cy_descent_slot;

typedef enum cy_step_end {
  CY_STEP_TAKEN,    /* x, value and gradient are those of the new point; step may be 0 if only the damping changed */
  CY_STEP_STALLED,  /* no step lowers the value in floating-point numbers; nothing changed */
  CY_STEP_DIVERGED, /* the new point, or what would lead there, is not finite */
} cy_step_end;

typedef struct cy_descent cy_descent;

typedef struct cy_descent_method {
  const char *name, *summary;
  double rate, damping;      /* usual values of the options */
  int n_slots;
  cy_descent_slot slots[CY_MAX_DESCENT_SLOTS];
  cy_status (*check)(const cy_descent *descent); /* may be NULL: whether the objective suits the method */
  /* Numbers that a step needs for itself: n * vectors + n * n * matrices + what more says (may be NULL). */
  int vectors, matrices;
  int64_t (*more)(const cy_descent *descent);
  cy_status (*step)(cy_descent *descent, cy_step_end *end);
} cy_descent_method;

struct cy_descent {
  const cy_descent_method *method;
  cy_objective *objective;
  cy_minimize_options options; /* resolved */
  int64_t n;
  double noise;   /* relative error of a value, below which differences mean nothing */
  bool single;    /* points are rounded to single precision, in which the objective computes */
  double *x, *gradient, value; /* the point; memory and first evaluation are the driver's */
  double *slots[CY_MAX_DESCENT_SLOTS];
  double *next_x, *next_gradient, next_value; /* the last point tried */
  double *scratch;
  int64_t evaluations, products; /* so far */
  /* Of the last step: */
  double step, rate, damping;
  char note[200];
};

/* ---- descent.c ---- */

const cy_descent_method *cy_descent_find(const char *name); /* NULL: lbfgs; NULL if unknown */
/* Checks options and replaces 0 by what is used. */
CY_MUST_CHECK cy_status cy_descent_resolve(cy_minimize_options options, cy_minimize_options *resolved);
/* Method and scratch memory for objective; x, gradient and the slots (all zero at first) are the caller's to add.
 * options are resolved. */
CY_MUST_CHECK cy_status cy_descent_create(cy_objective *objective, cy_minimize_options options, cy_descent **descent);
void cy_descent_free(cy_descent *descent);
/* Rows and columns of slot number i, for n numbers; false beyond the last. */
bool cy_descent_slot_shape(const cy_descent_method *method, const cy_minimize_options *options, int64_t n, int i,
                           int64_t *rows, int64_t *columns);
/* One step from x, whose value and gradient are there. After an error x and everything that belongs to it, the slots of
 * newton, newton-cg and lbfgs included, are as they were: the step can be tried again. */
CY_MUST_CHECK cy_status cy_descent_step(cy_descent *descent, cy_step_end *end);

/* What methods are made of. next = x + rate * direction, as the objective can represent it. */
void cy_descent_move(cy_descent *descent, double rate, const double *direction);
CY_MUST_CHECK cy_status cy_descent_value(cy_descent *descent);    /* at next_x, into next_value */
CY_MUST_CHECK cy_status cy_descent_gradient(cy_descent *descent); /* at next_x, value and gradient */
CY_MUST_CHECK cy_status cy_descent_product(cy_descent *descent, cy_curvature matrix, const double *v, double *out);
bool cy_descent_next_is_finite(const cy_descent *descent); /* value and every derivative */
void cy_descent_accept(cy_descent *descent, double rate); /* next becomes x */
void cy_descent_note(cy_descent *descent, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- line_search.c ---- */

/* Both look along x + rate * direction, slope = gradient' direction < 0, and end with value and gradient at next_x.
 * found false: no rate lowers the value. */

/* Strong Wolfe conditions (J. Nocedal, S. Wright, Numerical Optimization, 2nd edition, algorithms 3.5 and 3.6). */
CY_MUST_CHECK cy_status cy_search_wolfe(cy_descent *descent, const double *direction, double first, double *rate,
                                        bool *found);
/* Sufficient decrease by halving or interpolation (algorithm 3.1), for directions that know their own length. */
CY_MUST_CHECK cy_status cy_search_backwards(cy_descent *descent, const double *direction, double first, double *rate,
                                            bool *found);

/* ---- cholesky.c ---- */

/* a = l l', row-major [n, n], in the lower triangle; the strict upper one is neither read nor written. False: a is not
 * positive definite beyond rounding, and is left half done. */
bool cy_cholesky(int64_t n, double *a);
void cy_cholesky_solve(int64_t n, const double *l, double *b); /* l l' x = b, in place */

/* ---- cg.c ---- */

typedef enum cy_cg_end {
  CY_CG_PROGRESS,  /* the relative-progress rule (or the residual vanished) */
  CY_CG_LIMIT,
  CY_CG_NEGATIVE,  /* a direction of negative curvature was met */
  CY_CG_NOT_FINITE,
} cy_cg_end;

/* Points on the way are kept at growing distances, for backtracking. */
enum { CY_CG_KEPT = 48 };
typedef struct cy_cg {
  int64_t n, limit;
  cy_status (*product)(void *self, const double *v, double *out); /* the damped curvature */
  void *self;
  const double *gradient; /* minimises gradient' p + p' A p / 2 */
  const double *scale;    /* preconditioner: the inverse of a positive diagonal matrix like A; NULL: none */
  double *p;              /* start and result */
  double *residual, *direction, *image; /* scratch, n each */
  double *models;         /* scratch, limit + 1 */
  double *kept;           /* [kept_limit, n]; NULL: none are kept */
  int64_t kept_limit;
  /* Results: */
  int64_t iterations, n_kept; /* the last kept is the result */
  double model;               /* value of the quadratic at p */
  double kept_model[CY_CG_KEPT];
  double curvature;           /* CY_CG_NEGATIVE: d' A d / d' d of the direction */
  cy_cg_end end;
} cy_cg;
/* J. Martens, Deep learning via Hessian-free optimization (2010), sections 4.4 and 4.6. */
CY_MUST_CHECK cy_status cy_conjugate_gradients(cy_cg *cg);

/* ---- the methods ---- */

extern const cy_descent_method cy_descent_gd, cy_descent_momentum, cy_descent_nesterov, cy_descent_adam,
    cy_descent_newton, cy_descent_newton_cg, cy_descent_lbfgs;

#endif
