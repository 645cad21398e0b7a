/* Order: what only writes into bound tensors (a variable's new value) runs as soon as it may, so that the gradient it reads
 * is dead then, and still in the cache; and so do single numbers, on which such updates wait. Nothing else lives longer by
 * this. Conflicts over a buffer keep the order in which they were emitted. */
#include "compile/lower.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* An instruction's place: behind the one that had index `behind` (-1: at the start). */
typedef struct placing {
  int behind, index;
} placing;

static int by_place(const void *a, const void *b) {
  const placing *x = a, *y = b;
  if (x->behind != y->behind) return x->behind < y->behind ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static bool only_releases(const cy_program *p, const cy_instruction *instruction) {
  for (int k = 0; k < instruction->n_out; k++) {
    const cy_buffer *b = &p->buffers[instruction->out[k].buffer];
    if (b->place != CY_PLACE_BOUND && b->bytes > sizeof(double)) return false;
  }
  return true;
}

/* Per buffer: the place of what wrote it last, and of what touched it last. */
static void find_places(const cy_program *p, placing *places, int *written, int *touched) {
  for (int i = 0; i < p->n_instructions; i++) {
    const cy_instruction *instruction = &p->instructions[i];
    int behind = -1;
    for (int k = 0; k < instruction->n_in; k++)
      if (written[instruction->in[k].buffer] > behind) behind = written[instruction->in[k].buffer];
    for (int k = 0; k < instruction->n_out; k++)
      if (touched[instruction->out[k].buffer] > behind) behind = touched[instruction->out[k].buffer];
    if (!only_releases(p, instruction)) behind = i;
    places[i] = (placing){behind, i};
    for (int k = 0; k < instruction->n_in; k++)
      if (touched[instruction->in[k].buffer] < behind) touched[instruction->in[k].buffer] = behind;
    for (int k = 0; k < instruction->n_out; k++)
      written[instruction->out[k].buffer] = touched[instruction->out[k].buffer] = behind;
  }
}

cy_status cy_release_early(cy_program *p) {
  size_t n = (size_t)p->n_instructions, m = (size_t)p->n_buffers;
  placing *places = cy_calloc(n, sizeof *places);
  cy_instruction *order = cy_calloc(n, sizeof *order);
  int *written = cy_calloc(m, sizeof *written), *touched = cy_calloc(m, sizeof *touched);
  cy_status status = places && order && written && touched ? CY_OK : cy_no_memory();
  if (status == CY_OK && n) {
    memset(written, 0xff, m * sizeof *written);
    memset(touched, 0xff, m * sizeof *touched);
    find_places(p, places, written, touched);
    qsort(places, n, sizeof *places, by_place);
    for (size_t i = 0; i < n; i++) order[i] = p->instructions[places[i].index];
    memcpy(p->instructions, order, n * sizeof *order);
  }
  cy_free(places);
  cy_free(order);
  cy_free(written);
  cy_free(touched);
  return status;
}
