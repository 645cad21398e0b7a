/* Recurrent layers: their cells (cells.h) run along time by a scan, in one direction or both, one upon the other.
 * Inside everything is [T, N, C]: a step reads whole rows of memory. */
#include "nn/sequence.h"
#include "nn/taps.h"

#include "graph/graph.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <cauchy/scan.h>
#include <math.h>
#include <stdio.h>

enum { MAX_STACKED = 64, VARIABLE_TEXT = 64 };

/* A layer being built. */
typedef struct recurrent {
  cy_network *net;
  const cy_recurrent_options *options;
  const char *prefix; /* of variables: "", "reverse.", "layer2.", "layer2.reverse." */
  cy_cell cell;
  cy_value lengths; /* empty: all sequences are as long as x */
  int n_outputs;    /* of what the state is after each step */
  bool watched;     /* zeros are added to the state after each step, as inputs */
  cy_value weights[CY_CELL_WEIGHTS];
} recurrent;

static const cy_cell_row *row_of(const recurrent *r) { return &cy_cell_rows[r->cell.kind]; }

/* ---- variables ---- */

static cy_value variable(const recurrent *r, const char *name, cy_shape shape, cy_initializer start, bool decays) {
  char full[VARIABLE_TEXT];
  snprintf(full, sizeof full, "%s%s", r->prefix, name);
  return cy_network_parameter(r->net, full, shape, start, decays);
}

/* Each gate has its own fans, and its own orthogonal matrix. */
static bool declare_weights(recurrent *r, int64_t channels) {
  const cy_recurrent_options *o = r->options;
  int64_t units = r->cell.units, gates = row_of(r)->gates, all, elements;
  if (!cy_mul_i64(units, gates, &all) || !cy_mul_i64(all, channels > units ? channels : units, &elements)) {
    cy_graph_fail(cy_network_graph(r->net), CY_INVALID, "%lld units for %lld channels are too many", (long long)units,
                  (long long)channels);
    return false;
  }
  cy_initializer glorot = {.kind = CY_INIT_GLOROT_UNIFORM}, orthogonal = {.kind = CY_INIT_ORTHOGONAL},
                 zeros = {.kind = CY_INIT_CONSTANT};
  cy_initializer start = cy_initializer_or(o->weight, glorot, channels, units);
  cy_initializer again = cy_initializer_or(o->recurrent, orthogonal, units, units);
  cy_initializer bias = cy_initializer_or(o->bias, zeros, units, units);
  start.blocks = again.blocks = bias.blocks = gates;
  bool usual = o->forget_bias == 0 && !signbit(o->forget_bias);
  if (r->cell.kind == CY_CELL_LSTM) bias.second = usual ? 1 : o->forget_bias;
  r->weights[0] = variable(r, "weight", CY_SHAPE(channels, all), start, true);
  r->weights[1] = variable(r, "recurrent", CY_SHAPE(units, all), again, true);
  r->weights[2] = variable(r, "bias", CY_SHAPE(all), bias, false);
  bias.blocks = 1;
  if (r->cell.kind == CY_CELL_GRU) r->weights[3] = variable(r, "recurrent_bias", CY_SHAPE(units), bias, false);
  return !cy_graph_failed(cy_network_graph(r->net));
}

/* ---- along time ---- */

/* The body of the loop: inputs x_t [N, C]; if there are lengths, which sequences are not over [N, 1]; the pushes of a
 * tap. */
static void step_of(const cy_scan_step *step, void *context, cy_value *next, cy_value *outputs) {
  const recurrent *r = context;
  int extra = 1;
  cy_cell_step(&r->cell, step->constants, step->inputs[0], step->carry, next);
  if (cy_is_value(r->lengths)) {
    cy_value valid = cy_broadcast(step->inputs[extra++], cy_value_shape(next[0]));
    for (int k = 0; k < row_of(r)->n_carry; k++) next[k] = cy_select(valid, next[k], step->carry[k]);
  }
  for (int k = 0; r->watched && k < row_of(r)->n_carry; k++) next[k] = cy_add(next[k], step->inputs[extra++]);
  for (int k = 0; k < r->n_outputs; k++) outputs[k] = next[k];
}

