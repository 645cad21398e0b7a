/* What this machine can do at best, measured in the same run, and what a case must do at least: a case's limit is the
 * larger of (its arithmetic / the best matrix-product rate) and (the bytes it must touch / the memory bandwidth at the
 * size of what it works on). A lower bound on the time, not a prediction: the two parts are taken to overlap wholly. */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include "cases.h"

/* Best rate of dnnl_sgemm, over square shapes and the shapes of the cases, in operations per second (a multiplication and
 * an addition are two). Repeats each shape for about `seconds`; the fastest block counts. 0 without oneDNN. */
double limits_matrix_rate(int threads, double seconds);
/* Best rate of passes over `bytes` of memory, in bytes per second: a[i] = b[i] + s c[i] over three arrays (three arrays a
 * pass), or reading alone, whichever is faster. */
double limits_bandwidth(int threads, size_t bytes, double seconds);

/* The contractions that cannot be avoided, counted by layer with c = 2 batch inputs outputs (convolutions: direct, a term for
 * every element of the kernel at every place): forward c; gradient by the weights c, by the layer's input c (not in the first
 * layer); Hessian-vector product 8 c (first layer 3 c): value, two tangents of it, backward, two tangents of that, two of the
 * weights' gradient. Elementwise work is not counted. For convolutions this is no strict bound: terms in the padding can be
 * left out, and Winograd's and Fourier's algorithms multiply less. */
double limits_flops(const bench_prepared *prepared);
/* Every operand and result of these contractions once, but no gradients of parameters that an update could use up as they
 * arise; parameters and slots read once more and written once by an update. */
double limits_bytes(const bench_prepared *prepared);
/* Parameters, slots, directions, results and all batches: what lies in the cache or does not. */
size_t limits_working_set(const bench_prepared *prepared);

#endif
