/* Memory: a training step allocates nothing, and every single allocation may fail: the result is an error value, no leak
 * and no crash. The linker hands this library's calls of malloc and its kin to allocations.h (--wrap). */
#include "allocations.h"
#include "harness.h"

#include <cauchy/nn.h>
#include <cauchy/optim.h>

/* ---- a small model: built, differentiated twice, compiled, run ---- */

typedef struct model {
  cy_graph *graph;
  cy_state *state;
  cy_tensor *x, *y;
  cy_program *program;
  cy_session *session;
} model;

static void model_end(model *m) {
  cy_session_free(m->session);
  cy_program_free(m->program);
  cy_state_free(m->state);
  cy_tensor_free(m->x);
  cy_tensor_free(m->y);
  cy_graph_free(m->graph);
}

static cy_status declare(model *m, const char *name, cy_shape shape, cy_value *v) {
  cy_status status = cy_state_declare(m->state, name, CY_PARAMETER, CY_F32, shape);
  *v = cy_variable(m->graph, name, CY_F32, shape);
  return status;
}

/* Two layers, softmax cross-entropy, a Hessian-vector product, one step of momentum: what a program usually has. */
static cy_status model_begin(model *m, int threads) {
  enum { BATCH = 20, IN = 12, HIDDEN = 9, OUT = 5, PARAMETERS = 4 };
  static const char *const names[PARAMETERS] = {"w1", "b1", "w2", "b2"};
  cy_shape shapes[PARAMETERS] = {CY_SHAPE(IN, HIDDEN), CY_SHAPE(HIDDEN), CY_SHAPE(HIDDEN, OUT), CY_SHAPE(OUT)};
  cy_value p[PARAMETERS], v[PARAMETERS], g[PARAMETERS], h[PARAMETERS];
  cy_update updates[2 * PARAMETERS];
  char slot[16];
  int last = -1;
  cy_status status = cy_graph_create(&m->graph);
  if (status == CY_OK) status = cy_state_create(&m->state);
  if (status == CY_OK) status = cy_tensor_create(CY_F32, CY_SHAPE(BATCH, IN), &m->x);
  if (status == CY_OK) status = cy_tensor_create(CY_I64, CY_SHAPE(BATCH), &m->y);
  if (status != CY_OK) return status;
  for (int i = 0; i < PARAMETERS && status == CY_OK; i++) status = declare(m, names[i], shapes[i], &p[i]);
  for (int i = 0; i < PARAMETERS && status == CY_OK; i++) {
    snprintf(slot, sizeof slot, "v/%s", names[i]);
    status = declare(m, slot, shapes[i], &v[i]);
  }
  if (status == CY_OK) status = cy_state_allocate(m->state);
  if (status != CY_OK) return status;
  cy_value x = cy_input(m->graph, "x", CY_F32, CY_SHAPE(BATCH, IN)), y = cy_input(m->graph, "y", CY_I64, CY_SHAPE(BATCH));
  cy_value logits = cy_add(cy_matmul(cy_relu(cy_add(cy_matmul(x, p[0]), p[1])), p[2]), p[3]);
  cy_value all = cy_log_softmax(logits, -1);
  cy_value picked = cy_sum(cy_select(cy_one_hot(y, OUT, CY_BOOL), all, cy_zeros_like(all)), &last, 1, false);
  cy_value loss = cy_neg(cy_mean(picked, NULL, 0, false));
  if ((status = cy_grad(loss, p, PARAMETERS, g)) != CY_OK) return status;
  if ((status = cy_hvp(loss, p, v, PARAMETERS, h)) != CY_OK) return status;
  for (int i = 0; i < PARAMETERS; i++) {
    cy_value moved = cy_add(cy_mul_scalar(v[i], 0.9), g[i]);
    updates[2 * i] = (cy_update){v[i], moved};
    updates[2 * i + 1] = (cy_update){p[i], cy_sub(p[i], cy_mul_scalar(moved, 0.05))};
  }
  cy_value outputs[2] = {loss, cy_sum(h[0], NULL, 0, false)};
  status = cy_compile(outputs, 2, updates, 2 * PARAMETERS, (cy_program_options){.threads = threads}, &m->program);
  if (status == CY_OK) status = cy_session_create(m->program, &m->session);
  if (status == CY_OK) status = cy_session_bind_state(m->session, m->state);
  if (status == CY_OK) status = cy_session_bind(m->session, "x", m->x);
  if (status == CY_OK) status = cy_session_bind(m->session, "y", m->y);
  return status;
}

