/* A descent: its options, its memory, and the few moves that every method is made of. Counts what is asked of the
 * objective; knows no method but by its row. Driven by cy_minimize and by second-order training. */
#include "optim/descent.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#include <float.h>
#include <stdarg.h>
#include <stdio.h>

static const cy_descent_method *const methods[] = {
  &cy_descent_gd,     &cy_descent_momentum,  &cy_descent_nesterov, &cy_descent_adam,
  &cy_descent_newton, &cy_descent_newton_cg, &cy_descent_lbfgs,
};
enum { METHODS = (int)(sizeof methods / sizeof methods[0]) };

const char *cy_minimize_method(int i, const char **summary) {
  if (i < 0 || i >= METHODS) return NULL;
  if (summary) *summary = methods[i]->summary;
  return methods[i]->name;
}

static cy_status unknown_method(const char *name) {
  const char *names[METHODS];
  cy_text list = {0};
  for (int i = 0; i < METHODS; i++) {
    names[i] = methods[i]->name;
    cy_text_add(&list, "%s%s", i ? ", " : "", names[i]);
  }
  const char *near = cy_nearest_name(name, names, METHODS);
  cy_status status = cy_fail(CY_INVALID, "unknown method \"%s\"%s%s%s (there are %s)", name,
                             near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "",
                             list.data ? list.data : "others");
  cy_text_clear(&list);
  return status;
}

const cy_descent_method *cy_descent_find(const char *name) {
  if (!name) return &cy_descent_lbfgs;
  for (int i = 0; i < METHODS; i++)
    if (strcmp(name, methods[i]->name) == 0) return methods[i];
  return NULL;
}

/* ---- options ---- */

static void usual(double *value, double what) {
  if (*value == 0 && !signbit(*value)) *value = what;
}

static cy_status check_number(const char *name, double value, double low, double high) {
  if (value >= low && value < high && isfinite(value)) return CY_OK;
  if (isinf(high)) return cy_fail(CY_INVALID, "%s is %g; it must be a finite number >= %g", name, value, low);
  return cy_fail(CY_INVALID, "%s is %g; it must be in %g <= %s < %g", name, value, low, name, high);
}

static cy_status check_count(const char *name, int64_t value, int64_t high) {
  if (value >= 1 && value <= high) return CY_OK;
  return cy_fail(CY_INVALID, "%s is %lld; it must be in 1..%lld", name, (long long)value, (long long)high);
}

cy_status cy_descent_resolve(cy_minimize_options o, cy_minimize_options *resolved) {
  const cy_descent_method *method = cy_descent_find(o.method);
  if (!method) return unknown_method(o.method);
  o.method = method->name;
  usual(&o.rate, method->rate);
  usual(&o.momentum, 0.9);
  usual(&o.tolerance, 1e-8);
  usual(&o.damping, method->damping);
  if (o.iterations == 0) o.iterations = 1000;
  if (o.memory == 0) o.memory = 10;
  if (o.cg_iterations == 0) o.cg_iterations = 250;
  if (!(o.rate > 0 && isfinite(o.rate))) return cy_fail(CY_INVALID, "rate is %g; it must be > 0", o.rate);
  CY_TRY(check_number("momentum", o.momentum, 0, 1));
  CY_TRY(check_number("tolerance", o.tolerance, 0, INFINITY));
  CY_TRY(check_number("damping", o.damping, 0, INFINITY));
  if (!(o.preconditioner >= 0 && o.preconditioner <= 1))
    return cy_fail(CY_INVALID, "preconditioner is %g; it is an exponent in 0..1", o.preconditioner);
  CY_TRY(check_count("iterations", o.iterations, INT64_MAX));
  CY_TRY(check_count("memory", o.memory, 10000));
  CY_TRY(check_count("cg_iterations", o.cg_iterations, 1000000));
  if (o.curvature < CY_HESSIAN || o.curvature > CY_EMPIRICAL_FISHER)
    return cy_fail(CY_INVALID, "curvature is %d; there is no such matrix", (int)o.curvature);
  *resolved = o;
  return CY_OK;
}

/* ---- memory ---- */

/* n * vectors + n * n * matrices + more; false if that is too much to count. */
static bool scratch_size(const cy_descent *d, int64_t *total) {
  int64_t vectors, matrices = 0;
  *total = d->method->more ? d->method->more(d) : 0;
  if (!cy_mul_i64(d->n, d->method->vectors, &vectors) || !cy_add_i64(*total, vectors, total)) return false;
  if (d->method->matrices == 0) return true;
  return cy_mul_i64(d->n, d->n, &matrices) && cy_mul_i64(matrices, d->method->matrices, &matrices) &&
         cy_add_i64(*total, matrices, total);
}

