/* Data sets: what is read is what the files hold, splits are disjoint and stratified, batches come in an order that
 * seed and epoch alone decide, and downloads continue, check and clean up. */
#include "expect.h"
#include "folder.h"

#include "base/error.h"
#include "cauchy_config.h"
#include "data/checksum.h"
#include "data/dataset.h"
#include "tensor/tensor.h"

#include "http_server.h"

#include <cauchy/data.h>
#include <cauchy/io.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cy_tensor *tensor(cy_dtype dtype, cy_shape shape) {
  cy_tensor *t;
  OK(cy_tensor_create(dtype, shape, &t));
  return t;
}

static cy_dataset *open_spec(const char *spec) {
  cy_dataset *d;
  OK(cy_dataset_open(spec, (cy_dataset_options){0}, &d));
  return d;
}

/* ---- embedded ---- */

static void digits_has_a_fixed_stratified_test_part(void **state) {
  (void)state;
  cy_dataset *d = open_spec("digits");
  int64_t classes[10] = {0}, test_classes[10] = {0};
  assert_int_equal(cy_dataset_count(d), 1797);
  assert_int_equal(cy_dataset_test_count(d), 355);
  assert_int_equal(cy_dataset_classes(d), 10);
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(1, 8, 8)));
  assert_string_equal(cy_dataset_class_name(d, 7), "7");
  assert_null(cy_dataset_class_name(d, 10));
  for (int64_t i = 0; i < 1797; i++) {
    classes[cy_dataset_label(d, i)]++;
    if (i >= 1797 - 355) test_classes[cy_dataset_label(d, i)]++;
  }
  for (int c = 0; c < 10; c++) assert_int_equal(test_classes[c], classes[c] / 5);
  /* Counts and the sum of all pixels as in scikit-learn's table. */
  const int64_t expected[10] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
  assert_memory_equal(classes, expected, sizeof classes);
  int64_t sum = 0;
  for (int64_t i = 0; i < 1797 * 64; i++) sum += cy_tensor_u8(cy_dataset_inputs(d))[i];
  assert_int_equal(sum, 561718);
  /* Pixels reach the network in 0..1. */
  cy_tensor *x = tensor(CY_F32, CY_SHAPE(1797, 64)), *y = tensor(CY_I32, CY_SHAPE(1797));
  int64_t all[1797];
  for (int64_t i = 0; i < 1797; i++) all[i] = i;
  OK(cy_dataset_batch(d, all, 1797, x, y));
  float largest = 0;
  for (int64_t i = 0; i < 1797 * 64; i++) largest = fmaxf(largest, cy_tensor_f32(x)[i]);
  assert_true(largest == 1);
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_dataset_free(d);
}

static void embedded_tables_equal_their_sources(void **state) {
  (void)state;
  cy_dataset *from_file;
  OK(cy_dataset_open(shared("tabular/iris.csv"), (cy_dataset_options){0}, &from_file));
  cy_dataset *iris = open_spec("iris");
  assert_int_equal(cy_dataset_count(from_file), 150);
  const cy_tensor *x = cy_dataset_inputs(iris), *y = cy_dataset_targets(iris);
  assert_memory_equal(cy_tensor_data(x), cy_tensor_data(cy_dataset_inputs(from_file)), 150 * 4 * 4);
  assert_memory_equal(cy_tensor_data(y), cy_tensor_data(cy_dataset_targets(from_file)), 150 * 4);
  for (int c = 0; c < 3; c++)
    assert_string_equal(cy_dataset_class_name(iris, c), cy_dataset_class_name(from_file, c));
  assert_string_equal(cy_dataset_feature_name(iris, 2), "petal length (cm)");
  cy_dataset_free(iris);
  cy_dataset_free(from_file);
  static const char *const tables[2][2] = {{"breast-cancer", "tabular/breast_cancer.csv"}, {"wine", "tabular/wine_data.csv"}};
  for (int t = 0; t < 2; t++) {
    OK(cy_dataset_open(shared(tables[t][1]), (cy_dataset_options){0}, &from_file));
    cy_dataset *embedded = open_spec(tables[t][0]);
    size_t rows = (size_t)cy_dataset_count(from_file), columns = (size_t)cy_dataset_sample_shape(from_file).dim[0];
    assert_int_equal(cy_dataset_count(embedded), rows);
    assert_memory_equal(cy_tensor_data(cy_dataset_inputs(embedded)), cy_tensor_data(cy_dataset_inputs(from_file)),
                        rows * columns * 4);
    assert_memory_equal(cy_tensor_data(cy_dataset_targets(embedded)), cy_tensor_data(cy_dataset_targets(from_file)), rows * 4);
    assert_non_null(cy_dataset_feature_name(embedded, (int64_t)columns - 1));
    cy_dataset_free(embedded);
    cy_dataset_free(from_file);
  }
  OK(cy_dataset_open(shared("tabular/digits.csv.gz"), (cy_dataset_options){0}, &from_file));
  cy_dataset *digits = open_spec("digits");
  assert_int_equal(cy_dataset_classes(from_file), 10);
  assert_true(cy_shape_equal(cy_dataset_sample_shape(from_file), CY_SHAPE(64)));
  /* The first rows of the file are training images: the same order. */
  for (int i = 0; i < 30 * 64; i++)
    assert_true(cy_tensor_f32(cy_dataset_inputs(from_file))[i] == (float)cy_tensor_u8(cy_dataset_inputs(digits))[i]);
  cy_dataset_free(digits);
  cy_dataset_free(from_file);
}

