/* Writing files so that a path always holds the old content or the complete new one, whatever happens in between:
 * a temporary file in the same folder, fsync, rename, fsync of the folder. Every writer of the library goes
 * through here. */
#ifndef CY_IO_ATOMIC_H
#define CY_IO_ATOMIC_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cy_writer {
  char *path;      /* where the content will be */
  char *temporary; /* where it is now */
  int fd;          /* of temporary; -1 when closed */
  char *buffer;
  size_t used;
} cy_writer;

/* Refuses to replace anything that is not a regular file; follows a symbolic link to what it names. */
cy_status cy_writer_open(cy_writer *writer, const char *path);
cy_status cy_writer_write(cy_writer *writer, const void *bytes, size_t length);
/* For libraries that write by file name: closes the temporary file, which they may then replace. */
const char *cy_writer_hand_over(cy_writer *writer);
/* Makes the content final. On failure the old file is untouched. */
cy_status cy_writer_commit(cy_writer *writer);
/* Removes the temporary file; nothing happens after commit. Always call it at the end. */
void cy_writer_close(cy_writer *writer);

/* The last steps alone: fsync temporary, rename it to path, fsync the folder. */
cy_status cy_commit_file(const char *temporary, const char *path);

#endif
