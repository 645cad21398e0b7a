/* Courses as one JSON object: every iterate of every method. */
#include "cli/minimize.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *vector(const double *x, int64_t n) {
  json_t *array = json_array();
  for (int64_t i = 0; x && i < n; i++) json_array_append_new(array, number(x[i]));
  return array;
}

static json_t *iterate_object(const cli_function *f, const cli_iterate *it, size_t k) {
  json_t *object = json_object();
  json_object_set_new(object, "iteration", json_integer((json_int_t)k));
  json_object_set_new(object, "x", it->x ? vector(it->x, f->n) : json_null());
  json_object_set_new(object, "value", number(it->value));
  json_object_set_new(object, "gradient_norm", number(it->gradient_norm));
  json_object_set_new(object, "step", number(it->step));
  json_object_set_new(object, "rate", number(it->rate));
  json_object_set_new(object, "damping", number(it->damping));
  json_object_set_new(object, "products", json_integer(it->products));
  if (it->note) json_object_set_new(object, "note", json_string(it->note));
  return object;
}

static json_t *course_object(const cli_function *f, const cli_course *c) {
  json_t *object = json_object(), *iterates = json_array();
  json_object_set_new(object, "method", json_string(c->method));
  json_object_set_new(object, "end", json_string(cli_end_name(c->report.end)));
  json_object_set_new(object, "iterations", json_integer(c->report.iterations));
  json_object_set_new(object, "evaluations", json_integer(c->report.evaluations));
  json_object_set_new(object, "products", json_integer(c->report.products));
  json_object_set_new(object, "x", vector(c->x, f->n));
  json_object_set_new(object, "value", number(c->report.value));
  json_object_set_new(object, "gradient_norm", number(c->report.gradient_norm));
  json_object_set_new(object, "lambda_min", number(c->lambda_min));
  json_object_set_new(object, "lambda_max", number(c->lambda_max));
  if (c->explanation) json_object_set_new(object, "explanation", json_string(c->explanation));
  for (size_t k = 0; k < c->n; k++) json_array_append_new(iterates, iterate_object(f, &c->iterates[k], k));
  json_object_set_new(object, "iterates", iterates);
  return object;
}

cy_status cli_courses_json(const cli_function *f, const cli_course *courses, int n, const char *formula) {
  json_t *object = json_object(), *variables = json_array(), *methods = json_array();
  char name[CLI_COMPONENT_SIZE];
  json_object_set_new(object, "formula", json_string(formula));
  for (int64_t i = 0; i < f->n; i++) json_array_append_new(variables, json_string(cli_component_name(f, i, name)));
  json_object_set_new(object, "variables", variables);
  for (int i = 0; i < n; i++) json_array_append_new(methods, course_object(f, &courses[i]));
  json_object_set_new(object, "methods", methods);
  char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
  json_decref(object);
  if (!text) return cy_no_memory();
  printf("%s\n", text);
  free(text);
  return CY_OK;
}
