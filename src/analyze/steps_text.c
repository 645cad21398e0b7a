/* Steps in writing: for each window the patch, the kernel, their products and the sum; then the whole result. */
#include "analyze/steps.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { USUAL_LIMIT = 32, MOST_SUMMANDS = 40, MOST_PRINTED = 4096 };

const char *cy_number_text(double value, char buffer[32]) {
  snprintf(buffer, 32, "%.6g", value == 0 ? 0 : value); /* no -0 */
  return buffer;
}

static int width_of(double value) {
  char text[32];
  return (int)strlen(cy_number_text(value, text));
}

static int widest(const cy_tensor *tensor) {
  int width = 1;
  for (int64_t i = 0; tensor && i < cy_tensor_count(tensor); i++) {
    int w = width_of(cy_tensor_at(tensor, i));
    if (w > width) width = w;
  }
  return width;
}

/* ---- images ---- */

/* [1, C, rows, columns]: planes of rows, channels and depths one below the other. */
static cy_status add_image(cy_text *text, const cy_tensor *image, const char *title) {
  cy_shape shape = cy_tensor_shape(image), inner = shape;
  char name[CY_SHAPE_TEXT], number[32];
  int width = widest(image);
  for (int i = 1; i < shape.rank; i++) inner.dim[i - 1] = shape.dim[i];
  inner.rank = shape.rank - 1;
  cy_text_add(text, "%s, %s\n", title, cy_shape_text(inner, name));
  int64_t columns = shape.rank > 1 ? shape.dim[shape.rank - 1] : 1, rows = shape.rank > 3 ? shape.dim[shape.rank - 2] : 1;
  if (cy_tensor_count(image) > MOST_PRINTED) {
    cy_text_add(text, "  (%" PRId64 " numbers: not printed)\n", cy_tensor_count(image));
    return CY_OK;
  }
  for (int64_t i = 0; i < cy_tensor_count(image); i++) {
    if (i > 0 && rows > 1 && i % (rows * columns) == 0) cy_text_add(text, "\n");
    cy_text_add(text, "%s%*s%s", i % columns == 0 ? "  " : " ", width, cy_number_text(cy_tensor_at(image, i), number),
                i % columns == columns - 1 ? "\n" : "");
  }
  return CY_OK;
}

/* ---- one window ---- */

/* The kernel's planes: rows and columns of its last two axes (one row in 1-D), one plane per depth. */
typedef struct planes {
  int64_t depth, rows, columns;
} planes;

static planes planes_of(const cy_step *step) {
  const cy_list *k = &step->windows.kernel;
  planes p = {1, 1, k->at[k->n - 1]};
  if (k->n > 1) p.rows = k->at[k->n - 2];
  if (k->n > 2) p.depth = k->at[0];
  return p;
}

static void kernel_place(const cy_step *step, const int64_t *unit, int64_t d, int64_t r, int64_t c, int64_t *place) {
  int64_t t[CY_MAX_SPACE];
  int n = (int)step->windows.kernel.n;
  t[n - 1] = c;
  if (n > 1) t[n - 2] = r;
  if (n > 2) t[0] = d;
  for (int i = 0; i < n; i++) place[i] = cy_window_at(&step->windows, i, unit[i], t[i]);
}

static double weight_at(const cy_step *step, int64_t o, int64_t c, int64_t position) {
  cy_shape w = cy_tensor_shape(step->kernel);
  int64_t size = 1;
  for (int i = 2; i < w.rank; i++) size *= w.dim[i];
  return cy_tensor_at(step->kernel, (o * w.dim[1] + c) * size + position);
}

/* "rows -1 to 1, columns 0 to 2", with the distance of taps if they are dilated. */
static void add_extent(cy_text *text, const cy_step *step, const int64_t *unit) {
  static const char *const names[CY_MAX_SPACE][CY_MAX_SPACE] = {
      {"positions"}, {"rows", "columns"}, {"slices", "rows", "columns"}};
  const cy_window_attrs *w = &step->windows;
  for (int i = 0; i < w->kernel.n; i++) {
    int64_t first = cy_window_at(w, i, unit[i], 0), last = cy_window_at(w, i, unit[i], w->kernel.at[i] - 1);
    cy_text_add(text, "%s%s %" PRId64, i ? ", " : "", names[w->kernel.n - 1][i], first);
    if (last != first) cy_text_add(text, " to %" PRId64, last);
    if (w->dilation.at[i] > 1 && last != first) cy_text_add(text, " by %" PRId64, w->dilation.at[i]);
  }
}

