/* Fused units as small programs: every member becomes a step, every operand from outside an input with strides over the
 * domain, every stored member an output. */
#include "compile/emit.h"

#include "base/error.h"
#include "base/memory.h"
#include "compile/group.h"

#include <string.h>

typedef struct builder {
  cy_emitter *e;
  int32_t unit;
  const cy_unit *u;
  int order[CY_MAX_RANK]; /* domain axes as executed */
  cy_group group;
  int32_t *step_node;     /* per step: one more than the member it computes, 0 for others */
} builder;

static void reorder(const builder *b, const int64_t *stride, int64_t *out) {
  for (int i = 0; i < b->u->domain.rank; i++) out[i] = stride[b->order[i]];
}

static int input_step(builder *b, int32_t v, cy_lane lane) {
  const cy_view *layout = &b->e->lowering->layout[v];
  int64_t stride[CY_MAX_RANK] = {0};
  if (lane == CY_LANE_ROW)
    cy_row_strides(b->u, layout, stride);
  else if (cy_shape_equal(layout->shape, b->u->domain))
    memcpy(stride, layout->stride, sizeof stride);
  cy_fused_input input = {.dtype = layout->dtype};
  reorder(b, stride, input.stride);
  const cy_operand operand = cy_emit_operand(b->e, v);
  return cy_group_input(&b->group, &input, &operand, lane == CY_LANE_ROW ? CY_ROW : CY_FULL);
}

static int operand_step(builder *b, int32_t v, cy_lane lane) {
  const cy_lowering *l = b->e->lowering;
  int32_t inside = cy_resolve(l, b->unit, v);
  if (inside >= 0)
    for (int i = 0; i < b->group.fused->n_steps; i++)
      if (b->step_node[i] == inside + 1) return i;
  const cy_node *source = cy_node_at(l->graph, l->base[v]), *node = cy_node_at(l->graph, v);
  double number;
  if (source->op == &cy_op_full && cy_is_full(cy_value_at(l->graph, l->base[v]), &number))
    return cy_group_constant(&b->group, node->dtype, number);
  if (node->op->iota_axis && lane == CY_LANE_FULL && cy_shape_equal(node->shape, b->u->domain)) {
    int axis = node->op->iota_axis(node->attrs);
    for (int i = 0; i < b->u->domain.rank; i++)
      if (b->order[i] == axis)
        return cy_group_step(&b->group, (cy_step){.kind = CY_STEP_IOTA, .level = CY_FULL, .dtype = node->dtype,
                                                  .index = i});
  }
  return input_step(b, v, lane);
}

static void add_output(builder *b, int32_t id, int step, bool accumulate, int combine) {
  const cy_lowering *l = b->e->lowering;
  int64_t stride[CY_MAX_RANK] = {0}, own[CY_MAX_RANK];
  int k = 0;
  if (!l->stored[id]) return;
  if (b->u->packs)
    cy_row_major(b->u->domain, own);
  else
    memcpy(own, l->layout[id].stride, sizeof own);
  if (l->lane[id] == CY_LANE_ROW)
    cy_row_strides(b->u, &l->layout[id], stride);
  else if (!accumulate)
    memcpy(stride, own, sizeof stride);
  else if (b->group.steps[step].level == CY_FULL) /* its axes are the columns */
    for (int i = 0; i < b->u->domain.rank; i++)
      if (b->u->columns >> i & 1) stride[i] = own[k++];
  cy_fused_output output = {.step = step, .accumulate = accumulate, .combine = (cy_combine)combine,
                            .dtype = b->group.steps[step].dtype};
  reorder(b, stride, output.stride);
  const cy_operand operand = cy_emit_operand(b->e, id);
  cy_group_output(&b->group, &output, &operand);
}

