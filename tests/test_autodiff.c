/* Derivatives as graphs: orders beyond the second against closed forms, the modes against each other, full Jacobians,
 * and what happens with integers, constants and mistakes. */
#include "harness.h"

static const run_options reference = {.backend = "reference"};

static int vector(feeds *f, int64_t n, double low, double high, uint64_t seed) {
  cy_rng rng = cy_rng_make(seed, 1);
  int i = feeds_add(f, CY_F64, CY_SHAPE(n));
  fill_uniform(f->tensor[i], &rng, low, high);
  return i;
}

/* f(x) = sum sin(e^x):  f''' = -e^3x cos e^x - 3 e^2x sin e^x + e^x cos e^x */
static void third_derivative_matches_the_closed_form(void **state) {
  (void)state;
  feeds f = feeds_begin();
  int x = vector(&f, 20, -1, 1, 4);
  cy_value y = cy_sum(cy_sin(cy_exp(f.value[x])), NULL, 0, false), ones = cy_ones_like(f.value[x]);
  cy_value reverse = y, forward = y;
  for (int order = 0; order < 3; order++) {
    cy_value g;
    assert_ok(cy_grad(reverse, &f.value[x], 1, &g));
    reverse = cy_sum(g, NULL, 0, false);
    assert_ok(cy_jvp(&forward, 1, &f.value[x], &ones, 1, &forward));
    if (order < 2) continue;
    cy_value both[2] = {g, forward};
    cy_tensor *t[2];
    double total = 0;
    run_values(&f, both, 2, reference, t);
    for (int64_t i = 0; i < 20; i++) {
      double e = exp(cy_tensor_at(f.tensor[x], i));
      double exact = -e * e * e * cos(e) - 3 * e * e * sin(e) + e * cos(e);
      total += exact;
      if (fabs(cy_tensor_at(t[0], i) - exact) > 1e-8 * fmax(1, fabs(exact)))
        fail_msg("third derivative %.12g, exactly %.12g", cy_tensor_at(t[0], i), exact);
    }
    assert_true(fabs(cy_tensor_at(t[1], 0) - total) <= 1e-8 * fmax(1, fabs(total)));
    cy_tensor_free(t[0]);
    cy_tensor_free(t[1]);
  }
  feeds_end(&f);
}

/* H v by forward over reverse, reverse over reverse, and reverse over forward: grad of <grad, v> taken as a jvp. */
static void hessian_products_agree_in_all_modes(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_rng rng = cy_rng_make(1, 2);
  int w1 = feeds_add(&f, CY_F64, CY_SHAPE(3, 5)), w2 = feeds_add(&f, CY_F64, CY_SHAPE(5, 4));
  int v1 = feeds_add(&f, CY_F64, CY_SHAPE(3, 5)), v2 = feeds_add(&f, CY_F64, CY_SHAPE(5, 4));
  int x = feeds_add(&f, CY_F64, CY_SHAPE(7, 3)), t = feeds_add(&f, CY_I64, CY_SHAPE(7));
  for (int i = 0; i < 5; i++) fill_uniform(f.tensor[i], &rng, -1, 1);
  fill_uniform(f.tensor[t], &rng, 0, 4);
  cy_value logits = cy_matmul(cy_tanh(cy_matmul(f.value[x], f.value[w1])), f.value[w2]);
  int last = -1;
  cy_value picked = cy_mul(cy_one_hot(f.value[t], 4, CY_F64), cy_log_softmax(logits, -1));
  cy_value loss = cy_neg(cy_mean(cy_sum(picked, &last, 1, false), NULL, 0, false));
  cy_value wrt[2] = {f.value[w1], f.value[w2]}, v[2] = {f.value[v1], f.value[v2]}, all[6], g[2], slope;
  assert_ok(cy_hvp(loss, wrt, v, 2, all));
  assert_ok(cy_grad(loss, wrt, 2, g));
  cy_value along = cy_add(cy_sum(cy_mul(g[0], v[0]), NULL, 0, false), cy_sum(cy_mul(g[1], v[1]), NULL, 0, false));
  assert_ok(cy_grad(along, wrt, 2, all + 2));
  assert_ok(cy_jvp(&loss, 1, wrt, v, 2, &slope));
  assert_ok(cy_grad(slope, wrt, 2, all + 4));
  static const char *const backends[] = {"reference", "cpu"};
  for (int b = 0; b < 2; b++) {
    cy_tensor *out[6];
    run_values(&f, all, 6, (run_options){.backend = backends[b]}, out);
    for (int i = 0; i < 2; i++) {
      assert_true(distance(out[2 + i], out[i]) <= 1e-14);
      assert_true(distance(out[4 + i], out[i]) <= 1e-14);
    }
    for (int i = 0; i < 6; i++) cy_tensor_free(out[i]);
  }
  feeds_end(&f);
}

/* d softmax = diag(s) - s s' (B.I), by rows and by columns. */
static void jacobian_of_softmax_is_its_formula(void **state) {
  (void)state;
  feeds f = feeds_begin();
  int x = vector(&f, 6, -2, 2, 9);
  cy_value s = cy_softmax(f.value[x], 0), wide, tall, both[3];
  assert_ok(cy_jacobian(s, f.value[x], &both[0]));
  assert_ok(cy_jacobian(cy_sum(cy_reshape(s, CY_SHAPE(2, 3)), (int[]){0}, 1, false), f.value[x], &wide));
  assert_ok(cy_jacobian(cy_concat((cy_value[]){s, s}, 2, 0), f.value[x], &tall));
  both[1] = s;
  both[2] = tall;
  cy_tensor *out[3];
  run_values(&f, both, 3, reference, out);
  for (int64_t i = 0; i < 6; i++)
    for (int64_t j = 0; j < 6; j++) {
      double si = cy_tensor_at(out[1], i), sj = cy_tensor_at(out[1], j), exact = (i == j) * si - si * sj;
      assert_true(fabs(cy_tensor_at(out[0], i * 6 + j) - exact) < 1e-15);
      assert_true(fabs(cy_tensor_at(out[2], (i + 6) * 6 + j) - exact) < 1e-15);
    }
  assert_true(cy_shape_equal(cy_value_shape(wide), CY_SHAPE(3, 6)));
  for (int i = 0; i < 3; i++) cy_tensor_free(out[i]);
  feeds_end(&f);
}

