/* Gradient flow, the inside: a network of one sequence whose states can be moved, compiled once. */
#ifndef CY_ANALYZE_FLOW_H
#define CY_ANALYZE_FLOW_H

#include "nn/taps.h"

#include <cauchy/flow.h>

typedef struct cy_flow_run {
  const cy_flow_options *options;
  cy_graph *graph;
  cy_network *network;
  cy_program *program;
  cy_session *session;
  cy_state *state;
  cy_tensor *x, *label, **zeros; /* zeros: for each push */
  int n_zeros;
  int64_t sequences;
  cy_value *outputs; /* loss, square of the gradient's norm, then per tap: gradients by the pushes, states, x */
  int n_outputs;
  int *first;        /* per tap: its place among the outputs */
} cy_flow_run;

/* flow_jacobian.c: Jacobians of steps of this tap, from what the session has just computed. */
CY_MUST_CHECK cy_status cy_flow_jacobians(const cy_flow_run *run, const cy_tap *tap, int first, cy_flow_layer *layer);

#endif
