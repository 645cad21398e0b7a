/* Reading and writing at computed places: gather and its transpose scatter_add, along one axis. */
#include "ops/ops.h"

#include <math.h>
#include <string.h>

typedef struct gather_attrs {
  int64_t axis, batch;
} gather_attrs;
typedef struct scatter_attrs {
  int64_t axis, batch, size;
} scatter_attrs;
static const cy_field gather_fields[] = {CY_INT_FIELD(gather_attrs, axis), CY_INT_FIELD(gather_attrs, batch),
                                         CY_END_FIELDS};
static const cy_field scatter_fields[] = {CY_INT_FIELD(scatter_attrs, axis), CY_INT_FIELD(scatter_attrs, batch),
                                          CY_INT_FIELD(scatter_attrs, size), CY_END_FIELDS};

static cy_status check_index(cy_type index, int64_t batch, cy_shape a) {
  if (index.dtype != CY_I32 && index.dtype != CY_I64)
    return cy_fail(CY_INVALID, "the index is %s; it must be i32 or i64", cy_dtype_name(index.dtype));
  if (batch > index.shape.rank) return cy_fail_shapes("operand %s and index %s do not share so many batch axes", a, index.shape);
  for (int64_t i = 0; i < batch; i++)
    if (index.shape.dim[i] != a.dim[i])
      return cy_fail_shapes("operand %s and index %s differ in a batch axis", a, index.shape);
  return CY_OK;
}

/* out = a[:axis] + index[batch:] + a[axis+1:] */
static cy_status infer_gather(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const gather_attrs *g = attrs;
  cy_shape a = in[0].shape, index = in[1].shape, shape = {0};
  (void)n;
  if (g->axis < 0 || g->axis >= a.rank || g->batch < 0 || g->batch > g->axis)
    return cy_fail(CY_INVALID, "axis %lld with %lld batch axes does not fit an operand of %d axes", (long long)g->axis,
                   (long long)g->batch, a.rank);
  CY_TRY(check_index(in[1], g->batch, a));
  if (a.rank - 1 + index.rank - g->batch > CY_MAX_RANK)
    return cy_fail_shapes("operand %s taken at index %s has more than 8 axes", a, index);
  for (int i = 0; i < g->axis; i++) shape.dim[shape.rank++] = a.dim[i];
  for (int i = (int)g->batch; i < index.rank; i++) shape.dim[shape.rank++] = index.dim[i];
  for (int i = (int)g->axis + 1; i < a.rank; i++) shape.dim[shape.rank++] = a.dim[i];
  *out = (cy_type){in[0].dtype, shape};
  return CY_OK;
}

/* updates = out[:axis] + index[batch:] + out[axis+1:] */
static cy_status infer_scatter(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const scatter_attrs *s = attrs;
  cy_shape updates = in[0].shape, index = in[1].shape, shape = {0};
  int64_t inner = index.rank - s->batch; /* axes of the index inside the updates */
  (void)n;
  if (s->axis < 0 || s->batch < 0 || s->batch > s->axis || inner < 0 || s->axis + inner > updates.rank || s->size < 0 ||
      updates.rank - inner + 1 > CY_MAX_RANK)
    return cy_fail_shapes("updates %s do not fit index %s along this axis", updates, index);
  CY_TRY(check_index(in[1], s->batch, updates));
  for (int64_t i = 0; i < inner; i++)
    if (updates.dim[s->axis + i] != index.dim[s->batch + i])
      return cy_fail_shapes("updates %s do not fit index %s along this axis", updates, index);
  for (int i = 0; i < s->axis; i++) shape.dim[shape.rank++] = updates.dim[i];
  shape.dim[shape.rank++] = s->size;
  for (int i = (int)(s->axis + inner); i < updates.rank; i++) shape.dim[shape.rank++] = updates.dim[i];
  *out = (cy_type){in[0].dtype, shape};
  if (in[0].dtype == CY_BOOL) return cy_fail(CY_INVALID, "bool cannot be added");
  return CY_OK;
}

/* Where the block of the small side (gather's result, scatter's updates) at walk position w starts on the large side,
 * in elements (strides may be negative); inside is false if its index is out of range. A block holds the axes after the
 * one that is indexed. */
