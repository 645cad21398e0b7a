/* Gradient flow: spectral radii and singular values of matrices whose values are known; the norms of dL/dh_k against
 * products of Diag(f') U' written out (coursework C.II), for every recurrent layer against differences of the loss, and
 * what clipping cuts. */
#include "network_lab.h"

#include <cauchy/flow.h>

/* ---- matrices ---- */

static void radii_of_known_matrices(void **state) {
  (void)state;
  static const struct {
    int n;
    double a[16], radius;
  } rows[] = {{1, {-3}, 3},
              {2, {0, -2, 2, 0}, 2},                                     /* +-2i */
              {2, {1, 1000, 0, 0.5}, 1},                                 /* far from normal */
              {2, {0.5, 1, 0, 0.5}, 0.5},                                /* defective */
              {3, {0, 1, 0, 0, 0, 1, 0, 0, 0}, 0},                       /* nilpotent */
              {3, {0, 0, 6, 1, 0, -11, 0, 1, 6}, 3},                     /* companion of (x-1)(x-2)(x-3) */
              {4, {0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 16, 0, 0, 0}, 2}, /* x^4 = 16: four of one magnitude */
              {2, {1e-160, 0, 0, 3e-160}, 3e-160},
              {2, {0, 0, 0, 0}, 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    double radius = -1, want = rows[i].radius;
    assert_ok(cy_spectral_radius(rows[i].a, rows[i].n, rows[i].n, &radius));
    if (!(fabs(radius - want) <= (i == 3 ? 1e-9 : 1e-12) * fmax(want, 1e-300)))
      fail_msg("matrix %d: radius %.17g instead of %.17g", (int)i, radius, want);
  }
  double bad[4] = {1, (double)NAN, 0, 1}, radius;
  assert_int_equal(cy_spectral_radius(bad, 2, 2, &radius), CY_NOT_FINITE);
  assert_int_equal(cy_singular_values(bad, 2, 2, &radius), CY_NOT_FINITE);
}

/* Q diag(s) with a Q that turns planes; rows of a wider matrix. */
static void singular_values_are_those_put_in(void **state) {
  (void)state;
  enum { N = 12, ROW = 15 };
  double a[N * ROW] = {0}, values[N];
  for (int i = 0; i < N; i++) a[i * ROW + i] = i == 5 ? 0 : pow(10, -(double)i / 2);
  for (int round = 0; round < 3 * N; round++)
    for (int side = 0; side < 2; side++) {
      int p = round % N, q = (round * 5 + 1) % N;
      double c = cos(1 + round), s = sin(1 + round);
      if (p == q) continue;
      for (int k = 0; k < N; k++) {
        double *x = side ? &a[p * ROW + k] : &a[k * ROW + p], *y = side ? &a[q * ROW + k] : &a[k * ROW + q], old = *x;
        *x = c * old - s * *y;
        *y = s * old + c * *y;
      }
    }
  assert_ok(cy_singular_values(a, ROW, N, values));
  for (int i = 0; i < N; i++) {
    double want = i == N - 1 ? 0 : pow(10, -(double)(i < 5 ? i : i + 1) / 2);
    assert_true(fabs(values[i] - want) <= 1e-14);
  }
}

/* ---- C.II ---- */

static cy_model *parse(const char *text) {
  cy_model *model;
  assert_ok(cy_model_parse(text, "test", &model));
  return model;
}

static cy_tensor *some_inputs(cy_shape shape) {
  cy_tensor *x;
  assert_ok(cy_tensor_create(CY_F64, shape, &x));
  fill_random(x, 4, 1);
  return x;
}

/* The states of the layer on x, by the network itself. */
static void run_states(const char *text, const cy_tensor *x, const cy_state *from, double *states) {
  lab l = lab_open(false, CY_F64, cy_tensor_shape(x));
  cy_value y = apply_text(l.net, l.x, text);
  lab_compile(&l, &y, 1, false);
  assert_ok(cy_tensor_copy(x, l.input));
  for (int i = 0; i < cy_state_count(l.state); i++)
    assert_ok(cy_tensor_copy(cy_state_find(from, cy_state_name(l.state, i)), cy_state_tensor(l.state, i)));
  const cy_tensor *out = lab_run(&l, 0);
  for (int64_t i = 0; i < cy_tensor_count(out); i++) states[i] = cy_tensor_at(out, i);
  lab_close(&l);
}

/* A state for the network of the text, with numbers that are far from special. */
static cy_state *some_weights(const char *text, cy_shape x) {
  lab l = lab_open(false, CY_F64, x);
  cy_value y = apply_text(l.net, l.x, text);
  lab_compile(&l, &y, 1, false);
  for (int i = 0; i < cy_state_count(l.state); i++) fill_random(cy_state_tensor(l.state, i), 30 + (uint64_t)i, 0.6);
  cy_state *state = l.state;
  cy_session_free(l.session); /* the state goes on */
  l.session = NULL;
  l.state = NULL;
  lab_close(&l);
  return state;
}

/* |dL/dh_k| is |u' product of Diag(f') U'|, whatever u is: with one unit, so that u is 1 or -1, and in the norm of the
 * last Jacobian by itself. */
static void norms_are_products_of_jacobians(void **state) {
  (void)state;
  enum { T = 9, C = 2 };
  static const char *const texts[] = {"rnn(1, name=a)", "rnn(1, sigmoid, name=a)", "rnn(1, reverse, name=a)"};
  for (int i = 0; i < 3; i++) {
    cy_tensor *x = some_inputs(CY_SHAPE(1, C, T));
    cy_state *weights = some_weights(texts[i], CY_SHAPE(1, C, T));
    cy_model *model = parse(texts[i]);
    cy_flow *flow;
    double h[T], u = cy_tensor_at(cy_state_find(weights, "a.recurrent"), 0), product = 1;
    run_states(texts[i], x, weights, h);
    assert_ok(
        cy_flow_measure(model, (cy_flow_options){.sample = CY_SHAPE(C, T), .weights = weights, .inputs = x}, &flow));
    const cy_flow_layer *layer = &flow->layers[0];
    assert_int_equal(flow->n_layers, 1);
    assert_int_equal(layer->steps, T);
    assert_string_equal(layer->name, "a");
    assert_near("radius", layer->radius[0], fabs(u), 1e-13);
    for (int lag = 0; lag < T; lag++) {
      /* in reverse the last step of time is read first: what it sends on comes to nothing earlier */
      double want = i == 2 ? (lag == T - 1 ? 1 : 0) : fabs(product);
      assert_near(texts[i], layer->gradient[lag], want, 1e-13);
      int t = T - 1 - lag;
      product *= u * (i == 1 ? h[t] * (1 - h[t]) : 1 - h[t] * h[t]);
    }
    for (int k = 0; k < layer->n_jacobians; k++) {
      int t = (int)layer->jacobians[k].step;
      double want = fabs(u) * (i == 1 ? h[t] * (1 - h[t]) : 1 - h[t] * h[t]);
      assert_near("Jacobian", layer->jacobians[k].largest, want, 1e-13);
      assert_near("Jacobian", layer->jacobians[k].radius, want, 1e-12);
    }
    cy_flow_free(flow);
    cy_model_free(model);
    cy_state_free(weights);
    cy_tensor_free(x);
  }
}

/* ---- an orthogonal matrix at rest ---- */

static void radii_make_gradients_vanish_stay_or_explode(void **state) {
  (void)state;
  static const double radii[] = {0.9, 1, 1.1};
  cy_model *model = parse("rnn(16)");
  for (int i = 0; i < 3; i++) {
    cy_flow *flow;
    assert_ok(cy_flow_measure(
        model, (cy_flow_options){.sample = CY_SHAPE(1, 100), .amplitude = -1, .radius = radii[i], .samples = 1},
        &flow));
    for (int lag = 0; lag < 100; lag++)
      if (fabs(flow->layers[0].gradient[lag] / pow(radii[i], lag) - 1) > 1e-10) fail_msg("lag %d of %g", lag, radii[i]);
    assert_near("factor", flow->layers[0].factor, radii[i], 1e-12);
    assert_near("radius", flow->layers[0].radius[0], radii[i], 1e-12);
    assert_near("largest", flow->layers[0].jacobians[3].largest, radii[i], 1e-12);
    assert_near("smallest", flow->layers[0].jacobians[3].smallest, radii[i], 1e-12);
    assert_near("slope", flow->layers[0].slope, 1, 0);
    cy_flow_free(flow);
  }
  cy_model_free(model);
}

/* Far beyond what squares of f64 hold, on both sides. */
static void extremes_stay_numbers(void **state) {
  (void)state;
  cy_model *model = parse("rnn(4)");
  cy_flow *flow;
  for (int i = 0; i < 2; i++) {
    double radius = i ? 0.3 : 3;
    cy_flow_options o = {.sample = CY_SHAPE(1, 500), .amplitude = -1, .radius = radius, .samples = 3};
    assert_ok(cy_flow_measure(model, o, &flow));
    for (int lag = 0; lag < 500; lag += 50)
      assert_near("logarithm", log(flow->layers[0].gradient[lag]), lag * log(radius), 1e-9);
    assert_near("factor", flow->layers[0].factor, radius, 1e-9);
    cy_flow_free(flow);
  }
  cy_tensor *x = some_inputs(CY_SHAPE(2, 3));
  cy_model_free(model);
  model = parse("embedding(3, 2) -> gru(2)");
  cy_tensor_set(x, 4, 7); /* no number of the vocabulary */
  for (int i = 0; i < 4; i++) cy_tensor_set(x, i, 1);
  assert_int_equal(cy_flow_measure(model, (cy_flow_options){.sample = CY_SHAPE(3), .inputs = x}, &flow), CY_NOT_FINITE);
  assert_string_equal(cy_error_message(), "the loss of sequence 2 of 2 is nan");
  cy_tensor_free(x);
  cy_model_free(model);
}

/* ---- all layers, clipping, mistakes ---- */

static void every_layer_and_direction_is_there(void **state) {
  (void)state;
  cy_model *model = parse("embedding(9, 4) -> lstm(3, layers=2, bidirectional) -> gru(2, last) -> dense(5)");
  cy_flow *flow;
  static const char *const names[] = {"lstm1", "lstm1.reverse", "lstm1.layer2", "lstm1.layer2.reverse", "gru1"};
  cy_tensor *labels;
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(6), &labels));
  for (int i = 0; i < 6; i++) cy_tensor_set(labels, i, i % 5);
  cy_tensor *tokens;
  assert_ok(cy_tensor_create(CY_I32, CY_SHAPE(6, 12), &tokens));
  for (int i = 0; i < 72; i++) cy_tensor_set(tokens, i, i * 7 % 9);
  cy_flow_options o = {.sample = CY_SHAPE(12), .inputs = tokens, .labels = labels, .clip = 1e-3};
  assert_ok(cy_flow_measure(model, o, &flow));
  assert_int_equal(flow->n_layers, 5);
  assert_int_equal(flow->sequences, 6);
  for (int i = 0; i < 5; i++) {
    assert_string_equal(flow->layers[i].name, names[i]);
    assert_true((flow->layers[i].memory != NULL) == (i < 4));
    for (int t = 0; t < 12; t++) assert_true(isfinite(flow->layers[i].gradient[t]));
    assert_true(flow->layers[i].gradient[0] > 0 || flow->layers[i].reverse);
  }
  assert_near("clipped", flow->clipped, 1, 1e-12);
  double most = 0;
  for (int i = 0; i < 6; i++) most = fmax(most, flow->norms[i]);
  assert_near("kept", flow->least_kept, 1e-3 / most, 1e-12);
  assert_true(flow->loss > 0);
  cy_flow_free(flow);
  o.clip = 1e6;
  assert_ok(cy_flow_measure(model, o, &flow));
  assert_true(flow->clipped == 0 && flow->least_kept == 1);
  cy_flow_free(flow);
  cy_model_free(model);
  cy_tensor_free(labels);
  cy_tensor_free(tokens);
}

