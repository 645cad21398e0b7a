/* Courses in words: the table of iterates, how it ended, what the curvature says; and several methods side by side. */
#include "cli/minimize.h"
#include "cli/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Components of x with a column of their own; the first iterates, all shown; the last ones; notes shown out of turn. */
enum { X_COLUMNS = 4, FIRST_ROWS = 10, LAST_ROWS = 2, NOTED_ROWS = 10 };

const char *cli_end_name(cy_minimize_end end) {
  switch (end) {
    case CY_MINIMIZE_CONVERGED: return "converged";
    case CY_MINIMIZE_STALLED: return "stalled";
    case CY_MINIMIZE_ITERATIONS: return "not converged";
    case CY_MINIMIZE_DIVERGED: return "diverged";
    case CY_MINIMIZE_STOPPED: return "stopped";
  }
  return "";
}

/* ---- the table ---- */

/* 20, 50, 100, 200, 500, ... */
static bool is_round(size_t k) {
  while (k >= 10 && k % 10 == 0) k /= 10;
  return k == 1 || k == 2 || k == 5;
}

static bool is_shown(const cli_course *c, size_t k, int *noted) {
  if (k <= FIRST_ROWS || is_round(k) || k + LAST_ROWS >= c->n || c->n <= FIRST_ROWS + LAST_ROWS + 4) return true;
  return c->iterates[k].note && (*noted)++ < NOTED_ROWS;
}

typedef struct columns {
  int64_t x;
  bool damping, products, note;
} columns;

static columns find_columns(const cli_function *f, const cli_course *c) {
  columns has = {.x = f->n <= X_COLUMNS ? f->n : X_COLUMNS - 1};
  for (size_t k = 0; k < c->n; k++) {
    has.damping = has.damping || c->iterates[k].damping > 0;
    has.products = has.products || c->iterates[k].products > 0;
    has.note = has.note || c->iterates[k].note;
  }
  return has;
}

static void add_heading(const cli_function *f, const columns *has, cli_table *t) {
  char name[CLI_COMPONENT_SIZE];
  cli_table_add(t, "step");
  for (int64_t i = 0; i < has->x; i++) cli_table_add(t, "%s", cli_component_name(f, i, name));
  if (has->x < f->n) cli_table_add(t, "...");
  cli_table_add(t, "f");
  cli_table_add(t, "|gradient|");
  cli_table_add(t, "|step|");
  cli_table_add(t, "rate");
  if (has->damping) cli_table_add(t, "damping");
  if (has->products) cli_table_add(t, "products");
  if (has->note) cli_table_add(t, "note");
}

static double without_sign(double zero) { return zero == 0 ? 0 : zero; }

static void add_row(const cli_function *f, const cli_course *c, const columns *has, size_t k, cli_table *t) {
  const cli_iterate *it = &c->iterates[k];
  cli_table_add(t, "%zu", k);
  for (int64_t i = 0; i < has->x; i++)
    if (it->x) cli_table_add(t, "%.8g", without_sign(it->x[i]));
    else cli_table_add(t, "-");
  if (has->x < f->n) cli_table_add(t, " ");
  cli_table_add(t, "%.8g", without_sign(it->value));
  cli_table_add(t, "%.3g", it->gradient_norm);
  if (k == 0) cli_table_add(t, " ");
  else cli_table_add(t, "%.3g", it->step);
  if (k == 0) cli_table_add(t, " ");
  else cli_table_add(t, "%.4g", it->rate);
  if (has->damping) cli_table_add(t, "%.3g", it->damping);
  if (has->products) cli_table_add(t, "%" PRId64, it->products);
  if (has->note) cli_table_add(t, "%s", it->note ? it->note : "");
}

static void add_gap(int columns, cli_table *t) {
  for (int i = 0; i < columns; i++) cli_table_add(t, i == 0 ? "..." : " ");
}

static cy_status print_table(const cli_function *f, const cli_course *c) {
  char align[X_COLUMNS + 10];
  columns has = find_columns(f, c);
  int n = (int)has.x + (has.x < f->n) + 5 + has.damping + has.products, noted = 0;
  memset(align, 'r', sizeof align);
  align[n] = 'l';
  cli_table t = {.columns = n + has.note, .align = align};
  cli_terminal terminal = cli_terminal_of(STDOUT_FILENO);
  add_heading(f, &has, &t);
  bool gap = false;
  for (size_t k = 0; k < c->n; k++) {
    bool shown = is_shown(c, k, &noted);
    if (!shown) gap = true;
    else if (gap) add_gap(t.columns, &t), gap = false;
    if (shown) add_row(f, c, &has, k, &t);
  }
  bool failed = t.failed;
  if (!failed) cli_table_print(&t, &terminal, 0);
  cli_table_clear(&t);
  return failed ? cy_no_memory() : CY_OK;
}

