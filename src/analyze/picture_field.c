/* A unit's receptive field over the input: the input as a grid with the elements that it sees, or with how much each
 * counts, and the layer's output beside it (above it, for sequences) with the unit. Of volumes one looks through
 * the depth. What lies beyond the border is dashed. */
#include "analyze/picture.h"

#include "base/error.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EDGE = 22, INPUT_SIDE = 440, SEQUENCE_SIDE = 760, OUTPUT_SIDE = 200, BETWEEN = 70, LABEL = 24, MOST_DRAWN = 4096, BAR = 160, LABEL_ROOM = 170 };
enum { FIELD_INK = 0xd55e00, SEEN_INK = 0x0072b2 };

/* A grid of cells on the page. */
typedef struct panel {
  double x, y, cell_width, cell_height;
  int64_t rows, columns;
} panel;

typedef struct picture {
  const cy_analysis *a;
  int layer;
  cy_plot_options options;
  const cy_tensor *effective;
  bool *seen[CY_MAX_RANK];
  bool has_output;          /* the layer keeps the input's spatial axes */
  panel input, output;
  int64_t unit[2];          /* row and column */
  int64_t low[2], high[2];  /* what is seen, as rows and columns: inside the input */
  int64_t full_low[2], full_high[2]; /* and with what lies beyond */
  const bool *rows, *columns; /* seen; rows NULL: the only one */
  char title[192], subtitle[192], output_label[192];
} picture;

/* ---- what there is to draw ---- */

static void hull(const bool *seen, int64_t n, int64_t *low, int64_t *high) {
  *low = 0;
  *high = -1;
  for (int64_t i = 0; i < n; i++)
    if (seen[i]) {
      if (*high < *low) *low = i;
      *high = i;
    }
}

/* The whole field, if it is known to be that interval moved along. */
static void extend(const cy_receptive_axis *f, int64_t unit, int64_t extent, int64_t low, int64_t high,
                   int64_t *full_low, int64_t *full_high) {
  int64_t first = f->first + f->stride * unit, last = f->last + f->stride * unit;
  bool known = f->sight == CY_SEES_WINDOW && f->regular && f->per == 1 && (first < 0 ? 0 : first) == low &&
               (last >= extent ? extent - 1 : last) == high;
  *full_low = known ? first : low;
  *full_high = known ? last : high;
}

static void read_axis(picture *p, int place, int axis, int64_t unit) {
  int64_t extent = p->a->sample.dim[axis];
  hull(p->seen[axis + 1], extent, &p->low[place], &p->high[place]);
  extend(&p->a->layers[p->layer].field[axis + 1], unit, extent, p->low[place], p->high[place], &p->full_low[place],
         &p->full_high[place]);
}

static void read_field(picture *p, const int64_t *unit) {
  int across = p->a->sample.rank - 1, down = across - 1; /* 0: the channels of sequences */
  bool image = down > 0;
  cy_shape output = p->a->layers[p->layer].output;
  p->has_output = output.rank == p->a->sample.rank;
  if (image) {
    p->unit[0] = p->has_output && unit[down] >= 0 ? unit[down] : 0;
    read_axis(p, 0, down, p->unit[0]);
    p->rows = p->seen[down + 1];
  } else {
    p->high[0] = p->full_high[0] = 0;
  }
  p->unit[1] = p->has_output && unit[across] >= 0 ? unit[across] : 0;
  read_axis(p, 1, across, p->unit[1]);
  p->columns = p->seen[across + 1];
  p->input.rows = image ? p->a->sample.dim[down] : 1;
  p->input.columns = p->a->sample.dim[across];
  p->output.rows = p->has_output && image ? output.dim[down] : 1;
  p->output.columns = p->has_output ? output.dim[across] : 1;
}

/* ---- drawing ---- */

static double left_of(const panel *g, double column) { return g->x + column * g->cell_width; }
static double top_of(const panel *g, double row) { return g->y + row * g->cell_height; }

