/* The layers of the architecture language that slide windows over images: their arguments, and functions that hand
 * them to the layers. */
#include "nn/image_layers.h"
#include "nn/windows.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <string.h>

void cy_argument_space(const cy_argument *argument, int64_t out[CY_MAX_SPACE]) {
  memset(out, 0, CY_MAX_SPACE * sizeof *out);
  for (int i = 0; i < argument->extents.rank; i++) out[i] = argument->extents.dim[i];
}

const char *const cy_pad_modes[] = {"zeros", "reflect", "edge", NULL};

static cy_padding padding_of(const cy_argument *padding, const cy_argument *mode) {
  cy_padding result = padding->padding;
  result.mode = (cy_pad_mode)mode->choice;
  return result;
}

#define KERNEL_ARGUMENT \
  {.name = "kernel", .type = CY_ARGUMENT_SPACE, .min = 1, .max = 1e9, .about = "extent of the window"}
#define STRIDE_ARGUMENT \
  {.name = "stride", .type = CY_ARGUMENT_SPACE, .fallback = "1", .min = 1, .max = 1e9, .about = "step of the window"}
#define PAD_ARGUMENT                                                                                    \
  {.name = "pad", .type = CY_ARGUMENT_PADDING, .fallback = "valid", .min = 0, .max = 1e9,               \
   .about = "around the image; same: out = ceil(in / stride), half: floor(kernel / 2) on both sides, "   \
            "causal: all of it in front of a sequence"}
#define DILATION_ARGUMENT                                                                            \
  {.name = "dilation", .type = CY_ARGUMENT_SPACE, .fallback = "1", .min = 1, .max = 1e9,             \
   .about = "step between the kernel's elements"}
#define GROUPS_ARGUMENT                                                                              \
  {.name = "groups", .type = CY_ARGUMENT_INTEGER, .fallback = "1", .min = 1, .max = 1e9,             \
   .about = "filters and channels fall into so many separate groups"}
#define FLIPPED_ARGUMENT                                                                             \
  {.name = "flipped", .type = CY_ARGUMENT_BOOL, .fallback = "false",                                 \
   .about = "true convolution: the kernel runs backwards"}
#define WEIGHT_ARGUMENTS                                                                             \
  {.name = "bias", .type = CY_ARGUMENT_BOOL, .fallback = "true", .about = "adds a trained bias per filter"}, \
      {.name = "init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "he_normal", .about = "of the weight"},  \
      {.name = "bias_init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "zeros", .about = "of the bias"},   \
      {.name = "l1", .type = CY_ARGUMENT_REAL, .fallback = "0", .max = 1e9, .about = "penalty l1 * sum |w|"}, \
      {.name = "l2", .type = CY_ARGUMENT_REAL, .fallback = "0", .max = 1e9, .about = "penalty l2/2 * sum w^2"}

/* ---- convolutions ---- */

enum { CONV_FILTERS, CONV_KERNEL, CONV_STRIDE, CONV_PAD, CONV_DILATION, CONV_GROUPS, CONV_BIAS, CONV_INIT,
       CONV_BIAS_INIT, CONV_L1, CONV_L2, CONV_MODE, CONV_FLIPPED };
const cy_argument_row cy_conv_arguments[] = {
    {.name = "filters", .type = CY_ARGUMENT_INTEGER, .min = 1, .max = 1e9, .about = "channels of the result"},
    KERNEL_ARGUMENT, STRIDE_ARGUMENT, PAD_ARGUMENT, DILATION_ARGUMENT, GROUPS_ARGUMENT, WEIGHT_ARGUMENTS,
    CY_PAD_MODE_ARGUMENT, FLIPPED_ARGUMENT, {.name = NULL}};

static cy_conv_options conv_options(const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  cy_conv_options o = {.name = stage->name, .filters = a[CONV_FILTERS].integer, .groups = a[CONV_GROUPS].integer,
                       .padding = padding_of(&a[CONV_PAD], &a[CONV_MODE]), .flipped = a[CONV_FLIPPED].truth,
                       .no_bias = !a[CONV_BIAS].truth, .weight = a[CONV_INIT].initializer,
                       .bias = a[CONV_BIAS_INIT].initializer, .l1 = a[CONV_L1].real, .l2 = a[CONV_L2].real};
  cy_argument_space(&a[CONV_KERNEL], o.kernel);
  cy_argument_space(&a[CONV_STRIDE], o.stride);
  cy_argument_space(&a[CONV_DILATION], o.dilation);
  return o;
}

cy_value cy_build_conv(cy_network *network, cy_value x, const cy_stage *stage) {
  return cy_conv(network, x, conv_options(stage));
}

enum { DEPTHWISE_KERNEL, DEPTHWISE_STRIDE, DEPTHWISE_PAD, DEPTHWISE_DILATION, DEPTHWISE_MULTIPLIER, DEPTHWISE_BIAS,
       DEPTHWISE_INIT, DEPTHWISE_BIAS_INIT, DEPTHWISE_L1, DEPTHWISE_L2, DEPTHWISE_MODE, DEPTHWISE_FLIPPED };
const cy_argument_row cy_depthwise_arguments[] = {
    KERNEL_ARGUMENT, STRIDE_ARGUMENT, PAD_ARGUMENT, DILATION_ARGUMENT,
    {.name = "multiplier", .type = CY_ARGUMENT_INTEGER, .fallback = "1", .min = 1, .max = 1e9,
     .about = "filters of each channel"},
    WEIGHT_ARGUMENTS, CY_PAD_MODE_ARGUMENT, FLIPPED_ARGUMENT, {.name = NULL}};

