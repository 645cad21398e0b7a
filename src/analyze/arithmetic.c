/* One layer's arithmetic as on paper. The numbers come from the attributes of the node that does the layer's work,
 * and each result is the one that the graph has; the text only shows how they hang together. */
#include "analyze/analysis.h"

#include "base/error.h"
#include "base/text.h"
#include "nn/cells.h"
#include "ops/dot.h"
#include "ops/window.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

typedef long long big; /* for %lld */

typedef struct sheet {
  const cy_analysis *a;
  const cy_layer_facts *layer;
  int index;
  const cy_node *work; /* convolution, pooling, product; NULL: none of these */
  cy_receptive_axis before[CY_MAX_RANK]; /* fields of the layer's input */
  cy_text text;
} sheet;

enum { PLACE_TEXT = 32 };
static const char *axis_name(int space, int i) {
  static const char *const names[CY_MAX_SPACE][CY_MAX_SPACE] = {
      {"length"}, {"height", "width"}, {"depth", "height", "width"}};
  return space >= 1 && space <= CY_MAX_SPACE ? names[space - 1][i] : "axis";
}

/* What the numbers of n equal axes are called: "height and width". */
static const char *axes_name(int space, int i, int n, char text[PLACE_TEXT]) {
  if (n == 1) snprintf(text, PLACE_TEXT, "%s", axis_name(space, i));
  else
    snprintf(text, PLACE_TEXT, n == 2 ? "%s and %s" : "%s, %s and width", axis_name(space, i), axis_name(space, i + 1));
  return text;
}

static const char *per_text(int64_t n, int64_t per, char text[PLACE_TEXT]) {
  snprintf(text, PLACE_TEXT, per == 1 ? "%lld" : "%lld/%lld", (big)n, (big)per);
  return text;
}

const cy_node *cy_layer_work(const cy_analysis *a, int layer) {
  if (a->layers[layer].group) return NULL;
  const cy_op *const wanted[] = {&cy_op_convolution, &cy_op_window_argmax, &cy_op_window_sum, &cy_op_dot};
  for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++)
    for (int32_t id = 0; id < cy_graph_size(a->graph); id++)
      if (a->owner[id] == layer && cy_node_at(a->graph, id)->op == wanted[k]) return cy_node_at(a->graph, id);
  return NULL;
}

static bool is_window(const sheet *s) { return s->work && s->work->op != &cy_op_dot; }
static bool is_transposed(const sheet *s) {
  return s->work && s->work->op == &cy_op_convolution &&
         ((const cy_window_attrs *)s->work->attrs)->role == CY_CONVOLUTION_X;
}

/* ---- sizes ---- */

/* k = 1 + dilation (kernel - 1), shown if it is not the kernel itself. */
static int64_t show_span(sheet *s, const cy_window_attrs *w, int i) {
  int64_t span = w->dilation.at[i] * (w->kernel.at[i] - 1) + 1;
  if (w->dilation.at[i] > 1)
    cy_text_add(&s->text, "    k = 1 + dilation (kernel - 1) = 1 + %lld * (%lld - 1) = %lld\n", (big)w->dilation.at[i],
                (big)w->kernel.at[i], (big)span);
  return span;
}

/* o = floor((i + 2p - k) / s) + 1 */
static void show_extent(sheet *s, const cy_window_attrs *w, int i) {
  big size = w->size.at[i], low = w->low.at[i], high = w->high.at[i], stride = w->stride.at[i];
  big span = show_span(s, w, i), room = size + low + high - span;
  if (low == high)
    cy_text_add(&s->text, "    o = floor((i + 2p - k) / s) + 1 = floor((%lld + 2*%lld - %lld) / %lld) + 1", size, low,
                span, stride);
  else
    cy_text_add(&s->text, "    o = floor((i + p + q - k) / s) + 1 = floor((%lld + %lld + %lld - %lld) / %lld) + 1",
                size, low, high, span, stride);
  cy_text_add(&s->text, " = floor(%lld / %lld) + 1 = %lld + 1 = %lld\n", room, stride, room / stride,
              room / stride + 1);
  if (room % stride)
    cy_text_add(&s->text, "    (the last %lld of the padded %lld are in no window)\n", room % stride,
                size + low + high);
}

/* o = (i - 1) s - 2p + k + output padding */
static void show_extent_back(sheet *s, const cy_window_attrs *w, int i) {
  big in = cy_window_extent(w, i), low = w->low.at[i], high = w->high.at[i], stride = w->stride.at[i],
      size = w->size.at[i];
  big span = show_span(s, w, i), extra = size - ((in - 1) * stride - low - high + span);
  if (low == high)
    cy_text_add(&s->text, "    o = (i - 1) s - 2p + k = (%lld - 1) * %lld - 2*%lld + %lld", in, stride, low, span);
  else
    cy_text_add(&s->text, "    o = (i - 1) s - p - q + k = (%lld - 1) * %lld - %lld - %lld + %lld", in, stride, low,
                high, span);
  if (extra) cy_text_add(&s->text, " + %lld (output padding)", extra);
  cy_text_add(&s->text, " = %lld\n", size);
}

