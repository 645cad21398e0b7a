/* Comma-separated tables of numbers with one column of labels. The text is walked twice: once to count rows and
 * check their lengths, once to convert cells straight into the tensors. Every complaint names line and column. */
#include "io/csv_table.h"

#include "base/memory.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t file_limit = (size_t)1 << 31;

/* ---- labels: from texts to 0..classes-1 in sorted order ---- */

typedef struct label {
  cy_csv_cell text;
  double number;
  int64_t row;
} label;

static int by_number(const void *a, const void *b) {
  double x = ((const label *)a)->number, y = ((const label *)b)->number;
  return (x > y) - (x < y);
}

static int by_text(const void *a, const void *b) {
  const cy_csv_cell *x = &((const label *)a)->text, *y = &((const label *)b)->text;
  int c = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
  return c ? c : (x->length > y->length) - (x->length < y->length);
}

static cy_status add_class(cy_csv *csv, size_t *capacity, cy_csv_cell text) {
  if (!cy_grow(&csv->classes, (size_t)csv->n_classes, capacity, sizeof *csv->classes)) return cy_no_memory();
  char *name = cy_csv_text(text);
  if (!name) return cy_no_memory();
  csv->classes[csv->n_classes++] = name;
  return CY_OK;
}

/* n: of the rows' labels, those that are not missing. */
static cy_status number_classes(label *labels, int64_t n, int64_t rows, cy_csv *csv) {
  size_t capacity = 0;
  bool numeric = true;
  for (int64_t i = 0; i < n && numeric; i++)
    numeric = cy_parse_number(labels[i].text.text, labels[i].text.length, &labels[i].number);
  int (*order)(const void *, const void *) = numeric ? by_number : by_text;
  qsort(labels, (size_t)n, sizeof *labels, order); /* equal labels keep no order: their class is the same */
  CY_TRY(cy_tensor_create(CY_I32, CY_SHAPE(rows), &csv->labels));
  int32_t *out = cy_tensor_i32(csv->labels);
  for (int64_t i = 0; i < rows; i++) out[i] = -1;
  for (int64_t i = 0; i < n; i++) {
    if (i == 0 || order(&labels[i - 1], &labels[i]) != 0) CY_TRY(add_class(csv, &capacity, labels[i].text));
    out[labels[i].row] = (int32_t)(csv->n_classes - 1);
  }
  return CY_OK;
}

/* A summary's names replace class numbers 0, 1, ..., K-1. */
static void name_classes(cy_csv_table *t, cy_csv *csv) {
  if (!t->n_class_names || (int64_t)t->n_class_names != csv->n_classes) return;
  for (int64_t i = 0; i < csv->n_classes; i++) {
    double number;
    if (!cy_parse_number(csv->classes[i], strlen(csv->classes[i]), &number) || number != (double)i) return;
  }
  char **names = t->class_names;
  t->class_names = csv->classes;
  csv->classes = names;
}

/* ---- cells to tensors ---- */

static cy_status convert_row(const cy_csv_reader *r, const cy_csv_table *t, int64_t row, double *values, label *labels,
                             int64_t *n) {
  for (size_t k = 0; k < t->n_chosen; k++) {
    size_t i = t->chosen[k];
    cy_csv_cell c = r->cells[i];
    if (t->missing && cy_csv_is_absent(c)) values[k] = (double)NAN;
    else if (!cy_parse_number(c.text, c.length, &values[k])) return cy_csv_bad_cell(r, i, t->names[i], c);
  }
  if (t->label < 0) return CY_OK;
  cy_csv_cell c = r->cells[t->label];
  bool absent = t->missing && cy_csv_is_absent(c);
  if (!c.length && !absent) return cy_csv_bad_cell(r, (size_t)t->label, t->names[t->label], c);
  if (!absent) labels[(*n)++] = (label){.text = c, .row = row};
  return CY_OK;
}

