/* The inside of operators: the copied graph between two values, and the running of derivatives along basis vectors, which
 * numbers and symbols share. */
#ifndef CY_ANALYZE_OPERATOR_H
#define CY_ANALYZE_OPERATOR_H

#include "base/text.h"
#include "graph/graph.h"

#include <cauchy/operator.h>
#include <cauchy/program.h>

struct cy_operator {
  cy_graph *graph;     /* its own */
  cy_value x, y;       /* x is an input */
  cy_value dx, dy;     /* the tangent of y for the input dx; dy is empty if y does not depend on x */
  int32_t *aside;      /* variables that y is computed from, but dy is not */
  int n_aside;
};

/* A copy of what lies between two values in a new graph, where the first is an input named CY_OPERATOR_INPUT. Variables keep
 * their names. Fails if output is computed from another input. */
#define CY_OPERATOR_INPUT "operator input"
cy_status cy_cut_graph(cy_value input, cy_value output, cy_graph **graph, cy_value *x, cy_value *y);

/* needs[i]: whether value depends on on[i]. False if memory is out (the graph's error says so). */
bool cy_depends(cy_value value, const cy_value *on, int n, bool *needs);

/* Compiles for small exact runs and binds what the program wants of the state. */
typedef struct cy_runner {
  cy_program *program;
  cy_session *session;
} cy_runner;
cy_status cy_runner_open(cy_runner *runner, const cy_value *outputs, int n);
void cy_runner_close(cy_runner *runner);
bool cy_runner_wants(const cy_runner *runner, const char *name);
cy_status cy_runner_bind(cy_runner *runner, const char *name, cy_tensor *tensor); /* if it is wanted */

/* A linear function of dx, line by line: columns by its values for basis vectors, or rows by its transpose's. */
typedef struct cy_lines {
  cy_runner runner;
  cy_tensor *probe;       /* the basis vector */
  bool columns;           /* lines are columns */
  int64_t count, length;
} cy_lines;
cy_status cy_lines_open(cy_lines *lines, const cy_operator *op, cy_value tangent);
void cy_lines_close(cy_lines *lines);
/* Line k; valid until the next call. */
cy_status cy_lines_run(cy_lines *lines, int64_t k, const cy_tensor **line);

/* ---- writing ---- */

int cy_symbol_channel_axes(cy_shape shape);
const char *cy_symbol_element(const cy_operator_symbol *symbol, int64_t index, bool latex, char buffer[CY_ELEMENT_NAME]);
/* The sum of n terms. */
void cy_entry_text(cy_text *text, const cy_operator_terms *terms, const cy_operator_term *first, int64_t n, bool latex);

#endif
