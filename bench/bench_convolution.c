/* Convolutions of small networks: our kernel, given images with channels innermost and weights row by row as a compiled
 * program gives them, beside oneDNN in a loop of its own: every operand in the format it likes best, nothing converted
 * (what its own benchmark times), by its direct algorithms, and by those that it chooses itself (Winograd's among
 * them). Use: bench_convolution [threads [batch [layer...]]]. Rates in GFLOP/s of the direct sum, from the fastest
 * tenth of interleaved runs; the ratios are to oneDNN's direct rate. "kept": with weights converted beforehand, as in
 * frozen programs. */
#include "backend/backends.h"
#include "base/memory.h"
#include "ops/window.h"
#include "timing.h"

#include <cauchy_config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if CY_HAVE_ONEDNN
#include <dnnl.h>
#endif

typedef struct layer {
  const char *name;
  int64_t channels, filters, size, kernel, stride, pad;
} layer;

static const layer layers[] = {{"28 conv1", 1, 32, 28, 3, 2, 1},         {"28 conv2", 32, 64, 14, 5, 1, 2},
                               {"28 conv3", 64, 128, 7, 3, 1, 1},        {"28 conv4", 128, 256, 3, 3, 1, 1},
                               {"64 conv1", 3, 32, 64, 3, 2, 1},         {"64 conv2", 32, 64, 32, 5, 1, 2},
                               {"64 conv3", 64, 128, 16, 3, 1, 1},       {"64 conv4", 128, 256, 8, 3, 1, 1},
                               {"resnet 3", 3, 64, 32, 3, 1, 1},         {"resnet 64", 64, 64, 32, 3, 1, 1},
                               {"resnet 64-128", 64, 128, 32, 3, 2, 1},  {"resnet 1x1", 64, 128, 32, 1, 2, 0},
                               {"resnet 128", 128, 128, 16, 3, 1, 1},    {"resnet 256", 256, 256, 8, 3, 1, 1},
                               {"resnet 256-512", 256, 512, 8, 3, 2, 1}, {"resnet 512", 512, 512, 4, 3, 1, 1}};

static const char *const role_names[] = {"y", "x", "w"};

typedef struct runner {
  void (*run)(void *state);
  void *state;
  double seconds;
} runner;

/* ---- our kernel ---- */

typedef struct ours {
  cy_window_attrs attrs;
  cy_operand in[2], out;
  cy_instruction instruction;
  const cy_kernel *kernel;
  void *plan, *instance, *data[3], *result, *scratch;
} ours;

static void *filled(size_t bytes) {
  float *data = cy_alloc_aligned(bytes);
  if (!data) abort();
  for (size_t i = 0; i < bytes / sizeof *data; i++) data[i] = (float)(i % 17) / 17 - 0.4f;
  return data;
}

static cy_view channels_last(cy_shape shape) {
  cy_view v = {.dtype = CY_F32, .shape = shape};
  v.stride[1] = 1;
  v.stride[3] = shape.dim[1];
  v.stride[2] = shape.dim[3] * v.stride[3];
  v.stride[0] = shape.dim[2] * v.stride[2];
  return v;
}

static ours *ours_create(const layer *l, int64_t batch, int role, bool kept, int threads) {
  ours *o = calloc(1, sizeof *o);
  const cy_windows windows = {.kernel = {l->kernel, l->kernel}, .stride = {l->stride, l->stride},
                              .low = {l->pad, l->pad}, .high = {l->pad, l->pad}};
  if (!o) abort();
  cy_shape x = CY_SHAPE(batch, l->channels, l->size, l->size),
           w = CY_SHAPE(l->filters, l->channels, l->kernel, l->kernel);
  o->attrs = cy_window_attrs_of(&windows, x);
  o->attrs.kernel = (cy_list){2, {l->kernel, l->kernel}};
  o->attrs.role = role;
  cy_shape y = cy_window_result(x, &o->attrs);
  y.dim[1] = l->filters;
  const cy_view views[3] = {channels_last(x), cy_view_row_major(NULL, CY_F32, w), channels_last(y)};
  const int result = role == CY_CONVOLUTION_Y ? 2 : role == CY_CONVOLUTION_X ? 0 : 1;
  for (int i = 0, k = 0; i < 3; i++) {
    void *data = filled((size_t)cy_count(views[i].shape) * sizeof(float));
    if (i == result) o->out = (cy_operand){.layout = views[i]}, o->result = data;
    else o->in[k] = (cy_operand){.layout = views[i]}, o->data[k++] = data;
  }
  o->instruction = (cy_instruction){.op = &cy_op_convolution, .attrs = &o->attrs, .n_in = 2, .in = o->in, .n_out = 1,
                                    .out = &o->out, .label = "", .still = kept ? 2u >> (role == CY_CONVOLUTION_X) : 0};
  o->kernel = cy_cpu_backend.find(&o->instruction);
  if (!o->kernel || o->kernel->create(&o->instruction, threads, &o->plan) != CY_OK ||
      o->kernel->instance(o->plan, &o->instance) != CY_OK)
    abort();
  o->scratch = cy_alloc_aligned(o->kernel->scratch(o->plan));
  if (!o->scratch) abort();
  if (kept && o->kernel->prepare) o->kernel->prepare(o->plan, o->instance, o->data, o->scratch);
  return o;
}

