/* Collecting the operations on windows between two values, and running the part of the graph once to have the numbers that
 * go into and come out of each. */
#include "analyze/steps.h"

#include "tensor/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- finding them ---- */

static bool kind_of(const cy_node *node, cy_step_kind *kind) {
  if (node->op == &cy_op_convolution) {
    int64_t role = ((const cy_window_attrs *)node->attrs)->role;
    *kind = role == CY_CONVOLUTION_Y ? CY_STEP_CONVOLUTION : CY_STEP_TRANSPOSED;
    return role != CY_CONVOLUTION_W;
  }
  *kind = node->op == &cy_op_window_sum ? CY_STEP_SUM : CY_STEP_MAX;
  return node->op == &cy_op_window_sum || node->op == &cy_op_window_argmax;
}

/* Which operand is the image, and which the kernel (-1: none). */
static int image_operand(cy_step_kind kind) { return kind == CY_STEP_TRANSPOSED ? 1 : 0; }
static int kernel_operand(cy_step_kind kind) {
  return kind == CY_STEP_CONVOLUTION ? 1 : kind == CY_STEP_TRANSPOSED ? 0 : -1;
}

static bool passes_flip(const cy_graph *graph, int32_t id) {
  for (const cy_node *node = cy_node_at(graph, id); node->n_inputs == 1; node = cy_node_at(graph, node->inputs[0]))
    if (node->op == &cy_op_flip) return true;
  return false;
}

static cy_status find_steps(cy_steps *s, cy_value x, cy_value y) {
  int32_t size = cy_graph_size(s->graph);
  bool *needed = cy_calloc(2 * (size_t)size, sizeof *needed), *moving = needed ? needed + size : NULL;
  cy_status status = needed ? CY_OK : cy_no_memory();
  if (status == CY_OK) cy_mark_needed(s->graph, 0, &y, 1, needed);
  for (int32_t id = 0; id < size && status == CY_OK; id++) {
    const cy_node *node = cy_node_at(s->graph, id);
    cy_step step = {.node = id, .scope = node->scope};
    moving[id] = id == x.id;
    for (int k = 0; k < node->n_inputs; k++) moving[id] = moving[id] || moving[node->inputs[k]];
    if (!moving[id] || !needed[id] || !kind_of(node, &step.kind)) continue;
    int kernel = kernel_operand(step.kind);
    if (!moving[node->inputs[image_operand(step.kind)]]) continue;
    step.windows = *(const cy_window_attrs *)node->attrs;
    step.flipped = kernel >= 0 && passes_flip(s->graph, node->inputs[kernel]);
    if (cy_grow(&s->steps, s->n, &s->capacity, sizeof *s->steps)) s->steps[s->n++] = step;
    else status = cy_no_memory();
  }
  cy_free(needed);
  if (status == CY_OK && s->n == 0)
    status = cy_fail(CY_INVALID, "there is no operation on windows (convolution, pooling) to show step by step");
  return status;
}

/* ---- their numbers ---- */

static cy_status keep(const cy_tensor *tensor, cy_tensor **copy) {
  CY_TRY(cy_tensor_create(CY_F64, cy_tensor_shape(tensor), copy));
  return cy_tensor_copy(tensor, *copy);
}

/* Maxima from their positions; a window of nothing but padding gives 0. */
static cy_status read_maxima(cy_step *step, const cy_tensor *index) {
  cy_shape in = cy_tensor_shape(step->from), out = cy_tensor_shape(index);
  int64_t plane = 1, windows = 1;
  for (int i = 2; i < in.rank; i++) {
    plane *= in.dim[i];
    windows *= out.dim[i];
  }
  CY_TRY(cy_tensor_create(CY_F64, out, &step->to));
  for (int64_t i = 0; i < cy_tensor_count(index); i++) {
    int64_t at = cy_tensor_i32(index)[i];
    cy_tensor_set(step->to, i, at < 0 ? 0 : cy_tensor_at(step->from, i / windows * plane + at));
  }
  return CY_OK;
}

enum { EACH = 3 }; /* outputs of the program per step: image, kernel, result */

static cy_status keep_numbers(cy_steps *s, const cy_session *session) {
  for (size_t i = 0; i < s->n; i++) {
    cy_step *step = &s->steps[i];
    const cy_tensor *result = cy_session_output(session, (int)(EACH * i + 2));
    CY_TRY(keep(cy_session_output(session, (int)(EACH * i)), &step->from));
    if (kernel_operand(step->kind) >= 0) CY_TRY(keep(cy_session_output(session, (int)(EACH * i + 1)), &step->kernel));
    CY_TRY(step->kind == CY_STEP_MAX ? read_maxima(step, result) : keep(result, &step->to));
  }
  return keep(cy_session_output(session, (int)(EACH * s->n)), &s->output);
}

