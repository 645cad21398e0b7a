/* Memory: buffers whose lives do not overlap share the arena, and so do the kernels' workspaces, which live for one
 * instruction. An output of a fused group takes over the memory of an operand that dies there if both are walked alike.
 * Offsets are chosen largest first, lowest fitting offset. */
#include "compile/lower.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* Workspaces up to this size lie in one place, which stays in the cache from kernel to kernel. */
enum { COMMON_SCRATCH = 1 << 18 };

static size_t aligned(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static void find_lives(cy_program *p) {
  for (int i = 0; i < p->n_buffers; i++) p->buffers[i].first = p->buffers[i].last = -1;
  for (int i = 0; i < p->n_instructions; i++) {
    const cy_instruction *instruction = &p->instructions[i];
    for (int k = 0; k < instruction->n_in + instruction->n_out; k++) {
      const cy_operand *operand = k < instruction->n_in ? &instruction->in[k] : &instruction->out[k - instruction->n_in];
      cy_buffer *b = &p->buffers[operand->buffer];
      if (b->first < 0) b->first = i;
      b->last = i;
    }
  }
  for (int i = 0; i < p->n_outputs; i++) p->buffers[p->outputs[i].buffer].last = p->n_instructions;
  for (int i = 0; i < p->n_buffers; i++) {
    cy_buffer *b = &p->buffers[i];
    if (p->unfused || b->still) b->last = p->n_instructions;
    if (b->still && b->first > 0) b->first = 0; /* lives on in the next run */
  }
}

/* A single operation that may write its result over operand k, which no other operand shares. */
static bool overwrites(const cy_instruction *instruction, int k) {
  if (!instruction->op->overwrites || k != 0 || instruction->in[0].offset != 0 ||
      !cy_view_is_contiguous(&instruction->in[0].layout))
    return false;
  for (int j = 1; j < instruction->n_in; j++)
    if (instruction->in[j].buffer == instruction->in[0].buffer) return false;
  return true;
}

/* May output o of instruction i live where input k lives? */
static bool takes_over(const cy_program *p, int i, int o, int k) {
  const cy_instruction *instruction = &p->instructions[i];
  const cy_fused *fused = instruction->fused;
  const cy_buffer *to = &p->buffers[instruction->out[o].buffer], *from = &p->buffers[instruction->in[k].buffer];
  if (to->place != CY_PLACE_ARENA || from->place != CY_PLACE_ARENA || from->last != i || to->first != i ||
      from->bytes != to->bytes)
    return false;
  if (!fused) return overwrites(instruction, k);
  if (fused->outputs[o].accumulate ||
      cy_dtype_size(fused->outputs[o].dtype) != cy_dtype_size(fused->inputs[k].dtype))
    return false;
  for (int j = 0; j < instruction->n_in; j++) /* every window onto it, not only this one */
    if (instruction->in[j].buffer == instruction->in[k].buffer &&
        (instruction->in[j].offset != instruction->out[o].offset ||
         memcmp(fused->inputs[j].stride, fused->outputs[o].stride, sizeof fused->inputs[j].stride) != 0))
      return false;
  return true;
}

/* leader[b]: the buffer whose memory b uses. */
static void join_in_place(cy_program *p, int *leader, bool *taken) {
  for (int i = 0; i < p->n_instructions; i++)
    for (int o = 0; o < p->instructions[i].n_out; o++)
      for (int k = 0; k < p->instructions[i].n_in; k++) {
        int to = p->instructions[i].out[o].buffer, from = p->instructions[i].in[k].buffer;
        if (leader[to] != to || taken[from] || !takes_over(p, i, o, k)) continue;
        leader[to] = leader[from];
        taken[from] = true;
        cy_buffer *head = &p->buffers[leader[from]];
        if (p->buffers[to].last > head->last) head->last = p->buffers[to].last;
        break;
      }
}

/* What needs a place: a buffer, or the workspace of an instruction. */
typedef struct piece {
  size_t bytes;
  int first, last, order;
  size_t *offset;
} piece;

static int by_size(const void *a, const void *b) {
  const piece *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return (x->order > y->order) - (x->order < y->order);
}

/* A piece that has its place, in the list of those by increasing offset. */
typedef struct resident {
  size_t start, end;
  int first, last;
} resident;

/* Gives the piece the lowest offset where it fits between the residents that live at the same time, and makes it one of
 * them. False if its end cannot be counted. */
static bool settle(const piece *b, resident *residents, size_t n, size_t *most) {
  size_t at = 0, end, i = 0;
  if (__builtin_add_overflow(at, aligned(b->bytes), &end)) return false;
  for (size_t k = 0; k < n && residents[k].start < end; k++) {
    if (residents[k].first > b->last || b->first > residents[k].last || residents[k].end <= at) continue;
    at = residents[k].end;
    if (__builtin_add_overflow(at, aligned(b->bytes), &end)) return false;
  }
  while (i < n && residents[i].start < at) i++;
  memmove(residents + i + 1, residents + i, (n - i) * sizeof *residents);
  residents[i] = (resident){at, end, b->first, b->last};
  *b->offset = at;
  if (end > *most) *most = end;
  return end <= PTRDIFF_MAX;
}

/* Offsets for the pieces, and for what is common behind them. */
static cy_status place_pieces(cy_program *p, piece *pieces, size_t n, size_t common) {
  resident *residents = cy_calloc(n, sizeof *residents);
  bool fits = true;
  if (!residents) return cy_no_memory();
  if (n) qsort(pieces, n, sizeof *pieces, by_size);
  p->arena_bytes = 0;
  for (size_t i = 0; i < n && fits; i++) fits = settle(&pieces[i], residents, i, &p->arena_bytes);
  cy_free(residents);
  if (!fits || __builtin_add_overflow(p->arena_bytes, common, &p->arena_bytes) || p->arena_bytes > PTRDIFF_MAX)
    return cy_fail(CY_NO_MEMORY, "the program needs more memory for its values than a process can address");
  return CY_OK;
}

static size_t collect_pieces(cy_program *p, const int *leader, piece *pieces, size_t *common) {
  size_t n = 0;
  *common = 0;
  for (int i = 0; i < p->n_buffers; i++) {
    cy_buffer *b = &p->buffers[i];
    if (b->place == CY_PLACE_ARENA && leader[i] == i && b->first >= 0) { /* is used */
      pieces[n] = (piece){b->bytes, b->first, b->last, (int)n, &b->offset};
      n++;
    }
  }
  for (int i = 0; i < p->n_instructions; i++) {
    cy_instruction *instruction = &p->instructions[i];
    if (instruction->scratch > COMMON_SCRATCH) {
      /* What a frozen program's kernels take of still operands, they take before the first run. */
      pieces[n] = (piece){instruction->scratch, i, i, (int)n, &instruction->scratch_offset};
      n++;
    } else if (instruction->scratch > *common) {
      *common = instruction->scratch;
    }
  }
  return n;
}

static cy_status place_all(cy_program *p, const int *leader) {
  piece *pieces = cy_calloc((size_t)p->n_buffers + (size_t)p->n_instructions, sizeof *pieces);
  size_t common;
  if (!pieces) return cy_no_memory();
  size_t n = collect_pieces(p, leader, pieces, &common);
  cy_status status = place_pieces(p, pieces, n, common);
  for (int i = 0; i < p->n_instructions; i++)
    if (p->instructions[i].scratch <= COMMON_SCRATCH) p->instructions[i].scratch_offset = p->arena_bytes - common;
  for (int i = 0; i < p->n_buffers; i++)
    if (p->buffers[i].place == CY_PLACE_ARENA) p->buffers[i].offset = p->buffers[leader[i]].offset;
  cy_free(pieces);
  return status;
}

/* Lives, and whose memory each buffer uses. */
static cy_status find_leaders(cy_program *p, int **leaders) {
  int *leader = *leaders = cy_calloc((size_t)p->n_buffers, sizeof *leader);
  bool *taken = cy_calloc((size_t)p->n_buffers, sizeof *taken);
  cy_status status = leader && taken ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    find_lives(p);
    for (int i = 0; i < p->n_buffers; i++) leader[i] = i;
    if (!p->unfused) join_in_place(p, leader, taken);
  }
  cy_free(taken);
  return status;
}