static int64_t large_offset(const cy_walk *w, const cy_view *index, const cy_view *large, int64_t axis, int64_t batch,
                            bool *inside) {
  int64_t at = 0, offset = 0, inner = index->shape.rank - batch;
  for (int64_t i = 0; i < batch; i++) at += w->index[i] * index->stride[i];
  for (int64_t i = 0; i < inner; i++) at += w->index[axis + i] * index->stride[batch + i];
  int64_t k = index->dtype == CY_I32 ? ((const int32_t *)index->data)[at] : ((const int64_t *)index->data)[at];
  *inside = false;
  if (k < 0 || k >= large->shape.dim[axis]) return 0;
  for (int64_t i = 0; i < axis; i++) offset += w->index[i] * large->stride[i];
  *inside = true;
  return offset + k * large->stride[axis];
}

/* The window onto the view's last n axes. */
static cy_view last_axes(const cy_view *v, int n) {
  cy_view block = {.data = v->data, .dtype = v->dtype, .shape.rank = n};
  for (int i = 0; i < n; i++) {
    block.shape.dim[i] = v->shape.dim[v->shape.rank - n + i];
    block.stride[i] = v->stride[v->shape.rank - n + i];
  }
  return block;
}

static cy_walk walk_blocks(cy_shape small, int block_axes) {
  bool empty = cy_count(small) == 0;
  small.rank -= block_axes;
  cy_walk walk = cy_walk_start(small);
  walk.more = !empty;
  return walk;
}

static void kernel_gather(const cy_call *call) {
  const gather_attrs *g = call->attrs;
  const cy_view *large = &call->in[0], *small = call->out;
  int64_t size = (int64_t)cy_dtype_size(small->dtype);
  int axes = large->shape.rank - 1 - (int)g->axis;
  cy_view from = last_axes(large, axes), to = last_axes(small, axes);
  bool joined = cy_view_is_contiguous(&from) && cy_view_is_contiguous(&to);
  size_t bytes = (size_t)(cy_count(to.shape) * size);
  for (cy_walk w = walk_blocks(small->shape, axes); w.more; cy_walk_next(&w)) {
    bool inside;
    int64_t start = large_offset(&w, &call->in[1], large, g->axis, g->batch, &inside);
    to.data = (char *)small->data + cy_walk_offset(&w, small->stride) * size;
    from.data = inside ? (char *)large->data + start * size : NULL;
    if (inside && joined)
      memcpy(to.data, from.data, bytes);
    else if (inside)
      cy_view_copy(&from, &to);
    else
      cy_view_clear(&to);
  }
}

#define ADD_BLOCK(T)                                                                              \
  if (joined)                                                                                     \
    for (int64_t i = 0; i < n; i++) ((T *)to.data)[i] += ((const T *)from.data)[i];               \
  else                                                                                            \
    for (cy_walk k = cy_walk_start(to.shape); k.more; cy_walk_next(&k))                           \
      ((T *)to.data)[cy_walk_offset(&k, to.stride)] += ((const T *)from.data)[cy_walk_offset(&k, from.stride)]

static void kernel_scatter(const cy_call *call) {
  const scatter_attrs *s = call->attrs;
  const cy_view *small = &call->in[0], *large = call->out;
  int64_t size = (int64_t)cy_dtype_size(small->dtype);
  int axes = large->shape.rank - 1 - (int)s->axis;
  cy_view from = last_axes(small, axes), to = last_axes(large, axes);
  bool joined = cy_view_is_contiguous(&from) && cy_view_is_contiguous(&to);
  int64_t n = cy_count(to.shape);
  cy_view_clear(large);
  for (cy_walk w = walk_blocks(small->shape, axes); w.more; cy_walk_next(&w)) {
    bool inside;
    int64_t start = large_offset(&w, &call->in[1], large, s->axis, s->batch, &inside);
    if (!inside) continue;
    from.data = (char *)small->data + cy_walk_offset(&w, small->stride) * size;
    to.data = (char *)large->data + start * size;
    switch (small->dtype) {
      case CY_F32: ADD_BLOCK(float); break;
      case CY_F64: ADD_BLOCK(double); break;
      case CY_I32: ADD_BLOCK(int32_t); break;
      case CY_I64: ADD_BLOCK(int64_t); break;
      case CY_U8: case CY_BOOL: ADD_BLOCK(uint8_t); break;
    }
  }
}