static void exclusive_or_is_balanced_and_not_linear(void **state) {
  (void)state;
  cy_dataset *d = open_spec("xor");
  int64_t members[2] = {0}, right = 0, n = cy_dataset_count(d);
  double mean[2][2] = {{0}};
  assert_int_equal(n, 1536);
  assert_int_equal(cy_dataset_test_count(d), 512);
  for (int64_t i = 0; i < n; i++) {
    const float *x = cy_tensor_f32(cy_dataset_inputs(d)) + 2 * i;
    int64_t y = cy_dataset_label(d, i);
    members[y]++;
    right += (x[0] * x[1] > 0) == (y == 1);
    for (int k = 0; k < 2; k++) mean[y][k] += x[k] / 768.0;
  }
  assert_int_equal(members[0], members[1]);
  assert_in_range(right, n * 97 / 100, n - 1); /* signs tell, but for what overlaps: 2 Q(2.5) (1 - Q(2.5)) = 1.2 % */
  for (int y = 0; y < 2; y++)
    for (int k = 0; k < 2; k++) assert_true(fabs(mean[y][k]) < 0.15); /* both classes lie around the origin */
  cy_dataset_free(d);
}

static void a_table_of_scikit_learn_opens(void **state) {
  (void)state;
  cy_dataset *d;
  OK(cy_dataset_open(shared("tabular/wine_data.csv"), (cy_dataset_options){0}, &d));
  assert_int_equal(cy_dataset_count(d), 178);
  assert_int_equal(cy_dataset_classes(d), 3);
  assert_string_equal(cy_dataset_class_name(d, 2), "class_2");
  cy_dataset_free(d);
}

/* ---- splitting ---- */

static void splits_are_disjoint_complete_and_stratified(void **state) {
  (void)state;
  const char *specs[] = {"digits", "iris"};
  for (int s = 0; s < 2; s++) {
    cy_dataset *d = open_spec(specs[s]);
    int64_t n = cy_dataset_count(d), classes = cy_dataset_classes(d);
    cy_split a, b;
    OK(cy_dataset_split(d, (cy_split_options){.validation = 0.15, .seed = 3}, &a));
    OK(cy_dataset_split(d, (cy_split_options){.validation = 0.15, .seed = 3}, &b));
    assert_int_equal(a.n_train + a.n_validation + a.n_test, n);
    assert_int_equal(a.n_test, s == 0 ? 355 : 30);
    assert_int_equal(a.n_validation, (int64_t)floor(0.15 * (double)(n - a.n_test) + 0.5));
    assert_memory_equal(a.train, b.train, (size_t)a.n_train * 8);
    assert_memory_equal(a.validation, b.validation, (size_t)a.n_validation * 8);
    uint8_t seen[1797] = {0};
    const struct {
      const int64_t *list;
      int64_t n;
    } parts[] = {{a.train, a.n_train}, {a.validation, a.n_validation}, {a.test, a.n_test}};
    int64_t counts[3][10] = {{0}}, rest[10] = {0};
    for (int p = 0; p < 3; p++)
      for (int64_t i = 0; i < parts[p].n; i++) {
        assert_int_equal(seen[parts[p].list[i]]++, 0);
        assert_true(i == 0 || parts[p].list[i] > parts[p].list[i - 1]);
        counts[p][cy_dataset_label(d, parts[p].list[i])]++;
      }
    for (int64_t c = 0; c < classes; c++) {
      rest[c] = counts[0][c] + counts[1][c];
      assert_true(fabs((double)counts[1][c] - 0.15 * (double)rest[c]) <= 1);
    }
    cy_split_clear(&b);
    OK(cy_dataset_split(d, (cy_split_options){.validation = 0.15, .seed = 4}, &b));
    assert_memory_not_equal(a.validation, b.validation, (size_t)a.n_validation * 8);
    cy_split_clear(&a);
    cy_split_clear(&b);
    FAILS(cy_dataset_split(d, (cy_split_options){.validation = 1}, &a), CY_INVALID, "validation fraction 1");
    FAILS(cy_dataset_split(d, (cy_split_options){.validation = NAN}, &a), CY_INVALID, "must lie in 0..1");
    assert_null(a.train);
    cy_dataset_free(d);
  }
  cy_dataset *d = open_spec("iris");
  cy_split a;
  OK(cy_dataset_split(d, (cy_split_options){.test = -1}, &a));
  assert_int_equal(a.n_train, 150);
  cy_split_clear(&a);
  cy_dataset_free(d);
}

/* ---- batches ---- */

