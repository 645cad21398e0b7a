/* What the operations on windows share: attributes with their defaults filled in, the checks of their shape rules, the
 * elements that a window sees, and random instances. The invariant: attributes that passed cy_window_check need no
 * check of overflow anywhere else. */
#include "ops/window.h"

const cy_field cy_window_fields[] = {
    CY_INT_FIELD(cy_window_attrs, role),       CY_INT_FIELD(cy_window_attrs, groups),
    CY_LIST_FIELD(cy_window_attrs, size),      CY_LIST_FIELD(cy_window_attrs, kernel),
    CY_LIST_FIELD(cy_window_attrs, stride),    CY_LIST_FIELD(cy_window_attrs, dilation),
    CY_LIST_FIELD(cy_window_attrs, low),       CY_LIST_FIELD(cy_window_attrs, high),
    CY_END_FIELDS};

int64_t cy_window_extent(const cy_window_attrs *w, int i) {
  int64_t room = w->size.at[i] + w->low.at[i] + w->high.at[i] - w->dilation.at[i] * (w->kernel.at[i] - 1) - 1;
  return room < 0 ? 0 : room / w->stride.at[i] + 1;
}

/* ---- builders ---- */

cy_list cy_window_list(const int64_t *entries, int n) {
  cy_list list = {.n = n < 0 ? 0 : n > CY_MAX_SPACE ? CY_MAX_SPACE : n};
  for (int i = 0; i < list.n; i++) list.at[i] = entries[i];
  return list;
}

cy_window_attrs cy_window_attrs_of(const cy_windows *windows, cy_shape x) {
  int space = x.rank - 2;
  cy_window_attrs w = {.groups = windows->groups ? windows->groups : 1, .size = cy_window_list(x.dim + 2, space)};
  w.kernel = cy_window_list(windows->kernel, space);
  w.stride = cy_window_list(windows->stride, space);
  w.dilation = cy_window_list(windows->dilation, space);
  w.low = cy_window_list(windows->low, space);
  w.high = cy_window_list(windows->high, space);
  for (int i = 0; i < w.stride.n; i++) {
    if (!w.stride.at[i]) w.stride.at[i] = 1;
    if (!w.dilation.at[i]) w.dilation.at[i] = 1;
  }
  return w;
}

/* ---- shape rules ---- */

static cy_status check_number(const char *what, int64_t number, int64_t least, int axis) {
  if (number >= least) return CY_OK;
  return cy_fail(CY_INVALID, "%s %lld along axis %d must %s", what, (long long)number, axis,
                 least ? "be positive" : "not be negative");
}

static cy_status check_axis(const cy_window_attrs *w, int i) {
  int axis = i + 2;
  int64_t size = w->size.at[i], kernel = w->kernel.at[i], low = w->low.at[i], high = w->high.at[i], span, padded;
  CY_TRY(check_number("extent", size, 0, axis));
  CY_TRY(check_number("kernel", kernel, 1, axis));
  CY_TRY(check_number("stride", w->stride.at[i], 1, axis));
  CY_TRY(check_number("dilation", w->dilation.at[i], 1, axis));
  CY_TRY(check_number("padding", low < high ? low : high, 0, axis));
  if (!cy_mul_i64(w->dilation.at[i], kernel - 1, &span) || !cy_add_i64(span, 1, &span))
    return cy_fail(CY_INVALID, "kernel %lld with dilation %lld along axis %d spans more than 2^63 elements",
                   (long long)kernel, (long long)w->dilation.at[i], axis);
  if (!cy_add_i64(size, low, &padded) || !cy_add_i64(padded, high, &padded))
    return cy_fail(CY_INVALID, "the padded extent %lld + %lld + %lld along axis %d does not fit in 63 bits",
                   (long long)size, (long long)low, (long long)high, axis);
  if (span > padded)
    return cy_fail(
        CY_INVALID,
        "kernel %lld with dilation %lld spans %lld, but the input has %lld + %lld + %lld = %lld along axis %d",
        (long long)kernel, (long long)w->dilation.at[i], (long long)span, (long long)size, (long long)low,
        (long long)high, (long long)padded, axis);
  /* The last window starts within padded, so only the stride itself could carry a coordinate past 2^63. */
  int64_t end;
  if (!cy_add_i64(padded, w->stride.at[i], &end))
    return cy_fail(CY_INVALID, "stride %lld along axis %d is past what 63 bits hold", (long long)w->stride.at[i], axis);
  return CY_OK;
}

cy_status cy_window_check(const cy_window_attrs *w) {
  int64_t n = w->size.n;
  if (n < 1 || n > CY_MAX_SPACE)
    return cy_fail(CY_INVALID, "x has %lld spatial axes; it must be [N, C, space...] with 1 to %d of them",
                   (long long)n, CY_MAX_SPACE);
  if (w->kernel.n != n || w->stride.n != n || w->dilation.n != n || w->low.n != n || w->high.n != n)
    return cy_fail(CY_INVALID, "x has %lld spatial axes, but the kernel %lld", (long long)n, (long long)w->kernel.n);
  for (int i = 0; i < n; i++) CY_TRY(check_axis(w, i));
  return CY_OK;
}

