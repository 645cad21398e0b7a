/* Line charts: panels above each other with a common x axis. The layout is computed before drawing: margins hold the
 * widest label, the legend stands above the panels, and the last value of each curve beside its end, so that nothing
 * can cover a curve. */
#include "io/plot.h"
#include "io/plot_axis.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
  LABEL_SIZE = 11,
  LEGEND_SIZE = 12,
  LEGEND_ROW = 22,
  SWATCH = 22,
  PANEL_GAP = 26,
  INSET = 8,
  MARKED_POINTS = 40,
  MAX_PANELS = 8,
  MAX_NAMES = 64,
  MAX_ENDS = 8,
};

typedef struct panel {
  const cy_plot_panel *from;
  cy_axis y;
  double top, height;
} panel;

/* A line of the legend; a name that several panels share appears once. */
typedef struct entry {
  const cy_plot_series *series;
  int color;
  double x;
  int row;
} entry;

typedef struct chart {
  cy_plot_options options;
  panel panels[MAX_PANELS];
  int n_panels;
  cy_axis x;
  double left, width, bottom; /* of the panels */
  entry entries[MAX_NAMES];
  int n_entries, legend_rows;
} chart;

/* ---- data ---- */

static double x_of(const cy_plot_series *s, int64_t i) { return s->x ? s->x[i] : (double)(i + 1); }

/* Beyond 1e300 the difference of two values may not be a number. */
static bool drawable(double value) { return fabs(value) <= 1e300; }

static bool shown(const cy_plot_panel *p, const cy_plot_series *s, int64_t i) {
  return drawable(x_of(s, i)) && drawable(s->y[i]) && (!p->log_y || s->y[i] > 0);
}

static int color_of(const cy_plot_panel *p, int i) {
  return cy_palette(p->series[i].color > 0 ? p->series[i].color - 1 : i);
}

typedef struct range {
  double low, high;
  bool whole;   /* integers only */
  int64_t most; /* points of the longest curve */
} range;

static void include(range *r, double value) {
  r->low = fmin(r->low, value);
  r->high = fmax(r->high, value);
  r->whole = r->whole && value == floor(value);
}

static range empty_range(void) { return (range){INFINITY, -INFINITY, true, 0}; }

static void find_ranges(const cy_plot_panel *p, range *x, range *y) {
  for (int s = 0; s < p->n_series; s++)
    for (int64_t i = 0; i < p->series[s].n; i++)
      if (shown(p, &p->series[s], i)) {
        include(x, x_of(&p->series[s], i));
        include(y, p->series[s].y[i]);
        if (p->series[s].n > x->most) x->most = p->series[s].n;
      }
}

/* ---- axes ---- */

static void set_x_axis(chart *c, range r) {
  cy_axis *x = &c->x;
  *x = (cy_axis){.low = r.low, .high = r.high, .log = c->options.log_x};
  if (!(r.low <= r.high)) x->low = x->log ? 0.1 : 0, x->high = 1;
  if (x->low == x->high && x->log) x->low /= 2, x->high *= 2;
  if (x->low == x->high) x->low -= 0.5, x->high += 0.5;
  cy_axis_ticks(x, (int)(c->width / 90), r.whole);
}

/* The room a curve leaves above and below: 5 %, and from zero where zero is near. A share never leaves 0..1. */
static void set_y_axis(panel *p, range r) {
  cy_axis *y = &p->y;
  *y = (cy_axis){.low = r.low, .high = r.high, .log = p->from->log_y, .percent = p->from->percent};
  bool any = r.low <= r.high, given = p->from->y_low < p->from->y_high && (!y->log || p->from->y_low > 0);
  if (!any) y->low = y->log ? 0.1 : 0, y->high = 1;
  if (given) {
    y->low = p->from->y_low;
    y->high = p->from->y_high;
  } else if (y->log) {
    double room = fmax(exp(0.05 * (log(y->high) - log(y->low))), 1.05);
    y->low = fmax(y->low / room, 1e-300);
    y->high = fmin(y->high * room, 1e300);
  } else {
    double low = y->low, high = y->high;
    double room = high > low ? (high - low) * 0.05 : fabs(low) > 0 ? fabs(low) * 0.1 : 1;
    if (!(room > fabs(low) * 1e-12)) room = fabs(low) * 1e-12; /* apart, after rounding */
    y->low = low >= 0 && low < 0.35 * high ? 0 : low - room;
    y->high = high + room;
    if (y->percent && low >= 0) y->low = fmax(y->low, 0);
    if (y->percent && high <= 1) y->high = fmin(y->high, 1);
    if (y->low == y->high) y->low = 0;
  }
  cy_axis_ticks(y, (int)(p->height / 42), false);
}

