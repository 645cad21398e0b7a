/* Charts: training curves, confusion matrices and grids of images. Each is drawn once and written to as many files
 * as paths are given: PNG (at twice the nominal size, for sharp screens) and SVG come from the same drawing. Files
 * appear whole or not at all. In a build without cairo every function here fails with CY_UNSUPPORTED. */
#ifndef CAUCHY_PLOT_H
#define CAUCHY_PLOT_H

#include <cauchy/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One curve: n points (x[i], y[i]); x may be NULL for 1, 2, ..., n. NaN or infinite points interrupt the line. Long
 * curves are thinned to what the width can show, keeping every peak. */
typedef struct cy_plot_series {
  const char *name; /* in the legend; NULL or "" for none */
  const double *x, *y;
  int64_t n;
  int color;      /* 0: the next of the palette; k > 0: colour k of it, so that panels can agree (1 blue, 2 orange, ...) */
  bool dashed;
  bool points;    /* no line: a dot for each point */
} cy_plot_series;

/* One pair of axes with its curves. */
typedef struct cy_plot_panel {
  const char *y_label;
  const cy_plot_series *series;
  int n_series;
  bool log_y;           /* points <= 0 are left out */
  bool percent;         /* y is a share: 0.98 reads 98 % */
  double y_low, y_high; /* both 0: from the data */
} cy_plot_panel;

typedef struct cy_plot_options {
  const char *title, *subtitle; /* NULL for none */
  const char *x_label;          /* under the lowest panel */
  int width, height;            /* nominal size in pixels; 0: 800 by 320 + 180 per panel and so on */
  bool log_x;                   /* of line charts: every x must be positive */
  bool no_ends;                 /* of line charts: without the last value of each curve beside its end */
} cy_plot_options;

/* Panels stand above each other and share the x axis: loss above, accuracy below. png, svg: paths, either may be
 * NULL. Fails with CY_INVALID without panels, CY_IO if a file cannot be written.
 *
 *   cy_plot_series loss[] = {{.name = "training", .y = a, .n = 20}, {.name = "validation", .y = b, .n = 20}};
 *   cy_plot_panel panel = {.y_label = "loss", .series = loss, .n_series = 2};
 *   cy_plot_lines(&panel, 1, (cy_plot_options){.title = "digits", .x_label = "epoch"}, "curves.png", "curves.svg"); */
CY_API CY_MUST_CHECK cy_status cy_plot_lines(const cy_plot_panel *panels, int n_panels, cy_plot_options options,
                                             const char *png, const char *svg);

/* counts[true * classes + predicted], classes >= 1 and <= 1000; names[classes] may be NULL for 0, 1, 2, ... Shades
 * show the share of each true class (row); the right margin gives its recall. Counts are written while they fit. */
CY_API CY_MUST_CHECK cy_status cy_plot_confusion(const int64_t *counts, int classes, const char *const *names,
                                                 cy_plot_options options, const char *png, const char *svg);

/* A grid of images: u8 tensor N x H x W (grey) or N x C x H x W (C 1 or 3), row by row with the given number of columns
 * (0: about as wide as high). captions[N] may be NULL, and so may each caption. Pixels are enlarged by whole
 * factors and stay squares. */
CY_API CY_MUST_CHECK cy_status cy_plot_images(const cy_tensor *images, const char *const *captions, int columns,
                                              cy_plot_options options, const char *png, const char *svg);

/* A function of one or two numbers, to be drawn as a curve or by its contours. */
typedef struct cy_plot_function {
  int variables;                                /* 1 or 2 */
  const char *labels[2];                        /* of the axes: "x", "y" */
  double (*value)(void *user, const double *x); /* NaN where it is undefined */
  void *user;
} cy_plot_function;

/* Points that were visited one after the other: [n, variables], row-major. */
typedef struct cy_plot_path {
  const char *name; /* in the legend; NULL or "" for none */
  const double *points;
  int64_t n;
  bool open; /* the last point is no end: it is not marked as one */
} cy_plot_path;

/* Paths on the function: on its curve, or over its contours. The window holds the starts and what lies about as far from the
 * lowest point as they do; a path that leaves it is cut at the border. The function is computed some ten thousand times. */
CY_API CY_MUST_CHECK cy_status cy_plot_paths(const cy_plot_function *function, const cy_plot_path *paths, int n_paths,
                                             cy_plot_options options, const char *png, const char *svg);

/* A classifier of points in a plane: its probabilities on a grid, and samples. */
typedef struct cy_plot_plane {
  const char *labels[2];       /* of the axes: "x1", "x2" */
  double low[2], high[2];      /* the window; low < high */
  int classes;                 /* 2 to 10 */
  const char *const *names;    /* of the classes; NULL: their numbers */
  int columns, rows;           /* of the grid, at least 2; its outermost points lie on the window's edges */
  const double *probabilities; /* [rows, columns, classes]; the first row is the lowest */
  const double *points;        /* [n, 2]; may be NULL if n is 0 */
  const int64_t *actual;       /* [n]: the points' classes */
  const int64_t *predicted;    /* [n], or NULL; points where it differs get a dark edge */
  int64_t n;
} cy_plot_plane;

/* Decision regions: the colour of the most probable class at each place of the window, the fainter the less certain, with the
 * borders between classes as lines, and the points on top, a colour and a shape for each class. Points outside are left out. */
CY_API CY_MUST_CHECK cy_status cy_plot_regions(const cy_plot_plane *plane, cy_plot_options options, const char *png,
                                               const char *svg);

#ifdef __cplusplus
}
#endif
#endif
