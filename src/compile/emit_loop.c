/* Loops as instructions: a loop and what is read of it are one unit, and one instruction with a result per part. */
#include "compile/emit.h"

#include "base/memory.h"
#include "compile/loop.h"

#include <string.h>

/* An operand; a product that is taken inside is two, the second of which comes last. Numbers that operands repeat are known
 * to the body. */
static void emit_input(cy_emitter *e, const cy_node *node, int k, cy_instruction *i, cy_loop_product *product,
                       cy_loop_number *number) {
  const cy_lowering *l = e->lowering;
  const int32_t v = node->inputs[k], base = l->base[v];
  if (l->unit[base] >= 0 && l->units[l->unit[base]].inside) {
    const cy_node *made = cy_node_at(l->graph, base);
    void *attrs = cy_emit_alloc(e, made->op->attr_size, 1);
    if (!attrs) return;
    i->in[k] = cy_emit_operand(e, made->inputs[0]);
    i->in[i->n_in] = cy_emit_operand(e, made->inputs[1]);
    const cy_type in[] = {{i->in[k].layout.dtype, i->in[k].layout.shape},
                          {i->in[i->n_in].layout.dtype, i->in[i->n_in].layout.shape}};
    if (made->op->unbatch(made->attrs, in, attrs)) *product = (cy_loop_product){made->op, attrs, i->n_in++};
    return;
  }
  i->in[k] = cy_emit_operand(e, v);
  number->known = cy_is_full(cy_value_at(l->graph, base), &number->number);
}

void cy_emit_loop(cy_emitter *e, int32_t unit) {
  const cy_lowering *l = e->lowering;
  const cy_unit *u = &l->units[unit];
  const cy_node *node = cy_node_at(l->graph, u->nodes[0]);
  const cy_scan_attrs *attrs = node->attrs;
  const cy_body *body = cy_body_of(node);
  const size_t n_in = (size_t)node->n_inputs, n_out = u->n_nodes - 1;
  cy_operand *in = cy_emit_alloc(e, 2 * n_in, sizeof *in), *out = cy_emit_alloc(e, n_out + 1, sizeof *out);
  cy_loop_part *parts = cy_emit_alloc(e, n_out + 1, sizeof *parts);
  cy_loop_number *numbers = cy_emit_alloc(e, n_in, sizeof *numbers);
  cy_loop_product *products = cy_emit_alloc(e, n_in, sizeof *products);
  cy_loop *loop = cy_emit_alloc(e, 1, sizeof *loop);
  if (e->failed) return;
  cy_instruction made = {.op = node->op, .loop = loop, .n_in = (int)n_in, .in = in, .n_out = (int)n_out, .out = out};
  memset(numbers, 0, n_in * sizeof *numbers);
  memset(products, 0, n_in * sizeof *products);
  for (int k = 0; k < node->n_inputs; k++) emit_input(e, node, k, &made, &products[k], &numbers[k]);
  for (size_t k = 0; k < n_out; k++) {
    const cy_node *part = cy_node_at(l->graph, u->nodes[k + 1]);
    out[k] = cy_emit_operand(e, u->nodes[k + 1]);
    const int64_t index = ((const cy_scan_part_attrs *)part->attrs)->index;
    parts[k] = (cy_loop_part){(cy_result_kind)part->op->part, (int32_t)index};
  }
  *loop = (cy_loop){.body = body, .n_constants = body->n_constants, .n_carry = body->n_carry,
                    .length = attrs->length, .reverse = attrs->reverse, .parts = parts, .numbers = numbers,
                    .products = products, .backend = e->program->backend, .unfused = e->program->unfused};
  cy_instruction *i = cy_emit_instruction(e, node->scope);
  if (!i) return;
  made.label = i->label;
  *i = made;
}
