/* A layer with its arguments, by position or by name, and its own name; what is not given is read from the table. */
#include "nn/parser.h"

#include <string.h>

/* The default of an argument, read from the table as if it had been written. */
static cy_status parse_fallback(cy_model_parser *p, const cy_argument_row *row, cy_argument *out) {
  cy_model_parser sub = {.arena = p->arena};
  cy_status status;
  if (!row->fallback[0]) return CY_OK;
  CY_TRY_GOTO(status, cy_source_scan(&sub.source, row->fallback, row->name), done);
  sub.limit = sub.source.count - 1;
  status = cy_model_parse_value(&sub, row, out);
done:
  cy_source_clear(&sub.source);
  return status;
}

static cy_status parse_name(cy_model_parser *p, cy_stage *stage) {
  char text[CY_MODEL_WORD];
  int parameter = cy_model_at_end(p) ? -1 : cy_model_parameter(p, cy_model_peek(p));
  if (parameter >= 0) {
    cy_model_place old = cy_model_enter(p, p->frame->outer, p->frame->start[parameter], p->frame->end[parameter]);
    CY_TRY(cy_model_deeper(p));
    CY_TRY(parse_name(p, stage));
    if (!cy_model_at_end(p)) return cy_model_expected(p, "one name");
    cy_model_leave(p, old);
    p->depth--;
    p->at++;
    return CY_OK;
  }
  const cy_token *token = cy_model_peek(p);
  if (cy_model_peek_kind(p) != CY_TOKEN_NAME && cy_model_peek_kind(p) != CY_TOKEN_STRING)
    return cy_model_expected(p, "a name");
  if (token->length >= CY_MODEL_WORD || !cy_layer_name_is_valid(cy_model_word(p, token, text)))
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

static cy_status unknown_argument(const cy_model_parser *p, const cy_layer_row *row, const cy_token *token) {
  const char *names[33];
  char hint[CY_MODEL_WORD], text[CY_MODEL_WORD];
  int n = 0;
  for (; row->arguments[n].name && n < 32; n++) names[n] = row->arguments[n].name;
  names[n++] = "name";
  return cy_source_fail(&p->source, token->start, "%s has no argument \"%.60s\"%s", row->name,
                        cy_model_word(p, token, text), cy_model_suggest(p, token, names, (size_t)n, hint));
}

static cy_status given_twice(const cy_model_parser *p, const cy_token *token, const char *layer, const char *argument) {
  return cy_source_fail(&p->source, token->start, "%s: %s is given twice", layer, argument);
}

/* The argument of truth values that the token names alone, as in lstm(64, last); -1: none. */
static int flag_named(const cy_model_parser *p, const cy_layer_row *row) {
  bool alone = cy_model_is_sign(p, p->at + 1, ',') || cy_model_is_sign(p, p->at + 1, ')');
  if (cy_model_peek_kind(p) != CY_TOKEN_NAME || !alone || cy_model_parameter(p, cy_model_peek(p)) >= 0) return -1;
  for (int i = 0; row->arguments[i].name; i++)
    if (row->arguments[i].type == CY_ARGUMENT_BOOL && cy_token_is(&p->source, cy_model_peek(p), row->arguments[i].name))
      return i;
  return -1;
}

/* One argument; *position is the next one that may come without a name, or -1 after a named one. */
static cy_status parse_argument(cy_model_parser *p, cy_stage *stage, int *position) {
  const cy_argument_row *rows = stage->row->arguments;
  const cy_token *token = cy_model_peek(p);
  int n = cy_layer_argument_count(stage->row), i, flag = flag_named(p, stage->row);
  if (flag >= 0) {
    if (stage->arguments[flag].given) return given_twice(p, token, stage->row->name, rows[flag].name);
    stage->arguments[flag].given = stage->arguments[flag].truth = true;
    *position = -1;
    p->at++;
    return CY_OK;
  }
  if (cy_model_peek_kind(p) == CY_TOKEN_NAME && cy_model_is_sign(p, p->at + 1, '=')) {
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
  return cy_model_parse_value(p, &rows[i], &stage->arguments[i]);
}

cy_status cy_model_parse_layer(cy_model_parser *p, const cy_layer_row *row, const cy_token *token, cy_chain *chain) {
  int n = cy_layer_argument_count(row), position = 0;
  cy_stage *stage = cy_arena_alloc(p->arena, sizeof *stage);
  if (!stage) return cy_no_memory();
  *stage = (cy_stage){.row = row, .arguments = cy_arena_alloc(p->arena, (size_t)(n + 1) * sizeof *stage->arguments)};
  if (!stage->arguments) return cy_no_memory();
  if (++p->layers > CY_MODEL_LAYERS)
    return cy_source_fail(&p->source, token->start, "more than %d layers, with repetitions written out",
                          CY_MODEL_LAYERS);
  if (cy_model_accept(p, '(') && !cy_model_accept(p, ')')) {
    const char *around = p->layer;
    do {
      p->layer = row->name;
      CY_TRY(parse_argument(p, stage, &position));
    } while (cy_model_accept(p, ','));
    p->layer = around;
    CY_TRY(cy_model_expect(p, ')', "',' or ')'"));
  }
  for (int i = 0; i < n; i++) {
    const cy_argument_row *a = &row->arguments[i];
    if (stage->arguments[i].given) continue;
    if (!a->fallback) return cy_source_fail(&p->source, token->start, "%s needs %s: %s", row->name, a->name, a->about);
    CY_TRY(parse_fallback(p, a, &stage->arguments[i]));
  }
  if (chain->last) chain->last->next = stage;
  else chain->first = stage;
  chain->last = stage;
  return CY_OK;
}