/* ---- layout ---- */

static bool in_legend(const chart *c, const cy_plot_series *s, int color) {
  for (int i = 0; i < c->n_entries; i++)
    if (strcmp(c->entries[i].series->name, s->name) == 0 && c->entries[i].color == color &&
        c->entries[i].series->dashed == s->dashed)
      return true;
  return false;
}

static void collect_legend(chart *c) {
  for (int p = 0; p < c->n_panels; p++)
    for (int s = 0; s < c->panels[p].from->n_series && c->n_entries < MAX_NAMES; s++) {
      const cy_plot_series *series = &c->panels[p].from->series[s];
      int color = color_of(c->panels[p].from, s);
      if (series->name && *series->name && !in_legend(c, series, color))
        c->entries[c->n_entries++] = (entry){.series = series, .color = color};
    }
}

static double legend_name_width(const chart *c) { return fmin(260, c->options.width - 80); }

static void place_legend(chart *c, cairo_t *ruler) {
  char text[CY_LABEL_SIZE];
  double x = 0;
  c->legend_rows = c->n_entries > 0;
  cy_font(ruler, LEGEND_SIZE, CY_REGULAR);
  for (int i = 0; i < c->n_entries; i++) {
    double width =
        SWATCH + 6 + cy_text_width(ruler, cy_text_fit(ruler, c->entries[i].series->name, legend_name_width(c), text));
    if (x > 0 && x + width > c->width) x = 0, c->legend_rows++;
    c->entries[i].x = x;
    c->entries[i].row = c->legend_rows - 1;
    x += width + 22;
  }
}

static double widest_tick(cairo_t *ruler, const cy_axis *axis) {
  double widest = 0;
  for (int i = 0; i < axis->n_ticks; i++) widest = fmax(widest, cy_text_width(ruler, axis->tick[i].label));
  return widest;
}

/* The last point that is shown; -1 if none is. */
static int64_t last_shown(const cy_plot_panel *p, const cy_plot_series *s) {
  int64_t i = s->n - 1;
  while (i >= 0 && !shown(p, s, i)) i--;
  return i;
}

static double widest_end(const chart *c, cairo_t *ruler, const panel *p) {
  double widest = 0;
  if (c->options.no_ends || p->from->n_series > MAX_ENDS) return 0;
  for (int s = 0; s < p->from->n_series; s++) {
    char text[CY_TICK_TEXT];
    int64_t last = last_shown(p->from, &p->from->series[s]);
    if (last < 0) continue;
    cy_axis_value(&p->y, p->from->series[s].y[last], text);
    widest = fmax(widest, cy_text_width(ruler, text));
  }
  return widest;
}

static void lay_out(chart *c, cairo_t *ruler, const cy_plot_panel *panels) {
  range x = empty_range(), y[MAX_PANELS];
  double usable, top, margin = 0, right = 0;
  if (!c->options.width) c->options.width = 800;
  if (!c->options.height) c->options.height = c->n_panels == 1 ? 440 : 120 + 250 * c->n_panels;
  for (int p = 0; p < c->n_panels; p++) {
    c->panels[p].from = &panels[p];
    y[p] = empty_range();
    find_ranges(&panels[p], &x, &y[p]);
  }
  collect_legend(c);
  c->width = c->options.width - 100; /* until the margins are known */
  place_legend(c, ruler);
  top = cy_headline_height(c->options.title, c->options.subtitle) + c->legend_rows * LEGEND_ROW + 14;
  c->bottom = c->options.height - (c->options.x_label && *c->options.x_label ? 50 : 32);
  usable = c->bottom - top - (c->n_panels - 1) * PANEL_GAP;
  cy_font(ruler, LABEL_SIZE, CY_REGULAR);
  for (int p = 0; p < c->n_panels; p++) {
    c->panels[p].height = usable / c->n_panels;
    c->panels[p].top = top + p * (usable / c->n_panels + PANEL_GAP);
    set_y_axis(&c->panels[p], y[p]);
    margin = fmax(margin, widest_tick(ruler, &c->panels[p].y));
    right = fmax(right, widest_end(c, ruler, &c->panels[p]));
  }
  c->left = 16 + 20 + margin + 8;
  c->width = c->options.width - c->left - right - 24;
  place_legend(c, ruler);
  set_x_axis(c, x);
}

