/* Archives of tar (POSIX ustar, GNU tar and their common ancestor), read from the front: one call per entry. Enough for
 * published data sets, which need no more: regular files with names of up to 255 bytes. */
#ifndef CY_IO_TAR_H
#define CY_IO_TAR_H

#include "io/source.h"

enum { CY_TAR_NAME = 257 };

typedef struct cy_tar_entry {
  char name[CY_TAR_NAME]; /* with its folders; "" after the last entry */
  uint64_t size;          /* bytes that cy_source_read delivers next */
} cy_tar_entry;

/* Goes to the next regular file: passes over what the caller has not read of the current one (entry, whose content
 * begins at `content`), its padding, folders, links and extended headers. Begin with a zeroed entry and content 0. */
cy_status cy_tar_next(cy_source *source, cy_tar_entry *entry, uint64_t *content);

#endif
