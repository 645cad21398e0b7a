/* Optimisers: trajectories on a quadratic against scalar loops written here from the papers, against PyTorch 1.13, and
 * against closed forms of the first steps; clipping; the guard; options; schedules. All in f64. */
#include "expect.h"

#include <cauchy/autodiff.h>
#include <cauchy/ops.h>
#include <cauchy/optim.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { P = 3, Q = 2, STEPS = 20 };

/* loss(p) = 1/2 sum a (p - c)^2 + 1/4 (sum p)^2, and with q beside it + sum q^4. */
static const double curvature[P] = {1.0, 3.0, 0.5}, centre[P] = {1.0, -2.0, 0.25};
static const double p_start[P] = {0.5, 1.0, -1.5}, q_start[Q] = {2.0, -1.0};

static void gradient_at(const double p[P], double g[P]) {
  double sum = p[0] + p[1] + p[2];
  for (int i = 0; i < P; i++) g[i] = curvature[i] * (p[i] - centre[i]) + 0.5 * sum;
}

/* ---- a compiled step on that loss ---- */

typedef struct bench {
  cy_state *state;
  cy_program *program;
  cy_session *session;
  cy_tensor *rate, *good;
} bench;

static cy_value vector(cy_graph *graph, const double *numbers, int64_t n) {
  cy_tensor *tensor;
  OK(cy_tensor_wrap(CY_F64, CY_SHAPE(n), NULL, (void *)(uintptr_t)numbers, &tensor));
  cy_value value = cy_constant(graph, tensor);
  cy_tensor_free(tensor);
  return value;
}

static cy_value loss_of(cy_graph *graph, cy_value p, cy_value q) {
  cy_value off = cy_sub(p, vector(graph, centre, P));
  cy_value loss = cy_mul_scalar(cy_sum(cy_mul(vector(graph, curvature, P), cy_square(off)), NULL, 0, false), 0.5);
  loss = cy_add(loss, cy_mul_scalar(cy_square(cy_sum(p, NULL, 0, false)), 0.25));
  return cy_is_value(q) ? cy_add(loss, cy_sum(cy_square(cy_square(q)), NULL, 0, false)) : loss;
}

static bench bench_open(cy_optimizer_options options, bool with_q, bool guarded) {
  bench b = {0};
  cy_graph *graph;
  cy_update updates[16];
  int n = with_q ? 2 : 1, n_updates;
  OK(cy_graph_create(&graph));
  OK(cy_state_create(&b.state));
  cy_value parameters[2] = {cy_variable(graph, "p", CY_F64, CY_SHAPE(P)), {.id = -1}}, gradients[2];
  if (with_q) parameters[1] = cy_variable(graph, "q", CY_F64, CY_SHAPE(Q));
  OK(cy_state_declare(b.state, "p", CY_PARAMETER, CY_F64, CY_SHAPE(P)));
  OK(cy_state_declare(b.state, "q", CY_PARAMETER, CY_F64, CY_SHAPE(Q)));
  cy_value loss = loss_of(graph, parameters[0], parameters[1]), good = {.id = -1};
  OK(cy_grad(loss, parameters, n, gradients));
  if (guarded) good = cy_input(graph, "good", CY_BOOL, CY_SCALAR);
  assert_true(cy_optimizer_update_count(options, n) <= 16);
  cy_optimizer_inputs inputs = {parameters, gradients, NULL, n, good};
  OK(cy_optimizer_apply(graph, options, inputs, b.state, updates, &n_updates));
  assert_int_equal(n_updates, cy_optimizer_update_count(options, n));
  OK(cy_state_allocate(b.state));
  OK(cy_compile(&loss, 1, updates, n_updates, (cy_program_options){.threads = 1}, &b.program));
  cy_graph_free(graph);
  OK(cy_session_create(b.program, &b.session));
  OK(cy_session_bind_state(b.session, b.state));
  OK(cy_tensor_create(CY_F64, CY_SCALAR, &b.rate));
  OK(cy_session_bind(b.session, "learning_rate", b.rate));
  OK(cy_tensor_create(CY_BOOL, CY_SCALAR, &b.good));
  if (guarded) OK(cy_session_bind(b.session, "good", b.good));
  memcpy(cy_tensor_f64(cy_state_find(b.state, "p")), p_start, sizeof p_start);
  memcpy(cy_tensor_f64(cy_state_find(b.state, "q")), q_start, sizeof q_start);
  return b;
}

