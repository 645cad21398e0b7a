/* Samples to predict, from a file of any format that the library reads. */
#ifndef CY_CLI_INPUT_H
#define CY_CLI_INPUT_H

#include "cli/cli.h"

/* word: a path, or "-" for standard input, which may also be a picture, that fit is for (cli_picture_options).
 * *inputs: [n, sample shape of the model], raw. */
CY_MUST_CHECK cy_status cli_read_inputs(const cy_trained *trained, const char *word, const char *fit,
                                        cy_tensor **inputs);

#endif
