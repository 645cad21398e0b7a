/* Graphs: values in single-assignment form. Building reads like mathematics:
 *
 *   cy_value h = cy_relu(cy_add(cy_matmul(x, w), b));
 *
 * A graph carries a sticky error: after the first failure every builder returns an empty value and does
 * nothing, and cy_graph_status (and compiling) returns that error. Equal expressions are one node: building
 * the same thing twice gives the same value. */
#ifndef CAUCHY_GRAPH_H
#define CAUCHY_GRAPH_H

#include <cauchy/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cy_graph cy_graph;

/* A handle, passed by value. id < 0: no value (a symbolic zero, or the result after an error). */
typedef struct cy_value {
  cy_graph *graph;
  int32_t id;
} cy_value;

CY_API CY_MUST_CHECK cy_status cy_graph_create(cy_graph **graph);
CY_API void cy_graph_free(cy_graph *graph);

/* The sticky error; CY_OK while all is well. Also sets cy_error_message(). */
CY_API CY_MUST_CHECK cy_status cy_graph_status(const cy_graph *graph);
CY_API const char *cy_graph_error(const cy_graph *graph); /* "" while all is well */
CY_API int cy_graph_size(const cy_graph *graph);          /* nodes so far */

/* Names added to error messages, printing and diagnostics while open: cy_scope_push(g, "fc1"). */
CY_API void cy_scope_push(cy_graph *graph, const char *name);
CY_API void cy_scope_pop(cy_graph *graph);

/* Leaves. An input is fed at each run; a variable is state, read and (through cy_update) written by runs.
 * Both are found by name, which must be unique in the graph: asking again for the same name with the same
 * dtype and shape gives the same value. */
CY_API cy_value cy_input(cy_graph *graph, const char *name, cy_dtype dtype, cy_shape shape);
CY_API cy_value cy_variable(cy_graph *graph, const char *name, cy_dtype dtype, cy_shape shape);
/* A constant with the tensor's content, which is copied. */
CY_API cy_value cy_constant(cy_graph *graph, const cy_tensor *tensor);
/* Every element is value. */
CY_API cy_value cy_full(cy_graph *graph, cy_dtype dtype, cy_shape shape, double value);
CY_API cy_value cy_scalar(cy_graph *graph, cy_dtype dtype, double value);

CY_API bool cy_is_value(cy_value v); /* false for the empty value */
CY_API cy_dtype cy_value_dtype(cy_value v);
CY_API cy_shape cy_value_shape(cy_value v);
CY_API const char *cy_value_name(cy_value v); /* name of an input or variable, "" otherwise */

/* Checks every invariant of the graph: operands precede users, dtypes and shapes follow from the operands
 * by the operation's rule, names are unique. */
CY_API CY_MUST_CHECK cy_status cy_graph_verify(const cy_graph *graph);

/* The part of the graph that the given values need, one line per node, as text or as Graphviz source.
 * *text is the caller's: cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_graph_text(const cy_value *values, int n, char **text);
CY_API CY_MUST_CHECK cy_status cy_graph_dot(const cy_value *values, int n, char **text);

#ifdef __cplusplus
}
#endif
#endif
