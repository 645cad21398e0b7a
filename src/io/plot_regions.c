/* Decision regions of a classifier of points in a plane: shades of the most probable class, borders where two classes
 * are equally probable, samples on top. The shades are interpolated between the nodes of the caller's grid for every
 * device pixel, the borders are traced in its triangles. */
#include "io/plot.h"
#include "io/plot_axis.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CLASSES = 10, TICK_SIZE = 11, LEGEND_SIZE = 12, LEGEND_ROW = 20, DEVICE_SCALE = 2, FEW_POINTS = 300,
       SHAPES = 4, KEY_WIDTH = 90, KEY_HEIGHT = 10, STEPS = 128 };

typedef struct picture {
  cy_plot_options options;
  const cy_plot_plane *plane;
  cy_axis axis[2];
  double left, top, width, height; /* of the window, in nominal pixels */
  double radius;                   /* of a point */
  int legend_rows;
} picture;

static double px(const picture *p, double x) { return p->left + cy_axis_place(&p->axis[0], x) * p->width; }
static double py(const picture *p, double y) { return p->top + (1 - cy_axis_place(&p->axis[1], y)) * p->height; }

static const double *at_node(const cy_plot_plane *plane, int column, int row) {
  return plane->probabilities + ((size_t)row * (size_t)plane->columns + (size_t)column) * (size_t)plane->classes;
}

/* ---- shades ---- */

/* White where the class is no more probable than by chance, its colour at 60 % where it is certain; in steps that the eye
 * doesn't see, but that make the files smaller. */
static uint32_t tint(const cy_plot_plane *plane, int class, double probability) {
  double chance = 1.0 / plane->classes, certain = fmin(fmax((probability - chance) / (1 - chance), 0), 1);
  double share = 0.6 * round(certain * STEPS) / STEPS;
  int ink = cy_palette(class);
  uint32_t rgb = 0;
  for (int shift = 16; shift >= 0; shift -= 8)
    rgb |= (uint32_t)lround(255 + ((ink >> shift & 255) - 255) * share) << shift;
  return rgb;
}

/* The probabilities at (x, y), counted in nodes of the grid: linear between nodes. */
static void interpolate(const cy_plot_plane *plane, double x, double y, double result[MAX_CLASSES]) {
  int i = (int)fmin(x, plane->columns - 2), j = (int)fmin(y, plane->rows - 2);
  double u = x - i, v = y - j;
  const double *a = at_node(plane, i, j), *b = at_node(plane, i + 1, j), *c = at_node(plane, i, j + 1),
               *d = at_node(plane, i + 1, j + 1);
  for (int k = 0; k < plane->classes; k++)
    result[k] = (1 - v) * ((1 - u) * a[k] + u * b[k]) + v * ((1 - u) * c[k] + u * d[k]);
}

static int most_probable(const double *probabilities, int classes) {
  int most = 0;
  for (int k = 1; k < classes; k++)
    if (probabilities[k] > probabilities[most]) most = k;
  return most;
}

static void fill_shades(const picture *p, cairo_surface_t *surface, int width, int height) {
  const cy_plot_plane *plane = p->plane;
  cairo_surface_flush(surface);
  unsigned char *data = cairo_image_surface_get_data(surface);
  int stride = cairo_image_surface_get_stride(surface);
  for (int y = 0; y < height; y++) {
    uint32_t *line = (uint32_t *)(void *)(data + (ptrdiff_t)y * stride);
    for (int x = 0; x < width; x++) {
      double here[MAX_CLASSES];
      interpolate(plane, (x + 0.5) / width * (plane->columns - 1), (1 - (y + 0.5) / height) * (plane->rows - 1), here);
      int class = most_probable(here, plane->classes);
      line[x] = tint(plane, class, here[class]);
    }
  }
  cairo_surface_mark_dirty(surface);
}

static void draw_shades(cairo_t *cr, const picture *p) {
  int width = (int)p->width * DEVICE_SCALE, height = (int)p->height * DEVICE_SCALE;
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
  if (cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS) {
    fill_shades(p, surface, width, height);
    cairo_surface_set_device_scale(surface, DEVICE_SCALE, DEVICE_SCALE);
  }
  cairo_set_source_surface(cr, surface, p->left, p->top); /* a failed surface passes its error to cr */
  cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
  cairo_paint(cr);
  cairo_surface_destroy(surface);
}

