/* The picture of a step: the image with the taps of one window marked in the colours of the kernel's elements, the kernel, and
 * the result with the window's unit marked. One row of the page per operation. */
#include "analyze/steps.h"
#include "analyze/weight_colors.h"
#include "io/plot.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MARGIN = 16, GRID_SIDE = 400, LARGEST_CELL = 36, SMALLEST_TEXT = 20, GAP = 40, ROW_HEAD = 44, TEXT_SIZE = 11, MOST_CELLS = 80 };

/* A grid of the page: an image's plane (channel of the window), padded around. */
typedef struct grid {
  int64_t rows, columns;
  double x, y, side;
} grid;

/* What one operation shows. */
typedef struct panel {
  const cy_step *step;
  int64_t unit[CY_MAX_SPACE];
  bool no_values;
  int64_t low[2], high[2]; /* padding around the larger image: rows, columns */
  grid from, kernel, to;
  double top, height;
} panel;

typedef struct figure {
  panel *panels;
  size_t n;
  const char *title;
  double width;
} figure;

/* ---- planes of the last two axes; 1-D images have one row ---- */

static int64_t axis_of(const cy_list *list, bool columns) {
  return columns ? list->at[list->n - 1] : list->n > 1 ? list->at[list->n - 2] : 1;
}
static int64_t place_of(const int64_t *place, int n, bool columns) {
  return columns ? place[n - 1] : n > 1 ? place[n - 2] : 0;
}
static void extents_of(const cy_tensor *image, int64_t *rows, int64_t *columns) {
  cy_shape shape = cy_tensor_shape(image);
  *columns = shape.dim[shape.rank - 1];
  *rows = shape.rank > 3 ? shape.dim[shape.rank - 2] : 1;
}

static bool spreads(const panel *p) { return p->step->kind == CY_STEP_TRANSPOSED; }
static const cy_tensor *large_image(const panel *p) { return spreads(p) ? p->step->to : p->step->from; }
static const cy_tensor *small_image(const panel *p) { return spreads(p) ? p->step->from : p->step->to; }

/* Where tap (r, c) of the unit's window lies in the large image. */
static void tap_place(const panel *p, int64_t r, int64_t c, int64_t *row, int64_t *column) {
  const cy_window_attrs *w = &p->step->windows;
  int n = (int)w->kernel.n;
  *column = cy_window_at(w, n - 1, p->unit[n - 1], c);
  *row = n > 1 ? cy_window_at(w, n - 2, p->unit[n - 2], r) : 0;
}

static double plane_value(const cy_tensor *image, int64_t row, int64_t column) {
  int64_t rows, columns;
  extents_of(image, &rows, &columns);
  return cy_tensor_at(image, row * columns + column);
}

static cy_shape kernel_shape(const panel *p) {
  cy_shape shape = {0};
  for (int i = 0; i < p->step->windows.kernel.n; i++) shape.dim[shape.rank++] = p->step->windows.kernel.at[i];
  if (shape.rank == 1) shape = (cy_shape){2, {1, shape.dim[0]}};
  return shape;
}

/* ---- cells ---- */

static void fill_cell(cairo_t *cr, const grid *g, int64_t row, int64_t column, int rgb) {
  cy_ink(cr, rgb);
  cairo_rectangle(cr, g->x + (double)column * g->side + 0.5, g->y + (double)row * g->side + 0.5, g->side - 1, g->side - 1);
  cairo_fill(cr);
}

static void write_cell(cairo_t *cr, const grid *g, int64_t row, int64_t column, const char *text, int ink, bool bold) {
  char fitted[CY_LABEL_SIZE];
  if (g->side < SMALLEST_TEXT) return;
  cy_font(cr, TEXT_SIZE, bold ? CY_BOLD : CY_REGULAR);
  cy_ink(cr, ink);
  cy_text_centered(cr, g->x + ((double)column + 0.5) * g->side, g->y + ((double)row + 0.5) * g->side, 0.5,
                   cy_text_fit(cr, text, g->side - 2, fitted));
}

