/* Sizes as functions of the input: builds the network at every small size along each spatial axis, and fits rules.
 * What is said about sizes that work was tried; rules hold for all sizes that were built. */
#include "analyze/analysis.h"
#include "analyze/size_rule.h"

#include "base/error.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

enum { MOST_SPACE = CY_MAX_SPACE, MOST_TRIES = 512, FEWEST_TRIES = 24 };

/* Sizes seen along one axis: [layer][axis][n]. */
typedef struct samples {
  int64_t count;   /* n = 1..count - 1 */
  int64_t *sizes;
} samples;

struct cy_variation {
  cy_shape sample;
  int axes, n_layers, base; /* spatial axes; layers at the given size; the first spatial axis of the example */
  cy_vary_axis axis[MOST_SPACE];
  char *reason[MOST_SPACE];
  bool smallest_works;
  char *bound_layer;
  cy_size_rule *out, *in; /* [layer][axis of the example] */
  cy_size_rule *local;    /* of the layer's input along the same axis, where there is none of the network's */
  int64_t *parameters;    /* [layer], at the given size */
  cy_shape *given_in, *given_out;
};

void cy_variation_free(cy_variation *v) {
  if (!v) return;
  for (int i = 0; i < MOST_SPACE; i++) cy_free(v->reason[i]);
  cy_free(v->bound_layer);
  cy_free(v->out);
  cy_free(v->in);
  cy_free(v->local);
  cy_free(v->parameters);
  cy_free(v->given_in);
  cy_free(v->given_out);
  cy_free(v);
}

/* ---- building ---- */

typedef struct build {
  cy_graph *graph;
  cy_network *network;
  cy_value x, y;
} build;

static void close_build(build *b) {
  cy_network_free(b->network);
  cy_graph_free(b->graph);
}

static cy_status build_at(const cy_model *model, cy_shape sample, build *b) {
  *b = (build){0};
  return cy_build_for_analysis(model, cy_batch_shape(1, sample), (cy_network_options){0}, &b->graph, &b->network, &b->x,
                               &b->y);
}

/* Failures other than of the input are the caller's. */
static cy_status works(const cy_model *model, cy_shape sample, bool *yes) {
  build b;
  cy_status status = build_at(model, sample, &b);
  close_build(&b);
  *yes = status == CY_OK;
  return status == CY_NO_MEMORY ? status : CY_OK;
}

static int64_t *place(const cy_variation *v, const samples *s, bool output, int layer, int axis) {
  return &s->sizes[((((int64_t)output * v->n_layers + layer) * CY_MAX_RANK) + axis) * s->count];
}

static cy_status note_bound_layer(cy_variation *v, const build *b) {
  for (int i = 0; !v->bound_layer && i < v->n_layers; i++) {
    const cy_network_layer *l = cy_network_layer_at(b->network, i);
    bool inner = i + 1 < v->n_layers && cy_network_layer_at(b->network, i + 1)->depth > l->depth;
    if (inner || l->parameters == v->parameters[i]) continue;
    v->bound_layer = cy_strdup(l->name);
    if (!v->bound_layer) return cy_no_memory();
  }
  return CY_OK;
}

static cy_status try_size(const cy_model *model, cy_variation *v, int axis, int64_t n, samples *s) {
  cy_shape sample = v->sample;
  build b;
  sample.dim[v->base + axis] = n;
  cy_status status = build_at(model, sample, &b);
  bool built = status == CY_OK && cy_network_layer_count(b.network) == v->n_layers;
  if (status == CY_INVALID) status = CY_OK;
  for (int i = 0; built && i < v->n_layers; i++) {
    const cy_network_layer *l = cy_network_layer_at(b.network, i);
    cy_shape in = cy_example_shape(cy_value_shape(l->input)), out = cy_example_shape(cy_value_shape(l->output));
    for (int k = 0; k < in.rank; k++) place(v, s, false, i, k)[n] = in.dim[k];
    for (int k = 0; k < out.rank; k++) place(v, s, true, i, k)[n] = out.dim[k];
  }
  if (built) status = note_bound_layer(v, &b);
  close_build(&b);
  return status;
}

/* ---- which sizes work ---- */

