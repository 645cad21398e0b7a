/* The kernel of loops: the body's program runs once per step, on addresses that move. Inputs are read and sequences
 * written where they lie in the operands and results; a carry that is kept lies in its result, h[t + 1] behind h[t],
 * and one that is not alternates between two places. The body's arena is the workspace; a run allocates nothing. */
#include "compile/loop.h"

#include "base/error.h"
#include "base/memory.h"
#include "compile/session.h"

#include <stdio.h>
#include <string.h>

/* An address in a part of the body that follows a binding. */
typedef struct follower {
  int address, binding;
  int64_t offset; /* bytes */
} follower;

typedef struct followers {
  follower *at;
  int n;
} followers;

/* Where a carry lives. */
typedef struct carry {
  int kept, last; /* results: all its values, the last one; -1: not asked for */
  size_t bytes;
  size_t places;  /* not kept: offset of two places in the workspace */
} carry;

/* What a part reads or writes of a stream in one step: so many bytes, these from its start. */
typedef struct stretch {
  cy_stream stream;
  int64_t first, bytes;
} stretch;

/* What is fetched for the next step, and the instruction of the body that does it: the one that computes longest. */
typedef struct fetched {
  int instruction; /* -1: nobody does */
  stretch *at;
  int n;
} fetched;

typedef struct plan {
  cy_instruction instruction;
  cy_loop_program body;
  carry *carries;
  followers followers[CY_LOOP_THREADS]; /* per part */
  fetched fetched[CY_LOOP_THREADS];
  size_t scratch, arenas[CY_LOOP_THREADS];
  char name[64];
} plan;

typedef struct instance {
  cy_session *session[CY_LOOP_THREADS];
  cy_range *ranges[CY_LOOP_THREADS];
  cy_bad_value bad; /* unfused: the first value that was not finite, */
  int64_t bad_step; /* and when */
} instance;

/* ---- planning ---- */

static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

static void find_parts(plan *p) {
  const cy_loop *loop = p->instruction.loop;
  for (int k = 0; k < loop->n_carry; k++) {
    const cy_view *initial = &p->instruction.in[cy_loop_carry(loop, k)].layout;
    p->carries[k] = (carry){-1, -1, (size_t)cy_count(initial->shape) * cy_dtype_size(initial->dtype), 0};
  }
  for (int o = 0; o < p->instruction.n_out; o++) {
    if (loop->parts[o].kind == CY_RESULT_CARRIES) p->carries[loop->parts[o].index].kept = o;
    if (loop->parts[o].kind == CY_RESULT_LAST) p->carries[loop->parts[o].index].last = o;
  }
}

static cy_status plan_scratch(plan *p) {
  p->scratch = 0;
  for (int i = 0; i < p->body.n_parts; i++) {
    p->arenas[i] = p->scratch;
    p->scratch += aligned(p->body.part[i]->arena_bytes);
  }
  for (int k = 0; k < p->instruction.loop->n_carry; k++) {
    carry *c = &p->carries[k];
    if (!p->body.carried[k] || c->kept >= 0) continue;
    c->places = p->scratch;
    if (c->bytes > PTRDIFF_MAX / 4 || __builtin_add_overflow(p->scratch, 2 * aligned(c->bytes), &p->scratch))
      return cy_fail(CY_NO_MEMORY, "the loop needs more memory for its carries than a process can address");
  }
  return CY_OK;
}

/* The addresses of a part that are bound, in the order in which a session keeps them. */
static void find_followers(const plan *p, const cy_program *body, followers *f) {
  int address = 0;
  f->n = 0;
  for (int i = 0; i < body->n_instructions; i++) {
    const cy_instruction *instruction = &body->instructions[i];
    for (int k = 0; k < instruction->n_in + instruction->n_out; k++, address++) {
      const cy_operand *o = k < instruction->n_in ? &instruction->in[k] : &instruction->out[k - instruction->n_in];
      const cy_buffer *b = &body->buffers[o->buffer];
      if (b->place != CY_PLACE_BOUND || p->body.streams[b->binding].kind == CY_STREAM_CONSTANT) continue;
      if (f->at) f->at[f->n] = (follower){address, b->binding, o->offset};
      f->n++;
    }
  }
}

