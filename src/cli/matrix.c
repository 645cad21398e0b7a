/* `cauchy matrix`: a layer as a linear operator, in symbols, in numbers and as a picture; and its windows step by step. */
#include "cli/matrix.h"
#include "cli/model_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 256, MOST_COLUMNS = 64, CHECK_SAMPLES = 8, MOST_WINDOWS = 1000000 };

/* What is made of one operator, each when it is first wanted. */
typedef struct work {
  cli_arguments *a;
  cli_linear *linear;
  cy_operator *op;
  cy_operator_terms *terms;
  cy_tensor *matrix;
} work;

static bool wants(const work *w, const char *option) { return cli_option_value(w->a, option) != NULL; }

static cy_status need_matrix(work *w) {
  return w->matrix ? CY_OK : cy_operator_matrix(w->op, w->linear->state, &w->matrix);
}
static cy_status need_terms(work *w) {
  return w->terms ? CY_OK : cy_operator_terms_create(w->op, w->linear->state, &w->terms);
}

/* ---- what it is ---- */

static int64_t filled_entries(const work *w) {
  int64_t filled = 0;
  for (int64_t i = 0; w->terms && i < w->terms->count; i++) {
    const cy_operator_term *t = &w->terms->terms[i];
    filled += i == 0 || t->row != t[-1].row || t->column != t[-1].column;
  }
  for (int64_t i = 0; !w->terms && i < cy_tensor_count(w->matrix); i++) filled += cy_tensor_f64(w->matrix)[i] != 0;
  return filled;
}

static cy_status print_symbols(const work *w) {
  for (int i = 0; w->terms && i < w->terms->n_symbols; i++) {
    char *text;
    CY_TRY(cy_operator_symbol_text(&w->terms->symbols[i], &text));
    printf("%s\n", text);
    cy_string_free(text);
  }
  return CY_OK;
}

static cy_status print_summary(const work *w) {
  char in[CLI_SHAPE_SIZE], out[CLI_SHAPE_SIZE];
  int64_t rows = cy_operator_rows(w->op), columns = cy_operator_columns(w->op);
  printf("%s: %s to %s\n", w->linear->title, cli_shape_text(cy_operator_input_shape(w->op), in),
         cli_shape_text(cy_operator_output_shape(w->op), out));
  printf("%" PRId64 " rows (outputs) x %" PRId64 " columns (inputs), both in row-major order; %" PRId64 " of %" PRId64
         " entries are not zero\n", rows, columns, filled_entries(w), rows * columns);
  for (int i = 0; cy_operator_left_aside(w->op, i); i++)
    printf("%s%s", i ? ", " : "left aside, as it only adds f(0): ", cy_operator_left_aside(w->op, i));
  if (cy_operator_left_aside(w->op, 0)) printf("\n");
  return print_symbols(w);
}

/* ---- what is asked for ---- */

static bool is_printable(const work *w) {
  return cy_operator_rows(w->op) <= MOST_ROWS && cy_operator_columns(w->op) <= MOST_COLUMNS;
}

static cy_status check_printable(const work *w) {
  int64_t rows = cy_operator_rows(w->op), columns = cy_operator_columns(w->op);
  if (is_printable(w)) return CY_OK;
  return cy_fail(CY_INVALID, "the matrix is %" PRId64 " x %" PRId64 ", too large to print (%d x %d): --npy FILE writes its "
                 "numbers, --picture FILE draws it", rows, columns, MOST_ROWS, MOST_COLUMNS);
}

static cy_status print_matrix(work *w) {
  char *text;
  bool numbers = wants(w, "--dense"), latex = wants(w, "--latex");
  CY_TRY(check_printable(w));
  CY_TRY(numbers ? need_matrix(w) : need_terms(w));
  if (!latex) CY_TRY(print_summary(w));
  if (numbers)
    CY_TRY((latex ? cy_operator_numbers_latex : cy_operator_numbers_text)(w->op, w->matrix, &text));
  else CY_TRY((latex ? cy_operator_latex : cy_operator_text)(w->terms, &text));
  printf("%s%s", latex ? "" : "\n", text);
  cy_string_free(text);
  return CY_OK;
}

