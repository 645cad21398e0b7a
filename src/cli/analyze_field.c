/* `cauchy analyze --field LAYER[@y,x]`: what one unit sees, as words, as JSON and as a picture; measured by
 * derivative and weighed by it on request. */
#include "cli/analyze.h"

#include "cli/model_file.h"
#include "cli/terminal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which unit ---- */

static cy_status bad_place(const cy_layer_facts *l, const char *text) {
  char shape[CLI_SHAPE_SIZE];
  return cy_fail(
      CY_INVALID, "--field %s@%.40s: a unit of %s %s is given by %s", l->name, text, l->name,
      cli_shape_text(l->output, shape),
      l->output.rank > 1 ? "its place along each axis but the channels, as in @3,4" : "its number, as in @3");
}

/* "3,4" for the last axes of the output; none: the middle. */
static cy_status read_place(const cy_layer_facts *l, const char *text, cli_field *f) {
  int first = l->output.rank > 1 ? 1 : 0;
  const char *at = text;
  for (int i = 0; i < CY_MAX_RANK; i++) f->unit[i] = -1;
  for (int i = first; i < l->output.rank; i++) {
    if (!text) {
      f->unit[i] = first ? l->output.dim[i] / 2 : -1;
      continue;
    }
    char *end;
    errno = 0;
    f->unit[i] = strtoll(at, &end, 10);
    bool last = i + 1 == l->output.rank;
    if (errno || *at < '0' || *at > '9' || *end != (last ? 0 : ',') || f->unit[i] >= l->output.dim[i])
      return bad_place(l, text);
    at = end + 1;
  }
  return CY_OK;
}

static cy_status find_unit(const cli_analysis *a, const char *word, cli_field *f) {
  const char *place = strrchr(word, '@');
  char *name = place ? cy_strndup(word, (size_t)(place - word)) : cy_strdup(word);
  if (!name) return cy_no_memory();
  cy_status status = cy_analysis_find(a->analysis, name, &f->layer);
  cy_free(name);
  CY_TRY(status);
  return read_place(cy_analysis_layer(a->analysis, f->layer), place ? place + 1 : NULL, f);
}

/* ---- what it sees ---- */

static void hull(const bool *seen, int64_t n, int64_t *low, int64_t *high, int64_t *count) {
  *low = 0;
  *high = -1;
  *count = 0;
  for (int64_t i = 0; i < n; i++)
    if (seen[i]) {
      if (*count == 0) *low = i;
      *high = i;
      ++*count;
    }
}

/* Maxima are seen one at a time, so the measured set may have holes, but not other ends. */
static bool agrees(const bool *computed, const bool *measured, int64_t n) {
  int64_t low, high, count, first, last, found;
  hull(computed, n, &low, &high, &count);
  hull(measured, n, &first, &last, &found);
  for (int64_t i = 0; i < n; i++)
    if (measured[i] && !computed[i]) return false;
  return (count == 0 && found == 0) || (low == first && high == last);
}

cy_status cli_field_open(const cli_arguments *arguments, const cli_analysis *a, cli_field *f) {
  const char *word = cli_option_value(arguments, "--field");
  cy_shape sample = cy_analysis_input(a->analysis);
  int64_t whole[CY_MAX_RANK] = {0};
  bool wanted = cli_option_value(arguments, "--effective"), measured = cli_option_value(arguments, "--measure");
  *f = (cli_field){0};
  if (!word)
    return wanted || measured ? cy_fail(CY_INVALID, "%s is about one unit: say which, as in --field conv2@3,4",
                                        wanted ? "--effective" : "--measure")
                              : CY_OK;
  CY_TRY(find_unit(a, word, f));
  f->given = true;
  memcpy(whole + 1, f->unit, (CY_MAX_RANK - 1) * sizeof *whole);
  CY_TRY(cy_seen_from(cy_analysis_value(a->analysis, -1), cy_analysis_value(a->analysis, f->layer), whole, f->seen));
  if (measured) {
    CY_TRY(cy_measured_field(a->network.model, sample, f->layer, f->unit, 1, f->measured));
    f->has_measured = f->agrees = true;
    for (int i = sample.rank > 1 ? 1 : 0; i < sample.rank; i++)
      f->agrees = f->agrees && agrees(f->seen[i + 1], f->measured[i], sample.dim[i]);
  }
  if (!wanted) return CY_OK;
  const cy_state *state = a->network.trained ? cy_trained_state(a->network.trained) : NULL;
  return cy_effective_field(a->network.model, sample, f->layer, f->unit,
                            (cy_effective_options){.samples = CLI_FIELD_SAMPLES, .seed = 1, .state = state},
                            &f->effective);
}

