/* The analysis as a table: one row per layer, then what all of it takes. */
#include "cli/analyze.h"

#include "cli/model_file.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- fields as text ---- */

typedef void axis_text(const cy_receptive_axis *field, char *text, size_t size);

static void size_text(const cy_receptive_axis *f, char *text, size_t size) {
  if (f->sight == CY_SEES_NOTHING) snprintf(text, size, "-");
  else if (f->everything) snprintf(text, size, "all");
  else snprintf(text, size, "%" PRId64, f->size);
}

static void stride_text(const cy_receptive_axis *f, char *text, size_t size) {
  if (f->sight != CY_SEES_WINDOW) snprintf(text, size, "-");
  else if (!f->regular) snprintf(text, size, "varies");
  else snprintf(text, size, f->per == 1 ? "%" PRId64 : "%" PRId64 "/%" PRId64, f->stride, f->per);
}

static void start_text(const cy_receptive_axis *f, char *text, size_t size) {
  if (f->sight != CY_SEES_WINDOW) snprintf(text, size, "-");
  else if (!f->regular) snprintf(text, size, "varies");
  else snprintf(text, size, "%.10g", f->center);
}

/* One text if all spatial axes agree, else joined by x. */
static const char *join_axes(const cli_analysis *a, const cy_layer_facts *layer, axis_text *of, char *buffer) {
  char text[48], first[48];
  int axes = cy_analysis_input(a->analysis).rank - 1;
  size_t at = 0;
  bool same = true;
  buffer[0] = 0;
  for (int i = 0; i < axes; i++) {
    of(&layer->field[i + 2], text, sizeof text);
    if (i == 0) memcpy(first, text, sizeof first);
    same = same && strcmp(first, text) == 0;
    if (at < CLI_FIELD_SIZE) at += (size_t)snprintf(buffer + at, CLI_FIELD_SIZE - at, "%s%s", i ? " x " : "", text);
  }
  if (same && axes > 0) snprintf(buffer, CLI_FIELD_SIZE, "%s", first);
  return buffer;
}

const char *cli_field_size_text(const cli_analysis *a, const cy_layer_facts *layer, char buffer[CLI_FIELD_SIZE]) {
  return join_axes(a, layer, size_text, buffer);
}
const char *cli_field_stride_text(const cli_analysis *a, const cy_layer_facts *layer, char buffer[CLI_FIELD_SIZE]) {
  return join_axes(a, layer, stride_text, buffer);
}
const char *cli_field_start_text(const cli_analysis *a, const cy_layer_facts *layer, char buffer[CLI_FIELD_SIZE]) {
  return join_axes(a, layer, start_text, buffer);
}

/* ---- the table ---- */

static void add_count(cli_table *t, int64_t count) {
  char text[CLI_NUMBER_SIZE];
  cli_table_add(t, "%s", count ? cli_count_text(count, text) : "-");
}

static void add_bytes(cli_table *t, int64_t bytes) {
  char text[CLI_NUMBER_SIZE];
  cli_table_add(t, "%s", cli_bytes_text((double)bytes, text));
}

static void add_layer(const cli_analysis *a, cli_table *t, const cy_layer_facts *l, bool fields) {
  char shape[CLI_SHAPE_SIZE], text[CLI_FIELD_SIZE];
  cli_table_add(t, "%*s%s", 2 * l->depth, "", l->name);
  cli_table_add(t, "%s", cli_shape_text(l->output, shape));
  add_count(t, l->parameters);
  add_count(t, l->multiply_adds);
  add_bytes(t, l->activation_bytes);
  if (!fields) return;
  cli_table_add(t, "%s", cli_field_size_text(a, l, text));
  cli_table_add(t, "%s", cli_field_stride_text(a, l, text));
  cli_table_add(t, "%s", cli_field_start_text(a, l, text));
}

static void fill(const cli_analysis *a, cli_table *t, bool fields) {
  static const char *const heads[] = {"layer", "output", "parameters", "multiply-adds", "activations",
                                      "field", "stride", "offset"};
  char shape[CLI_SHAPE_SIZE];
  cy_analysis_totals totals = cy_analysis_total(a->analysis);
  cy_shape input = cy_analysis_input(a->analysis);
  int64_t elements = 0;
  cy_status counted = cy_shape_count(input, &elements); /* it was when the analysis was made */
  (void)counted;
  for (int i = 0; i < t->columns; i++) cli_table_add(t, "%s", heads[i]);
  cli_table_add(t, "input");
  cli_table_add(t, "%s", cli_shape_text(input, shape));
  add_count(t, 0);
  add_count(t, 0);
  add_bytes(t, 4 * elements);
  for (int i = 5; i < t->columns; i++) cli_table_add(t, i == 7 ? "0" : "1");
  for (int i = 0; i < cy_analysis_layer_count(a->analysis); i++)
    add_layer(a, t, cy_analysis_layer(a->analysis, i), fields);
  cli_table_add(t, "all");
  cli_table_add(t, "%s", "");
  add_count(t, totals.parameters);
  add_count(t, totals.multiply_adds);
  add_bytes(t, totals.activation_bytes);
  for (int i = 5; i < t->columns; i++) cli_table_add(t, "%s", "");
}

static void print_memory(const char *what, const cy_memory_facts *m, bool markdown) {
  char text[CLI_NUMBER_SIZE];
  const struct { const char *name; size_t bytes; } parts[] = {
      {"parameters", m->parameters}, {"running statistics", m->buffers}, {"optimiser", m->optimizer},
      {"copy of the best epoch", m->best}, {"values", m->values}, {"batch", m->inputs}};
  printf("%s%-9s memory, batch %" PRId64 ": %s%s%s", markdown ? "- " : "", what, m->batch, markdown ? "**" : "",
         cli_bytes_text((double)m->total, text), markdown ? "**" : "");
  const char *between = " = ";
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (!parts[i].bytes) continue;
    printf("%s%s %s", between, parts[i].name, cli_bytes_text((double)parts[i].bytes, text));
    between = " + ";
  }
  printf("\n");
}

cy_status cli_analysis_print(const cli_analysis *a, bool markdown) {
  bool fields = cy_analysis_input(a->analysis).rank > 1;
  cli_table t = {.columns = fields ? 8 : 5, .align = "llrrrrrr"};
  cli_terminal terminal = cli_terminal_of(STDOUT_FILENO);
  fill(a, &t, fields);
  if (t.failed) {
    cli_table_clear(&t);
    return cy_no_memory();
  }
  if (markdown) cli_table_print_markdown(&t);
  else cli_table_print(&t, &terminal, 1);
  cli_table_clear(&t);
  printf("\n");
  if (a->has_inference) print_memory("inference", &a->inference, markdown);
  if (a->inference_note[0]) printf("%s%s\n", markdown ? "- " : "", a->inference_note);
  if (a->has_training) print_memory("training", &a->training, markdown);
  if (a->training_note[0]) printf("%s%s\n", markdown ? "- " : "", a->training_note);
  printf("%sper example; multiply-adds are those of products and convolutions, two operations each%s\n",
         markdown ? "- " : "",
         fields ? "; field: inputs a unit sees, stride: from unit to unit, offset: middle of unit 0's" : "");
  return CY_OK;
}
