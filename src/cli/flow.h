/* What `cauchy flow` was asked and found: filled by flow.c and flow_data.c, shown as text, as JSON and as a picture. */
#ifndef CY_CLI_FLOW_H
#define CY_CLI_FLOW_H

#include "cli/network.h"

enum { CLI_FLOW_CASES = 12, CLI_FLOW_RADII = 8, CLI_FLOW_LABEL = 160 };

/* A network as it is, or with its recurrent matrix scaled. */
typedef struct cli_flow_case {
  char label[CLI_FLOW_LABEL]; /* what tells it from the others */
  const char *word;           /* the network on the command line */
  double radius;              /* asked for; 0: none */
  bool random_data, at_rest;  /* made-up inputs; these are 0 */
  int64_t last_steps;         /* of sequences of different lengths, so many were taken of each; 0: all */
  const char *loss;           /* what is derived, in words */
  cy_flow *flow;
} cli_flow_case;

typedef struct cli_flow {
  cli_arguments *arguments;
  int steps, samples, seed, threads; /* 0: not given */
  double amplitude, clip;            /* 0: not given */
  double radii[CLI_FLOW_RADII];
  int n_radii;
  const char *folder; /* --out; NULL: no */
  cli_flow_case cases[CLI_FLOW_CASES];
  int n;
} cli_flow;

/* flow_data.c: the network of this word, its inputs and labels, measured at each radius. */
CY_MUST_CHECK cy_status cli_flow_measure(cli_flow *f, const char *word);

CY_MUST_CHECK cy_status cli_flow_print(const cli_flow *f);
CY_MUST_CHECK cy_status cli_flow_print_json(const cli_flow *f);
/* FOLDER/flow.png and .svg. */
CY_MUST_CHECK cy_status cli_flow_draw(const cli_flow *f);

#endif