/* ---- drawing ---- */

static double px(const chart *c, double x) {
  return c->left + INSET + cy_axis_place(&c->x, x) * (c->width - 2 * INSET);
}
static double py(const panel *p, double y) { return p->top + (1 - cy_axis_place(&p->y, y)) * p->height; }

static void draw_legend(cairo_t *cr, const chart *c) {
  double top = cy_headline_height(c->options.title, c->options.subtitle) + 8;
  char text[CY_LABEL_SIZE];
  cy_font(cr, LEGEND_SIZE, CY_REGULAR);
  for (int i = 0; i < c->n_entries; i++) {
    const entry *e = &c->entries[i];
    double x = c->left + e->x, y = top + e->row * LEGEND_ROW;
    const double dash[] = {5, 4};
    cy_ink(cr, e->color);
    cairo_set_line_width(cr, 2.5);
    if (e->series->dashed) cairo_set_dash(cr, dash, 2, 0);
    cy_line(cr, x, y, x + SWATCH, y);
    cairo_set_dash(cr, NULL, 0, 0);
    cy_ink(cr, CY_INK_TEXT);
    cy_text_centered(cr, x + SWATCH + 6, y, 0, cy_text_fit(cr, e->series->name, legend_name_width(c), text));
  }
}

static void draw_frame(cairo_t *cr, const chart *c, const panel *p, bool lowest) {
  char text[CY_LABEL_SIZE];
  double right = c->left + c->width, bottom = p->top + p->height;
  cy_font(cr, LABEL_SIZE, CY_REGULAR);
  cairo_set_line_width(cr, 1);
  for (int i = 0; i < p->y.n_ticks; i++) {
    double y = py(p, p->y.tick[i].value);
    cy_ink(cr, p->y.tick[i].label[0] ? CY_INK_GRID : 0xf5f5f5);
    cy_line(cr, c->left, y, right, y);
    cy_ink(cr, CY_INK_SOFT);
    cy_text_centered(cr, c->left - 8, y, 1, p->y.tick[i].label);
  }
  for (int i = 0; i < c->x.n_ticks; i++) {
    double x = px(c, c->x.tick[i].value);
    cy_ink(cr, c->x.tick[i].label[0] ? CY_INK_GRID : 0xf5f5f5);
    cy_line(cr, x, p->top, x, bottom);
    cy_ink(cr, CY_INK_SOFT);
    if (lowest) cy_text_at(cr, x, bottom + 18, 0.5, c->x.tick[i].label);
  }
  cy_ink(cr, CY_INK_FRAME);
  cy_line(cr, c->left, bottom, right, bottom);
  if (p->from->y_label && *p->from->y_label) {
    cy_font(cr, LEGEND_SIZE, CY_REGULAR);
    cy_ink(cr, CY_INK_TEXT);
    cy_text_upwards(cr, 22, p->top + p->height / 2, 0.5, cy_text_fit(cr, p->from->y_label, p->height, text));
  }
}

/* A curve as it is being traced. Points that share a column of half a pixel become one stroke from the lowest to the
 * highest of them, entered at the first and left at the last: no peak is lost. */
typedef struct trace {
  double column, first, last, low, high;
  int64_t points; /* in this column */
  bool open;      /* a line leads here */
} trace;

