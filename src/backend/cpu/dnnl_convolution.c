/* Activations lie in memory channels innermost, weights row by row. oneDNN is asked for the implementation it likes
 * best with the activations as they are and weights in any format; where it has nothing but a slow one (see "choice"),
 * with activations in any format too. What then differs from our operands is converted on the way, in the caller's
 * workspace. Conversions are planned with the convolution; our code allocates nothing when running, the library a few
 * small blocks. The choice depends on shape, strides and processor alone: nothing is timed. */
#include "backend/cpu/dnnl_convolution.h"

#include "base/error.h"
#include "base/memory.h"

#include <cauchy_config.h>

#if CY_HAVE_ONEDNN
#include "backend/cpu/dnnl_common.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { X, W, Y, OPERANDS, BIAS = OPERANDS, SCRATCH, ARGUMENTS };
enum { MAX_AXES = 3 + CY_MAX_SPACE }; /* weights with groups: group, filter, channel, space */

typedef struct dimensions {
  int rank;
  dnnl_dims_t dims, strides;
} dimensions;

/* An operand on its way: as the caller stores it, and as the implementation wants it. */
typedef struct side {
  dimensions user;
  cy_dnnl_desc stored;
  cy_dnnl_md wanted;            /* of the convolution's descriptor */
  dnnl_primitive_desc_t desc;   /* the conversion; NULL: none is needed */
  dnnl_primitive_t reorder;
  size_t bytes, offset;         /* of the converted operand in the workspace */
} side;

struct cy_dnnl_convolution {
  cy_convolution_problem problem;
  int threads;
  dnnl_engine_t engine;
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  side side[OPERANDS];
  size_t scratch_offset, scratch; /* the library's part; all */
  char name[96];
};

/* ---- describing ---- */

static bool fits_int(int64_t n) { return n >= 1 && n <= INT_MAX; }

/* Positive strides along which no two elements meet. */
static bool is_plain(const dimensions *d) {
  bool seen[MAX_AXES] = {false};
  int64_t reach = 1; /* the elements of the axes seen so far lie in 0 .. reach - 1 */
  for (int n = 0; n < d->rank; n++) {
    int next = -1;
    for (int i = 0; i < d->rank; i++)
      if (!seen[i] && (next < 0 || d->strides[i] < d->strides[next])) next = i;
    seen[next] = true;
    if (d->dims[next] == 1) continue;
    if (d->strides[next] < reach) return false;
    reach += (d->dims[next] - 1) * d->strides[next];
  }
  return true;
}

/* Strides of axes of extent 1 mean nothing: make them what a dense array has, so that formats are recognised. Axes in
 * order from outermost to innermost. */
static void tidy(dimensions *d, const int *order) {
  int64_t dense = 1;
  for (int i = d->rank - 1; i >= 0; i--) {
    const int axis = order[i];
    if (d->dims[axis] == 1) d->strides[axis] = dense;
    dense = d->dims[axis] * d->strides[axis];
  }
}

static dimensions activation(const cy_convolution_problem *p, int64_t channels, const int64_t *space,
                             const int64_t *stride) {
  static const int orders[CY_MAX_SPACE][2 + CY_MAX_SPACE] = {{0, 2, 1}, {0, 2, 3, 1}, {0, 2, 3, 4, 1}};
  dimensions d = {.rank = 2 + p->space, .dims = {p->batch, channels}};
  for (int i = 0; i < p->space; i++) d.dims[2 + i] = space[i];
  for (int i = 0; i < d.rank; i++) d.strides[i] = stride[i];
  tidy(&d, orders[p->space - 1]);
  return d;
}

