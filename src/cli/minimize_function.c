/* A formula and a point become a function of a vector: dimensions follow from how many numbers each symbol is given,
 * the symbols of --from are its variables, and those of --given are held. */
#include "cli/minimize.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- dimensions ---- */

/* Without --dimensions a symbol with several numbers is a vector: "w:3, a". NULL if all are numbers. */
static cy_status dimensions_of_lists(const cli_function *f, char **text) {
  const cli_assignments *lists[] = {&f->from, &f->given};
  bool any = false;
  cy_text out = {0};
  *text = NULL;
  for (int l = 0; l < 2; l++)
    for (size_t i = 0; i < lists[l]->n; i++) {
      const cli_assignment *a = &lists[l]->items[i];
      any = any || a->n > 1;
      cy_text_add(&out, "%s%s", out.length ? ", " : "", a->name);
      if (a->n > 1) cy_text_add(&out, ":%" PRId64, a->n);
    }
  if (!any) cy_text_clear(&out);
  else if (!(*text = cy_text_take(&out))) return cy_no_memory();
  return CY_OK;
}

static const cli_assignment *assignment_of(const cli_function *f, int symbol) {
  const char *name = cy_formula_symbol(f->formula, symbol);
  const cli_assignment *a = cli_assignment_find(&f->from, name);
  return a ? a : cli_assignment_find(&f->given, name);
}

static bool is_set(const char *const *set, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (strcmp(set[i], name) == 0) return true;
  return false;
}

/* A name takes the extent that the numbers of a symbol tell: of vectors first, then of matrices with one extent
 * known. */
static cy_status extents_of_lists(cli_function *f) {
  const char *set[64];
  int n_set = 0;
  for (int rank = 1; rank <= 2; rank++)
    for (int i = 0; i < f->n_symbols; i++) {
      const cli_assignment *a = assignment_of(f, i);
      int64_t known = 1, extent;
      const char *open = NULL;
      int n_open = 0;
      if (cy_formula_symbol_rank(f->formula, i) != rank) continue;
      for (int axis = 0; axis < rank; axis++) {
        const char *name = cy_formula_symbol_dimension(f->formula, i, axis, &extent);
        if (name && !is_set(set, n_set, name)) open = name, n_open++;
        else if (!cy_mul_i64(known, extent, &known)) return cy_no_memory();
      }
      if (n_open != 1 || a->n % known != 0 || n_set == 64) continue;
      CY_TRY(cy_formula_set_dimension(f->formula, open, a->n / known));
      set[n_set++] = open;
    }
  return CY_OK;
}

static cy_status check_count(const cli_function *f, int i) {
  const cli_assignment *a = assignment_of(f, i);
  int64_t needed = 1, extent;
  char shape[160] = "";
  int length = 0, rank = cy_formula_symbol_rank(f->formula, i);
  for (int axis = 0; axis < rank; axis++) {
    cy_formula_symbol_dimension(f->formula, i, axis, &extent);
    if (!cy_mul_i64(needed, extent, &needed)) return cy_no_memory();
    length += snprintf(shape + length, sizeof shape - (size_t)length, "%s%" PRId64, axis ? " x " : "", extent);
  }
  if (a->n == needed) return CY_OK;
  return cy_fail(CY_INVALID, "%s is %s%s: it takes %" PRId64 " number%s, not %" PRId64, a->name,
                 rank == 0   ? "a number"
                 : rank == 1 ? "a vector of "
                             : "a matrix of ",
                 shape, needed, needed == 1 ? "" : "s", a->n);
}

/* ---- symbols and lists ---- */

static cy_status unknown_name(const cli_function *f, const char *what, const char *name) {
  const char *names[256];
  char hint[CLI_HINT_SIZE];
  size_t n = 0;
  for (int i = 0; i < f->n_symbols && n < 256; i++) names[n++] = cy_formula_symbol(f->formula, i);
  return cy_fail(CY_INVALID, "%s: the formula has no symbol \"%s\"%s", what, name, cli_hint(name, names, n, hint));
}

static int symbol_index(const cli_function *f, const char *name) {
  for (int i = 0; i < f->n_symbols; i++)
    if (strcmp(cy_formula_symbol(f->formula, i), name) == 0) return i;
  return -1;
}

