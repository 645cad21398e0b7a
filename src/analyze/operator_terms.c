/* The symbols of an operator: entry (i, j) of the matrix as a polynomial of the weights. Its coefficients are mixed
 * derivatives of the tangent with respect to sets of parameters, evaluated along basis vectors with all other parameters
 * zero; that such a derivative is free of the parameters it was taken of proves degree one in each. */
#include "analyze/operator.h"

#include "autodiff/autodiff.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SYMBOLS = 24, MOST_RUNS = 1 << 20, MOST_TERMS = 1 << 22 };
static const int64_t most_numbers = (int64_t)1 << 28; /* looked at in all: seconds */
static const double dust = 1e-14;

/* The derivative with respect to a set of symbols. */
typedef struct part {
  cy_value value;
  int n, symbol[CY_TERM_FACTORS];
  int64_t combinations; /* of one element of each */
} part;

typedef struct owned_terms {
  cy_operator_terms terms; /* what the caller sees */
  cy_operator_symbol symbols[MOST_SYMBOLS];
  char letters[MOST_SYMBOLS][8];
  cy_operator_term *list;
  size_t capacity;
} owned_terms;

typedef struct search {
  const cy_operator *op;
  const cy_state *state;
  owned_terms *result;
  cy_value symbol[MOST_SYMBOLS], direction[MOST_SYMBOLS]; /* the variable; the input that is its tangent */
  cy_tensor *zero[MOST_SYMBOLS], *basis[MOST_SYMBOLS];
  part *parts;
  size_t n_parts, capacity;
} search;

/* ---- which parameters ---- */

static bool is_parameter(const cy_state *state, const char *name) {
  for (int i = 0; i < cy_state_count(state); i++)
    if (strcmp(cy_state_name(state, i), name) == 0) return cy_state_role(state, i) == CY_PARAMETER;
  return false;
}

static cy_status add_symbol(search *s, cy_value variable) {
  int i = s->result->terms.n_symbols;
  char name[32];
  if (i == MOST_SYMBOLS)
    return cy_fail(CY_INVALID, "the matrix depends on more than %d parameters: too many for symbols; use numbers",
                   MOST_SYMBOLS);
  s->symbol[i] = variable;
  snprintf(name, sizeof name, "operator direction %d", i);
  s->direction[i] = cy_input(variable.graph, name, cy_value_dtype(variable), cy_value_shape(variable));
  CY_TRY(cy_graph_status(variable.graph));
  CY_TRY(cy_tensor_create(cy_value_dtype(variable), cy_value_shape(variable), &s->zero[i]));
  CY_TRY(cy_tensor_create(cy_value_dtype(variable), cy_value_shape(variable), &s->basis[i]));
  s->result->symbols[i] = (cy_operator_symbol){.name = cy_strdup(cy_value_name(variable)), .letter = s->result->letters[i],
                                               .shape = cy_value_shape(variable)};
  s->result->terms.n_symbols++;
  return s->result->symbols[i].name ? CY_OK : cy_no_memory();
}

static cy_status find_symbols(search *s) {
  cy_graph *graph = s->op->graph;
  int32_t size = cy_graph_size(graph);
  bool *needed = cy_calloc((size_t)size, 1);
  if (!needed) return cy_no_memory();
  cy_status status = CY_OK;
  cy_mark_needed(graph, 0, &s->op->dy, 1, needed);
  for (int32_t id = 0; id < size && status == CY_OK; id++)
    if (needed[id] && cy_node_at(graph, id)->op == &cy_op_variable && is_parameter(s->state, cy_node_at(graph, id)->name))
      status = add_symbol(s, cy_value_at(graph, id));
  cy_free(needed);
  int n = s->result->terms.n_symbols;
  for (int i = 0; i < n; i++) {
    s->result->letters[i][0] = n == 1 ? 'w' : (char)('a' + i);
    s->result->letters[i][1] = 0;
  }
  return status;
}

/* ---- which derivatives there are ---- */

