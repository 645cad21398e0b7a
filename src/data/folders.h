/* What is in a folder, in the order of the names' bytes, whatever the file system says, so that a split by a seed is
 * the same on every machine. */
#ifndef CY_DATA_FOLDERS_H
#define CY_DATA_FOLDERS_H

#include "data/series.h"

bool cy_is_folder(const char *path);
/* The names of the files that `wanted` accepts, or (NULL) of the folders. Hidden ones are left out. On failure too,
 * what `names` holds is the caller's to clear. */
CY_MUST_CHECK cy_status cy_list_folder(const char *path, bool (*wanted)(const char *name), cy_words *names);

#endif
