/* The CPU's kernels for operations on windows against the rows' reference kernels: random windows, images with channels
 * innermost, row by row, or of odd strides. What lies between and around an operand's elements is NaN and stays so. */
#include "backend/backends.h"
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "ops/convolution_bias.h"
#include "ops/window.h"

#include <math.h>
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

/* ---- arrays ---- */

enum { MARGIN = 256 };
typedef enum way { ROWS, CHANNELS_LAST, ODD, REPEATS, WAYS } way;

typedef struct array {
  cy_view view;
  char *memory;
  size_t bytes;
} array;

static cy_view layout_of(cy_dtype dtype, cy_shape shape, way how) {
  int order[CY_MAX_RANK];
  cy_view v = {.dtype = dtype, .shape = shape};
  int64_t step = how == ODD ? 1 + below(3) : 1;
  for (int i = 0; i < shape.rank; i++) order[i] = i;
  if (how == CHANNELS_LAST) {
    for (int i = 1; i + 1 < shape.rank; i++) order[i] = i + 1;
    order[shape.rank - 1] = 1;
  } else if (how == ODD || how == REPEATS) {
    for (int i = shape.rank - 1; i > 0; i--) {
      const int k = (int)below(i + 1), swap = order[i];
      order[i] = order[k], order[k] = swap;
    }
  }
  for (int i = shape.rank - 1; i >= 0; i--) {
    const int axis = order[i];
    v.stride[axis] = how == REPEATS && below(3) == 0 ? 0 : step;
    if (v.stride[axis]) step *= shape.dim[axis] > 0 ? shape.dim[axis] : 1;
    if (how == ODD && below(3) == 0) step += below(4);
  }
  return v;
}

static array array_create(cy_dtype dtype, cy_shape shape, way how) {
  array a = {.view = layout_of(dtype, shape, how)};
  int64_t reach = cy_count(shape) ? 1 : 0, below_zero = 0;
  for (int i = 0; i < shape.rank && reach; i++) {
    if (how == REPEATS && below(3) == 0) a.view.stride[i] = -a.view.stride[i];
    const int64_t span = (shape.dim[i] - 1) * a.view.stride[i];
    if (span < 0) below_zero -= span;
    reach += span < 0 ? -span : span;
  }
  a.bytes = (size_t)reach * cy_dtype_size(dtype) + 2 * MARGIN;
  a.memory = malloc(a.bytes);
  assert_non_null(a.memory);
  memset(a.memory, 0xff, a.bytes);
  a.view.data = a.memory + MARGIN + (size_t)below_zero * cy_dtype_size(dtype);
  return a;
}

static void fill(array *a) {
  for (cy_walk w = cy_walk_start(a->view.shape); w.more; cy_walk_next(&w))
    cy_store(a->view.data, a->view.dtype, cy_walk_offset(&w, a->view.stride), unit());
}

/* Only the elements were written. */
static void check_surroundings(const array *a) {
  char *copy = malloc(a->bytes);
  cy_view v = a->view;
  memcpy(copy, a->memory, a->bytes);
  v.data = copy + ((char *)a->view.data - a->memory);
  for (cy_walk w = cy_walk_start(v.shape); w.more; cy_walk_next(&w))
    memset((char *)v.data + cy_walk_offset(&w, v.stride) * (int64_t)cy_dtype_size(v.dtype), 0xff,
           cy_dtype_size(v.dtype));
  for (size_t i = 0; i < a->bytes; i++) assert_int_equal((unsigned char)copy[i], 0xff);
  free(copy);
}

/* ---- running both kernels ---- */

typedef struct setting {
  const cy_op *op;
  const cy_window_attrs *attrs; /* or those of a row whose attributes begin with them */
  int n_in;
  array *in;
  cy_type result;
  way how; /* the result's layout */
  int threads;
  double tolerance; /* 0: equal bits */
} setting;

