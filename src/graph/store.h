/* How a graph stores its nodes: in an arena, unique by a hash table, with scopes and the sticky error. Only the files
 * that make and check nodes look inside. */
#ifndef CY_GRAPH_STORE_H
#define CY_GRAPH_STORE_H

#include "graph/body.h"

struct cy_graph {
  cy_arena *arena;
  cy_node **nodes;
  size_t count, capacity;
  int32_t *buckets; /* heads of hash chains, -1 if empty */
  size_t bucket_count;
  const char *scope; /* open scopes joined with '/' */
  int64_t tangents;  /* placeholders made so far */
  const cy_body **bodies; /* of the loops in it, no two equal */
  size_t n_bodies, body_capacity;
  cy_status status;
  char error[CY_MESSAGE_SIZE];
};

/* Finds an equal node or appends a copy of draft, whose pointers may be temporary; draft->hash is set here. */
cy_value cy_intern(cy_graph *graph, cy_node *draft, size_t data_bytes);
uint64_t cy_hash_node(const cy_node *node, size_t data_bytes);
/* The operation's shape rule, and then the count of elements, which no rule needs to check. */
cy_status cy_infer(const cy_op *op, const void *attrs, const cy_type *in, int n, cy_type *out);

/* Keeps the thread's error message as the graph's, if it has none yet. */
void cy_keep_error(cy_graph *graph, cy_status status);
/* The graph's error becomes "out of memory"; returns the empty value. */
cy_value cy_graph_out_of_memory(cy_graph *graph);

#endif
