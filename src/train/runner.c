/* Runners: the training step, the evaluation and the prediction as one graph each, compiled for one batch size, with
 * the tensors they read bound once. Running a runner allocates nothing. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "nn/ragged.h"
#include "nn/sequence.h"
#include "tensor/tensor.h"

#include <cauchy/autodiff.h>

#include <float.h>
#include <string.h>

static cy_shape batch_of(int64_t n, cy_shape one) {
  cy_shape shape = {.rank = one.rank + 1, .dim = {n}};
  for (int i = 0; i < one.rank; i++) shape.dim[i + 1] = one.dim[i];
  return shape;
}

/* Of labels [N, ...]: [N, classes, ...]. */
static cy_shape scores_of(const cy_problem *o, cy_shape labels) {
  cy_shape scores = {.rank = labels.rank + 1, .dim = {labels.dim[0], o->classes}};
  for (int i = 1; i < labels.rank; i++) scores.dim[i + 1] = labels.dim[i];
  return scores;
}

/* Log-odds of the second of two classes. */
static bool is_single(const cy_problem *o, cy_shape output) {
  return o->loss->single && o->classes == 2 && o->target.rank == 0 && output.rank == 2 && output.dim[1] == 1;
}

static cy_status check_output(const cy_problem *o, cy_value output, cy_shape target) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  cy_shape shape = cy_value_shape(output), scores = scores_of(o, target);
  if (is_single(o, shape) && shape.dim[0] == target.dim[0]) return CY_OK;
  if (o->classes > 0 && !cy_shape_equal(shape, scores))
    return cy_fail(CY_INVALID, "the model's output is %s, but a data set of %lld classes needs %s",
                   cy_shape_text(shape, a), (long long)o->classes, cy_shape_text(scores, b));
  if (o->classes == 0 && (shape.rank < 1 || shape.dim[0] != target.dim[0] || cy_count(shape) != cy_count(target)))
    return cy_fail(CY_INVALID, "the model's output is %s, but the targets are %s", cy_shape_text(shape, a),
                   cy_shape_text(target, b));
  return CY_OK;
}

static cy_value target_number(const cy_problem *o, cy_graph *graph, const char *name) {
  return cy_convert(cy_variable(graph, name, CY_F32, o->target), o->dtype);
}

/* Back to the unit of the targets. */
static cy_value in_unit(const cy_problem *o, int64_t n, cy_value output) {
  if (!o->standardised) return output;
  cy_value numbers = cy_reshape(output, batch_of(n, o->target));
  numbers = cy_div(numbers, target_number(o, output.graph, CY_TARGET_FACTOR));
  numbers = cy_add(numbers, target_number(o, output.graph, CY_TARGET_OFFSET));
  return cy_reshape(numbers, cy_value_shape(output));
}

/* With the classes as axis 1. */
static cy_value one_hot(const cy_problem *o, cy_value labels) {
  int axes[CY_MAX_RANK] = {0, o->target.rank + 1};
  for (int i = 1; i <= o->target.rank; i++) axes[i + 1] = i;
  cy_value last = cy_one_hot(labels, o->classes, o->dtype);
  return o->target.rank > 0 ? cy_permute(last, axes) : last;
}

/* What the output should be: "y", as labels (the empty value for numbers) and as numbers. */
static cy_value targets_of(const cy_problem *o, cy_graph *graph, int64_t n, cy_value output, cy_value *labels) {
  *labels = (cy_value){.graph = graph, .id = -1};
  if (o->classes > 0) {
    *labels = cy_input(graph, "y", CY_I64, batch_of(n, o->target));
    if (is_single(o, cy_value_shape(output))) return cy_reshape(cy_convert(*labels, o->dtype), cy_value_shape(output));
    return o->loss->classes_only ? *labels : one_hot(o, *labels);
  }
  cy_value targets = cy_convert(cy_input(graph, "y", CY_F32, batch_of(n, o->target)), o->dtype);
  if (o->standardised) {
    targets = cy_sub(targets, target_number(o, graph, CY_TARGET_OFFSET));
    targets = cy_mul(targets, target_number(o, graph, CY_TARGET_FACTOR));
  }
  return cy_reshape(targets, cy_value_shape(output));
}

static cy_value class_of(const cy_problem *o, cy_value output) {
  if (!is_single(o, cy_value_shape(output))) return cy_argmax(output, 1, false);
  cy_value zero = cy_scalar(output.graph, o->dtype, 0);
  return cy_reshape(cy_convert(cy_gt(output, zero), CY_I64), batch_of(cy_value_shape(output).dim[0], CY_SCALAR));
}

