/* Simplification in index form: equal factors become powers, deltas do away with sums, like terms are collected, and a
 * product with a sum is multiplied out where that leaves less to write. Values are unchanged up to rounding, given that
 * classes are classes (a one-hot vector sums to one). */
#include "derive/sheet.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 32, DEPTH = 3, MOST_TERMS = 8, CLEARLY = 1 };

/* ---- how much there is to write ---- */

static int atom_cost(const cy_atom *atom) {
  int cost = atom->kind == CY_ATOM_GROUP ? 1 : 2;
  for (int i = 0; i < atom->n_args; i++) cost += cy_poly_cost(atom->arg[i]);
  return cost;
}

static int term_cost(const cy_term *term) {
  int cost = term->n_bound + (fabs(term->number) != 1) + (term->n == 0);
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++) cost += term->dimension[i] != 0;
  for (int i = 0; i < term->n; i++) cost += atom_cost(term->factor[i].atom) + (term->factor[i].power != 1);
  return cost;
}

int cy_poly_cost(const cy_poly *poly) {
  int cost = poly->n ? poly->n - 1 : 1;
  for (int i = 0; i < poly->n; i++) cost += term_cost(&poly->term[i]);
  return cost;
}

/* ---- terms ---- */

static void remove_factor(cy_term *t, int at) {
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
    remove_factor(t, at);
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
    remove_factor(t, at);
    return true;
  }
  if (places_equal(sheet, &p, &q) && !(bound_at(t, &p) >= 0 && p.index[0] != q.index[0])) {
    remove_factor(t, at);
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
    remove_factor(t, at);
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
  remove_factor(t, at);
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

static const cy_poly *simplify(cy_sheet *sheet, const cy_poly *poly, int depth);

static const cy_atom *simplify_atom(cy_sheet *sheet, const cy_atom *atom, int depth) {
  const cy_atom *result = atom;
  for (int i = 0; i < atom->n_args; i++) {
    const cy_poly *arg = simplify(sheet, atom->arg[i], depth);
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
  remove_factor(t, at);
  multiply_in(sheet, t, inside, power);
  return true;
}

static bool merge_powers(cy_sheet *sheet, cy_term *t) {
  for (int i = 0; i < t->n; i++)
    for (int k = i + 1; k < t->n; k++)
      if (cy_atom_compare(sheet, t->factor[i].atom, t->factor[k].atom) == 0) {
        t->factor[i].power += t->factor[k].power;
        remove_factor(t, k);
        if (fabs(t->factor[i].power) < 1e-12) remove_factor(t, i);
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
    turned->arg[0] = simplify(sheet, cy_poly_add(sheet, &(cy_poly){0}, a->arg[0], -1), 0);
    t->factor[i].atom = turned;
    t->number = -t->number;
    return;
  }
}

static cy_term simplify_term(cy_sheet *sheet, const cy_term *term, int depth) {
  cy_term t = cy_term_copy(sheet, term);
  for (int i = 0; i < t.n; i++) t.factor[i].atom = simplify_atom(sheet, t.factor[i].atom, depth);
  for (int i = 0; i < ROUNDS * (t.n + t.n_bound + 1) && t.number != 0 && !sheet->failed && step(sheet, &t); i++) {}
  turn_signs(sheet, &t);
  return t;
}

/* ---- sums ---- */

/* Factors in an order that does not ask for the names of bound indices, so that alike terms look alike. */
static cy_poly *canonical(cy_sheet *sheet, const cy_term *term) {
  cy_term t = cy_term_copy(sheet, term);
  t.number = 1;
  for (int i = 1; i < t.n; i++)
    for (int k = i; k > 0; k--) {
      int order = cy_atom_compare_loosely(sheet, t.factor[k - 1].atom, t.factor[k].atom);
      if (order < 0 || (order == 0 && t.factor[k - 1].power <= t.factor[k].power)) break;
      cy_factor swap = t.factor[k];
      t.factor[k] = t.factor[k - 1];
      t.factor[k - 1] = swap;
    }
  return cy_poly_of_term(sheet, &t);
}

static bool alike(cy_sheet *sheet, const cy_term *s, const cy_term *t) {
  if (s->n != t->n || s->n_bound != t->n_bound || memcmp(s->dimension, t->dimension, sizeof s->dimension)) return false;
  return cy_poly_compare(sheet, canonical(sheet, s), canonical(sheet, t)) == 0;
}

/* t is the term times a condition, subtracted: what is left is the term where the condition does not hold. */
static bool leave_opposite(cy_sheet *sheet, cy_term *whole, const cy_term *t) {
  if (t->n != whole->n + 1 || t->number != -whole->number) return false;
  for (int i = 0; i < t->n; i++) {
    const cy_atom *c = t->factor[i].atom;
    cy_term rest = cy_term_copy(sheet, t);
    if (c->kind != CY_ATOM_COMPARE) continue;
    remove_factor(&rest, i);
    if (!alike(sheet, whole, &rest)) continue;
    cy_atom *opposite = cy_atom_new(sheet, CY_ATOM_COMPARE);
    *opposite = *c;
    opposite->function = cy_notation_find(c->function->opposite);
    cy_term left = cy_term_copy(sheet, t);
    left.number = whole->number;
    left.factor[i].atom = opposite;
    *whole = left;
    return true;
  }
  return false;
}

static void collect(cy_sheet *sheet, cy_poly *sum, const cy_term *term) {
  for (int i = 0; i < sum->n; i++)
    if (alike(sheet, &sum->term[i], term)) {
      sum->term[i].number += term->number;
      if (fabs(sum->term[i].number) > 1e-14 * fabs(term->number)) return;
      for (int k = i; k + 1 < sum->n; k++) sum->term[k] = sum->term[k + 1];
      sum->n--;
      return;
    }
  for (int i = 0; i < sum->n; i++) {
    cy_term other = sum->term[i];
    if (leave_opposite(sheet, &sum->term[i], term)) return;
    cy_term mine = *term;
    if (leave_opposite(sheet, &mine, &other)) {
      sum->term[i] = mine;
      return;
    }
  }
  if (term->number != 0) cy_poly_add_term(sheet, sum, term);
}

/* t is number * (a + b): its terms belong to the sum around it, if that costs no second number. */
static const cy_poly *spliced(const cy_term *t) {
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++)
    if (t->dimension[i]) return NULL;
  bool group = t->n == 1 && t->n_bound == 0 && t->factor[0].power == 1 && t->factor[0].atom->kind == CY_ATOM_GROUP;
  return group && fabs(t->number) == 1 ? t->factor[0].atom->arg[0] : NULL;
}

/* t with factor `at`, a group, multiplied out. */
static const cy_poly *multiplied_out(cy_sheet *sheet, const cy_term *t, int at, int depth) {
  const cy_poly *group = t->factor[at].atom->arg[0];
  cy_poly *sum = cy_poly_number(sheet, 0);
  for (int i = 0; i < group->n; i++) {
    cy_term rest = cy_term_copy(sheet, t);
    remove_factor(&rest, at);
    cy_term product = cy_term_product(sheet, &rest, &group->term[i]);
    cy_poly_add_term(sheet, sum, &product);
  }
  return simplify(sheet, sum, depth);
}

/* The term, or what it becomes multiplied out if that is less to write. */
static const cy_poly *cheapest(cy_sheet *sheet, const cy_term *t, int depth) {
  const cy_poly *best = cy_poly_of_term(sheet, t);
  for (int i = 0; i < t->n && depth > 0; i++) {
    const cy_atom *a = t->factor[i].atom;
    if (a->kind != CY_ATOM_GROUP || t->factor[i].power != 1 || a->arg[0]->n > MOST_TERMS) continue;
    const cy_poly *out = multiplied_out(sheet, t, i, depth - 1);
    if (sheet->expands || cy_poly_cost(out) + CLEARLY < cy_poly_cost(best)) best = out;
  }
  return best;
}

static int factor_like(cy_sheet *sheet, const cy_term *t, const cy_factor *f) {
  for (int i = 0; i < t->n; i++)
    if (t->factor[i].power == f->power && cy_atom_compare(sheet, t->factor[i].atom, f->atom) == 0) return i;
  return -1;
}

static bool has_bound(const cy_term *t, const cy_atom *a) {
  for (int i = 0; i < t->n_bound; i++)
    if (cy_atom_has(a, t->bound[i])) return true;
  return false;
}

/* Moves what all terms share from them to common: factors, and dimensions below the line. */
static bool take_common(cy_sheet *sheet, cy_poly *rest, cy_term *common) {
  bool some = false;
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++) {
    int8_t shared = rest->term[0].dimension[i];
    for (int k = 1; k < rest->n; k++)
      if (rest->term[k].dimension[i] > shared) shared = rest->term[k].dimension[i];
    if (shared >= 0) continue;
    common->dimension[i] = shared;
    for (int k = 0; k < rest->n; k++) rest->term[k].dimension[i] = (int8_t)(rest->term[k].dimension[i] - shared);
    some = true;
  }
  for (int i = 0; i < rest->term[0].n;) {
    cy_factor f = rest->term[0].factor[i];
    bool all = f.atom->kind != CY_ATOM_DELTA;
    for (int k = 0; k < rest->n && all; k++) {
      int at = factor_like(sheet, &rest->term[k], &f);
      all = at >= 0 && !has_bound(&rest->term[k], rest->term[k].factor[at].atom);
    }
    if (!all) {
      i++;
      continue;
    }
    for (int k = 0; k < rest->n; k++) remove_factor(&rest->term[k], factor_like(sheet, &rest->term[k], &f));
    cy_term_add_factor(sheet, common, f.atom, f.power);
    some = true;
  }
  return some;
}

