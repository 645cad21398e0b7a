/* A scale of an axis: the range of its values, linear or logarithmic, and the round numbers on it with their labels.
 * Plain arithmetic: nothing here draws. */
#ifndef CY_IO_PLOT_AXIS_H
#define CY_IO_PLOT_AXIS_H

#include <stdbool.h>

enum { CY_TICK_MAX = 32, CY_TICK_TEXT = 32 };

typedef struct cy_tick {
  double value;
  char label[CY_TICK_TEXT]; /* "" for a minor tick */
} cy_tick;

typedef struct cy_axis {
  double low, high; /* low < high; both > 0 if log */
  bool log, percent;
  int n_ticks;
  cy_tick tick[CY_TICK_MAX];
} cy_axis;

/* About `wanted` ticks at multiples of 1, 2 or 5 times a power of ten; whole: at integers only. */
void cy_axis_ticks(cy_axis *axis, int wanted, bool whole);
/* 0 at low, 1 at high. */
double cy_axis_place(const cy_axis *axis, double value);
/* A value as one would say it: three significant digits, or a share as percent. */
void cy_axis_value(const cy_axis *axis, double value, char text[CY_TICK_TEXT]);

#endif
