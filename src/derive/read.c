/* Reading a graph: what a value's element at given places is, in terms of named values. One row per operation;
 * transposes, broadcasts, reductions and contractions only move indices. Composites without notation of their own are
 * read through their bodies; what has no index form (poolings, random numbers) is read as a function of whole values,
 * which then need names. */
#include "derive/sheet.h"
#include "ops/dot.h"
#include "ops/window.h"

#include <string.h>

enum { MOST_READS = 20000 };

typedef struct reading {
  cy_sheet *sheet;
  const cy_node *node;
  int32_t id;
  const cy_place *at; /* of the result's axes */
} reading;

static cy_poly *read_value(cy_sheet *sheet, int32_t id, const cy_place *at, bool define);

static cy_poly *zero(cy_sheet *s) { return cy_poly_number(s, 0); }
static cy_poly *operand(const reading *r, int i, const cy_place *at) {
  return read_value(r->sheet, r->node->inputs[i], at, false);
}
static cy_shape operand_shape(const reading *r, int i) {
  return cy_node_at(r->sheet->graph, r->node->inputs[i])->shape;
}
static const cy_node *operand_node(const reading *r, int i) { return cy_node_at(r->sheet->graph, r->node->inputs[i]); }

static const void *attribute(const cy_node *node, const char *name) {
  for (const cy_field *f = node->op->fields; f && f->name; f++)
    if (strcmp(f->name, name) == 0) return (const char *)node->attrs + f->offset;
  return NULL;
}
static const cy_list *list_of(const reading *r, const char *name) { return attribute(r->node, name); }
static int64_t int_of(const reading *r, const char *name) { return *(const int64_t *)attribute(r->node, name); }

/* A fresh bound index; along an axis of one element there is nothing to run over. */
static cy_place run_over(cy_sheet *s, int64_t extent) {
  return extent == 1 ? cy_place_number(0) : cy_place_of(cy_sheet_index(s, extent, true));
}
static cy_poly *sum_over(cy_sheet *s, cy_poly *poly, const cy_place *place) {
  return place->n ? cy_poly_sum_over(s, poly, place->index[0]) : poly;
}

static cy_poly *delta(cy_sheet *s, cy_place a, cy_place b) {
  cy_atom *atom = cy_atom_new(s, CY_ATOM_DELTA);
  atom->n_places = 2;
  atom->place[0] = a;
  atom->place[1] = b;
  return cy_poly_atom(s, atom, 1);
}

/* ---- elementwise ---- */

/* b = relu(a) */
static bool is_relu_of(const reading *r, int32_t b, int32_t a) {
  const cy_node *node = cy_node_at(r->sheet->graph, b);
  return node->op == &cy_op_relu && node->inputs[0] == a;
}

static cy_poly *call_two(cy_sheet *s, const char *op, const cy_poly *a, const cy_poly *b) {
  cy_atom *atom = cy_atom_new(s, CY_ATOM_CALL);
  atom->function = cy_notation_find(op);
  atom->n_args = 2;
  atom->arg[0] = a;
  atom->arg[1] = b;
  return cy_poly_atom(s, atom, 1);
}

/* relu(a) + slope (a - relu(a)) has a name. NULL: it is not that. */
static cy_poly *read_prelu(const reading *r) {
  for (int side = 0; side < 2; side++) {
    int32_t relu = r->node->inputs[side];
    const cy_node *scaled = operand_node(r, 1 - side);
    for (int k = 0; strcmp(scaled->op->name, "mul") == 0 && k < 2; k++) {
      const cy_node *below = cy_node_at(r->sheet->graph, scaled->inputs[k]);
      if (strcmp(below->op->name, "sub") != 0 || below->inputs[1] != relu || !is_relu_of(r, relu, below->inputs[0]))
        continue;
      cy_poly *a = read_value(r->sheet, below->inputs[0], r->at, false);
      return call_two(r->sheet, "prelu", a, read_value(r->sheet, scaled->inputs[1 - k], r->at, false));
    }
  }
  return NULL;
}

