/* What curves and contours share: the window in the function's coordinates and on the page, and the samples of the
 * function. */
#ifndef CY_IO_PLOT_PATH_H
#define CY_IO_PLOT_PATH_H

#include "io/plot.h"
#include "io/plot_axis.h"

enum { CY_CURVE_SAMPLES = 801, CY_CONTOUR_SAMPLES = 321, CY_MAX_LEVELS = 14 };

typedef struct cy_path_chart {
  cy_plot_options options;
  const cy_plot_function *function;
  const cy_plot_path *paths;
  int n_paths;
  cy_axis x, y;                     /* y: the value of a function of one number, else its second number */
  double left, top, width, height;  /* of the window, in pixels */
  int legend_rows;
  double *samples;                  /* CY_CURVE_SAMPLES, or rows of CY_CONTOUR_SAMPLES from the lowest row */
  double *sorted;                   /* the finite samples, ascending */
  int64_t n_sorted;
  double levels[CY_MAX_LEVELS];     /* of contours, ascending */
  int n_levels;
} cy_path_chart;

double cy_path_px(const cy_path_chart *chart, double x);
double cy_path_py(const cy_path_chart *chart, double y);
/* Text on a ground of many shades. */
void cy_path_halo_text(cairo_t *cr, double x, double middle, double align, const char *text);

/* ---- plot_contours.c ---- */

/* Round numbers between the samples, closer together where the function is low. */
void cy_contour_levels(cy_path_chart *chart);
void cy_draw_contours(cairo_t *cr, const cy_path_chart *chart);

#endif
