/* Random networks on sequences: recurrent layers of every kind and direction, stacked, recomputing, within residuals;
 * causal convolutions, attention, positions, embeddings; sequences of one or of different lengths. Outputs, gradients and
 * products with the Hessian of the CPU backend, in f64 and f32, on one and two threads, against the reference kernels.
 * CAUCHY_SEEDS=first:count runs others than the usual ones. */
#include "network_lab.h"

enum { TEXT = 1000, MOST = 40, NUMBERS = 4 * MOST };

typedef struct trial {
  char text[TEXT];
  int64_t batch, channels, steps;
  bool tokens, ragged;
  int threads;
} trial;

static int below(cy_rng *rng, int n) { return (int)cy_rng_below(rng, n); }

/* Adds a layer; channels: of what it gives. */
static void add_layer(cy_rng *rng, char *text, int64_t *channels) {
  static const char *const cells[] = {"rnn", "lstm", "gru"};
  char layer[160];
  int units = 1 + below(rng, 5) * (below(rng, 3) ? 1 : 7);
  bool both = below(rng, 3) == 0;
  switch (below(rng, 9)) {
    case 0:
    case 1:
    case 2:
      snprintf(layer, sizeof layer, "%s(%d%s%s%s)", cells[below(rng, 3)], units, below(rng, 3) ? "" : ", layers=2",
               both                 ? ", bidirectional"
               : below(rng, 4) == 0 ? ", reverse"
                                    : "",
               below(rng, 3) ? "" : ", recompute=3");
      *channels = units * (1 + both);
      break;
    case 3:
      snprintf(layer, sizeof layer, "conv(%d, %d, pad=causal, dilation=%d)", units, 1 + below(rng, 3),
               1 + below(rng, 2));
      *channels = units;
      break;
    case 4: snprintf(layer, sizeof layer, "layer_norm(0.1, axis=1)"); break; /* small variances magnify rounding */
    case 5:
      snprintf(layer, sizeof layer, "attention(%d%s, size=%d)", 1 + below(rng, 2), below(rng, 2) ? ", causal" : "",
               1 + below(rng, 4));
      break;
    case 6: snprintf(layer, sizeof layer, "positions(%s)", below(rng, 2) ? "learned, length=9" : "sinusoidal"); break;
    case 7: snprintf(layer, sizeof layer, "residual(conv(%d, 1) -> tanh -> gru(%d))", units, (int)*channels); break;
    default: snprintf(layer, sizeof layer, "tanh");
  }
  size_t used = strlen(text);
  snprintf(text + used, TEXT - used, "%s%s", used ? " -> " : "", layer);
}

static trial draw(uint64_t seed) {
  cy_rng rng = cy_rng_make(seed, 91);
  trial t = {.batch = 1 + below(&rng, 4) * (below(&rng, 3) ? 1 : 5),
             .channels = 1 + below(&rng, 4),
             .steps = 1 + below(&rng, 9),
             .tokens = below(&rng, 4) == 0,
             .ragged = below(&rng, 3) == 0,
             .threads = 1 + below(&rng, 2)};
  int64_t channels = t.tokens ? 3 : t.channels;
  if (t.tokens) snprintf(t.text, TEXT, "embedding(5, 3)");
  for (int i = 0, layers = 1 + below(&rng, 3); i < layers; i++) add_layer(&rng, t.text, &channels);
  int end = below(&rng, 3);
  size_t used = strlen(t.text);
  if (end) snprintf(t.text + used, TEXT - used, "%s",
                    end == 1   ? " -> last"
                    : t.ragged ? " -> global_avg_pool -> dense(2)"
                               : " -> dense(2)");
  return t;
}

/* ---- one program ---- */

/* Gradients of a bent mixture of the outputs by all parameters and the input, and products with its Hessian. */
static int derive(const lab *l, cy_value y, bool tokens, cy_value *outputs) {
  cy_value wanted[MOST], along[MOST], loss = mix(cy_sin(y));
  int n;
  const cy_value *parameters = cy_network_parameters(l->net, &n);
  assert_true(n + 1 <= MOST);
  for (int i = 0; i < n; i++) wanted[i] = parameters[i];
  if (!tokens) wanted[n++] = l->x;
  for (int i = 0; i < n; i++) along[i] = cy_sin(wanted[i]);
  outputs[0] = loss;
  if (n == 0) return 1;
  assert_ok(cy_grad(loss, wanted, n, outputs + 1));
  assert_ok(cy_hvp(loss, wanted, along, n, outputs + 1 + n));
  return 1 + 2 * n;
}