static void ours_run(void *state) {
  ours *o = state;
  if (o->kernel->run(o->plan, o->instance, o->data, &o->result, o->scratch) != CY_OK) abort();
}

static void ours_free(ours *o) {
  o->kernel->free_instance(o->instance);
  o->kernel->destroy(o->plan);
  cy_free(o->data[0]), cy_free(o->data[1]), cy_free(o->result), cy_free(o->scratch);
  free(o);
}

/* ---- the library by itself ---- */

#if CY_HAVE_ONEDNN
typedef struct library {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  dnnl_primitive_desc_t forward, desc;
  dnnl_primitive_t primitive;
  dnnl_memory_t memory[3];
  dnnl_exec_arg_t arguments[3];
  const char *name;
} library;

static void need(dnnl_status_t status) {
  if (status != dnnl_success) abort();
}

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t memory_desc;

static dnnl_status_t library_plan(library *b, const dnnl_dims_t dims[3], dnnl_alg_kind_t algorithm,
                                  const dnnl_dims_t stride, const dnnl_dims_t pad, int role) {
  const dnnl_dims_t dilation = {0, 0};
  dnnl_memory_desc_t d[3];
  for (int i = 0; i < 3; i++) need(dnnl_memory_desc_create_with_tag(&d[i], 4, dims[i], dnnl_f32, dnnl_format_tag_any));
  dnnl_status_t status =
      dnnl_convolution_forward_primitive_desc_create(&b->forward, b->engine, dnnl_forward_training, algorithm, d[0],
                                                     d[1], NULL, d[2], stride, dilation, pad, pad, NULL);
  if (status == dnnl_success && role == CY_CONVOLUTION_X)
    status = dnnl_convolution_backward_data_primitive_desc_create(&b->desc, b->engine, algorithm, d[0], d[1], d[2],
                                                                  stride, dilation, pad, pad, b->forward, NULL);
  if (status == dnnl_success && role == CY_CONVOLUTION_W)
    status = dnnl_convolution_backward_weights_primitive_desc_create(
        &b->desc, b->engine, algorithm, d[0], d[1], NULL, d[2], stride, dilation, pad, pad, b->forward, NULL);
  for (int i = 0; i < 3; i++) dnnl_memory_desc_destroy(d[i]);
  return status;
}
#else
typedef const dnnl_memory_desc_t *memory_desc;

static dnnl_status_t library_plan(library *b, const dnnl_dims_t dims[3], dnnl_alg_kind_t algorithm,
                                  const dnnl_dims_t stride, const dnnl_dims_t pad, int role) {
  dnnl_memory_desc_t d[3];
  dnnl_convolution_desc_t c;
  for (int i = 0; i < 3; i++) need(dnnl_memory_desc_init_by_tag(&d[i], 4, dims[i], dnnl_f32, dnnl_format_tag_any));
  need(dnnl_convolution_forward_desc_init(&c, dnnl_forward_training, algorithm, &d[0], &d[1], NULL, &d[2], stride, pad,
                                          pad));
  dnnl_status_t status = dnnl_primitive_desc_create(&b->forward, &c, NULL, b->engine, NULL);
  if (status != dnnl_success || role == CY_CONVOLUTION_Y) return status;
  if (role == CY_CONVOLUTION_X)
    need(dnnl_convolution_backward_data_desc_init(&c, algorithm, &d[0], &d[1], &d[2], stride, pad, pad));
  else
    need(dnnl_convolution_backward_weights_desc_init(&c, algorithm, &d[0], &d[1], NULL, &d[2], stride, pad, pad));
  return dnnl_primitive_desc_create(&b->desc, &c, NULL, b->engine, b->forward);
}
#endif