static dimensions weights(const cy_convolution_problem *p) {
  static const int order[MAX_AXES] = {0, 1, 2, 3, 4, 5};
  const int64_t filters = p->filters / p->groups, channels = p->channels / p->groups;
  dimensions d = {0};
  if (p->groups > 1) {
    d.dims[d.rank] = p->groups;
    d.strides[d.rank++] = filters * p->w_stride[0];
  }
  d.dims[d.rank] = filters, d.strides[d.rank++] = p->w_stride[0];
  d.dims[d.rank] = channels, d.strides[d.rank++] = p->w_stride[1];
  for (int i = 0; i < p->space; i++) {
    d.dims[d.rank] = p->kernel[i];
    d.strides[d.rank++] = p->w_stride[2 + i];
  }
  tidy(&d, order);
  return d;
}

/* ---- two versions ---- */

typedef struct windows {
  dnnl_dims_t stride, dilation, low, high;
} windows;

static windows windows_of(const cy_convolution_problem *p) {
  windows w;
  memset(&w, 0, sizeof w);
  for (int i = 0; i < p->space; i++) {
    w.stride[i] = p->stride[i];
    w.dilation[i] = p->dilation[i] - 1;
    w.low[i] = p->low[i];
    w.high[i] = p->high[i];
  }
  return w;
}

/* Implementations whose names begin with `avoid` (NULL: none) are passed over, if another one that is not slow follows.
 * */
static bool is_wanted(const_dnnl_primitive_desc_t desc, const char *avoid) {
  const char *name = cy_dnnl_implementation(desc);
  return !avoid || (strncmp(name, avoid, strlen(avoid)) != 0 && strncmp(name, "ref", 3) != 0);
}

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t offer_first(dnnl_primitive_desc_t *desc, cy_convolution_role role, dnnl_engine_t engine,
                                 cy_dnnl_md x, cy_dnnl_md w, cy_dnnl_md bias, cy_dnnl_md y, const windows *at,
                                 const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes) {
  const dnnl_alg_kind_t direct = dnnl_convolution_direct;
  switch (role) {
    case CY_CONVOLUTION_Y:
      return dnnl_convolution_forward_primitive_desc_create(desc, engine, dnnl_forward_training, direct, x, w, bias, y,
                                                            at->stride, at->dilation, at->low, at->high, attributes);
    case CY_CONVOLUTION_X:
      return dnnl_convolution_backward_data_primitive_desc_create(desc, engine, direct, x, w, y, at->stride,
                                                                  at->dilation, at->low, at->high, forward, attributes);
    case CY_CONVOLUTION_W: break;
  }
  return dnnl_convolution_backward_weights_primitive_desc_create(desc, engine, direct, x, w, bias, y, at->stride,
                                                                 at->dilation, at->low, at->high, forward, attributes);
}

