/* The command with pictures: a network is trained on folders of them, evaluates and predicts what lies in other files,
 * resized as in training; whatever is wrong with a file is one line that names it. */
#include "cauchy_config.h"
#include "command.h"

#include <cauchy.h>

#if CY_HAVE_JPEG
#include <jpeglib.h>
#endif

/* A picture of one colour with some noise. */
static void write_picture(const char *path, int h, int w, int red, int green, int blue) {
  cy_tensor *image;
  int colours[3] = {red, green, blue};
  assert_int_equal(cy_tensor_create(CY_U8, CY_SHAPE(3, h, w), &image), CY_OK);
  for (int i = 0; i < 3 * h * w; i++) cy_tensor_u8(image)[i] = (uint8_t)(colours[i / (h * w)] + i * 7919 % 31);
  assert_int_equal(cy_image_write(image, path), CY_OK);
  cy_tensor_free(image);
}

/* train/red, train/blue, test/...: pictures of many sizes. */
static void write_set(void) {
  if (!CY_HAVE_PNG) {
    print_message("skipped: this build lacks libpng\n");
    skip();
  }
  static const char *const folders[] = {"pics/train/red", "pics/train/blue", "pics/test/red", "pics/test/blue"};
  char path[128];
  for (int f = 0; f < 4; f++) {
    assert_int_equal(cy_make_folders(folders[f]), CY_OK);
    for (int i = 0; i < (f < 2 ? 12 : 4); i++) {
      snprintf(path, sizeof path, "%s/%d.png", folders[f], i);
      write_picture(path, 12 + 5 * i % 9, 14 + 3 * i % 7, f % 2 ? 40 : 200, 10 * i, f % 2 ? 200 : 40);
    }
  }
}

/* The data directory is the folder too. */
static int set_up(void **state) {
  unsetenv("CAUCHY_DATA");
  return enter_folder(state) == 0 ? setenv("XDG_DATA_HOME", folder, 1) : -1;
}

static double accuracy_of(const char *line) {
  succeed(line);
  const char *at = strstr(last.out, "\"accuracy\":");
  assert_non_null(at);
  return strtod(at + strlen("\"accuracy\":"), NULL);
}

/* Of the first line that begins so. */
static double probability_of(const char *start) {
  const char *line = strstr(last.out, start), *at = line ? strstr(line, "\"probability\":") : NULL;
  assert_non_null(at);
  return strtod(at + strlen("\"probability\":"), NULL);
}

static int count(const char *text, const char *part) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, part)) != NULL; at++) n++;
  return n;
}

static void a_folder_of_pictures_is_learnt(void **state) {
  (void)state;
  write_set();
  succeed("train pics resize=8x10 fit=crop epochs=60 learning_rate=0.01 seed=3 'model=dense(2)' --out run --quiet");
  succeed("info run");
  assert_true(accuracy_of("eval run --json") == 1);
  assert_true(accuracy_of("eval run pics --json --part all") == 1);
  succeed("predict run pics/test --json");
  assert_int_equal(count(last.out, "\n"), 8);
  assert_int_equal(count(last.out, "\"file\":\"pics/test/blue/"), 4);
  assert_int_equal(count(last.out, "\"class\":\"blue\""), 4);
  /* One picture alone, in other company, or from standard input: the same but for the order of sums. */
  double among_all = probability_of("{\"file\":\"pics/test/red/2.png\"");
  succeed("predict run pics/test/red/2.png pics/test/blue/1.png --json");
  assert_float_equal(probability_of("{\"file\":\"pics/test/red/2.png\""), among_all, 1e-4);
  succeed("predict run pics/test/red/2.png --out answer.csv");
  read_back("answer.csv", last.out);
  assert_int_equal(strncmp(last.out, "file,class,probability,blue,red\npics/test/red/2.png,red,", 56), 0);
  run_with_input("predict run - --json", "pics/test/red/2.png");
  assert_int_equal(last.exit_code, 0);
  assert_float_equal(probability_of("{\"row\":1,\"class\":\"red\""), among_all, 1e-4);
  /* A training that is taken up again reads the pictures alike. */
  succeed("train --resume run epochs=61 --out again --quiet");
  assert_true(accuracy_of("eval again --json") == 1);
  read_back("again/recipe.yaml", last.out);
  assert_non_null(strstr(last.out, "resize: 8x10\nfit: crop\n"));
}

static void gray_models_take_colours_and_the_other_way(void **state) {
  (void)state;
  write_set();
  succeed("train pics resize=9 channels=gray epochs=1 'model=dense(2)' --out gray --quiet");
  succeed("predict gray pics/test/red/2.png");
  assert_int_equal(strncmp(last.out, "file                 class  probability\npics/test/red/2.png  ", 60), 0);
  read_back("gray/recipe.yaml", last.out);
  assert_non_null(strstr(last.out, "resize: 9\nchannels: gray\n"));
  succeed("train digits channels=rgb resize=12 epochs=1 --out digits --quiet");
  succeed("eval digits");
  refuse("predict digits pics/test/red/2.png pics/none.png", "pics/none.png: cannot open");
}

