#include "cli/input.h"
#include "cli/input_images.h"

#include "cli/model_file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- standard input: kept in a file without a name, so that a reader can look at it twice ---- */

static cy_status copy_standard_input(int fd) {
  char block[1 << 16];
  for (;;) {
    ssize_t n = read(STDIN_FILENO, block, sizeof block);
    if (n == 0) return CY_OK;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cy_fail(CY_IO, "standard input could not be read: %s", strerror(errno));
    for (ssize_t done = 0; done < n;) {
      ssize_t written = write(fd, block + done, (size_t)(n - done));
      if (written < 0) return cy_fail(CY_IO, "a temporary file could not be written: %s", strerror(errno));
      done += written;
    }
  }
}

static cy_status keep_standard_input(char path[32], int *fd) {
  FILE *file = tmpfile(); /* it has no name, so nothing is left behind */
  if (!file) return cy_fail(CY_IO, "no temporary file can be made: %s", strerror(errno));
  *fd = dup(fileno(file));
  fclose(file);
  if (*fd < 0) return cy_fail(CY_IO, "no temporary file can be made: %s", strerror(errno));
  snprintf(path, 32, "/dev/fd/%d", *fd);
  return copy_standard_input(*fd);
}

/* ---- the format, by the first bytes and else by the name ---- */

typedef enum format { FORMAT_CSV, FORMAT_NPY, FORMAT_NPZ, FORMAT_IDX } format;

static bool contains(const char *text, const char *part) { return strstr(text, part) != NULL; }

static format format_of(const char *path, const char *word) {
  unsigned char head[6] = {0};
  FILE *file = fopen(path, "rb");
  size_t n = file ? fread(head, 1, sizeof head, file) : 0;
  if (file) fclose(file);
  if (n == 6 && memcmp(head, "\x93NUMPY", 6) == 0) return FORMAT_NPY;
  if (n >= 4 && memcmp(head, "PK\3\4", 4) == 0) return FORMAT_NPZ;
  if (n >= 4 && head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14) return FORMAT_IDX;
  bool zipped = n >= 2 && head[0] == 0x1f && head[1] == 0x8b;
  if (zipped && contains(word, ".npy")) return FORMAT_NPY;
  if (zipped && (contains(word, "idx") || contains(word, "ubyte"))) return FORMAT_IDX;
  return FORMAT_CSV;
}

/* ---- CSV: which column is which feature ---- */

static const char *feature_name(const cy_trained *trained, int64_t f) {
  char key[48];
  snprintf(key, sizeof key, "feature.%" PRId64, f);
  return cy_trained_metadata(trained, key);
}

static bool unnamed(const char *name) { return strncmp(name, "column ", 7) == 0; }

static int64_t find_column(const cy_csv *csv, const char *name) {
  for (int64_t c = 0; c < csv->n_columns; c++)
    if (strcmp(csv->columns[c], name) == 0) return c;
  return -1;
}

/* columns[f]: where feature f stands. By name where both sides have names, else in order. */
static cy_status match_columns(const cy_trained *trained, const char *word, const cy_csv *csv, int64_t features,
                               int64_t *columns) {
  const char *first = feature_name(trained, 0);
  bool named = first && !unnamed(first) && csv->n_columns > 0 && !unnamed(csv->columns[0]);
  for (int64_t f = 0; f < features && named; f++) {
    const char *name = feature_name(trained, f);
    columns[f] = name ? find_column(csv, name) : -1;
    if (columns[f] < 0)
      return cy_fail(CY_INVALID, "%s: has no column \"%s\", which the model needs", word, name ? name : "?");
  }
  for (int64_t f = 0; f < features && !named; f++) columns[f] = f;
  if (!named && csv->n_columns != features)
    return cy_fail(CY_INVALID, "%s: has %" PRId64 " columns, but the model takes %" PRId64 " numbers per sample", word,
                   csv->n_columns, features);
  return CY_OK;
}

static cy_status pick_columns(const cy_trained *trained, const char *word, const cy_csv *csv, int64_t features,
                              cy_tensor **inputs) {
  int64_t rows = cy_tensor_shape(csv->values).dim[0];
  int64_t *columns = cy_calloc((size_t)features + 1, sizeof *columns);
  if (!columns) return cy_no_memory();
  cy_status status = match_columns(trained, word, csv, features, columns);
  if (status == CY_OK) status = cy_tensor_create(CY_F64, CY_SHAPE(rows, features), inputs);
  for (int64_t i = 0; status == CY_OK && i < rows; i++)
    for (int64_t f = 0; f < features; f++)
      cy_tensor_f64(*inputs)[i * features + f] = cy_tensor_f64(csv->values)[i * csv->n_columns + columns[f]];
  cy_free(columns);
  return status;
}

/* By name, where the model and the file have names: then other columns may hold anything. */
static cy_status load_named(const cy_trained *trained, const char *path, int64_t features, cy_csv *csv) {
  const char **names = cy_calloc((size_t)features + 1, sizeof *names);
  if (!names) return cy_no_memory();
  for (int64_t f = 0; f < features; f++)
    if (!(names[f] = feature_name(trained, f))) names[f] = "?";
  cy_status status = cy_csv_load(path, (cy_csv_options){.only = names, .n_only = (int)features}, csv);
  cy_free(names);
  return status;
}