static dnnl_status_t plan(dnnl_primitive_desc_t *desc, cy_convolution_role role, dnnl_engine_t engine, cy_dnnl_md x,
                          cy_dnnl_md w, cy_dnnl_md bias, cy_dnnl_md y, const windows *at,
                          const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes,
                          const char *avoid) {
  dnnl_primitive_desc_t other = NULL;
  const dnnl_status_t status = offer_first(desc, role, engine, x, w, bias, y, at, forward, attributes);
  if (status != dnnl_success || is_wanted(*desc, avoid) || dnnl_primitive_desc_clone(&other, *desc) != dnnl_success)
    return status;
  while (dnnl_primitive_desc_next_impl(other) == dnnl_success)
    if (is_wanted(other, avoid)) {
      dnnl_primitive_desc_destroy(*desc);
      *desc = other;
      return status;
    }
  dnnl_primitive_desc_destroy(other);
  return status;
}
#else
static dnnl_status_t plan(dnnl_primitive_desc_t *desc, cy_convolution_role role, dnnl_engine_t engine, cy_dnnl_md x,
                          cy_dnnl_md w, cy_dnnl_md bias, cy_dnnl_md y, const windows *at,
                          const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes,
                          const char *avoid) {
  const dnnl_alg_kind_t direct = dnnl_convolution_direct;
  dnnl_convolution_desc_t operation;
  dnnl_primitive_desc_iterator_t implementations = NULL;
  dnnl_status_t status = dnnl_success;
  switch (role) {
    case CY_CONVOLUTION_Y:
      status = dnnl_dilated_convolution_forward_desc_init(&operation, dnnl_forward_training, direct, x, w, bias, y,
                                                          at->stride, at->dilation, at->low, at->high);
      break;
    case CY_CONVOLUTION_X:
      status = dnnl_dilated_convolution_backward_data_desc_init(&operation, direct, x, w, y, at->stride, at->dilation,
                                                                at->low, at->high);
      break;
    case CY_CONVOLUTION_W:
      status = dnnl_dilated_convolution_backward_weights_desc_init(&operation, direct, x, w, bias, y, at->stride,
                                                                   at->dilation, at->low, at->high);
      break;
  }
  if (status == dnnl_success) status = dnnl_primitive_desc_create(desc, &operation, attributes, engine, forward);
  if (status != dnnl_success || is_wanted(*desc, avoid) ||
      dnnl_primitive_desc_iterator_create(&implementations, &operation, attributes, engine, forward) != dnnl_success)
    return status;
  do {
    dnnl_primitive_desc_t other = dnnl_primitive_desc_iterator_fetch(implementations);
    const bool wanted = other && is_wanted(other, avoid);
    dnnl_primitive_desc_t drop = wanted ? *desc : other;
    if (wanted) *desc = other;
    if (drop) dnnl_primitive_desc_destroy(drop);
    if (wanted) break;
  } while (dnnl_primitive_desc_iterator_next(implementations) == dnnl_success);
  dnnl_primitive_desc_iterator_destroy(implementations);
  return status;
}
#endif

/* ---- choice ---- */

typedef enum format { CHANNELS_LAST, BLOCKED } format;

static dnnl_format_tag_t channels_last(int space) {
  static const dnnl_format_tag_t tags[CY_MAX_SPACE] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc};
  return tags[space - 1];
}

/* The descriptor of the library's first implementation for activations of this format that is not to be avoided; NULL
 * if it has none. Backward ones ask for that of the forward convolution. */
static dnnl_primitive_desc_t offer(const cy_dnnl_convolution *c, format f, const char *avoid) {
  const cy_convolution_problem *p = &c->problem;
  const dnnl_format_tag_t tag = f == CHANNELS_LAST ? channels_last(p->space) : dnnl_format_tag_any;
  const dnnl_dims_t filters = {p->filters};
  const windows at = windows_of(p);
  cy_dnnl_desc d[OPERANDS], bias;
  dnnl_primitive_desc_t forward = NULL, desc = NULL;
  memset(d, 0, sizeof d);
  memset(&bias, 0, sizeof bias);
  dnnl_primitive_attr_t attributes = cy_dnnl_attributes();
  bool ok = attributes && cy_dnnl_describe_tag(&bias, 1, filters, dnnl_x);
  for (int i = 0; i < OPERANDS; i++)
    ok = ok && cy_dnnl_describe_tag(&d[i], c->side[i].user.rank, c->side[i].user.dims,
                                    i == W ? dnnl_format_tag_any : tag);
  const cy_dnnl_md x = cy_dnnl_look(&d[X]), w = cy_dnnl_look(&d[W]), y = cy_dnnl_look(&d[Y]);
  if (p->role != CY_CONVOLUTION_Y)
    ok = ok && plan(&forward, CY_CONVOLUTION_Y, c->engine, x, w, NULL, y, &at, NULL, attributes, NULL) == dnnl_success;
  if (ok && plan(&desc, p->role, c->engine, x, w, p->bias ? cy_dnnl_look(&bias) : NULL, y, &at, forward, attributes,
                 avoid) != dnnl_success)
    desc = NULL;
  if (forward) dnnl_primitive_desc_destroy(forward);
  for (int i = 0; i < OPERANDS; i++) cy_dnnl_forget(&d[i]);
  cy_dnnl_forget(&bias);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return desc;
}

