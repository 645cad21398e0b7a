/* The checks as one JSON object: a row per check. */
#include "cli/check.h"

#include "cli/model_file.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *row_object(const cy_check_row *row) {
  static const char *const results[] = {"passed", "failed", "skipped"};
  json_t *object = json_object();
  json_object_set_new(object, "check", json_string(cy_check_name(row->kind)));
  json_object_set_new(object, "layer", json_string(row->layer));
  json_object_set_new(object, "subject", json_string(row->subject));
  json_object_set_new(object, "mode", json_string(row->training ? "training" : "inference"));
  json_object_set_new(object, "error", isfinite(row->figure) ? json_real(row->figure) : json_null());
  json_object_set_new(object, "tolerance", json_real(row->tolerance));
  json_object_set_new(object, "compared", json_integer(row->compared));
  json_object_set_new(object, "at_kinks", json_integer(row->passed_over));
  json_object_set_new(object, "kinks_held", json_integer(row->held));
  json_object_set_new(object, "result", json_string(results[row->result]));
  if (row->note[0]) json_object_set_new(object, "note", json_string(row->note));
  return object;
}

cy_status cli_check_print_json(const cli_check *c) {
  char shape[CLI_SHAPE_SIZE];
  cy_check_effort effort = cy_check_report_effort(c->report);
  json_t *object = json_object(), *rows = json_array();
  json_object_set_new(object, "input", json_string(cli_shape_text(c->network.sample, shape)));
  json_object_set_new(object, "batch", json_integer(effort.batch));
  json_object_set_new(object, "directions", json_integer(effort.directions));
  json_object_set_new(object, "coordinates", json_integer(effort.coordinates));
  json_object_set_new(object, "reduced", json_boolean(effort.reduced));
  json_object_set_new(object, "weights", json_string(c->options.weights ? "saved" : "random"));
  json_object_set_new(object, "samples", json_string(c->samples));
  for (int i = 0; i < cy_check_count(c->report); i++)
    json_array_append_new(rows, row_object(cy_check_at(c->report, i)));
  json_object_set_new(object, "checks", rows);
  json_object_set_new(object, "failed", json_integer(cy_check_failures(c->report)));
  json_object_set_new(object, "failing_layer", json_string(cy_check_failing_layer(c->report)));
  char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
  json_decref(object);
  if (!text) return cy_no_memory();
  printf("%s\n", text);
  free(text);
  return CY_OK;
}
