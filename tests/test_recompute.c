/* Memory against work: training steps of small networks compiled to keep every value, to compute cheap ones again wherever
 * that lowers the arena, and as usual. The arena shrinks, and losses and states stay the same, bit for bit. */
#include "compile/plan.h"
#include "network_lab.h"

#include <cauchy/optim.h>

enum { STEPS = 3, MOST_PARAMETERS = 32 };

static const char *const plain = "n = conv(16, 3, pad=half, bias=false) -> batch_norm -> relu\n";

typedef struct step {
  lab l;
  cy_tensor *rate;
} step;

/* What a training step is made of: a network in words, momentum, the running statistics. */
static step step_open(const char *text, cy_shape shape, const char *optimizer, cy_program_options options) {
  step s = {.l = lab_open(true, CY_F32, shape)};
  cy_value y = apply_text(s.l.net, s.l.x, text), gradients[MOST_PARAMETERS], loss = cy_mean(cy_mul(y, y), NULL, 0, false);
  int n, n_statistics, n_updates;
  const cy_value *parameters = cy_network_parameters(s.l.net, &n);
  assert_ok(cy_graph_status(s.l.graph));
  assert_true(n <= MOST_PARAMETERS);
  assert_ok(cy_grad(loss, parameters, n, gradients));
  assert_ok(cy_state_create(&s.l.state));
  assert_ok(cy_network_declare(s.l.net, s.l.state));
  cy_optimizer_options how = {.name = optimizer};
  cy_optimizer_inputs inputs = {.parameters = parameters, .gradients = gradients, .n = n};
  const cy_update *statistics = cy_network_updates(s.l.net, &n_statistics);
  cy_update *updates = calloc((size_t)(cy_optimizer_update_count(how, n) + n_statistics) + 1, sizeof *updates);
  assert_non_null(updates);
  assert_ok(cy_optimizer_apply(s.l.graph, how, inputs, s.l.state, updates, &n_updates));
  for (int i = 0; i < n_statistics; i++) updates[n_updates++] = statistics[i];
  assert_ok(cy_state_allocate(s.l.state));
  assert_ok(cy_network_initialize(s.l.net, s.l.state, 7));
  assert_ok(cy_compile(&loss, 1, updates, n_updates, options, &s.l.program));
  free(updates);
  assert_ok(cy_session_create(s.l.program, &s.l.session));
  assert_ok(cy_session_bind_state(s.l.session, s.l.state));
  fill_random(s.l.input, 3, 1);
  assert_ok(cy_session_bind(s.l.session, "x", s.l.input));
  assert_ok(cy_tensor_create(CY_F32, CY_SCALAR, &s.rate));
  cy_tensor_set(s.rate, 0, 0.05);
  assert_ok(cy_session_bind(s.l.session, "learning_rate", s.rate));
  return s;
}

static void step_close(step *s) {
  lab_close(&s->l);
  cy_tensor_free(s->rate);
}

static void assert_same_bits(const cy_tensor *a, const cy_tensor *b) {
  assert_memory_equal(cy_tensor_data(a), cy_tensor_data(b), (size_t)cy_tensor_count(a) * cy_dtype_size(cy_tensor_dtype(a)));
}

/* Steps of both side by side. */
static void assert_same_training(step *a, step *b) {
  for (int i = 0; i < STEPS; i++) {
    assert_same_bits(lab_run(&a->l, 0), lab_run(&b->l, 0));
    for (int k = 0; k < cy_state_count(a->l.state); k++)
      assert_same_bits(cy_state_tensor(a->l.state, k), cy_state_tensor(b->l.state, k));
  }
}

static const struct {
  const char *name, *text, *optimizer;
  cy_shape shape;
  double share; /* of the arena that keeps everything, at most */
} cases[] = {
    {"chain", "n -> n -> n -> n -> global_avg_pool -> dense(3)", "momentum", {4, {8, 16, 32, 32}}, 0.85},
    {"residuals", "n -> residual(n -> n) -> relu -> residual(n -> n) -> relu -> global_avg_pool -> dense(3)", "adam",
     {4, {8, 16, 32, 32}}, 0.9},
    {"other activations", "conv(8, 3, pad=half) -> batch_norm -> elu -> conv(8, 3, pad=half) -> batch_norm -> swish -> "
     "conv(8, 3, stride=2) -> dropout(0.5) -> tanh -> flatten -> dense(3)", "sgd", {4, {4, 3, 24, 24}}, 1},
    {"on rows", "dense(64) -> layer_norm -> gelu -> dense(64) -> layer_norm -> relu -> dense(3)", "adam", {2, {256, 32}}, 1},
};

