#include "recurrent.h"

static void tanh_cell(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context, (void)outputs;
  cy_value bias = cy_broadcast(s->constants[2], cy_value_shape(s->carry[0]));
  cy_value a = cy_add(cy_matmul(s->inputs[0], s->constants[0]), bias);
  next[0] = cy_tanh(cy_add(a, cy_matmul(s->carry[0], s->constants[1])));
}

static void lstm_cell(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  (void)context, (void)outputs;
  cy_value h = cy_matmul(s->carry[0], s->constants[1]), gate[4];
  cy_shape shape = cy_value_shape(h);
  cy_value a = cy_add(cy_matmul(s->inputs[0], s->constants[0]), cy_broadcast(s->constants[2], shape));
  a = cy_add(a, h);
  for (int i = 0; i < 4; i++) gate[i] = cy_slice_axis(a, 1, i * shape.dim[1] / 4, (i + 1) * shape.dim[1] / 4);
  next[1] = cy_add(cy_mul(cy_logistic(gate[1]), s->carry[1]), cy_mul(cy_logistic(gate[0]), cy_tanh(gate[2])));
  next[0] = cy_mul(cy_logistic(gate[3]), cy_tanh(next[1]));
}

cy_value bench_recurrent_apply(const bench_recurrent *about, cy_network *network, cy_value x, int classes) {
  cy_graph *graph = cy_network_graph(network);
  const int64_t batch = cy_value_shape(x).dim[1], width = about->gates * about->units;
  const cy_initializer none = {0};
  cy_network_open(network, "recurrent", "recurrent", x);
  cy_value w = cy_network_parameter(network, "weight_ih", CY_SHAPE(about->inputs, width), none, true);
  cy_value u = cy_network_parameter(network, "weight_hh", CY_SHAPE(about->units, width), none, true);
  cy_value b = cy_network_parameter(network, "bias_ih", CY_SHAPE(width), none, true);
  b = cy_add(b, cy_network_parameter(network, "bias_hh", CY_SHAPE(width), none, true));
  cy_value zeros = cy_full(graph, CY_F32, CY_SHAPE(batch, about->units), 0), last[2];
  cy_scan_values values = {.n_constants = 3, .n_carry = about->gates == 1 ? 1 : 2, .n_inputs = 1,
                           .constants = (cy_value[]){w, u, b}, .carry = (cy_value[]){zeros, zeros}, .inputs = &x,
                           .last = last};
  cy_scan(graph, about->gates == 1 ? tanh_cell : lstm_cell, NULL, values, (cy_scan_options){0});
  cy_value h = cy_network_close(network, last[0]);
  return cy_dense(network, h, (cy_dense_options){.units = classes});
}

int bench_recurrent_products(const bench_recurrent *about, int64_t batch, int classes, bench_product *products) {
  const double rows = (double)batch * (double)about->steps, width = (double)about->gates * (double)about->units;
  const double inputs = (double)about->inputs, units = (double)about->units, examples = (double)batch;
  products[0] = (bench_product){rows * inputs, inputs * width, rows * width, rows * inputs * width};
  products[1] = (bench_product){rows * units, units * width, rows * width, rows * units * width};
  products[2] = (bench_product){examples * units, units * classes, examples * classes, examples * units * classes};
  return 3;
}
