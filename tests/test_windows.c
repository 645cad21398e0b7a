/* Operations on windows of images: values known by hand, from the coursework and from PyTorch 1.13; each operation
 * against its definition written out again here; derivatives of small networks made of them; what their errors say. */
#include "harness.h"

#include "ops/window.h"

enum { TRIALS = 60 };
static const run_options reference = {.backend = "reference"}, cpu = {.backend = "cpu", .threads = 2};

/* ---- values in, values out ---- */

#define NUMBERS(...) (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double)

static cy_value given(feeds *f, cy_shape shape, const double *numbers, size_t n) {
  int i = feeds_add(f, CY_F64, shape);
  assert_int_equal(cy_tensor_count(f->tensor[i]), n);
  for (size_t k = 0; k < n; k++) cy_tensor_set(f->tensor[i], (int64_t)k, numbers[k]);
  return f->value[i];
}

static void expect_by(feeds *f, cy_value y, run_options how, cy_shape shape, const double *numbers, size_t n) {
  cy_tensor *t;
  run_values(f, &y, 1, how, &t);
  char text[CY_SHAPE_TEXT];
  if (!cy_shape_equal(cy_tensor_shape(t), shape)) fail_msg("shape %s", cy_shape_text(cy_tensor_shape(t), text));
  assert_int_equal(cy_tensor_count(t), n);
  for (size_t k = 0; k < n; k++) {
    double x = cy_tensor_at(t, (int64_t)k);
    bool same = isnan(x) ? isnan(numbers[k]) : fabs(x - numbers[k]) <= 1e-12 * (1 + fabs(numbers[k]));
    if (!same) fail_msg("%s: element %zu is %.17g, not %.17g", how.backend, k, x, numbers[k]);
  }
  cy_tensor_free(t);
}

static void expect(feeds *f, cy_value y, cy_shape shape, const double *numbers, size_t n) {
  expect_by(f, y, reference, shape, numbers, n);
  expect_by(f, y, cpu, shape, numbers, n);
}

static int filled(feeds *f, cy_rng *rng, cy_shape shape) {
  int i = feeds_add(f, CY_F64, shape);
  fill_uniform(f->tensor[i], rng, -1, 1);
  return i;
}

/* ---- coursework ---- */

/* B.II */
static void products_of_the_coursework(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value m = given(&f, CY_SHAPE(1, 1, 5, 5),
                     NUMBERS(1, 4, 2, 3, 2, 1, 2, 4, 1, 6, 2, 2, 4, 0, 1, 2, 5, 1, 3, 4, 3, 5, 4, 1, 0));
  cy_value k = given(&f, CY_SHAPE(1, 1, 3, 3), NUMBERS(2, 0, 2, 3, 5, 1, 0, 1, 4));
  cy_windows half = {.low = {1, 1}, .high = {1, 1}};
  expect(&f, cy_convolution(m, k, half), CY_SHAPE(1, 1, 5, 5),
         NUMBERS(18, 43, 33, 48, 25, 25, 41, 45, 35, 40, 38, 39, 45, 52, 11, 42, 65, 35, 33, 29, 30, 44, 52, 27, 9));
  expect(&f, cy_convolution(m, cy_flip(cy_flip(k, 2), 3), half), CY_SHAPE(1, 1, 5, 5),
         NUMBERS(21, 37, 29, 43, 15, 16, 43, 47, 48, 45, 27, 36, 50, 34, 21, 37, 54, 43, 52, 26, 32, 53, 49, 16, 17));
  feeds_end(&f);
}

/* A4.3: 3x3 kernel, stride 2, padding 1 on 3x3: 2x2, by a matrix of 4x9. The kernel 1..9 shows which weight goes
 * where. */
static void the_matrix_of_a_strided_convolution(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value x = given(&f, CY_SHAPE(1, 1, 3, 3), NUMBERS(0, 0, 0, 0, 0, 0, 0, 0, 0)), jacobian;
  cy_value w = given(&f, CY_SHAPE(1, 1, 3, 3), NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9));
  cy_value y = cy_convolution(x, w, (cy_windows){.stride = {2, 2}, .low = {1, 1}, .high = {1, 1}});
  assert_true(cy_shape_equal(cy_value_shape(y), CY_SHAPE(1, 1, 2, 2)));
  assert_ok(cy_jacobian(y, x, &jacobian));
  expect(&f, cy_reshape(jacobian, CY_SHAPE(4, 9)), CY_SHAPE(4, 9),
         NUMBERS(5, 6, 0, 8, 9, 0, 0, 0, 0, 0, 4, 5, 0, 7, 8, 0, 0, 0, 0, 0, 0, 2, 3, 0, 5, 6, 0, 0, 0, 0, 0, 1, 2, 0,
                 4, 5));
  feeds_end(&f);
}

/* A4.4: the transposed convolution of 2x2 by 2x2 with stride 2 is 4x4, and its matrix is the convolution's
 * transpose. */
static void a_transposed_convolution_is_the_transpose(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value w = given(&f, CY_SHAPE(1, 1, 2, 2), NUMBERS(1, 2, 3, 4));
  cy_value y = given(&f, CY_SHAPE(1, 1, 2, 2), NUMBERS(1, 10, 100, 1000));
  cy_value x = given(&f, CY_SHAPE(1, 1, 4, 4), NUMBERS(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), back;
  cy_windows windows = {.stride = {2, 2}};
  cy_value up = cy_convolution_input(w, y, windows, (int64_t[]){4, 4}), down = cy_convolution(x, w, windows);
  expect(&f, up, CY_SHAPE(1, 1, 4, 4),
         NUMBERS(1, 2, 10, 20, 3, 4, 30, 40, 100, 200, 1000, 2000, 300, 400, 3000, 4000));
  assert_ok(cy_vjp(&down, &y, 1, &x, 1, &back));
  assert_int_equal(back.id, up.id); /* not only equal: the same operation */
  cy_value of_up, of_down;
  assert_ok(cy_jacobian(up, y, &of_up));
  assert_ok(cy_jacobian(down, x, &of_down));
  cy_value apart = cy_sub(cy_reshape(of_up, CY_SHAPE(16, 4)), cy_transpose(cy_reshape(of_down, CY_SHAPE(4, 16))));
  assert_true(run_scalar(&f, cy_reduce_max(cy_abs(apart), NULL, 0, false), reference) == 0);
  feeds_end(&f);
}

/* B.IV: the derivative of y[i, j] by w[u, v] is x[i + u, j + v]. */
static void the_derivative_by_a_weight_is_the_input(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value x = given(&f, CY_SHAPE(1, 1, 3, 3), NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9)), jacobian;
  cy_value w = given(&f, CY_SHAPE(1, 1, 2, 2), NUMBERS(0, 0, 0, 0));
  assert_ok(cy_jacobian(cy_convolution(x, w, (cy_windows){0}), w, &jacobian));
  expect(&f, cy_reshape(jacobian, CY_SHAPE(4, 4)), CY_SHAPE(4, 4),
         NUMBERS(1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9));
  feeds_end(&f);
}

