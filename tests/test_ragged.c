/* Sequences of different lengths: every layer that takes them gives what each sequence alone gives, values and gradients;
 * others are refused by name. Batches, padding, scaling, readers, training, resuming. */
#include "network_lab.h"

#include "data/ragged.h"
#include "nn/ragged.h"

#include <cauchy/data.h>
#include <cauchy/train.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- layers: a padded batch against each sequence alone ---- */

enum { BATCH = 4, CHANNELS = 3, STEPS = 11, MOST_VARIABLES = 24 };
static const int64_t ends[BATCH] = {7, 4, 11, 6};

typedef struct measured {
  double outputs[64], by_x[BATCH * CHANNELS * STEPS];
  cy_tensor *by_variable[MOST_VARIABLES];
  int width, n_variables;
} measured;

/* loss = sum over rows and columns of w_k sin(out). */
static cy_value loss_of(cy_value y) {
  cy_shape s = cy_value_shape(y);
  cy_value weights = cy_cos(cy_add_scalar(cy_iota(y.graph, cy_value_dtype(y), s, 1), 1));
  return cy_sum(cy_mul(weights, cy_sin(y)), NULL, 0, false);
}

/* Sequences first..first+n-1, as long as steps; with their lengths if ragged. Numbers behind the ends are anything. */
static void run(const char *text, bool tokens, bool ragged, int first, int n, int64_t steps, measured *m) {
  cy_shape shape = tokens ? CY_SHAPE(n, steps) : CY_SHAPE(n, CHANNELS, steps);
  lab l = lab_open(false, CY_F64, shape);
  cy_tensor *lengths = NULL;
  cy_value wanted[MOST_VARIABLES + 1], outputs[MOST_VARIABLES + 3];
  int count, n_wanted = 0;
  if (ragged) cy_network_set_lengths(l.net, l.x, cy_input(l.graph, "lengths", CY_I64, CY_SHAPE(n)));
  cy_value y = apply_text(l.net, l.x, text);
  if (cy_graph_status(l.graph) != CY_OK) fail_msg("%s: %s", text, cy_graph_error(l.graph));
  const cy_value *parameters = cy_network_parameters(l.net, &count);
  assert_true(count <= MOST_VARIABLES && cy_value_shape(y).rank == 2);
  for (int i = 0; i < count; i++) wanted[n_wanted++] = parameters[i];
  if (!tokens) wanted[n_wanted++] = l.x;
  outputs[0] = y;
  assert_ok(cy_grad(loss_of(y), wanted, n_wanted, outputs + 1));
  int64_t channels = tokens ? 1 : CHANNELS;
  for (int i = 0; i < n; i++)
    for (int64_t c = 0; c < channels; c++)
      for (int64_t t = 0; t < steps; t++) {
        double v = tokens ? (double)((3 * (first + i) + 5 * t) % 7) : sin(1 + 13.0 * (first + i) + 3.7 * (double)c + 1.3 * (double)t);
        if (ragged && t >= ends[first + i]) v = tokens ? 6 : 50 + (double)t;
        cy_tensor_set(l.input, (i * channels + c) * steps + t, v);
      }
  lab_compile(&l, outputs, 1 + n_wanted, false);
  if (ragged) {
    assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(n), &lengths));
    for (int i = 0; i < n; i++) cy_tensor_set(lengths, i, (double)ends[first + i]);
    assert_ok(cy_session_bind(l.session, "lengths", lengths));
  }
  assert_ok(cy_session_run(l.session));
  const cy_tensor *out = cy_session_output(l.session, 0);
  m->width = (int)cy_tensor_shape(out).dim[1];
  m->n_variables = count;
  assert_true(n * m->width <= 64);
  for (int64_t i = 0; i < cy_tensor_count(out); i++) m->outputs[i] = cy_tensor_at(out, i);
  for (int i = 0; i < count; i++) {
    const cy_tensor *gradient = cy_session_output(l.session, 1 + i);
    assert_ok(cy_tensor_create(CY_F64, cy_tensor_shape(gradient), &m->by_variable[i]));
    assert_ok(cy_tensor_copy(gradient, m->by_variable[i]));
  }
  const cy_tensor *by_x = tokens ? NULL : cy_session_output(l.session, 1 + count);
  for (int64_t i = 0; by_x && i < cy_tensor_count(by_x); i++) m->by_x[i] = cy_tensor_at(by_x, i);
  cy_tensor_free(lengths);
  lab_close(&l);
}

static void clear(measured *m) {
  for (int i = 0; i < m->n_variables; i++) cy_tensor_free(m->by_variable[i]);
}

static void same(const char *text, const char *what, double got, double want) {
  if (!(fabs(got - want) <= 1e-11 * fmax(1, fabs(want)))) fail_msg("%s: %s %.17g instead of %.17g", text, what, got, want);
}

/* Gradients by the variables are the sums of those of the sequences; by the input they are 0 behind the ends. */
static void compare(const char *text, bool tokens) {
  measured all, one;
  double sums[MOST_VARIABLES][400] = {{0}};
  run(text, tokens, true, 0, BATCH, STEPS, &all);
  for (int i = 0; i < BATCH; i++) {
    run(text, tokens, false, i, 1, ends[i], &one);
    assert_int_equal(one.width, all.width);
    for (int k = 0; k < one.width; k++) same(text, "output", all.outputs[i * all.width + k], one.outputs[k]);
    for (int c = 0; c < CHANNELS && !tokens; c++)
      for (int t = 0; t < STEPS; t++)
        same(text, t < ends[i] ? "gradient by x" : "gradient behind the end", all.by_x[(i * CHANNELS + c) * STEPS + t],
             t < ends[i] ? one.by_x[c * ends[i] + t] : 0);
    for (int v = 0; v < one.n_variables; v++) {
      assert_true(cy_tensor_count(one.by_variable[v]) <= 400);
      for (int64_t j = 0; j < cy_tensor_count(one.by_variable[v]); j++) sums[v][j] += cy_tensor_at(one.by_variable[v], j);
    }
    clear(&one);
  }
  for (int v = 0; v < all.n_variables; v++)
    for (int64_t j = 0; j < cy_tensor_count(all.by_variable[v]); j++)
      same(text, "gradient by a variable", cy_tensor_at(all.by_variable[v], j), sums[v][j]);
  clear(&all);
}

