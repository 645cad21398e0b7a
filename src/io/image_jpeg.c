/* JPEG by libjpeg-turbo (libjpeg.txt): gray and colour, baseline and progressive. Its usual handling of errors ends the
 * process and lets damaged files pass with a warning; here both become an error value, by a jump to where all that was
 * allocated is released. */
#include "base/memory.h"
#include "io/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* Small files can ask for much. Of a progressive file each scan is a pass over the whole image; from this many pixels on
 * as many fewer are read as the image is larger (the largest: 31; encoders make about ten). */
enum { MAX_SCANS = 500, LARGE_PIXELS = 1 << 24 };
/* libjpeg's own memory: a progressive image is held as coefficients, 2 bytes for each of up to three in a pixel. */
enum { MAX_WORK_BYTES = 1 << 30 };

typedef struct jpeg_work {
  struct jpeg_decompress_struct info; /* its client_data is this struct */
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  char why[JMSG_LENGTH_MAX];
  bool no_memory;
  cy_image_file file;
  unsigned char *row;
  cy_tensor *image;
} jpeg_work;

__attribute__((noreturn)) static void give_up(jpeg_work *w, const char *why) {
  if (why) snprintf(w->why, sizeof w->why, "%s", why);
  else w->errors.format_message((j_common_ptr)&w->info, w->why);
  longjmp(w->escape, 1);
}

static void on_error(j_common_ptr info) {
  jpeg_work *w = info->client_data;
  if (w->errors.msg_code == JERR_NO_BACKING_STORE) give_up(w, "its coefficients need more than 1 GiB");
  w->no_memory = w->errors.msg_code == JERR_OUT_OF_MEMORY;
  give_up(w, NULL);
}

/* Traces have levels from 0 on. A warning tells that the pixels are wrong, but for these. */
static void on_message(j_common_ptr info, int level) {
  jpeg_work *w = info->client_data;
  int code = w->errors.msg_code;
  if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
  give_up(w, code == JWRN_JPEG_EOF ? "it ends early" : NULL);
}

static uint64_t pixels_of(const jpeg_work *w) { return (uint64_t)w->info.image_height * w->info.image_width; }

static void on_progress(j_common_ptr info) {
  jpeg_work *w = info->client_data;
  const uint64_t pixels = pixels_of(w), scans = (uint64_t)w->info.input_scan_number;
  if (scans > MAX_SCANS || scans * pixels > (uint64_t)MAX_SCANS * LARGE_PIXELS) give_up(w, "it has too many scans");
}

/* Huffman codes take a bit for the 64 pixels of a block at the least. Arithmetic coding has no such bound in sight: one
 * colour takes about a byte for 2^20 pixels. But then a file of a few hundred bytes could ask for a gigabyte, so that
 * large images must have some content. */
static uint64_t pixels_per_byte(const jpeg_work *w) {
  return !w->info.arith_code ? 512 : pixels_of(w) <= LARGE_PIXELS ? 1 << 20 : 1 << 13;
}

/* What the colours become: -1 if they are none that can be told. */
static int channels_of(const jpeg_work *w) {
  switch (w->info.jpeg_color_space) {
    case JCS_GRAYSCALE: return 1;
    case JCS_RGB:
    case JCS_YCbCr: return 3;
    default: return -1;
  }
}

static cy_status refuse_colours(const jpeg_work *w) {
  bool print = w->info.jpeg_color_space == JCS_CMYK || w->info.jpeg_color_space == JCS_YCCK;
  return cy_fail(CY_INVALID, "%s: its colours are %s; gray and RGB are read: convert it first", w->file.name,
                 print ? "CMYK, for print" : "of an unknown kind");
}

static cy_status read_rows(jpeg_work *w, int channels) {
  w->row = cy_calloc(w->info.output_width, (size_t)w->info.output_components);
  if (!w->row) return cy_no_memory();
  while (w->info.output_scanline < w->info.output_height) {
    int64_t y = w->info.output_scanline;
    jpeg_read_scanlines(&w->info, &w->row, 1);
    cy_image_take_row(w->image, y, w->row, channels);
  }
  jpeg_finish_decompress(&w->info);
  return CY_OK;
}

static cy_status read_image(jpeg_work *w) {
  if (setjmp(w->escape))
    return w->no_memory ? cy_no_memory() : cy_fail(CY_INVALID, "%s: cannot read the JPEG: %s", w->file.name, w->why);
  jpeg_create_decompress(&w->info);
  w->info.mem->max_memory_to_use = MAX_WORK_BYTES;
  w->info.progress = &w->progress;
  jpeg_mem_src(&w->info, w->file.bytes, (unsigned long)w->file.length);
  jpeg_read_header(&w->info, TRUE);
  int channels = channels_of(w);
  if (channels < 0) return refuse_colours(w);
  CY_TRY(cy_image_check(w->file, w->info.image_height, w->info.image_width, pixels_per_byte(w)));
  w->info.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&w->info); /* of a progressive file, reads all scans */
  CY_TRY(cy_tensor_create(CY_U8, CY_SHAPE(channels, w->info.output_height, w->info.output_width), &w->image));
  return read_rows(w, channels);
}

cy_status cy_jpeg_decode(cy_image_file file, cy_tensor **image) {
  *image = NULL;
  jpeg_work *w = cy_calloc(1, sizeof *w); /* not on the stack: it is large, and lives across the jump */
  if (!w) return cy_no_memory();
  w->file = file;
  w->info.client_data = w;
  w->info.err = jpeg_std_error(&w->errors);
  w->errors.error_exit = on_error;
  w->errors.emit_message = on_message;
  w->progress.progress_monitor = on_progress;
  cy_status status = read_image(w);
  jpeg_destroy_decompress(&w->info);
  if (status == CY_OK) *image = w->image;
  else cy_tensor_free(w->image);
  cy_free(w->row);
  cy_free(w);
  return status;
}
