/* The curvature as one JSON object. */
#include "cli/hessian.h"

#include "cli/model_file.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *eigenvalues(const cy_eigenvalue *values, int n) {
  json_t *array = json_array();
  for (int i = 0; i < n; i++)
    json_array_append_new(array, json_pack("{s:f, s:f}", "value", values[i].value, "residual", values[i].residual));
  return array;
}

static json_t *cost(const cy_objective_cost *c, double seconds) {
  json_t *object = json_object();
  json_object_set_new(object, "operations", json_real(c->flops));
  json_object_set_new(object, "bytes", json_integer((json_int_t)c->arena_bytes));
  json_object_set_new(object, "seconds", number(seconds));
  return object;
}

static json_t *density(const cy_density *d) {
  json_t *object = json_object(), *nodes = json_array(), *weights = json_array();
  for (int64_t i = 0; i < d->n; i++) {
    json_array_append_new(nodes, number(d->nodes[i]));
    json_array_append_new(weights, number(d->weights[i]));
  }
  json_object_set_new(object, "probes", json_integer(d->probes));
  json_object_set_new(object, "products", json_integer(d->products));
  json_object_set_new(object, "nodes", nodes);
  json_object_set_new(object, "weights", weights);
  return object;
}

static json_t *differences(const cli_hessian *h) {
  json_t *array = json_array();
  for (int i = 0; i < CLI_DIFFERENCES; i++) {
    json_t *row = json_object();
    json_object_set_new(row, "r", number(h->differences[i].r));
    json_object_set_new(row, "error", number(h->differences[i].error));
    json_array_append_new(array, row);
  }
  return array;
}

static cy_status add_blocks(const cli_hessian *h, json_t *object) {
  cli_hessian_block *blocks;
  int n;
  CY_TRY(cli_hessian_blocks(h, &blocks, &n));
  json_t *array = json_array();
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int64_t k = 0; k < blocks[i].count; k++) sum += h->diagonal[blocks[i].first + k];
    json_t *row = json_object();
    json_object_set_new(row, "name", json_string(blocks[i].name));
    json_object_set_new(row, "numbers", json_integer(blocks[i].count));
    json_object_set_new(row, "trace", number(sum));
    json_array_append_new(array, row);
  }
  json_object_set_new(object, "trace_by_tensor", array);
  cy_free(blocks);
  return CY_OK;
}

static void add_function(const cli_hessian *h, json_t *object) {
  char shape[CLI_SHAPE_SIZE];
  json_object_set_new(object, "input", json_string(cli_shape_text(h->network.sample, shape)));
  json_object_set_new(object, "weights", json_string(h->network.trained ? "saved" : "random"));
  json_object_set_new(object, "data", json_string(cy_dataset_name(h->dataset)));
  json_object_set_new(object, "samples", json_integer(h->samples));
  json_object_set_new(object, "of_samples", json_integer(h->of_samples));
  json_object_set_new(object, "loss", json_string(h->loss));
  json_object_set_new(object, "dtype", json_string(cy_dtype_name(h->options.dtype)));
  json_object_set_new(object, "mode", json_string(h->options.training ? "training" : "inference"));
  json_object_set_new(object, "value", number(h->value));
  json_object_set_new(object, "gradient_norm", number(h->gradient_norm));
}

static void add_matrix(const cli_hessian *h, json_t *object) {
  const cy_eigenvalues *e = &h->eigenvalues;
  json_object_set_new(object, "matrix", json_string(cy_curvature_name(h->curvature.matrix)));
  json_object_set_new(object, "parameters", json_integer(h->n));
  json_object_set_new(object, "bytes_float32", json_real(4.0 * (double)h->n * (double)h->n));
  json_object_set_new(object, "product", cost(&h->cost, h->seconds));
  json_object_set_new(object, "gradient", cost(&h->gradient_cost, h->gradient_seconds));
  json_object_set_new(object, "largest", eigenvalues(e->largest, e->n_largest));
  json_object_set_new(object, "smallest", eigenvalues(e->smallest, e->n_smallest));
  json_object_set_new(object, "converged", json_boolean(e->converged));
  json_object_set_new(object, "products", json_integer(e->steps));
  json_object_set_new(object, "best_step", number(h->bounds.best));
  json_object_set_new(object, "largest_step", number(h->bounds.most));
  json_object_set_new(object, "trace", number(h->trace.value));
  json_object_set_new(object, "trace_error", number(h->trace.error));
}

cy_status cli_hessian_print_json(const cli_hessian *h) {
  json_t *object = json_object();
  cy_status status = CY_OK;
  add_function(h, object);
  add_matrix(h, object);
  if (h->wants_trace) status = add_blocks(h, object);
  if (h->wants_density) json_object_set_new(object, "density", density(&h->density));
  if (h->wants_differences) {
    json_object_set_new(object, "differences", differences(h));
    json_object_set_new(object, "best_r", number(h->differences[h->best_difference].r));
  }
  if (h->full) json_object_set_new(object, "asymmetry", number(h->asymmetry));
  char *text = status == CY_OK ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
  json_decref(object);
  CY_TRY(status);
  if (!text) return cy_no_memory();
  printf("%s\n", text);
  free(text);
  return CY_OK;
}
