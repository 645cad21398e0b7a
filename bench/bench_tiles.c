/* The tile interpreter beside hand-fused C loops (compiled for this machine) on the groups that training is made of:
 * activations, optimiser updates, softmax with cross-entropy. Prints medians, the ratio, and bytes per second against a copy. */
#include "backend/cpu/tiles.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NATIVE                                                                                  \
  __attribute__((optimize("O3", "fp-contract=fast", "no-math-errno", "no-trapping-math"),       \
                 target("avx512f,avx512vl,avx512dq,avx512bw,fma,prefer-vector-width=512")))
#if !defined(__x86_64__) || defined(__clang__)
#undef NATIVE
#define NATIVE
#endif
#define SIMD _Pragma("omp simd")

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
/* Nanoseconds per call: the median of 21 batches of at least 200 microseconds. */
typedef void (*work)(void *);
static double median_ns(work f, void *data) {
  double sample[21], t = now();
  f(data), f(data);
  double once = (now() - t) / 2;
  int repeat = once > 200e3 ? 1 : (int)(200e3 / (once + 1)) + 1;
  for (int i = 0; i < 21; i++) {
    t = now();
    for (int k = 0; k < repeat; k++) f(data);
    sample[i] = (now() - t) / repeat;
  }
  qsort(sample, 21, sizeof *sample, by_size);
  return sample[10];
}

/* ---- groups as data ---- */

enum { MOST = 64 };
typedef struct group {
  cy_fused g;
  cy_step step[MOST];
  cy_fused_input in[8];
  cy_fused_output out[8];
  cy_tiles *tiles;
  void *scratch, *inputs[8], *outputs[8];
  int64_t n, columns;
} group;

static int put(group *p, cy_step s) {
  p->step[p->g.n_steps] = s;
  return p->g.n_steps++;
}
static int input(group *p, cy_level level, int64_t rows_stride, int64_t stride, void *data) {
  int i = p->g.n_inputs++;
  p->in[i] = (cy_fused_input){.dtype = CY_F32, .stride = {rows_stride, stride}};
  p->inputs[i] = data;
  return put(p, (cy_step){.kind = CY_STEP_INPUT, .level = level, .dtype = CY_F32, .index = i});
}
static int constant(group *p, double v) { return put(p, (cy_step){.kind = CY_STEP_CONSTANT, .level = CY_ROW, .dtype = CY_F32, .number = v}); }
static int op3(group *p, cy_scalar_op op, int a, int b, int c) {
  cy_level level = p->step[a].level == CY_ROW && p->step[b].level == CY_ROW && p->step[c].level == CY_ROW ? CY_ROW : CY_FULL;
  bool compares = op >= CY_SCALAR_eq && op <= CY_SCALAR_ge;
  return put(p, (cy_step){.kind = CY_STEP_SCALAR, .level = level, .dtype = compares ? CY_BOOL : CY_F32, .op = op, .arg = {a, b, c}});
}
static int op(group *p, cy_scalar_op o, int a, int b) { return op3(p, o, a, b, b); }
static int reduce(group *p, cy_combine how, int a) {
  return put(p, (cy_step){.kind = CY_STEP_REDUCE, .level = CY_ROW, .dtype = CY_F32, .combine = how, .arg = {a}});
}
static void output(group *p, int step, bool accumulate, int64_t row_stride, int64_t stride, void *data) {
  int i = p->g.n_outputs++;
  p->out[i] = (cy_fused_output){.step = step, .accumulate = accumulate, .dtype = CY_F32, .stride = {row_stride, stride}};
  p->outputs[i] = data;
}
static void ready(group *p, int64_t rows, int64_t columns, int threads) {
  p->g.n_axes = 2, p->g.row_axes = 1;
  p->g.dim[0] = rows, p->g.dim[1] = columns;
  p->g.steps = p->step, p->g.inputs = p->in, p->g.outputs = p->out;
  if (cy_tiles_create(&p->g, threads, &p->tiles) != CY_OK) exit(fprintf(stderr, "%s\n", cy_error_message()));
  p->scratch = cy_alloc_aligned(cy_tiles_scratch(p->tiles));
}
static void run_group(void *data) {
  group *p = data;
  cy_tiles_run(p->tiles, p->inputs, p->outputs, p->scratch);
}
static void done(group *p) {
  cy_tiles_free(p->tiles);
  cy_free(p->scratch);
}

/* ---- hand-fused loops ---- */

typedef struct arrays {
  float *p, *g, *m, *v, *rate;
  int64_t n, columns;
} arrays;