static void batches_visit_every_sample_once_in_an_order_of_seed_and_epoch(void **state) {
  (void)state;
  int64_t list[103], order[3][103];
  cy_batches *b;
  const int64_t *indices;
  for (int64_t i = 0; i < 103; i++) list[i] = 2 * i + 1;
  OK(cy_batches_create(list, 103, 10, true, 42, &b));
  assert_int_equal(cy_batches_count(b), 11);
  for (int e = 0; e < 3; e++) {
    int64_t n, used = 0, sum = 0;
    cy_batches_start(b, e, 0);
    while ((n = cy_batches_next(b, &indices)) > 0) {
      assert_int_equal(n, used < 100 ? 10 : 3);
      memcpy(order[e] + used, indices, (size_t)n * 8);
      used += n;
    }
    assert_int_equal(used, 103);
    for (int i = 0; i < 103; i++) sum += order[e][i];
    assert_int_equal(sum, 103 * 103);
    assert_int_equal(cy_batches_next(b, &indices), 0);
  }
  assert_memory_not_equal(order[0], order[1], sizeof order[0]);
  assert_memory_not_equal(order[1], order[2], sizeof order[0]);
  cy_batches_free(b);
  /* Resuming at epoch 2, batch 7, in a new walk: the same samples. */
  OK(cy_batches_create(list, 103, 10, true, 42, &b));
  cy_batches_start(b, 2, 7);
  assert_int_equal(cy_batches_next(b, &indices), 10);
  assert_memory_equal(indices, order[2] + 70, 80);
  cy_batches_start(b, 2, 11);
  assert_int_equal(cy_batches_next(b, &indices), 0);
  cy_batches_free(b);
  OK(cy_batches_create(list, 103, 200, false, 42, &b));
  cy_batches_start(b, 5, 0);
  assert_int_equal(cy_batches_next(b, &indices), 103);
  assert_memory_equal(indices, list, sizeof list);
  cy_batches_free(b);
  FAILS(cy_batches_create(list, 103, 0, false, 42, &b), CY_INVALID, "batches of 0");
}

static void batches_are_converted_and_scaled(void **state) {
  (void)state;
  cy_tensor *inputs = tensor(CY_U8, CY_SHAPE(3, 2, 2)), *labels = tensor(CY_I64, CY_SHAPE(3));
  for (int i = 0; i < 12; i++) cy_tensor_u8(inputs)[i] = (uint8_t)(20 * i);
  for (int i = 0; i < 3; i++) cy_tensor_i64(labels)[i] = 2 - i;
  cy_dataset *d;
  OK(cy_dataset_from_tensors("made", inputs, labels, 3, 1, &d));
  cy_tensor *x = tensor(CY_F32, CY_SHAPE(2, 4)), *y = tensor(CY_I64, CY_SHAPE(2));
  const int64_t indices[] = {2, 0};
  OK(cy_dataset_batch(d, indices, 2, x, y));
  for (int i = 0; i < 4; i++) {
    assert_float_equal(cy_tensor_f32(x)[i], 20 * (8 + i) / 255.0, 1e-6);
    assert_float_equal(cy_tensor_f32(x)[4 + i], 20 * i / 255.0, 1e-6);
  }
  assert_int_equal(cy_tensor_i64(y)[0], 0);
  assert_int_equal(cy_tensor_i64(y)[1], 2);
  /* Standardised per channel (the first axis of a sample) over samples 0 and 1. */
  OK(cy_dataset_scale(d, CY_SCALE_STANDARDISE, (int64_t[]){0, 1}, 2));
  OK(cy_dataset_batch(d, (int64_t[]){0, 1}, 2, x, NULL));
  for (int c = 0; c < 2; c++) {
    double sum = 0, squares = 0;
    for (int k = 0; k < 4; k++) {
      double v = cy_tensor_f32(x)[k / 2 * 4 + 2 * c + k % 2];
      sum += v;
      squares += v * v;
    }
    assert_float_equal(sum, 0, 1e-5);
    assert_float_equal(squares / 4, 1, 1e-5);
  }
  /* What a model was trained with can be put back. */
  cy_scaling s = cy_dataset_scaling(d);
  assert_int_equal(s.channels, 2);
  float offset[2] = {s.offset[0], s.offset[1]}, factor[2] = {s.factor[0], s.factor[1]}, before = cy_tensor_f32(x)[3];
  OK(cy_dataset_scale(d, CY_SCALE_NONE, NULL, 0));
  OK(cy_dataset_batch(d, (int64_t[]){0, 1}, 2, x, NULL));
  assert_true(cy_tensor_f32(x)[3] == 60);
  OK(cy_dataset_set_scaling(d, (cy_scaling){2, offset, factor}));
  OK(cy_dataset_batch(d, (int64_t[]){0, 1}, 2, x, NULL));
  assert_true(cy_tensor_f32(x)[3] == before);
  FAILS(cy_dataset_set_scaling(d, (cy_scaling){3, offset, factor}), CY_INVALID, "3 channels but samples have 2");
  FAILS(cy_dataset_scale(d, CY_SCALE_STANDARDISE, NULL, 0), CY_INVALID, "needs the training part");
  /* Wrong destinations. */
  FAILS(cy_dataset_batch(d, (int64_t[]){0, 3}, 2, x, y), CY_INVALID, "made: sample 3 does not exist; there are 3");
  FAILS(cy_dataset_batch(d, indices, 1, x, NULL), CY_INVALID, "a batch of 1 samples needs inputs of shape [1, ...]");
  cy_tensor *f64 = tensor(CY_F64, CY_SHAPE(2, 4));
  FAILS(cy_dataset_batch(d, indices, 2, f64, NULL), CY_INVALID, "written as f32, not f64");
  cy_tensor_free(f64);
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_tensor_free(inputs);
  cy_tensor_free(labels);
  cy_dataset_free(d);
}

