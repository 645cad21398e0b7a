/* Contractions against a triple loop in long double: random shapes, strides and batches, with extents of 0 and 1. */
#include "backend/cpu/gemm.h"
#include "backend/cpu/gemm_panels.h"
#include "base/memory.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state = 1;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static int64_t below(int64_t n) { return (int64_t)(next_random() % (uint64_t)n); }
static double unit(void) { return (double)(next_random() >> 11) * 0x1p-52 - 1; }

/* An array with room around it: what lies outside must neither be read into results nor written. */
typedef struct array {
  char *memory;
  char *first;
  size_t bytes;
} array;

enum { MARGIN = 256 };

static array array_create(size_t count, cy_dtype dtype) {
  array a = {.bytes = count * cy_dtype_size(dtype) + 2 * MARGIN};
  a.memory = malloc(a.bytes);
  assert_non_null(a.memory);
  memset(a.memory, 0xff, a.bytes); /* NaN */
  a.first = a.memory + MARGIN;
  return a;
}

static int64_t reach(const int64_t stride[3], int64_t x, int64_t y, int64_t z) {
  return x && y && z ? (x - 1) * stride[0] + (y - 1) * stride[1] + (z - 1) * stride[2] + 1 : 0;
}

static void fill(array *a, cy_dtype dtype, const int64_t stride[3], int64_t x, int64_t y, int64_t z) {
  for (int64_t i = 0; i < x; ++i)
    for (int64_t j = 0; j < y; ++j)
      for (int64_t k = 0; k < z; ++k) cy_store(a->first, dtype, i * stride[0] + j * stride[1] + k * stride[2], unit());
}

/* Strides of a three-dimensional array in a random order of its axes, with gaps now and then. */
static void random_strides(int64_t x, int64_t y, int64_t z, bool may_repeat, int64_t stride[3]) {
  static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  const int *order = orders[below(3) ? below(2) : below(6)];
  const int64_t extent[3] = {x, y, z};
  int64_t step = below(5) == 0 ? 1 + below(3) : 1;
  for (int i = 2; i >= 0; --i) {
    stride[order[i]] = step;
    step *= extent[order[i]] > 0 ? extent[order[i]] : 1;
    if (below(4) == 0) step += below(4);
  }
  if (may_repeat && below(4) == 0) stride[0] = 0;
  if (may_repeat && below(20) == 0) stride[1] = 0;
}

