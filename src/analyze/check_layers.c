/* Checks of each layer alone: its part of the graph is cut out, its input becomes free, and the function checked is
 * <u, F(input, parameters)> for a random u. A wrong rule is found in the layer that uses it, whatever lies around. */
#include "analyze/check.h"
#include "analyze/operator.h"

#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <math.h>
#include <string.h>

#define COTANGENT "check cotangent"
static const double JITTER = 0.1; /* of the activations' size: away from the zeros of relu, where maxima tie */

/* ---- what every layer receives ---- */

static cy_status record_inputs(const cy_checked *checked, const cy_checked_mode *mode, cy_probe *e) {
  int n = cy_network_layer_count(mode->network);
  cy_value *inputs = cy_calloc((size_t)n + 1, sizeof *inputs);
  cy_named x = {"x", checked->x};
  cy_point point = {checked->state, &x, 1};
  if (!inputs) return cy_no_memory();
  for (int i = 0; i < n; i++) inputs[i] = cy_network_layer_at(mode->network, i)->input;
  cy_status status = cy_probe_open(e, inputs, n, &point, checked->options->threads);
  if (status == CY_OK) status = cy_session_run(e->session);
  if (status != CY_OK) cy_probe_close(e);
  cy_free(inputs);
  return status;
}

/* tokens: whole numbers and a half, which stay what they are. */
static cy_status near(const cy_tensor *activations, bool tokens, cy_rng *rng, cy_tensor **input) {
  CY_TRY(cy_tensor_create(CY_F64, cy_tensor_shape(activations), input));
  double size = cy_root_mean_square(activations);
  if (!(size > 0 && isfinite(size))) size = 1;
  if (tokens) size = 0;
  for (int64_t i = 0; i < cy_tensor_count(activations); i++) {
    double at = cy_tensor_at(activations, i);
    cy_tensor_set(*input, i, (isfinite(at) ? at : 0) + JITTER * size * cy_rng_normal(rng));
  }
  return CY_OK;
}

/* ---- one layer ---- */

typedef struct layer_check {
  const cy_network_layer *layer;
  cy_graph *graph;
  cy_value x, y;
  cy_tensor *input, *cotangent;
  cy_named inputs[2]; /* both, by name */
  cy_value *leaves;
  int n_leaves;
  cy_function function;
} layer_check;

static void close_layer(layer_check *c) {
  cy_function_close(&c->function);
  cy_tensor_free(c->input);
  cy_tensor_free(c->cotangent);
  cy_free(c->leaves);
  cy_graph_free(c->graph);
}

/* The layer's input, and the parameters of the network that its part of the graph reads. */
static cy_status find_leaves(const cy_network *network, layer_check *c) {
  bool *needed = cy_calloc((size_t)cy_graph_size(c->graph) + 1, 1);
  c->leaves = cy_calloc((size_t)cy_network_variable_count(network) + 1, sizeof *c->leaves);
  if (!needed || !c->leaves) {
    cy_free(needed);
    return cy_no_memory();
  }
  cy_mark_needed(c->graph, 0, &c->y, 1, needed);
  c->leaves[c->n_leaves++] = c->x;
  for (int32_t id = 0; id < cy_graph_size(c->graph); id++) {
    const cy_node *node = cy_node_at(c->graph, id);
    if (!needed[id] || node->op != &cy_op_variable) continue;
    for (int i = 0; i < cy_network_variable_count(network); i++) {
      const cy_network_variable *v = cy_network_variable_at(network, i);
      if (v->role == CY_PARAMETER && strcmp(v->name, node->name) == 0)
        c->leaves[c->n_leaves++] = cy_value_at(c->graph, id);
    }
  }
  cy_free(needed);
  return CY_OK;
}

static cy_status open_layer(cy_checked *checked, const cy_checked_mode *mode, const cy_tensor *activations,
                            layer_check *c) {
  CY_TRY(find_leaves(mode->network, c));
  bool tokens = strcmp(c->layer->kind, "embedding") == 0 && checked->model && cy_model_vocabulary(checked->model) > 0;
  CY_TRY(near(activations, tokens, &checked->rng, &c->input));
  CY_TRY(cy_tensor_create(CY_F64, cy_value_shape(c->y), &c->cotangent));
  cy_fill_normal(&checked->rng, c->cotangent, 1);
  cy_value terms = cy_mul(c->y, cy_input(c->graph, COTANGENT, CY_F64, cy_value_shape(c->y)));
  cy_value value = cy_sum(terms, NULL, 0, false), size = cy_sum(cy_abs(terms), NULL, 0, false);
  CY_TRY(cy_graph_status(c->graph));
  c->inputs[0] = (cy_named){CY_OPERATOR_INPUT, c->input};
  c->inputs[1] = (cy_named){COTANGENT, c->cotangent};
  cy_point point = {checked->state, c->inputs, 2};
  return cy_function_open(&c->function, value, size, c->leaves, c->n_leaves, NULL, &point, checked->options->threads);
}

