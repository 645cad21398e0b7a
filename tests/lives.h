/* Whole uses of the library, lived once for each of their allocations, which fails: the answer must be an error value,
 * and every block given back. For tests whose linker also sends json_dumps and realpath through here (meson.build). */
#ifndef CY_TESTS_LIVES_H
#define CY_TESTS_LIVES_H

#include "allocations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include <cauchy/status.h>

char *__real_json_dumps(const json_t *json, size_t flags);
char *__real_realpath(const char *name, char *resolved);
char *__wrap_json_dumps(const json_t *json, size_t flags);
char *__wrap_realpath(const char *name, char *resolved);

/* They allocate inside other libraries what our code frees. */
char *__wrap_json_dumps(const json_t *json, size_t flags) {
  return fails() ? NULL : counted(__real_json_dumps(json, flags));
}
char *__wrap_realpath(const char *name, char *resolved) {
  return resolved ? __real_realpath(name, resolved) : counted(__real_realpath(name, NULL));
}

/* At least so many allocations are expected. */
static void fail_each_allocation(cy_status life(void), long expected) {
  failing = 0;
  assert_int_equal(life(), CY_OK);
  long start = calls, before = live;
  assert_int_equal(life(), CY_OK);
  assert_int_equal(live, before);
  long total = calls - start;
  assert_true(total > expected);
  for (long k = 1; k <= total; k++) {
    failing = calls + k;
    cy_status status = life();
    failing = 0;
    if (status != CY_NO_MEMORY)
      fail_msg("allocation %ld of %ld failed, and the answer was %s: %s", k, total, cy_status_name(status),
               status == CY_OK ? "" : cy_error_message());
    if (live != before) fail_msg("allocation %ld of %ld failed, and %ld blocks were kept", k, total, live - before);
  }
}

#endif
