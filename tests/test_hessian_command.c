/* `cauchy hessian` as people meet it: the coursework's network (A3.2) with its size and cost, eigenvalues that are
 * those of the whole matrix, pictures, differences with their two branches (A3.4), models with their own data; and
 * bad input in one line. */
#include "expect.h"
#include "report.h"

#include "cauchy_config.h"

#include <cauchy.h>
#include <math.h>

static double eigenvalue(json_t *report, const char *end, size_t i, const char *key) {
  return number_of(json_array_get(json_object_get(report, end), i), key);
}

static void write_vector(const char *path, int64_t n, double value) {
  cy_tensor *v;
  OK(cy_tensor_create(CY_F64, CY_SHAPE(n), &v));
  for (int64_t i = 0; i < n; i++) cy_tensor_set(v, i, value * (i % 3 - 1));
  OK(cy_npy_save(v, path));
  cy_tensor_free(v);
}

/* ---- the course ---- */

/* A3.2: 284 682 parameters; the matrix would weigh 324 GB in float32. A3.6: a product costs a few gradients. */
static void the_network_of_the_course(void **state) {
  (void)state;
  const char *text = succeed("hessian 'dense(512) -> relu -> dense(512) -> relu -> dense(10)' --input 32 --samples 64 "
                             "--eigenvalues 1 --probes 4");
  assert_holds(text, "284 682 x 284 682: 324 GB in float32; only products are formed");
  assert_holds(text, "64 random samples");
  assert_holds(text, "of a gradient's");
  assert_holds(text, "1 / lambda = ");
  assert_holds(text, "2 / lambda = ");
  json_t *report = report_of("hessian 'dense(512) -> relu -> dense(512) -> relu -> dense(10)' --input 32 --samples 64 "
                             "--eigenvalues 1 --probes 4 --json");
  json_t *product = json_object_get(report, "product"), *gradient = json_object_get(report, "gradient");
  assert_true(number_of(report, "parameters") == 284682);
  assert_true(number_of(product, "operations") <= 2.5 * number_of(gradient, "operations"));
  assert_true(number_of(product, "bytes") <= 2.5 * number_of(gradient, "bytes"));
  double largest = eigenvalue(report, "largest", 0, "value");
  assert_true(fabs(number_of(report, "best_step") * largest - 1) < 1e-9);
  assert_true(fabs(number_of(report, "largest_step") * largest - 2) < 1e-9);
  assert_true(json_is_true(json_object_get(report, "converged")));
  json_decref(report);
}

/* A3.4: the error falls with r until round-off, and both branches are straight in logarithms. */
static void differences_of_the_course(void **state) {
  (void)state;
  json_t *report = report_of("hessian 'dense(8) -> tanh -> dense(3)' --data iris --differences --json"), *row;
  double best = number_of(report, "best_r"), least = INFINITY, at[60], error[60];
  size_t i, n = json_array_size(json_object_get(report, "differences"));
  assert_int_equal(n, 57);
  json_array_foreach(json_object_get(report, "differences"), i, row) {
    at[i] = number_of(row, "r");
    error[i] = number_of(row, "error");
    least = fmin(least, error[i]);
  }
  assert_true(best > 1e-9 && best < 1e-5 && least < 1e-6);
  assert_true(fabs(log10(error[48] / error[40]) / log10(at[48] / at[40]) - 1) < 0.05); /* r from 1e-4 to 1e-2 */
  assert_true(fabs(log10(error[16] / error[4]) / log10(at[16] / at[4]) + 1) < 0.2);    /* r from 1e-13 to 1e-10 */
  json_decref(report);
}

/* ---- agreement with the whole matrix ---- */

static double quadratic(const double *matrix, const double *v, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) sum += v[i] * matrix[i * n + j] * v[j];
  return sum;
}

static void eigenvalues_are_those_of_the_matrix(void **state) {
  (void)state;
  json_t *report = report_of("hessian 'dense(4) -> tanh -> dense(3)' --data iris --full h.npy --dtype f64 --eigenvalues 35 "
                             "--probes 2000 --trace --seed 3 --json");
  cy_tensor *matrix;
  OK(cy_npy_load("h.npy", &matrix));
  int64_t n = (int64_t)number_of(report, "parameters");
  assert_int_equal(n, 4 * 4 + 4 + 4 * 3 + 3);
  const double *h = cy_tensor_f64(matrix);
  assert_true(h && cy_shape_equal(cy_tensor_shape(matrix), CY_SHAPE(n, n)));
  /* Traces of the matrix and of its square are sums over the spectrum. */
  double trace = 0, square = 0, sum = 0, squares = 0, blocks = 0;
  size_t count = json_array_size(json_object_get(report, "smallest")), i;
  for (int64_t k = 0; k < n; k++) trace += h[k * n + k];
  for (int64_t k = 0; k < n * n; k++) square += h[k] * h[k];
  assert_int_equal(count, (size_t)n);
  for (i = 0; i < count; i++) {
    double value = eigenvalue(report, "smallest", i, "value");
    sum += value;
    squares += value * value;
  }
  assert_true(fabs(sum - trace) < 1e-11 && fabs(squares - square) < 1e-11);
  double *v = calloc((size_t)n, sizeof *v), largest = eigenvalue(report, "largest", 0, "value");
  assert_non_null(v);
  for (int64_t k = 0; k < n; k++) {
    v[k] = 1;
    assert_true(quadratic(h, v, n) <= largest);
    v[k] = 0;
  }
  free(v);
  assert_true(fabs(number_of(report, "trace") - trace) < 4 * number_of(report, "trace_error"));
  json_t *block;
  json_array_foreach(json_object_get(report, "trace_by_tensor"), i, block) blocks += number_of(block, "trace");
  assert_true(fabs(blocks - number_of(report, "trace")) < 1e-9);
  assert_true(number_of(report, "asymmetry") < 1e-14);
  cy_tensor_free(matrix);
  json_decref(report);
}

