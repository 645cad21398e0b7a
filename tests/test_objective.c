/* Objectives: values, gradients and products of functions whose derivatives are known by hand; how they fail. */
#include "expect.h"

#include <cauchy/objective.h>

#include <cauchy/autodiff.h>
#include <cauchy/nn.h>
#include <cauchy/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void assert_near(double got, double want, double tolerance) {
  if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want)))) fail_msg("%.17g instead of %.17g", got, want);
}

/* ---- x^2 y + exp(z), of f64 and f32 variables ---- */

typedef struct fixture {
  cy_graph *graph;
  cy_objective *f;
} fixture;

static fixture open_polynomial(void) {
  fixture p = {0};
  OK(cy_graph_create(&p.graph));
  cy_value xy = cy_input(p.graph, "xy", CY_F64, CY_SHAPE(2)), z = cy_input(p.graph, "z", CY_F32, CY_SCALAR);
  cy_value x = cy_slice_axis(xy, 0, 0, 1), y = cy_slice_axis(xy, 0, 1, 2);
  cy_value loss = cy_add(cy_sum(cy_mul(cy_square(x), y), NULL, 0, false), cy_convert(cy_exp(z), CY_F64));
  const cy_value variables[] = {xy, z};
  OK(cy_objective_create((cy_objective_graph){.loss = loss, .variables = variables, .n = 2}, &p.f));
  return p;
}

static void values_gradients_and_products(void **state) {
  (void)state;
  fixture p = open_polynomial();
  cy_graph_free(p.graph); /* the objective has its own copy */
  const double x[] = {3, 5, 0.5}, v[] = {1, -2, 4};
  double value, gradient[3], product[3];
  assert_int_equal(cy_objective_size(p.f), 3);
  OK(cy_objective_product(p.f, CY_HESSIAN, x, v, product));
  OK(cy_objective_value(p.f, x, &value));
  assert_near(value, 45 + exp(0.5), 1e-6);
  OK(cy_objective_gradient(p.f, x, &value, gradient));
  assert_near(value, 45 + exp(0.5), 1e-6);
  const double slopes[] = {2 * 3 * 5, 9, exp(0.5)}, curved[] = {2 * 5 * 1 + 2 * 3 * -2, 2 * 3 * 1, exp(0.5) * 4};
  for (int i = 0; i < 3; i++) {
    assert_near(gradient[i], slopes[i], 1e-6);
    assert_near(product[i], curved[i], 1e-6);
  }
  assert_false(cy_objective_has(p.f, CY_GAUSS_NEWTON));
  FAILS(cy_objective_product(p.f, CY_GAUSS_NEWTON, x, v, product), CY_UNSUPPORTED, "gauss-newton");
  FAILS(cy_objective_start(p.f, product), CY_UNSUPPORTED, "stands nowhere");
  cy_objective_free(p.f);
}

static void numbers_that_are_not_finite_are_results(void **state) {
  (void)state;
  fixture p = {0};
  double value, gradient;
  OK(cy_graph_create(&p.graph));
  cy_value x = cy_input(p.graph, "x", CY_F64, CY_SCALAR);
  OK(cy_objective_create((cy_objective_graph){.loss = cy_log(x), .variables = &x, .n = 1}, &p.f));
  OK(cy_objective_value(p.f, (double[]){-1}, &value));
  assert_true(isnan(value));
  OK(cy_objective_gradient(p.f, (double[]){0}, &value, &gradient));
  assert_true(isinf(value) && isinf(gradient));
  cy_objective_free(p.f);
  cy_graph_free(p.graph);
}

/* ---- a network: x W, with squared error to targets, and a penalty on W ---- */

enum { SAMPLES = 5, INPUTS = 3, OUTPUTS = 2, WEIGHTS = INPUTS * OUTPUTS };

typedef struct network {
  cy_graph *graph;
  cy_tensor *x, *y;
  cy_objective *f;
  double at[WEIGHTS], v[WEIGHTS];
} network;

