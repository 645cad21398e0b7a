/* Loops compiled and run: every cell, length and direction gives what the same steps give one behind the other, on
 * every backend; a run allocates nothing; memory grows with what is kept. */
#include "allocations.h"
#include "harness.h"

/* ---- cells: a step as a function of values, so that it can be a body or be unrolled ---- */

enum { N = 9, C = 3, H = 5, MOST = 4 };

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
  int64_t length, recompute;
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
  cy_scan_values v = {.n_constants = b->n_constants, .n_carry = c->n_carry, .n_inputs = c->input,
                      .n_outputs = c->n_outputs, .constants = b->constants, .carry = b->carry, .inputs = &b->input,
                      .last = values, .outputs = values + c->n_carry};
  cy_scan(b->f.graph, c->step, NULL, v,
          (cy_scan_options){.length = b->length, .reverse = b->reverse, .recompute = b->recompute});
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
  static const int64_t lengths[] = {1, 2, 7, 200};
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

/* ---- programs ---- */

typedef struct running {
  cy_program *program;
  cy_session *session;
} running;

static running start(const built *b, const cy_value *values, int n, const cy_update *updates, int n_updates,
                     cy_program_options options) {
  running r;
  assert_ok(cy_graph_status(b->f.graph));
  assert_ok(cy_compile(values, n, updates, n_updates, options, &r.program));
  assert_ok(cy_session_create(r.program, &r.session));
  for (int i = 0; i < b->f.n; i++) {
    char name[16];
    snprintf(name, sizeof name, "x%d", i);
    cy_status bound = cy_session_bind(r.session, name, b->f.tensor[i]); /* what nobody needs is not in the program */
    assert_true(bound == CY_OK || bound == CY_INVALID);
  }
  return r;
}

static void stop(running *r) {
  cy_session_free(r->session);
  cy_program_free(r->program);
}

static void a_program_outlives_its_graph(void **state) {
  (void)state;
  built b = build(&cells[1], CY_F32, 7, false);
  cy_value values[2 * MOST];
  int n = scanned(&b, values);
  running r = start(&b, values, n, NULL, 0, (cy_program_options){.threads = 2});
  cy_graph_free(b.f.graph);
  b.f.graph = NULL;
  assert_ok(cy_session_run(r.session));
  stop(&r);
  feeds_end(&b.f);
}

static bool mentions(const cy_program *program, const char *words) {
  char *text;
  assert_ok(cy_program_text(program, &text));
  bool found = strstr(text, words) != NULL;
  cy_string_free(text);
  return found;
}

/* Steps of many bytes: the projection is taken in the loop, rows of gates that lie apart in a product are used where they
 * are, and memory of the next step is fetched. Forward and back, against the same steps written out. */
enum { ROWS = 65, UNITS = 100, INPUTS = 17, STEPS = 11 };

static void wide(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_value a = project(s->inputs[0], s->constants[0], s->carry[0], s->constants[1]), gate[4];
  a = cy_add(a, cy_broadcast(s->constants[2], CY_SHAPE(ROWS, 4 * UNITS)));
  for (int i = 0; i < 4; i++) gate[i] = cy_slice_axis(a, 1, i * UNITS, (i + 1) * UNITS);
  next[1] = cy_add(cy_mul(cy_logistic(gate[0]), s->carry[1]), cy_mul(cy_logistic(gate[1]), cy_tanh(gate[2])));
  next[0] = outputs[0] = cy_mul(cy_logistic(gate[3]), cy_tanh(next[1]));
}

