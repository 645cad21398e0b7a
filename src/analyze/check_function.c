/* A scalar function and its derivatives compared with differences of its values. Steps shrink until the two agree; where
 * the slope from the left and the slope from the right stay apart however small the step, the function has a kink there
 * (relu at 0, equal maxima), no difference is the derivative, and the comparison is passed over. Kinks that the steps
 * merely cross do not excuse an error: the differences are taken again of the function with its kinks held. */
#include "analyze/check.h"

#include "tensor/tensor.h"

#include <cauchy/autodiff.h>
#include <cauchy/ops.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- opening ---- */

static cy_status open_varied(cy_function *f) {
  for (int k = 0; k < f->n; k++) {
    cy_varied *v = &f->varied[k];
    v->name = cy_value_name(f->leaves[k]);
    v->at = cy_point_find(&f->point, v->name);
    if (!v->at) return cy_fail(CY_INVALID, "\"%s\" has no value to check at", v->name);
    cy_tensor **copies[] = {&v->base, &v->direction, &v->other};
    for (int i = 0; i < 3; i++) CY_TRY(cy_tensor_create(CY_F64, cy_tensor_shape(v->at), copies[i]));
    CY_TRY(cy_tensor_copy(v->at, v->base));
    if (cy_tensor_dtype(v->at) != CY_F64) return cy_fail(CY_INVALID, "\"%s\" is not f64", v->name);
  }
  return CY_OK;
}

static cy_status take_gradients(cy_function *f, const cy_value *gradients) {
  if (!gradients) return cy_grad(f->value, f->leaves, f->n, f->gradients);
  memcpy(f->gradients, gradients, (size_t)f->n * sizeof *gradients);
  for (int k = 0; k < f->n; k++)
    if (!cy_is_value(gradients[k]) || !cy_shape_equal(cy_value_shape(gradients[k]), cy_value_shape(f->leaves[k])))
      return cy_fail(CY_INVALID, "the gradient of \"%s\" does not have its shape", f->varied[k].name);
  return CY_OK;
}

cy_status cy_function_open(cy_function *function, cy_value value, cy_value terms, const cy_value *leaves, int n,
                           const cy_value *gradients, const cy_point *point, int threads) {
  cy_function *f = function;
  cy_value outputs[2] = {value, terms};
  *f = (cy_function){.graph = value.graph, .value = value, .terms = terms, .point = *point, .threads = threads, .n = n};
  f->varied = cy_calloc((size_t)n + 1, sizeof *f->varied);
  f->leaves = cy_calloc((size_t)n + 1, sizeof *f->leaves);
  f->gradients = cy_calloc((size_t)n + 1, sizeof *f->gradients);
  cy_status status = f->varied && f->leaves && f->gradients ? CY_OK : cy_no_memory();
  if (status == CY_OK) memcpy(f->leaves, leaves, (size_t)n * sizeof *leaves);
  if (status == CY_OK) status = open_varied(f);
  if (status == CY_OK) status = take_gradients(f, gradients);
  if (status == CY_OK) status = cy_probe_open(&f->values, outputs, 2, point, threads);
  if (status == CY_OK) status = cy_probe_open(&f->slopes, f->gradients, n, point, threads);
  if (status != CY_OK) cy_function_close(f);
  return status;
}

void cy_function_close(cy_function *f) {
  cy_probe_close(&f->values);
  cy_probe_close(&f->slopes);
  for (int i = 0; i < CY_WATCHED; i++) cy_held_close(f->held[i]);
  for (int k = 0; f->varied && k < f->n; k++) {
    cy_tensor_free(f->varied[k].base);
    cy_tensor_free(f->varied[k].direction);
    cy_tensor_free(f->varied[k].other);
  }
  cy_free(f->varied);
  cy_free(f->leaves);
  cy_free(f->gradients);
  *f = (cy_function){0};
}

/* ---- moving ---- */

/* The point at base + step direction. */
static void move(cy_function *f, double step) {
  for (int k = 0; k < f->n; k++) {
    const cy_varied *v = &f->varied[k];
    if (!v->moves) continue;
    const double *base = cy_tensor_f64(v->base), *along = cy_tensor_f64(v->direction);
    double *at = cy_tensor_f64(v->at);
    for (int64_t i = 0; i < cy_tensor_count(v->at); i++) at[i] = base[i] + step * along[i];
  }
}

/* Its size, so that a step is small beside it. */
static double scale_of(const cy_varied *v) {
  double size = cy_root_mean_square(v->base);
  return size > 0 ? size : 1;
}

