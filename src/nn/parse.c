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
 * in the frame of the caller, and a repetition reads its tokens again. A block that uses itself is an error; nesting
 * and the number of layers are limited, so hostile text ends soon. */
#include "nn/model.h"
#include "nn/source.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 48, MAX_LAYERS = 10000, MAX_PARAMETERS = 16, MAX_BLOCKS = 256, WORD_TEXT = 96, MAX_WORK = 1 << 24 };

typedef struct block {
  cy_token name;
  cy_token parameters[MAX_PARAMETERS];
  int n_parameters;
  size_t start, end; /* tokens of its chain */
} block;

/* A block being written out: which tokens its parameters stand for, and where those are to be read. */
typedef struct frame {
  const block *block;
  size_t start[MAX_PARAMETERS], end[MAX_PARAMETERS];
  const struct frame *outer;
} frame;

typedef struct parser {
  cy_source source;
  cy_arena *arena;
  size_t at, limit; /* tokens from limit on are not seen */
  const frame *frame;
  const char *layer; /* whose arguments are read, or NULL */
  int depth, layers;
  size_t work; /* tokens skipped while writing out blocks */
  block *blocks;
  int n_blocks;
  const char **names; /* given by the text */
  size_t n_names, name_capacity;
} parser;

/* ---- reading tokens ---- */

static const cy_token *token_at(const parser *p, size_t i) { return &p->source.tokens[i]; }
static bool at_end(const parser *p) { return p->at >= p->limit; }
static const cy_token *peek(const parser *p) { return token_at(p, at_end(p) ? p->limit : p->at); }
static cy_token_kind peek_kind(const parser *p) { return at_end(p) ? CY_TOKEN_END : peek(p)->kind; }

static bool is_sign_at(const parser *p, size_t i, char sign) {
  return i < p->limit && token_at(p, i)->kind == CY_TOKEN_SIGN && p->source.text[token_at(p, i)->start] == sign;
}
static bool at_sign(const parser *p, char sign) { return is_sign_at(p, p->at, sign); }

static bool accept(parser *p, char sign) {
  if (!at_sign(p, sign)) return false;
  p->at++;
  return true;
}

static bool accept_arrow(parser *p) {
  if (peek_kind(p) != CY_TOKEN_ARROW) return false;
  p->at++;
  return true;
}

static cy_status expected(const parser *p, const char *what) {
  char found[CY_TOKEN_TEXT];
  return cy_source_fail(&p->source, peek(p)->start, "expected %s, found %s", what,
                        cy_token_text(&p->source, peek(p), found));
}

static cy_status expect(parser *p, char sign, const char *what) { return accept(p, sign) ? CY_OK : expected(p, what); }

static const char *word(const parser *p, const cy_token *token, char out[WORD_TEXT]) {
  size_t quotes = token->kind == CY_TOKEN_STRING, n = token->length - 2 * quotes;
  if (n >= WORD_TEXT) n = WORD_TEXT - 1;
  memcpy(out, p->source.text + token->start + quotes, n);
  out[n] = 0;
  return out;
}

static bool same_word(const parser *p, const cy_token *a, const cy_token *b) {
  return a->length == b->length && memcmp(p->source.text + a->start, p->source.text + b->start, a->length) == 0;
}

/* `; did you mean "dense"?` or nothing, for a message. */
static const char *suggest(const parser *p, const cy_token *token, const char *const *names, size_t n,
                           char out[WORD_TEXT]) {
  char wrong[WORD_TEXT];
  const char *near = token->length < WORD_TEXT ? cy_nearest_name(word(p, token, wrong), names, n) : NULL;
  out[0] = 0;
  if (near) snprintf(out, WORD_TEXT, "; did you mean \"%.60s\"?", near);
  return out;
}

/* ---- frames: reading a parameter's tokens in its caller's frame ---- */

/* The index of the parameter that the token names in this frame, or -1. */
static int parameter_index(const parser *p, const cy_token *token) {
  if (!p->frame || token->kind != CY_TOKEN_NAME) return -1;
  for (int i = 0; i < p->frame->block->n_parameters; i++)
    if (same_word(p, token, &p->frame->block->parameters[i])) return i;
  return -1;
}