static void large_steps_compute_what_is_written_out(void **state) {
  const cy_shape shapes[] = {CY_SHAPE(INPUTS, 4 * UNITS), CY_SHAPE(UNITS, 4 * UNITS), CY_SHAPE(4 * UNITS),
                             CY_SHAPE(ROWS, UNITS), CY_SHAPE(ROWS, UNITS), CY_SHAPE(STEPS, ROWS, INPUTS)};
  enum { LEAVES = sizeof shapes / sizeof *shapes, ALL = 2 + LEAVES };
  (void)state;
  feeds f = feeds_begin();
  cy_rng rng = cy_rng_make(11, 1);
  cy_value leaf[LEAVES], looped[ALL], written[ALL], last[2], carry[2], next[2], outputs[STEPS];
  for (int i = 0; i < (int)LEAVES; i++) {
    int k = feeds_add(&f, CY_F32, shapes[i]);
    fill_uniform(f.tensor[k], &rng, -0.3, 0.3);
    leaf[i] = f.value[k];
  }
  cy_scan_values v = {.n_constants = 3, .n_carry = 2, .n_inputs = 1, .n_outputs = 1, .constants = leaf,
                      .carry = leaf + 3, .inputs = leaf + 5, .last = last, .outputs = looped};
  cy_scan(f.graph, wide, NULL, v, (cy_scan_options){.length = STEPS});
  memcpy(carry, leaf + 3, sizeof carry);
  for (int t = 0; t < STEPS; t++) {
    cy_value input = cy_reshape(cy_slice_axis(leaf[5], 0, t, t + 1), CY_SHAPE(ROWS, INPUTS));
    wide(&(cy_scan_step){f.graph, leaf, carry, &input}, NULL, next, &outputs[t]);
    memcpy(carry, next, sizeof carry);
    outputs[t] = cy_reshape(outputs[t], CY_SHAPE(1, ROWS, UNITS));
  }
  written[0] = cy_concat(outputs, STEPS, 0);
  looped[1] = last[1], written[1] = carry[1];
  for (int i = 0; i < 2; i++) {
    cy_value *values = i ? written : looped;
    cy_value loss = cy_add(cy_sum(cy_square(values[0]), NULL, 0, false), cy_sum(values[1], NULL, 0, false));
    assert_ok(cy_grad(loss, leaf, LEAVES, values + 2));
  }
  cy_tensor *is[ALL], *should[ALL];
  run_values(&f, written, ALL, (run_options){.threads = 1}, should);
  cy_program *program;
  assert_ok(cy_compile(looped, ALL, NULL, 0, (cy_program_options){.threads = 1}, &program));
  assert_true(mentions(program, "f32[65x17]")); /* a step of the input, in the body */
  cy_program_free(program);
  for (int threads = 1; threads <= 2; threads++) {
    run_values(&f, looped, ALL, (run_options){.threads = threads, .twice = true}, is);
    for (int i = 0; i < (int)ALL; i++) {
      const double d = distance(is[i], should[i]);
      if (!(d <= 1e-4)) fail_msg("%d threads, value %d: %g", threads, i, d);
      cy_tensor_free(is[i]);
    }
  }
  for (int i = 0; i < (int)ALL; i++) cy_tensor_free(should[i]);
  feeds_end(&f);
}

/* 1000 steps: rows that are independent are shared out, others are not; results agree. */
static void threads_run_rows_of_their_own(void **state) {
  (void)state;
  for (int c = 0; c < CELLS; c++) {
    built b = build(&cells[c], CY_F64, 1000, c & 1);
    cy_value values[2 * MOST];
    int n = scanned(&b, values);
    running one = start(&b, values, n, NULL, 0, (cy_program_options){.threads = 1});
    running two = start(&b, values, n, NULL, 0, (cy_program_options){.threads = 2});
    assert_ok(cy_session_run(one.session));
    assert_ok(cy_session_run(two.session));
    for (int i = 0; i < n; i++)
      assert_true(distance(cy_session_output(two.session, i), cy_session_output(one.session, i)) < 1e-10);
    bool independent = cells[c].step == rnn || cells[c].step == lstm;
    assert_false(mentions(one.program, "rows on"));
    if (independent) assert_true(mentions(two.program, "rows on 2 threads"));
    if (cells[c].step == mixed) assert_false(mentions(two.program, "rows on"));
    stop(&one);
    stop(&two);
    feeds_end(&b.f);
  }
}

/* An LSTM's gates are slices of one product: a step is that product and one group, whatever is kept of it, and so is
 * a step back. */
static void a_cell_is_one_product_and_one_group(void **state) {
  (void)state;
  built b = build(&cells[1], CY_F32, 50, false);
  cy_value values[2 * MOST], gradients[2];
  scanned(&b, values);
  cy_value loss = cy_sum(cy_square(values[2]), NULL, 0, false);
  assert_ok(cy_grad(loss, b.constants, 2, gradients));
  running r = start(&b, gradients, 2, NULL, 0, (cy_program_options){.threads = 1});
  assert_false(mentions(r.program, "concat"));
  assert_false(mentions(r.program, "pad"));
  char *text;
  assert_ok(cy_program_text(r.program, &text));
  int inside = 0;
  for (const char *line = strstr(text, "\n      "); line; line = strstr(line + 1, "\n      ")) inside++;
  assert_int_equal(inside, 2 + 2);
  cy_string_free(text);
  stop(&r);
  feeds_end(&b.f);
}