/* Both are linear in operand 0; the index has no tangent. */
static cy_value jvp_first(const cy_rule *r) {
  cy_value in[2] = {r->tangent[0], r->in[1]};
  return cy_is_value(r->tangent[0]) ? cy_make(r->graph, r->node->op, in, 2, r->node->attrs) : cy_none;
}

static cy_value transpose_gather(const cy_rule *r, int i, cy_value ct) {
  const gather_attrs *g = CY_ATTRS(gather_attrs, r);
  return cy_scatter_add(ct, r->in[1], (int)g->axis, (int)g->batch, cy_value_shape(r->in[i]).dim[g->axis]);
}

static cy_value transpose_scatter(const cy_rule *r, int i, cy_value ct) {
  const scatter_attrs *s = CY_ATTRS(scatter_attrs, r);
  (void)i;
  return cy_gather(ct, r->in[1], (int)s->axis, (int)s->batch);
}

/* Everything along the axis that is indexed; the same place along all others. small, large: as in large_offset. */
static void reach_indexed(int64_t axis, int64_t batch, int index_rank, bool into_large, int operand, int rank,
                          cy_reach *reach) {
  int inner = index_rank - (int)batch; /* axes of the index that stand for one of the large side */
  for (int i = 0; i < rank; i++) {
    if (operand == 1) /* the index: where the small side is the result, its own place */
      reach[i] = i < batch ? cy_reach_same(i) : into_large ? cy_reach_all() : cy_reach_same((int)(axis - batch) + i);
    else if (i < axis)
      reach[i] = cy_reach_same(i);
    else if (into_large)
      reach[i] = i < axis + inner ? cy_reach_all() : cy_reach_same(i - inner + 1);
    else
      reach[i] = i == axis ? cy_reach_all() : cy_reach_same(i - 1 + inner);
  }
}

static void reach_gather(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  const gather_attrs *g = attrs;
  (void)n, (void)out;
  reach_indexed(g->axis, g->batch, in[1].shape.rank, false, operand, in[operand].shape.rank, reach);
}

/* A constant index [bins, places] whose row i spans bin i. */
static void reach_known_gather(const void *attrs, const cy_type *in, int operand, const void *content, cy_reach *reach) {
  const gather_attrs *g = attrs;
  cy_shape index = in[1].shape;
  int64_t extent = in[0].shape.dim[g->axis], out = index.rank == 2 ? index.dim[0] : 0;
  if (operand != 0 || g->batch != 0 || out < 1) return;
  for (int64_t i = 0; i < out; i++) {
    double low = INFINITY, high = -INFINITY;
    for (int64_t k = 0; k < index.dim[1]; k++) {
      double place = cy_load(content, in[1].dtype, i * index.dim[1] + k);
      low = fmin(low, place);
      high = fmax(high, place);
    }
    if (low != (double)cy_bin_start(i, extent, out) || high != (double)cy_bin_end(i, extent, out) - 1) return;
  }
  reach[g->axis] = cy_reach_bins((int)g->axis, extent, out);
}

static void reach_scatter(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  const scatter_attrs *s = attrs;
  (void)n, (void)out;
  reach_indexed(s->axis, s->batch, in[1].shape.rank, true, operand, in[operand].shape.rank, reach);
}

/* An index that all instances share needs no axis of its own, unless it has batch axes. */
static cy_value batch_gather(const cy_rule *r, const bool *batched, int64_t extent) {
  const gather_attrs *g = CY_ATTRS(gather_attrs, r);
  int axis = (int)g->axis, batch = (int)g->batch;
  if (!batched[0] && batch == 0) return cy_move_axis(cy_gather(r->in[0], r->in[1], axis, 0), axis, 0);
  if (!batched[1] && batch == 0) return cy_gather(r->in[0], r->in[1], axis + 1, 0);
  cy_value a = cy_batched(r, batched, 0, extent);
  return cy_gather(a, cy_batched(r, batched, 1, extent), axis + 1, batch + 1);
}