static cy_status allocate(cy_descent *d) {
  int64_t total;
  if (!scratch_size(d, &total)) return cy_no_memory();
  d->next_x = cy_calloc((size_t)d->n, sizeof(double));
  d->next_gradient = cy_calloc((size_t)d->n, sizeof(double));
  d->scratch = cy_calloc((size_t)total, sizeof(double));
  return d->next_x && d->next_gradient && (d->scratch || total == 0) ? CY_OK : cy_no_memory();
}

cy_status cy_descent_create(cy_objective *objective, cy_minimize_options options, cy_descent **descent) {
  const cy_descent_method *method = cy_descent_find(options.method);
  *descent = NULL;
  if (!method) return unknown_method(options.method);
  cy_descent *d = cy_calloc(1, sizeof *d);
  if (!d) return cy_no_memory();
  d->method = method;
  d->objective = objective;
  d->options = options;
  d->n = cy_objective_size(objective);
  d->noise = 8 * DBL_EPSILON;
  d->damping = options.damping;
  cy_status status = d->n >= 1 ? CY_OK : cy_fail(CY_INVALID, "there is nothing to minimise over: no numbers");
  if (status == CY_OK && method->check) status = method->check(d);
  if (status == CY_OK) status = allocate(d);
  if (status == CY_OK) *descent = d;
  else cy_descent_free(d);
  return status;
}

void cy_descent_free(cy_descent *d) {
  if (!d) return;
  cy_free(d->next_x);
  cy_free(d->next_gradient);
  cy_free(d->scratch);
  cy_free(d);
}

bool cy_descent_slot_shape(const cy_descent_method *method, const cy_minimize_options *options, int64_t n, int i,
                           int64_t *rows, int64_t *columns) {
  if (i < 0 || i >= method->n_slots) return false;
  const cy_descent_slot *slot = &method->slots[i];
  *rows = slot->one_row_per_pair ? options->memory : 1;
  *columns = slot->columns ? slot->columns : n;
  return true;
}

/* ---- moves ---- */

cy_status cy_descent_step(cy_descent *d, cy_step_end *end) {
  d->step = d->rate = 0;
  d->note[0] = 0;
  return d->method->step(d, end);
}

void cy_descent_move(cy_descent *d, double rate, const double *direction) {
  for (int64_t i = 0; i < d->n; i++) {
    double next = d->x[i] + rate * direction[i];
    d->next_x[i] = d->single ? (double)(float)next : next;
  }
}

/* An objective that cannot be computed at a point because numbers overflow there says that the step was too long. */
static cy_status not_finite_is_nan(cy_descent *d, cy_status status) {
  if (status != CY_NOT_FINITE) return status;
  d->next_value = NAN;
  return CY_OK;
}

cy_status cy_descent_value(cy_descent *d) {
  d->evaluations++;
  return not_finite_is_nan(d, cy_objective_value(d->objective, d->next_x, &d->next_value));
}

cy_status cy_descent_gradient(cy_descent *d) {
  d->evaluations++;
  return not_finite_is_nan(d, cy_objective_gradient(d->objective, d->next_x, &d->next_value, d->next_gradient));
}

cy_status cy_descent_product(cy_descent *d, cy_curvature matrix, const double *v, double *out) {
  d->products++;
  return cy_objective_product(d->objective, matrix, d->x, v, out);
}

bool cy_descent_next_is_finite(const cy_descent *d) {
  if (!isfinite(d->next_value)) return false;
  for (int64_t i = 0; i < d->n; i++)
    if (!isfinite(d->next_gradient[i]) || !isfinite(d->next_x[i])) return false;
  return true;
}

void cy_descent_accept(cy_descent *d, double rate) {
  double square = 0, largest = 0;
  for (int64_t i = 0; i < d->n; i++) {
    double moved = fabs(d->next_x[i] - d->x[i]);
    largest = moved > largest ? moved : largest;
  }
  for (int64_t i = 0; i < d->n && largest > 0; i++) {
    double moved = (d->next_x[i] - d->x[i]) / largest;
    square += moved * moved;
  }
  d->step = largest * sqrt(square);
  d->rate = rate;
  cy_copy_vector(d->n, d->next_x, d->x);
  cy_copy_vector(d->n, d->next_gradient, d->gradient);
  d->value = d->next_value;
}

void cy_descent_note(cy_descent *d, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(d->note, sizeof d->note, format, arguments);
  va_end(arguments);
}