/* ---- definitions, written out for three spatial axes; missing ones have extent 1 ---- */

typedef struct grid {
  int64_t size[3], out[3], kernel[3], stride[3], dilation[3], low[3];
} grid;

static grid grid_of(const cy_window_attrs *w) {
  grid g;
  for (int i = 0; i < 3; i++) {
    bool has = i < w->size.n;
    g.size[i] = has ? w->size.at[i] : 1;
    g.kernel[i] = has ? w->kernel.at[i] : 1;
    g.stride[i] = has ? w->stride.at[i] : 1;
    g.dilation[i] = has ? w->dilation.at[i] : 1;
    g.low[i] = has ? w->low.at[i] : 0;
    g.out[i] = 0;
    int64_t high = has ? w->high.at[i] : 0;
    while (g.out[i] * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i] < g.size[i] + g.low[i] + high) g.out[i]++;
  }
  return g;
}

static int64_t volume(const int64_t n[3]) { return n[0] * n[1] * n[2]; }

/* Position of window o's element t in x, flattened; -1 for padding. Both are flat themselves. */
static int64_t position(const grid *g, int64_t o, int64_t t) {
  int64_t at = 0, scale = 1;
  for (int i = 2; i >= 0; i--) {
    int64_t p = o % g->out[i] * g->stride[i] + t % g->kernel[i] * g->dilation[i] - g->low[i];
    if (p < 0 || p >= g->size[i]) return -1;
    at += p * scale;
    scale *= g->size[i];
    o /= g->out[i];
    t /= g->kernel[i];
  }
  return at;
}

/* Adds every term of the trilinear form to the argument that is the result (NULL). */
static void add_terms(const grid *g, int64_t n, int64_t groups, int64_t c, int64_t o, const double *x, const double *w,
                      const double *y, double *result) {
  int64_t in = volume(g->size), out = volume(g->out), kernel = volume(g->kernel);
  for (int64_t b = 0; b < n; b++)
    for (int64_t q = 0; q < groups * o; q++)
      for (int64_t k = 0; k < c; k++)
        for (int64_t i = 0; i < out; i++)
          for (int64_t t = 0; t < kernel; t++) {
            int64_t p = position(g, i, t), ix = (b * groups * c + q / o * c + k) * in + p;
            int64_t iw = (q * c + k) * kernel + t;
            int64_t iy = (b * groups * o + q) * out + i;
            if (p < 0) continue;
            if (!x) result[ix] += w[iw] * y[iy];
            if (!w) result[iw] += x[ix] * y[iy];
            if (!y) result[iy] += x[ix] * w[iw];
          }
}

static void expect_close(feeds *f, cy_value v, const double *numbers, size_t n) {
  assert_ok(cy_graph_status(f->graph));
  expect(f, v, cy_value_shape(v), numbers, n);
}

static void convolutions_agree_with_their_definition(void **state) {
  (void)state;
  cy_rng rng = cy_rng_make(3, 1);
  for (int trial = 0; trial < TRIALS; trial++) {
    feeds f = feeds_begin();
    cy_window_attrs a;
    cy_shape x = cy_sample_windows(&rng, &a), w = x, y = x;
    int64_t groups = 1 + cy_rng_below(&rng, 3), c = 1 + cy_rng_below(&rng, 3), o = 1 + cy_rng_below(&rng, 3);
    grid g = grid_of(&a);
    cy_windows windows = {.groups = groups};
    x.dim[1] = groups * c;
    w.dim[1] = c;
    w.dim[0] = y.dim[1] = groups * o;
    for (int i = 0; i < a.size.n; i++) {
      w.dim[i + 2] = a.kernel.at[i];
      y.dim[i + 2] = g.out[i];
      windows.stride[i] = a.stride.at[i];
      windows.dilation[i] = a.dilation.at[i];
      windows.low[i] = a.low.at[i];
      windows.high[i] = a.high.at[i];
    }
    int ix = filled(&f, &rng, x), iw = filled(&f, &rng, w), iy = filled(&f, &rng, y);
    cy_value results[3] = {cy_convolution_input(f.value[iw], f.value[iy], windows, a.size.at),
                           cy_convolution_weight(f.value[ix], f.value[iy], windows, a.kernel.at),
                           cy_convolution(f.value[ix], f.value[iw], windows)};
    for (int role = 0; role < 3; role++) {
      const double *in[3];
      for (int k = 0; k < 3; k++) in[k] = k == role ? NULL : cy_tensor_f64(f.tensor[k]);
      assert_true(cy_shape_equal(cy_value_shape(results[role]), cy_value_shape(f.value[role])));
      size_t n = (size_t)cy_tensor_count(f.tensor[role]);
      double *expected = calloc(n + 1, sizeof *expected);
      if (x.dim[0]) add_terms(&g, x.dim[0], groups, c, o, in[0], in[1], in[2], expected);
      expect_close(&f, results[role], expected, n);
      free(expected);
    }
    feeds_end(&f);
  }
}

static cy_windows windows_of(const cy_window_attrs *a) {
  cy_windows w = {0};
  for (int i = 0; i < a->size.n; i++) {
    w.kernel[i] = a->kernel.at[i];
    w.stride[i] = a->stride.at[i];
    w.dilation[i] = a->dilation.at[i];
    w.low[i] = a->low.at[i];
    w.high[i] = a->high.at[i];
  }
  return w;
}

/* Every window of one plane: its sum, how many elements it has, and where its largest is. */
static void pool_plane(const grid *g, int64_t window, const double *x, double *sum, double *count, double *largest) {
  *sum = *count = 0;
  *largest = -1;
  for (int64_t t = 0; t < volume(g->kernel); t++) {
    int64_t p = position(g, window, t);
    if (p < 0) continue;
    *sum += x[p];
    *count += 1;
    if (*largest < 0 || x[p] > x[(int64_t)*largest]) *largest = (double)p;
  }
}

