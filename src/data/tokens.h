/* Texts as data: a row of token numbers and the characters they stand for. Samples are windows of it that follow one
 * another, labels the tokens one further on. */
#ifndef CY_DATA_TOKENS_H
#define CY_DATA_TOKENS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct cy_tokens {
  int32_t *tokens; /* [count], each below characters */
  int64_t count, characters;
  char *vocabulary; /* the characters in the order of their numbers, UTF-8 */
} cy_tokens;

/* text: UTF-8. vocabulary: the characters that are known, in ascending order; NULL: those of the text. place: for messages. */
cy_status cy_tokens_read(const char *place, const char *text, size_t length, const char *vocabulary,
                         cy_tokens **tokens);
void cy_tokens_free(cy_tokens *tokens);

#endif
