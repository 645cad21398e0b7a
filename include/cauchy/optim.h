/* Optimisers: first-order updates as graphs inside the training step, clipping of gradients, and schedules of the
 * learning rate. The second-order ones (newton, newton-cg, lbfgs) are names with settings here; they are no updates of
 * one step but methods of minimize.h, which the trainer drives. Where PyTorch has an optimiser of the name, the update
 * is PyTorch's.
 *
 *   TRY(cy_optimizer_apply(graph, (cy_optimizer_options){.name = "adam"},
 *                          (cy_optimizer_inputs){params, gradients, NULL, n, good}, state, updates, &n_updates));
 *
 * Names in the graph: input "learning_rate" (scalar, the parameters' dtype; feed it before each run), variable "step"
 * (i64 scalar: updates done so far), slots "<optimiser>.<slot>/<parameter>" ("adam.m/fc1.weight"). */
#ifndef CAUCHY_OPTIM_H
#define CAUCHY_OPTIM_H

#include <cauchy/program.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In an options field of which 0 means "the usual value": really zero. */
#define CY_EXACT_ZERO (-0.0)

/* ---- optimisers ---- */

/* A field of 0 takes the optimiser's usual value (listed with cy_optimizer_setting); a field that the optimiser does
 * not have must be 0. */
typedef struct cy_optimizer_options {
  const char *name; /* sgd, momentum, nesterov, rmsprop, adagrad, adam, adamw, newton, newton-cg, lbfgs; NULL: adam */
  double momentum;  /* momentum, nesterov: 0.9; rmsprop: 0 */
  double beta1;     /* adam, adamw: 0.9; decay of the first moment */
  double beta2;     /* adam, adamw: 0.999; decay of the second moment; rmsprop: 0.99 (PyTorch's alpha) */
  double epsilon;   /* rmsprop, adam, adamw: 1e-8; adagrad: 1e-10; added to the root */
  double weight_decay; /* all: 0, added to the gradient as weight_decay * parameter (L2); adamw: 0.01, decoupled */
  double clip_norm;    /* > 0: all gradients are scaled together so that their norm is at most this; not second-order */
  double clip_value;   /* > 0: every element is first limited to -clip_value..clip_value; not second-order */
  double damping;      /* newton: 0, newton-cg: 1; initial lambda, added to the curvature */
  double memory;       /* lbfgs: 10; pairs kept; whole */
  double cg_iterations; /* newton-cg: 250; at most so many products each iteration; whole */
  double curvature_samples; /* newton-cg: 0 = all of the training part; products are means over so many, drawn anew for
                             * each iteration; whole */
  double preconditioner; /* newton-cg: 0 = none; exponent of the diagonal preconditioner, Martens (2010) takes 0.75 */
  const char *curvature; /* newton-cg: "gauss-newton" (NULL), "hessian", "fisher" (cy_curvature_name) */
} cy_optimizer_options;

CY_API int cy_optimizer_count(void);
CY_API const char *cy_optimizer_name(int i);
CY_API const char *cy_optimizer_summary(int i); /* one sentence: the update and its source */
/* The usual learning rate of optimiser i (that of its paper or of PyTorch). */
CY_API double cy_optimizer_rate(int i);
/* True of newton, newton-cg, lbfgs: their usual rate is the first step that the line search tries. */
CY_API bool cy_optimizer_second_order(int i);
/* Hyper-parameter number s (from 0) of optimiser i: false if it has fewer. The value must lie in low..high; the end
 * `high` itself belongs to the range only if high_allowed. */
typedef struct cy_optimizer_setting_info {
  const char *name;
  double usual, low, high;
  bool high_allowed, whole;
} cy_optimizer_setting_info;
CY_API bool cy_optimizer_setting(int i, int s, cy_optimizer_setting_info *info);
/* Sets a field of options by name ("beta1", "clip_norm"); 0 is stored as CY_EXACT_ZERO. CY_INVALID for an unknown
 * name (the message proposes the nearest) or one that options->name does not have. */
