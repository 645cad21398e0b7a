/* oneDNN's convolutions at work: conversions before, the primitive, a conversion behind, all in the caller's workspace.
 * Our code allocates nothing when running, the library a few small blocks. */
#include "backend/cpu/dnnl_convolution.h"

#include "base/memory.h"

enum { BIAS = CY_CONVOLUTION_OPERANDS, SCRATCH, ARGUMENTS };

/* Memory is one handle per place, bound again only when its address changes: for formats with padding, oneDNN 2.x
 * writes zeros into it at every binding. */
typedef struct place {
  dnnl_memory_t memory;
  void *address;
} place;

typedef struct instance {
  dnnl_stream_t stream;
  place stored[CY_CONVOLUTION_OPERANDS], wanted[CY_CONVOLUTION_OPERANDS], bias, scratch,
      reorder_scratch[CY_CONVOLUTION_OPERANDS];
  int n_arguments;
  dnnl_exec_arg_t arguments[ARGUMENTS];
} instance;

static int argument_of(cy_convolution_role role, int operand) {
  static const int arguments[3][ARGUMENTS] = {
      [CY_CONVOLUTION_Y] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS, DNNL_ARG_SCRATCHPAD},
      [CY_CONVOLUTION_X] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST, 0, DNNL_ARG_SCRATCHPAD},
      [CY_CONVOLUTION_W] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_BIAS,
                            DNNL_ARG_SCRATCHPAD}};
  return arguments[role][operand];
}

static dnnl_status_t add_argument(const cy_dnnl_convolution *c, instance *i, int operand, place *p, cy_dnnl_md desc) {
  const dnnl_status_t status = cy_dnnl_memory(&p->memory, desc, c->engine);
  i->arguments[i->n_arguments++] = (dnnl_exec_arg_t){.arg = argument_of(c->problem.role, operand), .memory = p->memory};
  return status;
}

static dnnl_status_t create_places(const cy_dnnl_convolution *c, instance *i) {
  dnnl_status_t status = dnnl_stream_create(&i->stream, c->engine, dnnl_stream_default_flags);
  for (int o = 0; o < CY_CONVOLUTION_OPERANDS && status == dnnl_success; o++) {
    const cy_dnnl_side *s = &c->side[o];
    status = add_argument(c, i, o, &i->wanted[o], s->wanted);
    if (!s->reorder || status != dnnl_success) continue;
    status = cy_dnnl_memory(&i->stored[o].memory, cy_dnnl_look(&s->stored), c->engine);
    if (status == dnnl_success)
      status =
          cy_dnnl_memory(&i->reorder_scratch[o].memory, cy_dnnl_query(s->desc, dnnl_query_scratchpad_md), c->engine);
  }
  if (status == dnnl_success && c->problem.bias)
    status = add_argument(c, i, BIAS, &i->bias,
                          dnnl_primitive_desc_query_md(c->desc, cy_dnnl_convolution_query(c->problem.role, CY_W), 1));
  if (status == dnnl_success)
    status = add_argument(c, i, SCRATCH, &i->scratch, cy_dnnl_query(c->desc, dnnl_query_scratchpad_md));
  return status;
}

static void release(place *p) {
  if (p->memory) dnnl_memory_destroy(p->memory);
}

static void free_instance(void *instance_) {
  instance *i = instance_;
  if (!i) return;
  for (int o = 0; o < CY_CONVOLUTION_OPERANDS; o++) {
    release(&i->stored[o]);
    release(&i->wanted[o]);
    release(&i->reorder_scratch[o]);
  }
  release(&i->bias);
  release(&i->scratch);
  if (i->stream) dnnl_stream_destroy(i->stream);
  cy_free(i);
}

static cy_status create_instance(const void *plan, void **out) {
  *out = NULL;
  instance *i = cy_calloc(1, sizeof *i);
  if (!i) return cy_no_memory();
  const dnnl_status_t status = create_places(plan, i);
  if (status != dnnl_success) {
    free_instance(i);
    return cy_dnnl_status(status, "convolution");
  }
  *out = i;
  return CY_OK;
}

static dnnl_status_t bind(place *p, void *address) {
  if (!p->memory || p->address == address) return dnnl_success;
  p->address = address;
  return dnnl_memory_set_data_handle(p->memory, address);
}

