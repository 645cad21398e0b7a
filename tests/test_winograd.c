/* Winograd's convolutions against the row's reference kernel: the three roles, both kernels, uneven extents and paddings,
 * images inside wider ones, bias and relu, packed weights, and the same bits for every number of threads. */
#include "harness.h"

#include "backend/cpu/convolution.h"
#include "ops/convolution_bias.h"

#include <stdlib.h>

enum { X = CY_X, W = CY_W, Y = CY_Y, BIAS = CY_CONVOLUTION_OPERANDS, ARGUMENTS };

static const cy_convolution_method *const winograd = &cy_convolution_winograd;

typedef struct form {
  cy_convolution_problem problem;
  cy_window_attrs attrs;
  cy_view view[ARGUMENTS]; /* f32; each owns its memory */
  size_t bytes[ARGUMENTS];
} form;

static int64_t below(cy_rng *rng, int64_t n) { return cy_rng_below(rng, n); }

/* Channels innermost, inside an image of `extra` more channels. */
static cy_view image(cy_shape shape, int64_t extra, cy_rng *rng, size_t *bytes) {
  int64_t step = shape.dim[1] + extra;
  cy_view v = {.dtype = CY_F32, .shape = shape};
  v.stride[1] = 1;
  for (int i = 3; i >= 0; i--) {
    if (i == 1) continue;
    v.stride[i] = step;
    step *= shape.dim[i];
  }
  *bytes = (size_t)step * sizeof(float);
  float *data = v.data = malloc(*bytes);
  assert_non_null(data);
  for (int64_t i = 0; i < step; i++) data[i] = (float)(2 * cy_rng_uniform(rng) - 1);
  return v;
}

static form form_make(cy_rng *rng, cy_convolution_role role) {
  const int64_t k = 3 + 2 * below(rng, 2), channels = 16 * (2 + below(rng, 2)), filters = 16 * (2 + below(rng, 2));
  const int64_t low[2] = {below(rng, k), below(rng, k)}, high[2] = {below(rng, k), below(rng, k)};
  form f = {.attrs = {.role = role, .groups = 1}};
  cy_shape x = {.rank = 4, .dim = {4, channels, 7 + below(rng, 6), 7 + below(rng, 6)}}, y = x;
  cy_convolution_problem *p = &f.problem;
  *p = (cy_convolution_problem){.dtype = CY_F32, .role = role, .space = 2, .batch = 4, .groups = 1, .channels = channels, .filters = filters};
  f.attrs.size.n = f.attrs.kernel.n = f.attrs.stride.n = f.attrs.dilation.n = f.attrs.low.n = f.attrs.high.n = 2;
  for (int i = 0; i < 2; i++) {
    f.attrs.size.at[i] = p->size[i] = x.dim[i + 2];
    f.attrs.kernel.at[i] = p->kernel[i] = k;
    f.attrs.stride.at[i] = p->stride[i] = f.attrs.dilation.at[i] = p->dilation[i] = 1;
    f.attrs.low.at[i] = p->low[i] = low[i];
    f.attrs.high.at[i] = p->high[i] = high[i];
    y.dim[i + 2] = p->extent[i] = cy_window_extent(&f.attrs, i);
  }
  y.dim[1] = filters;
  f.view[X] = image(x, 16 * below(rng, 2), rng, &f.bytes[X]);
  f.view[Y] = image(y, 16 * below(rng, 2), rng, &f.bytes[Y]);
  f.view[W] = cy_view_row_major(NULL, CY_F32, (cy_shape){.rank = 4, .dim = {filters, channels, k, k}});
  f.view[BIAS] = cy_view_row_major(NULL, CY_F32, CY_SHAPE(filters));
  for (int i = W; i <= BIAS; i += BIAS - W) {
    int64_t n = cy_count(f.view[i].shape);
    f.bytes[i] = (size_t)n * sizeof(float);
    float *data = f.view[i].data = malloc(f.bytes[i]);
    assert_non_null(data);
    for (int64_t e = 0; e < n; e++) data[e] = (float)(2 * cy_rng_uniform(rng) - 1);
  }
  memcpy(p->x_stride, f.view[X].stride, sizeof p->x_stride);
  memcpy(p->y_stride, f.view[Y].stride, sizeof p->y_stride);
  memcpy(p->w_stride, f.view[W].stride, sizeof p->w_stride);
  return f;
}

static void form_free(form *f) {
  for (int i = 0; i < ARGUMENTS; i++) free(f->view[i].data);
}

static int result_of(const form *f) { return cy_convolution_result(f->problem.role); }

/* The result by the reference kernel, in memory like the result's. */
static cy_view expected(const form *f) {
  int result = result_of(f), n = 0;
  cy_view in[3], out = f->view[result];
  cy_convolution_bias_attrs attrs = {f->attrs, f->problem.relu};
  assert_non_null(out.data = malloc(f->bytes[result]));
  memcpy(out.data, f->view[result].data, f->bytes[result]);
  for (int i = X; i <= Y; i++)
    if (i != result) in[n++] = f->view[i];
  in[n] = f->view[BIAS];
  if (f->problem.bias)
    cy_op_convolution_bias.kernel(&(cy_call){&cy_op_convolution_bias, &attrs, 3, in, &out});
  else
    cy_op_convolution.kernel(&(cy_call){&cy_op_convolution, &f->attrs, 2, in, &out});
  return out;
}