static void pools_agree_with_their_definitions(void **state) {
  (void)state;
  cy_rng rng = cy_rng_make(4, 1);
  enum { SUM, ARGMAX, MAX, MEAN, MEAN_PADDED, KINDS };
  for (int trial = 0; trial < TRIALS; trial++) {
    feeds f = feeds_begin();
    cy_window_attrs a;
    cy_shape shape = cy_sample_windows(&rng, &a);
    grid g = grid_of(&a);
    cy_windows w = windows_of(&a);
    int i = filled(&f, &rng, shape);
    cy_value x = f.value[i], y[KINDS] = {cy_window_sum(x, w), cy_window_argmax(x, w), cy_max_pool(x, w),
                                         cy_avg_pool(x, w, false), cy_avg_pool(x, w, true)};
    int64_t planes = shape.dim[0] * shape.dim[1], in = volume(g.size), out = volume(g.out);
    double *expected[KINDS];
    for (int k = 0; k < KINDS; k++) expected[k] = calloc((size_t)(planes * out) + 1, sizeof(double));
    for (int64_t k = 0; k < planes * out; k++) {
      const double *plane = cy_tensor_f64(f.tensor[i]) + k / out * in;
      double count;
      pool_plane(&g, k % out, plane, &expected[SUM][k], &count, &expected[ARGMAX][k]);
      expected[MAX][k] = expected[ARGMAX][k] < 0 ? 0 : plane[(int64_t)expected[ARGMAX][k]];
      expected[MEAN][k] = count > 0 ? expected[SUM][k] / count : 0;
      expected[MEAN_PADDED][k] = expected[SUM][k] / (double)volume(g.kernel);
    }
    for (int k = 0; k < KINDS; k++) {
      expect_close(&f, y[k], expected[k], (size_t)(planes * out));
      free(expected[k]);
    }
    feeds_end(&f);
  }
}

/* ---- particular values ---- */

static void the_first_of_equal_and_nan_win_and_padding_does_not(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value x = given(&f, CY_SHAPE(1, 1, 6), NUMBERS(2, 2, -1, NAN, NAN, 5)), g;
  cy_windows pairs = {.kernel = {2}, .stride = {2}};
  expect(&f, cy_window_argmax(x, pairs), CY_SHAPE(1, 1, 3), NUMBERS(0, 3, 4));
  expect(&f, cy_max_pool(x, pairs), CY_SHAPE(1, 1, 3), NUMBERS(2, NAN, NAN));
  assert_int_equal(cy_value_dtype(cy_window_argmax(x, pairs)), CY_I32);
  /* Padding is no element, even where all elements are negative; a window of nothing else gives 0. */
  cy_value z = given(&f, CY_SHAPE(1, 1, 2), NUMBERS(-3, -2));
  cy_windows padded = {.kernel = {2}, .stride = {1}, .low = {2}, .high = {1}};
  expect(&f, cy_window_argmax(z, padded), CY_SHAPE(1, 1, 4), NUMBERS(-1, 0, 1, 1));
  expect(&f, cy_max_pool(z, padded), CY_SHAPE(1, 1, 4), NUMBERS(0, -3, -2, -2));
  expect(&f, cy_avg_pool(z, padded, false), CY_SHAPE(1, 1, 4), NUMBERS(0, -3, -2.5, -2));
  expect(&f, cy_avg_pool(z, padded, true), CY_SHAPE(1, 1, 4), NUMBERS(0, -1.5, -2.5, -1));
  assert_ok(cy_grad(cy_sum(cy_max_pool(z, padded), NULL, 0, false), &z, 1, &g));
  expect(&f, g, CY_SHAPE(1, 1, 2), NUMBERS(1, 2));
  feeds_end(&f);
}

static void positions_outside_read_zero_and_add_nothing(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value x = given(&f, CY_SHAPE(1, 1, 2, 2), NUMBERS(1, 2, 3, 4));
  int i = feeds_add(&f, CY_I32, CY_SHAPE(1, 1, 1, 5));
  static const double index[] = {3, -1, 4, 1, 3};
  for (int k = 0; k < 5; k++) cy_tensor_set(f.tensor[i], k, index[k]);
  expect(&f, cy_window_gather(x, f.value[i]), CY_SHAPE(1, 1, 1, 5), NUMBERS(4, 0, 0, 2, 4));
  cy_value y = given(&f, CY_SHAPE(1, 1, 1, 5), NUMBERS(1, 10, 100, 1000, 10000));
  expect(&f, cy_window_scatter(y, f.value[i], (int64_t[]){2, 2}), CY_SHAPE(1, 1, 2, 2), NUMBERS(0, 1000, 0, 10001));
  feeds_end(&f);
}

/* PyTorch: avg_pool2d, adaptive_avg_pool2d, adaptive_max_pool2d, pad. */
static void pools_and_padding_agree_with_pytorch(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value x = given(&f, CY_SHAPE(1, 1, 3, 5), NUMBERS(2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9, 0, 4));
  cy_windows w = {.kernel = {3, 3}, .stride = {2, 2}, .low = {1, 1}, .high = {1, 1}};
  expect(&f, cy_avg_pool(x, w, true), CY_SHAPE(1, 1, 2, 3), NUMBERS(2, 3, 20 / 9., 2, 25 / 9., 14 / 9.));
  expect(&f, cy_avg_pool(x, w, false), CY_SHAPE(1, 1, 2, 3), NUMBERS(4.5, 4.5, 5, 4.5, 25 / 6., 3.5));
  expect(&f, cy_adaptive_avg_pool(x, (int64_t[]){2, 3}), CY_SHAPE(1, 1, 2, 3), NUMBERS(4.5, 4.5, 5, 4.5, 25 / 6., 3.5));
  expect(&f, cy_adaptive_max_pool(x, (int64_t[]){2, 3}), CY_SHAPE(1, 1, 2, 3), NUMBERS(8, 8, 8, 8, 9, 8));
  int64_t low[] = {1, 2}, high[] = {2, 1};
  expect(&f, cy_pad_space(x, low, high, CY_PAD_REFLECT), CY_SHAPE(1, 1, 6, 8),
         NUMBERS(8, 1, 8, 1, 8, 2, 8, 2, 1, 7, 2, 7, 1, 8, 2, 8, 8, 1, 8, 1, 8, 2, 8, 2, 9, 5, 4, 5, 9, 0, 4, 0, 8, 1,
                 8, 1, 8, 2, 8, 2, 1, 7, 2, 7, 1, 8, 2, 8));
  expect(&f, cy_pad_space(x, low, high, CY_PAD_EDGE), CY_SHAPE(1, 1, 6, 8),
         NUMBERS(2, 2, 2, 7, 1, 8, 2, 2, 2, 2, 2, 7, 1, 8, 2, 2, 8, 8, 8, 1, 8, 2, 8, 8, 4, 4, 4, 5, 9, 0, 4, 4, 4, 4,
                 4, 5, 9, 0, 4, 4, 4, 4, 4, 5, 9, 0, 4, 4));
  cy_value zeros = cy_pad_space(x, (int64_t[]){0, 1}, (int64_t[]){0, 0}, CY_PAD_ZERO);
  expect(&f, zeros, CY_SHAPE(1, 1, 3, 6), NUMBERS(0, 2, 7, 1, 8, 2, 0, 8, 1, 8, 2, 8, 0, 4, 5, 9, 0, 4));
  assert_int_equal(cy_pad_space(x, (int64_t[]){0, 0}, (int64_t[]){0, 0}, CY_PAD_EDGE).id, x.id);
  cy_value g; /* how often each element is shown */
  assert_ok(cy_grad(cy_sum(cy_pad_space(x, low, high, CY_PAD_EDGE), NULL, 0, false), &x, 1, &g));
  expect(&f, g, CY_SHAPE(1, 1, 3, 5), NUMBERS(6, 2, 2, 2, 4, 3, 1, 1, 1, 2, 9, 3, 3, 3, 6));
  feeds_end(&f);
}

