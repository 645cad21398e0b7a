/* Batches of images: what augmentation does to pixels, that it depends on seed, epoch and sample alone, resizing by its
 * definition, and trainings that use both, stopped and resumed. */
#include "expect.h"
#include "folder.h"

#include <cauchy/io.h>
#include <cauchy/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- images whose pixels say where they are ---- */

enum { SAMPLES = 40, CHANNELS = 2, HEIGHT = 7, WIDTH = 9, PIXELS = CHANNELS * HEIGHT * WIDTH };

static int pixel(int64_t sample, int64_t c, int64_t y, int64_t x) {
  return (int)((sample * 37 + c * 101 + y * WIDTH + x) % 250) + 1; /* never 0, which is what padding is */
}

static cy_dataset *make_images(cy_dtype dtype) {
  cy_tensor *x, *y;
  cy_dataset *d;
  OK(cy_tensor_create(dtype, CY_SHAPE(SAMPLES, CHANNELS, HEIGHT, WIDTH), &x));
  OK(cy_tensor_create(CY_I32, CY_SHAPE(SAMPLES), &y));
  for (int64_t i = 0, at = 0; i < SAMPLES; i++) {
    cy_tensor_set(y, i, (double)(i % 2));
    for (int64_t c = 0; c < CHANNELS; c++)
      for (int64_t r = 0; r < HEIGHT; r++)
        for (int64_t k = 0; k < WIDTH; k++) cy_tensor_set(x, at++, pixel(i, c, r, k));
  }
  OK(cy_dataset_from_tensors("places", x, y, 2, 0, &d));
  cy_tensor_free(x);
  cy_tensor_free(y);
  return d;
}

static cy_loader *make_loader(const cy_dataset *d, cy_augmentation augment, uint64_t seed, int threads) {
  cy_loader *loader;
  OK(cy_loader_create(d, (cy_loader_options){.augment = augment, .seed = seed, .threads = threads}, &loader));
  return loader;
}

/* All samples of one epoch, in order, at the given size. */
static cy_tensor *load(cy_loader *loader, int64_t epoch, int64_t h, int64_t w) {
  int64_t indices[SAMPLES];
  cy_tensor *x, *y;
  for (int64_t i = 0; i < SAMPLES; i++) indices[i] = i;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(SAMPLES, CHANNELS, h, w), &x));
  OK(cy_tensor_create(CY_I64, CY_SHAPE(SAMPLES), &y));
  OK(cy_loader_batch(loader, epoch, indices, SAMPLES, x, y));
  for (int64_t i = 0; i < SAMPLES; i++) assert_int_equal(cy_tensor_i64(y)[i], i % 2);
  cy_tensor_free(y);
  return x;
}

static cy_tensor *load_once(const cy_dataset *d, cy_augmentation augment, uint64_t seed, int64_t epoch, int threads) {
  cy_loader *loader = make_loader(d, augment, seed, threads);
  cy_tensor *x = load(loader, epoch, HEIGHT, WIDTH);
  cy_loader_free(loader);
  return x;
}

static void assert_same(const cy_tensor *a, const cy_tensor *b) {
  assert_int_equal(cy_tensor_bytes(a), cy_tensor_bytes(b));
  assert_memory_equal(cy_tensor_data(a), cy_tensor_data(b), cy_tensor_bytes(a));
}

static bool differ(const cy_tensor *a, const cy_tensor *b) {
  return memcmp(cy_tensor_data(a), cy_tensor_data(b), cy_tensor_bytes(a)) != 0;
}

/* The stored coordinate that shows at i, or -1 for black. */
static int64_t source(int64_t i, int64_t n, cy_fill fill) {
  if (i >= 0 && i < n) return i;
  if (fill == CY_FILL_ZERO) return -1;
  if (fill == CY_FILL_EDGE) return i < 0 ? 0 : n - 1;
  return i < 0 ? -i : 2 * n - 2 - i;
}