NATIVE static void hand_relu(void *data) {
  arrays *a = data;
  SIMD for (int64_t i = 0; i < a->n; i++) a->p[i] = a->g[i] > 0 ? a->g[i] : 0;
}
NATIVE static void hand_sgd(void *data) {
  arrays *a = data;
  float rate = *a->rate;
  SIMD for (int64_t i = 0; i < a->n; i++) a->p[i] -= rate * a->g[i];
}
NATIVE static void hand_momentum(void *data) {
  arrays *a = data;
  float rate = *a->rate;
  SIMD for (int64_t i = 0; i < a->n; i++) {
    float v = 0.9f * a->v[i] + a->g[i];
    a->v[i] = v;
    a->p[i] -= rate * v;
  }
}
NATIVE static void hand_adam(void *data) {
  arrays *a = data;
  float rate = *a->rate;
  SIMD for (int64_t i = 0; i < a->n; i++) {
    float g = a->g[i], m = 0.9f * a->m[i] + 0.1f * g, v = 0.999f * a->v[i] + 0.001f * (g * g);
    a->m[i] = m;
    a->v[i] = v;
    a->p[i] -= rate * (m / (sqrtf(v) + 1e-8f));
  }
}
NATIVE static void hand_bias_relu(void *data) {
  arrays *a = data;
  for (int64_t r = 0; r < a->n / a->columns; r++)
    SIMD for (int64_t c = 0; c < a->columns; c++) {
      float x = a->g[r * a->columns + c] + a->m[c];
      a->p[r * a->columns + c] = x > 0 ? x : 0;
    }
}
/* The C library's exp, one at a time: what a plain loop would do. */
NATIVE static void hand_softmax(void *data) {
  arrays *a = data;
  float loss = 0;
  int64_t n = a->columns;
  for (int64_t r = 0; r < a->n / n; r++) {
    const float *x = a->g + r * n, *t = a->v + r * n;
    float *d = a->p + r * n, top = -INFINITY, sum = 0, dot = 0;
    for (int64_t c = 0; c < n; c++) top = x[c] > top ? x[c] : top;
    for (int64_t c = 0; c < n; c++) sum += d[c] = expf(x[c] - top);
    for (int64_t c = 0; c < n; c++) dot += t[c] * (x[c] - top);
    loss += logf(sum) - dot;
    for (int64_t c = 0; c < n; c++) d[c] = d[c] / sum - t[c];
  }
  *a->rate = loss;
}
NATIVE static void copy(void *data) {
  arrays *a = data;
  memcpy(a->p, a->g, (size_t)a->n * 4);
}

static double copy_rate; /* bytes per ns */
static void report(const char *name, int64_t n, double tiles, double hand, double streams) {
  double bytes = streams * 4 * (double)n;
  printf("%-24s %9lld  tiles %10.0f ns  hand %10.0f ns  ratio %.2f  %6.1f GB/s (%.0f %% of copy)\n", name, (long long)n, tiles,
         hand, tiles / hand, bytes / tiles, 100 * bytes / tiles / copy_rate);
}

static void flat(arrays *a, int threads) {
  group relu = {0}, sgd = {0}, momentum = {0}, adam = {0};
  int64_t n = a->n;
  a->columns = n;
  copy_rate = 8 * (double)n / median_ns(copy, a);

  int x = input(&relu, CY_FULL, 0, 1, a->g), zero = constant(&relu, 0);
  output(&relu, op3(&relu, CY_SCALAR_select, op(&relu, CY_SCALAR_gt, x, zero), x, zero), false, 0, 1, a->p);
  ready(&relu, 1, n, threads);
  report("relu", n, median_ns(run_group, &relu), median_ns(hand_relu, a), 2);

  int p = input(&sgd, CY_FULL, 0, 1, a->p), g = input(&sgd, CY_FULL, 0, 1, a->g), rate = input(&sgd, CY_ROW, 0, 0, a->rate);
  output(&sgd, op(&sgd, CY_SCALAR_sub, p, op(&sgd, CY_SCALAR_mul, rate, g)), false, 0, 1, a->p);
  ready(&sgd, 1, n, threads);
  report("sgd", n, median_ns(run_group, &sgd), median_ns(hand_sgd, a), 3);

  p = input(&momentum, CY_FULL, 0, 1, a->p), g = input(&momentum, CY_FULL, 0, 1, a->g);
  int v = input(&momentum, CY_FULL, 0, 1, a->v);
  rate = input(&momentum, CY_ROW, 0, 0, a->rate);
  v = op(&momentum, CY_SCALAR_add, op(&momentum, CY_SCALAR_mul, constant(&momentum, 0.9), v), g);
  output(&momentum, v, false, 0, 1, a->v);
  output(&momentum, op(&momentum, CY_SCALAR_sub, p, op(&momentum, CY_SCALAR_mul, rate, v)), false, 0, 1, a->p);
  ready(&momentum, 1, n, threads);
  report("momentum", n, median_ns(run_group, &momentum), median_ns(hand_momentum, a), 5);

  p = input(&adam, CY_FULL, 0, 1, a->p), g = input(&adam, CY_FULL, 0, 1, a->g), v = input(&adam, CY_FULL, 0, 1, a->v);
  int m = input(&adam, CY_FULL, 0, 1, a->m);
  rate = input(&adam, CY_ROW, 0, 0, a->rate);
  m = op(&adam, CY_SCALAR_add, op(&adam, CY_SCALAR_mul, constant(&adam, 0.9), m), op(&adam, CY_SCALAR_mul, constant(&adam, 0.1), g));
  v = op(&adam, CY_SCALAR_add, op(&adam, CY_SCALAR_mul, constant(&adam, 0.999), v),
         op(&adam, CY_SCALAR_mul, constant(&adam, 0.001), op(&adam, CY_SCALAR_mul, g, g)));
  int root = op(&adam, CY_SCALAR_add, op(&adam, CY_SCALAR_sqrt, v, 0), constant(&adam, 1e-8));
  int step = op(&adam, CY_SCALAR_mul, rate, op(&adam, CY_SCALAR_div, m, root));
  output(&adam, m, false, 0, 1, a->m);
  output(&adam, v, false, 0, 1, a->v);
  output(&adam, op(&adam, CY_SCALAR_sub, p, step), false, 0, 1, a->p);
  ready(&adam, 1, n, threads);
  report("adam", n, median_ns(run_group, &adam), median_ns(hand_adam, a), 7);
  done(&relu), done(&sgd), done(&momentum), done(&adam);
}