static void the_arena_shrinks_and_the_bits_stay(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int threads = 1; threads <= 2; threads++) {
      char text[512];
      snprintf(text, sizeof text, "%s%s", plain, cases[i].text);
      cy_program_options options = {.threads = threads, .recompute = CY_RECOMPUTE_NEVER};
      step kept = step_open(text, cases[i].shape, cases[i].optimizer, options);
      options.recompute = CY_RECOMPUTE_ALWAYS;
      step again = step_open(text, cases[i].shape, cases[i].optimizer, options);
      options.recompute = CY_RECOMPUTE_WORTHWHILE;
      step usual = step_open(text, cases[i].shape, cases[i].optimizer, options);
      size_t most = cy_program_arena_bytes(kept.l.program), least = cy_program_arena_bytes(again.l.program);
      if ((double)least > cases[i].share * (double)most)
        fail_msg("%s, %d threads: %zu bytes instead of %zu", cases[i].name, threads, least, most);
      assert_true(cy_program_arena_bytes(usual.l.program) <= most);
      assert_same_training(&kept, &again);
      step_close(&again);
      options.recompute = CY_RECOMPUTE_NEVER;
      again = step_open(text, cases[i].shape, cases[i].optimizer, options);
      assert_same_training(&again, &usual);
      step_close(&kept);
      step_close(&again);
      step_close(&usual);
    }
}

static int count_predicates(const cy_program *p, size_t bytes) {
  int n = 0;
  for (int i = 0; i < p->n_instructions; i++)
    for (int k = 0; k < p->instructions[i].n_out; k++)
      n += p->instructions[i].out[k].layout.dtype == CY_BOOL && p->buffers[p->instructions[i].out[k].buffer].bytes >= bytes;
  return n;
}

/* A relu's result is kept for the next product: its sign is not kept as well. Steps agree with those of single operations. */
static void signs_of_kept_values_are_not_kept(void **state) {
  (void)state;
  const char *text = "dense(512) -> relu -> dense(512) -> relu -> dense(3)";
  step fused = step_open(text, CY_SHAPE(256, 32), "sgd", (cy_program_options){.threads = 1});
  step single = step_open(text, CY_SHAPE(256, 32), "sgd", (cy_program_options){.threads = 1, .unfused = true});
  assert_int_equal(count_predicates(fused.l.program, 256 * 512), 0);
  assert_true(count_predicates(single.l.program, 256 * 512) > 0);
  for (int i = 0; i < STEPS; i++)
    assert_near("loss", cy_tensor_at(lab_run(&fused.l, 0), 0), cy_tensor_at(lab_run(&single.l, 0), 0), 1e-4);
  step_close(&fused);
  step_close(&single);
}

/* The update of a weight follows its last reader, so that the gradients of all weights are never alive together. */
static void gradients_die_early(void **state) {
  (void)state;
  step s = step_open("dense(256) -> tanh -> dense(256) -> tanh -> dense(256) -> tanh -> dense(256) -> tanh -> dense(256)",
                     CY_SHAPE(4, 256), "adam", (cy_program_options){.threads = 1});
  assert_true(cy_program_arena_bytes(s.l.program) < 3 * 256 * 256 * sizeof(float) + (1 << 18));
  step_close(&s);
}

/* Large workspaces lie where values are dead: a network's arena is less than its values' and workspaces' together. */
static void workspaces_share_the_arena(void **state) {
  (void)state;
  step s = step_open("conv(64, 3, pad=half) -> relu -> conv(64, 3, pad=half) -> relu -> global_avg_pool -> dense(3)",
                     CY_SHAPE(8, 16, 32, 32), "sgd", (cy_program_options){.threads = 1});
  const cy_program *p = s.l.program;
  size_t last = 0, values = 0, scratch = 0;
  for (int i = 0; i < p->n_instructions; i++) {
    const cy_instruction *in = &p->instructions[i];
    assert_true(in->scratch_offset + in->scratch <= p->arena_bytes);
    if (in->scratch > scratch) scratch = in->scratch;
    for (int k = 0; k < in->n_in + in->n_out; k++) {
      const cy_operand *o = k < in->n_in ? &in->in[k] : &in->out[k - in->n_in];
      const cy_buffer *b = &p->buffers[o->buffer];
      if (b->place != CY_PLACE_ARENA) continue;
      if (b->offset + b->bytes > values) values = b->offset + b->bytes;
      if (in->scratch == 0) continue;
      bool apart = b->offset + b->bytes <= in->scratch_offset || in->scratch_offset + in->scratch <= b->offset;
      assert_true(apart);
    }
    last = in->scratch > 1 << 18 && in->scratch_offset < values ? in->scratch_offset + in->scratch : last;
  }
  assert_true(last > 0 || scratch <= 1 << 18);
  step_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_arena_shrinks_and_the_bits_stay), cmocka_unit_test(signs_of_kept_values_are_not_kept),
      cmocka_unit_test(gradients_die_early), cmocka_unit_test(workspaces_share_the_arena)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
