/* Convolutions of all three roles, with bias and relu if they follow: f32 by Winograd's method where that pays, else
 * through oneDNN where it has a fast kernel, everything else through matrices of columns. Operands whose strides the
 * library cannot express are first copied, channels innermost. In a frozen program the weights are converted to the
 * library's format once, and kept by the session. */
#include "backend/cpu/convolution.h"

#include "backend/cpu/cpu.h"
#include "backend/cpu/workspace.h"
#include "base/memory.h"
#include "ops/convolution_bias.h"

#include <cauchy_config.h>

#include <stdio.h>
#include <string.h>

enum { BIAS = 2 /* among operands */ };
enum { RELU_SMALL = 1 << 15 }; /* elements that one thread does alone */

/* What is tried, in this order; the last takes everything. */
static const struct {
  const cy_convolution_method *method;
  bool copies; /* f32: with its operands copied to where they are dense */
} tries[] = {
    {&cy_convolution_winograd, false},
    {&cy_convolution_direct_y, false},
    {&cy_convolution_direct_x, false},
    {&cy_convolution_direct_w, false},
#if CY_HAVE_ONEDNN
    {&cy_convolution_onednn, false},
    {&cy_convolution_onednn, true},
#endif
    {&cy_convolution_columns, false},
};

/* An operand that is copied before the method sees it. */
typedef struct copied {
  bool is;
  cy_view from, to;
  size_t offset;
} copied;

typedef struct plan {
  cy_convolution_problem problem;
  const cy_convolution_method *method;
  void *own; /* the method's plan */
  copied copy[CY_CONVOLUTION_OPERANDS], bias;
  cy_view y; /* relu: the result */
  bool y_is_dense;
  size_t copies; /* bytes of the workspace's first part */
  int threads;
  bool keeps_w; /* w is still: kept packed */
  char name[128];
} plan;

typedef struct instance {
  const cy_convolution_method *method;
  void *own;    /* the method's; may be NULL */
  void *packed; /* NULL: w is not kept; valid once prepared */
  bool prepared;
} instance;

/* ---- planning ---- */

/* The instruction's layouts by argument, and which operand each is (-1: the result). */
static void find_arguments(const cy_instruction *instruction, const cy_view *layout[CY_CONVOLUTION_OPERANDS],
                           int operand[CY_CONVOLUTION_OPERANDS]) {
  const cy_window_attrs *a = instruction->attrs;
  const int result = cy_convolution_result((cy_convolution_role)a->role);
  for (int i = 0, k = 0; i < CY_CONVOLUTION_OPERANDS; i++) {
    operand[i] = i == result ? -1 : k++;
    layout[i] = i == result ? &instruction->out[0].layout : &instruction->in[operand[i]].layout;
  }
}

static cy_convolution_problem problem_of(const cy_window_attrs *a,
                                         const cy_view *const layout[CY_CONVOLUTION_OPERANDS]) {
  cy_convolution_problem p = {.dtype = layout[CY_W]->dtype,
                              .role = (cy_convolution_role)a->role,
                              .space = (int)a->size.n,
                              .batch = layout[CY_X]->shape.dim[0],
                              .groups = a->groups,
                              .channels = layout[CY_X]->shape.dim[1],
                              .filters = layout[CY_Y]->shape.dim[1]};
  for (int i = 0; i < p.space; i++) {
    p.size[i] = a->size.at[i], p.extent[i] = layout[CY_Y]->shape.dim[i + 2], p.kernel[i] = a->kernel.at[i];
    p.stride[i] = a->stride.at[i], p.dilation[i] = a->dilation.at[i];
    p.low[i] = a->low.at[i], p.high[i] = a->high.at[i];
  }
  for (int i = 0; i < 2 + p.space; i++) {
    p.x_stride[i] = layout[CY_X]->stride[i];
    p.w_stride[i] = layout[CY_W]->stride[i];
    p.y_stride[i] = layout[CY_Y]->stride[i];
  }
  return p;
}

