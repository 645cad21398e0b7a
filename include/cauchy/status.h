/* Errors are values. Every function that can fail returns a cy_status that must be looked at; the text
 * that belongs to the last failure on this thread is cy_error_message(). The library never aborts, exits
 * or prints. */
#ifndef CAUCHY_STATUS_H
#define CAUCHY_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CY_MUST_CHECK __attribute__((warn_unused_result))
#define CY_API __attribute__((visibility("default")))
#else
#define CY_MUST_CHECK
#define CY_API
#endif

typedef enum cy_status {
  CY_OK = 0,
  CY_INVALID,     /* the caller's input is wrong: a shape, a name, a file's content */
  CY_NO_MEMORY,   /* an allocation failed, or a size does not fit in memory */
  CY_IO,          /* the system refused: a file, a network address */
  CY_UNSUPPORTED, /* this build lacks the named library, or the backend the named kernel */
  CY_CANCELLED,   /* a callback asked to stop */
  CY_NOT_FINITE,  /* NaN or infinity where a number is needed */
} cy_status;

/* "invalid input", "out of memory", ...: for logs; never NULL. */
CY_API const char *cy_status_name(cy_status status);

/* The sentence that explains the last failure on this thread: the thing, the shapes, the arithmetic.
 * Valid until the next failing call on the same thread; "" if nothing failed yet. */
CY_API const char *cy_error_message(void);

/* Frees a string that the library returned. */
CY_API void cy_string_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