/* Operands are read from left to right, so that the names of indices do not depend on the compiler. */
static cy_poly *sum_of_two(const reading *r, double scale) {
  cy_poly *left = operand(r, 0, r->at);
  return cy_poly_add(r->sheet, left, operand(r, 1, r->at), scale);
}

static cy_poly *read_add(const reading *r) {
  cy_poly *prelu = read_prelu(r);
  return prelu ? prelu : sum_of_two(r, 1);
}
/* a - relu(a) = min(a, 0) */
static cy_poly *read_sub(const reading *r) {
  if (is_relu_of(r, r->node->inputs[1], r->node->inputs[0]))
    return call_two(r->sheet, "min", operand(r, 0, r->at), cy_poly_number(r->sheet, 0));
  return sum_of_two(r, -1);
}
static cy_poly *read_neg(const reading *r) { return cy_poly_add(r->sheet, zero(r->sheet), operand(r, 0, r->at), -1); }
static cy_poly *read_mul(const reading *r) {
  cy_poly *left = operand(r, 0, r->at);
  return cy_poly_mul(r->sheet, left, operand(r, 1, r->at));
}
static cy_poly *read_div(const reading *r) {
  cy_poly *over = operand(r, 0, r->at);
  return cy_poly_mul(r->sheet, over, cy_poly_power(r->sheet, operand(r, 1, r->at), -1));
}
static cy_poly *read_sqrt(const reading *r) { return cy_poly_power(r->sheet, operand(r, 0, r->at), 0.5); }
static cy_poly *read_rsqrt(const reading *r) { return cy_poly_power(r->sheet, operand(r, 0, r->at), -0.5); }
static cy_poly *read_same(const reading *r) { return operand(r, 0, r->at); }

static cy_poly *call(const reading *r, const cy_notation *f) {
  cy_atom *atom = cy_atom_new(r->sheet, CY_ATOM_CALL);
  atom->function = f;
  atom->n_args = r->node->n_inputs;
  for (int i = 0; i < atom->n_args && i < CY_ATOM_ARGUMENTS; i++) atom->arg[i] = operand(r, i, r->at);
  return cy_poly_atom(r->sheet, atom, 1);
}

static cy_poly *read_pow(const reading *r) {
  double exponent;
  const cy_poly *power = cy_poly_simplify(r->sheet, operand(r, 1, r->at));
  if (cy_poly_is_number(power, &exponent)) return cy_poly_power(r->sheet, operand(r, 0, r->at), exponent);
  return call(r, cy_notation_find("pow"));
}

/* The only atom of a poly that is nothing but it. */
static const cy_atom *only_atom(const cy_poly *p, cy_atom_kind kind) {
  bool only = p->n == 1 && p->term[0].n == 1 && p->term[0].n_bound == 0 && p->term[0].number == 1 &&
              p->term[0].factor[0].power == 1;
  return only && p->term[0].factor[0].atom->kind == kind ? p->term[0].factor[0].atom : NULL;
}

static cy_poly *compare(cy_sheet *s, const cy_notation *relation, const cy_poly *a, const cy_poly *b) {
  cy_atom *atom = cy_atom_new(s, CY_ATOM_COMPARE);
  atom->function = relation;
  atom->n_args = 2;
  atom->arg[0] = a;
  atom->arg[1] = b;
  return cy_poly_atom(s, atom, 1);
}

/* relu(a) is above 0 where a is. */
static cy_poly *compared_operand(const reading *r) {
  double number;
  const cy_node *left = operand_node(r, 0);
  bool above = strcmp(r->node->op->name, "gt") == 0 || strcmp(r->node->op->name, "le") == 0;
  if (above && left->op == &cy_op_relu && cy_is_full(cy_value_at(r->sheet->graph, r->node->inputs[1]), &number) &&
      number == 0)
    return read_value(r->sheet, left->inputs[0], r->at, false);
  return operand(r, 0, r->at);
}

static bool holds(const char *relation, double x, double y) {
  bool less = relation[0] == 'l', equal = strcmp(relation, "eq") == 0 || relation[1] == 'e';
  return strcmp(relation, "ne") == 0 ? x != y : x == y ? equal : relation[0] != 'e' && (x < y) == less;
}

