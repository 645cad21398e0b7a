/* Loops over time. A scan runs one step, described once as a graph of its own (the body), at each of T places along a
 * leading time axis:
 *
 *   carry[0..n), outputs[t] = step(constants, carry, inputs[t])      for t = 0 .. T-1, or T-1 .. 0
 *
 * The graph does not grow with T. A scan is differentiated like any operation, to any order: its tangent is a scan that
 * is linear in the tangents, and the transpose of that runs the other way. What does not depend on the carry is computed
 * for all t at once in front of the loop (input projections), so sums over time behind it (weight gradients) are single
 * contractions. */
#ifndef CAUCHY_SCAN_H
#define CAUCHY_SCAN_H

#include <cauchy/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a step sees: values of the body's graph, of the types that were given to cy_scan, inputs without their time axis. */
typedef struct cy_scan_step {
  cy_graph *graph; /* the body's: values of other graphs cannot be used in it, pass them as constants */
  const cy_value *constants, *carry, *inputs;
} cy_scan_step;

/* Fills next[n_carry], each of its carry's type, and outputs[n_outputs]. Called once. Mistakes become errors of the step's
 * graph, and through it of the graph that is being built. */
typedef void (*cy_scan_body)(const cy_scan_step *step, void *context, cy_value *next, cy_value *outputs);

typedef struct cy_scan_options {
  int64_t length;    /* T, where there are no inputs; 0: their first extent */
  bool reverse;      /* from t = T-1 down to 0 */
  int64_t recompute; /* every so many steps the carry is kept; what derivatives need in between is computed again. About
                      * sqrt(T) makes memory grow as sqrt(T); 0: everything is kept, memory grows as T */
} cy_scan_options;

/* What goes in and what comes out. Carries, outputs and results are f32 or f64; constants and inputs are of any dtype. */
typedef struct cy_scan_values {
  int n_constants, n_carry, n_inputs, n_outputs;
  const cy_value *constants; /* the same at each step */
  const cy_value *carry;     /* before the first step */
  const cy_value *inputs;    /* [T, ...]: a step sees [...] */
  cy_value *last;            /* n_carry: the carry after the last step. NULL: not wanted */
  cy_value *outputs;         /* n_outputs: [T, ...], output t where input t is, whatever the direction */
} cy_scan_values;

/* Builds the scan. Cost: T times the body's, less what is computed in front. After an error the results are empty values and
 * the graph says why. T = 0 is allowed where there are inputs: last is carry. */
CY_API void cy_scan(cy_graph *graph, cy_scan_body body, void *context, cy_scan_values values, cy_scan_options options);

#ifdef __cplusplus
}
#endif
#endif
