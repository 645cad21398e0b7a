/* Loops as instructions: a loop and what is read of it are one unit, and one instruction with a result per part. */
#include "compile/emit.h"

#include "base/memory.h"
#include "compile/loop.h"

/* Numbers that operands repeat: known to the body. */
static void find_numbers(const cy_lowering *l, const cy_node *node, cy_loop_number *numbers) {
  for (int k = 0; k < node->n_inputs; k++)
    numbers[k].known = cy_is_full(cy_value_at(l->graph, l->base[node->inputs[k]]), &numbers[k].number);
}

void cy_emit_loop(cy_emitter *e, int32_t unit) {
  const cy_lowering *l = e->lowering;
  const cy_unit *u = &l->units[unit];
  const cy_node *node = cy_node_at(l->graph, u->nodes[0]);
  const cy_scan_attrs *attrs = node->attrs;
  const cy_body *body = cy_body_of(node);
  const size_t n_in = (size_t)node->n_inputs, n_out = u->n_nodes - 1;
  cy_operand *operands = cy_emit_alloc(e, n_in + n_out + 1, sizeof *operands);
  cy_loop_part *parts = cy_emit_alloc(e, n_out + 1, sizeof *parts);
  cy_loop_number *numbers = cy_emit_alloc(e, n_in + 1, sizeof *numbers);
  cy_loop *loop = cy_emit_alloc(e, 1, sizeof *loop);
  if (e->failed) return;
  for (size_t k = 0; k < n_in; k++) operands[k] = cy_emit_operand(e, node->inputs[k]);
  for (size_t k = 0; k < n_out; k++) {
    const cy_node *part = cy_node_at(l->graph, u->nodes[k + 1]);
    operands[n_in + k] = cy_emit_operand(e, u->nodes[k + 1]);
    const int64_t index = ((const cy_scan_part_attrs *)part->attrs)->index;
    parts[k] = (cy_loop_part){(cy_result_kind)part->op->part, (int32_t)index};
  }
  find_numbers(l, node, numbers);
  *loop = (cy_loop){.body = body, .n_constants = body->n_constants, .n_carry = body->n_carry,
                    .length = attrs->length, .reverse = attrs->reverse, .parts = parts,
                    .numbers = numbers, .backend = e->program->backend, .unfused = e->program->unfused};
  cy_instruction *i = cy_emit_instruction(e, node->scope);
  if (!i) return;
  i->op = node->op;
  i->loop = loop;
  i->n_in = (int)n_in;
  i->in = operands;
  i->n_out = (int)n_out;
  i->out = operands + n_in;
}
