/* Compiled programs: what simplification leaves, what fusion and the memory plan do, updates of state in place, sessions
 * on several threads, and the sentences for mistakes. */
#include "harness.h"

#include <pthread.h>

#include "compile/plan.h"

/* ---- simplification ---- */

static int count_ops(const cy_graph *g, const char *name) {
  int n = 0;
  for (int32_t id = 0; id < cy_graph_size(g); id++) n += strcmp(cy_node_at(g, id)->op->name, name) == 0;
  return n;
}

/* Each rule: before and after, as text of the simplified graph's last line but one. */
typedef cy_value expression(cy_value x, cy_value y);
static cy_value plus_zero(cy_value x, cy_value y) { return (void)y, cy_add_scalar(x, 0); }
static cy_value times_one(cy_value x, cy_value y) { return (void)y, cy_mul(cy_ones_like(x), x); }
static cy_value minus_minus(cy_value x, cy_value y) { return (void)y, cy_neg(cy_neg(x)); }
static cy_value plus_negative(cy_value x, cy_value y) { return cy_add(x, cy_neg(y)); }
static cy_value negative_factor(cy_value x, cy_value y) { return cy_mul(cy_neg(x), y); }
static cy_value known(cy_value x, cy_value y) {
  return (void)y, cy_mul(x, cy_exp(cy_add(cy_zeros_like(x), cy_zeros_like(x))));
}
static cy_value turn_twice(cy_value x, cy_value y) { return (void)y, cy_transpose(cy_transpose(x)); }
static cy_value reshape_twice(cy_value x, cy_value y) {
  return (void)y, cy_reshape(cy_reshape(x, CY_SHAPE(16)), CY_SHAPE(4, 4));
}
static cy_value same_branches(cy_value x, cy_value y) { return cy_select(cy_lt(x, y), x, x); }
static cy_value squared(cy_value x, cy_value y) { return (void)y, cy_pow_scalar(x, 2); }
static cy_value turned_left(cy_value x, cy_value y) { return cy_matmul(cy_transpose(x), y); }
static cy_value turned_right(cy_value x, cy_value y) { return cy_matmul(x, cy_transpose(y)); }
static cy_value turned_product(cy_value x, cy_value y) { return cy_transpose(cy_matmul(x, y)); }
static cy_value sum_of_sums(cy_value x, cy_value y) {
  return (void)y, cy_sum(cy_sum(x, (int[]){0}, 1, false), NULL, 0, false);
}
static cy_value stopped(cy_value x, cy_value y) { return (void)y, cy_stop_gradient(x); }
static cy_value padded_slice(cy_value x, cy_value y) {
  return (void)y, cy_slice_axis(x, 0, 0, 4);
}

static cy_value shared_factors(cy_value x, cy_value y) {
  cy_value z = cy_exp(x);
  return cy_add(cy_mul(cy_mul(z, y), x), cy_mul(cy_tanh(y), z));
}

static void each_rewrite_gives_what_it_says(void **state) {
  (void)state;
  static const struct {
    const char *name;
    expression *make;
    const char *expected; /* operations left, leaves aside */
  } rules[] = {
      {"x + 0", plus_zero, ""},
      {"1 * x", times_one, ""},
      {"-(-x)", minus_minus, ""},
      {"x + (-y)", plus_negative, "sub "},
      {"(-x) y", negative_factor, "mul neg "},
      {"x * exp(0 + 0)", known, ""},
      {"transpose twice", turn_twice, ""},
      {"reshape and back", reshape_twice, ""},
      {"p ? x : x", same_branches, ""},
      {"x^2", squared, "mul "},
      {"x' y", turned_left, "dot "},
      {"x y'", turned_right, "dot "},
      {"(x y)'", turned_product, "dot "},
      {"sum of sums", sum_of_sums, "sum "},
      {"stop_gradient", stopped, ""},
      {"slice of everything", padded_slice, ""},
      {"z y x + tanh(y) z", shared_factors, "exp tanh mul add mul "},
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    feeds f = feeds_begin();
    cy_rng rng = cy_rng_make(i, 1);
    for (int k = 0; k < 2; k++) fill_uniform(f.tensor[feeds_add(&f, CY_F64, CY_SHAPE(4, 4))], &rng, -1, 1);
    cy_value before = rules[i].make(f.value[0], f.value[1]), after = before;
    cy_graph *simple;
    char left[256] = "";
    assert_ok(cy_graph_status(f.graph));
    assert_ok(cy_simplify(&after, 1, &simple));
    for (int32_t id = 0; id < cy_graph_size(simple); id++) {
      const cy_op *op = cy_node_at(simple, id)->op;
      if (op->op_class != CY_CLASS_LEAF) strcat(strcat(left, op->name), " ");
    }
    if (strcmp(left, rules[i].expected) != 0) fail_msg("%s: left \"%s\", expected \"%s\"", rules[i].name, left, rules[i].expected);
    cy_graph_free(simple);
    /* And it is the same value. */
    cy_tensor *a, *b;
    run_values(&f, &before, 1, (run_options){.backend = "cpu"}, &a);
    run_values(&f, &before, 1, (run_options){.backend = "cpu", .unfused = true}, &b);
    assert_true(distance(a, b) <= 1e-15);
    cy_tensor_free(a);
    cy_tensor_free(b);
    feeds_end(&f);
  }
}

