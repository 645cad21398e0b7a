/* `cauchy check` as people meet it: right networks pass, with the figures of coursework A1.3, A1.4, B.V and D; a broken saved
 * model exits with 1 and its layer is named; what cannot be checked is refused in one line. */
#include "expect.h"
#include "report.h"

#include <cauchy.h>
#include <math.h>

/* The first row of a check, by layer (NULL: any) and subject (NULL: any). */
static json_t *row_of(json_t *report, const char *check, const char *layer, const char *subject) {
  json_t *row;
  size_t i;
  json_array_foreach(json_object_get(report, "checks"), i, row) {
    if (strcmp(json_string_value(json_object_get(row, "check")), check) != 0) continue;
    if (layer && strcmp(json_string_value(json_object_get(row, "layer")), layer) != 0) continue;
    if (!subject || strcmp(json_string_value(json_object_get(row, "subject")), subject) == 0) return row;
  }
  fail_msg("no row %s %s %s", check, layer ? layer : "", subject ? subject : "");
  return NULL;
}

static double error_of(json_t *row) { return json_number_value(json_object_get(row, "error")); }
static const char *text_of(json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

/* ---- the course ---- */

/* B.V: equivariant away from the border, which is as wide as the receptive fields say; B.III's network. */
static void translation_equivariance_of_the_course(void **state) {
  (void)state;
  json_t *report = read_report(succeed(
      "check 'conv(4, 3, stride=2, pad=half) -> relu -> conv(4, 5, pad=half) -> relu -> max_pool(2) -> conv(4, 3, pad=half)"
      " -> relu -> max_pool(2) -> conv(4, 3, pad=half) -> relu -> flatten -> dense(10)' --input 1x28x28 --json"));
  json_t *row = row_of(report, "translation equivariance", NULL, "height");
  assert_string_equal(text_of(row, "result"), "passed");
  assert_true(error_of(row) < 1e-12);
  assert_string_equal(text_of(row, "layer"), "relu4");
  assert_holds(text_of(row, "note"), "shifted by 8: border of 3 and 2 of 14 units (computed 3 and 2)");
  json_decref(report);
  assert_holds(succeed("check 'conv(1, 3)' --input 1x9x9 --loss mse"), "border of 0 and 0 of 9 units (computed 0 and 0)");
}

/* A1.3: softmax(x + c) = softmax(x); A1.4: log-softmax at +-1e4 and -inf, values and gradients. */
static void softmax_of_the_course(void **state) {
  (void)state;
  json_t *report = read_report(succeed("check 'dense(7)' --input 3 --json"));
  assert_true(error_of(row_of(report, "softmax translation", NULL, "log_softmax")) < 1e-10);
  assert_true(error_of(row_of(report, "softmax translation", NULL, "softmax")) < 1e-11);
  assert_true(error_of(row_of(report, "extreme outputs", NULL, "f64")) < 1e-14);
  json_t *row = row_of(report, "extreme outputs", NULL, "f32");
  assert_true(error_of(row) < 1e-6);
  assert_holds(text_of(row, "note"), "-inf: finite, and as computed in long double");
  json_decref(report);
}

/* D: every gradient of the network with one hidden layer agrees with differences. */
static void gradients_of_the_course(void **state) {
  (void)state;
  static const char *const names[] = {"dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias", "input"};
  json_t *report = read_report(succeed("check 'dense(16) -> relu -> dense(4)' --input 6 --coordinates 20 --json"));
  for (int i = 0; i < 5; i++) {
    json_t *row = row_of(report, "gradient", NULL, names[i]);
    assert_true(error_of(row) < 1e-6);
    assert_true(json_integer_value(json_object_get(row, "compared")) >= 4);
  }
  assert_true(error_of(row_of(report, "Hessian symmetry", NULL, NULL)) < 1e-12);
  assert_true(error_of(row_of(report, "Jacobian transpose", NULL, NULL)) < 1e-12);
  assert_int_equal(json_integer_value(json_object_get(report, "failed")), 0);
  json_decref(report);
}

/* C.I: dgamma = sum dy xhat, dbeta = sum dy, and dx, to the last digits, of images and of vectors. */
static void batch_normalisation_of_the_course(void **state) {
  (void)state;
  json_t *report = read_report(succeed(
      "check 'conv(3, 3) -> batch_norm -> relu -> flatten -> dense(6) -> batch_norm(0.1) -> dense(4)' --input 1x6x6 --json"));
  static const char *const layers[] = {"batch_norm1", "batch_norm2"};
  for (int i = 0; i < 2; i++) {
    json_t *row = row_of(report, "batch_norm closed form", layers[i], layers[i]);
    assert_string_equal(text_of(row, "result"), "passed");
    assert_string_equal(text_of(row, "mode"), "training");
    assert_int_equal(json_integer_value(json_object_get(row, "compared")), 3); /* by input, scale and shift */
    assert_true(json_is_number(json_object_get(row, "error")) && error_of(row) <= 1e-12);
  }
  json_decref(report);
  assert_holds(succeed("check 'dense(6) -> batch_norm -> dense(3)' --input 5"), "batch_norm closed form    batch_norm1");
}

static void tables_show_layers_gradients_and_the_network(void **state) {
  (void)state;
  const char *out = succeed("check 'conv(3, 3) -> batch_norm -> relu -> flatten -> dense(4)' --input 1x6x6");
  const char *parts[] = {"input 1x6x6, random weights, random samples, f64", "batch_norm1  training", "conv1.weight",
                         "Jacobian transpose", "softmax translation", "0 failed, 0 skipped"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_holds(out, parts[i]);
}

/* ---- saved models ---- */

/* A copy of the model in which one number of this parameter is a NaN. */
static void break_model(const char *from, const char *name, const char *to) {
  cy_trained *trained;
  cy_safetensors *file;
  OK(cy_trained_load(from, 1, NULL, &trained));
  OK(cy_safetensors_open(from, &file));
  int n = cy_safetensors_metadata_count(file);
  cy_metadata *metadata = calloc((size_t)n, sizeof *metadata);
  assert_non_null(metadata);
  for (int i = 0; i < n; i++) metadata[i] = cy_safetensors_metadata_at(file, i);
  cy_tensor_set(cy_state_find(cy_trained_state(trained), name), 3, NAN);
  OK(cy_state_save(cy_trained_state(trained), CY_MODEL_ROLES, metadata, n, to));
  free(metadata);
  cy_safetensors_close(file);
  cy_trained_free(trained);
}

static void a_trained_model_passes_and_a_broken_one_is_named(void **state) {
  (void)state;
  succeed("train digits epochs=1 --out run --quiet 'model=dense(12) -> relu -> dense(10)'");
  const char *out = succeed("check run");
  assert_holds(out, "saved weights, digits samples");
  assert_holds(succeed("check run --random"), "saved weights, random samples");
  break_model("run/model.safetensors", "dense2.weight", "broken.safetensors");
  const outcome *o = run("check broken.safetensors");
  assert_int_equal(o->exit_code, 1);
  assert_holds(o->err, "cauchy: check failed: dense2: layer derivative by ");
  assert_holds(o->out, "FAILED");
  o = run("check broken.safetensors --json");
  assert_int_equal(o->exit_code, 1);
  json_t *report = read_report(o->out);
  assert_string_equal(text_of(report, "failing_layer"), "dense2");
  assert_string_equal(text_of(row_of(report, "layer derivative", "dense1", NULL), "result"), "passed");
  assert_string_equal(text_of(row_of(report, "layer derivative", "dense2", NULL), "result"), "failed");
  json_decref(report);
}

static void recipes_and_files_are_checked(void **state) {
  (void)state;
  assert_holds(succeed("check iris"), "random weights");
  write_file("net.txt", "# a file\nconv(2, 3) -> tanh -> global_avg_pool -> dense(3)\n");
  assert_holds(succeed("check net.txt --input 1x7x7 --batch 2 --seed 5 --threads 2"), "0 failed");
}

/* ---- how much is done ---- */

static void large_networks_are_checked_less_or_refused(void **state) {
  (void)state;
  assert_holds(succeed("check 'dense(3)' --input 4"), "4 samples; per tensor 2 random directions and 3 coordinates\n");
  const char *out = succeed("check 'avg_pool(16) -> conv(2, 8) -> global_avg_pool -> dense(2)' --input 1x1024x1024");
  assert_holds(out, "\n2 samples; per tensor ");
  assert_holds(out, "less than usual, as the network is large");
  json_t *report = read_report(succeed("check 'dense(3)' --input 4 --batch 3 --coordinates 2 --json"));
  assert_int_equal(json_integer_value(json_object_get(report, "batch")), 3);
  assert_int_equal(json_integer_value(json_object_get(report, "directions")), 2);
  assert_int_equal(json_integer_value(json_object_get(report, "coordinates")), 2);
  assert_true(json_is_false(json_object_get(report, "reduced")));
  json_decref(report);
  refuse("check 'conv(8, 3) -> global_avg_pool -> dense(2)' --input 3x1000000x1000000", "GB of memory, but");
  refuse("check 'dense(10000000) -> dense(10000000)' --input 10000000", "GB of memory");
  refuse("check '20 * conv(512, 3, pad=1) -> global_avg_pool -> dense(2)' --input 3x32x32", "a smaller input or batch");
}

/* ---- what is refused ---- */

static void what_cannot_be_checked_is_said(void **state) {
  (void)state;
  refuse("check 'dense(3)'", "--input");
  refuse("check 'dense(3)' --input 4 --loss crossentropy", "unknown loss \"crossentropy\"");
  refuse("check 'dense(3)' --input 4 --batch 0", "--batch");
  refuse("check 'conv(3, 9) -> flatten -> dense(2)' --input 1x4x4", "conv1");
  refuse("check 'dens(3)' --input 4", "did you mean \"dense\"");
  refuse("check nowhere/run", "nowhere/run");
  refuse("check", "MODEL");
}

#define in_a_folder(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_a_folder(translation_equivariance_of_the_course),
      in_a_folder(softmax_of_the_course),
      in_a_folder(gradients_of_the_course),
      in_a_folder(batch_normalisation_of_the_course),
      in_a_folder(tables_show_layers_gradients_and_the_network),
      in_a_folder(a_trained_model_passes_and_a_broken_one_is_named),
      in_a_folder(recipes_and_files_are_checked),
      in_a_folder(large_networks_are_checked_less_or_refused),
      in_a_folder(what_cannot_be_checked_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