/* 0: none or the library's slow reference; 1: through a matrix of columns; 2: written for the format. */
static int rank_of(const_dnnl_primitive_desc_t desc) {
  if (!desc) return 0;
  const char *name = cy_dnnl_implementation(desc);
  return strncmp(name, "ref", 3) == 0 ? 0 : strstr(name, "gemm") ? 1 : 2;
}

static bool is_pointwise_strided(const cy_convolution_problem *p) {
  bool strided = false;
  for (int i = 0; i < p->space; i++) {
    if (p->kernel[i] != 1) return false;
    strided = strided || p->stride[i] > 1;
  }
  return strided;
}

/* What is better avoided of oneDNN 2.6.3's own choice for activations with channels innermost. Measured on an AMD EPYC
 * (Zen 5, AVX-512), one thread, batch 64; milliseconds of its first choice, of what remains, and of blocked formats
 * with the conversions of activations that they need:
 *
 *   y   1 ->  32, 3x3 stride 2, 28x28    brgconv 0.096      jit 0.038      0.065
 *   y   3 ->  32, 3x3 stride 2, 64x64    brgconv 0.65       jit 0.56       0.95
 *   y   3 ->  64, 3x3, 32x32             brgconv 1.53       jit 1.17       1.95
 *   y   8 ->  32, 3x3, 32x32             brgconv 1.57       jit 1.33
 *   y  16 ->  32, 3x3, 32x32             brgconv 3.03       jit 3.09       so only few channels
 *   y  64 -> 128, 1x1 stride 2, 32x32    brgconv_1x1 2.4    jit_1x1 2.1    2.0
 *   y 128 -> 256, 1x1 stride 2, 16x16    brgconv_1x1 2.1    jit_1x1 1.4
 *   y  64 ->  64, 1x1, 32x32             brgconv_1x1 2.7    jit_1x1 2.9    3.9    so only strided ones
 *   x   3 ->  64, 3x3, 32x32             jit 8.1            gemm 3.1       5.3
 *   x   3 ->  64, 7x7 stride 2, 112x112  jit 12.5           gemm 5.3       4.9    (batch 8)
 *   x   1 ->  32, 3x3 stride 2, 28x28    jit 0.54           gemm 0.43      0.29
 *
 * For all other shapes measured (those of bench/bench_convolution.c) its first choice for channels innermost is not
 * slower than blocked formats once activations are converted, or by too little to matter. */
static const char *avoided(const cy_convolution_problem *p) {
  if (p->groups > 1) return NULL;
  if (p->role == CY_CONVOLUTION_Y) return p->channels < 16 || is_pointwise_strided(p) ? "brg" : NULL;
  return p->role == CY_CONVOLUTION_X && p->channels <= 4 ? "jit" : NULL;
}

/* Blocked formats where there is nothing written for channels innermost. */
static bool choose(cy_dnnl_convolution *c) {
  const char *avoid = avoided(&c->problem);
  dnnl_primitive_desc_t desc = offer(c, CHANNELS_LAST, avoid);
  if (rank_of(desc) < (avoid ? 1 : 2)) {
    dnnl_primitive_desc_t blocked = offer(c, BLOCKED, NULL);
    const bool better = rank_of(blocked) > rank_of(desc);
    dnnl_primitive_desc_t drop = better ? desc : blocked;
    if (better) desc = blocked;
    if (drop) dnnl_primitive_desc_destroy(drop);
  }
  c->desc = desc;
  return rank_of(desc) > 0;
}

/* ---- the plan ---- */

