/* Objectives, the inside: a table of methods with what they work on. */
#ifndef CY_OPTIM_OBJECTIVE_H
#define CY_OPTIM_OBJECTIVE_H

#include <cauchy/objective.h>

struct cy_objective {
  cy_objective_methods methods;
  void *self;
  int64_t n;
  bool of_graph; /* self is a cy_graph_function */
};

/* ---- objective_graph.c ---- */

/* Whether cy_objective_bind takes this name. */
bool cy_objective_reads(const cy_objective *objective, const char *name);

/* The values of a function in its own graph, with the directions of its products. */
typedef struct cy_function_values {
  cy_graph *graph;
  cy_value loss, output, losses;
  cy_value *variables, *directions; /* directions: inputs */
  cy_value signs;                   /* input like losses, if there are some */
  int n;
} cy_function_values;

/* ---- objective_products.c ---- */

/* A pass as values: for CY_PASS_GRADIENT the loss and n gradients, for products n values. */
CY_MUST_CHECK cy_status cy_pass_values(const cy_function_values *f, cy_objective_pass pass, bool reverse_over_forward,
                                       cy_value *outputs, int *n);
#define CY_SIGNS "signs of the examples"
#define CY_DIRECTION "direction of " /* and the variable's name: the input that holds its part of v */

#endif