static void add_reduction(builder *b, int32_t id, const cy_node *node) {
  const cy_lowering *l = b->e->lowering;
  int combine = node->op->combine - 1;
  int32_t inside = cy_resolve(l, b->unit, node->inputs[0]);
  /* A number is read as an input with strides 0: as a constant step it would count as one value per row. */
  int arg =
      inside >= 0 ? operand_step(b, node->inputs[0], l->lane[inside]) : input_step(b, node->inputs[0], CY_LANE_FULL);
  uint32_t all = (1u << b->u->domain.rank) - 1;
  bool everything = l->layout[id].shape.rank == 0 && l->layout[node->inputs[0]].shape.rank == b->u->domain.rank;
  bool within_rows = l->lane[id] == CY_LANE_ROW;
  if (within_rows || (b->group.steps[arg].level == CY_FULL && everything && b->u->columns &&
                      node->op->reduced(node->attrs) == all)) {
    arg = cy_group_step(&b->group, (cy_step){.kind = CY_STEP_REDUCE, .level = CY_ROW, .dtype = node->dtype,
                                             .combine = (cy_combine)combine, .arg = {arg}});
    if (within_rows) b->step_node[arg] = id + 1;
  }
  add_output(b, id, arg, !within_rows, combine);
}

static void add_member(builder *b, int32_t id) {
  const cy_lowering *l = b->e->lowering;
  const cy_node *node = cy_node_at(l->graph, id);
  cy_lane lane = (cy_lane)l->lane[id];
  if (node->op->combine) {
    add_reduction(b, id, node);
    return;
  }
  int step;
  if (b->u->packs) {
    step = input_step(b, node->inputs[0], CY_LANE_FULL);
  } else {
    cy_step s = {.kind = CY_STEP_SCALAR, .level = lane == CY_LANE_ROW ? CY_ROW : CY_FULL, .dtype = node->dtype,
                 .op = (cy_scalar_op)node->op->scalar};
    for (int k = 0; k < node->n_inputs; k++) s.arg[k] = operand_step(b, node->inputs[k], lane);
    if (node->op->random_stream) {
      s.kind = CY_STEP_RANDOM;
      s.index = node->op->random_stream(node->attrs);
    }
    step = cy_group_step(&b->group, s);
    b->step_node[step] = id + 1;
  }
  add_output(b, id, step, false, 0);
}

static double cost_of(const cy_lowering *l, const cy_node *node) {
  cy_type out = {node->dtype, node->shape}, in[4];
  if (!node->op->cost) return (double)cy_count(node->shape);
  for (int k = 0; k < node->n_inputs && k < 4; k++)
    in[k] = (cy_type){l->layout[node->inputs[k]].dtype, l->layout[node->inputs[k]].shape};
  return node->op->cost(node->attrs, in, node->n_inputs, &out);
}

/* An empty group over the unit's domain with room for all that its members may need. */
static cy_status begin(builder *b) {
  const cy_lowering *l = b->e->lowering;
  const cy_unit *u = b->u;
  size_t operands = 0;
  for (size_t i = 0; i < u->n_nodes; i++) operands += (size_t)cy_node_at(l->graph, u->nodes[i])->n_inputs;
  b->step_node = cy_calloc(u->n_nodes + 2 * operands, sizeof *b->step_node);
  if (!b->step_node) return cy_no_memory();
  CY_TRY(cy_group_begin(b->e->program, u->n_nodes + 2 * operands, operands, u->n_nodes, &b->group));
  const int row_axes = cy_domain_order(u, b->order);
  int64_t dim[CY_MAX_RANK];
  for (int i = 0; i < u->domain.rank; i++) dim[i] = u->domain.dim[b->order[i]];
  cy_group_set_domain(&b->group, u->domain.rank, row_axes, dim);
  return CY_OK;
}

void cy_emit_fused(cy_emitter *e, int32_t unit) {
  const cy_lowering *l = e->lowering;
  const cy_unit *u = &l->units[unit];
  builder b = {.e = e, .unit = unit, .u = u};
  if (e->failed || begin(&b) != CY_OK) e->failed = true;
  cy_instruction *instruction =
      e->failed ? NULL : cy_emit_instruction(e, cy_node_at(l->graph, u->nodes[u->n_nodes - 1])->scope);
  if (instruction) {
    for (size_t i = 0; i < u->n_nodes; i++) {
      add_member(&b, u->nodes[i]);
      if (!u->packs) instruction->flops += cost_of(l, cy_node_at(l->graph, u->nodes[i]));
    }
    cy_group_end(&b.group, instruction);
  }
  cy_free(b.step_node);
}
