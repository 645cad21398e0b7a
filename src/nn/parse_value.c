/* Values of arguments, as the row of the argument asks: numbers, words, initialisers, extents, paddings, chains. */
#include "nn/parser.h"

#include <stdio.h>
#include <string.h>

static cy_status check_range(const cy_model_parser *p, const cy_token *token, const cy_argument_row *row,
                             double value) {
  if (row->min == 0 && row->max == 0) return CY_OK;
  bool low = row->above_min ? value <= row->min : value < row->min;
  bool high = row->below_max ? value >= row->max : value > row->max;
  if (!low && !high) return CY_OK;
  const char *bound = low ? (row->above_min ? "above" : "at least") : row->below_max ? "below" : "at most";
  return cy_source_fail(&p->source, token->start, "%s%s%s must be %s %.10g, not %.*s", p->layer ? p->layer : "",
                        p->layer ? ": " : "", row->name, bound, low ? row->min : row->max,
                        (int)(token->length < 40 ? token->length : 40), p->source.text + token->start);
}

static cy_status wrong_type(const cy_model_parser *p, const cy_argument_row *row, const char *what) {
  char found[CY_TOKEN_TEXT];
  return cy_source_fail(&p->source, cy_model_peek(p)->start, "%s must be %s, not %s", row->name, what,
                        cy_token_text(&p->source, cy_model_peek(p), found));
}

static cy_status parse_integer(cy_model_parser *p, const cy_argument_row *row, int64_t *out) {
  const cy_token *token = cy_model_peek(p);
  if (cy_model_peek_kind(p) != CY_TOKEN_NUMBER || !cy_read_integer(p->source.text + token->start, token->length, out))
    return wrong_type(p, row, "a whole number");
  p->at++;
  return check_range(p, token, row, (double)*out);
}

static cy_status parse_real(cy_model_parser *p, const cy_argument_row *row, double *out) {
  const cy_token *token = cy_model_peek(p);
  if (cy_model_peek_kind(p) != CY_TOKEN_NUMBER || !cy_read_real(p->source.text + token->start, token->length, out))
    return wrong_type(p, row, "a number");
  p->at++;
  return check_range(p, token, row, *out);
}

static cy_status parse_bool(cy_model_parser *p, const cy_argument_row *row, bool *out) {
  const cy_token *token = cy_model_peek(p);
  if (cy_model_peek_kind(p) != CY_TOKEN_NAME ||
      (!cy_token_is(&p->source, token, "true") && !cy_token_is(&p->source, token, "false")))
    return wrong_type(p, row, "true or false");
  *out = cy_token_is(&p->source, token, "true");
  p->at++;
  return CY_OK;
}

static cy_status parse_choice(cy_model_parser *p, const cy_argument_row *row, int *out) {
  const cy_token *token = cy_model_peek(p);
  char list[CY_MESSAGE_SIZE / 4] = "";
  for (int i = 0; row->choices[i]; i++) {
    if (cy_model_peek_kind(p) == CY_TOKEN_NAME && cy_token_is(&p->source, token, row->choices[i])) {
      *out = i;
      p->at++;
      return CY_OK;
    }
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s",
             i == 0                ? ""
             : row->choices[i + 1] ? ", "
                                   : " or ",
             row->choices[i]);
  }
  return wrong_type(p, row, list);
}

static cy_status unknown_initializer(const cy_model_parser *p, const cy_argument_row *row) {
  const char *names[32];
  char hint[CY_MODEL_WORD], found[CY_TOKEN_TEXT];
  int n = 0;
  for (; n < cy_initializer_row_count && n < 32; n++) names[n] = cy_initializer_rows[n].name;
  return cy_source_fail(&p->source, cy_model_peek(p)->start,
                        "%s must be an initialiser such as he_normal or constant(0.1), not %s%s", row->name,
                        cy_token_text(&p->source, cy_model_peek(p), found),
                        cy_model_suggest(p, cy_model_peek(p), names, (size_t)n, hint));
}

/* he_normal, orthogonal(1.4), uniform(-1, 1). */
static cy_status parse_initializer(cy_model_parser *p, const cy_argument_row *row, cy_argument *out) {
  static const cy_argument_row number = {.name = "a number of an initialiser", .type = CY_ARGUMENT_REAL};
  const cy_token *token = cy_model_peek(p);
  const cy_initializer_row *found = NULL;
  for (int i = 0; cy_model_peek_kind(p) == CY_TOKEN_NAME && i < cy_initializer_row_count; i++)
    if (cy_token_is(&p->source, token, cy_initializer_rows[i].name)) found = &cy_initializer_rows[i];
  if (!found) return unknown_initializer(p, row);
  p->at++;
  cy_argument numbers[2] = {{.real = found->a}, {.real = 0}};
  int n = 0;
  if (cy_model_accept(p, '(') && !cy_model_accept(p, ')')) {
    do {
      if (n == found->max_numbers) break;
      CY_TRY(cy_model_parse_value(p, &number, &numbers[n++]));
    } while (cy_model_accept(p, ','));
    CY_TRY(cy_model_expect(p, ')', "')'"));
  }
  if (n < found->min_numbers)
    return cy_source_fail(&p->source, token->start, "%s takes %d number%s: %s(%s)", found->name, found->min_numbers,
                          found->min_numbers == 1 ? "" : "s", found->name, found->min_numbers == 1 ? "0.1" : "0, 0.1");
  if (found->kind == CY_INIT_NORMAL && numbers[1].real < 0)
    return cy_source_fail(&p->source, token->start, "normal(%g, %g): the standard deviation is below 0",
                          numbers[0].real, numbers[1].real);
  if (found->kind == CY_INIT_UNIFORM && numbers[1].real < numbers[0].real)
    return cy_source_fail(&p->source, token->start, "uniform(%g, %g): the upper end is below the lower one",
                          numbers[0].real, numbers[1].real);
  out->initializer_row = found;
  out->initializer = (cy_initializer){.kind = found->kind, .a = numbers[0].real, .b = numbers[1].real};
  return CY_OK;
}