/* Whether sample i of x is the stored one, moved by (down, right) and then perhaps mirrored: the definition. */
static bool shows(const cy_tensor *x, cy_dtype dtype, int64_t i, int64_t down, int64_t right, bool flip, cy_fill fill) {
  for (int64_t c = 0; c < CHANNELS; c++)
    for (int64_t r = 0; r < HEIGHT; r++)
      for (int64_t k = 0; k < WIDTH; k++) {
        int64_t y = source(r + down, HEIGHT, fill), column = source((flip ? WIDTH - 1 - k : k) + right, WIDTH, fill);
        float raw = y < 0 || column < 0 ? 0 : (float)pixel(i, c, y, column);
        float expected = dtype == CY_U8 ? raw * (1 / 255.0f) : raw;
        if (cy_tensor_f32(x)[((i * CHANNELS + c) * HEIGHT + r) * WIDTH + k] != expected) return false;
      }
  return true;
}

/* How often each move was found; every sample must be one of them. */
static void count_moves(const cy_tensor *x, cy_dtype dtype, int64_t most, bool flips, cy_fill fill, int *counts,
                        int *flipped) {
  for (int64_t i = 0; i < SAMPLES; i++) {
    bool found = false;
    for (int64_t down = -most; down <= most && !found; down++)
      for (int64_t right = -most; right <= most && !found; right++)
        for (int flip = 0; flip <= flips && !found; flip++)
          if (shows(x, dtype, i, down, right, flip, fill)) {
            found = true;
            counts[(down + most) * (2 * most + 1) + right + most]++;
            *flipped += flip;
          }
    if (!found) fail_msg("sample %d is no move of the stored image", (int)i);
  }
}

static void crops_show_the_image_moved_and_filled(void **unused) {
  (void)unused;
  const cy_dtype dtypes[] = {CY_U8, CY_F32};
  for (int t = 0; t < 2; t++)
    for (cy_fill fill = CY_FILL_ZERO; fill <= CY_FILL_EDGE; fill++) {
      cy_dataset *d = make_images(dtypes[t]);
      cy_loader *loader = make_loader(d, (cy_augmentation){.flip = true, .crop = 2, .fill = fill}, 7, 2);
      int counts[25] = {0}, flipped = 0;
      for (int64_t epoch = 0; epoch < 10; epoch++) {
        cy_tensor *x = load(loader, epoch, HEIGHT, WIDTH);
        count_moves(x, dtypes[t], 2, true, fill, counts, &flipped);
        cy_tensor_free(x);
      }
      /* 400 draws of 25 moves: 16 of each expected, standard deviation 4; half are mirrored, deviation 10. */
      for (int i = 0; i < 25; i++) assert_in_range(counts[i], 1, 36);
      assert_in_range(flipped, 150, 250);
      cy_loader_free(loader);
      cy_dataset_free(d);
    }
}

static void crop_and_shift_add_up(void **unused) {
  (void)unused;
  cy_dataset *d = make_images(CY_U8);
  cy_tensor *x = load_once(d, (cy_augmentation){.crop = 2, .shift = 1, .fill = CY_FILL_EDGE}, 3, 0, 1);
  int counts[49] = {0}, flipped = 0;
  count_moves(x, CY_U8, 3, false, CY_FILL_EDGE, counts, &flipped);
  assert_int_equal(flipped, 0);
  cy_tensor_free(x);
  cy_dataset_free(d);
}

static void mirrored_twice_is_as_before(void **unused) {
  (void)unused;
  cy_dataset *d = make_images(CY_U8);
  cy_tensor *plain = load_once(d, (cy_augmentation){0}, 0, 0, 1);
  cy_tensor *flipped = load_once(d, (cy_augmentation){.flip = true}, 0, 0, 1);
  int changed = 0;
  for (int64_t row = 0; row < SAMPLES * CHANNELS * HEIGHT; row++) {
    const float *a = cy_tensor_f32(plain) + row * WIDTH, *b = cy_tensor_f32(flipped) + row * WIDTH;
    float again[WIDTH];
    for (int k = 0; k < WIDTH; k++) again[k] = b[WIDTH - 1 - k];
    bool same = memcmp(a, b, sizeof again) == 0;
    changed += !same;
    if (!same) assert_memory_equal(a, again, sizeof again);
  }
  assert_in_range(changed, SAMPLES * CHANNELS * HEIGHT / 5, SAMPLES * CHANNELS * HEIGHT * 4 / 5);
  cy_tensor_free(plain);
  cy_tensor_free(flipped);
  cy_dataset_free(d);
}

