/* Building, substituting and comparing what the sheet holds. */
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

/* ---- indices ---- */

bool cy_place_has(const cy_place *place, int index) {
  if (place->label) return cy_atom_has(place->label, index);
  for (int k = 0; k < place->n; k++)
    if (place->index[k] == index) return true;
  return false;
}

bool cy_atom_has(const cy_atom *atom, int index) {
  for (int i = 0; i < atom->n_places; i++)
    if (cy_place_has(&atom->place[i], index)) return true;
  for (int i = 0; i < atom->n_args; i++)
    if (cy_poly_has(atom->arg[i], index)) return true;
  return false;
}

bool cy_poly_has(const cy_poly *poly, int index) {
  for (int i = 0; i < poly->n; i++)
    for (int k = 0; k < poly->term[i].n; k++)
      if (cy_atom_has(poly->term[i].factor[k].atom, index)) return true;
  return false;
}

bool cy_atom_has_name(const cy_atom *atom, int name) {
  if (atom->kind == CY_ATOM_NAME && atom->name == name) return true;
  for (int i = 0; i < atom->n_places; i++)
    if (atom->place[i].label && cy_atom_has_name(atom->place[i].label, name)) return true;
  for (int i = 0; i < atom->n_args; i++)
    if (cy_poly_has_name(atom->arg[i], name)) return true;
  return false;
}

bool cy_poly_has_name(const cy_poly *poly, int name) {
  for (int i = 0; i < poly->n; i++)
    for (int k = 0; k < poly->term[i].n; k++)
      if (cy_atom_has_name(poly->term[i].factor[k].atom, name)) return true;
  return false;
}

static cy_place substitute_place(cy_sheet *sheet, cy_place at, int index, cy_place place) {
  if (!cy_place_has(&at, index)) return at;
  if (at.label) {
    at.label = cy_atom_substitute(sheet, at.label, index, place);
    return at;
  }
  int64_t factor = 0;
  cy_place rest = {.offset = at.offset};
  for (int k = 0; k < at.n; k++)
    if (at.index[k] == index) factor = at.factor[k];
    else rest.index[rest.n] = at.index[k], rest.factor[rest.n++] = at.factor[k];
  if (place.label) return rest.n == 0 && rest.offset == 0 && factor == 1 ? place : at;
  return cy_place_sum(rest, place, factor);
}

const cy_atom *cy_atom_substitute(cy_sheet *sheet, const cy_atom *atom, int index, cy_place place) {
  if (!cy_atom_has(atom, index)) return atom;
  cy_atom *copy = cy_atom_new(sheet, atom->kind);
  *copy = *atom;
  for (int i = 0; i < copy->n_places; i++) copy->place[i] = substitute_place(sheet, copy->place[i], index, place);
  for (int i = 0; i < copy->n_args; i++) copy->arg[i] = cy_poly_substitute(sheet, copy->arg[i], index, place);
  return copy;
}

const cy_poly *cy_poly_substitute(cy_sheet *sheet, const cy_poly *poly, int index, cy_place place) {
  if (!cy_poly_has(poly, index)) return poly;
  cy_poly *copy = poly_new(sheet);
  for (int i = 0; i < poly->n; i++) {
    cy_term term = cy_term_copy(sheet, &poly->term[i]);
    for (int k = 0; k < term.n; k++) term.factor[k].atom = cy_atom_substitute(sheet, term.factor[k].atom, index, place);
    cy_poly_add_term(sheet, copy, &term);
  }
  return copy;
}

/* ---- comparing ---- */

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))
#define DECIDE(a, b)                     \
  do {                                   \
    int order_ = ORDER(a, b);            \
    if (order_) return order_;           \
  } while (0)

/* pairing says which index on the right goes with one on the left, and behind it the other way round: an index goes
 * with itself, save those that are bound by what is being compared, which are paired (UNPAIRED: not yet) as they are
 * met. */
enum { UNPAIRED = -1 };

static int *paired_from(cy_sheet *sheet) { return sheet->pairing + sheet->pairing_capacity / 2; }

static void set_pair(cy_sheet *sheet, int a, int b) {
  sheet->pairing[a] = b;
  paired_from(sheet)[b] = a;
}

static int compare_index(cy_sheet *sheet, int a, int b) {
  if (sheet->loose && sheet->indices[a].bound && sheet->indices[b].bound) return 0;
  if (sheet->loose) return ORDER(a, b);
  if (sheet->pairing[a] == UNPAIRED && paired_from(sheet)[b] == UNPAIRED) set_pair(sheet, a, b);
  return sheet->pairing[a] == b && paired_from(sheet)[b] == a ? 0 : a < b ? -1 : 1;
}