static void tables_are_standardised_by_default_and_constants_only_centred(void **state) {
  (void)state;
  write_file(file("t.csv"), "a,b,y\n1,7,0.5\n2,7,1.5\n3,7,2.5\n6,7,-1\n");
  cy_dataset *d = open_spec(file("t.csv"));
  assert_int_equal(cy_dataset_classes(d), 0);
  assert_string_equal(cy_dataset_name(d), "t");
  assert_string_equal(cy_dataset_target_name(d), "y");
  assert_string_equal(cy_dataset_feature_name(d, 1), "b");
  OK(cy_dataset_scale(d, CY_SCALE_DEFAULT, (int64_t[]){0, 1, 2, 3}, 4));
  cy_tensor *x = tensor(CY_F32, CY_SHAPE(4, 2)), *y = tensor(CY_F32, CY_SHAPE(4, 1));
  OK(cy_dataset_batch(d, (int64_t[]){3, 2, 1, 0}, 4, x, y));
  const double deviation = sqrt(3.5); /* of 1 2 3 6, whose mean is 3 */
  const double expected[] = {3 / deviation, 0, -1 / deviation, -2 / deviation};
  for (int i = 0; i < 4; i++) {
    assert_float_equal(cy_tensor_f32(x)[2 * i], expected[i], 1e-6);
    assert_true(cy_tensor_f32(x)[2 * i + 1] == 0);
  }
  assert_true(cy_tensor_f32(y)[0] == -1 && cy_tensor_f32(y)[3] == 0.5f);
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_dataset_free(d);
}

/* ---- refusing ---- */

static void bad_values_are_refused_with_their_row(void **state) {
  (void)state;
  cy_dataset *d;
  cy_tensor *x = tensor(CY_F32, CY_SHAPE(5, 3)), *y = tensor(CY_I32, CY_SHAPE(5)), *z = tensor(CY_F64, CY_SHAPE(5, 3));
  cy_tensor_i32(y)[4] = 3;
  FAILS(cy_dataset_from_tensors("made", x, y, 3, 0, &d), CY_INVALID,
        "made: row 4 has label 3, but labels run from 0 to 2");
  cy_tensor_i32(y)[4] = -1;
  FAILS(cy_dataset_from_tensors("made", x, y, 3, 0, &d), CY_INVALID, "row 4 has label -1");
  cy_tensor_i32(y)[4] = 0;
  cy_tensor_f32(x)[7] = NAN;
  FAILS(cy_dataset_from_tensors("made", x, y, 3, 0, &d), CY_NOT_FINITE, "made: row 2: feature 1 is nan");
  cy_tensor_f64(z)[14] = 1e300;
  FAILS(cy_dataset_from_tensors("made", z, y, 3, 0, &d), CY_INVALID, "made: row 4: feature 2 is 1e+300");
  cy_tensor_f32(x)[7] = 0;
  FAILS(cy_dataset_from_tensors("made", x, y, 3, 5, &d), CY_INVALID, "a test part of 5 of 5 samples");
  FAILS(cy_dataset_from_tensors("made", x, z, 3, 0, &d), CY_INVALID, "class labels must have shape [5], not 5x3");
  cy_tensor_f64(z)[3] = INFINITY;
  FAILS(cy_dataset_from_tensors("made", x, z, 0, 0, &d), CY_NOT_FINITE, "row 1: target 0 is inf");
  assert_null(d);
  cy_tensor_free(y);
  y = tensor(CY_I32, CY_SHAPE(4));
  FAILS(cy_dataset_from_tensors("made", x, y, 3, 0, &d), CY_INVALID, "made: 5 samples but 4 targets");
  cy_tensor_free(x);
  cy_tensor_free(y);
  cy_tensor_free(z);
}

static void save_idx(const char *path, cy_dtype dtype, cy_shape shape, double value) {
  cy_tensor *t = tensor(dtype, shape);
  for (int64_t i = 0; i < cy_tensor_count(t); i++) cy_tensor_set(t, i, value);
  OK(cy_idx_save(t, path));
  cy_tensor_free(t);
}

