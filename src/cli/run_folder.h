/* The folder of a run: model, checkpoint, recipe, metrics and charts, each written whole or not at all. */
#ifndef CY_CLI_RUN_FOLDER_H
#define CY_CLI_RUN_FOLDER_H

#include "cli/cli.h"

/* runs/<name>-1, or the next free number; or exactly `out`, which must not hold anything yet. Free with
 * cy_string_free. */
CY_MUST_CHECK cy_status cli_run_folder_create(const char *name, const char *out, char **folder);
/* Nobody else trains in the folder until *lock is closed (unless it is -1: file systems may know no locks). Fails if somebody
 * does. */
CY_MUST_CHECK cy_status cli_run_folder_lock(const char *folder, int *lock);

/* What a finished run adds to its last line of metrics, its table and its charts. Parts without samples are empty. */
typedef struct cli_results {
  cy_metrics train, validation, test;
  double seconds; /* of all epochs */
  cy_metrics baseline; /* another network on the same part as is shown of this one; without samples: there is none */
} cli_results;
void cli_results_clear(cli_results *results);

CY_MUST_CHECK cy_status cli_save_text(const char *folder, const char *name, const char *text);
CY_MUST_CHECK cy_status cli_save_checkpoint(const cy_trainer *trainer, const char *folder);
/* Parameters, buffers and metadata of the folder's checkpoint, without what only resuming needs. */
CY_MUST_CHECK cy_status cli_save_model(cy_trainer *trainer, const char *folder);
/* One JSON object per epoch; and a last one if results is not NULL. */
CY_MUST_CHECK cy_status cli_save_metrics(const cy_trainer *trainer, const cli_results *results, const char *folder);
/* curves.png, .svg and, for classes, confusion.png, .svg; of two classes roc.png, .svg; of two features regions.png, .svg,
 * by the folder's model; for a number predictions.png, .svg. Nothing, and CY_OK, in a build without cairo: *drawn tells. */
CY_MUST_CHECK cy_status cli_save_charts(const cy_trainer *trainer, const cy_dataset *dataset,
                                        const cli_results *results, const char *folder, bool *drawn);

#endif
