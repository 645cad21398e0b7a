/* From index form to matrix form. A product of factors is a network: indices are its joints, and a sum runs over every
 * joint that is bound. Parts that hang together only at the result's indices multiply element by element; a bound joint
 * between two matrices is a matrix product. Sets of factors are bit masks. */
#include "derive/matrix.h"

#include <math.h>
#include <string.h>

typedef uint32_t factors; /* of one term */

typedef struct network {
  cy_sheet *sheet;
  const cy_term *term;
} network;

static factors with_index(const network *w, factors set, int index) {
  factors found = 0;
  for (int i = 0; index >= 0 && i < w->term->n; i++)
    if (set >> i & 1 && cy_atom_has(w->term->factor[i].atom, index)) found |= 1u << i;
  return found;
}

static bool is_joint(const network *w, int k, int row, int column) {
  return w->term->bound[k] != row && w->term->bound[k] != column;
}

/* The factors of set that hang together with the lowest one by bound joints. */
static factors component(const network *w, factors set, int row, int column) {
  factors together = set & -set, before;
  do {
    before = together;
    for (int k = 0; k < w->term->n_bound; k++)
      if (is_joint(w, k, row, column)) {
        factors at = with_index(w, set, w->term->bound[k]);
        if (at & together) together |= at;
      }
  } while (together != before);
  return together;
}

static const cy_expr *part(const network *w, factors set, int row, int column);

static const cy_expr *hadamard(cy_sheet *s, const cy_expr *a, const cy_expr *b) {
  if (!a || !b) return NULL;
  if (a->kind == CY_EXPR_TRANSPOSE && b->kind == CY_EXPR_TRANSPOSE)
    return cy_expr_transposed(s, hadamard(s, a->part[0], b->part[0]));
  cy_expr *e = cy_expr_new(s, CY_EXPR_HADAMARD, a->rank);
  const cy_expr *side[2] = {a, b};
  for (int k = 0; k < 2; k++)
    if (side[k]->kind == CY_EXPR_HADAMARD)
      for (int i = 0; i < side[k]->n; i++) e = cy_expr_with(s, e, side[k]->part[i], side[k]->power[i]);
    else if (side[k]->kind == CY_EXPR_POWER && side[k]->number < 0)
      e = cy_expr_with(s, e, side[k]->part[0], side[k]->number);
    else e = cy_expr_with(s, e, side[k], 1);
  return e;
}

/* One factor, to its power. */
static const cy_expr *single(const network *w, factors set, int row, int column) {
  if (set & (set - 1)) return NULL;
  const cy_factor *f = &w->term->factor[__builtin_ctz(set)];
  return cy_expr_raised(w->sheet, cy_expr_of_atom(w->sheet, f->atom, row, column), f->power);
}

static bool has_joint(const network *w, factors set, int row, int column) {
  for (int k = 0; k < w->term->n_bound; k++)
    if (is_joint(w, k, row, column) && with_index(w, set, w->term->bound[k])) return true;
  return false;
}

/* The sum of a vector's elements. */
static const cy_expr *total(cy_sheet *s, const cy_expr *v, int64_t extent) {
  if (!v) return NULL;
  if (v->kind == CY_EXPR_HADAMARD && v->n == 2 && v->power[0] == 1 && v->power[1] == 1)
    return cy_expr_with(s, cy_expr_unary(s, CY_EXPR_INNER, 0, v->part[0]), v->part[1], 1);
  if (v->kind == CY_EXPR_POWER && v->number == 2 && v->part[0]->kind == CY_EXPR_NAME)
    return cy_expr_with(s, cy_expr_unary(s, CY_EXPR_INNER, 0, v->part[0]), v->part[0], 1);
  if (v->kind == CY_EXPR_MATMUL && v->n == 2 && v->part[1]->kind == CY_EXPR_ONES) {
    extent *= v->part[1]->extent;
    v = v->part[0];
  }
  cy_expr *e = cy_expr_unary(s, CY_EXPR_SUM, 0, v);
  if (e) e->extent = extent;
  return e;
}

static const cy_expr *scalar_part(const network *w, factors set) {
  if (!has_joint(w, set, -1, -1)) return single(w, set, -1, -1);
  for (int k = 0; k < w->term->n_bound; k++) {
    int index = w->term->bound[k];
    if (!with_index(w, set, index)) continue;
    const cy_expr *e = total(w->sheet, part(w, set, index, -1), w->sheet->indices[index].extent);
    if (e) return e;
  }
  return NULL;
}

