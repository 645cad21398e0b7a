/* Charts: the files exist and are whole, ticks are round, every odd input is drawn or refused, and nothing is left
 * behind after a failure. */
#include "folder.h"

#include "cauchy_config.h"
#include "io/plot_axis.h"

#include <cauchy/plot.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int files_in_folder(bool remove_them) {
  int n = 0;
  DIR *listing = opendir(folder);
  assert_non_null(listing);
  for (struct dirent *entry; (entry = readdir(listing));) {
    if (entry->d_name[0] == '.') continue;
    n++;
    if (remove_them) assert_int_equal(unlink(file(entry->d_name)), 0);
  }
  closedir(listing);
  return n;
}

static char *content(const char *path, size_t *length) {
  FILE *in = fopen(path, "rb");
  assert_non_null(in);
  char *bytes = calloc(1, 1 << 22);
  assert_non_null(bytes);
  *length = fread(bytes, 1, (1 << 22) - 1, in);
  fclose(in);
  return bytes;
}

static unsigned big_endian(const char *bytes) {
  const unsigned char *b = (const unsigned char *)bytes;
  return (unsigned)b[0] << 24 | (unsigned)b[1] << 16 | (unsigned)b[2] << 8 | b[3];
}

static void assert_png(const char *path, unsigned width, unsigned height) {
  size_t length;
  char *bytes = content(path, &length);
  assert_true(length > 100);
  assert_memory_equal(bytes, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
  if (width) assert_int_equal(big_endian(bytes + 16), width);
  if (height) assert_int_equal(big_endian(bytes + 20), height);
  assert_memory_equal(bytes + length - 8, "IEND\xae\x42\x60\x82", 8);
  free(bytes);
}

/* Elements open and close in pairs. */
static void assert_svg(const char *path) {
  size_t length;
  char *text = content(path, &length);
  int depth = 0, elements = 0;
  assert_memory_equal(text, "<?xml", 5);
  for (const char *c = text; (c = strchr(c, '<')); c++) {
    const char *end = strchr(c, '>');
    assert_non_null(end);
    if (c[1] == '?' || c[1] == '!') continue;
    elements++;
    if (c[1] == '/') depth--;
    else if (end[-1] != '/') depth++;
    assert_true(depth >= 0);
  }
  assert_int_equal(depth, 0);
  assert_true(elements > 10);
  assert_non_null(strstr(text, "</svg>"));
  free(text);
}

#if CY_HAVE_CAIRO

static void test_curves(void **state) {
  (void)state;
  double loss[] = {2.3, 1.1, 0.6, 0.4}, accuracy[] = {0.2, 0.7, 0.9, 0.97};
  cy_plot_series a = {.name = "training", .y = loss, .n = 4}, b = {.name = "training", .y = accuracy, .n = 4};
  cy_plot_panel panels[] = {{.y_label = "loss", .series = &a, .n_series = 1},
                            {.y_label = "accuracy", .series = &b, .n_series = 1, .percent = true}};
  cy_plot_options options = {.title = "digits", .x_label = "epoch", .width = 640, .height = 480};
  assert_int_equal(cy_plot_lines(panels, 2, options, file("a.png"), file("a.svg")), CY_OK);
  assert_png(file("a.png"), 1280, 960);
  assert_svg(file("a.svg"));
  assert_int_equal(files_in_folder(true), 2);
}

static void test_odd_curves(void **state) {
  (void)state;
  enum { N = 10000 };
  static double y[N], huge[] = {1e308, -1e308, 1e300, -1e300, 1e-300}, same[] = {7, 7, 7}, all_nan[] = {NAN, NAN},
                      negative[] = {-1, 0};
  static double near_one[] = {1, 1 + 0x1p-52};
  for (int i = 0; i < N; i++) y[i] = i % 100 ? sin(i * 0.01) : NAN;
  cy_plot_series series[] = {{.name = "", .y = y, .n = N},
                             {.y = huge, .n = 5},
                             {.name = "same", .y = same, .n = 3},
                             {.name = "not\xff\x01utf-8 ", .y = same, .n = 1},
                             {.name = "nan", .y = all_nan, .n = 2},
                             {.name = "negative", .y = negative, .n = 2},
                             {.name = "near", .y = near_one, .n = 2},
                             {.name = "none"}};
  for (int i = 0; i < 8; i++) {
    for (int kind = 0; kind < 3; kind++) {
      cy_plot_panel panel = {.series = &series[i], .n_series = 1, .log_y = kind == 1, .percent = kind == 2};
      assert_int_equal(cy_plot_lines(&panel, 1, (cy_plot_options){0}, file("odd.png"), NULL), CY_OK);
      assert_png(file("odd.png"), 1600, 0);
    }
  }
  cy_plot_panel panel = {.series = series, .n_series = 8};
  assert_int_equal(cy_plot_lines(&panel, 1, (cy_plot_options){0}, NULL, file("odd.svg")), CY_OK);
  assert_svg(file("odd.svg"));
  assert_int_equal(files_in_folder(true), 2);
}

static void test_confusion(void **state) {
  (void)state;
  const int sizes[] = {1, 2, 10, 100, 300};
  const char *names[] = {"a long name of a class that cannot fit beside the matrix", NULL};
  for (int s = 0; s < 5; s++) {
    int n = sizes[s];
    int64_t *counts = calloc((size_t)(n * n), sizeof *counts);
    assert_non_null(counts);
    for (int i = 0; i < n * n; i++) counts[i] = i % (n + 1) ? i % 3 : 12345;
    const char *const *of = n == 2 ? names : NULL;
    assert_int_equal(
        cy_plot_confusion(counts, n, of, (cy_plot_options){.title = "t"}, file("m.png"), file("m.svg")), CY_OK);
    assert_png(file("m.png"), 0, 0);
    if (n <= 10) assert_svg(file("m.svg"));
    free(counts);
  }
  int64_t empty[4] = {0}, wrong[1] = {-1};
  assert_int_equal(cy_plot_confusion(empty, 2, NULL, (cy_plot_options){0}, file("m.png"), NULL), CY_OK);
  assert_int_equal(cy_plot_confusion(wrong, 1, NULL, (cy_plot_options){0}, file("m.png"), NULL), CY_INVALID);
  assert_int_equal(cy_plot_confusion(empty, 0, NULL, (cy_plot_options){0}, file("m.png"), NULL), CY_INVALID);
  files_in_folder(true);
}

static void test_images(void **state) {
  (void)state;
  cy_tensor *grey, *color, *floats;
  assert_int_equal(cy_tensor_create(CY_U8, CY_SHAPE(7, 8, 8), &grey), CY_OK);
  assert_int_equal(cy_tensor_create(CY_U8, CY_SHAPE(2, 3, 5, 9), &color), CY_OK);
  assert_int_equal(cy_tensor_create(CY_F32, CY_SHAPE(2, 8, 8), &floats), CY_OK);
  const char *captions[7] = {"0", NULL, "two"};
  assert_int_equal(
      cy_plot_images(grey, captions, 0, (cy_plot_options){.title = "t"}, file("g.png"), file("g.svg")), CY_OK);
  assert_svg(file("g.svg"));
  assert_int_equal(cy_plot_images(color, NULL, 1, (cy_plot_options){0}, file("c.png"), NULL), CY_OK);
  assert_png(file("c.png"), 0, 0);
  assert_int_equal(cy_plot_images(floats, NULL, 1, (cy_plot_options){0}, file("f.png"), NULL), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "f32 2x8x8"));
  cy_tensor_free(grey);
  cy_tensor_free(color);
  cy_tensor_free(floats);
  assert_int_equal(files_in_folder(true), 3);
}

