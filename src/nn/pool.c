/* Pooling layers: the windows that windows.c resolves, handed to the operations of ops.h. No variables. */
#include "nn/windows.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>

static bool pool_windows(cy_network *net, cy_value *x, const cy_pool_options *o, cy_windows *windows) {
  cy_window_options given = {.kernel = o->kernel, .stride = o->stride, .usual_stride = o->kernel,
                             .dilation = o->dilation, .padding = &o->padding};
  if (!cy_windows_resolve(net, *x, &given, windows)) return false;
  *x = cy_windows_pad(*x, o->padding.mode, windows);
  return true;
}

static cy_value max_pool(cy_network *net, cy_value x, const cy_pool_options *o) {
  cy_windows windows;
  return pool_windows(net, &x, o, &windows) ? cy_max_pool(x, windows) : cy_none;
}

static cy_value avg_pool(cy_network *net, cy_value x, const cy_pool_options *o) {
  cy_windows windows;
  return pool_windows(net, &x, o, &windows) ? cy_avg_pool(x, windows, !o->skip_padding) : cy_none;
}

cy_value cy_max_pool_layer(cy_network *network, cy_value x, cy_pool_options options) {
  cy_network_open(network, "max_pool", options.name, x);
  return cy_network_close(network, max_pool(network, x, &options));
}

cy_value cy_avg_pool_layer(cy_network *network, cy_value x, cy_pool_options options) {
  cy_network_open(network, "avg_pool", options.name, x);
  return cy_network_close(network, avg_pool(network, x, &options));
}

/* ---- over all of space ---- */

/* The axes after the channels; how many, or 0 with the graph's error set. */
static int space(cy_value x, int axes[CY_MAX_RANK]) {
  if (!cy_is_value(x)) return 0;
  cy_shape shape = cy_value_shape(x);
  char text[CY_SHAPE_TEXT];
  for (int i = 2; i < shape.rank; i++) axes[i - 2] = i;
  if (shape.rank > 2) return shape.rank - 2;
  cy_graph_fail(x.graph, CY_INVALID, "a global pool needs spatial axes after batch and channels, but receives shape %s",
                cy_shape_text(shape, text));
  return 0;
}

cy_value cy_global_avg_pool(cy_value x) {
  int axes[CY_MAX_RANK], n = space(x, axes);
  return n ? cy_mean(x, axes, n, false) : cy_none;
}

cy_value cy_global_max_pool(cy_value x) {
  int axes[CY_MAX_RANK], n = space(x, axes);
  return n ? cy_reduce_max(x, axes, n, false) : cy_none;
}
