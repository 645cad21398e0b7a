/* Pictures and sets of them: every kind of PNG and JPEG is read as documented, damaged files are refused by name,
 * whatever byte is missing or wrong, no failure leaks; CIFAR and folders of pictures hold what was put into them. */
#include "expect.h"
#include "folder.h"

#include "allocations.h"
#include "cauchy_config.h"

#include <cauchy/data.h>
#include <cauchy/io.h>

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

/* ---- files ---- */

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
      {{PNG_COLOR_TYPE_RGB, 16, false},
       {0, 0, 0xff, 0xff, 0x40, 0x40, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9}, 3,
       {{0, 1, 4, 7}, {255, 2, 5, 8}, {64, 3, 6, 9}}},
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
  FAILS(cy_image_read(file("cut.jpg"), CY_IMAGE_KEEP, &image), CY_INVALID,
        "cut.jpg: cannot read the JPEG: it ends early");
  write_jpeg(file("print.jpg"), 4, false, 21, 18);
  FAILS(cy_image_read(file("print.jpg"), CY_IMAGE_RGB, &image), CY_INVALID, "print.jpg: its colours are CMYK");
}

typedef enum coding { BASELINE, OPTIMAL, PROGRESSIVE, ARITHMETIC } coding;

/* Gray of one value: as few bytes as a coding can do with. */
static void write_plain_jpeg(const char *path, coding how, int w, int h) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  FILE *out = fopen(path, "wb");
  unsigned char *row = malloc((size_t)w);
  assert_non_null(out);
  assert_non_null(row);
  memset(row, 128, (size_t)w);
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_stdio_dest(&info, out);
  info.image_width = (JDIMENSION)w;
  info.image_height = (JDIMENSION)h;
  info.input_components = 1;
  info.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  info.optimize_coding = how == OPTIMAL;
  info.arith_code = how == ARITHMETIC;
  if (how == PROGRESSIVE) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < h; y++) jpeg_write_scanlines(&info, &row, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  fclose(out);
  free(row);
}

static void check_plain(const char *path, int value, int64_t height, int64_t width) {
  cy_tensor *image = read_image(path, CY_IMAGE_KEEP);
  assert_true(cy_shape_equal(cy_tensor_shape(image), CY_SHAPE(1, height, width)));
  const uint8_t *pixels = cy_tensor_data(image);
  for (int64_t i = 0; i < height * width; i++)
    if (pixels[i] != value) fail_msg("%s: pixel %lld is %d", path, (long long)i, pixels[i]);
  cy_tensor_free(image);
}

/* A little more than 2^24 pixels of one colour: whatever an encoder makes of them is read, but for arithmetic coding,
 * which needs a hundred bytes for as much as memory holds. */
static void one_colour_is_no_bomb(void **state) {
  (void)state;
  cy_tensor *image;
  for (coding how = BASELINE; how <= PROGRESSIVE; how++) {
    write_plain_jpeg(file("plain.jpg"), how, 4104, 4096);
    check_plain(file("plain.jpg"), 128, 4096, 4104);
  }
  OK(cy_tensor_create(CY_U8, CY_SHAPE(1, 4096, 4104), &image));
  OK(cy_image_write(image, file("plain.png")));
  cy_tensor_free(image);
  check_plain(file("plain.png"), 0, 4096, 4104);
#ifdef C_ARITH_CODING_SUPPORTED
  write_plain_jpeg(file("plain.jpg"), ARITHMETIC, 4096, 4096);
  check_plain(file("plain.jpg"), 128, 4096, 4096);
  write_plain_jpeg(file("plain.jpg"), ARITHMETIC, 4104, 4096);
  FAILS(cy_image_read(file("plain.jpg"), CY_IMAGE_KEEP, &image), CY_INVALID,
        "bytes cannot hold: 16809984 pixels, at most 8192 for a byte, need 2052 bytes");
#endif
}

