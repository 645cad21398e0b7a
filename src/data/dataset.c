/* Building, checking and looking at data sets. Nothing unchecked gets past cy_dataset_build. */
#include "data/dataset.h"

#include "base/memory.h"
#include "data/ragged.h"
#include "data/windows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- conversion to the dtypes that a data set keeps ---- */

static cy_status convert(cy_tensor **tensor, cy_dtype dtype) {
  cy_tensor *converted;
  if ((*tensor)->view.dtype == dtype && cy_tensor_is_contiguous(*tensor)) return CY_OK;
  CY_TRY(cy_tensor_create(dtype, (*tensor)->view.shape, &converted));
  cy_view_copy(&(*tensor)->view, &converted->view);
  cy_tensor_free(*tensor);
  *tensor = converted;
  return CY_OK;
}

/* Checked in the source's dtype, where a value that f32 cannot hold is still visible. names: of the columns, or NULL. */
static cy_status check_finite(const char *place, const cy_tensor *t, const char *what, const char *const *names) {
  int64_t row_size = t->view.shape.dim[0] ? t->count / t->view.shape.dim[0] : 1;
  if (!cy_dtype_is_float(t->view.dtype)) return CY_OK;
  for (int64_t i = 0; i < t->count; i++) {
    double v = cy_tensor_at(t, i);
    const char *name = names ? names[i % row_size] : NULL;
    if (!isfinite((float)v))
      return cy_fail(isfinite(v) ? CY_INVALID : CY_NOT_FINITE, "%s: row %lld: %s %lld%s%s%s is %g%s", place,
                     (long long)(i / row_size), what, (long long)(i % row_size), name ? " (" : "", name ? name : "",
                     name ? ")" : "", v, isfinite(v) ? ", which is too large for f32" : "");
  }
  return CY_OK;
}

/* Labels to i32, each checked; *classes < 0 is replaced by largest + 1. */
static cy_status take_labels(const char *name, cy_tensor **targets, int64_t *classes) {
  int64_t largest = -1, n = (*targets)->count, limit = *classes >= 0 ? *classes : INT32_MAX;
  for (int64_t i = 0; i < n; i++) {
    double v = cy_tensor_at(*targets, i);
    if (!(v >= 0 && v < (double)limit && v == floor(v))) {
      if (*classes >= 0)
        return cy_fail(CY_INVALID, "%s: row %lld has label %g, but labels run from 0 to %lld", name, (long long)i, v,
                       (long long)*classes - 1);
      return cy_fail(CY_INVALID, "%s: row %lld has label %g, which is not a class number (0, 1, ...)", name,
                     (long long)i, v);
    }
    if (v > (double)largest) largest = (int64_t)v;
  }
  if (*classes < 0) *classes = largest + 1;
  /* One name per class is kept; a label such as 2000000000 is a mistake, not a class. */
  if (*classes > n && *classes > 1000)
    return cy_fail(CY_INVALID, "%s: the largest label is %lld, but there are only %lld rows", name,
                   (long long)*classes - 1, (long long)n);
  return convert(targets, CY_I32);
}

/* ---- building ---- */

static cy_status copy_names(const char *const *names, int64_t n, char ***out) {
  *out = cy_calloc((size_t)n, sizeof **out);
  if (!*out) return cy_no_memory();
  for (int64_t i = 0; i < n; i++) {
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)i);
    if (!((*out)[i] = cy_strdup(names ? names[i] : number))) return cy_no_memory();
  }
  return CY_OK;
}

/* What messages call it. */
static const char *place_of(const cy_dataset_parts *p) { return p->place ? p->place : p->name; }

static cy_status check_parts(const cy_dataset_parts *p) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  const cy_shape x = p->inputs->view.shape, y = p->targets->view.shape;
  if (x.rank < 2 || y.rank < 1)
    return cy_fail(CY_INVALID, "%s: inputs must have shape [samples, ...] and targets [samples, ...], not %s and %s",
                   place_of(p), cy_shape_text(x, a), cy_shape_text(y, b));
  if (x.dim[0] != y.dim[0])
    return cy_fail(CY_INVALID, "%s: %lld samples but %lld targets", place_of(p), (long long)x.dim[0],
                   (long long)y.dim[0]);
  if (p->inputs->count == 0)
    return cy_fail(CY_INVALID, "%s: inputs of shape %s are empty", place_of(p), cy_shape_text(x, a));
  if (p->classes != 0 && !p->each_step && p->targets->count != y.dim[0])
    return cy_fail(CY_INVALID, "%s: class labels must have shape [%lld], not %s", place_of(p), (long long)x.dim[0],
                   cy_shape_text(y, a));
  if (p->test_count < 0 || p->test_count >= x.dim[0])
    return cy_fail(CY_INVALID, "%s: a test part of %lld of %lld samples leaves none to train on", place_of(p),
                   (long long)p->test_count, (long long)x.dim[0]);
  return CY_OK;
}

