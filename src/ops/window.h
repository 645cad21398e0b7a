/* What the operations on windows share: their attributes, and the arithmetic of extents. */
#ifndef CY_OPS_WINDOW_H
#define CY_OPS_WINDOW_H

#include "ops/ops.h"

typedef enum cy_convolution_role { CY_CONVOLUTION_Y, CY_CONVOLUTION_X, CY_CONVOLUTION_W } cy_convolution_role;

/* All fields are filled in for every operation and role: one entry per spatial axis, no zeros for defaults. Only
 * window_gather and window_scatter may know nothing of windows: then kernel.n is 0, and their index points anywhere. */
typedef struct cy_window_attrs {
  int64_t role;   /* convolution: which of x, w, y is the result; 0 for the others */
  int64_t groups; /* 1 for the others */
  cy_list size;   /* spatial extents of x */
  cy_list kernel, stride, dilation, low, high;
} cy_window_attrs;
extern const cy_field cy_window_fields[];

/* Extent of y along spatial axis i: floor((size + low + high - dilation (kernel - 1) - 1) / stride) + 1; 0 or less if
 * no window fits. */
int64_t cy_window_extent(const cy_window_attrs *windows, int i);

/* ---- builders ---- */

/* Attributes with the defaults filled in, for an image x of this shape. */
cy_window_attrs cy_window_attrs_of(const cy_windows *windows, cy_shape x);
/* The first n entries (at most CY_MAX_SPACE). */
cy_list cy_window_list(const int64_t *entries, int n);

/* ---- shape rules ---- */

/* Every number of the windows, and that one fits along every axis. */
cy_status cy_window_check(const cy_window_attrs *windows);
/* f32 or f64, and [N, C, space...] with so many spatial axes. what: "x". */
cy_status cy_window_check_image(const char *what, cy_type type, int64_t space);
/* The image's spatial extents. */
cy_status cy_window_check_size(const char *what, cy_shape shape, const cy_list *size);
/* The extents that windows leave. */
cy_status cy_window_check_windows(const char *what, cy_shape shape, const cy_window_attrs *windows);
/* [N, C] of image with the spatial extents of x (size) or y (from windows). */
cy_shape cy_window_image(cy_shape image, const cy_list *size);
cy_shape cy_window_result(cy_shape image, const cy_window_attrs *windows);

/* ---- kernels: along spatial axis i, element t of the window at y's coordinate lies at x's coordinate ---- */

static inline int64_t cy_window_at(const cy_window_attrs *w, int i, int64_t y, int64_t t) {
  return y * w->stride.at[i] - w->low.at[i] + t * w->dilation.at[i];
}

/* The window whose element t lies at x; false if there is none. extent: of y. */
static inline bool cy_window_from(const cy_window_attrs *w, int i, int64_t x, int64_t t, int64_t extent, int64_t *y) {
  int64_t start = x + w->low.at[i] - t * w->dilation.at[i];
  *y = start / w->stride.at[i];
  return start >= 0 && start % w->stride.at[i] == 0 && *y < extent;
}

/* The extents of a window, to walk through. */
static inline cy_shape cy_window_kernel(const cy_window_attrs *w) { return cy_shape_of(&w->kernel); }

/* ---- what rows share ---- */

/* Which elements of x a window sees (per spatial axis), and which windows see an element of x. */
void cy_window_reach(const cy_window_attrs *windows, cy_reach *space);
void cy_window_reach_back(const cy_window_attrs *windows, cy_reach *space);
/* Every operand and the result are images. */
uint32_t cy_images_all(const void *attrs);

/* Simplifies window_gather: at the positions of the maxima, which nothing else uses, it is window_max. */
cy_value cy_find_window_max(const cy_rule *rule);

/* A small random image and windows that fit onto it: 1 to 3 spatial axes. */
cy_shape cy_sample_windows(cy_rng *rng, cy_window_attrs *windows);

#endif
