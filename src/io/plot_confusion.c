/* Confusion matrices as heat maps. A cell's shade is its share of the true class, on a square-root scale, so that
 * rare errors still show; right answers are blue, wrong ones orange. The right margin gives each class's recall. */
#include "io/plot.h"

#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CLASSES = 1000, NAME_WIDTH = 130, RECALL_BAR = 46, RECALL_TEXT = 48, NOTE_SIZE = 10 };

static const char NOTE[] = "shade: share of the true class, square-root scale; blue right, orange wrong";

typedef struct matrix {
  cy_plot_options options;
  const int64_t *counts;
  const char *const *names;
  int classes;
  double cell, type;      /* side of a cell; size of names and recalls */
  double left, top, side; /* of the square */
  double name_width;
  bool names_upwards;
  int every; /* one name in so many */
  char subtitle[128];
} matrix;

static double count_at(const matrix *m, int actual, int predicted) {
  return (double)m->counts[(size_t)actual * (size_t)m->classes + (size_t)predicted];
}

static double row_total(const matrix *m, int actual) {
  double total = 0;
  for (int p = 0; p < m->classes; p++) total += count_at(m, actual, p);
  return total;
}

static const char *class_name(cairo_t *cr, const matrix *m, int i, double width, char buffer[CY_LABEL_SIZE]) {
  char number[16];
  snprintf(number, sizeof number, "%d", i);
  return cy_text_fit(cr, m->names && m->names[i] ? m->names[i] : number, width, buffer);
}

/* Digits with thin spaces: 12 345. */
static void count_text(double count, char text[48]) {
  char digits[32];
  int n = snprintf(digits, sizeof digits, "%.0f", count), length = 0;
  for (int i = 0; i < n; i++) {
    if (n > 4 && i && (n - i) % 3 == 0) length += snprintf(text + length, (size_t)(48 - length), "\u2009");
    text[length++] = digits[i];
  }
  text[length] = 0;
}

/* ---- layout ---- */

static void summarize(matrix *m) {
  double right = 0, all = 0;
  char a[48], b[48];
  for (int i = 0; i < m->classes; i++) {
    right += count_at(m, i, i);
    all += row_total(m, i);
  }
  count_text(right, a);
  count_text(all, b);
  if (all > 0) snprintf(m->subtitle, sizeof m->subtitle, "%.2f %% right: %s of %s", 100 * right / all, a, b);
  else snprintf(m->subtitle, sizeof m->subtitle, "no samples");
}

static double preferred_cell(int classes) {
  double cell = 560.0 / classes;
  double least = classes <= 100 ? 9 : 900.0 / classes;
  return fmax(least, fmin(cell, 68));
}

static double widest_name(const matrix *m, cairo_t *ruler, int every) {
  char text[CY_LABEL_SIZE];
  double widest = 0;
  for (int i = 0; i < m->classes; i += every)
    widest = fmax(widest, cy_text_width(ruler, class_name(ruler, m, i, NAME_WIDTH, text)));
  return widest;
}

static void lay_out(matrix *m, cairo_t *ruler) {
  if (!m->options.subtitle) {
    summarize(m);
    m->options.subtitle = m->subtitle;
  }
  double head = cy_headline_height(m->options.title, m->options.subtitle) + 10;
  m->cell = preferred_cell(m->classes);
  if (m->options.width) m->cell = fmax(1, (m->options.width - 280.0) / m->classes);
  if (m->options.height) m->cell = fmax(1, fmin(m->cell, (m->options.height - head - 120) / m->classes));
  m->type = fmin(12, fmax(7, m->cell * 0.75));
  if (!m->options.width && m->classes <= 6) { /* room for names to stand upright */
    cy_font(ruler, m->type, CY_REGULAR);
    m->cell = fmax(m->cell, fmin(100, widest_name(m, ruler, 1) + 14));
  }
  m->every = (int)fmax(1, ceil((m->type + 0.5) / m->cell));
  cy_font(ruler, m->type, CY_REGULAR);
  double widest = widest_name(m, ruler, m->every);
  m->name_width = widest;
  m->names_upwards = widest > m->cell * m->every - 3;
  m->side = m->cell * m->classes;
  m->left = 16 + 22 + widest + 7;
  m->top = head + 18;
  double below = (m->names_upwards ? widest : m->type) + 8 + 22 + 26;
  cy_font(ruler, NOTE_SIZE, CY_REGULAR);
  double note = cy_text_width(ruler, NOTE) + 34;
  if (!m->options.width)
    m->options.width = (int)ceil(fmax(m->left + m->side + 14 + RECALL_BAR + RECALL_TEXT + 16, note));
  if (!m->options.height) m->options.height = (int)ceil(m->top + m->side + below);
}

/* ---- drawing ---- */

/* White to deep, along colours that stay even in lightness. */
static int shade(double share, bool right) {
  static const int ramps[2][5] = {{0xffffff, 0xfdbe85, 0xf58f3c, 0xd9600f, 0x953803},
                                  {0xffffff, 0xcfe1f2, 0x7fb5dc, 0x2f7ebc, 0x084a91}};
  double at = sqrt(share) * 4;
  int i = at >= 4 ? 3 : (int)at, rgb = 0;
  for (int shift = 0; shift <= 16; shift += 8) {
    double a = ramps[right][i] >> shift & 255, b = ramps[right][i + 1] >> shift & 255;
    rgb |= (int)lround(a + (b - a) * (at - i)) << shift;
  }
  return rgb;
}

