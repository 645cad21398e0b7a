/* The cases: data from a hash, graphs from the public interface, one program each. */
#include "cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY(call)                        \
  do {                                   \
    cy_status try_ = (call);             \
    if (try_ != CY_OK) return try_;      \
  } while (0)

#define WIDE 3, {784, 128, 10}
#define DEEP 4, {32, 512, 512, 10}

const bench_case bench_cases[] = {
  {"sgd-1", BENCH_SGD, 1, WIDE},
  {"sgd-32", BENCH_SGD, 32, WIDE},
  {"sgd-256", BENCH_SGD, 256, WIDE},
  {"adam-64", BENCH_ADAM, 64, DEEP},
  {"grad-64", BENCH_GRADIENT, 64, DEEP},
  {"hvp-64", BENCH_HESSIAN_VECTOR, 64, DEEP},
  {"infer-1", BENCH_INFER, 1, WIDE},
  {"infer-32", BENCH_INFER, 32, WIDE},
  {"infer-256", BENCH_INFER, 256, WIDE},
};
const int bench_case_count = sizeof bench_cases / sizeof bench_cases[0];

enum { MAX_PARAMETERS = 2 * BENCH_MAX_LAYERS, CHECK_STEPS = 32 };

/* Streams of the hash; parameter i of the network (weight, bias, weight, ...) is stream 1 + i. */
enum { STREAM_PARAMETERS = 1, STREAM_INPUTS = 101, STREAM_LABELS = 201, STREAM_DIRECTIONS = 301 };

struct bench_prepared {
  const bench_case *about;
  cy_program *program;
  cy_session *session;
  cy_state *state;
  int n_parameters;
  cy_tensor *parameters[MAX_PARAMETERS]; /* the state's */
  cy_tensor *directions[MAX_PARAMETERS];
  cy_tensor *inputs[BENCH_BATCHES], *labels[BENCH_BATCHES];
  cy_tensor *rate;
  int at; /* the next batch */
};

const bench_case *bench_find(const char *name) {
  for (int i = 0; i < bench_case_count; i++)
    if (strcmp(bench_cases[i].name, name) == 0) return &bench_cases[i];
  return NULL;
}

int64_t bench_parameters(const bench_case *about) {
  int64_t count = 0;
  for (int i = 0; i + 1 < about->n_sizes; i++) count += (about->sizes[i] + 1) * about->sizes[i + 1];
  return count;
}

/* ---- data ---- */

