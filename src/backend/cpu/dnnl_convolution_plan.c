/* A convolution of oneDNN's prepared: its operands described, the implementation chosen, and where that wants another
 * format than our operands have, a conversion on the way, in the caller's workspace. */
#include "backend/cpu/dnnl_convolution.h"

#include "backend/cpu/workspace.h"
#include "base/memory.h"

#include <limits.h>
#include <stdio.h>

/* ---- describing ---- */

static bool fits_int(int64_t n) { return n >= 1 && n <= INT_MAX; }

/* Positive strides along which no two elements meet. */
static bool is_plain(const cy_dnnl_dimensions *d) {
  bool seen[CY_DNNL_MAX_AXES] = {false};
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
static void tidy(cy_dnnl_dimensions *d, const int *order) {
  int64_t dense = 1;
  for (int i = d->rank - 1; i >= 0; i--) {
    const int axis = order[i];
    if (d->dims[axis] == 1) d->strides[axis] = dense;
    dense = d->dims[axis] * d->strides[axis];
  }
}

static cy_dnnl_dimensions activation(const cy_convolution_problem *p, int64_t channels, const int64_t *space,
                                     const int64_t *stride) {
  static const int orders[CY_MAX_SPACE][2 + CY_MAX_SPACE] = {{0, 2, 1}, {0, 2, 3, 1}, {0, 2, 3, 4, 1}};
  cy_dnnl_dimensions d = {.rank = 2 + p->space, .dims = {p->batch, channels}};
  for (int i = 0; i < p->space; i++) d.dims[2 + i] = space[i];
  for (int i = 0; i < d.rank; i++) d.strides[i] = stride[i];
  tidy(&d, orders[p->space - 1]);
  return d;
}

static cy_dnnl_dimensions weights(const cy_convolution_problem *p) {
  static const int order[CY_DNNL_MAX_AXES] = {0, 1, 2, 3, 4, 5};
  const int64_t filters = p->filters / p->groups, channels = p->channels / p->groups;
  cy_dnnl_dimensions d = {0};
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

/* ---- conversions ---- */

dnnl_query_t cy_dnnl_convolution_query(cy_convolution_role role, int operand) {
  static const dnnl_query_t queries[3][CY_CONVOLUTION_OPERANDS] = {
      [CY_CONVOLUTION_Y] = {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
      [CY_CONVOLUTION_X] = {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
      [CY_CONVOLUTION_W] = {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md}};
  return queries[role][operand];
}

/* The conversion between an operand's two forms, if they differ. */
static bool plan_side(cy_dnnl_convolution *c, int operand) {
  cy_dnnl_side *s = &c->side[operand];
  s->wanted = cy_dnnl_query(c->desc, cy_dnnl_convolution_query(c->problem.role, operand));
  if (!s->wanted || !cy_dnnl_describe_strides(&s->stored, s->user.rank, s->user.dims, s->user.strides)) return false;
  const cy_dnnl_md stored = cy_dnnl_look(&s->stored);
  if (dnnl_memory_desc_equal(stored, s->wanted)) return true;
  const bool is_result = operand == cy_convolution_result(c->problem.role);
  dnnl_primitive_attr_t attributes = cy_dnnl_attributes();
  const bool ok =
      attributes &&
      dnnl_reorder_primitive_desc_create(&s->desc, is_result ? s->wanted : stored, c->engine,
                                         is_result ? stored : s->wanted, c->engine, attributes) == dnnl_success &&
      dnnl_primitive_create(&s->reorder, s->desc) == dnnl_success;
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  s->bytes = dnnl_memory_desc_get_size(s->wanted);
  return ok;
}

/* Converted operands one after the other, then what the library needs: one part, for one primitive runs at a time. */
static void plan_scratch(cy_dnnl_convolution *c) {
  size_t library = cy_dnnl_scratch_bytes(c->desc);
  for (int i = 0; i < CY_CONVOLUTION_OPERANDS; i++) {
    cy_dnnl_side *s = &c->side[i];
    if (!s->reorder) continue;
    const size_t needs = cy_dnnl_scratch_bytes(s->desc);
    if (needs > library) library = needs;
    s->offset = c->scratch_offset;
    c->scratch_offset += cy_aligned(s->bytes);
  }
  c->scratch = c->scratch_offset + cy_aligned(library);
}

static void plan_name(cy_dnnl_convolution *c) {
  static const char *const names[CY_CONVOLUTION_OPERANDS] = {"x", "w", "y"};
  int n = snprintf(c->name, sizeof c->name, "onednn %s", cy_dnnl_implementation(c->desc));
  const char *before = ", converts ";
  for (int i = 0; i < CY_CONVOLUTION_OPERANDS; i++)
    if (c->side[i].reorder && n >= 0 && (size_t)n < sizeof c->name) {
      n += snprintf(c->name + n, sizeof c->name - (size_t)n, "%s%s", before, names[i]);
      before = " ";
    }
}

static bool build(cy_dnnl_convolution *c) {
  if (dnnl_engine_create(&c->engine, dnnl_cpu, 0) != dnnl_success || !(c->desc = cy_dnnl_convolution_choose(c)))
    return false;
  for (int i = 0; i < CY_CONVOLUTION_OPERANDS; i++)
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

static bool is_describable(const cy_convolution_problem *p, const cy_dnnl_side *sides) {
  if (p->dtype != CY_F32 || p->space < 1 || p->space > CY_MAX_SPACE || p->groups < 1) return false;
  for (int i = 0; i < CY_CONVOLUTION_OPERANDS; i++) {
    for (int k = 0; k < sides[i].user.rank; k++)
      if (!fits_int(sides[i].user.dims[k])) return false;
    if (!is_plain(&sides[i].user)) return false;
  }
  for (int i = 0; i < p->space; i++)
    if (!fits_int(p->stride[i]) || !fits_int(p->dilation[i]) || p->low[i] > INT_MAX || p->high[i] > INT_MAX)
      return false;
  return fits_library(p);
}

cy_status cy_dnnl_convolution_create(const cy_convolution_problem *problem, int threads, void **convolution) {
  *convolution = NULL;
  cy_dnnl_convolution *c = cy_calloc(1, sizeof *c);
  if (!c) return cy_no_memory();
  c->problem = *problem;
  c->threads = threads;
  c->side[CY_X].user = activation(problem, problem->channels, problem->size, problem->x_stride);
  c->side[CY_W].user = weights(problem);
  c->side[CY_Y].user = activation(problem, problem->filters, problem->extent, problem->y_stride);
  if (is_describable(problem, c->side)) {
    const int before = cy_dnnl_enter_threads(threads);
    if (build(c)) *convolution = c;
    cy_dnnl_leave_threads(before);
  }
  if (!*convolution) cy_dnnl_convolution_free(c);
  return CY_OK;
}

void cy_dnnl_convolution_free(void *convolution) {
  cy_dnnl_convolution *c = convolution;
  if (!c) return;
  for (int i = 0; i < CY_CONVOLUTION_OPERANDS; i++) {
    if (c->side[i].reorder) dnnl_primitive_destroy(c->side[i].reorder);
    if (c->side[i].desc) dnnl_primitive_desc_destroy(c->side[i].desc);
    cy_dnnl_forget(&c->side[i].stored);
  }
  if (c->primitive) dnnl_primitive_destroy(c->primitive);
  if (c->desc) dnnl_primitive_desc_destroy(c->desc);
  if (c->engine) dnnl_engine_destroy(c->engine);
  cy_free(c);
}
