/* Operators in writing: names of elements, entries as sums of weights, the matrix as aligned text or LaTeX. Numbers that are
 * fractions with small denominators are written as such: averages of 9 are 1/9. */
#include "analyze/operator.h"
#include "base/text.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- names of elements ---- */

static void unravel(cy_shape shape, int64_t index, int64_t *at) {
  for (int i = shape.rank - 1; i >= 0; i--) {
    at[i] = index % shape.dim[i];
    index /= shape.dim[i];
  }
}

const char *cy_operator_element_name(const char *letter, cy_shape shape, int channel_axes, int64_t index, bool latex,
                                     char buffer[CY_ELEMENT_NAME]) {
  int64_t at[CY_MAX_RANK];
  int n = 0;
  bool short_positions = true, open = false;
  unravel(shape, index, at);
  for (int i = channel_axes; i < shape.rank; i++) short_positions = short_positions && shape.dim[i] <= 10;
  short_positions = short_positions || shape.rank - channel_axes == 1;
#define ADD(...) n += snprintf(buffer + n, (size_t)(CY_ELEMENT_NAME - n), __VA_ARGS__)
  ADD(latex ? "%s_{" : "%s", letter);
  for (int i = 0; i < channel_axes && i < shape.rank; i++) {
    if (shape.dim[i] == 1) continue;
    ADD("%s%" PRId64, latex ? open ? "," : "" : open ? "," : "[", at[i]);
    open = true;
  }
  if (!latex && open) ADD("]");
  for (int i = channel_axes; i < shape.rank; i++) {
    bool first = i == channel_axes;
    if (latex) ADD("%s%" PRId64, first && !open ? "" : ",", at[i]);
    else ADD("%s%" PRId64, short_positions ? "" : first ? "(" : ",", at[i]);
  }
  if (!latex && !short_positions && shape.rank > channel_axes) ADD(")");
  if (latex) ADD("}");
#undef ADD
  return buffer;
}

/* Weights of convolutions have two axes of channels; matrices and vectors none. */
int cy_symbol_channel_axes(cy_shape shape) { return shape.rank >= 3 ? 2 : 0; }
static int channel_axes_of(cy_shape shape) { return shape.rank >= 2 ? 1 : 0; }

const char *cy_symbol_element(const cy_operator_symbol *symbol, int64_t index, bool latex, char buffer[CY_ELEMENT_NAME]) {
  return cy_operator_element_name(symbol->letter, symbol->shape, cy_symbol_channel_axes(symbol->shape), index, latex, buffer);
}

/* "w[o,c]uv is conv1.weight[o,c,u,v]" */
cy_status cy_operator_symbol_text(const cy_operator_symbol *symbol, char **text) {
  static const char channels[] = "oc";
  static const char *const positions[] = {"", "i", "uv", "tuv", "stuv", "rstuv", "qrstuv", "pqrstuv", "opqrstuv"};
  cy_shape shape = symbol->shape;
  cy_text out = {0};
  int leading = cy_symbol_channel_axes(shape), last = shape.rank - leading;
  bool short_positions = true, open = false;
  for (int i = leading; i < shape.rank; i++) short_positions = short_positions && shape.dim[i] <= 10;
  short_positions = short_positions || last == 1;
  cy_text_add(&out, "%s", symbol->letter);
  for (int i = 0; i < leading; i++) {
    if (shape.dim[i] == 1) continue;
    cy_text_add(&out, "%s%c", open ? "," : "[", channels[i]);
    open = true;
  }
  cy_text_add(&out, open ? "]" : "");
  for (int i = 0; i < last; i++)
    cy_text_add(&out, "%s%c", short_positions ? "" : i ? "," : "(", positions[last][i]);
  cy_text_add(&out, "%s is %s[", short_positions || last == 0 ? "" : ")", symbol->name);
  for (int i = 0; i < leading; i++) cy_text_add(&out, "%s%c", i ? "," : "", shape.dim[i] == 1 ? '0' : channels[i]);
  for (int i = 0; i < last; i++) cy_text_add(&out, "%s%c", i || leading ? "," : "", positions[last][i]);
  cy_text_add(&out, "]");
  *text = cy_text_take(&out);
  return *text ? CY_OK : cy_no_memory();
}

/* ---- numbers ---- */

typedef struct fraction {
  bool exact;
  int64_t p, q;
} fraction;