/* Bins from floor(i in / out) to ceil((i + 1) in / out), for one, two and three axes, shrinking and growing. */
static void adaptive_pools_agree_with_their_definition(void **state) {
  (void)state;
  cy_rng rng = cy_rng_make(5, 1);
  for (int trial = 0; trial < TRIALS; trial++) {
    feeds f = feeds_begin();
    cy_shape shape = {.rank = 3 + trial % 3, .dim = {2, 2}};
    int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
    for (int i = 0; i < shape.rank - 2; i++) {
      in[i] = shape.dim[i + 2] = 1 + cy_rng_below(&rng, 6);
      out[i] = 1 + cy_rng_below(&rng, 6);
    }
    int x = filled(&f, &rng, shape);
    double mean[4 * 216], largest[4 * 216];
    int64_t n = 0;
    for (int64_t plane = 0; plane < 4; plane++)
      for (int64_t o = 0; o < volume(out); o++, n++) {
        int64_t i[3] = {o / out[2] / out[1], o / out[2] % out[1], o % out[2]};
        double sum = 0, count = 0, top = -INFINITY;
        for (int64_t p = 0; p < volume(in); p++) {
          int64_t at[3] = {p / in[2] / in[1], p / in[2] % in[1], p % in[2]};
          bool inside = true;
          for (int k = 0; k < 3; k++)
            inside = inside && at[k] >= i[k] * in[k] / out[k] && at[k] * out[k] < (i[k] + 1) * in[k];
          if (!inside) continue;
          double value = cy_tensor_at(f.tensor[x], plane * volume(in) + p);
          sum += value;
          count += 1;
          top = value > top ? value : top;
        }
        mean[n] = sum / count;
        largest[n] = top;
      }
    expect_close(&f, cy_adaptive_avg_pool(f.value[x], out), mean, (size_t)n);
    expect_close(&f, cy_adaptive_max_pool(f.value[x], out), largest, (size_t)n);
    feeds_end(&f);
  }
}

/* PyTorch's interpolate, modes nearest and (bi, tri)linear. */
static void resizing_agrees_with_pytorch(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value x = given(&f, CY_SHAPE(1, 1, 3, 4), NUMBERS(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8));
  int64_t a[] = {5, 3}, b[] = {2, 7};
  expect(&f, cy_resize(x, a, CY_RESIZE_NEAREST, false), CY_SHAPE(1, 1, 5, 3),
         NUMBERS(3, 1, 4, 3, 1, 4, 5, 9, 2, 5, 9, 2, 5, 3, 5));
  expect(&f, cy_resize(x, a, CY_RESIZE_LINEAR, false), CY_SHAPE(1, 1, 5, 3),
         NUMBERS(8 / 3., 2.5, 1.5, 58 / 15., 3.7, 91 / 30., 17 / 3., 5.5, 16 / 3., 76 / 15., 4.6, 199 / 30., 14 / 3., 4,
                 7.5));
  expect(&f, cy_resize(x, a, CY_RESIZE_LINEAR, true), CY_SHAPE(1, 1, 5, 3),
         NUMBERS(3, 2.5, 1, 4, 4, 3.5, 5, 5.5, 6, 5, 4.75, 7, 5, 4, 8));
  expect(&f, cy_resize(x, b, CY_RESIZE_NEAREST, false), CY_SHAPE(1, 1, 2, 7),
         NUMBERS(3, 3, 1, 1, 4, 4, 1, 5, 5, 9, 9, 2, 2, 6));
  expect(&f, cy_resize(x, b, CY_RESIZE_LINEAR, false), CY_SHAPE(1, 1, 2, 7),
         NUMBERS(3.5, 93 / 28., 85 / 28., 3.25, 191 / 56., 151 / 56., 2.25, 5, 135 / 28., 127 / 28., 4.375, 251 / 56.,
                 355 / 56., 7.5));
  expect(&f, cy_resize(x, b, CY_RESIZE_LINEAR, true), CY_SHAPE(1, 1, 2, 7),
         NUMBERS(3, 2, 1, 2.5, 4, 2.5, 1, 5, 4, 3, 4, 5, 6.5, 8));
  cy_value line = given(&f, CY_SHAPE(1, 1, 4), NUMBERS(5, 9, 2, 6));
  expect(&f, cy_resize(line, (int64_t[]){6}, CY_RESIZE_LINEAR, false), CY_SHAPE(1, 1, 6),
         NUMBERS(5, 7, 47 / 6., 19 / 6., 4, 6));
  cy_value cube = given(&f, CY_SHAPE(1, 1, 2, 2, 2), NUMBERS(1, 4, 2, 8, 5, 7, 3, 6));
  expect(&f, cy_resize(cube, (int64_t[]){3, 2, 1}, CY_RESIZE_LINEAR, false), CY_SHAPE(1, 1, 3, 2, 1),
         NUMBERS(2.5, 5, 4.25, 4.75, 6, 4.5));
  /* With corners aligned, nearest rounds the position, halves down: 0, 1.5, 3. */
  expect(&f, cy_resize(line, (int64_t[]){3}, CY_RESIZE_NEAREST, true), CY_SHAPE(1, 1, 3), NUMBERS(5, 9, 6));
  feeds_end(&f);
}

