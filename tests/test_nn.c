/* Networks: initialisers, and every layer and loss: value against the formula, derivative against central differences
 * in f64, finite at the extremes. */
#include "network_lab.h"

/* ---- layers: derivatives ---- */

static void layers_match_differences(void **state) {
  (void)state;
  static const char *const texts[] = {
      "dense(3)", "dense(4, bias=false, init=orthogonal, l1=0.1, l2=0.3)", "relu", "leaky_relu(0.2)", "prelu",
      "prelu(shared=true)", "swish", "swish(1.7, trainable=true)", "sigmoid", "tanh", "softplus", "elu(1.3)", "gelu",
      "gelu(tanh)", "softmax", "log_softmax", "dead_zone(0.7, 0.4, 1.5, -0.3)", "dropout(0.4)", "layer_norm",
      "batch_norm", "batch_norm(affine=false)", "flatten", "reshape(2, -1)", "identity", "mixture",
      "dense(3) -> mixture(logit, init=normal(0, 1))",
      "residual(dense(6) -> tanh)", "residual(dense(2), shortcut=dense(2, bias=false))",
      "parallel(dense(2) | tanh | identity)", "parallel(sigmoid | tanh | identity, mode=multiply)",
      "dense(5) -> batch_norm -> relu -> dropout(0.2) -> 2 * (dense(5) -> tanh) -> dense(2)"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    check_layer(texts[i], true, CY_SHAPE(5, 6));
    check_layer(texts[i], false, CY_SHAPE(3, 6));
  }
  static const char *const spatial[] = {"dense(3)", "dense(3, axis=1)", "dense(3, axis=2)", "dense(3, axis=-1)",
                                        "prelu", "layer_norm", "batch_norm", "softmax(axis=2)", "flatten",
                                        "parallel(tanh | identity)", "parallel(tanh | identity, axis=-1)"};
  for (size_t i = 0; i < sizeof spatial / sizeof *spatial; i++) {
    check_layer(spatial[i], true, CY_SHAPE(2, 3, 2, 2));
    check_layer(spatial[i], false, CY_SHAPE(2, 3, 2, 2));
  }
}

/* ---- activations: values ---- */

static double f_relu(double x) { return x > 0 ? x : 0; }
static double f_leaky(double x) { return x > 0 ? x : 0.1 * x; }
static double f_prelu(double x) { return x > 0 ? x : 0.25 * x; }
static double f_sigmoid(double x) { return (tanh(x / 2) + 1) / 2; }
static double f_swish(double x) { return x * f_sigmoid(2 * x); }
static double f_softplus(double x) { return x > 30 ? x : log1p(exp(x)); }
static double f_elu(double x) { return x > 0 ? x : 1.5 * (exp(x) - 1); }
static double f_gelu(double x) { return x * 0.5 * erfc(-x / sqrt(2)); }
static double f_gelu_tanh(double x) { return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
static double f_dead_zone(double x) { return f_relu(2 * (x - 0.5)) + f_relu(3 * (-1 - x)); }
static double f_identity(double x) { return x; }

static void activations_match_formulas(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double (*formula)(double);
  } rows[] = {{"relu", f_relu}, {"leaky_relu(0.1)", f_leaky}, {"prelu", f_prelu}, {"swish(2)", f_swish},
              {"swish(2, trainable=true)", f_swish}, {"sigmoid", f_sigmoid}, {"tanh", tanh},
              {"softplus", f_softplus}, {"elu(1.5)", f_elu}, {"gelu", f_gelu}, {"gelu(form=tanh)", f_gelu_tanh},
              {"dead_zone(2, 0.5, 3, -1)", f_dead_zone}, {"identity", f_identity}};
  static const double points[] = {-1e4, -20, -3, -1, -0.5, -1e-6, 0, 1e-6, 0.25, 0.5, 1, 4, 25, 1e4};
  enum { N = sizeof points / sizeof *points };
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    lab l = lab_open(false, CY_F64, CY_SHAPE(N, 1));
    cy_value outputs[2] = {apply_text(l.net, l.x, rows[r].text)};
    assert_ok(cy_grad(cy_sum(outputs[0], NULL, 0, false), &l.x, 1, &outputs[1]));
    for (int i = 0; i < N; i++) cy_tensor_set(l.input, i, points[i]);
    lab_compile(&l, outputs, 2, false);
    const cy_tensor *y = lab_run(&l, 0), *dy = cy_session_output(l.session, 1);
    for (int i = 0; i < N; i++) {
      assert_near(rows[r].text, cy_tensor_at(y, i), rows[r].formula(points[i]), 1e-13);
      if (!isfinite(cy_tensor_at(dy, i))) fail_msg("%s'(%g) is not finite", rows[r].text, points[i]);
    }
    lab_close(&l);
  }
}

/* |S(x)| and S(x) for soft shrinkage S by dead zones. */
static void dead_zones_make_shrinkage(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(41));
  cy_value outputs[2] = {cy_dead_zone(l.x, 1, 0.5, 1, -0.5),
                         cy_sub(cy_dead_zone(l.x, 1, 0.5, 0, 0), cy_dead_zone(l.x, 0, 0, 1, -0.5))};
  for (int i = 0; i < 41; i++) cy_tensor_set(l.input, i, (i - 20) * 0.125);
  lab_compile(&l, outputs, 2, false);
  lab_run(&l, 0);
  for (int i = 0; i < 41; i++) {
    double x = (i - 20) * 0.125, s = copysign(fmax(fabs(x) - 0.5, 0), x);
    assert_near("|shrinkage|", cy_tensor_at(cy_session_output(l.session, 0), i), fabs(s), 1e-15);
    assert_near("shrinkage", cy_tensor_at(cy_session_output(l.session, 1), i), s, 1e-15);
  }
  lab_close(&l);
}

/* ---- layers: values ---- */

static void dense_multiplies(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F32, CY_SHAPE(2, 3));
  cy_value y = cy_dense(l.net, l.x, (cy_dense_options){.units = 2, .name = "fc"});
  for (int i = 0; i < 6; i++) cy_tensor_set(l.input, i, i + 1);
  lab_compile(&l, &y, 1, false);
  cy_tensor *w = cy_state_find(l.state, "fc.weight"), *b = cy_state_find(l.state, "fc.bias");
  for (int i = 0; i < 6; i++) cy_tensor_set(w, i, i);
  cy_tensor_set(b, 1, 0.5);
  const cy_tensor *out = lab_run(&l, 0); /* [1 2 3; 4 5 6] [0 1; 2 3; 4 5] + [0 .5] */
  static const double want[] = {16, 22.5, 34, 49.5};
  for (int i = 0; i < 4; i++) assert_near("dense", cy_tensor_at(out, i), want[i], 0);
  lab_close(&l);
}