/* ---- models with data ---- */

static void saved_models_find_their_data(void **state) {
  (void)state;
  succeed("train iris epochs=5 --quiet");
  const char *text = succeed(CY_HAVE_CAIRO ? "hessian runs/iris-1 --density --differences --trace --out pictures"
                                           : "hessian runs/iris-1 --density --differences --trace");
  assert_holds(text, "saved weights, cross_entropy in f32");
  assert_holds(text, "108 of 108 training samples of iris");
  assert_holds(text, "share of the eigenvalues");
  assert_holds(text, "about the best");
  assert_holds(text, "dense2.bias");
  if (CY_HAVE_CAIRO) {
    assert_holds(text, "pictures in pictures");
    assert_int_equal(access("pictures/density.png", R_OK), 0);
    assert_int_equal(access("pictures/density.svg", R_OK), 0);
    assert_int_equal(access("pictures/differences.png", R_OK), 0);
    assert_int_equal(access("pictures/differences.svg", R_OK), 0);
  }
  assert_holds(succeed("hessian runs/iris-1 --samples 30 --batch 7 --matrix gauss-newton --dtype f64"),
               "30 of 108 training samples");
  json_t *whole = report_of("hessian runs/iris-1 --dtype f64 --json"),
         *parts = report_of("hessian runs/iris-1 --dtype f64 --batch 17 --json"),
         *other = report_of("hessian runs/iris-1 --dtype f64 --data iris --json");
  assert_true(fabs(eigenvalue(whole, "largest", 0, "value") - eigenvalue(parts, "largest", 0, "value")) < 1e-10);
  assert_true(number_of(other, "samples") == 150);
  json_decref(whole);
  json_decref(parts);
  json_decref(other);
  json_t *fisher = report_of("hessian runs/iris-1 --matrix fisher --json");
  assert_true(eigenvalue(fisher, "smallest", 0, "value") > -1e-5);
  json_decref(fisher);
}

static void recipes_and_images(void **state) {
  (void)state;
  assert_holds(succeed("hessian iris"), "108 of 108 training samples of iris"); /* as training splits them */
  assert_holds(succeed("hessian 'conv(4, 3) -> batch_norm -> relu -> flatten -> dense(10)' --data digits --samples 50 --training "
                       "--eigenvalues 1 --probes 3"), "as in training");
  assert_holds(succeed("hessian 'dense(4) -> tanh -> dense(2)' --input 3 --loss mse --samples 20"), "mse");
}

/* ---- bad input ---- */

static void bad_input_is_refused_in_one_line(void **state) {
  (void)state;
  refuse("hessian 'dense(3)'", "--input");
  refuse("hessian runs/nothing", "no such file");
  refuse("hessian 'relu' --input 4", "no parameters");
  refuse("hessian 'dense(7)' --data iris", "3 classes");
  refuse("hessian 'dense(3)' --data iris --input 5", "--input is 5, but samples of \"iris\" are 4");
  refuse("hessian 'dense(3)' --data nowhere.csv", "nowhere.csv");
  refuse("hessian iris --matrix hesian", "did you mean \"hessian\"");
  refuse("hessian iris --matrix fisher --differences", "--differences");
  refuse("hessian iris --dtype f16", "f16");
  refuse("hessian iris --loss foo", "unknown loss");
  refuse("hessian iris --samples 0", "--samples");
  refuse("hessian 'dense(512) -> relu -> dense(512) -> relu -> dense(10)' --input 32 --full h.npy", "648 GB");
  write_vector("short.npy", 12, 1);
  write_vector("zero.npy", 15, 0);
  refuse("hessian 'dense(3)' --data iris --direction short.npy", "holds 12 numbers, but the model has 15 parameters");
  refuse("hessian 'dense(3)' --data iris --direction zero.npy", "is zero");
  refuse("hessian 'dense(3)' --data iris --direction none.npy", "none.npy");
  refuse("hessian 'dense(8, init=constant(1e38)) -> dense(3)' --data iris", "there is no curvature to speak of");
}

