/* Options of optimisers by name: the table of settings, their ranges and usual values. A setting is a field of
 * cy_optimizer_options; which of them an optimiser has stands in its row. */
#include "optim/optim.h"

#include "base/error.h"
#include "base/text.h"

#include <cauchy/objective.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

static const struct setting {
  const char *name;
  size_t offset;
  double low, high;
  bool high_allowed, whole;
} settings[] = {
  [CY_MOMENTUM] = {"momentum", offsetof(cy_optimizer_options, momentum), 0, 1, false, false},
  [CY_BETA1] = {"beta1", offsetof(cy_optimizer_options, beta1), 0, 1, false, false},
  [CY_BETA2] = {"beta2", offsetof(cy_optimizer_options, beta2), 0, 1, false, false},
  [CY_EPSILON] = {"epsilon", offsetof(cy_optimizer_options, epsilon), 0, 1, true, false},
  [CY_WEIGHT_DECAY] = {"weight_decay", offsetof(cy_optimizer_options, weight_decay), 0, 1, true, false},
  [CY_DAMPING] = {"damping", offsetof(cy_optimizer_options, damping), 0, INFINITY, false, false},
  [CY_MEMORY] = {"memory", offsetof(cy_optimizer_options, memory), 1, 10000, true, true},
  [CY_CG_ITERATIONS] = {"cg_iterations", offsetof(cy_optimizer_options, cg_iterations), 1, 1e6, true, true},
  [CY_CURVATURE_SAMPLES] = {"curvature_samples", offsetof(cy_optimizer_options, curvature_samples), 0, 1e15, true,
                            true},
  [CY_PRECONDITIONER] = {"preconditioner", offsetof(cy_optimizer_options, preconditioner), 0, 1, true, false},
  /* Not of the row but of all first-order optimisers: */
  {"clip_norm", offsetof(cy_optimizer_options, clip_norm), 0, INFINITY, false, false},
  {"clip_value", offsetof(cy_optimizer_options, clip_value), 0, INFINITY, false, false},
};
enum { SETTINGS = (int)(sizeof settings / sizeof settings[0]) };

static double *field(cy_optimizer_options *options, int s) {
  return (double *)(void *)((char *)options + settings[s].offset);
}

const cy_optimizer_row *cy_optimizer_find(const char *name) {
  if (!name) name = "adam";
  for (int i = 0; i < cy_optimizer_row_count; i++)
    if (strcmp(cy_optimizer_rows[i].name, name) == 0) return &cy_optimizer_rows[i];
  return NULL;
}

/* Position of a hyper-parameter among the row's settings, or -1. */
static int position(const cy_optimizer_row *row, int hyper) {
  for (int i = 0; i < row->n_settings; i++)
    if ((int)row->settings[i].hyper == hyper) return i;
  return -1;
}

static bool has_setting(const cy_optimizer_row *row, int s) {
  return s < CY_HYPER_COUNT ? position(row, s) >= 0 : row->update != NULL;
}

static cy_status unknown_optimizer(const char *name) {
  const char *names[32];
  cy_text list = {0};
  int n = cy_optimizer_row_count < 32 ? cy_optimizer_row_count : 32;
  for (int i = 0; i < n; i++) {
    names[i] = cy_optimizer_rows[i].name;
    cy_text_add(&list, "%s%s", i ? ", " : "", names[i]);
  }
  const char *near = cy_nearest_name(name, names, (size_t)n);
  cy_status status = cy_fail(CY_INVALID, "unknown optimiser \"%s\"%s%s%s (there are %s)", name,
                             near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "",
                             list.data ? list.data : "others");
  cy_text_clear(&list);
  return status;
}

/* "beta1, beta2, epsilon, weight_decay, clip_norm, clip_value" */
static void list_settings(const cy_optimizer_row *row, cy_text *list) {
  const char *comma = "";
  for (int s = 0; s < SETTINGS; s++) {
    if (!has_setting(row, s)) continue;
    cy_text_add(list, "%s%s", comma, settings[s].name);
    comma = ", ";
  }
  if (row->chooses_curvature) cy_text_add(list, "%scurvature", comma);
}

static cy_status foreign_setting(const cy_optimizer_row *row, const char *setting) {
  cy_text list = {0};
  list_settings(row, &list);
  cy_status status = cy_fail(CY_INVALID, "optimiser \"%s\" has no %s (its settings are %s)", row->name, setting,
                             list.data ? list.data : "few");
  cy_text_clear(&list);
  return status;
}