static cy_value batch_scatter(const cy_rule *r, const bool *batched, int64_t extent) {
  const scatter_attrs *s = CY_ATTRS(scatter_attrs, r);
  int axis = (int)s->axis, batch = (int)s->batch;
  if (!batched[1] && batch == 0) return cy_scatter_add(r->in[0], r->in[1], axis + 1, 0, s->size);
  cy_value updates = cy_batched(r, batched, 0, extent);
  return cy_scatter_add(updates, cy_batched(r, batched, 1, extent), axis + 1, batch + 1, s->size);
}

/* Operand, index and axis numbers that fit; indices reach one beyond each end. */
static gather_attrs sample_places(cy_rng *rng, cy_shape *a, cy_shape *index) {
  *a = cy_sample_shape(rng, 1, 3, true);
  *index = (cy_shape){0};
  gather_attrs g = {.axis = cy_rng_below(rng, a->rank)};
  g.batch = cy_rng_below(rng, g.axis + 1);
  for (int i = 0; i < g.batch; i++) index->dim[index->rank++] = a->dim[i];
  for (int64_t i = cy_rng_below(rng, 3); i > 0; i--) index->dim[index->rank++] = 1 + cy_rng_below(rng, 3);
  return g;
}

static void sample_gather(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_shape a, index;
  (void)op;
  gather_attrs g = sample_places(rng, &a, &index);
  cy_sample_operand(s, 0, CY_F64, a, -2, 2);
  cy_sample_operand(s, 1, cy_rng_below(rng, 2) ? CY_I64 : CY_I32, index, -1, (double)a.dim[g.axis] + 1);
  memcpy(s->attrs, &g, sizeof g);
}

static void sample_scatter(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_shape a, index;
  cy_type out;
  (void)op;
  gather_attrs g = sample_places(rng, &a, &index);
  scatter_attrs attrs = {g.axis, g.batch, a.dim[g.axis]};
  cy_type in[2] = {{CY_F64, a}, {CY_I64, index}};
  if (infer_gather(&g, in, 2, &out) != CY_OK) out.shape = a; /* cannot happen: the places fit */
  cy_sample_operand(s, 0, CY_F64, out.shape, -2, 2);
  cy_sample_operand(s, 1, cy_rng_below(rng, 2) ? CY_I64 : CY_I32, index, -1, (double)attrs.size + 1);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_gather = {
    .name = "gather", .op_class = CY_CLASS_LINEAR, .arity = 2, .attr_size = sizeof(gather_attrs),
    .fields = gather_fields, .linear = 1, .scalar = -1, .infer = infer_gather, .jvp = jvp_first,
    .transpose = transpose_gather, .kernel = kernel_gather, .cost = cy_cost_zero, .reach = reach_gather, .reach_known = reach_known_gather, .big = true,
    .batch = batch_gather, .sample = sample_gather};

const cy_op cy_op_scatter_add = {
    .name = "scatter_add", .op_class = CY_CLASS_LINEAR, .arity = 2, .attr_size = sizeof(scatter_attrs),
    .fields = scatter_fields, .linear = 1, .scalar = -1, .infer = infer_scatter, .jvp = jvp_first,
    .transpose = transpose_scatter, .kernel = kernel_scatter, .cost = cy_cost_operands, .reach = reach_scatter,
    .batch = batch_scatter, .sample = sample_scatter};

cy_value cy_gather(cy_value a, cy_value index, int axis, int batch) {
  gather_attrs attrs = {cy_axis(a, "gather", axis), batch};
  cy_value in[2] = {a, index};
  return attrs.axis < 0 ? cy_failed(a.graph) : cy_make(a.graph, &cy_op_gather, in, 2, &attrs);
}

cy_value cy_scatter_add(cy_value updates, cy_value index, int axis, int batch, int64_t size) {
  /* Negative axes count from the end of the result, whose rank the index decides. */
  if (axis < 0 && cy_is_value(updates) && cy_is_value(index))
    axis += cy_value_shape(updates).rank - (cy_value_shape(index).rank - batch) + 1;
  scatter_attrs attrs = {axis, batch, size};
  cy_value in[2] = {updates, index};
  return cy_make(updates.graph, &cy_op_scatter_add, in, 2, &attrs);
}
