/* Building loops: the step is described once, to a graph of its own, and checked; then a loop is made of it, or, where
 * derivatives shall compute values again, a loop over chunks whose body is the loop over a chunk's steps. */
#include "ops/scan_draft.h"

#include <stdio.h>

/* The step as described: its leaves in the body, what it makes of them. */
typedef struct step {
  cy_scan_values values;
  cy_graph *body;
  cy_value *constants, *carry, *inputs, *next, *outputs;
} step;

/* ---- checks ---- */

static const char *describe(cy_value v, char text[CY_SHAPE_TEXT + 8]) {
  char shape[CY_SHAPE_TEXT];
  snprintf(text, CY_SHAPE_TEXT + 8, "%s %s", cy_dtype_name(cy_value_dtype(v)), cy_shape_text(cy_value_shape(v), shape));
  return text;
}

static bool check_values(cy_graph *graph, const char *what, const cy_value *v, int n) {
  for (int k = 0; k < n; k++) {
    if (v[k].graph == graph && cy_is_value(v[k]) && v[k].id < cy_graph_size(graph)) continue;
    cy_graph_fail(graph, CY_INVALID, "scan: %s %d is %s", what, k,
                  v[k].graph && v[k].graph != graph ? "a value of another graph" : "missing");
    return false;
  }
  return true;
}

/* The number of steps; -1 after an error. */
static int64_t find_length(cy_graph *graph, const cy_scan_values *v, const cy_scan_options *o) {
  int64_t length = o->length;
  for (int i = 0; i < v->n_inputs; i++) {
    cy_shape shape = cy_value_shape(v->inputs[i]);
    if (shape.rank == 0) cy_graph_fail(graph, CY_INVALID, "scan: input %d is a scalar; it must be [T, ...]", i);
    else if ((i || o->length) && shape.dim[0] != length)
      cy_graph_fail(graph, CY_INVALID, "scan: input %d has %lld steps, %s %lld", i, (long long)shape.dim[0],
                    o->length ? "the scan" : "input 0", (long long)length);
    else length = shape.dim[0];
  }
  if (length < 0) cy_graph_fail(graph, CY_INVALID, "scan: %lld steps", (long long)length);
  return cy_graph_failed(graph) ? -1 : length;
}

static int64_t check(cy_graph *graph, const cy_scan_values *v, const cy_scan_options *o) {
  if (!check_values(graph, "constant", v->constants, v->n_constants) ||
      !check_values(graph, "carry", v->carry, v->n_carry) || !check_values(graph, "input", v->inputs, v->n_inputs))
    return -1;
  for (int k = 0; k < v->n_carry; k++)
    if (!cy_dtype_is_float(cy_value_dtype(v->carry[k])))
      cy_graph_fail(graph, CY_INVALID, "scan: carry %d is %s; it must be f32 or f64", k,
                    cy_dtype_name(cy_value_dtype(v->carry[k])));
  if (o->recompute < 0) cy_graph_fail(graph, CY_INVALID, "scan: recompute is %lld", (long long)o->recompute);
  return cy_graph_failed(graph) ? -1 : find_length(graph, v, o);
}

static bool check_results(const step *s) {
  char before[CY_SHAPE_TEXT + 8], after[CY_SHAPE_TEXT + 8];
  if (cy_graph_failed(s->body) || !check_values(s->body, "the next carry", s->next, s->values.n_carry) ||
      !check_values(s->body, "output", s->outputs, s->values.n_outputs))
    return false;
  for (int k = 0; k < s->values.n_carry; k++) {
    cy_type a = cy_type_of(s->carry[k]), b = cy_type_of(s->next[k]);
    if (a.dtype != b.dtype || !cy_shape_equal(a.shape, b.shape))
      cy_graph_fail(s->body, CY_INVALID, "scan: carry %d is %s and becomes %s", k, describe(s->carry[k], before),
                    describe(s->next[k], after));
  }
  for (int i = 0; i < s->values.n_outputs; i++)
    if (!cy_dtype_is_float(cy_value_dtype(s->outputs[i])))
      cy_graph_fail(s->body, CY_INVALID, "scan: output %d is %s; it must be f32 or f64", i,
                    cy_dtype_name(cy_value_dtype(s->outputs[i])));
  return !cy_graph_failed(s->body);
}

/* ---- the step ---- */

static void make_leaves(cy_graph *body, const char *what, const cy_value *like, int n, bool in_time, cy_value *leaves) {
  char name[32];
  for (int k = 0; k < n; k++) {
    cy_shape shape = cy_value_shape(like[k]);
    for (int i = 0; in_time && i + 1 < shape.rank; i++) shape.dim[i] = shape.dim[i + 1];
    shape.rank -= in_time;
    snprintf(name, sizeof name, "%s%d", what, k);
    leaves[k] = cy_input(body, name, cy_value_dtype(like[k]), shape);
  }
}

