/* The cases: data from a hash, graphs from the public interface, one program each. */
#include "cases.h"
#include "recurrent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY(call)                        \
  do {                                   \
    cy_status try_ = (call);             \
    if (try_ != CY_OK) return try_;      \
  } while (0)

static const bench_network wide = {"dense(128) -> relu -> dense(10)", {1, {784}}, 16, 32, 10, NULL, 0};
static const bench_network deep = {"2 * (dense(512) -> relu) -> dense(10)", {1, {32}}, 16, 32, 10, NULL, 0};

/* The coursework's CustomModel (B.III) without its dropout. */
#define CUSTOM_MODEL                                                                     \
  "conv(32, 3, stride=2, pad=half) -> relu\n"                                        \
  "-> conv(64, 5, pad=half) -> relu -> max_pool(2)\n"                                \
  "-> conv(128, 3, pad=half) -> relu -> max_pool(2)\n"                               \
  "-> conv(256, 3, pad=half) -> relu -> flatten -> dense(256) -> relu -> dense(10)\n"
static const bench_network cnn28 = {CUSTOM_MODEL, {3, {1, 28, 28}}, 4, 8, 10, NULL, 0};
static const bench_network cnn64 = {CUSTOM_MODEL, {3, {3, 64, 64}}, 4, 2, 10, NULL, 0};

/* The 18 layers of He et al. 2016 with a first layer for small images. */
static const bench_network resnet18 = {
  "norm_conv(n, k, s) = conv(n, k, stride=s, pad=half, bias=false) -> batch_norm\n"
  "block(n) = residual(norm_conv(n, 3, 1) -> relu -> norm_conv(n, 3, 1)) -> relu\n"
  "down(n) = residual(norm_conv(n, 3, 2) -> relu -> norm_conv(n, 3, 1), shortcut=norm_conv(n, 1, 2)) -> relu\n"
  "norm_conv(64, 3, 1) -> relu -> 2 * block(64) -> down(128) -> block(128) -> down(256) -> block(256)\n"
  "-> down(512) -> block(512) -> global_avg_pool -> dense(10)\n", {3, {3, 32, 32}}, 4, 2, 10, NULL, 0};

/* The coursework's classifier of weeks of sensors (B.VI), its layers followed by relu. */
static const bench_network conv1d = {
  "conv(32, 5, stride=2) -> relu -> conv(32, 5, stride=2) -> relu -> flatten -> dense(64) -> relu -> dense(2)",
  {2, {10, 168}}, 16, 16, 2, NULL, 0};

/* 100 steps of 64 inputs, 128 units; the class is read off the last state. */
static const bench_recurrent rnn_layer = {1, 100, 64, 128}, lstm_layer = {4, 100, 64, 128};
static const bench_network rnn = {NULL, {2, {100, 64}}, 4, 16, 10, &rnn_layer, 0};
static const bench_network lstm = {NULL, {2, {100, 64}}, 4, 16, 10, &lstm_layer, 0};

/* Two blocks as of a small language model: 64 steps, 64 channels, 4 heads; norms first, and the logits of every step. */
static const bench_network transformer = {
  "mixing(c) = residual(layer_norm(axis=1) -> attention(heads=4, causal))\n"
  "thinking(c) = residual(layer_norm(axis=1) -> dense(256, axis=1) -> gelu -> dense(c, axis=1))\n"
  "block(c) = mixing(c) -> thinking(c)\n"
  "embedding(65, 64) -> positions -> 2 * block(64) -> layer_norm(axis=1) -> dense(65, axis=1)",
  {1, {64}}, 4, 16, 65, NULL, 65};

