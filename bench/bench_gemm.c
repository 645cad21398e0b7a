/* Contractions of small networks: shape, the kernel that serves it, its rate beside those of the libraries, and its
 * share of the best library rate seen in the run. Use: bench_gemm [threads]. Rates in GFLOP/s, from the median time of
 * many short blocks; run it on an idle machine. */
#include "backend/cpu/gemm.h"
#include "base/memory.h"
#include "timing.h"

#include <cauchy_config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if CY_HAVE_ONEDNN
#include <dnnl.h>
#endif
#if CY_HAVE_OPENBLAS
#include <cblas.h>
#endif

/* C (m x n) = op(A) op(B), all row-major. */
typedef struct shape {
  int64_t m, n, k;
  bool a_transposed, b_transposed;
} shape;

typedef struct job {
  shape s;
  cy_dtype dtype;
  void *a, *b, *c, *scratch, *instance;
  cy_gemm *gemm;
} job;

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double flops(const shape *s) { return 2.0 * (double)s->m * (double)s->n * (double)s->k; }

/* Median over blocks of at least 20 microseconds, 0.1 s in all; GFLOP/s. */
static double rate(void (*run)(job *), job *j) {
  enum { BLOCKS = 2000 };
  static double seconds[BLOCKS];
  int repeat = 1, blocks = 0;
  for (double start = timing_now(); timing_now() - start < 0.01;) run(j);
  for (;; repeat *= 2) {
    const double start = timing_now();
    for (int i = 0; i < repeat; ++i) run(j);
    if (timing_now() - start > 20e-6) break;
  }
  for (double begin = timing_now(); blocks < BLOCKS && (blocks < 5 || timing_now() - begin < 0.1); ++blocks) {
    const double start = timing_now();
    for (int i = 0; i < repeat; ++i) run(j);
    seconds[blocks] = (timing_now() - start) / repeat;
  }
  qsort(seconds, (size_t)blocks, sizeof *seconds, by_size);
  return flops(&j->s) / seconds[blocks / 2] * 1e-9;
}

static void run_ours(job *j) {
  if (cy_gemm_run(j->gemm, j->instance, j->a, j->b, j->c, j->scratch) != CY_OK) abort();
}

static void run_onednn(job *j) {
#if CY_HAVE_ONEDNN
  const shape *s = &j->s;
  dnnl_sgemm(s->a_transposed ? 'T' : 'N', s->b_transposed ? 'T' : 'N', s->m, s->n, s->k, 1, j->a,
             s->a_transposed ? s->m : s->k, j->b, s->b_transposed ? s->k : s->n, 0, j->c, s->n);
#else
  (void)j;
#endif
}

static void run_openblas(job *j) {
#if CY_HAVE_OPENBLAS
  const shape *s = &j->s;
  const int m = (int)s->m, n = (int)s->n, k = (int)s->k;
  const CBLAS_TRANSPOSE ta = s->a_transposed ? CblasTrans : CblasNoTrans,
                        tb = s->b_transposed ? CblasTrans : CblasNoTrans;
  const int lda = s->a_transposed ? m : k, ldb = s->b_transposed ? k : n;
  if (j->dtype == CY_F32) cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, j->a, lda, j->b, ldb, 0, j->c, n);
  else cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, j->a, lda, j->b, ldb, 0, j->c, n);
#else
  (void)j;
#endif
}

typedef struct row {
  shape s;
  char kernel[48];
  double ours, onednn, openblas;
} row;

static void *filled(size_t count, cy_dtype dtype) {
  void *data = cy_alloc_aligned(count * cy_dtype_size(dtype));
  if (!data) abort();
  for (size_t i = 0; i < count; ++i) cy_store(data, dtype, (int64_t)i, (double)(i % 17) / 17 - 0.4);
  return data;
}

