/* What is done with a parsed architecture: build it into a network, print it, describe the layers there are. */
#include "nn/model.h"

#include "graph/graph.h"
#include "nn/ragged.h"
#include "nn/source.h"
#include "tensor/tensor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void cy_model_free(cy_model *model) {
  if (!model) return;
  cy_arena_free(model->arena);
  cy_free(model);
}

cy_status cy_model_load(const char *path, cy_model **model) {
  *model = NULL;
  FILE *file = fopen(path, "rb");
  if (!file) return cy_fail(CY_IO, "%s: %s", path, strerror(errno));
  char *text = cy_calloc(CY_SOURCE_MAX + 2, 1);
  size_t n = text ? fread(text, 1, CY_SOURCE_MAX + 1, file) : 0;
  cy_status status = CY_OK;
  if (!text)
    status = cy_no_memory();
  else if (ferror(file))
    status = cy_fail(CY_IO, "%s: %s", path, strerror(errno));
  else if (memchr(text, 0, n))
    status = cy_fail(CY_INVALID, "%s: not a text file", path);
  else
    status = cy_model_parse(text, path, model);
  fclose(file);
  cy_free(text);
  return status;
}

/* ---- building ---- */

cy_value cy_chain_apply(const cy_chain *chain, cy_network *network, cy_value x) {
  for (const cy_stage *s = chain->first; s; s = s->next) {
    if (cy_graph_failed(cy_network_graph(network))) return cy_none;
    if (cy_is_ragged(network, x)) {
      x = cy_ragged_apply(network, x, s);
      continue;
    }
    if (s->row->scope == CY_LAYER_SELF) {
      x = s->row->build(network, x, s);
      continue;
    }
    if (s->row->scope == CY_LAYER_GROUP)
      cy_network_open_group(network, s->row->name, s->name, x);
    else
      cy_network_open(network, s->row->name, s->name, x);
    x = cy_network_close(network, cy_network_takes(network, x, 0) ? s->row->build(network, x, s) : cy_none);
  }
  return x;
}

cy_value cy_model_apply(const cy_model *model, cy_network *network, cy_value x) {
  bool failed_before = cy_graph_failed(cy_network_graph(network));
  cy_ends ends = cy_network_ends(network);
  cy_value y = cy_chain_apply(model->chain, network, x);
  cy_network_set_ends(network, ends); /* as the caller set them */
  if (!failed_before && cy_network_was_too_small(network)) cy_model_explain_too_small(model, network, x);
  return y;
}

/* ---- printing ---- */

static void chain_text(const cy_chain *chain, cy_text *text);

static void initializer_text(const cy_argument *argument, cy_text *text) {
  const cy_initializer_row *row = argument->initializer_row;
  const cy_initializer *in = &argument->initializer;
  cy_text_add(text, "%s", row->name);
  if (row->max_numbers == 0 || (row->min_numbers == 0 && in->a == row->a)) return;
  cy_text_add(text, "(");
  cy_text_add_real(text, in->a);
  if (row->max_numbers == 2) {
    cy_text_add(text, ", ");
    cy_text_add_real(text, in->b);
  }
  cy_text_add(text, ")");
}

static void extents_text(const cy_shape *extents, cy_text *text) {
  cy_text_add(text, extents->rank > 1 ? "(" : "");
  for (int i = 0; i < extents->rank; i++) cy_text_add(text, i ? ", %lld" : "%lld", (long long)extents->dim[i]);
  cy_text_add(text, extents->rank > 1 ? ")" : "");
}

static void padding_text(const cy_padding *padding, cy_text *text) {
  int axes = padding->axes ? padding->axes : 1;
  bool named = padding->kind != CY_PADDING_EXPLICIT;
  if (!named && padding->axes == 0) named = padding->low[0] == 0 && padding->high[0] == 0;
  for (int i = 0; i < cy_padding_row_count && named; i++)
    if (cy_padding_rows[i].kind == padding->kind) cy_text_add(text, "%s", cy_padding_rows[i].name);
  if (named) return;
  cy_text_add(text, padding->axes ? "(" : "");
  for (int i = 0; i < axes; i++) {
    cy_text_add(text, i ? ", %lld" : "%lld", (long long)padding->low[i]);
    if (padding->high[i] != padding->low[i]) cy_text_add(text, ":%lld", (long long)padding->high[i]);
  }
  cy_text_add(text, padding->axes ? ")" : "");
}

