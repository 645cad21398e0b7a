/* Reading of what runs along axes: sums, contractions, and functions of a whole axis such as softmax. */
#include "derive/reading.h"
#include "ops/dot.h"

#include <string.h>

static cy_poly *read_sum(const cy_reading *r) {
  cy_shape from = cy_operand_shape(r, 0);
  uint32_t mask = r->node->op->reduced(r->node->attrs);
  cy_place at[CY_MAX_RANK];
  for (int i = 0, k = 0; i < from.rank; i++) at[i] = mask >> i & 1 ? cy_run_over(r->sheet, from.dim[i]) : r->at[k++];
  cy_poly *result = cy_operand(r, 0, at);
  for (int i = 0; i < from.rank; i++)
    if (mask >> i & 1) result = cy_sum_over(r->sheet, result, &at[i]);
  return result;
}

static cy_poly *read_dot(const cy_reading *r) {
  const cy_dot_attrs *d = r->node->attrs;
  cy_place at[2][CY_MAX_RANK], run[CY_MAX_RANK];
  int k = (int)d->a_batch.n;
  for (int i = 0; i < d->a_batch.n; i++) at[0][d->a_batch.at[i]] = at[1][d->b_batch.at[i]] = r->at[i];
  for (int i = 0; i < d->a_contract.n; i++) {
    run[i] = cy_run_over(r->sheet, cy_operand_shape(r, 0).dim[d->a_contract.at[i]]);
    at[0][d->a_contract.at[i]] = at[1][d->b_contract.at[i]] = run[i];
  }
  for (int side = 0; side < 2; side++) {
    int axes[CY_MAX_RANK];
    int n = cy_dot_free_axes(cy_operand_shape(r, side).rank, side ? &d->b_batch : &d->a_batch,
                             side ? &d->b_contract : &d->a_contract, axes);
    for (int i = 0; i < n; i++) at[side][axes[i]] = r->at[k++];
  }
  cy_poly *result = cy_operand(r, 0, at[0]);
  result = cy_poly_mul(r->sheet, result, cy_operand(r, 1, at[1]));
  for (int i = 0; i < d->a_contract.n; i++) result = cy_sum_over(r->sheet, result, &run[i]);
  return result;
}

static cy_poly *call_one(cy_sheet *s, const char *op, const cy_poly *of) {
  return cy_poly_function(s, CY_ATOM_CALL, cy_notation_find(op), 1, &of);
}

/* log sum exp of the elements, and what follows from it. */
static cy_poly *exponential_elements(cy_sheet *s, const cy_atom *a) {
  const char *op = a->function->op;
  cy_poly *sum = cy_poly_sum_over(s, call_one(s, "exp", a->arg[0]), a->dummy);
  cy_poly *log = call_one(s, "log", sum);
  if (strcmp(op, "logsumexp") == 0) return log;
  const cy_poly *own = cy_poly_substitute(s, a->arg[0], a->dummy, a->place[0]);
  if (strcmp(op, "log_softmax") == 0) return cy_poly_add(s, own, log, -1);
  return cy_poly_mul(s, call_one(s, "exp", own), cy_poly_power(s, sum, -1));
}

/* A function of a whole axis, kept (softmax) or not. */
static cy_poly *along(const cy_reading *r, const cy_notation *f, int axis, bool keeps) {
  cy_shape from = cy_operand_shape(r, 0);
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
  atom->arg[0] = cy_operand(r, 0, at);
  if (r->sheet->elements && (strstr(f->op, "softmax") || strcmp(f->op, "logsumexp") == 0))
    return exponential_elements(r->sheet, atom);
  return cy_poly_atom(r->sheet, atom, 1);
}

static cy_poly *read_softmax(const cy_reading *r) {
  return along(r, cy_notation_find("softmax"), (int)cy_reading_int(r, "axis"), true);
}
/* log s, where s = softmax has a name. */
static cy_poly *read_log_softmax(const cy_reading *r) {
  cy_value softmax = cy_softmax(cy_value_at(r->sheet->graph, r->node->inputs[0]), (int)cy_reading_int(r, "axis"));
  int name = cy_is_value(softmax) ? cy_sheet_name_of(r->sheet, softmax.id) : -1;
  if (name >= 0 && !r->sheet->elements)
    return call_one(r->sheet, "log", cy_poly_name(r->sheet, name, r->at, r->node->shape.rank));
  return along(r, cy_notation_find("log_softmax"), (int)cy_reading_int(r, "axis"), true);
}
static cy_poly *read_logsumexp(const cy_reading *r) {
  return along(r, cy_notation_find("logsumexp"), (int)cy_reading_int(r, "axis"), false);
}

static cy_poly *read_extreme(const cy_reading *r) {
  uint32_t mask = r->node->op->reduced ? r->node->op->reduced(r->node->attrs) : 0;
  const cy_list *axes = mask ? NULL : cy_reading_list(r, "axes");
  for (int i = 0; axes && i < axes->n; i++) mask |= 1u << axes->at[i];
  if (!mask || mask & (mask - 1)) return cy_read_whole(r);
  return along(r, cy_notation_find(r->node->op->name), __builtin_ctz(mask), false);
}

const cy_reading_rule cy_sum_rules[] = {
    {"sum", read_sum},
    {"dot", read_dot},
    {"softmax", read_softmax},
    {"log_softmax", read_log_softmax},
    {"logsumexp", read_logsumexp},
    {"reduce_max", read_extreme},
    {"reduce_min", read_extreme},
    {"prod", read_extreme},
    {0},
};
