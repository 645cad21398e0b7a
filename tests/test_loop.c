/* Loops compiled and run: every cell, length and direction gives what the same steps give one behind the other, on every
 * backend; a run allocates nothing; memory grows with what is kept. */
#include "harness.h"

#include "base/memory.h"

/* ---- cells: a step as a function of values, so that it can be a body or be unrolled ---- */

enum { N = 6, C = 3, H = 5, MOST = 4 };

typedef struct cell {
  const char *name;
  cy_scan_body step;
  int n_carry, n_outputs;
  cy_shape constants[MOST]; /* ends with rank 0 */
  bool input;               /* [T, N, C] */
} cell;

static cy_value project(cy_value x, cy_value w, cy_value h, cy_value u) {
  return cy_add(cy_matmul(x, w), cy_matmul(h, u));
}

static void rnn(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_value a = project(s->inputs[0], s->constants[0], s->carry[0], s->constants[1]);
  next[0] = outputs[0] = cy_tanh(cy_add(a, cy_broadcast(s->constants[2], CY_SHAPE(N, H))));
}

/* S. Hochreiter, J. Schmidhuber 1997, with the forget gate of F. Gers et al. 2000. */
static void lstm(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_value a = project(s->inputs[0], s->constants[0], s->carry[0], s->constants[1]), gate[4];
  for (int i = 0; i < 4; i++) gate[i] = cy_slice_axis(a, 1, i * H, (i + 1) * H);
  next[1] = cy_add(cy_mul(cy_logistic(gate[0]), s->carry[1]), cy_mul(cy_logistic(gate[1]), cy_tanh(gate[2])));
  next[0] = outputs[0] = cy_mul(cy_logistic(gate[3]), cy_tanh(next[1]));
}

/* Carries that change places, one that stays, one that nobody needs. */
static void juggle(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  next[0] = s->carry[1];
  next[1] = cy_mul_scalar(s->carry[0], 0.5);
  next[2] = s->carry[2];
  next[3] = cy_exp(cy_matmul(s->carry[3], s->constants[0]));
  outputs[0] = cy_add(s->carry[0], s->carry[2]);
}

/* Sums over the batch: no two rows are independent. */
static void mixed(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_value mean = cy_mean(s->carry[0], (int[]){0}, 1, true);
  cy_value a = cy_sub(s->carry[0], cy_broadcast(mean, CY_SHAPE(N, H)));
  next[0] = cy_tanh(cy_add(a, cy_matmul(s->inputs[0], s->constants[0])));
  outputs[0] = cy_softmax(next[0], 1);
}

/* No input, a number that counts. */
static void counting(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  next[0] = cy_add_scalar(s->carry[0], 1);
  outputs[0] = cy_mul(s->carry[0], s->carry[0]);
}

static const cell cells[] = {
    {"rnn", rnn, 1, 1, {{2, {C, H}}, {2, {H, H}}, {1, {H}}}, true},
    {"lstm", lstm, 2, 1, {{2, {C, 4 * H}}, {2, {H, 4 * H}}}, true},
    {"juggle", juggle, 4, 1, {{2, {H, H}}}, false},
    {"mixed", mixed, 1, 1, {{2, {C, H}}}, true},
    {"counting", counting, 1, 1, {{0}}, false},
};
enum { CELLS = sizeof cells / sizeof *cells };

/* ---- graphs ---- */

typedef struct built {
  feeds f;
  const cell *cell;
  int64_t length;
  bool reverse;
  cy_value constants[MOST], carry[MOST], input;
  int n_constants;
} built;

static built build(const cell *c, cy_dtype dtype, int64_t length, bool reverse) {
  built b = {.f = feeds_begin(), .cell = c, .length = length, .reverse = reverse};
  cy_rng rng = cy_rng_make(7, 1);
  for (; b.n_constants < MOST && c->constants[b.n_constants].rank; b.n_constants++) {
    int i = feeds_add(&b.f, dtype, c->constants[b.n_constants]);
    fill_uniform(b.f.tensor[i], &rng, -0.6, 0.6);
    b.constants[b.n_constants] = b.f.value[i];
  }
  for (int k = 0; k < c->n_carry; k++) {
    int i = feeds_add(&b.f, dtype, CY_SHAPE(N, H));
    fill_uniform(b.f.tensor[i], &rng, -1, 1);
    b.carry[k] = b.f.value[i];
  }
  int i = feeds_add(&b.f, dtype, CY_SHAPE(length, N, C));
  fill_uniform(b.f.tensor[i], &rng, -1, 1);
  b.input = b.f.value[i];
  return b;
}

