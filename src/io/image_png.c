/* PNG by libpng (libpng-manual.txt): every kind of PNG becomes 8 bits of gray or RGB. libpng reports errors by a jump
 * out of its functions; what has been allocated by then hangs on one struct, which the caller of the jump releases. */
#include "base/memory.h"
#include "io/atomic.h"
#include "io/image.h"
#include "io/npy.h"

#include <cauchy/io.h>

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

typedef struct png_work {
  const char *name;
  jmp_buf escape;
  char why[128];
  bool no_memory;
  png_structp png;
  png_infop info;
  /* reading */
  cy_image_file file;
  size_t position;
  unsigned char *rows; /* one row, or all of them if the file is interlaced */
  cy_tensor *image;
  /* writing */
  cy_writer *writer;
  cy_status status; /* CY_OK: libpng found the error */
} png_work;

/* ---- libpng's callbacks ---- */

static void on_error(png_structp png, png_const_charp why) {
  png_work *w = png_get_error_ptr(png);
  snprintf(w->why, sizeof w->why, "%s", why);
  longjmp(w->escape, 1);
}

static void on_warning(png_structp png, png_const_charp why) { (void)png, (void)why; }

static png_voidp allocate(png_structp png, png_alloc_size_t size) {
  png_work *w = png_get_mem_ptr(png);
  void *block = cy_calloc(1, size);
  if (!block) w->no_memory = true;
  return block;
}

static void release(png_structp png, png_voidp block) {
  (void)png;
  cy_free(block);
}

static void read_bytes(png_structp png, png_bytep to, size_t n) {
  png_work *w = png_get_io_ptr(png);
  if (n > w->file.length - w->position) png_error(png, "it ends early");
  memcpy(to, w->file.bytes + w->position, n);
  w->position += n;
}

static void write_bytes(png_structp png, png_bytep bytes, size_t n) {
  png_work *w = png_get_io_ptr(png);
  w->status = cy_writer_write(w->writer, bytes, n);
  if (w->status != CY_OK) png_error(png, "it cannot be written");
}

static void flush_bytes(png_structp png) { (void)png; }

/* After the jump. */
static cy_status failed(const png_work *w, const char *deed) {
  if (w->status != CY_OK) return w->status;
  if (w->no_memory) return cy_no_memory();
  return cy_fail(CY_INVALID, "%s: cannot %s the PNG: %s", w->name, deed, w->why);
}

/* ---- reading ---- */

