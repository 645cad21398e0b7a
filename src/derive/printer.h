/* What the files of the printer share. Matrix form: print.c chooses by the kind of expression, print_product.c and
 * print_place.c write some kinds. Index form: elements.c, and its indices in element_places.c. */
#ifndef CY_DERIVE_PRINTER_H
#define CY_DERIVE_PRINTER_H

#include "derive/style.h"

static inline const cy_marks *cy_marks_of(const cy_style *st) { return &cy_language_marks[st->language]; }

/* Things beside each other, with marks between: what is over or under a fraction's line, or in brackets. */
typedef struct cy_listing {
  cy_text text;
  int n;
} cy_listing;

/* Before the next thing is written to the text. */
static inline void cy_listing_next(cy_listing *list, const char *mark) {
  if (list->n++) cy_text_add(&list->text, "%s", mark);
}

/* In parentheses if it binds less than `least`. */
void cy_show(cy_text *text, const cy_style *st, const cy_expr *e, int least);
void cy_show_function(cy_text *text, const cy_style *st, const cy_expr *e); /* the name or sign of a CALL, a COMPARE */

/* ---- print_product.c: TIMES, HADAMARD, MATMUL, POWER ---- */
void cy_show_times(cy_text *text, const cy_style *st, const cy_expr *e);
void cy_show_hadamard(cy_text *text, const cy_style *st, const cy_expr *e);
void cy_show_matmul(cy_text *text, const cy_style *st, const cy_expr *e);
void cy_show_power(cy_text *text, const cy_style *st, const cy_expr *e);

/* ---- print_place.c: AT, ONEHOT ---- */
void cy_show_at(cy_text *text, const cy_style *st, const cy_expr *e);
void cy_show_onehot(cy_text *text, const cy_style *st, const cy_expr *e);

/* ---- print_name.c ---- */
/* W1 as W with index 1; gamma as the letter. */
void cy_print_word(cy_text *text, cy_language language, const char *name);

/* ---- element_places.c ---- */
char cy_letter_of(const cy_style *st, int index); /* '?' when there are no more, and the sheet is too large */
void cy_print_place(cy_text *text, const cy_style *st, const cy_place *place);
void cy_print_places(cy_text *text, const cy_style *st, const cy_atom *atom);
/* The name with the atom's places below it; of a derivative the places are its variable's: dL / dW_ij. */
void cy_print_placed(cy_text *text, const cy_style *st, int name, const cy_atom *atom);
int cy_grid_axis(const cy_style *st, int index); /* NumPy: which axis of the grid an index has */

#endif
