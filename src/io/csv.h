/* Reading a table when the label column may have one of several names; src/data opens CSV data sets with it. */
#ifndef CY_IO_CSV_H
#define CY_IO_CSV_H

#include "base/error.h"

#include <cauchy/io.h>

/* As cy_csv_load with the first of these names that is a column as the label ("-1": the last column, always there). */
cy_status cy_csv_load_labelled(const char *path, cy_csv_options options, const char *const *candidates, int n,
                               cy_csv *csv);
/* A cell as a finite number, read as in C whatever the locale: false if it is anything else. */
bool cy_parse_number(const char *text, size_t length, double *value);

#endif