static void padding_changes_nothing(void **state) {
  (void)state;
  static const char *const each[] = {
      "relu", "leaky_relu(0.1)", "prelu", "swish(trainable)", "sigmoid", "tanh", "softplus", "elu", "gelu", "gelu(tanh)",
      "softmax", "log_softmax(axis=-2)", "dead_zone", "dropout(0.3)", "identity", "layer_norm(axis=1)", "batch_norm",
      "dense(4, axis=1)", "conv(4, 1)", "conv(4, 3)", "conv(4, 3, pad=same)", "conv(4, 4, pad=same)", "conv(4, 3, pad=half)",
      "conv(4, 3, pad=causal)", "conv(4, 3, pad=causal, dilation=3)", "conv(4, 3, pad=causal, stride=2)",
      "conv(4, 3, pad=half, stride=2)", "conv(4, 2, stride=2)", "conv(4, 3, pad=2:1, stride=3)", "conv(4, 3, stride=3, pad=1)",
      "conv(3, 3, flipped, groups=3, pad=same)", "depthwise(3, pad=same, multiplier=2)", "depthwise(3, stride=2, pad=causal)",
      "max_pool(2)", "max_pool(3, stride=1, pad=same)", "max_pool(3, stride=2, pad=half)", "max_pool(3, pad=causal)",
      "avg_pool(2)", "avg_pool(3, stride=1, pad=same)", "avg_pool(3, stride=2, pad=1)",
      "avg_pool(3, stride=2, pad=2:0, count_padding=false)", "rnn(3)", "lstm(3)", "gru(3)", "gru(2, layers=2)",
      "lstm(2, bidirectional)", "gru(3, reverse)", "rnn(3, recompute=2)", "attention", "attention(3, causal)", "positions",
      "positions(learned, length=20)", "residual(conv(3, 3, pad=same) -> relu)",
      "residual(conv(4, 3, pad=causal, stride=2), shortcut=conv(4, 1, stride=2))", "parallel(conv(2, 3, pad=same) | gru(3))",
      "parallel(conv(3, 3, pad=same) | identity, mode=add)", "2 * (conv(3, 2) -> tanh)"};
  static const char *const whole[] = {
      "global_avg_pool", "global_max_pool", "last", "rnn(3, last)", "lstm(3, last)", "gru(3, last)", "gru(2, last, reverse)",
      "lstm(2, last, bidirectional, layers=2)", "parallel(global_avg_pool | global_max_pool | last)",
      "conv(4, 3, pad=same) -> relu -> max_pool(2, pad=half) -> conv(4, 3, pad=causal) -> gru(3, last) -> dense(2)",
      "conv(4, 3, stride=2, pad=half) -> conv(4, 3, stride=2, pad=half) -> global_avg_pool -> dense(5) -> relu -> dense(2)",
      "positions -> residual(layer_norm(axis=1) -> attention(3)) -> global_avg_pool -> dense(2)"};
  char text[256];
  for (size_t i = 0; i < sizeof each / sizeof *each; i++)
    for (int k = 0; k < 2; k++) {
      snprintf(text, sizeof text, "%s -> %s", each[i], k ? "global_max_pool" : "gru(2, last)");
      compare(text, false);
    }
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) compare(whole[i], false);
  compare("embedding(7, 3) -> conv(3, 3, pad=same) -> gru(2, last) -> dense(2)", true);
}

/* ---- batch normalisation in training: of all steps before the ends ---- */

/* Two sequences beside each other, or one behind the other: the same steps. */
static void normalise(bool ragged, double *values, double *statistics) {
  enum { A = 3, B = 5, C = 2 };
  lab l = lab_open(true, CY_F64, ragged ? CY_SHAPE(2, C, B) : CY_SHAPE(1, C, A + B));
  cy_tensor *lengths = NULL;
  if (ragged) cy_network_set_lengths(l.net, l.x, cy_input(l.graph, "lengths", CY_I64, CY_SHAPE(2)));
  cy_value y = apply_text(l.net, l.x, "batch_norm(name=b)");
  cy_value loss = cy_sum(cy_sin(y), NULL, 0, false), outputs[2] = {y};
  /* Behind the end y is 0 before scale and shift: the loss must not see it. */
  if (ragged) loss = cy_sum(cy_sin(cy_slice(y, (int64_t[]){0, 0, 0}, (int64_t[]){2, C, A}, NULL)), NULL, 0, false);
  if (ragged)
    loss = cy_add(loss, cy_sum(cy_sin(cy_slice(y, (int64_t[]){1, 0, A}, (int64_t[]){2, C, B}, NULL)), NULL, 0, false));
  assert_ok(cy_grad(loss, &l.x, 1, &outputs[1]));
  for (int c = 0; c < C; c++)
    for (int t = 0; t < A + B; t++) {
      double v = 3 + sin(2.0 * c + 1.7 * t);
      if (!ragged) cy_tensor_set(l.input, c * (A + B) + t, v);
      else cy_tensor_set(l.input, t < A ? c * B + t : (C + c) * B + t - A, v);
    }
  for (int c = 0; ragged && c < C; c++)
    for (int t = A; t < B; t++) cy_tensor_set(l.input, c * B + t, 99);
  lab_compile(&l, outputs, 2, true);
  if (ragged) {
    assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(2), &lengths));
    cy_tensor_set(lengths, 0, A);
    cy_tensor_set(lengths, 1, B);
    assert_ok(cy_session_bind(l.session, "lengths", lengths));
  }
  assert_ok(cy_session_run(l.session));
  for (int k = 0; k < 2; k++) {
    const cy_tensor *out = cy_session_output(l.session, k);
    for (int c = 0; c < C; c++)
      for (int t = 0; t < A + B; t++)
        *values++ = cy_tensor_at(out, !ragged ? c * (A + B) + t : t < A ? c * B + t : (C + c) * B + t - A);
  }
  for (int c = 0; c < C; c++) {
    *statistics++ = cy_tensor_at(cy_state_find(l.state, "b.running_mean"), c);
    *statistics++ = cy_tensor_at(cy_state_find(l.state, "b.running_var"), c);
  }
  cy_tensor_free(lengths);
  lab_close(&l);
}

static void batch_norm_counts_steps_before_the_ends(void **state) {
  (void)state;
  double ragged[32], whole[32], a[4], b[4];
  normalise(true, ragged, a);
  normalise(false, whole, b);
  for (int i = 0; i < 32; i++) assert_near(i < 16 ? "normalised" : "gradient", ragged[i], whole[i], 1e-12);
  for (int i = 0; i < 4; i++) assert_near("running statistics", a[i], b[i], 1e-12);
}

/* ---- what is refused ---- */

static void refuses(const char *text, const char *message) {
  lab l = lab_open(false, CY_F32, CY_SHAPE(2, 3, 9));
  cy_network_set_lengths(l.net, l.x, cy_input(l.graph, "lengths", CY_I64, CY_SHAPE(2)));
  apply_text(l.net, l.x, text);
  assert_non_null(cy_graph_error(l.graph));
  assert_string_equal(cy_graph_error(l.graph), message);
  lab_close(&l);
}

