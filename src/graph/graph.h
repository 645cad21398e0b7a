/* The inside of graphs: nodes in an arena, in topological order by id, each unique (hash-consed). */
#ifndef CY_GRAPH_GRAPH_H
#define CY_GRAPH_GRAPH_H

#include "base/error.h"
#include "base/memory.h"
#include "graph/op.h"

struct cy_node {
  const cy_op *op;
  const void *attrs;     /* op->attr_size bytes */
  const int32_t *inputs; /* smaller than the node's own id */
  int n_inputs;
  cy_dtype dtype;
  cy_shape shape;
  const char *name;  /* inputs and variables; "" otherwise */
  const char *scope; /* open scopes when it was made: "block1/fc1"; "" if none */
  const void *data;  /* constants: elements, row-major */
  uint64_t hash;
  int32_t next;      /* in its hash bucket; -1 ends */
};

static const cy_value cy_none = {NULL, -1};
/* What builders return after a failure: no value, but the graph whose error says why. */
static inline cy_value cy_failed(cy_graph *graph) { return (cy_value){graph, -1}; }

/* The node of a value that belongs to graph; the graph must be without error. */
const cy_node *cy_node_of(cy_value value);
const cy_node *cy_node_at(const cy_graph *graph, int32_t id);
cy_value cy_value_at(cy_graph *graph, int32_t id);

/* Makes (or finds) the node: checks operands, infers the type, reports mistakes as the graph's sticky error.
 * attrs: op->attr_size bytes, copied; may be NULL if that is 0. */
cy_value cy_make(cy_graph *graph, const cy_op *op, const cy_value *inputs, int n, const void *attrs);
/* The same node with other operands; leaves are copied by name and content, also from another graph. */
cy_value cy_remake(cy_graph *graph, const cy_node *node, const cy_value *inputs);

/* Records the sticky error, prefixed with the open scopes; the first one wins. */
void cy_graph_fail(cy_graph *graph, cy_status status, const char *format, ...) CY_PRINTF(3, 4);
bool cy_graph_failed(const cy_graph *graph);
/* Appends to the sticky error what only the caller knows. */
void cy_graph_explain(cy_graph *graph, const char *format, ...) CY_PRINTF(2, 3);
/* An error of the other graph becomes this one's, if it has none. */
void cy_graph_take_error(cy_graph *graph, const cy_graph *other);
/* The graph of the first operand that has one; NULL if none does. An error is recorded if they differ. */
cy_graph *cy_common_graph(const cy_value *values, int n);
/* Open scopes, as a node's scope field. */
const char *cy_scope(const cy_graph *graph);
/* Sets the scope of the nodes that follow to exactly this (as a node's scope field); returns the previous one. */
const char *cy_scope_set(cy_graph *graph, const char *scope);

/* The placeholder for a tangent while a function is linearised: each call makes another one. */
cy_value cy_tangent_placeholder(cy_graph *graph, cy_type type);

/* Leaves, told apart by their rows. */
extern const cy_op cy_op_input, cy_op_variable, cy_op_constant, cy_op_full, cy_op_tangent;
typedef struct cy_full_attrs {
  int64_t dtype;
  cy_list shape;
  double value;
} cy_full_attrs;
/* True if every element of the value is one known number. */
bool cy_is_full(cy_value value, double *number);

/* For tangents of loops: is this one of the values that are being differentiated? */
bool cy_is_needed(const cy_rule *rule, int32_t id);

/* For rewrites that would compute a value again: is this operand, or operand of an operand, used by nothing else? */
bool cy_used_once(const cy_rule *rule, cy_value v);

cy_list cy_list_of(cy_shape shape);
cy_shape cy_shape_of(const cy_list *list);
cy_type cy_type_of(cy_value value);

/* Marks (true) the nodes from number first on that values need: needed[id - first], for all of them. */
void cy_mark_needed(const cy_graph *graph, int32_t first, const cy_value *values, int n, bool *needed);

#endif
