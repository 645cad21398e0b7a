/* Blocks: their definitions, whose chains are skipped, and their uses, which read these again with the arguments'
 * tokens for the parameters. A block that uses itself is an error. */
#include "nn/parser.h"

#include <string.h>

enum { MAX_WORK = 1 << 24 };

const cy_model_block *cy_model_find_block(const cy_model_parser *p, const cy_token *token) {
  for (int i = 0; i < p->n_blocks; i++)
    if (cy_model_same_word(p, token, &p->blocks[i].name)) return &p->blocks[i];
  return NULL;
}

/* Moves past the tokens of one argument: up to a ',' or ')' outside parentheses. */
static void skip_argument(cy_model_parser *p) {
  for (int open = 0; !cy_model_at_end(p); p->at++) {
    if (cy_model_at_sign(p, '(')) open++;
    if (open == 0 && (cy_model_at_sign(p, ',') || cy_model_at_sign(p, ')'))) return;
    if (cy_model_at_sign(p, ')')) open--;
  }
}

static cy_status bind_argument(cy_model_parser *p, const cy_model_block *b, cy_model_frame *inner, int position) {
  int i = position;
  if (cy_model_peek_kind(p) == CY_TOKEN_NAME && cy_model_is_sign(p, p->at + 1, '=')) {
    for (i = 0; i < b->n_parameters && !cy_model_same_word(p, cy_model_peek(p), &b->parameters[i]);) i++;
    char text[CY_MODEL_WORD];
    if (i == b->n_parameters)
      return cy_source_fail(&p->source, cy_model_peek(p)->start, "the block has no parameter \"%.60s\"",
                            cy_model_word(p, cy_model_peek(p), text));
    p->at += 2;
  } else if (i >= b->n_parameters) {
    return cy_source_fail(&p->source, cy_model_peek(p)->start, "the block takes %d value%s", b->n_parameters,
                          b->n_parameters == 1 ? "" : "s");
  }
  if (inner->end[i]) return cy_source_fail(&p->source, cy_model_peek(p)->start, "the parameter has a value already");
  inner->start[i] = p->at;
  skip_argument(p);
  inner->end[i] = p->at;
  p->work += p->at - inner->start[i];
  if (p->work > MAX_WORK)
    return cy_source_fail(&p->source, cy_model_peek(p)->start, "the blocks are too long to write out");
  return inner->start[i] == p->at ? cy_model_expected(p, "a value") : CY_OK;
}

cy_status cy_model_parse_block(cy_model_parser *p, const cy_model_block *b, const cy_token *token, cy_chain *chain) {
  cy_model_frame inner = {.block = b, .outer = p->frame};
  int position = 0;
  char text[CY_MODEL_WORD], parameter[CY_MODEL_WORD];
  for (const cy_model_frame *f = p->frame; f; f = f->outer)
    if (f->block == b)
      return cy_source_fail(&p->source, token->start, "block \"%.60s\" uses itself", cy_model_word(p, token, text));
  if (cy_model_accept(p, '(') && !cy_model_accept(p, ')')) {
    do CY_TRY(bind_argument(p, b, &inner, position++));
    while (cy_model_accept(p, ','));
    CY_TRY(cy_model_expect(p, ')', "',' or ')'"));
  }
  for (int i = 0; i < b->n_parameters; i++)
    if (!inner.end[i])
      return cy_source_fail(&p->source, token->start, "block %.60s needs a value for %.60s",
                            cy_model_word(p, token, text), cy_model_word(p, &b->parameters[i], parameter));
  CY_TRY(cy_model_deeper(p));
  cy_model_place old = cy_model_enter(p, &inner, b->start, b->end);
  CY_TRY(cy_model_parse_chain(p, chain));
  if (!cy_model_at_end(p)) return cy_model_expected(p, "'->' or the end of the block");
  cy_model_leave(p, old);
  p->depth--;
  return CY_OK;
}

