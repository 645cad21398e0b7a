/* Comma-separated tables of numbers with one column of labels. The text is walked twice: once to count rows and
 * check their lengths, once to convert cells straight into the tensors. Every complaint names line and column. */
#include "io/csv.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 63 };
static const size_t file_limit = (size_t)1 << 31;

typedef struct cell {
  const char *text; /* without quotes and blanks around; may hold "" if quoted */
  size_t length;
  bool quoted;
} cell;

typedef struct reader {
  const char *path;
  const char *at, *end; /* the rest of the text */
  char separator;
  int64_t line;   /* of at */
  int64_t record; /* the line at which the last record began */
  cell *cells;    /* of the last record */
  size_t count, capacity;
} reader;

/* ---- numbers ---- */

bool cy_parse_number(const char *text, size_t length, double *value) {
  char copy[NUMBER_MAX + 1], *stop;
  if (length == 0 || length > NUMBER_MAX || strspn(text, "+-.0123456789eE") < length) return false;
  memcpy(copy, text, length);
  copy[length] = 0;
  /* strtod's point depends on the locale; only C's is accepted here. */
  locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!c_locale) return false;
  *value = strtod_l(copy, &stop, c_locale);
  freelocale(c_locale);
  return stop == copy + length && isfinite(*value);
}

static bool is_number(cell c) {
  double ignored;
  return cy_parse_number(c.text, c.length, &ignored);
}

/* ---- records ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static cy_status read_quoted(reader *r, cell *c) {
  const char *start = ++r->at;
  for (;; r->at++) {
    if (r->at == r->end)
      return cy_fail(CY_INVALID, "%s: line %lld: a quoted cell does not end", r->path, (long long)r->record);
    if (*r->at == '\n') r->line++;
    if (*r->at != '"') continue;
    if (r->at + 1 < r->end && r->at[1] == '"') r->at++;
    else break;
  }
  *c = (cell){start, (size_t)(r->at++ - start), true};
  while (r->at < r->end && is_blank(*r->at) && *r->at != r->separator) r->at++;
  if (r->at < r->end && *r->at != r->separator && *r->at != '\n' && *r->at != '\r')
    return cy_fail(CY_INVALID, "%s: line %lld: text follows the closing quote of a cell", r->path,
                   (long long)r->record);
  return CY_OK;
}

static void read_plain(reader *r, cell *c) {
  const char *start = r->at;
  while (r->at < r->end && *r->at != r->separator && *r->at != '\n') r->at++;
  const char *stop = r->at;
  if (stop > start && stop[-1] == '\r') stop--;
  while (stop > start && is_blank(stop[-1])) stop--;
  *c = (cell){start, (size_t)(stop - start), false};
}

static cy_status read_cell(reader *r) {
  cell c;
  while (r->at < r->end && is_blank(*r->at) && *r->at != r->separator) r->at++;
  if (r->at < r->end && *r->at == '"') CY_TRY(read_quoted(r, &c));
  else read_plain(r, &c);
  if (!cy_grow(&r->cells, r->count, &r->capacity, sizeof(cell))) return cy_no_memory();
  r->cells[r->count++] = c;
  return CY_OK;
}

/* The next record that is not an empty line; *more is false at the end. */
static cy_status next_record(reader *r, bool *more) {
  for (;;) {
    while (r->at < r->end && (*r->at == '\n' || *r->at == '\r')) r->line += *r->at++ == '\n';
    *more = r->at < r->end;
    if (!*more) return CY_OK;
    r->record = r->line;
    r->count = 0;
    for (bool same = true; same;) {
      CY_TRY(read_cell(r));
      same = r->at < r->end && *r->at == r->separator;
      if (same) r->at++;
    }
    if (r->count > 1 || r->cells[0].length) return CY_OK; /* blanks alone are an empty line */
  }
}

static char *cell_text(cell c) {
  char *text = cy_strndup(c.text, c.length);
  if (!text || !c.quoted) return text;
  char *to = text;
  for (const char *from = text; *from; from += from[0] == '"' && from[1] == '"' ? 2 : 1) *to++ = *from;
  *to = 0;
  return text;
}

static bool is_absent(cell c) {
  static const char *const absent[] = {"", "NA", "N/A", "nan", "NaN", "NAN", "null", "NULL", "?", "-"};
  for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
    if (strlen(absent[i]) == c.length && memcmp(absent[i], c.text, c.length) == 0) return true;
  return false;
}

