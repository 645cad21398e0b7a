/* Sessions: one thread's arena, bindings and kernel instances. Running is a flat loop over instructions with the
 * addresses computed beforehand; it allocates nothing. */
#include "base/text.h"
#include "compile/session.h"

#include <math.h>
#include <string.h>

static size_t operand_count(const cy_program *p) {
  size_t n = 0;
  for (int i = 0; i < p->n_instructions; i++) n += (size_t)(p->instructions[i].n_in + p->instructions[i].n_out);
  return n;
}

static void *address(const cy_session *s, const cy_operand *operand) {
  const cy_buffer *b = &s->program->buffers[operand->buffer];
  switch (b->place) {
    case CY_PLACE_ARENA: return s->arena + b->offset + operand->offset;
    case CY_PLACE_CONSTANT: return (char *)(uintptr_t)b->data + operand->offset;
    case CY_PLACE_BOUND: break;
  }
  char *data = s->bound[b->binding];
  return data ? data + operand->offset : NULL; /* a tensor without elements has no data */
}

void cy_session_find_addresses(cy_session *s) {
  const cy_program *p = s->program;
  void **next = s->addresses;
  for (int i = 0; i < p->n_instructions; i++) {
    s->calls[i].in = next;
    for (int k = 0; k < p->instructions[i].n_in; k++) *next++ = address(s, &p->instructions[i].in[k]);
    s->calls[i].out = next;
    for (int k = 0; k < p->instructions[i].n_out; k++) *next++ = address(s, &p->instructions[i].out[k]);
  }
  for (int i = 0; i < p->n_outputs; i++) s->outputs[i]->view.data = address(s, &p->outputs[i]);
  s->stale = false;
}

/* What a frozen program computed at first stays in its arena. */
static bool can_share(const cy_program *p, const cy_session *other) {
  return other && p->n_prologue == 0 && other->program->n_prologue == 0 &&
         other->program->arena_bytes >= p->arena_bytes;
}

cy_status cy_session_create(const cy_program *p, cy_session **session) {
  return cy_session_create_sharing(p, NULL, session);
}

cy_status cy_session_create_within(const cy_program *p, cy_session **session) {
  cy_status status = CY_OK;
  cy_session *s = *session = cy_calloc(1, sizeof *s);
  if (!s) return cy_no_memory();
  s->program = p;
  s->stale = s->unprepared = s->borrows_arena = true;
  s->bound = cy_calloc((size_t)p->n_bindings, sizeof *s->bound);
  s->is_bound = cy_calloc((size_t)p->n_bindings, sizeof *s->is_bound);
  s->calls = cy_calloc((size_t)p->n_instructions, sizeof *s->calls);
  s->addresses = cy_calloc(operand_count(p), sizeof *s->addresses);
  s->outputs = cy_calloc((size_t)p->n_outputs, sizeof *s->outputs);
  if (!s->bound || !s->is_bound || !s->calls || !s->addresses || !s->outputs) status = cy_no_memory();
  for (int i = 0; i < p->n_outputs && status == CY_OK; i++)
    status = cy_tensor_wrap(p->outputs[i].layout.dtype, p->outputs[i].layout.shape, NULL, NULL, &s->outputs[i]);
  for (int i = 0; i < p->n_instructions && status == CY_OK; i++)
    if (p->instructions[i].kernel->instance)
      status = p->instructions[i].kernel->instance(p->instructions[i].plan, &s->calls[i].instance);
  if (status != CY_OK) {
    cy_session_free(s);
    *session = NULL;
  }
  return status;
}

cy_status cy_session_create_sharing(const cy_program *p, const cy_session *other, cy_session **session) {
  CY_TRY(cy_session_create_within(p, session));
  cy_session *s = *session;
  if (can_share(p, other)) {
    s->arena = other->arena;
    return CY_OK;
  }
  s->borrows_arena = false;
  s->arena = cy_alloc_aligned(p->arena_bytes);
  if (s->arena) {
    memset(s->arena, 0, p->arena_bytes);
    return CY_OK;
  }
  cy_session_free(s);
  *session = NULL;
  return cy_fail(CY_NO_MEMORY, "out of memory for a session of %zu bytes", p->arena_bytes);
}

