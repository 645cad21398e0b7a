/* Checks of networks: what is right passes, layer by layer and as a whole; what is wrong is found and named: a gradient, a
 * layer's derivative, its Hessian, a layer that is not equivariant, weights that are no numbers. */
#include "harness.h"

/* ---- running checks ---- */

static cy_check_report *check(const char *text, cy_check_options options) {
  cy_model *model = NULL;
  cy_check_report *report;
  if (text) assert_ok(cy_model_parse(text, "test", &model));
  assert_ok(cy_check_model(model, options, &report));
  cy_model_free(model);
  return report;
}

static void print_failures(const cy_check_report *report) {
  const cy_check_row *row;
  for (int i = 0; (row = cy_check_at(report, i)) != NULL; i++)
    if (row->result == CY_CHECK_FAILED)
      print_error("%s of %s %s%s: %g, tolerance %g; %s\n", cy_check_name(row->kind), row->layer, row->subject,
                  row->training ? " in training" : "", row->figure, row->tolerance, row->note);
}

static const cy_check_row *find(const cy_check_report *report, cy_check_kind kind, const char *layer, const char *subject) {
  const cy_check_row *row;
  for (int i = 0; (row = cy_check_at(report, i)) != NULL; i++)
    if (row->kind == kind && strcmp(row->layer, layer) == 0 && strcmp(row->subject, subject) == 0) return row;
  fail_msg("no row %s of \"%s\" \"%s\"", cy_check_name(kind), layer, subject);
  return NULL;
}

static void passes(const char *text, cy_check_options options) {
  cy_check_report *report = check(text, options);
  print_failures(report);
  if (cy_check_failures(report) > 0) fail_msg("%s", text);
  assert_string_equal(cy_check_failing_layer(report), "");
  cy_check_report_free(report);
}

/* ---- what is right ---- */