static cy_status bad_cell(const reader *r, size_t column, const char *name, cell c) {
  if (is_absent(c))
    return cy_fail(CY_INVALID, "%s: line %lld, column %zu (%s): the value is missing (\"%.*s\")", r->path,
                   (long long)r->record, column + 1, name, (int)c.length, c.text);
  return cy_fail(CY_INVALID, "%s: line %lld, column %zu (%s): \"%.*s\" is not a number", r->path,
                 (long long)r->record, column + 1, name, c.length < 40 ? (int)c.length : 40, c.text);
}

/* ---- the shape of the table ---- */

typedef struct table {
  size_t width;
  int64_t rows;
  int64_t label;     /* its column; -1: none */
  size_t *chosen;    /* the columns of values, in order */
  size_t n_chosen;
  bool missing;      /* absent values are no errors */
  bool header;       /* the first record names the columns */
  bool summary;      /* the first record is "rows,columns,class,class,..." */
  char **names;      /* of all columns, [width] */
  char **class_names; /* of the summary */
  size_t n_class_names;
} table;

static void free_strings(char **strings, size_t n) {
  for (size_t i = 0; strings && i < n; i++) cy_free(strings[i]);
  cy_free(strings);
}

static cy_status copy_cells(const cell *cells, size_t n, char ***out) {
  *out = cy_calloc(n, sizeof **out);
  if (!*out) return cy_no_memory();
  for (size_t i = 0; i < n; i++)
    if (!((*out)[i] = cell_text(cells[i]))) return cy_no_memory();
  return CY_OK;
}

/* The first line's most frequent candidate. */
static char detect_separator(const char *text, size_t length) {
  static const char candidates[] = ",;\t";
  const char *stop = memchr(text, '\n', length);
  size_t line = stop ? (size_t)(stop - text) : length;
  char best = ',';
  size_t most = 0;
  for (const char *c = candidates; *c; c++) {
    size_t n = 0;
    bool quoted = false;
    for (size_t i = 0; i < line; i++) {
      if (text[i] == '"') quoted = !quoted;
      n += !quoted && text[i] == *c;
    }
    if (n > most) most = n, best = *c;
  }
  return best;
}

static bool has_class_summary(const cell *first, size_t n, int64_t rows, size_t width) {
  double a, b;
  return n >= 2 && cy_parse_number(first[0].text, first[0].length, &a) &&
         cy_parse_number(first[1].text, first[1].length, &b) && a == (double)rows && b + 1 == (double)width;
}

/* Walks the text once: rows, width, and what the first record is. */
static cy_status survey(reader *r, cy_header header, table *t) {
  bool more, numbers_below = false, none_numeric = true;
  cell *first = NULL;
  size_t n_first;
  CY_TRY(next_record(r, &more));
  if (!more) return cy_fail(CY_INVALID, "%s: holds no rows", r->path);
  n_first = r->count;
  first = cy_calloc(n_first, sizeof *first);
  if (!first) return cy_no_memory();
  memcpy(first, r->cells, n_first * sizeof *first);
  cy_status status = CY_OK;
  for (t->width = 0;;) {
    CY_TRY_GOTO(status, next_record(r, &more), done);
    if (!more) break;
    if (!t->rows++) t->width = r->count;
    for (size_t i = 0; t->rows == 1 && i < n_first && i < t->width; i++)
      numbers_below |= !is_number(first[i]) && is_number(r->cells[i]);
    if (r->count == t->width) continue;
    status = cy_fail(CY_INVALID, "%s: line %lld has %zu cells but the lines above have %zu", r->path,
                     (long long)r->record, r->count, t->width);
    goto done;
  }
  for (size_t i = 0; i < n_first; i++) none_numeric &= !is_number(first[i]);
  if (!t->rows) t->width = n_first;
  t->summary = header == CY_HEADER_DETECT && has_class_summary(first, n_first, t->rows, t->width);
  t->header = !t->summary && (header == CY_HEADER_YES ||
                              (header == CY_HEADER_DETECT && (numbers_below || (!t->rows && none_numeric))));
  if (t->summary) {
    t->n_class_names = n_first - 2;
    CY_TRY_GOTO(status, copy_cells(first + 2, n_first - 2, &t->class_names), done);
  } else {
    if (n_first != t->width) {
      status = cy_fail(CY_INVALID, "%s: the first line has %zu cells but the next has %zu", r->path, n_first, t->width);
      goto done;
    }
    t->rows += !t->header;
    if (t->header) CY_TRY_GOTO(status, copy_cells(first, n_first, &t->names), done);
  }
  if (!t->rows) status = cy_fail(CY_INVALID, "%s: holds a header but no rows", r->path);
done:
  cy_free(first);
  return status;
}