cy_status cy_plan_memory(cy_program *p) {
  int *leader;
  cy_status status = find_leaders(p, &leader);
  if (status == CY_OK) status = place_all(p, leader);
  cy_free(leader);
  return status;
}

cy_status cy_measure_peak(cy_program *p, size_t *peak, int *at) {
  int *leader, n = p->n_instructions;
  size_t *change = cy_calloc((size_t)n + 2, sizeof *change), alive = 0; /* differences wrap around */
  cy_status status = find_leaders(p, &leader);
  if (!change) status = cy_no_memory();
  *peak = 0;
  *at = 0;
  for (int i = 0; i < p->n_buffers && status == CY_OK; i++) {
    const cy_buffer *b = &p->buffers[i];
    if (b->place != CY_PLACE_ARENA || leader[i] != i || b->first < 0) continue;
    change[b->first] += aligned(b->bytes);
    change[b->last + 1] -= aligned(b->bytes);
  }
  for (int i = 0; i < n && status == CY_OK; i++) {
    alive += change[i];
    if (alive + p->instructions[i].scratch <= *peak) continue;
    *peak = alive + p->instructions[i].scratch;
    *at = i;
  }
  if (status == CY_OK) find_lives(p); /* of every buffer for itself */
  cy_free(change);
  cy_free(leader);
  return status;
}
