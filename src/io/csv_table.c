/* What a table holds: how many rows and columns, whether the first record names them, which column is the label, and
 * which are the values. */
#include "io/csv_table.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cy_csv_free_strings(char **strings, size_t n) {
  for (size_t i = 0; strings && i < n; i++) cy_free(strings[i]);
  cy_free(strings);
}

static cy_status copy_cells(const cy_csv_cell *cells, size_t n, char ***out) {
  *out = cy_calloc(n, sizeof **out);
  if (!*out) return cy_no_memory();
  for (size_t i = 0; i < n; i++)
    if (!((*out)[i] = cy_csv_text(cells[i]))) return cy_no_memory();
  return CY_OK;
}

char cy_csv_separator(const char *text, size_t length) {
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

static bool has_class_summary(const cy_csv_cell *first, size_t n, int64_t rows, size_t width) {
  double a, b;
  return n >= 2 && cy_parse_number(first[0].text, first[0].length, &a) &&
         cy_parse_number(first[1].text, first[1].length, &b) && a == (double)rows && b + 1 == (double)width;
}

/* Walks the text once: rows, width, and what the first record is. */
static cy_status survey(cy_csv_reader *r, cy_header header, cy_csv_table *t) {
  bool more, numbers_below = false, none_numeric = true;
  cy_csv_cell *first = NULL;
  size_t n_first;
  CY_TRY(cy_csv_next(r, &more));
  if (!more) return cy_fail(CY_INVALID, "%s: holds no rows", r->path);
  n_first = r->count;
  first = cy_calloc(n_first, sizeof *first);
  if (!first) return cy_no_memory();
  memcpy(first, r->cells, n_first * sizeof *first);
  cy_status status = CY_OK;
  for (t->width = 0;;) {
    CY_TRY_GOTO(status, cy_csv_next(r, &more), done);
    if (!more) break;
    if (!t->rows++) t->width = r->count;
    for (size_t i = 0; t->rows == 1 && i < n_first && i < t->width; i++)
      numbers_below |= !cy_csv_is_number(first[i]) && cy_csv_is_number(r->cells[i]);
    if (r->count == t->width) continue;
    status = cy_fail(CY_INVALID, "%s: line %lld has %zu cells but the lines above have %zu", r->path,
                     (long long)r->record, r->count, t->width);
    goto done;
  }
  for (size_t i = 0; i < n_first; i++) none_numeric &= !cy_csv_is_number(first[i]);
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

static cy_status invent_names(cy_csv_table *t) {
  t->names = cy_calloc(t->width, sizeof *t->names);
  if (!t->names) return cy_no_memory();
  for (size_t i = 0; i < t->width; i++) {
    char name[32];
    snprintf(name, sizeof name, "column %zu", i);
    if (!(t->names[i] = cy_strdup(name))) return cy_no_memory();
  }
  return CY_OK;
}

static bool find_column(const cy_csv_table *t, const char *wanted, int64_t *column) {
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

static cy_status choose_label(const char *path, cy_csv_table *t, const char *const *candidates, int n) {
  t->label = -1;
  if (n == 0) return CY_OK;
  for (int i = 0; i < n; i++)
    if (find_column(t, candidates[i], &t->label)) return CY_OK;
  return cy_fail(CY_INVALID, "%s: has no column \"%s\" (%zu columns, \"%s\" to \"%s\")", path, candidates[0], t->width,
                 t->names[0], t->names[t->width - 1]);
}

/* The first column of this name that is not taken yet; width: none. */
static size_t free_column(const cy_csv_table *t, const char *name, bool numbered, const bool *taken) {
  size_t i = 0;
  int64_t number;
  while (i < t->width && (taken[i] || strcmp(t->names[i], name) != 0)) i++;
  if (i == t->width && numbered && find_column(t, name, &number) && !taken[number]) i = (size_t)number;
  return i;
}

static cy_status no_such_column(const char *path, const cy_csv_table *t, const char *name) {
  int64_t there;
  if (t->label >= 0 && strcmp(t->names[t->label], name) == 0)
    return cy_fail(CY_INVALID, "%s: column \"%s\" is the target", path, name);
  if (find_column(t, name, &there) && strcmp(t->names[there], name) == 0)
    return cy_fail(CY_INVALID, "%s: column \"%s\" is named twice", path, name);
  return cy_fail(CY_INVALID, "%s: has no column \"%s\"", path, name);
}

static void choose_rest(cy_csv_table *t, const bool *taken) {
  for (size_t i = 0; i < t->width; i++)
    if (!taken[i]) t->chosen[t->n_chosen++] = i;
}

/* In the order of the options. */
static cy_status choose_named(const char *path, cy_csv_table *t, cy_csv_options options, bool *taken) {
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

static cy_status choose_others(const char *path, cy_csv_table *t, cy_csv_options options, bool *taken) {
  for (int k = 0; k < options.n_without; k++) {
    size_t i = free_column(t, options.without[k], options.numbered, taken);
    if (i == t->width) return no_such_column(path, t, options.without[k]);
    taken[i] = true;
  }
  choose_rest(t, taken);
  return CY_OK;
}

static cy_status choose_columns(const char *path, cy_csv_table *t, cy_csv_options options) {
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
static cy_status leave_text_out(cy_csv_reader *r, cy_csv_table *t) {
  bool more, *numbers = cy_calloc(t->width, sizeof *numbers), *texts = cy_calloc(t->width, sizeof *texts);
  cy_status status = numbers && texts ? CY_OK : cy_no_memory();
  if (status == CY_OK && (t->header || t->summary)) status = cy_csv_next(r, &more);
  for (int64_t row = 0; row < t->rows && status == CY_OK; row++) {
    status = cy_csv_next(r, &more);
    for (size_t i = 0; status == CY_OK && i < t->width; i++) {
      bool number = cy_csv_is_number(r->cells[i]);
      numbers[i] |= number;
      texts[i] |= !number && !cy_csv_is_absent(r->cells[i]);
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

cy_status cy_csv_plan(cy_csv_reader *r, cy_csv_options options, const char *const *candidates, int n, cy_csv_table *t) {
  cy_csv_reader start = *r;
  CY_TRY(survey(r, options.header, t));
  if (!t->names) CY_TRY(invent_names(t));
  CY_TRY(choose_label(r->path, t, candidates, n));
  CY_TRY(choose_columns(r->path, t, options));
  t->missing = options.missing;
  if (!options.missing || options.only) return CY_OK;
  r->at = start.at;
  r->line = start.line;
  return leave_text_out(r, t);
}
