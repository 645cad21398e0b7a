/* Tables whose rows follow each other in time, read from files: one series per file, on an even grid of rows.
 * windows.c cuts them. Invariant: every value is finite or NaN, which is a gap; rows that the times lack are gaps in
 * all columns. */
#ifndef CY_DATA_SERIES_H
#define CY_DATA_SERIES_H

#include "base/error.h"

#include <cauchy/data.h>

/* Words of a list: "a, b, c". */
typedef struct cy_words {
  char **items;
  size_t count, capacity;
} cy_words;
CY_MUST_CHECK cy_status cy_words_add(cy_words *words, const char *text, size_t length);
/* "a, b c": words between commas; in quotes they may hold commas, and "" for a quote. */
CY_MUST_CHECK cy_status cy_words_split(const char *list, cy_words *words);
int64_t cy_words_find(const cy_words *words, const char *word); /* -1: not there */
void cy_words_clear(cy_words *words);

typedef struct cy_series {
  char *name; /* of the file, without folder and ending */
  int64_t rows;
  int64_t added;    /* of these, rows that the file lacks */
  double *values;   /* [rows, sensors] */
  double *numbers;  /* [rows]: the target; NULL: none, or classes */
  int32_t *classes; /* [rows]: -1: missing; NULL: none, or numbers */
  double begin;     /* time of row 0 */
} cy_series;

typedef enum cy_target_kind { CY_TARGET_NONE, CY_TARGET_NUMBERS, CY_TARGET_CLASSES } cy_target_kind;

/* All files of a data set. Begin with zeros. */
typedef struct cy_series_set {
  cy_words sensors, times; /* column names */
  cy_words classes;        /* of all files, sorted: numbers as numbers, else by bytes */
  cy_target_kind kind;
  bool timed, calendar;
  double interval; /* between rows; 1 without times */
  cy_series *items;
  size_t count, capacity;
} cy_series_set;

/* spec: a CSV file, a folder of them, or a pattern. target: NULL: none is read. */
CY_MUST_CHECK cy_status cy_series_read(const char *spec, const char *target, cy_task task, cy_window_options options,
                                       cy_series_set *set);
void cy_series_clear(cy_series_set *set);

#endif