static const char *describe_setting(const setting *s, const char *kernel, char *text, size_t size) {
  const cy_window_attrs *a = s->attrs;
  char shape[CY_SHAPE_TEXT];
  int n = snprintf(text, size, "%s (%s) role %d groups %d threads %d result %s way %d:", s->op->name, kernel,
                   (int)a->role, (int)a->groups, s->threads, cy_shape_text(s->result.shape, shape), (int)s->how);
  for (int i = 0; i < s->n_in; i++) {
    n += snprintf(text + n, size - (size_t)n, " in %s strides", cy_shape_text(s->in[i].view.shape, shape));
    for (int k = 0; k < s->in[i].view.shape.rank; k++)
      n += snprintf(text + n, size - (size_t)n, " %d", (int)s->in[i].view.stride[k]);
  }
  for (int i = 0; i < a->size.n && (int)size > n + 120; i++)
    n += snprintf(text + n, size - (size_t)n, ", axis %d: size %d kernel %d stride %d dilation %d low %d high %d", i,
                  (int)a->size.at[i], (int)a->kernel.at[i], (int)a->stride.at[i], (int)a->dilation.at[i],
                  (int)a->low.at[i], (int)a->high.at[i]);
  return text;
}

/* Winograd's rounding error is several times that of the direct sum. */
static void compare(const setting *s, const char *kernel, const array *got, const array *want) {
  const double tolerance = s->tolerance * (strncmp(kernel, "winograd", 8) == 0 ? 4 : 1);
  char text[1024];
  for (cy_walk w = cy_walk_start(s->result.shape); w.more; cy_walk_next(&w)) {
    const double g = cy_load(got->view.data, s->result.dtype, cy_walk_offset(&w, got->view.stride));
    const double e = cy_load(want->view.data, s->result.dtype, cy_walk_offset(&w, want->view.stride));
    if (isfinite(e) ? !(fabs(g - e) <= tolerance) : isnan(e) ? !isnan(g) : g != e)
      fail_msg("%s: element %d %d %d is %.9g, not %.9g", describe_setting(s, kernel, text, sizeof text),
               (int)w.index[0], (int)w.index[1], (int)w.index[2], g, e);
  }
}

/* Runs twice, with whatever is in the workspace; the second time as in a frozen program if the kernel prepares. */
static void check_kernels(const setting *s) {
  cy_operand in[3], out;
  array want = array_create(s->result.dtype, s->result.shape, ROWS),
        got = array_create(s->result.dtype, s->result.shape, s->how);
  cy_view views[3];
  void *data[3], *plan, *kept = NULL;
  out = (cy_operand){.layout = got.view};
  out.layout.data = NULL;
  for (int i = 0; i < s->n_in; i++) {
    views[i] = s->in[i].view;
    in[i] = (cy_operand){.layout = views[i]};
    in[i].layout.data = NULL;
    data[i] = views[i].data;
  }
  s->op->kernel(&(cy_call){s->op, s->attrs, s->n_in, views, &want.view});
  cy_instruction instruction = {
      .op = s->op, .attrs = s->attrs, .n_in = s->n_in, .in = in, .n_out = 1, .out = &out, .label = "", .still = ~0u};
  const cy_kernel *kernel = cy_cpu_backend.find(&instruction);
  if (!kernel) kernel = &cy_reference_kernel;
  assert_int_equal(kernel->create(&instruction, s->threads, &plan), CY_OK);
  const size_t bytes = kernel->scratch ? kernel->scratch(plan) : 0;
  char *scratch = cy_alloc_aligned(bytes + 64);
  memset(scratch, 0xff, bytes + 64);
  if (kernel->instance) assert_int_equal(kernel->instance(plan, &kept), CY_OK);
  for (int time = 0; time < 2; time++) {
    memset(got.memory, 0xff, got.bytes);
    void *result = got.view.data;
    assert_int_equal(kernel->run(plan, kept, data, &result, scratch), CY_OK);
    compare(s, kernel->describe ? kernel->describe(plan) : "reference", &got, &want);
    check_surroundings(&got);
    for (int i = 0; i < 64; i++) assert_int_equal((unsigned char)scratch[bytes + (size_t)i], 0xff);
    memset(scratch, 0x7f, bytes); /* large numbers */
    if (kernel->prepare) kernel->prepare(plan, kept, data, scratch);
  }
  if (kernel->free_instance) kernel->free_instance(kept);
  if (kernel->destroy) kernel->destroy(plan);
  cy_free(scratch);
  free(got.memory);
  free(want.memory);
}