typedef struct widths {
  int patch, kernel, product;
} widths;

static double largest(const cy_tensor *tensor, bool *negative) {
  double size = 0;
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++) {
    size = fmax(size, fabs(cy_tensor_at(tensor, i)));
    *negative = *negative || cy_tensor_at(tensor, i) < 0;
  }
  return size;
}

static int widest_product(const cy_step *step) {
  bool negative = false, whole = widest(step->from) + widest(step->kernel) < 8; /* no decimals to speak of */
  double product = largest(step->from, &negative) * largest(step->kernel, &negative);
  return whole ? width_of(negative ? -product : product) : 9;
}

/* One row of the patch: "." stands for padding. */
static void add_patch_row(cy_text *text, const cy_step *step, const int64_t *unit, int64_t channel, int64_t d, int64_t r,
                          int width) {
  int64_t place[CY_MAX_SPACE];
  char number[32];
  double value;
  for (int64_t c = 0; c < planes_of(step).columns; c++) {
    kernel_place(step, unit, d, r, c, place);
    bool inside = cy_step_read(step, channel, place, &value);
    cy_text_add(text, " %*s", width, inside ? cy_number_text(value, number) : ".");
  }
}

static void add_products_row(cy_text *text, const cy_step *step, const int64_t *unit, int64_t o, int64_t channel, int64_t c0,
                             int64_t d, int64_t r, widths width) {
  planes p = planes_of(step);
  int64_t place[CY_MAX_SPACE], row = (d * p.rows + r) * p.columns;
  char number[32];
  double value;
  bool middle = r == (p.rows - 1) / 2;
  cy_text_add(text, "  %s ", middle ? "*" : " ");
  for (int64_t c = 0; c < p.columns; c++)
    cy_text_add(text, " %*s", width.kernel, cy_number_text(weight_at(step, o, channel - c0, row + c), number));
  cy_text_add(text, "  %s ", middle ? "=" : " ");
  for (int64_t c = 0; c < p.columns; c++) {
    kernel_place(step, unit, d, r, c, place);
    bool inside = cy_step_read(step, channel, place, &value);
    double product = value * weight_at(step, o, channel - c0, row + c);
    cy_text_add(text, " %*s", width.product, inside ? cy_number_text(product, number) : ".");
  }
}

/* a + b - c + ... */
typedef struct summands {
  cy_text *text;
  int64_t n;
} summands;

static void add_summand(summands *s, double value) {
  char number[32];
  if (s->n++ > MOST_SUMMANDS) return;
  if (s->n == 1) cy_text_add(s->text, "%s", cy_number_text(value, number));
  else if (s->n > MOST_SUMMANDS) cy_text_add(s->text, " + ...");
  else cy_text_add(s->text, " %s %s", value < 0 ? "-" : "+", cy_number_text(fabs(value), number));
}

static void add_sum(cy_text *text, const cy_step *step, const int64_t *unit, int64_t o, double result) {
  planes p = planes_of(step);
  summands s = {text, 0};
  int64_t place[CY_MAX_SPACE], c0 = cy_step_first_channel(step, o);
  char number[32];
  double value;
  cy_text_add(text, step->kind == CY_STEP_MAX ? "  largest: " : "  sum: ");
  for (int64_t c = 0; c < cy_step_group_channels(step) && step->kind != CY_STEP_MAX; c++)
    for (int64_t i = 0; i < p.depth * p.rows * p.columns; i++) {
      kernel_place(step, unit, i / (p.rows * p.columns), i / p.columns % p.rows, i % p.columns, place);
      if (cy_step_read(step, c0 + c, place, &value)) add_summand(&s, step->kernel ? value * weight_at(step, o, c, i) : value);
    }
  cy_text_add(text, "%s%s\n", s.n > 1 ? " = " : s.n == 1 ? "; " : "", cy_number_text(result, number));
}

