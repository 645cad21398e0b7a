/* Unpacks the embedded tables into data sets. */
#include "data/embedded/embedded.h"

#include "data/dataset.h"

#include <string.h>

/* The test part of digits: in the order of the file, every fifth image of each class (class c's images number 4, 9,
 * 14, ... counted from 0): stratified, fixed, and independent of any random numbers. It is moved behind the rest. */
enum { TEST_EVERY = 5, DIGITS = 10 };

static void order_digits(int64_t order[CY_DIGITS_ROWS], int64_t *test_count) {
  int64_t seen[DIGITS] = {0}, train = 0, test = 0, last[CY_DIGITS_ROWS];
  for (int64_t i = 0; i < CY_DIGITS_ROWS; i++) {
    int label = cy_digits_rows[i][CY_DIGITS_PIXELS] - '0';
    if (seen[label]++ % TEST_EVERY == TEST_EVERY - 1) last[test++] = i;
    else order[train++] = i;
  }
  memcpy(order + train, last, (size_t)test * sizeof *last);
  *test_count = test;
}

static cy_status open_digits(cy_dataset **dataset) {
  int64_t order[CY_DIGITS_ROWS];
  cy_dataset_parts parts = {.name = "digits", .origin = "embedded", .classes = DIGITS, .largest = 16,
                            .target_name = "digit"};
  order_digits(order, &parts.test_count);
  CY_TRY(cy_tensor_create(CY_U8, CY_SHAPE(CY_DIGITS_ROWS, 1, 8, 8), &parts.inputs));
  cy_status status = cy_tensor_create(CY_I32, CY_SHAPE(CY_DIGITS_ROWS), &parts.targets);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    return status;
  }
  uint8_t *pixels = cy_tensor_u8(parts.inputs);
  for (int64_t i = 0; i < CY_DIGITS_ROWS; i++) {
    const char *row = cy_digits_rows[order[i]];
    for (int k = 0; k < CY_DIGITS_PIXELS; k++) *pixels++ = (uint8_t)(row[k] - 'A');
    cy_tensor_i32(parts.targets)[i] = row[CY_DIGITS_PIXELS] - '0';
  }
  return cy_dataset_build(parts, dataset);
}

static cy_status open_iris(cy_dataset **dataset) {
  static const char *const species[] = {"setosa", "versicolor", "virginica"};
  static const char *const features[] = {"sepal length (cm)", "sepal width (cm)", "petal length (cm)",
                                         "petal width (cm)"};
  cy_dataset_parts parts = {.name = "iris", .origin = "embedded", .classes = 3, .class_names = species,
                            .feature_names = features, .target_name = "species"};
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(CY_IRIS_ROWS, CY_IRIS_FEATURES), &parts.inputs));
  cy_status status = cy_tensor_create(CY_I32, CY_SHAPE(CY_IRIS_ROWS), &parts.targets);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    return status;
  }
  float *values = cy_tensor_f32(parts.inputs);
  for (int i = 0; i < CY_IRIS_ROWS; i++) {
    for (int k = 0; k < CY_IRIS_FEATURES; k++) *values++ = (float)(cy_iris_rows[i][k] / 10.0);
    cy_tensor_i32(parts.targets)[i] = cy_iris_rows[i][CY_IRIS_FEATURES];
  }
  return cy_dataset_build(parts, dataset);
}

/* A table whose rows are features and the class. */
static cy_status open_measurements(cy_dataset_parts parts, const float *table, int rows, int features,
                                   cy_dataset **dataset) {
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(rows, features), &parts.inputs));
  cy_status status = cy_tensor_create(CY_I32, CY_SHAPE(rows), &parts.targets);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    return status;
  }
  for (int i = 0; i < rows; i++, table += features + 1) {
    memcpy(cy_tensor_f32(parts.inputs) + (ptrdiff_t)i * features, table, (size_t)features * sizeof *table);
    cy_tensor_i32(parts.targets)[i] = (int32_t)table[features];
  }
  return cy_dataset_build(parts, dataset);
}

static cy_status open_breast_cancer(cy_dataset **dataset) {
  static const char *const diagnoses[] = {"malignant", "benign"};
  static const char *const features[] = {
      "mean radius", "mean texture", "mean perimeter", "mean area", "mean smoothness", "mean compactness",
      "mean concavity", "mean concave points", "mean symmetry", "mean fractal dimension", "radius error",
      "texture error", "perimeter error", "area error", "smoothness error", "compactness error", "concavity error",
      "concave points error", "symmetry error", "fractal dimension error", "worst radius", "worst texture",
      "worst perimeter", "worst area", "worst smoothness", "worst compactness", "worst concavity",
      "worst concave points", "worst symmetry", "worst fractal dimension"};
  cy_dataset_parts parts = {.name = "breast-cancer", .origin = "embedded", .classes = 2, .class_names = diagnoses,
                            .feature_names = features, .target_name = "diagnosis"};
  return open_measurements(parts, cy_breast_cancer_rows[0], CY_BREAST_CANCER_ROWS, CY_BREAST_CANCER_FEATURES, dataset);
}

static cy_status open_wine(cy_dataset **dataset) {
  static const char *const cultivars[] = {"cultivar 1", "cultivar 2", "cultivar 3"};
  static const char *const features[] = {
      "alcohol", "malic acid", "ash", "alcalinity of ash", "magnesium", "total phenols", "flavanoids",
      "nonflavanoid phenols", "proanthocyanins", "color intensity", "hue", "OD280/OD315 of diluted wines", "proline"};
  cy_dataset_parts parts = {.name = "wine", .origin = "embedded", .classes = 3, .class_names = cultivars,
                            .feature_names = features, .target_name = "cultivar"};
  return open_measurements(parts, cy_wine_rows[0], CY_WINE_ROWS, CY_WINE_FEATURES, dataset);
}

cy_status cy_open_embedded(const char *name, cy_dataset **dataset) {
  *dataset = NULL;
  if (strcmp(name, "digits") == 0) return open_digits(dataset);
  if (strcmp(name, "iris") == 0) return open_iris(dataset);
  if (strcmp(name, "breast-cancer") == 0) return open_breast_cancer(dataset);
  if (strcmp(name, "wine") == 0) return open_wine(dataset);
  if (strcmp(name, "xor") == 0) return cy_open_xor(dataset);
  if (strcmp(name, "pulses") == 0) return cy_open_pulses(dataset);
  return CY_OK;
}