/* ---- what draws depend on ---- */

static void draws_depend_on_seed_epoch_and_sample_alone(void **unused) {
  (void)unused;
  cy_dataset *d = make_images(CY_U8);
  cy_augmentation all = {.flip = true, .crop = 3, .fill = CY_FILL_REFLECT};
  cy_tensor *x = load_once(d, all, 5, 4, 1), *again = load_once(d, all, 5, 4, 2);
  assert_same(x, again);
  cy_tensor_free(again);
  for (int other = 0; other < 2; other++) { /* another epoch, another seed */
    again = load_once(d, all, other ? 6 : 5, other ? 4 : 5, 1);
    assert_true(differ(x, again));
    cy_tensor_free(again);
  }
  /* In another order, a few at a time. */
  cy_loader *loader = make_loader(d, all, 5, 1);
  cy_tensor *few;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(3, CHANNELS, HEIGHT, WIDTH), &few));
  const int64_t some[] = {31, 0, 17};
  OK(cy_loader_batch(loader, 4, some, 3, few, NULL));
  for (int i = 0; i < 3; i++)
    assert_memory_equal(cy_tensor_f32(few) + i * PIXELS, cy_tensor_f32(x) + some[i] * PIXELS, PIXELS * sizeof(float));
  cy_tensor_free(few);
  cy_loader_free(loader);
  cy_tensor_free(x);
  cy_dataset_free(d);
}

static void evaluation_sees_the_images_as_they_are(void **unused) {
  (void)unused;
  cy_dataset *d = make_images(CY_U8);
  cy_tensor *x = load_once(d, (cy_augmentation){.flip = true, .crop = 3}, 5, -1, 1);
  for (int64_t i = 0; i < SAMPLES; i++) assert_true(shows(x, CY_U8, i, 0, 0, false, CY_FILL_ZERO));
  cy_tensor_free(x);
  cy_dataset_free(d);
}

static void what_cannot_be_augmented_is_named(void **unused) {
  (void)unused;
  cy_dataset *d = make_images(CY_U8), *iris;
  cy_loader *loader;
  FAILS(cy_loader_create(d, (cy_loader_options){.augment = {.crop = 7}}, &loader), CY_INVALID, "2x7x9");
  FAILS(cy_loader_create(d, (cy_loader_options){.augment = {.crop = 4, .shift = 3}}, &loader), CY_INVALID,
        "crop 4 + shift 3");
  FAILS(cy_loader_create(d, (cy_loader_options){.augment = {.shift = -1}}, &loader), CY_INVALID, "shift -1");
  assert_null(loader);
  OK(cy_dataset_open("iris", (cy_dataset_options){0}, &iris));
  FAILS(cy_loader_create(iris, (cy_loader_options){.augment = {.flip = true}}, &loader), CY_INVALID,
        "samples of \"iris\" are 4");
  OK(cy_loader_create(iris, (cy_loader_options){0}, &loader)); /* tables are loaded, too */
  cy_tensor *x, *wrong;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(2, 4), &x));
  OK(cy_tensor_create(CY_F32, CY_SHAPE(2, 5), &wrong));
  const int64_t two[] = {0, 149}, none[] = {0, 150};
  OK(cy_loader_batch(loader, 0, two, 2, x, NULL));
  assert_true(fabsf(cy_tensor_f32(x)[0] - 5.1f) < 1e-6f);
  FAILS(cy_loader_batch(loader, 0, two, 2, wrong, NULL), CY_INVALID, "2x5");
  FAILS(cy_loader_batch(loader, 0, none, 2, x, NULL), CY_INVALID, "150");
  cy_tensor_free(x);
  cy_tensor_free(wrong);
  cy_loader_free(loader);
  cy_dataset_free(iris);
  cy_dataset_free(d);
}

/* ---- resizing ---- */

/* The definition: a triangle around the centre, as wide as a pixel of the coarser of the two images. */
static double resized_at(const double *line, int64_t in, int64_t out, int64_t i) {
  double scale = (double)in / (double)out, width = scale > 1 ? scale : 1, centre = ((double)i + 0.5) * scale;
  double sum = 0, weights = 0;
  for (int64_t k = 0; k < in; k++) {
    double w = 1 - fabs((double)k + 0.5 - centre) / width;
    if (w <= 0) continue;
    sum += w * line[k];
    weights += w;
  }
  return sum / weights;
}