/* True if the tokens from here read: name [ "(" ... ")" ] "=". */
bool cy_model_at_definition(const cy_model_parser *p) {
  size_t i = p->at + 1;
  if (cy_model_peek_kind(p) != CY_TOKEN_NAME) return false;
  if (cy_model_is_sign(p, i, '('))
    while (i < p->limit && !cy_model_is_sign(p, i++, ')')) continue;
  return cy_model_is_sign(p, i, '=');
}

static cy_status parse_parameters(cy_model_parser *p, cy_model_block *b) {
  if (!cy_model_accept(p, '(') || cy_model_accept(p, ')')) return CY_OK;
  do {
    if (cy_model_peek_kind(p) != CY_TOKEN_NAME) return cy_model_expected(p, "the name of a parameter");
    if (b->n_parameters == CY_MODEL_PARAMETERS)
      return cy_source_fail(&p->source, cy_model_peek(p)->start, "a block has at most %d parameters",
                            CY_MODEL_PARAMETERS);
    for (int i = 0; i < b->n_parameters; i++)
      if (cy_model_same_word(p, cy_model_peek(p), &b->parameters[i]))
        return cy_source_fail(&p->source, cy_model_peek(p)->start, "two parameters of one name");
    b->parameters[b->n_parameters++] = *cy_model_peek(p);
    p->at++;
  } while (cy_model_accept(p, ','));
  return cy_model_expect(p, ')', "',' or ')'");
}

/* Moves past a chain without reading it: up to where neither "->" nor anything else carries it on. */
static void skip_chain(cy_model_parser *p) {
  do {
    while (cy_model_peek_kind(p) == CY_TOKEN_NUMBER && cy_model_is_sign(p, p->at + 1, '*')) p->at += 2;
    if (cy_model_peek_kind(p) == CY_TOKEN_NAME && cy_model_is_sign(p, p->at + 1, '*')) p->at += 2;
    if (cy_model_peek_kind(p) == CY_TOKEN_NAME) p->at++;
    if (cy_model_at_sign(p, '(')) {
      p->at++;
      for (int open = 1; open > 0 && !cy_model_at_end(p); p->at++)
        open += cy_model_at_sign(p, '(') - cy_model_at_sign(p, ')');
    }
  } while (cy_model_accept_arrow(p));
}

/* True if a line ends between the last token and the next: a forgotten "->" must not end a block. */
static bool on_new_line(const cy_model_parser *p) {
  const cy_token *last = cy_model_token(p, p->at - 1);
  size_t from = last->start + last->length;
  return memchr(p->source.text + from, '\n', cy_model_peek(p)->start - from) != NULL;
}

cy_status cy_model_parse_definition(cy_model_parser *p) {
  char text[CY_MODEL_WORD];
  const cy_token *token = cy_model_peek(p);
  cy_model_block *b = &p->blocks[p->n_blocks];
  if (p->n_blocks == CY_MODEL_BLOCKS)
    return cy_source_fail(&p->source, token->start, "more than %d blocks", CY_MODEL_BLOCKS);
  if (cy_model_find_block(p, token) || cy_layer_find(p->source.text + token->start, token->length))
    return cy_source_fail(&p->source, token->start, "\"%.60s\" is already a %s", cy_model_word(p, token, text),
                          cy_model_find_block(p, token) ? "block" : "layer");
  *b = (cy_model_block){.name = *token};
  p->at++;
  CY_TRY(parse_parameters(p, b));
  CY_TRY(cy_model_expect(p, '=', "'='"));
  b->start = p->at;
  skip_chain(p);
  b->end = p->at;
  if (b->start == b->end) return cy_model_expected(p, "a layer");
  if (!cy_model_at_end(p) && !on_new_line(p))
    return cy_model_expected(p, "'->' or the end of the line, where the block ends");
  p->n_blocks++;
  return CY_OK;
}
