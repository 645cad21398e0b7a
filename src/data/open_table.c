/* Tables in CSV and arrays in NPZ. */
#include "base/memory.h"
#include "data/sequences.h"
#include "data/series.h"
#include "io/csv.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- CSV ---- */

enum { DETECT_CLASSES = 100 };

static bool class_number(const cy_csv *csv, int64_t c, double *number) {
  return cy_parse_number(csv->classes[c], strlen(csv->classes[c]), number);
}

/* Text, or few whole numbers that occur twice on average, are classes. */
static bool looks_like_classes(const cy_csv *csv) {
  double v;
  bool whole = true;
  for (int64_t c = 0; c < csv->n_classes; c++) {
    if (!class_number(csv, c, &v)) return true;
    whole &= v == floor(v);
  }
  return whole && csv->n_classes <= DETECT_CLASSES && 2 * csv->n_classes <= csv->values->view.shape.dim[0];
}

/* Labels back to the numbers they were. */
static cy_status numeric_targets(const char *path, const cy_csv *csv, cy_tensor **targets) {
  int64_t n = csv->labels->count;
  CY_TRY(cy_tensor_create(CY_F64, CY_SHAPE(n, 1), targets));
  for (int64_t i = 0; i < n; i++) {
    const int32_t c = cy_tensor_i32(csv->labels)[i];
    if (!class_number(csv, c, cy_tensor_f64(*targets) + i))
      return cy_fail(CY_INVALID, "%s: column \"%s\" holds \"%s\": to regress, targets must be numbers", path,
                     csv->label_name, csv->classes[c]);
  }
  return CY_OK;
}

static cy_status from_csv(const char *name, const char *path, cy_task task, cy_csv *csv, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .origin = path, .place = path,
                            .feature_names = (const char *const *)csv->columns, .target_name = csv->label_name};
  if (csv->n_columns == 0) return cy_fail(CY_INVALID, "%s: holds no column besides \"%s\"", path, csv->label_name);
  if (task == CY_TASK_DETECT) task = looks_like_classes(csv) ? CY_TASK_CLASSIFY : CY_TASK_REGRESS;
  if (task == CY_TASK_CLASSIFY) {
    parts.classes = csv->n_classes;
    parts.class_names = (const char *const *)csv->classes;
    parts.targets = csv->labels;
    csv->labels = NULL;
  } else {
    cy_status status = numeric_targets(path, csv, &parts.targets);
    if (status != CY_OK) {
      cy_tensor_free(parts.targets);
      return status;
    }
  }
  parts.inputs = csv->values;
  csv->values = NULL;
  return cy_dataset_build(parts, dataset);
}

static cy_status load(const char *path, const cy_dataset_options *options, const cy_words *words, cy_csv *csv) {
  static const char *const usual[] = {"label", "target", "class", "species", "y", "-1"};
  const char *const *names = (const char *const *)words->items;
  cy_csv_options o = {.numbered = true};
  if (words->count > INT_MAX) return cy_no_memory();
  if (options->columns) o.only = names, o.n_only = (int)words->count;
  else if (options->ignore) o.without = names, o.n_without = (int)words->count;
  cy_status status = cy_csv_load_labelled(path, o, options->target ? &options->target : usual,
                                          options->target ? 1 : (int)(sizeof usual / sizeof *usual), csv);
  CY_TRY(cy_hint_ignore(status));
  if (!options->columns || csv->n_columns == (int64_t)words->count) return CY_OK;
  status = cy_fail(CY_INVALID, "%s: no header names a column \"%s\"; its %lld columns have numbers, from 0", path,
                   words->items[0], (long long)csv->n_columns + 1);
  cy_csv_clear(csv);
  return status;
}

cy_status cy_check_columns(const char *path, const cy_dataset_options *options) {
  if (!options->columns || !options->ignore) return CY_OK;
  return cy_fail(CY_INVALID, "%s: columns and ignore exclude each other: one says what is read, the other what not",
                 path);
}

cy_status cy_open_csv(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset) {
  cy_csv csv;
  cy_words words = {0};
  *dataset = NULL;
  CY_TRY(cy_check_columns(path, &options));
  cy_status status = cy_words_split(options.columns ? options.columns : options.ignore, &words);
  if (status == CY_OK && options.columns && words.count == 0)
    status = cy_fail(CY_INVALID, "%s: columns names no column", path);
  if (status == CY_OK) status = load(path, &options, &words, &csv);
  cy_words_clear(&words);
  CY_TRY(status);
  status = from_csv(name, path, options.task, &csv, dataset);
  cy_csv_clear(&csv);
  return status;
}

/* ---- NPZ ---- */

static bool has_array(const cy_npz *npz, const char *name) {
  for (int i = 0; i < cy_npz_count(npz); i++)
    if (strcmp(cy_npz_name(npz, i), name) == 0) return true;
  return false;
}

