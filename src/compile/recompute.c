/* Memory against a little work: values that cost next to nothing are computed again where they are needed late, rather than
 * kept until then. A predicate of values that live on anyway moves into the groups that ask for it; a longer elementwise
 * chain is computed a second time by a kernel of its own. Each step of these passes lowers the memory alive at its peak, or
 * is taken back. */
#include "compile/again.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

/* What the second pass may spend: a share of the program's arithmetic, in whose time a byte of traffic costs as much as so
 * many operations. Below so much memory there is nothing to gain; nor by values that are a small part of it. */
#define WORK_SHARE 0.02
enum { OPERATIONS_PER_BYTE = 32, OPERATIONS_PER_STEP = 8, WORTH_BYTES = 4 << 20, SMALL_PART = 256 };

/* A program as it was before a change that may be taken back. Instructions are copied; their arrays never change. */
typedef struct snapshot {
  cy_instruction *instructions;
  int n_instructions, n_buffers;
} snapshot;

static void save(const cy_program *p, snapshot *s) {
  memcpy(s->instructions, p->instructions, (size_t)p->n_instructions * sizeof *s->instructions);
  s->n_instructions = p->n_instructions;
  s->n_buffers = p->n_buffers;
}

static void restore(cy_program *p, const snapshot *s) {
  memcpy(p->instructions, s->instructions, (size_t)s->n_instructions * sizeof *s->instructions);
  p->n_instructions = s->n_instructions;
  p->n_buffers = s->n_buffers;
}

static bool reads(const cy_instruction *instruction, int buffer) {
  for (int k = 0; k < instruction->n_in; k++)
    if (instruction->in[k].buffer == buffer) return true;
  return false;
}

static bool is_output(const cy_program *p, int buffer) {
  for (int i = 0; i < p->n_outputs; i++)
    if (p->outputs[i].buffer == buffer) return true;
  return false;
}

/* ---- predicates ---- */

/* Smaller ones are read from the cache faster than they are computed. */
enum { PREDICATE_BYTES = 64 << 10 };

/* How much longer, in bytes times instructions, buffers live that the value needs. */
static double extension(const cy_program *p, const cy_again *a) {
  const cy_instruction *maker = &p->instructions[a->maker];
  double sum = 0;
  for (int i = 0; i <= maker->fused->outputs[a->output].step; i++) {
    const cy_step *s = &maker->fused->steps[i];
    if (!a->step[i] || (a->stored[i] < 0 && s->kind != CY_STEP_INPUT)) continue;
    const cy_buffer *b = &p->buffers[(a->stored[i] < 0 ? maker->in[s->index] : maker->out[a->stored[i]]).buffer];
    if (b->place == CY_PLACE_ARENA && b->last < a->at) sum += (double)b->bytes * (a->at - b->last);
  }
  return sum;
}

/* Puts the predicate into all its readers; done only if each can take it. */
static cy_status move_predicate(cy_program *p, cy_again *a, int maker, int output, bool *done) {
  int value = p->instructions[maker].out[output].buffer;
  const cy_buffer b = p->buffers[value];
  *done = false;
  for (int i = maker + 1; i < p->n_instructions; i++) {
    if (!reads(&p->instructions[i], value)) continue;
    *done = cy_again_find(p, maker, output, i, true, a) && a->n_scalars == 1 &&
            extension(p, a) <= (double)b.bytes * (b.last - b.first);
    if (*done) CY_TRY(cy_again_inside(p, a, &p->instructions[i], done));
    if (!*done) return CY_OK;
  }
  return *done ? cy_again_drop(p, &p->instructions[maker], output) : CY_OK;
}

static cy_status move_predicates_of(cy_program *p, cy_again *a, snapshot *s, int maker) {
  for (int o = p->instructions[maker].n_out - 1; o >= 0; o--) {
    const cy_instruction *m = &p->instructions[maker];
    size_t before, after;
    int at;
    bool done;
    if (!m->fused || m->n_out == 1 || m->out[o].layout.dtype != CY_BOOL) continue;
    const cy_buffer *b = &p->buffers[m->out[o].buffer];
    if (b->place != CY_PLACE_ARENA || b->bytes < PREDICATE_BYTES || is_output(p, m->out[o].buffer)) continue;
    CY_TRY(cy_measure_peak(p, &before, &at));
    save(p, s);
    CY_TRY(move_predicate(p, a, maker, o, &done));
    if (done) CY_TRY(cy_measure_peak(p, &after, &at));
    if (!done || after > before) restore(p, s);
  }
  return CY_OK;
}

cy_status cy_move_predicates(cy_program *p) {
  snapshot s = {.instructions = cy_calloc((size_t)p->n_instructions, sizeof *s.instructions)};
  cy_again a;
  if (!s.instructions) return cy_no_memory();
  cy_status status = cy_again_begin(p, &a);
  for (int i = 0; i < p->n_instructions && status == CY_OK; i++) status = move_predicates_of(p, &a, &s, i);
  cy_again_end(&a);
  cy_free(s.instructions);
  return status;
}

/* ---- values ---- */

/* A value that lives at the peak without being touched there. */
typedef struct candidate {
  int maker, output, at; /* at: its first reader behind the peak */
  double work, gain;     /* operations; bytes per operation */
  size_t bytes;
} candidate;

typedef struct search {
  cy_program *p;
  cy_again again;
  snapshot before;
  bool *tried; /* per buffer */
  double budget;
  bool always;
  size_t peak;
  int at;
} search;

