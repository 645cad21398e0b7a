/* A growing string. Failure is sticky: after one failed allocation appends do nothing and take() returns NULL. */
#ifndef CY_BASE_TEXT_H
#define CY_BASE_TEXT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cy_text {
  char *data; /* zero-terminated, or NULL while empty */
  size_t length, capacity;
  bool failed;
} cy_text;

void cy_text_add(cy_text *text, const char *format, ...) CY_PRINTF(2, 3);
/* The string, now the caller's (cy_string_free); "" if nothing was added, NULL if memory ran out. Resets text. */
char *cy_text_take(cy_text *text);
void cy_text_clear(cy_text *text);

/* "c.txt" of "a/b/c.txt": points into the path. */
const char *cy_base_name(const char *path);

/* Edit distance (Levenshtein), for "did you mean". */
int cy_edit_distance(const char *a, const char *b);
/* The name nearest to word, or NULL if none is near enough to suggest. */
const char *cy_nearest_name(const char *word, const char *const *names, size_t n);

#endif
