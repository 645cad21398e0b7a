/* Pictures in files, whatever their format: told apart by their first bytes, limited in size, converted to the channels
 * that the caller wants. Decoders are in image_png.c and image_jpeg.c. */
#include "io/image.h"

#include "base/memory.h"
#include "cauchy_config.h"

#include <cauchy/io.h>

#include <string.h>
#include <strings.h>

enum { CHANNELS = 3 };
static const size_t max_file_bytes = (size_t)1 << 30;

cy_status cy_image_check(cy_image_file file, uint64_t height, uint64_t width, uint64_t pixels_per_byte) {
  uint64_t pixels = height * width; /* both below 2^31 in every format */
  if (pixels > CY_IMAGE_MAX_PIXELS)
    return cy_fail(CY_INVALID, "%s: has %llux%llu pixels (height x width), more than the %d that are read", file.name,
                   (unsigned long long)height, (unsigned long long)width, CY_IMAGE_MAX_PIXELS);
  if (pixels / pixels_per_byte > file.length)
    return cy_fail(CY_INVALID, "%s: claims %llux%llu pixels (height x width), which its %zu bytes cannot hold: "
                   "%llu pixels, at most %llu for a byte, need %llu bytes", file.name, (unsigned long long)height,
                   (unsigned long long)width, file.length, (unsigned long long)pixels,
                   (unsigned long long)pixels_per_byte, (unsigned long long)(pixels / pixels_per_byte));
  return CY_OK;
}

static uint8_t over_white(unsigned value, unsigned opaque) {
  return (uint8_t)((value * opaque + 255 * (255 - opaque) + 127) / 255);
}

void cy_image_take_row(cy_tensor *image, int64_t y, const unsigned char *row, int n) {
  int channels = (int)image->view.shape.dim[0];
  int64_t width = image->view.shape.dim[2], plane = image->view.shape.dim[1] * width;
  for (int c = 0; c < channels; c++) {
    uint8_t *to = cy_tensor_u8(image) + c * plane + y * width;
    if (n == channels)
      for (int64_t x = 0; x < width; x++) to[x] = row[x * n + c];
    else
      for (int64_t x = 0; x < width; x++) to[x] = over_white(row[x * n + c], row[x * n + channels]);
  }
}

/* ---- channels ---- */

/* Luma of ITU-R BT.601, rounded; the weights sum to 2^16. */
static uint8_t luma(unsigned r, unsigned g, unsigned b) {
  return (uint8_t)((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
}

cy_status cy_images_convert(const cy_tensor *images, cy_image_mode mode, cy_tensor **converted) {
  char text[CY_SHAPE_TEXT];
  cy_shape shape = images->view.shape;
  int axis = shape.rank - CHANNELS;
  *converted = NULL;
  if (images->view.dtype != CY_U8 || !cy_tensor_is_contiguous(images) || axis < 0 ||
      (shape.dim[axis] != 1 && shape.dim[axis] != CHANNELS))
    return cy_fail(CY_INVALID, "images are u8 [..., 1 or 3, height, width], not %s %s",
                   cy_dtype_name(images->view.dtype), cy_shape_text(shape, text));
  int64_t from = shape.dim[axis], plane = shape.dim[axis + 1] * shape.dim[axis + 2];
  int64_t to = mode == CY_IMAGE_GRAY ? 1 : mode == CY_IMAGE_RGB ? CHANNELS : from;
  int64_t count = plane ? images->count / (from * plane) : 0;
  shape.dim[axis] = to;
  CY_TRY(cy_tensor_create(CY_U8, shape, converted));
  const uint8_t *in = images->view.data;
  uint8_t *out = cy_tensor_u8(*converted);
  for (int64_t n = 0; n < count; n++, in += from * plane, out += to * plane) {
    if (from == to) memcpy(out, in, (size_t)(to * plane));
    else if (to == 1)
      for (int64_t i = 0; i < plane; i++) out[i] = luma(in[i], in[plane + i], in[2 * plane + i]);
    else
      for (int c = 0; c < CHANNELS; c++) memcpy(out + c * plane, in, (size_t)plane);
  }
  return CY_OK;
}

/* ---- reading ---- */

static bool starts_with(const char *bytes, size_t length, const char *start, size_t n) {
  return length >= n && memcmp(bytes, start, n) == 0;
}

static cy_status decode(cy_image_file file, cy_tensor **image) {
  const char *bytes = (const char *)file.bytes;
  if (starts_with(bytes, file.length, "\x89PNG", 4)) return cy_png_decode(file, image);
  if (starts_with(bytes, file.length, "\xff\xd8", 2)) return cy_jpeg_decode(file, image);
  if (file.length == 0) return cy_fail(CY_INVALID, "%s: is empty", file.name);
  return cy_fail(CY_INVALID, "%s: is neither a PNG nor a JPEG file (it starts with %02x %02x)", file.name,
                 file.bytes[0], file.length > 1 ? file.bytes[1] : 0);
}

cy_status cy_image_read(const char *path, cy_image_mode mode, cy_tensor **image) {
  char *bytes;
  size_t length;
  *image = NULL;
  CY_TRY(cy_file_read(path, max_file_bytes, &bytes, &length));
  cy_status status = decode((cy_image_file){path, (const unsigned char *)bytes, length}, image);
  cy_free(bytes);
  CY_TRY(status);
  int64_t channels = (*image)->view.shape.dim[0], wanted = mode == CY_IMAGE_GRAY ? 1 : CHANNELS;
  if (mode == CY_IMAGE_KEEP || channels == wanted) return CY_OK;
  cy_tensor *read = *image;
  status = cy_images_convert(read, mode, image);
  cy_tensor_free(read);
  return status;
}

bool cy_image_is_name(const char *path) {
  static const char *const endings[] = {".png", ".jpg", ".jpeg"};
  size_t n = strlen(path);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    size_t m = strlen(endings[i]);
    if (n > m && strcasecmp(path + n - m, endings[i]) == 0) return true;
  }
  return false;
}

/* ---- builds without a library ---- */

#if !CY_HAVE_PNG
cy_status cy_png_decode(cy_image_file file, cy_tensor **image) {
  *image = NULL;
  return cy_fail(CY_UNSUPPORTED, "%s: this build reads no PNG files: it was made without libpng", file.name);
}
cy_status cy_image_write(const cy_tensor *image, const char *path) {
  (void)image;
  return cy_fail(CY_UNSUPPORTED, "%s: this build writes no PNG files: it was made without libpng", path);
}
#endif
#if !CY_HAVE_JPEG
cy_status cy_jpeg_decode(cy_image_file file, cy_tensor **image) {
  *image = NULL;
  return cy_fail(CY_UNSUPPORTED, "%s: this build reads no JPEG files: it was made without libjpeg-turbo", file.name);
}
#endif
