/* What `cauchy matrix` is given: numbers on the command line or in files, and a network with its state in f64. */
#ifndef CY_CLI_MATRIX_H
#define CY_CLI_MATRIX_H

#include "cli/network.h"

/* ---- matrix_numbers.c ---- */

/* "2,4" or "2x4": up to CY_MAX_SPACE whole numbers from 0, one per spatial axis. */
CY_MUST_CHECK cy_status cli_position(const char *what, const char *text, cy_shape *position);

/* Groups of numbers. Written out: "1 2; 3 4 | 5 6; 7 8" (rows end at ;, groups at |, numbers at blanks or commas); or a file,
 * NPY or CSV, which is one group. Each is an f64 tensor: [rows, columns], or the shape that the NPY file says. */
enum { CLI_MAX_GROUPS = 64 };
typedef struct cli_numbers {
  int n;
  cy_tensor *group[CLI_MAX_GROUPS];
} cli_numbers;
CY_MUST_CHECK cy_status cli_numbers_read(const char *what, const char *text, cli_numbers *numbers);
void cli_numbers_clear(cli_numbers *numbers);
/* The numbers as one image [C, ...]: groups are its channels; a single row is 1-D. */
CY_MUST_CHECK cy_status cli_numbers_image(const char *what, const cli_numbers *numbers, cy_tensor **image);

/* ---- matrix_network.c ---- */

/* A network for one example, in f64, and the part of it that is looked at. */
typedef struct cli_linear {
  cli_network source;
  cy_graph *graph;
  cy_network *network;
  cy_state *state;
  cy_value input, output;
  char *title;         /* what it is called: the expression, or "conv1 of runs/x" */
} cli_linear;

typedef struct cli_linear_options {
  const char *word;   /* as for cli_network_open */
  const char *layer;  /* only this one; NULL: all */
  const char *input;  /* "1x8x8"; NULL: what is known of a recipe or a saved model */
  uint64_t seed;
  const cli_numbers *weights; /* one group per weight; NULL: initialised, or as saved */
} cli_linear_options;
CY_MUST_CHECK cy_status cli_linear_open(const cli_linear_options *options, cli_linear *linear);
void cli_linear_close(cli_linear *linear);

#endif