/* As large a file as its pixels need at the least, but the coefficients are more than libjpeg is given. */
static void coefficients_are_bounded(void **state) {
  (void)state;
  static unsigned char bytes[520000];
  cy_tensor *image;
  size_t length, at = 0;
  char *small;
  write_jpeg(file("large.jpg"), 3, true, 21, 18);
  OK(cy_file_read(file("large.jpg"), sizeof bytes, &small, &length));
  memcpy(bytes, small, length);
  cy_string_free(small);
  while (at < length && !(bytes[at] == 0xff && bytes[at + 1] == 0xc2)) at++; /* frame: length, depth, height, width */
  assert_true(at + 9 < length);
  bytes[at + 5] = 16000 >> 8, bytes[at + 6] = 16000 & 255;
  bytes[at + 7] = 16384 >> 8, bytes[at + 8] = 16384 & 255;
  write_bytes(file("large.jpg"), (char *)bytes, sizeof bytes);
  FAILS(cy_image_read(file("large.jpg"), CY_IMAGE_KEEP, &image), CY_INVALID,
        "large.jpg: cannot read the JPEG: its coefficients need more than 1 GiB");
}

static void jpeg_survives_failing_allocations(void **state) {
  (void)state;
  write_jpeg(file("a.jpg"), 3, true, 21, 18);
  check_allocations(file("a.jpg"), NULL);
}

#endif

/* ---- CIFAR ---- */

enum { RECORD = 3073 };

static uint8_t cifar_pixel(int64_t sample, int i) { return (uint8_t)(sample * 37 + i * 11 + i / 256); }

/* Records first..first+n-1; labels are sample % classes, in the byte `label_at` of `labels`. */
static unsigned char *cifar_records(int64_t first, int n, int labels, int label_at, int classes) {
  unsigned char *bytes = calloc((size_t)n, (size_t)(labels + 3072));
  assert_non_null(bytes);
  for (int r = 0; r < n; r++) {
    unsigned char *record = bytes + r * (labels + 3072);
    record[label_at] = (unsigned char)((first + r) % classes);
    if (labels == 2) record[0] = (unsigned char)((first + r) % 20);
    for (int i = 0; i < 3072; i++) record[labels + i] = cifar_pixel(first + r, i);
  }
  return bytes;
}

static void write_cifar(const char *path, int64_t first, int n) {
  unsigned char *bytes = cifar_records(first, n, 1, 0, 10);
  write_bytes(path, bytes, (size_t)n * RECORD);
  free(bytes);
}

static const char names_text[] = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

static cy_dataset *open_set(const char *path, const char *target) {
  cy_dataset *d;
  OK(cy_dataset_open(path, (cy_dataset_options){.target = target}, &d));
  return d;
}

/* Samples 0..n-1 in order. */
static void check_cifar(const cy_dataset *d, int64_t n, int64_t test, int modulus) {
  const uint8_t *pixels = cy_tensor_data((cy_tensor *)(uintptr_t)cy_dataset_inputs(d));
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(3, 32, 32)));
  assert_int_equal(cy_dataset_count(d), n);
  assert_int_equal(cy_dataset_test_count(d), test);
  for (int64_t k = 0; k < n; k++) {
    assert_int_equal(cy_dataset_label(d, k), k % modulus);
    for (int i = 0; i < 3072; i++)
      if (pixels[k * 3072 + i] != cifar_pixel(k, i)) fail_msg("sample %lld, value %d", (long long)k, i);
  }
}

