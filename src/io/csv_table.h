/* What the files that read tables share: records of cells (csv_record.c), and what a table holds (csv_table.c). */
#ifndef CY_IO_CSV_TABLE_H
#define CY_IO_CSV_TABLE_H

#include "io/csv.h"

#include <stddef.h>

typedef struct cy_csv_cell {
  const char *text; /* without quotes and blanks around; may hold "" if quoted */
  size_t length;
  bool quoted;
} cy_csv_cell;

typedef struct cy_csv_reader {
  const char *path;
  const char *at, *end; /* the rest of the text */
  char separator;
  int64_t line;   /* of at */
  int64_t record; /* the line at which the last record began */
  cy_csv_cell *cells; /* of the last record */
  size_t count, capacity;
} cy_csv_reader;

/* The next record that is not an empty line; *more is false at the end. */
CY_MUST_CHECK cy_status cy_csv_next(cy_csv_reader *r, bool *more);
char *cy_csv_text(cy_csv_cell c); /* NULL if memory is out; cy_free */
bool cy_csv_is_number(cy_csv_cell c);
bool cy_csv_is_absent(cy_csv_cell c); /* NA, null, ... */
/* Fails: the value is missing, or no number. */
CY_MUST_CHECK cy_status cy_csv_bad_cell(const cy_csv_reader *r, size_t column, const char *name, cy_csv_cell c);

typedef struct cy_csv_table {
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
} cy_csv_table;

char cy_csv_separator(const char *text, size_t length); /* the first line's most frequent candidate */
/* Walks the text to its end: rows, width, names, the label, the columns of values. The caller frees what the table
 * holds, also after an error. */
CY_MUST_CHECK cy_status cy_csv_plan(cy_csv_reader *r, cy_csv_options options, const char *const *candidates, int n,
                                    cy_csv_table *t);
void cy_csv_free_strings(char **strings, size_t n);

#endif