static cy_status fill(cy_dataset *d, const cy_dataset_parts *p) {
  d->inputs = p->inputs;
  d->targets = p->targets;
  d->classes = p->classes;
  d->test_count = p->test_count;
  d->largest = p->largest > 0 ? p->largest : 255;
  d->images = p->images;
  d->length = p->length;
  d->each_step = p->each_step;
  if (!p->inputs || !p->targets) return cy_fail(CY_INVALID, "%s: inputs or targets are missing", p->name);
  CY_TRY(check_parts(p));
  CY_TRY(check_finite(place_of(p), d->inputs, "feature", p->feature_names));
  CY_TRY(convert(&d->inputs, d->inputs->view.dtype == CY_U8 ? CY_U8 : CY_F32));
  if (d->classes == 0) {
    CY_TRY(check_finite(place_of(p), d->targets, "target", NULL));
    CY_TRY(convert(&d->targets, CY_F32));
  } else {
    CY_TRY(take_labels(place_of(p), &d->targets, &d->classes));
    CY_TRY(copy_names(p->class_names, d->classes, &d->class_names));
  }
  d->count = d->inputs->view.shape.dim[0];
  d->sample_size = d->inputs->count / d->count;
  d->target_size = d->targets->count / d->count;
  if (p->feature_names) CY_TRY(copy_names(p->feature_names, d->sample_size, &d->feature_names));
  d->name = cy_strdup(p->name);
  d->origin = cy_strdup(p->origin ? p->origin : "memory");
  d->target_name = cy_strdup(p->target_name ? p->target_name : d->classes ? "label" : "target");
  if (!d->name || !d->origin || !d->target_name) return cy_no_memory();
  return cy_dataset_scale(d, CY_SCALE_UNIT, NULL, 0);
}

static void free_names(char **names, int64_t n) {
  for (int64_t i = 0; names && i < n; i++) cy_free(names[i]);
  cy_free(names);
}

cy_status cy_dataset_reconstruct(cy_dataset *d) {
  if (d->tokens) return cy_fail(CY_INVALID, "%s: what a text predicts is its next character, not the input", d->name);
  char *name = cy_strdup("input");
  if (!name) return cy_no_memory();
  free_names(d->class_names, d->classes);
  cy_tensor_free(d->targets);
  cy_free(d->target_name);
  d->class_names = NULL;
  d->classes = 0;
  d->targets = NULL;
  d->target_size = d->sample_size;
  d->target_name = name;
  return CY_OK;
}

cy_status cy_dataset_build(cy_dataset_parts parts, cy_dataset **dataset) {
  cy_dataset *d = cy_calloc(1, sizeof *d);
  *dataset = NULL;
  if (!d) {
    cy_tensor_free(parts.inputs);
    cy_tensor_free(parts.targets);
    return cy_no_memory();
  }
  cy_status status = fill(d, &parts);
  if (status != CY_OK) {
    cy_dataset_free(d);
    return status;
  }
  *dataset = d;
  return CY_OK;
}

static cy_status duplicate(const cy_tensor *t, cy_tensor **copy) {
  CY_TRY(cy_tensor_create(t->view.dtype, t->view.shape, copy));
  cy_view_copy(&t->view, &(*copy)->view);
  return CY_OK;
}

cy_status cy_dataset_from_tensors(const char *name, const cy_tensor *inputs, const cy_tensor *targets, int64_t classes,
                                  int64_t test_count, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .classes = classes, .test_count = test_count};
  *dataset = NULL;
  if (classes < 0) return cy_fail(CY_INVALID, "%s: %lld classes", name, (long long)classes);
  CY_TRY(duplicate(inputs, &parts.inputs));
  cy_status status = duplicate(targets, &parts.targets);
  if (status == CY_OK) return cy_dataset_build(parts, dataset);
  cy_tensor_free(parts.inputs);
  return status;
}

void cy_dataset_free(cy_dataset *d) {
  if (!d) return;
  free_names(d->class_names, d->classes);
  free_names(d->feature_names, d->sample_size);
  cy_tensor_free(d->inputs);
  cy_tensor_free(d->targets);
  cy_tokens_free(d->tokens);
  cy_free(d->name);
  cy_free(d->origin);
  cy_free(d->target_name);
  cy_windows_free(d->windows);
  cy_ragged_free(d->ragged);
  cy_free(d->offset);
  cy_free(d->factor);
  cy_free(d);
}