/* Probabilities of the classes, or the output itself in the unit of the targets. */
static cy_value answer_of(const cy_problem *o, int64_t n, cy_value output) {
  if (!o->loss->answer) return in_unit(o, n, output);
  if (!is_single(o, cy_value_shape(output))) return o->loss->answer(output);
  cy_value both[2];
  both[0] = o->loss->answer(cy_neg(output));
  both[1] = o->loss->answer(output);
  return cy_concat(both, 2, 1);
}

/* Values [n, steps], and 0 behind the ends of the samples. */
static cy_value before_ends(const cy_network *network, cy_value values) {
  cy_value valid = cy_sequence_valid(cy_network_ends(network).lengths, cy_value_shape(values), 0, 1);
  return cy_select(valid, values, cy_zeros_like(values));
}

/* Of losses [n, steps]: of each sample, the mean over its own. */
static cy_value over_steps(const cy_network *network, cy_value losses) {
  cy_value sum = cy_sum(before_ends(network, losses), (int[]){1}, 1, false);
  return cy_div(sum, cy_convert(cy_network_ends(network).lengths, cy_value_dtype(losses)));
}

static bool has_ends(const cy_problem *o) { return o->each_step && o->ragged; }

static cy_value mean_loss(const cy_problem *o, const cy_network *network, cy_value output, cy_value labels,
                          cy_value targets) {
  if (!has_ends(o)) return o->loss->loss(output, labels, targets, CY_LOSS_MEAN);
  cy_value losses = o->loss->loss(output, labels, targets, CY_LOSS_PER_EXAMPLE);
  return cy_mean(over_steps(network, losses), (int[]){0}, 1, false);
}

/* The loss and the number of labels that have the largest output, in the problem's dtype. */
static cy_value loss_of(const cy_problem *o, const cy_network *network, int64_t n, cy_value output, cy_value *correct,
                        cy_value *predicted) {
  cy_graph *graph = output.graph;
  cy_value labels, targets = targets_of(o, graph, n, output, &labels);
  *correct = *predicted = cy_scalar(graph, o->dtype, 0);
  if (o->classes > 0) {
    *predicted = class_of(o, output);
    cy_value right = cy_convert(cy_eq(*predicted, labels), o->dtype);
    if (has_ends(o)) right = before_ends(network, right);
    *correct = cy_sum(right, NULL, 0, false);
  }
  return mean_loss(o, network, output, labels, targets);
}

/* |loss| <= the largest number: false for infinity and NaN, and nothing a simplifier could cancel. */
static cy_value is_finite(cy_value loss, cy_dtype dtype) {
  cy_value largest = cy_scalar(loss.graph, dtype, dtype == CY_F32 ? (double)FLT_MAX : DBL_MAX);
  return cy_le(cy_abs(loss), largest);
}

/* A second-order iteration has moved the parameters before: this pass measures them, and updates running statistics. */
static cy_status build_measuring_updates(cy_runner_graph *built, cy_value good, cy_state *declare) {
  int n;
  const cy_update *network = cy_network_updates(built->network, &n);
  built->updates = cy_calloc((size_t)n + 1, sizeof *built->updates);
  if (!built->updates) return cy_no_memory();
  if (declare) CY_TRY(cy_state_declare(declare, "step", CY_OPTIMIZER, CY_I64, CY_SCALAR));
  cy_value step = cy_variable(built->graph, "step", CY_I64, CY_SCALAR);
  built->updates[built->n_updates++] = (cy_update){step, cy_select(good, cy_add_scalar(step, 1), step)};
  for (int i = 0; i < n; i++) {
    cy_value variable = network[i].variable;
    built->updates[built->n_updates++] = (cy_update){variable, cy_select(good, network[i].value, variable)};
  }
  return cy_graph_status(built->graph);
}