/* ---- convolutions ---- */

typedef struct form {
  cy_window_attrs attrs;
  cy_shape shape[3]; /* x, w, y */
} form;

static form form_of(cy_windows windows, int64_t batch, int64_t channels, int64_t filters, int space,
                    const int64_t *size) {
  form f = {.shape[0] = {.rank = 2 + space, .dim = {batch, channels}}};
  for (int i = 0; i < space; i++) f.shape[0].dim[2 + i] = size[i];
  f.attrs = cy_window_attrs_of(&windows, f.shape[0]);
  f.shape[1] = cy_window_image(f.shape[0], &f.attrs.kernel);
  f.shape[1].dim[0] = filters;
  f.shape[1].dim[1] = channels / f.attrs.groups;
  f.shape[2] = cy_window_result(f.shape[0], &f.attrs);
  f.shape[2].dim[1] = filters;
  return f;
}

/* Terms that an element of the result sums. */
static double terms(const form *f) {
  const double taps = (double)cy_count(f->shape[1]) / (double)(f->shape[1].dim[0] * f->shape[1].dim[1]);
  const double windows = (double)f->shape[2].dim[0] * (double)cy_count(f->shape[2]) /
                         (double)(f->shape[2].dim[0] * f->shape[2].dim[1]);
  const double channels = (double)f->shape[1].dim[1], filters = (double)f->shape[1].dim[0] / (double)f->attrs.groups;
  return f->attrs.role == CY_CONVOLUTION_Y   ? taps * channels
         : f->attrs.role == CY_CONVOLUTION_X ? taps * filters
                                             : windows;
}

/* Gives an element of the image this value. */
static void spoil(array *image, double value) {
  const int64_t count = cy_count(image->view.shape);
  int64_t place = count ? below(count) : 0;
  for (cy_walk w = cy_walk_start(image->view.shape); w.more; cy_walk_next(&w))
    if (place-- == 0) cy_store(image->view.data, image->view.dtype, cy_walk_offset(&w, image->view.stride), value);
}

static void check_form(form *f, cy_convolution_role role, cy_dtype dtype, const way how[3], int threads, double wrong) {
  static const int result_of[3] = {[CY_CONVOLUTION_Y] = 2, [CY_CONVOLUTION_X] = 0, [CY_CONVOLUTION_W] = 1};
  const int result = result_of[role];
  array in[2];
  int n = 0;
  f->attrs.role = role;
  const double sum = cy_count(f->shape[0]) && cy_count(f->shape[2]) ? terms(f) : 1;
  for (int i = 0; i < 3; i++) {
    if (i == result) continue;
    in[n] = array_create(dtype, f->shape[i], how[i]);
    fill(&in[n++]);
  }
  if (wrong != 0) spoil(role == CY_CONVOLUTION_X ? &in[1] : &in[0], wrong);
  setting s = {.op = &cy_op_convolution, .attrs = &f->attrs, .n_in = 2, .in = in, .result = {dtype, f->shape[result]},
               .how = how[result] == REPEATS ? ODD : how[result], .threads = threads,
               .tolerance = (dtype == CY_F32 ? 2e-7 : 4e-16) * (8 + sum)};
  check_kernels(&s);
  free(in[0].memory);
  free(in[1].memory);
}

