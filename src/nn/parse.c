/* The parser of the architecture language: tokens to chains of layers.
 *
 *   text   = { definition } chain
 *   definition = name [ "(" [ name { "," name } ] ")" ] "=" chain
 *   chain  = stage { "->" stage }
 *   stage  = count "*" stage | "(" chain ")" | layer [ "(" arguments ")" ] | block [ "(" values ")" ]
 *   argument = [ name "=" ] value | name      (alone: true)
 *   value = number | word | string | initialiser | chain { "|" chain } | extents
 *   extents = extent | "(" extent { "," extent } ")";   extent = number [ ":" number ]
 *
 * Blocks and repetitions are written out while parsing: a block's parameter stands for the tokens of its argument, read
 * in the frame of the caller, and a repetition reads its tokens again. Nesting and the number of layers are limited, so
 * hostile text ends soon. Chains and the text as a whole are here. */
#include "nn/parser.h"

#include <stdio.h>
#include <string.h>

static cy_status parse_stage(cy_model_parser *p, cy_chain *chain);

static cy_status unknown_layer(const cy_model_parser *p, const cy_token *token) {
  const char *names[512];
  char hint[CY_MODEL_WORD], text[CY_MODEL_WORD];
  size_t n = 0;
  for (int i = 0; i < cy_layer_row_count && n < 256; i++) names[n++] = cy_layer_rows[i].name;
  return cy_source_fail(&p->source, token->start, "unknown layer \"%.60s\"%s", cy_model_word(p, token, text),
                        cy_model_suggest(p, token, names, n, hint));
}

/* "3 * stage": reads the tokens of the stage again for each repetition. */
static cy_status parse_repetition(cy_model_parser *p, cy_chain *chain) {
  static const cy_argument_row count = {
      .name = "a repetition", .type = CY_ARGUMENT_INTEGER, .min = 1, .max = CY_MODEL_LAYERS};
  cy_argument times = {0};
  CY_TRY(cy_model_parse_value(p, &count, &times));
  CY_TRY(cy_model_expect(p, '*', "'*' and a layer after the number"));
  size_t start = p->at;
  for (int64_t i = 0; i < times.integer; i++) {
    p->at = start;
    CY_TRY(parse_stage(p, chain));
  }
  return CY_OK;
}

static cy_status parse_named_stage(cy_model_parser *p, cy_chain *chain) {
  const cy_token *token = cy_model_peek(p);
  int parameter = cy_model_parameter(p, token);
  if (parameter >= 0) return cy_model_parse_parameter(p, parameter, chain, NULL, NULL);
  const cy_model_block *b = cy_model_find_block(p, token);
  const cy_layer_row *row = cy_layer_find(p->source.text + token->start, token->length);
  if (!b && !row) return unknown_layer(p, token);
  p->at++;
  return b ? cy_model_parse_block(p, b, token, chain) : cy_model_parse_layer(p, row, token, chain);
}

static cy_status parse_stage(cy_model_parser *p, cy_chain *chain) {
  CY_TRY(cy_model_deeper(p));
  if (cy_model_peek_kind(p) == CY_TOKEN_NUMBER ||
      (cy_model_peek_kind(p) == CY_TOKEN_NAME && cy_model_is_sign(p, p->at + 1, '*'))) {
    CY_TRY(parse_repetition(p, chain));
  } else if (cy_model_accept(p, '(')) {
    CY_TRY(cy_model_parse_chain(p, chain));
    CY_TRY(cy_model_expect(p, ')', "'->' or ')'"));
  } else if (cy_model_peek_kind(p) == CY_TOKEN_NAME) {
    CY_TRY(parse_named_stage(p, chain));
  } else {
    return cy_model_expected(p, "a layer");
  }
  p->depth--;
  return CY_OK;
}

cy_status cy_model_parse_chain(cy_model_parser *p, cy_chain *chain) {
  do CY_TRY(parse_stage(p, chain));
  while (cy_model_accept_arrow(p));
  return CY_OK;
}

/* ---- names ---- */

static bool is_given(const cy_model_parser *p, const char *name) {
  for (size_t i = 0; i < p->n_names; i++)
    if (strcmp(p->names[i], name) == 0) return true;
  return false;
}

/* dense1, dense2, ... in the order of the text; counts has one number per row of the table. */
static cy_status number_chain(const cy_model_parser *p, cy_chain *chain, int *counts) {
  for (cy_stage *s = chain->first; s; s = s->next) {
    char name[CY_MODEL_WORD];
    while (!s->name) {
      snprintf(name, sizeof name, "%s%d", s->row->name, ++counts[s->row - cy_layer_rows]);
      if (is_given(p, name)) continue;
      s->name = cy_arena_strdup(p->arena, name);
      if (!s->name) return cy_no_memory();
    }
    for (int i = 0; s->row->arguments[i].name; i++)
      for (cy_chain *c = s->arguments[i].chains; c; c = c->next) CY_TRY(number_chain(p, c, counts));
  }
  return CY_OK;
}

static cy_status number_layers(const cy_model_parser *p, cy_chain *chain) {
  int *counts = cy_calloc((size_t)cy_layer_row_count, sizeof *counts);
  if (!counts) return cy_no_memory();
  cy_status status = number_chain(p, chain, counts);
  cy_free(counts);
  return status;
}

/* ---- the whole text ---- */

static cy_status parse_text(cy_model_parser *p, cy_chain *chain) {
  p->limit = p->source.count - 1;
  p->blocks = cy_calloc(CY_MODEL_BLOCKS + 1, sizeof *p->blocks);
  if (!p->blocks) return cy_no_memory();
  while (cy_model_at_definition(p)) CY_TRY(cy_model_parse_definition(p));
  CY_TRY(cy_model_parse_chain(p, chain));
  if (!cy_model_at_end(p)) return cy_model_expected(p, "'->' or the end of the text");
  return number_layers(p, chain);
}

cy_status cy_model_parse(const char *text, const char *source, cy_model **model) {
  cy_model_parser p = {0};
  cy_model *m = cy_calloc(1, sizeof *m);
  *model = NULL;
  if (!m) return cy_no_memory();
  cy_status status = CY_NO_MEMORY;
  m->arena = p.arena = cy_arena_create();
  if (m->arena) m->chain = cy_arena_alloc(m->arena, sizeof *m->chain);
  if (!m->chain) {
    status = cy_no_memory();
    goto done;
  }
  CY_TRY_GOTO(status, cy_source_scan(&p.source, text, source), done);
  status = parse_text(&p, m->chain);
done:
  cy_source_clear(&p.source);
  cy_free(p.blocks);
  cy_free(p.names);
  if (status == CY_OK) *model = m;
  else cy_model_free(m);
  return status;
}
