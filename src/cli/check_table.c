/* The checks as tables: layers alone, a line each; gradients of the loss, a line per tensor; the rest. */
#include "cli/check.h"

#include "cli/model_file.h"
#include "cli/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const results[] = {"ok", "FAILED", "skipped"};
static const char *mode_of(const cy_check_row *row) { return row->training ? "training" : "inference"; }

enum { FIGURE_SIZE = 32 };
static const char *figure_text(double figure, char buffer[FIGURE_SIZE]) {
  if (isnan(figure)) snprintf(buffer, FIGURE_SIZE, "-");
  else snprintf(buffer, FIGURE_SIZE, "%.1e", figure);
  return buffer;
}

static bool is_of_layer(const cy_check_row *row) { return row->kind <= CY_CHECK_LAYER_HESSIAN; }

/* ---- layers ---- */

/* What the rows from number `at` on say of one layer in one mode; returns the number of the first row of the next. */
typedef struct layer_summary {
  const cy_check_row *first;
  double figure[4];
  int passed_over;
  cy_check_result result;
} layer_summary;

static int summarise(const cy_check_report *report, int at, layer_summary *s) {
  *s = (layer_summary){.first = cy_check_at(report, at), .figure = {NAN, NAN, NAN, NAN}};
  const cy_check_row *row;
  for (; (row = cy_check_at(report, at)) != NULL; at++) {
    bool same = strcmp(row->layer, s->first->layer) == 0 && row->training == s->first->training;
    if (!is_of_layer(row) || !same || row->kind < s->first->kind) break;
    if (row->kind == CY_CHECK_LAYER_DERIVATIVE && row != s->first && strcmp(row->subject, "input") == 0) break;
    s->figure[row->kind] = fmax(s->figure[row->kind], row->figure);
    s->passed_over += row->passed_over;
    if (row->result == CY_CHECK_FAILED) s->result = CY_CHECK_FAILED;
  }
  return at;
}

static void print_layers(const cy_check_report *report, const cli_terminal *terminal) {
  cli_table t = {.columns = 8, .align = "llrrrrrl"};
  char buffer[FIGURE_SIZE];
  static const char *const head[] = {"layer", "mode", "derivative", "transpose", "symmetry", "Hessian", "at kinks", ""};
  for (int i = 0; i < t.columns; i++) cli_table_add(&t, "%s", head[i]);
  const cy_check_row *row;
  for (int at = 0; (row = cy_check_at(report, at)) != NULL;) {
    layer_summary s;
    if (!is_of_layer(row)) {
      at++;
      continue;
    }
    at = summarise(report, at, &s);
    cli_table_add(&t, "%s", s.first->layer);
    cli_table_add(&t, "%s", mode_of(s.first));
    for (int k = 0; k < 4; k++) cli_table_add(&t, "%s", figure_text(s.figure[k], buffer));
    cli_table_add(&t, "%d", s.passed_over);
    cli_table_add(&t, "%s", results[s.result]);
  }
  if (t.n > (size_t)t.columns) {
    printf("each layer alone, u'F(input, parameters) for a random u: relative errors of its derivative (against differences),\n"
           "forward against reverse mode, symmetry of its Hessian, Hessian (against differences of gradients)\n");
    cli_table_print(&t, terminal, 0);
    printf("\n");
  }
  cli_table_clear(&t);
}

/* ---- gradients ---- */

static void print_gradients(const cy_check_report *report, const cli_terminal *terminal) {
  cli_table t = {.columns = 6, .align = "llrrrl"};
  char buffer[FIGURE_SIZE];
  static const char *const head[] = {"gradient by", "mode", "error", "compared", "at kinks", ""};
  for (int i = 0; i < t.columns; i++) cli_table_add(&t, "%s", head[i]);
  const cy_check_row *row;
  for (int i = 0; (row = cy_check_at(report, i)) != NULL; i++) {
    if (row->kind != CY_CHECK_GRADIENT) continue;
    cli_table_add(&t, "%s", row->subject);
    cli_table_add(&t, "%s", mode_of(row));
    cli_table_add(&t, "%s", figure_text(row->figure, buffer));
    cli_table_add(&t, "%d", row->compared);
    cli_table_add(&t, "%d", row->passed_over);
    cli_table_add(&t, "%s", results[row->result]);
  }
  printf("gradient of the loss against central differences, along random directions and single coordinates\n");
  cli_table_print(&t, terminal, 0);
  printf("\n");
  cli_table_clear(&t);
}

/* ---- the network ---- */

static void print_rest(const cy_check_report *report, const cli_terminal *terminal) {
  cli_table t = {.columns = 5, .align = "llrrl"};
  char buffer[FIGURE_SIZE];
  static const char *const head[] = {"whole network", "", "error", "tolerance", ""};
  for (int i = 0; i < t.columns; i++) cli_table_add(&t, "%s", head[i]);
  const cy_check_row *row;
  for (int i = 0; (row = cy_check_at(report, i)) != NULL; i++) {
    if (is_of_layer(row) || row->kind == CY_CHECK_GRADIENT) continue;
    cli_table_add(&t, "%s", cy_check_name(row->kind));
    cli_table_add(&t, "%s", row->subject[0] ? row->subject : mode_of(row));
    cli_table_add(&t, "%s", figure_text(row->figure, buffer));
    cli_table_add(&t, "%.0e", row->tolerance);
    cli_table_add(&t, "%s", results[row->result]);
  }
  cli_table_print(&t, terminal, 0);
  cli_table_clear(&t);
  printf("\n");
  const char *last = "";
  for (int i = 0; (row = cy_check_at(report, i)) != NULL; i++) {
    if (!row->note[0] || strcmp(row->note, last) == 0) continue;
    bool which = (row->kind == CY_CHECK_EQUIVARIANCE || row->held > 0) && row->subject[0];
    printf("%s%s%s", row->held > 0 && is_of_layer(row) ? row->layer : "", row->held > 0 && is_of_layer(row) ? ": " : "",
           cy_check_name(row->kind));
    printf("%s%s%s: %s\n", which ? " (" : "", which ? row->subject : "", which ? ")" : "", row->note);
    last = row->note;
  }
}

static void print_effort(cy_check_effort e) {
  printf("%lld sample%s; per tensor %d random direction%s and %d coordinate%s%s\n\n", (long long)e.batch,
         e.batch == 1 ? "" : "s", e.directions, e.directions == 1 ? "" : "s", e.coordinates,
         e.coordinates == 1 ? "" : "s",
         e.reduced ? ": less than usual, as the network is large (--batch, --directions, --coordinates)" : "");
}

cy_status cli_check_print(const cli_check *c) {
  cli_terminal terminal = cli_terminal_of(STDOUT_FILENO);
  char shape[CLI_SHAPE_SIZE];
  int n = cy_check_count(c->report), failed = cy_check_failures(c->report), skipped = 0;
  for (int i = 0; i < n; i++) skipped += cy_check_at(c->report, i)->result == CY_CHECK_SKIPPED;
  printf("input %s, %s weights, %s samples, f64\n", cli_shape_text(c->network.sample, shape),
         c->options.weights ? "saved" : "random", c->samples);
  print_effort(cy_check_report_effort(c->report));
  print_layers(c->report, &terminal);
  print_gradients(c->report, &terminal);
  print_rest(c->report, &terminal);
  printf("\n%d checks: %d passed, %d failed, %d skipped\n", n, n - failed - skipped, failed, skipped);
  return CY_OK;
}
