/* Mixtures of logistic regressions: the network's output is the formula sum_k pi_k sigmoid(z_k), shares lie on the
 * simplex, values and gradients are finite at the extremes, responsibilities are the gradient's, and mistakes are
 * named. Derivatives against differences are in test_nn.c and test_second_derivatives.c, with those of the other
 * layers. */
#include "network_lab.h"

enum { N = 5, K = 3 };

static double sigmoid(double z) { return 1 / (1 + exp(-z)); }

static void shares_of(const cy_tensor *mixing, double *pi) {
  double sum = 0;
  for (int k = 0; k < K; k++) sum += pi[k] = exp(cy_tensor_at(mixing, k));
  for (int k = 0; k < K; k++) pi[k] /= sum;
}

static void set_mixing(lab *l) {
  static const double start[K] = {0.3, -1.1, 0.8};
  for (int k = 0; k < K; k++) cy_tensor_set(cy_state_find(l->state, "mixture1.mixing"), k, start[k]);
}

static void the_output_is_the_formula(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(N, K));
  cy_value classes = apply_text(l.net, l.x, "mixture"), logit = cy_mixture(l.net, l.x, (cy_mixture_options){
                                                                      .name = "mixture1", .logit = true});
  cy_value outputs[] = {cy_exp(classes), logit, cy_softmax(classes, 1)};
  fill_random(l.input, 3, 2);
  lab_compile(&l, outputs, 3, false);
  set_mixing(&l);
  lab_run(&l, 0);
  double pi[K], whole = 0;
  shares_of(cy_state_find(l.state, "mixture1.mixing"), pi);
  for (int k = 0; k < K; k++) whole += pi[k];
  assert_near("shares", whole, 1, 1e-15);
  for (int i = 0; i < N; i++) {
    double p = 0;
    for (int k = 0; k < K; k++) p += pi[k] * sigmoid(cy_tensor_at(l.input, i * K + k));
    assert_near("p(1)", cy_tensor_at(cy_session_output(l.session, 0), 2 * i + 1), p, 1e-12);
    assert_near("p(0)", cy_tensor_at(cy_session_output(l.session, 0), 2 * i), 1 - p, 1e-12);
    assert_near("logit", cy_tensor_at(cy_session_output(l.session, 1), i), log(p / (1 - p)), 1e-12);
    assert_near("softmax", cy_tensor_at(cy_session_output(l.session, 2), 2 * i + 1), p, 1e-12);
  }
  lab_close(&l);
}

static void one_component_is_logistic_regression(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(N, 1));
  cy_value logit = apply_text(l.net, l.x, "mixture(logit)");
  fill_random(l.input, 4, 3);
  lab_compile(&l, &logit, 1, false);
  lab_run(&l, 0);
  for (int i = 0; i < N; i++)
    assert_near("logit", cy_tensor_at(cy_session_output(l.session, 0), i), cy_tensor_at(l.input, i), 1e-14);
  lab_close(&l);
}

/* Both losses agree; their gradient by log pi_k is pi_k - r_k, r_k the responsibility, and by z_k -r_k (y - sigmoid(z_k)). */
static void gradients_are_responsibilities(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(1, K));
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(1), &l.labels));
  cy_tensor_set(l.labels, 0, 1);
  cy_value y = cy_input(l.graph, "labels", CY_I64, CY_SHAPE(1)), outputs[4];
  cy_value classes = apply_text(l.net, l.x, "mixture");
  cy_value logit = cy_mixture(l.net, l.x, (cy_mixture_options){.name = "mixture1", .logit = true});
  int n;
  cy_value wanted[] = {cy_network_parameters(l.net, &n)[0], l.x};
  assert_int_equal(n, 1);
  outputs[0] = cy_cross_entropy(classes, y, (cy_cross_entropy_options){0});
  outputs[1] = cy_binary_cross_entropy(logit, cy_reshape(cy_convert(y, CY_F64), CY_SHAPE(1, 1)), CY_LOSS_MEAN);
  assert_ok(cy_grad(outputs[0], wanted, 2, outputs + 2));
  fill_random(l.input, 5, 2);
  lab_compile(&l, outputs, 4, false);
  set_mixing(&l);
  double pi[K], joint[K], p = 0;
  shares_of(cy_state_find(l.state, "mixture1.mixing"), pi);
  for (int k = 0; k < K; k++) p += joint[k] = pi[k] * sigmoid(cy_tensor_at(l.input, k));
  lab_run(&l, 0);
  assert_near("cross entropy", cy_tensor_at(cy_session_output(l.session, 0), 0), -log(p), 1e-12);
  assert_near("binary", cy_tensor_at(cy_session_output(l.session, 1), 0), -log(p), 1e-12);
  for (int k = 0; k < K; k++) {
    double r = joint[k] / p;
    assert_near("by mixing", cy_tensor_at(cy_session_output(l.session, 2), k), pi[k] - r, 1e-12);
    assert_near("by z", cy_tensor_at(cy_session_output(l.session, 3), k), -r * (1 - sigmoid(cy_tensor_at(l.input, k))), 1e-12);
  }
  lab_close(&l);
}

