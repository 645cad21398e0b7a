/* Layers on sequences. Recurrent layers against the same cells written out step by step, gate by gate (values,
 * gradients, products with the Hessian), against numbers of PyTorch 1.13 in f64, and against the Jacobian Diag(f') U
 * of coursework C.II; sequences of different lengths; state carried from run to run; embedding, attention, positions,
 * causal convolution. */
#include "graph/graph.h"
#include "nn/cells.h"

#include "network_lab.h"

#include <cauchy/scan.h>

/* ---- a recurrent layer written out ---- */

typedef struct cell {
  cy_cell_kind kind;
  cy_rnn_activation activation;
} cell;

enum { MOST_STEPS = 100 };

/* Columns of the gate in W, U or b. */
static cy_value columns(cy_value v, int64_t units, int gate) {
  int axis = cy_value_shape(v).rank - 1;
  return cy_slice_axis(v, axis, gate * units, (gate + 1) * units);
}

/* x W_g + h U_g + b_g. */
static cy_value gate(const cy_value *w, int g, cy_value x, cy_value h) {
  int64_t units = cy_value_shape(h).dim[1];
  cy_value in = cy_matmul(x, columns(w[0], units, g)), back = cy_matmul(h, columns(w[1], units, g));
  cy_value sum = cy_add(in, back);
  return cy_add(sum, columns(w[2], units, g));
}

static void written_step(cell cell, const cy_value *w, cy_value x, cy_value *h, cy_value *c) {
  if (cell.kind == CY_CELL_RNN) {
    cy_value sum = gate(w, 0, x, *h);
    *h = cell.activation == CY_RNN_RELU      ? cy_relu(sum)
         : cell.activation == CY_RNN_SIGMOID ? cy_logistic(sum)
                                             : cy_tanh(sum);
  } else if (cell.kind == CY_CELL_LSTM) {
    cy_value i = cy_logistic(gate(w, 0, x, *h)), f = cy_logistic(gate(w, 1, x, *h)), g = cy_tanh(gate(w, 2, x, *h)),
             o = cy_logistic(gate(w, 3, x, *h));
    cy_value kept = cy_mul(f, *c);
    *c = cy_add(kept, cy_mul(i, g));
    *h = cy_mul(o, cy_tanh(*c));
  } else {
    int64_t units = cy_value_shape(*h).dim[1];
    cy_value r = cy_logistic(gate(w, 0, x, *h)), z = cy_logistic(gate(w, 1, x, *h));
    cy_value inner = cy_add(cy_matmul(*h, columns(w[1], units, 2)), w[3]);
    cy_value in = cy_add(cy_matmul(x, columns(w[0], units, 2)), columns(w[2], units, 2));
    cy_value n = cy_tanh(cy_add(in, cy_mul(r, inner)));
    cy_value fresh = cy_mul(cy_rsub_scalar(1, z), n);
    *h = cy_add(fresh, cy_mul(z, *h));
  }
}

/* The layer on x [N, C, T]: y [N, H, T], zero after the ends, and the last state [N, H]. */
static cy_value written_out(cell cell, const cy_value *w, cy_value x, cy_value lengths, bool reverse, cy_value *last) {
  cy_shape shape = cy_value_shape(x);
  int64_t n = shape.dim[0], steps = shape.dim[2], units = cy_value_shape(w[1]).dim[0];
  cy_value h = cy_full(x.graph, cy_value_dtype(x), CY_SHAPE(n, units), 0), c = h, all[MOST_STEPS], zero = h;
  for (int64_t s = 0; s < steps; s++) {
    int64_t t = reverse ? steps - 1 - s : s;
    cy_value old_h = h, old_c = c, y;
    cy_value xt = cy_reshape(cy_slice_axis(x, 2, t, t + 1), CY_SHAPE(n, shape.dim[1]));
    written_step(cell, w, xt, &h, &c);
    y = h;
    if (cy_is_value(lengths)) {
      cy_value at = cy_full(x.graph, cy_value_dtype(lengths), CY_SHAPE(n), (double)t);
      cy_value inside = cy_broadcast(cy_reshape(cy_lt(at, lengths), CY_SHAPE(n, 1)), CY_SHAPE(n, units));
      h = cy_select(inside, h, old_h);
      c = cy_select(inside, c, old_c);
      y = cy_select(inside, h, zero);
    }
    all[t] = cy_reshape(y, CY_SHAPE(n, units, 1));
  }
  *last = h;
  return cy_concat(all, (int)steps, 2);
}

/* ---- layer and written-out cells agree ---- */

typedef struct trial {
  cell cell;
  const char *text;
  bool reverse, ragged;
  int64_t batch, channels, steps;
} trial;

static const char *const weight_names[] = {"weight", "recurrent", "bias", "recurrent_bias"};