static void cifar_folders_are_read_in_order(void **state) {
  (void)state;
  OK(cy_make_folders(file("c10")));
  write_cifar(file("c10/data_batch_1.bin"), 0, 12);
  write_cifar(file("c10/data_batch_2.bin"), 12, 9);
  write_cifar(file("c10/test_batch.bin"), 21, 5);
  write_bytes(file("c10/readme.html"), "x", 1);
  cy_dataset *d = open_set(file("c10"), NULL);
  check_cifar(d, 26, 5, 10);
  assert_string_equal(cy_dataset_class_name(d, 3), "3");
  cy_dataset_free(d);
  write_bytes(file("c10/batches.meta.txt"), names_text, sizeof names_text - 1);
  char command[512];
  snprintf(command, sizeof command, "gzip -f '%s' && cp '%s' '%s.copy'", file("c10/data_batch_2.bin"),
           file("c10/data_batch_1.bin"), file("c10/data_batch_1.bin"));
  assert_int_equal(system(command), 0);
  d = open_set(file("c10"), "label");
  check_cifar(d, 26, 5, 10);
  assert_int_equal(cy_dataset_classes(d), 10);
  assert_string_equal(cy_dataset_class_name(d, 9), "truck");
  assert_string_equal(cy_dataset_name(d), "c10");
  cy_dataset_free(d);
  d = open_set(file("c10/data_batch_1.bin"), NULL);
  check_cifar(d, 12, 0, 10);
  assert_string_equal(cy_dataset_class_name(d, 9), "truck");
  cy_dataset_free(d);
  d = open_set(file("c10/test_batch.bin"), NULL);
  assert_int_equal(cy_dataset_count(d), 5);
  assert_int_equal(cy_dataset_test_count(d), 0);
  cy_dataset_free(d);
  /* As the data directory's set of this name. */
  snprintf(command, sizeof command, "mkdir '%s' && cp -r '%s' '%s'", file("home"), file("c10"), file("home/cifar10"));
  assert_int_equal(system(command), 0);
  OK(cy_dataset_open("cifar10", (cy_dataset_options){.directory = file("home")}, &d));
  check_cifar(d, 26, 5, 10);
  cy_dataset_free(d);
  FAILS(cy_dataset_open("cifar100", (cy_dataset_options){.directory = file("home")}, &d), CY_IO,
        "cauchy data get cifar100");
}

static void broken_cifar_names_file_and_numbers(void **state) {
  (void)state;
  cy_dataset *d;
  OK(cy_make_folders(file("cut")));
  write_cifar(file("cut/data_batch_1.bin"), 0, 3);
  assert_int_equal(truncate(file("cut/data_batch_1.bin"), 3 * RECORD - 1), 0);
  FAILS(cy_dataset_open(file("cut"), (cy_dataset_options){0}, &d), CY_INVALID,
        "cut/data_batch_1.bin: holds 9218 bytes, which are not whole records of 1 + 3072: 2 records are 6146 bytes, "
        "and 3072 are left");
  write_bytes(file("cut/data_batch_1.bin"), "", 0);
  FAILS(cy_dataset_open(file("cut"), (cy_dataset_options){0}, &d), CY_INVALID, "is empty");
  write_cifar(file("cut/data_batch_1.bin"), 0, 3);
  write_cifar(file("cut/data_batch_3.bin"), 3, 3);
  FAILS(cy_dataset_open(file("cut"), (cy_dataset_options){0}, &d), CY_INVALID,
        "data_batch_2.bin is missing, though data_batch_3.bin is there");
  unlink(file("cut/data_batch_3.bin"));
  write_bytes(file("cut/batches.meta.txt"), "a\nb\n", 4);
  FAILS(cy_dataset_open(file("cut"), (cy_dataset_options){0}, &d), CY_INVALID,
        "data_batch_1.bin: record 2 has label 2, but labels run from 0 to 1");
  write_bytes(file("cut/batches.meta.txt"), "\n\n", 2);
  FAILS(cy_dataset_open(file("cut"), (cy_dataset_options){0}, &d), CY_INVALID, "batches.meta.txt: names no class");
  FAILS(cy_dataset_open(file("cut"), (cy_dataset_options){.target = "coarse"}, &d), CY_INVALID,
        "has the target label, not \"coarse\"");
  OK(cy_make_folders(file("only-test")));
  write_cifar(file("only-test/test_batch.bin"), 0, 3);
  FAILS(cy_dataset_open(file("only-test"), (cy_dataset_options){0}, &d), CY_INVALID, "holds no data_batch_1.bin");
}

