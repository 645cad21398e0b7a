/* Characters as Unicode numbers, to and from UTF-8. Decoding is strict: what is not the one shortest form of a character
 * (overlong forms, surrogates, numbers above 10FFFF) is refused, so that decoding and encoding give the same bytes. */
#ifndef CY_BASE_UTF8_H
#define CY_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { CY_UTF8_END = 0x110000, CY_UTF8_SIZE = 5 }; /* one more than the largest number; bytes of one, with a zero behind */

/* The character at the beginning of n > 0 bytes, and how many bytes it takes; -1 if they are none. */
int32_t cy_utf8_decode(const char *bytes, size_t n, size_t *taken);
/* Writes one character with a zero behind; returns its bytes without it. */
size_t cy_utf8_encode(int32_t character, char bytes[CY_UTF8_SIZE]);

#endif
