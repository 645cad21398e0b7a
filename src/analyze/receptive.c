/* Receptive fields of any values of a graph: one walk forwards from the input composes the reach of the operations,
 * for each axis of the input by itself. Exact for everything that moves evenly, and for what does not as long as
 * units can be listed. */
#include "analyze/receptive.h"

#include "base/error.h"
#include "tensor/tensor.h"

#include <string.h>

cy_status cy_reach_of(const cy_graph *graph, const cy_node *node, int operand, cy_reach reach[CY_MAX_RANK]) {
  cy_type few[8], *in = node->n_inputs <= 8 ? few : cy_calloc((size_t)node->n_inputs, sizeof *in);
  cy_type out = {node->dtype, node->shape};
  int rank = cy_node_at(graph, node->inputs[operand])->shape.rank;
  bool pointwise = node->op->op_class == CY_CLASS_ELEMENTWISE;
  for (int i = 0; i < rank; i++) reach[i] = pointwise ? cy_reach_same(i) : cy_reach_all();
  if (!in) return cy_no_memory();
  for (int i = 0; i < node->n_inputs; i++) {
    const cy_node *from = cy_node_at(graph, node->inputs[i]);
    in[i] = (cy_type){from->dtype, from->shape};
  }
  if (node->op->reach) node->op->reach(node->attrs, in, node->n_inputs, &out, operand, reach);
  const cy_node *other = node->n_inputs == 2 ? cy_node_at(graph, node->inputs[1 - operand]) : NULL;
  if (node->op->reach_known && other && other->op == &cy_op_constant)
    node->op->reach_known(node->attrs, in, operand, other->data, reach);
  if (in != few) cy_free(in);
  return CY_OK;
}

typedef struct walk {
  cy_graph *graph;
  cy_arena *arena;
  int rank;              /* of the input */
  int32_t first;         /* id of the input */
  bool *needed;
  cy_view_field *fields; /* [(id - first) * rank + axis] */
} walk;

static cy_view_field *field_of(const walk *w, int32_t id, int axis) {
  return &w->fields[(id - w->first) * w->rank + axis];
}

/* Does the result's first or last unit reach beyond the operand? Then there is padding, or another operand's place. */
static bool reaches_beyond(const cy_reach *r, int64_t extent, const cy_shape *result) {
  int64_t first, step, n, units = r->axis >= 0 ? result->dim[r->axis] : 0;
  if (units < 1) return false;
  for (int64_t i = 0; i < units; i += units > 1 ? units - 1 : 1)
    if (cy_reach_elements(r, i, &first, &step, &n) && n > 0 && (first < 0 || first + (n - 1) * step >= extent))
      return true;
  return false;
}

/* Operands whose places the result puts side by side: more than one reaches beyond its ends. */
static cy_status side_by_side(const walk *w, const cy_node *node, int axis, bool *found) {
  int beyond = 0;
  for (int k = 0; node->n_inputs > 1 && k < node->n_inputs; k++) {
    cy_reach reach[CY_MAX_RANK];
    const cy_view_field *f = node->inputs[k] >= w->first ? field_of(w, node->inputs[k], axis) : NULL;
    if (!f || f->sight != CY_SEES_WINDOW) continue;
    CY_TRY(cy_reach_of(w->graph, node, k, reach));
    beyond += reaches_beyond(&reach[f->axis], cy_node_at(w->graph, node->inputs[k])->shape.dim[f->axis], &node->shape);
  }
  *found = beyond > 1;
  return CY_OK;
}

static cy_status visit_axis(const walk *w, int32_t id, int axis) {
  const cy_node *node = cy_node_at(w->graph, id);
  bool clip;
  CY_TRY(side_by_side(w, node, axis, &clip));
  cy_view_field *f = field_of(w, id, axis);
  for (int k = 0; k < node->n_inputs; k++) {
    cy_reach reach[CY_MAX_RANK];
    cy_view_field own, joined;
    if (node->inputs[k] < w->first) continue;
    const cy_view_field *operand = field_of(w, node->inputs[k], axis);
    if (operand->sight == CY_SEES_NOTHING) continue;
    CY_TRY(cy_reach_of(w->graph, node, k, reach));
    const cy_reach *along = &reach[operand->axis < 0 ? 0 : operand->axis];
    int64_t extent = operand->axis < 0 ? 1 : cy_node_at(w->graph, node->inputs[k])->shape.dim[operand->axis];
    CY_TRY(cy_field_compose(w->arena, operand, extent, along, &node->shape, clip, &own));
    CY_TRY(cy_field_join(w->arena, f, &own, &node->shape, &joined));
    *f = joined;
  }
  return CY_OK;
}

