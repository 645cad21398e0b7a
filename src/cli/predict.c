/* `cauchy predict`: the most probable class of each sample with its probability, or the values of a regression. */
#include "cli/characters.h"
#include "cli/input.h"
#include "cli/input_images.h"
#include "cli/model_file.h"
#include "cli/terminal.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct prediction {
  cy_trained *trained;
  cy_tensor *inputs, *outputs, *labels; /* labels: NULL for regression */
  int64_t rows, width;                  /* of outputs */
  cli_pictures names;                   /* of each row: its file, or its window; none: rows have numbers */
  const char *row;                      /* what rows are: "row", "file", "window" */
} prediction;

static const char *name_of(const prediction *p, int64_t row) { return p->names.count ? p->names.paths[row] : NULL; }

static double output_at(const prediction *p, int64_t row, int64_t k) {
  return cy_tensor_at(p->outputs, row * p->width + k);
}

/* ---- for people ---- */

static void add_table(const prediction *p, cy_text *text) {
  int width = 5, first = (int)strlen(p->row);
  for (int64_t i = 0; p->names.count && i < p->rows; i++) {
    int length = (int)strlen(name_of(p, i));
    if (length > first) first = length;
  }
  for (int64_t c = 0; p->labels && c < p->width; c++) {
    int length = (int)strlen(cy_trained_class_name(p->trained, c));
    if (length > width) width = length;
  }
  if (p->names.count) cy_text_add(text, "%-*s  ", first, p->row);
  else cy_text_add(text, "%8s  ", "row");
  if (p->labels) cy_text_add(text, "%-*s  probability\n", width, "class");
  else cy_text_add(text, "value\n");
  for (int64_t i = 0; i < p->rows; i++) {
    if (name_of(p, i)) cy_text_add(text, "%-*s  ", first, name_of(p, i));
    else cy_text_add(text, "%8" PRId64 "  ", i + 1);
    if (p->labels) {
      int64_t c = cy_tensor_i64(p->labels)[i];
      cy_text_add(text, "%-*s  %11.4f\n", width, cy_trained_class_name(p->trained, c), output_at(p, i, c));
      continue;
    }
    for (int64_t k = 0; k < p->width; k++) cy_text_add(text, "%s%.6g", k ? " " : "", output_at(p, i, k));
    cy_text_add(text, "\n");
  }
}

/* ---- for programs ---- */

/* RFC 4180: quotes around what holds a separator, a quote or a line end. */
static void add_cell(cy_text *text, const char *value) {
  if (!strpbrk(value, ",\"\r\n")) {
    cy_text_add(text, "%s", value);
    return;
  }
  cy_text_add(text, "\"");
  for (; *value; value++) cy_text_add(text, *value == '"' ? "\"\"" : "%c", *value);
  cy_text_add(text, "\"");
}

static void add_csv(const prediction *p, cy_text *text) {
  cy_text_add(text, "%s%s", p->row, p->labels ? ",class,probability" : "");
  for (int64_t k = 0; k < p->width; k++) {
    cy_text_add(text, ",");
    if (p->labels) add_cell(text, cy_trained_class_name(p->trained, k));
    else cy_text_add(text, "value %" PRId64, k);
  }
  cy_text_add(text, "\n");
  for (int64_t i = 0; i < p->rows; i++) {
    if (name_of(p, i)) add_cell(text, name_of(p, i));
    else cy_text_add(text, "%" PRId64, i + 1);
    if (p->labels) {
      int64_t c = cy_tensor_i64(p->labels)[i];
      cy_text_add(text, ",");
      add_cell(text, cy_trained_class_name(p->trained, c));
      cy_text_add(text, ",%.7g", output_at(p, i, c));
    }
    for (int64_t k = 0; k < p->width; k++) cy_text_add(text, ",%.7g", output_at(p, i, k));
    cy_text_add(text, "\n");
  }
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *row_object(const prediction *p, int64_t i) {
  json_t *object = json_object(), *values = p->labels ? json_object() : json_array();
  if (name_of(p, i)) json_object_set_new(object, p->row, json_string(name_of(p, i)));
  else json_object_set_new(object, "row", json_integer(i + 1));
  for (int64_t k = 0; k < p->width; k++) {
    if (p->labels) json_object_set_new(values, cy_trained_class_name(p->trained, k), number(output_at(p, i, k)));
    else json_array_append_new(values, number(output_at(p, i, k)));
  }
  if (p->labels) {
    int64_t c = cy_tensor_i64(p->labels)[i];
    json_object_set_new(object, "class", json_string(cy_trained_class_name(p->trained, c)));
    json_object_set_new(object, "probability", number(output_at(p, i, c)));
  }
  json_object_set_new(object, p->labels ? "probabilities" : "values", values);
  return object;
}

static void add_json(const prediction *p, cy_text *text) {
  for (int64_t i = 0; i < p->rows; i++) {
    json_t *object = row_object(p, i);
    char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(7));
    if (line) cy_text_add(text, "%s\n", line);
    else text->failed = true;
    free(line);
    json_decref(object);
  }
}

