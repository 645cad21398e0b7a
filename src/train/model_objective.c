/* A model on samples of a data set as an objective: a part per batch size, each an objective of its graph; sums over
 * the batches are weighted by their samples. The parameters' tensors are copies, so that nothing moves under the
 * caller. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "optim/objective.h"
#include "tensor/tensor.h"

#include <string.h>

enum { MOST_PARTS = 2 * ((int)CY_MAX_SIZES + (int)CY_MAX_BUCKETS) };
static const size_t USUAL_MEMORY = (size_t)1 << 30;
static const double PRODUCT_OVER_GRADIENT = 2.5; /* what a product's arena is at most, in gradients' */

/* The function for one batch size and sample shape. */
typedef struct part {
  cy_shape shape; /* of its batch */
  cy_objective *function;
  cy_tensor *x, *y, *lengths; /* lengths: of sequences of different ones, else NULL */
  int64_t loaded; /* the batch in x and y; -1: none */
} part;

typedef struct model_function {
  cy_problem problem;
  cy_model *model; /* if it is ours to free */
  char *backend;
  cy_model_objective_options options;
  cy_state *state;
  int64_t parameters;
  const cy_dataset *dataset;
  cy_loader *loader;
  int64_t *indices, n, batch_size;
  part parts[MOST_PARTS];
  int n_parts;
  double *term; /* one batch's gradient or product */
} model_function;

/* ---- parts ---- */

static cy_shape batch_shape(int64_t n, cy_shape sample) {
  cy_shape shape = {.rank = sample.rank + 1, .dim = {n}};
  for (int i = 0; i < sample.rank; i++) shape.dim[i + 1] = sample.dim[i];
  return shape;
}

static cy_status bind_fixed(model_function *m, const cy_network *network, cy_objective *function) {
  for (int i = 0; i < cy_network_variable_count(network); i++) {
    const cy_network_variable *v = cy_network_variable_at(network, i);
    if (v->role != CY_PARAMETER && cy_objective_reads(function, v->name))
      CY_TRY(cy_objective_bind(function, v->name, cy_state_find(m->state, v->name)));
  }
  if (!m->problem.standardised) return CY_OK;
  CY_TRY(cy_objective_bind(function, CY_TARGET_OFFSET, cy_state_find(m->state, CY_TARGET_OFFSET)));
  return cy_objective_bind(function, CY_TARGET_FACTOR, cy_state_find(m->state, CY_TARGET_FACTOR));
}

static cy_status build_part(model_function *m, const cy_problem *problem, int64_t n, part *p) {
  cy_problem_values values;
  cy_objective_graph graph = {.options = problem->program};
  CY_TRY(cy_problem_build(problem, m->options.training, n, NULL, &values));
  graph.loss = values.loss;
  graph.output = values.output;
  graph.losses = values.losses;
  graph.variables = cy_network_parameters(values.network, &graph.n);
  graph.still = m->batch_size >= m->n; /* a single batch: what it holds stays */
  cy_status status = cy_objective_create(graph, &p->function);
  if (status == CY_OK && cy_objective_size(p->function) != m->parameters)
    status = cy_fail(CY_INVALID, "the model has %lld parameters for samples of one size and %lld for those of another",
                     (long long)m->parameters, (long long)cy_objective_size(p->function));
  if (status == CY_OK) status = bind_fixed(m, values.network, p->function);
  cy_problem_values_clear(&values);
  return status;
}

static cy_status make_tensors(const cy_problem *problem, int64_t n, part *p) {
  CY_TRY(cy_tensor_create(CY_F32, p->shape, &p->x));
  cy_dtype dtype = problem->classes > 0 ? CY_I64 : CY_F32;
  CY_TRY(cy_tensor_create(dtype, batch_shape(n, problem->target), &p->y));
  if (problem->ragged) CY_TRY(cy_tensor_create(CY_I64, CY_SHAPE(n), &p->lengths));
  if (p->lengths && cy_objective_reads(p->function, "lengths"))
    CY_TRY(cy_objective_bind(p->function, "lengths", p->lengths));
  CY_TRY(cy_objective_bind(p->function, "x", p->x));
  return cy_objective_bind(p->function, "y", p->y);
}

static void clear_part(part *p) {
  cy_objective_free(p->function);
  cy_tensor_free(p->x);
  cy_tensor_free(p->y);
  cy_tensor_free(p->lengths);
  *p = (part){0};
}

