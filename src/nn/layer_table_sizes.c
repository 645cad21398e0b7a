/* The layers of the architecture language that give an image another size: adaptive pooling, resize, pad, crop,
 * pixel shuffle. Each checks its arguments against the input and calls the operation. */
#include "nn/image_layers.h"
#include "nn/windows.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <math.h>

static const double MOST = 1e9;

#define SIZE_ARGUMENT \
  {.name = "size", .type = CY_ARGUMENT_SPACE, .min = 1, .max = 1e9, .about = "extents of the result"}

/* ---- adaptive pooling ---- */

/* Every bin along an axis has bounds of its own, which are found while building. */
#define BINS_ARGUMENT \
  {.name = "size", .type = CY_ARGUMENT_SPACE, .min = 1, .max = 1e4, .about = "extents of the result"}
const cy_argument_row cy_adaptive_avg_pool_arguments[] = {BINS_ARGUMENT, {.name = NULL}};
const cy_argument_row cy_adaptive_max_pool_arguments[] = {BINS_ARGUMENT, {.name = NULL}};

/* The wanted extents, one per spatial axis of x; false with the graph's error set. */
static bool wanted_size(cy_network *network, cy_value x, const cy_argument *argument, int64_t size[CY_MAX_SPACE]) {
  int64_t given[CY_MAX_SPACE];
  int axes = cy_space_axes(network, x);
  cy_argument_space(argument, given);
  return axes && cy_space_spread(network, "size", given, 0, axes, 0, 1, size);
}

cy_value cy_build_adaptive_avg_pool(cy_network *network, cy_value x, const cy_stage *stage) {
  int64_t size[CY_MAX_SPACE];
  return wanted_size(network, x, &stage->arguments[0], size) ? cy_adaptive_avg_pool(x, size) : cy_none;
}

cy_value cy_build_adaptive_max_pool(cy_network *network, cy_value x, const cy_stage *stage) {
  int64_t size[CY_MAX_SPACE];
  return wanted_size(network, x, &stage->arguments[0], size) ? cy_adaptive_max_pool(x, size) : cy_none;
}

/* ---- interpolation, borders ---- */

enum { RESIZE_SIZE, RESIZE_SCALE, RESIZE_MODE, RESIZE_ALIGN };
static const char *const resize_modes[] = {"nearest", "linear", "cubic", NULL}; /* in the order of cy_resize_mode */
const cy_argument_row cy_resize_arguments[] = {
    {.name = "size", .type = CY_ARGUMENT_SPACE, .fallback = "", .min = 1, .max = 1e9, .about = "extents of the result"},
    {.name = "scale", .type = CY_ARGUMENT_REAL, .fallback = "0", .max = 1e9,
     .about = "or its extents as floor(scale * in)"},
    {.name = "mode", .type = CY_ARGUMENT_CHOICE, .fallback = "nearest", .choices = resize_modes,
     .about = "interpolation"},
    {.name = "align_corners", .type = CY_ARGUMENT_BOOL, .fallback = "false",
     .about = "centres of the corner pixels stay; false: corners of the image"},
    {.name = NULL}};

static bool scaled_size(cy_network *network, cy_value x, double scale, int64_t size[CY_MAX_SPACE]) {
  int axes = cy_space_axes(network, x);
  for (int i = 0; i < axes; i++) {
    int64_t in = cy_value_shape(x).dim[i + 2];
    double extent = floor((double)in * scale);
    char axis[CY_AXIS_TEXT];
    if (extent >= 1 && extent <= MOST) {
      size[i] = (int64_t)extent;
      continue;
    }
    cy_graph_fail(cy_network_graph(network), CY_INVALID, "scale %g makes floor(%g * %lld) = %g of %s", scale, scale,
                  (long long)in, extent, cy_space_axis_text(axes, i, axis));
    return false;
  }
  return axes > 0;
}

