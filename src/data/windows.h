/* Where the samples of a data set of windows come from, kept with it: which rows of which series, and which part of the
 * split they belong to. Made by windows.c when the windows are cut, read by split.c and by those who look. */
#ifndef CY_DATA_WINDOWS_H
#define CY_DATA_WINDOWS_H

#include "data/series.h"

typedef enum cy_window_part { CY_WINDOW_TRAIN, CY_WINDOW_VALIDATION, CY_WINDOW_TEST } cy_window_part;

typedef struct cy_window {
  int32_t series, label; /* label: of classes */
  int64_t row;           /* of its series, the first */
  cy_window_part part;
  double number; /* target of numbers; what is compared with `above` */
} cy_window;

typedef struct cy_windows {
  cy_window_options options; /* resolved; its strings lie in memory */
  char *memory, *notes;
  char **names;   /* of the series */
  double *begins; /* their first times */
  size_t series;
  bool timed, calendar;
  double interval;
  cy_window *items; /* [samples] */
  int64_t left_out; /* windows that are no samples */
} cy_windows;
void cy_windows_free(cy_windows *windows);

/* name: of the data set. target NULL: samples are their own targets. */
cy_status cy_open_windows(const char *name, const char *spec, const char *target, cy_dataset_options options,
                          cy_dataset **dataset);

#endif
