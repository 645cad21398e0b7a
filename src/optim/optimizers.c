/* The optimisers: one update rule and one row each. p parameter, g gradient (clipped, with L2 decay), r learning rate,
 * t the number of the update from 1. Second-order ones have a row, so that they have names and settings, but no rule:
 * they are methods of descent.h. The rest (options, slots, guard, counter) is common to all and is in apply.c. */
#include "optim/optim.h"

#include <math.h>

/* a x + b y with numbers a, b. */
static cy_value blend(double a, cy_value x, double b, cy_value y) {
  cy_value ax = cy_mul_scalar(x, a);
  return cy_add(ax, cy_mul_scalar(y, b));
}

/* p - r d */
static cy_value descend(const cy_update_scalars *s, cy_value p, cy_value direction) {
  return cy_sub(p, cy_mul(s->rate, direction));
}

/* p' = p - r g: steepest descent on a sample of the data (H. Robbins, S. Monro 1951). */
static cy_value sgd(const cy_update_scalars *s, cy_value p, cy_value g, const cy_value *slot, cy_value *next) {
  (void)slot, (void)next;
  return descend(s, p, g);
}

/* v' = mu v + g;  p' = p - r v': the heavy ball (B. T. Polyak 1964; v scaled as in PyTorch). */
static cy_value momentum(const cy_update_scalars *s, cy_value p, cy_value g, const cy_value *slot, cy_value *next) {
  next[0] = cy_add(cy_mul_scalar(slot[0], s->options->momentum), g);
  return descend(s, p, next[0]);
}

/* v' = mu v + g;  p' = p - r (g + mu v'): the gradient is that of the point ahead (Y. Nesterov 1983, in the form of
 * I. Sutskever et al. 2013 and PyTorch, where p already is the point ahead). */
static cy_value nesterov(const cy_update_scalars *s, cy_value p, cy_value g, const cy_value *slot, cy_value *next) {
  next[0] = cy_add(cy_mul_scalar(slot[0], s->options->momentum), g);
  return descend(s, p, cy_add(g, cy_mul_scalar(next[0], s->options->momentum)));
}

/* s' = a s + (1 - a) g^2;  d = g / (sqrt s' + e)  (T. Tieleman, G. Hinton 2012);
 * p' = p - r d, or with momentum v' = mu v + d, p' = p - r v' (PyTorch). */
static cy_value rmsprop(const cy_update_scalars *s, cy_value p, cy_value g, const cy_value *slot, cy_value *next) {
  double a = s->options->beta2;
  next[0] = blend(a, slot[0], 1 - a, cy_square(g));
  cy_value d = cy_div(g, cy_add_scalar(cy_sqrt(next[0]), s->options->epsilon));
  if (!(s->options->momentum > 0)) return descend(s, p, d);
  next[1] = cy_add(cy_mul_scalar(slot[1], s->options->momentum), d);
  return descend(s, p, next[1]);
}

/* s' = s + g^2;  p' = p - r g / (sqrt s' + e)  (J. Duchi, E. Hazan, Y. Singer 2011). */
static cy_value adagrad(const cy_update_scalars *s, cy_value p, cy_value g, const cy_value *slot, cy_value *next) {
  next[0] = cy_add(slot[0], cy_square(g));
  return descend(s, p, cy_div(g, cy_add_scalar(cy_sqrt(next[0]), s->options->epsilon)));
}

/* 1 - beta^t. By expm1, for in single precision 1 - 0.999 has only four digits left. */
static cy_value bias_correction(const cy_update_scalars *s, double beta) {
  if (!(beta > 0)) return cy_ones_like(s->time);
  return cy_neg(cy_expm1(cy_mul_scalar(s->time, log(beta))));
}

/* m' = b1 m + (1 - b1) g;  v' = b2 v + (1 - b2) g^2;  M = m' / (1 - b1^t);  V = v' / (1 - b2^t);
 * p' = p - r M / (sqrt V + e)  (D. P. Kingma, J. Ba 2015). With c = sqrt(1 - b2^t) that is
 * p' = p - r c / (1 - b1^t) m' / (sqrt v' + e c): the corrections are scalars, kept out of the pass over p. */