/* values: the last carries, then the outputs. */
static int scanned(const built *b, cy_value *values) {
  const cell *c = b->cell;
  cy_scan_values v = {.n_constants = b->n_constants, .n_carry = c->n_carry, .n_inputs = c->input, .n_outputs = c->n_outputs,
                      .constants = b->constants, .carry = b->carry, .inputs = &b->input, .last = values,
                      .outputs = values + c->n_carry};
  cy_scan(b->f.graph, c->step, NULL, v, (cy_scan_options){.length = b->length, .reverse = b->reverse});
  assert_ok(cy_graph_status(b->f.graph));
  return c->n_carry + c->n_outputs;
}

static void unrolled(const built *b, cy_value *values) {
  const cell *c = b->cell;
  cy_value carry[MOST], next[MOST], step[MOST], *outputs = calloc((size_t)b->length, sizeof *outputs);
  memcpy(carry, b->carry, sizeof carry);
  for (int64_t i = 0; i < b->length; i++) {
    int64_t t = b->reverse ? b->length - 1 - i : i;
    cy_value input = cy_reshape(cy_slice_axis(b->input, 0, t, t + 1), CY_SHAPE(N, C));
    c->step(&(cy_scan_step){b->f.graph, b->constants, carry, &input}, NULL, next, step);
    memcpy(carry, next, sizeof carry);
    outputs[t] = cy_reshape(step[0], CY_SHAPE(1, N, H));
  }
  memcpy(values, carry, (size_t)c->n_carry * sizeof *carry);
  values[c->n_carry] = cy_concat(outputs, (int)b->length, 0);
  free(outputs);
}

static const run_options ways[] = {
    {.threads = 1, .twice = true}, {.threads = 2, .twice = true}, {.threads = 3}, {.threads = 2, .unfused = true},
    {.backend = "reference", .threads = 1, .twice = true}, {.backend = "reference", .threads = 1, .unfused = true}};
enum { WAYS = sizeof ways / sizeof *ways };

/* Compares the values of mask with those of an unrolled graph. */
static void compare(const built *b, uint32_t mask, double tolerance) {
  cy_value all[2 * MOST], expected[2 * MOST], chosen[2 * MOST], reference[2 * MOST];
  cy_tensor *is[2 * MOST], *should[2 * MOST];
  int n = scanned(b, all), m = 0;
  unrolled(b, expected);
  for (int i = 0; i < n; i++)
    if (mask >> i & 1) chosen[m] = all[i], reference[m++] = expected[i];
  feeds f = b->f;
  run_values(&f, reference, m, (run_options){.threads = 1}, should);
  for (int w = 0; w < WAYS; w++) {
    run_values(&f, chosen, m, ways[w], is);
    for (int i = 0; i < m; i++) {
      double d = distance(is[i], should[i]);
      if (!(d <= tolerance))
        fail_msg("%s of %lld steps%s, way %d, value %d of %u: %g", b->cell->name, (long long)b->length,
                 b->reverse ? ", reverse" : "", w, i, mask, d);
      cy_tensor_free(is[i]);
    }
  }
  for (int i = 0; i < m; i++) cy_tensor_free(should[i]);
}

static void each_cell_computes_what_its_steps_compute_in_turn(void **state) {
  static const int64_t lengths[] = {1, 2, 7, 30};
  (void)state;
  for (int c = 0; c < CELLS; c++)
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
      for (int reverse = 0; reverse < 2; reverse++)
        for (int type = 0; type < 2; type++) {
          built b = build(&cells[c], type ? CY_F64 : CY_F32, lengths[l], reverse);
          compare(&b, ~0u, type ? 1e-12 : 1e-4);
          feeds_end(&b.f);
        }
}

static void each_part_can_be_read_alone(void **state) {
  (void)state;
  for (int c = 0; c < CELLS; c++)
    for (int reverse = 0; reverse < 2; reverse++)
      for (int part = 0; part < cells[c].n_carry + cells[c].n_outputs; part++) {
        built b = build(&cells[c], CY_F64, 5, reverse);
        compare(&b, 1u << part, 1e-12);
        feeds_end(&b.f);
      }
}

static void a_program_outlives_its_graph(void **state) {
  (void)state;
  built b = build(&cells[1], CY_F32, 7, false);
  cy_value values[2 * MOST];
  cy_program *program;
  cy_session *session;
  int n = scanned(&b, values);
  assert_ok(cy_compile(values, n, NULL, 0, (cy_program_options){.threads = 2}, &program));
  cy_graph_free(b.f.graph);
  b.f.graph = NULL;
  assert_ok(cy_session_create(program, &session));
  for (int i = 0; i < b.f.n; i++) {
    char name[16];
    snprintf(name, sizeof name, "x%d", i);
    assert_ok(cy_session_bind(session, name, b.f.tensor[i]));
  }
  assert_ok(cy_session_run(session));
  cy_session_free(session);
  cy_program_free(program);
  feeds_end(&b.f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_cell_computes_what_its_steps_compute_in_turn),
      cmocka_unit_test(each_part_can_be_read_alone),
      cmocka_unit_test(a_program_outlives_its_graph),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
