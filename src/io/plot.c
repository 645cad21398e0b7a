/* The page and its typography. A failing cairo context draws nothing and remembers why, so drawing code needs no
 * checks: the error is looked at once, when the page is finished. */
#include "io/plot.h"

#include "base/text.h"
#include "io/atomic.h"

#include <cairo-svg.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PNG_SCALE = 2, LONGEST_SIDE = 16000 };

/* ---- writing ---- */

static const char SVG_END[] = "</svg>\n";
enum { END = sizeof SVG_END - 1 };

typedef struct sink {
  cy_writer writer;
  cy_status status;  /* of the first failed write */
  char end[2 * END]; /* of an SVG: its last bytes, which are written last */
  size_t held;
} sink;

static cairo_status_t write_bytes(void *closure, const unsigned char *bytes, unsigned int length) {
  sink *to = closure;
  if (to->status == CY_OK) to->status = cy_writer_write(&to->writer, bytes, length);
  return to->status == CY_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_status_t write_but_end(void *closure, const unsigned char *bytes, unsigned int length) {
  sink *to = closure;
  cairo_status_t status = CAIRO_STATUS_SUCCESS;
  if (length > END) { /* all but the last bytes go through */
    status = write_bytes(to, (unsigned char *)to->end, (unsigned)to->held);
    if (status == CAIRO_STATUS_SUCCESS) status = write_bytes(to, bytes, length - END);
    bytes += length - END;
    length = END;
    to->held = 0;
  }
  memcpy(to->end + to->held, bytes, length);
  to->held += length;
  if (to->held <= END || status != CAIRO_STATUS_SUCCESS) return status;
  status = write_bytes(to, (unsigned char *)to->end, (unsigned)(to->held - END));
  memmove(to->end, to->end + to->held - END, END);
  to->held = END;
  return status;
}

/* ---- words: cairo draws type as outlines, so an SVG repeats them as text, for searching and for reading aloud ---- */

static const cairo_user_data_key_t words_key;

static void note_words(cairo_t *cr, const char *text) {
  cy_text *words = cairo_surface_get_user_data(cairo_get_target(cr), &words_key);
  if (!words || !text[0]) return;
  for (const char *c = text; *c; c++) {
    if (*c == '<') cy_text_add(words, "&lt;");
    else if (*c == '>') cy_text_add(words, "&gt;");
    else if (*c == '&') cy_text_add(words, "&amp;");
    else cy_text_add(words, "%c", *c);
  }
  cy_text_add(words, "\n");
}

static cairo_status_t write_words_and_end(sink *to, const cy_text *words) {
  static const char start[] = "<desc>\n", stop[] = "</desc>\n";
  cairo_status_t status = words->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
  if (status == CAIRO_STATUS_SUCCESS && words->length && to->held == END && memcmp(to->end, SVG_END, END) == 0) {
    status = write_bytes(to, (const unsigned char *)start, sizeof start - 1);
    if (status == CAIRO_STATUS_SUCCESS)
      status = write_bytes(to, (const unsigned char *)words->data, (unsigned)words->length);
    if (status == CAIRO_STATUS_SUCCESS) status = write_bytes(to, (const unsigned char *)stop, sizeof stop - 1);
  }
  return status == CAIRO_STATUS_SUCCESS ? write_bytes(to, (unsigned char *)to->end, (unsigned)to->held) : status;
}

static cy_status page_status(cairo_status_t status, const char *path) {
  if (status == CAIRO_STATUS_SUCCESS) return CY_OK;
  if (status == CAIRO_STATUS_NO_MEMORY) return cy_no_memory();
  return cy_fail(CY_IO, "%s: cannot draw: %s", path, cairo_status_to_string(status));
}

/* White paper in nominal pixels, with unhinted type, so that both kinds of file have the same layout. */
static cairo_t *page_open(cairo_surface_t *surface) {
  cairo_t *cr = cairo_create(surface);
  cairo_set_source_rgb(cr, 1, 1, 1);
  cairo_paint(cr);
  cairo_font_options_t *type = cairo_font_options_create();
  cairo_font_options_set_hint_style(type, CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(type, CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_antialias(type, CAIRO_ANTIALIAS_GRAY);
  cairo_set_font_options(cr, type);
  cairo_font_options_destroy(type);
  cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
  return cr;
}

static cairo_status_t draw_page(cairo_surface_t *surface, cy_page_draw *draw, const void *what) {
  cairo_t *cr = page_open(surface);
  draw(cr, what);
  cairo_status_t status = cairo_status(cr);
  cairo_destroy(cr);
  return status;
}

static cairo_status_t draw_png(sink *to, int width, int height, cy_page_draw *draw, const void *what) {
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width * PNG_SCALE, height * PNG_SCALE);
  cairo_surface_set_device_scale(surface, PNG_SCALE, PNG_SCALE);
  cairo_status_t status = draw_page(surface, draw, what);
  if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_write_to_png_stream(surface, write_bytes, to);
  cairo_surface_destroy(surface);
  return status;
}

static cairo_status_t draw_svg(sink *to, int width, int height, cy_page_draw *draw, const void *what) {
  cairo_surface_t *surface = cairo_svg_surface_create_for_stream(write_but_end, to, width, height);
  cy_text words = {0};
  cairo_status_t status = cairo_surface_set_user_data(surface, &words_key, &words, NULL);
  if (cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS)
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
  if (status == CAIRO_STATUS_SUCCESS) status = draw_page(surface, draw, what);
  cairo_surface_finish(surface); /* writes */
  if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
  cairo_surface_destroy(surface);
  if (status == CAIRO_STATUS_SUCCESS) status = write_words_and_end(to, &words);
  cy_text_clear(&words);
  return status;
}

typedef cairo_status_t draw_format(sink *to, int width, int height, cy_page_draw *draw, const void *what);

static cy_status write_page(draw_format *format, int width, int height, cy_page_draw *draw, const void *what,
                            const char *path) {
  sink to = {.status = CY_OK};
  CY_TRY(cy_writer_open(&to.writer, path));
  cairo_status_t drawn = format(&to, width, height, draw, what);
  cy_status status = to.status != CY_OK ? to.status : page_status(drawn, path);
  if (status == CY_OK) status = cy_writer_commit(&to.writer);
  cy_writer_close(&to.writer);
  return status;
}

cy_status cy_page_write(int width, int height, cy_page_draw *draw, const void *what, const char *png, const char *svg) {
  if (width < 1 || height < 1 || width > LONGEST_SIDE || height > LONGEST_SIDE)
    return cy_fail(CY_INVALID, "%s: a chart of %d x %d pixels; sides are from 1 to %d",
                   png   ? png
                   : svg ? svg
                         : "plot",
                   width, height, LONGEST_SIDE);
  if (png) CY_TRY(write_page(draw_png, width, height, draw, what, png));
  if (svg) CY_TRY(write_page(draw_svg, width, height, draw, what, svg));
  return CY_OK;
}

cy_status cy_page_ruler(cairo_t **cr) {
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1);
  *cr = page_open(surface);
  cairo_surface_destroy(surface); /* the context keeps it */
  if (cairo_status(*cr) == CAIRO_STATUS_SUCCESS) return CY_OK;
  cairo_destroy(*cr);
  *cr = NULL;
  return cy_no_memory();
}

/* ---- ink and type ---- */

int cy_palette(int i) {
  static const int colors[] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x595959};
  return colors[i % (int)(sizeof colors / sizeof colors[0])];
}

