/* Contours of a function sampled on a grid: a shaded ground, lines by marching squares with linear interpolation, and
 * numbers where they hide neither each other nor a path. */
#include "io/plot_path.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = CY_CONTOUR_SAMPLES, MAX_PLACES = 4000, LABEL_SIZE = 10, LOOKED_AT = 300 };

/* ---- levels ---- */

/* v rounded to two digits of what it lies above the lowest. */
static double rounded(double v, double lowest) {
  double unit = pow(10, floor(log10(v - lowest)) - 1);
  return round(v / unit) * unit;
}

void cy_contour_levels(cy_path_chart *c) {
  double lowest = c->n_sorted ? c->sorted[0] : 0;
  c->n_levels = 0;
  for (int i = 1; i <= CY_MAX_LEVELS && c->n_sorted; i++) {
    double share = pow((double)i / (CY_MAX_LEVELS + 1), 2.2); /* of the area that lies lower */
    double v = c->sorted[(int64_t)(share * (double)(c->n_sorted - 1))];
    if (!(v > lowest)) continue;
    v = rounded(v, lowest);
    if (c->n_levels == 0 || v > c->levels[c->n_levels - 1]) c->levels[c->n_levels++] = v;
  }
}

/* ---- ground ---- */

static double sample(const cy_path_chart *c, int i, int j) { return c->samples[j * N + i]; }

/* 0 below the lowest level, 1 above the highest, even between neighbours. */
static double height_of(const cy_path_chart *c, double v) {
  int k = 0;
  while (k < c->n_levels && v >= c->levels[k]) k++;
  double low = k ? c->levels[k - 1] : c->sorted[0], high = k < c->n_levels ? c->levels[k] : c->sorted[c->n_sorted - 1];
  double part = high > low ? fmin(1, (v - low) / (high - low)) : 0;
  return (k + part) / (c->n_levels + 1);
}

static int mix(int from, int to, double t) {
  int rgb = 0;
  for (int shift = 0; shift <= 16; shift += 8) {
    double a = from >> shift & 255, b = to >> shift & 255;
    rgb |= (int)lround(a + (b - a) * t) << shift;
  }
  return rgb;
}

static int ground(const cy_path_chart *c, double v) {
  if (!isfinite(v)) return 0xf7e3d4; /* undefined */
  double t = height_of(c, v);
  return t < 0.5 ? mix(0xfdfefe, 0xdce7ee, 2 * t) : mix(0xdce7ee, 0xa9c0cf, 2 * t - 1);
}

static void draw_ground(cairo_t *cr, const cy_path_chart *c) {
  cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, N, N);
  if (cairo_surface_status(image) == CAIRO_STATUS_SUCCESS) {
    unsigned char *bytes = cairo_image_surface_get_data(image);
    int stride = cairo_image_surface_get_stride(image);
    for (int j = 0; j < N; j++)
      for (int i = 0; i < N; i++) {
        unsigned pixel = (unsigned)ground(c, sample(c, i, N - 1 - j));
        memcpy(bytes + (ptrdiff_t)j * stride + (ptrdiff_t)i * 4, &pixel, sizeof pixel);
      }
    cairo_surface_mark_dirty(image);
  }
  cairo_save(cr);
  cairo_translate(cr, c->left, c->top);
  cairo_scale(cr, c->width / (N - 1), c->height / (N - 1));
  cairo_set_source_surface(cr, image, -0.5, -0.5); /* samples lie in the middle of pixels */
  cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
  cairo_rectangle(cr, 0, 0, N - 1, N - 1);
  cairo_fill(cr);
  cairo_restore(cr);
  cairo_surface_destroy(image); /* a failure is the context's error */
}

/* ---- lines ---- */

typedef struct place {
  double x, y;
} place;

static double column_px(const cy_path_chart *c, double i) { return c->left + i / (N - 1) * c->width; }
static double row_py(const cy_path_chart *c, double j) { return c->top + (1 - j / (N - 1)) * c->height; }

/* Where the level crosses the edge between two corners of a cell. */
static place crossing(const cy_path_chart *c, double level, const int a[2], const int b[2]) {
  double va = sample(c, a[0], a[1]), vb = sample(c, b[0], b[1]);
  double t = va == vb ? 0.5 : (level - va) / (vb - va);
  return (place){column_px(c, a[0] + t * (b[0] - a[0])), row_py(c, a[1] + t * (b[1] - a[1]))};
}

