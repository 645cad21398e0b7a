/* What the files that build graphs of trees share. */
#ifndef CY_FORMULA_BUILDER_H
#define CY_FORMULA_BUILDER_H

#include "formula/build.h"

typedef struct cy_builder {
  const cy_formula *f;
  cy_graph *graph;
  const cy_value *symbols;
  const cy_value *statements;
  cy_value *values; /* of the nodes, by order */
} cy_builder;

/* The expression's value; each node is built once, however many refer to it. */
cy_value cy_build(const cy_builder *b, const cy_expression *e);
/* The element of a that the ELEMENT's subscripts name. */
cy_value cy_build_element(const cy_builder *b, cy_value a, const cy_expression *e);

/* ---- spelling.c: what is built as one; empty: nothing special ---- */
cy_value cy_build_special_call(const cy_builder *b, const cy_expression *e);
cy_value cy_build_special_quotient(const cy_builder *b, const cy_expression *e);
cy_value cy_build_special_power(const cy_builder *b, const cy_expression *e);

#endif