static int find_weights(const cy_network *net, const char *prefix, cy_value *weights) {
  int n = 0;
  char name[64];
  for (int w = 0; w < 4; w++) {
    snprintf(name, sizeof name, "a.%s%s", prefix, weight_names[w]);
    for (int i = 0; i < cy_network_variable_count(net); i++)
      if (strcmp(cy_network_variable_at(net, i)->name, name) == 0) weights[n++] = cy_network_variable_at(net, i)->value;
  }
  return n;
}

enum { WANTED = 6, SIDE = 2 + 2 * WANTED }; /* y, last; gradients, products */

/* y, last, the gradients of a function of both, and products of its Hessian with v. */
static void derive_side(cy_value y, cy_value last, const cy_value *wanted, const cy_value *v, int n, cy_value *out) {
  cy_value bent = cy_add(cy_sin(y), cy_square(y)), loss = mix(bent);
  loss = cy_add(loss, mix(cy_square(last)));
  out[0] = y;
  out[1] = last;
  assert_ok(cy_grad(loss, wanted, n, out + 2));
  assert_ok(cy_hvp(loss, wanted, v, n, out + 2 + n));
}

static void assert_same(const trial *t, const char *what, const cy_tensor *got, const cy_tensor *want) {
  double apart = 0, size = 0;
  for (int64_t i = 0; i < cy_tensor_count(want); i++) {
    apart = fmax(apart, fabs(cy_tensor_at(got, i) - cy_tensor_at(want, i)));
    size = fmax(size, fabs(cy_tensor_at(want, i)));
  }
  if (!(apart <= 1e-12 * fmax(1, size)))
    fail_msg("%s, T = %lld%s: %s differ by %.3g of %.3g", t->text, (long long)t->steps, t->ragged ? ", ragged" : "",
             what, apart, size);
}

static void fill_state(cy_state *state) {
  for (int i = 0; i < cy_state_count(state); i++)
    if (cy_state_role(state, i) == CY_PARAMETER) fill_random(cy_state_tensor(state, i), 100 + (uint64_t)i, 0.5);
}

static void compare(const trial *t) {
  lab l = lab_open(false, CY_F64, CY_SHAPE(t->batch, t->channels, t->steps));
  cy_value lengths = cy_none, wanted[WANTED], v[WANTED], outputs[2 * SIDE], last;
  cy_tensor *directions[WANTED], *ends = NULL;
  static const char *const names[WANTED] = {"v0", "v1", "v2", "v3", "v4", "v5"};
  char text[128];
  if (t->ragged) lengths = cy_input(l.graph, "lengths", CY_I64, CY_SHAPE(t->batch));
  if (t->ragged) cy_network_set_lengths(l.net, l.x, lengths);
  snprintf(text, sizeof text, "%s, name=a)", t->text);
  cy_value y = apply_text(l.net, l.x, text);
  snprintf(text, sizeof text, "%s, last, name=a)", t->text);
  cy_value end = apply_text(l.net, l.x, text);
  assert_ok(cy_graph_status(l.graph));
  int n = find_weights(l.net, "", wanted);
  assert_int_equal(n, cy_cell_rows[t->cell.kind].n_weights);
  wanted[n++] = l.x;
  for (int i = 0; i < n; i++) v[i] = cy_input(l.graph, names[i], CY_F64, cy_value_shape(wanted[i]));
  derive_side(y, end, wanted, v, n, outputs);
  int side = 2 + 2 * n;
  y = written_out(t->cell, wanted, l.x, lengths, t->reverse, &last);
  derive_side(y, last, wanted, v, n, outputs + side);
  fill_random(l.input, 1, 1);
  lab_compile(&l, outputs, 2 * side, false);
  fill_state(l.state);
  for (int i = 0; i < n; i++) {
    assert_ok(cy_tensor_create(CY_F64, cy_value_shape(wanted[i]), &directions[i]));
    fill_random(directions[i], 50 + (uint64_t)i, 1);
    assert_ok(cy_session_bind(l.session, names[i], directions[i]));
  }
  if (t->ragged) {
    assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(t->batch), &ends));
    for (int64_t i = 0; i < t->batch; i++)
      cy_tensor_set(ends, i, (double)(i == 0 ? t->steps : i == 1 ? 0 : (7 * i) % t->steps + 1));
    assert_ok(cy_session_bind(l.session, "lengths", ends));
  }
  assert_ok(cy_session_run(l.session));
  for (int i = 0; i < side; i++)
    assert_same(t,
                i == 0      ? "values"
                : i == 1    ? "last states"
                : i < 2 + n ? "gradients"
                            : "products with the Hessian",
                cy_session_output(l.session, i), cy_session_output(l.session, side + i));
  for (int i = 0; i < n; i++) cy_tensor_free(directions[i]);
  cy_tensor_free(ends);
  lab_close(&l);
}

