/* Concatenations without copies: where fused groups compute the parts, they write them straight into the whole, and
 * whoever reads a part reads a window of it. The whole then has several writers, each of a place of its own. */
#include "compile/lower.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

/* How a part lies in the whole. Both are row-major; a block is what lies together of a part, from the joined axis
 * on. */
typedef struct place {
  int from, to;               /* buffers */
  int64_t block, whole_block; /* elements */
  int64_t start;              /* of the part in the whole's block */
} place;

static bool is_whole(const cy_program *p, const cy_operand *o) {
  return o->offset == 0 && cy_view_is_contiguous(&o->layout) &&
         p->buffers[o->buffer].bytes == (size_t)cy_count(o->layout.shape) * cy_dtype_size(o->layout.dtype);
}

/* Strides of a window onto the part become strides onto the whole; false if the window runs on from block to block. */
static bool move_strides(const place *at, int64_t offset, const int64_t *dim, int n, int64_t *stride) {
  int64_t end = offset % at->block;
  for (int i = 0; i < n; i++) {
    if (dim[i] <= 1) continue;
    if (stride[i] < 0) return false;
    if (stride[i] < at->block) end += stride[i] * (dim[i] - 1);
    else if (stride[i] % at->block) return false;
    else stride[i] = stride[i] / at->block * at->whole_block;
  }
  return end < at->block;
}

static int64_t elements(const cy_operand *o) { return o->offset / (int64_t)cy_dtype_size(o->layout.dtype); }

static bool move_operand(const place *at, cy_operand *o) {
  const int64_t offset = elements(o), size = (int64_t)cy_dtype_size(o->layout.dtype);
  if (!move_strides(at, offset, o->layout.shape.dim, o->layout.shape.rank, o->layout.stride)) return false;
  o->offset = (offset / at->block * at->whole_block + offset % at->block + at->start) * size;
  o->buffer = at->to;
  return true;
}

static bool mentions(const cy_instruction *i, int buffer) {
  for (int k = 0; k < i->n_in; k++)
    if (i->in[k].buffer == buffer) return true;
  for (int k = 0; k < i->n_out; k++)
    if (i->out[k].buffer == buffer) return true;
  return false;
}

/* Copies of everything that a moved operand changes, so that what was can come back. */
static cy_status copy_arrays(cy_program *p, cy_instruction *i) {
  const size_t n_in = (size_t)i->n_in, n_out = (size_t)i->n_out;
  i->in = cy_arena_copy(p->memory, i->in, n_in * sizeof *i->in);
  i->out = cy_arena_copy(p->memory, i->out, n_out * sizeof *i->out);
  if (!i->in || !i->out) return cy_no_memory();
  if (!i->fused) return CY_OK;
  cy_fused *f = cy_arena_copy(p->memory, i->fused, sizeof *f);
  if (!f) return cy_no_memory();
  f->inputs = cy_arena_copy(p->memory, f->inputs, n_in * sizeof *f->inputs);
  f->outputs = cy_arena_copy(p->memory, f->outputs, n_out * sizeof *f->outputs);
  i->fused = f;
  return f->inputs && f->outputs ? CY_OK : cy_no_memory();
}

/* One instruction's windows onto the part. Single operations write rows, so only groups may write into the whole. */
static bool move_instruction(const place *at, cy_instruction *i) {
  cy_fused *f = (cy_fused *)(uintptr_t)i->fused; /* ours: copy_arrays made it */
  cy_fused_input *inputs = f ? (cy_fused_input *)(uintptr_t)f->inputs : NULL;
  cy_fused_output *outputs = f ? (cy_fused_output *)(uintptr_t)f->outputs : NULL;
  for (int k = 0; k < i->n_in; k++) {
    if (i->in[k].buffer != at->from) continue;
    if (f && !move_strides(at, elements(&i->in[k]), f->dim, f->n_axes, inputs[k].stride)) return false;
    if (!move_operand(at, &i->in[k])) return false;
  }
  for (int k = 0; k < i->n_out; k++) {
    if (i->out[k].buffer != at->from) continue;
    if (!f || outputs[k].accumulate) return false;
    if (!move_strides(at, elements(&i->out[k]), f->dim, f->n_axes, outputs[k].stride)) return false;
    if (!move_operand(at, &i->out[k])) return false;
  }
  return true;
}

static bool is_output(const cy_program *p, int buffer) {
  for (int i = 0; i < p->n_outputs; i++)
    if (p->outputs[i].buffer == buffer) return true;
  return false;
}

/* Is operand k of the concatenation a value of its own that is in no other part? */
static bool may_move(const cy_program *p, const cy_instruction *join, int k) {
  const int buffer = join->in[k].buffer;
  if (p->buffers[buffer].place != CY_PLACE_ARENA || !is_whole(p, &join->in[k]) || is_output(p, buffer)) return false;
  for (int j = 0; j < join->n_in; j++)
    if (j != k && join->in[j].buffer == buffer) return false;
  return true;
}

static cy_status move_part(cy_program *p, int join, const place *at, bool *done) {
  for (int i = 0; i < p->n_instructions && *done; i++) {
    if (i == join || !mentions(&p->instructions[i], at->from)) continue;
    CY_TRY(copy_arrays(p, &p->instructions[i]));
    *done = move_instruction(at, &p->instructions[i]);
  }
  return CY_OK;
}

static cy_status move_parts(cy_program *p, int join, bool *done) {
  const cy_instruction *i = &p->instructions[join];
  const int axis = i->op->joined_axis(i->attrs);
  const cy_shape whole = i->out[0].layout.shape;
  int64_t inner = 1, start = 0;
  for (int a = axis + 1; a < whole.rank; a++) inner *= whole.dim[a];
  *done = is_whole(p, &i->out[0]) && cy_count(whole) > 0;
  for (int k = 0; k < i->n_in && *done; k++) *done = may_move(p, i, k);
  for (int k = 0; k < i->n_in && *done; k++) {
    const int64_t extent = i->in[k].layout.shape.dim[axis];
    const place at = {i->in[k].buffer, i->out[0].buffer, extent * inner, whole.dim[axis] * inner, start * inner};
    if (extent > 0) CY_TRY(move_part(p, join, &at, done));
    start += extent;
  }
  return CY_OK;
}

cy_status cy_join_in_place(cy_program *p) {
  cy_instruction *before = cy_calloc((size_t)p->n_instructions, sizeof *before);
  cy_status status = before ? CY_OK : cy_no_memory();
  for (int i = 0; i < p->n_instructions && status == CY_OK; i++) {
    const size_t n = (size_t)p->n_instructions;
    bool done = false;
    if (!p->instructions[i].op || !p->instructions[i].op->joined_axis) continue;
    memcpy(before, p->instructions, n * sizeof *before);
    status = move_parts(p, i, &done);
    if (status != CY_OK) break;
    if (!done) {
      memcpy(p->instructions, before, n * sizeof *before);
      continue;
    }
    memmove(p->instructions + i, p->instructions + i + 1, (n - (size_t)i - 1) * sizeof *before);
    p->n_instructions--;
    i--;
  }
  cy_free(before);
  return status;
}
