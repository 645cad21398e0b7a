/* The checks of a network, in order: builds it in f64 in both modes at one point (weights, inputs), lets every family add
 * its rows, and answers what the report says. */
#include "analyze/check.h"

#include "tensor/tensor.h"
#include "train/losses.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- kinds ---- */

/* Differences are good to about 1e-8 where the function bends little; what must agree by algebra differs by rounding only.
 * Outputs: f32 is checked too. */
static const struct {
  const char *name;
  double tolerance;
} kinds[CY_CHECK_KINDS] = {
  [CY_CHECK_LAYER_DERIVATIVE] = {"layer derivative", 1e-6},
  [CY_CHECK_LAYER_TRANSPOSE] = {"layer transpose", 1e-9},
  [CY_CHECK_LAYER_SYMMETRY] = {"layer symmetry", 1e-8},
  [CY_CHECK_LAYER_HESSIAN] = {"layer Hessian", 1e-5},
  [CY_CHECK_GRADIENT] = {"gradient", 1e-6},
  [CY_CHECK_TRANSPOSE] = {"Jacobian transpose", 1e-9},
  [CY_CHECK_SYMMETRY] = {"Hessian symmetry", 1e-8},
  [CY_CHECK_HESSIAN] = {"Hessian product", 1e-5},
  [CY_CHECK_BATCH_NORM] = {"batch_norm closed form", 1e-12},
  [CY_CHECK_EQUIVARIANCE] = {"translation equivariance", 1e-9},
  [CY_CHECK_SOFTMAX_SHIFT] = {"softmax translation", 1e-9},
  [CY_CHECK_EXTREME_OUTPUTS] = {"extreme outputs", 1e-5},
};

const char *cy_check_name(cy_check_kind kind) { return (unsigned)kind < CY_CHECK_KINDS ? kinds[kind].name : NULL; }
double cy_check_tolerance(cy_check_kind kind) { return (unsigned)kind < CY_CHECK_KINDS ? kinds[kind].tolerance : 0; }

/* ---- the report ---- */

struct cy_check_report {
  cy_arena *arena; /* strings */
  cy_check_row *rows;
  size_t count, capacity;
  cy_check_effort effort;
  const cy_check_options *options; /* while it is being filled */
};

static cy_status create_report(cy_check_report **report) {
  cy_check_report *r = cy_calloc(1, sizeof *r);
  if (r) r->arena = cy_arena_create();
  if (r && r->arena) {
    *report = r;
    return CY_OK;
  }
  cy_free(r);
  return cy_no_memory();
}

void cy_check_report_free(cy_check_report *report) {
  if (!report) return;
  cy_free(report->rows);
  cy_arena_free(report->arena);
  cy_free(report);
}

/* Where nothing else is to be said. */
static void say_held(cy_check_row *row, char *note, size_t size) {
  if (row->held == 0 || (row->note && row->note[0])) return;
  snprintf(note, size, "%d of %d compared with kinks held: up to %lld relus or maxima change sides between the steps",
           row->held, row->compared, (long long)row->crossed);
  row->note = note;
}

cy_status cy_check_add(cy_check_report *report, cy_check_row row) {
  char held[160];
  say_held(&row, held, sizeof held);
  const char **strings[] = {&row.layer, &row.subject, &row.note};
  for (int i = 0; i < 3; i++) {
    *strings[i] = cy_arena_strdup(report->arena, *strings[i] ? *strings[i] : "");
    if (!*strings[i]) return cy_no_memory();
  }
  row.tolerance = cy_check_tolerance(row.kind);
  if (row.compared == 0) {
    row.figure = NAN;
    row.result = CY_CHECK_SKIPPED;
    if (row.passed_over > 0) row.note = "every place that was tried is a kink";
  } else {
    row.result = row.figure <= row.tolerance ? CY_CHECK_PASSED : CY_CHECK_FAILED;
  }
  if (!cy_grow(&report->rows, report->count, &report->capacity, sizeof *report->rows)) return cy_no_memory();
  report->rows[report->count++] = row;
  const cy_check_options *o = report->options;
  return !o->on_row || o->on_row(&row, o->context) ? CY_OK : cy_fail(CY_CANCELLED, "the checks were stopped");
}

int cy_check_count(const cy_check_report *report) { return (int)report->count; }
const cy_check_row *cy_check_at(const cy_check_report *report, int i) {
  return i >= 0 && (size_t)i < report->count ? &report->rows[i] : NULL;
}
cy_check_effort cy_check_report_effort(const cy_check_report *report) { return report->effort; }
int cy_check_failures(const cy_check_report *report) {
  int failures = 0;
  for (size_t i = 0; i < report->count; i++) failures += report->rows[i].result == CY_CHECK_FAILED;
  return failures;
}
/* Layers are checked from inside out: a branch before the residual around it, and before the whole network. */
const char *cy_check_failing_layer(const cy_check_report *report) {
  for (size_t i = 0; i < report->count; i++)
    if (report->rows[i].result == CY_CHECK_FAILED && report->rows[i].layer[0]) return report->rows[i].layer;
  return "";
}

