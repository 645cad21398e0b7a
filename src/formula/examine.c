/* Where a formula is undefined: every part of it is computed at a point, and the first whose value is no finite
 * number although its operands' are is named, with the number that it does not take. */
#include "formula/build.h"

#include <cauchy/program.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct examination {
  const cy_formula *f;
  cy_tensor *const *symbols;
  cy_graph *graph;
  cy_value *values;   /* of the parts, by order */
  cy_value *computed; /* the program's outputs, each once */
  int *output_of;     /* by a value's id: its output, or -1 */
  int n_computed;
  cy_program *program;
  cy_session *session;
} examination;

/* ---- computing every part ---- */

static cy_status prepare(examination *x) {
  const cy_formula *f = x->f;
  size_t n = f->symbols.n + f->statements.n;
  cy_status status;
  cy_value *names = cy_calloc(n, sizeof *names);
  x->values = cy_calloc(f->nodes, sizeof *x->values);
  if (!names || !x->values) {
    cy_free(names);
    return cy_no_memory();
  }
  status = cy_graph_create(&x->graph);
  if (status == CY_OK) status = cy_formula_build_parts(f, x->graph, names, names + f->symbols.n, x->values);
  cy_free(names);
  return status;
}

static cy_status collect_outputs(examination *x) {
  size_t size = (size_t)cy_graph_size(x->graph);
  x->computed = cy_calloc(x->f->nodes, sizeof *x->computed);
  x->output_of = cy_calloc(size, sizeof *x->output_of);
  if (!x->computed || !x->output_of) return cy_no_memory();
  for (size_t i = 0; i < size; i++) x->output_of[i] = -1;
  for (size_t i = 0; i < x->f->nodes; i++) {
    cy_value v = x->values[i];
    if (!cy_is_value(v) || cy_value_dtype(v) != CY_F64 || x->output_of[v.id] >= 0) continue;
    x->output_of[v.id] = x->n_computed;
    x->computed[x->n_computed++] = v;
  }
  return CY_OK;
}

/* Symbols of parts that no value is computed from are not bound. */
static cy_status bind(examination *x) {
  for (size_t i = 0; i < x->f->symbols.n; i++)
    CY_TRY(cy_session_bind(x->session, x->f->symbols.items[i].name, x->symbols[i]));
  return CY_OK;
}

static cy_status compute(examination *x) {
  cy_program_options options = {.backend = "reference", .threads = 1};
  CY_TRY(prepare(x));
  CY_TRY(collect_outputs(x));
  CY_TRY(cy_compile(x->computed, x->n_computed, NULL, 0, options, &x->program));
  CY_TRY(cy_session_create(x->program, &x->session));
  CY_TRY(bind(x));
  return cy_session_run(x->session);
}

static void clear(examination *x) {
  cy_session_free(x->session);
  cy_program_free(x->program);
  cy_graph_free(x->graph);
  cy_free(x->values);
  cy_free(x->computed);
  cy_free(x->output_of);
}

/* ---- looking ---- */

/* The part's numbers; NULL if it was not computed by itself. */
static const cy_tensor *numbers_of(const examination *x, const cy_expression *e) {
  cy_value v = x->values[e->order];
  int output = cy_is_value(v) ? x->output_of[v.id] : -1;
  return output < 0 ? NULL : cy_session_output(x->session, output);
}

/* The first element that is not finite, or -1. */
static int64_t first_bad(const cy_tensor *t) {
  for (int64_t i = 0; t && i < cy_tensor_count(t); i++)
    if (!isfinite(cy_tensor_at(t, i))) return i;
  return -1;
}

/* The number of operand k that belongs to element i of the whole; NaN if that is not simply one. */
static double operand_at(const examination *x, const cy_expression *e, int k, int64_t i) {
  const cy_tensor *t = k < e->n ? numbers_of(x, e->operand[k]) : NULL, *whole = numbers_of(x, e);
  if (k < e->n && e->operand[k]->kind == CY_EXPRESSION_NUMBER)
    return e->operand[k]->number; /* built as part of the whole */
  if (!t) return NAN;
  if (cy_tensor_count(t) == 1) return cy_tensor_at(t, 0);
  return cy_tensor_count(t) == cy_tensor_count(whole) ? cy_tensor_at(t, i) : NAN;
}