static void refuses(const char *text, cy_flow_options options, const char *message) {
  cy_model *model = parse(text);
  cy_flow *flow;
  assert_int_equal(cy_flow_measure(model, options, &flow), CY_INVALID);
  assert_string_equal(cy_error_message(), message);
  assert_null(flow);
  cy_model_free(model);
}

static void mistakes_are_told(void **state) {
  (void)state;
  cy_tensor *x = some_inputs(CY_SHAPE(2, 3));
  refuses("dense(3)", (cy_flow_options){.sample = CY_SHAPE(4)}, "the network has no recurrent layer (rnn, lstm, gru)");
  refuses("gru(3)", (cy_flow_options){.sample = CY_SHAPE(1, 4), .radius = 1},
          "gru \"gru1\" has 3 recurrent matrices: only those of rnn are scaled to a radius");
  refuses("rnn(3, recurrent_init=zeros)", (cy_flow_options){.sample = CY_SHAPE(1, 4), .radius = 1},
          "rnn \"rnn1\": the recurrent matrix has no eigenvalue but 0, which no factor makes 1");
  refuses("rnn(3)", (cy_flow_options){.sample = CY_SHAPE(1, 4), .inputs = x}, "inputs are 2x3, not several of 1x4");
  refuses("rnn(3)", (cy_flow_options){.sample = CY_SHAPE(4)},
          "rnn \"rnn1\": expects sequences of channels x steps, such as 10x168, but receives 4");
  cy_tensor_free(x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(radii_of_known_matrices),
      cmocka_unit_test(singular_values_are_those_put_in),
      cmocka_unit_test(norms_are_products_of_jacobians),
      cmocka_unit_test(radii_make_gradients_vanish_stay_or_explode),
      cmocka_unit_test(extremes_stay_numbers),
      cmocka_unit_test(every_layer_and_direction_is_there),
      cmocka_unit_test(mistakes_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
