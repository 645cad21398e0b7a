/* An order of what the sheet holds, in which things that differ only in the names of indices they bind are equal. */
#include "derive/sheet.h"

#include <string.h>

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
