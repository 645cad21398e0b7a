/* Workspace is the caller's (user scratchpad); our code allocates nothing when running, the library a few small
 * blocks. The two versions of oneDNN differ in one function here; dnnl_common.c hides the others. */
#include "backend/cpu/dnnl_matmul.h"

#include "backend/cpu/dnnl_common.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum { A, B, C, SCRATCH, OPERANDS };

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t plan(dnnl_primitive_desc_t *desc, dnnl_engine_t engine, const cy_dnnl_desc d[3],
                          const_dnnl_primitive_attr_t attr) {
  return dnnl_matmul_primitive_desc_create(desc, engine, d[A], d[B], NULL, d[C], attr);
}
#else
static dnnl_status_t plan(dnnl_primitive_desc_t *desc, dnnl_engine_t engine, const cy_dnnl_desc d[3],
                          const_dnnl_primitive_attr_t attr) {
  dnnl_matmul_desc_t operation;
  const dnnl_status_t status = dnnl_matmul_desc_init(&operation, &d[A], &d[B], NULL, &d[C]);
  return status == dnnl_success ? dnnl_primitive_desc_create(desc, &operation, attr, engine, NULL) : status;
}
#endif

/* ---- the plan ------------------------------------------------------------------------------------------- */

struct cy_dnnl_matmul {
  dnnl_engine_t engine;
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  size_t scratch;
  int threads;
  bool swapped; /* C' = B' A', because C is column by column */
};

struct cy_dnnl_instance {
  dnnl_stream_t stream;
  dnnl_memory_t memory[OPERANDS];
  dnnl_exec_arg_t arguments[OPERANDS];
};

static bool rows_apart(const int64_t stride[3], int64_t rows, int64_t columns) {
  return (stride[2] == 1 && stride[1] >= columns) || (stride[1] == 1 && stride[2] >= rows);
}

/* Rank 2, or 3 with batches; an operand that repeats has one batch. */
static bool describe_operand(cy_dnnl_desc *d, const int64_t stride[3], int64_t batch, int64_t rows, int64_t columns) {
  const dnnl_dims_t dims = {stride[0] == 0 ? 1 : batch, rows, columns};
  const dnnl_dims_t strides = {stride[0] == 0 ? rows * columns : stride[0], stride[1], stride[2]};
  const int skip = batch == 1;
  dnnl_dims_t used_dims = {0}, used_strides = {0};
  for (int i = skip; i < 3; ++i) used_dims[i - skip] = dims[i], used_strides[i - skip] = strides[i];
  return cy_dnnl_describe_strides(d, 3 - skip, used_dims, used_strides);
}

/* The library's slow fallback is named ref:any. */
static bool is_fast(const_dnnl_primitive_desc_t desc) { return strncmp(cy_dnnl_implementation(desc), "ref", 3) != 0; }

static bool build(cy_dnnl_matmul *m, const cy_gemm_problem *p) {
  cy_dnnl_desc d[3];
  memset(d, 0, sizeof d);
  dnnl_primitive_attr_t attr = cy_dnnl_attributes();
  const bool ok = attr && dnnl_engine_create(&m->engine, dnnl_cpu, 0) == dnnl_success &&
                  describe_operand(&d[A], p->a_stride, p->batch, p->m, p->k) &&
                  describe_operand(&d[B], p->b_stride, p->batch, p->k, p->n) &&
                  describe_operand(&d[C], p->c_stride, p->batch, p->m, p->n) &&
                  plan(&m->desc, m->engine, d, attr) == dnnl_success && is_fast(m->desc) &&
                  dnnl_primitive_create(&m->primitive, m->desc) == dnnl_success;
  for (int i = 0; i < 3; ++i) cy_dnnl_forget(&d[i]);
  if (attr) dnnl_primitive_attr_destroy(attr);
  if (ok) m->scratch = cy_dnnl_scratch_bytes(m->desc);
  return ok;
}

static cy_gemm_problem transposed(const cy_gemm_problem *p) {
  return (cy_gemm_problem){.dtype = p->dtype,
                           .batch = p->batch,
                           .m = p->n,
                           .n = p->m,
                           .k = p->k,
                           .a_stride = {p->b_stride[0], p->b_stride[2], p->b_stride[1]},
                           .b_stride = {p->a_stride[0], p->a_stride[2], p->a_stride[1]},
                           .c_stride = {p->c_stride[0], p->c_stride[2], p->c_stride[1]}};
}