static cy_status write_npy(work *w, const char *path) {
  CY_TRY(need_matrix(w));
  CY_TRY(cy_npy_save(w->matrix, path));
  if (!wants(w, "--latex")) printf("written to %s: f64 [%" PRId64 ", %" PRId64 "]\n", path, cy_operator_rows(w->op),
                                   cy_operator_columns(w->op));
  return CY_OK;
}

static cy_status check_multiplication(work *w) {
  cy_operator_difference d;
  CY_TRY(need_matrix(w));
  CY_TRY(cy_operator_compare(w->op, w->linear->state, w->matrix, CHECK_SAMPLES, 1, &d));
  bool good = d.largest <= 1e-10 * fmax(1, d.magnitude);
  printf("check: multiplying by the matrix %s running the layer: largest difference %.2g where |f(x)| <= %.3g, over %d "
         "random x\n", good ? "equals" : "DIFFERS from", d.largest, d.magnitude, CHECK_SAMPLES);
  if (!good) w->a->exit_code = CLI_EXIT_CHECK_FAILED;
  return CY_OK;
}

/* --picture FILE.png or FILE.svg. */
static cy_status picture_paths(const char *path, const char **png, const char **svg) {
  size_t n = strlen(path);
  *png = n > 4 && strcmp(path + n - 4, ".png") == 0 ? path : NULL;
  *svg = n > 4 && strcmp(path + n - 4, ".svg") == 0 ? path : NULL;
  return *png || *svg ? CY_OK : cy_fail(CY_INVALID, "--picture: %s must end in .png or .svg", path);
}

/* Colours by weight; by number where there are too many weights for symbols, or numbers are asked for. */
static cy_status prepare_picture_or_numbers(work *w, bool picture) {
  if (picture && !wants(w, "--dense") && need_terms(w) == CY_OK) return CY_OK;
  return need_matrix(w);
}

static cy_status draw(work *w, const char *path) {
  const char *png, *svg;
  CY_TRY(picture_paths(path, &png, &svg));
  CY_TRY(prepare_picture_or_numbers(w, true));
  CY_TRY(cy_operator_plot(w->op, w->terms, w->matrix, w->linear->title, png, svg));
  if (!wants(w, "--latex")) printf("drawn in %s\n", path);
  return CY_OK;
}

static cy_status show_operator(work *w) {
  const char *npy = cli_option_value(w->a, "--npy"), *picture = cli_option_value(w->a, "--picture");
  CY_TRY(cy_operator_create(w->linear->input, w->linear->output, &w->op));
  bool drawn_only = picture && !is_printable(w); /* --dense then speaks of the picture */
  bool print = wants(w, "--latex") || (wants(w, "--dense") && !drawn_only) || (!npy && !picture && !wants(w, "--check"));
  if (print) CY_TRY(print_matrix(w));
  else CY_TRY(prepare_picture_or_numbers(w, picture != NULL));
  if (!print) CY_TRY(print_summary(w));
  if (npy) CY_TRY(write_npy(w, npy));
  if (picture) CY_TRY(draw(w, picture));
  return wants(w, "--check") ? check_multiplication(w) : CY_OK;
}

/* ---- step by step ---- */

static cy_status steps_options(const cli_arguments *a, cy_shape *unit, cy_steps_options *options) {
  int limit = 0;
  const char *text = cli_option_value(a, "--unit");
  CY_TRY(cli_option_number(a, "--limit", 1, MOST_WINDOWS, &limit));
  options->limit = limit;
  if (!text) return CY_OK;
  CY_TRY(cli_position("--unit", text, unit));
  options->unit = unit->dim;
  options->n_unit = unit->rank;
  return CY_OK;
}

static cy_status print_steps(const cy_steps *steps, cy_steps_options options, const char *title) {
  char *text;
  CY_TRY(cy_steps_text(steps, options, &text));
  printf("%s\n\n%s", title, text);
  cy_string_free(text);
  return CY_OK;
}

