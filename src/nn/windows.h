/* Windows of layers on images: options spread over the spatial axes, padding resolved for the input at hand, and
 * every mistake explained with its arithmetic. Used by convolutions and pooling. */
#ifndef CY_NN_WINDOWS_H
#define CY_NN_WINDOWS_H

#include "nn/network.h"

/* Windows as options give them; CY_MAX_SPACE entries each, 0 for the default. */
typedef struct cy_window_options {
  const int64_t *kernel, *stride, *dilation;
  const int64_t *usual_stride; /* where stride is 0; NULL: 1 */
  const cy_padding *padding;
} cy_window_options;

/* Spatial axes of x; 0, with the graph's error set, unless there are 1 to CY_MAX_SPACE. */
int cy_space_axes(cy_network *network, cy_value x);

/* The first n entries of given as one number per spatial axis: one alone holds for all of them, 0 stands for usual;
 * n = 0: up to the last that is not zero. False, with the graph's error set, for another number of entries or one
 * below least. */
bool cy_space_spread(cy_network *network, const char *what, const int64_t *given, int n, int axes, int64_t usual,
                     int64_t least, int64_t *out);

/* Fills all entries of windows but groups, without looking at x's extents: padding stays low = high = 0. */
bool cy_windows_spread(cy_network *network, const cy_window_options *options, int axes, cy_windows *windows);
/* dilation (kernel - 1) + 1 along spatial axis i; -1, with the graph's error set, if it does not fit in 64 bits. */
int64_t cy_windows_span(cy_network *network, const cy_windows *windows, int i);
/* Explicit padding of one spatial axis; false, with the graph's error set, if it is negative. */
bool cy_padding_explicit(cy_network *network, const cy_padding *padding, int axes, int i, int64_t *low, int64_t *high);

/* Everything for x: kernel, stride, dilation, and padding resolved to low and high; at least one window fits. */
bool cy_windows_resolve(cy_network *network, cy_value x, const cy_window_options *options, cy_windows *windows);
/* x padded by what zero padding can't do, and windows without that padding; x itself for zeros. */
cy_value cy_windows_pad(cy_value x, cy_pad_mode mode, cy_windows *windows);

/* "axis 2 (height)" of an input with so many spatial axes. Returns buffer. */
enum { CY_AXIS_TEXT = 48 };
const char *cy_space_axis_text(int axes, int i, char buffer[CY_AXIS_TEXT]);

#endif