static form random_form(bool padded) {
  static const int64_t extents[] = {1, 1, 2, 3, 3, 4, 8, 16, 17};
  const int space = 1 + (int)below(3);
  cy_windows windows = {.groups = below(3) ? 1 : 1 + below(4)};
  int64_t size[CY_MAX_SPACE];
  for (int i = 0; i < space; i++) {
    windows.kernel[i] = 1 + below(space == 3 ? 3 : 5);
    windows.stride[i] = 1 + below(3);
    windows.dilation[i] = below(3) ? 1 : 1 + below(2);
    windows.low[i] = padded ? below(3) : 0, windows.high[i] = padded ? below(4) : 0;
    const int64_t span = windows.dilation[i] * (windows.kernel[i] - 1) + 1, padding = windows.low[i] + windows.high[i];
    size[i] = (span > padding ? span - padding : 1) + below(space == 3 ? 3 : 7);
  }
  const int64_t channels = windows.groups * extents[below(space == 3 ? 6 : 9)];
  const int64_t filters = windows.groups * extents[below(space == 3 ? 6 : 9)];
  return form_of(windows, below(12) ? 1 + below(3) : 0, channels, filters, space, size);
}

static void test_convolution_random(void **state) {
  (void)state;
  for (int i = 0; i < 900; i++) {
    form f = random_form(true);
    const way images = i % 4 < 2 ? CHANNELS_LAST : (way)below(WAYS), weights = below(3) ? ROWS : (way)below(WAYS);
    const way how[3] = {images, weights, below(4) ? images : (way)below(WAYS)};
    check_form(&f, (cy_convolution_role)(i % 3), i % 5 < 3 ? CY_F32 : CY_F64, how, 1 + i % 2, 0);
  }
}

/* Forms whose windows are multiplied as they lie: few channels, single places, strides. */
static form direct_form(int kind) {
  const int space = 1 + (int)below(2);
  cy_windows windows = {.groups = 1};
  int64_t size[CY_MAX_SPACE];
  for (int k = 0; k < space; k++) {
    windows.kernel[k] = kind == 1 ? 1 : 1 + below(kind ? 3 : 9);
    windows.stride[k] = 1 + below(3);
    windows.dilation[k] = kind || k + 1 < space ? 1 + below(2) : 1;
    windows.low[k] = kind == 1 ? 0 : below(6), windows.high[k] = kind == 1 ? 0 : below(6);
    size[k] = windows.dilation[k] * (windows.kernel[k] - 1) + 1 + below(kind ? 20 : 40);
  }
  return form_of(windows, 1 + below(kind ? 4 : 18), 1 + below(kind ? 40 : 4), 1 + below(40), space, size);
}

static void test_convolution_direct(void **state) {
  (void)state;
  for (int i = 0; i < 144; i++) {
    form f = direct_form(i % 3);
    const way how[3] = {below(4) ? CHANNELS_LAST : ROWS, below(4) ? ROWS : ODD, below(4) ? CHANNELS_LAST : ODD};
    check_form(&f, (cy_convolution_role)(i / 3 % 3), CY_F32, how, 1 + (int)below(3), 0);
  }
}

/* Without padding, whose zeros a kernel may or may not multiply. */
static void test_convolution_not_finite(void **state) {
  (void)state;
  const double wrong[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 200; i++) {
    form f = random_form(false);
    const way images = i % 2 ? CHANNELS_LAST : ROWS, how[3] = {images, ROWS, images};
    check_form(&f, (cy_convolution_role)(i % 3), i % 4 ? CY_F32 : CY_F64, how, 1 + i % 2, wrong[below(3)]);
  }
}