/* Has every operand copied to a dense array: images with channels innermost, weights row by row. */
static void copy_operands(plan *p, const cy_view *const layout[CY_CONVOLUTION_OPERANDS]) {
  int64_t *const stride[CY_CONVOLUTION_OPERANDS] = {p->problem.x_stride, p->problem.w_stride, p->problem.y_stride};
  for (int i = 0; i < CY_CONVOLUTION_OPERANDS; i++) {
    if (i == cy_convolution_result(p->problem.role)) continue;
    copied *c = &p->copy[i];
    *c = (copied){.is = true, .from = *layout[i], .to = *layout[i], .offset = p->copies};
    if (i == CY_W) cy_row_major(c->to.shape, c->to.stride);
    else cy_channels_innermost(c->to.shape, c->to.stride);
    memcpy(stride[i], c->to.stride, (size_t)c->to.shape.rank * sizeof *stride[i]);
    p->copies += cy_aligned((size_t)cy_count(c->to.shape) * cy_dtype_size(c->to.dtype));
  }
}

static cy_status choose(plan *p, const cy_view *const layout[CY_CONVOLUTION_OPERANDS], int threads) {
  const cy_convolution_problem as_is = p->problem;
  for (size_t i = 0; i < sizeof tries / sizeof *tries && !p->own; i++) {
    if (tries[i].copies && p->problem.dtype != CY_F32) continue;
    memset(p->copy, 0, sizeof p->copy);
    p->copies = 0;
    p->problem = as_is;
    if (tries[i].copies) copy_operands(p, layout);
    p->method = tries[i].method;
    CY_TRY(p->method->create(&p->problem, threads, &p->own));
  }
  return CY_OK;
}

static void destroy(void *plan_) {
  plan *p = plan_;
  if (!p) return;
  if (p->own) p->method->free(p->own);
  cy_free(p);
}

/* Do its elements fill one piece of memory, in whatever order? */
static bool is_dense(const cy_view *v) {
  int64_t reach = 1;
  for (int i = 0; i < v->shape.rank; i++) {
    if (v->shape.dim[i] > 1 && v->stride[i] <= 0) return false;
    reach += (v->shape.dim[i] - 1) * v->stride[i];
  }
  return reach == cy_count(v->shape); /* and none overlap, for it is a result */
}

/* A bias that repeats one number is written out. */
static void copy_bias(plan *p, const cy_view *layout) {
  if (layout->shape.dim[0] == 1 || layout->stride[0] == 1) return;
  p->bias = (copied){.is = true, .from = *layout, .to = *layout, .offset = p->copies};
  p->bias.to.stride[0] = 1;
  p->copies += cy_aligned((size_t)layout->shape.dim[0] * cy_dtype_size(layout->dtype));
}

/* Bytes of the weights in the method's own form; 0: it has none. */
static size_t packed_bytes(const plan *p) { return p->method->packed_bytes ? p->method->packed_bytes(p->own) : 0; }

static cy_status create_with(const cy_instruction *instruction, bool bias, bool relu, int threads, void **out) {
  const cy_view *layout[CY_CONVOLUTION_OPERANDS];
  int operand[CY_CONVOLUTION_OPERANDS];
  *out = NULL;
  plan *p = cy_calloc(1, sizeof *p);
  if (!p) return cy_no_memory();
  find_arguments(instruction, layout, operand);
  p->problem = problem_of(instruction->attrs, layout);
  p->problem.still = operand[CY_W] >= 0 && instruction->still >> operand[CY_W] & 1;
  p->problem.bias = bias;
  p->problem.relu = relu;
  const cy_status status = choose(p, layout, threads);
  if (status != CY_OK) {
    destroy(p);
    return status;
  }
  p->threads = threads;
  p->y = *layout[CY_Y];
  p->y_is_dense = is_dense(&p->y);
  if (bias) copy_bias(p, &instruction->in[BIAS].layout);
  p->keeps_w = p->problem.still && packed_bytes(p) > 0;
  snprintf(p->name, sizeof p->name, "%s%s", p->method->name(p->own), p->keeps_w ? p->method->packs : "");
  *out = p;
  return CY_OK;
}

static cy_status create(const cy_instruction *instruction, int threads, void **out) {
  return create_with(instruction, false, false, threads, out);
}

static cy_status create_bias(const cy_instruction *instruction, int threads, void **out) {
  return create_with(instruction, true, ((const cy_convolution_bias_attrs *)instruction->attrs)->relu, threads, out);
}

static size_t scratch(const void *plan_) {
  const plan *p = plan_;
  return p->copies + p->method->scratch(p->own);
}

static size_t kept(const void *plan_) { return ((const plan *)plan_)->keeps_w ? packed_bytes(plan_) : 0; }

static const char *describe(const void *plan_) { return ((const plan *)plan_)->name; }

/* ---- running ---- */