static void bench_close(bench *b) {
  cy_session_free(b->session);
  cy_program_free(b->program);
  cy_state_free(b->state);
  cy_tensor_free(b->rate);
  cy_tensor_free(b->good);
}

static const double *step(bench *b, double rate) {
  cy_tensor_set(b->rate, 0, rate);
  OK(cy_session_run(b->session));
  return cy_tensor_f64(cy_state_find(b->state, "p"));
}

static void assert_near(const double *actual, const double *expected, int n, double tolerance, const char *what) {
  for (int i = 0; i < n; i++)
    if (!(fabs(actual[i] - expected[i]) <= tolerance * fmax(1, fabs(expected[i]))))
      fail_msg("%s: element %d is %.17g, expected %.17g", what, i, actual[i], expected[i]);
}

/* ---- the optimisers again, as loops over numbers ---- */

typedef struct numbers {
  double m[P], v[P];
} numbers;

static void plain_sgd(const cy_optimizer_options *o, double r, int t, double *p, const double *g, numbers *s) {
  (void)o, (void)t, (void)s;
  for (int i = 0; i < P; i++) p[i] -= r * g[i];
}
static void plain_momentum(const cy_optimizer_options *o, double r, int t, double *p, const double *g, numbers *s) {
  (void)t;
  for (int i = 0; i < P; i++) {
    s->m[i] = o->momentum * s->m[i] + g[i];
    p[i] -= r * s->m[i];
  }
}
static void plain_nesterov(const cy_optimizer_options *o, double r, int t, double *p, const double *g, numbers *s) {
  (void)t;
  for (int i = 0; i < P; i++) {
    s->m[i] = o->momentum * s->m[i] + g[i];
    p[i] -= r * (g[i] + o->momentum * s->m[i]);
  }
}
static void plain_rmsprop(const cy_optimizer_options *o, double r, int t, double *p, const double *g, numbers *s) {
  (void)t;
  for (int i = 0; i < P; i++) {
    s->v[i] = o->beta2 * s->v[i] + (1 - o->beta2) * g[i] * g[i];
    s->m[i] = o->momentum * s->m[i] + g[i] / (sqrt(s->v[i]) + o->epsilon);
    p[i] -= r * s->m[i];
  }
}
static void plain_adagrad(const cy_optimizer_options *o, double r, int t, double *p, const double *g, numbers *s) {
  (void)t;
  for (int i = 0; i < P; i++) {
    s->v[i] += g[i] * g[i];
    p[i] -= r * g[i] / (sqrt(s->v[i]) + o->epsilon);
  }
}
static void plain_adam(const cy_optimizer_options *o, double r, int t, double *p, const double *g, numbers *s) {
  for (int i = 0; i < P; i++) {
    s->m[i] = o->beta1 * s->m[i] + (1 - o->beta1) * g[i];
    s->v[i] = o->beta2 * s->v[i] + (1 - o->beta2) * g[i] * g[i];
    double mean = s->m[i] / (1 - pow(o->beta1, t)), variance = s->v[i] / (1 - pow(o->beta2, t));
    p[i] -= r * mean / (sqrt(variance) + o->epsilon);
  }
}