static void add_window(cy_text *text, const cy_step *step, int64_t window, widths width) {
  cy_shape to = cy_tensor_shape(step->to), inner = {.rank = to.rank - 1};
  int64_t unit[CY_MAX_SPACE], rest = window, o;
  planes p = planes_of(step);
  char name[CY_ELEMENT_NAME];
  for (int i = to.rank - 1; i >= 2; i--) {
    unit[i - 2] = rest % to.dim[i];
    rest /= to.dim[i];
  }
  o = rest;
  for (int i = 1; i < to.rank; i++) inner.dim[i - 1] = to.dim[i];
  cy_text_add(text, "%s: ", cy_operator_element_name("y", inner, 1, window, false, name));
  add_extent(text, step, unit);
  cy_text_add(text, "\n");
  int64_t c0 = cy_step_first_channel(step, o), channels = cy_step_group_channels(step);
  for (int64_t c = c0; c < c0 + channels; c++)
    for (int64_t d = 0; d < p.depth; d++) {
      if (channels > 1 || p.depth > 1) cy_text_add(text, "  channel %" PRId64, c);
      if (p.depth > 1) cy_text_add(text, ", slice %" PRId64, d);
      if (channels > 1 || p.depth > 1) cy_text_add(text, "\n");
      for (int64_t r = 0; r < p.rows; r++) {
        cy_text_add(text, " ");
        add_patch_row(text, step, unit, c, d, r, width.patch);
        if (step->kernel) add_products_row(text, step, unit, o, c, c0, d, r, width);
        cy_text_add(text, "\n");
      }
    }
  add_sum(text, step, unit, o, cy_tensor_at(step->to, window));
  cy_text_add(text, "\n");
}

/* ---- one element of a transposed convolution: it is spread, times the kernel ---- */

static void add_spread(cy_text *text, const cy_step *step, int64_t element, widths width) {
  cy_shape from = cy_tensor_shape(step->from), inner = {.rank = from.rank - 1};
  int64_t unit[CY_MAX_SPACE], rest = element;
  planes p = planes_of(step);
  char name[CY_ELEMENT_NAME], number[32];
  double value = cy_tensor_at(step->from, element);
  for (int i = from.rank - 1; i >= 2; i--) {
    unit[i - 2] = rest % from.dim[i];
    rest /= from.dim[i];
  }
  for (int i = 1; i < from.rank; i++) inner.dim[i - 1] = from.dim[i];
  cy_text_add(text, "%s = %s, ", cy_operator_element_name("x", inner, 1, element, false, name), cy_number_text(value, number));
  cy_text_add(text, "times the kernel, is added at ");
  add_extent(text, step, unit);
  cy_text_add(text, "\n");
  for (int64_t c = 0; c < cy_step_group_channels(step); c++)
    for (int64_t d = 0; d < p.depth; d++) {
      if (cy_step_group_channels(step) > 1 || p.depth > 1)
        cy_text_add(text, "  channel %" PRId64, cy_step_first_channel(step, rest) + c);
      if (p.depth > 1) cy_text_add(text, ", slice %" PRId64, d);
      if (cy_step_group_channels(step) > 1 || p.depth > 1) cy_text_add(text, "\n");
      for (int64_t r = 0; r < p.rows; r++) {
        cy_text_add(text, " ");
        for (int64_t i = 0; i < p.columns; i++) {
          double w = weight_at(step, rest, c, (d * p.rows + r) * p.columns + i);
          cy_text_add(text, " %*s", width.product, cy_number_text(value * w, number));
        }
        cy_text_add(text, "\n");
      }
    }
  cy_text_add(text, "\n");
}

/* ---- one operation ---- */

static void add_list(cy_text *text, const char *what, const cy_list *list, int64_t usual) {
  bool same = true, all_usual = true;
  for (int i = 0; i < list->n; i++) {
    same = same && list->at[i] == list->at[0];
    all_usual = all_usual && list->at[i] == usual;
  }
  if (all_usual) return;
  cy_text_add(text, ", %s ", what);
  for (int i = 0; i < (same ? 1 : (int)list->n); i++) cy_text_add(text, "%s%" PRId64, i ? "x" : "", list->at[i]);
}