/* -mean log_softmax(x)[label]: the gradient is (softmax - one_hot) / n, one exponential, no trace of log_softmax. */
static void gradient_of_cross_entropy_is_softmax_minus_one_hot(void **state) {
  (void)state;
  enum { N = 5, K = 7 };
  feeds f = feeds_begin();
  cy_rng rng = cy_rng_make(3, 1);
  int x = feeds_add(&f, CY_F64, CY_SHAPE(N, K)), t = feeds_add(&f, CY_I64, CY_SHAPE(N)), last = 1;
  fill_uniform(f.tensor[x], &rng, -3, 3);
  fill_uniform(f.tensor[t], &rng, 0, K);
  cy_value hot = cy_one_hot(f.value[t], K, CY_BOOL), z = cy_log_softmax(f.value[x], -1);
  cy_value picked = cy_sum(cy_select(hot, z, cy_zeros_like(z)), &last, 1, false);
  cy_value loss = cy_neg(cy_mean(picked, NULL, 0, false)), g, simple_g;
  assert_ok(cy_grad(loss, &f.value[x], 1, &g));
  cy_graph *simple;
  simple_g = g;
  assert_ok(cy_simplify(&simple_g, 1, &simple));
  assert_int_equal(count_ops(simple, "exp"), 1);
  assert_int_equal(count_ops(simple, "log"), 0);
  assert_int_equal(count_ops(simple, "sum"), 1); /* the softmax's own */
  cy_graph_free(simple);
  cy_value both[2] = {g, cy_softmax(f.value[x], -1)};
  cy_tensor *out[2];
  run_values(&f, both, 2, (run_options){.backend = "cpu"}, out);
  for (int64_t i = 0; i < N * K; i++) {
    double hot_i = cy_tensor_at(f.tensor[t], i / K) == (double)(i % K);
    assert_true(fabs(cy_tensor_at(out[0], i) - (cy_tensor_at(out[1], i) - hot_i) / N) < 1e-16);
  }
  cy_tensor_free(out[0]);
  cy_tensor_free(out[1]);
  feeds_end(&f);
}

/* ---- fusion ---- */

static void softmax_is_one_kernel(void **state) {
  (void)state;
  feeds f = feeds_begin();
  int x = feeds_add(&f, CY_F32, CY_SHAPE(8, 10));
  cy_value y = cy_mul(cy_softmax(cy_relu(f.value[x]), -1), f.value[x]);
  cy_program *p;
  assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){0}, &p));
  assert_int_equal(cy_program_kernel_count(p), 1);
  assert_int_equal(cy_program_arena_bytes(p) >= 8 * 10 * 4, true);
  cy_program_free(p);
  feeds_end(&f);
}

/* One number per row of pixels, whose memory is an image's since a convolution reads it: with its axes swapped it is another
 * value, though its strides are then those of rows. */
/* Sequences [N, C, T] between products that make and take [N, T, C] lie as these: then a softmax over the channels goes along rows,
 * and random numbers, which are counted along T, are made across them. */
static void sequences_lie_as_products_make_them(void **state) {
  (void)state;
  enum { N = 3, C = 37, T = 70, K = 5 };
  feeds f = feeds_begin();
  cy_rng rng = cy_rng_make(8, 1);
  int a = feeds_add(&f, CY_F32, CY_SHAPE(N, T, K)), w = feeds_add(&f, CY_F32, CY_SHAPE(K, C));
  int v = feeds_add(&f, CY_F32, CY_SHAPE(C, K)), seed = feeds_add(&f, CY_I64, CY_SCALAR), step = feeds_add(&f, CY_I64, CY_SCALAR);
  for (int i = 0; i < 3; i++) fill_uniform(f.tensor[i], &rng, -1, 1);
  cy_tensor_set(f.tensor[seed], 0, 12345);
  cy_tensor_set(f.tensor[step], 0, 6);
  cy_value made = cy_dot(f.value[a], f.value[w], (cy_dot_axes){.n_contract = 1, .a_contract = {2}, .b_contract = {0}});
  cy_value x = cy_softmax(cy_permute(made, (int[]){0, 2, 1}), 1);
  x = cy_mul(x, cy_random_uniform(f.value[seed], f.value[step], 3, CY_F32, cy_value_shape(x)));
  cy_value y = cy_dot(x, f.value[v], (cy_dot_axes){.n_contract = 1, .a_contract = {1}, .b_contract = {0}});
  cy_program *p;
  assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){0}, &p));
  assert_int_equal(cy_program_kernel_count(p), 4); /* two products, softmax, random numbers */
  cy_program_free(p);
  for (int threads = 1; threads <= 2; threads++) {
    cy_tensor *fast, *plain;
    run_values(&f, &y, 1, (run_options){.backend = "cpu", .threads = threads}, &fast);
    run_values(&f, &y, 1, (run_options){.backend = "reference"}, &plain);
    assert_true(distance(fast, plain) <= 1e-6);
    cy_tensor_free(fast);
    cy_tensor_free(plain);
  }
  feeds_end(&f);
}

