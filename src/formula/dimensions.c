/* Dimensions: names and numbers, as text and as extents of a graph. */
#include "formula/formula.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const int64_t cy_formula_max_extent = INT64_C(1) << 40;

bool cy_dim_equal(cy_dim a, cy_dim b) { return a.name == b.name && (a.name >= 0 || a.number == b.number); }

bool cy_dims_equal(cy_dims a, cy_dims b) {
  if (a.rank != b.rank || a.row != b.row || a.index != b.index) return false;
  for (int i = 0; i < a.rank; i++)
    if (!cy_dim_equal(a.dim[i], b.dim[i])) return false;
  return true;
}

int64_t cy_dim_extent(const cy_formula *f, cy_dim dim) {
  return dim.name < 0 ? dim.number : f->dimensions[dim.name].extent;
}

cy_shape cy_dims_shape(const cy_formula *f, cy_dims dims) {
  cy_shape shape = {.rank = dims.rank};
  for (int i = 0; i < dims.rank; i++) shape.dim[i] = cy_dim_extent(f, dims.dim[i]);
  return shape;
}

const char *cy_dim_text(const cy_formula *f, cy_dim dim, char buffer[CY_DIMS_TEXT]) {
  if (dim.name >= 0) snprintf(buffer, CY_DIMS_TEXT, "%.60s", f->dimensions[dim.name].name);
  else snprintf(buffer, CY_DIMS_TEXT, "%" PRId64, dim.number);
  return buffer;
}

const char *cy_dims_text(const cy_formula *f, cy_dims dims, char buffer[CY_DIMS_TEXT]) {
  char a[CY_DIMS_TEXT], b[CY_DIMS_TEXT];
  if (dims.rank > 0) cy_dim_text(f, dims.dim[0], a);
  if (dims.rank > 1) cy_dim_text(f, dims.dim[1], b);
  if (dims.rank == 0) snprintf(buffer, CY_DIMS_TEXT, dims.index ? "an index" : "a number");
  else if (dims.rank == 2) snprintf(buffer, CY_DIMS_TEXT, "(%.60s, %.60s)", a, b);
  else snprintf(buffer, CY_DIMS_TEXT, "%s(%s%.60s)", dims.index ? "indices " : "", dims.row ? "1, " : "", a);
  return buffer;
}

const char *cy_expression_text(const cy_formula *f, const cy_expression *e, char buffer[CY_EXPRESSION_TEXT]) {
  enum { MOST = 44 };
  size_t n = e->end - e->start, shown = n > MOST ? MOST - 3 : n;
  for (size_t i = 0; i < shown; i++) {
    char c = f->source.text[e->start + i];
    buffer[i] = c == '\n' || c == '\t' || c == '\r' ? ' ' : c;
  }
  strcpy(buffer + shown, n > MOST ? "..." : "");
  return buffer;
}