/* Runs and compares every element; the bound is that of a sum of k products of numbers up to 1. */
static void check_problem(const cy_gemm_problem *p, int threads) {
  array a = array_create((size_t)reach(p->a_stride, p->batch, p->m, p->k), p->dtype);
  array b = array_create((size_t)reach(p->b_stride, p->batch, p->k, p->n), p->dtype);
  const size_t c_count = (size_t)reach(p->c_stride, p->batch, p->m, p->n);
  array c = array_create(c_count, p->dtype);
  fill(&a, p->dtype, p->a_stride, p->batch, p->m, p->k);
  fill(&b, p->dtype, p->b_stride, p->batch, p->k, p->n);
  cy_gemm *gemm;
  assert_int_equal(cy_gemm_create(p, threads, &gemm), CY_OK);
  void *instance, *scratch = cy_alloc_aligned(cy_gemm_scratch(gemm));
  assert_non_null(scratch);
  memset(scratch, 0xff, cy_gemm_scratch(gemm));
  assert_int_equal(cy_gemm_instance_create(gemm, &instance), CY_OK);
  assert_int_equal(cy_gemm_run(gemm, instance, a.first, b.first, c.first, scratch), CY_OK);

  const double tolerance = (p->dtype == CY_F32 ? 1e-7 : 2e-16) * (4 + (double)p->k);
  char *written = calloc(c_count + 1, 1);
  /* Of large products a part of the elements, and the last row and column. */
  const int64_t every = 1 + p->batch * p->m * p->n * p->k / 1000000;
  for (int64_t x = 0; x < p->batch; ++x)
    for (int64_t i = 0; i < p->m; ++i)
      for (int64_t j = 0; j < p->n; ++j) {
        const int64_t at = x * p->c_stride[0] + i * p->c_stride[1] + j * p->c_stride[2];
        written[at] = 1;
        if ((i * p->n + j) % every && i < p->m - 1 && j < p->n - 1) continue;
        long double sum = 0;
        for (int64_t k = 0; k < p->k; ++k)
          sum += (long double)cy_load(a.first, p->dtype, x * p->a_stride[0] + i * p->a_stride[1] + k * p->a_stride[2]) *
                 cy_load(b.first, p->dtype, x * p->b_stride[0] + k * p->b_stride[1] + j * p->b_stride[2]);
        const double got = cy_load(c.first, p->dtype, at);
        if (!(fabs(got - (double)sum) <= tolerance))
          fail_msg("%s, %lld x %lld x %lld x %lld, threads %d, element %lld %lld %lld: %.9g, expected %.9Lg",
                   cy_gemm_kernel(gemm), (long long)p->batch, (long long)p->m, (long long)p->n, (long long)p->k,
                   threads, (long long)x, (long long)i, (long long)j, got, sum);
      }
  for (int i = 0; i < MARGIN; ++i) {
    assert_int_equal((unsigned char)c.memory[i], 0xff);
    assert_int_equal((unsigned char)c.memory[c.bytes - 1 - (size_t)i], 0xff);
  }
  for (size_t i = 0; i < c_count; ++i)
    if (!written[i]) assert_true(isnan(cy_load(c.first, p->dtype, (int64_t)i)));

  /* Once more: the same bits. */
  char *before = malloc(c.bytes);
  memcpy(before, c.memory, c.bytes);
  assert_int_equal(cy_gemm_run(gemm, instance, a.first, b.first, c.first, scratch), CY_OK);
  assert_memory_equal(before, c.memory, c.bytes);

  /* Minus itself is nothing, up to rounding. */
  assert_int_equal(cy_gemm_run_add(gemm, instance, a.first, b.first, -1, c.first, scratch), CY_OK);
  for (int64_t x = 0; x < p->batch; ++x)
    for (int64_t i = 0; i < p->m; ++i)
      for (int64_t j = 0; j < p->n; ++j)
        assert_true(fabs(cy_load(c.first, p->dtype, x * p->c_stride[0] + i * p->c_stride[1] + j * p->c_stride[2])) <=
                    tolerance);
  free(before);
  free(written);
  cy_gemm_instance_free(instance);
  cy_gemm_free(gemm);
  cy_free(scratch);
  free(a.memory);
  free(b.memory);
  free(c.memory);
}

/* Every instruction set that this processor runs, not only the best, gives what the best gives, up to rounding. */
static void check_kernels(const cy_gemm_problem *p) {
  const bool f32 = p->dtype == CY_F32;
  const cy_gemm_kernels *sets[2] = {f32 ? &cy_gemm_kernels_f32_baseline : &cy_gemm_kernels_f64_baseline};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    sets[1] = f32 ? &cy_gemm_kernels_f32_avx2 : &cy_gemm_kernels_f64_avx2;
#endif
  array a = array_create((size_t)reach(p->a_stride, p->batch, p->m, p->k), p->dtype);
  array b = array_create((size_t)reach(p->b_stride, p->batch, p->k, p->n), p->dtype);
  const size_t count = (size_t)reach(p->c_stride, p->batch, p->m, p->n);
  array c = array_create(count, p->dtype), best = array_create(count, p->dtype);
  fill(&a, p->dtype, p->a_stride, p->batch, p->m, p->k);
  fill(&b, p->dtype, p->b_stride, p->batch, p->k, p->n);
  cy_gemm *gemm;
  assert_int_equal(cy_gemm_create(p, 1, &gemm), CY_OK);
  void *instance, *scratch = cy_alloc_aligned(cy_gemm_scratch(gemm));
  assert_int_equal(cy_gemm_instance_create(gemm, &instance), CY_OK);
  assert_int_equal(cy_gemm_run(gemm, instance, a.first, b.first, best.first, scratch), CY_OK);
  cy_gemm_instance_free(instance);
  cy_gemm_free(gemm);
  cy_free(scratch);
  const double tolerance = (f32 ? 2e-7 : 4e-16) * (4 + (double)p->k);
  for (int set = 0; set < 2 && sets[set] && count > 0; ++set) {
    cy_panels plan;
    cy_panels_plan(p, sets[set], 2, &plan);
    scratch = cy_alloc_aligned(cy_panels_scratch(&plan));
    cy_panels_run(&plan, a.first, b.first, false, 1, c.first, scratch, NULL);
    cy_free(scratch);
    for (size_t i = 0; i < count; ++i) {
      const double got = cy_load(c.first, p->dtype, (int64_t)i), want = cy_load(best.first, p->dtype, (int64_t)i);
      if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= tolerance))
        fail_msg("%s: element %zu is %.9g, not %.9g", sets[set]->name, i, got, want);
    }
    memset(c.memory, 0xff, c.bytes);
  }
  free(a.memory), free(b.memory), free(c.memory), free(best.memory);
}