static void free_instance(void *instance_) {
  instance *n = instance_;
  if (!n) return;
  if (n->own) n->method->free_instance(n->own);
  cy_free(n->packed);
  cy_free(n);
}

static cy_status create_instance(const void *plan_, void **out) {
  const plan *p = plan_;
  *out = NULL;
  instance *n = cy_calloc(1, sizeof *n);
  if (!n) return cy_no_memory();
  n->method = p->method;
  cy_status status = p->method->instance ? p->method->instance(p->own, &n->own) : CY_OK;
  if (status == CY_OK && p->keeps_w) {
    n->packed = cy_alloc_aligned(packed_bytes(p));
    if (!n->packed) status = cy_no_memory();
  }
  if (status != CY_OK) {
    free_instance(n);
    return status;
  }
  *out = n;
  return CY_OK;
}

static cy_convolution_operands arguments(const plan *p, void *const *in, void *result) {
  void *at[CY_CONVOLUTION_OPERANDS];
  for (int i = 0, k = 0; i < CY_CONVOLUTION_OPERANDS; i++)
    at[i] = i == cy_convolution_result(p->problem.role) ? result : in[k++];
  return (cy_convolution_operands){
      .x = at[CY_X], .w = at[CY_W], .y = at[CY_Y], .bias = p->problem.bias ? in[BIAS] : NULL};
}

static void *copied_to(const copied *c, void *data, char *workspace) {
  if (!c->is) return data;
  cy_view from = c->from, to = c->to;
  from.data = data;
  to.data = workspace + c->offset;
  cy_view_copy(&from, &to);
  return to.data;
}

static void prepare(const void *plan_, void *instance_, void *const *in, void *workspace) {
  const plan *p = plan_;
  instance *n = instance_;
  if (!p->keeps_w) return;
  const void *w = copied_to(&p->copy[CY_W], arguments(p, in, NULL).w, workspace);
  n->prepared = p->method->pack(p->own, n->own, w, n->packed, (char *)workspace + p->copies) == CY_OK;
}

/* oneDNN can do this too, but makes NaN zero: a network that has diverged would look well. */
static void relu(const plan *p, void *y) {
  const int64_t n = cy_count(p->y.shape);
  if (!p->y_is_dense) {
    for (cy_walk w = cy_walk_start(p->y.shape); w.more; cy_walk_next(&w)) {
      const int64_t at = cy_walk_offset(&w, p->y.stride);
      if (cy_load(y, p->y.dtype, at) < 0) cy_store(y, p->y.dtype, at, 0);
    }
  } else if (p->y.dtype == CY_F32) {
    float *v = y;
#pragma omp parallel for num_threads(p->threads) schedule(static) if (p->threads > 1 && n > RELU_SMALL)
    for (int64_t i = 0; i < n; i++) v[i] = 0 > v[i] ? 0 : v[i];
  } else {
    double *v = y;
#pragma omp parallel for num_threads(p->threads) schedule(static) if (p->threads > 1 && n > RELU_SMALL)
    for (int64_t i = 0; i < n; i++) v[i] = 0 > v[i] ? 0 : v[i];
  }
}

static cy_status run(const void *plan_, void *instance_, void *const *in, void *const *out, void *workspace) {
  const plan *p = plan_;
  const instance *n = instance_;
  cy_convolution_operands o = arguments(p, in, out[0]);
  o.packed = n->prepared;
  o.w = n->prepared ? n->packed : copied_to(&p->copy[CY_W], o.w, workspace);
  o.x = copied_to(&p->copy[CY_X], o.x, workspace);
  o.y = copied_to(&p->copy[CY_Y], o.y, workspace);
  o.bias = copied_to(&p->bias, o.bias, workspace);
  CY_TRY(p->method->run(p->own, n->own, o, (char *)workspace + p->copies));
  if (p->problem.relu && !p->method->relu) relu(p, out[0]);
  return CY_OK;
}

const cy_kernel cy_cpu_convolution = {.create = create,
                                      .destroy = destroy,
                                      .scratch = scratch,
                                      .instance = create_instance,
                                      .free_instance = free_instance,
                                      .kept = kept,
                                      .prepare = prepare,
                                      .run = run,
                                      .describe = describe};
const cy_kernel cy_cpu_convolution_bias = {.create = create_bias,
                                           .destroy = destroy,
                                           .scratch = scratch,
                                           .instance = create_instance,
                                           .free_instance = free_instance,
                                           .kept = kept,
                                           .prepare = prepare,
                                           .run = run,
                                           .describe = describe};