static cy_status check_range(const char *optimizer, int s, double value) {
  const struct setting *it = &settings[s];
  bool inside = value >= it->low && (value < it->high || (it->high_allowed && value <= it->high));
  if (inside && it->whole && value != floor(value))
    return cy_fail(CY_INVALID, "optimiser \"%s\": %s is %g; it must be a whole number", optimizer, it->name, value);
  if (inside) return CY_OK;
  if (isinf(it->high))
    return cy_fail(CY_INVALID, "optimiser \"%s\": %s is %g; it must be a finite number >= %g", optimizer, it->name,
                   value, it->low);
  return cy_fail(CY_INVALID, "optimiser \"%s\": %s is %g; it must be in %g <= %s %s %g", optimizer, it->name, value,
                 it->low, it->name, it->high_allowed ? "<=" : "<", it->high);
}

/* The usual matrix is positive semi-definite for the usual losses. */
static cy_status resolve_curvature(const cy_optimizer_row *row, const char **curvature) {
  const char *names[CY_CURVATURES];
  if (!row->chooses_curvature) return *curvature ? foreign_setting(row, "curvature") : CY_OK;
  const char *wanted = *curvature ? *curvature : cy_curvature_name(CY_GAUSS_NEWTON);
  for (int i = 0; i < CY_CURVATURES; i++) {
    names[i] = cy_curvature_name((cy_curvature)i);
    if (strcmp(names[i], wanted) != 0) continue;
    *curvature = names[i];
    return CY_OK;
  }
  const char *near = cy_nearest_name(wanted, names, CY_CURVATURES);
  return cy_fail(CY_INVALID, "optimiser \"%s\": unknown curvature \"%s\"; %s%s%s", row->name, wanted,
                 near ? "did you mean \"" : "there are hessian, gauss-newton and fisher", near ? near : "",
                 near ? "\"?" : "");
}

cy_status cy_optimizer_resolve(cy_optimizer_options options, cy_optimizer_options *resolved) {
  const cy_optimizer_row *row = cy_optimizer_find(options.name);
  if (!row) return unknown_optimizer(options.name);
  options.name = row->name;
  CY_TRY(resolve_curvature(row, &options.curvature));
  for (int s = 0; s < SETTINGS; s++) {
    double *value = field(&options, s);
    int at = s < CY_HYPER_COUNT ? position(row, s) : -1;
    if (!has_setting(row, s)) {
      if (*value != 0) return foreign_setting(row, settings[s].name);
      *value = 0;
      continue;
    }
    if (at >= 0 && *value == 0 && !signbit(*value)) *value = row->settings[at].usual;
    CY_TRY(check_range(row->name, s, *value));
  }
  *resolved = options;
  return CY_OK;
}

cy_status cy_optimizer_set(cy_optimizer_options *options, const char *setting, double value) {
  const cy_optimizer_row *row = cy_optimizer_find(options->name);
  const char *names[SETTINGS];
  if (!row) return unknown_optimizer(options->name);
  for (int s = 0; s < SETTINGS; s++) {
    names[s] = settings[s].name;
    if (strcmp(setting, names[s]) != 0) continue;
    if (!has_setting(row, s)) return foreign_setting(row, setting);
    CY_TRY(check_range(row->name, s, value));
    *field(options, s) = value == 0 ? CY_EXACT_ZERO : value;
    return CY_OK;
  }
  const char *near = cy_nearest_name(setting, names, SETTINGS);
  if (near) return cy_fail(CY_INVALID, "unknown setting \"%s\" of an optimiser; did you mean \"%s\"?", setting, near);
  return foreign_setting(row, setting);
}

int cy_optimizer_count(void) { return cy_optimizer_row_count; }

static const cy_optimizer_row *row_at(int i) {
  return i >= 0 && i < cy_optimizer_row_count ? &cy_optimizer_rows[i] : NULL;
}
const char *cy_optimizer_name(int i) { return row_at(i) ? row_at(i)->name : NULL; }
const char *cy_optimizer_summary(int i) { return row_at(i) ? row_at(i)->summary : NULL; }
double cy_optimizer_rate(int i) { return row_at(i) ? row_at(i)->rate : 0; }
bool cy_optimizer_second_order(int i) { return row_at(i) && !row_at(i)->update; }

bool cy_optimizer_setting(int i, int s, cy_optimizer_setting_info *info) {
  const cy_optimizer_row *row = row_at(i);
  if (!row || s < 0 || s >= row->n_settings) return false;
  const struct setting *it = &settings[row->settings[s].hyper];
  *info = (cy_optimizer_setting_info){it->name, row->settings[s].usual, it->low, it->high, it->high_allowed,
                                      it->whole};
  return true;
}