cy_value cy_build_resize(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  int64_t size[CY_MAX_SPACE];
  if ((a[RESIZE_SIZE].extents.rank > 0) == (a[RESIZE_SCALE].real > 0)) {
    cy_graph_fail(cy_network_graph(network), CY_INVALID, "resize needs either size or scale");
    return cy_none;
  }
  bool known = a[RESIZE_SCALE].real > 0 ? scaled_size(network, x, a[RESIZE_SCALE].real, size)
                                        : wanted_size(network, x, &a[RESIZE_SIZE], size);
  return known ? cy_resize(x, size, (cy_resize_mode)a[RESIZE_MODE].choice, a[RESIZE_ALIGN].truth) : cy_none;
}

const cy_argument_row cy_pad_arguments[] = {
    {.name = "pad", .type = CY_ARGUMENT_PADDING, .min = 0, .max = 1e9, .about = "numbers of elements"},
    CY_PAD_MODE_ARGUMENT, {.name = NULL}};

cy_value cy_build_pad(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_padding *padding = &stage->arguments[0].padding;
  int64_t low[CY_MAX_SPACE], high[CY_MAX_SPACE];
  int axes = cy_space_axes(network, x);
  if (padding->kind != CY_PADDING_EXPLICIT && axes)
    cy_graph_fail(cy_network_graph(network), CY_INVALID, "pad needs numbers: same and half belong to a window");
  for (int i = 0; i < axes; i++)
    if (!cy_padding_explicit(network, padding, axes, i, &low[i], &high[i])) return cy_none;
  return axes ? cy_pad_space(x, low, high, (cy_pad_mode)stage->arguments[1].choice) : cy_none;
}

const cy_argument_row cy_crop_arguments[] = {
    SIZE_ARGUMENT,
    {.name = "at", .type = CY_ARGUMENT_SPACE, .fallback = "0", .min = 0, .max = 1e9, .about = "where it begins"},
    {.name = NULL}};

cy_value cy_build_crop(cy_network *network, cy_value x, const cy_stage *stage) {
  int64_t size[CY_MAX_SPACE], at[CY_MAX_SPACE], given[CY_MAX_SPACE], start[CY_MAX_RANK] = {0}, limit[CY_MAX_RANK];
  int axes = cy_space_axes(network, x);
  cy_argument_space(&stage->arguments[1], given);
  if (!axes || !wanted_size(network, x, &stage->arguments[0], size) ||
      !cy_space_spread(network, "at", given, stage->arguments[1].extents.rank, axes, 0, 0, at))
    return cy_none;
  for (int i = 0; i < axes + 2; i++) limit[i] = cy_value_shape(x).dim[i];
  for (int i = 0; i < axes; i++) {
    char axis[CY_AXIS_TEXT];
    start[i + 2] = at[i];
    if (at[i] + size[i] <= limit[i + 2]) {
      limit[i + 2] = at[i] + size[i];
      continue;
    }
    cy_network_too_small(network);
    cy_graph_fail(cy_network_graph(network), CY_INVALID, "%lld + %lld is beyond the input's %lld along %s",
                  (long long)at[i], (long long)size[i], (long long)limit[i + 2], cy_space_axis_text(axes, i, axis));
    return cy_none;
  }
  return cy_slice(x, start, limit, NULL);
}

#define FACTOR_ARGUMENT \
  {.name = "factor", .type = CY_ARGUMENT_INTEGER, .min = 1, .max = 1e9, .about = "per spatial axis"}
const cy_argument_row cy_pixel_shuffle_arguments[] = {FACTOR_ARGUMENT, {.name = NULL}};
const cy_argument_row cy_pixel_unshuffle_arguments[] = {FACTOR_ARGUMENT, {.name = NULL}};

cy_value cy_build_pixel_shuffle(cy_network *network, cy_value x, const cy_stage *stage) {
  return cy_space_axes(network, x) ? cy_pixel_shuffle(x, stage->arguments[0].integer) : cy_none;
}

cy_value cy_build_pixel_unshuffle(cy_network *network, cy_value x, const cy_stage *stage) {
  return cy_space_axes(network, x) ? cy_pixel_unshuffle(x, stage->arguments[0].integer) : cy_none;
}