/* ---- the network ---- */

cy_value cy_checked_apply(const cy_checked *checked, cy_network *network, cy_value x) {
  const cy_check_options *o = checked->options;
  return o->build ? o->build(network, x, o->context) : cy_model_apply(checked->model, network, x);
}

cy_shape cy_checked_batch(const cy_checked *checked) {
  const cy_check_options *o = checked->options;
  if (o->inputs) return cy_tensor_shape(o->inputs);
  cy_shape shape = {.rank = o->sample.rank + 1, .dim = {o->batch}};
  for (int i = 0; i < o->sample.rank; i++) shape.dim[i + 1] = o->sample.dim[i];
  return shape;
}

static cy_status open_mode(const cy_checked *checked, bool training, cy_checked_mode *mode) {
  mode->training = training;
  CY_TRY(cy_graph_create(&mode->graph));
  CY_TRY(cy_network_create(mode->graph, (cy_network_options){.training = training, .dtype = CY_F64}, &mode->network));
  mode->x = cy_input(mode->graph, "x", CY_F64, cy_checked_batch(checked));
  mode->output = cy_checked_apply(checked, mode->network, mode->x);
  CY_TRY(cy_graph_status(mode->graph));
  if (!cy_is_value(mode->output)) return cy_fail(CY_INVALID, "check: the network has no output");
  return cy_graph_text(&mode->output, 1, &mode->text);
}

static void close_mode(cy_checked_mode *mode) {
  for (int i = 0; mode->layer_text && i < cy_network_layer_count(mode->network); i++) cy_string_free(mode->layer_text[i]);
  cy_free(mode->layer_text);
  cy_string_free(mode->text);
  cy_network_free(mode->network);
  cy_graph_free(mode->graph);
}

/* ---- the point ---- */

static cy_status take_weights(const cy_state *from, cy_state *to) {
  for (int i = 0; i < cy_state_count(to); i++) {
    const char *name = cy_state_name(to, i);
    const cy_tensor *given = cy_state_find(from, name);
    if (cy_state_role(to, i) == CY_OPTIMIZER) continue; /* random numbers: as initialised */
    if (!given) return cy_fail(CY_INVALID, "check: the weights have no \"%s\"", name);
    if (!cy_shape_equal(cy_tensor_shape(given), cy_tensor_shape(cy_state_tensor(to, i)))) {
      char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
      return cy_fail(CY_INVALID, "check: \"%s\" is %s, but for this input the network has %s", name,
                     cy_shape_text(cy_tensor_shape(given), a), cy_shape_text(cy_tensor_shape(cy_state_tensor(to, i)), b));
    }
    CY_TRY(cy_tensor_copy(given, cy_state_tensor(to, i)));
  }
  return CY_OK;
}

static cy_status make_state(cy_checked *checked, const cy_checked_mode modes[2]) {
  CY_TRY(cy_state_create(&checked->state));
  for (int i = 0; i < 2; i++) CY_TRY(cy_network_declare(modes[i].network, checked->state));
  CY_TRY(cy_state_allocate(checked->state));
  CY_TRY(cy_network_initialize(modes[1].network, checked->state, checked->options->seed));
  return checked->options->weights ? take_weights(checked->options->weights, checked->state) : CY_OK;
}

static const double NOISE = 1e-3; /* of the inputs' size: pixels of one value tie in maxima */

/* Whole numbers, given or of n, each in the middle of what counts as it: small steps change nothing. */
static void fill_tokens(cy_checked *checked, const cy_tensor *given, int64_t n) {
  for (int64_t i = 0; i < cy_tensor_count(checked->x); i++) {
    double token = given ? floor(cy_tensor_at(given, i)) : (double)cy_rng_below(&checked->rng, n);
    cy_tensor_set(checked->x, i, token + 0.5);
  }
}

static cy_status make_input(cy_checked *checked) {
  const cy_tensor *given = checked->options->inputs;
  int64_t vocabulary = checked->model ? cy_model_vocabulary(checked->model) : 0;
  CY_TRY(cy_tensor_create(CY_F64, cy_checked_batch(checked), &checked->x));
  if (vocabulary > 0) {
    fill_tokens(checked, given, vocabulary);
    return CY_OK;
  }
  cy_fill_normal(&checked->rng, checked->x, 1);
  if (!given) return CY_OK;
  double size = NOISE * cy_root_mean_square(given);
  for (int64_t i = 0; i < cy_tensor_count(checked->x); i++)
    cy_tensor_set(checked->x, i, cy_tensor_at(given, i) + size * cy_tensor_at(checked->x, i));
  return CY_OK;
}

