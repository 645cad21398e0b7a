/* Paths of a minimisation on the function: over its curve if it has one variable, over its contours if it has two.
 * The window is chosen here, and the function sampled on it. */
#include "io/plot_path.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_SIZE = 11, LEGEND_SIZE = 12, LEGEND_ROW = 20, SWATCH = 22, MARKED = 120, NUMBERED = 12, MAX_PATHS = 16 };

double cy_path_px(const cy_path_chart *c, double x) { return c->left + cy_axis_place(&c->x, x) * c->width; }
double cy_path_py(const cy_path_chart *c, double y) { return c->top + (1 - cy_axis_place(&c->y, y)) * c->height; }

void cy_path_halo_text(cairo_t *cr, double x, double middle, double align, const char *text) {
  cairo_text_extents_t capital;
  cairo_text_extents(cr, "H", &capital);
  cairo_save(cr);
  cairo_move_to(cr, x - align * cy_text_width(cr, text), middle + capital.height / 2);
  cairo_text_path(cr, text);
  cairo_path_t *outline = cairo_copy_path(cr);
  cairo_set_source_rgba(cr, 1, 1, 1, 0.85);
  cairo_set_line_width(cr, 3.5);
  cairo_stroke(cr);
  cairo_restore(cr);
  cairo_append_path(cr, outline);
  cairo_fill(cr);
  cairo_path_destroy(outline);
}

/* ---- the window ---- */

static const double *point_of(const cy_path_chart *c, int path, int64_t i) {
  return &c->paths[path].points[i * c->function->variables];
}

/* Beyond 1e150 distances are no numbers. */
static bool drawable(const cy_path_chart *c, const double *point) {
  for (int k = 0; k < c->function->variables; k++)
    if (!(fabs(point[k]) <= 1e150)) return false;
  return true;
}

/* The point of all paths where the function is lowest. */
static const double *lowest_point(const cy_path_chart *c) {
  const double *lowest = NULL;
  double least = INFINITY;
  for (int p = 0; p < c->n_paths; p++)
    for (int64_t i = 0; i < c->paths[p].n; i++) {
      const double *point = point_of(c, p, i);
      double value = drawable(c, point) ? c->function->value(c->function->user, point) : NAN;
      if (value < least) least = value, lowest = point;
    }
  return lowest;
}

/* How far the farthest start lies from the lowest point; of a path that begins there, its first step. */
static double find_reach(const cy_path_chart *c, const double *lowest) {
  double reach = 0;
  for (int step = 0; step < 2 && reach == 0; step++)
    for (int p = 0; p < c->n_paths; p++)
      for (int k = 0; lowest && step < c->paths[p].n && k < c->function->variables; k++)
        if (drawable(c, point_of(c, p, step))) reach = fmax(reach, fabs(point_of(c, p, step)[k] - lowest[k]));
  return reach;
}

static bool is_near(const cy_path_chart *c, const double *point, const double *lowest, double reach) {
  for (int k = 0; k < c->function->variables; k++)
    if (!(fabs(point[k] - lowest[k]) <= 2.5 * reach)) return false;
  return drawable(c, point);
}

/* Along axis k: what lies within 2.5 times the reach, and some room on every side of the lowest point. */
static void find_window(const cy_path_chart *c, int k, const double *lowest, double reach, cy_axis *axis) {
  double middle = lowest ? lowest[k] : 0, low = middle, high = middle;
  for (int p = 0; p < c->n_paths; p++)
    for (int64_t i = 0; lowest && i < c->paths[p].n; i++) {
      const double *point = point_of(c, p, i);
      if (!is_near(c, point, lowest, reach)) continue;
      low = fmin(low, point[k]);
      high = fmax(high, point[k]);
    }
  double room = high > low ? 0.12 * (high - low) : reach > 0 ? 0.12 * reach : fmax(1, fabs(low) * 0.1);
  double side = (high - low) * (c->function->variables == 1 ? 0.45 : 0.2); /* of the lowest point, in all */
  axis->low = fmin(low - room, middle - side);
  axis->high = fmax(high + room, middle + side);
}

/* So that no direction is a needle: of two variables neither range is much shorter than the other on its own scale. */
static void widen(cy_axis *narrow, const cy_axis *wide) {
  double least = (wide->high - wide->low) * 0.25, missing = least - (narrow->high - narrow->low);
  if (missing <= 0) return;
  narrow->low -= missing / 2;
  narrow->high += missing / 2;
}

/* ---- samples ---- */

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double at_share(const cy_axis *axis, int i, int n) { return axis->low + (axis->high - axis->low) * i / (n - 1); }