static void swapped_rows_are_other_rows(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_rng rng = cy_rng_make(3, 1);
  int x = feeds_add(&f, CY_F64, CY_SHAPE(2, 3, 3, 4)), w = feeds_add(&f, CY_F64, CY_SHAPE(2, 3, 1, 1));
  for (int i = 0; i < 2; i++) fill_uniform(f.tensor[i], &rng, -1, 1);
  cy_value full = cy_sin(f.value[x]), row = cy_tanh(cy_sum(full, (int[]){3}, 1, true));
  cy_windows point = {0};
  cy_value outputs[2] = {cy_mul(full, cy_permute(row, (int[]){0, 2, 1, 3})), cy_convolution(row, f.value[w], point)};
  cy_tensor *expected[2], *actual[2];
  run_values(&f, outputs, 2, (run_options){.backend = "reference"}, expected);
  run_values(&f, outputs, 2, (run_options){.threads = 1}, actual);
  for (int i = 0; i < 2; i++) {
    assert_true(distance(actual[i], expected[i]) < 1e-12);
    cy_tensor_free(actual[i]);
    cy_tensor_free(expected[i]);
  }
  feeds_end(&f);
}

/* A chain of large values needs the memory of two of them, not of ten. */
static void memory_is_shared_and_taken_over(void **state) {
  (void)state;
  feeds f = feeds_begin();
  int x = feeds_add(&f, CY_F32, CY_SHAPE(256, 256));
  cy_value y = f.value[x];
  for (int i = 0; i < 10; i++) y = cy_matmul(cy_tanh(y), f.value[x]);
  cy_program *p, *kept;
  assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){.threads = 1}, &p));
  assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){.threads = 1, .unfused = true}, &kept));
  size_t one = 256 * 256 * 4;
  assert_true(cy_program_arena_bytes(p) < 2 * one + (4 << 20));
  assert_true(cy_program_arena_bytes(kept) >= 20 * one);
  cy_program_free(p);
  cy_program_free(kept);
  feeds_end(&f);
}

/* ---- numbers ---- */

static double first_of(cy_value v, const char *backend, int64_t i) {
  feeds f = {.graph = v.graph};
  cy_tensor *t;
  run_values(&f, &v, 1, (run_options){.backend = backend}, &t);
  double x = cy_tensor_at(t, i);
  cy_tensor_free(t);
  return x;
}

static void assert_element(cy_value v, int64_t i, double expected) {
  double cpu = first_of(v, "cpu", i), reference = first_of(v, "reference", i);
  if (cpu != expected || reference != expected)
    fail_msg("element %d: %.17g by cpu, %.17g by reference, not %.17g", (int)i, cpu, reference, expected);
}

static void numbers_are_reduced_as_tensors_are(void **unused) {
  (void)unused;
  feeds f = feeds_begin();
  cy_value number = cy_full(f.graph, CY_F32, CY_SHAPE(4, 5), 2.5), wide = cy_full(f.graph, CY_U8, CY_SHAPE(300), 1);
  for (int i = 0; i < 5; i++) { /* every column, not only the first */
    assert_element(cy_sum(number, (int[]){0}, 1, false), i, 10);
    assert_element(cy_reduce_max(number, (int[]){0}, 1, false), i, 2.5);
  }
  assert_element(cy_sum(wide, NULL, 0, false), 0, 300 - 256);
  feeds_end(&f);
}

/* 2^53 + 1 is no double. */
static void constants_of_64_bits_keep_them(void **unused) {
  (void)unused;
  feeds f = feeds_begin();
  int64_t odd = (1LL << 53) + 1;
  cy_tensor *t;
  assert_ok(cy_tensor_wrap(CY_I64, CY_SCALAR, NULL, &odd, &t));
  cy_value even = cy_full(f.graph, CY_I64, CY_SHAPE(2), (double)(odd - 1)), c = cy_constant(f.graph, t);
  assert_element(cy_sub(cy_broadcast(c, CY_SHAPE(2)), even), 1, 1);
  assert_element(cy_sub(cy_reshape(c, CY_SHAPE(1)), even), 0, 1);
  cy_tensor_free(t);
  feeds_end(&f);
}