/* A variable that each run takes up where the last one left it. */
static void state_is_carried_from_run_to_run(void **state) {
  (void)state;
  for (int threads = 1; threads <= 2; threads++) {
    built b = build(&cells[1], CY_F64, 6, false), twice = build(&cells[1], CY_F64, 12, false);
    cy_value values[2 * MOST], longer[2 * MOST];
    cy_tensor *memory[2], *whole[3];
    cy_update updates[2];
    for (int k = 0; k < 2; k++) {
      char name[8];
      snprintf(name, sizeof name, "h%d", k);
      assert_ok(cy_tensor_create(CY_F64, CY_SHAPE(N, H), &memory[k]));
      assert_ok(cy_tensor_copy(b.f.tensor[b.n_constants + k], memory[k]));
      b.carry[k] = cy_variable(b.f.graph, name, CY_F64, CY_SHAPE(N, H));
    }
    scanned(&b, values);
    for (int k = 0; k < 2; k++) updates[k] = (cy_update){b.carry[k], values[k]};
    running r = start(&b, values + 2, 1, updates, 2, (cy_program_options){.threads = threads});
    assert_ok(cy_session_bind(r.session, "h0", memory[0]));
    assert_ok(cy_session_bind(r.session, "h1", memory[1]));
    /* The longer sequence is the shorter one twice. */
    const double *half = cy_tensor_data(b.f.tensor[b.f.n - 1]);
    double *both = cy_tensor_data(twice.f.tensor[twice.f.n - 1]);
    for (int64_t i = 0; i < 12 * N * C; i++) both[i] = half[i % (6 * N * C)];
    scanned(&twice, longer);
    run_values(&twice.f, longer, 3, (run_options){.threads = 1}, whole);
    assert_ok(cy_session_run(r.session));
    assert_ok(cy_session_run(r.session));
    for (int k = 0; k < 2; k++) assert_true(distance(memory[k], whole[k]) < 1e-12);
    for (int k = 0; k < 3; k++) cy_tensor_free(whole[k]);
    for (int k = 0; k < 2; k++) cy_tensor_free(memory[k]);
    stop(&r);
    feeds_end(&b.f);
    feeds_end(&twice.f);
  }
}

/* Weights as variables of a frozen program: new ones count after they were bound. */
static void frozen_programs_take_new_weights(void **state) {
  (void)state;
  for (int c = 0; c < 2; c++) {
    built b = build(&cells[c], CY_F64, 7, false);
    cy_value values[2 * MOST];
    b.constants[1] = cy_variable(b.f.graph, "u", CY_F64, cells[c].constants[1]);
    cy_tensor *u = b.f.tensor[1];
    int n = scanned(&b, values);
    running frozen = start(&b, values, n, NULL, 0, (cy_program_options){.threads = 2, .frozen = true});
    running plain = start(&b, values, n, NULL, 0, (cy_program_options){.threads = 1});
    for (int round = 0; round < 2; round++) {
      for (int64_t i = 0; i < cy_tensor_count(u); i++) cy_tensor_set(u, i, 0.1 * (double)((i + round) % 7) - 0.3);
      assert_ok(cy_session_bind(frozen.session, "u", u));
      assert_ok(cy_session_bind(plain.session, "u", u));
      for (int again = 0; again < 2; again++) assert_ok(cy_session_run(frozen.session));
      assert_ok(cy_session_run(plain.session));
      for (int i = 0; i < n; i++)
        assert_true(distance(cy_session_output(frozen.session, i), cy_session_output(plain.session, i)) < 1e-12);
    }
    stop(&frozen);
    stop(&plain);
    feeds_end(&b.f);
  }
}

/* The loss of an LSTM and its gradient. */
static int training(built *b, cy_value *values) {
  cy_value all[2 * MOST];
  scanned(b, all);
  values[0] = cy_sum(cy_square(all[0]), NULL, 0, false);
  assert_ok(cy_grad(values[0], b->constants, 2, values + 1));
  return 3;
}

static void a_run_allocates_nothing(void **state) {
  (void)state;
  for (int threads = 1; threads <= 2; threads++) {
    built b = build(&cells[1], CY_F32, 300, false);
    cy_value values[3];
    int n = training(&b, values);
    running r = start(&b, values, n, NULL, 0, (cy_program_options){.threads = threads});
    assert_ok(cy_session_run(r.session));
    long before = calls;
    for (int i = 0; i < 3; i++) assert_ok(cy_session_run(r.session));
    assert_int_equal(calls, before);
    stop(&r);
    feeds_end(&b.f);
  }
}

