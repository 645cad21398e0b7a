/* `cauchy flow` as people meet it: the three cases of coursework C.III, several networks side by side, a saved model with
 * its own data, pictures, JSON; and bad input in one line. */
#include "report.h"

#include "cauchy_config.h"

#include <math.h>

static json_t *layer_of(json_t *report, size_t c, size_t layer) {
  json_t *one = json_array_get(json_object_get(report, "cases"), c);
  return json_array_get(json_object_get(one, "layers"), layer);
}
static double item(json_t *object, const char *key, size_t i) {
  json_t *value = json_array_get(json_object_get(object, key), i);
  if (!json_is_number(value)) fail_msg("no number \"%s\"[%d]", key, (int)i);
  return json_number_value(value);
}
/* C.III: eigenvalues below, at and above 1: 0.9^t, 1, 1.1^t. */
static void the_three_cases_of_the_course(void **state) {
  (void)state;
  const char *text = succeed("flow --demo");
  assert_holds(text, "radius 0.9: the gradient vanishes: half of it is left every 6.58 steps (0.9 a step)");
  assert_holds(text, "radius 1: the gradient keeps its size (1 a step)");
  assert_holds(text, "radius 1.1: the gradient explodes: it doubles every 7.27 steps (1.1 a step)");
  assert_holds(text, " 99    2.95e-05         1   1.253e+04\n");
  json_t *report = report_of("flow 'rnn(32, tanh)' --steps 100 --radius 0.9,1,1.1 --json");
  static const double radii[] = {0.9, 1, 1.1};
  assert_int_equal(json_array_size(json_object_get(report, "cases")), 3);
  for (size_t i = 0; i < 3; i++) {
    json_t *layer = layer_of(report, i, 0), *jacobian = json_array_get(json_object_get(layer, "jacobians"), 4);
    for (size_t lag = 0; lag < 100; lag += 11)
      assert_true(fabs(item(layer, "gradient", lag) / pow(radii[i], (double)lag) - 1) < 1e-9);
    assert_true(fabs(item(layer, "radius", 0) - radii[i]) < 1e-9);
    assert_true(fabs(number_of(jacobian, "largest") - radii[i]) < 1e-9);
    assert_true(fabs(number_of(jacobian, "radius") - radii[i]) < 1e-9);
    assert_true(number_of(layer, "slope") == 1);
  }
  json_decref(report);
}

/* States that saturate make f' smaller: the same matrices let gradients vanish. */
static void inputs_saturate_the_state(void **state) {
  (void)state;
  json_t *report = report_of("flow 'rnn(16)' --steps 50 --radius 1.1 --amplitude 2 --json");
  json_t *layer = layer_of(report, 0, 0);
  assert_true(number_of(layer, "slope") < 0.9 && number_of(layer, "factor") < 1);
  json_decref(report);
}

static void networks_side_by_side(void **state) {
  (void)state;
  const char *text = succeed(
      "flow 'rnn(8, last) -> dense(1)' 'lstm(8, layers=2, last) -> dense(1)' 'gru(8)' --input 2x40 "
      "--clip 0.01");
  assert_holds(text, "[1] rnn(8, last) -> dense(1)\n[2] lstm(8, layers=2, last) -> dense(1)\n[3] gru(8)\n");
  assert_holds(text, "[2] lstm1.layer2 c");
  assert_holds(text, "U_f");
  assert_holds(text, "U_n");
  assert_holds(text, "cut to 0.01: 100 % of the sequences");
  assert_holds(text, "Jacobians of steps");
  assert_holds(succeed("flow 'embedding(20, 4) -> gru(6) -> conv(20, 1)' --steps 30 --samples 3"),
               "3 made-up sequences");
}

static void saved_models_find_their_data(void **state) {
  (void)state;
  succeed("train pulses 'model=rnn(8, last) -> dense(2)' epochs=1 --quiet");
  const char *text = succeed("flow runs/pulses-1 --samples 5");
  assert_holds(text, "L: cross-entropy of the last step; 5 sequences of the data; f64");
  assert_holds(text, "63");
  json_t *report = report_of("flow runs/pulses-1 --steps 20 --json");
  assert_true(number_of(layer_of(report, 0, 0), "steps") == 20);
  json_decref(report);
  assert_holds(succeed("flow 'lstm(4, last) -> dense(2)' --data pulses"), "32 sequences of the data");
}

#if CY_HAVE_CAIRO
static void pictures_are_drawn(void **state) {
  (void)state;
  static char svg[COMMAND_OUTPUT];
  succeed("flow --demo --out pictures");
  read_back("pictures/flow.svg", svg);
  assert_holds(svg, "radius 1.1");
  assert_holds(svg, "Gradients through time");
  assert_int_equal(access("pictures/flow.png", R_OK), 0);
}
#endif

static void bad_input_is_refused_in_one_line(void **state) {
  (void)state;
  refuse("flow", "flow needs a network, such as 'rnn(32)', or --demo");
  refuse("flow 'dense(3)' --input 4", "dense(3): the network has no recurrent layer (rnn, lstm, gru)");
  refuse("flow 'rnn(3)'", "what comes into the network? Say it");
  refuse("flow 'rnn(3)' --input 2x5 --steps 4", "--steps 4 or --input 2x5, not both");
  refuse("flow 'rnn(3)' --steps 4 --radius 1,x", "--radius takes numbers above 0, such as 0.9,1,1.1, not \"1,x\"");
  refuse("flow 'lstm(3)' --steps 4 --radius 1", "only those of rnn are scaled to a radius");
  refuse("flow 'rnn(3)' --demo", "it takes no other network");
  refuse("flow 'rnn(3)' --steps 5 --clip -1", "--clip takes a number from 0, not \"-1\"");
  refuse("flow 'conv(2, 7) -> rnn(3)' --input 2x5",
         "kernel 7 spans 7, but the padded input is 5 + 0 + 0 = 5 along axis 2 (length)");
  refuse("derive 'rnn(3)' --input 2x5", "rnn \"rnn1\": a loop over time is not written as formulas");
  refuse("flow 'rnn(3)' --input 3x8x8",
         "rnn \"rnn1\": expects sequences of channels x steps, such as 10x168, but receives 3x8x8");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_three_cases_of_the_course, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(inputs_saturate_the_state, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(networks_side_by_side, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(saved_models_find_their_data, enter_folder, leave_folder),
#if CY_HAVE_CAIRO
      cmocka_unit_test_setup_teardown(pictures_are_drawn, enter_folder, leave_folder),
#endif
      cmocka_unit_test_setup_teardown(bad_input_is_refused_in_one_line, enter_folder, leave_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
