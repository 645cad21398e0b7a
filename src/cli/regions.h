/* Decision regions of a trained classifier of two features, as a picture. */
#ifndef CY_CLI_REGIONS_H
#define CY_CLI_REGIONS_H

#include "cli/cli.h"

/* Whether there is a plane to draw: two features, 2 to 10 classes. */
bool cli_has_regions(const cy_trained *trained);
/* The samples of these numbers (NULL: all; n ignored) of the data set on top; part: what they are called, for the title. png and
 * svg: paths, either may be NULL. */
CY_MUST_CHECK cy_status cli_draw_regions(cy_trained *trained, const cy_dataset *dataset, const int64_t *indices, int64_t n,
                                         const char *part, const char *png, const char *svg);

#endif
