/* Simplification within a term: equal factors become powers, deltas do away with sums, distributions sum to one, sums
 * that nothing depends on count, groups and inverse functions dissolve; step by step, until none applies. */
#include "derive/algebra.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 32 };

void cy_term_remove_factor(cy_term *t, int at) {
  for (int i = at; i + 1 < t->n; i++) t->factor[i] = t->factor[i + 1];
  t->n--;
}

static void remove_bound(cy_term *t, int at) {
  for (int i = at; i + 1 < t->n_bound; i++) t->bound[i] = t->bound[i + 1];
  t->n_bound--;
}

static bool term_has(const cy_term *t, int index) {
  for (int i = 0; i < t->n; i++)
    if (cy_atom_has(t->factor[i].atom, index)) return true;
  return false;
}

static void substitute(cy_sheet *sheet, cy_term *t, int index, cy_place place) {
  for (int i = 0; i < t->n; i++) t->factor[i].atom = cy_atom_substitute(sheet, t->factor[i].atom, index, place);
}

/* A class can stand where the index stands alone. */
static bool stands_alone(const cy_atom *atom, int index) {
  for (int i = 0; i < atom->n_places; i++) {
    const cy_place *p = &atom->place[i];
    if (p->label ? !stands_alone(p->label, index) : cy_place_has(p, index) && !cy_place_is_index(p)) return false;
  }
  for (int i = 0; i < atom->n_args; i++)
    for (int k = 0; k < atom->arg[i]->n; k++)
      for (int m = 0; m < atom->arg[i]->term[k].n; m++)
        if (!stands_alone(atom->arg[i]->term[k].factor[m].atom, index)) return false;
  return true;
}

static int bound_at(const cy_term *t, const cy_place *p) {
  for (int i = 0; cy_place_is_index(p) && i < t->n_bound; i++)
    if (t->bound[i] == p->index[0]) return i;
  return -1;
}

static bool places_equal(cy_sheet *sheet, const cy_place *a, const cy_place *b) {
  cy_atom x = {.kind = CY_ATOM_PLACE, .n_places = 1, .place = {*a}},
          y = {.kind = CY_ATOM_PLACE, .n_places = 1, .place = {*b}};
  return cy_atom_compare(sheet, &x, &y) == 0;
}

static bool only_in_names(const cy_atom *atom, int index) {
  if (!cy_atom_has(atom, index)) return true;
  for (int i = 0; i < atom->n_places; i++)
    if (atom->place[i].label && cy_place_has(&atom->place[i], index)) return false;
  return atom->kind == CY_ATOM_NAME;
}

/* delta(j, i + p) of a bound i: i = j - p, since elements outside of an array are zeros. */
static bool solve_delta(cy_sheet *sheet, cy_term *t, int at) {
  const cy_atom *delta = t->factor[at].atom;
  if (delta->place[0].label || delta->place[1].label) return false;
  cy_place difference = cy_place_sum(delta->place[0], delta->place[1], -1); /* = 0 */
  for (int k = difference.n - 1; k >= 0; k--) {
    int index = difference.index[k], bound = -1;
    int64_t factor = difference.factor[k];
    bool names = factor == 1 || factor == -1;
    for (int i = 0; i < t->n_bound; i++)
      if (t->bound[i] == index) bound = i;
    for (int i = 0; i < t->n; i++) names = names && (i == at || only_in_names(t->factor[i].atom, index));
    if (bound < 0 || !names || difference.n != 3) continue;
    cy_place alone = cy_place_of(index),
             solution = cy_place_sum(cy_place_number(0), cy_place_sum(difference, alone, -factor), -factor);
    cy_term_remove_factor(t, at);
    remove_bound(t, bound);
    substitute(sheet, t, index, solution);
    return true;
  }
  return false;
}

/* An axis of one element has only the place 0. */
static bool is_only_place(const cy_sheet *sheet, const cy_place *p) {
  return cy_place_is_index(p) && sheet->indices[p->index[0]].extent == 1;
}