static void resizing_is_what_it_says(void **unused) {
  (void)unused;
  const int64_t sizes[][2] = {{7, 9}, {14, 18}, {5, 4}, {1, 1}, {8, 3}, {13, 64}, {3, 9}, {2, 31}};
  cy_tensor *image, *resized;
  OK(cy_tensor_create(CY_U8, CY_SHAPE(1, HEIGHT, WIDTH), &image));
  for (int64_t i = 0; i < HEIGHT * WIDTH; i++) cy_tensor_u8(image)[i] = (uint8_t)(i * 41 % 256);
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    int64_t h = sizes[s][0], w = sizes[s][1];
    OK(cy_images_resize(image, h, w, &resized));
    for (int64_t y = 0; y < h; y++)
      for (int64_t x = 0; x < w; x++) {
        double column[HEIGHT];
        for (int64_t r = 0; r < HEIGHT; r++) {
          double row[WIDTH];
          for (int64_t k = 0; k < WIDTH; k++) row[k] = cy_tensor_at(image, r * WIDTH + k);
          column[r] = resized_at(row, WIDTH, w, x);
        }
        assert_true(fabs(cy_tensor_at(resized, y * w + x) - resized_at(column, HEIGHT, h, y)) < 1e-4);
      }
    cy_tensor_free(resized);
  }
  FAILS(cy_images_resize(image, 0, 4, &resized), CY_INVALID, "0");
  cy_tensor_free(image);
}

static void batches_come_in_the_size_that_is_asked_for(void **unused) {
  (void)unused;
  cy_dataset *d = make_images(CY_U8);
  cy_augmentation all = {.flip = true, .crop = 2, .fill = CY_FILL_REFLECT};
  for (int threads = 1; threads <= 2; threads++) {
    cy_loader *loader = make_loader(d, all, 9, threads);
    const int64_t sizes[][2] = {{14, 11}, {7, 9}, {5, 30}, {14, 11}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      cy_tensor *stored = load(loader, 3, HEIGHT, WIDTH), *expected;
      cy_tensor *x = load(loader, 3, sizes[s][0], sizes[s][1]);
      OK(cy_images_resize(stored, sizes[s][0], sizes[s][1], &expected)); /* augmented first, then resized */
      for (int64_t i = 0; i < cy_tensor_count(x); i++)
        assert_true(fabsf(cy_tensor_f32(x)[i] - cy_tensor_f32(expected)[i]) < 1e-6f);
      cy_tensor_free(expected);
      cy_tensor_free(stored);
      cy_tensor_free(x);
    }
    cy_loader_free(loader);
  }
  cy_dataset_free(d);
}

/* ---- the scaling per channel ---- */

static void images_are_standardised_per_channel(void **unused) {
  (void)unused;
  cy_dataset *d = make_images(CY_U8), *same = make_images(CY_F32);
  int64_t all[SAMPLES];
  for (int64_t i = 0; i < SAMPLES; i++) all[i] = i;
  OK(cy_dataset_scale(d, CY_SCALE_STANDARDISE, all, SAMPLES));
  OK(cy_dataset_scale(same, CY_SCALE_STANDARDISE, all, SAMPLES));
  cy_scaling a = cy_dataset_scaling(d), b = cy_dataset_scaling(same);
  assert_int_equal(a.channels, CHANNELS);
  for (int c = 0; c < CHANNELS; c++) { /* counted as bytes, summed as numbers */
    assert_true(fabsf(a.offset[c] - b.offset[c]) < 1e-4f * b.offset[c]);
    assert_true(fabsf(a.factor[c] - b.factor[c]) < 1e-5f * b.factor[c]);
  }
  cy_tensor *x = load_once(d, (cy_augmentation){0}, 0, 0, 1);
  for (int64_t c = 0; c < CHANNELS; c++) {
    double sum = 0, squares = 0, n = SAMPLES * HEIGHT * WIDTH;
    for (int64_t i = 0; i < SAMPLES; i++)
      for (int64_t k = 0; k < HEIGHT * WIDTH; k++) {
        double v = (double)cy_tensor_f32(x)[(i * CHANNELS + c) * HEIGHT * WIDTH + k];
        sum += v / n;
        squares += v * v / n;
      }
    assert_true(fabs(sum) < 1e-5 && fabs(squares - 1) < 1e-5);
  }
  cy_tensor_free(x);
  cy_dataset_free(d);
  cy_dataset_free(same);
}