static void layers_are_their_cells_step_by_step(void **state) {
  (void)state;
  static const struct {
    cell cell;
    const char *text;
    bool reverse;
  } kinds[] = {
      {{CY_CELL_RNN, CY_RNN_TANH}, "rnn(4", false},           {{CY_CELL_RNN, CY_RNN_SIGMOID}, "rnn(4, sigmoid", true},
      {{CY_CELL_RNN, CY_RNN_RELU}, "rnn(4, relu", false},     {{CY_CELL_LSTM, CY_RNN_TANH}, "lstm(4", false},
      {{CY_CELL_LSTM, CY_RNN_TANH}, "lstm(3, reverse", true}, {{CY_CELL_GRU, CY_RNN_TANH}, "gru(4", false}};
  static const int64_t steps[] = {1, 2, 7, 100};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (int s = 0; s < 8; s++) {
      trial t = {.cell = kinds[k].cell,
                 .text = kinds[k].text,
                 .reverse = kinds[k].reverse,
                 .ragged = s >= 4,
                 .batch = s == 3 ? 1 : 3,
                 .channels = 2,
                 .steps = steps[s % 4]};
      if (t.reverse && t.cell.kind == CY_CELL_RNN) t.text = "rnn(4, sigmoid, reverse";
      if (t.steps == 100 && k > 0 && k != 3) continue; /* written out it is large */
      compare(&t);
    }
}

static void recomputing_gives_the_same(void **state) {
  (void)state;
  for (int ragged = 0; ragged < 2; ragged++) {
    compare(&(trial){{CY_CELL_LSTM, CY_RNN_TANH}, "lstm(3, recompute=3", false, ragged, 3, 2, 7});
    compare(&(trial){{CY_CELL_GRU, CY_RNN_TANH}, "gru(3, reverse, recompute=2", true, ragged, 3, 2, 6});
    compare(&(trial){{CY_CELL_RNN, CY_RNN_TANH}, "rnn(3, recompute=10", false, ragged, 2, 2, 7});
  }
}

/* ---- PyTorch ---- */

static void fill_sines(cy_tensor *tensor, double start, double scale) {
  for (int64_t k = 0; k < cy_tensor_count(tensor); k++) cy_tensor_set(tensor, k, scale * sin(start + 0.7 * (double)k));
}

static double mixed(const cy_tensor *t, double start) {
  double sum = 0;
  for (int64_t i = 0; i < cy_tensor_count(t); i++) sum += cy_tensor_at(t, i) * cos(start + (double)i);
  return sum;
}

static cy_value mixed_value(cy_value y, double start) {
  int64_t n;
  assert_ok(cy_shape_count(cy_value_shape(y), &n));
  cy_value flat = cy_reshape(y, CY_SHAPE(n));
  cy_value weights = cy_cos(cy_add_scalar(cy_iota(y.graph, cy_value_dtype(y), CY_SHAPE(n), 0), start));
  return cy_sum(cy_mul(flat, weights), NULL, 0, false);
}

/* Mixtures of the loss (outputs and last state), and of its gradients by x, weight and recurrent. */
typedef struct torch_row {
  const char *text;
  double loss, by_x, by_weight, by_recurrent;
} torch_row;

static void check_torch(const torch_row *row, bool ragged) {
  lab l = lab_open(false, CY_F64, CY_SHAPE(2, 2, 5));
  char text[128];
  cy_tensor *ends;
  cy_value lengths = cy_input(l.graph, "lengths", CY_I32, CY_SHAPE(2)), outputs[4], wanted[9];
  assert_ok(cy_tensor_create(CY_I32, CY_SHAPE(2), &ends));
  cy_tensor_set(ends, 0, 2);
  cy_tensor_set(ends, 1, 5);
  if (ragged) cy_network_set_lengths(l.net, l.x, lengths);
  snprintf(text, sizeof text, "%s, name=a)", row->text);
  cy_value y = apply_text(l.net, l.x, text);
  snprintf(text, sizeof text, "%s, last, name=a)", row->text);
  cy_value loss = mixed_value(y, 1), last = apply_text(l.net, l.x, text);
  outputs[0] = cy_add(loss, mixed_value(last, 3));
  find_weights(l.net, "", wanted + 1);
  wanted[0] = l.x;
  assert_ok(cy_grad(outputs[0], wanted, 3, outputs + 1));
  fill_sines(l.input, 20, 1);
  lab_compile(&l, outputs, 4, false);
  for (int i = 0; i < cy_state_count(l.state); i++) fill_sines(cy_state_tensor(l.state, i), 1 + i, 0.5);
  if (ragged) assert_ok(cy_session_bind(l.session, "lengths", ends));
  assert_near(row->text, cy_tensor_at(lab_run(&l, 0), 0), row->loss, 1e-12);
  assert_near(row->text, mixed(cy_session_output(l.session, 1), 2), row->by_x, 1e-12);
  assert_near(row->text, mixed(cy_session_output(l.session, 2), 4), row->by_weight, 1e-12);
  assert_near(row->text, mixed(cy_session_output(l.session, 3), 5), row->by_recurrent, 1e-12);
  cy_tensor_free(ends);
  lab_close(&l);
}