/* The part for batch number b, made when it is first needed. */
static cy_status get_part(model_function *m, int64_t b, part **found) {
  int64_t start = b * m->batch_size, n = m->n - start < m->batch_size ? m->n - start : m->batch_size;
  cy_problem problem =
      cy_problem_at(&m->problem, cy_sample_of_batch(m->dataset, m->options.sizes, b, m->indices + start, n));
  cy_shape shape = batch_shape(n, problem.sample);
  for (int i = 0; i < m->n_parts; i++)
    if (cy_shape_equal(m->parts[i].shape, shape)) {
      *found = &m->parts[i];
      return CY_OK;
    }
  part *p = &m->parts[m->n_parts]; /* there are no more than two batch sizes of each image size, or of each bucket */
  *p = (part){.shape = shape, .loaded = -1};
  cy_status status = build_part(m, &problem, n, p);
  if (status == CY_OK) status = make_tensors(&problem, n, p);
  if (status != CY_OK) {
    clear_part(p);
    return status;
  }
  m->n_parts++;
  *found = p;
  return CY_OK;
}

static int64_t batch_count(const model_function *m) { return (m->n + m->batch_size - 1) / m->batch_size; }

static cy_status load_batch(model_function *m, int64_t b, part **p) {
  CY_TRY(get_part(m, b, p));
  if ((*p)->loaded == b) return CY_OK;
  (*p)->loaded = -1;
  CY_TRY(cy_loader_batch(m->loader, -1, m->indices + b * m->batch_size, (*p)->shape.dim[0], (*p)->x, (*p)->y));
  (*p)->loaded = b;
  cy_lengths_of_batch(m->dataset, m->indices + b * m->batch_size, (*p)->lengths);
  if ((*p)->lengths && cy_objective_reads((*p)->function, "lengths"))
    CY_TRY(cy_objective_bind((*p)->function, "lengths", (*p)->lengths)); /* their content is another */
  CY_TRY(cy_objective_bind((*p)->function, "x", (*p)->x));
  return cy_objective_bind((*p)->function, "y", (*p)->y);
}

/* ---- sums over the batches ---- */

typedef struct request {
  cy_objective_pass pass;
  const double *x, *v;
  double *value, *out;
  uint64_t seed; /* CY_PASS_SQUARES: of the first batch */
} request;

static cy_status evaluate(model_function *m, const request *r, part *p, int64_t batch, double *value) {
  switch (r->pass) {
    case CY_PASS_VALUE: return cy_objective_value(p->function, r->x, value);
    case CY_PASS_GRADIENT: return cy_objective_gradient(p->function, r->x, value, m->term);
    default: break;
  }
  *value = 0;
  if (r->pass == CY_PASS_SQUARES) return cy_objective_squares(p->function, r->x, r->seed + (uint64_t)batch, m->term);
  return cy_objective_product(p->function, CY_HESSIAN + (r->pass - CY_PASS_HESSIAN), r->x, r->v, m->term);
}

static cy_status sum(model_function *m, request r) {
  int64_t batches = batch_count(m);
  double value = 0;
  if (r.out) memset(r.out, 0, (size_t)m->parameters * sizeof *r.out);
  for (int64_t b = 0; b < batches; b++) {
    part *p;
    double term;
    CY_TRY(load_batch(m, b, &p));
    double share = (double)p->shape.dim[0] / (double)m->n;
    CY_TRY(evaluate(m, &r, p, b, &term));
    value += share * term;
    for (int64_t i = 0; r.out && i < m->parameters; i++) r.out[i] += share * m->term[i];
    if (m->options.on_batch && !m->options.on_batch(b + 1, batches, m->options.user))
      return cy_fail(CY_CANCELLED, "stopped on request after batch %lld of %lld", (long long)(b + 1),
                     (long long)batches);
  }
  if (r.value) *r.value = value;
  return CY_OK;
}

static cy_status value(void *self, const double *x, double *out) {
  return sum(self, (request){.pass = CY_PASS_VALUE, .x = x, .value = out});
}
static cy_status gradient(void *self, const double *x, double *out, double *gradients) {
  return sum(self, (request){.pass = CY_PASS_GRADIENT, .x = x, .value = out, .out = gradients});
}
static cy_status product(void *self, cy_curvature matrix, const double *x, const double *v, double *out) {
  return sum(self, (request){.pass = CY_PASS_HESSIAN + (unsigned)matrix, .x = x, .v = v, .out = out});
}

static cy_status squares(void *self, const double *x, uint64_t seed, double *out) {
  return sum(self, (request){.pass = CY_PASS_SQUARES, .x = x, .out = out, .seed = seed << 32});
}

static cy_status start(void *self, double *x) {
  const model_function *m = self;
  for (int i = 0; i < cy_state_count(m->state); i++) {
    const cy_tensor *t = cy_state_tensor(m->state, i);
    if (cy_state_role(m->state, i) != CY_PARAMETER) continue;
    for (int64_t k = 0; k < cy_tensor_count(t); k++) *x++ = cy_tensor_at(t, k);
  }
  return CY_OK;
}

