/* Derivations from beginning to end: names for what the graph holds, then the lines, section by section. A derivation
 * of a formula is that of its graph, as it is written. */
#include "derive/derivation.h"
#include "formula/formula.h"

#include <string.h>

static cy_status add_names(cy_derivation *d, const cy_named_value *values, int n, cy_name_kind kind) {
  for (int i = 0; i < n; i++) {
    bool whole = !cy_dtype_is_float(cy_value_dtype(values[i].value));
    if (!values[i].name || !values[i].name[0]) continue;
    if (values[i].value.graph != d->graph || values[i].value.id < 0)
      return cy_fail(CY_INVALID, "derive: \"%s\" is no value of the graph", values[i].name);
    if (cy_sheet_find(&d->sheet, values[i].name) >= 0)
      return cy_fail(CY_INVALID, "derive: there are two values named \"%s\"", values[i].name);
    if (kind == CY_NAME_VALUE && whole) continue;
    if (cy_sheet_name(&d->sheet, values[i].name, whole ? CY_NAME_CLASS : kind, values[i].value, -1) < 0)
      return cy_no_memory();
  }
  return CY_OK;
}

static cy_status mark_distributions(cy_derivation *d, const char *list) {
  for (const char *at = list ? list : ""; *at;) {
    size_t n = strcspn(at, ", ");
    char word[CY_NAME_SIZE] = {0};
    memcpy(word, at, n < sizeof word ? n : sizeof word - 1);
    int name = n ? cy_sheet_find(&d->sheet, word) : -1;
    if (n && (name < 0 || d->sheet.names[name].shape.rank == 0))
      return cy_fail(CY_INVALID, "sums to one: \"%s\" is not a vector of the formula", word);
    if (name >= 0) d->sheet.names[name].sums_to_one = true;
    at += n;
    at += strspn(at, ", ");
  }
  return CY_OK;
}

/* The result's name: its own, else L of a loss, y of other functions. */
static cy_status name_result(cy_derivation *d, cy_named_value result) {
  bool scalar = cy_value_shape(result.value).rank == 0;
  if (!cy_is_value(result.value) || !cy_dtype_is_float(cy_value_dtype(result.value)))
    return cy_fail(CY_INVALID, "derive: the result must be a number or numbers, not a condition or a class");
  if (cy_node_of(result.value)->n_inputs == 0)
    return cy_fail(CY_INVALID, "there is nothing to derive: the formula is %s",
                   cy_value_name(result.value)[0] ? cy_value_name(result.value) : "a number");
  d->result = cy_sheet_name_of(&d->sheet, result.value.id);
  bool symbol = d->result >= 0 && d->sheet.names[d->result].kind != CY_NAME_VALUE;
  if (d->result < 0 || symbol) {
    bool vectors = false;
    for (int i = 0; i < d->sheet.n_names; i++) vectors = vectors || d->sheet.names[i].shape.rank > 0;
    const char *base = result.name && result.name[0] ? result.name : scalar && vectors ? "L" : scalar ? "f" : "y";
    d->result = cy_name_freely(d, base, CY_NAME_VALUE, result.value, -1);
  }
  return d->result < 0 ? cy_no_memory() : CY_OK;
}

/* What a loop computes at each step has no notation here. */
static cy_status refuse_loops(cy_value result) {
  bool *needed = cy_calloc((size_t)cy_graph_size(result.graph), sizeof *needed);
  const char *scope = NULL;
  if (!needed) return cy_no_memory();
  cy_mark_needed(result.graph, 0, &result, 1, needed);
  for (int32_t id = 0; id < cy_graph_size(result.graph) && !scope; id++)
    if (needed[id] && cy_node_at(result.graph, id)->op->loop) scope = cy_node_at(result.graph, id)->scope;
  cy_free(needed);
  if (!scope) return CY_OK;
  return cy_fail(CY_INVALID,
                 "%s%sa loop over time is not written as formulas (cauchy check tests its derivatives, cauchy flow "
                 "shows its gradients)",
                 scope, scope[0] ? ": " : "");
}

static cy_status derive(cy_derivation *d, cy_named_value result) {
  CY_TRY(name_result(d, result));
  CY_TRY(refuse_loops(result.value));
  CY_TRY(mark_distributions(d, d->options.sums_to_one));
  cy_name_values(d);
  CY_TRY(cy_sheet_status(&d->sheet));
  if (d->options.batch) CY_TRY(cy_batch_begin(d, d->options.batch, d->options.batched));
  if (d->batch >= 0 && d->sheet.names[d->result].shape.rank > 0)
    return cy_fail(CY_INVALID, "batch: the examples' mean is of a loss, and the result is not a scalar");
  if (d->sheet.names[d->result].shape.rank > 0) {
    d->upstream = cy_gradient_name(d, d->result);
    if (d->upstream < 0) return cy_no_memory();
  }
  CY_TRY(cy_write_values(d));
  if (d->options.tangents) CY_TRY(cy_write_tangents(d));
  if (!d->options.tangents || d->options.hessian) CY_TRY(cy_write_gradients(d));
  CY_TRY(cy_sheet_status(&d->sheet));
  if (d->options.tangents && d->options.hessian) CY_TRY(cy_write_products(d));
  if (d->upstream >= 0 && !d->options.tangents) CY_TRY(cy_write_jacobians(d));
  CY_TRY(cy_sheet_status(&d->sheet));
  d->options.batch = d->options.batched = d->options.tangents = d->options.sums_to_one = NULL;
  return CY_OK;
}