static void others_are_refused_by_name(void **state) {
  (void)state;
  refuses("flatten -> dense(2)",
          "flatten \"flatten1\": needs sequences of one length; take the steps together before it, by global_avg_pool, "
          "global_max_pool, last, or a recurrent layer with last");
  refuses("conv(4, 3) -> dense(2)",
          "dense \"dense1\": has weights for one length of sequence; dense(.., axis=1) acts at each step, and "
          "global_avg_pool, global_max_pool, last, or a recurrent layer with last take the steps together before it");
  refuses("layer_norm(name=n)",
          "layer_norm \"n\": over whole examples would count the steps behind the ends; axis=1 is over the channels of each "
          "step");
  refuses("softmax(axis=2)",
          "softmax \"softmax1\": along the steps would count those behind the ends; axis=1 is over the channels");
  refuses("conv(4, 3, stride=2, pad=same)",
          "conv \"conv1\": with pad=same and a stride begins where the length wants it; pad=half, causal or numbers begin "
          "all sequences alike");
  refuses("conv(4, 3, pad=1, mode=reflect)",
          "conv \"conv1\": pads the end of the batch, not that of each sequence, with its edge or reflection; mode=zeros can "
          "be told apart");
  refuses("avg_pool(3, stride=1, pad=1, count_padding=false)",
          "avg_pool \"avg_pool1\": with count_padding=false counts the steps behind the ends; pad in front only, or not");
  refuses("adaptive_avg_pool(2)",
          "adaptive_avg_pool \"adaptive_avg_pool1\": can't keep sequences of different lengths apart; conv, max_pool and "
          "avg_pool can");
  refuses("positions(learned)",
          "positions \"positions1\": learned needs length=: the most steps that its table knows, for sequences differ in "
          "theirs");
  refuses("parallel(identity | identity, axis=2)",
          "parallel \"parallel1\": can't put sequences of different lengths behind one another; axis=1 is that of the "
          "channels");
  refuses("residual(conv(3, 3, stride=2), shortcut=conv(3, 2, stride=2))",
          "residual \"residual1\": its branches make sequences of different lengths end at different steps: they need the "
          "same kernels, strides and padding along the steps");
}

static void every_layer_has_a_rule(void **state) {
  (void)state;
  for (int i = 0; i < cy_layer_row_count; i++)
    if (!cy_ragged_knows(cy_layer_rows[i].name)) fail_msg("%s has no rule in ragged.c", cy_layer_rows[i].name);
}

/* ---- buckets and batches ---- */

static double padded_steps(const int64_t *sorted, int64_t count, const int64_t *buckets) {
  double steps = 0;
  for (int64_t i = 0; i < count; i++) {
    int b = 0;
    while (buckets[b] < sorted[i]) b++;
    steps += (double)buckets[b];
  }
  return steps;
}

/* All choices of three lengths that end with the longest. */
static void buckets_pad_the_least(void **state) {
  (void)state;
  const int64_t sorted[] = {1, 1, 2, 3, 3, 3, 5, 8, 8, 9, 9, 9, 12, 20, 20, 21, 40};
  enum { N = sizeof sorted / sizeof *sorted };
  int64_t chosen[CY_MAX_BUCKETS];
  int n;
  double best = INFINITY;
  assert_ok(cy_choose_buckets(sorted, N, 3, chosen, &n));
  assert_int_equal(n, 3);
  assert_int_equal(chosen[2], 40);
  for (int a = 0; a < N; a++)
    for (int b = a; b < N; b++) {
      int64_t buckets[3] = {sorted[a], sorted[b], 40};
      best = fmin(best, padded_steps(sorted, N, buckets));
    }
  assert_near("steps", padded_steps(sorted, N, chosen), best, 0);
  assert_ok(cy_choose_buckets(sorted, N, 16, chosen, &n));
  assert_int_equal(n, 10); /* as many as there are lengths */
  assert_ok(cy_choose_buckets(sorted, 2, 4, chosen, &n));
  assert_int_equal(n, 1);
  assert_int_equal(chosen[0], 1);
}

enum { COUNT = 90, LONGEST = 30 };

static int64_t length_of(int64_t i) { return 3 + (i * i * 7 + i) % (LONGEST - 2); }

/* Class 1 where the last step of channel 0 is positive; what is behind the ends is nonsense. */
static cy_dataset *made_up(int64_t buckets) {
  cy_tensor *x, *y;
  cy_dataset *d;
  int64_t lengths[COUNT];
  assert_ok(cy_tensor_create(CY_F32, CY_SHAPE(COUNT, 2, LONGEST), &x));
  assert_ok(cy_tensor_create(CY_I32, CY_SHAPE(COUNT), &y));
  fill_random(x, 3, 2);
  for (int64_t i = 0; i < COUNT; i++) {
    lengths[i] = i == 0 ? LONGEST : length_of(i);
    for (int64_t c = 0; c < 2; c++)
      for (int64_t t = 0; t < LONGEST; t++) {
        int64_t at = (i * 2 + c) * LONGEST + t;
        cy_tensor_set(x, at, t < lengths[i] ? 10.0 * (double)(c + 1) + cy_tensor_at(x, at) : 1e6);
      }
    cy_tensor_set(y, i, cy_tensor_at(x, i * 2 * LONGEST + lengths[i] - 1) > 10);
  }
  assert_ok(cy_dataset_from_sequences("made-up", x, lengths, y, 2, 0, buckets, &d));
  cy_tensor_free(x);
  cy_tensor_free(y);
  return d;
}