static cy_poly *read_relation(const reading *r, const cy_notation *f) {
  const cy_poly *a = cy_poly_simplify(r->sheet, compared_operand(r)),
                *b = cy_poly_simplify(r->sheet, operand(r, 1, r->at));
  const cy_atom *place = only_atom(a, CY_ATOM_PLACE), *other = only_atom(b, CY_ATOM_NAME);
  if (!place && (place = only_atom(b, CY_ATOM_PLACE))) other = only_atom(a, CY_ATOM_NAME);
  double x, y;
  if (cy_poly_is_number(a, &x) && cy_poly_is_number(b, &y)) return cy_poly_number(r->sheet, holds(f->op, x, y));
  if (place && other && strcmp(f->op, "eq") == 0) return delta(r->sheet, place->place[0], (cy_place){.label = other});
  return compare(r->sheet, f, a, b);
}

/* 1 - c of a condition. */
static cy_poly *negated(cy_sheet *s, const cy_poly *condition) {
  const cy_atom *c = only_atom(condition, CY_ATOM_COMPARE);
  if (c) return compare(s, cy_notation_find(c->function->opposite), c->arg[0], c->arg[1]);
  return cy_poly_add(s, cy_poly_number(s, 1), condition, -1);
}

/* b == 0 ? 1 : b, which keeps a power's derivatives finite where the base is zero: what one writes is b. */
static bool guards(cy_sheet *s, const cy_poly *condition, const cy_poly *a, const cy_poly *b) {
  const cy_atom *c = only_atom(condition, CY_ATOM_COMPARE);
  double one, zero;
  return c && strcmp(c->function->op, "eq") == 0 && cy_poly_is_number(a, &one) && one == 1 &&
         cy_poly_is_number(c->arg[1], &zero) && zero == 0 && cy_poly_compare(s, c->arg[0], b) == 0;
}

static cy_poly *read_select(const reading *r) {
  cy_sheet *s = r->sheet;
  const cy_poly *c = cy_poly_simplify(s, operand(r, 0, r->at));
  const cy_poly *a = cy_poly_simplify(s, operand(r, 1, r->at)), *b = cy_poly_simplify(s, operand(r, 2, r->at));
  double holds;
  if (cy_poly_is_number(c, &holds)) return cy_poly_add(s, holds != 0 ? a : b, &(cy_poly){0}, 1);
  if (b->n == 0) return cy_poly_mul(s, a, c);
  if (a->n == 0) return cy_poly_mul(s, b, negated(s, c));
  if (cy_poly_compare(s, a, b) == 0 || guards(s, c, a, b)) return cy_poly_add(s, b, &(cy_poly){0}, 1);
  cy_atom *atom = cy_atom_new(s, CY_ATOM_CHOICE);
  atom->n_args = 3;
  atom->arg[0] = c;
  atom->arg[1] = a;
  atom->arg[2] = b;
  return cy_poly_atom(s, atom, 1);
}

/* ---- moving indices ---- */

static cy_poly *read_permute(const reading *r) {
  const cy_list *axes = list_of(r, "axes");
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < axes->n; i++) at[axes->at[i]] = r->at[i];
  return operand(r, 0, at);
}

static cy_poly *read_broadcast(const reading *r) {
  const cy_list *axes = list_of(r, "axes");
  cy_shape from = operand_shape(r, 0);
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < from.rank; i++) at[i] = from.dim[i] == 1 ? cy_place_number(0) : r->at[axes->at[i]];
  return operand(r, 0, at);
}

static cy_poly *opaque(const reading *r);

/* Axes of one element come and go; a flat index of several axes is their mixed-radix number. */
static cy_poly *read_reshape(const reading *r) {
  cy_shape from = operand_shape(r, 0), to = r->node->shape;
  cy_place at[CY_MAX_RANK];
  int k = 0;
  for (int i = 0; i < from.rank; i++) {
    if (from.dim[i] == 1) {
      at[i] = cy_place_number(0);
      continue;
    }
    while (k < to.rank && to.dim[k] == 1) k++;
    if (k == to.rank || to.dim[k] != from.dim[i]) return opaque(r);
    at[i] = r->at[k++];
  }
  return operand(r, 0, at);
}

