#include "base/text.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cy_text_add(cy_text *text, const char *format, ...) {
  if (text->failed) return;
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, args);
  va_end(args);
  size_t needed = text->length + (size_t)(n > 0 ? n : 0) + 1;
  if (needed > text->capacity) {
    size_t capacity = needed > 2 * text->capacity ? needed : 2 * text->capacity;
    char *data = cy_realloc(text->data, capacity, 1);
    if (!data) {
      text->failed = true;
      va_end(again);
      return;
    }
    text->data = data;
    text->capacity = capacity;
  }
  vsnprintf(text->data + text->length, text->capacity - text->length, format, again);
  va_end(again);
  text->length = needed - 1;
}

const char *cy_base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

char *cy_text_take(cy_text *text) {
  char *data = text->failed ? NULL : text->data ? text->data : cy_strdup("");
  if (text->failed) cy_free(text->data);
  *text = (cy_text){0};
  return data;
}

void cy_text_clear(cy_text *text) {
  cy_free(text->data);
  *text = (cy_text){0};
}

enum { WORD_MAX = 63 };

int cy_edit_distance(const char *a, const char *b) {
  size_t na = strlen(a), nb = strlen(b);
  if (na > WORD_MAX || nb > WORD_MAX) return WORD_MAX;
  int row[WORD_MAX + 1];
  for (size_t j = 0; j <= nb; j++) row[j] = (int)j;
  for (size_t i = 1; i <= na; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= nb; j++) {
      int substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      int skip = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      row[j] = substitute < skip ? substitute : skip;
    }
  }
  return row[nb];
}

const char *cy_nearest_name(const char *word, const char *const *names, size_t n) {
  const char *best = NULL;
  int best_distance = (int)strlen(word) / 2 + 1; /* half of the word may be wrong */
  for (size_t i = 0; i < n; i++) {
    int distance = cy_edit_distance(word, names[i]);
    if (distance < best_distance) {
      best = names[i];
      best_distance = distance;
    }
  }
  return best;
}
