#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool cy_mul_size(size_t a, size_t b, size_t *product) { return !__builtin_mul_overflow(a, b, product); }
bool cy_mul_i64(int64_t a, int64_t b, int64_t *product) { return !__builtin_mul_overflow(a, b, product); }
bool cy_add_i64(int64_t a, int64_t b, int64_t *sum) { return !__builtin_add_overflow(a, b, sum); }

void *cy_calloc(size_t count, size_t size) {
  size_t bytes;
  if (!cy_mul_size(count, size, &bytes)) return NULL;
  return calloc(1, bytes ? bytes : 1);
}

void *cy_realloc(void *block, size_t count, size_t size) {
  size_t bytes;
  if (!cy_mul_size(count, size, &bytes)) return NULL;
  return realloc(block, bytes ? bytes : 1);
}

void cy_free(void *block) { free(block); }

/* Large blocks ask for huge pages: a step walks through megabytes in strides, and each small page costs a walk of its
 * own. Only those that the block fills are asked for: what lies behind it is never touched. */
static void *alloc_large(size_t bytes) {
  enum { HUGE_PAGE = 2 << 20 };
  void *block = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
#ifdef MADV_HUGEPAGE
  if (block) (void)madvise(block, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a refusal makes it slower */
#endif
  return block;
}

void *cy_alloc_aligned(size_t bytes) {
  enum { LARGE = 4 << 20 };
  if (bytes > PTRDIFF_MAX / 2) return NULL;
  if (bytes >= LARGE) return alloc_large(bytes);
  return aligned_alloc(64, bytes ? (bytes + 63) / 64 * 64 : 64);
}

char *cy_strndup(const char *text, size_t length) {
  char *copy = cy_calloc(length + 1, 1);
  if (copy) memcpy(copy, text, length);
  return copy;
}

char *cy_strdup(const char *text) { return cy_strndup(text, strlen(text)); }

bool cy_grow(void *items, size_t count, size_t *capacity, size_t item_size) {
  if (count < *capacity) return true;
  void **array = items;
  size_t wanted = *capacity ? *capacity * 2 : 8;
  void *grown = cy_realloc(*array, wanted, item_size);
  if (!grown) return false;
  *array = grown;
  *capacity = wanted;
  return true;
}

typedef struct block {
  struct block *next;
  size_t size, used;
  max_align_t pad; /* keeps the first byte after the header 16-byte aligned */
} block;

struct cy_arena {
  block *head;
};

cy_arena *cy_arena_create(void) { return cy_calloc(1, sizeof(cy_arena)); }

void cy_arena_free(cy_arena *arena) {
  if (!arena) return;
  for (block *b = arena->head, *next; b; b = next) {
    next = b->next;
    cy_free(b);
  }
  cy_free(arena);
}

enum { BLOCK_BYTES = 1 << 16 };

static void *take(block *b, size_t bytes, size_t align) {
  uintptr_t base = (uintptr_t)(b + 1);
  uintptr_t start = (base + b->used + align - 1) / align * align;
  if (start - base > b->size || bytes > b->size - (start - base)) return NULL;
  b->used = start - base + bytes;
  return (void *)start;
}

void *cy_arena_alloc(cy_arena *arena, size_t bytes) {
  size_t align = bytes >= 64 ? 64 : 16;
  void *p = arena->head ? take(arena->head, bytes, align) : NULL;
  if (!p) {
    if (bytes > PTRDIFF_MAX / 2) return NULL;
    size_t size = bytes + 64 > BLOCK_BYTES ? bytes + 64 : BLOCK_BYTES;
    block *b = cy_calloc(1, sizeof *b + size);
    if (!b) return NULL;
    b->size = size;
    b->next = arena->head;
    arena->head = b;
    p = take(b, bytes, align);
  }
  return p;
}

void *cy_arena_copy(cy_arena *arena, const void *data, size_t bytes) {
  void *p = cy_arena_alloc(arena, bytes);
  if (p && bytes) memcpy(p, data, bytes);
  return p;
}

char *cy_arena_strdup(cy_arena *arena, const char *text) { return cy_arena_copy(arena, text, strlen(text) + 1); }
