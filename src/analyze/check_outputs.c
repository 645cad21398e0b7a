/* Checks of what ends a network: softmax does not change when a constant is added to all logits (coursework A1.3), and the
 * loss stays finite with a finite gradient at extreme outputs (A1.4). Small graphs of their own; the logits are the
 * network's, and numbers whose loss is known. */
#include "analyze/check.h"

#include "tensor/tensor.h"
#include "train/losses.h"

#include <cauchy/autodiff.h>
#include <cauchy/ops.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- softmax(x + c) = softmax(x) ---- */

static const double shifts[] = {1, -100, 1e4};
enum { SHIFTS = sizeof shifts / sizeof *shifts, SHIFT_ROWS = 2 };
static const char *const shift_rows[SHIFT_ROWS] = {"log_softmax", "softmax"};

/* Outputs: the largest difference over all elements, per shift and row. */
static cy_status build_shifts(cy_graph *graph, cy_shape shape, cy_value *outputs) {
  cy_value (*const softmax[SHIFT_ROWS])(cy_value a, int axis) = {cy_log_softmax, cy_softmax};
  cy_value x = cy_input(graph, "logits", CY_F64, shape);
  for (int r = 0; r < SHIFT_ROWS; r++)
    for (int i = 0; i < SHIFTS; i++) {
      cy_value c = cy_input(graph, "shift", CY_F64, CY_SHAPE(SHIFTS));
      cy_value moved = cy_add(x, cy_reshape(cy_slice_axis(c, 0, i, i + 1), CY_SCALAR));
      cy_value difference = cy_sub(softmax[r](moved, 1), softmax[r](x, 1));
      outputs[r * SHIFTS + i] = cy_reduce_max(cy_abs(difference), NULL, 0, false);
    }
  return cy_graph_status(graph);
}

static cy_status run_shifts(cy_checked *checked, const cy_tensor *logits, double worst[SHIFT_ROWS]) {
  cy_graph *graph;
  cy_value outputs[SHIFT_ROWS * SHIFTS];
  cy_tensor *shift = NULL, *copy = NULL;
  cy_probe e = {0};
  CY_TRY(cy_graph_create(&graph));
  cy_status status = build_shifts(graph, cy_tensor_shape(logits), outputs);
  if (status == CY_OK) status = cy_tensor_create(CY_F64, CY_SHAPE(SHIFTS), &shift);
  if (status == CY_OK) status = cy_tensor_create(CY_F64, cy_tensor_shape(logits), &copy);
  if (status == CY_OK) status = cy_tensor_copy(logits, copy);
  for (int i = 0; i < SHIFTS && status == CY_OK; i++) cy_tensor_set(shift, i, shifts[i]);
  const cy_named inputs[] = {{"logits", copy}, {"shift", shift}};
  cy_point point = {checked->state, inputs, 2};
  if (status == CY_OK) status = cy_probe_open(&e, outputs, SHIFT_ROWS * SHIFTS, &point, checked->options->threads);
  if (status == CY_OK) status = cy_session_run(e.session);
  for (int i = 0; i < SHIFT_ROWS * SHIFTS && status == CY_OK; i++) {
    double difference = cy_tensor_at(cy_session_output(e.session, i), 0);
    if (!(difference <= worst[i / SHIFTS])) worst[i / SHIFTS] = difference; /* NaN too */
  }
  cy_probe_close(&e);
  cy_tensor_free(shift);
  cy_tensor_free(copy);
  cy_graph_free(graph);
  return status;
}

static cy_status check_softmax(cy_checked *checked, const cy_tensor *logits) {
  double worst[SHIFT_ROWS] = {0};
  CY_TRY(run_shifts(checked, logits, worst));
  for (int r = 0; r < SHIFT_ROWS; r++)
    CY_TRY(cy_check_add(checked->report, (cy_check_row){.kind = CY_CHECK_SOFTMAX_SHIFT, .subject = shift_rows[r],
                                                        .figure = worst[r], .compared = SHIFTS,
                                                        .note = "the network's outputs + c, c = 1, -100, 10000"}));
  return CY_OK;
}