/* Two numbers for each output: a mixture and the norm. Returns how many. */
static int measure(const trial *t, const char *kernels, cy_dtype dtype, int threads, double *numbers) {
  cy_value outputs[2 * MOST + 1];
  cy_shape shape = t->tokens ? CY_SHAPE(t->batch, t->steps) : CY_SHAPE(t->batch, t->channels, t->steps);
  lab l = lab_open(false, dtype, shape);
  cy_value lengths = cy_input(l.graph, "lengths", CY_I64, CY_SHAPE(t->batch));
  if (t->ragged) cy_network_set_lengths(l.net, l.x, lengths);
  cy_value y = apply_text(l.net, l.x, t->text);
  if (cy_graph_status(l.graph) != CY_OK) fail_msg("%s: %s", t->text, cy_error_message());
  int n = derive(&l, y, t->tokens, outputs);
  outputs[n++] = l.x; /* bound, whatever the network reads */
  outputs[n++] = cy_convert(lengths, dtype);
  assert_ok(cy_compile(outputs, n, NULL, 0, (cy_program_options){.backend = kernels, .threads = threads}, &l.program));
  assert_ok(cy_state_create(&l.state));
  assert_ok(cy_network_declare(l.net, l.state));
  assert_ok(cy_state_allocate(l.state));
  assert_ok(cy_network_initialize(l.net, l.state, 1));
  assert_ok(cy_session_create(l.program, &l.session));
  assert_ok(cy_session_bind_state(l.session, l.state));
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(t->batch), &l.labels));
  for (int64_t i = 0; i < t->batch; i++) cy_tensor_set(l.labels, i, (double)(1 + 3 * i % t->steps));
  for (int64_t i = 0; i < cy_tensor_count(l.input); i++)
    cy_tensor_set(l.input, i, t->tokens ? (double)(7 * i % 5) : sin(0.9 * (double)i));
  assert_ok(cy_session_bind(l.session, "x", l.input));
  assert_ok(cy_session_bind(l.session, "lengths", l.labels));
  for (int run = 0; run < 2; run++) assert_ok(cy_session_run(l.session));
  for (int i = 0; i < n; i++) {
    const cy_tensor *out = cy_session_output(l.session, i);
    double mixed = 0, square = 0;
    for (int64_t k = 0; k < cy_tensor_count(out); k++) {
      double v = cy_tensor_at(out, k);
      mixed += v * cos(1 + (double)k);
      square += v * v;
    }
    numbers[2 * i] = mixed;
    numbers[2 * i + 1] = sqrt(square);
  }
  lab_close(&l);
  return 2 * n;
}

static void check_trial(uint64_t seed) {
  trial t = draw(seed);
  double want[2 * NUMBERS], got[2 * NUMBERS], scale = 0;
  int n = measure(&t, "reference", CY_F64, 1, want);
  for (int i = 0; i < n; i++) scale = fmax(scale, fabs(want[i]));
  assert_true(isfinite(scale));
  for (int single = 0; single < 2; single++) {
    double tolerance = single ? 2e-3 : 1e-10;
    assert_int_equal(measure(&t, "cpu", single ? CY_F32 : CY_F64, t.threads, got), n);
    for (int i = 0; i < n; i++)
      if (!(fabs(got[i] - want[i]) <= tolerance * (fabs(want[i]) + 0.01 * scale + 1e-3)))
        fail_msg("seed %llu, %s, %lld x %lld x %lld%s, %d threads, %s: number %d is %g instead of %g",
                 (unsigned long long)seed, t.text, (long long)t.batch, (long long)t.channels, (long long)t.steps,
                 t.ragged ? ", ragged" : "", t.threads, single ? "f32" : "f64", i, got[i], want[i]);
  }
}

static void backends_agree(void **state) {
  (void)state;
  const char *seeds = getenv("CAUCHY_SEEDS"), *colon = seeds ? strchr(seeds, ':') : NULL;
  uint64_t first = seeds ? strtoull(seeds, NULL, 10) : 1, count = colon ? strtoull(colon + 1, NULL, 10) : 60;
  for (uint64_t seed = first; seed < first + count; seed++) check_trial(seed);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(backends_agree)};
  backend = "cpu";
  return cmocka_run_group_tests(tests, NULL, NULL);
}
