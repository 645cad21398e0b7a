/* Receptive fields by derivative: one compiled program gives the gradient of a unit with respect to the input, and is
 * run with many inputs and weights. Which elements ever count is the measured field; how much, the effective one. */
#include "analyze/analysis.h"

#include "base/error.h"
#include "base/random.h"
#include "tensor/tensor.h"

#include <cauchy/autodiff.h>
#include <math.h>
#include <string.h>

/* d (sum of cotangent * output) / d input, for a layer's output. */
typedef struct probe {
  cy_graph *graph;
  cy_network *network;
  cy_state *state;
  cy_program *program;
  cy_session *session;
  cy_tensor *x, *cotangent;
  int64_t unit[CY_MAX_RANK]; /* of the layer's output, batch included */
} probe;

static void close_probe(probe *p) {
  cy_session_free(p->session);
  cy_program_free(p->program);
  cy_tensor_free(p->x);
  cy_tensor_free(p->cotangent);
  cy_state_free(p->state);
  cy_network_free(p->network);
  cy_graph_free(p->graph);
}

static cy_status set_unit(probe *p, cy_shape shape, const int64_t *unit) {
  char text[CY_SHAPE_TEXT];
  for (int i = 1; i < shape.rank; i++) {
    p->unit[i] = unit[i - 1];
    if (unit[i - 1] < -1 || unit[i - 1] >= shape.dim[i])
      return cy_fail(CY_INVALID, "there is no unit %lld along axis %d of %s", (long long)unit[i - 1], i,
                     cy_shape_text(cy_example_shape(shape), text));
  }
  return CY_OK;
}

static cy_status open_probe(const cy_model *model, cy_shape sample, int layer, const int64_t *unit, probe *p) {
  cy_value x, output, gradient;
  CY_TRY(cy_build_for_analysis(model, cy_batch_shape(1, sample), (cy_network_options){.dtype = CY_F64}, &p->graph,
                               &p->network, &x, &output));
  if (layer < 0 || layer >= cy_network_layer_count(p->network))
    return cy_fail(CY_INVALID, "the network has no layer number %d", layer);
  output = cy_network_layer_at(p->network, layer)->output;
  CY_TRY(set_unit(p, cy_value_shape(output), unit));
  cy_value cotangent = cy_input(p->graph, "cotangent", CY_F64, cy_value_shape(output));
  CY_TRY(cy_vjp(&output, &cotangent, 1, &x, 1, &gradient));
  CY_TRY(cy_graph_status(p->graph));
  CY_TRY(cy_state_create(&p->state));
  CY_TRY(cy_network_declare(p->network, p->state));
  CY_TRY(cy_state_allocate(p->state));
  CY_TRY(cy_compile(&gradient, 1, NULL, 0, (cy_program_options){0}, &p->program));
  CY_TRY(cy_session_create(p->program, &p->session));
  CY_TRY(cy_tensor_create(CY_F64, cy_value_shape(x), &p->x));
  return cy_tensor_create(CY_F64, cy_value_shape(output), &p->cotangent);
}

/* A program that does not depend on the input (all its gradient is zero) has no such input to bind. */
static cy_status bind(const probe *p) {
  CY_TRY(cy_session_bind_state(p->session, p->state));
  cy_status x = cy_session_bind(p->session, "x", p->x),
            cotangent = cy_session_bind(p->session, "cotangent", p->cotangent);
  return x == CY_NO_MEMORY || cotangent == CY_NO_MEMORY ? CY_NO_MEMORY : CY_OK;
}

/* The cotangent: weight() at the unit, zero elsewhere. */
static void set_cotangent(const probe *p, cy_rng *rng, double (*weight)(cy_rng *rng)) {
  int64_t i = 0;
  for (cy_walk w = cy_walk_start(cy_tensor_shape(p->cotangent)); w.more; cy_walk_next(&w), i++) {
    bool chosen = true;
    for (int k = 1; k < w.shape.rank; k++) chosen = chosen && (p->unit[k] < 0 || p->unit[k] == w.index[k]);
    cy_tensor_set(p->cotangent, i, chosen ? weight(rng) : 0);
  }
}

