/* `cauchy analyze --vary`: sizes as functions of the input, and which inputs work. */
#include "cli/analyze.h"

#include "cli/model_file.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *axis_name(int axes, int i) {
  static const char *const names[3][3] = {{"length"}, {"height", "width"}, {"depth", "height", "width"}};
  return names[axes - 1][i];
}
static const char *axis_letter(int axes, int i) {
  static const char *const letters[3][3] = {{"n"}, {"h", "w"}, {"d", "h", "w"}};
  return letters[axes - 1][i];
}

/* All axes of the layer's output, or those from axis on, joined by x. */
static void add_extents(cli_table *t, const cy_variation *v, int layer, int first, int last) {
  cy_text joined = {0};
  for (int axis = first; axis < last; axis++) {
    char *text;
    if (cy_variation_text(v, layer, axis, &text) != CY_OK) {
      t->failed = true;
      break;
    }
    cy_text_add(&joined, "%s%s", axis > first ? " x " : "", text);
    cy_string_free(text);
  }
  cli_table_add(t, "%s", joined.data ? joined.data : "");
  cy_text_clear(&joined);
}

static void fill(const cli_analysis *a, const cy_variation *v, cli_table *t) {
  int axes = cy_variation_axes(v);
  cli_table_add(t, "layer");
  cli_table_add(t, "channels");
  for (int i = 0; i < axes; i++) cli_table_add(t, "%s", axis_name(axes, i));
  cli_table_add(t, "input");
  cli_table_add(t, "%lld", (long long)cy_analysis_input(a->analysis).dim[0]);
  for (int i = 0; i < axes; i++) cli_table_add(t, "%s", axis_letter(axes, i));
  for (int i = 0; i < cy_analysis_layer_count(a->analysis); i++) {
    const cy_layer_facts *l = cy_analysis_layer(a->analysis, i);
    bool image = l->output.rank == axes + 1;
    cli_table_add(t, "%*s%s", 2 * l->depth, "", l->name);
    add_extents(t, v, i, 0, image ? 1 : l->output.rank);
    for (int k = 0; k < axes; k++)
      if (image) add_extents(t, v, i, k + 1, k + 2);
      else cli_table_add(t, "%s", "");
  }
}

/* "every size from 9", "8, 16, 24, ...". */
static void sizes_text(const cy_vary_axis *axis, char *text, size_t size) {
  if (axis->step == 1) snprintf(text, size, "every size from %" PRId64, axis->smallest);
  else if (axis->step > 1)
    snprintf(text, size, "%" PRId64 ", %" PRId64 ", %" PRId64 ", ...: every %" PRId64, axis->smallest,
             axis->smallest + axis->step, axis->smallest + 2 * axis->step, axis->step);
  else snprintf(text, size, "%" PRId64 " is the smallest; not every larger one works", axis->smallest);
}

static cy_shape smallest_input(const cli_analysis *a, const cy_variation *v) {
  cy_shape shape = cy_analysis_input(a->analysis);
  for (int i = 0; i < cy_variation_axes(v); i++) shape.dim[i + 1] = cy_variation_axis(v, i)->smallest;
  return shape;
}

static bool any_local(const cli_analysis *a, const cy_variation *v) {
  for (int i = 0; i < cy_analysis_layer_count(a->analysis); i++)
    for (int axis = 0; axis < cy_analysis_layer(a->analysis, i)->output.rank; axis++)
      if (cy_variation_is_local(v, i, axis)) return true;
  return false;
}