/* Adds the level's segments in a cell to the path; a cell with two of them (a saddle) is decided by its middle. */
static int trace_cell(cairo_t *cr, const cy_path_chart *c, double level, int i, int j, place *middle) {
  const int corners[4][2] = {{i, j}, {i + 1, j}, {i + 1, j + 1}, {i, j + 1}};
  bool above[4];
  double mean = 0;
  place at[4];
  int n = 0;
  for (int k = 0; k < 4; k++) {
    double v = sample(c, corners[k][0], corners[k][1]);
    if (!isfinite(v)) return 0;
    above[k] = v >= level;
    mean += v / 4;
  }
  for (int k = 0; k < 4; k++)
    if (above[k] != above[(k + 1) % 4]) at[n++] = crossing(c, level, corners[k], corners[(k + 1) % 4]);
  if (n == 0) return 0;
  bool turn = n == 4 && (mean >= level) == above[0]; /* corners 0 and 2 are joined: the lines cut off 1 and 3 */
  for (int k = 0; k < n; k += 2) {
    place from = at[turn ? k : (k + 3) % 4], to = at[turn ? k + 1 : k];
    if (n == 2) from = at[0], to = at[1];
    cairo_move_to(cr, from.x, from.y);
    cairo_line_to(cr, to.x, to.y);
    *middle = (place){(from.x + to.x) / 2, (from.y + to.y) / 2};
  }
  return 1;
}

/* places: middles of some of the segments. */
static int trace_level(cairo_t *cr, const cy_path_chart *c, double level, place *places) {
  int n = 0;
  place middle;
  for (int j = 0; j + 1 < N; j++)
    for (int i = 0; i + 1 < N; i++)
      if (trace_cell(cr, c, level, i, j, &middle) && n < MAX_PLACES) places[n++] = middle;
  return n;
}

/* ---- numbers on lines ---- */

enum { WIDER = 2 }; /* numbers are wider than high: distances across count half */

static double apart(place a, place b) { return hypot((a.x - b.x) / WIDER, a.y - b.y); }

/* Of a place to a segment of a path. */
static double apart_from_line(place at, place from, place to) {
  double dx = (to.x - from.x) / WIDER, dy = to.y - from.y, length = dx * dx + dy * dy;
  double t = length > 0 ? ((at.x - from.x) / WIDER * dx + (at.y - from.y) * dy) / length : 0;
  t = fmin(fmax(t, 0), 1);
  return apart(at, (place){from.x + t * (to.x - from.x), from.y + t * (to.y - from.y)});
}

/* Distance from the window's edge and from numbers that are there already; both may be nearer than a path. */
static double room_among(const cy_path_chart *c, place at, const place *labels, int n_labels) {
  double sides = fmin(at.x - c->left, c->left + c->width - at.x) / WIDER;
  double room = 1.5 * fmin(sides, fmin(at.y - c->top, c->top + c->height - at.y));
  for (int i = 0; i < n_labels; i++) room = fmin(room, apart(at, labels[i]) * 0.6);
  return room;
}

static double room_around(const cy_path_chart *c, place at, const place *labels, int n_labels) {
  double room = room_among(c, at, labels, n_labels);
  for (int p = 0; p < c->n_paths; p++) {
    place last = {0};
    bool open = false;
    for (int64_t i = 0; i < c->paths[p].n && i < LOOKED_AT; i++) {
      const double *point = &c->paths[p].points[2 * i];
      place next = {cy_path_px(c, point[0]), cy_path_py(c, point[1])};
      if (!(fabs(next.x) < 1e9 && fabs(next.y) < 1e9)) break;
      room = fmin(room, apart_from_line(at, open ? last : next, next));
      last = next;
      open = true;
    }
  }
  return room;
}

static void draw_number(cairo_t *cr, const cy_path_chart *c, double level, const place *places, int n, place *labels,
                        int *n_labels) {
  enum { LEAST_ROOM = 12 };
  int best = -1, every = n > LOOKED_AT ? n / LOOKED_AT : 1;
  double most = LEAST_ROOM;
  char text[32];
  for (int i = 0; i < n; i += every) {
    double room = room_around(c, places[i], labels, *n_labels);
    if (room > most) best = i, most = room;
  }
  if (best < 0) return;
  snprintf(text, sizeof text, "%.6g", level);
  cy_font(cr, LABEL_SIZE, CY_REGULAR);
  cy_ink(cr, 0x4d6472);
  cy_path_halo_text(cr, places[best].x, places[best].y, 0.5, text);
  labels[(*n_labels)++] = places[best];
}

void cy_draw_contours(cairo_t *cr, const cy_path_chart *c) {
  static const int ink = 0x8aa3b3;
  place places[MAX_PLACES], labels[CY_MAX_LEVELS];
  int n_labels = 0;
  if (c->n_sorted) draw_ground(cr, c);
  cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
  for (int k = 0; k < c->n_levels; k++) {
    cy_ink(cr, ink);
    cairo_set_line_width(cr, 0.9);
    int n = trace_level(cr, c, c->levels[k], places);
    cairo_stroke(cr);
    draw_number(cr, c, c->levels[k], places, n, labels, &n_labels);
  }
  cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
}
