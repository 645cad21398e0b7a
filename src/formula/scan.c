/* Tokens of formulas. Positions and messages are those of the architecture language (nn/source.h); only what counts
 * as a sign and where a line ends a statement are different. Every byte of the text may be hostile. */
#include "formula/parser.h"

#include <stdio.h>
#include <string.h>

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *const two_characters[] = {".*", "./", ".^", ".."};

static bool is_operator_after_dot(char c) { return c != 0 && strchr("*/^.", c) != NULL; }

/* 2, 0.5, .5, 1e-4. A dot that begins another sign is none of the number's: 1..3, 2.*x. */
static size_t number_length(const char *text) {
  const char *c = text;
  while (is_digit(*c)) c++;
  if (*c == '.' && !is_operator_after_dot(c[1]))
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

/* Kind END with length 1 stands for a byte that starts no token. */
static cy_token read_token(const char *text, size_t at) {
  const char *c = text + at;
  size_t n = 1;
  if (is_letter(*c)) {
    while (is_letter(c[n]) || is_digit(c[n])) n++;
    return (cy_token){CY_TOKEN_NAME, at, n};
  }
  if (is_digit(*c) || (*c == '.' && is_digit(c[1]))) return (cy_token){CY_TOKEN_NUMBER, at, number_length(c)};
  for (size_t i = 0; i < sizeof two_characters / sizeof *two_characters; i++)
    if (strncmp(c, two_characters[i], 2) == 0) return (cy_token){CY_TOKEN_SIGN, at, 2};
  return (cy_token){strchr("+-*/@^'()[],;=:|", *c) ? CY_TOKEN_SIGN : CY_TOKEN_END, at, 1};
}

static cy_status refuse_byte(const cy_source *source, size_t at) {
  unsigned char c = (unsigned char)source->text[at];
  if (c > 0x20 && c < 0x7f) return cy_source_fail(source, at, "'%c' has no meaning here", c);
  return cy_source_fail(source, at, "byte 0x%02x has no meaning here", c);
}

/* Whether a statement may end after what was read last: a name, a number, a closing bracket. */
static bool may_end(const cy_source *source) {
  if (source->count == 0) return false;
  const cy_token *last = &source->tokens[source->count - 1];
  return last->kind != CY_TOKEN_SIGN || strchr(")]'|", source->text[last->start]) != NULL;
}

static cy_status add_token(cy_source *source, cy_token token) {
  if (!cy_grow(&source->tokens, source->count, &source->capacity, sizeof *source->tokens)) return cy_no_memory();
  source->tokens[source->count++] = token;
  return CY_OK;
}

cy_status cy_formula_scan(cy_source *source, const char *text, const char *name) {
  *source = (cy_source){.text = text, .name = name};
  size_t at = 0;
  int64_t open = 0; /* brackets */
  if (strnlen(text, CY_SOURCE_MAX + 1) > CY_SOURCE_MAX)
    return cy_fail(CY_INVALID, "%.200s: longer than %d bytes", name, CY_SOURCE_MAX);
  while (text[at]) {
    char c = text[at];
    if (c == '#') {
      while (text[at] && text[at] != '\n') at++;
    } else if (c == '\n' && open <= 0 && may_end(source)) {
      CY_TRY(add_token(source, (cy_token){CY_TOKEN_SIGN, at++, 1}));
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      at++;
    } else {
      cy_token token = read_token(text, at);
      if (token.kind == CY_TOKEN_END) return refuse_byte(source, at);
      open += (c == '(' || c == '[') - (c == ')' || c == ']');
      CY_TRY(add_token(source, token));
      at += token.length;
    }
  }
  return add_token(source, (cy_token){CY_TOKEN_END, at, 0});
}

bool cy_sign_is(const cy_source *source, const cy_token *token, const char *sign) {
  return token->kind == CY_TOKEN_SIGN && cy_token_is(source, token, sign);
}

const char *cy_formula_token_text(const cy_source *source, const cy_token *token, char buffer[CY_TOKEN_TEXT]) {
  if (token->kind == CY_TOKEN_END) snprintf(buffer, CY_TOKEN_TEXT, "the end");
  else if (cy_sign_is(source, token, "\n")) snprintf(buffer, CY_TOKEN_TEXT, "the end of the line");
  else cy_token_text(source, token, buffer);
  return buffer;
}