/* filled: what the documentation promises where an option is zero, written by hand, apart from the library's table. */
static const struct trajectory {
  const char *label;
  cy_optimizer_options options, filled;
  void (*plain)(const cy_optimizer_options *, double, int, double *, const double *, numbers *);
  bool decoupled;
  double torch[P]; /* parameters after 20 steps of 0.05 in PyTorch 1.13, f64 */
} trajectories[] = {
  {"sgd", {.name = "sgd"}, {0}, plain_sgd, false, {1.161574594791889, -1.7097120469071889, -0.38936807630315312}},
  {"sgd, weight decay", {.name = "sgd", .weight_decay = 0.1}, {.weight_decay = 0.1}, plain_sgd, false,
   {1.0963076198241721, -1.6704398517661734, -0.33214971081683498}},
  {"momentum", {.name = "momentum", .weight_decay = 0.1}, {.momentum = 0.9, .weight_decay = 0.1}, plain_momentum, false,
   {0.043886629717764948, -2.3526515607882712, 0.42427323279801143}},
  {"nesterov", {.name = "nesterov", .momentum = 0.8, .weight_decay = 0.1}, {.momentum = 0.8, .weight_decay = 0.1},
   plain_nesterov, false, {0.9431678809353361, -1.8945107454841115, 0.5641496026342312}},
  {"rmsprop", {.name = "rmsprop", .weight_decay = 0.1}, {.beta2 = 0.99, .epsilon = 1e-8, .weight_decay = 0.1},
   plain_rmsprop, false, {1.0038815317745042, -1.5495761482371395, 0.32556338479437058}},
  {"rmsprop, momentum", {.name = "rmsprop", .beta2 = 0.9, .momentum = 0.5},
   {.beta2 = 0.9, .epsilon = 1e-8, .momentum = 0.5}, plain_rmsprop, false,
   {1.0143095526285535, -1.2239881528404877, 0.1677611731468896}},
  {"adagrad", {.name = "adagrad", .weight_decay = 0.1}, {.epsilon = 1e-10, .weight_decay = 0.1}, plain_adagrad, false,
   {0.75071349543155774, 0.62899401100143493, -1.1489090446288881}},
  {"adam", {.weight_decay = 0.1}, {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.1}, plain_adam,
   false, {0.79127709037603744, 0.022418164157681414, -0.58613920752821558}},
  {"adam, other moments", {.name = "adam", .beta1 = 0.5, .beta2 = 0.9, .epsilon = 1e-3},
   {.beta1 = 0.5, .beta2 = 0.9, .epsilon = 1e-3}, plain_adam, false,
   {0.86289549548273026, 0.048343843976767921, -0.65069099088494708}},
  {"adamw", {.name = "adamw"}, {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01}, plain_adam, true,
   {0.88938780536471951, 0.016240565757194084, -0.59188042041563993}},
  {"adamw, weight decay", {.name = "adamw", .weight_decay = 0.2},
   {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.2}, plain_adam, true,
   {0.84402414518514113, -0.068825069428498781, -0.43836439760672363}},
};
enum { TRAJECTORIES = (int)(sizeof trajectories / sizeof trajectories[0]) };

static void plain_step(const struct trajectory *it, double rate, int t, double p[P], numbers *s) {
  double g[P], start[P];
  gradient_at(p, g);
  memcpy(start, p, sizeof start);
  for (int i = 0; i < P; i++) {
    if (it->decoupled) p[i] *= 1 - rate * it->filled.weight_decay;
    else g[i] += it->filled.weight_decay * start[i];
  }
  it->plain(&it->filled, rate, t, p, g, s);
}

static void each_optimiser_follows_its_definition(void **unused) {
  (void)unused;
  for (int k = 0; k < TRAJECTORIES; k++) {
    const struct trajectory *it = &trajectories[k];
    bench b = bench_open(it->options, false, false);
    double p[P];
    numbers s = {0};
    memcpy(p, p_start, sizeof p);
    for (int t = 1; t <= 60; t++) {
      double rate = 0.05 / (1 + 0.1 * t);
      plain_step(it, rate, t, p, &s);
      assert_near(step(&b, rate), p, P, 1e-12, it->label);
      assert_int_equal(*cy_tensor_i64(cy_state_find(b.state, "step")), t);
    }
    bench_close(&b);
  }
}

static void each_optimiser_agrees_with_pytorch(void **unused) {
  (void)unused;
  for (int k = 0; k < TRAJECTORIES; k++) {
    bench b = bench_open(trajectories[k].options, false, false);
    const double *p = NULL;
    for (int t = 1; t <= STEPS; t++) p = step(&b, 0.05);
    assert_near(p, trajectories[k].torch, P, 1e-12, trajectories[k].label);
    bench_close(&b);
  }
}

static void every_optimiser_of_the_table_is_tested(void **unused) {
  (void)unused;
  for (int i = 0; i < cy_optimizer_count(); i++) {
    bool found = cy_optimizer_second_order(i); /* those are test_minimize's and test_second_order's */
    for (int k = 0; k < TRAJECTORIES; k++) {
      const char *name = trajectories[k].options.name;
      found = found || strcmp(name ? name : "adam", cy_optimizer_name(i)) == 0;
    }
    if (!found) fail_msg("no trajectory for optimiser %s", cy_optimizer_name(i));
    assert_true(cy_optimizer_rate(i) > 0 && cy_optimizer_summary(i)[0]);
  }
}

