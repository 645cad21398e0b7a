/* Pictures brought to the size and the channels that a data set, and with it a model, wants. The same function serves
 * data sets while they are read, data sets in memory, and single pictures to predict from: all agree to the bit. */
#include "base/memory.h"
#include "base/text.h"
#include "data/dataset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void cy_preparation_clear(cy_preparation *p) {
  cy_resampler_clear(&p->rows);
  cy_resampler_clear(&p->columns);
  cy_free(p->pixels);
  *p = (cy_preparation){0};
}

/* The window of a picture that is used: all of it, or the largest in the middle with the proportions of the size. */
static void choose_window(cy_preparation *p, cy_image_options o, int64_t *height, int64_t *width) {
  double wide = (double)p->height * (double)o.size.width / (double)o.size.height;
  double high = (double)p->width * (double)o.size.height / (double)o.size.width;
  *height = p->height;
  *width = p->width;
  if (o.fit == CY_FIT_STRETCH) return;
  if (wide < (double)p->width) *width = llround(wide) < 1 ? 1 : llround(wide);
  else if (high < (double)p->height) *height = llround(high) < 1 ? 1 : llround(high);
  p->top = (p->height - *height) / 2;
  p->left = (p->width - *width) / 2;
}

static cy_status make(cy_preparation *p, cy_image_options o, int64_t height, int64_t width) {
  size_t window, between, result;
  cy_preparation_clear(p);
  p->height = height;
  p->width = width;
  choose_window(p, o, &height, &width);
  CY_TRY(cy_resampler_make(height, o.size.height, &p->rows));
  CY_TRY(cy_resampler_make(width, o.size.width, &p->columns));
  if (!cy_mul_size((size_t)height, (size_t)width, &window) ||
      !cy_mul_size((size_t)height, (size_t)o.size.width, &between) ||
      !cy_mul_size((size_t)o.size.height, (size_t)o.size.width, &result))
    return cy_no_memory();
  p->pixels = cy_calloc(window + between + result, sizeof *p->pixels);
  return p->pixels ? CY_OK : cy_no_memory();
}

static void prepare_plane(cy_preparation *p, const uint8_t *from, uint8_t *to) {
  int64_t height = p->rows.in, width = p->columns.in, result = p->rows.out * p->columns.out;
  float *window = p->pixels, *between = window + height * width, *out = between + height * p->columns.out;
  for (int64_t y = 0; y < height; y++) {
    const uint8_t *row = from + (p->top + y) * p->width + p->left;
    for (int64_t x = 0; x < width; x++) window[y * width + x] = row[x];
  }
  cy_resample(&p->rows, &p->columns, window, between, out);
  for (int64_t i = 0; i < result; i++) to[i] = (uint8_t)(out[i] + 0.5F); /* weights are positive and sum to 1 */
}

cy_status cy_prepare(cy_preparation *p, cy_image_options o, cy_shape shape, const uint8_t *from, uint8_t *to) {
  int64_t channels = shape.dim[shape.rank - 3], height = shape.dim[shape.rank - 2], width = shape.dim[shape.rank - 1];
  int64_t plane = height * width, size = o.size.height * o.size.width;
  if (height == o.size.height && width == o.size.width) {
    memcpy(to, from, (size_t)(channels * plane));
    return CY_OK;
  }
  if (p->height != height || p->width != width) {
    cy_status status = make(p, o, height, width);
    if (status != CY_OK) {
      cy_preparation_clear(p);
      return status;
    }
  }
  for (int64_t c = 0; c < channels; c++) prepare_plane(p, from + c * plane, to + c * size);
  return CY_OK;
}

/* ---- tensors ---- */

static cy_status check_images(const cy_tensor *images) {
  char text[CY_SHAPE_TEXT];
  cy_shape s = images->view.shape;
  bool fits = images->view.dtype == CY_U8 && s.rank >= 3 && cy_tensor_is_contiguous(images) && images->count > 0;
  if (fits && (s.dim[s.rank - 3] == 1 || s.dim[s.rank - 3] == 3)) return CY_OK;
  return cy_fail(CY_INVALID, "images are u8 [..., 1 or 3, height, width], not %s %s",
                 cy_dtype_name(images->view.dtype), cy_shape_text(s, text));
}

static cy_status resize_all(const cy_tensor *images, cy_image_options o, cy_tensor **resized) {
  cy_preparation p = {0};
  cy_shape s = images->view.shape;
  int64_t one = s.dim[s.rank - 3] * s.dim[s.rank - 2] * s.dim[s.rank - 1], n = images->count / one;
  s.dim[s.rank - 2] = o.size.height;
  s.dim[s.rank - 1] = o.size.width;
  CY_TRY(cy_tensor_create(CY_U8, s, resized));
  int64_t size = (*resized)->count / n;
  cy_status status = CY_OK;
  for (int64_t i = 0; status == CY_OK && i < n; i++)
    status = cy_prepare(&p, o, images->view.shape, (const uint8_t *)images->view.data + i * one,
                        cy_tensor_u8(*resized) + i * size);
  cy_preparation_clear(&p);
  return status;
}