static void bias_relu(arrays *a, int64_t rows, int64_t columns, int threads) {
  group p = {0};
  a->n = rows * columns, a->columns = columns;
  int x = input(&p, CY_FULL, columns, 1, a->g), b = input(&p, CY_FULL, 0, 1, a->m), zero = constant(&p, 0);
  int y = op(&p, CY_SCALAR_add, x, b);
  output(&p, op3(&p, CY_SCALAR_select, op(&p, CY_SCALAR_gt, y, zero), y, zero), false, columns, 1, a->p);
  ready(&p, rows, columns, threads);
  copy_rate = 8 * (double)a->n / median_ns(copy, a);
  report("bias+relu", a->n, median_ns(run_group, &p), median_ns(hand_bias_relu, a), 2);
  done(&p);
}

/* Logits and one-hot labels to the loss and its gradient. */
static void softmax_cross_entropy(arrays *a, int64_t rows, int64_t columns, int threads) {
  group p = {0};
  char name[64];
  a->n = rows * columns, a->columns = columns;
  int x = input(&p, CY_FULL, columns, 1, a->g), t = input(&p, CY_FULL, columns, 1, a->v);
  int shifted = op(&p, CY_SCALAR_sub, x, reduce(&p, CY_COMBINE_MAX, x));
  int e = op(&p, CY_SCALAR_exp, shifted, 0);
  int sum = reduce(&p, CY_COMBINE_SUM, e);
  int loss = op(&p, CY_SCALAR_sub, op(&p, CY_SCALAR_log, sum, sum), reduce(&p, CY_COMBINE_SUM, op(&p, CY_SCALAR_mul, t, shifted)));
  output(&p, loss, true, 0, 0, a->rate);
  output(&p, op(&p, CY_SCALAR_sub, op(&p, CY_SCALAR_div, e, sum), t), false, columns, 1, a->p);
  ready(&p, rows, columns, threads);
  copy_rate = 8 * (double)a->n / median_ns(copy, a);
  snprintf(name, sizeof name, "softmax-xent %dx%d", (int)rows, (int)columns);
  report(name, a->n, median_ns(run_group, &p), median_ns(hand_softmax, a), 3);
  done(&p);
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  const int64_t sizes[] = {4096, 100000, 1000000, 4600000};
  size_t most = 4600000;
  float rate = 1e-6f;
  arrays a = {cy_alloc_aligned(4 * most), cy_alloc_aligned(4 * most), cy_alloc_aligned(4 * most), cy_alloc_aligned(4 * most), &rate, 0, 0};
  if (!a.p || !a.g || !a.m || !a.v) return 1;
  for (size_t i = 0; i < most; i++) {
    a.p[i] = (float)(i % 17) * 0.1f - 0.8f, a.g[i] = (float)(i % 29) * 0.01f - 0.145f;
    a.m[i] = (float)(i % 11) * 0.01f, a.v[i] = (float)(i % 13) * 0.001f;
  }
  for (int i = 0; i < 4; i++) {
    a.n = sizes[i];
    rate = 1e-6f;
    flat(&a, threads);
  }
  bias_relu(&a, 32, 128, threads);
  bias_relu(&a, 64, 512, threads);
  softmax_cross_entropy(&a, 64, 10, threads);
  softmax_cross_entropy(&a, 256, 1000, threads);
  cy_free(a.p), cy_free(a.g), cy_free(a.m), cy_free(a.v);
  return 0;
}
