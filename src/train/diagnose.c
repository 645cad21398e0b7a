/* What to say when the loss is no number any more. The step's guard has kept the state as it was before the step, so
 * the same batch can be run again, forward only, with every value kept. */
#include "train/train.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>

/* "epoch 3, step 17 of 45: the loss is NaN: ..." */
static cy_status fail_at(const cy_trainer *t, const cy_runner *runner, double loss, const char *reason) {
  return cy_fail(CY_NOT_FINITE, "epoch %lld, step %lld of %lld: the loss is %s: %s (learning rate %g)",
                 (long long)t->at.epoch + 1, (long long)t->at.batch + 1, (long long)cy_batches_count(t->batches),
                 isnan(loss) ? "NaN" : "infinite", reason, cy_tensor_at(runner->rate, 0));
}

static int64_t count_bad(const cy_tensor *tensor) {
  int64_t bad = 0;
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++) bad += !isfinite(cy_tensor_at(tensor, i));
  return bad;
}

/* A gradient can overflow although its loss is finite: then a parameter is bad before the step begins. */
static bool name_bad_parameter(const cy_trainer *t, char *text, size_t size) {
  for (int i = 0; i < cy_state_count(t->state); i++) {
    const cy_tensor *tensor = cy_state_tensor(t->state, i);
    cy_dtype dtype = cy_tensor_dtype(tensor);
    if (cy_state_role(t->state, i) == CY_OPTIMIZER || (dtype != CY_F32 && dtype != CY_F64)) continue;
    int64_t bad = count_bad(tensor);
    if (bad == 0) continue;
    snprintf(text, size, "\"%s\" left the step before with %lld of %lld values not finite", cy_state_name(t->state, i),
             (long long)bad, (long long)cy_tensor_count(tensor));
    return true;
  }
  return false;
}

static cy_status look_inside(const cy_trainer *t, const cy_runner *runner, char **text) {
  cy_runner_graph built;
  cy_program *program = NULL;
  cy_session *session = NULL;
  cy_program_options options = t->problem.program;
  cy_shape batch = cy_tensor_shape(runner->x), sample = {.rank = batch.rank - 1};
  for (int i = 0; i < sample.rank; i++) sample.dim[i] = batch.dim[i + 1];
  cy_problem problem = cy_problem_at(&t->problem, sample);
  options.unfused = true;
  CY_TRY(cy_runner_build(&problem, CY_RUN_TRAIN, runner->n, NULL, &built));
  cy_status status = cy_compile(built.outputs, built.n_outputs, NULL, 0, options, &program);
  cy_runner_graph_clear(&built);
  if (status == CY_OK) status = cy_session_create(program, &session);
  if (status == CY_OK) status = cy_session_bind_state(session, t->state);
  if (status == CY_OK) status = cy_session_bind(session, "x", runner->x);
  if (status == CY_OK) status = cy_session_bind(session, "y", runner->y);
  if (status == CY_OK && runner->lengths && cy_program_reads(program, "lengths"))
    status = cy_session_bind(session, "lengths", runner->lengths);
  if (status == CY_OK) status = cy_session_run(session);
  if (status == CY_OK) status = cy_session_first_bad(session, text);
  cy_session_free(session);
  cy_program_free(program);
  return status;
}

cy_status cy_trainer_diagnose(const cy_trainer *t, const cy_runner *runner, double loss) {
  char reason[CY_MESSAGE_SIZE / 2];
  char *text = NULL;
  if (name_bad_parameter(t, reason, sizeof reason)) return fail_at(t, runner, loss, reason);
  if (look_inside(t, runner, &text) != CY_OK) {
    snprintf(reason, sizeof reason, "looking inside the step failed: %.400s", cy_error_message());
    return fail_at(t, runner, loss, reason);
  }
  snprintf(reason, sizeof reason, "first bad value: %.480s",
           text ? text : "none when every value is kept, so an overflow at the edge");
  cy_string_free(text);
  return fail_at(t, runner, loss, reason);
}