static cy_poly *read_slice(const reading *r) {
  const cy_list *start = list_of(r, "start"), *strides = list_of(r, "strides");
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < r->node->shape.rank; i++) {
    if (r->node->shape.dim[i] == 1) {
      at[i] = cy_place_number(start->at[i]);
      continue;
    }
    if (r->at[i].label) return opaque(r);
    at[i] = cy_place_sum(cy_place_number(start->at[i]), r->at[i], strides && strides->n ? strides->at[i] : 1);
  }
  return operand(r, 0, at);
}

/* The transpose of a slice: zeros around. Of one element it is a delta. */
static cy_poly *read_pad(const reading *r) {
  const cy_list *low = list_of(r, "low"), *high = list_of(r, "high"), *interior = list_of(r, "interior");
  cy_shape from = operand_shape(r, 0);
  cy_place at[CY_MAX_RANK];
  cy_poly *inside = cy_poly_number(r->sheet, 1);
  for (int i = 0; i < from.rank; i++) {
    if (low->at[i] == 0 && high->at[i] == 0 && interior->at[i] == 0) {
      at[i] = r->at[i];
      continue;
    }
    cy_place here = cy_place_number(low->at[i]);
    if (from.dim[i] == 1) at[i] = cy_place_number(0);
    else {
      at[i] = cy_place_of(cy_sheet_index(r->sheet, from.dim[i], true));
      here = cy_place_sum(here, at[i], interior->at[i] + 1);
    }
    inside = cy_poly_mul(r->sheet, inside, delta(r->sheet, r->at[i], here));
  }
  cy_poly *result = cy_poly_mul(r->sheet, operand(r, 0, at), inside);
  for (int i = 0; i < from.rank; i++)
    if (from.dim[i] > 1 && (low->at[i] || high->at[i] || interior->at[i])) result = sum_over(r->sheet, result, &at[i]);
  return result;
}

static cy_poly *read_flip(const reading *r) {
  int axis = (int)int_of(r, "axis");
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < r->node->shape.rank; i++) at[i] = r->at[i];
  if (at[axis].label) return opaque(r);
  at[axis] = cy_place_sum(cy_place_number(r->node->shape.dim[axis] - 1), at[axis], -1);
  return operand(r, 0, at);
}

/* The part that an element comes from must be known: places that are numbers; else 1 - 0 - conditions are not worth it.
 * */
static cy_poly *read_concat(const reading *r) {
  int axis = (int)int_of(r, "axis");
  if (!cy_place_is_number(&r->at[axis])) return opaque(r);
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < r->node->shape.rank; i++) at[i] = r->at[i];
  for (int i = 0; i < r->node->n_inputs; i++) {
    int64_t extent = operand_shape(r, i).dim[axis];
    if (at[axis].offset < extent) return operand(r, i, at);
    at[axis].offset -= extent;
  }
  return zero(r->sheet);
}

static cy_poly *read_iota(const reading *r) {
  cy_atom *atom = cy_atom_new(r->sheet, CY_ATOM_PLACE);
  atom->n_places = 1;
  atom->place[0] = r->at[r->node->op->iota_axis(r->node->attrs)];
  return cy_poly_atom(r->sheet, atom, 1);
}

/* The label that an index operand gives at these places: its name, or a number. */
static bool label_of(const reading *r, const cy_place *at, cy_place *label) {
  double number;
  const cy_poly *p = cy_poly_simplify(r->sheet, operand(r, 1, at));
  const cy_atom *name = only_atom(p, CY_ATOM_NAME), *place = only_atom(p, CY_ATOM_PLACE);
  if (!name) name = only_atom(p, CY_ATOM_OPAQUE); /* argmax(x) */
  *label = (cy_place){.label = name};
  if (place) *label = place->place[0];
  if (!name && !place && cy_poly_is_number(p, &number)) *label = cy_place_number((int64_t)number);
  else if (!name && !place) return false;
  return true;
}