static void layer_norm_normalizes(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(3, 4, 5));
  cy_value y = apply_text(l.net, l.x, "layer_norm");
  fill_random(l.input, 5, 3);
  lab_compile(&l, &y, 1, false);
  const cy_tensor *out = lab_run(&l, 0);
  for (int n = 0; n < 3; n++) {
    double mean = 0, var = 0;
    for (int i = 0; i < 20; i++) mean += cy_tensor_at(l.input, n * 20 + i) / 20;
    for (int i = 0; i < 20; i++) var += pow(cy_tensor_at(l.input, n * 20 + i) - mean, 2) / 20;
    for (int i = 0; i < 20; i++)
      assert_near("layer_norm", cy_tensor_at(out, n * 20 + i),
                  (cy_tensor_at(l.input, n * 20 + i) - mean) / sqrt(var + 1e-5), 1e-12);
  }
  lab_close(&l);
}

enum { BN_N = 4, BN_C = 3, BN_S = 5, BN_M = BN_N * BN_S };

static int bn_index(int n, int c, int s) { return (n * BN_C + c) * BN_S + s; }

static void channel_statistics(const cy_tensor *x, int c, double *mean, double *var) {
  *mean = *var = 0;
  for (int n = 0; n < BN_N; n++)
    for (int s = 0; s < BN_S; s++) *mean += cy_tensor_at(x, bn_index(n, c, s)) / BN_M;
  for (int n = 0; n < BN_N; n++)
    for (int s = 0; s < BN_S; s++) *var += pow(cy_tensor_at(x, bn_index(n, c, s)) - *mean, 2) / BN_M;
}

/* Coursework C.I: the gradients in closed form, for a loss with dl/dy = weights of mix(). */
static void batch_norm_has_the_closed_form_gradient(void **state) {
  (void)state;
  lab l = lab_open(true, CY_F64, CY_SHAPE(BN_N, BN_C, BN_S));
  cy_value loss = mix(cy_batch_norm(l.net, l.x, (cy_norm_options){.name = "bn"}));
  int n_parameters;
  const cy_value *p = cy_network_parameters(l.net, &n_parameters);
  assert_int_equal(n_parameters, 2);
  cy_value inputs[] = {l.x, p[0], p[1]}, outputs[3];
  assert_ok(cy_grad(loss, inputs, 3, outputs));
  fill_random(l.input, 6, 2);
  lab_compile(&l, outputs, 3, true);
  cy_tensor *scale = cy_state_find(l.state, "bn.scale");
  cy_tensor *running_mean = cy_state_find(l.state, "bn.running_mean");
  cy_tensor *running_var = cy_state_find(l.state, "bn.running_var");
  fill_random(scale, 7, 1);
  for (int c = 0; c < BN_C; c++) cy_tensor_set(running_mean, c, c);
  lab_run(&l, 0);
  for (int c = 0; c < BN_C; c++) {
    double mean, var, sum = 0, sum_xhat = 0, gamma = cy_tensor_at(scale, c);
    channel_statistics(l.input, c, &mean, &var);
    for (int n = 0; n < BN_N; n++)
      for (int s = 0; s < BN_S; s++) {
        double dy = cos(1 + bn_index(n, c, s));
        sum += dy;
        sum_xhat += dy * (cy_tensor_at(l.input, bn_index(n, c, s)) - mean) / sqrt(var + 1e-5);
      }
    assert_near("dl/dgamma", cy_tensor_at(cy_session_output(l.session, 1), c), sum_xhat, 1e-12);
    assert_near("dl/dbeta", cy_tensor_at(cy_session_output(l.session, 2), c), sum, 1e-12);
    for (int n = 0; n < BN_N; n++)
      for (int s = 0; s < BN_S; s++) {
        int i = bn_index(n, c, s);
        double xhat = (cy_tensor_at(l.input, i) - mean) / sqrt(var + 1e-5);
        double want = gamma / (BN_M * sqrt(var + 1e-5)) * (BN_M * cos(1 + i) - sum - xhat * sum_xhat);
        assert_near("dl/dx", cy_tensor_at(cy_session_output(l.session, 0), i), want, 1e-12);
      }
    assert_near("running mean", cy_tensor_at(running_mean, c), 0.9 * c + 0.1 * mean, 1e-13);
    assert_near("running var", cy_tensor_at(running_var, c), 0.9 + 0.1 * var * BN_M / (BN_M - 1), 1e-13);
  }
  lab_close(&l);
}

static void batch_norm_infers_with_running_statistics(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(2, 2));
  cy_value y = cy_batch_norm(l.net, l.x, (cy_norm_options){.epsilon = 1e-3});
  fill_random(l.input, 8, 2);
  lab_compile(&l, &y, 1, false);
  cy_tensor_set(cy_state_find(l.state, "batch_norm1.running_mean"), 1, 3);
  cy_tensor_set(cy_state_find(l.state, "batch_norm1.running_var"), 1, 4);
  const cy_tensor *out = lab_run(&l, 0);
  assert_near("channel 0", cy_tensor_at(out, 2), cy_tensor_at(l.input, 2) / sqrt(1 + 1e-3), 1e-14);
  assert_near("channel 1", cy_tensor_at(out, 3), (cy_tensor_at(l.input, 3) - 3) / sqrt(4 + 1e-3), 1e-14);
  lab_close(&l);
}

/* Used twice in one step, the second update starts from the first. */
static void shared_batch_norm_updates_twice(void **state) {
  (void)state;
  lab l = lab_open(true, CY_F64, CY_SHAPE(4, 1));
  cy_norm_options options = {.name = "bn"};
  cy_value first = cy_batch_norm(l.net, l.x, options);
  cy_value y = cy_add(first, cy_batch_norm(l.net, cy_mul_scalar(l.x, 2), options));
  for (int i = 0; i < 4; i++) cy_tensor_set(l.input, i, i);
  int n;
  cy_network_updates(l.net, &n);
  assert_int_equal(n, 2);
  lab_compile(&l, &y, 1, true);
  lab_run(&l, 0);
  assert_near("mean", cy_tensor_at(cy_state_find(l.state, "bn.running_mean"), 0), 0.9 * 0.15 + 0.1 * 3, 1e-14);
  lab_close(&l);
}

