/* Checks of the whole network: the gradient of its loss by every parameter and by the input, the Hessian's symmetry, and
 * the Jacobian of its output. */
#include "analyze/check.h"

#include "tensor/tensor.h"
#include "train/losses.h"

#include <cauchy/autodiff.h>
#include <cauchy/ops.h>
#include <string.h>

#define COTANGENT "check cotangent"

/* The loss with its targets, and tensors for them. */
typedef struct objective {
  const cy_loss_row *row;
  cy_value loss;
  cy_tensor *labels, *targets, *cotangent; /* NULL if not used */
  cy_named inputs[4];
  cy_point point;
  cy_value *leaves; /* parameters, then x */
  int n;
} objective;

static void close_objective(objective *o) {
  cy_tensor_free(o->labels);
  cy_tensor_free(o->targets);
  cy_tensor_free(o->cotangent);
  cy_free(o->leaves);
}

/* As the output, without the axis of the classes. */
static cy_shape label_shape(cy_shape output) {
  cy_shape shape = {.rank = output.rank - 1, .dim = {output.dim[0]}};
  for (int i = 2; i < output.rank; i++) shape.dim[i - 1] = output.dim[i];
  return shape;
}

static cy_status make_labels(cy_checked *checked, cy_shape shape, cy_tensor **labels) {
  const cy_tensor *given = checked->options->labels;
  CY_TRY(cy_tensor_create(CY_I64, shape, labels));
  if (given) return cy_tensor_copy(given, *labels);
  for (int64_t i = 0; i < cy_tensor_count(*labels); i++)
    cy_tensor_set(*labels, i, (double)cy_rng_below(&checked->rng, checked->classes));
  return CY_OK;
}

/* Targets of a loss of numbers: for binary cross-entropy they must lie in 0..1. */
static cy_status make_targets(cy_checked *checked, cy_shape shape, cy_tensor **targets) {
  CY_TRY(cy_tensor_create(CY_F64, shape, targets));
  for (int64_t i = 0; i < cy_tensor_count(*targets); i++) cy_tensor_set(*targets, i, cy_rng_uniform(&checked->rng));
  return CY_OK;
}

static cy_status build_loss(cy_checked *checked, const cy_checked_mode *mode, objective *o) {
  cy_shape shape = cy_value_shape(mode->output);
  cy_value labels = cy_none, targets = cy_none;
  o->row = cy_loss_find(checked->options->loss, checked->classes);
  if (!o->row) return CY_INVALID;
  if (o->row->classes_only) {
    CY_TRY(make_labels(checked, label_shape(shape), &o->labels));
    labels = cy_input(mode->graph, "check labels", CY_I64, label_shape(shape));
  } else {
    CY_TRY(make_targets(checked, shape, &o->targets));
    targets = cy_input(mode->graph, "check targets", CY_F64, shape);
  }
  o->loss = cy_add(o->row->loss(mode->output, labels, targets, CY_LOSS_MEAN), cy_network_penalty(mode->network));
  return cy_graph_status(mode->graph);
}

static cy_status open_objective(cy_checked *checked, const cy_checked_mode *mode, objective *o) {
  CY_TRY(build_loss(checked, mode, o));
  const cy_value *parameters = cy_network_parameters(mode->network, &o->n);
  o->leaves = cy_calloc((size_t)o->n + 1, sizeof *o->leaves);
  if (!o->leaves) return cy_no_memory();
  if (o->n > 0) memcpy(o->leaves, parameters, (size_t)o->n * sizeof *parameters);
  o->leaves[o->n++] = mode->x;
  CY_TRY(cy_tensor_create(CY_F64, cy_value_shape(mode->output), &o->cotangent));
  cy_fill_normal(&checked->rng, o->cotangent, 1);
  const cy_named all[] = {{"x", checked->x}, {COTANGENT, o->cotangent}, {"check labels", o->labels},
                          {"check targets", o->targets}};
  o->point = (cy_point){checked->state, o->inputs, 0};
  for (int i = 0; i < 4; i++)
    if (all[i].tensor) o->inputs[o->point.n++] = all[i];
  return CY_OK;
}

