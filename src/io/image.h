/* What PNG and JPEG have in common. A decoder gets the whole file in memory and gives a planar u8 image [C, H, W] with
 * 1 channel for gray and 3 for colour; messages begin with the file's name. */
#ifndef CY_IO_IMAGE_H
#define CY_IO_IMAGE_H

#include "base/error.h"
#include "tensor/tensor.h"

typedef struct cy_image_file {
  const char *name; /* for messages */
  const unsigned char *bytes;
  size_t length;
} cy_image_file;

cy_status cy_png_decode(cy_image_file file, cy_tensor **image);
cy_status cy_jpeg_decode(cy_image_file file, cy_tensor **image);

/* Checks what a header claims against the limit and against the bytes that the file has at the least: one for so many
 * pixels. Before memory is taken. */
cy_status cy_image_check(cy_image_file file, uint64_t height, uint64_t width, uint64_t pixels_per_byte);
/* Row y of the image from its interleaved form: n channels per pixel, of which the first so many as the image has are
 * taken; the one behind them, if any, is how opaque the pixel is, and what shines through is white. */
void cy_image_take_row(cy_tensor *image, int64_t y, const unsigned char *row, int n);

#endif