static void every_kind_of_layer_passes(void **state) {
  (void)state;
  const struct {
    const char *text;
    cy_shape sample;
    const char *loss;
  } cases[] = {
    {"dense(6) -> sigmoid -> dense(5) -> tanh -> dense(4)", CY_SHAPE(7), NULL},
    {"dense(6) -> gelu -> layer_norm -> elu -> dense(3)", CY_SHAPE(4), "mse"},
    {"dense(6) -> swish(trainable=true) -> prelu -> softplus -> dead_zone -> leaky_relu -> dense(2)", CY_SHAPE(3), "hinge"},
    {"dense(4) -> batch_norm -> dropout(0.4) -> residual(dense(4) -> relu) -> dense(1)", CY_SHAPE(3), "binary_cross_entropy"},
    {"conv(4, 3, stride=2, pad=half) -> relu -> max_pool(2) -> flatten -> dense(3)", CY_SHAPE(2, 9, 9), NULL},
    {"conv(4, 3, pad=same, groups=2, dilation=2) -> batch_norm -> avg_pool(2) -> global_avg_pool -> dense(3)",
     CY_SHAPE(2, 8, 8), NULL},
    {"conv_transpose(3, 3, stride=2) -> tanh -> conv(2, 3) -> global_max_pool", CY_SHAPE(1, 5, 5), NULL},
    {"depthwise(3) -> pad(1, mode=reflect) -> resize(7) -> adaptive_avg_pool(2) -> flatten -> dense(2)",
     CY_SHAPE(3, 6, 6), NULL},
    {"parallel(conv(2, 1) | conv(2, 3, pad=1)) -> pixel_shuffle(2) -> flatten -> softmax", CY_SHAPE(1, 2, 2), "mse"},
    {"conv(3, 5, stride=2) -> relu -> flatten -> dense(2)", CY_SHAPE(2, 13), NULL},
    {"conv(2, 3) -> relu -> flatten -> dense(2)", CY_SHAPE(1, 4, 4, 4), NULL},
    {"dense(3) -> mixture", CY_SHAPE(4), NULL},
    {"dense(3) -> mixture(logit)", CY_SHAPE(4), "binary_cross_entropy"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    passes(cases[i].text, (cy_check_options){.sample = cases[i].sample, .loss = cases[i].loss, .seed = 1 + i});
}

/* A check of every kind is there, of each layer, in both modes where they differ. */
static void the_report_is_complete(void **state) {
  (void)state;
  cy_check_report *report = check("conv(3, 3) -> batch_norm -> relu -> flatten -> dense(4)",
                                  (cy_check_options){.sample = CY_SHAPE(1, 6, 6)});
  bool seen[CY_CHECK_KINDS] = {false}, training[CY_CHECK_KINDS] = {false};
  const cy_check_row *row;
  for (int i = 0; (row = cy_check_at(report, i)) != NULL; i++) {
    seen[row->kind] = true;
    if (row->training) training[row->kind] = true;
    assert_int_equal(row->result, CY_CHECK_PASSED);
    assert_true(row->compared > 0 && row->figure <= row->tolerance);
    assert_true(row->tolerance == cy_check_tolerance(row->kind));
    if (row->training && row->kind <= CY_CHECK_LAYER_HESSIAN) assert_string_equal(row->layer, "batch_norm1");
  }
  for (int k = 0; k < CY_CHECK_KINDS; k++) {
    assert_true(seen[k]);
    assert_int_equal(training[k], k <= CY_CHECK_BATCH_NORM);
  }
  find(report, CY_CHECK_GRADIENT, "conv1", "conv1.weight");
  find(report, CY_CHECK_GRADIENT, "", "input");
  find(report, CY_CHECK_LAYER_DERIVATIVE, "dense1", "dense1.bias");
  assert_null(cy_check_at(report, -1));
  assert_null(cy_check_name((cy_check_kind)CY_CHECK_KINDS));
  cy_check_report_free(report);
}

/* ---- what is wrong ---- */

/* The true gradient, but that of the parameter named in context is a thousandth too long. */
static cy_status slightly_wrong(cy_value loss, const cy_value *inputs, int n, cy_value *gradients, void *context) {
  cy_status status = cy_grad(loss, inputs, n, gradients);
  for (int i = 0; i < n && status == CY_OK; i++)
    if (strcmp(cy_value_name(inputs[i]), context) == 0) gradients[i] = cy_mul_scalar(gradients[i], 1.001);
  return status;
}

typedef struct counted {
  int rows, most;
} counted;

static bool count_row(const cy_check_row *row, void *context) {
  counted *c = context;
  assert_non_null(cy_check_name(row->kind));
  return ++c->rows < c->most;
}

static void rows_are_told_as_they_are_done(void **state) {
  (void)state;
  counted all = {.most = 1000}, few = {.most = 3};
  cy_check_options options = {.sample = CY_SHAPE(3), .on_row = count_row, .context = &all};
  cy_check_report *report = check("dense(2)", options);
  assert_int_equal(all.rows, cy_check_count(report));
  cy_check_report_free(report);
  cy_model *model;
  assert_ok(cy_model_parse("dense(2)", "test", &model));
  options.context = &few;
  assert_int_equal(cy_check_model(model, options, &report), CY_CANCELLED);
  assert_null(report);
  assert_int_equal(few.rows, 3);
  cy_model_free(model);
}

static void a_wrong_gradient_is_named(void **state) {
  (void)state;
  const char *names[] = {"conv1.bias", "conv2.weight", "dense1.weight"}, *layers[] = {"conv1", "conv2", "dense1"};
  for (int i = 0; i < 3; i++) {
    cy_check_options options = {.sample = CY_SHAPE(1, 8, 8), .gradient = slightly_wrong, .context = (void *)(uintptr_t)names[i]};
    cy_check_report *report = check("conv(3, 3) -> relu -> conv(3, 3) -> tanh -> flatten -> dense(4)", options);
    assert_true(cy_check_failures(report) > 0);
    assert_string_equal(cy_check_failing_layer(report), layers[i]);
    const cy_check_row *row = find(report, CY_CHECK_GRADIENT, layers[i], names[i]);
    assert_int_equal(row->result, CY_CHECK_FAILED);
    assert_true(row->figure > 5e-4 && row->figure < 2e-3);
    assert_int_equal(find(report, CY_CHECK_GRADIENT, "", "input")->result, CY_CHECK_PASSED);
    cy_check_report_free(report);
  }
}

typedef cy_value (*function)(cy_value x);

/* conv -> relu -> residual(broken) -> flatten -> dense, where the layer is a function of the context. */
static cy_value with_a_layer(cy_network *network, cy_value x, void *context) {
  const function *layer = context;
  cy_conv_options conv = {.filters = 3, .kernel = {3}, .padding = {.low = {1}, .high = {1}}};
  x = cy_relu(cy_conv(network, x, conv));
  cy_network_open(network, "outer", NULL, x);
  cy_network_open(network, "inner", NULL, x);
  cy_value y = cy_network_close(network, (*layer)(x));
  x = cy_network_close(network, cy_add(x, y));
  return cy_dense(network, cy_flatten(x), (cy_dense_options){.units = 3});
}

static cy_check_report *check_layer(function layer) {
  return check(NULL, (cy_check_options){.sample = CY_SHAPE(2, 6, 6), .build = with_a_layer, .context = &layer});
}

static cy_value right(cy_value x) { return cy_tanh(x); }
/* x^2 whose derivative is said to be x. */
static cy_value wrong_derivative(cy_value x) { return cy_mul(x, cy_stop_gradient(x)); }
/* x^2 whose derivative is 2 x and whose second derivative is said to be 0: 2 x s - s^2 at s = x. */
static cy_value wrong_hessian(cy_value x) {
  cy_value s = cy_stop_gradient(x);
  return cy_sub(cy_mul_scalar(cy_mul(x, s), 2), cy_mul(s, s));
}
/* Adds the row's number. */
static cy_value tells_places(cy_value x) {
  return cy_add(x, cy_mul_scalar(cy_iota(x.graph, cy_value_dtype(x), cy_value_shape(x), 2), 0.1));
}
static cy_value undefined_below_zero(cy_value x) { return cy_log(cy_add_scalar(x, -0.01)); }

static void a_layer_in_c_passes(void **state) {
  (void)state;
  cy_check_report *report = check_layer(right);
  print_failures(report);
  assert_int_equal(cy_check_failures(report), 0);
  find(report, CY_CHECK_LAYER_HESSIAN, "inner1", "");
  cy_check_report_free(report);
}

static void a_wrong_derivative_is_named(void **state) {
  (void)state;
  cy_check_report *report = check_layer(wrong_derivative);
  assert_string_equal(cy_check_failing_layer(report), "inner1");
  assert_int_equal(find(report, CY_CHECK_LAYER_DERIVATIVE, "inner1", "input")->result, CY_CHECK_FAILED);
  assert_int_equal(find(report, CY_CHECK_LAYER_DERIVATIVE, "conv1", "input")->result, CY_CHECK_PASSED);
  assert_int_equal(find(report, CY_CHECK_LAYER_TRANSPOSE, "inner1", "")->result, CY_CHECK_PASSED);
  assert_int_equal(find(report, CY_CHECK_GRADIENT, "conv1", "conv1.weight")->result, CY_CHECK_FAILED);
  assert_int_equal(find(report, CY_CHECK_GRADIENT, "dense1", "dense1.weight")->result, CY_CHECK_PASSED);
  cy_check_report_free(report);
}

static void a_wrong_second_derivative_is_named(void **state) {
  (void)state;
  cy_check_report *report = check_layer(wrong_hessian);
  assert_string_equal(cy_check_failing_layer(report), "inner1");
  assert_int_equal(find(report, CY_CHECK_LAYER_DERIVATIVE, "inner1", "input")->result, CY_CHECK_PASSED);
  assert_int_equal(find(report, CY_CHECK_LAYER_HESSIAN, "inner1", "")->result, CY_CHECK_FAILED);
  assert_int_equal(find(report, CY_CHECK_GRADIENT, "conv1", "conv1.weight")->result, CY_CHECK_PASSED);
  assert_int_equal(find(report, CY_CHECK_HESSIAN, "", "")->result, CY_CHECK_FAILED);
  cy_check_report_free(report);
}

static void a_layer_that_tells_places_is_not_equivariant(void **state) {
  (void)state;
  cy_check_report *report = check_layer(tells_places);
  assert_int_equal(cy_check_failures(report), 1); /* rows differ, columns do not */
  assert_string_equal(cy_check_failing_layer(report), "outer1");
  assert_int_equal(find(report, CY_CHECK_EQUIVARIANCE, "outer1", "height")->result, CY_CHECK_FAILED);
  assert_int_equal(find(report, CY_CHECK_EQUIVARIANCE, "outer1", "width")->result, CY_CHECK_PASSED);
  cy_check_report_free(report);
}

static void what_is_not_finite_fails(void **state) {
  (void)state;
  cy_check_report *report = check_layer(undefined_below_zero);
  assert_string_equal(cy_check_failing_layer(report), "inner1");
  cy_check_report_free(report);
}

/* ---- kinks ---- */

/* All units sit at relu's kink, where the weights' slope is 0 on one side only: no difference is the derivative. */
static void comparisons_at_kinks_are_passed_over(void **state) {
  (void)state;
  cy_check_report *report = check("dense(4, init=constant(0), bias=false) -> relu -> dense(3)",
                                  (cy_check_options){.sample = CY_SHAPE(5), .directions = 3, .coordinates = 4});
  print_failures(report);
  assert_int_equal(cy_check_failures(report), 0);
  const cy_check_row *row = find(report, CY_CHECK_GRADIENT, "dense1", "dense1.weight");
  assert_int_equal(row->passed_over, 7);
  assert_int_equal(row->compared, 0);
  assert_int_equal(row->result, CY_CHECK_SKIPPED);
  assert_true(isnan(row->figure));
  assert_non_null(strstr(row->note, "kink"));
  assert_int_equal(find(report, CY_CHECK_GRADIENT, "dense2", "dense2.bias")->passed_over, 0);
  cy_check_report_free(report);
}

/* Many units, so that steps cross kinks all the time: they shrink until they do not. */
static void wide_networks_pass(void **state) {
  (void)state;
  passes("conv(32, 3, pad=1) -> relu -> max_pool(2) -> relu -> flatten -> dense(10)",
         (cy_check_options){.sample = CY_SHAPE(3, 24, 24)});
}

/* Among a million relus every step crosses kinks, and so few are left on one side that their slopes do not average out: they
 * are held. What is a thousandth wrong stays as wrong as it is. */
static void kinks_that_steps_cross_are_held(void **state) {
  (void)state;
  const char *text = "relu -> dense(1, init=constant(0.001))";
  cy_check_options options = {.sample = CY_SHAPE(400000), .loss = "mse", .batch = 2, .directions = 9, .coordinates = 1};
  int held = 0;
  cy_check_report *report = check(text, options);
  print_failures(report);
  assert_int_equal(cy_check_failures(report), 0);
  const cy_check_row *row;
  for (int i = 0; (row = cy_check_at(report, i)) != NULL; i++) {
    if (row->held == 0) continue;
    held++;
    assert_true(row->held <= row->compared && row->crossed > 0 && row->figure <= row->tolerance);
    assert_non_null(strstr(row->note, "compared with kinks held"));
  }
  assert_true(held > 0);
  cy_check_report_free(report);
  options.gradient = slightly_wrong;
  options.context = (void *)(uintptr_t)"x";
  report = check(text, options);
  row = find(report, CY_CHECK_GRADIENT, "", "input");
  assert_int_equal(row->result, CY_CHECK_FAILED);
  assert_true(row->held > 0 && row->figure > 9e-4 && row->figure < 2e-3);
  cy_check_report_free(report);
}

/* ---- equivariance ---- */

static void assert_border(const char *text, cy_shape sample, const char *layer, const char *note) {
  cy_check_report *report = check(text, (cy_check_options){.sample = sample});
  const cy_check_row *row = find(report, CY_CHECK_EQUIVARIANCE, layer, sample.rank == 2 ? "length" : "height");
  if (!strstr(row->note, note)) fail_msg("%s: \"%s\" instead of \"%s\"", text, row->note, note);
  assert_int_equal(row->result, CY_CHECK_PASSED);
  cy_check_report_free(report);
}

/* Coursework B.V: without padding there is no border; a kernel of 3 with a padding of 1 spoils one unit on each side. */
static void borders_are_measured(void **state) {
  (void)state;
  assert_border("conv(2, 3) -> flatten -> dense(2)", CY_SHAPE(1, 16, 16), "conv1",
                "shifted by 1: border of 0 and 0 of 14 units (computed 0 and 0)");
  assert_border("conv(2, 3, pad=1) -> flatten -> dense(2)", CY_SHAPE(1, 16, 16), "conv1",
                "border of 1 and 1 of 16 units (computed 1 and 1)");
  assert_border("conv(2, 3, pad=1) -> relu -> conv(2, 5, pad=half) -> flatten -> dense(2)", CY_SHAPE(1, 16, 16), "conv2",
                "border of 3 and 3 of 16 units (computed 3 and 3)");
  assert_border("conv(2, 3, pad=(2:0, 1)) -> flatten -> dense(2)", CY_SHAPE(1, 16, 16), "conv1",
                "border of 2 and 0 of 16 units (computed 2 and 0)");
  assert_border("conv(2, 3, stride=2, pad=half) -> max_pool(2) -> flatten -> dense(2)", CY_SHAPE(1, 40, 40), "max_pool1",
                "shifted by 4: border of 1 and 0 of 10 units (computed 1 and 0)");
  assert_border("conv_transpose(2, 4, stride=2, pad=1) -> flatten -> dense(2)", CY_SHAPE(1, 16, 16), "conv_transpose1",
                "shifted by 1: border of 1 and 1 of 32 units (computed 1 and 1)");
  assert_border("pad(2, mode=reflect) -> conv(2, 3, dilation=2) -> flatten -> dense(2)", CY_SHAPE(1, 16, 16), "conv1",
                "border of 2 and 2 of 16 units (computed 2 and 2)");
  assert_border("conv(2, 5, stride=2) -> conv(2, 5, stride=2) -> flatten -> dense(2)", CY_SHAPE(10, 168), "conv2",
                "shifted by 4: border of 0 and 0 of 39 units");
}

/* The coursework's CustomModel sees 41x41: an input of 28x28 has no interior, so a larger one is taken. */
static void small_inputs_are_enlarged(void **state) {
  (void)state;
  assert_border("conv(2, 3, stride=2, pad=half) -> relu -> conv(3, 5, pad=half) -> relu -> max_pool(2)\n"
                "-> conv(2, 3, pad=half) -> relu -> max_pool(2) -> conv(2, 3, pad=half) -> relu -> flatten -> dense(10)",
                CY_SHAPE(1, 28, 28), "relu4", "shifted by 8: border of 3 and 2 of 14 units (computed 3 and 2)");
}

static void networks_without_images_skip_it(void **state) {
  (void)state;
  cy_check_report *report = check("dense(3)", (cy_check_options){.sample = CY_SHAPE(4)});
  const cy_check_row *row = find(report, CY_CHECK_EQUIVARIANCE, "", "");
  assert_int_equal(row->result, CY_CHECK_SKIPPED);
  assert_int_equal(cy_check_failures(report), 0);
  cy_check_report_free(report);
  report = check("flatten -> dense(3)", (cy_check_options){.sample = CY_SHAPE(1, 4, 4)});
  assert_int_equal(find(report, CY_CHECK_EQUIVARIANCE, "", "")->result, CY_CHECK_SKIPPED);
  cy_check_report_free(report);
}

/* ---- the point ---- */

static cy_state *state_with(const char *name, cy_dtype dtype, cy_shape shape, double value) {
  cy_state *state;
  assert_ok(cy_state_create(&state));
  assert_ok(cy_state_declare(state, name, CY_PARAMETER, dtype, shape));
  assert_ok(cy_state_allocate(state));
  for (int64_t i = 0; i < cy_tensor_count(cy_state_tensor(state, 0)); i++)
    cy_tensor_set(cy_state_tensor(state, 0), i, value);
  return state;
}

static void weights_and_samples_are_the_callers(void **unused) {
  (void)unused;
  cy_tensor *inputs, *labels;
  assert_ok(cy_tensor_create(CY_F32, CY_SHAPE(3, 2), &inputs));
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(3), &labels));
  for (int64_t i = 0; i < 6; i++) cy_tensor_set(inputs, i, (double)(i % 3) - 1);
  for (int64_t i = 0; i < 3; i++) cy_tensor_set(labels, i, (double)i);
  cy_state *state = state_with("dense1.weight", CY_F32, CY_SHAPE(2, 3), 0.5);
  passes("dense(3, bias=false)", (cy_check_options){.weights = state, .inputs = inputs, .labels = labels});
  cy_tensor_set(cy_state_tensor(state, 0), 4, NAN);
  cy_check_report *report = check("dense(3, bias=false)", (cy_check_options){.weights = state, .inputs = inputs});
  assert_string_equal(cy_check_failing_layer(report), "dense1");
  cy_check_report_free(report);
  cy_state_free(state);
  cy_tensor_free(inputs);
  cy_tensor_free(labels);
}