/* Readers before the peak and the first one behind it. */
static bool is_bridge(const cy_program *p, int maker, int buffer, int peak, int *behind) {
  bool early = false;
  *behind = -1;
  for (int i = maker + 1; i < p->n_instructions; i++) {
    if (!reads(&p->instructions[i], buffer)) continue;
    if (i == peak) return false;
    if (i < peak) early = true;
    else if (*behind < 0) *behind = i;
  }
  return early && *behind >= 0;
}

static bool is_candidate(search *s, int maker, int output, candidate *c) {
  const cy_program *p = s->p;
  const cy_operand *out = &p->instructions[maker].out[output];
  const cy_buffer *b = &p->buffers[out->buffer];
  int at;
  if (s->tried[out->buffer] || b->place != CY_PLACE_ARENA || b->last <= s->at || is_output(p, out->buffer)) return false;
  if (!s->always && b->bytes < s->peak / SMALL_PART) return false;
  if (!is_bridge(p, maker, out->buffer, s->at, &at) || !cy_again_find(p, maker, output, at, false, &s->again)) return false;
  double count = (double)cy_count(out->layout.shape), size = (double)cy_dtype_size(out->layout.dtype);
  *c = (candidate){maker, output, at, .bytes = b->bytes};
  c->work = count * (OPERATIONS_PER_STEP * s->again.n_scalars + OPERATIONS_PER_BYTE * size * (s->again.n_reads + 1));
  c->gain = (double)b->bytes / c->work;
  return s->always || c->work <= s->budget;
}

/* The cheapest for its bytes; of equal ones the largest, then the one made last, which may need the others. */
static bool find_best(search *s, candidate *best) {
  bool found = false;
  for (int i = 0; i < s->at; i++) {
    const cy_instruction *maker = &s->p->instructions[i];
    candidate c;
    for (int o = 0; maker->fused && o < maker->n_out; o++) {
      if (!is_candidate(s, i, o, &c)) continue;
      if (found && (c.gain < best->gain || (c.gain == best->gain && c.bytes < best->bytes))) continue;
      *best = c;
      found = true;
    }
  }
  return found;
}

/* Readers from instruction `first` on read another buffer. */
static cy_status redirect(cy_program *p, int first, int from, int to) {
  for (int i = first; i < p->n_instructions; i++) {
    cy_instruction *instruction = &p->instructions[i];
    if (!reads(instruction, from)) continue;
    cy_operand *in = cy_arena_alloc(p->memory, (size_t)instruction->n_in * sizeof *in);
    if (!in) return cy_no_memory();
    memcpy(in, instruction->in, (size_t)instruction->n_in * sizeof *in);
    for (int k = 0; k < instruction->n_in; k++)
      if (in[k].buffer == from) in[k].buffer = to;
    instruction->in = in;
  }
  return CY_OK;
}

static cy_status compute_again(search *s, const candidate *c) {
  cy_program *p = s->p;
  cy_instruction made;
  int value = p->instructions[c->maker].out[c->output].buffer;
  if (!cy_again_find(p, c->maker, c->output, c->at, false, &s->again)) return CY_OK; /* cannot be: it was found before */
  CY_TRY(cy_again_alone(p, &s->again, &made));
  memmove(p->instructions + c->at + 1, p->instructions + c->at, (size_t)(p->n_instructions - c->at) * sizeof made);
  p->instructions[c->at] = made;
  p->n_instructions++;
  return redirect(p, c->at + 1, value, made.out[0].buffer);
}

static cy_status try_all(search *s, int most) {
  candidate c = {0};
  CY_TRY(cy_measure_peak(s->p, &s->peak, &s->at));
  while (s->p->n_instructions < most && find_best(s, &c)) {
    size_t peak;
    int at;
    s->tried[s->p->instructions[c.maker].out[c.output].buffer] = true;
    save(s->p, &s->before);
    CY_TRY(compute_again(s, &c));
    CY_TRY(cy_measure_peak(s->p, &peak, &at));
    if (peak < s->peak) {
      s->budget -= c.work;
      s->peak = peak;
      s->at = at;
    } else {
      restore(s->p, &s->before);
      CY_TRY(cy_measure_peak(s->p, &s->peak, &s->at));
    }
  }
  return CY_OK;
}

/* Room for twice as many instructions and buffers. */
static cy_status search_begin(cy_program *p, bool always, search *s, snapshot *first) {
  size_t most = 2 * (size_t)p->n_instructions, buffers = (size_t)p->n_buffers + (size_t)p->n_instructions;
  *s = (search){.p = p, .always = always, .budget = WORK_SHARE * p->flops};
  first->instructions = cy_calloc(most, sizeof *first->instructions);
  s->before.instructions = cy_calloc(most, sizeof *s->before.instructions);
  s->tried = cy_calloc(buffers, sizeof *s->tried);
  cy_instruction *room = cy_realloc(p->instructions, most, sizeof *room);
  if (room) p->instructions = room;
  return first->instructions && s->before.instructions && s->tried && room ? cy_again_begin(p, &s->again) : cy_no_memory();
}

cy_status cy_recompute_values(cy_program *p, bool always) {
  search s;
  snapshot first = {0};
  CY_TRY(cy_plan_memory(p));
  size_t bytes = p->arena_bytes;
  if (p->n_instructions == 0 || (!always && bytes < WORTH_BYTES)) return CY_OK;
  cy_status status = search_begin(p, always, &s, &first);
  if (status == CY_OK) {
    save(p, &first);
    status = try_all(&s, 2 * first.n_instructions);
    if (status == CY_OK) status = cy_plan_memory(p);
    if (status == CY_OK && p->arena_bytes >= bytes) restore(p, &first);
  }
  cy_again_end(&s.again);
  cy_free(s.tried);
  cy_free(s.before.instructions);
  cy_free(first.instructions);
  return status;
}