/* torch.nn.RNN, LSTM, GRU with transposed weights, bias_hh 0 (GRU: but for the candidate's). */
static void recurrent_layers_agree_with_pytorch(void **state) {
  (void)state;
  static const torch_row whole[] = {
      {"rnn(3", 1.6773493973886793, -2.2141756725831581, 10.70911379500607, 0.50616634688390905},
      {"rnn(3, relu", 0.0011131210860833574, -1.2538703602483263, 7.047741837145705, 0.080063506714494415},
      {"lstm(3", 0.36005411428152667, 0.20205571955812307, 0.46584775195775013, 0.0023391421768405307},
      {"gru(3", -0.14909137490094851, -0.1716822313322745, 6.3844979229897909, -0.042488026827821705},
      {"lstm(3, layers=2", 0.46661692506962982, -0.09960168340073447, 0.019281075179452756, -0.022126697385881057},
      {"gru(3, bidirectional", -0.012730555486130446, -5.8195275710571668, -6.3628993948993173, 0.37246709046824655},
      {"lstm(3, layers=2, bidirectional", -0.24618469110039598, -0.029885987959197252, -0.068833538637517649,
       0.0049211002111201841}};
  static const torch_row ragged[] = {
      {"rnn(3", 0.028834684878779271, -1.4365084451431236, 9.6925810917846178, 0.30438026997937079},
      {"lstm(3", 0.90742659258857905, 0.033328259187523926, 0.094917673644951545, -0.0063055876955755985},
      {"gru(3, bidirectional", 0.61324923556827038, -4.4665034032045812, -5.1761334914903703, 0.20747115137145172},
      {"lstm(3, layers=2, bidirectional", -0.20223128839614546, -0.032521580085812768, -0.017881554395949684,
       0.0048660185690561821}};
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) check_torch(&whole[i], false);
  for (size_t i = 0; i < sizeof ragged / sizeof *ragged; i++) check_torch(&ragged[i], true);
}

/* torch.nn.MultiheadAttention, batch first; the fourth number is by the output projection. */
static void attention_agrees_with_pytorch(void **state) {
  (void)state;
  static const torch_row rows[] = {
      {"attention(name=a)", 0.52726528397576056, 0.20606930284024411, -0.8036442815583541, 0.080813220582305195},
      {"attention(2, name=a)", 0.38517753837905655, -0.3055547591560715, -0.59074058953649433, -1.6742131888023137},
      {"attention(heads=2, causal, name=a)", 1.1422331338212826, 0.66917945971561754, -0.60952051561421172,
       -0.56981114148206691}};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    lab l = lab_open(false, CY_F64, CY_SHAPE(2, 4, 5));
    cy_value outputs[4], wanted[3] = {l.x};
    outputs[0] = mixed_value(apply_text(l.net, l.x, rows[r].text), 1);
    for (int i = 0; i < cy_network_variable_count(l.net); i++) {
      const cy_network_variable *v = cy_network_variable_at(l.net, i);
      if (strcmp(v->name, "a.weight") == 0) wanted[1] = v->value;
      if (strcmp(v->name, "a.output") == 0) wanted[2] = v->value;
    }
    assert_ok(cy_grad(outputs[0], wanted, 3, outputs + 1));
    fill_sines(l.input, 20, 1);
    lab_compile(&l, outputs, 4, false);
    static const char *const names[] = {"a.weight", "a.bias", "a.output", "a.output_bias"};
    for (int i = 0; i < 4; i++) fill_sines(cy_state_find(l.state, names[i]), 1 + i, 0.5);
    assert_near(rows[r].text, cy_tensor_at(lab_run(&l, 0), 0), rows[r].loss, 1e-12);
    assert_near(rows[r].text, mixed(cy_session_output(l.session, 1), 2), rows[r].by_x, 1e-12);
    assert_near(rows[r].text, mixed(cy_session_output(l.session, 2), 4), rows[r].by_weight, 1e-12);
    assert_near(rows[r].text, mixed(cy_session_output(l.session, 3), 5), rows[r].by_recurrent, 1e-12);
    lab_close(&l);
  }
}