static void minima_of_integers_reach_the_lowest(void **unused) {
  (void)unused;
  feeds f = feeds_begin();
  uint8_t bytes[3] = {5, 0, 255};
  int32_t words[3] = {5, INT32_MIN, 7};
  cy_tensor *t, *u;
  assert_ok(cy_tensor_wrap(CY_U8, CY_SHAPE(3), NULL, bytes, &t));
  assert_ok(cy_tensor_wrap(CY_I32, CY_SHAPE(3), NULL, words, &u));
  assert_element(cy_reduce_min(cy_constant(f.graph, t), NULL, 0, false), 0, 0);
  assert_element(cy_reduce_min(cy_constant(f.graph, u), NULL, 0, false), 0, INT32_MIN);
  assert_element(cy_reduce_min(cy_full(f.graph, CY_I32, CY_SHAPE(0), 0), NULL, 0, false), 0, INT32_MAX);
  cy_tensor_free(t);
  cy_tensor_free(u);
  feeds_end(&f);
}

/* A label of one byte among more classes than a byte counts. */
static void one_hot_of_bytes(void **unused) {
  (void)unused;
  feeds f = feeds_begin();
  uint8_t label = 255;
  cy_tensor *t;
  assert_ok(cy_tensor_wrap(CY_U8, CY_SCALAR, NULL, &label, &t));
  for (int classes = 256; classes <= 300; classes += 44) {
    cy_value hot = cy_one_hot(cy_constant(f.graph, t), classes, CY_F32);
    assert_element(hot, 255, 1);
    assert_element(cy_sum(hot, NULL, 0, false), 0, 1);
  }
  cy_tensor_free(t);
  cy_iota(f.graph, CY_U8, CY_SHAPE(257), 0);
  assert_non_null(strstr(cy_graph_error(f.graph), "iota: u8 counts to 255 only, axis 0 has extent 257"));
  feeds_end(&f);
}

/* x^n is a polynomial at 0 too: its derivatives of order n + 1 are 0, not 0 times infinity. */
static void powers_at_zero_have_every_derivative(void **unused) {
  (void)unused;
  for (int n = 0; n <= 3; n++) {
    feeds f = feeds_begin();
    int x = feeds_add(&f, CY_F64, CY_SCALAR); /* 0 */
    cy_value d = cy_pow_scalar(f.value[x], n);
    double factorial = 1;
    for (int order = 1; order <= 5; order++) {
      factorial *= order;
      assert_ok(cy_grad(d, &f.value[x], 1, &d));
      assert_true(run_scalar(&f, d, (run_options){.backend = "cpu"}) == (order == n ? factorial : 0));
    }
    feeds_end(&f);
  }
}

/* ---- size ---- */

static void more_memory_than_addresses_is_an_error(void **unused) {
  (void)unused;
  feeds f = feeds_begin();
  int x = feeds_add(&f, CY_F64, CY_SCALAR);
  cy_value huge = cy_broadcast(f.value[x], CY_SHAPE(1LL << 29, 1LL << 30)), outputs[4];
  cy_value parts[4] = {cy_sin(huge), cy_cos(huge), cy_tanh(huge), cy_exp(huge)};
  cy_program *p;
  for (int i = 0; i < 4; i++) outputs[i] = cy_cumsum(parts[i], 0, false);
  assert_int_equal(cy_compile(outputs, 4, NULL, 0, (cy_program_options){0}, &p), CY_NO_MEMORY);
  feeds_end(&f);
}

/* Extents whose products overflow in the arithmetic of libraries are planned all the same, up to the 2^59 elements whose
 * bytes 63 bits count; twice as many are refused when they are declared. */
static void huge_images_are_planned_or_refused(void **unused) {
  (void)unused;
  feeds f = feeds_begin();
  cy_windows far = {.dilation = {1 << 18, 1 << 18}}, global = {.kernel = {1 << 20, 1 << 20}};
  cy_value w = cy_variable(f.graph, "kernel", CY_F32, CY_SHAPE(32, 32, 3, 3));
  cy_value x = cy_input(f.graph, "image", CY_F32, CY_SHAPE(1, 32, 1 << 20, 1 << 20));
  cy_value y[2] = {cy_convolution(x, w, far), cy_avg_pool(x, global, true)};
  for (int i = 0; i < 2; i++) {
    cy_program *p;
    assert_ok(cy_compile(&y[i], 1, NULL, 0, (cy_program_options){.threads = 1}, &p));
    assert_true(cy_program_arena_bytes(p) >= 4 * (size_t)cy_count(cy_value_shape(y[i])));
    cy_program_free(p);
  }
  (void)cy_input(f.graph, "too large", CY_F32, CY_SHAPE(1, 64, 1 << 27, 1 << 27));
  assert_int_equal(cy_graph_status(f.graph), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "1x64x134217728x134217728 has more elements than memory can address"));
  feeds_end(&f);
}