/* delta(k, p) of a bound k: p stands for k everywhere. */
static bool use_delta(cy_sheet *sheet, cy_term *t, int at) {
  cy_place p = t->factor[at].atom->place[0], q = t->factor[at].atom->place[1];
  if (is_only_place(sheet, &p)) p = cy_place_number(0);
  if (is_only_place(sheet, &q)) q = cy_place_number(0);
  if (cy_place_is_number(&p) && cy_place_is_number(&q)) {
    if (p.offset != q.offset) t->number = 0;
    cy_term_remove_factor(t, at);
    return true;
  }
  if (places_equal(sheet, &p, &q) && !(bound_at(t, &p) >= 0 && p.index[0] != q.index[0])) {
    cy_term_remove_factor(t, at);
    return true;
  }
  for (int side = 0; side < 2; side++) {
    const cy_place *index = side ? &q : &p, *other = side ? &p : &q;
    int bound = bound_at(t, index), k = index->index[0];
    if (bound < 0 || cy_place_has(other, k)) continue;
    bool alone = true;
    for (int i = 0; i < t->n; i++) alone = alone && (i == at || !other->label || stands_alone(t->factor[i].atom, k));
    if (!alone) continue;
    cy_place place = *other;
    cy_term_remove_factor(t, at);
    remove_bound(t, bound);
    substitute(sheet, t, k, place);
    return true;
  }
  return solve_delta(sheet, t, at);
}

/* The sum of a distribution over its last axis is one. */
static bool use_distribution(const cy_sheet *sheet, cy_term *t, int at) {
  const cy_atom *a = t->factor[at].atom;
  if (a->n_places == 0 || t->factor[at].power != 1) return false;
  bool one = a->kind == CY_ATOM_NAME ? sheet->names[a->name].sums_to_one
                                     : a->kind == CY_ATOM_ALONG && strcmp(a->function->op, "softmax") == 0;
  int bound = one ? bound_at(t, &a->place[a->n_places - 1]) : -1;
  if (bound < 0) return false;
  int index = t->bound[bound], uses = 0;
  for (int i = 0; i < t->n; i++) uses += cy_atom_has(t->factor[i].atom, index);
  if (uses > 1) return false;
  cy_term_remove_factor(t, at);
  remove_bound(t, bound);
  return true;
}

/* A sum over nothing that depends on its index counts. */
static bool use_bounds(cy_sheet *sheet, cy_term *t) {
  for (int i = 0; i < t->n_bound; i++) {
    int64_t extent = sheet->indices[t->bound[i]].extent;
    if (term_has(t, t->bound[i])) {
      if (extent != 1) continue;
      substitute(sheet, t, t->bound[i], cy_place_number(0));
    } else {
      cy_poly *count = cy_poly_number(sheet, (double)extent);
      for (int k = 0; count->n && k < CY_MAX_DIMENSIONS; k++)
        t->dimension[k] = (int8_t)(t->dimension[k] + count->term[0].dimension[k]);
      t->number *= count->n ? count->term[0].number : 0;
    }
    remove_bound(t, i);
    return true;
  }
  return false;
}

static bool is_call(const cy_poly *p, const char *op) {
  return p->n == 1 && p->term[0].n == 1 && p->term[0].n_bound == 0 && p->term[0].factor[0].power == 1 &&
         p->term[0].factor[0].atom->kind == CY_ATOM_CALL && strcmp(p->term[0].factor[0].atom->function->op, op) == 0;
}

static bool is_plain_one(const cy_term *t) {
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++)
    if (t->dimension[i]) return false;
  return t->number == 1;
}

/* exp(log x) = x, log(exp x) = x: the atom's value as a poly; NULL where there is nothing to gain. */
static const cy_poly *inverse_call(const cy_atom *a) {
  static const char *const pairs[][2] = {{"exp", "log"}, {"log", "exp"}};
  for (int i = 0; a->kind == CY_ATOM_CALL && i < 2; i++)
    if (strcmp(a->function->op, pairs[i][0]) == 0 && is_call(a->arg[0], pairs[i][1]) &&
        is_plain_one(&a->arg[0]->term[0]))
      return a->arg[0]->term[0].factor[0].atom->arg[0];
  return NULL;
}

