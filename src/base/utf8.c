/* UTF-8 after RFC 3629. */
#include "base/utf8.h"

#include <stdbool.h>

/* By length: the first byte's mark, the bits that it holds, and the smallest number that needs this length. */
static const struct {
  uint8_t mask, mark;
  int32_t smallest;
} forms[] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
enum { FORMS = sizeof forms / sizeof *forms };

static bool is_surrogate(int32_t c) { return c >= 0xD800 && c < 0xE000; }

int32_t cy_utf8_decode(const char *bytes, size_t n, size_t *taken) {
  const uint8_t *b = (const uint8_t *)bytes;
  size_t length = 0;
  while (length < FORMS && (b[0] & forms[length].mask) != forms[length].mark) length++;
  *taken = length + 1;
  if (length == FORMS || length >= n) return -1;
  int32_t c = b[0] & (uint8_t)~forms[length].mask;
  for (size_t i = 1; i <= length; i++) {
    if ((b[i] & 0xC0) != 0x80) return -1;
    c = c << 6 | (b[i] & 0x3F);
  }
  return c < forms[length].smallest || c >= CY_UTF8_END || is_surrogate(c) ? -1 : c;
}

size_t cy_utf8_encode(int32_t character, char bytes[CY_UTF8_SIZE]) {
  size_t length = 0;
  while (length + 1 < FORMS && character >= forms[length + 1].smallest) length++;
  for (size_t i = length; i > 0; i--, character >>= 6) bytes[i] = (char)(0x80 | (character & 0x3F));
  bytes[0] = (char)(forms[length].mark | character);
  bytes[length + 1] = 0;
  return length + 1;
}