void cy_ink(cairo_t *cr, int rgb) {
  cairo_set_source_rgb(cr, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0);
}

void cy_font(cairo_t *cr, double size, cy_weight weight) {
  cairo_select_font_face(cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                         weight == CY_BOLD ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(cr, size);
}

double cy_text_width(cairo_t *cr, const char *text) {
  cairo_text_extents_t extents;
  cairo_text_extents(cr, text, &extents);
  return extents.x_advance;
}

static double capital_height(cairo_t *cr) {
  cairo_text_extents_t extents;
  cairo_text_extents(cr, "H", &extents);
  return extents.height;
}

void cy_text_at(cairo_t *cr, double x, double baseline, double align, const char *text) {
  cairo_move_to(cr, x - align * cy_text_width(cr, text), baseline);
  cairo_show_text(cr, text);
  cairo_new_path(cr);
  note_words(cr, text);
}

void cy_text_centered(cairo_t *cr, double x, double middle, double align, const char *text) {
  cy_text_at(cr, x, middle + capital_height(cr) / 2, align, text);
}

void cy_text_upwards(cairo_t *cr, double x, double y, double align, const char *text) {
  cairo_save(cr);
  cairo_translate(cr, x, y);
  cairo_rotate(cr, -M_PI / 2);
  cy_text_centered(cr, 0, 0, align, text);
  cairo_restore(cr);
}

/* Bytes of the valid UTF-8 character at text; 0 if there is none. */
static int character_length(const char *text) {
  const unsigned char *c = (const unsigned char *)text;
  if (c[0] >= 0x20 && c[0] < 0x7f) return 1;
  int length = c[0] >= 0xc2 && c[0] < 0xe0 ? 2 : c[0] >= 0xe0 && c[0] < 0xf0 ? 3 : c[0] >= 0xf0 && c[0] < 0xf5 ? 4 : 0;
  for (int i = 1; i < length; i++)
    if (c[i] < 0x80 || c[i] > 0xbf) return 0;
  if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f)) return 0; /* overlong, surrogate */
  if ((c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f)) return 0; /* overlong, beyond Unicode */
  if (length == 2 && c[0] == 0xc2 && c[1] < 0xa0) return 0;                     /* control characters */
  return length;
}