/* ---- borders ---- */

typedef struct node {
  double x, y, lead; /* on the page; how much more probable the class is than the best other one */
} node;

static node lead_of(const picture *p, int column, int row, int class) {
  const cy_plot_plane *plane = p->plane;
  const double *here = at_node(plane, column, row);
  double other = -INFINITY;
  for (int k = 0; k < plane->classes; k++)
    if (k != class) other = fmax(other, here[k]);
  return (node){p->left + p->width * column / (plane->columns - 1), p->top + p->height * (1 - row / (plane->rows - 1.0)),
                here[class] - other};
}

/* Where the lead is zero in a triangle: a piece of a line, from one side to another. */
static void trace_triangle(cairo_t *cr, const node *a, const node *b, const node *c) {
  const node *sides[3][2] = {{a, b}, {b, c}, {c, a}};
  int found = 0;
  for (int i = 0; i < 3 && found < 2; i++) {
    const node *from = sides[i][0], *to = sides[i][1];
    if ((from->lead > 0) == (to->lead > 0)) continue;
    double at = from->lead / (from->lead - to->lead);
    double x = from->x + at * (to->x - from->x), y = from->y + at * (to->y - from->y);
    if (found++ == 0) cairo_move_to(cr, x, y);
    else cairo_line_to(cr, x, y);
  }
}

static void draw_borders(cairo_t *cr, const picture *p) {
  const cy_plot_plane *plane = p->plane;
  cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
  for (int class = plane->classes == 2 ? 1 : 0; class < plane->classes; class++)
    for (int j = 0; j + 1 < plane->rows; j++)
      for (int i = 0; i + 1 < plane->columns; i++) {
        node a = lead_of(p, i, j, class), b = lead_of(p, i + 1, j, class), c = lead_of(p, i, j + 1, class),
             d = lead_of(p, i + 1, j + 1, class);
        trace_triangle(cr, &a, &b, &c);
        trace_triangle(cr, &b, &d, &c);
      }
  cy_ink(cr, CY_INK_TEXT);
  cairo_set_line_width(cr, 1.4);
  cairo_stroke(cr);
  cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
}

/* ---- points ---- */

/* Disc, square, triangle, diamond, of about the same area. */
static void shape(cairo_t *cr, int class, double x, double y, double r) {
  static const double corners[SHAPES][4][2] = {
      {{0, 0}}, {{-0.88, -0.88}, {0.88, -0.88}, {0.88, 0.88}, {-0.88, 0.88}}, {{0, -1.25}, {1.15, 0.8}, {-1.15, 0.8}},
      {{0, -1.25}, {1.25, 0}, {0, 1.25}, {-1.25, 0}}};
  static const int count[SHAPES] = {0, 4, 3, 4};
  int kind = class % SHAPES;
  cairo_new_sub_path(cr);
  if (kind == 0) cairo_arc(cr, x, y, r, 0, 2 * M_PI);
  for (int i = 0; i < count[kind]; i++) cairo_line_to(cr, x + r * corners[kind][i][0], y + r * corners[kind][i][1]);
  cairo_close_path(cr);
}

static void mark(cairo_t *cr, int class, double x, double y, double radius, bool wrong) {
  shape(cr, class, x, y, radius);
  cy_ink(cr, cy_palette(class));
  cairo_fill_preserve(cr);
  cairo_set_line_width(cr, wrong ? 1.3 : 0.8);
  cy_ink(cr, wrong ? 0x000000 : 0xffffff);
  cairo_stroke(cr);
}

static bool is_wrong(const cy_plot_plane *plane, int64_t i) {
  return plane->predicted && plane->predicted[i] != plane->actual[i];
}

/* The wrong ones last, where they can be seen. */
static void draw_points(cairo_t *cr, const picture *p) {
  const cy_plot_plane *plane = p->plane;
  for (int wrong = 0; wrong < 2; wrong++)
    for (int64_t i = 0; i < plane->n; i++) {
      const double *at = &plane->points[2 * i];
      bool inside = at[0] >= plane->low[0] && at[0] <= plane->high[0] && at[1] >= plane->low[1] && at[1] <= plane->high[1];
      if (inside && is_wrong(plane, i) == wrong)
        mark(cr, (int)plane->actual[i], px(p, at[0]), py(p, at[1]), p->radius, wrong);
    }
}