/* Fewer bytes written per step are waited for by nobody. */
enum { LEAST_WRITTEN = 32 << 10 };

int64_t cy_loop_dense_step(const cy_view *sequence) {
  int64_t step = 1;
  for (int k = sequence->shape.rank - 1; k > 0; step *= sequence->shape.dim[k--])
    if (sequence->stride[k] != step) return 0;
  return step;
}

/* Bytes of a stream's step, if it lies in memory without gaps and need not come from the step before; else 0. */
static int64_t dense_bytes(const plan *p, cy_stream stream) {
  const cy_instruction *i = &p->instruction;
  const cy_view *layout;
  switch (stream.kind) {
    case CY_STREAM_INPUT: layout = &i->in[stream.index].layout; break;
    case CY_STREAM_RESULT: layout = &i->out[stream.index].layout; break;
    case CY_STREAM_NEXT:
      if (p->carries[stream.index].kept < 0) return 0;
      layout = &i->out[p->carries[stream.index].kept].layout;
      break;
    default: return 0;
  }
  return cy_loop_dense_step(layout) * (int64_t)cy_dtype_size(layout->dtype);
}

/* Adds what a part reads, or writes; returns how many bytes. */
static int64_t add_stretches(const plan *p, int part, bool reads, fetched *f) {
  const cy_program *body = p->body.part[part];
  int64_t all = 0;
  for (int b = 0; b < body->n_bindings; b++) {
    const cy_stream stream = p->body.streams[b];
    const int64_t mine = dense_bytes(p, stream) / p->body.n_parts;
    if (mine == 0 || (stream.kind == CY_STREAM_INPUT) != reads) continue;
    f->at[f->n++] = (stretch){stream, mine * part, mine};
    all += mine;
  }
  return all;
}

static cy_status plan_fetching(plan *p, int part) {
  const cy_program *body = p->body.part[part];
  fetched *f = &p->fetched[part];
  double most = 0;
  f->instruction = -1;
  f->at = cy_calloc((size_t)body->n_bindings, sizeof *f->at);
  if (!f->at) return cy_no_memory();
  add_stretches(p, part, true, f);
  const int read = f->n;
  if (add_stretches(p, part, false, f) < LEAST_WRITTEN) f->n = read;
  for (int i = body->n_prologue; i < body->n_instructions && f->n; i++)
    if (body->instructions[i].kernel->fetch && body->instructions[i].still && body->instructions[i].flops > most) {
      most = body->instructions[i].flops;
      f->instruction = i;
    }
  return CY_OK;
}

static cy_status plan_parts(plan *p) {
  for (int i = 0; i < p->body.n_parts; i++) {
    CY_TRY(plan_fetching(p, i));
    followers *f = &p->followers[i];
    find_followers(p, p->body.part[i], f);
    f->at = cy_calloc((size_t)f->n, sizeof *f->at);
    if (!f->at) return cy_no_memory();
    find_followers(p, p->body.part[i], f);
  }
  return CY_OK;
}

static void destroy(void *made) {
  plan *p = made;
  if (!p) return;
  cy_loop_program_free(&p->body);
  cy_free(p->carries);
  for (int i = 0; i < CY_LOOP_THREADS; i++) {
    cy_free(p->followers[i].at);
    cy_free(p->fetched[i].at);
  }
  cy_free(p);
}

static cy_status create(const cy_instruction *instruction, int threads, void **out) {
  plan *p = cy_calloc(1, sizeof *p);
  *out = NULL;
  if (!p) return cy_no_memory();
  p->instruction = *instruction;
  p->carries = cy_calloc((size_t)instruction->loop->n_carry, sizeof *p->carries);
  cy_status status = p->carries ? cy_loop_program_make(instruction, threads, &p->body) : cy_no_memory();
  if (status == CY_OK) {
    find_parts(p);
    status = plan_scratch(p);
  }
  if (status == CY_OK) status = plan_parts(p);
  if (status != CY_OK) {
    destroy(p);
    return status;
  }
  snprintf(p->name, sizeof p->name, "%lld steps%s", (long long)instruction->loop->length,
           instruction->loop->reverse ? ", reverse" : "");
  if (p->body.n_parts > 1)
    snprintf(p->name + strlen(p->name), sizeof p->name - strlen(p->name), ", rows on %d threads", p->body.n_parts);
  *out = p;
  return CY_OK;
}