static row measure(shape s, cy_dtype dtype, int threads) {
  job j = {.s = s, .dtype = dtype};
  j.a = filled((size_t)(s.m * s.k), dtype), j.b = filled((size_t)(s.k * s.n), dtype);
  j.c = filled((size_t)(s.m * s.n), dtype);
  const cy_gemm_problem problem = {.dtype = dtype,
                                   .batch = 1,
                                   .m = s.m,
                                   .n = s.n,
                                   .k = s.k,
                                   .a_stride = {0, s.a_transposed ? 1 : s.k, s.a_transposed ? s.m : 1},
                                   .b_stride = {0, s.b_transposed ? 1 : s.n, s.b_transposed ? s.k : 1},
                                   .c_stride = {0, s.n, 1}};
  if (cy_gemm_create(&problem, threads, &j.gemm) != CY_OK) abort();
  if (cy_gemm_instance_create(j.gemm, &j.instance) != CY_OK) abort();
  j.scratch = cy_alloc_aligned(cy_gemm_scratch(j.gemm));
  if (!j.scratch) abort();
  row r = {.s = s, .ours = rate(run_ours, &j)};
  snprintf(r.kernel, sizeof r.kernel, "%s", cy_gemm_kernel(j.gemm));
  if (CY_HAVE_ONEDNN && dtype == CY_F32) r.onednn = rate(run_onednn, &j);
  if (CY_HAVE_OPENBLAS) r.openblas = rate(run_openblas, &j);
  cy_gemm_instance_free(j.instance);
  cy_gemm_free(j.gemm);
  cy_free(j.a), cy_free(j.b), cy_free(j.c), cy_free(j.scratch);
  return r;
}

/* For each batch size the three contractions of each layer: forward, weights' gradient, input's gradient. */
static int collect(shape *shapes) {
  static const int64_t batches[] = {1, 32, 64, 256},
                       layers[][2] = {{784, 128}, {128, 10}, {32, 512}, {512, 512}, {512, 10}};
  int count = 0;
  for (size_t b = 0; b < sizeof batches / sizeof *batches; ++b)
    for (size_t l = 0; l < sizeof layers / sizeof *layers; ++l) {
      const int64_t batch = batches[b], in = layers[l][0], out = layers[l][1];
      shapes[count++] = (shape){batch, out, in, false, false};
      shapes[count++] = (shape){in, out, batch, true, false};
      if (l != 0 && l != 2) shapes[count++] = (shape){batch, in, out, false, true};
    }
  for (int way = 0; way < 3; ++way) shapes[count++] = (shape){1024, 1024, 1024, way == 1, way == 2};
  return count;
}

int main(int argc, char **argv) {
  const int threads = argc > 1 ? atoi(argv[1]) : 1;
  timing_set_threads(threads);
#if CY_HAVE_OPENBLAS
  openblas_set_num_threads(threads);
#endif
  static shape shapes[80];
  static row rows[80];
  const int count = collect(shapes);
  for (cy_dtype dtype = CY_F32; dtype <= CY_F64; ++dtype) {
    double best = 0;
    for (int i = 0; i < count; ++i) {
      rows[i] = measure(shapes[i], dtype, threads);
      const double library = rows[i].onednn > rows[i].openblas ? rows[i].onednn : rows[i].openblas;
      if (library > best) best = library;
    }
    printf("%s, %d threads; best rate of a library %.1f GFLOP/s\n%5s %5s %5s      %-24s %8s %7s %8s %8s\n",
           cy_dtype_name(dtype), threads, best, "m", "n", "k", "kernel", "GFLOP/s", "of best", "oneDNN", "OpenBLAS");
    for (int i = 0; i < count; ++i) {
      const row *r = &rows[i];
      printf("%5lld %5lld %5lld  %c%c  %-24s %8.1f %6.0f%% %8.1f %8.1f\n", (long long)r->s.m, (long long)r->s.n,
             (long long)r->s.k, r->s.a_transposed ? 'T' : 'N', r->s.b_transposed ? 'T' : 'N', r->kernel, r->ours,
             100 * r->ours / best, r->onednn, r->openblas);
    }
  }
  return 0;
}
