/* Convolutions with trained weights, and their transposes. Both are one operation of ops.h between a weight, a bias
 * and the windows that windows.c resolves; here are the checks, the variables and the fans. */
#include "nn/windows.h"

#include "base/memory.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <stdio.h>

/* What a convolution and a transposed one declare alike. */
typedef struct filter_bank {
  int64_t filters, groups;
  bool no_bias;
  cy_initializer weight, bias;
  double l1, l2;
} filter_bank;

/* ---- checks ---- */

static bool divides(cy_network *net, int64_t groups, int64_t count, const char *what) {
  if (count % groups == 0) return true;
  cy_graph_fail(cy_network_graph(net), CY_INVALID, "%lld groups do not divide %lld %s", (long long)groups,
                (long long)count, what);
  return false;
}

static bool bank_is_valid(cy_network *net, const filter_bank *bank, int64_t channels) {
  cy_graph *graph = cy_network_graph(net);
  if (bank->filters < 1)
    cy_graph_fail(graph, CY_INVALID, "filters must be at least 1, not %lld", (long long)bank->filters);
  else if (bank->groups < 1)
    cy_graph_fail(graph, CY_INVALID, "groups must be at least 1, not %lld", (long long)bank->groups);
  else if (channels < 1)
    cy_graph_fail(graph, CY_INVALID, "its input has no channels");
  return !cy_graph_failed(graph) && divides(net, bank->groups, channels, "channels") &&
         divides(net, bank->groups, bank->filters, "filters");
}

/* A weight declared before, when the layer is applied again, must be the one that is needed now. */
static bool weight_fits(cy_network *net, cy_value x, cy_shape shape, int axis, int64_t groups) {
  cy_shape declared = cy_network_declared_shape(net, "weight");
  char was[CY_SHAPE_TEXT], is[CY_SHAPE_TEXT], received[CY_RECEIVED_TEXT];
  if (declared.rank < 0 || cy_shape_equal(declared, shape)) return true;
  if (declared.rank == shape.rank && declared.dim[axis] != shape.dim[axis])
    cy_graph_fail(cy_network_graph(net), CY_INVALID, "expects %lld channels but receives %s",
                  (long long)(declared.dim[axis] * groups), cy_network_received(net, x, received));
  else
    cy_graph_fail(cy_network_graph(net), CY_INVALID, "its weight is %s already and can't be %s",
                  cy_shape_text(declared, was), cy_shape_text(shape, is));
  return false;
}

/* ---- variables ---- */

/* [outer, inner, kernel...], with penalties; axis is the one that counts x's channels. */
static cy_value bank_weight(cy_network *net, cy_value x, const filter_bank *bank, const cy_windows *windows, int axis) {
  cy_shape shape = cy_value_shape(x);
  int64_t channels = shape.dim[1], inputs = channels / bank->groups, outputs = bank->filters / bank->groups, window = 1,
          elements;
  cy_shape own = {.rank = shape.rank};
  own.dim[0] = axis == 0 ? channels : bank->filters;
  own.dim[1] = axis == 0 ? outputs : inputs;
  for (int i = 0; i < shape.rank - 2; i++) {
    own.dim[i + 2] = windows->kernel[i];
    if (!cy_mul_i64(window, windows->kernel[i], &window)) window = INT64_MAX;
  }
  if (!cy_mul_i64(inputs, window, &elements) || !cy_mul_i64(outputs, elements, &elements) ||
      !cy_mul_i64(bank->groups, elements, &elements)) {
    char text[CY_SHAPE_TEXT];
    cy_graph_fail(cy_network_graph(net), CY_INVALID, "a weight of %s is too large", cy_shape_text(own, text));
    return cy_none;
  }
  if (!weight_fits(net, x, own, axis, axis == 0 ? 1 : bank->groups)) return cy_none;
  bool shared = cy_network_declared_shape(net, "weight").rank >= 0;
  cy_initializer start = cy_initializer_or(bank->weight, (cy_initializer){.kind = CY_INIT_HE_NORMAL}, inputs * window,
                                           outputs * window);
  cy_value weight = cy_network_parameter(net, "weight", own, start, true);
  if (!shared) cy_network_penalize(net, weight, bank->l1, bank->l2);
  return weight;
}

static cy_value add_bias(cy_network *net, cy_value y, const filter_bank *bank) {
  if (bank->no_bias || !cy_is_value(y)) return y;
  cy_initializer start = cy_initializer_or(bank->bias, (cy_initializer){.kind = CY_INIT_CONSTANT}, 1, bank->filters);
  cy_value bias = cy_network_parameter(net, "bias", CY_SHAPE(bank->filters), start, false);
  cy_shape along = {.rank = cy_value_shape(y).rank - 1, .dim = {bank->filters}}; /* aligned at the right */
  for (int i = 1; i < along.rank; i++) along.dim[i] = 1;
  return cy_add(y, cy_reshape(bias, along));
}

/* ---- convolution ---- */

