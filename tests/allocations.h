/* Allocations of the library, counted and made to fail. For tests whose linker sends them through here: `count_allocations`
 * in meson.build (--wrap). Included by one file of a test. */
#ifndef CY_TESTS_ALLOCATIONS_H
#define CY_TESTS_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

static long calls, failing, live; /* asked for; which one of them fails (0: none); blocks not yet freed */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);

static bool fails(void) { return __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) == failing; }
static void *counted(void *block) {
  if (block) __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
  return block;
}
void *__wrap_malloc(size_t size) { return fails() ? NULL : counted(__real_malloc(size)); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : counted(__real_calloc(count, size)); }
void *__wrap_realloc(void *block, size_t size) {
  if (fails()) return NULL;
  return block ? __real_realloc(block, size) : counted(__real_realloc(block, size));
}
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return fails() ? NULL : counted(__real_aligned_alloc(alignment, size));
}
void __wrap_free(void *block) {
  if (block) __atomic_add_fetch(&live, -1, __ATOMIC_RELAXED);
  __real_free(block);
}

#endif