/* In order: the file may still have the column of targets, which may be text. It is tried as the label. */
static cy_status load_csv(const cy_trained *trained, const char *path, int64_t features, cy_csv *csv) {
  const char *target = cy_trained_metadata(trained, "target"), *first = feature_name(trained, 0);
  const char *labels[] = {target, "-1"};
  cy_status status = first && !unnamed(first) && features < INT_MAX ? load_named(trained, path, features, csv)
                                                                    : cy_csv_load(path, (cy_csv_options){0}, csv);
  if (status == CY_OK && csv->n_columns == features) return CY_OK;
  for (int i = 0; i < 2; i++) {
    cy_csv other;
    if (!labels[i] || cy_csv_load(path, (cy_csv_options){.label = labels[i]}, &other) != CY_OK) continue;
    if (other.n_columns == features && (unnamed(other.columns[0]) || !first || unnamed(first))) {
      if (status == CY_OK) cy_csv_clear(csv);
      *csv = other;
      return CY_OK;
    }
    cy_csv_clear(&other);
  }
  if (first && unnamed(first) && features < INT_MAX) { /* of a table without names, as it was trained on */
    cy_csv other;
    cy_status named = load_named(trained, path, features, &other);
    if (named == CY_OK && other.n_columns == features) {
      if (status == CY_OK) cy_csv_clear(csv);
      *csv = other;
      return CY_OK;
    }
    if (named == CY_OK) cy_csv_clear(&other);
  }
  if (status == CY_OK) return CY_OK;
  return first && !unnamed(first) && features < INT_MAX
             ? load_named(trained, path, features, csv) /* the first complaint is the clearest */
             : cy_csv_load(path, (cy_csv_options){0}, csv);
}

static cy_status read_csv(const cy_trained *trained, const char *path, const char *word, int64_t features,
                          cy_tensor **inputs) {
  cy_csv csv;
  CY_TRY(load_csv(trained, path, features, &csv));
  cy_status status = pick_columns(trained, word, &csv, features, inputs);
  cy_csv_clear(&csv);
  return status;
}

/* ---- shapes: rows of as many numbers as a sample has ---- */

/* Images may have another height and width: [n, channels, height, width], or without n, or without a single channel. */
static bool as_images(cy_shape sample, cy_shape shape, cy_shape *wanted) {
  if (sample.rank != 3 || shape.rank < 2 || shape.rank > 4) return false;
  int64_t h = shape.dim[shape.rank - 2], w = shape.dim[shape.rank - 1], channels = sample.dim[0];
  bool named = shape.rank > 2 && shape.dim[shape.rank - 3] == channels; /* the channels' axis */
  if (h < 1 || w < 1 || (!named && (channels != 1 || shape.rank == 4))) return false;
  int64_t n = shape.rank == 4 || (!named && shape.rank == 3) ? shape.dim[0] : 1;
  *wanted = (cy_shape){.rank = 4, .dim = {n, channels, h, w}};
  return true;
}

static cy_status as_samples(const char *word, cy_shape sample, cy_tensor **inputs) {
  char a[CLI_SHAPE_SIZE], b[CLI_SHAPE_SIZE];
  cy_shape shape = cy_tensor_shape(*inputs), wanted = {.rank = sample.rank + 1};
  int64_t per_sample, count = cy_tensor_count(*inputs), rows = 1;
  CY_TRY(cy_shape_count(sample, &per_sample));
  if (shape.rank > 0 && shape.dim[0] > 0 && count / shape.dim[0] == per_sample) rows = shape.dim[0];
  for (int i = 0; i < sample.rank; i++) wanted.dim[i + 1] = sample.dim[i];
  wanted.dim[0] = rows;
  if (rows * per_sample != count && !as_images(sample, shape, &wanted))
    return cy_fail(CY_INVALID, "%s: holds %s, but the model takes samples of %s = %" PRId64 " numbers", word,
                   cli_shape_text(shape, a), cli_shape_text(sample, b), per_sample);
  if (cy_shape_equal(shape, wanted)) return CY_OK;
  cy_tensor *view, *copy;
  CY_TRY(cy_tensor_wrap(cy_tensor_dtype(*inputs), wanted, NULL, cy_tensor_data(*inputs), &view));
  cy_status status = cy_tensor_create(cy_tensor_dtype(*inputs), wanted, &copy);
  if (status == CY_OK) status = cy_tensor_copy(view, copy);
  cy_tensor_free(view);
  CY_TRY(status);
  cy_tensor_free(*inputs);
  *inputs = copy;
  return CY_OK;
}

bool cli_takes_windows(const cy_trained *trained) { return cy_trained_metadata(trained, "dataset.windows") != NULL; }

