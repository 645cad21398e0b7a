/* Fused units as small programs: every member becomes a step, every operand from outside an input with strides over the
 * domain, every stored member an output. */
#include "compile/emit.h"

#include <string.h>

typedef struct builder {
  cy_emitter *e;
  int32_t unit;
  const cy_unit *u;
  int order[CY_MAX_RANK]; /* domain axes as executed */
  cy_step *steps;
  cy_fused_input *inputs;
  cy_fused_output *outputs;
  cy_operand *in, *out;
  int32_t *input_node;    /* per input: the node read */
  cy_lane *input_lane;
  int32_t *step_node;     /* per step: the member it computes, -1 for others */
  int n_steps, n_inputs, n_outputs;
} builder;

static int add_step(builder *b, cy_step step) {
  b->step_node[b->n_steps] = -1;
  b->steps[b->n_steps] = step;
  return b->n_steps++;
}

static void reorder(const builder *b, const int64_t *stride, int64_t *out) {
  for (int i = 0; i < b->u->domain.rank; i++) out[i] = stride[b->order[i]];
}

static int input_step(builder *b, int32_t v, cy_lane lane) {
  const cy_view *layout = &b->e->lowering->layout[v];
  for (int i = 0; i < b->n_steps; i++)
    if (b->steps[i].kind == CY_STEP_INPUT && b->input_node[b->steps[i].index] == v &&
        b->input_lane[b->steps[i].index] == lane)
      return i;
  int64_t stride[CY_MAX_RANK] = {0};
  if (lane == CY_LANE_ROW)
    cy_row_strides(b->u, layout, stride);
  else if (cy_shape_equal(layout->shape, b->u->domain))
    memcpy(stride, layout->stride, sizeof stride);
  int n = b->n_inputs++;
  b->inputs[n].dtype = layout->dtype;
  reorder(b, stride, b->inputs[n].stride);
  b->input_node[n] = v;
  b->input_lane[n] = lane;
  b->in[n] = cy_emit_operand(b->e, v);
  return add_step(b, (cy_step){.kind = CY_STEP_INPUT, .level = lane == CY_LANE_ROW ? CY_ROW : CY_FULL,
                               .dtype = layout->dtype, .index = n});
}

static int constant_step(builder *b, cy_dtype dtype, double number) {
  for (int i = 0; i < b->n_steps; i++)
    if (b->steps[i].kind == CY_STEP_CONSTANT && b->steps[i].dtype == dtype &&
        memcmp(&b->steps[i].number, &number, sizeof number) == 0)
      return i;
  return add_step(b, (cy_step){.kind = CY_STEP_CONSTANT, .level = CY_ROW, .dtype = dtype, .number = number});
}