static fraction fraction_of(double value) {
  for (int64_t q = 1; q <= 1024 && fabs(value) < 1e6; q++) {
    double p = round(value * (double)q);
    if (fabs(value * (double)q - p) <= 1e-12 * (double)q) return (fraction){true, (int64_t)p, q};
  }
  return (fraction){false, 0, 1};
}

/* A positive number. */
static void add_number(cy_text *text, double value, bool latex) {
  fraction f = fraction_of(value);
  if (!f.exact) cy_text_add(text, "%.6g", value);
  else if (f.q == 1) cy_text_add(text, "%" PRId64, f.p);
  else cy_text_add(text, latex ? "\\frac{%" PRId64 "}{%" PRId64 "}" : "%" PRId64 "/%" PRId64, f.p, f.q);
}

/* ---- entries ---- */

static void add_factors(cy_text *text, const cy_operator_terms *terms, const cy_operator_term *term, bool latex) {
  char name[CY_ELEMENT_NAME];
  for (int i = 0; i < term->n_factors; i++)
    cy_text_add(text, "%s%s", i == 0 ? "" : latex ? " " : "*",
                cy_symbol_element(&terms->symbols[term->symbol[i]], term->index[i], latex, name));
}

static void add_sign(cy_text *text, bool negative, bool first) {
  cy_text_add(text, "%s", negative ? "-" : first ? "" : "+");
}

static bool same(double a, double b) { return fabs(a - b) <= 1e-12 * fabs(a); }

/* (a+b)/4, 3/4*(a-b): the common factor of several terms. */
static void add_common(cy_text *text, const cy_operator_terms *terms, const cy_operator_term *first, int64_t n, bool latex) {
  double size = fabs(first->coefficient);
  fraction f = fraction_of(size);
  bool divide = f.exact && f.p == 1 && f.q > 1 && !latex;
  if (!divide) add_number(text, size, latex);
  cy_text_add(text, divide ? "(" : latex ? " (" : "*(");
  for (int64_t i = 0; i < n; i++) {
    add_sign(text, first[i].coefficient < 0, i == 0);
    add_factors(text, terms, &first[i], latex);
  }
  cy_text_add(text, ")");
  if (divide) cy_text_add(text, "/%" PRId64, f.q);
}

void cy_entry_text(cy_text *text, const cy_operator_terms *terms, const cy_operator_term *first, int64_t n, bool latex) {
  bool common = n > 1 && !same(fabs(first->coefficient), 1);
  if (n == 0) cy_text_add(text, "0");
  for (int64_t i = 0; i < n; i++)
    common = common && first[i].n_factors > 0 && same(fabs(first[i].coefficient), fabs(first->coefficient));
  if (common) {
    add_common(text, terms, first, n, latex);
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    double size = fabs(first[i].coefficient);
    bool bare = first[i].n_factors > 0 && same(size, 1);
    add_sign(text, first[i].coefficient < 0, i == 0);
    if (!bare) add_number(text, size, latex);
    if (!bare && first[i].n_factors) cy_text_add(text, latex ? " " : "*");
    add_factors(text, terms, &first[i], latex);
  }
}

/* ---- the whole ---- */

/* What fills a table: names at the margins, and a cell's text. */
typedef struct table {
  int64_t rows, columns;
  cy_shape input, output;
  void (*cell)(cy_text *text, const struct table *table, int64_t row, int64_t column, bool latex);
  const cy_operator_terms *terms;
  const int64_t *row_start; /* terms: where each row's begin */
  const cy_tensor *matrix;
} table;

static void term_cell(cy_text *text, const table *t, int64_t row, int64_t column, bool latex) {
  int64_t low = t->row_start[row], end = t->row_start[row + 1], high = end;
  while (low < high) { /* the first of this column or later */
    int64_t middle = low + (high - low) / 2;
    if (t->terms->terms[middle].column < column) low = middle + 1;
    else high = middle;
  }
  while (high < end && t->terms->terms[high].column == column) high++;
  cy_entry_text(text, t->terms, t->terms->terms ? t->terms->terms + low : NULL, high - low, latex);
}

static void number_cell(cy_text *text, const table *t, int64_t row, int64_t column, bool latex) {
  double value = cy_tensor_at(t->matrix, row * t->columns + column);
  (void)latex;
  cy_text_add(text, value == 0 ? "0" : "%.6g", value);
}

static size_t widest_cell(const table *t, int64_t column, bool *failed) {
  size_t widest = 0;
  for (int64_t row = 0; row < t->rows; row++) {
    cy_text cell = {0};
    t->cell(&cell, t, row, column, false);
    if (cell.length > widest) widest = cell.length;
    *failed = *failed || cell.failed;
    cy_text_clear(&cell);
  }
  return widest;
}

