/* What the files of the parser of the architecture language share, one function per rule of the grammar in parse.c. */
#ifndef CY_NN_PARSER_H
#define CY_NN_PARSER_H

#include "nn/model.h"
#include "nn/source.h"

enum { CY_MODEL_LAYERS = 10000, CY_MODEL_PARAMETERS = 16, CY_MODEL_BLOCKS = 256, CY_MODEL_WORD = 96 };

typedef struct cy_model_block {
  cy_token name;
  cy_token parameters[CY_MODEL_PARAMETERS];
  int n_parameters;
  size_t start, end; /* tokens of its chain */
} cy_model_block;

/* A block being written out: which tokens its parameters stand for, and where those are to be read. */
typedef struct cy_model_frame {
  const cy_model_block *block;
  size_t start[CY_MODEL_PARAMETERS], end[CY_MODEL_PARAMETERS];
  const struct cy_model_frame *outer;
} cy_model_frame;

typedef struct cy_model_parser {
  cy_source source;
  cy_arena *arena;
  size_t at, limit; /* tokens from limit on are not seen */
  const cy_model_frame *frame;
  const char *layer; /* whose arguments are read, or NULL */
  int depth, layers;
  size_t work; /* tokens skipped while writing out blocks */
  cy_model_block *blocks;
  int n_blocks;
  const char **names; /* given by the text */
  size_t n_names, name_capacity;
} cy_model_parser;

/* ---- parse_cursor.c ---- */

const cy_token *cy_model_token(const cy_model_parser *p, size_t i);
bool cy_model_at_end(const cy_model_parser *p);
const cy_token *cy_model_peek(const cy_model_parser *p);
cy_token_kind cy_model_peek_kind(const cy_model_parser *p);
bool cy_model_is_sign(const cy_model_parser *p, size_t i, char sign);
bool cy_model_at_sign(const cy_model_parser *p, char sign);
bool cy_model_accept(cy_model_parser *p, char sign);
bool cy_model_accept_arrow(cy_model_parser *p);
CY_MUST_CHECK cy_status cy_model_expect(cy_model_parser *p, char sign, const char *what);
CY_MUST_CHECK cy_status cy_model_expected(const cy_model_parser *p, const char *what); /* fails */
/* The token without its quotes, cut to size. Returns out. */
const char *cy_model_word(const cy_model_parser *p, const cy_token *token, char out[CY_MODEL_WORD]);
bool cy_model_same_word(const cy_model_parser *p, const cy_token *a, const cy_token *b);
/* `; did you mean "dense"?` or nothing, for a message. */
const char *cy_model_suggest(const cy_model_parser *p, const cy_token *token, const char *const *names, size_t n,
                             char out[CY_MODEL_WORD]);
CY_MUST_CHECK cy_status cy_model_deeper(cy_model_parser *p); /* counts p->depth */

/* Reading other tokens, in another frame, and coming back. */
typedef struct cy_model_place {
  size_t at, limit;
  const cy_model_frame *frame;
} cy_model_place;
cy_model_place cy_model_enter(cy_model_parser *p, const cy_model_frame *frame, size_t start, size_t end);
void cy_model_leave(cy_model_parser *p, cy_model_place old);
/* The index of the parameter that the token names in this frame, or -1. */
int cy_model_parameter(const cy_model_parser *p, const cy_token *token);
/* Reads the tokens that parameter i stands for, as a chain or, if that is NULL, as a value. */
CY_MUST_CHECK cy_status cy_model_parse_parameter(cy_model_parser *p, int i, cy_chain *chain, const cy_argument_row *row,
                                                 cy_argument *out);

/* ---- parse.c, parse_value.c, parse_layer.c, parse_block.c ---- */

CY_MUST_CHECK cy_status cy_model_parse_chain(cy_model_parser *p, cy_chain *chain);
CY_MUST_CHECK cy_status cy_model_parse_value(cy_model_parser *p, const cy_argument_row *row, cy_argument *out);
CY_MUST_CHECK cy_status cy_model_parse_layer(cy_model_parser *p, const cy_layer_row *row, const cy_token *token,
                                             cy_chain *chain);
const cy_model_block *cy_model_find_block(const cy_model_parser *p, const cy_token *token); /* NULL: no block */
CY_MUST_CHECK cy_status cy_model_parse_block(cy_model_parser *p, const cy_model_block *b, const cy_token *token,
                                             cy_chain *chain);
bool cy_model_at_definition(const cy_model_parser *p);
CY_MUST_CHECK cy_status cy_model_parse_definition(cy_model_parser *p);

#endif