static cy_status take_samples(cy_path_chart *c) {
  bool curve = c->function->variables == 1;
  int columns = curve ? CY_CURVE_SAMPLES : CY_CONTOUR_SAMPLES, rows = curve ? 1 : CY_CONTOUR_SAMPLES;
  size_t n = (size_t)columns * (size_t)rows;
  c->samples = cy_calloc(n, sizeof *c->samples);
  c->sorted = cy_calloc(n, sizeof *c->sorted);
  if (!c->samples || !c->sorted) return cy_no_memory();
  for (int j = 0; j < rows; j++)
    for (int i = 0; i < columns; i++) {
      double x[2] = {at_share(&c->x, i, columns), curve ? 0 : at_share(&c->y, j, rows)};
      double value = c->function->value(c->function->user, x);
      c->samples[j * columns + i] = value;
      if (fabs(value) <= 1e300) c->sorted[c->n_sorted++] = value;
    }
  qsort(c->sorted, (size_t)c->n_sorted, sizeof *c->sorted, by_size);
  return CY_OK;
}

/* From the curve's lowest point to what the paths reach, or most of the curve. */
static void find_heights(cy_path_chart *c) {
  double low = c->n_sorted ? c->sorted[0] : 0, high = c->n_sorted ? c->sorted[(c->n_sorted - 1) * 3 / 4] : 1;
  for (int p = 0; p < c->n_paths; p++)
    for (int64_t i = 0; i < c->paths[p].n; i++) {
      const double *point = point_of(c, p, i);
      if (!(point[0] >= c->x.low && point[0] <= c->x.high)) continue;
      double value = c->function->value(c->function->user, point);
      if (!(fabs(value) <= 1e150)) continue;
      low = fmin(low, value);
      high = fmax(high, value);
    }
  double room = high > low ? 0.1 * (high - low) : fmax(1, fabs(low) * 0.1);
  c->y.low = low - room;
  c->y.high = high + room;
}

/* ---- layout ---- */

static double legend_width(cairo_t *ruler, const cy_path_chart *c, int p) {
  char text[CY_LABEL_SIZE];
  return SWATCH + 6 + cy_text_width(ruler, cy_text_fit(ruler, c->paths[p].name, c->width - 60, text)) + 22;
}

static bool has_name(const cy_path_chart *c, int p) { return c->paths[p].name && *c->paths[p].name; }

static void count_legend_rows(cairo_t *ruler, cy_path_chart *c) {
  double x = 0;
  cy_font(ruler, LEGEND_SIZE, CY_REGULAR);
  for (int p = 0; p < c->n_paths; p++) {
    if (!has_name(c, p)) continue;
    double width = legend_width(ruler, c, p);
    if (c->legend_rows == 0) c->legend_rows = 1;
    if (x > 0 && x + width > c->width) x = 0, c->legend_rows++;
    x += width;
  }
}

static void lay_out(cairo_t *ruler, cy_path_chart *c) {
  double widest = 0;
  c->width = c->options.width - 100;
  count_legend_rows(ruler, c);
  c->top = cy_headline_height(c->options.title, c->options.subtitle) + c->legend_rows * LEGEND_ROW + 14;
  c->height = c->options.height - 50 - c->top;
  cy_axis_ticks(&c->y, (int)(c->height / 50), false);
  cy_font(ruler, TICK_SIZE, CY_REGULAR);
  for (int i = 0; i < c->y.n_ticks; i++) widest = fmax(widest, cy_text_width(ruler, c->y.tick[i].label));
  c->left = 16 + 20 + widest + 8;
  c->width = c->options.width - c->left - 24;
  cy_axis_ticks(&c->x, (int)(c->width / 90), false);
}

/* ---- drawing: frame ---- */

static void draw_legend(cairo_t *cr, const cy_path_chart *c) {
  double x = 0, y = cy_headline_height(c->options.title, c->options.subtitle) + 8;
  char text[CY_LABEL_SIZE];
  cy_font(cr, LEGEND_SIZE, CY_REGULAR);
  for (int p = 0; p < c->n_paths; p++) {
    if (!has_name(c, p)) continue;
    double width = legend_width(cr, c, p);
    if (x > 0 && x + width > c->width) x = 0, y += LEGEND_ROW;
    cy_ink(cr, cy_palette(p));
    cairo_set_line_width(cr, 2);
    cy_line(cr, c->left + x, y, c->left + x + SWATCH, y);
    cairo_arc(cr, c->left + x + SWATCH / 2.0, y, 3, 0, 2 * M_PI);
    cairo_fill(cr);
    cy_ink(cr, CY_INK_TEXT);
    cy_text_centered(cr, c->left + x + SWATCH + 6, y, 0, cy_text_fit(cr, c->paths[p].name, c->width - 60, text));
    x += width;
  }
}

