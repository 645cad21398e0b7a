/* Colours of weights. Lightness and hue are those of OKLab, so that neighbours in a kernel look equally far apart. */
#include "analyze/weight_colors.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* A share of the way along an axis; the middle if there is no way. */
static double share(int64_t at, int64_t extent) { return extent > 1 ? (double)at / (double)(extent - 1) : 0.5; }

static cy_lab from_hue(double lightness, double chroma, double degrees) {
  return (cy_lab){lightness, chroma * cos(degrees * pi / 180), chroma * sin(degrees * pi / 180)};
}

cy_lab cy_weight_color(cy_shape shape, int64_t index, int turn) {
  int64_t columns = shape.rank > 0 ? shape.dim[shape.rank - 1] : 1, rows = shape.rank > 1 ? shape.dim[shape.rank - 2] : 1;
  if (shape.rank == 3) rows = 1; /* [O, C, k]: a kernel of one axis */
  double column = share(index % columns, columns), row = share(index / columns % rows, rows);
  return from_hue(0.80 - 0.30 * row, 0.125 + 0.02 * (1 - fabs(2 * row - 1)), 262 - 222 * column - 40 * turn);
}

cy_lab cy_value_color(double value, double magnitude) {
  double strength = magnitude > 0 ? fmin(1, fabs(value) / magnitude) : 0;
  strength = 0.12 + 0.88 * strength;
  return cy_mixed_color((cy_lab){0.985, 0, 0}, value < 0 ? from_hue(0.62, 0.17, 45) : from_hue(0.48, 0.14, 258), strength);
}

cy_lab cy_mixed_color(cy_lab a, cy_lab b, double t) {
  return (cy_lab){a.l + (b.l - a.l) * t, a.a + (b.a - a.a) * t, a.b + (b.b - a.b) * t};
}

static int channel(double linear) {
  double v = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
  return v <= 0 ? 0 : v >= 1 ? 255 : (int)(v * 255 + 0.5);
}

int cy_lab_rgb(cy_lab c) {
  double l = pow(c.l + 0.3963377774 * c.a + 0.2158037573 * c.b, 3), m = pow(c.l - 0.1055613458 * c.a - 0.0638541728 * c.b, 3),
         s = pow(c.l - 0.0894841775 * c.a - 1.2914855480 * c.b, 3);
  return channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s) << 16 |
         channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s) << 8 |
         channel(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s);
}

int cy_ink_on(cy_lab lab) { return lab.l > 0.6 ? 0x1d1d1d : 0xffffff; }