/* The states before the first step: zeros, or what the last run ended with. */
static void first_states(const recurrent *r, int64_t batch, cy_value *carry) {
  static const char *const names[CY_CELL_CARRIES] = {"state", "memory"};
  char full[VARIABLE_TEXT];
  for (int k = 0; k < row_of(r)->n_carry; k++) {
    snprintf(full, sizeof full, "%s%s", r->prefix, names[k]);
    carry[k] = cy_network_carried(r->net, full, CY_SHAPE(batch, r->cell.units));
  }
}

/* Notes what the layer is, and adds the pushes to the loop's inputs. */
static cy_tap *watch(recurrent *r, cy_value x, bool reverse, cy_value *inputs, int *n_inputs) {
  cy_shape shape = cy_value_shape(x), states = CY_SHAPE(shape.dim[0], shape.dim[1], r->cell.units);
  cy_tap *tap = cy_network_add_tap(r->net, r->prefix, row_of(r)->n_carry, states);
  if (!tap) return NULL;
  tap->cell = r->cell;
  tap->reverse = reverse;
  tap->x = x;
  for (int i = 0; i < row_of(r)->n_weights; i++) tap->weights[i] = r->weights[i];
  for (int k = 0; k < row_of(r)->n_carry; k++) inputs[(*n_inputs)++] = tap->push[k];
  return tap;
}

/* x [T, N, C] in one direction: outputs [T, N, H] if sequence, last [N, H] the state at each sequence's own end. */
static cy_value run(recurrent *r, cy_value x, bool reverse, bool sequence, cy_value *last) {
  const cy_cell_row *row = row_of(r);
  cy_shape shape = cy_value_shape(x);
  cy_value carry[CY_CELL_CARRIES], ends[CY_CELL_CARRIES] = {cy_none, cy_none}, inputs[2 + CY_CELL_CARRIES] = {x},
                                   outputs[CY_CELL_CARRIES] = {cy_none, cy_none};
  int n_inputs = 1;
  if (!declare_weights(r, shape.dim[2])) return cy_none;
  first_states(r, shape.dim[1], carry);
  if (cy_is_value(r->lengths))
    inputs[n_inputs++] = cy_sequence_valid(r->lengths, CY_SHAPE(shape.dim[0], shape.dim[1], 1), 1, 0);
  r->watched = cy_network_watches(r->net);
  r->n_outputs = r->watched ? row->n_carry : sequence;
  cy_tap *tap = r->watched ? watch(r, x, reverse, inputs, &n_inputs) : NULL;
  cy_scan_values values = {.n_constants = row->n_weights, .n_carry = row->n_carry, .n_inputs = n_inputs,
                           .n_outputs = r->n_outputs, .constants = r->weights, .carry = carry, .inputs = inputs,
                           .last = ends, .outputs = outputs};
  cy_scan_options options = {.reverse = reverse, .recompute = r->options->recompute};
  cy_scan(cy_network_graph(r->net), step_of, r, values, options);
  for (int k = 0; tap && k < row->n_carry; k++) tap->states[k] = outputs[k];
  for (int k = 0; k < row->n_carry; k++) cy_network_carry(r->net, carry[k], ends[k]);
  *last = ends[0];
  return outputs[0];
}

/* One layer of the stack: outputs [T, N, H] or [T, N, 2 H], or only the last [N, H] or [N, 2 H]. */
static cy_value one_layer(recurrent *r, cy_value x, int number, bool only_last) {
  const cy_recurrent_options *o = r->options;
  char prefix[24], back[40];
  cy_value outputs[2], ends[2];
  prefix[0] = 0;
  if (number > 1) snprintf(prefix, sizeof prefix, "layer%d.", number);
  snprintf(back, sizeof back, "%sreverse.", prefix);
  r->prefix = prefix;
  outputs[0] = run(r, x, o->reverse, !only_last, &ends[0]);
  if (!o->bidirectional) return only_last ? ends[0] : outputs[0];
  r->prefix = back;
  outputs[1] = run(r, x, true, !only_last, &ends[1]);
  return only_last ? cy_concat(ends, 2, 1) : cy_concat(outputs, 2, 2);
}

