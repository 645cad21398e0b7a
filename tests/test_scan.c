/* Loops over time against the same steps written out one after the other: values, gradients, Hessian-vector products
 * and third derivatives agree to 1e-12, for all kinds of steps, lengths and directions. What the graph of a loop looks
 * like; what mistakes say. */
#include "allocations.h"
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

/* Outputs that are the carry before, the input, nothing at all; a carry without tangent; constants in several places.
 * */
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
  outputs[0] =
      cy_div(cy_prod(cy_tanh(next[0]), &axis, 1, false), cy_add_scalar(cy_square(cy_sum(a, &axis, 1, false)), 1));
}

static void inner_step(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  next[0] = cy_tanh(cy_add(cy_matmul(s->carry[0], s->constants[0]), cy_mul(s->constants[1], s->inputs[0])));
  outputs[0] = cy_mul(next[0], s->carry[0]);
}

/* A loop in the loop: over the rows of its input, from its carry on. */
static void nested(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  cy_value constants[2] = {s->constants[0], s->carry[0]}, last, all;
  cy_scan(s->graph, inner_step, context, (cy_scan_values){2, 1, 1, 1, constants, s->carry, s->inputs, &last, &all},
          (cy_scan_options){.reverse = true});
  int axis = 0;
  next[0] = cy_mul_scalar(cy_add(last, cy_sum(all, &axis, 1, false)), 0.5);
  outputs[0] = all;
}

static void convolved(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_windows same = {.low = {1}, .high = {1}};
  cy_value z =
      cy_add(cy_convolution(s->inputs[0], s->constants[0], same), cy_convolution(s->carry[0], s->constants[1], same));
  next[0] = cy_tanh(z);
  outputs[0] = cy_max_pool(next[0], (cy_windows){.kernel = {2}, .stride = {2}});
}

static void descended(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context, (void)outputs;
  next[0] = cy_sub(s->carry[0], cy_mul(s->constants[0], cy_sin(s->carry[0]))); /* gradient descent on 1 - cos */
}

/* The next carry is something else's value: a constant, a number. */
static void reset(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  next[0] = s->constants[0];
  next[1] = cy_full(s->graph, CY_F64, CY_SHAPE(3), 0.25);
  next[2] = cy_exp(s->constants[0]);
  outputs[0] = cy_mul(cy_add(s->carry[0], s->carry[1]), s->carry[2]);
  outputs[1] = s->constants[0];
}

/* The step is itself a derivative: descent on a function of the carry, and what that ends in depends on the weights. */
static void learned(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  cy_value z = cy_tanh(cy_add(cy_matmul(s->constants[0], s->carry[0]), s->inputs[0])), gradient;
  (void)context;
  outputs[0] = cy_sum(cy_square(z), NULL, 0, false);
  cy_status status = cy_grad(outputs[0], s->carry, 1, &gradient);
  next[0] = status == CY_OK ? cy_sub(s->carry[0], cy_mul_scalar(gradient, 0.2)) : s->carry[0];
}