cy_status cy_window_check_image(const char *what, cy_type type, int64_t space) {
  char text[CY_SHAPE_TEXT];
  if (!cy_dtype_is_float(type.dtype))
    return cy_fail(CY_INVALID, "%s is %s; it must be f32 or f64", what, cy_dtype_name(type.dtype));
  if (type.shape.rank < 3 || type.shape.rank > 2 + CY_MAX_SPACE)
    return cy_fail(CY_INVALID, "%s has shape %s; it must be [N, C, space...] with 1 to %d spatial axes", what,
                   cy_shape_text(type.shape, text), CY_MAX_SPACE);
  if (type.shape.rank - 2 != space)
    return cy_fail(CY_INVALID, "%s has shape %s with %d spatial axes, but there must be %lld", what,
                   cy_shape_text(type.shape, text), type.shape.rank - 2, (long long)space);
  return CY_OK;
}

cy_status cy_window_check_size(const char *what, cy_shape shape, const cy_list *size) {
  char text[CY_SHAPE_TEXT];
  for (int i = 0; i < size->n; i++)
    if (shape.dim[i + 2] != size->at[i])
      return cy_fail(CY_INVALID, "%s has shape %s, but its extent along axis %d must be %lld", what,
                     cy_shape_text(shape, text), i + 2, (long long)size->at[i]);
  return CY_OK;
}

cy_status cy_window_check_windows(const char *what, cy_shape shape, const cy_window_attrs *w) {
  char text[CY_SHAPE_TEXT];
  for (int i = 0; i < w->size.n; i++) {
    int64_t extent = cy_window_extent(w, i);
    if (shape.dim[i + 2] != extent)
      return cy_fail(
          CY_INVALID,
          "%s has shape %s, but along axis %d there are floor((%lld + %lld + %lld - %lld) / %lld) + 1 = %lld windows",
          what, cy_shape_text(shape, text), i + 2, (long long)w->size.at[i], (long long)w->low.at[i],
          (long long)w->high.at[i], (long long)(w->dilation.at[i] * (w->kernel.at[i] - 1) + 1),
          (long long)w->stride.at[i], (long long)extent);
  }
  return CY_OK;
}

cy_shape cy_window_image(cy_shape image, const cy_list *size) {
  for (int i = 0; i < size->n; i++) image.dim[i + 2] = size->at[i];
  image.rank = 2 + (int)size->n;
  return image;
}

cy_shape cy_window_result(cy_shape image, const cy_window_attrs *w) {
  for (int i = 0; i < w->size.n; i++) image.dim[i + 2] = cy_window_extent(w, i);
  return image;
}

/* ---- reach ---- */

/* x = y stride - low + t dilation for every element t of the window. */
void cy_window_reach(const cy_window_attrs *w, cy_reach *space) {
  for (int i = 0; i < w->size.n; i++) {
    int64_t low = w->low.at[i], dilation = w->dilation.at[i], span = dilation * (w->kernel.at[i] - 1);
    space[i] = (cy_reach){i + 2, w->stride.at[i], -low, span - low, 1, dilation, false};
  }
}

/* The same, solved for y. */
void cy_window_reach_back(const cy_window_attrs *w, cy_reach *space) {
  for (int i = 0; i < w->size.n; i++) {
    int64_t low = w->low.at[i], dilation = w->dilation.at[i], span = dilation * (w->kernel.at[i] - 1);
    space[i] = (cy_reach){i + 2, 1, low - span, low, w->stride.at[i], dilation, false};
  }
}

uint32_t cy_images_all(const void *attrs) {
  (void)attrs;
  return ~0u;
}

/* ---- sampling ---- */

cy_shape cy_sample_windows(cy_rng *rng, cy_window_attrs *w) {
  int space = 1 + (int)cy_rng_below(rng, CY_MAX_SPACE);
  cy_shape x = {.rank = 2 + space, .dim = {1 + cy_rng_below(rng, 2), 1 + cy_rng_below(rng, 3)}};
  if (cy_rng_below(rng, 8) == 0) x.dim[0] = 0;
  cy_windows windows = {0};
  for (int i = 0; i < space; i++) {
    windows.kernel[i] = 1 + cy_rng_below(rng, 3);
    windows.stride[i] = 1 + cy_rng_below(rng, 3);
    windows.dilation[i] = 1 + cy_rng_below(rng, 2);
    windows.low[i] = cy_rng_below(rng, 3);
    windows.high[i] = cy_rng_below(rng, 3);
    int64_t span = windows.dilation[i] * (windows.kernel[i] - 1) + 1, padding = windows.low[i] + windows.high[i];
    int64_t least = span > padding ? span - padding : 1;
    x.dim[i + 2] = least + cy_rng_below(rng, space == 3 ? 2 : 4);
  }
  *w = cy_window_attrs_of(&windows, x);
  return x;
}