void cli_field_close(cli_field *f) {
  cy_seen_free(f->seen);
  cy_seen_free(f->measured);
  cy_tensor_free(f->effective);
}

/* ---- how much counts ---- */

typedef struct spread {
  double mean, deviation; /* along the axis, of the squared derivative */
  int64_t width;          /* the shortest interval with 95 % of it */
} spread;

static cy_status spread_of(const cy_tensor *map, int axis, spread *s) {
  cy_shape shape = cy_tensor_shape(map);
  int64_t n = shape.dim[axis], inner = 1;
  double total = 0, square = 0;
  for (int i = axis + 1; i < shape.rank; i++) inner *= shape.dim[i];
  double *sum = cy_calloc((size_t)n + 1, sizeof *sum);
  *s = (spread){0};
  if (!sum) return cy_no_memory();
  for (int64_t i = 0; i < cy_tensor_count(map); i++) sum[i / inner % n] += cy_tensor_at(map, i);
  for (int64_t i = 0; i < n; i++) total += sum[i];
  for (int64_t i = 0; i < n && total > 0; i++) s->mean += (double)i * sum[i] / total;
  for (int64_t i = 0; i < n && total > 0; i++) square += ((double)i - s->mean) * ((double)i - s->mean) * sum[i] / total;
  s->deviation = sqrt(square);
  s->width = total > 0 ? n : 0;
  double inside = 0;
  for (int64_t low = 0, high = 0; total > 0 && low < n; inside -= sum[low++]) {
    while (high < n && inside < 0.95 * total) inside += sum[high++];
    if (inside >= 0.95 * total && high - low < s->width) s->width = high - low;
  }
  cy_free(sum);
  return CY_OK;
}

/* ---- as words ---- */

static const char *axis_name(cy_shape sample, int i) {
  static const char *const names[3][3] = {{"length"}, {"height", "width"}, {"depth", "height", "width"}};
  return sample.rank >= 2 && sample.rank <= 4 ? names[sample.rank - 2][i - 1] : "input";
}

static void print_unit(const cli_analysis *a, const cli_field *f) {
  const cy_layer_facts *l = cy_analysis_layer(a->analysis, f->layer);
  int first = l->output.rank > 1 ? 1 : 0;
  bool all = l->output.rank == 0 || f->unit[first] < 0;
  printf(all ? "all units of " : "unit (");
  for (int i = first; !all && i < l->output.rank; i++) printf("%s%" PRId64, i > first ? ", " : "", f->unit[i]);
  printf("%s%s\n", all ? "" : ") of ", l->path);
}

static void print_axis(const cli_analysis *a, const cli_field *f, int i) {
  cy_shape sample = cy_analysis_input(a->analysis);
  const cy_receptive_axis *field = &cy_analysis_layer(a->analysis, f->layer)->field[i + 1];
  int64_t low, high, count;
  hull(f->seen[i + 1], sample.dim[i], &low, &high, &count);
  printf("%s: ", axis_name(sample, i));
  if (count == 0) printf("sees nothing of it");
  else printf("sees %" PRId64 "..%" PRId64 " of 0..%" PRId64, low, high, sample.dim[i] - 1);
  if (count && count < high - low + 1) printf(" with holes: %" PRId64 " places", count);
  if (field->sight == CY_SEES_WINDOW) printf("; the field is %" PRId64, field->size);
  printf("\n");
}

static void print_measured(const cli_field *f, cy_shape sample, int i) {
  int64_t low, high, count;
  hull(f->measured[i], sample.dim[i], &low, &high, &count);
  if (count == 0) printf("  %s: no input changes the unit\n", axis_name(sample, i));
  else printf("  %s: %" PRId64 " places from %" PRId64 " to %" PRId64 " change the unit\n", axis_name(sample, i), count,
              low, high);
}

cy_status cli_field_print(const cli_analysis *a, const cli_field *f) {
  cy_shape sample = cy_analysis_input(a->analysis);
  int first = sample.rank > 1 ? 1 : 0;
  print_unit(a, f);
  for (int i = first; i < sample.rank; i++) print_axis(a, f, i);
  if (f->has_measured) printf("measured by derivative: %s\n", f->agrees ? "the same" : "differs");
  for (int i = first; f->has_measured && !f->agrees && i < sample.rank; i++) print_measured(f, sample, i);
  for (int i = first; f->effective && i < sample.rank; i++) {
    spread s;
    CY_TRY(spread_of(f->effective, i - first, &s));
    if (i == first)
      printf("effective, over %d random inputs and %s:\n", CLI_FIELD_SAMPLES,
             a->network.trained ? "the trained weights" : "initial weights");
    printf("  %s: middle %.2f, deviation %.2f; 95 %% of the squared derivative within %" PRId64 "\n",
           axis_name(sample, i), s.mean, s.deviation, s.width);
  }
  return CY_OK;
}

