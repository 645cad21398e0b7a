/* Reading of operations element by element: arithmetic, powers, relations and choices. What a user would not have
 * written (prelu by its steps, guards of powers, 1 - condition) is read as what it stands for. */
#include "derive/reading.h"
#include "ops/ops.h"

#include <string.h>

/* b = relu(a) */
static bool is_relu_of(const cy_reading *r, int32_t b, int32_t a) {
  const cy_node *node = cy_node_at(r->sheet->graph, b);
  return node->op == &cy_op_relu && node->inputs[0] == a;
}

static cy_poly *call_two(cy_sheet *s, const char *op, const cy_poly *a, const cy_poly *b) {
  return cy_poly_function(s, CY_ATOM_CALL, cy_notation_find(op), 2, (const cy_poly *[]){a, b});
}

/* relu(a) + slope (a - relu(a)) has a name. NULL: it is not that. */
static cy_poly *read_prelu(const cy_reading *r) {
  for (int side = 0; side < 2; side++) {
    int32_t relu = r->node->inputs[side];
    const cy_node *scaled = cy_operand_node(r, 1 - side);
    for (int k = 0; strcmp(scaled->op->name, "mul") == 0 && k < 2; k++) {
      const cy_node *below = cy_node_at(r->sheet->graph, scaled->inputs[k]);
      if (strcmp(below->op->name, "sub") != 0 || below->inputs[1] != relu || !is_relu_of(r, relu, below->inputs[0]))
        continue;
      cy_poly *a = cy_read_value(r->sheet, below->inputs[0], r->at, false);
      return call_two(r->sheet, "prelu", a, cy_read_value(r->sheet, scaled->inputs[1 - k], r->at, false));
    }
  }
  return NULL;
}

/* Operands are read from left to right, so that the names of indices do not depend on the compiler. */
static cy_poly *sum_of_two(const cy_reading *r, double scale) {
  cy_poly *left = cy_operand(r, 0, r->at);
  return cy_poly_add(r->sheet, left, cy_operand(r, 1, r->at), scale);
}

static cy_poly *read_add(const cy_reading *r) {
  cy_poly *prelu = read_prelu(r);
  return prelu ? prelu : sum_of_two(r, 1);
}
/* a - relu(a) = min(a, 0) */
static cy_poly *read_sub(const cy_reading *r) {
  if (is_relu_of(r, r->node->inputs[1], r->node->inputs[0]))
    return call_two(r->sheet, "min", cy_operand(r, 0, r->at), cy_poly_number(r->sheet, 0));
  return sum_of_two(r, -1);
}
static cy_poly *read_neg(const cy_reading *r) {
  return cy_poly_add(r->sheet, cy_poly_number(r->sheet, 0), cy_operand(r, 0, r->at), -1);
}
static cy_poly *read_mul(const cy_reading *r) {
  cy_poly *left = cy_operand(r, 0, r->at);
  return cy_poly_mul(r->sheet, left, cy_operand(r, 1, r->at));
}
static cy_poly *read_div(const cy_reading *r) {
  cy_poly *over = cy_operand(r, 0, r->at);
  return cy_poly_mul(r->sheet, over, cy_poly_power(r->sheet, cy_operand(r, 1, r->at), -1));
}
static cy_poly *read_sqrt(const cy_reading *r) { return cy_poly_power(r->sheet, cy_operand(r, 0, r->at), 0.5); }
static cy_poly *read_rsqrt(const cy_reading *r) { return cy_poly_power(r->sheet, cy_operand(r, 0, r->at), -0.5); }
static cy_poly *read_same(const cy_reading *r) { return cy_operand(r, 0, r->at); }

/* The row's function of the operands. */
cy_poly *cy_read_call(const cy_reading *r, const cy_notation *f) {
  const cy_poly *args[CY_ATOM_ARGUMENTS];
  int n = r->node->n_inputs;
  for (int i = 0; i < n && i < CY_ATOM_ARGUMENTS; i++) args[i] = cy_operand(r, i, r->at);
  return cy_poly_function(r->sheet, CY_ATOM_CALL, f, n, args);
}

static cy_poly *read_pow(const cy_reading *r) {
  double exponent;
  const cy_poly *power = cy_poly_simplify(r->sheet, cy_operand(r, 1, r->at));
  if (cy_poly_is_number(power, &exponent)) return cy_poly_power(r->sheet, cy_operand(r, 0, r->at), exponent);
  return cy_read_call(r, cy_notation_find("pow"));
}

