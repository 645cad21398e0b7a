/* Derivations: the graph's derivatives value by value, read line by line. The gradient of a value is the sum of what
 * the values that are made of it send back (cy_vjp of each, cut at its named operands), so that each line is in terms
 * of names already introduced; where the gradient in terms of values alone is shorter, it is written too. */
#include "derive/derivation.h"
#include "formula/formula.h"
#include "ops/ops.h"

#include <cauchy/autodiff.h>

#include <stdlib.h>
#include <string.h>

enum { SLIGHTLY = 8 };

/* ---- lines ---- */

static const cy_poly *simplified(cy_derivation *d, const cy_poly *p) { return cy_poly_simplify(&d->sheet, p); }

/* Indices of a line: the value's axes, after the example's if it is batched. */
static int line_indices(cy_derivation *d, int name, int *indices) {
  const cy_name *n = &d->sheet.names[name];
  cy_shape shape = n->shape;
  int k = 0;
  if (n->batched) indices[k++] = cy_sheet_index(&d->sheet, d->batch_extent, false);
  for (int i = 0; i < shape.rank && k < CY_MAX_RANK; i++) indices[k++] = cy_sheet_index(&d->sheet, shape.dim[i], false);
  return k;
}

/* A value at the line's indices (without the example's), as poly of one example. */
static const cy_poly *read_at(cy_derivation *d, cy_value value, const cy_line *line, bool define) {
  cy_place at[CY_MAX_RANK];
  int first = d->sheet.names[line->name].batched, rank = cy_value_shape(value).rank;
  for (int i = 0; i < rank; i++) {
    bool one = cy_value_shape(value).dim[i] == 1;
    at[i] = one ? cy_place_number(0) : cy_place_of(line->indices[first + i]);
  }
  return cy_read(&d->sheet, value, at, define);
}

/* All examples' poly: at the line's example, or summed over them. */
static const cy_poly *of_batch(cy_derivation *d, const cy_poly *p, const cy_line *line) {
  if (d->batch < 0) return p;
  if (d->sheet.names[line->name].batched) return cy_batch_is_batched(d, p) ? cy_batch_poly(d, p, line->indices[0]) : p;
  return line->section == CY_SECTION_GRADIENTS || line->section == CY_SECTION_PRODUCTS ? cy_batch_sum(d, p) : p;
}

cy_line *cy_begin_line(cy_derivation *d, cy_section section, int name) {
  if (name < 0 || !cy_grow(&d->lines, (size_t)d->n_lines, &d->lines_capacity, sizeof *d->lines)) {
    d->sheet.failed = true;
    return NULL;
  }
  cy_line *line = &d->lines[d->n_lines++];
  *line = (cy_line){.section = section, .name = name, .by = -1};
  line->n = line_indices(d, name, line->indices);
  return line;
}

/* In matrix form; what has none, in index form, by its elements. */
static const cy_expr *in_writing(cy_derivation *d, const cy_line *line, const cy_poly *poly) {
  const cy_expr *e = cy_expr_of_all(&d->sheet, poly, line->indices, line->n);
  if (!e || e->kind != CY_EXPR_INDEXED || !line->elements || !cy_runs_along(poly)) return e;
  return cy_expr_of_all(&d->sheet, line->elements, line->indices, line->n);
}

/* Indices of axes of one element are left out of matrix form: (1 x n) is a row all the same. */
void cy_finish_line(cy_derivation *d, cy_line *line) {
  if (line->section != CY_SECTION_VALUES) { /* a value is as the formula has it */
    line->elements = cy_arranged(d, line->elements, true);
    line->form = cy_arranged(d, line->form, true);
    /* A chain has its factors from the outside inwards. */
    if (line->simpler) line->simpler = cy_arranged(d, line->simpler, false);
  }
  line->written = in_writing(d, line, line->form);
  if (line->simpler) line->written_simpler = in_writing(d, line, line->simpler);
}

