/* What a command prints as JSON, for tests of verbs: one object, and its numbers. */
#ifndef CY_TESTS_REPORT_H
#define CY_TESTS_REPORT_H

#include "command.h"

#include <jansson.h>

static inline json_t *read_report(const char *text) {
  json_error_t error;
  json_t *report = json_loads(text, 0, &error);
  if (!report) fail_msg("%s: %s", error.text, text);
  return report;
}
/* Of a run that succeeds; json_decref. */
static inline json_t *report_of(const char *line) { return read_report(succeed(line)); }

static inline double number_of(const json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);
  if (!json_is_number(value)) fail_msg("no number \"%s\"", key);
  return json_number_value(value);
}

#endif