static void add_aligned_row(cy_text *text, const table *t, int64_t row, const int *width) {
  for (int64_t column = 0; column < t->columns; column++) {
    cy_text cell = {0};
    t->cell(&cell, t, row, column, false);
    cy_text_add(text, " %*s", width[column], cell.data ? cell.data : "");
    text->failed = text->failed || cell.failed;
    cy_text_clear(&cell);
  }
  cy_text_add(text, "\n");
}

static cy_status aligned(const table *t, char **out) {
  char name[CY_ELEMENT_NAME];
  cy_text text = {0};
  int margin = 0, *width = cy_calloc((size_t)t->columns + 1, sizeof *width);
  if (!width) return cy_no_memory();
  int in = channel_axes_of(t->input), on = channel_axes_of(t->output);
  for (int64_t row = 0; row < t->rows; row++) {
    int length = (int)strlen(cy_operator_element_name("y", t->output, on, row, false, name));
    if (length > margin) margin = length;
  }
  cy_text_add(&text, "%*s ", margin, "");
  for (int64_t column = 0; column < t->columns; column++) {
    cy_operator_element_name("x", t->input, in, column, false, name);
    size_t widest = widest_cell(t, column, &text.failed), length = strlen(name);
    width[column] = (int)(widest > length ? widest : length);
    cy_text_add(&text, " %*s", width[column], name);
  }
  cy_text_add(&text, "\n");
  for (int64_t row = 0; row < t->rows; row++) {
    cy_text_add(&text, "%-*s ", margin, cy_operator_element_name("y", t->output, on, row, false, name));
    add_aligned_row(&text, t, row, width);
  }
  cy_free(width);
  *out = cy_text_take(&text);
  return *out ? CY_OK : cy_no_memory();
}

static cy_status latex(const table *t, char **out) {
  cy_text text = {0};
  cy_text_add(&text, "\\left(\\begin{array}{*{%" PRId64 "}{c}}\n", t->columns);
  for (int64_t row = 0; row < t->rows; row++) {
    cy_text_add(&text, "  ");
    for (int64_t column = 0; column < t->columns; column++) {
      if (column) cy_text_add(&text, " & ");
      t->cell(&text, t, row, column, true);
    }
    cy_text_add(&text, row + 1 < t->rows ? " \\\\\n" : "\n");
  }
  cy_text_add(&text, "\\end{array}\\right)\n");
  *out = cy_text_take(&text);
  return *out ? CY_OK : cy_no_memory();
}

static cy_status write_terms(const cy_operator_terms *terms, cy_status (*write)(const table *, char **), char **text) {
  *text = NULL;
  int64_t *start = cy_calloc((size_t)terms->rows + 2, sizeof *start);
  if (!start) return cy_no_memory();
  for (int64_t i = 0; i < terms->count; i++) start[terms->terms[i].row + 1]++;
  for (int64_t row = 0; row < terms->rows; row++) start[row + 1] += start[row];
  cy_status status = write(&(table){.rows = terms->rows, .columns = terms->columns, .input = terms->input,
                                    .output = terms->output, .cell = term_cell, .terms = terms, .row_start = start},
                           text);
  cy_free(start);
  return status;
}

static cy_status write_numbers(const cy_operator *op, const cy_tensor *matrix, cy_status (*write)(const table *, char **),
                               char **text) {
  table t = {.rows = cy_operator_rows(op), .columns = cy_operator_columns(op), .input = cy_operator_input_shape(op),
             .output = cy_operator_output_shape(op), .cell = number_cell, .matrix = matrix};
  *text = NULL;
  if (!cy_shape_equal(cy_tensor_shape(matrix), CY_SHAPE(t.rows, t.columns)))
    return cy_fail(CY_INVALID, "the matrix does not have the operator's %" PRId64 " x %" PRId64 " entries", t.rows,
                   t.columns);
  return write(&t, text);
}

cy_status cy_operator_text(const cy_operator_terms *terms, char **text) { return write_terms(terms, aligned, text); }
cy_status cy_operator_latex(const cy_operator_terms *terms, char **text) { return write_terms(terms, latex, text); }
cy_status cy_operator_numbers_text(const cy_operator *op, const cy_tensor *matrix, char **text) {
  return write_numbers(op, matrix, aligned, text);
}
cy_status cy_operator_numbers_latex(const cy_operator *op, const cy_tensor *matrix, char **text) {
  return write_numbers(op, matrix, latex, text);
}