/* ---- as JSON ---- */

static json_t *places_json(const bool *seen, int64_t n) {
  json_t *array = json_array();
  for (int64_t i = 0; i < n; i++)
    if (seen[i]) json_array_append_new(array, json_integer(i));
  return array;
}

/* Nested arrays over the axes from axis on; *at counts elements. */
static json_t *nested(const cy_tensor *map, int axis, int64_t *at) {
  cy_shape shape = cy_tensor_shape(map);
  if (axis == shape.rank) return json_real(cy_tensor_at(map, (*at)++));
  json_t *array = json_array();
  for (int64_t i = 0; i < shape.dim[axis]; i++) json_array_append_new(array, nested(map, axis + 1, at));
  return array;
}

static cy_status effective_json(const cli_field *f, json_t *object) {
  json_t *effective = json_object(), *axes = json_array();
  int64_t at = 0;
  cy_status status = CY_OK;
  for (int i = 0; status == CY_OK && i < cy_tensor_shape(f->effective).rank; i++) {
    spread s;
    status = spread_of(f->effective, i, &s);
    json_t *axis = json_object();
    json_object_set_new(axis, "middle", json_real(s.mean));
    json_object_set_new(axis, "deviation", json_real(s.deviation));
    json_object_set_new(axis, "width_95", json_integer(s.width));
    json_array_append_new(axes, axis);
  }
  json_object_set_new(effective, "samples", json_integer(CLI_FIELD_SAMPLES));
  json_object_set_new(effective, "axes", axes);
  json_object_set_new(effective, "mean_squared_derivative", nested(f->effective, 0, &at));
  json_object_set_new(object, "effective", effective);
  return status;
}

cy_status cli_field_json(const cli_analysis *a, const cli_field *f, json_t *object) {
  const cy_layer_facts *l = cy_analysis_layer(a->analysis, f->layer);
  cy_shape sample = cy_analysis_input(a->analysis);
  json_t *field = json_object(), *unit = json_array(), *axes = json_array();
  int first = sample.rank > 1 ? 1 : 0;
  for (int i = l->output.rank > 1 ? 1 : 0; i < l->output.rank; i++)
    json_array_append_new(unit, f->unit[i] < 0 ? json_null() : json_integer(f->unit[i]));
  for (int i = first; i < sample.rank; i++) {
    json_t *axis = json_object();
    int64_t low, high, count;
    hull(f->seen[i + 1], sample.dim[i], &low, &high, &count);
    json_object_set_new(axis, "first", count ? json_integer(low) : json_null());
    json_object_set_new(axis, "last", count ? json_integer(high) : json_null());
    json_object_set_new(axis, "seen", places_json(f->seen[i + 1], sample.dim[i]));
    if (f->has_measured) json_object_set_new(axis, "measured", places_json(f->measured[i], sample.dim[i]));
    json_array_append_new(axes, axis);
  }
  json_object_set_new(field, "layer", json_string(l->path));
  json_object_set_new(field, "unit", unit);
  json_object_set_new(field, "axes", axes);
  if (f->has_measured) json_object_set_new(field, "measured_agrees", json_boolean(f->agrees));
  cy_status status = f->effective ? effective_json(f, field) : CY_OK;
  json_object_set_new(object, "field", field);
  return status;
}

/* ---- as a picture ---- */

static bool ends_with(const char *word, const char *end) {
  size_t n = strlen(word), m = strlen(end);
  return n > m && strcmp(word + n - m, end) == 0;
}

cy_status cli_analysis_draw(const cli_analysis *a, const cli_field *f, const char *path) {
  bool png = ends_with(path, ".png"), svg = ends_with(path, ".svg");
  char shape[CLI_SHAPE_SIZE], subtitle[CLI_SHAPE_SIZE + 16];
  if (!png && !svg) return cy_fail(CY_INVALID, "--picture %s: the name ends in .svg or .png", path);
  if (f->given)
    return cy_field_picture(a->analysis, f->layer, f->unit, f->effective, (cy_plot_options){0}, png ? path : NULL,
                            svg ? path : NULL);
  snprintf(subtitle, sizeof subtitle, "input %s", cli_shape_text(cy_analysis_input(a->analysis), shape));
  return cy_analysis_picture(a->analysis, (cy_plot_options){.title = a->title, .subtitle = subtitle}, png ? path : NULL,
                             svg ? path : NULL);
}
