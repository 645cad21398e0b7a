/* Recurrent networks for the benchmark, built by cy_scan: a layer over a sequence [T, N, C], and a dense one that
 * reads its last state. Parameters as in PyTorch: weight_ih, weight_hh, bias_ih, bias_hh, of all gates side by side. */
#ifndef BENCH_RECURRENT_H
#define BENCH_RECURRENT_H

#include "cases.h"

struct bench_recurrent {
  int gates; /* 1: tanh(x W + h U + b); 4: input, forget, cell and output gate of an LSTM */
  int64_t steps, inputs, units;
};

/* The logits [N, classes] of x [T, N, C]. */
cy_value bench_recurrent_apply(const bench_recurrent *about, cy_network *network, cy_value x, int classes);
/* Its three contractions. */
int bench_recurrent_products(const bench_recurrent *about, int64_t batch, int classes, bench_product *products);

#endif