static const cy_atom *simplify_atom(cy_sheet *sheet, const cy_atom *atom, int depth) {
  const cy_atom *result = atom;
  for (int i = 0; i < atom->n_args; i++) {
    const cy_poly *arg = cy_simplify_sum(sheet, atom->arg[i], depth);
    if (arg == atom->arg[i]) continue;
    if (result == atom) {
      cy_atom *copy = cy_atom_new(sheet, atom->kind);
      *copy = *atom;
      result = copy;
    }
    ((cy_atom *)(uintptr_t)result)->arg[i] = arg;
  }
  return result;
}

static void multiply_in(cy_sheet *sheet, cy_term *t, const cy_poly *p, double power) {
  cy_poly *product = cy_poly_mul(sheet, cy_poly_of_term(sheet, t), cy_poly_power(sheet, p, power));
  if (product->n) *t = product->term[0]; /* one term: a sum is a group in it */
  else t->number = 0;
}

/* A group of one term, or a function of its inverse, dissolves. */
static bool dissolve(cy_sheet *sheet, cy_term *t, int at) {
  const cy_atom *a = t->factor[at].atom;
  double power = t->factor[at].power;
  const cy_poly *inside = a->kind == CY_ATOM_GROUP ? a->arg[0] : inverse_call(a);
  if (!inside || (a->kind == CY_ATOM_GROUP && inside->n > 1)) return false;
  if (inside->n == 1 && power != 1) {
    const cy_term *only = &inside->term[0];
    bool whole = power == nearbyint(power);
    if (only->n_bound || (!whole && !(only->n == 1 && only->number == 1 && only->factor[0].power == 1))) return false;
  }
  cy_term_remove_factor(t, at);
  multiply_in(sheet, t, inside, power);
  return true;
}

static bool merge_powers(cy_sheet *sheet, cy_term *t) {
  for (int i = 0; i < t->n; i++)
    for (int k = i + 1; k < t->n; k++)
      if (cy_atom_compare(sheet, t->factor[i].atom, t->factor[k].atom) == 0) {
        t->factor[i].power += t->factor[k].power;
        cy_term_remove_factor(t, k);
        if (fabs(t->factor[i].power) < 1e-12) cy_term_remove_factor(t, i);
        return true;
      }
  return false;
}

static bool step(cy_sheet *sheet, cy_term *t) {
  if (merge_powers(sheet, t)) return true;
  for (int i = 0; i < t->n; i++) {
    cy_atom_kind kind = t->factor[i].atom->kind;
    if (kind == CY_ATOM_DELTA || kind == CY_ATOM_COMPARE) t->factor[i].power = 1; /* 0 or 1 */
    if (kind == CY_ATOM_DELTA && use_delta(sheet, t, i)) return true;
    if (use_distribution(sheet, t, i) || dissolve(sheet, t, i)) return true;
  }
  return use_bounds(sheet, t);
}

/* -(a - b) c = (b - a) c */
static void turn_signs(cy_sheet *sheet, cy_term *t) {
  if (t->number >= 0 || sheet->as_written) return;
  for (int i = 0; i < t->n; i++) {
    const cy_atom *a = t->factor[i].atom;
    int minus = 0;
    if (a->kind != CY_ATOM_GROUP || t->factor[i].power != 1) continue;
    for (int k = 0; k < a->arg[0]->n; k++) minus += a->arg[0]->term[k].number < 0 ? 1 : -1;
    if (minus < 0) continue;
    cy_atom *turned = cy_atom_new(sheet, CY_ATOM_GROUP);
    turned->n_args = 1;
    turned->arg[0] = cy_simplify_sum(sheet, cy_poly_add(sheet, &(cy_poly){0}, a->arg[0], -1), 0);
    t->factor[i].atom = turned;
    t->number = -t->number;
    return;
  }
}

cy_term cy_simplify_term(cy_sheet *sheet, const cy_term *term, int depth) {
  cy_term t = cy_term_copy(sheet, term);
  for (int i = 0; i < t.n; i++) t.factor[i].atom = simplify_atom(sheet, t.factor[i].atom, depth);
  for (int i = 0; i < ROUNDS * (t.n + t.n_bound + 1) && t.number != 0 && !sheet->failed && step(sheet, &t); i++) {}
  turn_signs(sheet, &t);
  return t;
}
