/* What the files that read graphs share: the node that is read at places of its axes, its operands, its attributes, and
 * one table of rules per family of operations. read.c looks through the tables. */
#ifndef CY_DERIVE_READING_H
#define CY_DERIVE_READING_H

#include "derive/sheet.h"

typedef struct cy_reading {
  cy_sheet *sheet;
  const cy_node *node;
  int32_t id;
  const cy_place *at; /* of the result's axes */
} cy_reading;

/* How the operation's result is read. */
typedef struct cy_reading_rule {
  const char *op; /* NULL ends a table */
  cy_poly *(*read)(const cy_reading *r);
} cy_reading_rule;
extern const cy_reading_rule cy_elementwise_rules[], cy_move_rules[], cy_sum_rules[], cy_convolution_rules[];

/* As the operation's row of notation says: f(a, b), a > b. */
cy_poly *cy_read_call(const cy_reading *r, const cy_notation *f);
cy_poly *cy_read_relation(const cy_reading *r, const cy_notation *f);
/* As a function of whole values, which is what can be said of everything. */
cy_poly *cy_read_whole(const cy_reading *r);
/* The node's element at the places: its name, or by the rules; define: by the rules though it has a name. */
cy_poly *cy_read_value(cy_sheet *sheet, int32_t id, const cy_place *at, bool define);

cy_poly *cy_operand(const cy_reading *r, int i, const cy_place *at);
cy_shape cy_operand_shape(const cy_reading *r, int i);
const cy_node *cy_operand_node(const cy_reading *r, int i);
const cy_list *cy_reading_list(const cy_reading *r, const char *attribute);
int64_t cy_reading_int(const cy_reading *r, const char *attribute);

/* A fresh bound index; along an axis of one element there is nothing to run over. Then the sum over it. */
cy_place cy_run_over(cy_sheet *s, int64_t extent);
cy_poly *cy_sum_over(cy_sheet *s, cy_poly *poly, const cy_place *place);
cy_poly *cy_poly_delta(cy_sheet *s, cy_place a, cy_place b);
/* The only atom of a poly that is nothing but it, if of this kind; else NULL. */
const cy_atom *cy_only_atom(const cy_poly *p, cy_atom_kind kind);

#endif
