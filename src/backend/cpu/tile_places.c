/* Places in scratch for the values of a planned group: when each is first and last needed, which may share memory, and
 * which outputs may be written in place without overwriting an input that is still to be read. */
#include "backend/cpu/tile_planner.h"
#include "backend/cpu/workspace.h"

/* ---- lifetimes ---- */

static void note_use(cy_tiles *t, int slot, int position) {
  if (t->slots[slot].last < position) t->slots[slot].last = position;
}

static bool makes_a_value(const cy_instruction *in) {
  return in->kind != CY_DO_STORE && in->kind != CY_DO_REDUCE_PART && in->kind != CY_DO_ACCUMULATE_NUMBER &&
         in->kind != CY_DO_ACCUMULATE_COLUMNS;
}

/* First and last instruction, over all bodies one behind the other; whoever is used by another name lives as long. */
static void find_lifetimes(cy_tiles *t) {
  int position = 0;
  for (int b = 0; b < t->passes; b++)
    for (size_t i = 0; i < t->body[b].count; i++, position++) {
      const cy_instruction *in = &t->body[b].item[i];
      if (t->slots[in->dst].first < 0 && makes_a_value(in)) t->slots[in->dst].first = position;
      note_use(t, in->dst, position), note_use(t, in->a, position), note_use(t, in->b, position);
      note_use(t, in->c, position);
      for (int k = 0; k < CY_FUSED_OPERANDS && in->kind == CY_DO_FUSED; k++) note_use(t, in->operand[k], position);
    }
  for (int b = t->passes - 1; b >= 0; b--)
    for (size_t i = t->body[b].count; i-- > 0;) {
      const cy_instruction *in = &t->body[b].item[i];
      if (in->kind != CY_DO_ALIAS && in->kind != CY_DO_SAME) continue;
      int last = t->slots[in->dst].last;
      note_use(t, in->a, last), note_use(t, in->b, last), note_use(t, in->c, last);
    }
}

/* When inputs are read for the last time and outputs written: by load instructions, or by whoever uses the slot. */
static void find_hazards(cy_tiles *t) {
  for (int i = 0; i < t->n_inputs_bound; i++) {
    const cy_tile_slot *s = &t->slots[t->inputs_bound[i].slot];
    t->inputs_bound[i].last_read = s->owned ? s->first : s->last;
  }
  for (int i = 0; i < t->n_outputs_bound; i++) t->outputs_bound[i].written = t->slots[t->outputs_bound[i].slot].first;
  int position = 0;
  for (int b = 0; b < t->passes; b++) /* recomputed: what counts is the last pass */
    for (size_t i = 0; i < t->body[b].count; i++, position++)
      for (int k = 0; k < t->n_outputs_bound; k++)
        if (cy_tile_is_kernel(&t->body[b].item[i]) && t->body[b].item[i].dst == t->outputs_bound[k].slot)
          t->outputs_bound[k].written = position;
  position = 0;
  for (int b = 0; b < t->passes; b++)
    for (size_t i = 0; i < t->body[b].count; i++, position++)
      for (int k = 0; k < t->n_inputs_bound; k++)
        if (t->body[b].item[i].kind == CY_DO_LOAD && t->body[b].item[i].dst == t->inputs_bound[k].slot)
          t->inputs_bound[k].last_read = position;
}

static const cy_instruction *instruction_at(const cy_tiles *t, int position) {
  for (int b = 0; b < t->passes; b++) {
    if (position < (int)t->body[b].count) return &t->body[b].item[position];
    position -= (int)t->body[b].count;
  }
  return NULL;
}

/* ---- places ---- */

typedef struct place {
  size_t offset, bytes;
  int free_after; /* last instruction of the value in it */
} place;

/* Registers a multiple of 4096 bytes apart would look alike to the store buffer, and loads wait for stores. */
enum { STAGGER = 5 * 64 };