/* Only varied[k] moves. */
static void move_alone(cy_function *f, int k) {
  for (int i = 0; i < f->n; i++) f->varied[i].moves = i == k;
  memset(cy_tensor_data(f->varied[k].direction), 0, cy_tensor_bytes(f->varied[k].direction));
}

/* size or -size everywhere. */
static void fill_signs(cy_rng *rng, cy_tensor *tensor, double size) {
  double *at = cy_tensor_f64(tensor);
  uint32_t bits = 0;
  for (int64_t i = 0; i < cy_tensor_count(tensor); i++, bits >>= 1) {
    if (i % 32 == 0) bits = cy_rng_u32(rng);
    at[i] = bits & 1 ? size : -size;
  }
}

/* Of f64 tensors. */
static double dot(const cy_tensor *a, const cy_tensor *b, double *terms) {
  const double *x = cy_tensor_f64(a), *y = cy_tensor_f64(b);
  double sum = 0;
  for (int64_t i = 0; i < cy_tensor_count(a); i++) {
    double term = x[i] * y[i];
    sum += term;
    if (terms) *terms += fabs(term);
  }
  return sum;
}

/* ---- what differences are taken of ---- */

/* terms: the sum of the magnitudes of what was added up. */
static cy_status watch(cy_function *f, cy_watched what, double *value, double *terms) {
  const cy_held *held = f->holding ? f->held[what] : NULL;
  const cy_probe *e = held ? &held->function : what == CY_WATCH_VALUE ? &f->values : &f->slopes;
  if (e == &f->slopes) f->has_gradient = false; /* the point has moved */
  CY_TRY(cy_session_run(e->session));
  *terms = 0;
  if (what == CY_WATCH_VALUE) {
    *value = cy_tensor_at(cy_session_output(e->session, 0), 0);
    *terms = held ? held->terms : cy_tensor_at(cy_session_output(e->session, 1), 0);
    return CY_OK;
  }
  *value = 0;
  for (int k = 0; k < f->n; k++) *value += dot(f->varied[k].other, cy_session_output(e->session, k), terms);
  return CY_OK;
}

/* ---- one comparison ---- */

#define FIRST_STEP 1e-5 /* in units of the directions */
#define SHRINK 8.0
#define ROUNDING (64 * DBL_EPSILON) /* of a sum, in units of its terms' magnitudes */
enum { MOST_STEPS = 5 };

typedef struct difference {
  double sum, slope, noise; /* f(+) + f(-); the middle difference; what rounding may do to it */
} difference;

static cy_status differ(cy_function *f, cy_watched what, double step, difference *d) {
  double plus, minus, terms;
  move(f, step);
  CY_TRY(watch(f, what, &plus, &terms));
  move(f, -step);
  CY_TRY(watch(f, what, &minus, &terms));
  move(f, 0);
  *d = (difference){plus + minus, (plus - minus) / (2 * step), ROUNDING * terms / step};
  return CY_OK;
}

/* The least error of the differences at shrinking steps, which end with the first that is within tolerance; steps so small
 * that rounding hides what larger steps disagreed on do not count. */
typedef struct approach {
  double error;
  bool kink; /* the slopes from both sides stay apart */
} approach;

static cy_status approach_slope(cy_function *f, cy_watched what, double expected, double tolerance, approach *a) {
  double last_bend = 0, step = FIRST_STEP, widest = 0, middle = 0, terms;
  *a = (approach){.error = INFINITY};
  for (int i = 0; i < MOST_STEPS; i++, step /= SHRINK) {
    difference d;
    CY_TRY(differ(f, what, step, &d));
    double scale = fmax(fabs(expected), fabs(d.slope));
    widest = fmax(widest, fabs(expected - d.slope));
    if (i > 0 && !(d.noise < 1e-3 * fmax(scale, widest))) break;
    double error = cy_relative_error(expected, d.slope, 0), allowed = tolerance + d.noise / scale; /* scale 0: no error */
    if (error > tolerance && error <= allowed) error = 0; /* it is all rounding */
    a->error = fmin(a->error, error);
    if (a->error <= tolerance) break;
    if (i == 0) CY_TRY(watch(f, what, &middle, &terms));
    double bend = fabs(d.sum - 2 * middle) / step; /* slope from the right less slope from the left */
    a->kink = i > 0 && bend > 4 * d.noise && bend > tolerance * scale && bend > last_bend / 3;
    last_bend = bend;
  }
  return CY_OK;
}

/* ---- kinks that are crossed ---- */

#define AT_THE_PLACE 1e-12 /* in units of the directions: who is nearer to a kink stands on it */
#define SAME 1e-11         /* of the function and its copy at the base, in units of their terms' magnitudes */