static void print_ranges(const cli_analysis *a, const cy_variation *v, bool markdown) {
  int axes = cy_variation_axes(v);
  char text[160], shape[CLI_SHAPE_SIZE];
  const char *bullet = markdown ? "- " : "", *bound = cy_variation_size_bound_layer(v);
  printf("\n%ssmallest input: %s%s\n", bullet, cli_shape_text(smallest_input(a, v), shape),
         cy_variation_smallest_works(v) ? "" : " does not work, though each axis by itself does");
  for (int i = 0; i < axes; i++) {
    const cy_vary_axis *axis = cy_variation_axis(v, i);
    sizes_text(axis, text, sizeof text);
    printf("%s%s %s: %s (tried up to %" PRId64 ")\n", bullet, axis_name(axes, i), axis_letter(axes, i), text,
           axis->largest);
    if (axis->reason[0]) printf("%s  %" PRId64 " fails: %s\n", bullet, axis->smallest - 1, axis->reason);
  }
  if (bound)
    printf("%s%s has parameters for each place of its input: once trained, the network takes one size only\n", bullet,
           bound);
  else printf("%sthe same weights fit every size\n", bullet);
}

cy_status cli_analysis_print_vary(const cli_analysis *a, bool markdown) {
  cy_variation *v;
  CY_TRY(cy_vary(a->network.model, a->network.sample, &v));
  cli_table t = {.columns = 2 + cy_variation_axes(v), .align = "lllll"};
  cli_terminal terminal = cli_terminal_of(STDOUT_FILENO);
  fill(a, v, &t);
  if (t.failed) {
    cli_table_clear(&t);
    cy_variation_free(v);
    return cy_no_memory();
  }
  if (markdown) cli_table_print_markdown(&t);
  else cli_table_print(&t, &terminal, 0);
  if (any_local(a, v)) printf("%si: the layer's own input along that axis\n", markdown ? "\n- " : "\n");
  print_ranges(a, v, markdown);
  cli_table_clear(&t);
  cy_variation_free(v);
  return CY_OK;
}

/* ---- JSON ---- */

static json_t *axis_json(const cy_variation *v, int i) {
  const cy_vary_axis *axis = cy_variation_axis(v, i);
  json_t *object = json_object();
  json_object_set_new(object, "name", json_string(axis_name(cy_variation_axes(v), i)));
  json_object_set_new(object, "letter", json_string(axis_letter(cy_variation_axes(v), i)));
  json_object_set_new(object, "smallest", json_integer(axis->smallest));
  json_object_set_new(object, "tried_up_to", json_integer(axis->largest));
  json_object_set_new(object, "step", axis->step ? json_integer(axis->step) : json_null());
  json_object_set_new(object, "reason", json_string(axis->reason));
  return object;
}

cy_status cli_analysis_vary_json(const cli_analysis *a, json_t *object) {
  cy_variation *v;
  CY_TRY(cy_vary(a->network.model, a->network.sample, &v));
  json_t *axes = json_array(), *layers = json_array(), *vary = json_object(), *smallest = json_array();
  for (int i = 0; i < cy_variation_axes(v); i++) json_array_append_new(axes, axis_json(v, i));
  for (int i = 0; i < cy_analysis_layer_count(a->analysis); i++) {
    const cy_layer_facts *l = cy_analysis_layer(a->analysis, i);
    json_t *layer = json_object(), *extents = json_array();
    for (int k = 0; k < l->output.rank; k++) {
      char *text = NULL;
      cy_status status = cy_variation_text(v, i, k, &text);
      json_array_append_new(extents, status == CY_OK ? json_string(text) : json_null());
      cy_string_free(text);
    }
    json_object_set_new(layer, "name", json_string(l->name));
    json_object_set_new(layer, "path", json_string(l->path));
    json_object_set_new(layer, "output", extents);
    json_array_append_new(layers, layer);
  }
  cy_shape shape = smallest_input(a, v);
  for (int i = 0; i < shape.rank; i++) json_array_append_new(smallest, json_integer(shape.dim[i]));
  const char *bound = cy_variation_size_bound_layer(v);
  json_object_set_new(vary, "axes", axes);
  json_object_set_new(vary, "layers", layers);
  json_object_set_new(vary, "smallest_input", smallest);
  json_object_set_new(vary, "smallest_works", json_boolean(cy_variation_smallest_works(v)));
  json_object_set_new(vary, "size_bound_layer", bound ? json_string(bound) : json_null());
  json_object_set_new(object, "vary", vary);
  cy_variation_free(v);
  return CY_OK;
}