/* out = a[:axis] + index[batch:] + a[axis+1:] */
static cy_poly *read_gather(const reading *r) {
  int axis = (int)int_of(r, "axis"), batch = (int)int_of(r, "batch");
  int inner = operand_shape(r, 1).rank - batch, rank = operand_shape(r, 0).rank;
  cy_place at[CY_MAX_RANK], index[CY_MAX_RANK];
  for (int i = 0; i < batch; i++) index[i] = r->at[i];
  for (int i = 0; i < inner; i++) index[batch + i] = r->at[axis + i];
  for (int i = 0; i < axis; i++) at[i] = r->at[i];
  for (int i = axis + 1; i < rank; i++) at[i] = r->at[i - 1 + inner];
  return label_of(r, index, &at[axis]) ? operand(r, 0, at) : opaque(r);
}

static cy_poly *read_scatter_add(const reading *r) {
  int axis = (int)int_of(r, "axis"), batch = (int)int_of(r, "batch");
  cy_shape index_shape = operand_shape(r, 1);
  int inner = index_shape.rank - batch, rank = operand_shape(r, 0).rank;
  cy_place at[CY_MAX_RANK], index[CY_MAX_RANK], label;
  for (int i = 0; i < axis; i++) at[i] = r->at[i];
  for (int i = 0; i < inner; i++) at[axis + i] = run_over(r->sheet, index_shape.dim[batch + i]);
  for (int i = axis + inner; i < rank; i++) at[i] = r->at[i - inner + 1];
  for (int i = 0; i < batch; i++) index[i] = r->at[i];
  for (int i = 0; i < inner; i++) index[batch + i] = at[axis + i];
  if (!label_of(r, index, &label)) return opaque(r);
  cy_poly *result = cy_poly_mul(r->sheet, operand(r, 0, at), delta(r->sheet, r->at[axis], label));
  for (int i = 0; i < inner; i++) result = sum_over(r->sheet, result, &at[axis + i]);
  return result;
}

/* ---- reductions and contractions ---- */

static cy_poly *read_sum(const reading *r) {
  cy_shape from = operand_shape(r, 0);
  uint32_t mask = r->node->op->reduced(r->node->attrs);
  cy_place at[CY_MAX_RANK];
  for (int i = 0, k = 0; i < from.rank; i++) at[i] = mask >> i & 1 ? run_over(r->sheet, from.dim[i]) : r->at[k++];
  cy_poly *result = operand(r, 0, at);
  for (int i = 0; i < from.rank; i++)
    if (mask >> i & 1) result = sum_over(r->sheet, result, &at[i]);
  return result;
}

static cy_poly *read_dot(const reading *r) {
  const cy_dot_attrs *d = r->node->attrs;
  cy_place at[2][CY_MAX_RANK], run[CY_MAX_RANK];
  int k = (int)d->a_batch.n;
  for (int i = 0; i < d->a_batch.n; i++) at[0][d->a_batch.at[i]] = at[1][d->b_batch.at[i]] = r->at[i];
  for (int i = 0; i < d->a_contract.n; i++) {
    run[i] = run_over(r->sheet, operand_shape(r, 0).dim[d->a_contract.at[i]]);
    at[0][d->a_contract.at[i]] = at[1][d->b_contract.at[i]] = run[i];
  }
  for (int side = 0; side < 2; side++) {
    int axes[CY_MAX_RANK];
    int n = cy_dot_free_axes(operand_shape(r, side).rank, side ? &d->b_batch : &d->a_batch,
                             side ? &d->b_contract : &d->a_contract, axes);
    for (int i = 0; i < n; i++) at[side][axes[i]] = r->at[k++];
  }
  cy_poly *result = operand(r, 0, at[0]);
  result = cy_poly_mul(r->sheet, result, operand(r, 1, at[1]));
  for (int i = 0; i < d->a_contract.n; i++) result = sum_over(r->sheet, result, &run[i]);
  return result;
}

static cy_poly *exponential(cy_sheet *s, const cy_poly *of) {
  cy_atom *e = cy_atom_new(s, CY_ATOM_CALL);
  e->function = cy_notation_find("exp");
  e->n_args = 1;
  e->arg[0] = of;
  return cy_poly_atom(s, e, 1);
}