static cy_status cost(void *self, cy_objective_pass pass, cy_objective_cost *total) {
  model_function *m = self;
  for (int64_t b = 0; b < batch_count(m); b++) {
    part *p;
    cy_objective_cost one;
    CY_TRY(get_part(m, b, &p));
    CY_TRY(cy_objective_cost_of(p->function, pass, &one));
    total->flops += one.flops;
    if (one.arena_bytes > total->arena_bytes) total->arena_bytes = one.arena_bytes;
    if (b == 0) total->reverse_over_forward = one.reverse_over_forward;
  }
  return CY_OK;
}

/* ---- creation ---- */

static void free_function(void *self) {
  model_function *m = self;
  for (int i = 0; i < m->n_parts; i++) clear_part(&m->parts[i]);
  cy_loader_free(m->loader);
  cy_state_free(m->state);
  cy_model_free(m->model);
  cy_free(m->backend);
  cy_free(m->indices);
  cy_free(m->term);
  cy_free(m);
}

/* Sequences of like length together, that their batches need little padding. */
static cy_status order_by_length(model_function *m) {
  cy_batches *list;
  const int64_t *ordered;
  if (!m->problem.ragged) return CY_OK;
  CY_TRY(cy_batches_create_by_length(m->dataset, m->indices, m->n, m->n, false, 0, &list));
  if (cy_batches_next(list, &ordered) == m->n) memcpy(m->indices, ordered, (size_t)m->n * sizeof *ordered);
  cy_batches_free(list);
  return CY_OK;
}

static cy_status copy_indices(model_function *m) {
  int64_t count = cy_dataset_count(m->dataset);
  m->n = m->options.indices ? m->options.n : count;
  if (m->n < 1)
    return cy_fail(CY_INVALID, "data set \"%s\": no samples to take the mean loss of", cy_dataset_name(m->dataset));
  m->indices = cy_calloc((size_t)m->n, sizeof *m->indices);
  if (!m->indices) return cy_no_memory();
  for (int64_t i = 0; i < m->n; i++) {
    m->indices[i] = m->options.indices ? m->options.indices[i] : i;
    if (m->indices[i] < 0 || m->indices[i] >= count)
      return cy_fail(CY_INVALID, "data set \"%s\" has no sample %lld (there are %lld)", cy_dataset_name(m->dataset),
                     (long long)m->indices[i], (long long)count);
  }
  m->options.indices = NULL;
  return order_by_length(m);
}

/* Parameters and statistics by name; what a state does not hold because it is of use to training only (the key of
 * random numbers) keeps its initial value. */
static cy_status copy_state(const cy_state *from, cy_state *to) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  for (int i = 0; i < cy_state_count(to); i++) {
    const char *name = cy_state_name(to, i);
    cy_tensor *tensor = cy_state_tensor(to, i);
    const cy_tensor *given = cy_state_find(from, name);
    if (cy_state_role(to, i) == CY_OPTIMIZER) continue;
    if (!given) return cy_fail(CY_INVALID, "the state has no tensor \"%s\"", name);
    if (!cy_shape_equal(cy_tensor_shape(given), cy_tensor_shape(tensor)))
      return cy_fail(CY_INVALID, "\"%s\" is %s, but samples of this size need %s", name,
                     cy_shape_text(cy_tensor_shape(given), a), cy_shape_text(cy_tensor_shape(tensor), b));
    CY_TRY(cy_tensor_copy(given, tensor));
  }
  return CY_OK;
}

static cy_status make_state(model_function *m, const cy_state *from) {
  cy_problem_values values;
  CY_TRY(cy_state_create(&m->state));
  CY_TRY(cy_problem_build(&m->problem, m->options.training, m->n < 2 ? m->n : 2, m->state, &values));
  m->parameters = cy_network_parameter_elements(values.network);
  cy_status status = cy_target_declare(&m->problem, m->state);
  if (status == CY_OK) status = cy_state_allocate(m->state);
  if (status == CY_OK) status = cy_network_initialize(values.network, m->state, m->options.seed);
  cy_problem_values_clear(&values);
  CY_TRY(status);
  if (m->parameters == 0) return cy_fail(CY_INVALID, "the model has no parameters");
  m->term = cy_calloc((size_t)m->parameters, sizeof *m->term);
  if (!m->term) return cy_no_memory();
  if (from) return copy_state(from, m->state);
  if (m->problem.standardised) cy_target_store(m->dataset, m->indices, m->n, m->state);
  return CY_OK;
}

/* As many samples at once as the memory lets a product have, measured by the gradient's arena. Where batches are
 * part of the function, they are as large as they were asked to be. */
