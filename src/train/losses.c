/* The losses that training knows by name: one row each. */
#include "train/train.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

static cy_value cross_entropy(cy_value output, cy_value labels, cy_value targets, cy_reduction reduction) {
  (void)targets;
  return cy_cross_entropy(output, labels, (cy_cross_entropy_options){.reduction = reduction});
}
static cy_value hinge(cy_value output, cy_value labels, cy_value targets, cy_reduction reduction) {
  (void)targets;
  return cy_hinge_loss(output, labels, (cy_margin_options){.reduction = reduction});
}
static cy_value squared(cy_value output, cy_value labels, cy_value targets, cy_reduction reduction) {
  (void)labels;
  return cy_squared_error(output, targets, (cy_regression_options){.reduction = reduction});
}
static cy_value absolute(cy_value output, cy_value labels, cy_value targets, cy_reduction reduction) {
  (void)labels;
  return cy_absolute_error(output, targets, (cy_regression_options){.reduction = reduction});
}
static cy_value huber(cy_value output, cy_value labels, cy_value targets, cy_reduction reduction) {
  (void)labels;
  return cy_huber_loss(output, targets, (cy_regression_options){.reduction = reduction});
}
static cy_value binary(cy_value output, cy_value labels, cy_value targets, cy_reduction reduction) {
  (void)labels;
  return cy_binary_cross_entropy(output, targets, reduction);
}
static cy_value softmax_of_classes(cy_value output) { return cy_softmax(output, 1); }

static const cy_loss_row rows[] = {
  {"cross_entropy", true, cross_entropy, softmax_of_classes, false, false},
  {"mse", false, squared, NULL, false, true},
  {"mae", false, absolute, NULL, false, true},
  {"huber", false, huber, NULL, false, true},
  {"binary_cross_entropy", false, binary, cy_logistic, true, false},
  {"hinge", true, hinge, NULL, false, false},
};
enum { ROWS = (int)(sizeof rows / sizeof rows[0]) };

const char *cy_trainer_loss_name(int i) { return i >= 0 && i < ROWS ? rows[i].name : NULL; }

const cy_loss_row *cy_loss_find(const char *name, int64_t classes) {
  const char *names[ROWS];
  cy_status status;
  if (!name) name = classes > 0 ? "cross_entropy" : "mse";
  for (int i = 0; i < ROWS; i++) {
    names[i] = rows[i].name;
    if (strcmp(name, rows[i].name) != 0) continue;
    if (!rows[i].classes_only || classes > 0) return &rows[i];
    status = cy_fail(CY_INVALID, "loss \"%s\" needs classes as targets, but these are numbers; try \"mse\"", name);
    return (void)status, NULL;
  }
  const char *near = cy_nearest_name(name, names, ROWS);
  status = cy_fail(CY_INVALID, "unknown loss \"%s\"%s%s%s", name, near ? "; did you mean \"" : "", near ? near : "",
                   near ? "\"?" : " (there are cross_entropy, mse, mae, huber, binary_cross_entropy, hinge)");
  return (void)status, NULL;
}