/* Any number of classes, points outside and on the edge, certain and tied probabilities. */
static void test_regions(void **state) {
  (void)state;
  enum { GRID = 9, CLASSES = 10 };
  double probabilities[GRID * GRID * CLASSES], points[] = {0, 0, 1, 2, 5, 5, 0.5, 0.7};
  int64_t actual[] = {0, 1, 1, 0}, predicted[] = {1, 1, 0, 0};
  const char *names[CLASSES] = {"a long name of a class", "<&>", NULL};
  for (int classes = 2; classes <= CLASSES; classes += 4) {
    for (int i = 0; i < GRID * GRID; i++)
      for (int k = 0; k < classes; k++)
        probabilities[i * classes + k] = i % 3 == 0 ? 1.0 / classes : k == i % classes ? 0.9 : 0.1 / (classes - 1);
    cy_plot_plane plane = {.labels = {"x", NULL}, .low = {0, -1}, .high = {1, 2}, .classes = classes, .names = names,
                           .columns = GRID, .rows = GRID, .probabilities = probabilities, .points = points,
                           .actual = actual, .predicted = predicted, .n = 4};
    assert_int_equal(cy_plot_regions(&plane, (cy_plot_options){.title = "Regions", .subtitle = "of a plane"},
                                     file("r.png"), file("r.svg")), CY_OK);
    assert_png(file("r.png"), 1440, 1400);
    assert_svg(file("r.svg"));
    plane.n = 0;
    plane.names = NULL;
    assert_int_equal(cy_plot_regions(&plane, (cy_plot_options){.width = 240, .height = 240}, file("r.png"), NULL), CY_OK);
    assert_int_equal(files_in_folder(true), 2);
    plane.classes = 11;
    assert_int_equal(cy_plot_regions(&plane, (cy_plot_options){0}, file("r.png"), NULL), CY_INVALID);
    plane.classes = classes;
    plane.high[0] = 0;
    assert_int_equal(cy_plot_regions(&plane, (cy_plot_options){0}, file("r.png"), NULL), CY_INVALID);
    plane.high[0] = 1;
    plane.columns = 1;
    assert_int_equal(cy_plot_regions(&plane, (cy_plot_options){0}, file("r.png"), NULL), CY_INVALID);
    plane.columns = GRID;
    plane.n = 4;
    actual[3] = classes;
    assert_int_equal(cy_plot_regions(&plane, (cy_plot_options){0}, file("r.png"), NULL), CY_INVALID);
    actual[3] = 0;
  }
  assert_int_equal(files_in_folder(false), 0);
}