static void write_number(cairo_t *cr, const grid *g, int64_t row, int64_t column, double value, int ink, bool bold) {
  char text[32];
  snprintf(text, sizeof text, "%.4g", value == 0 ? 0 : value);
  write_cell(cr, g, row, column, text, ink, bold);
}

static void outline_cell(cairo_t *cr, const grid *g, int64_t row, int64_t column) {
  cy_ink(cr, 0xd55e00);
  cairo_set_line_width(cr, 2);
  cairo_rectangle(cr, g->x + (double)column * g->side, g->y + (double)row * g->side, g->side, g->side);
  cairo_stroke(cr);
}

/* The image itself, on top of its padding, which is hatched light. */
static void draw_plane(cairo_t *cr, const grid *g, const cy_tensor *image, int64_t low_rows, int64_t low_columns, bool values) {
  int64_t rows, columns;
  extents_of(image, &rows, &columns);
  for (int64_t r = 0; r < g->rows; r++)
    for (int64_t c = 0; c < g->columns; c++) {
      int64_t row = r - low_rows, column = c - low_columns;
      bool inside = row >= 0 && row < rows && column >= 0 && column < columns;
      fill_cell(cr, g, r, c, inside ? 0xececec : 0xfafafa);
      if (inside && values) write_number(cr, g, r, c, plane_value(image, row, column), CY_INK_TEXT, false);
    }
  cy_ink(cr, 0x8a8a8a);
  cairo_set_line_width(cr, 1);
  cairo_rectangle(cr, g->x + (double)low_columns * g->side, g->y + (double)low_rows * g->side, (double)columns * g->side,
                  (double)rows * g->side);
  cairo_stroke(cr);
}

static cy_lab tap_color(const panel *p, int64_t r, int64_t c) {
  cy_shape shape = kernel_shape(p);
  return cy_weight_color(shape, r * shape.dim[1] + c, 0);
}

static const char *tap_name(const panel *p, int64_t r, int64_t c, char buffer[CY_ELEMENT_NAME]) {
  cy_shape shape = kernel_shape(p);
  int64_t columns = shape.dim[1], index = r * columns + c;
  return cy_operator_element_name("w", p->step->windows.kernel.n == 1 ? CY_SHAPE(columns) : shape, 0, index, false, buffer);
}

static void draw_taps(cairo_t *cr, const panel *p, const grid *g) {
  char name[CY_ELEMENT_NAME];
  cy_shape kernel = kernel_shape(p);
  int64_t rows, columns, row, column;
  extents_of(large_image(p), &rows, &columns);
  for (int64_t r = 0; r < kernel.dim[kernel.rank - 2]; r++)
    for (int64_t c = 0; c < kernel.dim[kernel.rank - 1]; c++) {
      cy_lab color = tap_color(p, r, c);
      tap_place(p, r, c, &row, &column);
      bool inside = row >= 0 && row < rows && column >= 0 && column < columns;
      int64_t at_row = row + p->low[0], at_column = column + p->low[1];
      if (at_row < 0 || at_row >= g->rows || at_column < 0 || at_column >= g->columns) continue;
      if (!inside) color = cy_mixed_color(color, (cy_lab){0.97, 0, 0}, 0.65);
      fill_cell(cr, g, at_row, at_column, cy_lab_rgb(color));
      if (inside && !p->no_values)
        write_number(cr, g, at_row, at_column, plane_value(large_image(p), row, column), cy_ink_on(color), true);
      else if (p->step->kernel && p->no_values)
        write_cell(cr, g, at_row, at_column, tap_name(p, r, c, name), cy_ink_on(color), false);
    }
}

static void draw_kernel(cairo_t *cr, const panel *p) {
  const grid *g = &p->kernel;
  char name[CY_ELEMENT_NAME];
  for (int64_t i = 0; i < g->rows * g->columns; i++) {
    int64_t r = i / g->columns, c = i % g->columns;
    cy_lab color = tap_color(p, r, c);
    fill_cell(cr, g, r, c, cy_lab_rgb(color));
    if (!p->step->kernel) continue;
    if (p->no_values) write_cell(cr, g, r, c, tap_name(p, r, c, name), cy_ink_on(color), false);
    else write_number(cr, g, r, c, cy_tensor_at(p->step->kernel, i), cy_ink_on(color), true);
  }
}

