/* Reshape: the same elements, in row-major order, under another shape. */
#include "ops/views.h"

#include <string.h>

typedef struct shape_attrs {
  cy_list shape;
} shape_attrs;
static const cy_field shape_fields[] = {CY_LIST_FIELD(shape_attrs, shape), CY_END_FIELDS};

static cy_status infer_reshape(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const shape_attrs *a = attrs;
  char from[CY_SHAPE_TEXT], to[CY_SHAPE_TEXT];
  int64_t count;
  (void)n;
  *out = (cy_type){in[0].dtype, cy_shape_of(&a->shape)};
  CY_TRY(cy_shape_count(out->shape, &count));
  if (count != cy_count(in[0].shape))
    return cy_fail(CY_INVALID, "shape %s has %lld elements, shape %s has %lld", cy_shape_text(in[0].shape, from),
                   (long long)cy_count(in[0].shape), cy_shape_text(out->shape, to), (long long)count);
  return CY_OK;
}

static cy_value transpose_reshape(const cy_rule *r, int i, cy_value ct) {
  return cy_reshape(ct, cy_value_shape(r->in[i]));
}

static cy_value simplify_reshape(const cy_rule *r) {
  if (cy_shape_equal(cy_value_shape(r->in[0]), r->node->shape)) return r->in[0];
  const cy_node *inner = cy_view_producer(r, &cy_op_reshape);
  if (inner) return cy_reshape(cy_value_at(r->graph, inner->inputs[0]), r->node->shape);
  return cy_view_simplify(r);
}

/* Strides of the new shape over the old layout, if each run of new axes covers a run of old axes that lie one inside
 * the other. (x, y: extents of the runs so far.) */
static bool view_reshape(const void *attrs, const cy_view *in, cy_view *out) {
  (void)attrs;
  out->data = in->data;
  cy_row_major(out->shape, out->stride);
  if (cy_count(out->shape) <= 1 || cy_view_is_contiguous(in)) return true;
  int64_t dim[CY_MAX_RANK], stride[CY_MAX_RANK];
  int rank = 0; /* old axes without extents of 1 */
  for (int i = 0; i < in->shape.rank; i++)
    if (in->shape.dim[i] != 1) dim[rank] = in->shape.dim[i], stride[rank++] = in->stride[i];
  int i = 0, j = 0;
  while (i < rank) {
    int first_old = i, first_new = j;
    int64_t x = dim[i++], y = out->shape.dim[j++];
    while (x != y)
      if (x < y)
        x *= dim[i++];
      else
        y *= out->shape.dim[j++];
    for (int k = first_old; k + 1 < i; k++)
      if (stride[k] != stride[k + 1] * dim[k + 1]) return false;
    int64_t step = stride[i - 1];
    for (int k = j - 1; k >= first_new; k--) {
      out->stride[k] = step;
      step *= out->shape.dim[k];
    }
  }
  return true;
}

static void kernel_reshape(const cy_call *call) {
  /* Both sides in row-major order of their own shape. */
  size_t size = cy_dtype_size(call->out->dtype);
  cy_view row_major = cy_view_row_major(call->in[0].data, call->out->dtype, call->out->shape);
  if (cy_view_is_contiguous(&call->in[0])) {
    cy_view_copy(&row_major, call->out);
    return;
  }
  if (cy_view_is_contiguous(call->out)) {
    row_major = cy_view_row_major(call->out->data, call->out->dtype, call->in[0].shape);
    cy_view_copy(&call->in[0], &row_major);
    return;
  }
  cy_walk from = cy_walk_start(call->in[0].shape);
  for (cy_walk to = cy_walk_start(call->out->shape); to.more; cy_walk_next(&to), cy_walk_next(&from))
    memcpy((char *)call->out->data + cy_walk_offset(&to, call->out->stride) * (int64_t)size,
           (const char *)call->in[0].data + cy_walk_offset(&from, call->in[0].stride) * (int64_t)size, size);
}

/* Along runs of axes of equal size on both sides: the first axis of the old run follows that of the new one. The others
 * do too, but in saws. */
static void reach_reshape(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                          cy_reach *reach) {
  cy_shape from = in[0].shape, to = out->shape;
  int i = 0, j = 0;
  (void)attrs, (void)n, (void)operand;
  for (int k = 0; k < from.rank; k++) reach[k] = cy_reach_all();
  while (cy_count(from) && i < from.rank && j < to.rank) {
    int old = i, new = j;
    if (from.dim[i] == 1) {
      i++;
      continue;
    }
    if (to.dim[j] == 1) {
      j++;
      continue;
    }
    int64_t x = from.dim[i++], y = to.dim[j++];
    while (x != y)
      if (x < y)
        x *= from.dim[i++];
      else
        y *= to.dim[j++];
    int64_t inside_old = x / from.dim[old], inside_new = x / to.dim[new]; /* elements per step of the first axis */
    reach[old] = (cy_reach){new, inside_new, 1 - inside_old, inside_new - 1, inside_old, 1, false};
  }
}

static cy_value batch_reshape(const cy_rule *r, const bool *batched, int64_t extent) {
  (void)batched;
  return cy_reshape(r->in[0], cy_shape_in_front(extent, r->node->shape));
}

static void sample_reshape(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_shape shape = cy_sample_shape(rng, 1, 3, true), flat = CY_SHAPE(cy_count(shape));
  cy_shape split = CY_SHAPE(shape.dim[0], 1, cy_count(shape) ? cy_count(shape) / shape.dim[0] : 0);
  shape_attrs attrs = {cy_list_of(cy_rng_below(rng, 2) ? flat : split)};
  if (!cy_count(shape)) attrs.shape = cy_list_of(CY_SHAPE(2, 0));
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_reshape = {
    .name = "reshape", .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(shape_attrs),
    .fields = shape_fields, .linear = 1, .scalar = -1, .infer = infer_reshape, .jvp = cy_jvp_linear,
    .transpose = transpose_reshape, .simplify = simplify_reshape, .view = view_reshape, .kernel = kernel_reshape,
    .cost = cy_cost_zero, .reach = reach_reshape, .batch = batch_reshape, .sample = sample_reshape};

cy_value cy_reshape(cy_value a, cy_shape shape) {
  if (!cy_is_value(a) || cy_graph_failed(a.graph)) return cy_failed(a.graph);
  int unknown = -1;
  int64_t known = 1, count = cy_count(cy_value_shape(a));
  for (int i = 0; i < shape.rank && i < CY_MAX_RANK; i++) {
    if (shape.dim[i] != -1) {
      if (!cy_mul_i64(known, shape.dim[i], &known)) known = 0;
    } else if (unknown < 0) {
      unknown = i;
    } else {
      cy_graph_fail(a.graph, CY_INVALID, "reshape: only one extent may be -1");
      return cy_failed(a.graph);
    }
  }
  if (unknown >= 0) shape.dim[unknown] = known > 0 ? count / known : 0;
  if (cy_shape_equal(shape, cy_value_shape(a))) return a;
  shape_attrs attrs = {cy_list_of(shape)};
  return cy_make(a.graph, &cy_op_reshape, &a, 1, &attrs);
}
