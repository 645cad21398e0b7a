/* What `cauchy minimize` is made of: points written on the command line, a formula as a function of a vector, and the
 * courses that methods take on it. */
#ifndef CY_CLI_MINIMIZE_H
#define CY_CLI_MINIMIZE_H

#include "cli/cli.h"
#include "cli/terminal.h"

/* ---- minimize_point.c: "x=-1.2,y=1", "w=1,2,3" ---- */

typedef struct cli_assignment {
  char *name;
  double *numbers;
  int64_t n;
} cli_assignment;

typedef struct cli_assignments {
  cli_assignment *items;
  size_t n, capacity;
} cli_assignments;

/* what: of the option, for messages. */
CY_MUST_CHECK cy_status cli_assignments_read(const char *what, const char *text, cli_assignments *assignments);
void cli_assignments_clear(cli_assignments *assignments);
const cli_assignment *cli_assignment_find(const cli_assignments *assignments, const char *name);

/* ---- minimize_function.c ---- */

/* A formula as a function of n numbers: the symbols that --from names, in its order; the others are held. */
typedef struct cli_function {
  cy_formula *formula;
  cli_assignments from, given;
  cy_objective *objective;
  int n_symbols;
  cy_tensor **symbols; /* the point at which the formula is looked at, by the formula's symbols */
  int *order;          /* the formula's symbol number i of --from */
  int64_t n;
  double *start;
} cli_function;

CY_MUST_CHECK cy_status cli_function_open(const cli_arguments *arguments, cli_function *function);
void cli_function_close(cli_function *function);
/* CY_INVALID, naming the part of the formula, where it is undefined. */
CY_MUST_CHECK cy_status cli_function_examine(const cli_function *function, const double *x);
/* "x", "w[2]", "W[0,1]": component i of the vector. Returns buffer. */
enum { CLI_COMPONENT_SIZE = 160 };
const char *cli_component_name(const cli_function *function, int64_t i, char buffer[CLI_COMPONENT_SIZE]);
/* "x = -0.4, w = (1, 2, ..., 9)". NULL if memory is out; cy_string_free. */
char *cli_point_text(const cli_function *function, const double *x);

/* ---- minimize_course.c ---- */

typedef struct cli_iterate {
  double *x; /* NULL: beyond what is kept */
  double value, gradient_norm, step, rate, damping;
  int64_t products;
  char *note; /* NULL: none */
} cli_iterate;

/* What one method did, and what the curvature says of it. */
typedef struct cli_course {
  const char *method;
  cy_minimize_options options;
  cy_minimize_report report;
  cli_iterate *iterates;
  size_t n, capacity;
  double *x;          /* where it ended */
  double lambda_min, lambda_max; /* eigenvalues of the Hessian there; NaN: not known */
  bool every_eigenvalue;         /* both are converged */
  char *explanation;  /* why it diverges; NULL: it does not, or nothing is known */
} cli_course;

/* options.iterations 0: the start is evaluated, and that is the end. */
CY_MUST_CHECK cy_status cli_course_run(const cli_function *function, cy_minimize_options options, cli_course *course);
void cli_course_clear(cli_course *course);

/* ---- minimize_table.c, minimize_json.c, minimize_plot.c ---- */

CY_MUST_CHECK cy_status cli_course_print(const cli_function *function, const cli_course *course);
CY_MUST_CHECK cy_status cli_courses_compare(const cli_course *courses, int n);
const char *cli_end_name(cy_minimize_end end); /* "converged" */
CY_MUST_CHECK cy_status cli_courses_json(const cli_function *function, const cli_course *courses, int n,
                                         const char *formula);

/* title: the formula. Of one or two numbers the path; of more the values, by iteration. */
CY_MUST_CHECK cy_status cli_courses_plot(const cli_function *function, const cli_course *courses, int n,
                                         const char *title, const char *png, const char *svg);
CY_MUST_CHECK cy_status cli_courses_plot_values(const cli_course *courses, int n, const char *title, const char *png,
                                                const char *svg);

#endif