/* Keys' weights half-way are -1/16, 9/16, 9/16, -1/16, and a quadratic is met exactly away from the ends. */
static void cubic_resizing_is_keys(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value x = given(&f, CY_SHAPE(1, 1, 4), NUMBERS(1, 0, 0, 0)), g;
  expect(&f, cy_resize(x, (int64_t[]){7}, CY_RESIZE_CUBIC, true), CY_SHAPE(1, 1, 7),
         NUMBERS(1, 8 / 16., 0, -1 / 16., 0, 0, 0)); /* at 1/2 the edge stands twice: 9/16 - 1/16 */
  double squares[10], expected[20];
  for (int i = 0; i < 10; i++) squares[i] = i * i;
  cy_value q = given(&f, CY_SHAPE(1, 1, 10), squares, 10);
  cy_tensor *t;
  cy_value y = cy_resize(q, (int64_t[]){20}, CY_RESIZE_CUBIC, false);
  run_values(&f, &y, 1, cpu, &t);
  for (int i = 0; i < 20; i++) expected[i] = pow((i + 0.5) / 2 - 0.5, 2);
  for (int i = 3; i < 17; i++) assert_true(fabs(cy_tensor_at(t, i) - expected[i]) < 1e-13);
  cy_tensor_free(t);
  assert_ok(cy_grad(cy_sum(y, NULL, 0, false), &q, 1, &g)); /* weights of an element of y sum to one */
  assert_true(fabs(run_scalar(&f, cy_sum(g, NULL, 0, false), reference) - 20) < 1e-13);
  feeds_end(&f);
}

/* Weights of zero pass on no NaN, and equal extents are the image itself. */
static void resizing_reads_only_what_counts(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value x = given(&f, CY_SHAPE(1, 1, 4), NUMBERS(1, 2, NAN, 4));
  for (int mode = CY_RESIZE_NEAREST; mode <= CY_RESIZE_CUBIC; mode++)
    for (int corners = 0; corners < 2; corners++)
      expect(&f, cy_resize(x, (int64_t[]){4}, (cy_resize_mode)mode, corners), CY_SHAPE(1, 1, 4), NUMBERS(1, 2, NAN, 4));
  expect(&f, cy_resize(x, (int64_t[]){2}, CY_RESIZE_LINEAR, true), CY_SHAPE(1, 1, 2), NUMBERS(1, 4));
  feeds_end(&f);
}

static void pixel_shuffle_moves_channels_into_space_and_back(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_value x = given(&f, CY_SHAPE(1, 4, 1, 2), NUMBERS(0, 1, 2, 3, 4, 5, 6, 7));
  expect(&f, cy_pixel_shuffle(x, 2), CY_SHAPE(1, 1, 2, 4), NUMBERS(0, 2, 1, 3, 4, 6, 5, 7)); /* PyTorch */
  cy_rng rng = cy_rng_make(6, 1);
  for (int space = 1; space <= 3; space++) {
    cy_shape shape = {.rank = 2 + space, .dim = {2, space == 1 ? 6 : space == 2 ? 18 : 27, 2, 3, 2}};
    int i = filled(&f, &rng, shape);
    cy_value there = cy_pixel_shuffle(f.value[i], 3), back = cy_pixel_unshuffle(there, 3);
    assert_int_equal(cy_value_shape(there).dim[1], space == 1 ? 2 : space == 2 ? 2 : 1);
    assert_int_equal(cy_value_shape(there).dim[2], 6);
    expect_close(&f, back, cy_tensor_f64(f.tensor[i]), (size_t)cy_tensor_count(f.tensor[i]));
  }
  feeds_end(&f);
}

/* ---- what a row says of its reach holds: no element outside of it changes the result ---- */

static bool within(const cy_reach *r, int64_t result, int64_t element) {
  if (r->axis < 0) return true;
  int64_t step = r->step ? r->step : 1, numerator = element * r->divisor, first = result * r->stride + r->low;
  return numerator >= first && numerator <= result * r->stride + r->high && (numerator - first) % step == 0;
}

static bool reaches(const cy_reach *reach, const cy_walk *result, const cy_walk *element, cy_shape operand) {
  for (int i = 0; i < operand.rank; i++) {
    int64_t o = reach[i].axis < 0 ? 0 : result->index[reach[i].axis], e = element->index[i];
    if (!within(&reach[i], o, e)) return false;
  }
  return true;
}

static void run_row(const cy_op *op, const cy_sample *s, const cy_view *in, double *out, cy_type type) {
  cy_view view = cy_view_row_major(out, type.dtype, type.shape);
  op->kernel(&(cy_call){op, s->attrs, s->n_inputs, in, &view});
}

static void results_depend_on_nothing_outside_their_reach(void **state) {
  (void)state;
  for (const cy_op *const *row = cy_op_table; *row; row++) {
    const cy_op *op = *row;
    if (!op->images || !op->sample || !op->reach || !op->kernel) continue;
    for (uint64_t seed = 0; seed < 60; seed++) {
      cy_rng rng = cy_rng_make(seed, 8);
      cy_sample s = {0};
      cy_type out;
      cy_tensor *t[CY_SAMPLE_OPERANDS];
      cy_view in[CY_SAMPLE_OPERANDS];
      op->sample(op, &rng, &s);
      assert_ok(op->infer(s.attrs, s.type, s.n_inputs, &out));
      for (int i = 0; i < s.n_inputs; i++) {
        assert_ok(cy_tensor_create(s.type[i].dtype, s.type[i].shape, &t[i]));
        fill_uniform(t[i], &rng, s.low[i], s.high[i]);
        in[i] = t[i]->view;
      }
      size_t n = (size_t)cy_count(out.shape);
      double *before = calloc(n + 1, sizeof *before), *after = calloc(n + 1, sizeof *after);
      run_row(op, &s, in, before, out);
      for (int i = 0; i < s.n_inputs; i++) {
        cy_reach reach[CY_MAX_RANK];
        if (!cy_dtype_is_float(s.type[i].dtype)) continue;
        op->reach(s.attrs, s.type, s.n_inputs, &out, i, reach);
        for (cy_walk e = cy_walk_start(s.type[i].shape); e.more; cy_walk_next(&e)) {
          int64_t at = cy_walk_offset(&e, in[i].stride);
          double value = cy_tensor_at(t[i], at);
          cy_tensor_set(t[i], at, value + 5);
          run_row(op, &s, in, after, out);
          cy_tensor_set(t[i], at, value);
          size_t k = 0;
          for (cy_walk o = cy_walk_start(out.shape); o.more; cy_walk_next(&o), k++)
            if (cy_load(before, out.dtype, (int64_t)k) != cy_load(after, out.dtype, (int64_t)k) &&
                !reaches(reach, &o, &e, s.type[i].shape))
              fail_msg("%s, seed %d: element %d of operand %d changes result %d outside its reach", op->name, (int)seed,
                       (int)at, i, (int)k);
        }
      }
      free(before);
      free(after);
      for (int i = 0; i < s.n_inputs; i++) cy_tensor_free(t[i]);
    }
  }
}

