/* Evaluating for checks: tensors by name, programs bound to them, and a few numbers on tensors. */
#include "analyze/check.h"

#include "compile/plan.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

cy_tensor *cy_point_find(const cy_point *point, const char *name) {
  for (int i = 0; i < point->n; i++)
    if (strcmp(point->inputs[i].name, name) == 0) return point->inputs[i].tensor;
  return cy_state_find(point->state, name);
}

static cy_status bind_point(const cy_probe *e, const cy_point *point) {
  for (int i = 0; i < e->program->n_bindings; i++) {
    const char *name = e->program->bindings[i].name;
    cy_tensor *tensor = cy_point_find(point, name);
    if (!tensor) return cy_fail(CY_INVALID, "\"%s\" is computed from, but it has no value to check at", name);
    CY_TRY(cy_session_bind(e->session, name, tensor));
  }
  return CY_OK;
}

cy_status cy_probe_open(cy_probe *probe, const cy_value *outputs, int n, const cy_point *point,
                             int threads) {
  *probe = (cy_probe){0};
  cy_program_options options = {.threads = threads};
  cy_status status = cy_compile(outputs, n, NULL, 0, options, &probe->program);
  if (status == CY_OK) status = cy_session_create(probe->program, &probe->session);
  if (status == CY_OK) status = bind_point(probe, point);
  if (status != CY_OK) cy_probe_close(probe);
  return status;
}

void cy_probe_close(cy_probe *probe) {
  cy_session_free(probe->session);
  cy_program_free(probe->program);
  *probe = (cy_probe){0};
}

/* ---- numbers ---- */

void cy_fill_normal(cy_rng *rng, cy_tensor *tensor, double deviation) {
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++) cy_tensor_set(tensor, i, deviation * cy_rng_normal(rng));
}

double cy_root_mean_square(const cy_tensor *tensor) {
  int64_t n = cy_tensor_count(tensor);
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    double x = cy_tensor_at(tensor, i);
    sum += x * x;
  }
  return n > 0 ? sqrt(sum / (double)n) : 0;
}

double cy_relative_error(double a, double b, double floor) {
  if (!isfinite(a) || !isfinite(b)) return INFINITY;
  double scale = fmax(fmax(fabs(a), fabs(b)), floor);
  return a == b ? 0 : fabs(a - b) / scale;
}
