/* Plain first-order methods on any objective: the updates of optimizers.c, on vectors of doubles and with the rate as
 * it is stated. No line search saves a rate that is too large: seeing it diverge is what they are for. */
#include "optim/descent.h"

#include "base/error.h"

/* x' = x - rate * direction (in scratch), and there value and gradient. */
static cy_status descend(cy_descent *d, cy_step_end *end) {
  cy_descent_move(d, -d->options.rate, d->scratch);
  CY_TRY(cy_descent_gradient(d));
  *end = cy_descent_next_is_finite(d) ? CY_STEP_TAKEN : CY_STEP_DIVERGED;
  if (*end == CY_STEP_TAKEN) cy_descent_accept(d, d->options.rate);
  return CY_OK;
}

/* x' = x - r g (A.-L. Cauchy 1847) */
static cy_status gd(cy_descent *d, cy_step_end *end) {
  cy_copy_vector(d->n, d->gradient, d->scratch);
  return descend(d, end);
}

/* v' = mu v + g;  x' = x - r v' (B. T. Polyak 1964) */
static cy_status momentum(cy_descent *d, cy_step_end *end) {
  double *velocity = d->slots[0];
  for (int64_t i = 0; i < d->n; i++) d->scratch[i] = velocity[i] = d->options.momentum * velocity[i] + d->gradient[i];
  return descend(d, end);
}

/* v' = mu v + g;  x' = x - r (g + mu v') (Y. Nesterov 1983; x is the point ahead: I. Sutskever et al. 2013) */
static cy_status nesterov(cy_descent *d, cy_step_end *end) {
  double *velocity = d->slots[0], mu = d->options.momentum;
  for (int64_t i = 0; i < d->n; i++) {
    velocity[i] = mu * velocity[i] + d->gradient[i];
    d->scratch[i] = d->gradient[i] + mu * velocity[i];
  }
  return descend(d, end);
}

/* D. P. Kingma, J. Ba 2015, with their beta1, beta2 and epsilon. */
static cy_status adam(cy_descent *d, cy_step_end *end) {
  const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double *m = d->slots[0], *v = d->slots[1], time = ++d->slots[2][0];
  double first = 1 - pow(beta1, time), second = 1 - pow(beta2, time);
  for (int64_t i = 0; i < d->n; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * d->gradient[i];
    v[i] = beta2 * v[i] + (1 - beta2) * d->gradient[i] * d->gradient[i];
    d->scratch[i] = (m[i] / first) / (sqrt(v[i] / second) + epsilon);
  }
  return descend(d, end);
}

const cy_descent_method cy_descent_gd = {
  .name = "gd", .summary = "x - r g: gradient descent (Cauchy 1847)", .rate = 0.1, .vectors = 1, .step = gd};
const cy_descent_method cy_descent_momentum = {
  .name = "momentum", .summary = "v = mu v + g; x - r v: the heavy ball (Polyak 1964)", .rate = 0.1,
  .n_slots = 1, .slots = {{"velocity", 0, false}}, .vectors = 1, .step = momentum};
const cy_descent_method cy_descent_nesterov = {
  .name = "nesterov", .summary = "v = mu v + g; x - r (g + mu v): accelerated gradient (Nesterov 1983)", .rate = 0.1,
  .n_slots = 1, .slots = {{"velocity", 0, false}}, .vectors = 1, .step = nesterov};
const cy_descent_method cy_descent_adam = {
  .name = "adam", .summary = "moving averages of g and g^2, corrected for their start (Kingma, Ba 2015)", .rate = 0.1,
  .n_slots = 3, .slots = {{"m", 0, false}, {"v", 0, false}, {"time", 1, false}}, .vectors = 1, .step = adam};
