/* Jacobians of single steps: of the state after a step by the state before it, at the states that a sequence passes
 * through. A step works on each row by itself; so one pass forward, with the same state in every row and another unit
 * direction in each as tangent, gives the whole matrix. */
#include "analyze/flow.h"

#include "base/error.h"
#include "base/memory.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/autodiff.h>
#include <cauchy/program.h>

#include <math.h>
#include <stdio.h>

enum { MOST_JACOBIANS = 21, FEW_JACOBIANS = 3, LARGE = 300 };

/* One step of the cell for D equal rows, D numbers of state. */
typedef struct stepper {
  const cy_tap *tap;
  int n_carry;
  int64_t units, rows;
  cy_graph *graph;
  cy_program *program;
  cy_session *session;
  cy_tensor *x, *carry[CY_CELL_CARRIES];
  double *jacobian; /* [rows, rows]: row r is the derivative along direction r */
} stepper;

/* Rows of the identity that belong to carry k: [rows, H]. */
static cy_value directions(stepper *s, int k) {
  cy_tensor *unit;
  if (cy_tensor_create(CY_F64, CY_SHAPE(s->rows, s->units), &unit) != CY_OK) {
    cy_graph_fail(s->graph, CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  for (int64_t j = 0; j < s->units; j++) cy_tensor_set(unit, (k * s->units + j) * s->units + j, 1);
  cy_value value = cy_constant(s->graph, unit);
  cy_tensor_free(unit);
  return value;
}

static const char *carry_name(int k) { return k == 0 ? "carry0" : "carry1"; }

static cy_status build(stepper *s, const cy_flow_run *run) {
  cy_value weights[CY_CELL_WEIGHTS], carry[CY_CELL_CARRIES], along[CY_CELL_CARRIES], next[CY_CELL_CARRIES],
      tangents[CY_CELL_CARRIES];
  const cy_cell_row *row = &cy_cell_rows[s->tap->cell.kind];
  int64_t channels = cy_value_shape(s->tap->x).dim[2];
  CY_TRY(cy_graph_create(&s->graph));
  cy_value x = cy_input(s->graph, "x", CY_F64, CY_SHAPE(s->rows, channels));
  for (int i = 0; i < row->n_weights; i++)
    weights[i] = cy_variable(s->graph, cy_value_name(s->tap->weights[i]), CY_F64, cy_value_shape(s->tap->weights[i]));
  for (int k = 0; k < s->n_carry; k++) {
    carry[k] = cy_input(s->graph, carry_name(k), CY_F64, CY_SHAPE(s->rows, s->units));
    along[k] = directions(s, k);
  }
  cy_cell_step(&s->tap->cell, weights, x, carry, next);
  CY_TRY(cy_graph_status(s->graph));
  CY_TRY(cy_jvp(next, s->n_carry, carry, along, s->n_carry, tangents));
  CY_TRY(cy_compile(tangents, s->n_carry, NULL, 0, (cy_program_options){.threads = 1}, &s->program));
  CY_TRY(cy_session_create(s->program, &s->session));
  CY_TRY(cy_session_bind_state(s->session, run->state));
  CY_TRY(cy_tensor_create(CY_F64, CY_SHAPE(s->rows, channels), &s->x));
  if (cy_session_bind(s->session, "x", s->x) == CY_NO_MEMORY) return CY_NO_MEMORY;
  for (int k = 0; k < s->n_carry; k++) {
    CY_TRY(cy_tensor_create(CY_F64, CY_SHAPE(s->rows, s->units), &s->carry[k]));
    if (cy_session_bind(s->session, carry_name(k), s->carry[k]) == CY_NO_MEMORY) return CY_NO_MEMORY;
  }
  s->jacobian = cy_calloc((size_t)(s->rows * s->rows), sizeof *s->jacobian);
  return s->jacobian ? CY_OK : cy_no_memory();
}

static void close_stepper(stepper *s) {
  for (int k = 0; k < CY_CELL_CARRIES; k++) cy_tensor_free(s->carry[k]);
  cy_tensor_free(s->x);
  cy_session_free(s->session);
  cy_program_free(s->program);
  cy_graph_free(s->graph);
  cy_free(s->jacobian);
}

/* Row t of from [T, 1, W] in every row of to; zeros where t is no step. */
static void repeat(const cy_tensor *from, int64_t t, cy_tensor *to) {
  int64_t rows = cy_tensor_shape(to).dim[0], width = cy_tensor_shape(to).dim[1];
  bool inside = t >= 0 && t < cy_tensor_shape(from).dim[0];
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < width; j++)
      cy_tensor_set(to, r * width + j, inside ? cy_tensor_at(from, t * width + j) : 0);
}

/* Of the step at time t. first: of the tap's outputs in the run's session. */
static cy_status take(stepper *s, const cy_flow_run *run, int first, int64_t t, double *values, cy_flow_jacobian *j) {
  int64_t before = s->tap->reverse ? t + 1 : t - 1;
  repeat(cy_session_output(run->session, first + 2 * s->n_carry), t, s->x);
  for (int k = 0; k < s->n_carry; k++)
    repeat(cy_session_output(run->session, first + s->n_carry + k), before, s->carry[k]);
  CY_TRY(cy_session_run(s->session));
  for (int64_t r = 0; r < s->rows; r++)
    for (int k = 0; k < s->n_carry; k++)
      for (int64_t c = 0; c < s->units; c++)
        s->jacobian[r * s->rows + k * s->units + c] = cy_tensor_at(cy_session_output(s->session, k), r * s->units + c);
  CY_TRY(cy_singular_values(s->jacobian, s->rows, s->rows, values));
  *j = (cy_flow_jacobian){.step = t, .largest = values[0], .smallest = values[s->rows - 1]};
  return cy_spectral_radius(s->jacobian, s->rows, s->rows, &j->radius);
}

/* The mean of f' over steps and units, from the states that f gave. */
static double mean_slope(const cy_tap *tap, const cy_tensor *states) {
  int64_t n = cy_tensor_count(states);
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    double h = cy_tensor_at(states, i);
    sum += tap->cell.activation == CY_RNN_SIGMOID ? h * (1 - h)
           : tap->cell.activation == CY_RNN_RELU  ? (h > 0 ? 1 : 0)
                                                  : 1 - h * h;
  }
  return sum / (double)n;
}