static cy_status invent_names(table *t) {
  t->names = cy_calloc(t->width, sizeof *t->names);
  if (!t->names) return cy_no_memory();
  for (size_t i = 0; i < t->width; i++) {
    char name[32];
    snprintf(name, sizeof name, "column %zu", i);
    if (!(t->names[i] = cy_strdup(name))) return cy_no_memory();
  }
  return CY_OK;
}

static bool find_column(const table *t, const char *wanted, int64_t *column) {
  char *stop;
  for (size_t i = 0; i < t->width; i++)
    if (strcmp(t->names[i], wanted) == 0) {
      *column = (int64_t)i;
      return true;
    }
  *column = strtoll(wanted, &stop, 10);
  if (*stop || stop == wanted) return false;
  if (*column == -1) *column = (int64_t)t->width - 1;
  return *column >= 0 && *column < (int64_t)t->width;
}

static cy_status choose_label(const char *path, table *t, const char *const *candidates, int n) {
  t->label = -1;
  if (n == 0) return CY_OK;
  for (int i = 0; i < n; i++)
    if (find_column(t, candidates[i], &t->label)) return CY_OK;
  return cy_fail(CY_INVALID, "%s: has no column \"%s\" (%zu columns, \"%s\" to \"%s\")", path, candidates[0], t->width,
                 t->names[0], t->names[t->width - 1]);
}

/* The first column of this name that is not taken yet; width: none. */
static size_t free_column(const table *t, const char *name, bool numbered, const bool *taken) {
  size_t i = 0;
  int64_t number;
  while (i < t->width && (taken[i] || strcmp(t->names[i], name) != 0)) i++;
  if (i == t->width && numbered && find_column(t, name, &number) && !taken[number]) i = (size_t)number;
  return i;
}

static cy_status no_such_column(const char *path, const table *t, const char *name) {
  int64_t there;
  if (t->label >= 0 && strcmp(t->names[t->label], name) == 0)
    return cy_fail(CY_INVALID, "%s: column \"%s\" is the target", path, name);
  if (find_column(t, name, &there) && strcmp(t->names[there], name) == 0)
    return cy_fail(CY_INVALID, "%s: column \"%s\" is named twice", path, name);
  return cy_fail(CY_INVALID, "%s: has no column \"%s\"", path, name);
}

static void choose_rest(table *t, const bool *taken) {
  for (size_t i = 0; i < t->width; i++)
    if (!taken[i]) t->chosen[t->n_chosen++] = i;
}

/* In the order of the options. */
static cy_status choose_named(const char *path, table *t, cy_csv_options options, bool *taken) {
  for (int k = 0; k < options.n_only; k++) {
    size_t i = free_column(t, options.only[k], options.numbered, taken);
    if (i == t->width && (t->header || k > 0)) return no_such_column(path, t, options.only[k]);
    if (i == t->width) { /* its columns have no names: they are taken in order */
      choose_rest(t, taken);
      return CY_OK;
    }
    taken[i] = true;
    t->chosen[t->n_chosen++] = i;
  }
  return CY_OK;
}

static cy_status choose_others(const char *path, table *t, cy_csv_options options, bool *taken) {
  for (int k = 0; k < options.n_without; k++) {
    size_t i = free_column(t, options.without[k], options.numbered, taken);
    if (i == t->width) return no_such_column(path, t, options.without[k]);
    taken[i] = true;
  }
  choose_rest(t, taken);
  return CY_OK;
}

static cy_status choose_columns(const char *path, table *t, cy_csv_options options) {
  bool *taken = cy_calloc(t->width, sizeof *taken);
  t->chosen = cy_calloc(t->width, sizeof *t->chosen);
  if (!taken || !t->chosen) {
    cy_free(taken);
    return cy_no_memory();
  }
  if (t->label >= 0) taken[t->label] = true;
  cy_status status = options.only ? choose_named(path, t, options, taken) : choose_others(path, t, options, taken);
  cy_free(taken);
  return status;
}

/* Without a list of columns and where values may be missing: a column that holds text, or nothing, is left out. */
static cy_status leave_text_out(reader *r, table *t) {
  bool more, *numbers = cy_calloc(t->width, sizeof *numbers), *texts = cy_calloc(t->width, sizeof *texts);
  cy_status status = numbers && texts ? CY_OK : cy_no_memory();
  if (status == CY_OK && (t->header || t->summary)) status = next_record(r, &more);
  for (int64_t row = 0; row < t->rows && status == CY_OK; row++) {
    status = next_record(r, &more);
    for (size_t i = 0; status == CY_OK && i < t->width; i++) {
      bool number = is_number(r->cells[i]);
      numbers[i] |= number;
      texts[i] |= !number && !is_absent(r->cells[i]);
    }
  }
  size_t kept = 0;
  for (size_t k = 0; status == CY_OK && k < t->n_chosen; k++)
    if (numbers[t->chosen[k]] && !texts[t->chosen[k]]) t->chosen[kept++] = t->chosen[k];
  t->n_chosen = kept;
  cy_free(numbers);
  cy_free(texts);
  return status;
}