/* loss = mean over samples of 1/2 |tanh(x W) - y|^2, plus penalty / 2 |W|^2 */
static network open_network(double penalty, bool still) {
  network n = {0};
  OK(cy_graph_create(&n.graph));
  cy_value x = cy_input(n.graph, "x", CY_F64, CY_SHAPE(SAMPLES, INPUTS));
  cy_value y = cy_input(n.graph, "y", CY_F64, CY_SHAPE(SAMPLES, OUTPUTS));
  cy_value w = cy_variable(n.graph, "w", CY_F64, CY_SHAPE(INPUTS, OUTPUTS));
  cy_value output = cy_tanh(cy_matmul(x, w));
  cy_value losses = cy_mul_scalar(cy_sum(cy_square(cy_sub(output, y)), (int[]){1}, 1, false), 0.5);
  cy_value loss = cy_mean(losses, NULL, 0, false);
  loss = cy_add(loss, cy_mul_scalar(cy_sum(cy_square(w), NULL, 0, false), penalty / 2));
  OK(cy_objective_create(
      (cy_objective_graph){.loss = loss, .variables = &w, .n = 1, .output = output, .losses = losses, .still = still},
      &n.f));
  OK(cy_tensor_create(CY_F64, CY_SHAPE(SAMPLES, INPUTS), &n.x));
  OK(cy_tensor_create(CY_F64, CY_SHAPE(SAMPLES, OUTPUTS), &n.y));
  for (int i = 0; i < SAMPLES * INPUTS; i++) cy_tensor_set(n.x, i, sin(1 + 2.3 * i));
  for (int i = 0; i < SAMPLES * OUTPUTS; i++) cy_tensor_set(n.y, i, cos(2 + 1.7 * i));
  for (int i = 0; i < WEIGHTS; i++) n.at[i] = 0.4 * sin(3 + i), n.v[i] = cos(5 + i);
  return n;
}

static void close_network(network *n) {
  cy_objective_free(n->f);
  cy_tensor_free(n->x);
  cy_tensor_free(n->y);
  cy_graph_free(n->graph);
}

/* J' J v / SAMPLES, and the mean of g g' v, by loops. */
static void by_hand(const network *n, double penalty, double *gauss_newton, double *fisher) {
  for (int i = 0; i < WEIGHTS; i++) gauss_newton[i] = penalty * n->v[i], fisher[i] = 0;
  for (int s = 0; s < SAMPLES; s++) {
    double slope[OUTPUTS], tangent[OUTPUTS], residual[OUTPUTS], along = 0;
    for (int o = 0; o < OUTPUTS; o++) {
      double sum = 0, dsum = 0;
      for (int i = 0; i < INPUTS; i++) {
        double xi = cy_tensor_at(n->x, s * INPUTS + i);
        sum += xi * n->at[i * OUTPUTS + o];
        dsum += xi * n->v[i * OUTPUTS + o];
      }
      slope[o] = 1 - tanh(sum) * tanh(sum);
      tangent[o] = slope[o] * dsum;
      residual[o] = tanh(sum) - cy_tensor_at(n->y, s * OUTPUTS + o);
      along += residual[o] * tangent[o];
    }
    for (int i = 0; i < INPUTS; i++)
      for (int o = 0; o < OUTPUTS; o++) {
        double xi = cy_tensor_at(n->x, s * INPUTS + i);
        gauss_newton[i * OUTPUTS + o] += xi * slope[o] * tangent[o] / SAMPLES;
        fisher[i * OUTPUTS + o] += residual[o] * slope[o] * xi * along / SAMPLES;
      }
  }
}

static void gauss_newton_and_fisher_by_hand(void **state) {
  (void)state;
  for (int k = 0; k < 2; k++) {
    double penalty = k * 0.3, want_g[WEIGHTS], want_f[WEIGHTS], g[WEIGHTS], f[WEIGHTS];
    network n = open_network(penalty, false);
    by_hand(&n, penalty, want_g, want_f);
    OK(cy_objective_bind(n.f, "x", n.x));
    OK(cy_objective_bind(n.f, "y", n.y));
    OK(cy_objective_product(n.f, CY_GAUSS_NEWTON, n.at, n.v, g));
    OK(cy_objective_product(n.f, CY_EMPIRICAL_FISHER, n.at, n.v, f));
    for (int i = 0; i < WEIGHTS; i++) {
      assert_near(g[i], want_g[i], 1e-13);
      assert_near(f[i], want_f[i], 1e-13);
    }
    close_network(&n);
  }
}

