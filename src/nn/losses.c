/* Losses and penalties. No formula multiplies by a mask or subtracts two infinities: what does not count is
 * deselected before it meets an infinity, in the value as in every derivative. */
#include "nn/network.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <math.h>

static bool fail_shapes(const char *loss, const char *a_name, cy_value a, const char *b_name, cy_value b) {
  char left[CY_SHAPE_TEXT], right[CY_SHAPE_TEXT];
  cy_graph_fail(a.graph, CY_INVALID, "%s: %s %s %s do not go with %s %s %s", loss, a_name,
                cy_dtype_name(cy_value_dtype(a)), cy_shape_text(cy_value_shape(a), left), b_name,
                cy_dtype_name(cy_value_dtype(b)), cy_shape_text(cy_value_shape(b), right));
  return false;
}

/* Both are values, floating-point, of one dtype and shape. */
static bool alike(const char *loss, const char *a_name, cy_value a, const char *b_name, cy_value b) {
  if (!cy_is_value(a) || !cy_is_value(b)) {
    cy_graph_fail(cy_is_value(a) ? a.graph : b.graph, CY_INVALID, "%s: %s missing", loss,
                  cy_is_value(a) ? b_name : a_name);
    return false;
  }
  if (cy_dtype_is_float(cy_value_dtype(a)) && cy_value_dtype(a) == cy_value_dtype(b) &&
      cy_shape_equal(cy_value_shape(a), cy_value_shape(b)))
    return true;
  return fail_shapes(loss, a_name, a, b_name, b);
}

static bool is_integer(cy_value v) { return cy_value_dtype(v) == CY_I32 || cy_value_dtype(v) == CY_I64; }

static cy_value reduce(cy_value losses, cy_reduction reduction) {
  switch (reduction) {
    case CY_LOSS_PER_EXAMPLE: return losses;
    case CY_LOSS_SUM: return cy_sum(losses, NULL, 0, false);
    default: return cy_mean(losses, NULL, 0, false);
  }
}

/* Elements to examples (mean or sum over the axes after the first), then over the batch. */
static cy_value reduce_elements(cy_value elements, bool sum, cy_reduction reduction) {
  int rank = cy_value_shape(elements).rank, axes[CY_MAX_RANK];
  for (int i = 1; i < rank; i++) axes[i - 1] = i;
  cy_value examples = rank < 2 ? elements
                      : sum    ? cy_sum(elements, axes, rank - 1, false)
                               : cy_mean(elements, axes, rank - 1, false);
  return reduce(examples, reduction);
}

/* ---- classes along axis 1 ---- */

static const int class_axis[] = {1};

/* Integer labels [N, ...] against scores [N, K, ...], or soft labels of the scores' own shape. */
static bool labels_fit(const char *loss, cy_value scores, cy_value labels) {
  if (!cy_is_value(scores) || !cy_is_value(labels) || !is_integer(labels))
    return alike(loss, "scores", scores, "labels", labels);
  cy_shape s = cy_value_shape(scores), l = cy_value_shape(labels);
  bool fit = s.rank >= 2 && l.rank == s.rank - 1 && cy_dtype_is_float(cy_value_dtype(scores));
  for (int i = 0; fit && i < l.rank; i++) fit = l.dim[i] == s.dim[i == 0 ? 0 : i + 1];
  return fit || fail_shapes(loss, "scores", scores, "labels", labels);
}

/* True where the class is the label: bool, the scores' shape. */
static cy_value is_label(cy_value scores, cy_value labels) {
  cy_shape shape = cy_value_shape(scores);
  int axes[CY_MAX_RANK];
  for (int i = 0; i < shape.rank - 1; i++) axes[i] = i == 0 ? 0 : i + 1;
  cy_value classes = cy_iota(scores.graph, cy_value_dtype(labels), shape, 1);
  return cy_eq(classes, cy_broadcast_axes(labels, shape, axes));
}

static cy_value full_like(cy_value like, double number) {
  return cy_full(like.graph, cy_value_dtype(like), cy_value_shape(like), number);
}

/* 0, or NaN where the label is not a class: added to a loss it tells, and leaves the gradient as it is. */
static cy_value label_check(cy_value labels, int64_t classes, cy_value like) {
  cy_value zero = cy_zeros_like(like), bad = full_like(like, NAN);
  cy_value below = cy_select(cy_lt(labels, full_like(labels, (double)classes)), zero, bad);
  return cy_select(cy_ge(labels, cy_zeros_like(labels)), below, bad);
}

/* v, but 0 where weight is 0 and v is infinite: their product counts as 0, with derivative weight. */
static cy_value where_weighted(cy_value weight, cy_value v) {
  cy_value zero = cy_zeros_like(v);
  cy_value finite = cy_select(cy_gt(v, full_like(v, -INFINITY)), v, zero);
  return cy_select(cy_eq(weight, cy_zeros_like(weight)), finite, v);
}