static void draw_lines(cairo_t *cr, const panel *g) {
  cairo_set_line_width(cr, 0.6);
  cy_ink(cr, CY_INK_GRID);
  for (int64_t c = 1; g->cell_width >= 5 && c < g->columns; c++)
    cy_line(cr, left_of(g, (double)c), g->y, left_of(g, (double)c), top_of(g, (double)g->rows));
  for (int64_t r = 1; g->cell_height >= 5 && r < g->rows; r++)
    cy_line(cr, g->x, top_of(g, (double)r), left_of(g, (double)g->columns), top_of(g, (double)r));
}

static void draw_border(cairo_t *cr, const panel *g) {
  cairo_set_line_width(cr, 1);
  cy_ink(cr, CY_INK_SOFT);
  cairo_rectangle(cr, g->x, g->y, g->cell_width * (double)g->columns, g->cell_height * (double)g->rows);
  cairo_stroke(cr);
}

/* Fills the seen columns of one run of seen rows. */
static void fill_runs(cairo_t *cr, const picture *p, int64_t row, int64_t end) {
  const panel *g = &p->input;
  for (int64_t c = 0; c < g->columns; c++) {
    int64_t stop = c;
    while (stop < g->columns && p->columns[stop]) stop++;
    if (stop == c) continue;
    cairo_rectangle(cr, left_of(g, (double)c), top_of(g, (double)row), (double)(stop - c) * g->cell_width,
                    (double)(end - row) * g->cell_height);
    c = stop;
  }
}

static void fill_seen(cairo_t *cr, const picture *p) {
  cairo_set_source_rgba(cr, (SEEN_INK >> 16 & 255) / 255.0, (SEEN_INK >> 8 & 255) / 255.0, (SEEN_INK & 255) / 255.0,
                        0.38);
  for (int64_t r = 0; r < p->input.rows; r++) {
    int64_t stop = r;
    while (stop < p->input.rows && (!p->rows || p->rows[stop])) stop++;
    if (stop == r) continue;
    fill_runs(cr, p, r, stop);
    r = stop;
  }
  cairo_fill(cr);
}

/* White to deep blue; the shade is the square root of the share. */
static uint32_t shade(double share) {
  double t = sqrt(share < 0 ? 0 : share), from[3] = {255, 255, 255}, middle[3] = {86, 180, 233}, to[3] = {8, 48, 107};
  uint32_t rgb = 0;
  for (int i = 0; i < 3; i++) {
    double v = t < 0.5 ? from[i] + (middle[i] - from[i]) * 2 * t : middle[i] + (to[i] - middle[i]) * (2 * t - 1);
    rgb = rgb << 8 | (uint32_t)lround(v);
  }
  return rgb;
}

/* How much an element counts; of volumes, those behind one another together. */
static double effective_at(const picture *p, int64_t i) {
  int64_t layer = p->input.rows * p->input.columns, n = cy_tensor_count(p->effective);
  double sum = 0;
  for (; i < n; i += layer) sum += cy_tensor_at(p->effective, i);
  return sum;
}

static void fill_effective(cairo_t *cr, const picture *p) {
  const panel *g = &p->input;
  double most = 0;
  int64_t n = g->rows * g->columns;
  for (int64_t i = 0; i < n; i++) most = fmax(most, effective_at(p, i));
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)g->columns, (int)g->rows);
  unsigned char *data = cairo_image_surface_get_data(surface);
  int stride = cairo_image_surface_get_stride(surface);
  for (int64_t i = 0; data && i < n; i++)
    ((uint32_t *)(void *)(data + i / g->columns * stride))[i % g->columns] =
        shade(most > 0 ? effective_at(p, i) / most : 0);
  if (data) cairo_surface_mark_dirty(surface);
  cairo_save(cr);
  cairo_translate(cr, g->x, g->y);
  cairo_scale(cr, g->cell_width, g->cell_height);
  cairo_set_source_surface(cr, surface, 0, 0); /* a failed surface passes its error on */
  cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
  cairo_paint(cr);
  cairo_restore(cr);
  cairo_surface_destroy(surface);
}

