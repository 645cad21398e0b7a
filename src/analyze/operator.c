/* The numbers of an operator: its matrix, line by line, its value at a point, and the comparison of the two. Derivatives of
 * linear maps are exact, so a line costs one run. */
#include "analyze/operator.h"

#include "base/random.h"
#include "compile/plan.h"
#include "tensor/tensor.h"

#include <cauchy/autodiff.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- running ---- */

cy_status cy_runner_open(cy_runner *runner, const cy_value *outputs, int n) {
  *runner = (cy_runner){0};
  cy_status status = cy_compile(outputs, n, NULL, 0, (cy_program_options){.threads = 1}, &runner->program);
  if (status == CY_OK) status = cy_session_create(runner->program, &runner->session);
  if (status != CY_OK) cy_runner_close(runner);
  return status;
}

void cy_runner_close(cy_runner *runner) {
  cy_session_free(runner->session);
  cy_program_free(runner->program);
  *runner = (cy_runner){0};
}

bool cy_runner_wants(const cy_runner *runner, const char *name) {
  for (int i = 0; i < runner->program->n_bindings; i++)
    if (strcmp(runner->program->bindings[i].name, name) == 0) return true;
  return false;
}

cy_status cy_runner_bind(cy_runner *runner, const char *name, cy_tensor *tensor) {
  return cy_runner_wants(runner, name) ? cy_session_bind(runner->session, name, tensor) : CY_OK;
}

/* ---- lines of a linear function of dx ---- */

static cy_status make_line(cy_lines *lines, const cy_operator *op, cy_value tangent) {
  cy_value line = tangent;
  cy_shape shape = cy_value_shape(op->x);
  if (!lines->columns) {
    shape = cy_value_shape(op->y);
    cy_value cotangent = cy_input(op->graph, "operator codirection", cy_value_dtype(op->y), shape);
    CY_TRY(cy_graph_status(op->graph));
    CY_TRY(cy_vjp(&tangent, &cotangent, 1, &op->dx, 1, &line));
  }
  CY_TRY(cy_tensor_create(cy_value_dtype(op->x), shape, &lines->probe));
  CY_TRY(cy_runner_open(&lines->runner, &line, 1));
  return cy_runner_bind(&lines->runner, lines->columns ? "operator direction" : "operator codirection", lines->probe);
}

cy_status cy_lines_open(cy_lines *lines, const cy_operator *op, cy_value tangent) {
  int64_t rows = cy_operator_rows(op), columns = cy_operator_columns(op);
  *lines = (cy_lines){.columns = columns <= rows};
  lines->count = lines->columns ? columns : rows;
  lines->length = lines->columns ? rows : columns;
  cy_status status = make_line(lines, op, tangent);
  if (status != CY_OK) cy_lines_close(lines);
  return status;
}

void cy_lines_close(cy_lines *lines) {
  cy_runner_close(&lines->runner);
  cy_tensor_free(lines->probe);
  lines->probe = NULL;
}

cy_status cy_lines_run(cy_lines *lines, int64_t k, const cy_tensor **line) {
  cy_tensor_set(lines->probe, k, 1);
  cy_status status = cy_session_run(lines->runner.session);
  cy_tensor_set(lines->probe, k, 0);
  *line = status == CY_OK ? cy_session_output(lines->runner.session, 0) : NULL;
  return status;
}

/* ---- the matrix ---- */

static cy_status check_size(int64_t rows, int64_t columns) {
  int64_t count;
  if (!cy_mul_i64(rows, columns, &count) || count > CY_OPERATOR_MOST_ELEMENTS)
    return cy_fail(CY_INVALID, "the matrix is %" PRId64 " x %" PRId64 ": more than %d numbers; use a smaller input", rows,
                   columns, CY_OPERATOR_MOST_ELEMENTS);
  return CY_OK;
}

static cy_status fill(cy_lines *lines, cy_tensor *matrix) {
  const cy_tensor *line;
  double *to = cy_tensor_f64(matrix);
  for (int64_t k = 0; k < lines->count; k++) {
    CY_TRY(cy_lines_run(lines, k, &line));
    for (int64_t i = 0; i < lines->length; i++)
      to[lines->columns ? i * lines->count + k : k * lines->length + i] = cy_tensor_at(line, i);
  }
  return CY_OK;
}

cy_status cy_operator_matrix(const cy_operator *op, const cy_state *state, cy_tensor **matrix) {
  int64_t rows = cy_operator_rows(op), columns = cy_operator_columns(op);
  cy_lines lines;
  *matrix = NULL;
  CY_TRY(check_size(rows, columns));
  CY_TRY(cy_tensor_create(CY_F64, CY_SHAPE(rows, columns), matrix));
  if (!cy_is_value(op->dy) || rows == 0 || columns == 0) return CY_OK; /* a constant function */
  cy_status status = cy_lines_open(&lines, op, op->dy);
  if (status == CY_OK) {
    status = cy_session_bind_state(lines.runner.session, state);
    if (status == CY_OK) status = fill(&lines, *matrix);
    cy_lines_close(&lines);
  }
  if (status == CY_OK) return CY_OK;
  cy_tensor_free(*matrix);
  *matrix = NULL;
  return status;
}