static void dropout_keeps_the_mean(void **state) {
  (void)state;
  enum { N = 20000 };
  lab l = lab_open(true, CY_F32, CY_SHAPE(N));
  cy_value outputs[2] = {cy_dropout(l.net, l.x, (cy_dropout_options){.rate = 0.3}),
                         cy_dropout(l.net, l.x, (cy_dropout_options){.rate = 0.3})};
  for (int i = 0; i < N; i++) cy_tensor_set(l.input, i, 1);
  lab_compile(&l, outputs, 2, true);
  double sum = 0, agree = 0, again = 0;
  static double first[N];
  const cy_tensor *y = lab_run(&l, 0), *other = cy_session_output(l.session, 1);
  for (int i = 0; i < N; i++) {
    first[i] = cy_tensor_at(y, i);
    sum += first[i];
    agree += (first[i] == 0) == (cy_tensor_at(other, i) == 0);
    if (first[i] != 0) assert_near("kept", first[i], 1 / 0.7, 1e-6);
  }
  assert_near("mean", sum / N, 1, 0.02);
  assert_near("independent layers", agree / N, 0.7 * 0.7 + 0.3 * 0.3, 0.02);

  y = lab_run(&l, 0); /* the next step: another mask */
  for (int i = 0; i < N; i++) again += (first[i] == 0) == (cy_tensor_at(y, i) == 0);
  assert_near("independent steps", again / N, 0.7 * 0.7 + 0.3 * 0.3, 0.02);
  assert_int_equal(cy_tensor_i64(cy_state_find(l.state, "random.step"))[0], 2);

  cy_tensor_set(cy_state_find(l.state, "random.step"), 0, 0); /* back to the first step: the same mask */
  y = lab_run(&l, 0);
  for (int i = 0; i < N; i++) assert_true(first[i] == cy_tensor_at(y, i));
  lab_close(&l);

  l = lab_open(false, CY_F32, CY_SHAPE(4, 4));
  assert_int_equal(cy_dropout(l.net, l.x, (cy_dropout_options){.rate = 0.3}).id, l.x.id);
  assert_int_equal(cy_network_variable_count(l.net), 0);
  lab_close(&l);
}

static void branches_add_and_concatenate(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(1, 2));
  cy_value outputs[3] = {apply_text(l.net, l.x, "residual(relu)"),
                         apply_text(l.net, l.x, "parallel(identity | relu -> relu | tanh)"),
                         apply_text(l.net, l.x, "parallel(identity | identity, mode=add)")};
  cy_tensor_set(l.input, 0, -1);
  cy_tensor_set(l.input, 1, 2);
  lab_compile(&l, outputs, 3, false);
  lab_run(&l, 0);
  static const double want[3][6] = {{-1, 4}, {-1, 2, 0, 2, 0, 0}, {-2, 4}};
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < (k == 1 ? 4 : 2); i++)
      assert_near("branch", cy_tensor_at(cy_session_output(l.session, k), i), want[k][i], 0);
  assert_near("tanh", cy_tensor_at(cy_session_output(l.session, 1), 5), tanh(2), 1e-15);
  lab_close(&l);
}

/* ---- shapes, names, counts ---- */

static void parameters_are_counted(void **state) {
  (void)state;
  static const struct {
    int64_t inputs;
    const char *text;
    int64_t count;
  } rows[] = {{784, "dense(128) -> relu -> dense(10)", 101770},
              {32, "2 * (dense(512) -> relu) -> dense(10)", 284682},
              {784, "dense(300) -> relu -> dense(100) -> relu -> dense(10)", 266610},
              {6, "batch_norm -> prelu -> layer_norm -> swish(trainable=true) -> prelu(shared=true)", 12 + 6 + 12 + 2},
              {6, "residual(dense(6)) -> parallel(dense(2, bias=false) | dense(3))", 42 + 12 + 21}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lab l = lab_open(true, CY_F32, CY_SHAPE(8, rows[i].inputs));
    apply_text(l.net, l.x, rows[i].text);
    assert_ok(cy_graph_status(l.graph));
    assert_int_equal(cy_network_parameter_elements(l.net), rows[i].count);
    lab_close(&l);
  }
}

static void layers_have_names_and_shapes(void **state) {
  (void)state;
  lab l = lab_open(true, CY_F32, CY_SHAPE(8, 3, 4, 4));
  cy_value y = apply_text(l.net, l.x, "batch_norm -> reshape(12, 4) -> residual(dense(4, axis=-1, name=dense1)) -> "
                                      "dense(7) -> dropout -> dense(5)");
  assert_ok(cy_graph_status(l.graph));
  assert_true(cy_shape_equal(cy_value_shape(y), CY_SHAPE(8, 5)));
  static const char *const variables[] = {
      "batch_norm1.running_mean", "batch_norm1.running_var", "batch_norm1.scale", "batch_norm1.shift", "dense1.weight",
      "dense1.bias", "dense2.weight", "dense2.bias", "random.seed", "random.step", "dense3.weight", "dense3.bias"};
  assert_int_equal(cy_network_variable_count(l.net), 12);
  for (int i = 0; i < 12; i++) assert_string_equal(cy_network_variable_at(l.net, i)->name, variables[i]);
  assert_true(cy_shape_equal(cy_network_variable_at(l.net, 6)->shape, CY_SHAPE(48, 7)));
  assert_true(cy_network_variable_at(l.net, 6)->decays);
  assert_false(cy_network_variable_at(l.net, 7)->decays);

  assert_int_equal(cy_network_layer_count(l.net), 7);
  const cy_network_layer *residual = cy_network_layer_at(l.net, 2), *inner = cy_network_layer_at(l.net, 3);
  assert_string_equal(residual->name, "residual1");
  assert_int_equal(residual->parameters, 20);
  assert_int_equal(inner->depth, 1);
  assert_true(cy_shape_equal(cy_value_shape(inner->output), CY_SHAPE(8, 12, 4)));
  lab_close(&l);
}

static void models_share_when_applied_twice(void **state) {
  (void)state;
  cy_model *model;
  lab l = lab_open(false, CY_F32, CY_SHAPE(2, 6));
  assert_ok(cy_model_parse("dense(4) -> prelu", "test", &model));
  cy_value a = cy_model_apply(model, l.net, l.x), b = cy_model_apply(model, l.net, cy_neg(l.x));
  assert_true(a.id != b.id);
  assert_int_equal(cy_network_parameter_elements(l.net), 28 + 4);
  cy_network_open(l.net, "network", "other", l.x);
  cy_network_close(l.net, cy_model_apply(model, l.net, l.x));
  assert_int_equal(cy_network_parameter_elements(l.net), 2 * (28 + 4));
  assert_string_equal(cy_network_variable_at(l.net, 3)->name, "other.dense1.weight");
  cy_model_free(model);
  lab_close(&l);
}

