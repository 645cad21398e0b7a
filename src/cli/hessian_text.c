/* The curvature as text: what was looked at, the size of the matrix and what a product costs, then what was found. */
#include "cli/hessian.h"

#include "cli/model_file.h"
#include "cli/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LABEL = 14 };

static void label(const cli_terminal *t, const char *name) {
  printf("%s%-*s%s", cli_style_on(t, CLI_BOLD), LABEL, name, cli_style_off(t));
}

const char *cli_matrix_title(const cli_hessian *h) {
  static const char *const titles[CY_CURVATURES] = {"Hessian", "Gauss-Newton", "Fisher"};
  return titles[h->curvature.matrix];
}

static void print_head(const cli_hessian *h) {
  char shape[CLI_SHAPE_SIZE], a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE];
  printf("input %s, %s weights, %s in %s%s\n", cli_shape_text(h->network.sample, shape),
         h->network.trained ? "saved" : "random", h->loss, cy_dtype_name(h->options.dtype),
         h->options.training ? ", as in training" : "");
  if (h->random_data) printf("%s random samples", cli_count_text(h->samples, a));
  else printf("%s of %s %ssamples of %s", cli_count_text(h->samples, a), cli_count_text(h->of_samples, b),
              h->own_data ? "training " : "", cy_dataset_name(h->dataset));
  printf(": loss %.6g, norm of the gradient %.4g\n\n", h->value, h->gradient_norm);
}

static const char *time_text(double seconds, char buffer[CLI_NUMBER_SIZE]) {
  if (seconds >= 1) return cli_seconds_text(seconds, buffer);
  snprintf(buffer, CLI_NUMBER_SIZE, seconds >= 1e-3 ? "%.3g ms" : "%.3g us", seconds * (seconds >= 1e-3 ? 1e3 : 1e6));
  return buffer;
}

static void print_cost(const cli_hessian *h, const cli_terminal *t) {
  char n[CLI_NUMBER_SIZE], weight[CLI_NUMBER_SIZE], a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE];
  double numbers = (double)h->n * (double)h->n;
  cli_count_text(h->n, n);
  label(t, cli_matrix_title(h));
  printf("%s x %s: %s in float32; %s\n", n, n, cli_weight_text(4 * numbers, weight),
         h->full ? "formed, for --full" : "only products are formed");
  label(t, "product");
  printf("%.3g operations, %.2f of a gradient's; %s, %.2f of its time; %s for values, %.2f of its\n", h->cost.flops,
         h->cost.flops / h->gradient_cost.flops, time_text(h->seconds, a), h->seconds / h->gradient_seconds,
         cli_bytes_text((double)h->cost.arena_bytes, b),
         (double)h->cost.arena_bytes / (double)h->gradient_cost.arena_bytes);
}

static void print_end(const cli_terminal *t, const char *name, const cy_eigenvalue *values, int n) {
  label(t, name);
  for (int i = 0; i < n; i++)
    printf("%s%.6g +- %.1e", i == 0 ? "" : i % 4 == 0 ? ",\n              " : ", ", values[i].value,
           values[i].residual);
  printf("\n");
}

static void print_eigenvalues(const cli_hessian *h, const cli_terminal *t) {
  const cy_eigenvalues *e = &h->eigenvalues;
  print_end(t, "largest", e->largest, e->n_largest);
  print_end(t, "smallest", e->smallest, e->n_smallest);
  label(t, "");
  printf("eigenvalues, each within its bound, after %lld products%s; repeated ones may be there once\n",
         (long long)e->steps, e->converged ? "" : ", not converged: the bounds say how far");
}

static void print_steps(const cli_hessian *h, const cli_terminal *t) {
  label(t, "steps");
  if (isinf(h->bounds.most)) printf("no positive curvature: no bound\n");
  else printf("1 / lambda = %.4g is best along the steepest curve; gradient descent%s diverges there from "
              "2 / lambda = %.4g\n", h->bounds.best,
              h->curvature.matrix == CY_HESSIAN ? "" : " on the model with this matrix", h->bounds.most);
}

static void print_trace(const cli_hessian *h, const cli_terminal *t) {
  label(t, "trace");
  printf("%.6g +- %.2g (standard error, %lld random vectors); mean eigenvalue %.4g\n", h->trace.value, h->trace.error,
         (long long)h->trace.probes, h->trace.value / (double)h->n);
}