static void add_padding(cy_text *text, const cy_window_attrs *w) {
  bool same = true;
  for (int i = 0; i < w->low.n; i++) same = same && w->low.at[i] == w->high.at[i];
  if (same) {
    add_list(text, "padding", &w->low, 0);
    return;
  }
  cy_text_add(text, ", padding");
  for (int i = 0; i < w->low.n; i++)
    cy_text_add(text, "%s %" PRId64 " and %" PRId64, i ? "," : "", w->low.at[i], w->high.at[i]);
}

static void add_heading(cy_text *text, const cy_step *step) {
  static const char *const verbs[] = {"kernel", "kernel", "windows", "windows"};
  char name[CY_STEP_NAME], extents[CY_SHAPE_TEXT];
  const cy_window_attrs *w = &step->windows;
  cy_text_add(text, "%s: %s %s", cy_step_name(step, name), verbs[step->kind],
              cy_shape_text(cy_shape_of(&w->kernel), extents));
  add_list(text, "stride", &w->stride, 1);
  add_padding(text, w);
  add_list(text, "dilation", &w->dilation, 1);
  if (w->groups > 1) cy_text_add(text, ", %" PRId64 " groups", w->groups);
  cy_text_add(text, step->flipped ? "; the kernel runs backwards and is shown as it is applied\n\n" : "\n\n");
}

static cy_status add_step(cy_text *text, const cy_step *step, cy_steps_options options) {
  bool spread = step->kind == CY_STEP_TRANSPOSED;
  int64_t total = cy_tensor_count(spread ? step->from : step->to), limit = options.limit ? options.limit : USUAL_LIMIT;
  int64_t unit[CY_MAX_SPACE], wanted = -1, plane = cy_count(cy_step_windows(step)), shown = 0;
  widths width = {widest(step->from), widest(step->kernel), step->kernel ? widest_product(step) : 1};
  char title[CY_STEP_NAME + 32], name[CY_STEP_NAME];
  if (options.unit) {
    CY_TRY(cy_step_unit(step, options, unit));
    wanted = 0;
    for (int i = 0; i < cy_step_windows(step).rank; i++) wanted = wanted * cy_step_windows(step).dim[i] + unit[i];
    total = total / plane;
  }
  add_heading(text, step);
  CY_TRY(add_image(text, step->from, "input"));
  cy_text_add(text, "\n");
  for (; shown < total && shown < limit; shown++) {
    int64_t at = wanted < 0 ? shown : shown * plane + wanted;
    (spread ? add_spread : add_window)(text, step, at, width);
  }
  if (shown < total)
    cy_text_add(text, "... and %" PRId64 " more %s.\n\n", total - shown, spread ? "elements" : "windows");
  snprintf(title, sizeof title, step->kind == CY_STEP_SUM ? "sums of %s, not yet divided" : "result of %s",
           cy_step_name(step, name));
  return add_image(text, step->to, title);
}

static bool same_numbers(const cy_tensor *a, const cy_tensor *b) {
  if (cy_tensor_count(a) != cy_tensor_count(b)) return false;
  for (int64_t i = 0; i < cy_tensor_count(a); i++)
    if (cy_tensor_at(a, i) != cy_tensor_at(b, i)) return false;
  return true;
}

cy_status cy_steps_text(const cy_steps *steps, cy_steps_options options, char **out) {
  cy_text text = {0};
  cy_status status = CY_OK;
  *out = NULL;
  if (options.limit < 0) return cy_fail(CY_INVALID, "the number of windows to show must not be negative");
  for (size_t i = 0; i < steps->n && status == CY_OK; i++) {
    if (i) cy_text_add(&text, "\n");
    status = add_step(&text, &steps->steps[i], options);
  }
  if (status == CY_OK && !same_numbers(steps->output, steps->steps[steps->n - 1].to)) {
    cy_text_add(&text, "\n");
    status = add_image(&text, steps->output, "output, after all that follows (biases, divisions, activations)");
  }
  if (status == CY_OK) *out = cy_text_take(&text);
  else cy_text_clear(&text);
  return status != CY_OK || *out ? status : cy_no_memory();
}