static bool same_windows(const cy_window_attrs *w, int i) {
  const cy_list *lists[] = {&w->size, &w->kernel, &w->stride, &w->dilation, &w->low, &w->high};
  for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
    if (lists[k]->at[i] != lists[k]->at[0]) return false;
  return true;
}

static void show_window(sheet *s, const cy_window_attrs *w, int i, int n) {
  big low = w->low.at[i], high = w->high.at[i];
  char name[PLACE_TEXT];
  cy_text_add(&s->text, "  %s: i = %lld, kernel %lld, stride s = %lld", axes_name((int)w->size.n, i, n, name),
              is_transposed(s) ? (big)cy_window_extent(w, i) : (big)w->size.at[i], (big)w->kernel.at[i],
              (big)w->stride.at[i]);
  if (w->dilation.at[i] > 1) cy_text_add(&s->text, ", dilation %lld", (big)w->dilation.at[i]);
  if (low == high) cy_text_add(&s->text, ", padding p = %lld\n", low);
  else cy_text_add(&s->text, ", padding p = %lld before and q = %lld after\n", low, high);
}

static void show_product(sheet *s, cy_shape shape) {
  char text[CY_SHAPE_TEXT];
  cy_text_add(&s->text, "%s", cy_shape_text(shape, text));
  if (shape.rank > 1) cy_text_add(&s->text, " = %lld", (big)cy_count(shape));
}

static void show_sizes(sheet *s) {
  char shape[CY_SHAPE_TEXT];
  const cy_window_attrs *w = is_window(s) ? s->work->attrs : NULL;
  cy_text_add(&s->text, "output\n");
  int together = 1; /* axes of which the same holds */
  while (w && together < w->size.n && same_windows(w, together)) together++;
  if (w && together < w->size.n) together = 1;
  for (int i = 0; w && i < w->size.n; i += together) {
    int64_t given = s->layer->input.rank > i + 1 ? s->layer->input.dim[i + 1] : 0;
    show_window(s, w, i, together);
    if (!is_transposed(s) && given != w->size.at[i])
      cy_text_add(&s->text, "    (the image of %lld is first padded to %lld)\n", (big)given, (big)w->size.at[i]);
    if (is_transposed(s)) show_extent_back(s, w, i);
    else show_extent(s, w, i);
  }
  cy_text_add(&s->text, "  %s", cy_shape_text(s->layer->input, shape));
  cy_text_add(&s->text, " -> ");
  show_product(s, s->layer->output);
  cy_text_add(&s->text, " values, %lld bytes\n", (big)s->layer->activation_bytes);
}

/* ---- parameters and arithmetic ---- */

/* The formula of a weight, where the layer has a usual one. */
static const char *weight_formula(const sheet *s, const char *variable) {
  const char *dot = strrchr(variable, '.');
  if (!dot || strcmp(dot, ".weight") != 0 || !s->work) return "";
  if (s->work->op == &cy_op_dot) return "inputs * units = ";
  return is_transposed(s) ? "channels * (filters / groups) * kernel = " : "filters * (channels / groups) * kernel = ";
}

static void show_variables(sheet *s, cy_role role, const char *title, int64_t total) {
  int n = 0;
  for (int i = 0; i < cy_network_variable_count(s->a->network); i++) {
    const cy_network_variable *v = cy_network_variable_at(s->a->network, i);
    if (v->role != role || s->a->owner[v->value.id] != s->index) continue;
    if (n++ == 0) cy_text_add(&s->text, "%s\n", title);
    cy_text_add(&s->text, "  %s: %s", v->name, weight_formula(s, v->name));
    for (int k = 0; k < v->shape.rank; k++) cy_text_add(&s->text, "%s%lld", k ? " * " : "", (big)v->shape.dim[k]);
    if (v->shape.rank != 1) cy_text_add(&s->text, "%s%lld", v->shape.rank ? " = " : "", (big)cy_count(v->shape));
    cy_text_add(&s->text, "\n");
  }
  if (n > 1) cy_text_add(&s->text, "  together %lld\n", (big)total);
}