static library *library_create(const layer *l, int64_t batch, int role, dnnl_alg_kind_t algorithm) {
  static const int arguments[3][3] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                      {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                                      {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
  static const dnnl_query_t queries[3][3] = {{dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
                                             {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
                                             {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md}};
  library *b = calloc(1, sizeof *b);
  const int64_t out = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
  const dnnl_dims_t dims[3] = {{batch, l->channels, l->size, l->size}, {l->filters, l->channels, l->kernel, l->kernel},
                               {batch, l->filters, out, out}};
  const dnnl_dims_t stride = {l->stride, l->stride}, pad = {l->pad, l->pad};
  if (!b) abort();
  need(dnnl_engine_create(&b->engine, dnnl_cpu, 0));
  need(dnnl_stream_create(&b->stream, b->engine, dnnl_stream_default_flags));
  need(library_plan(b, dims, algorithm, stride, pad, role));
  if (!b->desc) b->desc = b->forward, b->forward = NULL;
  need(dnnl_primitive_create(&b->primitive, b->desc));
  need(dnnl_primitive_desc_query(b->desc, dnnl_query_impl_info_str, 0, (void *)&b->name));
  for (int i = 0; i < 3; i++) {
    const memory_desc d = dnnl_primitive_desc_query_md(b->desc, queries[role][i], 0);
    void *data = filled(dnnl_memory_desc_get_size(d));
    need(dnnl_memory_create(&b->memory[i], d, b->engine, data));
    b->arguments[i] = (dnnl_exec_arg_t){arguments[role][i], b->memory[i]};
  }
  return b;
}

static void library_run(void *state) {
  library *b = state;
  need(dnnl_primitive_execute(b->primitive, b->stream, 3, b->arguments));
  need(dnnl_stream_wait(b->stream));
}

static void library_free(library *b) {
  for (int i = 0; i < 3; i++) {
    void *data;
    need(dnnl_memory_get_data_handle(b->memory[i], &data));
    dnnl_memory_destroy(b->memory[i]);
    cy_free(data);
  }
  dnnl_primitive_destroy(b->primitive);
  dnnl_primitive_desc_destroy(b->desc);
  if (b->forward) dnnl_primitive_desc_destroy(b->forward);
  dnnl_stream_destroy(b->stream);
  dnnl_engine_destroy(b->engine);
  free(b);
}
#endif

/* ---- timing ---- */

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* With one thread its own time, which other work on the machine does not lengthen as much. */
static double clock_of(int threads) {
  struct timespec t;
  if (threads > 1) return timing_now();
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One run of each in turn, so that they see the same machine. */
static void measure(runner *runners, int n, double seconds, int threads) {
  enum { MOST = 400 };
  double *times = malloc(sizeof(double[MOST]) * (size_t)n), end = timing_now() + seconds;
  int count = 0;
  if (!times) abort();
  for (int warm = 0; warm < 2; warm++)
    for (int i = 0; i < n; i++) runners[i].run(runners[i].state);
  while (count < 5 || (count < MOST && timing_now() < end)) {
    for (int i = 0; i < n; i++) {
      runners[i].run(runners[i].state); /* bring its operands back into the cache */
      const double begin = clock_of(threads);
      runners[i].run(runners[i].state);
      times[i * MOST + count] = clock_of(threads) - begin;
    }
    count++;
  }
  for (int i = 0; i < n; i++) {
    qsort(times + i * MOST, (size_t)count, sizeof *times, by_size);
    runners[i].seconds = times[i * MOST + count / 10];
  }
  free(times);
}

static void row(const layer *l, int64_t batch, int role, int threads) {
  const int64_t out = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
  const double gflop = 2e-9 * (double)(batch * out * out * l->filters * l->channels * l->kernel * l->kernel);
  runner runners[4];
  int n = 0;
  ours *plain = ours_create(l, batch, role, false, threads), *kept = ours_create(l, batch, role, true, threads);
  runners[n++] = (runner){.run = ours_run, .state = plain};
  runners[n++] = (runner){.run = ours_run, .state = kept};
#if CY_HAVE_ONEDNN
  library *direct = library_create(l, batch, role, dnnl_convolution_direct);
  library *chosen = library_create(l, batch, role, dnnl_convolution_auto);
  runners[n++] = (runner){.run = library_run, .state = direct};
  runners[n++] = (runner){.run = library_run, .state = chosen};
#endif
  measure(runners, n, 0.25, threads);
  printf("%-15s %3lld %s %8.3f", l->name, (long long)batch, role_names[role], 1e3 * runners[0].seconds);
  for (int i = 0; i < n; i++) printf(" %7.0f", gflop / runners[i].seconds);
#if CY_HAVE_ONEDNN
  printf("  %5.2f %5.2f  %-24s %s", runners[2].seconds / runners[0].seconds, runners[2].seconds / runners[1].seconds,
         direct->name, chosen->name);
  library_free(direct);
  library_free(chosen);
#endif
  printf("  | %s\n", plain->kernel->describe(plain->plan));
  fflush(stdout);
  ours_free(plain);
  ours_free(kept);
}

int main(int argc, char **argv) {
  const int threads = argc > 1 ? atoi(argv[1]) : omp_get_max_threads();
  timing_set_threads(threads);
  printf("%-15s %3s   %8s %7s %7s %7s %7s  %5s %5s\n", "layer", "N", "ms", "ours", "kept", "direct", "auto", "ratio",
         "kept");
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    bool wanted = argc < 4;
    for (int k = 3; k < argc; k++) wanted = wanted || strcmp(argv[k], layers[i].name) == 0;
    for (int role = 0; wanted && role < 3; role++) row(&layers[i], argc > 2 ? atoll(argv[2]) : 64, role, threads);
  }
  return 0;
}