/* ---- derivatives of networks ---- */

/* convolution, tanh, max pooling, strided and grouped convolution, upsampling, mean: a scalar. */
static cy_value network(cy_value x, cy_value w1, cy_value w2) {
  cy_value h = cy_tanh(cy_convolution(x, w1, (cy_windows){.low = {1, 1}, .high = {1, 1}}));
  h = cy_max_pool(h, (cy_windows){.kernel = {2, 2}, .stride = {2, 2}});
  h = cy_tanh(cy_convolution(h, w2, (cy_windows){.dilation = {1, 2}, .low = {1, 1}, .high = {0, 1}, .groups = 2}));
  h = cy_resize(cy_adaptive_avg_pool(h, (int64_t[]){2, 2}), (int64_t[]){3, 3}, CY_RESIZE_CUBIC, false);
  return cy_mean(cy_square(cy_add_scalar(cy_avg_pool(h, (cy_windows){.kernel = {2, 2}, .high = {1, 1}}, false), 0.3)),
                 NULL, 0, false);
}

enum { PARTS = 3 };

static feeds network_feeds(void) {
  feeds f = feeds_begin();
  cy_rng rng = cy_rng_make(12, 1);
  filled(&f, &rng, CY_SHAPE(2, 1, 6, 7));
  filled(&f, &rng, CY_SHAPE(4, 1, 3, 3));
  filled(&f, &rng, CY_SHAPE(2, 2, 2, 3));
  for (int i = 0; i < PARTS; i++) filled(&f, &rng, cy_tensor_shape(f.tensor[i])); /* directions */
  return f;
}

/* The operands moved by h along their directions. */
static void move(feeds *f, double h) {
  for (int i = 0; i < PARTS; i++)
    for (int64_t k = 0; k < cy_tensor_count(f->tensor[i]); k++)
      cy_tensor_set(f->tensor[i], k, cy_tensor_at(f->tensor[i], k) + h * cy_tensor_at(f->tensor[PARTS + i], k));
}

/* Central differences of value along the directions, by Richardson's rule: error h^4. */
static cy_tensor *difference(feeds *f, cy_value value, double h) {
  static const double steps[] = {1, -1, 2, -2}, weights[] = {8, -8, -1, 1};
  cy_tensor *total = NULL, *t;
  for (int s = 0; s < 4; s++) {
    move(f, steps[s] * h);
    run_values(f, &value, 1, reference, &t);
    move(f, -steps[s] * h);
    if (!total) assert_ok(cy_tensor_create(CY_F64, cy_tensor_shape(t), &total));
    for (int64_t k = 0; k < cy_tensor_count(t); k++)
      cy_tensor_set(total, k, cy_tensor_at(total, k) + weights[s] * cy_tensor_at(t, k) / (12 * h));
    cy_tensor_free(t);
  }
  return total;
}

static void hessian_vector_products_agree_with_differences_of_gradients(void **state) {
  (void)state;
  feeds f = network_feeds();
  cy_value loss = network(f.value[0], f.value[1], f.value[2]), g[PARTS], h[PARTS];
  cy_tensor *t;
  assert_ok(cy_grad(loss, f.value, PARTS, g));
  assert_ok(cy_hvp(loss, f.value, f.value + PARTS, PARTS, h));
  for (int i = 0; i < PARTS; i++) {
    cy_tensor *expected = difference(&f, g[i], 1e-4);
    for (int way = 0; way < 2; way++) {
      run_values(&f, &h[i], 1, way ? cpu : reference, &t);
      assert_true(distance(t, expected) < 1e-9);
      cy_tensor_free(t);
    }
    cy_tensor_free(expected);
  }
  feeds_end(&f);
}

/* The derivative of loss along the directions, three times over. */
static void third_derivatives_agree_with_differences(void **state) {
  (void)state;
  feeds f = network_feeds();
  cy_value d[4] = {network(f.value[0], f.value[1], f.value[2])}, g[PARTS], slope = cy_none;
  for (int k = 0; k < 3; k++) assert_ok(cy_jvp(&d[k], 1, f.value, f.value + PARTS, PARTS, &d[k + 1]));
  cy_tensor *expected = difference(&f, d[2], 1e-4);
  assert_true(fabs(run_scalar(&f, d[3], cpu) - cy_tensor_at(expected, 0)) <
              1e-8 * (1 + fabs(cy_tensor_at(expected, 0))));
  cy_tensor_free(expected);
  /* The same by reverse over forward over forward. */
  assert_ok(cy_grad(d[2], f.value, PARTS, g));
  for (int i = 0; i < PARTS; i++)
    slope = cy_tangent_sum(slope, cy_sum(cy_mul(g[i], f.value[PARTS + i]), NULL, 0, false));
  double forward = run_scalar(&f, d[3], reference), reverse = run_scalar(&f, slope, cpu);
  assert_true(fabs(forward) > 1e-3);
  assert_true(fabs(forward - reverse) <= 1e-12 * (1 + fabs(forward)));
  feeds_end(&f);
}

/* B.V: away from the border, convolution commutes with translation. */
static void convolution_commutes_with_translation(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_rng rng = cy_rng_make(13, 1);
  filled(&f, &rng, CY_SHAPE(1, 2, 6, 6));
  filled(&f, &rng, CY_SHAPE(3, 2, 3, 3));
  int64_t low[] = {0, 0, 1, 2}, none[] = {0, 0, 0, 0};
  cy_value moved = cy_convolution(cy_pad(f.value[0], low, none, NULL), f.value[1], (cy_windows){0});
  cy_value straight = cy_convolution(f.value[0], f.value[1], (cy_windows){0});
  cy_value apart = cy_sub(cy_slice(moved, low, (int64_t[]){1, 3, 5, 6}, NULL), straight);
  assert_true(run_scalar(&f, cy_reduce_max(cy_abs(apart), NULL, 0, false), cpu) < 1e-14);
  feeds_end(&f);
}

