/* Values of a graph as one writes them in index form: sums of products of things with indices,
 *
 *   dW_ij = sum_n 2/n (s_ni - y_ni) x_nj
 *
 * A cy_poly is a sum of terms; a term is a number times powers of dimensions times a product of atoms to some power,
 * summed over bound indices; an atom is a named value with its places, a function of polys, a Kronecker delta, ... In
 * this form transposes, broadcasts, reductions and contractions are nothing but indices, so that simplifying is plain
 * algebra. Everything lies in the sheet's arena. Out of memory is sticky: builders go on with spare objects, and the
 * sheet says so. */
#ifndef CY_DERIVE_SHEET_H
#define CY_DERIVE_SHEET_H

#include "base/text.h"
#include "derive/notation.h"
#include "graph/graph.h"

enum { CY_MAX_DIMENSIONS = 16, CY_NAME_SIZE = 48, CY_PLACE_TERMS = 3, CY_ATOM_ARGUMENTS = 3 };

typedef struct cy_poly cy_poly;
typedef struct cy_atom cy_atom;

/* What stands at an axis: offset + sum factor * index; or a class: the value of an integer thing. */
typedef struct cy_place {
  const cy_atom *label; /* NULL: the sum */
  int n, index[CY_PLACE_TERMS];
  int64_t factor[CY_PLACE_TERMS], offset;
} cy_place;

typedef enum cy_atom_kind {
  CY_ATOM_NAME,    /* name, places */
  CY_ATOM_CALL,    /* function of arg[0..n_args), element by element */
  CY_ATOM_ALONG,   /* function of arg[0] as it runs over the dummy index; at place[0] if n_places is 1 */
  CY_ATOM_GROUP,   /* (arg[0]) */
  CY_ATOM_DELTA,   /* 1 where place[0] = place[1], else 0 */
  CY_ATOM_COMPARE, /* 1 where arg[0] relation arg[1], else 0; the relation is the function */
  CY_ATOM_CHOICE,  /* arg[0] (0 or 1) ? arg[1] : arg[2] */
  CY_ATOM_OPAQUE,  /* an operation that has no index form: function of whole named values, at places */
  CY_ATOM_PLACE,   /* the number of place[0] */
} cy_atom_kind;

struct cy_atom {
  cy_atom_kind kind;
  int name; /* of sheet->names */
  const cy_notation *function;
  int n_args, n_places;
  const cy_poly *arg[CY_ATOM_ARGUMENTS];
  int dummy;
  int32_t node; /* OPAQUE: the graph's */
  cy_place place[CY_MAX_RANK];
};

typedef struct cy_factor {
  const cy_atom *atom;
  double power;
} cy_factor;

typedef struct cy_term {
  double number;
  int8_t dimension[CY_MAX_DIMENSIONS]; /* powers of sheet->dimensions */
  int n_bound, n;
  int *bound;
  cy_factor *factor;
} cy_term;

struct cy_poly {
  int n;
  cy_term *term;
};

typedef enum cy_name_kind {
  CY_NAME_SYMBOL,   /* given */
  CY_NAME_CLASS,    /* given: an index */
  CY_NAME_VALUE,    /* computed from those */
  CY_NAME_GRADIENT, /* d<name> */
  CY_NAME_TANGENT,  /* R<name>, or as the user calls it */
} cy_name_kind;

typedef struct cy_name {
  char text[CY_NAME_SIZE];
  cy_name_kind kind;
  cy_value value;
  cy_shape shape;
  int of;           /* gradients and tangents: the name they belong to; else -1 */
  int32_t after;    /* 1 + the node after which it is written, if it was made for its name only; else 0 */
  bool batched;     /* has one more axis in front: the examples */
  bool sums_to_one; /* along its last axis */
} cy_name;

typedef struct cy_dimension {
  char text[CY_NAME_SIZE];
  int64_t extent;
} cy_dimension;

typedef struct cy_index_info {
  int64_t extent;
  bool bound;
  char letter; /* printing: 0 until it is met */
} cy_index_info;

typedef struct cy_sheet {
  cy_arena *arena;
  cy_graph *graph;
  bool failed; /* memory is out */
  bool large;  /* an expression has grown beyond all reading */
  cy_name *names;
  int n_names;
  size_t names_capacity;
  cy_dimension dimensions[CY_MAX_DIMENSIONS];
  int n_dimensions;
  cy_index_info *indices;
  int n_indices;
  size_t indices_capacity;
  int *pairing;  /* comparing: which index of the right goes with one of the left, then the other way */
  size_t pairing_capacity;
  int only;      /* reading: 1 + the one name to stop at, and symbols; 0: all names */
  bool as_written; /* simplifying: signs and the order of sums stay */
  bool expands;  /* simplifying: products are multiplied out */
  bool loose;    /* comparing: all bound indices are alike */
  bool elements; /* reading: functions of an axis by their elements, softmax(o)_i = exp(o_i) / sum_k exp(o_k) */
  int32_t *name_of; /* by node: its name, -1 */
  size_t name_of_capacity;
  int reads;
  cy_poly spare_poly;
  cy_term spare_term;
  cy_atom spare_atom;
} cy_sheet;