static const cy_expr *vector_part(const network *w, factors set, int row) {
  cy_sheet *s = w->sheet;
  if (!has_joint(w, set, row, -1)) return single(w, set, row, -1);
  factors at_row = with_index(w, set, row);
  for (int k = 0; k < w->term->n_bound; k++) {
    int joint = w->term->bound[k];
    factors matrix = at_row & with_index(w, set, joint), rest = set & ~matrix;
    if (joint == row || !matrix) continue;
    const cy_expr *e;
    if (rest & at_row) /* row sums of two matrices' product, element by element */
      e = cy_expr_product(s, hadamard(s, part(w, matrix, row, joint), part(w, rest, row, joint)),
                          cy_expr_ones(s, joint));
    else e = cy_expr_product(s, part(w, matrix, row, joint), rest ? part(w, rest, joint, -1) : cy_expr_ones(s, joint));
    if (e) return e;
  }
  return NULL;
}

static const cy_expr *matrix_part(const network *w, factors set, int row, int column) {
  if (!has_joint(w, set, row, column)) return single(w, set, row, column);
  factors at_row = with_index(w, set, row);
  for (int k = 0; k < w->term->n_bound; k++) {
    int joint = w->term->bound[k];
    factors left = at_row & with_index(w, set, joint), rest = set & ~left;
    if (joint == row || joint == column || !left || left != at_row || with_index(w, left, column)) continue;
    if (!with_index(w, rest, column) || !with_index(w, rest, joint)) continue;
    const cy_expr *e = cy_expr_product(w->sheet, part(w, left, row, joint), part(w, rest, joint, column));
    if (e) return e;
  }
  return NULL;
}

/* What the factors come to, by what they touch. */
typedef struct parts {
  cy_expr *scalars; /* a TIMES that collects them */
  const cy_expr *rows, *columns, *both;
  bool failed;
} parts;

static void join(cy_sheet *s, const cy_expr **whole, const cy_expr *e, bool *failed) {
  *failed = *failed || !e;
  if (e) *whole = *whole ? hadamard(s, *whole, e) : e;
}

static void add_scalar(cy_sheet *s, parts *p, const cy_expr *e) {
  if (e && e->kind == CY_EXPR_POWER) p->scalars = cy_expr_with(s, p->scalars, e->part[0], e->number);
  else p->scalars = cy_expr_with(s, p->scalars, e, 1);
  p->failed = p->failed || !p->scalars;
}

static parts split(const network *w, factors set, int row, int column) {
  cy_sheet *s = w->sheet;
  parts p = {.scalars = cy_expr_new(s, CY_EXPR_TIMES, (row >= 0) + (column >= 0))};
  p.failed = !p.scalars;
  while (set && !p.failed) {
    factors one = component(w, set, row, column);
    bool r = with_index(w, one, row) != 0, c = with_index(w, one, column) != 0;
    if (r && c) join(s, &p.both, matrix_part(w, one, row, column), &p.failed);
    else if (r) join(s, &p.rows, vector_part(w, one, row), &p.failed);
    else if (c) join(s, &p.columns, vector_part(w, one, column), &p.failed);
    else add_scalar(s, &p, scalar_part(w, one));
    set &= ~one;
  }
  return p;
}

static const cy_expr *diagonal(cy_sheet *s, const cy_expr *v) { return cy_expr_unary(s, CY_EXPR_DIAGONAL, 2, v); }

static const cy_expr *matrix_body(cy_sheet *s, const parts *p, int row, int column) {
  const cy_expr *u = p->rows, *v = p->columns, *m = p->both;
  if (!m && !u && !v) return NULL;
  if (!m) {
    cy_expr *outer = cy_expr_unary(s, CY_EXPR_OUTER, 2, u ? u : cy_expr_ones(s, row));
    return cy_expr_with(s, outer, v ? v : cy_expr_ones(s, column), 1);
  }
  if (m->kind == CY_EXPR_IDENTITY && (u || v)) return diagonal(s, u && v ? hadamard(s, u, v) : u ? u : v);
  if (u) m = cy_expr_product(s, diagonal(s, u), m);
  return v ? cy_expr_product(s, m, diagonal(s, v)) : m;
}

static bool is_plain(const cy_expr *times) {
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++)
    if (times->dimension[i]) return false;
  return times->number == 1 && times->n == 0;
}

/* TIMES around a body, or less if that says the same. */
static const cy_expr *finish(cy_sheet *s, cy_expr *times, const cy_expr *body) {
  if (!times) return NULL;
  if (body && is_plain(times)) return body;
  times->body = body;
  times->rank = body ? body->rank : 0;
  bool bare = !body && times->n == 1 && times->power[0] == 1;
  if (bare) {
    const cy_expr *only = times->part[0];
    times->n = 0;
    if (is_plain(times)) return only;
    times->n = 1;
  }
  (void)s;
  return times;
}

