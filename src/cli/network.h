/* From what the user calls a network (an expression, a file of one, a recipe, a run folder, a saved model) to the
 * model and the shape of its input. */
#ifndef CY_CLI_NETWORK_H
#define CY_CLI_NETWORK_H

#include "cli/recipe.h"

typedef struct cli_network {
  cy_model *model;        /* owned */
  cy_shape sample;        /* of one input, without the batch; rank -1: not known */
  cy_trained *trained;    /* NULL unless it is a saved model: then the weights are there too */
  cli_recipe recipe;      /* of recipes; else zeros */
  int64_t classes;        /* 0: unknown, or numbers */
  cy_trainer_options options; /* of recipes and saved models; else zeros */
} cli_network;

/* input: what --input says, "3x64x64"; NULL: what the recipe's data or the saved model's training says. Fails, naming
 * the option, if there is nothing to know the input by. */
CY_MUST_CHECK cy_status cli_network_open(const char *word, const char *input, cli_network *network);
void cli_network_clear(cli_network *network);

/* "3x64x64" of whole numbers from 1. name: of the option, for messages. */
CY_MUST_CHECK cy_status cli_shape_parse(const char *name, const char *text, cy_shape *shape);

#endif
