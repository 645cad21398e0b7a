/* From what the user calls a model (a run folder or a file) to the file, and from a file to its training
 * data. */
#ifndef CY_CLI_MODEL_FILE_H
#define CY_CLI_MODEL_FILE_H

#include "cli/cli.h"

#define CLI_MODEL_NAME "model.safetensors"
#define CLI_CHECKPOINT_NAME "checkpoint.safetensors"

bool cli_is_folder(const char *path);
bool cli_exists(const char *path);
char *cli_join(const char *folder, const char *name); /* NULL if memory is out; free with cy_string_free */

/* A folder stands for the first of these names in it. Free with cy_string_free. */
CY_MUST_CHECK cy_status cli_model_path(const char *word, const char *first, const char *second, char **path);
/* How the data of a model were read, by its metadata: other data are read alike. what: for messages; get: the value of a
 * key in owner, or NULL. Strings belong to owner and to the struct. */
typedef struct cli_saved_data {
  cy_dataset_options options;
  char *memory, *columns;
  bool ragged; /* sequences of different lengths */
} cli_saved_data;
void cli_saved_data_clear(cli_saved_data *saved);
CY_MUST_CHECK cy_status cli_saved_data_options(const char *what, const char *(*get)(const void *owner, const char *key),
                                               const void *owner, cli_saved_data *saved);
/* The same of a model that is loaded. */
CY_MUST_CHECK cy_status cli_trained_data_options(const cy_trained *trained, const char *what, cli_saved_data *saved);

/* Opens other data so: tables by the names of the model's columns, in its order, where both have names. */
CY_MUST_CHECK cy_status cli_open_alike(const char *data, cli_saved_data *saved, cy_dataset **dataset);
/* A word of a list between commas: in quotes, if it would break the list. */
void cli_add_word(cy_text *text, const char *word);
/* "a, b": names as cy_dataset_options.columns takes them, until name() gives NULL. Free with cy_string_free. */
CY_MUST_CHECK cy_status cli_columns_text(const char *(*name)(const void *owner, int64_t i), const void *owner,
                                         char **text);

/* The data set named in a file's metadata: by its name in the registry, or from where it was read. */
CY_MUST_CHECK cy_status cli_open_training_data(const char *path, cy_dataset **dataset);

/* "1x8x8"; "scalar" for rank 0. Returns buffer. */
enum { CLI_SHAPE_SIZE = 192 };
const char *cli_shape_text(cy_shape shape, char buffer[CLI_SHAPE_SIZE]);
/* "samples of 1x8x8"; "sequences of 6 channels and 3 to 57 steps" if their lengths differ. Returns buffer. */
enum { CLI_SAMPLES_SIZE = CLI_SHAPE_SIZE + 64 };
const char *cli_samples_text(const cy_dataset *dataset, char buffer[CLI_SAMPLES_SIZE]);

#endif
