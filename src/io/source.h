/* Reading untrusted files: a source delivers exactly the bytes asked for or an error that names the file, undoes
 * gzip, and answers whether as many bytes as a header claims can be there at all before anyone allocates them. */
#ifndef CY_IO_SOURCE_H
#define CY_IO_SOURCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cy_source cy_source;

/* How bytes come; one table per kind of source. */
typedef struct cy_source_kind {
  /* Up to n bytes; fewer only at the end. */
  cy_status (*read)(void *context, void *buffer, size_t n, size_t *got);
  /* Starts again from the first byte. */
  cy_status (*rewind)(void *context);
} cy_source_kind;

struct cy_source {
  const char *name; /* for messages: the path, or 'path: array "x"' */
  const cy_source_kind *kind;
  void *context;
  uint64_t position;
  uint64_t limit; /* no more bytes than this can come out */
  bool exact;     /* limit is how many there are, not an estimate */
};

/* Deflate cannot expand more than this. */
enum { CY_DEFLATE_RATIO = 1032 };

/* A regular file, plain or gzip. name must outlive the source. */
cy_status cy_source_open(const char *path, cy_source *source);
void cy_source_close(cy_source *source); /* of cy_source_open */

/* Exactly n bytes, which are part of `what` ("header"). */
cy_status cy_source_read(cy_source *source, void *buffer, size_t n, const char *what);
/* Checks that at least n more bytes are there; what: "data of 60000x28x28 u8". */
cy_status cy_source_claim(cy_source *source, uint64_t n, const char *what);
/* Checks that nothing follows (and, with that, a compressed file's checksum). */
cy_status cy_source_end(cy_source *source);
/* Everything that remains, at most limit bytes, with a zero behind. *bytes: cy_free. */
cy_status cy_source_all(cy_source *source, size_t limit, char **bytes, size_t *length);

#endif