/* ---- legend ---- */

static const char *class_name(cairo_t *cr, const picture *p, int class, char buffer[CY_LABEL_SIZE]) {
  char number[16];
  snprintf(number, sizeof number, "%d", class);
  const char *name = p->plane->names ? p->plane->names[class] : NULL;
  return cy_text_fit(cr, name ? name : number, 160, buffer);
}

static bool any_wrong(const cy_plot_plane *plane) {
  for (int64_t i = 0; i < plane->n; i++)
    if (is_wrong(plane, i)) return true;
  return false;
}

/* How faint is how uncertain: from chance to certain, a strip for each class. */
static void draw_key(cairo_t *cr, const picture *p, double x, double middle) {
  const cy_plot_plane *plane = p->plane;
  char text[16];
  double strip = (double)KEY_HEIGHT / plane->classes;
  snprintf(text, sizeof text, "%.0f %%", 100.0 / plane->classes);
  cy_ink(cr, CY_INK_SOFT);
  cy_text_centered(cr, x - 6, middle, 1, text);
  cy_text_centered(cr, x + KEY_WIDTH + 6, middle, 0, "100 %");
  for (int class = 0; class < plane->classes; class++)
    for (int i = 0; i < KEY_WIDTH; i++) {
      double chance = 1.0 / plane->classes, probability = chance + (1 - chance) * (i + 0.5) / KEY_WIDTH;
      cy_ink(cr, (int)tint(plane, class, probability));
      cairo_rectangle(cr, x + i, middle - KEY_HEIGHT / 2.0 + class * strip, 1.05, strip);
      cairo_fill(cr);
    }
  cy_ink(cr, CY_INK_FRAME);
  cairo_set_line_width(cr, 0.75);
  cairo_rectangle(cr, x, middle - KEY_HEIGHT / 2.0, KEY_WIDTH, KEY_HEIGHT);
  cairo_stroke(cr);
}

/* The next place of the legend for an entry of this width; rows are as wide as the window. */
static void place(const picture *p, double width, double *x, int *row) {
  if (*x > 0 && *x + width > p->width) *x = 0, ++*row;
}

/* Draws, or only counts the rows. */
static int legend(cairo_t *cr, const picture *p, bool draw) {
  const cy_plot_plane *plane = p->plane;
  double top = cy_headline_height(p->options.title, p->options.subtitle) + 8, x = 0;
  char text[CY_LABEL_SIZE];
  int row = 0;
  cy_font(cr, LEGEND_SIZE, CY_REGULAR);
  for (int class = 0; class < plane->classes + 1; class++) {
    bool wrong = class == plane->classes;
    if (wrong && !any_wrong(plane)) continue;
    const char *name = wrong ? "dark edge: misclassified" : class_name(cr, p, class, text);
    double width = (wrong ? 0 : 15) + cy_text_width(cr, name) + 20;
    place(p, width, &x, &row);
    double middle = top + row * LEGEND_ROW;
    if (draw && !wrong) mark(cr, class, p->left + x + 5, middle, 4.5, false);
    cy_ink(cr, CY_INK_TEXT);
    if (draw) cy_text_centered(cr, p->left + x + (wrong ? 0 : 15), middle, 0, name);
    x += width;
  }
  place(p, KEY_WIDTH + 90, &x, &row);
  if (draw) draw_key(cr, p, p->left + p->width - KEY_WIDTH - 44, top + row * LEGEND_ROW);
  return row + 1;
}

/* ---- frame ---- */

static void draw_frame(cairo_t *cr, const picture *p) {
  char text[CY_LABEL_SIZE];
  double bottom = p->top + p->height;
  cairo_set_line_width(cr, 1);
  cy_font(cr, TICK_SIZE, CY_REGULAR);
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < p->axis[k].n_ticks; i++) {
      const cy_tick *tick = &p->axis[k].tick[i];
      double x = k == 0 ? px(p, tick->value) : p->left, y = k == 0 ? bottom : py(p, tick->value);
      cy_ink(cr, CY_INK_FRAME);
      cy_line(cr, x, y, k == 0 ? x : x - 4, k == 0 ? y + 4 : y);
      cy_ink(cr, CY_INK_SOFT);
      if (k == 0) cy_text_at(cr, x, bottom + 18, 0.5, tick->label);
      else cy_text_centered(cr, p->left - 8, y, 1, tick->label);
    }
  cy_ink(cr, CY_INK_FRAME);
  cairo_rectangle(cr, p->left, p->top, p->width, p->height);
  cairo_stroke(cr);
  cy_font(cr, LEGEND_SIZE, CY_REGULAR);
  cy_ink(cr, CY_INK_TEXT);
  if (p->plane->labels[0])
    cy_text_at(cr, p->left + p->width / 2, bottom + 38, 0.5, cy_text_fit(cr, p->plane->labels[0], p->width, text));
  if (p->plane->labels[1])
    cy_text_upwards(cr, 24, p->top + p->height / 2, 0.5, cy_text_fit(cr, p->plane->labels[1], p->height, text));
}