/* The smallest n from 1 that works; large ones are bracketed first, as if all above it worked. */
static cy_status find_smallest(const cy_model *model, const cy_variation *v, int axis, int64_t *smallest) {
  cy_shape sample = v->sample;
  int64_t given = sample.dim[v->base + axis], low = 0; /* low does not work, given does */
  bool yes;
  for (int64_t n = 1; n < given && n <= MOST_TRIES; n++) {
    sample.dim[v->base + axis] = n;
    CY_TRY(works(model, sample, &yes));
    *smallest = n;
    if (yes) return CY_OK;
    low = n;
  }
  while (given - low > 1) {
    int64_t middle = low + (given - low) / 2;
    sample.dim[v->base + axis] = middle;
    CY_TRY(works(model, sample, &yes));
    *(yes ? &given : &low) = middle;
  }
  *smallest = given;
  return CY_OK;
}

static cy_status find_reason(const cy_model *model, cy_variation *v, int axis) {
  cy_vary_axis *a = &v->axis[axis];
  cy_shape sample = v->sample;
  build b;
  a->reason = "";
  if (a->smallest == 1) return CY_OK;
  sample.dim[v->base + axis] = a->smallest - 1;
  cy_status status = build_at(model, sample, &b);
  close_build(&b);
  if (status == CY_NO_MEMORY) return status;
  v->reason[axis] = cy_strdup(status == CY_OK ? "" : cy_error_message());
  if (!v->reason[axis]) return cy_no_memory();
  a->reason = v->reason[axis];
  return CY_OK;
}

/* All sizes tried from smallest on are step q + remainder, and no others work. */
static void find_pattern(const cy_variation *v, const samples *s, cy_vary_axis *a) {
  const int64_t *seen = place(v, s, true, v->n_layers - 1, 0);
  for (int64_t step = 1; step <= (s->count - a->smallest) / 2; step++) {
    bool same = true;
    for (int64_t n = a->smallest; same && n < s->count; n++) same = (seen[n] >= 0) == ((n - a->smallest) % step == 0);
    if (!same) continue;
    a->step = step;
    a->remainder = a->smallest % step;
    return;
  }
}

/* How far units of any layer lie apart decides how many sizes show the rule. */
static cy_status largest_stride(const cy_model *model, const cy_variation *v, int axis, int64_t *stride) {
  cy_analysis *a;
  *stride = 1;
  CY_TRY(cy_analyze(model, v->sample, &a));
  for (int i = 0; i < a->n_layers; i++) {
    const cy_receptive_axis *f = &a->layers[i].field[v->base + axis + 1];
    if (f->sight == CY_SEES_WINDOW && f->regular && f->stride / f->per > *stride) *stride = f->stride / f->per;
  }
  cy_analysis_free(a);
  return CY_OK;
}

static cy_status vary_axis(const cy_model *model, cy_variation *v, int axis, samples *s) {
  cy_vary_axis *a = &v->axis[axis];
  int64_t stride;
  CY_TRY(find_smallest(model, v, axis, &a->smallest));
  CY_TRY(find_reason(model, v, axis));
  CY_TRY(largest_stride(model, v, axis, &stride));
  int64_t tries = 3 * stride > FEWEST_TRIES ? 3 * stride : FEWEST_TRIES;
  if (tries > MOST_TRIES) tries = MOST_TRIES;
  s->count = a->smallest + tries;
  size_t cells = 2 * (size_t)v->n_layers * CY_MAX_RANK;
  s->sizes = cy_calloc(cells, (size_t)s->count * sizeof *s->sizes);
  if (!s->sizes) return cy_no_memory();
  memset(s->sizes, -1, cells * (size_t)s->count * sizeof *s->sizes);
  for (int64_t n = a->smallest; n < s->count; n++) CY_TRY(try_size(model, v, axis, n, s));
  a->largest = s->count - 1;
  find_pattern(v, s, a);
  return CY_OK;
}

/* ---- rules ---- */

/* One axis of the input at a time decides an extent; where several do, there is no rule. */
static void add_rule(cy_size_rule *rule, cy_size_rule more, bool first) {
  if (first || (rule->known && rule->axis < 0)) *rule = more;
  else if (!more.known || more.axis >= 0) *rule = (cy_size_rule){.axis = -1};
}