static void each_allocation_of_compiling_may_fail(void **state) {
  (void)state;
  built b = build(&cells[1], CY_F32, 300, false);
  cy_value values[3];
  int n = training(&b, values);
  for (long k = 1;; k++) {
    cy_program *program = NULL;
    cy_session *session = NULL;
    long before = live;
    calls = 0;
    failing = k;
    cy_status status = cy_compile(values, n, NULL, 0, (cy_program_options){.threads = 2}, &program);
    if (status == CY_OK) status = cy_session_create(program, &session);
    bool done = calls < k;
    failing = 0;
    cy_session_free(session);
    cy_program_free(program);
    assert_int_equal(live, before);
    if (done) {
      assert_int_equal(status, CY_OK);
      break;
    }
    if (status != CY_OK) assert_int_equal(status, CY_NO_MEMORY);
  }
  feeds_end(&b.f);
}

/* ---- memory ---- */

static double arena(int64_t length, bool trains, int64_t recompute) {
  built b = build(&cells[1], CY_F32, length, false);
  b.recompute = recompute;
  cy_value values[2 * MOST];
  int n = trains ? training(&b, values) : (scanned(&b, values), 1);
  cy_program *program;
  assert_ok(cy_compile(values, n, NULL, 0, (cy_program_options){.threads = 2}, &program));
  double bytes = (double)cy_program_arena_bytes(program);
  cy_program_free(program);
  feeds_end(&b.f);
  return bytes;
}

/* Training keeps a few numbers per step and unit; so many steps more take so much memory more. What inference of the
 * last state takes of the whole sequence is the projected input. */
static void memory_is_linear_in_time(void **state) {
  (void)state;
  const double per_step = (arena(2000, true, 0) - arena(1000, true, 0)) / 1000, long_time = arena(10000, true, 0);
  assert_true(fabs(long_time - arena(2000, true, 0) - 8000 * per_step) < 0.01 * long_time);
  assert_true(per_step < 12.5 * N * H * sizeof(float));
  const double inference = (arena(2000, false, 0) - arena(1000, false, 0)) / 1000;
  assert_true(inference <= 4 * N * H * sizeof(float) + 1);
}

/* Where the square root of the steps lies between the carries that are kept, sixteen times the steps take some four
 * times the memory. */
static void recomputing_takes_the_square_root_of_memory(void **state) {
  (void)state;
  const double once = arena(10000, true, 100), longer = arena(160000, true, 400);
  assert_true(once < arena(10000, true, 0) / 20);
  assert_true(longer < 5 * once);
}

/* ---- looking inside ---- */

static void growing(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context;
  cy_scope_push(s->graph, "cell");
  next[0] = cy_exp(s->carry[0]);
  cy_scope_pop(s->graph);
  outputs[0] = cy_neg(next[0]);
}

static void the_first_bad_value_has_a_step(void **state) {
  (void)state;
  static const cell grower = {"growing", growing, 1, 1, {{0}}, false};
  for (int reverse = 0; reverse < 2; reverse++) {
    built b = build(&grower, CY_F64, 9, reverse);
    cy_value values[2];
    char *text;
    scanned(&b, values);
    fill_uniform(b.f.tensor[0], &(cy_rng){0}, 1, 1);
    running r = start(&b, values, 2, NULL, 0, (cy_program_options){.unfused = true});
    assert_ok(cy_session_run(r.session)); /* e, e^e, e^e^e = 3.8e6, and then infinity */
    assert_ok(cy_session_first_bad(r.session, &text));
    assert_string_equal(text, reverse ? "exp in cell: 45 of 45 values not finite at step 5 of 9"
                                      : "exp in cell: 45 of 45 values not finite at step 3 of 9");
    cy_string_free(text);
    stop(&r);
    feeds_end(&b.f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_cell_computes_what_its_steps_compute_in_turn),
      cmocka_unit_test(each_part_can_be_read_alone),
      cmocka_unit_test(a_program_outlives_its_graph),
      cmocka_unit_test(large_steps_compute_what_is_written_out),
      cmocka_unit_test(threads_run_rows_of_their_own),
      cmocka_unit_test(a_cell_is_one_product_and_one_group),
      cmocka_unit_test(state_is_carried_from_run_to_run),
      cmocka_unit_test(frozen_programs_take_new_weights),
      cmocka_unit_test(a_run_allocates_nothing),
      cmocka_unit_test(each_allocation_of_compiling_may_fail),
      cmocka_unit_test(memory_is_linear_in_time),
      cmocka_unit_test(recomputing_takes_the_square_root_of_memory),
      cmocka_unit_test(the_first_bad_value_has_a_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
