/* Memory: buffers whose lives do not overlap share the arena. An output of a fused group takes over the memory of an
 * operand that dies there if both are walked alike. Offsets are chosen largest buffer first, lowest fitting offset. */
#include "compile/lower.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static size_t aligned(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static void find_lives(cy_program *p) {
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
  if (p->unfused)
    for (int i = 0; i < p->n_buffers; i++) p->buffers[i].last = p->n_instructions;
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

typedef struct placed {
  size_t bytes;
  int buffer;
} placed;

static int by_size(const void *a, const void *b) {
  const placed *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return (x->buffer > y->buffer) - (x->buffer < y->buffer);
}

static int by_offset(const void *a, const void *b) {
  const cy_buffer *const *x = a, *const *y = b;
  return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

/* The lowest offset where b fits between the buffers that live at the same time. */
static size_t fit(const cy_buffer *b, cy_buffer **neighbours, size_t n) {
  size_t at = 0;
  qsort(neighbours, n, sizeof *neighbours, by_offset);
  for (size_t i = 0; i < n; i++) {
    if (neighbours[i]->offset >= at + aligned(b->bytes)) break;
    size_t end = neighbours[i]->offset + aligned(neighbours[i]->bytes);
    if (end > at) at = end;
  }
  return at;
}

cy_status cy_plan_memory(cy_program *p) {
  size_t n = 0, count = (size_t)p->n_buffers;
  int *leader = cy_calloc(count, sizeof *leader);
  bool *taken = cy_calloc(count, sizeof *taken);
  placed *order = cy_calloc(count, sizeof *order);
  cy_buffer **neighbours = cy_calloc(count, sizeof *neighbours);
  cy_status status = leader && taken && order && neighbours ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    find_lives(p);
    for (int i = 0; i < p->n_buffers; i++) leader[i] = i;
    if (!p->unfused) join_in_place(p, leader, taken);
    for (int i = 0; i < p->n_buffers; i++)
      if (p->buffers[i].place == CY_PLACE_ARENA && leader[i] == i && p->buffers[i].first >= 0) /* is used */
        order[n++] = (placed){p->buffers[i].bytes, i};
    if (n) qsort(order, n, sizeof *order, by_size);
    p->arena_bytes = 0;
    for (size_t i = 0; i < n; i++) {
      cy_buffer *b = &p->buffers[order[i].buffer];
      size_t k = 0;
      for (size_t j = 0; j < i; j++) {
        cy_buffer *other = &p->buffers[order[j].buffer];
        if (other->first <= b->last && b->first <= other->last) neighbours[k++] = other;
      }
      b->offset = fit(b, neighbours, k);
      if (b->offset + aligned(b->bytes) > p->arena_bytes) p->arena_bytes = b->offset + aligned(b->bytes);
    }
    for (int i = 0; i < p->n_buffers; i++)
      if (p->buffers[i].place == CY_PLACE_ARENA) p->buffers[i].offset = p->buffers[leader[i]].offset;
  }
  cy_free(leader);
  cy_free(taken);
  cy_free(order);
  cy_free(neighbours);
  return status;
}