/* Some 20 000 nodes: passes that look at the whole graph for every node would take minutes. */
static void deep_networks_compile_in_seconds(void **unused) {
  (void)unused;
  enum { LAYERS = 600 };
  cy_graph *g;
  cy_program *program;
  static cy_value p[2 * LAYERS], gradient[2 * LAYERS];
  static cy_update updates[4 * LAYERS];
  char name[32];
  assert_ok(cy_graph_create(&g));
  cy_value h = cy_input(g, "x", CY_F32, CY_SHAPE(4, 8)), m;
  for (int i = 0; i < LAYERS; i++) {
    snprintf(name, sizeof name, "w%d", i);
    p[2 * i] = cy_variable(g, name, CY_F32, CY_SHAPE(8, 8));
    snprintf(name, sizeof name, "b%d", i);
    p[2 * i + 1] = cy_variable(g, name, CY_F32, CY_SHAPE(8));
    h = cy_softmax(cy_relu(cy_add(cy_matmul(h, p[2 * i]), p[2 * i + 1])), -1);
  }
  cy_value loss = cy_mean(cy_mul(h, h), NULL, 0, false);
  assert_ok(cy_grad(loss, p, 2 * LAYERS, gradient));
  for (int i = 0; i < 2 * LAYERS; i++) {
    snprintf(name, sizeof name, "m%d", i);
    m = cy_variable(g, name, CY_F32, cy_value_shape(p[i]));
    updates[2 * i] = (cy_update){m, cy_add(cy_mul_scalar(m, 0.9), gradient[i])};
    updates[2 * i + 1] = (cy_update){p[i], cy_sub(p[i], cy_mul_scalar(updates[2 * i].value, 0.1))};
  }
  assert_ok(cy_graph_status(g));
  assert_true(cy_graph_size(g) > 20000);
  assert_ok(cy_compile(&loss, 1, updates, 4 * LAYERS, (cy_program_options){.threads = 1}, &program));
  cy_program_free(program);
  cy_graph_free(g);
}

/* ---- updates ---- */

typedef struct updating {
  cy_graph *graph;
  cy_state *state;
  cy_program *program;
  cy_session *session;
} updating;

static void updating_end(updating *u) {
  cy_session_free(u->session);
  cy_program_free(u->program);
  cy_state_free(u->state);
  cy_graph_free(u->graph);
}

static void updates_see_old_values_and_outputs_too(void **unused) {
  (void)unused;
  static const char *const backends[] = {"cpu", "reference"};
  for (int b = 0; b < 2; b++) {
    updating u = {0};
    assert_ok(cy_graph_create(&u.graph));
    assert_ok(cy_state_create(&u.state));
    cy_value v[4];
    const char *names[4] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
      v[i] = cy_variable(u.graph, names[i], CY_F32, CY_SHAPE(3));
      assert_ok(cy_state_declare(u.state, names[i], CY_PARAMETER, CY_F32, CY_SHAPE(3)));
    }
    assert_ok(cy_state_allocate(u.state));
    /* a and b are exchanged; c grows by the old a; d becomes the old c reversed; the output is the old a. */
    cy_update updates[4] = {{v[0], v[1]}, {v[1], v[0]}, {v[2], cy_add(v[2], v[0])}, {v[3], cy_flip(v[2], 0)}};
    cy_value outputs[2] = {v[0], cy_mul_scalar(v[2], 2)};
    assert_ok(cy_compile(outputs, 2, updates, 4, (cy_program_options){.backend = backends[b]}, &u.program));
    assert_ok(cy_session_create(u.program, &u.session));
    assert_ok(cy_session_bind_state(u.session, u.state));
    for (int i = 0; i < 4; i++)
      for (int k = 0; k < 3; k++) cy_tensor_set(cy_state_tensor(u.state, i), k, 10 * i + k);
    assert_ok(cy_session_run(u.session));
    static const float expected[4][3] = {{10, 11, 12}, {0, 1, 2}, {20, 22, 24}, {22, 21, 20}};
    for (int i = 0; i < 4; i++)
      assert_memory_equal(cy_tensor_f32(cy_state_tensor(u.state, i)), expected[i], sizeof expected[i]);
    for (int k = 0; k < 3; k++) {
      assert_true(cy_tensor_at(cy_session_output(u.session, 0), k) == k);
      assert_true(cy_tensor_at(cy_session_output(u.session, 1), k) == 2 * (20 + k));
    }
    updating_end(&u);
  }
}