static void scaling_and_batches_know_the_ends(void **state) {
  (void)state;
  cy_dataset *d = made_up(0);
  int64_t train[40], buckets[CY_MAX_BUCKETS];
  cy_tensor *x, *y;
  assert_true(cy_dataset_is_ragged(d));
  assert_int_equal(cy_dataset_buckets(d, buckets), 4);
  assert_int_equal(buckets[3], LONGEST);
  assert_int_equal(cy_dataset_steps(d, 5), length_of(5));
  assert_int_equal(cy_dataset_steps(d, COUNT), -1);
  for (int i = 0; i < 40; i++) train[i] = 2 * i + 1;
  assert_ok(cy_dataset_scale(d, CY_SCALE_DEFAULT, train, 40)); /* standardised */
  for (int c = 0; c < 2; c++) {
    double sum = 0, squares = 0, n = 0;
    for (int i = 0; i < 40; i++)
      for (int64_t t = 0; t < cy_dataset_steps(d, train[i]); t++, n++)
        sum += cy_tensor_at(cy_dataset_inputs(d), (train[i] * 2 + c) * LONGEST + t);
    for (int i = 0; i < 40; i++)
      for (int64_t t = 0; t < cy_dataset_steps(d, train[i]); t++)
        squares += pow(cy_tensor_at(cy_dataset_inputs(d), (train[i] * 2 + c) * LONGEST + t) - sum / n, 2);
    assert_near("mean", cy_dataset_scaling(d).offset[c], sum / n, 1e-6);
    assert_near("deviation", 1 / cy_dataset_scaling(d).factor[c], sqrt(squares / n), 1e-6);
  }
  int64_t pair[2] = {5, 8}, steps = cy_dataset_padded_steps(d, pair, 2);
  assert_true(steps >= length_of(5) && steps >= length_of(8) && steps < LONGEST);
  assert_ok(cy_tensor_create(CY_F32, CY_SHAPE(2, 2, steps), &x));
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(2), &y));
  assert_ok(cy_dataset_batch(d, pair, 2, x, y));
  for (int i = 0; i < 2; i++)
    for (int64_t t = 0; t < steps; t++) {
      double raw = cy_tensor_at(cy_dataset_inputs(d), (pair[i] * 2 + 1) * LONGEST + t);
      double want = t < length_of(pair[i]) ? (raw - cy_dataset_scaling(d).offset[1]) * cy_dataset_scaling(d).factor[1] : 0;
      assert_near("batch", cy_tensor_at(x, (i * 2 + 1) * steps + t), want, 1e-5);
    }
  int64_t longest = 0;
  assert_int_equal(cy_dataset_batch(d, &longest, 1, x, NULL), CY_INVALID);
  pair[1] = 0;
  assert_int_equal(cy_dataset_batch(d, pair, 2, x, NULL), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "has 30 steps, but the batch has room for"));
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_dataset_free(d);
}

static void batches_hold_like_lengths(void **state) {
  (void)state;
  cy_dataset *d = made_up(5);
  cy_batches *b, *again;
  int64_t all[COUNT], n, shapes[2][16], first[2] = {0};
  const int64_t *indices, *others;
  for (int i = 0; i < COUNT; i++) all[i] = i;
  assert_ok(cy_batches_create_by_length(d, all, COUNT, 8, true, 3, &b));
  assert_ok(cy_batches_create_by_length(d, all, COUNT, 8, true, 3, &again));
  assert_int_equal(cy_batches_count(b), 12);
  for (int64_t epoch = 0; epoch < 2; epoch++) {
    int seen[COUNT] = {0}, k = 0;
    double padded = 0;
    memset(shapes[epoch], 0, sizeof shapes[epoch]);
    cy_batches_start(b, epoch, 0);
    for (; (n = cy_batches_next(b, &indices)) > 0; k++) {
      cy_batches_start(again, epoch, k); /* as a resumed training does */
      assert_int_equal(cy_batches_next(again, &others), n);
      assert_memory_equal(indices, others, (size_t)n * sizeof *indices);
      for (int64_t i = 0; i < n; i++) seen[indices[i]]++;
      int64_t buckets[CY_MAX_BUCKETS], steps = cy_dataset_padded_steps(d, indices, n);
      int count = cy_dataset_buckets(d, buckets);
      for (int j = 0; j < count; j++) shapes[epoch][2 * j + (n < 8)] += buckets[j] == steps;
      padded += (double)(n * steps);
      if (k == 0) first[epoch] = indices[0];
      if (k == 11) assert_int_equal(steps, LONGEST); /* the smaller one comes last */
    }
    for (int i = 0; i < COUNT; i++) assert_int_equal(seen[i], 1);
    double valid = 0;
    for (int i = 0; i < COUNT; i++) valid += (double)cy_dataset_steps(d, i);
    assert_true(padded < 1.35 * valid && padded > valid);
  }
  assert_memory_equal(shapes[0], shapes[1], sizeof shapes[0]); /* the same programs in every epoch */
  assert_true(first[0] != first[1]);
  cy_batches_free(b);
  cy_batches_free(again);
  cy_dataset_free(d);
}

/* Noise is the same whatever the padding, and there is none behind the ends. */
static void noise_stops_at_the_ends(void **state) {
  (void)state;
  cy_dataset *d = made_up(0);
  cy_loader *l;
  cy_tensor *x[2];
  int64_t index = 5, length = length_of(5);
  assert_ok(cy_loader_create(d, (cy_loader_options){.augment = {.jitter = 0.5, .scaling = 0.2}, .seed = 4}, &l));
  for (int k = 0; k < 2; k++) {
    assert_ok(cy_tensor_create(CY_F32, CY_SHAPE(1, 2, k ? LONGEST : length), &x[k]));
    assert_ok(cy_loader_batch(l, 0, &index, 1, x[k], NULL));
  }
  for (int64_t c = 0; c < 2; c++)
    for (int64_t t = 0; t < LONGEST; t++) {
      double got = cy_tensor_at(x[1], c * LONGEST + t);
      assert_near("noise", got, t < length ? cy_tensor_at(x[0], c * length + t) : 0, 0);
      if (t < length) assert_true(got != cy_tensor_at(cy_dataset_inputs(d), (index * 2 + c) * LONGEST + t));
    }
  cy_tensor_free(x[0]);
  cy_tensor_free(x[1]);
  cy_loader_free(l);
  assert_int_equal(cy_loader_create(d, (cy_loader_options){.augment = {.flip = true}}, &l), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "which jitter and scaling can take"));
  cy_dataset_free(d);
}

/* ---- training ---- */

static const char *const network = "conv(6, 3, pad=same) -> relu -> max_pool(2, pad=half) -> gru(8, last) -> dense(2)";

static bool stop_at(const cy_progress *now, void *user) {
  return now->phase != CY_PHASE_TRAIN || now->total_steps != *(const int64_t *)user;
}

static void assert_same_state(cy_trainer *a, cy_trainer *b) {
  cy_state *s = cy_trainer_state(a), *t = cy_trainer_state(b);
  assert_int_equal(cy_state_count(s), cy_state_count(t));
  for (int i = 0; i < cy_state_count(s); i++) {
    cy_tensor *x = cy_state_tensor(s, i), *y = cy_state_find(t, cy_state_name(s, i));
    if (memcmp(cy_tensor_data(x), cy_tensor_data(y), cy_tensor_bytes(x)) != 0) fail_msg("%s differs", cy_state_name(s, i));
  }
}