static void draw_count(cairo_t *cr, const matrix *m, double x, double y, double count, bool dark) {
  char text[48];
  count_text(count, text);
  double size = fmin(14, m->cell * 0.42);
  cy_font(cr, size, CY_REGULAR);
  double width = cy_text_width(cr, text), room = m->cell * 0.86;
  if (width > room) {
    size *= room / width;
    cy_font(cr, size, CY_REGULAR);
  }
  if (size < 5) return; /* the shade must do */
  cy_ink(cr, dark ? 0xffffff : CY_INK_TEXT);
  cy_text_centered(cr, x + m->cell / 2, y + m->cell / 2, 0.5, text);
}

static void draw_cells(cairo_t *cr, const matrix *m) {
  for (int i = 0; i < m->classes; i++) {
    double total = row_total(m, i);
    for (int j = 0; j < m->classes; j++) {
      double count = count_at(m, i, j), share = total > 0 ? count / total : 0;
      double x = m->left + j * m->cell, y = m->top + i * m->cell;
      if (count == 0) continue;
      cy_ink(cr, shade(share, i == j));
      cairo_rectangle(cr, x, y, m->cell, m->cell);
      cairo_fill(cr);
      draw_count(cr, m, x, y, count, sqrt(share) > 0.62);
    }
  }
}

static void draw_grid(cairo_t *cr, const matrix *m) {
  cairo_set_line_width(cr, m->cell >= 20 ? 1 : 0.5);
  cy_ink(cr, CY_INK_GRID);
  for (int i = 1; i < m->classes && m->cell >= 5; i++) {
    cy_line(cr, m->left, m->top + i * m->cell, m->left + m->side, m->top + i * m->cell);
    cy_line(cr, m->left + i * m->cell, m->top, m->left + i * m->cell, m->top + m->side);
  }
  cairo_set_line_width(cr, 1);
  cy_ink(cr, CY_INK_FRAME);
  cairo_rectangle(cr, m->left, m->top, m->side, m->side);
  cairo_stroke(cr);
}

static void draw_names(cairo_t *cr, const matrix *m) {
  char text[CY_LABEL_SIZE];
  double bottom = m->top + m->side;
  cy_font(cr, m->type, CY_REGULAR);
  cy_ink(cr, CY_INK_TEXT);
  for (int i = 0; i < m->classes; i += m->every) {
    double middle = (i + 0.5) * m->cell;
    const char *name = class_name(cr, m, i, NAME_WIDTH, text);
    cy_text_centered(cr, m->left - 7, m->top + middle, 1, name);
    if (m->names_upwards) cy_text_upwards(cr, m->left + middle, bottom + 7, 1, name);
    else cy_text_centered(cr, m->left + middle, bottom + 7 + m->type / 2, 0.5, name);
  }
  double names_height = m->names_upwards ? m->name_width : m->type;
  cy_font(cr, 12, CY_REGULAR);
  cy_text_upwards(cr, 22, m->top + m->side / 2, 0.5, "true class");
  cy_text_at(cr, m->left + m->side / 2, bottom + 8 + names_height + 17, 0.5, "predicted class");
}

static void draw_recalls(cairo_t *cr, const matrix *m) {
  double x = m->left + m->side + 14, height = fmin(10, m->cell * 0.6);
  cy_font(cr, 12, CY_REGULAR);
  cy_ink(cr, CY_INK_TEXT);
  cy_text_at(cr, x, m->top - 7, 0, "recall");
  cy_font(cr, fmin(m->type, 11), CY_REGULAR);
  for (int i = 0; i < m->classes; i++) {
    double total = row_total(m, i), recall = total > 0 ? count_at(m, i, i) / total : 0;
    double middle = m->top + (i + 0.5) * m->cell;
    cy_ink(cr, CY_INK_GRID);
    cairo_rectangle(cr, x, middle - height / 2, RECALL_BAR, height);
    cairo_fill(cr);
    cy_ink(cr, 0x2f7ebc);
    cairo_rectangle(cr, x, middle - height / 2, RECALL_BAR * recall, height);
    cairo_fill(cr);
    if (i % m->every) continue;
    char text[16] = "–";
    if (total > 0) snprintf(text, sizeof text, recall == 1 ? "100 %%" : "%.1f %%", 100 * recall);
    cy_ink(cr, CY_INK_SOFT);
    cy_text_centered(cr, x + RECALL_BAR + RECALL_TEXT + 4, middle, 1, text);
  }
}

static void draw_matrix(cairo_t *cr, const void *what) {
  const matrix *m = what;
  char text[CY_LABEL_SIZE];
  cy_headline(cr, 16, m->options.width - 32, m->options.title, m->options.subtitle);
  draw_cells(cr, m);
  draw_grid(cr, m);
  draw_names(cr, m);
  draw_recalls(cr, m);
  cy_font(cr, NOTE_SIZE, CY_REGULAR);
  cy_ink(cr, CY_INK_SOFT);
  cy_text_at(cr, m->options.width - 16, m->options.height - 9, 1, cy_text_fit(cr, NOTE, m->options.width - 32, text));
}

cy_status cy_plot_confusion(const int64_t *counts, int classes, const char *const *names, cy_plot_options options,
                            const char *png, const char *svg) {
  if (classes < 1 || classes > MAX_CLASSES)
    return cy_fail(CY_INVALID, "confusion matrix: %d classes; 1 to %d can be drawn", classes, MAX_CLASSES);
  for (size_t i = 0; i < (size_t)classes * (size_t)classes; i++)
    if (counts[i] < 0) return cy_fail(CY_INVALID, "confusion matrix: count %" PRId64 " is negative", counts[i]);
  matrix m = {.options = options, .counts = counts, .names = names, .classes = classes};
  cairo_t *ruler;
  CY_TRY(cy_page_ruler(&ruler));
  lay_out(&m, ruler);
  cairo_destroy(ruler);
  return cy_page_write(m.options.width, m.options.height, draw_matrix, &m, png, svg);
}