static cy_status start(walk *w, cy_value input) {
  static const cy_interval origin = {0, 0};
  for (int axis = 0; axis < w->rank; axis++) {
    cy_interval *at = cy_arena_copy(w->arena, &origin, sizeof origin);
    if (!at) return cy_no_memory();
    *field_of(w, input.id, axis) = (cy_view_field){
        .sight = CY_SEES_WINDOW, .axis = axis, .period = 1, .advance = 1, .rate = 1, .per = 1, .at = at};
  }
  return CY_OK;
}

static cy_receptive_axis summary(const cy_view_field *f, int64_t units, int64_t extent) {
  cy_receptive_axis a = {.sight = f->sight, .axis = f->axis, .stride = f->rate, .per = f->per};
  if (f->sight == CY_SEES_NOTHING) return a;
  int64_t phases = f->sight == CY_SEES_FIXED ? 1 : f->period < units ? f->period : units, chosen = -1;
  for (int64_t i = phases - 1; i >= 0; i--) {
    if (cy_interval_size(f->at[i]) > a.size) a.size = cy_interval_size(f->at[i]);
    if (cy_interval_size(f->at[i])) chosen = i;
  }
  if (chosen < 0) return (cy_receptive_axis){.sight = CY_SEES_NOTHING, .axis = -1};
  cy_interval seen = f->at[cy_interval_size(f->at[0]) ? 0 : chosen];
  a.first = seen.low;
  a.last = seen.high;
  a.everything = f->sight == CY_SEES_FIXED && a.first <= 0 && a.last >= extent - 1;
  if (f->table && cy_interval_size(f->at[f->period / 2])) chosen = f->period / 2; /* away from the borders */
  a.regular = f->sight == CY_SEES_FIXED || a.per > 0;
  if (a.per == 0) a.per = 1;
  a.center =
      ((double)f->at[chosen].low + (double)f->at[chosen].high) / 2 - (double)chosen * (double)a.stride / (double)a.per;
  return a;
}

static cy_status run(walk *w, cy_value input, const cy_value *values, int n, int32_t last,
                     cy_receptive_axis (*fields)[CY_MAX_RANK]) {
  CY_TRY(start(w, input));
  for (int32_t id = w->first + 1; id <= last; id++)
    for (int axis = 0; w->needed[id - w->first] && axis < w->rank; axis++) {
      cy_status status = visit_axis(w, id, axis);
      if (status != CY_OK) return cy_fail_in(status, "%s", cy_node_at(w->graph, id)->scope);
    }
  for (int i = 0; i < n; i++)
    for (int axis = 0; axis < w->rank; axis++) {
      const cy_view_field *f = values[i].id >= w->first ? field_of(w, values[i].id, axis) : NULL;
      cy_shape shape = cy_value_shape(values[i]);
      fields[i][axis] = f ? summary(f, f->axis < 0 ? 1 : shape.dim[f->axis], cy_value_shape(input).dim[axis])
                          : (cy_receptive_axis){.axis = -1};
    }
  return CY_OK;
}

cy_status cy_receptive_fields(cy_value input, const cy_value *values, int n, cy_receptive_axis (*fields)[CY_MAX_RANK]) {
  CY_TRY(cy_graph_status(input.graph));
  walk w = {.graph = input.graph, .rank = cy_value_shape(input).rank, .first = input.id};
  int32_t last = input.id;
  for (int i = 0; i < n; i++) {
    if (values[i].graph != input.graph || !cy_is_value(values[i]))
      return cy_fail(CY_INVALID, "receptive fields: value %d is not of the input's graph", i);
    if (values[i].id > last) last = values[i].id;
  }
  size_t nodes = (size_t)(cy_graph_size(input.graph) - input.id);
  w.arena = cy_arena_create();
  w.needed = cy_calloc(nodes, sizeof *w.needed);
  w.fields = cy_calloc(nodes * (size_t)(w.rank ? w.rank : 1), sizeof *w.fields);
  cy_status status = cy_no_memory();
  if (w.arena && w.needed && w.fields) {
    cy_mark_needed(input.graph, input.id, values, n, w.needed);
    status = run(&w, input, values, n, last, fields);
  }
  cy_arena_free(w.arena);
  cy_free(w.needed);
  cy_free(w.fields);
  return status;
}