/* (1 - s) label + s / (classes not masked), for these. */
static cy_value smooth(cy_value label, cy_value z, double s) {
  cy_value open = cy_gt(z, full_like(z, -INFINITY));
  cy_value count = cy_sum(cy_convert(open, cy_value_dtype(z)), class_axis, 1, true);
  cy_value share = cy_broadcast(cy_rdiv_scalar(s, count), cy_value_shape(z));
  share = cy_select(open, share, cy_zeros_like(z));
  return cy_add(cy_mul_scalar(label, 1 - s), share);
}

/* The class weights as a constant [K]; empty if there are none or they are wrong. */
static cy_value weights_constant(cy_value logits, const double *weights) {
  int64_t classes = cy_value_shape(logits).dim[1];
  for (int64_t k = 0; k < classes; k++)
    if (!(weights[k] >= 0 && isfinite(weights[k]))) {
      cy_graph_fail(logits.graph, CY_INVALID, "cross_entropy: weight %g of class %lld is not a number >= 0", weights[k],
                    (long long)k);
      return cy_none;
    }
  cy_tensor *tensor;
  cy_value constant = cy_none;
  if (cy_tensor_create(cy_value_dtype(logits), CY_SHAPE(classes), &tensor) != CY_OK) {
    cy_graph_fail(logits.graph, CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  for (int64_t k = 0; k < classes; k++) cy_tensor_set(tensor, k, weights[k]);
  constant = cy_constant(logits.graph, tensor);
  cy_tensor_free(tensor);
  return constant;
}

/* sum_k c_k (log sum exp z - z_k) for weighted labels c. */
static cy_value weighted_sum(cy_value z, cy_value log_sum, cy_value c) {
  cy_shape keep = cy_value_shape(z);
  keep.dim[1] = 1;
  cy_value minus_log = cy_reshape(log_sum, keep);
  minus_log = cy_sub(minus_log, where_weighted(c, z));
  return cy_sum(cy_mul(c, minus_log), class_axis, 1, false);
}

cy_value cy_cross_entropy(cy_value logits, cy_value labels, cy_cross_entropy_options options) {
  if (!labels_fit("cross_entropy", logits, labels)) return cy_none;
  cy_graph *graph = logits.graph;
  cy_shape shape = cy_value_shape(logits), along = {.rank = shape.rank};
  double s = options.label_smoothing;
  if (shape.rank < 2 || !(s >= 0 && s < 1)) {
    cy_graph_fail(graph, CY_INVALID, "cross_entropy: %s", shape.rank < 2
                  ? "logits need a batch axis and a class axis" : "label_smoothing must be at least 0 and below 1");
    return cy_none;
  }
  cy_value weights = options.class_weights ? weights_constant(logits, options.class_weights) : cy_none;
  if (options.class_weights && !cy_is_value(weights)) return cy_none;
  for (int i = 0; i < shape.rank; i++) along.dim[i] = i == 1 ? shape.dim[1] : 1;

  cy_value z = cy_sub(logits, cy_stop_gradient(cy_reduce_max(logits, class_axis, 1, true)));
  cy_value log_sum = cy_log(cy_sum(cy_exp(z), class_axis, 1, false));
  bool hard = is_integer(labels);
  cy_value one_hot = hard ? is_label(logits, labels) : cy_none, losses;
  if (hard && s == 0) {
    losses = cy_sub(log_sum, cy_sum(cy_select(one_hot, z, cy_zeros_like(z)), class_axis, 1, false));
  } else {
    cy_value c = hard ? cy_convert(one_hot, cy_value_dtype(logits)) : labels;
    if (s > 0) c = smooth(c, z, s);
    if (cy_is_value(weights)) c = cy_mul(c, cy_reshape(weights, along));
    losses = weighted_sum(z, log_sum, c);
  }
  if (hard) losses = cy_add(losses, label_check(labels, shape.dim[1], losses));
  if (!hard || !cy_is_value(weights)) return reduce(losses, options.reduction);

  cy_value example_weights = cy_gather(weights, labels, 0, 0);
  if (s == 0) losses = cy_mul(losses, example_weights);
  if (options.reduction != CY_LOSS_MEAN) return reduce(losses, options.reduction);
  cy_value total = cy_sum(losses, NULL, 0, false);
  return cy_div(total, cy_sum(example_weights, NULL, 0, false));
}

/* With s = -|x| and u = what of the label lies on the other side (1 - t if x > 0, else t) the loss is
 * log(1 + exp(s)) - s u. min(x, -x) takes its derivative from the first of equals, so that x = 0 gives 1/2 - t. */
cy_value cy_binary_cross_entropy(cy_value logits, cy_value targets, cy_reduction reduction) {
  if (!alike("binary_cross_entropy", "logits", logits, "targets", targets)) return cy_none;
  cy_value s = cy_min(logits, cy_neg(logits));
  cy_value above = cy_gt(logits, cy_zeros_like(logits));
  cy_value u = cy_select(above, cy_rsub_scalar(1, targets), targets);
  cy_value losses = cy_log1p(cy_exp(s));
  losses = cy_sub(losses, cy_mul(where_weighted(u, s), u));
  return reduce_elements(losses, false, reduction);
}

/* ---- regression ---- */

cy_value cy_squared_error(cy_value prediction, cy_value target, cy_regression_options options) {
  if (!alike("squared_error", "predictions", prediction, "targets", target)) return cy_none;
  return reduce_elements(cy_square(cy_sub(prediction, target)), options.sum_elements, options.reduction);
}

cy_value cy_absolute_error(cy_value prediction, cy_value target, cy_regression_options options) {
  if (!alike("absolute_error", "predictions", prediction, "targets", target)) return cy_none;
  return reduce_elements(cy_abs(cy_sub(prediction, target)), options.sum_elements, options.reduction);
}

cy_value cy_huber_loss(cy_value prediction, cy_value target, cy_regression_options options) {
  if (!alike("huber", "predictions", prediction, "targets", target)) return cy_none;
  double delta = options.delta == 0 ? 1 : options.delta;
  if (!(delta > 0 && isfinite(delta))) {
    cy_graph_fail(prediction.graph, CY_INVALID, "huber: delta must be a number above 0, not %g", delta);
    return cy_none;
  }
  /* With c = e clipped to +-delta, c (e - c/2) is e^2/2 inside, delta (|e| - delta/2) outside, and has no kink at 0. */
  cy_value e = cy_sub(prediction, target);
  cy_value c = cy_min(e, full_like(e, delta));
  c = cy_max(c, full_like(e, -delta));
  return reduce_elements(cy_mul(c, cy_sub(e, cy_mul_scalar(c, 0.5))), options.sum_elements, options.reduction);
}

/* ---- margins ---- */

static bool margin_of(cy_graph *graph, const char *loss, cy_margin_options options, double *margin) {
  *margin = options.margin == 0 ? 1 : options.margin;
  if (*margin > 0 && isfinite(*margin)) return true;
  cy_graph_fail(graph, CY_INVALID, "%s: margin must be a number above 0, not %g", loss, *margin);
  return false;
}

cy_value cy_hinge_loss(cy_value scores, cy_value labels, cy_margin_options options) {
  double margin;
  if (!labels_fit("hinge", scores, labels) || !margin_of(scores.graph, "hinge", options, &margin)) return cy_none;
  if (!is_integer(labels)) {
    cy_value losses = cy_relu(cy_rsub_scalar(margin, cy_mul(labels, scores)));
    return reduce_elements(losses, false, options.reduction);
  }
  cy_value one_hot = is_label(scores, labels), zero = cy_zeros_like(scores);
  cy_value own = cy_sum(cy_select(one_hot, scores, zero), class_axis, 1, true);
  cy_value over = cy_relu(cy_add_scalar(cy_sub(scores, own), margin));
  cy_value losses = cy_sum(cy_select(one_hot, zero, over), class_axis, 1, false);
  losses = cy_add(losses, label_check(labels, cy_value_shape(scores).dim[1], losses));
  return reduce(losses, options.reduction);
}

cy_value cy_contrastive_loss(cy_value distance, cy_value same, cy_margin_options options) {
  double margin;
  if (!alike("contrastive", "distances", distance, "labels", same) ||
      !margin_of(distance.graph, "contrastive", options, &margin))
    return cy_none;
  cy_value apart = cy_relu(cy_rsub_scalar(margin, distance));
  cy_value together = cy_mul(same, distance);
  cy_value losses = cy_add(together, cy_mul(cy_rsub_scalar(1, same), apart));
  return reduce_elements(losses, false, options.reduction);
}

cy_value cy_pair_distance(cy_value a, cy_value b) {
  if (!alike("pair_distance", "left", a, "right", b)) return cy_none;
  return reduce_elements(cy_square(cy_sub(a, b)), true, CY_LOSS_PER_EXAMPLE);
}

/* ---- penalties ---- */

static cy_value penalty(cy_network *net, double factor, cy_value (*size)(cy_value)) {
  cy_value sum = cy_scalar(cy_network_graph(net), cy_network_dtype(net), 0);
  int n = cy_network_variable_count(net);
  if (!(factor >= 0 && isfinite(factor)))
    cy_graph_fail(cy_network_graph(net), CY_INVALID, "a penalty's factor must be a number >= 0, not %g", factor);
  for (int i = 0; i < n; i++) {
    const cy_network_variable *v = cy_network_variable_at(net, i);
    if (v->role == CY_PARAMETER && v->decays) sum = cy_add(sum, cy_sum(size(v->value), NULL, 0, false));
  }
  return cy_mul_scalar(sum, factor);
}

cy_value cy_l1_penalty(cy_network *network, double lambda) { return penalty(network, lambda, cy_abs); }
cy_value cy_l2_penalty(cy_network *network, double lambda) { return penalty(network, lambda / 2, cy_square); }