/* ---- values ---- */

static int compare_by_node(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

/* Nodes come after what they are made of; what was only made to have a name, right after its operand. */
static int64_t place_of(const cy_derivation *d, int name) {
  const cy_name *n = &d->sheet.names[name];
  return n->after ? 2 * (int64_t)(n->after - 1) + 1 : 2 * (int64_t)n->value.id;
}

/* Names of kind VALUE in the order of their nodes. order: room for all names; returns how many. */
int cy_ordered_values(const cy_derivation *d, int *order) {
  int n = 0;
  int64_t *keys = cy_calloc((size_t)d->sheet.n_names, sizeof *keys);
  if (!keys) return -1;
  for (int i = 0; i < d->sheet.n_names; i++)
    if (d->sheet.names[i].kind == CY_NAME_VALUE && cy_sheet_name_of(&d->sheet, d->sheet.names[i].value.id) == i)
      keys[n++] = place_of(d, i) << 24 | i;
  qsort(keys, (size_t)n, sizeof *keys, compare_by_node);
  for (int i = 0; i < n; i++) order[i] = (int)(keys[i] & 0xffffff);
  cy_free(keys);
  return n;
}

/* The element-by-element form stands beside the matrix form. */
static const cy_poly *read_elements(cy_derivation *d, cy_value value, const cy_line *line, bool define) {
  d->sheet.elements = true;
  const cy_poly *p = simplified(d, of_batch(d, read_at(d, value, line, define), line));
  d->sheet.elements = false;
  return p;
}

static bool is_distribution(const cy_derivation *d, int name) {
  return strcmp(cy_node_of(d->sheet.names[name].value)->op->name, "softmax") == 0;
}

static void value_line(cy_derivation *d, int name) {
  cy_line *line = cy_begin_line(d, CY_SECTION_VALUES, name);
  if (!line) return;
  line->value = d->sheet.names[name].value;
  line->elements = read_elements(d, line->value, line, true);
  d->sheet.as_written = true;
  const cy_poly *written = cy_line_read(d, line, line->value, true);
  d->sheet.as_written = false;
  line->form = cy_line_read(d, line, line->value, true); /* last: now the name stands for it */
  line->written = in_writing(d, line, written);
  if (is_distribution(d, name)) d->sheet.names[name].sums_to_one = true;
}

/* A name for the same value: t = s. */
static void alias_lines(cy_derivation *d) {
  for (int i = 0; i < d->sheet.n_names; i++) {
    int first = cy_sheet_name_of(&d->sheet, d->sheet.names[i].value.id);
    if (d->sheet.names[i].kind != CY_NAME_VALUE || first == i) continue;
    cy_line *line = cy_begin_line(d, CY_SECTION_VALUES, i);
    if (!line) return;
    line->value = d->sheet.names[i].value;
    line->form = line->elements = simplified(d, of_batch(d, read_at(d, line->value, line, false), line));
    cy_finish_line(d, line);
  }
}

/* R = (1/n) sum L: the mean over the examples. */
static void risk_line(cy_derivation *d) {
  if (d->batch < 0) return;
  d->risk = cy_name_freely(d, "R", CY_NAME_VALUE, d->sheet.names[d->result].value, d->result);
  cy_line *line = cy_begin_line(d, CY_SECTION_VALUES, d->risk);
  if (!line) return;
  cy_place example = cy_place_of(cy_sheet_index(&d->sheet, d->batch_extent, true));
  cy_poly *sum = cy_poly_sum_over(&d->sheet, cy_poly_name(&d->sheet, d->result, &example, 1), example.index[0]);
  cy_poly *share = cy_poly_power(&d->sheet, cy_poly_number(&d->sheet, (double)d->batch_extent), -1);
  line->form = line->elements = simplified(d, cy_poly_mul(&d->sheet, share, sum));
  cy_finish_line(d, line);
}

static void write_values(cy_derivation *d) {
  int *order = cy_calloc((size_t)d->sheet.n_names, sizeof *order);
  int n = order ? cy_ordered_values(d, order) : -1;
  d->sheet.failed = d->sheet.failed || n < 0;
  for (int i = 0; i < n; i++) value_line(d, order[i]);
  alias_lines(d);
  cy_free(order);
  risk_line(d);
}

/* ---- gradients ---- */

static bool has_gradient(const cy_name *n) {
  return (n->kind == CY_NAME_SYMBOL || n->kind == CY_NAME_VALUE) && cy_dtype_is_float(cy_value_dtype(n->value));
}

/* What reaches each name from the names made of it: one value per batchedness of the sender. */
typedef struct backward {
  cy_derivation *d;
  int n;             /* names when it began */
  cy_value *arrived; /* by name */
  int *direct;
  cy_value *inputs, *sent;
} backward;

static cy_value summed(cy_value a, cy_value b) { return cy_is_value(a) ? cy_is_value(b) ? cy_add(a, b) : a : b; }

static bool is_zero(cy_value v) {
  double number;
  return !cy_is_value(v) || (cy_is_full(v, &number) && number == 0);
}

/* What the value sends back to the inputs, where it is cut. Between numbers the derivative is taken forwards, which
 * is the same and has its terms in the order of the formula. */
static cy_status pull(cy_value value, cy_value cotangent, const cy_value *inputs, int n, cy_value *sent) {
  CY_TRY(cy_vjp(&value, &cotangent, 1, inputs, n, sent));
  cy_value *tangents = cy_calloc((size_t)n, sizeof *tangents);
  if (!tangents) return cy_no_memory();
  cy_status status = CY_OK;
  for (int i = 0; i < n; i++) tangents[i] = cy_none;
  for (int i = 0; i < n && status == CY_OK; i++) {
    cy_value slope;
    double one;
    if (cy_value_shape(value).rank || cy_value_shape(inputs[i]).rank || is_zero(sent[i])) continue;
    tangents[i] = cy_ones_like(inputs[i]);
    status = cy_jvp(&value, 1, inputs, tangents, n, &slope);
    tangents[i] = cy_none;
    if (status == CY_OK) sent[i] = cy_is_full(cotangent, &one) && one == 1 ? slope : cy_mul(cotangent, slope);
  }
  cy_free(tangents);
  return status;
}

/* The name's gradient goes back through its definition to the names in it. */
static cy_status send(backward *b, int name, cy_value cotangent) {
  cy_derivation *d = b->d;
  cy_value value = d->sheet.names[name].value;
  int n = 0, all = cy_direct_names(d, value, true, b->direct);
  for (int i = 0; i < all; i++)
    if (b->direct[i] < b->n && has_gradient(&d->sheet.names[b->direct[i]])) {
      b->inputs[n] = d->sheet.names[b->direct[i]].value;
      b->direct[n++] = b->direct[i];
    }
  if (n == 0) return CY_OK;
  CY_TRY(pull(value, cotangent, b->inputs, n, b->sent));
  for (int i = 0; i < n; i++)
    if (!is_zero(b->sent[i])) b->arrived[b->direct[i]] = summed(b->arrived[b->direct[i]], b->sent[i]);
  return CY_OK;
}

/* d<name> as a leaf of the graph that stands for the gradient. */
static int gradient_name(cy_derivation *d, int name) {
  cy_text text = {0}, leaf = {0};
  cy_text_add(&text, "d%s", d->sheet.names[name].text);
  cy_text_add(&leaf, "gradient:%s", d->sheet.names[name].text);
  cy_value v = d->sheet.names[name].value;
  cy_value stands = leaf.data ? cy_variable(d->graph, leaf.data, cy_value_dtype(v), cy_value_shape(v)) : cy_none;
  int made = text.data && cy_is_value(stands) ? cy_name_freely(d, text.data, CY_NAME_GRADIENT, stands, name) : -1;
  if (made >= 0) d->sheet.names[made].batched = d->sheet.names[name].batched;
  cy_text_clear(&text);
  cy_text_clear(&leaf);
  return made;
}

static int gradient_of(const cy_derivation *d, int name) {
  for (int i = 0; i < d->sheet.n_names; i++)
    if (d->sheet.names[i].kind == CY_NAME_GRADIENT && d->sheet.names[i].of == name) return i;
  return -1;
}

/* What the result sends back: 1; with a batch, whose mean it is, 1/n; its own gradient where it is not a scalar. */
static cy_value seed(cy_derivation *d) {
  cy_value result = d->sheet.names[d->result].value;
  if (d->upstream >= 0) return d->sheet.names[d->upstream].value;
  return cy_full(d->graph, cy_value_dtype(result), cy_value_shape(result),
                 d->batch < 0 ? 1 : 1 / (double)d->batch_extent);
}

static bool has_derivative(const cy_derivation *d, const cy_poly *poly) {
  for (int i = 0; i < d->sheet.n_names; i++)
    if (d->sheet.names[i].of >= 0 && i != d->upstream && cy_poly_has_name(poly, i)) return true;
  return false;
}

/* In terms of values only, if that is shorter. */
static void try_shorter(cy_derivation *d, cy_line *line, int name) {
  cy_value value = d->sheet.names[name].value, result = d->sheet.names[d->result].value, from = seed(d), direct;
  if (cy_vjp(&result, &from, 1, &value, 1, &direct) != CY_OK) {
    d->sheet.failed = true;
    return;
  }
  cy_sheet *s = &d->sheet;
  const cy_poly *p = read_at(d, direct, line, false);
  if (s->large) {
    s->large = false; /* the line stands as it is */
    return;
  }
  p = simplified(d, of_batch(d, p, line));
  /* Of numbers, also if it is hardly longer: 2 (s - y) s (1 - s) says more than ds s (1 - s). */
  bool number = line->n == 0 && p->n == 1 && has_derivative(d, line->form);
  if (cy_poly_cost(p) < cy_poly_cost(line->form) + (number ? SLIGHTLY : 0)) line->simpler = p;
}

const cy_poly *cy_line_read(cy_derivation *d, const cy_line *line, cy_value value, bool define) {
  return cy_fold_names(d, simplified(d, of_batch(d, read_at(d, value, line, define), line)));
}

static bool atom_runs_along(const cy_atom *a) {
  bool along = a->kind == CY_ATOM_ALONG;
  for (int i = 0; i < a->n_args; i++) along = along || cy_runs_along(a->arg[i]);
  return along;
}

bool cy_runs_along(const cy_poly *poly) {
  for (int i = 0; i < poly->n; i++)
    for (int k = 0; k < poly->term[i].n; k++)
      if (atom_runs_along(poly->term[i].factor[k].atom)) return true;
  return false;
}

const cy_poly *cy_line_elements(cy_derivation *d, const cy_line *line, cy_value value) {
  return cy_runs_along(line->form) ? read_elements(d, value, line, false) : line->form;
}

/* The closed form of a normalisation's gradient, if all that reaches the value comes through one. */
static bool try_normalization(cy_derivation *d, cy_line *line, int name) {
  int before = d->sheet.n_names;
  for (int i = 0; i < before; i++) {
    const cy_name *n = &d->sheet.names[i];
    if (n->kind != CY_NAME_VALUE || i == name || n->value.id < d->sheet.names[name].value.id) continue;
    int gradient = d->sheet.names[i].value.id == d->sheet.names[d->result].value.id ? d->upstream : gradient_of(d, i);
    if (gradient < 0) continue;
    cy_value sent = cy_normalization_gradient(d, i, name, d->sheet.names[gradient].value);
    if (!cy_is_value(sent)) continue;
    line->simpler = cy_line_read(d, line, sent, false);
    return true;
  }
  return false;
}

static cy_line *gradient_line(cy_derivation *d, int name, cy_value arrived) {
  int gradient = gradient_name(d, name);
  cy_line *line = cy_begin_line(d, CY_SECTION_GRADIENTS, gradient);
  if (!line) return NULL;
  line->value = arrived;
  line->form = cy_line_read(d, line, arrived, false);
  line->elements = cy_line_elements(d, line, arrived);
  if (!try_normalization(d, line, name)) try_shorter(d, line, name);
  cy_finish_line(d, line);
  return line;
}

static cy_status walk_back(backward *b) {
  cy_derivation *d = b->d;
  int *order = cy_calloc((size_t)b->n, sizeof *order);
  if (!order) return cy_no_memory();
  /* Symbols come before values that are made of them: values in reverse, each followed by symbols that are complete. */
  int n = cy_ordered_values(d, order);
  cy_status status = n < 0 ? cy_no_memory() : CY_OK;
  cy_value result = d->sheet.names[d->result].value;
  bool *written = cy_calloc((size_t)b->n, 1);
  if (!written) status = cy_no_memory();
  for (int i = n - 1; i >= 0 && status == CY_OK; i--) {
    int name = order[i];
    if (name == d->risk) continue;
    cy_value cotangent = cy_none;
    if (d->sheet.names[name].value.id == result.id) cotangent = seed(d);
    else if (cy_is_value(b->arrived[name])) {
      const cy_line *line = gradient_line(d, name, b->arrived[name]);
      if (!line) break;
      cotangent = d->sheet.names[line->name].value;
    }
    if (cy_is_value(cotangent)) status = send(b, name, cotangent);
    /* Symbols whose users have all been seen. */
    for (int k = 0; k < b->n && status == CY_OK; k++) {
      if (d->sheet.names[k].kind != CY_NAME_SYMBOL || written[k] || !cy_is_value(b->arrived[k])) continue;
      bool waits = false;
      for (int m = i - 1; m >= 0 && !waits; m--) {
        int count = cy_direct_names(d, d->sheet.names[order[m]].value, true, b->direct);
        for (int q = 0; q < count; q++) waits = waits || b->direct[q] == k;
      }
      if (waits) continue;
      written[k] = true;
      gradient_line(d, k, b->arrived[k]);
    }
  }
  cy_free(written);
  cy_free(order);
  return status;
}

static cy_status write_gradients(cy_derivation *d) {
  size_t n = (size_t)d->sheet.n_names;
  backward b = {.d = d, .n = d->sheet.n_names};
  b.arrived = cy_calloc(n, sizeof *b.arrived);
  b.direct = cy_calloc(4 * n + 16, sizeof *b.direct);
  b.inputs = cy_calloc(4 * n + 16, sizeof *b.inputs);
  b.sent = cy_calloc(4 * n + 16, sizeof *b.sent);
  cy_status status = b.arrived && b.direct && b.inputs && b.sent ? CY_OK : cy_no_memory();
  for (int i = 0; status == CY_OK && i < b.n; i++) b.arrived[i] = cy_none;
  if (status == CY_OK) status = walk_back(&b);
  cy_free(b.arrived);
  cy_free(b.direct);
  cy_free(b.inputs);
  cy_free(b.sent);
  return status;
}

/* ---- beginning ---- */

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
  return cy_fail(CY_INVALID, "%s%sa loop over time is not written as formulas (cauchy check tests its derivatives, cauchy "
                 "flow shows its gradients)", scope, scope[0] ? ": " : "");
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
    d->upstream = gradient_name(d, d->result);
    if (d->upstream < 0) return cy_no_memory();
  }
  write_values(d);
  CY_TRY(cy_sheet_status(&d->sheet));
  if (d->options.tangents) CY_TRY(cy_write_tangents(d));
  if (!d->options.tangents || d->options.hessian) CY_TRY(write_gradients(d));
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