static void describe_step(step *s, const char *scope, cy_scan_body function, void *context) {
  const cy_scan_values *v = &s->values;
  cy_scope_set(s->body, scope);
  make_leaves(s->body, "constant", v->constants, v->n_constants, false, s->constants);
  make_leaves(s->body, "carry", v->carry, v->n_carry, false, s->carry);
  make_leaves(s->body, "input", v->inputs, v->n_inputs, true, s->inputs);
  for (int k = 0; k < v->n_carry; k++) s->next[k] = cy_none;
  for (int i = 0; i < v->n_outputs; i++) s->outputs[i] = cy_none;
  cy_scan_step seen = {s->body, s->constants, s->carry, s->inputs};
  if (!cy_graph_failed(s->body)) function(&seen, context, s->next, s->outputs);
  check_results(s);
}

/* ---- the loop ---- */

typedef struct stretch {
  int64_t length;
  bool reverse;
  const cy_value *constants, *carry, *inputs; /* outside */
  cy_value *last, *outputs;                   /* results */
} stretch;

/* Runs the step over a stretch. */
static void run(const step *s, cy_graph *graph, stretch over) {
  const cy_scan_values *v = &s->values;
  cy_scan_draft d;
  if (cy_scan_draft_begin(&d, graph, s->body, v->n_constants, v->n_carry, v->n_inputs, v->n_outputs)) {
    d.length = over.length;
    d.reverse = over.reverse;
    d.n_outputs = v->n_outputs;
    for (int k = 0; k < v->n_constants; k++) cy_scan_draft_constant(&d, s->constants[k], over.constants[k]);
    for (int k = 0; k < v->n_carry; k++) cy_scan_draft_carry(&d, s->carry[k], over.carry[k]);
    for (int k = 0; k < v->n_inputs; k++) cy_scan_draft_input(&d, s->inputs[k], over.inputs[k]);
    for (int k = 0; k < v->n_carry; k++) {
      d.next[k] = s->next[k];
      d.wants_last[k] = over.last;
    }
    for (int i = 0; i < v->n_outputs; i++) d.outputs[i] = s->outputs[i];
    cy_scan_draft_finish(&d);
    for (int k = 0; over.last && k < v->n_carry; k++) over.last[k] = d.last[k];
    for (int i = 0; i < v->n_outputs; i++) over.outputs[i] = d.sequences[i];
  }
  cy_scan_draft_end(&d);
}

/* ---- the loop over chunks ---- */

/* Rows start to limit of each; in chunks of so many, if that is not 0. */
static void cut(const cy_value *v, int n, int64_t start, int64_t limit, int64_t chunk, cy_value *parts) {
  for (int k = 0; k < n; k++) {
    parts[k] = cy_slice_axis(v[k], 0, start, limit);
    if (!chunk || !cy_is_value(parts[k])) continue;
    cy_shape shape = cy_shape_in_front((limit - start) / chunk, cy_value_shape(parts[k]));
    shape.dim[1] = chunk;
    parts[k] = cy_reshape(parts[k], shape);
  }
}

/* [chunks, chunk, ...] to [steps, ...]. */
static cy_value joined(cy_value v) {
  cy_shape shape = cy_value_shape(v), flat = {.rank = shape.rank - 1};
  if (!cy_is_value(v)) return v;
  for (int i = 0; i < flat.rank; i++) flat.dim[i] = shape.dim[i + 1];
  flat.dim[0] *= shape.dim[0];
  return cy_reshape(v, flat);
}

/* A loop whose step is the loop over a chunk. Derivatives keep its carry, and run the inner loop again. */
static void run_chunks(const step *s, cy_graph *graph, stretch over, int64_t chunk) {
  const cy_scan_values *v = &s->values;
  cy_scan_draft d;
  if (cy_scan_draft_begin(&d, graph, NULL, v->n_constants, v->n_carry, v->n_inputs, v->n_outputs)) {
    size_t n = (size_t)(v->n_constants + v->n_carry + 2 * v->n_inputs);
    cy_value *constants = cy_scan_draft_array(&d, n, sizeof *constants);
    if (constants) {
      cy_value *carry = constants + v->n_constants, *inputs = carry + v->n_carry, *chunks = inputs + v->n_inputs;
      d.length = over.length / chunk;
      d.reverse = over.reverse;
      d.recompute = true;
      d.n_outputs = v->n_outputs;
      cut(over.inputs, v->n_inputs, 0, over.length, chunk, chunks);
      cy_scope_set(d.body, cy_scope(graph));
      make_leaves(d.body, "constant", over.constants, v->n_constants, false, constants);
      make_leaves(d.body, "carry", over.carry, v->n_carry, false, carry);
      make_leaves(d.body, "input", chunks, v->n_inputs, true, inputs);
      for (int k = 0; k < v->n_constants; k++) cy_scan_draft_constant(&d, constants[k], over.constants[k]);
      for (int k = 0; k < v->n_carry; k++) cy_scan_draft_carry(&d, carry[k], over.carry[k]);
      for (int k = 0; k < v->n_inputs; k++) cy_scan_draft_input(&d, inputs[k], chunks[k]);
      for (int k = 0; k < v->n_carry; k++) d.wants_last[k] = over.last;
      run(s, d.body, (stretch){chunk, over.reverse, constants, carry, inputs, d.next, d.outputs});
      cy_scan_draft_finish(&d);
      for (int k = 0; over.last && k < v->n_carry; k++) over.last[k] = d.last[k];
      for (int i = 0; i < v->n_outputs; i++) over.outputs[i] = joined(d.sequences[i]);
    }
  }
  cy_scan_draft_end(&d);
}