static size_t scratch(const void *made) { return ((const plan *)made)->scratch; }

static size_t kept(const void *made) {
  const plan *p = made;
  size_t bytes = 0;
  for (int i = 0; i < p->body.n_parts; i++) bytes += p->body.part[i]->kept_bytes;
  return bytes;
}

static const char *describe(const void *made) { return ((const plan *)made)->name; }

static const cy_program *body(const void *made, int which, int64_t *times) {
  const plan *p = made;
  *times = p->instruction.loop->length;
  return which < p->body.n_parts ? p->body.part[which] : NULL;
}

static void free_instance(void *made) {
  instance *i = made;
  if (!i) return;
  for (int k = 0; k < CY_LOOP_THREADS; k++) {
    cy_session_free(i->session[k]);
    cy_free(i->ranges[k]);
  }
  cy_free(i);
}

static cy_status make_instance(const void *made, void **out) {
  const plan *p = made;
  instance *i = *out = cy_calloc(1, sizeof *i);
  if (!i) return cy_no_memory();
  cy_status status = CY_OK;
  for (int k = 0; k < p->body.n_parts && status == CY_OK; k++) {
    i->ranges[k] = cy_calloc((size_t)p->fetched[k].n, sizeof *i->ranges[k]);
    status = i->ranges[k] ? cy_session_create_within(p->body.part[k], &i->session[k]) : cy_no_memory();
  }
  if (status != CY_OK) {
    free_instance(i);
    *out = NULL;
  }
  return status;
}

/* ---- running ---- */

/* What the addresses of a step are made of. */
typedef struct run {
  const plan *plan;
  void *const *in, *const *out;
  char *scratch;
} run;

/* Bytes from one time to the next. */
static int64_t time_step(const cy_view *layout) { return layout->stride[0] * (int64_t)cy_dtype_size(layout->dtype); }

static void *place(const run *r, const carry *c, int64_t which) {
  return r->scratch + c->places + (size_t)(which & 1) * aligned(c->bytes);
}

/* Carry k after `done` steps, at time t of T + 1. */
static void *carry_at(const run *r, int k, int64_t done) {
  const cy_loop *loop = r->plan->instruction.loop;
  const carry *c = &r->plan->carries[k];
  const int64_t t = loop->reverse ? loop->length - done : done;
  if (c->kept >= 0) return (char *)r->out[c->kept] + t * (int64_t)c->bytes;
  const int operand = cy_loop_carry(loop, k);
  if (done == 0 && cy_view_is_contiguous(&r->plan->instruction.in[operand].layout)) return r->in[operand];
  if (done == loop->length && c->last >= 0) return r->out[c->last];
  return place(r, c, done + 1);
}

static void *stream_at(const run *r, cy_stream stream, int64_t done) {
  const cy_instruction *i = &r->plan->instruction;
  const int64_t t = i->loop->reverse ? i->loop->length - 1 - done : done;
  switch (stream.kind) {
    case CY_STREAM_CONSTANT: return r->in[stream.index];
    case CY_STREAM_INPUT: return (char *)r->in[stream.index] + t * time_step(&i->in[stream.index].layout);
    case CY_STREAM_CARRY: return carry_at(r, stream.index, done);
    case CY_STREAM_NEXT: return carry_at(r, stream.index, done + 1);
    case CY_STREAM_RESULT: return (char *)r->out[stream.index] + t * time_step(&i->out[stream.index].layout);
  }
  return NULL;
}

static void copy_to(const cy_view *layout, void *from, void *to) {
  cy_view source = *layout, target = cy_view_row_major(to, layout->dtype, layout->shape);
  source.data = from;
  if (from != to && cy_count(layout->shape)) cy_view_copy(&source, &target);
}

/* Carries before the first step, where the body does not find them in the operand. */
static void begin_carries(const run *r) {
  const cy_loop *loop = r->plan->instruction.loop;
  for (int k = 0; k < loop->n_carry; k++) {
    const int operand = cy_loop_carry(loop, k);
    if (r->plan->body.carried[k])
      copy_to(&r->plan->instruction.in[operand].layout, r->in[operand], carry_at(r, k, 0));
  }
}