cy_value cy_build_depthwise(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  cy_conv_options o = {.name = stage->name, .filters = a[DEPTHWISE_MULTIPLIER].integer, .depthwise = true,
                       .padding = padding_of(&a[DEPTHWISE_PAD], &a[DEPTHWISE_MODE]),
                       .flipped = a[DEPTHWISE_FLIPPED].truth, .no_bias = !a[DEPTHWISE_BIAS].truth,
                       .weight = a[DEPTHWISE_INIT].initializer, .bias = a[DEPTHWISE_BIAS_INIT].initializer,
                       .l1 = a[DEPTHWISE_L1].real, .l2 = a[DEPTHWISE_L2].real};
  cy_argument_space(&a[DEPTHWISE_KERNEL], o.kernel);
  cy_argument_space(&a[DEPTHWISE_STRIDE], o.stride);
  cy_argument_space(&a[DEPTHWISE_DILATION], o.dilation);
  return cy_conv(network, x, o);
}

enum { TRANSPOSE_FILTERS, TRANSPOSE_KERNEL, TRANSPOSE_STRIDE, TRANSPOSE_PAD, TRANSPOSE_OUTPUT_PAD, TRANSPOSE_DILATION,
       TRANSPOSE_GROUPS, TRANSPOSE_BIAS, TRANSPOSE_INIT, TRANSPOSE_BIAS_INIT, TRANSPOSE_L1, TRANSPOSE_L2 };
const cy_argument_row cy_conv_transpose_arguments[] = {
    {.name = "filters", .type = CY_ARGUMENT_INTEGER, .min = 1, .max = 1e9, .about = "channels of the result"},
    KERNEL_ARGUMENT,
    {.name = "stride", .type = CY_ARGUMENT_SPACE, .fallback = "1", .min = 1, .max = 1e9,
     .about = "of the convolution that is transposed: by how much the image grows"},
    {.name = "pad", .type = CY_ARGUMENT_PADDING, .fallback = "valid", .min = 0, .max = 1e9,
     .about = "of that convolution: cut off here; same: out = in * stride"},
    {.name = "output_pad", .type = CY_ARGUMENT_SPACE, .fallback = "0", .min = 0, .max = 1e9,
     .about = "added at the end, less than stride"},
    DILATION_ARGUMENT, GROUPS_ARGUMENT, WEIGHT_ARGUMENTS, {.name = NULL}};

cy_value cy_build_conv_transpose(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  cy_conv_transpose_options o = {.name = stage->name, .filters = a[TRANSPOSE_FILTERS].integer,
                                 .groups = a[TRANSPOSE_GROUPS].integer,
                                 .output_axes = a[TRANSPOSE_OUTPUT_PAD].extents.rank,
                                 .padding = a[TRANSPOSE_PAD].padding,
                                 .no_bias = !a[TRANSPOSE_BIAS].truth, .weight = a[TRANSPOSE_INIT].initializer,
                                 .bias = a[TRANSPOSE_BIAS_INIT].initializer, .l1 = a[TRANSPOSE_L1].real,
                                 .l2 = a[TRANSPOSE_L2].real};
  cy_argument_space(&a[TRANSPOSE_KERNEL], o.kernel);
  cy_argument_space(&a[TRANSPOSE_STRIDE], o.stride);
  cy_argument_space(&a[TRANSPOSE_OUTPUT_PAD], o.output_padding);
  cy_argument_space(&a[TRANSPOSE_DILATION], o.dilation);
  return cy_conv_transpose(network, x, o);
}

/* ---- pooling ---- */

enum { POOL_KERNEL, POOL_STRIDE, POOL_PAD, POOL_DILATION, POOL_COUNT_PADDING = POOL_DILATION };
#define POOL_STRIDE_ARGUMENT                                                                         \
  {.name = "stride", .type = CY_ARGUMENT_SPACE, .fallback = "", .min = 1, .max = 1e9,                \
   .about = "step of the window; usually the kernel: windows side by side"}
const cy_argument_row cy_max_pool_arguments[] = {KERNEL_ARGUMENT, POOL_STRIDE_ARGUMENT, PAD_ARGUMENT, DILATION_ARGUMENT,
                                                 {.name = NULL}};
const cy_argument_row cy_avg_pool_arguments[] = {
    KERNEL_ARGUMENT, POOL_STRIDE_ARGUMENT, PAD_ARGUMENT,
    {.name = "count_padding", .type = CY_ARGUMENT_BOOL, .fallback = "true",
     .about = "padding counts as zeros; false: means of the elements inside the image"},
    {.name = NULL}};

cy_value cy_build_max_pool(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  cy_pool_options o = {.name = stage->name, .padding = a[POOL_PAD].padding};
  cy_argument_space(&a[POOL_KERNEL], o.kernel);
  cy_argument_space(&a[POOL_STRIDE], o.stride);
  cy_argument_space(&a[POOL_DILATION], o.dilation);
  return cy_max_pool_layer(network, x, o);
}

cy_value cy_build_avg_pool(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  cy_pool_options o = {.name = stage->name, .padding = a[POOL_PAD].padding,
                       .skip_padding = !a[POOL_COUNT_PADDING].truth};
  cy_argument_space(&a[POOL_KERNEL], o.kernel);
  cy_argument_space(&a[POOL_STRIDE], o.stride);
  return cy_avg_pool_layer(network, x, o);
}

const cy_argument_row cy_global_avg_pool_arguments[] = {{.name = NULL}};
const cy_argument_row cy_global_max_pool_arguments[] = {{.name = NULL}};

cy_value cy_build_global_avg_pool(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)stage;
  return cy_space_axes(network, x) ? cy_global_avg_pool(x) : cy_none;
}

cy_value cy_build_global_max_pool(cy_network *network, cy_value x, const cy_stage *stage) {
  (void)stage;
  return cy_space_axes(network, x) ? cy_global_max_pool(x) : cy_none;
}