static cy_status check_lists(const cli_function *f) {
  for (size_t i = 0; i < f->from.n; i++) {
    int symbol = symbol_index(f, f->from.items[i].name);
    if (symbol < 0) return unknown_name(f, "--from", f->from.items[i].name);
    if (cy_formula_symbol_is_index(f->formula, symbol))
      return cy_fail(CY_INVALID, "%s is an index: --given %s=... holds it", f->from.items[i].name,
                     f->from.items[i].name);
    if (cli_assignment_find(&f->given, f->from.items[i].name))
      return cy_fail(CY_INVALID, "%s is both in --from and in --given", f->from.items[i].name);
  }
  for (size_t i = 0; i < f->given.n; i++)
    if (symbol_index(f, f->given.items[i].name) < 0) return unknown_name(f, "--given", f->given.items[i].name);
  for (int i = 0; i < f->n_symbols; i++)
    if (!assignment_of(f, i))
      return cy_fail(CY_INVALID, "%s has no value: name its start in --from, or hold it with --given %s=...",
                     cy_formula_symbol(f->formula, i), cy_formula_symbol(f->formula, i));
  return CY_OK;
}

/* ---- the formula ---- */

static cy_status parse(const cli_arguments *a, cli_function *f) {
  const char *dimensions = cli_option_value(a, "--dimensions");
  char *implied = NULL;
  if (!dimensions) CY_TRY(dimensions_of_lists(f, &implied));
  cy_status status = cy_formula_parse(a->words[0], "formula", dimensions ? dimensions : implied, &f->formula);
  cy_string_free(implied);
  CY_TRY(status);
  f->n_symbols = cy_formula_symbol_count(f->formula);
  CY_TRY(check_lists(f));
  CY_TRY(extents_of_lists(f));
  for (int i = 0; i < f->n_symbols; i++) CY_TRY(check_count(f, i));
  return CY_OK;
}

/* ---- the objective ---- */

static cy_status make_tensor(const cli_function *f, int i, cy_value symbol, cy_tensor **tensor) {
  const cli_assignment *a = assignment_of(f, i);
  CY_TRY(cy_tensor_create(cy_value_dtype(symbol), cy_value_shape(symbol), tensor));
  for (int64_t k = 0; k < a->n; k++) {
    if (cy_value_dtype(symbol) == CY_F64) {
      cy_tensor_f64(*tensor)[k] = a->numbers[k];
    } else {
      cy_tensor_i64(*tensor)[k] = (int64_t)a->numbers[k];
      if (a->numbers[k] < 0 || a->numbers[k] >= 1e9 || a->numbers[k] != (double)(int64_t)a->numbers[k])
        return cy_fail(CY_INVALID, "%s is an index: %g is no whole number from 0", a->name, a->numbers[k]);
    }
  }
  return CY_OK;
}

static cy_status make_objective(cli_function *f, cy_value loss, const cy_value *symbols, cy_value *variables) {
  cy_objective_graph graph = {.variables = variables, .n = (int)f->from.n, .options = {.threads = 1}};
  cy_shape shape = cy_value_shape(loss);
  char text[64];
  int64_t count = 1;
  for (int i = 0; i < shape.rank; i++) count *= shape.dim[i];
  if (count != 1) {
    snprintf(text, sizeof text, shape.rank == 1 ? "%" PRId64 : "%" PRId64 " x %" PRId64, shape.dim[0], shape.dim[1]);
    return cy_fail(CY_INVALID,
                   "the formula's value is %s numbers; only one can be minimised (its sum(...) or |...|^2, say)", text);
  }
  graph.loss = cy_reshape(loss, (cy_shape){0});
  for (size_t i = 0; i < f->from.n; i++) variables[i] = symbols[f->order[i]];
  CY_TRY(cy_objective_create(graph, &f->objective));
  for (int i = 0; i < f->n_symbols; i++)
    if (cli_assignment_find(&f->given, cy_formula_symbol(f->formula, i)))
      CY_TRY(cy_objective_bind(f->objective, cy_formula_symbol(f->formula, i), f->symbols[i]));
  return CY_OK;
}

static cy_status build(cli_function *f, cy_graph *graph, cy_value *values) {
  int n_statements = cy_formula_statement_count(f->formula);
  cy_value *statements = values + f->n_symbols, *variables = statements + n_statements;
  CY_TRY(cy_formula_build(f->formula, graph, values, statements));
  for (int i = 0; i < f->n_symbols; i++) CY_TRY(make_tensor(f, i, values[i], &f->symbols[i]));
  return make_objective(f, statements[n_statements - 1], values, variables);
}