const bench_case bench_cases[] = {
  {"sgd-1", BENCH_SGD, 1, &wide},
  {"sgd-32", BENCH_SGD, 32, &wide},
  {"sgd-256", BENCH_SGD, 256, &wide},
  {"adam-64", BENCH_ADAM, 64, &deep},
  {"grad-64", BENCH_GRADIENT, 64, &deep},
  {"hvp-64", BENCH_HESSIAN_VECTOR, 64, &deep},
  {"deep-infer-64", BENCH_INFER, 64, &deep},
  {"infer-1", BENCH_INFER, 1, &wide},
  {"infer-32", BENCH_INFER, 32, &wide},
  {"infer-256", BENCH_INFER, 256, &wide},
  {"cnn28-64", BENCH_ADAM, 64, &cnn28},
  {"cnn64-64", BENCH_ADAM, 64, &cnn64},
  {"resnet18-64", BENCH_MOMENTUM, 64, &resnet18},
  {"cnn28-grad-64", BENCH_GRADIENT, 64, &cnn28},
  {"cnn28-hvp-64", BENCH_HESSIAN_VECTOR, 64, &cnn28},
  {"cnn28-infer-1", BENCH_INFER, 1, &cnn28},
  {"cnn28-infer-64", BENCH_INFER, 64, &cnn28},
  {"cnn64-infer-1", BENCH_INFER, 1, &cnn64},
  {"cnn64-infer-64", BENCH_INFER, 64, &cnn64},
  {"conv1d-32", BENCH_ADAM, 32, &conv1d},
  {"rnn-32", BENCH_SGD, 32, &rnn},
  {"lstm-32", BENCH_SGD, 32, &lstm},
  {"rnn-infer-32", BENCH_INFER, 32, &rnn},
  {"lstm-infer-32", BENCH_INFER, 32, &lstm},
  {"transformer-16", BENCH_ADAM, 16, &transformer},
};
const int bench_case_count = sizeof bench_cases / sizeof bench_cases[0];

enum { MAX_PARAMETERS = 80 };

/* Streams of the hash; parameter i of the network (weight, bias, weight, ...) is stream 1 + i. */
enum { STREAM_PARAMETERS = 1, STREAM_INPUTS = 101, STREAM_LABELS = 201, STREAM_DIRECTIONS = 301 };

struct bench_prepared {
  const bench_case *about;
  cy_program *program;
  cy_session *session;
  cy_state *state;
  int n_parameters, n_products;
  cy_tensor *parameters[MAX_PARAMETERS]; /* the state's */
  cy_tensor *directions[MAX_PARAMETERS];
  bench_product products[BENCH_MAX_PRODUCTS];
  cy_tensor *inputs[BENCH_MAX_BATCHES], *labels[BENCH_MAX_BATCHES];
  cy_tensor *rate;
  int at; /* the next batch */
};

static bool trains(const bench_case *about) {
  return about->kind == BENCH_SGD || about->kind == BENCH_MOMENTUM || about->kind == BENCH_ADAM;
}

const bench_case *bench_find(const char *name) {
  for (int i = 0; i < bench_case_count; i++)
    if (strcmp(bench_cases[i].name, name) == 0) return &bench_cases[i];
  return NULL;
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

static cy_shape input_shape(const bench_case *about) {
  if (about->network->recurrent) return CY_SHAPE(about->network->example.dim[0], about->batch, about->network->example.dim[1]);
  cy_shape shape = {.rank = about->network->example.rank + 1, .dim = {about->batch}};
  memcpy(shape.dim + 1, about->network->example.dim, (size_t)about->network->example.rank * sizeof *shape.dim);
  return shape;
}

/* One for each example or, of whole numbers, for each step of it. */
static cy_shape label_shape(const bench_case *about) {
  return about->network->vocabulary ? input_shape(about) : CY_SHAPE(about->batch);
}

static void fill_whole(cy_tensor *tensor, uint64_t stream, int below) {
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++)
    cy_tensor_set(tensor, i, (double)(hashed(stream, (uint64_t)i) % (uint64_t)below));
}

static cy_status make_batches(bench_prepared *p) {
  const bench_network *network = p->about->network;
  for (int i = 0; i < network->batches; i++) {
    const uint64_t inputs = (uint64_t)(STREAM_INPUTS + i), labels = (uint64_t)(STREAM_LABELS + i);
    TRY(cy_tensor_create(network->vocabulary ? CY_I32 : CY_F32, input_shape(p->about), &p->inputs[i]));
    if (network->vocabulary) fill_whole(p->inputs[i], inputs, network->vocabulary);
    else fill_uniform(p->inputs[i], inputs, 0, 1);
    TRY(cy_tensor_create(CY_I64, label_shape(p->about), &p->labels[i]));
    fill_whole(p->labels[i], network->vocabulary ? inputs : labels, network->classes);
  }
  return CY_OK;
}

/* ---- graphs ---- */