/* ---- all of it ---- */

static cy_status find_classes(cy_checked *checked, cy_value output) {
  cy_shape shape = cy_value_shape(output);
  checked->classes = checked->options->classes;
  if (checked->classes == 0 && shape.rank == 2 && shape.dim[1] > 1) checked->classes = shape.dim[1];
  const cy_loss_row *row = cy_loss_find(checked->options->loss, checked->classes);
  bool single = row && row->single && checked->classes == 2 && shape.rank == 2 && shape.dim[1] == 1;
  if (single) checked->classes = 0; /* one number of each sample: its loss is one of numbers */
  if (checked->classes > 0 && (shape.rank < 2 || shape.dim[1] != checked->classes)) {
    char text[CY_SHAPE_TEXT];
    return cy_fail(CY_INVALID, "check: the network's output is %s (batch first), not one number for each of %lld classes",
                   cy_shape_text(shape, text), (long long)checked->classes);
  }
  return CY_OK;
}

static cy_status check_modes(cy_checked *checked, cy_checked_mode modes[2]) {
  bool differ = strcmp(modes[0].text, modes[1].text) != 0;
  CY_TRY(make_state(checked, modes));
  CY_TRY(make_input(checked));
  CY_TRY(cy_check_layers(checked, &modes[0], NULL));
  if (differ) CY_TRY(cy_check_layers(checked, &modes[1], &modes[0]));
  CY_TRY(cy_check_loss(checked, &modes[0]));
  if (differ) CY_TRY(cy_check_loss(checked, &modes[1]));
  CY_TRY(cy_check_equivariance(checked));
  return cy_check_outputs(checked, &modes[0]);
}

static cy_status open_modes(const cy_checked *checked, cy_checked_mode modes[2]) {
  CY_TRY(open_mode(checked, false, &modes[0]));
  return open_mode(checked, true, &modes[1]);
}

static void close_modes(cy_checked_mode modes[2]) {
  for (int i = 0; i < 2; i++) {
    close_mode(&modes[i]);
    modes[i] = (cy_checked_mode){0};
  }
}

/* Large networks are built once more for fewer samples, unless their number is the caller's. */
static cy_status open_with_effort(const cy_checked *checked, bool own_batch, cy_checked_mode modes[2],
                                  cy_check_options *options) {
  int64_t batch = options->batch;
  CY_TRY(open_modes(checked, modes));
  CY_TRY(cy_check_choose_effort(checked, &modes[0], own_batch, options, &checked->report->effort));
  if (options->batch == batch) return CY_OK;
  close_modes(modes);
  CY_TRY(open_modes(checked, modes));
  CY_TRY(cy_check_choose_effort(checked, &modes[0], false, options, &checked->report->effort));
  checked->report->effort.reduced = true;
  return CY_OK;
}

static cy_status run_checks(cy_checked *checked, bool own_batch, cy_check_options *options) {
  cy_checked_mode modes[2] = {{0}};
  cy_status status = open_with_effort(checked, own_batch, modes, options);
  if (status == CY_OK) status = find_classes(checked, modes[0].output);
  if (status == CY_OK) status = check_modes(checked, modes);
  close_modes(modes);
  cy_state_free(checked->state);
  cy_tensor_free(checked->x);
  return status;
}

cy_status cy_check_model(const cy_model *model, cy_check_options options, cy_check_report **report) {
  *report = NULL;
  if (!model && !options.build) return cy_fail(CY_INVALID, "check: there is no network");
  if (!options.inputs && options.sample.rank < 1) return cy_fail(CY_INVALID, "check: the shape of an input is not given");
  if (options.batch < 0 || options.directions < 0 || options.coordinates < 0 || options.classes < 0)
    return cy_fail(CY_INVALID, "check: batch, directions, coordinates and classes must not be negative");
  bool own_batch = options.batch == 0 && !options.inputs;
  if (options.batch == 0) options.batch = 4;
  if (options.threads == 0) options.threads = 1;
  cy_checked checked = {.model = model, .options = &options, .rng = cy_rng_make(options.seed, 1)};
  CY_TRY(create_report(&checked.report));
  checked.report->options = &options;
  cy_status status = run_checks(&checked, own_batch, &options);
  checked.report->options = NULL;
  if (status != CY_OK) cy_check_report_free(checked.report);
  else *report = checked.report;
  return status;
}
