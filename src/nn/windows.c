/* Windows of layers on images. Extents are checked before they are added or multiplied, because options come from
 * text. */
#include "nn/windows.h"

#include "base/memory.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

#include <stdio.h>

const char *cy_space_axis_text(int axes, int i, char buffer[CY_AXIS_TEXT]) {
  static const char *const names[CY_MAX_SPACE][CY_MAX_SPACE] = {
      {"length"}, {"height", "width"}, {"depth", "height", "width"}};
  snprintf(buffer, CY_AXIS_TEXT, "axis %d (%s)", i + 2, names[axes - 1][i]);
  return buffer;
}

int cy_space_axes(cy_network *network, cy_value x) {
  char received[CY_RECEIVED_TEXT];
  if (!cy_network_takes(network, x, 1)) return 0;
  int axes = cy_value_shape(x).rank - 2;
  if (axes >= 1 && axes <= CY_MAX_SPACE) return axes;
  cy_graph_fail(cy_network_graph(network), CY_INVALID,
                "expects examples of channels and 1 to %d spatial axes, such as 3x32x32, but receives %s", CY_MAX_SPACE,
                cy_network_received(network, x, received));
  return 0;
}

bool cy_space_spread(cy_network *network, const char *what, const int64_t *given, int n, int axes, int64_t usual,
                     int64_t least, int64_t *out) {
  cy_graph *graph = cy_network_graph(network);
  cy_shape entries = {.rank = n};
  char text[CY_SHAPE_TEXT];
  for (int i = 0; i < CY_MAX_SPACE; i++) {
    entries.dim[i] = given[i];
    if (n == 0 && given[i] != 0) entries.rank = i + 1;
  }
  if (entries.rank > 1 && entries.rank != axes) {
    cy_graph_fail(graph, CY_INVALID, "%s %s is for %d spatial axes, but the input has %d", what,
                  cy_shape_text(entries, text), entries.rank, axes);
    return false;
  }
  for (int i = 0; i < axes; i++) {
    int64_t entry = given[entries.rank > 1 ? i : 0];
    out[i] = entry ? entry : usual;
    if (out[i] >= least) continue;
    cy_graph_fail(graph, CY_INVALID, "%s must be at least %lld, not %lld", what, (long long)least, (long long)out[i]);
    return false;
  }
  return true;
}

bool cy_windows_spread(cy_network *network, const cy_window_options *options, int axes, cy_windows *windows) {
  *windows = (cy_windows){.groups = 1};
  if (!cy_space_spread(network, "kernel", options->kernel, 0, axes, 0, 1, windows->kernel)) return false;
  const int64_t *stride = options->stride;
  bool usual = options->usual_stride && stride[0] == 0 && stride[1] == 0 && stride[2] == 0;
  return cy_space_spread(network, "stride", usual ? options->usual_stride : stride, 0, axes, 1, 1, windows->stride) &&
         cy_space_spread(network, "dilation", options->dilation, 0, axes, 1, 1, windows->dilation);
}

int64_t cy_windows_span(cy_network *network, const cy_windows *windows, int i) {
  int64_t span;
  if (cy_mul_i64(windows->dilation[i], windows->kernel[i] - 1, &span) && cy_add_i64(span, 1, &span)) return span;
  cy_graph_fail(cy_network_graph(network), CY_INVALID, "kernel %lld with dilation %lld is too large",
                (long long)windows->kernel[i], (long long)windows->dilation[i]);
  return -1;
}

bool cy_padding_explicit(cy_network *network, const cy_padding *padding, int axes, int i, int64_t *low, int64_t *high) {
  cy_graph *graph = cy_network_graph(network);
  if (padding->axes != 0 && padding->axes != axes) {
    cy_graph_fail(graph, CY_INVALID, "the padding is for %d spatial axes, but the input has %d", padding->axes, axes);
    return false;
  }
  *low = padding->low[padding->axes ? i : 0];
  *high = padding->high[padding->axes ? i : 0];
  if (*low >= 0 && *high >= 0) return true;
  cy_graph_fail(graph, CY_INVALID, "padding must not be negative: %lld and %lld", (long long)*low, (long long)*high);
  return false;
}

/* Padding that makes ceil(in / stride) windows, the odd element at the end. */
static void pad_same(int64_t in, int64_t stride, int64_t span, int64_t *low, int64_t *high) {
  int64_t out = in / stride + (in % stride != 0), total = (out > 0 ? out - 1 : 0) * stride - in + span;
  if (total < 0) total = 0;
  *low = total / 2;
  *high = total - *low;
}

/* What is earlier is a matter of sequences. */
static bool padding_fits(cy_network *net, const cy_padding *padding, int axes) {
  if (padding->kind != CY_PADDING_CAUSAL || axes == 1) return true;
  cy_graph_fail(cy_network_graph(net), CY_INVALID,
                "padding causal is for sequences, but the input has %d spatial axes", axes);
  return false;
}

static bool resolve_axis(cy_network *net, int64_t in, const cy_padding *padding, int axes, int i, cy_windows *windows) {
  cy_graph *graph = cy_network_graph(net);
  char axis[CY_AXIS_TEXT], dilated[48] = "";
  int64_t span = cy_windows_span(net, windows, i), *low = &windows->low[i], *high = &windows->high[i], padded;
  if (span < 0) return false;
  if (padding->kind == CY_PADDING_SAME)
    pad_same(in, windows->stride[i], span, low, high);
  else if (padding->kind == CY_PADDING_HALF)
    *low = *high = span / 2;
  else if (padding->kind == CY_PADDING_CAUSAL)
    *low = span - 1;
  else if (!cy_padding_explicit(net, padding, axes, i, low, high))
    return false;
  if (!cy_add_i64(in, *low, &padded) || !cy_add_i64(padded, *high, &padded)) {
    cy_graph_fail(graph, CY_INVALID, "padding %lld and %lld is too large", (long long)*low, (long long)*high);
    return false;
  }
  if (in > 0 && padded >= span) return true;
  if (windows->dilation[i] > 1)
    snprintf(dilated, sizeof dilated, " with dilation %lld", (long long)windows->dilation[i]);
  int64_t least = padding->kind == CY_PADDING_EXPLICIT && span > *low + *high ? span - *low - *high : 1;
  cy_network_too_small(net);
  cy_graph_fail(graph, CY_INVALID,
                "kernel %lld%s spans %lld, but the padded input is %lld + %lld + %lld = %lld along %s: the input must "
                "be at least %lld there",
                (long long)windows->kernel[i], dilated, (long long)span, (long long)in, (long long)*low,
                (long long)*high, (long long)padded, cy_space_axis_text(axes, i, axis), (long long)least);
  return false;
}

bool cy_windows_resolve(cy_network *network, cy_value x, const cy_window_options *options, cy_windows *windows) {
  int axes = cy_space_axes(network, x);
  if (axes == 0 || !padding_fits(network, options->padding, axes) ||
      !cy_windows_spread(network, options, axes, windows))
    return false;
  for (int i = 0; i < axes; i++)
    if (!resolve_axis(network, cy_value_shape(x).dim[i + 2], options->padding, axes, i, windows)) return false;
  return true;
}

cy_value cy_windows_pad(cy_value x, cy_pad_mode mode, cy_windows *windows) {
  if (mode == CY_PAD_ZERO) return x;
  x = cy_pad_space(x, windows->low, windows->high, mode);
  for (int i = 0; i < CY_MAX_SPACE; i++) windows->low[i] = windows->high[i] = 0;
  return x;
}