static cy_status open_held(cy_function *f, cy_watched what) {
  double value, held;
  cy_held **copy = &f->held[what];
  move(f, 0);
  if (!*copy) {
    CY_TRY(what == CY_WATCH_VALUE ? cy_held_open(f, &f->value, 1, copy) : cy_held_open(f, f->gradients, f->n, copy));
  }
  (*copy)->usable = false;
  if ((*copy)->n == 0) return CY_OK;
  CY_TRY(watch(f, what, &value, &(*copy)->terms));
  double terms = (*copy)->terms;
  f->holding = true;
  cy_status status = watch(f, what, &held, &(*copy)->terms);
  f->holding = false;
  (*copy)->terms = terms;
  (*copy)->usable = fabs(value - held) <= SAME * terms; /* else it is no copy: what is wrong stays wrong */
  return status;
}

/* How many choices are made otherwise a step to both sides. */
static cy_status count_crossed(cy_function *f, cy_held *held, double step, int64_t *crossed) {
  *crossed = 0;
  move(f, step);
  CY_TRY(cy_held_count_changes(held, crossed));
  move(f, -step);
  CY_TRY(cy_held_count_changes(held, crossed));
  move(f, 0);
  return CY_OK;
}

/* Replaces the error by that of the function with its kinks held, if there are some on the way and none at the very place. */
static cy_status hold_kinks(cy_function *f, cy_watched what, double expected, double tolerance, approach *a, int64_t *crossed) {
  int64_t here = 0;
  CY_TRY(open_held(f, what));
  cy_held *held = f->held[what];
  if (held->usable) CY_TRY(count_crossed(f, held, FIRST_STEP, crossed));
  if (*crossed > 0) CY_TRY(count_crossed(f, held, AT_THE_PLACE, &here));
  if (here > 0) *crossed = 0;
  if (*crossed == 0) return CY_OK;
  f->holding = true;
  cy_status status = approach_slope(f, what, expected, tolerance, a);
  f->holding = false;
  a->kink = false; /* none is left */
  return status;
}

/* expected against differences along the directions. */
static cy_status compare(cy_function *f, cy_watched what, double expected, double tolerance, cy_comparison *c) {
  approach a;
  int64_t crossed = 0;
  CY_TRY(approach_slope(f, what, expected, tolerance, &a));
  if (a.error > tolerance) CY_TRY(hold_kinks(f, what, expected, tolerance, &a, &crossed));
  if (a.error > tolerance && a.kink) {
    c->passed_over++;
    return CY_OK;
  }
  c->compared++;
  c->held += crossed > 0;
  c->crossed = crossed > c->crossed ? crossed : c->crossed;
  c->figure = fmax(c->figure, a.error);
  return CY_OK;
}

/* ---- gradients ---- */

cy_status cy_take_gradient(cy_function *f) {
  move(f, 0);
  if (!f->has_gradient) CY_TRY(cy_session_run(f->slopes.session));
  f->has_gradient = true;
  return CY_OK;
}

static cy_status compare_along(cy_function *f, int k, double tolerance, cy_comparison *c) {
  CY_TRY(cy_take_gradient(f));
  double expected = dot(f->varied[k].direction, cy_session_output(f->slopes.session, k), NULL);
  return compare(f, CY_WATCH_VALUE, expected, tolerance, c);
}

cy_status cy_compare_gradient(cy_function *f, int k, int directions, int coordinates, double tolerance, cy_rng *rng,
                              cy_comparison *comparison) {
  cy_varied *v = &f->varied[k];
  int64_t count = cy_tensor_count(v->at);
  double scale = scale_of(v);
  for (int i = 0; i < directions; i++) {
    move_alone(f, k);
    fill_signs(rng, v->direction, scale);
    CY_TRY(compare_along(f, k, tolerance, comparison));
  }
  for (int i = 0; i < coordinates && i < count; i++) {
    int64_t at = count <= coordinates ? i : cy_rng_below(rng, count);
    move_alone(f, k);
    cy_tensor_set(v->direction, at, fmax(scale, fabs(cy_tensor_at(v->base, at))));
    CY_TRY(compare_along(f, k, tolerance, comparison));
  }
  return CY_OK;
}

/* ---- along directions ---- */

enum { NAME_SIZE = 32 };

