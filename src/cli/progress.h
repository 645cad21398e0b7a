/* What a training shows while it runs: on a terminal one line, redrawn at most ten times a second; elsewhere a line per
 * epoch. Also the wish to stop: the first SIGINT or SIGTERM sets a flag that ends the training after the step. */
#ifndef CY_CLI_PROGRESS_H
#define CY_CLI_PROGRESS_H

#include "cli/cli.h"
#include "cli/terminal.h"

typedef struct cli_progress {
  cli_terminal terminal;
  bool quiet;
  bool drawn;      /* the live line is on the screen */
  double drawn_at; /* seconds of this run */
} cli_progress;

void cli_progress_begin(cli_progress *progress, bool quiet);
/* From now on signals only set the flag; a second one ends the process at once. */
void cli_catch_signals(void);
bool cli_stop_wanted(void);
/* False: stop. */
bool cli_progress_show(cli_progress *progress, const cy_progress *now);
/* Takes the live line away, so that other lines can be printed. */
void cli_progress_clear(cli_progress *progress);
void cli_progress_log(cli_progress *progress, const char *line);

/* While pictures are read: their number. user: a cli_progress. */
bool cli_progress_pictures(const cy_load_progress *now, void *user);

/* A line of words, on a terminal only. */
void cli_progress_words(cli_progress *progress, const char *words);

/* For downloads: a bar with bytes. */
void cli_progress_bytes(cli_progress *progress, const cy_data_progress *now, double seconds);

#endif