/* ---- where to ---- */

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

static cy_status check_out(const char *out, bool json) {
  if (!out) return CY_OK;
  if (ends_with(out, ".jsonl") || ends_with(out, ".json")) return CY_OK;
  if (json) return cy_fail(CY_INVALID, "--out %s: with --json the file's name ends in .jsonl", out);
  if (ends_with(out, ".csv") || ends_with(out, ".npy")) return CY_OK;
  return cy_fail(CY_INVALID, "--out %s: the file's name must end in .csv, .jsonl or .npy", out);
}

static cy_status write_out(const prediction *p, const char *out, bool json) {
  cy_text text = {0};
  if (out && ends_with(out, ".npy")) return cy_npy_save(p->outputs, out);
  if (json || (out && !ends_with(out, ".csv"))) add_json(p, &text);
  else if (out) add_csv(p, &text);
  else add_table(p, &text);
  char *lines = cy_text_take(&text);
  if (!lines) return cy_no_memory();
  cy_status status = CY_OK;
  if (out) status = cy_file_write(lines, strlen(lines), out);
  else fputs(lines, stdout);
  cy_free(lines);
  return status;
}

static cy_status predict_pictures(const cli_arguments *a, prediction *p) {
  cy_image_options options;
  bool classes = cy_trained_classes(p->trained) > 0;
  for (int i = 1; i < a->n_words; i++)
    if (!cli_are_pictures(a->words[i]))
      return cy_fail(CY_INVALID, "%s: is no picture; several files are only taken of pictures (PNG, JPEG)",
                     a->words[i]);
  p->row = "file";
  CY_TRY(cli_picture_options(p->trained, cli_option_value(a, "--fit"), &options));
  CY_TRY(cli_find_pictures(a->words + 1, a->n_words - 1, &p->names));
  return cli_predict_pictures(p->trained, options, &p->names, &p->outputs, classes ? &p->labels : NULL);
}

static cy_status name_windows(prediction *p, const cy_dataset *windows) {
  cli_pictures *names = &p->names;
  p->row = "window";
  for (int64_t i = 0; i < cy_dataset_count(windows); i++) {
    if (!cy_grow(&names->paths, names->count, &names->capacity, sizeof *names->paths)) return cy_no_memory();
    CY_TRY(cy_dataset_window_text(windows, i, &names->paths[names->count]));
    names->count++;
  }
  if (cy_dataset_windows_left_out(windows))
    fprintf(stderr, "cauchy: note: no prediction for %lld windows: values are missing\n",
            (long long)cy_dataset_windows_left_out(windows));
  return CY_OK;
}

static cy_status predict_rows(const cli_arguments *a, prediction *p) {
  bool classes = cy_trained_classes(p->trained) > 0;
  cy_dataset *windows;
  if (a->n_words > 2) return cy_fail(CY_INVALID, "the model takes one table, folder or pattern at a time");
  CY_TRY(cli_read_inputs(p->trained, a->words[1], cli_option_value(a, "--fit"), &p->inputs, &windows));
  cy_status status = windows ? name_windows(p, windows) : CY_OK;
  cy_dataset_free(windows);
  CY_TRY(status);
  return cy_trained_predict(p->trained, p->inputs, &p->outputs, classes ? &p->labels : NULL);
}

