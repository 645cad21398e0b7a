/* Reading of operations that move indices and compute nothing: permutations, broadcasts, slices, their transposes (of
 * which an element is where a delta says), and elements taken at classes. */
#include "derive/reading.h"

static cy_poly *read_permute(const cy_reading *r) {
  const cy_list *axes = cy_reading_list(r, "axes");
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < axes->n; i++) at[axes->at[i]] = r->at[i];
  return cy_operand(r, 0, at);
}

static cy_poly *read_broadcast(const cy_reading *r) {
  const cy_list *axes = cy_reading_list(r, "axes");
  cy_shape from = cy_operand_shape(r, 0);
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < from.rank; i++) at[i] = from.dim[i] == 1 ? cy_place_number(0) : r->at[axes->at[i]];
  return cy_operand(r, 0, at);
}

/* Axes of one element come and go; a flat index of several axes is their mixed-radix number. */
static cy_poly *read_reshape(const cy_reading *r) {
  cy_shape from = cy_operand_shape(r, 0), to = r->node->shape;
  cy_place at[CY_MAX_RANK];
  int k = 0;
  for (int i = 0; i < from.rank; i++) {
    if (from.dim[i] == 1) {
      at[i] = cy_place_number(0);
      continue;
    }
    while (k < to.rank && to.dim[k] == 1) k++;
    if (k == to.rank || to.dim[k] != from.dim[i]) return cy_read_whole(r);
    at[i] = r->at[k++];
  }
  return cy_operand(r, 0, at);
}

static cy_poly *read_slice(const cy_reading *r) {
  const cy_list *start = cy_reading_list(r, "start"), *strides = cy_reading_list(r, "strides");
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < r->node->shape.rank; i++) {
    if (r->node->shape.dim[i] == 1) {
      at[i] = cy_place_number(start->at[i]);
      continue;
    }
    if (r->at[i].label) return cy_read_whole(r);
    at[i] = cy_place_sum(cy_place_number(start->at[i]), r->at[i], strides && strides->n ? strides->at[i] : 1);
  }
  return cy_operand(r, 0, at);
}

/* The transpose of a slice: zeros around. Of one element it is a delta. */
static cy_poly *read_pad(const cy_reading *r) {
  const cy_list *low = cy_reading_list(r, "low"), *high = cy_reading_list(r, "high"),
                *interior = cy_reading_list(r, "interior");
  cy_shape from = cy_operand_shape(r, 0);
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
    inside = cy_poly_mul(r->sheet, inside, cy_poly_delta(r->sheet, r->at[i], here));
  }
  cy_poly *result = cy_poly_mul(r->sheet, cy_operand(r, 0, at), inside);
  for (int i = 0; i < from.rank; i++)
    if (from.dim[i] > 1 && (low->at[i] || high->at[i] || interior->at[i]))
      result = cy_sum_over(r->sheet, result, &at[i]);
  return result;
}

static cy_poly *read_flip(const cy_reading *r) {
  int axis = (int)cy_reading_int(r, "axis");
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < r->node->shape.rank; i++) at[i] = r->at[i];
  if (at[axis].label) return cy_read_whole(r);
  at[axis] = cy_place_sum(cy_place_number(r->node->shape.dim[axis] - 1), at[axis], -1);
  return cy_operand(r, 0, at);
}

/* The part that an element comes from must be known: a place that is a number. Else conditions are not worth it. */
static cy_poly *read_concat(const cy_reading *r) {
  int axis = (int)cy_reading_int(r, "axis");
  if (!cy_place_is_number(&r->at[axis])) return cy_read_whole(r);
  cy_place at[CY_MAX_RANK];
  for (int i = 0; i < r->node->shape.rank; i++) at[i] = r->at[i];
  for (int i = 0; i < r->node->n_inputs; i++) {
    int64_t extent = cy_operand_shape(r, i).dim[axis];
    if (at[axis].offset < extent) return cy_operand(r, i, at);
    at[axis].offset -= extent;
  }
  return cy_poly_number(r->sheet, 0);
}

static cy_poly *read_iota(const cy_reading *r) {
  cy_atom *atom = cy_atom_new(r->sheet, CY_ATOM_PLACE);
  atom->n_places = 1;
  atom->place[0] = r->at[r->node->op->iota_axis(r->node->attrs)];
  return cy_poly_atom(r->sheet, atom, 1);
}

/* The label that an index operand gives at these places: its name, or a number. */
static bool label_of(const cy_reading *r, const cy_place *at, cy_place *label) {
  double number;
  const cy_poly *p = cy_poly_simplify(r->sheet, cy_operand(r, 1, at));
  const cy_atom *name = cy_only_atom(p, CY_ATOM_NAME), *place = cy_only_atom(p, CY_ATOM_PLACE);
  if (!name) name = cy_only_atom(p, CY_ATOM_OPAQUE); /* argmax(x) */
  *label = (cy_place){.label = name};
  if (place) *label = place->place[0];
  if (!name && !place && cy_poly_is_number(p, &number)) *label = cy_place_number((int64_t)number);
  else if (!name && !place) return false;
  return true;
}

/* out = a[:axis] + index[batch:] + a[axis+1:] */
static cy_poly *read_gather(const cy_reading *r) {
  int axis = (int)cy_reading_int(r, "axis"), batch = (int)cy_reading_int(r, "batch");
  int inner = cy_operand_shape(r, 1).rank - batch, rank = cy_operand_shape(r, 0).rank;
  cy_place at[CY_MAX_RANK], index[CY_MAX_RANK];
  for (int i = 0; i < batch; i++) index[i] = r->at[i];
  for (int i = 0; i < inner; i++) index[batch + i] = r->at[axis + i];
  for (int i = 0; i < axis; i++) at[i] = r->at[i];
  for (int i = axis + 1; i < rank; i++) at[i] = r->at[i - 1 + inner];
  return label_of(r, index, &at[axis]) ? cy_operand(r, 0, at) : cy_read_whole(r);
}

static cy_poly *read_scatter_add(const cy_reading *r) {
  int axis = (int)cy_reading_int(r, "axis"), batch = (int)cy_reading_int(r, "batch");
  cy_shape index_shape = cy_operand_shape(r, 1);
  int inner = index_shape.rank - batch, rank = cy_operand_shape(r, 0).rank;
  cy_place at[CY_MAX_RANK], index[CY_MAX_RANK], label;
  for (int i = 0; i < axis; i++) at[i] = r->at[i];
  for (int i = 0; i < inner; i++) at[axis + i] = cy_run_over(r->sheet, index_shape.dim[batch + i]);
  for (int i = axis + inner; i < rank; i++) at[i] = r->at[i - inner + 1];
  for (int i = 0; i < batch; i++) index[i] = r->at[i];
  for (int i = 0; i < inner; i++) index[batch + i] = at[axis + i];
  if (!label_of(r, index, &label)) return cy_read_whole(r);
  cy_poly *result = cy_poly_mul(r->sheet, cy_operand(r, 0, at), cy_poly_delta(r->sheet, r->at[axis], label));
  for (int i = 0; i < inner; i++) result = cy_sum_over(r->sheet, result, &at[axis + i]);
  return result;
}

const cy_reading_rule cy_move_rules[] = {
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
    {0},
};