/* With a constant gradient g (a linear loss would do; here: the first step of any loss) the start has closed forms. */
static void first_steps_have_closed_forms(void **unused) {
  (void)unused;
  double g[P], g2[P], first[P], second[P];
  gradient_at(p_start, g);
  bench b = bench_open((cy_optimizer_options){.name = "adam"}, false, false);
  for (int i = 0; i < P; i++) first[i] = p_start[i] - 0.1 * g[i] / (fabs(g[i]) + 1e-8); /* r sign(g) */
  assert_near(step(&b, 0.1), first, P, 1e-13, "adam, step 1");
  bench_close(&b);

  b = bench_open((cy_optimizer_options){.name = "rmsprop"}, false, false);
  for (int i = 0; i < P; i++) first[i] = p_start[i] - 0.01 * g[i] / (0.1 * fabs(g[i]) + 1e-8); /* 10 r sign(g) */
  assert_near(step(&b, 0.01), first, P, 1e-13, "rmsprop, step 1");
  bench_close(&b);

  b = bench_open((cy_optimizer_options){.name = "adagrad"}, false, false);
  for (int i = 0; i < P; i++) first[i] = p_start[i] - 0.1 * g[i] / (fabs(g[i]) + 1e-10);
  assert_near(step(&b, 0.1), first, P, 1e-13, "adagrad, step 1");
  gradient_at(first, g2);
  for (int i = 0; i < P; i++) second[i] = first[i] - 0.1 * g2[i] / (hypot(g[i], g2[i]) + 1e-10);
  assert_near(step(&b, 0.1), second, P, 1e-13, "adagrad, step 2");
  bench_close(&b);

  b = bench_open((cy_optimizer_options){.name = "momentum"}, false, false);
  for (int i = 0; i < P; i++) first[i] = p_start[i] - 0.1 * g[i];
  assert_near(step(&b, 0.1), first, P, 1e-13, "momentum, step 1");
  gradient_at(first, g2);
  for (int i = 0; i < P; i++) second[i] = first[i] - 0.1 * (g2[i] + 0.9 * g[i]);
  assert_near(step(&b, 0.1), second, P, 1e-13, "momentum, step 2");
  bench_close(&b);

  b = bench_open((cy_optimizer_options){.name = "nesterov"}, false, false);
  for (int i = 0; i < P; i++) first[i] = p_start[i] - 0.1 * 1.9 * g[i];
  assert_near(step(&b, 0.1), first, P, 1e-13, "nesterov, step 1");
  gradient_at(first, g2);
  for (int i = 0; i < P; i++) second[i] = first[i] - 0.1 * (1.9 * g2[i] + 0.81 * g[i]);
  assert_near(step(&b, 0.1), second, P, 1e-13, "nesterov, step 2");
  bench_close(&b);
}

static void clipping_agrees_with_pytorch(void **unused) {
  (void)unused;
  static const double by_norm[P + Q] = {0.57558649688115027, 0.12155586230930322, -1.3797550898978284,
                                        0.89593877605533023, -0.71349148179459054};
  static const double by_value[P + Q] = {0.77051326465963488, 0.29999999999999971, -0.88417261834343608,
                                         1.3000000000000016, -0.39635252098760199};
  for (int kind = 0; kind < 2; kind++) {
    const double *expected = kind ? by_value : by_norm;
    cy_optimizer_options options = {.name = "sgd", .clip_norm = kind ? 0 : 1.5, .clip_value = kind ? 0.7 : 0};
    bench b = bench_open(options, true, false);
    const double *p = NULL;
    for (int t = 1; t <= STEPS; t++) p = step(&b, 0.05);
    assert_near(p, expected, P, 1e-12, kind ? "clip_value, p" : "clip_norm, p");
    const double *q = cy_tensor_f64(cy_state_find(b.state, "q"));
    assert_near(q, expected + P, Q, 1e-12, kind ? "clip_value, q" : "clip_norm, q");
    bench_close(&b);
  }
}

static void a_clipped_step_is_no_longer_than_its_limit(void **unused) {
  (void)unused;
  bench b = bench_open((cy_optimizer_options){.name = "sgd", .clip_norm = 0.25}, true, false);
  const double *p = step(&b, 1), *q = cy_tensor_f64(cy_state_find(b.state, "q"));
  double square = 0;
  for (int i = 0; i < P; i++) square += (p[i] - p_start[i]) * (p[i] - p_start[i]);
  for (int i = 0; i < Q; i++) square += (q[i] - q_start[i]) * (q[i] - q_start[i]);
  assert_true(sqrt(square) <= 0.25 && sqrt(square) >= 0.25 * 0.99999);
  bench_close(&b);
}