static cy_poly *compare(cy_sheet *s, const cy_notation *relation, const cy_poly *a, const cy_poly *b) {
  return cy_poly_function(s, CY_ATOM_COMPARE, relation, 2, (const cy_poly *[]){a, b});
}

/* relu(a) is above 0 where a is. */
static cy_poly *compared_operand(const cy_reading *r) {
  double number;
  const cy_node *left = cy_operand_node(r, 0);
  bool above = strcmp(r->node->op->name, "gt") == 0 || strcmp(r->node->op->name, "le") == 0;
  if (above && left->op == &cy_op_relu && cy_is_full(cy_value_at(r->sheet->graph, r->node->inputs[1]), &number) &&
      number == 0)
    return cy_read_value(r->sheet, left->inputs[0], r->at, false);
  return cy_operand(r, 0, r->at);
}

static bool holds(const char *relation, double x, double y) {
  bool less = relation[0] == 'l', equal = strcmp(relation, "eq") == 0 || relation[1] == 'e';
  return strcmp(relation, "ne") == 0 ? x != y : x == y ? equal : relation[0] != 'e' && (x < y) == less;
}

cy_poly *cy_read_relation(const cy_reading *r, const cy_notation *f) {
  const cy_poly *a = cy_poly_simplify(r->sheet, compared_operand(r)),
                *b = cy_poly_simplify(r->sheet, cy_operand(r, 1, r->at));
  const cy_atom *place = cy_only_atom(a, CY_ATOM_PLACE), *other = cy_only_atom(b, CY_ATOM_NAME);
  if (!place && (place = cy_only_atom(b, CY_ATOM_PLACE))) other = cy_only_atom(a, CY_ATOM_NAME);
  double x, y;
  if (cy_poly_is_number(a, &x) && cy_poly_is_number(b, &y)) return cy_poly_number(r->sheet, holds(f->op, x, y));
  if (place && other && strcmp(f->op, "eq") == 0)
    return cy_poly_delta(r->sheet, place->place[0], (cy_place){.label = other});
  return compare(r->sheet, f, a, b);
}

/* 1 - c of a condition. */
static cy_poly *negated(cy_sheet *s, const cy_poly *condition) {
  const cy_atom *c = cy_only_atom(condition, CY_ATOM_COMPARE);
  if (c) return compare(s, cy_notation_find(c->function->opposite), c->arg[0], c->arg[1]);
  return cy_poly_add(s, cy_poly_number(s, 1), condition, -1);
}

/* b == 0 ? 1 : b, which keeps a power's derivatives finite where the base is zero: what one writes is b. */
static bool guards(cy_sheet *s, const cy_poly *condition, const cy_poly *a, const cy_poly *b) {
  const cy_atom *c = cy_only_atom(condition, CY_ATOM_COMPARE);
  double one, zero;
  return c && strcmp(c->function->op, "eq") == 0 && cy_poly_is_number(a, &one) && one == 1 &&
         cy_poly_is_number(c->arg[1], &zero) && zero == 0 && cy_poly_compare(s, c->arg[0], b) == 0;
}

static cy_poly *read_select(const cy_reading *r) {
  cy_sheet *s = r->sheet;
  const cy_poly *c = cy_poly_simplify(s, cy_operand(r, 0, r->at));
  const cy_poly *a = cy_poly_simplify(s, cy_operand(r, 1, r->at)), *b = cy_poly_simplify(s, cy_operand(r, 2, r->at));
  double holds;
  if (cy_poly_is_number(c, &holds)) return cy_poly_add(s, holds != 0 ? a : b, &(cy_poly){0}, 1);
  if (b->n == 0) return cy_poly_mul(s, a, c);
  if (a->n == 0) return cy_poly_mul(s, b, negated(s, c));
  if (cy_poly_compare(s, a, b) == 0 || guards(s, c, a, b)) return cy_poly_add(s, b, &(cy_poly){0}, 1);
  return cy_poly_function(s, CY_ATOM_CHOICE, NULL, 3, (const cy_poly *[]){c, a, b});
}

const cy_reading_rule cy_elementwise_rules[] = {
    {"add", read_add},
    {"sub", read_sub},
    {"neg", read_neg},
    {"mul", read_mul},
    {"div", read_div},
    {"pow", read_pow},
    {"sqrt", read_sqrt},
    {"rsqrt", read_rsqrt},
    {"select", read_select},
    {"convert", read_same},
    {"stop_gradient", read_same},
    {0},
};