/* ---- which elements count ---- */

static double positive(cy_rng *rng) { return 0.5 + cy_rng_uniform(rng); }

/* Weights of mean 1 / fan_in keep activations below about 1. Biases, shifts and running means stay 0: what is positive
 * stays so. */
static void set_positive(const probe *p, cy_rng *rng) {
  for (int i = 0; i < cy_network_variable_count(p->network); i++) {
    const cy_network_variable *v = cy_network_variable_at(p->network, i);
    cy_tensor *tensor = cy_state_find(p->state, v->name);
    if (!cy_dtype_is_float(v->dtype)) continue;
    bool weight = v->initializer.kind != CY_INIT_CONSTANT;
    double fan = v->initializer.fan_in > 0 ? (double)v->initializer.fan_in : 1;
    for (int64_t k = 0; k < cy_tensor_count(tensor); k++)
      cy_tensor_set(tensor, k, weight ? positive(rng) / fan : v->initializer.a * (1 + 0.1 * cy_rng_uniform(rng)));
  }
}

/* Decimal orders from the largest input to the smallest. */
enum { STEEP = 200 };

/* After the slopes. */
enum { POSITIVE_ROUNDS = 12, SIGNED_ROUNDS = 24 };

/* Inputs that a maximum can pick any element of. First, twice for every axis, steep slopes: rising, falling; so steep
 * that the far end of a window counts more than all the rest, even where padding takes away from it. Then numbers of
 * very different sizes in random places; at last of either sign, for maxima over interpolation with negative weights. */
static void set_input(const probe *p, cy_rng *rng, int round) {
  cy_shape shape = cy_tensor_shape(p->x);
  int axis = 1 + round / 4;
  bool either_sign = round >= 4 * (shape.rank - 1) + POSITIVE_ROUNDS;
  int64_t i = 0;
  for (cy_walk w = cy_walk_start(shape); w.more; cy_walk_next(&w), i++) {
    double jitter = cy_rng_uniform(rng), value = pow(10, -4 * jitter);
    if (axis < shape.rank) {
      int64_t n = shape.dim[axis], far = round % 2 ? w.index[axis] : n - 1 - w.index[axis];
      double step = fmin(round % 4 < 2 ? 0.7 : 0.2, STEEP / (double)n); /* in decimal orders */
      value = pow(10, -step * (double)far) * (1 + 0.1 * jitter);
    }
    cy_tensor_set(p->x, i, either_sign && cy_rng_below(rng, 2) ? -value : value);
  }
}

static void mark_seen(const cy_tensor *gradient, bool *seen[CY_MAX_RANK]) {
  int64_t i = 0;
  for (cy_walk w = cy_walk_start(cy_tensor_shape(gradient)); w.more; cy_walk_next(&w), i++)
    if (cy_tensor_at(gradient, i) != 0)
      for (int k = 1; k < w.shape.rank; k++) seen[k - 1][w.index[k]] = true;
}

static cy_status make_seen(cy_shape sample, bool *seen[CY_MAX_RANK]) {
  for (int i = 0; i < sample.rank; i++) {
    seen[i] = cy_calloc((size_t)sample.dim[i], sizeof(bool));
    if (!seen[i]) return cy_no_memory();
  }
  return CY_OK;
}

enum { EFFECTIVE_SAMPLES = 32 };

static cy_status mark_rounds(const probe *p, cy_shape sample, uint64_t seed, bool *seen[CY_MAX_RANK]) {
  cy_rng rng = cy_rng_make(seed, 0);
  CY_TRY(make_seen(sample, seen));
  CY_TRY(bind(p));
  for (int round = 0; round < 4 * sample.rank + POSITIVE_ROUNDS + SIGNED_ROUNDS; round++) {
    set_positive(p, &rng);
    set_cotangent(p, &rng, positive);
    set_input(p, &rng, round);
    CY_TRY(bind(p)); /* weights have changed */
    CY_TRY(cy_session_run(p->session));
    mark_seen(cy_session_output(p->session, 0), seen);
  }
  return CY_OK;
}