/* torch.nn.functional.pad(x, (4, 0)), then Conv1d(2, 3, 3, dilation=2). */
static void causal_convolutions_agree_with_pytorch(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(2, 2, 7));
  cy_value outputs[3], wanted[2] = {l.x}, y = apply_text(l.net, l.x, "conv(3, 3, pad=causal, dilation=2, name=a)");
  assert_true(cy_shape_equal(cy_value_shape(y), CY_SHAPE(2, 3, 7)));
  outputs[0] = mixed_value(y, 1);
  wanted[1] = cy_network_parameters(l.net, &(int){0})[0];
  assert_ok(cy_grad(outputs[0], wanted, 2, outputs + 1));
  fill_sines(l.input, 20, 1);
  lab_compile(&l, outputs, 3, false);
  fill_sines(cy_state_find(l.state, "a.weight"), 1, 0.5);
  fill_sines(cy_state_find(l.state, "a.bias"), 2, 0.5);
  assert_near("loss", cy_tensor_at(lab_run(&l, 0), 0), 1.0755981162001227, 1e-13);
  assert_near("by x", mixed(cy_session_output(l.session, 1), 2), 3.7685837354957434, 1e-13);
  assert_near("by weight", mixed(cy_session_output(l.session, 2), 4), -0.701237053544558, 1e-13);
  lab_close(&l);
}

/* ---- C.II ---- */

static double activation_slope(cy_rnn_activation activation, double h) {
  return activation == CY_RNN_SIGMOID ? h * (1 - h) : activation == CY_RNN_RELU ? (h > 0 ? 1 : 0) : 1 - h * h;
}

/* dh_t / dh_k is the product of the Jacobians of the steps between, each Diag(f') U' (the state is a row here, W of the
 * course is U'). Seen through the input: dh_T / dx_k = (product) Diag(f'_k) W'. */
static void jacobians_are_products_of_diagonals_and_weights(void **state) {
  (void)state;
  enum { C = 2, H = 3, T = 4 };
  static const char *const texts[] = {"rnn(3, last, name=a)", "rnn(3, sigmoid, last, name=a)",
                                      "rnn(3, relu, last, name=a)"};
  for (int activation = 0; activation < 3; activation++) {
    lab l = lab_open(false, CY_F64, CY_SHAPE(1, C, T));
    char text[64];
    snprintf(text, sizeof text,
             activation == 1   ? "rnn(3, sigmoid, name=a)"
             : activation == 2 ? "rnn(3, relu, name=a)"
                               : "rnn(3, name=a)");
    cy_value outputs[2] = {apply_text(l.net, l.x, text)}, last = apply_text(l.net, l.x, texts[activation]);
    assert_ok(cy_jacobian(last, l.x, &outputs[1]));
    fill_random(l.input, 3, 1);
    lab_compile(&l, outputs, 2, false);
    fill_state(l.state);
    const cy_tensor *h = lab_run(&l, 0), *j = cy_session_output(l.session, 1), *w = cy_state_find(l.state, "a.weight"),
                    *u = cy_state_find(l.state, "a.recurrent");
    for (int k = 0; k < T; k++) { /* product [H][C], built from step k on */
      double p[H][C], q[H][C];
      for (int i = 0; i < H; i++)
        for (int c = 0; c < C; c++)
          p[i][c] =
              activation_slope((cy_rnn_activation)activation, cy_tensor_at(h, i * T + k)) * cy_tensor_at(w, c * H + i);
      for (int t = k + 1; t < T; t++) {
        for (int i = 0; i < H; i++)
          for (int c = 0; c < C; c++) {
            q[i][c] = 0;
            for (int m = 0; m < H; m++) q[i][c] += cy_tensor_at(u, m * H + i) * p[m][c];
            q[i][c] *= activation_slope((cy_rnn_activation)activation, cy_tensor_at(h, i * T + t));
          }
        memcpy(p, q, sizeof p);
      }
      for (int i = 0; i < H; i++)
        for (int c = 0; c < C; c++) assert_near("dh_T / dx_k", cy_tensor_at(j, (i * C + c) * T + k), p[i][c], 1e-14);
    }
    lab_close(&l);
  }
}

/* ---- initial values ---- */

static void gates_are_orthogonal_and_forget_gates_open(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(1, 3, 2));
  cy_value y = apply_text(l.net, l.x, "lstm(5, name=a) -> gru(4, name=b) -> lstm(2, forget_bias=0, name=c)");
  lab_compile(&l, &y, 1, false);
  const cy_tensor *u = cy_state_find(l.state, "a.recurrent"), *bias = cy_state_find(l.state, "a.bias"),
                  *none = cy_state_find(l.state, "c.bias"), *w = cy_state_find(l.state, "a.weight");
  assert_true(cy_shape_equal(cy_tensor_shape(u), CY_SHAPE(5, 20)));
  for (int g = 0; g < 4; g++)
    for (int i = 0; i < 5; i++)
      for (int k = 0; k < 5; k++) {
        double sum = 0;
        for (int j = 0; j < 5; j++) sum += cy_tensor_at(u, i * 20 + g * 5 + j) * cy_tensor_at(u, k * 20 + g * 5 + j);
        assert_near("orthogonal", sum, i == k, 1e-14);
      }
  for (int i = 0; i < 20; i++) assert_near("bias", cy_tensor_at(bias, i), i / 5 == 1, 0);
  for (int i = 0; i < 8; i++) assert_near("bias", cy_tensor_at(none, i), 0, 0);
  for (int i = 0; i < 60; i++) assert_true(fabs(cy_tensor_at(w, i)) <= sqrt(6.0 / 8)); /* glorot of one gate */
  lab_close(&l);
}

