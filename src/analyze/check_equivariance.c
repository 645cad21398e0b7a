/* Translation equivariance (coursework B.V): shifting the input by the total stride shifts what the convolutional part
 * computes by one unit, save at the border, where units see padding or what the shift brought in. The border is computed
 * from the receptive fields and measured. The network is built on a larger input where its own has no interior. */
#include "analyze/check.h"

#include "base/text.h"
#include "tensor/tensor.h"

#include <cauchy/analyze.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { INTERIOR = 8 };                      /* units of the last layer that should see no border */
static const int64_t MOST_ELEMENTS = 1 << 22; /* of the input */

/* The first layers of the network: those whose units see windows that move evenly. */
typedef struct part {
  cy_graph *graph;
  cy_network *network;
  cy_value x;
  int n;                                      /* layers at depth 0 */
  const char **names;
  cy_value *inputs, *outputs;
  cy_receptive_axis (*fields)[CY_MAX_RANK];
} part;

static void close_part(part *p) {
  cy_network_free(p->network);
  cy_graph_free(p->graph);
  cy_free(p->names);
  cy_free(p->inputs);
  cy_free(p->outputs);
  cy_free(p->fields);
  *p = (part){0};
}

static bool moves_evenly(const cy_receptive_axis *fields, cy_value x, cy_value y) {
  int rank = cy_value_shape(x).rank;
  if (cy_value_shape(y).rank != rank) return false;
  for (int axis = 2; axis < rank; axis++) {
    const cy_receptive_axis *field = &fields[axis];
    if (field->sight != CY_SEES_WINDOW || !field->regular || field->axis != axis || field->stride < 1) return false;
  }
  return true;
}

static cy_status open_part(const cy_checked *checked, cy_shape shape, part *p) {
  *p = (part){0};
  CY_TRY(cy_graph_create(&p->graph));
  CY_TRY(cy_network_create(p->graph, (cy_network_options){.dtype = CY_F64}, &p->network));
  p->x = cy_input(p->graph, "x", CY_F64, shape);
  (void)cy_checked_apply(checked, p->network, p->x);
  CY_TRY(cy_graph_status(p->graph));
  size_t n = (size_t)cy_network_layer_count(p->network) + 1;
  p->names = cy_calloc(n, sizeof *p->names);
  p->inputs = cy_calloc(n, sizeof *p->inputs);
  p->outputs = cy_calloc(n, sizeof *p->outputs);
  p->fields = cy_calloc(n, sizeof *p->fields);
  if (!p->names || !p->inputs || !p->outputs || !p->fields) return cy_no_memory();
  int outer = 0;
  for (int i = 0; i < cy_network_layer_count(p->network); i++) {
    const cy_network_layer *layer = cy_network_layer_at(p->network, i);
    if (layer->depth > 0) continue;
    p->names[outer] = layer->name;
    p->inputs[outer] = layer->input;
    p->outputs[outer++] = layer->output;
  }
  CY_TRY(cy_receptive_fields(p->x, p->outputs, outer, p->fields));
  while (p->n < outer && moves_evenly(p->fields[p->n], p->x, p->outputs[p->n])) p->n++;
  return CY_OK;
}

/* The input's shape for an interior of some units; false if that is too large. */
static bool enlarge(const part *p, cy_shape *shape) {
  double count = (double)shape->dim[0] * (double)shape->dim[1];
  for (int axis = 2; axis < shape->rank; axis++) {
    const cy_receptive_axis *field = &p->fields[p->n - 1][axis];
    double wanted = (double)field->size + INTERIOR * (double)field->stride;
    if (wanted > (double)MOST_ELEMENTS) return false;
    int64_t extent = (int64_t)wanted;
    extent += (field->stride - extent % field->stride) % field->stride;
    if (shape->dim[axis] < extent) shape->dim[axis] = extent;
    count *= (double)shape->dim[axis];
  }
  return count <= (double)MOST_ELEMENTS;
}

/* ---- shifting ---- */