CY_MUST_CHECK cy_status cy_sheet_begin(cy_sheet *sheet, cy_graph *graph);
void cy_sheet_end(cy_sheet *sheet);
CY_MUST_CHECK cy_status cy_sheet_status(const cy_sheet *sheet);

/* Names a value; -1 if memory is out. text is cut to CY_NAME_SIZE. */
int cy_sheet_name(cy_sheet *sheet, const char *text, cy_name_kind kind, cy_value value, int of);
int cy_sheet_name_of(const cy_sheet *sheet, int32_t node); /* -1: nameless */
int cy_sheet_find(const cy_sheet *sheet, const char *text); /* -1: no such name */
bool cy_sheet_dimension(cy_sheet *sheet, const char *text, int64_t extent);
/* "h", "n m", "28": an extent in terms of the dimensions. Returns buffer. */
const char *cy_sheet_extent(const cy_sheet *sheet, int64_t extent, char buffer[CY_NAME_SIZE]);

int cy_sheet_index(cy_sheet *sheet, int64_t extent, bool bound);
static inline cy_place cy_place_of(int index) { return (cy_place){.n = 1, .index = {index}, .factor = {1}}; }
static inline cy_place cy_place_number(int64_t number) { return (cy_place){.offset = number}; }
static inline bool cy_place_is_index(const cy_place *p) {
  return !p->label && p->n == 1 && p->factor[0] == 1 && p->offset == 0;
}
static inline bool cy_place_is_number(const cy_place *p) { return !p->label && p->n == 0; }
cy_place cy_place_sum(cy_place a, cy_place b, int64_t scale); /* a + scale b; neither is a label */

/* ---- poly.c ---- */
cy_atom *cy_atom_new(cy_sheet *sheet, cy_atom_kind kind);
cy_poly *cy_poly_number(cy_sheet *sheet, double number); /* knows 1/n of a dimension n */
cy_poly *cy_poly_atom(cy_sheet *sheet, const cy_atom *atom, double power);
/* Of n polys: CALL, COMPARE, CHOICE. */
cy_poly *cy_poly_function(cy_sheet *sheet, cy_atom_kind kind, const cy_notation *function, int n,
                          const cy_poly *const *args);
cy_poly *cy_poly_name(cy_sheet *sheet, int name, const cy_place *places, int n);
cy_poly *cy_poly_add(cy_sheet *sheet, const cy_poly *a, const cy_poly *b, double scale); /* a + scale b */
cy_poly *cy_poly_mul(cy_sheet *sheet, const cy_poly *a, const cy_poly *b);
cy_poly *cy_poly_power(cy_sheet *sheet, const cy_poly *a, double power);
cy_poly *cy_poly_sum_over(cy_sheet *sheet, const cy_poly *a, int index);
cy_poly *cy_poly_of_term(cy_sheet *sheet, const cy_term *term);
bool cy_term_add_factor(cy_sheet *sheet, cy_term *term, const cy_atom *atom, double power);
bool cy_term_bind(cy_sheet *sheet, cy_term *term, int index);
bool cy_poly_add_term(cy_sheet *sheet, cy_poly *poly, const cy_term *term);
cy_term cy_term_copy(cy_sheet *sheet, const cy_term *term);
cy_term cy_term_product(cy_sheet *sheet, const cy_term *a, const cy_term *b); /* bound indices stay apart */

/* ---- poly_index.c: everything again, with place for index ---- */
const cy_poly *cy_poly_substitute(cy_sheet *sheet, const cy_poly *poly, int index, cy_place place);
const cy_atom *cy_atom_substitute(cy_sheet *sheet, const cy_atom *atom, int index, cy_place place);
bool cy_place_has(const cy_place *place, int index);
bool cy_atom_has(const cy_atom *atom, int index);
bool cy_poly_has(const cy_poly *poly, int index);
bool cy_poly_has_name(const cy_poly *poly, int name);
bool cy_atom_has_name(const cy_atom *atom, int name);

/* ---- poly_compare.c ---- */
/* 0 if they are the same up to the names of indices that they bind themselves; otherwise an order. */
int cy_atom_compare(cy_sheet *sheet, const cy_atom *a, const cy_atom *b);
int cy_atom_compare_loosely(cy_sheet *sheet, const cy_atom *a, const cy_atom *b); /* whatever the bound indices */
int cy_poly_compare(cy_sheet *sheet, const cy_poly *a, const cy_poly *b);
bool cy_poly_is_number(const cy_poly *poly, double *number);

/* ---- algebra.c ---- */
const cy_poly *cy_poly_simplify(cy_sheet *sheet, const cy_poly *poly);
int cy_poly_cost(const cy_poly *poly); /* how much there is to write */

/* ---- read.c ---- */
/* The value's element at the places. define: the node's own operation even if it has a name; below it names stop. */
cy_poly *cy_read(cy_sheet *sheet, cy_value value, const cy_place *places, bool define);

#endif