/* ---- the corner task ---- */

static void corners_are_balanced_and_hide_nothing_elsewhere(void **unused) {
  (void)unused;
  cy_dataset *d, *again;
  OK(cy_dataset_open("corners-6x9", (cy_dataset_options){0}, &d));
  OK(cy_dataset_open("corners-6x9", (cy_dataset_options){0}, &again));
  assert_same(cy_dataset_inputs(d), cy_dataset_inputs(again));
  cy_shape s = cy_dataset_sample_shape(d);
  assert_true(s.rank == 3 && s.dim[0] == 1 && s.dim[1] == 6 && s.dim[2] == 9);
  int64_t cases[16] = {0}, n = cy_dataset_count(d), train = n - cy_dataset_test_count(d);
  for (int64_t i = 0; i < n; i++) {
    const uint8_t *p = cy_tensor_u8(cy_dataset_inputs(d)) + i * 54;
    int which = (p[0] > 127) + 2 * (p[8] > 127) + 4 * (p[45] > 127) + 8 * (p[53] > 127);
    cases[which] += i < train;
    assert_int_equal(cy_dataset_label(d, i), p[0] == p[53]);
    assert_true(p[0] == 0 || p[0] == 255);
  }
  for (int c = 0; c < 16; c++) assert_int_equal(cases[c], train / 16);
  assert_string_equal(cy_dataset_class_name(d, 1), "same");
  cy_dataset_free(d);
  cy_dataset_free(again);
  OK(cy_dataset_open("corners", (cy_dataset_options){0}, &d));
  assert_int_equal(cy_dataset_sample_shape(d).dim[1], 7);
  cy_dataset_free(d);
  FAILS(cy_dataset_open("corners-1", (cy_dataset_options){0}, &d), CY_INVALID, "2 to 128");
  FAILS(cy_dataset_open("corners-7x", (cy_dataset_options){0}, &d), CY_INVALID, "corners-7x");
  FAILS(cy_dataset_open("corners-99999999999999999999", (cy_dataset_options){0}, &d), CY_INVALID, "2 to 128");
}

/* ---- training ---- */

static const char small_net[] =
    "conv(6, 3) -> batch_norm -> relu -> conv(8, 3) -> relu -> global_avg_pool -> dense(10)";

static cy_trainer_options usual(void) {
  return (cy_trainer_options){.epochs = 2, .batch_size = 100, .seed = 5, .learning_rate = 0.01,
                              .augment = {.flip = true, .crop = 1, .fill = CY_FILL_EDGE},
                              .sizes = {{8, 8}, {10, 9}, {7, 7}}};
}

static cy_trainer *trainer_of(const char *text, cy_dataset *d, cy_trainer_options options) {
  cy_model *model;
  cy_trainer *trainer;
  OK(cy_model_parse(text, "test", &model));
  OK(cy_trainer_create(model, d, options, &trainer));
  cy_model_free(model);
  return trainer;
}

static bool stop_at(const cy_progress *progress, void *user) {
  return progress->phase != CY_PHASE_TRAIN || progress->total_steps != *(const int64_t *)user;
}

static void assert_same_state(cy_trainer *a, cy_trainer *b) {
  cy_state *x = cy_trainer_state(a), *y = cy_trainer_state(b);
  assert_int_equal(cy_state_count(x), cy_state_count(y));
  for (int i = 0; i < cy_state_count(x); i++) assert_same(cy_state_tensor(x, i), cy_state_tensor(y, i));
}

