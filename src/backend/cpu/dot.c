/* Contractions as matrix products: the axes of each operand, in the order batch, free, contracted, are joined to one
 * stride per group. An operand whose axes cannot be joined is first packed into the workspace. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/workspace.h"
#include "ops/dot.h"

#include <string.h>

enum { BATCH, FREE, CONTRACT, GROUPS };

typedef struct side {
  bool packs;
  cy_view window; /* the operand with its axes in the order of the groups */
  int count[GROUPS]; /* axes */
  size_t bytes; /* of the packed copy */
  int64_t extent[GROUPS], stride[GROUPS];
  int64_t within; /* stride of the batch's inner axes, where they are not joined with the outer ones */
} side;

typedef struct plan {
  cy_gemm *gemm;
  side a, b;
  cy_view added; /* dot_add: layout of c */
} plan;

/* Joins axes first..first+n of the window into one; false if they do not lie one inside the other. */
static bool join(const cy_view *w, int first, int n, int64_t *extent, int64_t *stride) {
  *extent = 1;
  *stride = 0;
  bool joined = true;
  for (int i = first + n - 1; i >= first; i--) {
    if (w->shape.dim[i] != 1) {
      if (*extent == 1)
        *stride = w->stride[i];
      else if (w->stride[i] != *stride * *extent)
        joined = false;
    }
    *extent *= w->shape.dim[i];
  }
  return joined;
}

static void arrange(const cy_view *operand, const cy_list *batch, const cy_list *contract, side *s) {
  int free[CY_MAX_RANK], order[CY_MAX_RANK], n = 0;
  s->count[FREE] = cy_dot_free_axes(operand->shape.rank, batch, contract, free);
  s->count[BATCH] = (int)batch->n;
  s->count[CONTRACT] = (int)contract->n;
  for (int i = 0; i < batch->n; i++) order[n++] = (int)batch->at[i];
  for (int i = 0; i < s->count[FREE]; i++) order[n++] = free[i];
  for (int i = 0; i < contract->n; i++) order[n++] = (int)contract->at[i];
  s->window = (cy_view){.dtype = operand->dtype, .shape.rank = n};
  for (int i = 0; i < n; i++) {
    s->window.shape.dim[i] = operand->shape.dim[order[i]];
    s->window.stride[i] = operand->stride[order[i]];
  }
  s->packs = false;
  for (int g = FREE, first = s->count[BATCH]; g < GROUPS; first += s->count[g++])
    if (!join(&s->window, first, s->count[g], &s->extent[g], &s->stride[g])) s->packs = true;
}

static int64_t extent_of(const side *s, int first, int end) {
  int64_t extent = 1;
  for (int i = first; i < end; i++) extent *= s->window.shape.dim[i];
  return extent;
}

/* Joins the batch's axes to outer ones and `inner` last ones. An operand that is packed anyway has them joined. */
static bool join_batch(side *s, int inner) {
  int64_t extent;
  const int outer = s->count[BATCH] - inner;
  if (s->packs) return true;
  const bool outside = join(&s->window, 0, outer, &extent, &s->stride[BATCH]);
  return join(&s->window, outer, inner, &extent, &s->within) && outside;
}

/* How many products are a group, so that neither operand must be copied to be walked from group to group and within them; 1 if
 * the batch's axes are one, or are made one by copies. */
static int64_t split_batch(side *a, side *b) {
  const int axes = a->count[BATCH];
  for (int n = 0; n == 0 || n < axes; n++) {
    const bool left = join_batch(a, n), right = join_batch(b, n);
    if (left && right) return extent_of(a, axes - n, axes);
  }
  a->packs = a->packs || !join_batch(a, 0);
  b->packs = b->packs || !join_batch(b, 0);
  return 1;
}

static void plan_copy(side *s, int64_t inner) {
  if (!s->packs) return;
  s->bytes = cy_aligned((size_t)cy_count(s->window.shape) * cy_dtype_size(s->window.dtype));
  s->stride[CONTRACT] = 1;
  s->stride[FREE] = s->extent[CONTRACT];
  s->within = s->extent[FREE] * s->extent[CONTRACT];
  s->stride[BATCH] = inner * s->within;
}

static void destroy(void *p) {
  if (p) cy_gemm_free(((plan *)p)->gemm);
  cy_free(p);
}

