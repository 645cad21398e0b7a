/* Gradient flow through a recurrent network: the network of one sequence, in f64, with zeros added to the states of its
 * recurrent layers; the derivative of the loss by these zeros is that by the states. */
#include "analyze/flow.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/autodiff.h>
#include <cauchy/program.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { USUAL_SEQUENCES = 8 };

static int carries_of(const cy_tap *tap) { return cy_cell_rows[tap->cell.kind].n_carry; }

/* ---- the loss of the last step ---- */

static cy_value constant_direction(cy_graph *graph, cy_shape shape, uint64_t seed) {
  cy_tensor *direction;
  cy_rng rng = cy_rng_make(seed, 77);
  double sum = 0;
  if (cy_tensor_create(CY_F64, shape, &direction) != CY_OK) {
    cy_graph_fail(graph, CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  int64_t n = cy_tensor_count(direction);
  for (int64_t i = 0; i < n; i++) {
    double u = cy_rng_normal(&rng);
    cy_tensor_set(direction, i, u);
    sum += u * u;
  }
  for (int64_t i = 0; i < n && sum > 0; i++) cy_tensor_set(direction, i, cy_tensor_at(direction, i) / sqrt(sum));
  cy_value value = cy_constant(graph, direction);
  cy_tensor_free(direction);
  return value;
}

/* Outputs of one sequence: [1, K, T] has steps, of which the last counts. */
static cy_value loss_of(cy_flow_run *run, cy_value output) {
  cy_shape shape = cy_value_shape(output);
  if (shape.rank == 3) {
    output = cy_slice_axis(output, 2, shape.dim[2] - 1, shape.dim[2]);
    output = cy_reshape(output, CY_SHAPE(shape.dim[0], shape.dim[1]));
  }
  if (run->options->labels && cy_value_shape(output).rank == 2) {
    cy_value label = cy_input(run->graph, "label", CY_I64, CY_SHAPE(1));
    return cy_cross_entropy(output, label, (cy_cross_entropy_options){0});
  }
  cy_value direction = constant_direction(run->graph, cy_value_shape(output), run->options->seed);
  return cy_sum(cy_mul(output, direction), NULL, 0, false);
}

/* ---- graph and program ---- */

static cy_status count_outputs(cy_flow_run *run) {
  int n = 2, taps = cy_network_tap_count(run->network);
  run->first = cy_calloc((size_t)taps + 1, sizeof *run->first);
  if (!run->first) return cy_no_memory();
  for (int i = 0; i < taps; i++) {
    run->first[i] = n;
    n += 2 * carries_of(cy_network_tap_at(run->network, i)) + 1;
  }
  run->outputs = cy_calloc((size_t)n, sizeof *run->outputs);
  run->zeros = cy_calloc((size_t)n, sizeof(cy_tensor *));
  run->n_outputs = n;
  return run->outputs && run->zeros ? CY_OK : cy_no_memory();
}

/* The gradient by the parameters and by the pushes, in one pass. */
static cy_status derive(cy_flow_run *run, cy_value loss) {
  int n, taps = cy_network_tap_count(run->network), pushes = 0;
  const cy_value *parameters = cy_network_parameters(run->network, &n);
  cy_value *wanted = cy_calloc((size_t)(n + run->n_outputs), sizeof *wanted);
  cy_value *gradients = cy_calloc((size_t)(n + run->n_outputs), sizeof *gradients);
  cy_status status = wanted && gradients ? CY_OK : cy_no_memory();
  for (int i = 0; status == CY_OK && i < n; i++) wanted[i] = parameters[i];
  for (int i = 0; status == CY_OK && i < taps; i++)
    for (int k = 0; k < carries_of(cy_network_tap_at(run->network, i)); k++)
      wanted[n + pushes++] = cy_network_tap_at(run->network, i)->push[k];
  if (status == CY_OK) status = cy_grad(loss, wanted, n + pushes, gradients);
  cy_value square = cy_scalar(run->graph, CY_F64, 0);
  for (int i = 0; status == CY_OK && i < n; i++)
    square = cy_add(square, cy_sum(cy_square(gradients[i]), NULL, 0, false));
  pushes = 0;
  for (int i = 0; status == CY_OK && i < taps; i++) {
    const cy_tap *tap = cy_network_tap_at(run->network, i);
    int at = run->first[i];
    for (int k = 0; k < carries_of(tap); k++) run->outputs[at++] = gradients[n + pushes++];
    for (int k = 0; k < carries_of(tap); k++) run->outputs[at++] = tap->states[k];
    run->outputs[at] = tap->x;
  }
  run->outputs[0] = loss;
  run->outputs[1] = square;
  cy_free(wanted);
  cy_free(gradients);
  return status;
}

static cy_status build(cy_flow_run *run, const cy_model *model) {
  cy_shape sample = run->options->sample, one = {.rank = sample.rank + 1, .dim = {1}};
  if (sample.rank < 1 || sample.rank >= CY_MAX_RANK) return cy_fail(CY_INVALID, "the shape of an input is not given");
  for (int i = 0; i < sample.rank; i++) one.dim[i + 1] = sample.dim[i];
  CY_TRY(cy_graph_create(&run->graph));
  CY_TRY(cy_network_create(run->graph, (cy_network_options){.dtype = CY_F64}, &run->network));
  cy_network_watch(run->network);
  cy_value output = cy_model_apply(model, run->network, cy_input(run->graph, "x", CY_F64, one));
  CY_TRY(cy_graph_status(run->graph));
  if (cy_network_tap_count(run->network) == 0)
    return cy_fail(CY_INVALID, "the network has no recurrent layer (rnn, lstm, gru)");
  CY_TRY(count_outputs(run));
  CY_TRY(derive(run, loss_of(run, output)));
  CY_TRY(cy_compile(run->outputs, run->n_outputs, NULL, 0,
                    (cy_program_options){.threads = run->options->threads ? run->options->threads : 1}, &run->program));
  CY_TRY(cy_session_create(run->program, &run->session));
  return cy_tensor_create(CY_F64, one, &run->x);
}

/* ---- weights ---- */

static cy_status scale_recurrent(cy_flow_run *run, const cy_tap *tap) {
  double radius, wanted = run->options->radius;
  cy_tensor *u = cy_state_find(run->state, cy_value_name(tap->weights[1]));
  if (tap->cell.kind != CY_CELL_RNN)
    return cy_fail(CY_INVALID, "%s \"%s\" has %d recurrent matrices: only those of rnn are scaled to a radius",
                   cy_cell_rows[tap->cell.kind].name, tap->name, cy_cell_rows[tap->cell.kind].gates);
  CY_TRY(cy_spectral_radius(cy_tensor_f64(u), tap->cell.units, tap->cell.units, &radius));
  if (!(radius > 0))
    return cy_fail(CY_INVALID, "%s \"%s\": the recurrent matrix has no eigenvalue but 0, which no factor makes %g",
                   "rnn", tap->name, wanted);
  for (int64_t i = 0; i < cy_tensor_count(u); i++) cy_tensor_set(u, i, cy_tensor_at(u, i) * (wanted / radius));
  return CY_OK;
}

static cy_status set_weights(cy_flow_run *run) {
  CY_TRY(cy_state_create(&run->state));
  CY_TRY(cy_network_declare(run->network, run->state));
  CY_TRY(cy_state_allocate(run->state));
  CY_TRY(cy_network_initialize(run->network, run->state, run->options->seed));
  for (int i = 0; run->options->weights && i < cy_state_count(run->state); i++) {
    const char *name = cy_state_name(run->state, i);
    cy_tensor *from = cy_state_find(run->options->weights, name), *to = cy_state_tensor(run->state, i);
    if (cy_state_role(run->state, i) == CY_OPTIMIZER) continue;
    if (!from || !cy_shape_equal(cy_tensor_shape(from), cy_tensor_shape(to)))
      return cy_fail(CY_INVALID, "the weights have no \"%s\" of this shape", name);
    CY_TRY(cy_tensor_copy(from, to));
  }
  for (int i = 0; run->options->radius > 0 && i < cy_network_tap_count(run->network); i++)
    CY_TRY(scale_recurrent(run, cy_network_tap_at(run->network, i)));
  return CY_OK;
}

/* A program that does not depend on something has no such input: that is no mistake. */
static cy_status bind_maybe(cy_session *session, const char *name, cy_tensor *tensor) {
  return cy_session_bind(session, name, tensor) == CY_NO_MEMORY ? CY_NO_MEMORY : CY_OK;
}

static cy_status bind(cy_flow_run *run) {
  CY_TRY(cy_session_bind_state(run->session, run->state));
  CY_TRY(bind_maybe(run->session, "x", run->x));
  if (run->options->labels) {
    CY_TRY(cy_tensor_create(CY_I64, CY_SHAPE(1), &run->label));
    CY_TRY(bind_maybe(run->session, "label", run->label));
  }
  for (int i = 0; i < cy_network_tap_count(run->network); i++) {
    const cy_tap *tap = cy_network_tap_at(run->network, i);
    for (int k = 0; k < carries_of(tap); k++) {
      cy_tensor **zero = &run->zeros[run->n_zeros++];
      CY_TRY(cy_tensor_create(CY_F64, cy_value_shape(tap->push[k]), zero));
      CY_TRY(bind_maybe(run->session, cy_value_name(tap->push[k]), *zero));
    }
  }
  return CY_OK;
}

/* ---- sequences ---- */

static cy_status check_inputs(cy_flow_run *run) {
  const cy_flow_options *o = run->options;
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  run->sequences = o->inputs ? cy_tensor_shape(o->inputs).dim[0] : o->samples > 0 ? o->samples : USUAL_SEQUENCES;
  if (run->sequences < 1 || (o->inputs && cy_tensor_count(o->inputs) != run->sequences * cy_tensor_count(run->x)))
    return cy_fail(CY_INVALID, "inputs are %s, not several of %s", cy_shape_text(cy_tensor_shape(o->inputs), a),
                   cy_shape_text(o->sample, b));
  if (o->labels && (cy_tensor_shape(o->labels).rank < 1 || cy_tensor_shape(o->labels).dim[0] != run->sequences))
    return cy_fail(CY_INVALID, "labels are %s for %lld sequences", cy_shape_text(cy_tensor_shape(o->labels), a),
                   (long long)run->sequences);
  return CY_OK;
}

/* Sequence i, and its last label. */
static void feed(cy_flow_run *run, const cy_model *model, int64_t i, cy_rng *rng) {
  const cy_flow_options *o = run->options;
  int64_t n = cy_tensor_count(run->x), vocabulary = cy_model_vocabulary(model);
  double amplitude = o->amplitude == 0 ? 1 : o->amplitude < 0 ? 0 : o->amplitude;
  for (int64_t k = 0; k < n; k++) {
    double value = o->inputs       ? cy_tensor_at(o->inputs, i * n + k)
                   : vocabulary    ? (double)cy_rng_below(rng, vocabulary)
                   : amplitude > 0 ? amplitude * cy_rng_normal(rng)
                                   : 0;
    cy_tensor_set(run->x, k, value);
  }
  if (!o->labels) return;
  int64_t per = cy_tensor_count(o->labels) / run->sequences;
  cy_tensor_set(run->label, 0, cy_tensor_at(o->labels, i * per + per - 1));
}

/* Adds the norms by lag, as sides of a right angle. gradient [T, 1, H]; no square leaves the range of numbers. */
static void add_norms(const cy_tensor *gradient, bool reverse, double *sum) {
  int64_t steps = cy_tensor_shape(gradient).dim[0], units = cy_tensor_shape(gradient).dim[2];
  for (int64_t t = 0; t < steps; t++) {
    double *to = &sum[reverse ? t : steps - 1 - t];
    for (int64_t j = 0; j < units; j++) *to = hypot(*to, cy_tensor_at(gradient, t * units + j));
  }
}

/* The mean change of the logarithm between the first and the last lag that are numbers and not zero. */
static double factor_of(const double *norms, int64_t n) {
  int64_t first = 0, last = 0;
  while (first < n && !(norms[first] > 0 && isfinite(norms[first]))) first++;
  for (int64_t t = first; t < n && isfinite(norms[t]); t++)
    if (norms[t] >= 1e-300) last = t;
  if (last <= first) return first < n ? (double)NAN : 0;
  return exp((log(norms[last]) - log(norms[first])) / (double)(last - first));
}

/* ---- layers ---- */

static cy_status describe(const cy_flow_run *run, const cy_tap *tap, cy_flow_layer *layer) {
  int64_t units = tap->cell.units, steps = cy_value_shape(tap->x).dim[0];
  const cy_cell_row *row = &cy_cell_rows[tap->cell.kind];
  const cy_tensor *u = cy_state_find(run->state, cy_value_name(tap->weights[1]));
  *layer = (cy_flow_layer){.name = cy_strdup(tap->name),
                           .kind = row->name,
                           .reverse = tap->reverse,
                           .units = units,
                           .steps = steps,
                           .gates = row->gates,
                           .slope = (double)NAN};
  layer->gradient = cy_calloc((size_t)steps, sizeof *layer->gradient);
  if (row->n_carry > 1) layer->memory = cy_calloc((size_t)steps, sizeof *layer->memory);
  double *values = cy_calloc((size_t)units, sizeof *values);
  cy_status status =
      layer->name && layer->gradient && values && (layer->memory || row->n_carry == 1) ? CY_OK : cy_no_memory();
  for (int g = 0; status == CY_OK && g < row->gates; g++) {
    const double *block = cy_tensor_f64(u) + g * units;
    status = cy_spectral_radius(block, row->gates * units, units, &layer->radius[g]);
    if (status == CY_OK) status = cy_singular_values(block, row->gates * units, units, values);
    layer->norm[g] = values[0];
  }
  cy_free(values);
  return status;
}

static cy_status measure_sequence(cy_flow_run *run, cy_flow *flow, int64_t i) {
  CY_TRY(cy_session_run(run->session));
  double loss = cy_tensor_at(cy_session_output(run->session, 0), 0);
  if (!isfinite(loss))
    return cy_fail(CY_NOT_FINITE, "the loss of sequence %lld of %lld is %g", (long long)i + 1,
                   (long long)run->sequences, fabs(loss));
  flow->loss += loss / (double)run->sequences;
  flow->norms[i] = sqrt(cy_tensor_at(cy_session_output(run->session, 1), 0));
  for (int k = 0; k < flow->n_layers; k++) {
    cy_flow_layer *layer = &flow->layers[k];
    int first = run->first[k];
    add_norms(cy_session_output(run->session, first), layer->reverse, layer->gradient);
    if (layer->memory) add_norms(cy_session_output(run->session, first + 1), layer->reverse, layer->memory);
    if (i == 0) CY_TRY(cy_flow_jacobians(run, cy_network_tap_at(run->network, k), first, layer));
  }
  return CY_OK;
}

static void finish(const cy_flow_run *run, cy_flow *flow) {
  for (int k = 0; k < flow->n_layers; k++) {
    cy_flow_layer *layer = &flow->layers[k];
    for (int64_t t = 0; t < layer->steps; t++) {
      layer->gradient[t] /= sqrt((double)run->sequences);
      if (layer->memory) layer->memory[t] /= sqrt((double)run->sequences);
    }
    layer->factor = factor_of(layer->memory ? layer->memory : layer->gradient, layer->steps);
  }
  flow->clip = run->options->clip;
  flow->least_kept = 1;
  for (int64_t i = 0; flow->clip > 0 && i < run->sequences; i++) {
    if (flow->norms[i] <= flow->clip) continue;
    flow->clipped += 1 / (double)run->sequences;
    flow->least_kept = fmin(flow->least_kept, flow->clip / flow->norms[i]);
  }
}

static cy_status measure(cy_flow_run *run, const cy_model *model, cy_flow *flow) {
  cy_rng rng = cy_rng_make(run->options->seed, 78);
  CY_TRY(build(run, model));
  CY_TRY(set_weights(run));
  CY_TRY(check_inputs(run));
  CY_TRY(bind(run));
  flow->sequences = run->sequences;
  flow->norms = cy_calloc((size_t)run->sequences, sizeof *flow->norms);
  flow->layers = cy_calloc((size_t)cy_network_tap_count(run->network) + 1, sizeof *flow->layers);
  if (!flow->norms || !flow->layers) return cy_no_memory();
  for (; flow->n_layers < cy_network_tap_count(run->network); flow->n_layers++)
    CY_TRY(describe(run, cy_network_tap_at(run->network, flow->n_layers), &flow->layers[flow->n_layers]));
  for (int64_t i = 0; i < run->sequences; i++) {
    feed(run, model, i, &rng);
    CY_TRY(measure_sequence(run, flow, i));
  }
  finish(run, flow);
  return CY_OK;
}

static void close_run(cy_flow_run *run) {
  for (int i = 0; i < run->n_zeros; i++) cy_tensor_free(run->zeros[i]);
  cy_free(run->zeros);
  cy_free(run->outputs);
  cy_free(run->first);
  cy_tensor_free(run->x);
  cy_tensor_free(run->label);
  cy_session_free(run->session);
  cy_program_free(run->program);
  cy_state_free(run->state);
  cy_network_free(run->network);
  cy_graph_free(run->graph);
}

cy_status cy_flow_measure(const cy_model *model, cy_flow_options options, cy_flow **flow) {
  cy_flow_run run = {.options = &options};
  *flow = cy_calloc(1, sizeof **flow);
  if (!*flow) return cy_no_memory();
  cy_status status = measure(&run, model, *flow);
  close_run(&run);
  if (status == CY_OK) return CY_OK;
  if ((*flow)->layers) (*flow)->n_layers++; /* the one that failed half-way: there is one place more */
  cy_flow_free(*flow);
  *flow = NULL;
  return status;
}

void cy_flow_free(cy_flow *flow) {
  if (!flow) return;
  for (int i = 0; flow->layers && i < flow->n_layers; i++) {
    cy_free((char *)flow->layers[i].name);
    cy_free(flow->layers[i].gradient);
    cy_free(flow->layers[i].memory);
    cy_free(flow->layers[i].jacobians);
  }
  cy_free(flow->layers);
  cy_free(flow->norms);
  cy_free(flow);
}