/* a b + a c = a (b + c), if that is no more to write. */
static cy_poly *factored(cy_sheet *sheet, cy_poly *sum) {
  if (sum->n < 2 || sheet->expands) return sum;
  cy_poly *rest = cy_poly_number(sheet, 0);
  cy_term common = {.number = 1};
  for (int i = 0; i < sum->n; i++) {
    cy_term copy = cy_term_copy(sheet, &sum->term[i]);
    cy_poly_add_term(sheet, rest, &copy);
  }
  if (rest->n != sum->n || !take_common(sheet, rest, &common)) return sum;
  cy_poly *product = cy_poly_mul(sheet, cy_poly_of_term(sheet, &common), rest);
  return cy_poly_cost(product) <= cy_poly_cost(sum) ? product : sum;
}

/* What is added comes before what is subtracted, where the first would be a minus. */
static void begin_with_plus(cy_poly *sum) {
  int at = 0;
  while (at < sum->n && sum->term[at].number < 0) at++;
  if (at == 0 || at >= sum->n) return;
  cy_term first = sum->term[at];
  for (int i = at; i > 0; i--) sum->term[i] = sum->term[i - 1];
  sum->term[0] = first;
}

static bool has_condition(const cy_poly *poly) {
  for (int i = 0; i < poly->n; i++)
    for (int k = 0; k < poly->term[i].n; k++) {
      const cy_atom *a = poly->term[i].factor[k].atom;
      if (a->kind == CY_ATOM_COMPARE || (a->kind == CY_ATOM_GROUP && has_condition(a->arg[0]))) return true;
    }
  return false;
}