static void inputs_can_be_bound_again(void **state) {
  (void)state;
  network n = open_network(0, false);
  double before, after, again, h[WEIGHTS];
  FAILS(cy_objective_value(n.f, n.at, &before), CY_INVALID, "not bound");
  OK(cy_objective_bind(n.f, "x", n.x));
  OK(cy_objective_bind(n.f, "y", n.y));
  OK(cy_objective_value(n.f, n.at, &before));
  OK(cy_objective_product(n.f, CY_HESSIAN, n.at, n.v, h)); /* more memory: sessions move */
  OK(cy_objective_value(n.f, n.at, &again));
  assert_true(before == again);
  OK(cy_objective_bind(n.f, "y", n.y));
  cy_tensor_set(n.y, 0, 7);
  OK(cy_objective_value(n.f, n.at, &after));
  assert_true(after > before);
  FAILS(cy_objective_bind(n.f, "z", n.x), CY_INVALID, "\"z\"");
  FAILS(cy_objective_bind(n.f, "w", n.x), CY_INVALID, "\"w\"");
  FAILS(cy_objective_bind(n.f, "y", n.x), CY_INVALID, "f64 5x2, but the tensor is f64 5x3");
  close_network(&n);
}

/* The same numbers as without, whatever comes between: another x, a gradient elsewhere, another binding. */
static void inputs_that_hold_still(void **state) {
  (void)state;
  network a = open_network(0.1, false), b = open_network(0.1, true);
  double x[2][WEIGHTS], p[WEIGHTS], q[WEIGHTS], value;
  cy_tensor *moved;
  for (int i = 0; i < WEIGHTS; i++) x[0][i] = a.at[i], x[1][i] = a.at[i] + 0.3 * cos(i);
  OK(cy_objective_bind(a.f, "x", a.x));
  OK(cy_objective_bind(a.f, "y", a.y));
  OK(cy_objective_bind(b.f, "x", b.x));
  OK(cy_objective_bind(b.f, "y", b.y));
  OK(cy_tensor_create(CY_F64, CY_SHAPE(SAMPLES, OUTPUTS), &moved));
  for (int step = 0; step < 24; step++) {
    const double *at = x[step / 2 % 2];
    cy_curvature matrix = (cy_curvature)(step % CY_CURVATURES);
    a.v[step % WEIGHTS] += 0.1;
    OK(cy_objective_product(a.f, matrix, at, a.v, p));
    OK(cy_objective_product(b.f, matrix, at, a.v, q));
    for (int i = 0; i < WEIGHTS; i++) assert_near(q[i], p[i], 1e-14);
    if (step % 5 == 0) OK(cy_objective_gradient(b.f, x[step % 2], &value, q));
    if (step != 12) continue;
    for (int i = 0; i < SAMPLES * OUTPUTS; i++) cy_tensor_set(moved, i, sin(i));
    OK(cy_objective_bind(a.f, "y", moved));
    OK(cy_objective_bind(b.f, "y", moved));
  }
  close_network(&a);
  close_network(&b);
  cy_tensor_free(moved);
}

static void costs_are_known(void **state) {
  (void)state;
  network n = open_network(0, false);
  cy_objective_cost value, gradient, product;
  OK(cy_objective_cost_of(n.f, CY_PASS_VALUE, &value));
  OK(cy_objective_cost_of(n.f, CY_PASS_GRADIENT, &gradient));
  OK(cy_objective_cost_of(n.f, CY_PASS_HESSIAN, &product));
  assert_true(value.flops > 0 && value.flops < gradient.flops && gradient.flops < product.flops);
  assert_true(product.arena_bytes > 0);
  FAILS(cy_objective_cost_of(n.f, (cy_objective_pass)17, &value), CY_INVALID, "17");
  close_network(&n);
}

static void mistakes_are_told(void **state) {
  (void)state;
  cy_graph *graph, *other;
  cy_objective *f;
  OK(cy_graph_create(&graph));
  OK(cy_graph_create(&other));
  cy_value x = cy_input(graph, "x", CY_F64, CY_SHAPE(2)), k = cy_input(graph, "k", CY_I64, CY_SCALAR);
  cy_value loss = cy_sum(cy_square(x), NULL, 0, false), twice[] = {x, x}, stranger = cy_scalar(other, CY_F64, 1);
  FAILS(cy_objective_create((cy_objective_graph){.loss = cy_square(x), .variables = &x, .n = 1}, &f), CY_INVALID,
               "scalar, not f64 2");
  FAILS(cy_objective_create((cy_objective_graph){.loss = loss}, &f), CY_INVALID, "nothing to vary");
  FAILS(cy_objective_create((cy_objective_graph){.loss = loss, .variables = twice, .n = 2}, &f), CY_INVALID, "twice");
  FAILS(cy_objective_create((cy_objective_graph){.loss = loss, .variables = &loss, .n = 1}, &f), CY_INVALID,
               "neither a variable nor an input");
  FAILS(cy_objective_create((cy_objective_graph){.loss = loss, .variables = &k, .n = 1}, &f), CY_INVALID, "\"k\" is i64");
  FAILS(cy_objective_create((cy_objective_graph){.loss = loss, .variables = &stranger, .n = 1}, &f), CY_INVALID,
               "different graphs");
  FAILS(cy_objective_create((cy_objective_graph){.loss = loss, .variables = &x, .n = 1, .output = x}, &f), CY_INVALID,
               "the output is the variable");
  FAILS(cy_objective_create((cy_objective_graph){.variables = &x, .n = 1}, &f), CY_INVALID, "no loss");
  assert_null(f);
  cy_graph_free(graph);
  cy_graph_free(other);
}