/* ---- extreme outputs ---- */

/* One example's outputs: element 0, element 1, the others. label: of element 0 or 1. */
typedef struct extreme {
  double first, second, rest;
  int label;
  bool masks; /* for losses of logits that can be -inf: only cross-entropy */
} extreme;
static const extreme extremes[] = {
  {1e4, -1e4, 0, 0, false},       {1e4, -1e4, 0, 1, false},     {1e4, 1e4, 1e4, 0, false},
  {-1e4, -1e4, -1e4, 1, false},   {0, -INFINITY, 0, 0, true},   {1e4, -INFINITY, -INFINITY, 0, true},
  {-1e4, -INFINITY, 1e4, 0, true},
};
enum { EXTREMES = sizeof extremes / sizeof *extremes };

/* -log softmax at the label, and softmax - one_hot over the number of examples, by sums in long double. */
static long double exact_loss(const cy_tensor *outputs, int64_t row, int64_t classes, int64_t label) {
  long double top = -INFINITY, sum = 0;
  for (int64_t k = 0; k < classes; k++) top = fmaxl(top, cy_tensor_at(outputs, row * classes + k));
  for (int64_t k = 0; k < classes; k++) sum += expl(cy_tensor_at(outputs, row * classes + k) - top);
  return top + logl(sum) - cy_tensor_at(outputs, row * classes + label);
}
static long double exact_slope(const cy_tensor *outputs, int64_t row, int64_t classes, int64_t label, int64_t k) {
  long double lost = exact_loss(outputs, row, classes, label); /* = log sum - output of the label */
  long double share = expl(cy_tensor_at(outputs, row * classes + k) - cy_tensor_at(outputs, row * classes + label) - lost);
  return share - (k == label);
}

typedef struct stability {
  const cy_loss_row *row;
  cy_dtype dtype;
  int64_t n, classes;
  cy_tensor *outputs, *labels, *targets;
  double worst;   /* error of loss and gradient, relative to 1 and to what they should be */
  bool finite;
} stability;

static cy_status fill_extremes(const cy_checked *checked, stability *s) {
  bool masks = s->row == cy_loss_find("cross_entropy", checked->classes);
  s->n = 0;
  for (int i = 0; i < EXTREMES; i++) s->n += masks || !extremes[i].masks;
  CY_TRY(cy_tensor_create(s->dtype, CY_SHAPE(s->n, s->classes), &s->outputs));
  CY_TRY(cy_tensor_create(CY_I64, CY_SHAPE(s->n), &s->labels));
  CY_TRY(cy_tensor_create(s->dtype, CY_SHAPE(s->n, s->classes), &s->targets));
  for (int64_t i = 0, row = 0; i < EXTREMES; i++) {
    const extreme *e = &extremes[i];
    if (e->masks && !masks) continue;
    for (int64_t k = 0; k < s->classes; k++) {
      cy_tensor_set(s->outputs, row * s->classes + k, k == 0 ? e->first : k == 1 ? e->second : e->rest);
      cy_tensor_set(s->targets, row * s->classes + k, k == e->label);
    }
    cy_tensor_set(s->labels, row++, s->classes > 1 ? e->label : 0);
  }
  return CY_OK;
}

static double error_of(double value, long double exact) {
  long double scale = fmaxl(1, fabsl(exact));
  return isfinite(value) ? (double)(fabsl(value - exact) / scale) : INFINITY;
}

/* Cross-entropy has known values; of other losses only that they are finite. */
static void judge(const cy_checked *checked, stability *s, const cy_tensor *loss, const cy_tensor *gradient) {
  bool known = s->row == cy_loss_find("cross_entropy", checked->classes);
  long double sum = 0;
  s->finite = isfinite(cy_tensor_at(loss, 0));
  for (int64_t row = 0; row < s->n; row++) {
    int64_t label = (int64_t)cy_tensor_at(s->labels, row);
    if (known) sum += exact_loss(s->outputs, row, s->classes, label);
    for (int64_t k = 0; k < s->classes; k++) {
      double slope = cy_tensor_at(gradient, row * s->classes + k);
      s->finite = s->finite && isfinite(slope);
      if (known) s->worst = fmax(s->worst, error_of(slope * (double)s->n, exact_slope(s->outputs, row, s->classes, label, k)));
    }
  }
  if (known) s->worst = fmax(s->worst, error_of(cy_tensor_at(loss, 0), sum / s->n));
  if (!s->finite) s->worst = INFINITY;
}