static void draw_ticks(cairo_t *cr, const cy_path_chart *c, bool lines) {
  double right = c->left + c->width, bottom = c->top + c->height;
  cy_font(cr, TICK_SIZE, CY_REGULAR);
  cairo_set_line_width(cr, 1);
  for (int i = 0; i < c->y.n_ticks; i++) {
    double y = cy_path_py(c, c->y.tick[i].value);
    cy_ink(cr, lines ? CY_INK_GRID : CY_INK_FRAME);
    cy_line(cr, lines ? c->left : c->left - 4, y, lines ? right : c->left, y);
    cy_ink(cr, CY_INK_SOFT);
    cy_text_centered(cr, c->left - 8, y, 1, c->y.tick[i].label);
  }
  for (int i = 0; i < c->x.n_ticks; i++) {
    double x = cy_path_px(c, c->x.tick[i].value);
    cy_ink(cr, lines ? CY_INK_GRID : CY_INK_FRAME);
    cy_line(cr, x, lines ? c->top : bottom, x, lines ? bottom : bottom + 4);
    cy_ink(cr, CY_INK_SOFT);
    cy_text_at(cr, x, bottom + 18, 0.5, c->x.tick[i].label);
  }
}

static void draw_labels(cairo_t *cr, const cy_path_chart *c) {
  char text[CY_LABEL_SIZE], value[CY_LABEL_SIZE];
  const char *x = c->function->labels[0] ? c->function->labels[0] : "x";
  snprintf(value, sizeof value, "f(%.60s)", x);
  const char *y = c->function->variables == 1 ? value : c->function->labels[1] ? c->function->labels[1] : "y";
  cy_font(cr, LEGEND_SIZE, CY_REGULAR);
  cy_ink(cr, CY_INK_TEXT);
  cy_text_at(cr, c->left + c->width / 2, c->top + c->height + 38, 0.5, cy_text_fit(cr, x, c->width, text));
  cy_text_upwards(cr, 22, c->top + c->height / 2, 0.5, cy_text_fit(cr, y, c->height, text));
}

static void draw_frame(cairo_t *cr, const cy_path_chart *c) {
  cairo_set_line_width(cr, 1);
  cy_ink(cr, CY_INK_FRAME);
  if (c->function->variables == 2) cairo_rectangle(cr, c->left, c->top, c->width, c->height);
  else {
    cairo_move_to(cr, c->left, c->top + c->height);
    cairo_line_to(cr, c->left + c->width, c->top + c->height);
  }
  cairo_stroke(cr);
}

/* ---- drawing: the curve ---- */

static void draw_curve(cairo_t *cr, const cy_path_chart *c) {
  bool open = false;
  double far = c->y.high - c->y.low; /* beyond the window by its height, the curve is cut */
  cy_ink(cr, 0x8c8c8c);
  cairo_set_line_width(cr, 2);
  for (int i = 0; i < CY_CURVE_SAMPLES; i++) {
    double v = c->samples[i];
    if (isfinite(v)) {
      double x = cy_path_px(c, at_share(&c->x, i, CY_CURVE_SAMPLES));
      double y = cy_path_py(c, fmin(fmax(v, c->y.low - far), c->y.high + far));
      if (open) cairo_line_to(cr, x, y);
      else cairo_move_to(cr, x, y);
    }
    open = isfinite(v);
  }
  cairo_stroke(cr);
}

/* ---- drawing: paths ---- */

typedef struct spot {
  double x, y;
} spot;

/* Where an iterate lies on the page; false if that is no place. */
static bool place_point(const cy_path_chart *c, const double *point, spot *at) {
  double y = c->function->variables == 1 ? c->function->value(c->function->user, point) : point[1];
  if (!drawable(c, point) || !(fabs(y) <= 1e150)) return false;
  *at = (spot){cy_path_px(c, point[0]), cy_path_py(c, y)};
  return true;
}

static bool inside(const cy_path_chart *c, spot at) {
  return at.x >= c->left && at.x <= c->left + c->width && at.y >= c->top && at.y <= c->top + c->height;
}