/* Each by its name, as in the table or of its file. */
static cy_status name_sequences(prediction *p, const cy_dataset *sequences) {
  cli_pictures *names = &p->names;
  bool files = cy_dataset_sequence_name(sequences, 0) && !cy_dataset_sequence_column(sequences);
  p->row = files ? "file" : "sequence";
  for (int64_t i = 0; i < cy_dataset_count(sequences); i++) {
    const char *name = cy_dataset_sequence_name(sequences, i);
    if (!cy_grow(&names->paths, names->count, &names->capacity, sizeof *names->paths)) return cy_no_memory();
    cy_text number = {0};
    if (!name) cy_text_add(&number, "%" PRId64, i + 1);
    if (!(names->paths[names->count] = name ? cy_strdup(name) : cy_text_take(&number))) return cy_no_memory();
    names->count++;
  }
  return CY_OK;
}

/* A row for each step up to each sequence's end, called "w7:1". */
static cy_status name_steps(prediction *p, const cy_dataset *d) {
  cli_pictures *names = &p->names;
  p->row = "step";
  for (int64_t i = 0; i < cy_dataset_count(d); i++)
    for (int64_t t = 0; t < cy_dataset_steps(d, i); t++) {
      cy_text text = {0};
      if (cy_dataset_sequence_name(d, i)) cy_text_add(&text, "%s", cy_dataset_sequence_name(d, i));
      else cy_text_add(&text, "%" PRId64, i + 1);
      cy_text_add(&text, ":%" PRId64, t + 1);
      if (!cy_grow(&names->paths, names->count, &names->capacity, sizeof *names->paths)) return cy_no_memory();
      if (!(names->paths[names->count] = cy_text_take(&text))) return cy_no_memory();
      names->count++;
    }
  return CY_OK;
}

/* Outputs [n, classes, steps] and labels [n, steps] to rows of them. */
static cy_status lay_out_steps(prediction *p, const cy_dataset *d) {
  cy_tensor *outputs, *labels = NULL;
  cy_shape s = cy_tensor_shape(p->outputs);
  CY_TRY(name_steps(p, d));
  CY_TRY(cy_tensor_create(cy_tensor_dtype(p->outputs), CY_SHAPE((int64_t)p->names.count, s.dim[1]), &outputs));
  cy_status status = cy_tensor_create(CY_I64, CY_SHAPE((int64_t)p->names.count), &labels);
  for (int64_t i = 0, row = 0; status == CY_OK && i < s.dim[0]; i++)
    for (int64_t t = 0; t < cy_dataset_steps(d, i); t++, row++) {
      for (int64_t k = 0; k < s.dim[1]; k++)
        cy_tensor_set(outputs, row * s.dim[1] + k, cy_tensor_at(p->outputs, (i * s.dim[1] + k) * s.dim[2] + t));
      cy_tensor_i64(labels)[row] = cy_tensor_i64(p->labels)[i * s.dim[2] + t];
    }
  cy_tensor_free(p->outputs);
  cy_tensor_free(p->labels);
  p->outputs = outputs;
  p->labels = labels;
  return status;
}

static cy_status predict_sequences(const cli_arguments *a, prediction *p) {
  bool classes = cy_trained_classes(p->trained) > 0;
  cy_dataset *sequences;
  if (a->n_words > 2) return cy_fail(CY_INVALID, "the model takes one table, file or folder at a time");
  CY_TRY(cli_read_sequences(p->trained, a->words[1], &sequences));
  cy_status status =
      cy_trained_predict_sequences(p->trained, sequences, &p->outputs, classes ? &p->labels : NULL);
  bool steps = status == CY_OK && cy_trained_metadata(p->trained, "dataset.each_step") != NULL;
  if (status == CY_OK) status = steps ? lay_out_steps(p, sequences) : name_sequences(p, sequences);
  cy_dataset_free(sequences);
  return status;
}

/* ---- the character after a text ---- */

enum { LARGEST_TEXT = 1 << 28 };

static cy_status read_standard_input(char **text, size_t *length) {
  size_t capacity = 0, n = 1;
  for (; n > 0; *length += n) {
    if (*length == capacity) {
      char *grown = cy_realloc(*text, capacity = 2 * capacity + 4096, 1);
      if (!grown) return cy_no_memory();
      *text = grown;
    }
    n = fread(*text + *length, 1, capacity - *length, stdin);
  }
  return ferror(stdin) ? cy_fail(CY_IO, "standard input could not be read") : CY_OK;
}