/* Before and after two terms: their own indices. */
static void open_pairs(cy_sheet *sheet, const cy_term *s, const cy_term *t) {
  for (int i = 0; i < s->n_bound && !sheet->loose; i++) sheet->pairing[s->bound[i]] = UNPAIRED;
  for (int i = 0; i < t->n_bound && !sheet->loose; i++) paired_from(sheet)[t->bound[i]] = UNPAIRED;
}

static void close_pairs(cy_sheet *sheet, const cy_term *s, const cy_term *t) {
  for (int i = 0; i < s->n_bound && !sheet->loose; i++) sheet->pairing[s->bound[i]] = s->bound[i];
  for (int i = 0; i < t->n_bound && !sheet->loose; i++) paired_from(sheet)[t->bound[i]] = t->bound[i];
}

static int compare_atoms(cy_sheet *sheet, const cy_atom *a, const cy_atom *b);

static int compare_places(cy_sheet *sheet, const cy_place *a, const cy_place *b) {
  DECIDE(a->label != NULL, b->label != NULL);
  if (a->label) return compare_atoms(sheet, a->label, b->label);
  DECIDE(a->n, b->n);
  DECIDE(a->offset, b->offset);
  for (int k = 0; k < a->n; k++) {
    DECIDE(a->factor[k], b->factor[k]);
    int order = compare_index(sheet, a->index[k], b->index[k]);
    if (order) return order;
  }
  return 0;
}

static int compare_polys(cy_sheet *sheet, const cy_poly *a, const cy_poly *b);

static int compare_atoms(cy_sheet *sheet, const cy_atom *a, const cy_atom *b) {
  if (a == b && sheet->loose) return 0; /* else its indices have to be met */
  DECIDE(a->kind, b->kind);
  DECIDE(a->name, b->name);
  DECIDE((uintptr_t)a->function, (uintptr_t)b->function);
  DECIDE(a->node, b->node);
  DECIDE(a->n_places, b->n_places);
  DECIDE(a->n_args, b->n_args);
  for (int i = 0; i < a->n_places; i++) {
    int order = compare_places(sheet, &a->place[i], &b->place[i]);
    if (order) return order;
  }
  bool runs = a->kind == CY_ATOM_ALONG && !sheet->loose;
  if (runs) set_pair(sheet, a->dummy, b->dummy);
  for (int i = 0; i < a->n_args; i++) {
    int order = compare_polys(sheet, a->arg[i], b->arg[i]);
    if (order) return order;
  }
  if (runs) {
    sheet->pairing[a->dummy] = a->dummy;
    paired_from(sheet)[b->dummy] = b->dummy;
  }
  return 0;
}

static int compare_polys(cy_sheet *sheet, const cy_poly *a, const cy_poly *b) {
  DECIDE(a->n, b->n);
  for (int i = 0; i < a->n; i++) {
    const cy_term *s = &a->term[i], *t = &b->term[i];
    DECIDE(s->n, t->n);
    DECIDE(s->n_bound, t->n_bound);
    DECIDE(s->number, t->number);
    int dims = memcmp(s->dimension, t->dimension, sizeof s->dimension);
    if (dims) return dims;
    open_pairs(sheet, s, t);
    for (int k = 0; k < s->n; k++) {
      DECIDE(s->factor[k].power, t->factor[k].power);
      int order = compare_atoms(sheet, s->factor[k].atom, t->factor[k].atom);
      if (order) return order;
    }
    close_pairs(sheet, s, t);
  }
  return 0;
}

static bool start_pairing(cy_sheet *sheet) {
  if (sheet->pairing_capacity < 2 * (size_t)sheet->n_indices) {
    size_t wanted = 4 * (size_t)sheet->n_indices;
    int *grown = cy_realloc(sheet->pairing, wanted, sizeof *grown);
    if (!grown) return sheet->failed = true, false;
    sheet->pairing = grown;
    sheet->pairing_capacity = wanted;
  }
  for (int i = 0; i < sheet->n_indices; i++) set_pair(sheet, i, i);
  return true;
}

int cy_atom_compare(cy_sheet *sheet, const cy_atom *a, const cy_atom *b) {
  return start_pairing(sheet) ? compare_atoms(sheet, a, b) : 1;
}

int cy_atom_compare_loosely(cy_sheet *sheet, const cy_atom *a, const cy_atom *b) {
  sheet->loose = true;
  int order = compare_atoms(sheet, a, b);
  sheet->loose = false;
  return order;
}

int cy_poly_compare(cy_sheet *sheet, const cy_poly *a, const cy_poly *b) {
  return start_pairing(sheet) ? compare_polys(sheet, a, b) : 1;
}

bool cy_poly_is_number(const cy_poly *poly, double *number) {
  *number = poly->n ? poly->term[0].number : 0;
  for (int i = 0; poly->n && i < CY_MAX_DIMENSIONS; i++)
    if (poly->term[0].dimension[i]) return false;
  return poly->n == 0 || (poly->n == 1 && poly->term[0].n == 0 && poly->term[0].n_bound == 0);
}
