/* Walking a tar archive: headers of 512 bytes with sizes as octal text, contents padded to 512 (POSIX.1-1988, pax
 * interchange format, "ustar"). Every header's checksum is tested, and a content must lie within what the source can
 * deliver. Used by readers of data sets that are published as one archive. */
#include "io/tar.h"

#include <stdio.h>
#include <string.h>

enum {
  BLOCK = 512,
  NAME = 0, NAME_LENGTH = 100,
  SIZE = 124, SIZE_LENGTH = 12,
  SUM = 148, SUM_LENGTH = 8,
  KIND = 156,
  MAGIC = 257,
  PREFIX = 345, PREFIX_LENGTH = 155,
};

/* Octal digits, blanks around; false for anything else and for what 63 bits cannot hold. */
static bool read_octal(const unsigned char *field, int length, uint64_t *value) {
  int i = 0;
  *value = 0;
  while (i < length && field[i] == ' ') i++;
  for (; i < length && field[i] >= '0' && field[i] <= '7'; i++) {
    if (*value > (uint64_t)INT64_MAX / 8) return false;
    *value = *value * 8 + (uint64_t)(field[i] - '0');
  }
  return i == length || field[i] == ' ' || field[i] == 0;
}

/* The sum of all bytes, those of the sum itself counted as blanks. */
static uint64_t checksum(const unsigned char header[BLOCK]) {
  uint64_t sum = 0;
  for (int i = 0; i < BLOCK; i++) sum += i >= SUM && i < SUM + SUM_LENGTH ? ' ' : header[i];
  return sum;
}

static void read_name(const unsigned char header[BLOCK], char name[CY_TAR_NAME]) {
  bool split = memcmp(header + MAGIC, "ustar\0", 6) == 0 && header[PREFIX] != 0;
  snprintf(name, CY_TAR_NAME, "%.*s%s%.*s", split ? PREFIX_LENGTH : 0, (const char *)header + PREFIX, split ? "/" : "",
           NAME_LENGTH, (const char *)header + NAME);
}

static cy_status skip(cy_source *source, uint64_t n) {
  char scratch[1 << 14];
  while (n) {
    size_t piece = n < sizeof scratch ? (size_t)n : sizeof scratch;
    CY_TRY(cy_source_read(source, scratch, piece, "archive"));
    n -= piece;
  }
  return CY_OK;
}

static bool all_zero(const unsigned char header[BLOCK]) {
  for (int i = 0; i < BLOCK; i++)
    if (header[i]) return false;
  return true;
}

cy_status cy_tar_next(cy_source *source, cy_tar_entry *entry, uint64_t *content) {
  unsigned char header[BLOCK];
  uint64_t sum;
  for (;;) {
    uint64_t end = *content + entry->size, padded = end + (BLOCK - end % BLOCK) % BLOCK; /* contents begin at blocks */
    CY_TRY(skip(source, padded - source->position));
    CY_TRY(cy_source_read(source, header, BLOCK, "archive (a tar file ends with a block of zeros)"));
    *content = source->position;
    *entry = (cy_tar_entry){0};
    if (all_zero(header)) return CY_OK;
    if (!read_octal(header + SUM, SUM_LENGTH, &sum) || sum != checksum(header) ||
        !read_octal(header + SIZE, SIZE_LENGTH, &entry->size))
      return cy_fail(CY_INVALID, "%s: is not a tar archive, or damaged: no header at byte %llu", source->name,
                     (unsigned long long)*content - BLOCK);
    read_name(header, entry->name);
    if (entry->size > UINT64_MAX / 4) return cy_fail(CY_INVALID, "%s: %.100s is too large", source->name, entry->name);
    if ((header[KIND] == '0' || header[KIND] == 0) && entry->name[0]) return CY_OK;
  }
}