static cy_status add_part(search *s, const part *p);

/* p with one more symbol, unless that derivative vanishes. */
static cy_status extend(search *s, const part *p, int symbol) {
  part longer = *p;
  bool again = false;
  cy_push_tangents(s->op->graph, &p->value, 1, &s->symbol[symbol], &s->direction[symbol], 1, &longer.value);
  CY_TRY(cy_graph_status(s->op->graph));
  if (!cy_is_value(longer.value)) return CY_OK;
  if (!cy_depends(longer.value, &s->symbol[symbol], 1, &again)) return cy_graph_status(s->op->graph);
  if (again)
    return cy_fail(CY_INVALID, "the matrix is not linear in \"%s\", so it has no symbolic form; use numbers",
                   s->result->symbols[symbol].name);
  if (p->n == CY_TERM_FACTORS)
    return cy_fail(CY_INVALID, "entries are products of more than %d weights: no symbolic form; use numbers",
                   CY_TERM_FACTORS);
  longer.symbol[longer.n++] = symbol;
  if (!cy_mul_i64(p->combinations, cy_count(cy_value_shape(s->symbol[symbol])), &longer.combinations))
    longer.combinations = INT64_MAX;
  return add_part(s, &longer);
}

static cy_status add_part(search *s, const part *p) {
  if (!cy_grow(&s->parts, s->n_parts, &s->capacity, sizeof *s->parts)) return cy_no_memory();
  s->parts[s->n_parts++] = *p;
  part base = *p; /* the array may move */
  int first = base.n ? base.symbol[base.n - 1] + 1 : 0;
  for (int i = first; i < s->result->terms.n_symbols; i++) CY_TRY(extend(s, &base, i));
  return CY_OK;
}

static cy_status check_work(const search *s) {
  int64_t rows = cy_operator_rows(s->op), columns = cy_operator_columns(s->op), runs = 0, part_runs, numbers;
  int64_t lines = rows < columns ? rows : columns, length = rows < columns ? columns : rows;
  for (size_t i = 0; i < s->n_parts; i++)
    if (!cy_mul_i64(s->parts[i].combinations, lines, &part_runs) || !cy_add_i64(runs, part_runs, &runs)) runs = INT64_MAX;
  if (runs > MOST_RUNS || !cy_mul_i64(runs, length, &numbers) || numbers > most_numbers)
    return cy_fail(CY_INVALID, "the matrix is %" PRId64 " x %" PRId64 " with %" PRId64
                   " weights or products of weights: too large for symbols; use numbers", rows, columns, runs / lines);
  return CY_OK;
}

/* ---- their values ---- */

static cy_status add_term(search *s, const part *p, const int64_t *index, int64_t row, int64_t column, double coefficient) {
  owned_terms *r = s->result;
  cy_operator_term term = {.row = row, .column = column, .coefficient = coefficient, .n_factors = p->n};
  for (int i = 0; i < p->n; i++) {
    term.symbol[i] = p->symbol[i];
    term.index[i] = index[i];
  }
  if (r->terms.count == MOST_TERMS)
    return cy_fail(CY_INVALID, "the matrix has more than %d terms: too large for symbols; use numbers", MOST_TERMS);
  if (!cy_grow(&r->list, (size_t)r->terms.count, &r->capacity, sizeof *r->list)) return cy_no_memory();
  r->list[r->terms.count++] = term;
  return CY_OK;
}

static cy_status collect(search *s, const part *p, cy_lines *lines, const int64_t *index) {
  const cy_tensor *line;
  for (int64_t k = 0; k < lines->count; k++) {
    CY_TRY(cy_lines_run(lines, k, &line));
    const double *numbers = cy_tensor_f64(line);
    for (int64_t i = 0; i < lines->length; i++) {
      double value = numbers ? numbers[i] : cy_tensor_at(line, i);
      if (fabs(value) > dust)
        CY_TRY(add_term(s, p, index, lines->columns ? i : k, lines->columns ? k : i, value));
    }
  }
  return CY_OK;
}