static void idx_folders_name_files_and_numbers(void **state) {
  (void)state;
  cy_dataset *d;
  OK(cy_make_folders(file("pics")));
  FAILS(cy_dataset_open(file("pics"), (cy_dataset_options){0}, &d), CY_INVALID,
        "holds no train-images-idx3-ubyte[.gz]");
  save_idx(file("pics/train-images-idx3-ubyte"), CY_U8, CY_SHAPE(6, 4, 5), 51);
  FAILS(cy_dataset_open(file("pics"), (cy_dataset_options){0}, &d), CY_INVALID,
        "holds no train-labels-idx1-ubyte[.gz]");
  save_idx(file("pics/train-labels-idx1-ubyte"), CY_U8, CY_SHAPE(5), 2);
  FAILS(cy_dataset_open(file("pics"), (cy_dataset_options){0}, &d), CY_INVALID,
        "pics: train-images-idx3-ubyte has 6 images but train-labels-idx1-ubyte has 5 labels");
  save_idx(file("pics/train-labels-idx1-ubyte"), CY_U8, CY_SHAPE(6), 2);
  OK(cy_dataset_open(file("pics"), (cy_dataset_options){0}, &d));
  assert_int_equal(cy_dataset_classes(d), 3);
  assert_int_equal(cy_dataset_test_count(d), 0);
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(1, 4, 5)));
  cy_dataset_free(d);
  save_idx(file("pics/t10k-images-idx3-ubyte"), CY_U8, CY_SHAPE(2, 5, 5), 7);
  save_idx(file("pics/t10k-labels-idx1-ubyte"), CY_U8, CY_SHAPE(2), 1);
  FAILS(cy_dataset_open(file("pics"), (cy_dataset_options){0}, &d), CY_INVALID,
        "pics: images: training part is u8 6x1x4x5 but test part is u8 2x1x5x5");
  save_idx(file("pics/t10k-images-idx3-ubyte"), CY_U8, CY_SHAPE(2, 4, 5), 7);
  OK(cy_dataset_open(file("pics"), (cy_dataset_options){0}, &d));
  assert_int_equal(cy_dataset_count(d), 8);
  assert_int_equal(cy_dataset_test_count(d), 2);
  assert_int_equal(cy_dataset_label(d, 7), 1);
  cy_dataset_free(d);
  OK(cy_dataset_open(file("pics/train-images-idx3-ubyte"), (cy_dataset_options){0}, &d));
  assert_int_equal(cy_dataset_count(d), 6);
  cy_dataset_free(d);
  /* A registered set has ten classes, whatever the file says. */
  OK(cy_make_folders(file("fashion-mnist")));
  static const char *const parts[] = {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                      "t10k-labels-idx1-ubyte"};
  for (int i = 0; i < 4; i++) {
    char path[128];
    snprintf(path, sizeof path, "fashion-mnist/%s", parts[i]);
    save_idx(file(path), CY_U8, i < 2 ? CY_SHAPE(3, 28, 28) : CY_SHAPE(3), i == 3 ? 10 : 9);
  }
  FAILS(cy_dataset_open("fashion-mnist", (cy_dataset_options){.directory = folder}, &d), CY_INVALID,
        "fashion-mnist: row 3 has label 10, but labels run from 0 to 9");
  save_idx(file("fashion-mnist/t10k-labels-idx1-ubyte"), CY_U8, CY_SHAPE(3), 0);
  OK(cy_dataset_open("fashion-mnist", (cy_dataset_options){.directory = folder}, &d));
  assert_string_equal(cy_dataset_class_name(d, 9), "Ankle boot");
  cy_dataset_free(d);
}

static void specs_that_lead_nowhere_say_so(void **state) {
  (void)state;
  cy_dataset *d;
  FAILS(cy_dataset_open("digts", (cy_dataset_options){0}, &d), CY_INVALID, "did you mean \"digits\"?");
  FAILS(cy_dataset_open("no/such.csv", (cy_dataset_options){0}, &d), CY_IO, "no/such.csv: there is no such file");
  FAILS(cy_dataset_open("kmnist", (cy_dataset_options){.directory = folder}, &d), CY_IO, "cauchy data get kmnist");
  write_file(file("x.doc"), "1");
  FAILS(cy_dataset_open(file("x.doc"), (cy_dataset_options){0}, &d), CY_INVALID, "a data set is a .csv");
  write_file(file("c.csv"), "a,kind\n1,x\n2,y\n");
  FAILS(cy_dataset_open(file("c.csv"), (cy_dataset_options){.task = CY_TASK_REGRESS}, &d), CY_INVALID,
        "column \"kind\" holds \"x\": to regress");
  FAILS(cy_dataset_open(file("c.csv"), (cy_dataset_options){.target = "b"}, &d), CY_INVALID, "has no column \"b\"");
  write_file(file("one.csv"), "kind\nx\ny\n");
  FAILS(cy_dataset_open(file("one.csv"), (cy_dataset_options){.target = "kind"}, &d), CY_INVALID, "one.csv");
  assert_null(d);
}

static void csv_targets_are_found_and_told_apart(void **state) {
  (void)state;
  cy_dataset *d;
  write_file(file("s.csv"), "species,w\ncat,1\ndog,2\ncat,3\n");
  d = open_spec(file("s.csv"));
  assert_string_equal(cy_dataset_target_name(d), "species");
  assert_int_equal(cy_dataset_classes(d), 2);
  assert_int_equal(cy_dataset_label(d, 1), 1);
  assert_string_equal(cy_dataset_class_name(d, 1), "dog");
  cy_dataset_free(d);
  OK(cy_dataset_open(file("s.csv"), (cy_dataset_options){.target = "species", .task = CY_TASK_CLASSIFY}, &d));
  cy_dataset_free(d);
  write_file(file("n.csv"), "w,q\n1,3\n2,8\n3,3\n4,8\n");
  d = open_spec(file("n.csv"));
  assert_int_equal(cy_dataset_classes(d), 2);
  assert_string_equal(cy_dataset_class_name(d, 1), "8");
  cy_dataset_free(d);
  OK(cy_dataset_open(file("n.csv"), (cy_dataset_options){.task = CY_TASK_REGRESS}, &d));
  assert_true(cy_tensor_at(cy_dataset_targets(d), 1) == 8);
  assert_true(cy_shape_equal(cy_dataset_target_shape(d), CY_SHAPE(1)));
  cy_dataset_free(d);
}