enum { REASON = 160 };

/* "the logarithm of -1" */
static void explain(const examination *x, const cy_expression *e, int64_t i, char reason[REASON]) {
  double a = operand_at(x, e, 0, i), b = operand_at(x, e, 1, i), value = cy_tensor_at(numbers_of(x, e), i);
  cy_function_id id = e->kind == CY_EXPRESSION_CALL ? e->function->id : CY_FUNCTION_SUM;
  if (e->kind == CY_EXPRESSION_DIVIDE && b == 0) snprintf(reason, REASON, "%.6g is divided by 0", a);
  else if (e->kind == CY_EXPRESSION_POWER && !isnan(a)) snprintf(reason, REASON, "%.6g to the power %.6g", a, b);
  else if (id == CY_FUNCTION_LOG && a <= 0) snprintf(reason, REASON, "the logarithm of %.6g", a);
  else if (id == CY_FUNCTION_LOG1P && a <= -1) snprintf(reason, REASON, "the logarithm of %.6g", 1 + a);
  else if (id == CY_FUNCTION_SQRT && a < 0) snprintf(reason, REASON, "the square root of %.6g", a);
  else if (id == CY_FUNCTION_EXP && isinf(value)) snprintf(reason, REASON, "exp(%.6g) is too large for a number", a);
  else snprintf(reason, REASON, isnan(value) ? "its value is no number" : "its value is too large for a number");
}

/* "at x = 2, y = 1": while the numbers are few. */
static void describe_point(const examination *x, char text[REASON]) {
  const cy_formula_names *symbols = &x->f->symbols;
  int length = 0;
  text[0] = 0;
  for (size_t i = 0; i < symbols->n && length < REASON; i++) {
    int64_t n = cy_tensor_count(x->symbols[i]);
    if (symbols->n > 4 || n > 4) continue;
    length += snprintf(text + length, (size_t)(REASON - length), "%s%.40s = ", length ? ", " : " at ",
                       symbols->items[i].name);
    for (int64_t k = 0; k < n && length < REASON; k++)
      length +=
          snprintf(text + length, (size_t)(REASON - length), "%s%.6g", k ? "," : "", cy_tensor_at(x->symbols[i], k));
  }
}

static cy_status refuse(const examination *x, const cy_expression *e, int64_t i) {
  char text[CY_EXPRESSION_TEXT], point[REASON], reason[REASON];
  explain(x, e, i, reason);
  describe_point(x, point);
  return cy_source_fail(&x->f->source, e->at, "%s is undefined%s: %s", cy_expression_text(x->f, e, text), point,
                        reason);
}

/* Operands first, so that the innermost is named. */
static cy_status look(const examination *x, const cy_expression *e) {
  for (int i = 0; i < e->n; i++) CY_TRY(look(x, e->operand[i]));
  int64_t bad = first_bad(numbers_of(x, e));
  return bad < 0 ? CY_OK : refuse(x, e, bad);
}

static cy_status look_at_all(const examination *x) {
  for (size_t i = 0; i < x->f->symbols.n; i++)
    if (cy_tensor_dtype(x->symbols[i]) == CY_F64 && first_bad(x->symbols[i]) >= 0)
      return cy_fail(CY_INVALID, "%.200s: %s is no finite number", x->f->source.name, x->f->symbols.items[i].name);
  for (size_t i = 0; i < x->f->statements.n; i++) CY_TRY(look(x, x->f->statements.items[i].expression));
  return CY_OK;
}

cy_status cy_formula_examine(const cy_formula *formula, cy_tensor *const *symbols) {
  examination x = {.f = formula, .symbols = symbols};
  cy_status status = compute(&x);
  if (status == CY_OK) status = look_at_all(&x);
  clear(&x);
  return status;
}