/* Strongest above, nothing below; the scale that fill_effective uses. */
static void draw_scale(cairo_t *cr, const picture *p, double y) {
  double x = p->input.x;
  for (int i = 0; i < BAR; i++) {
    cy_ink(cr, (int)shade((double)i / (BAR - 1)));
    cairo_rectangle(cr, x + i, y, 1.5, 9);
    cairo_fill(cr);
  }
  cairo_set_line_width(cr, 0.6);
  cy_ink(cr, CY_INK_FRAME);
  cairo_rectangle(cr, x, y, BAR, 9);
  cairo_stroke(cr);
  cy_font(cr, 9.5, CY_REGULAR);
  cy_ink(cr, CY_INK_SOFT);
  cy_text_centered(cr, x + BAR + 8, y + 4.5, 0, p->a->sample.rank == 4
                       ? "mean squared derivative, summed over the depth, none to most (square-root scale)"
                       : "mean squared derivative, none to most (square-root scale)");
}

static void outline(cairo_t *cr, const panel *g, const int64_t low[2], const int64_t high[2]) {
  cairo_rectangle(cr, left_of(g, (double)low[1]), top_of(g, (double)low[0]),
                  (double)(high[1] - low[1] + 1) * g->cell_width, (double)(high[0] - low[0] + 1) * g->cell_height);
}

static void draw_outlines(cairo_t *cr, const picture *p) {
  static const double dashes[] = {4, 3};
  if (p->high[0] < p->low[0] || p->high[1] < p->low[1]) return;
  cairo_set_line_width(cr, 1.6);
  cy_ink(cr, FIELD_INK);
  bool beyond = memcmp(p->low, p->full_low, sizeof p->low) != 0 || memcmp(p->high, p->full_high, sizeof p->high) != 0;
  if (beyond) {
    cairo_set_dash(cr, dashes, 2, 0);
    outline(cr, &p->input, p->full_low, p->full_high);
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
  }
  outline(cr, &p->input, p->low, p->high);
  cairo_stroke(cr);
}

/* From the unit's corners to those of what it sees. */
static void draw_rays(cairo_t *cr, const picture *p) {
  const panel *in = &p->input, *out = &p->output;
  cairo_set_line_width(cr, 0.8);
  cairo_set_source_rgba(cr, (FIELD_INK >> 16 & 255) / 255.0, (FIELD_INK >> 8 & 255) / 255.0, (FIELD_INK & 255) / 255.0,
                        0.55);
  for (int i = 0; i < 2; i++) {
    if (p->rows) {
      int64_t row = i ? p->high[0] + 1 : p->low[0];
      cy_line(cr, left_of(out, (double)p->unit[1]), top_of(out, (double)(p->unit[0] + i)),
              left_of(in, (double)(p->high[1] + 1)), top_of(in, (double)row));
    } else {
      int64_t column = i ? p->high[1] + 1 : p->low[1];
      cy_line(cr, left_of(out, (double)(p->unit[1] + i)), top_of(out, 1), left_of(in, (double)column), top_of(in, 0));
    }
  }
}

static void draw_label(cairo_t *cr, const picture *p, const panel *g, const char *text, bool above) {
  char buffer[CY_LABEL_SIZE];
  double middle = g->x + g->cell_width * (double)g->columns / 2, y = above ? g->y - 9 : top_of(g, (double)g->rows) + 16;
  cy_font(cr, 11, CY_REGULAR);
  cy_ink(cr, CY_INK_TEXT);
  double room = 2 * fmin(middle - 4, p->options.width - middle - 4);
  cy_text_at(cr, middle, y, 0.5, cy_text_fit(cr, text, room, buffer));
}

static void draw_field(cairo_t *cr, const void *what) {
  const picture *p = what;
  char shape[CY_PICTURE_TEXT], label[CY_PICTURE_TEXT + 16];
  cy_headline(cr, EDGE, p->options.width - 2 * EDGE, p->title, p->subtitle);
  if (p->effective) fill_effective(cr, p);
  else fill_seen(cr, p);
  draw_lines(cr, &p->input);
  draw_border(cr, &p->input);
  if (p->has_output) {
    draw_lines(cr, &p->output);
    cy_ink(cr, FIELD_INK);
    cairo_rectangle(cr, left_of(&p->output, (double)p->unit[1]), top_of(&p->output, (double)p->unit[0]),
                    p->output.cell_width, p->output.cell_height);
    cairo_fill(cr);
    draw_border(cr, &p->output);
    draw_rays(cr, p);
    draw_label(cr, p, &p->output, p->output_label, !p->rows);
  }
  draw_outlines(cr, p);
  snprintf(label, sizeof label, "input %s", cy_picture_shape(p->a->sample, shape));
  draw_label(cr, p, &p->input, label, false);
  if (p->effective) draw_scale(cr, p, p->options.height - 24);
}