static cy_status load_array(cy_npz *npz, const char *train, const char *test, cy_tensor **both, int64_t *test_count) {
  cy_tensor *a, *b = NULL;
  *both = NULL;
  CY_TRY(cy_npz_load(npz, train, &a));
  if (test) {
    cy_status status = cy_npz_load(npz, test, &b);
    if (status != CY_OK) {
      cy_tensor_free(a);
      return status;
    }
    *test_count = b->view.shape.rank ? b->view.shape.dim[0] : 0;
  }
  cy_status status = cy_stack_rows(a, b, both);
  return status == CY_INVALID ? cy_fail_in(status, "arrays %s and %s", train, test) : status;
}

/* *lengths: of sequences; NULL: all are whole. */
static cy_status load_arrays(cy_npz *npz, bool bare, cy_dataset_parts *parts, cy_tensor **lengths) {
  bool split = has_array(npz, "x_train");
  const char *test_x = split && has_array(npz, "x_test") ? "x_test" : NULL;
  const char *ends = split ? "lengths_train" : "lengths";
  int64_t labels = 0, counts = 0;
  CY_TRY(load_array(npz, split ? "x_train" : "x", test_x, &parts->inputs, &parts->test_count));
  if (has_array(npz, ends)) CY_TRY(load_array(npz, ends, test_x ? "lengths_test" : NULL, lengths, &counts));
  if (bare && *lengths) return cy_sequences_without_targets(parts->inputs->view.shape.dim[0], &parts->targets);
  CY_TRY(load_array(npz, split ? "y_train" : "y", test_x ? "y_test" : NULL, &parts->targets, &labels));
  if (labels != parts->test_count)
    return cy_fail(CY_INVALID, "x_test has %lld samples but y_test has %lld", (long long)parts->test_count,
                   (long long)labels);
  return cy_add_channel(&parts->inputs);
}

/* Whole numbers [N]. */
static cy_status read_lengths(const cy_tensor *lengths, int64_t n, int64_t **numbers) {
  char text[CY_SHAPE_TEXT];
  if (lengths->view.shape.rank != 1 || lengths->count != n)
    return cy_fail(CY_INVALID, "lengths must be [%lld], one for each sample, not %s", (long long)n,
                   cy_shape_text(lengths->view.shape, text));
  if (!(*numbers = cy_calloc((size_t)n + 1, sizeof **numbers))) return cy_no_memory();
  for (int64_t i = 0; i < n; i++) {
    double v = cy_tensor_at(lengths, i);
    if (!(v >= 1 && v <= INT32_MAX && v == floor(v)))
      return cy_fail(CY_INVALID, "the length of sample %lld is %g: no number of steps", (long long)i, v);
    (*numbers)[i] = (int64_t)v;
  }
  return CY_OK;
}

/* Takes over the tensors of parts, also on failure. */
static cy_status build_sequences(cy_dataset_parts parts, const int64_t *lengths, cy_dataset_options options,
                                 cy_dataset **dataset) {
  cy_shape x = parts.inputs->view.shape, y = parts.targets->view.shape;
  parts.each_step = parts.classes != 0 && x.rank == 3 && y.rank == 2 && y.dim[0] == x.dim[0] && y.dim[1] == x.dim[2];
  if (parts.each_step) cy_clear_step_labels(parts.targets, lengths);
  return cy_sequences_build(parts, lengths, &options, NULL, NULL, NULL, dataset);
}

cy_status cy_open_npz(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .origin = path, .place = path};
  cy_npz *npz;
  *dataset = NULL;
  CY_TRY(cy_npz_open(path, &npz));
  cy_tensor *lengths = NULL;
  int64_t *numbers = NULL;
  cy_status status = load_arrays(npz, options.sequence && cy_sequences_bare(&options), &parts, &lengths);
  cy_npz_close(npz);
  if (status == CY_OK && lengths) status = read_lengths(lengths, parts.inputs->view.shape.dim[0], &numbers);
  cy_tensor_free(lengths);
  if (status == CY_OK) {
    bool integers = !cy_dtype_is_float(parts.targets->view.dtype);
    parts.classes = options.task == CY_TASK_CLASSIFY || (options.task == CY_TASK_DETECT && integers) ? -1 : 0;
    status = numbers ? build_sequences(parts, numbers, options, dataset) : cy_dataset_build(parts, dataset);
    cy_free(numbers);
    return status;
  }
  cy_free(numbers);
  cy_tensor_free(parts.inputs);
  cy_tensor_free(parts.targets);
  if (status == CY_INVALID && strncmp(cy_error_message(), path, strlen(path)) != 0)
    status = cy_fail_in(status, "%s", path);
  return status;
}