static void resuming_gives_the_same_bits(void **unused) {
  (void)unused;
  cy_dataset *d;
  char path[128];
  snprintf(path, sizeof path, "%s/stopped", folder);
  OK(cy_dataset_open("digits", (cy_dataset_options){0}, &d));
  cy_trainer *whole = trainer_of(small_net, d, usual());
  OK(cy_trainer_run(whole));
  for (int64_t stop = 1; stop < cy_trainer_steps(whole); stop += 7) {
    cy_trainer_options o = usual();
    o.on_progress = stop_at;
    o.user = &stop;
    cy_trainer *part = trainer_of(small_net, d, o), *rest;
    assert_int_equal(cy_trainer_run(part), CY_CANCELLED);
    assert_int_equal(cy_trainer_steps(part), stop);
    OK(cy_trainer_save(part, path));
    cy_trainer_free(part);
    OK(cy_trainer_resume(path, d, (cy_trainer_options){0}, &rest));
    OK(cy_trainer_run(rest));
    assert_same_state(whole, rest);
    cy_trainer_free(rest);
  }
  /* Without augmentation the bits are others. */
  cy_trainer_options plain = usual();
  plain.augment = (cy_augmentation){0};
  cy_trainer *other = trainer_of(small_net, d, plain);
  OK(cy_trainer_run(other));
  assert_true(cy_trainer_history(other, 0).loss != cy_trainer_history(whole, 0).loss);
  cy_trainer_free(other);
  cy_trainer_free(whole);
  cy_dataset_free(d);
}

static double accuracy_of(cy_trained *t, cy_dataset *d, cy_image_size size) {
  cy_metrics m;
  OK(cy_trained_evaluate_at(t, d, NULL, 0, size, &m));
  double accuracy = m.accuracy;
  cy_metrics_clear(&m);
  return accuracy;
}

/* Shares of the test part's images, predicted one by one in another size, that the table by size counts. */
static void one_model_takes_images_of_many_sizes(void **unused) {
  (void)unused;
  cy_dataset *d;
  cy_trained *t;
  char path[128];
  snprintf(path, sizeof path, "%s/sizes", folder);
  OK(cy_dataset_open("digits", (cy_dataset_options){0}, &d));
  cy_trainer_options o = usual();
  o.epochs = 10;
  o.batch_size = 32;
  o.augment = (cy_augmentation){0};
  for (int i = 0; i < 3; i++) o.sizes[i] = (cy_image_size){8 + 2 * i, 8 + 2 * i};
  cy_trainer *trainer = trainer_of("conv(8, 3) -> relu -> conv(8, 3) -> relu -> global_avg_pool -> dense(10)", d, o);
  OK(cy_trainer_run(trainer));
  OK(cy_trainer_save(trainer, path));
  cy_metrics whole, at;
  OK(cy_trainer_evaluate(trainer, CY_PART_TEST, &whole));
  OK(cy_trainer_evaluate_at(trainer, CY_PART_TEST, (cy_image_size){8, 8}, &at));
  assert_true(at.accuracy > 0.6 && whole.accuracy > 0.6);
  cy_metrics_clear(&whole);
  cy_metrics_clear(&at);
  cy_trainer_free(trainer);
  OK(cy_trained_load(path, 0, NULL, &t));
  for (int64_t side = 9; side <= 11; side++) { /* 9 and 11 were never seen */
    double accuracy = accuracy_of(t, d, (cy_image_size){side, side});
    cy_tensor *resized, *outputs, *labels;
    OK(cy_images_resize(cy_dataset_inputs(d), side, side, &resized));
    OK(cy_trained_predict(t, resized, &outputs, &labels));
    int64_t right = 0, n = cy_dataset_count(d);
    for (int64_t i = 0; i < n; i++) right += cy_tensor_i64(labels)[i] == cy_dataset_label(d, i);
    assert_true(fabs(accuracy - (double)right / (double)n) < 0.005);
    assert_true(accuracy > 0.6);
    cy_tensor_free(resized);
    cy_tensor_free(outputs);
    cy_tensor_free(labels);
  }
  cy_metrics m;
  FAILS(cy_trained_evaluate_at(t, d, NULL, 0, (cy_image_size){4, 6}, &m), CY_INVALID, "5x5");
  FAILS(cy_trained_evaluate_at(t, d, NULL, 0, (cy_image_size){2, 2}, &m), CY_INVALID, "conv1");
  cy_trained_free(t);
  cy_dataset_free(d);
}