/* Runs into the result's memory. */
static void run(const form *f, int threads, bool packed) {
  void *w;
  assert_ok(winograd->create(&f->problem, threads, &w));
  assert_non_null(w);
  cy_convolution_operands o = {.x = f->view[X].data, .w = f->view[W].data, .y = f->view[Y].data,
                               .bias = f->problem.bias ? f->view[BIAS].data : NULL};
  void *scratch = cy_alloc_aligned(winograd->scratch(w)), *weights = NULL;
  assert_non_null(scratch);
  if (packed) {
    assert_non_null(weights = cy_alloc_aligned(winograd->packed_bytes(w)));
    assert_ok(winograd->pack(w, NULL, o.w, weights, scratch));
    o.w = weights;
    o.packed = true;
  }
  assert_ok(winograd->run(w, NULL, o, scratch));
  cy_free(weights);
  cy_free(scratch);
  winograd->free(w);
}

/* Everywhere, what lies between the result's channels included: nothing else may be written. */
static double worst(const form *f, const cy_view *right) {
  int result = result_of(f);
  const float *a = f->view[result].data, *b = right->data;
  double error = 0, largest = 0;
  for (size_t i = 0; i < f->bytes[result] / sizeof *a; i++) {
    error = fmax(error, fabs((double)a[i] - b[i]));
    largest = fmax(largest, fabs((double)b[i]));
  }
  return error / largest;
}

static void agrees_with_the_reference(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 15; seed++) {
    cy_rng rng = cy_rng_make(seed, 7);
    form f = form_make(&rng, (cy_convolution_role)(seed % 3));
    f.problem.bias = f.problem.role == CY_CONVOLUTION_Y && below(&rng, 2);
    f.problem.relu = f.problem.bias && below(&rng, 2);
    cy_view right = expected(&f);
    run(&f, 1 + (int)below(&rng, 2), f.problem.role != CY_CONVOLUTION_W && below(&rng, 2));
    assert_true(worst(&f, &right) < 3e-5);
    free(right.data);
    form_free(&f);
  }
}

static void threads_do_not_change_bits(void **state) {
  (void)state;
  for (int role = 0; role < 3; role++) {
    cy_rng rng = cy_rng_make((uint64_t)role, 8);
    form f = form_make(&rng, (cy_convolution_role)role);
    int result = result_of(&f);
    run(&f, 1, false);
    void *first = malloc(f.bytes[result]);
    assert_non_null(first);
    memcpy(first, f.view[result].data, f.bytes[result]);
    run(&f, 3, false);
    assert_memory_equal(first, f.view[result].data, f.bytes[result]);
    free(first);
    form_free(&f);
  }
}

/* NaN is not lost in relu. */
static void not_a_number_passes(void **state) {
  (void)state;
  cy_rng rng = cy_rng_make(3, 9);
  form f = form_make(&rng, CY_CONVOLUTION_Y);
  f.problem.bias = f.problem.relu = true;
  ((float *)f.view[X].data)[0] = NAN; /* a corner that every tile's window may miss, but not the first's */
  f.problem.low[0] = f.problem.low[1] = f.attrs.low.at[0] = f.attrs.low.at[1] = 1;
  run(&f, 1, false);
  int64_t bad = 0;
  for (size_t i = 0; i < f.bytes[Y] / sizeof(float); i++) bad += isnan(((const float *)f.view[Y].data)[i]);
  assert_true(bad >= f.problem.filters);
  form_free(&f);
}

static void refuses_what_it_cannot_do(void **state) {
  (void)state;
  cy_rng rng = cy_rng_make(1, 10);
  form f = form_make(&rng, CY_CONVOLUTION_Y);
  void *w;
  cy_convolution_problem strided = f.problem, thin = f.problem, rows = f.problem, f64 = f.problem;
  strided.stride[1] = 2;
  thin.channels = 24;
  rows.x_stride[1] = 2;
  f64.dtype = CY_F64;
  const cy_convolution_problem *refused[] = {&strided, &thin, &rows, &f64};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    assert_ok(winograd->create(refused[i], 1, &w));
    assert_null(w);
  }
  form_free(&f);
}

int main(void) {
  form probe;
  void *w;
  cy_rng rng = cy_rng_make(0, 1);
  probe = form_make(&rng, CY_CONVOLUTION_Y);
  if (winograd->create(&probe.problem, 1, &w) != CY_OK) return 1;
  form_free(&probe);
  if (!w) return 77; /* no processor for it: skipped */
  winograd->free(w);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_reference),
      cmocka_unit_test(threads_do_not_change_bits),
      cmocka_unit_test(not_a_number_passes),
      cmocka_unit_test(refuses_what_it_cannot_do),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