void cy_argument_text(const cy_argument_row *row, const cy_argument *argument, cy_text *text) {
  switch (row->type) {
    case CY_ARGUMENT_INTEGER: cy_text_add(text, "%lld", (long long)argument->integer); break;
    case CY_ARGUMENT_REAL: cy_text_add_real(text, argument->real); break;
    case CY_ARGUMENT_BOOL: cy_text_add(text, "%s", argument->truth ? "true" : "false"); break;
    case CY_ARGUMENT_CHOICE: cy_text_add(text, "%s", row->choices[argument->choice]); break;
    case CY_ARGUMENT_INITIALIZER: initializer_text(argument, text); break;
    case CY_ARGUMENT_PADDING: padding_text(&argument->padding, text); break;
    case CY_ARGUMENT_EXTENTS:
    case CY_ARGUMENT_SPACE: extents_text(&argument->extents, text); break;
    case CY_ARGUMENT_CHAIN:
    case CY_ARGUMENT_CHAINS:
      for (const cy_chain *c = argument->chains; c; c = c->next) {
        if (c != argument->chains) cy_text_add(text, " | ");
        chain_text(c, text);
      }
  }
}

/* The first argument and required ones after it by value, the others by name, defaults left out. */
static void stage_text(const cy_stage *stage, cy_text *text) {
  const char *before = "(";
  bool by_value = true;
  cy_text_add(text, "%s", stage->row->name);
  for (int i = 0; stage->row->arguments[i].name; i++) {
    const cy_argument_row *row = &stage->row->arguments[i];
    cy_text value = {0};
    cy_argument_text(row, &stage->arguments[i], &value);
    const char *written = value.data ? value.data : "";
    by_value = by_value && (i == 0 || !row->fallback);
    if (!row->fallback || strcmp(written, row->fallback) != 0) {
      cy_text_add(text, "%s%s%s%s", before, by_value ? "" : row->name, by_value ? "" : "=", written);
      before = ", ";
    }
    text->failed = text->failed || value.failed;
    cy_text_clear(&value);
  }
  if (stage->named) {
    bool plain = !strchr(stage->name, '-') && (stage->name[0] < '0' || stage->name[0] > '9');
    cy_text_add(text, plain ? "%sname=%s" : "%sname=\"%s\"", before, stage->name);
    before = ", ";
  }
  if (before[0] == ',') cy_text_add(text, ")");
}

static void chain_text(const cy_chain *chain, cy_text *text) {
  for (const cy_stage *s = chain->first; s; s = s->next) {
    if (s != chain->first) cy_text_add(text, " -> ");
    stage_text(s, text);
  }
}

cy_status cy_model_text(const cy_model *model, char **text) {
  cy_text out = {0};
  chain_text(model->chain, &out);
  *text = cy_text_take(&out);
  return *text ? CY_OK : cy_no_memory();
}

/* ---- help ---- */

static void range_text(const cy_argument_row *row, cy_text *text) {
  if (row->min == 0 && row->max == 0) return;
  cy_text_add(text, ", %s %g", row->above_min ? "above" : "from", row->min);
  if (row->below_max || row->max < 1e6) cy_text_add(text, " %s %g", row->below_max ? "to below" : "to", row->max);
}