cy_status cy_dnnl_matmul_create(const cy_gemm_problem *problem, int threads, cy_dnnl_matmul **matmul) {
  *matmul = NULL;
  const bool swapped = problem->c_stride[2] != 1;
  const cy_gemm_problem p = swapped ? transposed(problem) : *problem;
  if (p.dtype != CY_F32 || p.batch < 1 || p.m < 1 || p.n < 1 || p.k < 1 || p.c_stride[2] != 1 ||
      !rows_apart(p.a_stride, p.m, p.k) || !rows_apart(p.b_stride, p.k, p.n) || !rows_apart(p.c_stride, p.m, p.n))
    return CY_OK;
  if (p.batch > 1 && (p.a_stride[0] < 0 || p.b_stride[0] < 0 || p.c_stride[0] <= 0)) return CY_OK;
  cy_dnnl_matmul *m = cy_calloc(1, sizeof *m);
  if (!m) return cy_no_memory();
  m->threads = threads;
  m->swapped = swapped;
  const int before = cy_dnnl_enter_threads(threads);
  const bool ok = build(m, &p);
  cy_dnnl_leave_threads(before);
  if (ok) *matmul = m;
  else cy_dnnl_matmul_free(m);
  return CY_OK;
}

void cy_dnnl_matmul_free(cy_dnnl_matmul *m) {
  if (!m) return;
  if (m->primitive) dnnl_primitive_destroy(m->primitive);
  if (m->desc) dnnl_primitive_desc_destroy(m->desc);
  if (m->engine) dnnl_engine_destroy(m->engine);
  cy_free(m);
}

size_t cy_dnnl_matmul_scratch(const cy_dnnl_matmul *m) { return m->scratch; }

/* ---- running -------------------------------------------------------------------------------------------- */

cy_status cy_dnnl_instance_create(const cy_dnnl_matmul *m, cy_dnnl_instance **instance) {
  static const struct {
    dnnl_query_t query;
    int argument;
  } operands[OPERANDS] = {[A] = {dnnl_query_src_md, DNNL_ARG_SRC},
                          [B] = {dnnl_query_weights_md, DNNL_ARG_WEIGHTS},
                          [C] = {dnnl_query_dst_md, DNNL_ARG_DST},
                          [SCRATCH] = {dnnl_query_scratchpad_md, DNNL_ARG_SCRATCHPAD}};
  *instance = NULL;
  cy_dnnl_instance *i = cy_calloc(1, sizeof *i);
  if (!i) return cy_no_memory();
  dnnl_status_t status = dnnl_stream_create(&i->stream, m->engine, dnnl_stream_default_flags);
  for (int o = 0; o < OPERANDS && status == dnnl_success; ++o) {
    status = cy_dnnl_memory(&i->memory[o], cy_dnnl_query(m->desc, operands[o].query), m->engine);
    i->arguments[o] = (dnnl_exec_arg_t){.arg = operands[o].argument, .memory = i->memory[o]};
  }
  if (status != dnnl_success) {
    cy_dnnl_instance_free(i);
    return status == dnnl_out_of_memory
               ? cy_no_memory()
               : cy_fail(CY_UNSUPPORTED, "contraction: oneDNN refuses a stream or memory (status %d)", (int)status);
  }
  *instance = i;
  return CY_OK;
}

void cy_dnnl_instance_free(cy_dnnl_instance *i) {
  if (!i) return;
  for (int o = 0; o < OPERANDS; ++o)
    if (i->memory[o]) dnnl_memory_destroy(i->memory[o]);
  if (i->stream) dnnl_stream_destroy(i->stream);
  cy_free(i);
}

cy_status cy_dnnl_matmul_run(const cy_dnnl_matmul *m, cy_dnnl_instance *i, const void *a, const void *b, void *c,
                             void *scratch) {
  /* The handles are not const in oneDNN's interface; it only reads the sources. */
  void *const address[OPERANDS] = {(void *)(m->swapped ? b : a), (void *)(m->swapped ? a : b), c, scratch};
  dnnl_status_t status = dnnl_success;
  for (int o = 0; o < OPERANDS && status == dnnl_success; ++o)
    status = dnnl_memory_set_data_handle(i->memory[o], address[o]);
  const int before = cy_dnnl_enter_threads(m->threads);
  if (status == dnnl_success) status = dnnl_primitive_execute(m->primitive, i->stream, OPERANDS, i->arguments);
  if (status == dnnl_success) status = dnnl_stream_wait(i->stream);
  cy_dnnl_leave_threads(before);
  return cy_dnnl_status(status, "contraction");
}
