/* Pictures and sets of them: every kind of PNG and JPEG is read as documented, damaged files are refused by name whatever
 * byte is missing or wrong, no failure leaks; CIFAR and folders of pictures hold what was put into them. */
#include "cauchy_config.h"
#include "io/image.h"
#include "io/tar.h"
#include "tensor/tensor.h"

#include <cauchy/data.h>
#include <cauchy/io.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if CY_HAVE_PNG
#include <png.h>
#endif
#if CY_HAVE_JPEG
#include <jpeglib.h>
#endif

#include <cmocka.h>

#define OK(call) assert_string_equal((call) == CY_OK ? "" : cy_error_message(), "")
#define FAILS(call, status, part)                                                                     \
  do {                                                                                                \
    assert_int_equal(call, status);                                                                   \
    if (!strstr(cy_error_message(), part)) fail_msg("\"%s\" lacks \"%s\"", cy_error_message(), part); \
  } while (0)

/* ---- allocations of the library are counted, and one of them may fail (--wrap) ---- */

static long calls, failing, live;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);

static bool fails(void) { return ++calls == failing; }
static void *counted(void *block) {
  live += block != NULL;
  return block;
}
void *__wrap_malloc(size_t size) { return fails() ? NULL : counted(__real_malloc(size)); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : counted(__real_calloc(count, size)); }
void *__wrap_realloc(void *block, size_t size) {
  if (fails()) return NULL;
  return block ? __real_realloc(block, size) : counted(__real_realloc(block, size));
}
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return fails() ? NULL : counted(__real_aligned_alloc(alignment, size));
}
void __wrap_free(void *block) {
  live -= block != NULL;
  __real_free(block);
}

/* ---- files ---- */

static char folder[64];

static const char *file(const char *name) {
  static char names[8][192];
  static int next;
  char *buffer = names[next++ % 8];
  snprintf(buffer, sizeof names[0], "%s/%s", folder, name);
  return buffer;
}

static int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/cauchy-test-images-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  char command[128];
  (void)state;
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command);
}

/* Without waiting for the disk, as cy_file_write does. */
static void write_bytes(const char *path, const void *bytes, size_t n) {
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(bytes, 1, n, out), n);
  fclose(out);
}

/* A pattern with no symmetry: channel c of pixel (y, x). */
static uint8_t pixel(int c, int y, int x) { return (uint8_t)(c * 71 + y * 13 + x * 5 + (x * y) % 7); }

static void check_pattern(const cy_tensor *image, int channels, int h, int w, int tolerance) {
  assert_true(cy_shape_equal(cy_tensor_shape(image), CY_SHAPE(channels, h, w)));
  for (int c = 0; c < channels; c++)
    for (int y = 0; y < h; y++)
      for (int x = 0; x < w; x++) {
        int got = (int)cy_tensor_at(image, (c * h + y) * w + x), wanted = pixel(c, y, x);
        if (abs(got - wanted) > tolerance) fail_msg("channel %d, (%d, %d): %d, not %d", c, y, x, got, wanted);
      }
}

#if CY_HAVE_PNG

/* ---- PNG, written by libpng itself ---- */

typedef struct png_kind {
  int colour, depth;
  bool interlaced;
} png_kind;

/* rows: as PNG stores them. palette of two entries and their opacity, if the colour needs it. */
static void write_png(const char *path, png_kind kind, int w, int h, const unsigned char *rows, size_t stride) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  png_init_io(png, out);
  png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, kind.depth, kind.colour,
               kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (kind.colour == PNG_COLOR_TYPE_PALETTE) {
    png_color colours[3] = {{10, 20, 30}, {200, 100, 50}, {0, 0, 0}};
    png_byte opaque[3] = {255, 255, 0};
    png_set_PLTE(png, info, colours, 3);
    png_set_tRNS(png, info, opaque, 3, NULL);
  }
  png_write_info(png, info);
  png_bytep pointers[64];
  for (int y = 0; y < h; y++) pointers[y] = (png_bytep)(uintptr_t)(rows + (size_t)y * stride);
  png_write_image(png, pointers);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  fclose(out);
}