static void a_training_step_allocates_nothing(void **state) {
  (void)state;
  for (int threads = 1; threads <= 2; threads++) {
    model m = {0};
    cy_rng rng = cy_rng_make(1, 1);
    failing = 0;
    assert_ok(model_begin(&m, threads));
    fill_uniform(m.x, &rng, -1, 1);
    fill_uniform(m.y, &rng, 0, 5);
    fill_uniform(cy_state_find(m.state, "w1"), &rng, -1, 1);
    fill_uniform(cy_state_find(m.state, "w2"), &rng, -1, 1);
    calls = 0;
    assert_ok(cy_session_run(m.session));
    double first = cy_tensor_at(cy_session_output(m.session, 0), 0);
    for (int i = 0; i < 50; i++) assert_ok(cy_session_run(m.session));
    assert_int_equal(calls, 0);
    assert_true(cy_tensor_at(cy_session_output(m.session, 0), 0) < first); /* and it learns */
    model_end(&m);
  }
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  long n = 0, before = live;
  for (;; n++) {
    model m = {0};
    calls = 0;
    failing = n + 1;
    cy_status status = model_begin(&m, 1);
    if (status == CY_OK) status = cy_session_run(m.session);
    bool happened = calls >= failing;
    failing = 0;
    if (happened && status == CY_OK) fail_msg("allocation %ld failed and nobody noticed", n + 1);
    if (happened && status != CY_NO_MEMORY)
      fail_msg("allocation %ld failed: status \"%s\" (%s)", n + 1, cy_status_name(status), cy_error_message());
    if (!happened) assert_ok(status);
    model_end(&m);
    if (live != before) fail_msg("allocation %ld failed: %ld blocks leaked", n + 1, live - before);
    if (!happened) break;
  }
  assert_true(n > 100); /* the loop really went through them */
}

/* The same for the layers and optimisers that a user calls, from text to the compiled step. */
static cy_status train_from_text(const char *text, cy_shape images) {
  cy_graph *graph = NULL;
  cy_network *network = NULL;
  cy_model *parsed = NULL;
  cy_state *state = NULL;
  cy_program *program = NULL;
  cy_session *session = NULL;
  cy_tensor *x = NULL, *y = NULL;
  cy_status status = cy_model_parse(text, "test", &parsed);
  if (status == CY_OK) status = cy_graph_create(&graph);
  if (status == CY_OK) status = cy_network_create(graph, (cy_network_options){.training = true}, &network);
  if (status == CY_OK) status = cy_state_create(&state);
  if (status == CY_OK) {
    cy_value logits = cy_model_apply(parsed, network, cy_input(graph, "x", CY_F32, images));
    cy_value loss = cy_cross_entropy(logits, cy_input(graph, "y", CY_I64, CY_SHAPE(8)), (cy_cross_entropy_options){0});
    status = cy_network_declare(network, state);
    if (status == CY_OK) status = cy_state_allocate(state);
    if (status == CY_OK) status = cy_network_initialize(network, state, 1);
    if (status == CY_OK) status = cy_compile(&loss, 1, NULL, 0, (cy_program_options){.threads = 1}, &program);
  }
  if (status == CY_OK) status = cy_session_create(program, &session);
  if (status == CY_OK) status = cy_tensor_create(CY_F32, images, &x);
  if (status == CY_OK) status = cy_tensor_create(CY_I64, CY_SHAPE(8), &y);
  if (status == CY_OK) status = cy_session_bind_state(session, state);
  if (status == CY_OK) status = cy_session_bind(session, "x", x);
  if (status == CY_OK) status = cy_session_bind(session, "y", y);
  if (status == CY_OK) status = cy_session_run(session);
  cy_session_free(session);
  cy_program_free(program);
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_state_free(state);
  cy_network_free(network);
  cy_graph_free(graph);
  cy_model_free(parsed);
  return status;
}

static void train_with_failures(const char *text, cy_shape images) {
  long before = live;
  for (long n = 1;; n++) {
    calls = 0;
    failing = n;
    cy_status status = train_from_text(text, images);
    bool happened = calls >= failing;
    failing = 0;
    if (happened && status != CY_NO_MEMORY)
      fail_msg("allocation %ld failed: status \"%s\" (%s)", n, cy_status_name(status), cy_error_message());
    if (live != before) fail_msg("allocation %ld failed: %ld blocks leaked", n, live - before);
    if (happened) continue;
    assert_ok(status);
    assert_true(n > 100);
    break;
  }
}

static void layers_survive_every_failure_too(void **state) {
  (void)state;
  train_with_failures("dense(6) -> batch_norm -> prelu -> dropout(0.1) -> dense(3)", CY_SHAPE(8, 4));
  train_with_failures("conv(4, 3, pad=same) -> batch_norm -> relu -> max_pool(2) -> conv_transpose(2, 2, stride=2) -> "
                      "residual(conv(2, 3, pad=1, mode=reflect)) -> avg_pool(2) -> resize(scale=2, mode=linear) -> "
                      "crop(4, at=1) -> pixel_unshuffle(2) -> global_avg_pool -> dense(3)",
                      CY_SHAPE(8, 2, 6, 6));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_training_step_allocates_nothing),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(layers_survive_every_failure_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
