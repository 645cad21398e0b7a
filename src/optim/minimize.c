/* cy_minimize: evaluates the start, shows every iterate, steps until one of the ends of minimize.h, and leaves the best
 * iterate. What a step is, is the method's. */
#include "optim/descent.h"

#include "base/error.h"
#include "base/memory.h"

/* The best iterate so far. */
typedef struct best {
  double *x, value, gradient_norm;
} best;

typedef struct minimisation {
  cy_descent *d;
  cy_minimize_report report;
  double *gradient, *slots; /* memory of the descent */
  best best;
  double first_value, first_norm, norm;
} minimisation;

/* How large value and gradient may grow, relative to the start, before this is called divergence. */
static const double bound = 1e12;

static cy_status allocate(minimisation *m, double *x) {
  cy_descent *d = m->d;
  int64_t total = 0, rows, columns, size;
  for (int i = 0; cy_descent_slot_shape(d->method, &d->options, d->n, i, &rows, &columns); i++)
    if (!cy_mul_i64(rows, columns, &size) || !cy_add_i64(total, size, &total)) return cy_no_memory();
  m->gradient = cy_calloc((size_t)d->n, sizeof(double));
  m->best.x = cy_calloc((size_t)d->n, sizeof(double));
  m->slots = cy_calloc((size_t)total, sizeof(double));
  if (!m->gradient || !m->best.x || (!m->slots && total > 0)) return cy_no_memory();
  double *at = m->slots;
  for (int i = 0; cy_descent_slot_shape(d->method, &d->options, d->n, i, &rows, &columns); i++) {
    d->slots[i] = at;
    at += rows * columns;
  }
  d->x = x;
  d->gradient = m->gradient;
  return CY_OK;
}

/* Value and gradient at the start. */
static cy_status evaluate_start(minimisation *m, bool *finite) {
  cy_descent *d = m->d;
  cy_copy_vector(d->n, d->x, d->next_x);
  CY_TRY(cy_descent_gradient(d));
  *finite = cy_descent_next_is_finite(d);
  cy_copy_vector(d->n, d->next_gradient, d->gradient);
  d->value = d->next_value;
  m->norm = m->first_norm = cy_length(d->n, d->gradient);
  m->first_value = d->value;
  return CY_OK;
}

/* Of equal values the later one: it is where the gradient is smaller, if anywhere. */
static void keep_best(minimisation *m) {
  cy_descent *d = m->d;
  if (m->report.iterations > 0 && !(d->value <= m->best.value)) return;
  cy_copy_vector(d->n, d->x, m->best.x);
  m->best.value = d->value;
  m->best.gradient_norm = m->norm;
}

static bool show(minimisation *m) {
  cy_descent *d = m->d;
  if (!d->options.on_iterate) return true;
  cy_iterate it = {.iteration = m->report.iterations, .x = d->x, .gradient = d->gradient, .n = d->n, .value = d->value,
                   .gradient_norm = m->norm, .step = d->step, .rate = d->rate, .damping = d->damping,
                   .products = d->products, .note = d->note};
  return d->options.on_iterate(&it, d->options.user);
}

static bool beyond_bounds(const minimisation *m) {
  double value = m->d->value - m->first_value;
  return value > bound * fmax(1, fabs(m->first_value)) || m->norm > bound * fmax(1, m->first_norm);
}

/* Whether this iterate is the end, and which. */
static bool is_end(minimisation *m, bool go_on) {
  cy_minimize_report *r = &m->report;
  const cy_minimize_options *o = &m->d->options;
  if (m->norm <= o->tolerance) r->end = CY_MINIMIZE_CONVERGED;
  else if (beyond_bounds(m)) r->end = CY_MINIMIZE_DIVERGED;
  else if (!go_on) r->end = CY_MINIMIZE_STOPPED;
  else if (r->iterations >= o->iterations) r->end = CY_MINIMIZE_ITERATIONS;
  else return false;
  return true;
}

static cy_status iterate(minimisation *m) {
  cy_descent *d = m->d;
  bool finite;
  CY_TRY(evaluate_start(m, &finite));
  keep_best(m);
  if (!finite) {
    m->report.end = CY_MINIMIZE_DIVERGED;
    cy_descent_note(d, "value or gradient not finite at the start");
    show(m);
    return CY_OK;
  }
  while (!is_end(m, show(m))) {
    cy_step_end end;
    CY_TRY(cy_descent_step(d, &end));
    if (end != CY_STEP_TAKEN) {
      m->report.end = end == CY_STEP_STALLED ? CY_MINIMIZE_STALLED : CY_MINIMIZE_DIVERGED;
      return CY_OK;
    }
    m->report.iterations++;
    m->norm = cy_length(d->n, d->gradient);
    keep_best(m);
  }
  return CY_OK;
}

/* x and the report's numbers are those of the best iterate; where the gradient vanished, of that one, unless an earlier
 * one was lower by more than rounding. */
static void finish(minimisation *m) {
  cy_descent *d = m->d;
  best *b = &m->best;
  if (m->report.end == CY_MINIMIZE_CONVERGED && d->value <= b->value + d->noise * fabs(b->value)) {
    b->value = d->value;
    b->gradient_norm = m->norm;
  } else {
    cy_copy_vector(d->n, b->x, d->x);
  }
  m->report.value = b->value;
  m->report.gradient_norm = b->gradient_norm;
}

cy_status cy_minimize(cy_objective *objective, double *x, cy_minimize_options options, cy_minimize_report *report) {
  minimisation m = {0};
  *report = (cy_minimize_report){0};
  CY_TRY(cy_descent_resolve(options, &options));
  CY_TRY(cy_descent_create(objective, options, &m.d));
  cy_status status = allocate(&m, x);
  if (status == CY_OK) {
    m.best.value = INFINITY;
    status = iterate(&m);
    if (isfinite(m.best.value) || status == CY_OK) finish(&m);
    m.report.evaluations = m.d->evaluations;
    m.report.products = m.d->products;
    *report = m.report;
  }
  cy_descent_free(m.d);
  cy_free(m.gradient);
  cy_free(m.slots);
  cy_free(m.best.x);
  return status;
}