/* Cuts from..to to one side of the window: of the half line, along = position - bound <= 0. */
static bool cut(double from, double to, double *t0, double *t1) {
  if (from > 0 && to > 0) return false;
  double t = from == to ? 0 : from / (from - to);
  if (from > 0) *t0 = fmax(*t0, t);
  else if (to > 0) *t1 = fmin(*t1, t);
  return *t0 < *t1;
}

/* The part of a segment that lies in the window (Liang and Barsky): cairo takes no far coordinates. */
static bool cut_to_window(const cy_path_chart *c, spot *a, spot *b) {
  double t0 = 0, t1 = 1, right = c->left + c->width, bottom = c->top + c->height;
  if (!cut(c->left - a->x, c->left - b->x, &t0, &t1) || !cut(a->x - right, b->x - right, &t0, &t1) ||
      !cut(c->top - a->y, c->top - b->y, &t0, &t1) || !cut(a->y - bottom, b->y - bottom, &t0, &t1))
    return false;
  spot from = *a, to = *b;
  *a = (spot){from.x + t0 * (to.x - from.x), from.y + t0 * (to.y - from.y)};
  *b = (spot){from.x + t1 * (to.x - from.x), from.y + t1 * (to.y - from.y)};
  return true;
}

static void trace_path(cairo_t *cr, const cy_path_chart *c, int p) {
  spot last, next;
  bool open = false;
  for (int64_t i = 0; i < c->paths[p].n; i++) {
    bool there = place_point(c, point_of(c, p, i), &next);
    if (there && open && i + 1 < c->paths[p].n && hypot(next.x - last.x, next.y - last.y) < 0.4) continue;
    spot a = last, b = next;
    if (there && open && cut_to_window(c, &a, &b)) {
      cairo_move_to(cr, a.x, a.y);
      cairo_line_to(cr, b.x, b.y);
    }
    open = there;
    last = next;
  }
}

static void disc(cairo_t *cr, spot at, double radius) {
  cairo_new_sub_path(cr);
  cairo_arc(cr, at.x, at.y, radius, 0, 2 * M_PI);
}

/* A disc in the path's colour, with a white edge. */
static void mark(cairo_t *cr, spot at, double radius, int color) {
  disc(cr, at, radius);
  cy_ink(cr, color);
  cairo_fill_preserve(cr);
  cairo_set_line_width(cr, 1);
  cairo_set_source_rgb(cr, 1, 1, 1);
  cairo_stroke(cr);
}

static void mark_points(cairo_t *cr, const cy_path_chart *c, int p) {
  spot at, last = {-1e9, -1e9};
  for (int64_t i = 0; i < c->paths[p].n; i++) {
    if (!place_point(c, point_of(c, p, i), &at) || !inside(c, at)) continue;
    if (hypot(at.x - last.x, at.y - last.y) < 3) continue;
    mark(cr, at, i < MARKED ? 3.25 : 2.25, cy_palette(p));
    last = at;
  }
}

/* 1 where the curve rises, -1 where it falls. */
static double slope_sign(const cy_path_chart *c, double x) {
  double nearby = (c->x.high - c->x.low) * 1e-3, left = x - nearby, right = x + nearby;
  return c->function->value(c->function->user, &right) >= c->function->value(c->function->user, &left) ? 1 : -1;
}

/* 0, 1, 2, ... beside the first iterates of a single path, as long as they lie apart; below a curve. */
static void number_points(cairo_t *cr, const cy_path_chart *c) {
  spot at, last = {-1e9, -1e9};
  char text[16];
  cy_font(cr, TICK_SIZE, CY_REGULAR);
  for (int64_t i = 0; c->n_paths == 1 && i < c->paths[0].n && i < NUMBERED; i++) {
    if (!place_point(c, point_of(c, 0, i), &at) || !inside(c, at)) continue;
    if (hypot(at.x - last.x, at.y - last.y) < 17) return;
    bool curve = c->function->variables == 1;
    double side = curve ? slope_sign(c, point_of(c, 0, i)[0]) : at.x > c->left + c->width - 24 ? -1 : 1;
    snprintf(text, sizeof text, "%d", (int)i);
    cy_ink(cr, CY_INK_TEXT);
    cy_path_halo_text(cr, at.x + side * 8, curve ? at.y + 9 : at.y - 8, side > 0 ? 0 : 1, text);
    last = at;
  }
}

