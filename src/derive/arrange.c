/* The order in which the terms of a derivative are written, whatever the graph's: a polynomial in numbers by falling
 * degree, its constant last, 3 x^2 + 2 x + 1, unless that begins with a minus and rising degrees do not, 1 - x^2.
 * Other sums stay as they are: the terms follow what is derived. Factors that are numbers: what comes in, symbols,
 * values, functions, sums, conditions, ds x cos(x) (1 + y). */
#include "derive/derivation.h"

#include <math.h>

enum { NO_POLYNOMIAL = -1 };

/* The degree in named numbers; gradients and tangents are no variables of a polynomial. */
static double degree_of(const cy_derivation *d, const cy_term *t) {
  double degree = 0;
  if (t->n_bound) return NO_POLYNOMIAL;
  for (int i = 0; i < t->n; i++) {
    const cy_factor *f = &t->factor[i];
    if (f->atom->kind != CY_ATOM_NAME || f->atom->n_places || f->power < 1 || f->power != nearbyint(f->power))
      return NO_POLYNOMIAL;
    if (d->sheet.names[f->atom->name].of >= 0) return NO_POLYNOMIAL;
    degree += f->power;
  }
  return degree;
}

/* In place, terms of one degree as they were. */
static void sort_by_degree(const cy_derivation *d, cy_poly *sum, int sign) {
  for (int i = 1; i < sum->n; i++)
    for (int k = i; k > 0 && sign * degree_of(d, &sum->term[k]) < sign * degree_of(d, &sum->term[k - 1]); k--) {
      cy_term swap = sum->term[k];
      sum->term[k] = sum->term[k - 1];
      sum->term[k - 1] = swap;
    }
}

static int rank_of(const cy_derivation *d, const cy_atom *a) {
  switch (a->kind) {
    case CY_ATOM_NAME:
      if (d->sheet.names[a->name].of >= 0) return 0;
      return d->sheet.names[a->name].kind == CY_NAME_SYMBOL ? 1 : 2;
    case CY_ATOM_GROUP: return 4;
    case CY_ATOM_COMPARE: return 5;
    default: return 3;
  }
}

/* Factors of a term that is a product of numbers, unless there are none to turn. */
static void sort_factors(cy_derivation *d, cy_term *t) {
  for (int i = 0; i < t->n; i++)
    if (t->factor[i].atom->n_places || t->n_bound) return;
  *t = cy_term_copy(&d->sheet, t);
  for (int i = 1; i < t->n; i++)
    for (int k = i; k > 0 && rank_of(d, t->factor[k].atom) < rank_of(d, t->factor[k - 1].atom); k--) {
      cy_factor swap = t->factor[k];
      t->factor[k] = t->factor[k - 1];
      t->factor[k - 1] = swap;
    }
}

const cy_poly *cy_arranged(cy_derivation *d, const cy_poly *poly, bool factors) {
  cy_poly *sum = cy_poly_add(&d->sheet, poly, &(cy_poly){0}, 1);
  if (sum->n != poly->n) return poly; /* memory is out */
  for (int i = 0; i < sum->n && factors; i++) sort_factors(d, &sum->term[i]);
  for (int i = 0; i < sum->n; i++)
    if (degree_of(d, &sum->term[i]) == NO_POLYNOMIAL) return sum;
  sort_by_degree(d, sum, -1);
  if (sum->n && sum->term[0].number < 0 && sum->term[sum->n - 1].number > 0) sort_by_degree(d, sum, 1);
  return sum;
}