/* G. L. Steele, D. Lea, C. H. Flood 2014: splitmix64. */
static uint64_t hashed(uint64_t stream, uint64_t position) {
  uint64_t z = ((stream << 40) + position + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static void fill_uniform(cy_tensor *tensor, uint64_t stream, double low, double high) {
  float *x = cy_tensor_f32(tensor);
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++)
    x[i] = (float)low + (float)(high - low) * ((float)(hashed(stream, (uint64_t)i) >> 40) * 0x1p-24f);
}

static cy_status make_batches(bench_prepared *p) {
  for (int i = 0; i < BENCH_BATCHES; i++) {
    TRY(cy_tensor_create(CY_F32, CY_SHAPE(p->about->batch, p->about->sizes[0]), &p->inputs[i]));
    fill_uniform(p->inputs[i], (uint64_t)(STREAM_INPUTS + i), 0, 1);
    TRY(cy_tensor_create(CY_I64, CY_SHAPE(p->about->batch), &p->labels[i]));
    int64_t *label = cy_tensor_i64(p->labels[i]);
    for (int64_t j = 0; j < p->about->batch; j++)
      label[j] = (int64_t)(hashed((uint64_t)(STREAM_LABELS + i), (uint64_t)j) % BENCH_CLASSES);
  }
  return CY_OK;
}

/* ---- graphs ---- */

static cy_value build_logits(const bench_case *about, cy_network *network, cy_value x) {
  for (int i = 1; i < about->n_sizes; i++) {
    x = cy_dense(network, x, (cy_dense_options){.units = about->sizes[i]});
    if (i + 1 < about->n_sizes) x = cy_relu(x);
  }
  return x;
}

/* What the case computes, as outputs and updates; outputs[0] is the loss where there is one and it is asked for. */
typedef struct built {
  cy_value outputs[MAX_PARAMETERS + 1];
  int n_outputs;
  cy_update *updates;
  int n_updates;
} built;

static cy_status build_update(bench_prepared *p, cy_graph *graph, cy_network *network, cy_value loss, built *b) {
  int n;
  const cy_value *parameters = cy_network_parameters(network, &n);
  cy_value gradients[MAX_PARAMETERS];
  TRY(cy_grad(loss, parameters, n, gradients));
  cy_optimizer_options options = {.name = p->about->kind == BENCH_SGD ? "sgd" : "adam"};
  b->updates = calloc((size_t)cy_optimizer_update_count(options, n), sizeof *b->updates);
  if (!b->updates) return CY_NO_MEMORY;
  cy_optimizer_inputs inputs = {.parameters = parameters, .gradients = gradients, .n = n};
  return cy_optimizer_apply(graph, options, inputs, p->state, b->updates, &b->n_updates);
}

static cy_status build_product(cy_graph *graph, cy_network *network, cy_value loss, built *b) {
  int n;
  const cy_value *parameters = cy_network_parameters(network, &n);
  cy_value directions[MAX_PARAMETERS];
  for (int i = 0; i < n; i++) {
    char name[32];
    snprintf(name, sizeof name, "direction%d", i);
    directions[i] = cy_input(graph, name, CY_F32, cy_value_shape(parameters[i]));
  }
  b->n_outputs = n;
  return cy_hvp(loss, parameters, directions, n, b->outputs);
}

static cy_status build(bench_prepared *p, cy_graph *graph, cy_network *network, built *b) {
  const bench_case *about = p->about;
  cy_value x = cy_input(graph, "x", CY_F32, CY_SHAPE(about->batch, about->sizes[0]));
  cy_value logits = build_logits(about, network, x);
  TRY(cy_graph_status(graph));
  TRY(cy_network_declare(network, p->state));
  b->outputs[0] = logits;
  b->n_outputs = 1;
  if (about->kind == BENCH_INFER) return CY_OK;
  cy_value labels = cy_input(graph, "labels", CY_I64, CY_SHAPE(about->batch));
  cy_value loss = cy_cross_entropy(logits, labels, (cy_cross_entropy_options){0});
  b->outputs[0] = loss;
  int n;
  const cy_value *parameters = cy_network_parameters(network, &n);
  switch (about->kind) {
    case BENCH_GRADIENT:
      b->n_outputs = 1 + n;
      return cy_grad(loss, parameters, n, b->outputs + 1);
    case BENCH_HESSIAN_VECTOR: return build_product(graph, network, loss, b);
    default: return build_update(p, graph, network, loss, b);
  }
}

static cy_status compile(bench_prepared *p, int threads) {
  cy_graph *graph = NULL;
  cy_network *network = NULL;
  built b = {0};
  cy_status status = cy_graph_create(&graph);
  if (status == CY_OK)
    status = cy_network_create(graph, (cy_network_options){.training = p->about->kind != BENCH_INFER}, &network);
  if (status == CY_OK) status = build(p, graph, network, &b);
  if (status == CY_OK) status = cy_state_allocate(p->state);
  if (status == CY_OK)
    status = cy_compile(b.outputs, b.n_outputs, b.updates, b.n_updates,
                        (cy_program_options){.threads = threads}, &p->program);
  if (status == CY_OK) {
    (void)cy_network_parameters(network, &p->n_parameters);
    for (int i = 0, k = 0; i < cy_network_variable_count(network); i++) {
      const cy_network_variable *variable = cy_network_variable_at(network, i);
      if (variable->role == CY_PARAMETER) p->parameters[k++] = cy_state_find(p->state, variable->name);
    }
  }
  free(b.updates);
  cy_network_free(network);
  cy_graph_free(graph);
  return status;
}

/* ---- a prepared case ---- */

static cy_status bind(bench_prepared *p) {
  TRY(cy_session_create(p->program, &p->session));
  TRY(cy_session_bind_state(p->session, p->state));
  if (p->about->kind == BENCH_SGD || p->about->kind == BENCH_ADAM) {
    TRY(cy_tensor_create(CY_F32, CY_SCALAR, &p->rate));
    cy_tensor_set(p->rate, 0, p->about->kind == BENCH_SGD ? 0.01 : 1e-3);
    TRY(cy_session_bind(p->session, "learning_rate", p->rate));
  }
  for (int i = 0; p->about->kind == BENCH_HESSIAN_VECTOR && i < p->n_parameters; i++) {
    char name[32];
    snprintf(name, sizeof name, "direction%d", i);
    TRY(cy_tensor_create(CY_F32, cy_tensor_shape(p->parameters[i]), &p->directions[i]));
    fill_uniform(p->directions[i], (uint64_t)(STREAM_DIRECTIONS + i), -0.5, 0.5);
    TRY(cy_session_bind(p->session, name, p->directions[i]));
  }
  return CY_OK;
}

cy_status bench_prepare(const bench_case *about, int threads, bench_prepared **prepared) {
  bench_prepared *p = calloc(1, sizeof *p);
  if (!p) return CY_NO_MEMORY;
  p->about = about;
  cy_status status = cy_state_create(&p->state);
  if (status == CY_OK) status = make_batches(p);
  if (status == CY_OK) status = compile(p, threads);
  if (status == CY_OK) status = bind(p);
  if (status != CY_OK) {
    bench_prepared_free(p);
    return status;
  }
  bench_reset(p);
  *prepared = p;
  return CY_OK;
}

void bench_prepared_free(bench_prepared *p) {
  if (!p) return;
  cy_session_free(p->session);
  cy_program_free(p->program);
  cy_state_free(p->state);
  cy_tensor_free(p->rate);
  for (int i = 0; i < p->n_parameters; i++) cy_tensor_free(p->directions[i]);
  for (int i = 0; i < BENCH_BATCHES; i++) {
    cy_tensor_free(p->inputs[i]);
    cy_tensor_free(p->labels[i]);
  }
  free(p);
}

const cy_program *bench_program(const bench_prepared *prepared) { return prepared->program; }

void bench_reset(bench_prepared *p) {
  for (int i = 0; i < cy_state_count(p->state); i++) {
    cy_tensor *tensor = cy_state_tensor(p->state, i);
    memset(cy_tensor_data(tensor), 0, cy_tensor_bytes(tensor));
  }
  for (int i = 0; i < p->n_parameters; i++) {
    double bound = 1 / sqrt((double)p->about->sizes[i / 2]);
    fill_uniform(p->parameters[i], (uint64_t)(STREAM_PARAMETERS + i), -bound, bound);
  }
  p->at = 0;
}

cy_status bench_steps(bench_prepared *p, int n) {
  for (int i = 0; i < n; i++) {
    TRY(cy_session_bind(p->session, "x", p->inputs[p->at]));
    if (p->about->kind != BENCH_INFER) TRY(cy_session_bind(p->session, "labels", p->labels[p->at]));
    TRY(cy_session_run(p->session));
    p->at = (p->at + 1) % BENCH_BATCHES;
  }
  return CY_OK;
}

cy_status bench_check(bench_prepared *p, double *value) {
  bool trains = p->about->kind == BENCH_SGD || p->about->kind == BENCH_ADAM;
  bench_reset(p);
  TRY(bench_steps(p, trains ? CHECK_STEPS : 1));
  double sum = 0;
  if (trains) {
    sum = cy_tensor_at(cy_session_output(p->session, 0), 0);
  } else if (p->about->kind == BENCH_INFER) {
    const cy_tensor *logits = cy_session_output(p->session, 0);
    for (int64_t i = 0; i < cy_tensor_count(logits); i++) sum += fabs(cy_tensor_at(logits, i));
  } else {
    bool gradient = p->about->kind == BENCH_GRADIENT;
    for (int k = 0; k < p->n_parameters; k++) {
      const cy_tensor *result = cy_session_output(p->session, k + gradient);
      for (int64_t i = 0; i < cy_tensor_count(result); i++)
        sum += gradient ? fabs(cy_tensor_at(result, i)) : cy_tensor_at(result, i) * cy_tensor_at(p->directions[k], i);
    }
  }
  *value = sum;
  return CY_OK;
}