static void penalties_sum_the_weights(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(2, 3));
  cy_value y = apply_text(l.net, l.x, "dense(4, bias_init=ones, l2=0.6) -> batch_norm -> dense(2)");
  cy_value outputs[] = {cy_l1_penalty(l.net, 0.5), cy_l2_penalty(l.net, 0.5), cy_network_penalty(l.net), y};
  lab_compile(&l, outputs, 4, false);
  lab_run(&l, 0);
  double l1 = 0, l2 = 0, first = 0;
  for (int i = 0; i < 12; i++) first += pow(cy_tensor_at(cy_state_find(l.state, "dense1.weight"), i), 2);
  for (int i = 0; i < 12; i++) l1 += fabs(cy_tensor_at(cy_state_find(l.state, "dense1.weight"), i));
  for (int i = 0; i < 8; i++) l2 += pow(cy_tensor_at(cy_state_find(l.state, "dense2.weight"), i), 2);
  for (int i = 0; i < 8; i++) l1 += fabs(cy_tensor_at(cy_state_find(l.state, "dense2.weight"), i));
  assert_near("l1", cy_tensor_at(cy_session_output(l.session, 0), 0), 0.5 * l1, 1e-14);
  assert_near("l2", cy_tensor_at(cy_session_output(l.session, 1), 0), 0.25 * (first + l2), 1e-14);
  assert_near("of a layer", cy_tensor_at(cy_session_output(l.session, 2), 0), 0.3 * first, 1e-14);
  lab_close(&l);
}

static void check_build_error(const char *text, cy_shape shape, const char *message) {
  lab l = lab_open(true, CY_F32, shape);
  cy_value y = apply_text(l.net, l.x, text);
  assert_false(cy_is_value(y));
  assert_string_equal(cy_graph_error(l.graph), message);
  lab_close(&l);
}

static void mistakes_name_the_layer(void **state) {
  (void)state;
  check_build_error("dense(3)", CY_SHAPE(4),
                    "dense \"dense1\": expects a batch of at least 2 axes but receives fewer (shape 4)");
  check_build_error("dense(3, name=fc, axis=3)", CY_SHAPE(4, 2),
                    "dense \"fc\": axis 3 is not among axes 1 to 1 of its input");
  check_build_error("relu -> reshape(5)", CY_SHAPE(4, 2, 3),
                    "reshape \"reshape1\": reshape: an example of 2x3 = 6 elements does not fill 5");
  check_build_error("residual(dense(3))", CY_SHAPE(4, 2),
                    "residual \"residual1\": the branch gives 4x3 but the shortcut 4x2: they can't be added");
  check_build_error("parallel(dense(3) | dense(2), mode=add)", CY_SHAPE(4, 2),
                    "parallel \"parallel1\": branch 1 gives 4x3 but branch 2 4x2");
  check_build_error("batch_norm", CY_SHAPE(1, 3),
                    "batch_norm \"batch_norm1\": needs more than one value per channel to train, but 1x3 has 1");

  cy_model *model;
  lab l = lab_open(false, CY_F32, CY_SHAPE(2, 48, 48));
  assert_ok(cy_model_parse("relu -> dense(4, name=fc1)", "test", &model));
  cy_model_apply(model, l.net, l.x);
  cy_model_apply(model, l.net, cy_input(l.graph, "smaller", CY_F32, CY_SHAPE(2, 64, 3, 3)));
  assert_string_equal(cy_graph_error(l.graph),
                      "dense \"fc1\": expects 2304 inputs but receives 64x3x3 = 576 (from relu \"relu1\")");
  cy_model_free(model);
  lab_close(&l);

  l = lab_open(false, CY_F64, CY_SHAPE(2, 3));
  cy_dense(l.net, cy_convert(l.x, CY_F32), (cy_dense_options){.units = 3});
  assert_string_equal(cy_graph_error(l.graph), "dense \"dense1\": expects f64 but receives f32");
  lab_close(&l);
}

/* ---- initialisers ---- */

static void moments(const cy_tensor *t, double *mean, double *deviation, double *low, double *high) {
  int64_t n = cy_tensor_count(t);
  *mean = *deviation = 0;
  *low = INFINITY;
  *high = -INFINITY;
  for (int64_t i = 0; i < n; i++) {
    double v = cy_tensor_at(t, i);
    *mean += v / (double)n;
    *low = fmin(*low, v);
    *high = fmax(*high, v);
  }
  for (int64_t i = 0; i < n; i++) *deviation += pow(cy_tensor_at(t, i) - *mean, 2) / (double)n;
  *deviation = sqrt(*deviation);
}

static void initialisers_have_their_moments(void **state) {
  (void)state;
  enum { IN = 200, OUT = 100 };
  static const struct {
    const char *text;
    double mean, deviation, bound;
  } rows[] = {{"he_normal", 0, 0.1, INFINITY}, {"he_uniform", 0, 0.1, 0.173206},
              {"glorot_normal", 0, 0.0816497, INFINITY}, {"glorot_uniform", 0, 0.0816497, 0.141422},
              {"uniform(-1, 3)", 1, 1.154701, 3}, {"normal(2, 0.5)", 2, 0.5, INFINITY}, {"zeros", 0, 0, 0},
              {"ones", 1, 0, 1}, {"constant(-2.5)", -2.5, 0, 2.5}};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    lab l = lab_open(false, CY_F32, CY_SHAPE(1, IN));
    char text[80];
    double mean, deviation, low, high;
    snprintf(text, sizeof text, "dense(%d, init=%s)", OUT, rows[r].text);
    cy_value y = apply_text(l.net, l.x, text);
    lab_compile(&l, &y, 1, false);
    moments(cy_state_find(l.state, "dense1.weight"), &mean, &deviation, &low, &high);
    assert_near(rows[r].text, mean, rows[r].mean, 0.03);
    assert_near(rows[r].text, deviation, rows[r].deviation, 0.02 * rows[r].deviation + 1e-6);
    assert_true(fmax(fabs(low), fabs(high)) <= rows[r].bound);
    moments(cy_state_find(l.state, "dense1.bias"), &mean, &deviation, &low, &high);
    assert_true(low == 0 && high == 0);
    lab_close(&l);
  }
}