static cy_value conv(cy_network *net, cy_value x, const cy_conv_options *o) {
  cy_window_options given = {.kernel = o->kernel, .stride = o->stride, .dilation = o->dilation, .padding = &o->padding};
  filter_bank bank = {.filters = o->filters, .groups = o->groups ? o->groups : 1, .no_bias = o->no_bias,
                      .weight = o->weight, .bias = o->bias, .l1 = o->l1, .l2 = o->l2};
  cy_windows windows;
  if (cy_space_axes(net, x) == 0) return cy_none;
  int64_t channels = cy_value_shape(x).dim[1];
  if (o->depthwise) {
    bank.groups = channels > 0 ? channels : 1;
    if (bank.filters == 0) bank.filters = 1;
    if (!cy_mul_i64(bank.filters, bank.groups, &bank.filters)) bank.filters = -1;
  }
  if (!bank_is_valid(net, &bank, channels) || !cy_windows_resolve(net, x, &given, &windows)) return cy_none;
  cy_value weight = bank_weight(net, x, &bank, &windows, 1);
  if (o->flipped)
    for (int i = 2; i < cy_value_shape(x).rank && cy_is_value(weight); i++) weight = cy_flip(weight, i);
  windows.groups = bank.groups;
  x = cy_windows_pad(x, o->padding.mode, &windows);
  return add_bias(net, cy_convolution(x, weight, windows), &bank);
}

cy_value cy_conv(cy_network *network, cy_value x, cy_conv_options options) {
  cy_network_open(network, options.depthwise ? "depthwise" : "conv", options.name, x);
  return cy_network_close(network, conv(network, x, &options));
}

/* ---- transposed convolution ---- */

/* The extent that it produces, and the padding of the convolution that would map it back: in = floor((size + low +
 * high - span) / stride) + 1. Same: size = in stride, which that convolution, padded to ceil(size / stride), maps
 * back. */
static bool transposed_axis(cy_network *net, const cy_conv_transpose_options *o, int64_t in, int axes, int i,
                            int64_t extra, cy_windows *windows, int64_t *size) {
  cy_graph *graph = cy_network_graph(net);
  int64_t span = cy_windows_span(net, windows, i), stride = windows->stride[i];
  int64_t *low = &windows->low[i], *high = &windows->high[i], spread, total;
  char axis[CY_AXIS_TEXT];
  bool same = o->padding.kind == CY_PADDING_SAME;
  if (span < 0) return false;
  if (same) {
    int64_t beyond = span > stride ? span - stride : 0;
    *low = beyond / 2;
    *high = beyond - *low;
  } else if (o->padding.kind == CY_PADDING_HALF) {
    *low = *high = span / 2;
  } else if (!cy_padding_explicit(net, &o->padding, axes, i, low, high)) {
    return false;
  }
  if (extra >= stride || (same && extra)) {
    cy_graph_fail(graph, CY_INVALID, "output_pad %lld must be %s %lld along %s", (long long)extra,
                  same ? "0 with padding same: the extent is the input's times" : "below the stride", (long long)stride,
                  cy_space_axis_text(axes, i, axis));
    return false;
  }
  bool fits = cy_mul_i64(in - (same ? 0 : 1), stride, &spread) && cy_add_i64(*low, *high, &total) &&
              cy_add_i64(spread, same ? 0 : span, size) && cy_add_i64(*size, extra, size) &&
              cy_add_i64(*size, same ? 0 : -total, size);
  if (!fits) {
    cy_graph_fail(graph, CY_INVALID, "the result along %s is too large", cy_space_axis_text(axes, i, axis));
    return false;
  }
  if (in > 0 && *size > 0) return true;
  cy_graph_fail(graph, CY_INVALID, "nothing is left along %s: (%lld - 1) * %lld + %lld - %lld - %lld + %lld = %lld",
                cy_space_axis_text(axes, i, axis), (long long)in, (long long)stride, (long long)span, (long long)*low,
                (long long)*high, (long long)extra, (long long)*size);
  return false;
}

static cy_value conv_transpose(cy_network *net, cy_value x, const cy_conv_transpose_options *o) {
  cy_window_options given = {.kernel = o->kernel, .stride = o->stride, .dilation = o->dilation, .padding = &o->padding};
  filter_bank bank = {.filters = o->filters, .groups = o->groups ? o->groups : 1, .no_bias = o->no_bias,
                      .weight = o->weight, .bias = o->bias, .l1 = o->l1, .l2 = o->l2};
  cy_windows windows;
  int64_t extra[CY_MAX_SPACE] = {0}, size[CY_MAX_SPACE] = {0};
  int axes = cy_space_axes(net, x);
  if (axes == 0 || !bank_is_valid(net, &bank, cy_value_shape(x).dim[1]) ||
      !cy_windows_spread(net, &given, axes, &windows) ||
      !cy_space_spread(net, "output_pad", o->output_padding, o->output_axes, axes, 0, 0, extra))
    return cy_none;
  if (o->padding.mode != CY_PAD_ZERO || o->padding.kind == CY_PADDING_CAUSAL) {
    cy_graph_fail(cy_network_graph(net), CY_INVALID, o->padding.mode != CY_PAD_ZERO
                  ? "a transposed convolution pads with zeros only" : "a transposed convolution has no causal padding");
    return cy_none;
  }
  for (int i = 0; i < axes; i++)
    if (!transposed_axis(net, o, cy_value_shape(x).dim[i + 2], axes, i, extra[i], &windows, &size[i])) return cy_none;
  cy_value weight = bank_weight(net, x, &bank, &windows, 0);
  windows.groups = bank.groups;
  return add_bias(net, cy_convolution_input(weight, x, windows, size), &bank);
}

cy_value cy_conv_transpose(cy_network *network, cy_value x, cy_conv_transpose_options options) {
  cy_network_open(network, "conv_transpose", options.name, x);
  return cy_network_close(network, conv_transpose(network, x, &options));
}