/* ---- layout ---- */

/* Rows or columns beyond the border that the page has to show. */
static int64_t before_border(const picture *p, int i) { return p->full_low[i] < 0 ? -p->full_low[i] : 0; }
static int64_t after_border(const picture *p, int i) {
  int64_t extent = i ? p->input.columns : p->input.rows;
  return p->full_high[i] >= extent ? p->full_high[i] - extent + 1 : 0;
}
static int64_t cells_on_page(const picture *p, int i) {
  return (i ? p->input.columns : p->input.rows) + before_border(p, i) + after_border(p, i);
}

/* Fields that reach further than the input is long are cut back to that. */
static void keep_on_page(picture *p) {
  for (int i = 0; i < 2; i++) {
    int64_t extent = i ? p->input.columns : p->input.rows;
    if (p->full_low[i] < -extent) p->full_low[i] = -extent;
    if (p->full_high[i] > 2 * extent - 1) p->full_high[i] = 2 * extent - 1;
  }
}

static double at_most(double side, double cells, double largest) {
  double cell = fmin(side / cells, largest);
  return cell >= 1 ? floor(cell * 4) / 4 : cell; /* lines of cells fall on quarters of pixels */
}

static void lay_out_image(picture *p) {
  panel *in = &p->input, *out = &p->output;
  keep_on_page(p);
  double cell = at_most(INPUT_SIDE, fmax((double)cells_on_page(p, 0), (double)cells_on_page(p, 1)), 30);
  double left = cell * (double)before_border(p, 1), right = cell * (double)after_border(p, 1);
  double above = cell * (double)before_border(p, 0), below = cell * (double)after_border(p, 0);
  double top = cy_headline_height(p->title, p->subtitle) + 10;
  *in = (panel){EDGE + left, top + above, cell, cell, in->rows, in->columns};
  double bottom = top_of(in, (double)in->rows) + fmax(LABEL, below + 8), end = left_of(in, (double)in->columns) + right;
  if (p->has_output) {
    double larger_out = (double)(out->rows > out->columns ? out->rows : out->columns);
    double size = fmin(fmax(OUTPUT_SIDE / larger_out, 0.25), 24), height = size * (double)out->rows;
    double middle = top_of(in, (double)in->rows / 2);
    *out = (panel){end + BETWEEN, fmax(top, middle - height / 2), size, size, out->rows, out->columns};
    double wide = size * (double)out->columns, room = fmax(wide, LABEL_ROOM);
    out->x += (room - wide) / 2;
    end += BETWEEN + room;
  }
  p->options.width = (int)ceil(fmax(end + EDGE, 460));
  p->options.height = (int)ceil(bottom + EDGE / 2.0 + (p->effective ? 26 : 0));
}

static void lay_out_sequence(picture *p) {
  panel *in = &p->input, *out = &p->output;
  double high = 26;
  keep_on_page(p);
  double cell = at_most(SEQUENCE_SIDE, (double)cells_on_page(p, 1), high);
  double left = cell * (double)before_border(p, 1), right = cell * (double)after_border(p, 1);
  double top = cy_headline_height(p->title, p->subtitle) + 10, width = cell * (double)in->columns;
  double size = p->has_output ? fmin(width / (double)out->columns, 26) : 0;
  double above = p->has_output ? LABEL + high + BETWEEN : 0;
  if (p->has_output)
    *out = (panel){EDGE + left + (width - size * (double)out->columns) / 2, top + LABEL, size, high, 1, out->columns};
  *in = (panel){EDGE + left, top + above, cell, high, 1, in->columns};
  p->options.width = (int)ceil(fmax(EDGE + left + width + right + EDGE, 460));
  p->options.height = (int)ceil(in->y + high + LABEL + EDGE / 2.0 + (p->effective ? 26 : 0));
}

static bool has_holes(const picture *p) {
  for (int64_t i = p->low[1]; i <= p->high[1]; i++)
    if (!p->columns[i]) return true;
  for (int64_t i = p->low[0]; p->rows && i <= p->high[0]; i++)
    if (!p->rows[i]) return true;
  return false;
}