/* Whole chunks, and the steps that are left at the end of time, which come first in reverse. */
static void run_in_pieces(const step *s, cy_graph *graph, stretch over, int64_t chunk) {
  const cy_scan_values *v = &s->values;
  int64_t whole = over.length / chunk * chunk;
  size_t n = 2 * (size_t)v->n_inputs + 2 * (size_t)v->n_outputs + (size_t)v->n_carry;
  cy_value *inputs = cy_calloc(n, sizeof *inputs);
  if (!inputs) {
    cy_graph_fail(graph, CY_NO_MEMORY, "out of memory");
    return;
  }
  cy_value *late = inputs + v->n_inputs, *outputs = late + v->n_inputs, *between = outputs + 2 * v->n_outputs;
  cut(over.inputs, v->n_inputs, 0, whole, 0, inputs);
  cut(over.inputs, v->n_inputs, whole, over.length, 0, late);
  stretch chunks = {whole, over.reverse, over.constants, over.carry, inputs, between, outputs};
  stretch rest = {over.length - whole, over.reverse, over.constants, between, late, over.last, outputs + v->n_outputs};
  if (over.reverse) {
    chunks.carry = between;
    chunks.last = over.last;
    rest.carry = over.carry;
    rest.last = between;
    run(s, graph, rest);
  }
  run_chunks(s, graph, chunks, chunk);
  if (!over.reverse) run(s, graph, rest);
  for (int i = 0; i < v->n_outputs; i++) {
    cy_value parts[2] = {outputs[i], outputs[v->n_outputs + i]};
    over.outputs[i] = cy_concat(parts, 2, 0);
  }
  cy_free(inputs);
}

static bool make_arrays(cy_graph *graph, step *s) {
  const cy_scan_values *v = &s->values;
  s->constants = cy_calloc((size_t)v->n_constants + 2 * (size_t)v->n_carry + (size_t)v->n_inputs + (size_t)v->n_outputs,
                           sizeof *s->constants);
  if (!s->constants || cy_graph_create(&s->body) != CY_OK) {
    cy_graph_fail(graph, CY_NO_MEMORY, "out of memory");
    return false;
  }
  s->carry = s->constants + v->n_constants;
  s->inputs = s->carry + v->n_carry;
  s->next = s->inputs + v->n_inputs;
  s->outputs = s->next + v->n_carry;
  return true;
}

/* Arrays are there where there is something in them. */
static bool arrays_given(cy_graph *graph, const cy_scan_values *v) {
  const struct { const char *name; int n; bool given; } rows[] = {
      {"constants", v->n_constants, v->constants != NULL}, {"carry", v->n_carry, v->carry != NULL},
      {"inputs", v->n_inputs, v->inputs != NULL}, {"outputs", v->n_outputs, v->outputs != NULL}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].n < 0 || (rows[i].n > 0 && !rows[i].given)) {
      cy_graph_fail(graph, CY_INVALID, rows[i].n < 0 ? "scan: n_%s is %d" : "scan: n_%s is %d, but there are none (NULL)",
                    rows[i].name, rows[i].n);
      return false;
    }
  return true;
}

void cy_scan(cy_graph *graph, cy_scan_body body, void *context, cy_scan_values values, cy_scan_options options) {
  step s = {.values = values};
  for (int k = 0; values.last && k < values.n_carry; k++) values.last[k] = cy_failed(graph);
  for (int i = 0; values.outputs && i < values.n_outputs; i++) values.outputs[i] = cy_failed(graph);
  if (!graph || cy_graph_failed(graph) || !arrays_given(graph, &values)) return;
  if (!body) {
    cy_graph_fail(graph, CY_INVALID, "scan: there is no step");
    return;
  }
  int64_t length = check(graph, &values, &options);
  if (length >= 0 && make_arrays(graph, &s)) {
    describe_step(&s, cy_scope(graph), body, context);
    cy_graph_take_error(graph, s.body);
    stretch all = {length, options.reverse, values.constants, values.carry, values.inputs, values.last, values.outputs};
    if (cy_graph_failed(graph) || options.recompute == 0 || options.recompute >= length) run(&s, graph, all);
    else if (length % options.recompute == 0) run_chunks(&s, graph, all, options.recompute);
    else run_in_pieces(&s, graph, all, options.recompute);
  }
  cy_graph_free(s.body);
  cy_free(s.constants);
}