static void type_text(const cy_argument_row *row, cy_text *text) {
  static const char *const names[] = {
      [CY_ARGUMENT_INTEGER] = "whole number", [CY_ARGUMENT_REAL] = "number", [CY_ARGUMENT_BOOL] = "true or false",
      [CY_ARGUMENT_INITIALIZER] = "initialiser", [CY_ARGUMENT_EXTENTS] = "whole numbers",
      [CY_ARGUMENT_SPACE] = "3, or per axis (3, 5)",
      [CY_ARGUMENT_PADDING] = "valid, same, half, causal, 1, low:high, or per axis (1, 0:2)",
      [CY_ARGUMENT_CHAIN] = "layers", [CY_ARGUMENT_CHAINS] = "layers | layers | ..."};
  if (row->type != CY_ARGUMENT_CHOICE) {
    cy_text_add(text, "%s", names[row->type]);
    range_text(row, text);
    return;
  }
  for (int i = 0; row->choices[i]; i++)
    cy_text_add(text, "%s%s", i == 0 ? "" : row->choices[i + 1] ? ", " : " or ", row->choices[i]);
}

static void layer_help(const cy_layer_row *row, cy_text *text) {
  int width = 10; /* of the names of arguments */
  for (int i = 0; row->arguments[i].name; i++)
    if ((int)strlen(row->arguments[i].name) > width) width = (int)strlen(row->arguments[i].name);
  cy_text_add(text, "%s(", row->name);
  for (int i = 0; row->arguments[i].name; i++) {
    const cy_argument_row *a = &row->arguments[i];
    bool shown = a->fallback && a->fallback[0];
    cy_text_add(text, "%s%s%s%s", i ? ", " : "", a->name, shown ? "=" : "", shown ? a->fallback : "");
  }
  cy_text_add(text, ")\n    %s\n", row->about);
  for (int i = 0; row->arguments[i].name; i++) {
    const cy_argument_row *a = &row->arguments[i];
    cy_text_add(text, "    %-*s %s (", width, a->name, a->about);
    type_text(a, text);
    cy_text_add(text, "%s)\n", a->fallback ? "" : "; required");
  }
}

static void language_help(cy_text *text) {
  cy_text_add(text, "\nEvery layer also takes name=... (letters, digits, _ or -); without one it is numbered: dense1.\n"
                    "An argument that is true or false is true by its name alone: lstm(64, last).\n"
                    "Initialisers:");
  for (int i = 0; i < cy_initializer_row_count; i++) {
    const cy_initializer_row *row = &cy_initializer_rows[i];
    static const char *const numbers[] = {"", "(c)", "(a, b)"};
    cy_text_add(text, "%s %s%s", i ? "," : "", row->name,
                row->min_numbers == 0 && row->max_numbers == 1 ? "(gain)" : numbers[row->max_numbers]);
  }
  cy_text_add(text, "; uniform takes its ends, normal its mean and standard deviation.\n"
                    "Repeat: 3 * (dense(64) -> relu). Blocks: unit(n) = dense(n) -> relu, then unit(64) -> unit(32).\n"
                    "Windows: images are channels x height x width, sequences channels x length, volumes channels x depth\n"
                    "x height x width.\n"
                    "A kernel, stride, size is a number for all spatial axes, or one for each: conv(32, (3, 5)).\n"
                    "Padding: valid (none), same, half, causal, 1, before:after as 0:1, or one for each axis:\n"
                    "pad=(1, 0:1).\n"
                    "# starts a comment; line ends are free.\n");
}

static cy_status unknown_layer(const char *layer) {
  const char *names[256];
  size_t n = 0;
  for (int i = 0; i < cy_layer_row_count && n < 256; i++) names[n++] = cy_layer_rows[i].name;
  const char *near = cy_nearest_name(layer, names, n);
  return near ? cy_fail(CY_INVALID, "unknown layer \"%.60s\"; did you mean \"%s\"?", layer, near)
              : cy_fail(CY_INVALID, "unknown layer \"%.60s\"", layer);
}

cy_status cy_layer_help(const char *layer, char **text) {
  cy_text out = {0};
  *text = NULL;
  const cy_layer_row *only = layer ? cy_layer_find(layer, strlen(layer)) : NULL;
  if (layer && !only) return unknown_layer(layer);
  for (int i = 0; i < cy_layer_row_count; i++)
    if (!only || only == &cy_layer_rows[i]) layer_help(&cy_layer_rows[i], &out);
  if (!only) language_help(&out);
  *text = cy_text_take(&out);
  return *text ? CY_OK : cy_no_memory();
}
