/* Gradient flow as tables: norms by lag, what each recurrent matrix and the Jacobians of steps are like, clipping. */
#include "cli/flow.h"

#include "cli/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 24, LAGS = 64, SHORT = 18 };

/* One curve: a layer of a case, by its state or by its memory. */
typedef struct column {
  const cli_flow_case *of;
  const cy_flow_layer *layer;
  const double *norms;
  char name[CLI_FLOW_LABEL + 120];
} column;

static void add_column(column *columns, int *n, const cli_flow_case *c, int k, bool memory, bool numbered, int number) {
  const cy_flow_layer *layer = &c->flow->layers[k];
  if (*n == COLUMNS) return;
  column *to = &columns[(*n)++];
  *to = (column){.of = c, .layer = layer, .norms = memory ? layer->memory : layer->gradient};
  size_t at = 0;
  if (numbered) at = (size_t)snprintf(to->name, sizeof to->name, "[%d]", number);
  else if (c->radius > 0) at = (size_t)snprintf(to->name, sizeof to->name, "%s", c->label);
  if (c->flow->n_layers > 1 || at == 0)
    at += (size_t)snprintf(to->name + at, sizeof to->name - at, "%s%s", at ? " " : "", layer->name);
  if (layer->memory) snprintf(to->name + at, sizeof to->name - at, memory ? " c" : " h");
}

static int list_columns(const cli_flow *f, column *columns) {
  int n = 0;
  bool numbered = f->n > 1 && f->arguments->n_words > 1;
  for (int i = 0; i < f->n; i++)
    for (int k = 0; k < f->cases[i].flow->n_layers; k++) {
      add_column(columns, &n, &f->cases[i], k, false, numbered, i + 1);
      if (f->cases[i].flow->layers[k].memory) add_column(columns, &n, &f->cases[i], k, true, numbered, i + 1);
    }
  return n;
}

/* 0, 1, 2, 5, 10, 20, 50, ... and the last. */
static int list_lags(int64_t steps, int64_t *lags) {
  static const int64_t digits[] = {1, 2, 5};
  int n = 0;
  lags[n++] = 0;
  for (int64_t scale = 1; scale < steps && n < LAGS - 4; scale *= 10)
    for (int i = 0; i < 3; i++)
      if (digits[i] * scale < steps - 1) lags[n++] = digits[i] * scale;
  if (steps > 1) lags[n++] = steps - 1;
  return n;
}

static const char *norm_text(double norm, char buffer[CLI_NUMBER_SIZE]) {
  if (!isfinite(norm)) { /* beyond the range of f64 */
    snprintf(buffer, CLI_NUMBER_SIZE, "inf");
    return buffer;
  }
  snprintf(buffer, CLI_NUMBER_SIZE, norm == 0 || (norm >= 1e-3 && norm < 1e5) ? "%.4g" : "%.2e", norm);
  return buffer;
}

/* "vanishes: half every 6.6 steps". */
static void print_verdict(const column *c) {
  double factor = c->layer->factor;
  if (factor == 0 || !isfinite(factor)) {
    printf(factor == 0 ? "is zero\n" : "reaches one step only\n");
    return;
  }
  if (fabs(log(factor)) < 0.003) printf("keeps its size");
  else if (factor < 1) printf("vanishes: half of it is left every %.3g steps", log(0.5) / log(factor));
  else printf("explodes: it doubles every %.3g steps", log(2) / log(factor));
  printf(" (%.6g a step)\n", factor);
}

static void print_head(const cli_flow *f) {
  const cli_flow_case *c = &f->cases[0];
  printf("|dL/dh_k|, the derivative of the loss of the last step by the state k, by lag: steps read since k\n");
  printf("L: %s; %lld %ssequences%s", c->loss, (long long)c->flow->sequences, c->random_data ? "made-up " : "",
         c->random_data ? "" : " of the data");
  if (c->last_steps) printf(", the longest, of each the last %lld steps", (long long)c->last_steps);
  printf("; f64\n");
  if (c->at_rest) printf("inputs are 0: states stay at rest, each step's Jacobian is f'(0) times the matrix\n");
  for (int i = 0; i < f->n && f->arguments->n_words > 1; i++) printf("[%d] %s\n", i + 1, f->cases[i].label);
  printf("\n");
}