static dnnl_query_t wanted_of(cy_convolution_role role, int operand) {
  static const dnnl_query_t queries[3][OPERANDS] = {
      [CY_CONVOLUTION_Y] = {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
      [CY_CONVOLUTION_X] = {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
      [CY_CONVOLUTION_W] = {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md}};
  return queries[role][operand];
}

static int result_of(cy_convolution_role role) {
  return role == CY_CONVOLUTION_Y ? Y : role == CY_CONVOLUTION_X ? X : W;
}

static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* The conversion between an operand's two forms, if they differ. */
static bool plan_side(cy_dnnl_convolution *c, int operand) {
  side *s = &c->side[operand];
  s->wanted = cy_dnnl_query(c->desc, wanted_of(c->problem.role, operand));
  if (!s->wanted || !cy_dnnl_describe_strides(&s->stored, s->user.rank, s->user.dims, s->user.strides)) return false;
  const cy_dnnl_md stored = cy_dnnl_look(&s->stored);
  if (dnnl_memory_desc_equal(stored, s->wanted)) return true;
  const bool is_result = operand == result_of(c->problem.role);
  dnnl_primitive_attr_t attributes = cy_dnnl_attributes();
  const bool ok = attributes &&
                  dnnl_reorder_primitive_desc_create(&s->desc, is_result ? s->wanted : stored, c->engine,
                                                     is_result ? stored : s->wanted, c->engine,
                                                     attributes) == dnnl_success &&
                  dnnl_primitive_create(&s->reorder, s->desc) == dnnl_success;
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  s->bytes = dnnl_memory_desc_get_size(s->wanted);
  return ok;
}

/* Converted operands one after the other, then what the library needs: one part, for one primitive runs at a time. */
static void plan_scratch(cy_dnnl_convolution *c) {
  size_t library = cy_dnnl_scratch_bytes(c->desc);
  for (int i = 0; i < OPERANDS; i++) {
    side *s = &c->side[i];
    if (!s->reorder) continue;
    const size_t needs = cy_dnnl_scratch_bytes(s->desc);
    if (needs > library) library = needs;
    s->offset = c->scratch_offset;
    c->scratch_offset += aligned(s->bytes);
  }
  c->scratch = c->scratch_offset + aligned(library);
}

static void plan_name(cy_dnnl_convolution *c) {
  static const char *const names[OPERANDS] = {"x", "w", "y"};
  int n = snprintf(c->name, sizeof c->name, "%s", cy_dnnl_implementation(c->desc));
  const char *before = ", converts ";
  for (int i = 0; i < OPERANDS; i++)
    if (c->side[i].reorder && n >= 0 && (size_t)n < sizeof c->name) {
      n += snprintf(c->name + n, sizeof c->name - (size_t)n, "%s%s", before, names[i]);
      before = " ";
    }
}

static bool build(cy_dnnl_convolution *c) {
  if (dnnl_engine_create(&c->engine, dnnl_cpu, 0) != dnnl_success || !choose(c)) return false;
  for (int i = 0; i < OPERANDS; i++)
    if (!plan_side(c, i)) return false;
  plan_scratch(c);
  plan_name(c);
  return dnnl_primitive_create(&c->primitive, c->desc) == dnnl_success;
}

/* The library counts within an image and within the weights in int, in part, and divides by what overflows: padding
 * and channels in blocks of 16 included, their bytes must fit. */
static bool fits_library(const cy_convolution_problem *p) {
  double x = (double)p->channels + 16, y = (double)p->filters + 16;
  double w = ((double)(p->channels / p->groups) + 16) * y;
  for (int i = 0; i < p->space; i++) {
    x *= (double)p->size[i] + (double)p->low[i] + (double)p->high[i];
    y *= (double)p->extent[i];
    w *= (double)p->kernel[i];
  }
  const double most = (double)INT_MAX / sizeof(float);
  return x <= most && y <= most && w <= most;
}

static bool is_describable(const cy_convolution_problem *p, const side *sides) {
  if (p->dtype != CY_F32 || p->space < 1 || p->space > CY_MAX_SPACE || p->groups < 1) return false;
  for (int i = 0; i < OPERANDS; i++) {
    for (int k = 0; k < sides[i].user.rank; k++)
      if (!fits_int(sides[i].user.dims[k])) return false;
    if (!is_plain(&sides[i].user)) return false;
  }
  for (int i = 0; i < p->space; i++)
    if (!fits_int(p->stride[i]) || !fits_int(p->dilation[i]) || p->low[i] > INT_MAX || p->high[i] > INT_MAX)
      return false;
  return fits_library(p);
}

cy_status cy_dnnl_convolution_create(const cy_convolution_problem *problem, int threads,
                                     cy_dnnl_convolution **convolution) {
  *convolution = NULL;
  cy_dnnl_convolution *c = cy_calloc(1, sizeof *c);
  if (!c) return cy_no_memory();
  c->problem = *problem;
  c->threads = threads;
  c->side[X].user = activation(problem, problem->channels, problem->size, problem->x_stride);
  c->side[W].user = weights(problem);
  c->side[Y].user = activation(problem, problem->filters, problem->extent, problem->y_stride);
  if (is_describable(problem, c->side)) {
    const int before = cy_dnnl_enter_threads(threads);
    if (build(c)) *convolution = c;
    cy_dnnl_leave_threads(before);
  }
  if (!*convolution) cy_dnnl_convolution_free(c);
  return CY_OK;
}

void cy_dnnl_convolution_free(cy_dnnl_convolution *c) {
  if (!c) return;
  for (int i = 0; i < OPERANDS; i++) {
    if (c->side[i].reorder) dnnl_primitive_destroy(c->side[i].reorder);
    if (c->side[i].desc) dnnl_primitive_desc_destroy(c->side[i].desc);
    cy_dnnl_forget(&c->side[i].stored);
  }
  if (c->primitive) dnnl_primitive_destroy(c->primitive);
  if (c->desc) dnnl_primitive_desc_destroy(c->desc);
  if (c->engine) dnnl_engine_destroy(c->engine);
  cy_free(c);
}

size_t cy_dnnl_convolution_scratch(const cy_dnnl_convolution *c) { return c->scratch; }
const char *cy_dnnl_convolution_name(const cy_dnnl_convolution *c) { return c->name; }

size_t cy_dnnl_convolution_packed_bytes(const cy_dnnl_convolution *c) {
  return c->problem.role == CY_CONVOLUTION_W || !c->side[W].reorder ? 0 : c->side[W].bytes;
}

/* ---- running ---- */

/* Memory is one handle per place, bound again only when its address changes: for formats with padding, oneDNN 2.x
 * writes zeros into it at every binding. */
typedef struct place {
  dnnl_memory_t memory;
  void *address;
} place;

struct cy_dnnl_convolution_instance {
  dnnl_stream_t stream;
  place stored[OPERANDS], wanted[OPERANDS], bias, scratch, reorder_scratch[OPERANDS];
  int n_arguments;
  dnnl_exec_arg_t arguments[ARGUMENTS];
};

static int argument_of(cy_convolution_role role, int operand) {
  static const int arguments[3][ARGUMENTS] = {
      [CY_CONVOLUTION_Y] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS, DNNL_ARG_SCRATCHPAD},
      [CY_CONVOLUTION_X] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST, 0, DNNL_ARG_SCRATCHPAD},
      [CY_CONVOLUTION_W] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_BIAS,
                            DNNL_ARG_SCRATCHPAD}};
  return arguments[role][operand];
}

