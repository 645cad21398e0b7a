/* A network, its state and what it computes, for tests of layers: derivatives against central differences, models from
 * words. The tests run on each backend. */
#ifndef CY_TESTS_NETWORK_LAB_H
#define CY_TESTS_NETWORK_LAB_H

#include "expect.h"

#include "base/random.h"

#include <cauchy/autodiff.h>
#include <cauchy/nn.h>
#include <cauchy/ops.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_ok(call) OK(call)

static inline void assert_near(const char *what, double got, double want, double tolerance) {
  if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want)))) fail_msg("%s: %.17g instead of %.17g", what, got, want);
}

/* ---- a network, its state and what it computes ---- */

enum { MAX_OUTPUTS = 12 };

static const char *backend; /* the tests run on each */

typedef struct lab {
  cy_graph *graph;
  cy_network *net;
  cy_value x;
  cy_tensor *input, *labels;
  cy_state *state;
  cy_program *program;
  cy_session *session;
} lab;

static inline lab lab_open(bool training, cy_dtype dtype, cy_shape shape) {
  lab l = {0};
  assert_ok(cy_graph_create(&l.graph));
  assert_ok(cy_network_create(l.graph, (cy_network_options){.training = training, .dtype = dtype}, &l.net));
  l.x = cy_input(l.graph, "x", dtype, shape);
  assert_ok(cy_tensor_create(dtype, shape, &l.input));
  return l;
}

static inline void lab_compile(lab *l, const cy_value *outputs, int n, bool with_updates) {
  int n_updates = 0;
  const cy_update *updates = cy_network_updates(l->net, &n_updates);
  assert_ok(cy_graph_status(l->graph));
  assert_ok(cy_graph_verify(l->graph));
  assert_ok(cy_compile(outputs, n, updates, with_updates ? n_updates : 0,
                       (cy_program_options){.backend = backend}, &l->program));
  if (!l->state) {
    assert_ok(cy_state_create(&l->state));
    assert_ok(cy_network_declare(l->net, l->state));
    assert_ok(cy_state_allocate(l->state));
    assert_ok(cy_network_initialize(l->net, l->state, 7));
  }
  assert_ok(cy_session_create(l->program, &l->session));
  assert_ok(cy_session_bind_state(l->session, l->state));
  assert_ok(cy_session_bind(l->session, "x", l->input));
  if (l->labels) assert_ok(cy_session_bind(l->session, "labels", l->labels));
}

static inline const cy_tensor *lab_run(lab *l, int output) {
  assert_ok(cy_session_run(l->session));
  return cy_session_output(l->session, output);
}

static inline void lab_close(lab *l) {
  cy_session_free(l->session);
  cy_program_free(l->program);
  cy_state_free(l->state);
  cy_tensor_free(l->input);
  cy_tensor_free(l->labels);
  cy_network_free(l->net);
  cy_graph_free(l->graph);
}

static inline cy_value apply_text(cy_network *net, cy_value x, const char *text) {
  cy_model *model;
  assert_ok(cy_model_parse(text, "test", &model));
  cy_value y = cy_model_apply(model, net, x);
  cy_model_free(model);
  return y;
}

static inline void fill_random(cy_tensor *tensor, uint64_t stream, double scale) {
  cy_rng rng = cy_rng_make(11, stream);
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++) cy_tensor_set(tensor, i, scale * cy_rng_normal(&rng));
}

/* d output 0 / d tensor, which is the value of output k: every element against a central difference. */
static inline void check_differences(lab *l, const char *what, cy_tensor *tensor, int k, double tolerance) {
  const double h = 1e-5;
  int64_t n = cy_tensor_count(tensor);
  double *gradient = malloc((size_t)n * sizeof *gradient);
  assert_non_null(gradient);
  const cy_tensor *g = lab_run(l, k);
  assert_true(cy_shape_equal(cy_tensor_shape(g), cy_tensor_shape(tensor)));
  for (int64_t i = 0; i < n; i++) gradient[i] = cy_tensor_at(g, i);
  for (int64_t i = 0; i < n; i++) {
    double old = cy_tensor_at(tensor, i);
    cy_tensor_set(tensor, i, old + h);
    double above = cy_tensor_at(lab_run(l, 0), 0);
    cy_tensor_set(tensor, i, old - h);
    double below = cy_tensor_at(lab_run(l, 0), 0);
    cy_tensor_set(tensor, i, old);
    assert_near(what, gradient[i], (above - below) / (2 * h), tolerance);
  }
  free(gradient);
}

/* A scalar that depends on every element of y differently: sum of y cos(1 + i). */
static inline cy_value mix(cy_value y) {
  int64_t n;
  assert_ok(cy_shape_count(cy_value_shape(y), &n));
  cy_value flat = cy_reshape(y, CY_SHAPE(n));
  cy_value weights = cy_cos(cy_add_scalar(cy_iota(y.graph, cy_value_dtype(y), CY_SHAPE(n), 0), 1));
  return cy_sum(cy_mul(flat, weights), NULL, 0, false);
}

/* Every derivative of a layer in f64, for input and parameters away from special values. */
static inline void check_layer(const char *text, bool training, cy_shape shape) {
  lab l = lab_open(training, CY_F64, shape);
  cy_value wanted[MAX_OUTPUTS], outputs[MAX_OUTPUTS + 1];
  int n = 0;
  wanted[0] = l.x;
  outputs[0] = cy_add(mix(apply_text(l.net, l.x, text)), cy_network_penalty(l.net));
  assert_ok(cy_graph_status(l.graph));
  const cy_value *parameters = cy_network_parameters(l.net, &n);
  assert_true(n + 1 <= MAX_OUTPUTS);
  for (int i = 0; i < n; i++) wanted[i + 1] = parameters[i];
  assert_ok(cy_grad(outputs[0], wanted, n + 1, outputs + 1));
  fill_random(l.input, 1, 1);
  lab_compile(&l, outputs, n + 2, false);
  for (int i = 0; i < cy_state_count(l.state); i++) /* away from zero biases and unit scales */
    if (cy_state_role(l.state, i) == CY_PARAMETER) fill_random(cy_state_tensor(l.state, i), (uint64_t)i + 2, 0.7);
  check_differences(&l, text, l.input, 1, 2e-8);
  for (int i = 0; i < n; i++)
    check_differences(&l, text, cy_state_find(l.state, cy_value_name(wanted[i + 1])), i + 2, 2e-8);
  lab_close(&l);
}

#endif