/* p - lr g writes the parameter where it stands: no copy, no buffer for the new value. */
static void a_step_of_descent_is_in_place(void **unused) {
  (void)unused;
  updating u = {0};
  assert_ok(cy_graph_create(&u.graph));
  cy_value p = cy_variable(u.graph, "p", CY_F32, CY_SHAPE(1000000)), g;
  assert_ok(cy_grad(cy_sum(cy_mul(p, cy_sin(p)), NULL, 0, false), &p, 1, &g));
  cy_update update = {p, cy_sub(p, cy_mul_scalar(g, 0.1))};
  assert_ok(cy_compile(NULL, 0, &update, 1, (cy_program_options){.threads = 1}, &u.program));
  assert_int_equal(cy_program_kernel_count(u.program), 1);
  assert_true(cy_program_arena_bytes(u.program) < 1000000);
  updating_end(&u);
}

static void mistakes_are_named(void **unused) {
  (void)unused;
  updating u = {0};
  cy_tensor *wrong, *strided;
  float data[12];
  assert_ok(cy_graph_create(&u.graph));
  cy_value x = cy_input(u.graph, "image", CY_F32, CY_SHAPE(2, 3)), w = cy_variable(u.graph, "w", CY_F32, CY_SHAPE(2, 3));
  cy_value y = cy_add(x, w);
  cy_update bad_shape = {w, cy_sum(y, NULL, 0, false)}, bad_target = {x, y}, twice[2] = {{w, y}, {w, y}};
  assert_int_equal(cy_compile(&y, 1, &bad_shape, 1, (cy_program_options){0}, &u.program), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "variable \"w\" is f32 2x3, its update is f32 scalar"));
  assert_int_equal(cy_compile(&y, 1, &bad_target, 1, (cy_program_options){0}, &u.program), CY_INVALID);
  assert_int_equal(cy_compile(&y, 1, twice, 2, (cy_program_options){0}, &u.program), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "updated twice"));
  assert_int_equal(cy_compile(&y, 1, NULL, 0, (cy_program_options){.backend = "tpu"}, &u.program), CY_UNSUPPORTED);
  assert_int_equal(cy_compile(NULL, 0, NULL, 0, (cy_program_options){0}, &u.program), CY_INVALID);
  assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){0}, &u.program));
  assert_ok(cy_session_create(u.program, &u.session));
  assert_int_equal(cy_session_run(u.session), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "is not bound"));
  assert_ok(cy_tensor_create(CY_F32, CY_SHAPE(3, 2), &wrong));
  assert_ok(cy_tensor_wrap(CY_F32, CY_SHAPE(2, 3), (int64_t[]){1, 2}, data, &strided));
  assert_int_equal(cy_session_bind(u.session, "image", wrong), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "input \"image\" is f32 2x3, the tensor is f32 3x2"));
  assert_int_equal(cy_session_bind(u.session, "image", strided), CY_INVALID);
  assert_int_equal(cy_session_bind(u.session, "imge", wrong), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "did you mean \"image\"?"));
  cy_tensor_free(wrong);
  cy_tensor_free(strided);
  updating_end(&u);
}

static void the_first_bad_value_is_named(void **unused) {
  (void)unused;
  feeds f = feeds_begin();
  int x = feeds_add(&f, CY_F32, CY_SHAPE(4));
  cy_program *p;
  cy_session *s;
  char *text;
  cy_scope_push(f.graph, "fc2");
  cy_value y = cy_exp(cy_log(f.value[x]));
  cy_scope_pop(f.graph);
  assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){.unfused = true}, &p));
  assert_ok(cy_session_create(p, &s));
  assert_ok(cy_session_bind(s, "x0", f.tensor[x]));
  for (int i = 0; i < 4; i++) cy_tensor_set(f.tensor[x], i, i == 2 ? -1 : 1);
  assert_ok(cy_session_run(s));
  assert_ok(cy_session_first_bad(s, &text));
  assert_string_equal(text, "log in fc2: 1 of 4 values not finite");
  cy_string_free(text);
  cy_tensor_set(f.tensor[x], 2, 1);
  assert_ok(cy_session_run(s));
  assert_ok(cy_session_first_bad(s, &text));
  assert_null(text);
  cy_session_free(s);
  cy_program_free(p);
  feeds_end(&f);
}

