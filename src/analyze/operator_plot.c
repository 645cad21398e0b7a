/* The picture of an operator: a cell per entry, coloured by the weight that stands there, with the kernel in the same colours
 * as the legend; or coloured by number. Large matrices are drawn in blocks of entries. */
#include "analyze/operator.h"
#include "analyze/weight_colors.h"
#include "io/plot.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  MATRIX_SIDE = 640,  /* nominal pixels at most */
  LARGEST_CELL = 40,
  VECTOR_CELL = 5,    /* from here on cells are drawn one by one, with gaps */
  NAMED_CELL = 24,    /* and with what stands there */
  MARGIN = 16,
  LABEL_SIZE = 10,
  LEGEND_CELL = 34,
  LEGEND_WIDTH = 190,
  MOST_LEGEND = 7,    /* rows and columns of a kernel in the legend */
  MOST_VALUES = 8,
};

typedef struct cell {
  bool filled;
  float strength; /* of numbers: the largest in a block is shown */
  cy_lab color;
} cell;

typedef struct figure {
  const cy_operator_terms *terms;
  const cy_tensor *matrix;
  cy_shape input, output;
  const char *title;
  char subtitle[160];
  int64_t rows, columns, block; /* entries per side of a cell */
  int64_t down, across;         /* cells */
  cell *cells;
  double magnitude, side;       /* largest |number|; of a cell */
  double left, top, width, height, legend, legend_width;
  bool labels, mixed, constants; /* names at the margins; there are sums or products; there are numbers */
  double values[MOST_VALUES];   /* distinct constants */
  int n_values;
} figure;

/* ---- colours of entries ---- */

static cy_lab constant_color(figure *f, double value) {
  bool known = false;
  f->constants = true;
  for (int i = 0; i < f->n_values; i++) known = known || fabs(f->values[i] - value) < 1e-12;
  if (!known && f->n_values < MOST_VALUES) f->values[f->n_values++] = value;
  return cy_value_color(value, f->magnitude);
}

/* A product's is the mixture of its factors'. */
static cy_lab term_color(figure *f, const cy_operator_term *term) {
  cy_lab color = {0, 0, 0};
  if (term->n_factors == 0) return constant_color(f, term->coefficient);
  for (int i = 0; i < term->n_factors; i++) {
    cy_lab factor = cy_weight_color(f->terms->symbols[term->symbol[i]].shape, term->index[i], term->symbol[i]);
    color = i ? cy_mixed_color(color, factor, 1.0 / (i + 1)) : factor;
  }
  if (term->n_factors > 1) f->mixed = true;
  return color;
}

static int descending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

static cell *cell_of(const figure *f, int64_t row, int64_t column) {
  return &f->cells[row / f->block * f->across + column / f->block];
}

static void color_terms(figure *f) {
  for (int64_t i = 0; i < f->terms->count; i++)
    if (f->terms->terms[i].n_factors == 0) f->magnitude = fmax(f->magnitude, fabs(f->terms->terms[i].coefficient));
  for (int64_t i = 0; i < f->terms->count;) {
    const cy_operator_term *first = &f->terms->terms[i];
    cy_lab color = term_color(f, first);
    int64_t n = 1;
    for (; i + n < f->terms->count && first[n].row == first->row && first[n].column == first->column; n++) {
      color = cy_mixed_color(color, term_color(f, &first[n]), 1.0 / (double)(n + 1));
      f->mixed = true;
    }
    *cell_of(f, first->row, first->column) = (cell){.filled = true, .color = color};
    i += n;
  }
  qsort(f->values, (size_t)f->n_values, sizeof *f->values, descending);
}

static void color_numbers(figure *f) {
  const double *values = cy_tensor_f64(f->matrix);
  for (int64_t i = 0; i < f->rows * f->columns; i++) f->magnitude = fmax(f->magnitude, fabs(values[i]));
  for (int64_t i = 0; i < f->rows * f->columns; i++) {
    cell *c = cell_of(f, i / f->columns, i % f->columns);
    if (values[i] == 0 || fabs(values[i]) < c->strength) continue;
    *c = (cell){true, (float)fabs(values[i]), cy_value_color(values[i], f->magnitude)};
  }
}

/* ---- the matrix ---- */