static const kind kinds[] = {
    {.name = "recurrent",
     4,
     1,
     1,
     2,
     {F64(5, 4), F64(4, 4), F64(4), F64(4, 2)},
     {F64(3, 4)},
     {F64(3, 5)},
     recurrent,
     NULL},
    {.name = "lstm", 3, 2, 1, 1, {F64(2, 12), F64(3, 12), F64(12)}, {F64(2, 3), F64(2, 3)}, {F64(2, 2)}, lstm, NULL},
    {.name = "odd", 2, 3, 1, 4, {F64(3, 3), F64(1)}, {F64(2, 3), F64(2, 3), F64(2)}, {F64(2, 3)}, odd, NULL},
    {.name = "embedded",
     3,
     1,
     2,
     1,
     {F64(5, 3), F64(3, 3), F64(3, 3)},
     {F64(2, 3)},
     {TYPE(CY_I64, 2), TYPE(CY_BOOL, 2)},
     embedded,
     NULL},
    {.name = "shifted", 0, 2, 1, 2, {{0}}, {F64(3), F64(3)}, {F64(3)}, shifted, NULL},
    {.name = "mapped", 2, 0, 1, 2, {F64(3, 2), F64(2)}, {{0}}, {F64(2, 3)}, mapped, NULL},
    {.name = "bent", 0, 1, 1, 1, {{0}}, {F64(2, 3)}, {F64(2, 3)}, bent, NULL},
    {.name = "nested", 1, 1, 1, 1, {F64(3, 3)}, {F64(2, 3)}, {F64(4, 2, 3)}, nested, NULL},
    {.name = "convolved", 2, 1, 1, 1, {F64(2, 2, 3), F64(2, 2, 3)}, {F64(2, 2, 4)}, {F64(2, 2, 4)}, convolved, NULL},
    {.name = "learned", 1, 1, 1, 1, {F64(2, 3)}, {F64(3, 1)}, {F64(2, 1)}, learned, NULL},
    {.name = "reset", 1, 3, 0, 2, {F64(3)}, {F64(3), F64(3), F64(3)}, {{0}}, reset, NULL},
    {.name = "empty", 4, 1, 1, 2, {F64(5, 4), F64(4, 4), F64(4), F64(4, 2)}, {F64(0, 4)}, {F64(0, 5)}, recurrent, NULL},
    {.name = "descended", 1, 1, 0, 0, {F64(1)}, {F64(3)}, {{0}}, descended, NULL},
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

/* ---- what the graph looks like ---- */

/* Loss of a loop of this kind, the sum of its last carry, in a graph of its own. */
static cy_value loss_of(world *w, int64_t recompute) {
  const kind *k = w->k;
  cy_value last[MOST], outputs[MOST];
  cy_scan(w->f.graph, k->step, k->context,
          (cy_scan_values){k->n_constants, k->n_carry, k->n_inputs, k->n_outputs, w->f.value + w->constants,
                           w->f.value + w->carry, w->f.value + w->inputs, last, outputs},
          (cy_scan_options){.recompute = recompute});
  return cy_sum(cy_mul(last[0], last[0]), NULL, 0, false);
}

static int count(const char *text, const char *word) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, word)); at += strlen(word)) n++;
  return n;
}

static int nodes_for(int64_t length) {
  world w = world_begin(&kinds[1], length, 0);
  cy_value loss = loss_of(&w, 0), wrt[3], g[3], h[3];
  for (int i = 0; i < 3; i++) wrt[i] = w.f.value[i];
  assert_ok(cy_grad(loss, wrt, 3, g));
  assert_ok(cy_hvp(loss, wrt, wrt, 3, h));
  int n = cy_graph_size(w.f.graph);
  feeds_end(&w.f);
  return n;
}

static void graphs_do_not_grow_with_time(void **state) {
  (void)state;
  assert_int_equal(nodes_for(2), nodes_for(10000));
}

static int products_inside(const char *text) {
  int inside = 0;
  for (const char *at = text; (at = strstr(at, "= dot ")); at++) {
    const char *line = at;
    while (line > text && line[-1] != '\n') line--;
    inside += line[0] == ' ';
  }
  return inside;
}

/* A step that ends in a product runs without it: h of all times is multiplied at once. */
static void readouts_are_behind_the_loop(void **state) {
  (void)state;
  world w = world_begin(&kinds[0], 9, 0);
  cy_value last[1], outputs[2], g[4];
  char *text;
  cy_scan(w.f.graph, recurrent, NULL,
          (cy_scan_values){4, 1, 1, 2, w.f.value, w.f.value + w.carry, w.f.value + w.inputs, last, outputs},
          (cy_scan_options){0});
  assert_ok(cy_grad(cy_sum(cy_sin(outputs[1]), NULL, 0, false), w.f.value, 4, g));
  assert_ok(cy_graph_text(g, 4, &text));
  assert_int_equal(products_inside(text), 2);
  assert_int_equal(count(text, "= dot "), 2 + 6);
  assert_int_equal(count(text, "= scan "), 2);
  cy_string_free(text);
  feeds_end(&w.f);
}

/* Products with weights that accumulate over time, and input projections, are outside: in the recurrent step remain one
 * product forward, and one backward. */
static void plain(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  outputs[0] = next[0] = tanh_step(s);
}