static cy_status bind_part(search *s, cy_runner *runner) {
  char name[32];
  CY_TRY(cy_session_bind_state(runner->session, s->state));
  for (int i = 0; i < s->result->terms.n_symbols; i++) {
    CY_TRY(cy_runner_bind(runner, s->result->symbols[i].name, s->zero[i]));
    snprintf(name, sizeof name, "operator direction %d", i);
    CY_TRY(cy_runner_bind(runner, name, s->basis[i]));
  }
  return CY_OK;
}

static cy_status run_part(search *s, const part *p) {
  cy_lines lines;
  int64_t index[CY_TERM_FACTORS];
  CY_TRY(cy_lines_open(&lines, s->op, p->value));
  cy_status status = bind_part(s, &lines.runner);
  for (int64_t c = 0; c < p->combinations && status == CY_OK; c++) {
    int64_t rest = c;
    for (int i = p->n - 1; i >= 0; i--) {
      int64_t extent = cy_tensor_count(s->basis[p->symbol[i]]);
      index[i] = rest % extent;
      rest /= extent;
      cy_tensor_set(s->basis[p->symbol[i]], index[i], 1);
    }
    status = collect(s, p, &lines, index);
    for (int i = 0; i < p->n; i++) cy_tensor_set(s->basis[p->symbol[i]], index[i], 0);
  }
  cy_lines_close(&lines);
  return status;
}

/* ---- in order ---- */

static int compare(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int compare_terms(const void *left, const void *right) {
  const cy_operator_term *a = left, *b = right;
  int order = compare(a->row, b->row);
  if (!order) order = compare(a->column, b->column);
  if (!order) order = compare(a->n_factors, b->n_factors);
  for (int i = 0; i < a->n_factors && !order; i++) {
    order = compare(a->symbol[i], b->symbol[i]);
    if (!order) order = compare(a->index[i], b->index[i]);
  }
  return order;
}

static cy_status find_terms(search *s) {
  owned_terms *r = s->result;
  r->terms.rows = cy_operator_rows(s->op);
  r->terms.columns = cy_operator_columns(s->op);
  r->terms.input = cy_operator_input_shape(s->op);
  r->terms.output = cy_operator_output_shape(s->op);
  r->terms.symbols = r->symbols;
  if (!cy_is_value(s->op->dy) || r->terms.rows == 0 || r->terms.columns == 0) return CY_OK;
  CY_TRY(find_symbols(s));
  CY_TRY(add_part(s, &(part){.value = s->op->dy, .combinations = 1}));
  CY_TRY(check_work(s));
  for (size_t i = 0; i < s->n_parts; i++) CY_TRY(run_part(s, &s->parts[i]));
  if (r->list) qsort(r->list, (size_t)r->terms.count, sizeof *r->list, compare_terms);
  r->terms.terms = r->list;
  return CY_OK;
}

cy_status cy_operator_terms_create(const cy_operator *op, const cy_state *state, cy_operator_terms **terms) {
  search s = {.op = op, .state = state, .result = cy_calloc(1, sizeof *s.result)};
  *terms = NULL;
  if (!s.result) return cy_no_memory();
  cy_status status = find_terms(&s);
  for (int i = 0; i < MOST_SYMBOLS; i++) {
    cy_tensor_free(s.zero[i]);
    cy_tensor_free(s.basis[i]);
  }
  cy_free(s.parts);
  if (status == CY_OK) *terms = &s.result->terms;
  else cy_operator_terms_free(&s.result->terms);
  return status;
}

void cy_operator_terms_free(cy_operator_terms *terms) {
  if (!terms) return;
  owned_terms *owned = (owned_terms *)(void *)terms; /* terms is its first member */
  for (int i = 0; i < terms->n_symbols; i++) cy_free((char *)(uintptr_t)owned->symbols[i].name);
  cy_free(owned->list);
  cy_free(owned);
}