static cy_gemm_problem random_problem(cy_dtype dtype) {
  static const int64_t extents[] = {0, 1, 1, 2, 3, 5, 7, 8, 10, 13, 16, 17, 31, 32, 33, 64, 65, 100, 128, 130};
  const int64_t n_extents = (int64_t)(sizeof extents / sizeof *extents);
  cy_gemm_problem p = {.dtype = dtype,
                       .batch = below(3) ? 1 : below(6),
                       .m = extents[below(n_extents)],
                       .n = extents[below(n_extents)],
                       .k = extents[below(n_extents)]};
  random_strides(p.batch, p.m, p.k, true, p.a_stride);
  random_strides(p.batch, p.k, p.n, true, p.b_stride);
  random_strides(p.batch, p.m, p.n, false, p.c_stride);
  return p;
}

static void test_random(void **state) {
  (void)state;
  for (int i = 0; i < 600; ++i) {
    const cy_gemm_problem p = random_problem(i % 3 ? CY_F32 : CY_F64);
    check_problem(&p, 1 + i % 3);
  }
}

/* Products in groups, as of the heads of sequences that lie side by side, are those of each group by itself, to the bit. */
static void test_groups(void **state) {
  (void)state;
  for (int i = 0; i < 100; ++i) {
    const cy_dtype dtype = i % 3 ? CY_F32 : CY_F64;
    const int64_t groups = 1 + below(4), inner = 1 + below(4), m = 1 + below(70), n = 1 + below(70), k = 1 + below(20);
    const size_t size = cy_dtype_size(dtype), all = (size_t)(groups * inner);
    array a = array_create(all * (size_t)(m * k), dtype), b = array_create(all * (size_t)(n * k), dtype);
    array c = array_create(all * (size_t)(m * n), dtype), each = array_create(all * (size_t)(m * n), dtype);
    fill(&a, dtype, (int64_t[]){0, 0, 1}, 1, 1, groups * inner * m * k);
    fill(&b, dtype, (int64_t[]){0, 0, 1}, 1, 1, groups * inner * n * k);
    cy_gemm_problem p = {.dtype = dtype, .batch = groups * inner, .m = m, .n = n, .k = k,
                         .a_stride = {m * inner * k, inner * k, 1}, .b_stride = {n * inner * k, 1, inner * k},
                         .c_stride = {m * inner * n, inner * n, 1}, .inner = inner, .inner_stride = {k, k, n}};
    cy_gemm *gemm;
    assert_int_equal(cy_gemm_create(&p, 1 + i % 3, &gemm), CY_OK);
    void *scratch = cy_alloc_aligned(cy_gemm_scratch(gemm));
    assert_int_equal(cy_gemm_run(gemm, NULL, a.first, b.first, c.first, scratch), CY_OK);
    cy_gemm_free(gemm);
    cy_free(scratch);
    p.batch = inner, p.inner = 0;
    for (int side = 0; side < 3; ++side) *(side == 0 ? p.a_stride : side == 1 ? p.b_stride : p.c_stride) = p.inner_stride[side];
    assert_int_equal(cy_gemm_create(&p, 1, &gemm), CY_OK);
    scratch = cy_alloc_aligned(cy_gemm_scratch(gemm));
    for (int64_t g = 0; g < groups; ++g)
      assert_int_equal(cy_gemm_run(gemm, NULL, a.first + (size_t)(g * m * inner * k) * size,
                                   b.first + (size_t)(g * n * inner * k) * size,
                                   each.first + (size_t)(g * m * inner * n) * size, scratch), CY_OK);
    assert_memory_equal(c.memory, each.memory, c.bytes);
    cy_gemm_free(gemm);
    cy_free(scratch);
    free(a.memory), free(b.memory), free(c.memory), free(each.memory);
  }
  cy_gemm *gemm;
  assert_int_equal(cy_gemm_create(&(cy_gemm_problem){.batch = 5, .m = 1, .n = 1, .k = 1, .inner = 2}, 1, &gemm), CY_INVALID);
}

