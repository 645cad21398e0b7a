/* Loops over time against the same steps written out one after the other: values, gradients, Hessian-vector products and
 * third derivatives agree to 1e-12, for all kinds of steps, lengths and directions. What the graph of a loop looks like;
 * what mistakes say. */
#include "loops.h"

/* ---- kinds ---- */

static cy_value tanh_step(const cy_scan_step *s) {
  cy_value z = cy_add(cy_matmul(s->inputs[0], s->constants[0]), cy_matmul(s->carry[0], s->constants[1]));
  return cy_tanh(cy_add(z, s->constants[2]));
}

static void recurrent(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  next[0] = tanh_step(s);
  outputs[0] = next[0];
  outputs[1] = cy_matmul(next[0], s->constants[3]);
}

static cy_value quarter(cy_value z, int i) { return cy_slice_axis(z, 1, 3 * i, 3 * i + 3); }

static void lstm(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_value z = cy_add(cy_matmul(s->inputs[0], s->constants[0]), cy_matmul(s->carry[0], s->constants[1]));
  z = cy_add(z, s->constants[2]);
  cy_value in = cy_logistic(quarter(z, 0)), forget = cy_logistic(quarter(z, 1)), out = cy_logistic(quarter(z, 2));
  next[1] = cy_add(cy_mul(forget, s->carry[1]), cy_mul(in, cy_tanh(quarter(z, 3))));
  next[0] = cy_mul(out, cy_tanh(next[1]));
  outputs[0] = next[0];
}

/* Outputs that are the carry before, the input, nothing at all; a carry without tangent; constants in several places. */
static void odd(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_value w = s->constants[0], count = s->carry[1];
  next[1] = cy_add_scalar(cy_stop_gradient(count), 1);
  cy_value a = cy_matmul(s->carry[0], w), b = cy_matmul(cy_sin(s->inputs[0]), cy_transpose(w));
  cy_value gain = cy_mul(s->constants[1], cy_exp(cy_neg(s->constants[1])));
  next[0] = cy_tanh(cy_add(cy_sub(a, cy_mul(b, gain)), cy_mul_scalar(cy_stop_gradient(count), 0.1)));
  next[2] = s->carry[2];
  outputs[0] = s->carry[0];
  outputs[1] = s->inputs[0];
  outputs[2] = cy_full(s->graph, CY_F64, CY_SHAPE(2), 3);
  outputs[3] = cy_mul(s->constants[1], s->carry[2]);
}

static void embedded(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_value x = cy_gather(s->constants[0], s->inputs[0], 0, 0);
  cy_value h = cy_tanh(cy_add(cy_matmul(x, s->constants[1]), cy_matmul(s->carry[0], s->constants[2])));
  cy_value inside = cy_reshape(s->inputs[1], CY_SHAPE(2, 1));
  next[0] = cy_select(inside, h, s->carry[0]);
  outputs[0] = cy_log_softmax(cy_matmul(next[0], cy_transpose(s->constants[0])), -1);
}

static void shifted(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  next[0] = s->carry[1];
  next[1] = s->inputs[0];
  outputs[0] = cy_mul(s->carry[0], s->inputs[0]);
  outputs[1] = next[0];
}

static void mapped(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context, (void)next;
  outputs[0] = cy_tanh(cy_add(cy_matmul(s->inputs[0], s->constants[0]), cy_square(s->constants[1])));
  outputs[1] = cy_softmax(s->inputs[0], 0);
}

/* Everything that has a kink or an index of its own. */
static void bent(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_value h = s->carry[0], x = s->inputs[0], a = cy_relu(cy_add(h, x)), b = cy_max(h, cy_mul_scalar(x, 0.5));
  int axis = 1;
  cy_value top = cy_reduce_max(b, &axis, 1, true), centred = cy_normalize(cy_add(a, b), &axis, 1, 1e-2);
  next[0] = cy_mul_scalar(cy_add(cy_softplus(centred), cy_sub(cy_cumsum(a, 1, false), top)), 0.3);
  outputs[0] = cy_div(cy_prod(cy_tanh(next[0]), &axis, 1, false), cy_add_scalar(cy_square(cy_sum(a, &axis, 1, false)), 1));
}

static void inner_step(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  next[0] = cy_tanh(cy_add(cy_matmul(s->carry[0], s->constants[0]), cy_mul(s->constants[1], s->inputs[0])));
  outputs[0] = cy_mul(next[0], s->carry[0]);
}

