/* Grids of images: each pixel becomes a square of whole device pixels, so nothing is blurred. */
#include "io/plot.h"

#include "base/memory.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { GAP = 8, CAPTION_SIZE = 10, CAPTION_ROW = 17, IMAGE_SIDE = 72, DEVICE_SCALE = 2 };

typedef struct grid {
  cy_plot_options options;
  const cy_tensor *images;
  const char *const *captions;
  int64_t count, channels, height, width;
  int columns, rows, factor; /* device pixels per pixel */
  double top, cell_width, cell_height, image_width, image_height;
} grid;

static uint32_t pixel(const grid *g, int64_t n, int64_t y, int64_t x) {
  uint32_t rgb = 0;
  for (int64_t c = 0; c < 3; c++) {
    int64_t from = g->channels == 3 ? c : 0;
    double value = cy_tensor_at(g->images, ((n * g->channels + from) * g->height + y) * g->width + x);
    rgb = rgb << 8 | (uint32_t)value;
  }
  return rgb;
}

static void fill_pixels(const grid *g, int64_t n, cairo_surface_t *surface) {
  cairo_surface_flush(surface);
  unsigned char *data = cairo_image_surface_get_data(surface);
  int stride = cairo_image_surface_get_stride(surface);
  for (int64_t y = 0; y < g->height * g->factor; y++) {
    uint32_t *row = (uint32_t *)(void *)(data + y * stride);
    for (int64_t x = 0; x < g->width * g->factor; x++) row[x] = pixel(g, n, y / g->factor, x / g->factor);
  }
  cairo_surface_mark_dirty(surface);
}

static void draw_image(cairo_t *cr, const grid *g, int64_t n, double x, double y) {
  char text[CY_LABEL_SIZE];
  cairo_surface_t *surface =
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)g->width * g->factor, (int)g->height * g->factor);
  if (cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS) {
    fill_pixels(g, n, surface);
    cairo_surface_set_device_scale(surface, DEVICE_SCALE, DEVICE_SCALE);
  }
  cairo_set_source_surface(cr, surface, x, y); /* a failed surface passes its error to cr */
  cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
  cairo_paint(cr);
  cairo_surface_destroy(surface);
  cairo_set_line_width(cr, 0.5);
  cy_ink(cr, CY_INK_FRAME);
  cairo_rectangle(cr, x, y, g->image_width, g->image_height);
  cairo_stroke(cr);
  if (!g->captions || !g->captions[n]) return;
  cy_font(cr, CAPTION_SIZE, CY_REGULAR);
  cy_ink(cr, CY_INK_TEXT);
  cy_text_at(cr, x + g->image_width / 2, y + g->image_height + 12, 0.5,
             cy_text_fit(cr, g->captions[n], g->cell_width - 2, text));
}

static void draw_grid(cairo_t *cr, const void *what) {
  const grid *g = what;
  cy_headline(cr, 16, g->options.width - 32, g->options.title, g->options.subtitle);
  for (int64_t n = 0; n < g->count; n++)
    draw_image(cr, g, n, 16 + (double)(n % g->columns) * g->cell_width + (g->cell_width - GAP - g->image_width) / 2,
               g->top + (double)(n / g->columns) * g->cell_height);
}

static double widest_caption(const grid *g, cairo_t *ruler) {
  double widest = 0;
  char text[CY_LABEL_SIZE];
  cy_font(ruler, CAPTION_SIZE, CY_REGULAR);
  for (int64_t n = 0; g->captions && n < g->count; n++)
    if (g->captions[n]) widest = fmax(widest, cy_text_width(ruler, cy_text_fit(ruler, g->captions[n], 150, text)));
  return widest;
}

/* The page follows from the images; options.width only narrows a grid whose columns are not given. */
static cy_status lay_out(grid *g, int columns, cairo_t *ruler) {
  double larger = (double)(g->width > g->height ? g->width : g->height);
  g->factor = (int)fmax(1, floor(IMAGE_SIDE * DEVICE_SCALE / larger));
  g->image_width = (double)g->width * g->factor / DEVICE_SCALE;
  g->image_height = (double)g->height * g->factor / DEVICE_SCALE;
  g->cell_width = fmax(g->image_width, widest_caption(g, ruler)) + GAP;
  g->cell_height = g->image_height + (g->captions ? CAPTION_ROW : 0) + GAP;
  double fits = g->options.width ? floor((g->options.width - 32 + GAP) / g->cell_width) : (double)g->count;
  double square = ceil(sqrt((double)g->count * g->cell_height / g->cell_width));
  double wanted = fmin(columns > 0 ? columns : fmax(1, fmin(square, fits)), (double)g->count);
  double rows = ceil((double)g->count / wanted);
  g->top = cy_headline_height(g->options.title, g->options.subtitle) + 6;
  double width = fmax(wanted * g->cell_width - GAP + 32, 200), height = g->top + rows * g->cell_height + 8;
  if (width > 16000 || height > 16000)
    return cy_fail(CY_INVALID, "image grid: %.0f x %.0f images need %.0f x %.0f pixels; the limit is 16000 a side",
                   wanted, rows, width, height);
  g->columns = (int)wanted;
  g->rows = (int)rows;
  g->options.width = (int)width;
  g->options.height = (int)height;
  return CY_OK;
}

cy_status cy_plot_images(const cy_tensor *images, const char *const *captions, int columns, cy_plot_options options,
                         const char *png, const char *svg) {
  cy_shape s = cy_tensor_shape(images);
  char shape[CY_SHAPE_TEXT];
  bool planes = s.rank == 4;
  if (cy_tensor_dtype(images) != CY_U8 || (s.rank != 3 && s.rank != 4) || (planes && s.dim[1] != 1 && s.dim[1] != 3))
    return cy_fail(CY_INVALID, "image grid: expects u8 NxHxW, Nx1xHxW or Nx3xHxW but receives %s %s",
                   cy_dtype_name(cy_tensor_dtype(images)), cy_shape_text(s, shape));
  grid g = {.options = options,
            .images = images,
            .captions = captions,
            .count = s.dim[0],
            .channels = planes ? s.dim[1] : 1,
            .height = s.dim[s.rank - 2],
            .width = s.dim[s.rank - 1]};
  if (g.count < 1 || g.height < 1 || g.width < 1 || g.height > 8192 || g.width > 8192)
    return cy_fail(CY_INVALID, "image grid: cannot draw %s images of %s pixels: sides are from 1 to 8192",
                   g.count < 1 ? "no" : "these", cy_shape_text(s, shape));
  cairo_t *ruler;
  CY_TRY(cy_page_ruler(&ruler));
  cy_status status = lay_out(&g, columns, ruler);
  cairo_destroy(ruler);
  if (status != CY_OK) return status;
  return cy_page_write(g.options.width, g.options.height, draw_grid, &g, png, svg);
}