static void show_children(sheet *s) {
  cy_text_add(&s->text, "layers inside\n");
  for (int i = s->index + 1; i < s->a->n_layers && s->a->layers[i].depth > s->layer->depth; i++) {
    const cy_layer_facts *l = &s->a->layers[i];
    char shape[CY_SHAPE_TEXT];
    cy_text_add(&s->text, "  %*s%s -> %s", 2 * (l->depth - s->layer->depth - 1), "", l->name,
                cy_shape_text(l->output, shape));
    if (l->parameters) cy_text_add(&s->text, ", %lld parameters", (big)l->parameters);
    if (l->multiply_adds) cy_text_add(&s->text, ", %lld multiply-adds", (big)l->multiply_adds);
    for (int k = 2; k < s->layer->input.rank + 1; k++)
      if (l->field[k].sight == CY_SEES_WINDOW)
        cy_text_add(&s->text, "%s%lld", k == 2 ? ", field " : " x ", (big)l->field[k].size);
    cy_text_add(&s->text, "\n");
  }
  cy_text_add(&s->text, "  together %lld parameters, %lld multiply-adds; the field is the union of its branches'\n",
              (big)s->layer->parameters, (big)s->layer->multiply_adds);
}

/* Numbers in matrices of the layer. */
static int64_t count_weights(const sheet *s) {
  int64_t sum = 0;
  for (int i = 0; i < cy_network_variable_count(s->a->network); i++) {
    const cy_network_variable *v = cy_network_variable_at(s->a->network, i);
    if (s->a->owner[v->value.id] == s->index && v->shape.rank > 1) sum += cy_count(v->shape);
  }
  return sum;
}

/* Layers that go through a sequence meet their weights at each step; attention also compares all steps. */
static bool show_steps(sheet *s) {
  bool attention = strcmp(s->layer->kind, "attention") == 0, loop = false;
  for (int i = 0; i < CY_CELL_KINDS; i++) loop = loop || strcmp(s->layer->kind, cy_cell_rows[i].name) == 0;
  if ((!attention && !loop) || s->layer->input.rank != 2) return false;
  int64_t steps = s->layer->input.dim[1], weights = count_weights(s), all = s->layer->multiply_adds;
  cy_text_add(&s->text, "  steps * the weights each meets = %lld * %lld = %lld\n", (big)steps, (big)weights,
              (big)(steps * weights));
  if (!attention) return true;
  int64_t pairs = all - steps * weights, width = pairs / (2 * steps * steps);
  cy_text_add(&s->text, "  steps * steps * (scores + sums of values) = %lld * %lld * (%lld + %lld) = %lld\n", (big)steps,
              (big)steps, (big)width, (big)width, (big)pairs);
  cy_text_add(&s->text, "  together %lld\n", (big)all);
  return true;
}

static void show_arithmetic(sheet *s) {
  char shape[CY_SHAPE_TEXT];
  if (!s->work || s->layer->multiply_adds == 0) return;
  cy_text_add(&s->text, "multiply-adds\n");
  if (show_steps(s)) return;
  if (s->work->op == &cy_op_dot) {
    int64_t outputs = cy_count(s->layer->output);
    cy_text_add(&s->text, "  outputs * inputs of each = %lld * %lld = %lld\n", (big)outputs,
                (big)(outputs ? s->layer->multiply_adds / outputs : 0), (big)s->layer->multiply_adds);
    return;
  }
  cy_shape at = is_transposed(s) ? s->layer->input : s->layer->output;
  int64_t places = cy_count(at);
  cy_text_add(&s->text, "  %s (%s = %lld) * the weights each meets (%lld) = %lld\n",
              is_transposed(s) ? "inputs" : "outputs", cy_shape_text(at, shape), (big)places,
              (big)(places ? s->layer->multiply_adds / places : 0), (big)s->layer->multiply_adds);
}

/* ---- the receptive field ---- */

static bool same_axis(const cy_receptive_axis *a, const cy_receptive_axis *b) {
  return a->sight == b->sight && a->size == b->size && a->stride == b->stride && a->per == b->per &&
         a->first == b->first && a->last == b->last && a->regular == b->regular && a->everything == b->everything &&
         a->center == b->center;
}

/* Of all spatial axes, if they have the same fields, windows and inputs; else one. */
static int axes_together(const sheet *s, const cy_window_attrs *w, int space) {
  for (int i = 1; i < space; i++)
    if (!same_axis(&s->before[i + 2], &s->before[2]) || !same_axis(&s->layer->field[i + 2], &s->layer->field[2]) ||
        s->a->sample.dim[i + 1] != s->a->sample.dim[1] || (w && i < w->size.n && !same_windows(w, i)))
      return 1;
  return space;
}

