/* Building what the sheet holds: polys of terms, terms of atoms. Items grow by doubling in the arena. */
#include "derive/sheet.h"

#include <math.h>
#include <string.h>

static void *allocate(cy_sheet *sheet, size_t bytes) {
  void *block = cy_arena_alloc(sheet->arena, bytes);
  if (!block) sheet->failed = true;
  return block;
}

/* Room for one more of n items, doubling at powers of two; NULL if memory is out. */
static void *extended(cy_sheet *sheet, const void *items, int n, size_t size) {
  if (n & (n - 1) || (n == 0 && items)) return (void *)(uintptr_t)items;
  void *grown = allocate(sheet, (n ? 2 * (size_t)n : 1) * size);
  if (grown && n) memcpy(grown, items, (size_t)n * size);
  return grown;
}

cy_atom *cy_atom_new(cy_sheet *sheet, cy_atom_kind kind) {
  cy_atom *atom = allocate(sheet, sizeof *atom);
  if (!atom) return &sheet->spare_atom;
  atom->kind = kind;
  return atom;
}

static cy_poly *poly_new(cy_sheet *sheet) {
  cy_poly *poly = allocate(sheet, sizeof *poly);
  return poly ? poly : &sheet->spare_poly;
}

bool cy_term_add_factor(cy_sheet *sheet, cy_term *term, const cy_atom *atom, double power) {
  cy_factor *grown = extended(sheet, term->factor, term->n, sizeof *grown);
  if (!grown) return false;
  term->factor = grown;
  term->factor[term->n++] = (cy_factor){atom, power};
  return true;
}

bool cy_term_bind(cy_sheet *sheet, cy_term *term, int index) {
  int *grown = extended(sheet, term->bound, term->n_bound, sizeof *grown);
  if (!grown) return false;
  term->bound = grown;
  term->bound[term->n_bound++] = index;
  return true;
}

bool cy_poly_add_term(cy_sheet *sheet, cy_poly *poly, const cy_term *term) {
  if (poly == &sheet->spare_poly) return false;
  cy_term *grown = extended(sheet, poly->term, poly->n, sizeof *grown);
  if (!grown) return false;
  poly->term = grown;
  poly->term[poly->n++] = *term;
  return true;
}

cy_term cy_term_copy(cy_sheet *sheet, const cy_term *term) {
  cy_term copy = *term;
  copy.n = copy.n_bound = 0;
  copy.factor = NULL;
  copy.bound = NULL;
  for (int i = 0; i < term->n_bound; i++) cy_term_bind(sheet, &copy, term->bound[i]);
  for (int i = 0; i < term->n; i++) cy_term_add_factor(sheet, &copy, term->factor[i].atom, term->factor[i].power);
  return copy;
}

cy_poly *cy_poly_of_term(cy_sheet *sheet, const cy_term *term) {
  cy_poly *poly = poly_new(sheet);
  if (term->number != 0) cy_poly_add_term(sheet, poly, term);
  return poly;
}

/* Whether a number is what people write: a whole one, or a fraction with a small denominator; then also rounded to it.
 * */
static bool is_round(double *number) {
  for (int d = 1; d <= 96 && fabs(*number) < 1e6 && *number != 0; d++) {
    double n = *number * d;
    if (fabs(n) < 0.5 || fabs(n - nearbyint(n)) > 1e-11 * fabs(n)) continue;
    *number = nearbyint(n) / d;
    return true;
  }
  return false;
}

/* number * product of depth dimensions is round: then it is that over the dimensions. */
static bool take_below(const cy_sheet *sheet, double *number, int8_t *powers, int depth, int from) {
  for (int i = from; i < sheet->n_dimensions; i++) {
    double scaled = *number * (double)sheet->dimensions[i].extent;
    if (depth > 1 ? !take_below(sheet, &scaled, powers, depth - 1, i) : !is_round(&scaled)) continue;
    *number = scaled;
    powers[i]--;
    return true;
  }
  return false;
}

/* Powers of dimensions in a number: 2/n is kept as 2 and n^-1. */
static double take_dimensions(const cy_sheet *sheet, double number, int8_t *powers) {
  if (!isfinite(number)) return number;
  for (int i = 0; i < sheet->n_dimensions; i++) {
    double e = (double)sheet->dimensions[i].extent;
    for (int k = 0; k < 4 && fabs(number) >= e && e > 1000 && number / e == floor(number / e); k++)
      number /= e, powers[i]++;
  }
  bool small = fabs(number) < 1 && number != 0 && !is_round(&number);
  for (int depth = 1; small && depth <= 4; depth++) small = !take_below(sheet, &number, powers, depth, 0);
  return number;
}

cy_poly *cy_poly_number(cy_sheet *sheet, double number) {
  cy_term term = {0};
  term.number = take_dimensions(sheet, number, term.dimension);
  return cy_poly_of_term(sheet, &term);
}

cy_poly *cy_poly_atom(cy_sheet *sheet, const cy_atom *atom, double power) {
  cy_term term = {.number = 1};
  cy_term_add_factor(sheet, &term, atom, power);
  return cy_poly_of_term(sheet, &term);
}

cy_poly *cy_poly_function(cy_sheet *sheet, cy_atom_kind kind, const cy_notation *function, int n,
                          const cy_poly *const *args) {
  cy_atom *atom = cy_atom_new(sheet, kind);
  atom->function = function;
  atom->n_args = n;
  for (int i = 0; i < n && i < CY_ATOM_ARGUMENTS; i++) atom->arg[i] = args[i];
  return cy_poly_atom(sheet, atom, 1);
}

