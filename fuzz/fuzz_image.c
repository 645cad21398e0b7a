/* libFuzzer target: any bytes as a picture. What can be read has the shape that it says, and a PNG written of it reads
 * back the same. Build as fuzz_arch.c says; start from a folder with some pictures:
 *   ./fuzz_image -max_len=4096 -rss_limit_mb=4096 pictures/ */
#define _GNU_SOURCE /* memfd_create */
#include <cauchy/io.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The bytes as a file without a name. */
static int make_file(const uint8_t *data, size_t size, char path[32]) {
  int fd = memfd_create("picture", MFD_CLOEXEC);
  if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size)) abort();
  snprintf(path, 32, "/dev/fd/%d", fd);
  return fd;
}

static void check_round_trip(const cy_tensor *image) {
  char path[64];
  cy_tensor *again;
  snprintf(path, sizeof path, "/tmp/fuzz_image-%ld.png", (long)getpid());
  if (cy_image_write(image, path) != CY_OK || cy_image_read(path, CY_IMAGE_KEEP, &again) != CY_OK) abort();
  if (!cy_shape_equal(cy_tensor_shape(image), cy_tensor_shape(again)) ||
      memcmp(cy_tensor_data(image), cy_tensor_data(again), cy_tensor_bytes(image)) != 0)
    abort();
  cy_tensor_free(again);
  unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[32];
  cy_tensor *image;
  int fd = make_file(data, size, path);
  cy_status status = cy_image_read(path, size % 2 ? CY_IMAGE_KEEP : CY_IMAGE_GRAY, &image);
  close(fd);
  if (status != CY_OK) {
    if (image || strncmp(cy_error_message(), path, strlen(path)) != 0) abort();
    return 0;
  }
  cy_shape s = cy_tensor_shape(image);
  if (s.rank != 3 || (s.dim[0] != 1 && (s.dim[0] != 3 || size % 2 == 0)) || s.dim[1] * s.dim[2] < 1) abort();
  if (size % 64 == 0) check_round_trip(image); /* it waits for the disk */
  cy_tensor_free(image);
  return 0;
}
