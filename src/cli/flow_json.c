/* Gradient flow as one JSON object. */
#include "cli/flow.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *numbers(const double *values, int64_t n) {
  json_t *array = json_array();
  for (int64_t i = 0; values && i < n; i++) json_array_append_new(array, number(values[i]));
  return array;
}

static json_t *jacobians(const cy_flow_layer *layer) {
  json_t *array = json_array();
  for (int i = 0; i < layer->n_jacobians; i++) {
    const cy_flow_jacobian *j = &layer->jacobians[i];
    json_t *row = json_object();
    json_object_set_new(row, "step", json_integer((json_int_t)j->step));
    json_object_set_new(row, "largest", number(j->largest));
    json_object_set_new(row, "smallest", number(j->smallest));
    json_object_set_new(row, "radius", number(j->radius));
    json_array_append_new(array, row);
  }
  return array;
}

static json_t *layer_json(const cy_flow_layer *layer) {
  json_t *object = json_object();
  json_object_set_new(object, "name", json_string(layer->name));
  json_object_set_new(object, "kind", json_string(layer->kind));
  json_object_set_new(object, "reverse", json_boolean(layer->reverse));
  json_object_set_new(object, "units", json_integer((json_int_t)layer->units));
  json_object_set_new(object, "steps", json_integer((json_int_t)layer->steps));
  json_object_set_new(object, "gradient", numbers(layer->gradient, layer->steps));
  if (layer->memory) json_object_set_new(object, "memory", numbers(layer->memory, layer->steps));
  json_object_set_new(object, "factor", number(layer->factor));
  json_object_set_new(object, "radius", numbers(layer->radius, layer->gates));
  json_object_set_new(object, "norm", numbers(layer->norm, layer->gates));
  if (isfinite(layer->slope)) json_object_set_new(object, "slope", number(layer->slope));
  json_object_set_new(object, "jacobians", jacobians(layer));
  return object;
}

static json_t *case_json(const cli_flow_case *c) {
  json_t *object = json_object(), *layers = json_array(), *clipping = json_object();
  const cy_flow *flow = c->flow;
  json_object_set_new(object, "network", json_string(c->word));
  if (c->radius > 0) json_object_set_new(object, "radius", number(c->radius));
  json_object_set_new(object, "loss_is", json_string(c->loss));
  json_object_set_new(object, "loss", number(flow->loss));
  json_object_set_new(object, "sequences", json_integer((json_int_t)flow->sequences));
  json_object_set_new(object, "random_data", json_boolean(c->random_data));
  for (int i = 0; i < flow->n_layers; i++) json_array_append_new(layers, layer_json(&flow->layers[i]));
  json_object_set_new(object, "layers", layers);
  json_object_set_new(object, "gradient_norms", numbers(flow->norms, flow->sequences));
  if (flow->clip > 0) {
    json_object_set_new(clipping, "norm", number(flow->clip));
    json_object_set_new(clipping, "clipped", number(flow->clipped));
    json_object_set_new(clipping, "least_kept", number(flow->least_kept));
    json_object_set_new(object, "clipping", clipping);
  } else {
    json_decref(clipping);
  }
  return object;
}

cy_status cli_flow_print_json(const cli_flow *f) {
  json_t *object = json_object(), *cases = json_array();
  for (int i = 0; i < f->n; i++) json_array_append_new(cases, case_json(&f->cases[i]));
  json_object_set_new(object, "cases", cases);
  char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
  json_decref(object);
  if (!text) return cy_no_memory();
  printf("%s\n", text);
  free(text);
  return CY_OK;
}