static void drop_last_character(char *text, size_t *n) {
  while (*n && ((unsigned char)text[*n - 1] & 0xc0) == 0x80) --*n;
  if (*n) --*n;
  text[*n] = 0;
}

const char *cy_text_fit(cairo_t *cr, const char *text, double width, char buffer[CY_LABEL_SIZE]) {
  static const char ellipsis[] = "…";
  size_t n = 0, room = CY_LABEL_SIZE - sizeof ellipsis;
  const char *from = text;
  while (*from) {
    int length = character_length(from);
    size_t needed = length ? (size_t)length : 1;
    if (n + needed > room) break;
    if (length) memcpy(buffer + n, from, needed);
    else buffer[n] = (unsigned char)*from < 0x80 ? ' ' : '?';
    n += needed;
    from += needed;
  }
  buffer[n] = 0;
  if (!*from && cy_text_width(cr, buffer) <= width) return buffer;
  do {
    drop_last_character(buffer, &n);
    memcpy(buffer + n, ellipsis, sizeof ellipsis);
    if (cy_text_width(cr, buffer) <= width) break;
    buffer[n] = 0;
  } while (n);
  return buffer;
}

/* ---- parts that charts share ---- */

enum { EDGE = 16, TITLE_SIZE = 16, SUBTITLE_SIZE = 11 };

double cy_headline_height(const char *title, const char *subtitle) {
  bool has_title = title && *title, has_subtitle = subtitle && *subtitle;
  return EDGE + (has_title ? 22 : 0) + (has_subtitle ? 19 : 0);
}

void cy_headline(cairo_t *cr, double x, double width, const char *title, const char *subtitle) {
  char buffer[CY_LABEL_SIZE];
  double y = EDGE + 12;
  if (title && *title) {
    cy_font(cr, TITLE_SIZE, CY_BOLD);
    cy_ink(cr, CY_INK_TEXT);
    cy_text_at(cr, x, y, 0, cy_text_fit(cr, title, width, buffer));
    y += 20;
  }
  if (subtitle && *subtitle) {
    cy_font(cr, SUBTITLE_SIZE, CY_REGULAR);
    cy_ink(cr, CY_INK_SOFT);
    cy_text_at(cr, x, y, 0, cy_text_fit(cr, subtitle, width, buffer));
  }
}

void cy_line(cairo_t *cr, double x0, double y0, double x1, double y1) {
  cairo_move_to(cr, x0, y0);
  cairo_line_to(cr, x1, y1);
  cairo_stroke(cr);
}
