/* Line searches. Near a minimum the value's rounding hides what is still to be gained; there a point counts as lower if
 * its value is the same to rounding and its slope shows progress (the approximate Wolfe condition of W. Hager and
 * H. Zhang 2005). Points where the objective is not finite are too far. */
#include "optim/descent.h"

#include "base/error.h"

static const double decrease = 1e-4; /* c1 of Nocedal and Wright */
static const double flatness = 0.9;  /* c2 */
enum { MOST_TRIALS = 60 };

typedef struct trial {
  double rate, value, slope; /* value is infinite where it was not finite */
} trial;

typedef struct search {
  cy_descent *descent;
  const double *direction;
  trial start; /* rate 0 */
  trial at;    /* where the descent's next point is */
} search;

static cy_status try_rate(search *s, double rate) {
  cy_descent *d = s->descent;
  cy_descent_move(d, rate, s->direction);
  CY_TRY(cy_descent_gradient(d));
  s->at = (trial){rate, INFINITY, 0};
  if (!cy_descent_next_is_finite(d)) return CY_OK;
  s->at.value = d->next_value;
  s->at.slope = cy_dot_product(d->n, d->next_gradient, s->direction);
  return CY_OK;
}

static bool same_to_rounding(const cy_descent *d, double value) {
  return value <= d->value + d->noise * fabs(d->value);
}

/* Sufficient decrease. */
static bool is_lower(const search *s, trial t) {
  if (t.value <= s->start.value + decrease * t.rate * s->start.slope) return true;
  return same_to_rounding(s->descent, t.value) && t.slope <= (2 * decrease - 1) * s->start.slope;
}
static bool is_flat(const search *s, trial t) { return fabs(t.slope) <= -flatness * s->start.slope; }
static bool is_wolfe(const search *s) { return isfinite(s->at.value) && is_lower(s, s->at) && is_flat(s, s->at); }

/* The minimum of the cubic through two values and slopes (Nocedal and Wright, 3.59), kept off the ends. */
static double between(trial low, trial high) {
  double width = high.rate - low.rate, share = 0.5;
  if (isfinite(high.value)) {
    double d1 = low.slope + high.slope - 3 * (low.value - high.value) / (low.rate - high.rate);
    double root = d1 * d1 - low.slope * high.slope;
    double d2 = (width > 0 ? 1 : -1) * sqrt(root > 0 ? root : 0);
    double rate = high.rate - width * (high.slope + d2 - d1) / (high.slope - low.slope + 2 * d2);
    if (isfinite(rate)) share = (rate - low.rate) / width;
  } else {
    share = 0.25;
  }
  share = share < 0.1 ? 0.1 : share > 0.9 ? 0.9 : share;
  return low.rate + share * width;
}

/* Algorithm 3.6: the interval holds rates that satisfy the conditions; low is the best end. */
static cy_status zoom(search *s, trial low, trial high, int trials, bool *found) {
  for (; trials < MOST_TRIALS && fabs(high.rate - low.rate) > 1e-14 * fabs(high.rate); trials++) {
    CY_TRY(try_rate(s, between(low, high)));
    if (is_wolfe(s)) {
      *found = true;
      return CY_OK;
    }
    if (!is_lower(s, s->at) || s->at.value >= low.value) {
      high = s->at;
    } else {
      if (s->at.slope * (high.rate - low.rate) >= 0) high = low;
      low = s->at;
    }
  }
  /* No rate is flat enough in floating-point numbers: any that is lower serves. */
  if (!(low.rate > 0)) return CY_OK;
  CY_TRY(try_rate(s, low.rate));
  *found = isfinite(s->at.value);
  return CY_OK;
}

/* The next longer rate: where the slopes' line crosses zero, within bounds. */
static double further(trial before, trial now) {
  double rate = now.rate - now.slope * (now.rate - before.rate) / (now.slope - before.slope);
  if (!(rate > 1.5 * now.rate)) rate = now.slope < before.slope || !isfinite(rate) ? 4 * now.rate : 1.5 * now.rate;
  return rate < 10 * now.rate ? rate : 10 * now.rate;
}

/* Algorithm 3.5: longer and longer, until an interval is found. */
static cy_status bracket(search *s, double first, bool *found) {
  trial before = s->start;
  double rate = first;
  for (int trials = 0; trials < MOST_TRIALS / 2; trials++) {
    CY_TRY(try_rate(s, rate));
    if (is_wolfe(s)) {
      *found = true;
      return CY_OK;
    }
    if (!isfinite(s->at.value) || !is_lower(s, s->at) || (trials > 0 && s->at.value >= before.value))
      return zoom(s, before, s->at, trials + 1, found);
    if (s->at.slope >= 0) return zoom(s, s->at, before, trials + 1, found);
    rate = further(before, s->at);
    before = s->at;
  }
  cy_descent_note(s->descent, "the value still falls at %.3g times the step: it may have no minimum", s->at.rate);
  *found = true;
  return CY_OK;
}

cy_status cy_search_wolfe(cy_descent *d, const double *direction, double first, double *rate, bool *found) {
  search s = {.descent = d, .direction = direction};
  s.start = s.at = (trial){0, d->value, cy_dot_product(d->n, d->gradient, direction)};
  *found = false;
  *rate = 0;
  if (!(s.start.slope < 0)) return CY_OK;
  CY_TRY(bracket(&s, first, found));
  *rate = s.at.rate;
  return CY_OK;
}

static bool stays(const cy_descent *d) {
  for (int64_t i = 0; i < d->n; i++)
    if (d->next_x[i] != d->x[i]) return false;
  return true;
}

/* The value at next_x is known to be lower, or the same to rounding: then the gradient decides. */
static cy_status look_closer(cy_descent *d, bool lower, bool *found) {
  CY_TRY(cy_descent_gradient(d));
  if (!cy_descent_next_is_finite(d)) return CY_OK;
  *found = lower || cy_length(d->n, d->next_gradient) < 0.99 * cy_length(d->n, d->gradient);
  return CY_OK;
}

cy_status cy_search_backwards(cy_descent *d, const double *direction, double first, double *rate, bool *found) {
  double slope = cy_dot_product(d->n, d->gradient, direction);
  *found = false;
  *rate = first;
  if (!(slope < 0)) return CY_OK;
  for (int trials = 0; trials < MOST_TRIALS; trials++) {
    cy_descent_move(d, *rate, direction);
    if (stays(d)) return CY_OK;
    CY_TRY(cy_descent_value(d));
    bool lower = d->next_value <= d->value + decrease * *rate * slope;
    if (lower || same_to_rounding(d, d->next_value)) CY_TRY(look_closer(d, lower, found));
    if (*found) return CY_OK;
    /* The minimum of the parabola through value, slope and this value (Nocedal and Wright, 3.57). */
    double share = -slope * *rate / (2 * (d->next_value - d->value - slope * *rate));
    if (!isfinite(d->next_value)) share = 0.25;
    *rate *= share > 0.1 ? share < 0.5 ? share : 0.5 : 0.1;
  }
  return CY_OK;
}
