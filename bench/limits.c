/* The machine's limits: oneDNN's matrix product and passes over memory, each at its best. */
#include "limits.h"

#include "cauchy_config.h"
#include "timing.h"

#include <stdlib.h>
#include <string.h>
#if CY_HAVE_ONEDNN
#include <dnnl.h>
#endif

enum { FLOAT = sizeof(float) };

#if CY_HAVE_ONEDNN
typedef struct shape {
  int64_t m, n, k;
} shape;

static const shape shapes[] = {
  {32, 128, 784},  {256, 128, 784},  {784, 128, 32},   {784, 128, 256}, {64, 512, 512},
  {512, 512, 64},  {256, 512, 512},  {512, 512, 256},  {512, 512, 512}, {1024, 1024, 1024},
};
enum { LARGEST = 1024 * 1024 };

/* Operations per second of the fastest block of one shape. */
static double matrix_rate(shape s, double seconds, const float *a, const float *b, float *c) {
  double flops = 2.0 * (double)s.m * (double)s.n * (double)s.k, best = 0;
  int repeats = (int)(2e8 / flops) + 1;
  for (double end = timing_now() + seconds; timing_now() < end;) {
    double start = timing_now();
    for (int i = 0; i < repeats; i++)
      if (dnnl_sgemm('N', 'N', s.m, s.n, s.k, 1, a, s.k, b, s.n, 0, c, s.n) != dnnl_success) return 0;
    double rate = repeats * flops / (timing_now() - start);
    if (rate > best) best = rate;
  }
  return best;
}

double limits_matrix_rate(int threads, double seconds) {
  timing_set_threads(threads);
  float *memory = aligned_alloc(64, 3 * LARGEST * FLOAT);
  if (!memory) return 0;
  for (int64_t i = 0; i < 3 * LARGEST; i++) memory[i] = 1.0f / (float)(1 + i % 1000);
  double best = 0;
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    double rate = matrix_rate(shapes[i], seconds, memory, memory + LARGEST, memory + 2 * LARGEST);
    if (rate > best) best = rate;
  }
  free(memory);
  return best;
}
#else
double limits_matrix_rate(int threads, double seconds) {
  (void)threads, (void)seconds;
  return 0;
}
#endif

/* Compiled for each vector width: the machine's, not the compiler's default, sets the limit. */
#if defined(__x86_64__) && defined(__GNUC__)
#define WIDEST __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define WIDEST
#endif

WIDEST static void triad(uint32_t *restrict memory, int64_t n) {
  float *restrict a = (float *)memory;
  const float *b = a + n / 3, *c = b + n / 3;
  for (int64_t i = 0; i < n / 3; i++) a[i] = b[i] + 0.5f * c[i];
}

/* As integers, whose sum may be reordered. The sum is stored so that it is computed. */
WIDEST static void read_all(uint32_t *restrict memory, int64_t n) {
  uint32_t sum0 = 0, sum1 = 0;
  for (int64_t i = 0; i < n / 2; i++) {
    sum0 += memory[i];
    sum1 += memory[n / 2 + i];
  }
  memory[0] = (sum0 ^ sum1) & 1;
}

/* Bytes per second of the fastest block; every thread has its own part of the memory. */
static double pass_rate(void (*pass)(uint32_t *restrict, int64_t), uint32_t *memory, int64_t n, int threads,
                        double seconds) {
  int repeats = (int)(1e7 / (double)n) + 1;
  double best = 0;
  for (double end = timing_now() + seconds; timing_now() < end;) {
    double start = timing_now();
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++)
      for (int i = 0; i < repeats; i++) pass(memory + t * (n / threads), n / threads);
    double rate = (double)n * FLOAT * repeats / (timing_now() - start);
    if (rate > best) best = rate;
  }
  return best;
}

double limits_bandwidth(int threads, size_t bytes, double seconds) {
  int64_t unit = 96 * threads, n = (int64_t)(bytes / FLOAT + (size_t)unit - 1) / unit * unit;
  uint32_t *memory = aligned_alloc(64, (size_t)n * FLOAT);
  if (!memory) return 0;
  memset(memory, 0, (size_t)n * FLOAT);
  double mixed = pass_rate(triad, memory, n, threads, seconds / 2);
  double reading = pass_rate(read_all, memory, n, threads, seconds / 2);
  free(memory);
  return mixed > reading ? mixed : reading;
}

/* How often the contraction of a layer is done, in units of the forward product: first layer, later layers. */
static const int products[][2] = {
  [BENCH_INFER] = {1, 1}, [BENCH_GRADIENT] = {2, 3}, [BENCH_HESSIAN_VECTOR] = {3, 8},
  [BENCH_SGD] = {2, 3},   [BENCH_MOMENTUM] = {2, 3}, [BENCH_ADAM] = {2, 3},
};

double limits_flops(const bench_prepared *prepared) {
  double flops = 0;
  int n;
  const bench_product *layers = bench_products(prepared, &n);
  for (int i = 0; i < n; i++) flops += products[bench_about(prepared)->kind][i > 0] * 2 * layers[i].multiplications;
  return flops;
}

double limits_bytes(const bench_prepared *prepared) {
  static const int update[] = {[BENCH_GRADIENT] = 1, [BENCH_HESSIAN_VECTOR] = 1, [BENCH_SGD] = 2, [BENCH_MOMENTUM] = 4,
                               [BENCH_ADAM] = 6};
  bench_kind kind = bench_about(prepared)->kind;
  double elements = update[kind] * (double)bench_parameters(prepared);
  int n;
  const bench_product *layers = bench_products(prepared, &n);
  for (int i = 0; i < n; i++) {
    int times = products[kind][i > 0];
    int by_weights = kind == BENCH_INFER ? 0 : kind == BENCH_HESSIAN_VECTOR ? (i > 0 ? 2 : 1) : 1;
    elements += times * (layers[i].in + layers[i].out) + (times - by_weights) * layers[i].weight;
  }
  return FLOAT * elements;
}

size_t limits_working_set(const bench_prepared *prepared) {
  static const int copies[] = {[BENCH_INFER] = 1, [BENCH_GRADIENT] = 2, [BENCH_HESSIAN_VECTOR] = 3,
                               [BENCH_SGD] = 1,   [BENCH_MOMENTUM] = 2, [BENCH_ADAM] = 3};
  const bench_case *about = bench_about(prepared);
  int n;
  double inputs = bench_products(prepared, &n)[0].in;
  return FLOAT * (size_t)(copies[about->kind] * bench_parameters(prepared) + about->network->batches * (int64_t)inputs);
}