static void show_recursion(sheet *s, const cy_window_attrs *w, int i) {
  const cy_receptive_axis *before = &s->before[i + 2], *after = &s->layer->field[i + 2];
  char j[PLACE_TEXT], jump[PLACE_TEXT];
  big span = w->dilation.at[i] * (w->kernel.at[i] - 1) + 1;
  per_text(before->stride, before->per, j);
  per_text(after->stride, after->per, jump);
  cy_text_add(&s->text, "    before: r = %lld, j = %s\n", (big)before->size, j);
  if (is_transposed(s)) {
    cy_text_add(&s->text, "    a unit meets at most ceil(k / s) = ceil(%lld / %lld) = %lld units before: r' = %lld\n",
                span, (big)w->stride.at[i], (span + w->stride.at[i] - 1) / w->stride.at[i], (big)after->size);
    cy_text_add(&s->text, "    j' = j / s = %s / %lld = %s\n", j, (big)w->stride.at[i], jump);
  } else if (before->per == 1 && after->size == before->size + (span - 1) * before->stride) {
    cy_text_add(&s->text, "    r' = r + (k - 1) j = %lld + (%lld - 1) * %s = %lld\n", (big)before->size, span, j,
                (big)after->size);
    cy_text_add(&s->text, "    j' = j s = %s * %lld = %s\n", j, (big)w->stride.at[i], jump);
  } else {
    cy_text_add(&s->text, "    units before see in turns: the union of %lld of them has r' = %lld at most\n", span,
                (big)after->size);
    cy_text_add(&s->text, "    j' = j s = %s * %lld = %s\n", j, (big)w->stride.at[i], jump);
  }
}

static void show_position(sheet *s, int i) {
  const cy_receptive_axis *f = &s->layer->field[i + 2];
  int64_t extent = s->a->sample.dim[i + 1];
  cy_text_add(&s->text, "    unit 0 sees %lld..%lld of 0..%lld", (big)f->first, (big)f->last, (big)extent - 1);
  if (f->regular)
    cy_text_add(&s->text, "; unit i has its middle at %g + %g i", f->center, (double)f->stride / (double)f->per);
  if (f->size > extent) cy_text_add(&s->text, "; fields are larger than the input");
  cy_text_add(&s->text, "\n");
}

static void show_field_axis(sheet *s, const cy_window_attrs *w, int i, int space, const char *name) {
  const cy_receptive_axis *before = &s->before[i + 2], *after = &s->layer->field[i + 2];
  char j[PLACE_TEXT];
  if (after->sight == CY_SEES_FIXED)
    cy_text_add(&s->text, "  %s: every unit sees %s\n", name, after->everything ? "all of it" : "the same part");
  if (after->sight == CY_SEES_NOTHING) cy_text_add(&s->text, "  %s: nothing of the input is seen\n", name);
  if (after->sight != CY_SEES_WINDOW) return;
  if (w && w->size.n == space && before->sight == CY_SEES_WINDOW && before->regular && after->regular) {
    cy_text_add(&s->text, "  %s\n", name);
    show_recursion(s, w, i);
  } else {
    cy_text_add(&s->text, "  %s: r = %lld, j = %s\n", name, (big)after->size,
                after->regular ? per_text(after->stride, after->per, j) : "varies");
  }
  show_position(s, i);
}

static void show_field(sheet *s) {
  int space = s->a->sample.rank - 1;
  const cy_window_attrs *w = is_window(s) ? s->work->attrs : NULL;
  char name[PLACE_TEXT];
  if (space < 1) return;
  cy_text_add(&s->text, "receptive field: size r, step j from unit to unit\n");
  int together = axes_together(s, w, space);
  for (int i = 0; i < space; i += together) show_field_axis(s, w, i, space, axes_name(space, i, together, name));
}

cy_status cy_analysis_layer_text(const cy_analysis *a, int layer, char **text) {
  char shape[CY_SHAPE_TEXT];
  *text = NULL;
  if (layer < 0 || layer >= a->n_layers) return cy_fail(CY_INVALID, "the network has no layer number %d", layer);
  sheet s = {.a = a, .layer = &a->layers[layer], .index = layer};
  s.work = cy_layer_work(a, layer);
  if (a->layer_in[layer].id >= a->input.id)
    CY_TRY(cy_receptive_fields(a->input, &a->layer_in[layer], 1, &s.before));
  cy_text_add(&s.text, "%s: %s on %s\n", s.layer->path, s.layer->kind, cy_shape_text(s.layer->input, shape));
  show_sizes(&s);
  if (s.layer->group) show_children(&s);
  show_variables(&s, CY_PARAMETER, "parameters", s.layer->parameters);
  show_variables(&s, CY_BUFFER, "running statistics", s.layer->buffers);
  show_arithmetic(&s);
  show_field(&s);
  *text = cy_text_take(&s.text);
  return *text ? CY_OK : cy_no_memory();
}