/* A step that spoils the parameter: the operation is named, not the parameter it was written to. */
static void the_first_bad_value_of_a_step_is_no_result(void **unused) {
  (void)unused;
  updating u = {0};
  char *text;
  assert_ok(cy_graph_create(&u.graph));
  assert_ok(cy_state_create(&u.state));
  assert_ok(cy_state_declare(u.state, "w", CY_PARAMETER, CY_F32, CY_SHAPE(3)));
  assert_ok(cy_state_allocate(u.state));
  cy_value w = cy_variable(u.graph, "w", CY_F32, CY_SHAPE(3));
  cy_update update = {w, cy_add(w, cy_log(cy_add_scalar(w, -1)))};
  assert_ok(cy_compile(NULL, 0, &update, 1, (cy_program_options){.unfused = true}, &u.program));
  assert_ok(cy_session_create(u.program, &u.session));
  assert_ok(cy_session_bind_state(u.session, u.state));
  assert_ok(cy_session_run(u.session));
  assert_ok(cy_session_first_bad(u.session, &text));
  assert_string_equal(text, "log: 3 of 3 values not finite");
  cy_string_free(text);
  updating_end(&u);
}

/* ---- threads ---- */

typedef struct worker {
  const cy_program *program;
  cy_tensor *x;
  double sum;
} worker;

static void *work(void *argument) {
  worker *w = argument;
  cy_session *s;
  if (cy_session_create(w->program, &s) != CY_OK || cy_session_bind(s, "x0", w->x) != CY_OK) return NULL;
  for (int i = 0; i < 200; i++)
    if (cy_session_run(s) != CY_OK) return NULL;
  w->sum = cy_tensor_at(cy_session_output(s, 0), 0);
  cy_session_free(s);
  return NULL;
}

static void one_program_serves_several_threads(void **unused) {
  (void)unused;
  feeds f = feeds_begin();
  int x = feeds_add(&f, CY_F32, CY_SHAPE(32, 32));
  cy_value y = cy_sum(cy_softmax(cy_matmul(cy_tanh(f.value[x]), f.value[x]), -1), NULL, 0, false);
  cy_program *p;
  pthread_t thread[4];
  worker w[4];
  assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){.threads = 1}, &p));
  for (int i = 0; i < 4; i++) {
    cy_rng rng = cy_rng_make((uint64_t)i % 2, 1);
    w[i] = (worker){.program = p};
    assert_ok(cy_tensor_create(CY_F32, CY_SHAPE(32, 32), &w[i].x));
    fill_uniform(w[i].x, &rng, -1, 1);
    assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
  }
  for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
  assert_true(w[0].sum == w[2].sum && w[1].sum == w[3].sum && fabs(w[0].sum - 32) < 1e-4);
  for (int i = 0; i < 4; i++) cy_tensor_free(w[i].x);
  cy_program_free(p);
  feeds_end(&f);
}

/* ---- frozen programs ---- */

static void frozen_variables_are_read_once_per_binding(void **state) {
  (void)state;
  cy_graph *g;
  cy_program *p;
  cy_session *s;
  cy_tensor *x, *w;
  assert_ok(cy_graph_create(&g));
  cy_value vx = cy_input(g, "x", CY_F64, CY_SHAPE(3)), vw = cy_variable(g, "w", CY_F64, CY_SHAPE(3));
  cy_value scale = cy_exp(cy_sum(vw, NULL, 0, false)); /* of the variable alone */
  cy_value y = cy_add(cy_mul(vx, cy_broadcast(scale, CY_SHAPE(3))), vw);
  assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){.frozen = true}, &p));
  assert_ok(cy_session_create(p, &s));
  assert_ok(cy_tensor_create(CY_F64, CY_SHAPE(3), &x));
  assert_ok(cy_tensor_create(CY_F64, CY_SHAPE(3), &w));
  assert_ok(cy_session_bind(s, "x", x));
  assert_ok(cy_session_bind(s, "w", w));
  for (int run = 0; run < 3; run++) { /* the input is read every time */
    cy_tensor_set(x, 1, run);
    assert_ok(cy_session_run(s));
    assert_true(cy_tensor_at(cy_session_output(s, 0), 1) == run);
  }
  cy_tensor_set(w, 0, 1);
  assert_ok(cy_session_bind(s, "w", w));
  assert_ok(cy_session_run(s));
  assert_true(fabs(cy_tensor_at(cy_session_output(s, 0), 1) - 2 * exp(1)) < 1e-15);
  cy_update update = {vw, y};
  cy_program *refused;
  assert_int_equal(cy_compile(NULL, 0, &update, 1, (cy_program_options){.frozen = true}, &refused), CY_INVALID);
  assert_string_equal(cy_error_message(), "a frozen program updates no variable, but 1 are given");
  cy_tensor_free(x);
  cy_tensor_free(w);
  cy_session_free(s);
  cy_program_free(p);
  cy_graph_free(g);
}