static void a_closed_guard_changes_nothing(void **unused) {
  (void)unused;
  bench b = bench_open((cy_optimizer_options){.name = "adam"}, false, true);
  cy_tensor_set(b.good, 0, 1);
  double before[P], slot[P];
  memcpy(before, step(&b, 0.1), sizeof before);
  memcpy(slot, cy_tensor_f64(cy_state_find(b.state, "adam.v/p")), sizeof slot);
  assert_memory_not_equal(before, p_start, sizeof before);
  cy_tensor_set(b.good, 0, 0);
  assert_memory_equal(step(&b, 0.1), before, sizeof before);
  assert_memory_equal(cy_tensor_f64(cy_state_find(b.state, "adam.v/p")), slot, sizeof slot);
  assert_int_equal(*cy_tensor_i64(cy_state_find(b.state, "step")), 1);
  bench_close(&b);
}

/* ---- options ---- */

static void assert_says(cy_status status, const char *part) {
  assert_int_equal(status, CY_INVALID);
  if (!strstr(cy_error_message(), part)) fail_msg("\"%s\" does not say \"%s\"", cy_error_message(), part);
}

static void options_are_checked(void **unused) {
  (void)unused;
  cy_optimizer_options o;
  assert_says(cy_optimizer_resolve((cy_optimizer_options){.name = "adma"}, &o), "did you mean \"adam\"");
  assert_says(cy_optimizer_resolve((cy_optimizer_options){.name = "sgd", .momentum = 0.5}, &o), "has no momentum");
  assert_says(cy_optimizer_resolve((cy_optimizer_options){.beta1 = 1}, &o), "beta1 is 1");
  assert_says(cy_optimizer_resolve((cy_optimizer_options){.beta1 = -0.1}, &o), "beta1 is -0.1");
  assert_says(cy_optimizer_resolve((cy_optimizer_options){.clip_norm = NAN}, &o), "clip_norm");
  assert_says(cy_optimizer_resolve((cy_optimizer_options){.clip_value = INFINITY}, &o), "clip_value");
  OK(cy_optimizer_resolve((cy_optimizer_options){0}, &o));
  assert_string_equal(o.name, "adam");
  assert_true(o.beta1 == 0.9 && o.beta2 == 0.999 && o.epsilon == 1e-8 && o.weight_decay == 0);
  cy_optimizer_options again;
  OK(cy_optimizer_resolve(o, &again));
  assert_memory_equal(&o, &again, sizeof o);
  OK(cy_optimizer_resolve((cy_optimizer_options){.name = "adamw", .weight_decay = CY_EXACT_ZERO}, &o));
  assert_true(o.weight_decay == 0);
}

static void settings_have_names(void **unused) {
  (void)unused;
  cy_optimizer_options o = {.name = "adam"}, resolved;
  OK(cy_optimizer_set(&o, "beta1", 0));
  OK(cy_optimizer_set(&o, "clip_norm", 2));
  OK(cy_optimizer_resolve(o, &resolved));
  assert_true(resolved.beta1 == 0 && resolved.clip_norm == 2);
  assert_says(cy_optimizer_set(&o, "beta3", 0.5), "did you mean \"beta");
  assert_says(cy_optimizer_set(&o, "momentum", 0.5), "has no momentum");
  assert_says(cy_optimizer_set(&o, "beta2", 2), "beta2 is 2");
  o = (cy_optimizer_options){.name = "newton-cg"};
  OK(cy_optimizer_resolve(o, &resolved));
  assert_true(resolved.damping == 1 && resolved.cg_iterations == 250 && resolved.curvature_samples == 0);
  assert_string_equal(resolved.curvature, "gauss-newton");
  assert_says(cy_optimizer_set(&o, "cg_iterations", 2.5), "must be a whole number");
  assert_says(cy_optimizer_set(&o, "clip_norm", 1), "has no clip_norm");
  o.curvature = "hesian";
  assert_says(cy_optimizer_resolve(o, &resolved), "did you mean \"hessian\"?");
  o = (cy_optimizer_options){.name = "lbfgs", .curvature = "hessian"};
  assert_says(cy_optimizer_resolve(o, &resolved), "has no curvature (its settings are memory)");
  for (int i = 0; i < cy_optimizer_count(); i++) {
    cy_optimizer_setting_info info;
    int s = 0;
    for (; cy_optimizer_setting(i, s, &info); s++) {
      cy_optimizer_options one = {.name = cy_optimizer_name(i)};
      assert_true(info.low <= info.usual && info.usual < info.high);
      OK(cy_optimizer_set(&one, info.name, info.usual));
    }
    assert_true(s > 0);
  }
}

