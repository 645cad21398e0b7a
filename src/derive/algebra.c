/* Simplification in index form, sum by sum: like terms are collected, what all share goes in front, and a product with
 * a sum is multiplied out where that leaves less to write. Values are unchanged up to rounding, given that classes are
 * classes (a one-hot vector sums to one). */
#include "derive/algebra.h"

#include <math.h>
#include <string.h>

enum { DEPTH = 3, MOST_TERMS = 8, CLEARLY = 1 };

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
    cy_term_remove_factor(&rest, i);
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
    cy_term_remove_factor(&rest, at);
    cy_term product = cy_term_product(sheet, &rest, &group->term[i]);
    cy_poly_add_term(sheet, sum, &product);
  }
  return cy_simplify_sum(sheet, sum, depth);
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
    for (int k = 0; k < rest->n; k++) cy_term_remove_factor(&rest->term[k], factor_like(sheet, &rest->term[k], &f));
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
    cy_term t = cy_simplify_term(sheet, &poly->term[i], depth);
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
const cy_poly *cy_simplify_sum(cy_sheet *sheet, const cy_poly *poly, int depth) {
  const cy_poly *sum = simplify_terms(sheet, poly, depth);
  if (depth < DEPTH || sheet->expands || !has_condition(sum)) return sum;
  sheet->expands = true;
  const cy_poly *expanded = simplify_terms(sheet, sum, depth);
  sheet->expands = false;
  cy_poly *copy = cy_poly_add(sheet, expanded, &(cy_poly){0}, 1);
  const cy_poly *again = factored(sheet, copy);
  return cy_poly_cost(again) <= cy_poly_cost(sum) ? again : sum;
}

const cy_poly *cy_poly_simplify(cy_sheet *sheet, const cy_poly *poly) { return cy_simplify_sum(sheet, poly, DEPTH); }