/* log p to p, as the one row of outputs. */
static cy_status take_probabilities(prediction *p, const double *scores) {
  int64_t classes = cy_trained_classes(p->trained), best = 0;
  double sum = 0;
  CY_TRY(cy_tensor_create(CY_F64, CY_SHAPE(1, classes), &p->outputs));
  CY_TRY(cy_tensor_create(CY_I64, CY_SHAPE(1), &p->labels));
  for (int64_t k = 1; k < classes; k++) best = scores[k] > scores[best] ? k : best;
  for (int64_t k = 0; k < classes; k++) sum += exp(scores[k] - scores[best]);
  for (int64_t k = 0; k < classes; k++) cy_tensor_f64(p->outputs)[k] = exp(scores[k] - scores[best]) / sum;
  cy_tensor_i64(p->labels)[0] = best;
  return CY_OK;
}

static cy_status predict_next(prediction *p, const char *path, const char *what, const char *text, size_t length) {
  cli_characters known = {0};
  cy_generator *generator = NULL;
  int64_t *numbers = NULL;
  size_t n = 0;
  cy_status status = cli_characters_of(p->trained, path, &known);
  if (status == CY_OK) status = cli_characters_read(&known, what, text, length, &numbers, &n);
  if (status == CY_OK && n == 0) status = cy_fail(CY_INVALID, "%s is empty: there is nothing to go on from", what);
  if (status == CY_OK) status = cy_generator_create(p->trained, &generator);
  for (size_t i = 0; status == CY_OK && i < n; i++) status = cy_generator_feed(generator, numbers[i]);
  if (status == CY_OK) status = take_probabilities(p, cy_generator_scores(generator));
  cy_generator_free(generator);
  cli_characters_clear(&known);
  cy_free(numbers);
  return status;
}

static cy_status predict_text(const cli_arguments *a, prediction *p, const char *path) {
  const char *word = a->words[1];
  bool standard = strcmp(word, "-") == 0;
  char *text = NULL;
  size_t length = 0;
  if (a->n_words > 2) return cy_fail(CY_INVALID, "the model takes one text at a time");
  cy_status status = standard ? read_standard_input(&text, &length) : cy_file_read(word, LARGEST_TEXT, &text, &length);
  if (status == CY_OK) status = predict_next(p, path, standard ? "standard input" : word, text, length);
  cy_free(text);
  return status;
}

static cy_status run(const cli_arguments *a, prediction *p, const char *path) {
  int threads = 0;
  char count[CLI_NUMBER_SIZE];
  const char *out = cli_option_value(a, "--out");
  bool json = cli_option_value(a, "--json") != NULL;
  CY_TRY(check_out(out, json));
  CY_TRY(cli_option_number(a, "--threads", 1, 4096, &threads));
  CY_TRY(cy_trained_load(path, threads, NULL, &p->trained));
  bool pictures = !cli_takes_windows(p->trained) && (a->n_words > 2 || cli_are_pictures(a->words[1]));
  bool sequences = cli_takes_sequences(p->trained);
  bool text = cy_trained_metadata(p->trained, "dataset.vocabulary") != NULL;
  if (text) CY_TRY(predict_text(a, p, path));
  else if (sequences) CY_TRY(predict_sequences(a, p));
  else CY_TRY(pictures ? predict_pictures(a, p) : predict_rows(a, p));
  p->rows = cy_tensor_shape(p->outputs).dim[0];
  p->width = p->rows > 0 ? cy_tensor_count(p->outputs) / p->rows : 0;
  CY_TRY(write_out(p, out, json));
  if (out) printf("%s predictions are in %s\n", cli_count_text(p->rows, count), out);
  return CY_OK;
}

cy_status cli_predict(cli_arguments *a) {
  prediction p = {.row = "row"};
  char *path;
  CY_TRY(cli_model_path(a->words[0], CLI_MODEL_NAME, CLI_CHECKPOINT_NAME, &path));
  cy_status status = run(a, &p, path);
  cy_tensor_free(p.inputs);
  cy_tensor_free(p.outputs);
  cy_tensor_free(p.labels);
  cli_pictures_clear(&p.names);
  cy_trained_free(p.trained);
  cy_string_free(path);
  return status;
}