static void cifar_100_has_two_targets(void **state) {
  (void)state;
  cy_dataset *d;
  OK(cy_make_folders(file("c100")));
  unsigned char *bytes = cifar_records(0, 120, 2, 1, 100);
  write_bytes(file("c100/train.bin"), bytes, 120 * 3074);
  free(bytes);
  bytes = cifar_records(120, 7, 2, 1, 100);
  write_bytes(file("c100/test.bin"), bytes, 7 * 3074);
  free(bytes);
  d = open_set(file("c100"), NULL);
  check_cifar(d, 127, 7, 100);
  assert_int_equal(cy_dataset_classes(d), 100);
  assert_string_equal(cy_dataset_target_name(d), "fine");
  cy_dataset_free(d);
  d = open_set(file("c100"), "coarse");
  check_cifar(d, 127, 7, 20);
  assert_int_equal(cy_dataset_classes(d), 20);
  cy_dataset_free(d);
  FAILS(cy_dataset_open(file("c100"), (cy_dataset_options){.target = "middling"}, &d), CY_INVALID,
        "has the targets fine and coarse, not \"middling\"");
}

static void put_octal(char *field, int digits, unsigned long value) {
  for (int i = digits - 1; i >= 0; i--, value /= 8) field[i] = (char)('0' + value % 8);
}

/* One entry of an archive, as tar writes it. */
static void add_header(FILE *tar, const char *name, char kind, size_t n) {
  char header[512] = {0};
  unsigned long sum = 0;
  snprintf(header, 100, "%s", name);
  memcpy(header + 100, "0000644", 7);
  put_octal(header + 124, 11, n);
  memset(header + 148, ' ', 8);
  header[156] = kind;
  memcpy(header + 257, "ustar\00000", 8);
  for (int i = 0; i < 512; i++) sum += (unsigned char)header[i];
  put_octal(header + 148, 6, sum);
  header[154] = 0;
  fwrite(header, 1, 512, tar);
}

static void add_entry(FILE *tar, const char *name, char kind, const void *bytes, size_t n) {
  char padding[512] = {0};
  add_header(tar, name, kind, n);
  fwrite(bytes, 1, n, tar);
  fwrite(padding, 1, (512 - n % 512) % 512, tar);
}

static void write_archive(const char *path) {
  static const char end[1024];
  FILE *tar = fopen(path, "wb");
  assert_non_null(tar);
  unsigned char *a = cifar_records(0, 12, 1, 0, 10), *b = cifar_records(12, 9, 1, 0, 10);
  unsigned char *c = cifar_records(21, 5, 1, 0, 10);
  add_entry(tar, "pax", 'x', "30 path=something else........", 30);
  add_entry(tar, "cifar-10-batches-bin/", '5', "", 0);
  add_entry(tar, "cifar-10-batches-bin/data_batch_2.bin", '0', b, 9 * RECORD);
  add_entry(tar, "cifar-10-batches-bin/test_batch.bin", '0', c, 5 * RECORD);
  add_entry(tar, "cifar-10-batches-bin/readme.html", '0', "hello", 5);
  add_entry(tar, "cifar-10-batches-bin/batches.meta.txt", '0', names_text, sizeof names_text - 1);
  add_entry(tar, "cifar-10-batches-bin/data_batch_1.bin", '0', a, 12 * RECORD);
  fwrite(end, 1, sizeof end, tar);
  fclose(tar);
  free(a);
  free(b);
  free(c);
}

static void the_published_archive_is_read_as_it_is(void **state) {
  (void)state;
  cy_dataset *d;
  char command[512];
  OK(cy_make_folders(file("home2/cifar10")));
  write_archive(file("a.tar"));
  d = open_set(file("a.tar"), NULL);
  check_cifar(d, 26, 5, 10);
  assert_string_equal(cy_dataset_class_name(d, 0), "airplane");
  cy_dataset_free(d);
  snprintf(command, sizeof command, "gzip -c '%s' >'%s'", file("a.tar"), file("home2/cifar10/cifar-10-binary.tar.gz"));
  assert_int_equal(system(command), 0);
  OK(cy_dataset_open("cifar10", (cy_dataset_options){.directory = file("home2")}, &d));
  check_cifar(d, 26, 5, 10);
  cy_dataset_free(d);
  struct stat info;
  assert_int_equal(stat(file("a.tar"), &info), 0);
  long before = live;
  for (long long n = 0; n < (long long)info.st_size - 1024; n += 509) { /* short of the closing blocks */
    assert_int_equal(truncate(file("a.tar"), (long long)info.st_size - 1024 - n), 0);
    FAILS(cy_dataset_open(file("a.tar"), (cy_dataset_options){0}, &d), CY_INVALID, "a.tar: ");
    assert_int_equal(live, before);
  }
  char *noise;
  size_t length;
  write_archive(file("a.tar"));
  OK(cy_file_read(file("a.tar"), 1 << 20, &noise, &length));
  noise[512 * 2 + 3] ^= 1;
  write_bytes(file("a.tar"), noise, length);
  cy_string_free(noise);
  FAILS(cy_dataset_open(file("a.tar"), (cy_dataset_options){0}, &d), CY_INVALID,
        "a.tar: is not a tar archive, or damaged: no header at byte");
}