/* Layers as networks have them. */
static void test_convolution_layers(void **state) {
  (void)state;
  static const struct {
    int64_t channels, filters, size, kernel, stride, pad, groups;
  } layers[] = {{1, 32, 28, 3, 2, 1, 1},   {3, 32, 16, 3, 2, 1, 1},   {32, 64, 7, 5, 1, 2, 1},
                {128, 256, 3, 3, 1, 1, 1}, {64, 128, 8, 1, 2, 0, 1},  {512, 96, 2, 3, 1, 1, 1},
                {512, 512, 1, 3, 1, 1, 1}, {64, 64, 12, 3, 1, 1, 64}, {48, 48, 9, 5, 2, 2, 48},
                {32, 64, 9, 3, 1, 1, 32},  {40, 24, 6, 1, 1, 0, 1},   {64, 64, 12, 3, 1, 1, 4}};
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    for (int role = 0; role < 3; role++)
      for (int dtype = 0; dtype < 2; dtype++) {
        const int64_t k = layers[i].kernel, s = layers[i].stride, p = layers[i].pad,
                      size[2] = {layers[i].size, layers[i].size};
        const cy_windows windows = {
            .kernel = {k, k}, .stride = {s, s}, .low = {p, p}, .high = {p, p}, .groups = layers[i].groups};
        form f = form_of(windows, 2, layers[i].channels, layers[i].filters, 2, size);
        const way how[3] = {below(2) ? CHANNELS_LAST : ROWS, ROWS, CHANNELS_LAST};
        check_form(&f, (cy_convolution_role)role, dtype ? CY_F64 : CY_F32, how, 2, 0);
      }
}

/* y with its bias, and relu of it. */
static void check_bias(form *f, bool relu, cy_dtype dtype, const way how[3], int threads, double wrong) {
  const cy_convolution_bias_attrs attrs = {f->attrs, relu};
  array in[3] = {array_create(dtype, f->shape[0], how[0]), array_create(dtype, f->shape[1], how[1]),
                 array_create(dtype, CY_SHAPE(f->shape[2].dim[1]), below(2) ? ROWS : REPEATS)};
  for (int i = 0; i < 3; i++) fill(&in[i]);
  if (wrong != 0) spoil(&in[0], wrong);
  const double sum = cy_count(f->shape[0]) ? terms(f) : 1;
  setting s = {.op = &cy_op_convolution_bias, .attrs = &attrs.windows, .n_in = 3, .in = in,
               .result = {dtype, f->shape[2]}, .how = how[2], .threads = threads,
               .tolerance = (dtype == CY_F32 ? 2e-7 : 4e-16) * (8 + sum)};
  check_kernels(&s);
  for (int i = 0; i < 3; i++) free(in[i].memory);
}

static void test_convolution_bias(void **state) {
  (void)state;
  for (int i = 0; i < 300; i++) {
    form f = i % 2 ? random_form(i % 5 > 0) : direct_form(i / 2 % 2);
    const way images = i % 3 ? CHANNELS_LAST : ROWS, how[3] = {images, ROWS, below(4) ? CHANNELS_LAST : ODD};
    const double wrong = i % 2 == 0 || i % 5 > 0 ? 0 : (const double[]){NAN, INFINITY, -INFINITY}[below(3)];
    check_bias(&f, below(2), i % 4 ? CY_F32 : CY_F64, how, 1 + i % 2, wrong);
  }
}

/* ---- pooling ---- */

/* A random image and windows that fit onto it. large: more elements in a window than are compared one by one. */
static cy_window_attrs random_windows(bool large, cy_shape *x) {
  static const int64_t channels[] = {1, 3, 8, 16, 17, 32, 40, 64};
  const int space = 1 + (int)below(3);
  cy_windows windows = {0};
  *x = (cy_shape){.rank = 2 + space, .dim = {below(12) ? 1 + below(3) : 0, channels[below(8)]}};
  for (int i = 0; i < space; i++) {
    windows.kernel[i] = 1 + below(large ? 5 : 3);
    windows.stride[i] = 1 + below(3);
    windows.dilation[i] = below(3) ? 1 : 1 + below(3);
    windows.low[i] = below(4), windows.high[i] = below(4);
    const int64_t span = windows.dilation[i] * (windows.kernel[i] - 1) + 1, padding = windows.low[i] + windows.high[i];
    x->dim[2 + i] = (span > padding ? span - padding : 1) + below(space == 3 ? 4 : 9);
  }
  return cy_window_attrs_of(&windows, *x);
}

