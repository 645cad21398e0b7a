/* Recurrences, written out while they are parsed: "for" closes the statements before it that have its variable on their
 * left, and their tokens are read once for each step, in turn; sum(t=1..3, ...) reads its body the same way. */
#include "formula/parser.h"

#include <string.h>

enum { MAX_STEPS = 4096, MAX_BODIES = 64 };

const cy_loop *cy_find_loop(const cy_parser *p, const cy_token *token) {
  for (const cy_loop *l = p->loop; l; l = l->outer)
    if (l->name->length == token->length &&
        memcmp(p->source.text + l->name->start, p->source.text + token->start, token->length) == 0)
      return l;
  return NULL;
}

static cy_status parse_whole(cy_parser *p, int64_t *value) {
  const cy_token *token = cy_peek(p);
  if (token->kind == CY_TOKEN_NUMBER) {
    if (!cy_read_integer(p->source.text + token->start, token->length, value))
      return cy_source_fail(&p->source, token->start, "expected a whole number");
  } else if (token->kind == CY_TOKEN_NAME) {
    const cy_loop *l = cy_find_loop(p, token);
    char name[CY_PARSER_NAME];
    CY_TRY(cy_token_name(p, token, name));
    if (!l)
      return cy_source_fail(&p->source, token->start,
                            "%s has no number here: add \"for %s = 1..3\" at the statement's end", name, name);
    *value = l->value;
  } else {
    return cy_expected(p, "a whole number");
  }
  p->at++;
  return CY_OK;
}

cy_status cy_parse_step(cy_parser *p, int64_t *value) {
  size_t start = cy_peek(p)->start;
  bool minus = cy_accept(p, "-");
  int64_t next;
  CY_TRY(parse_whole(p, value));
  if (minus) *value = -*value;
  while (cy_at_sign(p, "+") || cy_at_sign(p, "-")) {
    minus = cy_accept(p, "-");
    if (!minus) p->at++;
    CY_TRY(parse_whole(p, &next));
    if (!cy_add_i64(*value, minus ? -next : next, value))
      return cy_source_fail(&p->source, start, "the number is too large");
  }
  return CY_OK;
}

cy_status cy_parse_range(cy_parser *p, cy_range *r) {
  int64_t difference;
  r->name = cy_peek(p);
  if (r->name->kind != CY_TOKEN_NAME) return cy_expected(p, "the name of the step, as in t = 1..3");
  p->at++;
  CY_TRY(cy_expect(p, "=", "'=' and the steps, as in t = 1..3"));
  CY_TRY(cy_parse_step(p, &r->first));
  CY_TRY(cy_expect(p, "..", "'..' between the first and the last step"));
  CY_TRY(cy_parse_step(p, &r->last));
  if (r->first == INT64_MIN || !cy_add_i64(r->last, -r->first, &difference) || difference >= MAX_STEPS ||
      difference <= -MAX_STEPS)
    return cy_source_fail(&p->source, r->name->start, "more than %d steps", MAX_STEPS);
  return CY_OK;
}

cy_status cy_parse_sum_of_steps(cy_parser *p, size_t start, cy_expression **out) {
  cy_range r;
  cy_expression *next;
  CY_TRY(cy_parse_range(p, &r));
  if (r.last < r.first) return cy_source_fail(&p->source, r.name->start, "the sum has no terms");
  CY_TRY(cy_expect(p, ",", "',' and what is summed"));
  size_t body = p->at;
  cy_loop l = {.name = r.name, .value = r.first, .outer = p->loop};
  p->loop = &l;
  CY_TRY(cy_parse_sum(p, out));
  for (l.value++; l.value <= r.last; l.value++) {
    p->at = body;
    CY_TRY(cy_parse_sum(p, &next));
    CY_TRY(cy_make_binary(p->f, "+", *out, next, cy_place_to_here(p, start, start), out));
  }
  p->loop = l.outer;
  return cy_expect(p, ")", "')'");
}

/* ---- "for" ---- */

bool cy_at_recurrence(const cy_parser *p) {
  bool family;
  if (!cy_is_target(p, p->at, &family) || !family) return false;
  for (size_t i = p->at + 2; !cy_is_sign(p, i, "]"); i++)
    if (cy_is_name(p, i)) return true;
  return false;
}

typedef struct body {
  size_t start, end; /* tokens */
} body;

/* The statements up to "for", unread. */
static cy_status collect_bodies(cy_parser *p, body bodies[MAX_BODIES], int *n) {
  size_t first = cy_peek(p)->start;
  for (*n = 0; *n < MAX_BODIES;) {
    body *b = &bodies[(*n)++];
    b->start = p->at;
    while (!cy_is_end(p, p->at) && !cy_is_separator(p, p->at) && !cy_is_word(p, p->at, "for")) p->at++;
    b->end = p->at;
    if (cy_is_word(p, p->at, "for")) return CY_OK;
    while (cy_is_separator(p, p->at)) p->at++;
    if (!cy_at_recurrence(p))
      return cy_source_fail(&p->source, first,
                            "which steps? add \"for t = 1..3\" at the end of the last statement that has them");
  }
  return cy_source_fail(&p->source, first, "more than %d statements of one \"for\"", MAX_BODIES);
}

cy_status cy_parse_recurrence(cy_parser *p) {
  body bodies[MAX_BODIES];
  cy_range r;
  int n;
  CY_TRY(collect_bodies(p, bodies, &n));
  p->at++; /* for */
  CY_TRY(cy_parse_range(p, &r));
  size_t after = p->at;
  int64_t step = r.first <= r.last ? 1 : -1;
  cy_loop l = {.name = r.name, .outer = p->loop};
  p->loop = &l;
  for (l.value = r.first; l.value != r.last + step; l.value += step)
    for (int i = 0; i < n; i++) {
      p->at = bodies[i].start;
      CY_TRY(cy_parse_statement(p));
      if (p->at != bodies[i].end) return cy_expected(p, "an operator or \"for\"");
    }
  p->loop = l.outer;
  p->at = after;
  return CY_OK;
}
