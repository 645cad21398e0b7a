/* What one unit sees, exactly: a walk backwards from it that keeps, for every value, which coordinates of each axis
 * matter. Padding is left out, and holes of dilated windows stay holes. Sets of several axes are products of sets of
 * one. */
#include "analyze/receptive.h"

#include "base/error.h"
#include "tensor/tensor.h"

#include <string.h>

typedef struct sets {
  bool *axis[CY_MAX_RANK]; /* [extent]; NULL while nothing of the value is seen */
} sets;

static void drop(sets *s) {
  for (int i = 0; i < CY_MAX_RANK; i++) {
    cy_free(s->axis[i]);
    s->axis[i] = NULL;
  }
}

/* Rank 0 keeps a mark in axis 0. */
static cy_status make_room(sets *s, cy_shape shape) {
  for (int i = 0; i < (shape.rank ? shape.rank : 1); i++) {
    if (!s->axis[i]) s->axis[i] = cy_calloc(shape.rank && shape.dim[i] ? (size_t)shape.dim[i] : 1, sizeof(bool));
    if (!s->axis[i]) return cy_no_memory();
  }
  return CY_OK;
}

/* Coordinates of an operand's axis that the result's seen coordinates reach; returns whether there are any. */
static bool reach_back(const cy_reach *r, const bool *seen, int64_t units, int64_t extent, bool *mark) {
  bool any = false;
  if (r->axis < 0) {
    memset(mark, 1, (size_t)extent);
    return extent > 0;
  }
  for (int64_t i = 0; i < units; i++) {
    int64_t first, step, n;
    if (!seen[i] || !cy_reach_elements(r, i, &first, &step, &n)) continue;
    for (int64_t k = 0; k < n && first + k * step < extent; k++)
      if (first + k * step >= 0) any = mark[first + k * step] = true;
  }
  return any;
}

static cy_status pass_back(const cy_graph *graph, const cy_node *node, const sets *seen, int operand, sets *to) {
  cy_shape from = cy_node_at(graph, node->inputs[operand])->shape;
  cy_reach reach[CY_MAX_RANK];
  sets found = {{NULL}};
  cy_status status = make_room(&found, from);
  if (status == CY_OK) status = cy_reach_of(graph, node, operand, reach);
  bool any = status == CY_OK;
  for (int i = 0; any && i < from.rank; i++)
    any = reach_back(&reach[i], seen->axis[reach[i].axis < 0 ? 0 : reach[i].axis],
                     reach[i].axis < 0 ? 0 : node->shape.dim[reach[i].axis], from.dim[i], found.axis[i]);
  if (any) status = make_room(to, from);
  for (int i = 0; any && status == CY_OK && i < from.rank; i++)
    for (int64_t k = 0; k < from.dim[i]; k++) to->axis[i][k] = to->axis[i][k] || found.axis[i][k];
  drop(&found);
  return status;
}

static cy_status mark_unit(cy_value value, const int64_t *unit, sets *s) {
  cy_shape shape = cy_value_shape(value);
  char text[CY_SHAPE_TEXT];
  CY_TRY(make_room(s, shape));
  for (int i = 0; i < shape.rank; i++) {
    if (unit[i] >= shape.dim[i] || unit[i] < -1)
      return cy_fail(CY_INVALID, "there is no unit %lld along axis %d of %s", (long long)unit[i], i,
                     cy_shape_text(shape, text));
    for (int64_t k = 0; k < shape.dim[i]; k++) s->axis[i][k] = unit[i] < 0 || unit[i] == k;
  }
  return CY_OK;
}

static cy_status walk_back(cy_value input, cy_value value, const int64_t *unit, sets *all) {
  CY_TRY(mark_unit(value, unit, &all[value.id - input.id]));
  for (int32_t id = value.id; id > input.id; id--) {
    const cy_node *node = cy_node_at(input.graph, id);
    sets *seen = &all[id - input.id];
    if (!seen->axis[0]) continue;
    for (int k = 0; k < node->n_inputs; k++)
      if (node->inputs[k] >= input.id)
        CY_TRY(pass_back(input.graph, node, seen, k, &all[node->inputs[k] - input.id]));
    drop(seen);
  }
  return CY_OK;
}

cy_status cy_seen_from(cy_value input, cy_value value, const int64_t *unit, bool *seen[CY_MAX_RANK]) {
  CY_TRY(cy_graph_status(input.graph));
  for (int i = 0; i < CY_MAX_RANK; i++) seen[i] = NULL;
  if (value.graph != input.graph || !cy_is_value(value))
    return cy_fail(CY_INVALID, "receptive field: the value is not of the input's graph");
  size_t nodes = value.id >= input.id ? (size_t)(value.id - input.id) + 1 : 1;
  sets *all = cy_calloc(nodes, sizeof *all);
  if (!all) return cy_no_memory();
  cy_status status = value.id >= input.id ? walk_back(input, value, unit, all) : CY_OK;
  if (status == CY_OK) status = make_room(&all[0], cy_value_shape(input));
  if (status == CY_OK)
    for (int i = 0; i < CY_MAX_RANK; i++) {
      seen[i] = all[0].axis[i];
      all[0].axis[i] = NULL;
    }
  for (size_t i = 0; i < nodes; i++) drop(&all[i]);
  cy_free(all);
  return status;
}

void cy_seen_free(bool *seen[CY_MAX_RANK]) {
  for (int i = 0; i < CY_MAX_RANK; i++) {
    cy_free(seen[i]);
    seen[i] = NULL;
  }
}