/* Palettes, fewer than 8 bits and transparent colours are expanded, 16 bits rounded to 8. */
static int expand(png_work *w) {
  png_set_palette_to_rgb(w->png);
  png_set_expand_gray_1_2_4_to_8(w->png);
  if (png_get_valid(w->png, w->info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(w->png);
  png_set_scale_16(w->png);
  int passes = png_set_interlace_handling(w->png);
  png_read_update_info(w->png, w->info);
  return passes;
}

/* Bytes of a row as compressed; deflate gives at most CY_DEFLATE_RATIO bytes for one. */
static uint64_t pixels_per_byte(const png_work *w) {
  uint64_t bits = (uint64_t)png_get_bit_depth(w->png, w->info) * png_get_channels(w->png, w->info);
  return 1032 * 8 / (bits ? bits : 8) + 1;
}

static cy_status read_rows(png_work *w, uint64_t height, int passes) {
  size_t stride = png_get_rowbytes(w->png, w->info);
  int n = png_get_channels(w->png, w->info);
  w->rows = cy_calloc(passes > 1 ? (size_t)height : 1, stride);
  if (!w->rows) return cy_no_memory();
  for (int pass = 0; pass < passes; pass++)
    for (uint64_t y = 0; y < height; y++) {
      unsigned char *row = w->rows + (passes > 1 ? y * stride : 0);
      png_read_row(w->png, row, NULL);
      if (pass == passes - 1) cy_image_take_row(w->image, (int64_t)y, row, n);
    }
  png_read_end(w->png, NULL);
  return CY_OK;
}

static cy_status read_image(png_work *w) {
  if (setjmp(w->escape)) return failed(w, "read");
  png_set_read_fn(w->png, w, read_bytes);
  png_read_info(w->png, w->info);
  uint64_t height = png_get_image_height(w->png, w->info), width = png_get_image_width(w->png, w->info);
  int channels = png_get_color_type(w->png, w->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
  CY_TRY(cy_image_check(w->file, height, width, pixels_per_byte(w)));
  CY_TRY(cy_tensor_create(CY_U8, CY_SHAPE(channels, (int64_t)height, (int64_t)width), &w->image));
  return read_rows(w, height, expand(w));
}

cy_status cy_png_decode(cy_image_file file, cy_tensor **image) {
  png_work w = {.name = file.name, .file = file};
  *image = NULL;
  w.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning, &w, allocate, release);
  if (w.png) w.info = png_create_info_struct(w.png);
  cy_status status = w.info ? read_image(&w) : cy_no_memory();
  png_destroy_read_struct(&w.png, &w.info, NULL);
  cy_free(w.rows);
  if (status == CY_OK) *image = w.image;
  else cy_tensor_free(w.image);
  return status;
}

/* ---- writing ---- */

static cy_status write_rows(png_work *w, const cy_tensor *image) {
  int64_t channels = image->view.shape.dim[0], height = image->view.shape.dim[1], width = image->view.shape.dim[2];
  const uint8_t *pixels = image->view.data;
  w->rows = cy_calloc((size_t)width, (size_t)channels);
  if (!w->rows) return cy_no_memory();
  for (int64_t y = 0; y < height; y++) {
    for (int64_t c = 0; c < channels; c++)
      for (int64_t x = 0; x < width; x++) w->rows[x * channels + c] = pixels[(c * height + y) * width + x];
    png_write_row(w->png, w->rows);
  }
  png_write_end(w->png, NULL);
  return CY_OK;
}

static cy_status write_image(png_work *w, const cy_tensor *image) {
  if (setjmp(w->escape)) return failed(w, "write");
  const int64_t *dim = image->view.shape.dim;
  png_set_write_fn(w->png, w, write_bytes, flush_bytes);
  png_set_IHDR(w->png, w->info, (png_uint_32)dim[2], (png_uint_32)dim[1], 8,
               dim[0] == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(w->png, w->info);
  return write_rows(w, image);
}

static cy_status write_with(cy_writer *writer, const cy_tensor *image, const char *path) {
  png_work w = {.name = path, .writer = writer};
  w.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning, &w, allocate, release);
  if (w.png) w.info = png_create_info_struct(w.png);
  cy_status status = w.info ? write_image(&w, image) : cy_no_memory();
  png_destroy_write_struct(&w.png, &w.info);
  cy_free(w.rows);
  return status;
}

cy_status cy_image_write(const cy_tensor *image, const char *path) {
  char text[CY_SHAPE_TEXT];
  cy_shape s = image->view.shape;
  const cy_tensor *plain;
  cy_tensor *owned;
  cy_writer writer;
  if (image->view.dtype != CY_U8 || s.rank != 3 || (s.dim[0] != 1 && s.dim[0] != 3) || image->count == 0 ||
      s.dim[1] > PNG_USER_HEIGHT_MAX || s.dim[2] > PNG_USER_WIDTH_MAX)
    return cy_fail(CY_INVALID, "%s: a PNG takes u8 [1 or 3, height, width] up to a million pixels each way, not %s %s",
                   path, cy_dtype_name(image->view.dtype), cy_shape_text(s, text));
  CY_TRY(cy_row_major_of(image, &plain, &owned));
  cy_status status = cy_writer_open(&writer, path);
  if (status == CY_OK) status = write_with(&writer, plain, path);
  if (status == CY_OK) status = cy_writer_commit(&writer);
  cy_writer_close(&writer);
  cy_tensor_free(owned);
  return status;
}
