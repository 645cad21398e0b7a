/* Samples to predict, from a file of any format that the library reads. */
#ifndef CY_CLI_INPUT_H
#define CY_CLI_INPUT_H

#include "cli/cli.h"

/* Whether the model's samples are windows of tables. */
bool cli_takes_windows(const cy_trained *trained);
/* Whether they are sequences of different lengths, which are read by the second: word as below, or a folder of files. */
bool cli_takes_sequences(const cy_trained *trained);
CY_MUST_CHECK cy_status cli_read_sequences(const cy_trained *trained, const char *word, cy_dataset **sequences);
/* word: a path, or "-" for standard input, which may also be a picture, that fit is for (cli_picture_options). Tables are
 * cut into windows if the model takes those: the last one ends with the last row; *windows is then their data set, else
 * NULL. *inputs: [n, sample shape of the model], raw. */
CY_MUST_CHECK cy_status cli_read_inputs(const cy_trained *trained, const char *word, const char *fit, cy_tensor **inputs,
                                        cy_dataset **windows);

#endif