static void training_resumes_to_the_same_bits(void **state) {
  (void)state;
  const char *path = "ragged-test.safetensors";
  cy_dataset *d = made_up(0);
  cy_model *model;
  cy_trainer *whole, *part, *resumed;
  int64_t at = 19; /* in the third epoch */
  assert_ok(cy_model_parse(network, "test", &model));
  cy_trainer_options o = {.epochs = 6, .batch_size = 8, .learning_rate = 0.01, .seed = 2, .threads = 1,
                          .augment = {.jitter = 0.1}};
  assert_ok(cy_trainer_create(model, d, o, &whole));
  assert_ok(cy_trainer_run(whole));
  o.on_progress = stop_at;
  o.user = &at;
  assert_ok(cy_trainer_create(model, d, o, &part));
  assert_int_equal(cy_trainer_run(part), CY_CANCELLED);
  assert_ok(cy_trainer_save(part, path));
  assert_ok(cy_trainer_resume(path, d, (cy_trainer_options){.threads = 1}, &resumed));
  assert_ok(cy_trainer_run(resumed));
  assert_same_state(whole, resumed);
  assert_true(cy_trainer_history(whole, 5).loss < 0.6 * cy_trainer_history(whole, 0).loss);
  cy_trainer_free(whole);
  cy_trainer_free(part);
  cy_trainer_free(resumed);
  /* Not with the same numbers that end elsewhere. */
  cy_dataset *other = made_up(0);
  other->ragged->lengths[7]--;
  assert_int_equal(cy_trainer_resume(path, other, (cy_trainer_options){0}, &resumed), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "holds other values"));
  cy_dataset_free(other);
  unlink(path);
  cy_model_free(model);
  cy_dataset_free(d);
}

/* What a data set in few or many buckets gives is what each sequence alone gives. */
static void results_are_those_of_sequences_alone(void **state) {
  (void)state;
  const char *path = "ragged-trained.safetensors";
  cy_dataset *d = made_up(0), *one_bucket = made_up(1);
  cy_model *model;
  cy_trainer *trainer;
  cy_trained *trained;
  cy_metrics some, one;
  cy_tensor *outputs, *labels;
  double loss = 0;
  assert_ok(cy_model_parse(network, "test", &model));
  assert_ok(cy_trainer_create(model, d, (cy_trainer_options){.epochs = 3, .batch_size = 8, .learning_rate = 0.01}, &trainer));
  assert_ok(cy_trainer_run(trainer));
  assert_ok(cy_trainer_save(trainer, path));
  cy_trainer_free(trainer);
  assert_ok(cy_trained_load(path, 1, NULL, &trained));
  assert_ok(cy_trained_evaluate(trained, d, NULL, 0, &some));
  assert_ok(cy_trained_evaluate(trained, one_bucket, NULL, 0, &one));
  assert_near("loss", some.loss, one.loss, 1e-5);
  assert_int_equal(some.samples, COUNT);
  assert_ok(cy_trained_predict_sequences(trained, d, &outputs, &labels));
  assert_true(cy_shape_equal(cy_tensor_shape(outputs), CY_SHAPE(COUNT, 2)));
  for (int64_t i = 0; i < COUNT; i++) {
    int64_t length = cy_dataset_steps(d, i);
    cy_tensor *x, *alone, *label;
    assert_ok(cy_tensor_create(CY_F32, CY_SHAPE(2, length), &x));
    for (int64_t k = 0; k < 2 * length; k++)
      cy_tensor_set(x, k, cy_tensor_at(cy_dataset_inputs(d), (i * 2 + k / length) * LONGEST + k % length));
    assert_ok(cy_trained_predict(trained, x, &alone, &label));
    for (int k = 0; k < 2; k++) assert_near("alone", cy_tensor_at(outputs, 2 * i + k), cy_tensor_at(alone, k), 1e-5);
    assert_int_equal(cy_tensor_i64(labels)[i], cy_tensor_i64(label)[0]);
    loss -= log(cy_tensor_at(alone, cy_dataset_label(d, i))) / COUNT;
    cy_tensor_free(x);
    cy_tensor_free(alone);
    cy_tensor_free(label);
  }
  assert_near("loss of sequences alone", some.loss, loss, 1e-4);
  /* Curvature takes them too. */
  cy_objective *objective;
  double value, *parameters = calloc((size_t)5000, sizeof *parameters);
  assert_ok(cy_trained_objective(trained, d, (cy_model_objective_options){.batch_size = 8}, &objective));
  assert_true(cy_objective_size(objective) <= 5000);
  assert_ok(cy_objective_start(objective, parameters));
  assert_ok(cy_objective_value(objective, parameters, &value));
  assert_near("objective", value, loss, 1e-4);
  cy_objective_free(objective);
  free(parameters);
  cy_metrics_clear(&some);
  cy_metrics_clear(&one);
  cy_tensor_free(outputs);
  cy_tensor_free(labels);
  cy_trained_free(trained);
  cy_model_free(model);
  cy_dataset_free(d);
  cy_dataset_free(one_bucket);
  unlink(path);
}

/* ---- a label for each step ---- */

/* Whether the sum of channel 0 so far is positive. */
static cy_dataset *made_up_steps(int64_t buckets) {
  cy_tensor *x, *y;
  cy_dataset *d;
  int64_t lengths[COUNT];
  assert_ok(cy_tensor_create(CY_F32, CY_SHAPE(COUNT, 2, LONGEST), &x));
  assert_ok(cy_tensor_create(CY_I32, CY_SHAPE(COUNT, LONGEST), &y));
  fill_random(x, 5, 1);
  for (int64_t i = 0; i < COUNT; i++) {
    double sum = 0;
    lengths[i] = i == 0 ? LONGEST : length_of(i);
    for (int64_t t = 0; t < LONGEST; t++) {
      sum += cy_tensor_at(x, i * 2 * LONGEST + t);
      cy_tensor_set(y, i * LONGEST + t, t < lengths[i] ? sum > 0 : 77);
    }
  }
  assert_ok(cy_dataset_from_sequences("steps", x, lengths, y, 2, 0, buckets, &d));
  cy_tensor_free(x);
  cy_tensor_free(y);
  return d;
}

/* Loss, accuracy, confusion and answers are those of sequences alone: a sequence's loss is the mean over its steps, the
 * accuracy counts steps. */