static void flush_column(cairo_t *cr, trace *t) {
  if (!t->points) return;
  double x = t->column;
  if (t->open) cairo_line_to(cr, x, t->first);
  else cairo_move_to(cr, x, t->first);
  if (t->points > 2) {
    cairo_line_to(cr, x, t->low);
    cairo_line_to(cr, x, t->high);
  }
  if (t->points > 1) cairo_line_to(cr, x, t->last);
  t->open = true;
  t->points = 0;
}

static void trace_point(cairo_t *cr, trace *t, double x, double y, bool thin) {
  double column = thin ? floor(x * 2) / 2 : x;
  if (t->points && (!thin || column != t->column)) flush_column(cr, t);
  if (!t->points) {
    t->column = column;
    t->first = t->low = t->high = y;
  }
  t->last = y;
  t->low = fmin(t->low, y);
  t->high = fmax(t->high, y);
  t->points++;
}

static void dot(cairo_t *cr, double x, double y, double radius) {
  cairo_new_sub_path(cr);
  cairo_arc(cr, x, y, radius, 0, 2 * M_PI);
}

/* Few points are marked, and so is a point that no line reaches. */
static void mark_points(cairo_t *cr, const chart *c, const panel *p, const cy_plot_series *s) {
  for (int64_t i = 0; i < s->n; i++) {
    if (!shown(p->from, s, i)) continue;
    bool alone = (i == 0 || !shown(p->from, s, i - 1)) && (i + 1 == s->n || !shown(p->from, s, i + 1));
    if (alone || s->n <= MARKED_POINTS) dot(cr, px(c, x_of(s, i)), py(p, s->y[i]), s->n <= MARKED_POINTS ? 2.75 : 1.75);
  }
  cairo_fill(cr);
}

/* Dots, the smaller the more there are; where they lie on each other they are darker. */
static void scatter(cairo_t *cr, const chart *c, const panel *p, const cy_plot_series *s, int color) {
  double radius = s->n <= 300 ? 2.75 : s->n <= 3000 ? 1.75 : 1;
  cairo_set_source_rgba(cr, (color >> 16 & 255) / 255.0, (color >> 8 & 255) / 255.0, (color & 255) / 255.0, 0.5);
  for (int64_t i = 0; i < s->n; i++) {
    if (!shown(p->from, s, i)) continue;
    dot(cr, px(c, x_of(s, i)), py(p, s->y[i]), radius);
    cairo_fill(cr);
  }
}

static void draw_curve(cairo_t *cr, const chart *c, const panel *p, int which) {
  const cy_plot_series *s = &p->from->series[which];
  if (s->points) {
    scatter(cr, c, p, s, color_of(p->from, which));
    return;
  }
  const double dash[] = {5, 4};
  bool thin = (double)s->n > 4 * c->width;
  trace t = {0};
  cy_ink(cr, color_of(p->from, which));
  cairo_set_line_width(cr, s->n > 400 ? 1.25 : 2);
  if (s->dashed) cairo_set_dash(cr, dash, 2, 0);
  for (int64_t i = 0; i < s->n; i++) {
    if (shown(p->from, s, i)) {
      trace_point(cr, &t, px(c, x_of(s, i)), py(p, s->y[i]), thin);
    } else {
      flush_column(cr, &t);
      t.open = false;
    }
  }
  flush_column(cr, &t);
  cairo_stroke(cr);
  cairo_set_dash(cr, NULL, 0, 0);
  mark_points(cr, c, p, s);
}

/* The last value of each curve, beside the panel: sorted by height, then pushed apart. */
static void draw_ends(cairo_t *cr, const chart *c, const panel *p) {
  struct end {
    double y;
    int series;
  } ends[MAX_ENDS];
  int n = 0;
  if (c->options.no_ends || p->from->n_series > MAX_ENDS) return;
  for (int s = 0; s < p->from->n_series; s++) {
    int64_t last = last_shown(p->from, &p->from->series[s]);
    if (last < 0) continue;
    double y = fmin(fmax(py(p, p->from->series[s].y[last]), p->top), p->top + p->height);
    int at = n++;
    for (; at > 0 && ends[at - 1].y > y; at--) ends[at] = ends[at - 1];
    ends[at] = (struct end){y, s};
  }
  double lowest = p->top + p->height - 2;
  for (int i = 1; i < n; i++) ends[i].y = fmax(ends[i].y, ends[i - 1].y + 14);
  for (int i = n - 1; i >= 0; i--) {
    ends[i].y = fmin(ends[i].y, lowest);
    lowest = ends[i].y - 14;
  }
  cy_font(cr, LABEL_SIZE, CY_REGULAR);
  for (int i = 0; i < n; i++) {
    const cy_plot_series *s = &p->from->series[ends[i].series];
    char text[CY_TICK_TEXT];
    cy_axis_value(&p->y, s->y[last_shown(p->from, s)], text);
    cy_ink(cr, color_of(p->from, ends[i].series));
    cy_text_centered(cr, c->left + c->width + 8, ends[i].y, 0, text);
  }
}

