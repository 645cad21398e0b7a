/* A training that the command has begun: what train.c (from a recipe) and train_resume.c (from a checkpoint) prepare, and
 * train_run.c carries out. */
#ifndef CY_CLI_TRAIN_H
#define CY_CLI_TRAIN_H

#include "cli/progress.h"
#include "cli/recipe.h"
#include "cli/results.h"
#include "cli/run_folder.h"

typedef struct cli_training {
  cli_recipe recipe;
  cli_recipe kept; /* resuming: that of the run's folder, if there is one */
  cy_dataset *dataset;
  cy_model *model;
  cy_trainer *trainer;
  char *folder;
  int lock; /* on the folder */
  cli_progress progress;
  cli_results results;
  cy_image_size sizes[CY_MAX_SIZES]; /* that images are resized to, */
  cy_metrics by_size[CY_MAX_SIZES];  /* and what the test part gives in each, if there are several */
  int n_sizes;
  double saved_at; /* seconds of this run when the checkpoint was last written */
  bool warned;     /* that the checkpoint could not be written */
} cli_training;

/* The words from `first` on, KEY=VALUE, and threads from the option, which wins over the recipe. */
cy_status cli_training_overrides(const cli_arguments *a, int first, cli_recipe *recipe);
/* Does the optimizer of this name take all samples at once? NULL: the usual one. */
bool cli_is_second_order(const char *optimizer);
/* Has the trainer's progress and notes shown; before the trainer is made. */
void cli_training_connect(cli_training *t);
/* Into the run folder. */
cy_status cli_training_save_recipe(cli_training *t);
/* Trains to the end, or until it is stopped, and writes what came of it. */
cy_status cli_training_run(cli_training *t);
/* Goes on with the run whose folder or checkpoint this is. */
cy_status cli_training_resume(cli_training *t, const cli_arguments *a, const char *word);

#endif