static void draw_cells(cairo_t *cr, const figure *f) {
  double gap = f->side >= 12 ? 1 : 0.5;
  for (int64_t i = 0; i < f->down * f->across; i++) {
    double x = f->left + (double)(i % f->across) * f->side, y = f->top + (double)(i / f->across) * f->side;
    cy_ink(cr, f->cells[i].filled ? cy_lab_rgb(f->cells[i].color) : 0xf4f4f4);
    cairo_rectangle(cr, x + gap / 2, y + gap / 2, f->side - gap, f->side - gap);
    cairo_fill(cr);
  }
}

/* One pixel per cell, enlarged without smoothing. */
static void draw_pixels(cairo_t *cr, const figure *f) {
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)f->across, (int)f->down);
  if (cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS) {
    cairo_surface_flush(surface);
    unsigned char *data = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    for (int64_t i = 0; i < f->down * f->across; i++) {
      uint32_t *row = (uint32_t *)(void *)(data + i / f->across * stride);
      row[i % f->across] = f->cells[i].filled ? (uint32_t)cy_lab_rgb(f->cells[i].color) : 0xf6f6f6;
    }
    cairo_surface_mark_dirty(surface);
  }
  cairo_save(cr);
  cairo_translate(cr, f->left, f->top);
  cairo_scale(cr, f->side, f->side);
  cairo_set_source_surface(cr, surface, 0, 0); /* a failed surface passes its error to cr */
  cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
  cairo_paint(cr);
  cairo_restore(cr);
  cairo_surface_destroy(surface);
}

static int64_t plane_of(cy_shape shape) {
  int64_t plane = 1;
  for (int i = 1; i < shape.rank; i++) plane *= shape.dim[i];
  return shape.rank > 1 ? plane : 0;
}

/* The last axis: where a new row of the image begins. */
static int64_t line_of(cy_shape shape) { return shape.rank > 2 ? shape.dim[shape.rank - 1] : 0; }

static void draw_rules(cairo_t *cr, const figure *f, int64_t across, int64_t down, double weight, int ink) {
  cy_ink(cr, ink);
  cairo_set_line_width(cr, weight);
  for (int64_t c = across; across > 0 && c < f->columns; c += across) {
    double x = f->left + (double)c / (double)f->block * f->side;
    cy_line(cr, x, f->top, x, f->top + f->height);
  }
  for (int64_t r = down; down > 0 && r < f->rows; r += down) {
    double y = f->top + (double)r / (double)f->block * f->side;
    cy_line(cr, f->left, y, f->left + f->width, y);
  }
}

static void draw_lines(cairo_t *cr, const figure *f) {
  double line = (double)line_of(f->input) * f->side / (double)f->block;
  if (line >= 12) draw_rules(cr, f, line_of(f->input), line_of(f->output), 0.6, f->labels ? 0xb5b5b5 : 0xcccccc);
  if (f->input.dim[0] > 1 || f->output.dim[0] > 1) draw_rules(cr, f, plane_of(f->input), plane_of(f->output), 1.1, 0x707070);
  cy_ink(cr, 0x8a8a8a);
  cairo_set_line_width(cr, 1);
  cairo_rectangle(cr, f->left, f->top, f->width, f->height);
  cairo_stroke(cr);
}

/* ---- letters ---- */

/* The entries of one row that are not zero: where a row's terms begin moves on from row to row. */
static void draw_entries(cairo_t *cr, const figure *f) {
  cy_font(cr, LABEL_SIZE, CY_REGULAR);
  for (int64_t i = 0, n; i < f->terms->count; i += n) {
    const cy_operator_term *first = &f->terms->terms[i];
    cy_text text = {0};
    for (n = 1; i + n < f->terms->count && first[n].row == first->row && first[n].column == first->column;) n++;
    cy_entry_text(&text, f->terms, first, n, false);
    if (text.data && cy_text_width(cr, text.data) <= f->side - 4) {
      cy_ink(cr, cy_ink_on(cell_of(f, first->row, first->column)->color));
      cy_text_centered(cr, f->left + ((double)first->column + 0.5) * f->side, f->top + ((double)first->row + 0.5) * f->side,
                       0.5, text.data);
    }
    cy_text_clear(&text);
  }
}

