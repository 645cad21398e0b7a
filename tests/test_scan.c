/* Loops over time against the same steps written out one after the other: values, gradients, Hessian-vector products and
 * third derivatives agree to 1e-12, for all kinds of steps, lengths and directions, and for random ones. */
#include "harness.h"

#include "graph/body.h"
#include "ops/scan.h"

enum { MOST = 4, MOST_VALUES = 40 };

/* A kind of step: what it reads, and the step itself. */
typedef struct kind {
  const char *name;
  int n_constants, n_carry, n_inputs, n_outputs;
  cy_type constants[MOST], carry[MOST], inputs[MOST]; /* inputs without their time axis; integers are places 0..4 */
  cy_scan_body step;
  void *context;
} kind;

#define F64(...) {CY_F64, CY_SHAPE(__VA_ARGS__)}

/* ---- the same loop, written out ---- */

static cy_value at_time(cy_value v, int64_t t) {
  cy_shape shape = cy_value_shape(v), one = {.rank = shape.rank - 1};
  for (int i = 0; i < one.rank; i++) one.dim[i] = shape.dim[i + 1];
  return cy_reshape(cy_slice_axis(v, 0, t, t + 1), one);
}

static cy_value with_time(cy_value v) {
  cy_shape shape = cy_value_shape(v), in_front = {.rank = shape.rank + 1, .dim = {1}};
  for (int i = 0; i < shape.rank; i++) in_front.dim[i + 1] = shape.dim[i];
  return cy_reshape(v, in_front);
}

static void unroll(cy_graph *graph, cy_scan_body body, void *context, cy_scan_values v, cy_scan_options o) {
  int64_t length = v.n_inputs ? cy_value_shape(v.inputs[0]).dim[0] : o.length;
  cy_value carry[MOST], inputs[MOST], next[MOST], *stacked = calloc((size_t)(length * v.n_outputs + 1), sizeof *stacked);
  memcpy(carry, v.carry, (size_t)v.n_carry * sizeof *carry);
  for (int64_t s = 0; s < length; s++) {
    int64_t t = o.reverse ? length - 1 - s : s;
    cy_value outputs[MOST];
    for (int i = 0; i < v.n_inputs; i++) inputs[i] = at_time(v.inputs[i], t);
    body(&(cy_scan_step){graph, v.constants, carry, inputs}, context, next, outputs);
    memcpy(carry, next, sizeof carry);
    for (int i = 0; i < v.n_outputs; i++) stacked[i * length + t] = with_time(outputs[i]);
  }
  for (int k = 0; k < v.n_carry; k++) v.last[k] = carry[k];
  for (int i = 0; i < v.n_outputs; i++) v.outputs[i] = cy_concat(stacked + i * length, (int)length, 0);
  free(stacked);
}

/* ---- one of both, and everything that is compared ---- */

typedef void build(cy_graph *graph, cy_scan_body body, void *context, cy_scan_values values, cy_scan_options options);

typedef struct world {
  feeds f;
  const kind *k;
  int64_t length;
  int constants, carry, inputs; /* first feed of each */
  int n_moving, moving[MOST_FEEDS]; /* feeds that are differentiated; the same again as directions */
} world;

static int feed(world *w, cy_type type, bool in_time, cy_rng *rng) {
  cy_shape shape = type.shape;
  if (in_time) {
    shape = (cy_shape){.rank = type.shape.rank + 1, .dim = {w->length}};
    for (int i = 0; i < type.shape.rank; i++) shape.dim[i + 1] = type.shape.dim[i];
  }
  int at = feeds_add(&w->f, type.dtype, shape);
  bool real = cy_dtype_is_float(type.dtype);
  fill_uniform(w->f.tensor[at], rng, real ? -1 : 0, real ? 1 : type.dtype == CY_BOOL ? 2 : 5);
  if (real) w->moving[w->n_moving++] = at;
  return at;
}

static world world_begin(const kind *k, int64_t length, uint64_t seed) {
  world w = {.f = feeds_begin(), .k = k, .length = length};
  cy_rng rng = cy_rng_make(seed, 31);
  w.constants = w.f.n;
  for (int i = 0; i < k->n_constants; i++) feed(&w, k->constants[i], false, &rng);
  w.carry = w.f.n;
  for (int i = 0; i < k->n_carry; i++) feed(&w, k->carry[i], false, &rng);
  w.inputs = w.f.n;
  for (int i = 0; i < k->n_inputs; i++) feed(&w, k->inputs[i], true, &rng);
  return w;
}

/* Fills values: outputs and last; then, up to the order, derivatives of a loss that bends all of them, with respect to all
 * floating-point operands, along fixed directions. Returns how many. */