static void check_pool(const cy_op *op, const cy_window_attrs *attrs, array *in, int n_in, cy_type result, way how,
                       int threads) {
  setting s = {.op = op, .attrs = attrs, .n_in = n_in, .in = in, .result = result, .how = how, .threads = threads,
               .tolerance = result.dtype == CY_F32 ? 1e-4 : 1e-12};
  if (op == &cy_op_window_argmax || op == &cy_op_window_max || op == &cy_op_window_gather) s.tolerance = 0;
  check_kernels(&s);
}

static way image_way(bool result) {
  const way how = below(3) ? CHANNELS_LAST : (way)below(WAYS);
  return result && how == REPEATS ? ROWS : how;
}

/* Values of which many are equal, some NaN or infinite: ties go to the first. */
static void fill_with_ties(array *a, bool special) {
  for (cy_walk w = cy_walk_start(a->view.shape); w.more; cy_walk_next(&w)) {
    const int64_t draw = below(40);
    const double v = special && draw == 0   ? NAN
                     : special && draw < 3  ? -INFINITY
                     : special && draw == 3 ? INFINITY
                                            : (double)below(4) - 2;
    cy_store(a->view.data, a->view.dtype, cy_walk_offset(&w, a->view.stride), v);
  }
}

static void test_window_sums(void **state) {
  (void)state;
  for (int i = 0; i < 400; i++) {
    cy_shape x;
    const cy_window_attrs attrs = random_windows(i % 4 == 0, &x);
    const cy_shape y = cy_window_result(x, &attrs);
    const cy_dtype dtype = i % 3 ? CY_F32 : CY_F64;
    const bool spread = i % 2;
    array in = array_create(dtype, spread ? y : x, image_way(false));
    fill(&in);
    check_pool(spread ? &cy_op_window_spread : &cy_op_window_sum, &attrs, &in, 1, (cy_type){dtype, spread ? x : y},
               image_way(true), 1 + (int)below(3));
    free(in.memory);
  }
}

/* argmax; then, at its positions, reading and adding. */
static void test_window_maxima(void **state) {
  (void)state;
  for (int i = 0; i < 400; i++) {
    cy_shape x;
    cy_window_attrs attrs = random_windows(i % 4 == 0, &x);
    const cy_shape y = cy_window_result(x, &attrs);
    const cy_dtype dtype = i % 3 ? CY_F32 : CY_F64;
    const int threads = 1 + (int)below(3);
    array in[2] = {array_create(dtype, x, image_way(false)), array_create(CY_I32, y, image_way(true))};
    fill_with_ties(&in[0], i % 2);
    check_pool(&cy_op_window_argmax, &attrs, in, 1, (cy_type){CY_I32, y}, image_way(true), threads);
    check_pool(&cy_op_window_max, &attrs, in, 1, (cy_type){dtype, y}, image_way(true), threads);
    cy_op_window_argmax.kernel(&(cy_call){&cy_op_window_argmax, &attrs, 1, &in[0].view, &in[1].view});
    if (i % 5 == 0) { /* anywhere, also outside */
      attrs.kernel.n = 0;
      for (cy_walk w = cy_walk_start(y); w.more; cy_walk_next(&w))
        cy_store(in[1].view.data, CY_I32, cy_walk_offset(&w, in[1].view.stride), (double)(below(2 * x.dim[2]) - 1));
    }
    check_pool(&cy_op_window_gather, &attrs, in, 2, (cy_type){dtype, y}, image_way(true), threads);
    array back[2] = {array_create(dtype, y, image_way(false)), in[1]};
    fill(&back[0]);
    check_pool(&cy_op_window_scatter, &attrs, back, 2, (cy_type){dtype, x}, image_way(true), threads);
    free(in[0].memory), free(in[1].memory), free(back[0].memory);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_convolution_random), cmocka_unit_test(test_convolution_direct),
      cmocka_unit_test(test_convolution_not_finite),
      cmocka_unit_test(test_convolution_layers),
      cmocka_unit_test(test_convolution_bias),
      cmocka_unit_test(test_window_sums),
      cmocka_unit_test(test_window_maxima),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
