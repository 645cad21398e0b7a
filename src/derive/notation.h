/* How functions and relations are written: one row each, in every notation. */
#ifndef CY_DERIVE_NOTATION_H
#define CY_DERIVE_NOTATION_H

#include <stdbool.h>

typedef enum cy_language {
  CY_LANGUAGE_TEXT,
  CY_LANGUAGE_LATEX,
  CY_LANGUAGE_NUMPY,
  CY_LANGUAGE_MATHML,
  CY_LANGUAGES
} cy_language;

typedef struct cy_notation {
  const char *op;                    /* the operation's row in the table */
  const char *written[CY_LANGUAGES]; /* its name or sign */
  bool along;                        /* of a whole axis, not of each element */
  bool relation;
  const char *opposite;              /* relations: what holds where this one does not */
  const char *numpy;                 /* NumPy: a definition that the program needs; NULL: none */
} cy_notation;

/* NULL if operations of that name have no row. */
const cy_notation *cy_notation_find(const char *op);
const cy_notation *cy_notation_at(int i); /* NULL beyond the last */

#endif