cy_status cy_measured_field(const cy_model *model, cy_shape sample, int layer, const int64_t *unit, uint64_t seed,
                            bool *seen[CY_MAX_RANK]) {
  probe p = {0};
  for (int i = 0; i < CY_MAX_RANK; i++) seen[i] = NULL;
  cy_status status = open_probe(model, sample, layer, unit, &p);
  if (status == CY_OK) status = mark_rounds(&p, sample, seed, seen);
  if (status != CY_OK) cy_seen_free(seen);
  close_probe(&p);
  return status;
}

/* ---- and how much ---- */

static double sign(cy_rng *rng) { return cy_rng_below(rng, 2) ? 1 : -1; }

/* Adds the squares to the map, whose elements are those of the last axes of the gradient. */
static void add_squares(const cy_tensor *gradient, double share, cy_tensor *map) {
  double *to = cy_tensor_f64(map);
  const double *from = cy_tensor_f64(gradient);
  int64_t places = cy_tensor_count(map);
  for (int64_t i = 0; i < cy_tensor_count(gradient); i++) to[i % places] += share * from[i] * from[i];
}

/* The state's weights, in f64. Those of later layers may be for another size of input: the program does not know
 * them. */
static cy_status copy_weights(const probe *p, const cy_state *from) {
  char is[CY_SHAPE_TEXT], wanted[CY_SHAPE_TEXT];
  for (int i = 0; i < cy_state_count(p->state); i++) {
    const char *name = cy_state_name(p->state, i);
    cy_tensor *to = cy_state_tensor(p->state, i);
    const cy_tensor *tensor = cy_state_find(from, name);
    bool fits = tensor && cy_shape_equal(cy_tensor_shape(tensor), cy_tensor_shape(to));
    if (fits) CY_TRY(cy_tensor_copy(tensor, to));
    if (fits || cy_session_bind(p->session, name, to) != CY_OK) continue;
    if (!tensor) return cy_fail(CY_INVALID, "the state has no tensor \"%s\"", name);
    return cy_fail(CY_INVALID, "\"%s\" is %s in the state, but %s for this input", name,
                   cy_shape_text(cy_tensor_shape(tensor), is), cy_shape_text(cy_tensor_shape(to), wanted));
  }
  return CY_OK;
}

static cy_status sum_squares(const probe *p, cy_effective_options o, cy_tensor *map) {
  cy_rng rng = cy_rng_make(o.seed, 0);
  int samples = o.samples > 0 ? o.samples : EFFECTIVE_SAMPLES;
  if (o.state) CY_TRY(copy_weights(p, o.state));
  for (int s = 0; s < samples; s++) {
    if (!o.state) CY_TRY(cy_network_initialize(p->network, p->state, o.seed + (uint64_t)s));
    set_cotangent(p, &rng, sign); /* of random signs: the mean square is the sum over the channels' squares */
    for (int64_t i = 0; i < cy_tensor_count(p->x); i++) cy_tensor_set(p->x, i, cy_rng_normal(&rng));
    CY_TRY(bind(p));
    CY_TRY(cy_session_run(p->session));
    add_squares(cy_session_output(p->session, 0), 1.0 / samples, map);
  }
  return CY_OK;
}

cy_status cy_effective_field(const cy_model *model, cy_shape sample, int layer, const int64_t *unit,
                             cy_effective_options options, cy_tensor **map) {
  probe p = {0};
  *map = NULL;
  cy_status status = open_probe(model, sample, layer, unit, &p);
  cy_shape space = sample.rank > 1 ? cy_example_shape(sample) : sample;
  if (status == CY_OK) status = cy_tensor_create(CY_F64, space, map);
  if (status == CY_OK) status = sum_squares(&p, options, *map);
  if (status != CY_OK) {
    cy_tensor_free(*map);
    *map = NULL;
  }
  close_probe(&p);
  return status;
}