/* The last carry where it is asked for and did not get there by itself. */
static void end_carries(const run *r) {
  const cy_loop *loop = r->plan->instruction.loop;
  for (int k = 0; k < loop->n_carry; k++) {
    const carry *c = &r->plan->carries[k];
    cy_view layout = r->plan->instruction.in[cy_loop_carry(loop, k)].layout;
    if (c->last < 0 || c->kept < 0) continue;
    cy_row_major(layout.shape, layout.stride);
    copy_to(&layout, carry_at(r, k, loop->length), r->out[c->last]);
  }
}

static void move_to(const run *r, cy_session *s, const followers *followers, int64_t done) {
  for (int b = 0; b < s->program->n_bindings; b++) s->bound[b] = stream_at(r, r->plan->body.streams[b], done);
  for (const follower *f = followers->at, *end = f + followers->n; f < end; f++)
    s->addresses[f->address] = (char *)s->bound[f->binding] + f->offset;
}

/* After so many steps, what the next one will use. */
static void fetch_next(const run *r, instance *i, int part, int64_t done) {
  const fetched *f = &r->plan->fetched[part];
  cy_session *s = i->session[part];
  cy_ranges next = {i->ranges[part], done + 1 < r->plan->instruction.loop->length ? f->n : 0};
  if (f->instruction < 0) return;
  for (int k = 0; k < next.count; k++)
    i->ranges[part][k] =
        (cy_range){(const char *)stream_at(r, f->at[k].stream, done + 1) + f->at[k].first, f->at[k].bytes};
  s->program->instructions[f->instruction].kernel->fetch(s->calls[f->instruction].instance, next);
}

/* An unfused program is there to look inside. */
static void look_for_bad(instance *i, int64_t step) {
  if (i->bad.found) return;
  i->bad = cy_session_find_bad(i->session[0]);
  i->bad_step = step;
}

static cy_status run_steps(const run *r, instance *i, int part) {
  const cy_loop *loop = r->plan->instruction.loop;
  cy_session *s = i->session[part];
  s->arena = r->scratch + r->plan->arenas[part];
  for (int b = 0; b < s->program->n_bindings; b++) s->bound[b] = stream_at(r, r->plan->body.streams[b], 0);
  cy_session_find_addresses(s);
  CY_TRY(cy_session_run_prologue(s));
  for (int64_t done = 0; done < loop->length; done++) {
    move_to(r, s, &r->plan->followers[part], done);
    fetch_next(r, i, part, done);
    CY_TRY(cy_session_run_rest(s));
    if (loop->unfused) look_for_bad(i, loop->reverse ? loop->length - 1 - done : done);
  }
  return CY_OK;
}

static cy_status run_loop(const void *made, void *its_instance, void *const *in, void *const *out,
                          void *scratch_memory) {
  const run r = {made, in, out, scratch_memory};
  instance *i = its_instance;
  const int n_parts = r.plan->body.n_parts;
  cy_status status = CY_OK;
  i->bad.found = false;
  begin_carries(&r);
  if (n_parts == 1) {
    status = run_steps(&r, i, 0);
  } else if (n_parts > 1) {
#pragma omp parallel for num_threads(n_parts) schedule(static, 1)
    for (int part = 0; part < n_parts; part++) {
      cy_status mine = run_steps(&r, i, part);
      if (mine != CY_OK) {
#pragma omp critical(cy_loop_status)
        status = mine;
      }
    }
  }
  if (status == CY_OK) end_carries(&r);
  return status;
}

static void describe_bad(const void *made, const void *its_instance, cy_text *text) {
  const plan *p = made;
  const instance *i = its_instance;
  if (!i->bad.found) return;
  cy_describe_bad(p->body.part[0], i->bad, text);
  cy_text_add(text, " at step %lld of %lld", (long long)i->bad_step, (long long)p->instruction.loop->length);
}

const cy_kernel cy_loop_kernel = {
    .create = create, .destroy = destroy, .scratch = scratch, .instance = make_instance, .free_instance = free_instance,
    .kept = kept, .run = run_loop, .describe = describe, .body = body, .describe_bad = describe_bad};
