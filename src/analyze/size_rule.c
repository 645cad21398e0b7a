/* Rules for sizes. Windows make floor((n + a) / s) + b of n, and chains of them are again of this form, because
 * floor((floor((n + a) / s) + b) / t) = floor((n + a + s b) / (s t)). Enlarging layers put a factor in front, or a
 * slope in the fraction. A rule is stated only if it gives every size that was seen. */
#include "analyze/size_rule.h"

#include "analyze/receptive.h"

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); } /* b > 0 */

static int64_t value_of(const cy_size_rule *r, int64_t n) {
  return r->axis < 0 ? r->plus : r->times * floor_div(r->slope * n - r->minus, r->over) + r->plus;
}

static bool holds(const cy_size_rule *r, const int64_t *size, int64_t count) {
  for (int64_t n = 1; n < count; n++)
    if (size[n] >= 0 && value_of(r, n) != size[n]) return false;
  return true;
}

static bool is_constant(const int64_t *size, int64_t count, int64_t *constant) {
  *constant = -1;
  for (int64_t n = 1; n < count; n++)
    if (size[n] >= 0 && *constant >= 0 && size[n] != *constant) return false;
    else if (size[n] >= 0) *constant = size[n];
  return true;
}

/* The shortest period after which the size has grown by the same amount, wherever both were seen. */
static bool find_period(const int64_t *size, int64_t count, int64_t *period, int64_t *growth) {
  for (*period = 1; *period <= count / 2; ++*period) {
    int64_t pairs = 0;
    bool even = true;
    for (int64_t n = 1; even && n + *period < count; n++) {
      if (size[n] < 0 || size[n + *period] < 0) continue;
      if (pairs++ == 0) *growth = size[n + *period] - size[n];
      even = size[n + *period] - size[n] == *growth;
    }
    if (even && pairs > 1) return true;
  }
  return false;
}

/* floor((slope n + q) / over) for a q that fits all sizes: 0 if there is a choice. */
static bool fit_fraction(const int64_t *size, int64_t count, int64_t slope, int64_t over, int axis,
                         cy_size_rule *rule) {
  int64_t low = INT64_MIN, high = INT64_MAX;
  for (int64_t n = 1; n < count; n++) {
    if (size[n] < 0) continue;
    int64_t least = over * size[n] - slope * n;
    if (least > low) low = least;
    if (least + over - 1 < high) high = least + over - 1;
  }
  if (low > high) return false;
  int64_t q = low <= 0 && high >= 0 ? 0 : low, minus = ((-q % over) + over) % over;
  *rule = (cy_size_rule){true, axis, 1, slope, minus, over, (q + minus) / over};
  return holds(rule, size, count);
}

/* times floor((n - minus) / over) + plus. */
static bool fit_factor(const int64_t *size, int64_t count, int64_t times, int64_t over, int axis, cy_size_rule *rule) {
  int64_t first = 1;
  while (first < count && size[first] < 0) first++;
  for (int64_t minus = 0; minus < over && first < count; minus++) {
    *rule = (cy_size_rule){true, axis, times, 1, minus, over, 0};
    rule->plus = size[first] - value_of(rule, first);
    if (holds(rule, size, count)) return true;
  }
  return false;
}

cy_size_rule cy_fit_size_rule(const int64_t *size, int64_t count, int axis) {
  cy_size_rule rule = {.known = true, .axis = -1};
  int64_t period, growth;
  if (is_constant(size, count, &rule.plus)) return rule;
  if (find_period(size, count, &period, &growth) && growth > 0) {
    int64_t common = cy_common_divisor(period, growth), over = period / common, slope = growth / common;
    if ((slope == 1 || over == 1) && fit_fraction(size, count, slope, over, axis, &rule)) return rule;
    if (fit_factor(size, count, slope, over, axis, &rule)) return rule;
    if (fit_factor(size, count, growth, period, axis, &rule)) return rule;
    if (fit_fraction(size, count, slope, over, axis, &rule)) return rule;
  }
  return (cy_size_rule){.axis = -1};
}

/* ---- as text ---- */

static void add_constant(int64_t constant, cy_text *text) {
  if (constant > 0) cy_text_add(text, " + %lld", (long long)constant);
  if (constant < 0) cy_text_add(text, " - %lld", -(long long)constant);
}

/* Without a fraction: slope n + constant. */
static void linear_text(const cy_size_rule *r, const char *letter, cy_text *text) {
  if (r->slope * r->times != 1) cy_text_add(text, "%lld", (long long)(r->slope * r->times));
  cy_text_add(text, "%s", letter);
  add_constant(r->plus - r->times * r->minus, text);
}

void cy_size_rule_text(const cy_size_rule *r, const char *letter, cy_text *text) {
  if (r->axis < 0) {
    cy_text_add(text, "%lld", (long long)r->plus);
    return;
  }
  if (r->over == 1) {
    linear_text(r, letter, text);
    return;
  }
  if (r->times != 1) cy_text_add(text, "%lld ", (long long)r->times);
  bool sum = r->minus != 0;
  cy_text_add(text, sum ? "floor((" : "floor(");
  if (r->slope != 1) cy_text_add(text, "%lld", (long long)r->slope);
  cy_text_add(text, "%s", letter);
  if (sum) cy_text_add(text, " - %lld)", (long long)r->minus);
  cy_text_add(text, "/%lld)", (long long)r->over);
  add_constant(r->plus, text);
}
