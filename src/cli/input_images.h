/* Pictures to predict from: files and folders of PNG and JPEG, brought to what the model was trained on. */
#ifndef CY_CLI_INPUT_IMAGES_H
#define CY_CLI_INPUT_IMAGES_H

#include "cli/cli.h"

typedef struct cli_pictures {
  char **paths;
  size_t count, capacity;
} cli_pictures;
void cli_pictures_clear(cli_pictures *pictures);

/* A folder, or a file that begins as PNG or JPEG do. */
bool cli_is_picture(const char *path);
bool cli_are_pictures(const char *path);
/* Files, and of folders every picture in them and in the folders below, sorted. */
CY_MUST_CHECK cy_status cli_find_pictures(const char *const *words, int n, cli_pictures *pictures);

/* How the model's pictures are read: as in its training. fit: "stretch", "crop" or NULL: what becomes of pictures of
 * another size if the training says nothing of that; without it they are refused. */
CY_MUST_CHECK cy_status cli_picture_options(const cy_trained *trained, const char *fit, cy_image_options *options);
/* u8 [channels, height, width], as the options say; checked against the size that the model takes. */
CY_MUST_CHECK cy_status cli_read_picture(const cy_trained *trained, cy_image_options options, const char *path,
                                         cy_tensor **picture);
/* Predicts each. outputs [count, ...]; labels (may be NULL): i64 [count]. */
CY_MUST_CHECK cy_status cli_predict_pictures(cy_trained *trained, cy_image_options options, const cli_pictures *pictures,
                                             cy_tensor **outputs, cy_tensor **labels);

#endif