static void orthogonal_is_orthogonal(void **state) {
  (void)state;
  static const cy_shape shapes[] = {{2, {30, 30}}, {2, {17, 40}}, {2, {40, 17}}, {4, {8, 3, 5, 5}}, {2, {1, 6}}};
  for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
    cy_tensor *t;
    assert_ok(cy_tensor_create(CY_F64, shapes[k], &t));
    assert_ok(cy_initialize_tensor((cy_initializer){.kind = CY_INIT_ORTHOGONAL, .a = 2}, 3, "w", t));
    int64_t rows = shapes[k].dim[0], columns = cy_tensor_count(t) / rows;
    bool tall = rows > columns;
    int64_t count = tall ? columns : rows, length = tall ? rows : columns;
    for (int64_t i = 0; i < count; i++)
      for (int64_t j = 0; j < count; j++) {
        double sum = 0;
        for (int64_t m = 0; m < length; m++)
          sum += tall ? cy_tensor_at(t, m * columns + i) * cy_tensor_at(t, m * columns + j)
                      : cy_tensor_at(t, i * columns + m) * cy_tensor_at(t, j * columns + m);
        assert_near("orthogonal", sum, i == j ? 4 : 0, 1e-13);
      }
    cy_tensor_free(t);
  }
}

static void initialising_depends_on_names_only(void **state) {
  (void)state;
  lab a = lab_open(false, CY_F32, CY_SHAPE(1, 8)), b = lab_open(false, CY_F32, CY_SHAPE(1, 8));
  cy_value y = apply_text(a.net, a.x, "dense(5, name=first) -> dense(3, name=last)");
  cy_value z = apply_text(b.net, b.x, "dense(5, name=first) -> dense(5, name=between) -> dense(3, name=last)");
  lab_compile(&a, &y, 1, false);
  lab_compile(&b, &z, 1, false);
  static const char *const same[] = {"first.weight", "last.weight"};
  for (int k = 0; k < 2; k++) {
    cy_tensor *s = cy_state_find(a.state, same[k]), *t = cy_state_find(b.state, same[k]);
    assert_memory_equal(cy_tensor_data(s), cy_tensor_data(t), cy_tensor_bytes(s));
  }
  assert_true(cy_tensor_at(cy_state_find(b.state, "between.weight"), 0) !=
              cy_tensor_at(cy_state_find(b.state, "first.weight"), 0));
  lab_close(&a);
  lab_close(&b);
}

/* ---- losses: derivatives ---- */

static cy_value l_cross(cy_value x, cy_value t) { return cy_cross_entropy(x, t, (cy_cross_entropy_options){0}); }
static cy_value l_cross_sum(cy_value x, cy_value t) {
  return cy_cross_entropy(x, t, (cy_cross_entropy_options){.reduction = CY_LOSS_SUM});
}
static const double class_weights[] = {0.5, 2, 1, 0};
static cy_value l_cross_all(cy_value x, cy_value t) {
  return cy_cross_entropy(x, t, (cy_cross_entropy_options){.label_smoothing = 0.1, .class_weights = class_weights});
}
static cy_value l_cross_weighted(cy_value x, cy_value t) {
  return cy_cross_entropy(x, t, (cy_cross_entropy_options){.class_weights = class_weights});
}
static cy_value l_binary(cy_value x, cy_value t) { return cy_binary_cross_entropy(x, t, CY_LOSS_MEAN); }
static cy_value l_squared(cy_value x, cy_value t) { return cy_squared_error(x, t, (cy_regression_options){0}); }
static cy_value l_squared_sum(cy_value x, cy_value t) {
  return cy_squared_error(x, t, (cy_regression_options){.sum_elements = true});
}
static cy_value l_absolute(cy_value x, cy_value t) { return cy_absolute_error(x, t, (cy_regression_options){0}); }
static cy_value l_huber(cy_value x, cy_value t) { return cy_huber_loss(x, t, (cy_regression_options){.delta = 0.5}); }
static cy_value l_hinge(cy_value x, cy_value t) { return cy_hinge_loss(x, t, (cy_margin_options){.margin = 0.7}); }
static cy_value l_contrastive(cy_value x, cy_value t) { return cy_contrastive_loss(x, t, (cy_margin_options){0}); }
static cy_value l_pairs(cy_value x, cy_value t) { return mix(cy_pair_distance(x, t)); }

typedef struct loss_row {
  const char *name;
  cy_value (*loss)(cy_value x, cy_value labels);
  cy_dtype labels;      /* CY_F64: of the logits' shape */
  double scale, offset; /* of the labels: offset + scale * (0 or 1), or classes modulo 4 */
  double (*formula)(const double *x, const double *labels);
} loss_row;

enum { N = 5, K = 4 };

