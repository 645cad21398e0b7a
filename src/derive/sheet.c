/* The sheet: names, dimensions and indices, in one arena. */
#include "derive/sheet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

cy_status cy_sheet_begin(cy_sheet *sheet, cy_graph *graph) {
  *sheet = (cy_sheet){.graph = graph, .arena = cy_arena_create()};
  sheet->spare_atom.kind = CY_ATOM_PLACE;
  return sheet->arena ? CY_OK : cy_no_memory();
}

void cy_sheet_end(cy_sheet *sheet) {
  cy_arena_free(sheet->arena);
  cy_free(sheet->names);
  cy_free(sheet->indices);
  cy_free(sheet->pairing);
  cy_free(sheet->name_of);
  *sheet = (cy_sheet){0};
}

cy_status cy_sheet_status(const cy_sheet *sheet) {
  if (sheet->failed) return cy_no_memory();
  if (cy_graph_failed(sheet->graph)) return cy_graph_status(sheet->graph);
  return sheet->large ? cy_fail(CY_INVALID, "an expression grows too large to be written: name parts of it") : CY_OK;
}

/* Room in name_of for nodes up to this one; new entries are -1. */
static bool reach_node(cy_sheet *sheet, int32_t node) {
  size_t wanted = (size_t)node + 1, old = sheet->name_of_capacity;
  if (wanted <= old) return true;
  wanted += wanted / 2;
  int32_t *grown = cy_realloc(sheet->name_of, wanted, sizeof *grown);
  if (!grown) return false;
  memset(grown + old, 0xff, (wanted - old) * sizeof *grown);
  sheet->name_of = grown;
  sheet->name_of_capacity = wanted;
  return true;
}

int cy_sheet_name(cy_sheet *sheet, const char *text, cy_name_kind kind, cy_value value, int of) {
  if (!cy_is_value(value) || !reach_node(sheet, value.id) ||
      !cy_grow(&sheet->names, (size_t)sheet->n_names, &sheet->names_capacity, sizeof *sheet->names)) {
    sheet->failed = true;
    return -1;
  }
  cy_name *name = &sheet->names[sheet->n_names];
  *name = (cy_name){.kind = kind, .value = value, .shape = cy_value_shape(value), .of = of};
  size_t length = strlen(text);
  if (length >= sizeof name->text) length = sizeof name->text - 1;
  memcpy(name->text, text, length);
  if (sheet->name_of[value.id] < 0) sheet->name_of[value.id] = sheet->n_names;
  return sheet->n_names++;
}

int cy_sheet_name_of(const cy_sheet *sheet, int32_t node) {
  return node >= 0 && (size_t)node < sheet->name_of_capacity ? sheet->name_of[node] : -1;
}

int cy_sheet_find(const cy_sheet *sheet, const char *text) {
  for (int i = 0; i < sheet->n_names; i++)
    if (strcmp(sheet->names[i].text, text) == 0) return i;
  return -1;
}

bool cy_sheet_dimension(cy_sheet *sheet, const char *text, int64_t extent) {
  if (sheet->n_dimensions == CY_MAX_DIMENSIONS || strlen(text) >= CY_NAME_SIZE) return false;
  cy_dimension *d = &sheet->dimensions[sheet->n_dimensions++];
  memcpy(d->text, text, strlen(text) + 1);
  d->extent = extent;
  return true;
}

/* "h - k + 1": what a convolution without padding makes of h. */
static bool difference_text(const cy_sheet *sheet, int64_t extent, char buffer[CY_NAME_SIZE]) {
  const cy_dimension *d = sheet->dimensions;
  for (int i = 0; i < sheet->n_dimensions; i++)
    for (int k = -1; k < sheet->n_dimensions; k++) {
      int64_t rest = extent - d[i].extent + (k < 0 ? 0 : d[k].extent);
      char end[8] = "";
      if (i == k || rest < -16 || rest > 16) continue;
      if (rest) snprintf(end, sizeof end, " %c %d", rest < 0 ? '-' : '+', (int)(rest < 0 ? -rest : rest));
      int n = snprintf(buffer, CY_NAME_SIZE, "%s%s%s%s", d[i].text, k < 0 ? "" : " - ", k < 0 ? "" : d[k].text, end);
      return n < CY_NAME_SIZE;
    }
  return false;
}

const char *cy_sheet_extent(const cy_sheet *sheet, int64_t extent, char buffer[CY_NAME_SIZE]) {
  int64_t rest = extent;
  int n = 0;
  for (int i = 0; i < sheet->n_dimensions; i++)
    for (int64_t e = sheet->dimensions[i].extent; rest > 0 && e > 1 && rest % e == 0 && n < CY_NAME_SIZE; rest /= e)
      n += snprintf(buffer + n, (size_t)(CY_NAME_SIZE - n), n ? " %s" : "%s", sheet->dimensions[i].text);
  bool product = n > 0 && rest < 1000;
  if (product && rest > 1 && n < CY_NAME_SIZE) n += snprintf(buffer + n, (size_t)(CY_NAME_SIZE - n), " %d", (int)rest);
  if (product && n < CY_NAME_SIZE) return buffer;
  if (!difference_text(sheet, extent, buffer)) snprintf(buffer, CY_NAME_SIZE, "%" PRId64, extent);
  return buffer;
}

int cy_sheet_index(cy_sheet *sheet, int64_t extent, bool bound) {
  if (!cy_grow(&sheet->indices, (size_t)sheet->n_indices, &sheet->indices_capacity, sizeof *sheet->indices)) {
    sheet->failed = true;
    return 0;
  }
  sheet->indices[sheet->n_indices] = (cy_index_info){extent, bound, 0};
  return sheet->n_indices++;
}

cy_place cy_place_sum(cy_place a, cy_place b, int64_t scale) {
  a.offset += scale * b.offset;
  for (int k = 0; k < b.n; k++) {
    int at = 0;
    while (at < a.n && a.index[at] != b.index[k]) at++;
    if (at == CY_PLACE_TERMS) continue; /* windows need two */
    if (at == a.n) a.index[a.n] = b.index[k], a.factor[a.n++] = 0;
    a.factor[at] += scale * b.factor[k];
  }
  int n = 0;
  for (int k = 0; k < a.n; k++)
    if (a.factor[k]) a.index[n] = a.index[k], a.factor[n++] = a.factor[k];
  a.n = n;
  return a;
}