static void mark_ends(cairo_t *cr, const cy_path_chart *c, int p) {
  spot at;
  if (c->paths[p].n == 0) return;
  if (!c->paths[p].open && place_point(c, point_of(c, p, c->paths[p].n - 1), &at) && inside(c, at)) {
    const double r = 7;
    cairo_move_to(cr, at.x, at.y - r);
    cairo_line_to(cr, at.x + r, at.y);
    cairo_line_to(cr, at.x, at.y + r);
    cairo_line_to(cr, at.x - r, at.y);
    cairo_close_path(cr);
    cy_ink(cr, cy_palette(p));
    cairo_fill_preserve(cr);
    cairo_set_line_width(cr, 1.5);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_stroke(cr);
  }
  if (place_point(c, point_of(c, p, 0), &at) && inside(c, at)) {
    disc(cr, at, 5);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_fill_preserve(cr);
    cy_ink(cr, CY_INK_TEXT);
    cairo_set_line_width(cr, 1.75);
    cairo_stroke(cr);
  }
}

static void draw_path(cairo_t *cr, const cy_path_chart *c, int p) {
  bool curve = c->function->variables == 1;
  cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
  trace_path(cr, c, p);
  cairo_set_source_rgba(cr, 1, 1, 1, 0.8);
  cairo_set_line_width(cr, 3.5);
  if (!curve) cairo_stroke_preserve(cr);
  cy_ink(cr, cy_palette(p));
  cairo_set_line_width(cr, curve ? 1.1 : 1.6);
  cairo_stroke(cr);
  cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
  mark_points(cr, c, p);
}

static void draw_chart(cairo_t *cr, const void *what) {
  const cy_path_chart *c = what;
  bool curve = c->function->variables == 1;
  cy_headline(cr, c->left, c->options.width - c->left - 16, c->options.title, c->options.subtitle);
  draw_legend(cr, c);
  draw_ticks(cr, c, curve);
  cairo_save(cr);
  cairo_rectangle(cr, c->left, c->top, c->width, c->height);
  cairo_clip(cr);
  if (curve) draw_curve(cr, c);
  else cy_draw_contours(cr, c);
  for (int p = 0; p < c->n_paths; p++) draw_path(cr, c, p);
  for (int p = 0; p < c->n_paths; p++) mark_ends(cr, c, p);
  number_points(cr, c);
  cairo_restore(cr);
  draw_frame(cr, c);
  draw_labels(cr, c);
}

/* ---- the whole ---- */

static cy_status check(const cy_plot_function *function, const cy_plot_path *paths, int n_paths,
                       cy_plot_options options) {
  if (function->variables != 1 && function->variables != 2)
    return cy_fail(CY_INVALID, "plot: a function of %d variables; 1 or 2 can be drawn", function->variables);
  if (n_paths < 1 || n_paths > MAX_PATHS)
    return cy_fail(CY_INVALID, "plot: %d paths; 1 to %d can be drawn", n_paths, MAX_PATHS);
  for (int p = 0; p < n_paths; p++)
    if (paths[p].n < 0 || (paths[p].n > 0 && !paths[p].points))
      return cy_fail(CY_INVALID, "plot: path %d has no points", p + 1);
  if (options.width < 240 || options.height < 240)
    return cy_fail(CY_INVALID, "plot: %d x %d pixels leave no room; at least 240 x 240", options.width, options.height);
  return CY_OK;
}

static cy_status prepare(cy_path_chart *c) {
  const double *lowest = lowest_point(c);
  cairo_t *ruler;
  double reach = find_reach(c, lowest);
  find_window(c, 0, lowest, reach, &c->x);
  if (c->function->variables == 2) {
    find_window(c, 1, lowest, reach, &c->y);
    widen(&c->x, &c->y);
    widen(&c->y, &c->x);
  }
  CY_TRY(take_samples(c));
  if (c->function->variables == 1) find_heights(c);
  else cy_contour_levels(c);
  CY_TRY(cy_page_ruler(&ruler));
  lay_out(ruler, c);
  cairo_destroy(ruler);
  return CY_OK;
}

cy_status cy_plot_paths(const cy_plot_function *function, const cy_plot_path *paths, int n_paths,
                        cy_plot_options options, const char *png, const char *svg) {
  if (!options.width) options.width = 800;
  if (!options.height) options.height = function->variables == 2 ? 680 : 520;
  CY_TRY(check(function, paths, n_paths, options));
  cy_path_chart *c = cy_calloc(1, sizeof *c);
  if (!c) return cy_no_memory();
  *c = (cy_path_chart){.options = options, .function = function, .paths = paths, .n_paths = n_paths};
  cy_status status = prepare(c);
  if (status == CY_OK) status = cy_page_write(options.width, options.height, draw_chart, c, png, svg);
  cy_free(c->samples);
  cy_free(c->sorted);
  cy_free(c);
  return status;
}