static void fails(const char *text, cy_check_options options, const char *words) {
  cy_model *model;
  cy_check_report *report;
  assert_ok(cy_model_parse(text, "test", &model));
  assert_int_equal(cy_check_model(model, options, &report), CY_INVALID);
  assert_null(report);
  if (!strstr(cy_error_message(), words)) fail_msg("\"%s\" does not say \"%s\"", cy_error_message(), words);
  cy_model_free(model);
}

static void what_cannot_be_checked_is_refused(void **unused) {
  (void)unused;
  cy_check_report *report;
  cy_state *state = state_with("dense1.weight", CY_F64, CY_SHAPE(2, 4), 0);
  fails("dense(3)", (cy_check_options){0}, "shape");
  fails("dense(3)", (cy_check_options){.sample = CY_SHAPE(2), .batch = -1}, "negative");
  fails("dense(3)", (cy_check_options){.sample = CY_SHAPE(2), .loss = "crossentropy"}, "unknown loss");
  fails("dense(3)", (cy_check_options){.sample = CY_SHAPE(2), .classes = 4}, "4 classes");
  fails("dense(3)", (cy_check_options){.sample = CY_SHAPE(2), .weights = state}, "dense1.weight");
  fails("dense(4)", (cy_check_options){.sample = CY_SHAPE(2), .weights = state}, "dense1.bias");
  fails("conv(3, 9) -> flatten -> dense(2)", (cy_check_options){.sample = CY_SHAPE(1, 4, 4)}, "conv1");
  assert_int_equal(cy_check_model(NULL, (cy_check_options){.sample = CY_SHAPE(2)}, &report), CY_INVALID);
  cy_state_free(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_kind_of_layer_passes),
    cmocka_unit_test(the_report_is_complete),
    cmocka_unit_test(rows_are_told_as_they_are_done),
    cmocka_unit_test(a_wrong_gradient_is_named),
    cmocka_unit_test(a_layer_in_c_passes),
    cmocka_unit_test(a_wrong_derivative_is_named),
    cmocka_unit_test(a_wrong_second_derivative_is_named),
    cmocka_unit_test(a_layer_that_tells_places_is_not_equivariant),
    cmocka_unit_test(what_is_not_finite_fails),
    cmocka_unit_test(comparisons_at_kinks_are_passed_over),
    cmocka_unit_test(wide_networks_pass), cmocka_unit_test(kinks_that_steps_cross_are_held),
    cmocka_unit_test(borders_are_measured),
    cmocka_unit_test(small_inputs_are_enlarged),
    cmocka_unit_test(networks_without_images_skip_it),
    cmocka_unit_test(weights_and_samples_are_the_callers),
    cmocka_unit_test(what_cannot_be_checked_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