static cy_status run_extremes(cy_checked *checked, stability *s, cy_graph *graph) {
  cy_value values[2], x = cy_input(graph, "outputs", s->dtype, CY_SHAPE(s->n, s->classes));
  cy_value labels = cy_input(graph, "labels", CY_I64, CY_SHAPE(s->n));
  cy_value targets = cy_input(graph, "targets", s->dtype, CY_SHAPE(s->n, s->classes));
  values[0] = s->row->loss(x, labels, targets, CY_LOSS_MEAN);
  CY_TRY(cy_graph_status(graph));
  CY_TRY(cy_grad(values[0], &x, 1, &values[1]));
  const cy_named inputs[] = {{"outputs", s->outputs}, {"labels", s->labels}, {"targets", s->targets}};
  cy_point point = {checked->state, inputs, 3};
  cy_probe e;
  CY_TRY(cy_probe_open(&e, values, 2, &point, checked->options->threads));
  cy_status status = cy_session_run(e.session);
  if (status == CY_OK) judge(checked, s, cy_session_output(e.session, 0), cy_session_output(e.session, 1));
  cy_probe_close(&e);
  return status;
}

static cy_status check_extremes(cy_checked *checked, const cy_loss_row *row, cy_dtype dtype, int64_t classes) {
  stability s = {.row = row, .dtype = dtype, .classes = classes};
  cy_graph *graph = NULL;
  char note[160];
  cy_status status = fill_extremes(checked, &s);
  if (status == CY_OK) status = cy_graph_create(&graph);
  if (status == CY_OK) status = run_extremes(checked, &s, graph);
  bool masks = s.n == EXTREMES;
  snprintf(note, sizeof note, "%s in %s at outputs of +-10000%s: %s", row->name, cy_dtype_name(dtype),
           masks ? " and -inf" : "", s.finite ? (masks ? "finite, and as computed in long double" : "finite") : "not finite");
  if (status == CY_OK)
    status = cy_check_add(checked->report,
                          (cy_check_row){.kind = CY_CHECK_EXTREME_OUTPUTS, .subject = cy_dtype_name(dtype),
                                         .figure = s.worst, .compared = (int)s.n, .note = note});
  cy_graph_free(graph);
  cy_tensor_free(s.outputs);
  cy_tensor_free(s.labels);
  cy_tensor_free(s.targets);
  return status;
}

/* ---- both ---- */

static cy_status run_network(cy_checked *checked, const cy_checked_mode *mode, cy_probe *e) {
  cy_named x = {"x", checked->x};
  cy_point point = {checked->state, &x, 1};
  CY_TRY(cy_probe_open(e, &mode->output, 1, &point, checked->options->threads));
  cy_status status = cy_session_run(e->session);
  if (status != CY_OK) cy_probe_close(e);
  return status;
}

cy_status cy_check_outputs(cy_checked *checked, const cy_checked_mode *mode) {
  cy_shape shape = cy_value_shape(mode->output);
  const cy_loss_row *row = cy_loss_find(checked->options->loss, checked->classes);
  if (!row) return CY_INVALID;
  if (checked->classes > 1) {
    cy_probe e;
    CY_TRY(run_network(checked, mode, &e));
    cy_status status = check_softmax(checked, cy_session_output(e.session, 0));
    cy_probe_close(&e);
    CY_TRY(status);
  }
  int64_t outputs = checked->classes > 0 ? checked->classes : shape.rank > 1 ? shape.dim[1] : 1;
  CY_TRY(check_extremes(checked, row, CY_F64, outputs));
  return check_extremes(checked, row, CY_F32, outputs);
}