static double log_sum_exp(const double *x) {
  double sum = 0;
  for (int k = 0; k < K; k++) sum += exp(x[k]);
  return log(sum);
}
static double v_cross(const double *x, const double *t) {
  double sum = 0;
  for (int n = 0; n < N; n++) sum += log_sum_exp(x + n * K) - x[n * K + (int)t[n]];
  return sum / N;
}
static double v_cross_sum(const double *x, const double *t) { return N * v_cross(x, t); }
static double v_cross_soft(const double *x, const double *t) {
  double sum = 0;
  for (int i = 0; i < N * K; i++) sum += t[i] * (log_sum_exp(x + i / K * K) - x[i]);
  return sum / N;
}
/* As PyTorch's cross_entropy with weight and label_smoothing. */
static double v_cross_all(const double *x, const double *t) {
  double sum = 0, weights = 0;
  for (int n = 0; n < N; n++) {
    weights += class_weights[(int)t[n]];
    for (int k = 0; k < K; k++)
      sum += class_weights[k] * (0.9 * (k == (int)t[n]) + 0.1 / K) * (log_sum_exp(x + n * K) - x[n * K + k]);
  }
  return sum / weights;
}
static double v_cross_weighted(const double *x, const double *t) {
  double sum = 0, weights = 0;
  for (int n = 0; n < N; n++) {
    double w = class_weights[(int)t[n]];
    weights += w;
    sum += w * (log_sum_exp(x + n * K) - x[n * K + (int)t[n]]);
  }
  return sum / weights;
}
static double v_binary(const double *x, const double *t) {
  double sum = 0;
  for (int i = 0; i < N * K; i++) sum -= t[i] * log(f_sigmoid(x[i])) + (1 - t[i]) * log(1 - f_sigmoid(x[i]));
  return sum / (N * K);
}
static double v_squared_sum(const double *x, const double *t) {
  double sum = 0;
  for (int i = 0; i < N * K; i++) sum += (x[i] - t[i]) * (x[i] - t[i]);
  return sum / N;
}
static double v_squared(const double *x, const double *t) { return v_squared_sum(x, t) / K; }
static double v_absolute(const double *x, const double *t) {
  double sum = 0;
  for (int i = 0; i < N * K; i++) sum += fabs(x[i] - t[i]);
  return sum / (N * K);
}
static double v_huber(const double *x, const double *t) {
  double sum = 0;
  for (int i = 0; i < N * K; i++) {
    double e = fabs(x[i] - t[i]);
    sum += e <= 0.5 ? e * e / 2 : 0.5 * (e - 0.25);
  }
  return sum / (N * K);
}
static double v_hinge(const double *x, const double *t) {
  double sum = 0;
  for (int i = 0; i < N * K; i++) {
    int label = (int)t[i / K];
    if (i % K != label) sum += fmax(0, 0.7 + x[i] - x[i / K * K + label]);
  }
  return sum / N;
}
static double v_hinge_signs(const double *x, const double *t) {
  double sum = 0;
  for (int i = 0; i < N * K; i++) sum += fmax(0, 0.7 - t[i] * x[i]);
  return sum / (N * K);
}
static double v_contrastive(const double *x, const double *t) {
  double sum = 0;
  for (int i = 0; i < N * K; i++) sum += t[i] * x[i] + (1 - t[i]) * fmax(0, 1 - x[i]);
  return sum / (N * K);
}
static double v_pairs(const double *x, const double *t) {
  double sum = 0;
  for (int i = 0; i < N * K; i++) sum += cos(1 + i / K) * (x[i] - t[i]) * (x[i] - t[i]);
  return sum;
}

static const loss_row losses[] = {
    {"cross_entropy", l_cross, CY_I32, 0, 0, v_cross}, {"cross_entropy i64", l_cross, CY_I64, 0, 0, v_cross},
    {"cross_entropy sum", l_cross_sum, CY_I64, 0, 0, v_cross_sum},
    {"cross_entropy soft", l_cross, CY_F64, 0.5, 0.1, v_cross_soft},
    {"cross_entropy weights and smoothing", l_cross_all, CY_I64, 0, 0, v_cross_all},
    {"cross_entropy weights", l_cross_weighted, CY_I64, 0, 0, v_cross_weighted},
    {"binary_cross_entropy", l_binary, CY_F64, 0.7, 0.2, v_binary}, {"squared", l_squared, CY_F64, 1, 0, v_squared},
    {"squared, summed", l_squared_sum, CY_F64, 1, 0, v_squared_sum},
    {"absolute", l_absolute, CY_F64, 1, 0, v_absolute}, {"huber", l_huber, CY_F64, 1, 0, v_huber},
    {"hinge of classes", l_hinge, CY_I32, 0, 0, v_hinge}, {"hinge of signs", l_hinge, CY_F64, 2, -1, v_hinge_signs},
    {"contrastive", l_contrastive, CY_F64, 1, 0, v_contrastive}, {"pair_distance", l_pairs, CY_F64, 1, 0, v_pairs}};
enum { LOSSES = sizeof losses / sizeof *losses };

static void losses_match_formulas_and_differences(void **state) {
  (void)state;
  for (int r = 0; r < LOSSES; r++) {
    const loss_row *row = &losses[r];
    bool hard = row->labels != CY_F64;
    lab l = lab_open(true, CY_F64, CY_SHAPE(N, K));
    cy_shape shape = hard ? CY_SHAPE(N) : CY_SHAPE(N, K);
    assert_ok(cy_tensor_create(row->labels, shape, &l.labels));
    cy_value t = cy_input(l.graph, "labels", row->labels, shape);
    cy_value wanted[] = {l.x, t}, outputs[3] = {row->loss(l.x, t)};
    assert_ok(cy_graph_status(l.graph));
    assert_int_equal(cy_value_shape(outputs[0]).rank, 0);
    assert_ok(cy_grad(outputs[0], wanted, hard ? 1 : 2, outputs + 1));
    fill_random(l.input, 20 + (uint64_t)r, 1);
    for (int64_t i = 0; i < cy_tensor_count(l.labels); i++)
      cy_tensor_set(l.labels, i, hard ? (double)(i * 3 % K) : row->offset + row->scale * (double)(i * 7 % 3 == 1));
    double x[N * K], labels[N * K];
    for (int i = 0; i < N * K; i++) x[i] = cy_tensor_at(l.input, i);
    for (int64_t i = 0; i < cy_tensor_count(l.labels); i++) labels[i] = cy_tensor_at(l.labels, i);
    lab_compile(&l, outputs, hard ? 2 : 3, false);
    assert_near(row->name, cy_tensor_at(lab_run(&l, 0), 0), row->formula(x, labels), 1e-13);
    check_differences(&l, row->name, l.input, 1, 1e-8);
    if (!hard) check_differences(&l, row->name, l.labels, 2, 1e-8);
    lab_close(&l);
  }
}

static void losses_per_example(void **state) {
  (void)state;
  lab l = lab_open(true, CY_F32, CY_SHAPE(2, 3, 4, 5)); /* classes per pixel */
  cy_value t = cy_input(l.graph, "labels", CY_I64, CY_SHAPE(2, 4, 5));
  cy_cross_entropy_options each = {.reduction = CY_LOSS_PER_EXAMPLE};
  cy_value outputs[2] = {cy_cross_entropy(l.x, t, each), l_cross(l.x, t)};
  assert_true(cy_shape_equal(cy_value_shape(outputs[0]), CY_SHAPE(2, 4, 5)));
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(2, 4, 5), &l.labels));
  for (int i = 0; i < 40; i++) cy_tensor_set(l.labels, i, i % 3);
  fill_random(l.input, 3, 1);
  lab_compile(&l, outputs, 2, false);
  const cy_tensor *losses_out = lab_run(&l, 0);
  double mean = 0;
  for (int i = 0; i < 40; i++) {
    int n = i / 20, pixel = i % 20;
    double sum = 0;
    for (int k = 0; k < 3; k++) sum += exp(cy_tensor_at(l.input, (n * 3 + k) * 20 + pixel));
    double want = log(sum) - cy_tensor_at(l.input, (n * 3 + i % 3) * 20 + pixel);
    assert_near("per pixel", cy_tensor_at(losses_out, i), want, 1e-6);
    mean += want / 40;
  }
  assert_near("mean", cy_tensor_at(cy_session_output(l.session, 1), 0), mean, 1e-6);
  lab_close(&l);
}