static void write_pattern_png(const char *path, int colour, bool interlaced, int w, int h) {
  unsigned char rows[64 * 64 * 3];
  int n = colour == PNG_COLOR_TYPE_GRAY ? 1 : 3;
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++)
      for (int c = 0; c < n; c++) rows[(y * w + x) * n + c] = pixel(c, y, x);
  write_png(path, (png_kind){colour, 8, interlaced}, w, h, rows, (size_t)(w * n));
}

static cy_tensor *read_image(const char *path, cy_image_mode mode) {
  cy_tensor *image;
  OK(cy_image_read(path, mode, &image));
  return image;
}

static void png_of_8_bits_is_exact(void **state) {
  (void)state;
  for (int interlaced = 0; interlaced < 2; interlaced++) {
    write_pattern_png(file("rgb.png"), PNG_COLOR_TYPE_RGB, interlaced, 13, 9);
    cy_tensor *image = read_image(file("rgb.png"), CY_IMAGE_KEEP);
    check_pattern(image, 3, 9, 13, 0);
    cy_tensor_free(image);
    write_pattern_png(file("gray.png"), PNG_COLOR_TYPE_GRAY, interlaced, 13, 9);
    image = read_image(file("gray.png"), CY_IMAGE_KEEP);
    check_pattern(image, 1, 9, 13, 0);
    cy_tensor_free(image);
  }
}

static void channels_convert(void **state) {
  (void)state;
  write_pattern_png(file("rgb.png"), PNG_COLOR_TYPE_RGB, false, 13, 9);
  write_pattern_png(file("gray.png"), PNG_COLOR_TYPE_GRAY, false, 13, 9);
  cy_tensor *gray = read_image(file("rgb.png"), CY_IMAGE_GRAY), *rgb = read_image(file("gray.png"), CY_IMAGE_RGB);
  assert_true(cy_shape_equal(cy_tensor_shape(gray), CY_SHAPE(1, 9, 13)));
  assert_true(cy_shape_equal(cy_tensor_shape(rgb), CY_SHAPE(3, 9, 13)));
  for (int y = 0; y < 9; y++)
    for (int x = 0; x < 13; x++) {
      double luma = 0.299 * pixel(0, y, x) + 0.587 * pixel(1, y, x) + 0.114 * pixel(2, y, x);
      assert_true(cy_tensor_at(gray, y * 13 + x) - luma <= 0.501 && luma - cy_tensor_at(gray, y * 13 + x) <= 0.501);
      for (int c = 0; c < 3; c++) assert_int_equal((int)cy_tensor_at(rgb, (c * 9 + y) * 13 + x), pixel(0, y, x));
    }
  cy_tensor_free(gray);
  cy_tensor_free(rgb);
}

