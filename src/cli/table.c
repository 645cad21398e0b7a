#include "cli/table.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cli_table_add(cli_table *table, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  char *copy = cy_strdup(text);
  if (!copy || !cy_grow(&table->cells, table->n, &table->capacity, sizeof *table->cells)) {
    cy_free(copy);
    table->failed = true;
    return;
  }
  table->cells[table->n++] = copy;
}

void cli_table_clear(cli_table *table) {
  for (size_t i = 0; i < table->n; i++) cy_free(table->cells[i]);
  cy_free(table->cells);
  table->cells = NULL;
  table->n = table->capacity = 0;
}

int cli_text_columns(const char *text) {
  int columns = 0;
  for (; *text; text++) columns += ((unsigned char)*text & 0xc0) != 0x80;
  return columns;
}

static void print_padded(const char *text, int width, bool right, bool last) {
  int gap = width - cli_text_columns(text);
  if (right) printf("%*s%s", gap > 0 ? gap : 0, "", text);
  else printf("%s%*s", text, !last && gap > 0 ? gap : 0, "");
}

static int column_width(const cli_table *t, int column) {
  int widest = 0;
  for (size_t i = (size_t)column; i < t->n; i += (size_t)t->columns) {
    int width = cli_text_columns(t->cells[i]);
    if (width > widest) widest = width;
  }
  return widest;
}

/* Cells of a row up to the last that is not empty: no line ends with blanks. */
static int filled(const cli_table *t, size_t row) {
  int n = t->columns;
  while (n > 1 && !t->cells[row * (size_t)t->columns + (size_t)n - 1][0]) n--;
  return n;
}

enum { MOST_COLUMNS = 16 };

void cli_table_print(const cli_table *t, const cli_terminal *terminal, int separated_rows) {
  int width[MOST_COLUMNS];
  size_t rows = t->n / (size_t)t->columns;
  for (int c = 0; c < t->columns; c++) width[c] = column_width(t, c);
  for (size_t r = 0; r < rows; r++) {
    if (separated_rows > 0 && r == rows - (size_t)separated_rows) printf("\n");
    printf("%s", r == 0 ? cli_style_on(terminal, CLI_BOLD) : "");
    int n = filled(t, r);
    for (int c = 0; c < n; c++) {
      if (c) printf("  ");
      print_padded(t->cells[r * (size_t)t->columns + (size_t)c], width[c], t->align[c] == 'r', c + 1 == n);
    }
    printf("%s\n", r == 0 ? cli_style_off(terminal) : "");
  }
}

void cli_table_print_markdown(const cli_table *t) {
  size_t rows = t->n / (size_t)t->columns;
  for (size_t r = 0; r < rows; r++) {
    for (int c = 0; c < t->columns; c++) {
      const char *cell = t->cells[r * (size_t)t->columns + (size_t)c];
      int indent = (int)strspn(cell, " ");
      printf("| ");
      for (int i = 0; i < indent; i++) printf("&nbsp;");
      printf("%s ", cell + indent);
    }
    printf("|\n");
    for (int c = 0; r == 0 && c < t->columns; c++) printf("|%s", t->align[c] == 'r' ? "---:" : "---");
    if (r == 0) printf("|\n");
  }
}