static cy_status make_start(cli_function *f) {
  int64_t at = 0;
  f->order = cy_calloc(f->from.n + 1, sizeof *f->order);
  for (size_t i = 0; f->order && i < f->from.n; i++) {
    f->order[i] = symbol_index(f, f->from.items[i].name);
    f->n += f->from.items[i].n;
  }
  f->start = cy_calloc((size_t)f->n + 1, sizeof *f->start);
  f->symbols = cy_calloc((size_t)f->n_symbols + 1, sizeof *f->symbols);
  if (!f->order || !f->start || !f->symbols) return cy_no_memory();
  for (size_t i = 0; i < f->from.n; i++)
    for (int64_t k = 0; k < f->from.items[i].n; k++) f->start[at++] = f->from.items[i].numbers[k];
  return CY_OK;
}

static cy_status open_function(const cli_arguments *a, cli_function *f) {
  const char *from = cli_option_value(a, "--from"), *given = cli_option_value(a, "--given");
  cy_graph *graph;
  if (!from) return cy_fail(CY_INVALID, "--from is needed: where to start, as in --from x=4 or --from x=-1.2,y=1");
  CY_TRY(cli_assignments_read("--from", from, &f->from));
  if (given) CY_TRY(cli_assignments_read("--given", given, &f->given));
  CY_TRY(parse(a, f));
  CY_TRY(make_start(f));
  CY_TRY(cy_graph_create(&graph));
  size_t n = (size_t)f->n_symbols + (size_t)cy_formula_statement_count(f->formula) + f->from.n;
  cy_value *values = cy_calloc(n, sizeof *values);
  cy_status status = values ? build(f, graph, values) : cy_no_memory();
  cy_free(values);
  cy_graph_free(graph);
  return status;
}

cy_status cli_function_open(const cli_arguments *a, cli_function *f) {
  *f = (cli_function){0};
  cy_status status = open_function(a, f);
  if (status != CY_OK) cli_function_close(f);
  return status;
}

void cli_function_close(cli_function *f) {
  cy_objective_free(f->objective);
  cy_formula_free(f->formula);
  cli_assignments_clear(&f->from);
  cli_assignments_clear(&f->given);
  for (int i = 0; f->symbols && i < f->n_symbols; i++) cy_tensor_free(f->symbols[i]);
  cy_free(f->symbols);
  cy_free(f->order);
  cy_free(f->start);
  *f = (cli_function){0};
}

cy_status cli_function_examine(const cli_function *f, const double *x) {
  int64_t at = 0;
  for (size_t i = 0; i < f->from.n; i++)
    for (int64_t k = 0; k < f->from.items[i].n; k++) cy_tensor_f64(f->symbols[f->order[i]])[k] = x[at++];
  return cy_formula_examine(f->formula, f->symbols);
}

/* ---- points in words ---- */

const char *cli_component_name(const cli_function *f, int64_t i, char buffer[CLI_COMPONENT_SIZE]) {
  size_t item = 0;
  int64_t columns;
  while (i >= f->from.items[item].n) i -= f->from.items[item++].n;
  const char *name = f->from.items[item].name;
  int rank = cy_formula_symbol_rank(f->formula, f->order[item]);
  cy_formula_symbol_dimension(f->formula, f->order[item], 1, &columns);
  if (rank == 0) snprintf(buffer, CLI_COMPONENT_SIZE, "%s", name);
  else if (rank == 1) snprintf(buffer, CLI_COMPONENT_SIZE, "%s[%" PRId64 "]", name, i);
  else snprintf(buffer, CLI_COMPONENT_SIZE, "%s[%" PRId64 ",%" PRId64 "]", name, i / columns, i % columns);
  return buffer;
}

char *cli_point_text(const cli_function *f, const double *x) {
  enum { SHOWN = 6 };
  double largest = 0;
  cy_text out = {0};
  for (int64_t i = 0; i < f->n; i++) largest = fmax(largest, fabs(x[i]));
  for (size_t i = 0; i < f->from.n; i++) {
    int64_t n = f->from.items[i].n;
    bool list = cy_formula_symbol_rank(f->formula, f->order[i]) > 0;
    cy_text_add(&out, "%s%s = %s", i ? ", " : "", f->from.items[i].name, list ? "(" : "");
    for (int64_t k = 0; k < n; k++) {
      bool left_out = n > SHOWN && k >= SHOWN - 2 && k < n - 1;
      if (left_out && k == SHOWN - 2) cy_text_add(&out, ", ...");
      if (!left_out)
        cy_text_add(&out, "%s%.6g", k ? ", " : "", fabs(x[k]) <= 1e-14 * largest ? 0 : x[k]); /* rounding */
    }
    if (list) cy_text_add(&out, ")");
    x += n;
  }
  return cy_text_take(&out);
}
