#include "compile/share.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/ops.h"

#include <string.h>

/* A buffer of which a part owns some rows lies row after row: row i begins `step` bytes behind row i - 1. 0: the
 * part has all of it, the caller's or computed by every part for itself. */
typedef struct sharing {
  cy_program *p;
  const cy_share *share;
  int64_t *step; /* per buffer */
} sharing;

static int64_t size_of(const cy_operand *o) { return (int64_t)cy_dtype_size(o->layout.dtype); }

/* The axis along which a window onto an owned buffer goes from row to row, if it shows all rows and stays within
 * each. */
static int row_axis(const sharing *s, const cy_operand *o, const int64_t *dim, const int64_t *stride, int n) {
  const int64_t step = s->step[o->buffer];
  int64_t end = o->offset + size_of(o);
  int axis = -1;
  for (int i = 0; i < n; i++) {
    if (dim[i] <= 1) continue;
    if (stride[i] * size_of(o) == step && dim[i] == s->share->rows && axis < 0) axis = i;
    else if (stride[i] < 0) return -1;
    else end += stride[i] * (dim[i] - 1) * size_of(o);
  }
  return end <= step ? axis : -1;
}

/* The operand cut down to the part's rows along an axis. */
static void cut(const sharing *s, cy_operand *o, int64_t stride) { o->offset += s->share->first * stride * size_of(o); }

static cy_operand *copied(const sharing *s, const cy_operand *operands, int n) {
  cy_operand *copy = cy_arena_alloc(s->p->memory, (size_t)(n ? n : 1) * sizeof *copy);
  if (copy && n) memcpy(copy, operands, (size_t)n * sizeof *copy);
  return copy;
}

/* A result of which every part computes its rows must lie row after row, in memory of its own or among the owned. */
static bool own(sharing *s, const cy_operand *o, const int64_t *dim, const int64_t *stride, int n, int axis) {
  const int64_t before = s->step[o->buffer], step = stride[axis] * size_of(o);
  if (step <= 0 || (before && before != step)) return false;
  if (!before && s->p->buffers[o->buffer].place != CY_PLACE_ARENA) return false;
  s->step[o->buffer] = step;
  return row_axis(s, o, dim, stride, n) == axis;
}

/* Computed by every part for itself. */
static bool stays_whole(const sharing *s, const cy_instruction *i) {
  for (int k = 0; k < i->n_out; k++)
    if (s->p->buffers[i->out[k].buffer].place != CY_PLACE_ARENA || s->step[i->out[k].buffer]) return false;
  return true;
}

/* ---- fused groups ---- */

static bool depends_on_place(const cy_fused *f, int axis) {
  for (int i = 0; i < f->n_steps; i++) {
    const cy_step *s = &f->steps[i];
    if (s->kind == CY_STEP_RANDOM || (s->kind == CY_STEP_IOTA && s->index == axis) ||
        (s->kind == CY_STEP_REDUCE && axis >= f->row_axes))
      return true;
  }
  return false;
}

/* The axis of the domain that goes through the rows; -1: none; -2: operands disagree. */
static int domain_axis(const sharing *s, const cy_instruction *i) {
  int axis = -1;
  for (int k = 0; k < i->n_in; k++) {
    if (!s->step[i->in[k].buffer]) continue;
    int own_axis = row_axis(s, &i->in[k], i->fused->dim, i->fused->inputs[k].stride, i->fused->n_axes);
    if (own_axis < 0 || (axis >= 0 && axis != own_axis)) return -2;
    axis = own_axis;
  }
  return axis;
}

static cy_status share_fused(sharing *s, cy_instruction *i, bool *done) {
  const cy_fused *f = i->fused;
  const int axis = domain_axis(s, i);
  *done = axis == -1 ? stays_whole(s, i) : axis >= 0 && !depends_on_place(f, axis);
  if (axis < 0 || !*done) return CY_OK;
  for (int k = 0; k < i->n_out && *done; k++) *done = own(s, &i->out[k], f->dim, f->outputs[k].stride, f->n_axes, axis);
  if (!*done) return CY_OK;
  cy_fused *part = cy_arena_copy(s->p->memory, f, sizeof *f);
  i->in = copied(s, i->in, i->n_in);
  i->out = copied(s, i->out, i->n_out);
  if (!part || !i->in || !i->out) return cy_no_memory();
  part->dim[axis] = s->share->count;
  i->flops *= (double)s->share->count / (double)s->share->rows;
  for (int k = 0; k < i->n_in; k++) cut(s, &i->in[k], f->inputs[k].stride[axis]);
  for (int k = 0; k < i->n_out; k++) cut(s, &i->out[k], f->outputs[k].stride[axis]);
  i->fused = part;
  return CY_OK;
}

/* ---- single operations ---- */

enum { MOST = 8 }; /* operands */

static bool same_place(const cy_reach *r) { return r->stride == 1 && r->low == 0 && r->high == 0 && r->divisor == 1; }