CY_API CY_MUST_CHECK cy_status cy_optimizer_set(cy_optimizer_options *options, const char *setting, double value);
/* Checks names and ranges and replaces every 0 by the usual value; NULL by "adam". Doing it twice changes nothing. */
CY_API CY_MUST_CHECK cy_status cy_optimizer_resolve(cy_optimizer_options options, cy_optimizer_options *resolved);

typedef struct cy_optimizer_inputs {
  const cy_value *parameters; /* variables of one graph, all of one floating-point dtype */
  const cy_value *gradients;  /* same shapes */
  const bool *decays;         /* which of them weight_decay applies to; NULL: all */
  int n;
  cy_value good; /* bool scalar: where it is false every slot, parameter and the step counter keep their old value; the
                    empty value: always update */
} cy_optimizer_inputs;

/* Builds one update. state (NULL: don't) gets "step" and the slots declared with role CY_OPTIMIZER. updates has room
 * for cy_optimizer_update_count(options, n) entries; *n_updates is how many were written.
 * Errors: CY_INVALID for options out of range, shapes or dtypes that disagree, parameters that are no variables, a
 * second-order optimiser. */
CY_API CY_MUST_CHECK cy_status cy_optimizer_apply(cy_graph *graph, cy_optimizer_options options,
                                                  cy_optimizer_inputs inputs, cy_state *state, cy_update *updates,
                                                  int *n_updates);
/* 0 if the name is unknown or second-order. */
CY_API int cy_optimizer_update_count(cy_optimizer_options options, int n);

/* ---- clipping, also on its own ---- */

/* sqrt of the sum of the squares of all elements of all values: a scalar. */
CY_API cy_value cy_global_norm(const cy_value *values, int n);
/* clipped[i] = values[i] * min(1, limit / (norm + 1e-6)), norm = cy_global_norm (R. Pascanu et al. 2013; the 1e-6 as
 * PyTorch). The arrays may be the same. */
CY_API void cy_clip_by_norm(const cy_value *values, int n, double limit, cy_value *clipped);
/* max(-limit, min(limit, value)), element by element. */
CY_API cy_value cy_clip_by_value(cy_value value, double limit);

/* ---- schedules of the learning rate ---- */

typedef enum cy_schedule_kind {
  CY_SCHEDULE_CONSTANT, /* rate */
  CY_SCHEDULE_STEP,     /* rate * factor^floor(t / every) */
  CY_SCHEDULE_COSINE,   /* rate * (floor + (1 - floor) (1 + cos(pi t / total)) / 2), then rate * floor (I. Loshchilov,
                           F. Hutter 2017) */
} cy_schedule_kind;

/* The first `warmup` steps rise linearly: rate * (step + 1) / warmup. t counts the steps after them, and total is
 * shortened by them, so that a cosine ends at step `total`. */
typedef struct cy_schedule {
  cy_schedule_kind kind;
  double warmup;  /* steps; 0: none */
  double every;   /* step: steps between two reductions; > 0 */
  double factor;  /* step: each reduction multiplies by this; 0 means 0.1 */
  double total;   /* cosine: steps; > warmup */
  double floor;   /* cosine: the final share of the rate, 0..1 */
  bool in_epochs; /* warmup, every and total count epochs: for those who know how long an epoch is, as the trainer does,
                     which also takes total = 0 as the whole training */
} cy_schedule;

/* CY_INVALID for an unknown kind or a field out of range. in_epochs must have been resolved (cy_schedule_in_steps). */
CY_API CY_MUST_CHECK cy_status cy_schedule_check(cy_schedule schedule);
/* The same schedule counted in steps. epochs: of the whole training, for a cosine with total = 0. */
CY_API cy_schedule cy_schedule_in_steps(cy_schedule schedule, int64_t steps_per_epoch, int64_t epochs);
/* Learning rate of step number `step` (from 0). Pure: the same arguments give the same rate. */
CY_API double cy_schedule_rate(cy_schedule schedule, double rate, int64_t step);
/* "constant", "step", "cosine"; NULL beyond the last. */
CY_API const char *cy_schedule_name(int kind);
CY_API CY_MUST_CHECK cy_status cy_schedule_by_name(const char *name, cy_schedule_kind *kind);

#ifdef __cplusplus
}
#endif
#endif