static void npz_files_are_data_sets(void **state) {
  (void)state;
#if CY_HAVE_ZIP
  cy_dataset *d;
  const char *names[] = {"x_train", "y_train", "x_test", "y_test"};
  cy_tensor *t[] = {tensor(CY_U8, CY_SHAPE(4, 3, 3)), tensor(CY_U8, CY_SHAPE(4)), tensor(CY_U8, CY_SHAPE(2, 3, 3)),
                    tensor(CY_U8, CY_SHAPE(2))};
  cy_tensor_u8(t[1])[2] = 5;
  OK(cy_npz_save(names, (const cy_tensor *const *)t, 4, true, file("m.npz")));
  d = open_spec(file("m.npz"));
  assert_int_equal(cy_dataset_count(d), 6);
  assert_int_equal(cy_dataset_test_count(d), 2);
  assert_int_equal(cy_dataset_classes(d), 6);
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(1, 3, 3)));
  cy_dataset_free(d);
  OK(cy_npz_save(names, (const cy_tensor *const *)t, 3, true, file("m.npz")));
  FAILS(cy_dataset_open(file("m.npz"), (cy_dataset_options){0}, &d), CY_INVALID, "holds no array \"y_test\"");
  OK(cy_npz_save((const char *const[]){"x", "y"}, (const cy_tensor *const[]){t[0], t[3]}, 2, false, file("q.npz")));
  FAILS(cy_dataset_open(file("q.npz"), (cy_dataset_options){0}, &d), CY_INVALID, "q.npz: 4 samples but 2 targets");
  for (int i = 0; i < 4; i++) cy_tensor_free(t[i]);
  const char *plain[] = {"x", "y"};
  cy_tensor *u[] = {tensor(CY_F64, CY_SHAPE(4, 3)), tensor(CY_F64, CY_SHAPE(4, 2))};
  OK(cy_npz_save(plain, (const cy_tensor *const *)u, 2, false, file("r.npz")));
  d = open_spec(file("r.npz"));
  assert_int_equal(cy_dataset_classes(d), 0);
  assert_true(cy_shape_equal(cy_dataset_target_shape(d), CY_SHAPE(2)));
  cy_dataset_free(d);
  for (int i = 0; i < 2; i++) cy_tensor_free(u[i]);
#else
  skip();
#endif
}

static void real_mnist_opens(void **state) {
  (void)state;
  char directory[512];
  cy_dataset *d;
  snprintf(directory, sizeof directory, "%s", shared("mnist"));
  *strrchr(directory, '/') = 0;
  OK(cy_dataset_open("mnist", (cy_dataset_options){.directory = directory}, &d));
  assert_int_equal(cy_dataset_count(d), 70000);
  assert_int_equal(cy_dataset_test_count(d), 10000);
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(1, 28, 28)));
  const int64_t first[] = {5, 0, 4, 1, 9}, test[] = {7, 2, 1, 0, 4};
  for (int i = 0; i < 5; i++) {
    assert_int_equal(cy_dataset_label(d, i), first[i]);
    assert_int_equal(cy_dataset_label(d, 60000 + i), test[i]);
  }
  /* The mean pixel that everyone standardises MNIST with: 0.1307, deviation 0.3081. */
  int64_t *train = malloc(60000 * sizeof *train);
  assert_non_null(train);
  for (int64_t i = 0; i < 60000; i++) train[i] = i;
  OK(cy_dataset_scale(d, CY_SCALE_STANDARDISE, train, 60000));
  cy_scaling s = cy_dataset_scaling(d);
  assert_float_equal(s.offset[0] / 255, 0.1307, 1e-4);
  assert_float_equal(1 / s.factor[0] / 255, 0.3081, 1e-4);
  free(train);
  cy_dataset_free(d);
}

/* ---- the data directory and downloads ---- */

static void the_data_directory_follows_the_environment(void **state) {
  (void)state;
  char *path;
  setenv("HOME", "/home/someone", 1);
  unsetenv("CAUCHY_DATA");
  unsetenv("XDG_DATA_HOME");
  OK(cy_data_directory(&path));
  assert_string_equal(path, "/home/someone/.local/share/cauchy");
  cy_string_free(path);
  setenv("XDG_DATA_HOME", "/data", 1);
  OK(cy_data_directory(&path));
  assert_string_equal(path, "/data/cauchy");
  cy_string_free(path);
  setenv("CAUCHY_DATA", "/other", 1);
  OK(cy_data_directory(&path));
  assert_string_equal(path, "/other");
  cy_string_free(path);
  unsetenv("CAUCHY_DATA");
  unsetenv("XDG_DATA_HOME");
}

static void the_registry_is_complete(void **state) {
  (void)state;
  int count;
  const cy_data_set *sets = cy_data_list(&count);
  assert_true(count >= 4);
  for (int i = 0; i < count; i++) {
    const cy_data_set *s = &sets[i];
    assert_ptr_equal(cy_data_find(s->name), s);
    assert_true(s->title && s->description && s->source && s->licence);
    assert_int_equal(s->urls == NULL, s->files == NULL);
    for (const cy_data_file *f = s->files; f && f->name; f++) {
      assert_int_equal(strlen(f->sha256), 64);
      assert_int_equal(strspn(f->sha256, "0123456789abcdef"), 64);
      assert_true(f->bytes > 0);
    }
  }
  assert_null(cy_data_find("mnits"));
  assert_string_equal(cy_error_message(), "no data set is named \"mnits\"; did you mean \"mnist\"?");
  char *found;
  OK(cy_data_locate(cy_data_find("digits"), folder, &found));
  assert_string_equal(found, "");
  cy_string_free(found);
  OK(cy_data_locate(cy_data_find("kmnist"), folder, &found));
  assert_null(found);
}