/* to[i] = from[i - by] along the axis; numbers come in from the low end. */
static void shift(const cy_tensor *from, int axis, int64_t by, cy_rng *rng, cy_tensor *to) {
  cy_shape shape = cy_tensor_shape(from);
  int64_t inner = 1, at = 0;
  for (int i = axis + 1; i < shape.rank; i++) inner *= shape.dim[i];
  for (cy_walk w = cy_walk_start(shape); w.more; cy_walk_next(&w), at++)
    cy_tensor_set(to, at, w.index[axis] >= by ? cy_tensor_at(from, at - by * inner) : cy_rng_normal(rng));
}

/* difference[o]: the largest of |after[o] - before[o - by]| over the other axes, for o >= by. */
static void compare_shifted(const cy_tensor *before, const cy_tensor *after, int axis, int64_t by, double *difference) {
  cy_shape shape = cy_tensor_shape(before);
  int64_t inner = 1, at = 0;
  for (int i = axis + 1; i < shape.rank; i++) inner *= shape.dim[i];
  memset(difference, 0, (size_t)shape.dim[axis] * sizeof *difference);
  for (cy_walk w = cy_walk_start(shape); w.more; cy_walk_next(&w), at++) {
    int64_t o = w.index[axis];
    if (o < by) continue;
    double d = fabs(cy_tensor_at(after, at) - cy_tensor_at(before, at - by * inner));
    if (!(d <= difference[o])) difference[o] = d; /* NaN too */
  }
}

/* Widths of the border in units: on both sides, as computed and as measured. */
typedef struct border {
  int64_t low, high, measured_low, measured_high, units;
} border;

/* The largest relative difference in the interior; NaN if there is none. */
static double read_shift(const bool *interior, int64_t moved, int64_t units, const double *difference, double size,
                         border *b) {
  double worst = NAN, tolerance = cy_check_tolerance(CY_CHECK_EQUIVARIANCE);
  int64_t middle = (units + moved) / 2;
  *b = (border){.units = units};
  for (int64_t o = moved; o < units; o++) {
    double error = size > 0 ? difference[o] / size : difference[o];
    int64_t *computed = o < middle ? &b->low : &b->high, *measured = o < middle ? &b->measured_low : &b->measured_high;
    int64_t width = o < middle ? o - moved + 1 : units - o;
    if (interior[o] && !(error <= worst)) worst = error;
    if (!interior[o] && *computed < width) *computed = width;
    if (!(error <= tolerance) && *measured < width) *measured = width;
  }
  return worst;
}

/* ---- the check ---- */

typedef struct shifting {
  const part *part;
  cy_tensor *x, *original;
  cy_tensor **before;
  bool **interior; /* per layer, for the axis at hand: units that answer the shift exactly */
  cy_probe probe;
} shifting;

static void close_shifting(shifting *s) {
  for (int i = 0; s->before && i < s->part->n; i++) cy_tensor_free(s->before[i]);
  for (int i = 0; s->interior && i < s->part->n; i++) cy_free(s->interior[i]);
  cy_free(s->interior);
  cy_free(s->before);
  cy_tensor_free(s->x);
  cy_tensor_free(s->original);
  cy_probe_close(&s->probe);
}

static cy_status open_shifting(cy_checked *checked, shifting *s) {
  const part *p = s->part;
  cy_shape shape = cy_value_shape(p->x);
  CY_TRY(cy_tensor_create(CY_F64, shape, &s->x));
  CY_TRY(cy_tensor_create(CY_F64, shape, &s->original));
  cy_named x = {"x", s->x};
  cy_point point = {checked->state, &x, 1};
  CY_TRY(cy_probe_open(&s->probe, p->outputs, p->n, &point, checked->options->threads));
  cy_fill_normal(&checked->rng, s->original, 1);
  CY_TRY(cy_tensor_copy(s->original, s->x));
  CY_TRY(cy_session_run(s->probe.session));
  s->before = cy_calloc((size_t)p->n, sizeof *s->before);
  s->interior = cy_calloc((size_t)p->n, sizeof *s->interior);
  if (!s->before || !s->interior) return cy_no_memory();
  for (int i = 0; i < p->n; i++) {
    const cy_tensor *output = cy_session_output(s->probe.session, i);
    CY_TRY(cy_tensor_create(CY_F64, cy_tensor_shape(output), &s->before[i]));
    CY_TRY(cy_tensor_copy(output, s->before[i]));
  }
  return CY_OK;
}