/* ---- functions of the caller's ---- */

static cy_status bowl(void *self, const double *x, double *value) {
  *value = *(double *)self * x[0] * x[0] / 2;
  return CY_OK;
}
static cy_status bowl_gradient(void *self, const double *x, double *value, double *gradient) {
  gradient[0] = *(double *)self * x[0];
  return bowl(self, x, value);
}

static void callers_have_their_own(void **state) {
  (void)state;
  cy_objective *f;
  double steepness = 3, value, gradient, out;
  cy_objective_cost cost;
  OK(cy_objective_of((cy_objective_methods){.value = bowl, .gradient = bowl_gradient}, &steepness, 1, &f));
  OK(cy_objective_gradient(f, (double[]){2}, &value, &gradient));
  assert_true(value == 6 && gradient == 6);
  assert_false(cy_objective_has(f, CY_HESSIAN));
  FAILS(cy_objective_product(f, CY_HESSIAN, &value, &value, &out), CY_UNSUPPORTED, "hessian");
  FAILS(cy_objective_product(f, (cy_curvature)9, &value, &value, &out), CY_INVALID, "number 9");
  FAILS(cy_objective_cost_of(f, CY_PASS_VALUE, &cost), CY_UNSUPPORTED, "cost");
  FAILS(cy_objective_bind(f, "x", NULL), CY_INVALID, "of graphs");
  cy_objective_free(f);
  FAILS(cy_objective_of((cy_objective_methods){.value = bowl}, NULL, 1, &f), CY_INVALID, "gradient");
  FAILS(cy_objective_of((cy_objective_methods){.value = bowl, .gradient = bowl_gradient}, NULL, 0, &f), CY_INVALID,
               "0 numbers");
}

/* ---- a model on a data set ---- */

static cy_dataset *digits(void) {
  cy_dataset *dataset;
  OK(cy_dataset_open("digits", (cy_dataset_options){0}, &dataset));
  return dataset;
}

static cy_objective *model_objective(const char *text, cy_dataset *dataset, cy_model_objective_options options) {
  cy_model *model;
  cy_objective *f;
  OK(cy_model_parse(text, "test", &model));
  OK(cy_model_objective_create(model, NULL, dataset, options, &f));
  cy_model_free(model);
  return f;
}

/* Products of both, along one direction. */
static void same_products(cy_objective *a, cy_objective *b, double tolerance) {
  int64_t n = cy_objective_size(a);
  double *x = malloc((size_t)n * sizeof *x), *v = malloc((size_t)n * sizeof *v), *p = malloc((size_t)n * sizeof *p),
         *q = malloc((size_t)n * sizeof *q), value_a, value_b;
  assert_true(x && v && p && q);
  assert_int_equal(cy_objective_size(b), n);
  OK(cy_objective_start(a, x));
  for (int64_t i = 0; i < n; i++) v[i] = sin(1 + 0.7 * (double)i);
  OK(cy_objective_gradient(a, x, &value_a, p));
  OK(cy_objective_gradient(b, x, &value_b, q));
  assert_near(value_a, value_b, tolerance);
  for (int64_t i = 0; i < n; i++) assert_near(p[i], q[i], tolerance);
  for (cy_curvature m = CY_HESSIAN; m < (cy_curvature)CY_CURVATURES; m++) {
    OK(cy_objective_product(a, m, x, v, p));
    OK(cy_objective_product(b, m, x, v, q));
    for (int64_t i = 0; i < n; i++) assert_near(p[i], q[i], tolerance);
  }
  free(x), free(v), free(p), free(q);
}