/* To the implementation's format, or for the result back from it. */
static dnnl_status_t convert(const cy_dnnl_convolution *c, instance *i, int operand) {
  const bool is_result = operand == cy_convolution_result(c->problem.role);
  const place *from = is_result ? &i->wanted[operand] : &i->stored[operand];
  const place *to = is_result ? &i->stored[operand] : &i->wanted[operand];
  const dnnl_exec_arg_t arguments[3] = {{DNNL_ARG_FROM, from->memory},
                                        {DNNL_ARG_TO, to->memory},
                                        {DNNL_ARG_SCRATCHPAD, i->reorder_scratch[operand].memory}};
  return dnnl_primitive_execute(c->side[operand].reorder, i->stream, 3, arguments);
}

static dnnl_status_t bind_all(const cy_dnnl_convolution *c, instance *i, const cy_convolution_operands *operands,
                              char *scratch) {
  void *const address[CY_CONVOLUTION_OPERANDS] = {operands->x, operands->w, operands->y};
  dnnl_status_t status = dnnl_success;
  for (int o = 0; o < CY_CONVOLUTION_OPERANDS && status == dnnl_success; o++) {
    const bool converts = c->side[o].reorder && !(o == CY_W && operands->packed);
    status = bind(&i->wanted[o], converts ? scratch + c->side[o].offset : address[o]);
    if (converts && status == dnnl_success) status = bind(&i->stored[o], address[o]);
    if (status == dnnl_success) status = bind(&i->reorder_scratch[o], scratch + c->scratch_offset);
  }
  if (status == dnnl_success) status = bind(&i->bias, operands->bias);
  if (status == dnnl_success) status = bind(&i->scratch, scratch + c->scratch_offset);
  return status;
}

static cy_status run(const void *plan, void *instance_, cy_convolution_operands operands, void *scratch) {
  const cy_dnnl_convolution *c = plan;
  instance *i = instance_;
  const int before = cy_dnnl_enter_threads(c->threads), result = cy_convolution_result(c->problem.role);
  dnnl_status_t status = bind_all(c, i, &operands, scratch);
  for (int o = 0; o < CY_CONVOLUTION_OPERANDS && status == dnnl_success; o++)
    if (o != result && c->side[o].reorder && !(o == CY_W && operands.packed)) status = convert(c, i, o);
  if (status == dnnl_success) status = dnnl_primitive_execute(c->primitive, i->stream, i->n_arguments, i->arguments);
  if (status == dnnl_success && c->side[result].reorder) status = convert(c, i, result);
  if (status == dnnl_success) status = dnnl_stream_wait(i->stream);
  cy_dnnl_leave_threads(before);
  return cy_dnnl_status(status, "convolution");
}

static size_t packed_bytes(const void *plan) {
  const cy_dnnl_convolution *c = plan;
  return c->problem.role == CY_CONVOLUTION_W || !c->side[CY_W].reorder ? 0 : c->side[CY_W].bytes;
}

static cy_status pack(const void *plan, void *instance_, const void *w, void *packed, void *scratch) {
  const cy_dnnl_convolution *c = plan;
  instance *i = instance_;
  if (packed_bytes(c) == 0) return CY_OK;
  const int before = cy_dnnl_enter_threads(c->threads);
  dnnl_status_t status = bind(&i->stored[CY_W], (void *)(uintptr_t)w); /* only read */
  if (status == dnnl_success) status = bind(&i->wanted[CY_W], packed);
  if (status == dnnl_success) status = bind(&i->reorder_scratch[CY_W], (char *)scratch + c->scratch_offset);
  if (status == dnnl_success) status = convert(c, i, CY_W);
  if (status == dnnl_success) status = dnnl_stream_wait(i->stream);
  cy_dnnl_leave_threads(before);
  return cy_dnnl_status(status, "convolution");
}

/* ---- the method ---- */

static const char *name(const void *plan) { return ((const cy_dnnl_convolution *)plan)->name; }
static size_t scratch_bytes(const void *plan) { return ((const cy_dnnl_convolution *)plan)->scratch; }

const cy_convolution_method cy_convolution_onednn = {.create = cy_dnnl_convolution_create,
                                                     .free = cy_dnnl_convolution_free,
                                                     .name = name,
                                                     .scratch = scratch_bytes,
                                                     .instance = create_instance,
                                                     .free_instance = free_instance,
                                                     .run = run,
                                                     .packed_bytes = packed_bytes,
                                                     .pack = pack,
                                                     .packs = " once"};
