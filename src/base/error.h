/* How the library fails: a status code, and one sentence kept per thread. No allocation happens here, so
 * running out of memory can be reported like anything else. */
#ifndef CY_BASE_ERROR_H
#define CY_BASE_ERROR_H

#include <cauchy/status.h>

/* Longest message kept, with its final zero. */
enum { CY_MESSAGE_SIZE = 1024 };

#define CY_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Records the sentence and returns status, so that callers write: return cy_fail(CY_INVALID, "..."). */
CY_MUST_CHECK cy_status cy_fail(cy_status status, const char *format, ...) CY_PRINTF(2, 3);
/* Puts "<prefix>: " in front of the recorded sentence; returns status. */
CY_MUST_CHECK cy_status cy_fail_in(cy_status status, const char *format, ...) CY_PRINTF(2, 3);
/* The usual sentence for a failed allocation. */
CY_MUST_CHECK cy_status cy_no_memory(void);

/* Unwinds: CY_TRY(cy_compile(...)); or, with cleanup, CY_TRY_GOTO(status, cy_compile(...), done); */
#define CY_TRY(call)                          \
  do {                                        \
    cy_status cy_try_ = (call);               \
    if (cy_try_ != CY_OK) return cy_try_;     \
  } while (0)
#define CY_TRY_GOTO(status, call, label)      \
  do {                                        \
    (status) = (call);                        \
    if ((status) != CY_OK) goto label;        \
  } while (0)

#endif
