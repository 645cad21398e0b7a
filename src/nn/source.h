/* Source text of the architecture language: its tokens, and messages that point into it. */
#ifndef CY_NN_SOURCE_H
#define CY_NN_SOURCE_H

#include "base/error.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>

typedef enum cy_token_kind {
  CY_TOKEN_END,
  CY_TOKEN_NAME,   /* letter or '_', then letters, digits, '_' */
  CY_TOKEN_NUMBER, /* -3, 0.25, 1e-4 */
  CY_TOKEN_STRING, /* "fc1": on one line, no escapes */
  CY_TOKEN_ARROW,  /* -> */
  CY_TOKEN_SIGN,   /* one of ( ) , = | * : */
} cy_token_kind;

typedef struct cy_token {
  cy_token_kind kind;
  size_t start, length; /* bytes of the text; a string's quotes are included */
} cy_token;

typedef struct cy_source {
  const char *text; /* borrowed */
  const char *name; /* "net.txt" */
  cy_token *tokens; /* the last is CY_TOKEN_END */
  size_t count, capacity;
} cy_source;

enum { CY_SOURCE_MAX = 1 << 22 }; /* longest text taken, in bytes */

/* Cuts the text into tokens; '#' starts a comment up to the end of its line. Free with cy_source_clear, also after an
 * error. */
CY_MUST_CHECK cy_status cy_source_scan(cy_source *source, const char *text, const char *name);
void cy_source_clear(cy_source *source);

/* "<name>:<line>:<column>: <sentence>", the line, and a caret under the byte at offset. Columns count characters of
 * UTF-8 from 1. Returns CY_INVALID. */
CY_MUST_CHECK cy_status cy_source_fail(const cy_source *source, size_t offset, const char *format, ...) CY_PRINTF(3, 4);

/* The token for a message: "end of the text", "'->'", "\"dense\"". Returns buffer. */
enum { CY_TOKEN_TEXT = 64 };
const char *cy_token_text(const cy_source *source, const cy_token *token, char buffer[CY_TOKEN_TEXT]);
bool cy_token_is(const cy_source *source, const cy_token *token, const char *text);

/* A number of the language, whatever the locale. False if it does not fit. */
bool cy_read_real(const char *text, size_t length, double *value);
bool cy_read_integer(const char *text, size_t length, int64_t *value); /* false also for 1.5 and 1e3 */
/* The shortest decimal that reads back as value. */
void cy_text_add_real(cy_text *text, double value);

#endif