static dnnl_status_t add_argument(const cy_dnnl_convolution *c, cy_dnnl_convolution_instance *i, int operand, place *p,
                                  cy_dnnl_md desc) {
  const dnnl_status_t status = cy_dnnl_memory(&p->memory, desc, c->engine);
  i->arguments[i->n_arguments++] =
      (dnnl_exec_arg_t){.arg = argument_of(c->problem.role, operand), .memory = p->memory};
  return status;
}

static dnnl_status_t create_places(const cy_dnnl_convolution *c, cy_dnnl_convolution_instance *i) {
  dnnl_status_t status = dnnl_stream_create(&i->stream, c->engine, dnnl_stream_default_flags);
  for (int o = 0; o < OPERANDS && status == dnnl_success; o++) {
    const side *s = &c->side[o];
    status = add_argument(c, i, o, &i->wanted[o], s->wanted);
    if (!s->reorder || status != dnnl_success) continue;
    status = cy_dnnl_memory(&i->stored[o].memory, cy_dnnl_look(&s->stored), c->engine);
    if (status == dnnl_success)
      status =
          cy_dnnl_memory(&i->reorder_scratch[o].memory, cy_dnnl_query(s->desc, dnnl_query_scratchpad_md), c->engine);
  }
  if (status == dnnl_success && c->problem.bias)
    status = add_argument(c, i, BIAS, &i->bias,
                          dnnl_primitive_desc_query_md(c->desc, wanted_of(c->problem.role, W), 1));
  if (status == dnnl_success)
    status = add_argument(c, i, SCRATCH, &i->scratch, cy_dnnl_query(c->desc, dnnl_query_scratchpad_md));
  return status;
}