static int describe(world *w, build *how, cy_scan_options o, int order, cy_value *values) {
  const kind *k = w->k;
  cy_graph *g = w->f.graph;
  cy_value last[MOST] = {{0}}, outputs[MOST] = {{0}}, loss = cy_scalar(g, CY_F64, 0), wrt[MOST_FEEDS], along[MOST_FEEDS];
  int n = 0, m = w->n_moving;
  if (!k->n_inputs) o.length = w->length;
  how(g, k->step, k->context,
      (cy_scan_values){k->n_constants, k->n_carry, k->n_inputs, k->n_outputs, w->f.value + w->constants,
                       w->f.value + w->carry, w->f.value + w->inputs, last, outputs}, o);
  assert_ok(cy_graph_status(g));
  for (int i = 0; i < k->n_outputs; i++) values[n++] = outputs[i];
  for (int i = 0; i < k->n_carry; i++) values[n++] = last[i];
  for (int i = 0, count = n; i < count; i++) {
    cy_value weight = cy_sin(cy_convert(cy_iota(g, CY_I64, CY_SHAPE(cy_count(cy_value_shape(values[i]))), 0), CY_F64));
    cy_value flat = cy_reshape(values[i], CY_SHAPE(-1));
    loss = cy_add(loss, cy_sum(cy_mul(cy_add_scalar(weight, 0.3 + i), cy_sin(flat)), NULL, 0, false));
  }
  for (int i = 0; i < m; i++) {
    wrt[i] = w->f.value[w->moving[i]];
    cy_value place = cy_convert(cy_iota(g, CY_I64, CY_SHAPE(cy_count(cy_value_shape(wrt[i]))), 0), CY_F64);
    along[i] = cy_reshape(cy_cos(cy_add_scalar(place, i)), cy_value_shape(wrt[i]));
  }
  if (m && order >= 1) {
    cy_value tangents[MOST];
    assert_ok(cy_grad(loss, wrt, m, values + n));
    n += m;
    if (k->n_outputs) assert_ok(cy_jvp(outputs, k->n_outputs, wrt, along, m, tangents));
    for (int i = 0; i < k->n_outputs; i++) values[n++] = tangents[i];
  }
  if (m && order >= 2) {
    cy_value slope = cy_none, gradients[MOST_FEEDS];
    assert_ok(cy_hvp(loss, wrt, along, m, values + n)); /* forward over reverse */
    n += m;
    assert_ok(cy_grad(loss, wrt, m, gradients));
    for (int i = 0; i < m; i++) slope = cy_tangent_sum(slope, cy_sum(cy_mul(gradients[i], along[i]), NULL, 0, false));
    assert_ok(cy_grad(slope, wrt, m, values + n)); /* reverse over reverse */
    n += m;
  }
  if (m && order >= 3) {
    cy_value third[MOST_FEEDS];
    assert_ok(cy_jvp(values + n - m, m, wrt, along, m, third));
    for (int i = 0; i < m; i++) values[n++] = third[i];
  }
  return n;
}

static void print_value(cy_value v) {
  char *text;
  assert_ok(cy_graph_text(&v, 1, &text));
  print_message("%s", text);
  cy_string_free(text);
}

/* The loop, with and without recomputation, against the steps written out. */
static void compare(const kind *k, int64_t length, bool reverse, int64_t recompute, int order, uint64_t seed, const char *backend) {
  cy_value values[2][MOST_VALUES];
  cy_tensor *results[2][MOST_VALUES];
  world w = world_begin(k, length, seed);
  int n = describe(&w, cy_scan, (cy_scan_options){.reverse = reverse, .recompute = recompute}, order, values[0]);
  assert_ok(cy_graph_verify(w.f.graph));
  assert_int_equal(describe(&w, unroll, (cy_scan_options){.reverse = reverse}, order, values[1]), n);
  for (int i = 0; i < 2; i++) run_values(&w.f, values[i], n, (run_options){.backend = backend}, results[i]);
  for (int i = 0; i < n; i++) {
    double error = distance(results[0][i], results[1][i]);
    if (!(error <= 1e-12)) {
      if (getenv("CAUCHY_SHOW")) print_value(values[0][i]);
      fail_msg("%s, %lld steps%s, recompute %lld, seed %llu, %s: value %d of %d differs by %g", k->name, (long long)length,
               reverse ? " in reverse" : "", (long long)recompute, (unsigned long long)seed, backend, i, n, error);
    }
    cy_tensor_free(results[0][i]);
    cy_tensor_free(results[1][i]);
  }
  feeds_end(&w.f);
}

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