/* The result's axis that goes through the rows, -1, or -2; through[k]: that of operand k. */
static int result_axis(const sharing *s, const cy_instruction *i, int through[MOST]) {
  cy_reach reach[MOST][CY_MAX_RANK];
  cy_type in[MOST], out = {i->out[0].layout.dtype, i->out[0].layout.shape};
  int axis = -1;
  bool owned = false;
  for (int k = 0; k < i->n_in; k++) {
    through[k] = -1;
    owned = owned || s->step[i->in[k].buffer];
    in[k] = (cy_type){i->in[k].layout.dtype, i->in[k].layout.shape};
  }
  if (!owned) return -1;
  if (!i->op->reach) return -2;
  for (int k = 0; k < i->n_in; k++) {
    const cy_view *v = &i->in[k].layout;
    i->op->reach(i->attrs, in, i->n_in, &out, k, reach[k]);
    if (!s->step[i->in[k].buffer]) continue;
    int own_axis = row_axis(s, &i->in[k], v->shape.dim, v->stride, v->shape.rank);
    if (own_axis < 0 || reach[k][own_axis].axis < 0 || (axis >= 0 && axis != reach[k][own_axis].axis)) return -2;
    axis = reach[k][own_axis].axis;
    through[k] = own_axis;
  }
  for (int k = 0; k < i->n_in; k++)
    for (int a = 0; a < in[k].shape.rank; a++) {
      if (reach[k][a].axis != axis) {
        if (a == through[k]) return -2;
        continue;
      }
      if (!same_place(&reach[k][a]) || in[k].shape.dim[a] != s->share->rows) return -2;
      if (through[k] >= 0 && through[k] != a) return -2;
      through[k] = a;
    }
  return axis;
}

static cy_status share_single(sharing *s, cy_instruction *i, bool *done) {
  int through[MOST];
  cy_type in[MOST], out;
  *done = i->n_out == 1 && i->n_in <= MOST && !i->loop;
  if (!*done) return CY_OK;
  const int axis = result_axis(s, i, through);
  const cy_view *result = &i->out[0].layout;
  *done = axis == -1 ? stays_whole(s, i)
                     : axis >= 0 && own(s, &i->out[0], result->shape.dim, result->stride, result->shape.rank, axis);
  if (axis < 0 || !*done) return CY_OK;
  i->in = copied(s, i->in, i->n_in);
  i->out = copied(s, i->out, 1);
  if (!i->in || !i->out) return cy_no_memory();
  for (int k = 0; k < i->n_in; k++) {
    cy_view *v = &i->in[k].layout;
    if (through[k] >= 0) {
      cut(s, &i->in[k], v->stride[through[k]]);
      v->shape.dim[through[k]] = s->share->count;
    }
    in[k] = (cy_type){v->dtype, v->shape};
  }
  cut(s, &i->out[0], result->stride[axis]);
  i->out[0].layout.shape.dim[axis] = s->share->count;
  i->flops *= (double)s->share->count / (double)s->share->rows;
  /* Attributes may hold extents: then the operation is another one. */
  if (i->op->infer)
    *done = i->op->infer(i->attrs, in, i->n_in, &out) == CY_OK && cy_shape_equal(out.shape, i->out[0].layout.shape);
  return CY_OK;
}

/* ---- the program ---- */

/* What is bound and moves belongs to its rows. */
static bool begin(sharing *s, const cy_leaf *leaves, int n_leaves) {
  for (int b = 0; b < s->p->n_buffers; b++) {
    const cy_buffer *buffer = &s->p->buffers[b];
    if (buffer->place != CY_PLACE_BOUND) continue;
    const cy_binding *binding = &s->p->bindings[buffer->binding];
    const cy_leaf *leaf = NULL;
    for (int i = 0; i < n_leaves; i++)
      if (strcmp(leaves[i].name, binding->name) == 0) leaf = &leaves[i];
    if (!leaf || !leaf->rows) continue;
    if (binding->shape.rank == 0 || binding->shape.dim[0] != s->share->rows || leaf->stride[0] <= 0) return false;
    s->step[b] = leaf->stride[0] * (int64_t)cy_dtype_size(binding->dtype);
  }
  return true;
}

cy_status cy_take_share(cy_program *p, const cy_share *share, const cy_leaf *leaves, int n_leaves, bool *done) {
  sharing s = {p, share, cy_calloc((size_t)p->n_buffers, sizeof *s.step)};
  const size_t bytes = (size_t)p->n_instructions * sizeof *p->instructions;
  cy_instruction *before = cy_calloc(1, bytes);
  cy_status status = s.step && before ? CY_OK : cy_no_memory();
  *done = status == CY_OK && begin(&s, leaves, n_leaves);
  if (status == CY_OK && bytes) memcpy(before, p->instructions, bytes);
  for (int i = 0; i < p->n_instructions && status == CY_OK && *done; i++) {
    cy_instruction *instruction = &p->instructions[i];
    status = instruction->fused ? share_fused(&s, instruction, done) : share_single(&s, instruction, done);
  }
  if (status == CY_OK && !*done && bytes) memcpy(p->instructions, before, bytes);
  cy_free(s.step);
  cy_free(before);
  return status;
}