static const char *axis_name(int rank, int axis) {
  static const char *const names[] = {"depth", "height", "width"};
  return rank == 3 ? "length" : rank <= 5 ? names[3 - (rank - axis)] : "space";
}

static cy_status add_row(cy_checked *checked, const part *p, int layer, int axis, int64_t by, double worst, border b) {
  cy_shape shape = cy_value_shape(p->x), sample = {.rank = shape.rank - 1};
  char text[CY_SHAPE_TEXT], note[CY_SHAPE_TEXT + 256];
  for (int i = 1; i < shape.rank; i++) sample.dim[i - 1] = shape.dim[i];
  snprintf(note, sizeof note, "%s%s%s, on %s shifted by %lld: border of %lld and %lld of %lld units (computed %lld and %lld)",
           p->names[0], layer > 0 ? " to " : "", layer > 0 ? p->names[layer] : "", cy_shape_text(sample, text),
           (long long)by, (long long)b.measured_low, (long long)b.measured_high, (long long)b.units, (long long)b.low,
           (long long)b.high);
  cy_check_row row = {.kind = CY_CHECK_EQUIVARIANCE, .layer = p->names[layer], .subject = axis_name(shape.rank, axis),
                      .figure = worst, .compared = 1, .note = note};
  return cy_check_add(checked->report, row);
}

/* The least shift that every one of the first n layers answers by whole units; 0 if that is more than half the input. */
static int64_t common_shift(const part *p, int n, int axis) {
  int64_t by = 1, most = cy_value_shape(p->x).dim[axis] / 2;
  for (int i = 0; i < n; i++) {
    int64_t stride = p->fields[i][axis].stride, a = by, b = stride;
    while (b > 0) {
      int64_t rest = a % b;
      a = b;
      b = rest;
    }
    if (stride > most || by / a > most / stride) return 0;
    by = by / a * stride;
  }
  return by;
}

/* What a layer is computed from: the layer before, or else the input. Units of both move by whole units. */
typedef struct source {
  cy_value value;
  int64_t units, moved;
  const bool *interior; /* NULL: all of the input that was there before the shift */
} source;

static source source_of(const shifting *s, int layer, int axis, int64_t by) {
  const part *p = s->part;
  source from = {p->x, cy_value_shape(p->x).dim[axis], by, NULL};
  if (layer == 0 || p->inputs[layer].id != p->outputs[layer - 1].id) return from;
  const cy_receptive_axis *field = &p->fields[layer - 1][axis];
  return (source){p->outputs[layer - 1], cy_value_shape(p->outputs[layer - 1]).dim[axis],
                  by / field->stride * field->per, s->interior[layer - 1]};
}

static cy_status see(source from, cy_value value, int axis, int64_t o, bool *sees) {
  int64_t unit[CY_MAX_RANK];
  bool *seen[CY_MAX_RANK];
  for (int i = 0; i < CY_MAX_RANK; i++) unit[i] = i == axis ? o : -1;
  CY_TRY(cy_seen_from(from.value, value, unit, seen));
  memcpy(sees, seen[axis], (size_t)from.units);
  cy_seen_free(seen);
  return CY_OK;
}

/* Unit o sees, shifted, what unit o - moved saw, all of it interior: no part of either window lies in padding (which is not
 * seen), in what came in, or is mirrored at the edge. now, before: what the two see of the source. */
static bool is_interior(source from, const bool *now, const bool *before) {
  for (int64_t i = 0; i < from.units; i++) {
    bool was = i >= from.moved && before[i - from.moved];
    if (now[i] != was || (i >= from.units - from.moved && before[i])) return false;
    if (now[i] && from.interior && !from.interior[i]) return false;
  }
  return true;
}

