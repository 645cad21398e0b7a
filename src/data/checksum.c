#include "data/checksum.h"

#include "cauchy_config.h"

#if CY_HAVE_NETTLE

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static cy_status digest_file(int fd, const char *path, bool (*watch)(int64_t done, void *context), void *context,
                             uint8_t digest[SHA256_DIGEST_SIZE]) {
  uint8_t piece[1 << 15];
  struct sha256_ctx sha;
  sha256_init(&sha);
  for (int64_t done = 0;;) {
    ssize_t n = read(fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cy_fail(CY_IO, "%s: cannot read: %s", path, strerror(errno));
    if (n == 0) break;
    sha256_update(&sha, (size_t)n, piece);
    done += n;
    if (watch && !watch(done, context)) return cy_fail(CY_CANCELLED, "%s: checking was cancelled", path);
  }
  sha256_digest(&sha, SHA256_DIGEST_SIZE, digest);
  return CY_OK;
}

cy_status cy_sha256_file(const char *path, bool (*watch)(int64_t done, void *context), void *context,
                         char text[CY_SHA256_TEXT]) {
  uint8_t digest[SHA256_DIGEST_SIZE];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cy_fail(CY_IO, "%s: cannot open: %s", path, strerror(errno));
  cy_status status = digest_file(fd, path, watch, context, digest);
  close(fd);
  if (status != CY_OK) return status;
  for (int i = 0; i < SHA256_DIGEST_SIZE; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
  return CY_OK;
}

#else

cy_status cy_sha256_file(const char *path, bool (*watch)(int64_t done, void *context), void *context,
                         char text[CY_SHA256_TEXT]) {
  (void)watch, (void)context;
  text[0] = 0;
  return cy_fail(CY_UNSUPPORTED, "%s: this build checks no SHA-256: it was made without nettle", path);
}

#endif