void cy_session_free(cy_session *s) {
  if (!s) return;
  for (int i = 0; s->calls && i < s->program->n_instructions; i++)
    if (s->calls[i].instance) s->program->instructions[i].kernel->free_instance(s->calls[i].instance);
  for (int i = 0; s->outputs && i < s->program->n_outputs; i++) cy_tensor_free(s->outputs[i]);
  if (!s->borrows_arena) cy_free(s->arena);
  cy_free(s->bound);
  cy_free(s->is_bound);
  cy_free(s->calls);
  cy_free(s->addresses);
  cy_free(s->outputs);
  cy_free(s);
}

/* ---- binding ---- */

static cy_status bind(cy_session *s, int i, cy_tensor *tensor) {
  const cy_binding *b = &s->program->bindings[i];
  char expected[CY_SHAPE_TEXT], given[CY_SHAPE_TEXT];
  if (tensor->view.dtype != b->dtype || !cy_shape_equal(tensor->view.shape, b->shape))
    return cy_fail(CY_INVALID, "%s \"%s\" is %s %s, the tensor is %s %s", b->variable ? "variable" : "input", b->name,
                   cy_dtype_name(b->dtype), cy_shape_text(b->shape, expected), cy_dtype_name(tensor->view.dtype),
                   cy_shape_text(tensor->view.shape, given));
  if (!cy_tensor_is_contiguous(tensor))
    return cy_fail(CY_INVALID, "%s \"%s\": the tensor must be row-major without gaps", b->variable ? "variable" : "input",
                   b->name);
  s->stale = s->stale || !s->is_bound[i] || s->bound[i] != tensor->view.data;
  s->unprepared = s->unprepared || b->variable;
  s->bound[i] = tensor->view.data;
  s->is_bound[i] = true;
  return CY_OK;
}

cy_status cy_session_bind(cy_session *s, const char *name, cy_tensor *tensor) {
  const char *names[32];
  size_t n = 0;
  for (int i = 0; i < s->program->n_bindings; i++) {
    if (strcmp(s->program->bindings[i].name, name) == 0) return bind(s, i, tensor);
    if (n < 32) names[n++] = s->program->bindings[i].name;
  }
  const char *near = cy_nearest_name(name, names, n);
  return cy_fail(CY_INVALID, "the program has no input or variable \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
                 near ? near : "", near ? "\"?" : "");
}

cy_status cy_session_bind_state(cy_session *s, const cy_state *state) {
  for (int i = 0; i < s->program->n_bindings; i++) {
    if (!s->program->bindings[i].variable) continue;
    cy_tensor *tensor = cy_state_find(state, s->program->bindings[i].name);
    if (!tensor) return cy_fail(CY_INVALID, "the state has no tensor \"%s\"", s->program->bindings[i].name);
    CY_TRY(bind(s, i, tensor));
  }
  return CY_OK;
}

/* ---- running ---- */

static cy_status prepare(cy_session *s) {
  for (int i = 0; i < s->program->n_bindings; i++)
    if (!s->is_bound[i])
      return cy_fail(CY_INVALID, "%s \"%s\" is not bound", s->program->bindings[i].variable ? "variable" : "input",
                     s->program->bindings[i].name);
  cy_session_find_addresses(s);
  return CY_OK;
}

static cy_status run_from(cy_session *s, int first, int end) {
  const cy_program *p = s->program;
  for (int i = first; i < end; i++) {
    const cy_instruction *instruction = &p->instructions[i];
    const cy_session_call *c = &s->calls[i];
    CY_TRY(instruction->kernel->run(instruction->plan, c->instance, c->in, c->out,
                                     s->arena + instruction->scratch_offset));
  }
  return CY_OK;
}

cy_status cy_session_run_prologue(cy_session *s) {
  const cy_program *p = s->program;
  CY_TRY(run_from(s, 0, p->n_prologue));
  for (int i = p->n_prologue; i < p->n_instructions; i++)
    if (p->instructions[i].still && p->instructions[i].kernel->prepare)
      p->instructions[i].kernel->prepare(p->instructions[i].plan, s->calls[i].instance, s->calls[i].in,
                                         s->arena + p->instructions[i].scratch_offset);
  s->unprepared = false;
  return CY_OK;
}

