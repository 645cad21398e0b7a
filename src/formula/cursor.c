/* Where the parser is in its tokens: looking, taking, complaining. Beyond the last token there is the end again. */
#include "formula/parser.h"

#include <string.h>

enum { MAX_NESTING = 200, MAX_NAME = 100 };

const cy_token *cy_token_at(const cy_parser *p, size_t i) {
  return &p->source.tokens[i < p->source.count ? i : p->source.count - 1];
}
const cy_token *cy_peek(const cy_parser *p) { return cy_token_at(p, p->at); }
bool cy_is_sign(const cy_parser *p, size_t i, const char *sign) {
  return cy_sign_is(&p->source, cy_token_at(p, i), sign);
}
bool cy_is_name(const cy_parser *p, size_t i) { return cy_token_at(p, i)->kind == CY_TOKEN_NAME; }
bool cy_is_word(const cy_parser *p, size_t i, const char *word) {
  return cy_is_name(p, i) && cy_token_is(&p->source, cy_token_at(p, i), word);
}
bool cy_at_sign(const cy_parser *p, const char *sign) { return cy_is_sign(p, p->at, sign); }
bool cy_is_separator(const cy_parser *p, size_t i) { return cy_is_sign(p, i, ";") || cy_is_sign(p, i, "\n"); }
bool cy_is_end(const cy_parser *p, size_t i) { return cy_token_at(p, i)->kind == CY_TOKEN_END; }

bool cy_accept(cy_parser *p, const char *sign) {
  if (!cy_at_sign(p, sign)) return false;
  p->at++;
  return true;
}

cy_status cy_expected(const cy_parser *p, const char *what) {
  char found[CY_TOKEN_TEXT];
  return cy_source_fail(&p->source, cy_peek(p)->start, "expected %s, found %s", what,
                        cy_formula_token_text(&p->source, cy_peek(p), found));
}
cy_status cy_expect(cy_parser *p, const char *sign, const char *what) {
  return cy_accept(p, sign) ? CY_OK : cy_expected(p, what);
}

cy_place cy_place_to_here(const cy_parser *p, size_t start, size_t at) {
  const cy_token *last = cy_token_at(p, p->at - 1);
  return (cy_place){at, start, last->start + last->length};
}

cy_status cy_token_name(const cy_parser *p, const cy_token *token, char name[CY_PARSER_NAME]) {
  if (token->length > MAX_NAME)
    return cy_source_fail(&p->source, token->start, "the name is longer than %d characters", MAX_NAME);
  memcpy(name, p->source.text + token->start, token->length);
  name[token->length] = 0;
  return CY_OK;
}

cy_status cy_deeper(cy_parser *p) {
  if (++p->depth > MAX_NESTING)
    return cy_source_fail(&p->source, cy_peek(p)->start, "nested more than %d deep", MAX_NESTING);
  return CY_OK;
}