static void test_instruction_sets(void **state) {
  (void)state;
  for (int i = 0; i < 400; ++i) {
    const cy_gemm_problem p = random_problem(i % 3 ? CY_F32 : CY_F64);
    check_kernels(&p);
  }
}

/* Row-major operands, each as it is or transposed. */
static cy_gemm_problem plain(cy_dtype dtype, int64_t m, int64_t n, int64_t k, bool a_transposed, bool b_transposed) {
  cy_gemm_problem p = {.dtype = dtype, .batch = 1, .m = m, .n = n, .k = k};
  p.a_stride[1] = a_transposed ? 1 : k, p.a_stride[2] = a_transposed ? m : 1;
  p.b_stride[1] = b_transposed ? 1 : n, p.b_stride[2] = b_transposed ? k : 1;
  p.c_stride[1] = n, p.c_stride[2] = 1;
  return p;
}

static void test_layers(void **state) {
  (void)state;
  static const int64_t shapes[][3] = {{1, 128, 784},  {1, 10, 128},   {32, 128, 784}, {32, 10, 128}, {784, 128, 32},
                                      {64, 512, 512}, {1, 512, 512},  {300, 1, 200},  {5, 70, 5000}, {200, 3, 4100},
                                      {3, 3, 9000},   {700, 64, 700}, {600, 300, 801}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
    for (int way = 0; way < 4; ++way)
      for (int dtype = 0; dtype < 2; ++dtype) {
        const cy_gemm_problem p =
            plain(dtype ? CY_F64 : CY_F32, shapes[i][0], shapes[i][1], shapes[i][2], way & 1, way & 2);
        check_problem(&p, 1 + way % 2);
      }
}

/* Infinity and NaN in one row of A reach exactly that row of C. */
static void test_not_finite(void **state) {
  (void)state;
  for (int way = 0; way < 4; ++way)
    for (int64_t m = 1; m < 80; m += 39) {
      const cy_gemm_problem p = plain(CY_F32, m, 21, 37, way & 1, way & 2);
      float *a = calloc((size_t)(m * 37), sizeof *a), *b = calloc(21 * 37, sizeof *b),
            *c = calloc((size_t)m * 21, sizeof *c);
      for (int i = 0; i < 21 * 37; ++i) b[i] = 1;
      a[(m - 1) * p.a_stride[1] + 36 * p.a_stride[2]] = way & 1 ? NAN : INFINITY;
      cy_gemm *gemm;
      void *instance;
      assert_int_equal(cy_gemm_create(&p, 2, &gemm), CY_OK);
      assert_int_equal(cy_gemm_instance_create(gemm, &instance), CY_OK);
      void *scratch = cy_alloc_aligned(cy_gemm_scratch(gemm));
      assert_int_equal(cy_gemm_run(gemm, instance, a, b, c, scratch), CY_OK);
      for (int64_t i = 0; i < m; ++i)
        for (int j = 0; j < 21; ++j) {
          if (i < m - 1) assert_true(c[i * 21 + j] == 0);
          else assert_true(way & 1 ? isnan(c[i * 21 + j]) : isinf(c[i * 21 + j]));
        }
      cy_gemm_instance_free(instance);
      cy_gemm_free(gemm);
      cy_free(scratch);
      free(a);
      free(b);
      free(c);
    }
}

/* What is fetched for later, whatever its extent, changes nothing. */
static void test_fetching(void **state) {
  static const int64_t bytes[] = {1, 100000, 0, 64};
  (void)state;
  cy_gemm_problem p = plain(CY_F32, 45, 70, 90, false, false);
  p.b_still = true;
  array a = array_create(45 * 90, CY_F32), b = array_create(90 * 70, CY_F32);
  float c[2][45 * 70];
  char *memory = calloc(100000, 1);
  cy_range ranges[4];
  fill(&a, CY_F32, p.a_stride, 1, p.m, p.k);
  fill(&b, CY_F32, p.b_stride, 1, p.k, p.n);
  for (int i = 0; i < 4; ++i) ranges[i] = (cy_range){memory, bytes[i]};
  cy_gemm *gemm;
  void *instance;
  assert_int_equal(cy_gemm_create(&p, 1, &gemm), CY_OK);
  assert_int_equal(cy_gemm_instance_create(gemm, &instance), CY_OK);
  void *scratch = cy_alloc_aligned(cy_gemm_scratch(gemm));
  cy_gemm_prepare(gemm, instance, a.first, b.first);
  for (int way = 0; way < 2; ++way) {
    cy_gemm_fetch(instance, (cy_ranges){ranges, way ? 4 : 0});
    assert_int_equal(cy_gemm_run(gemm, instance, a.first, b.first, c[way], scratch), CY_OK);
  }
  assert_memory_equal(c[0], c[1], sizeof c[0]);
  cy_gemm_instance_free(instance);
  cy_gemm_free(gemm);
  cy_free(scratch);
  free(memory), free(a.memory), free(b.memory);
}

static void test_rejects(void **state) {
  (void)state;
  cy_gemm_problem p = plain(CY_I32, 2, 2, 2, false, false);
  cy_gemm *gemm;
  assert_int_equal(cy_gemm_create(&p, 1, &gemm), CY_UNSUPPORTED);
  assert_null(gemm);
  p.dtype = CY_F32, p.m = -1;
  assert_int_equal(cy_gemm_create(&p, 1, &gemm), CY_INVALID);
  assert_null(gemm);
}

/* ---- two instances of one plan, each on its own thread ---- */

typedef struct worker {
  const cy_gemm *gemm;
  const float *a, *b;
  float *c;
  bool ok;
} worker;

static void *work(void *argument) {
  worker *w = argument;
  void *instance, *scratch = cy_alloc_aligned(cy_gemm_scratch(w->gemm));
  w->ok = scratch && cy_gemm_instance_create(w->gemm, &instance) == CY_OK;
  if (!w->ok) return NULL;
  for (int i = 0; i < 50; ++i) w->ok = w->ok && cy_gemm_run(w->gemm, instance, w->a, w->b, w->c, scratch) == CY_OK;
  cy_gemm_instance_free(instance);
  cy_free(scratch);
  return NULL;
}

static void test_concurrent(void **state) {
  (void)state;
  for (int way = 0; way < 4; ++way) {
    enum { SIZE = 160 };
    const cy_gemm_problem p = plain(CY_F32, SIZE, SIZE, SIZE, way & 1, way & 2);
    cy_gemm *gemm;
    assert_int_equal(cy_gemm_create(&p, 2, &gemm), CY_OK);
    float *a = malloc(sizeof(float[SIZE * SIZE])), *c[3];
    for (int i = 0; i < SIZE * SIZE; ++i) a[i] = (float)unit();
    worker workers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; ++i) {
      c[i] = calloc(SIZE * SIZE, sizeof(float));
      workers[i] = (worker){.gemm = gemm, .a = a, .b = a, .c = c[i]};
      assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 3; ++i) {
      pthread_join(threads[i], NULL);
      assert_true(workers[i].ok);
      assert_memory_equal(c[0], c[i], sizeof(float[SIZE * SIZE]));
    }
    for (int i = 0; i < 3; ++i) free(c[i]);
    free(a);
    cy_gemm_free(gemm);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layers),     cmocka_unit_test(test_random),  cmocka_unit_test(test_groups),
      cmocka_unit_test(test_instruction_sets),
      cmocka_unit_test(test_not_finite), cmocka_unit_test(test_fetching), cmocka_unit_test(test_rejects), cmocka_unit_test(test_concurrent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