static cy_status choose_batch(model_function *m) {
  const cy_model_objective_options *o = &m->options;
  if (o->batch_size < 0) return cy_fail(CY_INVALID, "a batch of %lld samples", (long long)o->batch_size);
  m->batch_size = o->batch_size > 0 ? o->batch_size : cy_evaluation_batch(m->problem.sample, 1);
  if (m->batch_size > m->n) m->batch_size = m->n;
  if (o->batch_size > 0 || o->training) return CY_OK;
  cy_objective_cost gradient;
  part *p;
  CY_TRY(get_part(m, 0, &p));
  CY_TRY(cy_objective_cost_of(p->function, CY_PASS_GRADIENT, &gradient));
  double most = (double)(o->memory ? o->memory : USUAL_MEMORY);
  double fits = most / (PRODUCT_OVER_GRADIENT * (double)gradient.arena_bytes + 1) * (double)m->batch_size;
  if (fits >= (double)m->batch_size) return CY_OK;
  clear_part(p);
  m->n_parts = 0;
  m->batch_size = fits < 1 ? 1 : (int64_t)fits;
  return CY_OK;
}

static cy_status fill(model_function *m, const cy_state *state) {
  const cy_model_objective_options *o = &m->options;
  if (o->dtype != CY_F32 && o->dtype != CY_F64)
    return cy_fail(CY_INVALID, "an objective is computed in f32 or f64, not in %s", cy_dtype_name(o->dtype));
  if (!(o->l1 >= 0 && o->l2 >= 0))
    return cy_fail(CY_INVALID, "penalties l1 = %g, l2 = %g must not be negative", o->l1, o->l2);
  CY_TRY(cy_sizes_check(o->sizes, cy_dataset_sample_shape(m->dataset)));
  if (o->backend && !(m->backend = cy_strdup(o->backend))) return cy_no_memory();
  m->problem.dtype = o->dtype;
  m->problem.l1 = o->l1;
  m->problem.l2 = o->l2;
  m->problem.program = (cy_program_options){.backend = m->backend, .threads = o->threads};
  m->problem.sample = cy_sample_at(cy_dataset_sample_shape(m->dataset), o->sizes, 0);
  m->problem.ragged = cy_dataset_is_ragged(m->dataset);
  m->problem.each_step = cy_dataset_each_step(m->dataset);
  CY_TRY(copy_indices(m));
  CY_TRY(make_state(m, state));
  CY_TRY(cy_loader_create(m->dataset, (cy_loader_options){.threads = o->threads}, &m->loader));
  return choose_batch(m);
}

void cy_problem_objective_take(cy_objective *objective, const int64_t *indices) {
  model_function *m = objective->self;
  memcpy(m->indices, indices, (size_t)m->n * sizeof *indices);
  cy_status status = order_by_length(m);
  (void)status; /* without memory for it batches are padded more, and the mean is the same */
  for (int i = 0; i < m->n_parts; i++) m->parts[i].loaded = -1;
}

static bool has(const void *self, cy_curvature matrix) {
  (void)self, (void)matrix;
  return true;
}

static cy_status create(const cy_problem *problem, const cy_state *state, cy_dataset *dataset,
                        cy_model_objective_options options, cy_model *model, cy_objective **objective) {
  static const cy_objective_methods methods = {.value = value, .gradient = gradient, .product = product,
                                               .free = free_function, .has = has, .start = start, .cost = cost,
                                               .squares = squares};
  model_function *m = cy_calloc(1, sizeof *m);
  if (!m) {
    cy_model_free(model);
    return cy_no_memory();
  }
  m->problem = *problem;
  m->model = model;
  m->dataset = dataset;
  m->options = options;
  cy_status status = fill(m, state);
  if (status == CY_OK) status = cy_objective_of(methods, m, m->parameters, objective);
  if (status != CY_OK) free_function(m);
  return status;
}

cy_status cy_problem_objective(const cy_problem *problem, const cy_state *state, cy_dataset *dataset,
                               cy_model_objective_options options, cy_objective **objective) {
  *objective = NULL;
  return create(problem, state, dataset, options, NULL, objective);
}

cy_status cy_model_objective_create(const cy_model *model, const cy_state *state, cy_dataset *dataset,
                                    cy_model_objective_options options, cy_objective **objective) {
  cy_model *copy;
  *objective = NULL;
  cy_problem problem = {.classes = cy_dataset_classes(dataset), .target = cy_dataset_target_shape(dataset)};
  problem.loss = cy_loss_find(options.loss, problem.classes);
  if (!problem.loss) return CY_INVALID; /* the sentence is there */
  problem.standardised = options.standardise && !state && cy_target_standardises(&problem, dataset);
  CY_TRY(cy_copy_model(model, &copy));
  problem.model = copy;
  return create(&problem, state, dataset, options, copy, objective);
}
