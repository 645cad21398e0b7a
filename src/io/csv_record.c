/* Records of cells: quotes, blanks, separators, empty lines, and what a cell says. Complaints name line and column. */
#include "io/csv_table.h"

#include "base/memory.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 63 };

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

bool cy_csv_is_number(cy_csv_cell c) {
  double ignored;
  return cy_parse_number(c.text, c.length, &ignored);
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static cy_status read_quoted(cy_csv_reader *r, cy_csv_cell *c) {
  const char *start = ++r->at;
  for (;; r->at++) {
    if (r->at == r->end)
      return cy_fail(CY_INVALID, "%s: line %lld: a quoted cell does not end", r->path, (long long)r->record);
    if (*r->at == '\n') r->line++;
    if (*r->at != '"') continue;
    if (r->at + 1 < r->end && r->at[1] == '"') r->at++;
    else break;
  }
  *c = (cy_csv_cell){start, (size_t)(r->at++ - start), true};
  while (r->at < r->end && is_blank(*r->at) && *r->at != r->separator) r->at++;
  if (r->at < r->end && *r->at != r->separator && *r->at != '\n' && *r->at != '\r')
    return cy_fail(CY_INVALID, "%s: line %lld: text follows the closing quote of a cell", r->path,
                   (long long)r->record);
  return CY_OK;
}

static void read_plain(cy_csv_reader *r, cy_csv_cell *c) {
  const char *start = r->at;
  while (r->at < r->end && *r->at != r->separator && *r->at != '\n') r->at++;
  const char *stop = r->at;
  if (stop > start && stop[-1] == '\r') stop--;
  while (stop > start && is_blank(stop[-1])) stop--;
  *c = (cy_csv_cell){start, (size_t)(stop - start), false};
}

static cy_status read_cell(cy_csv_reader *r) {
  cy_csv_cell c;
  while (r->at < r->end && is_blank(*r->at) && *r->at != r->separator) r->at++;
  if (r->at < r->end && *r->at == '"') CY_TRY(read_quoted(r, &c));
  else read_plain(r, &c);
  if (!cy_grow(&r->cells, r->count, &r->capacity, sizeof(cy_csv_cell))) return cy_no_memory();
  r->cells[r->count++] = c;
  return CY_OK;
}

cy_status cy_csv_next(cy_csv_reader *r, bool *more) {
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

char *cy_csv_text(cy_csv_cell c) {
  char *text = cy_strndup(c.text, c.length);
  if (!text || !c.quoted) return text;
  char *to = text;
  for (const char *from = text; *from; from += from[0] == '"' && from[1] == '"' ? 2 : 1) *to++ = *from;
  *to = 0;
  return text;
}

bool cy_csv_is_absent(cy_csv_cell c) {
  static const char *const absent[] = {"", "NA", "N/A", "nan", "NaN", "NAN", "null", "NULL", "?", "-"};
  for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
    if (strlen(absent[i]) == c.length && memcmp(absent[i], c.text, c.length) == 0) return true;
  return false;
}

cy_status cy_csv_bad_cell(const cy_csv_reader *r, size_t column, const char *name, cy_csv_cell c) {
  if (cy_csv_is_absent(c))
    return cy_fail(CY_INVALID, "%s: line %lld, column %zu (%s): the value is missing (\"%.*s\")", r->path,
                   (long long)r->record, column + 1, name, (int)c.length, c.text);
  return cy_fail(CY_INVALID, "%s: line %lld, column %zu (%s): \"%.*s\" is not a number", r->path,
                 (long long)r->record, column + 1, name, c.length < 40 ? (int)c.length : 40, c.text);
}