static void print_norms(const column *columns, int n, const cli_terminal *t) {
  static const char align[] = "rrrrrrrrrrrrrrrrrrrrrrrrrr";
  cli_table table = {.columns = n + 1, .align = align};
  int64_t most = 0, lags[LAGS];
  char text[CLI_NUMBER_SIZE];
  for (int c = 0; c < n; c++) most = columns[c].layer->steps > most ? columns[c].layer->steps : most;
  int rows = list_lags(most, lags);
  cli_table_add(&table, "lag");
  for (int c = 0; c < n; c++) cli_table_add(&table, "%s", columns[c].name);
  for (int i = 0; i < rows; i++) {
    cli_table_add(&table, "%lld", (long long)lags[i]);
    for (int c = 0; c < n; c++)
      cli_table_add(&table, "%s", lags[i] < columns[c].layer->steps ? norm_text(columns[c].norms[lags[i]], text) : "");
  }
  cli_table_print(&table, t, 0);
  cli_table_clear(&table);
  printf("\n");
  for (int c = 0; c < n; c++) {
    if (columns[c].layer->memory && columns[c].norms == columns[c].layer->gradient) continue; /* its memory tells */
    printf("%s: the gradient ", columns[c].name);
    print_verdict(&columns[c]);
  }
}

/* ---- matrices ---- */

static void print_matrices(const column *columns, int n, const cli_terminal *t) {
  static const char *const gates[][CY_FLOW_GATES] = {{"U"}, {"U_i", "U_f", "U_g", "U_o"}, {"U_r", "U_z", "U_n"}};
  cli_table table = {.columns = 5, .align = "llrrr"};
  char text[CLI_NUMBER_SIZE];
  printf("\nrecurrent matrices: spectral radius, largest singular value; mean f' over all steps\n");
  cli_table_add(&table, "layer");
  cli_table_add(&table, "matrix");
  cli_table_add(&table, "radius");
  cli_table_add(&table, "norm");
  cli_table_add(&table, "f'");
  for (int c = 0; c < n; c++) {
    const cy_flow_layer *layer = columns[c].layer;
    if (columns[c].norms != layer->gradient) continue;
    int kind = layer->gates == 1 ? 0 : layer->gates == 4 ? 1 : 2;
    for (int g = 0; g < layer->gates; g++) {
      cli_table_add(&table, "%s", g == 0 ? columns[c].name : "");
      cli_table_add(&table, "%s", gates[kind][g]);
      cli_table_add(&table, "%.6g", layer->radius[g]);
      cli_table_add(&table, "%.6g", layer->norm[g]);
      cli_table_add(&table, "%s", isfinite(layer->slope) ? norm_text(layer->slope, text) : "");
    }
  }
  cli_table_print(&table, t, 0);
  cli_table_clear(&table);
}

static void print_jacobians(const column *columns, int n, const cli_terminal *t) {
  cli_table table = {.columns = 5, .align = "lrrrr"};
  printf("\nJacobians of steps, d state / d state before (of rnn: Diag(f') U'), of the first sequence\n");
  cli_table_add(&table, "layer");
  cli_table_add(&table, "step");
  cli_table_add(&table, "largest sv");
  cli_table_add(&table, "smallest sv");
  cli_table_add(&table, "radius");
  for (int c = 0; c < n; c++) {
    const cy_flow_layer *layer = columns[c].layer;
    if (columns[c].norms != layer->gradient) continue;
    int wanted[3] = {0, layer->n_jacobians / 2, layer->n_jacobians - 1};
    for (int i = 0; i < 3; i++) {
      const cy_flow_jacobian *j = &layer->jacobians[wanted[i]];
      if (i > 0 && wanted[i] == wanted[i - 1]) continue;
      char a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE];
      cli_table_add(&table, "%s", i == 0 ? columns[c].name : "");
      cli_table_add(&table, "%lld", (long long)j->step);
      cli_table_add(&table, "%s", norm_text(j->largest, a));
      cli_table_add(&table, "%s", norm_text(j->smallest, b));
      cli_table_add(&table, "%s", norm_text(j->radius, a));
    }
  }
  cli_table_print(&table, t, 0);
  cli_table_clear(&table);
}

/* ---- clipping ---- */

static void print_clipping(const cli_flow *f) {
  printf("\ngradient of all parameters, one sequence at a time\n");
  for (int i = 0; i < f->n; i++) {
    const cy_flow *flow = f->cases[i].flow;
    double least = INFINITY, most = 0;
    for (int64_t k = 0; k < flow->sequences; k++) {
      least = fmin(least, flow->norms[k]);
      most = fmax(most, flow->norms[k]);
    }
    char a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE];
    printf("%s: norms %s to %s", f->cases[i].label, norm_text(least, a), norm_text(most, b));
    if (flow->clip > 0 && flow->clipped > 0)
      printf("; cut to %g: %.3g %% of the sequences, down to %.3g of it", flow->clip, 100 * flow->clipped,
             flow->least_kept);
    else if (flow->clip > 0) printf("; a cut to %g changes none", flow->clip);
    printf("\n");
  }
}

cy_status cli_flow_print(const cli_flow *f) {
  cli_terminal terminal = cli_terminal_of(STDOUT_FILENO);
  column columns[COLUMNS];
  int n = list_columns(f, columns);
  print_head(f);
  print_norms(columns, n, &terminal);
  print_matrices(columns, n, &terminal);
  print_jacobians(columns, n, &terminal);
  print_clipping(f);
  return CY_OK;
}