static void loss_mistakes_are_explained(void **state) {
  (void)state;
  lab l = lab_open(true, CY_F32, CY_SHAPE(4, 3));
  l_cross(l.x, cy_input(l.graph, "labels", CY_I64, CY_SHAPE(5)));
  assert_string_equal(cy_graph_error(l.graph), "cross_entropy: scores f32 4x3 do not go with labels i64 5");
  lab_close(&l);
  l = lab_open(true, CY_F32, CY_SHAPE(4, 3));
  l_squared(l.x, cy_input(l.graph, "labels", CY_F32, CY_SHAPE(4, 1)));
  assert_string_equal(cy_graph_error(l.graph), "squared_error: predictions f32 4x3 do not go with targets f32 4x1");
  lab_close(&l);
}

/* ---- losses: extremes ---- */

/* The gradient of the mean cross-entropy is (softmax - one_hot) / N, also where logits are huge or masked. */
static void check_extremes(cy_dtype dtype, double smoothing, bool soft) {
  enum { ROWS = 6, CLASSES = 4 };
  static const double x[ROWS][CLASSES] = {{1e4, -1e4, 0, 1}, {-1e4, -1e4, -1e4, 1e4}, {-INFINITY, 2, 1, -INFINITY},
                                          {1e4, 1e4, -INFINITY, 1e4}, {-INFINITY, -INFINITY, -1e4, -INFINITY},
                                          {-1e4, 1e4, 1e4, -1e4}};
  static const int label[ROWS] = {1, 3, 1, 0, 2, 2};
  lab l = lab_open(true, dtype, CY_SHAPE(ROWS, CLASSES));
  cy_shape shape = soft ? CY_SHAPE(ROWS, CLASSES) : CY_SHAPE(ROWS);
  assert_ok(cy_tensor_create(soft ? dtype : CY_I32, shape, &l.labels));
  cy_value t = cy_input(l.graph, "labels", soft ? dtype : CY_I32, shape);
  cy_cross_entropy_options options = {.label_smoothing = smoothing};
  cy_value outputs[3] = {cy_cross_entropy(l.x, t, options)}, wanted[] = {l.x, t};
  assert_ok(cy_grad(outputs[0], wanted, soft ? 2 : 1, outputs + 1));
  for (int i = 0; i < ROWS * CLASSES; i++) cy_tensor_set(l.input, i, x[i / CLASSES][i % CLASSES]);
  for (int n = 0; n < ROWS; n++) cy_tensor_set(l.labels, soft ? n * CLASSES + label[n] : n, soft ? 1 : label[n]);
  lab_compile(&l, outputs, soft ? 3 : 2, false);
  assert_true(isfinite(cy_tensor_at(lab_run(&l, 0), 0)));
  for (int i = 0; i < ROWS * CLASSES; i++) {
    double largest = -INFINITY, sum = 0, open = 0, got = cy_tensor_at(cy_session_output(l.session, 1), i);
    for (int k = 0; k < CLASSES; k++) largest = fmax(largest, x[i / CLASSES][k]);
    for (int k = 0; k < CLASSES; k++) sum += exp(x[i / CLASSES][k] - largest);
    for (int k = 0; k < CLASSES; k++) open += x[i / CLASSES][k] > -INFINITY;
    double target = (1 - smoothing) * (label[i / CLASSES] == i % CLASSES);
    if (x[i / CLASSES][i % CLASSES] > -INFINITY) target += smoothing / open;
    assert_near("softmax - one_hot", got, (exp(x[i / CLASSES][i % CLASSES] - largest) / sum - target) / ROWS, 1e-6);
    if (soft) assert_true(isfinite(cy_tensor_at(cy_session_output(l.session, 2), i)));
  }
  lab_close(&l);
}

static void cross_entropy_survives_extremes(void **state) {
  (void)state;
  for (int k = 0; k < 8; k++) check_extremes(k & 1 ? CY_F64 : CY_F32, k & 2 ? 0.1 : 0, k & 4);
}

static void impossible_labels_are_noticed(void **state) {
  (void)state;
  lab l = lab_open(true, CY_F64, CY_SHAPE(4, 3));
  cy_value t = cy_input(l.graph, "labels", CY_I64, CY_SHAPE(4));
  cy_value y = cy_cross_entropy(l.x, t, (cy_cross_entropy_options){.reduction = CY_LOSS_PER_EXAMPLE});
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(4), &l.labels));
  static const int labels[] = {3, -1, 0, 1};
  for (int i = 0; i < 4; i++) cy_tensor_set(l.labels, i, labels[i]);
  cy_tensor_set(l.input, 6, -INFINITY);
  lab_compile(&l, &y, 1, false);
  const cy_tensor *out = lab_run(&l, 0);
  assert_true(isnan(cy_tensor_at(out, 0)) && isnan(cy_tensor_at(out, 1)));
  assert_true(cy_tensor_at(out, 2) == INFINITY); /* a label on a masked class */
  assert_near("sound", cy_tensor_at(out, 3), log(3), 1e-15);
  lab_close(&l);
}

static void binary_cross_entropy_survives_extremes(void **state) {
  (void)state;
  static const double x[] = {1e4, -1e4, 1e4, -1e4, -INFINITY, INFINITY, 0, 0, 50, -50};
  static const double t[] = {1, 0, 0, 1, 0, 1, 0, 1, 0.5, 0.25};
  static const double value[] = {0, 0, 1e4, 1e4, 0, 0, M_LN2, M_LN2, 25, 12.5};
  static const double slope[] = {0, 0, 1, -1, 0, 0, 0.5, -0.5, 0.5, -0.25};
  lab l = lab_open(true, CY_F64, CY_SHAPE(10));
  cy_value targets = cy_input(l.graph, "labels", CY_F64, CY_SHAPE(10)), outputs[2];
  outputs[0] = cy_binary_cross_entropy(l.x, targets, CY_LOSS_PER_EXAMPLE);
  assert_ok(cy_grad(cy_sum(outputs[0], NULL, 0, false), &l.x, 1, &outputs[1]));
  assert_ok(cy_tensor_create(CY_F64, CY_SHAPE(10), &l.labels));
  for (int i = 0; i < 10; i++) cy_tensor_set(l.input, i, x[i]);
  for (int i = 0; i < 10; i++) cy_tensor_set(l.labels, i, t[i]);
  lab_compile(&l, outputs, 2, false);
  lab_run(&l, 0);
  for (int i = 0; i < 10; i++) {
    assert_near("value", cy_tensor_at(cy_session_output(l.session, 0), i), value[i], 1e-14);
    assert_near("slope", cy_tensor_at(cy_session_output(l.session, 1), i), slope[i], 1e-14);
  }
  lab_close(&l);
}