static int operand_step(builder *b, int32_t v, cy_lane lane) {
  const cy_lowering *l = b->e->lowering;
  int32_t inside = cy_resolve(l, b->unit, v);
  if (inside >= 0)
    for (int i = 0; i < b->n_steps; i++)
      if (b->step_node[i] == inside) return i;
  const cy_node *source = cy_node_at(l->graph, l->base[v]), *node = cy_node_at(l->graph, v);
  double number;
  if (source->op == &cy_op_full && cy_is_full(cy_value_at(l->graph, l->base[v]), &number))
    return constant_step(b, node->dtype, number);
  if (node->op->iota_axis && lane == CY_LANE_FULL && cy_shape_equal(node->shape, b->u->domain)) {
    int axis = node->op->iota_axis(node->attrs);
    for (int i = 0; i < b->u->domain.rank; i++)
      if (b->order[i] == axis)
        return add_step(b, (cy_step){.kind = CY_STEP_IOTA, .level = CY_FULL, .dtype = node->dtype, .index = i});
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
  else if (b->steps[step].level == CY_FULL) /* its axes are the columns */
    for (int i = 0; i < b->u->domain.rank; i++)
      if (b->u->columns >> i & 1) stride[i] = own[k++];
  int n = b->n_outputs++;
  b->outputs[n] = (cy_fused_output){.step = step, .accumulate = accumulate, .combine = (cy_combine)combine,
                                    .dtype = b->steps[step].dtype};
  reorder(b, stride, b->outputs[n].stride);
  b->out[n] = cy_emit_operand(b->e, id);
}

static void add_reduction(builder *b, int32_t id, const cy_node *node) {
  const cy_lowering *l = b->e->lowering;
  int combine = node->op->combine - 1;
  int32_t inside = cy_resolve(l, b->unit, node->inputs[0]);
  /* A number is read as an input with strides 0: as a constant step it would count as one value per row. */
  int arg = inside >= 0 ? operand_step(b, node->inputs[0], l->lane[inside]) : input_step(b, node->inputs[0], CY_LANE_FULL);
  uint32_t all = (1u << b->u->domain.rank) - 1;
  bool everything = l->layout[id].shape.rank == 0 && l->layout[node->inputs[0]].shape.rank == b->u->domain.rank;
  bool within_rows = l->lane[id] == CY_LANE_ROW;
  if (within_rows || (b->steps[arg].level == CY_FULL && everything && b->u->columns && node->op->reduced(node->attrs) == all)) {
    arg = add_step(b, (cy_step){.kind = CY_STEP_REDUCE, .level = CY_ROW, .dtype = node->dtype,
                                .combine = (cy_combine)combine, .arg = {arg}});
    if (within_rows) b->step_node[arg] = id;
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
    step = add_step(b, s);
    b->step_node[step] = id;
  }
  add_output(b, id, step, false, 0);
}

void cy_emit_fused(cy_emitter *e, int32_t unit) {
  cy_lowering *l = e->lowering;
  const cy_unit *u = &l->units[unit];
  builder b = {.e = e, .unit = unit, .u = u};
  size_t operands = 0;
  for (size_t i = 0; i < u->n_nodes; i++) operands += (size_t)cy_node_at(l->graph, u->nodes[i])->n_inputs;
  b.steps = cy_emit_alloc(e, u->n_nodes + 2 * operands, sizeof *b.steps);
  b.inputs = cy_emit_alloc(e, operands, sizeof *b.inputs);
  b.in = cy_emit_alloc(e, operands, sizeof *b.in);
  b.outputs = cy_emit_alloc(e, u->n_nodes, sizeof *b.outputs);
  b.out = cy_emit_alloc(e, u->n_nodes, sizeof *b.out);
  b.step_node = cy_calloc(u->n_nodes + 2 * operands, sizeof *b.step_node);
  b.input_node = cy_calloc(operands, sizeof *b.input_node);
  b.input_lane = cy_calloc(operands, sizeof *b.input_lane);
  cy_fused *fused = cy_emit_alloc(e, 1, sizeof *fused);
  e->failed = e->failed || !b.step_node || !b.input_node || !b.input_lane;
  const cy_node *last = cy_node_at(l->graph, u->nodes[u->n_nodes - 1]);
  cy_instruction *instruction = e->failed ? NULL : cy_emit_instruction(e, last->scope);
  if (instruction) {
    int index = e->program->n_instructions - 1;
    fused->row_axes = cy_domain_order(u, b.order);
    fused->n_axes = u->domain.rank;
    for (int i = 0; i < u->domain.rank; i++) fused->dim[i] = u->domain.dim[b.order[i]];
    for (size_t i = 0; i < u->n_nodes; i++) {
      const cy_node *node = cy_node_at(l->graph, u->nodes[i]);
      cy_type out = {node->dtype, node->shape}, in[4];
      for (int k = 0; k < node->n_inputs && k < 4; k++)
        in[k] = (cy_type){l->layout[node->inputs[k]].dtype, l->layout[node->inputs[k]].shape};
      double flops = u->packs ? 0 : node->op->cost ? node->op->cost(node->attrs, in, node->n_inputs, &out)
                                                   : (double)cy_count(node->shape);
      add_member(&b, u->nodes[i]);
      e->program->instructions[index].flops += flops;
    }
    fused->n_steps = b.n_steps;
    fused->n_inputs = b.n_inputs;
    fused->n_outputs = b.n_outputs;
    fused->steps = b.steps;
    fused->inputs = b.inputs;
    fused->outputs = b.outputs;
    instruction = &e->program->instructions[index];
    instruction->fused = fused;
    instruction->n_in = b.n_inputs;
    instruction->in = b.in;
    instruction->n_out = b.n_outputs;
    instruction->out = b.out;
  }
  cy_free(b.step_node);
  cy_free(b.input_node);
  cy_free(b.input_lane);
}