static void weight_gradients_are_single_contractions(void **state) {
  static const kind one = {"plain", 3, 1, 1, 1, {F64(5, 4), F64(4, 4), F64(4)}, {F64(3, 4)}, {F64(3, 5)}, plain, NULL};
  (void)state;
  world w = world_begin(&one, 9, 0);
  cy_value loss = loss_of(&w, 0), wrt[3], g[3];
  char *text;
  for (int i = 0; i < 3; i++) wrt[i] = w.f.value[i];
  assert_ok(cy_grad(loss, wrt, 3, g));
  assert_ok(cy_graph_text(g, 3, &text));
  assert_int_equal(count(text, "= scan "), 2); /* the loop, and its transpose: no second loop forward */
  assert_int_equal(products_inside(text), 2);
  assert_int_equal(count(text, "= dot "), 2 + 3); /* the projection of all inputs; two gradients */
  cy_string_free(text);
  feeds_end(&w.f);
}

static double arena(int64_t length, int64_t recompute) {
  static const kind one = {"plain", 3, 1, 1, 1, {F64(5, 4), F64(4, 4), F64(4)}, {F64(3, 4)}, {F64(3, 5)}, plain, NULL};
  world w = world_begin(&one, length, 0);
  cy_value wrt[3], g[3];
  cy_program *program;
  for (int i = 0; i < 3; i++) wrt[i] = w.f.value[i];
  assert_ok(cy_grad(loss_of(&w, recompute), wrt, 3, g));
  assert_ok(cy_compile(g, 3, NULL, 0, (cy_program_options){.threads = 1}, &program));
  double bytes = (double)cy_program_arena_bytes(program);
  cy_program_free(program);
  feeds_end(&w.f);
  return bytes;
}

/* Four times the steps: four times the memory for their gradient, or twice. */
static void memory_grows_with_time_or_with_its_root(void **state) {
  (void)state;
  double kept = arena(40000, 0) / arena(10000, 0), computed_again = arena(40000, 200) / arena(10000, 100);
  assert_true(kept > 3.9 && kept < 4.1);
  assert_true(computed_again > 1.8 && computed_again < 2.2);
  assert_true(arena(10000, 100) < 0.05 * arena(10000, 0));
}

/* The same loop twice is one node, and its body is kept once. */
static void equal_loops_are_one(void **state) {
  (void)state;
  world w = world_begin(&kinds[1], 4, 0);
  cy_value a = loss_of(&w, 0);
  int size = cy_graph_size(w.f.graph);
  assert_int_equal(loss_of(&w, 0).id, a.id);
  assert_int_equal(cy_graph_size(w.f.graph), size);
  feeds_end(&w.f);
}

static void no_steps_leave_the_carry(void **state) {
  (void)state;
  world w = world_begin(&kinds[1], 0, 0);
  cy_value values[4], wrt[2] = {w.f.value[w.carry], w.f.value[0]}, outputs[1], last[2];
  cy_tensor *out[4];
  cy_scan(w.f.graph, lstm, NULL,
          (cy_scan_values){3, 2, 1, 1, w.f.value, w.f.value + w.carry, w.f.value + w.inputs, last, outputs},
          (cy_scan_options){0});
  assert_ok(cy_graph_status(w.f.graph));
  assert_int_equal(cy_value_shape(outputs[0]).dim[0], 0);
  values[0] = last[0];
  values[1] = outputs[0];
  assert_ok(cy_grad(cy_sum(cy_add(last[0], cy_sum(outputs[0], NULL, 0, false)), NULL, 0, false), wrt, 2, values + 2));
  run_values(&w.f, values, 4, (run_options){.backend = "cpu"}, out);
  assert_true(distance(out[0], w.f.tensor[w.carry]) == 0);
  for (int64_t i = 0; i < cy_tensor_count(out[2]); i++) assert_true(cy_tensor_at(out[2], i) == 1);
  for (int64_t i = 0; i < cy_tensor_count(out[3]); i++) assert_true(cy_tensor_at(out[3], i) == 0);
  for (int i = 0; i < 4; i++) cy_tensor_free(out[i]);
  feeds_end(&w.f);
}

/* ---- mistakes ---- */

static void grows(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  cy_value parts[2] = {s->carry[0], s->carry[0]};
  (void)outputs;
  next[0] = context ? cy_mul(s->carry[0], *(cy_value *)context) : cy_concat(parts, 2, 0);
}

