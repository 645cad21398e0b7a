/* Options of windows as lines of text, which models keep so that other tables can be cut alike. */
#include "base/memory.h"
#include "base/text.h"
#include "data/times.h"
#include "io/csv.h"

#include <cauchy/data.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const label_names[] = {"last", "majority", "mean", "min", "max"};
enum { LABELS = sizeof label_names / sizeof *label_names };

const char *cy_window_label_name(int i) { return i >= 0 && i < LABELS ? label_names[i] : NULL; }

typedef enum kind { COUNT, TEXT, LABEL, SHARE } kind;
static const struct row {
  const char *name;
  kind kind;
  size_t offset;
} rows[] = {
#define ROW(field, kind)                                                                                               \
  { #field, kind, offsetof(cy_window_options, field) }
    ROW(length, COUNT), ROW(step, COUNT),           ROW(columns, TEXT),   ROW(time, TEXT),  ROW(missing, TEXT),
    ROW(fill, COUNT),   ROW(label, LABEL),          ROW(horizon, COUNT),  ROW(above, TEXT), ROW(validation, SHARE),
    ROW(test, SHARE),   ROW(validation_from, TEXT), ROW(test_from, TEXT),
#undef ROW
};
enum { ROWS = sizeof rows / sizeof *rows };

cy_status cy_window_options_text(cy_window_options o, char **text) {
  cy_text out = {0};
  char number[CY_TIME_TEXT];
  for (size_t i = 0; i < ROWS; i++) {
    const char *field = (const char *)&o + rows[i].offset;
    int64_t count;
    const char *string;
    double share;
    switch (rows[i].kind) {
      case COUNT:
        memcpy(&count, field, sizeof count);
        if (count) cy_text_add(&out, "%s=%lld\n", rows[i].name, (long long)count);
        break;
      case TEXT:
        memcpy(&string, field, sizeof string);
        if (string) cy_text_add(&out, "%s=%s\n", rows[i].name, string);
        break;
      case LABEL:
        if (o.label) cy_text_add(&out, "%s=%s\n", rows[i].name, cy_window_label_name((int)o.label));
        break;
      case SHARE:
        memcpy(&share, field, sizeof share);
        if (share != 0) cy_text_add(&out, "%s=%s\n", rows[i].name, cy_plain_number(share, 17, number));
        break;
    }
  }
  *text = cy_text_take(&out);
  return *text ? CY_OK : cy_no_memory();
}

static const struct row *find_row(const char *name, size_t length) {
  for (size_t i = 0; i < ROWS; i++)
    if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0) return &rows[i];
  return NULL;
}

static bool read_value(const struct row *row, char *value, cy_window_options *o) {
  char *field = (char *)o + row->offset, *end;
  int64_t count;
  double share;
  switch (row->kind) {
    case COUNT:
      count = strtoll(value, &end, 10);
      memcpy(field, &count, sizeof count);
      return end != value && *end == 0 && count >= 0;
    case TEXT: memcpy(field, &value, sizeof value); return true;
    case LABEL:
      for (int i = 0; i < LABELS; i++)
        if (strcmp(value, label_names[i]) == 0) {
          o->label = (cy_window_label)i;
          return true;
        }
      return false;
    case SHARE:
      if (!cy_parse_number(value, strlen(value), &share)) return false;
      memcpy(field, &share, sizeof share);
      return true;
  }
  return false;
}

cy_status cy_window_options_parse(const char *what, const char *text, cy_window_options *o, char **memory) {
  *o = (cy_window_options){0};
  *memory = cy_strdup(text);
  if (!*memory) return cy_no_memory();
  for (char *line = *memory, *next; *line; line = next) {
    next = line + strcspn(line, "\n");
    if (*next) *next++ = 0;
    char *equals = strchr(line, '=');
    const struct row *row = equals ? find_row(line, (size_t)(equals - line)) : NULL;
    if (row && read_value(row, equals + 1, o)) continue;
    cy_status status = cy_fail(CY_INVALID, "%s: unreadable line of windows: \"%.60s\"", what, line);
    cy_string_free(*memory);
    *memory = NULL;
    *o = (cy_window_options){0};
    return status;
  }
  return CY_OK;
}