static cy_value adam(const cy_update_scalars *s, cy_value p, cy_value g, const cy_value *slot, cy_value *next) {
  double b1 = s->options->beta1, b2 = s->options->beta2;
  next[0] = blend(b1, slot[0], 1 - b1, g);
  next[1] = blend(b2, slot[1], 1 - b2, cy_square(g));
  cy_value c = cy_sqrt(bias_correction(s, b2));
  cy_value rate = cy_mul(s->rate, c), root = cy_sqrt(next[1]);
  rate = cy_div(rate, bias_correction(s, b1));
  root = cy_add(root, cy_mul_scalar(c, s->options->epsilon));
  return cy_sub(p, cy_mul(rate, cy_div(next[0], root)));
}

const cy_optimizer_row cy_optimizer_rows[] = {
  {"sgd", "p - r g: stochastic gradient descent (Robbins, Monro 1951)", 0.01, .update = sgd,
   .n_settings = 1, .settings = {{CY_WEIGHT_DECAY, 0}}},
  {"momentum", "v = mu v + g; p - r v: the heavy ball (Polyak 1964)", 0.01, 1, {"velocity"}, .update = momentum,
   .n_settings = 2, .settings = {{CY_MOMENTUM, 0.9}, {CY_WEIGHT_DECAY, 0}}},
  {"nesterov", "v = mu v + g; p - r (g + mu v): accelerated gradient (Nesterov 1983)", 0.01, 1, {"velocity"},
   .update = nesterov, .n_settings = 2, .settings = {{CY_MOMENTUM, 0.9}, {CY_WEIGHT_DECAY, 0}}},
  {"rmsprop", "s = a s + (1-a) g^2; p - r g / (sqrt s + e) (Tieleman, Hinton 2012)", 0.01, 2,
   {"square", "velocity"}, .last_slot_is_momentum = true, .update = rmsprop,
   .n_settings = 4, .settings = {{CY_BETA2, 0.99}, {CY_EPSILON, 1e-8}, {CY_MOMENTUM, 0}, {CY_WEIGHT_DECAY, 0}}},
  {"adagrad", "s = s + g^2; p - r g / (sqrt s + e) (Duchi, Hazan, Singer 2011)", 0.01, 1, {"square"}, .update = adagrad,
   .n_settings = 2, .settings = {{CY_EPSILON, 1e-10}, {CY_WEIGHT_DECAY, 0}}},
  {"adam", "moving averages of g and g^2, corrected for their start (Kingma, Ba 2015)", 0.001, 2, {"m", "v"},
   .update = adam,
   .n_settings = 4, .settings = {{CY_BETA1, 0.9}, {CY_BETA2, 0.999}, {CY_EPSILON, 1e-8}, {CY_WEIGHT_DECAY, 0}}},
  {"adamw", "adam with weight decay apart from the gradient (Loshchilov, Hutter 2019)", 0.001, 2, {"m", "v"},
   .decoupled = true, .update = adam,
   .n_settings = 4, .settings = {{CY_BETA1, 0.9}, {CY_BETA2, 0.999}, {CY_EPSILON, 1e-8}, {CY_WEIGHT_DECAY, 0.01}}},
  {"newton", "whole Hessian of at most 4096 parameters, damped where it is indefinite (Levenberg 1944)", 1,
   .n_settings = 1, .settings = {{CY_DAMPING, 0}}},
  {"newton-cg", "Hessian-free: curvature by products, conjugate gradients, damping (Martens 2010)", 1,
   .n_settings = 4,
   .settings = {{CY_DAMPING, 1}, {CY_CG_ITERATIONS, 250}, {CY_CURVATURE_SAMPLES, 0}, {CY_PRECONDITIONER, 0}},
   .chooses_curvature = true},
  {"lbfgs", "curvature from the last few steps, strong Wolfe line search (Liu, Nocedal 1989)", 1,
   .n_settings = 1, .settings = {{CY_MEMORY, 10}}},
};
const int cy_optimizer_row_count = (int)(sizeof cy_optimizer_rows / sizeof cy_optimizer_rows[0]);