/* ---- errors ---- */

static void refused(feeds *f, cy_value v, const char *expected) {
  assert_false(cy_is_value(v));
  assert_int_equal(cy_graph_status(f->graph), CY_INVALID);
  if (!strstr(cy_graph_error(f->graph), expected))
    fail_msg("the error is: %s\nexpected: %s", cy_graph_error(f->graph), expected);
  feeds_end(f);
  *f = feeds_begin();
}

static cy_value image(feeds *f, cy_shape shape) { return f->value[feeds_add(f, CY_F32, shape)]; }

static void convolutions_say_what_does_not_fit(void **state) {
  (void)state;
  feeds f = feeds_begin();
#define X(...) image(&f, CY_SHAPE(__VA_ARGS__))
  refused(&f, cy_convolution(X(1, 1, 3), X(1, 1, 5), (cy_windows){0}),
          "convolution: kernel 5 with dilation 1 spans 5, but the input has 3 + 0 + 0 = 3 along axis 2");
  refused(&f, cy_convolution(X(1, 1, 8, 3), X(1, 1, 1, 3), (cy_windows){.dilation = {1, 3}, .low = {0, 1}}),
          "kernel 3 with dilation 3 spans 7, but the input has 3 + 1 + 0 = 4 along axis 3");
  refused(&f, cy_convolution(X(1, 1, 3), X(1, 1, 3), (cy_windows){.stride = {-1}}),
          "stride -1 along axis 2 must be positive");
  refused(&f, cy_convolution(X(1, 1, 3), X(1, 1, 3), (cy_windows){.dilation = {-2}}),
          "dilation -2 along axis 2 must be positive");
  refused(&f, cy_convolution(X(1, 1, 3), X(1, 1, 0), (cy_windows){0}), "kernel 0 along axis 2 must be positive");
  refused(&f, cy_convolution(X(1, 1, 3), X(1, 1, 3), (cy_windows){.high = {-1}}),
          "padding -1 along axis 2 must not be negative");
  refused(&f, cy_convolution(X(1, 4, 3), X(6, 2, 3), (cy_windows){.groups = 3}),
          "the 4 channels of x cannot be divided into 3 groups");
  refused(&f, cy_convolution(X(1, 6, 3), X(4, 2, 3), (cy_windows){.groups = 3}),
          "the 4 channels of the result cannot be divided into 3 groups");
  refused(&f, cy_convolution(X(1, 6, 3), X(3, 3, 3), (cy_windows){.groups = 3}),
          "w of shape 3x3x3 takes 3 channels per group, but x of shape 1x6x3 has 6 / 3 = 2");
  refused(&f, cy_convolution(X(1, 6, 3), X(3, 6, 3), (cy_windows){.groups = -1}),
          "the number of groups is -1; it must be positive");
  refused(&f, cy_convolution(X(2, 3), X(3, 6, 3), (cy_windows){0}),
          "x has shape 2x3; it must be [N, C, space...] with 1 to 3 spatial axes");
  refused(&f, cy_convolution(X(1, 1, 2, 2, 2, 2), X(1, 1, 2, 2, 2, 2), (cy_windows){0}), "with 1 to 3 spatial axes");
  refused(&f, cy_convolution(X(1, 1, 3, 3), X(1, 1, 3), (cy_windows){0}),
          "w has shape 1x1x3; it must be [O, C / groups, kernel...] with 2 spatial axes");
  refused(&f, cy_convolution(cy_convert(X(1, 1, 3), CY_I32), X(1, 1, 3), (cy_windows){0}),
          "x is i32; it must be f32 or f64");
  refused(&f, cy_convolution(cy_convert(X(1, 1, 3), CY_F64), X(1, 1, 3), (cy_windows){0}), "x is f64 and w is f32");
  refused(&f, cy_convolution(X(1, 1, 3), X(1, 1, 3), (cy_windows){.dilation = {INT64_MAX}}),
          "spans more than 2^63 elements");
  refused(&f, cy_convolution(X(1, 1, 3), X(1, 1, 3), (cy_windows){.low = {INT64_MAX}}), "does not fit in 63 bits");
  refused(&f, cy_convolution(X(1, 1, 3), X(1, 1, 3), (cy_windows){.low = {INT64_MAX / 2}}),
          "more elements than memory can address");
  refused(&f, cy_convolution_input(X(2, 1, 3), X(1, 2, 4), (cy_windows){.stride = {2}}, (int64_t[]){8}),
          "y has shape 1x2x4, but along axis 2 there are floor((8 + 0 + 0 - 3) / 2) + 1 = 3 windows");
  refused(&f, cy_convolution_input(X(3, 1, 3), X(1, 2, 4), (cy_windows){0}, (int64_t[]){6}),
          "w of shape 3x1x3 gives 3 channels, but y of shape 1x2x4 has 2");
  refused(&f, cy_convolution_input(X(2, 1, 3), X(1, 2, 4), (cy_windows){0}, (int64_t[]){-6}), "extent -6 along axis 2");
  refused(&f, cy_convolution_weight(X(2, 1, 3), X(1, 2, 2), (cy_windows){0}, (int64_t[]){2}),
          "x of shape 2x1x3 and y of shape 1x2x2 differ in the number of images");
  refused(&f, cy_convolution_weight(X(1, 1, 3), X(1, 2, 2, 2), (cy_windows){0}, (int64_t[]){2}),
          "y has shape 1x2x2x2 with 2 spatial axes, but there must be 1");
  feeds_end(&f);
}

