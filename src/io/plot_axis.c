/* Round numbers for axes. Invariant: ticks lie within [low, high], ascend, and number at most CY_TICK_MAX. */
#include "io/plot_axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double cy_axis_place(const cy_axis *axis, double value) {
  if (axis->log) return (log(value) - log(axis->low)) / (log(axis->high) - log(axis->low));
  return (value - axis->low) / (axis->high - axis->low);
}

/* 12345 -> "12 345", with the thin space of typography. */
static void group_thousands(double value, char text[CY_TICK_TEXT]) {
  char digits[24];
  int n = snprintf(digits, sizeof digits, "%.0f", fabs(value)), length = 0;
  if (value < 0) length = snprintf(text, CY_TICK_TEXT, "\u2212");
  for (int i = 0; i < n && length < CY_TICK_TEXT - 5; i++) {
    if (i && (n - i) % 3 == 0) length += snprintf(text + length, (size_t)(CY_TICK_TEXT - length), "\u2009");
    text[length++] = digits[i];
  }
  text[length] = 0;
}

/* 3 x 10^-7, with superscripts. */
static void power_of_ten(double mantissa, int exponent, char text[CY_TICK_TEXT]) {
  static const char *const superscript[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  int n = 0;
  if (fabs(mantissa - 1) > 1e-9) n = snprintf(text, CY_TICK_TEXT, "%.3g·", mantissa);
  n += snprintf(text + n, (size_t)(CY_TICK_TEXT - n), "10%s", exponent < 0 ? "⁻" : "");
  char digits[16];
  snprintf(digits, sizeof digits, "%d", exponent < 0 ? -exponent : exponent);
  for (const char *d = digits; *d; d++)
    n += snprintf(text + n, (size_t)(CY_TICK_TEXT - n), "%s", superscript[*d - '0']);
}

static void scientific(double value, char text[CY_TICK_TEXT]) {
  int exponent = (int)floor(log10(fabs(value)) + 1e-9);
  power_of_ten(value / pow(10, exponent), exponent, text);
}

static void with_decimals(double value, int decimals, char text[CY_TICK_TEXT]) {
  if (fabs(value) < 0.5 * pow(10, -decimals)) value = 0;
  snprintf(text, CY_TICK_TEXT, "%s%.*f", value < 0 ? "\u2212" : "", decimals, fabs(value));
}

/* One label of a linear axis whose ticks are step apart. */
static void linear_label(const cy_axis *axis, double value, double step, char text[CY_TICK_TEXT]) {
  double size = fmax(fabs(axis->low), fabs(axis->high));
  if (axis->percent) {
    int decimals = (int)fmax(0, ceil(-log10(step * 100) - 1e-9));
    with_decimals(value * 100, decimals < 6 ? decimals : 6, text);
    strncat(text, " %", CY_TICK_TEXT - strlen(text) - 1);
  } else if (fabs(value) < step * 1e-6) {
    snprintf(text, CY_TICK_TEXT, "0");
  } else if (size >= 1e9 || size < 1e-4) {
    scientific(value, text);
  } else if (step >= 1 && size >= 1e6) {
    bool millions = step >= 1e5;
    double unit = millions ? 1e6 : 1e3;
    with_decimals(value / unit, step >= unit * 0.999 ? 0 : 1, text);
    strncat(text, millions ? "M" : "k", CY_TICK_TEXT - strlen(text) - 1);
  } else if (step >= 1) {
    group_thousands(value, text);
  } else {
    int decimals = (int)ceil(-log10(step) - 1e-9);
    with_decimals(value, decimals < 9 ? decimals : 9, text);
  }
}

static double round_step(double rough) {
  double power = pow(10, floor(log10(rough))), digit = rough / power;
  return power * (digit <= 1 + 1e-9 ? 1 : digit <= 2 + 1e-9 ? 2 : digit <= 5 + 1e-9 ? 5 : 10);
}

static void linear_ticks(cy_axis *axis, int wanted, bool whole) {
  double span = axis->high - axis->low, step = round_step(span / wanted);
  if (whole && step < 1) step = 1;
  double first = ceil(axis->low / step - 1e-9);
  for (int i = 0; axis->n_ticks < CY_TICK_MAX; i++) {
    double value = (first + i) * step;
    if (value > axis->high + span * 1e-9 || !(value > axis->low - span * 1e-9)) break;
    cy_tick *tick = &axis->tick[axis->n_ticks++];
    tick->value = value;
    linear_label(axis, value, step, tick->label);
  }
}

static void log_label(const cy_axis *axis, double value, char text[CY_TICK_TEXT]) {
  int exponent = (int)floor(log10(value) + 1e-9);
  double mantissa = value / pow(10, exponent);
  if (axis->percent && exponent >= -6) {
    with_decimals(value * 100, exponent < -2 ? -2 - exponent : 0, text);
    strncat(text, " %", CY_TICK_TEXT - strlen(text) - 1);
  } else if (exponent >= -3 && exponent <= 0) {
    with_decimals(value, -exponent, text);
  } else if (exponent > 0 && exponent <= 4) {
    group_thousands(value, text);
  } else {
    power_of_ten(mantissa, exponent, text);
  }
}

/* Powers of ten, every k-th labelled; within two decades also 2 and 5 times them; minor ticks between. */
static void log_ticks(cy_axis *axis, int wanted) {
  int first = (int)floor(log10(axis->low)), last = (int)ceil(log10(axis->high));
  double decades = log10(axis->high) - log10(axis->low);
  int every = (int)fmax(1, ceil(decades / wanted)), minor = decades <= 3 ? 9 : 1;
  for (int exponent = first; exponent <= last; exponent++) {
    for (int digit = 1; digit <= minor; digit++) {
      double value = digit * pow(10, exponent);
      if (value < axis->low * (1 - 1e-9) || value > axis->high * (1 + 1e-9)) continue;
      if (axis->n_ticks == CY_TICK_MAX) return;
      bool labelled = digit == 1 ? ((exponent % every) + every) % every == 0
                                 : decades <= 0.7 || (decades <= 2 && (digit == 2 || digit == 5));
      if (digit == 1 && !labelled) continue;
      cy_tick *tick = &axis->tick[axis->n_ticks++];
      tick->value = value;
      tick->label[0] = 0;
      if (labelled) log_label(axis, value, tick->label);
    }
  }
}

void cy_axis_ticks(cy_axis *axis, int wanted, bool whole) {
  axis->n_ticks = 0;
  if (wanted < 2) wanted = 2;
  if (!axis->log) {
    linear_ticks(axis, wanted, whole);
    return;
  }
  log_ticks(axis, wanted);
  int labels = 0;
  for (int i = 0; i < axis->n_ticks; i++) labels += axis->tick[i].label[0] != 0;
  if (labels >= 2) return;
  axis->n_ticks = 0; /* a narrow range holds no round powers: number it as a linear one */
  linear_ticks(axis, wanted, false);
}

void cy_axis_value(const cy_axis *axis, double value, char text[CY_TICK_TEXT]) {
  double size = fabs(value);
  if (axis->percent) {
    with_decimals(value * 100, size >= 1 ? 0 : size >= 0.1 ? 1 : 2, text);
    strncat(text, " %", CY_TICK_TEXT - strlen(text) - 1);
  } else if (size != 0 && (size < 1e-3 || size >= 1e6)) {
    scientific(value, text);
  } else if (size >= 1000) {
    group_thousands(value, text);
  } else {
    with_decimals(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 || size == 0 ? 2 : size >= 0.01 ? 3 : 5, text);
  }
}