/* log sum exp of the elements, and what follows from it. */
static cy_poly *exponential_elements(cy_sheet *s, const cy_atom *a) {
  const char *op = a->function->op;
  cy_poly *sum = cy_poly_sum_over(s, exponential(s, a->arg[0]), a->dummy);
  cy_atom *log = cy_atom_new(s, CY_ATOM_CALL);
  log->function = cy_notation_find("log");
  log->n_args = 1;
  log->arg[0] = sum;
  if (strcmp(op, "logsumexp") == 0) return cy_poly_atom(s, log, 1);
  const cy_poly *own = cy_poly_substitute(s, a->arg[0], a->dummy, a->place[0]);
  if (strcmp(op, "log_softmax") == 0) return cy_poly_add(s, own, cy_poly_atom(s, log, 1), -1);
  return cy_poly_mul(s, exponential(s, own), cy_poly_power(s, sum, -1));
}

/* A function of a whole axis, kept (softmax) or not. */
static cy_poly *along(const reading *r, const cy_notation *f, int axis, bool keeps) {
  cy_shape from = operand_shape(r, 0);
  cy_place at[CY_MAX_RANK];
  cy_atom *atom = cy_atom_new(r->sheet, CY_ATOM_ALONG);
  bool same_rank = r->node->shape.rank == from.rank;
  atom->function = f;
  atom->dummy = cy_sheet_index(r->sheet, from.dim[axis], true);
  for (int i = 0, k = 0; i < from.rank; i++) {
    if (i == axis) at[i] = cy_place_of(atom->dummy), k += same_rank;
    else at[i] = r->at[k++];
  }
  atom->n_places = keeps;
  if (keeps) atom->place[0] = r->at[axis];
  atom->n_args = 1;
  atom->arg[0] = operand(r, 0, at);
  if (r->sheet->elements && (strstr(f->op, "softmax") || strcmp(f->op, "logsumexp") == 0))
    return exponential_elements(r->sheet, atom);
  return cy_poly_atom(r->sheet, atom, 1);
}

static cy_poly *read_softmax(const reading *r) {
  return along(r, cy_notation_find("softmax"), (int)int_of(r, "axis"), true);
}
/* log s, where s = softmax has a name. */
static cy_poly *read_log_softmax(const reading *r) {
  cy_value softmax = cy_softmax(cy_value_at(r->sheet->graph, r->node->inputs[0]), (int)int_of(r, "axis"));
  int name = cy_is_value(softmax) ? cy_sheet_name_of(r->sheet, softmax.id) : -1;
  if (name >= 0 && !r->sheet->elements) {
    cy_atom *log = cy_atom_new(r->sheet, CY_ATOM_CALL);
    log->function = cy_notation_find("log");
    log->n_args = 1;
    log->arg[0] = cy_poly_name(r->sheet, name, r->at, r->node->shape.rank);
    return cy_poly_atom(r->sheet, log, 1);
  }
  return along(r, cy_notation_find("log_softmax"), (int)int_of(r, "axis"), true);
}
static cy_poly *read_logsumexp(const reading *r) {
  return along(r, cy_notation_find("logsumexp"), (int)int_of(r, "axis"), false);
}

static cy_poly *read_extreme(const reading *r) {
  uint32_t mask = r->node->op->reduced ? r->node->op->reduced(r->node->attrs) : 0;
  const cy_list *axes = mask ? NULL : list_of(r, "axes");
  for (int i = 0; axes && i < axes->n; i++) mask |= 1u << axes->at[i];
  if (!mask || mask & (mask - 1)) return opaque(r);
  return along(r, cy_notation_find(r->node->op->name), __builtin_ctz(mask), false);
}

/* sum x[n, c, i stride - low + t dilation] w[o, c, t] y[n, o, i]: the result is what is left out. */
typedef struct trilinear {
  const cy_window_attrs *a;
  cy_place x[CY_MAX_RANK], w[CY_MAX_RANK], y[CY_MAX_RANK];
  int space;
} trilinear;

static void set_inside(trilinear *f) {
  for (int i = 0; i < f->space; i++)
    f->x[2 + i] = cy_place_sum(cy_place_sum(cy_place_number(-f->a->low.at[i]), f->y[2 + i], f->a->stride.at[i]),
                               f->w[2 + i], f->a->dilation.at[i]);
}