static void draw_names(cairo_t *cr, const figure *f) {
  char name[CY_ELEMENT_NAME];
  cy_font(cr, LABEL_SIZE, CY_REGULAR);
  cy_ink(cr, CY_INK_SOFT);
  for (int64_t c = 0; c < f->columns; c++) {
    double x = f->left + ((double)c + 0.5) * f->side;
    cy_operator_element_name("x", f->input, f->input.rank > 1, c, false, name);
    if (cy_text_width(cr, name) <= f->side - 2) cy_text_at(cr, x, f->top - 6, 0.5, name);
    else cy_text_upwards(cr, x, f->top - 5, 0, name);
  }
  for (int64_t r = 0; r < f->rows; r++)
    cy_text_centered(cr, f->left - 6, f->top + ((double)r + 0.5) * f->side, 1,
                     cy_operator_element_name("y", f->output, f->output.rank > 1, r, false, name));
}

static void draw_axes(cairo_t *cr, const figure *f) {
  char text[96];
  cy_font(cr, LABEL_SIZE + 1, CY_REGULAR);
  cy_ink(cr, CY_INK_SOFT);
  snprintf(text, sizeof text, "%" PRId64 " inputs", f->columns);
  cy_text_at(cr, f->left + f->width / 2, f->top - 7, 0.5, text);
  snprintf(text, sizeof text, "%" PRId64 " outputs", f->rows);
  cy_text_upwards(cr, f->left - 12, f->top + f->height / 2, 0.5, text);
}

/* ---- the legend ---- */

static double legend_heading(cairo_t *cr, double x, double y, const char *text) {
  char fitted[CY_LABEL_SIZE];
  cy_font(cr, LABEL_SIZE + 1, CY_BOLD);
  cy_ink(cr, CY_INK_TEXT);
  cy_text_at(cr, x, y + 10, 0, cy_text_fit(cr, text, LEGEND_WIDTH, fitted));
  return y + 18;
}

static double legend_note(cairo_t *cr, double x, double y, const char *text) {
  char fitted[CY_LABEL_SIZE];
  cy_font(cr, LABEL_SIZE, CY_REGULAR);
  cy_ink(cr, CY_INK_SOFT);
  cy_text_at(cr, x, y + 10, 0, cy_text_fit(cr, text, LEGEND_WIDTH, fitted));
  return y + 15;
}

static double legend_swatch(cairo_t *cr, double x, double y, cy_lab color, const char *text) {
  cy_ink(cr, cy_lab_rgb(color));
  cairo_rectangle(cr, x, y, 14, 14);
  cairo_fill(cr);
  cy_font(cr, LABEL_SIZE, CY_REGULAR);
  cy_ink(cr, CY_INK_TEXT);
  cy_text_centered(cr, x + 22, y + 7, 0, text);
  return y + 20;
}

/* The kernel, in its colours. */
static double legend_kernel(cairo_t *cr, double x, double y, const cy_operator_symbol *symbol, int turn) {
  cy_shape shape = symbol->shape, plane = {0};
  int leading = cy_symbol_channel_axes(shape);
  int64_t channels = 1;
  char name[CY_ELEMENT_NAME], text[160];
  for (int i = 0; i < leading; i++) channels *= shape.dim[i];
  for (int i = leading; i < shape.rank; i++) plane.dim[plane.rank++] = shape.dim[i];
  int64_t columns = plane.rank ? plane.dim[plane.rank - 1] : 1, rows = plane.rank > 1 ? plane.dim[plane.rank - 2] : 1;
  y = legend_heading(cr, x, y, symbol->name);
  if (columns > MOST_LEGEND || rows > MOST_LEGEND)
    return legend_note(cr, x, legend_note(cr, x, y, "hue: along the last axis,"), "lightness: along the one before") + 8;
  double side = fmin(LEGEND_CELL, LEGEND_WIDTH / (double)columns);
  for (int64_t i = 0; i < rows * columns; i++) {
    cy_lab color = cy_weight_color(shape, i, turn);
    double cx = x + (double)(i % columns) * side, cy = y + (double)(i / columns) * side;
    cy_ink(cr, cy_lab_rgb(color));
    cairo_rectangle(cr, cx + 0.5, cy + 0.5, side - 1, side - 1);
    cairo_fill(cr);
    cy_font(cr, LABEL_SIZE, CY_REGULAR);
    cy_ink(cr, cy_ink_on(color));
    cy_text_centered(cr, cx + side / 2, cy + side / 2, 0.5,
                     cy_operator_element_name(symbol->letter, plane, 0, i, false, name));
  }
  y += (double)rows * side + 6;
  if (channels > 1) {
    snprintf(text, sizeof text, "of all %" PRId64 " kernels", channels);
    y = legend_note(cr, x, y, text);
  }
  if (plane.rank > 2) y = legend_note(cr, x, y, "in every slice");
  return y + 8;
}