/* Each file may be as large as it says, but not all of them: refused by the second header. */
static void an_archive_is_bounded(void **state) {
  (void)state;
  cy_dataset *d;
  unsigned char *records = cifar_records(0, 12, 1, 0, 10);
  FILE *tar = fopen(file("large.tar"), "wb");
  assert_non_null(tar);
  add_entry(tar, "cifar-10-batches-bin/data_batch_1.bin", '0', records, 12 * RECORD);
  add_header(tar, "cifar-10-batches-bin/data_batch_2.bin", '0', 2147483648u - RECORD);
  fclose(tar);
  free(records);
  FAILS(cy_dataset_open(file("large.tar"), (cy_dataset_options){0}, &d), CY_INVALID,
        "large.tar: its files have 36876 + 2147480575 (cifar-10-batches-bin/data_batch_2.bin) bytes, more than the "
        "2147483648 that are read of an archive");
}

/* The folder of real data beside the sources. */
static void the_real_sample_opens(void **state) {
  (void)state;
  cy_dataset *d = open_set(shared("cifar10"), NULL);
  assert_int_equal(cy_dataset_count(d), 25000);
  assert_int_equal(cy_dataset_test_count(d), 5000);
  assert_string_equal(cy_dataset_class_name(d, 6), "frog");
  cy_dataset_free(d);
}

/* Whatever allocation fails, opening is an error without a leak. */
static void check_open_allocations(const char *path, cy_dataset_options options) {
  long before = live, n = 1;
  for (;; n++) {
    cy_dataset *d;
    calls = 0;
    failing = n;
    cy_status status = cy_dataset_open(path, options, &d);
    bool happened = calls >= n;
    failing = 0;
    if (status == CY_OK) cy_dataset_free(d);
    if (live != before) fail_msg("%s, allocation %ld: %ld blocks leaked", path, n, live - before);
    if (status != CY_OK && status != CY_NO_MEMORY) fail_msg("allocation %ld: %s", n, cy_error_message());
    if (!happened) {
      OK(status);
      break;
    }
  }
  assert_true(n > 10);
}

static void cifar_survives_failing_allocations(void **state) {
  (void)state;
  write_archive(file("a.tar"));
  check_open_allocations(file("a.tar"), (cy_dataset_options){.images = {.size = {8, 8}, .mode = CY_IMAGE_GRAY}});
  OK(cy_make_folders(file("c3")));
  write_cifar(file("c3/data_batch_1.bin"), 0, 3);
  write_cifar(file("c3/test_batch.bin"), 3, 3);
  write_bytes(file("c3/batches.meta.txt"), names_text, sizeof names_text - 1);
  check_open_allocations(file("c3"), (cy_dataset_options){0});
}

/* ---- sizes ---- */

static cy_tensor *ramp(int channels, int h, int w) {
  cy_tensor *t;
  OK(cy_tensor_create(CY_U8, CY_SHAPE(channels, h, w), &t));
  for (int i = 0; i < channels * h * w; i++) cy_tensor_u8(t)[i] = pixel(i / (h * w), i % (h * w) / w, i % w);
  return t;
}

