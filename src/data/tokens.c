/* From text to token numbers: characters are Unicode's, numbered in ascending order. */
#include "data/tokens.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { UNKNOWN = -1 };

void cy_tokens_free(cy_tokens *t) {
  if (!t) return;
  cy_free(t->tokens);
  cy_free(t->vocabulary);
  cy_free(t);
}

static long long line_of(const char *text, size_t at) {
  long long line = 1;
  for (size_t i = 0; i < at; i++) line += text[i] == '\n';
  return line;
}

/* The text as characters; *n is 0 at first. */
static cy_status decode(const char *place, const char *text, size_t length, int32_t *characters, int64_t *n) {
  size_t taken;
  for (size_t at = 0; at < length; at += taken) {
    int32_t c = cy_utf8_decode(text + at, length - at, &taken);
    if (c < 0)
      return cy_fail(CY_INVALID, "%s: line %lld is not UTF-8 (byte %02X)", place, line_of(text, at),
                     (unsigned)(unsigned char)text[at]);
    if (c == 0) return cy_fail(CY_INVALID, "%s: line %lld holds a zero byte: this is no text", place, line_of(text, at));
    characters[(*n)++] = c;
  }
  return CY_OK;
}

/* numbers[character]: 1 for those that occur. */
static void mark(const int32_t *characters, int64_t n, int32_t *numbers) {
  for (int64_t i = 0; i < n; i++) numbers[characters[i]] = 1;
}

static cy_status mark_vocabulary(const char *place, const char *vocabulary, int32_t *numbers) {
  size_t length = strlen(vocabulary), taken;
  int32_t last = 0;
  for (size_t at = 0; at < length; at += taken) {
    int32_t c = cy_utf8_decode(vocabulary + at, length - at, &taken);
    if (c <= last) return cy_fail(CY_INVALID, "%s: the characters of the model are not in ascending order", place);
    numbers[c] = 1;
    last = c;
  }
  return CY_OK;
}

/* Turns the marks into numbers in ascending order, -1 where there was none, and lists the characters. */
static cy_status number(cy_tokens *t, int32_t *numbers) {
  char bytes[CY_UTF8_SIZE];
  size_t size = 1, at = 0;
  for (int32_t c = 0; c < CY_UTF8_END; c++)
    if (numbers[c]) size += cy_utf8_encode(c, bytes);
  if (!(t->vocabulary = cy_calloc(size, 1))) return cy_no_memory();
  for (int32_t c = 0; c < CY_UTF8_END; c++) {
    bool known = numbers[c] != 0;
    numbers[c] = known ? (int32_t)t->characters++ : UNKNOWN;
    if (!known) continue;
    size_t n = cy_utf8_encode(c, bytes);
    memcpy(t->vocabulary + at, bytes, n);
    at += n;
  }
  return CY_OK;
}

static cy_status unknown(const char *place, const cy_tokens *t, int64_t at, long long line) {
  char bytes[CY_UTF8_SIZE], name[24];
  int32_t c = t->tokens[at];
  cy_utf8_encode(c, bytes);
  if (c < 32 || c == 127) snprintf(name, sizeof name, "U+%04X", (unsigned)c);
  else snprintf(name, sizeof name, "\"%s\"", bytes);
  return cy_fail(CY_INVALID, "%s: line %lld has the character %s, which is not among the %lld that the model knows",
                 place, line, name, (long long)t->characters);
}

static cy_status replace(const char *place, const int32_t *numbers, cy_tokens *t) {
  long long line = 1;
  for (int64_t i = 0; i < t->count; i++) {
    int32_t c = t->tokens[i];
    if (numbers[c] == UNKNOWN) return unknown(place, t, i, line);
    line += c == '\n';
    t->tokens[i] = numbers[c];
  }
  return CY_OK;
}

static cy_status fill(const char *place, const char *text, size_t length, const char *vocabulary, int32_t *numbers,
                      cy_tokens *t) {
  CY_TRY(decode(place, text, length, t->tokens, &t->count));
  if (vocabulary) CY_TRY(mark_vocabulary(place, vocabulary, numbers));
  else mark(t->tokens, t->count, numbers);
  CY_TRY(number(t, numbers));
  return replace(place, numbers, t);
}

/* Some editors begin files with it; it is no character of the text. */
static const char byte_order_mark[] = "\xEF\xBB\xBF";

cy_status cy_tokens_read(const char *place, const char *text, size_t length, const char *vocabulary,
                         cy_tokens **tokens) {
  cy_tokens *t = cy_calloc(1, sizeof *t);
  int32_t *numbers = cy_calloc(CY_UTF8_END, sizeof *numbers);
  cy_status status = t && numbers ? CY_OK : cy_no_memory();
  if (length >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
    text += 3;
    length -= 3;
  }
  if (status == CY_OK && !(t->tokens = cy_calloc(length + 1, sizeof *t->tokens))) status = cy_no_memory();
  if (status == CY_OK) status = fill(place, text, length, vocabulary, numbers, t);
  cy_free(numbers);
  *tokens = t;
  if (status == CY_OK) return CY_OK;
  cy_tokens_free(t);
  *tokens = NULL;
  return status;
}