/* ---- checks ---- */

static bool options_are_valid(const recurrent *r) {
  const cy_recurrent_options *o = r->options;
  cy_graph *graph = cy_network_graph(r->net);
  if (o->units < 1) cy_graph_fail(graph, CY_INVALID, "units must be at least 1, not %lld", (long long)o->units);
  else if (o->layers < 0 || o->layers > MAX_STACKED)
    cy_graph_fail(graph, CY_INVALID, "layers must be from 1 to %d, not %lld", MAX_STACKED, (long long)o->layers);
  else if (o->recompute < 0)
    cy_graph_fail(graph, CY_INVALID, "recompute must not be negative: %lld", (long long)o->recompute);
  else if (!(o->dropout >= 0 && o->dropout < 1))
    cy_graph_fail(graph, CY_INVALID, "dropout must be at least 0 and below 1, not %g", o->dropout);
  else if (o->bidirectional && o->reverse)
    cy_graph_fail(graph, CY_INVALID, "a bidirectional layer reads both ways: reverse has no meaning");
  else if ((o->bidirectional || o->reverse) && cy_network_carries(r->net))
    cy_graph_fail(graph, CY_INVALID, "a layer that reads backwards can't go on where the last run ended");
  return !cy_graph_failed(graph);
}

/* A layer applied again has the weights of its first time. */
static bool fits(const recurrent *r, cy_value x) {
  cy_shape declared = cy_network_declared_shape(r->net, "recurrent");
  if (declared.rank == 2 && declared.dim[0] != r->options->units)
    cy_graph_fail(cy_network_graph(r->net), CY_INVALID, "has %lld units already and can't have %lld",
                  (long long)declared.dim[0], (long long)r->options->units);
  return !cy_graph_failed(cy_network_graph(r->net)) && cy_sequence_channels(r->net, "weight", x);
}

static cy_value recurrent_layer(cy_network *net, cy_value x, cy_cell_kind kind, const cy_recurrent_options *o) {
  recurrent r = {.net = net, .options = o, .cell = {.kind = kind, .activation = o->activation, .units = o->units}};
  if (!cy_sequence_takes(net, x) || !options_are_valid(&r) || !fits(&r, x) ||
      !cy_sequence_lengths(net, x, o->lengths, &r.lengths))
    return cy_none;
  int layers = o->layers ? (int)o->layers : 1;
  x = cy_sequence_to_steps(x);
  for (int i = 1; i <= layers; i++) {
    if (i > 1 && o->dropout > 0) x = cy_dropped(net, x, o->dropout);
    x = one_layer(&r, x, i, o->last && i == layers);
    if (!cy_is_value(x)) return cy_none;
  }
  return o->last ? x : cy_sequence_cut(cy_sequence_from_steps(x), r.lengths);
}

static cy_value open_and_build(cy_network *network, cy_value x, cy_cell_kind kind,
                               const cy_recurrent_options *options) {
  cy_network_open(network, cy_cell_rows[kind].name, options->name, x);
  return cy_network_close(network, recurrent_layer(network, x, kind, options));
}

cy_value cy_rnn(cy_network *network, cy_value x, cy_recurrent_options options) {
  return open_and_build(network, x, CY_CELL_RNN, &options);
}
cy_value cy_lstm(cy_network *network, cy_value x, cy_recurrent_options options) {
  return open_and_build(network, x, CY_CELL_LSTM, &options);
}
cy_value cy_gru(cy_network *network, cy_value x, cy_recurrent_options options) {
  return open_and_build(network, x, CY_CELL_GRU, &options);
}
