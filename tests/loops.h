/* A loop over time beside the same steps written out one after the other, and everything that is compared of the two:
 * values, gradients, Hessian-vector products by both orders, third derivatives. */
#ifndef CY_TESTS_LOOPS_H
#define CY_TESTS_LOOPS_H

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

#define TYPE(dtype, ...)                                                                                               \
  {                                                                                                                    \
    dtype, {                                                                                                           \
      (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), { __VA_ARGS__ }                                               \
    }                                                                                                                  \
  }
#define F64(...) TYPE(CY_F64, __VA_ARGS__)

/* ---- the same loop, written out ---- */

static inline cy_value at_time(cy_value v, int64_t t) {
  cy_shape shape = cy_value_shape(v), one = {.rank = shape.rank - 1};
  for (int i = 0; i < one.rank; i++) one.dim[i] = shape.dim[i + 1];
  return cy_reshape(cy_slice_axis(v, 0, t, t + 1), one);
}

static inline cy_value with_time(cy_value v) {
  cy_shape shape = cy_value_shape(v), in_front = {.rank = shape.rank + 1, .dim = {1}};
  for (int i = 0; i < shape.rank; i++) in_front.dim[i + 1] = shape.dim[i];
  return cy_reshape(v, in_front);
}

static inline void unroll(cy_graph *graph, cy_scan_body body, void *context, cy_scan_values v, cy_scan_options o) {
  int64_t length = v.n_inputs ? cy_value_shape(v.inputs[0]).dim[0] : o.length;
  cy_value carry[MOST], inputs[MOST], next[MOST],
      *stacked = calloc((size_t)(length * v.n_outputs + 1), sizeof *stacked);
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
  int constants, carry, inputs;     /* first feed of each */
  int n_moving, moving[MOST_FEEDS]; /* feeds that are differentiated; the same again as directions */
} world;

static inline int feed(world *w, cy_type type, bool in_time, cy_rng *rng) {
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

static inline world world_begin(const kind *k, int64_t length, uint64_t seed) {
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

/* Fills values: outputs and last; then, up to the order, derivatives of a loss that bends all of them, with respect to
 * all floating-point operands, along fixed directions. Returns how many. */
static inline int describe(world *w, build *how, cy_scan_options o, int order, cy_value *values) {
  const kind *k = w->k;
  cy_graph *g = w->f.graph;
  cy_value last[MOST] = {{0}}, outputs[MOST] = {{0}}, loss = cy_scalar(g, CY_F64, 0), wrt[MOST_FEEDS],
           along[MOST_FEEDS];
  int n = 0, m = w->n_moving;
  if (!k->n_inputs) o.length = w->length;
  how(g, k->step, k->context,
      (cy_scan_values){k->n_constants, k->n_carry, k->n_inputs, k->n_outputs, w->f.value + w->constants,
                       w->f.value + w->carry, w->f.value + w->inputs, last, outputs},
      o);
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

static inline void print_value(cy_value v) {
  char *text;
  assert_ok(cy_graph_text(&v, 1, &text));
  print_message("%s", text);
  cy_string_free(text);
}

/* The loop, with and without recomputation, against the steps written out. */
static inline void compare(const kind *k, int64_t length, bool reverse, int64_t recompute, int order, uint64_t seed,
                           const char *backend) {
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
      fail_msg("%s, %lld steps%s, recompute %lld, seed %llu, %s: value %d of %d differs by %g", k->name,
               (long long)length, reverse ? " in reverse" : "", (long long)recompute, (unsigned long long)seed, backend,
               i, n, error);
    }
    cy_tensor_free(results[0][i]);
    cy_tensor_free(results[1][i]);
  }
  feeds_end(&w.f);
}

#endif
