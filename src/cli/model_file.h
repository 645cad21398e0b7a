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
/* The data set named in a file's metadata: by its name in the registry, or from where it was read. */
CY_MUST_CHECK cy_status cli_open_training_data(const char *path, cy_dataset **dataset);

/* "1x8x8"; "scalar" for rank 0. Returns buffer. */
enum { CLI_SHAPE_SIZE = 192 };
const char *cli_shape_text(cy_shape shape, char buffer[CLI_SHAPE_SIZE]);

#endif