cy_status cy_derive_graph(cy_named_value result, const cy_named_value *symbols, int n_symbols,
                          const cy_named_value *values, int n_values, const cy_named_extent *dimensions,
                          int n_dimensions, cy_derive_options options, cy_derivation **derivation) {
  *derivation = NULL;
  if (!result.value.graph) return cy_fail(CY_INVALID, "derive: there is no result");
  CY_TRY(cy_graph_status(result.value.graph));
  cy_derivation *d = cy_calloc(1, sizeof *d);
  if (!d) return cy_no_memory();
  *d = (cy_derivation){
      .graph = result.value.graph, .options = options, .result = -1, .risk = -1, .upstream = -1, .batch = -1};
  cy_status status = cy_sheet_begin(&d->sheet, d->graph);
  for (int i = 0; i < n_dimensions && status == CY_OK; i++)
    if (!cy_sheet_dimension(&d->sheet, dimensions[i].name, dimensions[i].extent))
      status = cy_fail(CY_INVALID, "derive: more than %d dimensions", CY_MAX_DIMENSIONS);
  if (status == CY_OK) status = add_names(d, symbols, n_symbols, CY_NAME_SYMBOL);
  if (status == CY_OK) status = add_names(d, values, n_values, CY_NAME_VALUE);
  if (status == CY_OK) status = derive(d, result);
  if (status == CY_OK) *derivation = d;
  else cy_derivation_free(d);
  return status;
}

void cy_derivation_free(cy_derivation *d) {
  if (!d) return;
  cy_sheet_end(&d->sheet);
  if (d->owns_graph) cy_graph_free(d->graph);
  cy_free(d->lines);
  cy_free(d);
}

/* ---- from formulas ---- */

/* Extents that no number in a formula is taken for. */
static const int64_t distinct[CY_MAX_DIMENSIONS] = {10007, 10009, 10037, 10039, 10061, 10067, 10069, 10079,
                                                    10091, 10093, 10099, 10103, 10111, 10133, 10139, 10141};

static cy_status build(const cy_formula *f, cy_derive_options options, cy_graph *graph, cy_derivation **derivation) {
  int n_symbols = cy_formula_symbol_count(f), n = cy_formula_statement_count(f), n_dims = cy_formula_dimension_count(f);
  size_t most = (size_t)(n_symbols + n + 1);
  cy_value *made = cy_calloc(most, sizeof *made);
  cy_named_value *named = cy_calloc(most, sizeof *named);
  cy_named_extent dims[CY_MAX_DIMENSIONS];
  cy_status status = made && named ? CY_OK : cy_no_memory();
  if (status == CY_OK && n_dims > CY_MAX_DIMENSIONS - 1)
    status = cy_fail(CY_INVALID, "derive: more than %d dimensions", CY_MAX_DIMENSIONS - 1);
  for (int i = 0; i < n_dims && status == CY_OK; i++)
    dims[i] = (cy_named_extent){cy_formula_dimension(f, i), cy_formula_dimension_extent(f, i)};
  /* As it is written: a named softmax stays one, also in a logarithm. */
  ((cy_formula *)(uintptr_t)f)->as_written = true;
  if (status == CY_OK) status = cy_formula_build(f, graph, made, made + n_symbols);
  ((cy_formula *)(uintptr_t)f)->as_written = false;
  for (int i = 0; i < n_symbols + n && status == CY_OK; i++)
    named[i] =
        (cy_named_value){i < n_symbols ? cy_formula_symbol(f, i) : cy_formula_statement(f, i - n_symbols), made[i]};
  if (status == CY_OK)
    status = cy_derive_graph(named[n_symbols + n - 1], named, n_symbols, named + n_symbols, n, dims, n_dims, options,
                             derivation);
  cy_free(made);
  cy_free(named);
  return status;
}

cy_status cy_derive(const cy_formula *formula, cy_derive_options options, cy_derivation **derivation) {
  cy_graph *graph;
  *derivation = NULL;
  /* Extents that stand for names, however the formula was last built. */
  for (int i = 0; i < cy_formula_dimension_count(formula) && i < CY_MAX_DIMENSIONS; i++)
    CY_TRY(cy_formula_set_dimension((cy_formula *)(uintptr_t)formula, cy_formula_dimension(formula, i), distinct[i]));
  CY_TRY(cy_graph_create(&graph));
  cy_status status = build(formula, options, graph, derivation);
  if (status == CY_OK) (*derivation)->owns_graph = true;
  else cy_graph_free(graph);
  return status;
}