/* ---- state from run to run ---- */

/* Two runs of three steps are one of six, and the second begins with numbers: nothing is derived of the first. */
static void carried_state_goes_on(void **state) {
  (void)state;
  static const char *const texts[] = {"rnn(3, name=a)", "lstm(3, layers=2, name=a)", "gru(3, name=a)"};
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
    lab whole = lab_open(false, CY_F64, CY_SHAPE(2, 2, 6)), half = {0};
    cy_value y = apply_text(whole.net, whole.x, texts[k]);
    fill_random(whole.input, 1, 1);
    lab_compile(&whole, &y, 1, false);
    fill_state(whole.state);
    const cy_tensor *want = lab_run(&whole, 0);
    assert_ok(cy_graph_create(&half.graph));
    assert_ok(cy_network_create(half.graph, (cy_network_options){.dtype = CY_F64, .carry = true}, &half.net));
    half.x = cy_input(half.graph, "x", CY_F64, CY_SHAPE(2, 2, 3));
    assert_ok(cy_tensor_create(CY_F64, CY_SHAPE(2, 2, 3), &half.input));
    y = apply_text(half.net, half.x, texts[k]);
    lab_compile(&half, &y, 1, true);
    for (int i = 0; i < cy_state_count(half.state); i++)
      if (cy_state_role(half.state, i) == CY_PARAMETER)
        assert_ok(
            cy_tensor_copy(cy_state_find(whole.state, cy_state_name(half.state, i)), cy_state_tensor(half.state, i)));
    for (int part = 0; part < 2; part++) {
      for (int i = 0; i < 12; i++)
        cy_tensor_set(half.input, i, cy_tensor_at(whole.input, i / 3 * 6 + part * 3 + i % 3));
      const cy_tensor *got = lab_run(&half, 0);
      for (int i = 0; i < 18; i++)
        assert_near(texts[k], cy_tensor_at(got, i), cy_tensor_at(want, i / 3 * 6 + part * 3 + i % 3), 1e-14);
    }
    lab_close(&whole);
    lab_close(&half);
  }
}

/* ---- embedding, last, positions ---- */

static void embeddings_look_up(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(1, 1));
  cy_value tokens = cy_input(l.graph, "tokens", CY_I32, CY_SHAPE(2, 3)), outputs[3] = {cy_none, cy_none, l.x};
  cy_tensor *t;
  assert_ok(cy_tensor_create(CY_I32, CY_SHAPE(2, 3), &t));
  outputs[0] = cy_embedding(l.net, tokens, (cy_embedding_options){.name = "a", .vocabulary = 4, .size = 2});
  assert_ok(cy_graph_status(l.graph));
  cy_value weight = cy_network_parameters(l.net, &(int){0})[0];
  assert_ok(cy_grad(mixed_value(outputs[0], 1), &weight, 1, &outputs[1]));
  lab_compile(&l, outputs, 3, false);
  assert_ok(cy_session_bind(l.session, "tokens", t));
  static const int given[] = {3, 0, 3, 1, 0, 0};
  for (int i = 0; i < 6; i++) cy_tensor_set(t, i, given[i]);
  const cy_tensor *y = lab_run(&l, 0), *w = cy_state_find(l.state, "a.weight"), *g = cy_session_output(l.session, 1);
  double want[8] = {0};
  for (int n = 0; n < 2; n++)
    for (int c = 0; c < 2; c++)
      for (int s = 0; s < 3; s++) {
        assert_near("embedding", cy_tensor_at(y, (n * 2 + c) * 3 + s), cy_tensor_at(w, given[n * 3 + s] * 2 + c), 0);
        want[given[n * 3 + s] * 2 + c] += cos(1 + (n * 2 + c) * 3 + s);
      }
  for (int i = 0; i < 8; i++) assert_near("its gradient", cy_tensor_at(g, i), want[i], 1e-14);
  cy_tensor_set(t, 1, 4);
  cy_tensor_set(t, 5, -1);
  y = lab_run(&l, 0);
  assert_true(isnan(cy_tensor_at(y, 1)) && isnan(cy_tensor_at(y, 4)) && isnan(cy_tensor_at(y, 8)) &&
              isnan(cy_tensor_at(y, 11)));
  assert_true(isfinite(cy_tensor_at(y, 0)) && isfinite(cy_tensor_at(y, 7)));
  cy_tensor_free(t);
  lab_close(&l);
}