static void pictures_are_resized_as_documented(void **state) {
  (void)state;
  cy_tensor *image = ramp(3, 6, 10), *out;
  OK(cy_images_prepare(image, (cy_image_options){0}, &out));
  check_pattern(out, 3, 6, 10, 0);
  cy_tensor_free(out);
  /* Halved: the triangle of width 2 around each pair: 1/8 3/8 3/8 1/8 inside, less and divided anew at the ends. */
  OK(cy_images_prepare(image, (cy_image_options){.size = {6, 5}}, &out));
  assert_true(cy_shape_equal(cy_tensor_shape(out), CY_SHAPE(3, 6, 5)));
  for (int c = 0; c < 3; c++)
    for (int y = 0; y < 6; y++)
      for (int x = 0; x < 5; x++) {
        double sum = 0, weights = 0;
        for (int k = -1; k < 3; k++) {
          if (2 * x + k < 0 || 2 * x + k > 9) continue;
          double weight = k < 0 || k > 1 ? 1 : 3;
          sum += weight * pixel(c, y, 2 * x + k);
          weights += weight;
        }
        double wanted = sum / weights, got = cy_tensor_at(out, (c * 6 + y) * 5 + x);
        if (got - wanted > 0.501 || wanted - got > 0.501) fail_msg("(%d, %d): %g, not %g", y, x, got, wanted);
      }
  cy_tensor_free(out);
  /* The middle of 6x10 with the proportions of a square is 6x6, from column 2 on. */
  OK(cy_images_prepare(image, (cy_image_options){.size = {6, 6}, .fit = CY_FIT_CROP}, &out));
  for (int c = 0; c < 3; c++)
    for (int y = 0; y < 6; y++)
      for (int x = 0; x < 6; x++) assert_int_equal((int)cy_tensor_at(out, (c * 6 + y) * 6 + x), pixel(c, y, x + 2));
  cy_tensor_free(out);
  OK(cy_images_prepare(image, (cy_image_options){.size = {12, 4}, .mode = CY_IMAGE_GRAY}, &out));
  assert_true(cy_shape_equal(cy_tensor_shape(out), CY_SHAPE(1, 12, 4)));
  cy_tensor_free(out);
  FAILS(cy_images_prepare(image, (cy_image_options){.size = {4, 0}}, &out), CY_INVALID, "cannot be resized to 4x0");
  cy_tensor_free(image);
  OK(cy_tensor_create(CY_F32, CY_SHAPE(3, 4, 4), &image));
  FAILS(cy_images_prepare(image, (cy_image_options){0}, &out), CY_INVALID, "images are u8");
  cy_tensor_free(image);
}

static void any_set_of_images_is_resized(void **state) {
  (void)state;
  cy_dataset *d;
  OK(cy_dataset_open("digits", (cy_dataset_options){.images = {.size = {16, 12}, .mode = CY_IMAGE_RGB}}, &d));
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(3, 16, 12)));
  cy_image_options used = cy_dataset_image_options(d);
  assert_true(used.size.height == 16 && used.size.width == 12 && used.mode == CY_IMAGE_RGB);
  assert_float_equal(cy_dataset_scaling(d).factor[0], 1.0F / 16, 1e-7);
  cy_dataset_free(d);
  FAILS(cy_dataset_open("iris", (cy_dataset_options){.images = {.size = {16, 12}}}, &d), CY_INVALID,
        "iris: holds samples of f32 4, not images that could be resized");
  FAILS(cy_dataset_open("digits", (cy_dataset_options){.images = {.size = {16, -1}}}, &d), CY_INVALID,
        "digits: images cannot be resized to 16x-1");
}

#if CY_HAVE_PNG && CY_HAVE_JPEG

/* ---- folders of pictures ---- */

static void picture(const char *name, int channels, int h, int w) {
  const char *path = file(name);
  if (strstr(name, ".jp")) write_jpeg(path, channels, false, w, h);
  else write_pattern_png(path, channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, false, w, h);
}

static void make_folders(const char *const *names, int n) {
  for (int i = 0; i < n; i++) OK(cy_make_folders(file(names[i])));
}