static void draw_panel(cairo_t *cr, const chart *c, const panel *p, bool lowest) {
  draw_frame(cr, c, p, lowest);
  cairo_save(cr);
  cairo_rectangle(cr, c->left, p->top - 4, c->width, p->height + 8); /* a line along the edge keeps its width */
  cairo_clip(cr);
  for (int s = 0; s < p->from->n_series; s++) draw_curve(cr, c, p, s);
  cairo_restore(cr);
  draw_ends(cr, c, p);
}

static void draw_chart(cairo_t *cr, const void *what) {
  const chart *c = what;
  char text[CY_LABEL_SIZE];
  cy_headline(cr, c->left, c->options.width - c->left - 16, c->options.title, c->options.subtitle);
  draw_legend(cr, c);
  for (int p = 0; p < c->n_panels; p++) draw_panel(cr, c, &c->panels[p], p == c->n_panels - 1);
  if (c->options.x_label && *c->options.x_label) {
    cy_font(cr, LEGEND_SIZE, CY_REGULAR);
    cy_ink(cr, CY_INK_TEXT);
    cy_text_at(cr, c->left + c->width / 2, c->bottom + 38, 0.5, cy_text_fit(cr, c->options.x_label, c->width, text));
  }
}

static cy_status check_log_x(const cy_plot_series *s) {
  for (int64_t i = 0; i < s->n; i++)
    if (x_of(s, i) <= 0) return cy_fail(CY_INVALID, "plot: x = %g has no place on a logarithmic axis", x_of(s, i));
  return CY_OK;
}

static cy_status check_panels(const cy_plot_panel *panels, int n_panels, cy_plot_options options) {
  if (n_panels < 1 || n_panels > MAX_PANELS)
    return cy_fail(CY_INVALID, "plot: %d panels; a chart has 1 to %d", n_panels, MAX_PANELS);
  for (int p = 0; p < n_panels; p++)
    for (int s = 0; s < panels[p].n_series; s++)
      if (panels[p].series[s].n < 0 || (panels[p].series[s].n > 0 && !panels[p].series[s].y))
        return cy_fail(CY_INVALID, "plot: curve %d of panel %d has no values", s + 1, p + 1);
  for (int p = 0; options.log_x && p < n_panels; p++)
    for (int s = 0; s < panels[p].n_series; s++) CY_TRY(check_log_x(&panels[p].series[s]));
  int least = 160 + 80 * n_panels;
  if ((options.width && options.width < 240) || (options.height && options.height < least))
    return cy_fail(CY_INVALID, "plot: %d x %d pixels leave no room; %d panels need at least 240 x %d", options.width,
                   options.height, n_panels, least);
  return CY_OK;
}

cy_status cy_plot_lines(const cy_plot_panel *panels, int n_panels, cy_plot_options options, const char *png,
                        const char *svg) {
  CY_TRY(check_panels(panels, n_panels, options));
  cairo_t *ruler;
  chart *c = cy_calloc(1, sizeof *c);
  if (!c) return cy_no_memory();
  cy_status status;
  CY_TRY_GOTO(status, cy_page_ruler(&ruler), done);
  c->options = options;
  c->n_panels = n_panels;
  lay_out(c, ruler, panels);
  cairo_destroy(ruler);
  status = cy_page_write(c->options.width, c->options.height, draw_chart, c, png, svg);
done:
  cy_free(c);
  return status;
}
