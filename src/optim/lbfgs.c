/* L-BFGS: the inverse Hessian as it shows in the last few steps (J. Nocedal 1980; D. C. Liu, J. Nocedal 1989), by the
 * two-loop recursion (Nocedal and Wright, algorithm 7.4) with steps that satisfy the strong Wolfe conditions. Slots:
 * steps s and changes of the gradient y, as rings of rows; how many pairs there are, and where the next goes. */
#include "optim/descent.h"

#include "base/error.h"

enum { STEPS, CHANGES, PAIRS };

static int64_t pair_count(const cy_descent *d) { return (int64_t)d->slots[PAIRS][0]; }
static const double *row(const cy_descent *d, int slot, int64_t i) { return d->slots[slot] + i * d->n; }

/* Row of the pair that is `age` younger ones old. */
static int64_t row_of(const cy_descent *d, int64_t age) {
  int64_t memory = d->options.memory, next = (int64_t)d->slots[PAIRS][1];
  return (next - 1 - age + 2 * memory) % memory;
}

/* direction = -H gradient, H by the youngest pairs. */
static void two_loops(const cy_descent *d, int64_t pairs, double *direction, double *share) {
  int64_t n = d->n;
  cy_scale_into(n, -1, d->gradient, direction);
  for (int64_t age = 0; age < pairs; age++) {
    const double *s = row(d, STEPS, row_of(d, age)), *y = row(d, CHANGES, row_of(d, age));
    share[age] = cy_dot_product(n, s, direction) / cy_dot_product(n, s, y);
    cy_add_scaled(n, -share[age], y, direction);
  }
  if (pairs > 0) { /* H_0 = s'y / y'y of the youngest pair */
    const double *s = row(d, STEPS, row_of(d, 0)), *y = row(d, CHANGES, row_of(d, 0));
    cy_scale_into(n, cy_dot_product(n, s, y) / cy_dot_product(n, y, y), direction, direction);
  }
  for (int64_t age = pairs - 1; age >= 0; age--) {
    const double *s = row(d, STEPS, row_of(d, age)), *y = row(d, CHANGES, row_of(d, age));
    double other = cy_dot_product(n, y, direction) / cy_dot_product(n, s, y);
    cy_add_scaled(n, share[age] - other, s, direction);
  }
}

/* The pair of this step, if it shows positive curvature beyond rounding: else H would not stay positive definite. */
static void remember(cy_descent *d) {
  int64_t n = d->n, memory = d->options.memory, at = (int64_t)d->slots[PAIRS][1];
  double *s = d->slots[STEPS] + at * n, *y = d->slots[CHANGES] + at * n;
  double *new_s = d->scratch, *new_y = d->scratch + n; /* an old pair is overwritten only by a good one */
  for (int64_t i = 0; i < n; i++) {
    new_s[i] = d->next_x[i] - d->x[i];
    new_y[i] = d->next_gradient[i] - d->gradient[i];
  }
  double product = cy_dot_product(n, new_s, new_y), limit = 1e-10 * cy_length(n, new_s) * cy_length(n, new_y);
  if (!(product > limit) || !isfinite(product / cy_dot_product(n, new_y, new_y)) || !isfinite(limit)) {
    if (!d->note[0]) cy_descent_note(d, "no positive curvature along this step: it is not remembered");
    return;
  }
  cy_copy_vector(n, new_s, s);
  cy_copy_vector(n, new_y, y);
  if (pair_count(d) < memory) d->slots[PAIRS][0]++;
  d->slots[PAIRS][1] = (double)((at + 1) % memory);
}

static cy_status search(cy_descent *d, int64_t pairs, double *rate, bool *found) {
  double *direction = d->scratch + 2 * d->n, length = cy_length(d->n, d->gradient), first = d->options.rate;
  two_loops(d, pairs, direction, d->scratch + 3 * d->n);
  if (pairs == 0 && length > 1) first /= length; /* before anything is known, a step of length 1 */
  return cy_search_wolfe(d, direction, first, rate, found);
}

static cy_status lbfgs(cy_descent *d, cy_step_end *end) {
  double rate;
  bool found, forget = false;
  *end = CY_STEP_STALLED;
  CY_TRY(search(d, pair_count(d), &rate, &found));
  if (!found && pair_count(d) > 0) { /* the memory misleads: once more with the gradient alone */
    forget = true;
    cy_descent_note(d, "no step along the direction lowers the value: the pairs are forgotten");
    CY_TRY(search(d, 0, &rate, &found));
  }
  if (!found) return CY_OK;
  *end = CY_STEP_TAKEN;
  if (forget) d->slots[PAIRS][0] = d->slots[PAIRS][1] = 0; /* slots change here only: a step that fails leaves them */
  remember(d);
  cy_descent_accept(d, rate);
  return CY_OK;
}

static int64_t one_share_per_pair(const cy_descent *d) { return d->options.memory; }

const cy_descent_method cy_descent_lbfgs = {
  .name = "lbfgs", .summary = "curvature from the last few steps; strong Wolfe line search (Liu, Nocedal 1989)",
  .rate = 1,
  .n_slots = 3, .slots = {{"steps", 0, true}, {"changes", 0, true}, {"pairs", 2, false}},
  .vectors = 3, .more = one_share_per_pair, .step = lbfgs};
