/* The curvature as pictures: the spectral density on a logarithmic scale, and the error of finite-difference
 * products by their step, where the two branches are straight lines. */
#include "cli/hessian.h"

#include "cli/model_file.h"

#include <math.h>
#include <stdio.h>

enum { POINTS = 1200, TITLE = 200 };

/* Draws into FOLDER/name.png and .svg. */
static cy_status draw(const cli_hessian *h, const char *name, const cy_plot_panel *panel, cy_plot_options options) {
  char file[2][64];
  snprintf(file[0], sizeof file[0], "%s.png", name);
  snprintf(file[1], sizeof file[1], "%s.svg", name);
  char *png = cli_join(h->folder, file[0]), *svg = cli_join(h->folder, file[1]);
  cy_status status = png && svg ? cy_plot_lines(panel, 1, options, png, svg) : cy_no_memory();
  cy_string_free(png);
  cy_string_free(svg);
  return status;
}

/* Each eigenvalue is drawn as a bell a hundredth of the spectrum wide; the scale ends at a hundredth of the height
 * that a single eigenvalue's bell has. */
static cy_status draw_density(const cli_hessian *h) {
  const cy_density *d = &h->density;
  double width = d->high - d->low, deviation = width > 0 ? width / 100 : fmax(fabs(d->high), 1e-12) / 100;
  double *x = cy_calloc(2 * POINTS, sizeof *x), *y = x + POINTS, most = 0;
  char title[TITLE], subtitle[TITLE];
  if (!x) return cy_no_memory();
  for (int i = 0; i < POINTS; i++) {
    x[i] = d->low - 5 * deviation + (width + 10 * deviation) * i / (POINTS - 1);
    y[i] = cy_density_at(d, x[i], deviation);
    most = fmax(most, y[i]);
  }
  double least = 0.01 / (double)h->n / (deviation * sqrt(2 * M_PI));
  for (int i = 0; i < POINTS; i++) y[i] = fmax(y[i], least / 1000); /* out of sight, where no logarithm fails */
  snprintf(title, sizeof title, "Spectral density, %s matrix of %lld parameters", cli_matrix_title(h), (long long)h->n);
  snprintf(subtitle, sizeof subtitle, "%lld random vectors; smallest eigenvalue %.3g, largest %.3g",
           (long long)d->probes, h->eigenvalues.smallest[0].value, h->eigenvalues.largest[0].value);
  cy_plot_series series = {.x = x, .y = y, .n = POINTS};
  cy_plot_panel panel = {.y_label = "share per unit", .series = &series, .n_series = 1, .log_y = true,
                         .y_low = least, .y_high = most * 2};
  cy_plot_options options = {.title = title, .subtitle = subtitle, .x_label = "eigenvalue", .no_ends = true};
  cy_status status = draw(h, "density", &panel, options);
  cy_free(x);
  return status;
}

/* A branch as a straight line of slope +-1 through one of its points. */
static void branch(const cli_hessian *h, int through, double slope, double *x, double *y) {
  const cy_difference *rows = h->differences, *p = &rows[through];
  double low = rows[0].error, high = rows[0].error;
  for (int i = 1; i < CLI_DIFFERENCES; i++) {
    if (rows[i].error > 0) low = fmin(low, rows[i].error);
    high = fmax(high, rows[i].error);
  }
  for (int i = 0; i < CLI_DIFFERENCES; i++) {
    x[i] = rows[i].r;
    y[i] = p->error * pow(rows[i].r / p->r, slope);
    if (y[i] < low / 3 || y[i] > high * 3) y[i] = NAN;
  }
}

static cy_status draw_differences(const cli_hessian *h) {
  double r[CLI_DIFFERENCES], error[CLI_DIFFERENCES], rising[CLI_DIFFERENCES], falling[CLI_DIFFERENCES];
  char subtitle[TITLE];
  int best = h->best_difference, above = best + 8 < CLI_DIFFERENCES ? best + 8 : CLI_DIFFERENCES - 1,
      below = best >= 8 ? best - 8 : 0;
  for (int i = 0; i < CLI_DIFFERENCES; i++) error[i] = h->differences[i].error;
  branch(h, above, 1, r, rising);
  branch(h, below, -1, r, falling);
  cy_plot_series series[] = {
      {.name = "|difference - Hv| / |Hv|", .x = r, .y = error, .n = CLI_DIFFERENCES},
      {.name = "truncation, ~ r", .x = r, .y = rising, .n = CLI_DIFFERENCES, .dashed = true},
      {.name = "round-off, ~ 1 / r", .x = r, .y = falling, .n = CLI_DIFFERENCES, .dashed = true},
  };
  cy_plot_panel panel = {.y_label = "relative error", .series = series, .n_series = 3, .log_y = true};
  snprintf(subtitle, sizeof subtitle, "best r %.1e, error %.1e; the exact product has no such choice",
           h->differences[best].r, h->differences[best].error);
  return draw(h, "differences", &panel,
              (cy_plot_options){.title = "Hessian products by differences of gradients, f64", .subtitle = subtitle,
                                .x_label = "r", .log_x = true, .no_ends = true});
}

cy_status cli_hessian_draw(const cli_hessian *h) {
  if (h->wants_density) CY_TRY(draw_density(h));
  return h->wants_differences ? draw_differences(h) : CY_OK;
}
