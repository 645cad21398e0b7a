/* The layers of the architecture language: one row each, with a build function that hands the arguments to the layer
 * (those of image and sequence layers are in files of their own). The parser, the printer and the help read these
 * rows; nothing else knows the list. */
#include "nn/image_layers.h"
#include "nn/model.h"
#include "nn/ragged.h"
#include "nn/sequence_layers.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <stdio.h>
#include <string.h>

/* ---- dense ---- */

enum { DENSE_UNITS, DENSE_BIAS, DENSE_INIT, DENSE_BIAS_INIT, DENSE_AXIS, DENSE_L1, DENSE_L2 };
static const cy_argument_row dense_arguments[] = {
    {.name = "units", .type = CY_ARGUMENT_INTEGER, .min = 1, .max = 1e9, .about = "outputs"},
    {.name = "bias", .type = CY_ARGUMENT_BOOL, .fallback = "true", .about = "adds a trained bias"},
    {.name = "init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "he_normal", .about = "of the weight"},
    {.name = "bias_init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "zeros", .about = "of the bias"},
    {.name = "axis", .type = CY_ARGUMENT_INTEGER, .fallback = "0", .min = 1 - CY_MAX_RANK, .max = CY_MAX_RANK - 1,
     .about = "the axis of inputs; 0: all but the batch"},
    {.name = "l1", .type = CY_ARGUMENT_REAL, .fallback = "0", .max = 1e9, .about = "penalty l1 * sum |w|"},
    {.name = "l2", .type = CY_ARGUMENT_REAL, .fallback = "0", .max = 1e9, .about = "penalty l2/2 * sum w^2"},
    {.name = NULL}};

static cy_value build_dense(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  return cy_dense(network, x, (cy_dense_options){.name = stage->name, .units = a[DENSE_UNITS].integer,
                                                 .no_bias = !a[DENSE_BIAS].truth, .axis = (int)a[DENSE_AXIS].integer,
                                                 .weight = a[DENSE_INIT].initializer,
                                                 .bias = a[DENSE_BIAS_INIT].initializer,
                                                 .l1 = a[DENSE_L1].real, .l2 = a[DENSE_L2].real});
}

/* ---- activations ---- */

static cy_value build_relu(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network, (void)stage;
  return cy_relu(x);
}

static const cy_argument_row leaky_relu_arguments[] = {
    {.name = "slope", .type = CY_ARGUMENT_REAL, .fallback = "0.01", .about = "below zero"}, {.name = NULL}};
static cy_value build_leaky_relu(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network;
  return cy_leaky_relu(x, stage->arguments[0].real);
}

static const cy_argument_row prelu_arguments[] = {
    {.name = "shared", .type = CY_ARGUMENT_BOOL, .fallback = "false", .about = "one slope for all channels"},
    {.name = "init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "constant(0.25)", .about = "of the slope"},
    {.name = NULL}};
static cy_value build_prelu(cy_network *network, cy_value x, const cy_stage *stage) {
  return cy_prelu(network, x, (cy_prelu_options){.name = stage->name, .shared = stage->arguments[0].truth,
                                                 .slope = stage->arguments[1].initializer});
}

static const cy_argument_row swish_arguments[] = {
    {.name = "beta", .type = CY_ARGUMENT_REAL, .fallback = "1", .min = 0, .max = 1e6, .above_min = true,
     .about = "0 would be x / 2, large values approach relu"},
    {.name = "trainable", .type = CY_ARGUMENT_BOOL, .fallback = "false", .about = "beta is trained"},
    {.name = NULL}};
static cy_value build_swish(cy_network *network, cy_value x, const cy_stage *stage) {
  return cy_swish(network, x, (cy_swish_options){.name = stage->name, .beta = stage->arguments[0].real,
                                                 .trainable = stage->arguments[1].truth});
}

static cy_value build_sigmoid(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network, (void)stage;
  return cy_logistic(x);
}

static cy_value build_tanh(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network, (void)stage;
  return cy_tanh(x);
}

static cy_value build_softplus(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network, (void)stage;
  return cy_softplus(x);
}

static const cy_argument_row elu_arguments[] = {
    {.name = "alpha", .type = CY_ARGUMENT_REAL, .fallback = "1", .about = "-alpha is the limit below"}, {.name = NULL}};
static cy_value build_elu(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network;
  return cy_elu(x, stage->arguments[0].real);
}

static const char *const gelu_forms[] = {"erf", "tanh", NULL};
static const cy_argument_row gelu_arguments[] = {
    {.name = "form", .type = CY_ARGUMENT_CHOICE, .fallback = "erf", .choices = gelu_forms,
     .about = "exact, or the usual approximation"},
    {.name = NULL}};
static cy_value build_gelu(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network;
  return cy_gelu(x, stage->arguments[0].choice == 1);
}

static const cy_argument_row axis_arguments[] = {
    {.name = "axis", .type = CY_ARGUMENT_INTEGER, .fallback = "1", .min = -CY_MAX_RANK, .max = CY_MAX_RANK - 1,
     .about = "the axis of the classes"},
    {.name = NULL}};
/* In words, axis 0 is the batch: what runs along it makes the examples depend on one another. */
static bool spares_batch(cy_value x, int64_t axis) {
  if (axis != 0 && axis + cy_value_shape(x).rank != 0) return true;
  cy_graph_fail(x.graph, CY_INVALID, "axis %lld is the batch; the axes of an example begin with 1", (long long)axis);
  return false;
}

static cy_value build_softmax(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network;
  return spares_batch(x, stage->arguments[0].integer) ? cy_softmax(x, (int)stage->arguments[0].integer) : cy_none;
}

static cy_value build_log_softmax(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network;
  return spares_batch(x, stage->arguments[0].integer) ? cy_log_softmax(x, (int)stage->arguments[0].integer) : cy_none;
}

static const cy_argument_row dead_zone_arguments[] = {
    {.name = "a", .type = CY_ARGUMENT_REAL, .fallback = "1", .about = "slope above alpha"},
    {.name = "alpha", .type = CY_ARGUMENT_REAL, .fallback = "0.5", .about = "upper end of the zone"},
    {.name = "b", .type = CY_ARGUMENT_REAL, .fallback = "1", .about = "the slope below beta is -b"},
    {.name = "beta", .type = CY_ARGUMENT_REAL, .fallback = "-0.5", .about = "lower end of the zone"},
    {.name = NULL}};
static cy_value build_dead_zone(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  (void)network;
  return cy_dead_zone(x, a[0].real, a[1].real, a[2].real, a[3].real);
}

/* ---- noise and normalisation ---- */

static const cy_argument_row dropout_arguments[] = {
    {.name = "rate", .type = CY_ARGUMENT_REAL, .fallback = "0.5", .min = 0, .max = 1, .below_max = true,
     .about = "share of the values set to zero in training"},
    {.name = NULL}};
static cy_value build_dropout(cy_network *network, cy_value x, const cy_stage *stage) {
  return cy_dropout(network, x, (cy_dropout_options){.name = stage->name, .rate = stage->arguments[0].real});
}

enum { NORM_EPSILON, NORM_AFFINE, NORM_MOMENTUM, NORM_AXIS = NORM_MOMENTUM };
static const cy_argument_row layer_norm_arguments[] = {
    {.name = "epsilon", .type = CY_ARGUMENT_REAL, .fallback = "1e-05", .min = 0, .max = 1, .above_min = true,
     .about = "added to the variance"},
    {.name = "affine", .type = CY_ARGUMENT_BOOL, .fallback = "true", .about = "trained scale and shift"},
    {.name = "axis", .type = CY_ARGUMENT_INTEGER, .fallback = "0", .min = 1 - CY_MAX_RANK, .max = CY_MAX_RANK - 1,
     .about = "over it alone, at each place, as 1 over the channels of each step; 0: over the whole example"},
    {.name = NULL}};
static cy_value build_layer_norm(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  return cy_layer_norm(network, x, (cy_norm_options){.name = stage->name, .epsilon = a[NORM_EPSILON].real,
                                                     .no_affine = !a[NORM_AFFINE].truth,
                                                     .axis = (int)a[NORM_AXIS].integer});
}

static const cy_argument_row batch_norm_arguments[] = {
    {.name = "epsilon", .type = CY_ARGUMENT_REAL, .fallback = "1e-05", .min = 0, .max = 1, .above_min = true,
     .about = "added to the variance"},
    {.name = "affine", .type = CY_ARGUMENT_BOOL, .fallback = "true", .about = "trained scale and shift"},
    {.name = "momentum", .type = CY_ARGUMENT_REAL, .fallback = "0.1", .min = 0, .max = 1, .above_min = true,
     .about = "weight of the newest batch in the running statistics"},
    {.name = NULL}};
static cy_value build_batch_norm(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  return cy_batch_norm(network, x, (cy_norm_options){.name = stage->name, .epsilon = a[NORM_EPSILON].real,
                                                     .no_affine = !a[NORM_AFFINE].truth,
                                                     .momentum = a[NORM_MOMENTUM].real});
}

/* ---- mixture ---- */

static const char *const mixture_outputs[] = {"classes", "logit", NULL};
static const cy_argument_row mixture_arguments[] = {
    {.name = "output", .type = CY_ARGUMENT_CHOICE, .fallback = "classes", .choices = mixture_outputs,
     .about = "log p(0), log p(1), for cross_entropy; or their difference, for binary_cross_entropy"},
    {.name = "init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "zeros", .about = "of the mixing parameter"},
    {.name = NULL}};
static cy_value build_mixture(cy_network *network, cy_value x, const cy_stage *stage) {
  return cy_mixture(network, x, (cy_mixture_options){.name = stage->name, .logit = stage->arguments[0].choice == 1,
                                                     .mixing = stage->arguments[1].initializer});
}

/* ---- shapes and branches ---- */

static cy_value build_flatten(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network, (void)stage;
  return cy_flatten(x);
}

static const cy_argument_row reshape_arguments[] = {
    {.name = "shape", .type = CY_ARGUMENT_EXTENTS, .min = -1, .max = 1e9,
     .about = "of an example, without the batch; one extent may be -1: computed"},
    {.name = NULL}};
static cy_value build_reshape(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network;
  return cy_reshape_example(x, stage->arguments[0].extents);
}

static cy_value build_identity(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)network, (void)stage;
  return x;
}

static const cy_argument_row residual_arguments[] = {
    {.name = "branch", .type = CY_ARGUMENT_CHAIN, .about = "what is added to the shortcut"},
    {.name = "shortcut", .type = CY_ARGUMENT_CHAIN, .fallback = "", .about = "default: the input itself"},
    {.name = NULL}};
static cy_value build_residual(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  cy_ends before = cy_network_ends(network);
  cy_value branch = cy_chain_apply(a[0].chains, network, x);
  cy_ends after = cy_network_ends(network);
  cy_network_set_ends(network, before);
  cy_value shortcut = a[1].chains ? cy_chain_apply(a[1].chains, network, x) : x;
  return cy_ragged_agree(network, after) ? cy_residual(shortcut, branch) : cy_none;
}

enum { JOIN_CONCAT, JOIN_ADD, JOIN_MULTIPLY };
static const char *const join_modes[] = {"concat", "add", "multiply", NULL};
static const cy_argument_row parallel_arguments[] = {
    {.name = "branches", .type = CY_ARGUMENT_CHAINS, .about = "each receives the input"},
    {.name = "mode", .type = CY_ARGUMENT_CHOICE, .fallback = "concat", .choices = join_modes,
     .about = "how the results are joined"},
    {.name = "axis", .type = CY_ARGUMENT_INTEGER, .fallback = "1", .min = -CY_MAX_RANK, .max = CY_MAX_RANK - 1,
     .about = "of concat"},
    {.name = NULL}};

/* The results must agree in shape, save along the axis of concat (-1: none): broadcasting would hide a mistake. */
static bool branches_agree(const cy_value *parts, int n, int axis) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT], along[48] = "";
  for (int i = 1; i < n; i++) {
    cy_shape first = cy_value_shape(parts[0]), other = cy_value_shape(parts[i]), compared = other;
    if (axis >= 0 && axis < first.rank && axis < other.rank) compared.dim[axis] = first.dim[axis];
    if (cy_shape_equal(first, compared)) continue;
    if (axis >= 0) snprintf(along, sizeof along, ": they differ in more than axis %d", axis);
    cy_graph_fail(parts[0].graph, CY_INVALID, "branch 1 gives %s but branch %d %s%s", cy_shape_text(first, a), i + 1,
                  cy_shape_text(other, b), along);
    return false;
  }
  return true;
}

static cy_value join(const cy_value *parts, int n, int mode, int axis) {
  int free_axis = axis < 0 ? axis + cy_value_shape(parts[0]).rank : axis;
  if (mode == JOIN_CONCAT && !spares_batch(parts[0], axis)) return cy_none;
  if (!branches_agree(parts, n, mode == JOIN_CONCAT ? free_axis : -1)) return cy_none;
  cy_value result = parts[0];
  if (mode == JOIN_CONCAT) return cy_concat(parts, n, axis);
  for (int i = 1; i < n; i++) result = mode == JOIN_ADD ? cy_add(result, parts[i]) : cy_mul(result, parts[i]);
  return result;
}

static cy_value build_parallel(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  int n = 0;
  cy_value result = cy_none, *parts = cy_calloc((size_t)a[0].n_chains, sizeof *parts);
  if (!parts) {
    cy_graph_fail(cy_network_graph(network), CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  cy_ends before = cy_network_ends(network), first = before;
  for (const cy_chain *c = a[0].chains; c; c = c->next) {
    cy_network_set_ends(network, before);
    parts[n++] = cy_chain_apply(c, network, x);
    if (n == 1) first = cy_network_ends(network);
    if (!cy_ragged_agree(network, first)) break;
  }
  if (!cy_graph_failed(cy_network_graph(network)))
    result = join(parts, n, a[1].choice, (int)a[2].integer);
  cy_free(parts);
  return result;
}

/* ---- the table ---- */

static const cy_argument_row no_arguments[] = {{.name = NULL}};

const cy_layer_row cy_layer_rows[] = {
    {"dense", "x weight + bias: every unit sees every input", CY_LAYER_SELF, build_dense, dense_arguments},
    {"relu", "max(x, 0)", CY_LAYER_PLAIN, build_relu, no_arguments},
    {"leaky_relu", "x above zero, slope * x below", CY_LAYER_PLAIN, build_leaky_relu, leaky_relu_arguments},
    {"prelu", "leaky_relu with a trained slope per channel", CY_LAYER_SELF, build_prelu, prelu_arguments},
    {"swish", "x * sigmoid(beta * x)", CY_LAYER_SELF, build_swish, swish_arguments},
    {"sigmoid", "1 / (1 + exp(-x))", CY_LAYER_PLAIN, build_sigmoid, no_arguments},
    {"tanh", "hyperbolic tangent", CY_LAYER_PLAIN, build_tanh, no_arguments},
    {"softplus", "log(1 + exp(x))", CY_LAYER_PLAIN, build_softplus, no_arguments},
    {"elu", "x above zero, alpha * (exp(x) - 1) below", CY_LAYER_PLAIN, build_elu, elu_arguments},
    {"gelu", "x * Phi(x), Phi the normal distribution", CY_LAYER_PLAIN, build_gelu, gelu_arguments},
    {"softmax", "exp(x) / sum exp(x) over the classes", CY_LAYER_PLAIN, build_softmax, axis_arguments},
    {"log_softmax", "x - log sum exp(x) over the classes", CY_LAYER_PLAIN, build_log_softmax, axis_arguments},
    {"dead_zone", "relu(a * (x - alpha)) + relu(b * (beta - x))", CY_LAYER_PLAIN, build_dead_zone,
     dead_zone_arguments},
    {"dropout", "sets values to zero at random in training and scales the others up", CY_LAYER_SELF, build_dropout,
     dropout_arguments},
    {"layer_norm", "each example to mean 0 and variance 1, then scale and shift", CY_LAYER_SELF, build_layer_norm,
     layer_norm_arguments},
    {"batch_norm", "each channel to mean 0 and variance 1 over the batch, then scale and shift", CY_LAYER_SELF,
     build_batch_norm, batch_norm_arguments},
    {"mixture", "p(1) = sum pi_k sigmoid(x_k), pi = softmax of a trained parameter: dense(K) -> mixture", CY_LAYER_SELF,
     build_mixture, mixture_arguments},
    {"flatten", "all axes but the batch become one", CY_LAYER_PLAIN, build_flatten, no_arguments},
    {"reshape", "gives every example another shape", CY_LAYER_PLAIN, build_reshape, reshape_arguments},
#define CY_IMAGE_LAYER(name, scope, about) {#name, about, scope, cy_build_##name, cy_##name##_arguments},
#include "nn/image_layers.def"
#undef CY_IMAGE_LAYER
#define CY_SEQUENCE_LAYER(name, about) {#name, about, CY_LAYER_SELF, cy_build_##name, cy_##name##_arguments},
#include "nn/sequence_layers.def"
#undef CY_SEQUENCE_LAYER
    {"identity", "x", CY_LAYER_PLAIN, build_identity, no_arguments},
    {"residual", "shortcut(x) + branch(x)", CY_LAYER_GROUP, build_residual, residual_arguments},
    {"parallel", "branches a | b | c side by side, joined", CY_LAYER_GROUP, build_parallel, parallel_arguments},
};
const int cy_layer_row_count = sizeof cy_layer_rows / sizeof *cy_layer_rows;

const cy_initializer_row cy_initializer_rows[] = {
    {"he_normal", CY_INIT_HE_NORMAL, 0, 0, 0},
    {"he_uniform", CY_INIT_HE_UNIFORM, 0, 0, 0},
    {"glorot_normal", CY_INIT_GLOROT_NORMAL, 0, 0, 0},
    {"glorot_uniform", CY_INIT_GLOROT_UNIFORM, 0, 0, 0},
    {"orthogonal", CY_INIT_ORTHOGONAL, 0, 1, 1},
    {"zeros", CY_INIT_CONSTANT, 0, 0, 0},
    {"ones", CY_INIT_CONSTANT, 0, 0, 1},
    {"constant", CY_INIT_CONSTANT, 1, 1, 0},
    {"uniform", CY_INIT_UNIFORM, 2, 2, 0},
    {"normal", CY_INIT_NORMAL, 2, 2, 0},
};
const int cy_initializer_row_count = sizeof cy_initializer_rows / sizeof *cy_initializer_rows;

const cy_padding_row cy_padding_rows[] = {
    {"valid", CY_PADDING_EXPLICIT}, {"same", CY_PADDING_SAME}, {"half", CY_PADDING_HALF},
    {"causal", CY_PADDING_CAUSAL}};
const int cy_padding_row_count = sizeof cy_padding_rows / sizeof *cy_padding_rows;

const cy_layer_row *cy_layer_find(const char *name, size_t length) {
  for (int i = 0; i < cy_layer_row_count; i++)
    if (strlen(cy_layer_rows[i].name) == length && memcmp(cy_layer_rows[i].name, name, length) == 0)
      return &cy_layer_rows[i];
  return NULL;
}

int cy_layer_argument_count(const cy_layer_row *row) {
  int n = 0;
  while (row->arguments[n].name) n++;
  return n;
}