static void write_cifar(const char *path, int records, int cut) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  for (int i = 0; i < records * 3073 - cut; i++) fputc(i % 3073 ? i % 251 : i / 3073 % 10, file);
  fclose(file);
}

static void halve(const char *path) {
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(truncate(path, info.st_size / 2), 0);
}

#if CY_HAVE_JPEG
static void write_jpeg(const char *path, int h, int w) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_stdio_dest(&info, file);
  info.image_width = (JDIMENSION)w;
  info.image_height = (JDIMENSION)h;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < h; y++) {
    unsigned char line[3 * 256], *row = line;
    for (int x = 0; x < 3 * w; x++) line[x] = (unsigned char)(x * y * 31);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  fclose(file);
}
#endif

static void mistakes_name_the_file(void **state) {
  (void)state;
  write_set();
  refuse("data info pics",
         "pics/train/blue/1.png: is 17x17 (height x width), but pics/train/blue/0.png is 12x14; resize: HxW");
  refuse("train pics", "pics/train/blue/0.png is 12x14; resize: HxW brings all to one size");
  refuse("train pics resize=0", "resize is a size in pixels, such as 64 or 48x64 (height x width), not \"0\"");
  refuse("train pics resize=8x", "not \"8x\"");
  refuse("train pics resize=8 fit=crp", "fit is one of stretch, crop, not \"crp\"");
  refuse("train iris resize=8", "iris: holds samples of f32 4, not images");
  succeed("train digits epochs=1 --out run --quiet");
  refuse("predict run pics/test/red/2.png",
         "pics/test/red/2.png: is 13x20 (height x width), but the model takes 8x8; --fit stretch or --fit crop");
  succeed("predict run pics/test/red/2.png --fit crop");
  refuse("predict run pics/test/red/2.png --fit cropp",
         "--fit is stretch or crop, not \"cropp\"; did you mean \"crop\"?");
  refuse("predict run pics/test/red/2.png run/recipe.yaml", "run/recipe.yaml: is no picture");
  assert_int_equal(mkdir("none", 0700), 0);
  refuse("predict run none", "none: holds no pictures (.png, .jpg, .jpeg)");
  refuse("train none", "no folders of pictures by class (cat/1.png)");
  succeed("train iris epochs=1 --out flowers --quiet");
  refuse("predict flowers pics/test/red/2.png", "the model takes samples of 4, not pictures");
  halve("pics/test/red/2.png");
  refuse("predict run pics/test/red/2.png --fit crop", "pics/test/red/2.png: cannot read the PNG: it ends early");
  refuse("train pics resize=8", "pics/test/red/2.png: cannot read the PNG: it ends early");
#if CY_HAVE_JPEG
  write_jpeg("whole.jpg", 100, 120);
  succeed("predict run whole.jpg --fit stretch");
  halve("whole.jpg");
  refuse("predict run whole.jpg --fit stretch", "whole.jpg: cannot read the JPEG: it ends early");
  assert_int_equal(cy_make_folders("photos/a"), CY_OK);
  assert_int_equal(rename("whole.jpg", "photos/a/1.jpg"), 0);
  refuse("data info photos", "photos/a/1.jpg: cannot read the JPEG: it ends early");
#endif
}

static void cifar_is_shown(void **state) {
  (void)state;
  assert_int_equal(cy_make_folders("cifar10"), CY_OK); /* the data directory is here */
  assert_int_equal(cy_make_folders("cauchy"), CY_OK);
  write_cifar("cifar10/data_batch_1.bin", 30, 0);
  write_cifar("cifar10/test_batch.bin", 10, 0);
  assert_int_equal(rename("cifar10", "cauchy/cifar10"), 0);
  succeed("data info cifar10");
  assert_non_null(strstr(last.out, "samples  40 of 3x32x32, of which the last 10 are the test part\n"));
  assert_non_null(strstr(last.out, "classes  10: 0 (4), 1 (4)"));
  succeed("data list");
  assert_non_null(strstr(last.out, "cifar10         here"));
  assert_non_null(strstr(last.out, "cifar100        to fetch"));
#if CY_HAVE_CAIRO
  succeed("data info cifar10 --picture grid.png");
  assert_int_equal(access("grid.png", R_OK), 0);
  refuse("data info cifar100 --picture grid.png", "cauchy data get cifar100");
  refuse("data info iris --picture grid.png", "iris holds no images");
  refuse("data info cifar10 --picture grid.jpg", "must end in .png or .svg");
#endif
  succeed("train cifar10 resize=8 epochs=1 'model=dense(10)' --out run --quiet");
  succeed("eval run");
  write_cifar("cauchy/cifar10/data_batch_1.bin", 30, 1);
  refuse("eval run", "cifar10/data_batch_1.bin: holds 92189 bytes, which are not whole records of 1 + 3072: 29 records "
                     "are 89117 bytes, and 3072 are left");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_folder_of_pictures_is_learnt, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(gray_models_take_colours_and_the_other_way, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(mistakes_name_the_file, set_up, leave_folder),
      cmocka_unit_test_setup_teardown(cifar_is_shown, set_up, leave_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