static void forgets(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context, (void)outputs;
  next[0] = s->carry[0];
}

static void misfits(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context, (void)outputs;
  next[0] = cy_matmul(s->carry[0], s->carry[0]);
}

static void invents(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context, (void)outputs;
  next[0] = cy_add(s->carry[0], cy_variable(s->graph, "bias", CY_F64, CY_SHAPE(3)));
}

static void expect(cy_scan_body step, cy_scan_options o, int n_outputs, int what, const char *text) {
  feeds f = feeds_begin();
  cy_scope_push(f.graph, "rnn1");
  cy_value carry = cy_input(f.graph, "h", what == 1 ? CY_I32 : CY_F64, CY_SHAPE(2, 3)), last, outputs[1];
  cy_value inputs[2] = {cy_input(f.graph, "x", CY_F64, CY_SHAPE(4, 2)), cy_input(f.graph, "y", CY_F64, CY_SHAPE(5, 2))};
  cy_scan(f.graph, step, what == 2 ? &carry : NULL,
          (cy_scan_values){0, 1, what == 3 ? 2 : 0, n_outputs, NULL, &carry, inputs, &last, outputs}, o);
  assert_false(cy_is_value(last));
  assert_int_equal(cy_graph_status(f.graph), CY_INVALID);
  if (!strstr(cy_error_message(), text)) fail_msg("expected \"%s\" in \"%s\"", text, cy_error_message());
  assert_non_null(strstr(cy_error_message(), "rnn1"));
  assert_null(strstr(strstr(cy_error_message(), "rnn1") + 1, "rnn1"));
  feeds_end(&f);
}