/* Gradients and updates of the trained parameters. */
static cy_status build_updates(const cy_problem *o, cy_runner_graph *built, cy_value loss, cy_state *declare) {
  int n = 0, n_network = 0, n_optimizer = 0;
  const cy_value *parameters = cy_network_parameters(built->network, &n);
  const cy_update *network = cy_network_updates(built->network, &n_network);
  if (n == 0) return cy_fail(CY_INVALID, "the model has no parameters to train");
  if (cy_is_second_order(&o->optimizer))
    return build_measuring_updates(built, is_finite(loss, o->dtype), declare);
  cy_value *gradients = cy_calloc((size_t)n, sizeof *gradients);
  bool *decays = cy_calloc((size_t)n, sizeof *decays);
  built->updates = cy_calloc((size_t)(cy_optimizer_update_count(o->optimizer, n) + n_network), sizeof *built->updates);
  cy_status status = CY_OK;
  if (!gradients || !decays || !built->updates) {
    status = cy_no_memory();
    goto done;
  }
  for (int i = 0, p = 0; i < cy_network_variable_count(built->network) && p < n; i++) {
    const cy_network_variable *v = cy_network_variable_at(built->network, i);
    if (v->role == CY_PARAMETER) decays[p++] = v->decays;
  }
  CY_TRY_GOTO(status, cy_grad(loss, parameters, n, gradients), done);
  cy_value good = is_finite(loss, o->dtype);
  cy_optimizer_inputs inputs = {parameters, gradients, decays, n, good};
  CY_TRY_GOTO(status, cy_optimizer_apply(built->graph, o->optimizer, inputs, declare, built->updates, &n_optimizer),
              done);
  built->n_updates = n_optimizer;
  for (int i = 0; i < n_network; i++) {
    cy_value variable = network[i].variable;
    built->updates[built->n_updates++] = (cy_update){variable, cy_select(good, network[i].value, variable)};
  }
done:
  cy_free(gradients);
  cy_free(decays);
  return status;
}

static cy_value add_penalties(const cy_problem *o, cy_network *network, cy_value loss) {
  loss = cy_add(loss, cy_network_penalty(network));
  if (o->l1 > 0) loss = cy_add(loss, cy_l1_penalty(network, o->l1));
  if (o->l2 > 0) loss = cy_add(loss, cy_l2_penalty(network, o->l2));
  return loss;
}

static void add_output(cy_runner_graph *built, cy_value value) { built->outputs[built->n_outputs++] = value; }

/* Graph, network and its output for n samples "x". */
static cy_status build_network(const cy_problem *o, bool training, int64_t n, cy_state *declare, cy_graph **graph,
                               cy_network **network, cy_value *output) {
  if (o->sample.rank + 1 > CY_MAX_RANK || o->target.rank + 1 > CY_MAX_RANK)
    return cy_fail(CY_INVALID, "samples or targets have more than %d axes", CY_MAX_RANK - 1);
  CY_TRY(cy_graph_create(graph));
  cy_network_options options = {.training = training, .dtype = o->dtype, .carry = o->carry};
  CY_TRY(cy_network_create(*graph, options, network));
  cy_value x = cy_convert(cy_input(*graph, "x", CY_F32, batch_of(n, o->sample)), o->dtype);
  if (o->ragged) cy_network_set_lengths(*network, x, cy_input(*graph, "lengths", CY_I64, CY_SHAPE(n)));
  *output = cy_model_apply(o->model, *network, x);
  CY_TRY(cy_graph_status(*graph));
  CY_TRY(check_output(o, *output, batch_of(n, o->target)));
  return declare ? cy_network_declare(*network, declare) : CY_OK;
}

/* What recurrent layers hand on, in evaluation and prediction. */
static cy_status build_carry(const cy_problem *o, cy_runner_graph *built) {
  int n;
  const cy_update *network = cy_network_updates(built->network, &n);
  if (!o->carry || n == 0) return CY_OK;
  built->updates = cy_calloc((size_t)n, sizeof *built->updates);
  if (!built->updates) return cy_no_memory();
  memcpy(built->updates, network, (size_t)n * sizeof *network);
  built->n_updates = n;
  return CY_OK;
}

static cy_status build(const cy_problem *o, cy_runner_kind kind, int64_t n, cy_state *declare,
                       cy_runner_graph *built) {
  cy_value output, correct, predicted;
  CY_TRY(build_network(o, kind == CY_RUN_TRAIN, n, declare, &built->graph, &built->network, &output));
  if (kind == CY_RUN_PREDICT) {
    add_output(built, answer_of(o, n, output));
    if (o->classes > 0) add_output(built, class_of(o, output));
    CY_TRY(cy_graph_status(built->graph));
    return build_carry(o, built);
  }
  cy_value loss = loss_of(o, built->network, n, output, &correct, &predicted);
  if (kind == CY_RUN_TRAIN) loss = add_penalties(o, built->network, loss);
  add_output(built, loss);
  add_output(built, correct);
  if (kind == CY_RUN_EVALUATE && o->classes > 0) add_output(built, predicted);
  if (kind == CY_RUN_EVALUATE && o->classes > 0 && o->target.rank == 0) add_output(built, output);
  if (kind == CY_RUN_EVALUATE && o->classes == 0) add_output(built, answer_of(o, n, output));
  CY_TRY(cy_graph_status(built->graph));
  return kind == CY_RUN_TRAIN ? build_updates(o, built, loss, declare) : build_carry(o, built);
}