cy_status cy_dnnl_convolution_instance_create(const cy_dnnl_convolution *c, cy_dnnl_convolution_instance **instance) {
  *instance = NULL;
  cy_dnnl_convolution_instance *i = cy_calloc(1, sizeof *i);
  if (!i) return cy_no_memory();
  const dnnl_status_t status = create_places(c, i);
  if (status != dnnl_success) {
    cy_dnnl_convolution_instance_free(i);
    return cy_dnnl_status(status, "convolution");
  }
  *instance = i;
  return CY_OK;
}

static void release(place *p) {
  if (p->memory) dnnl_memory_destroy(p->memory);
}

void cy_dnnl_convolution_instance_free(cy_dnnl_convolution_instance *i) {
  if (!i) return;
  for (int o = 0; o < OPERANDS; o++) {
    release(&i->stored[o]);
    release(&i->wanted[o]);
    release(&i->reorder_scratch[o]);
  }
  release(&i->bias);
  release(&i->scratch);
  if (i->stream) dnnl_stream_destroy(i->stream);
  cy_free(i);
}

static dnnl_status_t bind(place *p, void *address) {
  if (!p->memory || p->address == address) return dnnl_success;
  p->address = address;
  return dnnl_memory_set_data_handle(p->memory, address);
}

/* To the implementation's format, or for the result back from it. */
static dnnl_status_t convert(const cy_dnnl_convolution *c, cy_dnnl_convolution_instance *i, int operand) {
  const bool is_result = operand == result_of(c->problem.role);
  const place *from = is_result ? &i->wanted[operand] : &i->stored[operand];
  const place *to = is_result ? &i->stored[operand] : &i->wanted[operand];
  const dnnl_exec_arg_t arguments[3] = {{DNNL_ARG_FROM, from->memory}, {DNNL_ARG_TO, to->memory},
                                        {DNNL_ARG_SCRATCHPAD, i->reorder_scratch[operand].memory}};
  return dnnl_primitive_execute(c->side[operand].reorder, i->stream, 3, arguments);
}

static dnnl_status_t bind_all(const cy_dnnl_convolution *c, cy_dnnl_convolution_instance *i,
                              const cy_convolution_operands *operands, char *scratch) {
  void *const address[OPERANDS] = {operands->x, operands->w, operands->y};
  dnnl_status_t status = dnnl_success;
  for (int o = 0; o < OPERANDS && status == dnnl_success; o++) {
    const bool converts = c->side[o].reorder && !(o == W && operands->packed);
    status = bind(&i->wanted[o], converts ? scratch + c->side[o].offset : address[o]);
    if (converts && status == dnnl_success) status = bind(&i->stored[o], address[o]);
    if (status == dnnl_success) status = bind(&i->reorder_scratch[o], scratch + c->scratch_offset);
  }
  if (status == dnnl_success) status = bind(&i->bias, operands->bias);
  if (status == dnnl_success) status = bind(&i->scratch, scratch + c->scratch_offset);
  return status;
}

