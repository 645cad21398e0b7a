/* The step of a loop as a graph of its own. Bodies are immutable once sealed, counted, and shared: a graph keeps the
 * bodies that its nodes name, each once, so that equal loops are one node. Loops' rows (op->loop) begin their
 * attributes with the pointer to a body, as an int64_t. */
#ifndef CY_GRAPH_BODY_H
#define CY_GRAPH_BODY_H

#include "graph/graph.h"

/* Leaves are inputs named "constant0".., "carry0".., "input0", and constants. */
typedef struct cy_body {
  cy_graph *graph;
  int n_constants, n_carry, n_inputs;
  int32_t *constants, *carry, *inputs; /* ids of the leaves; -1 where a leaf is not used */
  int32_t *next;                       /* n_carry: ids of the carry after the step */
  uint64_t hash;                       /* of all of it, once sealed */
  int references;
} cy_body;

/* An empty body, all ids -1, with one reference; NULL if memory is out. */
cy_body *cy_body_create(int n_constants, int n_carry, int n_inputs);
/* No change after this. */
void cy_body_seal(cy_body *body);
void cy_body_release(const cy_body *body);
/* The type of a value of the body. */
cy_type cy_body_type(const cy_body *body, int32_t id);
/* Arithmetic operations of one step. */
double cy_body_cost(const cy_body *body);
/* Every invariant of the graph and of the leaves. */
cy_status cy_body_verify(const cy_body *body);
/* That a part of a loop, whose attributes begin with its index, is of a value or carry of the body and has its type. */
cy_status cy_body_verify_part(const cy_body *body, const cy_node *part);

/* The body that stands in the graph for all that equal it, kept until the graph is freed; NULL: the graph's error says
 * why. */
const cy_body *cy_graph_keep_body(cy_graph *graph, const cy_body *body);

static inline const cy_body *cy_body_of(const cy_node *loop) {
  return (const cy_body *)(uintptr_t) * (const int64_t *)loop->attrs;
}

#endif