static cy_poly *read_convolution(const reading *r) {
  trilinear f = {.a = r->node->attrs, .space = r->node->shape.rank - 2};
  cy_sheet *s = r->sheet;
  cy_place run[2 + 2 * CY_MAX_SPACE];
  int role = (int)f.a->role, n = 0;
  if (f.a->groups != 1) return opaque(r);
  cy_shape first = operand_shape(r, 0), second = operand_shape(r, 1);
  for (int i = 0; i < r->node->shape.rank; i++) {
    if (role == CY_CONVOLUTION_X && i >= 2) continue;
    (role == CY_CONVOLUTION_Y ? f.y : role == CY_CONVOLUTION_W ? f.w : f.x)[i] = r->at[i];
  }
  if (role == CY_CONVOLUTION_Y) { /* x, w given: over c and the kernel */
    run[n++] = f.x[1] = f.w[1] = run_over(s, first.dim[1]);
    f.x[0] = r->at[0];
    f.w[0] = r->at[1];
    for (int i = 0; i < f.space; i++) run[n++] = f.w[2 + i] = run_over(s, second.dim[2 + i]);
  } else if (role == CY_CONVOLUTION_W) { /* x, y given: over n and y's places */
    run[n++] = f.x[0] = f.y[0] = run_over(s, first.dim[0]);
    f.x[1] = r->at[1];
    f.y[1] = r->at[0];
    for (int i = 0; i < f.space; i++) run[n++] = f.y[2 + i] = run_over(s, second.dim[2 + i]);
  } else { /* w, y given: over o, the kernel and y's places that meet here */
    run[n++] = f.w[0] = f.y[1] = run_over(s, first.dim[0]);
    f.w[1] = r->at[1];
    f.y[0] = r->at[0];
    for (int i = 0; i < f.space; i++) {
      run[n++] = f.w[2 + i] = run_over(s, first.dim[2 + i]);
      run[n++] = f.y[2 + i] = run_over(s, second.dim[2 + i]);
    }
  }
  set_inside(&f);
  cy_poly *result = operand(r, 0, role == CY_CONVOLUTION_X ? f.w : f.x);
  result = cy_poly_mul(s, result, operand(r, 1, role == CY_CONVOLUTION_Y ? f.w : f.y));
  for (int i = 0; role == CY_CONVOLUTION_X && i < f.space; i++)
    result = cy_poly_mul(s, result, delta(s, r->at[2 + i], f.x[2 + i]));
  for (int i = 0; i < n; i++) result = sum_over(s, result, &run[i]);
  return result;
}

/* ---- everything else ---- */

/* The operand, or what it is but for axes of one element. */
static int32_t whole_operand(const reading *r, int i) {
  int32_t id = r->node->inputs[i];
  for (;;) {
    const cy_node *node = cy_node_at(r->sheet->graph, id);
    bool permutes = strcmp(node->op->name, "permute") == 0;
    if (cy_sheet_name_of(r->sheet, id) >= 0 || (!permutes && strcmp(node->op->name, "reshape") != 0)) return id;
    const cy_list *axes = permutes ? attribute(node, "axes") : NULL;
    for (int k = 0; axes && k < axes->n; k++)
      if (axes->at[k] != k) return id;
    cy_shape from = cy_node_at(r->sheet->graph, node->inputs[0])->shape, to = node->shape;
    int a = 0, b = 0;
    for (;; a++, b++) {
      while (a < from.rank && from.dim[a] == 1) a++;
      while (b < to.rank && to.dim[b] == 1) b++;
      if (a == from.rank || b == to.rank || from.dim[a] != to.dim[b]) break;
    }
    if (a != from.rank || b != to.rank) return id;
    id = node->inputs[0];
  }
}

