/* Checks, the inside: the report being filled, the place where functions are evaluated, and a scalar function whose
 * derivatives are compared with differences of its values. check.c drives; one file per family of checks. */
#ifndef CY_ANALYZE_CHECK_H
#define CY_ANALYZE_CHECK_H

#include "base/memory.h"
#include "base/random.h"
#include "graph/graph.h"

#include <cauchy/check.h>
#include <cauchy/program.h>

/* ---- check.c: the report ---- */

/* row's strings are copied. The result follows from figure and tolerance if compared > 0 (NaN fails), else it is skipped. */
CY_MUST_CHECK cy_status cy_check_add(cy_check_report *report, cy_check_row row);

/* ---- check_function.c ---- */

/* Where functions are evaluated: inputs by name, and the variables of a state. Borrows everything. */
typedef struct cy_named {
  const char *name;
  cy_tensor *tensor;
} cy_named;
typedef struct cy_point {
  const cy_state *state;
  const cy_named *inputs;
  int n;
} cy_point;
cy_tensor *cy_point_find(const cy_point *point, const char *name); /* NULL if unknown */

/* A compiled program bound to a point. */
typedef struct cy_probe {
  cy_program *program;
  cy_session *session;
} cy_probe;
CY_MUST_CHECK cy_status cy_probe_open(cy_probe *probe, const cy_value *outputs, int n,
                                           const cy_point *point, int threads);
void cy_probe_close(cy_probe *probe);

/* One variable or input that a function is varied by. */
typedef struct cy_varied {
  const char *name;
  cy_tensor *at;                           /* the point's own: moved, and put back */
  cy_tensor *base, *direction, *other;     /* a copy of it; v or a; b */
  bool moves;                              /* differences are taken along its direction */
} cy_varied;

/* What differences are taken of. */
typedef enum cy_watched {
  CY_WATCH_VALUE,    /* the function */
  CY_WATCH_GRADIENT, /* <other directions, gradient> */
} cy_watched;
enum { CY_WATCHED = CY_WATCH_GRADIENT + 1 };

/* A function with its kinks held: check_held.c. */
typedef struct cy_held {
  cy_graph *graph;
  int n;               /* choices: arrays of truth values or places */
  cy_tensor **at_base; /* what the copy has them at */
  cy_probe choices, function;
  double terms;        /* as watched at the base */
  bool usable;         /* there are choices, and at the base it is the function */
} cy_held;

/* A scalar function of some of the tensors of its point. */
typedef struct cy_function {
  cy_graph *graph;   /* not owned; directions are added to it as inputs */
  cy_value value;    /* f64 scalar */
  cy_value terms;    /* f64 scalar: the sum of the magnitudes of the terms of value, which tells its rounding error */
  cy_point point;
  int threads, n;
  cy_varied *varied;
  cy_value *leaves, *gradients;
  cy_probe values, slopes;
  bool has_gradient; /* slopes holds the gradient at the base */
  cy_held *held[CY_WATCHED]; /* made when first needed */
  bool holding;      /* these are run instead */
} cy_function;

/* leaves: inputs and variables of the graph that the point has tensors for. The point's inputs must outlive the function. gradients: those to check; NULL: cy_grad's.
 * On failure nothing is left open. */
CY_MUST_CHECK cy_status cy_function_open(cy_function *function, cy_value value, cy_value terms, const cy_value *leaves,
                                         int n, const cy_value *gradients, const cy_point *point, int threads);
void cy_function_close(cy_function *function);

/* Largest relative error so far; how many were compared, left out at kinks, and compared with kinks held; the most kinks
 * that one of these has between its steps. */
typedef struct cy_comparison {
  double figure;
  int compared, passed_over, held;
  int64_t crossed;
} cy_comparison;

/* The gradient by varied[k] against differences along random directions and single coordinates. */
CY_MUST_CHECK cy_status cy_compare_gradient(cy_function *function, int k, int directions, int coordinates,
                                            double tolerance, cy_rng *rng, cy_comparison *comparison);
/* The gradient at the base, in the outputs of slopes: computed once, until differences of gradients have moved the point. */
CY_MUST_CHECK cy_status cy_take_gradient(cy_function *function);
/* <grad, a> for a random a in all that varies, against the tangent along it. */
CY_MUST_CHECK cy_status cy_compare_tangent(cy_function *function, cy_rng *rng, cy_comparison *comparison);
/* <a, H b> against <H a, b>; and against differences of <a, grad>, within tolerance. */
CY_MUST_CHECK cy_status cy_compare_second(cy_function *function, double tolerance, cy_rng *rng, cy_comparison *symmetry,
                                          cy_comparison *hessian);

/* ---- check_held.c ---- */

/* Of values of the function's graph, at its point, which must be at the base. */
CY_MUST_CHECK cy_status cy_held_open(const cy_function *function, const cy_value *outputs, int n, cy_held **held);
void cy_held_close(cy_held *held);
/* Adds how many choices are others where the point is now. */
CY_MUST_CHECK cy_status cy_held_count_changes(cy_held *held, int64_t *changes);

/* ---- the families ---- */

typedef struct cy_checked {
  const cy_model *model; /* or options->build */
  const cy_check_options *options;
  cy_check_report *report;
  cy_state *state;       /* f64 */
  cy_tensor *x;          /* f64 [batch, sample] */
  int64_t classes;
  cy_rng rng;
} cy_checked;

/* One mode: the network built in f64 on an input "x". */
typedef struct cy_checked_mode {
  bool training;
  cy_graph *graph;
  cy_network *network;
  cy_value x, output;
  char **layer_text; /* per layer: its graph, to see whether the modes differ */
  char *text;        /* of the whole */
} cy_checked_mode;

/* Applies the model, or what the caller builds. */
cy_value cy_checked_apply(const cy_checked *checked, cy_network *network, cy_value x);
cy_shape cy_checked_batch(const cy_checked *checked); /* of x */

/* check_effort.c: sets directions and coordinates that are 0. If there is too much to do and own_batch, sets a smaller
 * batch instead, and is asked again. Refuses what would take too long or more memory than there is. */
CY_MUST_CHECK cy_status cy_check_choose_effort(const cy_checked *checked, const cy_checked_mode *mode, bool own_batch,
                                               cy_check_options *options, cy_check_effort *effort);
CY_MUST_CHECK cy_status cy_check_layers(cy_checked *checked, cy_checked_mode *mode, const cy_checked_mode *other);
/* Of batch normalisation in training; function is <cotangent, layer(input, parameters)>, by input first. */
CY_MUST_CHECK cy_status cy_check_closed_form(cy_checked *checked, const char *layer, cy_function *function,
                                             const cy_tensor *input, const cy_tensor *cotangent);
CY_MUST_CHECK cy_status cy_check_loss(cy_checked *checked, cy_checked_mode *mode);
CY_MUST_CHECK cy_status cy_check_equivariance(cy_checked *checked);
CY_MUST_CHECK cy_status cy_check_outputs(cy_checked *checked, const cy_checked_mode *mode);

/* ---- numbers ---- */
void cy_fill_normal(cy_rng *rng, cy_tensor *tensor, double deviation);
double cy_root_mean_square(const cy_tensor *tensor);
/* |a - b| / max(|a|, |b|, floor); 0 if both are the same; infinite if one is not finite. */
double cy_relative_error(double a, double b, double floor);

#endif