static void fit_rules(cy_variation *v, int axis, const samples *s) {
  for (int output = 0; output < 2; output++)
    for (int i = 0; i < v->n_layers; i++) {
      cy_shape shape = output ? v->given_out[i] : v->given_in[i];
      for (int k = 0; k < shape.rank; k++)
        add_rule(&(output ? v->out : v->in)[i * CY_MAX_RANK + k],
                 cy_fit_size_rule(place(v, s, output, i, k), s->count, v->base + axis), axis == 0);
    }
}

/* The output as a function of the layer's own input: resizing by 3/2 after a stride has no single fraction of n. */
static cy_status fit_local(cy_variation *v, int axis, const samples *s, int layer) {
  int k = v->base + axis;
  int64_t most = 0;
  if (k >= v->given_in[layer].rank || v->given_in[layer].rank != v->given_out[layer].rank) return CY_OK;
  const int64_t *in = place(v, s, false, layer, k), *out = place(v, s, true, layer, k);
  for (int64_t n = 1; n < s->count; n++)
    if (in[n] > most) most = in[n];
  if (most > MOST_TRIES * MOST_TRIES) return CY_OK;
  int64_t *sizes = cy_calloc((size_t)most + 1, sizeof *sizes);
  if (!sizes) return cy_no_memory();
  memset(sizes, -1, ((size_t)most + 1) * sizeof *sizes);
  bool function = true;
  for (int64_t n = 1; n < s->count; n++) {
    if (in[n] < 1) continue;
    function = function && (sizes[in[n]] < 0 || sizes[in[n]] == out[n]);
    sizes[in[n]] = out[n];
  }
  if (function) v->local[layer * CY_MAX_RANK + k] = cy_fit_size_rule(sizes, most + 1, k);
  cy_free(sizes);
  return CY_OK;
}

static cy_status fit_locals(cy_variation *v, int axis, const samples *s) {
  for (int i = 0; i < v->n_layers; i++)
    if (!v->out[i * CY_MAX_RANK + v->base + axis].known) CY_TRY(fit_local(v, axis, s, i));
  return CY_OK;
}

static cy_status read_given(const cy_model *model, cy_variation *v) {
  build b;
  cy_status status = build_at(model, v->sample, &b);
  if (status == CY_OK) {
    v->n_layers = cy_network_layer_count(b.network);
    size_t n = (size_t)v->n_layers + 1;
    v->out = cy_calloc(n * CY_MAX_RANK, sizeof *v->out);
    v->in = cy_calloc(n * CY_MAX_RANK, sizeof *v->in);
    v->local = cy_calloc(n * CY_MAX_RANK, sizeof *v->local);
    v->parameters = cy_calloc(n, sizeof *v->parameters);
    v->given_in = cy_calloc(n, sizeof *v->given_in);
    v->given_out = cy_calloc(n, sizeof *v->given_out);
    if (!v->out || !v->in || !v->local || !v->parameters || !v->given_in || !v->given_out) status = cy_no_memory();
  }
  for (int i = 0; status == CY_OK && i < v->n_layers; i++) {
    const cy_network_layer *l = cy_network_layer_at(b.network, i);
    v->parameters[i] = l->parameters;
    v->given_in[i] = cy_example_shape(cy_value_shape(l->input));
    v->given_out[i] = cy_example_shape(cy_value_shape(l->output));
  }
  close_build(&b);
  return status;
}

static cy_status fill(const cy_model *model, cy_variation *v) {
  char text[CY_SHAPE_TEXT];
  if (v->axes < 1 || v->axes > MOST_SPACE)
    return cy_fail(CY_INVALID,
                   "sizes vary along spatial axes; an input of %s has none (3x64x64: channels, height, width)",
                   cy_shape_text(v->sample, text));
  CY_TRY(read_given(model, v));
  for (int i = 0; v->n_layers > 0 && i < v->axes; i++) {
    samples s = {0};
    cy_status status = vary_axis(model, v, i, &s);
    if (status == CY_OK) fit_rules(v, i, &s);
    if (status == CY_OK) status = fit_locals(v, i, &s);
    cy_free(s.sizes);
    CY_TRY(status);
  }
  cy_shape smallest = v->sample;
  for (int i = 0; i < v->axes; i++) smallest.dim[v->base + i] = v->n_layers > 0 ? v->axis[i].smallest : 1;
  return works(model, smallest, &v->smallest_works);
}