/* The factors are the instruction's operands `first` and the next. */
static cy_status create_from(const cy_instruction *instruction, int first, int threads, void **out) {
  const cy_dot_attrs *d = instruction->attrs;
  plan *p = cy_calloc(1, sizeof *p);
  *out = NULL;
  if (!p) return cy_no_memory();
  arrange(&instruction->in[first].layout, &d->a_batch, &d->a_contract, &p->a);
  arrange(&instruction->in[first + 1].layout, &d->b_batch, &d->b_contract, &p->b);
  const int64_t inner = split_batch(&p->a, &p->b);
  plan_copy(&p->a, inner);
  plan_copy(&p->b, inner);
  const int64_t result = p->a.extent[FREE] * p->b.extent[FREE];
  cy_gemm_problem problem = {
      .dtype = instruction->out[0].layout.dtype,
      .batch = extent_of(&p->a, 0, p->a.count[BATCH]), .m = p->a.extent[FREE], .n = p->b.extent[FREE], .k = p->a.extent[CONTRACT],
      .a_stride = {p->a.stride[BATCH], p->a.stride[FREE], p->a.stride[CONTRACT]},
      .b_stride = {p->b.stride[BATCH], p->b.stride[CONTRACT], p->b.stride[FREE]},
      .c_stride = {inner * result, p->b.extent[FREE], 1},
      .inner = inner, .inner_stride = {p->a.within, p->b.within, result},
      .a_still = !p->a.packs && instruction->still >> first & 1,
      .b_still = !p->b.packs && instruction->still >> (first + 1) & 1};
  cy_status status = cy_gemm_create(&problem, threads, &p->gemm);
  if (status != CY_OK) {
    destroy(p);
    return status;
  }
  *out = p;
  return CY_OK;
}

static cy_status create(const cy_instruction *instruction, int threads, void **out) {
  return create_from(instruction, 0, threads, out);
}

static size_t scratch(const void *p) {
  const plan *dot = p;
  return dot->a.bytes + dot->b.bytes + cy_gemm_scratch(dot->gemm);
}

static cy_status instance(const void *p, void **out) { return cy_gemm_instance_create(((const plan *)p)->gemm, out); }

static size_t kept(const void *p) { return cy_gemm_kept(((const plan *)p)->gemm); }

static void prepare(const void *p, void *gemm_instance, void *const *in, void *scratch_memory) {
  (void)scratch_memory;
  cy_gemm_prepare(((const plan *)p)->gemm, gemm_instance, in[0], in[1]);
}

/* The operand's data, or its packed copy. */
static void *packed(const side *s, void *data, char **workspace) {
  if (!s->packs) return data;
  cy_view from = s->window, to = cy_view_row_major(*workspace, s->window.dtype, s->window.shape);
  from.data = data;
  cy_view_copy(&from, &to);
  *workspace += s->bytes;
  return to.data;
}

static cy_status run(const void *p, void *gemm_instance, void *const *in, void *const *out, void *scratch_memory) {
  const plan *dot = p;
  char *workspace = scratch_memory;
  const void *a = packed(&dot->a, in[0], &workspace), *b = packed(&dot->b, in[1], &workspace);
  return cy_gemm_run(dot->gemm, gemm_instance, a, b, out[0], workspace);
}

static const char *describe(const void *p) { return cy_gemm_kernel(((const plan *)p)->gemm); }

const cy_kernel cy_cpu_dot = {.create = create, .destroy = destroy, .scratch = scratch, .instance = instance,
                              .free_instance = cy_gemm_instance_free, .kept = kept, .prepare = prepare, .fetch = cy_gemm_fetch, .run = run,
                              .describe = describe};

/* ---- c + scale A B: operands c, A, B, scale ---- */

static cy_status create_add(const cy_instruction *instruction, int threads, void **out) {
  CY_TRY(create_from(instruction, 1, threads, out));
  plan *p = *out;
  p->added = instruction->in[0].layout;
  return CY_OK;
}

static void prepare_add(const void *p, void *gemm_instance, void *const *in, void *scratch_memory) {
  prepare(p, gemm_instance, in + 1, scratch_memory);
}

static cy_status run_add(const void *p, void *gemm_instance, void *const *in, void *const *out, void *scratch_memory) {
  const plan *dot = p;
  char *workspace = scratch_memory;
  double scale = cy_load(in[3], dot->added.dtype, 0);
  if (in[0] != out[0]) {
    cy_view from = dot->added, to = cy_view_row_major(out[0], from.dtype, from.shape);
    from.data = in[0];
    cy_view_copy(&from, &to);
  }
  if (scale == 0) return CY_OK; /* whatever A and B hold: an update that is held back changes nothing */
  const void *a = packed(&dot->a, in[1], &workspace), *b = packed(&dot->b, in[2], &workspace);
  return cy_gemm_run_add(dot->gemm, gemm_instance, a, b, scale, out[0], workspace);
}

const cy_kernel cy_cpu_dot_add = {.create = create_add, .destroy = destroy, .scratch = scratch, .instance = instance,
                                  .free_instance = cy_gemm_instance_free, .kept = kept, .prepare = prepare_add,
                                  .fetch = cy_gemm_fetch, .run = run_add, .describe = describe};