/* "conv1" of "conv1.weight", in buffer. */
enum { LAYER_NAME = 256 };
static const char *layer_of(const char *parameter, char buffer[LAYER_NAME]) {
  const char *dot = strrchr(parameter, '.');
  size_t n = dot ? (size_t)(dot - parameter) : 0;
  if (n >= LAYER_NAME) n = LAYER_NAME - 1;
  memcpy(buffer, parameter, n);
  buffer[n] = 0;
  return buffer;
}

static cy_status add(cy_checked *checked, bool training, cy_check_kind kind, const char *layer, const char *subject,
                     cy_comparison result) {
  return cy_check_add(checked->report,
                      (cy_check_row){.kind = kind, .layer = layer, .subject = subject, .training = training,
                                     .figure = result.figure, .compared = result.compared,
                                     .passed_over = result.passed_over,
                                     .held = result.held, .crossed = result.crossed});
}

static cy_status compare_gradients(cy_checked *checked, bool training, cy_function *f) {
  const cy_check_options *o = checked->options;
  for (int k = 0; k < f->n; k++) {
    char layer[LAYER_NAME];
    bool input = k == f->n - 1;
    cy_comparison result = {0};
    CY_TRY(cy_compare_gradient(f, k, o->directions, o->coordinates, cy_check_tolerance(CY_CHECK_GRADIENT), &checked->rng,
                               &result));
    CY_TRY(add(checked, training, CY_CHECK_GRADIENT, input ? "" : layer_of(f->varied[k].name, layer),
               input ? "input" : f->varied[k].name, result));
  }
  return CY_OK;
}

static cy_status check_gradient(cy_checked *checked, const cy_checked_mode *mode, const objective *o) {
  const cy_check_options *options = checked->options;
  cy_function f;
  cy_comparison symmetry = {0}, hessian = {0};
  cy_value *gradients = NULL, terms = cy_add_scalar(cy_abs(o->loss), 1);
  cy_status status = CY_OK;
  if (options->gradient) {
    gradients = cy_calloc((size_t)o->n, sizeof *gradients);
    if (!gradients) return cy_no_memory();
    status = options->gradient(o->loss, o->leaves, o->n, gradients, options->context);
  }
  if (status == CY_OK) status = cy_function_open(&f, o->loss, terms, o->leaves, o->n, gradients, &o->point, options->threads);
  cy_free(gradients);
  CY_TRY(status);
  status = compare_gradients(checked, mode->training, &f);
  if (status == CY_OK)
    status = cy_compare_second(&f, cy_check_tolerance(CY_CHECK_HESSIAN), &checked->rng, &symmetry, &hessian);
  cy_function_close(&f);
  CY_TRY(status);
  CY_TRY(add(checked, mode->training, CY_CHECK_SYMMETRY, "", "", symmetry));
  return add(checked, mode->training, CY_CHECK_HESSIAN, "", "", hessian);
}

/* <u, J v> against <J' u, v> for the network's output. */
static cy_status check_jacobian(cy_checked *checked, const cy_checked_mode *mode, const objective *o) {
  cy_value products = cy_mul(mode->output, cy_input(mode->graph, COTANGENT, CY_F64, cy_value_shape(mode->output)));
  cy_value value = cy_sum(products, NULL, 0, false), terms = cy_sum(cy_abs(products), NULL, 0, false);
  cy_function f;
  cy_comparison result = {0};
  CY_TRY(cy_graph_status(mode->graph));
  CY_TRY(cy_function_open(&f, value, terms, o->leaves, o->n, NULL, &o->point, checked->options->threads));
  cy_status status = cy_compare_tangent(&f, &checked->rng, &result);
  cy_function_close(&f);
  CY_TRY(status);
  return add(checked, mode->training, CY_CHECK_TRANSPOSE, "", "", result);
}

cy_status cy_check_loss(cy_checked *checked, cy_checked_mode *mode) {
  objective o = {0};
  cy_status status = open_objective(checked, mode, &o);
  if (status == CY_OK) status = check_gradient(checked, mode, &o);
  if (status == CY_OK) status = check_jacobian(checked, mode, &o);
  close_objective(&o);
  return status;
}