/* ---- labels: from texts to 0..classes-1 in sorted order ---- */

typedef struct label {
  cell text;
  double number;
  int64_t row;
} label;

static int by_number(const void *a, const void *b) {
  double x = ((const label *)a)->number, y = ((const label *)b)->number;
  return (x > y) - (x < y);
}

static int by_text(const void *a, const void *b) {
  const cell *x = &((const label *)a)->text, *y = &((const label *)b)->text;
  int c = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
  return c ? c : (x->length > y->length) - (x->length < y->length);
}


static cy_status add_class(cy_csv *csv, size_t *capacity, cell text) {
  if (!cy_grow(&csv->classes, (size_t)csv->n_classes, capacity, sizeof *csv->classes)) return cy_no_memory();
  char *name = cell_text(text);
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
static void name_classes(table *t, cy_csv *csv) {
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

static cy_status convert_row(const reader *r, const table *t, int64_t row, double *values, label *labels, int64_t *n) {
  for (size_t k = 0; k < t->n_chosen; k++) {
    size_t i = t->chosen[k];
    cell c = r->cells[i];
    if (t->missing && is_absent(c)) values[k] = (double)NAN;
    else if (!cy_parse_number(c.text, c.length, &values[k])) return bad_cell(r, i, t->names[i], c);
  }
  if (t->label < 0) return CY_OK;
  cell c = r->cells[t->label];
  bool absent = t->missing && is_absent(c);
  if (!c.length && !absent) return bad_cell(r, (size_t)t->label, t->names[t->label], c);
  if (!absent) labels[(*n)++] = (label){.text = c, .row = row};
  return CY_OK;
}

static cy_status convert(reader *r, table *t, cy_csv *csv) {
  bool more;
  int64_t columns = (int64_t)t->n_chosen, n_labels = 0;
  label *labels = NULL;
  CY_TRY(cy_tensor_create(CY_F64, CY_SHAPE(t->rows, columns), &csv->values));
  if (t->label >= 0 && !(labels = cy_calloc((size_t)t->rows, sizeof *labels))) return cy_no_memory();
  cy_status status = t->header || t->summary ? next_record(r, &more) : CY_OK;
  double *values = cy_tensor_f64(csv->values);
  for (int64_t row = 0; row < t->rows && status == CY_OK; row++) {
    status = next_record(r, &more);
    if (status == CY_OK) status = convert_row(r, t, row, values + row * columns, labels, &n_labels);
  }
  if (status == CY_OK && labels) status = number_classes(labels, n_labels, t->rows, csv);
  if (status == CY_OK) name_classes(t, csv);
  cy_free(labels);
  return status;
}

/* Moves the column names into the result, the label's apart. */
static cy_status hand_over_names(table *t, cy_csv *csv) {
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

static cy_status parse(reader *r, cy_csv_options options, const char *const *candidates, int n, cy_csv *csv) {
  table t = {0};
  reader start = *r;
  cy_status status;
  CY_TRY_GOTO(status, survey(r, options.header, &t), done);
  if (!t.names) CY_TRY_GOTO(status, invent_names(&t), done);
  CY_TRY_GOTO(status, choose_label(r->path, &t, candidates, n), done);
  CY_TRY_GOTO(status, choose_columns(r->path, &t, options), done);
  t.missing = options.missing;
  r->at = start.at;
  r->line = start.line;
  if (options.missing && !options.only) CY_TRY_GOTO(status, leave_text_out(r, &t), done);
  r->at = start.at;
  r->line = start.line;
  CY_TRY_GOTO(status, convert(r, &t, csv), done);
  status = hand_over_names(&t, csv);
done:
  cy_free(t.chosen);
  free_strings(t.names, t.width);
  free_strings(t.class_names, t.n_class_names);
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
  reader r = {.path = path, .at = text, .end = text + length, .line = 1};
  if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) r.at += 3; /* byte order mark */
  r.separator = options.separator ? options.separator : detect_separator(r.at, (size_t)(r.end - r.at));
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
  free_strings(csv->columns, (size_t)csv->n_columns);
  free_strings(csv->classes, (size_t)csv->n_classes);
  cy_free(csv->label_name);
  *csv = (cy_csv){0};
}