/* A loop in the loop: over the rows of its input, from its carry on. */
static void nested(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  cy_value constants[2] = {s->constants[0], s->carry[0]}, last, all;
  cy_scan(s->graph, inner_step, context,
          (cy_scan_values){2, 1, 1, 1, constants, s->carry, s->inputs, &last, &all}, (cy_scan_options){.reverse = true});
  int axis = 0;
  next[0] = cy_mul_scalar(cy_add(last, cy_sum(all, &axis, 1, false)), 0.5);
  outputs[0] = all;
}

static void convolved(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_windows same = {.low = {1}, .high = {1}};
  cy_value z = cy_add(cy_convolution(s->inputs[0], s->constants[0], same), cy_convolution(s->carry[0], s->constants[1], same));
  next[0] = cy_tanh(z);
  outputs[0] = cy_max_pool(next[0], (cy_windows){.kernel = {2}, .stride = {2}});
}

static void counted(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context, (void)outputs;
  next[0] = cy_sub(s->carry[0], cy_mul(s->constants[0], cy_sin(s->carry[0]))); /* gradient descent on 1 - cos */
}

static const kind kinds[] = {
    {.name = "recurrent", 4, 1, 1, 2, {F64(5, 4), F64(4, 4), F64(4), F64(4, 2)}, {F64(3, 4)}, {F64(3, 5)}, recurrent, NULL},
    {.name = "lstm", 3, 2, 1, 1, {F64(2, 12), F64(3, 12), F64(12)}, {F64(2, 3), F64(2, 3)}, {F64(2, 2)}, lstm, NULL},
    {.name = "odd", 2, 3, 1, 4, {F64(3, 3), F64(1)}, {F64(2, 3), F64(2, 3), F64(2)}, {F64(2, 3)}, odd, NULL},
    {.name = "embedded", 3, 1, 2, 1, {F64(5, 3), F64(3, 3), F64(3, 3)}, {F64(2, 3)},
     {{CY_I64, CY_SHAPE(2)}, {CY_BOOL, CY_SHAPE(2)}}, embedded, NULL},
    {.name = "shifted", 0, 2, 1, 2, {{0}}, {F64(3), F64(3)}, {F64(3)}, shifted, NULL},
    {.name = "mapped", 2, 0, 1, 2, {F64(3, 2), F64(2)}, {{0}}, {F64(2, 3)}, mapped, NULL},
    {.name = "bent", 0, 1, 1, 1, {{0}}, {F64(2, 3)}, {F64(2, 3)}, bent, NULL},
    {.name = "nested", 1, 1, 1, 1, {F64(3, 3)}, {F64(2, 3)}, {F64(4, 2, 3)}, nested, NULL},
    {.name = "convolved", 2, 1, 1, 1, {F64(2, 2, 3), F64(2, 2, 3)}, {F64(2, 2, 4)}, {F64(2, 2, 4)}, convolved, NULL},
    {.name = "counted", 1, 1, 0, 0, {F64(1)}, {F64(3)}, {{0}}, counted, NULL},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void loops_agree_with_their_steps_written_out(void **state) {
  (void)state;
  static const int64_t lengths[] = {1, 2, 7};
  for (int k = 0; k < KINDS; k++)
    for (int i = 0; i < 3; i++)
      for (int reverse = 0; reverse < 2; reverse++)
        compare(&kinds[k], lengths[i], reverse, 0, 3, (uint64_t)i, reverse == i % 2 ? "cpu" : "reference");
}

static void long_loops_agree_too(void **state) {
  (void)state;
  for (int k = 0; k < 2; k++)
    for (int reverse = 0; reverse < 2; reverse++) compare(&kinds[k], 100, reverse, 0, 2, 5, "cpu");
}

static void recomputing_changes_nothing(void **state) {
  (void)state;
  for (int k = 0; k < KINDS; k++)
    for (int reverse = 0; reverse < 2; reverse++)
      for (int64_t chunk = 2; chunk < 5; chunk++)
        compare(&kinds[k], chunk == 4 ? 8 : 7, reverse, chunk, chunk == 3 ? 3 : 2, (uint64_t)chunk, "cpu");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(loops_agree_with_their_steps_written_out),
      cmocka_unit_test(long_loops_agree_too),
      cmocka_unit_test(recomputing_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