#if CY_HAVE_CURL && CY_HAVE_NETTLE

enum { CONTENT = 300000 };

typedef struct fixture {
  unsigned char content[CONTENT];
  char sha256[CY_SHA256_TEXT], url[64], directory[128];
  cy_data_file files[2];
  cy_data_set set;
  http_server server;
} fixture;

static fixture *start_fixture(const char *name) {
  fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  uint32_t noise = 7;
  for (int i = 0; i < CONTENT; i++) f->content[i] = (unsigned char)((noise = noise * 1664525u + 1013904223u) >> 24);
  OK(cy_file_write(f->content, CONTENT, file("content")));
  OK(cy_sha256_file(file("content"), NULL, NULL, f->sha256));
  f->server = (http_server){.name = "data.bin", .content = f->content, .length = CONTENT, .ranges = true};
  if (!http_start(&f->server)) fail_msg("no socket on 127.0.0.1");
  snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d/files", f->server.port);
  snprintf(f->directory, sizeof f->directory, "%s/%s", folder, name);
  f->files[0] = (cy_data_file){"data.bin", f->sha256, CONTENT};
  f->set = (cy_data_set){.name = "made", .files = f->files};
  return f;
}

static void stop_fixture(fixture *f) {
  http_stop(&f->server);
  free(f);
}

static cy_status get(fixture *f) {
  return cy_data_get(&f->set, (cy_data_options){.directory = f->directory, .base_url = f->url, .timeout_seconds = 5});
}

static void in_folder(const fixture *f, const char *name, char path[256]) {
  snprintf(path, 256, "%s/made/%s", f->directory, name);
}

