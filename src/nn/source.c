/* Tokens of the architecture language, and messages with the line and a caret. Every byte of the text may be
 * hostile. */
#include "nn/source.h"

#include "base/memory.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ASCII only, whatever the locale. */
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* ---- messages ---- */

static bool continues(char c) { return ((unsigned char)c & 0xC0) == 0x80; } /* inside a UTF-8 character */

/* Appends at most limit characters of [from, to), control bytes as '?'; as_blanks: what lies over a caret. */
static void add_line(cy_text *out, const char *from, const char *to, bool as_blanks) {
  for (const char *c = from; c < to; c++) {
    bool control = ((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f;
    if (as_blanks && continues(*c)) continue;
    cy_text_add(out, "%c", as_blanks ? (*c == '\t' ? '\t' : ' ') : control ? '?' : *c);
  }
}

enum { BEFORE = 72, AFTER = 40 }; /* bytes shown around the place when a line is long */

cy_status cy_source_fail(const cy_source *source, size_t offset, const char *format, ...) {
  const char *text = source->text, *place = text + offset, *begin = place, *end = place;
  char sentence[CY_MESSAGE_SIZE / 2];
  int line = 1, column = 1;
  va_list args;
  va_start(args, format);
  vsnprintf(sentence, sizeof sentence, format, args);
  va_end(args);

  while (begin > text && begin[-1] != '\n') begin--;
  while (*end && *end != '\n' && *end != '\r') end++;
  for (const char *c = text; c < begin; c++) line += *c == '\n';
  for (const char *c = begin; c < place; c++) column += !continues(*c);
  if (place - begin > BEFORE) {
    begin = place - BEFORE;
    while (begin < place && continues(*begin)) begin++;
  }
  if (end - place > AFTER) {
    end = place + AFTER;
    while (end > place && continues(*end)) end--;
  }

  cy_text out = {0};
  cy_text_add(&out, "%.200s:%d:%d: %s\n", source->name, line, column, sentence);
  add_line(&out, begin, end, false);
  cy_text_add(&out, "\n");
  add_line(&out, begin, place, true);
  cy_text_add(&out, "^");
  if (out.failed) return cy_no_memory();
  cy_status status = cy_fail(CY_INVALID, "%s", out.data);
  cy_text_clear(&out);
  return status;
}

const char *cy_token_text(const cy_source *source, const cy_token *token, char buffer[CY_TOKEN_TEXT]) {
  int length = token->length < CY_TOKEN_TEXT - 8 ? (int)token->length : CY_TOKEN_TEXT - 8;
  const char *start = source->text + token->start;
  if (token->kind == CY_TOKEN_END)
    snprintf(buffer, CY_TOKEN_TEXT, "the end of the text");
  else if (token->kind == CY_TOKEN_STRING)
    snprintf(buffer, CY_TOKEN_TEXT, "%.*s", length, start);
  else if (token->kind == CY_TOKEN_ARROW || token->kind == CY_TOKEN_SIGN)
    snprintf(buffer, CY_TOKEN_TEXT, "'%.*s'", length, start);
  else
    snprintf(buffer, CY_TOKEN_TEXT, "\"%.*s\"", length, start);
  return buffer;
}

bool cy_token_is(const cy_source *source, const cy_token *token, const char *text) {
  return strlen(text) == token->length && memcmp(source->text + token->start, text, token->length) == 0;
}

/* ---- tokens ---- */

/* Length of the number at text, which starts with a digit, or with '-' or '.' before one. */
static size_t number_length(const char *text) {
  const char *c = text + (*text == '-');
  while (is_digit(*c)) c++;
  if (*c == '.')
    for (c++; is_digit(*c);) c++;
  if (*c == 'e' || *c == 'E') {
    const char *exponent = c + 1 + (c[1] == '+' || c[1] == '-');
    if (is_digit(*exponent)) {
      while (is_digit(*exponent)) exponent++;
      c = exponent;
    }
  }
  return (size_t)(c - text);
}

static bool starts_number(const char *text) {
  if (*text == '-') text++;
  return is_digit(text[0]) || (text[0] == '.' && is_digit(text[1]));
}

/* The token at text[at]; kind END with length 1 stands for a byte that starts none. */
static cy_token read_token(const char *text, size_t at) {
  const char *c = text + at;
  size_t n = 1;
  if (is_letter(*c)) {
    while (is_letter(c[n]) || is_digit(c[n])) n++;
    return (cy_token){CY_TOKEN_NAME, at, n};
  }
  if (c[0] == '-' && c[1] == '>') return (cy_token){CY_TOKEN_ARROW, at, 2};
  if (starts_number(c)) return (cy_token){CY_TOKEN_NUMBER, at, number_length(c)};
  if (*c == '"') {
    while (c[n] && c[n] != '"' && c[n] != '\n') n++;
    return c[n] == '"' ? (cy_token){CY_TOKEN_STRING, at, n + 1} : (cy_token){CY_TOKEN_END, at, 1};
  }
  return (cy_token){strchr("(),=|*:", *c) ? CY_TOKEN_SIGN : CY_TOKEN_END, at, 1};
}

static cy_status refuse_byte(const cy_source *source, size_t at) {
  unsigned char c = (unsigned char)source->text[at];
  if (c == '"') return cy_source_fail(source, at, "the string does not end on its line");
  if (c == '-') return cy_source_fail(source, at, "'-' must be part of '->' or of a number");
  if (c > 0x20 && c < 0x7f) return cy_source_fail(source, at, "'%c' has no meaning here", c);
  return cy_source_fail(source, at, "byte 0x%02x has no meaning here", c);
}

cy_status cy_source_scan(cy_source *source, const char *text, const char *name) {
  *source = (cy_source){.text = text, .name = name};
  size_t at = 0;
  if (strnlen(text, CY_SOURCE_MAX + 1) > CY_SOURCE_MAX)
    return cy_fail(CY_INVALID, "%.200s: longer than %d bytes", name, CY_SOURCE_MAX);
  for (;;) {
    while (is_blank(text[at])) at++;
    if (text[at] == '#') {
      while (text[at] && text[at] != '\n') at++;
      continue;
    }
    cy_token token = text[at] ? read_token(text, at) : (cy_token){CY_TOKEN_END, at, 0};
    if (token.kind == CY_TOKEN_END && token.length) return refuse_byte(source, at);
    if (!cy_grow(&source->tokens, source->count, &source->capacity, sizeof *source->tokens)) return cy_no_memory();
    source->tokens[source->count++] = token;
    if (token.kind == CY_TOKEN_END) return CY_OK;
    at += token.length;
  }
}

void cy_source_clear(cy_source *source) {
  cy_free(source->tokens);
  *source = (cy_source){0};
}

/* ---- numbers ---- */

enum { NUMBER_TEXT = 400 };

bool cy_read_real(const char *text, size_t length, double *value) {
  char copy[NUMBER_TEXT], *end;
  if (length == 0 || length >= sizeof copy) return false;
  memcpy(copy, text, length);
  copy[length] = 0;
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!c) return false;
  *value = strtod_l(copy, &end, c);
  freelocale(c);
  return *end == 0 && isfinite(*value);
}

bool cy_read_integer(const char *text, size_t length, int64_t *value) {
  bool negative = length && *text == '-';
  size_t at = negative;
  *value = 0;
  if (at == length) return false;
  for (; at < length; at++) {
    if (!is_digit(text[at]) || !cy_mul_i64(*value, 10, value) || !cy_add_i64(*value, text[at] - '0', value))
      return false;
  }
  if (negative) *value = -*value;
  return true;
}

void cy_text_add_real(cy_text *text, double value) {
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!c) {
    text->failed = true;
    return;
  }
  locale_t before = uselocale(c);
  char digits[64];
  for (int precision = 1; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, value);
    if (strtod(digits, NULL) == value) break;
  }
  uselocale(before);
  freelocale(c);
  cy_text_add(text, "%s", digits);
}