static cy_status run(cy_steps *s, cy_value x_value, cy_value y, const cy_state *state, const cy_tensor *x) {
  cy_runner runner;
  cy_tensor *fed = NULL;
  cy_value *outputs = cy_calloc(EACH * s->n + 1, sizeof *outputs);
  if (!outputs) return cy_no_memory();
  for (size_t i = 0; i < s->n; i++) {
    const cy_node *node = cy_node_at(s->graph, s->steps[i].node);
    int kernel = kernel_operand(s->steps[i].kind);
    outputs[EACH * i] = cy_value_at(s->graph, node->inputs[image_operand(s->steps[i].kind)]);
    outputs[EACH * i + 1] = kernel >= 0 ? cy_value_at(s->graph, node->inputs[kernel]) : outputs[EACH * i];
    outputs[EACH * i + 2] = cy_value_at(s->graph, s->steps[i].node);
  }
  outputs[EACH * s->n] = y;
  cy_status status = cy_runner_open(&runner, outputs, (int)(EACH * s->n) + 1);
  if (status == CY_OK) {
    status = cy_tensor_create(cy_value_dtype(x_value), cy_value_shape(x_value), &fed);
    for (int64_t i = 0; status == CY_OK && i < cy_tensor_count(fed); i++) cy_tensor_set(fed, i, cy_tensor_at(x, i));
    if (status == CY_OK) status = cy_runner_bind(&runner, CY_OPERATOR_INPUT, fed);
    if (status == CY_OK) status = cy_session_bind_state(runner.session, state);
    if (status == CY_OK) status = cy_session_run(runner.session);
    if (status == CY_OK) status = keep_numbers(s, runner.session);
    cy_runner_close(&runner);
  }
  cy_tensor_free(fed);
  cy_free(outputs);
  return status;
}

static cy_status create(cy_steps *s, cy_value input, cy_value output, const cy_state *state, const cy_tensor *x) {
  cy_value from, to;
  char shape[CY_SHAPE_TEXT];
  CY_TRY(cy_cut_graph(input, output, &s->graph, &from, &to));
  CY_TRY(find_steps(s, from, to));
  cy_shape taken = cy_value_shape(from);
  if (taken.rank < 1 || taken.dim[0] != 1)
    return cy_fail(CY_INVALID, "the input is %s; it must hold one example, [1, ...]", cy_shape_text(taken, shape));
  if (cy_tensor_count(x) != cy_count(taken))
    return cy_fail(CY_INVALID, "the input is %s: %" PRId64 " numbers, not %" PRId64, cy_shape_text(taken, shape),
                   cy_count(taken), cy_tensor_count(x));
  return run(s, from, to, state, x);
}

cy_status cy_steps_create(cy_value input, cy_value output, const cy_state *state, const cy_tensor *x, cy_steps **steps) {
  cy_steps *s = *steps = cy_calloc(1, sizeof *s);
  if (!s) return cy_no_memory();
  cy_status status = create(s, input, output, state, x);
  if (status == CY_OK) return CY_OK;
  cy_steps_free(s);
  *steps = NULL;
  return status;
}

void cy_steps_free(cy_steps *steps) {
  if (!steps) return;
  for (size_t i = 0; i < steps->n; i++) {
    cy_tensor_free(steps->steps[i].from);
    cy_tensor_free(steps->steps[i].kernel);
    cy_tensor_free(steps->steps[i].to);
  }
  cy_tensor_free(steps->output);
  cy_graph_free(steps->graph);
  cy_free(steps->steps);
  cy_free(steps);
}

int cy_steps_count(const cy_steps *steps) { return (int)steps->n; }

const cy_tensor *cy_steps_result(const cy_steps *steps, int i) {
  if (i < 0 || (size_t)i > steps->n) return NULL;
  return (size_t)i == steps->n ? steps->output : steps->steps[i].to;
}

/* ---- reading ---- */

bool cy_step_read(const cy_step *step, int64_t channel, const int64_t *place, double *value) {
  cy_shape shape = cy_tensor_shape(step->from);
  int64_t at = channel;
  *value = 0;
  for (int i = 2; i < shape.rank; i++) {
    if (place[i - 2] < 0 || place[i - 2] >= shape.dim[i]) return false;
    at = at * shape.dim[i] + place[i - 2];
  }
  *value = cy_tensor_at(step->from, at);
  return true;
}

int64_t cy_step_group_channels(const cy_step *step) {
  return step->kernel ? cy_tensor_shape(step->kernel).dim[1] : 1;
}

int64_t cy_step_first_channel(const cy_step *step, int64_t o) {
  if (!step->kernel) return o;
  cy_shape w = cy_tensor_shape(step->kernel);
  return o / (w.dim[0] / step->windows.groups) * w.dim[1];
}

const char *cy_step_name(const cy_step *step, char buffer[CY_STEP_NAME]) {
  static const char *const kinds[] = {"convolution", "transposed convolution", "sum of windows", "maxima"};
  const char *end = strrchr(step->scope, '"'), *start = end;
  while (start && start > step->scope && start[-1] != '"') start--;
  if (start && start < end) snprintf(buffer, CY_STEP_NAME, "%.*s", (int)(end - start), start);
  else snprintf(buffer, CY_STEP_NAME, "%s", kinds[step->kind]);
  return buffer;
}

cy_shape cy_step_windows(const cy_step *step) {
  cy_shape small = cy_tensor_shape(step->kind == CY_STEP_TRANSPOSED ? step->from : step->to), windows = {0};
  for (int i = 2; i < small.rank; i++) windows.dim[windows.rank++] = small.dim[i];
  return windows;
}

cy_status cy_step_unit(const cy_step *step, cy_steps_options options, int64_t *unit) {
  char name[CY_STEP_NAME], shape[CY_SHAPE_TEXT];
  cy_shape windows = cy_step_windows(step);
  if (options.unit && options.n_unit != windows.rank)
    return cy_fail(CY_INVALID, "%s: a unit has %d coordinates here, not %d", cy_step_name(step, name), windows.rank,
                   options.n_unit);
  for (int i = 0; i < windows.rank; i++) {
    unit[i] = options.unit ? options.unit[i] : windows.dim[i] / 2;
    if (unit[i] < 0 || unit[i] >= windows.dim[i])
      return cy_fail(CY_INVALID, "%s: there is no unit %" PRId64 " along axis %d: the windows are %s, counted from 0",
                     cy_step_name(step, name), unit[i], i, cy_shape_text(windows, shape));
  }
  return CY_OK;
}