typedef struct place {
  size_t at, limit;
  const frame *frame;
} place;

static place enter(parser *p, const frame *frame, size_t start, size_t end) {
  place old = {p->at, p->limit, p->frame};
  p->at = start;
  p->limit = end;
  p->frame = frame;
  return old;
}

static void leave(parser *p, place old) {
  p->at = old.at;
  p->limit = old.limit;
  p->frame = old.frame;
}

static cy_status deeper(parser *p) {
  if (p->depth >= MAX_DEPTH)
    return cy_source_fail(&p->source, peek(p)->start, "layers and blocks nest deeper than %d", MAX_DEPTH);
  p->depth++;
  return CY_OK;
}

static cy_status parse_chain(parser *p, cy_chain *chain);
static cy_status parse_stage(parser *p, cy_chain *chain);
static cy_status parse_value(parser *p, const cy_argument_row *row, cy_argument *out);

/* Reads the tokens that parameter i stands for, as a chain or as a value. */
static cy_status parse_parameter(parser *p, int i, cy_chain *chain, const cy_argument_row *row, cy_argument *out) {
  CY_TRY(deeper(p));
  p->at++;
  place old = enter(p, p->frame->outer, p->frame->start[i], p->frame->end[i]);
  CY_TRY(chain ? parse_chain(p, chain) : parse_value(p, row, out));
  if (!at_end(p)) return expected(p, "one value for the block's parameter");
  leave(p, old);
  p->depth--;
  return CY_OK;
}

/* ---- values ---- */

static cy_status check_range(const parser *p, const cy_token *token, const cy_argument_row *row, double value) {
  if (row->min == 0 && row->max == 0) return CY_OK;
  bool low = row->above_min ? value <= row->min : value < row->min;
  bool high = row->below_max ? value >= row->max : value > row->max;
  if (!low && !high) return CY_OK;
  const char *bound = low ? (row->above_min ? "above" : "at least") : row->below_max ? "below" : "at most";
  return cy_source_fail(&p->source, token->start, "%s%s%s must be %s %.10g, not %.*s", p->layer ? p->layer : "",
                        p->layer ? ": " : "", row->name, bound,
                        low ? row->min : row->max, (int)(token->length < 40 ? token->length : 40),
                        p->source.text + token->start);
}

static cy_status wrong_type(const parser *p, const cy_argument_row *row, const char *what) {
  char found[CY_TOKEN_TEXT];
  return cy_source_fail(&p->source, peek(p)->start, "%s must be %s, not %s", row->name, what,
                        cy_token_text(&p->source, peek(p), found));
}

static cy_status parse_integer(parser *p, const cy_argument_row *row, int64_t *out) {
  const cy_token *token = peek(p);
  if (peek_kind(p) != CY_TOKEN_NUMBER || !cy_read_integer(p->source.text + token->start, token->length, out))
    return wrong_type(p, row, "a whole number");
  p->at++;
  return check_range(p, token, row, (double)*out);
}

static cy_status parse_real(parser *p, const cy_argument_row *row, double *out) {
  const cy_token *token = peek(p);
  if (peek_kind(p) != CY_TOKEN_NUMBER || !cy_read_real(p->source.text + token->start, token->length, out))
    return wrong_type(p, row, "a number");
  p->at++;
  return check_range(p, token, row, *out);
}

static cy_status parse_bool(parser *p, const cy_argument_row *row, bool *out) {
  const cy_token *token = peek(p);
  if (peek_kind(p) != CY_TOKEN_NAME ||
      (!cy_token_is(&p->source, token, "true") && !cy_token_is(&p->source, token, "false")))
    return wrong_type(p, row, "true or false");
  *out = cy_token_is(&p->source, token, "true");
  p->at++;
  return CY_OK;
}

static cy_status parse_choice(parser *p, const cy_argument_row *row, int *out) {
  const cy_token *token = peek(p);
  char list[CY_MESSAGE_SIZE / 4] = "";
  for (int i = 0; row->choices[i]; i++) {
    if (peek_kind(p) == CY_TOKEN_NAME && cy_token_is(&p->source, token, row->choices[i])) {
      *out = i;
      p->at++;
      return CY_OK;
    }
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : row->choices[i + 1] ? ", " : " or ",
             row->choices[i]);
  }
  return wrong_type(p, row, list);
}

