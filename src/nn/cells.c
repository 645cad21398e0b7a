/* One step of each recurrent layer. All gates of a step are one product with the state; the product with the input is
 * written beside it, where a loop finds that it does not depend on the state and computes it for all times at once. */
#include "nn/cells.h"

#include <cauchy/ops.h>

const cy_cell_row cy_cell_rows[] = {
    [CY_CELL_RNN] = {"rnn", 1, 1, 3}, [CY_CELL_LSTM] = {"lstm", 4, 2, 3}, [CY_CELL_GRU] = {"gru", 3, 1, 4}};

enum { WEIGHT, RECURRENT, BIAS, RESET_BIAS };

/* x W + b [N, gates H]. */
static cy_value of_input(const cy_value *weights, cy_value x) {
  return cy_add(cy_matmul(x, weights[WEIGHT]), weights[BIAS]);
}

/* The gate of this number: columns gate H .. (gate + 1) H. */
static cy_value gate_of(const cy_cell *cell, cy_value gates, int gate) {
  return cy_slice_axis(gates, 1, gate * cell->units, (gate + 1) * cell->units);
}

/* h' = f(x W + b + h U) (Elman 1990). */
static void rnn_step(const cy_cell *cell, const cy_value *weights, cy_value x, const cy_value *carry, cy_value *next) {
  cy_value input = of_input(weights, x);
  cy_value sum = cy_add(input, cy_matmul(carry[0], weights[RECURRENT]));
  next[0] = cell->activation == CY_RNN_SIGMOID ? cy_logistic(sum)
            : cell->activation == CY_RNN_RELU  ? cy_relu(sum)
                                               : cy_tanh(sum);
}

/* Gates i f g o (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000):
 * c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'). */
static void lstm_step(const cy_cell *cell, const cy_value *weights, cy_value x, const cy_value *carry, cy_value *next) {
  cy_value input = of_input(weights, x);
  cy_value gates = cy_add(input, cy_matmul(carry[0], weights[RECURRENT]));
  cy_value write = cy_logistic(gate_of(cell, gates, 0));
  cy_value keep = cy_logistic(gate_of(cell, gates, 1));
  cy_value candidate = cy_tanh(gate_of(cell, gates, 2));
  cy_value read = cy_logistic(gate_of(cell, gates, 3));
  cy_value kept = cy_mul(keep, carry[1]);
  next[1] = cy_add(kept, cy_mul(write, candidate));
  next[0] = cy_mul(read, cy_tanh(next[1]));
}

/* Gates r z n (Cho et al. 2014 in the form where the reset gate acts on the product, as cuDNN's and PyTorch's; ONNX:
 * linear_before_reset = 1): n = tanh(x Wn + bn + sigmoid(r) (h Un + c)), h' = n + sigmoid(z) (h - n). */
static void gru_step(const cy_cell *cell, const cy_value *weights, cy_value x, const cy_value *carry, cy_value *next) {
  cy_value input = of_input(weights, x), product = cy_matmul(carry[0], weights[RECURRENT]);
  cy_value reset = gate_of(cell, input, 0), update = gate_of(cell, input, 1), candidate = gate_of(cell, input, 2);
  reset = cy_logistic(cy_add(reset, gate_of(cell, product, 0)));
  update = cy_logistic(cy_add(update, gate_of(cell, product, 1)));
  cy_value recurrent = cy_add(gate_of(cell, product, 2), weights[RESET_BIAS]);
  candidate = cy_tanh(cy_add(candidate, cy_mul(reset, recurrent)));
  cy_value change = cy_sub(carry[0], candidate);
  next[0] = cy_add(candidate, cy_mul(update, change));
}

void cy_cell_step(const cy_cell *cell, const cy_value *weights, cy_value x, const cy_value *carry, cy_value *next) {
  switch (cell->kind) {
    case CY_CELL_LSTM: lstm_step(cell, weights, x, carry, next); break;
    case CY_CELL_GRU: gru_step(cell, weights, x, carry, next); break;
    default: rnn_step(cell, weights, x, carry, next);
  }
}
