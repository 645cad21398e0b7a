/* What tests of functions that can fail share: a call that must succeed, and one that must fail with a sentence. */
#ifndef CY_TESTS_EXPECT_H
#define CY_TESTS_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <cauchy/status.h>

#define OK(call)                                                     \
  do {                                                               \
    cy_status ok_ = (call);                                          \
    if (ok_ != CY_OK) fail_msg("%s: %s", #call, cy_error_message()); \
  } while (0)

/* part: of the sentence. */
#define FAILS(call, status, part)                                                                            \
  do {                                                                                                       \
    assert_int_equal(call, status);                                                                          \
    if (!strstr(cy_error_message(), part)) fail_msg("\"%s\" does not say \"%s\"", cy_error_message(), part); \
  } while (0)

#endif