/* With one entry of sizes a model has that size, whatever it is given. */
static void a_model_of_one_size_has_its_images_resized(void **unused) {
  (void)unused;
  cy_dataset *d;
  cy_trained *t;
  cy_tensor *large, *a, *b;
  char path[128];
  snprintf(path, sizeof path, "%s/fixed", folder);
  OK(cy_dataset_open("digits", (cy_dataset_options){0}, &d));
  cy_trainer_options o = usual();
  o.sizes[1] = (cy_image_size){0};
  o.sizes[0] = (cy_image_size){12, 10};
  o.epochs = 1;
  cy_trainer *trainer = trainer_of("conv(4, 3) -> relu -> flatten -> dense(10)", d, o);
  assert_int_equal(cy_trainer_parameter_count(trainer), 4 * 9 + 4 + 4 * 10 * 8 * 10 + 10);
  OK(cy_trainer_run(trainer));
  OK(cy_trainer_save(trainer, path));
  cy_trainer_free(trainer);
  OK(cy_trained_load(path, 0, NULL, &t));
  OK(cy_images_resize(cy_dataset_inputs(d), 12, 10, &large));
  OK(cy_trained_predict(t, cy_dataset_inputs(d), &a, NULL));
  OK(cy_trained_predict(t, large, &b, NULL));
  for (int64_t i = 0; i < cy_tensor_count(a); i++) assert_true(fabs(cy_tensor_at(a, i) - cy_tensor_at(b, i)) < 1e-5);
  cy_metrics m;
  OK(cy_trained_evaluate(t, d, NULL, 0, &m));
  assert_int_equal(m.samples, cy_dataset_count(d));
  cy_metrics_clear(&m);
  FAILS(cy_trained_evaluate_at(t, d, NULL, 0, (cy_image_size){9, 9}, &m), CY_INVALID, "one size only");
  cy_tensor_free(large);
  cy_tensor_free(a);
  cy_tensor_free(b);
  cy_trained_free(t);
  cy_dataset_free(d);
}

static void too_small_images_name_layer_and_minimum(void **unused) {
  (void)unused;
  cy_dataset *d, *iris;
  cy_model *model;
  cy_trainer *t;
  OK(cy_dataset_open("digits", (cy_dataset_options){0}, &d));
  OK(cy_dataset_open("iris", (cy_dataset_options){0}, &iris));
  OK(cy_model_parse("conv(8, 5) -> relu -> conv(8, 5) -> relu -> global_avg_pool -> dense(10)", "test", &model));
  FAILS(cy_trainer_create(model, d, (cy_trainer_options){0}, &t), CY_INVALID, "conv2");
  if (!strstr(cy_error_message(), "9x9")) fail_msg("%s", cy_error_message());
  FAILS(cy_trainer_create(model, d, (cy_trainer_options){.sizes = {{12, 12}, {8, 30}}}, &t), CY_INVALID, "9x9");
  FAILS(cy_trainer_create(model, iris, (cy_trainer_options){.sizes = {{12, 12}}}, &t), CY_INVALID, "sizes");
  FAILS(cy_trainer_create(model, d, (cy_trainer_options){.sizes = {{12, 0}}}, &t), CY_INVALID, "12x0");
  cy_model_free(model);
  cy_dataset_free(d);
  cy_dataset_free(iris);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(crops_show_the_image_moved_and_filled),
      cmocka_unit_test(crop_and_shift_add_up),
      cmocka_unit_test(mirrored_twice_is_as_before),
      cmocka_unit_test(draws_depend_on_seed_epoch_and_sample_alone),
      cmocka_unit_test(evaluation_sees_the_images_as_they_are),
      cmocka_unit_test(what_cannot_be_augmented_is_named),
      cmocka_unit_test(resizing_is_what_it_says),
      cmocka_unit_test(batches_come_in_the_size_that_is_asked_for),
      cmocka_unit_test(images_are_standardised_per_channel),
      cmocka_unit_test(corners_are_balanced_and_hide_nothing_elsewhere),
      cmocka_unit_test(resuming_gives_the_same_bits),
      cmocka_unit_test(one_model_takes_images_of_many_sizes),
      cmocka_unit_test(a_model_of_one_size_has_its_images_resized),
      cmocka_unit_test(too_small_images_name_layer_and_minimum),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
