/* A derivation inside: its lines, in the order in which they are written. */
#ifndef CY_DERIVE_DERIVATION_H
#define CY_DERIVE_DERIVATION_H

#include "derive/expression.h"

#include <cauchy/derive.h>

typedef enum cy_section {
  CY_SECTION_VALUES,
  CY_SECTION_TANGENTS,
  CY_SECTION_GRADIENTS,
  CY_SECTION_PRODUCTS, /* R of the gradients */
  CY_SECTION_JACOBIANS,
  CY_SECTIONS
} cy_section;

/* name = form (= simpler): the element at the indices. */
typedef struct cy_line {
  cy_section section;
  int name;       /* JACOBIANS: the value whose derivative it is by `by` */
  int by;
  cy_value value; /* what was read; empty for lines of the batch's own */
  int n, indices[CY_MAX_RANK];
  const cy_poly *form, *simpler, *elements; /* simpler: in terms of values only; NULL if it is not */
  const cy_expr *written, *written_simpler;
} cy_line;

struct cy_derivation {
  cy_graph *graph;
  bool owns_graph;
  cy_sheet sheet;
  cy_derive_options options; /* strings are not kept */
  int result;       /* names */
  int risk;         /* the mean over the batch; -1 */
  int upstream;     /* d<result> where the result is not a scalar; -1 */
  int batch;        /* dimension of the examples (CY_MAX_DIMENSIONS: a number); -1 */
  int64_t batch_extent;
  cy_line *lines;
  int n_lines;
  size_t lines_capacity;
};

/* names.c: names for what has none, as a textbook would. */
void cy_name_values(cy_derivation *d);
/* Named values that the value is made of, stopping at names; define: but not at its own. Returns how many; direct has
 * room for sheet->n_names. */
int cy_direct_names(const cy_derivation *d, cy_value value, bool define, int *direct);
/* base, or base with a number, that is no name yet. */
int cy_name_freely(cy_derivation *d, const char *base, cy_name_kind kind, cy_value value, int of);

/* fold.c: names where their definitions stand. */
const cy_poly *cy_fold_names(cy_derivation *d, const cy_poly *poly);

/* normalization.c: what the named value's gradient sends to the operand, in closed form, if the value is the operand
 * normalised; else empty. */
cy_value cy_normalization_gradient(cy_derivation *d, int name, int operand, cy_value gradient);

/* arrange.c: the terms of a derivative in the order in which one writes them, and, if asked, their factors. */
const cy_poly *cy_arranged(cy_derivation *d, const cy_poly *poly, bool factors);

/* batch.c */
CY_MUST_CHECK cy_status cy_batch_begin(cy_derivation *d, const char *dimension, const char *batched);
/* The poly of one example as that of all: batched names get the examples' index. */
const cy_poly *cy_batch_poly(cy_derivation *d, const cy_poly *poly, int example);
const cy_poly *cy_batch_sum(cy_derivation *d, const cy_poly *poly); /* over the examples */
bool cy_batch_is_batched(const cy_derivation *d, const cy_poly *poly);

/* directions.c: R of the values; R of the gradients; the derivative of a result that is no scalar, by each symbol. */
CY_MUST_CHECK cy_status cy_write_tangents(cy_derivation *d);
CY_MUST_CHECK cy_status cy_write_products(cy_derivation *d);
CY_MUST_CHECK cy_status cy_write_jacobians(cy_derivation *d);

/* values.c, gradients.c */
CY_MUST_CHECK cy_status cy_write_values(cy_derivation *d);
CY_MUST_CHECK cy_status cy_write_gradients(cy_derivation *d);
/* Names of kind VALUE in the order of their nodes. order: room for all names; returns how many, -1: out of memory. */
int cy_ordered_values(const cy_derivation *d, int *order);
/* d<name>: a leaf of the graph that stands for the gradient; -1: out of memory. */
int cy_gradient_name(cy_derivation *d, int name);

/* lines.c: a new line; a value at its indices, of all examples, simplified; with short names put back too; and the
 * first by elements. */
cy_line *cy_begin_line(cy_derivation *d, cy_section section, int name);
const cy_poly *cy_line_simplified(cy_derivation *d, const cy_line *line, cy_value value, bool define);
const cy_poly *cy_line_read(cy_derivation *d, const cy_line *line, cy_value value, bool define);
const cy_poly *cy_line_read_elements(cy_derivation *d, const cy_line *line, cy_value value, bool define);
/* By elements: form itself, unless it holds functions of a whole axis. */
const cy_poly *cy_line_elements(cy_derivation *d, const cy_line *line, cy_value value);
bool cy_runs_along(const cy_poly *poly); /* holds such a function */
/* In matrix form; what has none, in index form, by its elements. */
const cy_expr *cy_line_writing(cy_derivation *d, const cy_line *line, const cy_poly *poly);
void cy_finish_line(cy_derivation *d, cy_line *line);

#endif