static void folders_are_classes(void **state) {
  (void)state;
  static const char *const folders[] = {"pets/dog", "pets/cat", "pets/.hidden", "pets/.none"};
  make_folders(folders, 4);
  picture("pets/dog/b.png", 3, 6, 8);
  picture("pets/dog/a.PNG", 3, 6, 8);
  picture("pets/cat/1.jpeg", 3, 6, 8);
  picture("pets/.hidden/1.png", 3, 9, 9);
  write_bytes(file("pets/cat/notes.txt"), "x", 1);
  cy_dataset *d = open_set(file("pets"), NULL);
  assert_int_equal(cy_dataset_count(d), 3);
  assert_int_equal(cy_dataset_test_count(d), 0);
  assert_int_equal(cy_dataset_classes(d), 2);
  assert_string_equal(cy_dataset_class_name(d, 0), "cat");
  assert_string_equal(cy_dataset_class_name(d, 1), "dog");
  assert_int_equal(cy_dataset_label(d, 0), 0);
  assert_int_equal(cy_dataset_label(d, 1), 1);
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(3, 6, 8)));
  for (int i = 0; i < 144; i++)
    assert_int_equal((int)cy_tensor_at(cy_dataset_inputs(d), 144 + i), pixel(i / 48, i % 48 / 8, i % 8));
  cy_dataset_free(d);
  picture("pets/dog/c.png", 3, 8, 6);
  char wanted[512];
  snprintf(wanted, sizeof wanted, "%s: is 8x6 (height x width), but %s is 6x8; resize: HxW brings all to one size",
           file("pets/dog/c.png"), file("pets/cat/1.jpeg"));
  FAILS(cy_dataset_open(file("pets"), (cy_dataset_options){0}, &d), CY_INVALID, wanted);
  for (int fit = 0; fit < 2; fit++) {
    cy_image_options images = {.size = {4, 4}, .fit = fit ? CY_FIT_CROP : CY_FIT_STRETCH};
    OK(cy_dataset_open(file("pets"), (cy_dataset_options){.images = images}, &d));
    assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(3, 4, 4)));
    cy_tensor *image = read_image(file("pets/dog/c.png"), CY_IMAGE_KEEP), *alone; /* the same by itself */
    OK(cy_images_prepare(image, images, &alone));
    for (int i = 0; i < 48; i++)
      assert_int_equal((int)cy_tensor_at(alone, i), (int)cy_tensor_at(cy_dataset_inputs(d), 144 + i));
    cy_tensor_free(image);
    cy_tensor_free(alone);
    cy_dataset_free(d);
  }
  check_open_allocations(file("pets"), (cy_dataset_options){.images = {.size = {4, 4}}});
}

/* A class without pictures is a mistake of who made the folders; without any it is no set of pictures at all. */
static void folders_without_pictures_are_named(void **state) {
  (void)state;
  static const char *const folders[] = {"bare/train/dog", "bare/train/fish", "bare/test/dog", "bare/test/fish"};
  cy_dataset *d;
  make_folders(folders, 4);
  FAILS(cy_dataset_open(file("bare"), (cy_dataset_options){0}, &d), CY_INVALID, "bare");
  assert_null(strstr(cy_error_message(), "fish"));
  picture("bare/train/dog/1.png", 1, 5, 5);
  write_bytes(file("bare/train/fish/notes.txt"), "x", 1);
  FAILS(cy_dataset_open(file("bare"), (cy_dataset_options){0}, &d), CY_INVALID,
        "bare/train/fish: holds no pictures (PNG, JPEG), so its class would never be seen");
  picture("bare/train/fish/1.png", 1, 5, 5); /* of the test part any may be missing */
  d = open_set(file("bare"), NULL);
  assert_int_equal(cy_dataset_classes(d), 2);
  cy_dataset_free(d);
}