/* ---- how it ended ---- */

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

static cy_status print_end(const cli_function *f, const cli_course *c) {
  const cy_minimize_report *r = &c->report;
  char *point = cli_point_text(f, c->x);
  if (!point) return cy_no_memory();
  if (r->end == CY_MINIMIZE_CONVERGED)
    printf("converged after %" PRId64 " iteration%s: f = %.6g at %s (|gradient| %.2g)\n", r->iterations,
           plural(r->iterations), without_sign(r->value), point, r->gradient_norm);
  else if (r->end == CY_MINIMIZE_STALLED)
    printf("stopped after %" PRId64
           " iteration%s, where no step lowers f in floating-point numbers: f = %.6g at %s (|gradient| "
           "%.2g)\n",
           r->iterations, plural(r->iterations), without_sign(r->value), point, r->gradient_norm);
  else if (r->end == CY_MINIMIZE_STOPPED && r->iterations == 0)
    printf("the start: f = %.6g at %s (|gradient| %.2g)\n", without_sign(r->value), point, r->gradient_norm);
  else
    printf("%s after %" PRId64 " iteration%s: the lowest was f = %.6g at %s (|gradient| %.2g)\n", cli_end_name(r->end),
           r->iterations, plural(r->iterations), without_sign(r->value), point, r->gradient_norm);
  cy_string_free(point);
  if (c->explanation) printf("%s\n", c->explanation);
  return CY_OK;
}

/* Eigenvalues that rounding can't tell from 0. */
static bool is_flat(const cli_course *c, double lambda) {
  return fabs(lambda) <= 1e-7 * fmax(fabs(c->lambda_min), fabs(c->lambda_max));
}

static void print_step_bounds(const cli_function *f, const cli_course *c) {
  double low = c->lambda_min, high = c->lambda_max;
  printf("the rate of plain gradient descent must be below 2/lambda_max = %.6g", 2 / high);
  if (f->n == 1) printf("; 1/lambda_max = %.6g is Newton's step\n", 1 / high);
  else if (low > 0 && !is_flat(c, low))
    printf("; 2/(lambda_min + lambda_max) = %.6g is best,\nand leaves %.6g of the error at each step\n",
           2 / (low + high), (high - low) / (high + low));
  else printf("\n");
}

static void print_curvature(const cli_function *f, const cli_course *c) {
  double low = c->lambda_min, high = c->lambda_max;
  bool flat = high == 0 && low == 0, minimum = low >= 0 || (high > 0 && is_flat(c, low));
  if (isnan(high) || c->report.end == CY_MINIMIZE_DIVERGED) return;
  if (f->n == 1) printf("curvature there: %.6g", high);
  else printf("curvature there: lambda_min = %.6g, lambda_max = %.6g", low, high);
  if (f->n > 1 && low > 0 && !is_flat(c, low)) printf(" (condition number %.6g)", high / low);
  printf("%s\n", flat                     ? ", flat"
                 : minimum                ? ""
                 : f->n == 1 || high <= 0 ? ": no minimum"
                                          : ": no minimum, but a saddle");
  if (high > 0) print_step_bounds(f, c);
}

cy_status cli_course_print(const cli_function *f, const cli_course *c) {
  CY_TRY(print_table(f, c));
  printf("\n");
  CY_TRY(print_end(f, c));
  print_curvature(f, c);
  return CY_OK;
}

/* ---- side by side ---- */

cy_status cli_courses_compare(const cli_course *courses, int n) {
  cli_table t = {.columns = 7, .align = "lrrrrrl"};
  cli_terminal terminal = cli_terminal_of(STDOUT_FILENO);
  static const char *const heading[] = {"method", "iterations", "evaluations", "products", "f", "|gradient|", "end"};
  for (int i = 0; i < t.columns; i++) cli_table_add(&t, "%s", heading[i]);
  for (int i = 0; i < n; i++) {
    const cy_minimize_report *r = &courses[i].report;
    cli_table_add(&t, "%s", courses[i].method);
    cli_table_add(&t, "%" PRId64, r->iterations);
    cli_table_add(&t, "%" PRId64, r->evaluations);
    cli_table_add(&t, "%" PRId64, r->products);
    cli_table_add(&t, "%.8g", without_sign(r->value));
    cli_table_add(&t, "%.2g", r->gradient_norm);
    cli_table_add(&t, "%s", cli_end_name(r->end));
  }
  bool failed = t.failed;
  if (!failed) cli_table_print(&t, &terminal, 0);
  cli_table_clear(&t);
  return failed ? cy_no_memory() : CY_OK;
}