static const cy_expr *part(const network *w, factors set, int row, int column) {
  parts p = split(w, set, row, column);
  if (p.failed) return NULL;
  const cy_expr *body = column >= 0 ? matrix_body(w->sheet, &p, row, column) : p.rows;
  return row >= 0 && !body ? NULL : finish(w->sheet, p.scalars, body);
}

/* times holds 1 / extent: it is taken out. */
static bool take_count(cy_sheet *s, cy_expr *times, int64_t extent) {
  const cy_poly *count = cy_poly_number(s, (double)extent);
  if (extent <= 1 || count->n == 0) return false;
  const cy_term *n = &count->term[0];
  double number = times->number * n->number;
  bool below = n->number == 1 ||
               (times->number != nearbyint(times->number) && fabs(number * 64 - nearbyint(number * 64)) < 1e-9);
  for (int k = 0; k < CY_MAX_DIMENSIONS; k++)
    below = below && times->dimension[k] + n->dimension[k] <= (n->dimension[k] ? 0 : 99);
  if (!below) return false;
  for (int k = 0; k < CY_MAX_DIMENSIONS; k++) times->dimension[k] = (int8_t)(times->dimension[k] + n->dimension[k]);
  times->number = n->number == 1 ? number : nearbyint(number * 64) / 64;
  return true;
}

/* sum(x) / n is a mean. */
static void find_mean(cy_sheet *s, cy_expr *times) {
  for (int i = 0; i < times->n; i++) {
    const cy_expr *sum = times->part[i];
    if (sum->kind != CY_EXPR_SUM || times->power[i] != 1 || !take_count(s, times, sum->extent)) continue;
    cy_expr *mean = cy_expr_unary(s, CY_EXPR_MEAN, 0, sum->part[0]);
    if (!mean) return;
    mean->extent = sum->extent;
    times->part[i] = mean;
    return;
  }
}

static const cy_expr *term_expr(cy_sheet *s, const cy_term *t, int row, int column) {
  network w = {s, t};
  if (t->n > 30) return NULL;
  factors all = t->n ? (factors)(1u << t->n) - 1 : 0;
  parts p = split(&w, all, row, column);
  if (p.failed) return NULL;
  const cy_expr *body = column >= 0 ? matrix_body(s, &p, row, column) : p.rows;
  if (column >= 0 && !body && (p.rows || p.columns || p.both)) return NULL;
  p.scalars->number = t->number;
  memcpy(p.scalars->dimension, t->dimension, sizeof t->dimension);
  find_mean(s, p.scalars);
  return finish(s, p.scalars, body);
}

const cy_expr *cy_expr_of(cy_sheet *s, const cy_poly *poly, int row, int column) {
  int rank = (row >= 0) + (column >= 0);
  if (poly->n == 1) return term_expr(s, &poly->term[0], row, column);
  cy_expr *sum = cy_expr_new(s, CY_EXPR_ADD, rank);
  for (int i = 0; i < poly->n; i++) {
    cy_term t = poly->term[i];
    bool minus = t.number < 0;
    t.number = fabs(t.number);
    sum = cy_expr_with(s, sum, term_expr(s, &t, row, column), minus ? -1 : 1);
  }
  if (sum && poly->n == 0) {
    sum->kind = CY_EXPR_TIMES;
    sum->number = 0;
    sum->rank = 0;
  }
  return sum;
}

static const cy_expr *whole_call(cy_sheet *s, const cy_poly *poly, const int *indices, int n) {
  if (poly->n != 1 || poly->term[0].n != 1 || poly->term[0].n_bound || poly->term[0].number != 1) return NULL;
  const cy_atom *a = poly->term[0].factor[0].atom;
  return a->kind == CY_ATOM_OPAQUE ? cy_expr_of_whole(s, a, indices, n) : NULL;
}

const cy_expr *cy_expr_of_all(cy_sheet *s, const cy_poly *poly, const int *indices, int n) {
  const cy_expr *e = whole_call(s, poly, indices, n);
  if (!e && n <= 2) e = cy_expr_of(s, poly, n > 0 ? indices[0] : -1, n > 1 ? indices[1] : -1);
  if (e) return e;
  cy_expr *indexed = cy_expr_new(s, CY_EXPR_INDEXED, n);
  if (indexed) indexed->poly = poly;
  return indexed;
}