static void folders_may_have_parts(void **state) {
  (void)state;
  static const char *const folders[] = {"parts/train/a", "parts/train/b", "parts/test/b", "parts/test/z",
                                        "parts/other"};
  cy_dataset *d;
  make_folders(folders, 5);
  picture("parts/train/a/1.png", 1, 5, 5);
  picture("parts/train/b/1.png", 1, 5, 5);
  picture("parts/train/b/2.png", 1, 5, 5);
  picture("parts/test/b/3.png", 1, 5, 5);
  picture("parts/other/4.png", 1, 7, 7);
  d = open_set(file("parts"), NULL);
  assert_int_equal(cy_dataset_count(d), 4);
  assert_int_equal(cy_dataset_test_count(d), 1);
  assert_int_equal(cy_dataset_label(d, 3), 1);
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(1, 5, 5)));
  cy_dataset_free(d);
  /* One with colours: the gray ones before and after it get them too, and keep their values. */
  picture("parts/train/b/1.png", 3, 5, 5);
  d = open_set(file("parts"), NULL);
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(3, 5, 5)));
  for (int k = 0; k < 4; k++)
    for (int i = 0; i < 75; i++)
      assert_int_equal((int)cy_tensor_at(cy_dataset_inputs(d), k * 75 + i),
                       pixel(k == 1 ? i / 25 : 0, i % 25 / 5, i % 5));
  cy_dataset_free(d);
  check_open_allocations(file("parts"), (cy_dataset_options){0});
  OK(cy_dataset_open(file("parts"), (cy_dataset_options){.images = {.mode = CY_IMAGE_GRAY}}, &d));
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(1, 5, 5)));
  cy_dataset_free(d);
  picture("parts/test/z/1.png", 1, 5, 5);
  FAILS(cy_dataset_open(file("parts"), (cy_dataset_options){0}, &d), CY_INVALID,
        "parts/test/z: the training part has no class \"z\"");
}

static bool stop_at_two(const cy_load_progress *now, void *user) {
  assert_int_equal(now->total, 3);
  assert_int_equal(now->done, ++*(int *)user);
  return now->done < 2;
}

static void bad_pictures_are_named(void **state) {
  (void)state;
  static const char *const folders[] = {"bad/a", "bad/b", "flat"};
  cy_dataset *d;
  int seen = 0;
  make_folders(folders, 3);
  picture("bad/a/1.png", 3, 20, 20);
  picture("bad/a/2.jpg", 3, 20, 20);
  picture("bad/b/3.png", 3, 20, 20);
  FAILS(cy_dataset_open(file("bad"), (cy_dataset_options){.progress = stop_at_two, .user = &seen}, &d), CY_CANCELLED,
        "cancelled after 2 of 3 pictures");
  assert_int_equal(truncate(file("bad/a/2.jpg"), 400), 0);
  FAILS(cy_dataset_open(file("bad"), (cy_dataset_options){0}, &d), CY_INVALID, "bad/a/2.jpg: cannot read the JPEG: ");
  picture("flat/1.png", 3, 20, 20);
  FAILS(cy_dataset_open(file("flat"), (cy_dataset_options){0}, &d), CY_INVALID,
        "no folders of pictures by class (cat/1.png)");
  FAILS(cy_dataset_open(file("bad"), (cy_dataset_options){.images = {.size = {1 << 20, 1 << 20}}}, &d), CY_INVALID,
        "cannot be resized to 1048576x1048576");
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
      cmocka_unit_test(one_colour_is_no_bomb),
      cmocka_unit_test(coefficients_are_bounded),
      cmocka_unit_test(jpeg_survives_failing_allocations),
      cmocka_unit_test(folders_are_classes),
      cmocka_unit_test(folders_without_pictures_are_named), cmocka_unit_test(folders_may_have_parts),
      cmocka_unit_test(bad_pictures_are_named),
#endif
      cmocka_unit_test(cifar_folders_are_read_in_order),
      cmocka_unit_test(broken_cifar_names_file_and_numbers),
      cmocka_unit_test(cifar_100_has_two_targets),
      cmocka_unit_test(the_published_archive_is_read_as_it_is),
      cmocka_unit_test(an_archive_is_bounded),
      cmocka_unit_test(the_real_sample_opens),
      cmocka_unit_test(cifar_survives_failing_allocations),
      cmocka_unit_test(pictures_are_resized_as_documented),
      cmocka_unit_test(any_set_of_images_is_resized),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