static cy_status unknown_initializer(const parser *p, const cy_argument_row *row) {
  const char *names[32];
  char hint[WORD_TEXT], found[CY_TOKEN_TEXT];
  int n = 0;
  for (; n < cy_initializer_row_count && n < 32; n++) names[n] = cy_initializer_rows[n].name;
  return cy_source_fail(&p->source, peek(p)->start,
                        "%s must be an initialiser such as he_normal or constant(0.1), not %s%s", row->name,
                        cy_token_text(&p->source, peek(p), found), suggest(p, peek(p), names, (size_t)n, hint));
}

/* he_normal, orthogonal(1.4), uniform(-1, 1). */
static cy_status parse_initializer(parser *p, const cy_argument_row *row, cy_argument *out) {
  static const cy_argument_row number = {.name = "a number of an initialiser", .type = CY_ARGUMENT_REAL};
  const cy_token *token = peek(p);
  const cy_initializer_row *found = NULL;
  for (int i = 0; peek_kind(p) == CY_TOKEN_NAME && i < cy_initializer_row_count; i++)
    if (cy_token_is(&p->source, token, cy_initializer_rows[i].name)) found = &cy_initializer_rows[i];
  if (!found) return unknown_initializer(p, row);
  p->at++;
  cy_argument numbers[2] = {{.real = found->a}, {.real = 0}};
  int n = 0;
  if (accept(p, '(') && !accept(p, ')')) {
    do {
      if (n == found->max_numbers) break;
      CY_TRY(parse_value(p, &number, &numbers[n++]));
    } while (accept(p, ','));
    CY_TRY(expect(p, ')', "')'"));
  }
  if (n < found->min_numbers)
    return cy_source_fail(&p->source, token->start, "%s takes %d number%s: %s(%s)", found->name, found->min_numbers,
                          found->min_numbers == 1 ? "" : "s", found->name, found->min_numbers == 1 ? "0.1" : "0, 0.1");
  if (found->kind == CY_INIT_NORMAL && numbers[1].real < 0)
    return cy_source_fail(&p->source, token->start, "normal(%g, %g): the standard deviation is below 0", numbers[0].real,
                          numbers[1].real);
  if (found->kind == CY_INIT_UNIFORM && numbers[1].real < numbers[0].real)
    return cy_source_fail(&p->source, token->start, "uniform(%g, %g): the upper end is below the lower one",
                          numbers[0].real, numbers[1].real);
  out->initializer_row = found;
  out->initializer = (cy_initializer){.kind = found->kind, .a = numbers[0].real, .b = numbers[1].real};
  return CY_OK;
}

/* An integer, or a block's parameter that stands for one. */
static cy_status parse_element(parser *p, const cy_argument_row *row, int64_t *out) {
  cy_argument_row one = *row;
  cy_argument value = {0};
  one.type = CY_ARGUMENT_INTEGER;
  CY_TRY(parse_value(p, &one, &value));
  *out = value.integer;
  return CY_OK;
}

static cy_status too_many(const parser *p, const cy_argument_row *row, int most, const char *what) {
  return cy_source_fail(&p->source, peek(p)->start, "%s has at most %d %s", row->name, most, what);
}

static cy_status parse_extents(parser *p, const cy_argument_row *row, cy_shape *out) {
  bool closed = accept(p, '('), space = row->type == CY_ARGUMENT_SPACE;
  int most = space ? CY_MAX_SPACE : CY_MAX_RANK - 1;
  out->rank = 0;
  for (;;) {
    if (out->rank == most) return too_many(p, row, most, space ? "numbers, one per spatial axis" : "extents");
    CY_TRY(parse_element(p, row, &out->dim[out->rank++]));
    /* Without parentheses, what follows a comma belongs to a shape unless it has a name of its own. */
    bool more = at_sign(p, ',') && (closed || (!space && !is_sign_at(p, p->at + 2, '=')));
    if (!more) break;
    p->at++;
  }
  return closed ? expect(p, ')', "')'") : CY_OK;
}