/* Before the work, and without leaving anything. */
static void results_that_cannot_be_written(void **state) {
  (void)state;
  write_file("plain", "");
  assert_int_equal(mkdir("folder", 0777), 0);
  refuse("hessian 'dense(3)' --data iris --full nowhere/h.npy", "nowhere: No such file");
  refuse("hessian 'dense(3)' --data iris --full plain/h.npy", "plain is no folder");
  refuse("hessian 'dense(3)' --data iris --full folder", "is a folder");
  refuse("hessian 'dense(3)' --data iris --out plain/pictures", "plain/pictures");
}

/* Lengths whose squares are no numbers; a length that takes every r too far. */
static void directions_of_any_length(void **state) {
  (void)state;
  write_vector("small.npy", 15, 1e-200);
  write_vector("huge.npy", 24, 1e300);
  json_t *report = report_of("hessian 'dense(3)' --data iris --direction small.npy --json"), *row;
  size_t i;
  json_array_foreach(json_object_get(report, "differences"), i, row) /* too short to be seen, at every r */
    assert_true(number_of(row, "error") == 1);
  json_decref(report);
  refuse("hessian 'dense(3) -> dense(3)' --input 3 --loss mse --direction huge.npy", "no gradient is finite");
}

/* A sum of absolute values of a linear network has no curvature. */
static void a_function_without_curvature(void **state) {
  (void)state;
  const char *text = succeed("hessian 'dense(4)' --input 3 --loss mae --density");
  assert_holds(text, "no positive curvature");
  assert_null(strstr(text, "-0"));
}

/* Numbers to predict are standardised as a training does: in any unit the curvature is the same, and that of a recipe is
 * that of the training's start. */
static void numbers_in_any_unit(void **state) {
  (void)state;
  double value[3];
  FILE *small = fopen("small.csv", "wb"), *large = fopen("large.csv", "wb");
  assert_true(small && large);
  fprintf(small, "a,y\n");
  fprintf(large, "a,y\n");
  for (int i = 0; i < 40; i++) {
    fprintf(small, "%d,%.2f\n", i, i * i % 17 + 0.25);
    fprintf(large, "%d,%.2f\n", i, 1000000.5 + 4096 * (i * i % 17));
  }
  assert_true(fclose(small) == 0 && fclose(large) == 0);
  static const char *const lines[] = {
      "hessian 'dense(4) -> tanh -> dense(1)' --data small.csv --loss mse --dtype f64 --full a.npy --json",
      "hessian 'dense(4) -> tanh -> dense(1)' --data large.csv --loss mse --dtype f64 --full b.npy --json",
      "hessian r.yaml --dtype f64 --json"};
  write_file("r.yaml", "data: small.csv\ntask: regress\nscale: none\nmodel: dense(4) -> tanh -> dense(1)\n");
  for (int i = 0; i < 3; i++) {
    json_t *report = report_of(lines[i]);
    value[i] = number_of(report, "value");
    json_decref(report);
  }
  assert_true(fabs(value[0] - value[1]) < 1e-6 * value[0] && value[0] < 10);
  assert_true(value[2] > 20); /* unscaled: mean square of 0..16 */
}

/* With --training, batches are those of the training: batch normalisation makes them part of the function. */
static void batches_of_the_training(void **state) {
  (void)state;
  static const char *const lines[] = {"hessian runs/iris-1 --training --json",
                                      "hessian runs/iris-1 --training --batch 20 --json",
                                      "hessian runs/iris-1 --training --batch 64 --json"};
  double values[3];
  succeed("train iris 'model=dense(5) -> batch_norm -> tanh -> dense(3)' epochs=2 batch=20 --quiet");
  for (int i = 0; i < 3; i++) {
    json_t *report = report_of(lines[i]);
    values[i] = number_of(report, "value");
    json_decref(report);
  }
  assert_true(values[0] == values[1] && values[0] != values[2]);
}

static void models_without_their_data(void **state) {
  (void)state;
  write_file("points.csv", "a,b,label\n1,2,x\n2,1,y\n3,5,x\n4,2,y\n5,9,x\n6,3,y\n7,8,x\n8,1,y\n9,9,x\n2,2,y\n");
  succeed("train points.csv epochs=2 --quiet");
  assert_int_equal(rename("points.csv", "away.csv"), 0);
  refuse("hessian runs/points-1", "(--data DATA names others)");
  assert_holds(succeed("hessian runs/points-1 --data away.csv"), "samples of away");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_network_of_the_course, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(differences_of_the_course, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(eigenvalues_are_those_of_the_matrix, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(saved_models_find_their_data, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(recipes_and_images, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(bad_input_is_refused_in_one_line, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(results_that_cannot_be_written, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(directions_of_any_length, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(a_function_without_curvature, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(numbers_in_any_unit, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(batches_of_the_training, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(models_without_their_data, enter_folder, leave_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