static const cy_poly *simplify_terms(cy_sheet *sheet, const cy_poly *poly, int depth) {
  cy_poly *sum = cy_poly_number(sheet, 0), *alone = cy_poly_number(sheet, 0);
  for (int i = 0; i < poly->n && !sheet->failed; i++) { /* (a - b) + (a - b) = 2 (a - b) */
    cy_term t = simplify_term(sheet, &poly->term[i], depth);
    collect(sheet, alone, &t);
  }
  for (int i = 0; i < alone->n && !sheet->failed; i++) {
    const cy_term *t = &alone->term[i];
    const cy_poly *inner = spliced(t);
    for (int k = 0; inner && k < inner->n; k++) {
      cy_term part = inner->term[k];
      part.number *= t->number;
      collect(sheet, sum, &part);
    }
    const cy_poly *best = inner ? &(cy_poly){0} : cheapest(sheet, t, depth);
    for (int k = 0; k < best->n; k++) collect(sheet, sum, &best->term[k]);
  }
  if (!sheet->as_written) begin_with_plus(sum);
  return factored(sheet, sum);
}

/* Conditions and their opposites may only meet once all is multiplied out. */
static const cy_poly *simplify(cy_sheet *sheet, const cy_poly *poly, int depth) {
  const cy_poly *sum = simplify_terms(sheet, poly, depth);
  if (depth < DEPTH || sheet->expands || !has_condition(sum)) return sum;
  sheet->expands = true;
  const cy_poly *expanded = simplify_terms(sheet, sum, depth);
  sheet->expands = false;
  cy_poly *copy = cy_poly_add(sheet, expanded, &(cy_poly){0}, 1);
  const cy_poly *again = factored(sheet, copy);
  return cy_poly_cost(again) <= cy_poly_cost(sum) ? again : sum;
}

const cy_poly *cy_poly_simplify(cy_sheet *sheet, const cy_poly *poly) { return simplify(sheet, poly, DEPTH); }