/* ---- looking ---- */

static cy_shape without_first(cy_shape shape) {
  for (int i = 1; i < shape.rank; i++) shape.dim[i - 1] = shape.dim[i];
  shape.dim[--shape.rank] = 0;
  return shape;
}

const char *cy_dataset_name(const cy_dataset *d) { return d->name; }
const char *cy_dataset_origin(const cy_dataset *d) { return d->origin; }
int64_t cy_dataset_count(const cy_dataset *d) { return d->count; }
int64_t cy_dataset_test_count(const cy_dataset *d) { return d->test_count; }
cy_shape cy_dataset_sample_shape(const cy_dataset *d) { return without_first(d->inputs->view.shape); }
cy_shape cy_dataset_target_shape(const cy_dataset *d) {
  return d->classes && !d->tokens && !d->each_step ? CY_SCALAR : without_first(cy_dataset_targets(d)->view.shape);
}
int64_t cy_dataset_length(const cy_dataset *d) { return d->length; }
const char *cy_dataset_vocabulary(const cy_dataset *d) { return d->tokens ? d->tokens->vocabulary : NULL; }
int64_t cy_dataset_classes(const cy_dataset *d) { return d->classes; }
const char *cy_dataset_class_name(const cy_dataset *d, int64_t c) {
  return c >= 0 && c < d->classes ? d->class_names[c] : NULL;
}
const char *cy_dataset_feature_name(const cy_dataset *d, int64_t f) {
  return d->feature_names && f >= 0 && f < d->sample_size ? d->feature_names[f] : NULL;
}
const char *cy_dataset_target_name(const cy_dataset *d) { return d->target_name; }
int64_t cy_dataset_label(const cy_dataset *d, int64_t i) {
  return d->classes && !d->tokens && !d->each_step && i >= 0 && i < d->count ? cy_tensor_i32(d->targets)[i] : -1;
}
cy_image_options cy_dataset_image_options(const cy_dataset *d) { return d->images; }
const cy_tensor *cy_dataset_inputs(const cy_dataset *d) { return d->inputs; }
const cy_tensor *cy_dataset_targets(const cy_dataset *d) { return d->targets ? d->targets : d->inputs; }
bool cy_dataset_reconstructs(const cy_dataset *d) { return !d->targets; }

/* ---- helpers of the readers ---- */

/* The same rows under another shape: views cannot own, so the data moves. */
static cy_status reshape(cy_tensor **tensor, cy_shape shape) {
  cy_tensor *t;
  CY_TRY(cy_tensor_create((*tensor)->view.dtype, shape, &t));
  memcpy(t->view.data, (*tensor)->view.data, cy_tensor_bytes(t));
  cy_tensor_free(*tensor);
  *tensor = t;
  return CY_OK;
}

cy_status cy_add_channel(cy_tensor **images) {
  cy_shape s = (*images)->view.shape;
  if ((*images)->view.dtype != CY_U8 || s.rank != 3) return CY_OK;
  return reshape(images, CY_SHAPE(s.dim[0], 1, s.dim[1], s.dim[2]));
}

cy_status cy_stack_rows(cy_tensor *a, cy_tensor *b, cy_tensor **both) {
  char x[CY_SHAPE_TEXT], y[CY_SHAPE_TEXT];
  *both = b ? NULL : a;
  if (!b) return CY_OK;
  cy_shape shape = a->view.shape, other = b->view.shape;
  int64_t rows = shape.rank && other.rank ? shape.dim[0] + other.dim[0] : 0;
  cy_status status = CY_OK;
  if (rows) shape.dim[0] = other.dim[0] = rows;
  if (!rows || a->view.dtype != b->view.dtype || !cy_shape_equal(shape, other))
    status = cy_fail(CY_INVALID, "training part is %s %s but test part is %s %s", cy_dtype_name(a->view.dtype),
                     cy_shape_text(a->view.shape, x), cy_dtype_name(b->view.dtype), cy_shape_text(b->view.shape, y));
  if (status == CY_OK) status = cy_tensor_create(a->view.dtype, shape, both);
  if (status == CY_OK) {
    if (a->count) memcpy((*both)->view.data, a->view.data, cy_tensor_bytes(a));
    if (b->count) memcpy((char *)(*both)->view.data + cy_tensor_bytes(a), b->view.data, cy_tensor_bytes(b));
  }
  cy_tensor_free(a);
  cy_tensor_free(b);
  return status;
}

char *cy_join_path(const char *folder, const char *name) {
  size_t size = strlen(folder) + strlen(name) + 2;
  char *path = cy_calloc(size, 1);
  if (path) snprintf(path, size, "%s/%s", folder, name);
  return path;
}