cy_status cy_images_prepare(const cy_tensor *images, cy_image_options o, cy_tensor **prepared) {
  cy_tensor *converted = NULL;
  *prepared = NULL;
  CY_TRY(check_images(images));
  if (o.size.height < 0 || o.size.width < 0 || (o.size.height == 0) != (o.size.width == 0))
    return cy_fail(CY_INVALID, "images cannot be resized to %lldx%lld", (long long)o.size.height,
                   (long long)o.size.width);
  if (o.size.height == 0) return cy_images_convert(images, o.mode, prepared);
  if (o.mode != CY_IMAGE_KEEP) CY_TRY(cy_images_convert(images, o.mode, &converted));
  cy_status status = resize_all(converted ? converted : images, o, prepared);
  cy_tensor_free(converted);
  if (status == CY_OK) return CY_OK;
  cy_tensor_free(*prepared);
  *prepared = NULL;
  return status;
}

cy_status cy_dataset_prepare(cy_dataset *d, cy_image_options o) {
  char text[CY_SHAPE_TEXT];
  cy_tensor *prepared;
  if (o.size.height == 0 && o.size.width == 0 && o.mode == CY_IMAGE_KEEP) return CY_OK;
  if (d->inputs->view.dtype != CY_U8 || d->inputs->view.shape.rank != 4)
    return cy_fail(CY_INVALID, "%s: holds samples of %s %s, not images that could be resized", d->name,
                   cy_dtype_name(d->inputs->view.dtype), cy_shape_text(cy_dataset_sample_shape(d), text));
  cy_status status = cy_images_prepare(d->inputs, o, &prepared);
  if (status != CY_OK) return status == CY_INVALID ? cy_fail_in(status, "%s", d->name) : status;
  cy_tensor_free(d->inputs);
  d->inputs = prepared;
  d->sample_size = prepared->count / d->count;
  if (!d->targets) d->target_size = d->sample_size;
  d->images = o;
  return cy_dataset_scale(d, CY_SCALE_UNIT, NULL, 0);
}

/* ---- options as words ---- */

cy_status cy_image_options_text(cy_image_options o, char **text) {
  static const char *const modes[] = {[CY_IMAGE_KEEP] = "", [CY_IMAGE_GRAY] = "gray", [CY_IMAGE_RGB] = "rgb"};
  cy_text t = {0};
  if (o.size.height > 0) cy_text_add(&t, "%lldx%lld", (long long)o.size.height, (long long)o.size.width);
  if (o.fit == CY_FIT_CROP) cy_text_add(&t, "%scrop", t.length ? " " : "");
  if (o.mode != CY_IMAGE_KEEP) cy_text_add(&t, "%s%s", t.length ? " " : "", modes[o.mode]);
  *text = cy_text_take(&t);
  return *text ? CY_OK : cy_no_memory();
}

static bool read_extent(const char **at, int64_t *extent) {
  char *end;
  errno = 0;
  *extent = **at >= '0' && **at <= '9' ? strtoll(*at, &end, 10) : 0;
  if (errno || *extent < 1 || *extent > CY_IMAGE_MAX_PIXELS) return false;
  *at = end;
  return true;
}

static bool read_word(const char *word, size_t length, cy_image_options *o) {
  const char *at = word;
  if (length == 4 && strncmp(word, "crop", 4) == 0) o->fit = CY_FIT_CROP;
  else if (length == 4 && strncmp(word, "gray", 4) == 0) o->mode = CY_IMAGE_GRAY;
  else if (length == 3 && strncmp(word, "rgb", 3) == 0) o->mode = CY_IMAGE_RGB;
  else
    return read_extent(&at, &o->size.height) && *at++ == 'x' && read_extent(&at, &o->size.width) &&
           at == word + length;
  return true;
}

cy_status cy_image_options_parse(const char *what, const char *text, cy_image_options *o) {
  *o = (cy_image_options){0};
  for (const char *at = text + strspn(text, " "); *at; at += strspn(at, " ")) {
    size_t length = strcspn(at, " ");
    if (!read_word(at, length, o))
      return cy_fail(CY_INVALID, "%s: images are read as HEIGHTxWIDTH, crop, gray or rgb, not \"%.*s\"", what,
                     length > 40 ? 40 : (int)length, at);
    at += length;
  }
  return CY_OK;
}
