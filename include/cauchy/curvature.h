/* Spectra of curvature matrices, from products with them alone: the matrix of n numbers squared is never there, unless
 * it is asked for. Extreme eigenvalues, spectral density, trace and diagonal, bounds of step sizes, and the finite-
 * difference product beside the exact one.
 *
 *   cy_eigenvalues found;
 *   CY_TRY(cy_extreme_eigenvalues(f, x, (cy_curvature_options){0}, &found));
 *   printf("steps below %g do not diverge\n", 2 / found.largest[0].value);
 *
 * Everything is a function of the seed. A value, gradient or product that is not finite is CY_NOT_FINITE. */
#ifndef CAUCHY_CURVATURE_H
#define CAUCHY_CURVATURE_H

#include <cauchy/objective.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A field of 0 takes the value in brackets. */
typedef struct cy_curvature_options {
  cy_curvature matrix;     /* [CY_HESSIAN] */
  uint64_t seed;           /* of start vectors and probes */
  int count;               /* eigenvalues wanted at each end [1] */
  double tolerance;        /* eigenvalues: residual, as a share of the largest magnitude [1e-6] */
  int64_t steps;           /* Lanczos steps at most: eigenvalues [300], density per probe [80]; never more than n, nor
                            * than `memory` holds vectors for */
  int64_t probes;          /* random vectors: density [10], trace and diagonal [30] */
  size_t memory;           /* bytes, for the Lanczos vectors [1 GiB] */
  /* After each product; total is at most so many. false: CY_CANCELLED. */
  bool (*on_product)(int64_t done, int64_t total, void *user);
  void *user;
} cy_curvature_options;

/* ---- extreme eigenvalues ---- */

typedef struct cy_eigenvalue {
  double value;
  double residual; /* bound of |A y - value y| for a unit vector y: a symmetric A has an eigenvalue within this of
                    * value. Rounding and asymmetry of the products (of f32 computations) are measured and counted */
} cy_eigenvalue;

typedef struct cy_eigenvalues {
  cy_eigenvalue *largest, *smallest; /* n_largest from the largest downwards, n_smallest from the smallest upwards */
  int n_largest, n_smallest;         /* count each, or n if that is less */
  int64_t steps;                     /* products taken */
  bool converged;                    /* all residuals within the tolerance, save for what rounding adds */
  double rounding;                   /* what products deviate from a symmetric matrix by, as far as seen (norm) */
} cy_eigenvalues;

/* Lanczos's method with full reorthogonalisation (C. Lanczos 1950; B. N. Parlett 1980) from a random vector.
 * Eigenvalues of higher multiplicity are found once, unless n steps are allowed and needed. Cost: a product and 4 n
 * j operations in step j; 8 n bytes per step. */
CY_API CY_MUST_CHECK cy_status cy_extreme_eigenvalues(cy_objective *objective, const double *x,
                                                      cy_curvature_options options, cy_eigenvalues *found);
CY_API void cy_eigenvalues_clear(cy_eigenvalues *found);

/* Gradient descent on the quadratic model of a function whose largest curvature is lambda converges for steps below
 * 2 / lambda; 1 / lambda is the step that ends in the minimum along that direction. Infinite without positive
 * curvature. */
typedef struct cy_step_bounds {
  double best, most; /* 1 / lambda, 2 / lambda */
} cy_step_bounds;
CY_API cy_step_bounds cy_step_bounds_of(double largest_eigenvalue);

/* Eigenvalues of the symmetric tridiagonal matrix with this diagonal [n] and off-diagonal [n - 1], ascending into
 * diagonal; off_diagonal (n entries of room) is used up. vectors: NULL, or [n * n], whose row i becomes the unit
 * eigenvector of eigenvalue i. Implicit QL (J. H. Wilkinson 1968). CY_NOT_FINITE if it does not converge, as for
 * infinite entries. */
CY_API CY_MUST_CHECK cy_status cy_tridiagonal_eigenvalues(int64_t n, double *diagonal, double *off_diagonal,
                                                          double *vectors);

/* ---- spectral density ---- */

typedef struct cy_density {
  double *nodes, *weights; /* a quadrature rule of the spectrum: weights >= 0, of sum 1; nodes ascending */
  int64_t n;
  int64_t probes, products;
  double low, high;        /* the outermost nodes */
} cy_density;

/* Stochastic Lanczos quadrature: the rules of random probes, averaged (G. H. Golub, G. Meurant 1994; S. Ubaru, J. Chen,
 * Y. Saad 2017). Exact for a spectrum of at most `steps` different values, up to the probes' chance. */
CY_API CY_MUST_CHECK cy_status cy_spectral_density(cy_objective *objective, const double *x,
                                                   cy_curvature_options options, cy_density *density);
CY_API void cy_density_clear(cy_density *density);
/* The rule smoothed by a normal distribution of the given deviation, at t: per unit of eigenvalue, integral 1. */
CY_API double cy_density_at(const cy_density *density, double t, double deviation);
/* The share of eigenvalues in [low, high], by the rule. */
CY_API double cy_density_share(const cy_density *density, double low, double high);

/* ---- trace and diagonal ---- */

typedef struct cy_estimate {
  double value, error; /* error: standard error of the mean; 0 from a single probe tells nothing, and is NaN */
  int64_t probes;
} cy_estimate;

/* Hutchinson's estimators with signs +-1 (M. F. Hutchinson 1990; diagonal: C. Bekas et al. 2007): the means of v' A
 * v and of v * A v. diagonal and its standard errors: n numbers each, or NULL. Exact for diagonal matrices. */
CY_API CY_MUST_CHECK cy_status cy_trace(cy_objective *objective, const double *x, cy_curvature_options options,
                                        cy_estimate *trace, double *diagonal, double *diagonal_error);

/* ---- the whole matrix ---- */

/* By n products with unit vectors; matrix [n * n] is then made symmetric. asymmetry (may be NULL): the largest
 * |a_ij - a_ji| there was, as a share of the largest |a_ij|. */
CY_API CY_MUST_CHECK cy_status cy_full_curvature(cy_objective *objective, const double *x, cy_curvature_options options,
                                                 double *matrix, double *asymmetry);

/* ---- the finite-difference product, for comparison ---- */

typedef struct cy_difference {
  double r;
  double error; /* |(g(x + r v) - g(x)) / r - H v| / |H v| */
} cy_difference;

/* The product by differences of gradients at each r, against the exact one (coursework A3.3-4): the error falls with r,
 * O(r |v|^2), until round-off, O(epsilon / r), makes it rise again. v: n numbers, or NULL for a random unit vector.
 * rows: [count], r from `from` to `to` in equal ratios; the error is infinite or NaN where the gradient is, which fails
 * only if it is at every r. *best: the row of the least error. */
CY_API CY_MUST_CHECK cy_status cy_difference_products(cy_objective *objective, const double *x, const double *v,
                                                      cy_curvature_options options, double from, double to, int count,
                                                      cy_difference *rows, int *best);

#ifdef __cplusplus
}
#endif
#endif