/* One row of four pixels of each unusual kind, and what it becomes. */
static void png_of_every_kind_becomes_8_bits(void **state) {
  (void)state;
  static const struct {
    png_kind kind;
    unsigned char row[32];
    int channels;
    int wanted[3][4];
  } cases[] = {
      {{PNG_COLOR_TYPE_GRAY, 1, false}, {0xa0}, 1, {{255, 0, 255, 0}}},
      {{PNG_COLOR_TYPE_GRAY, 2, false}, {0x1b}, 1, {{0, 85, 170, 255}}},
      {{PNG_COLOR_TYPE_GRAY, 4, false}, {0x0f, 0x37}, 1, {{0, 255, 51, 119}}},
      {{PNG_COLOR_TYPE_GRAY, 16, false}, {0x00, 0x80, 0x80, 0x00, 0xff, 0xff, 0x01, 0x00}, 1, {{0, 128, 255, 1}}},
      {{PNG_COLOR_TYPE_RGB, 16, false}, {0, 0, 0xff, 0xff, 0x40, 0x40, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9},
       3, {{0, 1, 4, 7}, {255, 2, 5, 8}, {64, 3, 6, 9}}},
      {{PNG_COLOR_TYPE_GRAY_ALPHA, 8, false}, {100, 255, 100, 0, 0, 128, 200, 51}, 1, {{100, 255, 127, 244}}},
      {{PNG_COLOR_TYPE_RGB_ALPHA, 8, false}, {1, 2, 3, 255, 1, 2, 3, 0, 0, 255, 100, 128, 255, 255, 255, 77}, 3,
       {{1, 255, 127, 255}, {2, 255, 255, 255}, {3, 255, 177, 255}}},
      {{PNG_COLOR_TYPE_PALETTE, 2, false}, {0x18}, 3, {{10, 200, 255, 10}, {20, 100, 255, 20}, {30, 50, 255, 30}}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_png(file("kind.png"), cases[i].kind, 4, 1, cases[i].row, sizeof cases[i].row);
    cy_tensor *image = read_image(file("kind.png"), CY_IMAGE_KEEP);
    assert_true(cy_shape_equal(cy_tensor_shape(image), CY_SHAPE(cases[i].channels, 1, 4)));
    for (int c = 0; c < cases[i].channels; c++)
      for (int x = 0; x < 4; x++)
        if ((int)cy_tensor_at(image, c * 4 + x) != cases[i].wanted[c][x])
          fail_msg("kind %zu, channel %d, pixel %d: %g, not %d", i, c, x, cy_tensor_at(image, c * 4 + x),
                   cases[i].wanted[c][x]);
    cy_tensor_free(image);
  }
}

static void written_images_read_back(void **state) {
  (void)state;
  cy_tensor *image, *again;
  for (int channels = 1; channels <= 3; channels += 2) {
    OK(cy_tensor_create(CY_U8, CY_SHAPE(channels, 5, 7), &image));
    for (int i = 0; i < channels * 35; i++) cy_tensor_u8(image)[i] = pixel(i / 35, i % 35 / 7, i % 7);
    OK(cy_image_write(image, file("out.png")));
    again = read_image(file("out.png"), CY_IMAGE_KEEP);
    check_pattern(again, channels, 5, 7, 0);
    cy_tensor_free(image);
    cy_tensor_free(again);
  }
  OK(cy_tensor_create(CY_F32, CY_SHAPE(3, 2, 2), &image));
  FAILS(cy_image_write(image, file("out.png")), CY_INVALID, "a PNG takes u8 [1 or 3, height, width]");
  cy_tensor_free(image);
  OK(cy_tensor_create(CY_U8, CY_SHAPE(2, 2, 2), &image));
  FAILS(cy_image_write(image, file("out.png")), CY_INVALID, "not u8 2x2x2");
  cy_tensor_free(image);
  OK(cy_tensor_create(CY_U8, CY_SHAPE(1, 2, 2), &image));
  FAILS(cy_image_write(image, file("no/such/folder.png")), CY_IO, "no/such");
  cy_tensor_free(image);
}

/* ---- damage ---- */

/* Every shorter file is refused, and names itself. */
static void check_truncation(const char *path, const char *shorter) {
  char *bytes;
  size_t length;
  cy_tensor *image;
  long before = live;
  OK(cy_file_read(path, 1 << 20, &bytes, &length));
  for (size_t n = 0; n < length; n++) {
    write_bytes(shorter, bytes, n);
    FAILS(cy_image_read(shorter, CY_IMAGE_KEEP, &image), CY_INVALID, shorter);
    assert_null(image);
    if (strchr(cy_error_message(), '\n')) fail_msg("more than one line: %s", cy_error_message());
  }
  cy_string_free(bytes);
  assert_int_equal(live, before);
}

/* Whatever byte is wrong: an image or an error, never a crash or a leak. */
static void check_damage(const char *path, const char *damaged) {
  char *bytes;
  size_t length;
  cy_tensor *image;
  long before = live;
  OK(cy_file_read(path, 1 << 20, &bytes, &length));
  for (size_t i = 0; i < length; i++)
    for (int bit = 0; bit < 8; bit += 3) {
      bytes[i] ^= (char)(1 << bit);
      write_bytes(damaged, bytes, length);
      cy_status status = cy_image_read(damaged, CY_IMAGE_RGB, &image);
      assert_true(status == CY_OK || (status == CY_INVALID && !image));
      cy_tensor_free(image);
      bytes[i] ^= (char)(1 << bit);
    }
  cy_string_free(bytes);
  assert_int_equal(live, before);
}

static void damaged_png_is_refused(void **state) {
  (void)state;
  for (int interlaced = 0; interlaced < 2; interlaced++) {
    write_pattern_png(file("whole.png"), PNG_COLOR_TYPE_RGB, interlaced, 13, 9);
    check_truncation(file("whole.png"), file("cut.png"));
    check_damage(file("whole.png"), file("bad.png"));
  }
}

static uint32_t crc(const unsigned char *bytes, size_t n) {
  uint32_t sum = 0xffffffffu;
  for (size_t i = 0; i < n; i++) {
    sum ^= bytes[i];
    for (int k = 0; k < 8; k++) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
  }
  return ~sum;
}

static void put_u32(unsigned char *to, uint32_t v) {
  for (int i = 0; i < 4; i++) to[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void bombs_are_refused(void **state) {
  (void)state;
  cy_tensor *image;
  static const struct {
    uint32_t width, height;
    const char *why;
  } cases[] = {{30000, 20000, "has 20000x30000 pixels (height x width), more than the 268435456 that are read"},
               {16384, 16384, "claims 16384x16384 pixels (height x width), which its"},
               {2000000, 1, "cannot read the PNG"},
               {0, 5, "cannot read the PNG"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *bytes;
    size_t length;
    write_pattern_png(file("bomb.png"), PNG_COLOR_TYPE_RGB, false, 13, 9);
    OK(cy_file_read(file("bomb.png"), 1 << 20, &bytes, &length));
    unsigned char *header = (unsigned char *)bytes + 8; /* IHDR: length, name, 13 bytes, checksum */
    put_u32(header + 8, cases[i].width);
    put_u32(header + 12, cases[i].height);
    put_u32(header + 21, crc(header + 4, 17));
    write_bytes(file("bomb.png"), bytes, length);
    cy_string_free(bytes);
    FAILS(cy_image_read(file("bomb.png"), CY_IMAGE_KEEP, &image), CY_INVALID, cases[i].why);
  }
  write_bytes(file("x.png"), "GIF89a", 6);
  FAILS(cy_image_read(file("x.png"), CY_IMAGE_KEEP, &image), CY_INVALID,
        "x.png: is neither a PNG nor a JPEG file (it starts with 47 49)");
  write_bytes(file("x.png"), "", 0);
  FAILS(cy_image_read(file("x.png"), CY_IMAGE_KEEP, &image), CY_INVALID, "x.png: is empty");
  FAILS(cy_image_read(file("none.png"), CY_IMAGE_KEEP, &image), CY_IO, "none.png: cannot open");
}

static cy_status read_and_write(const char *from, const char *to) {
  cy_tensor *image;
  cy_status status = cy_image_read(from, CY_IMAGE_GRAY, &image);
  if (status == CY_OK && to) status = cy_image_write(image, to);
  cy_tensor_free(image);
  return status;
}

/* libpng goes on without what it can do without, so an allocation may fail and the image be read all the same. */
static void check_allocations(const char *from, const char *to) {
  long before = live, refused = 0;
  for (long n = 1;; n++) {
    calls = 0;
    failing = n;
    cy_status status = read_and_write(from, to);
    bool happened = calls >= n;
    failing = 0;
    if (status != CY_OK && status != CY_NO_MEMORY) fail_msg("allocation %ld: %s", n, cy_error_message());
    if (live != before) fail_msg("allocation %ld failed: %ld blocks leaked", n, live - before);
    refused += status == CY_NO_MEMORY;
    if (!happened) {
      OK(status);
      break;
    }
  }
  assert_true(refused >= 4);
}

static void png_survives_failing_allocations(void **state) {
  (void)state;
  write_pattern_png(file("a.png"), PNG_COLOR_TYPE_RGB, true, 13, 9);
  check_allocations(file("a.png"), file("b.png"));
}

#endif

#if CY_HAVE_JPEG && CY_HAVE_PNG

/* ---- JPEG, written by libjpeg itself ---- */

static void write_jpeg(const char *path, int components, bool progressive, int w, int h) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_stdio_dest(&info, out);
  info.image_width = (JDIMENSION)w;
  info.image_height = (JDIMENSION)h;
  info.input_components = components;
  info.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < h; y++) {
    unsigned char line[64 * 4], *row = line;
    for (int x = 0; x < w; x++)
      for (int c = 0; c < components; c++) line[x * components + c] = (unsigned char)(40 * c + 3 * y + 5 * x);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  fclose(out);
}

static void jpeg_is_close(void **state) {
  (void)state;
  for (int components = 1; components <= 3; components += 2)
    for (int progressive = 0; progressive < 2; progressive++) {
      write_jpeg(file("a.jpg"), components, progressive, 21, 18);
      cy_tensor *image = read_image(file("a.jpg"), CY_IMAGE_KEEP);
      assert_true(cy_shape_equal(cy_tensor_shape(image), CY_SHAPE(components, 18, 21)));
      for (int i = 0; i < components * 18 * 21; i++) {
        int wanted = 40 * (i / 378) + 3 * (i % 378 / 21) + 5 * (i % 21);
        assert_in_range((int)cy_tensor_at(image, i) + 3, wanted, wanted + 6);
      }
      cy_tensor_free(image);
    }
}

static void damaged_jpeg_is_refused(void **state) {
  (void)state;
  cy_tensor *image;
  for (int progressive = 0; progressive < 2; progressive++) {
    write_jpeg(file("whole.jpg"), 3, progressive, 21, 18);
    check_truncation(file("whole.jpg"), file("cut.jpg"));
    check_damage(file("whole.jpg"), file("bad.jpg"));
  }
  write_jpeg(file("whole.jpg"), 3, false, 64, 60);
  char *bytes;
  size_t length;
  OK(cy_file_read(file("whole.jpg"), 1 << 20, &bytes, &length));
  write_bytes(file("cut.jpg"), bytes, length - 100);
  cy_string_free(bytes);
  FAILS(cy_image_read(file("cut.jpg"), CY_IMAGE_KEEP, &image), CY_INVALID, "cut.jpg: cannot read the JPEG: it ends early");
  write_jpeg(file("print.jpg"), 4, false, 21, 18);
  FAILS(cy_image_read(file("print.jpg"), CY_IMAGE_RGB, &image), CY_INVALID, "print.jpg: its colours are CMYK");
}

static void jpeg_survives_failing_allocations(void **state) {
  (void)state;
  write_jpeg(file("a.jpg"), 3, true, 21, 18);
  check_allocations(file("a.jpg"), NULL);
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
#if CY_HAVE_PNG
      cmocka_unit_test(png_of_8_bits_is_exact),
      cmocka_unit_test(channels_convert),
      cmocka_unit_test(png_of_every_kind_becomes_8_bits),
      cmocka_unit_test(written_images_read_back),
      cmocka_unit_test(damaged_png_is_refused),
      cmocka_unit_test(bombs_are_refused),
      cmocka_unit_test(png_survives_failing_allocations),
#endif
#if CY_HAVE_JPEG && CY_HAVE_PNG
      cmocka_unit_test(jpeg_is_close),
      cmocka_unit_test(damaged_jpeg_is_refused),
      cmocka_unit_test(jpeg_survives_failing_allocations),
#endif
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
