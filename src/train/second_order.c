/* Second-order training: newton, newton-cg and lbfgs as optimisers of a trainer. One iteration per epoch: the loss and
 * its gradient over the whole training part, added up batch by batch; products with the curvature over it too, or over
 * samples that are drawn anew for each iteration (J. Martens 2010). What lasts between iterations are tensors of the
 * state, so that a checkpoint holds it; trainer.c drives this, then measures the parameters by the epoch's batches. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "optim/descent.h"
#include "tensor/tensor.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

/* Streams 1 to 3 of a seed belong to splitting, shuffling and augmentation. */
static const uint64_t curvature_stream = (uint64_t)4 << 56, order_stream = (uint64_t)5 << 56;

/* "<optimizer>.point": loss at the parameters, and 1 once it and the gradient are known. */
enum { LOSS, KNOWN, POINT_SIZE };
#define POINT "point"
#define GRADIENT "gradient"

struct cy_second_order {
  cy_trainer *trainer;      /* whose part this is */
  cy_objective *whole;      /* on the training part */
  cy_objective *sample;     /* on the samples of products; NULL: whole */
  cy_objective *objective;  /* of both: what the descent sees */
  cy_descent *descent;
  double *x;                /* the parameters as doubles, in the state's order */
  double *point;            /* the state's tensor */
  int64_t *order;           /* scratch: the training part's samples, shuffled */
  char logged[12];          /* how the last note began: the same matter is not told again and again */
};

bool cy_is_second_order(const cy_optimizer_options *optimizer) {
  for (int i = 0; i < cy_optimizer_count(); i++)
    if (optimizer->name && strcmp(cy_optimizer_name(i), optimizer->name) == 0) return cy_optimizer_second_order(i);
  return false;
}

/* ---- options and state ---- */

static cy_status method_options(const cy_trainer_options *o, cy_minimize_options *options) {
  const cy_optimizer_options *optimizer = &o->optimizer;
  *options = (cy_minimize_options){.method = optimizer->name, .rate = o->learning_rate, .damping = optimizer->damping,
                                   .memory = (int64_t)optimizer->memory,
                                   .cg_iterations = (int64_t)optimizer->cg_iterations,
                                   .preconditioner = optimizer->preconditioner};
  for (int i = 0; optimizer->curvature && i < CY_CURVATURES; i++)
    if (strcmp(cy_curvature_name((cy_curvature)i), optimizer->curvature) == 0) options->curvature = (cy_curvature)i;
  return cy_descent_resolve(*options, options);
}

enum { NAME_SIZE = 64 };
static const char *tensor_name(const cy_trainer_options *o, const char *what, char name[NAME_SIZE]) {
  snprintf(name, NAME_SIZE, "%s.%s", o->optimizer.name, what);
  return name;
}

cy_status cy_second_order_declare(const cy_trainer_options *o, int64_t parameters, cy_state *state) {
  char name[NAME_SIZE];
  cy_minimize_options options;
  int64_t rows, columns;
  CY_TRY(method_options(o, &options));
  const cy_descent_method *method = cy_descent_find(options.method);
  for (int i = 0; cy_descent_slot_shape(method, &options, parameters, i, &rows, &columns); i++) {
    tensor_name(o, method->slots[i].name, name);
    CY_TRY(cy_state_declare(state, name, CY_OPTIMIZER, CY_F64, CY_SHAPE(rows, columns)));
  }
  CY_TRY(cy_state_declare(state, tensor_name(o, GRADIENT, name), CY_OPTIMIZER, CY_F64, CY_SHAPE(parameters)));
  return cy_state_declare(state, tensor_name(o, POINT, name), CY_OPTIMIZER, CY_F64, CY_SHAPE(POINT_SIZE));
}

cy_status cy_second_order_check(const cy_trainer_options *o, const cy_network *network) {
  for (int i = 0; i < cy_network_variable_count(network); i++)
    if (strcmp(cy_network_variable_at(network, i)->name, "random.step") == 0)
      return cy_fail(CY_INVALID, "optimizer \"%s\" needs the same loss each time, but dropout draws random numbers: "
                     "train without it, or with adam", o->optimizer.name);
  return CY_OK;
}

static double *numbers_of(const cy_state *state, const char *name) {
  return cy_tensor_data(cy_state_find(state, name));
}

/* ---- the objective ---- */