/* By parameter tensor: sums of the diagonal. */
static cy_status print_blocks(const cli_hessian *h, const cli_terminal *t) {
  cli_hessian_block *blocks;
  cli_table table = {.columns = 4, .align = "lrrr"};
  char text[CLI_NUMBER_SIZE];
  int n;
  CY_TRY(cli_hessian_blocks(h, &blocks, &n));
  static const char *const head[] = {"parameters", "numbers", "trace", "mean of the diagonal"};
  for (int i = 0; i < table.columns; i++) cli_table_add(&table, "%s", head[i]);
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int64_t k = 0; k < blocks[i].count; k++) sum += h->diagonal[blocks[i].first + k];
    cli_table_add(&table, "%s", blocks[i].name);
    cli_table_add(&table, "%s", cli_count_text(blocks[i].count, text));
    cli_table_add(&table, "%.4g", sum);
    cli_table_add(&table, "%.3g", sum / (double)blocks[i].count);
  }
  printf("\n");
  cli_table_print(&table, t, 0);
  cli_table_clear(&table);
  cy_free(blocks);
  return CY_OK;
}

/* Shares of the spectrum by distance from zero, relative to the largest magnitude. */
static void print_density(const cli_hessian *h, const cli_terminal *t) {
  const cy_density *d = &h->density;
  double size = fmax(fabs(d->low), fabs(d->high));
  char a[CLI_NUMBER_SIZE];
  label(t, "density");
  printf("%lld random vectors, %lld products; share of the eigenvalues:\n", (long long)d->probes,
         (long long)d->products);
  if (size == 0) { /* a function without curvature, such as mae of a linear network */
    label(t, "");
    printf("%11d    %-11s %10s\n", 0, "", cli_percent_text(1, a));
    return;
  }
  const double edges[] = {-1.0001, -0.1, -0.01, -0.001, 0.001, 0.01, 0.1, 1.0001};
  for (int i = 0; i < 7; i++) {
    double low = edges[i] * size, high = edges[i + 1] * size;
    double share = cy_density_share(d, low, nextafter(high, low));
    if (share < 5e-7) continue;
    label(t, "");
    printf("%11.3g .. %-11.3g %10s\n", fmax(low, -size), fmin(high, size), cli_percent_text(share, a));
  }
}

/* The slope of log error against log r over the decade beside an end. */
static double branch_slope(const cy_difference *rows, int first, int last) {
  return log(rows[last].error / rows[first].error) / log(rows[last].r / rows[first].r);
}

static void print_differences(const cli_hessian *h, const cli_terminal *t) {
  const cy_difference *rows = h->differences, *best = &rows[h->best_difference];
  int b = h->best_difference;
  label(t, "differences");
  printf("(g(w + r v) - g(w)) / r against H v, in f64: error by r\n");
  for (int i = 0; i < CLI_DIFFERENCES; i += 4) {
    label(t, "");
    if (isfinite(rows[i].error)) printf("%8.0e  %9.2e", rows[i].r, rows[i].error);
    else printf("%8.0e  %9s", rows[i].r, "overflow");
    printf("%s\n", i / 4 == (b + 2) / 4 ? "  <- about the best" : "");
  }
  label(t, "");
  printf("best r = %.1e, error %.1e", best->r, best->error);
  if (b >= 8 && b + 8 < CLI_DIFFERENCES) {
    double below = branch_slope(rows, b - 8, b - 4), above = branch_slope(rows, b + 4, b + 8);
    if (isfinite(below) && isfinite(above)) /* neither error is 0, as a quadratic function's may be */
      printf("; below it error ~ r^%.1f (round-off), above ~ r^%.1f", below, above);
  }
  printf("\n");
}

cy_status cli_hessian_print(const cli_hessian *h) {
  cli_terminal terminal = cli_terminal_of(STDOUT_FILENO);
  print_head(h);
  print_cost(h, &terminal);
  print_eigenvalues(h, &terminal);
  print_steps(h, &terminal);
  print_trace(h, &terminal);
  if (h->wants_density) print_density(h, &terminal);
  if (h->wants_differences) print_differences(h, &terminal);
  if (h->full) {
    label(&terminal, "full matrix");
    printf("%s; columns differed from rows by %.1e of the largest entry before they were averaged\n", h->full,
           h->asymmetry);
  }
  return h->wants_trace ? print_blocks(h, &terminal) : CY_OK;
}