/* Cut as in training, but without labels and parts. */
static cy_status read_windows(const cy_trained *trained, const char *path, const char *word, cy_tensor **inputs,
                              cy_dataset **windows) {
  cli_saved_data saved;
  cy_status status = cli_trained_data_options(trained, word, &saved);
  cy_window_options *w = &saved.options.windows;
  *w = (cy_window_options){.length = w->length, .step = w->step, .columns = w->columns, .time = w->time,
                           .missing = w->missing, .fill = w->fill, .test = -1};
  saved.options.target = "input";
  if (status == CY_OK) status = cy_dataset_open(path, saved.options, windows);
  cli_saved_data_clear(&saved);
  CY_TRY(status);
  const cy_tensor *all = cy_dataset_inputs(*windows);
  CY_TRY(cy_tensor_create(cy_tensor_dtype(all), cy_tensor_shape(all), inputs));
  return cy_tensor_copy(all, *inputs);
}

/* The samples of a data set, without its targets. */
static cy_status read_npz(const char *path, cy_tensor **inputs) {
  cy_npz *npz;
  CY_TRY(cy_npz_open(path, &npz));
  bool parts = false, whole = false;
  for (int i = 0; i < cy_npz_count(npz); i++) {
    whole = whole || strcmp(cy_npz_name(npz, i), "x") == 0;
    parts = parts || strcmp(cy_npz_name(npz, i), "x_test") == 0;
  }
  cy_status status = cy_npz_load(npz, !whole && parts ? "x_test" : "x", inputs);
  cy_npz_close(npz);
  return status;
}

static cy_status read_file(const cy_trained *trained, const char *path, const char *word, cy_tensor **inputs,
                           cy_dataset **windows) {
  cy_shape sample = cy_trained_sample_shape(trained);
  int64_t per_sample;
  CY_TRY(cy_shape_count(sample, &per_sample));
  switch (format_of(path, word)) {
    case FORMAT_NPY: CY_TRY(cy_npy_load(path, inputs)); break;
    case FORMAT_NPZ: CY_TRY(read_npz(path, inputs)); break;
    case FORMAT_IDX: CY_TRY(cy_idx_load(path, inputs)); break;
    default:
      if (cli_takes_windows(trained)) CY_TRY(read_windows(trained, path, word, inputs, windows));
      else CY_TRY(read_csv(trained, path, word, per_sample, inputs));
  }
  return as_samples(word, sample, inputs);
}

bool cli_takes_sequences(const cy_trained *trained) { return cy_trained_metadata(trained, "dataset.buckets") != NULL; }

/* Told apart as in training, but without targets. A model of files takes a file, or a folder of them. */
static cy_status open_sequences(const cy_trained *trained, const char *path, const char *word, cy_dataset **sequences) {
  cli_saved_data saved;
  cy_status status = cli_trained_data_options(trained, word, &saved);
  saved.options.target = "input";
  saved.options.task = CY_TASK_DETECT;
  if (!saved.options.sequence) saved.options.sequence = "";
  if (status == CY_OK) status = cli_open_alike(path, &saved, sequences);
  cli_saved_data_clear(&saved);
  return status;
}

/* In the message, instead of the name of the temporary file. */
static cy_status call_it_standard_input(cy_status status, const char *path) {
  char rest[512];
  size_t n = strlen(path);
  if (strncmp(cy_error_message(), path, n) != 0) return status;
  snprintf(rest, sizeof rest, "%s", cy_error_message() + n);
  return cy_fail(status, "standard input%s", rest);
}

static cy_status read_picture(const cy_trained *trained, const char *path, const char *fit, cy_tensor **inputs) {
  cy_image_options options;
  CY_TRY(cli_picture_options(trained, fit, &options));
  return cli_read_picture(trained, options, path, inputs);
}

cy_status cli_read_inputs(const cy_trained *trained, const char *word, const char *fit, cy_tensor **inputs,
                          cy_dataset **windows) {
  char path[32];
  int fd = -1;
  *inputs = NULL;
  *windows = NULL;
  cy_status status;
  if (strcmp(word, "-") != 0) {
    status = read_file(trained, word, word, inputs, windows);
  } else {
    status = keep_standard_input(path, &fd);
    if (status == CY_OK)
      status = cli_is_picture(path) ? read_picture(trained, path, fit, inputs)
                                    : read_file(trained, path, "standard input", inputs, windows);
    if (status != CY_OK) status = call_it_standard_input(status, path);
    if (fd >= 0) close(fd);
  }
  if (status != CY_OK) {
    cy_tensor_free(*inputs);
    cy_dataset_free(*windows);
    *inputs = NULL;
    *windows = NULL;
  }
  return status;
}

cy_status cli_read_sequences(const cy_trained *trained, const char *word, cy_dataset **sequences) {
  char path[32];
  int fd = -1;
  *sequences = NULL;
  if (strcmp(word, "-") != 0) return open_sequences(trained, word, word, sequences);
  cy_status status = keep_standard_input(path, &fd);
  if (status == CY_OK) status = open_sequences(trained, path, "standard input", sequences);
  if (status != CY_OK) status = call_it_standard_input(status, path);
  if (fd >= 0) close(fd);
  return status;
}