static cy_status convert(cy_csv_reader *r, cy_csv_table *t, cy_csv *csv) {
  bool more;
  int64_t columns = (int64_t)t->n_chosen, n_labels = 0;
  label *labels = NULL;
  CY_TRY(cy_tensor_create(CY_F64, CY_SHAPE(t->rows, columns), &csv->values));
  if (t->label >= 0 && !(labels = cy_calloc((size_t)t->rows, sizeof *labels))) return cy_no_memory();
  cy_status status = t->header || t->summary ? cy_csv_next(r, &more) : CY_OK;
  double *values = cy_tensor_f64(csv->values);
  for (int64_t row = 0; row < t->rows && status == CY_OK; row++) {
    status = cy_csv_next(r, &more);
    if (status == CY_OK) status = convert_row(r, t, row, values + row * columns, labels, &n_labels);
  }
  if (status == CY_OK && labels) status = number_classes(labels, n_labels, t->rows, csv);
  if (status == CY_OK) name_classes(t, csv);
  cy_free(labels);
  return status;
}

/* Moves the column names into the result, the label's apart. */
static cy_status hand_over_names(cy_csv_table *t, cy_csv *csv) {
  csv->columns = cy_calloc(t->width, sizeof *csv->columns);
  if (!csv->columns) return cy_no_memory();
  for (size_t k = 0; k < t->n_chosen; k++) {
    csv->columns[csv->n_columns++] = t->names[t->chosen[k]];
    t->names[t->chosen[k]] = NULL;
  }
  if (t->label < 0) return CY_OK;
  csv->label_name = t->names[t->label];
  t->names[t->label] = NULL;
  return CY_OK;
}

static cy_status parse(cy_csv_reader *r, cy_csv_options options, const char *const *candidates, int n, cy_csv *csv) {
  cy_csv_table t = {0};
  cy_csv_reader start = *r;
  cy_status status = cy_csv_plan(r, options, candidates, n, &t);
  r->at = start.at;
  r->line = start.line;
  if (status == CY_OK) status = convert(r, &t, csv);
  if (status == CY_OK) status = hand_over_names(&t, csv);
  cy_free(t.chosen);
  cy_csv_free_strings(t.names, t.width);
  cy_csv_free_strings(t.class_names, t.n_class_names);
  return status;
}

static cy_status check_text(const char *path, const char *text, size_t length) {
  const char *zero = memchr(text, 0, length);
  if (!zero) return CY_OK;
  int64_t line = 1;
  for (const char *c = text; c < zero; c++) line += *c == '\n';
  return cy_fail(CY_INVALID, "%s: line %lld holds a zero byte: this is not a text file", path, (long long)line);
}

cy_status cy_csv_load_labelled(const char *path, cy_csv_options options, const char *const *candidates, int n,
                               cy_csv *csv) {
  char *text;
  size_t length;
  *csv = (cy_csv){0};
  CY_TRY(cy_file_read(path, file_limit, &text, &length));
  cy_csv_reader r = {.path = path, .at = text, .end = text + length, .line = 1};
  if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) r.at += 3; /* byte order mark */
  r.separator = options.separator ? options.separator : cy_csv_separator(r.at, (size_t)(r.end - r.at));
  cy_status status = check_text(path, text, length);
  if (status == CY_OK) status = parse(&r, options, candidates, n, csv);
  cy_free(r.cells);
  cy_free(text);
  if (status != CY_OK) cy_csv_clear(csv);
  return status;
}

cy_status cy_csv_load(const char *path, cy_csv_options options, cy_csv *csv) {
  return cy_csv_load_labelled(path, options, &options.label, options.label ? 1 : 0, csv);
}

void cy_csv_clear(cy_csv *csv) {
  cy_tensor_free(csv->values);
  cy_tensor_free(csv->labels);
  cy_csv_free_strings(csv->columns, (size_t)csv->n_columns);
  cy_csv_free_strings(csv->classes, (size_t)csv->n_classes);
  cy_free(csv->label_name);
  *csv = (cy_csv){0};
}