static void derivatives_with_respect_to_inner_values_cut_there(void **state) {
  (void)state;
  feeds f = feeds_begin();
  int x = vector(&f, 3, 1, 2, 3);
  cy_value h = cy_mul(f.value[x], f.value[x]), loss = cy_sum(cy_mul(h, cy_log(f.value[x])), NULL, 0, false), g[3];
  cy_value wrt[3] = {h, f.value[x], h};
  assert_ok(cy_grad(loss, wrt, 3, g)); /* d/dh = log x; d/dx with h held = h / x = x; h named twice gives the same */
  assert_int_equal(g[0].id, g[2].id);
  cy_tensor *out[2];
  run_values(&f, g, 2, reference, out);
  for (int64_t i = 0; i < 3; i++) {
    double at = cy_tensor_at(f.tensor[x], i);
    assert_true(fabs(cy_tensor_at(out[0], i) - log(at)) < 1e-15);
    assert_true(fabs(cy_tensor_at(out[1], i) - at) < 1e-15);
  }
  cy_tensor_free(out[0]);
  cy_tensor_free(out[1]);
  feeds_end(&f);
}

static void zero_derivatives_are_zeros(void **state) {
  (void)state;
  feeds f = feeds_begin();
  int x = vector(&f, 3, 1, 2, 3), k = feeds_add(&f, CY_I64, CY_SHAPE(3));
  cy_value loss = cy_sum(cy_floor(f.value[x]), NULL, 0, false), g[2], wrt[2] = {f.value[x], f.value[k]};
  assert_ok(cy_grad(loss, wrt, 2, g));
  double number;
  assert_true(cy_is_full(g[0], &number) && number == 0);
  assert_true(cy_is_full(g[1], &number) && number == 0 && cy_value_dtype(g[1]) == CY_I64);
  cy_value stopped = cy_sum(cy_stop_gradient(f.value[x]), NULL, 0, false);
  assert_ok(cy_grad(stopped, wrt, 1, g));
  assert_true(cy_is_full(g[0], &number) && number == 0);
  feeds_end(&f);
}

/* Kinks as the conventions say, in value and derivative. */
static void kinks_follow_the_conventions(void **state) {
  (void)state;
  feeds f = feeds_begin();
  int x = feeds_add(&f, CY_F64, CY_SHAPE(4));
  double at[4] = {0, -0.0, 1, NAN};
  for (int i = 0; i < 4; i++) cy_tensor_set(f.tensor[x], i, at[i]);
  cy_value v = f.value[x], y[5] = {cy_relu(v), cy_abs(v), cy_max(v, v), cy_softplus(v), cy_max(v, cy_zeros_like(v))}, g[5];
  double expected[5][3] = {{0, 0, 1}, {0, 0, 1}, {1, 1, 1}, {0.5, 0.5, 1 / (1 + exp(-1))}, {1, 1, 1}};
  cy_tensor *out[5], *value;
  for (int i = 0; i < 5; i++) assert_ok(cy_grad(cy_sum(y[i], NULL, 0, false), &v, 1, &g[i]));
  run_values(&f, g, 5, reference, out);
  for (int i = 0; i < 5; i++)
    for (int k = 0; k < 3; k++)
      if (fabs(cy_tensor_at(out[i], k) - expected[i][k]) > 1e-15)
        fail_msg("derivative %d at %g: %g, expected %g", i, at[k], cy_tensor_at(out[i], k), expected[i][k]);
  run_values(&f, y, 1, reference, &value);
  assert_true(isnan(cy_tensor_at(value, 3))); /* relu hides no NaN */
  cy_tensor_free(value);
  for (int i = 0; i < 5; i++) cy_tensor_free(out[i]);
  feeds_end(&f);
}

static void expect_error(cy_status status, const char *text) {
  assert_int_equal(status, CY_INVALID);
  if (!strstr(cy_error_message(), text)) fail_msg("expected \"%s\" in \"%s\"", text, cy_error_message());
}

static void mistakes_are_named(void **state) {
  (void)state;
  feeds f = feeds_begin(), other = feeds_begin();
  int x = vector(&f, 3, 1, 2, 3), y = vector(&f, 4, 1, 2, 3), far = vector(&other, 3, 0, 1, 1);
  cy_value g;
  expect_error(cy_grad(f.value[x], &f.value[x], 1, &g), "must be an f32 or f64 scalar, not f64 3");
  expect_error(cy_jvp(&f.value[x], 1, &f.value[x], &f.value[y], 1, &g), "is f64 3, what goes with it is f64 4");
  expect_error(cy_grad(cy_sum(f.value[x], NULL, 0, false), &other.value[far], 1, &g), "belongs to another graph");
  feeds_end(&f);
  feeds_end(&other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(third_derivative_matches_the_closed_form),
      cmocka_unit_test(hessian_products_agree_in_all_modes),
      cmocka_unit_test(jacobian_of_softmax_is_its_formula),
      cmocka_unit_test(derivatives_with_respect_to_inner_values_cut_there),
      cmocka_unit_test(zero_derivatives_are_zeros),
      cmocka_unit_test(kinks_follow_the_conventions),
      cmocka_unit_test(mistakes_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