static void labels_of_each_step(void **state) {
  (void)state;
  const char *path = "ragged-steps.safetensors";
  cy_dataset *d = made_up_steps(0), *one_bucket = made_up_steps(1);
  cy_model *model;
  cy_trainer *trainer;
  cy_trained *trained;
  cy_metrics some, one;
  cy_tensor *outputs, *labels;
  double loss = 0, right = 0, steps = 0, actual = 0;
  assert_true(cy_dataset_each_step(d) && cy_dataset_label(d, 0) == -1);
  assert_true(cy_shape_equal(cy_dataset_target_shape(d), CY_SHAPE(LONGEST)));
  assert_ok(cy_model_parse("conv(4, 3, pad=same) -> tanh -> gru(6) -> conv(2, 1)", "test", &model));
  cy_trainer_options o = {.epochs = 8, .batch_size = 8, .learning_rate = 0.02};
  assert_ok(cy_trainer_create(model, d, o, &trainer));
  assert_ok(cy_trainer_run(trainer));
  assert_true(cy_trainer_history(trainer, 7).accuracy > 0.8 && cy_trainer_history(trainer, 7).accuracy <= 1);
  assert_ok(cy_trainer_save(trainer, path));
  cy_trainer_free(trainer);
  assert_ok(cy_trained_load(path, 1, NULL, &trained));
  assert_ok(cy_trained_evaluate(trained, d, NULL, 0, &some));
  assert_ok(cy_trained_evaluate(trained, one_bucket, NULL, 0, &one));
  assert_ok(cy_trained_predict_sequences(trained, d, &outputs, &labels));
  assert_true(cy_shape_equal(cy_tensor_shape(outputs), CY_SHAPE(COUNT, 2, LONGEST)));
  for (int64_t i = 0; i < COUNT; i++) {
    int64_t length = cy_dataset_steps(d, i);
    cy_tensor *x, *alone, *label;
    assert_ok(cy_tensor_create(CY_F32, CY_SHAPE(2, length), &x));
    for (int64_t k = 0; k < 2 * length; k++)
      cy_tensor_set(x, k, cy_tensor_at(cy_dataset_inputs(d), (i * 2 + k / length) * LONGEST + k % length));
    assert_ok(cy_trained_predict(trained, x, &alone, &label));
    assert_true(cy_shape_equal(cy_tensor_shape(alone), CY_SHAPE(1, 2, length)));
    for (int64_t t = 0; t < LONGEST; t++) {
      int64_t is = (int64_t)cy_tensor_at(cy_dataset_targets(d), i * LONGEST + t);
      for (int64_t k = 0; k < 2; k++)
        assert_near("alone", cy_tensor_at(outputs, (i * 2 + k) * LONGEST + t),
                    t < length ? cy_tensor_at(alone, k * length + t) : 0, 1e-5);
      if (t >= length) continue;
      loss -= log(cy_tensor_at(alone, is * length + t)) / (double)length / COUNT;
      right += cy_tensor_i64(labels)[i * LONGEST + t] == is;
      actual += is == 1;
      steps++;
    }
    cy_tensor_free(x);
    cy_tensor_free(alone);
    cy_tensor_free(label);
  }
  assert_near("loss of sequences alone", some.loss, loss, 1e-4);
  assert_near("loss in one bucket", one.loss, loss, 1e-4);
  assert_near("accuracy", some.accuracy, right / steps, 1e-9);
  assert_near("accuracy in one bucket", one.accuracy, right / steps, 1e-9);
  assert_int_equal(some.confusion[2] + some.confusion[3], (int64_t)actual);
  assert_int_equal(some.confusion[0] + some.confusion[3], (int64_t)right);
  cy_objective *objective;
  double value, *parameters = calloc((size_t)5000, sizeof *parameters);
  assert_ok(cy_trained_objective(trained, d, (cy_model_objective_options){.batch_size = 8}, &objective));
  assert_ok(cy_objective_start(objective, parameters));
  assert_ok(cy_objective_value(objective, parameters, &value));
  assert_near("objective", value, loss, 1e-4);
  cy_objective_free(objective);
  free(parameters);
  o.loss = "hinge";
  assert_int_equal(cy_trainer_create(model, d, o, &trainer), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "need the loss cross_entropy, not hinge"));
  cy_dataset *other = made_up(0);
  cy_metrics metrics;
  assert_int_equal(cy_trained_evaluate(trained, other, NULL, 0, &metrics), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "has one label for each sequence, but the model was trained for one for each step"));
  cy_dataset_free(other);
  cy_metrics_clear(&some);
  cy_metrics_clear(&one);
  cy_tensor_free(outputs);
  cy_tensor_free(labels);
  cy_trained_free(trained);
  cy_model_free(model);
  cy_dataset_free(d);
  cy_dataset_free(one_bucket);
  unlink(path);
}

static void too_short_sequences_are_named(void **state) {
  (void)state;
  cy_dataset *d = made_up(0);
  cy_model *model;
  cy_trainer *trainer;
  assert_ok(cy_model_parse("conv(4, 7) -> global_avg_pool -> dense(2)", "test", &model));
  assert_int_equal(cy_trainer_create(model, d, (cy_trainer_options){0}, &trainer), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "made-up: sequence "));
  assert_non_null(strstr(cy_error_message(), " has 3 steps: conv \"conv1\": kernel 7 spans 7, but the padded input is 3 + 0"));
  cy_model_free(model);
  cy_dataset_free(d);
}

/* ---- readers ---- */

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  fclose(file);
}

static cy_dataset *open_table(const char *text, cy_dataset_options options) {
  cy_dataset *d;
  write_text("ragged-test.csv", text);
  if (!options.sequence) options.sequence = "id";
  assert_ok(cy_dataset_open("./ragged-test.csv", options, &d));
  return d;
}

static void tables_become_sequences(void **state) {
  (void)state;
  /* Rows of one sequence need not stand together; they keep their order. */
  cy_dataset *d = open_table("id,a,note,b,label\n"
                             "7,1,x,10,up\n"
                             "x y,2,x,20,down\n"
                             "7,3,x,30,up\n"
                             "x y,4,x,40,down\n"
                             "x y,5,x,50,down\n"
                             "last,6,x,60,up\n",
                             (cy_dataset_options){.ignore = "note"});
  static const double want[3][2][3] = {{{1, 3, 0}, {10, 30, 0}}, {{2, 4, 5}, {20, 40, 50}}, {{6, 0, 0}, {60, 0, 0}}};
  static const char *const names[] = {"7", "x y", "last"};
  static const int64_t lengths[] = {2, 3, 1};
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(2, 3)));
  assert_int_equal(cy_dataset_count(d), 3);
  assert_int_equal(cy_dataset_classes(d), 2);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(cy_dataset_steps(d, i), lengths[i]);
    assert_string_equal(cy_dataset_sequence_name(d, i), names[i]);
    for (int k = 0; k < 6; k++) assert_near("value", cy_tensor_at(cy_dataset_inputs(d), i * 6 + k), want[i][k / 3][k % 3], 0);
  }
  assert_string_equal(cy_dataset_channel_name(d, 0), "a");
  assert_string_equal(cy_dataset_channel_name(d, 1), "b");
  assert_null(cy_dataset_channel_name(d, 2));
  assert_string_equal(cy_dataset_sequence_column(d), "id");
  assert_string_equal(cy_dataset_class_name(d, cy_dataset_label(d, 1)), "down");
  assert_non_null(strstr(cy_dataset_notes(d), "3 sequences of 1 to 3 steps, half of them at most 2"));
  cy_dataset_free(d);
  /* Numbers to predict; the label's column by name; columns in the wanted order. */
  d = open_table("y;b;id;a\n1.5;1;0;2\n1.5;3;0;4\n-2;5;1;6\n", (cy_dataset_options){.columns = "a, b", .target = "y"});
  assert_int_equal(cy_dataset_classes(d), 0);
  assert_near("target", cy_tensor_at(cy_dataset_targets(d), 1), -2, 0);
  assert_near("value", cy_tensor_at(cy_dataset_inputs(d), 1), 4, 0);
  cy_dataset_free(d);
  /* A label for each step. */
  d = open_table("id,a,k\n1,1,u\n2,2,v\n1,3,v\n1,4,u\n", (cy_dataset_options){.target = "k", .each_step = true});
  static const double each[2][3] = {{0, 1, 0}, {1, 0, 0}};
  for (int i = 0; i < 6; i++) assert_near("label", cy_tensor_at(cy_dataset_targets(d), i), each[i / 3][i % 3], 0);
  assert_int_equal(cy_dataset_classes(d), 2);
  cy_dataset_free(d);
  /* To predict from: the label is not looked at, and need not be there. */
  d = open_table("id,a\n1,1\n1,2\n", (cy_dataset_options){.target = "input"});
  assert_true(cy_dataset_reconstructs(d));
  cy_dataset_free(d);
  unlink("ragged-test.csv");
}