/* "5×9" of an image. */
static void add_extents(char text[192], const int64_t *extents, int n) {
  for (int i = 0; i < n; i++) {
    size_t at = strlen(text);
    snprintf(text + at, 192 - at, "%s%" PRId64, i ? "×" : "", extents[i]);
  }
}

static void add_words(char text[192], const char *words) {
  size_t at = strlen(text);
  snprintf(text + at, 192 - at, "%s", words);
}

/* Which places of the depth are seen, as the picture does not show it. */
static void add_depth(picture *p) {
  char words[96];
  int64_t low, high;
  hull(p->seen[2], p->a->sample.dim[1], &low, &high);
  snprintf(words, sizeof words, "; depth %" PRId64 "..%" PRId64 " of 0..%" PRId64, low, high, p->a->sample.dim[1] - 1);
  add_words(p->subtitle, words);
}

static void write_words(picture *p, const int64_t *unit) {
  const cy_layer_facts *l = &p->a->layers[p->layer];
  char place[96] = "", shape[CY_PICTURE_TEXT];
  int axes = p->a->sample.rank - 1;
  int64_t seen[CY_MAX_RANK], field[CY_MAX_RANK];
  bool open = axes > 1;
  for (int i = 0; p->has_output && i < axes; i++) {
    size_t at = strlen(place);
    snprintf(place + at, sizeof place - at, "%s%" PRId64, i ? ", " : open ? " (" : " ", unit[i + 1]);
  }
  snprintf(p->title, sizeof p->title, "%s%sunit%s%s of %s", p->options.title ? p->options.title : "",
           p->options.title ? ": " : "", place, p->has_output && open ? ")" : "", l->path);
  for (int i = 0; i < axes; i++) {
    int64_t low, high;
    hull(p->seen[i + 2], p->a->sample.dim[i + 1], &low, &high);
    seen[i] = high - low + 1;
    field[i] = l->field[i + 2].size;
  }
  snprintf(p->subtitle, sizeof p->subtitle, "sees ");
  add_extents(p->subtitle, seen, axes);
  add_words(p->subtitle, " of the input");
  if (has_holes(p)) add_words(p->subtitle, ", with holes");
  if (axes == 3) add_depth(p);
  if (l->field[2].sight == CY_SEES_WINDOW) {
    add_words(p->subtitle, "; its field is ");
    add_extents(p->subtitle, field, axes);
  }
  snprintf(p->output_label, sizeof p->output_label, "%s %s", l->name, cy_picture_shape(l->output, shape));
}

cy_status cy_field_picture(const cy_analysis *a, int layer, const int64_t *unit, const cy_tensor *effective,
                           cy_plot_options options, const char *png, const char *svg) {
  picture p = {.a = a, .layer = layer, .options = options, .effective = effective};
  char text[CY_SHAPE_TEXT];
  int64_t whole[CY_MAX_RANK] = {0};
  if (layer < 0 || layer >= a->n_layers) return cy_fail(CY_INVALID, "the network has no layer number %d", layer);
  if (a->sample.rank < 2 || a->sample.rank > 4)
    return cy_fail(CY_UNSUPPORTED, "fields are drawn over one to three spatial axes, but %s has %d; without a picture the "
                   "field is given axis by axis", cy_shape_text(a->sample, text), a->sample.rank - 1);
  for (int i = 1; i < a->sample.rank; i++)
    if (a->sample.dim[i] > MOST_DRAWN)
      return cy_fail(CY_INVALID, "an input of %s is too large to draw: extents up to %d",
                     cy_shape_text(a->sample, text), MOST_DRAWN);
  for (int i = 0; i < a->layers[layer].output.rank; i++) whole[i + 1] = unit[i];
  CY_TRY(cy_seen_from(a->input, a->layer_out[layer], whole, p.seen));
  read_field(&p, unit);
  write_words(&p, unit);
  if (p.rows) lay_out_image(&p);
  else lay_out_sequence(&p);
  cy_status status = cy_page_write(p.options.width, p.options.height, draw_field, &p, png, svg);
  cy_seen_free(p.seen);
  return status;
}