static void pools_and_resizing_say_what_does_not_fit(void **state) {
  (void)state;
  feeds f = feeds_begin();
  refused(&f, cy_max_pool(X(1, 1, 2, 2), (cy_windows){.kernel = {3, 3}}),
          "window_argmax: kernel 3 with dilation 1 spans 3, but the input has 2 + 0 + 0 = 2 along axis 2");
  refused(&f, cy_max_pool(X(1, 1, 2, 2), (cy_windows){.kernel = {2}}), "kernel 0 along axis 3 must be positive");
  refused(&f, cy_avg_pool(X(1, 1), (cy_windows){.kernel = {2}}, true), "x has shape 1x1; it must be");
  refused(&f, cy_window_argmax(X(0, 1, 65536, 65536), (cy_windows){.kernel = {1, 1}}), "more than 2^31 - 1 elements");
  refused(&f, cy_window_spread(X(1, 1, 2), (cy_windows){.kernel = {2}}, (int64_t[]){9}),
          "y has shape 1x1x2, but along axis 2 there are floor((9 + 0 + 0 - 2) / 1) + 1 = 8 windows");
  refused(&f, cy_window_gather(X(1, 1, 2), cy_convert(X(1, 1, 2), CY_I64)), "the index is i64; it must be i32");
  refused(&f, cy_window_gather(X(1, 1, 2), cy_convert(X(1, 2, 2), CY_I32)), "x has shape 1x1x2 and the index 1x2x2");
  refused(&f, cy_window_scatter(X(1, 1, 2), cy_convert(X(1, 1, 3), CY_I32), (int64_t[]){2}),
          "y has shape 1x1x2 and the index 1x1x3");
  refused(&f, cy_adaptive_avg_pool(X(1, 1, 4), (int64_t[]){0}),
          "axis 2 goes from extent 4 to 0; both must be positive");
  refused(&f, cy_adaptive_max_pool(X(1, 1, 4), (int64_t[]){-1}),
          "axis 2 goes from extent 4 to -1; both must be positive");
  refused(&f, cy_resize(X(1, 1, 4), (int64_t[]){0}, CY_RESIZE_LINEAR, false), "resize: axis 2 goes from extent 4 to 0");
  refused(&f, cy_resize(X(1, 1, 0), (int64_t[]){3}, CY_RESIZE_LINEAR, false), "resize: axis 2 goes from extent 0 to 3");
  refused(&f, cy_resize(X(1, 1, 4), (int64_t[]){3}, (cy_resize_mode)7, false), "7 is not a mode of interpolation");
  refused(&f, cy_pad_space(X(1, 1, 4), (int64_t[]){4}, (int64_t[]){0}, CY_PAD_REFLECT),
          "pad_space: reflecting 4 elements along axis 2 takes an extent above 4, but x has 4");
  refused(&f, cy_pad_space(X(1, 1, 0), (int64_t[]){4}, (int64_t[]){0}, CY_PAD_EDGE),
          "takes an extent above 0, but x has 0");
  refused(&f, cy_pad_space(X(1, 1, 4), (int64_t[]){0}, (int64_t[]){-1}, CY_PAD_EDGE),
          "padding 0, -1 along axis 2 must not be negative");
  refused(&f, cy_pixel_shuffle(X(1, 6, 2, 2), 2), "pixel_shuffle: 6 channels cannot be divided by 2^2");
  refused(&f, cy_pixel_unshuffle(X(1, 1, 3, 2), 2),
          "pixel_unshuffle: the extent 3 along axis 2 cannot be divided by 2");
  refused(&f, cy_pixel_shuffle(X(1, 6, 2), 0), "the factor 0 must be positive");
  feeds_end(&f);
#undef X
}

/* A kernel of one element takes any dilation, for there is no second one. */
static void a_dilation_without_a_second_element_means_nothing(void **state) {
  (void)state;
  feeds f = feeds_begin();
  cy_windows wide = {.kernel = {1}, .dilation = {INT64_MAX}, .low = {2}, .high = {1}};
  cy_value x = given(&f, CY_SHAPE(1, 1, 2), NUMBERS(3, 5)), gradient, y = cy_avg_pool(x, wide, false);
  expect(&f, y, CY_SHAPE(1, 1, 5), NUMBERS(0, 0, 3, 5, 0));
  expect(&f, cy_max_pool(x, wide), CY_SHAPE(1, 1, 5), NUMBERS(0, 0, 3, 5, 0));
  assert_ok(cy_grad(cy_sum(cy_square(y), NULL, 0, false), &x, 1, &gradient));
  expect(&f, gradient, CY_SHAPE(1, 1, 2), NUMBERS(6, 10));
  expect(&f, cy_convolution(x, given(&f, CY_SHAPE(1, 1, 1), NUMBERS(2)), wide), CY_SHAPE(1, 1, 5), NUMBERS(0, 0, 6, 10, 0));
  feeds_end(&f);
}

/* The image takes 4 bytes; lists of its places would take more than can be counted. */
static void windows_larger_than_memory_are_refused(void **state) {
  (void)state;
  const int64_t most = INT64_MAX / 8 / 5 * 4;
  feeds f = feeds_begin();
  cy_program *program;
  int i = feeds_add(&f, CY_F32, CY_SHAPE(1, 1, 1));
  cy_value y = cy_window_sum(cy_broadcast(f.value[i], CY_SHAPE(1, 1, most)), (cy_windows){.kernel = {most}});
  assert_ok(cy_graph_status(f.graph));
  assert_int_equal(cy_compile(&y, 1, NULL, 0, (cy_program_options){.threads = 2}, &program), CY_NO_MEMORY);
  assert_null(program);
  feeds_end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_of_the_coursework),
      cmocka_unit_test(the_matrix_of_a_strided_convolution),
      cmocka_unit_test(a_transposed_convolution_is_the_transpose),
      cmocka_unit_test(the_derivative_by_a_weight_is_the_input),
      cmocka_unit_test(convolutions_agree_with_their_definition),
      cmocka_unit_test(pools_agree_with_their_definitions),
      cmocka_unit_test(the_first_of_equal_and_nan_win_and_padding_does_not),
      cmocka_unit_test(positions_outside_read_zero_and_add_nothing),
      cmocka_unit_test(pools_and_padding_agree_with_pytorch),
      cmocka_unit_test(adaptive_pools_agree_with_their_definition),
      cmocka_unit_test(resizing_agrees_with_pytorch),
      cmocka_unit_test(cubic_resizing_is_keys),
      cmocka_unit_test(resizing_reads_only_what_counts),
      cmocka_unit_test(pixel_shuffle_moves_channels_into_space_and_back),
      cmocka_unit_test(results_depend_on_nothing_outside_their_reach),
      cmocka_unit_test(hessian_vector_products_agree_with_differences_of_gradients),
      cmocka_unit_test(third_derivatives_agree_with_differences),
      cmocka_unit_test(convolution_commutes_with_translation),
      cmocka_unit_test(convolutions_say_what_does_not_fit),
      cmocka_unit_test(pools_and_resizing_say_what_does_not_fit),
      cmocka_unit_test(a_dilation_without_a_second_element_means_nothing),
      cmocka_unit_test(windows_larger_than_memory_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