static cy_poly *opaque(const reading *r) {
  cy_atom *atom = cy_atom_new(r->sheet, CY_ATOM_OPAQUE);
  atom->node = r->id;
  atom->n_places = r->node->shape.rank;
  for (int i = 0; i < atom->n_places; i++) atom->place[i] = r->at[i];
  for (int i = 0; i < r->node->n_inputs && i < CY_ATOM_ARGUMENTS; i++) {
    cy_atom *whole = cy_atom_new(r->sheet, CY_ATOM_NAME);
    int32_t from = whole_operand(r, i);
    whole->name = cy_sheet_name_of(r->sheet, from);
    if (whole->name < 0) { /* its own name, without a line: it is written in full */
      char text[CY_NAME_SIZE];
      cy_text t = {0};
      const char *own = cy_node_at(r->sheet->graph, from)->name;
      if (own[0]) cy_text_add(&t, "%s", own);
      else cy_text_add(&t, "t%d", from);
      for (size_t k = 0; k < sizeof text; k++) text[k] = t.data && k <= t.length ? t.data[k] : 0;
      cy_text_clear(&t);
      whole->name = cy_sheet_name(r->sheet, text, CY_NAME_VALUE, cy_value_at(r->sheet->graph, from), -1);
      if (whole->name < 0) whole->name = 0;
    }
    atom->arg[atom->n_args++] = cy_poly_atom(r->sheet, whole, 1);
  }
  return cy_poly_atom(r->sheet, atom, 1);
}

typedef struct rule {
  const char *op;
  cy_poly *(*read)(const reading *r);
} rule;

static const rule rules[] = {
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
    {"permute", read_permute},
    {"broadcast", read_broadcast},
    {"reshape", read_reshape},
    {"slice", read_slice},
    {"pad", read_pad},
    {"flip", read_flip},
    {"concat", read_concat},
    {"iota", read_iota},
    {"gather", read_gather},
    {"scatter_add", read_scatter_add},
    {"sum", read_sum},
    {"dot", read_dot},
    {"softmax", read_softmax},
    {"log_softmax", read_log_softmax},
    {"logsumexp", read_logsumexp},
    {"reduce_max", read_extreme},
    {"reduce_min", read_extreme},
    {"prod", read_extreme},
    {"convolution", read_convolution},
};

static cy_poly *read_body(const reading *r) {
  cy_value in[CY_ATOM_ARGUMENTS + 1];
  if (r->node->n_inputs > CY_ATOM_ARGUMENTS) return opaque(r);
  for (int i = 0; i < r->node->n_inputs; i++) in[i] = cy_value_at(r->sheet->graph, r->node->inputs[i]);
  cy_rule expansion = {.graph = r->sheet->graph, .node = r->node, .in = in, .out = cy_value_at(r->sheet->graph, r->id)};
  cy_value body = r->node->op->expand(&expansion);
  return cy_is_value(body) ? read_value(r->sheet, body.id, r->at, false) : zero(r->sheet);
}

static cy_poly *read_node(const reading *r) {
  double number;
  const char *op = r->node->op->name;
  if (cy_is_full(cy_value_at(r->sheet->graph, r->id), &number)) return cy_poly_number(r->sheet, number);
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (strcmp(rules[i].op, op) == 0) return rules[i].read(r);
  const cy_notation *f = cy_notation_find(op);
  if (f && f->relation) return read_relation(r, f);
  if (f && !f->along) return call(r, f);
  return r->node->op->expand ? read_body(r) : opaque(r);
}

static cy_poly *read_value(cy_sheet *sheet, int32_t id, const cy_place *at, bool define) {
  int name = cy_sheet_name_of(sheet, id);
  if (id < 0 || cy_graph_failed(sheet->graph) || sheet->failed) return zero(sheet);
  const cy_node *node = cy_node_at(sheet->graph, id);
  if (name >= 0 && sheet->only && name != sheet->only - 1 && node->n_inputs) name = -1;
  if (name >= 0 && (!define || node->n_inputs == 0)) return cy_poly_name(sheet, name, at, node->shape.rank);
  if (++sheet->reads > MOST_READS) {
    sheet->large = true;
    return zero(sheet);
  }
  return read_node(&(reading){sheet, node, id, at});
}

cy_poly *cy_read(cy_sheet *sheet, cy_value value, const cy_place *places, bool define) {
  sheet->reads = 0;
  return read_value(sheet, value.id, places, define);
}