cy_status cy_session_run_rest(cy_session *s) { return run_from(s, s->program->n_prologue, s->program->n_instructions); }

cy_status cy_session_run(cy_session *s) {
  if (s->stale) CY_TRY(prepare(s));
  if (s->program->frozen && s->unprepared) CY_TRY(cy_session_run_prologue(s));
  return cy_session_run_rest(s);
}

const cy_tensor *cy_session_output(const cy_session *s, int i) {
  return i >= 0 && i < s->program->n_outputs ? s->outputs[i] : NULL;
}

/* ---- looking inside ---- */

static int64_t count_bad(const void *data, const cy_view *layout) {
  int64_t bad = 0;
  for (cy_walk w = cy_walk_start(layout->shape); w.more; cy_walk_next(&w))
    bad += !isfinite(cy_load(data, layout->dtype, cy_walk_offset(&w, layout->stride)));
  return bad;
}

static void describe_count(const char *what, const char *where, int64_t bad, cy_shape shape, cy_text *text) {
  cy_text_add(text, "%s%s%s: %lld of %lld values not finite", what, where[0] ? " in " : "", where, (long long)bad,
              (long long)cy_count(shape));
}

/* One sentence if the operand holds something not finite. */
static bool describe_bad(const cy_session *s, const cy_operand *operand, const char *what, const char *where, cy_text *text) {
  int64_t bad = cy_dtype_is_float(operand->layout.dtype) ? count_bad(address(s, operand), &operand->layout) : 0;
  if (bad) describe_count(what, where, bad, operand->layout.shape, text);
  return bad > 0;
}

static bool is_written(const cy_program *p, int buffer) {
  for (int i = 0; i < p->n_instructions; i++)
    for (int k = 0; k < p->instructions[i].n_out; k++)
      if (p->instructions[i].out[k].buffer == buffer) return true;
  return false;
}

cy_bad_value cy_session_find_bad(const cy_session *s) {
  for (int i = 0; i < s->program->n_instructions; i++) {
    const cy_instruction *instruction = &s->program->instructions[i];
    for (int k = 0; k < instruction->n_out; k++) {
      const cy_view *layout = &instruction->out[k].layout;
      int64_t bad = cy_dtype_is_float(layout->dtype) ? count_bad(s->calls[i].out[k], layout) : 0;
      if (bad) return (cy_bad_value){true, i, k, bad};
    }
  }
  return (cy_bad_value){0};
}

void cy_describe_bad(const cy_program *p, cy_bad_value bad, cy_text *text) {
  const cy_instruction *i = &p->instructions[bad.instruction];
  describe_count(i->op->name, i->label, bad.count, i->out[bad.output].layout.shape, text);
}

cy_status cy_session_first_bad(const cy_session *s, char **out) {
  const cy_program *p = s->program;
  cy_text text = {0};
  bool found = false;
  *out = NULL;
  if (!p->unfused) return cy_fail(CY_INVALID, "only an unfused program keeps every value");
  for (int i = 0; i < p->n_buffers && !found; i++) {
    if (p->buffers[i].place != CY_PLACE_BOUND || is_written(p, i)) continue; /* what was there before is gone */
    const cy_binding *b = &p->bindings[p->buffers[i].binding];
    cy_operand whole = {.buffer = i, .layout = cy_view_row_major(NULL, b->dtype, b->shape)};
    found = describe_bad(s, &whole, b->variable ? "variable" : "input", b->name, &text);
  }
  for (int i = 0; i < p->n_instructions && !found; i++) {
    const cy_kernel *kernel = p->instructions[i].kernel;
    if (kernel->describe_bad) kernel->describe_bad(p->instructions[i].plan, s->calls[i].instance, &text);
    found = text.length > 0;
  }
  cy_bad_value bad = found ? (cy_bad_value){0} : cy_session_find_bad(s);
  if (bad.found) cy_describe_bad(p, bad, &text);
  if (!found && !bad.found) return CY_OK;
  *out = cy_text_take(&text);
  return *out ? CY_OK : cy_no_memory();
}
