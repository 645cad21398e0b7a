/* The analysis as one JSON object. */
#include "cli/analyze.h"

#include <inttypes.h>
#include <stdio.h>

static json_t *shape_json(cy_shape shape) {
  json_t *array = json_array();
  for (int i = 0; i < shape.rank; i++) json_array_append_new(array, json_integer(shape.dim[i]));
  return array;
}

static void put(json_t *object, const char *key, int64_t count) {
  json_object_set_new(object, key, json_integer(count));
}

/* stride is a number; stride_text keeps fractions exact. */
static json_t *field_json(const cy_receptive_axis *f) {
  static const char *const sights[] = {"nothing", "window", "fixed"};
  json_t *object = json_object();
  char text[64];
  json_object_set_new(object, "sees", json_string(f->everything ? "all" : sights[f->sight]));
  if (f->sight == CY_SEES_NOTHING) return object;
  put(object, "size", f->size);
  put(object, "first", f->first);
  put(object, "last", f->last);
  if (f->sight != CY_SEES_WINDOW) return object;
  put(object, "axis", f->axis - 1);
  json_object_set_new(object, "regular", json_boolean(f->regular));
  if (!f->regular) return object;
  snprintf(text, sizeof text, f->per == 1 ? "%" PRId64 : "%" PRId64 "/%" PRId64, f->stride, f->per);
  json_object_set_new(object, "stride", json_real((double)f->stride / (double)f->per));
  json_object_set_new(object, "stride_text", json_string(text));
  json_object_set_new(object, "offset", json_real(f->center));
  return object;
}

static json_t *layer_json(const cy_layer_facts *l, int axes) {
  json_t *object = json_object(), *fields = json_array();
  json_object_set_new(object, "name", json_string(l->name));
  json_object_set_new(object, "path", json_string(l->path));
  json_object_set_new(object, "kind", json_string(l->kind));
  put(object, "depth", l->depth);
  json_object_set_new(object, "input", shape_json(l->input));
  json_object_set_new(object, "output", shape_json(l->output));
  put(object, "parameters", l->parameters);
  put(object, "buffers", l->buffers);
  put(object, "multiply_adds", l->multiply_adds);
  put(object, "activation_bytes", l->activation_bytes);
  for (int i = 0; i < axes; i++) json_array_append_new(fields, field_json(&l->field[i + 2]));
  json_object_set_new(object, "receptive_field", fields);
  return object;
}

static json_t *memory_json(const cy_memory_facts *m) {
  json_t *object = json_object();
  put(object, "batch", m->batch);
  put(object, "total_bytes", (int64_t)m->total);
  put(object, "parameter_bytes", (int64_t)m->parameters);
  put(object, "buffer_bytes", (int64_t)m->buffers);
  put(object, "optimizer_bytes", (int64_t)m->optimizer);
  put(object, "best_epoch_bytes", (int64_t)m->best);
  put(object, "value_bytes", (int64_t)m->values);
  put(object, "batch_bytes", (int64_t)m->inputs);
  put(object, "kernels", m->kernels);
  return object;
}

json_t *cli_analysis_json(const cli_analysis *a) {
  json_t *object = json_object(), *layers = json_array(), *totals = json_object();
  cy_analysis_totals t = cy_analysis_total(a->analysis);
  cy_shape input = cy_analysis_input(a->analysis);
  char *text = NULL;
  if (cy_model_text(a->network.model, &text) == CY_OK) json_object_set_new(object, "network", json_string(text));
  cy_string_free(text);
  json_object_set_new(object, "input", shape_json(input));
  for (int i = 0; i < cy_analysis_layer_count(a->analysis); i++)
    json_array_append_new(layers, layer_json(cy_analysis_layer(a->analysis, i), input.rank - 1));
  json_object_set_new(object, "layers", layers);
  put(totals, "parameters", t.parameters);
  put(totals, "buffers", t.buffers);
  put(totals, "multiply_adds", t.multiply_adds);
  put(totals, "activation_bytes", t.activation_bytes);
  json_object_set_new(object, "totals", totals);
  if (a->has_inference) json_object_set_new(object, "inference", memory_json(&a->inference));
  if (a->inference_note[0]) json_object_set_new(object, "inference_note", json_string(a->inference_note));
  if (a->has_training) json_object_set_new(object, "training", memory_json(&a->training));
  if (a->training_note[0]) json_object_set_new(object, "training_note", json_string(a->training_note));
  return object;
}