static void batches_add_up_to_the_whole(void **state) {
  (void)state;
  cy_dataset *dataset = digits();
  int64_t indices[50];
  for (int i = 0; i < 50; i++) indices[i] = 3 * i;
  cy_model_objective_options options = {.dtype = CY_F64, .indices = indices, .n = 50, .seed = 3, .l2 = 0.01};
  const char *text = "conv(4, 3) -> batch_norm -> tanh -> max_pool(2) -> dropout(0.5) -> dense(10)";
  cy_objective *whole = model_objective(text, dataset, options);
  options.batch_size = 16; /* 16, 16, 16, 2 */
  cy_objective *parts = model_objective(text, dataset, options);
  options.batch_size = 0;
  options.memory = 200000;
  cy_objective *small = model_objective(text, dataset, options);
  same_products(whole, parts, 1e-12);
  same_products(whole, small, 1e-12);
  cy_objective_cost cost_whole, cost_small;
  OK(cy_objective_cost_of(whole, CY_PASS_HESSIAN, &cost_whole));
  OK(cy_objective_cost_of(small, CY_PASS_HESSIAN, &cost_small));
  assert_true(cost_small.arena_bytes < cost_whole.arena_bytes);
  assert_true(cost_small.arena_bytes <= options.memory);
  options.memory = 0;
  options.dtype = CY_F32;
  cy_objective *narrow = model_objective(text, dataset, options);
  same_products(whole, narrow, 2e-5);
  cy_objective_free(whole);
  cy_objective_free(parts);
  cy_objective_free(small);
  cy_objective_free(narrow);
  cy_dataset_free(dataset);
}

/* Batch statistics and dropout take part, and stay the same from call to call. */
static void training_mode_is_a_function_too(void **state) {
  (void)state;
  cy_dataset *dataset = digits();
  int64_t indices[40];
  for (int i = 0; i < 40; i++) indices[i] = i;
  cy_model_objective_options options = {.dtype = CY_F64, .indices = indices, .n = 40, .training = true};
  const char *text = "dense(12) -> batch_norm -> relu -> dropout(0.5) -> dense(10)";
  cy_objective *f = model_objective(text, dataset, options);
  options.training = false;
  cy_objective *inference = model_objective(text, dataset, options);
  int64_t n = cy_objective_size(f);
  double *x = malloc((size_t)n * sizeof *x), *v = malloc((size_t)n * sizeof *v), *h = malloc((size_t)n * sizeof *h),
         *up = malloc((size_t)n * sizeof *up), *down = malloc((size_t)n * sizeof *down), value, again, other;
  assert_true(x && v && h && up && down);
  OK(cy_objective_start(f, x));
  OK(cy_objective_value(f, x, &value));
  OK(cy_objective_value(f, x, &again));
  OK(cy_objective_value(inference, x, &other));
  assert_true(value == again && fabs(value - other) > 1e-3);
  for (int64_t i = 0; i < n; i++) v[i] = cos(2 + 1.3 * (double)i);
  OK(cy_objective_product(f, CY_HESSIAN, x, v, h));
  for (int64_t i = 0; i < n; i++) x[i] += 1e-7 * v[i];
  OK(cy_objective_gradient(f, x, &value, up));
  for (int64_t i = 0; i < n; i++) x[i] -= 2e-7 * v[i];
  OK(cy_objective_gradient(f, x, &value, down));
  double error = 0, size = 0;
  for (int64_t i = 0; i < n; i++) {
    error += pow((up[i] - down[i]) / 2e-7 - h[i], 2);
    size += h[i] * h[i];
  }
  assert_true(sqrt(error / size) < 1e-5);
  free(x), free(v), free(h), free(up), free(down);
  cy_objective_free(f);
  cy_objective_free(inference);
  cy_dataset_free(dataset);
}

