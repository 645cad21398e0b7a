#include "cli/characters.h"

#include "base/utf8.h"

#include <string.h>

cy_status cli_characters_of(const cy_trained *trained, const char *path, cli_characters *c) {
  const char *at = cy_trained_metadata(trained, "dataset.vocabulary");
  size_t taken;
  if (!at) return cy_fail(CY_INVALID, "%s: was not trained on a text", path);
  c->count = cy_trained_classes(trained);
  c->starts = cy_calloc((size_t)c->count + 1, sizeof *c->starts);
  if (!c->starts) return cy_no_memory();
  for (int64_t k = 0; k < c->count; k++, at += taken) {
    c->starts[k] = at;
    if (!*at || cy_utf8_decode(at, strlen(at), &taken) < 0)
      return cy_fail(CY_INVALID, "%s: its %lld classes are not the characters it lists", path, (long long)c->count);
  }
  c->starts[c->count] = at;
  return CY_OK;
}

void cli_characters_clear(cli_characters *c) {
  cy_free(c->starts);
  *c = (cli_characters){0};
}

int64_t cli_character_number(const cli_characters *c, const char *character, size_t bytes) {
  for (int64_t k = 0; k < c->count; k++)
    if ((size_t)(c->starts[k + 1] - c->starts[k]) == bytes && memcmp(c->starts[k], character, bytes) == 0) return k;
  return -1;
}

static cy_status unknown(const cli_characters *c, const char *what, int32_t character, const char *bytes, size_t n) {
  if (character < 0) return cy_fail(CY_INVALID, "%s is not UTF-8", what);
  if (character < 32)
    return cy_fail(CY_INVALID, "%s holds U+%04X, which the model's text did not have", what, (unsigned)character);
  return cy_fail(CY_INVALID, "%s holds \"%.*s\", which is not among the %lld characters of the model's text", what, (int)n,
                 bytes, (long long)c->count);
}

cy_status cli_characters_read(const cli_characters *c, const char *what, const char *text, size_t length,
                              int64_t **numbers, size_t *n) {
  size_t taken;
  *n = 0;
  *numbers = cy_calloc(length + 1, sizeof **numbers);
  if (!*numbers) return cy_no_memory();
  for (size_t at = 0; at < length; at += taken) {
    int32_t character = cy_utf8_decode(text + at, length - at, &taken);
    int64_t number = character < 0 ? -1 : cli_character_number(c, text + at, taken);
    if (number < 0) {
      cy_free(*numbers);
      *numbers = NULL;
      return unknown(c, what, character, text + at, taken);
    }
    (*numbers)[(*n)++] = number;
  }
  return CY_OK;
}