cy_status cy_vary(const cy_model *model, cy_shape sample, cy_variation **variation) {
  *variation = NULL;
  if (sample.rank < 0 || sample.rank >= CY_MAX_RANK)
    return cy_fail(CY_INVALID, "an input has from 0 to %d axes, not %d", CY_MAX_RANK - 1, sample.rank);
  cy_variation *v = cy_calloc(1, sizeof *v);
  if (!v) return cy_no_memory();
  v->sample = sample;
  v->axes = sample.rank - 1;
  v->base = 1;
  cy_status status = fill(model, v);
  if (status == CY_OK) *variation = v;
  else cy_variation_free(v);
  return status;
}

/* ---- reading ---- */

int cy_variation_axes(const cy_variation *v) { return v->axes; }
const cy_vary_axis *cy_variation_axis(const cy_variation *v, int i) {
  return i >= 0 && i < v->axes ? &v->axis[i] : NULL;
}
bool cy_variation_smallest_works(const cy_variation *v) { return v->smallest_works; }
const char *cy_variation_size_bound_layer(const cy_variation *v) { return v->bound_layer; }

cy_size_rule cy_variation_rule(const cy_variation *v, int layer, int axis) {
  bool inside = layer >= 0 && layer < v->n_layers && axis >= 0 && axis < v->given_out[layer].rank;
  return inside ? v->out[layer * CY_MAX_RANK + axis] : (cy_size_rule){.axis = -1};
}

static const char *letter_of(const cy_variation *v, int axis) {
  static const char *const letters[MOST_SPACE][MOST_SPACE] = {{"n"}, {"h", "w"}, {"d", "h", "w"}};
  return axis >= v->base ? letters[v->axes - 1][axis - v->base] : "";
}

static void factor_text(const cy_variation *v, const cy_size_rule *rule, bool first, cy_text *text) {
  cy_text one = {0};
  cy_size_rule_text(rule, letter_of(v, rule->axis), &one);
  bool sum = one.data && strchr(one.data, ' ') && (rule->plus || rule->over == 1);
  cy_text_add(text, sum ? "%s(%s)" : "%s%s", first ? "" : " * ", one.data ? one.data : "");
  text->failed = text->failed || one.failed;
  cy_text_clear(&one);
}

/* All axes of the input in one: the product of the rules for the layer's input. */
static bool product_text(const cy_variation *v, int layer, cy_text *text) {
  cy_shape in = v->given_in[layer], out = v->given_out[layer];
  if (out.rank != 1 || cy_count(in) != out.dim[0]) return false;
  for (int k = 0; k < in.rank; k++)
    if (!v->in[layer * CY_MAX_RANK + k].known) return false;
  for (int k = 0; k < in.rank; k++) factor_text(v, &v->in[layer * CY_MAX_RANK + k], k == 0, text);
  return true;
}

bool cy_variation_is_local(const cy_variation *v, int layer, int axis) {
  bool inside = layer >= 0 && layer < v->n_layers && axis >= 0 && axis < v->given_out[layer].rank;
  return inside && !v->out[layer * CY_MAX_RANK + axis].known && v->local[layer * CY_MAX_RANK + axis].known;
}

cy_status cy_variation_text(const cy_variation *v, int layer, int axis, char **text) {
  cy_text t = {0};
  cy_size_rule rule = cy_variation_rule(v, layer, axis);
  *text = NULL;
  if (layer < 0 || layer >= v->n_layers || axis < 0 || axis >= v->given_out[layer].rank)
    return cy_fail(CY_INVALID, "there is no axis %d of layer number %d", axis, layer);
  if (rule.known) cy_size_rule_text(&rule, letter_of(v, rule.axis), &t);
  else if (cy_variation_is_local(v, layer, axis)) cy_size_rule_text(&v->local[layer * CY_MAX_RANK + axis], "i", &t);
  else if (!product_text(v, layer, &t)) cy_text_add(&t, "?");
  *text = cy_text_take(&t);
  return *text ? CY_OK : cy_no_memory();
}
