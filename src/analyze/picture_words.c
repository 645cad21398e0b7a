/* The words and colours of pictures. */
#include "analyze/picture.h"

#include "ops/window.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *cy_picture_shape(cy_shape shape, char text[CY_PICTURE_TEXT]) {
  size_t at = 0;
  text[0] = 0;
  for (int i = 0; i < shape.rank && at < CY_PICTURE_TEXT; i++)
    at += (size_t)snprintf(text + at, CY_PICTURE_TEXT - at, "%s%" PRId64, i ? "×" : "", shape.dim[i]);
  return text;
}

const char *cy_picture_count(int64_t count, char text[CY_PICTURE_TEXT]) {
  char digits[32];
  int n = snprintf(digits, sizeof digits, "%" PRId64, count), length = 0;
  for (int i = 0; i < n; i++) {
    if (n > 4 && i && (n - i) % 3 == 0) length += snprintf(text + length, (size_t)(CY_PICTURE_TEXT - length), "\u2009");
    text[length++] = digits[i];
  }
  text[length] = 0;
  return text;
}

static bool all_are(const cy_list *list, int64_t value) {
  for (int i = 0; i < list->n; i++)
    if (list->at[i] != value) return false;
  return true;
}

static size_t add_list(const cy_list *list, const char *what, char *text, size_t at) {
  bool equal = all_are(list, list->at[0]);
  at += (size_t)snprintf(text + at, CY_PICTURE_TEXT - at, "%s", what);
  for (int i = 0; i < (equal && what[0] ? 1 : list->n) && at < CY_PICTURE_TEXT; i++)
    at += (size_t)snprintf(text + at, CY_PICTURE_TEXT - at, "%s%" PRId64, i ? "×" : "", list->at[i]);
  return at < CY_PICTURE_TEXT ? at : CY_PICTURE_TEXT - 1;
}

const char *cy_picture_work(const cy_analysis *a, int layer, char text[CY_PICTURE_TEXT]) {
  const cy_node *node = cy_layer_work(a, layer);
  text[0] = 0;
  if (!node || node->op == &cy_op_dot) return text;
  const cy_window_attrs *w = node->attrs;
  size_t at = add_list(&w->kernel, "", text, 0);
  if (!all_are(&w->stride, 1)) at = add_list(&w->stride, ", stride ", text, at);
  if (!all_are(&w->dilation, 1)) at = add_list(&w->dilation, ", dilation ", text, at);
  if (w->groups > 1) snprintf(text + at, CY_PICTURE_TEXT - at, ", %" PRId64 " groups", w->groups);
  return text;
}

int cy_picture_color(const cy_analysis *a, int layer) {
  const char *kind = a->layers[layer].kind;
  const cy_node *node = cy_layer_work(a, layer);
  if (strstr(kind, "norm")) return cy_palette(3);
  if (strstr(kind, "pool")) return cy_palette(2);
  if (node && node->op == &cy_op_dot) return cy_palette(1);
  if (node && node->op == &cy_op_convolution) return cy_palette(0);
  return CY_INK_FRAME;
}

void cy_rounded(cairo_t *cr, double x, double y, double width, double height, double radius) {
  cairo_new_sub_path(cr);
  cairo_arc(cr, x + width - radius, y + radius, radius, -M_PI / 2, 0);
  cairo_arc(cr, x + width - radius, y + height - radius, radius, 0, M_PI / 2);
  cairo_arc(cr, x + radius, y + height - radius, radius, M_PI / 2, M_PI);
  cairo_arc(cr, x + radius, y + radius, radius, M_PI, 3 * M_PI / 2);
  cairo_close_path(cr);
}
