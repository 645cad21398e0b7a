/* What `cauchy check` looked at and found, for its tables and its JSON. */
#ifndef CY_CLI_CHECK_H
#define CY_CLI_CHECK_H

#include "cli/network.h"
#include "cli/progress.h"

typedef struct cli_check {
  cli_network network;
  cy_check_options options;
  cy_tensor *inputs, *labels; /* real samples; NULL: random */
  char samples[128];          /* where they come from */
  cy_check_report *report;
  cli_progress progress;
  int done;                   /* checks */
} cli_check;

/* check_table.c, check_json.c */
CY_MUST_CHECK cy_status cli_check_print(const cli_check *check);
CY_MUST_CHECK cy_status cli_check_print_json(const cli_check *check);

#endif