static cy_status value(void *self, const double *x, double *out) {
  return cy_objective_value(((cy_second_order *)self)->whole, x, out);
}
static cy_status gradient(void *self, const double *x, double *out, double *gradients) {
  return cy_objective_gradient(((cy_second_order *)self)->whole, x, out, gradients);
}
static cy_status product(void *self, cy_curvature matrix, const double *x, const double *v, double *out) {
  const cy_second_order *s = self;
  return cy_objective_product(s->sample ? s->sample : s->whole, matrix, x, v, out);
}

/* Signs of this epoch. */
static cy_status squares(void *self, const double *x, uint64_t seed, double *out) {
  const cy_second_order *s = self;
  cy_objective *objective = s->sample ? s->sample : s->whole;
  return cy_objective_squares(objective, x, seed + s->trainer->options.seed + (uint64_t)s->trainer->at.epoch, out);
}

static bool on_batch(int64_t done, int64_t batches, void *user) {
  cy_second_order *s = user;
  (void)done;
  return cy_trainer_report_pass(s->trainer, s->trainer->split.n_train / batches);
}

static void shuffle(cy_second_order *s, uint64_t stream) {
  const cy_split *split = &s->trainer->split;
  cy_rng rng = cy_rng_make(s->trainer->options.seed, stream);
  memcpy(s->order, split->train, (size_t)split->n_train * sizeof *s->order);
  cy_rng_shuffle(&rng, s->order, split->n_train);
}

/* Batches stay the same, as they are part of the function where batches are normalised; but they are mixed. */
static cy_status make_objectives(cy_second_order *s) {
  static const cy_objective_methods methods = {.value = value, .gradient = gradient, .product = product,
                                               .squares = squares};
  cy_trainer *t = s->trainer;
  const cy_trainer_options *o = &t->options;
  cy_model_objective_options options = {
    .l1 = o->l1, .l2 = o->l2, .dtype = o->dtype, .training = true, .batch_size = o->batch_size,
    .indices = s->order, .n = t->split.n_train, .seed = o->seed, .threads = o->threads, .backend = o->backend,
    .on_batch = on_batch, .user = s};
  memcpy(options.sizes, o->sizes, sizeof options.sizes);
  shuffle(s, order_stream);
  CY_TRY(cy_problem_objective(&t->problem, t->state, t->dataset, options, &s->whole));
  int64_t n = (int64_t)o->optimizer.curvature_samples;
  if (n > 0 && n < t->split.n_train) {
    options.n = n;
    CY_TRY(cy_problem_objective(&t->problem, t->state, t->dataset, options, &s->sample));
  }
  return cy_objective_of(methods, s, t->parameters, &s->objective);
}

/* By the seed and the epoch alone. */
static void draw_samples(cy_second_order *s) {
  if (!s->sample) return;
  shuffle(s, curvature_stream + (uint64_t)s->trainer->at.epoch);
  cy_problem_objective_take(s->sample, s->order);
}

/* ---- a life ---- */

static cy_status make_descent(cy_second_order *s) {
  char name[NAME_SIZE];
  cy_trainer *t = s->trainer;
  cy_minimize_options options;
  CY_TRY(method_options(&t->options, &options));
  CY_TRY(cy_descent_create(s->objective, options, &s->descent));
  cy_descent *d = s->descent;
  s->x = cy_calloc((size_t)t->parameters, sizeof *s->x);
  if (!s->x) return cy_no_memory();
  s->point = numbers_of(t->state, tensor_name(&t->options, POINT, name));
  d->x = s->x;
  d->gradient = numbers_of(t->state, tensor_name(&t->options, GRADIENT, name));
  for (int i = 0; i < d->method->n_slots; i++)
    d->slots[i] = numbers_of(t->state, tensor_name(&t->options, d->method->slots[i].name, name));
  if (t->options.dtype == CY_F32) {
    d->single = true;
    d->noise = 8 * (double)FLT_EPSILON;
  }
  return CY_OK;
}

/* So that mistakes show before the first iteration. */
static cy_status compile(cy_second_order *s) {
  cy_objective_cost cost;
  return cy_objective_cost_of(s->whole, CY_PASS_GRADIENT, &cost);
}