static cy_status take_all(stepper *s, const cy_flow_run *run, int first, cy_flow_layer *layer) {
  int64_t wanted = s->rows > LARGE ? FEW_JACOBIANS : MOST_JACOBIANS, n = layer->steps < wanted ? layer->steps : wanted;
  double *values = cy_calloc((size_t)s->rows, sizeof *values);
  layer->jacobians = cy_calloc((size_t)n, sizeof *layer->jacobians);
  cy_status status = values && layer->jacobians ? CY_OK : cy_no_memory();
  for (int64_t i = 0; status == CY_OK && i < n; i++) {
    int64_t t = n > 1 ? i * (layer->steps - 1) / (n - 1) : 0;
    status = take(s, run, first, t, values, &layer->jacobians[i]);
    layer->n_jacobians += status == CY_OK;
  }
  cy_free(values);
  return status;
}

cy_status cy_flow_jacobians(const cy_flow_run *run, const cy_tap *tap, int first, cy_flow_layer *layer) {
  int n_carry = cy_cell_rows[tap->cell.kind].n_carry;
  stepper s = {.tap = tap, .n_carry = n_carry, .units = tap->cell.units, .rows = n_carry * tap->cell.units};
  cy_status status = build(&s, run);
  if (status == CY_OK) status = take_all(&s, run, first, layer);
  if (status == CY_OK && tap->cell.kind == CY_CELL_RNN)
    layer->slope = mean_slope(tap, cy_session_output(run->session, first + 1));
  close_stepper(&s);
  return status;
}
