/* The two-corner task (coursework A5.4), generated: images of noise with a black or white pixel in each corner; the
 * class says whether the upper left and the lower right corner are equal. Nothing but these two pixels tells it, so a
 * unit that does not see both is right half the time, whatever it learns. Independent of every seed. */
#include "base/memory.h"
#include "base/random.h"
#include "data/dataset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN = 2048, TEST = 512, COUNT = TRAIN + TEST, USUAL = 7, SMALLEST = 2, LARGEST = 128 };
enum { WHITE = 255, NOISE = 15 };
static const uint64_t corners_seed = 0xC0124E25;

static const char prefix[] = "corners";

/* "7" or "7x9", and nothing behind. */
static bool read_size(const char *text, int64_t *height, int64_t *width) {
  char *end;
  if (!isdigit((unsigned char)text[0])) return false;
  *height = *width = strtoll(text, &end, 10);
  if (*end == 0) return true;
  if (*end != 'x' || !isdigit((unsigned char)end[1])) return false;
  *width = strtoll(end + 1, &end, 10);
  return *end == 0;
}

bool cy_corners_is_name(const char *name) {
  int64_t height, width;
  size_t n = sizeof prefix - 1;
  if (strncmp(name, prefix, n) != 0) return false;
  return name[n] == 0 || (name[n] == '-' && read_size(name + n + 1, &height, &width));
}

static void draw_image(cy_rng *rng, int64_t i, int64_t height, int64_t width, uint8_t *pixels, int32_t *label) {
  const int64_t corner[4] = {0, width - 1, (height - 1) * width, height * width - 1};
  for (int64_t p = 0; p < height * width; p++) pixels[p] = (uint8_t)(cy_rng_u32(rng) % (NOISE + 1));
  /* All sixteen cases equally often: training and test part are balanced, also given any three corners. */
  for (int64_t c = 0; c < 4; c++) pixels[corner[c]] = i >> c & 1 ? WHITE : 0;
  *label = pixels[corner[0]] == pixels[corner[3]];
}

cy_status cy_open_corners(const char *name, cy_dataset **dataset) {
  static const char *const classes[] = {"different", "same"};
  int64_t height = USUAL, width = USUAL;
  if (name[sizeof prefix - 1] == '-' && !read_size(name + sizeof prefix, &height, &width))
    return cy_fail(CY_INVALID, "\"%s\": the size is missing, such as corners-7 or corners-7x9", name);
  if (height < SMALLEST || width < SMALLEST || height > LARGEST || width > LARGEST)
    return cy_fail(CY_INVALID, "%s: sides are %d to %d pixels", name, SMALLEST, LARGEST);
  cy_dataset_parts parts = {.name = name, .origin = "embedded", .classes = 2, .class_names = classes,
                            .test_count = TEST, .target_name = "corners"};
  CY_TRY(cy_tensor_create(CY_U8, CY_SHAPE(COUNT, 1, height, width), &parts.inputs));
  cy_status status = cy_tensor_create(CY_I32, CY_SHAPE(COUNT), &parts.targets);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    return status;
  }
  cy_rng rng = cy_rng_make(corners_seed, (uint64_t)(height << 16 | width));
  for (int64_t i = 0; i < COUNT; i++)
    draw_image(&rng, i, height, width, cy_tensor_u8(parts.inputs) + i * height * width,
               cy_tensor_i32(parts.targets) + i);
  return cy_dataset_build(parts, dataset);
}