cy_status cy_second_order_create(cy_trainer *t, cy_second_order **second) {
  cy_second_order *s = *second = cy_calloc(1, sizeof *s); /* the trainer frees it */
  if (!s) return cy_no_memory();
  s->trainer = t;
  s->order = cy_calloc((size_t)t->split.n_train, sizeof *s->order);
  if (!s->order) return cy_no_memory();
  CY_TRY(make_objectives(s));
  CY_TRY(make_descent(s));
  return compile(s);
}

void cy_second_order_free(cy_second_order *s) {
  if (!s) return;
  cy_descent_free(s->descent);
  cy_objective_free(s->objective);
  cy_objective_free(s->sample);
  cy_objective_free(s->whole);
  cy_free(s->order);
  cy_free(s->x);
  cy_free(s);
}

/* ---- an iteration ---- */

/* Between the state's parameters and x. */
static void copy_parameters(cy_second_order *s, bool to_state) {
  cy_state *state = s->trainer->state;
  double *x = s->x;
  for (int i = 0; i < cy_state_count(state); i++) {
    cy_tensor *tensor = cy_state_tensor(state, i);
    if (cy_state_role(state, i) != CY_PARAMETER) continue;
    for (int64_t k = 0; k < cy_tensor_count(tensor); k++, x++) {
      if (to_state) cy_tensor_set(tensor, k, *x);
      else *x = cy_tensor_at(tensor, k);
    }
  }
}

static cy_status not_finite(const cy_second_order *s) {
  const char *note = s->descent->note;
  return cy_fail(CY_NOT_FINITE, "epoch %lld: %s", (long long)s->trainer->at.epoch + 1,
                 note[0] ? note : "the loss or its gradient is not finite");
}

/* Loss and gradient at the parameters, if no iteration has left them. */
static cy_status evaluate(cy_second_order *s) {
  cy_descent *d = s->descent;
  if (s->point[KNOWN] == 0) {
    cy_copy_vector(d->n, d->x, d->next_x);
    CY_TRY(cy_descent_gradient(d));
    if (!cy_descent_next_is_finite(d)) return not_finite(s);
    cy_copy_vector(d->n, d->next_gradient, d->gradient);
    s->point[LOSS] = d->next_value;
    s->point[KNOWN] = 1;
  }
  d->value = s->point[LOSS];
  return CY_OK;
}

static void log_note(cy_second_order *s) {
  const char *note = s->descent->note;
  if (note[0] && strncmp(s->logged, note, sizeof s->logged - 1) != 0)
    cy_trainer_log(s->trainer, "epoch %lld: %s", (long long)s->trainer->at.epoch + 1, note);
  memcpy(s->logged, note, sizeof s->logged - 1);
}

cy_status cy_second_order_step(cy_second_order *s, bool *converged) {
  cy_descent *d = s->descent;
  cy_trainer *t = s->trainer;
  cy_step_end end = CY_STEP_STALLED;
  copy_parameters(s, false);
  draw_samples(s);
  d->note[0] = 0;
  d->options.rate = cy_schedule_rate(t->options.schedule, t->options.learning_rate, cy_trainer_steps(t));
  CY_TRY(evaluate(s));
  if (cy_length(d->n, d->gradient) > d->options.tolerance) CY_TRY(cy_descent_step(d, &end));
  if (end == CY_STEP_DIVERGED) return not_finite(s);
  s->point[LOSS] = d->value;
  copy_parameters(s, true);
  *converged = end == CY_STEP_STALLED && !s->sample; /* other samples may see a way down */
  log_note(s);
  return CY_OK;
}

double cy_second_order_loss(const cy_second_order *s) {
  return s->point && s->point[KNOWN] != 0 ? s->point[LOSS] : (double)NAN;
}

size_t cy_second_order_arena_bytes(const cy_second_order *s) {
  cy_objective_cost gradients = {0}, products = {0};
  cy_curvature matrix = s->descent->options.curvature;
  cy_status status = cy_objective_cost_of(s->whole, CY_PASS_GRADIENT, &gradients);
  if (status == CY_OK && s->descent->method != &cy_descent_lbfgs)
    status = cy_objective_cost_of(s->sample ? s->sample : s->whole, CY_PASS_HESSIAN + (unsigned)matrix, &products);
  (void)status; /* what cannot be known counts nothing */
  return gradients.arena_bytes > products.arena_bytes ? gradients.arena_bytes : products.arena_bytes;
}