/* ---- captions ---- */

static void caption(cairo_t *cr, const grid *g, const char *what, const cy_tensor *image) {
  char text[CY_SHAPE_TEXT + 64], extents[CY_SHAPE_TEXT];
  cy_shape shape = {0};
  cy_font(cr, TEXT_SIZE, CY_REGULAR);
  cy_ink(cr, CY_INK_SOFT);
  if (image) {
    cy_shape full = cy_tensor_shape(image);
    for (int i = 2; i < full.rank; i++) shape.dim[shape.rank++] = full.dim[i];
    snprintf(text, sizeof text, full.dim[1] > 1 ? "%s %s, channel 0 of %" PRId64 : "%s %s", what,
             cy_shape_text(shape, extents), full.dim[1]);
  } else snprintf(text, sizeof text, "%s", what);
  cy_text_at(cr, g->x, g->y - 7, 0, text);
}

static void add_setting(char *text, size_t size, const char *what, const cy_list *list, int64_t usual) {
  size_t at = strlen(text);
  bool same = true;
  for (int i = 0; i < list->n; i++) same = same && list->at[i] == list->at[0];
  if (same && list->at[0] == usual) return;
  if (same) snprintf(text + at, size - at, ", %s %" PRId64, what, list->at[0]);
  else snprintf(text + at, size - at, ", %s %" PRId64 "x%" PRId64, what, axis_of(list, false), axis_of(list, true));
}

static void heading(cairo_t *cr, const panel *p) {
  char text[256], name[CY_STEP_NAME], extents[CY_SHAPE_TEXT];
  const cy_window_attrs *w = &p->step->windows;
  snprintf(text, sizeof text, "%s: %s %s", cy_step_name(p->step, name), p->step->kernel ? "kernel" : "windows",
           cy_shape_text(cy_shape_of(&w->kernel), extents));
  add_setting(text, sizeof text, "stride", &w->stride, 1);
  add_setting(text, sizeof text, "padding", &w->low, 0);
  add_setting(text, sizeof text, "dilation", &w->dilation, 1);
  cy_font(cr, TEXT_SIZE + 1, CY_BOLD);
  cy_ink(cr, CY_INK_TEXT);
  cy_text_at(cr, MARGIN, p->top + 14, 0, text);
}

static void between(cairo_t *cr, const grid *a, const grid *b, const char *sign) {
  double x = (a->x + (double)a->columns * a->side + b->x) / 2, y = b->y + (double)b->rows * b->side / 2;
  cy_font(cr, 18, CY_REGULAR);
  cy_ink(cr, CY_INK_SOFT);
  cy_text_centered(cr, x, y, 0.5, sign);
}

static void draw_panel(cairo_t *cr, const panel *p) {
  static const char *const kernels[] = {"kernel", "kernel", "window", "window"};
  bool spread = spreads(p);
  int n = (int)p->step->windows.kernel.n;
  const grid *large = spread ? &p->to : &p->from, *small = spread ? &p->from : &p->to;
  int64_t row = place_of(p->unit, n, false), column = place_of(p->unit, n, true);
  heading(cr, p);
  draw_plane(cr, large, large_image(p), p->low[0], p->low[1], !p->no_values);
  draw_taps(cr, p, large);
  draw_kernel(cr, p);
  draw_plane(cr, small, small_image(p), 0, 0, !p->no_values);
  outline_cell(cr, small, row, column);
  caption(cr, &p->from, "input", p->step->from);
  caption(cr, &p->kernel, p->step->flipped ? "kernel, flipped" : kernels[p->step->kind], NULL);
  caption(cr, &p->to, p->step->kind == CY_STEP_SUM ? "sums" : "result", p->step->to);
  between(cr, &p->from, &p->kernel, "\303\227");
  between(cr, &p->kernel, &p->to, "=");
}

static void draw(cairo_t *cr, const void *what) {
  const figure *f = what;
  cy_headline(cr, MARGIN, f->width - 2 * MARGIN, f->title, NULL);
  for (size_t i = 0; i < f->n; i++) draw_panel(cr, &f->panels[i]);
}