static cy_status add(cy_checked *checked, const layer_check *c, bool training, cy_check_kind kind, const char *subject,
                     cy_comparison result) {
  return cy_check_add(checked->report, (cy_check_row){.kind = kind, .layer = c->layer->name, .subject = subject,
                                                      .training = training, .figure = result.figure,
                                                      .compared = result.compared, .passed_over = result.passed_over,
                                     .held = result.held, .crossed = result.crossed});
}

static cy_status compare_layer(cy_checked *checked, bool training, layer_check *c) {
  const cy_check_options *o = checked->options;
  cy_comparison transpose = {0}, symmetry = {0}, hessian = {0};
  for (int k = 0; k < c->n_leaves; k++) {
    cy_comparison first = {0};
    CY_TRY(cy_compare_gradient(&c->function, k, o->directions, o->coordinates,
                               cy_check_tolerance(CY_CHECK_LAYER_DERIVATIVE), &checked->rng, &first));
    CY_TRY(add(checked, c, training, CY_CHECK_LAYER_DERIVATIVE, k == 0 ? "input" : cy_value_name(c->leaves[k]), first));
  }
  if (training && strcmp(c->layer->kind, "batch_norm") == 0)
    CY_TRY(cy_check_closed_form(checked, c->layer->name, &c->function, c->input, c->cotangent));
  CY_TRY(cy_compare_tangent(&c->function, &checked->rng, &transpose));
  CY_TRY(cy_compare_second(&c->function, cy_check_tolerance(CY_CHECK_LAYER_HESSIAN), &checked->rng, &symmetry, &hessian));
  CY_TRY(add(checked, c, training, CY_CHECK_LAYER_TRANSPOSE, "", transpose));
  CY_TRY(add(checked, c, training, CY_CHECK_LAYER_SYMMETRY, "", symmetry));
  return add(checked, c, training, CY_CHECK_LAYER_HESSIAN, "", hessian);
}

/* Whether this layer computes what the other mode's computes. */
static bool same_as(const cy_checked_mode *mode, const cy_checked_mode *other, int i) {
  return other && i < cy_network_layer_count(other->network) && mode->layer_text[i] && other->layer_text[i] &&
         strcmp(mode->layer_text[i], other->layer_text[i]) == 0;
}

static cy_status check_layer(cy_checked *checked, cy_checked_mode *mode, const cy_checked_mode *other, int i,
                             const cy_tensor *activations) {
  layer_check c = {.layer = cy_network_layer_at(mode->network, i)};
  if (!cy_dtype_is_float(cy_value_dtype(c.layer->input)) || !cy_dtype_is_float(cy_value_dtype(c.layer->output)))
    return CY_OK;
  cy_status status = cy_cut_graph(c.layer->input, c.layer->output, &c.graph, &c.x, &c.y);
  if (status == CY_OK) status = cy_graph_text(&c.y, 1, &mode->layer_text[i]);
  if (status == CY_OK && !same_as(mode, other, i)) {
    status = open_layer(checked, mode, activations, &c);
    if (status == CY_OK) status = compare_layer(checked, mode->training, &c);
    if (status != CY_OK && status != CY_NO_MEMORY) status = cy_fail_in(status, "%s \"%s\"", c.layer->kind, c.layer->name);
  }
  close_layer(&c);
  return status;
}

/* Inner layers before those around them: in the order in which they were closed. */
static void closing_order(const cy_network *network, int *order) {
  int n = cy_network_layer_count(network), done = 0, open = 0;
  int *stack = order + n;
  for (int i = 0; i < n; i++) {
    while (open > 0 && cy_network_layer_at(network, stack[open - 1])->depth >= cy_network_layer_at(network, i)->depth)
      order[done++] = stack[--open];
    stack[open++] = i;
  }
  while (open > 0) order[done++] = stack[--open];
}

cy_status cy_check_layers(cy_checked *checked, cy_checked_mode *mode, const cy_checked_mode *other) {
  int n = cy_network_layer_count(mode->network);
  cy_probe e;
  if (n == 0) return CY_OK;
  mode->layer_text = cy_calloc((size_t)n, sizeof *mode->layer_text);
  int *order = cy_calloc(2 * (size_t)n, sizeof *order);
  cy_status status = mode->layer_text && order ? record_inputs(checked, mode, &e) : cy_no_memory();
  if (status == CY_OK) {
    closing_order(mode->network, order);
    for (int i = 0; i < n && status == CY_OK; i++)
      status = check_layer(checked, mode, other, order[i], cy_session_output(e.session, order[i]));
    cy_probe_close(&e);
  }
  cy_free(order);
  return status;
}
