#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The only per-thread state of the library: as errno, it belongs to the caller's thread. */
static _Thread_local char message[CY_MESSAGE_SIZE];

const char *cy_status_name(cy_status status) {
  switch (status) {
    case CY_OK: return "ok";
    case CY_INVALID: return "invalid input";
    case CY_NO_MEMORY: return "out of memory";
    case CY_IO: return "input/output error";
    case CY_UNSUPPORTED: return "not supported by this build";
    case CY_CANCELLED: return "cancelled";
    case CY_NOT_FINITE: return "not finite";
  }
  return "unknown status";
}

const char *cy_error_message(void) { return message; }

cy_status cy_fail(cy_status status, const char *format, ...) {
  /* Formatted aside first: the arguments may include the previous message. */
  char text[CY_MESSAGE_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  memcpy(message, text, sizeof text);
  return status;
}

cy_status cy_fail_in(cy_status status, const char *format, ...) {
  char text[CY_MESSAGE_SIZE];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n >= 0 && (size_t)n + 3 < sizeof text)
    snprintf(text + n, sizeof text - (size_t)n, ": %.*s", (int)(sizeof text - (size_t)n) - 3, message);
  memcpy(message, text, sizeof text);
  return status;
}

cy_status cy_no_memory(void) { return cy_fail(CY_NO_MEMORY, "out of memory"); }

void cy_string_free(char *text) { free(text); }