static void wrong_parameters_are_refused(void **unused) {
  (void)unused;
  cy_graph *graph;
  cy_update updates[8];
  int n;
  OK(cy_graph_create(&graph));
  cy_value p = cy_variable(graph, "p", CY_F64, CY_SHAPE(3)), sum = cy_add_scalar(p, 1);
  cy_value g = cy_full(graph, CY_F64, CY_SHAPE(4), 1);
  cy_optimizer_options options = {.name = "sgd"};
  assert_says(cy_optimizer_apply(graph, options, (cy_optimizer_inputs){&sum, &p, NULL, 1, {0}}, NULL, updates, &n),
              "not a variable");
  assert_says(cy_optimizer_apply(graph, options, (cy_optimizer_inputs){&p, &g, NULL, 1, {.id = -1}}, NULL, updates, &n),
              "\"p\" is f64 3 but its gradient is f64 4");
  cy_graph_free(graph);
}

/* ---- schedules ---- */

static void assert_rate(cy_schedule schedule, int64_t at, double expected) {
  double rate = cy_schedule_rate(schedule, 0.5, at);
  if (!(fabs(rate - expected) <= 1e-15)) fail_msg("step %d: %.17g, expected %.17g", (int)at, rate, expected);
}

static void schedules_follow_their_formulas(void **unused) {
  (void)unused;
  cy_schedule constant = {0}, stairs = {CY_SCHEDULE_STEP, .every = 10, .factor = 0.5},
              wave = {CY_SCHEDULE_COSINE, .total = 100, .floor = 0.1},
              warm = {CY_SCHEDULE_COSINE, .warmup = 4, .total = 104};
  assert_rate(constant, 0, 0.5);
  assert_rate(constant, 1000000, 0.5);
  assert_rate(stairs, 9, 0.5);
  assert_rate(stairs, 10, 0.25);
  assert_rate(stairs, 35, 0.0625);
  assert_rate(wave, 0, 0.5);
  assert_rate(wave, 50, 0.5 * (0.1 + 0.9 / 2));
  assert_rate(wave, 25, 0.5 * (0.1 + 0.9 * (1 + sqrt(0.5)) / 2));
  assert_rate(wave, 100, 0.05);
  assert_rate(wave, 200, 0.05);
  for (int i = 0; i < 4; i++) assert_rate(warm, i, 0.5 * (i + 1) / 4);
  assert_rate(warm, 4, 0.5);
  assert_rate(warm, 54, 0.25);
  assert_rate(warm, 104, 0);
  for (int64_t i = 5; i < 104; i++)
    assert_true(cy_schedule_rate(warm, 0.5, i) < cy_schedule_rate(warm, 0.5, i - 1));
}

static void schedules_are_checked_and_named(void **unused) {
  (void)unused;
  cy_schedule_kind kind;
  assert_says(cy_schedule_check((cy_schedule){.kind = CY_SCHEDULE_STEP}), "every is 0");
  assert_says(cy_schedule_check((cy_schedule){CY_SCHEDULE_COSINE, .warmup = 10, .total = 5}), "total is 5");
  assert_says(cy_schedule_check((cy_schedule){CY_SCHEDULE_COSINE, .total = 5, .floor = 2}), "floor is 2");
  assert_says(cy_schedule_check((cy_schedule){.warmup = -1}), "warmup is -1");
  OK(cy_schedule_check((cy_schedule){0}));
  for (int i = 0; cy_schedule_name(i); i++) {
    OK(cy_schedule_by_name(cy_schedule_name(i), &kind));
    assert_int_equal(kind, i);
  }
  assert_says(cy_schedule_by_name("cosin", &kind), "did you mean \"cosine\"");
  cy_schedule s = cy_schedule_in_steps((cy_schedule){CY_SCHEDULE_COSINE, .warmup = 2, .in_epochs = true}, 50, 10);
  assert_true(s.warmup == 100 && s.total == 500 && !s.in_epochs);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_optimiser_follows_its_definition),
    cmocka_unit_test(each_optimiser_agrees_with_pytorch),
    cmocka_unit_test(every_optimiser_of_the_table_is_tested),
    cmocka_unit_test(first_steps_have_closed_forms),
    cmocka_unit_test(clipping_agrees_with_pytorch),
    cmocka_unit_test(a_clipped_step_is_no_longer_than_its_limit),
    cmocka_unit_test(a_closed_guard_changes_nothing),
    cmocka_unit_test(options_are_checked),
    cmocka_unit_test(settings_have_names),
    cmocka_unit_test(wrong_parameters_are_refused),
    cmocka_unit_test(schedules_follow_their_formulas),
    cmocka_unit_test(schedules_are_checked_and_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