static cy_status show_steps(const cli_arguments *a, const cli_linear *l, const cy_tensor *values) {
  const char *picture = cli_option_value(a, "--picture"), *png = NULL, *svg = NULL;
  cy_steps_options options = {.no_values = !values};
  cy_shape unit;
  cy_steps *steps;
  cy_tensor *zeros = NULL;
  if (!values && !picture) return cy_fail(CY_INVALID, "--step needs numbers to work on: --values '1 2 3; 4 5 6; 7 8 9'");
  if (picture) CY_TRY(picture_paths(picture, &png, &svg));
  CY_TRY(steps_options(a, &unit, &options));
  if (!values) CY_TRY(cy_tensor_create(CY_F64, cy_value_shape(l->input), &zeros));
  cy_status status = cy_steps_create(l->input, l->output, l->state, values ? values : zeros, &steps);
  cy_tensor_free(zeros);
  CY_TRY(status);
  if (values) status = print_steps(steps, options, l->title);
  if (status == CY_OK && picture) status = cy_steps_plot(steps, options, l->title, png, svg);
  if (status == CY_OK && picture) printf("%sdrawn in %s\n", values ? "\n" : "", picture);
  cy_steps_free(steps);
  return status;
}

/* ---- the verb ---- */

static cy_status check_combinations(const cli_arguments *a) {
  const char *picture = cli_option_value(a, "--picture"), *png, *svg;
  static const char *const matrix_only[] = {"--latex", "--dense", "--npy", "--check"};
  static const char *const step_only[] = {"--values", "--unit", "--limit"};
  bool step = cli_option_value(a, "--step") != NULL;
  for (size_t i = 0; i < sizeof matrix_only / sizeof *matrix_only; i++)
    if (step && cli_option_value(a, matrix_only[i]))
      return cy_fail(CY_INVALID, "%s is for the matrix; with --step there is none", matrix_only[i]);
  for (size_t i = 0; i < sizeof step_only / sizeof *step_only; i++)
    if (!step && cli_option_value(a, step_only[i])) return cy_fail(CY_INVALID, "%s goes with --step", step_only[i]);
  return picture ? picture_paths(picture, &png, &svg) : CY_OK; /* before anything is computed */
}

static cy_status read_values(const cli_arguments *a, cy_tensor **values) {
  const char *text = cli_option_value(a, "--values");
  cli_numbers numbers;
  if (!text) return CY_OK;
  CY_TRY(cli_numbers_read("--values", text, &numbers));
  cy_status status = cli_numbers_image("--values", &numbers, values);
  cli_numbers_clear(&numbers);
  return status;
}

static cy_status read_seed(const cli_arguments *a, uint64_t *seed) {
  int number = 1;
  CY_TRY(cli_option_number(a, "--seed", 0, INT32_MAX, &number));
  *seed = (uint64_t)number;
  return CY_OK;
}

static cy_status show(cli_arguments *a, cli_linear *l, const cy_tensor *values) {
  work w = {.a = a, .linear = l};
  if (cli_option_value(a, "--step")) return show_steps(a, l, values);
  cy_status status = show_operator(&w);
  cy_operator_terms_free(w.terms);
  cy_tensor_free(w.matrix);
  cy_operator_free(w.op);
  return status;
}

cy_status cli_matrix(cli_arguments *a) {
  const char *weights = cli_option_value(a, "--weights");
  char shape[CLI_SHAPE_SIZE];
  cy_tensor *values = NULL;
  cli_numbers numbers = {0};
  cli_linear linear;
  cli_linear_options options = {.word = a->words[0], .layer = cli_option_value(a, "--layer"),
                                .input = cli_option_value(a, "--input"), .weights = weights ? &numbers : NULL};
  CY_TRY(check_combinations(a));
  CY_TRY(read_seed(a, &options.seed));
  CY_TRY(read_values(a, &values));
  if (values && !options.input && !options.layer) options.input = cli_shape_text(cy_tensor_shape(values), shape);
  cy_status status = weights ? cli_numbers_read("--weights", weights, &numbers) : CY_OK;
  if (status == CY_OK) status = cli_linear_open(&options, &linear);
  if (status == CY_OK) {
    status = show(a, &linear, values);
    cli_linear_close(&linear);
  }
  cli_numbers_clear(&numbers);
  cy_tensor_free(values);
  return status;
}