static bool take_bytes(size_t *total, size_t bytes, size_t *offset) {
  if (bytes > SIZE_MAX / 4 - *total) return false;
  *offset = *total;
  *total += cy_aligned(bytes) + (bytes >= 2048 ? STAGGER : 0);
  return true;
}

static bool slot_bytes(const cy_tiles *t, const cy_tile_slot *s, size_t *bytes) {
  size_t n = 1;
  if (s->level != CY_LEVEL_UNIFORM) n = (size_t)t->tile_rows;
  if (s->level == CY_LEVEL_FULL || s->level == CY_LEVEL_COLUMN)
    if (!cy_mul_size(n, (size_t)(t->tile_columns < 1 ? 1 : t->tile_columns), &n)) return false;
  return cy_mul_size(n, cy_dtype_size(s->dtype), bytes);
}

/* A value may take the place of an operand that dies in the instruction that makes it. */
static bool reuse_place(const cy_tiles *t, cy_tile_slot *s, size_t bytes, place *places, int n_places) {
  const cy_instruction *maker = instruction_at(t, s->first);
  for (int i = 0; i < n_places; i++) {
    if (places[i].bytes != bytes) continue;
    if (places[i].free_after < s->first || (places[i].free_after == s->first && cy_tile_is_kernel(maker))) {
      places[i].free_after = s->last;
      s->offset = places[i].offset;
      return true;
    }
  }
  return false;
}

static bool place_slots(cy_tiles *t, place *places) {
  int n_places = 0, total = 0;
  for (int b = 0; b < t->passes; b++) total += (int)t->body[b].count;
  for (int i = 0; i < t->n_slots; i++) { /* those that stay */
    cy_tile_slot *s = &t->slots[i];
    size_t bytes;
    s->reusable = s->owned && s->level == CY_LEVEL_FULL && s->first >= 0;
    if (!s->owned || s->reusable) continue;
    if (!slot_bytes(t, s, &bytes) || !take_bytes(s->shared ? &t->shared_bytes : &t->worker_bytes, bytes, &s->offset))
      return false;
  }
  for (int position = 0; position < total; position++) {
    cy_tile_slot *s = &t->slots[instruction_at(t, position)->dst];
    size_t bytes;
    if (!s->reusable || s->first != position) continue;
    if (!slot_bytes(t, s, &bytes)) return false;
    if (reuse_place(t, s, bytes, places, n_places)) continue;
    if (!take_bytes(&t->worker_bytes, bytes, &s->offset)) return false;
    places[n_places++] = (place){s->offset, bytes, s->last};
  }
  return true;
}

static cy_status lay_out(cy_tiles *t) {
  size_t offset, bytes;
  place *places = cy_calloc((size_t)t->n_slots + 1, sizeof *places);
  if (!places) return cy_no_memory();
  bool fits = take_bytes(&t->worker_bytes, (size_t)t->n_slots * sizeof(void *), &offset) &&
              take_bytes(&t->worker_bytes, (size_t)t->n_slots * sizeof(int64_t), &t->pitch_offset) &&
              take_bytes(&t->worker_bytes, (size_t)t->n_sums * sizeof(cy_tile_number), &t->sums_offset) &&
              take_bytes(&t->worker_bytes, (size_t)t->n_outputs_bound * sizeof(bool), &t->direct_offset);
  for (int i = 0; i < t->n_column_sums && fits; i++)
    fits = cy_mul_size((size_t)t->columns, cy_dtype_size(t->column_sums[i].dtype), &bytes) &&
           take_bytes(&t->worker_bytes, bytes, &t->column_sums[i].offset);
  fits = fits && place_slots(t, places) && cy_mul_size(t->worker_bytes, (size_t)t->workers, &bytes) &&
         bytes < SIZE_MAX / 2;
  cy_free(places);
  return fits ? CY_OK : cy_fail(CY_NO_MEMORY, "a fused group's workspace exceeds the address space");
}

cy_status cy_tile_place(cy_tiles *t) {
  find_lifetimes(t);
  find_hazards(t);
  return lay_out(t);
}