cy_status cy_runner_build(const cy_problem *problem, cy_runner_kind kind, int64_t n, cy_state *declare,
                         cy_runner_graph *built) {
  *built = (cy_runner_graph){0};
  cy_status status = build(problem, kind, n, declare, built);
  if (status != CY_OK) cy_runner_graph_clear(built);
  return status;
}

static cy_status build_values(const cy_problem *o, bool training, int64_t n, cy_state *declare,
                              cy_problem_values *v) {
  cy_value labels;
  CY_TRY(build_network(o, training, n, declare, &v->graph, &v->network, &v->output));
  cy_value targets = targets_of(o, v->graph, n, v->output, &labels);
  v->losses = o->loss->loss(v->output, labels, targets, CY_LOSS_PER_EXAMPLE);
  if (has_ends(o)) v->losses = over_steps(v->network, v->losses);
  v->loss = add_penalties(o, v->network, mean_loss(o, v->network, v->output, labels, targets));
  return cy_graph_status(v->graph);
}

cy_status cy_problem_build(const cy_problem *problem, bool training, int64_t n, cy_state *declare,
                           cy_problem_values *values) {
  *values = (cy_problem_values){0};
  cy_status status = build_values(problem, training, n, declare, values);
  if (status != CY_OK) cy_problem_values_clear(values);
  return status;
}

void cy_problem_values_clear(cy_problem_values *values) {
  cy_network_free(values->network);
  cy_graph_free(values->graph);
  *values = (cy_problem_values){0};
}

void cy_runner_graph_clear(cy_runner_graph *built) {
  cy_network_free(built->network);
  cy_graph_free(built->graph);
  cy_free(built->updates);
  *built = (cy_runner_graph){0};
}

static cy_status bind_new(cy_session *session, const char *name, cy_dtype dtype, cy_shape shape, cy_tensor **tensor) {
  CY_TRY(cy_tensor_create(dtype, shape, tensor));
  return cy_session_bind(session, name, *tensor);
}

/* A dense layer behind flattened images has as many weights as they have pixels. */
static cy_status check_variables(const cy_problem *o, const cy_network *network, const cy_state *state) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT], c[CY_SHAPE_TEXT];
  for (int i = 0; i < cy_network_variable_count(network); i++) {
    const cy_network_variable *v = cy_network_variable_at(network, i);
    const cy_tensor *tensor = v->carried ? NULL : cy_state_find(state, v->name);
    if (tensor && !cy_shape_equal(cy_tensor_shape(tensor), v->shape))
      return cy_fail(CY_INVALID, "\"%s\" is %s, but samples of %s would need %s: the model takes one size only",
                     v->name, cy_shape_text(cy_tensor_shape(tensor), a), cy_shape_text(o->sample, b),
                     cy_shape_text(v->shape, c));
  }
  return CY_OK;
}

static cy_status make_carried(const cy_network *network, cy_runner *runner) {
  CY_TRY(cy_state_create(&runner->carried));
  for (int i = 0; i < cy_network_variable_count(network); i++) {
    const cy_network_variable *v = cy_network_variable_at(network, i);
    if (v->carried) CY_TRY(cy_state_declare(runner->carried, v->name, v->role, v->dtype, v->shape));
  }
  return cy_state_allocate(runner->carried);
}

/* What the runner carries itself, and all else from the state. */
static cy_status bind_state(const cy_runner *runner, const cy_state *state) {
  if (!runner->carried) return cy_session_bind_state(runner->session, state);
  for (int i = 0; i < cy_state_count(state); i++) {
    const char *name = cy_state_name(state, i);
    if (cy_program_reads(runner->program, name) && !cy_state_find(runner->carried, name))
      CY_TRY(cy_session_bind(runner->session, name, cy_state_tensor(state, i)));
  }
  for (int i = 0; i < cy_state_count(runner->carried); i++) {
    const char *name = cy_state_name(runner->carried, i);
    if (cy_program_reads(runner->program, name))
      CY_TRY(cy_session_bind(runner->session, name, cy_state_tensor(runner->carried, i)));
  }
  return CY_OK;
}