static int64_t size_of(const fixture *f, const char *name) {
  char path[256];
  struct stat info;
  in_folder(f, name, path);
  return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

static void assert_fetched(const fixture *f) {
  char path[256], *bytes;
  size_t n;
  in_folder(f, "data.bin", path);
  OK(cy_file_read(path, CONTENT, &bytes, &n));
  assert_int_equal(n, CONTENT);
  assert_memory_equal(bytes, f->content, CONTENT);
  cy_string_free(bytes);
  assert_int_equal(size_of(f, "data.bin.part"), -1);
}

static void sha256_agrees_with_its_standard(void **state) {
  (void)state;
  char text[CY_SHA256_TEXT];
  write_file(file("abc"), "abc"); /* FIPS 180-4, example B.1 */
  OK(cy_sha256_file(file("abc"), NULL, NULL, text));
  assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_download_is_checked_and_kept(void **state) {
  (void)state;
  fixture *f = start_fixture("plain");
  OK(get(f));
  assert_fetched(f);
  assert_int_equal(f->server.requests, 1);
  OK(get(f)); /* present: no request */
  assert_int_equal(f->server.requests, 1);
  char path[256];
  in_folder(f, "data.bin", path);
  write_file(path, "something else");
  FAILS(get(f), CY_INVALID, "remove it to fetch it again");
  assert_int_equal(size_of(f, "data.bin"), 14); /* the user's file is left alone */
  stop_fixture(f);
}

static void a_dropped_connection_is_continued(void **state) {
  (void)state;
  fixture *f = start_fixture("dropped");
  f->server.drops = 2;
  f->server.drop_after = 100000;
  OK(get(f));
  assert_fetched(f);
  assert_int_equal(f->server.requests, 3);
  assert_int_equal(f->server.ranged, 2);
  stop_fixture(f);
}

static void a_part_is_continued_by_a_later_call(void **state) {
  (void)state;
  fixture *f = start_fixture("later");
  f->server.drops = 1000;
  f->server.drop_after = 1000;
  FAILS(get(f), CY_IO, "made: cannot fetch http://127.0.0.1:");
  int64_t kept = size_of(f, "data.bin.part");
  assert_true(kept > 0 && kept < CONTENT);
  f->server.drops = 0;
  f->server.ranged = 0;
  OK(get(f));
  assert_fetched(f);
  assert_int_equal(f->server.ranged, 1);
  stop_fixture(f);
}

static void a_server_without_ranges_sends_everything_again(void **state) {
  (void)state;
  fixture *f = start_fixture("ranges");
  f->server.ranges = false;
  f->server.drops = 1;
  f->server.drop_after = 5000;
  OK(get(f));
  assert_fetched(f);
  stop_fixture(f);
}

static void a_stale_part_is_discarded(void **state) {
  (void)state;
  fixture *f = start_fixture("stale");
  char path[256];
  in_folder(f, "", path);
  OK(cy_make_folders(path));
  in_folder(f, "data.bin.part", path);
  write_file(path, "the beginning of another file");
  OK(get(f));
  assert_fetched(f);
  stop_fixture(f);
}

static void a_wrong_checksum_is_refused_and_removed(void **state) {
  (void)state;
  fixture *f = start_fixture("wrong");
  f->content[CONTENT / 2] ^= 1;
  FAILS(get(f), CY_INVALID, f->sha256);
  assert_int_equal(size_of(f, "data.bin"), -1);
  assert_int_equal(size_of(f, "data.bin.part"), -1);
  f->files[0].bytes = 1000; /* more comes than was announced */
  FAILS(get(f), CY_INVALID, "sends more than the 1000 bytes");
  assert_true(size_of(f, "data.bin.part") <= 1000);
  stop_fixture(f);
}

static void after_a_wrong_file_the_next_address_is_tried(void **state) {
  (void)state;
  fixture *f = start_fixture("mirrors");
  unsigned char *damaged = malloc(CONTENT);
  char bad[64];
  assert_non_null(damaged);
  memcpy(damaged, f->content, CONTENT);
  damaged[7] ^= 1;
  http_server other = {.name = "data.bin", .content = damaged, .length = CONTENT, .ranges = true};
  assert_true(http_start(&other));
  snprintf(bad, sizeof bad, "http://127.0.0.1:%d/files", other.port);
  const char *const urls[] = {bad, f->url, NULL};
  f->set.urls = urls;
  OK(cy_data_get(&f->set, (cy_data_options){.directory = f->directory, .timeout_seconds = 5}));
  assert_fetched(f);
  assert_int_equal(other.requests, 1);
  http_stop(&other);
  stop_fixture(f);
  free(damaged);
}

static bool cancel_half_way(const cy_data_progress *p, void *user) {
  cy_data_progress *last = user;
  *last = *p;
  return p->done < CONTENT / 2;
}

static void a_cancelled_download_can_be_continued(void **state) {
  (void)state;
  fixture *f = start_fixture("cancelled");
  cy_data_progress last = {0};
  FAILS(cy_data_get(&f->set, (cy_data_options){.directory = f->directory, .base_url = f->url, .user = &last,
                                               .progress = cancel_half_way}), CY_CANCELLED, "was cancelled");
  assert_string_equal(last.file, "data.bin");
  assert_int_equal(last.total, CONTENT);
  assert_int_equal(size_of(f, "data.bin"), -1);
  assert_true(size_of(f, "data.bin.part") >= CONTENT / 2);
  OK(get(f));
  assert_fetched(f);
  stop_fixture(f);
}

static void unreachable_servers_and_absent_files_are_told(void **state) {
  (void)state;
  fixture *f = start_fixture("absent");
  f->server.name = "other.bin";
  FAILS(get(f), CY_IO, "404");
  assert_int_equal(size_of(f, "data.bin.part"), -1);
  http_stop(&f->server);
  FAILS(get(f), CY_IO, "if this machine is offline, put data.bin into");
  f->server.name = "data.bin";
  assert_true(http_start(&f->server));
  snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d/files", f->server.port);
  /* The second address is tried when the first has nothing. */
  char nothing[64];
  snprintf(nothing, sizeof nothing, "http://127.0.0.1:%d/nothing", f->server.port);
  const char *const urls[] = {nothing, f->url, NULL};
  f->set.urls = urls;
  OK(cy_data_get(&f->set, (cy_data_options){.directory = f->directory}));
  assert_fetched(f);
  stop_fixture(f);
}

#endif

static int make_folder_of_data(void **state) {
  setenv("no_proxy", "127.0.0.1", 1);
  return make_folder(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(digits_has_a_fixed_stratified_test_part),
      cmocka_unit_test(embedded_tables_equal_their_sources),
      cmocka_unit_test(exclusive_or_is_balanced_and_not_linear),
    cmocka_unit_test(a_table_of_scikit_learn_opens),
      cmocka_unit_test(splits_are_disjoint_complete_and_stratified),
      cmocka_unit_test(batches_visit_every_sample_once_in_an_order_of_seed_and_epoch),
      cmocka_unit_test(batches_are_converted_and_scaled),
      cmocka_unit_test(tables_are_standardised_by_default_and_constants_only_centred),
      cmocka_unit_test(bad_values_are_refused_with_their_row),
      cmocka_unit_test(idx_folders_name_files_and_numbers),
      cmocka_unit_test(specs_that_lead_nowhere_say_so),
      cmocka_unit_test(csv_targets_are_found_and_told_apart),
      cmocka_unit_test(npz_files_are_data_sets),
      cmocka_unit_test(real_mnist_opens),
      cmocka_unit_test(the_data_directory_follows_the_environment),
      cmocka_unit_test(the_registry_is_complete),
#if CY_HAVE_CURL && CY_HAVE_NETTLE
      cmocka_unit_test(sha256_agrees_with_its_standard),
      cmocka_unit_test(a_download_is_checked_and_kept),
      cmocka_unit_test(a_dropped_connection_is_continued),
      cmocka_unit_test(a_part_is_continued_by_a_later_call),
      cmocka_unit_test(a_server_without_ranges_sends_everything_again),
      cmocka_unit_test(a_stale_part_is_discarded),
      cmocka_unit_test(a_wrong_checksum_is_refused_and_removed),
      cmocka_unit_test(after_a_wrong_file_the_next_address_is_tried),
      cmocka_unit_test(a_cancelled_download_can_be_continued),
      cmocka_unit_test(unreachable_servers_and_absent_files_are_told),
#endif
  };
  return cmocka_run_group_tests(tests, make_folder_of_data, remove_folder);
}
