/* Decision regions: the model is asked on a grid over the window of the samples, and at the samples. */
#include "cli/regions.h"

#include "cli/terminal.h"

#include <math.h>
#include <stdio.h>

enum { GRID = 257, MOST_CLASSES = 10 };

bool cli_has_regions(const cy_trained *trained) {
  cy_shape sample = cy_trained_sample_shape(trained);
  int64_t classes = cy_trained_classes(trained);
  return sample.rank == 1 && sample.dim[0] == 2 && classes >= 2 && classes <= MOST_CLASSES;
}

typedef struct regions {
  cy_trained *trained;
  const cy_dataset *dataset;
  cy_plot_plane plane;
  double *points, *probabilities;
  int64_t *actual, *predicted;
} regions;

static cy_status read_points(regions *r, const int64_t *indices, int64_t n) {
  const cy_tensor *inputs = cy_dataset_inputs(r->dataset);
  if (!indices) n = cy_dataset_count(r->dataset);
  r->points = cy_calloc(2 * (size_t)n + 1, sizeof *r->points);
  r->actual = cy_calloc((size_t)n + 1, sizeof *r->actual);
  r->predicted = cy_calloc((size_t)n + 1, sizeof *r->predicted);
  if (!r->points || !r->actual || !r->predicted) return cy_no_memory();
  for (int64_t i = 0; i < n; i++) {
    int64_t from = indices ? indices[i] : i;
    for (int k = 0; k < 2; k++) r->points[2 * i + k] = cy_tensor_at(inputs, 2 * from + k);
    r->actual[i] = cy_dataset_label(r->dataset, from);
  }
  r->plane.n = n;
  return CY_OK;
}

/* The range of the points with a little room; of equal ones, some. */
static void choose_window(regions *r) {
  for (int k = 0; k < 2; k++) {
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < r->plane.n; i++) {
      low = fmin(low, r->points[2 * i + k]);
      high = fmax(high, r->points[2 * i + k]);
    }
    if (r->plane.n == 0) low = high = 0;
    double room = high > low ? 0.06 * (high - low) : fmax(1, fabs(low) * 0.1);
    r->plane.low[k] = low - room;
    r->plane.high[k] = high + room;
  }
}

/* The model's answers at n points (x, y) of the data's unit. */
static cy_status ask(const regions *r, const double *points, int64_t n, double *probabilities, int64_t *labels) {
  cy_tensor *inputs, *outputs = NULL, *classes = NULL;
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(n, 2), &inputs));
  for (int64_t i = 0; i < 2 * n; i++) cy_tensor_set(inputs, i, points[i]);
  cy_status status = cy_trained_predict(r->trained, inputs, &outputs, &classes);
  for (int64_t i = 0; status == CY_OK && probabilities && i < n * r->plane.classes; i++)
    probabilities[i] = cy_tensor_at(outputs, i);
  for (int64_t i = 0; status == CY_OK && labels && i < n; i++) labels[i] = cy_tensor_i64(classes)[i];
  cy_tensor_free(inputs);
  cy_tensor_free(outputs);
  cy_tensor_free(classes);
  return status;
}

static cy_status ask_grid(regions *r) {
  double *nodes = cy_calloc(2 * GRID * GRID, sizeof *nodes);
  r->probabilities = cy_calloc((size_t)GRID * GRID * (size_t)r->plane.classes, sizeof *r->probabilities);
  if (!nodes || !r->probabilities) {
    cy_free(nodes);
    return cy_no_memory();
  }
  const double *low = r->plane.low, *high = r->plane.high;
  for (int i = 0; i < GRID * GRID; i++) {
    nodes[2 * i] = low[0] + (high[0] - low[0]) * (i % GRID) / (GRID - 1);
    nodes[2 * i + 1] = low[1] + (high[1] - low[1]) * (i / GRID) / (GRID - 1); /* whole rows */
  }
  cy_status status = ask(r, nodes, GRID * GRID, r->probabilities, NULL);
  cy_free(nodes);
  return status;
}

static cy_status draw(regions *r, const char *part, const char *png, const char *svg) {
  const char *names[MOST_CLASSES];
  char title[160], subtitle[160], count[CLI_NUMBER_SIZE], share[CLI_NUMBER_SIZE];
  int64_t right = 0;
  for (int64_t i = 0; i < r->plane.n; i++) right += r->predicted[i] == r->actual[i];
  for (int c = 0; c < r->plane.classes; c++) names[c] = cy_trained_class_name(r->trained, c);
  snprintf(title, sizeof title, "%s: decision regions", cy_dataset_name(r->dataset));
  snprintf(subtitle, sizeof subtitle, "%s: %s points, accuracy %s", part, cli_count_text(r->plane.n, count),
           cli_percent_text(r->plane.n ? (double)right / (double)r->plane.n : 0, share));
  r->plane.names = names;
  r->plane.points = r->points;
  r->plane.actual = r->actual;
  r->plane.predicted = r->predicted;
  r->plane.probabilities = r->probabilities;
  return cy_plot_regions(&r->plane, (cy_plot_options){.title = title, .subtitle = subtitle}, png, svg);
}

static cy_status run(regions *r, const int64_t *indices, int64_t n, const char *part, const char *png, const char *svg) {
  const char *first = cy_dataset_feature_name(r->dataset, 0), *second = cy_dataset_feature_name(r->dataset, 1);
  r->plane = (cy_plot_plane){.labels = {first ? first : "feature 0", second ? second : "feature 1"},
                             .classes = (int)cy_trained_classes(r->trained), .columns = GRID, .rows = GRID};
  CY_TRY(read_points(r, indices, n));
  choose_window(r);
  CY_TRY(ask_grid(r));
  if (r->plane.n > 0) CY_TRY(ask(r, r->points, r->plane.n, NULL, r->predicted));
  return draw(r, part, png, svg);
}

cy_status cli_draw_regions(cy_trained *trained, const cy_dataset *dataset, const int64_t *indices, int64_t n, const char *part,
                           const char *png, const char *svg) {
  if (!cli_has_regions(trained))
    return cy_fail(CY_INVALID, "decision regions are drawn of models with two features and 2 to %d classes", MOST_CLASSES);
  regions r = {.trained = trained, .dataset = dataset};
  cy_status status = run(&r, indices, n, part, png, svg);
  cy_free(r.points);
  cy_free(r.probabilities);
  cy_free(r.actual);
  cy_free(r.predicted);
  return status;
}