static double legend_scale(cairo_t *cr, const figure *f, double x, double y) {
  char text[48];
  y = legend_heading(cr, x, y, "entries");
  for (int i = 0; i < 120; i++) {
    cy_ink(cr, cy_lab_rgb(cy_value_color(f->magnitude * (1 - i / 59.5), f->magnitude)));
    cairo_rectangle(cr, x, y + i, 14, 1.2);
    cairo_fill(cr);
  }
  cy_font(cr, LABEL_SIZE, CY_REGULAR);
  cy_ink(cr, CY_INK_TEXT);
  snprintf(text, sizeof text, "%.3g", f->magnitude);
  cy_text_centered(cr, x + 22, y + 4, 0, text);
  cy_text_centered(cr, x + 22, y + 60, 0, "0");
  snprintf(text, sizeof text, "-%.3g", f->magnitude);
  cy_text_centered(cr, x + 22, y + 116, 0, text);
  return y + 134;
}

static double legend_constants(cairo_t *cr, const figure *f, double x, double y) {
  if (f->n_values == MOST_VALUES) return legend_scale(cr, f, x, y);
  y = legend_heading(cr, x, y, "numbers");
  for (int i = 0; i < f->n_values; i++) {
    cy_text text = {0};
    cy_operator_term term = {.coefficient = f->values[i]};
    cy_entry_text(&text, f->terms, &term, 1, false);
    y = legend_swatch(cr, x, y, cy_value_color(f->values[i], f->magnitude), text.data ? text.data : "");
    cy_text_clear(&text);
  }
  return y + 8;
}

static void draw_legend(cairo_t *cr, const figure *f) {
  double x = f->legend, y = f->top;
  if (!f->terms) {
    legend_scale(cr, f, x, y);
    return;
  }
  for (int i = 0; i < f->terms->n_symbols; i++) y = legend_kernel(cr, x, y, &f->terms->symbols[i], i);
  if (f->constants) y = legend_constants(cr, f, x, y);
  if (f->mixed) legend_note(cr, x, legend_note(cr, x, y, "Sums and products of weights"), "mix their colours.");
}

/* ---- the page ---- */

static void draw(cairo_t *cr, const void *what) {
  const figure *f = what;
  cy_headline(cr, MARGIN, f->legend + f->legend_width - MARGIN, f->title, f->subtitle);
  (f->side >= VECTOR_CELL ? draw_cells : draw_pixels)(cr, f);
  draw_lines(cr, f);
  if (f->labels) draw_names(cr, f);
  else draw_axes(cr, f);
  if (f->side >= NAMED_CELL && f->terms) draw_entries(cr, f);
  draw_legend(cr, f);
}

static double legend_height(const figure *f) {
  double height = f->mixed ? 30 : 0;
  if (!f->terms) return 160;
  for (int i = 0; i < f->terms->n_symbols; i++) {
    cy_shape shape = f->terms->symbols[i].shape;
    int64_t rows = shape.rank > 3 || shape.rank == 2 ? shape.dim[shape.rank - 2] : 1;
    bool channels = shape.rank >= 3 && (shape.dim[0] > 1 || shape.dim[1] > 1);
    height += 32 + (rows <= MOST_LEGEND ? (double)rows * LEGEND_CELL : 30) + (channels ? 15 : 0) + (shape.rank > 4 ? 15 : 0);
  }
  if (f->constants) height += f->n_values == MOST_VALUES ? 180 : 40 + 20 * f->n_values;
  return height;
}

/* No wider than the kernels and notes that it holds. */
static double legend_width(const figure *f, cairo_t *ruler) {
  double widest = f->terms ? 60 : 80;
  cy_font(ruler, LABEL_SIZE + 1, CY_BOLD);
  for (int i = 0; f->terms && i < f->terms->n_symbols; i++) {
    cy_shape shape = f->terms->symbols[i].shape;
    int64_t columns = shape.rank ? shape.dim[shape.rank - 1] : 1, rows = shape.rank > 1 ? shape.dim[shape.rank - 2] : 1;
    bool kernel = columns <= MOST_LEGEND && rows <= MOST_LEGEND;
    widest = fmax(widest, fmax(cy_text_width(ruler, f->terms->symbols[i].name), kernel ? (double)columns * LEGEND_CELL : 170));
  }
  if (f->mixed) widest = fmax(widest, 160);
  return fmin(widest, LEGEND_WIDTH);
}