static cy_status parse_padding_of_axis(parser *p, const cy_argument_row *row, int64_t *low, int64_t *high) {
  if (peek_kind(p) != CY_TOKEN_NUMBER && parameter_index(p, peek(p)) < 0)
    return wrong_type(p, row, "valid, same, half, causal, numbers, or low:high");
  CY_TRY(parse_element(p, row, low));
  *high = *low;
  return accept(p, ':') ? parse_element(p, row, high) : CY_OK;
}

static cy_status parse_padding(parser *p, const cy_argument_row *row, cy_padding *out) {
  *out = (cy_padding){0};
  for (int i = 0; peek_kind(p) == CY_TOKEN_NAME && i < cy_padding_row_count; i++)
    if (cy_token_is(&p->source, peek(p), cy_padding_rows[i].name)) {
      out->kind = cy_padding_rows[i].kind;
      p->at++;
      return CY_OK;
    }
  if (!accept(p, '(')) return parse_padding_of_axis(p, row, &out->low[0], &out->high[0]);
  do {
    if (out->axes == CY_MAX_SPACE) return too_many(p, row, CY_MAX_SPACE, "numbers, one per spatial axis");
    CY_TRY(parse_padding_of_axis(p, row, &out->low[out->axes], &out->high[out->axes]));
    out->axes++;
  } while (accept(p, ','));
  return expect(p, ')', "',' or ')'");
}

static cy_status parse_chains(parser *p, bool many, cy_argument *out) {
  cy_chain **link = &out->chains;
  do {
    cy_chain *chain = cy_arena_alloc(p->arena, sizeof *chain);
    if (!chain) return cy_no_memory();
    CY_TRY(parse_chain(p, chain));
    *link = chain;
    link = &chain->next;
    out->n_chains++;
  } while (many && accept(p, '|'));
  return CY_OK;
}

static cy_status parse_value(parser *p, const cy_argument_row *row, cy_argument *out) {
  bool is_chain = row->type == CY_ARGUMENT_CHAIN || row->type == CY_ARGUMENT_CHAINS;
  bool is_low = row->type == CY_ARGUMENT_PADDING && is_sign_at(p, p->at + 1, ':');
  int parameter = is_chain || is_low || at_end(p) ? -1 : parameter_index(p, peek(p));
  if (parameter >= 0) return parse_parameter(p, parameter, NULL, row, out);
  switch (row->type) {
    case CY_ARGUMENT_INTEGER: return parse_integer(p, row, &out->integer);
    case CY_ARGUMENT_REAL: return parse_real(p, row, &out->real);
    case CY_ARGUMENT_BOOL: return parse_bool(p, row, &out->truth);
    case CY_ARGUMENT_CHOICE: return parse_choice(p, row, &out->choice);
    case CY_ARGUMENT_INITIALIZER: return parse_initializer(p, row, out);
    case CY_ARGUMENT_EXTENTS:
    case CY_ARGUMENT_SPACE: return parse_extents(p, row, &out->extents);
    case CY_ARGUMENT_PADDING: return parse_padding(p, row, &out->padding);
    case CY_ARGUMENT_CHAIN: return parse_chains(p, false, out);
    case CY_ARGUMENT_CHAINS: return parse_chains(p, true, out);
  }
  return cy_fail(CY_INVALID, "unknown type of argument");
}

/* ---- layers ---- */

/* The default of an argument, read from the table as if it had been written. */
static cy_status parse_fallback(parser *p, const cy_argument_row *row, cy_argument *out) {
  parser sub = {.arena = p->arena};
  cy_status status;
  if (!row->fallback[0]) return CY_OK;
  CY_TRY_GOTO(status, cy_source_scan(&sub.source, row->fallback, row->name), done);
  sub.limit = sub.source.count - 1;
  status = parse_value(&sub, row, out);
done:
  cy_source_clear(&sub.source);
  return status;
}