static void draw_picture(cairo_t *cr, const void *what) {
  const picture *p = what;
  cy_headline(cr, p->left, p->options.width - p->left - 16, p->options.title, p->options.subtitle);
  legend(cr, p, true);
  cairo_save(cr);
  cairo_rectangle(cr, p->left, p->top, p->width, p->height);
  cairo_clip(cr);
  draw_shades(cr, p);
  draw_borders(cr, p);
  draw_points(cr, p);
  cairo_restore(cr);
  draw_frame(cr, p);
}

/* ---- the whole ---- */

/* Sides are whole pixels, for the shades. */
static void lay_out(picture *p, cairo_t *ruler) {
  double widest = 0, head = cy_headline_height(p->options.title, p->options.subtitle);
  for (int k = 0; k < 2; k++) p->axis[k] = (cy_axis){.low = p->plane->low[k], .high = p->plane->high[k]};
  cy_axis_ticks(&p->axis[1], (int)((p->options.height - head - 80) / 55), false);
  cy_font(ruler, TICK_SIZE, CY_REGULAR);
  for (int i = 0; i < p->axis[1].n_ticks; i++)
    widest = fmax(widest, cy_text_width(ruler, p->axis[1].tick[i].label));
  p->left = ceil(16 + 20 + widest + 8);
  p->width = fmax(1, floor(p->options.width - p->left - 24));
  p->legend_rows = legend(ruler, p, false);
  p->top = ceil(head + p->legend_rows * LEGEND_ROW + 10);
  p->height = fmax(1, floor(p->options.height - 52 - p->top));
  cy_axis_ticks(&p->axis[0], (int)(p->width / 90), false);
  p->radius = p->plane->n <= FEW_POINTS ? 4 : fmax(2.2, 4 * pow((double)FEW_POINTS / (double)p->plane->n, 0.25));
}

static cy_status check(const cy_plot_plane *plane, cy_plot_options options) {
  if (plane->classes < 2 || plane->classes > MAX_CLASSES)
    return cy_fail(CY_INVALID, "regions: %d classes; 2 to %d can be drawn", plane->classes, MAX_CLASSES);
  if (plane->columns < 2 || plane->rows < 2)
    return cy_fail(CY_INVALID, "regions: a grid of %d x %d points; at least 2 x 2", plane->columns, plane->rows);
  for (int k = 0; k < 2; k++)
    if (!(plane->low[k] < plane->high[k] && isfinite(plane->high[k] - plane->low[k])))
      return cy_fail(CY_INVALID, "regions: no window from %g to %g", plane->low[k], plane->high[k]);
  for (int64_t i = 0; i < plane->n; i++)
    if (plane->actual[i] < 0 || plane->actual[i] >= plane->classes)
      return cy_fail(CY_INVALID, "regions: point %lld is of class %lld, but there are %d", (long long)i,
                     (long long)plane->actual[i], plane->classes);
  if (options.width < 240 || options.height < 240)
    return cy_fail(CY_INVALID, "regions: %d x %d pixels leave no room; at least 240 x 240", options.width, options.height);
  return CY_OK;
}

cy_status cy_plot_regions(const cy_plot_plane *plane, cy_plot_options options, const char *png, const char *svg) {
  if (!options.width) options.width = 720;
  if (!options.height) options.height = 700;
  CY_TRY(check(plane, options));
  picture p = {.options = options, .plane = plane};
  cairo_t *ruler;
  CY_TRY(cy_page_ruler(&ruler));
  lay_out(&p, ruler);
  cairo_destroy(ruler);
  return cy_page_write(options.width, options.height, draw_picture, &p, png, svg);
}