/* Of the title, with the margin before it. */
static double headline_width(const figure *f, cairo_t *ruler) {
  cy_font(ruler, 16, CY_BOLD);
  return MARGIN + (f->title ? cy_text_width(ruler, f->title) : 0) + 4;
}

static double widest_name(const figure *f, cairo_t *ruler, const char *letter, cy_shape shape, int64_t count) {
  char name[CY_ELEMENT_NAME];
  double widest = 0;
  cy_font(ruler, LABEL_SIZE, CY_REGULAR);
  for (int64_t i = 0; i < count && f->labels; i++)
    widest = fmax(widest, cy_text_width(ruler, cy_operator_element_name(letter, shape, shape.rank > 1, i, false, name)));
  return widest;
}

static void lay_out(figure *f, cairo_t *ruler, int *page_width, int *page_height) {
  int64_t larger = f->across > f->down ? f->across : f->down;
  f->side = fmin(LARGEST_CELL, (double)MATRIX_SIDE / (double)larger);
  f->side = fmax(1, f->side >= 2 ? floor(2 * f->side) : round(2 * f->side)) / 2; /* whole device pixels */
  f->labels = f->block == 1 && f->side >= 16;
  double names = widest_name(f, ruler, "x", f->input, f->columns);
  f->left = MARGIN + (f->labels ? widest_name(f, ruler, "y", f->output, f->rows) + 8 : 22);
  f->top = cy_headline_height(f->title, f->subtitle) + (!f->labels ? 32 : names <= f->side - 2 ? 22 : names + 10);
  f->width = (double)f->columns / (double)f->block * f->side;
  f->height = (double)f->rows / (double)f->block * f->side;
  f->legend = f->left + f->width + 28;
  f->legend_width = fmax(legend_width(f, ruler), fmin(360, headline_width(f, ruler)) - f->legend);
  *page_width = (int)ceil(f->legend + f->legend_width + MARGIN);
  *page_height = (int)ceil(fmax(f->top + f->height, f->top + legend_height(f)) + MARGIN);
}

static cy_status make_cells(figure *f) {
  int64_t larger = f->rows > f->columns ? f->rows : f->columns, most = 2 * MATRIX_SIDE; /* a cell per device pixel */
  f->block = (larger + most - 1) / most;
  f->down = (f->rows + f->block - 1) / f->block;
  f->across = (f->columns + f->block - 1) / f->block;
  f->cells = cy_calloc((size_t)(f->down * f->across), sizeof *f->cells);
  if (!f->cells) return cy_no_memory();
  (f->terms ? color_terms : color_numbers)(f);
  return CY_OK;
}

cy_status cy_operator_plot(const cy_operator *op, const cy_operator_terms *terms, const cy_tensor *matrix, const char *title,
                           const char *png, const char *svg) {
  figure f = {.terms = terms, .matrix = matrix, .title = title, .input = cy_operator_input_shape(op),
              .output = cy_operator_output_shape(op), .rows = cy_operator_rows(op), .columns = cy_operator_columns(op)};
  char in[CY_SHAPE_TEXT], out[CY_SHAPE_TEXT];
  int width, height;
  cairo_t *ruler;
  if (!terms && !matrix) return cy_fail(CY_INVALID, "picture: there are neither terms nor numbers to draw");
  if (f.rows == 0 || f.columns == 0) return cy_fail(CY_INVALID, "picture: the matrix is empty");
  if (terms && (terms->rows != f.rows || terms->columns != f.columns))
    return cy_fail(CY_INVALID, "picture: the terms are of another operator");
  if (!terms && !cy_shape_equal(cy_tensor_shape(matrix), CY_SHAPE(f.rows, f.columns)))
    return cy_fail(CY_INVALID, "picture: the matrix is of another operator");
  snprintf(f.subtitle, sizeof f.subtitle, "%.40s to %.40s: %" PRId64 " x %" PRId64, cy_shape_text(f.input, in),
           cy_shape_text(f.output, out), f.rows, f.columns);
  CY_TRY(make_cells(&f));
  cy_status status = cy_page_ruler(&ruler);
  if (status == CY_OK) {
    lay_out(&f, ruler, &width, &height);
    cairo_destroy(ruler);
    status = cy_page_write(width, height, draw, &f, png, svg);
  }
  cy_free(f.cells);
  return status;
}