static cy_status parse_name(parser *p, cy_stage *stage) {
  char text[WORD_TEXT];
  int parameter = at_end(p) ? -1 : parameter_index(p, peek(p));
  if (parameter >= 0) {
    place old = enter(p, p->frame->outer, p->frame->start[parameter], p->frame->end[parameter]);
    CY_TRY(deeper(p));
    CY_TRY(parse_name(p, stage));
    if (!at_end(p)) return expected(p, "one name");
    leave(p, old);
    p->depth--;
    p->at++;
    return CY_OK;
  }
  const cy_token *token = peek(p);
  if (peek_kind(p) != CY_TOKEN_NAME && peek_kind(p) != CY_TOKEN_STRING) return expected(p, "a name");
  if (token->length >= WORD_TEXT || !cy_layer_name_is_valid(word(p, token, text)))
    return cy_source_fail(&p->source, token->start, "a layer's name has up to %d letters, digits, _ or -",
                          CY_LAYER_NAME);
  for (size_t i = 0; i < p->n_names; i++)
    if (strcmp(p->names[i], text) == 0)
      return cy_source_fail(&p->source, token->start, "the name \"%s\" is used twice", text);
  if (!cy_grow(&p->names, p->n_names, &p->name_capacity, sizeof *p->names)) return cy_no_memory();
  stage->name = cy_arena_strdup(p->arena, text);
  if (!stage->name) return cy_no_memory();
  stage->named = true;
  p->names[p->n_names++] = stage->name;
  p->at++;
  return CY_OK;
}

static cy_status unknown_argument(const parser *p, const cy_layer_row *row, const cy_token *token) {
  const char *names[33];
  char hint[WORD_TEXT], text[WORD_TEXT];
  int n = 0;
  for (; row->arguments[n].name && n < 32; n++) names[n] = row->arguments[n].name;
  names[n++] = "name";
  return cy_source_fail(&p->source, token->start, "%s has no argument \"%.60s\"%s", row->name, word(p, token, text),
                        suggest(p, token, names, (size_t)n, hint));
}

static cy_status given_twice(const parser *p, const cy_token *token, const char *layer, const char *argument) {
  return cy_source_fail(&p->source, token->start, "%s: %s is given twice", layer, argument);
}

/* The argument of truth values that the token names alone, as in lstm(64, last); -1: none. */
static int flag_named(const parser *p, const cy_layer_row *row) {
  bool alone = is_sign_at(p, p->at + 1, ',') || is_sign_at(p, p->at + 1, ')');
  if (peek_kind(p) != CY_TOKEN_NAME || !alone || parameter_index(p, peek(p)) >= 0) return -1;
  for (int i = 0; row->arguments[i].name; i++)
    if (row->arguments[i].type == CY_ARGUMENT_BOOL && cy_token_is(&p->source, peek(p), row->arguments[i].name))
      return i;
  return -1;
}

/* One argument; *position is the next one that may come without a name, or -1 after a named one. */
static cy_status parse_argument(parser *p, cy_stage *stage, int *position) {
  const cy_argument_row *rows = stage->row->arguments;
  const cy_token *token = peek(p);
  int n = cy_layer_argument_count(stage->row), i, flag = flag_named(p, stage->row);
  if (flag >= 0) {
    if (stage->arguments[flag].given) return given_twice(p, token, stage->row->name, rows[flag].name);
    stage->arguments[flag].given = stage->arguments[flag].truth = true;
    *position = -1;
    p->at++;
    return CY_OK;
  }
  if (peek_kind(p) == CY_TOKEN_NAME && is_sign_at(p, p->at + 1, '=')) {
    *position = -1;
    if (cy_token_is(&p->source, token, "name")) {
      if (stage->named) return given_twice(p, token, stage->row->name, "name");
      p->at += 2;
      return parse_name(p, stage);
    }
    for (i = 0; i < n && !cy_token_is(&p->source, token, rows[i].name);) i++;
    if (i == n) return unknown_argument(p, stage->row, token);
    p->at += 2;
  } else {
    if (*position < 0)
      return cy_source_fail(&p->source, token->start, "%s: arguments without a name come before those with one",
                            stage->row->name);
    i = (*position)++;
    if (n == 0) return cy_source_fail(&p->source, token->start, "%s takes no arguments but a name", stage->row->name);
    if (i >= n)
      return cy_source_fail(&p->source, token->start, "%s takes at most %d argument%s and a name", stage->row->name, n,
                            n == 1 ? "" : "s");
  }
  if (stage->arguments[i].given) return given_twice(p, token, stage->row->name, rows[i].name);
  stage->arguments[i].given = true;
  return parse_value(p, &rows[i], &stage->arguments[i]);
}