static void last_steps_and_ends(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(2, 3, 4));
  cy_value lengths = cy_input(l.graph, "lengths", CY_I64, CY_SHAPE(2)), outputs[2];
  cy_tensor *ends;
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(2), &ends));
  cy_tensor_set(ends, 0, 2);
  cy_tensor_set(ends, 1, 4);
  outputs[0] = apply_text(l.net, l.x, "last");
  cy_network_set_lengths(l.net, l.x, lengths);
  outputs[1] = apply_text(l.net, l.x, "last(name=b)");
  fill_random(l.input, 1, 1);
  lab_compile(&l, outputs, 2, false);
  assert_ok(cy_session_bind(l.session, "lengths", ends));
  const cy_tensor *whole = lab_run(&l, 0), *own = cy_session_output(l.session, 1);
  for (int i = 0; i < 6; i++) {
    assert_near("last", cy_tensor_at(whole, i), cy_tensor_at(l.input, i * 4 + 3), 0);
    assert_near("last", cy_tensor_at(own, i), cy_tensor_at(l.input, i * 4 + (i < 3 ? 1 : 3)), 0);
  }
  cy_tensor_free(ends);
  lab_close(&l);
}

static void positions_are_sines_or_trained(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(1, 4, 6));
  cy_value outputs[2] = {apply_text(l.net, l.x, "positions"),
                         apply_text(l.net, l.x, "positions(learned, length=9, name=b)")};
  lab_compile(&l, outputs, 2, false);
  const cy_tensor *y = lab_run(&l, 0), *z = cy_session_output(l.session, 1),
                  *table = cy_state_find(l.state, "b.positions");
  assert_true(cy_shape_equal(cy_tensor_shape(table), CY_SHAPE(4, 9)));
  for (int c = 0; c < 4; c++)
    for (int t = 0; t < 6; t++) {
      double angle = t / (c < 2 ? 1.0 : 100.0);
      assert_near("sinusoidal", cy_tensor_at(y, c * 6 + t), c % 2 ? cos(angle) : sin(angle), 1e-15);
      assert_near("learned", cy_tensor_at(z, c * 6 + t), cy_tensor_at(table, c * 9 + t), 0);
    }
  lab_close(&l);
}

/* What comes later, or after a sequence's end, changes nothing before it. */
static void causal_networks_do_not_look_ahead(void **state) {
  (void)state;
  static const char *const text =
      "positions -> 2 * (residual(layer_norm(axis=1) -> attention(heads=2, causal)) -> residual(layer_norm(axis=1) -> "
      "conv(8, 1) -> gelu -> conv(4, 1))) -> conv(4, 3, pad=causal, dilation=2) -> lstm(3)";
  lab l = lab_open(false, CY_F64, CY_SHAPE(2, 4, 8));
  cy_value y = apply_text(l.net, l.x, text);
  double before[2 * 3 * 8];
  fill_random(l.input, 1, 1);
  lab_compile(&l, &y, 1, false);
  const cy_tensor *out = lab_run(&l, 0);
  for (int i = 0; i < 48; i++) before[i] = cy_tensor_at(out, i);
  for (int i = 0; i < 64; i++)
    if (i % 8 >= 5) cy_tensor_set(l.input, i, 7);
  out = lab_run(&l, 0);
  for (int i = 0; i < 48; i++) {
    if (i % 8 < 5) assert_near("a step before", cy_tensor_at(out, i), before[i], 1e-13);
    else assert_true(fabs(cy_tensor_at(out, i) - before[i]) > 1e-6);
  }
  lab_close(&l);
}

static void attention_stops_at_the_ends(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(2, 4, 6));
  cy_value lengths = cy_input(l.graph, "lengths", CY_I64, CY_SHAPE(2));
  cy_tensor *ends;
  double before[48];
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(2), &ends));
  cy_tensor_set(ends, 0, 3);
  cy_network_set_lengths(l.net, l.x, lengths);
  cy_value y = apply_text(l.net, l.x, "attention(2)");
  fill_random(l.input, 1, 1);
  lab_compile(&l, &y, 1, false);
  assert_ok(cy_session_bind(l.session, "lengths", ends));
  const cy_tensor *out = lab_run(&l, 0);
  for (int i = 0; i < 48; i++) before[i] = cy_tensor_at(out, i);
  for (int i = 0; i < 24; i++)
    if (i % 6 >= 3) cy_tensor_set(l.input, i, 1e4);
  out = lab_run(&l, 0);
  for (int i = 0; i < 48; i++) {
    assert_near("attention", cy_tensor_at(out, i), before[i], 0);
    if (i >= 24 || i % 6 >= 3) assert_near("after the end", before[i], 0, 0);
  }
  cy_tensor_free(ends);
  lab_close(&l);
}

/* ---- mistakes ---- */

static void refuses(const char *text, cy_shape shape, const char *message) {
  lab l = lab_open(false, CY_F32, shape);
  cy_value y = apply_text(l.net, l.x, text);
  assert_false(cy_is_value(y));
  assert_string_equal(cy_graph_error(l.graph), message);
  lab_close(&l);
}