static cy_status find_interior(shifting *s, int layer, int axis, int64_t by, int64_t moved) {
  source from = source_of(s, layer, axis, by);
  cy_value value = s->part->outputs[layer];
  int64_t units = cy_value_shape(value).dim[axis];
  cy_free(s->interior[layer]);
  s->interior[layer] = cy_calloc((size_t)units + 1, sizeof *s->interior[layer]);
  bool *sees = cy_calloc((size_t)units + 1, (size_t)from.units);
  cy_status status = s->interior[layer] && sees ? CY_OK : cy_no_memory();
  for (int64_t o = 0; o < units && status == CY_OK; o++) {
    status = see(from, value, axis, o, sees + o * from.units);
    if (status == CY_OK && o >= moved)
      s->interior[layer][o] = is_interior(from, sees + o * from.units, sees + (o - moved) * from.units);
  }
  cy_free(sees);
  return status;
}

static cy_status measure(shifting *s, int layer, int axis, int64_t moved, double *worst, border *b) {
  const cy_tensor *before = s->before[layer], *after = cy_session_output(s->probe.session, layer);
  int64_t units = cy_tensor_shape(before).dim[axis];
  double *difference = cy_calloc((size_t)units + 1, sizeof *difference);
  if (!difference) return cy_no_memory();
  compare_shifted(before, after, axis, moved, difference);
  *worst = read_shift(s->interior[layer], moved, units, difference, cy_root_mean_square(before), b);
  cy_free(difference);
  return CY_OK;
}

/* Shifts along one axis; the row is of the first layer that fails, or of the last. *done: false if the last of the n layers
 * has no interior, and no row was added. */
static cy_status check_axis(cy_checked *checked, shifting *s, int n, int axis, bool *done) {
  const part *p = s->part;
  int64_t by = common_shift(p, n, axis);
  *done = false;
  if (by == 0) return CY_OK;
  shift(s->original, axis, by, &checked->rng, s->x);
  CY_TRY(cy_session_run(s->probe.session));
  for (int i = 0; i < n; i++) {
    const cy_receptive_axis *field = &p->fields[i][axis];
    border b;
    double worst = NAN;
    int64_t moved = by / field->stride * field->per;
    CY_TRY(find_interior(s, i, axis, by, moved));
    CY_TRY(measure(s, i, axis, moved, &worst, &b));
    *done = worst > cy_check_tolerance(CY_CHECK_EQUIVARIANCE) || (i == n - 1 && !isnan(worst));
    if (*done) return add_row(checked, p, i, axis, by, worst, b);
  }
  return CY_OK;
}

static cy_status skip(cy_checked *checked, const char *why) {
  return cy_check_add(checked->report, (cy_check_row){.kind = CY_CHECK_EQUIVARIANCE, .note = why});
}

/* As many of the layers as have an interior. */
static cy_status check_axes(cy_checked *checked, shifting *s) {
  for (int axis = 2; axis < cy_value_shape(s->part->x).rank; axis++) {
    bool done = false;
    for (int n = s->part->n; n > 0 && !done; n--) CY_TRY(check_axis(checked, s, n, axis, &done));
    if (!done) CY_TRY(skip(checked, "no unit is so far from the border that its window can be shifted"));
  }
  return CY_OK;
}

static cy_status check_part(cy_checked *checked, const part *p) {
  shifting s = {.part = p};
  cy_status status = open_shifting(checked, &s);
  if (status == CY_OK) status = check_axes(checked, &s);
  close_shifting(&s);
  return status;
}

/* With an input that is large enough; with the network's own if it can't be built on another. */
cy_status cy_check_equivariance(cy_checked *checked) {
  part p, large = {0};
  cy_shape shape = cy_checked_batch(checked);
  shape.dim[0] = 1;
  if (shape.rank < 3) return skip(checked, "the input has no axis of space");
  cy_status status = open_part(checked, shape, &p);
  if (status == CY_OK && p.n == 0) status = skip(checked, "the first layer is not convolutional");
  else if (status == CY_OK) {
    if (!enlarge(&p, &shape)) status = skip(checked, "the receptive field is too large to shift it");
    else {
      status = open_part(checked, shape, &large);
      if (status == CY_INVALID) status = check_part(checked, &p);
      else if (status == CY_OK) status = check_part(checked, large.n >= p.n ? &large : &p);
    }
  }
  close_part(&p);
  close_part(&large);
  return status;
}