void cy_runner_restart(const cy_runner *runner) {
  for (int i = 0; runner->carried && i < cy_state_count(runner->carried); i++) {
    cy_tensor *tensor = cy_state_tensor(runner->carried, i);
    memset(cy_tensor_data(tensor), 0, cy_tensor_bytes(tensor));
  }
}

static cy_status fill(const cy_problem *o, const cy_state *state, const cy_session *memory, cy_runner *runner) {
  cy_runner_graph built;
  CY_TRY(cy_runner_build(o, runner->kind, runner->n, NULL, &built));
  cy_status status = check_variables(o, built.network, state);
  if (status == CY_OK && o->carry && runner->kind != CY_RUN_TRAIN) status = make_carried(built.network, runner);
  cy_program_options options = o->program;
  options.frozen = runner->kind == CY_RUN_PREDICT && built.n_updates == 0;
  if (status == CY_OK)
    status = cy_compile(built.outputs, built.n_outputs, built.updates, built.n_updates, options, &runner->program);
  cy_runner_graph_clear(&built);
  CY_TRY(status);
  CY_TRY(cy_session_create_sharing(runner->program, memory, &runner->session));
  CY_TRY(bind_state(runner, state));
  CY_TRY(bind_new(runner->session, "x", CY_F32, batch_of(runner->n, o->sample), &runner->x));
  if (o->ragged) {
    CY_TRY(cy_tensor_create(CY_I64, CY_SHAPE(runner->n), &runner->lengths));
    if (cy_program_reads(runner->program, "lengths"))
      CY_TRY(cy_session_bind(runner->session, "lengths", runner->lengths));
  }
  if (runner->kind == CY_RUN_TRAIN && !cy_is_second_order(&o->optimizer))
    CY_TRY(bind_new(runner->session, "learning_rate", o->dtype, CY_SCALAR, &runner->rate));
  if (runner->kind == CY_RUN_PREDICT) return CY_OK;
  cy_dtype dtype = o->classes > 0 ? CY_I64 : CY_F32;
  return bind_new(runner->session, "y", dtype, batch_of(runner->n, o->target), &runner->y);
}

cy_status cy_runner_create(const cy_problem *problem, cy_runner_kind kind, int64_t n, const cy_state *state,
                           const cy_session *memory, cy_runner **runner) {
  *runner = cy_calloc(1, sizeof **runner);
  if (!*runner) return cy_no_memory();
  (*runner)->kind = kind;
  (*runner)->n = n;
  cy_status status = fill(problem, state, memory, *runner);
  if (status == CY_OK) return CY_OK;
  cy_runner_free(*runner);
  *runner = NULL;
  return status;
}

void cy_runner_free(cy_runner *runner) {
  if (!runner) return;
  cy_session_free(runner->session);
  cy_program_free(runner->program);
  cy_tensor_free(runner->x);
  cy_tensor_free(runner->lengths);
  cy_tensor_free(runner->y);
  cy_tensor_free(runner->rate);
  cy_state_free(runner->carried);
  cy_free(runner);
}

double cy_runner_loss(const cy_runner *runner) {
  return cy_tensor_at(cy_session_output(runner->session, CY_OUT_LOSS), 0);
}
int64_t cy_runner_correct(const cy_runner *runner) {
  return (int64_t)cy_tensor_at(cy_session_output(runner->session, CY_OUT_CORRECT), 0);
}

cy_status cy_runners_get(cy_runners *runners, const cy_problem *problem, cy_runner_kind kind, int64_t n,
                        const cy_state *state, cy_runner **runner) {
  cy_shape wanted = batch_of(n, problem->sample);
  for (size_t i = 0; i < runners->count; i++)
    if (cy_shape_equal(cy_tensor_shape(runners->items[i]->x), wanted) &&
        problem->ragged == (runners->items[i]->lengths != NULL) &&
        (kind == CY_RUN_TRAIN || problem->carry == (runners->items[i]->carried != NULL))) {
      *runner = runners->items[i];
      return CY_OK;
    }
  if (!cy_grow(&runners->items, runners->count, &runners->capacity, sizeof *runners->items)) return cy_no_memory();
  CY_TRY(cy_runner_create(problem, kind, n, state, runners->memory, runner));
  runners->items[runners->count++] = *runner;
  return CY_OK;
}

void cy_runners_clear(cy_runners *runners) {
  for (size_t i = 0; i < runners->count; i++) cy_runner_free(runners->items[i]);
  cy_free(runners->items);
  *runners = (cy_runners){0};
}