static cy_status parse_layer(parser *p, const cy_layer_row *row, const cy_token *token, cy_chain *chain) {
  int n = cy_layer_argument_count(row), position = 0;
  cy_stage *stage = cy_arena_alloc(p->arena, sizeof *stage);
  if (!stage) return cy_no_memory();
  *stage = (cy_stage){.row = row, .arguments = cy_arena_alloc(p->arena, (size_t)(n + 1) * sizeof *stage->arguments)};
  if (!stage->arguments) return cy_no_memory();
  if (++p->layers > MAX_LAYERS)
    return cy_source_fail(&p->source, token->start, "more than %d layers, with repetitions written out", MAX_LAYERS);
  if (accept(p, '(') && !accept(p, ')')) {
    const char *around = p->layer;
    do {
      p->layer = row->name;
      CY_TRY(parse_argument(p, stage, &position));
    } while (accept(p, ','));
    p->layer = around;
    CY_TRY(expect(p, ')', "',' or ')'"));
  }
  for (int i = 0; i < n; i++) {
    const cy_argument_row *a = &row->arguments[i];
    if (stage->arguments[i].given) continue;
    if (!a->fallback) return cy_source_fail(&p->source, token->start, "%s needs %s: %s", row->name, a->name, a->about);
    CY_TRY(parse_fallback(p, a, &stage->arguments[i]));
  }
  if (chain->last)
    chain->last->next = stage;
  else
    chain->first = stage;
  chain->last = stage;
  return CY_OK;
}

/* ---- blocks ---- */

static const block *find_block(const parser *p, const cy_token *token) {
  for (int i = 0; i < p->n_blocks; i++)
    if (same_word(p, token, &p->blocks[i].name)) return &p->blocks[i];
  return NULL;
}

/* Moves past the tokens of one argument: up to a ',' or ')' outside parentheses. */
static void skip_argument(parser *p) {
  for (int open = 0; !at_end(p); p->at++) {
    if (at_sign(p, '(')) open++;
    if (open == 0 && (at_sign(p, ',') || at_sign(p, ')'))) return;
    if (at_sign(p, ')')) open--;
  }
}

static cy_status bind_argument(parser *p, const block *b, frame *inner, int position) {
  int i = position;
  if (peek_kind(p) == CY_TOKEN_NAME && is_sign_at(p, p->at + 1, '=')) {
    for (i = 0; i < b->n_parameters && !same_word(p, peek(p), &b->parameters[i]);) i++;
    char text[WORD_TEXT];
    if (i == b->n_parameters)
      return cy_source_fail(&p->source, peek(p)->start, "the block has no parameter \"%.60s\"", word(p, peek(p), text));
    p->at += 2;
  } else if (i >= b->n_parameters) {
    return cy_source_fail(&p->source, peek(p)->start, "the block takes %d value%s", b->n_parameters,
                          b->n_parameters == 1 ? "" : "s");
  }
  if (inner->end[i]) return cy_source_fail(&p->source, peek(p)->start, "the parameter has a value already");
  inner->start[i] = p->at;
  skip_argument(p);
  inner->end[i] = p->at;
  p->work += p->at - inner->start[i];
  if (p->work > MAX_WORK) return cy_source_fail(&p->source, peek(p)->start, "the blocks are too long to write out");
  return inner->start[i] == p->at ? expected(p, "a value") : CY_OK;
}