/* ---- layout ---- */

static cy_status check_panel(const panel *p) {
  char name[CY_STEP_NAME];
  int64_t rows, columns;
  if (p->step->windows.kernel.n > 2)
    return cy_fail(CY_UNSUPPORTED, "%s: pictures show 1 or 2 spatial axes", cy_step_name(p->step, name));
  extents_of(large_image(p), &rows, &columns);
  rows += p->low[0] + p->high[0];
  columns += p->low[1] + p->high[1];
  if (rows <= MOST_CELLS && columns <= MOST_CELLS) return CY_OK;
  return cy_fail(CY_INVALID, "%s: %" PRId64 " x %" PRId64 " cells are too many to draw (%d x %d)",
                 cy_step_name(p->step, name), rows, columns, MOST_CELLS, MOST_CELLS);
}

static void size_grid(grid *g, const cy_tensor *image, const int64_t *low, const int64_t *high) {
  extents_of(image, &g->rows, &g->columns);
  g->rows += low[0] + high[0];
  g->columns += low[1] + high[1];
}

static void lay_out_panel(panel *p, double top) {
  static const int64_t none[2] = {0, 0};
  bool spread = spreads(p);
  cy_shape kernel = kernel_shape(p);
  size_grid(spread ? &p->to : &p->from, large_image(p), p->low, p->high);
  size_grid(spread ? &p->from : &p->to, small_image(p), none, none);
  p->kernel.rows = kernel.dim[kernel.rank - 2];
  p->kernel.columns = kernel.dim[kernel.rank - 1];
  grid *grids[] = {&p->from, &p->kernel, &p->to};
  int64_t most = 1, tallest = 1;
  for (int i = 0; i < 3; i++) {
    most = grids[i]->columns > most ? grids[i]->columns : most;
    tallest = grids[i]->rows > tallest ? grids[i]->rows : tallest;
  }
  if (tallest > most) most = tallest;
  double side = fmin(LARGEST_CELL, floor(2.0 * GRID_SIDE / (double)most) / 2), x = MARGIN;
  p->top = top;
  p->height = ROW_HEAD + (double)tallest * side + 24;
  for (int i = 0; i < 3; i++) {
    *grids[i] = (grid){grids[i]->rows, grids[i]->columns, x, top + ROW_HEAD + ((double)(tallest - grids[i]->rows)) * side / 2, side};
    x += fmax((double)grids[i]->columns * side, 90) + GAP;
  }
}

static cy_status make_panel(panel *p, const cy_step *step, cy_steps_options options) {
  const cy_window_attrs *w = &step->windows;
  p->step = step;
  p->no_values = options.no_values;
  if (w->kernel.n <= CY_MAX_SPACE) CY_TRY(cy_step_unit(step, options, p->unit));
  for (int i = 0; i < 2; i++) {
    p->low[i] = i == 0 && w->kernel.n < 2 ? 0 : axis_of(&w->low, i == 1);
    p->high[i] = i == 0 && w->kernel.n < 2 ? 0 : axis_of(&w->high, i == 1);
  }
  return check_panel(p);
}

cy_status cy_steps_plot(const cy_steps *steps, cy_steps_options options, const char *title, const char *png,
                        const char *svg) {
  figure f = {.title = title, .n = steps->n, .panels = cy_calloc(steps->n, sizeof *f.panels)};
  cy_status status = f.panels ? CY_OK : cy_no_memory();
  double top = cy_headline_height(title, NULL) + 4, width = 0;
  for (size_t i = 0; i < f.n && status == CY_OK; i++) {
    panel *p = &f.panels[i];
    status = make_panel(p, &steps->steps[i], options);
    if (status != CY_OK) break;
    lay_out_panel(p, top);
    top += p->height;
    width = fmax(width, p->to.x + fmax((double)p->to.columns * p->to.side, 90));
  }
  f.width = width + MARGIN;
  if (status == CY_OK) status = cy_page_write((int)ceil(f.width), (int)ceil(top + MARGIN), draw, &f, png, svg);
  cy_free(f.panels);
  return status;
}