static void table_fails(const char *text, cy_dataset_options options, const char *message) {
  cy_dataset *d;
  write_text("ragged-test.csv", text);
  if (!options.sequence) options.sequence = "id";
  assert_int_not_equal(cy_dataset_open("./ragged-test.csv", options, &d), CY_OK);
  assert_null(d);
  assert_string_equal(cy_error_message(), message);
  unlink("ragged-test.csv");
}

static void mistakes_in_tables(void **state) {
  (void)state;
  cy_dataset_options none = {0};
  table_fails("id,a,label\n1,2,u\n1,2\n", none, "./ragged-test.csv: line 3 has 2 cells but the lines above have 3");
  table_fails("id,a,label\n1,2,u\n1,high,u\n", none,
              "./ragged-test.csv: line 3, column 2 (a): \"high\" is not a number (ignore: COLUMN leaves a column out)");
  table_fails("id,a,label\n1,2,u\n1,NaN,u\n", none,
              "./ragged-test.csv: line 3, column 2 (a): the value is missing (\"NaN\")");
  table_fails("id,a,label\n1,2,u\n1,,u\n", none, "./ragged-test.csv: line 3, column 2 (a): the value is missing (\"\")");
  table_fails("id,a,label\n1,1e39,u\n", none, "./ragged-test.csv: row 1: \"a\" is 1e+39, which is too large for f32");
  table_fails("id,a,label\n1,2,u\n,2,u\n", none, "./ragged-test.csv: line 3, column 1 (id): the value is missing (\"\")");
  table_fails("id,a,label\n1,2,u\n2,2,v\n1,2,v\n", none,
              "./ragged-test.csv: row 3: label of sequence 1 is v, but u in its first row: a sequence has one label "
              "(each_step: true takes one for each step)");
  table_fails("", none, "./ragged-test.csv: holds no rows");
  table_fails("id,a,label\n", none, "./ragged-test.csv: holds a header but no rows");
  table_fails("id,a,label\n1,2,u\n", (cy_dataset_options){.sequence = "run"},
              "./ragged-test.csv: has no column \"run\" (3 columns, \"id\" to \"label\")");
  table_fails("id,label\n1,u\n", none, "./ragged-test.csv: holds no column besides \"id\" and the target label");
  table_fails("id,a,label\n1,2,u\n", (cy_dataset_options){.target = "id"},
              "./ragged-test.csv: \"id\" says to which sequence a row belongs and can't be the target too; target: COLUMN");
  table_fails("a,b,id\n2,1,1\n", none, /* without a target the last column is it */
              "./ragged-test.csv: \"id\" says to which sequence a row belongs and can't be the target too; target: COLUMN");
  table_fails("id,a,y\n1,2,u\n", (cy_dataset_options){.task = CY_TASK_REGRESS},
              "./ragged-test.csv: column \"y\" holds \"u\": to regress, targets must be numbers");
  table_fails("id,a,label\n1,2,u\n", (cy_dataset_options){.buckets = 99},
              "ragged-test: batches are padded to 1 to 16 lengths, not 99");
  table_fails("id,a,label\n1,2,u\n", (cy_dataset_options){.windows = {.length = 2}},
              "./ragged-test.csv: sequence and windows exclude each other: a sample is a sequence, or a window of one");
  cy_dataset *d;
  assert_int_equal(cy_dataset_open("digits", (cy_dataset_options){.sequence = "id"}, &d), CY_INVALID);
  assert_string_equal(cy_error_message(), "digits: sequence is a column of a CSV file");
  assert_int_equal(cy_dataset_open("digits", (cy_dataset_options){.buckets = 3}, &d), CY_INVALID);
  assert_string_equal(cy_error_message(),
                      "digits: buckets are of sequences of different lengths, but its samples are of one shape");
}

static void make_folder(const char *path) {
  if (mkdir(path, 0700) != 0) assert_int_equal(errno, EEXIST);
}

static void folders_of_files_by_class(void **state) {
  (void)state;
  cy_dataset *d;
  make_folder("ragged-folder");
  make_folder("ragged-folder/run");
  make_folder("ragged-folder/walk");
  write_text("ragged-folder/walk/1.csv", "x,y\n1,2\n3,4\n");
  write_text("ragged-folder/walk/2.csv", "y,note,x\n6,a,5\n"); /* by name, among others */
  write_text("ragged-folder/run/1.csv", "x,y\n1,2\n3,4\n5,6\n");
  assert_ok(cy_dataset_open("ragged-folder", (cy_dataset_options){0}, &d));
  assert_int_equal(cy_dataset_count(d), 3);
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(2, 3)));
  assert_string_equal(cy_dataset_sequence_name(d, 2), "walk/2.csv");
  assert_string_equal(cy_dataset_class_name(d, cy_dataset_label(d, 2)), "walk");
  assert_null(cy_dataset_sequence_column(d));
  assert_int_equal(cy_dataset_steps(d, 2), 1);
  assert_near("value", cy_tensor_at(cy_dataset_inputs(d), 12), 5, 0);
  assert_near("value", cy_tensor_at(cy_dataset_inputs(d), 15), 6, 0);
  cy_dataset_free(d);
  static const struct {
    const char *path, *text, *message;
  } mistakes[] = {
      {"ragged-folder/walk/3.csv", "", "ragged-folder/walk/3.csv: holds no rows"},
      {"ragged-folder/walk/3.csv", "x,y\n", "ragged-folder/walk/3.csv: holds a header but no rows"},
      {"ragged-folder/walk/3.csv", "x,z\n1,2\n", "ragged-folder/walk/3.csv: has no column \"y\""},
      {"ragged-folder/walk/3.csv", "x,y\n1,2\n1,2,3\n",
       "ragged-folder/walk/3.csv: line 3 has 3 cells but the lines above have 2"},
      {"ragged-folder/walk/3.csv", "x,y\n1,NA\n",
       "ragged-folder/walk/3.csv: line 2, column 2 (y): the value is missing (\"NA\")"},
  };
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
    write_text(mistakes[i].path, mistakes[i].text);
    assert_int_not_equal(cy_dataset_open("ragged-folder", (cy_dataset_options){0}, &d), CY_OK);
    assert_string_equal(cy_error_message(), mistakes[i].message);
    unlink(mistakes[i].path);
  }
  make_folder("ragged-folder/sit");
  assert_int_not_equal(cy_dataset_open("ragged-folder", (cy_dataset_options){0}, &d), CY_OK);
  assert_string_equal(cy_error_message(),
                      "ragged-folder/sit: holds no CSV file, so its class would never be seen; add some, or take the folder "
                      "away (folders whose names begin with a dot are left out)");
  rmdir("ragged-folder/sit");
  unlink("ragged-folder/walk/1.csv");
  unlink("ragged-folder/walk/2.csv");
  unlink("ragged-folder/run/1.csv");
  rmdir("ragged-folder/walk");
  rmdir("ragged-folder/run");
  rmdir("ragged-folder");
}

