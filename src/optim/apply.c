/* Builds an optimiser's update into a training step: clip, decay, the row's rule for each parameter, the guard against
 * a bad loss, the counter. Knows no optimiser by name. The trainer calls it, and programs with their own loop. */
#include "optim/optim.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

/* options need not be resolved: the usual momentum of a row whose slot depends on it is zero. */
static int slot_count(const cy_optimizer_row *row, const cy_optimizer_options *options) {
  return row->n_slots - (row->last_slot_is_momentum && !(options->momentum > 0) ? 1 : 0);
}

int cy_optimizer_update_count(cy_optimizer_options options, int n) {
  const cy_optimizer_row *row = cy_optimizer_find(options.name);
  return row && row->update ? n * (1 + slot_count(row, &options)) + 1 : 0;
}

static cy_status check_inputs(const cy_optimizer_inputs *in) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  if (in->n < 1) return cy_fail(CY_INVALID, "an optimiser needs at least one parameter");
  cy_dtype dtype = cy_value_dtype(in->parameters[0]);
  for (int i = 0; i < in->n; i++) {
    cy_value p = in->parameters[i], g = in->gradients[i];
    const char *name = cy_is_value(p) ? cy_value_name(p) : "";
    if (!name[0]) return cy_fail(CY_INVALID, "optimiser: parameter %d is not a variable", i);
    if (!cy_dtype_is_float(cy_value_dtype(p)) || cy_value_dtype(p) != dtype)
      return cy_fail(CY_INVALID, "optimiser: parameter \"%s\" is %s; all must be of one float dtype (the first is %s)",
                     name, cy_dtype_name(cy_value_dtype(p)), cy_dtype_name(dtype));
    if (!cy_is_value(g)) return cy_fail(CY_INVALID, "optimiser: no gradient for parameter \"%s\"", name);
    if (cy_value_dtype(g) != dtype || !cy_shape_equal(cy_value_shape(g), cy_value_shape(p)))
      return cy_fail(CY_INVALID, "optimiser: parameter \"%s\" is %s %s but its gradient is %s %s", name,
                     cy_dtype_name(dtype), cy_shape_text(cy_value_shape(p), a), cy_dtype_name(cy_value_dtype(g)),
                     cy_shape_text(cy_value_shape(g), b));
  }
  if (cy_is_value(in->good) && (cy_value_dtype(in->good) != CY_BOOL || cy_value_shape(in->good).rank != 0))
    return cy_fail(CY_INVALID, "optimiser: the guard must be a bool scalar");
  return CY_OK;
}

/* What every parameter's update shares while it is built. */
typedef struct build {
  cy_graph *graph;
  const cy_optimizer_row *row;
  int n_slots;
  cy_update_scalars scalars;
  cy_value good;
  cy_state *state;
  cy_update *updates;
  int n_updates;
} build;

static void emit(build *b, cy_value variable, cy_value value) {
  if (cy_is_value(b->good)) value = cy_select(b->good, value, variable);
  b->updates[b->n_updates++] = (cy_update){variable, value};
}

/* The variable "<optimiser>.<slot>/<parameter>", as large as the parameter, zero at first. */
static cy_status open_slot(build *b, const char *slot, cy_value parameter, cy_value *variable) {
  const char *name = cy_value_name(parameter);
  size_t size = strlen(b->row->name) + strlen(slot) + strlen(name) + 3;
  char *full = cy_calloc(size, 1);
  if (!full) return cy_no_memory();
  snprintf(full, size, "%s.%s/%s", b->row->name, slot, name);
  cy_status status = CY_OK;
  if (b->state)
    status = cy_state_declare(b->state, full, CY_OPTIMIZER, cy_value_dtype(parameter), cy_value_shape(parameter));
  if (status == CY_OK) *variable = cy_variable(b->graph, full, cy_value_dtype(parameter), cy_value_shape(parameter));
  cy_free(full);
  return status;
}

static cy_status update_parameter(build *b, cy_value parameter, cy_value gradient, bool decays) {
  cy_value slots[CY_MAX_SLOTS], next[CY_MAX_SLOTS], start = parameter;
  double decay = decays ? b->scalars.options->weight_decay : 0;
  for (int s = 0; s < b->n_slots; s++) CY_TRY(open_slot(b, b->row->slots[s], parameter, &slots[s]));
  if (decay > 0 && b->row->decoupled)
    start = cy_mul(parameter, cy_rsub_scalar(1, cy_mul_scalar(b->scalars.rate, decay)));
  else if (decay > 0)
    gradient = cy_add(gradient, cy_mul_scalar(parameter, decay));
  emit(b, parameter, b->row->update(&b->scalars, start, gradient, slots, next));
  for (int s = 0; s < b->n_slots; s++) emit(b, slots[s], next[s]);
  return CY_OK;
}

static void clip(const cy_optimizer_options *options, const cy_value *gradients, int n, cy_value *clipped) {
  for (int i = 0; i < n; i++)
    clipped[i] = options->clip_value > 0 ? cy_clip_by_value(gradients[i], options->clip_value) : gradients[i];
  if (options->clip_norm > 0) cy_clip_by_norm(clipped, n, options->clip_norm, clipped);
}

cy_status cy_optimizer_apply(cy_graph *graph, cy_optimizer_options options, cy_optimizer_inputs inputs, cy_state *state,
                             cy_update *updates, int *n_updates) {
  *n_updates = 0;
  CY_TRY(cy_optimizer_resolve(options, &options));
  CY_TRY(cy_graph_status(graph));
  CY_TRY(check_inputs(&inputs));
  cy_dtype dtype = cy_value_dtype(inputs.parameters[0]);
  const cy_optimizer_row *row = cy_optimizer_find(options.name);
  if (!row->update)
    return cy_fail(CY_INVALID, "optimiser \"%s\" is second-order: no update of one step, but a method of cy_minimize "
                   "and of the trainer", row->name);
  cy_value step = cy_variable(graph, "step", CY_I64, CY_SCALAR);
  cy_value after = cy_add_scalar(step, 1), rate = cy_input(graph, "learning_rate", dtype, CY_SCALAR);
  build b = {.graph = graph, .row = row, .n_slots = slot_count(row, &options), .good = inputs.good, .state = state,
             .updates = updates,
             .scalars = {&options, rate, cy_convert(after, dtype)}};
  if (state) CY_TRY(cy_state_declare(state, "step", CY_OPTIMIZER, CY_I64, CY_SCALAR));
  cy_value *clipped = cy_calloc((size_t)inputs.n, sizeof *clipped);
  if (!clipped) return cy_no_memory();
  cy_scope_push(graph, row->name);
  clip(&options, inputs.gradients, inputs.n, clipped);
  cy_status status = CY_OK;
  for (int i = 0; i < inputs.n && status == CY_OK; i++)
    status = update_parameter(&b, inputs.parameters[i], clipped[i], !inputs.decays || inputs.decays[i]);
  emit(&b, step, after);
  cy_scope_pop(graph);
  cy_free(clipped);
  *n_updates = b.n_updates;
  return status == CY_OK ? cy_graph_status(graph) : status;
}
