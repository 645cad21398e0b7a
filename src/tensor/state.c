/* State: named tensors laid out in flat buffers, one per role and dtype, in the order of declaration: what a training
 * step touches lies together, and names, not addresses, are what programs and files know. */
#include "tensor/tensor.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum { ROLES = 3 };

typedef struct entry {
  char *name;
  cy_role role;
  cy_dtype dtype;
  cy_shape shape;
  cy_tensor *tensor; /* NULL before allocation; borrows from buffers */
} entry;

struct cy_state {
  entry *entries;
  size_t count, capacity;
  void *buffers[ROLES][CY_DTYPE_COUNT];
  bool allocated;
};

cy_status cy_state_create(cy_state **state) {
  *state = cy_calloc(1, sizeof **state);
  return *state ? CY_OK : cy_no_memory();
}

void cy_state_free(cy_state *state) {
  if (!state) return;
  for (size_t i = 0; i < state->count; i++) {
    cy_free(state->entries[i].name);
    cy_tensor_free(state->entries[i].tensor);
  }
  for (int r = 0; r < ROLES; r++)
    for (int d = 0; d < CY_DTYPE_COUNT; d++) cy_free(state->buffers[r][d]);
  cy_free(state->entries);
  cy_free(state);
}

static entry *find(const cy_state *state, const char *name) {
  for (size_t i = 0; i < state->count; i++)
    if (strcmp(state->entries[i].name, name) == 0) return &state->entries[i];
  return NULL;
}

cy_status cy_state_declare(cy_state *state, const char *name, cy_role role, cy_dtype dtype, cy_shape shape) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  int64_t count;
  if (!name[0]) return cy_fail(CY_INVALID, "a state tensor needs a name");
  if ((unsigned)role >= ROLES || (unsigned)dtype >= CY_DTYPE_COUNT)
    return cy_fail(CY_INVALID, "state \"%s\": unknown role or dtype", name);
  entry *old = find(state, name);
  if (old) {
    if (old->role == role && old->dtype == dtype && cy_shape_equal(old->shape, shape)) return CY_OK;
    return cy_fail(CY_INVALID, "state \"%s\" is declared twice: as %s %s and as %s %s%s", name,
                   cy_dtype_name(old->dtype), cy_shape_text(old->shape, a), cy_dtype_name(dtype),
                   cy_shape_text(shape, b), old->role == role ? "" : " with another role");
  }
  if (state->allocated) return cy_fail(CY_INVALID, "state \"%s\" is declared after the state was allocated", name);
  CY_TRY(cy_shape_count(shape, &count));
  if (!cy_grow(&state->entries, state->count, &state->capacity, sizeof(entry))) return cy_no_memory();
  char *copy = cy_strdup(name);
  if (!copy) return cy_no_memory();
  state->entries[state->count++] = (entry){.name = copy, .role = role, .dtype = dtype, .shape = shape};
  return CY_OK;
}

cy_status cy_state_allocate(cy_state *state) {
  size_t bytes[ROLES][CY_DTYPE_COUNT] = {{0}};
  if (state->allocated) return cy_fail(CY_INVALID, "the state is allocated already");
  for (size_t i = 0; i < state->count; i++) {
    entry *e = &state->entries[i];
    size_t size = (size_t)cy_count(e->shape) * cy_dtype_size(e->dtype);
    if (__builtin_add_overflow(bytes[e->role][e->dtype], size, &bytes[e->role][e->dtype]))
      return cy_fail(CY_NO_MEMORY, "the state is larger than memory can address");
  }
  for (int r = 0; r < ROLES; r++)
    for (int d = 0; d < CY_DTYPE_COUNT; d++) {
      if (!bytes[r][d] || state->buffers[r][d]) continue;
      state->buffers[r][d] = cy_alloc_aligned(bytes[r][d]);
      if (!state->buffers[r][d]) return cy_fail(CY_NO_MEMORY, "out of memory for a state of %zu bytes", bytes[r][d]);
      memset(state->buffers[r][d], 0, bytes[r][d]);
    }
  size_t used[ROLES][CY_DTYPE_COUNT] = {{0}};
  for (size_t i = 0; i < state->count; i++) {
    entry *e = &state->entries[i];
    char *base = state->buffers[e->role][e->dtype];
    if (e->tensor) { /* laid out by an earlier, interrupted call */
      used[e->role][e->dtype] += cy_tensor_bytes(e->tensor);
      continue;
    }
    CY_TRY(cy_tensor_wrap(e->dtype, e->shape, NULL, base ? base + used[e->role][e->dtype] : NULL, &e->tensor));
    used[e->role][e->dtype] += cy_tensor_bytes(e->tensor);
  }
  state->allocated = true;
  return CY_OK;
}

size_t cy_state_bytes(const cy_state *state, cy_role role) {
  size_t total = 0;
  for (size_t i = 0; i < state->count; i++) {
    const entry *e = &state->entries[i];
    if (e->role == role && __builtin_add_overflow(total, (size_t)cy_count(e->shape) * cy_dtype_size(e->dtype), &total))
      return SIZE_MAX;
  }
  return total;
}

int cy_state_count(const cy_state *state) { return (int)state->count; }
const char *cy_state_name(const cy_state *state, int i) { return state->entries[i].name; }
cy_role cy_state_role(const cy_state *state, int i) { return state->entries[i].role; }
cy_tensor *cy_state_tensor(const cy_state *state, int i) { return state->entries[i].tensor; }
cy_tensor *cy_state_find(const cy_state *state, const char *name) {
  entry *e = find(state, name);
  return e ? e->tensor : NULL;
}