/* An integer, or a block's parameter that stands for one. */
static cy_status parse_element(cy_model_parser *p, const cy_argument_row *row, int64_t *out) {
  cy_argument_row one = *row;
  cy_argument value = {0};
  one.type = CY_ARGUMENT_INTEGER;
  CY_TRY(cy_model_parse_value(p, &one, &value));
  *out = value.integer;
  return CY_OK;
}

static cy_status too_many(const cy_model_parser *p, const cy_argument_row *row, int most, const char *what) {
  return cy_source_fail(&p->source, cy_model_peek(p)->start, "%s has at most %d %s", row->name, most, what);
}

static cy_status parse_extents(cy_model_parser *p, const cy_argument_row *row, cy_shape *out) {
  bool closed = cy_model_accept(p, '('), space = row->type == CY_ARGUMENT_SPACE;
  int most = space ? CY_MAX_SPACE : CY_MAX_RANK - 1;
  out->rank = 0;
  for (;;) {
    if (out->rank == most) return too_many(p, row, most, space ? "numbers, one per spatial axis" : "extents");
    CY_TRY(parse_element(p, row, &out->dim[out->rank++]));
    /* Without parentheses, what follows a comma belongs to a shape unless it has a name of its own. */
    bool more = cy_model_at_sign(p, ',') && (closed || (!space && !cy_model_is_sign(p, p->at + 2, '=')));
    if (!more) break;
    p->at++;
  }
  return closed ? cy_model_expect(p, ')', "')'") : CY_OK;
}

static cy_status parse_padding_of_axis(cy_model_parser *p, const cy_argument_row *row, int64_t *low, int64_t *high) {
  if (cy_model_peek_kind(p) != CY_TOKEN_NUMBER && cy_model_parameter(p, cy_model_peek(p)) < 0)
    return wrong_type(p, row, "valid, same, half, causal, numbers, or low:high");
  CY_TRY(parse_element(p, row, low));
  *high = *low;
  return cy_model_accept(p, ':') ? parse_element(p, row, high) : CY_OK;
}

static cy_status parse_padding(cy_model_parser *p, const cy_argument_row *row, cy_padding *out) {
  *out = (cy_padding){0};
  for (int i = 0; cy_model_peek_kind(p) == CY_TOKEN_NAME && i < cy_padding_row_count; i++)
    if (cy_token_is(&p->source, cy_model_peek(p), cy_padding_rows[i].name)) {
      out->kind = cy_padding_rows[i].kind;
      p->at++;
      return CY_OK;
    }
  if (!cy_model_accept(p, '(')) return parse_padding_of_axis(p, row, &out->low[0], &out->high[0]);
  do {
    if (out->axes == CY_MAX_SPACE) return too_many(p, row, CY_MAX_SPACE, "numbers, one per spatial axis");
    CY_TRY(parse_padding_of_axis(p, row, &out->low[out->axes], &out->high[out->axes]));
    out->axes++;
  } while (cy_model_accept(p, ','));
  return cy_model_expect(p, ')', "',' or ')'");
}

static cy_status parse_chains(cy_model_parser *p, bool many, cy_argument *out) {
  cy_chain **link = &out->chains;
  do {
    cy_chain *chain = cy_arena_alloc(p->arena, sizeof *chain);
    if (!chain) return cy_no_memory();
    CY_TRY(cy_model_parse_chain(p, chain));
    *link = chain;
    link = &chain->next;
    out->n_chains++;
  } while (many && cy_model_accept(p, '|'));
  return CY_OK;
}

cy_status cy_model_parse_value(cy_model_parser *p, const cy_argument_row *row, cy_argument *out) {
  bool is_chain = row->type == CY_ARGUMENT_CHAIN || row->type == CY_ARGUMENT_CHAINS;
  bool is_low = row->type == CY_ARGUMENT_PADDING && cy_model_is_sign(p, p->at + 1, ':');
  int parameter = is_chain || is_low || cy_model_at_end(p) ? -1 : cy_model_parameter(p, cy_model_peek(p));
  if (parameter >= 0) return cy_model_parse_parameter(p, parameter, NULL, row, out);
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
