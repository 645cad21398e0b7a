/* What `cauchy hessian` was asked, looked at and found: filled by hessian.c and hessian_data.c, shown as text, as
 * JSON and as pictures. */
#ifndef CY_CLI_HESSIAN_H
#define CY_CLI_HESSIAN_H

#include "cli/network.h"
#include "cli/progress.h"

enum { CLI_DIFFERENCES = 57 }; /* values of r: four per decade */

typedef struct cli_hessian {
  cli_arguments *arguments;
  /* the function */
  cli_network network;
  cy_dataset *dataset;
  bool own_data, random_data; /* the data of the model's training; made up */
  int64_t samples, of_samples;
  const char *loss;
  cy_model_objective_options options;
  cy_objective *objective;
  int64_t n;
  double *x;
  double value, gradient_norm;
  /* what is wanted */
  cy_curvature_options curvature;
  bool wants_density, wants_trace, wants_differences;
  const char *full, *folder; /* NULL: no */
  /* what was found */
  cy_objective_cost cost, gradient_cost;
  double seconds, gradient_seconds; /* of one product, of one gradient */
  cy_eigenvalues eigenvalues;
  cy_step_bounds bounds;
  cy_estimate trace;
  double *diagonal; /* NULL unless wanted */
  cy_density density;
  cy_difference differences[CLI_DIFFERENCES];
  int best_difference;
  double asymmetry; /* of the full matrix */
  cli_progress progress;
  const char *doing; /* for the progress bar */
} cli_hessian;

/* hessian_data.c: network, data and the function at its point. */
CY_MUST_CHECK cy_status cli_hessian_open(cli_hessian *h);
/* The same function in f64, for differences. */
CY_MUST_CHECK cy_status cli_hessian_wide(const cli_hessian *h, cy_objective **objective);
void cli_hessian_close(cli_hessian *h);

/* A part of x: the numbers of one parameter tensor. */
typedef struct cli_hessian_block {
  char name[96];
  int64_t first, count;
} cli_hessian_block;
/* The parameter tensors in x's order; the caller frees with cy_free. */
CY_MUST_CHECK cy_status cli_hessian_blocks(const cli_hessian *h, cli_hessian_block **blocks, int *n);

const char *cli_matrix_title(const cli_hessian *h); /* "Hessian" */
/* Bytes as one says them: "324 GB". Returns buffer. */
const char *cli_weight_text(double bytes, char buffer[CLI_NUMBER_SIZE]);

CY_MUST_CHECK cy_status cli_hessian_print(const cli_hessian *h);
CY_MUST_CHECK cy_status cli_hessian_print_json(const cli_hessian *h);
CY_MUST_CHECK cy_status cli_hessian_draw(const cli_hessian *h);

#endif