static void every_loss_survives_huge_logits(void **state) {
  (void)state;
  for (int r = 0; r < LOSSES; r++) {
    bool hard = losses[r].labels != CY_F64;
    lab l = lab_open(true, CY_F32, CY_SHAPE(N, K));
    cy_shape shape = hard ? CY_SHAPE(N) : CY_SHAPE(N, K);
    cy_dtype dtype = hard ? losses[r].labels : CY_F32;
    cy_value t = cy_input(l.graph, "labels", dtype, shape), v = cy_ones_like(l.x), outputs[3];
    assert_ok(cy_tensor_create(dtype, shape, &l.labels));
    outputs[0] = losses[r].loss(l.x, t);
    assert_ok(cy_grad(outputs[0], &l.x, 1, outputs + 1));
    assert_ok(cy_hvp(outputs[0], &l.x, &v, 1, outputs + 2));
    for (int64_t i = 0; i < cy_tensor_count(l.labels); i++) cy_tensor_set(l.labels, i, (double)(i % 2));
    for (int i = 0; i < N * K; i++) cy_tensor_set(l.input, i, i % 3 == 0 ? 1e4 : i % 3 == 1 ? -1e4 : 0);
    lab_compile(&l, outputs, 3, false);
    assert_true(isfinite(cy_tensor_at(lab_run(&l, 0), 0)));
    for (int i = 0; i < N * K; i++) assert_true(isfinite(cy_tensor_at(cy_session_output(l.session, 1), i)));
    for (int i = 0; i < N * K; i++) assert_true(isfinite(cy_tensor_at(cy_session_output(l.session, 2), i)));
    lab_close(&l);
  }
}

/* ---- second derivatives ---- */

/* H v by forward over reverse against (g(x + h v) - g(x - h v)) / 2h, for every loss behind a small network. */
static void check_second(const loss_row *row) {
  const double h = 1e-5;
  bool hard = row->labels != CY_F64;
  lab l = lab_open(true, CY_F64, CY_SHAPE(N, K));
  cy_shape shape = hard ? CY_SHAPE(N) : CY_SHAPE(N, K);
  assert_ok(cy_tensor_create(row->labels, shape, &l.labels));
  cy_value t = cy_input(l.graph, "labels", row->labels, shape);
  cy_value v = cy_cos(cy_iota(l.graph, CY_F64, CY_SHAPE(N, K), 1));
  cy_value y = apply_text(l.net, l.x, "batch_norm -> softplus -> dense(4) -> swish(trainable=true) -> layer_norm");
  cy_value loss = row->loss(y, t), outputs[2];
  assert_ok(cy_grad(loss, &l.x, 1, &outputs[0]));
  assert_ok(cy_hvp(loss, &l.x, &v, 1, &outputs[1]));
  for (int64_t i = 0; i < cy_tensor_count(l.labels); i++)
    cy_tensor_set(l.labels, i, hard ? (double)(i * 3 % K) : row->offset + row->scale * (double)(i * 7 % 3 == 1));
  fill_random(l.input, 40, 1);
  lab_compile(&l, outputs, 2, false);
  double product[N * K], above[N * K], x[N * K];
  for (int i = 0; i < N * K; i++) x[i] = cy_tensor_at(l.input, i);
  lab_run(&l, 0);
  for (int i = 0; i < N * K; i++) product[i] = cy_tensor_at(cy_session_output(l.session, 1), i);
  for (int i = 0; i < N * K; i++) cy_tensor_set(l.input, i, x[i] + h * cos(i % K));
  lab_run(&l, 0);
  for (int i = 0; i < N * K; i++) above[i] = cy_tensor_at(cy_session_output(l.session, 0), i);
  for (int i = 0; i < N * K; i++) cy_tensor_set(l.input, i, x[i] - h * cos(i % K));
  lab_run(&l, 0);
  for (int i = 0; i < N * K; i++)
    assert_near(row->name, product[i], (above[i] - cy_tensor_at(cy_session_output(l.session, 0), i)) / (2 * h), 1e-7);
  lab_close(&l);
}

static void second_derivatives_match_differences(void **state) {
  (void)state;
  for (int r = 0; r < LOSSES; r++) check_second(&losses[r]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(layers_match_differences),
    cmocka_unit_test(activations_match_formulas),
    cmocka_unit_test(dead_zones_make_shrinkage),
    cmocka_unit_test(dense_multiplies),
    cmocka_unit_test(layer_norm_normalizes),
    cmocka_unit_test(batch_norm_has_the_closed_form_gradient),
    cmocka_unit_test(batch_norm_infers_with_running_statistics),
    cmocka_unit_test(shared_batch_norm_updates_twice),
    cmocka_unit_test(dropout_keeps_the_mean),
    cmocka_unit_test(branches_add_and_concatenate),
    cmocka_unit_test(parameters_are_counted),
    cmocka_unit_test(layers_have_names_and_shapes),
    cmocka_unit_test(models_share_when_applied_twice),
    cmocka_unit_test(penalties_sum_the_weights),
    cmocka_unit_test(mistakes_name_the_layer),
    cmocka_unit_test(initialisers_have_their_moments),
    cmocka_unit_test(orthogonal_is_orthogonal),
    cmocka_unit_test(initialising_depends_on_names_only),
    cmocka_unit_test(losses_match_formulas_and_differences),
    cmocka_unit_test(losses_per_example),
    cmocka_unit_test(loss_mistakes_are_explained),
    cmocka_unit_test(cross_entropy_survives_extremes),
    cmocka_unit_test(impossible_labels_are_noticed),
    cmocka_unit_test(binary_cross_entropy_survives_extremes),
    cmocka_unit_test(every_loss_survives_huge_logits),
    cmocka_unit_test(second_derivatives_match_differences),
};

int main(void) {
  static const char *const backends[] = {"reference", "cpu"};
  int failed = 0;
  for (int i = 0; i < 2; i++) {
    backend = backends[i];
    failed += cmocka_run_group_tests_name(backend, tests, NULL, NULL);
  }
  return failed;
}