static void mistakes_name_the_layer(void **state) {
  (void)state;
  refuses("lstm(4)", CY_SHAPE(2, 5),
          "lstm \"lstm1\": expects sequences of channels x steps, such as 10x168, but receives 5");
  refuses(
      "conv(3, 3) -> rnn(4)", CY_SHAPE(2, 1, 8, 8),
      "rnn \"rnn1\": expects sequences of channels x steps, such as 10x168, but receives 3x6x6 (from conv \"conv1\")");
  refuses("gru(4, bidirectional, reverse)", CY_SHAPE(2, 3, 5),
          "gru \"gru1\": a bidirectional layer reads both ways: reverse has no meaning");
  refuses("attention(3)", CY_SHAPE(2, 4, 5),
          "attention \"attention1\": 3 heads do not divide 4 channels; give the size of a head");
  refuses("positions(learned, length=4)", CY_SHAPE(2, 3, 5),
          "positions \"positions1\": knows positions for 4 steps but receives 5");
  refuses("embedding(10, 4)", CY_SHAPE(2, 3, 5),
          "embedding \"embedding1\": expects one whole number per step, such as an example of 100, but receives 3x5");
  refuses("conv(2, 3, pad=causal)", CY_SHAPE(1, 1, 8, 8),
          "conv \"conv1\": padding causal is for sequences, but the input has 2 spatial axes");
  refuses("conv_transpose(2, 3, pad=causal)", CY_SHAPE(1, 1, 8),
          "conv_transpose \"conv_transpose1\": a transposed convolution has no causal padding");
  refuses("layer_norm(axis=3)", CY_SHAPE(2, 3, 5),
          "layer_norm \"layer_norm1\": axis 3 is not among axes 1 to 2 of its input");
  refuses("last", CY_SHAPE(2, 3),
          "last \"last1\": expects sequences of channels x steps, such as 10x168, but receives 3");
}

static void lengths_must_fit(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F32, CY_SHAPE(4, 3, 9));
  cy_value lengths = cy_input(l.graph, "lengths", CY_I64, CY_SHAPE(3));
  cy_lstm(l.net, l.x, (cy_recurrent_options){.units = 2, .lengths = lengths});
  assert_string_equal(cy_graph_error(l.graph),
                      "lstm \"lstm1\": lengths must be a whole number for each of 4 sequences, not i64 3");
  lab_close(&l);
  l = lab_open(false, CY_F32, CY_SHAPE(4, 3, 9));
  cy_network_set_lengths(l.net, l.x, cy_input(l.graph, "lengths", CY_I64, CY_SHAPE(4)));
  cy_value shorter = cy_conv(l.net, l.x, (cy_conv_options){.filters = 2, .kernel = {3}});
  cy_lstm(l.net, shorter, (cy_recurrent_options){.units = 2});
  assert_string_equal(cy_graph_error(l.graph),
                      "lstm \"lstm1\": the lengths are of sequences of 9 steps, but here are 7");
  lab_close(&l);
  cy_graph *graph;
  cy_network *net;
  assert_ok(cy_graph_create(&graph));
  assert_ok(cy_network_create(graph, (cy_network_options){.carry = true}, &net));
  cy_gru(net, cy_input(graph, "x", CY_F32, CY_SHAPE(1, 2, 3)),
         (cy_recurrent_options){.units = 2, .bidirectional = true});
  assert_string_equal(cy_graph_error(graph),
                      "gru \"gru1\": a layer that reads backwards can't go on where the last run ended");
  cy_network_free(net);
  cy_graph_free(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(layers_are_their_cells_step_by_step),
      cmocka_unit_test(recomputing_gives_the_same),
      cmocka_unit_test(recurrent_layers_agree_with_pytorch),
      cmocka_unit_test(attention_agrees_with_pytorch),
      cmocka_unit_test(causal_convolutions_agree_with_pytorch),
      cmocka_unit_test(jacobians_are_products_of_diagonals_and_weights),
      cmocka_unit_test(gates_are_orthogonal_and_forget_gates_open),
      cmocka_unit_test(carried_state_goes_on),
      cmocka_unit_test(embeddings_look_up),
      cmocka_unit_test(last_steps_and_ends),
      cmocka_unit_test(positions_are_sines_or_trained),
      cmocka_unit_test(causal_networks_do_not_look_ahead),
      cmocka_unit_test(attention_stops_at_the_ends),
      cmocka_unit_test(mistakes_name_the_layer),
      cmocka_unit_test(lengths_must_fit),
  };
  static const char *const backends[] = {"reference", "cpu"};
  int failed = 0;
  for (int i = 0; i < 2; i++) {
    backend = backends[i];
    failed += cmocka_run_group_tests_name(backend, tests, NULL, NULL);
  }
  return failed;
}