/* A trained model: its loss at its weights is that of cy_trained_evaluate, also with standardised targets. */
static void of_trained_models(void **state) {
  (void)state;
  const float inputs[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, targets[] = {100, 120, 160, 190, 210, 260, 280, 300, 330, 380};
  cy_tensor *x, *y;
  cy_dataset *dataset;
  cy_model *model;
  cy_trainer *trainer;
  cy_trained *trained;
  cy_objective *f;
  cy_metrics metrics;
  double at[64], value;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(10, 1), &x));
  OK(cy_tensor_create(CY_F32, CY_SHAPE(10, 1), &y));
  memcpy(cy_tensor_f32(x), inputs, sizeof inputs);
  memcpy(cy_tensor_f32(y), targets, sizeof targets);
  OK(cy_dataset_from_tensors("line", x, y, 0, 0, &dataset));
  OK(cy_model_parse("dense(4) -> tanh -> dense(1)", "test", &model));
  OK(cy_trainer_create(model, dataset, (cy_trainer_options){.epochs = 3, .l2 = 0.1}, &trainer));
  OK(cy_trainer_run(trainer));
  char path[] = "/tmp/cauchy-objective-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  OK(cy_trainer_save(trainer, path));
  OK(cy_trained_load(path, 1, NULL, &trained));
  OK(cy_trained_objective(trained, dataset, (cy_model_objective_options){.l2 = CY_EXACT_ZERO}, &f));
  assert_int_equal(cy_objective_size(f), 13);
  OK(cy_objective_start(f, at));
  OK(cy_objective_value(f, at, &value));
  OK(cy_trained_evaluate(trained, dataset, NULL, 0, &metrics));
  assert_near(value, metrics.loss, 1e-6);
  cy_objective_free(f);
  OK(cy_trained_objective(trained, dataset, (cy_model_objective_options){0}, &f));
  OK(cy_objective_value(f, at, &value));
  assert_true(value > metrics.loss);
  cy_objective_free(f);
  unlink(path);
  cy_metrics_clear(&metrics);
  cy_trained_free(trained);
  cy_trainer_free(trainer);
  cy_model_free(model);
  cy_dataset_free(dataset);
  cy_tensor_free(x);
  cy_tensor_free(y);
}

static bool stop_at_second(int64_t done, int64_t batches, void *user) {
  assert_int_equal(batches, 4);
  *(int64_t *)user = done;
  return done < 2;
}

static void models_that_do_not_fit(void **state) {
  (void)state;
  cy_dataset *dataset = digits();
  cy_model *model, *fits;
  cy_objective *f;
  cy_state *empty;
  int64_t wrong = 9999, done = 0;
  double value, *at;
  OK(cy_model_parse("dense(7)", "test", &model));
  OK(cy_model_parse("dense(10)", "test", &fits));
  OK(cy_state_create(&empty));
  OK(cy_state_allocate(empty));
  FAILS(cy_model_objective_create(model, NULL, dataset, (cy_model_objective_options){0}, &f), CY_INVALID, "10 classes");
  assert_null(f);
  FAILS(cy_model_objective_create(fits, NULL, dataset, (cy_model_objective_options){.indices = &wrong, .n = 1}, &f),
               CY_INVALID, "no sample 9999");
  FAILS(cy_model_objective_create(fits, NULL, dataset, (cy_model_objective_options){.indices = &wrong}, &f), CY_INVALID,
               "no samples");
  FAILS(cy_model_objective_create(fits, NULL, dataset, (cy_model_objective_options){.loss = "msee"}, &f), CY_INVALID,
               "mse");
  FAILS(cy_model_objective_create(fits, NULL, dataset, (cy_model_objective_options){.dtype = CY_I32}, &f), CY_INVALID,
               "i32");
  FAILS(cy_model_objective_create(fits, empty, dataset, (cy_model_objective_options){0}, &f), CY_INVALID,
               "no tensor \"dense1.weight\"");
  cy_model_objective_options options = {.batch_size = 500, .on_batch = stop_at_second, .user = &done};
  OK(cy_model_objective_create(fits, NULL, dataset, options, &f));
  at = calloc((size_t)cy_objective_size(f), sizeof *at);
  assert_non_null(at);
  FAILS(cy_objective_value(f, at, &value), CY_CANCELLED, "batch 2 of 4");
  assert_int_equal(done, 2);
  free(at);
  cy_objective_free(f);
  cy_state_free(empty);
  cy_model_free(model);
  cy_model_free(fits);
  cy_dataset_free(dataset);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_gradients_and_products),
      cmocka_unit_test(numbers_that_are_not_finite_are_results),
      cmocka_unit_test(gauss_newton_and_fisher_by_hand),
      cmocka_unit_test(inputs_can_be_bound_again),
      cmocka_unit_test(inputs_that_hold_still),
      cmocka_unit_test(costs_are_known),
      cmocka_unit_test(mistakes_are_told),
      cmocka_unit_test(callers_have_their_own),
      cmocka_unit_test(batches_add_up_to_the_whole),
      cmocka_unit_test(training_mode_is_a_function_too),
      cmocka_unit_test(of_trained_models),
      cmocka_unit_test(models_that_do_not_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
