/* Where the parser is in its tokens: looking, taking, complaining; and reading what a block's parameter stands for, in
 * the frame of the caller. */
#include "nn/parser.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 48 };

const cy_token *cy_model_token(const cy_model_parser *p, size_t i) { return &p->source.tokens[i]; }
bool cy_model_at_end(const cy_model_parser *p) { return p->at >= p->limit; }
const cy_token *cy_model_peek(const cy_model_parser *p) {
  return cy_model_token(p, cy_model_at_end(p) ? p->limit : p->at);
}
cy_token_kind cy_model_peek_kind(const cy_model_parser *p) {
  return cy_model_at_end(p) ? CY_TOKEN_END : cy_model_peek(p)->kind;
}

bool cy_model_is_sign(const cy_model_parser *p, size_t i, char sign) {
  return i < p->limit && cy_model_token(p, i)->kind == CY_TOKEN_SIGN &&
         p->source.text[cy_model_token(p, i)->start] == sign;
}
bool cy_model_at_sign(const cy_model_parser *p, char sign) { return cy_model_is_sign(p, p->at, sign); }

bool cy_model_accept(cy_model_parser *p, char sign) {
  if (!cy_model_at_sign(p, sign)) return false;
  p->at++;
  return true;
}

bool cy_model_accept_arrow(cy_model_parser *p) {
  if (cy_model_peek_kind(p) != CY_TOKEN_ARROW) return false;
  p->at++;
  return true;
}

cy_status cy_model_expected(const cy_model_parser *p, const char *what) {
  char found[CY_TOKEN_TEXT];
  return cy_source_fail(&p->source, cy_model_peek(p)->start, "expected %s, found %s", what,
                        cy_token_text(&p->source, cy_model_peek(p), found));
}

cy_status cy_model_expect(cy_model_parser *p, char sign, const char *what) {
  return cy_model_accept(p, sign) ? CY_OK : cy_model_expected(p, what);
}

const char *cy_model_word(const cy_model_parser *p, const cy_token *token, char out[CY_MODEL_WORD]) {
  size_t quotes = token->kind == CY_TOKEN_STRING, n = token->length - 2 * quotes;
  if (n >= CY_MODEL_WORD) n = CY_MODEL_WORD - 1;
  memcpy(out, p->source.text + token->start + quotes, n);
  out[n] = 0;
  return out;
}

bool cy_model_same_word(const cy_model_parser *p, const cy_token *a, const cy_token *b) {
  return a->length == b->length && memcmp(p->source.text + a->start, p->source.text + b->start, a->length) == 0;
}

const char *cy_model_suggest(const cy_model_parser *p, const cy_token *token, const char *const *names, size_t n,
                             char out[CY_MODEL_WORD]) {
  char wrong[CY_MODEL_WORD];
  const char *near = token->length < CY_MODEL_WORD ? cy_nearest_name(cy_model_word(p, token, wrong), names, n) : NULL;
  out[0] = 0;
  if (near) snprintf(out, CY_MODEL_WORD, "; did you mean \"%.60s\"?", near);
  return out;
}

/* ---- frames: reading a parameter's tokens in its caller's frame ---- */

int cy_model_parameter(const cy_model_parser *p, const cy_token *token) {
  if (!p->frame || token->kind != CY_TOKEN_NAME) return -1;
  for (int i = 0; i < p->frame->block->n_parameters; i++)
    if (cy_model_same_word(p, token, &p->frame->block->parameters[i])) return i;
  return -1;
}

cy_model_place cy_model_enter(cy_model_parser *p, const cy_model_frame *frame, size_t start, size_t end) {
  cy_model_place old = {p->at, p->limit, p->frame};
  p->at = start;
  p->limit = end;
  p->frame = frame;
  return old;
}

void cy_model_leave(cy_model_parser *p, cy_model_place old) {
  p->at = old.at;
  p->limit = old.limit;
  p->frame = old.frame;
}

cy_status cy_model_deeper(cy_model_parser *p) {
  if (p->depth >= MAX_DEPTH)
    return cy_source_fail(&p->source, cy_model_peek(p)->start, "layers and blocks nest deeper than %d", MAX_DEPTH);
  p->depth++;
  return CY_OK;
}

cy_status cy_model_parse_parameter(cy_model_parser *p, int i, cy_chain *chain, const cy_argument_row *row,
                                   cy_argument *out) {
  CY_TRY(cy_model_deeper(p));
  p->at++;
  cy_model_place old = cy_model_enter(p, p->frame->outer, p->frame->start[i], p->frame->end[i]);
  CY_TRY(chain ? cy_model_parse_chain(p, chain) : cy_model_parse_value(p, row, out));
  if (!cy_model_at_end(p)) return cy_model_expected(p, "one value for the block's parameter");
  cy_model_leave(p, old);
  p->depth--;
  return CY_OK;
}