/* A convolution that runs once keeps no packed weights; the one behind it does. */
static void the_prologue_keeps_no_packed_weights(void **state) {
  (void)state;
  cy_graph *g;
  cy_windows windows = {.low = {1, 1}, .high = {1, 1}};
  size_t kept[2];
  for (int still = 0; still < 2; still++) {
    cy_program *p;
    assert_ok(cy_graph_create(&g));
    cy_shape shape = CY_SHAPE(2, 32, 12, 12);
    cy_value x = still ? cy_variable(g, "x", CY_F32, shape) : cy_input(g, "x", CY_F32, shape);
    cy_value y = cy_convolution(cy_tanh(x), cy_variable(g, "w", CY_F32, CY_SHAPE(32, 32, 3, 3)), windows);
    assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){.frozen = true, .threads = 1}, &p));
    assert_int_equal(p->n_prologue, still ? p->n_instructions : 0);
    kept[still] = p->kept_bytes;
    cy_program_free(p);
    cy_graph_free(g);
  }
  assert_int_equal(kept[1], 0);
}

/* Two sessions of one program with weights of their own, which are also changed between runs: what is kept is the
 * session's, and follows its bindings. */
static void sessions_keep_their_own_packed_weights(void **state) {
  (void)state;
  static const int64_t channels[] = {32, 20}; /* two methods */
  for (int c = 0; c < 2; c++) {
    cy_rng rng = cy_rng_make((uint64_t)c, 3);
    cy_graph *g;
    cy_program *p;
    cy_session *s[2];
    cy_tensor *x, *w[2];
    cy_shape image = CY_SHAPE(2, channels[c], 12, 12), weight = CY_SHAPE(channels[c], channels[c], 3, 3);
    assert_ok(cy_graph_create(&g));
    cy_value v = cy_tanh(cy_input(g, "x", CY_F32, image));
    cy_value y = cy_convolution(v, cy_variable(g, "w", CY_F32, weight), (cy_windows){.low = {1, 1}, .high = {1, 1}});
    assert_ok(cy_compile(&y, 1, NULL, 0, (cy_program_options){.frozen = true, .threads = 2}, &p));
    assert_ok(cy_tensor_create(CY_F32, image, &x));
    fill_uniform(x, &rng, -1, 1);
    for (int i = 0; i < 2; i++) {
      assert_ok(cy_tensor_create(CY_F32, weight, &w[i]));
      fill_uniform(w[i], &rng, -1, 1);
      assert_ok(cy_session_create(p, &s[i]));
      assert_ok(cy_session_bind(s[i], "x", x));
    }
    size_t bytes = 0;
    float *first = NULL;
    for (int run = 0; run < 6; run++) /* session i has weights i at first, then the other's, then its own again */
      for (int i = 0; i < 2; i++) {
        int which = (i + run / 2) % 2;
        if (run % 2 == 0) assert_ok(cy_session_bind(s[i], "w", w[which]));
        assert_ok(cy_session_run(s[i]));
        const cy_tensor *out = cy_session_output(s[i], 0);
        bytes = cy_tensor_bytes(out);
        if (!first) assert_non_null(first = calloc(2, bytes));
        float *mine = first + (size_t)which * bytes / sizeof *first;
        if (run == 0) memcpy(mine, out->view.data, bytes);
        assert_memory_equal(mine, out->view.data, bytes);
      }
    assert_memory_not_equal(first, first + bytes / sizeof *first, bytes);
    free(first);
    for (int i = 0; i < 2; i++) {
      cy_session_free(s[i]);
      cy_tensor_free(w[i]);
    }
    cy_tensor_free(x);
    cy_program_free(p);
    cy_graph_free(g);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_rewrite_gives_what_it_says),
      cmocka_unit_test(gradient_of_cross_entropy_is_softmax_minus_one_hot),
      cmocka_unit_test(softmax_is_one_kernel),
      cmocka_unit_test(sequences_lie_as_products_make_them),
      cmocka_unit_test(swapped_rows_are_other_rows),
      cmocka_unit_test(memory_is_shared_and_taken_over),
      cmocka_unit_test(numbers_are_reduced_as_tensors_are),
      cmocka_unit_test(constants_of_64_bits_keep_them),
      cmocka_unit_test(minima_of_integers_reach_the_lowest),
      cmocka_unit_test(one_hot_of_bytes),
      cmocka_unit_test(powers_at_zero_have_every_derivative),
      cmocka_unit_test(more_memory_than_addresses_is_an_error),
      cmocka_unit_test(huge_images_are_planned_or_refused),
      cmocka_unit_test(deep_networks_compile_in_seconds),
      cmocka_unit_test(updates_see_old_values_and_outputs_too),
      cmocka_unit_test(a_step_of_descent_is_in_place),
      cmocka_unit_test(mistakes_are_named),
      cmocka_unit_test(the_first_bad_value_is_named),
      cmocka_unit_test(the_first_bad_value_of_a_step_is_no_result),
      cmocka_unit_test(frozen_variables_are_read_once_per_binding),
      cmocka_unit_test(the_prologue_keeps_no_packed_weights),
      cmocka_unit_test(sessions_keep_their_own_packed_weights),
      cmocka_unit_test(one_program_serves_several_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