static cy_status parse_block(parser *p, const block *b, const cy_token *token, cy_chain *chain) {
  frame inner = {.block = b, .outer = p->frame};
  int position = 0;
  char text[WORD_TEXT], parameter[WORD_TEXT];
  for (const frame *f = p->frame; f; f = f->outer)
    if (f->block == b)
      return cy_source_fail(&p->source, token->start, "block \"%.60s\" uses itself", word(p, token, text));
  if (accept(p, '(') && !accept(p, ')')) {
    do CY_TRY(bind_argument(p, b, &inner, position++));
    while (accept(p, ','));
    CY_TRY(expect(p, ')', "',' or ')'"));
  }
  for (int i = 0; i < b->n_parameters; i++)
    if (!inner.end[i])
      return cy_source_fail(&p->source, token->start, "block %.60s needs a value for %.60s", word(p, token, text),
                            word(p, &b->parameters[i], parameter));
  CY_TRY(deeper(p));
  place old = enter(p, &inner, b->start, b->end);
  CY_TRY(parse_chain(p, chain));
  if (!at_end(p)) return expected(p, "'->' or the end of the block");
  leave(p, old);
  p->depth--;
  return CY_OK;
}

/* True if the tokens from here read: name [ "(" ... ")" ] "=". */
static bool at_definition(const parser *p) {
  size_t i = p->at + 1;
  if (peek_kind(p) != CY_TOKEN_NAME) return false;
  if (is_sign_at(p, i, '('))
    while (i < p->limit && !is_sign_at(p, i++, ')')) continue;
  return is_sign_at(p, i, '=');
}

static cy_status parse_parameters(parser *p, block *b) {
  if (!accept(p, '(') || accept(p, ')')) return CY_OK;
  do {
    if (peek_kind(p) != CY_TOKEN_NAME) return expected(p, "the name of a parameter");
    if (b->n_parameters == MAX_PARAMETERS)
      return cy_source_fail(&p->source, peek(p)->start, "a block has at most %d parameters", MAX_PARAMETERS);
    for (int i = 0; i < b->n_parameters; i++)
      if (same_word(p, peek(p), &b->parameters[i]))
        return cy_source_fail(&p->source, peek(p)->start, "two parameters of one name");
    b->parameters[b->n_parameters++] = *peek(p);
    p->at++;
  } while (accept(p, ','));
  return expect(p, ')', "',' or ')'");
}

/* Moves past a chain without reading it: up to where neither "->" nor anything else carries it on. */
static void skip_chain(parser *p) {
  do {
    while (peek_kind(p) == CY_TOKEN_NUMBER && is_sign_at(p, p->at + 1, '*')) p->at += 2;
    if (peek_kind(p) == CY_TOKEN_NAME && is_sign_at(p, p->at + 1, '*')) p->at += 2;
    if (peek_kind(p) == CY_TOKEN_NAME) p->at++;
    if (at_sign(p, '(')) {
      p->at++;
      for (int open = 1; open > 0 && !at_end(p); p->at++) open += at_sign(p, '(') - at_sign(p, ')');
    }
  } while (accept_arrow(p));
}

/* True if a line ends between the last token and the next: a forgotten "->" must not end a block. */
static bool on_new_line(const parser *p) {
  const cy_token *last = token_at(p, p->at - 1);
  size_t from = last->start + last->length;
  return memchr(p->source.text + from, '\n', peek(p)->start - from) != NULL;
}

static cy_status parse_definition(parser *p) {
  char text[WORD_TEXT];
  const cy_token *token = peek(p);
  block *b = &p->blocks[p->n_blocks];
  if (p->n_blocks == MAX_BLOCKS) return cy_source_fail(&p->source, token->start, "more than %d blocks", MAX_BLOCKS);
  if (find_block(p, token) || cy_layer_find(p->source.text + token->start, token->length))
    return cy_source_fail(&p->source, token->start, "\"%.60s\" is already a %s", word(p, token, text),
                          find_block(p, token) ? "block" : "layer");
  *b = (block){.name = *token};
  p->at++;
  CY_TRY(parse_parameters(p, b));
  CY_TRY(expect(p, '=', "'='"));
  b->start = p->at;
  skip_chain(p);
  b->end = p->at;
  if (b->start == b->end) return expected(p, "a layer");
  if (!at_end(p) && !on_new_line(p)) return expected(p, "'->' or the end of the line, where the block ends");
  p->n_blocks++;
  return CY_OK;
}

