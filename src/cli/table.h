/* Tables of text: cells are added row by row, and come out aligned for a terminal, or as Markdown. */
#ifndef CY_CLI_TABLE_H
#define CY_CLI_TABLE_H

#include "cli/terminal.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cli_table {
  int columns;
  const char *align; /* per column: 'l' or 'r' */
  char **cells;      /* the first row is the heading */
  size_t n, capacity;
  bool failed;       /* memory ran out: printing says so */
} cli_table;

void cli_table_add(cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An empty line goes before the last separated_rows rows. */
void cli_table_print(const cli_table *table, const cli_terminal *terminal, int separated_rows);
void cli_table_print_markdown(const cli_table *table);
void cli_table_clear(cli_table *table);
/* Columns that a text takes up, where all characters are one wide. */
int cli_text_columns(const char *text);

#endif
