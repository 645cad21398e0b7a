/* SHA-256 of files, by nettle. */
#ifndef CY_DATA_CHECKSUM_H
#define CY_DATA_CHECKSUM_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { CY_SHA256_TEXT = 65 };

/* 64 lower-case hexadecimal digits and a zero. watch (may be NULL) hears the bytes done; false from it cancels. */
cy_status cy_sha256_file(const char *path, bool (*watch)(int64_t done, void *context), void *context,
                         char text[CY_SHA256_TEXT]);

#endif