/* ---- chains ---- */

static cy_status unknown_layer(const parser *p, const cy_token *token) {
  const char *names[512];
  char hint[WORD_TEXT], text[WORD_TEXT];
  size_t n = 0;
  for (int i = 0; i < cy_layer_row_count && n < 256; i++) names[n++] = cy_layer_rows[i].name;
  return cy_source_fail(&p->source, token->start, "unknown layer \"%.60s\"%s", word(p, token, text),
                        suggest(p, token, names, n, hint));
}

/* "3 * stage": reads the tokens of the stage again for each repetition. */
static cy_status parse_repetition(parser *p, cy_chain *chain) {
  static const cy_argument_row count = {
      .name = "a repetition", .type = CY_ARGUMENT_INTEGER, .min = 1, .max = MAX_LAYERS};
  cy_argument times = {0};
  CY_TRY(parse_value(p, &count, &times));
  CY_TRY(expect(p, '*', "'*' and a layer after the number"));
  size_t start = p->at;
  for (int64_t i = 0; i < times.integer; i++) {
    p->at = start;
    CY_TRY(parse_stage(p, chain));
  }
  return CY_OK;
}

static cy_status parse_named_stage(parser *p, cy_chain *chain) {
  const cy_token *token = peek(p);
  int parameter = parameter_index(p, token);
  if (parameter >= 0) return parse_parameter(p, parameter, chain, NULL, NULL);
  const block *b = find_block(p, token);
  const cy_layer_row *row = cy_layer_find(p->source.text + token->start, token->length);
  if (!b && !row) return unknown_layer(p, token);
  p->at++;
  return b ? parse_block(p, b, token, chain) : parse_layer(p, row, token, chain);
}

static cy_status parse_stage(parser *p, cy_chain *chain) {
  CY_TRY(deeper(p));
  if (peek_kind(p) == CY_TOKEN_NUMBER || (peek_kind(p) == CY_TOKEN_NAME && is_sign_at(p, p->at + 1, '*'))) {
    CY_TRY(parse_repetition(p, chain));
  } else if (accept(p, '(')) {
    CY_TRY(parse_chain(p, chain));
    CY_TRY(expect(p, ')', "'->' or ')'"));
  } else if (peek_kind(p) == CY_TOKEN_NAME) {
    CY_TRY(parse_named_stage(p, chain));
  } else {
    return expected(p, "a layer");
  }
  p->depth--;
  return CY_OK;
}

static cy_status parse_chain(parser *p, cy_chain *chain) {
  do CY_TRY(parse_stage(p, chain));
  while (accept_arrow(p));
  return CY_OK;
}

/* ---- names ---- */

static bool is_given(const parser *p, const char *name) {
  for (size_t i = 0; i < p->n_names; i++)
    if (strcmp(p->names[i], name) == 0) return true;
  return false;
}

/* dense1, dense2, ... in the order of the text; counts has one number per row of the table. */
static cy_status number_chain(const parser *p, cy_chain *chain, int *counts) {
  for (cy_stage *s = chain->first; s; s = s->next) {
    char name[WORD_TEXT];
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

static cy_status number_layers(const parser *p, cy_chain *chain) {
  int *counts = cy_calloc((size_t)cy_layer_row_count, sizeof *counts);
  if (!counts) return cy_no_memory();
  cy_status status = number_chain(p, chain, counts);
  cy_free(counts);
  return status;
}

/* ---- the whole text ---- */

static cy_status parse_text(parser *p, cy_chain *chain) {
  p->limit = p->source.count - 1;
  p->blocks = cy_calloc(MAX_BLOCKS + 1, sizeof *p->blocks);
  if (!p->blocks) return cy_no_memory();
  while (at_definition(p)) CY_TRY(parse_definition(p));
  CY_TRY(parse_chain(p, chain));
  if (!at_end(p)) return expected(p, "'->' or the end of the text");
  return number_layers(p, chain);
}

cy_status cy_model_parse(const char *text, const char *source, cy_model **model) {
  parser p = {0};
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
  if (status == CY_OK)
    *model = m;
  else
    cy_model_free(m);
  return status;
}