cy_poly *cy_poly_name(cy_sheet *sheet, int name, const cy_place *places, int n) {
  cy_atom *atom = cy_atom_new(sheet, CY_ATOM_NAME);
  atom->name = name;
  atom->n_places = n;
  for (int i = 0; i < n; i++) atom->place[i] = places[i];
  return cy_poly_atom(sheet, atom, 1);
}

cy_poly *cy_poly_add(cy_sheet *sheet, const cy_poly *a, const cy_poly *b, double scale) {
  cy_poly *sum = poly_new(sheet);
  for (int i = 0; i < a->n; i++) cy_poly_add_term(sheet, sum, &a->term[i]);
  for (int i = 0; i < b->n; i++) {
    cy_term term = b->term[i];
    term.number *= scale;
    cy_poly_add_term(sheet, sum, &term);
  }
  return sum;
}

static bool binds(const cy_term *term, int index) {
  for (int i = 0; i < term->n_bound; i++)
    if (term->bound[i] == index) return true;
  return false;
}

cy_term cy_term_product(cy_sheet *sheet, const cy_term *a, const cy_term *b) {
  cy_term product = cy_term_copy(sheet, a), other = cy_term_copy(sheet, b);
  for (int i = 0; i < other.n_bound; i++) {
    if (!binds(a, other.bound[i])) continue;
    int fresh = cy_sheet_index(sheet, sheet->indices[other.bound[i]].extent, true);
    for (int k = 0; k < other.n; k++)
      other.factor[k].atom = cy_atom_substitute(sheet, other.factor[k].atom, other.bound[i], cy_place_of(fresh));
    other.bound[i] = fresh;
  }
  product.number *= other.number;
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++)
    product.dimension[i] = (int8_t)(product.dimension[i] + other.dimension[i]);
  for (int i = 0; i < other.n_bound; i++) cy_term_bind(sheet, &product, other.bound[i]);
  for (int i = 0; i < other.n; i++) cy_term_add_factor(sheet, &product, other.factor[i].atom, other.factor[i].power);
  return product;
}

/* The poly as a single term: itself, or one group. */
static cy_term as_term(cy_sheet *sheet, const cy_poly *poly, double power) {
  if (poly->n == 1 && power == 1) return poly->term[0];
  cy_term term = {.number = 1};
  cy_atom *group = cy_atom_new(sheet, CY_ATOM_GROUP);
  group->n_args = 1;
  group->arg[0] = poly;
  cy_term_add_factor(sheet, &term, group, power);
  return term;
}

cy_poly *cy_poly_mul(cy_sheet *sheet, const cy_poly *a, const cy_poly *b) {
  if (a->n == 0 || b->n == 0) return poly_new(sheet);
  cy_term s = as_term(sheet, a, 1), t = as_term(sheet, b, 1), product = cy_term_product(sheet, &s, &t);
  return cy_poly_of_term(sheet, &product);
}

/* Whether (number * factors)^power may be taken factor by factor. */
static bool power_distributes(const cy_term *t, double power) {
  if (t->n_bound || (t->number == 0 && power < 0)) return false;
  if (power == nearbyint(power)) return true;
  return t->number > 0 && (t->n == 0 || (t->n == 1 && t->factor[0].power == 1));
}

cy_poly *cy_poly_power(cy_sheet *sheet, const cy_poly *a, double power) {
  if (power == 1) return cy_poly_add(sheet, a, &(cy_poly){0}, 1);
  if (power == 0) return cy_poly_number(sheet, 1);
  if (a->n == 0 && power > 0) return cy_poly_number(sheet, 0);
  bool whole = power == nearbyint(power);
  for (int i = 0; i < CY_MAX_DIMENSIONS && a->n == 1 && !whole; i++)
    if (a->term[0].dimension[i]) goto group;
  if (a->n == 1 && power_distributes(&a->term[0], power)) {
    cy_term term = cy_term_copy(sheet, &a->term[0]);
    term.number = pow(term.number, power);
    for (int i = 0; i < CY_MAX_DIMENSIONS; i++) term.dimension[i] = (int8_t)(term.dimension[i] * (int)power);
    for (int i = 0; i < term.n; i++) term.factor[i].power *= power;
    return cy_poly_of_term(sheet, &term);
  }
group:;
  cy_term term = as_term(sheet, a, power);
  return cy_poly_of_term(sheet, &term);
}

cy_poly *cy_poly_sum_over(cy_sheet *sheet, const cy_poly *a, int index) {
  cy_poly *sum = poly_new(sheet);
  for (int i = 0; i < a->n; i++) {
    cy_term term = cy_term_copy(sheet, &a->term[i]);
    cy_term_bind(sheet, &term, index);
    cy_poly_add_term(sheet, sum, &term);
  }
  return sum;
}

bool cy_poly_is_number(const cy_poly *poly, double *number) {
  *number = poly->n ? poly->term[0].number : 0;
  for (int i = 0; poly->n && i < CY_MAX_DIMENSIONS; i++)
    if (poly->term[0].dimension[i]) return false;
  return poly->n == 0 || (poly->n == 1 && poly->term[0].n == 0 && poly->term[0].n_bound == 0);
}
