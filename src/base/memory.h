/* Allocation with checked sizes, and an arena: many small objects of one lifetime, freed together.
 * Everything the library allocates comes from malloc, calloc, realloc and aligned_alloc, called only in memory.c,
 * so that tests can count and fail each one. */
#ifndef CY_BASE_MEMORY_H
#define CY_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-filled; NULL on failure or if count * size overflows. Free with cy_free. */
void *cy_calloc(size_t count, size_t size);
/* Grows (or shrinks) to count * size bytes; on failure NULL and the old block stays valid. */
void *cy_realloc(void *block, size_t count, size_t size);
void cy_free(void *block);
/* 64-byte aligned, not cleared. Free with cy_free. At least one byte is allocated. */
void *cy_alloc_aligned(size_t bytes);
/* Copies; NULL on failure. */
char *cy_strdup(const char *text);
char *cy_strndup(const char *text, size_t length);

/* product = a * b; false if it does not fit. */
bool cy_mul_size(size_t a, size_t b, size_t *product);
bool cy_mul_i64(int64_t a, int64_t b, int64_t *product);
bool cy_add_i64(int64_t a, int64_t b, int64_t *sum);

/* Makes room for one more element: doubles *capacity when count has reached it. items is the address of the array
 * pointer. False if memory is out; the array stays valid. */
bool cy_grow(void *items, size_t count, size_t *capacity, size_t item_size);

typedef struct cy_arena cy_arena;
cy_arena *cy_arena_create(void); /* NULL if memory is out */
void cy_arena_free(cy_arena *arena);
void *cy_arena_alloc(cy_arena *arena, size_t bytes); /* zero-filled, 64-byte aligned if bytes >= 64, else 16; NULL if out */
void *cy_arena_copy(cy_arena *arena, const void *data, size_t bytes);
char *cy_arena_strdup(cy_arena *arena, const char *text);

#endif