static void test_refused(void **state) {
  (void)state;
  double y[] = {1, 2};
  cy_plot_series series = {.y = y, .n = 2}, hollow = {.n = 2};
  cy_plot_panel panel = {.series = &series, .n_series = 1}, bad = {.series = &hollow, .n_series = 1};
  assert_int_equal(cy_plot_lines(&panel, 1, (cy_plot_options){0}, "/no-such-folder/a.png", NULL), CY_IO);
  assert_non_null(strstr(cy_error_message(), "/no-such-folder/a.png"));
  assert_int_equal(cy_plot_lines(&panel, 1, (cy_plot_options){0}, folder, NULL), CY_IO);
  assert_int_equal(cy_plot_lines(&panel, 0, (cy_plot_options){0}, file("a.png"), NULL), CY_INVALID);
  assert_int_equal(cy_plot_lines(&bad, 1, (cy_plot_options){0}, file("a.png"), NULL), CY_INVALID);
  assert_int_equal(cy_plot_lines(&panel, 1, (cy_plot_options){.log_x = true, .no_ends = true}, file("a.png"), NULL), CY_OK);
  assert_int_equal(files_in_folder(true), 1); /* which takes it away */
  cy_plot_series zero = {.x = (const double[]){0, 1}, .y = (const double[]){1, 2}, .n = 2};
  cy_plot_panel no_logarithm = {.series = &zero, .n_series = 1};
  assert_int_equal(cy_plot_lines(&no_logarithm, 1, (cy_plot_options){.log_x = true}, file("a.png"), NULL), CY_INVALID);
  assert_int_equal(cy_plot_lines(&panel, 1, (cy_plot_options){.width = 20}, file("a.png"), NULL), CY_INVALID);
  assert_int_equal(cy_plot_lines(&panel, 1, (cy_plot_options){.width = 100000}, file("a.png"), NULL), CY_INVALID);
  assert_int_equal(files_in_folder(false), 0);
}

/* ---- paths ---- */

static double bowl(void *user, const double *x) {
  const int *variables = user;
  return x[0] * x[0] + (*variables == 2 ? x[1] * x[1] : 0);
}
static double nowhere(void *user, const double *x) {
  (void)user;
  return x[0] > -1e300 ? NAN : 0;
}
static double wild(void *user, const double *x) { return x[0] > 0 ? log(x[0]) / bowl(user, x) : NAN; }
static double flat(void *user, const double *x) { return bowl(user, x) * 0 + 7; }
static double steep(void *user, const double *x) { return bowl(user, x) * 1e305; }