/* Arrays that were forgotten, and counts below 0. */
static void arrays_are_looked_at(void **state) {
  (void)state;
  static const struct { cy_scan_values values; cy_scan_body step; const char *text; } rows[] = {
      {{.n_inputs = 1}, forgets, "scan: n_inputs is 1, but there are none (NULL)"},
      {{.n_carry = 2}, forgets, "scan: n_carry is 2, but there are none (NULL)"},
      {{.n_constants = 1}, forgets, "scan: n_constants is 1, but there are none (NULL)"},
      {{.n_outputs = 3}, forgets, "scan: n_outputs is 3, but there are none (NULL)"},
      {{.n_outputs = -1}, forgets, "scan: n_outputs is -1"},
      {{0}, NULL, "scan: there is no step"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    feeds f = feeds_begin();
    cy_scan(f.graph, rows[i].step, NULL, rows[i].values, (cy_scan_options){.length = 3});
    assert_int_equal(cy_graph_status(f.graph), CY_INVALID);
    assert_string_equal(cy_graph_error(f.graph), rows[i].text);
    feeds_end(&f);
  }
}

static void mistakes_are_named(void **state) {
  const cy_scan_options three = {.length = 3};
  (void)state;
  expect(grows, three, 0, 0, "rnn1: scan: carry 0 is f64 2x3 and becomes f64 4x3");
  expect(forgets, three, 1, 0, "output 0 is missing");
  expect(misfits, three, 0, 0, "rnn1: matmul: shapes 2x3 and 2x3 do not fit");
  expect(forgets, three, 0, 1, "carry 0 is i32; it must be f32 or f64");
  expect(grows, three, 0, 2, "different graphs");
  expect(invents, three, 0, 0, "the step makes variable \"bias\" of its own");
  expect(forgets, (cy_scan_options){0}, 0, 3, "input 1 has 5 steps, input 0 4");
  expect(forgets, three, 0, 3, "input 0 has 4 steps, the scan 3");
  expect(forgets, (cy_scan_options){.length = -1}, 0, 0, "-1 steps");
  expect(forgets, (cy_scan_options){.length = 3, .recompute = -1}, 0, 0, "recompute is -1");
}

/* Parts of what is no loop, or of a value that it does not have, or with another type. */
static void verification_looks_into_bodies(void **state) {
  static const int64_t index[] = {0, 1000, 0, 7};
  (void)state;
  for (int i = 0; i < 4; i++) {
    world w = world_begin(&kinds[1], 3, 0);
    cy_value loss = loss_of(&w, 0), loop = cy_none;
    assert_true(cy_is_value(loss));
    for (int32_t id = 0; id < cy_graph_size(w.f.graph); id++)
      if (cy_node_at(w.f.graph, id)->op->loop) loop = cy_value_at(w.f.graph, id);
    assert_ok(cy_graph_verify(w.f.graph));
    cy_scan_part_attrs a = {index[i], CY_F64, cy_list_of(i == 2 ? CY_SHAPE(2, 4) : CY_SHAPE(2, 3))};
    cy_value operand = i == 3 ? cy_full(w.f.graph, CY_F64, CY_SHAPE(0), 0) : loop;
    assert_true(cy_is_value(cy_make(w.f.graph, &cy_op_scan_last, &operand, 1, &a)));
    assert_int_equal(cy_graph_verify(w.f.graph), i ? CY_INVALID : CY_OK);
    feeds_end(&w.f);
  }
}

/* ---- every allocation fails once ---- */

static cy_status build_and_derive(const kind *k, int64_t recompute) {
  cy_graph *graph;
  cy_value values[3 * MOST], last[MOST] = {{0}}, outputs[MOST] = {{0}}, g[3 * MOST];
  int n = 0, m = 0;
  char name[16];
  cy_status status = cy_graph_create(&graph);
  if (status != CY_OK) return status;
  for (int i = 0; i < k->n_constants + k->n_carry + k->n_inputs; i++) {
    const cy_type *type = i < k->n_constants                ? &k->constants[i]
                          : i < k->n_constants + k->n_carry ? &k->carry[i - k->n_constants]
                                                            : &k->inputs[i - k->n_constants - k->n_carry];
    cy_shape shape = type->shape, in_time = {.rank = shape.rank + 1, .dim = {5}};
    memcpy(in_time.dim + 1, shape.dim, (size_t)shape.rank * sizeof *shape.dim);
    snprintf(name, sizeof name, "x%d", i);
    values[n++] = cy_input(graph, name, type->dtype, i < k->n_constants + k->n_carry ? shape : in_time);
  }
  for (int i = 0; i < n; i++) m += i < k->n_constants + k->n_carry;
  cy_scan(graph, k->step, k->context,
          (cy_scan_values){k->n_constants, k->n_carry, k->n_inputs, k->n_outputs, values, values + k->n_constants,
                           values + m, last, outputs},
          (cy_scan_options){.recompute = recompute});
  cy_value loss = cy_sum(cy_sin(last[0]), NULL, 0, false);
  status = cy_graph_status(graph);
  if (status == CY_OK) status = cy_hvp(loss, values, values, m, g);
  char *text = NULL;
  if (status == CY_OK) status = cy_graph_text(g, m, &text);
  cy_string_free(text);
  cy_graph_free(graph);
  return status;
}

static void every_allocation_fails_once(void **state) {
  static const int which[] = {0, 7};
  (void)state;
  for (int i = 0; i < 2; i++) {
    calls = failing = 0;
    assert_ok(build_and_derive(&kinds[which[i]], i ? 0 : 2));
    long n = calls, step = 1 + n / 400;
    for (long at = 1; at <= n; at += step) {
      long before = live;
      calls = 0;
      failing = at;
      cy_status status = build_and_derive(&kinds[which[i]], i ? 0 : 2);
      failing = 0;
      if (status != CY_NO_MEMORY)
        fail_msg("%s: allocation %ld of %ld fails, the status is %d", kinds[which[i]].name, at, n, (int)status);
      assert_int_equal(live, before);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(loops_agree_with_their_steps_written_out),
      cmocka_unit_test(long_loops_agree_too),
      cmocka_unit_test(recomputing_changes_nothing),
      cmocka_unit_test(graphs_do_not_grow_with_time),
      cmocka_unit_test(weight_gradients_are_single_contractions),
      cmocka_unit_test(readouts_are_behind_the_loop),
      cmocka_unit_test(memory_grows_with_time_or_with_its_root),
      cmocka_unit_test(equal_loops_are_one),
      cmocka_unit_test(no_steps_leave_the_carry),
      cmocka_unit_test(arrays_are_looked_at),
      cmocka_unit_test(mistakes_are_named),
      cmocka_unit_test(verification_looks_into_bodies),
      cmocka_unit_test(every_allocation_fails_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