/* ---- the layers themselves ---- */

typedef struct map {
  cy_runner runner;
  cy_tensor *x;
} map;

static void map_close(map *m) {
  cy_runner_close(&m->runner);
  cy_tensor_free(m->x);
}

static cy_status map_open(map *m, const cy_operator *op, const cy_state *state) {
  *m = (map){0};
  cy_status status = cy_tensor_create(cy_value_dtype(op->x), cy_value_shape(op->x), &m->x);
  if (status == CY_OK) status = cy_runner_open(&m->runner, &op->y, 1);
  if (status == CY_OK) status = cy_runner_bind(&m->runner, CY_OPERATOR_INPUT, m->x);
  if (status == CY_OK) status = cy_session_bind_state(m->runner.session, state);
  if (status != CY_OK) map_close(m);
  return status;
}

cy_status cy_operator_apply(const cy_operator *op, const cy_state *state, const cy_tensor *x, cy_tensor **y) {
  map m;
  *y = NULL;
  if (cy_tensor_count(x) != cy_operator_columns(op))
    return cy_fail(CY_INVALID, "the layer takes %" PRId64 " numbers, not %" PRId64, cy_operator_columns(op),
                   cy_tensor_count(x));
  CY_TRY(map_open(&m, op, state));
  for (int64_t i = 0; i < cy_tensor_count(x); i++) cy_tensor_set(m.x, i, cy_tensor_at(x, i));
  cy_status status = cy_session_run(m.runner.session);
  if (status == CY_OK) status = cy_tensor_create(CY_F64, cy_operator_output_shape(op), y);
  for (int64_t i = 0; status == CY_OK && i < cy_tensor_count(*y); i++)
    cy_tensor_set(*y, i, cy_tensor_at(cy_session_output(m.runner.session, 0), i));
  map_close(&m);
  return status;
}

/* ---- the comparison ---- */

static double row_times(const double *row, const double *x, int64_t columns) {
  double sum = 0;
  for (int64_t j = 0; j < columns; j++) sum += row[j] * x[j];
  return sum;
}

/* At a random x, which is also kept in f64. */
static cy_status compare_at(map *m, cy_rng *rng, const cy_tensor *matrix, const double *offset, double *x,
                            cy_operator_difference *d) {
  int64_t rows = cy_tensor_shape(matrix).dim[0], columns = cy_tensor_shape(matrix).dim[1];
  const double *entries = cy_tensor_f64(matrix);
  for (int64_t j = 0; j < columns; j++) {
    cy_tensor_set(m->x, j, cy_rng_normal(rng));
    x[j] = cy_tensor_at(m->x, j);
  }
  CY_TRY(cy_session_run(m->runner.session));
  const cy_tensor *y = cy_session_output(m->runner.session, 0);
  for (int64_t i = 0; i < rows; i++) {
    double value = cy_tensor_at(y, i), difference = fabs(row_times(entries + i * columns, x, columns) + offset[i] - value);
    if (difference > d->largest || isnan(difference)) d->largest = difference;
    if (isnan(difference)) return CY_OK;
    if (fabs(value) > d->magnitude) d->magnitude = fabs(value);
  }
  return CY_OK;
}

cy_status cy_operator_compare(const cy_operator *op, const cy_state *state, const cy_tensor *matrix, int samples,
                              uint64_t seed, cy_operator_difference *difference) {
  map m;
  int64_t rows = cy_operator_rows(op), columns = cy_operator_columns(op);
  *difference = (cy_operator_difference){0};
  if (!cy_shape_equal(cy_tensor_shape(matrix), CY_SHAPE(rows, columns)) || cy_tensor_dtype(matrix) != CY_F64)
    return cy_fail(CY_INVALID, "the matrix is not the operator's: f64 of %" PRId64 " x %" PRId64, rows, columns);
  double *offset = cy_calloc((size_t)rows + (size_t)columns, sizeof *offset);
  if (!offset) return cy_no_memory();
  cy_status status = map_open(&m, op, state);
  if (status == CY_OK) {
    cy_rng rng = cy_rng_make(seed, 0);
    status = cy_session_run(m.runner.session); /* f(0) */
    for (int64_t i = 0; status == CY_OK && i < rows; i++)
      offset[i] = cy_tensor_at(cy_session_output(m.runner.session, 0), i);
    for (int s = 0; s < samples && status == CY_OK; s++)
      status = compare_at(&m, &rng, matrix, offset, offset + rows, difference);
    map_close(&m);
  }
  cy_free(offset);
  return status;
}