cy_status cy_dnnl_convolution_run(const cy_dnnl_convolution *c, cy_dnnl_convolution_instance *i,
                                  cy_convolution_operands operands, void *scratch) {
  const int before = cy_dnnl_enter_threads(c->threads), result = result_of(c->problem.role);
  dnnl_status_t status = bind_all(c, i, &operands, scratch);
  for (int o = 0; o < OPERANDS && status == dnnl_success; o++)
    if (o != result && c->side[o].reorder && !(o == W && operands.packed)) status = convert(c, i, o);
  if (status == dnnl_success) status = dnnl_primitive_execute(c->primitive, i->stream, i->n_arguments, i->arguments);
  if (status == dnnl_success && c->side[result].reorder) status = convert(c, i, result);
  if (status == dnnl_success) status = dnnl_stream_wait(i->stream);
  cy_dnnl_leave_threads(before);
  return cy_dnnl_status(status, "convolution");
}

cy_status cy_dnnl_convolution_pack(const cy_dnnl_convolution *c, cy_dnnl_convolution_instance *i, const void *w,
                                   void *packed, void *scratch) {
  if (cy_dnnl_convolution_packed_bytes(c) == 0) return CY_OK;
  const int before = cy_dnnl_enter_threads(c->threads);
  dnnl_status_t status = bind(&i->stored[W], (void *)(uintptr_t)w); /* only read */
  if (status == dnnl_success) status = bind(&i->wanted[W], packed);
  if (status == dnnl_success) status = bind(&i->reorder_scratch[W], (char *)scratch + c->scratch_offset);
  if (status == dnnl_success) status = convert(c, i, W);
  if (status == dnnl_success) status = dnnl_stream_wait(i->stream);
  cy_dnnl_leave_threads(before);
  return cy_dnnl_status(status, "convolution");
}

#else /* without the library: nothing is ever created */

cy_status cy_dnnl_convolution_create(const cy_convolution_problem *problem, int threads,
                                     cy_dnnl_convolution **convolution) {
  (void)problem, (void)threads;
  *convolution = NULL;
  return CY_OK;
}

void cy_dnnl_convolution_free(cy_dnnl_convolution *convolution) { (void)convolution; }

size_t cy_dnnl_convolution_scratch(const cy_dnnl_convolution *convolution) {
  (void)convolution;
  return 0;
}

const char *cy_dnnl_convolution_name(const cy_dnnl_convolution *convolution) {
  (void)convolution;
  return "";
}

cy_status cy_dnnl_convolution_instance_create(const cy_dnnl_convolution *convolution,
                                              cy_dnnl_convolution_instance **instance) {
  (void)convolution;
  *instance = NULL;
  return CY_OK;
}

void cy_dnnl_convolution_instance_free(cy_dnnl_convolution_instance *instance) { (void)instance; }

cy_status cy_dnnl_convolution_run(const cy_dnnl_convolution *convolution, cy_dnnl_convolution_instance *instance,
                                  cy_convolution_operands operands, void *scratch) {
  (void)convolution, (void)instance, (void)operands, (void)scratch;
  return cy_fail(CY_UNSUPPORTED, "convolution: built without oneDNN");
}

size_t cy_dnnl_convolution_packed_bytes(const cy_dnnl_convolution *convolution) {
  (void)convolution;
  return 0;
}

cy_status cy_dnnl_convolution_pack(const cy_dnnl_convolution *convolution, cy_dnnl_convolution_instance *instance,
                                   const void *w, void *packed, void *scratch) {
  (void)convolution, (void)instance, (void)w, (void)packed, (void)scratch;
  return cy_fail(CY_UNSUPPORTED, "convolution: built without oneDNN");
}
#endif