static cy_status save_arrays(const cy_tensor *x, const cy_tensor *y, const cy_tensor *lengths) {
  const char *names[] = {"x", "lengths", "y"};
  const cy_tensor *arrays[] = {x, lengths, y};
  return cy_npz_save(names, arrays, y ? 3 : 2, true, "ragged-test.npz");
}

/* x, lengths, and y: a class for each sequence or for each step. */
static void arrays_with_lengths(void **state) {
  (void)state;
  cy_tensor *x, *y, *steps, *lengths;
  cy_dataset *d;
  assert_ok(cy_tensor_create(CY_F64, CY_SHAPE(3, 2, 4), &x));
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(3), &y));
  assert_ok(cy_tensor_create(CY_I32, CY_SHAPE(3, 4), &steps));
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(3), &lengths));
  for (int i = 0; i < 24; i++) cy_tensor_set(x, i, i);
  for (int i = 0; i < 12; i++) cy_tensor_set(steps, i, i % 4 < i / 4 + 1 ? i % 2 : -100); /* padding is not looked at */
  for (int i = 0; i < 3; i++) cy_tensor_set(y, i, i % 2);
  for (int i = 0; i < 3; i++) cy_tensor_set(lengths, i, i + 1);
  if (save_arrays(x, y, lengths) == CY_UNSUPPORTED) skip();
  assert_ok(cy_dataset_open("./ragged-test.npz", (cy_dataset_options){.buckets = 2}, &d));
  assert_true(cy_dataset_is_ragged(d) && !cy_dataset_each_step(d));
  assert_int_equal(cy_dataset_steps(d, 1), 2);
  assert_int_equal(cy_dataset_classes(d), 2);
  assert_near("padding", cy_tensor_at(cy_dataset_inputs(d), 1), 0, 0);
  assert_near("value", cy_tensor_at(cy_dataset_inputs(d), 9), 9, 0);
  int64_t buckets[CY_MAX_BUCKETS];
  assert_int_equal(cy_dataset_buckets(d, buckets), 2);
  assert_int_equal(buckets[1], 3); /* the longest sequence, though there is room for more */
  cy_dataset_free(d);
  assert_ok(save_arrays(x, steps, lengths));
  assert_ok(cy_dataset_open("./ragged-test.npz", (cy_dataset_options){0}, &d));
  assert_true(cy_dataset_each_step(d));
  assert_int_equal(cy_dataset_classes(d), 2);
  cy_dataset_free(d);
  assert_ok(save_arrays(x, y, lengths));
  assert_int_equal(cy_dataset_open("./ragged-test.npz", (cy_dataset_options){.each_step = true}, &d), CY_INVALID);
  assert_ok(save_arrays(x, NULL, lengths));
  assert_ok(cy_dataset_open("./ragged-test.npz", (cy_dataset_options){.sequence = "", .target = "input"}, &d));
  assert_true(cy_dataset_is_ragged(d) && cy_dataset_reconstructs(d));
  cy_dataset_free(d);
  static const struct {
    double length;
    const char *message;
  } mistakes[] = {{0, "./ragged-test.npz: the length of sample 2 is 0: no number of steps"},
                  {2.5, "./ragged-test.npz: the length of sample 2 is 2.5: no number of steps"},
                  {5, "ragged-test: sequence 2 has 5 steps; they have 1 to 4"}};
  cy_tensor *odd;
  assert_ok(cy_tensor_create(CY_F64, CY_SHAPE(3), &odd));
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
    for (int k = 0; k < 3; k++) cy_tensor_set(odd, k, k < 2 ? 1 : mistakes[i].length);
    assert_ok(save_arrays(x, y, odd));
    assert_int_equal(cy_dataset_open("./ragged-test.npz", (cy_dataset_options){0}, &d), CY_INVALID);
    assert_string_equal(cy_error_message(), mistakes[i].message);
  }
  assert_ok(save_arrays(x, y, steps));
  assert_int_equal(cy_dataset_open("./ragged-test.npz", (cy_dataset_options){0}, &d), CY_INVALID);
  assert_string_equal(cy_error_message(), "./ragged-test.npz: lengths must be [3], one for each sample, not 3x4");
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_tensor_free(steps);
  cy_tensor_free(lengths);
  cy_tensor_free(odd);
  unlink("ragged-test.npz");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(padding_changes_nothing),
      cmocka_unit_test(batch_norm_counts_steps_before_the_ends),
      cmocka_unit_test(others_are_refused_by_name),
      cmocka_unit_test(every_layer_has_a_rule),
      cmocka_unit_test(buckets_pad_the_least),
      cmocka_unit_test(scaling_and_batches_know_the_ends),
      cmocka_unit_test(batches_hold_like_lengths),
      cmocka_unit_test(noise_stops_at_the_ends),
      cmocka_unit_test(training_resumes_to_the_same_bits),
      cmocka_unit_test(results_are_those_of_sequences_alone),
      cmocka_unit_test(labels_of_each_step),
      cmocka_unit_test(too_short_sequences_are_named),
      cmocka_unit_test(tables_become_sequences),
      cmocka_unit_test(mistakes_in_tables),
      cmocka_unit_test(folders_of_files_by_class),
      cmocka_unit_test(arrays_with_lengths),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
