/* Saving and loading a state: checkpoints and models are safetensors files whose tensors carry the state's names.
 * Invariant of loading: everything is checked before the first tensor of the state changes. */
#include "base/memory.h"
#include "base/text.h"
#include "tensor/tensor.h"

#include <cauchy/io.h>

#include <string.h>

static bool wanted(const cy_state *state, int i, unsigned roles) {
  return (roles & CY_ROLES(cy_state_role(state, i))) != 0;
}

static cy_status check_allocated(const cy_state *state) {
  if (cy_state_count(state) && !cy_state_tensor(state, 0))
    return cy_fail(CY_INVALID, "the state has no memory yet: cy_state_allocate comes before saving and loading");
  return CY_OK;
}

cy_status cy_state_save(const cy_state *state, unsigned roles, const cy_metadata *metadata, int n_metadata,
                        const char *path) {
  int count = cy_state_count(state), n = 0;
  CY_TRY(check_allocated(state));
  const char **names = cy_calloc((size_t)count, sizeof *names);
  const cy_tensor **tensors = cy_calloc((size_t)count, sizeof *tensors);
  cy_status status = names && tensors ? CY_OK : cy_no_memory();
  for (int i = 0; i < count && status == CY_OK; i++)
    if (wanted(state, i, roles)) {
      names[n] = cy_state_name(state, i);
      tensors[n++] = cy_state_tensor(state, i);
    }
  if (status == CY_OK) status = cy_safetensors_save(names, tensors, n, metadata, n_metadata, path);
  cy_free(names);
  cy_free(tensors);
  return status;
}

static bool declared(const cy_state *state, const char *name, unsigned roles) {
  for (int i = 0; i < cy_state_count(state); i++)
    if (wanted(state, i, roles) && strcmp(cy_state_name(state, i), name) == 0) return true;
  return false;
}

static cy_status complain(const char *first, int others, const char *problem) {
  if (others == 0) return cy_fail(CY_INVALID, "tensor \"%s\" %s", first, problem);
  return cy_fail(CY_INVALID, "tensor \"%s\" and %d more: %s", first, others, problem);
}

/* Each declared tensor is there with the right dtype and shape. */
static cy_status check_declared(const cy_safetensors *file, const cy_state *state, unsigned roles, unsigned flags) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  const char *first = NULL;
  int missing = 0;
  for (int i = 0; i < cy_state_count(state); i++) {
    if (!wanted(state, i, roles)) continue;
    const cy_tensor *t = cy_state_tensor(state, i);
    const char *name = cy_state_name(state, i);
    int k = cy_safetensors_find(file, name);
    if (k < 0) {
      if (!missing++) first = name;
      continue;
    }
    cy_shape shape = cy_safetensors_shape(file, k);
    cy_dtype dtype = cy_safetensors_dtype(file, k);
    if (dtype != cy_tensor_dtype(t) || !cy_shape_equal(shape, cy_tensor_shape(t)))
      return cy_fail(CY_INVALID, "tensor \"%s\" is %s %s in the file but %s %s in the model", name,
                     cy_dtype_name(dtype), cy_shape_text(shape, a), cy_dtype_name(cy_tensor_dtype(t)),
                     cy_shape_text(cy_tensor_shape(t), b));
  }
  if (missing && !(flags & CY_LOAD_ALLOW_MISSING))
    return complain(first, missing - 1, "declared by the model, not in the file");
  return CY_OK;
}

static cy_status check_extra(const cy_safetensors *file, const cy_state *state, unsigned roles, unsigned flags) {
  const char *first = NULL;
  int extra = 0;
  for (int k = 0; k < cy_safetensors_count(file) && !(flags & CY_LOAD_ALLOW_EXTRA); k++)
    if (!declared(state, cy_safetensors_name(file, k), roles) && !extra++) first = cy_safetensors_name(file, k);
  return extra ? complain(first, extra - 1, "in the file, not declared by the model") : CY_OK;
}

cy_status cy_state_load_from(const cy_safetensors *file, cy_state *state, unsigned roles, unsigned flags) {
  CY_TRY(check_allocated(state));
  CY_TRY(check_declared(file, state, roles, flags));
  CY_TRY(check_extra(file, state, roles, flags));
  for (int i = 0; i < cy_state_count(state); i++) {
    const char *name = cy_state_name(state, i);
    if (wanted(state, i, roles) && cy_safetensors_find(file, name) >= 0)
      CY_TRY(cy_safetensors_read(file, name, cy_state_tensor(state, i)));
  }
  return CY_OK;
}

cy_status cy_state_load(const char *path, cy_state *state, unsigned roles, unsigned flags) {
  cy_safetensors *file;
  CY_TRY(cy_safetensors_open(path, &file));
  cy_status status = cy_state_load_from(file, state, roles, flags);
  cy_safetensors_close(file);
  if (status == CY_INVALID && strncmp(cy_error_message(), path, strlen(path)) != 0)
    status = cy_fail_in(status, "%s", path);
  return status;
}