/* Each function with each path, as a curve and by contours: all are drawn, whatever is no number. */
static void test_paths(void **state) {
  (void)state;
  static double (*const functions[])(void *, const double *) = {bowl, nowhere, wild, flat, steep};
  double usual[] = {4, 3, 2, 1, 0.5, -0.25, 0, 0}, far[] = {1, 1, -3, 2, 1e200, -1e200, 1e308, INFINITY};
  double bad[] = {NAN, NAN, 1, 2, INFINITY, 1, 0, 3}, same[] = {5, 5, 5, 5, 5, 5, 5, 5},
         small[] = {1e-300, 0, 0, 1e-300};
  const cy_plot_path paths[] = {{"usual", usual, 4, false}, {"far", far, 4, true}, {NULL, bad, 4, false},
                                {"same", same, 4, false},   {"", small, 2, false}, {"none", NULL, 0, false}};
  for (int variables = 1; variables <= 2; variables++)
    for (int f = 0; f < 5; f++)
      for (int p = 0; p <= 6; p++) {
        cy_plot_function function = {
            .variables = variables, .labels = {"a", NULL}, .value = functions[f], .user = &variables};
        cy_status status =
            cy_plot_paths(&function, p < 6 ? &paths[p] : paths, p < 6 ? 1 : 6,
                          (cy_plot_options){.title = "f", .width = 300, .height = 300}, file("p.png"), NULL);
        if (status != CY_OK) fail_msg("function %d, path %d: %s", f, p, cy_error_message());
        assert_png(file("p.png"), 600, 600);
      }
  int two = 2;
  cy_plot_function function = {.variables = 2, .value = bowl, .user = &two};
  assert_int_equal(cy_plot_paths(&function, paths, 1, (cy_plot_options){0}, NULL, file("p.svg")), CY_OK);
  assert_int_equal(files_in_folder(true), 2);
  assert_int_equal(cy_plot_paths(&function, paths, 0, (cy_plot_options){0}, file("p.png"), NULL), CY_INVALID);
  assert_int_equal(cy_plot_paths(&function, &(cy_plot_path){.n = 2}, 1, (cy_plot_options){0}, file("p.png"), NULL),
                   CY_INVALID);
  assert_int_equal(cy_plot_paths(&function, paths, 1, (cy_plot_options){.width = 20}, file("p.png"), NULL),
                   CY_INVALID);
  function.variables = 3;
  assert_int_equal(cy_plot_paths(&function, paths, 1, (cy_plot_options){0}, file("p.png"), NULL), CY_INVALID);
  assert_int_equal(files_in_folder(false), 0);
}

static void test_axes(void **state) {
  (void)state;
  cy_axis axis = {.low = 0, .high = 1.8};
  cy_axis_ticks(&axis, 4, false);
  assert_int_equal(axis.n_ticks, 4);
  assert_string_equal(axis.tick[3].label, "1.5");
  axis = (cy_axis){.low = 0.5, .high = 1, .percent = true};
  cy_axis_ticks(&axis, 5, false);
  assert_string_equal(axis.tick[0].label, "50 %");
  axis = (cy_axis){.low = 1, .high = 4};
  cy_axis_ticks(&axis, 20, true);
  assert_int_equal(axis.n_ticks, 4);
  axis = (cy_axis){.low = 1e-6, .high = 20, .log = true};
  cy_axis_ticks(&axis, 4, false);
  for (int i = 0; i < axis.n_ticks; i++) assert_true(axis.tick[i].value >= 0.99e-6 && axis.tick[i].value <= 20);
  /* Whatever the range: between 1 and CY_TICK_MAX ascending ticks within it. */
  for (int exponent = -200; exponent <= 200; exponent += 5)
    for (int kind = 0; kind < 3; kind++) {
      double low = pow(10, exponent);
      axis = (cy_axis){.low = low, .high = low * (kind ? 1e6 : 1.001), .log = kind == 1, .percent = kind == 2};
      cy_axis_ticks(&axis, 5, false);
      assert_in_range(axis.n_ticks, 1, CY_TICK_MAX);
      for (int i = 1; i < axis.n_ticks; i++) assert_true(axis.tick[i].value > axis.tick[i - 1].value);
    }
}

#else

static void test_missing(void **state) {
  (void)state;
  int64_t counts[1] = {1};
  assert_int_equal(cy_plot_confusion(counts, 1, NULL, (cy_plot_options){0}, file("m.png"), NULL), CY_UNSUPPORTED);
  assert_non_null(strstr(cy_error_message(), "cairo"));
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
#if CY_HAVE_CAIRO
    cmocka_unit_test(test_curves),
    cmocka_unit_test(test_odd_curves),
    cmocka_unit_test(test_confusion),
    cmocka_unit_test(test_images),
    cmocka_unit_test(test_paths),
    cmocka_unit_test(test_regions),
    cmocka_unit_test(test_refused),
    cmocka_unit_test(test_axes),
#else
    cmocka_unit_test(test_missing),
#endif
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
