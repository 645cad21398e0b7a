/* Numbers that people write: extents, and images and kernels as rows of numbers. */
#include "cli/matrix.h"
#include "cli/model_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

cy_status cli_position(const char *what, const char *text, cy_shape *position) {
  *position = (cy_shape){0};
  for (const char *at = text;;) {
    char *end;
    errno = 0;
    long long place = strtoll(at, &end, 10);
    if (errno || *at < '0' || *at > '9' || (*end && !strchr("x,", *end)) || position->rank == CY_MAX_SPACE)
      return cy_fail(CY_INVALID, "%s takes a position such as 2,4 (row and column, from 0), not \"%.60s\"", what, text);
    position->dim[position->rank++] = place;
    if (!*end) return CY_OK;
    at = end + 1;
  }
}

/* ---- written out ---- */

typedef struct reader {
  const char *what, *at;
  double *values;
  size_t n, capacity;
  int64_t rows, columns; /* complete rows; columns of the first */
} reader;

static bool is_gap(char c) { return c == ' ' || c == ',' || c == '\t' || c == '\n'; }

static cy_status read_number(reader *r) {
  char *end;
  double value = strtod(r->at, &end);
  if (end == r->at || !isfinite(value) || (*end && !is_gap(*end) && !strchr(";|", *end)))
    return cy_fail(CY_INVALID, "%s: \"%.20s\" is not a number, nor is there such a file", r->what, r->at);
  if (!cy_grow(&r->values, r->n, &r->capacity, sizeof *r->values)) return cy_no_memory();
  r->values[r->n++] = value;
  r->at = end;
  return CY_OK;
}

/* Up to the end of a row; a group's last row may be empty: "1 2; 3 4;". */
static cy_status read_row(reader *r) {
  size_t start = r->n;
  for (;;) {
    while (is_gap(*r->at)) r->at++;
    if (!*r->at || *r->at == ';' || *r->at == '|') break;
    CY_TRY(read_number(r));
  }
  int64_t count = (int64_t)(r->n - start);
  if (count == 0 && r->rows > 0 && *r->at != ';') return CY_OK;
  if (count == 0) return cy_fail(CY_INVALID, "%s: row %" PRId64 " holds no numbers", r->what, r->rows + 1);
  if (r->rows == 0) r->columns = count;
  if (count != r->columns)
    return cy_fail(CY_INVALID, "%s: row %" PRId64 " holds %" PRId64 " numbers, but row 1 holds %" PRId64, r->what,
                   r->rows + 1, count, r->columns);
  r->rows++;
  return CY_OK;
}

static cy_status read_group(reader *r, cli_numbers *numbers) {
  r->n = 0;
  r->rows = r->columns = 0;
  for (;; r->at++) {
    CY_TRY(read_row(r));
    if (*r->at != ';') break;
  }
  if (numbers->n == CLI_MAX_GROUPS) return cy_fail(CY_INVALID, "%s: more than %d groups", r->what, CLI_MAX_GROUPS);
  CY_TRY(cy_tensor_create(CY_F64, CY_SHAPE(r->rows, r->columns), &numbers->group[numbers->n]));
  memcpy(cy_tensor_data(numbers->group[numbers->n++]), r->values, r->n * sizeof *r->values);
  return CY_OK;
}

static cy_status read_written(const char *what, const char *text, cli_numbers *numbers) {
  reader r = {.what = what, .at = text};
  cy_status status = read_group(&r, numbers);
  for (; status == CY_OK && *r.at == '|'; status = read_group(&r, numbers)) r.at++;
  cy_free(r.values);
  return status;
}

/* ---- in files ---- */

static cy_status read_npy(const char *path, cli_numbers *numbers) {
  cy_tensor *raw;
  CY_TRY(cy_npy_load(path, &raw));
  cy_status status = cy_tensor_create(CY_F64, cy_tensor_shape(raw), &numbers->group[0]);
  if (status == CY_OK) numbers->n = 1;
  if (status == CY_OK) status = cy_tensor_copy(raw, numbers->group[0]);
  cy_tensor_free(raw);
  return status;
}

static cy_status read_csv(const char *path, cli_numbers *numbers) {
  cy_csv csv;
  CY_TRY(cy_csv_load(path, (cy_csv_options){0}, &csv));
  numbers->group[0] = csv.values;
  numbers->n = 1;
  csv.values = NULL;
  cy_csv_clear(&csv);
  return CY_OK;
}

cy_status cli_numbers_read(const char *what, const char *text, cli_numbers *numbers) {
  *numbers = (cli_numbers){0};
  cy_status status;
  if (cli_is_folder(text)) status = cy_fail(CY_INVALID, "%s: %s is a folder", what, text);
  else if (!cli_exists(text)) status = read_written(what, text, numbers);
  else status = strstr(text, ".npy") ? read_npy(text, numbers) : read_csv(text, numbers);
  if (status != CY_OK) cli_numbers_clear(numbers);
  return status;
}

void cli_numbers_clear(cli_numbers *numbers) {
  for (int i = 0; i < numbers->n; i++) cy_tensor_free(numbers->group[i]);
  numbers->n = 0;
}

/* [rows, columns] to [1, rows, columns], a single row to [1, columns]; [n] to [1, n]; others as they are. */
static cy_shape channel_shape(cy_shape shape) {
  if (shape.rank == 2 && shape.dim[0] == 1) return shape;
  if (shape.rank > 2) return shape;
  if (shape.rank == 2) return CY_SHAPE(1, shape.dim[0], shape.dim[1]);
  return CY_SHAPE(1, shape.rank == 1 ? shape.dim[0] : 1);
}

cy_status cli_numbers_image(const char *what, const cli_numbers *numbers, cy_tensor **image) {
  cy_shape first = cy_tensor_shape(numbers->group[0]), shape = channel_shape(first);
  int64_t each = cy_tensor_count(numbers->group[0]);
  *image = NULL;
  for (int i = 1; i < numbers->n; i++)
    if (!cy_shape_equal(cy_tensor_shape(numbers->group[i]), first))
      return cy_fail(CY_INVALID, "%s: channel %d differs in size from channel 1", what, i + 1);
  if (numbers->n > 1) shape.dim[0] = numbers->n;
  CY_TRY(cy_tensor_create(CY_F64, shape, image));
  for (int64_t i = 0; i < cy_tensor_count(*image); i++)
    cy_tensor_set(*image, i, cy_tensor_at(numbers->group[i / each], i % each));
  return CY_OK;
}