static void extremes_stay_finite(void **state) {
  (void)state;
  static const double rows[4][K] = {{1e4, 1e4, 1e4}, {-1e4, -1e4, -1e4}, {1e4, -1e4, 0}, {-800, -900, -1000}};
  for (int dtype = CY_F32; dtype <= CY_F64; dtype++) {
    if (dtype != CY_F32 && dtype != CY_F64) continue;
    lab l = lab_open(false, (cy_dtype)dtype, CY_SHAPE(4, K));
    cy_value outputs[3] = {apply_text(l.net, l.x, "mixture")};
    int n;
    cy_value wanted[] = {cy_network_parameters(l.net, &n)[0], l.x};
    assert_ok(cy_grad(mix(outputs[0]), wanted, 2, outputs + 1));
    for (int i = 0; i < 4 * K; i++) cy_tensor_set(l.input, i, rows[i / K][i % K]);
    lab_compile(&l, outputs, 3, false);
    lab_run(&l, 0);
    for (int k = 0; k < 3; k++)
      for (int64_t i = 0; i < cy_tensor_count(cy_session_output(l.session, k)); i++)
        assert_true(isfinite(cy_tensor_at(cy_session_output(l.session, k), i)));
    /* A third of exp(-800), by its logarithm; a share of components answers 1 whatever happens to the others. */
    assert_near("tiny", cy_tensor_at(cy_session_output(l.session, 0), 7), -800 - log(3), 1e-7);
    assert_near("vote", cy_tensor_at(cy_session_output(l.session, 0), 5), log(0.5), 1e-7);
    lab_close(&l);
  }
}

static void refused(cy_shape shape, const char *text, const char *words) {
  lab l = lab_open(false, CY_F32, shape);
  apply_text(l.net, l.x, text);
  assert_int_equal(cy_graph_status(l.graph), CY_INVALID);
  if (!strstr(cy_error_message(), words)) fail_msg("%s: %s", text, cy_error_message());
  lab_close(&l);
}

static void mistakes_are_named(void **state) {
  (void)state;
  refused(CY_SHAPE(2, 3, 4, 4), "mixture", "mixture \"mixture1\": expects one number per component but receives 3x4x4");
  refused(CY_SHAPE(2), "mixture", "mixture1");
  lab l = lab_open(false, CY_F32, CY_SHAPE(2, 3));
  apply_text(l.net, l.x, "dense(2) -> mixture");
  assert_ok(cy_graph_status(l.graph));
  apply_text(l.net, l.x, "mixture"); /* of the same name, for other components */
  assert_int_equal(cy_graph_status(l.graph), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "expects 2 components but receives 3"));
  lab_close(&l);
  cy_model *model;
  assert_int_equal(cy_model_parse("mixture(probability)", "net", &model), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "classes"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_output_is_the_formula),
      cmocka_unit_test(one_component_is_logistic_regression),
      cmocka_unit_test(gradients_are_responsibilities),
      cmocka_unit_test(extremes_stay_finite),
      cmocka_unit_test(mistakes_are_named),
  };
  static const char *const backends[] = {"reference", "cpu"};
  int failures = 0;
  for (int i = 0; i < 2; i++) {
    backend = backends[i];
    failures += cmocka_run_group_tests_name(backend, tests, NULL, NULL);
  }
  return failures;
}