/* What the case computes, as outputs and updates; outputs[0] is the loss where there is one and it is asked for. */
typedef struct built {
  cy_value outputs[MAX_PARAMETERS + 1];
  int n_outputs;
  cy_update *updates;
  int n_updates;
} built;

static const char *const optimizer_names[] = {
  [BENCH_SGD] = "sgd", [BENCH_MOMENTUM] = "momentum", [BENCH_ADAM] = "adam"};

static cy_status build_update(bench_prepared *p, cy_graph *graph, cy_network *network, cy_value loss, built *b) {
  int n;
  const cy_value *parameters = cy_network_parameters(network, &n);
  cy_value gradients[MAX_PARAMETERS];
  TRY(cy_grad(loss, parameters, n, gradients));
  cy_optimizer_options options = {.name = optimizer_names[p->about->kind]};
  int n_statistics;
  const cy_update *statistics = cy_network_updates(network, &n_statistics);
  b->updates = calloc((size_t)(cy_optimizer_update_count(options, n) + n_statistics), sizeof *b->updates);
  if (!b->updates) return CY_NO_MEMORY;
  cy_optimizer_inputs inputs = {.parameters = parameters, .gradients = gradients, .n = n};
  TRY(cy_optimizer_apply(graph, options, inputs, p->state, b->updates, &b->n_updates));
  if (n_statistics > 0) memcpy(b->updates + b->n_updates, statistics, (size_t)n_statistics * sizeof *statistics);
  b->n_updates += n_statistics;
  return CY_OK;
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

static cy_status apply_model(const bench_case *about, cy_network *network, cy_value x, cy_value *logits) {
  cy_model *model;
  if (about->network->recurrent) {
    *logits = bench_recurrent_apply(about->network->recurrent, network, x, about->network->classes);
    return cy_graph_status(cy_network_graph(network));
  }
  TRY(cy_model_parse(about->network->text, about->name, &model));
  *logits = cy_model_apply(model, network, x);
  cy_model_free(model);
  return cy_graph_status(cy_network_graph(network));
}

static cy_status build(bench_prepared *p, cy_graph *graph, cy_network *network, built *b) {
  const bench_case *about = p->about;
  cy_value x = cy_input(graph, "x", about->network->vocabulary ? CY_I32 : CY_F32, input_shape(about));
  cy_value logits;
  TRY(apply_model(about, network, x, &logits));
  TRY(cy_network_declare(network, p->state));
  b->outputs[0] = logits;
  b->n_outputs = 1;
  if (about->kind == BENCH_INFER) return CY_OK;
  cy_value labels = cy_input(graph, "labels", CY_I64, label_shape(about));
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

static void list_parameters(bench_prepared *p, const cy_network *network) {
  for (int i = 0; i < cy_network_variable_count(network); i++) {
    const cy_network_variable *variable = cy_network_variable_at(network, i);
    if (variable->role == CY_PARAMETER) p->parameters[p->n_parameters++] = cy_state_find(p->state, variable->name);
  }
}

static double elements(cy_shape shape) {
  double count = 1;
  for (int i = 0; i < shape.rank; i++) count *= (double)shape.dim[i];
  return count;
}

/* Of attention: its scores and what is looked up, then the projection back; the first one is listed as of other layers. */
static void list_attention(bench_prepared *p, const cy_network_layer *layer) {
  char name[128];
  snprintf(name, sizeof name, "%s.output", layer->name);
  const cy_tensor *back = cy_state_find(p->state, name);
  if (!back || p->n_products + 3 > BENCH_MAX_PRODUCTS) return;
  cy_shape in = cy_value_shape(layer->input);
  const double size = elements(in), steps = (double)in.dim[2], weight = elements(cy_tensor_shape(back));
  bench_product *product = p->products + p->n_products;
  product[0] = product[1] = (bench_product){size, 0, 0, size * steps};
  product[2] = (bench_product){size, weight, size, weight * size / (double)in.dim[1]};
  p->n_products += 3;
}

/* Layers with a variable "<layer>.weight"; each of its numbers is used once per example and place of the output. */
static void list_products(bench_prepared *p, const cy_network *network) {
  const bench_network *about = p->about->network;
  if (about->recurrent) {
    p->n_products = bench_recurrent_products(about->recurrent, p->about->batch, about->classes, p->products);
    return;
  }
  for (int i = 0; i < cy_network_layer_count(network) && p->n_products < BENCH_MAX_PRODUCTS; i++) {
    const cy_network_layer *layer = cy_network_layer_at(network, i);
    char name[128];
    snprintf(name, sizeof name, "%s.weight", layer->name);
    const cy_tensor *weight = cy_state_find(p->state, name);
    if (!weight || cy_value_shape(layer->input).rank < 2 || cy_value_dtype(layer->input) != CY_F32) continue;
    cy_shape in = cy_value_shape(layer->input), out = cy_value_shape(layer->output);
    bench_product *product = &p->products[p->n_products++];
    *product = (bench_product){elements(in), elements(cy_tensor_shape(weight)), elements(out), 0};
    product->multiplications = product->weight * product->out / (double)out.dim[1];
    list_attention(p, layer);
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
                        (cy_program_options){.threads = threads, .frozen = p->about->kind == BENCH_INFER}, &p->program);
  if (status == CY_OK) {
    list_parameters(p, network);
    list_products(p, network);
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
  if (trains(p->about)) {
    TRY(cy_tensor_create(CY_F32, CY_SCALAR, &p->rate));
    cy_tensor_set(p->rate, 0, p->about->kind == BENCH_ADAM ? 1e-3 : 0.01);
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
  for (int i = 0; i < BENCH_MAX_BATCHES; i++) {
    cy_tensor_free(p->inputs[i]);
    cy_tensor_free(p->labels[i]);
  }
  free(p);
}

const cy_program *bench_program(const bench_prepared *prepared) { return prepared->program; }

const bench_case *bench_about(const bench_prepared *prepared) { return prepared->about; }

int64_t bench_parameters(const bench_prepared *prepared) {
  int64_t count = 0;
  for (int i = 0; i < prepared->n_parameters; i++) count += cy_tensor_count(prepared->parameters[i]);
  return count;
}

const bench_product *bench_products(const bench_prepared *prepared, int *n) {
  *n = prepared->n_products;
  return prepared->products;
}

static bool ends_with(const char *name, const char *end) {
  size_t n = strlen(name), m = strlen(end);
  return n >= m && strcmp(name + n - m, end) == 0;
}

/* Weights, and biases after them: uniform within 1 / sqrt(inputs of a unit). */
static void fill_parameters(bench_prepared *p) {
  double bound = 0;
  for (int i = 0; i < p->n_parameters; i++) {
    cy_shape shape = cy_tensor_shape(p->parameters[i]);
    if (shape.rank > 1) bound = 1 / sqrt(elements(shape) / (double)shape.dim[shape.rank > 2 ? 0 : 1]);
    fill_uniform(p->parameters[i], (uint64_t)(STREAM_PARAMETERS + i), -bound, bound);
  }
}

static void fill(cy_tensor *tensor, double value) {
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++) cy_tensor_set(tensor, i, value);
}

void bench_reset(bench_prepared *p) {
  fill_parameters(p);
  for (int i = 0; i < cy_state_count(p->state); i++) {
    cy_tensor *tensor = cy_state_tensor(p->state, i);
    const char *name = cy_state_name(p->state, i);
    bool ones = ends_with(name, ".scale") || ends_with(name, ".running_var");
    if (ones && cy_state_role(p->state, i) != CY_OPTIMIZER) fill(tensor, 1);
    else if (cy_state_role(p->state, i) != CY_PARAMETER || ends_with(name, ".shift"))
      memset(cy_tensor_data(tensor), 0, cy_tensor_bytes(tensor));
  }
  p->at = 0;
}

cy_status bench_steps(bench_prepared *p, int n) {
  for (int i = 0; i < n; i++) {
    TRY(cy_session_bind(p->session, "x", p->inputs[p->at]));
    if (p->about->kind != BENCH_INFER) TRY(cy_session_bind(p->session, "labels", p->labels[p->at]));
    TRY(cy_session_run(p->session));
    p->at = (p->at + 1) % p->about->network->batches;
  }
  return CY_OK;
}

cy_status bench_check(bench_prepared *p, double *value) {
  bench_reset(p);
  TRY(bench_steps(p, trains(p->about) ? p->about->network->check_steps : 1));
  double sum = 0;
  if (trains(p->about)) {
    sum = log(p->about->network->classes) - cy_tensor_at(cy_session_output(p->session, 0), 0);
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