static cy_status bind_directions(cy_function *f, const cy_value *outputs, int n, char (*names)[NAME_SIZE],
                                 cy_probe *e) {
  cy_named *inputs = cy_calloc((size_t)(f->n + f->point.n), sizeof *inputs);
  if (!inputs) return cy_no_memory();
  for (int i = 0; i < f->point.n; i++) inputs[i] = f->point.inputs[i];
  for (int k = 0; k < f->n; k++) inputs[f->point.n + k] = (cy_named){names[k], f->varied[k].direction};
  cy_point point = {f->point.state, inputs, f->point.n + f->n};
  cy_status status = cy_probe_open(e, outputs, n, &point, f->threads);
  cy_free(inputs);
  return status;
}

/* second: the Hessian times the directions; else the tangent along them. */
static cy_status open_along(cy_function *f, bool second, cy_probe *e) {
  size_t n = (size_t)f->n + 1;
  char(*names)[NAME_SIZE] = cy_calloc(n, sizeof *names);
  cy_value *along = cy_calloc(n, sizeof *along), *outputs = cy_calloc(n, sizeof *outputs);
  cy_status status = names && along && outputs ? CY_OK : cy_no_memory();
  for (int k = 0; k < f->n && status == CY_OK; k++) {
    snprintf(names[k], NAME_SIZE, "check direction %d", k);
    along[k] = cy_input(f->graph, names[k], CY_F64, cy_value_shape(f->leaves[k]));
    status = cy_graph_status(f->graph);
  }
  if (status == CY_OK)
    status = second ? cy_hvp(f->value, f->leaves, along, f->n, outputs)
                    : cy_jvp(&f->value, 1, f->leaves, along, f->n, outputs);
  if (status == CY_OK) status = bind_directions(f, outputs, second ? f->n : 1, names, e);
  cy_free(names);
  cy_free(along);
  cy_free(outputs);
  return status;
}

static void draw_directions(cy_function *f, cy_rng *rng) {
  for (int k = 0; k < f->n; k++) {
    fill_signs(rng, f->varied[k].direction, scale_of(&f->varied[k]));
    fill_signs(rng, f->varied[k].other, scale_of(&f->varied[k]));
    f->varied[k].moves = true;
  }
}

static void swap_directions(cy_function *f) { /* the numbers: programs are bound to the tensors */
  for (int k = 0; k < f->n; k++) {
    double *a = cy_tensor_f64(f->varied[k].direction), *b = cy_tensor_f64(f->varied[k].other);
    for (int64_t i = 0; i < cy_tensor_count(f->varied[k].at); i++) {
      double x = a[i];
      a[i] = b[i];
      b[i] = x;
    }
  }
}

/* Sums of random signs: only a part of what was added up is left. */
static void note_pair(cy_comparison *c, double a, double b, double terms) {
  c->figure = fmax(c->figure, cy_relative_error(a, b, 1e-6 * terms));
  c->compared++;
}

cy_status cy_compare_tangent(cy_function *f, cy_rng *rng, cy_comparison *comparison) {
  cy_probe e;
  double slope = 0, terms = 0;
  CY_TRY(open_along(f, false, &e));
  draw_directions(f, rng);
  cy_status status = cy_take_gradient(f);
  if (status == CY_OK) status = cy_session_run(e.session);
  if (status == CY_OK) {
    for (int k = 0; k < f->n; k++) slope += dot(f->varied[k].direction, cy_session_output(f->slopes.session, k), &terms);
    note_pair(comparison, cy_tensor_at(cy_session_output(e.session, 0), 0), slope, terms);
  }
  cy_probe_close(&e);
  return status;
}

/* <other, H direction> */
static cy_status curve(cy_function *f, const cy_probe *e, double *product, double *terms) {
  CY_TRY(cy_session_run(e->session));
  *product = 0;
  for (int k = 0; k < f->n; k++) *product += dot(f->varied[k].other, cy_session_output(e->session, k), terms);
  return CY_OK;
}

static cy_status compare_curvature(cy_function *f, const cy_probe *e, double tolerance, cy_comparison *symmetry,
                                   cy_comparison *hessian) {
  double forth, back, terms = 0;
  move(f, 0);
  CY_TRY(curve(f, e, &forth, &terms));
  swap_directions(f);
  CY_TRY(curve(f, e, &back, &terms));
  swap_directions(f);
  note_pair(symmetry, forth, back, terms / 2);
  return compare(f, CY_WATCH_GRADIENT, forth, tolerance, hessian);
}

cy_status cy_compare_second(cy_function *f, double tolerance, cy_rng *rng, cy_comparison *symmetry,
                            cy_comparison *hessian) {
  cy_probe e;
  CY_TRY(open_along(f, true, &e));
  draw_directions(f, rng);
  cy_status status = compare_curvature(f, &e, tolerance, symmetry, hessian);
  cy_probe_close(&e);
  return status;
}
